//! The graph in front, with the choice of which one, and of the edges that say what steps do to each other.

use egui::Ui;

use super::{effects, focus::Focus, front::Front, held::Held, picture::Which};
use crate::{
    state::TracesSettings,
    widgets::{
        graph::{Graph, View},
        pane::{self, segmented},
    },
};

/// Draws the graph and what is chosen in it.
pub(super) fn show(
    ui: &mut Ui,
    front: &mut Front,
    view: &mut View,
    settings: &mut TracesSettings,
    held: Held<'_>,
    (stamp, height): (u64, f32),
) {
    let name = |side: usize| front.told[side].as_ref().map(|told| told.who.clone());
    let names = [name(0).unwrap_or_default(), name(1).unwrap_or_default()];
    let reference = front.posed(held).is_some_and(|posed| posed.reference.is_some());
    let mut influence: &[_] = &[];
    ui.horizontal_wrapped(|ui| {
        let mut options = vec![(Which::Left, names[0].as_str(), "The graph of this trace")];
        if front.told[1].is_some() {
            options.push((Which::Right, names[1].as_str(), "The graph of the other trace"));
        }
        if reference {
            options.push((Which::Reference, "reference", "What the traces are held against"));
        }
        segmented(ui, "graph", &mut front.which, &options);
        let Some((_, picture)) = &front.picture else { return };
        if picture.influence.iter().all(Vec::is_empty) {
            return;
        }
        ui.checkbox(&mut settings.influence, "influence").on_hover_text("What each step does to the later ones");
        if settings.influence {
            let there = |effect: effects::Effect| !picture.influence[effect as usize].is_empty();
            let effect = effects::switch(ui, "influence in the graph", &mut settings.effect, there);
            influence = effect.map_or(&[], |effect| &picture.influence[effect as usize]);
        }
    });
    let Some((key, picture)) = &front.picture else {
        return pane::note(ui, "there is no graph");
    };
    if picture.drawn.vertices().is_empty() {
        return pane::note(ui, "the trace asserts nothing that could be a node");
    }
    let side = usize::from(front.which == Which::Right);
    let chosen = match (front.which, &front.told[side]) {
        (Which::Left | Which::Right, Some(told)) => front.focus.bright(told, side),
        _ => Vec::new(),
    };
    let chosen = if chosen.is_empty() {
        let wanted = front.focus.anchor;
        (picture.own..picture.anchors.len()).filter(|at| wanted.is_some() && picture.anchors[*at] == wanted).collect()
    } else {
        chosen
    };
    let drawn = Graph {
        id: ui.scope_id().with(("graph of traces", stamp)),
        key: *key,
        name: "graph of the trace",
        drawn: &picture.drawn,
        chosen: &chosen,
        influence,
        height,
    };
    if let Some(node) = drawn.show(ui, view) {
        front.focus = match picture.anchors.get(node).copied().flatten() {
            _ if node < picture.own => Focus::node(front.both(), side, node, None),
            Some(anchor) => Focus::critical(front.both(), anchor),
            None => Focus::default(),
        };
    }
}
