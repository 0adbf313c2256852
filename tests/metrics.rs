//! The measures equal reference values: toy values worked by hand, the values of the original programs, planted truths.
//!
//! The original programs' values are read from the folder `metrics` inside or beside the one that `BABELSCOPE_ORACLES` names (by
//! default `../shared/oracles` beside the repository); where `CI` is set it must be there.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site, Window},
    tokens::Encoded,
};
use babelscope_probes::{
    align::{
        self, AlignParams, Centring, Extraction, LanguageStates, Outcome, align, outcomes_of_similarities,
        pair_outcomes,
    },
    lens::{self, LensParams, TokenSets, read_out},
    retrieval::{RetrievalParams, Similarity, retrieval},
};
use candle_core::Tensor;
use ndarray::{Array2, array};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use serde_json::Value;

#[expect(clippy::print_stderr, reason = "a check that could not be made must be seen")]
fn oracles() -> Option<PathBuf> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles");
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let places = named.iter().flat_map(|n| [n.join("metrics"), n.join("../metrics")]).chain([near.join("metrics")]);
    let found = places.into_iter().find(|p| p.join("mexa.json").exists());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI is set and there is no folder `metrics` in or beside BABELSCOPE_ORACLES"
        );
        eprintln!("skipped: no folder `metrics` of the oracles, so nothing is compared with the original programs");
    }
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every f32 tensor of a file: shape and values.
fn floats(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let f32s = file.iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
    f32s.map(|(name, view)| {
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (name.to_owned(), (view.shape().to_vec(), values))
    })
    .collect()
}

fn ids(path: &Path, name: &str) -> Vec<u32> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(8).map(|b| u32::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap()).collect()
}

/// States of one of the oracles' activation files, English first.
fn activations(folder: &Path, set: &str) -> LanguageStates {
    let tensors = floats(&folder.join(format!("activations_{set}.safetensors")));
    let layers = tensors["eng_Latn"].0[0];
    let states = tensors.values().map(|(shape, values)| {
        let whole = ndarray::ArrayView3::from_shape((shape[0], shape[1], shape[2]), values).unwrap();
        whole.outer_iter().map(|layer| layer.to_owned()).collect()
    });
    LanguageStates::new(tensors.keys().cloned().collect(), (0..layers).collect(), states.collect()).unwrap()
}

fn against_english() -> AlignParams {
    AlignParams { pivots: vec!["eng_Latn".into()], bootstrap: 0, with_self: true, ..AlignParams::default() }
}

fn near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: got {got}, expected {expected}");
}

fn share(outcomes: &[Outcome], of: fn(&Outcome) -> bool) -> f64 {
    outcomes.iter().filter(|o| of(o)).count() as f64 / outcomes.len() as f64
}

/// methods.md 1.1, worked by hand: English line 4 is closest to German line 2, not to its pair.
#[test]
fn mexa_of_four_toy_sentences() {
    let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
    let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
    let found = pair_outcomes(english.view(), german.view(), Centring::Raw).unwrap();
    assert_eq!(share(&found, Outcome::hit), 0.75);
    assert_eq!(share(&found, Outcome::found_from_pivot), 0.75);
    assert_eq!(share(&found, Outcome::found_to_pivot), 1.0);
}

/// The one cell of 228 where the original's answer is rounding: sentence 13 (its last token is the same embedding up to f32
/// rounding as others') loses by 1e-9 of a cosine. The original, run again on another processor, gives our value there (and
/// another one than this file for zho_Hans beside it).
const DECIDED_BY_ROUNDING: (&str, &str, usize) = ("tiny_llama3_lasttoken", "rus_Cyrl", 0);

#[test]
fn mexa_equals_the_original_program() {
    let Some(folder) = oracles() else { return };
    let reference = json(&folder.join("mexa.json"));
    let mut compared = 0;
    for set in ["tiny_llama3_weighted", "tiny_llama3_lasttoken", "tiny_llama3_mean", "planted"] {
        let states = activations(&folder, set);
        let report = align(&states, &against_english(), &Monitor::silent()).unwrap();
        for (language, scores) in reference["scores"][set].as_object().unwrap() {
            let mut exact = true;
            for (layer, expected) in scores["per_layer"].as_array().unwrap().iter().enumerate() {
                let cell = report.cell(language, "eng_Latn", layer, Centring::Raw).unwrap();
                let what = format!("{set} {language} layer {layer}");
                if (set, language.as_str(), layer) == DECIDED_BY_ROUNDING {
                    let closest = cell.outcomes.iter().filter(|o| !o.hit()).map(|o| {
                        f64::from(o.cosine.max(o.rival_cosine).max(o.rival_back_cosine)) - f64::from(o.cosine)
                    });
                    assert!(closest.fold(f64::INFINITY, f64::min) < 1e-7);
                    near(cell.mexa.value, expected.as_f64().unwrap(), 1.0 / 60.0 + 1e-9, &what);
                    exact = false;
                    continue;
                }
                near(cell.mexa.value, expected.as_f64().unwrap(), 1e-6, &what);
                compared += 1;
            }
            if exact {
                let over = report.over_layers(language, "eng_Latn", Centring::Raw).unwrap();
                near(over.mean, scores["mean_over_layers"].as_f64().unwrap(), 1e-6, &format!("{set} {language} mean"));
                near(over.max, scores["max_over_layers"].as_f64().unwrap(), 1e-6, &format!("{set} {language} max"));
            }
        }
    }
    assert_eq!(compared, 227);
}

/// A copy of a model whose config states a longer context: transformers runs sentences past the one that is stated, we refuse to.
fn with_context(folder: &Path, tokens: usize) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    let mut config = json(&folder.join("config.json"));
    config["max_position_embeddings"] = tokens.into();
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}

/// From text to the original's score: our tokenizer, forward pass, weighted pooling and MEXA together.
#[test]
fn mexa_from_text_equals_the_original_program() {
    let Some(folder) = oracles() else { return };
    let reference = &json(&folder.join("mexa.json"))["scores"]["tiny_llama3_weighted"];
    let sentences = json(&folder.join("sentences.json"));
    let sentences: BTreeMap<String, Vec<String>> = serde_json::from_value(sentences).unwrap();
    let model = with_context(&folder.join("../full/llama3"), 512);
    let engine = engine(model.path());
    let corpus = Corpus {
        name: "sentences.json".into(),
        languages: sentences.keys().cloned().collect(),
        sentences: sentences.into_values().collect(),
        sha256: String::new(),
        notes: Vec::new(),
    };
    // The original's last state is taken after the final norm, ours before it.
    let layers: Vec<usize> = (0..engine.info().layers).collect();
    let weighted = Reduce::Weighted(Window { include_bos: true, skip_first: 0 });
    let extraction = Extraction { layers: layers.clone(), reduce: weighted };
    let report = align::analyse(&engine, &corpus, &extraction, &against_english(), &Monitor::silent()).unwrap();
    for (language, scores) in reference.as_object().unwrap() {
        for layer in &layers {
            let cell = report.cell(language, "eng_Latn", *layer, Centring::Raw).unwrap();
            near(
                cell.mexa.value,
                scores["per_layer"][layer].as_f64().unwrap(),
                1e-6,
                &format!("{language} layer {layer}"),
            );
        }
    }
    assert!(report.tokens > 0);
}

#[test]
fn edge_cases_of_the_original_are_equal_or_refused() {
    let Some(folder) = oracles() else { return };
    let reference = json(&folder.join("mexa.json"));
    let cases = reference["matrix_edge_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let rows: Vec<Vec<Option<f32>>> = serde_json::from_value(case["matrix"].clone()).unwrap();
        let values: Vec<f32> = rows.iter().flatten().map(|x| x.unwrap_or(f32::NAN)).collect();
        let matrix = Array2::from_shape_vec((rows.len(), rows.len()), values).unwrap();
        let name = case["case"].as_str().unwrap();
        match (outcomes_of_similarities(matrix.view()), name) {
            (found, "nan_on_diagonal" | "nan_off_diagonal" | "one_by_one") => assert!(found.is_err(), "{name}"),
            (found, _) => near(share(&found.unwrap(), Outcome::hit), case["mexa"].as_f64().unwrap(), 1e-12, name),
        }
    }
}

#[test]
fn retrieval_and_mean_cosines_equal_plain_numpy() {
    let Some(folder) = oracles() else { return };
    for (set, languages) in json(&folder.join("retrieval_numpy.json")).as_object().unwrap() {
        let report = align(&activations(&folder, set), &against_english(), &Monitor::silent()).unwrap();
        for (language, layers) in languages.as_object().unwrap() {
            for expected in layers.as_array().unwrap() {
                let layer = expected["layer"].as_u64().unwrap() as usize;
                let cell = report.cell(language, "eng_Latn", layer, Centring::Raw).unwrap();
                let check = |got: f64, key: &str| {
                    near(got, expected[key].as_f64().unwrap(), 1e-6, &format!("{set} {language} layer {layer} {key}"));
                };
                check(cell.recall_from_pivot.value, "acc_eng_to_lang");
                check(cell.recall_to_pivot.value, "acc_lang_to_eng");
                check(cell.cosine_wrong, "mean_cos_nonpairs");
                check(cell.cosine_gap + cell.cosine_wrong, "mean_cos_pairs");
            }
        }
    }
}

/// The margin there is LASER's ratio with 4 neighbours. English against itself is left out: a pivot is not measured against itself.
#[test]
fn margins_and_pair_cosines_equal_plain_numpy() {
    let Some(folder) = oracles() else { return };
    let params = RetrievalParams {
        centrings: vec![Centring::Raw],
        similarities: vec![Similarity::Cosine, Similarity::Ratio],
        bootstrap: 0,
        shuffles: 0,
        ..RetrievalParams::default()
    };
    let mut undefined = 0;
    for (set, languages) in json(&folder.join("retrieval_numpy.json")).as_object().unwrap() {
        let found = retrieval(&activations(&folder, set), &params, 0, &Monitor::silent()).unwrap();
        for (language, layers) in languages.as_object().unwrap().iter().filter(|(language, _)| *language != "eng_Latn")
        {
            for expected in layers.as_array().unwrap() {
                let layer = expected["layer"].as_u64().unwrap() as usize;
                let value = |metric: &str, variant: &str| {
                    found.value(metric, language, "eng_Latn", Some(layer), variant).unwrap()
                };
                let check = |got: f64, key: &str| {
                    near(got, expected[key].as_f64().unwrap(), 1e-6, &format!("{set} {language} layer {layer} {key}"));
                };
                check(value("recall_from_pivot", "raw/cosine"), "acc_eng_to_lang");
                check(value("recall_to_pivot", "raw/cosine"), "acc_lang_to_eng");
                // Numpy divides by negative means, too; we do not.
                match found.value("recall_from_pivot", language, "eng_Latn", Some(layer), "raw/ratio") {
                    Some(margin) => check(margin, "margin4_acc_eng_to_lang"),
                    None => undefined += 1,
                }
                check(value("pair_cosine", "raw"), "mean_cos_pairs");
                check(value("pair_cosine", "raw") - value("pair_cosine_gap", "raw"), "mean_cos_nonpairs");
            }
        }
    }
    assert_eq!(undefined, 7, "of 90 cells some have a negative mean (all planted), so their ratio is undefined");
}

fn gaussian(rng: &mut ChaCha8Rng, rows: usize, columns: usize, sd: f32) -> Array2<f32> {
    let normal = |rng: &mut ChaCha8Rng| {
        let (u, v): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random());
        sd * (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    };
    Array2::from_shape_fn((rows, columns), |_| normal(rng))
}

/// Random orthogonal matrix: Gram-Schmidt on Gaussian columns.
fn rotation(rng: &mut ChaCha8Rng, width: usize) -> Array2<f32> {
    let mut q = gaussian(rng, width, width, 1.0);
    for i in 0..width {
        for j in 0..i {
            let along = q.row(i).dot(&q.row(j));
            let other = q.row(j).to_owned();
            q.row_mut(i).scaled_add(-along, &other);
        }
        let norm = q.row(i).dot(&q.row(i)).sqrt();
        q.row_mut(i).mapv_inplace(|x| x / norm);
    }
    q
}

fn mexa(p: &Array2<f32>, x: &Array2<f32>, centring: Centring) -> f64 {
    share(&pair_outcomes(p.view(), x.view(), centring).unwrap(), Outcome::hit)
}

/// methods.md 9.4 a: shared meaning with noise 1, an offset of each language of 10: raw about 0.15, centred 1.
#[test]
fn a_language_offset_lowers_raw_and_leaves_centred() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shared = gaussian(&mut rng, 100, 1024, 1.0);
    let mut told = |offset: f32| {
        let constant = gaussian(&mut rng, 1, 1024, offset);
        &shared + &gaussian(&mut rng, 100, 1024, 1.0) + &constant
    };
    let (p, x) = (told(0.0), told(0.0));
    assert_eq!((mexa(&p, &x, Centring::Raw), mexa(&p, &x, Centring::Language)), (1.0, 1.0));
    let (p, x) = (told(10.0), told(10.0));
    assert!(mexa(&p, &x, Centring::Raw) < 0.6, "{}", mexa(&p, &x, Centring::Raw));
    assert_eq!(mexa(&p, &x, Centring::Language), 1.0);
}

/// methods.md 9.4 b: the same shape on other axes is no alignment for cosines.
#[test]
fn a_rotation_is_chance() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let p = gaussian(&mut rng, 400, 64, 1.0);
    let turned = p.dot(&rotation(&mut rng, 64));
    for centring in [Centring::Raw, Centring::Language] {
        assert!(mexa(&p, &turned, centring) < 0.02);
        assert_eq!(mexa(&turned, &turned, centring), 1.0);
    }
}

/// Chance of the conjunction is that of being the largest of 2n - 1 values; a product of two recalls would give 1 / n^2.
#[test]
fn independent_states_score_one_in_2n_minus_1() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (n, worlds) = (10, 2000);
    let mut sums = [0f64; 2];
    for _ in 0..worlds {
        let (p, x) = (gaussian(&mut rng, n, 32, 1.0), gaussian(&mut rng, n, 32, 1.0));
        let found = pair_outcomes(p.view(), x.view(), Centring::Raw).unwrap();
        sums[0] += share(&found, Outcome::hit) / f64::from(worlds);
        sums[1] += share(&found, Outcome::found_from_pivot) / f64::from(worlds);
    }
    near(sums[0], 1.0 / 19.0, 0.006, "MEXA of independent states");
    near(sums[1], 1.0 / 10.0, 0.006, "recall of independent states");
}

#[test]
fn duplicated_lines_never_count_and_are_named() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let p = gaussian(&mut rng, 20, 16, 1.0);
    let mut x = p.clone();
    let copy = x.row(3).to_owned();
    x.row_mut(7).assign(&copy);
    let names = vec!["eng_Latn".into(), "deu_Latn".into()];
    let states = LanguageStates::new(names, vec![5], vec![vec![p], vec![x]]).unwrap();
    let report = align(&states, &AlignParams { with_self: false, ..against_english() }, &Monitor::silent()).unwrap();
    let cell = report.cell("deu_Latn", "eng_Latn", 5, Centring::Raw).unwrap();
    assert_eq!(cell.mexa.value, 0.9);
    assert_eq!(report.notes.len(), 1);
    assert!(report.notes[0].contains("deu_Latn") && report.notes[0].contains("2 at layer 5"), "{:?}", report.notes);
}

#[test]
fn all_pairs_are_symmetric_and_one_pivot_is_a_part_of_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let shared = gaussian(&mut rng, 40, 12, 1.0);
    let languages: Vec<String> = ["eng_Latn", "swh_Latn", "hin_Deva"].map(String::from).to_vec();
    let states =
        languages.iter().map(|_| (0..2).map(|_| &shared + &gaussian(&mut rng, 40, 12, 0.7)).collect()).collect();
    let states = LanguageStates::new(languages.clone(), vec![0, 3], states).unwrap();
    let params = AlignParams { bootstrap: 200, ..AlignParams::default() };
    let all = align(&states, &params, &Monitor::silent()).unwrap();
    assert_eq!(all.cells.len(), 3 * 2 * 2 * 2);
    for cell in &all.cells {
        let back = all.cell(&cell.pivot, &cell.language, cell.layer, cell.centring).unwrap();
        assert_eq!((cell.mexa, cell.recall_from_pivot), (back.mexa, back.recall_to_pivot));
        assert!(cell.mexa.low <= cell.mexa.value && cell.mexa.value <= cell.mexa.high);
        near(cell.cosine_gap, back.cosine_gap, 1e-12, "gap");
    }
    for pivot in &languages {
        let one = AlignParams { pivots: vec![pivot.clone()], ..params.clone() };
        let report = align(&states, &one, &Monitor::silent()).unwrap();
        let part: Vec<_> = all.cells.iter().filter(|c| &c.pivot == pivot).cloned().collect();
        assert_eq!(report.cells, part);
    }
}

fn engine(folder: &Path) -> Engine {
    Engine::load(folder.to_str().unwrap(), &LoadOptions::default(), &Monitor::silent()).unwrap()
}

/// Residual stream `[tokens, width]` of ids at every layer.
fn residuals(engine: &Engine, ids: Vec<u32>) -> Vec<Tensor> {
    let sentence = Encoded { spans: vec![0..0; ids.len()], bos: 0, ids };
    let plan = Plan::layers(0..=engine.info().layers, Reduce::All);
    let captured = engine.run(&[sentence], &plan, &Monitor::silent()).unwrap();
    let tokens = |v: Values| if let Values::Tokens(mut t) = v { t.pop().unwrap() } else { panic!("pooled") };
    captured.into_iter().map(|c| tokens(c.values)).collect()
}

fn furthest(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max)
}

/// The lens of tuned-lens (layers 0 to L - 1) and of TransformerLens (0 to L), last token, five texts each.
#[test]
fn lens_logits_equal_tuned_lens_and_transformer_lens() {
    let Some(folder) = oracles() else { return };
    let mut compared = 0;
    for (file, families) in [
        ("logit_lens_tuned_lens.safetensors", &["llama", "llama3", "gpt2"][..]),
        ("logit_lens_transformer_lens.safetensors", &["llama", "llama3", "gpt2"][..]),
    ] {
        let file = folder.join(file);
        let tensors = floats(&file);
        for family in families {
            let engine = engine(&folder.join("../full").join(family));
            for text in 0..5 {
                let layers = residuals(&engine, ids(&file, &format!("{family}.{text}.ids")));
                let (shape, expected) = &tensors[&format!("{family}.{text}.lens_last_token")];
                for (layer, expected) in expected.chunks(shape[1]).enumerate() {
                    let state = &layers[layer];
                    let last = state.narrow(0, state.dim(0).unwrap() - 1, 1).unwrap();
                    let logits: Vec<f32> = engine.unembed(&last).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                    let off = furthest(&logits, expected);
                    assert!(off <= 1e-4, "{} {family} text {text} layer {layer}: off by {off}", file.display());
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 3 * 5 * (3 + 4));
}

#[test]
fn lens_top_tokens_equal_tuned_lens() {
    let Some(folder) = oracles() else { return };
    let file = folder.join("logit_lens_tuned_lens.safetensors");
    for family in ["llama", "llama3", "gpt2"] {
        let engine = engine(&folder.join("../full").join(family));
        let states = residuals(&engine, ids(&file, &format!("{family}.0.ids")));
        let sets = TokenSets::scripts_only(engine.tokenizer());
        let params = LensParams::default();
        let unembed = |rows: &Tensor, logits: &mut Vec<f32>| Ok(engine.unembed_into(rows, logits)?);
        let last = states.last().unwrap();
        let grid = read_out(&states[..states.len() - 1], last, &unembed, &sets, &params, &Monitor::silent()).unwrap();
        let got: Vec<u32> = grid.iter().flatten().flat_map(|cell| cell.top.iter().map(|t| t.0)).collect();
        assert_eq!(got, ids(&file, &format!("{family}.0.lens_top5_ids")), "{family}");
    }
}

fn golden(family: &str) -> Engine {
    engine(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/models").join(family))
}

fn logits(engine: &Engine, text: &str) -> Tensor {
    let plan =
        Plan { captures: vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::All }], ..Plan::default() };
    let sentence = engine.tokenizer().encode(text).unwrap();
    match engine.run(&[sentence], &plan, &Monitor::silent()).unwrap().remove(0).values {
        Values::Tokens(mut tensors) => tensors.remove(0),
        Values::Pooled(_) => panic!("pooled"),
    }
}

const TEXT: &str = "The cat sees नीली 7 кошки.";

#[test]
fn lens_at_the_last_layer_is_the_model_itself() {
    for family in ["llama", "gpt2"] {
        let engine = golden(family);
        let own: Vec<Vec<f32>> = logits(&engine, TEXT).to_vec2().unwrap();
        let ids = engine.tokenizer().encode(TEXT).unwrap().ids;
        let last = residuals(&engine, ids).pop().unwrap();
        let lens: Vec<Vec<f32>> = engine.unembed(&last).unwrap().to_vec2().unwrap();
        assert!(furthest(&lens.concat(), &own.concat()) <= 1e-5, "{family}");

        let sets = TokenSets::scripts_only(engine.tokenizer());
        let report = lens::analyse(&engine, TEXT, &sets, &LensParams::default(), &Monitor::silent()).unwrap();
        let cells = report.cells.last().unwrap();
        assert_eq!(cells.len(), own.len());
        for (cell, logits) in cells.iter().zip(&own) {
            assert_eq!((cell.kl_from_final, cell.rank_of_final), (0.0, 1), "{family}");
            let max = logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = logits.iter().map(|l| f64::from(l - max).exp()).sum();
            for top in &cell.top {
                let p = f64::from(logits[top.id as usize] - max).exp() / sum;
                near(f64::from(top.probability), p, 1e-5, family);
            }
            assert_eq!(logits[cell.top[0].id as usize], max, "{family}");
        }
    }
}

#[test]
fn lens_keeps_the_laws_of_distributions_at_every_layer() {
    for family in ["llama", "gpt2"] {
        let engine = golden(family);
        let lines = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        let corpus = Corpus {
            name: "two languages".into(),
            languages: vec!["eng_Latn".into(), "rus_Cyrl".into()],
            sentences: vec![lines(&["The cat sees.", "The cat runs."]), lines(&["Кошка видит.", "Кошка бежит."])],
            sha256: String::new(),
            notes: Vec::new(),
        };
        let sets = TokenSets::from_corpus(engine.tokenizer(), &corpus).unwrap();
        let members = |language| sets.members(language).unwrap();
        assert!(!members("eng_Latn").is_empty() && !members("rus_Cyrl").is_empty());
        assert!(members("eng_Latn").iter().all(|id| !members("rus_Cyrl").contains(id)));

        let read = |params: &LensParams| lens::analyse(&engine, TEXT, &sets, params, &Monitor::silent()).unwrap();
        let all = read(&LensParams { top_k: 7, ..LensParams::default() });
        assert_eq!(all.layers, (0..=engine.info().layers).collect::<Vec<_>>());
        assert_eq!(all.scripts.last().map(String::as_str), Some("Zyyy"));
        for cell in all.cells.iter().flatten() {
            assert!((cell.script_mass.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(cell.language_mass.len() == 2 && cell.language_mass.iter().sum::<f32>() <= 1.0 + 1e-5);
            assert!(cell.entropy >= 0.0 && cell.entropy <= (engine.info().vocabulary as f32).ln() + 1e-4);
            assert!(cell.kl_from_final >= 0.0 && cell.rank_of_final >= 1);
            assert!(cell.top.len() == 7 && cell.top.is_sorted_by(|a, b| a.probability >= b.probability));
        }
        let one_row = read(&LensParams { top_k: 7, logit_bytes: 1, ..LensParams::default() });
        for (a, b) in all.cells.iter().flatten().zip(one_row.cells.iter().flatten()) {
            let ids = |c: &lens::LensCell| c.top.iter().map(|t| t.id).collect::<Vec<_>>();
            assert_eq!((ids(a), a.rank_of_final), (ids(b), b.rank_of_final), "{family}: blocks change nothing");
            near(f64::from(a.entropy), f64::from(b.entropy), 1e-5, family);
        }
        let first = read(&LensParams { top_k: 7, layers: vec![1], ..LensParams::default() });
        assert_eq!(first.cells, vec![all.cells[1].clone()], "a layer alone is the same as among others");
    }
}

#[test]
fn lens_refuses_what_cannot_be_read() {
    let engine = golden("llama");
    let sets = TokenSets::scripts_only(engine.tokenizer());
    let refused = |text: &str, params: LensParams| {
        lens::analyse(&engine, text, &sets, &params, &Monitor::silent()).unwrap_err().to_string()
    };
    assert!(refused("", LensParams::default()).contains("no token"));
    assert!(refused("a", LensParams { top_k: 0, ..LensParams::default() }).contains("at least one"));
    let deep = engine.info().layers + 1;
    assert!(refused("a", LensParams { layers: vec![deep], ..LensParams::default() }).contains("layers of 0..="));
}
