//! `babelscope align`: a spec with one alignment probe.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{DataSpec, ExtractSpec, Pooling, ProbeSpec, RunSpec};
use clap::{Args, ValueEnum};

use super::{ModelArguments, OutArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// `lab` (embedded), a folder of eng_Latn.txt files, or a TSV, CSV or JSONL file with a column for each language
    #[arg(long, value_name = "CORPUS")]
    corpus: String,
    /// FLORES code; may be given more than once; `all` compares every pair
    #[arg(long, default_value = "eng_Latn", value_delimiter = ',')]
    pivot: Vec<String>,
    /// Only these languages (with the pivot among them)
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    languages: Vec<String>,
    /// Only the first N lines
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    /// Only these layers: 0 is the embeddings, l the output of block l
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    layers: Vec<usize>,
    /// How a sentence becomes one vector
    #[arg(long, value_enum, default_value_t = PoolingArgument::Mean)]
    pooling: PoolingArgument,
    /// Count BOS in the pooling
    #[arg(long)]
    include_bos: bool,
    /// Leave out the first K tokens
    #[arg(long, default_value_t = 0, value_name = "K")]
    skip_first: usize,
    /// Bootstrap draws for the intervals; 0 for none
    #[arg(long, default_value_t = 1000, value_name = "DRAWS")]
    bootstrap: usize,
    #[command(flatten)]
    out: OutArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum PoolingArgument {
    Mean,
    Weighted,
    Last,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let all = arguments.pivot.iter().any(|p| p == "all");
    let pivots = if all { Vec::new() } else { arguments.pivot.clone() };
    let probe = ProbeSpec::Align { pivots, bootstrap: arguments.bootstrap };
    let mut spec = RunSpec::new("align", arguments.model.spec(), vec![probe]);
    spec.data =
        DataSpec { path: arguments.corpus.clone(), languages: arguments.languages.clone(), limit: arguments.limit };
    spec.extract = ExtractSpec {
        layers: arguments.layers.clone(),
        pooling: match arguments.pooling {
            PoolingArgument::Mean => Pooling::Mean,
            PoolingArgument::Weighted => Pooling::Weighted,
            PoolingArgument::Last => Pooling::Last,
        },
        include_bos: arguments.include_bos,
        skip_first: arguments.skip_first,
    };
    arguments.out.finish(spec, runs)
}
