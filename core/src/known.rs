//! Texts that the model remembers, so that whatever comes behind any part of them costs its own tokens alone.
//!
//! A chain of thought is read once; then behind each of its steps a question is put, or a step is left out and the rest is read
//! again. Keys and values of the text's tokens are kept once, and every branch begins with as many of them as it likes.
//!
//! Tensor libraries keep no keys here: there each branch is run with all that comes before it, and the numbers are the same to
//! rounding ([`Known::shares`]).

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use candle_core::Tensor;

use crate::{
    Error, Result,
    capture::Collector,
    engine::{BATCH_TOKENS, Captured, Engine, Values},
    model::{Batch, Cache},
    monitor::{Monitor, Tick},
    plan::{Capture, Given, Plan, Reduce},
    tokens::Encoded,
};

/// Keys and values that texts may take together.
const KNOWN_BYTES: usize = 8 << 30;

/// Texts with what the model remembers of them; see [`Engine::know`].
pub struct Known {
    texts: Vec<Encoded>,
    /// What each counts as for longrope: the tokens that may come behind it included.
    lengths: Vec<usize>,
    cache: Option<Cache>,
}

/// Tokens behind a beginning of a known text.
///
/// ```
/// use babelscope_core::{
///     engine::{Engine, LoadOptions},
///     known::Branch,
///     monitor::Monitor,
///     plan::{Plan, Reduce},
/// };
/// let monitor = Monitor::silent();
/// let engine = Engine::load("lab", &LoadOptions::default(), &monitor)?;
/// let text = engine.tokenizer().encode("A cat sleeps. A dog runs.")?;
/// let (known, _) = engine.know(&[text], 1, &[], &monitor)?;
/// // The third token again, behind the first two.
/// let again = Branch { of: 0, cut: 2, ids: known.texts()[0].ids[2..3].to_vec() };
/// let states = engine.run_behind(&known, &[again], &Plan::layers([1], Reduce::Last), &monitor)?;
/// assert_eq!(states.len(), 1);
/// # Ok::<(), babelscope_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Number of the text.
    pub of: usize,
    /// How many of its tokens come first.
    pub cut: usize,
    /// What comes behind them.
    pub ids: Vec<u32>,
}

/// What is left to read of a branch.
#[derive(Clone, Copy)]
pub(crate) struct Tail {
    /// Number of the text that it begins with.
    pub(crate) of: usize,
    /// Tokens that are known.
    pub(crate) past: usize,
    /// What it counts as for longrope.
    pub(crate) length: usize,
}

/// Branches made ready to be read.
pub(crate) struct Beginnings<'a> {
    /// Each with what comes before it.
    pub(crate) wholes: Vec<Encoded>,
    pub(crate) tails: Vec<Tail>,
    pub(crate) cache: Option<&'a Cache>,
}

impl Known {
    /// The texts, in the order given. What came of [`Engine::know_behind`] holds each branch with its beginning.
    pub fn texts(&self) -> &[Encoded] {
        &self.texts
    }

    /// Whether beginnings are shared; where not, each branch is run whole.
    pub fn shares(&self) -> bool {
        self.cache.is_some()
    }

    /// The branches with all that comes before them; each may grow by `new` tokens more. A branch without tokens reads its last one again.
    pub(crate) fn beginnings(&self, branches: &[Branch], new: usize) -> Result<Beginnings<'_>> {
        let mut wholes = Vec::with_capacity(branches.len());
        let mut tails = Vec::with_capacity(branches.len());
        for (index, Branch { of, cut, ids }) in branches.iter().enumerate() {
            let fail = |why: String| Err(Error::Sentence { index, why });
            let (Some(text), Some(length)) = (self.texts.get(*of), self.lengths.get(*of)) else {
                return fail(format!("begins with text {of}, and {} are known (0 is the first)", self.texts.len()));
            };
            let Some(before) = text.ids.get(..*cut) else {
                return fail(format!("begins with {cut} tokens of text {of}, which has {}", text.ids.len()));
            };
            let whole: Vec<u32> = before.iter().chain(ids).copied().collect();
            if whole.is_empty() {
                return fail("has no tokens, and none come before it".to_owned());
            }
            if whole.len() + new > *length {
                return fail(format!(
                    "has with its beginning {} tokens and may grow by {new}, but text {of} was read with room for {length} in all; \
                     say so in `room`",
                    whole.len()
                ));
            }
            tails.push(Tail { of: *of, past: (*cut).min(whole.len() - 1), length: *length });
            wholes.push(plain(whole, text.bos.min(*cut)));
        }
        Ok(Beginnings { wholes, tails, cache: self.cache.as_ref() })
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("texts", &self.texts.len()).field("shares", &self.shares()).finish()
    }
}

/// Tokens of which nobody knows the text.
fn plain(ids: Vec<u32>, bos: usize) -> Encoded {
    Encoded { spans: vec![0..0; ids.len()], ids, bos }
}

impl Engine {
    /// Reads `texts` whole, gives what `captures` ask for, and keeps what the model remembers. Behind each text there may come up to
    /// `room` tokens: with longrope (Phi 3) a text's frequencies go by its length with the room, for keys that are kept are never turned
    /// in two ways.
    ///
    /// # Errors
    /// Those of [`Engine::run`]; [`Error::Plan`] for an encoder, in which every token sees those behind it, and for texts whose keys no
    /// memory holds.
    pub fn know(
        &self,
        texts: &[Encoded],
        room: usize,
        captures: &[Capture],
        monitor: &Monitor,
    ) -> Result<(Known, Vec<Captured>)> {
        let plan = Plan { captures: captures.to_vec(), ..Plan::default() };
        let tails = texts.iter().enumerate().map(|(of, text)| Tail { of, past: 0, length: text.ids.len() + room });
        let nothing = self.decoder().map(|decoder| Cache::new(&decoder.config, &vec![0; texts.len()]));
        let read = Beginnings { wholes: texts.to_vec(), tails: tails.collect(), cache: nothing.as_ref() };
        self.read(read, &plan, true, monitor)
    }

    /// Reads `branches` behind the beginnings that are known, and remembers them too.
    ///
    /// # Errors
    /// As [`Engine::run_behind`].
    pub fn know_behind(
        &self,
        known: &Known,
        branches: &[Branch],
        captures: &[Capture],
        monitor: &Monitor,
    ) -> Result<(Known, Vec<Captured>)> {
        let plan = Plan { captures: captures.to_vec(), ..Plan::default() };
        self.read(known.beginnings(branches, 0)?, &plan, true, monitor)
    }

    /// Runs `plan` on `branches`: what [`Engine::run`] gives for each with its beginning, but of the new tokens alone. The reductions are
    /// [`Reduce::All`] and [`Reduce::Last`]; squares of attention are `[heads, new tokens, tokens]`. Positions of edits count from the
    /// first token of the whole; what is remembered is never changed. A branch without tokens reads the last one of its beginning again.
    ///
    /// # Errors
    /// Those of [`Engine::run`]; [`Error::Sentence`] for a branch of no known text or without room, [`Error::Plan`] for another reduction,
    /// and for an edit that would reach a token that was read before.
    pub fn run_behind(
        &self,
        known: &Known,
        branches: &[Branch],
        plan: &Plan,
        monitor: &Monitor,
    ) -> Result<Vec<Captured>> {
        let read = known.beginnings(branches, 0)?;
        if let Some(Capture { reduce, .. }) =
            plan.captures.iter().find(|c| !matches!(c.reduce, Reduce::All | Reduce::Last))
        {
            let why = format!(
                "{reduce:?} would pool tokens that were read before; behind known texts there are `all` and `last`"
            );
            return Err(Error::Plan { why });
        }
        for (number, edit) in plan.edits.iter().enumerate() {
            let indices = (0..branches.len()).filter(|index| edit.is_in(*index));
            for (index, past) in indices.map(|index| (index, read.tails[index].past)) {
                let whole = &read.wholes[index];
                let given = Given { bos: whole.bos, tokens: whole.ids.len() };
                if let Some(at) = (0..past).find(|at| edit.positions.place(*at, given).is_some()) {
                    let why = format!(
                        "edit {number} ({}) reaches token {at} of branch {index}, whose first {past} tokens were read before; \
                         give it positions from {past} on",
                        edit.op.name()
                    );
                    return Err(Error::Plan { why });
                }
            }
        }
        Ok(self.read(read, plan, false, monitor)?.1)
    }

    fn read(&self, read: Beginnings<'_>, plan: &Plan, keep: bool, monitor: &Monitor) -> Result<(Known, Vec<Captured>)> {
        let Beginnings { wholes, tails, cache } = read;
        if !self.is_causal() {
            let why = format!(
                "{} is an encoder: each token sees those behind it, so nothing that is remembered of a beginning would hold",
                self.info().family
            );
            return Err(Error::Plan { why });
        }
        let lengths: Vec<usize> = tails.iter().map(|tail| tail.length).collect();
        let (Some(decoder), Some(cache)) = (self.decoder(), cache) else {
            let captured = self.run(&wholes, plan, monitor)?;
            let captured = captured.into_iter().map(|captured| behind(captured, &tails)).collect::<Result<_>>()?;
            return Ok((Known { texts: wholes, lengths, cache: None }, captured));
        };
        let config = &decoder.config;
        let kept: usize = wholes.iter().zip(&tails).map(|(whole, tail)| whole.ids.len() - tail.past).sum();
        let bytes = kept.saturating_mul(Cache::bytes_a_block(config) * config.layers);
        if keep && bytes > KNOWN_BYTES {
            let (want, limit) = (bytes >> 30, KNOWN_BYTES >> 30);
            let why = format!(
                "the keys and values of {kept} tokens take {want} GiB, the limit is {limit} GiB; give fewer texts"
            );
            return Err(Error::Plan { why });
        }
        let mut order: Vec<usize> = (0..wholes.len()).collect();
        order.sort_by_key(|index| Reverse(wholes[*index].ids.len() - tails[*index].past));
        let mut collector = Collector::new(plan, config, &wholes, order.clone())?;
        let mut scratch = self.scratch().pop().unwrap_or_default();
        let mut all = Cache::new(config, &[]);
        let tick = |done| Tick { what: "reading texts", done, total: wholes.len(), unit: "texts" };
        monitor.tick(tick(0))?;
        let mut first = 0;
        while first < order.len() {
            let mut batch = Batch::new(first);
            let mut beginnings = Vec::new();
            for index in &order[first..] {
                let Tail { of, past, length } = tails[*index];
                let ids = &wholes[*index].ids;
                if !batch.takes(&ids[past..], BATCH_TOKENS) {
                    break;
                }
                batch.add_behind(past, &ids[past..], length);
                beginnings.push((of, past, ids.len()));
            }
            let mut own = cache.cut(config, &beginnings);
            // Not as a step of generation: what is captured must not depend on how it was batched.
            decoder.enter(&batch, &mut scratch, false)?;
            decoder.leave(0, &batch, &mut scratch, &mut collector, Some(&mut own), monitor)?;
            if keep {
                all.absorb(own);
            }
            first += beginnings.len();
            monitor.tick(tick(first))?;
        }
        self.scratch().push(scratch);
        let captured = collector.finish()?.finite()?.captured;
        if !keep {
            return Ok((Known { texts: Vec::new(), lengths: Vec::new(), cache: None }, captured));
        }
        let mut place = vec![(0, 0, 0); order.len()];
        for (executed, given) in order.iter().enumerate() {
            let tokens = wholes[*given].ids.len();
            place[*given] = (executed, tokens, tokens);
        }
        all.share();
        Ok((Known { texts: wholes, lengths, cache: Some(all.cut(config, &place)) }, captured))
    }
}

/// Of what was captured of whole texts the rows of the new tokens.
fn behind(captured: Captured, tails: &[Tail]) -> Result<Captured> {
    let Captured { capture, values } = captured;
    let values = match values {
        Values::Pooled(rows) => Values::Pooled(rows),
        Values::Tokens(all) => {
            let new = |(tensor, tail): (Tensor, &Tail)| {
                // `[tokens, width]` or `[heads, tokens, tokens]`: the tokens that look are the last dimension but one.
                let rows = tensor.rank() - 2;
                let tokens = tensor.dim(rows)?;
                tensor.narrow(rows, tail.past, tokens - tail.past)?.contiguous()
            };
            Values::Tokens(all.into_iter().zip(tails).map(new).collect::<candle_core::Result<_>>()?)
        }
    };
    Ok(Captured { capture, values })
}
