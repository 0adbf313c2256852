//! Whether plan, model and sentences fit each other, before anything is computed.

use super::{missing, moment, seen, square, width};
use crate::{
    Error, Result, edit,
    model::Config,
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};

/// Checks plan and sentences against the model and each other; nothing has been computed yet. Edits go by the sentences as they are given
/// here: rows that come behind them are generated.
pub(crate) fn check(plan: &Plan, config: &Config, sentences: &[Encoded]) -> Result<()> {
    check_plan(plan, config)?;
    check_sentences(plan, config, sentences)?;
    edit::check(plan, config, sentences)
}

fn check_plan(plan: &Plan, config: &Config) -> Result<()> {
    let layers = config.layers;
    if let Some(stop) = plan.stop_after.filter(|stop| *stop > layers) {
        return Err(Error::Plan { why: format!("stop_after is layer {stop}, the model has layers 0 to {layers}") });
    }
    for Capture { site, reduce } in &plan.captures {
        let fail = |why: String| Error::Site { text: site.to_string(), why };
        if site.point.in_block() != (site.block > 0) || site.block > layers {
            return Err(fail(format!("the model has blocks 1 to {layers}")));
        }
        if let Some(why) = missing(*site, config) {
            return Err(fail(why));
        }
        if square(site.point) && *reduce != Reduce::All {
            return Err(fail("holds a square for each head, so only the reduction `all` applies".to_owned()));
        }
        if let Some(stop) = plan.stop_after {
            // What enters block l + 1 is layer l.
            let reached = moment(*site) <= moment(Site::layer(stop)) || *site == Site::new(Point::ResidPre, stop + 1);
            if !reached {
                return Err(fail(format!("lies behind layer {stop}, where the plan stops")));
            }
        }
    }
    Ok(())
}

/// Bytes that captures of every token may take together; a corpus of logits would fill any memory.
const TOKEN_BYTES: usize = 8 << 30;

/// Refuses captures that would keep more than [`TOKEN_BYTES`] of sentences of these lengths.
pub(crate) fn check_size(
    captures: &[Capture],
    config: &Config,
    lengths: impl Iterator<Item = usize> + Clone,
) -> Result<()> {
    let cells = |capture: &Capture, tokens: usize| match capture.reduce {
        Reduce::All if square(capture.site.point) => config.heads * tokens * tokens,
        Reduce::All => tokens * width(capture.site.point, config),
        Reduce::Mean(_) | Reduce::Weighted(_) | Reduce::Active(_) | Reduce::Last => 0,
    };
    let all = captures.iter().flat_map(|capture| lengths.clone().map(move |tokens| cells(capture, tokens)));
    let bytes = all.fold(0usize, |sum, cells| sum.saturating_add(cells.saturating_mul(size_of::<f32>())));
    if bytes <= TOKEN_BYTES {
        return Ok(());
    }
    let (want, limit) = (bytes >> 30, TOKEN_BYTES >> 30);
    let why = format!(
        "would keep {want} GiB of single tokens, the limit is {limit} GiB; pool them, or give fewer sentences or sites"
    );
    Err(Error::Plan { why })
}

fn check_sentences(plan: &Plan, config: &Config, sentences: &[Encoded]) -> Result<()> {
    if sentences.is_empty() {
        return Err(Error::Plan { why: "no sentences were given".to_owned() });
    }
    for (index, sentence) in sentences.iter().enumerate() {
        let fail = |why: String| Error::Sentence { index, why };
        let tokens = sentence.ids.len();
        if tokens == 0 {
            return Err(fail("is empty: it has no tokens".to_owned()));
        }
        if sentence.bos > tokens {
            return Err(fail(format!("counts {} BOS tokens among its {tokens}", sentence.bos)));
        }
        if tokens > config.context {
            return Err(fail(format!("has {tokens} tokens, the model's context is {}; shorten it", config.context)));
        }
        if let Some(id) = sentence.ids.iter().find(|id| **id as usize >= config.vocabulary) {
            let why = format!("has token id {id}, the model's embedding ends at {}", config.vocabulary - 1);
            return Err(fail(why));
        }
        if let Some(id) = config.shifting_id.filter(|id| sentence.ids.contains(id)) {
            let why = format!(
                "holds the padding token (id {id}), behind which {} counts positions in another way; leave it out",
                config.family
            );
            return Err(fail(why));
        }
        for Capture { reduce, .. } in &plan.captures {
            if let Reduce::Mean(window) | Reduce::Weighted(window) | Reduce::Active(window) = reduce
                && seen(*window, sentence.bos, tokens).next().is_none()
            {
                let why = format!(
                    "has {tokens} tokens, and the window (BOS {}, first {} left out) leaves none to pool",
                    if window.include_bos { "included" } else { "left out" },
                    window.skip_first
                );
                return Err(fail(why));
            }
        }
    }
    Ok(())
}
