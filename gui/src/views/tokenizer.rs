//! Tokenizer: what it does to each language, what its vocabulary is made of, and what goes along with alignment.

mod languages;
mod relation;
mod tasks;
mod vocabulary;

use egui::{ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use super::frames::Frames;
use crate::{
    command::Action,
    data::Loaded,
    state::{Selection, TokenizerSettings},
    widgets::{choose::tabs, pane},
};

/// The probes whose numbers are drawn here.
pub const KINDS: [&str; 2] = ["tokenizer", "tasks"];

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tab {
    /// Numbers of each language.
    #[default]
    Languages,
    /// What the vocabulary is made of, and who shares it.
    Vocabulary,
    /// What goes along with alignment: premium, resources, scores of tasks.
    Tasks,
}

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    languages: languages::State,
    vocabulary: vocabulary::State,
    tasks: relation::State,
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut TokenizerSettings,
    selection: &mut Selection,
    loaded: Option<&Loaded>,
    replacing: bool,
    actions: &mut Vec<Action>,
) {
    let all = [(Tab::Languages, "Languages"), (Tab::Vocabulary, "Vocabulary"), (Tab::Tasks, "Tasks")];
    tabs(ui, &mut settings.tab, &all);
    ui.add_space(4.0);
    let kind = if settings.tab == Tab::Tasks { "tasks" } else { "tokenizer" };
    // Premium can be laid against alignment without the probe `tasks`.
    let there = |loaded: &&Loaded| {
        loaded.run.probed(kind).is_some() || (kind == "tasks" && loaded.run.probed("tokenizer").is_some())
    };
    let Some(loaded) = loaded.filter(there) else {
        pane::empty(
            ui,
            "Not measured in this run",
            &format!(
                "Add a probe to the spec, [[probe]] kind = \"{kind}\", or tick it in a new run on the screen Runs."
            ),
        );
        return;
    };
    let frames = Frames::new(loaded, replacing);
    ScrollArea::vertical().id_salt(kind).auto_shrink(false).show(ui, |ui| match settings.tab {
        Tab::Languages => languages::show(ui, &mut view.languages, settings, selection, loaded, &frames, actions),
        Tab::Vocabulary => vocabulary::show(ui, &mut view.vocabulary, selection, loaded, &frames, actions),
        Tab::Tasks => tasks::show(ui, &mut view.tasks, selection, loaded, &frames, actions),
    });
}
