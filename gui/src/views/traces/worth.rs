//! What each step of a trace is worth: what becomes of the answer when it is thought again, how heads look back at it, and what later steps
//! lose without it, as bars by step.

use babelscope::spec::ProbeSpec;
use babelscope_probes::{
    cot::{
        inside::{Importance, Receivers, Shift},
        watched::Watched,
    },
    measure::Estimate,
};
use egui::{Color32, Id, Ui};

use super::{
    effects::{self, Effect},
    known::{Shown, note},
    strip::{Bar, Cell, Look, Strip, Strips},
};
use crate::{data::Loaded, measures::number, widgets::pane};

/// Height of a strip of bars.
const ROW: f32 = 58.0;

/// The bars and the map of one trace.
#[derive(Debug, Default)]
pub(super) struct State {
    strips: Strips,
    effects: effects::State,
}

fn estimate(found: Estimate) -> String {
    format!("{} (95 %: {} to {})", number(found.value), number(found.low), number(found.high))
}

fn difference(shift: &Shift, more: &str) -> Cell {
    let Estimate { value, low, high } = shift.accuracy;
    let said = format!("{}{more}; the answers differ by {} nats", estimate(shift.accuracy), number(shift.kl));
    Cell::Bar(Bar { value, ends: Some((low, high)), range: (-1.0, 1.0), said })
}

fn by_rollouts(all: &[Importance], steps: usize) -> [Strip; 4] {
    let of = |step: usize| all.iter().find(|one| one.step == step);
    let resampling = |step: usize| {
        let one = of(step)?;
        let [before, behind] = one.accuracy.map(|accuracy| number(accuracy.value));
        let more = format!("; right: {behind} of {} behind it, {before} of {} before it", one.n[1], one.n[0]);
        Some(difference(&one.resampling, &more))
    };
    let counterfactual =
        |step: usize| Some(difference(of(step)?.counterfactual.as_ref()?, ", below 0 where the step helps"));
    let different = |step: usize| {
        let found = of(step)?.different?;
        let ends = Some((found.low, found.high));
        Some(Cell::Bar(Bar { value: found.value, ends, range: (0.0, 1.0), said: estimate(found) }))
    };
    let again = |step: usize| {
        let value = of(step)?.overdetermined;
        Some(Cell::Bar(Bar { value, ends: None, range: (0.0, 1.0), said: number(value) }))
    };
    [
        Strip::by_step("resampling importance", steps, resampling),
        Strip::by_step("counterfactual importance", steps, counterfactual),
        Strip::by_step("share that means another", steps, different),
        Strip::by_step("overdetermined", steps, again),
    ]
}

/// Amounts from 0 up, the largest of them as high as the strip.
fn amounts(name: String, values: &[Option<f64>], steps: usize, unit: &str) -> Strip {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let cell = |step: usize| {
        let value = values.get(step).copied().flatten()?;
        let said = if value != 0.0 && value.abs() < 5e-3 {
            format!("{value:.2e}{unit}")
        } else {
            format!("{}{unit}", number(value))
        };
        Some(Cell::Bar(Bar { value, ends: None, range: (0.0, most), said }))
    };
    Strip::by_step(name, steps, cell)
}

/// All that was measured of the steps; what says nothing of any step is left out.
fn strips(watched: &Watched, steps: usize) -> Vec<Strip> {
    let mut all: Vec<Strip> = by_rollouts(&watched.importance, steps).into_iter().collect();
    if let Some(own) = &watched.receivers {
        all.push(amounts(format!("receiver score, {} heads", own.top.len()), &own.score, steps, ""));
    }
    for effect in Effect::ALL {
        if let Some(own) = effect.of(watched) {
            let name = format!("effect when {}", effect.name());
            all.push(amounts(name, &own.of_each(), steps, " nats"));
        }
    }
    all.retain(|strip| !strip.is_empty());
    all
}

/// The keys of `[probe.watch]` that ask for all of this, each with what it gives, and whether the run has set it.
fn keys(loaded: &Loaded) -> Option<[(bool, &'static str); 4]> {
    let watch = loaded.run.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Cot(spec) => Some(&spec.watch),
        _ => None,
    })?;
    Some([
        (watch.rollouts > 0, "rollouts = 20 (importance)"),
        (watch.receivers, "receivers = true (heads that look back)"),
        (watch.suppress, "suppress = true (steps cut from sight)"),
        (watch.leave_out, "leave_out = true (steps left out)"),
    ])
}

/// Whether the run has asked for any of this.
pub(super) fn asked(loaded: &Loaded) -> bool {
    keys(loaded).is_none_or(|keys| keys.iter().any(|(set, _)| *set))
}

/// Says which keys ask for what the run did not ask for.
pub(super) fn ask(ui: &mut Ui, loaded: &Loaded) {
    let keys = keys(loaded).into_iter().flatten();
    let missing: Vec<&str> = keys.filter(|(set, _)| !set).map(|(_, key)| key).collect();
    if !missing.is_empty() {
        pane::note(ui, format!("This run did not ask for everything; under [probe.watch]: {}.", missing.join(", ")));
    }
}

fn heads(ui: &mut Ui, who: &str, receivers: &Receivers) {
    if receivers.top.is_empty() {
        return;
    }
    pane::note(ui, format!("heads that look back at few steps, of {}, the most pointed first:", receivers.heads.len()));
    ui.horizontal_wrapped(|ui| {
        for (rank, (block, head)) in receivers.top.iter().enumerate() {
            let known = receivers.heads.iter().find(|own| (own.block, own.head) == (*block, *head));
            let kurtosis = known.and_then(|own| own.kurtosis).map_or_else(|| "none".to_owned(), number);
            let text = egui::RichText::new(format!("block {block} head {head}: {kurtosis}")).small();
            let label = ui.add(egui::Label::new(text).extend());
            let label = label
                .on_hover_text("Kurtosis of what the head gives each step, seen from later steps; a normal one has 0");
            label.accessible_name(format!(
                "{who} receiver head {}: block {block}, head {head}, kurtosis {kurtosis}",
                rank + 1
            ));
        }
    });
}

/// Draws bars, heads and the map of steps by steps, or says that there is nothing where something was `asked` for; gives the part that was
/// clicked.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    shown: &Shown<'_>,
    effect: &mut Effect,
    asked: bool,
) -> Option<usize> {
    let watched = shown.watched;
    state.strips.refresh(Id::unique((shown.stamp, watched.trace)), shown.steps, || strips(watched, shown.steps));
    let name = format!("{} importance of steps", shown.who);
    let tint = |_: &str| Color32::TRANSPARENT;
    let look = Look { name: &name, height: ROW, part: shown.part, languages: &[], tint: &tint };
    if asked && state.strips.is_empty() {
        pane::note(ui, format!("{}: nothing of this was measured; the notes further up say why", shown.who));
    }
    let mut clicked = state.strips.show(ui, &look);
    if !watched.importance.is_empty() && watched.importance.iter().all(|one| one.different.is_none()) {
        pane::note(ui, "nothing compared the new steps by meaning, so there is no counterfactual importance");
    }
    if let Some(receivers) = &watched.receivers {
        heads(ui, shown.who, receivers);
        receivers.notes.iter().for_each(|text| note(ui, text));
    }
    if let Some(influence) = effects::choose(ui, &format!("{} steps by steps", shown.who), effect, watched) {
        influence.notes.iter().for_each(|text| note(ui, text));
        clicked = clicked.or_else(|| effects::map(ui, &mut state.effects, shown, influence));
    }
    clicked
}

#[cfg(test)]
mod tests {
    use babelscope_probes::cot::inside::{Rollout, importance};

    use super::*;

    fn rollouts(answers: [&str; 4]) -> Vec<Rollout> {
        let rollout = |answer: &str| Rollout { answer: Some(answer.to_owned()), first: answer.to_owned(), tokens: 1 };
        answers.into_iter().map(rollout).collect()
    }

    #[test]
    fn bars_say_their_numbers_and_where_there_are_none_nothing_stands() {
        let (before, behind) = (rollouts(["7", "8", "8", "9"]), rollouts(["7", "7", "7", "8"]));
        let one = importance(1, &before, &behind, "7", &[], 1.0);
        let found = strips(&Watched { importance: vec![one], ..Watched::default() }, 3);
        let names: Vec<&str> = found.iter().map(|strip| strip.name.as_str()).collect();
        // Nothing was compared by meaning, so two of the four have no cell.
        assert_eq!(names, ["resampling importance", "overdetermined"]);
        assert_eq!(found[0].cells.len(), 4);
        let Cell::Bar(bar) = &found[0].cells[2] else { panic!("no bar: {:?}", found[0]) };
        assert_eq!((bar.value, bar.range), (0.5, (-1.0, 1.0)));
        assert!(bar.said.starts_with("0.500 (95 %: "), "{}", bar.said);
        assert!(bar.said.contains("right: 0.750 of 4 behind it, 0.250 of 4 before it"), "{}", bar.said);
        assert_eq!(found[0].cells[1], Cell::Empty);
    }

    #[test]
    fn small_amounts_keep_their_digits() {
        let strip = amounts("receiver score".to_owned(), &[Some(0.0012), Some(0.5), None], 3, "");
        let said = |cell: &Cell| if let Cell::Bar(bar) = cell { bar.said.clone() } else { String::new() };
        assert_eq!(strip.cells.iter().map(said).collect::<Vec<_>>(), ["", "1.20e-3", "0.500", ""]);
    }
}
