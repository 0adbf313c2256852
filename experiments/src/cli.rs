//! The commands. One file each; this one parses, dispatches, and turns errors into exit codes.

mod align;
mod compare;
mod cot;
mod data;
mod demo;
mod diff;
mod doctor;
mod fetch;
mod generate;
mod get;
mod inspect;
mod lab;
mod lens;
mod ls;
mod measure;
mod patch;
mod report;
mod results;
mod run;
mod schema;
mod serve;
mod show;
mod store;
mod submit;
mod sweep;
mod tasks;
mod validate;
mod vector;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use babelscope::{
    fault::{self, Fault, Kind},
    run::{Outcome, Workbench},
    spec::{ModelSpec, RunSpec},
};
use babelscope_core::{
    dtype::Dtype,
    engine::{EngineKind, LoadOptions},
};
use clap::{Args, Parser, Subcommand};

use crate::terminal;

/// What happens inside a language model when the same meaning arrives in many languages.
///
/// Without a command: the demo, both analyses on the model and the parallel sentences that ship inside the program.
#[derive(Parser)]
#[command(name = "babelscope", version, after_help = EXAMPLES)]
struct Cli {
    /// Folder in which runs are kept
    #[arg(long, global = true, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// How progress is shown (on standard error)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "STYLE")]
    progress: terminal::progress::Style,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  babelscope
  babelscope align --model ~/models/Qwen3-0.6B --corpus flores/ --pivot eng_Latn
  babelscope align --model lab --corpus lab --pivot all --layers 0,4,8 --print-spec > spec.toml
  babelscope similarity --model lab --corpus lab --set shuffles=0
  babelscope tasks --model lab --corpus lab --scores belebele.csv
  babelscope lens --model lab --text \"The cat sees two red birds.\"
  babelscope generate lab --prompt \"The cat\" --max-new-tokens 20
  babelscope get Qwen/Qwen3-0.6B
  babelscope run spec.toml --set data.limit=100
  babelscope show runs/demo-1a2b3c4d
  babelscope diff runs/demo-1a2b3c4d runs/demo-5e6f7a8b
  babelscope ls --model qwen --language thai --since 7d

Exit codes: 0 done, 1 `diff` found a difference, 2 wrong command line, 3 some shards failed, 4 shards missing, 65 bad input, 66 missing input, 70 a mistake of this program,
73 the run folder belongs to another run, 74 cannot write, 75 stopped on request, 78 the spec makes no sense.";

#[derive(Subcommand)]
enum Command {
    /// Both analyses on the embedded model and corpus (also: no command)
    Demo,
    /// Execute a spec (TOML) into a run folder
    Run(run::Arguments),
    /// How closely do sentences of the same meaning lie together, at each layer?
    Align(align::Arguments),
    /// Which sentences are each other's nearest, by other similarities: ranks, margins, hubs
    Retrieval(measure::Arguments),
    /// How alike are the spaces of two languages? CKA, CCA, RSA, Procrustes, neighbours
    Similarity(measure::Arguments),
    /// How much of a state is its language, and what is left without it?
    Structure(measure::Arguments),
    /// Neurons that fire for one language, and what switching them off does
    Neurons(measure::Arguments),
    /// What a linear probe reads at each layer, with its controls
    Classify(measure::Arguments),
    /// Sentences in the plane, layer by layer
    Map(measure::Arguments),
    /// What the tokenizer does to each language
    Tokenizer(measure::Arguments),
    /// How alignment goes along with scores of tasks, premium and resources
    Tasks(tasks::Arguments),
    /// What would each layer say next, and in which language?
    Lens(lens::Arguments),
    /// Train steering vectors: of languages from parallel sentences, or of anything from contrast pairs
    Vector(vector::Arguments),
    /// One prompt answered plainly, steered, and with a random vector of the same length
    Compare(compare::Arguments),
    /// A vector that is learned by gradient through the frozen model
    Learn(measure::Arguments),
    /// What language vectors do: forcing, relevance, fluency and side effects, beside random and other controls
    Steer(measure::Arguments),
    /// A direction that a behaviour hangs on, found among many by what it does
    Select(measure::Arguments),
    /// Which states carry the answer? Activation patching between two prompts
    Patch(patch::Arguments),
    /// Chains of thought: solve problems, compare the traces of languages as graphs, and see what the model knew
    Cot(cot::Arguments),
    /// Continue texts, or answer in the model's own chat template
    Generate(generate::Arguments),
    /// The laboratory: make its corpus, train its models, check its truths
    Lab(lab::Arguments),
    /// What a model is and what it needs, before any of its weights is read
    Inspect(inspect::Arguments),
    /// Read a spec, and say what is wrong with it
    Validate(validate::Arguments),
    /// Print the JSON schema of specs, for editors
    Schema,
    /// What a sweep will do: its shards, their sizes and their time
    Plan(sweep::PlanArguments),
    /// Go on with a sweep that was interrupted, then merge it
    Resume(sweep::ResumeArguments),
    /// Hand a sweep to a cluster: its bundles as arrays of jobs, then the merge
    Submit(submit::Arguments),
    /// Do one bundle of a sweep: what a task of a cluster runs
    Shard(sweep::ShardArguments),
    /// Put the finished shards of a sweep together
    Merge(sweep::FolderArguments),
    /// Hash every file of a run or a sweep; damaged shards are moved away
    Verify(sweep::FolderArguments),
    /// How far a sweep is
    Status(sweep::StatusArguments),
    /// Bring a finished run of another machine here, and verify it
    Fetch(fetch::Arguments),
    /// Fetch a model from the Hugging Face Hub into the cache of this machine, and verify it
    Get(get::Arguments),
    /// Examine this machine: processor, GPU, memory, folders, disks, fonts, display; and say what to do
    Doctor(doctor::Arguments),
    /// Stored activations: what is there, whether it is whole, captures of other programs
    Store(store::Arguments),
    /// List the runs, all or those that fit
    Ls(ls::Arguments),
    /// Show a finished run again
    Show(show::Arguments),
    /// Let others read finished runs over HTTP, with a token; read-only, to this machine alone unless told otherwise
    Serve(serve::Arguments),
    /// A run or a sweep as one HTML file that opens without a network
    Report(report::Arguments),
    /// What differs between two runs, in settings and in numbers; exit code 1 where something does
    Diff(diff::Arguments),
    /// The results of many runs as one Parquet or CSV file
    Results(results::Arguments),
}

/// Which model, for the short forms of a spec.
#[derive(Args)]
struct ModelArguments {
    /// `lab` (embedded), a folder with config.json, tokenizer.json and safetensors, a .gguf file, or a Hub id, fetched when the cache lacks it
    #[arg(long, value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    load: LoadArguments,
}

impl ModelArguments {
    fn spec(&self) -> ModelSpec {
        ModelSpec { load: self.load.options(), ..ModelSpec::new(&self.model) }
    }
}

/// How a model is loaded.
#[derive(Args)]
struct LoadArguments {
    /// Revision of a Hub id
    #[arg(long)]
    revision: Option<String>,
    /// cpu, cuda:0, metal
    #[arg(long)]
    device: Option<String>,
    /// What computes: native (default on the CPU), candle (default elsewhere), torch
    #[arg(long)]
    engine: Option<EngineKind>,
    /// Number format of the operands of matrix products: f32 (default), bf16, f16
    #[arg(long)]
    dtype: Option<Dtype>,
    /// An option of config.json that is not known here and that you know to change no number
    #[arg(long, value_name = "KEY")]
    ignore_option: Vec<String>,
}

impl LoadArguments {
    fn options(&self) -> LoadOptions {
        let (revision, device, ignore_options) =
            (self.revision.clone(), self.device.clone(), self.ignore_option.clone());
        let Self { engine, dtype, .. } = *self;
        LoadOptions { revision, device, engine, dtype, ignore_options, ..LoadOptions::default() }
    }
}

/// Where a short form writes, and what it does instead.
#[derive(Args)]
struct OutArguments {
    /// The run folder (default: NAME-HASH below --runs)
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Name of the run
    #[arg(long)]
    name: Option<String>,
    /// Every other seed is derived from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the spec as TOML and do nothing
    #[arg(long)]
    print_spec: bool,
}

impl OutArguments {
    fn finish(&self, mut spec: RunSpec, runs: PathBuf) -> Result<()> {
        if let Some(name) = &self.name {
            spec.name.clone_from(name);
        }
        spec.seed = self.seed;
        if self.print_spec {
            terminal::print(spec.to_toml()?.trim_end());
            return Ok(());
        }
        execute(&spec, runs, self.out.as_deref())
    }
}

/// Parses the command line, does what it says, and gives the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = catch_unwind(AssertUnwindSafe(|| dispatch(cli)));
    let error = match result {
        Ok(Ok(code)) => return code,
        Ok(Err(error)) => error,
        Err(_panic) => {
            terminal::error("this is a mistake of the program, not yours; please report it with the lines above");
            return ExitCode::from(Kind::Bug.code());
        }
    };
    let kind = fault::kind(&error);
    if kind == Kind::Cancelled && !error.is::<Fault>() {
        terminal::error("stopped; nothing half-written is left");
    } else {
        terminal::error(&format!("{error:#}"));
    }
    ExitCode::from(kind.code())
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let runs = cli.runs;
    terminal::progress::set_style(cli.progress);
    let done = match cli.command {
        Some(Command::Diff(arguments)) => return diff::main(&arguments),
        None | Some(Command::Demo) => demo::main(runs),
        Some(Command::Run(arguments)) => run::main(&arguments, runs),
        Some(Command::Align(arguments)) => align::main(&arguments, runs),
        Some(Command::Retrieval(arguments)) => measure::main("retrieval", &arguments, runs),
        Some(Command::Similarity(arguments)) => measure::main("similarity", &arguments, runs),
        Some(Command::Structure(arguments)) => measure::main("structure", &arguments, runs),
        Some(Command::Neurons(arguments)) => measure::main("neurons", &arguments, runs),
        Some(Command::Classify(arguments)) => measure::main("classify", &arguments, runs),
        Some(Command::Map(arguments)) => measure::main("map", &arguments, runs),
        Some(Command::Tokenizer(arguments)) => measure::main("tokenizer", &arguments, runs),
        Some(Command::Tasks(arguments)) => tasks::main(&arguments, runs),
        Some(Command::Lens(arguments)) => lens::main(&arguments, runs),
        Some(Command::Vector(arguments)) => vector::main(&arguments, runs),
        Some(Command::Compare(arguments)) => compare::main(&arguments, runs),
        Some(Command::Learn(arguments)) => measure::main("learn", &arguments, runs),
        Some(Command::Steer(arguments)) => measure::main("steer", &arguments, runs),
        Some(Command::Select(arguments)) => measure::main("select", &arguments, runs),
        Some(Command::Patch(arguments)) => patch::main(&arguments, runs),
        Some(Command::Cot(arguments)) => cot::main(&arguments, runs),
        Some(Command::Generate(arguments)) => generate::main(&arguments),
        Some(Command::Lab(arguments)) => lab::main(&arguments),
        Some(Command::Inspect(arguments)) => inspect::main(&arguments),
        Some(Command::Validate(arguments)) => validate::main(&arguments),
        Some(Command::Schema) => schema::main(),
        Some(Command::Plan(arguments)) => sweep::plan(&arguments, &runs),
        Some(Command::Resume(arguments)) => sweep::resume(&arguments, runs),
        Some(Command::Submit(arguments)) => submit::main(&arguments, &runs),
        Some(Command::Fetch(arguments)) => fetch::main(arguments, runs),
        Some(Command::Shard(arguments)) => sweep::shard(&arguments, runs),
        Some(Command::Merge(arguments)) => sweep::merge(&arguments),
        Some(Command::Verify(arguments)) => sweep::verify(&arguments),
        Some(Command::Status(arguments)) => sweep::status(&arguments),
        Some(Command::Get(arguments)) => get::main(&arguments),
        Some(Command::Doctor(arguments)) => doctor::main(&arguments, &runs),
        Some(Command::Store(arguments)) => store::main(&arguments),
        Some(Command::Ls(arguments)) => ls::main(&arguments, &runs),
        Some(Command::Show(arguments)) => show::main(&arguments, &runs),
        Some(Command::Serve(arguments)) => serve::main(&arguments),
        Some(Command::Report(arguments)) => report::main(&arguments),
        Some(Command::Results(arguments)) => results::main(&arguments),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Executes a spec with progress on the terminal, and shows the run.
fn execute(spec: &RunSpec, runs: PathBuf, out: Option<&std::path::Path>) -> Result<()> {
    if spec.is_sweep() {
        return sweep::run(spec, runs, out);
    }
    let mut bench = Workbench::new(runs);
    let progress = terminal::Progress::new();
    let monitor = progress.monitor()?;
    let done = match out {
        Some(folder) => bench.execute_to(spec, folder, &monitor),
        None => bench.execute(spec, &monitor),
    };
    progress.finish();
    let Outcome { run, already_done } = done?;
    if already_done {
        terminal::note(&format!("already done on {}: shown again, nothing computed", run.manifest.started));
    }
    terminal::report::run(&run);
    Ok(())
}
