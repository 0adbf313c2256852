//! Traces: a chain of thought as text and as a graph, beside the same problem in another language, and what the model knew along it.
//!
//! One choice for all: a step, a node, or an anchor that is clicked anywhere is chosen in the texts, the graph, the strips and the tables.

mod coverage;
mod focus;
mod index;
mod picture;
mod start;
mod strips;
mod text;
mod told;

use babelscope::details::Details;
use babelscope_probes::cot::report::{Posed, Traced};
use egui::{Id, ScrollArea, Ui};

use self::{
    focus::Focus,
    index::{Chosen, Index},
    picture::{Picture, Which},
    text::{Clicked, Text},
    told::Told,
};
use super::frames::Frames;
use crate::{
    command::Action,
    data::Loaded,
    measures::number,
    state::{Selection, TracesSettings},
    widgets::{
        graph::{Graph, View as GraphView},
        pane::{self, Help, segmented},
        verdict::Verdict,
    },
};

/// The probe whose results are drawn here.
pub const KIND: &str = "cot";

/// Height of the texts and of the graph, points.
const HEIGHT: f32 = 430.0;

const HELP: Help = Help {
    what: "What the model wrote, cut into steps. An anchor is a number or an equation that a step asserts; it has the same canonical form in \
           every language. A node of the graph is an anchor once; an edge leads from what is used to what uses it. The reference is given, \
           or what the correct traces of the pivot language agree on; its critical anchors have numbers. Time runs downwards in every \
           language. Drag the graph to move it, Ctrl and the wheel zoom.",
    formula: "coverage = correct critical anchors / critical anchors\n\
              edge fidelity = kept edges / edges into correct anchors (all: / edges of the reference)\n\
              harmful rate = harmful actions / actions",
    traps: &[
        "The steps are what the model wrote. They need not be how it came to the answer.",
        "Redundant means: not in the reference. Another right way is redundant too.",
        "Influence edges join steps, drawn between the last nodes of each; they say what attention carries, and not what follows.",
    ],
};

const KNOWN_HELP: Help = Help {
    what: "A cell is a boundary: the problem alone, then behind each step. Committed: probability of the trace's answer if it had to answer \
           there, among the candidates. Decodable: probability of the answer by the lens at one layer, without asking. Seen: the value is \
           among the anchors. Stated: the text has given it as the answer. Latent language: whose words the lens finds likeliest at the \
           chosen layer.",
    formula: "committed = p(answer | trace so far + stub) / Σ over candidates\nalong v = mean of h·v over the step − mean over the problem",
    traps: &[
        "Committed early does not mean that the rest is idle: the stub asks a question that the trace has not reached.",
        "The lens speaks the language of the output; a layer that says nothing may know much.",
    ],
};

const ANCHORS_HELP: Help = Help {
    what: "One row for each critical anchor of the reference, one column for each language: said, said with another value, or not said.",
    formula: "cell = what most of the traces make of it, and how many",
    traps: &["A wrong value spreads: what is built on it is wrong too, though the step itself is right."],
};

const PROBLEMS_HELP: Help = Help {
    what: "Coverage of the critical anchors, mean over the tries. A click goes to that trace.",
    formula: "coverage = correct critical anchors / critical anchors",
    traps: &["A problem has its own reference; one with few anchors moves in large steps."],
};

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    index: Index,
    chosen: Chosen,
    focus: Focus,
    /// The run and what is in front of it, made ready.
    key: Option<Id>,
    told: [Option<Told>; 2],
    texts: [text::State; 2],
    which: Which,
    picture: Option<(Id, Picture)>,
    graph: GraphView,
    strips: [strips::State; 2],
    coverage: coverage::State,
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Makes ready what is in front, when it is something else than before.
    fn refresh(&mut self, loaded: &Loaded, details: &Details, selection: &Selection) {
        self.index.refresh(loaded.stamp, details);
        self.coverage.refresh(loaded.stamp, details, &self.index);
        self.index.settle(&mut self.chosen, selection);
        let key = Id::unique((loaded.stamp, self.chosen.traces));
        if self.key != Some(key) {
            // An anchor means the same in all traces of a problem.
            let before = self.told.iter().flatten().next().and_then(|told| details.traces.get(told.trace));
            let same = before
                .is_some_and(|traced| Some(traced.trace.problem.as_str()) == self.index.problem(self.chosen.problem));
            let anchor = self.focus.anchor.filter(|_| same);
            let index = &self.index;
            self.told = self.chosen.traces.map(|trace| {
                let language = &details.traces.get(trace?)?.trace.language;
                Told::new(details, trace?, index.who(language))
            });
            self.focus = anchor.map_or_else(Focus::default, |anchor| Focus::critical(self.both(), anchor));
            if self.which == Which::Right && self.told[1].is_none() {
                self.which = Which::Left;
            }
            self.key = Some(key);
        }
        let key = Id::unique((key, self.which));
        if self.picture.as_ref().map(|(own, _)| *own) != Some(key) {
            let posed = self.posed(details);
            let of = |side: usize| self.told[side].as_ref().map(|told| Picture::of_trace(details, told, posed));
            let left = self.told[0].as_ref().and_then(|told| details.traces.get(told.trace));
            let picture = match self.which {
                Which::Left => of(0),
                Which::Right => of(1),
                Which::Reference => posed.map(|posed| Picture::of_reference(posed, left)),
            };
            self.picture = picture.map(|picture| (key, picture));
        }
    }

    fn both(&self) -> [Option<&Told>; 2] {
        [self.told[0].as_ref(), self.told[1].as_ref()]
    }

    fn posed<'d>(&self, details: &'d Details) -> Option<&'d Posed> {
        let name = self.index.problem(self.chosen.problem)?;
        details.problems.iter().find(|posed| posed.problem == name)
    }

    fn clicked(&mut self, side: usize, clicked: Clicked) {
        self.focus = match clicked {
            Clicked::Part(part) => Focus::part(side, part),
            Clicked::Node { node, part } => Focus::node(self.both(), side, node, Some(part)),
        };
    }
}

/// What a trace comes to, in a line.
fn summary(traced: &Traced) -> String {
    let mut parts = vec![match (&traced.answer, traced.right) {
        (None, _) => "gives no answer".to_owned(),
        (Some(answer), None) => format!("answer {answer}"),
        (Some(answer), Some(right)) => format!("answer {answer}, {}", if right { "right" } else { "wrong" }),
    }];
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    parts.push(format!("{}, {}", many(traced.steps.len(), "step"), many(traced.anchors.len(), "anchor")));
    match &traced.comparison {
        Some(found) => {
            parts.push(format!("coverage {}", number(found.coverage)));
            parts.push(format!("{} of {} edges kept", found.edges_kept, found.edges_all));
            parts.push(format!("{} of {} actions harmful", found.harms.len(), found.actions));
            parts.push(format!("{} redundant, {}", found.redundant.len(), many(found.dead_ends.len(), "dead end")));
        }
        None => parts.push("not compared: the problem has no reference".to_owned()),
    }
    if traced.loop_score > 0.0 {
        parts.push(format!("loops {}", number(traced.loop_score)));
    }
    parts.join(" · ")
}

/// What went wrong first, in a line.
fn first_harm(traced: &Traced) -> Option<String> {
    let harm = traced.comparison.as_ref()?.harms.first()?;
    let step = traced.trajectory.actions.get(harm.action)?.step?;
    Some(format!("first harm: {} in step {}", harm.kind.name().replace('_', " "), step + 1))
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
        return start::show(ui, loaded, running, actions);
    };
    view.refresh(loaded, details, selection);
    let frames = Frames::new(loaded, running);
    ScrollArea::vertical().id_salt("traces").auto_shrink(false).show(ui, |ui| {
        let title = ("Trace", "What did the model write, and what is built on what?");
        frames.pane(ui, actions, title, &HELP, |ui| trace(ui, view, settings, selection, loaded, details));
        if view.both().into_iter().flatten().any(|told| watched(details, told).is_some()) {
            let title =
                ("What the model knew", "When was the answer there, and in which language did the layers speak?");
            frames.pane(ui, actions, title, &KNOWN_HELP, |ui| known(ui, view, selection, loaded, details));
        }
        if let Some(table) = view.posed(details).and_then(|posed| posed.table.as_ref()) {
            let title = ("Critical anchors by languages", "Which part of the way is lost in which language?");
            frames.pane(ui, actions, title, &ANCHORS_HELP, |ui| {
                let now = (view.focus.anchor, view.chosen.language.as_str());
                if let Some((anchor, language)) = coverage::anchors(ui, table, loaded.stamp, now) {
                    view.focus = Focus::critical(view.both(), anchor);
                    if view.chosen.other.as_ref() != Some(&language) {
                        selection.language = Some(language);
                    }
                }
            });
        }
        if view.index.len() > 1 && view.coverage.any() {
            let title = ("Problems by languages", "Which problems are followed in which language?");
            frames.pane(ui, actions, title, &PROBLEMS_HELP, |ui| {
                let now = (view.chosen.problem, view.chosen.language.as_str());
                if let Some((problem, language)) = view.coverage.show(ui, now) {
                    view.chosen.problem = problem;
                    selection.language = Some(language);
                }
            });
        }
    });
}

fn trace(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut TracesSettings,
    selection: &mut Selection,
    loaded: &Loaded,
    details: &Details,
) {
    view.index.show(ui, &mut view.chosen, selection);
    pane::note(ui, "what the model wrote, step by step; it need not be how it came to the answer");
    ui.horizontal_wrapped(|ui| Verdict::ALL.into_iter().for_each(|verdict| verdict.legend(ui)));
    let two = view.told[1].is_some();
    ui.columns(2, |columns| {
        let [left, right] = columns else { return };
        told(left, view, (0, two), loaded, details);
        if two {
            told(right, view, (1, two), loaded, details);
        } else {
            graph(right, view, settings, loaded, details);
        }
    });
    if two {
        ui.separator();
        graph(ui, view, settings, loaded, details);
    }
}

fn told(ui: &mut Ui, view: &mut View, (side, numbered): (usize, bool), loaded: &Loaded, details: &Details) {
    let Some(told) = &view.told[side] else { return };
    if let Some(traced) = details.traces.get(told.trace) {
        ui.strong(crate::data::said(&traced.trace.language));
        pane::note(ui, summary(traced));
        if let Some(harm) = first_harm(traced) {
            pane::note(ui, harm);
        }
    }
    let text = Text { told, side, focus: &view.focus, numbered, stamp: loaded.stamp, height: HEIGHT };
    if let Some(clicked) = text.show(ui, &mut view.texts[side]) {
        view.clicked(side, clicked);
    }
}

fn graph(ui: &mut Ui, view: &mut View, settings: &mut TracesSettings, loaded: &Loaded, details: &Details) {
    let name = |side: usize| view.told[side].as_ref().map(|told| told.who.clone());
    let names = [name(0).unwrap_or_default(), name(1).unwrap_or_default()];
    let reference = view.posed(details).is_some_and(|posed| posed.reference.is_some());
    ui.horizontal_wrapped(|ui| {
        let mut options = vec![(Which::Left, names[0].as_str(), "The graph of this trace")];
        if view.told[1].is_some() {
            options.push((Which::Right, names[1].as_str(), "The graph of the other trace"));
        }
        if reference {
            options.push((Which::Reference, "reference", "What the traces are held against"));
        }
        segmented(ui, "graph", &mut view.which, &options);
        if view.picture.as_ref().is_some_and(|(_, picture)| !picture.influence.is_empty()) {
            ui.checkbox(&mut settings.influence, "influence")
                .on_hover_text("What each step does to the later ones, by attention");
        }
    });
    let Some((_, picture)) = &view.picture else {
        return pane::note(ui, "there is no graph");
    };
    if picture.drawn.vertices().is_empty() {
        return pane::note(ui, "the trace asserts nothing that could be a node");
    }
    let side = usize::from(view.which == Which::Right);
    let chosen = match (view.which, &view.told[side]) {
        (Which::Left | Which::Right, Some(told)) => view.focus.bright(told, side),
        _ => Vec::new(),
    };
    let chosen = if chosen.is_empty() {
        let wanted = view.focus.anchor;
        (picture.own..picture.anchors.len()).filter(|at| wanted.is_some() && picture.anchors[*at] == wanted).collect()
    } else {
        chosen
    };
    let influence = if settings.influence { picture.influence.as_slice() } else { &[] };
    let drawn = Graph {
        id: ui.scope_id().with(("graph of traces", loaded.stamp)),
        name: "graph of the trace",
        drawn: &picture.drawn,
        chosen: &chosen,
        influence,
        height: HEIGHT,
    };
    let (own, anchors) = (picture.own, picture.anchors.clone());
    if let Some(node) = drawn.show(ui, &mut view.graph) {
        view.focus = match anchors.get(node).copied().flatten() {
            _ if node < own => Focus::node(view.both(), side, node, None),
            Some(anchor) => Focus::critical(view.both(), anchor),
            None => Focus::default(),
        };
    }
}

fn watched<'d>(details: &'d Details, told: &Told) -> Option<&'d babelscope_probes::cot::watched::Watched> {
    details.watched.iter().find(|watched| watched.trace == told.trace)
}

fn known(ui: &mut Ui, view: &mut View, selection: &mut Selection, loaded: &Loaded, details: &Details) {
    strips::legend(ui);
    for side in 0..2 {
        let Some(told) = &view.told[side] else { continue };
        let Some(watched) = watched(details, told) else {
            pane::note(ui, format!("{}: not watched", told.who));
            continue;
        };
        if view.told[1].is_some() {
            ui.strong(told.who.as_str());
        }
        let shown = strips::Shown {
            watched,
            who: &told.who,
            steps: told.parts.len() - 1,
            stamp: loaded.stamp,
            part: view.focus.parts[side],
        };
        let state = &mut view.strips[side];
        let clicked = strips::show(ui, state, &shown, &mut selection.layer, &loaded.run.corpus);
        if let Some(part) = clicked {
            view.focus = Focus::part(side, part);
        }
    }
}
