//! The reference of a problem as a table that can be edited, and the way into a file. Every edit is compared at once.

use std::path::PathBuf;

use babelscope_probes::cot::{Graph, Node, Role, report::Posed};
use egui::{Popup, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui, vec2};

use super::{edit::Change, known::note};
use crate::{
    command::Action,
    text::{self, Line},
    theme::{BODY, Palette, SMALL},
    widgets::{choose::one_of, pane},
};

/// Height of a row, and of the table where it is longer.
const ROW: f32 = 32.0;
const HEIGHT: f32 = 320.0;
/// Widths of the columns: number, part, text, form, value, critical, what it is built on.
const WIDTHS: [f32; 7] = [26.0, 100.0, 220.0, 220.0, 70.0, 60.0, 130.0];
/// The parts that a node can play.
const ROLES: [(Role, &str, &str); 3] = [
    (Role::Given, "given", "Stands in the problem"),
    (Role::Derived, "derived", "Is built on others"),
    (Role::Answer, "answer", "What is asked for; there is one"),
];

/// What is typed and not said yet, and what came of the last act.
#[derive(Debug)]
pub(super) struct State {
    /// The problem that all of this is about.
    problem: String,
    /// A text that is being written, and its node.
    draft: Option<(usize, String)>,
    /// The text and the part of a node that is not there yet.
    new: (String, Role),
    folder: String,
    /// Why the last edit was refused.
    refused: Option<String>,
    /// The line of a spec that reads what was saved last.
    saved: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            problem: String::new(),
            draft: None,
            new: (String::new(), Role::Derived),
            folder: "references".to_owned(),
            refused: None,
            saved: None,
        }
    }
}

/// What stands in the table.
pub(super) struct Shown<'a> {
    pub(super) problem: &'a str,
    pub(super) posed: Option<&'a Posed>,
    /// How many edits can be taken back.
    pub(super) edits: usize,
    /// Why the traces cannot be compared with it.
    pub(super) wrong: Option<&'a str>,
    /// The graph of the trace in front.
    pub(super) trace: Option<&'a Graph>,
}

/// What a person wants.
#[derive(Debug)]
pub(super) enum Wish {
    Change(Change),
    Undo,
}

impl State {
    /// What came of an edit.
    pub(super) fn answered(&mut self, answer: Result<(), String>) {
        match answer {
            Ok(()) => (self.draft, self.refused, self.saved) = (None, None, None),
            Err(why) => self.refused = Some(why),
        }
    }

    /// Keeps the line of a spec that reads what was saved.
    pub(super) fn saved(&mut self, line: String) {
        self.saved = Some(line);
    }

    fn settle(&mut self, problem: &str) {
        if self.problem != problem {
            let folder = std::mem::take(&mut self.folder);
            *self = Self { problem: problem.to_owned(), folder, ..Self::default() };
        }
    }
}

/// Draws the editor; gives what is wanted.
pub(super) fn show(ui: &mut Ui, state: &mut State, shown: &Shown<'_>, actions: &mut Vec<Action>) -> Option<Wish> {
    state.settle(shown.problem);
    let colours = *Palette::current(ui);
    let empty = Graph::default();
    let graph = shown.posed.and_then(|posed| posed.reference.as_ref()).unwrap_or(&empty);
    let critical = shown.posed.map_or(&[][..], |posed| &posed.critical);
    let mut wish = head(ui, shown, (graph, critical.len()));
    wish = rows(ui, state, graph, critical).or(wish);
    wish = add(ui, state).or(wish);
    if let Some(why) = state.refused.as_deref().or(shown.wrong) {
        text::Passage::new(why).size(SMALL).color(colours.warn).show(ui);
    }
    save(ui, state, shown, graph, actions);
    wish
}

fn head(ui: &mut Ui, shown: &Shown<'_>, (graph, critical): (&Graph, usize)) -> Option<Wish> {
    let mut wish = None;
    ui.horizontal_wrapped(|ui| {
        let mut said = format!("{} nodes, {} edges, {critical} critical", graph.nodes.len(), graph.edges.len());
        match shown.edits {
            0 => (),
            1 => said.push_str("; 1 edit"),
            edits => said = format!("{said}; {edits} edits"),
        }
        pane::note(ui, said);
        let undo = ui.add_enabled(shown.edits > 0, egui::Button::new("Undo"));
        if undo.accessible_name("Undo the last edit of the reference").clicked() {
            wish = Some(Wish::Undo);
        }
        let take = ui.add_enabled(shown.trace.is_some(), egui::Button::new("Take the graph of the trace"));
        let take = take.on_hover_text("The graph of the left trace becomes the reference, to be edited");
        if let (true, Some(trace)) = (take.clicked(), shown.trace) {
            wish = Some(Wish::Change(Change::Replace(trace.clone())));
        }
    });
    wish
}

/// A cell of a fixed width.
fn cell<R>(ui: &mut Ui, column: usize, content: impl FnOnce(&mut Ui) -> R) -> R {
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(vec2(WIDTHS[column], ROW), layout, |ui| {
        ui.set_min_width(WIDTHS[column]);
        content(ui)
    })
    .inner
}

fn rows(ui: &mut Ui, state: &mut State, graph: &Graph, critical: &[usize]) -> Option<Wish> {
    if graph.nodes.is_empty() {
        pane::note(ui, "the problem has no reference: add nodes, or take the graph of a trace that is right");
        return None;
    }
    ui.horizontal(|ui| {
        for (column, name) in ["", "part", "text", "as it is compared", "value", "", "built on"].into_iter().enumerate()
        {
            cell(ui, column, |ui| pane::note(ui, name));
        }
    });
    let parents = graph.parents();
    let mut wish = None;
    // As high as its rows, also where the screen around it leaves no room.
    let area = ScrollArea::vertical().id_salt("nodes of the reference").auto_shrink([false, true]);
    area.max_height(HEIGHT).min_scrolled_height(HEIGHT).show_rows(ui, ROW, graph.nodes.len(), |ui, range| {
        for at in range {
            let own = (at, &graph.nodes[at], parents[at].as_slice(), critical.contains(&at));
            ui.horizontal(|ui| wish = row(ui, state, graph, own).or(wish.take()));
        }
    });
    wish.map(Wish::Change)
}

fn row(
    ui: &mut Ui,
    state: &mut State,
    graph: &Graph,
    (at, node, parents, critical): (usize, &Node, &[usize], bool),
) -> Option<Change> {
    let colours = *Palette::current(ui);
    let number = at + 1;
    let mut change = None;
    let small = |text: &str| RichText::new(text).size(SMALL).color(colours.weak);
    cell(ui, 0, |ui| ui.label(small(&number.to_string())));
    let mut role = node.role;
    if cell(ui, 1, |ui| one_of(ui, &format!("part of node {number}"), &mut role, &ROLES, WIDTHS[1] - 8.0)) {
        change = Some(Change::Recast { node: at, role });
    }
    change = cell(ui, 2, |ui| written(ui, state, at, node)).or(change);
    cell(ui, 3, |ui| drop(Line::new(node.normal.as_str()).width(WIDTHS[3] - 8.0).show(ui)));
    let value = node.value.as_ref().map(ToString::to_string).unwrap_or_default();
    cell(ui, 4, |ui| drop(Line::new(value).width(WIDTHS[4] - 8.0).show(ui)));
    cell(ui, 5, |ui| ui.label(small(if critical { "critical" } else { "" })));
    let turned = cell(ui, 6, |ui| built_on(ui, graph, (at, node), parents));
    change = turned.map(|used| Change::Turn { used, user: at }).or(change);
    let earlier = ui.add_enabled(at > 0, egui::Button::new("Up")).on_hover_text("Changes places with the node before");
    if earlier.accessible_name(format!("move node {number} up")).clicked() {
        change = Some(Change::Earlier(at));
    }
    let remove = ui.button("×").on_hover_text("Removes the node and its edges");
    if remove.accessible_name(format!("remove node {number}")).clicked() {
        change = Some(Change::Remove(at));
    }
    change
}

/// The text of a node: what is typed counts when the field is left.
fn written(ui: &mut Ui, state: &mut State, at: usize, node: &Node) -> Option<Change> {
    let draft = state.draft.as_ref().filter(|(own, _)| *own == at).map(|(_, text)| text);
    let mut text = draft.unwrap_or(&node.text).clone();
    let edit =
        TextEdit::singleline(&mut text).font(text::font_id(&node.text, BODY, false)).desired_width(WIDTHS[2] - 20.0);
    let field = ui.add(edit).accessible_name(format!("text of node {}", at + 1));
    if field.changed() {
        state.draft = Some((at, text));
    }
    let (_, text) = state.draft.as_ref().filter(|(own, _)| field.lost_focus() && *own == at)?;
    if *text == node.text {
        (state.draft, state.refused) = (None, None);
        return None;
    }
    Some(Change::Rewrite { node: at, text: text.clone() })
}

/// What a node is built on: a list of the nodes before it. Gives the one whose mark was turned.
fn built_on(ui: &mut Ui, graph: &Graph, (at, node): (usize, &Node), parents: &[usize]) -> Option<usize> {
    let list: Vec<String> = parents.iter().map(|parent| (parent + 1).to_string()).collect();
    let shown = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    let button = egui::Button::new(shown.as_str()).truncate();
    let button = ui.add_enabled(at > 0 && node.role != Role::Given, button);
    let button = button.accessible_name(format!("node {} is built on {shown}", at + 1));
    let mut turned = None;
    let popup = Popup::from_toggle_button_response(&button).close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    popup.width(260.0).show(|ui| {
        ScrollArea::vertical().max_height(HEIGHT).show(ui, |ui| {
            for (before, other) in graph.nodes.iter().enumerate().take(at) {
                ui.horizontal(|ui| {
                    let mut used = parents.contains(&before);
                    let mark = ui.checkbox(&mut used, (before + 1).to_string());
                    if mark.accessible_name(format!("node {} uses node {}", at + 1, before + 1)).changed() {
                        turned = Some(before);
                    }
                    Line::new(other.normal.as_str()).width(190.0).show(ui);
                });
            }
        });
    });
    turned
}

fn add(ui: &mut Ui, state: &mut State) -> Option<Wish> {
    let mut wish = None;
    ui.horizontal(|ui| {
        let (text, role) = &mut state.new;
        one_of(ui, "part of the new node", role, &ROLES, WIDTHS[1] - 8.0);
        let edit = TextEdit::singleline(text).hint_text("3 + 4 = 7").desired_width(WIDTHS[2] - 20.0);
        let enter = ui.add(edit).accessible_name("text of the new node").lost_focus()
            && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let button = ui.add_enabled(!text.trim().is_empty(), egui::Button::new("Add node"));
        if (button.clicked() || enter) && !text.trim().is_empty() {
            wish = Some(Wish::Change(Change::Add { text: text.clone(), role: *role }));
        }
    });
    wish
}

fn save(ui: &mut Ui, state: &mut State, shown: &Shown<'_>, graph: &Graph, actions: &mut Vec<Action>) {
    ui.separator();
    ui.horizontal(|ui| {
        pane::note(ui, "folder");
        let edit = TextEdit::singleline(&mut state.folder).desired_width(320.0);
        ui.add(edit).accessible_name("folder of the references");
        let able = !graph.nodes.is_empty() && shown.wrong.is_none() && !state.folder.trim().is_empty();
        let name = format!("{}.json", shown.problem);
        let button =
            ui.add_enabled(able, egui::Button::new("Save")).on_hover_text("A file that is there is never replaced");
        if button.accessible_name("Save the reference").clicked() {
            let (folder, problem) = (PathBuf::from(state.folder.trim()), shown.problem.to_owned());
            actions.push(Action::SaveReference { folder, problem, graph: Box::new(graph.clone()) });
        }
        Line::new(format!("as {name}, in the shape of DAG-MATH")).size(SMALL).color(Palette::current(ui).weak).show(ui);
    });
    if let Some(line) = &state.saved {
        note(ui, "saved; this line of the [[probe]] table compares with it, and makes the numbers of the run anew:");
        ui.horizontal(|ui| {
            ui.add(egui::Label::new(RichText::new(line).monospace()).selectable(true).truncate());
            if ui.button("Copy").accessible_name("Copy the line of the references").clicked() {
                actions.push(Action::Copy { what: "the line of the references".to_owned(), text: line.clone() });
            }
        });
    }
}
