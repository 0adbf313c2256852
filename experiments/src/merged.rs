//! The result tables of many runs as one file, written in pieces at flat memory.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use arrow::{
    array::{Array as _, ArrayRef, RecordBatch, StringArray, cast::AsArray as _},
    datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, UInt32Type, UInt64Type},
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    atomic,
    fault::{Fault, Kind},
    run::{self, MANIFEST, MEASURES, RESULTS},
};

/// Rows that are in memory at a time.
const BATCH: usize = 65_536;
/// Rows of a row group, which a writer keeps (encoded) until it is full.
const GROUP: usize = 1 << 20;

/// Which table of the runs is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// `tables/results.parquet`: the cells of alignment.
    Results,
    /// `tables/measures.parquet`: every number of every other measure.
    Measures,
}

impl Merging {
    fn path(self) -> &'static str {
        match self {
            Self::Results => RESULTS,
            Self::Measures => MEASURES,
        }
    }
}

/// What a file of merged results holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Runs.
    pub runs: usize,
    /// Rows.
    pub rows: u64,
}

/// The run folders that a path means: a run itself, the models of a sweep, or the runs below a folder.
///
/// # Errors
/// [`Kind::Missing`] where there is none.
pub fn runs_of(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join(MANIFEST).exists() {
        return Ok(vec![path.to_owned()]);
    }
    let models = path.join("models");
    let root = if models.is_dir() { models.as_path() } else { path };
    let mut found = Vec::new();
    let entries = fs::read_dir(root).map_err(|e| Fault::read("a folder of runs", path, &e))?;
    for entry in entries {
        let folder = entry.map_err(|e| Fault::read("a folder of runs", path, &e))?.path();
        let hidden = folder.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden || !folder.is_dir() {
            continue;
        }
        if folder.join(MANIFEST).exists() {
            found.push(folder);
        } else if folder.join("models").is_dir() {
            found.extend(runs_of(&folder)?);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Fault::new(Kind::Missing, format!("there is no run here, nor below it\n{}", path.display())).into());
    }
    Ok(found)
}

/// Writes the rows of one table of every run into one file, with the columns `run` (name of the folder) and `identity` in
/// front: Parquet, or CSV where the name ends in `.csv`. Runs without such a table add nothing.
///
/// # Errors
/// [`Kind::Data`]: a damaged run, tables with other columns, the same run twice. [`Kind::Exists`]: the file is there already.
pub fn write(runs: &[PathBuf], table: Merging, out: &Path) -> Result<Merged> {
    let csv = match out.extension().and_then(|e| e.to_str()) {
        Some("parquet") => false,
        Some("csv") => true,
        _ => {
            return Err(Fault::spec(format!("expected a name that ends in .parquet or .csv\n{}", out.display())).into());
        }
    };
    let sources = sources(runs, table)?;
    let schema = common_schema(&sources)?;
    let wide = widened(&schema);
    atomic::write(
        out,
        "the results",
        |_| false,
        |file| {
            let file = BufWriter::with_capacity(1 << 20, file);
            let mut to = if csv { Sink::csv(file, &wide, out)? } else { Sink::parquet(file, &wide, out)? };
            let mut rows = 0;
            for source in &sources {
                rows += source.copy(&wide, &mut to)?;
            }
            to.finish()?;
            Ok(Merged { runs: sources.len(), rows })
        },
    )
}

/// A table with what is said of its run.
struct Source {
    path: PathBuf,
    run: String,
    identity: String,
}

fn sources(runs: &[PathBuf], table: Merging) -> Result<Vec<Source>> {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut out = Vec::new();
    for folder in runs {
        let manifest = run::manifest(folder)?;
        if let Some(first) = seen.insert(manifest.identity.clone(), folder.clone()) {
            let (one, two) = (first.display(), folder.display());
            return Err(Fault::data(format!(
                "two folders hold the same run, whose rows would count twice; name one of them\n{one}\n{two}"
            ))
            .into());
        }
        let Some(file) = manifest.files.iter().find(|file| file.path == table.path()) else { continue };
        run::verify(folder, file)?;
        let run = folder.file_name().map_or_else(|| manifest.name.clone(), |name| name.to_string_lossy().into_owned());
        out.push(Source { path: folder.join(table.path()), run, identity: manifest.identity });
    }
    if out.is_empty() {
        return Err(
            Fault::new(Kind::Missing, "none of these runs has a table of results (tables/results.parquet)").into()
        );
    }
    Ok(out)
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> anyhow::Error {
    Fault::data(format!("not a Parquet table: {why}\n{}", path.display())).into()
}

impl Source {
    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = File::open(&self.path).map_err(|e| Fault::read("a table", &self.path, &e))?;
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&self.path, &e))
    }

    fn copy(&self, schema: &SchemaRef, to: &mut Sink<'_>) -> Result<u64> {
        let reader = self.open()?.with_batch_size(BATCH).build().map_err(|e| damaged(&self.path, &e))?;
        let mut rows = 0;
        for batch in reader {
            let batch = batch.map_err(|e| damaged(&self.path, &e))?;
            let constant = |text: &str| -> ArrayRef {
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, batch.num_rows())))
            };
            let mut columns = vec![constant(&self.run), constant(&self.identity)];
            columns.extend(batch.columns().iter().cloned());
            let wide = RecordBatch::try_new(Arc::clone(schema), columns).map_err(|e| damaged(&self.path, &e))?;
            rows += wide.num_rows() as u64;
            to.batch(&wide)?;
        }
        Ok(rows)
    }
}

/// The columns that every table has, in the same order and of the same types.
fn common_schema(sources: &[Source]) -> Result<SchemaRef> {
    let mut first: Option<(SchemaRef, &Path)> = None;
    for source in sources {
        let schema = Arc::clone(source.open()?.schema());
        let Some((known, path)) = &first else {
            first = Some((schema, &source.path));
            continue;
        };
        let columns =
            |s: &Schema| s.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>();
        let (ours, theirs) = (columns(known), columns(&schema));
        if ours != theirs {
            let missing = |a: &[String], b: &[String]| {
                a.iter().filter(|c| !b.contains(c)).cloned().collect::<Vec<_>>().join(", ")
            };
            return Err(Fault::data(format!(
                "the tables have other columns, so they were written by different versions and are not merged: only the first has [{}], only the second has [{}]\n{}\n{}",
                missing(&ours, &theirs),
                missing(&theirs, &ours),
                path.display(),
                source.path.display()
            ))
            .into());
        }
    }
    first.map(|f| f.0).ok_or_else(|| Fault::new(Kind::Missing, "no table").into())
}

fn widened(schema: &Schema) -> SchemaRef {
    let new = ["run", "identity"].map(|name| Arc::new(Field::new(name, DataType::Utf8, false)));
    Arc::new(Schema::new(new.into_iter().chain(schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// Where rows go.
enum Sink<'a> {
    Parquet(Box<ArrowWriter<BufWriter<&'a mut File>>>, PathBuf),
    Csv(BufWriter<&'a mut File>, PathBuf),
}

impl<'a> Sink<'a> {
    fn parquet(file: BufWriter<&'a mut File>, schema: &SchemaRef, path: &Path) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let writer =
            ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(|e| unwritten(path, &e))?;
        Ok(Self::Parquet(Box::new(writer), path.to_owned()))
    }

    fn csv(mut file: BufWriter<&'a mut File>, schema: &Schema, path: &Path) -> Result<Self> {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        writeln!(file, "{}", names.join(",")).map_err(|e| unwritten(path, &e))?;
        Ok(Self::Csv(file, path.to_owned()))
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Parquet(writer, path) => writer.write(batch).map_err(|e| unwritten(path, &e)),
            Self::Csv(file, path) => csv_rows(file, batch, path),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Parquet(mut writer, path) => {
                writer.finish().map_err(|e| unwritten(&path, &e))?;
                writer.inner_mut().flush().map_err(|e| unwritten(&path, &e))
            }
            Self::Csv(mut file, path) => file.flush().map_err(|e| unwritten(&path, &e)),
        }
    }
}

fn unwritten(path: &Path, why: &dyn std::fmt::Display) -> anyhow::Error {
    Fault::new(Kind::Io, format!("cannot write the results: {why}\n{}", path.display())).into()
}

/// Rows as RFC 4180 has them; a missing value is an empty field.
fn csv_rows(file: &mut impl Write, batch: &RecordBatch, path: &Path) -> Result<()> {
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (at, column) in batch.columns().iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            field(column, row, &mut line)?;
        }
        writeln!(file, "{line}").map_err(|e| unwritten(path, &e))?;
    }
    Ok(())
}

fn field(column: &ArrayRef, row: usize, line: &mut String) -> Result<()> {
    use std::fmt::Write as _;
    if column.is_null(row) {
        return Ok(());
    }
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            if text.contains([',', '"', '\n', '\r']) {
                write!(line, "\"{}\"", text.replace('"', "\"\""))?;
            } else {
                line.push_str(text);
            }
        }
        DataType::UInt32 => write!(line, "{}", column.as_primitive::<UInt32Type>().value(row))?,
        DataType::UInt64 => write!(line, "{}", column.as_primitive::<UInt64Type>().value(row))?,
        // Rust prints the shortest text that is read back as the same number.
        DataType::Float64 => write!(line, "{}", column.as_primitive::<Float64Type>().value(row))?,
        DataType::Float32 => write!(line, "{}", column.as_primitive::<Float32Type>().value(row))?,
        DataType::Boolean => write!(line, "{}", column.as_boolean().value(row))?,
        other => {
            return Err(
                Fault::data(format!("a column of type {other} cannot be written as CSV; write .parquet")).into()
            );
        }
    }
    Ok(())
}
