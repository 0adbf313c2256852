//! The closest wrong sentence both ways, exact, without ever holding the n x n similarities.
//!
//! Bounds of a tile of S come from a product of whole numbers ([`super::screen`]). They say which entries can be the maximum of their row or
//! column. The cosines of those are then computed in f64 in a fixed order, so identical states tie exactly, and neither the tile nor
//! the number of threads nor the machine can change a result.

use babelscope_core::vector::dispatch;

use super::{
    Outcome, Ties,
    screen::{Crossed, Rows, Screen, wild},
    unit::Unit,
};
use crate::product::short::{LANES, Right};

/// Entries in one tile of S: with its bounds half of a megabyte, so that it stays in the cache of a core.
const TILE: usize = 1 << 16;
/// Entries of a row that are looked at together.
const BLOCK: usize = 32;
/// Columns' candidates that wait for the end, when more is known of what they must reach.
const WAITING: usize = 1 << 16;

/// The best so far in a row or a column.
#[derive(Clone, Copy)]
pub(super) struct Best {
    pub(super) cosine: f32,
    pub(super) at: u32,
    /// Whether no other one is equal.
    pub(super) alone: bool,
}

impl Best {
    pub(super) const NONE: Self = Self { cosine: f32::NEG_INFINITY, at: 0, alone: true };

    /// The first of several equal ones stays, in whatever order they come.
    pub(super) fn meet(&mut self, cosine: f32, at: u32) {
        if cosine > self.cosine {
            *self = Self { cosine, at, alone: true };
        } else if cosine == self.cosine && at != self.at {
            (self.at, self.alone) = (self.at.min(at), false);
        }
    }
}

/// What the search finds of a pair of languages at a layer with one centring.
pub(crate) struct Found {
    pub(crate) outcomes: Vec<Outcome>,
    /// Whether the rivals there and back are the only ones with their cosine.
    pub(super) alone: Vec<[bool; 2]>,
    /// The smallest j other than i with `S[i, j]` or `S[j, i]` not below `S[i, i]` (above it, where a tie counts): sentence i is counted
    /// among the first m sentences if m does not exceed it.
    pub(super) beaten: Vec<u32>,
    /// Sentences whose cosine equals that of the true pair, each as often as it does, where ties share: `(i, j)`.
    pub(super) equal: Vec<(u32, u32)>,
    /// Every cosine that may be the largest of its row or column, the diagonal left out, where ties count: `(i, j, cosine)`.
    pub(super) seen: Vec<(u32, u32, f32)>,
}

/// What there is to find with each centring (`true`: centred).
pub(crate) fn search(pivot: &Unit<'_>, language: &Unit<'_>, centred: &[bool], ties: Ties) -> Vec<Found> {
    let wild = centred.contains(&false) && (wild(pivot) || wild(language));
    let rows = |centred: &bool| if wild && !centred { Rows::Raw } else { Rows::Centred };
    let mut found: Vec<Option<Found>> = centred.iter().map(|_| None).collect();
    for kind in [Rows::Centred, Rows::Raw] {
        let mine: Vec<usize> = (0..centred.len()).filter(|at| rows(&centred[*at]) == kind).collect();
        if mine.is_empty() {
            continue;
        }
        let those: Vec<bool> = mine.iter().map(|at| centred[*at]).collect();
        let right = Right::new(&language.whole(kind == Rows::Centred).short);
        let height = (TILE / language.sentences().next_multiple_of(LANES) / LANES).max(1);
        for (at, of) in mine.into_iter().zip(tiled(pivot, language, &those, ties, (kind, &right, height))) {
            found[at] = Some(of);
        }
    }
    found.into_iter().flatten().collect()
}

/// [`search`] among the products of these rows, so many panels at a time.
fn tiled(
    pivot: &Unit<'_>,
    language: &Unit<'_>,
    centred: &[bool],
    ties: Ties,
    (rows, right, height): (Rows, &Right<'_>, usize),
) -> Vec<Found> {
    let left = &pivot.whole(rows == Rows::Centred).short;
    // All that needs every state once, while it is near.
    let (mut diagonals, mut crossed) = (vec![Vec::new(); centred.len()], Crossed::default());
    for i in 0..pivot.sentences() {
        for (diagonal, centred) in diagonals.iter_mut().zip(centred) {
            diagonal.push(pivot.cosine(*centred, i, language, i));
        }
        if rows == Rows::Centred && centred.contains(&false) {
            crossed.xk.push(pivot.times(i, &language.mean));
            crossed.my.push(language.times(i, &pivot.mean));
        }
    }
    let scan = |(centred, diagonal): (&bool, Vec<f32>)| {
        let screen = Screen::new(pivot, language, (*centred, rows), &crossed);
        Scan::new(pivot, language, *centred, ties, screen, &diagonal)
    };
    let mut scans: Vec<Scan<'_, '_, '_>> = centred.iter().zip(diagonals).map(scan).collect();
    let places = left.panels() * LANES;
    let mut products = vec![0f32; height.min(left.panels()) * LANES * places];
    let mut lower = products.clone();
    for from in (0..left.panels()).step_by(height) {
        let panels = from..left.panels().min(from + height);
        let tile = &mut products[..panels.len() * LANES * places];
        right.products(left, panels, tile);
        for scan in &mut scans {
            scan.tile(from * LANES, tile, &mut lower);
        }
    }
    scans.into_iter().map(Scan::end).collect()
}

/// The search with one centring.
struct Scan<'a, 'p, 'l> {
    pivot: &'a Unit<'p>,
    language: &'a Unit<'l>,
    centred: bool,
    ties: Ties,
    screen: Screen,
    /// Cosines of the true pairs, and their bounds as the screen measures.
    diagonal: Vec<(f32, f32, f32)>,
    forth: Vec<Best>,
    back: Vec<Best>,
    /// What the best of a column reaches at least.
    floor: Vec<f32>,
    /// What an entry of a column must reach to be looked at.
    limit: Vec<f32>,
    /// Whether nothing in the column, so far, is closer than the true pair.
    open: Vec<bool>,
    waiting: Vec<(u32, u32, f32)>,
    /// The cosine that was computed last: row, first column of the same state, value.
    last: (usize, u32, f32),
    beaten: Vec<u32>,
    equal: Vec<(u32, u32)>,
    seen: Vec<(u32, u32, f32)>,
}

impl<'a, 'p, 'l> Scan<'a, 'p, 'l> {
    fn new(
        pivot: &'a Unit<'p>,
        language: &'a Unit<'l>,
        centred: bool,
        ties: Ties,
        screen: Screen,
        diagonal: &[f32],
    ) -> Self {
        let n = diagonal.len();
        let diagonal = diagonal.iter().map(|cosine| {
            let (low, high) = screen.known(*cosine);
            (*cosine, low, high)
        });
        Self {
            diagonal: diagonal.collect(),
            forth: vec![Best::NONE; n],
            back: vec![Best::NONE; n],
            floor: vec![f32::NEG_INFINITY; screen.places()],
            limit: vec![0.0; screen.places()],
            open: vec![true; n],
            waiting: Vec::new(),
            last: (usize::MAX, 0, 0.0),
            beaten: vec![u32::MAX; n],
            equal: Vec::new(),
            seen: Vec::new(),
            pivot,
            language,
            centred,
            ties,
            screen,
        }
    }

    /// Looks at the products of the rows from `top` on with all columns.
    fn tile(&mut self, top: usize, products: &[f32], lower: &mut [f32]) {
        let (n, places) = (self.diagonal.len(), self.screen.places());
        let mut row_floors = Vec::with_capacity(products.len() / places);
        let rows = products.chunks_exact(places).zip(lower.chunks_exact_mut(places)).take(n - top);
        for (i, (products, lower)) in (top..).zip(rows) {
            let (screen, floor) = (&self.screen, &mut self.floor);
            let floors = dispatch(
                #[inline(always)]
                || {
                    screen.lower(i, products, lower);
                    lower[i] = f32::NEG_INFINITY; // the true pair is no rival
                    let mut floors = [f32::NEG_INFINITY; LANES];
                    for lower in lower.as_chunks::<LANES>().0 {
                        for (floor, lower) in floors.iter_mut().zip(lower) {
                            *floor = if *lower > *floor { *lower } else { *floor };
                        }
                    }
                    for (column, lower) in floor.iter_mut().zip(&*lower) {
                        *column = if *lower > *column { *lower } else { *column };
                    }
                    floors
                },
            );
            row_floors.push(floors.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x)));
        }
        for (j, floor) in self.floor.iter().enumerate() {
            let open = self.open.get(j).is_some_and(|open| *open);
            self.limit[j] = if open { floor.min(self.diagonal[j].1) } else { *floor };
        }
        for ((i, floor), lower) in (top..).zip(row_floors).zip(lower.chunks_exact(places)) {
            self.row(i, floor, lower);
        }
    }

    /// Looks at the entries of a row that can be the largest of it, where `floor` is reached, or of their column, or above a true pair.
    fn row(&mut self, i: usize, floor: f32, lower: &[f32]) {
        let (share, slack) = self.screen.between(i);
        let low = self.diagonal[i].1;
        let mut open = true;
        dispatch(
            #[inline(always)]
            || {
                for (at, lower) in lower.chunks(BLOCK).enumerate() {
                    let block = at * BLOCK..at * BLOCK + lower.len();
                    let (shares, limits) = (&self.screen.shares()[block.clone()], &self.limit[block.clone()]);
                    let limit = if open { floor.min(low) } else { floor };
                    let mut any = false;
                    let mut upper = [0f32; BLOCK];
                    for (((upper, lower), d), other) in upper.iter_mut().zip(lower).zip(shares).zip(limits) {
                        *upper = lower + (share * d + slack);
                        any |= (*upper >= limit) | (*upper >= *other);
                    }
                    if !any {
                        continue;
                    }
                    for ((j, lower), upper) in block.zip(lower).zip(upper) {
                        if upper >= limit || upper >= self.limit[j] {
                            self.entry((i, j), (*lower, upper), floor, &mut open);
                        }
                    }
                }
            },
        );
    }

    /// Looks at an entry with its bounds.
    #[inline(never)]
    fn entry(&mut self, (i, j): (usize, usize), (low, high): (f32, f32), floor: f32, open: &mut bool) {
        if i == j || j >= self.open.len() {
            return;
        }
        if high >= floor {
            self.record(i, j);
        } else if high >= self.floor[j] {
            self.waiting.push((i as u32, j as u32, high));
            if self.waiting.len() >= WAITING {
                self.wait_no_longer();
            }
        }
        if *open && high >= self.diagonal[i].1 {
            *open = !self.beaten((i, j), low, (i, j));
        }
        if self.open[j] && high >= self.diagonal[j].1 && self.beaten((i, j), low, (j, i)) {
            self.open[j] = false;
            self.limit[j] = self.floor[j];
        }
    }

    /// Whether the entry is not below the true pair of `sentence`, one of its two, `other` being the other one.
    fn beaten(&mut self, (i, j): (usize, usize), low: f32, (sentence, other): (usize, usize)) -> bool {
        let (true_pair, _, most) = self.diagonal[sentence];
        let above = low > most || {
            let cosine = self.cosine(i, j);
            let tie = cosine == true_pair;
            if tie && self.ties == Ties::Shared {
                self.equal.push((sentence as u32, other as u32));
            }
            cosine > true_pair || tie && self.ties == Ties::Strict
        };
        if above {
            self.beaten[sentence] = self.beaten[sentence].min(other as u32);
        }
        above
    }

    fn record(&mut self, i: usize, j: usize) {
        let cosine = self.cosine(i, j);
        self.forth[i].meet(cosine, j as u32);
        self.back[j].meet(cosine, i as u32);
        if self.ties != Ties::Strict {
            self.seen.push((i as u32, j as u32, cosine));
        }
    }

    /// Equal states follow one another where there are many, and have one cosine.
    fn cosine(&mut self, i: usize, j: usize) -> f32 {
        let state = self.language.same[j];
        if (self.last.0, self.last.1) != (i, state) {
            self.last = (i, state, self.pivot.cosine(self.centred, i, self.language, j));
        }
        self.last.2
    }

    fn wait_no_longer(&mut self) {
        for (i, j, high) in std::mem::take(&mut self.waiting) {
            if high >= self.floor[j as usize] {
                self.record(i as usize, j as usize);
            }
        }
    }

    fn end(mut self) -> Found {
        self.wait_no_longer();
        let rivals = self.forth.iter().zip(&self.back);
        Found {
            outcomes: (rivals.clone().zip(&self.diagonal))
                .map(|((forth, back), (cosine, ..))| Outcome {
                    cosine: *cosine,
                    rival: forth.at,
                    rival_cosine: forth.cosine,
                    rival_back: back.at,
                    rival_back_cosine: back.cosine,
                })
                .collect(),
            alone: rivals.map(|(forth, back)| [forth.alone, back.alone]).collect(),
            beaten: self.beaten,
            equal: self.equal,
            seen: self.seen,
        }
    }
}

#[cfg(test)]
mod tests;
