//! One row of logits to numbers, in two walks while it lies in the cache: the maxima of its tiles, then every sum at once.
//!
//! With `m = max x`, `e_v = exp(x_v - m)`, and of the final layer's row `f` its `g_v = exp(f_v - max f)`:
//! `S = sum e`, `T = sum e (x - m)`, `C = sum g (x - m)`, `G = sum g`, and of each class of tokens the sum of `e`. Then entropy
//! `ln S - T / S`, and `KL(final || this) = (C_f / G - ln G) - (C / G - ln S)` with the final layer's own `C_f`, which is exactly
//! 0 for equal rows. Sums are f32 over at most [`STRETCH`] entries, f64 above.

use babelscope_core::vector::{dispatch, exp};

/// Width of the tiles in which the largest logits are searched.
const TILE: usize = 128;
/// Lanes of a vector register of f32 (AVX-512); narrower machines use several.
const LANES: usize = 16;
/// Entries that are summed in f32: 256 a lane.
const STRETCH: usize = 32 * TILE;
/// Running sums of each class side by side, so that neighbours of one class need not wait for each other.
const SPREAD: usize = 8;

/// Which class each id of a vocabulary belongs to, and of which columns of masses each class is a part.
///
/// A token can be in several sets (a script, a language, in sets of word pairs two languages); tokens of the same sets are one
/// class, so that the walk adds each probability once.
pub(super) struct Classes {
    /// Of each id.
    of: Vec<u16>,
    /// Of each class.
    columns: Vec<Vec<u16>>,
    /// How many columns there are.
    width: usize,
}

impl Classes {
    /// `sets[id]` are the columns that the id counts for, ascending. `None` for more than 65,536 classes.
    pub(super) fn new(sets: &[Vec<u16>], width: usize) -> Option<Self> {
        let mut columns: Vec<Vec<u16>> = sets.to_vec();
        columns.sort_unstable();
        columns.dedup();
        let class = |set| columns.binary_search(set).ok().and_then(|class| u16::try_from(class).ok());
        let of = sets.iter().map(class).collect::<Option<_>>()?;
        Some(Self { of, columns, width })
    }
}

/// What is known of the final layer's row before another row is read.
pub(super) struct Final<'a> {
    /// `g`
    weights: &'a [f32],
    /// The most probable token, of equal ones the smallest id.
    top: u32,
    /// `C_f / G - ln G`, the mean log-probability.
    mean: f64,
    total: f64,
}

/// What the walk finds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Ids and probabilities of the most probable tokens, best first, of equal ones the smallest id first.
    pub(super) top: Vec<(u32, f32)>,
    pub(super) entropy: f32,
    pub(super) rank_of_final: u32,
    pub(super) probability_of_final: f32,
    pub(super) kl_from_final: f32,
    /// One a column of the classes.
    pub(super) masses: Vec<f32>,
}

impl<'a> Final<'a> {
    /// `logits` must not be empty; `weights` is a buffer of the same length.
    pub(super) fn new(logits: &[f32], weights: &'a mut [f32], classes: &Classes) -> Self {
        let (top, max) = largest(logits, &maxima(logits), 1).first().copied().unwrap_or((0, f32::NAN));
        dispatch(
            #[inline(always)]
            || {
                for (weight, f) in weights.iter_mut().zip(logits) {
                    *weight = exp(f - max);
                }
            },
        );
        let Sums { e: total, cross, .. } = classes.sums(logits, weights, (max, max)).0;
        Self { weights, top, mean: cross / total - total.ln(), total }
    }
}

/// Reads a row of logits; `None` when they, or the final layer's, are not finite.
pub(super) fn walk(logits: &[f32], last: &Final<'_>, classes: &Classes, top_k: usize) -> Option<Row> {
    assert!(logits.len() == last.weights.len() && logits.len() == classes.of.len());
    let maxima = maxima(logits);
    let top = largest(logits, &maxima, top_k);
    let max = top.first()?.1;
    let own = logits[last.top as usize];
    let (Sums { e, e_x, cross, above }, class_sums) = classes.sums(logits, last.weights, (max, own));
    let entropy = e.ln() - e_x / e;
    let kl = last.mean - (cross / last.total - e.ln());
    if !entropy.is_finite() || !kl.is_finite() {
        return None;
    }
    let probability = |x: f32| (f64::from(x - max).exp() / e) as f32;
    let mut masses = vec![0f64; classes.width];
    for (columns, sums) in classes.columns.iter().zip(&class_sums) {
        for column in columns {
            masses[usize::from(*column)] += sums / e;
        }
    }
    Some(Row {
        top: top.iter().map(|(id, x)| (*id, probability(*x))).collect(),
        entropy: entropy as f32,
        rank_of_final: above,
        probability_of_final: probability(own),
        // Negative only by rounding.
        kl_from_final: kl.max(0.0) as f32,
        masses: masses.into_iter().map(|mass| mass as f32).collect(),
    })
}

/// The largest logit of each tile.
fn maxima(logits: &[f32]) -> Vec<f32> {
    let mut maxima = Vec::with_capacity(logits.len().div_ceil(TILE));
    dispatch(
        #[inline(always)]
        || {
            let (tiles, rest) = logits.as_chunks::<TILE>();
            for tile in tiles {
                let mut lanes = [f32::NEG_INFINITY; LANES];
                for part in tile.as_chunks::<LANES>().0 {
                    for lane in 0..LANES {
                        lanes[lane] = if part[lane] > lanes[lane] { part[lane] } else { lanes[lane] };
                    }
                }
                maxima.push(lanes.into_iter().fold(f32::NEG_INFINITY, f32::max));
            }
            if !rest.is_empty() {
                maxima.push(rest.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            }
        },
    );
    maxima
}

/// Ids and logits of the `k` largest, largest first, of equal ones the smallest id first.
///
/// They lie in the `k` tiles with the largest maxima: a logit outside of them has `k` logits before it.
fn largest(logits: &[f32], maxima: &[f32], k: usize) -> Vec<(u32, f32)> {
    let before = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let first = |mut of: Vec<(u32, f32)>| {
        if k < of.len() {
            of.select_nth_unstable_by(k - 1, before);
            of.truncate(k);
        }
        of.sort_unstable_by(before);
        of
    };
    let tiles = first((0..).zip(maxima.iter().copied()).collect());
    // No logit below the smallest of these maxima can be among the k largest.
    let least = tiles.last().map_or(f32::NEG_INFINITY, |tile| tile.1);
    let mut found = Vec::new();
    for (tile, _) in tiles {
        let start = tile as usize * TILE;
        let entries = &logits[start..logits.len().min(start + TILE)];
        found.extend((start as u32..).zip(entries.iter().copied()).filter(|(_, x)| maxima.len() < k || *x >= least));
    }
    first(found)
}

struct Sums {
    e: f64,
    e_x: f64,
    cross: f64,
    /// Logits that are at least the one of the final layer's top token.
    above: u32,
}

impl Classes {
    /// The sums over a row, and those of `e` over each class. `(max, own)` are the row's largest logit and that of the final
    /// layer's top token.
    fn sums(&self, logits: &[f32], g: &[f32], (max, own): (f32, f32)) -> (Sums, Vec<f64>) {
        let mut of_classes = vec![0f64; self.columns.len()];
        let mut spread = vec![[0f32; SPREAD]; self.columns.len()];
        let mut all = Sums { e: 0.0, e_x: 0.0, cross: 0.0, above: 0 };
        dispatch(
            #[inline(always)]
            || {
                let mut e = [0f32; STRETCH];
                for ((x, g), classes) in logits.chunks(STRETCH).zip(g.chunks(STRETCH)).zip(self.of.chunks(STRETCH)) {
                    let e = &mut e[..x.len()];
                    stretch(x, g, e, (max, own), &mut all);
                    for (e, classes) in e.chunks(SPREAD).zip(classes.chunks(SPREAD)) {
                        for (at, (e, class)) in e.iter().zip(classes).enumerate() {
                            spread[usize::from(*class)][at] += e;
                        }
                    }
                    for (sum, spread) in of_classes.iter_mut().zip(&mut spread) {
                        *sum += spread.iter().map(|x| f64::from(*x)).sum::<f64>();
                        *spread = [0.0; SPREAD];
                    }
                }
            },
        );
        (all, of_classes)
    }
}

/// Fills `e` and adds up one stretch.
#[inline(always)]
fn stretch(x: &[f32], g: &[f32], e: &mut [f32], (max, own): (f32, f32), all: &mut Sums) {
    let (mut sum, mut e_x, mut cross) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
    let mut above = [0u32; LANES];
    let ((xs, x_rest), (gs, g_rest)) = (x.as_chunks::<LANES>(), g.as_chunks::<LANES>());
    let (es, e_rest) = e.as_chunks_mut::<LANES>();
    for ((x, g), e) in xs.iter().zip(gs).zip(es) {
        for lane in 0..LANES {
            e[lane] = exp(x[lane] - max);
            sum[lane] += e[lane];
            e_x[lane] += e[lane] * (x[lane] - max);
            cross[lane] += g[lane] * (x[lane] - max);
            above[lane] += u32::from(x[lane] >= own);
        }
    }
    for ((x, g), e) in x_rest.iter().zip(g_rest).zip(e_rest) {
        *e = exp(x - max);
        sum[0] += *e;
        e_x[0] += *e * (x - max);
        cross[0] += g * (x - max);
        above[0] += u32::from(*x >= own);
    }
    let total = |lanes: [f32; LANES]| lanes.iter().map(|x| f64::from(*x)).sum::<f64>();
    all.e += total(sum);
    all.e_x += total(e_x);
    all.cross += total(cross);
    all.above += above.iter().sum::<u32>();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Classes, Final, walk};

    /// `e^x / sum e^x` in f64.
    fn softmax(x: &[f32]) -> Vec<f64> {
        let max = x.iter().copied().fold(f32::MIN, f32::max);
        let e: Vec<f64> = x.iter().map(|x| (f64::from(*x) - f64::from(max)).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|e| e / sum).collect()
    }

    /// Spread over many magnitudes, with equal values among them.
    fn logits(len: usize, seed: u64) -> Vec<f32> {
        let value = |i: usize| {
            let mut x = seed ^ (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let x = (x ^ (x >> 29)) % 100_000;
            if x.is_multiple_of(7) { (x % 5) as f32 } else { x as f32 / 2_500.0 - 25.0 }
        };
        (0..len).map(value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Lengths beside and beyond the tiles and stretches; sets that overlap.
        #[test]
        fn sums_of_long_rows_equal_those_in_f64(len in 1usize..13_000, k in 1usize..30, seed: u64, columns in 1usize..6) {
            let (x, f) = (logits(len, seed), logits(len, !seed));
            let set = |i: usize| (0..columns as u16).filter(|c| (i as u64 * 31 + seed) >> c & 1 == 1).collect();
            let sets: Vec<Vec<u16>> = (0..len).map(set).collect();
            let classes = Classes::new(&sets, columns).unwrap();
            let mut weights = vec![0.0; len];
            let row = walk(&x, &Final::new(&f, &mut weights, &classes), &classes, k).unwrap();
            let (p, q) = (softmax(&x), softmax(&f));
            for column in 0..columns {
                let want: f64 = (0..len).filter(|i| sets[*i].contains(&(column as u16))).map(|i| p[i]).sum();
                prop_assert!((f64::from(row.masses[column]) - want).abs() < 1e-6);
            }
            let entropy: f64 = -p.iter().map(|p| p * p.ln()).sum::<f64>();
            prop_assert!((f64::from(row.entropy) - entropy).abs() < 1e-5);
            let kl: f64 = p.iter().zip(&q).map(|(p, q)| q * (q.ln() - p.ln())).sum();
            prop_assert!((f64::from(row.kl_from_final) - kl).abs() < 1e-5 * (1.0 + kl));
            let mut order: Vec<usize> = (0..len).collect();
            order.sort_by(|a, b| x[*b].total_cmp(&x[*a]).then(a.cmp(b)));
            prop_assert_eq!(row.top.len(), k.min(len));
            for ((id, probability), want) in row.top.iter().zip(order) {
                prop_assert_eq!(*id as usize, want);
                prop_assert!((f64::from(*probability) - p[want]).abs() < 1e-6);
            }
        }
    }
}
