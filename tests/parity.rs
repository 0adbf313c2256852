//! The engine equals Hugging Face transformers: every site that `tests/golden/` records, and the padded batches of the oracles, for
//! every family and both spellings of its config. The table: `cargo test --release --test parity -- --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::BTreeMap, fs, path::Path};

use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site, Window},
};
use babelscope_tests::golden::{
    self, Family, all, difference, encoded, families, load, magnitude, pooled, run, tokens, values,
};
use candle_core::Tensor;

const TOLERANCE: f32 = 1e-4;
/// Below this distance of the first and the second logit a rounding error may choose the other token.
const MARGIN: f32 = 1e-3;
const EVERY_TOKEN: Window = Window { include_bos: true, skip_first: 0 };
/// The worst difference at each recorded tensor.
#[derive(Default)]
struct Worst(BTreeMap<String, f32>);

impl Worst {
    fn note(&mut self, what: &str, d: f32) {
        let entry = self.0.entry(what.to_owned()).or_insert(0f32);
        *entry = entry.max(d);
    }
}

/// A golden family: every site of every block, the lens, and the greedy continuation under teacher forcing.
fn compare_sites(family: &Family, engine: &Engine) -> Worst {
    let expected = family.expected();
    let sentences = family.sentences();
    let mut worst = Worst::default();
    for site in golden::sites(engine.info().layers) {
        let capture = Capture { site, reduce: Reduce::All };
        let Some(name) = family.recorded(&expected, site) else {
            // Only the final norm may stand for the identity where a family has none.
            if site.point != Point::FinalNorm {
                let plan = Plan { captures: vec![capture], ..Plan::default() };
                let refusal = engine.run(&sentences, &plan, &Monitor::silent());
                assert!(refusal.is_err(), "{}: {site} is no place of this model, and was not refused", family.name());
            }
            continue;
        };
        let got = run(engine, &sentences, vec![capture]);
        for ((from, n), got) in family.rows().into_iter().zip(tokens(&got[0])) {
            let want = match site.point {
                Point::AttnScores | Point::AttnProbs => {
                    expected[&name].narrow(1, from, n).unwrap().narrow(2, 0, n).unwrap()
                }
                _ => expected[&name].narrow(0, from, n).unwrap(),
            };
            worst.note(&site.to_string(), difference(got, &want));
        }
    }
    compare_lens(engine, family, &expected, &mut worst);
    compare_greedy(engine, family, &expected, &mut worst);
    compare_default(family, &expected, &mut worst);
    worst
}

/// The eager attention of transformers adds Falcon's ALiBi twice; without being told so the engine computes what its default
/// attention does.
fn compare_default(family: &Family, expected: &BTreeMap<String, Tensor>, worst: &mut Worst) {
    let Some(want) = expected.get("sdpa.logits") else { return };
    let engine = load(&family.folder, &LoadOptions::default());
    let logits = run(&engine, &family.sentences(), vec![all(Point::Logits, 0)]);
    for ((from, n), got) in family.rows().into_iter().zip(tokens(&logits[0])) {
        worst.note("sdpa.logits", difference(got, &want.narrow(0, from, n).unwrap()));
    }
}

fn compare_lens(engine: &Engine, family: &Family, expected: &BTreeMap<String, Tensor>, worst: &mut Worst) {
    let Some(want) = expected.get("lens.logits_last_token") else { return };
    let layers = engine.info().layers;
    let last = (0..=layers).map(|l| Capture { site: Site::layer(l), reduce: Reduce::Last }).collect();
    for (l, got) in run(engine, &family.sentences(), last).iter().enumerate() {
        let got = engine.unembed(pooled(got)).unwrap();
        worst.note("lens", difference(&got, &want.get(l).unwrap()));
    }
}

/// The recorded tokens are the likeliest at each place, given those before; infinitely far where one is not.
fn compare_greedy(engine: &Engine, family: &Family, expected: &BTreeMap<String, Tensor>, worst: &mut Worst) {
    // transformers chooses longrope's factors anew at each length and keeps the keys of before.
    let longrope = values_of(family, "config.json").contains("longrope");
    let Some(said) = expected.get("greedy.tokens").filter(|_| !longrope) else { return };
    let said = said.to_dtype(candle_core::DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let margins = expected["greedy.margin_top1_top2"].to_vec2::<f32>().unwrap();
    for ((sentence, said), margins) in family.meta.sentences.iter().zip(said).zip(margins) {
        let ids: Vec<u32> = sentence.ids.iter().chain(&said).copied().collect();
        let logits = run(engine, &[encoded(&ids)], vec![all(Point::Logits, 0)]);
        let first = sentence.ids.len() - 1;
        for (step, (token, _)) in said.iter().zip(margins).take_while(|(_, margin)| *margin > MARGIN).enumerate() {
            let row = values(&tokens(&logits[0])[0].get(first + step).unwrap());
            let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            worst.note("greedy", if best == *token as usize { 0.0 } else { f32::INFINITY });
        }
    }
}

fn values_of(family: &Family, name: &str) -> String {
    fs::read_to_string(family.folder.join(name)).unwrap()
}

/// The rows of sentence `s`'s `n` real tokens in a padded tensor `[sentences, T, ...]`.
fn real(padded: &Tensor, s: usize, n: usize, left: bool) -> Tensor {
    let rows = padded.get(s).unwrap();
    let from = if left { rows.dims()[0] - n } else { 0 };
    rows.narrow(0, from, n).unwrap()
}

/// An oracle: hidden states, attention, logits, pooled vectors and the lens of a padded batch.
fn compare_batch(family: &Family, engine: &Engine) -> Worst {
    let expected = family.expected();
    let sentences = family.sentences();
    let layers = engine.info().layers;
    let mut worst = Worst::default();
    // transformers puts the last layer through the final norm before it reports it.
    let state = |l: usize| {
        let normed = l == layers && family.meta.last_hidden_state_is_after_final_norm;
        if normed { Site::new(Point::FinalNorm, 0) } else { Site::layer(l) }
    };
    let states =
        |reduce: Reduce| run(engine, &sentences, (0..=layers).map(|l| Capture { site: state(l), reduce }).collect());
    // Without position ids, absolute positions count the padding on the left: another input, not another model.
    let sides: Vec<_> = [("right", false), ("left", true)]
        .into_iter()
        .filter(|(side, left)| !left || family.meta.max_abs_difference_padded_vs_single[*side] < 1e-3)
        .collect();

    let hidden = states(Reduce::All);
    for (side, left) in &sides {
        let name = format!("{side}.hidden_states");
        for (l, got) in hidden.iter().enumerate() {
            for (s, got) in tokens(got).iter().enumerate() {
                let want = real(&expected[&name].get(l).unwrap(), s, got.dims()[0], *left);
                worst.note(&format!("{name} {}", state(l)), difference(got, &want));
            }
        }
    }
    for (name, point, block) in
        [("right.last_layer_before_final_norm", Point::ResidPost, layers), ("right.logits", Point::Logits, 0)]
    {
        let Some(want) = expected.get(name) else { continue };
        for (s, got) in tokens(&run(engine, &sentences, vec![all(point, block)])[0]).iter().enumerate() {
            worst.note(name, difference(got, &real(want, s, got.dims()[0], false)));
        }
    }
    for (side, _) in &sides {
        let name = format!("{side}.logits_last_token");
        let Some(want) = expected.get(&name) else { continue };
        let last = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
        worst.note(&name, difference(pooled(&run(engine, &sentences, vec![last])[0]), want));
    }
    let probs = run(engine, &sentences, (1..=layers).map(|b| all(Point::AttnProbs, b)).collect());
    for (l, got) in probs.iter().enumerate() {
        for (s, got) in tokens(got).iter().enumerate() {
            let n = got.dims()[1];
            let want = expected["right.attentions"].get(l).unwrap().get(s).unwrap();
            let want = want.narrow(1, 0, n).unwrap().narrow(2, 0, n).unwrap();
            worst.note("right.attentions", difference(got, &want));
        }
    }
    for (side, _) in &sides {
        for (pool, reduce) in [
            ("pool_mean", Reduce::Mean(EVERY_TOKEN)),
            ("pool_last_token", Reduce::Last),
            // Left padding shifts the positions that MEXA's code weighs by, so only the right side has our weights.
            ("pool_mexa_weighted", Reduce::Weighted(EVERY_TOKEN)),
        ] {
            if (*side, pool) == ("left", "pool_mexa_weighted") {
                continue;
            }
            let name = format!("{side}.{pool}");
            for (l, got) in states(reduce).iter().enumerate() {
                worst.note(&name, difference(pooled(got), &expected[&name].get(l).unwrap()));
            }
        }
    }
    compare_lens(engine, family, &expected, &mut worst);
    compare_greedy(engine, family, &expected, &mut worst);
    worst
}

fn compare_all(families: &[Family], compare: impl Fn(&Family, &Engine) -> Worst) {
    let mut table = format!("{:<32} {:<34} {:>10}\n", "family", "worst site", "difference");
    let mut failures = String::new();
    for family in families {
        let name = family.name();
        let path = family.folder.to_str().unwrap();
        let worst = match Engine::load(path, &family.options(), &Monitor::silent()) {
            Ok(engine) => compare(family, &engine).0,
            Err(e) => {
                table += &format!("{name:<32} NOT LOADED\n");
                failures += &format!("{name}: {e}\n");
                continue;
            }
        };
        let (site, d) = worst.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        table += &format!("{name:<32} {site:<34} {d:>10.1e}\n");
        let far = worst.iter().filter(|(_, d)| **d > TOLERANCE);
        failures += &far.map(|(site, d)| format!("{name} {site}: {d:e}\n")).collect::<String>();
    }
    #[expect(clippy::print_stdout, reason = "the parity table is for people")]
    {
        println!("{table}");
    }
    assert!(failures.is_empty(), "more than {TOLERANCE:e} away from transformers:\n{failures}");
}

#[test]
fn every_site_of_every_golden_family_equals_transformers() {
    compare_all(&golden::golden(), compare_sites);
}

#[test]
fn every_oracle_equals_transformers() {
    compare_all(&golden::oracles(), compare_batch);
}

/// A copy of a family's model under the spelling of config.json that checkpoints on the Hub carry.
fn respelled(family: &Family, to: &Path) {
    for entry in fs::read_dir(&family.folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_string_lossy().starts_with("model") || name == "tokenizer.json" {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
    fs::copy(family.folder.join("config_v4.json"), to.join("config.json")).unwrap();
}

#[test]
fn both_spellings_of_a_config_give_the_same_model() {
    for family in &families() {
        let folder = tempfile::tempdir().unwrap();
        respelled(family, folder.path());
        let states = |engine: &Engine| {
            run(engine, &family.sentences(), (0..=engine.info().layers).map(|l| all(Site::layer(l).point, l)).collect())
        };
        let (new, old) = (family.engine(), load(folder.path(), &family.options()));
        let logits = |engine: &Engine, state: &Tensor| engine.unembed(state).ok();
        for (a, b) in states(&new).iter().zip(&states(&old)) {
            for (a, b) in tokens(a).iter().zip(tokens(b)) {
                assert_eq!(difference(a, b), 0.0, "{}", family.name());
                match (logits(&new, a), logits(&old, b)) {
                    (Some(a), Some(b)) => assert_eq!(difference(&a, &b), 0.0, "{}", family.name()),
                    (a, b) => assert_eq!(a.is_some(), b.is_some(), "{}", family.name()),
                }
            }
        }
    }
}

#[test]
fn a_sentence_alone_equals_the_same_sentence_in_a_batch() {
    for family in &families() {
        let engine = family.engine();
        let captures = || (0..=engine.info().layers).map(|l| all(Site::layer(l).point, l)).collect::<Vec<_>>();
        let sentences = family.sentences();
        let together = run(&engine, &sentences, captures());
        for (s, sentence) in sentences.iter().enumerate() {
            let alone = run(&engine, std::slice::from_ref(sentence), captures());
            for (alone, together) in alone.iter().zip(&together) {
                let (alone_states, together_states) = (&tokens(alone)[0], &tokens(together)[s]);
                let d = difference(alone_states, together_states) / magnitude(together_states).max(1.0);
                assert!(d <= 1e-5, "{} sentence {s} {}: {d:e}", family.name(), alone.site());
            }
        }
    }
}

#[test]
fn the_tokenizer_gives_the_recorded_ids() {
    for family in &families() {
        let engine = family.engine();
        for sentence in &family.meta.sentences {
            let got = engine.tokenizer().encode(&sentence.text).unwrap();
            assert_eq!(got.ids, sentence.ids, "{} {:?}", family.name(), sentence.text);
        }
    }
}

#[test]
fn the_lens_at_the_last_layer_equals_the_logits() {
    for family in families().iter().filter(|family| family.meta.model_type != "mt5") {
        let engine = family.engine();
        let captures = vec![all(Point::ResidPost, engine.info().layers), all(Point::Logits, 0)];
        let kept = run(&engine, &family.sentences(), captures);
        for (state, logits) in tokens(&kept[0]).iter().zip(tokens(&kept[1])) {
            let d = difference(&engine.unembed(state).unwrap(), logits);
            assert!(d <= 1e-5, "{}: {d:e}", family.name());
        }
    }
}
