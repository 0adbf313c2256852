//! Structure: what of the states is language, what can be read off them, and which neurons belong to one language.

mod distances;
mod effect;
mod neurons;
mod places;
mod probes;
mod subspace;

use egui::{ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use super::frames::Frames;
use crate::{
    command::Action,
    data::Loaded,
    state::{Selection, StructureSettings},
    widgets::{choose::tabs, pane},
};

/// The probes whose numbers are drawn here.
pub const KINDS: [&str; 3] = ["structure", "classify", "neurons"];

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tab {
    /// Where the languages lie.
    #[default]
    Subspace,
    /// What a linear probe reads.
    Probes,
    /// Neurons of one language.
    Neurons,
}

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    subspace: subspace::State,
    places: places::State,
    distances: distances::State,
    probes: probes::State,
    neurons: neurons::State,
    effect: effect::State,
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
    settings: &mut StructureSettings,
    selection: &mut Selection,
    loaded: Option<&Loaded>,
    replacing: bool,
    actions: &mut Vec<Action>,
) {
    let all = [(Tab::Subspace, "Subspace"), (Tab::Probes, "Linear probes"), (Tab::Neurons, "Neurons")];
    tabs(ui, &mut settings.tab, &all);
    ui.add_space(4.0);
    let kind = match settings.tab {
        Tab::Subspace => "structure",
        Tab::Probes => "classify",
        Tab::Neurons => "neurons",
    };
    let Some(loaded) = loaded.filter(|loaded| loaded.run.probed(kind).is_some()) else {
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
        Tab::Subspace => {
            subspace::show(ui, &mut view.subspace, selection, loaded, &frames, actions);
            places::show(ui, &mut view.places, selection, loaded, &frames, actions);
            distances::show(ui, &mut view.distances, selection, loaded, &frames, actions);
        }
        Tab::Probes => probes::show(ui, &mut view.probes, settings, selection, loaded, &frames, actions),
        Tab::Neurons => {
            neurons::show(ui, &mut view.neurons, selection, loaded, &frames, actions);
            effect::show(ui, &mut view.effect, selection, loaded, &frames, actions);
        }
    });
}
