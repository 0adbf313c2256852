//! The heat map: languages from top to bottom, layers from left to right.

use egui::{Align2, FontId, Rect, Sense, Ui, pos2, vec2};

use super::shown::Shown;
use crate::{
    data::{Loaded, colour_index, language_name},
    measures::number,
    order::family,
    state::Selection,
    text::Line,
    theme::{self, Palette, SMALL},
    widgets::{heatmap::Grid, pane, reading},
};

/// Width of the names left of the heat map.
const NAMES: f32 = 270.0;
/// Height of the layer numbers below it.
const NUMBERS: f32 = 38.0;
/// Lowest and highest row, points.
const ROW: (f32, f32) = (20.0, 36.0);

/// Draws the heat map; gives whether a cell was clicked.
pub(super) fn show(ui: &mut Ui, shown: &Shown, selection: &mut Selection, loaded: &Loaded, height: f32) -> bool {
    let colours = *Palette::current(ui);
    let row_height = ((height - NUMBERS) / shown.rows.len().max(1) as f32).clamp(ROW.0, ROW.1);
    let size = vec2(ui.available_width(), row_height * shown.rows.len() as f32 + NUMBERS);
    let (outer, _) = ui.allocate_exact_size(size, Sense::hover());
    let rect =
        Rect::from_min_max(pos2(outer.left() + NAMES, outer.top()), pos2(outer.right(), outer.bottom() - NUMBERS));
    let value = |row: usize, column: usize| shown.row(loaded, row, column).and_then(|row| row.value);
    let colour = |row: usize, column: usize| shown.scale.colour(&colours, value(row, column));
    let overlay = |painter: &egui::Painter, cell: Rect, row: usize, column: usize| {
        let text = match (value(row, column), shown.row(loaded, row, column)) {
            (Some(value), _) => short(value),
            (None, Some(_)) => "–".to_owned(),
            (None, None) => return,
        };
        let font = FontId::proportional(SMALL);
        painter.text(cell.center(), Align2::CENTER_CENTER, text, font, theme::ink_on(colour(row, column)));
    };
    let describe = |row: usize, column: usize| {
        let none = || "no value: the run has no such number".to_owned();
        shown.row(loaded, row, column).map_or_else(none, |row| reading::describe(row, false))
    };
    let selected = shown.selected(selection);
    let grid = Grid {
        id: ui.scope_id().with("alignment"),
        rows: shown.rows.len(),
        columns: shown.layers.len(),
        name: "alignment, languages by layers",
        colour: &colour,
        stamp: shown.key.with(colours.dark).value(),
        overlay: &overlay,
        overlay_from: 32.0,
        marked: &|row, column| shown.weak.get(row * shown.layers.len() + column).copied().unwrap_or(false),
        describe: &describe,
        selected,
    };
    let output = grid.show(ui, rect);
    let strong = output.hovered.map(|(row, _)| row).or(selected.map(|(row, _)| row));
    row_names(ui, shown, loaded, outer, row_height, strong);
    layer_numbers(ui, &shown.layers, rect);
    legend(ui, shown, pos2(outer.left(), rect.bottom() + 8.0));
    if let Some((row, column)) = output.hovered
        && let Some(row) = shown.row(loaded, row, column)
    {
        let premium = loaded.catalogue.premium(&row.language, &row.pivot);
        output.response.on_hover_ui_at_pointer(|ui| reading::tooltip(ui, row, premium, "click to see the sentences"));
    }
    if shown.weak.contains(&true) {
        pane::note(ui, "A dot: not above what shuffled sentences give (adjusted p above .05).");
    }
    let Some((row, column)) = output.chosen else { return false };
    let (Some(language), Some(layer)) = (shown.rows.get(row), shown.layers.get(column)) else { return false };
    (selection.language, selection.layer) = (Some(language.clone()), Some(*layer));
    selection.pivot = Some(shown.pivot.clone()).filter(|pivot| !pivot.is_empty());
    true
}

/// Two decimals for shares, fewer for large numbers.
fn short(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.2}") } else { number(value).chars().take(5).collect() }
}

fn row_names(ui: &Ui, shown: &Shown, loaded: &Loaded, outer: Rect, height: f32, strong: Option<usize>) {
    let colours = *Palette::current(ui);
    let painter = ui.painter_at(outer);
    for (row, language) in shown.rows.iter().enumerate() {
        let middle = outer.top() + (row as f32 + 0.5) * height;
        if !ui.is_rect_visible(Rect::from_center_size(pos2(outer.center().x, middle), vec2(outer.width(), height))) {
            continue;
        }
        let swatch = Rect::from_center_size(pos2(outer.left() + 6.0, middle), vec2(11.0, 11.0));
        painter.rect_filled(swatch, 2.5, colours.language(colour_index(&loaded.run.corpus, language)));
        let ink = if strong == Some(row) { colours.accent } else { colours.text };
        let code = Line::new(language.as_str()).size(SMALL).color(colours.weak);
        let code = code.paint(&painter, pos2(outer.left() + NAMES - 10.0, middle), Align2::RIGHT_CENTER);
        let room = code.left() - outer.left() - 26.0;
        // Under the pointer a language says its family too.
        let name = match family(language) {
            known if strong == Some(row) && !known.is_empty() => format!("{} · {known}", language_name(language)),
            _ => language_name(language).to_owned(),
        };
        let name = Line::new(name).color(ink).width(room);
        name.paint(&painter, pos2(outer.left() + 18.0, middle), Align2::LEFT_CENTER);
    }
}

fn layer_numbers(ui: &Ui, layers: &[usize], grid: Rect) {
    let colours = *Palette::current(ui);
    let width = grid.width() / layers.len().max(1) as f32;
    let every = (22.0 / width).ceil().max(1.0) as usize;
    let font = FontId::proportional(SMALL);
    for (at, layer) in layers.iter().enumerate().step_by(every) {
        let centre = pos2(grid.left() + (at as f32 + 0.5) * width, grid.bottom() + 4.0);
        ui.painter().text(centre, Align2::CENTER_TOP, layer, font.clone(), colours.text);
    }
    let note = pos2(grid.center().x, grid.bottom() + 20.0);
    let text = "layer (0 = embeddings, k = after block k)";
    ui.painter().text(note, Align2::CENTER_TOP, text, font, colours.weak);
}

/// What the colours mean, below the names.
fn legend(ui: &mut Ui, shown: &Shown, at: egui::Pos2) {
    let place = Rect::from_min_size(at, vec2(NAMES, NUMBERS - 8.0));
    ui.scope_builder(egui::UiBuilder::new().max_rect(place), |ui| shown.scale.legend(ui, ""));
}
