//! The non-linear part of the feed-forward block.

use rayon::prelude::*;

use super::{
    ROWS,
    simd::{dispatch, sigmoid},
};

/// `out = silu(gate) * up`, `silu(x) = x sigmoid(x)`.
///
/// # Shapes
/// `gate_up` `[rows, 2 * width]` (gate first), `out` `[rows, width]`.
pub(crate) fn silu_gated(gate_up: &[f32], width: usize, out: &mut [f32]) {
    out.par_chunks_mut(width * ROWS).zip(gate_up.par_chunks(2 * width * ROWS)).for_each(|(out, gate_up)| {
        dispatch(
            #[inline(always)]
            || {
                for (out, gate_up) in out.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
                    let (gate, up) = gate_up.split_at(width);
                    for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
                        *out = g * sigmoid(*g) * u;
                    }
                }
            },
        );
    });
}

/// `out = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, written as `x sigmoid(2 u)`.
pub(crate) fn gelu_tanh(x: &[f32], out: &mut [f32]) {
    const STEP: usize = 1 << 13;
    const TWICE: f32 = 2.0 * 0.797_884_6;
    out.par_chunks_mut(STEP).zip(x.par_chunks(STEP)).for_each(|(out, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = x * sigmoid(TWICE * (x + 0.044_715 * x * x * x));
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn silu_gated_equals_its_formula(x in prop::collection::vec(-40f32..40.0, 2 * 19 * 3)) {
            let mut out = vec![f32::NAN; 19 * 3];
            silu_gated(&x, 19, &mut out);
            for (i, got) in out.iter().enumerate() {
                let (g, u) = (f64::from(x[i / 19 * 38 + i % 19]), f64::from(x[i / 19 * 38 + 19 + i % 19]));
                let want = g / (1.0 + (-g).exp()) * u;
                prop_assert!((f64::from(*got) - want).abs() <= 1e-6 * (1.0 + want.abs()), "{got} {want}");
            }
        }

        #[test]
        fn gelu_equals_its_formula(x in prop::collection::vec(-20f32..20.0, 57)) {
            let mut out = vec![f32::NAN; x.len()];
            gelu_tanh(&x, &mut out);
            for (x, got) in x.iter().map(|x| f64::from(*x)).zip(out) {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                let want = 0.5 * x * (1.0 + u.tanh());
                prop_assert!((f64::from(got) - want).abs() <= 1e-6 * (1.0 + want.abs()), "{got} {want}");
            }
        }
    }
}
