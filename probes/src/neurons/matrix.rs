//! The matrix: neurons of one language switched off, sentences of every language; and the same with control sets.

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{
    NeuronParams,
    activity::{Activity, Places, Text},
    controls,
    effect::{losses, predicted, switched_off},
    lape::Lape,
};
use crate::{
    Error, Result,
    bootstrap::{Draws, interval},
    measure::{Measured, Row},
};

/// What a set was chosen by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lape,
    Random,
    Matched,
    MatchedOwn,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Lape, Self::Random, Self::Matched, Self::MatchedOwn];

    fn variant(self) -> &'static str {
        match self {
            Self::Lape => "lape",
            Self::Random => "random",
            Self::Matched => "matched_frequency",
            Self::MatchedOwn => "matched_own_frequency",
        }
    }
}

/// Sets that are switched off, of one language and kind: one, or several random ones; or why there is none.
struct Sets {
    language: usize,
    kind: Kind,
    sets: std::result::Result<Vec<Vec<usize>>, &'static str>,
}

/// Log-losses of the sentences, and how many tokens they are of.
struct Losses {
    /// `[text][sentence]`
    tokens: Vec<Vec<f64>>,
    plain: Vec<Vec<f64>>,
    /// `[set][text][sentence]`, the sets of all [`Sets`] one behind the other.
    masked: Vec<Vec<Vec<f64>>>,
}

/// Measures every set on every text.
pub(super) fn measure(
    engine: &Engine,
    texts: &[Text],
    places: &Places,
    (chosen, activity): (&Lape, &[Activity]),
    (params, seed): (&NeuronParams, u64),
    monitor: &Monitor,
) -> Result<Measured> {
    let sentences = params.effect_sentences.min(texts[0].halves[1].len());
    let draws = Draws::new(sentences, params.bootstrap, seed)?;
    let mut measured = Measured::default();
    let all = sets(chosen, activity, places, (params.controls, seed), texts, &mut measured.rows);
    let losses = all_losses(engine, texts, places, &all, sentences, monitor)?;
    let totals: Vec<f64> = losses.tokens.iter().map(|tokens| tokens.iter().sum()).collect();
    let ends = [f64::min, f64::max].map(|end| totals.iter().copied().reduce(end).unwrap_or_default());
    measured.notes.push(format!(
        "perplexities rest on {sentences} held-out lines, {} to {} predicted tokens a language",
        ends[0], ends[1]
    ));
    measured.rows.extend(rows(texts, &all, &losses, &draws, params.bootstrap > 0));
    Ok(measured)
}

/// The sets of every language with their controls. How near the matched ones are becomes rows.
fn sets(
    chosen: &Lape,
    activity: &[Activity],
    places: &Places,
    (controls, seed): (usize, u64),
    texts: &[Text],
    rows: &mut Vec<Row>,
) -> Vec<Sets> {
    const FEW: &str = "more than half of the neurons of a layer are the language's own, so a layer has too few others";
    let mean = |j: usize| activity.iter().map(|a| a.probabilities[j]).sum::<f64>() / activity.len() as f64;
    let overall: Vec<f64> = (0..chosen.entropy.len()).map(mean).collect();
    let mut all = Vec::new();
    for (language, own) in chosen.of_language.iter().enumerate() {
        let mut matched = |kind: Kind, frequency: &[f64]| {
            let (set, distance) = controls::matched(own, places.width, frequency).ok_or(FEW)?;
            let row = Row::new("match_distance", distance, own.len());
            rows.push(row.of(&texts[language].language).variant(kind.variant()));
            Ok(vec![set])
        };
        for kind in Kind::ALL.into_iter().filter(|kind| *kind == Kind::Lape || controls > 0) {
            let found = match kind {
                _ if own.is_empty() => Err("no neuron belongs to this language"),
                Kind::Lape => Ok(vec![own.clone()]),
                Kind::Random => {
                    let draw = |stream: usize| {
                        let mut rng = ChaCha8Rng::seed_from_u64(seed);
                        rng.set_stream((language * controls + stream) as u64);
                        controls::random(own, places.width, &mut rng).ok_or(FEW)
                    };
                    (0..controls).map(draw).collect()
                }
                Kind::Matched => matched(kind, &overall),
                Kind::MatchedOwn => matched(kind, &activity[language].probabilities),
            };
            all.push(Sets { language, kind, sets: found });
        }
    }
    all
}

fn all_losses(
    engine: &Engine,
    texts: &[Text],
    places: &Places,
    all: &[Sets],
    sentences: usize,
    monitor: &Monitor,
) -> Result<Losses> {
    let sets: Vec<&Vec<usize>> = all.iter().flat_map(|of| of.sets.iter().flatten()).collect();
    let total = texts.len() * (1 + sets.len());
    let tick = |done| monitor.tick(Tick { what: "switching neurons off", done, total, unit: "cells" });
    let mut found = Losses { tokens: Vec::new(), plain: Vec::new(), masked: vec![Vec::new(); sets.len()] };
    for (at, text) in texts.iter().enumerate() {
        let tokens: Vec<f64> = text.halves[1][..sentences].iter().map(|s| predicted(s) as f64).collect();
        if tokens.iter().sum::<f64>() == 0.0 {
            let why = format!(
                "no held-out line of {} has a token behind another, so it has no perplexity; give longer lines",
                text.language
            );
            return Err(Error::Input { measure: "neurons", why });
        }
        found.tokens.push(tokens);
        tick(at * (1 + sets.len()))?;
        found.plain.push(losses(engine, text, sentences, &[], monitor)?);
        for (done, set) in sets.iter().enumerate() {
            tick(at * (1 + sets.len()) + 1 + done)?;
            found.masked[done].push(losses(engine, text, sentences, &switched_off(set, places), monitor)?);
        }
    }
    tick(total)?;
    Ok(found)
}

/// The mean of a number a token, and what it is in every draw of the sentences.
struct Drawn(Vec<f64>);

/// Draws a statistic of sums over the sentences.
struct Drawing {
    /// The first counts every sentence once.
    weights: Vec<Vec<f64>>,
    intervals: bool,
}

impl Drawing {
    fn mean(&self, sums: &[f64], tokens: &[f64]) -> Drawn {
        let weighted = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        Drawn(self.weights.iter().map(|w| weighted(w, sums) / weighted(w, tokens)).collect())
    }

    /// A row of what `of` makes of the mean.
    fn row(&self, metric: &str, drawn: &Drawn, of: impl Fn(f64) -> f64, n: usize) -> Row {
        let row = Row::new(metric, of(drawn.0[0]), n);
        if !self.intervals || row.value.is_none() {
            return row;
        }
        let found = interval(of(drawn.0[0]), drawn.0[1..].iter().map(|x| of(*x)).collect());
        row.within(found.low, found.high)
    }
}

/// How much more the own text suffers than the others do on the average.
fn specificity(damage: &[Drawn], own: usize) -> Drawn {
    let others = (damage.len() - 1) as f64;
    let one = |draw: usize| {
        let all: f64 = damage.iter().map(|d| d.0[draw]).sum();
        damage[own].0[draw] - (all - damage[own].0[draw]) / others
    };
    Drawn((0..damage[own].0.len()).map(one).collect())
}

fn rows(texts: &[Text], all: &[Sets], losses: &Losses, draws: &Draws, intervals: bool) -> Vec<Row> {
    let n = losses.plain[0].len();
    let mut weights = vec![vec![1.0; n]];
    weights.extend((0..draws.draws()).map(|b| draws.weights(b)));
    let drawing = Drawing { weights, intervals };
    let texts: Vec<&str> = texts.iter().map(|text| text.language.as_str()).collect();
    let mut rows = Vec::new();
    for ((text, plain), tokens) in texts.iter().zip(&losses.plain).zip(&losses.tokens) {
        rows.push(drawing.row("perplexity", &drawing.mean(plain, tokens), f64::exp, n).of(text));
    }
    let mut masked = losses.masked.iter();
    for Sets { language, kind, sets } in all {
        let named = |row: Row| row.against(texts[*language]).variant(kind.variant());
        let specific = |row: Row| row.of(texts[*language]).variant(kind.variant());
        let sets = match sets {
            Ok(sets) => sets,
            Err(why) => {
                rows.extend(texts.iter().map(|text| named(Row::missing("perplexity_ratio", *why, n)).of(text)));
                rows.push(specific(Row::missing("damage_specificity", *why, n)));
                continue;
            }
        };
        // Of each set, of each text.
        let damage: Vec<Vec<Drawn>> = masked
            .by_ref()
            .take(sets.len())
            .map(|masked| {
                let texts = masked.iter().zip(&losses.plain).zip(&losses.tokens);
                texts
                    .map(|((masked, plain), tokens)| {
                        let more: Vec<f64> = masked.iter().zip(plain).map(|(masked, plain)| masked - plain).collect();
                        drawing.mean(&more, tokens)
                    })
                    .collect()
            })
            .collect();
        if *kind == Kind::Random {
            for (at, text) in texts.iter().enumerate() {
                let ratios = damage.iter().map(|of| of[at].0[0].exp());
                rows.push(named(range("perplexity_ratio", ratios, n)).of(text));
            }
            let own = damage.iter().map(|of| specificity(of, *language).0[0]);
            rows.push(specific(range("damage_specificity", own, n)));
            continue;
        }
        for of in &damage {
            for (at, text) in texts.iter().enumerate() {
                rows.push(named(drawing.row("perplexity_ratio", &of[at], f64::exp, n)).of(text));
            }
            rows.push(specific(drawing.row("damage_specificity", &specificity(of, *language), |x| x, n)));
        }
    }
    rows
}

/// A row of the mean of several sets with the range of their values.
fn range(metric: &str, values: impl Iterator<Item = f64>, n: usize) -> Row {
    let values: Vec<f64> = values.collect();
    let row = Row::new(metric, values.iter().sum::<f64>() / values.len() as f64, n);
    let [low, high] = [f64::min, f64::max].map(|end| values.iter().copied().reduce(end));
    match (row.value, low, high) {
        (Some(_), Some(low), Some(high)) => row.within(low, high),
        _ => row,
    }
}
