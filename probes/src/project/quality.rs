//! How much a map can be believed, and what lies beside what in it.
//!
//! - **Trustworthiness** (Venna and Kaski 2001; scikit-learn's `trustworthiness`), with k neighbours and n points:
//!   `1 - 2 / (n k (2n - 3k - 1)) sum_i sum_(j among the k nearest of i in the map) max(0, r(i, j) - k)`, r the rank of j among the neighbours
//!   of i in all dimensions (nearest 1). 1 = every neighbour in the map is one in truth; needs k < n / 2.
//! - **Language neighbours** = mean share of the k nearest in the map that are of the point's language; chance `(m - 1) / (n - 1)` with m
//!   sentences a language.
//! - **Meaning neighbours** = mean share of the k nearest that are translations of the point; chance `(L - 1) / (n - 1)` with L languages.
//!
//! Of equal distances the earlier point is the nearer.

use faer::MatRef;
use rayon::prelude::*;

use super::plane::Point;

/// What a map keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) trustworthiness: f64,
    pub(crate) language: f64,
    pub(crate) meaning: f64,
}

/// Points are ordered by language, then by sentence. `distances` are those in all dimensions.
pub(crate) fn kept(points: &[Point], distances: MatRef<'_, f64>, sentences: usize, k: usize) -> Kept {
    let n = points.len();
    let each = |i: usize| {
        let far = |j: usize| (points[i][0] - points[j][0]).powi(2) + (points[i][1] - points[j][1]).powi(2);
        let near = ranked(i, n, far);
        let mut rank = vec![0; n];
        for (at, j) in ranked(i, n, |j| distances[(i, j)]).into_iter().enumerate() {
            rank[j] = at + 1;
        }
        let intruders: usize = near[..k].iter().map(|j| rank[*j].saturating_sub(k)).sum();
        let same = near[..k].iter().filter(|j| **j / sentences == i / sentences).count();
        let translations = near[..k].iter().filter(|j| **j % sentences == i % sentences).count();
        [intruders, same, translations]
    };
    let found: Vec<[usize; 3]> = (0..n).into_par_iter().map(each).collect();
    let [intruders, same, translations] = [0, 1, 2].map(|at| found.iter().map(|f| f[at]).sum::<usize>() as f64);
    let (n, k) = (n as f64, k as f64);
    Kept {
        trustworthiness: 1.0 - 2.0 * intruders / (n * k * (2.0 * n - 3.0 * k - 1.0)),
        language: same / (n * k),
        meaning: translations / (n * k),
    }
}

/// The other points, the nearest first.
fn ranked(own: usize, n: usize, distance: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut others: Vec<(f64, usize)> = (0..n).filter(|j| *j != own).map(|j| (distance(j), j)).collect();
    others.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    others.into_iter().map(|(_, j)| j).collect()
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::kept;

    #[test]
    fn toy_values_by_hand() {
        // On a line at 0, 1, 3, 7, 12; in the map the last one lies beside the first. Neighbours (k = 1) in the map: of a and b each
        // other but e is nearer to a; of e it is a, whose rank from e is 4: it adds 3. Of a it is e, rank 4: it adds 3.
        let line = [0.0, 1.0, 3.0, 7.0, 12.0f64];
        let distances = Mat::from_fn(5, 5, |i, j| (line[i] - line[j]).powi(2));
        let points: Vec<_> = [0.0, 1.0, 3.0, 7.0, -0.5].map(|x| [x, 0.0]).to_vec();
        let found = kept(&points, distances.as_ref(), 5, 1);
        assert!((found.trustworthiness - (1.0 - 2.0 * 6.0 / (5.0 * 6.0))).abs() < 1e-12, "{found:?}");
        assert_eq!((found.language, found.meaning), (1.0, 0.0));
        let honest: Vec<_> = line.map(|x| [x, 0.0]).to_vec();
        assert_eq!(kept(&honest, distances.as_ref(), 5, 2).trustworthiness, 1.0);
    }

    #[test]
    fn neighbours_are_counted_by_language_and_by_meaning() {
        // Two languages, three sentences: translations lie together, sentences apart.
        let points: Vec<_> = (0..6).map(|i| [f64::from(i % 3) * 10.0, f64::from(i / 3)]).collect();
        let distances =
            Mat::from_fn(6, 6, |i, j| (points[i][0] - points[j][0]).powi(2) + (points[i][1] - points[j][1]).powi(2));
        let found = kept(&points, distances.as_ref(), 3, 1);
        assert_eq!((found.language, found.meaning, found.trustworthiness), (0.0, 1.0, 1.0));
    }
}
