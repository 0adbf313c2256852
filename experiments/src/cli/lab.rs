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
    check::{
        planted::{Sheet, planted, sheets},
        problems::solved,
    },
    languages, make, problems,
    recipe::{Condition, Recipe},
    train::{End, Training},
};
use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
};
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
    /// Word problems that no training document held: the share that a model solves in each language
    Solve {
        /// `lab` (embedded), or the `model` folder of a training
        #[arg(long, default_value = "lab", value_name = "MODEL")]
        model: String,
        /// Problems of each number of events
        #[arg(long, default_value_t = 200, value_name = "N")]
        count: usize,
    },
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
    /// Model folder to begin with, instead of training it first by the recipe's own first part (into DIR-first)
    #[arg(long, value_name = "MODEL")]
    start: Option<PathBuf>,
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
        Command::Solve { model, count } => solve(model, *count),
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
    let mut start = arguments.start.clone();
    if let (Some(first), None) = (&recipe.start, &start) {
        let mut folder = arguments.out.file_name().unwrap_or_default().to_owned();
        folder.push("-first");
        let folder = arguments.out.with_file_name(folder);
        if Training::open(&folder, first, None)?.run(&stop, arguments.every)? == End::Stopped {
            return stopped();
        }
        start = Some(folder.join("model"));
    }
    let mut training = Training::open(&arguments.out, &recipe, start.as_deref())?;
    if training.run(&stop, arguments.every)? == End::Stopped {
        return stopped();
    }
    terminal::print(&format!("{}", arguments.out.join("model").display()));
    Ok(())
}

fn stopped() -> Result<()> {
    terminal::note("stopped; the same command continues from here");
    Ok(())
}

fn solve(model: &str, count: usize) -> Result<()> {
    let monitor = Monitor::silent();
    let engine = Engine::load(model, &LoadOptions::default(), &monitor)?;
    let mut table =
        Table::new(["language", "events", "answer", "every equation", "without the solution", "with a hint"]);
    for language in languages::ALL.into_iter().filter(|language| language.tell.is_some()) {
        for steps in 1..=3 {
            // A single event is never held out.
            let told = problems::some(0, steps, count, steps > 1);
            let found = solved(&engine, language, &told, &monitor)?;
            let shares = [found.answer, found.equations, found.forced, found.hinted].map(|share| format!("{share:.3}"));
            let [answer, equations, forced, hinted] = shares;
            table.row([language.code, &steps.to_string(), &answer, &equations, &forced, &hinted]);
        }
    }
    terminal::print(&table.to_string());
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
