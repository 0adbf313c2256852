//! The form for a new run: model, corpus, and which analyses.

mod acts;

use babelscope::spec::{ModelSpec, Pooling, ProbeSpec, RunSpec};
use babelscope_probes::{align::AlignParams, classify::Target};
use egui::{RichText, ScrollArea, Ui, vec2};

use crate::{
    command::{Action, Command},
    data,
    theme::Palette,
    widgets::pane::{self, segmented},
    worker::Slot,
};

/// Height of what stands below the fields, and of what is wrong with them, points.
const FOOT: f32 = 92.0;
const WRONG: f32 = 66.0;

/// The fields of a new run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    name: String,
    model: String,
    corpus: String,
    pivots: String,
    pooling: Pooling,
    limit: usize,
    texts: String,
    /// Which kinds of probes, in the order of [`ProbeSpec::KINDS`].
    kinds: [bool; ProbeSpec::KINDS.len()],
    labels: String,
    compare: String,
    scores: String,
    acts: acts::Acts,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            model: "lab".to_owned(),
            corpus: "lab".to_owned(),
            pivots: "eng_Latn".to_owned(),
            pooling: Pooling::default(),
            limit: 0,
            texts: String::new(),
            kinds: ProbeSpec::KINDS.map(|kind| kind == "align"),
            labels: String::new(),
            compare: String::new(),
            scores: String::new(),
            acts: acts::Acts::default(),
        }
    }
}

/// What a box says of a kind of probe.
fn said(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "align" => {
            ("Alignment (MEXA, retrieval)", "MEXA and recall by exact cosines, with the outcome of every sentence")
        }
        "lens" => ("Logit lens", "What each layer would say next"),
        "retrieval" => ("Retrieval", "recall@k, MRR, CSLS, margins, xSIM, hubs"),
        "similarity" => ("Similarity of spaces", "CKA, CCA, RSA, Procrustes, neighbours"),
        "structure" => ("Structure", "The subspace of language, and what removing it does"),
        "neurons" => ("Neurons", "Neurons of one language, and what switching them off does; reads the model again"),
        "classify" => ("Linear probes", "What can be read from a layer, with control tasks"),
        "map" => ("Map", "Sentences in the plane by PCA and t-SNE"),
        "tokenizer" => ("Tokenizer", "Fertility, premium, overlap"),
        "tasks" => ("Tasks", "How alignment goes along with scores, premium and resources"),
        "vector" => (
            "Steering vectors",
            "Directions between languages or sides of contrast pairs, tested on what was kept apart",
        ),
        "learn" => {
            ("Learned vector", "A vector that is learned by gradient; name its two languages in the copied TOML")
        }
        "select" => ("Direction of a behaviour", "Found among many by what it does; name its files in the copied TOML"),
        "compare" => ("Answers side by side", "One prompt answered plainly, steered, and with a random vector"),
        "steer" => {
            ("Steering, evaluated", "What vectors do over many prompts, beside their controls; generates much text")
        }
        "patch" => ("Patching", "Which states carry the answer: a grid between two prompts"),
        "cot" => (
            "Traces",
            "Chains of thought as graphs, compared across languages; the model writes them, or files have them",
        ),
        "hints" => (
            "Hints",
            "The same questions with and without a hint at a wrong answer, and whether the answers say what they followed",
        ),
        _ => ("", ""),
    }
}

impl Form {
    fn spec(&self) -> RunSpec {
        let words =
            |text: &str| text.split([' ', ',']).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let wanted = ProbeSpec::KINDS.into_iter().zip(self.kinds).filter(|(_, wanted)| *wanted);
        let probe = wanted.filter_map(|(kind, _)| self.probe(kind, &words(&self.pivots))).collect();
        let mut spec = RunSpec::new(self.name.trim(), ModelSpec::new(self.model.trim()), probe);
        self.corpus.trim().clone_into(&mut spec.data.path);
        spec.data.limit = self.limit;
        spec.extract.pooling = self.pooling;
        spec
    }

    /// The analysis of this kind with its defaults and what the form says of it.
    fn probe(&self, kind: &str, pivots: &[String]) -> Option<ProbeSpec> {
        let texts = || self.texts.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        let mut probe = match kind {
            "align" => ProbeSpec::Align(AlignParams::default()),
            "lens" => ProbeSpec::lens(texts()),
            other => ProbeSpec::of_kind(other)?,
        };
        if let Some(own) = probe.pivots_mut() {
            *own = pivots.to_vec();
        }
        for (key, file) in probe.files_mut() {
            let given = match key {
                "labels" => &self.labels,
                "compare" => &self.compare,
                "scores" => &self.scores,
                _ => continue,
            };
            given.trim().clone_into(file);
        }
        if let ProbeSpec::Classify(params) = &mut probe
            && !params.labels.is_empty()
        {
            params.targets.push(Target::Label);
        }
        self.acts.fill(&mut probe);
        Some(probe)
    }

    fn has(&self, kind: &str) -> bool {
        ProbeSpec::KINDS.into_iter().zip(self.kinds).any(|(known, wanted)| known == kind && wanted)
    }
}

/// Draws the form.
pub(super) fn show(ui: &mut Ui, form: &mut Form, busy: bool, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    colours.card_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(ui.available_height());
        ui.label(RichText::new("New run").heading().strong());
        ui.label(RichText::new("What shall be computed?").color(colours.weak));
        ui.add_space(4.0);
        let spec = form.spec();
        let wrong = spec.check().err().map(|error| format!("{error:#}"));
        let room = ui.available_height() - if wrong.is_some() { FOOT + WRONG } else { FOOT };
        let area = ScrollArea::vertical().auto_shrink(false).max_height(room.max(80.0));
        area.show(ui, |ui| fields(ui, form, &colours));
        ui.separator();
        foot(ui, &spec, wrong, busy, &colours, actions);
    });
}

fn field(ui: &mut Ui, name: &str, hint: &str, value: &mut String) {
    let label = ui.label(RichText::new(name).small().color(Palette::current(ui).weak));
    ui.add(egui::TextEdit::singleline(value).hint_text(hint).desired_width(f32::INFINITY)).labelled_by(label.id);
}

fn fields(ui: &mut Ui, form: &mut Form, colours: &Palette) {
    field(ui, "Name", "letters, digits, . _ -", &mut form.name);
    field(ui, "Model", "lab, a folder, or a Hub id", &mut form.model);
    field(ui, "Corpus", "lab, a folder, or a table file", &mut form.corpus);
    ui.horizontal(|ui| {
        ui.label(RichText::new("First lines").small().color(colours.weak));
        ui.add(egui::DragValue::new(&mut form.limit).range(0..=1_000_000))
            .on_hover_text("0 means all")
            .accessible_name("First lines");
        pane::note(ui, if form.limit == 0 { "all" } else { "of each language" });
    });
    field(ui, "Pivots", "FLORES codes; empty means all pairs", &mut form.pivots);
    ui.label(RichText::new("A sentence becomes one vector by").small().color(colours.weak));
    let options = [
        (Pooling::Mean, "mean", "Mean over its tokens"),
        (Pooling::Weighted, "weighted", "Mean weighted by position, MEXA's default"),
        (Pooling::Last, "last", "Its last token"),
    ];
    segmented(ui, "pooling", &mut form.pooling, &options);
    ui.separator();
    for (at, kind) in ProbeSpec::KINDS.into_iter().enumerate() {
        let (name, tip) = said(kind);
        if let Some(wanted) = form.kinds.get_mut(at) {
            ui.checkbox(wanted, name).on_hover_text(tip);
        }
        if form.has(kind) && acts::KINDS.contains(&kind) {
            ui.indent(kind, |ui| form.acts.show(ui, kind));
        } else if form.has(kind) && ["lens", "classify", "tokenizer", "tasks"].contains(&kind) {
            more(ui, form, kind, colours);
        }
    }
}

/// What a kind of probe needs besides.
fn more(ui: &mut Ui, form: &mut Form, kind: &str, colours: &Palette) {
    ui.indent(kind, |ui| match kind {
        "lens" => {
            let label = ui.label(RichText::new("Texts, one a line").small().color(colours.weak));
            ui.add(egui::TextEdit::multiline(&mut form.texts).desired_rows(3).desired_width(f32::INFINITY))
                .labelled_by(label.id);
        }
        "classify" => field(ui, "Labels", "a file, a label a line; or lab:colour; or none", &mut form.labels),
        "tokenizer" => field(ui, "Second tokenizer", "a tokenizer.json or a folder; or none", &mut form.compare),
        "tasks" => field(ui, "Scores", "CSV: language, then a column a task; or none", &mut form.scores),
        _ => (),
    });
}

/// Start, copy, and the demo: always in sight.
fn foot(ui: &mut Ui, spec: &RunSpec, wrong: Option<String>, busy: bool, colours: &Palette, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let start =
            egui::Button::new(RichText::new("Start").strong()).min_size(vec2(90.0, 32.0)).fill(colours.accent_soft);
        if ui.add_enabled(wrong.is_none() && !busy, start).clicked() {
            actions.push(Action::Execute(Slot::Run, Box::new(spec.clone())));
        }
        if ui.button("Copy as TOML").accessible_name("Copy the new run as TOML").clicked() {
            actions.push(Action::Copy { what: "spec as TOML".to_owned(), text: data::toml(spec) });
        }
    });
    if let Some(why) = wrong {
        let text = egui::Label::new(RichText::new(why).small().color(colours.warn)).wrap();
        ScrollArea::vertical().id_salt("wrong").max_height(WRONG - 8.0).show(ui, |ui| ui.add(text));
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("New here?").small().color(colours.weak));
        let demo = ui.add_enabled(!busy, egui::Button::new("Demo on the built-in model"));
        if demo.on_hover_text("Alignment and lens on the embedded model and corpus").clicked() {
            actions.push(Action::Do(Command::Demo));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_box_and_makes_a_probe() {
        for kind in ProbeSpec::KINDS {
            assert!(!said(kind).0.is_empty(), "{kind}");
            let probe = Form::default().probe(kind, &["deu_Latn".to_owned()]).unwrap();
            assert_eq!(probe.kind(), kind);
            assert!(probe.pivots().is_empty() || probe.pivots() == ["deu_Latn"]);
        }
    }

    #[test]
    fn labels_bring_their_target() {
        let form = Form { labels: " lab:colour ".to_owned(), ..Form::default() };
        let Some(ProbeSpec::Classify(params)) = form.probe("classify", &[]) else { panic!("no probe") };
        assert_eq!(params.labels, "lab:colour");
        assert!(params.targets.contains(&Target::Label));
    }
}
