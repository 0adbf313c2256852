//! Laws of the whole: streams and memory agree, nulls are calibrated, what cannot be measured is refused.

use std::sync::Mutex;

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, CowArray, Ix2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{AlignParams, AlignReport, Centring, LanguageStates, Ties, align, align_source};
use crate::{Error, Result, measure::Row, source::StateSource};

/// Noise around shared concepts plus an offset of each language; at layer 0 nothing is shared.
fn state(language: usize, layer: usize, n: usize, width: usize) -> Array2<f32> {
    let noise = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, width), |_| rng.random_range(-1f32..1.0))
    };
    let own = noise((1 + language * 100 + layer) as u64);
    let offset = Array2::from_shape_fn((1, width), |(_, k)| ((language * 7 + k * 3) % 5) as f32 * 0.2);
    if layer == 0 { own } else { noise(9999) * (0.2 * layer as f32) + own * 0.5 + offset }
}

struct Stream {
    languages: Vec<String>,
    layers: Vec<usize>,
    n: usize,
    width: usize,
    tokens: Option<Vec<Vec<u32>>>,
    /// States that are out at once now and at most.
    read: Mutex<Vec<(usize, usize)>>,
}

impl StateSource for Stream {
    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn layers(&self) -> &[usize] {
        &self.layers
    }

    fn sentences(&self) -> usize {
        self.n
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        self.read.lock().unwrap().push((language, layer));
        Ok(state(language, self.layers[layer], self.n, self.width).into())
    }

    fn tokens(&self, _language: usize) -> Option<&[Vec<u32>]> {
        self.tokens.as_deref()
    }
}

fn stream(languages: usize, n: usize) -> Stream {
    let names = ["eng_Latn", "deu_Latn", "hin_Deva", "zho_Hans", "swh_Latn"];
    Stream {
        languages: names[..languages].iter().map(|l| (*l).to_owned()).collect(),
        layers: vec![0, 1, 3],
        n,
        width: 12,
        tokens: None,
        read: Mutex::default(),
    }
}

fn memory(stream: &Stream) -> LanguageStates {
    let of = |language| stream.layers.iter().map(|layer| state(language, *layer, stream.n, stream.width)).collect();
    let states = (0..stream.languages.len()).map(of).collect();
    LanguageStates::new(stream.languages.clone(), stream.layers.clone(), states).unwrap()
}

fn run(source: &dyn StateSource, params: &AlignParams) -> AlignReport {
    align_source(source, params, &Monitor::silent()).unwrap()
}

fn one_pivot() -> AlignParams {
    AlignParams { pivots: vec!["eng_Latn".into()], bootstrap: 100, ..AlignParams::default() }
}

#[test]
fn a_stream_and_memory_give_the_same_bits_and_each_state_is_read_once() {
    for pivots in [vec!["deu_Latn".to_owned()], vec![], vec!["hin_Deva".into(), "eng_Latn".into()]] {
        let params = AlignParams { pivots, bootstrap: 100, ..AlignParams::default() };
        let source = stream(4, 40);
        let streamed = run(&source, &params);
        let mut read = source.read.lock().unwrap().clone();
        read.sort_unstable();
        let once: Vec<(usize, usize)> = (0..4).flat_map(|l| (0..3).map(move |at| (l, at))).collect();
        assert_eq!(read, once);
        assert_eq!(streamed, align(&memory(&source), &params, &Monitor::silent()).unwrap());
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(streamed, alone.install(|| run(&source, &params)));
    }
}

#[test]
fn rows_say_what_the_cells_say() {
    let source = stream(3, 60);
    let report = run(&source, &one_pivot());
    for cell in &report.cells {
        let value = |metric: &str| {
            report.measured.value(metric, &cell.language, &cell.pivot, Some(cell.layer), cell.centring.name())
        };
        assert_eq!(value("mexa"), Some(cell.mexa.value));
        assert_eq!(value("recall_from_pivot"), Some(cell.recall_from_pivot.value));
        assert_eq!(value("recall_to_pivot"), Some(cell.recall_to_pivot.value));
        let at_n = |m: &str| {
            let fits = |row: &&Row| {
                row.language == cell.language && row.layer == Some(cell.layer) && row.variant == cell.centring.name()
            };
            report.measured.metric("mexa_at_n").filter(fits).find(|row| row.item == m).unwrap()
        };
        assert_eq!((at_n("60").value, at_n("60").n), (Some(cell.mexa.value), 60));
        assert_eq!((at_n("25").chance, at_n("50").n), (Some(1.0 / 49.0), 50));
    }
    for centring in ["raw", "language"] {
        let over = report.over_layers(
            "hin_Deva",
            "eng_Latn",
            if centring == "raw" { Centring::Raw } else { Centring::Language },
        );
        let over = over.unwrap();
        let value = |metric| report.measured.value(metric, "hin_Deva", "eng_Latn", None, centring).unwrap();
        assert!((value("mexa_mean") - over.mean).abs() < 1e-12);
        assert_eq!(value("mexa_max"), over.max);
        let fits = |row: &&Row| row.language == "hin_Deva" && row.variant == centring;
        let max = report.measured.metric("mexa_max").find(fits).unwrap();
        assert_eq!(max.item, over.best_layer.to_string());
    }
}

#[test]
fn fewer_sentences_are_measured_as_if_the_others_were_not_there() {
    // Raw, as the mean that centring subtracts is that of all sentences.
    let params = |ties| AlignParams { centrings: vec![Centring::Raw], ties, bootstrap: 0, shuffles: 0, ..one_pivot() };
    for ties in [Ties::Strict, Ties::Counted, Ties::Shared] {
        let of = |all: &[Array2<f32>]| {
            let states = all.iter().map(|s| vec![s.clone()]).collect();
            let states = LanguageStates::new(vec!["eng_Latn".into(), "deu_Latn".into()], vec![1], states).unwrap();
            align(&states, &params(ties), &Monitor::silent()).unwrap()
        };
        let whole = of(&(0..2).map(|l| state_of(l, 110)).collect::<Vec<_>>());
        for (m, row) in [25usize, 50, 100, 110].into_iter().zip(whole.measured.metric("mexa_at_n")) {
            let part: Vec<Array2<f32>> = (0..2).map(|l| state_of(l, m)).collect();
            assert_eq!(row.value.unwrap(), of(&part).cells[0].mexa.value, "{ties:?} {m}");
        }
    }
    fn state_of(language: usize, m: usize) -> Array2<f32> {
        state(language, 1, 110, 3).mapv(f32::round).slice(ndarray::s![..m, ..]).to_owned()
    }
}

#[test]
fn what_is_shared_stands_out_of_its_null_and_what_is_not_does_not() {
    let report = run(&stream(5, 80), &one_pivot());
    for row in report.measured.metric("mexa").chain(report.measured.metric("recall_to_pivot")) {
        let null = row.shuffled.unwrap();
        let chance = row.chance.unwrap();
        // The mean of 200 shuffles of a share of 80: a standard error of about sqrt(chance / 80 / 200).
        assert!((null.mean - chance).abs() < 6.0 * (chance / 16000.0).sqrt() + 0.002, "{row:?}");
        assert!(row.matched.is_none() && null.p_adjusted.is_some());
        match row.layer {
            Some(0) => assert!(null.p > 0.004, "{row:?}"),
            Some(3) => assert!(null.p < 0.006 && null.calibrated.unwrap() > 0.0, "{row:?}"),
            _ => {}
        }
    }
    for row in report.measured.metric("mexa_max") {
        // The largest of several layers of shuffled sentences lies above chance, and so does what it is compared with.
        assert!(row.shuffled.unwrap().mean > 1.0 / 159.0 && row.item == "3");
    }
}

#[test]
fn matched_shuffles_keep_length_and_shared_tokens() {
    let tokens = |i: usize| (0..(1 + i % 12) as u32).collect::<Vec<u32>>();
    let source = Stream { tokens: Some((0..60).map(tokens).collect()), ..stream(3, 60) };
    let report = run(&source, &one_pivot());
    assert!(report.measured.metric("mexa").all(|row| row.matched.is_some() && row.shuffled.is_some()));
    assert!(report.measured.metric("mexa_mean").all(|row| row.matched.is_some()));
    let off = run(&source, &AlignParams { matched: false, ..one_pivot() });
    assert!(off.measured.rows.iter().all(|row| row.matched.is_none()));
    let none = run(&source, &AlignParams { shuffles: 0, ..one_pivot() });
    assert!(none.measured.rows.iter().all(|row| row.matched.is_none() && row.shuffled.is_none()));
}

#[test]
fn anisotropy_is_the_mean_cosine_of_different_sentences() {
    let source = stream(2, 30);
    let report = run(&source, &one_pivot());
    for centring in [Centring::Raw, Centring::Language] {
        let states = state(1, 3, 30, 12).mapv(f64::from);
        let mean = states.mean_axis(ndarray::Axis(0)).unwrap();
        let states = if centring == Centring::Raw { states } else { states - mean };
        let norm = |i: usize| states.row(i).dot(&states.row(i)).sqrt();
        let cosine = |i: usize, j: usize| states.row(i).dot(&states.row(j)) / norm(i) / norm(j);
        let pairs = (0..30).flat_map(|i| (0..30).filter(move |j| *j != i).map(move |j| (i, j)));
        let expected = pairs.map(|(i, j)| cosine(i, j)).sum::<f64>() / (30.0 * 29.0);
        let got = report.measured.value("anisotropy", "deu_Latn", "", Some(3), centring.name()).unwrap();
        assert!((got - expected).abs() < 1e-10, "{centring:?} {got} {expected}");
    }
}

#[test]
fn corrections_are_measured_as_raw_states_that_were_corrected_before() {
    let source = stream(3, 40);
    let params = AlignParams { centrings: Centring::ALL.to_vec(), ..one_pivot() };
    let report = run(&source, &params);
    assert_eq!(report.cells.len(), 2 * 3 * Centring::ALL.len());
    let plain = run(&source, &one_pivot());
    for cell in &report.cells {
        let corrector = crate::correct::Corrector::fit(
            &source,
            source.layers.binary_search(&cell.layer).unwrap(),
            cell.centring,
            &crate::correct::Options::default(),
        )
        .unwrap();
        if cell.centring.is_plain() {
            assert_eq!(Some(cell), plain.cell(&cell.language, &cell.pivot, cell.layer, cell.centring));
            continue;
        }
        let of = |language: usize| vec![corrector.apply(language, state(language, cell.layer, 40, 12).view())];
        let language = source.languages.iter().position(|l| *l == cell.language).unwrap();
        let states = LanguageStates::new(
            vec![cell.pivot.clone(), cell.language.clone()],
            vec![cell.layer],
            vec![of(0), of(language)],
        )
        .unwrap();
        let raw = AlignParams { centrings: vec![Centring::Raw], ..one_pivot() };
        let expected = align(&states, &raw, &Monitor::silent()).unwrap();
        assert_eq!(cell.outcomes, expected.cells[0].outcomes, "{:?}", cell.centring);
    }
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    let refused = |source: &dyn StateSource, params: &AlignParams, words: &[&str]| {
        let said = match align_source(source, params, &Monitor::silent()) {
            Err(Error::Input { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    refused(&stream(3, 3), &one_pivot(), &["3 sentences", "at least 4"]);
    refused(&stream(1, 10), &one_pivot(), &["2 languages"]);
    refused(&Stream { layers: vec![], ..stream(2, 10) }, &one_pivot(), &["no layer"]);
    refused(&stream(2, 10), &AlignParams { pivots: vec!["fra_Latn".into()], ..one_pivot() }, &["fra_Latn", "deu_Latn"]);
    refused(&stream(2, 10), &AlignParams { shuffles: 3, ..one_pivot() }, &["`shuffles`"]);
    refused(&Stream { tokens: Some(vec![]), ..stream(2, 10) }, &one_pivot(), &["tokens of 0 sentences"]);

    /// Spoils one language.
    struct Spoiled(Stream, fn(&mut Array2<f32>));
    impl StateSource for Spoiled {
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
            let mut state = self.0.state(language, layer)?.into_owned();
            if (language, layer) == (2, 1) {
                self.1(&mut state);
            }
            Ok(state.into())
        }
    }
    let spoiled = |how| Spoiled(stream(3, 10), how);
    refused(&spoiled(|s| s[[6, 1]] = f32::NAN), &one_pivot(), &["sentence 7", "hin_Deva", "layer 1", "not finite"]);
    refused(&spoiled(|s| s[[0, 1]] = f32::INFINITY), &one_pivot(), &["sentence 1", "hin_Deva"]);
    refused(
        &spoiled(|s| *s = Array2::zeros((9, 12))),
        &one_pivot(),
        &["hin_Deva", "layer 1", "9 sentences", "expected 10"],
    );
    refused(&spoiled(|s| *s = Array2::zeros((10, 7))), &one_pivot(), &["eng_Latn", "width 12", "hin_Deva", "7"]);
    // Constant rows are measured, never count, and are named.
    let constant = spoiled(|s| s.fill(0.25));
    let report = run(&constant, &one_pivot());
    let cell = report.cell("hin_Deva", "eng_Latn", 1, Centring::Language).unwrap();
    assert_eq!((cell.mexa.value, cell.recall_to_pivot.value), (0.0, 0.0));
    assert!(
        report.notes.iter().any(|n| n.contains("hin_Deva") && n.contains("no direction") && n.contains("layer 1")),
        "{:?}",
        report.notes
    );
    assert!(
        report.notes.iter().any(|n| n.contains("hin_Deva") && n.contains("share their state")),
        "{:?}",
        report.notes
    );
    let aniso = report
        .measured
        .metric("anisotropy")
        .find(|r| r.language == "hin_Deva" && r.layer == Some(1) && r.variant == "language");
    assert!(aniso.is_some_and(|row| row.value.is_none() && row.status.contains("direction")));
}
