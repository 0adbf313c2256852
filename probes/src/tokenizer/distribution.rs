//! How evenly the tokens in use are used, and how two languages differ in it.

use std::collections::{BTreeMap, BTreeSet};

/// Renyi efficiency of the counts of types: `H_alpha(p) / log2 |V|` with `H_alpha = log2(sum p^alpha) / (1 - alpha)`, in 0..=1; at
/// `alpha` 1 the limit, Shannon's. V is the types that were counted. Zouhar et al. 2023, *Tokenization and the Noiseless Channel*.
///
/// `None` with fewer than two types, as `log2 |V|` is then 0. Types of count 0 are not in use.
///
/// ```
/// use babelscope_probes::tokenizer::renyi_efficiency;
/// let of = |alpha| renyi_efficiency(&[4, 2, 1, 1], alpha);
/// assert!(of(2.5).is_some_and(|e| (e - 0.730167).abs() < 1e-6));
/// assert_eq!(of(1.0), Some(0.875));
/// assert_eq!(renyi_efficiency(&[9], 2.5), None);
/// ```
pub fn renyi_efficiency(counts: &[u64], alpha: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let p: Vec<f64> = counts.iter().filter(|c| **c > 0).map(|c| *c as f64 / total as f64).collect();
    if p.len() < 2 {
        return None;
    }
    let entropy = if alpha == 1.0 {
        -p.iter().map(|p| p * p.log2()).sum::<f64>()
    } else {
        p.iter().map(|p| p.powf(alpha)).sum::<f64>().log2() / (1.0 - alpha)
    };
    Some(entropy / (p.len() as f64).log2())
}

/// Average rank `sum_i i p_(i)` of the types, the most frequent one first and its rank 0. Limisiewicz et al. 2023, *Tokenization
/// Impacts Multilingual Language Modeling*: the larger, the more tokens the language has of its own. `None` without a count.
///
/// ```
/// use babelscope_probes::tokenizer::average_rank;
/// assert_eq!(average_rank(&[1, 4, 1, 2]), Some(0.875));
/// ```
pub fn average_rank(counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let mut sorted = counts.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let sum: f64 = sorted.iter().enumerate().map(|(rank, count)| rank as f64 * *count as f64).sum();
    (total > 0).then(|| sum / total as f64)
}

/// Jensen-Shannon divergence in bits of the distributions of two languages over types: 0 identical, 1 disjoint (scipy's distance
/// squared). `None` where one has no count.
///
/// ```
/// use babelscope_probes::tokenizer::jensen_shannon;
/// let (few, all) = ([(0, 1), (1, 1)].into(), [(0, 1), (1, 1), (2, 1), (3, 1)].into());
/// assert!(jensen_shannon(&few, &all).is_some_and(|jsd| (jsd - 0.311278).abs() < 1e-6));
/// assert_eq!(jensen_shannon(&few, &few), Some(0.0));
/// ```
pub fn jensen_shannon(left: &BTreeMap<u32, u64>, right: &BTreeMap<u32, u64>) -> Option<f64> {
    let total = |of: &BTreeMap<u32, u64>| Some(of.values().sum::<u64>() as f64).filter(|total| *total > 0.0);
    let (left_total, right_total) = (total(left)?, total(right)?);
    let share = |of: &BTreeMap<u32, u64>, id: &u32, total: f64| of.get(id).map_or(0.0, |count| *count as f64 / total);
    let term = |p: f64, q: f64| if p > 0.0 { 0.5 * p * (2.0 * p / (p + q)).log2() } else { 0.0 };
    let sum = union(left, right).into_iter().map(|id| {
        let (p, q) = (share(left, id, left_total), share(right, id, right_total));
        term(p, q) + term(q, p)
    });
    Some(sum.sum::<f64>().clamp(0.0, 1.0))
}

/// Jaccard index of the types of two languages, and how many types they have together.
pub(super) fn jaccard(left: &BTreeMap<u32, u64>, right: &BTreeMap<u32, u64>) -> (f64, usize) {
    let both = left.keys().filter(|id| right.contains_key(id)).count();
    let all = union(left, right).len();
    (both as f64 / all as f64, all)
}

fn union<'a>(left: &'a BTreeMap<u32, u64>, right: &'a BTreeMap<u32, u64>) -> BTreeSet<&'a u32> {
    left.keys().chain(right.keys()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{average_rank, jaccard, jensen_shannon, renyi_efficiency};

    fn near(got: Option<f64>, expected: f64) {
        assert!(got.is_some_and(|got| (got - expected).abs() < 1e-12), "{got:?}, expected {expected}");
    }

    #[test]
    fn efficiencies_of_tokenization_scorer() {
        // tokenization_scorer 1.1.8, score(text, metric="renyi", power=...). Its README prints the values of power 3 beside a call
        // with power 2.5; its own tests have those of 2.5.
        // "pick @@ed pick @@l @@ed pick @@les" and "pick @@e @@d pick @@l @@e @@d pick @@l @@e @@s".
        let (first, second) = ([3, 2, 1, 1], [3, 2, 3, 2, 1]);
        near(renyi_efficiency(&first, 3.0), 0.8031528501359657);
        near(renyi_efficiency(&second, 3.0), 0.9105681923824472);
        near(renyi_efficiency(&first, 2.5), 0.8265064834225245);
        near(renyi_efficiency(&second, 2.5), 0.9204840242168808);
        near(renyi_efficiency(&first, 1.0), 0.9211854965885544);
        near(renyi_efficiency(&second, 1.0), 0.9609557933859342);
    }

    #[test]
    fn toys() {
        let counts = [4, 2, 1, 1];
        assert!((renyi_efficiency(&counts, 3.0).unwrap() - 0.697637).abs() < 1e-6);
        assert_eq!(average_rank(&counts), Some(0.875));
        // scipy.spatial.distance.jensenshannon([.5, .5, 0, 0], [.25] * 4, base=2) ** 2
        near(jensen_shannon(&[(0, 1), (1, 1)].into(), &[(0, 2), (1, 2), (2, 2), (3, 2)].into()), 0.3112781244591328);
        assert_eq!(jaccard(&[(0, 1), (1, 1)].into(), &[(1, 5), (2, 5), (3, 5)].into()), (0.25, 4));
    }

    #[test]
    fn what_has_no_distribution_has_no_number() {
        assert_eq!(renyi_efficiency(&[5, 0], 2.5), None);
        assert_eq!(average_rank(&[]), None);
        assert_eq!(jensen_shannon(&BTreeMap::new(), &[(1, 1)].into()), None);
    }

    fn counts() -> impl Strategy<Value = BTreeMap<u32, u64>> {
        prop::collection::btree_map(0u32..12, 1u64..40, 1..10)
    }

    proptest! {
        #[test]
        fn divergence_is_symmetric_bounded_and_one_for_strangers(left in counts(), right in counts()) {
            let jsd = jensen_shannon(&left, &right).unwrap();
            prop_assert_eq!(Some(jsd), jensen_shannon(&right, &left));
            prop_assert!((0.0..=1.0).contains(&jsd));
            let moved: BTreeMap<u32, u64> = right.iter().map(|(id, count)| (id + 100, *count)).collect();
            prop_assert!((jensen_shannon(&left, &moved).unwrap() - 1.0).abs() < 1e-12);
            prop_assert_eq!(jaccard(&left, &moved).0, 0.0);
            prop_assert_eq!(jaccard(&left, &left).0, 1.0);
        }

        #[test]
        fn efficiency_falls_with_the_order_and_is_one_where_all_are_equal(counts in prop::collection::vec(1u64..50, 2..20)) {
            let of = |alpha| renyi_efficiency(&counts, alpha).unwrap();
            prop_assert!(of(0.5) >= of(1.0) - 1e-12 && of(1.0) >= of(2.5) - 1e-12 && of(2.5) >= of(3.0) - 1e-12);
            // Shannon's is the limit of both sides.
            prop_assert!((of(1.0 - 1e-6) - of(1.0)).abs() < 1e-4 && (of(1.0 + 1e-6) - of(1.0)).abs() < 1e-4);
            let even = vec![7; counts.len()];
            prop_assert!((renyi_efficiency(&even, 2.5).unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
