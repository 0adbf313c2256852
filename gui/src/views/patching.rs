//! Patching: which states, heads or edges carry an answer. Two prompts, the grid between them, and the two runs behind a cell.

mod cross;
mod form;
mod grid;
mod means;
mod sides;

use babelscope::{run::Run, spec::ProbeSpec};
use babelscope_probes::patch::{PatchParams, PatchedRun};
use egui::{ScrollArea, Ui};

use crate::{
    command::Action,
    data::{self, Loaded},
    state::{PatchingSettings, Selection},
    theme::GAP,
    views::frames::Frames,
    widgets::pane::{Help, Pane, empty},
    worker::Slot,
};

/// The probe whose results are drawn here.
pub const KIND: &str = "patch";

const HELP: Help = Help {
    what: "Two prompts of as many tokens that differ in what the answer rests on. Each state of the one run is put into the other, one at a \
           time, and the answer is read again. A row is a layer, a column a token, a head, or so many neurons.",
    formula: "effect = (m_patched − m_base) / (m_donor − m_base)\n\
              denoise: clean states into the corrupt run (is the place enough?)\n\
              noise: corrupt states into the clean run (is it needed?)\n\
              m = logit difference of answer and wrong answer, or another metric",
    traps: &[
        "Two prompts that the model hardly tells apart make effects of noise: look at the two metrics first.",
        "A place that is enough need not be needed, and the other way round.",
        "Layer 0 at the word that differs is 1 by construction, and so is the last layer at the last token.",
    ],
};

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    form: form::Form,
    grid: grid::State,
    means: means::State,
    cross: cross::State,
}

impl View {
    /// Forgets what belongs to another run; the form stays.
    pub fn reset(&mut self) {
        *self = Self { form: std::mem::take(&mut self.form), ..Self::default() };
    }
}

/// What the view draws from.
pub struct Source<'a> {
    /// The run that all screens show: a new pair is read with its model.
    pub main: Option<&'a Loaded>,
    /// The run with the patched pairs.
    pub patch: Option<&'a Loaded>,
    /// Whether a newer one is being made.
    pub busy: bool,
}

/// The pairs of a run.
fn runs(run: &Run) -> &[PatchedRun] {
    run.detailed(KIND).map_or(&[], |details| &details.patched)
}

/// The experiment that a run has made.
fn experiment(run: &Run) -> Option<&PatchParams> {
    run.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Patch(params) => Some(params),
        _ => None,
    })
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut PatchingSettings,
    selection: &mut Selection,
    source: &Source<'_>,
    actions: &mut Vec<Action>,
) {
    ScrollArea::vertical().id_salt("patching").auto_shrink(false).show(ui, |ui| {
        start(ui, &mut view.form, source, actions);
        ui.add_space(GAP);
        let Some(loaded) = source.patch.filter(|loaded| loaded.run.probed(KIND).is_some()) else {
            let text = "Write two prompts above, or add a probe to the spec, [[probe]] kind = \"patch\".";
            return empty(ui, "Nothing has been patched yet", text);
        };
        let frames = Frames::new(loaded, source.busy);
        grid::show(ui, &mut view.grid, settings, loaded, &frames, actions);
        if cross::has_rows(loaded) {
            cross::show(ui, &mut view.cross, selection, loaded, &frames, actions);
        }
        means::show(ui, &mut view.means, loaded, &frames, actions);
    });
}

fn start(ui: &mut Ui, form: &mut form::Form, source: &Source<'_>, actions: &mut Vec<Action>) {
    let base = source.main.or(source.patch);
    let spec = form.spec(base);
    let toml = || data::toml(&spec);
    let pane = Pane {
        title: "Two prompts",
        question: "Which place carries what makes one prompt answered otherwise than the other?",
        help: &HELP,
        run: None,
        toml: Some(&toml),
        replacing: false,
    };
    let ordered = pane.show(ui, actions, |ui, _| form::show(ui, form, &spec, base));
    if ordered {
        actions.push(Action::Execute(Slot::Patch, Box::new(spec.clone())));
    }
}
