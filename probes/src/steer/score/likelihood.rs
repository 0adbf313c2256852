//! What the model says of texts that are there, token by token, with and without edits.
//!
//! - `-ln p` of each token given those before it (natural logarithm);
//! - `KL(base || steered) = sum_v p_v (ln p_v - ln q_v)` at each place, `p` of the unsteered model;
//! - whether the likeliest token is the one that comes: next-token accuracy.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Edit, Plan, Point, Reduce, Site},
    tokens::Encoded,
};
use candle_core::Tensor;
use rayon::prelude::*;

use crate::{
    Error, Result,
    logits::{Total, kl},
};

/// Bytes of the last layer's states that are held at once, and of the logits that are read from them at once, for each set of edits.
const STATE_BYTES: usize = 64 << 20;
const LOGIT_BYTES: usize = 80 << 20;

/// A text of which the tokens from `from` on are scored.
#[derive(Clone, Debug)]
pub(in crate::steer) struct Scored {
    pub(in crate::steer) text: Encoded,
    pub(in crate::steer) from: usize,
}

impl Scored {
    /// All of a text that is predicted from something: all but BOS, or without one all but the first token.
    pub(in crate::steer) fn whole(text: Encoded) -> Self {
        let from = text.bos.max(1);
        Self { text, from }
    }

    fn places(&self) -> std::ops::Range<usize> {
        self.from.max(1)..self.text.ids.len().max(self.from.max(1))
    }
}

/// Both models at one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::steer) struct Both {
    /// `-ln p` of the token: unsteered, steered.
    pub(in crate::steer) nats: [f64; 2],
    /// Whether it is the likeliest.
    pub(in crate::steer) hit: [bool; 2],
    /// `KL(base || steered)` in nats.
    pub(in crate::steer) kl: f64,
}

/// Whether next-token probabilities mean anything in this model.
pub(in crate::steer) fn check(engine: &Engine) -> Result<()> {
    let has_head = engine.sites().iter().any(|site| site.point == Point::Logits);
    if engine.is_causal() && has_head {
        return Ok(());
    }
    let why = format!("this {} predicts no next token, so nothing it says can be steered", engine.info().family);
    Err(Error::Input { measure: "steer", why })
}

/// `-ln p` of each scored token under the unsteered model.
pub(in crate::steer) fn surprises(engine: &Engine, texts: &[Scored], monitor: &Monitor) -> Result<Vec<Vec<f64>>> {
    let of = |logits: [&[f32]; 1], next: usize| {
        let [logits] = logits;
        Total::of(logits).nats(logits, next)
    };
    each(engine, texts, [&[]], of, |nats| nats.is_finite(), monitor)
}

/// Both models at each scored token; the edits are made on all of each text.
pub(in crate::steer) fn compare(
    engine: &Engine,
    texts: &[Scored],
    edits: &[Edit],
    monitor: &Monitor,
) -> Result<Vec<Vec<Both>>> {
    let of = |logits: [&[f32]; 2], next: usize| {
        let totals = logits.map(Total::of);
        let nats = [totals[0].nats(logits[0], next), totals[1].nats(logits[1], next)];
        let hit = logits.map(|row| row.iter().all(|x| *x <= row[next]));
        Both { nats, hit, kl: kl(logits, totals.each_ref()) }
    };
    let finite = |both: &Both| both.kl.is_finite() && both.nats.iter().all(|n| n.is_finite());
    each(engine, texts, [&[], edits], of, finite, monitor)
}

/// `of` the rows of logits of every set of edits at each scored token.
fn each<T: Send, const N: usize>(
    engine: &Engine,
    texts: &[Scored],
    edits: [&[Edit]; N],
    of: impl Fn([&[f32]; N], usize) -> T + Sync,
    finite: impl Fn(&T) -> bool,
    monitor: &Monitor,
) -> Result<Vec<Vec<T>>> {
    let capture = Capture { site: Site::layer(engine.info().layers), reduce: Reduce::All };
    let plans = edits.map(|edits| Plan { captures: vec![capture], edits: edits.to_vec(), ..Plan::default() });
    let tokens = (STATE_BYTES / (engine.info().width * size_of::<f32>())).max(1);
    let vocabulary = engine.info().vocabulary;
    let block = (LOGIT_BYTES / (vocabulary * size_of::<f32>())).max(1);
    let quiet = monitor.quiet();
    let mut logits: [Vec<f32>; N] = std::array::from_fn(|_| Vec::new());
    let mut found: Vec<Vec<T>> = Vec::with_capacity(texts.len());
    while found.len() < texts.len() {
        let first = found.len();
        let group = &texts[first..first + fitting(&texts[first..], tokens)];
        let sentences: Vec<Encoded> = group.iter().map(|scored| scored.text.clone()).collect();
        let mut states = Vec::with_capacity(N);
        for plan in &plans {
            states.push(before(engine, group, &sentences, plan, &quiet)?);
        }
        let next: Vec<u32> = group.iter().flat_map(|scored| scored.text.ids[scored.places()].iter().copied()).collect();
        let mut all = Vec::with_capacity(next.len());
        for (at, next) in next.chunks(block).enumerate() {
            for (states, logits) in states.iter().zip(&mut logits) {
                let Some(states) = states else { continue };
                let rows = states.narrow(0, at * block, next.len()).map_err(babelscope_core::Error::from)?;
                engine.unembed_into(&rows, logits)?;
            }
            let row = |i: usize| std::array::from_fn(|n| &logits[n][i * vocabulary..(i + 1) * vocabulary]);
            all.par_extend((0..next.len()).into_par_iter().map(|i| of(row(i), next[i] as usize)));
        }
        if let Some(bad) = all.iter().position(|one| !finite(one)) {
            let (_, text) = group.iter().fold((0, 0), |(past, text), scored| {
                let past = past + scored.places().len();
                (past, if past <= bad { text + 1 } else { text })
            });
            let why = format!(
                "text {} of {}: the logits are not finite (NaN or infinite); a state overflowed, or an edit is too strong",
                first + text + 1,
                texts.len()
            );
            return Err(Error::Input { measure: "steer", why });
        }
        let mut rest = all.into_iter();
        found.extend(group.iter().map(|scored| rest.by_ref().take(scored.places().len()).collect()));
        monitor.check()?;
    }
    Ok(found)
}

/// The last layer's states from which the scored tokens are predicted, one text behind the other; `None` where there is none.
fn before(
    engine: &Engine,
    group: &[Scored],
    sentences: &[Encoded],
    plan: &Plan,
    monitor: &Monitor,
) -> Result<Option<Tensor>> {
    let captured = engine.run(sentences, plan, monitor)?;
    let Some(Values::Tokens(states)) = captured.into_iter().next().map(|captured| captured.values) else {
        let why = "the engine pooled what was to be kept whole".to_owned();
        return Err(Error::Input { measure: "steer", why });
    };
    let parts: Vec<Tensor> = (states.iter().zip(group))
        .filter(|(_, scored)| !scored.places().is_empty())
        .map(|(states, scored)| states.narrow(0, scored.places().start - 1, scored.places().len()))
        .collect::<candle_core::Result<_>>()
        .map_err(babelscope_core::Error::from)?;
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(Tensor::cat(&parts, 0).map_err(babelscope_core::Error::from)?))
}

/// How many texts from the first on have at most `tokens` tokens together, at least one.
fn fitting(texts: &[Scored], tokens: usize) -> usize {
    let mut left = tokens;
    let fit = |scored: &&Scored| match left.checked_sub(scored.text.ids.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    texts.iter().take_while(fit).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use babelscope_core::{
        engine::LoadOptions,
        plan::{Op, Unit},
    };

    #[test]
    fn without_an_edit_nothing_differs_and_with_one_something_does() {
        let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
        let lines = ["Anna lives in the village.", "Anna"];
        let texts: Vec<Scored> =
            engine.tokenizer().encode_all(&lines).unwrap().into_iter().map(Scored::whole).collect();
        let monitor = Monitor::silent();
        let same = compare(&engine, &texts, &[], &monitor).unwrap();
        assert_eq!((same[0].len(), same[1].len()), (texts[0].text.ids.len() - 1, 1));
        assert!(same.iter().flatten().all(|both| both.nats[0] == both.nats[1] && both.kl < 1e-6));
        let plain = surprises(&engine, &texts, &monitor).unwrap();
        assert!(plain.iter().flatten().zip(same.iter().flatten()).all(|(nats, both)| *nats == both.nats[0]));
        let vector = vec![1.0; engine.info().width].into();
        let op = Op::Add { vector, coefficient: 4.0, unit: Unit::Raw, keep_norm: false };
        let other = compare(&engine, &texts, &[Edit::at(Site::layer(2), op)], &monitor).unwrap();
        assert!(other.iter().flatten().all(|both| both.kl > 1e-3));
        let late = [Scored { text: texts[0].text.clone(), from: 4 }];
        // Another number of rows may be another kernel, which rounds otherwise.
        let found = &surprises(&engine, &late, &monitor).unwrap()[0];
        assert!(
            found.len() == plain[0].len() - 3 && found.iter().zip(&plain[0][3..]).all(|(a, b)| (a - b).abs() < 1e-4)
        );
    }
}
