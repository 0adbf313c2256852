//! What the families with layer norms share: a config with biases everywhere, plain feed-forward parts and as many
//! key-value heads as query heads, which each family's file then changes where it differs.

use super::super::{
    Config, Weights,
    config::{Activation, Head, Mask, Norm as Kind, Positions},
    families::Family,
    parts::{Feed, Matrix, Mlp},
};
use crate::{Result, dtype::Dtype, kernels::norm::Norm};

/// The sizes that every family has, by names of its own.
pub(super) struct Sizes {
    pub(super) vocabulary: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) intermediate: usize,
    pub(super) context: usize,
    pub(super) eps: f64,
}

pub(super) fn config(family: Family, sizes: &Sizes, activation: Activation, tied: bool) -> Config {
    let Sizes { vocabulary, width, layers, heads, head_dim, intermediate, context, eps } = *sizes;
    Config {
        family,
        vocabulary,
        width,
        embedding_width: width,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        intermediate,
        context,
        norm: Kind::Layer,
        eps: eps as f32,
        positions: Positions::Rows,
        activation,
        gated: false,
        experts: None,
        parallel: false,
        norms_after: false,
        final_norm: true,
        token_types: 0,
        scale: super::rotary::scale(head_dim),
        score_cap: None,
        logit_cap: None,
        logit_scale: 1.0,
        embedding_scale: 1.0,
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        windows: vec![None; layers],
        mask: Mask::Causal,
        head: Head::Linear { tied },
        shifting_id: None,
        compute: Dtype::default(),
    }
}

/// A layer norm with bias over the stream. The oldest files, BERT's among them, call its two parts gamma and beta.
pub(super) fn norm(config: &Config, weights: &mut Weights<'_>, name: &str) -> Result<Norm> {
    let width = [config.width];
    let old = weights.has(&format!("{name}.gamma"));
    let (gain, bias) = if old { ("gamma", "beta") } else { ("weight", "bias") };
    let gain = weights.take(&format!("{name}.{gain}"), &width)?;
    let bias = Some(weights.take(&format!("{name}.{bias}"), &width)?);
    Ok(Norm { kind: config.norm, eps: config.eps, gain, bias })
}

/// A feed-forward part of two matrices by their names.
pub(super) fn feed(config: &Config, weights: &mut Weights<'_>, up: &str, down: &str) -> Result<Feed> {
    let Config { width, intermediate, mlp_bias, .. } = *config;
    let up = Matrix::read(weights, up, width, intermediate, mlp_bias)?;
    let down = Matrix::read(weights, down, intermediate, width, mlp_bias)?;
    Ok(Feed::Dense(Mlp { up, down }))
}

/// q, k and v by the names of their matrices.
pub(super) fn qkv(config: &Config, weights: &mut Weights<'_>, names: [String; 3]) -> Result<Matrix> {
    let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let parts = [(names[0].as_str(), q), (names[1].as_str(), kv), (names[2].as_str(), kv)];
    Matrix::stacked(weights, &parts, config.width, config.qkv_bias)
}

/// Learned positions whose table begins with rows that no token of a sentence uses.
pub(super) fn offset_rows(config: &Config, weights: &mut Weights<'_>, name: &str, offset: usize) -> Result<Vec<f32>> {
    let mut rows = weights.take(&format!("{name}.weight"), &[config.context + offset, config.width])?;
    rows.drain(..offset * config.width);
    Ok(rows)
}

/// ALiBi's slopes: powers of `2^(-8 / n)` for the power of two `n` at or below the number of heads, and every other power of
/// `2^(-4 / n)` for the heads beyond.
pub(super) fn slopes(heads: usize) -> Vec<f32> {
    let below = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    let power = |base: f64, i: usize| (base as f32).powi(i as i32);
    let base = 2f64.powf(-8.0 / below as f64);
    let between = 2f64.powf(-4.0 / below as f64);
    (1..=below).map(|i| power(base, i)).chain((0..heads - below).map(|i| power(between, 2 * i + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::slopes;

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        let six = slopes(6);
        assert_eq!(&six[..4], [0.25, 0.0625, 0.015625, 0.00390625]);
        assert_eq!(&six[4..], [0.5, 0.125]);
    }
}
