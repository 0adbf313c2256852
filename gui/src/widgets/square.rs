//! A series as a square of languages by languages, found once and drawn every frame.

use babelscope_probes::measure::Row;
use egui::{Id, Ui};

use super::{matrix::Matrix, reading};
use crate::{
    catalogue::Series,
    data::Loaded,
    measures::{self, Scale, number},
    order::{Order, of_probe, ordered},
    state::Selection,
    theme::Palette,
};

/// How a series becomes a square.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The layer, where the series has layers.
    pub layer: Option<usize>,
    /// In which order both sides stand.
    pub order: Order,
    /// Whether a pair that is there one way stands for both.
    pub mirrored: bool,
    /// The range of the colours; that of the metric otherwise.
    pub scale: Option<Scale>,
}

/// The names and the rows of a square, made anew only when the key changes.
#[derive(Debug, Default)]
pub struct Square {
    key: Option<Id>,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Numbers of rows in the catalogue, `[language][pivot]`.
    cells: Vec<Option<u32>>,
    scale: Option<Scale>,
}

/// How a square is called, and what its sides are.
pub struct Names<'a> {
    /// What a screen reader calls it.
    pub name: &'a str,
    /// What the rows are.
    pub down: &'a str,
    /// What the columns are.
    pub across: &'a str,
}

impl Square {
    /// Finds the cells again when something has changed.
    pub fn refresh(&mut self, loaded: &Loaded, series: &Series, look: Look) {
        let range = look.scale.map(|s| [s.low.to_bits(), s.high.to_bits()]);
        let key = Id::unique((loaded.stamp, &series.choice, &series.variant, look.layer, look.order, range));
        if self.key == Some(key) {
            return;
        }
        let find = |language: &str, pivot: &str| {
            let other = || look.mirrored.then(|| series.find(language, pivot, look.layer)).flatten();
            series.find(pivot, language, look.layer).or_else(other)
        };
        let value = |language: &str, pivot: &str| {
            find(language, pivot).and_then(|row| loaded.catalogue.row(row)).and_then(|row| row.value)
        };
        let mut all = series.languages.clone();
        all.extend(series.pivots.iter().filter(|pivot| !series.languages.contains(pivot)).cloned());
        all.retain(|language| !language.is_empty());
        let others = all.clone();
        let profile = |language: &str| -> Vec<f64> {
            let both = |other: &String| value(language, other).or_else(|| value(other, language));
            others.iter().map(|other| both(other).unwrap_or(f64::NAN)).collect()
        };
        let score = |language: &str| {
            let values: Vec<f64> = profile(language).into_iter().filter(|v| v.is_finite()).collect();
            if values.is_empty() { f64::NEG_INFINITY } else { values.iter().sum::<f64>() / values.len() as f64 }
        };
        let known = of_probe(loaded.catalogue.rows("structure", "cluster_order"));
        let all = ordered(all, look.order, &score, &profile, known.as_deref());
        let on = |side: &[String]| -> Vec<String> {
            all.iter().filter(|language| look.mirrored || side.contains(language)).cloned().collect()
        };
        (self.rows, self.columns) = (on(&series.languages), on(&series.pivots));
        self.cells =
            (self.rows.iter()).flat_map(|language| self.columns.iter().map(|pivot| find(language, pivot))).collect();
        let colours = measures::info(&series.choice.metric).colours;
        let rows = self.cells.iter().flatten().filter_map(|number| loaded.catalogue.row(*number));
        self.scale = Some(look.scale.unwrap_or_else(|| Scale::new(colours, rows.filter_map(|row| row.value))));
        self.key = Some(key);
    }

    fn row<'l>(&self, loaded: &'l Loaded, row: usize, column: usize) -> Option<&'l Row> {
        loaded.catalogue.row(self.cells.get(row * self.columns.len() + column).copied().flatten()?)
    }

    /// Draws the square with its legend; gives the language and the pivot that were clicked.
    pub fn show(
        &self,
        ui: &mut Ui,
        names: &Names<'_>,
        selection: &Selection,
        loaded: &Loaded,
    ) -> Option<(String, String)> {
        let colours = *Palette::current(ui);
        let (key, scale) = (self.key?, self.scale?);
        scale.legend(ui, names.name);
        let at = |side: &[String], wanted: Option<&String>| side.iter().position(|l| Some(l) == wanted);
        let selected = at(&self.rows, selection.language.as_ref()).zip(at(&self.columns, selection.pivot.as_ref()));
        let value = |row: usize, column: usize| self.row(loaded, row, column).and_then(|row| row.value);
        let none = |row: usize, column: usize| match (self.rows.get(row), self.columns.get(column)) {
            (Some(a), Some(b)) if a == b => format!("{} with itself is not measured", crate::data::said(a)),
            _ => "no value: the run has no such number".to_owned(),
        };
        let matrix = Matrix {
            id: ui.scope_id().with(names.name),
            name: names.name,
            rows: &self.rows,
            columns: &self.columns,
            down: names.down,
            across: names.across,
            colour: &|row, column| scale.colour(&colours, value(row, column)),
            number: &|row, column| value(row, column).map(|v| number(v).chars().take(4).collect()),
            stamp: key.with(colours.dark).value(),
            marked: &|row, column| self.row(loaded, row, column).is_some_and(reading::weak),
            describe: &|row, column| {
                self.row(loaded, row, column).map_or_else(|| none(row, column), |row| reading::describe(row, true))
            },
            selected,
        };
        let output = matrix.show(ui);
        if let Some(row) = output.hovered.and_then(|(row, column)| self.row(loaded, row, column)) {
            let premium = loaded.catalogue.premium(&row.language, &row.pivot);
            output.response.on_hover_ui_at_pointer(|ui| reading::tooltip(ui, row, premium, "click to choose the pair"));
        }
        let (row, column) = output.chosen.filter(|(row, column)| self.row(loaded, *row, *column).is_some())?;
        Some((self.rows.get(row)?.clone(), self.columns.get(column)?.clone()))
    }
}
