//! Steering and patching of the made-up run: answers in three scripts, vectors, grids, and numbers by rule.

use std::path::PathBuf;

use babelscope::{
    details::Details,
    run::Run,
    spec::{CompareSpec, ProbeSpec, RunSpec},
    tables::measures::Probed,
};
use babelscope_core::{
    generate::Stop,
    tokens::{Cell, Piece},
};
use babelscope_probes::{
    lens::Candidate,
    measure::{Measured, Row},
    patch::{Panel, PatchedRun, Side, Sides},
    steer::{Answer, Card, Compared, Moved, SteeringVector, Step},
};

use crate::synthetic::{self, LAYERS};

/// Pieces of the steered answer of each prompt: right to left, Devanagari with bytes of one character, Chinese.
fn pieces(script: usize) -> [Vec<Piece>; 3] {
    let word = |text: &str| Piece::Word(text.to_owned());
    let text = |text: &str| Piece::Text(text.to_owned());
    let plain = vec![word("the"), word("cat"), word("sleeps"), text(".")];
    let random = vec![word("the"), word("cat"), word("the"), word("the")];
    let steered = match script {
        0 => vec![word("the"), word("قطة"), word("تنا"), text("م"), text(".")],
        1 => {
            let letter = "झ".as_bytes();
            let half = |part: &[u8]| Piece::Bytes(part.to_vec());
            vec![word("the"), word("बिल्"), text("ली"), half(&letter[..2]), half(&letter[2..])]
        }
        _ => vec![word("the"), text("猫"), text("在"), text("睡"), text("觉")],
    };
    [plain, steered, random]
}

fn id(piece: &Piece) -> u32 {
    format!("{piece:?}").bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1000
}

/// Divergence at a token of the steered answer: largest at the third.
pub fn kl(step: usize) -> f64 {
    [0.01, 0.5, 2.25, 0.75, 0.125].get(step).copied().unwrap_or(0.0)
}

fn compared(prompt: &str, script: usize, perplexities: [f64; 3]) -> Compared {
    let arms = ["none", "steered", "random"];
    let answers: Vec<Answer> = (arms.iter().zip(pieces(script)).zip(perplexities))
        .map(|((arm, pieces), perplexity)| Answer {
            arm: (*arm).to_owned(),
            ids: pieces.iter().map(id).collect(),
            text: String::new(),
            pieces: pieces.into_iter().map(|piece| Cell { piece, joined: None }).collect(),
            stop: Stop::Length,
            perplexity: Some(perplexity),
        })
        .collect();
    let step = |(at, cell): (usize, &Cell)| Step {
        kl: kl(at),
        before: 0.125,
        after: 0.75,
        moved: vec![
            Moved { id: id(&cell.piece), piece: cell.piece.clone(), before: 0.125, after: 0.75, logit: 3.5 },
            Moved { id: 5000, piece: Piece::Bytes(vec![0xE0, 0xA4]), before: 0.5, after: 0.0625, logit: -2.25 },
        ],
    };
    let steps = answers.get(1).map(|steered| steered.pieces.iter().enumerate().map(step).collect()).unwrap_or_default();
    Compared { prompt: prompt.to_owned(), answers, steps }
}

/// The keys of the comparison of [`run`].
pub fn compare_spec() -> CompareSpec {
    CompareSpec {
        texts: vec!["تنام".to_owned()],
        source: "eng_Latn".to_owned(),
        target: "arb_Arab".to_owned(),
        layer: 3,
        ..CompareSpec::default()
    }
}

fn probed(probe: &str, rows: Vec<Row>) -> Probed {
    let notes = if probe == "compare" { vec!["a vector at layer 3: made up".to_owned()] } else { Vec::new() };
    Probed { probe: probe.to_owned(), seed: 7, measured: Measured { rows, notes } }
}

fn answers() -> (Probed, Details) {
    let compared = vec![
        compared("تنام", 0, [10.0, 20.0, 15.0]),
        compared("सोती है", 1, [10.0, 45.0, 12.0]),
        compared("睡觉", 2, [10.0, 29.0, 12.0]),
    ];
    let details = Details { probe: "compare".to_owned(), compared, ..Details::default() };
    (probed("compare", vec![Row::new("kl", 0.7, 5).of("arb_Arab").against("eng_Latn").at(3)]), details)
}

/// A run that answers the comparison of `spec`.
pub fn answered(spec: &RunSpec) -> Run {
    let text = |probe: &ProbeSpec| match probe {
        ProbeSpec::Compare(compare) => compare.texts.first().cloned(),
        _ => None,
    };
    let prompt = spec.probe.iter().find_map(text).unwrap_or_default();
    let (measured, mut details) = answers();
    details.compared = vec![compared(&prompt, 0, [10.0, 20.0, 15.0])];
    let run = synthetic::run();
    let folder = PathBuf::from("runs/steer-89abcdef");
    Run {
        folder,
        spec: spec.clone(),
        align: None,
        lens: Vec::new(),
        measured: vec![measured],
        map: None,
        details: vec![details],
        ..run
    }
}

fn vectors() -> (Probed, Details) {
    let mut rows = Vec::new();
    let mut vectors = Vec::new();
    for (at, target) in ["arb_Arab", "hin_Deva"].into_iter().enumerate() {
        let card = Card {
            name: format!("eng_Latn to {target}"),
            model: "lab".to_owned(),
            model_layers: LAYERS,
            site: "resid_post".to_owned(),
            estimator: "diff_mean".to_owned(),
            position: "mean".to_owned(),
            positive: target.to_owned(),
            negative: "eng_Latn".to_owned(),
            pairs: 3,
            mean_norm: (0..=LAYERS).map(|layer| (layer, 10.0)).collect(),
            notes: vec!["the vector rests on 3 training items a side".to_owned()],
            ..Card::default()
        };
        // 3, 4, 0: a length of 5, half of the mean norm; the second vector is orthogonal to the first.
        let numbers = if at == 0 { vec![3.0, 4.0, 0.0] } else { vec![0.0, 0.0, 2.0] };
        vectors.push(SteeringVector { card, layers: (0..=LAYERS).map(|layer| (layer, numbers.clone())).collect() });
        for layer in 0..=LAYERS {
            let value = 0.5 + 0.08 * layer as f64 - 0.02 * at as f64;
            let of = |row: Row| row.of(target).against("eng_Latn").at(layer).variant("diff_mean");
            rows.push(of(Row::new("vector_pair_order", value, 3)).within(value - 0.1, value + 0.02).chance(0.5));
            rows.push(of(Row::new("vector_d_prime", 4.0 * value, 3)));
            rows.push(of(Row::missing("vector_split_half", "nothing was held out", 0)));
        }
    }
    (probed("vector", rows), Details { probe: "vector".to_owned(), vectors, ..Details::default() })
}

/// Forcing of a cell of the evaluation.
pub fn forcing(layer: usize, strength: f64, target: usize) -> f64 {
    0.125 * layer as f64 + 0.25 * strength - 0.0625 * target as f64
}

fn steered() -> Probed {
    let mut rows = Vec::new();
    let languages = ["eng_Latn", "arb_Arab", "hin_Deva"];
    for source in languages {
        for (t, target) in languages.into_iter().enumerate().filter(|(_, target)| *target != source) {
            let of = |row: Row, arm: &str, strength: f64| {
                row.of(target).against(source).variant(arm).item(strength.to_string())
            };
            for layer in [2, 4] {
                for strength in [0.25, 0.5, 1.0] {
                    let value = forcing(layer, strength, t);
                    let put = |row: Row| of(row, "steered", strength).at(layer);
                    rows.push(put(Row::new("forcing", value, 10)).within(value - 0.05, value + 0.05));
                    rows.push(put(Row::new("perplexity", 10.0 + 40.0 * strength, 200)));
                }
            }
            for strength in [0.25, 0.5, 1.0] {
                rows.push(of(Row::new("forcing", 0.0625, 10), "random", strength).at(4));
            }
            rows.push(of(Row::new("forcing", 0.03125, 10), "none", 0.0));
            rows.push(of(Row::new("perplexity", 9.0, 200), "none", 0.0));
        }
    }
    probed("steer", rows)
}

fn token(number: u32, text: &str, probability: f32) -> Candidate {
    Candidate { id: number, piece: Piece::Word(text.to_owned()), probability, language: None }
}

/// The effect of a cell of the grids.
pub fn effect(layer: usize, column: usize) -> f64 {
    0.125 * layer as f64 - 0.25 * column as f64
}

fn pair(name: &str, language: &str, clean: [&str; 3], corrupt: [&str; 3]) -> PatchedRun {
    let side = |words: [&str; 3], value: f64, shift: f32| Side {
        text: words.join(" "),
        tokens: words
            .iter()
            .enumerate()
            .map(|(at, word)| token(id(&Piece::Word((*word).to_owned())), word, 1.0 + at as f32))
            .collect(),
        top: vec![token(901, "yes", 0.5 + shift), token(902, "no", 0.25 - shift)],
        value,
    };
    let panel = |site: &str, variant: &str, items: &[&str]| {
        let of = |value: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..=LAYERS).map(|layer| (0..items.len()).map(|column| value(layer, column)).collect()).collect()
        };
        Panel {
            site: site.to_owned(),
            variant: variant.to_owned(),
            layers: (0..=LAYERS).collect(),
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            patched: of(&|layer, column| 4.0 * effect(layer, column) - 2.0),
            effect: of(&effect),
        }
    };
    PatchedRun {
        name: name.to_owned(),
        language: language.to_owned(),
        clean: side(clean, 2.0, 0.125),
        corrupt: Some(side(corrupt, -2.0, 0.0)),
        metric: "logit_difference".to_owned(),
        sides: Sides { answer: vec![901], wrong: vec![902] },
        panels: vec![panel("resid", "denoise", &["0", "1", "2"]), panel("head", "noise", &["h0", "h1", "h2", "h3"])],
        skipped: String::new(),
    }
}

fn patched() -> (Probed, Details) {
    let patched = vec![
        pair("arabic", "arb_Arab", ["تنام", "قطة", "هنا"], ["تنام", "كلبة", "هنا"]),
        pair("hindi", "hin_Deva", ["छोटी", "बिल्ली", "यहाँ"], ["छोटी", "चिड़िया", "यहाँ"]),
    ];
    let mut rows = Vec::new();
    for layer in 0..=LAYERS {
        for (at, item) in ["bos", "subject_last", "last"].into_iter().enumerate() {
            let value = effect(layer, at);
            let row = Row::new("effect_resid", value, 2).of("arb_Arab").against("arb_Arab").at(layer);
            rows.push(row.variant("denoise").item(item).within(value - 0.1, value + 0.1));
        }
    }
    (probed("patch", rows), Details { probe: "patch".to_owned(), patched, ..Details::default() })
}

/// The rows of patching between two languages, in place of a grid.
pub fn cross() -> Probed {
    let mut rows = Vec::new();
    for layer in 0..=LAYERS {
        let share = layer as f64 / LAYERS as f64;
        for variant in ["both", "concept"] {
            let of = |row: Row| row.of("arb_Arab").against("eng_Latn").at(layer).variant(variant);
            rows.push(of(Row::new("separability", share, 9)).within((share - 0.1).max(0.0), (share + 0.1).min(1.0)));
            rows.push(of(Row::new("language_moved", 1.0 - share, 9)));
            rows.push(of(Row::new("concept_moved", 0.5, 9)));
            for (at, item) in ["cs_ls", "cs_lt", "ct_ls", "ct_lt"].into_iter().enumerate() {
                rows.push(of(Row::new("probability", 0.1 * at as f64 + 0.05 * share, 9)).item(item));
            }
        }
    }
    probed("patch", rows)
}

/// The made-up run with steering and patching.
pub fn run() -> Run {
    let mut run = synthetic::run();
    for (probed, details) in [answers(), vectors(), patched()] {
        run.measured.push(probed);
        run.details.push(details);
    }
    run.measured.push(steered());
    run.spec.probe.push(ProbeSpec::Compare(compare_spec()));
    run
}
