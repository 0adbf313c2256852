//! One pair of languages at one layer under one correction: everything that is read off its similarities.

use ndarray::{Array3, ArrayView2, Axis};

use super::{
    Similarity,
    neighbours::Neighbours,
    over_layers::Hits,
    prepared::Prepared,
    products::{Base, products},
    rows::{Context, Place},
    search::{Margin, Scores, Side, xsim_errors},
};
use crate::{Result, align::Centring, measure::Row, source::StateSource};

/// Languages that are compared, as places in the source. The similarities of (P, X) and (X, P) are the same ones turned, so both
/// orders are one piece of work.
pub(super) struct Pair {
    /// The pivot.
    pub(super) left: usize,
    pub(super) right: usize,
    /// Whether `right` is a pivot of `left`, too.
    both: bool,
}

/// What the sentences of the pivot find, and what those of the language find; or why neither means anything.
pub(super) type Both<T> = std::result::Result<[T; 2], &'static str>;

/// What was found, seen from the pivot: element 0 of each two belongs to the pivot's sentences, 1 to the language's.
pub(super) struct Found {
    /// Similarities `[base, n, n]`, in the order of [`Base`].
    similarities: Array3<f32>,
    pub(super) retrieved: Vec<(Similarity, Both<Side>)>,
    /// xSIM: which sentences are errors.
    pub(super) errors: Vec<(Similarity, Both<Vec<bool>>)>,
    pub(super) f1: [Vec<f64>; 2],
    /// `N_k` of the language's sentences, then of the pivot's.
    pub(super) occurrences: [Vec<u32>; 2],
    /// How many sentences had neighbours to name.
    pub(super) asked: [usize; 2],
}

const UNDEFINED: &str = "the ratio margin is undefined here: the mean cosine to the nearest neighbours of some pair is not above 0 (as after \
                         centring); use the distance margin";

impl Pair {
    /// Every language but itself against each pivot.
    pub(super) fn all(source: &dyn StateSource, pivots: &[usize]) -> Vec<Self> {
        let mut pairs: Vec<Self> = Vec::new();
        for &pivot in pivots {
            for language in (0..source.languages().len()).filter(|language| *language != pivot) {
                match pairs.iter_mut().find(|pair| (pair.left, pair.right) == (language, pivot)) {
                    Some(pair) => pair.both = true,
                    None => pairs.push(Self { left: pivot, right: language, both: false }),
                }
            }
        }
        pairs
    }

    pub(super) fn measure(
        &self,
        context: &Context<'_>,
        layer: usize,
        centring: Centring,
        bases: &[Base],
        left: &Prepared,
        right: &Prepared,
    ) -> Result<(Vec<Row>, Vec<Hits>)> {
        let matched = context.matched(self)?;
        let mut found = Found::new(context, bases, left, right);
        let mut place = Place { pivot: self.left, language: self.right, layer, centring };
        let (mut rows, mut hits) = context.rows(&place, &found, matched.as_ref());
        if self.both {
            found = found.turned();
            (place.pivot, place.language) = (self.right, self.left);
            let (more, more_hits) = context.rows(&place, &found, matched.as_ref());
            rows.extend(more);
            hits.extend(more_hits);
        }
        Ok((rows, hits))
    }
}

impl Found {
    pub(super) fn new(context: &Context<'_>, bases: &[Base], left: &Prepared, right: &Prepared) -> Self {
        let params = context.params;
        let all = products(left, right, bases); // [base, n, n]
        let of = |base: Base| all.index_axis(Axis(0), base as usize);
        let cosines = of(Base::Cosine);
        let k = params.neighbours.max(params.margin_neighbours);
        let nearest = [Neighbours::new(cosines, k), Neighbours::new(cosines.t(), k)];
        let means = |k: usize| nearest.each_ref().map(|side| side.means(k));
        let (hub_means, margin_means) = (means(params.neighbours), means(params.margin_neighbours));
        let scores = |similarity: Similarity| {
            let (margin, means) = match similarity {
                Similarity::Cosine | Similarity::Dot | Similarity::Euclid => (Margin::Absolute, [&[][..], &[][..]]),
                Similarity::Csls => (Margin::Csls, hub_means.each_ref().map(Vec::as_slice)),
                Similarity::Ratio => (Margin::Ratio, margin_means.each_ref().map(Vec::as_slice)),
                Similarity::Distance => (Margin::Distance, margin_means.each_ref().map(Vec::as_slice)),
            };
            Scores { similarities: of(similarity.base()), margin, means }
        };
        let lost = [left.lost(), right.lost()];
        let (lost, turned) = ([&lost[0][..], &lost[1][..]], [&lost[1][..], &lost[0][..]]);
        let never = vec![false; lost[0].len()];
        let search = |similarity: Similarity| {
            let scores = scores(similarity);
            let directions = similarity.base() == Base::Cosine;
            let (lost, turned) = if directions { (lost, turned) } else { ([&never[..]; 2], [&never[..]; 2]) };
            let sides = || [Side::new(&scores, lost), Side::new(&scores.turned(), turned)];
            if scores.defined() { Ok(sides()) } else { Err(UNDEFINED) }
        };
        let errors = |similarity: Similarity| {
            let scores = scores(similarity);
            let k = params.margin_neighbours;
            let sides =
                || [xsim_errors(&scores, &nearest[0], k, lost), xsim_errors(&scores.turned(), &nearest[1], k, turned)];
            if scores.defined() { Ok(sides()) } else { Err(UNDEFINED) }
        };
        let retrieved: Vec<_> = params.similarities.iter().map(|s| (*s, search(*s))).collect();
        let errors = [Similarity::Ratio, Similarity::Distance, Similarity::Cosine].map(|s| (s, errors(s))).into();
        let euclid = scores(Similarity::Euclid);
        let f1 = [Side::new(&euclid, [&never[..]; 2]).f1(), Side::new(&euclid.turned(), [&never[..]; 2]).f1()];
        let count = |side: usize| nearest[side].occurrences(params.neighbours, lost[side]);
        let occurrences = [count(0), count(1)];
        let asked = lost.map(|lost| lost.iter().filter(|lost| !**lost).count());
        Self { occurrences, asked, similarities: all, retrieved, errors, f1 }
    }

    /// `[n, n]`, a row for each sentence of the pivot.
    pub(super) fn cosines(&self) -> ArrayView2<'_, f32> {
        self.similarities.index_axis(Axis(0), Base::Cosine as usize)
    }

    /// The same with pivot and language exchanged.
    fn turned(self) -> Self {
        fn turn<T>([a, b]: [T; 2]) -> [T; 2] {
            [b, a]
        }
        let Self { mut similarities, retrieved, errors, f1, occurrences, asked } = self;
        similarities.swap_axes(1, 2);
        Self {
            similarities,
            retrieved: retrieved.into_iter().map(|(s, sides)| (s, sides.map(turn))).collect(),
            errors: errors.into_iter().map(|(s, sides)| (s, sides.map(turn))).collect(),
            f1: turn(f1),
            occurrences: turn(occurrences),
            asked: turn(asked),
        }
    }
}
