//! `babelscope lab`: make the laboratory, train its models, check its truths.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, bail, ensure};
use babelscope::lab::{
    check,
    check::planted::{Sheet, planted, sheets},
    make,
    recipe::{Condition, Recipe},
    train::{End, Training},
};
use babelscope_core::monitor::Monitor;
use clap::{Args, Subcommand, ValueEnum};

use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the held-out parallel corpus, the tokenizer and the recipe into a new folder
    Make {
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Train a model of the laboratory; the same command continues a training that was stopped
    Train(Train),
    /// Measure what is known to be true of the laboratory's models, and fail where it is not found
    Check {
        /// `lab` (embedded), or the `model` folder of a training
        #[arg(long, default_value = "lab", value_name = "MODEL")]
        model: String,
        /// Only the tables of docs/methods/truths.md: which measure is fooled by what, on states that were planted
        #[arg(long, conflicts_with = "model")]
        table: bool,
        /// The tables as Markdown
        #[arg(long, requires = "table")]
        markdown: bool,
    },
}

#[derive(Args)]
struct Train {
    /// Which world
    #[arg(long, value_enum, default_value_t = WorldArgument::Small)]
    world: WorldArgument,
    /// Facts world: the same table in both languages and mixed, or independent tables
    #[arg(long, value_enum, default_value_t = Condition::Mix)]
    condition: Condition,
    /// Folder of the training: model/, checkpoint/, metrics.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Read the whole recipe from a file (TOML, as `lab make` writes it)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["world", "condition"])]
    recipe: Option<PathBuf>,
    /// Optimizer steps instead of the recipe's
    #[arg(long, value_name = "STEPS")]
    steps: Option<usize>,
    /// Seed of weights and documents instead of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 250, value_name = "STEPS")]
    every: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum WorldArgument {
    /// People, animals, things and places in ten languages: the demo model
    Small,
    /// A table of facts in two languages: the tests' fixtures
    Facts,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Make { out } => make::make(out),
        Command::Train(arguments) => train(arguments),
        Command::Check { table: true, markdown, .. } => fooled(*markdown),
        Command::Check { model, .. } => check_truths(model),
    }
}

fn train(arguments: &Train) -> Result<()> {
    let mut recipe = match (&arguments.recipe, arguments.world) {
        (Some(path), _) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read the recipe\n{}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("this is no recipe\n{}", path.display()))?
        }
        (None, WorldArgument::Small) => Recipe::small(),
        (None, WorldArgument::Facts) => Recipe::facts(arguments.condition),
    };
    recipe.steps = arguments.steps.unwrap_or(recipe.steps);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    ensure!(arguments.every > 0, "--every is at least 1");
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    let mut training = Training::open(&arguments.out, &recipe)?;
    match training.run(&stop, arguments.every)? {
        End::Finished => terminal::print(&format!("{}", arguments.out.join("model").display())),
        End::Stopped => terminal::note("stopped; the same command continues from here"),
    }
    Ok(())
}

fn check_truths(model: &str) -> Result<()> {
    let truths = check::check(model, &Monitor::silent())?;
    let mut table = Table::new(["", "known", "expected", "measured"]);
    for truth in &truths {
        let mark = if truth.holds { "ok" } else { "FAILS" };
        table.row([mark, &truth.known, &truth.expected, &truth.measured]);
    }
    terminal::print(&table.to_string());
    let failed = truths.iter().filter(|truth| !truth.holds).count();
    if failed > 0 {
        bail!("{failed} of {} known truths were not found", truths.len());
    }
    Ok(())
}

fn fooled(markdown: bool) -> Result<()> {
    let sheets = sheets(&planted(&Monitor::silent())?);
    if markdown {
        terminal::print(sheets.iter().map(Sheet::markdown).collect::<String>().trim_end());
        return Ok(());
    }
    for Sheet { title, header, rows } in sheets {
        let mut table = Table::new(header);
        rows.into_iter().for_each(|row| table.row(row));
        terminal::print(&format!("{title}\n\n{table}\n"));
    }
    Ok(())
}
