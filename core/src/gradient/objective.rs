//! What is differentiated: one number a sentence, as data.

use serde::{Deserialize, Serialize};

use crate::{
    capture::moment,
    model::Config,
    plan::{Capture, Point, Reduce, Site, Vector},
    tokens::Encoded,
};

/// Two sets of next tokens at a position: `mean of the logits of plus - mean of the logits of minus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    /// Token ids that count for.
    pub plus: Vec<u32>,
    /// Token ids that count against; none gives the mean logit of `plus`.
    pub minus: Vec<u32>,
    /// The token behind which they stand, counted from 0 with BOS.
    pub position: usize,
}

/// One number of each sentence, in the order of the sentences. Logarithms are natural.
///
/// ```
/// use babelscope_core::gradient::{Contrast, Objective};
/// let yes_or_no = Contrast { plus: vec![17], minus: vec![4, 9], position: 5 };
/// assert_eq!(Objective::LogitDifference(vec![yes_or_no]).name(), "logit_difference");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The difference of logits between token sets, one contrast a sentence. Logits.
    LogitDifference(Vec<Contrast>),
    /// `sum_t log p(token t | tokens before it)` over the tokens from `from[sentence]` to the sentence's end: the log-probability of a
    /// continuation that stands in the sentence behind its prompt. Nats.
    LogProbability {
        /// The first token of each continuation, counted from 0; at least 1.
        from: Vec<usize>,
    },
    /// `KL(p || q) = sum_v p_v (log p_v - log q_v)`, where q is what the model says behind the sentence's last token and p is given. Nats.
    Divergence {
        /// p of each sentence, `[vocabulary]`, adding up to 1.
        targets: Vec<Vector>,
    },
    /// `|pool(h) - target|^2`, the sum over the columns. Squared units of the residual stream.
    Distance {
        /// The layer whose states are pooled.
        layer: usize,
        /// How: a mean, a weighted mean, or the last token.
        reduce: Reduce,
        /// The row of each sentence, `[width]`.
        targets: Vec<Vector>,
    },
}

impl Objective {
    /// A short name: `logit_difference`, `log_probability`, `divergence`, `distance`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogitDifference(_) => "logit_difference",
            Self::LogProbability { .. } => "log_probability",
            Self::Divergence { .. } => "divergence",
            Self::Distance { .. } => "distance",
        }
    }

    pub(crate) fn reads_logits(&self) -> bool {
        !matches!(self, Self::Distance { .. })
    }

    /// What it reads, as a capture that could keep it.
    pub(super) fn reads(&self) -> Capture {
        match self {
            Self::Distance { layer, reduce, .. } => Capture { site: Site::layer(*layer), reduce: *reduce },
            _ => Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last },
        }
    }

    /// Whether nothing that it reads comes after the site.
    pub(super) fn misses(&self, site: Site) -> bool {
        moment(site) > moment(self.reads().site)
    }

    /// How many rows of logits it needs.
    pub(super) fn rows(&self, sentences: &[Encoded]) -> usize {
        match self {
            Self::Distance { .. } => 0,
            Self::LogitDifference(_) | Self::Divergence { .. } => sentences.len(),
            Self::LogProbability { from } => {
                from.iter().zip(sentences).map(|(from, sentence)| sentence.ids.len().saturating_sub(*from)).sum()
            }
        }
    }

    /// Why it does not fit the model and the sentences, as a sentence.
    pub(super) fn check(&self, config: &Config, sentences: &[Encoded]) -> Result<(), String> {
        let count = |n: usize, what: &str| match n == sentences.len() {
            true => Ok(()),
            false => Err(format!("{n} {what} were given for {} sentences; expected one each", sentences.len())),
        };
        match self {
            Self::LogitDifference(contrasts) => {
                count(contrasts.len(), "contrasts")?;
                contrasts.iter().zip(sentences).enumerate().try_for_each(|(index, (contrast, sentence))| {
                    check_contrast(contrast, config, sentence).map_err(|why| format!("sentence {index}: {why}"))
                })
            }
            Self::LogProbability { from } => {
                count(from.len(), "beginnings of continuations")?;
                let fits = |(from, sentence): &(&usize, &Encoded)| (1..sentence.ids.len()).contains(*from);
                match from.iter().zip(sentences).enumerate().find(|(_, pair)| !fits(pair)) {
                    None => Ok(()),
                    Some((index, (from, sentence))) => Err(format!(
                        "sentence {index} has {} tokens, and its continuation is to begin at token {from}; expected 1 to {}, as \
                         something must stand before it",
                        sentence.ids.len(),
                        sentence.ids.len() - 1
                    )),
                }
            }
            Self::Divergence { targets } => {
                count(targets.len(), "distributions")?;
                targets.iter().enumerate().try_for_each(|(index, target)| {
                    check_distribution(target, config.vocabulary)
                        .map_err(|why| format!("the distribution of sentence {index} {why}"))
                })
            }
            Self::Distance { reduce, targets, .. } => {
                if matches!(reduce, Reduce::All | Reduce::Active(_)) {
                    return Err("states are pooled by mean, weighted or last here".to_owned());
                }
                count(targets.len(), "rows")?;
                targets.iter().enumerate().try_for_each(|(index, target)| {
                    if target.len() != config.width {
                        return Err(format!("row {index} has {} numbers, expected {}", target.len(), config.width));
                    }
                    match target.iter().find(|x| !x.is_finite()) {
                        Some(x) => Err(format!("row {index} holds {x}; expected finite numbers")),
                        None => Ok(()),
                    }
                })
            }
        }
    }
}

fn check_contrast(contrast: &Contrast, config: &Config, sentence: &Encoded) -> Result<(), String> {
    let Contrast { plus, minus, position } = contrast;
    if plus.is_empty() {
        return Err("no token counts for; name at least one in `plus`".to_owned());
    }
    if let Some(id) = plus.iter().chain(minus).find(|id| **id as usize >= config.vocabulary) {
        return Err(format!("token id {id} is named, the model's logits end at {}", config.vocabulary - 1));
    }
    if let Some(id) = plus.iter().find(|id| minus.contains(id)) {
        return Err(format!("token id {id} is named on both sides"));
    }
    if *position >= sentence.ids.len() {
        return Err(format!("position {position} is asked for, it has tokens 0 to {}", sentence.ids.len() - 1));
    }
    Ok(())
}

fn check_distribution(target: &Vector, vocabulary: usize) -> Result<(), String> {
    if target.len() != vocabulary {
        return Err(format!("has {} numbers, the vocabulary {vocabulary}", target.len()));
    }
    if let Some(p) = target.iter().find(|p| !(p.is_finite() && **p >= 0.0)) {
        return Err(format!("holds {p}; expected probabilities"));
    }
    let sum: f64 = target.iter().copied().map(f64::from).sum();
    if (sum - 1.0).abs() > 1e-3 { Err(format!("adds up to {sum}; expected 1")) } else { Ok(()) }
}
