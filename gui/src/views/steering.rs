//! Steering: what a vector does to an answer, beside the plain answer and a random vector of the same length; how good the vector is;
//! and what it does over layers, strengths and languages.
//!
//! Whatever is asked for is a spec with `[[probe]] kind = "compare"`. It is executed 300 ms after the last change of a control, or at
//! once on Enter; the answer before stays in sight, marked, until the new one is there.

mod answers;
mod card;
mod change;
mod controls;
mod dose;
mod evaluation;
mod form;
mod fresh;
mod heat;
mod vectors;

use std::time::Duration;

use babelscope::{
    run::Run,
    spec::{CompareSpec, ProbeSpec},
};
use babelscope_probes::steer::Compared;
use egui::{ScrollArea, Ui};
use serde::{Deserialize, Serialize};

pub use form::Form;

use crate::{
    command::Action,
    data::{self, Loaded},
    state::{Selection, SteeringSettings},
    theme::GAP,
    widgets::{
        choose::tabs,
        pane::{Help, Pane},
    },
    worker::Slot,
};

/// The probes whose results are drawn here.
pub const KINDS: [&str; 3] = ["compare", "vector", "steer"];

/// How long a control rests before its value is taken, seconds.
const REST: f64 = 0.3;

const HELP: Help = Help {
    what: "A vector is added to the states of one layer (or taken out of them) while the model answers. Length and sign of what is added \
           are the strength: in unit norm, 1 is as long as a state there is on average, so that one strength means the same at every \
           layer. Three answers are made from the same seed: plain, steered, and with a random vector of the same length.",
    formula: "add: h + L d      clamp: h + (L − h·d) d      ablate: h − (h·d) d\n\
              d = v / |v|;  L = a n (norm), a (unit), a |v| (raw)\n\
              n = mean norm of the states at the layer, from the card of the vector",
    traps: &[
        "What the random vector does as well is no effect of the direction.",
        "A strong vector makes any model repeat itself: look at the perplexity before you look at the language.",
        "One prompt is an example. The tab Evaluation counts over many.",
    ],
};

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tab {
    /// Answers side by side.
    #[default]
    Answers,
    /// The vectors of the run.
    Vectors,
    /// What steering does over many prompts.
    Evaluation,
}

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    /// What is asked for.
    pub form: Form,
    /// When a control was last changed, while its value waits to be taken.
    waiting: Option<f64>,
    /// What was asked last, and what the answer in sight is an answer to.
    asked: Option<Asked>,
    shown: Option<Asked>,
    answers: answers::State,
    vectors: vectors::State,
    evaluation: evaluation::State,
}

/// What the view draws from.
pub struct Source<'a> {
    /// The run that all screens show: its model and corpus are those that a prompt is answered with.
    pub main: Option<&'a Loaded>,
    /// The run with the answers.
    pub steer: Option<&'a Loaded>,
    /// Whether newer answers are being made.
    pub busy: bool,
    /// Whether a whole run is being made.
    pub running: bool,
}

impl<'a> Source<'a> {
    /// The run whose model and corpus are used.
    fn base(&self) -> Option<&'a Loaded> {
        self.main.or(self.steer)
    }
}

/// The answers of a run, where it has some.
pub fn answers(run: &Run) -> Option<&[Compared]> {
    run.detailed("compare").map(|details| details.compared.as_slice()).filter(|compared| !compared.is_empty())
}

/// What an answer depends on beside model and corpus.
#[derive(Clone, Debug)]
struct Asked {
    compare: CompareSpec,
    seed: u64,
}

impl Asked {
    /// What a run has asked.
    fn of(run: &Run) -> Option<Self> {
        run.spec.probe.iter().find_map(|probe| match probe {
            ProbeSpec::Compare(compare) => Some(Self { compare: compare.clone(), seed: run.spec.seed }),
            _ => None,
        })
    }

    /// Whether the other is answered by this: a run writes out where a file lies, a person need not, and may have more prompts.
    fn is(&self, other: &Self) -> bool {
        let (a, b) = (&self.compare, &other.compare);
        let place = |path: &str| std::path::absolute(path).ok();
        let vector = a.vector == b.vector || (!a.vector.is_empty() && place(&a.vector) == place(&b.vector));
        let alike = CompareSpec { vector: b.vector.clone(), texts: b.texts.clone(), ..a.clone() } == *b;
        vector && alike && self.seed == other.seed && b.texts.iter().all(|text| a.texts.contains(text))
    }
}

impl View {
    /// Forgets what belongs to another run; what is asked for stays.
    pub fn reset(&mut self) {
        self.vectors = vectors::State::default();
        self.evaluation = evaluation::State::default();
    }

    /// Takes over what a run that was opened has asked.
    pub fn opened(&mut self, run: &Run) {
        if let Some(asked) = Asked::of(run) {
            self.form.fill(&asked.compare, asked.seed);
            self.asked = Some(asked);
        }
        self.waiting = None;
        self.answered(run);
    }

    /// Takes note of an answer.
    pub fn answered(&mut self, run: &Run) {
        self.shown = Asked::of(run);
        self.answers = answers::State::default();
    }

    fn wanted(&self, source: &Source<'_>) -> Asked {
        Asked { compare: self.form.compare(source.main), seed: self.form.seed }
    }

    /// Asks when a control has rested, or at once.
    fn ask(&mut self, ui: &Ui, change: controls::Change, source: &Source<'_>, actions: &mut Vec<Action>) {
        let now = ui.input(|input| input.time);
        // Nothing is begun by a slider: the first answer is asked for.
        if change.moved && self.asked.is_some() {
            self.waiting = Some(now);
        }
        let rested = self.waiting.is_some_and(|since| now - since >= REST);
        if let Some(since) = self.waiting.filter(|_| !rested) {
            ui.ctx().request_repaint_after(Duration::from_secs_f64((REST - (now - since)).max(0.0)));
        }
        if !rested && !change.ordered {
            return;
        }
        self.waiting = None;
        let wanted = self.wanted(source);
        let again = change.ordered || self.asked.as_ref().is_none_or(|asked| !asked.is(&wanted));
        let spec = self.form.spec(source.main, source.base());
        if again && spec.check().is_ok() {
            self.asked = Some(wanted);
            actions.push(Action::Execute(Slot::Steer, Box::new(spec)));
        }
    }
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut SteeringSettings,
    selection: &mut Selection,
    source: &Source<'_>,
    actions: &mut Vec<Action>,
) {
    let all = [(Tab::Answers, "Answers"), (Tab::Vectors, "Vectors"), (Tab::Evaluation, "Evaluation")];
    tabs(ui, &mut settings.tab, &all);
    ui.add_space(4.0);
    ScrollArea::vertical().id_salt(("steering", settings.tab as u8)).auto_shrink(false).show(ui, |ui| {
        match settings.tab {
            Tab::Answers => side_by_side(ui, view, source, actions),
            Tab::Vectors => {
                let chosen = vectors::show(ui, &mut view.vectors, settings, selection, &view.form, source, actions);
                if let Some(name) = chosen {
                    view.form.take_vector(name, source.main, selection.layer);
                    settings.tab = Tab::Answers;
                }
            }
            Tab::Evaluation => {
                let state = &mut view.evaluation;
                evaluation::show(ui, state, settings, selection, &view.form, source, actions);
            }
        }
    });
}

fn side_by_side(ui: &mut Ui, view: &mut View, source: &Source<'_>, actions: &mut Vec<Action>) {
    let spec = view.form.spec(source.main, source.base());
    let toml = || data::toml(&spec);
    let pane = Pane {
        title: "Steer",
        question: "What does the model say with the vector, without it, and with a random one?",
        help: &HELP,
        run: None,
        toml: Some(&toml),
        replacing: false,
    };
    let change = pane.show(ui, actions, |ui, _| controls::show(ui, &mut view.form, source));
    view.ask(ui, change, source, actions);
    ui.add_space(GAP);
    let found = source.steer.and_then(|loaded| Some((loaded, answers(&loaded.run)?)));
    let Some((loaded, compared)) = found else {
        let text = "Write a prompt above, choose where the vector leads, and press Enter. A run folder with the probe `compare` shows here \
                    too.";
        crate::widgets::pane::empty(ui, "Nothing has been answered yet", text);
        return;
    };
    let old = view.shown.as_ref().is_some_and(|shown| !shown.is(&view.wanted(source)));
    let panes = answers::Panes { loaded, compared, old, busy: source.busy };
    panes.show(ui, &mut view.answers, actions);
}
