//! States to distributions, some rows at a time: `[tokens, vocabulary]` never stands in memory.

use babelscope_core::{engine::Engine, monitor::Monitor};
use candle_core::Tensor;
use rayon::prelude::*;

use super::{refuse, tensor};
use crate::{Result, logits::Total};

/// Bytes of the logits that are read at once.
const LOGIT_BYTES: usize = 80 << 20;

/// Rows of logits that stand in memory at once.
pub(super) fn block(engine: &Engine) -> usize {
    (LOGIT_BYTES / (engine.info().vocabulary.max(1) * size_of::<f32>())).max(1)
}

/// The logits of rows `from .. from + count`, divided by the temperature, with their normalisers.
pub(super) fn logits(
    engine: &Engine,
    states: &Tensor,
    (from, count): (usize, usize),
    temperature: f32,
    out: &mut Vec<f32>,
) -> Result<Vec<Total>> {
    engine.unembed_into(&states.narrow(0, from, count).map_err(tensor)?, out)?;
    let of = |row: &mut [f32]| {
        if temperature != 1.0 {
            row.iter_mut().for_each(|logit| *logit /= temperature);
        }
        Total::of(row)
    };
    let totals: Vec<Total> = out.par_chunks_exact_mut(engine.info().vocabulary).map(of).collect();
    match totals.iter().position(|total| !total.is_finite()) {
        Some(row) => refuse(format!(
            "the logits of row {} are not finite (NaN or infinite); a state overflowed, check the weights",
            from + row
        )),
        None => Ok(totals),
    }
}

/// `of` each row of logits, with its number and its normaliser.
///
/// # Shapes
/// `states` `[rows, width]`, before the final norm.
pub(super) fn each<T: Send>(
    engine: &Engine,
    states: &Tensor,
    of: impl Fn(usize, &[f32], &Total) -> T + Sync,
    monitor: &Monitor,
) -> Result<Vec<T>> {
    let (rows, _) = states.dims2().map_err(tensor)?;
    let (block, mut buffer) = (block(engine), Vec::new());
    let mut all = Vec::with_capacity(rows);
    for from in (0..rows).step_by(block) {
        monitor.check()?;
        let totals = logits(engine, states, (from, block.min(rows - from)), 1.0, &mut buffer)?;
        let rows = buffer.par_chunks_exact(engine.info().vocabulary).zip(&totals).enumerate();
        all.par_extend(rows.map(|(row, (logits, total))| of(from + row, logits, total)));
    }
    Ok(all)
}
