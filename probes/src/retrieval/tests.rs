//! Toy values of methods.md, refusals, and what the tests of laws and planted geometry share.

mod laws;
mod planted;

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, CowArray, Ix2, array};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{RetrievalParams, Similarity, retrieval};
use crate::{
    Result,
    align::{Centring, LanguageStates},
    measure::{Measured, Row},
    source::StateSource,
};

const EVERY: [Similarity; 6] = [
    Similarity::Cosine,
    Similarity::Dot,
    Similarity::Euclid,
    Similarity::Csls,
    Similarity::Ratio,
    Similarity::Distance,
];

fn gaussian(n: usize, width: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, width), || {
        let (u, v): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    })
}

/// Random orthogonal matrix: Gram-Schmidt on Gaussian rows.
fn rotation(width: usize) -> Array2<f32> {
    let mut q = gaussian(width, width, 9);
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

/// English and German at one layer.
fn two(english: Array2<f32>, german: Array2<f32>) -> LanguageStates {
    LanguageStates::new(vec!["eng_Latn".into(), "deu_Latn".into()], vec![0], vec![vec![english], vec![german]]).unwrap()
}

/// Every similarity, without draws.
fn quick() -> RetrievalParams {
    RetrievalParams { similarities: EVERY.to_vec(), bootstrap: 0, shuffles: 0, ..RetrievalParams::default() }
}

fn measure(source: &dyn StateSource, params: &RetrievalParams) -> Measured {
    retrieval(source, params, 1, &Monitor::silent()).unwrap()
}

fn row<'a>(measured: &'a Measured, metric: &str, variant: &str, item: &str) -> &'a Row {
    let fits = |row: &&Row| row.metric == metric && row.variant == variant && row.item == item;
    measured.rows.iter().find(fits).unwrap_or_else(|| panic!("no {metric} {variant} {item}"))
}

fn value(measured: &Measured, metric: &str, variant: &str, item: &str) -> f64 {
    row(measured, metric, variant, item).value.unwrap()
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-6, "got {got}, expected {expected}");
}

fn toy() -> LanguageStates {
    let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
    let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
    two(english, german)
}

/// methods.md 1.1 and 1.5. CSLS answers 1, 2, 3, 2: sentence 4 loses forth, as by cosine.
#[test]
fn toy_values() {
    let params = RetrievalParams { ks: vec![1, 2, 3], neighbours: 2, margin_neighbours: 2, ..quick() };
    let found = measure(&toy(), &params);
    for similarity in ["cosine", "csls", "ratio", "distance"] {
        let variant = format!("raw/{similarity}");
        near(value(&found, "mexa", &variant, ""), 0.75);
        near(value(&found, "recall_from_pivot", &variant, "1"), 0.75);
    }
    near(value(&found, "recall_to_pivot", "raw/cosine", "1"), 1.0);
    // Row 4 is 0.74, 0.83, 0.22, 0.73: rank 3.
    near(value(&found, "recall_from_pivot", "raw/cosine", "2"), 0.75);
    near(value(&found, "recall_from_pivot", "raw/cosine", "3"), 1.0);
    near(value(&found, "mrr_from_pivot", "raw/cosine", ""), (3.0 + 1.0 / 3.0) / 4.0);
    near(value(&found, "mean_rank_from_pivot", "raw/cosine", ""), 1.5);
    near(value(&found, "xsim_error", "raw/ratio", "from_pivot"), 0.25);
    near(value(&found, "xsim_error", "raw/cosine", "to_pivot"), 0.0);
    // Chance: 1 / 7, 1 / 4, (1 + 1/2 + 1/3 + 1/4) / 4, 2.5.
    let chance = |metric, item| row(&found, metric, "raw/cosine", item).chance.unwrap();
    near(chance("mexa", ""), 1.0 / 7.0);
    near(chance("recall_to_pivot", "3"), 0.75);
    near(chance("mrr_to_pivot", ""), 25.0 / 48.0);
    near(chance("mean_rank_to_pivot", ""), 2.5);
}

/// The means, ratios and CSLS of methods.md 1.5, k = 2.
#[test]
fn toy_values_of_the_margins() {
    use super::{
        neighbours::Neighbours,
        prepared::{Correction, Prepared},
        products::{Base, products},
        search::{Margin, Scores, Side},
    };
    let states = toy();
    let correction = Correction::fit(&states, 0, Centring::Raw, &quick()).unwrap();
    let [english, german] = [0, 1].map(|language| Prepared::new(&states, language, 0, &correction).unwrap());
    let all = products(&english, &german, &[Base::Cosine]);
    let cosines = all.index_axis(ndarray::Axis(0), 0);
    let means = [Neighbours::new(cosines, 2).means(2), Neighbours::new(cosines.t(), 2).means(2)];
    let all_near = |got: &[f64], expected: [f64; 4]| got.iter().zip(expected).for_each(|(g, e)| near(*g, e));
    all_near(&means[0], [0.784278, 0.715871, 0.816223, 0.784807]);
    all_near(&means[1], [0.870144, 0.901989, 0.632456, 0.704502]);
    let diagonal = |margin| {
        let scores = Scores { similarities: cosines, margin, means: [&means[0], &means[1]] };
        (0..4).map(|i| scores.at(i, i)).collect::<Vec<_>>()
    };
    all_near(&diagonal(Margin::Ratio), [1.207373, 1.206408, 1.309722, 0.973929]);
    all_near(&diagonal(Margin::Csls), [0.343083, 0.333940, 0.448688, -0.038828]);
    let csls = Scores { similarities: cosines, margin: Margin::Csls, means: [&means[0], &means[1]] };
    let side = Side::new(&csls, [&[false; 4]; 2]);
    assert_eq!(side.answers, [0, 1, 2, 1]);
    // Sentence 2 is answered once wrongly: F1 1, 2/3, 1, 0.
    side.f1().iter().zip([1.0, 2.0 / 3.0, 1.0, 0.0]).for_each(|(got, expected)| near(*got, expected));
}

/// A source without the checks of [`LanguageStates`].
struct Loose(Vec<String>, Vec<Array2<f32>>);

impl StateSource for Loose {
    fn languages(&self) -> &[String] {
        &self.0
    }
    fn layers(&self) -> &[usize] {
        &[7]
    }
    fn sentences(&self) -> usize {
        self.1[0].nrows()
    }
    fn state(&self, language: usize, _layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.1[language].view().into())
    }
}

fn why(source: &dyn StateSource, params: &RetrievalParams) -> String {
    retrieval(source, params, 1, &Monitor::silent()).unwrap_err().to_string()
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let of = |n: usize| two(gaussian(n, 5, 1), gaussian(n, 5, 2));
    assert!(why(&of(3), &quick()).contains("at least 4 sentences are needed, got 3"));
    assert!(why(&of(6), &quick()).contains("recall@10 of 6 sentences is always 1; use a k of at most 5"));
    let small = RetrievalParams { ks: vec![1], ..quick() };
    assert!(why(&of(11), &small).contains("`neighbours` = 10 takes nearly all of 11 sentences"));
    let small = RetrievalParams { neighbours: 2, ..small };
    assert!(why(&of(5), &small).contains("`margin_neighbours` = 4") && why(&of(5), &small).contains("at most 3"));
    let one = Loose(vec!["eng_Latn".into()], vec![gaussian(20, 5, 1)]);
    assert!(why(&one, &quick()).contains("at least 2 languages are needed, got 1"));
    let mut broken = gaussian(20, 5, 2);
    broken[[3, 1]] = f32::NAN;
    let broken = Loose(vec!["eng_Latn".into(), "deu_Latn".into()], vec![gaussian(20, 5, 1), broken]);
    assert!(why(&broken, &quick()).contains("the state of sentence 4 of deu_Latn at layer 7 is not finite"));
    let unknown = RetrievalParams { pivots: vec!["fra_Latn".into()], ..quick() };
    assert!(why(&of(20), &unknown).contains("fra_Latn is not among the languages: eng_Latn, deu_Latn"));
    let twice = RetrievalParams { pivots: vec!["eng_Latn".into(); 2], ..quick() };
    assert!(why(&of(20), &twice).contains("named twice"));
}

#[test]
fn bad_parameters_are_refused_with_a_sentence() {
    for (params, part) in [
        (RetrievalParams { centrings: vec![], ..quick() }, "no centring"),
        (RetrievalParams { similarities: vec![], ..quick() }, "no similarity"),
        (RetrievalParams { ks: vec![], ..quick() }, "one or more k"),
        (RetrievalParams { ks: vec![1, 1], ..quick() }, "asked for twice"),
        (RetrievalParams { neighbours: 0, ..quick() }, "must be at least 1"),
        (RetrievalParams { bootstrap: 50, ..quick() }, "50 bootstrap draws are too few"),
        (RetrievalParams { shuffles: 5, ..quick() }, "5 shuffles"),
    ] {
        assert!(why(&toy(), &params).contains(part), "{part}");
    }
}

#[test]
fn duplicates_and_states_without_direction_are_noted_and_never_count() {
    let mut german = gaussian(20, 8, 2);
    german.row_mut(4).fill(0.0);
    let row = german.row(7).to_owned();
    german.row_mut(9).assign(&row);
    let found = measure(&two(german.clone(), german), &quick());
    // 17 of 20: not 4, 7, 9. Distance knows the zero state: 18.
    for side in ["recall_from_pivot", "recall_to_pivot"] {
        near(value(&found, side, "raw/cosine", "1"), 0.85);
        near(value(&found, side, "raw/csls", "1"), 0.85);
        near(value(&found, side, "raw/euclid", "1"), 0.9);
    }
    near(value(&found, "xsim_error", "raw/distance", "from_pivot"), 0.15);
    let notes = found.notes.join("\n");
    assert!(notes.contains("deu_Latn: of 20 sentences some share their state"), "{notes}");
    assert!(
        notes.contains("2 at layer 0") && notes.contains("have no direction") && notes.contains("1 at layer 0"),
        "{notes}"
    );
}

#[test]
fn a_ratio_of_negative_means_has_no_value_but_a_reason() {
    let english = gaussian(20, 8, 2).mapv(|x| x.abs() + 0.1);
    let german = english.mapv(|x| -x);
    let found = measure(&two(english, german), &quick());
    for (metric, item) in [("mexa", ""), ("recall_to_pivot", "5"), ("mrr_from_pivot", ""), ("xsim_error", "to_pivot")] {
        let row = row(&found, metric, "raw/ratio", item);
        assert!(row.value.is_none() && row.status.contains("use the distance margin"), "{row:?}");
    }
    assert!(row(&found, "mexa_mean", "raw/ratio", "").status.contains("without a value at layer 0"));
    assert!(row(&found, "mexa", "raw/distance", "").value.is_some());
}

#[test]
fn every_row_has_a_name_a_variant_and_a_value_or_a_reason() {
    let params =
        RetrievalParams { similarities: EVERY.to_vec(), bootstrap: 100, shuffles: 19, ..RetrievalParams::default() };
    let found = measure(&two(gaussian(20, 8, 1), gaussian(20, 8, 2)), &params);
    for row in &found.rows {
        assert!(
            ["raw", "language"].iter().any(|c| row.variant.starts_with(c)) && row.language == "deu_Latn"
                || row.metric == "anisotropy"
        );
        assert!(row.value.is_some() || row.status.len() > 20, "{row:?}");
        assert_eq!(row.n, 20);
        assert!(row.low.zip(row.high).is_none_or(|(low, high)| low <= high));
    }
    // Two centrings: 6 similarities of 11 rows and 6 over layers; 6 of xSIM, 2 F1, 3 cosines, 6 of hubs, 2 of anisotropy.
    assert_eq!(found.rows.len(), 2 * (6 * (11 + 6) + 6 + 2 + 3 + 6 + 2));
    assert!(found.notes.iter().any(|note| note.contains("no matched null")));
}
