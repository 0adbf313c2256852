//! What steering costs: many plans at once beside one after the other, and an edit beside none.
//!
//! ```text
//! cargo run --release -p babelscope --example steer_bench -- [sweep] [generate] [edit]
//! ```
//! The model has random weights in the shape of a Llama of 100M parameters with 8 blocks (width 768, 12 heads, 32,000 tokens); it is
//! written to a folder that is removed afterwards. Sides take turns; given is the best turn of each, by the clock and in seconds of the
//! processor, which say the same where nothing else runs. Linux.

#![expect(clippy::print_stdout, reason = "the numbers are its result")]

use std::{collections::HashMap, fs, ops::ControlFlow, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use babelscope_core::{
    engine::{Captured, Engine, LoadOptions, Values},
    generate::{Generate, Generation, Step},
    monitor::Monitor,
    plan::{Blocks, Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Unit},
    tokens::Encoded,
};
use candle_core::{Device, Tensor};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const WIDTH: usize = 768;
const INSIDE: usize = 2048;
const BLOCKS: usize = 8;
const VOCABULARY: usize = 32_000;
const STRENGTHS: usize = 8;

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    let folder = tempfile::tempdir()?;
    write(folder.path())?;
    let path = folder.path().to_str().context("the folder's path is no text")?;
    let engine = Engine::load(path, &LoadOptions::default(), &Monitor::silent())?;
    println!("{} million parameters, {}", engine.info().parameters / 1_000_000, engine.info().kernel);
    if wants("sweep") {
        sweep(&engine)?;
    }
    if wants("generate") {
        generate(&engine, Positions::Generated)?;
        generate(&engine, Positions::All)?;
    }
    if wants("edit") {
        edit(&engine)?;
    }
    Ok(())
}

/// Random weights; the tokenizer is the laboratory's, as no text is read.
fn write(folder: &Path) -> Result<()> {
    let config = serde_json::json!({
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": INSIDE,
        "num_hidden_layers": BLOCKS, "num_attention_heads": 12, "num_key_value_heads": 12, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
    });
    fs::write(folder.join("config.json"), config.to_string())?;
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/lab/tokenizer.json");
    fs::copy(lab, folder.join("tokenizer.json"))?;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut tensors = HashMap::new();
    let mut matrix = |name: String, rows: usize, columns: usize| -> Result<()> {
        let numbers: Vec<f32> = (0..rows * columns).map(|_| random.random_range(-0.05f32..0.05)).collect();
        tensors.insert(name, Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?);
        Ok(())
    };
    matrix("model.embed_tokens.weight".to_owned(), VOCABULARY, WIDTH)?;
    for block in 0..BLOCKS {
        let name = |part: &str| format!("model.layers.{block}.{part}.weight");
        for part in ["q", "k", "v", "o"] {
            matrix(name(&format!("self_attn.{part}_proj")), WIDTH, WIDTH)?;
        }
        matrix(name("mlp.gate_proj"), INSIDE, WIDTH)?;
        matrix(name("mlp.up_proj"), INSIDE, WIDTH)?;
        matrix(name("mlp.down_proj"), WIDTH, INSIDE)?;
    }
    let ones = || Tensor::ones(WIDTH, candle_core::DType::F32, &Device::Cpu);
    for block in 0..BLOCKS {
        for part in ["input_layernorm", "post_attention_layernorm"] {
            tensors.insert(format!("model.layers.{block}.{part}.weight"), ones()?);
        }
    }
    tensors.insert("model.norm.weight".to_owned(), ones()?);
    Ok(candle_core::safetensors::save(&tensors, folder.join("model.safetensors"))?)
}

fn sentences(count: usize, tokens: usize) -> Vec<Encoded> {
    let ids = |s: usize| (0..tokens).map(move |i| ((s * 7919 + i * 104_729) % 3000 + 10) as u32).collect::<Vec<_>>();
    (0..count).map(|s| Encoded { ids: ids(s), spans: vec![0..0; tokens], bos: 0 }).collect()
}

fn add(site: Site, strength: usize) -> Edit {
    let vector: Vec<f32> = (0..WIDTH).map(|i| (i as f32).sin()).collect();
    let coefficient = strength as f32 / 4.0;
    Edit::at(site, Op::Add { vector: vector.into(), coefficient, unit: Unit::Norm(10.0), keep_norm: false })
}

/// Seconds by the clock, and of the processor.
type Cost = [f64; 2];

/// What the program has used so far, in hundredths of a second: the 14th and 15th field of the system's record.
fn used() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').context("the system's record of this program has another form")?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}

/// The best of some turns of two sides, and what each made last.
fn turns<T>(count: usize, mut sides: [&mut dyn FnMut() -> Result<T>; 2]) -> Result<[(Cost, T); 2]> {
    let mut best: [Option<(Cost, T)>; 2] = [None, None];
    for _ in 0..count {
        for (best, side) in best.iter_mut().zip(&mut sides) {
            let (start, before) = (Instant::now(), used()?);
            let made = side()?;
            let now = [start.elapsed().as_secs_f64(), used()? - before];
            let least = best.take().map_or(now, |(least, _)| [least[0].min(now[0]), least[1].min(now[1])]);
            *best = Some((least, made));
        }
    }
    let [Some(first), Some(second)] = best else { anyhow::bail!("at least one turn is needed") };
    Ok([first, second])
}

fn say(what: &str, [slow, fast]: [Cost; 2]) {
    println!("{what}");
    for (name, at) in [("clock", 0), ("processor", 1)] {
        let (slow, fast) = (slow[at], fast[at]);
        println!("  {name}: {slow:.2} s one by one, {fast:.2} s together, {:.2}x", slow / fast);
    }
}

/// Every strength at every layer, the logits of the last token kept.
fn sweep(engine: &Engine) -> Result<()> {
    let sentences = sentences(8, 32);
    let logits = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
    let plan = |layer: usize, strength: usize| Plan {
        captures: vec![logits],
        edits: vec![add(Site::layer(layer), strength + 1)],
        ..Plan::default()
    };
    let plans: Vec<Plan> =
        (1..=BLOCKS).flat_map(|layer| (0..STRENGTHS).map(move |strength| plan(layer, strength))).collect();
    let silent = Monitor::silent();
    let one = || plans.iter().map(|plan| Ok(engine.run(&sentences, plan, &silent)?)).collect::<Result<Vec<_>>>();
    let [(slow, alone), (fast, together)] =
        turns(2, [&mut { one }, &mut || Ok(engine.run_forks(&sentences, &plans, &silent)?)])?;
    for (alone, together) in alone.iter().flatten().zip(together.iter().flatten()) {
        ensure!(numbers(alone)? == numbers(together)?, "the two ways differ");
    }
    say(&format!("sweep of {STRENGTHS} strengths at {BLOCKS} layers, 8 sentences of 32 tokens"), [slow, fast]);
    Ok(())
}

fn numbers(captured: &Captured) -> Result<Vec<f32>> {
    let Values::Pooled(rows) = &captured.values else { anyhow::bail!("the engine did not pool") };
    Ok(rows.flatten_all()?.to_vec1()?)
}

/// Every strength at the middle layer, 32 tokens after 64.
fn generate(engine: &Engine, positions: Positions) -> Result<()> {
    let options = Generate { max_new_tokens: 32, ignore_eos: true, ..Generate::default() };
    let silent = Monitor::silent();
    for count in [1, 8] {
        let prompts = sentences(count, 64);
        let edit = |strength: usize| Edit { positions: positions.clone(), ..add(Site::layer(BLOCKS / 2), strength) };
        let plan = |strength: usize| Plan { edits: vec![edit(strength)], ..Plan::default() };
        let plans: Vec<Plan> = (0..STRENGTHS).map(plan).collect();
        let one = || {
            let mut on_token = |_: Step<'_>| ControlFlow::Continue(());
            let said =
                plans.iter().map(|plan| Ok(engine.generate(&prompts, &options, plan, &mut on_token, &silent)?));
            said.collect::<Result<Vec<Generation>>>()
        };
        let all = || {
            let mut on_token = |_: usize, _: Step<'_>| ControlFlow::Continue(());
            Ok(engine.generate_forks(&prompts, &options, &plans, &mut on_token, &silent)?)
        };
        let [(slow, alone), (fast, together)] = turns(3, [&mut { one }, &mut { all }])?;
        let pairs = || alone.iter().zip(&together).flat_map(|(a, b)| a.sequences.iter().zip(&b.sequences));
        let same = pairs().filter(|(a, b)| a.ids == b.ids).count();
        say(&format!("{STRENGTHS} strengths, positions {positions:?}, {count} prompts"), [slow, fast]);
        println!("  equal texts: {same} of {}", pairs().count());
    }
    Ok(())
}

/// A vector at every token of every block, told in the log, beside the model as it is.
fn edit(engine: &Engine) -> Result<()> {
    let sentences = sentences(16, 64);
    let plain = Plan::layers([BLOCKS], Reduce::Last);
    let edits = vec![Edit { blocks: Blocks::All, ..add(Site::layer(1), 1) }];
    let edited = Plan { edits, ..plain.clone() };
    let silent = Monitor::silent();
    let run = |plan: &Plan| Ok(engine.run_watched(&sentences, plan, &silent)?);
    let [(bare, _), (full, told)] = turns(7, [&mut || run(&plain), &mut || run(&edited)])?;
    let entries = told.applied.len();
    println!(
        "1,024 tokens, no edit {:.3} s, a vector behind every block {:.3} s ({entries} entries in the log)",
        bare[0], full[0]
    );
    Ok(())
}
