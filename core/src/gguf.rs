//! GGUF, the file format of llama.cpp: metadata, a tokenizer and (mostly quantised) tensors in one file.
//!
//! A GGUF model goes the same way as a Hugging Face folder: `config` writes its metadata as the config.json that transformers
//! would have, `tensors` gives its tensors the checkpoint's names and shapes, `tokenizer` writes its vocabulary as a
//! tokenizer.json. Quantised tensors become f32 once, on loading. What cannot be translated faithfully is refused.
//!
//! The format: little-endian; magic `GGUF`, version, number of tensors, number of metadata entries; the entries (name, type,
//! value); the tensors (name, sizes from the innermost, type, offset); the data, aligned.

mod config;
mod contents;
mod tensors;
mod tokenizer;

use std::{collections::BTreeMap, ops::Range};

pub(crate) use config::config;
pub use contents::{Contents, contents};
pub(crate) use tensors::{Format, Repair, Source, sources};
pub(crate) use tokenizer::{check_beside, tokenizer};

/// What every GGUF file begins with.
pub(crate) const MAGIC: &[u8] = b"GGUF";

/// Lists in lists are possible; no model has them.
const DEEPEST: usize = 2;

/// A value of the metadata; numbers by kind, not by width.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of 8 to 64 bits, with a sign or without.
    Whole(i64),
    /// Of 32 or 64 bits.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// UTF-8.
    Text(String),
    /// Values of one kind.
    List(Vec<Self>),
}

/// A tensor as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// From the outermost size on, as everywhere else.
    pub(crate) shape: Vec<usize>,
    pub(crate) format: Format,
    /// Bytes of the file.
    pub(crate) range: Range<usize>,
}

/// The head of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gguf {
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) tensors: Vec<Entry>,
}

type Read<T> = std::result::Result<T, String>;

impl Gguf {
    /// Reads the head of a file's bytes; the reason when they are no GGUF, damaged, or of a format that is not known.
    pub(crate) fn read(bytes: &[u8]) -> Read<Self> {
        let mut at = Cursor { bytes, at: 0 };
        if at.take(MAGIC.len())? != MAGIC {
            return Err("the file does not begin with GGUF".to_owned());
        }
        let version = at.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("version {version} of GGUF is not supported (2 and 3 are, little-endian)"));
        }
        let (tensors, entries) = (at.count(24)?, at.count(13)?);
        let mut metadata = BTreeMap::new();
        for _ in 0..entries {
            let name = at.text()?;
            let kind = at.u32()?;
            let value = at.value(kind, 0)?;
            if metadata.insert(name.clone(), value).is_some() {
                return Err(format!("the metadata has {name} twice"));
            }
        }
        let mut described = Vec::with_capacity(tensors);
        for _ in 0..tensors {
            let name = at.text()?;
            let sizes = at.u32()?;
            if sizes > 4 {
                return Err(format!("tensor {name} has {sizes} dimensions; expected at most 4"));
            }
            let mut shape = (0..sizes).map(|_| at.size()).collect::<Read<Vec<usize>>>()?;
            shape.reverse();
            let format = at.u32()?;
            let format = Format::known(format)
                .ok_or_else(|| format!("tensor {name} has the format number {format}, which is not supported"))?;
            described.push((name, shape, format, at.size()?));
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(Value::Whole(alignment @ 1..=65_536)) => *alignment as usize,
            Some(other) => return Err(format!("general.alignment is {other:?}; expected a small positive number")),
        };
        let start = at.at.next_multiple_of(alignment);
        let place = |(name, shape, format, offset): (String, Vec<usize>, Format, usize)| {
            let numbers = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
            let len = numbers.and_then(|numbers| format.bytes(numbers));
            let first = start.checked_add(offset);
            let range = first.zip(len).and_then(|(first, len)| Some(first..first.checked_add(len)?));
            match range.filter(|range| range.end <= bytes.len()) {
                Some(range) => Ok(Entry { name, shape, format, range }),
                None => Err(format!(
                    "tensor {name} of shape {shape:?} ({format}) does not fit into the file of {} bytes; get it again",
                    bytes.len()
                )),
            }
        };
        Ok(Self { metadata, tensors: described.into_iter().map(place).collect::<Read<_>>()? })
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn whole(&self, key: &str) -> Option<usize> {
        match self.metadata.get(key)? {
            Value::Whole(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn real(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key)? {
            Value::Real(number) => Some(*number),
            Value::Whole(number) => Some(*number as f64),
            _ => None,
        }
    }

    pub(crate) fn list(&self, key: &str) -> Option<&[Value]> {
        match self.metadata.get(key)? {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&Entry> {
        self.tensors.iter().find(|entry| entry.name == name)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        if len > self.left() {
            return Err(format!("the file of {} bytes is cut off or damaged; get it again", self.bytes.len()));
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Read<usize> {
        let size = u64::from_le_bytes(self.array()?);
        usize::try_from(size).map_err(|e| format!("the size {size} is too large for this machine ({e})"))
    }

    /// The number of things to come, each of at least `least` bytes.
    fn count(&mut self, least: usize) -> Read<usize> {
        let count = self.size()?;
        if count > self.left() / least {
            return Err(format!(
                "{count} entries cannot stand in the {} bytes that are left; get the file again",
                self.left()
            ));
        }
        Ok(count)
    }

    fn text(&mut self) -> Read<String> {
        let len = self.count(1)?;
        let bytes = self.take(len)?;
        String::from_utf8(bytes.to_vec()).map_err(|e| format!("a text in the metadata is not UTF-8 ({e})"))
    }

    fn value(&mut self, kind: u32, depth: usize) -> Read<Value> {
        Ok(match kind {
            0 => Value::Whole(u8::from_le_bytes(self.array()?).into()),
            1 => Value::Whole(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Whole(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Whole(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Whole(u32::from_le_bytes(self.array()?).into()),
            5 => Value::Whole(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Real(f32::from_le_bytes(self.array()?).into()),
            7 => Value::Flag(u8::from_le_bytes(self.array()?) != 0),
            8 => Value::Text(self.text()?),
            9 if depth < DEEPEST => {
                let kind = self.u32()?;
                let len = self.count(1)?;
                Value::List((0..len).map(|_| self.value(kind, depth + 1)).collect::<Read<_>>()?)
            }
            10 => {
                let number = u64::from_le_bytes(self.array()?);
                Value::Whole(i64::try_from(number).map_err(|e| format!("{number} in the metadata: {e}"))?)
            }
            11 => Value::Whole(i64::from_le_bytes(self.array()?)),
            12 => Value::Real(f64::from_le_bytes(self.array()?)),
            other => return Err(format!("the metadata has a value of the unknown kind {other}")),
        })
    }
}

#[cfg(test)]
mod tests;
