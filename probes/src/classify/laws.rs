//! Laws of the probes on planted states.

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, CowArray, Ix2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{ClassifyParams, Labels, Target, classify};
use crate::{Result, align::LanguageStates, measure::Measured, source::StateSource};

/// Numbers of mean 0 and variance 1.
fn noise(rng: &mut ChaCha8Rng, n: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, width), |_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0)
}

fn languages(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn states(codes: &[&str], of: Vec<Array2<f32>>) -> LanguageStates {
    LanguageStates::new(languages(codes), vec![2], of.into_iter().map(|state| vec![state]).collect()).unwrap()
}

fn measured(source: &dyn StateSource, labels: Option<&Labels>, params: &ClassifyParams) -> Measured {
    classify(source, labels, params, 5, &Monitor::silent()).unwrap()
}

fn value(found: &Measured, metric: &str, variant: &str) -> f64 {
    found.value(metric, "", "", Some(2), variant).unwrap()
}

fn refused(source: &dyn StateSource, labels: Option<&Labels>, params: &ClassifyParams) -> String {
    classify(source, labels, params, 5, &Monitor::silent()).unwrap_err().to_string()
}

fn quick() -> ClassifyParams {
    ClassifyParams { shuffles: 0, bootstrap: 0, ..ClassifyParams::default() }
}

fn labelled() -> ClassifyParams {
    ClassifyParams { targets: vec![Target::Label], ..quick() }
}

const FOUR: [&str; 4] = ["eng_Latn", "deu_Latn", "rus_Cyrl", "tam_Taml"];

/// Every language far from the others in its own direction.
fn separable() -> LanguageStates {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let of = (0..4).map(|l| {
        let mut state = noise(&mut rng, 40, 8);
        state.column_mut(l).mapv_inplace(|x| x + 20.0);
        state
    });
    states(&FOUR, of.collect())
}

#[test]
fn separable_classes_are_told_apart_and_cost_next_to_nothing() {
    let params = ClassifyParams {
        targets: vec![Target::Language, Target::Script, Target::Family],
        shuffles: 20,
        bootstrap: 200,
        ..quick()
    };
    let found = measured(&separable(), None, &params);
    for task in ["language", "language_within_script", "script", "family"] {
        assert_eq!(value(&found, "accuracy", task), 1.0, "{task}");
        assert_eq!(value(&found, "macro_f1", task), 1.0, "{task}");
        assert_eq!(value(&found, "auroc", task), 1.0, "{task}");
        assert!(value(&found, "calibration", task) < 0.1, "{task}");
        assert!(value(&found, "compression", task) > 3.0, "{task}");
    }
    // All that the classes say is there: log2 4 bits.
    assert!((value(&found, "v_information", "language") - 2.0).abs() < 0.1);
    assert_eq!(value(&found, "majority", "language"), 0.25);
    assert_eq!(value(&found, "majority", "script"), 0.5);
    let accuracy = found.metric("accuracy").find(|row| row.variant == "language").unwrap();
    let null = accuracy.shuffled.unwrap();
    assert!((null.mean - 0.25).abs() < 0.06 && null.p < 0.05, "{null:?}");
    assert_eq!((accuracy.n, accuracy.chance, accuracy.low), (40, Some(0.25), Some(1.0)));
    assert_eq!(found.value("class_accuracy", "rus_Cyrl", "", Some(2), "language"), Some(1.0));
    assert_eq!(found.value("confusion", "rus_Cyrl", "rus_Cyrl", Some(2), "language"), Some(1.0));
    assert_eq!(found.value("confusion", "rus_Cyrl", "eng_Latn", Some(2), "language"), Some(0.0));
    let bits = found.metric("codelength").find(|row| row.variant == "language").unwrap();
    assert_eq!(bits.chance, Some(4.0 * 40.0 * 2.0));
    assert!(found.rows.iter().all(|row| row.value.is_some_and(f64::is_finite)), "{:?}", found.rows);
}

#[test]
fn where_there_is_nothing_a_probe_finds_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let of = (0..4).map(|_| noise(&mut rng, 80, 12)).collect();
    let found = measured(&states(&FOUR, of), None, &quick());
    // 320 rows of chance 1/4: a standard deviation is .024.
    assert!((value(&found, "accuracy", "language") - 0.25).abs() < 0.1);
    assert!(value(&found, "selectivity", "language").abs() < 0.12);
    assert!((value(&found, "auroc", "language") - 0.5).abs() < 0.1);
    assert!((value(&found, "compression", "language") - 1.0).abs() < 0.05);
    assert!(value(&found, "v_information", "language").abs() < 0.05);
}

/// Each sentence has a state of its own, the same in all languages.
fn content(n: usize, width: usize) -> Array2<f32> {
    noise(&mut ChaCha8Rng::seed_from_u64(3), n, width)
}

#[test]
fn the_control_task_is_learnt_where_sentences_can_be_told_apart() {
    // Wide enough to learn every sentence by heart, and translations are equal: the control is solved, and a perfect probe of the
    // language has no selectivity.
    let of = (0..4).map(|l| {
        let mut state = Array2::zeros((40, 64));
        state.slice_mut(ndarray::s![.., 4..]).assign(&(content(40, 60) * 4.0));
        state.column_mut(l).fill(8.0);
        state
    });
    let found = measured(&states(&FOUR, of.collect()), None, &ClassifyParams { penalties: vec![1.0], ..quick() });
    assert_eq!(value(&found, "accuracy", "language"), 1.0);
    assert!(value(&found, "control_accuracy", "language") > 0.95);
    assert!(value(&found, "selectivity", "language") < 0.05);
}

#[test]
fn translations_and_copies_of_a_test_sentence_do_not_train() {
    // Labels without any pattern: whoever knows another copy of the sentence knows the label, nobody else does.
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let labels = Labels::new("noise", (0..60).map(|_| if rng.random::<bool>() { "a" } else { "b" }));
    let equal = states(&FOUR, vec![content(60, 80); 4]);
    let params = ClassifyParams { penalties: vec![1.0], online_code: false, ..labelled() };
    let apart = value(&measured(&equal, Some(&labels), &params), "accuracy", "noise");
    assert!((apart - 0.5).abs() < 0.2, "translations leak: {apart}");

    // The same sentence twice in the corpus, with the same label.
    let twice = |state: &Array2<f32>| ndarray::concatenate![ndarray::Axis(0), state.view(), state.view()];
    let both = Labels { of_sentence: labels.of_sentence.repeat(2), ..labels };
    let doubled = states(&FOUR, vec![twice(&content(60, 80)); 4]);
    let leaking = value(&measured(&doubled, Some(&both), &params), "accuracy", "noise");
    assert!(leaking > 0.75, "the test has no power: {leaking}");
    let tokens: Vec<Vec<u32>> = (0..120).map(|i| vec![i % 60]).collect();
    let known = doubled.with_tokens(vec![tokens; 4]).unwrap();
    let found = measured(&known, Some(&both), &params);
    assert!((value(&found, "accuracy", "noise") - 0.5).abs() < 0.2, "copies leak");
    assert!(found.notes.iter().any(|note| note.contains("120 sentences, 60 of them different")), "{:?}", found.notes);
}

#[test]
fn labels_transfer_where_the_geometry_is_shared_and_not_where_it_is_turned() {
    let n = 60;
    let labels = Labels::new("topic", (0..n).map(|i| ["sport", "health", "law"][i % 3]));
    let mut plain = content(n, 6);
    for (i, mut row) in plain.outer_iter_mut().enumerate() {
        row[i % 3] += 9.0;
    }
    // The same property in the other three axes: as easy to find there, and nowhere where it was.
    let turned = plain.select(ndarray::Axis(1), &[3, 4, 5, 0, 1, 2]);
    let moved = &plain + 40.0;
    let found = measured(&states(&FOUR[..3], vec![plain, moved, turned]), Some(&labels), &labelled());
    let transfer = |tested: &str, trained: &str, variant: &str| {
        found.value("transfer_accuracy", tested, trained, Some(2), variant).unwrap()
    };
    for language in &FOUR[..3] {
        assert_eq!(transfer(language, language, "topic"), 1.0);
    }
    assert_eq!(transfer("deu_Latn", "eng_Latn", "topic_centred"), 1.0);
    assert!(transfer("rus_Cyrl", "eng_Latn", "topic_centred") < 0.6);
    // As it stands, the property lies where training saw noise: of three classes a whole one is right or wrong by accident.
    assert!(transfer("rus_Cyrl", "eng_Latn", "topic") < 0.7);
    assert_eq!(found.value("class_accuracy", "", "", Some(2), "topic"), Some(1.0));
    assert_eq!(
        found.metric("class_accuracy").map(|row| row.item.as_str()).collect::<Vec<_>>(),
        ["health", "law", "sport"]
    );
}

/// The same states, read as if from a store: a layer at a time.
struct Slow(LanguageStates);

impl StateSource for Slow {
    fn languages(&self) -> &[String] {
        self.0.languages()
    }

    fn layers(&self) -> &[usize] {
        self.0.layers()
    }

    fn sentences(&self) -> usize {
        self.0.sentences()
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.0.state(language, layer)?.into_owned().into())
    }
}

#[test]
fn threads_and_the_kind_of_source_change_no_bit() {
    let params = ClassifyParams { shuffles: 19, bootstrap: 100, components: 5, max_sentences: 30, ..quick() };
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let four = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let first = alone.install(|| measured(&separable(), None, &params));
    assert_eq!(first, four.install(|| measured(&separable(), None, &params)));
    assert_eq!(first, measured(&Slow(separable()), None, &params));
    assert!(first.notes.iter().any(|note| note.contains("first 30 of 40 sentences")));
    assert!(first.notes.iter().any(|note| note.contains("at most 5 principal components")));
    assert!(value(&first, "accuracy", "language") > 0.95);
}

#[test]
fn balanced_weights_find_the_rare_class() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let labels = Labels::new("rare", (0..100).map(|i| if i % 10 == 0 { "yes" } else { "no" }));
    let mut state = noise(&mut rng, 100, 4);
    (0..100).step_by(10).for_each(|i| state[[i, 0]] += 1.5);
    let of = vec![state.clone(), state];
    let params =
        |balanced| ClassifyParams { balanced, penalties: vec![1.0], online_code: false, transfer: false, ..labelled() };
    let yes = |balanced| {
        let found = measured(&states(&FOUR[..2], of.clone()), Some(&labels), &params(balanced));
        found.metric("class_accuracy").find(|row| row.item == "yes").and_then(|row| row.value).unwrap()
    };
    assert!(yes(true) > yes(false) + 0.2, "{} {}", yes(true), yes(false));
}

#[test]
fn no_shared_script_is_said() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let of = (0..2).map(|_| noise(&mut rng, 10, 3)).collect();
    let found = measured(&states(&["eng_Latn", "rus_Cyrl"], of), None, &quick());
    let row = found.rows.iter().find(|row| row.variant == "language_within_script").unwrap();
    assert!(row.value.is_none() && row.status.contains("no two languages share a script"));
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let plain = |codes: &[&str], n: usize| states(codes, vec![content(n, 3); codes.len()]);
    let latin = plain(&["eng_Latn", "deu_Latn"], 10);
    let script = ClassifyParams { targets: vec![Target::Script], ..quick() };
    assert!(refused(&latin, None, &script).contains("`script` has one class only, Latn"));
    assert!(refused(&plain(&FOUR, 3), None, &quick()).contains("at least 4 sentences are needed, got 3"));
    assert!(refused(&plain(&FOUR, 4), None, &quick()).contains("5 folds need as many sentences, got 4"));
    let unknown = ClassifyParams { targets: vec![Target::Family], ..quick() };
    assert!(refused(&plain(&["eng_Latn", "xxx_Latn"], 9), None, &unknown).contains("family of xxx_Latn is not known"));
    assert!(refused(&latin, None, &labelled()).contains("there are no labels"));
    let with = |lines: &[&str]| refused(&latin, Some(&Labels::new("topic", lines)), &labelled());
    assert!(with(&["a"; 10]).contains("`topic` has one class only, a"));
    assert!(with(&["a", "b"]).contains("2 labels of `topic` for 10 sentences"));
    assert!(
        with(&["a", "b", "a", "a", "a", "a", "a", "b", "a", "a"])
            .contains("class b of `topic` has 2 sentences, fewer than the 5")
    );
    let beyond = Labels { of_sentence: vec![7; 10], ..Labels::new("topic", ["a", "b"]) };
    assert!(refused(&latin, Some(&beyond), &labelled()).contains("the label of sentence 1 is number 7 of 2 classes"));
    let copies = latin.with_tokens(vec![vec![vec![1]; 10]; 2]).unwrap();
    assert!(refused(&copies, None, &quick()).contains("only 1 different ones"));
}

struct Broken(LanguageStates);

impl StateSource for Broken {
    fn languages(&self) -> &[String] {
        self.0.languages()
    }

    fn layers(&self) -> &[usize] {
        self.0.layers()
    }

    fn sentences(&self) -> usize {
        self.0.sentences()
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        let mut state = self.0.state(language, layer)?.into_owned();
        state[[3, 0]] = f32::NAN;
        Ok(state.into())
    }
}

#[test]
fn a_state_that_is_not_finite_is_named() {
    let why = refused(&Broken(separable()), None, &quick());
    assert!(why.contains("the state of sentence 4 of eng_Latn at layer 2 is not finite"), "{why}");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let problem = |change: fn(&mut ClassifyParams)| {
        let mut params = quick();
        change(&mut params);
        params.problem().unwrap_or_default()
    };
    assert!(quick().problem().is_none());
    assert!(problem(|p| p.targets.clear()).contains("no target"));
    assert!(problem(|p| p.targets = vec![Target::Script; 2]).contains("named twice"));
    assert!(problem(|p| p.folds = 1).contains("1 folds"));
    assert!(problem(|p| p.penalties = vec![0.0]).contains("above 0"));
    assert!(problem(|p| p.shuffles = 5).contains("5 shuffles"));
    assert!(problem(|p| p.max_sentences = 2).contains("at least 4"));
}
