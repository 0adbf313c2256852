//! The loop of a generation: read prompts, choose a token for each sequence, run those tokens, and so on until all have ended.

use rayon::prelude::*;

use super::{
    Generate, OnToken, Sequence, Step, Stop,
    sampling::{Chosen, choose},
    tick,
};
use crate::{
    Error, Result,
    capture::{Collector, Layout},
    engine::BATCH_TOKENS,
    known::Tail,
    model::{Batch, Cache, Decoder, Scratch},
    monitor::Monitor,
    tokens::{Encoded, Tokenizer},
};

/// The work on one call's sequences.
pub(super) struct Talk<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) options: &'a Generate,
    pub(super) prompts: &'a [Encoded],
    pub(super) collector: Collector<'a>,
    pub(super) scratch: Scratch,
    /// For each plan whether it captures, so that the last token needs a pass of its own too.
    pub(super) captures: Vec<bool>,
    /// Tokens that end a text.
    pub(super) ends: Vec<u32>,
    /// New tokens of all sequences, so far and at most.
    pub(super) said: usize,
    pub(super) total: usize,
    pub(super) monitor: &'a Monitor,
}

impl<'a> Talk<'a> {
    /// Reads the prompts of `active`, all of one plan.
    pub(super) fn read(&mut self, active: &[Sequence<'a>]) -> Result<Cache> {
        let config = &self.decoder.config;
        let mut cache = Cache::new(config, &[]);
        self.serve(active);
        let mut first = 0;
        while first < active.len() {
            let batch = prompts(active, first);
            let limits: Vec<usize> = active[first..].iter().take(batch.layout.len()).map(|s| s.limit).collect();
            let mut own = Cache::new(config, &limits);
            first += batch.layout.len();
            self.forward(&batch, &mut own)?;
            cache.absorb(own);
        }
        Ok(cache)
    }

    /// The same where `known` remembers the beginnings of the prompts, and `tails` says what of each is left to read.
    pub(super) fn read_behind(&mut self, active: &[Sequence<'a>], known: &Cache, tails: &[Tail]) -> Result<Cache> {
        let config = &self.decoder.config;
        let mut cache = Cache::new(config, &[]);
        self.serve(active);
        let mut first = 0;
        while first < active.len() {
            let mut batch = Batch::new(first);
            let mut beginnings = Vec::new();
            for Sequence { index, prompt, limit, length, .. } in &active[first..] {
                let Tail { of, past, .. } = tails[*index];
                let ids = &prompt.ids[past..];
                if !batch.takes(ids, BATCH_TOKENS) {
                    break;
                }
                batch.add_behind(past, ids, *length);
                beginnings.push((of, past, *limit));
            }
            let mut own = known.cut(config, &beginnings);
            first += batch.layout.len();
            self.forward(&batch, &mut own)?;
            cache.absorb(own);
        }
        Ok(cache)
    }

    /// Continues `active`, whose prompts were read, until each of them has ended, and puts them into `done`.
    pub(super) fn go_on(
        &mut self,
        mut active: Vec<Sequence<'a>>,
        mut cache: Cache,
        on_token: &mut OnToken<'_>,
        done: &mut Vec<Sequence<'a>>,
    ) -> Result<()> {
        loop {
            self.choose(&mut active, on_token)?;
            self.monitor.tick(tick(self.said, self.total))?;
            // A sequence that has ended goes through one more pass where its last token's states are wanted.
            let goes_on = |(sequence, seen): (&Sequence<'_>, &usize)| {
                sequence.stop.is_none() || (self.captures[sequence.plan] && *seen < sequence.tokens())
            };
            let keep: Vec<bool> = active.iter().zip(cache.tokens()).map(goes_on).collect();
            cache.retain(&keep);
            let (going, ended) = active.into_iter().zip(keep).partition::<Vec<_>, _>(|(_, keep)| *keep);
            done.extend(ended.into_iter().map(|(sequence, _)| sequence));
            active = going.into_iter().map(|(sequence, _)| sequence).collect();
            if active.is_empty() {
                return Ok(());
            }
            self.serve(&active);
            let batch = newest(&active, &cache);
            self.forward(&batch, &mut cache)?;
        }
    }

    pub(super) fn serve(&mut self, active: &[Sequence<'_>]) {
        let all = self.prompts.len();
        self.collector.serve(active.iter().map(|sequence| sequence.plan * all + sequence.index).collect());
    }

    /// One pass, on a thread of the pool: from outside of it, each of the small tasks of a step would wake a thread and wait for it.
    fn forward(&mut self, batch: &Batch, cache: &mut Cache) -> Result<()> {
        let Self { decoder, scratch, collector, monitor, .. } = self;
        rayon::scope(|_| decoder.forward(batch, scratch, collector, Some(cache), monitor))
    }

    /// The next token of each sequence that has not ended.
    fn choose(&mut self, active: &mut [Sequence<'a>], on_token: &mut OnToken<'_>) -> Result<()> {
        let Self { decoder, tokenizer, options, collector, ends, said, .. } = self;
        let vocabulary = decoder.config.vocabulary;
        let rows = collector.chosen_by().par_chunks_mut(vocabulary);
        let pick = |(sequence, logits): (&mut Sequence<'_>, &mut [f32])| {
            if sequence.stop.is_some() {
                return None;
            }
            if options.repetition_penalty != 1.0 {
                let news = if sequence.ids.is_empty() { sequence.prompt.ids.iter() } else { sequence.ids.iter() };
                sequence.seen.extend(news.copied());
            }
            Some(choose(options, logits, &sequence.seen, &mut sequence.random))
        };
        let picked: Vec<Option<Option<Chosen>>> = active.par_iter_mut().zip(rows).map(pick).collect();
        for (sequence, picked) in active.iter_mut().zip(picked) {
            let Some(chosen) = picked else { continue };
            let Some(Chosen { token, logprob }) = chosen else {
                let why = format!(
                    "after {} new tokens the logits are no finite numbers; a state overflowed, or an edit is too strong",
                    sequence.ids.len()
                );
                return Err(Error::Sentence { index: sequence.index, why });
            };
            *said += 1;
            sequence.ids.push(token);
            sequence.logprobs.extend(logprob);
            let end = ends.contains(&token);
            let bytes = if end { None } else { tokenizer.bytes(token) };
            let found = sequence.text.push(&bytes.unwrap_or_default()).map(str::to_owned);
            sequence.stop = if end {
                Some(Stop::End)
            } else if let Some(found) = found {
                Some(Stop::Text(found))
            } else if sequence.ids.len() == options.max_new_tokens {
                Some(Stop::Length)
            } else if sequence.tokens() == sequence.limit {
                Some(Stop::Context)
            } else {
                None
            };
            if sequence.stop.is_some() {
                sequence.text.end();
            }
            let Sequence { plan, index, text, stop, .. } = sequence;
            let step = Step { sequence: *index, token, logprob, text: text.fresh(), stop: stop.as_ref() };
            if on_token(*plan, step).is_break() && stop.is_none() {
                *stop = Some(Stop::Asked);
                text.end();
            }
        }
        Ok(())
    }
}

/// The next prompts, up to a batch's number of tokens.
fn prompts(active: &[Sequence<'_>], first: usize) -> Batch {
    let mut batch = Batch::new(first);
    for Sequence { prompt, limit, .. } in &active[first..] {
        if !batch.takes(&prompt.ids, BATCH_TOKENS) {
            break;
        }
        batch.add(&prompt.ids, *limit);
    }
    batch
}

/// The last token of each sequence.
fn newest(active: &[Sequence<'_>], cache: &Cache) -> Batch {
    let layout = Layout { starts: (0..=active.len()).collect(), past: cache.tokens().to_vec(), first: 0 };
    let ids = active.iter().filter_map(|sequence| sequence.ids.last().copied()).collect();
    let positions = cache.tokens().iter().map(|tokens| *tokens as u32).collect();
    Batch { ids, positions, lengths: active.iter().map(|sequence| sequence.length).collect(), layout }
}
