//! Arithmetic of language-specific neurons: the source language's are switched off, the target language's are raised or set.
//!
//! With `m_t` the mean activation of a neuron over all tokens of the target language and `m_o` the mean of its means in the
//! other languages, and a strength `a`: **additive** `x + a m_t`, **replacement** `a m_t`, **diff_mean** `x + a (m_t - m_o)`.
//! The source's neurons become 0 first, so a neuron of both languages is 0 and then raised. (Gurgurov et al., arXiv
//! 2507.22608; CLaS-Bench's "LAPE, additive with source deactivation" is additive with a source.) methods.md 4.2, 4.3.
//!
//! **Where**: at `mlp_act`, after gating, as that is where edits reach a neuron; `m` is measured there too. The original
//! changes `act(gate)` before it is multiplied with `up`: to 0 is the same, but a raise there grows with `up` at the token,
//! and here it is the same at every token.

use std::collections::BTreeMap;

use babelscope_core::{
    engine::{Engine, Values},
    monitor::{Monitor, Tick},
    plan::{Capture, Edit, Op, Plan, Point, Reduce, Site, Unit, Window},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, measure::Measured};

/// Neurons by block (counted from 1), ascending in each.
pub type NeuronSet = BTreeMap<usize, Vec<usize>>;

/// Mean activations of every neuron by block.
pub type Means = BTreeMap<usize, Vec<f64>>;

/// Bytes of the rows that are captured at once.
const ROW_BYTES: usize = 256 << 20;
/// BOS is the same in every language.
const WINDOW: Window = Window { include_bos: false, skip_first: 0 };

/// What becomes of the target's neurons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// Raised by their mean in the target language.
    #[default]
    Additive,
    /// Set to their mean in the target language.
    Replacement,
    /// Raised by their mean in the target language less their mean in the others.
    DiffMean,
}

/// The neurons of each language that [`crate::neurons::neurons`] found: its rows `lape`.
///
/// # Errors
/// Rows without a language, a layer and the number of a neuron, and no such row.
///
/// ```
/// use babelscope_probes::{measure::{Measured, Row}, steer::neuron_sets};
/// let row = |language, layer, neuron: &str| Row::new("lape", 0.1, 9).of(language).at(layer).item(neuron);
/// let rows = vec![row("eng_Latn", 2, "7"), row("eng_Latn", 2, "3"), row("swh_Latn", 4, "3")];
/// let sets = neuron_sets(&Measured { rows, notes: Vec::new() })?;
/// assert_eq!(sets["eng_Latn"], [(2, vec![3, 7])].into());
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn neuron_sets(measured: &Measured) -> Result<BTreeMap<String, NeuronSet>> {
    let mut sets: BTreeMap<String, NeuronSet> = BTreeMap::new();
    for row in measured.metric("lape") {
        let (Some(layer), Ok(neuron)) = (row.layer, row.item.parse()) else {
            return refuse(format!(
                "a row `lape` names the layer {:?} and the neuron {:?}; expected numbers",
                row.layer, row.item
            ));
        };
        sets.entry(row.language.clone()).or_default().entry(layer).or_default().push(neuron);
    }
    if sets.is_empty() {
        return refuse("there are no rows `lape`; run the neurons probe first".to_owned());
    }
    for neurons in sets.values_mut().flat_map(BTreeMap::values_mut) {
        neurons.sort_unstable();
        neurons.dedup();
    }
    Ok(sets)
}

/// The mean activation (`mlp_act`) of every neuron of `blocks` over all tokens of the texts but BOS.
///
/// # Errors
/// No text, and whatever the engine refuses.
pub fn mean_activations(engine: &Engine, texts: &[String], blocks: &[usize], monitor: &Monitor) -> Result<Means> {
    if texts.is_empty() || blocks.is_empty() {
        return refuse(format!("{} texts and {} blocks have no mean activation", texts.len(), blocks.len()));
    }
    let encoded = engine.tokenizer().encode_all(texts)?;
    let width = engine.width(Point::MlpAct);
    let capture = |block: &usize| Capture { site: Site::new(Point::MlpAct, *block), reduce: Reduce::Mean(WINDOW) };
    let plan = Plan { captures: blocks.iter().map(capture).collect(), ..Plan::default() };
    let mut sums: Means = blocks.iter().map(|block| (*block, vec![0.0; width])).collect();
    let mut tokens = 0.0;
    let step = (ROW_BYTES / (blocks.len() * width * size_of::<f32>())).max(1);
    let quiet = monitor.quiet();
    for (done, group) in encoded.chunks(step).enumerate() {
        monitor.tick(Tick { what: "mean activations", done: done * step, total: encoded.len(), unit: "sentences" })?;
        for captured in engine.run(group, &plan, &quiet)? {
            let (block, Values::Pooled(rows)) = (captured.site().block, captured.values) else {
                return refuse("the engine kept every token where a mean was asked for".to_owned());
            };
            let rows: Vec<Vec<f32>> = rows.to_vec2().map_err(babelscope_core::Error::from)?;
            let Some(sums) = sums.get_mut(&block) else { continue };
            for (row, sentence) in rows.iter().zip(group) {
                let seen = (sentence.ids.len() - sentence.bos) as f64;
                sums.iter_mut().zip(row).for_each(|(sum, mean)| *sum += f64::from(*mean) * seen);
            }
        }
        tokens += group.iter().map(|sentence| (sentence.ids.len() - sentence.bos) as f64).sum::<f64>();
    }
    sums.values_mut().flatten().for_each(|sum| *sum /= tokens);
    Ok(sums)
}

/// The edits of an arithmetic, in the order in which they have to be made.
///
/// `means` are the target's; `others` those of the other languages, read by [`Arithmetic::DiffMean`] alone; `source` is left
/// on where it is `None`.
///
/// # Errors
/// A target without neurons, a neuron without a mean, `diff_mean` without others, a strength that is not finite.
///
/// ```
/// use babelscope_probes::steer::{Arithmetic, arithmetic};
/// let (source, target) = ([(2, vec![0])].into(), [(2, vec![1])].into());
/// let means = [(2, vec![0.5, 3.0, 0.25])].into();
/// let edits = arithmetic(Some(&source), &target, &means, &[], Arithmetic::Additive, 1.0)?;
/// assert_eq!(edits.iter().map(|edit| edit.op.name()).collect::<Vec<_>>(), ["scale", "add"]);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn arithmetic(
    source: Option<&NeuronSet>,
    target: &NeuronSet,
    means: &Means,
    others: &[&Means],
    kind: Arithmetic,
    strength: f32,
) -> Result<Vec<Edit>> {
    if !strength.is_finite() {
        return refuse(format!("the strength is {strength}, expected a finite number"));
    }
    if target.values().all(Vec::is_empty) {
        return refuse("the target language has no neuron of its own, so there is nothing to raise".to_owned());
    }
    if kind == Arithmetic::DiffMean && others.is_empty() {
        return refuse("diff_mean compares with the means of other languages, and there are none".to_owned());
    }
    let off = |(block, neurons): (&usize, &Vec<usize>)| {
        Edit::at(Site::new(Point::MlpAct, *block), Op::Scale { neurons: neurons.clone(), factor: 0.0 })
    };
    let some = |(_, neurons): &(&usize, &Vec<usize>)| !neurons.is_empty();
    let mut edits: Vec<Edit> = source.into_iter().flatten().filter(some).map(off).collect();
    if kind == Arithmetic::Replacement {
        edits.extend(target.iter().filter(some).map(off));
    }
    for (block, neurons) in target.iter().filter(some) {
        let mean = |of: &Means, neuron: usize| {
            of.get(block).and_then(|means| means.get(neuron)).copied().ok_or_else(|| Error::Input {
                measure: "steer",
                why: format!("neuron {neuron} of block {block} has no mean activation; measure the block first"),
            })
        };
        let mut vector = vec![0.0; means.get(block).map_or(0, Vec::len)];
        for neuron in neurons {
            let mut raise = mean(means, *neuron)?;
            if kind == Arithmetic::DiffMean {
                let others = others.iter().map(|of| mean(of, *neuron)).collect::<Result<Vec<f64>>>()?;
                raise -= others.iter().sum::<f64>() / others.len() as f64;
            }
            vector[*neuron] = raise as f32;
        }
        // A vector of zeros adds nothing, and the engine refuses one that has no direction.
        if vector.iter().any(|x| *x != 0.0) {
            let op = Op::Add { vector: vector.into(), coefficient: strength, unit: Unit::Raw, keep_norm: false };
            edits.push(Edit::at(Site::new(Point::MlpAct, *block), op));
        }
    }
    Ok(edits)
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

#[cfg(test)]
mod tests {
    use babelscope_core::engine::LoadOptions;

    use super::*;

    /// `mlp_act` of the last token at a block.
    fn activations(engine: &Engine, text: &str, edits: Vec<Edit>, block: usize) -> Vec<f32> {
        let capture = Capture { site: Site::new(Point::MlpAct, block), reduce: Reduce::Last };
        let plan = Plan { captures: vec![capture], edits, ..Plan::default() };
        let sentence = engine.tokenizer().encode(text).unwrap();
        let kept = engine.run(&[sentence], &plan, &Monitor::silent()).unwrap();
        let Values::Pooled(rows) = &kept[0].values else { panic!("not pooled") };
        rows.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn neurons_end_where_the_formula_says() {
        let monitor = Monitor::silent();
        let engine = Engine::load("lab", &LoadOptions::default(), &monitor).unwrap();
        let texts = ["a b c".to_owned(), "b".to_owned()];
        let means = mean_activations(&engine, &texts, &[1, 2], &monitor).unwrap();
        let others = mean_activations(&engine, &texts[..1], &[1, 2], &monitor).unwrap();
        let (source, target): (NeuronSet, NeuronSet) = ([(1, vec![0, 5])].into(), [(1, vec![5, 9])].into());
        let before = activations(&engine, "c", Vec::new(), 1);
        for kind in [Arithmetic::Additive, Arithmetic::Replacement, Arithmetic::DiffMean] {
            let edits = arithmetic(Some(&source), &target, &means, &[&others], kind, 1.5).unwrap();
            let after = activations(&engine, "c", edits, 1);
            for neuron in 0..before.len() {
                let (was, mean) = (f64::from(before[neuron]), means[&1][neuron]);
                let raise = 1.5 * if kind == Arithmetic::DiffMean { mean - others[&1][neuron] } else { mean };
                let want = match neuron {
                    0 => 0.0,
                    5 => raise,
                    9 if kind == Arithmetic::Replacement => raise,
                    9 => was + raise,
                    _ => was,
                };
                assert!((f64::from(after[neuron]) - want).abs() < 1e-5, "{kind:?}, neuron {neuron}");
            }
        }
    }

    /// The mean over tokens, not over sentences.
    #[test]
    fn the_mean_counts_every_token_once() {
        let monitor = Monitor::silent();
        let engine = Engine::load("lab", &LoadOptions::default(), &monitor).unwrap();
        let texts = ["a b c d e".to_owned(), "f".to_owned()];
        let found = mean_activations(&engine, &texts, &[3], &monitor).unwrap();
        let capture = Capture { site: Site::new(Point::MlpAct, 3), reduce: Reduce::All };
        let plan = Plan { captures: vec![capture], ..Plan::default() };
        let encoded = engine.tokenizer().encode_all(&texts).unwrap();
        let kept = engine.run(&encoded, &plan, &monitor).unwrap();
        let Values::Tokens(states) = &kept[0].values else { panic!("pooled") };
        let rows: Vec<Vec<f32>> =
            states.iter().zip(&encoded).flat_map(|(s, e)| s.to_vec2::<f32>().unwrap().split_off(e.bos)).collect();
        for neuron in [0, 17, 351] {
            let want = rows.iter().map(|row| f64::from(row[neuron])).sum::<f64>() / rows.len() as f64;
            assert!((found[&3][neuron] - want).abs() < 1e-6);
        }
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let (target, means): (NeuronSet, Means) = ([(1, vec![4])].into(), [(1, vec![0.5; 3])].into());
        let why = |target: &NeuronSet, kind, strength| {
            arithmetic(None, target, &means, &[], kind, strength).unwrap_err().to_string()
        };
        assert!(why(&target, Arithmetic::Additive, 1.0).contains("neuron 4 of block 1 has no mean"));
        assert!(why(&NeuronSet::new(), Arithmetic::Additive, 1.0).contains("no neuron of its own"));
        assert!(why(&target, Arithmetic::DiffMean, 1.0).contains("other languages"));
        assert!(why(&target, Arithmetic::Additive, f32::NAN).contains("finite"));
        assert!(neuron_sets(&Measured::default()).unwrap_err().to_string().contains("neurons probe"));
    }
}
