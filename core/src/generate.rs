//! What a model says next: prompts of any lengths go on together, token after token, with a plan executed on all of it, or each of
//! several plans.
//!
//! Each sequence is the same alone and in any batch: its rows are its own, and so are its random numbers
//! ([`Generate::seed`]). A plan's captures are those of [`Engine::run`] on the prompt with the new tokens behind it; its edits tell
//! given tokens from generated ones ([`crate::plan::Positions`]).

mod options;
mod sampling;
mod shared;
mod stop;
mod talk;

use std::{collections::BTreeMap, ops::ControlFlow, slice};

pub use self::options::{Generate, Generated, Generation, Step, Stop};
use self::{sampling::stream, shared::groups, stop::Text, talk::Talk};
use crate::{
    Error, Result,
    alarm::Run,
    capture::Collector,
    engine::Engine,
    forks::{Forks, numbered},
    known::{Beginnings, Branch, Known, Tail},
    model::{Cache, Decoder, config::Mask},
    monitor::{Monitor, Tick},
    plan::Plan,
    tokens::Encoded,
};

/// Keys and values that are kept at once; more sequences than fit go one group after the other.
const CACHE_BYTES: usize = 2 << 30;
/// Sequences that go on together.
const SEQUENCES: usize = 64;

/// What hears of each token, with the number of its plan.
type OnToken<'a> = dyn FnMut(usize, Step<'_>) -> ControlFlow<()> + 'a;

/// A prompt and what was said so far under a plan.
struct Sequence<'a> {
    plan: usize,
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
    /// Tokens that it counts as for longrope.
    length: usize,
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
        let mut hear = |_: usize, step: Step<'_>| on_token(step);
        let generations = self.generate_forks(prompts, options, slice::from_ref(plan), &mut hear, monitor)?;
        generations.into_iter().next().ok_or_else(no_plan)
    }

    /// Continues `prompts` under each of `plans`: what [`Engine::generate`] gives for one plan after the other, token for token where no
    /// two tokens are equally likely, and states as near as in other batches. Each plan's prompts have the same random numbers, so that
    /// what differs between two plans is the plans' doing.
    ///
    /// What plans have in common is done once: blocks of the prompts' pass below a plan's first edit, or the whole of it for a plan that
    /// changes nothing that is given, and its keys and values are kept once. The sequences of all plans go on together.
    ///
    /// `on_token` hears of each token with the number of its plan. Ticks once a step.
    ///
    /// # Errors
    /// Those of [`Engine::generate`]; a plan's problem names its number, from 0. [`Error::Plan`] without any plan.
    pub fn generate_forks(
        &self,
        prompts: &[Encoded],
        options: &Generate,
        plans: &[Plan],
        on_token: &mut dyn FnMut(usize, Step<'_>) -> ControlFlow<()>,
        monitor: &Monitor,
    ) -> Result<Vec<Generation>> {
        self.generate_from(prompts, None, options, plans, on_token, monitor)
    }

    /// Continues texts of which the model remembers a beginning: what [`Engine::generate`] gives for the whole texts, whose random numbers
    /// these are too, with no more to read than the branches' own tokens. A branch without tokens reads the last one of its beginning
    /// again. `on_token` hears of each token; ticks once a step.
    ///
    /// # Errors
    /// Those of [`Engine::generate`] and [`Engine::run_behind`]. [`Error::Plan`] where `max_new_tokens` is more than the room that
    /// [`Engine::know`] was told of.
    pub fn generate_behind(
        &self,
        known: &Known,
        branches: &[Branch],
        options: &Generate,
        on_token: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
        monitor: &Monitor,
    ) -> Result<Vec<Generated>> {
        self.native()?;
        let Beginnings { wholes, tails, cache } = known.beginnings(branches, options.max_new_tokens)?;
        let plan = Plan::default();
        let mut hear = |_: usize, step: Step<'_>| on_token(step);
        let beginnings = cache.map(|cache| (cache, tails.as_slice()));
        let made = self
            .generate_from(&wholes, beginnings, options, slice::from_ref(&plan), &mut hear, monitor)?
            .into_iter()
            .next();
        made.map(|generation| generation.sequences).ok_or_else(no_plan)
    }

    /// [`Engine::generate_forks`], with what is remembered of the prompts of a single plan.
    fn generate_from(
        &self,
        prompts: &[Encoded],
        beginnings: Option<(&Cache, &[Tail])>,
        options: &Generate,
        plans: &[Plan],
        on_token: &mut dyn FnMut(usize, Step<'_>) -> ControlFlow<()>,
        monitor: &Monitor,
    ) -> Result<Vec<Generation>> {
        options.check()?;
        let decoder = self.native()?;
        if plans.is_empty() {
            return Err(no_plan());
        }
        for (number, plan) in plans.iter().enumerate() {
            numbered(number, plans.len(), can_continue(decoder, prompts, plan))?;
        }
        let config = &decoder.config;
        let collector = Collector::growing(plans, config, prompts, options.max_new_tokens)?;
        let forks = Forks::new(plans, self, prompts);
        let limit = |prompt: &Encoded| prompt.ids.len().saturating_add(options.max_new_tokens).min(config.context);
        let new: usize = prompts.iter().map(|prompt| limit(prompt) - prompt.ids.len()).sum();
        let mut talk = Talk {
            decoder,
            tokenizer: &self.tokenizer,
            options,
            prompts,
            collector,
            scratch: self.scratch().pop().unwrap_or_default(),
            captures: plans.iter().map(|plan| !plan.captures.is_empty()).collect(),
            ends: if options.ignore_eos { Vec::new() } else { self.notes.ends()? },
            said: 0,
            total: new * plans.len(),
            monitor,
        };
        let mut copies = BTreeMap::new();
        let mut copy_of = |prompt| *copies.entry(prompt).and_modify(|copy| *copy += 1).or_insert(0u64);
        let copies: Vec<u64> = prompts.iter().map(|prompt| copy_of(&prompt.ids)).collect();
        let sequence = |plan: usize, index: usize| Sequence {
            plan,
            index,
            prompt: &prompts[index],
            ids: Vec::new(),
            text: Text::new(&options.stop),
            random: stream(options.seed, &prompts[index].ids, copies[index]),
            seen: Default::default(),
            logprobs: Vec::new(),
            limit: limit(&prompts[index]),
            length: beginnings.map_or_else(|| limit(&prompts[index]), |(_, tails)| tails[index].length),
            stop: None,
        };
        monitor.tick(tick(0, talk.total))?;
        let mut done = Vec::with_capacity(prompts.len() * plans.len());
        let lengths: Vec<(usize, usize)> = prompts.iter().map(|prompt| (prompt.ids.len(), limit(prompt))).collect();
        for group in groups(config, &lengths, &forks.layers) {
            let (active, cache) = if group.plans.len() == 1 {
                let active: Vec<_> = group.prompts.map(|index| sequence(group.plans.start, index)).collect();
                let cache = match beginnings {
                    Some((known, tails)) => talk.read_behind(&active, known, tails)?,
                    None => talk.read(&active)?,
                };
                (active, cache)
            } else {
                let mut shared = self.scratch().pop().unwrap_or_default();
                let read = talk.read_shared(&group, &forks, &sequence, &mut shared)?;
                self.scratch().push(shared);
                read
            };
            talk.go_on(active, cache, on_token, &mut done)?;
        }
        monitor.tick(tick(talk.total, talk.total))?;
        let Talk { collector, scratch, .. } = talk;
        self.scratch().push(scratch);
        done.sort_by_key(|sequence| (sequence.plan, sequence.index));
        let mut done = done.into_iter().map(|sequence| {
            let Sequence { ids, text, logprobs, stop, .. } = sequence;
            let logprobs = options.logprobs.then_some(logprobs);
            Generated { ids, text: text.into_string(), stop: stop.unwrap_or(Stop::Length), logprobs }
        });
        let generation = |run: Run| {
            let Run { captured, alarms, applied } = run.finite()?;
            Ok(Generation { sequences: done.by_ref().take(prompts.len()).collect(), captured, alarms, applied })
        };
        collector.finish_growing(config)?.into_iter().map(generation).collect()
    }
}

fn no_plan() -> Error {
    Error::Plan { why: "no plan was given; a plan without captures and edits is the model as it is".to_owned() }
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
