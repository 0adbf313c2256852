//! The probe on planted states: laws, nulls, planted truths, bad input.

use std::sync::{Arc, atomic::AtomicBool};

use babelscope_core::monitor::Monitor;
use ndarray::Array2;

use super::{Index, Keep, SimilarityParams, algebra::samples, cca, centred, cka, mutual_knn, similarity};
use crate::{
    align::LanguageStates,
    measure::{Measured, Row},
};

const ALL: [Index; 10] = [
    Index::Cka,
    Index::CkaRbf,
    Index::Svcca,
    Index::Pwcca,
    Index::Cca,
    Index::Anc,
    Index::Rsa,
    Index::Procrustes,
    Index::MutualKnn,
    Index::Cknna,
];

fn names(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|c| (*c).to_owned()).collect()
}

/// English at two layers; German: the same with noise; Swahili: layer 0 unrelated, layer 1 rotated; Khmer: English exactly.
fn planted(n: usize, width: usize) -> LanguageStates {
    let english = [samples::gaussian(n, width, 1), samples::gaussian(n, width, 2)];
    let german = [0, 1].map(|l| &english[l] + &(samples::gaussian(n, width, 3 + l as u64) * 0.5) + 4.0);
    let swahili = [samples::gaussian(n, width, 8), english[1].dot(&samples::rotation(width, 9))];
    let states = vec![english.to_vec(), german.to_vec(), swahili.to_vec(), english.to_vec()];
    LanguageStates::new(names(&["eng_Latn", "deu_Latn", "swh_Latn", "khm_Khmr"]), vec![0, 3], states).unwrap()
}

fn run(states: &LanguageStates, params: &SimilarityParams) -> Measured {
    similarity(states, params, 7, &Monitor::silent()).unwrap()
}

fn quick() -> SimilarityParams {
    SimilarityParams { indices: ALL.to_vec(), biased: true, bootstrap: 100, shuffles: 39, ..Default::default() }
}

fn row<'a>(found: &'a Measured, metric: &str, language: &str, layer: Option<usize>, variant: &str) -> &'a Row {
    let fits = |r: &&Row| r.metric == metric && r.language == language && r.layer == layer && r.variant == variant;
    found.rows.iter().find(fits).unwrap_or_else(|| panic!("no {metric} {language} {layer:?} {variant}"))
}

#[test]
fn every_index_tells_the_planted_truth() {
    let found = run(&planted(80, 12), &quick());
    let value = |metric, language, layer, variant| row(&found, metric, language, Some(layer), variant).value.unwrap();
    // What is blind to axes sees the rotated copy, what is not does not.
    for (metric, variant) in [
        ("cka", "debiased"),
        ("cka", "biased"),
        ("rsa", "cosine"),
        ("cka_rbf", "debiased"),
        ("cca", "full"),
        ("svcca", "reduced"),
        ("pwcca", "reduced"),
        ("mutual_knn", "raw"),
        ("mutual_knn", "language"),
        ("cknna", "raw"),
        ("procrustes_recall", "language"),
        ("procrustes_mexa", "language"),
    ] {
        assert!(value(metric, "swh_Latn", 3, variant) > 0.95, "{metric} {variant}");
        assert!(value(metric, "khm_Khmr", 0, variant) > 0.999, "{metric} {variant}");
    }
    assert!(
        value("anc", "swh_Latn", 3, "language") < 0.35 && value("recall_held_out", "swh_Latn", 3, "language") < 0.2
    );
    assert!(value("procrustes_gap", "swh_Latn", 3, "language") > 0.8);
    assert!(value("procrustes_distance", "swh_Latn", 3, "in_sample") < 1e-4);
    // Nothing is shared at layer 0.
    assert!(value("cka", "swh_Latn", 0, "debiased").abs() < 0.05);
    assert!((value("mutual_knn", "swh_Latn", 0, "raw") - 10.0 / 79.0).abs() < 0.06);
    // Noise and an offset: shared axes, which centring shows.
    assert!(value("recall_held_out", "deu_Latn", 0, "language") > 0.9 && value("anc", "deu_Latn", 0, "language") > 0.8);
    assert!(found.notes.iter().any(|n| n.contains("eng_Latn and khm_Khmr: identical inputs") && n.contains("[0, 3]")));
    assert!(
        found.notes.iter().any(|n| n.contains("biased CKA"))
            && found.notes.iter().any(|n| n.contains("no matched null"))
    );
}

#[test]
fn what_is_shared_stands_out_of_the_null_and_strangers_do_not() {
    let found = run(&planted(80, 12), &quick());
    for r in found.rows.iter().filter(|r| r.shuffled.is_some()) {
        let (null, value) = (r.shuffled.unwrap(), r.value.unwrap());
        assert_eq!(null.draws, 39, "{r:?}");
        if r.language == "khm_Khmr" {
            assert!(null.p <= 0.026, "{r:?}");
        }
        if r.metric.ends_with("_max") {
            let parts: Vec<f64> = (found.rows.iter())
                .filter(|o| {
                    format!("{}_max", o.metric) == r.metric && o.variant == r.variant && o.language == r.language
                })
                .map(|o| o.value.unwrap())
                .collect();
            assert_eq!(value, parts.iter().copied().fold(f64::MIN, f64::max), "{r:?}");
            assert!(r.item == "0" || r.item == "3");
        }
    }
    let stranger = row(&found, "cka", "swh_Latn", Some(0), "debiased");
    assert!(stranger.shuffled.unwrap().p > 0.05 && stranger.low.unwrap() < 0.0 && stranger.high.unwrap() > 0.0);
    // The biased value of strangers is far from 0, and its null says so.
    let biased = row(&found, "cka", "swh_Latn", Some(0), "biased");
    assert!(biased.value.unwrap() > 0.1 && (biased.value.unwrap() - biased.shuffled.unwrap().mean).abs() < 0.05);
    assert!(biased.low.is_none());
    let max = found
        .rows
        .iter()
        .find(|r| r.metric == "cka_max" && r.language == "swh_Latn" && r.variant == "debiased")
        .unwrap();
    assert!(max.item == "3" && max.shuffled.unwrap().p_adjusted.is_some());
}

/// The null's mean over all permutations of debiased CKA is 0; over draws it is near.
#[test]
fn the_null_of_debiased_cka_is_around_zero_and_of_neighbours_around_chance() {
    let found = run(&planted(60, 30), &quick());
    for r in found.rows.iter().filter(|r| r.layer.is_some() && r.value.is_some()) {
        let Some(null) = r.shuffled else { continue };
        match (r.metric.as_str(), r.chance) {
            ("cka" | "rsa" | "cka_rbf", _) if r.variant != "biased" => assert!(null.mean.abs() < 0.03, "{r:?}"),
            ("mutual_knn" | "recall_held_out" | "mexa_held_out" | "procrustes_recall", Some(chance)) => {
                assert!((null.mean - chance).abs() < 0.03, "{r:?}");
            }
            ("anc", Some(chance)) => assert!((null.mean / chance - 1.0).abs() < 0.1, "{r:?}"),
            _ => {}
        }
    }
}

#[test]
fn matched_draws_keep_what_length_alone_explains() {
    // The state is the length of the sentence and noise: CKA is high, a plain shuffle is far below, a matched one is not.
    let n = 120;
    let lengths: Vec<f32> = (0..n).map(|i| [5f32, 20., 60.][i % 3]).collect();
    let side = |seed| {
        let noise = samples::gaussian(n, 4, seed);
        Array2::from_shape_fn((n, 4), |(i, j)| if j == 0 { lengths[i] } else { noise[[i, j]] })
    };
    let tokens = |base: u32| (0..n).map(|i| vec![base; lengths[i] as usize]).collect::<Vec<_>>();
    let states = LanguageStates::new(names(&["eng_Latn", "deu_Latn"]), vec![0], vec![vec![side(1)], vec![side(2)]]);
    let states = states.unwrap().with_tokens(vec![tokens(1), tokens(2)]).unwrap();
    let params = SimilarityParams { indices: vec![Index::Cka], bootstrap: 0, shuffles: 99, ..Default::default() };
    let found = run(&states, &params);
    let cka = row(&found, "cka", "deu_Latn", Some(0), "debiased");
    assert!(cka.value.unwrap() > 0.9 && cka.shuffled.unwrap().p < 0.05, "{cka:?}");
    assert!(cka.matched.unwrap().mean > 0.9 && cka.matched.unwrap().p > 0.05, "{cka:?}");
}

#[test]
fn all_pairs_are_symmetric_but_for_the_weights_of_pwcca() {
    let params = SimilarityParams { pivots: Vec::new(), bootstrap: 0, shuffles: 0, ..quick() };
    let states = planted(60, 6);
    let found = run(&states, &params);
    let of = |metric: &str, a: &str, b: &str| {
        let fits = |r: &&Row| r.metric == metric && r.language == a && r.pivot == b && r.layer == Some(0);
        found.rows.iter().filter(fits).map(|r| r.value).collect::<Vec<_>>()
    };
    for metric in ["cka", "anc", "rsa", "svcca", "procrustes_recall", "mutual_knn"] {
        assert_eq!(of(metric, "deu_Latn", "swh_Latn"), of(metric, "swh_Latn", "deu_Latn"));
        assert_eq!(
            of(metric, "deu_Latn", "swh_Latn").len(),
            if metric == "cka" || metric == "mutual_knn" { 2 } else { 1 }
        );
    }
    let mine = of("pwcca", "deu_Latn", "swh_Latn");
    assert!(mine.len() == 1 && mine != of("pwcca", "swh_Latn", "deu_Latn"));
    let whole = cca(states.at(1, 0), states.at(2, 0), Keep::Variance(0.99)).unwrap();
    assert!((mine[0].unwrap() - whole.weighted.unwrap()).abs() < 1e-9);
}

#[test]
fn same_seed_same_bits_on_one_thread_and_on_three() {
    let states = planted(150, 20);
    let params = SimilarityParams { grid: true, shuffles: 19, ..quick() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&states, &params))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn the_grid_is_cka_of_every_two_layers() {
    let states = planted(50, 8);
    let params =
        SimilarityParams { indices: vec![Index::Cka], grid: true, bootstrap: 0, shuffles: 39, ..Default::default() };
    let found = run(&states, &params);
    let grid: Vec<&Row> = found.rows.iter().filter(|r| r.pivot_layer.is_some() && r.language == "swh_Latn").collect();
    assert_eq!(grid.len(), 4);
    for r in &grid {
        let place = |layer: Option<usize>| states.layers().iter().position(|l| Some(*l) == layer).unwrap();
        let expected = cka(states.at(0, place(r.pivot_layer)), states.at(2, place(r.layer))).unwrap().debiased;
        assert!((r.value.unwrap() - expected).abs() < 1e-5, "{r:?}");
    }
    // The same draws as those of the rows by layer.
    let plain =
        found.rows.iter().find(|r| r.metric == "cka" && r.pivot_layer.is_none() && r.language == "swh_Latn").unwrap();
    let (a, b) = (plain.shuffled.unwrap(), grid[0].shuffled.unwrap());
    assert!((a.q95 - b.q95).abs() < 1e-5 && (a.mean - b.mean).abs() < 1e-5);
    let max = found.rows.iter().find(|r| r.metric == "cka_grid_max" && r.language == "swh_Latn").unwrap();
    assert_eq!((max.item.as_str(), max.value), ("3 3", grid[3].value));
    assert!(max.shuffled.unwrap().q95 >= grid.iter().map(|r| r.shuffled.unwrap().q95).fold(f64::MIN, f64::max));
    assert!(super::grid::check(33, 20_000).unwrap_err().to_string().contains("at most 8 are allowed"));
}

/// methods.md 9.4 (a), mean of five seeds: c is the size of a constant offset, s of the noise; debiased CKA, kNN raw and centred, biased CKA.
#[test]
fn planted_offset_and_noise() {
    let (n, width) = (100, 1024);
    let table = [
        (0f32, 0.5f32, [0.646, 0.43, 0.43, 0.968]),
        (0., 4., [0.006, 0.10, 0.10, 0.911]),
        (3., 2., [0.044, 0.11, 0.11, 0.914]),
        (10., 1., [0.257, 0.19, 0.20, 0.934]),
    ];
    for (c, s, expected) in table {
        let mut mean = [0f64; 4];
        for seed in 0..5u64 {
            let shared = samples::gaussian(n, width, 10 * seed);
            let side = |other: u64| {
                let offset = samples::gaussian(1, width, 10 * seed + other + 5);
                &shared + &(samples::gaussian(n, width, 10 * seed + other) * s) + &(&offset.row(0) * c)
            };
            let (x, y) = (side(1), side(2));
            let found = cka(x.view(), y.view()).unwrap();
            let knn = |x: &Array2<f32>, y: &Array2<f32>| mutual_knn(x.view(), y.view(), 10).unwrap();
            let values = [found.debiased, knn(&x, &y), knn(&centred(x.view()), &centred(y.view())), found.biased];
            mean.iter_mut().zip(values).for_each(|(m, v)| *m += v / 5.0);
        }
        for (got, expected) in mean.iter().zip(expected) {
            assert!((got - expected).abs() < 0.02, "c {c} s {s}: {mean:?}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_a_row_that_says_why() {
    // 20 sentences of width 24: CCA of all directions makes no sense; a constant side has nothing; the others go on.
    let x = || samples::gaussian(20, 24, 1);
    let flat = Array2::from_elem((20, 24), 0.3f32);
    let languages = names(&["eng_Latn", "deu_Latn", "fra_Latn"]);
    let states =
        LanguageStates::new(languages, vec![0], vec![vec![x()], vec![samples::gaussian(20, 24, 2)], vec![flat]])
            .unwrap();
    let found = run(&states, &SimilarityParams { bootstrap: 0, ..quick() });
    let full = row(&found, "cca", "deu_Latn", Some(0), "full");
    assert!(full.value.is_none() && full.status.contains("20 sentences of width 24"), "{full:?}");
    let weighted = row(&found, "pwcca", "deu_Latn", Some(0), "reduced");
    assert!(weighted.value.is_none() && weighted.status.contains("PWCCA is not determined"), "{weighted:?}");
    for (metric, variant, why) in [
        ("cka", "debiased", "same state"),
        ("anc", "language", "constant"),
        ("rsa", "cosine", "nothing to agree on"),
        ("procrustes_recall", "language", "same state"),
        ("mutual_knn", "language", "norm 0"),
    ] {
        let r = row(&found, metric, "fra_Latn", Some(0), variant);
        assert!(r.value.is_none() && r.status.contains(why), "{r:?}");
        assert!(row(&found, metric, "deu_Latn", Some(0), variant).value.is_some());
    }
    assert!(found.notes.iter().any(|n| n.contains("canonical correlations of up to")));
    assert!(found.notes.iter().any(|n| n.contains("fitted on 10 sentences in 24 dimensions")));
    assert!(found.rows.iter().all(|r| r.value.is_some() == (r.status == "ok")));
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let why = |states: &LanguageStates, params: &SimilarityParams| {
        similarity(states, params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let few = samples::gaussian(3, 2, 1);
    let few =
        LanguageStates::new(names(&["eng_Latn", "deu_Latn"]), vec![0], vec![vec![few.clone()], vec![few]]).unwrap();
    assert!(why(&few, &quick()).contains("at least 4 sentences are needed, got 3"));
    let states = planted(20, 3);
    let pivots = SimilarityParams { pivots: names(&["xho_Latn"]), ..quick() };
    assert!(why(&states, &pivots).contains("xho_Latn is not among the languages: eng_Latn"));
    assert!(why(&states, &SimilarityParams { shuffles: 5, ..quick() }).contains("5 `shuffles`"));
    let cancelled = Monitor::new(Arc::new(AtomicBool::new(true)), |_| {});
    assert!(similarity(&states, &quick(), 0, &cancelled).is_err());
}
