//! The formulas on toy values; on the laboratory, scores computed a second time and the choice among them.

use babelscope_core::{
    corpus::Corpus,
    engine::{LoadOptions, Values},
    plan::{Capture, Plan, Reduce},
};

use super::*;

/// Prompts of two languages without their last three tokens, and the tokens that only the first has.
fn prompts() -> (Engine, Vec<Encoded>, Vec<Encoded>, Vec<u32>) {
    let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
    let corpus = Corpus::open("lab".as_ref()).unwrap();
    let encoded = ["swh_Latn", "eng_Latn"].map(|l| engine.tokenizer().encode_all(corpus.lines(l).unwrap()).unwrap());
    let ids = encoded
        .each_ref()
        .map(|of| of.iter().flat_map(|e| e.ids[e.bos..].to_vec()).collect::<std::collections::BTreeSet<u32>>());
    let own: Vec<u32> = ids[0].difference(&ids[1]).copied().collect();
    let cut = |of: &[Encoded]| -> Vec<Encoded> {
        let long = of.iter().filter(|e| e.ids.len() > e.bos + 6);
        long.take(60).map(|e| super::super::train::until(e, e.ids.len() - 3)).collect()
    };
    let [with, without] = encoded.each_ref().map(|of| cut(of));
    (engine, with, without, own)
}

#[test]
fn toy_values() {
    let logs = [0.7f32.ln(), 0.2f32.ln(), 0.1f32.ln()];
    // ln(.9 / .1)
    assert!((score::score(&logs, &[0, 1]) - 9f64.ln()).abs() < 1e-6);
    assert!((score::score(&[0.0, f32::NEG_INFINITY, f32::NEG_INFINITY], &[0]) - 1e8f64.ln()).abs() < 1e-6);
    assert_eq!(kl(&logs, &logs), 0.0);
    // .7 ln(.7 / .5) + .2 ln(.2 / .25) + .1 ln(.1 / .25)
    let other = [0.5f32.ln(), 0.25f32.ln(), 0.25f32.ln()];
    let want = 0.7 * 1.4f64.ln() + 0.2 * 0.8f64.ln() + 0.1 * 0.4f64.ln();
    assert!((kl(&logs, &other) - want).abs() < 1e-5);
}

#[test]
fn ablation_leaves_nothing_along_the_direction() {
    let (engine, with, _, _) = prompts();
    let direction: Vec<f32> = (0u8..).take(engine.info().width).map(|j| (f32::from(j) * 0.7).sin()).collect();
    let points = [Point::ResidPre, Point::AttnOut, Point::MlpOut, Point::ResidPost];
    let sites = engine.sites().into_iter().filter(|site| points.contains(&site.point));
    let captures = sites.map(|site| Capture { site, reduce: Reduce::Last }).collect();
    let plan = Plan { captures, edits: ablation_everywhere(&engine, &direction), ..Plan::default() };
    for captured in engine.run(&with[..3], &plan, &Monitor::silent()).unwrap() {
        let Values::Pooled(rows) = &captured.values else { panic!("not pooled") };
        for row in rows.to_vec2::<f32>().unwrap() {
            let along: f64 = row.iter().zip(&direction).map(|(h, d)| f64::from(h * d)).sum();
            assert!(along.abs() < 1e-3, "{}: {along}", captured.site());
        }
    }
}

#[test]
fn the_choice_is_the_lowest_ablation_of_what_is_kept() {
    let (engine, with, without, tokens) = prompts();
    let behaviour = Behaviour { name: "swh_Latn", tokens: &tokens, with: &with, without: &without };
    // A language is more of what a model says than a refusal is: its removal may change more.
    let params = SelectParams {
        positions: 2,
        train: 16,
        validate: 8,
        most_kl: 2.0,
        least_addition: -5.0,
        bootstrap: 100,
        ..SelectParams::default()
    };
    let found = select(&engine, behaviour, &params, 0, &Monitor::silent()).unwrap();
    let blocks = engine.info().layers;
    let rows: Vec<&Row> = found.measured.metric("select_ablation").collect();
    assert_eq!(rows.len(), 2 * blocks);
    let late = rows.iter().filter(|row| row.layer.unwrap() as f64 >= (0.8 * blocks as f64).floor());
    assert!(
        late.clone().count() > 0
            && late.into_iter().all(|row| row.variant == "discarded" && row.status.contains("at or behind"))
    );
    let kept: Vec<&&Row> = rows.iter().filter(|row| row.variant != "discarded").collect();
    assert!(kept.iter().all(|row| row.status == "ok"));
    let lowest = kept.iter().min_by(|a, b| a.value.unwrap().total_cmp(&b.value.unwrap())).unwrap();
    assert_eq!(lowest.variant, "chosen");
    let vector = found.vector.unwrap();
    let layer = lowest.layer.unwrap();
    assert_eq!(vector.layers.keys().copied().collect::<Vec<_>>(), [layer]);
    assert_eq!(vector.card.position, format!("from_end {}", lowest.item.trim_start_matches('-')));
    let baseline = |variant: &str| {
        found.measured.metric("select_baseline").find(|row| row.variant == variant).unwrap().value.unwrap()
    };
    assert!(baseline("with") > 0.0 && baseline("without") < 0.0);
    assert!(lowest.value.unwrap() < baseline("with"), "without its direction the language is less probable");
    // The chosen ablation once more, from the logits of the whole pass.
    let reader = Reader::new(&engine, &tokens).unwrap();
    let shows = reader.scores(&with, &[], &Monitor::silent()).unwrap();
    let scored = with
        .iter()
        .zip(&shows)
        .enumerate()
        .filter(|(at, (_, score))| at % 2 == 1 && **score > 0.0)
        .map(|(_, (p, _))| p.clone());
    let scored: Vec<Encoded> = scored.take(8).collect();
    let plan = Plan {
        captures: vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last }],
        edits: ablation_everywhere(&engine, &vector.layers[&layer]),
        ..Plan::default()
    };
    let kept = engine.run(&scored, &plan, &Monitor::silent()).unwrap();
    let Values::Pooled(logits) = &kept[0].values else { panic!("not pooled") };
    let slow = logits.to_vec2::<f32>().unwrap().into_iter().map(|row| {
        let exp: Vec<f64> = row.iter().map(|x| f64::from(*x).exp()).collect();
        let p = tokens.iter().map(|t| exp[*t as usize]).sum::<f64>() / exp.iter().sum::<f64>();
        (p + 1e-8).ln() - (1.0 - p + 1e-8).ln()
    });
    let slow = slow.sum::<f64>() / scored.len() as f64;
    assert!((slow - lowest.value.unwrap()).abs() < 1e-3, "{slow} {:?}", lowest.value);
}

#[test]
fn each_rule_discards_with_its_reason() {
    let direction = Direction { vector: vec![1.0], cos_diff_mean: 1.0, notes: Vec::new() };
    let candidate = |layer, scores: [f64; 3]| Candidate {
        layer,
        back: 1,
        direction: direction.clone(),
        mean_norm: 1.0,
        scores: scores.map(|score| vec![score]),
    };
    let why = |layer, scores| candidate(layer, scores).discarded(&SelectParams::default(), 10);
    assert_eq!(why(7, [5.0, 1.0, 0.1]), None);
    assert!(why(8, [5.0, 1.0, 0.1]).unwrap().contains("layer 8 of 10"));
    assert!(why(7, [5.0, 1.0, 0.11]).unwrap().contains("KL divergence 0.1100"));
    assert!(why(7, [5.0, -0.1, 0.1]).unwrap().contains("addition score -0.1000"));
    assert!(why(7, [f64::NAN, 1.0, 0.1]).unwrap().contains("not finite"));
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let (engine, with, without, tokens) = prompts();
    let why = |tokens: &[u32], with: &[Encoded], params: SelectParams| {
        let behaviour = Behaviour { name: "x", tokens, with, without: &without };
        select(&engine, behaviour, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let usual = SelectParams { positions: 1, ..SelectParams::default() };
    assert!(why(&[], &with, usual.clone()).contains("no token shows"));
    assert!(why(&[u32::MAX], &with, usual.clone()).contains("has no token"));
    assert!(why(&[3, 3], &with, usual.clone()).contains("named twice"));
    assert!(why(&tokens, &without, usual.clone()).contains("set filter = false"));
    assert!(why(&tokens, &with, SelectParams { positions: 0, ..usual.clone() }).contains("at least 1"));
    assert!(why(&tokens, &with, SelectParams { positions: 50, ..usual }).contains("lower positions"));
}
