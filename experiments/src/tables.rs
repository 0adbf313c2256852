//! Reports as long-form Parquet tables, and back. Missing is NULL with a status, never NaN.

pub mod align;
pub mod corpus;
pub mod lens;
pub mod map;
pub mod measures;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use arrow::{
    array::{
        Array as _, ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, UInt32Array,
        UInt64Array,
    },
    compute::concat_batches,
};
use babelscope_core::guard::guarded;
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

pub(crate) fn optional_u32s(values: impl IntoIterator<Item = Option<u32>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<UInt32Array>())
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

/// Writes the rows of `parts`, which have the same columns, one behind the other; a batch of rows at a time is in memory.
pub(crate) fn concatenate(parts: &[PathBuf], path: &Path) -> Result<()> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
    let failed = |e: parquet::errors::ParquetError| {
        Fault::new(Kind::Io, format!("cannot write a table: {e}\n{}", path.display()))
    };
    let mut writer: Option<ArrowWriter<File>> = None;
    for part in parts {
        let file = File::open(part).map_err(|e| Fault::read("a table", part, &e))?;
        let damaged = |e: &dyn std::fmt::Display| Fault::data(format!("not a Parquet table: {e}\n{}", part.display()));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
        if writer.is_none() {
            let file = File::create_new(path).map_err(|e| Fault::write("a table", path, &e))?;
            let schema = Arc::clone(builder.schema());
            writer = Some(ArrowWriter::try_new(file, schema, Some(properties.clone())).map_err(failed)?);
        }
        for batch in builder.build().map_err(|e| damaged(&e))? {
            if let Some(writer) = &mut writer {
                writer.write(&batch.map_err(|e| damaged(&e))?).map_err(failed)?;
            }
        }
    }
    if let Some(writer) = writer {
        writer.close().map_err(failed)?;
    }
    Ok(())
}

/// All rows of a Parquet file.
fn whole(file: File) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let schema = Arc::clone(builder.schema());
    let batches = builder.build()?.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

/// A Parquet file in memory, read by column name.
pub(crate) struct Table {
    batch: RecordBatch,
    name: String,
}

impl Table {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Fault::read("a table", path, &e))?;
        let batch = guarded(|| whole(file).map_err(|e| e.to_string())).unwrap_or_else(Err);
        let batch = batch.map_err(|e| Fault::data(format!("not a Parquet table: {e}\n{}", path.display())))?;
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

    pub(crate) fn optional_u32s(&self, column: &str) -> Result<Vec<Option<u32>>> {
        Ok(self.column::<UInt32Array>(column)?.iter().collect())
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

#[cfg(test)]
mod tests {
    use babelscope_core::{corpus::Corpus, tokens::Piece};
    use babelscope_probes::{
        align::{AlignCell, AlignReport, Centring, Estimate, Outcome},
        lens::{Candidate, LensCell, LensReport},
    };

    use super::{align, corpus, lens};
    use crate::manifest::{AlignInfo, CorpusInfo, LensInfo};

    fn report(interval: f64) -> AlignReport {
        let estimate = |value: f64| Estimate { value, low: value - interval, high: value + interval };
        let mut cells = Vec::new();
        for language in ["deu_Latn", "hin_Deva"] {
            for layer in [0, 7] {
                for centring in [Centring::Raw, Centring::Language] {
                    let outcome = |i: u32| Outcome {
                        cosine: 0.1 + i as f32 / 3.0,
                        rival: i + 1,
                        rival_cosine: -1.0 / 3.0,
                        rival_back: i + 2,
                        rival_back_cosine: f32::MIN_POSITIVE,
                    };
                    cells.push(AlignCell {
                        language: language.into(),
                        pivot: "eng_Latn".into(),
                        layer,
                        centring,
                        mexa: estimate(1.0 / 3.0),
                        recall_from_pivot: estimate(0.7),
                        recall_to_pivot: estimate(0.1 + 0.2),
                        cosine_gap: -1e-17,
                        cosine_wrong: 0.9,
                        n: 3,
                        outcomes: (0..3).map(outcome).collect(),
                    });
                }
            }
        }
        let notes = vec!["a note".into()];
        AlignReport { cells, chance_mexa: 0.2, chance_recall: 1.0 / 3.0, tokens: 77, notes, ..AlignReport::default() }
    }

    #[test]
    fn alignment_comes_back_from_its_tables_exactly() {
        let folder = tempfile::tempdir().unwrap();
        for (name, interval) in [("with", 0.05), ("without", 0.0)] {
            let (results, sentences) =
                (folder.path().join(format!("{name}-r")), folder.path().join(format!("{name}-s")));
            let report = report(interval);
            let info = AlignInfo {
                chance_mexa: report.chance_mexa,
                chance_recall: report.chance_recall,
                seed: 5,
                notes: report.notes.clone(),
            };
            let labels = align::Labels {
                model: "m",
                revision: "",
                site: "resid_post",
                pooling: "mean",
                seed: 5,
                intervals: interval > 0.0,
            };
            align::write_results(&results, &report, labels).unwrap();
            align::write_sentences(&sentences, &report).unwrap();
            assert_eq!(align::read(&results, &sentences, &info, report.tokens).unwrap(), report);
            // A table is never written over.
            assert!(align::write_results(&results, &report, labels).is_err());
        }
    }

    #[test]
    fn the_lens_comes_back_from_its_tables_exactly() {
        let pieces = [
            Piece::Text("a\u{0}b".into()),
            Piece::Word(String::new()),
            Piece::Blank("\n\t ".into()),
            Piece::Special("<s>".into()),
            Piece::Bytes(vec![0xe2, 0x80, 0x00]),
            Piece::Bytes(Vec::new()),
            Piece::Marks("\u{94d}".into()),
        ];
        let candidate = |at: usize, language: Option<u16>| Candidate {
            id: at as u32,
            piece: pieces[at % pieces.len()].clone(),
            probability: 1.0 / (at as f32 + 3.0),
            language,
        };
        let text = |tokens: usize, layers: Vec<usize>, languages: Vec<String>| {
            let cell = |at: usize| LensCell {
                top: (0..at % 3).map(|k| candidate(at + k, (k == 1 && !languages.is_empty()).then_some(0))).collect(),
                entropy: at as f32 / 7.0,
                rank_of_final: at as u32 + 1,
                probability_of_final: 0.3,
                kl_from_final: 1e-30,
                language_mass: languages.iter().map(|_| at as f32 / 11.0).collect(),
                script_mass: vec![0.25, 0.5],
            };
            LensReport {
                text: format!("{tokens}"),
                tokens: (0..tokens).map(|t| candidate(t, None)).collect(),
                spans: (0..tokens).map(|t| (t, t + 1)).collect(),
                cells: layers.iter().map(|l| (0..tokens).map(|t| cell(l + t)).collect()).collect(),
                layers,
                languages,
                language_rule: "a rule".into(),
                scripts: vec!["Latn".into(), "Zyyy".into()],
            }
        };
        let reports = [
            text(5, vec![0, 2, 9], vec!["deu_Latn".into(), "hin_Deva".into()]),
            text(1, vec![4], Vec::new()),
            text(9, vec![0, 1], vec!["tha_Thai".into()]),
        ];
        let folder = tempfile::tempdir().unwrap();
        lens::write(folder.path(), &reports).unwrap();
        let infos: Vec<LensInfo> = reports.iter().map(LensInfo::of).collect();
        assert_eq!(lens::read(folder.path(), &infos).unwrap(), reports);
        assert!(lens::read(folder.path(), &infos[..2]).is_err(), "a text that the manifest does not know");
    }

    #[test]
    fn the_sentences_come_back_from_their_table_exactly() {
        let whole = Corpus {
            name: "c".into(),
            languages: vec!["hin_Deva".into(), "arb_Arab".into()],
            sentences: vec![vec!["क".into(), " ".into()], vec!["\u{202b}ا".into(), "b".into()]],
            sha256: "00".into(),
            notes: vec!["n".into()],
        };
        let info = CorpusInfo {
            name: whole.name.clone(),
            sha256: whole.sha256.clone(),
            lines: 2,
            languages: whole.languages.clone(),
            tokens: 0,
            notes: whole.notes.clone(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.parquet");
        corpus::write(&path, &whole).unwrap();
        assert_eq!(corpus::read(&path, &info).unwrap(), whole);
        assert!(corpus::read(&path, &CorpusInfo { lines: 3, ..info }).is_err());
    }
}
