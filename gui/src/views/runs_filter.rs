//! The row above the runs: words that must occur, and by what the runs are ordered.

use babelscope::{
    filter::{Filter, Order, select},
    run::Entry,
};
use egui::{Button, RichText, TextEdit, Ui};

use crate::theme::Palette;

/// What the row knows between frames.
#[derive(Debug, Default)]
pub(super) struct FilterRow {
    filter: Filter,
    order: Order,
    /// The newest, the largest, the end of the alphabet last.
    ascending: bool,
}

impl FilterRow {
    /// Draws the row and gives the places of the entries to show, in their order.
    pub(super) fn show(&mut self, ui: &mut Ui, entries: &[Entry]) -> Vec<usize> {
        ui.horizontal_wrapped(|ui| {
            let field =
                TextEdit::singleline(&mut self.filter.words).hint_text("Filter: words of a run").desired_width(280.0);
            ui.add(field)
                .accessible_name("Filter runs")
                .on_hover_text("Words that all occur in its name, model, corpus, languages or probes");
            if !self.filter.is_empty() && ui.button("Clear").on_hover_text("Show every run").clicked() {
                self.filter = Filter::default();
            }
            ui.label(RichText::new("order").small().color(Palette::current(ui).weak));
            for order in Order::ALL {
                self.column(ui, order);
            }
        });
        let places = select(entries, &self.filter, self.order, !self.ascending);
        self.said(ui, entries, &places);
        places
    }

    /// A column's name: a click orders by it, a second one turns the order round.
    fn column(&mut self, ui: &mut Ui, order: Order) {
        let chosen = self.order == order;
        let arrow = match (chosen, self.ascending) {
            (false, _) => "",
            (true, true) => " ↑",
            (true, false) => " ↓",
        };
        let button = ui.add(Button::selectable(chosen, format!("{}{arrow}", order.title())));
        let name = format!("Order runs by {}", order.title());
        if button.accessible_name(name).on_hover_text("Click again to turn the order round").clicked() {
            // Words are read from A, numbers and dates from the largest.
            let from_least = matches!(order, Order::Name | Order::Model | Order::Corpus);
            self.ascending = if chosen { !self.ascending } else { from_least };
            self.order = order;
        }
    }

    /// How many of how many; and what to do where nothing fits.
    fn said(&mut self, ui: &mut Ui, entries: &[Entry], places: &[usize]) {
        if self.filter.is_empty() {
            return;
        }
        let weak = Palette::current(ui).weak;
        let readable = |at: &&usize| entries.get(**at).is_some_and(|e| e.manifest.is_ok());
        let fitting = places.iter().filter(readable).count();
        let all = entries.iter().filter(|e| e.manifest.is_ok()).count();
        let text = if fitting == 0 {
            format!("None of the {all} runs has all of these words in its name, model, corpus, languages or probes.")
        } else {
            format!("{fitting} of {all} runs")
        };
        ui.label(RichText::new(text).small().color(weak));
    }
}
