//! What steering, patching and traces need besides, in the form of a new run.

use babelscope::spec::ProbeSpec;
use babelscope_probes::patch::{GridParams, PairSpec, PatchParams};
use egui::Ui;

use super::field;
use crate::widgets::pane;

/// Kinds that have fields of their own.
pub(super) const KINDS: [&str; 5] = ["vector", "compare", "patch", "cot", "hints"];

/// The fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Acts {
    contrast: String,
    prompt: String,
    vector: String,
    source: String,
    target: String,
    clean: String,
    corrupt: String,
    answer: String,
    wrong: String,
    traces: String,
    problems: String,
    questions: String,
}

impl Acts {
    /// Draws the fields of a kind.
    pub(super) fn show(&mut self, ui: &mut Ui, kind: &str) {
        match kind {
            "vector" => {
                field(
                    ui,
                    "Contrast pairs",
                    "a JSONL file; or none: a vector from English to every language",
                    &mut self.contrast,
                );
            }
            "compare" => {
                field(ui, "Prompt", "what the model goes on from", &mut self.prompt);
                field(ui, "From language", "eng_Latn", &mut self.source);
                field(ui, "To language", "spa_Latn", &mut self.target);
                field(ui, "Vector", "a file in place of the two languages; or none", &mut self.vector);
                pane::note(ui, "Layer and strength are chosen on the screen Steering.");
            }
            "patch" => {
                field(ui, "Clean prompt", "the prompt whose answer is asked about", &mut self.clean);
                field(ui, "Corrupt prompt", "the same with a word exchanged", &mut self.corrupt);
                field(ui, "Answer", "what the model shall say next", &mut self.answer);
                field(ui, "Wrong answer", "what it shall not say", &mut self.wrong);
            }
            "cot" => {
                field(
                    ui,
                    "Files of traces",
                    "a file or folder of traces; or none: the model writes them",
                    &mut self.traces,
                );
                field(
                    ui,
                    "File of problems",
                    "a JSONL file; or none: the word problems of the laboratory",
                    &mut self.problems,
                );
            }
            "hints" => {
                field(
                    ui,
                    "File of questions",
                    "a JSONL file with options; or none: the word problems of the laboratory",
                    &mut self.questions,
                );
            }
            _ => (),
        }
    }

    /// Puts the fields into an analysis of their kind.
    pub(super) fn fill(&self, probe: &mut ProbeSpec) {
        let text = |of: &str| of.trim().to_owned();
        let words = |of: &str| if of.trim().is_empty() { Vec::new() } else { vec![of.trim_end().to_owned()] };
        match probe {
            ProbeSpec::Vector(spec) => spec.pairs = text(&self.contrast),
            ProbeSpec::Compare(spec) => {
                spec.texts = words(&self.prompt);
                (spec.vector, spec.source, spec.target) = (text(&self.vector), text(&self.source), text(&self.target));
            }
            ProbeSpec::Patch(params) => {
                let pair = PairSpec {
                    clean: text(&self.clean),
                    corrupt: text(&self.corrupt),
                    answer: words(&self.answer),
                    wrong: words(&self.wrong),
                    ..PairSpec::default()
                };
                *params = PatchParams::Grid(GridParams { pairs: vec![pair], bootstrap: 0, ..GridParams::default() });
            }
            ProbeSpec::Cot(spec) => {
                spec.traces.extend(Some(text(&self.traces)).filter(|path| !path.is_empty()));
                if !self.problems.trim().is_empty() {
                    spec.problems = text(&self.problems);
                }
            }
            ProbeSpec::Hints(spec) if !self.questions.trim().is_empty() => spec.problems = text(&self.questions),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_keys() {
        let acts = Acts {
            prompt: "قطة ".to_owned(),
            source: " eng_Latn".to_owned(),
            target: "spa_Latn".to_owned(),
            clean: "a b".to_owned(),
            answer: " c ".to_owned(),
            ..Acts::default()
        };
        let mut compare = ProbeSpec::of_kind("compare").unwrap();
        acts.fill(&mut compare);
        let ProbeSpec::Compare(spec) = compare else { panic!("no comparison") };
        assert_eq!((spec.texts.as_slice(), spec.source.as_str()), (&["قطة".to_owned()][..], "eng_Latn"));
        let mut patch = ProbeSpec::of_kind("patch").unwrap();
        acts.fill(&mut patch);
        let ProbeSpec::Patch(PatchParams::Grid(grid)) = patch else { panic!("no grid") };
        assert_eq!((grid.pairs[0].answer.as_slice(), grid.pairs[0].wrong.len()), (&[" c".to_owned()][..], 0));
    }
}
