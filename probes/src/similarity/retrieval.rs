//! Retrieval among tested sentences: who is closest to whom, also where pairs are shuffled.

use faer::MatRef;
use ndarray::Array2;

use crate::product::a_bt;

/// Retrieval among the tested sentences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Share of the sentences whose pair is strictly the closest both ways.
    pub mexa: f64,
    /// Share whose pair is strictly the closest, mean of both ways.
    pub recall: f64,
}

/// Rows of norm 1 in f32; one without a direction stays 0 and never counts.
pub(super) fn unit(rows: MatRef<'_, f64>) -> Array2<f32> {
    let mut out = Array2::zeros(rows.shape());
    for (i, mut to) in out.outer_iter_mut().enumerate() {
        let norm = rows.row(i).iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm > 0.0 {
            to.iter_mut().zip(rows.row(i).iter()).for_each(|(t, v)| *t = (v / norm) as f32);
        }
    }
    out
}

/// Who is closest to whom among the tested sentences.
pub(super) struct Closest {
    /// The one closest sentence there of each one here; `None` where two tie.
    forth: Vec<Option<u32>>,
    /// And the other way.
    back: Vec<Option<u32>>,
}

impl Closest {
    pub(super) fn new(x: &Array2<f32>, y: &Array2<f32>) -> Self {
        let cosines = a_bt(x.view(), y.view(), true);
        let n = x.nrows();
        let none = (f32::NEG_INFINITY, None);
        let (mut forth, mut back) = (vec![none; n], vec![none; n]);
        let meet = |best: &mut (f32, Option<u32>), cosine: f32, at: usize| {
            if cosine > best.0 {
                *best = (cosine, Some(at as u32));
            } else if cosine == best.0 {
                best.1 = None;
            }
        };
        for ((i, j), cosine) in cosines.indexed_iter() {
            meet(&mut forth[i], *cosine, j);
            meet(&mut back[j], *cosine, i);
        }
        let only = |best: Vec<(f32, Option<u32>)>| best.into_iter().map(|b| b.1).collect();
        Self { forth: only(forth), back: only(back) }
    }

    /// Whether each tested sentence finds its pair, and is found by it; `pairs`: tested sentence i here belongs to `pairs[i]` there.
    pub(super) fn hits<'a>(&'a self, pairs: Option<&'a [u32]>) -> impl Iterator<Item = (bool, bool)> + 'a {
        (0u32..).zip(&self.forth).map(move |(i, forth)| {
            let pair = pairs.map_or(i, |pairs| pairs[i as usize]);
            (*forth == Some(pair), self.back[pair as usize] == Some(i))
        })
    }

    pub(super) fn found(&self, pairs: Option<&[u32]>) -> Found {
        let n = self.forth.len() as f64;
        let sum = |of: fn((bool, bool)) -> f64| self.hits(pairs).map(of).sum::<f64>() / n;
        Found { mexa: sum(mexa), recall: sum(recall) }
    }
}

/// What a tested sentence adds to MEXA.
pub(super) fn mexa((forth, back): (bool, bool)) -> f64 {
    f64::from(u8::from(forth && back))
}

/// What it adds to recall.
pub(super) fn recall((forth, back): (bool, bool)) -> f64 {
    f64::midpoint(f64::from(u8::from(forth)), f64::from(u8::from(back)))
}

/// A permutation of all sentences as one of some of them: each goes where it first comes back among them. Uniform where the whole one is,
/// and within strata where the whole one is.
pub(super) fn among(some: &[usize], draw: &[u32]) -> Vec<u32> {
    let mut place = vec![None; draw.len()];
    (0u32..).zip(some).for_each(|(at, i)| place[*i] = Some(at));
    let back = |i: usize| {
        let mut to = draw[i] as usize;
        loop {
            match place[to] {
                Some(at) => return at,
                None => to = draw[to] as usize,
            }
        }
    };
    some.iter().map(|i| back(*i)).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{super::procrustes::halves, Closest, among};
    use crate::null::Permutations;

    #[test]
    fn a_tie_never_counts() {
        let (x, y) = (array![[1f32, 0.], [0., 1.], [1., 0.]], array![[1f32, 0.], [0., 1.], [0., 1.]]);
        let closest = Closest::new(&x, &y);
        // Sentence 1 finds its pair, which has two equal suitors; sentence 2 has two equal finds; sentence 3 finds the first.
        assert!(closest.hits(None).eq([(true, false), (false, true), (false, false)]));
        assert!(closest.hits(Some(&[1, 2, 0])).eq([(false, false), (false, true), (true, false)]));
        let found = closest.found(None);
        assert_eq!((found.mexa, found.recall), (0.0, 1.0 / 3.0));
    }

    #[test]
    fn a_permutation_among_some_is_one_and_keeps_strata() {
        let strata: Vec<u32> = (0..30).map(|i| i % 3).collect();
        let draws = Permutations::within(&strata, 50, 1).unwrap();
        let (fit, _) = halves(30, 2);
        for draw in (0..50).map(|d| draws.draw(d)) {
            let to = among(&fit, draw);
            assert!(to.iter().enumerate().all(|(at, j)| strata[fit[at]] == strata[fit[*j as usize]]));
            let mut sorted = to;
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..15));
        }
    }
}
