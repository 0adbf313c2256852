//! What is asked for: the prompt, the vector, and how it is applied. It becomes a spec and nothing else.

use babelscope::{
    spec::{CompareSpec, ModelSpec, ProbeSpec, RunSpec},
    vectors,
};
use babelscope_core::{corpus::Corpus, plan::Positions};
use babelscope_probes::steer::{Operator, SteeringVector, StrengthUnit};

use crate::{data::Loaded, widgets::prompt::Prompt};

/// Where the vector comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is estimated on the corpus.
    #[default]
    Languages,
    /// The open run has it.
    Run,
    /// It lies in a file.
    File,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Form {
    /// The prompt.
    pub prompt: Prompt,
    pub(super) origin: Origin,
    /// All keys but the texts; which of file and languages count, the origin says.
    pub(super) compare: CompareSpec,
    pub(super) seed: u64,
    /// File name of the chosen vector of the open run.
    pub(super) vector: String,
    /// The corpus that there is when no run is open.
    lab: Option<Corpus>,
}

impl Default for Form {
    fn default() -> Self {
        let compare = CompareSpec { positions: vec![Positions::Content], ..CompareSpec::default() };
        let (prompt, vector) = (Prompt::default(), String::new());
        Self { prompt, origin: Origin::Languages, compare, seed: 0, vector, lab: None }
    }
}

/// One strength in all units; what the card does not say is not there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct InUnits {
    pub(super) raw: f64,
    pub(super) unit: f64,
    pub(super) norm: Option<f64>,
}

/// The vectors of the open run with the names of their files.
pub(super) fn of_run(main: Option<&Loaded>) -> Vec<(String, &SteeringVector)> {
    let all = main.and_then(|loaded| loaded.run.detailed("vector")).map_or(&[][..], |details| &details.vectors);
    vectors::names(all).into_iter().zip(all).collect()
}

/// Where a vector of a run lies.
pub(super) fn path(loaded: &Loaded, name: &str) -> String {
    loaded.run.folder.join("tensors").join("vector").join(name).display().to_string()
}

impl Form {
    /// Takes over what a run has asked.
    pub(super) fn fill(&mut self, compare: &CompareSpec, seed: u64) {
        self.prompt.text = compare.texts.first().cloned().unwrap_or_default();
        self.origin = if compare.vector.is_empty() { Origin::Languages } else { Origin::File };
        let (source, target) = (self.compare.source.clone(), self.compare.target.clone());
        self.compare = compare.clone();
        if self.origin == Origin::File {
            (self.compare.source, self.compare.target) = (source, target);
        }
        self.seed = seed;
    }

    /// Takes a vector of the open run, and a layer that it has.
    pub(super) fn take_vector(&mut self, name: String, main: Option<&Loaded>, layer: Option<usize>) {
        self.origin = Origin::Run;
        self.vector = name;
        let known = |layer: &usize| self.chosen(main).is_some_and(|vector| vector.layers.contains_key(layer));
        if let Some(layer) = layer.filter(known) {
            self.compare.layer = layer;
        }
    }

    /// The languages that there are: those of the run, or of the corpus inside the program.
    pub(super) fn corpus<'a>(&'a mut self, base: Option<&'a Loaded>) -> Option<&'a Corpus> {
        if let Some(loaded) = base {
            return Some(&loaded.run.corpus);
        }
        if self.lab.is_none() {
            self.lab = Corpus::open(std::path::Path::new("lab")).ok();
        }
        self.lab.as_ref()
    }

    /// Two different languages of the corpus.
    pub(super) fn settle_languages(&mut self, languages: &[String]) {
        let known = |code: &String| languages.contains(code);
        if !known(&self.compare.source) {
            let english = languages.iter().find(|code| *code == "eng_Latn").or(languages.first());
            self.compare.source = english.cloned().unwrap_or_default();
        }
        if !known(&self.compare.target) || self.compare.target == self.compare.source {
            let other = languages.iter().find(|code| **code != self.compare.source);
            self.compare.target = other.cloned().unwrap_or_default();
        }
    }

    /// The chosen vector, where its numbers are known before it is asked for.
    pub(super) fn chosen<'a>(&self, main: Option<&'a Loaded>) -> Option<&'a SteeringVector> {
        let all = of_run(main);
        let of_pair = |vector: &SteeringVector| {
            let card = &vector.card;
            card.positive == self.compare.target
                && card.negative == self.compare.source
                && card.estimator == self.compare.estimator.name()
        };
        match self.origin {
            Origin::Run => all.into_iter().find(|(name, _)| *name == self.vector).map(|(_, vector)| vector),
            Origin::Languages => all.into_iter().find(|(_, vector)| of_pair(vector)).map(|(_, vector)| vector),
            Origin::File => None,
        }
    }

    /// What the probe gets.
    pub(super) fn compare(&self, main: Option<&Loaded>) -> CompareSpec {
        let mut compare = self.compare.clone();
        compare.texts = vec![self.prompt.text.trim().to_owned()];
        if self.origin == Origin::Languages {
            compare.vector.clear();
        } else {
            compare.source.clear();
            compare.target.clear();
        }
        if self.origin == Origin::Run {
            compare.vector = main.map_or_else(String::new, |loaded| path(loaded, &self.vector));
        }
        if compare.operator == Operator::Ablate {
            compare.strength = 1.0;
        }
        compare
    }

    /// The spec: same model, corpus and pooling as the run that is open.
    pub(super) fn spec(&self, main: Option<&Loaded>, base: Option<&Loaded>) -> RunSpec {
        let base = base.map(|loaded| &loaded.run.spec);
        let model = base.and_then(|spec| spec.model.first().cloned()).unwrap_or_else(|| ModelSpec::new("lab"));
        let mut spec = RunSpec::new("steer", model, vec![ProbeSpec::Compare(self.compare(main))]);
        if let Some(base) = base {
            spec.data = base.data.clone();
            spec.extract = base.extract.clone();
        }
        spec.seed = self.seed;
        spec
    }

    /// The strength in the three units, by the chosen vector and its card.
    pub(super) fn in_units(&self, vector: &SteeringVector) -> Option<InUnits> {
        let CompareSpec { layer, strength, unit, .. } = self.compare;
        let length = vector.norm(layer).filter(|length| *length > 0.0)?;
        let mean = vector.card.mean_norm.get(&layer).copied().filter(|mean| *mean > 0.0);
        let added = match unit {
            StrengthUnit::Raw => strength * length,
            StrengthUnit::Unit => strength,
            StrengthUnit::Norm => strength * mean?,
        };
        Some(InUnits { raw: added / length, unit: added, norm: mean.map(|mean| added / mean) })
    }
}

#[cfg(test)]
mod tests {
    use babelscope_probes::steer::Card;

    use super::*;

    #[test]
    fn one_strength_reads_in_every_unit() {
        let card = Card { mean_norm: [(1, 10.0)].into(), ..Card::default() };
        let vector = SteeringVector { card, layers: [(1, vec![3.0, 4.0]), (2, vec![1.0, 0.0])].into() };
        let mut form = Form::default();
        form.compare.layer = 1;
        for (strength, unit) in [(0.5, StrengthUnit::Norm), (5.0, StrengthUnit::Unit), (1.0, StrengthUnit::Raw)] {
            (form.compare.strength, form.compare.unit) = (strength, unit);
            assert_eq!(form.in_units(&vector), Some(InUnits { raw: 1.0, unit: 5.0, norm: Some(0.5) }));
        }
        form.compare.layer = 2;
        assert_eq!(form.in_units(&vector), Some(InUnits { raw: 1.0, unit: 1.0, norm: None }));
        form.compare.unit = StrengthUnit::Norm;
        assert_eq!(form.in_units(&vector), None);
    }

    #[test]
    fn a_spec_has_one_origin_and_an_ablation_no_degrees() {
        let mut form = Form { prompt: Prompt::new(" The cat "), ..Form::default() };
        form.settle_languages(&["eng_Latn", "spa_Latn"].map(str::to_owned));
        let spec = form.spec(None, None);
        spec.check().unwrap();
        assert_eq!(form.compare(None).texts, ["The cat"]);
        form.origin = Origin::File;
        "v.safetensors".clone_into(&mut form.compare.vector);
        form.compare.operator = Operator::Ablate;
        let compare = form.compare(None);
        assert_eq!((compare.source.as_str(), compare.strength), ("", 1.0));
        form.spec(None, None).check().unwrap();
    }

    #[test]
    fn what_a_run_asked_comes_back() {
        let asked = CompareSpec {
            texts: vec!["قطة".to_owned()],
            source: "arb_Arab".to_owned(),
            target: "eng_Latn".to_owned(),
            layer: 4,
            ..CompareSpec::default()
        };
        let mut form = Form::default();
        form.fill(&asked, 9);
        assert_eq!((form.compare(None), form.seed), (asked, 9));
    }
}
