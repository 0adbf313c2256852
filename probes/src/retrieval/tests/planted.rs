//! Truths that were planted: methods.md 9.4 and 9.7.

use ndarray::{Array1, Array2, s};

use super::{RetrievalParams, Similarity, gaussian, measure, quick, rotation, row, two, value};
use crate::measure::Measured;

/// 9.4 a: shared meaning, noise `s` and an offset of `c` on both sides; n = 100, width 1024.
fn planted(c: f32, s: f32, seed: u64) -> Measured {
    let shared = gaussian(100, 1024, seed);
    let side = |seed: u64| {
        let offset: Array1<f32> = gaussian(1, 1024, seed + 1).row(0).mapv(|u| c * u);
        &shared + &(gaussian(100, 1024, seed) * s) + &offset
    };
    let similarities = vec![Similarity::Cosine, Similarity::Csls];
    measure(&two(side(seed + 10), side(seed + 20)), &RetrievalParams { similarities, ..quick() })
}

/// Means of five seeds: MEXA raw, recall@1 (mean of both ways), MEXA centred.
fn mean_of_five(c: f32, s: f32) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for seed in 0..5 {
        let found = planted(c, s, 1000 * seed + 3);
        let recall = ["recall_from_pivot", "recall_to_pivot"].map(|side| value(&found, side, "raw/cosine", "1"));
        sums[0] += value(&found, "mexa", "raw/cosine", "") / 5.0;
        sums[1] += (recall[0] + recall[1]) / 10.0;
        sums[2] += value(&found, "mexa", "language/cosine", "") / 5.0;
    }
    sums
}

#[test]
fn offset_and_noise_do_to_retrieval_what_the_table_says() {
    for (c, s, raw, recall, centred) in [
        (0.0, 2.0, 1.0, 1.0, 1.0),
        (0.0, 4.0, 0.20, 0.28, 0.20),
        (3.0, 2.0, 0.74, 0.85, 1.0),
        (10.0, 0.5, 0.37, 0.59, 1.0),
        (10.0, 1.0, 0.15, 0.34, 1.0),
        (10.0, 2.0, 0.03, 0.13, 1.0),
    ] {
        let got = mean_of_five(c, s);
        for (got, expected) in got.iter().zip([raw, recall, centred]) {
            assert!((got - expected).abs() <= 0.12, "c {c} s {s}: got {got}, the table has {expected}");
        }
    }
}

#[test]
fn an_offset_makes_hubs_and_csls_undoes_them() {
    let found = planted(10.0, 1.0, 3);
    for side in ["from_pivot", "to_pivot"] {
        let hub = |metric: &str, variant: &str| value(&found, metric, variant, side);
        assert!(hub("hubness_skew", "raw") > 1.5 * hub("hubness_skew", "language"));
        assert!(hub("anti_hubs", "raw") > hub("anti_hubs", "language"));
        assert!(hub("hub_max", "raw") > hub("hub_max", "language"));
        let recall = |variant: &str| value(&found, &format!("recall_{side}"), variant, "1");
        assert!(recall("raw/csls") > recall("raw/cosine") + 0.3, "{} {}", recall("raw/csls"), recall("raw/cosine"));
    }
    // The offset narrows the cone within each language, and centring opens it.
    let cones: Vec<_> = found.metric("anisotropy").map(|row| (&row.variant[..], row.value.unwrap())).collect();
    assert!(cones.iter().all(|(variant, cone)| if *variant == "raw" { *cone > 0.9 } else { cone.abs() < 0.05 }));
}

#[test]
fn unrelated_sentences_are_at_chance() {
    let params = RetrievalParams { bootstrap: 0, ..RetrievalParams::default() };
    let found = measure(&two(gaussian(400, 64, 1), gaussian(400, 64, 2)), &params);
    for variant in ["raw/cosine", "language/csls"] {
        // 400 hits with 1 / 400: 1 expected, fewer than 7 with odds of 1e-4.
        assert!(value(&found, "recall_from_pivot", variant, "1") < 7.0 / 400.0);
        assert!((value(&found, "recall_to_pivot", variant, "10") - 0.025).abs() < 0.03);
        // Ranks are uniform: standard deviation 400 / sqrt(12) / 20 = 5.8 of the mean.
        assert!((value(&found, "mean_rank_from_pivot", variant, "") - 200.5).abs() < 24.0);
        let mrr = row(&found, "mrr_to_pivot", variant, "");
        assert!((mrr.value.unwrap() - mrr.chance.unwrap()).abs() < 0.02);
    }
    let gap = row(&found, "pair_cosine_gap", "raw", "");
    assert!(gap.shuffled.unwrap().p > 0.01 && gap.value.unwrap().abs() < 0.02);
}

#[test]
fn related_sentences_are_beyond_the_null() {
    let shared = gaussian(60, 32, 1);
    let states = two(&shared + &gaussian(60, 32, 2), &shared + &gaussian(60, 32, 3));
    let found = measure(&states, &RetrievalParams::default());
    for metric in ["mexa", "pair_cosine", "pair_cosine_gap"] {
        let rows = found.metric(metric).filter(|row| row.layer.is_some());
        assert!(rows.into_iter().all(|row| row.shuffled.is_some_and(|null| null.p < 0.01)), "{metric}");
    }
    let mexa = row(&found, "mexa", "raw/cosine", "");
    let (low, high) = (mexa.low.unwrap(), mexa.high.unwrap());
    assert!(
        low < mexa.value.unwrap() && mexa.value.unwrap() < high && mexa.shuffled.unwrap().calibrated.unwrap() > 0.3
    );
    assert!(value(&found, "pair_cosine_z", "raw", "") > 2.0);
}

/// 9.7: shared tokens only, the same template, a rotation, a line that comes twice.
#[test]
fn cases_of_the_acceptance_matrix() {
    let mexa = |english: &Array2<f32>, german: &Array2<f32>, centring: &str| {
        value(&measure(&two(english.clone(), german.clone()), &quick()), "mexa", &format!("{centring}/cosine"), "")
    };
    let (english, mut overlap) = (gaussian(200, 64, 1), gaussian(200, 64, 2));
    overlap.slice_mut(s![..60, ..]).assign(&english.slice(s![..60, ..]));
    for centring in ["raw", "language"] {
        let found = mexa(&english, &overlap, centring);
        assert!((found - 0.3).abs() <= 0.02, "overlap of 60 in 200: {found}");
    }
    let template = gaussian(1, 64, 5) * 4.0;
    for centring in ["raw", "language"] {
        assert!(mexa(&(&english + &template.row(0)), &(gaussian(200, 64, 3) + template.row(0)), centring) < 0.03);
    }
    assert!(mexa(&english, &english.dot(&rotation(64)), "raw") < 0.03);
    let mut twice = english.clone();
    let first = twice.row(0).to_owned();
    twice.row_mut(1).assign(&first);
    let found = measure(&two(twice.clone(), twice), &quick());
    assert_eq!(value(&found, "mexa", "raw/cosine", ""), 0.99);
    assert!(found.notes.iter().any(|note| note.contains("2 at layer 0")));
}
