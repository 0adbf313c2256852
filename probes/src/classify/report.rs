//! Rows of one task at one layer.

use super::{Target, code::Code, task::Task, transfer::Transfer, validate::Validated};
use crate::{
    bootstrap::{Draws, interval},
    measure::{Estimate, Row},
    null,
};

/// What a row needs besides its value.
pub(crate) struct Page<'a> {
    pub(crate) task: &'a Task,
    pub(crate) languages: &'a [String],
    pub(crate) layer: usize,
    pub(crate) draws: &'a Draws,
}

impl Page<'_> {
    fn row(&self, metric: &str, value: f64) -> Row {
        Row::new(metric, value, self.task.sentences).at(self.layer).variant(&self.task.name)
    }

    fn estimated(&self, metric: &str, found: Estimate) -> Row {
        let row = self.row(metric, found.value);
        if self.draws.draws() > 0 { row.within(found.low, found.high) } else { row }
    }

    /// The mean over rows of a number that every row has, by sentences.
    fn mean(&self, of: impl Fn(usize) -> f64) -> Estimate {
        let (n, languages) = (self.task.sentences, self.task.languages.len());
        let each = |i: usize| (0..languages).map(|l| of(l * n + i)).sum::<f64>() / languages as f64;
        self.draws.mean(&(0..n).map(each).collect::<Vec<_>>())
    }

    /// A number of weighted sentences, with the interval of its values in the draws.
    fn drawn(&self, of: impl Fn(&[f64]) -> f64) -> Estimate {
        let value = of(&vec![1.0; self.task.sentences]);
        interval(value, (0..self.draws.draws()).map(|b| of(&self.draws.weights(b))).collect())
    }

    /// Accuracy and its companions.
    pub(crate) fn quality(&self, found: &Validated) -> Vec<Row> {
        let held = &found.held;
        let number = |hit: bool| f64::from(u8::from(hit));
        let accuracy = self.mean(|row| number(held.hit(row)));
        let majority = self.mean(|row| number(found.majority[row])).value;
        let mut rows = vec![
            Row {
                shuffled: null::fit(accuracy.value, &found.shuffled, true),
                ..self.estimated("accuracy", accuracy).chance(majority)
            },
            self.estimated("macro_f1", self.drawn(|w| held.macro_f1(w))),
            self.estimated("auroc", self.drawn(|w| held.auroc(w))).chance(0.5),
            self.estimated("calibration", self.drawn(|w| held.calibration(w))),
            self.row("majority", majority),
        ];
        if !found.control.is_empty() {
            let control = |row: usize| number(found.control[row]);
            rows.push(self.estimated("control_accuracy", self.mean(control)).chance(self.agreement()));
            rows.push(self.estimated("selectivity", self.mean(|row| number(held.hit(row)) - control(row))));
        }
        rows.push(self.estimated("v_information", self.mean(|row| found.information[row])).chance(0.0));
        rows.extend(self.of_classes(found));
        rows
    }

    /// The share of the most frequent class: what a probe that has learnt nothing reaches on labels drawn from the classes.
    fn agreement(&self) -> f64 {
        let mut counts = vec![0usize; self.task.classes.len()];
        self.task.truth.iter().for_each(|class| counts[*class as usize] += 1);
        counts.iter().max().copied().unwrap_or(0) as f64 / self.task.truth.len() as f64
    }

    /// Class accuracy, and who was taken for whom.
    fn of_classes(&self, found: &Validated) -> Vec<Row> {
        let counts = found.held.confusion(&vec![1.0; self.task.sentences]);
        let mut rows = Vec::new();
        for (class, name) in self.task.classes.iter().enumerate() {
            let total = counts.row(class).sum();
            // By sentence: rows of the class, and those of them that are right.
            let mut own = vec![(0.0, 0.0); self.task.sentences];
            for row in (0..found.held.truth.len()).filter(|row| found.held.truth[*row] as usize == class) {
                let (all, right) = &mut own[found.held.sentence[row]];
                *all += 1.0;
                *right += f64::from(u8::from(found.held.hit(row)));
            }
            let share = |w: &[f64]| {
                let sums = own.iter().zip(w).fold((0.0, 0.0), |(all, right), (s, w)| (all + w * s.0, right + w * s.1));
                sums.1 / sums.0
            };
            let named = |row: Row| if self.task.target == Target::Language { row.of(name) } else { row.item(name) };
            rows.push(Row { n: total as usize, ..named(self.estimated("class_accuracy", self.drawn(share))) });
            if self.task.target == Target::Language {
                for (other, taken) in self.task.classes.iter().enumerate() {
                    let share = self.row("confusion", counts[[class, other]] / total).of(name).against(taken);
                    rows.push(Row { n: total as usize, ..share });
                }
            }
        }
        rows
    }

    /// Bits of the online code.
    pub(crate) fn code(&self, code: &Code) -> Vec<Row> {
        let length = self.row("codelength", code.online).chance(code.uniform);
        vec![length, self.row("compression", code.uniform / code.online).chance(1.0)]
    }

    /// The transfer matrix, raw and centred.
    pub(crate) fn transfer(&self, found: &[Transfer]) -> Vec<Row> {
        let chance = self.agreement();
        let name = |at: usize| &self.languages[self.task.languages[at]];
        let row = |pair: &Transfer, hits: &[bool], variant: &str| {
            let found = self.estimated("transfer_accuracy", self.draws.share(hits.iter().copied()));
            found.of(name(pair.tested)).against(name(pair.trained)).variant(variant).chance(chance)
        };
        let centred = format!("{}_centred", self.task.name);
        let both = |pair: &Transfer| [row(pair, &pair.raw, &self.task.name), row(pair, &pair.centred, &centred)];
        found.iter().flat_map(both).collect()
    }
}
