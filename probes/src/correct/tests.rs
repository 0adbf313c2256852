use ndarray::{Array2, CowArray, Ix2, array, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Corrector, Options};
use crate::{
    Result,
    align::{Centring, LanguageStates},
    source::StateSource,
};

/// A source without the checks of [`LanguageStates`].
struct Loose {
    languages: Vec<String>,
    states: Vec<Array2<f32>>,
}

impl StateSource for Loose {
    fn languages(&self) -> &[String] {
        &self.languages
    }
    fn layers(&self) -> &[usize] {
        &[7]
    }
    fn sentences(&self) -> usize {
        self.states[0].nrows()
    }
    fn state(&self, language: usize, _layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.states[language].view().into())
    }
}

fn source(states: Vec<Array2<f32>>) -> Loose {
    Loose { languages: (0..states.len()).map(|k| format!("l{k}_Latn")).collect(), states }
}

/// Nearly Gaussian numbers of mean 0 and variance 1.
fn noise(n: usize, width: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, width), || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0)
}

/// Shared meanings, noise of each language, and a constant vector of each: methods.md 9.4 (a).
fn offsets(k: usize, n: usize, width: usize, size: f32) -> Loose {
    let shared = noise(n, width, 1);
    let states = (0..k as u64).map(|l| &shared + &noise(n, width, 10 + l) + &(noise(1, width, 90 + l) * size));
    source(states.collect())
}

fn corrected(source: &Loose, centring: Centring, options: &Options) -> Loose {
    let corrector = Corrector::fit(source, 0, centring, options).unwrap();
    let states = source.states.iter().enumerate().map(|(l, s)| corrector.apply(l, s.view())).collect();
    Loose { languages: source.languages.clone(), states }
}

fn means(source: &Loose) -> Vec<Vec<f64>> {
    source.states.iter().map(|s| super::mean(s.view()).to_vec()).collect()
}

fn largest(of: impl IntoIterator<Item = f64>) -> f64 {
    of.into_iter().fold(0.0, |a, b| a.max(b.abs()))
}

fn close(a: &Loose, b: &Loose, by: f32) -> bool {
    a.states.iter().zip(&b.states).all(|(a, b)| a.iter().zip(b).all(|(x, y)| (x - y).abs() < by))
}

#[test]
fn raw_is_untouched_and_means_are_gone_where_they_should_be() {
    let all = offsets(4, 50, 20, 8.0);
    let options = Options::default();
    assert!(all.states == corrected(&all, Centring::Raw, &options).states);
    for centring in [Centring::Language, Centring::Top, Centring::Whitened] {
        assert!(largest(means(&corrected(&all, centring, &options)).concat()) < 1e-5, "{centring:?}");
    }
    let global = means(&corrected(&all, Centring::Global, &options));
    assert!((0..20).all(|j| global.iter().map(|m| m[j]).sum::<f64>().abs() < 1e-5) && largest(global.concat()) > 1.0);
}

#[test]
fn removing_the_whole_subspace_makes_all_means_equal() {
    let all = offsets(5, 40, 16, 20.0);
    let left = means(&corrected(&all, Centring::Subspace, &Options::default()));
    assert!(largest(left.concat()) < 1e-5, "{left:?}");
    // With fewer dimensions the largest differences are gone and some are left.
    let spread =
        |rank| largest(means(&corrected(&all, Centring::Subspace, &Options { rank, ..Options::default() })).concat());
    assert!(spread(1) > spread(3) && spread(3) > 1e-3);
    // Only 4 of 16 dimensions are gone, so a state keeps most of its length.
    let left = corrected(&all, Centring::Subspace, &Options::default());
    let length = |s: &Array2<f32>| s.iter().map(|x| f64::from(x * x)).sum::<f64>();
    let centred = corrected(&all, Centring::Language, &Options::default());
    let share = length(&left.states[0]) / length(&centred.states[0]);
    assert!((0.65..0.85).contains(&share), "{share}");
}

#[test]
fn whitened_states_have_the_unit_covariance() {
    // Dimensions mixed into one another; n is far above the width.
    let mix = noise(6, 6, 5);
    let all = source((0..3).map(|l| noise(4000, 6, l).dot(&mix) + 5.0 * l as f32).collect());
    let white = corrected(&all, Centring::Whitened, &Options::default());
    let scatter = |s: &Array2<f32>| s.mapv(f64::from).t().dot(&s.mapv(f64::from));
    let covariance: Array2<f64> = white.states.iter().map(scatter).fold(Array2::zeros((6, 6)), |a, b| a + b) / 12000.0;
    assert!(
        covariance.indexed_iter().all(|((i, j), c): (_, &f64)| (*c - f64::from(u8::from(i == j))).abs() < 0.12),
        "{covariance}"
    );
}

#[test]
fn whitening_equals_that_with_the_shrunk_covariance_of_scikit_learn() {
    // sklearn 1.9.1, LedoitWolf(assume_centered=True) on both languages, each around its mean; numpy's eigh for the root.
    let a = array![[20f32, 0., 1.], [-10., 3., 0.], [0., -2., 4.], [30., 1., -3.]];
    let b = array![[7f32, 2., 2.], [5., -1., 1.], [-33., 1., -2.], [9., 0., 3.]];
    let white = corrected(&source(vec![a, b]), Centring::Whitened, &Options::default());
    let expected =
        [[0.642483, -0.0819222, 0.0809002], [-1.2820618, 0.5030554, -0.0455379], [0.6467264, 0.3692687, 0.2004338]];
    for (row, expected) in [white.states[0].row(0), white.states[0].row(1), white.states[1].row(0)].iter().zip(expected)
    {
        assert!(row.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{row} {expected:?}");
    }
}

#[test]
fn the_top_component_is_the_planted_cone() {
    // All states lie in a cone around the first axis and vary along the second far more than elsewhere.
    let cone = |seed| {
        let mut state = noise(60, 30, seed);
        state.column_mut(0).mapv_inplace(|x| x + 50.0);
        state.column_mut(1).mapv_inplace(|x| x * 40.0);
        state
    };
    // Once with more sentences than dimensions, once with fewer: the two ways to the components.
    for n in [60, 20] {
        let all = source((0..3).map(|l| cone(l).slice(s![..n, ..]).to_owned()).collect());
        let left = corrected(&all, Centring::Top, &Options { top: 1, ..Options::default() });
        for state in &left.states {
            let norm = |j: usize| state.column(j).iter().map(|x| x * x).sum::<f32>().sqrt() / (n as f32).sqrt();
            assert!(norm(1) < 0.15 && norm(0) < 1.5 && norm(7) > 0.6, "{n}: {} {} {}", norm(0), norm(1), norm(7));
        }
    }
}

#[test]
fn scales_are_those_of_all_languages_together_and_a_still_dimension_stays_zero() {
    let mut all = offsets(3, 30, 5, 4.0);
    all.states.iter_mut().for_each(|s| s.column_mut(2).fill(0.1));
    let left = corrected(&all, Centring::Standardised, &Options::default());
    for j in 0..5 {
        let column: Vec<f64> = left.states.iter().flat_map(|s| s.column(j).to_vec()).map(f64::from).collect();
        let variance = column.iter().map(|x| x * x).sum::<f64>() / 90.0;
        let expected = if j == 2 { 0.0 } else { 1.0 };
        assert!((variance - expected).abs() < 1e-4 && column.iter().sum::<f64>().abs() < 1e-4, "{j}: {variance}");
    }
}

#[test]
fn a_second_time_changes_nothing_where_nothing_is_left_to_remove() {
    let all = offsets(4, 40, 12, 6.0);
    for centring in [Centring::Raw, Centring::Language, Centring::Global, Centring::Subspace, Centring::Standardised] {
        let once = corrected(&all, centring, &Options::default());
        assert!(close(&once, &corrected(&once, centring, &Options::default()), 1e-4), "{centring:?}");
    }
    // All-but-the-top finds a new top each time.
    let once = corrected(&all, Centring::Top, &Options::default());
    assert!(!close(&once, &corrected(&once, Centring::Top, &Options::default()), 0.1));
}

#[test]
fn a_state_equal_to_the_mean_is_zero_and_not_rounding() {
    let all = source((0..3).map(|l| Array2::from_elem((5, 8), 0.1 + l as f32)).collect());
    for centring in [Centring::Language, Centring::Top, Centring::Subspace] {
        let left = corrected(&all, centring, &Options { top: 1, rank: 1 });
        assert!(left.states.iter().flatten().all(|x| *x == 0.0), "{centring:?}");
    }
}

#[test]
fn what_cannot_be_learned_is_refused_with_a_sentence() {
    let why = |source: &Loose, centring, options: Options| {
        Corrector::fit(source, 0, centring, &options).unwrap_err().to_string()
    };
    let default = Options::default;
    let (all, one) = (offsets(3, 10, 6, 1.0), offsets(1, 10, 6, 1.0));
    assert!(why(&one, Centring::Subspace, default()).contains("at least 2 languages, got 1"));
    assert!(why(&all, Centring::Top, Options { top: 6, rank: 0 }).contains("set `top` below 6"));
    assert!(why(&offsets(3, 5, 60, 1.0), Centring::Top, Options { top: 4, rank: 0 }).contains("at most 4 directions"));
    assert!(why(&all, Centring::Subspace, Options { top: 0, rank: 3 }).contains("at most 2 dimensions"));
    assert!(why(&offsets(3, 10, 2, 1.0), Centring::Subspace, default()).contains("set `rank` below 2"));
    for centring in [Centring::Top, Centring::Subspace, Centring::Standardised, Centring::Whitened] {
        assert!(why(&offsets(3, 3, 6, 1.0), centring, default()).contains("at least 4 sentences, got 3"));
    }
    let still = source((0..3).map(|l| Array2::from_elem((9, 6), l as f32)).collect());
    assert!(why(&still, Centring::Whitened, default()).contains("no language varies at layer 7"));
    let mut broken = offsets(3, 10, 6, 1.0);
    broken.states[1][[4, 2]] = f32::NAN;
    assert!(why(&broken, Centring::Language, default()).contains("sentence 5 of l1_Latn at layer 7 is not finite"));
    let mut uneven = offsets(3, 10, 6, 1.0);
    uneven.states[2] = noise(9, 6, 0);
    assert!(why(&uneven, Centring::Global, default()).contains("l2_Latn at layer 7 have the shape (9, 6)"));
}

#[test]
fn the_same_source_gives_the_same_bits_from_memory_of_any_kind() {
    let all = offsets(3, 20, 9, 2.0);
    let held =
        LanguageStates::new(all.languages.clone(), vec![7], all.states.iter().map(|s| vec![s.clone()]).collect())
            .unwrap();
    for centring in Centring::ALL {
        let (a, b) = (
            Corrector::fit(&all, 0, centring, &Options::default()),
            Corrector::fit(&held, 0, centring, &Options::default()),
        );
        assert!(a.unwrap().apply(1, all.states[1].view()) == b.unwrap().apply(1, all.states[1].view()), "{centring:?}");
    }
}
