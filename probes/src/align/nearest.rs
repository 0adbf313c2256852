//! Outcomes for states or similarities that are at hand.

use ndarray::ArrayView2;

use super::{
    Centring, LanguageStates, Outcome, Ties,
    search::{Best, search},
    unit::Unit,
};
use crate::{
    Error, Result,
    correct::{Corrector, Options},
};

/// The outcomes of one pair of languages at one layer: what [`super::align`] computes for a cell, for arrays at hand.
///
/// # Shapes
/// Both `[n, width]`.
///
/// # Errors
/// As [`super::LanguageStates::new`]; a correction that cannot be learned from these two languages.
///
/// ```
/// use babelscope_probes::align::{Centring, pair_outcomes};
/// use ndarray::array;
/// let p = array![[1f32, 0.], [0., 1.]];
/// let far = &p + &array![9f32, 0.]; // the same, moved by a constant: both are closest to the first
/// let hits = |c| pair_outcomes(p.view(), far.view(), c).map(|o| o.iter().filter(|o| o.hit()).count());
/// assert_eq!(hits(Centring::Language)?, 2);
/// assert_eq!(hits(Centring::Raw)?, 1);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn pair_outcomes(
    pivot: ArrayView2<'_, f32>,
    language: ArrayView2<'_, f32>,
    centring: Centring,
) -> Result<Vec<Outcome>> {
    let states = LanguageStates::new(
        vec!["pivot".into(), "language".into()],
        vec![0],
        vec![vec![pivot.to_owned()], vec![language.to_owned()]],
    )?;
    let (pivot, language) = if centring.is_plain() {
        (Unit::new(states.at(0, 0).into()), Unit::new(states.at(1, 0).into()))
    } else {
        let corrector = Corrector::fit(&states, 0, centring, &Options::default())?;
        let corrected = |at: usize| Unit::new(corrector.apply(at, states.at(at, 0)).into());
        (corrected(0), corrected(1))
    };
    let found = search(&pivot, &language, &[centring == Centring::Language], Ties::Strict);
    Ok(found.into_iter().flat_map(|found| found.outcomes).collect())
}

/// The outcomes for similarities that are already there: `S[i, j]` of pivot sentence i and sentence j of the language.
///
/// # Shapes
/// `[n, n]`, n >= 2.
///
/// # Errors
/// Not square, a single sentence, or a value that is not finite (the original's answer then depends on the order of the entries).
///
/// ```
/// use babelscope_probes::align::outcomes_of_similarities;
/// use ndarray::array;
/// let tied = outcomes_of_similarities(array![[1f32, 1., 0.], [0., 0.5, 0.2], [0.1, 0.2, 0.9]].view())?;
/// // Row 1 has a tie, and so has column 2.
/// assert_eq!(tied.iter().map(|o| o.hit()).collect::<Vec<_>>(), [false, false, true]);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn outcomes_of_similarities(similarities: ArrayView2<'_, f32>) -> Result<Vec<Outcome>> {
    let (n, columns) = similarities.dim();
    let refuse = |why| Err(Error::Input { measure: "align", why });
    if n != columns {
        return refuse(format!("the similarities must be square, got {n} x {columns}"));
    }
    if n < 2 {
        return refuse(format!("at least 2 sentences are needed, got {n}: a single one has no rival"));
    }
    if let Some(((i, j), s)) = similarities.indexed_iter().find(|(_, s)| !s.is_finite()) {
        return refuse(format!("similarity of sentences {} and {} is {s}, expected a finite number", i + 1, j + 1));
    }
    let rival = |of: &dyn Fn(usize) -> f32, i: usize| {
        let mut best = Best::NONE;
        (0..n).filter(|j| *j != i).for_each(|j| best.meet(of(j), j as u32));
        best
    };
    Ok((0..n)
        .map(|i| {
            let (forth, back) = (rival(&|j| similarities[[i, j]], i), rival(&|j| similarities[[j, i]], i));
            Outcome {
                cosine: similarities[[i, i]],
                rival: forth.at,
                rival_cosine: forth.cosine,
                rival_back: back.at,
                rival_back_cosine: back.cosine,
            }
        })
        .collect())
}
