//! Shards of the layers that were found.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

use candle_core::DType;
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        meta::{Made, Row, SCHEMA, ShardMeta},
        publish::host,
        state::{State, shard_folder, state},
        writer::ShardWriter,
    },
    Choice, Origin, Part, fail,
    files::Foreign,
    layers::{Layers, TOKEN_IDS},
};
use crate::{
    Error, Result,
    dtype::Dtype,
    hash::{hex, sha256_file},
    monitor::{Monitor, Tick},
    plan::{Point, Site},
};

/// Files go together into shards of about this many bytes: a request of vLLM is one file, and a store of a million files is none.
const SHARD_BYTES: usize = 256 << 20;

/// A file with what was found of it.
struct Found {
    path: PathBuf,
    layers: Layers,
    /// Token ids, where each row is a token.
    tokens: Option<Vec<u32>>,
}

/// Writes the states of `files` as shards below `root`, in the order of the files; lines go on counting from file to file. Each
/// point (`resid_post`, `final_norm`, ...) is a shard of its own. Returns the keys. A shard that is there already stays.
///
/// A file of pooled rows has a row a line. A file of tokens (`origin.pooling` is `tokens`) is one line, its ids in `token_ids`.
///
/// # Errors
/// [`Error::Read`]; [`Error::Store`] for a file that is damaged, whose layers nobody knows, or whose numbers are not finite;
/// [`Error::Write`]; [`Error::Cancelled`].
pub fn import(
    files: &[PathBuf],
    choice: &Choice,
    origin: &Origin,
    root: &Path,
    monitor: &Monitor,
) -> Result<Vec<String>> {
    let mut found = Vec::with_capacity(files.len());
    for (done, path) in files.iter().enumerate() {
        monitor.tick(Tick { what: "looking into files", done, total: files.len(), unit: "files" })?;
        found.push(look(path, choice, origin)?);
    }
    let mut keys = Vec::new();
    let mut first_line = origin.first_line;
    let mut at = 0;
    while at < found.len() {
        monitor.tick(Tick { what: "importing", done: at, total: found.len(), unit: "files" })?;
        let group = group(&found[at..], origin);
        let lines = group.iter().map(|f| if f.tokens.is_some() { 1 } else { f.layers.rows }).sum();
        let points: BTreeSet<Point> = group[0].layers.parts.iter().map(|part| point(part.site)).collect();
        for point in points {
            keys.push(store(group, point, (first_line, lines), origin, choice, root)?);
        }
        first_line += lines;
        at += group.len();
    }
    Ok(keys)
}

/// `embeddings` is layer 0 of the residual stream.
fn point(site: Site) -> Point {
    if site == Site::layer(site.block) { Point::ResidPost } else { site.point }
}

fn look(path: &Path, choice: &Choice, origin: &Origin) -> Result<Found> {
    let file = Foreign::open(path)?;
    let layers = Layers::of(&file, choice)?;
    let tokens = match (origin.pooling.as_str(), file.tensors.contains_key(TOKEN_IDS)) {
        ("tokens", true) => Some(file.ids(TOKEN_IDS)?),
        ("tokens", false) => {
            return Err(fail(
                path,
                "has no tensor token_ids, so nobody knows which tokens its rows are; save them beside the states",
            ));
        }
        (_, true) => {
            return Err(fail(path, "has token_ids, so its rows are single tokens; say --pooling tokens"));
        }
        (_, false) => None,
    };
    if let Some(ids) = tokens.as_ref().filter(|ids| ids.len() != layers.rows) {
        return Err(fail(path, format!("has {} token ids for {} rows", ids.len(), layers.rows)));
    }
    Ok(Found { path: path.to_owned(), layers, tokens })
}

/// The next files that go into one shard: of the same layers and width, up to a size.
fn group<'a>(found: &'a [Found], origin: &Origin) -> &'a [Found] {
    let first = &found[0].layers;
    let row = first.parts.len() * first.width * number_format(first.dtype, origin).size();
    let mut bytes = 0;
    let fit = found.iter().take_while(|f| {
        bytes += f.layers.rows * row;
        let sites = |layers: &Layers| layers.parts.iter().map(|part| part.site).collect::<Vec<_>>();
        bytes <= SHARD_BYTES
            && f.layers.width == first.width
            && f.layers.dtype == first.dtype
            && sites(&f.layers) == sites(first)
    });
    let count = fit.count().max(1);
    &found[..count]
}

fn number_format(found: DType, origin: &Origin) -> Dtype {
    origin.dtype.unwrap_or(match found {
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::Bf16,
        _ => Dtype::F32,
    })
}

fn store(
    group: &[Found],
    point: Point,
    (first_line, lines): (usize, usize),
    origin: &Origin,
    choice: &Choice,
    root: &Path,
) -> Result<String> {
    let begun = Instant::now();
    let first = &group[0].layers;
    let mut hasher = Sha256::new();
    for Found { path, .. } in group {
        let hash =
            sha256_file(path).map_err(|source| Error::Read { what: "a file to import", path: path.clone(), source })?;
        hasher.update(hash);
    }
    // Other tensors of the same files are other numbers.
    hasher.update(format!("{choice:?}"));
    let of_point = |part: &&Part| self::point(part.site) == point;
    let mut meta = ShardMeta {
        schema: SCHEMA,
        key: String::new(),
        model: origin.model.clone(),
        weights_sha256: origin.weights_sha256.clone(),
        config_sha256: String::new(),
        tokenizer_sha256: String::new(),
        corpus_sha256: hex(&hasher.finalize()),
        language: origin.language.clone(),
        first_line,
        lines,
        site: Point::NAMES.iter().find(|(p, _)| *p == point).map_or("", |(_, name)| name).to_owned(),
        layers: first.parts.iter().filter(of_point).map(|part| part.site.block).collect(),
        pooling: origin.pooling.clone(),
        include_bos: origin.include_bos,
        skip_first: origin.skip_first,
        dtype: number_format(first.dtype, origin),
        width: first.width,
    };
    meta.key = meta.content_key();
    let key = meta.key.clone();
    let folder = shard_folder(root, &key);
    if state(&folder, &key) == State::Done {
        return Ok(key);
    }
    let rows = rows(group, first_line)?;
    let mut writer = ShardWriter::create(&folder, meta, &rows)?;
    let mut row = 0;
    for Found { path, layers, .. } in group {
        let file = Foreign::open(path)?;
        let mut wanted: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
        for part in layers.parts.iter().filter(of_point) {
            wanted.entry(&part.tensor).or_default().push(part);
        }
        for (tensor, parts) in wanted {
            let states = file.load(tensor)?;
            for part in parts {
                let states = match part.slice {
                    Some((axis, index)) => states.narrow(axis, index, 1)?.squeeze(axis)?,
                    None => states.clone(),
                };
                writer.put(part.site.block, row, &states.flatten_all()?.to_vec1::<f32>()?)?;
            }
        }
        row += layers.rows;
    }
    let mut alarms: Vec<String> = group.iter().map(|f| format!("imported from {}", f.path.display())).collect();
    alarms.truncate(16);
    alarms.push(format!(
        "imported from {} files; layers by {choice:?}; bytes of rows are not known (0 to 0)",
        group.len()
    ));
    if point == Point::FinalNorm {
        alarms.push("the last entry of hidden_states: behind the final norm, so no layer".to_owned());
    }
    if first.dtype == DType::F64 {
        alarms.push("the file's f64 were rounded".to_owned());
    }
    writer.publish(Made {
        host: host(),
        seconds: begun.elapsed().as_secs_f64(),
        program: concat!("babelscope ", env!("CARGO_PKG_VERSION"), " import").to_owned(),
        alarms,
        ..Made::default()
    })?;
    Ok(key)
}

fn rows(group: &[Found], first_line: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut line = first_line;
    for Found { path, layers, tokens } in group {
        let whole = |number: usize| {
            u32::try_from(number).map_err(|_e| fail(path, format!("line {number} is beyond what a shard can count")))
        };
        match tokens {
            None => {
                for _ in 0..layers.rows {
                    rows.push(Row::pooled(whole(line)?, 0));
                    line += 1;
                }
            }
            Some(ids) => {
                for (position, token) in ids.iter().enumerate() {
                    rows.push(Row { line: whole(line)?, position: whole(position)?, token: *token, start: 0, end: 0 });
                }
                line += 1;
            }
        }
    }
    Ok(rows)
}
