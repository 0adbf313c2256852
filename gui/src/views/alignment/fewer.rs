//! MEXA of fewer sentences: how a score falls as rivals become more.

use babelscope_probes::measure::Row;
use egui::{Id, Ui};

use super::shown::Shown;
use crate::{
    catalogue::Series,
    data::{Loaded, colour_index, mark, said},
    state::Selection,
    widgets::{
        curve::{Curve, Curves},
        pane::{self, Help},
    },
};

pub(super) const HELP: Help = Help {
    what: "MEXA of the first sentences alone, for growing n, at one layer. More sentences are more rivals, so every score falls; \
           a language that is aligned falls slowly, and chance falls with 1 / n.",
    formula: "MEXA(m): the same formula on the first m sentences\nchance = 1 / (2m − 1)",
    traps: &["Two runs with different n are compared at the same m, never at their ends."],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<Id>,
    layer: usize,
    /// The languages that have a curve; the curve behind them is that of chance.
    languages: Vec<String>,
    curves: Vec<Curve>,
}

impl State {
    /// Finds the curves again when something has changed; `false` where the run has none of this measure.
    pub(super) fn refresh(&mut self, shown: &Shown, selection: &Selection, loaded: &Loaded) -> bool {
        let Some(&deepest) = shown.layers.last() else { return false };
        self.layer = selection.layer.filter(|layer| shown.layers.contains(layer)).unwrap_or(deepest);
        let key = shown.key.with(("fewer", self.layer));
        if self.key == Some(key) {
            return !self.curves.is_empty();
        }
        self.key = Some(key);
        self.curves.clear();
        if shown.choice.probe != "align" || shown.choice.metric != "mexa" {
            return false;
        }
        let all = loaded.catalogue.series().iter();
        let fewer: Vec<&Series> = all
            .filter(|s| s.choice.probe == "align" && s.choice.metric == "mexa_at_n" && s.variant == shown.variant)
            .chain(shown.series(loaded))
            .collect();
        if fewer.len() < 2 {
            return false;
        }
        let of = |language: &str| -> Vec<&Row> {
            let row = |series: &&Series| loaded.catalogue.cell(series, &shown.pivot, language, Some(self.layer));
            fewer.iter().filter_map(row).collect()
        };
        let curve = |language: &String| {
            let colour = colour_index(&loaded.run.corpus, language);
            let rows = of(language).into_iter().map(|row| (row.n as f64, row));
            let curve = Curve { strong: false, ..Curve::of_rows(mark(language, &shown.rows), colour, rows) };
            (curve.x.len() > 1).then(|| (language.clone(), curve))
        };
        (self.languages, self.curves) = shown.rows.iter().filter_map(curve).unzip();
        if let Some(longest) = self.curves.first() {
            let chance = |n: &f64| 1.0 / (2.0 * n - 1.0);
            let (x, y) = (longest.x.clone(), longest.x.iter().map(chance).collect());
            let name = "chance".to_owned();
            self.curves.push(Curve {
                name,
                colour: 1,
                script: true,
                x,
                y,
                band: (Vec::new(), Vec::new()),
                strong: false,
            });
        }
        !self.curves.is_empty()
    }

    /// Draws the pane.
    pub(super) fn show(&mut self, ui: &mut Ui, selection: &Selection) {
        for (curve, language) in self.curves.iter_mut().zip(&self.languages) {
            curve.strong = selection.language.as_ref() == Some(language);
        }
        let chosen = selection.language.as_deref().map_or_else(String::new, |l| format!("; strong: {}", said(l)));
        pane::note(ui, format!("layer {}{chosen}", self.layer));
        let plot = Curves {
            name: "MEXA over the number of sentences",
            across: "sentences",
            axis: "MEXA",
            range: (0.0, 1.0),
            curves: &self.curves,
            null: None,
            chance: None,
            marked: None,
            height: 210.0,
        };
        plot.show(ui);
    }
}
