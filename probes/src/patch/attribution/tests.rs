use std::{path::Path, sync::OnceLock};

use babelscope_core::{corpus::Corpus, engine::LoadOptions};

use super::*;

/// The native engine and its twin on candle.
fn engines() -> &'static (Engine, Engine) {
    static ENGINES: OnceLock<(Engine, Engine)> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let native = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
        let twin = native.differentiable(&Monitor::silent()).unwrap();
        (native, twin)
    })
}

/// Two English prompts of equally many tokens that differ, and the tokens that follow in each.
fn prompts() -> (Encoded, Encoded, u32, u32) {
    let corpus = Corpus::open(Path::new("lab")).unwrap();
    let all = engines().0.tokenizer().encode_all(corpus.lines("eng_Latn").unwrap()).unwrap();
    let cut = |sentence: &Encoded| {
        let mut sentence = sentence.clone();
        let keep = sentence.ids.len() - 2;
        let next = sentence.ids[keep];
        sentence.ids.truncate(keep);
        sentence.spans.truncate(keep);
        (sentence, next)
    };
    for (at, a) in all.iter().enumerate() {
        for b in &all[at + 1..] {
            let ((a, x), (b, y)) = (cut(a), cut(b));
            let same = a.ids.iter().zip(&b.ids).filter(|(a, b)| a == b).count();
            if a.ids.len() == b.ids.len() && a.ids.len() >= 6 && x != y && same + 2 >= a.ids.len() && a.ids != b.ids {
                return (a, b, x, y);
            }
        }
    }
    panic!("the laboratory has no two such sentences")
}

fn attributed(clean: &Encoded, corrupt: &Encoded, plus: &[u32], minus: &[u32], params: &AttributionParams) -> Measured {
    let (native, twin) = engines();
    let pair = AttributionPair { clean: (clean, "eng_Latn"), corrupt: (corrupt, "eng_Latn"), plus, minus };
    attribution(native, twin, &pair, params, 5, &Monitor::silent()).unwrap()
}

fn value(measured: &Measured, metric: &str, variant: &str, item: &str) -> Option<f64> {
    let fits = |row: &&Row| row.variant == variant && row.item == item;
    measured.metric(metric).find(fits).unwrap_or_else(|| panic!("{metric} {variant} {item}")).value
}

#[test]
fn places_sum_up_and_the_truth_stands_beside_them() {
    let (clean, corrupt, plus, minus) = prompts();
    let params = AttributionParams { sample: 10_000, ..AttributionParams::default() };
    let measured = attributed(&clean, &corrupt, &[plus], &[minus], &params);
    let tokens = clean.ids.len();
    // Layers 0 to 4 of the stream, blocks 1 to 4 of the others, four heads.
    let places = tokens * (5 + 4 + 4 + 16);
    assert_eq!(measured.metric("attribution").count(), places);
    assert_eq!(measured.metric("attribution_true").count(), places);
    // Heads add up through the output projection to what attention adds.
    for layer in 1..=4 {
        for position in 0..tokens {
            let at = |variant: &str, item: String| {
                let fits = |row: &&Row| row.variant == variant && row.layer == Some(layer) && row.item == item;
                measured.metric("attribution").find(fits).unwrap().value.unwrap()
            };
            let heads: f64 = (0..4).map(|head| at("z", format!("h{head}@{position}"))).sum();
            let whole = at("attn_out_post", position.to_string());
            assert!((heads - whole).abs() < 1e-3 * whole.abs().max(0.1), "{layer}@{position}: {heads} {whole}");
        }
    }
    // The last layer at the last token holds all that the answer is read from.
    let last: Vec<&Row> = (measured.metric("attribution_true"))
        .filter(|row| row.variant == "resid_post" && row.layer == Some(4) && row.item == (tokens - 1).to_string())
        .collect();
    assert!((last[0].value.unwrap() - 1.0).abs() < 1e-4, "{last:?}");
    // Before the places that differ nothing has an effect.
    let first = clean.ids.iter().zip(&corrupt.ids).position(|(a, b)| a != b).unwrap();
    for row in measured.rows.iter().filter(|row| row.metric.starts_with("attribution") && !row.item.contains("ear")) {
        let position: usize = row.item.rsplit('@').next().unwrap().parse().unwrap();
        if position < first {
            assert!(row.value.unwrap().abs() < 1e-4, "{row:?}");
        }
    }
    let (pearson, spearman) = ("pearson", "spearman");
    assert!(value(&measured, "attribution_correlation", "all", pearson).unwrap() > 0.5);
    #[expect(clippy::print_stdout, reason = "the numbers of docs/methods/attribution.md")]
    for variant in ["all", "resid_post", "attn_out_post", "mlp_out_post", "z"] {
        let of = |item| value(&measured, "attribution_correlation", variant, item);
        println!("{variant}: pearson {:?} spearman {:?}", of(pearson), of(spearman));
    }
}

/// Behind the last block nothing but a norm and a product is left, which a small difference sees as a straight line.
#[test]
fn where_the_way_out_is_nearly_straight_attribution_is_patching() {
    let (native, twin) = engines();
    let (clean, corrupt, plus, minus) = prompts();
    let position = corrupt.ids.len() - 1;
    let site = babelscope_core::plan::Site::layer(4);
    let pair = AttributionPair { clean: (&clean, ""), corrupt: (&corrupt, ""), plus: &[plus], minus: &[minus] };
    let runs = run(native, &pair, &[site], &Monitor::silent()).unwrap();
    let objective = Objective::LogitDifference(vec![Contrast { plus: vec![plus], minus: vec![minus], position }]);
    let found = twin.gradients(std::slice::from_ref(&corrupt), &[site], &[], &objective, &Monitor::silent()).unwrap();
    let width = native.info().width;
    let slope = &flat(&found.of_site[0][0]).unwrap()[position * width..];
    let (a, b) = (&runs.clean[0][position * width..], &runs.corrupt[0][position * width..]);
    let mut errors = Vec::new();
    for share in [0.04f32, 0.02, 0.01] {
        let step: Vec<f32> = a.iter().zip(b).map(|(a, b)| share * (a - b)).collect();
        let linear: f64 = step.iter().zip(slope).map(|(d, g)| f64::from(*d) * f64::from(*g)).sum();
        let nearer: Vec<f32> = b.iter().zip(&step).map(|(b, d)| b + d).collect();
        let mut moved = Runs { clean: vec![runs.corrupt[0].clone()], corrupt: runs.corrupt.clone(), ..runs };
        moved.clean[0][position * width..].copy_from_slice(&nearer);
        let place =
            Place { point: AttributionPoint::ResidPost, layer: 4, site: 0, position, columns: (0, width), head: None };
        let m = patched(native, &pair, &[site], &[place], &[0], &moved, &Monitor::silent()).unwrap()[0];
        errors.push(((m - runs.m_corrupt) / linear - 1.0).abs());
    }
    // First order: what is left falls with the step.
    assert!(errors[2] < 0.02 && errors[2] < errors[0], "{errors:?}");
}

#[test]
fn equal_prompts_have_no_effect_and_no_correlation() {
    let (clean, _, plus, minus) = prompts();
    let measured = attributed(&clean, &clean, &[plus], &[minus], &AttributionParams::default());
    for metric in ["attribution", "attribution_true"] {
        assert!(measured.metric(metric).all(|row| row.value.is_some_and(|value| value.abs() < 1e-5)), "{metric}");
    }
    assert!(measured.metric("attribution").all(|row| row.value == Some(0.0)));
    assert_eq!(measured.metric("attribution_true").count(), 64);
    for row in measured.metric("attribution_correlation") {
        assert!(row.value.is_none() && row.status.contains("equal"), "{row:?}");
    }
    assert!(measured.notes.iter().any(|note| note.contains("the same")));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (native, twin) = engines();
    let (clean, corrupt, plus, minus) = prompts();
    let mut short = corrupt.clone();
    short.ids.pop();
    short.spans.pop();
    let said = |corrupt: &Encoded, plus: &[u32], minus: &[u32], params: AttributionParams| {
        let pair = AttributionPair { clean: (&clean, ""), corrupt: (corrupt, ""), plus, minus };
        attribution(native, twin, &pair, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let plain = AttributionParams::default;
    for (said, why) in [
        (said(&short, &[plus], &[minus], plain()), "equally many tokens"),
        (said(&corrupt, &[], &[minus], plain()), "`plus`"),
        (said(&corrupt, &[plus], &[plus], plain()), "both answers"),
        (said(&corrupt, &[9_999_999], &[], plain()), "logits end at"),
        (said(&corrupt, &[plus], &[minus], AttributionParams { layers: vec![9], ..plain() }), "layer 9"),
        (said(&corrupt, &[plus], &[minus], AttributionParams { positions: vec![99], ..plain() }), "position 99"),
        (said(&corrupt, &[plus], &[minus], AttributionParams { sample: 2, ..plain() }), "`sample`"),
    ] {
        assert!(said.contains(why), "{said}");
    }
    let pair = AttributionPair { clean: (&clean, ""), corrupt: (&corrupt, ""), plus: &[plus], minus: &[minus] };
    let error = attribution(native, native, &pair, &plain(), 0, &Monitor::silent()).unwrap_err().to_string();
    assert!(error.contains("Engine::differentiable"), "{error}");
}
