//! Which language is a text in? An identifier that is made from the corpus itself and that says how far it can be trusted.
//!
//! 1. *Script first*: a language is a candidate when the script of most letters is one that at least 5 % of its own letters have.
//! 2. *Characters next*: `p(L | text)` is proportional to `p(text | L)`, the candidates being equally likely beforehand, with
//!    `p(text | L)` of a character model of order 3 (n-grams of 1 to 4, interpolated, [`ngram`]).
//! 3. *Unsure* is an answer: below [`IdentifyParams::min_letters`] letters or below the posterior [`IdentifyParams::threshold`], and
//!    where no language of the corpus has the script.
//!
//! It learns from the lines 1, 3, 5 ... and is tested on pieces of the others, by their number of letters ([`Identifier::assess`]): tools
//! for identification are unreliable on short text (methods.md 5.7: under about 20 letters), and so is this one where languages share
//! a script; its rows say how unreliable.
//!
//! Decided here: the world is closed. A text in a language that the corpus lacks is given to the nearest that it has; use
//! [`External`] (GlotLID, say) where that matters. Two languages whose lines are the same text have one posterior each of at most
//! one half, so the answer is *unsure* for ever, and a note says why.

mod assess;
mod external;
mod ngram;
mod passes;
mod text;

use std::collections::BTreeSet;

use babelscope_core::{corpus::Corpus, monitor::Monitor};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_script::Script;

pub use external::External;
pub use passes::{Passes, passes};
pub(super) use text::letters;

use self::{
    ngram::Model,
    text::{scripts, spelled},
};
use crate::{Error, Result};

/// Of a language's letters, the share that makes a script one of its own.
const OWN_SCRIPT: f64 = 0.05;

/// When an answer counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentifyParams {
    /// Least posterior probability of an answer; below it is `unsure`.
    pub threshold: f64,
    /// Fewest letters of an answer; below it is `unsure`.
    pub min_letters: usize,
}

impl Default for IdentifyParams {
    fn default() -> Self {
        Self { threshold: 0.9, min_letters: 2 }
    }
}

impl IdentifyParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { threshold, .. } = self;
        (!(*threshold > 0.0 && *threshold <= 1.0))
            .then(|| format!("identify.threshold is {threshold}, expected a probability above 0, up to 1"))
    }
}

/// What is said of one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The language; `None` is unsure.
    pub language: Option<String>,
    /// Posterior probability of the likeliest language, sure or not; 0 where none is possible.
    pub posterior: f64,
    /// Letters of the text.
    pub letters: usize,
}

/// An identifier of the languages of one corpus.
#[derive(Clone, Debug)]
pub struct Identifier {
    languages: Vec<String>,
    scripts: Vec<Vec<Script>>,
    models: Vec<Model>,
    /// Different characters of all languages, and one for those that none has.
    alphabet: usize,
    params: IdentifyParams,
}

impl Identifier {
    /// Learns from the lines 1, 3, 5 ... of every language.
    ///
    /// # Errors
    /// Fewer than two languages or four lines; parameters that make no sense; a language whose lines have no letter.
    ///
    /// ```
    /// use babelscope_core::corpus::Corpus;
    /// use babelscope_probes::steer::{Identifier, IdentifyParams};
    /// let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    /// let corpus = Corpus::from_lines("four lines", vec![
    ///     ("eng_Latn".into(), lines("The cat sleeps./It rains./The dog sleeps./I eat.")),
    ///     ("rus_Cyrl".into(), lines("Кошка спит./Идёт дождь./Собака спит./Я ем.")),
    /// ])?;
    /// let identifier = Identifier::train(&corpus, &IdentifyParams::default())?;
    /// assert_eq!(identifier.verdict("кот").language.as_deref(), Some("rus_Cyrl"));
    /// assert_eq!(identifier.verdict("7!").language, None);
    /// # Ok::<(), babelscope_probes::Error>(())
    /// ```
    pub fn train(corpus: &Corpus, params: &IdentifyParams) -> Result<Self> {
        if let Some(why) = params.problem() {
            return refuse(why);
        }
        if corpus.languages.len() < 2 || corpus.len() < 4 {
            return refuse(format!(
                "to tell languages apart at least 2 languages and 4 lines are needed, the corpus {} has {} and {}",
                corpus.name,
                corpus.languages.len(),
                corpus.len()
            ));
        }
        let own: Vec<Vec<Vec<char>>> = (corpus.sentences.iter())
            .map(|lines| lines.iter().step_by(2).map(|line| spelled(line)).collect())
            .collect();
        let alphabet: BTreeSet<char> = own.iter().flatten().flatten().copied().collect();
        let of = |lines: &Vec<Vec<char>>| {
            let counts = scripts(&lines.concat());
            let all: usize = counts.iter().map(|(_, count)| count).sum();
            let share = |count: usize| count as f64 / all as f64;
            counts.into_iter().filter(|(_, count)| share(*count) >= OWN_SCRIPT).map(|(script, _)| script).collect()
        };
        let of_each: Vec<Vec<Script>> = own.iter().map(of).collect();
        if let Some(at) = of_each.iter().position(Vec::is_empty) {
            return refuse(format!(
                "the lines of {} have no letter, so nothing tells this language",
                corpus.languages[at]
            ));
        }
        let models = own.par_iter().map(|lines| {
            let mut model = Model::default();
            lines.iter().for_each(|line| model.learn(line));
            model
        });
        Ok(Self {
            languages: corpus.languages.clone(),
            scripts: of_each,
            models: models.collect(),
            alphabet: alphabet.len() + 1,
            params: params.clone(),
        })
    }

    /// The languages that it knows.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// Posterior probability of each language; all 0 where none of them has the text's script or the text has no letter.
    ///
    /// # Shapes
    /// `[languages]`, in the order of [`Identifier::languages`].
    pub fn posteriors(&self, text: &str) -> Vec<f64> {
        let spelled = spelled(text);
        let Some((script, _)) = scripts(&spelled).first().copied() else {
            return vec![0.0; self.languages.len()];
        };
        let scores: Vec<Option<f64>> = (self.models.iter().zip(&self.scripts))
            .map(|(model, own)| own.contains(&script).then(|| model.log_probability(&spelled, self.alphabet)))
            .collect();
        let best = scores.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| score.map_or(0.0, |s| (s - best).exp())).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| if total > 0.0 { weight / total } else { 0.0 }).collect()
    }

    /// The likeliest language (of equally likely ones the first) and its posterior.
    fn best(&self, text: &str) -> Option<(usize, f64)> {
        let all = self.posteriors(text).into_iter().enumerate().filter(|(_, p)| *p > 0.0);
        all.reduce(|best, now| if now.1 > best.1 { now } else { best })
    }

    /// What it says of a text.
    pub fn verdict(&self, text: &str) -> Verdict {
        let letters = letters(text);
        let Some((at, posterior)) = self.best(text) else { return Verdict { letters, ..Verdict::default() } };
        let sure = posterior >= self.params.threshold && letters >= self.params.min_letters.max(1);
        Verdict { language: sure.then(|| self.languages[at].clone()), posterior, letters }
    }
}

/// Who identifies: the corpus' own identifier, or a program.
#[derive(Clone, Debug)]
pub enum Identification {
    /// [`Identifier`].
    Own(Identifier),
    /// A program; the own identifier still says which parts are unsure for want of letters.
    Command(External),
}

impl Identification {
    /// One verdict a text.
    ///
    /// # Errors
    /// The program failed, see [`External`].
    pub fn verdicts(&self, texts: &[String], params: &IdentifyParams, monitor: &Monitor) -> Result<Vec<Verdict>> {
        match self {
            Self::Own(identifier) => Ok(texts.par_iter().map(|text| identifier.verdict(text)).collect()),
            Self::Command(command) => command.identify(texts, params, monitor),
        }
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "identify", why })
}

#[cfg(test)]
mod tests;
