//! Which sentences, and what is kept of them: options that every short form of a probe shares.

use babelscope::spec::{DataSpec, ExtractSpec, Pooling, ProbeSpec, RunSpec};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(super) struct DataArguments {
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
}

#[derive(Clone, Copy, ValueEnum)]
enum PoolingArgument {
    Mean,
    Weighted,
    Last,
}

impl DataArguments {
    /// Puts them into a spec of one probe.
    pub(super) fn apply(&self, spec: &mut RunSpec) {
        let all = self.pivot.iter().any(|p| p == "all");
        if let Some(pivots) = spec.probe.first_mut().and_then(ProbeSpec::pivots_mut) {
            *pivots = if all { Vec::new() } else { self.pivot.clone() };
        }
        spec.data = DataSpec { path: self.corpus.clone(), languages: self.languages.clone(), limit: self.limit };
        spec.extract = ExtractSpec {
            layers: self.layers.clone(),
            pooling: match self.pooling {
                PoolingArgument::Mean => Pooling::Mean,
                PoolingArgument::Weighted => Pooling::Weighted,
                PoolingArgument::Last => Pooling::Last,
            },
            include_bos: self.include_bos,
            skip_first: self.skip_first,
        };
    }
}
