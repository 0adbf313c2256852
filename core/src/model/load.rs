//! A checkpoint's parts to the form in which the CPU computes with them, one block at a time.

use std::sync::Arc;

use super::{
    Config, Weights,
    config::{Mask, Positions},
    decoder::{Block, Decoder},
    feed::FeedForward,
    head::Head,
    parts::{Matrix, Parts, Stem},
};
use crate::{
    Result,
    dtype::Dtype,
    kernels::{
        attention::{Attention, Bias},
        linear::Linear,
        table::Table,
    },
};

impl Decoder {
    /// Products with weights are computed in `compute`.
    pub(crate) fn load(mut config: Config, weights: &mut Weights<'_>, compute: Dtype) -> Result<Self> {
        let family = config.family;
        let stem = family.stem(&mut config, weights)?;
        let bias = bias(&config, &stem);
        let mut blocks = Vec::with_capacity(config.layers);
        for (index, window) in config.windows.iter().enumerate() {
            let parts = family.block(&config, weights, index)?;
            let attention = Attention {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
                window: *window,
                causal: config.mask == Mask::Causal,
                scale: config.scale,
                cap: config.score_cap,
                bias: bias.clone(),
            };
            let rope = match &config.positions {
                Positions::Rope { of_block, .. } => Some(of_block[index]),
                _ => None,
            };
            blocks.push(block(parts, attention, rope, compute)?);
        }
        let Stem {
            embedding, project_in, token_type, positions, embedding_norm, final_norm, project_out, head, ..
        } = stem;
        let head = Head::new(&config, project_out, head, compute)?;
        let project_in = project_in.map(|matrix| linear(matrix, compute)).transpose()?;
        let embedding = table(embedding, compute)?;
        Ok(Self { config, embedding, project_in, token_type, positions, embedding_norm, blocks, final_norm, head })
    }
}

pub(super) fn linear(matrix: Matrix, compute: Dtype) -> Result<Linear> {
    matrix.weight.fits(compute)?;
    Ok(Linear::from_stored(matrix.weight, matrix.bias, compute))
}

pub(super) fn table(matrix: Matrix, compute: Dtype) -> Result<Table> {
    matrix.weight.fits(compute)?;
    Ok(Table::new(matrix.weight, compute))
}

fn block(parts: Parts, attention: Attention, rope: Option<usize>, compute: Dtype) -> Result<Block> {
    let Parts { attn_norm, qkv, q_norm, k_norm, out, attn_post, attn_after, mlp_norm, feed, mlp_post, mlp_after } =
        parts;
    Ok(Block {
        attn_norm,
        qkv: linear(qkv, compute)?,
        q_norm,
        k_norm,
        rope,
        attention,
        out: linear(out, compute)?,
        attn_post,
        attn_after,
        mlp_norm,
        feed: FeedForward::new(feed, compute)?,
        mlp_post,
        mlp_after,
    })
}

/// What every block adds to its scores.
pub(crate) fn bias(config: &Config, stem: &Stem) -> Bias {
    match (&config.positions, &stem.buckets) {
        (Positions::Alibi { slopes, inside, times }, _) => {
            Bias::Alibi { slopes: slopes.clone(), inside: *inside, times: *times }
        }
        (Positions::Buckets { buckets, furthest }, Some(table)) => {
            Bias::Distance { furthest: *furthest, values: Arc::new(by_distance(table, *buckets, *furthest)) }
        }
        _ => Bias::None,
    }
}

/// T5's table `[buckets, heads]` as `[heads, 2 * furthest + 1]`: half of the buckets for keys behind the query, and of each
/// half the first half for single distances, the rest for ranges that grow.
pub(crate) fn by_distance(table: &[f32], buckets: usize, furthest: usize) -> Vec<f32> {
    let heads = table.len() / buckets;
    let half = buckets / 2;
    let single = half / 2;
    let bucket = |distance: isize| {
        let side = if distance > 0 { half } else { 0 };
        let steps = distance.unsigned_abs();
        let place = if steps < single {
            steps
        } else {
            let ratio = (steps as f32 / single as f32).ln() / (furthest as f64 / single as f64).ln() as f32;
            (single + (ratio * (half - single) as f32) as usize).min(half - 1)
        };
        side + place
    };
    let span = furthest as isize;
    (0..heads).flat_map(|head| (-span..=span).map(move |d| table[bucket(d) * heads + head])).collect()
}

#[cfg(test)]
mod tests {
    use super::by_distance;

    #[test]
    fn distances_fall_into_the_buckets_of_t5() {
        // Eight buckets, distances up to 16: 0, 1, then 2-5 and 6 and more, and the same on the other side.
        let table: Vec<f32> = (0..8).map(|bucket| bucket as f32).collect();
        let got = by_distance(&table, 8, 16);
        let at = |distance: isize| got[(distance + 16) as usize];
        assert_eq!([at(0), at(-1), at(-2), at(-5), at(-6), at(-16)], [0.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
        assert_eq!([at(1), at(2), at(5), at(6), at(16)], [5.0, 6.0, 6.0, 7.0, 7.0]);
    }
}
