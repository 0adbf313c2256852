//! Vectors that should not do what the vector does, of its norm at every layer.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::SteeringVector;

/// A vector in random directions (independent standard normal numbers, so evenly over all directions) with the norms and the card of
/// `like`; `nth` of several of one seed.
///
/// ```
/// use babelscope_probes::steer::{Card, SteeringVector, random_vector};
/// let like = SteeringVector { card: Card::default(), layers: [(1, vec![3.0, 4.0])].into() };
/// let random = random_vector(&like, 7, 0);
/// assert!((random.norm(1).unwrap() - 5.0).abs() < 1e-5 && random != random_vector(&like, 7, 1));
/// ```
pub fn random_vector(like: &SteeringVector, seed: u64, nth: usize) -> SteeringVector {
    let mut random = like.clone();
    random.card.name = format!("random {} like {}", nth + 1, like.card.name);
    random.card.seed = seed;
    for (layer, numbers) in &mut random.layers {
        // One stream a layer, so that a layer's direction does not depend on which others are there.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(((nth as u64) << 32) | *layer as u64);
        numbers.iter_mut().for_each(|x| *x = normal(&mut rng));
    }
    as_long_as(random, like)
}

/// A vector with the norms of another at the layers that both have; other layers, and those where it is zero, are left out.
pub(super) fn as_long_as(mut vector: SteeringVector, like: &SteeringVector) -> SteeringVector {
    let lengths: Vec<(usize, f64, f64)> = (vector.layers.keys())
        .filter_map(|layer| Some((*layer, vector.norm(*layer)?, like.norm(*layer)?)))
        .filter(|(_, own, _)| *own > 0.0)
        .collect();
    vector.layers.retain(|layer, _| lengths.iter().any(|(known, _, _)| known == layer));
    for (layer, own, other) in lengths {
        if let Some(numbers) = vector.layers.get_mut(&layer) {
            numbers.iter_mut().for_each(|x| *x = (f64::from(*x) * other / own) as f32);
        }
    }
    vector
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steer::Card;

    fn like(layers: &[usize]) -> SteeringVector {
        let layers = layers.iter().map(|layer| (*layer, vec![*layer as f32; 64])).collect();
        SteeringVector { card: Card { name: "v".into(), ..Card::default() }, layers }
    }

    #[test]
    fn random_vectors_have_the_norm_and_no_direction_in_common() {
        let like = like(&[1, 2]);
        let cosine = |a: &SteeringVector, b: &SteeringVector, layer: usize| {
            let dot: f64 = a.layers[&layer].iter().zip(&b.layers[&layer]).map(|(a, b)| f64::from(a * b)).sum();
            dot / (a.norm(layer).unwrap() * b.norm(layer).unwrap())
        };
        for nth in 0..20 {
            let random = random_vector(&like, 3, nth);
            assert!((random.norm(2).unwrap() - 16.0).abs() < 1e-4);
            // Standard deviation 1/8 in 64 dimensions.
            assert!(cosine(&random, &like, 1).abs() < 0.6);
            assert!(cosine(&random, &random_vector(&like, 3, nth + 1), 1).abs() < 0.6);
        }
    }

    #[test]
    fn a_layer_is_the_same_whatever_others_there_are() {
        assert_eq!(random_vector(&like(&[1, 2]), 3, 0).layers[&2], random_vector(&like(&[2]), 3, 0).layers[&2]);
    }

    #[test]
    fn zero_stays_away() {
        let mut zero = like(&[1, 2]);
        zero.layers.insert(1, vec![0.0; 64]);
        assert_eq!(as_long_as(zero, &like(&[1, 2, 3])).layers.keys().copied().collect::<Vec<_>>(), [2]);
    }
}
