//! From the grids of pairs to rows.

use std::collections::BTreeMap;

use super::{
    super::{
        average::{Means, name},
        pair::{Pair, PairSpec},
        report::PatchedRun,
        roles::{NAMES, roles},
    },
    Direction, GridSite,
};

/// Means over the pairs of two languages: by position where all prompts have as many tokens, else by the role of the token.
pub(super) fn average(specs: &[PairSpec], pairs: &[Pair], runs: &[PatchedRun]) -> Means {
    let mut means = Means::default();
    let languages = |spec: &PairSpec| (spec.language.clone(), spec.corrupt_language().to_owned());
    let mut lengths: BTreeMap<_, Option<usize>> = BTreeMap::new();
    for (spec, pair) in specs.iter().zip(pairs) {
        let own = pair.clean.ids.len();
        lengths.entry(languages(spec)).and_modify(|n| *n = n.filter(|n| *n == own)).or_insert(Some(own));
    }
    let used = || specs.iter().zip(pairs).zip(runs).filter(|(_, run)| run.skipped.is_empty());
    for ((spec, _), run) in used() {
        let sides = [Some(&run.clean), run.corrupt.as_ref()];
        for (metric, side) in ["clean", "corrupt"].into_iter().zip(sides) {
            let row = name(metric).of(&spec.language).against(spec.corrupt_language()).variant(&run.metric);
            side.iter().for_each(|side| means.add(row.clone(), side.value));
        }
    }
    for ((spec, pair), run) in used() {
        let alike = lengths.get(&languages(spec)).copied().flatten().is_some();
        let roles = roles(pair.clean.ids.len(), pair.clean.bos, &pair.subject);
        for panel in &run.panels {
            let by_position = panel.site != GridSite::Head.name() && panel.site != GridSite::Neurons.name();
            let (changed, gives) = match panel.variant == Direction::Denoise.name() {
                true => (spec.corrupt_language(), &*spec.language),
                false => (&*spec.language, spec.corrupt_language()),
            };
            let row = |metric: &str, layer: usize, item: &str| {
                let row = name(&format!("{metric}_{}", panel.site)).of(changed).against(gives);
                row.at(panel.layers[layer]).variant(&panel.variant).item(item)
            };
            if alike || !by_position {
                for (layer, item, effect, patched) in panel.cells() {
                    means.add(row("effect", layer, &panel.items[item]), effect);
                    means.add(row("patched", layer, &panel.items[item]), patched);
                }
                continue;
            }
            for layer in 0..panel.layers.len() {
                for role in NAMES {
                    let own: Vec<usize> = (0..roles.len()).filter(|at| roles[*at] == role).collect();
                    let mean = |of: &[f64]| own.iter().map(|at| of[*at]).sum::<f64>() / own.len() as f64;
                    if !own.is_empty() {
                        means.add(row("effect", layer, role), mean(&panel.effect[layer]));
                        means.add(row("patched", layer, role), mean(&panel.patched[layer]));
                    }
                }
            }
        }
    }
    means
}
