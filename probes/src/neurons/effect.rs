//! What neurons do: the perplexity of each language's held-out sentences with a set of them switched off.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Reduce, Site},
    tokens::Encoded,
    vector::{dispatch, exp},
};
use candle_core::Tensor;
use rayon::prelude::*;

use super::activity::{Places, Text};
use crate::{Error, Result};

/// Bytes of the last layer's states that are captured at once, and of the logits that are read from them at once.
const STATE_BYTES: usize = 64 << 20;
const LOGIT_BYTES: usize = 160 << 20;
/// Sums that run side by side.
const LANES: usize = 16;

/// How many tokens of a sentence are predicted from others: all but the first, which with a BOS is BOS.
pub(super) fn predicted(sentence: &Encoded) -> usize {
    sentence.ids.len().saturating_sub(1)
}

/// The edits that switch `neurons` off: `act(gate) * up` becomes 0, which is what `act(gate) = 0` makes of it.
pub(super) fn switched_off(neurons: &[usize], places: &Places) -> Vec<Edit> {
    let of_layer = neurons.chunk_by(|a, b| places.place(*a).0 == places.place(*b).0).map(|own| {
        let neurons = own.iter().map(|neuron| places.place(*neuron).1).collect();
        Edit::at(Site::new(Point::MlpAct, places.place(own[0]).0), Op::Scale { neurons, factor: 0.0 })
    });
    of_layer.collect()
}

/// Whether next-token probabilities mean anything in this model.
pub(super) fn check(engine: &Engine) -> Result<()> {
    let has_head = engine.sites().iter().any(|site| site.point == Point::Logits);
    if engine.is_causal() && has_head {
        return Ok(());
    }
    let why = format!(
        "this {} predicts no next token, so it has no perplexity; set `effect = false` to choose neurons without measuring what \
         they do",
        engine.info().family
    );
    Err(Error::Input { measure: "neurons", why })
}

/// `-sum ln p` in nats over the predicted tokens of each of the first `sentences` held-out lines.
pub(super) fn losses(
    engine: &Engine,
    text: &Text,
    sentences: usize,
    edits: &[Edit],
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let held_out = &text.halves[1][..sentences];
    let capture = Capture { site: Site::layer(engine.info().layers), reduce: Reduce::All };
    let plan = Plan { captures: vec![capture], edits: edits.to_vec(), ..Plan::default() };
    let tokens = (STATE_BYTES / (engine.info().width * size_of::<f32>())).max(1);
    let quiet = monitor.quiet();
    let mut losses = Vec::with_capacity(sentences);
    let mut logits = Vec::new();
    while losses.len() < sentences {
        let first = losses.len();
        let group = &held_out[first..first + fitting(&held_out[first..], tokens)];
        let captured = engine.run(group, &plan, &quiet).map_err(|e| text.named(1, first, e))?;
        let Some(Values::Tokens(states)) = captured.into_iter().next().map(|captured| captured.values) else {
            let why = "the engine pooled what was to be kept whole".to_owned();
            return Err(Error::Input { measure: "neurons", why });
        };
        let each = of_tokens(engine, group, &states, &mut logits)?;
        let mut rest = each.as_slice();
        for sentence in group {
            let (own, others) = rest.split_at(predicted(sentence));
            losses.push(own.iter().sum());
            rest = others;
        }
        monitor.check()?;
    }
    if let Some(bad) = losses.iter().position(|loss: &f64| !loss.is_finite()) {
        let why = format!(
            "line {} of {}: the logits are not finite (NaN or infinite), so it has no perplexity; check the weights of the model",
            2 * bad + 2,
            text.language
        );
        return Err(Error::Input { measure: "neurons", why });
    }
    Ok(losses)
}

/// How many sentences from the first on have at most `tokens` tokens together, at least one.
fn fitting(sentences: &[Encoded], tokens: usize) -> usize {
    let mut left = tokens;
    let fit = |sentence: &&Encoded| match left.checked_sub(sentence.ids.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    sentences.iter().take_while(fit).count().max(1)
}

/// `-ln p` of each predicted token, one sentence behind the other.
fn of_tokens(engine: &Engine, group: &[Encoded], states: &[Tensor], logits: &mut Vec<f32>) -> Result<Vec<f64>> {
    let vocabulary = engine.info().vocabulary;
    let before: Vec<Tensor> = (states.iter().zip(group))
        .filter(|(_, sentence)| predicted(sentence) > 0)
        .map(|(states, sentence)| states.narrow(0, 0, predicted(sentence)))
        .collect::<candle_core::Result<_>>()
        .map_err(babelscope_core::Error::from)?;
    let next: Vec<u32> = group.iter().flat_map(|sentence| sentence.ids.iter().skip(1)).copied().collect();
    if before.is_empty() {
        return Ok(Vec::new());
    }
    let before = Tensor::cat(&before, 0).map_err(babelscope_core::Error::from)?;
    let block = (LOGIT_BYTES / (vocabulary * size_of::<f32>())).max(1);
    let mut losses = Vec::with_capacity(next.len());
    for (at, next) in next.chunks(block).enumerate() {
        let rows = before.narrow(0, at * block, next.len()).map_err(babelscope_core::Error::from)?;
        engine.unembed_into(&rows, logits)?;
        let of = |(row, next): (&[f32], &u32)| loss(row, *next as usize);
        losses.par_extend(logits.par_chunks_exact(vocabulary).zip(next).map(of));
    }
    Ok(losses)
}

/// `ln sum_v exp(x_v) - x_next`
fn loss(logits: &[f32], next: usize) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total = dispatch(
        #[inline(always)]
        || {
            let mut sums = [0f64; LANES];
            for part in logits.chunks(LANES) {
                sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += f64::from(exp(x - max)));
            }
            sums.iter().sum::<f64>()
        },
    );
    total.ln() - f64::from(logits[next] - max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn loss_is_the_negative_logarithm_of_the_softmax(x in prop::collection::vec(-40f32..40.0, 1..70), next: prop::sample::Index) {
            let next = next.index(x.len());
            let total: f64 = x.iter().map(|x| f64::from(*x).exp()).sum();
            let want = total.ln() - f64::from(x[next]);
            prop_assert!((loss(&x, next) - want).abs() < 1e-5 * (1.0 + want), "{} {want}", loss(&x, next));
        }
    }

    #[test]
    fn broken_logits_have_no_finite_loss() {
        for x in [f32::NAN, f32::INFINITY] {
            assert!(!loss(&[0.0, x, 1.0], 0).is_finite());
        }
        assert!(!loss(&[f32::NEG_INFINITY, 1.0], 0).is_finite());
    }

    #[test]
    fn groups_hold_whole_sentences() {
        let sentences = [4, 5, 1, 20].map(|n| Encoded { ids: vec![1; n], spans: vec![0..0; n], bos: 1 });
        assert_eq!(fitting(&sentences, 10), 3);
        assert_eq!(fitting(&sentences, 9), 2);
        assert_eq!(fitting(&sentences[3..], 10), 1);
    }
}
