//! The engine equals Hugging Face transformers: every site that `tests/golden/` and the oracles record, for every family.
//!
//! Families are read from `tests/golden/` and from the folder that `BABELSCOPE_ORACLES` names (by default
//! `../shared/oracles` beside the repository, when it is there; where `CI` is set it must be). A family whose architecture
//! the engine does not compute is listed by name in the table: `cargo test --release -p babelscope-tests --test parity -- --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope_core::{
    engine::{Captured, Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site, Window},
    tokens::Encoded,
};
use candle_core::{D, DType, Tensor};

const TOLERANCE: f32 = 1e-4;
const EVERY_TOKEN: Window = Window { include_bos: true, skip_first: 0 };
const SUPPORTED: [&str; 5] = ["llama", "mistral", "qwen2", "qwen3", "gpt2"];

#[derive(serde::Deserialize)]
struct Meta {
    model_type: String,
    sentences: Vec<Sentence>,
    last_hidden_state_is_after_final_norm: bool,
}

#[derive(serde::Deserialize)]
struct Sentence {
    text: String,
    ids: Vec<u32>,
}

/// A reference model and what transformers computes with it.
struct Family {
    folder: PathBuf,
    meta: Meta,
}

impl Family {
    /// The name with the folders above it that tell sets apart: `full/llama`.
    fn name(&self) -> String {
        let parts: Vec<_> = self.folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        parts.iter().rev().map(AsRef::as_ref).collect::<Vec<&str>>().join("/")
    }

    fn supported(&self) -> bool {
        SUPPORTED.contains(&self.meta.model_type.as_str())
    }

    fn engine(&self) -> Engine {
        load(&self.folder)
    }

    fn sentences(&self) -> Vec<Encoded> {
        let encoded = |s: &Sentence| Encoded { ids: s.ids.clone(), spans: vec![0..0; s.ids.len()], bos: 0 };
        self.meta.sentences.iter().map(encoded).collect()
    }

    fn expected(&self) -> BTreeMap<String, Tensor> {
        let path = self.folder.join("expected.safetensors");
        candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap().into_iter().collect()
    }
}

fn load(folder: &Path) -> Engine {
    Engine::load(folder.to_str().unwrap(), &LoadOptions::default(), &Monitor::silent())
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every family folder below `folder`.
fn families_in(folder: &Path) -> Vec<Family> {
    let mut found = Vec::new();
    if folder.join("expected.safetensors").is_file() && folder.join("config.json").is_file() {
        let meta = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
        found.push(Family { folder: folder.to_owned(), meta });
    } else {
        let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.retain(|path| path.is_dir());
        folders.sort();
        found.extend(folders.iter().flat_map(|path| families_in(path)));
    }
    found
}

fn families() -> Vec<Family> {
    let golden = families_in(&repository().join("tests/golden"));
    assert!(!golden.is_empty(), "tests/golden holds no family");
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let must = named.is_some() || std::env::var_os("CI").is_some();
    let oracles = named.unwrap_or_else(|| repository().join("../shared/oracles"));
    assert!(!must || oracles.is_dir(), "the oracles are not there: {}", oracles.display());
    let mut all = golden;
    if oracles.is_dir() {
        let more = families_in(&oracles);
        assert!(!more.is_empty(), "no family below {}", oracles.display());
        all.extend(more);
    }
    all
}

fn all(point: Point, block: usize) -> Capture {
    Capture { site: Site::new(point, block), reduce: Reduce::All }
}

fn tokens(captured: &Captured) -> &[Tensor] {
    match &captured.values {
        Values::Tokens(tokens) => tokens,
        Values::Pooled(_) => panic!("{} was pooled", captured.site()),
    }
}

fn pooled(captured: &Captured) -> &Tensor {
    match &captured.values {
        Values::Pooled(rows) => rows,
        Values::Tokens(_) => panic!("{} was not pooled", captured.site()),
    }
}

/// Largest absolute difference; infinite where one side is not a number.
fn difference(got: &Tensor, want: &Tensor) -> f32 {
    assert_eq!(got.dims(), want.dims());
    let values = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let pairs = values(got).into_iter().zip(values(want));
    pairs.fold(0f32, |worst, (a, b)| {
        let d = if a == b { 0.0 } else { (a - b).abs() };
        if d.is_nan() { f32::INFINITY } else { worst.max(d) }
    })
}

/// Largest absolute value: products of other shapes add up in another order, which moves a sum by its own size's rounding.
fn magnitude(tensor: &Tensor) -> f32 {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

/// The rows of sentence `s`'s `n` real tokens in a padded tensor `[sentences, T, ...]`.
fn real(padded: &Tensor, s: usize, n: usize, left: bool) -> Tensor {
    let rows = padded.get(s).unwrap();
    let from = if left { rows.dims()[0] - n } else { 0 };
    rows.narrow(0, from, n).unwrap()
}

/// The worst difference at each recorded tensor.
fn compare(family: &Family, engine: &Engine) -> BTreeMap<String, f32> {
    let expected = family.expected();
    let sentences = family.sentences();
    let layers = engine.info().layers;
    let mut worst = BTreeMap::new();
    let mut note = |what: String, d: f32| {
        let entry = worst.entry(what).or_insert(0f32);
        *entry = entry.max(d);
    };
    // transformers puts the last layer through the final norm before it reports it.
    let state = |l: usize| {
        let normed = l == layers && family.meta.last_hidden_state_is_after_final_norm;
        if normed { Site::new(Point::FinalNorm, 0) } else { Site::layer(l) }
    };
    let run = |captures: Vec<Capture>| {
        engine.run(&sentences, &Plan { captures, stop_after: None }, &Monitor::silent()).unwrap()
    };
    let states = |reduce: Reduce| run((0..=layers).map(|l| Capture { site: state(l), reduce }).collect());

    let hidden = states(Reduce::All);
    for (side, left) in [("right", false), ("left", true)] {
        let want = &expected[&format!("{side}.hidden_states")];
        for (l, got) in hidden.iter().enumerate() {
            for (s, got) in tokens(got).iter().enumerate() {
                let want = real(&want.get(l).unwrap(), s, got.dims()[0], left);
                note(format!("{side}.hidden_states {}", state(l)), difference(got, &want));
            }
        }
    }
    let last = run(vec![all(Point::ResidPost, layers), all(Point::Logits, 0)]);
    for (name, got) in ["right.last_layer_before_final_norm", "right.logits"].iter().zip(&last) {
        for (s, got) in tokens(got).iter().enumerate() {
            note((*name).to_owned(), difference(got, &real(&expected[*name], s, got.dims()[0], false)));
        }
    }
    let last = run(vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last }]);
    for side in ["right", "left"] {
        let name = format!("{side}.logits_last_token");
        let d = difference(pooled(&last[0]), &expected[&name]);
        note(name, d);
    }
    for (l, got) in run((1..=layers).map(|b| all(Point::AttnProbs, b)).collect()).iter().enumerate() {
        for (s, got) in tokens(got).iter().enumerate() {
            let n = got.dims()[1];
            let want = expected["right.attentions"].get(l).unwrap().get(s).unwrap();
            let want = want.narrow(1, 0, n).unwrap().narrow(2, 0, n).unwrap();
            note("right.attentions".to_owned(), difference(got, &want));
        }
    }
    for (name, reduce) in [
        ("right.pool_mean", Reduce::Mean(EVERY_TOKEN)),
        ("left.pool_mean", Reduce::Mean(EVERY_TOKEN)),
        ("right.pool_last_token", Reduce::Last),
        ("left.pool_last_token", Reduce::Last),
        // Left padding shifts the positions that MEXA's code weighs by, so only the right side has our weights.
        ("right.pool_mexa_weighted", Reduce::Weighted(EVERY_TOKEN)),
    ] {
        for (l, got) in states(reduce).iter().enumerate() {
            note(name.to_owned(), difference(pooled(got), &expected[name].get(l).unwrap()));
        }
    }
    let states = run((0..=layers).map(|l| Capture { site: Site::layer(l), reduce: Reduce::Last }).collect());
    for (l, got) in states.iter().enumerate() {
        let got = engine.unembed(pooled(got)).unwrap();
        note(
            "lens.logits_last_token".to_owned(),
            difference(&got, &expected["lens.logits_last_token"].get(l).unwrap()),
        );
    }
    for (name, want) in &expected {
        let Some(site) = name.strip_prefix("site.") else { continue };
        let site: Site = site.parse().unwrap();
        let got = run(vec![Capture { site, reduce: Reduce::All }]);
        for (s, got) in tokens(&got[0]).iter().enumerate() {
            let n = got.dims()[got.dims().len() - 2];
            let square = matches!(site.point, Point::AttnScores | Point::AttnProbs);
            let want = if square {
                want.get(s).unwrap().narrow(1, 0, n).unwrap().narrow(2, 0, n).unwrap()
            } else {
                real(want, s, n, false)
            };
            let d =
                if site.point == Point::AttnScores { unmasked_difference(got, &want) } else { difference(got, &want) };
            note(name.clone(), d);
        }
    }
    worst
}

/// As [`difference`] over the cells at or below the diagonal that are not masked; the others must be minus infinity here.
fn unmasked_difference(got: &Tensor, want: &Tensor) -> f32 {
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let t = got.dim(D::Minus1).unwrap();
    let pairs = values(got).into_iter().zip(values(want)).enumerate();
    pairs.fold(0f32, |worst, (i, (a, b))| {
        let (row, column) = (i / t % t, i % t);
        let masked = a == f32::NEG_INFINITY && (column > row || b < -1e9);
        let d = if masked { 0.0 } else { (a - b).abs() };
        if d.is_nan() { f32::INFINITY } else { worst.max(d) }
    })
}

#[test]
fn every_recorded_site_equals_transformers() {
    let mut table = format!("{:<28} {:<34} {:>10}\n", "family", "worst site", "difference");
    let mut failures = String::new();
    let mut compared = 0;
    for family in families() {
        let name = family.name();
        if !family.supported() {
            table += &format!("{name:<28} {:<34}\n", format!("NOT SUPPORTED YET ({})", family.meta.model_type));
            continue;
        }
        let worst = compare(&family, &family.engine());
        let (site, d) = worst.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        table += &format!("{name:<28} {site:<34} {d:>10.1e}\n");
        let far = worst.iter().filter(|(_, d)| **d > TOLERANCE);
        failures += &far.map(|(site, d)| format!("{name} {site}: {d:e}\n")).collect::<String>();
        compared += 1;
    }
    #[expect(clippy::print_stdout, reason = "the parity table is for people")]
    {
        println!("{table}");
    }
    assert!(failures.is_empty(), "more than {TOLERANCE:e} away from transformers:\n{failures}");
    assert!(compared >= SUPPORTED.len());
}

/// config.json as transformers 4 spells it: recorded in the oracles, else made from the new spelling.
fn old_spelling(folder: &Path) -> Vec<u8> {
    if let Ok(recorded) = fs::read(folder.join("config_v4.json")) {
        return recorded;
    }
    let mut config: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    if let Some(serde_json::Value::Object(mut rope)) = config.remove("rope_parameters") {
        config.insert("rope_theta".to_owned(), rope.remove("rope_theta").unwrap());
        let scaling = if rope["rope_type"] == "default" { serde_json::Value::Null } else { rope.into() };
        config.insert("rope_scaling".to_owned(), scaling);
    }
    let dtype = config.remove("dtype").unwrap();
    config.insert("torch_dtype".to_owned(), dtype);
    serde_json::to_vec(&config).unwrap()
}

/// Everything a family's files say, under the other spelling of config.json.
#[test]
fn both_spellings_of_a_config_give_the_same_model() {
    for family in families().iter().filter(|family| family.supported()) {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&family.folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if name.to_string_lossy().starts_with("model") || name == "tokenizer.json" {
                fs::copy(&path, folder.path().join(name)).unwrap();
            }
        }
        fs::write(folder.path().join("config.json"), old_spelling(&family.folder)).unwrap();
        let logits = Plan { captures: vec![all(Point::Logits, 0)], stop_after: None };
        let run = |engine: &Engine| engine.run(&family.sentences(), &logits, &Monitor::silent()).unwrap();
        let (new, old) = (run(&family.engine()), run(&load(folder.path())));
        for (a, b) in tokens(&new[0]).iter().zip(tokens(&old[0])) {
            assert_eq!(difference(a, b), 0.0, "{}", family.name());
        }
    }
}

#[test]
fn a_sentence_alone_equals_the_same_sentence_in_a_batch() {
    for family in families().iter().filter(|family| family.supported()) {
        let engine = family.engine();
        let layers = engine.info().layers;
        let mut captures: Vec<_> =
            (0..=layers).map(|l| Capture { site: Site::layer(l), reduce: Reduce::All }).collect();
        captures.push(all(Point::Logits, 0));
        let plan = Plan { captures, stop_after: None };
        let sentences = family.sentences();
        let together = engine.run(&sentences, &plan, &Monitor::silent()).unwrap();
        for (s, sentence) in sentences.iter().enumerate() {
            let alone = engine.run(std::slice::from_ref(sentence), &plan, &Monitor::silent()).unwrap();
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
    for family in families().iter().filter(|family| family.supported()) {
        let engine = family.engine();
        for sentence in &family.meta.sentences {
            let got = engine.tokenizer().encode(&sentence.text).unwrap();
            assert_eq!(got.ids, sentence.ids, "{} {:?}", family.name(), sentence.text);
        }
    }
}

#[test]
fn the_lens_at_the_last_layer_equals_the_logits() {
    for family in families().iter().filter(|family| family.supported()) {
        let engine = family.engine();
        let captures = vec![all(Point::ResidPost, engine.info().layers), all(Point::Logits, 0)];
        let plan = Plan { captures, stop_after: None };
        let kept = engine.run(&family.sentences(), &plan, &Monitor::silent()).unwrap();
        for (state, logits) in tokens(&kept[0]).iter().zip(tokens(&kept[1])) {
            let d = difference(&engine.unembed(state).unwrap(), logits);
            assert!(d <= 1e-5, "{}: {d:e}", family.name());
        }
    }
}
