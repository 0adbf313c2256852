//! `babelscope generate MODEL`: continues texts, or answers, as it comes.

use std::{
    fs,
    io::{Read as _, stdin},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Result;
use babelscope::{fault::Fault, vectors};
use babelscope_core::{
    chat::{ChatOptions, Message},
    engine::Engine,
    generate::{Generate, Generated, Step, Stop},
    plan::{Edit, Op, Plan, Site, Unit},
    tokens::Encoded,
};
use clap::Args;
use serde_json::{Value, json};

use super::LoadArguments;
use crate::terminal::{self, Progress};

#[derive(Args)]
pub(super) struct Arguments {
    /// `lab` (embedded), a folder, a .gguf file, or a Hub id
    model: String,
    #[command(flatten)]
    load: LoadArguments,
    /// The text to go on from; may be given more than once
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// A file with one prompt a line; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    file: Option<PathBuf>,
    /// Each prompt is a question, put into the model's own chat template
    #[arg(long)]
    chat: bool,
    /// System prompt of the chat
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// The date that the chat template is told, 2026-11-20 (default: today, UTC)
    #[arg(long, value_name = "DATE", requires = "chat")]
    date: Option<String>,
    /// Most new tokens of each text
    #[arg(long, value_name = "N", default_value_t = Generate::default().max_new_tokens)]
    max_new_tokens: usize,
    /// 0 takes the likeliest token; above, tokens are drawn
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Draw from the k likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the likeliest tokens that reach this probability together
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Above 1: tokens that were there already become less likely
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop where this text comes; may be given more than once
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Adds COEFFICIENT times the vector of FILE to the output of block LAYER (0: to the embeddings), at every token
    #[arg(long, value_name = "FILE.safetensors@LAYER*COEFFICIENT")]
    add: Vec<String>,
    /// Go on behind the model's own end of text
    #[arg(long)]
    ignore_eos: bool,
    /// One line of JSON for each prompt: texts, ids, log-probabilities, settings
    #[arg(long)]
    json: bool,
}

/// A prompt as it was given and as the model sees it.
struct Prompt {
    given: String,
    /// What a chat template made of it, and the date that it wrote.
    rendered: Option<(String, Option<String>)>,
    encoded: Encoded,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let given = given(arguments)?;
    let progress = Progress::new();
    let monitor = progress.monitor()?;
    let engine = Engine::load(&arguments.model, &arguments.load.options(), &monitor);
    progress.finish();
    let engine = engine?;
    let prompts = given.into_iter().map(|text| prompt(&engine, arguments, text)).collect::<Result<Vec<_>>>()?;
    let options = options(arguments);
    let edits = arguments.add.iter().map(|text| added(text)).collect::<Result<_>>()?;
    let plan = Plan { edits, ..Plan::default() };
    let encoded: Vec<Encoded> = prompts.iter().map(|prompt| prompt.encoded.clone()).collect();

    // One text is shown as it comes, which a bar would disturb; of several each is shown when all are there.
    let live = prompts.len() == 1 && !arguments.json;
    let monitor = if live { monitor.quiet() } else { monitor };
    let begun = Instant::now();
    let mut first = None;
    let mut on_token = |step: Step<'_>| {
        first.get_or_insert_with(|| begun.elapsed());
        if live {
            terminal::write(step.text);
        }
        ControlFlow::Continue(())
    };
    let done = engine.generate(&encoded, &options, &plan, &mut on_token, &monitor);
    progress.finish();
    if live {
        terminal::print("");
    }
    let sequences = done?.sequences;
    let seconds = begun.elapsed().as_secs_f64();

    for (prompt, generated) in prompts.iter().zip(&sequences) {
        if arguments.json {
            terminal::print(&line(&engine, arguments, &options, prompt, generated).to_string());
        } else if !live {
            terminal::print(&format!("{}{}\n", marked(prompt), generated.text));
        }
    }
    let tokens: usize = sequences.iter().map(|generated| generated.ids.len()).sum();
    let rest = seconds - first.map_or(0.0, |first| first.as_secs_f64());
    let later = tokens.saturating_sub(sequences.len());
    let rate =
        if later > 0 { format!(", {:.1} tokens/s behind the first", later as f64 / rest) } else { String::new() };
    let ended = match sequences.as_slice() {
        [one] => format!("; {}", why(&one.stop)),
        _ => String::new(),
    };
    terminal::note(&format!("{tokens} tokens in {seconds:.1} s{rate}{ended}"));
    Ok(())
}

fn given(arguments: &Arguments) -> Result<Vec<String>> {
    let Some(file) = &arguments.file else {
        if arguments.prompt.is_empty() {
            return Err(Fault::data("there is nothing to go on from; give --prompt TEXT or --file FILE").into());
        }
        return Ok(arguments.prompt.clone());
    };
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|e| Fault::read("the prompts", file, &e))?;
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Fault::data(format!("the file holds no prompt\n{}", file.display())).into());
    }
    Ok(lines)
}

fn prompt(engine: &Engine, arguments: &Arguments, given: String) -> Result<Prompt> {
    if !arguments.chat {
        let encoded = engine.tokenizer().encode(&given)?;
        return Ok(Prompt { given, rendered: None, encoded });
    }
    let system = arguments.system.iter().map(|text| Message::new("system", text));
    let messages: Vec<Message> = system.chain([Message::new("user", &given)]).collect();
    let options = ChatOptions { date: arguments.date.clone(), ..ChatOptions::default() };
    let rendered = engine.chat(&messages, &options)?;
    Ok(Prompt { given, rendered: Some((rendered.text, rendered.date)), encoded: rendered.encoded })
}

/// The edit that `FILE@LAYER*COEFFICIENT` asks for: a vector of ours or a control vector, or safetensors of one tensor.
fn added(text: &str) -> Result<Edit> {
    let parts = || {
        let (file, rest) = text.rsplit_once('@')?;
        let (layer, coefficient) = rest.split_once('*')?;
        Some((Path::new(file), layer.parse().ok()?, coefficient.parse().ok()?))
    };
    let (file, layer, coefficient): (_, usize, f32) = parts().ok_or_else(|| {
        Fault::spec(format!(
            "--add {text:?} cannot be read; expected FILE.safetensors@LAYER*COEFFICIENT, as steer.safetensors@12*1.5"
        ))
    })?;
    let add = |vector: Vec<f32>| {
        Edit::at(Site::layer(layer), Op::Add { vector: vector.into(), coefficient, unit: Unit::Raw, keep_norm: false })
    };
    if let Ok(mut vector) = vectors::read(file) {
        let there: Vec<String> = vector.layers.keys().map(usize::to_string).collect();
        let own = vector.layers.remove(&layer);
        let why = || {
            format!("the vector has no direction for layer {layer}; it has {}\n{}", there.join(", "), file.display())
        };
        return Ok(add(own.ok_or_else(|| Fault::data(why()))?));
    }
    let bytes = fs::read(file).map_err(|e| Fault::read("the vector", file, &e))?;
    let refuse = |why: String| Fault::data(format!("{why}; expected safetensors with one vector\n{}", file.display()));
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu);
    let tensors: Vec<_> =
        tensors.map_err(|e| refuse(format!("the vector cannot be read: {e}")))?.into_values().collect();
    let [tensor] = tensors.as_slice() else {
        return Err(refuse(format!("the file holds {} tensors", tensors.len())).into());
    };
    if tensor.elem_count() != tensor.dims().last().copied().unwrap_or(0) {
        return Err(refuse(format!("the tensor has the shape {:?}", tensor.dims())).into());
    }
    let vector: Vec<f32> = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
    Ok(add(vector))
}

fn options(arguments: &Arguments) -> Generate {
    Generate {
        max_new_tokens: arguments.max_new_tokens,
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        repetition_penalty: arguments.repetition_penalty,
        seed: arguments.seed,
        stop: arguments.stop.clone(),
        ignore_eos: arguments.ignore_eos,
        logprobs: arguments.json,
    }
}

/// What stands before a continuation when there are several.
fn marked(prompt: &Prompt) -> String {
    if prompt.rendered.is_some() { format!("> {}\n", prompt.given) } else { prompt.given.clone() }
}

fn line(engine: &Engine, arguments: &Arguments, options: &Generate, prompt: &Prompt, generated: &Generated) -> Value {
    let (rendered, date) = prompt.rendered.clone().unzip();
    json!({
        "prompt": prompt.given,
        "rendered": rendered,
        "date": date.flatten(),
        "prompt_ids": prompt.encoded.ids,
        "text": generated.text,
        "ids": generated.ids,
        "logprobs": generated.logprobs,
        "stop": generated.stop,
        "options": options,
        "add": arguments.add,
        "model": engine.info(),
    })
}

fn why(stop: &Stop) -> String {
    match stop {
        Stop::End => "the model ended the text".to_owned(),
        Stop::Text(text) => format!("stopped at {text:?}"),
        Stop::Length => "cut off at --max-new-tokens".to_owned(),
        Stop::Context => "cut off at the end of the model's context".to_owned(),
        Stop::Asked => "broken off".to_owned(),
    }
}
