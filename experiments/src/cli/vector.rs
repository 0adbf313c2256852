//! `babelscope vector train|show|export`: steering vectors and their files.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::{
    fault::Fault,
    spec::{ProbeSpec, RunSpec, VectorSpec},
    vectors::{self, Format},
};
use clap::{Args, Subcommand};

use super::{ModelArguments, OutArguments, data::DataArguments};
use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train vectors into a run folder, with their quality on sentences that were held out
    Train(Box<Train>),
    /// What a vector is: its card, its layers, its length
    Show {
        /// Our safetensors, or a control vector (GGUF) of llama.cpp or repeng
        file: PathBuf,
    },
    /// Write a vector in another format
    Export(Export),
}

#[derive(Args)]
struct Train {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Languages that a vector leads away from (default eng_Latn)
    #[arg(long, value_delimiter = ',', value_name = "LANGUAGES")]
    source: Vec<String>,
    /// Languages that it leads to (default: all others)
    #[arg(long, value_delimiter = ',', value_name = "LANGUAGES")]
    target: Vec<String>,
    /// JSONL of contrast pairs instead of languages
    #[arg(long, default_value = "", value_name = "FILE", conflicts_with_all = ["source", "target"])]
    pairs: String,
    /// A key of the probe as in a spec: `--set estimators='["pca"]'`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

#[derive(Args)]
struct Export {
    /// The vector
    file: PathBuf,
    /// Where to write it; a file that is there already is never replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// `gguf` for llama.cpp and repeng; other layouts through experiments/python/convert_vector.py
    #[arg(long, value_enum)]
    format: Format,
    /// Only these layers; a GGUF begins at layer 2
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    layers: Vec<usize>,
    /// Architecture that a GGUF names: llama, qwen2, ...
    #[arg(long, default_value = "llama")]
    family: String,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    match &arguments.command {
        Command::Train(arguments) => train(arguments, runs),
        Command::Show { file } => show(file),
        Command::Export(arguments) => export(arguments),
    }
}

fn train(arguments: &Train, runs: PathBuf) -> Result<()> {
    let mut vector =
        VectorSpec { targets: arguments.target.clone(), pairs: arguments.pairs.clone(), ..VectorSpec::default() };
    if !arguments.source.is_empty() {
        vector.sources.clone_from(&arguments.source);
    }
    let mut spec = RunSpec::new("vector", arguments.model.spec(), vec![ProbeSpec::Vector(vector)]);
    arguments.data.apply(&mut spec);
    let set = arguments.set.iter().map(|assignment| format!("probe.0.{assignment}"));
    arguments.out.finish(spec.with_all(set)?, runs)
}

fn show(file: &std::path::Path) -> Result<()> {
    let vector = vectors::read(file)?;
    vector.check_numbers()?;
    let card = &vector.card;
    let known = |text: &str| if text.is_empty() { "not said".to_owned() } else { text.to_owned() };
    let mut facts = Table::new(["", ""]);
    for (what, value) in [
        ("vector", known(&card.name)),
        ("leads to", known(&card.positive)),
        ("away from", known(&card.negative)),
        ("model", known(&card.model)),
        ("weights", known(&card.weights_sha256)),
        ("site", known(&card.site)),
        ("estimator", known(&card.estimator)),
        ("read at", known(&card.position)),
        ("pairs", card.pairs.to_string()),
        ("data", known(&card.data_sha256)),
        ("written by", known(&card.program)),
    ] {
        facts.row([what.to_owned(), value]);
    }
    terminal::print(&facts.to_string());
    terminal::print("");
    let mut table =
        Table::new(["layer", "length", "of the mean norm", "cos with diff_mean"]).right(0).right(1).right(2).right(3);
    for layer in vector.layers.keys() {
        let norm = vector.norm(*layer).unwrap_or_default();
        let share = card.mean_norm.get(layer).map_or_else(|| "-".to_owned(), |mean| format!("{:.3}", norm / mean));
        let cosine = card.cos_diff_mean.get(layer).map_or_else(|| "-".to_owned(), |cosine| format!("{cosine:.3}"));
        table.row([layer.to_string(), format!("{norm:.4}"), share, cosine]);
    }
    terminal::print(&table.to_string());
    for note in &card.notes {
        terminal::print(&format!("note: {note}"));
    }
    Ok(())
}

fn export(arguments: &Export) -> Result<()> {
    let mut vector = vectors::read(&arguments.file)?;
    if let Some(missing) = arguments.layers.iter().find(|layer| !vector.layers.contains_key(layer)) {
        return Err(Fault::data(format!("the vector has no direction for layer {missing}")).into());
    }
    if !arguments.layers.is_empty() {
        vector.layers.retain(|layer, _| arguments.layers.contains(layer));
    }
    vectors::write(&arguments.out, &vector, arguments.format, &arguments.family)?;
    terminal::print(&format!("{} layers written to {}", vector.layers.len(), arguments.out.display()));
    Ok(())
}
