//! What a model says next: prompts of any lengths go on together, token after token, with a plan executed on all of it.
//!
//! Each sequence is the same alone and in any batch: its rows are its own, and so are its random numbers
//! ([`Generate::seed`]). A plan's captures are those of [`Engine::run`] on the prompt with the new tokens behind it; its edits tell
//! given tokens from generated ones ([`crate::plan::Positions`]).

mod options;
mod sampling;
mod stop;

use std::{collections::BTreeMap, ops::ControlFlow};

use rayon::prelude::*;

pub use self::options::{Generate, Generated, Generation, Step, Stop};
use self::{
    sampling::{Chosen, choose, stream},
    stop::Text,
};
use crate::{
    Error, Result,
    alarm::Run,
    capture::{Collector, Layout},
    engine::{BATCH_TOKENS, Engine},
    model::{Batch, Cache, Decoder, Scratch, config::Mask},
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::{Encoded, Tokenizer},
};

/// Keys and values that are kept at once; more sequences than fit go one group after the other.
const CACHE_BYTES: usize = 2 << 30;
/// Sequences that go on together.
const SEQUENCES: usize = 64;

/// A prompt and what was said so far.
struct Sequence<'a> {
    index: usize,
    prompt: &'a Encoded,
    ids: Vec<u32>,
    text: Text<'a>,
    random: rand_chacha::ChaCha20Rng,
    /// Prompt and new tokens, each once; empty without a repetition penalty.
    seen: std::collections::BTreeSet<u32>,
    logprobs: Vec<f32>,
    /// Tokens, prompt included, at which it ends.
    limit: usize,
    stop: Option<Stop>,
}

impl Sequence<'_> {
    fn tokens(&self) -> usize {
        self.prompt.ids.len() + self.ids.len()
    }
}

impl Engine {
    /// Continues `prompts`, and executes `plan` on the prompts and on every new token.
    ///
    /// `on_token` hears of each token with the text that is safe to show; [`ControlFlow::Break`] ends that sequence. Ticks once a
    /// step. Sequences that have ended leave the batch.
    ///
    /// With longrope (Phi 3) a sequence's frequencies go by its prompt plus `max_new_tokens` from the first token on: keys that
    /// are kept are never turned in two ways, and the numbers are those of one pass over a text of that length.
    ///
    /// # Errors
    /// Before any work: [`Error::Plan`] for options that make no sense, an encoder, a plan that stops early or that the model
    /// cannot execute; [`Error::Sentence`] for a prompt that is empty or leaves no room in the context. [`Error::Config`] when
    /// generation_config.json cannot be read. [`Error::Sentence`] when logits are not numbers, [`Error::NotFinite`] when a captured
    /// number is not. [`Error::Cancelled`] between blocks.
    pub fn generate(
        &self,
        prompts: &[Encoded],
        options: &Generate,
        plan: &Plan,
        on_token: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
        monitor: &Monitor,
    ) -> Result<Generation> {
        options.check()?;
        let decoder = self.native()?;
        can_continue(decoder, prompts, plan)?;
        let config = &decoder.config;
        let mut own = plan.clone();
        own.captures.push(Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last });
        let ends = if options.ignore_eos { Vec::new() } else { self.notes.ends()? };
        let mut talk = Talk {
            decoder,
            tokenizer: &self.tokenizer,
            options,
            collector: Collector::growing(&own, config, prompts, options.max_new_tokens)?,
            scratch: self.scratch().pop().unwrap_or_default(),
            captures: !plan.captures.is_empty(),
            ends,
            said: 0,
            monitor,
        };
        let mut copies = BTreeMap::new();
        let mut waiting: Vec<Sequence<'_>> = Vec::with_capacity(prompts.len());
        for (index, prompt) in prompts.iter().enumerate() {
            let copy = copies.entry(&prompt.ids).and_modify(|copy| *copy += 1).or_insert(0u64);
            waiting.push(Sequence {
                index,
                prompt,
                ids: Vec::new(),
                text: Text::new(&options.stop),
                random: stream(options.seed, &prompt.ids, *copy),
                seen: Default::default(),
                logprobs: Vec::new(),
                limit: prompt.ids.len().saturating_add(options.max_new_tokens).min(config.context),
                stop: None,
            });
        }
        let total = waiting.iter().map(|sequence| sequence.limit - sequence.prompt.ids.len()).sum();
        monitor.tick(tick(0, total))?;
        let mut done = Vec::with_capacity(prompts.len());
        while !waiting.is_empty() {
            let mut bytes = 0;
            let fits = waiting.iter().take(SEQUENCES).take_while(|sequence| {
                bytes += sequence.limit * Cache::bytes_a_token(config);
                bytes <= CACHE_BYTES
            });
            let group = fits.count().max(1);
            talk.group(waiting.drain(..group).collect(), total, on_token, &mut done)?;
        }
        monitor.tick(tick(total, total))?;
        let Talk { collector, scratch, .. } = talk;
        self.scratch().push(scratch);
        done.sort_by_key(|sequence| sequence.index);
        let sequences = done.into_iter().map(|sequence| {
            let Sequence { ids, text, logprobs, stop, .. } = sequence;
            let logprobs = options.logprobs.then_some(logprobs);
            Generated { ids, text: text.into_string(), stop: stop.unwrap_or(Stop::Length), logprobs }
        });
        let Run { captured, alarms } = collector.finish_growing(config)?.finite()?;
        Ok(Generation { sequences: sequences.collect(), captured, alarms })
    }
}

fn can_continue(decoder: &Decoder, prompts: &[Encoded], plan: &Plan) -> Result<()> {
    let config = &decoder.config;
    let family = config.family;
    let refuse = |why: String| Err(Error::Plan { why });
    if config.mask == Mask::Full || !decoder.has_head() {
        return refuse(format!("{family} is an encoder: it reads a text whole and cannot continue it; load a decoder"));
    }
    if let Some(layer) = plan.stop_after {
        return refuse(format!("stop_after is layer {layer}, but a new token needs the whole pass; leave it out"));
    }
    for (index, prompt) in prompts.iter().enumerate() {
        let (tokens, context) = (prompt.ids.len(), config.context);
        if tokens == context {
            let why =
                format!("has {tokens} tokens, which is all of the model's context: no room for a new one; shorten it");
            return Err(Error::Sentence { index, why });
        }
    }
    Ok(())
}

fn tick(done: usize, total: usize) -> Tick<'static> {
    Tick { what: "generating", done, total, unit: "tokens" }
}

/// The work on one call's sequences.
struct Talk<'a> {
    decoder: &'a Decoder,
    tokenizer: &'a Tokenizer,
    options: &'a Generate,
    collector: Collector<'a>,
    scratch: Scratch,
    /// Whether the plan captures, so that the last token needs a pass of its own too.
    captures: bool,
    /// Tokens that end a text.
    ends: Vec<u32>,
    /// New tokens of all sequences.
    said: usize,
    monitor: &'a Monitor,
}

impl<'a> Talk<'a> {
    /// Continues `active` until each of them has ended, and puts them into `done`.
    fn group(
        &mut self,
        mut active: Vec<Sequence<'a>>,
        total: usize,
        on_token: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
        done: &mut Vec<Sequence<'a>>,
    ) -> Result<()> {
        let config = &self.decoder.config;
        let mut cache = Cache::new(config, &[]);
        self.serve(&active);
        let mut first = 0;
        while first < active.len() {
            let batch = prompts(&active, first);
            let limits: Vec<usize> = active[first..].iter().take(batch.layout.len()).map(|s| s.limit).collect();
            let mut own = Cache::new(config, &limits);
            first += batch.layout.len();
            self.forward(&batch, &mut own)?;
            cache.absorb(own);
        }
        loop {
            self.choose(&mut active, on_token)?;
            self.monitor.tick(tick(self.said, total))?;
            // A sequence that has ended goes through one more pass where its last token's states are wanted.
            let seen = cache.tokens().to_vec();
            let captures = self.captures;
            let goes_on = |sequence: &Sequence<'_>, seen: usize| {
                sequence.stop.is_none() || (captures && seen < sequence.tokens())
            };
            let keep: Vec<bool> = active.iter().zip(&seen).map(|(sequence, seen)| goes_on(sequence, *seen)).collect();
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

    fn serve(&mut self, active: &[Sequence<'_>]) {
        self.collector.serve(active.iter().map(|sequence| sequence.index).collect());
    }

    /// One pass, on a thread of the pool: from outside of it, each of the small tasks of a step would wake a thread and wait for it.
    fn forward(&mut self, batch: &Batch, cache: &mut Cache) -> Result<()> {
        let Self { decoder, scratch, collector, monitor, .. } = self;
        rayon::scope(|_| decoder.forward(batch, scratch, collector, Some(cache), monitor))
    }

    /// The next token of each sequence that has not ended.
    fn choose(
        &mut self,
        active: &mut [Sequence<'a>],
        on_token: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
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
            let Sequence { index, text, stop, .. } = sequence;
            let step = Step { sequence: *index, token, logprob, text: text.fresh(), stop: stop.as_ref() };
            if on_token(step).is_break() && stop.is_none() {
                *stop = Some(Stop::Asked);
                text.end();
            }
        }
        Ok(())
    }
}

/// The next prompts, up to a batch's number of tokens.
fn prompts(active: &[Sequence<'_>], first: usize) -> Batch {
    let layout = Layout { starts: vec![0], past: Vec::new(), first };
    let mut batch = Batch { ids: Vec::new(), positions: Vec::new(), lengths: Vec::new(), layout };
    for sequence in &active[first..] {
        let ids = &sequence.prompt.ids;
        if !batch.ids.is_empty() && batch.ids.len() + ids.len() > BATCH_TOKENS {
            break;
        }
        batch.ids.extend(ids);
        batch.positions.extend((0..).take(ids.len()).map(|position: u32| position));
        batch.lengths.push(sequence.limit);
        batch.layout.past.push(0);
        batch.layout.starts.push(batch.ids.len());
    }
    batch
}

/// The last token of each sequence.
fn newest(active: &[Sequence<'_>], cache: &Cache) -> Batch {
    let layout = Layout { starts: (0..=active.len()).collect(), past: cache.tokens().to_vec(), first: 0 };
    let ids = active.iter().filter_map(|sequence| sequence.ids.last().copied()).collect();
    let positions = cache.tokens().iter().map(|tokens| *tokens as u32).collect();
    Batch { ids, positions, lengths: active.iter().map(|sequence| sequence.limit).collect(), layout }
}
