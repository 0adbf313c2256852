//! What must hold whatever the numbers are.

use ndarray::{Array2, Axis, array};
use proptest::prelude::*;

use super::{EVERY, RetrievalParams, gaussian, measure, quick, rotation, row, two, value};
use crate::{
    align::{Centring, LanguageStates, Outcome, pair_outcomes},
    bootstrap::Draws,
    measure::Measured,
    null::Permutations,
    retrieval::{
        Similarity,
        over_layers::{Counted, METRICS},
        pair::Found,
        pair_cosines::PairCosines,
        prepared::{Correction, Prepared},
        products::bases,
        rows::Context,
    },
};

/// English, and German that shares half of it.
fn related(n: usize, width: usize) -> [Array2<f32>; 2] {
    let shared = gaussian(n, width, 1);
    [&shared + &gaussian(n, width, 2), &shared + &(gaussian(n, width, 3) * 2.0)]
}

fn values<'a>(measured: &'a Measured, keep: impl Fn(&str) -> bool + 'a) -> Vec<(String, Option<f64>)> {
    let rows = measured.rows.iter().filter(|row| keep(&row.variant));
    rows.map(|row| (format!("{} {} {}", row.metric, row.variant, row.item), row.value)).collect()
}

fn assert_near(got: &[(String, Option<f64>)], expected: &[(String, Option<f64>)], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert_eq!(g.0, e.0);
        assert!((g.1.unwrap() - e.1.unwrap()).abs() <= tolerance, "{g:?} {e:?}");
    }
}

#[test]
fn a_rotation_of_both_changes_nothing() {
    let [english, german] = related(40, 12);
    let q = rotation(12);
    let plain = measure(&two(english.clone(), german.clone()), &quick());
    let turned = measure(&two(english.dot(&q), german.dot(&q)), &quick());
    assert_near(&values(&turned, |_| true), &values(&plain, |_| true), 2e-5);
}

#[test]
fn lengths_change_nothing_of_the_cosine() {
    let [english, german] = related(40, 12);
    let plain = measure(&two(english.clone(), german.clone()), &quick());
    let mut longer = german;
    for (i, mut state) in longer.outer_iter_mut().enumerate() {
        state.mapv_inplace(|x| x * 2f32.powi(i as i32 % 5));
    }
    let longer = measure(&two(english, longer), &quick());
    let of_cosines = |variant: &str| ["raw", "raw/cosine", "raw/csls", "raw/ratio", "raw/distance"].contains(&variant);
    assert_near(&values(&longer, of_cosines), &values(&plain, of_cosines), 1e-12);
    assert_ne!(
        value(&longer, "mean_rank_from_pivot", "raw/dot", ""),
        value(&plain, "mean_rank_from_pivot", "raw/dot", "")
    );
}

/// methods.md 9.7, duplicate: a language that is the pivot.
#[test]
fn a_language_finds_itself() {
    let english = gaussian(40, 12, 1);
    let found = measure(&two(english.clone(), english), &quick());
    for variant in EVERY.iter().filter(|s| **s != Similarity::Dot).map(|s| format!("raw/{}", s.name())) {
        for (metric, item) in
            [("mexa", ""), ("recall_to_pivot", "1"), ("mrr_from_pivot", ""), ("mean_rank_to_pivot", "")]
        {
            assert_eq!(value(&found, metric, &variant, item), 1.0, "{metric} {variant}");
        }
    }
    assert_eq!(value(&found, "xsim_error", "raw/ratio", "from_pivot"), 0.0);
    assert_eq!(value(&found, "bitext_f1", "raw/euclid", "to_pivot"), 1.0);
    assert!((value(&found, "pair_cosine", "raw", "") - 1.0).abs() < 1e-6);
}

#[test]
fn exchanging_the_sides_exchanges_the_directions() {
    let [english, german] = related(40, 12);
    let both = measure(&two(english, german), &RetrievalParams { pivots: Vec::new(), shuffles: 19, ..quick() });
    let swap = |name: &str| match name.strip_suffix("from_pivot") {
        Some(name) => format!("{name}to_pivot"),
        None => name.replace("to_pivot", "from_pivot"),
    };
    let pairs = both.rows.iter().filter(|row| !row.pivot.is_empty() && row.layer.is_some());
    for row in pairs {
        let twin = both.rows.iter().find(|other| {
            let same = (&other.language, &other.pivot) == (&row.pivot, &row.language);
            same && other.metric == swap(&row.metric) && other.item == swap(&row.item) && other.variant == row.variant
        });
        let twin = twin.unwrap_or_else(|| panic!("no twin of {row:?}"));
        // Rows and columns are added up in another order.
        assert!((twin.value.unwrap() - row.value.unwrap()).abs() < 1e-12, "{row:?} {twin:?}");
        assert_eq!(twin.chance, row.chance);
    }
}

/// methods.md 1.5, to the bit, as doubling is exact.
#[test]
fn csls_is_twice_the_distance_margin() {
    let [english, german] = related(40, 12);
    let params = RetrievalParams { neighbours: 6, margin_neighbours: 6, ..quick() };
    let found = measure(&two(english, german), &params);
    let of = |name: &str| {
        let rows = found.rows.iter().filter(|row| row.variant.ends_with(name) && row.metric != "xsim_error");
        rows.map(|row| (row.metric.clone(), row.item.clone(), row.value)).collect::<Vec<_>>()
    };
    assert_eq!(of("/csls"), of("/distance"));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let [english, german] = related(300, 40);
    let spanish = &english + &gaussian(300, 40, 5);
    let names = ["eng_Latn", "deu_Latn", "spa_Latn"].map(String::from).to_vec();
    let states = LanguageStates::new(names, vec![0], vec![vec![english], vec![german], vec![spanish]]).unwrap();
    let params = RetrievalParams { pivots: Vec::new(), bootstrap: 100, shuffles: 19, ..quick() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measure(&states, &params))
    };
    let (mut one, mut four) = (with(1), with(4));
    let order = |row: &crate::measure::Row| format!("{row:?}");
    one.rows.sort_by_key(order);
    four.rows.sort_by_key(order);
    assert!(one == four);
}

/// A draw must say what measuring the sentences in its order would say.
#[test]
fn a_draw_is_the_measure_of_shuffled_sentences() {
    let [english, german] = related(30, 12);
    let params = RetrievalParams { shuffles: 19, bootstrap: 0, ..quick() };
    let shuffled = Permutations::new(30, 19, 7).unwrap();
    let found = |german: Array2<f32>| {
        let source = two(english.clone(), german);
        let correction = Correction::fit(&source, 0, Centring::Raw, &params).unwrap();
        let [left, right] = [0, 1].map(|language| Prepared::new(&source, language, 0, &correction).unwrap());
        let draws = Draws::new(30, 0, 0).unwrap();
        let context = Context { source: &source, params: &params, seed: 7, draws, shuffled: shuffled.clone() };
        Found::new(&context, &bases(&params.similarities), &left, &right)
    };
    let straight = found(german.clone());
    let (cosines, _) = PairCosines::new(straight.cosines()).drawn(straight.cosines(), &shuffled);
    for (b, cosine) in cosines.into_iter().enumerate() {
        let order: Vec<usize> = shuffled.draw(b).iter().map(|j| *j as usize).collect();
        let again = found(german.select(Axis(0), &order));
        assert!((PairCosines::new(again.cosines()).values().0 - cosine).abs() < 1e-9);
        for ((similarity, sides), (_, others)) in straight.retrieved.iter().zip(&again.retrieved) {
            let (Ok(sides), Ok(others)) = (sides, others) else { panic!("{similarity:?} is undefined") };
            for metric in METRICS {
                let drawn = Counted::new(metric, sides, &shuffled, None).drawn[0][b];
                let hits = Counted::new(metric, others, &shuffled, None).hits;
                assert_eq!(drawn as usize, hits.iter().filter(|hit| **hit).count(), "{similarity:?} {metric:?}");
            }
        }
    }
}

#[test]
fn a_maximum_over_layers_is_compared_with_maxima() {
    let layer = |seed: u64| (0..6).map(|l| gaussian(50, 8, seed + l)).collect::<Vec<_>>();
    let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
    let states = LanguageStates::new(languages, (0..6).collect(), vec![layer(100), layer(200)]).unwrap();
    let params = RetrievalParams { similarities: vec![Similarity::Cosine], ..RetrievalParams::default() };
    let found = measure(&states, &params);
    let null = |row: &crate::measure::Row| row.shuffled.unwrap();
    let max = found.metric("recall_from_pivot_max").find(|row| row.variant == "raw/cosine").unwrap();
    let layers: Vec<_> =
        found.metric("recall_from_pivot").filter(|row| row.variant == "raw/cosine" && row.item == "1").collect();
    let best = layers.iter().map(|row| row.value.unwrap()).fold(0.0, f64::max);
    assert_eq!(max.value, Some(best));
    let first = layers.iter().find(|row| row.value == Some(best)).unwrap();
    assert_eq!(max.item, first.layer.unwrap().to_string());
    assert!(layers.iter().all(|row| null(max).mean > null(row).mean + 0.01), "{:?}", null(max));
    assert!(null(max).p > 0.02 && max.low.is_none());
    let mean = row(&found, "recall_from_pivot_mean", "raw/cosine", "1");
    let average = layers.iter().map(|row| row.value.unwrap()).sum::<f64>() / 6.0;
    assert!((mean.value.unwrap() - average).abs() < 1e-12);
}

/// Long and short sentences have a template each and nothing else in common: more than chance, but no more than length says.
#[test]
fn a_matched_null_asks_for_more_than_length() {
    let template = gaussian(2, 24, 5) * 2.0;
    let side = |seed: u64| {
        let mut state = gaussian(60, 24, seed);
        state.outer_iter_mut().enumerate().for_each(|(i, mut row)| row += &template.row(i % 2));
        state
    };
    let tokens: Vec<Vec<u32>> = (0..60).map(|i| vec![7; if i % 2 == 0 { 3 } else { 9 }]).collect();
    let states = two(side(1), side(2)).with_tokens(vec![tokens.clone(), tokens]).unwrap();
    let found = measure(&states, &RetrievalParams::default());
    for metric in ["pair_cosine", "pair_cosine_gap"] {
        let row = row(&found, metric, "raw", "");
        let (all, matched) = (row.shuffled.unwrap(), row.matched.unwrap());
        assert!(all.p < 0.01 && matched.p > 0.05, "{all:?} {matched:?}");
    }
    assert!(row(&found, "mexa_max", "raw/csls", "0").matched.is_some());
    assert!(!found.notes.iter().any(|note| note.contains("no matched null")));
}

/// Small whole numbers make ties and zero states likely.
fn states() -> impl Strategy<Value = [Array2<f32>; 2]> {
    (5usize..16, 1usize..6).prop_flat_map(|(n, width)| {
        let side = prop::collection::vec((-2i8..=2).prop_map(f32::from), n * width);
        let side = side.prop_map(move |values| Array2::from_shape_vec((n, width), values).unwrap());
        (side.clone(), side).prop_map(|(a, b)| [a, b])
    })
}

proptest! {
    /// The other way to MEXA, which never holds all similarities, says the same.
    #[test]
    fn cosine_retrieval_is_that_of_alignment([english, german] in states(), centred in any::<bool>()) {
        let centring = if centred { Centring::Language } else { Centring::Raw };
        let expected = pair_outcomes(english.view(), german.view(), centring).unwrap();
        let params = RetrievalParams { ks: vec![1], neighbours: 2, margin_neighbours: 2, ..quick() };
        let found = measure(&two(english, german), &params);
        let share = |hit: fn(&Outcome) -> bool| expected.iter().filter(|o| hit(o)).count() as f64 / expected.len() as f64;
        let variant = format!("{}/cosine", centring.name());
        prop_assert_eq!(value(&found, "mexa", &variant, ""), share(Outcome::hit));
        if !found.notes.iter().any(|note| note.contains("no direction")) {
            prop_assert_eq!(value(&found, "recall_from_pivot", &variant, "1"), share(Outcome::found_from_pivot));
            prop_assert_eq!(value(&found, "recall_to_pivot", &variant, "1"), share(Outcome::found_to_pivot));
        }
    }
}

#[test]
fn every_correction_can_be_asked_for() {
    let english = gaussian(40, 12, 1);
    let german = &english + &(gaussian(40, 12, 2) * 0.3);
    let found = measure(&two(english, german), &RetrievalParams { centrings: Centring::ALL.to_vec(), ..quick() });
    for centring in Centring::ALL {
        assert!(value(&found, "mexa", &format!("{}/cosine", centring.name()), "") > 0.7, "{centring:?}");
    }
    let toy = array![[1f32, 2., 0.], [0., 1., 3.], [2., 2., 1.], [1., 0., 1.], [0., 0., 1.], [3., 1., 1.]];
    let params = RetrievalParams { row_centred: true, ks: vec![1], neighbours: 2, margin_neighbours: 2, ..quick() };
    // A constant added to all features of a sentence is what row centring takes away.
    let mut moved = toy.clone();
    moved.outer_iter_mut().enumerate().for_each(|(i, mut row)| row += i as f32);
    assert_eq!(value(&measure(&two(toy, moved), &params), "mexa", "raw/cosine", ""), 1.0);
}
