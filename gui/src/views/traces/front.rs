//! What is in front: which traces, made ready to be drawn, and what is chosen of them.

use babelscope_probes::cot::report::Posed;
use egui::Id;

use super::{
    focus::Focus,
    held::Held,
    index::{Chosen, Index},
    picture::{Picture, Which},
    text::Clicked,
    told::Told,
};
use crate::state::Selection;

/// What is in front, made anew only when it is something else than before.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub(super) index: Index,
    pub(super) chosen: Chosen,
    pub(super) focus: Focus,
    /// The run, its edits, and the traces that are in front.
    key: Option<Id>,
    pub(super) told: [Option<Told>; 2],
    pub(super) which: Which,
    pub(super) picture: Option<(Id, Picture)>,
}

impl Front {
    /// Makes ready what is in front.
    pub(super) fn refresh(&mut self, stamp: u64, held: Held<'_>, selection: &Selection) {
        self.index.refresh(stamp, held.details);
        self.index.settle(&mut self.chosen, selection);
        let key = Id::unique((stamp, held.edits.version, self.chosen.traces));
        if self.key != Some(key) {
            // An anchor means the same in all traces of a problem.
            let before = self.told.iter().flatten().next().and_then(|told| held.trace(told.trace));
            let same = before
                .is_some_and(|traced| Some(traced.trace.problem.as_str()) == self.index.problem(self.chosen.problem));
            let anchor = self.focus.anchor.filter(|_| same);
            let index = &self.index;
            self.told = self.chosen.traces.map(|trace| {
                let language = &held.trace(trace?)?.trace.language;
                Told::new(held, trace?, index.who(language))
            });
            self.focus = anchor.map_or_else(Focus::default, |anchor| Focus::critical(self.both(), anchor));
            if self.which == Which::Right && self.told[1].is_none() {
                self.which = Which::Left;
            }
            self.key = Some(key);
        }
        let key = Id::unique((key, self.which));
        if self.picture.as_ref().map(|(own, _)| *own) != Some(key) {
            let posed = self.posed(held);
            let of = |side: usize| self.told[side].as_ref().map(|told| Picture::of_trace(held, told, posed));
            let left = self.told[0].as_ref().and_then(|told| held.trace(told.trace));
            let picture = match self.which {
                Which::Left => of(0),
                Which::Right => of(1),
                Which::Reference => posed.map(|posed| Picture::of_reference(posed, left)),
            };
            self.picture = picture.map(|picture| (key, picture));
        }
    }

    pub(super) fn both(&self) -> [Option<&Told>; 2] {
        [self.told[0].as_ref(), self.told[1].as_ref()]
    }

    /// The name of the problem.
    pub(super) fn problem(&self) -> &str {
        self.index.problem(self.chosen.problem).unwrap_or_default()
    }

    pub(super) fn posed<'a>(&self, held: Held<'a>) -> Option<&'a Posed> {
        held.posed(self.problem())
    }

    pub(super) fn clicked(&mut self, side: usize, clicked: Clicked) {
        self.focus = match clicked {
            Clicked::Part(part) => Focus::part(side, part),
            Clicked::Node { node, part } => Focus::node(self.both(), side, node, Some(part)),
        };
    }
}
