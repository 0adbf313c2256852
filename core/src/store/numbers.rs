//! f32 to the shard's number format and back, with nothing lost in silence.

use half::{bf16, f16, slice::HalfFloatSliceExt as _};

use crate::{dtype::Dtype, kernels::dispatch};

/// A number that a shard does not take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bad {
    /// Its place among the values given.
    pub(super) at: usize,
    pub(super) value: f32,
    /// Finite, but infinite in the shard's number format.
    pub(super) overflow: bool,
    /// Such numbers among the values given.
    pub(super) count: usize,
}

/// Bytes of `values` in `dtype`, little-endian, behind what `bytes` holds.
///
/// # Errors
/// The first number that is not finite, or that `dtype` would make infinite.
pub(super) fn encode(values: &[f32], dtype: Dtype, bytes: &mut Vec<u8>) -> Result<(), Bad> {
    if largest(values) > bound(dtype).to_bits() {
        let bad = |x: &f32| x.abs().to_bits() > bound(dtype).to_bits();
        let mut all = values.iter().enumerate().filter(|(_, x)| bad(x));
        if let Some((at, value)) = all.next() {
            let overflow = value.is_finite();
            let count = 1 + all.filter(|(_, x)| x.is_finite() == overflow).count();
            return Err(Bad { at, value: *value, overflow, count });
        }
    }
    let from = bytes.len();
    bytes.resize(from + values.len() * dtype.size(), 0);
    let to = &mut bytes[from..];
    match dtype {
        Dtype::F32 => place(values, |x| x.to_le_bytes(), to.as_chunks_mut().0),
        Dtype::Bf16 => {
            let mut rounded = vec![bf16::ZERO; values.len()];
            rounded.convert_from_f32_slice(values);
            place(&rounded, |x| x.to_le_bytes(), to.as_chunks_mut().0);
        }
        Dtype::F16 => {
            let mut rounded = vec![f16::ZERO; values.len()];
            rounded.convert_from_f32_slice(values);
            place(&rounded, |x| x.to_le_bytes(), to.as_chunks_mut().0);
        }
    }
    Ok(())
}

/// The bytes of each number to its place: a copy, where the machine is little-endian.
fn place<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N], to: &mut [[u8; N]]) {
    for (to, x) in to.iter_mut().zip(values) {
        *to = bytes(*x);
    }
}

/// The largest number whose rounding is finite.
fn bound(dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => f32::MAX,
        // Half a step above the largest finite number a tie goes to the even neighbour, which is infinite; one bit below it does not.
        Dtype::Bf16 => f32::from_bits(0x7f7f_7fff),
        Dtype::F16 => f32::from_bits(65520f32.to_bits() - 1),
    }
}

/// The bits of the largest magnitude. As bits, magnitudes are in order, infinity above all numbers and NaN above infinity.
fn largest(values: &[f32]) -> u32 {
    dispatch(
        #[inline(always)]
        || values.iter().fold(0, |largest, x| largest.max(x.abs().to_bits())),
    )
}

/// `bytes` as f32, behind what `values` holds. Their number is a multiple of the format's size.
pub(super) fn decode(bytes: &[u8], dtype: Dtype, values: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
        Dtype::Bf16 => values.extend(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
        Dtype::F16 => {
            let halves: Vec<f16> = bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
            let from = values.len();
            values.resize(from + halves.len(), 0.0);
            halves.convert_to_f32_slice(&mut values[from..]);
        }
    }
}

/// Sums over the numbers of a tensor, the same to the bit for the same pieces.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    count: u64,
    total: f64,
    pub(super) min: f32,
    pub(super) max: f32,
    pub(super) n_nan: u64,
    pub(super) n_inf: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { count: 0, total: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY, n_nan: 0, n_inf: 0 }
    }
}

/// Numbers that are added up side by side.
const LANES: usize = 16;

impl Sums {
    pub(super) fn add(&mut self, values: &[f32]) {
        self.count += values.len() as u64;
        let (whole, rest) = values.as_chunks::<LANES>();
        let (mut sums, mut min, mut max) = ([0.0f64; LANES], [self.min; LANES], [self.max; LANES]);
        dispatch(
            #[inline(always)]
            || {
                for values in whole {
                    for lane in 0..LANES {
                        sums[lane] += f64::from(values[lane]);
                        min[lane] = min[lane].min(values[lane]);
                        max[lane] = max[lane].max(values[lane]);
                    }
                }
            },
        );
        for x in rest {
            sums[0] += f64::from(*x);
            min[0] = min[0].min(*x);
            max[0] = max[0].max(*x);
        }
        let sum: f64 = sums.iter().sum();
        if !sum.is_finite() {
            self.n_nan += values.iter().filter(|x| x.is_nan()).count() as u64;
            self.n_inf += values.iter().filter(|x| x.is_infinite()).count() as u64;
        }
        self.total += sum;
        self.min = min.into_iter().fold(self.min, f32::min);
        self.max = max.into_iter().fold(self.max, f32::max);
    }

    pub(super) fn mean(&self) -> f64 {
        self.total / self.count as f64
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::{Bad, Dtype, decode, encode};

    fn there_and_back(values: &[f32], dtype: Dtype) -> Result<Vec<f32>, Bad> {
        let (mut bytes, mut back) = (Vec::new(), Vec::new());
        encode(values, dtype, &mut bytes)?;
        assert_eq!(bytes.len(), values.len() * dtype.size());
        decode(&bytes, dtype, &mut back);
        Ok(back)
    }

    proptest! {
        #[test]
        fn a_number_comes_back_as_half_rounds_it_or_is_refused(bits in prop::collection::vec(any::<u32>(), 1..40)) {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            for (dtype, round) in [
                (Dtype::F32, (|x: f32| x) as fn(f32) -> f32),
                (Dtype::Bf16, |x| bf16::from_f32(x).to_f32()),
                (Dtype::F16, |x| f16::from_f32(x).to_f32()),
            ] {
                let expected: Vec<f32> = values.iter().map(|x| round(*x)).collect();
                let bad = expected.iter().position(|x| !x.is_finite());
                match there_and_back(&values, dtype) {
                    Ok(back) => {
                        prop_assert_eq!(bad, None, "{}", dtype);
                        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                        prop_assert_eq!(bits(&back), bits(&expected), "{}", dtype);
                    }
                    Err(found) => {
                        prop_assert_eq!(bad, Some(found.at), "{}", dtype);
                        prop_assert_eq!(found.overflow, values[found.at].is_finite());
                        let same = |(x, y): &(&f32, &f32)| !y.is_finite() && x.is_finite() == found.overflow;
                        prop_assert_eq!(found.count, values.iter().zip(&expected).filter(same).count());
                    }
                }
            }
        }
    }

    #[test]
    fn the_edge_of_each_format() {
        for (dtype, last) in
            [(Dtype::F16, 65519.996f32), (Dtype::Bf16, f32::from_bits(0x7f7f_7fff)), (Dtype::F32, f32::MAX)]
        {
            assert!(there_and_back(&[last, -last], dtype).is_ok(), "{dtype}");
            let beyond = f32::from_bits(last.to_bits() + 1);
            let found = there_and_back(&[0.0, 1.0, -beyond, beyond], dtype).unwrap_err();
            assert_eq!((found.at, found.value, found.count), (2, -beyond, 2), "{dtype}");
            assert_eq!(found.overflow, dtype != Dtype::F32);
        }
        assert_eq!(f16::from_f32(65519.996), f16::MAX);
    }
}
