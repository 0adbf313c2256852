//! Choosers: a list under a button, with headings where there are several groups.

use egui::{ComboBox, RichText, Ui};

use crate::theme::{Palette, SMALL};

/// Longest list before it scrolls, points.
const LIST: f32 = 460.0;

/// A chooser of names; `name` is its accessible name. Gives whether the value has changed.
pub fn combo(ui: &mut Ui, name: &str, value: &mut String, options: &[(String, String)], width: f32) -> bool {
    let shown = options.iter().find(|(option, _)| option == value).map_or(value.as_str(), |(_, label)| label);
    let mut chosen = None;
    let shown = shown.to_owned();
    let combo = ComboBox::from_id_salt(name).selected_text(shown).width(width).height(LIST).show_ui(ui, |ui| {
        for (option, label) in options {
            if ui.selectable_label(option == value, label).clicked() {
                chosen = Some(option.clone());
            }
        }
    });
    combo.response.accessible_name(name);
    match chosen {
        Some(chosen) if chosen != *value => {
            *value = chosen;
            true
        }
        _ => false,
    }
}

/// A chooser of things in groups: heading, then the things with their labels. Gives the one that was clicked. The accessible name
/// of a thing begins with its heading.
pub fn grouped<'t, T: PartialEq>(
    ui: &mut Ui,
    name: &str,
    now: (&T, &str),
    groups: &[(String, Vec<(&'t T, String)>)],
    width: f32,
) -> Option<&'t T> {
    let colours = *Palette::current(ui);
    let mut chosen = None;
    let combo = ComboBox::from_id_salt(name).selected_text(now.1).width(width).height(LIST).show_ui(ui, |ui| {
        for (heading, things) in groups {
            ui.label(RichText::new(heading).size(SMALL).color(colours.weak));
            for (thing, label) in things {
                let option = ui.selectable_label(*thing == now.0, label);
                if option.accessible_name(format!("{heading}: {label}")).clicked() {
                    chosen = Some(*thing);
                }
            }
        }
    });
    combo.response.accessible_name(name);
    chosen
}

/// A chooser of a few known values, each with a label and what it means; `name` is its accessible name. Gives whether it has changed.
pub fn one_of<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    value: &mut T,
    options: &[(T, &str, &str)],
    width: f32,
) -> bool {
    let shown = options.iter().find(|(option, ..)| option == value).map_or("", |(_, label, _)| label);
    let before = *value;
    let combo = ComboBox::from_id_salt(name).selected_text(shown).width(width).height(LIST).show_ui(ui, |ui| {
        for (option, label, tip) in options {
            ui.selectable_value(value, *option, *label).on_hover_text(*tip);
        }
    });
    combo.response.accessible_name(name);
    before != *value
}

/// Tabs: what is in front of a screen.
pub fn tabs<T: Copy + PartialEq>(ui: &mut Ui, tab: &mut T, all: &[(T, &str)]) {
    ui.horizontal(|ui| {
        for (which, name) in all {
            let button = egui::Button::selectable(tab == which, *name).min_size(egui::vec2(90.0, 28.0));
            if ui.add(button).accessible_name(format!("tab {name}")).clicked() {
                *tab = *which;
            }
        }
    });
}
