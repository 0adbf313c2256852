//! The frame of every pane: title, the question it answers, which run it shows, help, and the spec as TOML.

use egui::{Align, Layout, RichText, Ui};

use crate::{
    command::Action,
    theme::{self, Palette},
};

/// What the "?" of a pane says.
#[derive(Clone, Copy, Debug)]
pub struct Help {
    /// What is drawn.
    pub what: &'static str,
    /// The formula, in the letters of methods.md.
    pub formula: &'static str,
    /// What must not be read into it.
    pub traps: &'static [&'static str],
}

/// A pane.
pub struct Pane<'a> {
    /// Its title.
    pub title: &'a str,
    /// The question that it answers.
    pub question: &'a str,
    /// What "?" says.
    pub help: &'static Help,
    /// Which run is this.
    pub run: Option<&'a str>,
    /// Makes the TOML that produces what is shown.
    pub toml: Option<&'a dyn Fn() -> String>,
    /// Whether a newer result is being made: the old one stays, with a mark.
    pub replacing: bool,
}

impl Pane<'_> {
    /// Draws the frame with `content` inside.
    pub fn show<R>(
        &self,
        ui: &mut Ui,
        actions: &mut Vec<Action>,
        content: impl FnOnce(&mut Ui, &mut Vec<Action>) -> R,
    ) -> R {
        let colours = *Palette::current(ui);
        colours
            .card_frame()
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                self.head(ui, &colours, actions);
                if self.replacing {
                    let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 3.0), egui::Sense::hover());
                    ui.painter().rect_filled(rect, 1.5, colours.accent);
                    ui.add(egui::Label::new(
                        RichText::new("being replaced by a newer result").small().color(colours.accent),
                    ));
                }
                ui.add_space(4.0);
                content(ui, actions)
            })
            .inner
    }

    fn head(&self, ui: &mut Ui, colours: &Palette, actions: &mut Vec<Action>) {
        ui.horizontal(|ui| {
            ui.label(RichText::new(self.title).heading().strong());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let help = ui.button("?").on_hover_text("Formula, and what not to read into it");
                let help = help.accessible_name(format!("Help for {}", self.title));
                egui::Popup::from_toggle_button_response(&help)
                    .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                    .width(440.0)
                    .show(|ui| self.help_text(ui, colours));
                if let Some(toml) = self.toml {
                    let copy = ui
                        .button("Copy as TOML")
                        .on_hover_text("The spec that makes exactly this; `babelscope run` executes it");
                    if copy.accessible_name(format!("Copy {} as TOML", self.title)).clicked() {
                        actions.push(Action::Copy { what: "spec as TOML".to_owned(), text: toml() });
                    }
                }
                if let Some(run) = self.run {
                    let width = (ui.available_width() - 8.0).max(0.0);
                    crate::text::Line::new(format!("run {run}"))
                        .size(theme::SMALL)
                        .color(colours.weak)
                        .width(width)
                        .show(ui);
                }
            });
        });
        ui.add(egui::Label::new(RichText::new(self.question).color(colours.weak)).wrap());
    }

    fn help_text(&self, ui: &mut Ui, colours: &Palette) {
        ui.label(RichText::new(self.title).strong());
        ui.label(self.help.what);
        ui.add_space(4.0);
        colours.well_frame().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(egui::Label::new(RichText::new(self.help.formula).monospace()).wrap());
        });
        ui.add_space(4.0);
        ui.label(RichText::new("Do not read into it").strong());
        for trap in self.help.traps {
            ui.horizontal_top(|ui| {
                ui.label("–");
                ui.add(egui::Label::new(*trap).wrap());
            });
        }
    }
}

/// A chooser of a few values side by side; `name` is its accessible name.
pub fn segmented<T: Copy + PartialEq>(ui: &mut Ui, name: &str, value: &mut T, options: &[(T, &str, &str)]) -> bool {
    let mut changed = false;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for (option, label, tip) in options {
            let response = ui.add(egui::Button::selectable(*value == *option, *label)).on_hover_text(*tip);
            let response = response.accessible_name(format!("{name}: {label}"));
            if response.clicked() && *value != *option {
                *value = *option;
                changed = true;
            }
        }
    });
    changed
}

/// A small note.
pub fn note(ui: &mut Ui, text: impl Into<String>) {
    let colours = Palette::current(ui);
    ui.add(egui::Label::new(RichText::new(text).small().color(colours.weak)).wrap());
}

/// A pane with nothing to show yet: what to do instead.
pub fn empty(ui: &mut Ui, title: &str, text: &str) {
    let colours = *Palette::current(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.28).min(160.0));
        ui.label(RichText::new(title).size(theme::TITLE + 3.0).strong());
        ui.add_space(4.0);
        ui.label(RichText::new(text).color(colours.weak));
        ui.add_space(8.0);
    });
}
