//! The keys of `compare`: one prompt answered plainly, steered, and with a random vector.

use babelscope_core::plan::{Positions, Schedule};
use babelscope_probes::steer::{Application, Arithmetic, Estimator, Operator, StrengthUnit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers side by side, from the same seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompareSpec {
    /// The prompts.
    pub texts: Vec<String>,
    /// File of the vector (safetensors with its card, or a control-vector GGUF); empty: the language vector from `source` to
    /// `target`, estimated on the corpus.
    pub vector: String,
    /// The language that the vector leads away from.
    pub source: String,
    /// The language that it leads to.
    pub target: String,
    /// How a language vector is estimated.
    pub estimator: Estimator,
    /// Instead of a vector the neurons that fire for one language: those of `source` are switched off, those of `target` are raised
    /// (`additive`, `replacement`, `diff_mean`). `layer`, `unit`, `operator` and `positions` then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neurons: Option<Arithmetic>,
    /// The canonical layer at which it is applied.
    pub layer: usize,
    /// How strongly, in `unit`; negative leads the other way.
    pub strength: f64,
    /// What the strength counts: `norm` (mean norms of the states there), `unit`, `raw`.
    pub unit: StrengthUnit,
    /// What is done with the vector.
    pub operator: Operator,
    /// At which tokens; empty is all of them.
    pub positions: Vec<Positions>,
    /// How the strength goes over the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Apply a vector of another model.
    pub elsewhere: bool,
    /// Most new tokens of an answer.
    pub max_new_tokens: usize,
    /// 0 takes the likeliest token.
    pub temperature: f32,
    /// Tokens a step whose change is kept.
    pub top_k: usize,
}

impl Default for CompareSpec {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            vector: String::new(),
            source: String::new(),
            target: String::new(),
            estimator: Estimator::default(),
            neurons: None,
            layer: 1,
            strength: 0.5,
            unit: StrengthUnit::default(),
            operator: Operator::default(),
            positions: Vec::new(),
            schedule: None,
            elsewhere: false,
            max_new_tokens: 24,
            temperature: 0.0,
            top_k: 8,
        }
    }
}

impl CompareSpec {
    /// How the vector is applied.
    pub fn application(&self) -> Application {
        Application {
            layers: vec![self.layer],
            strength: self.strength,
            unit: self.unit,
            operator: self.operator,
            positions: self.positions.clone(),
            schedule: self.schedule.clone(),
            ..Application::default()
        }
    }

    /// Specs that together have every key, those of positions and schedules among them.
    pub(super) fn complete() -> [Self; 4] {
        let positions = vec![
            Positions::From(0),
            Positions::FromEnd(vec![1]),
            Positions::List(vec![0]),
            Positions::Range { first: 0, last: 1 },
        ];
        let schedules = [
            Schedule::First(1),
            Schedule::Halving(1),
            Schedule::Factors(vec![1.0]),
            Schedule::Linear { to: 0.0, steps: 1 },
        ];
        schedules.map(|schedule| Self {
            positions: positions.clone(),
            schedule: Some(schedule),
            neurons: Some(Arithmetic::default()),
            ..Self::default()
        })
    }

    /// Why these make no sense, as a sentence; `languages` are those that the spec names, empty for all.
    pub(super) fn problem(&self, languages: &[String]) -> Option<String> {
        if self.texts.is_empty() {
            return Some("`texts` is empty; `compare` needs at least one prompt".to_owned());
        }
        if let Some(at) = self.texts.iter().position(|text| text.trim().is_empty()) {
            return Some(format!("text {} of `compare` is empty", at + 1));
        }
        match (self.vector.is_empty(), self.source.is_empty() && self.target.is_empty()) {
            (true, true) => {
                return Some(
                    "`compare` has no vector; name a file as `vector`, or two languages as `source` and `target`"
                        .to_owned(),
                );
            }
            (false, false) => {
                return Some(
                    "`compare` names a file as `vector` and languages as well; leave `source` and `target` out, or `vector`"
                        .to_owned(),
                );
            }
            (true, false) if self.source == self.target || self.source.is_empty() || self.target.is_empty() => {
                return Some(format!(
                    "the vector leads from {:?} to {:?}; expected two different languages as `source` and `target`",
                    self.source, self.target
                ));
            }
            _ => (),
        }
        let named = [&self.source, &self.target].into_iter().filter(|code| !code.is_empty());
        if let Some(outside) = named.into_iter().find(|code| !languages.is_empty() && !languages.contains(code)) {
            return Some(format!("the language {outside} of `compare` is not among `data.languages`; add it there"));
        }
        if self.neurons.is_some() && !self.vector.is_empty() {
            return Some(
                "`neurons` takes those of `source` and `target`, and a file is named as `vector`; leave one out"
                    .to_owned(),
            );
        }
        if !self.strength.is_finite() {
            return Some(format!("`strength` is {}; expected a finite number", self.strength));
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Some(format!("`temperature` is {}; expected 0 (the likeliest token) or more", self.temperature));
        }
        for (key, value, most) in [("max_new_tokens", self.max_new_tokens, 1024), ("top_k", self.top_k, 100)] {
            if !(1..=most).contains(&value) {
                return Some(format!("`{key}` is {value}; expected 1 to {most}"));
            }
        }
        None
    }
}
