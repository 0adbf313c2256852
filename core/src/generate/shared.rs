//! Prompts that several plans continue: read once up to each plan's first edit.

use std::{collections::BTreeMap, ops::Range, slice};

use super::{CACHE_BYTES, SEQUENCES, Sequence, talk::Talk};
use crate::{
    Result,
    capture::Collector,
    engine::BATCH_TOKENS,
    forks::Forks,
    model::{Batch, Cache, Config, Scratch},
    plan::Plan,
};

/// Sequences that go on together: each of these prompts under each of these plans.
pub(super) struct Group {
    pub(super) plans: Range<usize>,
    pub(super) prompts: Range<usize>,
}

/// All prompts under all plans, so that a group's keys and values fit [`CACHE_BYTES`] (one prompt under one plan always goes) and its
/// sequences are no more than [`SEQUENCES`].
///
/// `lengths`: tokens of each prompt, and with those that it may grow by; `layers`: as in [`Forks`].
pub(super) fn groups(config: &Config, lengths: &[(usize, usize)], layers: &[Option<usize>]) -> Vec<Group> {
    let block = Cache::bytes_a_block(config);
    // Under one plan nothing is shared. Under several the prompt's keys are kept once, and again above a plan's first edit.
    let bytes = |plans: Range<usize>, (tokens, limit): (usize, usize)| {
        if plans.len() == 1 {
            return block * config.layers * limit;
        }
        let own = layers[plans].iter().map(|layer| {
            let below = layer.unwrap_or(config.layers);
            config.layers * limit - below * tokens
        });
        block * (config.layers * tokens + own.sum::<usize>())
    };
    let longest = lengths.iter().copied().max_by_key(|(_, limit)| *limit).unwrap_or_default();
    let mut groups = Vec::new();
    let mut plan = 0;
    while plan < layers.len() {
        let fits = |count: &usize| *count <= SEQUENCES && bytes(plan..plan + count, longest) <= CACHE_BYTES;
        let plans = plan..plan + (1..=layers.len() - plan).take_while(fits).last().unwrap_or(1);
        let mut prompt = 0;
        while prompt < lengths.len() {
            let mut all = 0;
            let fits = lengths[prompt..].iter().take((SEQUENCES / plans.len()).max(1)).take_while(|lengths| {
                all += bytes(plans.clone(), **lengths);
                all <= CACHE_BYTES
            });
            let prompts = prompt..prompt + fits.count().max(1);
            prompt = prompts.end;
            groups.push(Group { plans: plans.clone(), prompts });
        }
        plan = plans.end;
    }
    groups
}

/// Plans that begin to differ at one layer, or nowhere in the prompts.
struct Arms {
    layer: Option<usize>,
    plans: Vec<usize>,
}

impl<'a> Talk<'a> {
    /// Reads the prompts of `group` for all of its plans, and gives their sequences with what the model remembers of them.
    pub(super) fn read_shared(
        &mut self,
        group: &Group,
        forks: &Forks,
        sequence: &dyn Fn(usize, usize) -> Sequence<'a>,
        shared: &mut Scratch,
    ) -> Result<(Vec<Sequence<'a>>, Cache)> {
        let mut at: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for plan in group.plans.clone() {
            at.entry(forks.layers[plan].unwrap_or(usize::MAX)).or_default().push(plan);
        }
        let arms: Vec<Arms> = at
            .into_iter()
            .map(|(layer, plans)| Arms { layer: (layer != usize::MAX).then_some(layer), plans })
            .collect();
        let batches = batches(self.prompts.iter().map(|prompt| prompt.ids.len()), &group.prompts);
        // In the order of the passes.
        let active: Vec<Sequence<'a>> = batches
            .iter()
            .flat_map(|batch| {
                arms.iter().flat_map(move |arms| arms.plans.iter().map(move |plan| (*plan, batch.clone())))
            })
            .flat_map(|(plan, batch)| batch.map(move |index| sequence(plan, index)))
            .collect();
        self.serve(&active);
        let config = &self.decoder.config;
        let mut cache = Cache::new(config, &[]);
        let mut first = 0;
        for batch in batches {
            let own = &active[first..][..group.plans.len() * batch.len()];
            // On a thread of the pool, as every pass.
            cache.absorb(rayon::scope(|_| self.read_batch(&forks.trunk, &arms, own, first, &batch, shared))?);
            first += own.len();
        }
        Ok((active, cache))
    }

    /// Reads one batch of prompts for the sequences `own`, which lie from `first` on among those that are served.
    fn read_batch(
        &mut self,
        plan: &Plan,
        arms: &[Arms],
        own: &[Sequence<'a>],
        mut first: usize,
        prompts: &Range<usize>,
        shared: &mut Scratch,
    ) -> Result<Cache> {
        let Self { decoder, scratch, collector, monitor, .. } = self;
        let (config, count) = (&decoder.config, prompts.len());
        let limits: Vec<usize> = own[..count].iter().map(|sequence| sequence.limit).collect();
        let trunk_batch = repeated(&own[..count], 1, 0);
        let rows = trunk_batch.ids.len();
        let lengths: Vec<usize> = own[..count].iter().map(|sequence| sequence.prompt.ids.len()).collect();
        let mut trunk = Collector::growing(slice::from_ref(plan), config, self.prompts, self.options.max_new_tokens)?;
        trunk.serve(prompts.clone().collect());
        let mut known = Cache::new(config, &lengths);
        decoder.enter(&trunk_batch, shared, true)?;
        let (mut cache, mut reached) = (Cache::new(config, &[]), 0);
        for Arms { layer, plans } in arms {
            let Some(layer) = *layer else {
                decoder.leave(reached, &trunk_batch, shared, &mut trunk, Some(&mut known), monitor)?;
                let logits = trunk.chosen_by();
                for _ in plans {
                    let from = first * config.vocabulary;
                    collector.chosen_by()[from..from + logits.len()].copy_from_slice(logits);
                    cache.absorb(known.branch(config, config.layers, &limits));
                    first += count;
                }
                continue;
            };
            decoder.climb(reached..layer, &trunk_batch, shared, &mut trunk, Some(&mut known), monitor)?;
            reached = layer;
            for plans in plans.chunks((BATCH_TOKENS / rows).max(1)) {
                let batch = repeated(&own[..count], plans.len(), first);
                let mut branched = known.branch(config, layer, &limits.repeat(plans.len()));
                decoder.branch(&batch, shared, rows, scratch);
                decoder.leave(layer, &batch, scratch, collector, Some(&mut branched), monitor)?;
                cache.absorb(branched);
                first += plans.len() * count;
            }
        }
        for Arms { layer, plans } in arms {
            plans.iter().for_each(|plan| collector.inherit(&trunk, *plan, *layer, prompts.clone()));
        }
        Ok(cache)
    }
}

/// The prompts in pieces of up to a batch's number of tokens.
fn batches(lengths: impl Iterator<Item = usize> + Clone, prompts: &Range<usize>) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (index, length) in lengths.enumerate().skip(prompts.start).take(prompts.len()) {
        tokens += length;
        match batches.last_mut() {
            Some(batch) if tokens <= BATCH_TOKENS => batch.end = index + 1,
            _ => {
                tokens = length;
                batches.push(index..index + 1);
            }
        }
    }
    batches
}

/// The prompts of `sequences`, all of them `times` times over, from place `first` on among those that are served.
fn repeated(sequences: &[Sequence<'_>], times: usize, first: usize) -> Batch {
    let mut batch = Batch::new(first);
    for sequence in (0..times).flat_map(|_| sequences) {
        batch.add(&sequence.prompt.ids, sequence.limit);
    }
    batch
}
