//! A checkpoint's tensors in the order in which a forward pass needs them, before any engine has made them its own: what a
//! family's file yields, and what the engines on the CPU, on candle and on libtorch are built from.

use super::{Weights, stored::Rows};
use crate::{Result, kernels::norm::Norm};

/// A linear layer.
pub(crate) struct Matrix {
    /// `[outputs, inputs]`, as stored.
    pub(crate) weight: Rows,
    /// `[outputs]`
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) outputs: usize,
}

/// What stands before the blocks and behind them.
pub(crate) struct Stem {
    /// `[vocabulary, embedding_width]`
    pub(crate) embedding: Matrix,
    /// From the embedding's width to the stream's.
    pub(crate) project_in: Option<Matrix>,
    /// Added to every token: the type of the first sentence. `[width]`
    pub(crate) token_type: Option<Vec<f32>>,
    /// Added by position. `[context, width]`
    pub(crate) positions: Option<Vec<f32>>,
    pub(crate) embedding_norm: Option<Norm>,
    /// Added to the scores by head and bucket of the distance. `[buckets, heads]`
    pub(crate) buckets: Option<Vec<f32>>,
    pub(crate) final_norm: Option<Norm>,
    /// From the stream's width to the embedding's.
    pub(crate) project_out: Option<Matrix>,
    pub(crate) head: HeadParts,
}

/// From the last states to logits.
#[derive(Default)]
pub(crate) struct HeadParts {
    /// Dense layer, activation and norm of the masked-language heads.
    pub(crate) dense: Option<(Matrix, Norm)>,
    /// `[vocabulary, embedding_width]`; `None` when it is the embedding, or when there is no head.
    pub(crate) own: Option<Matrix>,
    /// `[vocabulary]`, added to the logits.
    pub(crate) bias: Option<Vec<f32>>,
}

/// One block. Where its norms stand tells the families apart:
///
/// | family | norms |
/// | --- | --- |
/// | Llama, GPT-2 and most | `attn_norm`, `mlp_norm` before each part |
/// | Gemma 2, 3 | also `attn_post`, `mlp_post` on each part's output |
/// | OLMo 2 | only `attn_post`, `mlp_post` |
/// | BERT, OPT 350m | only `attn_after`, `mlp_after`, on the sum of stream and output |
pub(crate) struct Parts {
    pub(crate) attn_norm: Option<Norm>,
    /// Rows of q, of k, of v one behind the other.
    pub(crate) qkv: Matrix,
    /// Gains for every head one behind the other; each `segment` is normed by itself.
    pub(crate) q_norm: Option<Segments>,
    pub(crate) k_norm: Option<Segments>,
    pub(crate) out: Matrix,
    pub(crate) attn_post: Option<Norm>,
    pub(crate) attn_after: Option<Norm>,
    pub(crate) mlp_norm: Option<Norm>,
    pub(crate) feed: Feed,
    pub(crate) mlp_post: Option<Norm>,
    pub(crate) mlp_after: Option<Norm>,
}

/// A norm of the parts of a row.
pub(crate) struct Segments {
    /// Its gain has the row's width.
    pub(crate) norm: Norm,
    /// Width of a part.
    pub(crate) segment: usize,
}

/// The feed-forward part. `up` holds the rows of the gate before its own where the family gates.
pub(crate) enum Feed {
    Dense(Mlp),
    Experts { router: Matrix, experts: Vec<Mlp> },
}

pub(crate) struct Mlp {
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

impl Matrix {
    /// Several linear layers over the same input as one: their rows one behind the other, so that they are one product.
    pub(crate) fn stacked(
        weights: &mut Weights<'_>,
        parts: &[(&str, usize)],
        inputs: usize,
        biased: bool,
    ) -> Result<Self> {
        let outputs = parts.iter().map(|(_, outputs)| outputs).sum::<usize>();
        let mut tensors = Vec::with_capacity(parts.len());
        let mut bias = biased.then(Vec::new);
        for (name, outputs) in parts {
            tensors.push(weights.take_stored(&format!("{name}.weight"), &[*outputs, inputs])?);
            if let Some(bias) = &mut bias {
                bias.extend(weights.take(&format!("{name}.bias"), &[*outputs])?);
            }
        }
        let weight = Rows::new(tensors, inputs);
        Ok(Self { weight, bias, outputs })
    }

    pub(crate) fn read(
        weights: &mut Weights<'_>,
        name: &str,
        inputs: usize,
        outputs: usize,
        biased: bool,
    ) -> Result<Self> {
        Self::stacked(weights, &[(name, outputs)], inputs, biased)
    }

    /// A layer that is stored `[inputs, outputs]`.
    pub(crate) fn transposed(weights: &mut Weights<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let stored = weights.take_stored(&format!("{name}.weight"), &[inputs, outputs])?;
        let weight = Rows::new(vec![stored.transposed(inputs, outputs)], inputs);
        let bias = Some(weights.take(&format!("{name}.bias"), &[outputs])?);
        Ok(Self { weight, bias, outputs })
    }

    /// The same layer with its rows in the order `from`, which names every row once.
    pub(crate) fn reordered(self, from: &[usize]) -> Self {
        assert_eq!(from.len(), self.outputs);
        let weight = self.weight.reordered(from);
        let bias = self.bias.as_ref().map(|bias| from.iter().map(|from| bias[*from]).collect());
        Self { weight, bias, ..self }
    }
}

/// Rows of a joint q, k, v product in which each group of `heads / kv_heads` query heads is followed by its key and its
/// value head (GPT-NeoX, BLOOM, Falcon), as rows of all q, then all k, then all v.
pub(crate) fn grouped_rows(heads: usize, kv_heads: usize, head_dim: usize) -> Vec<usize> {
    let group = heads / kv_heads;
    let slot = |kv: usize, place: usize| (kv * (group + 2) + place) * head_dim;
    let q = (0..heads).map(|head| slot(head / group, head % group));
    let k = (0..kv_heads).map(|kv| slot(kv, group));
    let v = (0..kv_heads).map(|kv| slot(kv, group + 1));
    q.chain(k).chain(v).flat_map(|first| first..first + head_dim).collect()
}

#[cfg(test)]
mod tests {
    use super::grouped_rows;

    #[test]
    fn grouped_rows_gather_the_parts_of_each_group() {
        // Two groups of two query heads, heads of one row: q0 q1 k0 v0 q2 q3 k1 v1.
        assert_eq!(grouped_rows(4, 2, 1), [0, 1, 4, 5, 2, 6, 3, 7]);
        // Every head its own group: q0 k0 v0 q1 k1 v1, heads of two rows.
        assert_eq!(grouped_rows(2, 2, 2), [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
    }
}
