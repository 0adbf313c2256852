//! Numbers as they are stored: where they lie, and in which of the three formats. Nothing is widened before it is used.

use std::{ops::Range, sync::Arc};

use half::{bf16, f16};
use rayon::prelude::*;

use super::weights::Shard;
use crate::{Error, Result, dtype::Dtype, kernels::dot_with};

/// A tensor's numbers, row-major.
pub(crate) struct Stored {
    dtype: Dtype,
    place: Place,
}

enum Place {
    /// Bytes of a weight file, little-endian.
    File {
        shard: Arc<Shard>,
        range: Range<usize>,
    },
    F32(Vec<f32>),
    /// Bits of bf16 or f16.
    Half(Vec<u16>),
}

impl From<Vec<f32>> for Stored {
    fn from(numbers: Vec<f32>) -> Self {
        Self { dtype: Dtype::F32, place: Place::F32(numbers) }
    }
}

/// Calls `$do` with the numbers from `$from` on, of whichever place and format, each as a function to f32 wants it.
macro_rules! with_numbers {
    ($self:ident, $range:expr, |$numbers:ident, $value:ident| $do:expr) => {{
        let range: Range<usize> = $range;
        match &$self.place {
            Place::F32(numbers) => {
                let ($numbers, $value) = (&numbers[range], |x: f32| x);
                $do
            }
            Place::Half(bits) if $self.dtype == Dtype::F16 => {
                let ($numbers, $value) = (&bits[range], f16_value);
                $do
            }
            Place::Half(bits) => {
                let ($numbers, $value) = (&bits[range], |x: u16| bf16::from_bits(x).to_f32());
                $do
            }
            Place::File { .. } => match $self.dtype {
                Dtype::F32 => {
                    let ($numbers, $value) = ($self.file::<4>(range), f32::from_le_bytes);
                    $do
                }
                Dtype::F16 => {
                    let ($numbers, $value) = ($self.file::<2>(range), |x| f16_value(u16::from_le_bytes(x)));
                    $do
                }
                Dtype::Bf16 => {
                    let ($numbers, $value) = ($self.file::<2>(range), |x| bf16::from_le_bytes(x).to_f32());
                    $do
                }
            },
        }
    }};
}

impl Stored {
    /// Bytes `range` of `shard`, which hold whole numbers of `dtype`.
    pub(crate) fn in_file(shard: &Arc<Shard>, range: Range<usize>, dtype: Dtype) -> Self {
        Self { dtype, place: Place::File { shard: Arc::clone(shard), range } }
    }

    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(crate) fn len(&self) -> usize {
        match &self.place {
            Place::File { range, .. } => range.len() / self.dtype.size(),
            Place::F32(numbers) => numbers.len(),
            Place::Half(bits) => bits.len(),
        }
    }

    fn file<const N: usize>(&self, range: Range<usize>) -> &[[u8; N]] {
        match &self.place {
            Place::File { shard, range: all } => &shard.bytes.as_ref()[all.clone()].as_chunks::<N>().0[range],
            Place::F32(_) | Place::Half(_) => &[],
        }
    }

    /// The numbers from `from` on as f32.
    pub(crate) fn widen(&self, from: usize, out: &mut [f32]) {
        with_numbers!(self, from..from + out.len(), |numbers, value| {
            for (out, x) in out.iter_mut().zip(numbers) {
                *out = value(*x);
            }
        });
    }

    /// The numbers from `from` on as bits of `dtype` (bf16 or f16), rounded to nearest where they are stored in another.
    pub(crate) fn halves(&self, from: usize, dtype: Dtype, out: &mut [u16]) {
        let range = from..from + out.len();
        if self.dtype == dtype {
            match &self.place {
                Place::Half(bits) => out.copy_from_slice(&bits[range]),
                _ => out.iter_mut().zip(self.file::<2>(range)).for_each(|(out, x)| *out = u16::from_le_bytes(*x)),
            }
            return;
        }
        with_numbers!(self, range, |numbers, value| {
            for (out, x) in out.iter_mut().zip(numbers) {
                let x = value(*x);
                *out = if dtype == Dtype::F16 { f16::from_f32(x).to_bits() } else { bf16::from_f32(x).to_bits() };
            }
        });
    }

    /// `sum_i x_i w_i` with the numbers from `from` on.
    #[inline(always)]
    pub(crate) fn dot(&self, from: usize, x: &[f32]) -> f32 {
        with_numbers!(self, from..from + x.len(), |numbers, value| dot_with(x, numbers, value))
    }

    /// The numbers rounded to nearest in `dtype` (bf16 or f16), owned.
    pub(crate) fn rounded(&self, dtype: Dtype) -> Self {
        let mut bits = vec![0; self.len()];
        bits.par_chunks_mut(CHUNK).enumerate().for_each(|(index, bits)| self.halves(index * CHUNK, dtype, bits));
        self.forget(0..self.len());
        Self { dtype, place: Place::Half(bits) }
    }

    /// All numbers as f32.
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(index, out)| self.widen(index * CHUNK, out));
        out
    }

    /// The numbers in place, where they are f32 in this machine's form.
    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        match &self.place {
            Place::F32(numbers) => Some(numbers),
            Place::File { shard, range } if self.dtype == Dtype::F32 && cfg!(target_endian = "little") => {
                #[expect(unsafe_code, reason = "the same memory as f32")]
                // SAFETY: every bit pattern is an f32; a start that is not aligned gives a non-empty first part.
                let (before, numbers, after) = unsafe { shard.bytes.as_ref()[range.clone()].align_to::<f32>() };
                (before.is_empty() && after.is_empty()).then_some(numbers)
            }
            _ => None,
        }
    }

    /// Place and value of the first number that is infinite or not a number.
    pub(crate) fn not_finite(&self) -> Option<(usize, f32)> {
        let bad = |index: usize| {
            let range = index * CHUNK..self.len().min((index + 1) * CHUNK);
            // Without leaving the loop early, so that it runs in vectors.
            with_numbers!(self, range, |numbers, value| numbers
                .iter()
                .fold(false, |bad, x| bad | !value(*x).is_finite()))
        };
        let chunk = (0..self.len().div_ceil(CHUNK)).into_par_iter().find_first(|index| bad(*index))?;
        let at = chunk * CHUNK;
        with_numbers!(self, at..self.len(), |numbers, value| {
            numbers.iter().position(|x| !value(*x).is_finite()).map(|offset| (at + offset, value(numbers[offset])))
        })
    }

    /// Whether every number is a bf16.
    fn is_bf16(&self) -> bool {
        self.dtype == Dtype::Bf16
            || self.dtype == Dtype::F32
                && (0..self.len().div_ceil(CHUNK)).into_par_iter().all(|index| {
                    let range = index * CHUNK..self.len().min((index + 1) * CHUNK);
                    with_numbers!(self, range, |numbers, value| {
                        numbers.iter().fold(0, |bits, x| bits | value(*x).to_bits()) & 0xffff == 0
                    })
                })
    }

    /// Lets the system drop the pages of numbers `range` of a file; they are read again when they are needed.
    pub(crate) fn forget(&self, range: Range<usize>) {
        if let Place::File { shard, range: all } = &self.place {
            let size = self.dtype.size();
            shard.bytes.forget(all.start + range.start * size..all.start + range.end * size);
        }
    }

    /// `[rows, columns]` as `[columns, rows]`, owned.
    pub(crate) fn transposed(&self, rows: usize, columns: usize) -> Self {
        let turned =
            self.rebuilt(rows, columns, |column, gather| (0..rows).for_each(|row| gather(row * columns + column)));
        self.forget(0..self.len());
        turned
    }

    /// `count` rows of `width` numbers in the same format: row i holds those at the places that `places(i, _)` names.
    fn rebuilt(&self, width: usize, count: usize, places: impl Fn(usize, &mut dyn FnMut(usize)) + Sync) -> Self {
        let place = if self.dtype == Dtype::F32 {
            let mut out = vec![0f32; count * width];
            out.par_chunks_mut(width).enumerate().for_each(|(index, row)| {
                let mut row = row.iter_mut();
                places(index, &mut |at| row.next().into_iter().for_each(|x| self.widen(at, std::slice::from_mut(x))));
            });
            Place::F32(out)
        } else {
            let mut out = vec![0u16; count * width];
            out.par_chunks_mut(width).enumerate().for_each(|(index, row)| {
                let mut row = row.iter_mut();
                places(index, &mut |at| {
                    row.next().into_iter().for_each(|x| self.halves(at, self.dtype, std::slice::from_mut(x)));
                });
            });
            Place::Half(out)
        };
        Self { dtype: self.dtype, place }
    }

    /// The largest magnitude.
    fn largest(&self) -> f32 {
        let chunks = (0..self.len().div_ceil(CHUNK)).into_par_iter().map(|index| {
            let range = index * CHUNK..self.len().min((index + 1) * CHUNK);
            with_numbers!(self, range, |numbers, value| numbers.iter().fold(0f32, |top, x| top.max(value(*x).abs())))
        });
        chunks.reduce(|| 0.0, f32::max)
    }

    /// Fails when the file of the numbers was written to after it was mapped.
    pub(crate) fn intact(&self) -> Result<()> {
        match &self.place {
            Place::File { shard, .. } => shard.intact(),
            Place::F32(_) | Place::Half(_) => Ok(()),
        }
    }
}

/// The value of an f16, without a branch (`half` asks the processor for its instruction set at every number).
#[inline(always)]
pub(crate) fn f16_value(bits: u16) -> f32 {
    const INFINITE: u16 = 0x7c00;
    let rest = u32::from(bits & 0x7fff) << 13;
    // The exponent moves from a bias of 15 to one of 127; a power of two does it for subnormal numbers too.
    let finite = (f32::from_bits(rest) * f32::from_bits((127 + 112) << 23)).to_bits();
    let magnitude = if bits & INFINITE == INFINITE { rest | 0x7f80_0000 } else { finite };
    f32::from_bits(magnitude | u32::from(bits & 0x8000) << 16)
}

/// Matrices of one width, their rows one behind the other: several linear layers over the same input are one product.
#[derive(Clone)]
pub(crate) struct Rows {
    parts: Arc<[Stored]>,
    width: usize,
}

impl Rows {
    pub(crate) fn new(parts: Vec<Stored>, width: usize) -> Self {
        Self { parts: parts.into(), width }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Stored::len).sum::<usize>() / self.width
    }

    /// All numbers as f32, row-major.
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.len() * self.width);
        self.parts.iter().for_each(|part| out.extend(part.to_vec()));
        out
    }

    /// All numbers as bits of `dtype`, see [`Stored::halves`].
    pub(crate) fn to_halves(&self, dtype: Dtype) -> Vec<u16> {
        let mut bits = vec![0; self.len() * self.width];
        let mut rest = bits.as_mut_slice();
        for part in self.parts.iter() {
            let (own, behind) = rest.split_at_mut(part.len());
            own.par_chunks_mut(CHUNK).enumerate().for_each(|(index, own)| part.halves(index * CHUNK, dtype, own));
            rest = behind;
        }
        bits
    }

    pub(crate) fn parts(&self) -> &[Stored] {
        &self.parts
    }

    /// Where row `index` lies.
    pub(crate) fn row(&self, index: usize) -> (&Stored, usize) {
        let mut at = index * self.width;
        for part in self.parts.iter() {
            if at < part.len() {
                return (part, at);
            }
            at -= part.len();
        }
        (&self.parts[self.parts.len() - 1], at)
    }

    /// The format of fewest bytes that holds every number without loss.
    pub(crate) fn narrowest(&self) -> Dtype {
        if self.parts.iter().all(Stored::is_bf16) {
            Dtype::Bf16
        } else if self.parts.iter().all(|part| part.dtype() == Dtype::F16) {
            Dtype::F16
        } else {
            Dtype::F32
        }
    }

    /// The same rows in the order `from`.
    pub(crate) fn reordered(&self, from: &[usize]) -> Self {
        let width = self.width;
        let one = if let [one] = &*self.parts { one } else { &Stored::from(self.to_vec()) };
        let row = |index: usize, gather: &mut dyn FnMut(usize)| {
            (from[index] * width..(from[index] + 1) * width).for_each(gather);
        };
        let parts = vec![one.rebuilt(width, from.len(), row)];
        self.forget(0..self.len());
        Self::new(parts, self.width)
    }

    /// Fails when a number is too large for `dtype`.
    pub(crate) fn fits(&self, dtype: Dtype) -> Result<()> {
        // Halfway to what would be the next f16: from here on it is infinite.
        const LIMIT: f32 = 65520.0;
        if dtype != Dtype::F16 {
            return Ok(());
        }
        match self.parts.iter().map(Stored::largest).find(|top| *top >= LIMIT) {
            None => Ok(()),
            Some(top) => {
                let why = format!("a weight of size {top} is too large (f16 ends at 65504); compute in bf16 or f32");
                Err(Error::Dtype { text: dtype.to_string(), why })
            }
        }
    }

    /// As [`Stored::rounded`]; what is in `dtype` already stays where it is.
    pub(crate) fn rounded(self, dtype: Dtype) -> Self {
        if self.parts.iter().all(|part| part.dtype == dtype) {
            return self;
        }
        Self::new(self.parts.iter().map(|part| part.rounded(dtype)).collect(), self.width)
    }

    /// As [`Stored::forget`], for rows.
    pub(crate) fn forget(&self, rows: Range<usize>) {
        let (start, end) = (rows.start * self.width, rows.end * self.width);
        let mut at = 0;
        for part in self.parts.iter() {
            let own = start.clamp(at, at + part.len()) - at..end.clamp(at, at + part.len()) - at;
            part.forget(own);
            at += part.len();
        }
    }
}

const CHUNK: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::weights::Bytes;

    #[test]
    fn every_f16_has_its_value() {
        for bits in 0..=u16::MAX {
            let (got, want) = (f16_value(bits), f16::from_bits(bits).to_f32());
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{bits:x}: {got} {want}");
        }
    }

    /// The same numbers in a file and owned.
    fn both(numbers: &[f32], dtype: Dtype) -> [Stored; 2] {
        let owned = match dtype {
            Dtype::F32 => Stored::from(numbers.to_vec()),
            _ => Stored::from(numbers.to_vec()).rounded(dtype),
        };
        let bytes: Vec<u8> = match &owned.place {
            Place::Half(bits) => bits.iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let len = bytes.len();
        let shard = Arc::new(Shard { path: "test".into(), bytes: Bytes::Embedded(bytes.leak()) });
        [Stored::in_file(&shard, 0..len, dtype), owned]
    }

    proptest! {
        #[test]
        fn a_file_and_memory_hold_the_same(
            numbers in prop::collection::vec(-60000f32..60000.0, 1..99), which in 0usize..3, from in 0usize..50,
        ) {
            let dtype = [Dtype::F32, Dtype::Bf16, Dtype::F16][which];
            let [file, owned] = both(&numbers, dtype);
            let values: Vec<f32> = match dtype {
                Dtype::F32 => numbers.clone(),
                Dtype::Bf16 => numbers.iter().map(|x| bf16::from_f32(*x).to_f32()).collect(),
                Dtype::F16 => numbers.iter().map(|x| f16::from_f32(*x).to_f32()).collect(),
            };
            let from = from.min(values.len() - 1);
            for stored in [&file, &owned] {
                prop_assert_eq!(stored.len(), values.len());
                prop_assert_eq!(&stored.to_vec(), &values);
                let mut end = vec![0.0; values.len() - from];
                stored.widen(from, &mut end);
                prop_assert_eq!(&end, &values[from..]);
                let mut halves = vec![0; values.len()];
                stored.halves(0, Dtype::F16, &mut halves);
                let want: Vec<u16> = values.iter().map(|x| f16::from_f32(*x).to_bits()).collect();
                prop_assert_eq!(&halves, &want);
                prop_assert!(stored.not_finite().is_none());
                prop_assert!(stored.as_f32().is_none_or(|got| got == values));
                prop_assert_eq!(stored.largest(), values.iter().fold(0f32, |top, x| top.max(x.abs())));
                let want: f64 = values.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                prop_assert!((f64::from(stored.dot(0, &values)) - want).abs() <= 1e-5 * want);
            }
        }

        #[test]
        fn the_first_number_that_is_none_is_found(at in 0usize..200_000, nan: bool) {
            let mut numbers = vec![1.5f32; 200_000];
            numbers[at] = if nan { f32::NAN } else { f32::NEG_INFINITY };
            numbers[199_999] = f32::INFINITY;
            let expected = at.min(199_999);
            for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
                for stored in both(&numbers, dtype) {
                    prop_assert_eq!(stored.not_finite().map(|found| found.0), Some(expected));
                }
            }
        }
    }

    #[test]
    fn a_number_beyond_f16_is_refused() {
        let rows = |x: f32| Rows::new(vec![Stored::from(vec![1.0, x])], 2);
        assert!(rows(65519.0).fits(Dtype::F16).is_ok() && rows(1e9).fits(Dtype::Bf16).is_ok());
        let error = rows(-70000.0).fits(Dtype::F16).unwrap_err().to_string();
        assert!(error.contains("70000") && error.contains("65504"), "{error}");
    }

    #[test]
    fn rows_of_several_tensors_lie_one_behind_the_other() {
        let part = |from: u8, rows: u8| Stored::from((from..from + rows * 3).map(f32::from).collect::<Vec<_>>());
        let rows = Rows::new(vec![part(0, 2), part(6, 1), part(9, 3)], 3);
        assert_eq!(rows.len(), 6);
        for index in 0..6 {
            let (stored, from) = rows.row(index);
            let mut row = [0.0; 3];
            stored.widen(from, &mut row);
            assert_eq!(row, [0.0, 1.0, 2.0].map(|x| x + 3.0 * index as f32));
        }
        let turned = rows.reordered(&[5, 0, 2]);
        assert_eq!(turned.to_vec(), [15.0, 16.0, 17.0, 0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);
        assert_eq!(part(0, 2).transposed(2, 3).to_vec(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(rows.narrowest(), Dtype::Bf16);
        assert_eq!(Rows::new(vec![part(0, 1), Stored::from(vec![0.1; 3])], 3).narrowest(), Dtype::F32);
    }
}
