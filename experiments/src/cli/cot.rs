//! `babelscope cot solve|compare|graph|convert|hints`: chains of thought.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use babelscope::{
    fault::Fault,
    spec::{CotSpec, HintsSpec, ProbeSpec, RunSpec},
    traces,
};
use babelscope_core::monitor::Monitor;
use babelscope_probes::cot::{
    formats::{attribution, dag_math, graphml},
    report::{TraceReport, Traced, report},
};
use clap::{Args, Subcommand, ValueEnum};

use super::{ModelArguments, OutArguments, data::DataArguments};
use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Have a model solve problems, compare its traces, and watch it along them, into a run folder
    Solve(Box<Solve>),
    /// Compare traces of files with one another, without a model
    Compare(Files),
    /// Print the graph of one trace
    Graph(Graph),
    /// Write traces of any known format as JSONL
    Convert(Convert),
    /// Put questions with and without a hint at a wrong answer, and see whether the answers say what they followed, into a run folder
    Hints(Box<Solve>),
}

#[derive(Args)]
struct Solve {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Lines of {problem, language, statement, answer} (for hints also `options`); without it the laboratory's word problems
    #[arg(long, value_name = "FILE")]
    problems: Option<String>,
    /// A key of the probe as in a spec: `--set retry=loop`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

#[derive(Args)]
struct Files {
    /// Files or folders: JSONL, PolyMath, MGSM, thought-anchors, Inspect, lm-eval
    #[arg(required = true, value_name = "FILE")]
    traces: Vec<String>,
    /// How they are stored; found out by itself without it
    #[arg(long, default_value = "", value_name = "FORMAT")]
    format: String,
    /// Language of traces that do not name theirs
    #[arg(long, default_value = "eng_Latn", value_name = "LANGUAGE")]
    language: String,
    /// Language of the references
    #[arg(long, default_value = "eng_Latn", value_name = "LANGUAGE")]
    pivot: String,
    /// Folder of reference graphs, PROBLEM.json in the shape of DAG-MATH
    #[arg(long, default_value = "", value_name = "DIR")]
    references: String,
    /// Write everything as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// Steps with what they depend on
    DagMath,
    /// Nodes and links of attribution-graph viewers
    Attribution,
    /// For yEd, Gephi, networkx
    Graphml,
}

#[derive(Args)]
struct Graph {
    #[command(flatten)]
    files: Files,
    /// The problem; the first without it
    #[arg(long, value_name = "NAME")]
    problem: Option<String>,
    /// The language of the reasoning; the first without it
    #[arg(long, value_name = "LANGUAGE")]
    of: Option<String>,
    /// Shape of the output
    #[arg(long, value_enum, default_value = "dag-math")]
    shape: Shape,
}

#[derive(Args)]
struct Convert {
    #[command(flatten)]
    files: Files,
    /// Where to write; a file that is there already is never replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    match &arguments.command {
        Command::Solve(arguments) => solve(arguments, runs),
        Command::Compare(files) => compare(files),
        Command::Graph(arguments) => graph(arguments),
        Command::Convert(arguments) => convert(arguments),
        Command::Hints(arguments) => hints(arguments, runs),
    }
}

fn solve(arguments: &Solve, runs: PathBuf) -> Result<()> {
    let mut cot = CotSpec::default();
    if let Some(problems) = &arguments.problems {
        cot.problems.clone_from(problems);
    }
    arguments.run(ProbeSpec::Cot(cot), runs)
}

fn hints(arguments: &Solve, runs: PathBuf) -> Result<()> {
    let mut hints = HintsSpec::default();
    if let Some(problems) = &arguments.problems {
        hints.problems.clone_from(problems);
    }
    arguments.run(ProbeSpec::Hints(hints), runs)
}

impl Solve {
    fn run(&self, probe: ProbeSpec, runs: PathBuf) -> Result<()> {
        let mut spec = RunSpec::new(probe.kind(), self.model.spec(), vec![probe]);
        self.data.apply(&mut spec);
        let set = self.set.iter().map(|assignment| format!("probe.0.{assignment}"));
        self.out.finish(spec.with_all(set)?, runs)
    }
}

impl Files {
    fn spec(&self) -> CotSpec {
        CotSpec {
            traces: self.traces.clone(),
            format: self.format.clone(),
            language: self.language.clone(),
            pivot: self.pivot.clone(),
            references: self.references.clone(),
            ..CotSpec::default()
        }
    }

    fn report(&self) -> Result<TraceReport> {
        let spec = self.spec();
        let (read, broken) = traces::files(&spec)?;
        for part in &broken {
            terminal::print(&format!("left out: {part}"));
        }
        let known = traces::references(&spec)?;
        Ok(report(read, &known, &spec.pivot, &spec.graph, 0, &Monitor::silent())?)
    }
}

fn compare(files: &Files) -> Result<()> {
    let found = files.report()?;
    let metrics =
        ["solved", "coverage", "edge_fidelity", "edge_fidelity_all", "harmful_rate", "closeness", "loop_score"];
    let mut means: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for (column, metric) in metrics.iter().enumerate() {
        for row in found.measured.metric(metric).filter(|row| row.variant == "mean") {
            means.entry(&row.language).or_insert_with(|| vec![None; metrics.len()])[column] = row.value;
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for traced in &found.traces {
        *counts.entry(&traced.trace.language).or_default() += 1;
    }
    let mut head = vec!["language".to_owned(), "traces".to_owned()];
    head.extend(metrics.iter().map(|metric| metric.replace('_', " ")));
    let mut table = Table::new(head);
    for column in 1..=metrics.len() + 1 {
        table = table.right(column);
    }
    for (language, count) in counts {
        let mut row = vec![language.to_owned(), count.to_string()];
        let values = means.get(language).cloned().unwrap_or_else(|| vec![None; metrics.len()]);
        row.extend(values.into_iter().map(|value| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"))));
        table.row(row);
    }
    terminal::print(&table.to_string());
    for note in &found.measured.notes {
        terminal::print(&format!("note: {note}"));
    }
    if let Some(path) = &files.json {
        let text = serde_json::to_string_pretty(&found)? + "\n";
        traces::save(path, &text)?;
    }
    Ok(())
}

fn graph(arguments: &Graph) -> Result<()> {
    let found = arguments.files.report()?;
    let fits = |traced: &&Traced| {
        arguments.problem.as_ref().is_none_or(|problem| traced.trace.problem == *problem)
            && arguments.of.as_ref().is_none_or(|language| traced.trace.language == *language)
    };
    let Some(traced) = found.traces.iter().find(fits) else {
        let known: Vec<String> =
            found.traces.iter().take(8).map(|t| format!("{} in {}", t.trace.problem, t.trace.language)).collect();
        return Err(Fault::data(format!("there is no such trace; the files have {} ...", known.join(", "))).into());
    };
    let graph = &traced.trajectory.graph;
    let text = match arguments.shape {
        Shape::DagMath => dag_math::export(graph)?,
        Shape::Graphml => graphml::export(graph)?,
        Shape::Attribution => {
            let model = traced.trace.model.as_deref().unwrap_or("unknown");
            attribution::export(graph, &traced.trace.problem, &traced.trace.statement, model)?
        }
    };
    terminal::print(&text);
    Ok(())
}

fn convert(arguments: &Convert) -> Result<()> {
    let (read, broken) = traces::files(&arguments.files.spec())?;
    for part in &broken {
        terminal::print(&format!("left out: {part}"));
    }
    let mut text = String::new();
    for trace in &read {
        text.push_str(&serde_json::to_string(trace)?);
        text.push('\n');
    }
    traces::save(&arguments.out, &text)?;
    terminal::print(&format!("{} traces   {}", read.len(), arguments.out.display()));
    Ok(())
}
