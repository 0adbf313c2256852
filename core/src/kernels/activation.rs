//! The non-linear part of the feed-forward block.

use rayon::prelude::*;

use super::{
    ROWS,
    simd::{dispatch, erf, sigmoid},
};
use crate::model::config::Activation;

/// `out = f(up)`, or `out = f(gate) * up`.
///
/// # Shapes
/// `up` `[rows, width]`, or `[rows, 2 * width]` with the gate first; `out` `[rows, width]`.
pub(crate) fn activate(activation: Activation, gated: bool, up: &[f32], width: usize, out: &mut [f32]) {
    match activation {
        Activation::Silu => each(gated, up, width, out, silu),
        Activation::GeluTanh => each(gated, up, width, out, gelu_tanh),
        Activation::Gelu => each(gated, up, width, out, gelu),
        Activation::Relu => each(gated, up, width, out, relu),
    }
}

/// `x = f(x)`, or `x = f(x) * up`: what [`activate`] does, on numbers that one task has at hand.
pub(crate) fn in_place(activation: Activation, x: &mut [f32], up: Option<&[f32]>) {
    match activation {
        Activation::Silu => pointwise(x, up, silu),
        Activation::GeluTanh => pointwise(x, up, gelu_tanh),
        Activation::Gelu => pointwise(x, up, gelu),
        Activation::Relu => pointwise(x, up, relu),
    }
}

fn pointwise(x: &mut [f32], up: Option<&[f32]>, f: impl Fn(f32) -> f32) {
    dispatch(
        #[inline(always)]
        || match up {
            Some(up) => x.iter_mut().zip(up).for_each(|(x, up)| *x = f(*x) * up),
            None => x.iter_mut().for_each(|x| *x = f(*x)),
        },
    );
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `0.5 x (1 + tanh(u))` written as `x sigmoid(2 u)`.
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    const TWICE: f32 = 2.0 * 0.797_884_6;
    x * sigmoid(TWICE * (x + 0.044_715 * x * x * x))
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    x.max(0.0)
}

fn each(gated: bool, up: &[f32], width: usize, out: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    let inputs = if gated { 2 * width } else { width };
    out.par_chunks_mut(width * ROWS).zip(up.par_chunks(inputs * ROWS)).for_each(|(out, up)| {
        dispatch(
            #[inline(always)]
            || {
                if gated {
                    for (out, both) in out.chunks_exact_mut(width).zip(up.chunks_exact(inputs)) {
                        let (gate, up) = both.split_at(width);
                        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                            *out = f(*gate) * up;
                        }
                    }
                } else {
                    for (out, x) in out.iter_mut().zip(up) {
                        *out = f(*x);
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `erf` as its Taylor series in f64, which converges everywhere.
    fn slow_erf(x: f64) -> f64 {
        if x.abs() > 4.0 {
            return x.signum();
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn slow(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }
            Activation::Gelu => 0.5 * x * (1.0 + slow_erf(x / 2f64.sqrt())),
            Activation::Relu => x.max(0.0),
        }
    }

    proptest! {
        #[test]
        fn every_activation_equals_its_formula(x in prop::collection::vec(-30f32..30.0, 2 * 19 * 3), fine: bool) {
            // Near zero as well, where the functions bend.
            let x: Vec<f32> = if fine { x.iter().map(|x| x / 8.0).collect() } else { x };
            for activation in [Activation::Silu, Activation::GeluTanh, Activation::Gelu, Activation::Relu] {
                let mut out = vec![f32::NAN; 19 * 3];
                activate(activation, true, &x, 19, &mut out);
                for (i, got) in out.iter().enumerate() {
                    let (g, u) = (f64::from(x[i / 19 * 38 + i % 19]), f64::from(x[i / 19 * 38 + 19 + i % 19]));
                    let want = slow(activation, g) * u;
                    prop_assert!((f64::from(*got) - want).abs() <= 2e-6 * (1.0 + want.abs() + u.abs()), "{activation:?} {g} {u}: {got} {want}");
                }
                let mut out = vec![f32::NAN; x.len()];
                activate(activation, false, &x, 19, &mut out);
                for (x, got) in x.iter().zip(out) {
                    let want = slow(activation, f64::from(*x));
                    prop_assert!((f64::from(got) - want).abs() <= 2e-6 * (1.0 + want.abs()), "{activation:?} {x}: {got} {want}");
                }
            }
        }
    }
}
