use std::path::Path;

use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions},
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
};
use ndarray::{Array2, CowArray, Ix2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{StructureParams, language_subspace, principal_angles, structure};
use crate::{
    Result,
    align::LanguageStates,
    measure::{Measured, Row},
    source::StateSource,
    spectrum::singular,
};

const CODES: [&str; 8] =
    ["eng_Latn", "deu_Latn", "fra_Latn", "rus_Cyrl", "arb_Arab", "hin_Deva", "swh_Latn", "zho_Hans"];

fn noise(n: usize, width: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, width), || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0)
}

/// One layer after the other; `[layer][language]`.
fn states(layers: Vec<Vec<Array2<f32>>>) -> LanguageStates {
    let languages = CODES[..layers[0].len()].iter().map(|c| (*c).to_owned()).collect();
    let of = |language: usize| layers.iter().map(|l| l[language].clone()).collect();
    let states = (0..layers[0].len()).map(of).collect();
    LanguageStates::new(languages, (0..layers.len()).collect(), states).unwrap()
}

fn params() -> StructureParams {
    StructureParams { bootstrap: 200, effect: false, ..StructureParams::default() }
}

fn measure(source: &dyn StateSource, params: &StructureParams) -> Measured {
    structure(source, params, 3, &Monitor::silent()).unwrap()
}

fn share<'a>(found: &'a Measured, layer: usize, variant: &str) -> &'a Row {
    found
        .rows
        .iter()
        .find(|r| r.metric == "language_variance" && r.layer == Some(layer) && r.variant == variant)
        .unwrap()
}

/// Offsets of 8 languages in a plane of 3 dimensions, and the plane.
fn planted(width: usize) -> (Array2<f64>, Array2<f64>) {
    let plane = singular(noise(3, width, 77).mapv(f64::from).view(), "test").unwrap().right;
    (noise(8, 3, 78).mapv(f64::from).dot(&plane) * 4.0, plane)
}

#[test]
fn offsets_in_a_plane_are_found_with_their_share_of_the_variance() {
    let (n, width) = (800, 64);
    let (offsets, plane) = planted(width);
    let shared = noise(n, width, 1);
    let of = |l: usize| &shared + &noise(n, width, 10 + l as u64) + offsets.row(l).mapv(|x| x as f32);
    let source = states(vec![(0..8).map(of).collect()]);
    let found = measure(&source, &StructureParams { rank: 3, ..params() });
    let means = Array2::from_shape_fn((8, width), |(l, j)| f64::from(source.at(l, 0).column(j).mean().unwrap()));
    let basis = language_subspace(means.view(), 3).unwrap().basis;
    let angles = principal_angles(basis.view(), plane.view()).unwrap();
    assert!(angles.iter().all(|a| *a < 3.0), "{angles:?}");
    // Meaning and noise have variance 1 in each dimension.
    let centre = offsets.mean_axis(ndarray::Axis(0)).unwrap();
    let between = (&offsets - &centre).iter().map(|x| x * x).sum::<f64>() / 8.0;
    let expected = between / (between + 2.0 * width as f64);
    let row = share(&found, 0, "denoised");
    assert!((row.value.unwrap() - expected).abs() < 0.01, "{row:?} {expected}");
    assert!(row.low.unwrap() < row.value.unwrap() && row.high.unwrap() > row.value.unwrap(), "{row:?}");
    assert!(row.high.unwrap() - row.low.unwrap() < 0.05, "{row:?}");
    // Three components carry nearly all of the scree, and the distances are those of the offsets.
    let explained: Vec<f64> = found.metric("variance_explained").map(|r| r.value.unwrap()).collect();
    assert!(explained.len() == 7 && (explained.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(explained[2] > 20.0 * explained[3], "{explained:?}");
    let distance = found.value("language_distance", "deu_Latn", "eng_Latn", Some(0), "denoised").unwrap();
    let apart = (&offsets.row(0) - &offsets.row(1)).mapv(|x| x * x).sum().sqrt() / (2.0 * width as f64).sqrt();
    assert!((distance - apart).abs() < 0.05, "{distance} {apart}");
    let ratio = found.metric("offset_ratio").find(|r| r.language == "deu_Latn").unwrap();
    assert!(ratio.low.unwrap() < apart + 0.05 && ratio.high.unwrap() > apart - 0.05, "{ratio:?} {apart}");
    let order: Vec<f64> = found.metric("cluster_order").map(|r| r.value.unwrap()).collect();
    assert_eq!(order, (1..=8).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn noise_alone_is_no_language() {
    let (n, width) = (50, 40);
    let shared = noise(n, width, 1);
    let independent = (0..6).map(|l| noise(n, width, 10 + l)).collect();
    // Translations share nearly everything: subtracting tr Sigma / n would go far below 0 here.
    let parallel = (0..6).map(|l| &shared * 3.0 + &noise(n, width, 20 + l)).collect();
    let found = measure(&states(vec![independent, parallel]), &params());
    for layer in [0, 1] {
        let (raw, clean) = (share(&found, layer, "raw"), share(&found, layer, "denoised"));
        assert!(clean.value.unwrap().abs() < 0.004, "{clean:?}");
        assert!(clean.low.unwrap() < 0.002 && clean.high.unwrap() > -0.002, "{clean:?}");
        assert!((raw.value.unwrap() - raw.chance.unwrap()).abs() < 0.004, "{raw:?}");
    }
    // Six means of independent sentences: (1 - 1 / 6) / 50 of the variance.
    assert!((share(&found, 0, "raw").value.unwrap() - 0.0164).abs() < 0.004);
}

#[test]
fn intervals_hold_the_truth() {
    // 40 samples with a planted share; a 95 % interval misses few of them.
    let (n, width) = (60, 12);
    let offset = noise(1, width, 5) * 0.5;
    let between = offset.iter().map(|x| f64::from(x * x)).sum::<f64>() / 4.0;
    let expected = between / (between + 2.0 * width as f64);
    let held = (0..40u64).filter(|sample| {
        let shared = noise(n, width, 1000 + sample);
        let one = &shared + &noise(n, width, 2000 + sample);
        let two = &shared + &noise(n, width, 3000 + sample) + &offset;
        let found = measure(&states(vec![vec![one, two]]), &params());
        let row = share(&found, 0, "denoised");
        (row.low.unwrap()..row.high.unwrap()).contains(&expected)
    });
    let held = held.count();
    assert!((34..=40).contains(&held), "{held} of 40");
}

#[test]
fn removal_restores_what_constant_vectors_hide() {
    // methods.md 9.4 (a): n 100, d 1024, offset 10, noise 1: raw MEXA .15, centred 1.00.
    let (n, width) = (100, 1024);
    let shared = noise(n, width, 1);
    let of = |l: u64| &shared + &noise(n, width, 10 + l) + &(noise(1, width, 90 + l) * 10.0);
    let found = measure(&states(vec![vec![of(0), of(1)]]), &StructureParams { effect: true, ..params() });
    let mexa = |variant| found.value("mexa", "deu_Latn", "eng_Latn", Some(0), variant).unwrap();
    assert!((0.05..0.3).contains(&mexa("raw")), "{}", mexa("raw"));
    assert_eq!((mexa("language"), mexa("subspace")), (1.0, 1.0));
    let gain = found.metric("removal_gain").next().unwrap();
    assert!((gain.value.unwrap() - (1.0 - mexa("raw"))).abs() < 1e-12 && gain.low.unwrap() > 0.7, "{gain:?}");
    assert_eq!(found.metric("recall_from_pivot").count() + found.metric("recall_to_pivot").count(), 6);
}

#[test]
fn removal_takes_meaning_along_where_meaning_lies_in_the_subspace() {
    // Nearly all meaning varies along the axis in which the languages differ: centring keeps it, removal loses it.
    let (n, width) = (60, 8);
    let mut shared = noise(n, width, 1) * 0.2;
    shared.column_mut(0).iter_mut().enumerate().for_each(|(i, x)| *x += (i as f32 - 29.5) * 3.0);
    let of = |l: u64| {
        let mut state = &shared + &(noise(n, width, 10 + l) * 0.4);
        state.column_mut(0).mapv_inplace(|x| x + 500.0 * l as f32);
        state
    };
    let found = measure(&states(vec![vec![of(0), of(1)]]), &StructureParams { effect: true, ..params() });
    let mexa = |variant| found.value("mexa", "deu_Latn", "eng_Latn", Some(0), variant).unwrap();
    assert!(mexa("language") > mexa("subspace"), "{} {}", mexa("language"), mexa("subspace"));
}

#[test]
fn layers_are_comparable() {
    // Layer 1 is layer 0 turned by a rotation: same distances; after matching also the same coordinates.
    let (offsets, _) = planted(16);
    let of = |l: usize| noise(60, 16, 10 + l as u64) * 0.5 + offsets.row(l).mapv(|x| x as f32);
    let first: Vec<Array2<f32>> = (0..5).map(of).collect();
    let turn = singular(noise(16, 16, 99).mapv(f64::from).view(), "test").unwrap().right.mapv(|x| x as f32);
    let second = first.iter().map(|s| s.dot(&turn)).collect();
    let found = measure(&states(vec![first.clone(), second, first]), &params());
    let at = |layer: usize| -> Vec<f64> {
        let here = found.metric("language_coordinate").filter(|r| r.layer == Some(layer));
        here.map(|r| r.value.unwrap()).collect()
    };
    assert_eq!(at(0).len(), 15);
    assert!((1..3).all(|l| at(0).iter().zip(at(l)).all(|(a, b)| (a - b).abs() < 1e-3)), "{:?} {:?}", at(0), at(1));
    let angles: Vec<&Row> = found.metric("principal_angle").collect();
    assert!(angles.len() == 8 && angles.iter().all(|r| r.pivot_layer == r.layer.map(|l| l + 1)));
    assert!(angles.iter().all(|r| r.value > Some(5.0)), "a rotation moves the subspace: {angles:?}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let of = |l: u64| noise(40, 96, l) + &(noise(1, 96, 90 + l) * 2.0);
    let source = states(vec![(0..5).map(of).collect(), (5..10).map(of).collect()]);
    let all = StructureParams { effect: true, ..params() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measure(&source, &all))
    };
    assert!(on(1) == on(3));
}

/// A source without the checks of [`LanguageStates`].
struct Loose(Vec<String>, Vec<Array2<f32>>);

impl StateSource for Loose {
    fn languages(&self) -> &[String] {
        &self.0
    }
    fn layers(&self) -> &[usize] {
        &[2]
    }
    fn sentences(&self) -> usize {
        self.1[0].nrows()
    }
    fn state(&self, language: usize, _layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.1[language].view().into())
    }
}

fn loose(states: Vec<Array2<f32>>) -> Loose {
    Loose(CODES[..states.len()].iter().map(|c| (*c).to_owned()).collect(), states)
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_sentence() {
    let why = |source: &Loose, params: StructureParams| {
        structure(source, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let two = |n| loose(vec![noise(n, 6, 1), noise(n, 6, 2)]);
    assert!(why(&loose(vec![noise(9, 6, 1)]), params()).contains("at least 2 languages are needed, got 1"));
    assert!(why(&two(3), params()).contains("at least 4 sentences are needed, got 3"));
    assert!(why(&two(9), StructureParams { rank: 2, ..params() }).contains("at most 1 dimensions"));
    assert!(
        why(&two(9), StructureParams { pivots: vec!["xxx_Latn".into()], ..params() })
            .contains("not among the languages")
    );
    assert!(why(&two(9), StructureParams { bootstrap: 50, ..params() }).contains("`bootstrap` is 50"));
    assert!(why(&loose(vec![noise(9, 6, 1), noise(9, 5, 2)]), params()).contains("deu_Latn at layer 2 have the shape"));
    let mut broken = two(9);
    broken.1[1][[3, 0]] = f32::INFINITY;
    assert!(why(&broken, params()).contains("sentence 4 of deu_Latn at layer 2 is not finite"));
}

#[test]
fn constant_states_give_rows_without_a_value_and_a_note() {
    let all = StructureParams { effect: true, ..params() };
    let still = |l: f32| Array2::from_elem((9, 6), 0.1 + l);
    let found = measure(&loose(vec![still(0.0), still(1.0), still(2.0)]), &all);
    assert!(
        found.notes.len() == 3 && found.notes[0].contains("eng_Latn: every sentence has the same state at layer 2")
    );
    assert!(found.metric("language_distance").all(|r| r.value.is_none() && r.status.contains("no spread")));
    assert_eq!(share(&found, 2, "denoised").value, Some(1.0));
    let found = measure(&loose(vec![still(0.0), still(0.0)]), &all);
    assert!(share(&found, 2, "raw").status.contains("no variance"));
    assert!(found.metric("language_coordinate").all(|r| r.value.is_none() && r.status.contains("span nothing")));
    assert!(found.rows.iter().all(|r| r.value.is_none_or(f64::is_finite)));
    // Equal languages that vary: no subspace, and no removal.
    let found = measure(&loose(vec![noise(9, 6, 1), noise(9, 6, 1)]), &all);
    assert_eq!(found.value("removal_gain", "deu_Latn", "eng_Latn", Some(2), "subspace"), Some(0.0));
    assert_eq!(share(&found, 2, "denoised").value, Some(0.0));
}

#[test]
fn the_laboratory_shows_what_was_built_into_it() {
    let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
    let corpus = Corpus::open(Path::new("lab")).unwrap();
    let plan = Plan::layers(0..=engine.info().layers, Reduce::Mean(Window::default()));
    let capture = |language: &String| {
        let encoded = engine.tokenizer().encode_all(corpus.lines(language).unwrap()).unwrap();
        (language.clone(), engine.run(&encoded, &plan, &Monitor::silent()).unwrap())
    };
    let captured: Vec<_> = corpus.languages.iter().map(capture).collect();
    let source = LanguageStates::from_captured(&captured).unwrap();
    let found = measure(&source, &StructureParams { effect: true, ..params() });
    let mexa = |language: &str, layer: usize, variant: &str| {
        found.value("mexa", language, "eng_Latn", Some(layer), variant).unwrap()
    };
    let distance = |language: &str, layer: usize| {
        found.value("language_distance", language, "eng_Latn", Some(layer), "denoised").unwrap()
    };
    let others = || source.languages().iter().filter(|l| !["eng_Latn", "qec_Latn", "qis_Latn"].contains(&l.as_str()));
    for layer in 0..=engine.info().layers {
        let language = share(&found, layer, "denoised").value.unwrap();
        assert!((0.4..0.75).contains(&language), "{layer}: {language}");
        // The island has no meaning to be uncovered; the clone has all of it, behind an offset as large as any.
        assert!(["raw", "language", "subspace"].into_iter().all(|v| mexa("qis_Latn", layer, v) < 0.05));
        assert!(
            mexa("qec_Latn", layer, "subspace") > 0.8
                && mexa("qec_Latn", layer, "subspace") > mexa("qec_Latn", layer, "raw")
        );
        // Mixed languages gain too, and it makes little difference whether means or the whole subspace are removed.
        for other in others() {
            let (raw, centred, removed) =
                (mexa(other, layer, "raw"), mexa(other, layer, "language"), mexa(other, layer, "subspace"));
            assert!(removed > raw, "{other} {layer}: {raw} {removed}");
            assert!((removed - centred).abs() < 0.12, "{other} {layer}: {centred} {removed}");
        }
        // A distance of means is no distance of meanings: the clone is no closer to English than the closest mixed language.
        let closest = others().map(|other| distance(other, layer)).fold(f64::INFINITY, f64::min);
        assert!(distance("qec_Latn", layer) > closest, "{layer}: {closest}");
    }
}
