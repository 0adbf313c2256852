//! `babelscope store`: what lies on the disk, whether it is whole, and captures of other programs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use babelscope::{
    fault::{Fault, Kind},
    saelens,
};
use babelscope_core::{
    dtype::Dtype,
    hub::human,
    lang,
    store::{
        Entry, Index, Shard, State,
        import::{Choice, LayerOf, Origin, import},
        keys, state,
    },
};
use clap::{Args, Subcommand};

use crate::terminal::{self, Progress, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What a store holds
    Info {
        /// A folder with shards, or the folder of a sweep
        folder: PathBuf,
    },
    /// Whether every shard of a store is whole
    Verify {
        /// A folder with shards, or the folder of a sweep
        folder: PathBuf,
        /// Read and hash every byte, not only records and lengths
        #[arg(long)]
        deep: bool,
    },
    /// Write index.json anew from the records
    Index {
        /// A folder with shards
        folder: PathBuf,
    },
    /// Take captures of other programs into a store
    Import(Box<Import>),
}

#[derive(Args)]
struct Import {
    /// .npy, .npz, .pt, .pth or .safetensors files (vLLM's too), or a folder that SAELens wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The store; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Language of the lines
    #[arg(long)]
    language: String,
    /// How rows came to be: mean, weighted, last, or tokens (a row for each token)
    #[arg(long)]
    pooling: Option<String>,
    /// What the numbers of layers count: hidden_states (of transformers), layer (0 = embeddings), block (0 = the first block)
    #[arg(long, value_name = "WHAT")]
    layer_of: Option<LayerOf>,
    /// The numbers of the layers, in the order of the file
    #[arg(long, value_delimiter = ',', value_name = "L,L,...")]
    layers: Vec<usize>,
    /// Blocks of the model (num_hidden_layers)
    #[arg(long)]
    blocks: Option<usize>,
    /// The model has no norm behind its last block, so the last of hidden_states is a layer
    #[arg(long)]
    no_final_norm: bool,
    /// 0 for [layers, rows, width], 1 for [rows, layers, width]
    #[arg(long, value_name = "AXIS")]
    layer_axis: Option<usize>,
    /// Only this tensor (several times for several)
    #[arg(long, value_name = "NAME")]
    tensor: Vec<String>,
    /// The model that was captured
    #[arg(long, default_value = "unknown")]
    model: String,
    /// SHA-256 of its weights
    #[arg(long, default_value = "")]
    weights_sha256: String,
    /// BOS counts among what was pooled or kept
    #[arg(long)]
    include_bos: bool,
    /// Tokens that were left out at the start
    #[arg(long, default_value_t = 0)]
    skip_first: usize,
    /// Number format of the store: f32, bf16, f16 (default: that of the files)
    #[arg(long)]
    dtype: Option<Dtype>,
    /// Line of the first row, counted from 0
    #[arg(long, default_value_t = 0)]
    first_line: usize,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Info { folder } => info(folder),
        Command::Verify { folder, deep } => verify(folder, *deep),
        Command::Index { folder } => {
            let index = Index::scan(folder, "")?;
            index.write(folder)?;
            terminal::print(&format!("{} shards in index.json", index.shards.len()));
            Ok(())
        }
        Command::Import(arguments) => take(arguments),
    }
}

/// Where shards lie below a folder: a sweep keeps them deeper.
fn below(folder: &Path) -> Vec<&'static str> {
    let of_sweep = ["shards/extract", "shards/tokens"].into_iter().filter(|below| folder.join(below).is_dir());
    let of_sweep: Vec<_> = of_sweep.collect();
    if of_sweep.is_empty() { vec![""] } else { of_sweep }
}

fn info(folder: &Path) -> Result<()> {
    let mut shards = Vec::new();
    for below in below(folder) {
        shards.extend(Index::scan(folder, below)?.shards);
    }
    let mut table = Table::new(["model", "language", "site", "pooling", "shards", "lines", "rows", "size"]);
    for column in 4..8 {
        table = table.right(column);
    }
    let kind = |e: &Entry| (e.model.clone(), e.language.clone(), e.site.clone(), e.pooling.clone());
    for group in shards.chunk_by(|a, b| kind(a) == kind(b)) {
        let (model, language, site, pooling) = kind(&group[0]);
        let lines: usize = group.iter().map(|e| e.lines).sum();
        let rows: usize = group.iter().map(|e| e.rows).sum();
        let bytes = group.iter().map(|e| e.bytes).sum();
        let numbers = [group.len().to_string(), lines.to_string(), rows.to_string(), human(bytes)];
        table.row([model, language, site, pooling].into_iter().chain(numbers));
    }
    terminal::print(table.to_string().trim_end());
    Ok(())
}

fn verify(folder: &Path, deep: bool) -> Result<()> {
    let mut found = Vec::new();
    for below in below(folder) {
        found.extend(keys(&folder.join(below))?);
    }
    let mut damaged = 0;
    for (place, key) in &found {
        let whole = match state(place, key) {
            State::Damaged(why) => Err(format!("damaged: {why}")),
            _ if deep => Shard::open(place, key).and_then(|shard| shard.verify()).map_err(|e| e.to_string()),
            _ => Ok(()),
        };
        if let Err(why) = whole {
            damaged += 1;
            terminal::print(&format!("{key}: {why}"));
        }
    }
    if damaged > 0 {
        let why = format!("{damaged} of {} shards are damaged\n{}", found.len(), folder.display());
        return Err(Fault::new(Kind::Data, why).into());
    }
    let how = if deep { "every byte was read" } else { "records and lengths; --deep reads every byte" };
    terminal::print(&format!("{} shards are whole ({how})", found.len()));
    Ok(())
}

fn take(arguments: &Import) -> Result<()> {
    let Import { files, out, model, weights_sha256, include_bos, skip_first, dtype, first_line, .. } = arguments;
    let folders = files.iter().filter(|path| path.is_dir()).count();
    let pooling = match (&arguments.pooling, folders) {
        (Some(pooling), _) => pooling.clone(),
        (None, 0) => {
            bail!(Fault::spec("say --pooling: mean, weighted or last for a row a sentence, tokens for a row a token"))
        }
        (None, _) => "tokens".to_owned(),
    };
    let origin = Origin {
        model: model.clone(),
        weights_sha256: weights_sha256.clone(),
        language: lang::resolve(&arguments.language)?.code.to_owned(),
        pooling,
        include_bos: *include_bos,
        skip_first: *skip_first,
        first_line: *first_line,
        dtype: *dtype,
    };
    let choice = Choice {
        layer_of: arguments.layer_of,
        layers: arguments.layers.clone(),
        blocks: arguments.blocks,
        no_final_norm: arguments.no_final_norm,
        layer_axis: arguments.layer_axis,
        tensors: arguments.tensor.clone(),
    };
    let progress = Progress::new();
    let monitor = progress.monitor()?;
    let keys = match (files.as_slice(), folders) {
        (_, 0) => import(files, &choice, &origin, out, &monitor).map_err(anyhow::Error::from),
        ([folder], 1) if choice == Choice::default() && origin.pooling == "tokens" => {
            saelens::import(folder, &origin, out, &monitor)
        }
        ([_], 1) => Err(Fault::spec("a folder of SAELens names its site itself and holds tokens; leave --layers, --layer-of, --tensor and --pooling out").into()),
        _ => Err(Fault::spec("give either files or one folder of SAELens").into()),
    };
    progress.finish();
    let keys = keys?;
    let index = Index::scan(out, "")?;
    index.write(out)?;
    terminal::print(&format!("{} shards imported, the store has {}", keys.len(), index.shards.len()));
    info(out)
}
