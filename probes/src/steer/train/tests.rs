//! Training on planted states and on the laboratory: what the vector is, that testing sees nothing of training, and what is
//! refused.

use babelscope_core::{
    corpus::Corpus,
    engine::{LoadOptions, Values},
    plan::{Plan, Reduce},
    tokens::Encoded,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{align::LanguageStates, steer::read_pairs};

const NAMES: Names<'_> = Names { positive: "swh_Latn", negative: "eng_Latn" };

fn lab() -> Engine {
    Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap()
}

/// Two languages of 60 sentences and width 8 at layers 1 and 3: shared content, and an offset of `offset` in column 2 of the
/// second.
fn planted(offset: f32, seed: u64) -> [Vec<Array2<f32>>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut languages = [Vec::new(), Vec::new()];
    for _ in 0..2 {
        let content: Array2<f32> = Array2::from_shape_fn((60, 8), |_| rng.random::<f32>() - 0.5);
        for (language, shift) in languages.iter_mut().zip([0.0, offset]) {
            language.push(Array2::from_shape_fn((60, 8), |(i, j)| {
                content[[i, j]] + 0.1 * (rng.random::<f32>() - 0.5) + if j == 2 { shift } else { 0.0 }
            }));
        }
    }
    languages
}

fn source([eng, swh]: [Vec<Array2<f32>>; 2]) -> LanguageStates {
    LanguageStates::new(vec!["eng_Latn".into(), "swh_Latn".into()], vec![1, 3], vec![eng, swh]).unwrap()
}

fn languages(states: &LanguageStates, params: &TrainParams) -> Result<Trained> {
    let card = Card { position: "mean".to_owned(), data_sha256: "ab".to_owned(), ..Card::default() };
    train_languages(states, card, ("eng_Latn", "swh_Latn"), params, 7, &Monitor::silent())
}

fn value(trained: &Trained, metric: &str, layer: usize) -> f64 {
    let variant = &trained.vector.card.estimator;
    trained.measured.value(metric, "swh_Latn", "eng_Latn", Some(layer), variant).unwrap()
}

#[test]
fn a_language_vector_is_the_difference_of_means_of_every_other_line() {
    let states = planted(1.0, 1);
    let trained = languages(&source(states.clone()), &TrainParams::default()).unwrap();
    for (at, layer) in [1, 3].into_iter().enumerate() {
        for j in 0..8 {
            let mean = |of: &Array2<f32>| (0..60).step_by(2).map(|i| f64::from(of[[i, j]])).sum::<f64>() / 30.0;
            let want = mean(&states[1][at]) - mean(&states[0][at]);
            assert!((f64::from(trained.vector.layers[&layer][j]) - want).abs() < 1e-6);
        }
        let norms = states.iter().flat_map(|l| (0..60).step_by(2).map(|i| l[at].row(i).dot(&l[at].row(i)).sqrt()));
        assert!((trained.vector.card.mean_norm[&layer] - f64::from(norms.sum::<f32>()) / 60.0).abs() < 1e-4);
        assert_eq!(trained.vector.card.cos_diff_mean[&layer], 1.0);
        assert_eq!((value(&trained, "vector_pair_order", layer), value(&trained, "vector_auc", layer)), (1.0, 1.0));
        assert!(value(&trained, "vector_agreement", layer) > 0.9 && value(&trained, "vector_split_half", layer) > 0.99);
        assert!(value(&trained, "vector_d_prime", layer) > 2.0);
    }
    let card = &trained.vector.card;
    assert_eq!(
        (card.name.as_str(), card.estimator.as_str(), card.pairs, card.seed),
        ("eng_Latn to swh_Latn", "diff_mean", 30, 7)
    );
    assert_eq!((card.position.as_str(), card.data_sha256.as_str(), card.site.as_str()), ("mean", "ab", "resid_post"));
    assert!(
        card.notes.iter().any(|note| note.contains("30 training items"))
            && card.notes.iter().any(|note| note.contains("mean_norm"))
    );
    trained.vector.check_numbers().unwrap();
}

#[test]
fn held_out_lines_do_not_touch_the_vector_and_training_lines_not_its_test() {
    let states = planted(1.0, 2);
    let whole = languages(&source(states.clone()), &TrainParams::default()).unwrap();
    let mut other = states.clone();
    other[1].iter_mut().for_each(|state| (1..60).step_by(2).for_each(|i| state.row_mut(i).fill(-3.0)));
    let changed = languages(&source(other), &TrainParams::default()).unwrap();
    assert_eq!(whole.vector, changed.vector);
    assert_eq!(value(&changed, "vector_pair_order", 1), 0.0);
    let third = languages(&source(states), &TrainParams { test_every: 3, ..TrainParams::default() }).unwrap();
    assert_eq!(third.vector.card.pairs, 40);
    assert!(third.measured.metric("vector_auc").all(|row| row.n == 20));
}

/// Sides that do not differ: chance lies inside of the interval, for most of the draws.
#[test]
fn without_a_difference_the_quality_is_chance() {
    let inside = (0..10).filter(|seed| {
        let trained = languages(&source(planted(0.0, *seed)), &TrainParams::default()).unwrap();
        let rows = ["vector_pair_order", "vector_auc", "vector_d_prime"]
            .map(|m| trained.measured.metric(m).next().unwrap().clone());
        rows.iter().all(|row| row.low.unwrap() <= row.chance.unwrap() && row.chance.unwrap() <= row.high.unwrap())
    });
    let inside = inside.count();
    assert!(inside >= 7, "{inside} of 10");
}

#[test]
fn nothing_held_out_is_said_and_not_guessed() {
    let trained =
        languages(&source(planted(1.0, 3)), &TrainParams { test_every: 0, ..TrainParams::default() }).unwrap();
    assert_eq!(trained.vector.card.pairs, 60);
    for metric in ["vector_pair_order", "vector_auc", "vector_d_prime", "vector_agreement", "vector_split_half"] {
        assert!(
            trained.measured.metric(metric).all(|row| row.value.is_none() && row.status == NOT_HELD_OUT),
            "{metric}"
        );
    }
    assert!(trained.measured.notes.iter().any(|note| note.contains("nothing was held out")));
}

/// The state of one token, kept with every other one and picked.
fn picked(engine: &Engine, sentence: Encoded, layer: usize, place: impl Fn(&Encoded) -> usize) -> Vec<f32> {
    let at = place(&sentence);
    let kept = engine.run(&[sentence], &Plan::layers([layer], Reduce::All), &Monitor::silent()).unwrap();
    let Values::Tokens(states) = &kept[0].values else { panic!("pooled") };
    states[0].to_vec2::<f32>().unwrap().swap_remove(at)
}

#[test]
fn pairs_are_read_at_the_token_that_was_asked_for() {
    let engine = lab();
    let corpus = Corpus::open("lab".as_ref()).unwrap();
    let [eng, swh] = ["eng_Latn", "swh_Latn"].map(|l| &corpus.lines(l).unwrap()[..12]);
    let lines = |prompt: &str| -> String {
        let line = |(i, (e, s)): (usize, (&String, &String))| {
            serde_json::json!({ "question": format!("{prompt} {i} {e}"), "answer_matching_behavior": format!("({s})"),
                "answer_not_matching_behavior": format!("({e})") })
            .to_string()
        };
        eng.iter().zip(swh).enumerate().map(line).collect::<Vec<_>>().join("\n")
    };
    let pairs = read_pairs(&lines("q")).unwrap();
    for (position, place) in [
        (Position::Last, (|e: &Encoded, _: usize| e.ids.len() - 1) as fn(&Encoded, usize) -> usize),
        (Position::FromEnd(2), |e, _| e.ids.len() - 2),
        (Position::AnswerLetter, |e, end| e.spans.iter().rposition(|s| s.start < end && end <= s.end).unwrap()),
    ] {
        let params = TrainParams { position, layers: vec![2, 4], bootstrap: 0, ..TrainParams::default() };
        let trained = train_pairs(&engine, &pairs, NAMES, &params, 0, &Monitor::silent()).unwrap();
        assert_eq!(trained.vector.layers.keys().copied().collect::<Vec<_>>(), [2, 4]);
        let mut want = vec![0.0; engine.info().width];
        for pair in pairs.iter().step_by(2) {
            for (answer, sign) in [(&pair.positive, 1.0), (&pair.negative, -1.0)] {
                let text = format!("{} {answer}", pair.prompt);
                let word = answer[1..].find(|c: char| !c.is_alphanumeric()).unwrap();
                let end = text.len() - answer.len() + 1 + word;
                let state = picked(&engine, engine.tokenizer().encode(&text).unwrap(), 2, |e| place(e, end));
                want.iter_mut().zip(state).for_each(|(w, x)| *w += sign * f64::from(x) / 6.0);
            }
        }
        let worst =
            want.iter().zip(&trained.vector.layers[&2]).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{position}: {worst}");
    }
}

#[test]
fn a_card_says_what_the_vector_is() {
    let engine = lab();
    let pairs = read_pairs(
        "{\"positive\": \"a b\", \"negative\": \"b a\"}\n{\"positive\": \"c d\", \"negative\": \"d \
         c\"}\n{\"positive\": \"e f\", \"negative\": \"f\"}",
    )
    .unwrap();
    let params = TrainParams { position: Position::Mean, ..TrainParams::default() };
    let trained = train_pairs(&engine, &pairs, NAMES, &params, 3, &Monitor::silent()).unwrap();
    let (card, info) = (&trained.vector.card, engine.info());
    assert_eq!(
        (&card.model, &card.weights_sha256, card.model_layers),
        (&info.reference, &info.weights_sha256, info.layers)
    );
    assert_eq!(card.data_sha256, sha256(b"\0a b\0b a\0\0c d\0d c\0\0e f\0f\0"));
    assert_eq!(trained.vector.layers.len(), info.layers + 1);
    trained.vector.check(info, false).unwrap();
}

#[test]
fn texts_that_are_no_pairs_need_an_estimator_that_needs_none() {
    let engine = lab();
    let corpus = Corpus::open("lab".as_ref()).unwrap();
    let [eng, swh] = ["eng_Latn", "swh_Latn"].map(|l| corpus.lines(l).unwrap());
    let (positive, negative) = (&swh[..30], &eng[40..60]);
    let params =
        |estimator| TrainParams { estimator, position: Position::Mean, layers: vec![3], ..TrainParams::default() };
    let train = |params: &TrainParams| train_texts(&engine, (positive, negative), NAMES, params, 0, &Monitor::silent());
    for estimator in [Estimator::DiffMean, Estimator::Lda] {
        let trained = train(&params(estimator)).unwrap();
        assert_eq!(trained.vector.card.pairs, 25);
        assert!(value(&trained, "vector_auc", 3) > 0.9, "{estimator:?}");
        assert!(trained.measured.metric("vector_pair_order").next().is_none());
    }
    assert!(train(&params(Estimator::Pca)).unwrap_err().to_string().contains("needs pairs"));
    let letter = TrainParams { position: Position::AnswerLetter, ..TrainParams::default() };
    assert!(train(&letter).unwrap_err().to_string().contains("pairs with a question"));
    let twice = [positive, &positive[..1]].concat();
    let error = train_texts(&engine, (&twice, negative), NAMES, &params(Estimator::DiffMean), 0, &Monitor::silent())
        .unwrap_err();
    assert!(error.to_string().contains("text 31 of swh_Latn repeats text 1 of swh_Latn"), "{error}");
    let empty =
        train_texts(&engine, (&[], negative), NAMES, &params(Estimator::DiffMean), 0, &Monitor::silent()).unwrap_err();
    assert!(empty.to_string().contains("0 texts of a side"), "{empty}");
}

#[test]
fn bad_input_is_refused_with_its_line() {
    let engine = lab();
    let refused = |file: &str, params: &TrainParams| {
        train_pairs(&engine, &read_pairs(file).unwrap(), NAMES, params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let usual = TrainParams::default();
    let good = "{\"positive\": \"a b\", \"negative\": \"b a\"}\n";
    let long = "a ".repeat(engine.info().context + 1);
    for (why, error) in [
        ("1 pairs are too few", refused(good, &usual)),
        (
            "line 2: both sides become the same",
            refused(
                &format!("{good}{{\"positive\": \"a b c\", \"negative\": \"a b d\"}}"),
                &TrainParams { position: Position::FromEnd(2), ..usual.clone() },
            ),
        ),
        (
            "line 2, negative side has",
            refused(&format!("{good}{{\"positive\": \"a\", \"negative\": \"{long}\"}}"), &usual),
        ),
        (
            "no answer letter",
            refused(
                &format!("{good}{{\"positive\": \"c\", \"negative\": \"d\"}}"),
                &TrainParams { position: Position::AnswerLetter, ..usual.clone() },
            ),
        ),
        (
            "line 1 has no question",
            refused(
                &format!("{good}{{\"positive\": \"c\", \"negative\": \"d\"}}"),
                &TrainParams { chat: true, ..usual.clone() },
            ),
        ),
        (
            "layer 99 was asked for",
            refused(
                &format!("{good}{{\"positive\": \"c\", \"negative\": \"d\"}}"),
                &TrainParams { layers: vec![99], ..usual.clone() },
            ),
        ),
        ("test_every is 1", refused(good, &TrainParams { test_every: 1, ..usual.clone() })),
    ] {
        assert!(error.contains(why), "{why}: {error}");
    }
    let states = source(planted(1.0, 4));
    let card = Card::default();
    let same =
        train_languages(&states, card.clone(), ("eng_Latn", "eng_Latn"), &usual, 0, &Monitor::silent()).unwrap_err();
    assert!(same.to_string().contains("leads nowhere"));
    let unknown = train_languages(&states, card, ("eng_Latn", "fra_Latn"), &usual, 0, &Monitor::silent()).unwrap_err();
    assert!(unknown.to_string().contains("fra_Latn is not among the languages"));
}
