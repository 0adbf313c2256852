//! What each step does to each later one, as a map of steps by steps: with the step cut from their sight, or left out.

use babelscope_probes::cot::{inside::Influence, watched::Watched};
use egui::{Align2, Id, Painter, Rect, Ui};
use serde::{Deserialize, Serialize};

use super::known::Shown;
use crate::{
    measures::{Scale, number},
    text::Line,
    theme::{Palette, SMALL, ink_on},
    widgets::{
        cells::Cells,
        pane::{self, segmented},
    },
};

/// Width of the names of the rows.
const NAMES: f32 = 90.0;
/// Height of the map where it can be had, and of one row.
const HEIGHT: f32 = 420.0;
const ROW: (f32, f32) = (4.0, 26.0);
/// Narrower cells have no number.
const NUMBER: f32 = 32.0;

/// In which way a step was taken from those behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// No later token sees it.
    #[default]
    Suppressed,
    /// It is not in the context.
    LeftOut,
}

/// The row in focus.
#[derive(Debug, Default)]
pub(super) struct State {
    row: usize,
}

impl Effect {
    pub(super) const ALL: [Self; 2] = [Self::Suppressed, Self::LeftOut];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::LeftOut => "left out",
        }
    }

    fn tip(self) -> &'static str {
        match self {
            Self::Suppressed => "Later steps do not see the step, in any layer and head",
            Self::LeftOut => "The step is not in the context, and what follows moves up",
        }
    }

    /// What was measured in this way.
    pub(super) fn of(self, watched: &Watched) -> Option<&Influence> {
        match self {
            Self::Suppressed => watched.influence.as_ref(),
            Self::LeftOut => watched.left_out.as_ref(),
        }
    }
}

/// A switch between those of the two ways that there are; gives which one counts: the wished one, or the other where it is alone.
pub(super) fn switch(ui: &mut Ui, name: &str, wished: &mut Effect, there: impl Fn(Effect) -> bool) -> Option<Effect> {
    let options: Vec<Effect> = Effect::ALL.into_iter().filter(|effect| there(*effect)).collect();
    match options.as_slice() {
        [] => None,
        [only] => Some(*only),
        both => {
            let both: Vec<(Effect, &str, &str)> = both.iter().map(|own| (*own, own.name(), own.tip())).collect();
            segmented(ui, name, wished, &both);
            Some(*wished)
        }
    }
}

/// The heading of the map with its switch; gives what it shows.
pub(super) fn choose<'w>(ui: &mut Ui, name: &str, wished: &mut Effect, watched: &'w Watched) -> Option<&'w Influence> {
    let some = |effect: Effect| effect.of(watched).filter(|own| own.kl.len() > 1);
    if !Effect::ALL.into_iter().any(|effect| some(effect).is_some()) {
        return None;
    }
    ui.add_space(6.0);
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "what later steps (down) lose without an earlier one (across), nats");
        some(switch(ui, name, wished, |effect| some(effect).is_some())?)
    })
    .inner
}

/// Draws the map; gives the part that was clicked: the earlier step.
pub(super) fn map(ui: &mut Ui, state: &mut State, shown: &Shown<'_>, influence: &Influence) -> Option<usize> {
    let colours = *Palette::current(ui);
    let steps = influence.kl.len();
    let value = |row: usize, column: usize| influence.kl.get(row + 1)?.get(column).copied();
    let most = influence.kl.iter().flatten().copied().fold(0.0, f64::max);
    let scale = Scale { low: 0.0, high: most, diverging: false };
    scale.legend(ui, "nats");
    let colour = |row: usize, column: usize| match value(row, column) {
        None => colours.card,
        some => scale.colour(&colours, some),
    };
    let overlay = |painter: &Painter, spot: Rect, row: usize, column: usize| {
        if let Some(value) = value(row, column).filter(|_| spot.width() >= NUMBER) {
            let line = Line::new(format!("{value:.2}")).size(SMALL - 1.0).color(ink_on(colour(row, column)));
            line.width(spot.width() - 2.0).paint(painter, spot.center(), Align2::CENTER_CENTER);
        }
    };
    let describe = |row: usize, column: usize| {
        let (later, earlier) = (row + 2, column + 1);
        let Some(value) = value(row, column) else {
            return format!("step {earlier} does not stand before step {later}");
        };
        let log = influence
            .log_kl
            .get(row + 1)
            .and_then(|row| row.get(column))
            .map_or(String::new(), |log| format!(", mean of the logarithm {}", number(*log)));
        let change = influence.change.replace('_', " ");
        format!("step {later} without step {earlier} ({change}): {} nats{log}", number(value))
    };
    let rows: Vec<String> = (2..=steps).map(|step| format!("step {step}")).collect();
    let columns: Vec<String> = (1..steps).map(|step| step.to_string()).collect();
    let column = shown.part.and_then(|part| part.checked_sub(1)).filter(|column| *column < columns.len());
    let name = format!("{} effects, later steps by earlier steps", shown.who);
    let cells = Cells {
        id: ui.scope_id().with(&name),
        name: &name,
        rows: &rows,
        columns: &columns,
        names: NAMES,
        width: (12.0, 60.0),
        height: (HEIGHT / rows.len().max(1) as f32).clamp(ROW.0, ROW.1),
        colour: &colour,
        overlay: &overlay,
        stamp: Id::unique((shown.stamp, shown.watched.trace, &influence.change, colours.dark)).value(),
        describe: &describe,
        // The last chosen row, or the first that has a number there.
        selected: column.map(|column| (state.row.clamp(column, rows.len() - 1), column)),
        column,
    };
    let (row, column) = cells.show(ui).filter(|(row, column)| value(*row, *column).is_some())?;
    state.row = row;
    Some(column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_own_numbers() {
        let of = |change: &str| Influence {
            change: change.to_owned(),
            temperature: 1.0,
            kl: Vec::new(),
            log_kl: Vec::new(),
            cost: Default::default(),
            notes: Vec::new(),
        };
        let watched =
            Watched { influence: Some(of("suppressed")), left_out: Some(of("left_out")), ..Watched::default() };
        let found = Effect::ALL.map(|effect| effect.of(&watched).unwrap().change.replace('_', " "));
        assert_eq!(found, Effect::ALL.map(|effect| effect.name().to_owned()));
    }
}
