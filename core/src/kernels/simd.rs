//! Loops in a form that the compiler turns into vector code, and the run-time choice of the vector width.

/// Lanes of the widest registers (AVX-512); narrower machines use several registers.
pub(super) const LANES: usize = 16;

/// Runs `work` compiled for the best instruction set that this machine has. `work` must be `#[inline(always)]`: a closure
/// that stays a function of its own is compiled for the oldest machine.
#[inline(always)]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn avx512<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
        {
            #[expect(unsafe_code, reason = "run-time choice of the instruction set")]
            // SAFETY: the machine has the features that the function is compiled for.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(unsafe_code, reason = "run-time choice of the instruction set")]
            // SAFETY: as above.
            return unsafe { avx2(work) };
        }
    }
    work()
}

/// `sum_i term(a_i, b_i)` with one running sum a lane, which is also more precise than a single one.
#[inline(always)]
fn lanes<B: Copy>(a: &[f32], b: &[B], term: impl Fn(f32, B) -> f32) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    // Seen together with the loop, the tree below made the compiler split the loop into pairs of lanes, eight times as slow.
    let mut sums = std::hint::black_box(sums);
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0] + rest
}

/// `sum_i a_i b_i`
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |a, b| a * b)
}

/// `sum_i a_i value(b_i)`
#[inline(always)]
pub(crate) fn dot_with<B: Copy>(a: &[f32], b: &[B], value: impl Fn(B) -> f32) -> f32 {
    lanes(a, b, |a, b| a * value(b))
}

/// `sum_i a_i`
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f32 {
    lanes(a, a, |a, _| a)
}

/// `sum_i (a_i - centre)^2`
#[inline(always)]
pub(super) fn squares(a: &[f32], centre: f32) -> f32 {
    lanes(a, a, |a, _| (a - centre) * (a - centre))
}

/// `e^x` without branches: `x = n ln 2 + r`, a polynomial for `e^r`, the exponent bits for `2^n`. Relative error below
/// 2e-7 on [-87, 88]; clamped outside, so that it never is zero, infinite or NaN for a number.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with trailing zeros, so that n * HIGH is exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * HIGH - n * LOW;
    // Cephes' minimax polynomial of (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2].
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_6e-1;
    p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    // The low bits of `shifted` are n. A cast would be one scalar conversion a lane, as Rust's casts saturate.
    e * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The nearest bf16 (ties to even) as an f32.
#[inline(always)]
pub(super) fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// The nearest f16 (ties to even) as an f32, without a branch: infinite from 65520 on, in steps of 2^-24 below 2^-14.
#[inline(always)]
pub(super) fn to_f16(x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 * 2^-24 rounds to a multiple of 2^-24.
    const SMALL: f32 = 0.75;
    let bits = x.to_bits();
    let usual = f32::from_bits(bits.wrapping_add(0xfff + (bits >> 13 & 1)) & !0x1fff);
    let small = (x.abs() + SMALL - SMALL).copysign(x);
    let value = if x.abs() < 6.103_515_6e-5 { small } else { usual };
    if value.abs() > 65504.0 { f32::INFINITY.copysign(x) } else { value }
}

/// The error function by a rational approximation on [-4, 4], beyond which it is 1 or -1 in f32. Absolute error below 5e-7.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let beyond = x.abs() >= 4.0;
    let sign = x.signum();
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let mut p = -2.726_142_3e-10;
    p = p * z + 2.770_681_4e-8;
    p = p * z - 2.101_024e-6;
    p = p * z - 5.692_506_4e-5;
    p = p * z - 7.349_906_3e-4;
    p = p * z - 2.954_6e-3;
    p = p * z - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5;
    q = q * z - 2.133_740_6e-4;
    q = q * z - 1.682_827e-3;
    q = q * z - 7.373_329e-3;
    q = q * z - 1.426_473_9e-2;
    if beyond { sign } else { x * p / q }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exp_is_within_its_stated_error(x in -87f32..88.0) {
            let want = f64::from(x).exp();
            prop_assert!(((f64::from(exp(x)) - want) / want).abs() < 2e-7);
        }

        #[test]
        fn the_nearest_halves_are_those_of_the_half_crate(bits: u32) {
            let x = f32::from_bits(bits);
            prop_assume!(x.is_finite());
            prop_assert_eq!(to_f16(x).to_bits(), half::f16::from_f32(x).to_f32().to_bits());
            prop_assert_eq!(to_bf16(x).to_bits(), half::bf16::from_f32(x).to_f32().to_bits());
        }

        #[test]
        fn dot_equals_the_sum_of_products(a in prop::collection::vec(-3f32..3.0, 0..100)) {
            let want: f64 = a.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            let got = f64::from(dispatch(#[inline(always)] || dot(&a, &a)));
            prop_assert!((got - want).abs() <= 1e-5 * (1.0 + want));
            prop_assert!((f64::from(squares(&a, 0.0)) - want).abs() <= 1e-5 * (1.0 + want));
        }
    }

    #[test]
    fn exp_stays_finite_outside_of_its_range() {
        for x in [-1e30, -100.0, 100.0, 1e30] {
            assert!(exp(x).is_finite() && exp(x) > 0.0);
        }
    }
}
