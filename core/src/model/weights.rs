//! Tensors by name out of mapped safetensors files. Every tensor is taken once, with the shape that the config
//! implies; what is left over afterwards is an error, as a weight that nobody uses means a model that is not this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use safetensors::SafeTensors;

use super::{families::Family, stored::Stored};
use crate::{
    Error, Result,
    dtype::Dtype,
    gguf::{self, Gguf},
};

/// One weight file in memory: a map of the file, or bytes inside of the program.
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Bytes,
}

impl Shard {
    /// Maps the file at `path`.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let fail = |source| Error::Read { what: "the weights", path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        #[expect(unsafe_code, reason = "a memory map of a file")]
        // SAFETY: undefined only when the file is cut or written to while it is mapped; a file that is replaced, as the Hub's
        // cache and most programs do it, stays as it was, and `intact` finds the others before a pass reads them.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
        let state = state(&file);
        Ok(Self { path: path.to_owned(), bytes: Bytes::Mapped { map, file, state } })
    }

    /// Fails when the file was written to after it was mapped.
    pub(crate) fn intact(&self) -> Result<()> {
        match &self.bytes {
            Bytes::Mapped { file, state: then, .. } if state(file) != *then => {
                let why = "the file was written to after the model was loaded; load the model again".to_owned();
                Err(Error::Weights { why, path: self.path.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Length and time of the last change.
type State = Option<(u64, SystemTime)>;

fn state(file: &File) -> State {
    let about = file.metadata().ok()?;
    Some((about.len(), about.modified().ok()?))
}

pub(crate) enum Bytes {
    Mapped { map: memmap2::Mmap, file: File, state: State },
    Embedded(&'static [u8]),
}

impl Bytes {
    /// Lets the system drop the pages of `range` from our memory; they are read from the file again when they are needed.
    pub(crate) fn forget(&self, range: Range<usize>) {
        if let Self::Mapped { map, .. } = self {
            #[expect(unsafe_code, reason = "advice to the system on mapped pages")]
            // SAFETY: the map is read-only and of a file, so dropped pages come back with the same content.
            unsafe {
                // Advice that is not taken costs memory, nothing else.
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()).ok();
            }
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped { map, .. } => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

/// How a tensor's numbers are stored.
enum Format {
    Plain(safetensors::Dtype),
    Gguf(gguf::Format, gguf::Repair),
}

struct Entry {
    shard: usize,
    format: Format,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// The tensors of a checkpoint.
pub(crate) struct Weights<'a> {
    shards: &'a [Arc<Shard>],
    entries: BTreeMap<String, Entry>,
    /// Every name in the files, taken or not.
    names: BTreeSet<String>,
    folder: PathBuf,
    parameters: usize,
    dtypes: Vec<String>,
}

impl<'a> Weights<'a> {
    pub(crate) fn open(shards: &'a [Arc<Shard>], folder: &Path) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for (index, shard) in shards.iter().enumerate() {
            let fail = |why: String| Error::Weights { why, path: shard.path.clone() };
            let bytes = shard.bytes.as_ref();
            if bytes.starts_with(gguf::MAGIC) {
                for source in Gguf::read(bytes).and_then(|gguf| gguf::sources(&gguf)).map_err(fail)? {
                    let gguf::Source { name, shape, format, range: Range { start, end }, repair } = source;
                    let entry = Entry { shard: index, format: Format::Gguf(format, repair), shape, start, end };
                    entries.insert(name, entry);
                }
                continue;
            }
            let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| {
                fail(format!("the file of {} bytes is truncated or damaged ({e}); get it again", bytes.len()))
            })?;
            let begin = header + size_of::<u64>();
            let tensors: BTreeMap<_, _> = metadata.tensors().into_iter().collect();
            for (name, info) in tensors {
                let (start, end) = info.data_offsets;
                let (start, end) = (begin + start, begin + end);
                let entry =
                    Entry { shard: index, format: Format::Plain(info.dtype), shape: info.shape.clone(), start, end };
                if entries.insert(name.clone(), entry).is_some() {
                    return Err(fail(format!("tensor {name} stands in two files")));
                }
            }
        }
        let names = entries.keys().cloned().collect();
        Ok(Self { shards, entries, names, folder: folder.to_owned(), parameters: 0, dtypes: Vec::new() })
    }

    /// Whether the files hold a tensor of this name, taken by now or not: so that every block finds the same spelling.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Name, shape, format on disk, and the bytes of a number in memory, of each tensor that was not taken.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[usize], String, usize)> {
        self.entries.iter().map(|(name, entry)| {
            let (format, size) = match entry.format {
                Format::Plain(safetensors::Dtype::BF16) => (Dtype::Bf16.to_string(), Dtype::Bf16.size()),
                Format::Plain(safetensors::Dtype::F16) => (Dtype::F16.to_string(), Dtype::F16.size()),
                Format::Plain(safetensors::Dtype::F32) => (Dtype::F32.to_string(), Dtype::F32.size()),
                Format::Plain(other) => (format!("{other:?}"), Dtype::F32.size()),
                // Quantised numbers become f32 on loading.
                Format::Gguf(format, _) => (format!("gguf:{format}"), Dtype::F32.size()),
            };
            (name.as_str(), entry.shape.as_slice(), format, size)
        })
    }

    /// Number of parameters taken so far.
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    /// The dtypes of the tensors taken so far, in the order met: `bf16`, or `bf16+f32`; of a GGUF file `gguf:Q8_0+F32`.
    pub(crate) fn dtypes(&self) -> String {
        let gguf = self.shards.iter().any(|shard| shard.bytes.as_ref().starts_with(gguf::MAGIC));
        format!("{}{}", if gguf { "gguf:" } else { "" }, self.dtypes.join("+"))
    }

    /// The tensor as f32, row-major, and out of the store.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let stored = self.take_stored(name, shape)?;
        let numbers = stored.to_vec();
        stored.forget(0..stored.len());
        Ok(numbers)
    }

    /// The tensor where it lies in its file, and out of the store. Its numbers are finite.
    pub(crate) fn take_stored(&mut self, name: &str, shape: &[usize]) -> Result<Stored> {
        let Some(entry) = self.entries.remove(name) else {
            let why = format!("tensor {name} is missing; expected it with shape {shape:?}");
            return Err(Error::Weights { why, path: self.folder.clone() });
        };
        let shard = &self.shards[entry.shard];
        let fail = |why: String| Error::Weights { why, path: shard.path.clone() };
        if entry.shape != shape {
            let why = format!("tensor {name} has shape {:?}, expected {shape:?} from config.json", entry.shape);
            return Err(fail(why));
        }
        let in_file = |dtype: Dtype| Stored::in_file(shard, entry.start..entry.end, dtype);
        let (stored, label) = match entry.format {
            Format::Plain(safetensors::Dtype::F32) => (in_file(Dtype::F32), Dtype::F32.to_string()),
            Format::Plain(safetensors::Dtype::BF16) => (in_file(Dtype::Bf16), Dtype::Bf16.to_string()),
            Format::Plain(safetensors::Dtype::F16) => (in_file(Dtype::F16), Dtype::F16.to_string()),
            Format::Plain(other) => {
                return Err(fail(format!("tensor {name} is {other:?}; supported are F32, F16 and BF16")));
            }
            Format::Gguf(format, repair) => {
                let mut numbers = vec![0.0; shape.iter().product()];
                format.dequantise(&shard.bytes.as_ref()[entry.start..entry.end], &mut numbers)?;
                shard.bytes.forget(entry.start..entry.end);
                let width = shape.iter().skip(1).product();
                (Stored::from(repair.apply(numbers, width)), format.to_string())
            }
        };
        if let Some((at, value)) = stored.not_finite() {
            return Err(fail(format!("tensor {name} holds {value} at element {at}; expected finite numbers")));
        }
        if !self.dtypes.contains(&label) {
            self.dtypes.push(label);
        }
        self.parameters += stored.len();
        Ok(stored)
    }

    /// Forgets a tensor that is another one a second time, if it is there.
    pub(crate) fn discard(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Fails when a tensor is left that carries numbers: it belongs to an option that this engine does not compute.
    pub(crate) fn finish(self, family: Family) -> Result<()> {
        // A table that older checkpoints store although it follows from the config, and an unembedding beside a tied one.
        let derived = ["rotary_emb.inv_freq", "lm_head.weight"];
        let known = |name: &str| derived.iter().any(|end| name.ends_with(end)) || family.unused(name);
        match self.entries.keys().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let why =
                    format!("tensor {name} is in the file, but the architecture in config.json has no place for it");
                Err(Error::Weights { why, path: self.folder })
            }
        }
    }
}
