//! What a model takes from its files, by their headers.

use std::collections::BTreeSet;

use crate::{
    dtype::Dtype,
    model::{Config, Weights},
};

/// The tensors that a model takes.
pub(super) struct Used {
    /// Numbers.
    pub(super) parameters: usize,
    /// Bytes that they occupy once they are loaded.
    pub(super) bytes: usize,
    /// Of these, bytes of tables with a row for each token: they stay in their file, and only rows that are read are in memory.
    pub(super) in_file: usize,
    /// Formats on disk.
    pub(super) formats: BTreeSet<String>,
}

/// Sums up what the engine would take of `weights`.
pub(super) fn used(weights: &Weights<'_>, config: &Config, compute: Dtype) -> Used {
    // Copies of a tied unembedding, and of a bias under two names.
    let tied: &[&str] = &["lm_head.weight", "lm_head.decoder.weight", "predictions.decoder.weight"];
    let tied = if config.tied() { tied } else { &[] };
    let copies = ["rotary_emb.inv_freq", "lm_head.decoder.bias", "predictions.decoder.bias"];
    let mut used = Used { parameters: 0, bytes: 0, in_file: 0, formats: BTreeSet::new() };
    for (name, shape, format, size) in weights.headers() {
        if config.family.unused(name) || tied.iter().chain(&copies).any(|end| name.ends_with(end)) {
            continue;
        }
        let count: usize = shape.iter().product();
        used.parameters += count;
        // Gains and biases are f32 in memory.
        let bytes = count * if shape.len() > 1 { size.min(compute.size()) } else { size_of::<f32>() };
        used.bytes += bytes;
        let table = shape.len() == 2 && shape.first() == Some(&config.vocabulary);
        if table && size <= compute.size() && !format.starts_with("gguf") {
            used.in_file += bytes;
        }
        used.formats.insert(format);
    }
    used
}
