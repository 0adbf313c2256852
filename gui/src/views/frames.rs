//! The frames of the panes of one run: its name, its spec as TOML, and whether a newer run is being made.

use egui::Ui;

use crate::{
    command::Action,
    data::{self, Loaded},
    theme::GAP,
    widgets::pane::{Help, Pane},
};

/// The frames of the panes of one run.
pub(super) struct Frames<'a> {
    tag: String,
    loaded: &'a Loaded,
    replacing: bool,
}

impl<'a> Frames<'a> {
    /// Of a run; `replacing` while a newer one is being made.
    pub(super) fn new(loaded: &'a Loaded, replacing: bool) -> Self {
        Self { tag: loaded.tag(), loaded, replacing }
    }

    /// Draws a pane.
    pub(super) fn pane(
        &self,
        ui: &mut Ui,
        actions: &mut Vec<Action>,
        (title, question): (&str, &str),
        help: &'static Help,
        content: impl FnOnce(&mut Ui),
    ) {
        let toml = || data::toml(&self.loaded.run.spec);
        let (run, toml) = (Some(self.tag.as_str()), Some(&toml as &dyn Fn() -> String));
        let pane = Pane { title, question, help, run, toml, replacing: self.replacing };
        pane.show(ui, actions, |ui, _| content(ui));
        ui.add_space(GAP);
    }
}
