//! One row of logits to numbers, in two walks while it lies in the cache: the maxima of its tiles, then every sum at once.
//!
//! With `m = max x`, `e_v = exp(x_v - m)` and the final layer's `f_v`, `g_v = exp(f_v - max f)`:
//! `S = sum e`, `T = sum e (x - m)`, `G = sum g`, `D = sum g (f - x)`, and of each class of tokens the sum of `e`. Then
//! entropy `ln S - T / S`, log-sum-exp `m + ln S`, and `KL(final || this) = D / G - lse(f) + lse(x)`, which is exactly 0 for
//! equal rows. Sums are f32 over at most [`STRETCH`] entries, f64 above.

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

/// The final layer's row, and what is known of it before another row is read.
pub(super) struct Final<'a> {
    pub(super) logits: &'a [f32],
    /// The most probable token, of equal ones the smallest id.
    pub(super) top: u32,
    max: f32,
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
    /// `logits` must not be empty.
    pub(super) fn new(logits: &'a [f32]) -> Self {
        let maxima = maxima(logits);
        let (top, max) = largest(logits, &maxima, 1).first().copied().unwrap_or((0, f32::NAN));
        Self { logits, top, max }
    }
}

/// Reads a row of logits; `None` when they, or the final layer's, are not finite.
pub(super) fn walk(logits: &[f32], last: &Final<'_>, classes: &Classes, top_k: usize) -> Option<Row> {
    assert!(logits.len() == last.logits.len() && logits.len() == classes.of.len());
    let maxima = maxima(logits);
    let top = largest(logits, &maxima, top_k);
    let max = top.first()?.1;
    let own = logits[last.top as usize];
    let mut class_sums = vec![[0f64; SPREAD]; classes.columns.len()];
    let sums = dispatch(
        #[inline(always)]
        || sums(logits, last, &classes.of, (max, own), &mut class_sums),
    );
    let Sums { e, e_x, g, g_d, above } = sums;
    let entropy = e.ln() - e_x / e;
    let kl = g_d / g - (f64::from(last.max) + g.ln()) + (f64::from(max) + e.ln());
    if !entropy.is_finite() || !kl.is_finite() {
        return None;
    }
    let probability = |x: f32| (f64::from(x - max).exp() / e) as f32;
    let mut masses = vec![0f64; classes.width];
    for (columns, sums) in classes.columns.iter().zip(&class_sums) {
        for column in columns {
            masses[usize::from(*column)] += sums.iter().sum::<f64>() / e;
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
    g: f64,
    g_d: f64,
    /// Logits that are at least the one of the final layer's top token.
    above: u32,
}

/// `(max, own)` are the row's largest logit and that of the final layer's top token.
#[inline(always)]
fn sums(
    logits: &[f32],
    last: &Final<'_>,
    classes: &[u16],
    (max, own): (f32, f32),
    class_sums: &mut [[f64; SPREAD]],
) -> Sums {
    let mut all = Sums { e: 0.0, e_x: 0.0, g: 0.0, g_d: 0.0, above: 0 };
    let mut weights = [0f32; STRETCH];
    let stretches = logits.chunks(STRETCH).zip(last.logits.chunks(STRETCH)).zip(classes.chunks(STRETCH));
    for ((x, f), classes) in stretches {
        let weights = &mut weights[..x.len()];
        let (mut e, mut e_x, mut g, mut g_d) = ([0f32; LANES], [0f32; LANES], [0f32; LANES], [0f32; LANES]);
        let mut above = [0u32; LANES];
        let ((xs, x_rest), (fs, f_rest)) = (x.as_chunks::<LANES>(), f.as_chunks::<LANES>());
        let (ws, w_rest) = weights.as_chunks_mut::<LANES>();
        for ((x, f), w) in xs.iter().zip(fs).zip(ws) {
            for lane in 0..LANES {
                w[lane] = exp(x[lane] - max);
                e[lane] += w[lane];
                e_x[lane] += w[lane] * (x[lane] - max);
                let weight = exp(f[lane] - last.max);
                g[lane] += weight;
                g_d[lane] += weight * (f[lane] - x[lane]);
                above[lane] += u32::from(x[lane] >= own);
            }
        }
        for ((x, f), w) in x_rest.iter().zip(f_rest).zip(w_rest) {
            *w = exp(x - max);
            e[0] += *w;
            e_x[0] += *w * (x - max);
            let weight = exp(f - last.max);
            g[0] += weight;
            g_d[0] += weight * (f - x);
            above[0] += u32::from(*x >= own);
        }
        let total = |lanes: [f32; LANES]| lanes.iter().map(|x| f64::from(*x)).sum::<f64>();
        all.e += total(e);
        all.e_x += total(e_x);
        all.g += total(g);
        all.g_d += total(g_d);
        all.above += above.iter().sum::<u32>();
        for (w, classes) in weights.chunks(SPREAD).zip(classes.chunks(SPREAD)) {
            for (at, (w, class)) in w.iter().zip(classes).enumerate() {
                class_sums[usize::from(*class)][at] += f64::from(*w);
            }
        }
    }
    all
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
            if x % 7 == 0 { (x % 5) as f32 } else { x as f32 / 2_500.0 - 25.0 }
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
            let row = walk(&x, &Final::new(&f), &classes, k).unwrap();
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
