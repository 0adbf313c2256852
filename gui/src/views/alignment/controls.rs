//! What is shown: measure, variant, order of the languages, pivot, null.

use egui::{RichText, Ui};

use super::shown::Shown;
use crate::{
    catalogue::Choice,
    data::{Loaded, language_name, said},
    measures,
    order::Order,
    state::{AlignmentSettings, Selection},
    theme::Palette,
    widgets::{
        choose::{combo, grouped},
        pane::{self, segmented},
    },
};

/// Up to so many values stand side by side, more in a list.
const SIDE_BY_SIDE: usize = 3;

/// Draws the controls.
pub(super) fn show(
    ui: &mut Ui,
    settings: &mut AlignmentSettings,
    selection: &mut Selection,
    loaded: &Loaded,
    shown: &Shown,
) {
    ui.horizontal_wrapped(|ui| {
        measure(ui, settings, loaded, shown);
        variant(ui, settings, loaded, shown);
        ui.add_space(6.0);
        let options: Vec<(Order, &str, &str)> = Order::ALL.into_iter().map(|order| (order, order.name(), "")).collect();
        let combo = egui::ComboBox::from_id_salt("order").selected_text(settings.order.name()).width(110.0);
        let combo = combo.show_ui(ui, |ui| {
            for (order, name, _) in options {
                ui.selectable_value(&mut settings.order, order, name);
            }
        });
        combo.response.accessible_name("order of the languages");
        pivot(ui, selection, loaded, shown);
        ui.add_enabled_ui(shown.has_nulls, |ui| {
            let check = ui.checkbox(&mut settings.nulls, "null band");
            check
                .on_hover_text("What shuffled sentences give: grey to the 95 % quantile; dashed, among alike sentences")
                .on_disabled_hover_text("No number of this measure was shuffled");
        });
    });
    if !shown.info.says.is_empty() {
        pane::note(ui, format!("{}: {}.", shown.choice.name(), shown.info.says));
    }
}

fn measure(ui: &mut Ui, settings: &mut AlignmentSettings, loaded: &Loaded, shown: &Shown) {
    let mut groups: Vec<(String, Vec<(&Choice, String)>)> = Vec::new();
    for series in loaded.catalogue.maps() {
        let heading = measures::probe(&series.choice.probe);
        let at = groups.iter().position(|(name, _)| name == heading).unwrap_or_else(|| {
            groups.push((heading.to_owned(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, choices)) = groups.get_mut(at)
            && !choices.iter().any(|(choice, _)| **choice == series.choice)
        {
            choices.push((&series.choice, series.choice.name()));
        }
    }
    let now = shown.choice.name();
    if let Some(choice) = grouped(ui, "measure", (&shown.choice, &now), &groups, 170.0) {
        settings.choice = choice.clone();
    }
}

/// A chooser for each part of the variant: what was done to the states, by which similarity.
fn variant(ui: &mut Ui, settings: &mut AlignmentSettings, loaded: &Loaded, shown: &Shown) {
    let variants: Vec<Vec<&str>> = (loaded.catalogue.maps())
        .filter(|series| series.choice == shown.choice)
        .map(|series| series.variant.split('/').collect())
        .collect();
    let now: Vec<&str> = shown.variant.split('/').collect();
    for part in 0..variants.iter().map(Vec::len).max().unwrap_or(0) {
        let mut values: Vec<&str> = variants.iter().filter_map(|v| v.get(part).copied()).collect();
        let mut seen = Vec::new();
        values.retain(|value| {
            !seen.contains(value) && {
                seen.push(*value);
                true
            }
        });
        let mut value = now.get(part).copied().unwrap_or_default();
        if values.len() < 2 {
            // An empty label would send what follows back to the beginning of the row.
            if value.is_empty() {
                continue;
            }
            ui.label(RichText::new(measures::variant(value)).small().color(Palette::current(ui).weak));
            continue;
        }
        let changed = choose(ui, part_name(part, &values), &mut value, &values);
        if changed {
            // The variant with this part that keeps most of the others.
            let kept = |v: &&Vec<&str>| v.iter().zip(&now).filter(|(a, b)| a == b).count();
            let nearest = variants.iter().filter(|v| v.get(part) == Some(&value)).max_by_key(kept);
            settings.variant = nearest.map_or_else(|| value.to_owned(), |v| v.join("/"));
        }
    }
}

fn part_name(part: usize, values: &[&str]) -> &'static str {
    let corrections = ["raw", "language", "global", "top", "subspace", "standardised", "whitened"];
    match part {
        0 if values.iter().all(|value| corrections.contains(value)) => "centring",
        0 => "variant",
        1 => "similarity",
        _ => "further",
    }
}

fn choose<'v>(ui: &mut Ui, name: &str, value: &mut &'v str, values: &[&'v str]) -> bool {
    let labels: Vec<String> = values.iter().map(|value| measures::variant(value)).collect();
    if values.len() <= SIDE_BY_SIDE {
        let options: Vec<(&str, &str, &str)> =
            values.iter().zip(&labels).map(|(value, label)| (*value, label.as_str(), tip(value))).collect();
        return segmented(ui, name, value, &options);
    }
    let options: Vec<(String, String)> = values.iter().map(|value| (*value).to_owned()).zip(labels).collect();
    let mut chosen = (*value).to_owned();
    let changed = combo(ui, name, &mut chosen, &options, 120.0);
    if let Some(found) = values.iter().find(|value| **value == chosen) {
        *value = found;
    }
    changed
}

fn tip(value: &str) -> &'static str {
    match value {
        "raw" => "The states as they are",
        "language" => "The mean of each language is subtracted first",
        "global" => "The mean of all languages is subtracted first",
        "top" => "The mean of each language and its first principal components are removed",
        "subspace" => "The subspace that the means of the languages span is removed",
        "standardised" => "Each dimension of a language has mean 0 and variance 1",
        "whitened" => "The covariance of each language is made the same in every direction",
        "csls" => "Cosine with a correction for hubs",
        "ratio" => "Cosine over the mean cosine of the nearest neighbours",
        "distance" => "Cosine minus the mean cosine of the nearest neighbours",
        _ => "",
    }
}

fn pivot(ui: &mut Ui, selection: &mut Selection, loaded: &Loaded, shown: &Shown) {
    let Some(series) = shown.series(loaded) else { return };
    let pivot = shown.pivot.as_str();
    if series.pivots.len() > 1 {
        let options: Vec<(String, String)> = series.pivots.iter().map(|code| (code.clone(), said(code))).collect();
        let mut chosen = pivot.to_owned();
        if combo(ui, "pivot", &mut chosen, &options, 150.0) {
            selection.pivot = Some(chosen);
        }
    } else if !pivot.is_empty() {
        let text = format!("pivot {} ({pivot})", language_name(pivot));
        ui.label(RichText::new(text).color(Palette::current(ui).weak));
    }
}
