//! A number in words: where it is, its interval, what it rests on, and what chance and shuffling give.

use babelscope_probes::measure::{NullFit, Row};
use egui::{RichText, Ui};

use crate::{
    data::said,
    measures::{self, number},
    text::Line,
    theme::Palette,
};

/// Above this adjusted p a value is not told from its null.
const ALPHA: f64 = 0.05;

/// Whether a value is there and does not lie above a null that it has.
pub fn weak(row: &Row) -> bool {
    let fails = |fit: NullFit| fit.p_adjusted.unwrap_or(fit.p) > ALPHA;
    row.value.is_some() && [row.shuffled, row.matched].into_iter().flatten().any(fails)
}

/// What a person would say of a number of a language, with its pivot where there are several of them.
pub fn describe(row: &Row, with_pivot: bool) -> String {
    let mut text = said(&row.language);
    if with_pivot && !row.pivot.is_empty() {
        text += &format!(" against {}", said(&row.pivot));
    }
    if let Some(layer) = row.layer {
        text += &format!(", layer {layer}");
    }
    let name = measures::name(&row.metric, &row.item);
    let Some(value) = row.value else { return format!("{text}, {name} has no value: {}", row.status) };
    text += &format!(", {name} {}", number(value));
    if let (Some(low), Some(high)) = (row.low, row.high) {
        text += &format!(" [{}, {}]", number(low), number(high));
    }
    if !row.variant.is_empty() {
        text += &format!(", {}", measures::variant(&row.variant));
    }
    text += &format!(", n {}", row.n);
    if let Some(chance) = row.chance {
        text += &format!(", chance {chance:.4}");
    }
    if let Some(fit) = row.shuffled {
        text += &format!(", null q95 {}, {}", number(fit.q95), said_p(fit));
    }
    if weak(row) {
        text += ", not above its null";
    }
    text
}

fn said_p(fit: NullFit) -> String {
    match fit.p_adjusted {
        Some(adjusted) => format!("p {:.4}, adjusted p {adjusted:.4}", fit.p),
        None => format!("p {:.4}", fit.p),
    }
}

/// "layer 3 · after block 3 (TransformerLens blocks.2)".
pub fn said_layer(layer: usize) -> String {
    match layer.checked_sub(1) {
        None => "layer 0 · embeddings".to_owned(),
        Some(block) => format!("layer {layer} · after block {layer} (TransformerLens blocks.{block})"),
    }
}

/// The tooltip of a number. `premium` is what the language costs in tokens, `more` what a click does.
pub fn tooltip(ui: &mut Ui, row: &Row, premium: Option<f64>, more: &str) {
    let colours = *Palette::current(ui);
    let small = |ui: &mut Ui, text: String| {
        ui.label(RichText::new(text).small().color(colours.weak));
    };
    let versus = if row.pivot.is_empty() { String::new() } else { format!(" against {}", said(&row.pivot)) };
    Line::new(format!("{}{versus}", said(&row.language))).show(ui);
    if let Some(layer) = row.layer {
        small(ui, said_layer(layer));
    }
    let info = measures::info(&row.metric);
    let name = measures::name(&row.metric, &row.item);
    match row.value {
        Some(value) => drop(ui.label(RichText::new(format!("{name} {} {}", number(value), info.unit)).strong())),
        None => drop(ui.label(RichText::new(format!("no value: {}", row.status)).color(colours.warn))),
    }
    if let (Some(low), Some(high)) = (row.low, row.high) {
        ui.label(format!("95 % interval {} to {}", number(low), number(high)));
    }
    let chance = row.chance.map_or_else(String::new, |chance| format!(", chance {chance:.4}"));
    ui.label(format!("n {}{chance}", row.n));
    for (name, fit) in [("shuffled", row.shuffled), ("matched", row.matched)] {
        if let Some(fit) = fit {
            null_line(ui, name, fit);
        }
    }
    if weak(row) {
        ui.label(RichText::new("not above its null").color(colours.warn));
    }
    if let Some(premium) = premium {
        small(ui, format!("premium {premium:.2}: tokens for the same sentences, over the pivot's"));
    }
    if !info.says.is_empty() {
        small(ui, info.says.to_owned());
    }
    if !more.is_empty() {
        small(ui, more.to_owned());
    }
}

fn null_line(ui: &mut Ui, name: &str, fit: NullFit) {
    let mut text = format!("{name}, {} draws: mean {}, q95 {}", fit.draws, number(fit.mean), number(fit.q95));
    text += &format!(", {}", said_p(fit));
    if let Some(z) = fit.z {
        text += &format!(", z {z:.1}");
    }
    if let Some(calibrated) = fit.calibrated {
        text += &format!(", calibrated {calibrated:.3}");
    }
    ui.label(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(p: f64, adjusted: Option<f64>) -> Option<NullFit> {
        Some(NullFit { draws: 99, mean: 0.1, q95: 0.2, p, p_adjusted: adjusted, z: Some(3.0), calibrated: Some(0.4) })
    }

    #[test]
    fn a_number_says_all_that_it_rests_on() {
        let row = Row::new("mexa", 0.5, 40).of("hin_Deva").against("eng_Latn").at(3).variant("language");
        let row = Row { shuffled: fit(0.01, Some(0.02)), ..row.within(0.4, 0.6).chance(0.0127) };
        assert_eq!(
            describe(&row, false),
            "Hindi (hin_Deva), layer 3, MEXA 0.500 [0.400, 0.600], centred, n 40, chance 0.0127, null q95 0.200, p 0.0100, \
             adjusted p 0.0200"
        );
        assert!(describe(&row, true).starts_with("Hindi (hin_Deva) against English (eng_Latn), layer 3, "));
    }

    #[test]
    fn a_missing_number_says_why() {
        let row = Row::missing("cca", "n is not above the width", 4).of("hin_Deva").at(0);
        assert_eq!(describe(&row, false), "Hindi (hin_Deva), layer 0, CCA has no value: n is not above the width");
        assert!(!weak(&row));
    }

    #[test]
    fn the_adjusted_p_decides_and_either_null_may_fail() {
        let row = |shuffled, matched| Row { shuffled, matched, ..Row::new("mexa", 0.5, 9) };
        assert!(!weak(&row(None, None)));
        assert!(!weak(&row(fit(0.01, Some(0.04)), None)));
        assert!(weak(&row(fit(0.01, Some(0.06)), None)));
        assert!(weak(&row(fit(0.01, None), fit(0.3, None))));
    }
}
