//! Which neurons are specific to a language: the rule alone, on probabilities at hand.

use crate::{Error, Result};

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Share of the neurons that is chosen.
    pub top_rate: f64,
    /// Share of all probabilities that lies at or below the bar.
    pub bar: f64,
    /// Neurons in a layer, where the share is chosen in each; `None` chooses over the whole network.
    pub per_layer: Option<usize>,
}

/// What [`lape`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Lape {
    /// Entropy of each neuron's activity over the languages in nats, 0 to ln(languages). `[neurons]`
    pub entropy: Vec<f64>,
    /// Whether some language is above the bar; the score of the others is infinite. `[neurons]`
    pub above: Vec<bool>,
    /// The bar: a probability.
    pub bar: f64,
    /// The chosen neurons, ascending.
    pub selected: Vec<usize>,
    /// Those of each language, ascending. A neuron may belong to several.
    pub of_language: Vec<Vec<usize>>,
}

/// Language Activation Probability Entropy (Tang et al. 2024, arXiv 2402.16438; `identify.py` of their repository).
///
/// With `P` the probability that neuron j is active in language k and `Q = P / sum_k P`: `LAPE_j = -sum_k Q ln Q` (0 ln 0 = 0; 0 for
/// a neuron that is never active). The bar is the value at rank `round(bar * size)` of all P. A neuron without a language above
/// it has LAPE = infinity. Chosen are the `round(top_rate * neurons)` smallest, and each belongs to every language whose P is above the
/// bar. `round` takes halves to the even number, as Python does.
///
/// Of equal LAPEs the lower index comes first, where the original leaves the order to torch's `topk`; and a neuron of infinite LAPE is
/// never chosen, where the original fills up with some that belong to nobody.
///
/// # Shapes
/// `probabilities` `[languages][neurons]`, the neurons of all layers one behind the other.
///
/// # Errors
/// Fewer than 2 languages, languages of unequal length, numbers that are no probability, a rule that chooses none or whose bar has
/// rank 0, layers that do not divide the neurons.
///
/// ```
/// use babelscope_probes::neurons::{Rule, lape};
/// let rule = Rule { top_rate: 0.5, bar: 0.5, per_layer: None };
/// let found = lape(&[vec![0.9, 0.5, 0.02, 0.0], vec![0.1, 0.5, 0.01, 0.8], vec![0.1, 0.5, 0.0, 0.01]], &rule)?;
/// let expected = [0.600166, 1.098612, 0.636514, 0.066522];
/// assert!(found.entropy.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6));
/// assert_eq!((found.bar, found.selected), (0.1, vec![0, 3]));
/// assert_eq!(found.of_language, [vec![0], vec![3], vec![]]);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn lape(probabilities: &[Vec<f64>], rule: &Rule) -> Result<Lape> {
    let refuse = |why: String| Err(Error::Input { measure: "neurons", why });
    let neurons = probabilities.first().map_or(0, Vec::len);
    if probabilities.len() < 2 || neurons == 0 {
        return refuse(format!("{} languages of {neurons} neurons; at least 2 and 1 are needed", probabilities.len()));
    }
    if let Some(other) = probabilities.iter().find(|p| p.len() != neurons) {
        return refuse(format!("one language has {neurons} neurons and another {}", other.len()));
    }
    let odd = probabilities.iter().flatten().find(|p| !(0.0..=1.0).contains(*p));
    if let Some(p) = odd {
        return refuse(format!("an activation probability is {p}, expected 0 to 1"));
    }
    let layer = rule.per_layer.unwrap_or(neurons);
    if layer == 0 || !neurons.is_multiple_of(layer) {
        return refuse(format!("{neurons} neurons cannot be layers of {layer}"));
    }
    let wanted = (rule.top_rate * layer as f64).round_ties_even() as usize;
    if wanted == 0 || wanted > layer {
        return refuse(format!(
            "the top rate {} of {layer} neurons is {wanted}; take one that chooses 1 to {layer}",
            rule.top_rate
        ));
    }
    let bar = kth_smallest(probabilities, rule.bar)?;
    let column = |j: usize| probabilities.iter().map(move |p| p[j]);
    let entropy: Vec<f64> = (0..neurons).map(|j| entropy(column(j))).collect();
    let above: Vec<bool> = (0..neurons).map(|j| column(j).any(|p| p > bar)).collect();
    let mut selected = Vec::new();
    for first in (0..neurons).step_by(layer) {
        let mut own: Vec<usize> = (first..first + layer).filter(|j| above[*j]).collect();
        // Stable: of equal ones the lower index stays first.
        own.sort_by(|a, b| entropy[*a].total_cmp(&entropy[*b]));
        own.truncate(wanted);
        selected.extend(own);
    }
    selected.sort_unstable();
    let of = |p: &Vec<f64>| selected.iter().copied().filter(|j| p[*j] > bar).collect();
    let of_language = probabilities.iter().map(of).collect();
    Ok(Lape { entropy, above, bar, selected, of_language })
}

/// The value at rank `round(share * size)` of all numbers, the smallest at rank 1.
fn kth_smallest(probabilities: &[Vec<f64>], share: f64) -> Result<f64> {
    let mut all: Vec<f64> = probabilities.iter().flatten().copied().collect();
    let rank = (share * all.len() as f64).round_ties_even() as usize;
    if rank == 0 || rank > all.len() {
        let why = format!("the bar {share} is rank {rank} of {} probabilities; take .95, between 0 and 1", all.len());
        return Err(Error::Input { measure: "neurons", why });
    }
    Ok(*all.select_nth_unstable_by(rank - 1, f64::total_cmp).1)
}

/// In nats, of numbers that add up to anything.
fn entropy(p: impl Iterator<Item = f64> + Clone) -> f64 {
    let total: f64 = p.clone().sum();
    if total == 0.0 {
        return 0.0;
    }
    // + 0.0 turns the -0 of a single language into 0.
    -p.map(|p| p / total).filter(|q| *q > 0.0).map(|q| q * q.ln()).sum::<f64>() + 0.0
}

/// Share of the neurons of either set that are in both, and what two sets of these sizes share by chance among `neurons`; `None`
/// where both are empty. Both ascending.
///
/// ```
/// use babelscope_probes::neurons::jaccard;
/// let (value, chance) = jaccard(&[1, 2, 3], &[2, 3, 4], 9).unwrap();
/// assert_eq!((value, chance), (0.5, 0.2));
/// ```
pub fn jaccard(one: &[usize], other: &[usize], neurons: usize) -> Option<(f64, f64)> {
    let both = one.iter().filter(|j| other.binary_search(j).is_ok()).count() as f64;
    let sizes = (one.len() + other.len()) as f64;
    let expected = one.len() as f64 * other.len() as f64 / neurons as f64;
    (sizes > 0.0).then(|| (both / (sizes - both), expected / (sizes - expected)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const RULE: Rule = Rule { top_rate: 0.01, bar: 0.95, per_layer: None };

    /// Counts of the released neuron lists (methods.md 4.2): distinct neurons are round(1 % of all), sets overlap.
    #[test]
    fn golden_counts_are_one_percent_of_all_neurons() {
        for (layers, width, distinct, counts) in [
            (32, 11008, 3523, vec![95, 583, 1022, 838, 836, 1068, 582]),
            (40, 13824, 5530, vec![161, 1168, 1583, 1255, 1252, 1384, 1435]),
            (80, 28672, 22938, vec![731, 5366, 6482, 5873, 5515, 6522]),
            (30, 16384, 4915, vec![445, 653, 680, 918, 551, 2823]),
            (32, 16384, 5243, vec![347, 833, 1571, 1517, 752, 1129]),
            (32, 14336, 4588, vec![76, 1190, 919, 838, 1554, 1445]),
            (32, 10240, 3277, vec![52, 196, 1032, 1119, 511, 764]),
        ] {
            assert_eq!((RULE.top_rate * f64::from(layers * width)).round_ties_even() as usize, distinct);
            // Every chosen neuron has a language above the bar, so the sets cannot be smaller together.
            assert!(counts.iter().sum::<usize>() >= distinct);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let p: Vec<Vec<f64>> = (0..6).map(|_| (0..10_240).map(|_| rng.random::<f64>()).collect()).collect();
        let found = lape(&p, &RULE).unwrap();
        assert_eq!(found.selected.len(), 102);
        assert!(found.of_language.iter().map(Vec::len).sum::<usize>() >= 102);
        let per_layer = lape(&p, &Rule { per_layer: Some(1024), ..RULE }).unwrap();
        assert_eq!(per_layer.selected.len(), 100);
        assert!((0..10).all(|l| per_layer.selected.iter().filter(|j| **j / 1024 == l).count() == 10));
    }

    /// methods.md 9.4 d: 200 of 5,000 neurons are active at a rate r in one of four languages and at .05 elsewhere, the others at a
    /// rate of Beta(1, 9) in all; 20,000 tokens.
    fn planted_recall(rate: f64, seed: u64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut p = vec![vec![0.0; 5000]; 4];
        for j in 0..5000 {
            let common = 1.0 - (1.0 - rng.random::<f64>()).powf(1.0 / 9.0);
            for (k, p) in p.iter_mut().enumerate() {
                let rate = if j >= 200 {
                    common
                } else if j % 4 == k {
                    rate
                } else {
                    0.05
                };
                // The binomial of so many tokens is a normal distribution: the sum of twelve uniform numbers is close enough.
                let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                let noisy = rate + normal * (rate * (1.0 - rate) / 20_000.0).sqrt();
                p[j] = (noisy.clamp(0.0, 1.0) * 20_000.0).round() / 20_000.0;
            }
        }
        let found = lape(&p, &Rule { top_rate: 0.04, ..RULE }).unwrap();
        let own = |k: usize| found.of_language[k].iter().filter(|j| **j < 200 && **j % 4 == k).count();
        (0..4).map(own).sum::<usize>() as f64 / 200.0
    }

    #[test]
    fn planted_neurons_are_found_down_to_the_cliff_of_the_bar() {
        let mean = |rate| (0..5).map(|seed| planted_recall(rate, seed)).sum::<f64>() / 5.0;
        for rate in [0.60, 0.40, 0.35] {
            assert_eq!(mean(rate), 1.0, "{rate}");
        }
        let cliff = mean(0.30);
        assert!((0.6..0.95).contains(&cliff), "{cliff}");
        for rate in [0.25, 0.20] {
            assert_eq!(mean(rate), 0.0, "{rate}");
        }
    }

    #[test]
    fn of_equal_neurons_the_first_is_chosen() {
        // Three neurons of one language each, all of entropy 0; two are chosen.
        let p = [vec![0.9, 0.0, 0.9, 0.0], vec![0.0, 0.9, 0.0, 0.0]];
        let found = lape(&p, &Rule { top_rate: 0.5, bar: 0.6, per_layer: None }).unwrap();
        assert_eq!((found.bar, found.selected), (0.0, vec![0, 1]));
        assert_eq!(found.of_language, [vec![0], vec![1]]);
    }

    #[test]
    fn silent_neurons_have_entropy_zero_and_are_never_chosen() {
        let p = [vec![0.0, 0.4, 0.8, 0.5], vec![0.0, 0.4, 0.1, 0.5]];
        let found = lape(&p, &Rule { top_rate: 1.0, bar: 0.5, per_layer: None }).unwrap();
        assert_eq!((found.entropy[0], found.above[0]), (0.0, false));
        assert_eq!(found.selected, [2, 3]);
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let good = [vec![0.1, 0.2], vec![0.3, 0.4]];
        let why = |p: &[Vec<f64>], rule: &Rule| lape(p, rule).unwrap_err().to_string();
        let all = Rule { top_rate: 1.0, ..RULE };
        assert!(why(&good[..1], &all).contains("1 languages"));
        assert!(why(&[vec![0.1], vec![0.1, 0.2]], &all).contains("another 2"));
        assert!(why(&[vec![0.1, 1.5], vec![0.1, 0.2]], &all).contains("is 1.5"));
        assert!(why(&[vec![0.1, f64::NAN], vec![0.1, 0.2]], &all).contains("is NaN"));
        assert!(why(&good, &RULE).contains("of 2 neurons is 0"));
        assert!(why(&good, &Rule { bar: 0.0, ..all }).contains("rank 0"));
        assert!(why(&good, &Rule { per_layer: Some(3), ..all }).contains("layers of 3"));
    }

    proptest! {
        /// The rule a second time, each step as methods.md 4.2 puts it.
        #[test]
        fn equals_the_slow_rule(p in prop::collection::vec(prop::collection::vec(0u8..6, 12), 3), top in 1usize..12, rank in 1usize..36) {
            let p: Vec<Vec<f64>> = p.iter().map(|p| p.iter().map(|x| f64::from(*x) / 5.0).collect()).collect();
            let found = lape(&p, &Rule { top_rate: top as f64 / 12.0, bar: rank as f64 / 36.0, per_layer: None }).unwrap();
            let mut all = p.concat();
            all.sort_by(f64::total_cmp);
            prop_assert_eq!(found.bar, all[rank - 1]);
            let mut scored: Vec<(f64, usize)> = Vec::new();
            for j in 0..12 {
                let total: f64 = p.iter().map(|p| p[j]).sum();
                let mut score = 0.0;
                for p in &p {
                    let q = if total > 0.0 { p[j] / total } else { 0.0 };
                    score -= if q > 0.0 { q * q.ln() } else { 0.0 };
                }
                prop_assert!((score - found.entropy[j]).abs() < 1e-12 && (0.0..=3f64.ln() + 1e-12).contains(&found.entropy[j]));
                scored.push((if p.iter().any(|p| p[j] > found.bar) { found.entropy[j] } else { f64::INFINITY }, j));
            }
            scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut chosen: Vec<usize> = scored.iter().take(top).filter(|s| s.0.is_finite()).map(|s| s.1).collect();
            chosen.sort_unstable();
            prop_assert_eq!(&found.selected, &chosen);
            for (p, own) in p.iter().zip(&found.of_language) {
                let want: Vec<usize> = chosen.iter().copied().filter(|j| p[*j] > found.bar).collect();
                prop_assert_eq!(own, &want);
            }
        }
    }
}
