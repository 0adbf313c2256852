//! The planted direction of methods.md 9.4 (c), toy values, and what is refused.

use ndarray::{Array2, ArrayView2, array};
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Nearly a standard normal number: the sum of twelve uniform ones.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// 200 pairs of width 256 with shared content N(0, I): the sides differ by `a` along column 0, each has a nuisance of
/// deviation `b` along column 1, and both have noise of deviation .3.
fn planted(a: f64, b: f64, seed: u64) -> [Array2<f32>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sides = [Array2::zeros((200, 256)), Array2::zeros((200, 256))];
    for i in 0..200 {
        for j in 0..256 {
            let content = normal(&mut rng);
            for (side, sign) in sides.iter_mut().zip([0.5, -0.5]) {
                let own = match j {
                    0 => sign * a,
                    1 => b * normal(&mut rng),
                    _ => 0.0,
                };
                side[[i, j]] = (content + own + 0.3 * normal(&mut rng)) as f32;
            }
        }
    }
    sides
}

/// Absolute cosine with the planted direction, mean over five draws, and whether a note warned each time.
fn recovered(a: f64, b: f64, estimator: Estimator) -> (f64, bool) {
    let mut sum = 0.0;
    let mut warned = true;
    for seed in 0..5 {
        let [positive, negative] = planted(a, b, seed);
        let found = estimate(positive.view(), negative.view(), estimator, seed).unwrap();
        let length = found.vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        sum += f64::from(found.vector[0]).abs() / length / 5.0;
        warned &= found.notes.iter().any(|note| note.contains("take diff_mean"));
    }
    (sum, warned)
}

#[test]
fn the_planted_direction_is_found_by_means_and_missed_by_components() {
    use Estimator::{DiffMean, Lda, Logistic, Pca, PcaCenter, PcaDiff, PcaRandomOrder};
    // (a, b), then the range of each: difference of means, centred component, uncentred ones, logistic, lda.
    let rows = [
        ((1.0, 1.0), (0.85, 0.95), (0.0, 0.15), (0.0, 0.2), (0.6, 1.0), (0.3, 1.0)),
        ((1.0, 3.0), (0.80, 0.95), (0.0, 0.10), (0.0, 0.1), (0.6, 1.0), (0.3, 1.0)),
        ((2.0, 3.0), (0.93, 0.99), (0.0, 0.10), (0.0, 0.15), (0.8, 1.0), (0.3, 1.0)),
        // The second moments of direction and nuisance, 16 and 18, are close here.
        ((4.0, 3.0), (0.97, 1.00), (0.0, 0.10), (0.0, 0.8), (0.8, 1.0), (0.3, 1.0)),
    ];
    for ((a, b), means, centred, uncentred, logistic, lda) in rows {
        for (estimator, (low, high)) in [
            (DiffMean, means),
            (PcaDiff, centred),
            (Pca, uncentred),
            (PcaCenter, uncentred),
            (PcaRandomOrder, uncentred),
            (Logistic, logistic),
            (Lda, lda),
        ] {
            let (found, warned) = recovered(a, b, estimator);
            let name = estimator.name();
            assert!((low..=high).contains(&found), "{name} at a = {a}, b = {b}: {found:.3}, expected {low} to {high}");
            assert!(warned || !estimator.is_component() || a == 4.0, "{name} at a = {a}, b = {b}: no note");
        }
    }
}

#[test]
fn pca_and_pca_center_are_one_line() {
    let [positive, negative] = planted(2.0, 1.0, 9);
    let of = |estimator| estimate(positive.view(), negative.view(), estimator, 0).unwrap().vector;
    let (a, b) = (of(Estimator::Pca), of(Estimator::PcaCenter));
    let same =
        a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-6) || a.iter().zip(&b).all(|(x, y)| (x + y).abs() < 1e-6);
    assert!(same);
}

#[test]
fn toy_values() {
    // Differences (1, 0) and (3, 0): the mean is (2, 0). Uncentred they lie along column 0; two classes without intercept as well.
    let (positive, negative) = (array![[1f32, 5.], [3., 7.]], array![[0f32, 5.], [0., 7.]]);
    let of = |estimator| estimate(positive.view(), negative.view(), estimator, 0);
    assert_eq!(of(Estimator::DiffMean).unwrap().vector, [2.0, 0.0]);
    for estimator in [Estimator::Pca, Estimator::PcaDiff, Estimator::PcaCenter, Estimator::Logistic] {
        let found = of(estimator).unwrap();
        assert!((found.vector[0] - 1.0).abs() < 1e-6 && found.vector[1].abs() < 1e-6, "{estimator:?}: {found:?}");
        assert!((found.cos_diff_mean - 1.0).abs() < 1e-9);
    }
    // Covariances diag(1, 4) within the sides and a difference of (1, 4): S^-1 d is (1, 1).
    let side = array![[1f32, 0.], [-1., 0.], [0., 2.], [0., -2.]];
    let found = estimate((&side + &array![1f32, 4.]).view(), side.view(), Estimator::Lda, 0).unwrap();
    assert!(found.vector.iter().all(|x| (f64::from(*x) - 0.5f64.sqrt()).abs() < 1e-6), "{found:?}");
    assert!(found.notes.is_empty());
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let (two, three) = (array![[1f32, 2.], [3., 5.]], array![[1f32, 2.], [2., 2.], [0., 1.]]);
    let why = |p: ArrayView2<'_, f32>, n: ArrayView2<'_, f32>, e| estimate(p, n, e, 0).unwrap_err().to_string();
    assert!(why(two.view(), three.view(), Estimator::Pca).contains("2 positive and 3 negative"));
    assert!(estimate(two.view(), three.view(), Estimator::DiffMean, 0).is_ok());
    assert!(estimate(two.view(), three.view(), Estimator::Lda, 0).is_ok());
    assert!(why(two.view(), two.view(), Estimator::DiffMean).contains("the same mean"));
    assert!(why(two.view(), Array2::zeros((0, 2)).view(), Estimator::DiffMean).contains("0 negative"));
    assert!(
        why(two.view(), array![[1f32], [2.]].view(), Estimator::DiffMean).contains("2 columns, the negative ones 1")
    );
    assert!(why(array![[1f32, f32::NAN]].view(), two.view(), Estimator::DiffMean).contains("positive state 1"));
    let shifted = &two + 1.0;
    assert!(why(shifted.view(), two.view(), Estimator::PcaDiff).contains("do not vary"));
    assert!(why(array![[1f32, 2.]].view(), array![[0f32, 2.]].view(), Estimator::Lda).contains("vary within a side"));
}

proptest! {
    /// The direction of the reversed sides is the opposite one, and its cosine with the difference of means stays.
    #[test]
    fn reversed_sides_give_the_opposite(seed in 0u64..30, which in 0usize..Estimator::ALL.len()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut side = || Array2::from_shape_fn((6, 4), |(_, j)| (normal(&mut rng) + j as f64) as f32);
        let (p, n) = (side() + 0.5, side());
        let estimator = Estimator::ALL[which];
        let one = estimate(p.view(), n.view(), estimator, 3).unwrap();
        let other = estimate(n.view(), p.view(), estimator, 3).unwrap();
        // As many pairs in one order as in the other leave the sign to the largest entry, which is the same both ways.
        let lead: i32 = (0..6).map(|i| {
            let s: f64 = (0..4).map(|j| f64::from(p[[i, j]] - n[[i, j]]) * f64::from(one.vector[j])).sum();
            s.signum() as i32
        }).sum();
        prop_assume!(lead != 0);
        let worst = one.vector.iter().zip(&other.vector).map(|(a, b)| (a + b).abs()).fold(0.0, f32::max);
        prop_assert!(worst < 1e-4, "{estimator:?} {worst}");
        prop_assert!((one.cos_diff_mean - other.cos_diff_mean).abs() < 1e-4);
    }
}
