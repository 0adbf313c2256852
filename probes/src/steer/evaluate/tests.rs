use babelscope_core::engine::LoadOptions;

use super::*;
use crate::steer::{Control, StrengthUnit};

fn engine() -> Engine {
    Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap()
}

fn languages(some: &[&str]) -> Corpus {
    let some: Vec<String> = some.iter().map(|l| (*l).to_owned()).collect();
    Corpus::open("lab".as_ref()).unwrap().select(&some, 60).unwrap()
}

fn params() -> SteerParams {
    SteerParams {
        sources: vec!["eng_Latn".into()],
        targets: vec!["spa_Latn".into(), "qis_Latn".into()],
        layers: vec![2, 3],
        strengths: vec![1.0, 2.0],
        unit: StrengthUnit::Raw,
        prompts: 8,
        max_new_tokens: 6,
        bootstrap: 100,
        random: 2,
        ..SteerParams::default()
    }
}

#[test]
fn every_cell_and_every_control_has_its_rows_and_texts() {
    let engine = engine();
    let corpus = languages(&["eng_Latn", "spa_Latn", "qis_Latn"]);
    let report = evaluate(&engine, &corpus, &params(), 7, &Monitor::silent()).unwrap();
    let of = |metric: &str, arm: &str| {
        report.measured.metric(metric).filter(|row| row.variant == arm && row.language == "spa_Latn").count()
    };
    assert_eq!((of("forcing", "steered"), of("forcing", "random"), of("forcing", "shuffled")), (4, 2, 2));
    assert_eq!((of("forcing", "none"), of("forcing", "prompt"), of("forcing", "other")), (1, 1, 2));
    assert_eq!((of("best_forcing", "steered"), of("best_forcing", "random"), of("best_score", "none")), (1, 1, 1));
    assert_eq!((of("side_divergence", "eng_Latn"), of("steerability", "steered"), of("gain", "steered")), (1, 1, 1));
    let rows = &report.measured.rows;
    assert!(rows.iter().all(|row| row.value.is_some() || row.status != "ok"), "a row is without value and reason");
    assert!(rows.iter().filter_map(|row| row.value).all(f64::is_finite));
    // Four steered cells of 8 prompts; on half of them: none, prompt, and at two strengths two random, one shuffled, one other.
    assert_eq!(report.samples.iter().filter(|sample| sample.target == "spa_Latn").count(), 4 * 8 + 4 * (2 + 2 * 4));
    assert_eq!((report.vectors.len(), report.strengths.len()), (2, 8));
    assert!(report.samples.iter().filter(|s| s.arm == "none").all(|s| s.language.as_deref() != Some("spa_Latn")));
}

#[test]
fn the_same_seed_says_the_same_and_strength_is_what_moves_it() {
    let engine = engine();
    let corpus = languages(&["eng_Latn", "spa_Latn"]);
    let small = SteerParams { targets: vec!["spa_Latn".into()], side_effects: false, ..params() };
    let run = |params: &SteerParams| evaluate(&engine, &corpus, params, 3, &Monitor::silent()).unwrap();
    assert_eq!(run(&small), run(&small));
    // So weak that no text changes: all arms with a vector say what the unsteered model says.
    let weak = SteerParams { strengths: vec![1e-9], controls: vec![Control::None], ..small };
    let samples = run(&weak).samples;
    for sample in samples.iter().filter(|sample| sample.arm == "steered" && sample.line % 2 == 1) {
        let still = samples.iter().find(|other| other.arm == "none" && other.line == sample.line).unwrap();
        assert_eq!(still.text, sample.text);
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let engine = engine();
    let corpus = languages(&["eng_Latn", "spa_Latn"]);
    let error = |change: fn(&mut SteerParams)| {
        let mut params = SteerParams { targets: vec!["spa_Latn".into()], ..params() };
        change(&mut params);
        evaluate(&engine, &corpus, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    assert!(error(|p| p.layers = vec![9]).contains("layer 9 is not there"));
    assert!(error(|p| p.targets = vec!["deu_Latn".into()]).contains("deu_Latn is not among"));
    assert!(error(|p| p.targets = vec!["eng_Latn".into()]).contains("nothing to steer to"));
    assert!(error(|p| p.prompts = 58).contains("at least 4 others"));
    assert!(error(|p| p.strengths.clear()).contains("nothing is steered"));
}
