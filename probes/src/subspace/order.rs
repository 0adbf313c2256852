//! An order of the languages in which related ones stand together.

use ndarray::ArrayView2;

/// The leaves of the dendrogram of average linkage (UPGMA; Sokal and Michener 1958), from left to right: an order for the rows of a heat
/// map. Where two clusters join, each may be turned around, and the way with the smaller distance between the two leaves that meet is
/// taken. Equal distances: the first pair, unturned.
///
/// # Shapes
/// `distances` `[k, k]`, symmetric; the diagonal is not read.
///
/// ```
/// use babelscope_probes::subspace::leaf_order;
/// use ndarray::array;
/// // 0 and 2 are close, 1 and 3 are close, and of those 2 and 3.
/// let distances = array![[0., 9., 1., 8.], [9., 0., 8., 1.], [1., 8., 0., 5.], [8., 1., 5., 0.]];
/// assert_eq!(leaf_order(distances.view()), [0, 2, 3, 1]);
/// ```
pub fn leaf_order(distances: ArrayView2<'_, f64>) -> Vec<usize> {
    let k = distances.nrows().min(distances.ncols());
    let mut clusters: Vec<Vec<usize>> = (0..k).map(|i| vec![i]).collect();
    let mut between = distances.to_owned();
    let mut alive: Vec<usize> = (0..k).collect();
    while let [first, second, ..] = alive[..] {
        let (mut a, mut b) = (first, second);
        for (at, &i) in alive.iter().enumerate() {
            for &j in &alive[at + 1..] {
                if between[[i, j]] < between[[a, b]] {
                    (a, b) = (i, j);
                }
            }
        }
        let (left, right) = (std::mem::take(&mut clusters[a]), std::mem::take(&mut clusters[b]));
        alive.retain(|c| *c != b);
        let (p, q) = (left.len() as f64, right.len() as f64);
        for &c in alive.iter().filter(|c| **c != a) {
            let mean = (p * between[[a, c]] + q * between[[b, c]]) / (p + q);
            (between[[a, c]], between[[c, a]]) = (mean, mean);
        }
        clusters[a] = joined(left, right, distances);
    }
    alive.first().map(|last| std::mem::take(&mut clusters[*last])).unwrap_or_default()
}

fn joined(mut left: Vec<usize>, mut right: Vec<usize>, distances: ArrayView2<'_, f64>) -> Vec<usize> {
    let ends = |of: &[usize]| [of[of.len() - 1], of[0]];
    let (meets, met) = (ends(&left), ends(&right));
    let mut best = (false, false);
    let gap = |(turn, other): (bool, bool)| distances[[meets[usize::from(turn)], met[usize::from(!other)]]];
    for way in [(false, true), (true, false), (true, true)] {
        if gap(way) < gap(best) {
            best = way;
        }
    }
    if best.0 {
        left.reverse();
    }
    if best.1 {
        right.reverse();
    }
    left.extend(right);
    left
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::leaf_order;

    #[test]
    fn small_ones_and_ties() {
        assert!(leaf_order(Array2::zeros((0, 0)).view()).is_empty());
        assert_eq!(leaf_order(Array2::zeros((1, 1)).view()), [0]);
        assert_eq!(leaf_order(Array2::zeros((4, 4)).view()), [0, 1, 2, 3]);
    }

    #[test]
    fn linkage_is_the_average_and_not_the_nearest() {
        // 0 and 1 join first. On the average 3 is closer to 2 (2.9) than to them (3.5, though 2.0 to the one), so 2 and 3 join.
        let d = array![[0., 1., 6., 2.], [1., 0., 6., 5.], [6., 6., 0., 2.9], [2., 5., 2.9, 0.]];
        assert_eq!(leaf_order(d.view()), [1, 0, 3, 2]);
    }

    proptest! {
        #[test]
        fn groups_far_apart_are_never_mixed(places in prop::collection::vec(0f64..1.0, 9), shift in 0usize..9) {
            // Points of three groups on a line, 100 apart, in a shuffled order.
            let group = |i: usize| (i * 2 + shift) % 9 % 3;
            let at: Vec<f64> = places.iter().enumerate().map(|(i, x)| x + 100.0 * group(i) as f64).collect();
            let order = leaf_order(Array2::from_shape_fn((9, 9), |(i, j)| (at[i] - at[j]).abs()).view());
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..9).collect::<Vec<_>>());
            let changes = order.windows(2).filter(|w| group(w[0]) != group(w[1])).count();
            prop_assert_eq!(changes, 2);
            let ends = (at[order[0]] - at[order[8]]).abs();
            prop_assert!(ends > 150.0, "the groups at the two ends are the two that are farthest apart: {}", ends);
        }
    }
}
