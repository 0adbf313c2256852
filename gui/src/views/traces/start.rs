//! What to do where the run has no traces: the laboratory's word problems, solved by the model at hand.

use babelscope::spec::{ModelSpec, ProbeSpec, RunSpec};
use egui::Ui;

use super::KIND;
use crate::{
    command::Action,
    data::{self, Loaded},
    widgets::pane,
    worker::Slot,
};

/// The spec that solves the problems with the model of a run, or with the embedded one.
pub(super) fn spec(base: Option<&Loaded>) -> Option<RunSpec> {
    let known = base.map(|loaded| &loaded.run.spec);
    let model = known.and_then(|spec| spec.model.first().cloned()).unwrap_or_else(|| ModelSpec::new("lab"));
    let mut spec = RunSpec::new("traces", model, vec![ProbeSpec::of_kind(KIND)?]);
    if let Some(known) = known {
        (spec.data, spec.seed) = (known.data.clone(), known.seed);
    }
    Some(spec)
}

/// Draws the way to a first trace.
pub(super) fn show(ui: &mut Ui, base: Option<&Loaded>, running: bool, actions: &mut Vec<Action>) {
    let text = "Add a probe to the spec, [[probe]] kind = \"cot\": with `traces` it reads what others wrote, without it the model solves `problems`.";
    pane::empty(ui, "There are no traces in this run", text);
    let Some(spec) = spec(base) else { return };
    let wrong = spec.check().err();
    let model = base.map_or("the built-in model", |loaded| loaded.run.manifest.model.reference.as_str());
    ui.vertical_centered(|ui| {
        pane::note(
            ui,
            format!("the word problems of the laboratory, solved by {model}, compared, and watched along the way"),
        );
        let button = ui.add_enabled(wrong.is_none() && !running, egui::Button::new("Solve the word problems"));
        if button.clicked() {
            actions.push(Action::Execute(Slot::Run, Box::new(spec.clone())));
        }
        if ui.button("Copy as TOML").accessible_name("Copy the word problems as TOML").clicked() {
            actions.push(Action::Copy { what: "spec as TOML".to_owned(), text: data::toml(&spec) });
        }
        if let Some(why) = wrong {
            pane::note(ui, format!("{why:#}"));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_can_be_run_as_it_is() {
        let spec = spec(None).unwrap();
        assert!(spec.check().is_ok());
        assert_eq!(RunSpec::parse(&spec.to_toml().unwrap()).unwrap(), spec);
        assert_eq!(spec.probe[0].kind(), KIND);
    }
}
