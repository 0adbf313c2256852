//! What a person chooses of an evaluation.

use std::{collections::BTreeMap, time::Duration};

use babelscope_core::plan::Positions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{External, IdentifyParams, Operator, StrengthUnit};

/// Which token's state a language vector is the mean of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Every token but BOS; each line counts once, however long.
    #[default]
    Mean,
    /// The last token of the line.
    Last,
}

/// At which tokens a vector is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// Every token, BOS included. The prompt is then steered as well, and the cache holds the target language.
    All,
    /// Every token but BOS.
    #[default]
    Content,
    /// The last token of the prompt and all that are generated: the prompt is read as it is.
    AfterPrompt,
    /// The tokens of the prompt.
    Prompt,
    /// The tokens that are generated; the first of them is then chosen by the unsteered model.
    Generated,
}

impl Where {
    /// The positions of the edits, which do not overlap.
    pub fn positions(self) -> Vec<Positions> {
        match self {
            Self::All => vec![Positions::All],
            Self::Content => vec![Positions::Content],
            Self::AfterPrompt => vec![Positions::Last, Positions::Generated],
            Self::Prompt => vec![Positions::Prompt],
            Self::Generated => vec![Positions::Generated],
        }
    }

    /// The positions on a text that is given as a whole: there every token stands for one that was generated.
    pub(super) fn on_text(self) -> Vec<Positions> {
        vec![if self == Self::All { Positions::All } else { Positions::Content }]
    }
}

/// What a vector is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Nothing is done.
    None,
    /// Random vectors of equal norm.
    Random,
    /// The difference of means after the labels were shuffled within each language, of equal norm.
    Shuffled,
    /// The vector to another language, of equal norm.
    Other,
    /// Nothing is done, and the prompt asks for the language.
    Prompt,
}

/// What is evaluated, on what, against what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SteerParams {
    /// Languages of the prompts; empty is all.
    pub sources: Vec<String>,
    /// Languages that are to come out; empty is all.
    pub targets: Vec<String>,
    /// Canonical layers; empty is all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// Whether the layers are steered all at once, each at the strength, instead of each alone.
    pub together: bool,
    /// Strengths, each other than 0.
    pub strengths: Vec<f64>,
    /// What a strength counts.
    pub unit: StrengthUnit,
    /// What is done with the vector: `add`, `add_keep_norm`, `clamp`, `ablate`, `affine_ablate` (to the target's mean).
    pub operator: Operator,
    /// At which tokens.
    pub positions: Where,
    /// Which token's state a vector is the mean of.
    pub read: Read,
    /// Lines that the vectors do not see and that prompts are made of: layer and strength are chosen on every second of them and
    /// reported on the others.
    pub prompts: usize,
    /// Share of a line's tokens, from its beginning, that is the prompt.
    pub part: f64,
    /// Most new tokens of an output.
    pub max_new_tokens: usize,
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// An output ends before one of these.
    pub stop: Vec<String>,
    /// What the vectors are held against, at the chosen layer.
    pub controls: Vec<Control>,
    /// Random vectors.
    pub random: usize,
    /// How a prompt asks for a language, by its code, with `{prompt}` where the prompt goes. A language that is not named is asked for by
    /// a line of it in front of the prompt.
    pub requests: BTreeMap<String, String>,
    /// Layer whose states relevance compares; absent is the middle one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance_layer: Option<usize>,
    /// When an identified language counts.
    pub identify: IdentifyParams,
    /// A program that identifies languages instead of the corpus' own identifier, with its arguments: one text a line in, one code a
    /// line out (GlotLID, say).
    pub identify_command: Vec<String>,
    /// A program that judges relevance, with its arguments: one JSON object a line in (`source`, `target`, `prompt`, `text`,
    /// `reference`), a number from 0 to 2 a line out.
    pub judge_command: Vec<String>,
    /// Longest time in seconds for one call of a program.
    pub timeout: u64,
    /// Whether to measure what else changes: perplexity, next-token accuracy and divergence on lines of every language.
    pub side_effects: bool,
    /// Bootstrap draws over prompts; 0 for no interval.
    pub bootstrap: usize,
}

impl Default for SteerParams {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            targets: Vec::new(),
            layers: Vec::new(),
            together: false,
            strengths: vec![0.125, 0.25, 0.5, 1.0, 2.0],
            unit: StrengthUnit::default(),
            operator: Operator::default(),
            positions: Where::default(),
            read: Read::default(),
            prompts: 20,
            part: 1.0,
            max_new_tokens: 32,
            temperature: 0.0,
            stop: Vec::new(),
            controls: vec![Control::None, Control::Random, Control::Shuffled, Control::Other, Control::Prompt],
            random: 5,
            requests: BTreeMap::new(),
            relevance_layer: None,
            identify: IdentifyParams::default(),
            identify_command: Vec::new(),
            judge_command: Vec::new(),
            timeout: 600,
            side_effects: true,
            bootstrap: 1000,
        }
    }
}

impl SteerParams {
    /// Why these make no sense, as a sentence.
    ///
    /// ```
    /// use babelscope_probes::steer::SteerParams;
    /// let twice = SteerParams { strengths: vec![1.0, 1.0], ..SteerParams::default() };
    /// assert!(twice.problem().is_some_and(|why| why.contains("1 is named twice")));
    /// ```
    pub fn problem(&self) -> Option<String> {
        let twice = |what: &str, names: &[String]| {
            let again = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
            again.map(|(_, name)| format!("{what}: {name} is named twice"))
        };
        let strengths: Vec<String> = self.strengths.iter().map(f64::to_string).collect();
        let layers: Vec<String> = self.layers.iter().map(usize::to_string).collect();
        let controls: Vec<String> = self.controls.iter().map(|control| format!("{control:?}")).collect();
        let listed = [
            ("sources", self.sources.as_slice()),
            ("targets", &self.targets),
            ("layers", &layers),
            ("strengths", &strengths),
            ("controls", &controls),
        ];
        if let Some(why) = listed.into_iter().find_map(|(what, names)| twice(what, names)) {
            return Some(why);
        }
        if self.strengths.is_empty() {
            return Some("strengths is empty, so nothing is steered".to_owned());
        }
        if let Some(bad) = self.strengths.iter().find(|strength| !strength.is_finite() || **strength == 0.0) {
            return Some(format!(
                "a strength is {bad}, expected a finite number other than 0 (the control `none` is strength 0)"
            ));
        }
        if matches!(self.operator, Operator::Ablate | Operator::AffineAblate) && self.strengths != [1.0] {
            return Some("an ablation is done or not: give strengths = [1.0]".to_owned());
        }
        if self.prompts < 4 {
            return Some(format!(
                "prompts is {}, at least 4 are needed: a choice is made on one half and reported on the other",
                self.prompts
            ));
        }
        if !(self.part > 0.0 && self.part <= 1.0) {
            return Some(format!("part is {}, expected a share of the line above 0, up to 1", self.part));
        }
        if self.max_new_tokens == 0 {
            return Some("max_new_tokens is 0, expected at least 1".to_owned());
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Some(format!("temperature is {}, expected 0 (the likeliest token) or more", self.temperature));
        }
        if self.controls.contains(&Control::Random) && self.random == 0 {
            return Some(
                "random is 0, expected at least 1 random vector; or leave `random` out of controls".to_owned(),
            );
        }
        if let Some((language, _)) = self.requests.iter().find(|(_, request)| !request.contains("{prompt}")) {
            return Some(format!(
                "the request for {language} does not say where the prompt goes; put {{prompt}} into it"
            ));
        }
        if self.timeout == 0 {
            return Some("timeout is 0 seconds, so no program can answer".to_owned());
        }
        self.identify.problem()
    }

    /// The program of a key; `None` where it is empty.
    pub(super) fn program(&self, command: &[String]) -> Option<External> {
        let timeout = Duration::from_secs(self.timeout);
        (!command.is_empty()).then(|| External { command: command.to_vec(), timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_survive_json() {
        let params = SteerParams::default();
        assert_eq!(params.problem(), None);
        let text = serde_json::to_string(&params).unwrap();
        assert_eq!(serde_json::from_str::<SteerParams>(&text).unwrap(), params);
        assert!(serde_json::from_str::<SteerParams>(r#"{"stregnths": [1]}"#).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_a_sentence() {
        type Change = fn(&mut SteerParams);
        let of = |change: Change| {
            let mut params = SteerParams::default();
            change(&mut params);
            params.problem().unwrap_or_default()
        };
        let cases: [(Change, &str); 9] = [
            (|p| p.strengths = vec![0.0], "other than 0"),
            (|p| p.strengths = vec![f64::NAN], "is NaN"),
            (|p| p.strengths.clear(), "nothing is steered"),
            (|p| p.operator = Operator::Ablate, "strengths = [1.0]"),
            (|p| p.prompts = 3, "at least 4"),
            (|p| p.part = 0.0, "part is 0"),
            (|p| p.random = 0, "at least 1 random"),
            (|p| p.targets = vec!["a".into(), "a".into()], "targets: a is named twice"),
            (|p| p.requests = [("fra_Latn".to_owned(), "En français :".to_owned())].into(), "{prompt}"),
        ];
        for (change, why) in cases {
            assert!(of(change).contains(why), "{}", of(change));
        }
    }
}
