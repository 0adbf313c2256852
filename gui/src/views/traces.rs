//! Traces: a chain of thought as text and as a graph, beside the same problem in another language, what the model knew along it, what each
//! step is worth, and the reference, which can be edited; and what hints do to answers.
//!
//! One choice for all: a step, a node, or an anchor that is clicked anywhere is chosen in the texts, the graph, the strips and the tables.

mod coverage;
mod drawing;
mod edit;
mod editor;
mod effects;
mod focus;
mod front;
mod held;
mod help;
pub(crate) mod hints;
mod index;
mod known;
mod picture;
mod start;
mod strip;
mod summary;
mod text;
mod told;
mod worth;

use babelscope::spec::ProbeSpec;
use egui::{Id, ScrollArea, Ui};

pub use self::effects::Effect;
use self::{
    editor::Wish,
    focus::Focus,
    front::Front,
    held::{Edits, Held},
    text::Text,
};
use super::frames::Frames;
use crate::{
    command::Action,
    data::{Loaded, said},
    state::{Selection, TracesSettings},
    widgets::{graph::View as GraphView, pane, verdict::Verdict},
};

/// The probe whose results are drawn here.
pub const KIND: &str = "cot";

/// Height of the texts and of the graph, points.
const HEIGHT: f32 = 430.0;

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    edits: Edits,
    editor: editor::State,
    hints: hints::State,
    screen: Shown,
}

/// What is on the screen, apart from what can be edited.
#[derive(Debug, Default)]
struct Shown {
    front: Front,
    texts: [text::State; 2],
    graph: GraphView,
    known: [known::State; 2],
    worth: [worth::State; 2],
    coverage: coverage::State,
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the line of a spec that reads a reference that was saved.
    pub fn saved(&mut self, line: String) {
        self.editor.saved(line);
    }
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut TracesSettings,
    selection: &mut Selection,
    (loaded, running): (Option<&Loaded>, bool),
    actions: &mut Vec<Action>,
) {
    let found = loaded.and_then(|loaded| Some((loaded, loaded.run.detailed(KIND)?)));
    let Some((loaded, details)) = found.filter(|(_, details)| !details.traces.is_empty()) else {
        let Some(loaded) = loaded.filter(|loaded| hints::any(&loaded.run)) else {
            return start::show(ui, loaded, running, actions);
        };
        let frames = Frames::new(loaded, running);
        let area = ScrollArea::vertical().id_salt("hints").auto_shrink(false);
        area.show(ui, |ui| asked(ui, &mut view.hints, &frames, loaded, actions));
        return;
    };
    let View { edits, editor, hints: of_hints, screen } = view;
    let held = Held { details, edits: &*edits };
    screen.front.refresh(loaded.stamp, held, selection);
    let frames = Frames::new(loaded, running);
    let mut wish = None;
    ScrollArea::vertical().id_salt("traces").auto_shrink(false).show(ui, |ui| {
        let title = ("Trace", "What did the model write, and what is built on what?");
        frames.pane(ui, actions, title, &help::TRACE, |ui| screen.trace(ui, settings, selection, loaded, held));
        if screen.front.both().into_iter().flatten().any(|told| held.watched(told.trace).is_some()) {
            let title =
                ("What the model knew", "When was the answer there, and in which language did the layers speak?");
            frames.pane(ui, actions, title, &help::KNOWN, |ui| screen.known(ui, selection, loaded, held));
            let title = ("What each step is worth", "Does the answer, or what follows, hang on this step?");
            frames.pane(ui, actions, title, &help::WORTH, |ui| screen.worth(ui, settings, loaded, held));
        }
        screen.tables(ui, &frames, selection, (loaded, held), actions);
        let title = ("Reference", "What must a solution say, and what is each part built on?");
        let mut asked = Vec::new();
        frames.pane(ui, actions, title, &help::REFERENCE, |ui| {
            let problem = screen.front.problem();
            let trace = screen.front.told[0].as_ref().and_then(|told| held.trace(told.trace));
            let shown = editor::Shown {
                problem,
                posed: held.posed(problem),
                edits: held.edited(problem),
                wrong: held.wrong(problem),
                trace: trace.map(|traced| &traced.trajectory.graph),
            };
            wish = editor::show(ui, editor, &shown, &mut asked);
        });
        actions.append(&mut asked);
        if hints::any(&loaded.run) {
            self::asked(ui, of_hints, &frames, loaded, actions);
        }
    });
    let problem = screen.front.problem();
    match wish {
        Some(Wish::Change(change)) => editor.answered(edits.change(details, problem, change, pivot(loaded))),
        Some(Wish::Undo) => {
            edits.undo(details, problem);
            editor.answered(Ok(()));
        }
        None => (),
    }
}

/// Draws what hints did.
fn asked(ui: &mut Ui, state: &mut hints::State, frames: &Frames<'_>, loaded: &Loaded, actions: &mut Vec<Action>) {
    let title = ("Hints", "Do answers follow a hint at a wrong option, and do they say so?");
    frames.pane(ui, actions, title, &help::HINTS, |ui| state.table(ui, loaded));
    let title = ("Answers with and without a hint", "What was asked, what was answered, and when was it decided?");
    frames.pane(ui, actions, title, &help::HINTS, |ui| state.answers(ui, loaded));
}

/// The language in which references are written.
fn pivot(loaded: &Loaded) -> &str {
    let spec = loaded.run.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Cot(spec) => Some(spec.pivot.as_str()),
        _ => None,
    });
    spec.unwrap_or("eng_Latn")
}

impl Shown {
    fn trace(
        &mut self,
        ui: &mut Ui,
        settings: &mut TracesSettings,
        selection: &mut Selection,
        loaded: &Loaded,
        held: Held<'_>,
    ) {
        let Front { index, chosen, .. } = &mut self.front;
        index.show(ui, chosen, selection);
        // One line in either case, so that an edit moves nothing on the screen.
        let edited =
            if held.edited(self.front.problem()) > 0 { " · compared with the reference as edited below" } else { "" };
        let text = "what the model wrote, step by step; it need not be how it came to the answer";
        pane::note(ui, format!("{text}{edited}"));
        ui.horizontal_wrapped(|ui| Verdict::ALL.into_iter().for_each(|verdict| verdict.legend(ui)));
        let two = self.front.told[1].is_some();
        let size = (loaded.stamp, HEIGHT);
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            self.told(left, (0, two), loaded, held);
            if two {
                self.told(right, (1, two), loaded, held);
            } else {
                drawing::show(right, &mut self.front, &mut self.graph, settings, held, size);
            }
        });
        if two {
            ui.separator();
            drawing::show(ui, &mut self.front, &mut self.graph, settings, held, size);
        }
    }

    fn told(&mut self, ui: &mut Ui, (side, numbered): (usize, bool), loaded: &Loaded, held: Held<'_>) {
        let Some(told) = &self.front.told[side] else { return };
        if let Some(traced) = held.trace(told.trace) {
            // Columns would stretch the lines to their width.
            ui.vertical(|ui| {
                ui.strong(said(&traced.trace.language));
                pane::note(ui, summary::summary(traced));
                if let Some(harm) = summary::first_harm(traced) {
                    pane::note(ui, harm);
                }
            });
        }
        let text = Text { told, side, focus: &self.front.focus, numbered, stamp: loaded.stamp, height: HEIGHT };
        if let Some(clicked) = text.show(ui, &mut self.texts[side]) {
            self.front.clicked(side, clicked);
        }
    }

    /// Draws something of each watched trace in front; a part that was clicked is chosen.
    fn watched(
        &mut self,
        ui: &mut Ui,
        (loaded, held): (&Loaded, Held<'_>),
        mut draw: impl FnMut(&mut Ui, usize, &mut Self, &known::Shown<'_>) -> Option<usize>,
    ) {
        for side in 0..2 {
            let Some(told) = &self.front.told[side] else { continue };
            let Some(watched) = held.watched(told.trace) else {
                pane::note(ui, format!("{}: not watched", told.who));
                continue;
            };
            let who = told.who.clone();
            let (steps, part) = (told.parts.len() - 1, self.front.focus.parts[side]);
            if self.front.told[1].is_some() {
                ui.strong(who.as_str());
            }
            let shown = known::Shown { watched, who: &who, steps, stamp: loaded.stamp, part };
            if let Some(part) = draw(ui, side, self, &shown) {
                self.front.focus = Focus::part(side, part);
            }
        }
    }

    fn known(&mut self, ui: &mut Ui, selection: &mut Selection, loaded: &Loaded, held: Held<'_>) {
        known::legend(ui);
        self.watched(ui, (loaded, held), |ui, side, screen, shown| {
            known::show(ui, &mut screen.known[side], shown, &mut selection.layer, &loaded.run.corpus)
        });
    }

    fn worth(&mut self, ui: &mut Ui, settings: &mut TracesSettings, loaded: &Loaded, held: Held<'_>) {
        let asked = worth::asked(loaded);
        self.watched(ui, (loaded, held), |ui, side, screen, shown| {
            worth::show(ui, &mut screen.worth[side], shown, &mut settings.effect, asked)
        });
        worth::ask(ui, loaded);
    }

    fn tables(
        &mut self,
        ui: &mut Ui,
        frames: &Frames<'_>,
        selection: &mut Selection,
        (loaded, held): (&Loaded, Held<'_>),
        actions: &mut Vec<Action>,
    ) {
        let stamp = Id::unique((loaded.stamp, held.edits.version)).value();
        let Self { front, coverage, .. } = self;
        coverage.refresh(stamp, held, &front.index);
        if let Some(table) = front.posed(held).and_then(|posed| posed.table.as_ref()) {
            let title = ("Critical anchors by languages", "Which part of the way is lost in which language?");
            frames.pane(ui, actions, title, &help::ANCHORS, |ui| {
                let now = (front.focus.anchor, front.chosen.language.as_str());
                if let Some((anchor, language)) = coverage::anchors(ui, table, stamp, now) {
                    front.focus = Focus::critical(front.both(), anchor);
                    if front.chosen.other.as_ref() != Some(&language) {
                        selection.language = Some(language);
                    }
                }
            });
        }
        if front.index.len() > 1 && coverage.any() {
            let title = ("Problems by languages", "Which problems are followed in which language?");
            frames.pane(ui, actions, title, &help::PROBLEMS, |ui| {
                let now = (front.chosen.problem, front.chosen.language.as_str());
                if let Some((problem, language)) = coverage.show(ui, now) {
                    front.chosen.problem = problem;
                    selection.language = Some(language);
                }
            });
        }
    }
}
