//! Laws of the maps on planted states.

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, CowArray, Ix2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{MapMethod, MapParams, MapReport, map};
use crate::{
    Result,
    align::{Centring, LanguageStates},
    source::StateSource,
};

fn noise(rng: &mut ChaCha8Rng, n: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, width), |_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0)
}

fn named(states: Vec<Vec<Array2<f32>>>) -> LanguageStates {
    let codes = ["eng_Latn", "deu_Latn", "rus_Cyrl"];
    let languages = codes[..states.len()].iter().map(|code| (*code).to_owned()).collect();
    let layers = (0..states[0].len()).collect();
    LanguageStates::new(languages, layers, states).unwrap()
}

/// Shared sentences far apart, languages much farther, in 6 dimensions; two layers, the second turned by a swap of axes.
fn planted() -> LanguageStates {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let content = noise(&mut rng, 24, 6);
    let states = (0..3).map(|l| {
        let mut first = &content * 3.0 + noise(&mut rng, 24, 6) * 0.15;
        first.column_mut(l).mapv_inplace(|x| x + 60.0);
        let second = first.select(ndarray::Axis(1), &[3, 5, 1, 0, 2, 4]) * -1.0;
        vec![first, second]
    });
    named(states.collect())
}

fn params() -> MapParams {
    MapParams { perplexity: 8.0, iterations: 400, ..MapParams::default() }
}

fn drawn(source: &dyn StateSource, params: &MapParams) -> MapReport {
    map(source, params, 3, &Monitor::silent()).unwrap()
}

#[test]
fn raw_maps_lay_languages_together_and_centred_ones_translations() {
    let report = drawn(&planted(), &MapParams { iterations: 1000, ..params() });
    assert_eq!(report.maps.len(), 8);
    assert_eq!((report.neighbours, report.sentences.len()), (10, 24));
    for found in &report.maps {
        let (language, meaning) = (found.language_neighbours.unwrap(), found.meaning_neighbours.unwrap());
        match found.centring {
            Centring::Raw => assert!(language > 0.99, "{:?} {language}", found.method),
            // Two of ten neighbours can be translations.
            Centring::Language if found.method == MapMethod::Tsne => assert!(meaning > 0.15, "{meaning}"),
            _ => assert!(meaning > 0.08 && language < 0.5, "{meaning} {language}"),
        }
        assert!(found.trustworthiness.unwrap() > 0.8, "{:?} {:?}", found.method, found.trustworthiness);
        let (first, second) = found.explained.unwrap();
        assert!(first >= second && second > 0.0 && first + second <= 1.0);
    }
}

#[test]
fn a_turned_layer_gives_the_same_map() {
    let report = drawn(&planted(), &MapParams { methods: vec![MapMethod::Pca], ..params() });
    for centring in [Centring::Raw, Centring::Language] {
        let [first, second] = [0, 1].map(|layer| report.at(layer, MapMethod::Pca, centring).unwrap());
        let pairs = first.points.iter().flatten().zip(second.points.iter().flatten());
        let worst = pairs.map(|(a, b)| (a.0 - b.0).abs().max((a.1 - b.1).abs())).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{centring:?}: {worst}");
    }
}

#[test]
fn every_map_has_mean_squared_radius_one() {
    for found in drawn(&planted(), &params()).maps {
        let points: Vec<_> = found.points.iter().flatten().collect();
        let square = points.iter().map(|p| f64::from(p.0).powi(2) + f64::from(p.1).powi(2)).sum::<f64>();
        assert!((square / points.len() as f64 - 1.0).abs() < 1e-4);
    }
}

/// The same states, read as if from a store.
struct Slow(LanguageStates);

impl StateSource for Slow {
    fn languages(&self) -> &[String] {
        self.0.languages()
    }

    fn layers(&self) -> &[usize] {
        self.0.layers()
    }

    fn sentences(&self) -> usize {
        self.0.sentences()
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.0.state(language, layer)?.into_owned().into())
    }
}

#[test]
fn threads_and_the_kind_of_source_change_no_bit_and_the_seed_only_t_sne() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let first = pool(1).install(|| drawn(&planted(), &params()));
    assert_eq!(first, pool(4).install(|| drawn(&planted(), &params())));
    assert_eq!(first, drawn(&Slow(planted()), &params()));
    let other = map(&planted(), &params(), 4, &Monitor::silent()).unwrap();
    for (a, b) in first.maps.iter().zip(&other.maps) {
        assert_eq!(a.points == b.points, a.method == MapMethod::Pca);
    }
}

#[test]
fn a_layer_without_any_difference_has_no_map_and_says_so() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let equal = Array2::from_elem((10, 4), 0.1f32);
    let states = (0..2).map(|_| vec![equal.clone(), noise(&mut rng, 10, 4)]).collect();
    let pca = MapParams { methods: vec![MapMethod::Pca], ..params() };
    let report = drawn(&named(states), &pca);
    let [empty, full] = [0, 1].map(|layer| report.at(layer, MapMethod::Pca, Centring::Raw).unwrap());
    assert!(
        empty.points.is_empty() && empty.trustworthiness.is_none() && empty.status.contains("all states are equal")
    );
    assert_eq!((full.points.len(), full.status.as_str()), (2, "ok"));
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_reason() {
    let why = |source: &dyn StateSource, params: &MapParams| {
        map(source, params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let source = planted();
    let wide = MapParams { perplexity: 30.0, ..params() };
    let found = why(&source, &wide);
    assert!(
        found.contains("needs at least 91 points, and there are 72 points (3 languages, 24 sentences each)"),
        "{found}"
    );
    assert!(found.contains("at most 23"), "{found}");
    let one = MapParams { languages: vec!["deu_Latn".into()], max_sentences: 1, ..params() };
    assert!(why(&source, &one).contains("1 points (1 languages, 1 sentences each) are no map"));
    let unknown = MapParams { languages: vec!["fra_Latn".into()], ..params() };
    assert!(why(&source, &unknown).contains("fra_Latn is not among the languages"));
    let equal = named(vec![vec![Array2::from_elem((10, 4), 0.1f32)]; 2]);
    assert!(why(&equal, &MapParams { perplexity: 2.0, ..params() }).contains("all 20 states are equal at every layer"));
    assert!(why(&source, &MapParams { methods: vec![], ..params() }).contains("needs a method"));
    assert!(why(&source, &MapParams { perplexity: 0.0, ..params() }).contains("perplexity is 0"));
    assert!(why(&source, &MapParams { iterations: 1, ..params() }).contains("1 steps"));
    assert!(why(&source, &MapParams { methods: vec![MapMethod::Pca; 2], ..params() }).contains("twice"));
}

#[test]
fn a_report_survives_being_written() {
    let report = drawn(&planted(), &MapParams { max_sentences: 10, methods: vec![MapMethod::Pca], ..params() });
    let text = serde_json::to_string(&report).unwrap();
    let read: MapReport = serde_json::from_str(&text).unwrap();
    let points = |report: &MapReport| report.maps.iter().map(|map| map.points.clone()).collect::<Vec<_>>();
    assert_eq!((points(&read), &read.languages, &read.notes), (points(&report), &report.languages, &report.notes));
    assert!(report.notes.iter().any(|note| note.contains("first 10 of 24 sentences")));
}
