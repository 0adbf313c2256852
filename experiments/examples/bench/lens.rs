//! The lens on given states: the ten most probable tokens, entropy, rank, KL and the mass of each language, of every row.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context as _, Result};
use babelscope_core::{corpus::Corpus, monitor::Monitor};
use babelscope_probes::lens::{LensParams, TokenSets, read_out};
use candle_core::{Device, Tensor, safetensors};
use serde_json::{Value, json};

pub(crate) struct Files<'a> {
    pub(crate) states: &'a Path,
    /// Written: the ids of each language's set, for the other side.
    pub(crate) sets: &'a Path,
    /// Written: what was read.
    pub(crate) out: &'a Path,
}

pub(crate) fn run(folder: &str, corpus: &str, files: &Files<'_>, dtype: &str) -> Result<Value> {
    let (engine, load_seconds) = super::load(folder, dtype)?;
    let sets = TokenSets::from_corpus(engine.tokenizer(), &Corpus::open(corpus.as_ref())?)?;
    let members: Vec<&[u32]> = sets.languages().iter().filter_map(|l| sets.members(l)).collect();
    fs::write(files.sets, serde_json::to_vec(&members)?)?;
    let loaded: HashMap<String, Tensor> = safetensors::load(files.states, &Device::Cpu)?;
    let states = loaded.get("states").context("the file has no tensor `states`")?;
    let states: Vec<Tensor> = (0..states.dim(0)?).map(|layer| states.get(layer)).collect::<Result<_, _>>()?;
    let last = states.last().context("the file has no layer")?;
    let params = LensParams { top_k: 10, ..LensParams::default() };
    let unembed = |rows: &Tensor, logits: &mut Vec<f32>| Ok(engine.unembed_into(rows, logits)?);
    let read = |states: &[Tensor]| read_out(states, last, &unembed, &sets, &params, &Monitor::silent());
    let grid = super::turns(|| Ok(read(&states)?))?;
    let cells = || grid.iter().flatten();
    let ids: Vec<Vec<u32>> = cells().map(|cell| cell.top.iter().map(|top| top.0).collect()).collect();
    let masses: Vec<&[f32]> = cells().map(|cell| cell.language_mass.as_slice()).collect();
    fs::write(files.out, serde_json::to_vec(&json!({ "ids": ids, "masses": masses }))?)?;
    Ok(json!({ "load_seconds": load_seconds }))
}
