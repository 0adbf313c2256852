//! Reports as long-form Parquet tables, and back. Missing is NULL with a status, never NaN.

pub mod align;
pub mod corpus;
pub mod lens;

use std::{fs::File, path::Path, sync::Arc};

use anyhow::Result;
use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
    },
    compute::concat_batches,
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::fault::{Fault, Kind};

/// A column before it is written.
pub(crate) type Column = (&'static str, ArrayRef);

pub(crate) fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(crate) fn optional_strings(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(crate) fn u32s(values: impl IntoIterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

pub(crate) fn u64s(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

pub(crate) fn f32s(values: impl IntoIterator<Item = f32>) -> ArrayRef {
    Arc::new(values.into_iter().map(|v| v.is_finite().then_some(v)).collect::<Float32Array>())
}

pub(crate) fn f64s(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect::<Float64Array>())
}

pub(crate) fn bools(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

/// A count or an index as a column holds it.
pub(crate) fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Writes `columns` as a new Parquet file.
pub(crate) fn write(path: &Path, columns: Vec<Column>) -> Result<()> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
    let file = File::create_new(path).map_err(|e| Fault::write("a table", path, &e))?;
    let failed = |e: parquet::errors::ParquetError| {
        Fault::new(Kind::Io, format!("cannot write a table: {e}\n{}", path.display()))
    };
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(())
}

/// A Parquet file in memory, read by column name.
pub(crate) struct Table {
    batch: RecordBatch,
    name: String,
}

impl Table {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Fault::read("a table", path, &e))?;
        let damaged = |e: &dyn std::fmt::Display| Fault::data(format!("not a Parquet table: {e}\n{}", path.display()));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
        let schema = Arc::clone(builder.schema());
        let reader = builder.build().map_err(|e| damaged(&e))?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| damaged(&e))?;
        let batch = concat_batches(&schema, &batches).map_err(|e| damaged(&e))?;
        Ok(Self { batch, name: path.file_name().unwrap_or_default().to_string_lossy().into_owned() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn column<T: 'static>(&self, column: &str) -> Result<&T> {
        let array = self
            .batch
            .column_by_name(column)
            .ok_or_else(|| Fault::data(format!("{}: there is no column {column:?}", self.name)))?;
        let typed = array.as_any().downcast_ref::<T>();
        Ok(typed.ok_or_else(|| {
            Fault::data(format!(
                "{}: the column {column:?} has type {}, which is not expected",
                self.name,
                array.data_type()
            ))
        })?)
    }

    pub(crate) fn strings(&self, column: &str) -> Result<Vec<String>> {
        let array = self.column::<StringArray>(column)?;
        Ok(array.iter().map(|v| v.unwrap_or_default().to_owned()).collect())
    }

    pub(crate) fn optional_strings(&self, column: &str) -> Result<Vec<Option<String>>> {
        Ok(self.column::<StringArray>(column)?.iter().map(|v| v.map(str::to_owned)).collect())
    }

    pub(crate) fn u32s(&self, column: &str) -> Result<Vec<u32>> {
        Ok(self.column::<UInt32Array>(column)?.values().to_vec())
    }

    pub(crate) fn u64s(&self, column: &str) -> Result<Vec<u64>> {
        Ok(self.column::<UInt64Array>(column)?.values().to_vec())
    }

    pub(crate) fn f32s(&self, column: &str) -> Result<Vec<f32>> {
        Ok(self.column::<Float32Array>(column)?.iter().map(|v| v.unwrap_or(f32::NAN)).collect())
    }

    pub(crate) fn f64s(&self, column: &str) -> Result<Vec<Option<f64>>> {
        Ok(self.column::<Float64Array>(column)?.iter().collect())
    }

    /// A sentence for rows that contradict one another.
    pub(crate) fn wrong(&self, row: usize, why: &str) -> anyhow::Error {
        Fault::data(format!("{}, row {row}: {why}", self.name)).into()
    }
}
