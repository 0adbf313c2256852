//! Sets of neurons to compare a language's set with: as many in every layer, chosen by something else.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Neurons of `own`, layer by layer, with the other neurons of the layer.
fn layers(own: &[usize], width: usize) -> impl Iterator<Item = (&[usize], Vec<usize>)> {
    own.chunk_by(move |a, b| a / width == b / width).map(move |own| {
        let first = own[0] / width * width;
        (own, (first..first + width).filter(|j| own.binary_search(j).is_err()).collect())
    })
}

/// As many neurons in every layer as `own` has there, none of them its own; `None` where a layer has too few others.
pub(super) fn random(own: &[usize], width: usize, rng: &mut ChaCha8Rng) -> Option<Vec<usize>> {
    let mut chosen = Vec::with_capacity(own.len());
    for (own, mut others) in layers(own, width) {
        if others.len() < own.len() {
            return None;
        }
        chosen.extend_from_slice(others.partial_shuffle(rng, own.len()).0);
    }
    chosen.sort_unstable();
    Some(chosen)
}

/// For each neuron of `own`, in their order, the other one of its layer whose frequency is nearest and that is not taken yet (the first
/// of equal ones), and the mean distance of the frequencies; `None` where a layer has too few others.
pub(super) fn matched(own: &[usize], width: usize, frequency: &[f64]) -> Option<(Vec<usize>, f64)> {
    let (mut chosen, mut distance) = (Vec::with_capacity(own.len()), 0.0);
    for (own, mut others) in layers(own, width) {
        for neuron in own {
            let far = |j: &usize| (frequency[*j] - frequency[*neuron]).abs();
            let nearest = (0..others.len()).min_by(|a, b| far(&others[*a]).total_cmp(&far(&others[*b])))?;
            distance += far(&others[nearest]);
            chosen.push(others.remove(nearest));
        }
    }
    chosen.sort_unstable();
    let n = own.len().max(1) as f64;
    Some((chosen, distance / n))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    /// Two layers of ten neurons.
    const OWN: [usize; 4] = [2, 3, 9, 15];

    #[test]
    fn random_sets_have_the_same_size_in_every_layer_and_share_no_neuron() {
        let mut counts = [0; 20];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..2000 {
            let set = random(&OWN, 10, &mut rng).unwrap();
            assert!(set.is_sorted_by(|a, b| a < b) && set.iter().filter(|j| **j < 10).count() == 3 && set.len() == 4);
            set.iter().for_each(|j| counts[*j] += 1);
        }
        assert!(OWN.iter().all(|j| counts[*j] == 0));
        // 3 of the 7 others, 1 of the 9 others; six standard deviations of the binomial.
        assert!((0..10).filter(|j| !OWN.contains(j)).all(|j| (counts[j] as f64 - 857.0).abs() < 133.0), "{counts:?}");
        assert!((10..20).filter(|j| !OWN.contains(j)).all(|j| (counts[j] as f64 - 222.0).abs() < 85.0), "{counts:?}");
    }

    #[test]
    fn matched_sets_are_the_nearest_in_the_layer() {
        let mut frequency: Vec<f64> = (0..20).map(|j| f64::from(j) / 100.0).collect();
        frequency[7] = 0.021;
        // 2 (.02) takes 7 (.021), 3 (.03) takes 4, 9 (.09) takes 8; 15 takes 14, the first of two as near.
        let (set, distance) = matched(&OWN, 10, &frequency).unwrap();
        assert_eq!(set, [4, 7, 8, 14]);
        assert!((distance - (0.001 + 0.01 + 0.01 + 0.01) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_layer_with_too_few_others_has_no_control() {
        let own: Vec<usize> = (0..6).collect();
        assert!(random(&own, 10, &mut ChaCha8Rng::seed_from_u64(1)).is_none());
        assert!(matched(&own, 10, &[0.5; 10]).is_none());
        assert_eq!(random(&[], 10, &mut ChaCha8Rng::seed_from_u64(1)), Some(Vec::new()));
    }
}
