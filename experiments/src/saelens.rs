//! Activations that SAELens cached, into a store: a folder of Arrow files, one row a context of tokens, a column named by its hook
//! point (`blocks.5.hook_resid_post`), and `token_ids`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use anyhow::Result;
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{DataType, Float16Type, Float32Type, Float64Type, Int64Type},
    ipc::reader::StreamReader,
};
use babelscope_core::{
    dtype::Dtype,
    hash::{sha256, sha256_file},
    monitor::{Monitor, Tick},
    plan::{Point, Site},
    store::{Made, POOLED, Row, SCHEMA, ShardMeta, ShardWriter, State, import::Origin, publish, shard_folder, state},
};

use crate::fault::Fault;

/// Numbers that go into one shard.
const SHARD: usize = 32 << 20;

/// The contexts that are read and not yet written.
#[derive(Default)]
struct Block {
    rows: Vec<Row>,
    lines: usize,
    /// `[rows, width]` of each site.
    states: BTreeMap<Site, Vec<f32>>,
    width: usize,
}

/// Writes the cached activations of `folder` as shards below `root` and returns their keys. Rows are single tokens, a context is a
/// line; `origin.pooling` is not asked.
///
/// # Errors
/// A folder without Arrow files, a file that is damaged, columns that name no site, numbers that are not finite.
pub fn import(folder: &Path, origin: &Origin, root: &Path, monitor: &Monitor) -> Result<Vec<String>> {
    let files = files(folder)?;
    let (mut keys, mut block) = (Vec::new(), Block::default());
    let mut line = origin.first_line;
    let mut hashes = String::new();
    for (done, path) in files.iter().enumerate() {
        monitor.tick(Tick { what: "importing", done, total: files.len(), unit: "files" })?;
        hashes += &sha256_file(path).map_err(|e| Fault::read("an Arrow file", path, &e))?;
        let damaged = |why: &dyn std::fmt::Display| {
            Fault::data(format!("import: the file cannot be read: {why}\n{}", path.display()))
        };
        let open = File::open(path).map_err(|e| Fault::read("an Arrow file", path, &e))?;
        let mut batches = held(|| StreamReader::try_new_buffered(open, None)).map_err(|e| damaged(&e))?;
        while let Some(batch) = held(|| batches.next().transpose()).map_err(|e| damaged(&e))? {
            monitor.check()?;
            for context in 0..batch.num_rows() {
                let taken = held(|| Ok(take(&batch, context, line + block.lines, &mut block)));
                taken.map_err(|e| damaged(&e))?.map_err(|why| damaged(&format!("context {context}: {why}")))?;
                if block.rows.len() * block.width * block.states.len() >= SHARD {
                    line += block.lines;
                    keys.extend(store(std::mem::take(&mut block), line, &hashes, folder, origin, root)?);
                }
            }
        }
    }
    line += block.lines;
    keys.extend(store(block, line, &hashes, folder, origin, root)?);
    Ok(keys)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Fault::read("a folder of Arrow files", folder, &e))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|path| path.extension().is_some_and(|e| e == "arrow")).collect();
    files.sort_unstable();
    if files.is_empty() {
        let why =
            format!("import: there is no .arrow file; expected a folder that SAELens wrote\n{}", folder.display());
        return Err(Fault::data(why).into());
    }
    Ok(files)
}

/// Arrow checks most of what it reads; a panic on the rest becomes an error.
fn held<T>(work: impl FnOnce() -> Result<T, arrow::error::ArrowError>) -> Result<T, arrow::error::ArrowError> {
    let damaged = |_panic| arrow::error::ArrowError::IpcError("the file is damaged".to_owned());
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(damaged(panic)))
}

/// One context into the block.
fn take(batch: &RecordBatch, context: usize, line: usize, block: &mut Block) -> Result<(), String> {
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let ids =
        batch.column_by_name("token_ids").ok_or("there is no column token_ids; cache with a SAELens that stores it")?;
    let ids = item(ids, context).ok_or("token_ids holds no list here")?;
    let ids = arrow::compute::cast(&ids, &DataType::Int64).map_err(|e| e.to_string())?;
    let ids = ids.as_primitive::<Int64Type>();
    let sites: Vec<(Site, &ArrayRef)> =
        names.iter().zip(batch.columns()).filter_map(|(name, column)| Some((name.parse().ok()?, column))).collect();
    if sites.is_empty() {
        return Err(format!("no column is named as a site ({}); expected blocks.5.hook_resid_post", names.join(", ")));
    }
    for (site, column) in sites {
        let tokens = item(column, context).ok_or_else(|| format!("{site} holds no list here"))?;
        if tokens.len() != ids.len() {
            return Err(format!("{site} has {} tokens, token_ids {}", tokens.len(), ids.len()));
        }
        let states = block.states.entry(site).or_default();
        for token in 0..tokens.len() {
            let row = item(&tokens, token).ok_or_else(|| format!("{site} holds no list of lists"))?;
            if block.width == 0 {
                block.width = row.len();
            }
            if row.len() != block.width || row.null_count() > 0 {
                return Err(format!("{site} has {} numbers at token {token}, expected {}", row.len(), block.width));
            }
            match row.data_type() {
                DataType::Float32 => states.extend(row.as_primitive::<Float32Type>().values()),
                DataType::Float16 => {
                    states.extend(row.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()))
                }
                DataType::Float64 => {
                    states.extend(row.as_primitive::<Float64Type>().values().iter().map(|x| *x as f32))
                }
                other => return Err(format!("{site} holds {other}, expected floating-point numbers")),
            }
        }
    }
    let whole =
        |number: i64| u32::try_from(number).ok().filter(|n| *n < POOLED).ok_or(format!("{number} is no line or token"));
    for (position, id) in ids.values().iter().enumerate() {
        let (line, position, token) = (whole(line as i64)?, whole(position as i64)?, whole(*id)?);
        block.rows.push(Row { line, position, token, start: 0, end: 0 });
    }
    block.lines += 1;
    Ok(())
}

/// What a list of any kind holds at a place.
fn item(array: &ArrayRef, at: usize) -> Option<ArrayRef> {
    if array.is_null(at) {
        return None;
    }
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(at)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(at)),
        _ => None,
    }
}

/// A block as shards, one for each point. `end` is the line behind its last.
fn store(block: Block, end: usize, hashes: &str, folder: &Path, origin: &Origin, root: &Path) -> Result<Vec<String>> {
    let Block { rows, lines, states, width } = block;
    let mut points: BTreeMap<Point, Vec<(usize, Vec<f32>)>> = BTreeMap::new();
    for (site, values) in states {
        let point = if site == Site::layer(site.block) { Point::ResidPost } else { site.point };
        points.entry(point).or_default().push((site.block, values));
    }
    let mut keys = Vec::new();
    for (point, layers) in points {
        let mut meta = ShardMeta {
            schema: SCHEMA,
            key: String::new(),
            model: origin.model.clone(),
            weights_sha256: origin.weights_sha256.clone(),
            config_sha256: String::new(),
            tokenizer_sha256: String::new(),
            corpus_sha256: sha256(hashes.as_bytes()),
            language: origin.language.clone(),
            first_line: end - lines,
            lines,
            site: Point::NAMES.iter().find(|(p, _)| *p == point).map_or("", |(_, name)| name).to_owned(),
            layers: layers.iter().map(|(layer, _)| *layer).collect(),
            pooling: "tokens".to_owned(),
            include_bos: origin.include_bos,
            skip_first: origin.skip_first,
            dtype: origin.dtype.unwrap_or(Dtype::F32),
            width,
        };
        meta.key = meta.content_key();
        let place = shard_folder(root, &meta.key);
        keys.push(meta.key.clone());
        if state(&place, &meta.key) == State::Done {
            continue;
        }
        let mut writer = ShardWriter::create(&place, meta, &rows)?;
        for (layer, values) in layers {
            writer.put(layer, 0, &values)?;
        }
        let alarms =
            vec![format!("imported from SAELens's {}; bytes of rows are not known (0 to 0)", folder.display())];
        let program = concat!("babelscope ", env!("CARGO_PKG_VERSION"), " import").to_owned();
        writer.publish(Made { host: publish::host(), program, alarms, ..Made::default() })?;
    }
    Ok(keys)
}
