//! The search against the plain definition, on data that is hard for it.

use ndarray::{Array2, Axis};
use proptest::prelude::*;

use super::{Found, Outcome, Right, Rows, Ties, Unit, search, tiled};
use crate::align::outcomes_of_similarities;

/// The slow twin: every cosine as the formula says, in f64 from the first column to the last, rounded to f32.
fn similarities(a: &Array2<f32>, b: &Array2<f32>, centred: bool) -> Array2<f32> {
    let prepared = |states: &Array2<f32>| {
        let wide = states.mapv(f64::from);
        let mean = states.fold_axis(Axis(0), 0f64, |sum, x| sum + f64::from(*x)) / states.nrows() as f64;
        let rows = if centred { &wide - &mean } else { wide.clone() };
        let norm = |row: ndarray::ArrayView1<'_, f64>| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale: Vec<f64> = (rows.outer_iter().zip(wide.outer_iter()))
            .map(|(row, whole)| (norm(row), norm(whole)))
            .map(|(left, whole)| if left > 1e-6 * whole && left > 0.0 { left.recip() } else { 0.0 })
            .collect();
        (rows, scale)
    };
    let ((a, a_scale), (b, b_scale)) = (prepared(a), prepared(b));
    Array2::from_shape_fn((a.nrows(), b.nrows()), |(i, j)| {
        let product: f64 = a.row(i).iter().zip(b.row(j)).map(|(x, y)| x * y).sum();
        (product * a_scale[i] * b_scale[j]) as f32
    })
}

/// Smallest j that beats sentence i, by the definition.
fn beaten(s: &Array2<f32>, ties: Ties) -> Vec<u32> {
    let n = s.nrows();
    let above = |c: f32, d: f32| if ties == Ties::Strict { c >= d } else { c > d };
    (0..n)
        .map(|i| {
            let first = (0..n).find(|&j| j != i && (above(s[[i, j]], s[[i, i]]) || above(s[[j, i]], s[[i, i]])));
            first.map_or(u32::MAX, |j| j as u32)
        })
        .collect()
}

/// Data that is hard to search: small whole numbers make ties, duplicates and zero vectors likely, an offset makes cones narrow, a
/// dimension of its own size makes norms unequal, and tiny or huge rows make them wild.
fn states(n: usize, width: usize) -> impl Strategy<Value = Array2<f32>> {
    let coarse = prop::collection::vec((-2i8..=2).prop_map(f32::from), n * width);
    let fine = prop::collection::vec(-1f32..1.0, n * width);
    let offset = prop_oneof![Just(0f32), Just(3.0), Just(1000.0), Just(1e6)];
    let scale = prop_oneof![Just(1f32), Just(1e-30), Just(1e-42), Just(1e25)];
    let rows = prop::collection::vec(prop_oneof![6 => Just(1f32), 1 => Just(1e-4), 1 => Just(300.0)], n);
    let twins = prop::collection::vec((0..n, 0..n), 0..4);
    (prop_oneof![coarse, fine], offset, scale, rows, any::<bool>(), twins).prop_map(
        move |(v, offset, scale, rows, uneven, twins)| {
            let mut states = Array2::from_shape_vec((n, width), v).unwrap() + offset;
            if uneven {
                states.column_mut(0).mapv_inplace(|x| x * 50.0);
                states.outer_iter_mut().zip(rows).for_each(|(mut row, by)| row.mapv_inplace(|x| x * by));
            }
            for (from, to) in twins {
                let row = states.row(from).to_owned();
                states.row_mut(to).assign(&row);
            }
            states.mapv(|x| x * scale)
        },
    )
}

fn pairs() -> impl Strategy<Value = (Array2<f32>, Array2<f32>)> {
    (2usize..40, 1usize..40).prop_flat_map(|(n, d)| {
        let related = (states(n, d), prop::collection::vec(-0.3f32..0.3, n * d)).prop_map(move |(a, noise)| {
            let b = &a + &Array2::from_shape_vec((n, d), noise).unwrap() * a[[0, 0]];
            (a, b)
        });
        prop_oneof![(states(n, d), states(n, d)), related]
    })
}

fn check(found: &Found, s: &Array2<f32>, ties: Ties) -> std::result::Result<(), TestCaseError> {
    let expected: Vec<Outcome> = outcomes_of_similarities(s.view()).unwrap();
    prop_assert_eq!(&found.outcomes, &expected);
    prop_assert_eq!(&found.beaten, &beaten(s, ties));
    for (i, (outcome, alone)) in expected.iter().zip(&found.alone).enumerate() {
        let others =
            |of: &dyn Fn(usize) -> f32, best: f32| (0..s.nrows()).filter(|j| *j != i && of(*j) == best).count() == 1;
        prop_assert_eq!(alone[0], others(&|j| s[[i, j]], outcome.rival_cosine));
        prop_assert_eq!(alone[1], others(&|j| s[[j, i]], outcome.rival_back_cosine));
    }
    if ties != Ties::Strict {
        // Whatever is the largest of its row or column was seen, with its value.
        for ((i, j), c) in s.indexed_iter().filter(|((i, j), _)| i != j) {
            if *c == expected[i].rival_cosine || *c == expected[j].rival_back_cosine {
                prop_assert!(found.seen.contains(&(i as u32, j as u32, *c)));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_search_agrees_with_the_plain_definition((a, b) in pairs(), ties in prop_oneof![Just(Ties::Strict), Just(Ties::Counted), Just(Ties::Shared)]) {
        let (pivot, language) = (Unit::new(a.view().into()), Unit::new(b.view().into()));
        let found = search(&pivot, &language, &[false, true], ties);
        for (found, centred) in found.iter().zip([false, true]) {
            check(found, &similarities(&a, &b, centred), ties)?;
        }
    }

    #[test]
    fn so_does_every_kind_of_product_and_tile((a, b) in pairs(), height in 1usize..4, fast in any::<bool>(), raw_rows in any::<bool>()) {
        let (pivot, language) = (Unit::new(a.view().into()), Unit::new(b.view().into()));
        let rows = if raw_rows { Rows::Raw } else { Rows::Centred };
        let right = Right::with(&language.whole(!raw_rows).short, fast);
        // Centred cosines are never sought among raw products.
        let centred = if raw_rows { vec![false] } else { vec![true, false] };
        if !raw_rows && (super::wild(&pivot) || super::wild(&language)) {
            return Ok(());
        }
        let found = tiled(&pivot, &language, &centred, Ties::Strict, (rows, &right, height));
        for (found, centred) in found.iter().zip(centred) {
            check(found, &similarities(&a, &b, centred), Ties::Strict)?;
        }
    }

    #[test]
    fn a_cosine_is_the_sum_in_its_order((a, b) in pairs(), centred in any::<bool>()) {
        let (pivot, language) = (Unit::new(a.view().into()), Unit::new(b.view().into()));
        for ((i, j), expected) in similarities(&a, &b, centred).indexed_iter() {
            prop_assert_eq!(pivot.cosine(centred, i, &language, j), *expected);
        }
    }
}

#[test]
fn a_state_without_direction_never_counts() {
    let a = ndarray::array![[0f32, 0.], [1., 0.], [0., 1.]];
    let b = ndarray::array![[1f32, 1.], [-1., 0.5], [0., 1.]];
    let found = search(&Unit::new(a.view().into()), &Unit::new(b.view().into()), &[false], Ties::Strict);
    assert!(!found[0].outcomes[0].hit());
    // All equal: nothing but rounding is left after centring, and rounding must not be measured.
    let same = Array2::from_elem((7, 33), 0.1f32);
    let unit = Unit::new(same.view().into());
    assert_eq!((unit.centred.without_direction(), unit.shared), (7, 7));
    let found = search(&unit, &unit, &[true], Ties::Strict);
    assert!(found[0].outcomes.iter().all(|o| !o.found_from_pivot() && !o.found_to_pivot()));
}

#[test]
fn a_narrow_cone_of_many_sentences_is_searched() {
    // The width at which whole numbers have few bits for each column, several tiles, and raw cosines that differ in the seventh digit.
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let offset: Vec<f32> = (0..300).map(|_| 40.0 * noise()).collect();
    let a = Array2::from_shape_fn((150, 300), |(_, k)| noise() + offset[k]);
    let b = Array2::from_shape_fn((150, 300), |(i, k)| 0.3 * a[[i, k]] + noise() + 2.0 * offset[299 - k]);
    let (pivot, language) = (Unit::new(a.view().into()), Unit::new(b.view().into()));
    let found = search(&pivot, &language, &[true, false], Ties::Strict);
    for (found, centred) in found.iter().zip([true, false]) {
        check(found, &similarities(&a, &b, centred), Ties::Strict).unwrap();
    }
}
