//! Hints: how much the hinted and the right option have along the answers, with and without the hint.

use std::collections::BTreeMap;

use babelscope_probes::cot::hints::{Arm, Asked};

use super::{
    Source,
    dose::{self, Dose, Side, dose},
    table,
    traces::{PLACES, at},
};

/// Languages that have a figure; all are in the file of details.
const LANGUAGES: usize = 12;

fn languages(asked: &[Asked]) -> Vec<&str> {
    let mut all: Vec<&str> =
        asked.iter().filter(|one| !one.shares.is_empty()).map(|one| one.language.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(LANGUAGES);
    all
}

/// The names of the figures with what stands below them.
pub(crate) fn names(asked: &[Asked]) -> Vec<(String, String)> {
    let of =
        |code: &str| (format!("hints-{code}"), format!("What a hint does to the answers in {}", table::name(code)));
    languages(asked).into_iter().map(of).collect()
}

/// Name and content of each figure.
pub(super) fn figures(asked: &[Asked], source: &Source) -> Vec<(String, String)> {
    let drawn = languages(asked).into_iter().zip(names(asked));
    drawn.map(|(code, (name, title))| (name, figure(asked, code, &title, source))).collect()
}

/// A line of the mean of curves, whatever their lengths.
fn line(name: &str, dashed: bool, curves: &[Vec<f64>]) -> dose::Arm {
    let share = |place: usize| place as f64 / (PLACES - 1) as f64;
    let point = |place: usize| {
        let value = curves.iter().map(|curve| at(curve, share(place))).sum::<f64>() / curves.len().max(1) as f64;
        Dose { strength: share(place), value, low: value, high: value }
    };
    dose::Arm { name: name.to_owned(), dashed, doses: (0..PLACES).map(point).collect() }
}

fn figure(asked: &[Asked], code: &str, title: &str, source: &Source) -> String {
    let own: Vec<&Asked> = asked.iter().filter(|one| one.language == code && !one.shares.is_empty()).collect();
    let pointed: BTreeMap<&str, Option<usize>> =
        own.iter().filter(|one| one.arm == Arm::Hint).map(|one| (one.item.as_str(), one.hinted)).collect();
    let hinted = |one: &Asked| one.hinted.or_else(|| pointed.get(one.item.as_str()).copied().flatten());
    let lines = |option: &dyn Fn(&Asked) -> Option<usize>| -> Vec<dose::Arm> {
        let arms = [
            (Arm::Hint, "with the hint", false),
            (Arm::RandomHint, "hint at random", true),
            (Arm::NoHint, "no hint", true),
        ];
        let arm = |(arm, name, dashed): (Arm, &str, bool)| {
            // A hint to the right option shows nothing.
            let of = own.iter().filter(|one| one.arm == arm && hinted(one) != Some(one.right));
            let curves: Vec<Vec<f64>> = of.filter_map(|one| Some(one.curve(option(one)?))).collect();
            (!curves.is_empty()).then(|| line(name, dashed, &curves))
        };
        arms.into_iter().filter_map(arm).collect()
    };
    let side = |title: &str, arms: Vec<dose::Arm>| Side { title: title.to_owned(), range: (0.0, 1.0), arms };
    let sides = [
        side("The option that the hint points to", lines(&hinted)),
        side("The right option", lines(&|one| Some(one.right))),
    ];
    let caption = format!(
        "Share of the option among all when it is forced behind an answer stub, a mean over {} answers; 0 is the question alone, 1 the last step \
         before an option is stated. Without a hint: the option that the hint of the same question points to. Model {}.",
        own.iter().filter(|one| hinted(one) != Some(one.right)).count(),
        source.model
    );
    dose(title, &sides, "share of the steps", &caption)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_a_figure_of_its_arms() {
        let one = |arm: Arm, hinted: Option<usize>, shares: [f64; 2]| Asked {
            item: "q".to_owned(),
            language: "arb_Arab".to_owned(),
            arm,
            hinted,
            shares: vec![shares.to_vec(), vec![0.5, 0.5]],
            ..Asked::default()
        };
        let asked = [one(Arm::NoHint, None, [0.9, 0.1]), one(Arm::Hint, Some(1), [0.1, 0.9]), Asked::default()];
        let found = figures(&asked, &Source::default());
        assert_eq!(found.len(), 1);
        assert!(
            found[0].0 == "hints-arb_Arab" && found[0].1.contains("with the hint") && found[0].1.contains("no hint")
        );
        assert!(!found[0].1.contains("hint at random"));
        assert_eq!(names(&asked)[0].0, found[0].0);
    }
}
