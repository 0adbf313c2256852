//! Layer by layer: debiased CKA of every layer of a language with every layer of the pivot, and its largest value against the largest of the
//! same draws (a maximum over many pairs of layers is large by itself).
//!
//! The matrices of both sides at all layers are held, `8 layers n^2` bytes. With the pivot's halves above the diagonal as rows of one matrix
//! and a draw of the language's as rows of another, all pairs of layers are one product, taken in blocks of sentences.

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, s};
use rayon::prelude::*;

use super::{
    algebra::{Centred, refuse},
    relation::{Form, Relation},
};
use crate::{
    Result,
    measure::Row,
    null::{Permutations, adjust_rows, fit},
    product::a_bt,
    source::{StateSource, finite},
};

/// The most that the matrices of a grid may take.
const LARGEST: usize = 8 << 30;

/// Entries of each layer in one product.
const BLOCK: usize = 1 << 14;

/// Refuses what would not fit.
///
/// # Errors
/// The matrices of two languages take more than 8 GiB.
pub(super) fn check(layers: usize, n: usize) -> Result<()> {
    let bytes = 8 * layers * n * n;
    if bytes <= LARGEST {
        return Ok(());
    }
    let why = format!(
        "the grid of {layers} x {layers} layers on {n} sentences would hold {} GiB, at most {} are allowed; take fewer sentences or layers",
        bytes >> 30,
        LARGEST >> 30
    );
    refuse("cka", why)
}

/// A language at all layers; a layer whose states are all the same has none.
pub(super) struct Stack(Vec<Option<Relation>>);

impl Stack {
    /// # Errors
    /// States that cannot be read or are not finite.
    pub(super) fn new(source: &dyn StateSource, language: usize, monitor: &Monitor) -> Result<Self> {
        let mut all = Vec::with_capacity(source.layers().len());
        for layer in 0..source.layers().len() {
            monitor.check()?;
            let state = finite(source, language, layer, "cka")?;
            let relation = Centred::new("cka", state.view()).and_then(|x| Relation::linear("cka", &x, Form::Debiased));
            all.push(relation.ok());
        }
        Ok(Self(all))
    }

    fn there(&self) -> impl Iterator<Item = (usize, &Relation)> {
        self.0.iter().enumerate().filter_map(|(at, relation)| Some((at, relation.as_ref()?)))
    }
}

/// The pivot's matrices as their halves above the diagonal.
pub(super) struct Halves {
    /// `[layers that are there, n (n - 1) / 2]`.
    rows: Array2<f32>,
    /// Place and `<A, A>` of those layers.
    layers: Vec<(usize, f64)>,
}

impl Halves {
    pub(super) fn new(pivot: &Stack, n: usize) -> Self {
        let mut rows = Array2::zeros((pivot.there().count(), n * (n - 1) / 2));
        for (mut row, (_, relation)) in rows.outer_iter_mut().zip(pivot.there()) {
            row.iter_mut().zip(relation.upper()).for_each(|(to, v)| *to = v);
        }
        Self { rows, layers: pivot.there().map(|(at, relation)| (at, relation.square())).collect() }
    }
}

/// CKA of all pairs of layers: `[layers of the language, layers of the pivot]`, those that are there.
fn all_pairs(pivot: &Halves, language: &Stack, draw: &[u32]) -> Array2<f64> {
    let n = draw.len();
    let mut sums = Array2::<f64>::zeros((language.there().count(), pivot.rows.nrows()));
    let (mut top, mut from) = (0, 0);
    while top + 1 < n {
        // Whole rows, until the block is full.
        let (mut end, mut len) = (top, 0);
        while end + 1 < n && (len == 0 || len + n - 1 - end <= BLOCK) {
            len += n - 1 - end;
            end += 1;
        }
        let mut block = Array2::<f32>::zeros((sums.nrows(), len));
        for (mut row, (_, relation)) in block.outer_iter_mut().zip(language.there()) {
            let values = (top..end).flat_map(|i| relation.drawn(draw, i));
            row.iter_mut().zip(values).for_each(|(to, v)| *to = v);
        }
        sums += &a_bt(block.view(), pivot.rows.slice(s![.., from..from + len]), false).mapv(f64::from);
        (top, from) = (end, from + len);
    }
    for (mut row, (_, a)) in sums.outer_iter_mut().zip(language.there()) {
        for (v, (_, b)) in row.iter_mut().zip(&pivot.layers) {
            *v = (2.0 * *v / (a.square() * b).sqrt()).clamp(-1.0, 1.0);
        }
    }
    sums
}

/// The rows of one language against one pivot: `cka` with `pivot_layer`, and last `cka_grid_max`.
///
/// # Errors
/// [`babelscope_core::Error::Cancelled`].
pub(super) fn grid(
    source: &dyn StateSource,
    pivot: &Halves,
    language: &Stack,
    shuffled: &Permutations,
    matched: Option<&Permutations>,
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    let n = source.sentences();
    let same: Vec<u32> = (0..).take(n).collect();
    let values = all_pairs(pivot, language, &same);
    let null = |all: &Permutations| {
        let drawn = (0..all.draws()).into_par_iter().map(|b| {
            monitor.check()?;
            Ok(all_pairs(pivot, language, all.draw(b)))
        });
        drawn.collect::<Result<Vec<_>>>()
    };
    let (shuffled, matched) = (null(shuffled)?, matched.map(null).transpose()?.unwrap_or_default());
    let mut rows = Vec::with_capacity(values.len() + 1);
    let mut best: Option<(f64, usize, usize)> = None;
    for (i, (layer, _)) in language.there().enumerate() {
        for (j, (pivot_layer, _)) in pivot.layers.iter().enumerate() {
            let value = values[[i, j]];
            let of = |drawn: &[Array2<f64>]| fit(value, &drawn.iter().map(|d| d[[i, j]]).collect::<Vec<_>>(), true);
            let (layer, pivot_layer) = (source.layers()[layer], source.layers()[*pivot_layer]);
            let row = Row::new("cka", value, n).at(layer).variant("debiased");
            rows.push(Row { pivot_layer: Some(pivot_layer), shuffled: of(&shuffled), matched: of(&matched), ..row });
            if best.is_none_or(|(most, ..)| value > most) {
                best = Some((value, layer, pivot_layer));
            }
        }
    }
    adjust_rows(&mut rows);
    if let Some((value, layer, pivot_layer)) = best {
        let largest = |drawn: &[Array2<f64>]| {
            let most: Vec<f64> = drawn.iter().map(|d| d.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
            fit(value, &most, true)
        };
        let row = Row::new("cka_grid_max", value, n).variant("debiased").item(format!("{layer} {pivot_layer}"));
        rows.push(Row { shuffled: largest(&shuffled), matched: largest(&matched), ..row });
    }
    Ok(rows)
}
