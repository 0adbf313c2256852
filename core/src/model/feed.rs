//! The feed-forward part of a block: one, or a mixture of experts of which every token takes some.

use super::{
    Config,
    load::linear,
    parts::{Feed, Mlp},
};
use crate::{
    Result,
    dtype::Dtype,
    kernels::{
        activation::activate,
        linear::{Linear, Workspace},
    },
};

pub(crate) enum FeedForward {
    Dense { up: Linear, down: Linear },
    Experts { router: Linear, experts: Vec<(Linear, Linear)> },
}

impl FeedForward {
    /// The router chooses in f32, whatever the experts compute in: a choice has no rounding error, it is another expert.
    pub(super) fn new(feed: Feed, compute: Dtype) -> Result<Self> {
        let both = |Mlp { up, down }: Mlp| Ok((linear(up, compute)?, linear(down, compute)?));
        Ok(match feed {
            Feed::Dense(mlp) => {
                let (up, down) = both(mlp)?;
                Self::Dense { up, down }
            }
            Feed::Experts { router, experts } => Self::Experts {
                router: linear(router, Dtype::F32)?,
                experts: experts.into_iter().map(both).collect::<Result<_>>()?,
            },
        })
    }
}

/// The weight of each expert for each token: the softmax of the router's logits where an expert is among the `chosen` most
/// probable, else 0; the chosen ones made to add up to 1 where `normalised`.
///
/// # Shapes
/// `logits` and `weights` `[tokens, experts]`.
pub(crate) fn choose(logits: &[f32], experts: usize, chosen: usize, normalised: bool, weights: &mut [f32]) {
    let mut order: Vec<usize> = Vec::with_capacity(experts);
    for (logits, weights) in logits.chunks_exact(experts).zip(weights.chunks_exact_mut(experts)) {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for (weight, logit) in weights.iter_mut().zip(logits) {
            *weight = (logit - top).exp();
            total += *weight;
        }
        weights.iter_mut().for_each(|weight| *weight /= total);
        order.clear();
        order.extend(0..experts);
        // Equal probabilities go by number, the first before the second.
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
        order[chosen..].iter().for_each(|expert| weights[*expert] = 0.0);
        if normalised {
            let total: f32 = order[..chosen].iter().map(|expert| weights[*expert]).sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
    }
}

/// `out = sum_e weight_e down_e(activation(up_e(x)))`, each expert over the tokens that chose it.
///
/// # Shapes
/// `x` and `out` `[tokens, width]`, `weights` `[tokens, experts]`.
pub(super) fn mix(
    config: &Config,
    experts: &[(Linear, Linear)],
    x: &[f32],
    weights: &[f32],
    out: &mut [f32],
    workspace: &mut Workspace,
) {
    let width = config.width;
    let inside = config.experts.as_ref().map_or(config.intermediate, |experts| experts.intermediate);
    let up_width = if config.gated { 2 * inside } else { inside };
    out.fill(0.0);
    for (number, (up, down)) in experts.iter().enumerate() {
        let weight = |token: usize| weights[token * experts.len() + number];
        let tokens: Vec<usize> = (0..x.len() / width).filter(|token| weight(*token) != 0.0).collect();
        if tokens.is_empty() {
            continue;
        }
        let gathered: Vec<f32> = tokens.iter().flat_map(|token| &x[token * width..][..width]).copied().collect();
        let mut hidden = vec![0.0; tokens.len() * up_width];
        up.forward(&gathered, &mut hidden, workspace);
        let mut act = vec![0.0; tokens.len() * inside];
        activate(config.activation, config.gated, &hidden, inside, &mut act);
        let mut result = gathered;
        down.forward(&act, &mut result, workspace);
        for (token, row) in tokens.iter().zip(result.chunks_exact(width)) {
            for (out, x) in out[token * width..][..width].iter_mut().zip(row) {
                *out += weight(*token) * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_most_probable_experts_are_chosen() {
        let logits = [0f32.ln(), 2f32.ln(), 1f32.ln(), 5f32.ln()];
        let mut weights = [f32::NAN; 4];
        choose(&logits, 4, 2, false, &mut weights);
        for (got, want) in weights.iter().zip([0.0, 0.25, 0.0, 0.625]) {
            assert!((got - want).abs() < 1e-6, "{weights:?}");
        }
        choose(&logits, 4, 2, true, &mut weights);
        for (got, want) in weights.iter().zip([0.0, 2.0 / 7.0, 0.0, 5.0 / 7.0]) {
            assert!((got - want).abs() < 1e-6, "{weights:?}");
        }
    }
}
