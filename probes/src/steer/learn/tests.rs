use std::{path::Path, sync::OnceLock};

use babelscope_core::{
    corpus::Corpus,
    engine::{EngineKind, LoadOptions},
};

use super::*;

const LANGUAGE: &str = "swh_Latn";
const PIVOT: &str = "eng_Latn";

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = LoadOptions { engine: Some(EngineKind::Candle), ..LoadOptions::default() };
        Engine::load("lab", &options, &Monitor::silent()).unwrap()
    })
}

/// The first sentences of a language of the laboratory.
fn sentences(language: &str, n: usize) -> Vec<Encoded> {
    let corpus = Corpus::open(Path::new("lab")).unwrap();
    engine().tokenizer().encode_all(&corpus.lines(language).unwrap()[..n]).unwrap()
}

/// Sentences without their last words, and those words.
fn prompts(language: &str, n: usize) -> (Vec<Encoded>, Vec<Vec<u32>>) {
    let cut = |mut sentence: Encoded| {
        let answer = sentence.ids.split_off(sentence.ids.len() - 3);
        sentence.spans.truncate(sentence.ids.len());
        (sentence, answer)
    };
    sentences(language, n).into_iter().map(cut).unzip()
}

fn data<'a>(inputs: &'a [Encoded], pivots: &'a [Encoded], answers: &'a [Vec<u32>]) -> LearnData<'a> {
    LearnData { language: LANGUAGE, pivot: PIVOT, inputs, pivots, answers }
}

/// What the descent comes to on all sentences, none held out, and what it began with.
fn descended(params: &LearnParams, data: &LearnData<'_>) -> (Vec<f64>, Vec<f64>, f64) {
    let all: Vec<usize> = (0..data.inputs.len()).collect();
    let monitor = Monitor::silent();
    let task = Task::new(engine(), data, params, &all, &monitor).unwrap();
    let split = Split { train: all.clone(), validation: all };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let history = descend(&task, params, &split, vec![0.0; task.width()], &mut rng, &monitor).unwrap();
    (history.best, task.diff_mean.clone(), task.mean_norm)
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    length(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / length(b)
}

/// From zero, with steps enough to arrive: the rates of 400 steps add up to 20 units, and no coordinate is farther than 4.
fn thorough(layer: usize) -> LearnParams {
    LearnParams {
        layer,
        start: LearnStart::Zero,
        epochs: 400,
        batch: 1000,
        patience: 400,
        rate: 0.1,
        ..LearnParams::default()
    }
}

#[test]
fn least_squares_at_its_own_layer_is_the_difference_of_means() {
    let (inputs, pivots) = (sentences(LANGUAGE, 24), sentences(PIVOT, 24));
    let data = data(&inputs, &pivots, &[]);
    for pool in [LearnPool::Mean, LearnPool::Weighted, LearnPool::Last] {
        let (v, diff_mean, _) = descended(&LearnParams { pool, ..thorough(2) }, &data);
        assert!(apart(&v, &diff_mean) < 1e-3, "{pool:?}: {}", apart(&v, &diff_mean));
    }
}

#[test]
fn a_penalty_shrinks_the_vector_as_ridge_does_and_a_longest_norm_cuts_it() {
    let (inputs, pivots) = (sentences(LANGUAGE, 24), sentences(PIVOT, 24));
    let data = data(&inputs, &pivots, &[]);
    let (_, diff_mean, n) = descended(&LearnParams { epochs: 1, ..thorough(3) }, &data);
    // argmin |x + v - e|^2 + p |v|^2 / n^2 is the difference of means over 1 + p / n^2.
    let penalty = n * n;
    let (v, ..) = descended(&LearnParams { penalty, ..thorough(3) }, &data);
    let half: Vec<f64> = diff_mean.iter().map(|x| x / 2.0).collect();
    assert!(apart(&v, &half) < 1e-3, "{}", apart(&v, &half));
    let most = 0.25 * length(&diff_mean) / n;
    let (v, ..) = descended(&LearnParams { max_norm: Some(most), ..thorough(3) }, &data);
    assert!((length(&v) / n - most).abs() < 1e-6 * most, "{} of {most}", length(&v) / n);
    let quarter: Vec<f64> = diff_mean.iter().map(|x| x / 4.0).collect();
    assert!(apart(&v, &quarter) < 1e-2, "the ball's nearest point: {}", apart(&v, &quarter));
}

#[test]
fn the_slope_is_that_of_difference_quotients() {
    let (inputs, answers) = prompts(LANGUAGE, 8);
    let (pivots, _) = prompts(PIVOT, 8);
    let data = data(&inputs, &pivots, &answers);
    let all: Vec<usize> = (0..8).collect();
    let monitor = Monitor::silent();
    for (loss, target_layer) in [(LearnLoss::Mse, Some(4)), (LearnLoss::Kl, None), (LearnLoss::Task, None)] {
        for pool in [LearnPool::Mean, LearnPool::Last] {
            let params = LearnParams { layer: 2, loss, target_layer, pool, penalty: 0.5, ..LearnParams::default() };
            let task = Task::new(engine(), &data, &params, &all, &monitor).unwrap();
            let at: Vec<f64> = task.diff_mean.iter().map(|x| 0.3 * x).collect();
            let (losses, slope) = task.slope(&at, &all, &monitor).unwrap();
            let mean = task.mean(&at, &all, &monitor).unwrap();
            assert!((losses.iter().sum::<f64>() / 8.0 - mean).abs() < 1e-9 * mean.abs());
            let direction: Vec<f64> = slope.iter().map(|x| x / length(&slope)).collect();
            let moved = |by: f64| {
                let v: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + by * d).collect();
                task.mean(&v, &all, &monitor).unwrap()
            };
            let h = 0.01 * task.mean_norm;
            let quotient = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
            assert!((quotient / length(&slope) - 1.0).abs() < 1e-2, "{loss:?} {pool:?}: {quotient} {}", length(&slope));
        }
    }
}

#[test]
fn what_is_kept_is_better_on_held_out_sentences_than_nothing_and_than_the_start() {
    let (inputs, answers) = prompts(LANGUAGE, 40);
    let (pivots, _) = prompts(PIVOT, 40);
    let data = data(&inputs, &pivots, &answers);
    for (loss, target_layer) in [(LearnLoss::Mse, Some(3)), (LearnLoss::Kl, None), (LearnLoss::Task, None)] {
        // The difference of means is far off for the task; from nothing what is kept cannot be worse than nothing.
        let start = if loss == LearnLoss::Task { LearnStart::Zero } else { LearnStart::DiffMean };
        let params = LearnParams { layer: 1, loss, target_layer, start, epochs: 12, ..LearnParams::default() };
        let learned = learn(engine(), &data, &params, 3, &Monitor::silent()).unwrap();
        assert_eq!(learned, learn(engine(), &data, &params, 3, &Monitor::silent()).unwrap());
        let of = |arm| learned.measured.value("learn_loss", LANGUAGE, PIVOT, Some(1), arm).unwrap();
        assert!(of("learned") <= of("diff_mean"), "{loss:?}: {} {}", of("learned"), of("diff_mean"));
        assert!(of("learned") <= of("none"), "{loss:?}: {} {}", of("learned"), of("none"));
        assert!(loss == LearnLoss::Task || of("learned") < of("none"), "{loss:?}: {} {}", of("learned"), of("none"));
        learned.vector.check(engine().info(), false).unwrap();
        let card = &learned.vector.card;
        assert_eq!((card.estimator.as_str(), card.pairs), (loss.estimator(), 32));
        let curve: Vec<f64> = (learned.measured.metric("learn_curve"))
            .filter(|row| row.variant == "validation")
            .map(|row| row.value.unwrap())
            .collect();
        let least = curve.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((least - of("learned")).abs() < 1e-6 * least.abs(), "{loss:?}: {curve:?}");
        assert!(learned.measured.metric("learn_procrustes").count() > 0);
        #[expect(clippy::print_stdout, reason = "the numbers of docs/methods/learned.md")]
        {
            let norm = learned.measured.metric("learn_norm").next().unwrap().value;
            let cos = learned.measured.metric("learn_cos_diff_mean").next().unwrap().value;
            println!("{loss:?}: none {} diff_mean {} learned {}", of("none"), of("diff_mean"), of("learned"));
            println!("norm {norm:?} cos {cos:?} {:?}", learned.measured.notes);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (inputs, pivots) = (sentences(LANGUAGE, 10), sentences(PIVOT, 10));
    let native = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
    let params = |loss| LearnParams { layer: 2, loss, ..LearnParams::default() };
    let said = |engine: &Engine, data: &LearnData<'_>, params: &LearnParams| {
        learn(engine, data, params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let mse = params(LearnLoss::Mse);
    let whole = data(&inputs, &pivots, &[]);
    for (said, why) in [
        (said(&native, &whole, &mse), "differentiable"),
        (said(engine(), &data(&inputs[..7], &pivots[..7], &[]), &mse), "at least 8"),
        (said(engine(), &data(&inputs, &pivots[..9], &[]), &mse), "10 sentences of swh_Latn and 9 of eng_Latn"),
        (said(engine(), &whole, &params(LearnLoss::Task)), "0 answers for 10"),
        (said(engine(), &whole, &LearnParams { layer: 5, ..mse.clone() }), "layers 0 (embeddings) to 4"),
        (said(engine(), &whole, &LearnParams { target_layer: Some(1), ..mse.clone() }), "`target_layer` = 1"),
        (said(engine(), &whole, &LearnParams { rate: 0.0, ..mse.clone() }), "`rate`"),
        (said(engine(), &whole, &LearnParams { max_norm: Some(-1.0), ..mse }), "`max_norm`"),
    ] {
        assert!(said.contains(why), "{said}");
    }
}
