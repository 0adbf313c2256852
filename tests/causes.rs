//! Causes: the parts of direct logit attribution add up to the model's own logits in every family of decoders.

use babelscope_core::{monitor::Monitor, plan::Point, tokens::Encoded};
use babelscope_probes::patch::logit_parts;
use babelscope_tests::golden::{all, families, run, tokens, values};

/// Parts are added up in f64, logits in f32 over the whole width.
const TOLERANCE: f64 = 1e-3;

#[test]
fn parts_add_up_to_the_logits_of_every_decoder() {
    let mut seen = Vec::new();
    for family in families() {
        let engine = family.engine();
        let name = family.name();
        let sentences: Vec<Encoded> = family.sentences();
        let sentence = &sentences[0];
        if !family.causal() {
            let refused = logit_parts(&engine, sentence, &[(0, 1.0)], &Monitor::silent()).unwrap_err().to_string();
            assert!(refused.contains("logits"), "{name}: {refused}");
            continue;
        }
        let logits = run(&engine, std::slice::from_ref(sentence), vec![all(Point::Logits, 0)]);
        let rows = &tokens(&logits[0])[0];
        let last = values(&rows.get(rows.dims()[0] - 1).unwrap());
        let cap = engine.straight_path().unwrap().cap().map(f64::from);
        for id in [3u32, 17, 40] {
            let parts = logit_parts(&engine, sentence, &[(id, 1.0)], &Monitor::silent()).unwrap();
            let sum: f64 = parts.iter().map(|part| part.value).sum();
            let own = f64::from(last[id as usize]);
            let capped = cap.map_or(sum, |cap| cap * (sum / cap).tanh());
            assert!((capped - own).abs() < TOLERANCE, "{name}: token {id}: {capped} for {own}");
            // A difference is the difference of the parts.
            let apart = logit_parts(&engine, sentence, &[(id, 1.0), (5, -1.0)], &Monitor::silent()).unwrap();
            let other = logit_parts(&engine, sentence, &[(5, 1.0)], &Monitor::silent()).unwrap();
            let at =
                |item: &str| other.iter().find(|part| part.layer == 1 && part.item == item).map_or(0.0, |p| p.value);
            let own =
                |item: &str| parts.iter().find(|part| part.layer == 1 && part.item == item).map_or(0.0, |p| p.value);
            for part in apart.iter().filter(|part| part.layer == 1 && part.item == "h1") {
                assert!((part.value - (own("h1") - at("h1"))).abs() < 1e-6, "{name}");
            }
        }
        let parts = logit_parts(&engine, sentence, &[(3, 1.0)], &Monitor::silent()).unwrap();
        let heads = parts.iter().filter(|part| part.item.starts_with('h')).count();
        assert_eq!(heads, engine.info().heads * engine.info().layers, "{name}: each head is a part");
        seen.push(name);
    }
    assert!(seen.len() >= 15, "few families were seen: {seen:?}");
}
