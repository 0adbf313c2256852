//! Four curves on one axis: when the answer was seen, decodable, committed, stated (methods.md 7.5).
//!
//! - **seen**: the anchors of the trace hold its value;
//! - **decodable**: the lens at one layer, without a stub ([`super::decodable`]);
//! - **committed**: its share among the candidates, forced ([`super::forced`]);
//! - **stated**: the text says it.
//!
//! The order in which they rise is the finding. **Same** is early answering (Lanham et al. 2023, arXiv 2307.13702): whether the likeliest
//! forced answer at a boundary is that of the whole trace.

use serde::{Deserialize, Serialize};

use super::{Decodable, Forced, refuse};
use crate::Result;

/// All that is known of one answer, a number a boundary: the prompt alone, then behind each step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// The answer that is meant.
    pub answer: String,
    /// Its value was among the anchors.
    pub seen: Vec<bool>,
    /// Lens probability of its first tokens.
    pub decodable: Vec<f64>,
    /// At which layer that was read.
    pub layer: usize,
    /// Its share among the candidates.
    pub committed: Vec<f64>,
    /// The text had said it.
    pub stated: Vec<bool>,
    /// The likeliest candidate is that of the whole trace.
    pub same: Vec<bool>,
}

/// Whether the likeliest candidate at each boundary is the one at the last.
pub fn same(forced: &Forced) -> Vec<bool> {
    let last = forced.points.last().map(|point| point.top);
    forced.points.iter().map(|point| Some(point.top) == last).collect()
}

impl Curves {
    /// Puts the curves of candidate number `answer` together, the lens at `layer`.
    ///
    /// # Errors
    /// No such candidate or layer, curves of another number of boundaries.
    ///
    /// ```
    /// use babelscope_probes::cot::inside::{Cost, Curves, Decodable, Forced, ForcedPoint};
    /// let point = |share: f64| ForcedPoint {
    ///     logprob: vec![share.ln(), (1.0 - share).ln()],
    ///     share: vec![share, 1.0 - share],
    ///     top: usize::from(share < 0.5),
    /// };
    /// let candidates = vec!["29".to_owned(), "31".to_owned()];
    /// let points = vec![point(0.2), point(0.6), point(0.9)];
    /// let forced = Forced { candidates, points, cost: Cost::default(), notes: vec![] };
    /// let lens = Decodable { layers: vec![5], probability: vec![vec![0.0], vec![0.1], vec![0.7]], rank: vec![vec![9], vec![2], vec![1]] };
    /// let curves = Curves::new(&[false, true, true], (&lens, 5), (&forced, 0), &[false, false, true])?;
    /// assert_eq!(curves.committed, [0.2, 0.6, 0.9]);
    /// assert_eq!(curves.same, [false, true, true]);
    /// # Ok::<(), babelscope_probes::Error>(())
    /// ```
    pub fn new(
        seen: &[bool],
        (lens, layer): (&Decodable, usize),
        (forced, answer): (&Forced, usize),
        stated: &[bool],
    ) -> Result<Self> {
        let boundaries = forced.points.len();
        let counts = [("seen", seen.len()), ("decodable", lens.probability.len()), ("stated", stated.len())];
        if let Some((name, count)) = counts.into_iter().find(|(_, count)| *count != boundaries) {
            return refuse(format!("the curve `{name}` has {count} boundaries, the forced answers {boundaries}"));
        }
        let Some(name) = forced.candidates.get(answer) else {
            return refuse(format!(
                "candidate {answer} is asked for, there are 0 to {}",
                forced.candidates.len().max(1) - 1
            ));
        };
        let Some(at) = lens.layers.iter().position(|l| *l == layer) else {
            return refuse(format!("the lens was read at layers {:?}, layer {layer} is asked for", lens.layers));
        };
        Ok(Self {
            answer: name.clone(),
            seen: seen.to_vec(),
            decodable: lens.probability.iter().map(|row| row[at]).collect(),
            layer,
            committed: forced.points.iter().map(|point| point.share[answer]).collect(),
            stated: stated.to_vec(),
            same: same(forced),
        })
    }
}
