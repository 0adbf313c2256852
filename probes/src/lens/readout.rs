//! From states to numbers, a block of rows at a time: neither `[layers, tokens, vocabulary]` nor `[tokens, vocabulary]` ever
//! stands in memory, whatever the number of layers and tokens.

use babelscope_core::monitor::{Monitor, Tick};
use candle_core::Tensor;
use rayon::prelude::*;

use super::{
    Candidate, LensCell, LensParams, TokenSets,
    walk::{Classes, Final, Row, walk},
};
use crate::{Error, Result};

/// Rows that a matrix product takes at once; other counts leave a part of its last block idle.
const BLOCK: usize = 32;

/// [`LensCell`] before ids become text.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// Ids and probabilities of the most probable tokens, best first.
    pub top: Vec<(u32, f32)>,
    /// Entropy in nats.
    pub entropy: f32,
    /// Count of logits >= that of the final layer's top token.
    pub rank_of_final: u32,
    /// Probability of the final layer's top token.
    pub probability_of_final: f32,
    /// KL(final || this layer) in nats.
    pub kl_from_final: f32,
    /// Mass of each language.
    pub language_mass: Vec<f32>,
    /// Mass of each script.
    pub script_mass: Vec<f32>,
}

impl Readout {
    fn new(row: Row, languages: usize) -> Self {
        let Row { top, entropy, rank_of_final, probability_of_final, kl_from_final, masses: mut language_mass } = row;
        let script_mass = language_mass.split_off(languages);
        Self { top, entropy, rank_of_final, probability_of_final, kl_from_final, language_mass, script_mass }
    }

    pub(super) fn into_cell(self, candidate: &impl Fn(u32) -> Candidate) -> LensCell {
        let top = self.top.into_iter().map(|(id, probability)| Candidate { probability, ..candidate(id) }).collect();
        LensCell {
            top,
            entropy: self.entropy,
            rank_of_final: self.rank_of_final,
            probability_of_final: self.probability_of_final,
            kl_from_final: self.kl_from_final,
            language_mass: self.language_mass,
            script_mass: self.script_mass,
        }
    }
}

/// Reads `states` (one tensor a layer) against `last`, the state of the last layer.
///
/// `unembed` is the model's final norm and unembedding, `[rows, width]` to `[rows, vocabulary]`, put into the buffer in place of
/// what it held; any function of that form will do.
///
/// # Shapes
/// Each state and `last` `[tokens, width]`; the result is `[layer][token]`.
///
/// # Errors
/// `top_k` 0, states of other lengths than `last`, logits that are not finite.
///
/// ```
/// # use babelscope_core::{monitor::Monitor, tokens::Tokenizer};
/// # use babelscope_probes::lens::{LensParams, TokenSets, read_out};
/// # use candle_core::{Device, Tensor};
/// # let json = br#"{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "b": 1}}}"#;
/// # let tokenizer = Tokenizer::from_bytes(json, "tokenizer.json".as_ref())?;
/// # let sets = TokenSets::scripts_only(&tokenizer);
/// // The identity as unembedding: the states are the logits. softmax [ln 3, 0] = [3/4, 1/4].
/// let last = Tensor::new(&[[3f32.ln(), 0.]], &Device::Cpu)?;
/// let first = Tensor::new(&[[0f32, 0.]], &Device::Cpu)?;
/// let unembed = |rows: &Tensor, logits: &mut Vec<f32>| {
///     *logits = rows.flatten_all().and_then(|rows| rows.to_vec1()).unwrap();
///     Ok(())
/// };
/// let grid = read_out(&[first, last.clone()], &last, &unembed, &sets, &LensParams::default(), &Monitor::silent())?;
/// let (early, late) = (&grid[0][0], &grid[1][0]);
/// assert!((late.top[0].1 - 0.75).abs() < 1e-6 && late.rank_of_final == 1 && late.kl_from_final == 0.0);
/// assert!((early.entropy - 2f32.ln()).abs() < 1e-6);
/// assert_eq!(early.rank_of_final, 2); // a tie counts: two logits are >= that of "a"
/// // 3/4 ln(3/2) + 1/4 ln(1/2)
/// assert!((early.kl_from_final - (0.75 * 1.5f32.ln() - 0.25 * 2f32.ln())).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_out(
    states: &[Tensor],
    last: &Tensor,
    unembed: &dyn Fn(&Tensor, &mut Vec<f32>) -> Result<()>,
    sets: &TokenSets,
    params: &LensParams,
    monitor: &Monitor,
) -> Result<Vec<Vec<Readout>>> {
    let refuse = |why: String| Err(Error::Input { measure: "lens", why });
    if params.top_k == 0 {
        return refuse("top_k is 0; ask for at least one token".to_owned());
    }
    let (tokens, _) = last.dims2().map_err(tensor)?;
    for (at, state) in states.iter().enumerate() {
        if state.dims2().map_err(tensor)?.0 != tokens {
            return refuse(format!("state {at} has shape {:?}, the last layer {:?}", state.dims(), last.dims()));
        }
    }
    let mut grid: Vec<Vec<Readout>> = vec![Vec::with_capacity(tokens); states.len()];
    if tokens == 0 {
        return Ok(grid);
    }
    let (mut logits, mut last_logits, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let rows_of = |state: &Tensor, from: usize, rows: usize| state.narrow(0, from, rows).map_err(tensor);
    // One row tells how wide a row of logits is.
    unembed(&rows_of(last, 0, 1)?, &mut last_logits)?;
    let vocabulary = last_logits.len();
    let width = sets.languages().len() + sets.scripts().len();
    let classes = match Classes::new(&sets.of_each(vocabulary), width) {
        Some(classes) if vocabulary > 0 => classes,
        _ => return refuse(format!("{vocabulary} tokens in {width} sets cannot be told apart")),
    };
    let fit = (params.logit_bytes / (4 * vocabulary)).max(1);
    let block = if fit < BLOCK { fit } else { fit / BLOCK * BLOCK };
    for top in (0..tokens).step_by(block) {
        let rows = block.min(tokens - top);
        unembed(&rows_of(last, top, rows)?, &mut last_logits)?;
        check_length(&last_logits, rows, vocabulary)?;
        weights.resize(last_logits.len(), 0.0);
        let rows_and_weights = last_logits.par_chunks_exact(vocabulary).zip(weights.par_chunks_exact_mut(vocabulary));
        let finals: Vec<Final<'_>> =
            rows_and_weights.map(|(row, weights)| Final::new(row, weights, &classes)).collect();
        for (at, state) in states.iter().enumerate() {
            let done = top * states.len() + at * rows;
            monitor.tick(Tick { what: "reading layers", done, total: tokens * states.len(), unit: "cells" })?;
            let logits = if state.id() == last.id() {
                &last_logits
            } else {
                unembed(&rows_of(state, top, rows)?, &mut logits)?;
                check_length(&logits, rows, vocabulary)?;
                &logits
            };
            let read = logits.par_chunks_exact(vocabulary).zip(&finals);
            let read: Vec<Option<Row>> = read.map(|(row, last)| walk(row, last, &classes, params.top_k)).collect();
            if let Some(row) = read.iter().position(Option::is_none) {
                return refuse(format!(
                    "the logits of token {}, of state {at} (counted from 0) or of the last layer, are not finite; check the \
                     weights",
                    top + row,
                ));
            }
            grid[at].extend(read.into_iter().flatten().map(|row| Readout::new(row, sets.languages().len())));
        }
    }
    Ok(grid)
}

fn check_length(logits: &[f32], rows: usize, vocabulary: usize) -> Result<()> {
    if logits.len() == rows * vocabulary {
        return Ok(());
    }
    let why = format!("the unembedding of {rows} rows gave {} logits, expected {vocabulary} a row", logits.len());
    Err(Error::Input { measure: "lens", why })
}

fn tensor(e: candle_core::Error) -> Error {
    babelscope_core::Error::from(e).into()
}

#[cfg(test)]
mod tests {
    use babelscope_core::{monitor::Monitor, tokens::Tokenizer};
    use candle_core::{Device, Tensor};
    use proptest::prelude::*;

    use super::{LensParams, Result, TokenSets, read_out};

    /// The identity as unembedding: the states are the logits.
    fn identity(rows: &Tensor, logits: &mut Vec<f32>) -> Result<()> {
        *logits = rows.flatten_all().and_then(|rows| rows.to_vec1()).unwrap();
        Ok(())
    }

    fn tokenizer(vocabulary: usize) -> Tokenizer {
        let script = ["a", "д", "你", ""];
        let vocab: Vec<_> = (0..vocabulary).map(|i| format!("\"{}{i}\": {i}", script[i % 4])).collect();
        let json =
            format!(r#"{{"model": {{"type": "WordLevel", "unk_token": "a0", "vocab": {{{}}}}}}}"#, vocab.join(","));
        Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref()).unwrap()
    }

    /// The definitions, in f64, one vocabulary entry after another.
    fn slow(logits: &[f32], last: &[f32], k: usize) -> (Vec<u32>, f64, u32, f64, f64) {
        let log_p = |x: &[f32]| -> Vec<f64> {
            let max = x.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = x.iter().map(|v| f64::from(v - max).exp()).sum();
            x.iter().map(|v| f64::from(*v) - f64::from(max) - sum.ln()).collect()
        };
        let (mine, end) = (log_p(logits), log_p(last));
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
        order.truncate(k);
        let f = (0..last.len()).rev().max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        let entropy = -mine.iter().map(|l| l.exp() * l).sum::<f64>();
        let rank = logits.iter().filter(|v| **v >= logits[f]).count() as u32;
        let kl = end.iter().zip(&mine).map(|(p, q)| p.exp() * (p - q)).sum();
        (order, entropy, rank, mine[f].exp(), kl)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn read_outs_agree_with_the_plain_definitions(
            (tokens, vocabulary, values) in (1usize..6, 2usize..400).prop_flat_map(|(t, v)| {
                // Whole numbers make equal logits likely; the scale reaches probabilities that round to 0.
                let value = prop_oneof![(-3i8..4).prop_map(f32::from), -60f32..60.0];
                (Just(t), Just(v), prop::collection::vec(value, 2 * t * v))
            }),
            k in 1usize..9,
            rows in 1usize..4,
        ) {
            let tokenizer = tokenizer(vocabulary);
            let sets = TokenSets::scripts_only(&tokenizer);
            let (early, late) = values.split_at(tokens * vocabulary);
            let state = |v: &[f32]| Tensor::from_slice(v, (tokens, vocabulary), &Device::Cpu).unwrap();
            let params = LensParams { top_k: k, logit_bytes: rows * 4 * vocabulary, ..LensParams::default() };
            let states = [state(early), state(late)];
            let grid = read_out(&states, &states[1], &identity, &sets, &params, &Monitor::silent()).unwrap();
            for (layer, values) in grid.iter().zip([early, late]) {
                prop_assert_eq!(layer.len(), tokens);
                for ((read, logits), last) in layer.iter().zip(values.chunks(vocabulary)).zip(late.chunks(vocabulary)) {
                    let (top, entropy, rank, own, kl) = slow(logits, last, k);
                    prop_assert_eq!(read.top.iter().map(|t| t.0).collect::<Vec<_>>(), top);
                    prop_assert!((f64::from(read.entropy) - entropy).abs() < 1e-4);
                    prop_assert_eq!(read.rank_of_final, rank);
                    prop_assert!((f64::from(read.probability_of_final) - own).abs() < 1e-5);
                    prop_assert!((f64::from(read.kl_from_final) - kl).abs() < 1e-3 * (1.0 + kl));
                    prop_assert!((read.script_mass.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                }
            }
            for read in &grid[1] {
                prop_assert_eq!((read.kl_from_final, read.top[0].1), (0.0, read.probability_of_final));
            }
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_refused() {
        let tokenizer = tokenizer(4);
        let sets = TokenSets::scripts_only(&tokenizer);
        let good = Tensor::new(&[[0f32, 1., 2., 3.]], &Device::Cpu).unwrap();
        let bad = Tensor::new(&[[0f32, f32::NAN, 2., 3.]], &Device::Cpu).unwrap();
        for (state, last) in [(&bad, &good), (&good, &bad)] {
            let params = LensParams::default();
            assert!(
                read_out(std::slice::from_ref(state), last, &identity, &sets, &params, &Monitor::silent()).is_err()
            );
        }
    }
}
