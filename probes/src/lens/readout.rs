//! From states to numbers, on the device, a few rows at a time: `[layers, tokens, vocabulary]` never stands in memory.

use babelscope_core::monitor::{Monitor, Tick};
use candle_core::{D, DType, Tensor};

use super::{Candidate, LensCell, LensParams, TokenSets};
use crate::{Error, Result};

/// Width of the tiles in which the largest logits are searched.
const TILE: usize = 128;

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
/// `unembed` is the model's final norm and unembedding, `[rows, width]` to `[rows, vocabulary]`; any function of that form will do.
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
/// let unembed = |rows: &Tensor| Ok(rows.clone());
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
    unembed: &dyn Fn(&Tensor) -> Result<Tensor>,
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
    let mut reader: Option<Reader<'_>> = None;
    let mut top = 0;
    while top < tokens {
        // The first row alone tells how wide a row of logits is.
        let rows = reader.as_ref().map_or(1, |r| (params.logit_bytes / (4 * r.vocabulary)).max(1)).min(tokens - top);
        let target = Target::new(&unembed(&last.narrow(0, top, rows).map_err(tensor)?)?)?;
        if reader.is_none() {
            reader = Some(Reader::new(target.log_p.dims2().map_err(tensor)?.1, sets, params.top_k, &target.log_p)?);
        }
        let Some(reader) = &reader else { return refuse("no logits".to_owned()) };
        for (at, state) in states.iter().enumerate() {
            let done = top * states.len() + at * rows;
            monitor.tick(Tick { what: "reading layers", done, total: tokens * states.len(), unit: "cells" })?;
            let logits = unembed(&state.narrow(0, top, rows).map_err(tensor)?)?;
            let read = reader.read(&logits, &target, (at, top))?;
            grid[at].extend(read);
        }
        top += rows;
    }
    Ok(grid)
}

fn tensor(e: candle_core::Error) -> Error {
    babelscope_core::Error::from(e).into()
}

/// The final layer's distribution for a few rows.
struct Target {
    /// Ids of the top token, `[rows, 1]`.
    top: Tensor,
    /// `[rows, vocabulary]`.
    log_p: Tensor,
    /// `[rows, vocabulary]`.
    p: Tensor,
}

impl Target {
    fn new(logits: &Tensor) -> Result<Self> {
        let ids: Vec<u32> = largest(logits, 1)?.into_iter().flatten().collect();
        let rows = ids.len();
        let build = || -> candle_core::Result<Self> {
            let log_p = log_softmax(logits)?;
            Ok(Self { top: Tensor::from_vec(ids, (rows, 1), logits.device())?, p: log_p.exp()?, log_p })
        };
        build().map_err(tensor)
    }
}

struct Reader<'a> {
    sets: &'a TokenSets,
    vocabulary: usize,
    top_k: usize,
    /// `[vocabulary, languages + scripts]`.
    membership: Tensor,
}

impl<'a> Reader<'a> {
    fn new(vocabulary: usize, sets: &'a TokenSets, top_k: usize, like: &Tensor) -> Result<Self> {
        let columns = sets.languages().len() + sets.scripts().len();
        let membership = Tensor::from_vec(sets.membership(vocabulary), (vocabulary, columns), like.device());
        Ok(Self { sets, vocabulary, top_k, membership: membership.map_err(tensor)? })
    }

    /// `logits` `[rows, vocabulary]`; `at` is the state and the first token, for messages.
    fn read(&self, logits: &Tensor, target: &Target, at: (usize, usize)) -> Result<Vec<Readout>> {
        let log_p = log_softmax(logits).map_err(tensor)?;
        let column = |t: candle_core::Result<Tensor>| -> Result<Vec<f32>> {
            t.and_then(|t| t.flatten_all()?.to_vec1()).map_err(tensor)
        };
        let p = log_p.exp().map_err(tensor)?; // [rows, vocabulary]
        // 0 ln 0 = 0: log_p stays finite where p is rounded to 0, so the product is 0.
        let entropy = column(p.mul(&log_p).and_then(|t| t.sum(D::Minus1)?.neg()))?;
        let kl = column(target.log_p.sub(&log_p).and_then(|d| target.p.mul(&d)?.sum(D::Minus1)))?;
        if let Some(row) = entropy.iter().zip(&kl).position(|(h, kl)| !h.is_finite() || !kl.is_finite()) {
            let why = format!(
                "the logits of token {}, of state {} (counted from 0) or of the last layer, are not finite; check the weights",
                at.1 + row,
                at.0
            );
            return Err(Error::Input { measure: "lens", why });
        }
        let rank = column(
            logits
                .gather(&target.top, D::Minus1)
                .and_then(|own| logits.broadcast_ge(&own)?.to_dtype(DType::F32)?.sum(D::Minus1)),
        )?;
        let masses: Vec<Vec<f32>> = p.matmul(&self.membership).and_then(|m| m.to_vec2()).map_err(tensor)?;
        let ids = largest(logits, self.top_k)?;
        let flat: Vec<u32> = ids.iter().flatten().copied().collect();
        let shape = (ids.len(), flat.len() / ids.len().max(1));
        let top: Vec<Vec<f32>> = Tensor::from_vec(flat, shape, logits.device())
            .and_then(|ids| p.gather(&ids, D::Minus1)?.to_vec2())
            .map_err(tensor)?;
        let own = column(p.gather(&target.top, D::Minus1))?;
        let languages = self.sets.languages().len();
        Ok((ids.into_iter().zip(top).zip(masses).enumerate())
            .map(|(row, ((ids, top), mass))| {
                let (language_mass, script_mass) = mass.split_at(languages);
                Readout {
                    top: ids.into_iter().zip(top).collect(),
                    entropy: entropy[row],
                    rank_of_final: rank[row] as u32,
                    probability_of_final: own[row],
                    // Negative only by rounding.
                    kl_from_final: kl[row].max(0.0),
                    language_mass: language_mass.to_vec(),
                    script_mass: script_mass.to_vec(),
                }
            })
            .collect())
    }
}

fn log_softmax(logits: &Tensor) -> candle_core::Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// Ids of the `k` largest logits of each row, largest first, of equal ones the smallest id first.
///
/// Only the maximum of each tile of 128 logits leaves the device, then the `k` tiles with the largest maxima: a logit outside of
/// them has `k` logits before it.
fn largest(logits: &Tensor, k: usize) -> Result<Vec<Vec<u32>>> {
    let search = || -> candle_core::Result<Vec<Vec<u32>>> {
        let (rows, vocabulary) = logits.dims2()?;
        let tiles = vocabulary.div_ceil(TILE);
        let missing = tiles * TILE - vocabulary;
        let padded = if missing == 0 {
            logits.contiguous()?
        } else {
            let low = Tensor::full(f32::NEG_INFINITY, (rows, missing), logits.device())?;
            Tensor::cat(&[logits, &low], 1)?
        };
        let padded = padded.reshape((rows, tiles, TILE))?;
        let maxima: Vec<Vec<f32>> = padded.max(D::Minus1)?.to_vec2()?; // [rows, tiles]
        let keep = k.min(tiles);
        let mut chosen: Vec<u32> = Vec::with_capacity(rows * keep);
        for (row, maxima) in maxima.iter().enumerate() {
            let mut order: Vec<usize> = (0..tiles).collect();
            order.sort_by(|a, b| maxima[*b].total_cmp(&maxima[*a]).then(a.cmp(b)));
            chosen.extend(order[..keep].iter().map(|tile| (row * tiles + tile) as u32));
        }
        let index = Tensor::from_slice(&chosen, chosen.len(), logits.device())?;
        let values: Vec<Vec<f32>> = padded.reshape((rows * tiles, TILE))?.index_select(&index, 0)?.to_vec2()?;
        let found = chosen.chunks(keep).zip(values.chunks(keep)).enumerate().map(|(row, (chosen, values))| {
            let start = |tile: u32| (tile as usize - row * tiles) * TILE;
            let mut all: Vec<(u32, f32)> = (chosen.iter().zip(values))
                .flat_map(|(tile, values)| values.iter().enumerate().map(|(i, v)| ((start(*tile) + i) as u32, *v)))
                .filter(|(id, _)| (*id as usize) < vocabulary)
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.into_iter().take(k).map(|(id, _)| id).collect()
        });
        Ok(found.collect())
    };
    search().map_err(tensor)
}

#[cfg(test)]
mod tests {
    use babelscope_core::{monitor::Monitor, tokens::Tokenizer};
    use candle_core::{Device, Tensor};
    use proptest::prelude::*;

    use super::{LensParams, TokenSets, read_out};

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
            let unembed = |rows: &Tensor| Ok(rows.clone());
            let grid = read_out(&states, &states[1], &unembed, &sets, &params, &Monitor::silent()).unwrap();
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
        let unembed = |rows: &Tensor| Ok(rows.clone());
        for (state, last) in [(&bad, &good), (&good, &bad)] {
            let params = LensParams::default();
            assert!(read_out(std::slice::from_ref(state), last, &unembed, &sets, &params, &Monitor::silent()).is_err());
        }
    }
}
