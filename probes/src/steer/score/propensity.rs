//! Propensity: how the model's preference between two continuations moves with the strength.
//!
//! - `m_i(a) = logit(first token of the positive continuation) - logit(first token of the negative one)` behind prompt i, strength a
//!   (Rimsky et al. 2024; Tan et al. 2024, arXiv 2407.12404);
//! - **steerability** of an item = slope of the least-squares line through `(a, m_i(a))`; an item with a negative slope is
//!   *anti-steerable*: the vector does the opposite to it;
//! - **saturation** = smallest positive strength at which the mean of `m(a) - m(0)` reaches 90 % of its largest over the strengths.
//!
//! Tan et al. find anti-steerable shares near one half on some data: a mean slope alone hides that.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site},
};

use crate::{
    Error, Result,
    bootstrap::Draws,
    measure::Row,
    steer::{Application, SteeringVector, apply},
};

/// Prompts whose logits are held at once.
const TOGETHER: usize = 64;
/// Of the largest effect, the share that counts as saturated.
const SATURATED: f64 = 0.9;

/// A prompt with a continuation that the vector should make likelier, and one that it should make less likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// What is given.
    pub prompt: String,
    /// What the vector leads to.
    pub positive: String,
    /// What it leads away from.
    pub negative: String,
}

/// The propensity of each item at each strength.
#[derive(Clone, Debug, PartialEq)]
pub struct Propensity {
    /// Ascending, each once, 0 among them.
    pub strengths: Vec<f64>,
    /// `m_i(a)`, `[strength][item]`.
    pub values: Vec<Vec<f64>>,
}

/// Measures `m_i(a)` of a vector that is applied as `how` says, but with each of `strengths` (0 is measured whether named or not).
///
/// # Errors
/// No item; continuations that begin with the same token; whatever [`apply`] and the engine refuse.
pub fn propensity(
    engine: &Engine,
    items: &[Contrast],
    vector: &SteeringVector,
    how: &Application,
    strengths: &[f64],
    monitor: &Monitor,
) -> Result<Propensity> {
    if items.is_empty() {
        return refuse("there is no pair of continuations".to_owned());
    }
    let mut strengths: Vec<f64> = strengths.iter().copied().chain([0.0]).collect();
    strengths.sort_by(f64::total_cmp);
    strengths.dedup();
    let tokenizer = engine.tokenizer();
    let first = |prompt: &str, text: &str| -> Result<u32> {
        let (alone, whole) = (tokenizer.encode(prompt)?.ids, tokenizer.encode(&format!("{prompt} {text}"))?.ids);
        // The continuation as the model would say it behind the prompt; where both melt into one token, as it stands alone.
        let behind = whole.get(alone.len()).filter(|_| whole.starts_with(&alone)).copied();
        match behind.or(tokenizer.encode_plain(text)?.first().copied()) {
            Some(id) => Ok(id),
            None => refuse(format!("the continuation {text:?} has no token")),
        }
    };
    let mut ends = Vec::with_capacity(items.len());
    for (at, Contrast { prompt, positive, negative }) in items.iter().enumerate() {
        let pair = (first(prompt, positive)?, first(prompt, negative)?);
        if pair.0 == pair.1 {
            return refuse(format!(
                "pair {}: {positive:?} and {negative:?} begin with the same token, so their difference is always 0",
                at + 1
            ));
        }
        ends.push(pair);
    }
    let prompts: Vec<&str> = items.iter().map(|item| item.prompt.as_str()).collect();
    let prompts = tokenizer.encode_all(&prompts)?;
    let capture = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
    let mut values = Vec::with_capacity(strengths.len());
    for strength in &strengths {
        let edits = apply(&[(vector, &Application { strength: *strength, ..how.clone() })])?.edits;
        let plan = Plan { captures: vec![capture], edits, ..Plan::default() };
        let mut row = Vec::with_capacity(items.len());
        for (prompts, ends) in prompts.chunks(TOGETHER).zip(ends.chunks(TOGETHER)) {
            let captured = engine.run(prompts, &plan, &monitor.quiet())?;
            let Some(Values::Pooled(logits)) = captured.into_iter().next().map(|captured| captured.values) else {
                return refuse("the engine kept whole what was to be the last token".to_owned());
            };
            let logits = logits.to_vec2::<f32>().map_err(babelscope_core::Error::from)?;
            let of = |(logits, (positive, negative)): (&Vec<f32>, &(u32, u32))| {
                f64::from(logits[*positive as usize]) - f64::from(logits[*negative as usize])
            };
            row.extend(logits.iter().zip(ends).map(of));
        }
        values.push(row);
    }
    Ok(Propensity { strengths, values })
}

impl Propensity {
    /// Steerability of each item; empty where there is one strength.
    pub fn slopes(&self) -> Vec<f64> {
        let n = self.strengths.len() as f64;
        let mean = self.strengths.iter().sum::<f64>() / n;
        let spread: f64 = self.strengths.iter().map(|a| (a - mean).powi(2)).sum();
        if spread == 0.0 {
            return Vec::new();
        }
        let items = self.values.first().map_or(0, Vec::len);
        let slope =
            |i: usize| self.strengths.iter().zip(&self.values).map(|(a, m)| (a - mean) * m[i]).sum::<f64>() / spread;
        (0..items).map(slope).collect()
    }

    /// Mean of `m(a)` over the items at each strength.
    pub fn means(&self) -> Vec<f64> {
        self.values.iter().map(|m| m.iter().sum::<f64>() / m.len() as f64).collect()
    }

    /// The saturation point; `None` where no positive strength raises the mean.
    pub fn saturation(&self) -> Option<f64> {
        let means = self.means();
        let zero = self.strengths.iter().position(|a| *a == 0.0)?;
        let effects = || self.strengths.iter().zip(&means).skip(zero + 1).map(|(a, m)| (*a, m - means[zero]));
        let largest = effects().map(|(_, effect)| effect).fold(0.0, f64::max);
        effects().find(|(_, effect)| largest > 0.0 && *effect >= SATURATED * largest).map(|(a, _)| a)
    }

    /// Rows `propensity` (item: strength), `steerability`, `anti_steerable`, `saturation`, with intervals over the items.
    pub fn rows(&self, draws: &Draws) -> Vec<Row> {
        let n = self.values.first().map_or(0, Vec::len);
        let mut rows: Vec<Row> = (self.strengths.iter().zip(&self.values))
            .map(|(strength, m)| {
                let mean = draws.mean(m);
                Row::new("propensity", mean.value, n).within(mean.low, mean.high).item(strength.to_string())
            })
            .collect();
        let slopes = self.slopes();
        let alone = "one strength has no slope; give at least one beside 0";
        if slopes.is_empty() {
            rows.extend(["steerability", "anti_steerable"].map(|metric| Row::missing(metric, alone, n)));
        } else {
            let (mean, share) = (draws.mean(&slopes), draws.share(slopes.iter().map(|slope| *slope < 0.0)));
            rows.push(Row::new("steerability", mean.value, n).within(mean.low, mean.high));
            rows.push(Row::new("anti_steerable", share.value, n).within(share.low, share.high));
        }
        rows.push(match self.saturation() {
            Some(strength) => Row::new("saturation", strength, n),
            None => Row::missing("saturation", "no positive strength raises the mean propensity", n),
        });
        rows
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Propensity {
        // Item 0 rises by 2 for each 1, item 1 falls by 1 and jumps at the end.
        Propensity {
            strengths: vec![-1.0, 0.0, 1.0, 2.0],
            values: vec![vec![-2.0, 1.0], vec![0.0, 0.0], vec![2.0, -1.0], vec![4.0, -2.0]],
        }
    }

    #[test]
    fn slopes_by_hand() {
        assert_eq!(curve().slopes(), [2.0, -1.0]);
        assert_eq!(curve().means(), [-0.5, 0.0, 0.5, 1.0]);
        // 90 % of 1 is reached at 2 alone.
        assert_eq!(curve().saturation(), Some(2.0));
        let flat = Propensity { strengths: vec![0.0, 1.0], values: vec![vec![1.0], vec![0.5]] };
        assert_eq!(flat.saturation(), None);
        assert!(Propensity { strengths: vec![0.0], values: vec![vec![1.0]] }.slopes().is_empty());
    }

    #[test]
    fn rows_say_how_many_items_are_moved_the_other_way() {
        let rows = curve().rows(&Draws::new(2, 0, 0).unwrap());
        let of = |metric: &str| rows.iter().find(|row| row.metric == metric).unwrap();
        assert_eq!((of("anti_steerable").value, of("steerability").value), (Some(0.5), Some(0.5)));
        assert_eq!(rows.iter().filter(|row| row.metric == "propensity").count(), 4);
    }
}
