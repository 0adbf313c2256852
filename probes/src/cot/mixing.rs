//! In which language a trace thinks, step by step (methods.md 7.7).
//!
//! An identifier gives each step (its text without mathematics) a posterior over languages.
//! - **Surface language** of a step = the language of the largest posterior; a step of fewer than 20 letters, or one whose largest
//!   posterior is shared by two languages, inherits from the step before. Steps before the first sure one are undetermined: a text of
//!   mathematics alone never has a language.
//! - **Switch point** = a step whose language is not that of the step before (both determined).
//! - **Share** of a language = its steps over the determined steps; the same by letters of the sure steps.
//! - **Mixing entropy** = `-sum s ln s` over the shares of steps, in nats: 0 for one language, ln 2 for two in halves.
//! - **Code-mixing index** = 1 - largest share (Das and Gambaeck 2014, with steps in place of words), 0 to 1.
//! - **Code-switch index** = `(N - max + P) / 2N` with N determined steps, `max` those of the most frequent language and P switch points
//!   (Gambaeck and Das 2016): unlike the former it tells `aabb` from `abab`.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Letters below which a step inherits its language.
pub const MIN_LETTERS: usize = 20;

/// What an identifier says of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPosterior {
    /// Letters of its text without mathematics.
    pub letters: usize,
    /// Probability of each language. `[languages]`.
    pub posterior: Vec<f64>,
}

/// The languages of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixing {
    /// The language of each step, by index; none where it is undetermined. `[steps]`.
    pub languages: Vec<Option<usize>>,
    /// The steps at which the language changes, counted from 0.
    pub switches: Vec<usize>,
    /// Share of each language among the determined steps. `[languages]`.
    pub shares: Vec<f64>,
    /// Share of each language among the letters of the steps that did not inherit. `[languages]`.
    pub letter_shares: Vec<f64>,
    /// Steps with a language.
    pub determined: usize,
    /// Entropy of the shares in nats.
    pub entropy: f64,
    /// 1 - largest share.
    pub code_mixing_index: f64,
    /// Half of that, and half of the switches over the determined steps.
    pub code_switch_index: f64,
}

/// The languages of a trace; none where no step has one.
///
/// # Errors
/// A step with another number of languages, or whose posterior is no distribution.
///
/// ```
/// use babelscope_probes::cot::mixing::{StepPosterior, mixing};
/// let step = |letters, first: f64| StepPosterior { letters, posterior: vec![first, 1.0 - first] };
/// let steps = [step(3, 0.9), step(40, 0.9), step(5, 0.1), step(40, 0.2), step(40, 0.1)];
/// let found = mixing(&steps, 2, 20)?.ok_or("undetermined")?;
/// assert_eq!(found.languages, [None, Some(0), Some(0), Some(1), Some(1)]);
/// assert_eq!((found.switches, found.shares), (vec![3], vec![0.5, 0.5]));
/// assert!((found.entropy - 2f64.ln()).abs() < 1e-12);
/// assert_eq!((found.code_mixing_index, found.code_switch_index), (0.5, 0.375));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mixing(steps: &[StepPosterior], languages: usize, min_letters: usize) -> Result<Option<Mixing>> {
    let refuse = |why| Err(Error::Input { measure: "mixing", why });
    let mut known: Vec<Option<usize>> = Vec::with_capacity(steps.len());
    let mut letters = vec![0usize; languages];
    for (at, step) in steps.iter().enumerate() {
        if step.posterior.len() != languages {
            return refuse(format!("step {} has {} languages, expected {languages}", at + 1, step.posterior.len()));
        }
        let sum: f64 = step.posterior.iter().sum();
        if !step.posterior.iter().all(|p| (0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-3 {
            return refuse(format!("the posterior of step {} is no distribution (sum {sum})", at + 1));
        }
        let largest = step.posterior.iter().copied().fold(0.0, f64::max);
        let mut best = (0..languages).filter(|language| step.posterior[*language] == largest);
        let sure = best.next().filter(|_| best.next().is_none() && step.letters >= min_letters);
        if let Some(language) = sure {
            letters[language] += step.letters;
        }
        known.push(sure.or(known.last().copied().flatten()));
    }
    let mut counts = vec![0usize; languages];
    known.iter().flatten().for_each(|language| counts[*language] += 1);
    let determined: usize = counts.iter().sum();
    if determined == 0 {
        return Ok(None);
    }
    let shares_of = |counts: &[usize]| -> Vec<f64> {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        counts.iter().map(|count| *count as f64 / all).collect()
    };
    let switches: Vec<usize> =
        (1..known.len()).filter(|at| known[*at - 1].is_some() && known[*at - 1] != known[*at]).collect();
    let shares = shares_of(&counts);
    let most = counts.iter().copied().max().unwrap_or_default();
    Ok(Some(Mixing {
        entropy: -shares.iter().filter(|s| **s > 0.0).map(|s| s * s.ln()).sum::<f64>() + 0.0,
        code_mixing_index: (determined - most) as f64 / determined as f64,
        code_switch_index: (determined - most + switches.len()) as f64 / (2 * determined) as f64,
        letter_shares: shares_of(&letters),
        languages: known,
        determined,
        shares,
        switches,
    }))
}

#[cfg(test)]
mod tests {
    use super::{MIN_LETTERS, StepPosterior, mixing};

    fn of(letters: usize, languages: &str) -> super::Mixing {
        let steps: Vec<StepPosterior> = languages
            .chars()
            .map(|c| StepPosterior { letters, posterior: if c == 'a' { vec![0.8, 0.2] } else { vec![0.3, 0.7] } })
            .collect();
        mixing(&steps, 2, MIN_LETTERS).unwrap().unwrap()
    }

    #[test]
    fn one_language_does_not_mix() {
        let found = of(30, "aaaa");
        assert_eq!((found.entropy, found.code_mixing_index, found.code_switch_index), (0.0, 0.0, 0.0));
        assert!(found.entropy.is_sign_positive());
        assert_eq!((found.shares, found.letter_shares), (vec![1.0, 0.0], vec![1.0, 0.0]));
    }

    #[test]
    fn the_code_switch_index_sees_the_order() {
        let (blocks, turns) = (of(30, "aabb"), of(30, "abab"));
        assert_eq!((blocks.code_mixing_index, turns.code_mixing_index), (0.5, 0.5));
        assert_eq!((blocks.code_switch_index, turns.code_switch_index), (3.0 / 8.0, 5.0 / 8.0));
        assert_eq!(turns.switches, [1, 2, 3]);
    }

    #[test]
    fn too_few_letters_or_a_tie_inherit_and_mathematics_has_no_language() {
        let step = |letters, posterior: [f64; 2]| StepPosterior { letters, posterior: posterior.to_vec() };
        let found =
            mixing(&[step(25, [0.1, 0.9]), step(19, [0.9, 0.1]), step(90, [0.5, 0.5])], 2, 20).unwrap().unwrap();
        assert_eq!(found.languages, [Some(1); 3]);
        assert_eq!(mixing(&[step(0, [0.9, 0.1])], 2, 20).unwrap(), None);
        assert_eq!(mixing(&[], 2, 20).unwrap(), None);
        assert!(mixing(&[step(30, [0.9, 0.9])], 2, 20).is_err() && mixing(&[step(30, [1.0, 0.0])], 3, 20).is_err());
        assert!(mixing(&[step(30, [f64::NAN, 0.0])], 2, 20).is_err());
    }
}
