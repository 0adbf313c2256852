//! Time and memory to ask of a cluster, from the plan and from the headers of the models. Estimates, with a margin: a task that
//! is stopped at its limit goes on in the next, a task that asks for too much waits longer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use babelscope_core::inspect::Inspection;

use super::Part;
use crate::sweep::{Phase, Shard, Stage, Sweep};

const MIB: usize = 1 << 20;
/// The program, its figures and the buffers of the writer.
const PROGRAM: usize = 512 * MIB;

/// What the largest task of a part asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Minutes: three times the estimate of the plan, which knew another machine, and ten for the start.
    pub minutes: usize,
    /// Memory in MiB.
    pub mebibytes: usize,
}

impl Needs {
    /// What these bundles of a part ask for.
    ///
    /// # Errors
    /// A model whose headers cannot be read.
    pub fn of(sweep: &Sweep, part: Part, bundles: &[usize]) -> Result<Self> {
        let wanted: BTreeSet<usize> = bundles.iter().copied().collect();
        let mine = |shard: &&Shard| part.phase().is_some_and(|phase| Phase::of(shard.stage) == phase);
        let shards: Vec<&Shard> =
            sweep.shards.iter().filter(mine).filter(|shard| wanted.contains(&shard.bundle)).collect();
        let mut seconds: BTreeMap<usize, f64> = BTreeMap::new();
        for shard in &shards {
            *seconds.entry(shard.bundle).or_default() += shard.seconds;
        }
        let longest = seconds.values().copied().fold(0.0, f64::max);
        let bytes = match part {
            Part::Extract => extract(sweep, &shards)?,
            Part::Probe => probe(sweep, &shards),
            Part::Merge => merge(sweep),
        };
        let minutes = if part == Part::Merge { 60 } else { (longest * 3.0 / 60.0).ceil() as usize + 10 };
        Ok(Self { minutes, mebibytes: (bytes + bytes / 4 + PROGRAM).div_ceil(MIB) })
    }
}

/// The heaviest model: its weights, a batch with logits, and the rows of the block that is being written.
fn extract(sweep: &Sweep, shards: &[&Shard]) -> Result<usize> {
    let labels: BTreeSet<&str> = shards.iter().map(|shard| shard.model.as_str()).collect();
    let mut most = 0;
    for model in sweep.info.models.iter().filter(|model| labels.contains(model.label())) {
        let Some(spec) = model.spec.model.first() else { continue };
        let inspection = Inspection::of(&spec.path, &spec.load)?;
        let block = shards.iter().filter(|s| s.model == model.label()).map(|s| s.bytes).max().unwrap_or(0);
        let weights = inspection.weight_bytes.max(inspection.file_bytes);
        most = most.max(weights + 2 * inspection.batch_bytes(0, true) + block as usize);
    }
    Ok(most)
}

/// The states that a shard reads, as f32, and what is made of them; pivots stay from shard to shard.
fn probe(sweep: &Sweep, shards: &[&Shard]) -> usize {
    let stored: BTreeMap<&str, u64> = sweep.shards.iter().map(|shard| (shard.key.as_str(), shard.bytes)).collect();
    let wider = sweep.spec.store.as_ref().map_or(1, |store| 4 / store.dtype.size().clamp(1, 4)) as u64;
    let reads = |shard: &&Shard| {
        let bytes: u64 = shard.needs.iter().filter_map(|key| stored.get(key.as_str())).sum();
        let model = sweep.info.models.iter().find(|model| model.label() == shard.model);
        let layers = model.map_or(1, |model| model.spec.extract.layers.len().max(1)) as u64;
        let pivots = model.and_then(|model| model.spec.align()).map_or(0, |params| params.pivots.len());
        // Alignment with a few pivots holds every layer of its languages, everything else a layer at a time.
        let whole = shard.stage == Stage::Align && pivots < sweep.info.corpus.languages.len();
        bytes * wider / if whole { 1 } else { layers }
    };
    4 * shards.iter().map(reads).max().unwrap_or(0) as usize
}

/// The tables of one model in memory.
fn merge(sweep: &Sweep) -> usize {
    let of = |label: &str| -> u64 {
        let mine = |shard: &&Shard| shard.model == label && !matches!(shard.stage.name(), "extract" | "tokens");
        sweep.shards.iter().filter(mine).map(|shard| shard.bytes).sum()
    };
    let most = sweep.info.models.iter().map(|model| of(model.label())).max().unwrap_or(0);
    512 * MIB + 6 * most as usize
}
