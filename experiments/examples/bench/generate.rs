//! Greedy generation with a vector added behind a block, at every token.

use std::{fs, ops::ControlFlow, path::Path};

use anyhow::Result;
use babelscope_core::{
    generate::{Generate, Generation},
    monitor::Monitor,
    plan::{Edit, Op, Plan, Site, Unit},
    tokens::Encoded,
};
use serde_json::{Value, json};

pub(crate) fn run(folder: &str, prompts: &Path, tokens: usize, layer: usize, dtype: &str) -> Result<Value> {
    let prompts: Vec<Vec<u32>> = serde_json::from_slice(&fs::read(prompts)?)?;
    let encoded = |ids: Vec<u32>| Encoded { spans: vec![0..0; ids.len()], ids, bos: 0 };
    let prompts: Vec<Encoded> = prompts.into_iter().map(encoded).collect();
    let (engine, load_seconds) = super::load(folder, dtype)?;
    let vector: Vec<f32> = (0..engine.info().width).map(|i| (i as f32).sin()).collect();
    let add = Op::Add { vector: vector.into(), coefficient: 1.0, unit: Unit::Raw, keep_norm: false };
    let plan = Plan { edits: vec![Edit::at(Site::layer(layer), add)], ..Plan::default() };
    let say = |max_new_tokens: usize| -> Result<Generation> {
        let options = Generate { max_new_tokens, ignore_eos: true, ..Generate::default() };
        let mut on_token = |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
        Ok(engine.generate(&prompts, &options, &plan, &mut on_token, &Monitor::silent())?)
    };
    say(2)?;
    let said = super::turns(|| say(tokens))?;
    let ids: Vec<Vec<u32>> = said.sequences.into_iter().map(|sequence| sequence.ids).collect();
    let info = engine.info();
    Ok(json!({
        "load_seconds": load_seconds, "ids": ids,
        "parameters": info.parameters, "dtypes": [info.stored_dtype, info.compute_dtype],
    }))
}
