//! Alignment: is the meaning of a sentence in the same place, whatever the language?
//!
//! Above the heat map language x layer, below the curves; a click on a cell lists the sentences that fail there.

use babelscope_probes::align::{AlignCell, AlignReport};
use egui::{Align2, Id, Panel, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};

use crate::{
    command::Action,
    data::{self, Loaded, Measure, Order, colour_index, language_name, mark},
    state::AlignmentSettings,
    text::Line,
    theme::{self, GAP, Palette, SMALL},
    widgets::{
        curve::{Curve, Curves},
        heatmap::Grid,
        legend,
        pane::{self, Help, Pane, segmented},
        sentences::{self, Sentences},
    },
};

const HELP: Help = Help {
    what: "Each cell compares the sentences of a language with their translations in the pivot, at one layer. A sentence counts \
           when its true translation is strictly closer than every wrong one, in both directions.",
    formula: "MEXA = 1/n Σ_i [ c_ii > max_j≠i c_ij  and  c_ii > max_j≠i c_ji ]\n\
              c_ij = cosine(pivot sentence i, language sentence j)\n\
              centred: the mean vector of each language is subtracted first\n\
              layer 0 = embeddings, layer k = after block k, before the final norm",
    traps: &[
        "Geometric closeness is not understanding, and has nothing to do with safety alignment.",
        "Raw cosines suffer from a few very large directions; compare raw and centred before you conclude.",
        "Chance falls with n: compare only runs with the same number of sentences.",
        "Languages with a shared script score at layer 0 by shared tokens alone.",
    ],
};

const CURVE_HELP: Help = Help {
    what: "The rows of the heat map as curves. The band is the 95 % bootstrap interval over sentences, the dashed line what \
           chance alone gives.",
    formula: "chance of MEXA = 1 / (2n − 1)\nchance of recall@1 = 1 / n\nband: 2.5 % and 97.5 % percentile of the bootstrap",
    traps: &[
        "Bands that do not overlap at one layer say nothing of another layer.",
        "The cosine gap is no share: it has an axis and a colour map of its own.",
    ],
};

/// Width of the names left of the heat map.
const NAMES: f32 = 270.0;
/// Height of the layer numbers below it.
const NUMBERS: f32 = 38.0;

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    /// The chosen pivot, when the run has several.
    pub pivot: Option<String>,
    /// The chosen cell: language and index of the layer.
    pub selected: Option<(String, usize)>,
    sentences: sentences::State,
    shown: Option<Shown>,
}

/// What is drawn, made anew only when the key changes.
#[derive(Debug)]
struct Shown {
    key: Id,
    pivot: String,
    rows: Vec<String>,
    curves: Vec<Curve>,
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut AlignmentSettings,
    loaded: Option<&Loaded>,
    replacing: bool,
    actions: &mut Vec<Action>,
) {
    let Some((loaded, report)) = loaded.and_then(|l| l.run.align.as_ref().map(|report| (l, report))) else {
        pane::empty(
            ui,
            "No alignment here yet",
            "Open a run with an alignment analysis, or start one on the screen Runs.",
        );
        return;
    };
    let Some(pivot) = view.pivot(loaded) else {
        pane::empty(ui, "This alignment has no cells", "The run compared no language with a pivot.");
        return;
    };
    if let Some((language, layer)) = view.selected.clone()
        && let Some(cell) = loaded.index.cell(report, &pivot, &language, layer, settings.centred)
    {
        Panel::right("sentences of the cell")
            .resizable(true)
            .default_size(400.0)
            .min_size(280.0)
            .frame(egui::Frame::new())
            .show_separator_line(false)
            .show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.add_space(GAP);
                    ui.vertical(|ui| {
                        let panel =
                            Sentences { loaded, cell, layer, measure: settings.measure, hits: &mut settings.hits };
                        if panel.show(ui, &mut view.sentences, actions) {
                            view.selected = None;
                        }
                    });
                });
            });
    }
    let tag = loaded.tag();
    let toml = || data::toml(&loaded.run.spec);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let height = ui.available_height();
        let heat = Pane {
            title: "Alignment",
            question: "At which layers is a sentence closest to its own translation, and in which languages?",
            help: &HELP,
            run: Some(&tag),
            toml: Some(&toml),
            replacing,
        };
        heat.show(ui, actions, |ui, _| {
            controls(ui, view, settings, loaded, &pivot);
            view.refresh(loaded, report, *settings, &pivot);
            heat_map(ui, view, *settings, loaded, report, height * 0.38);
        });
        ui.add_space(GAP);
        let curves = Pane {
            title: "Over the layers",
            question: "Where does alignment rise, peak and fall, and is it above chance?",
            help: &CURVE_HELP,
            run: Some(&tag),
            toml: Some(&toml),
            replacing,
        };
        curves.show(ui, actions, |ui, _| curve_plot(ui, view, *settings, loaded, report));
    });
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn pivot(&self, loaded: &Loaded) -> Option<String> {
        let pivots = &loaded.index.pivots;
        self.pivot.clone().filter(|p| pivots.contains(p)).or_else(|| {
            let english = pivots.iter().find(|p| p.starts_with("eng_"));
            english.or_else(|| pivots.first()).cloned()
        })
    }

    fn refresh(&mut self, loaded: &Loaded, report: &AlignReport, settings: AlignmentSettings, pivot: &str) {
        let AlignmentSettings { centred, measure, order, .. } = settings;
        let key = Id::unique((loaded.stamp, pivot, centred, measure, order));
        if self.shown.as_ref().is_some_and(|s| s.key == key) {
            return;
        }
        let rows = loaded.index.ordered(report, pivot, measure, centred, order);
        let curves = rows.iter().map(|language| curve(loaded, report, pivot, language, settings)).collect();
        self.shown = Some(Shown { key, pivot: pivot.to_owned(), rows, curves });
    }
}

fn curve(loaded: &Loaded, report: &AlignReport, pivot: &str, language: &str, settings: AlignmentSettings) -> Curve {
    let mut curve = Curve {
        name: mark(language, &loaded.index.languages).to_owned(),
        colour: colour_index(&loaded.run.corpus, language),
        script: false,
        x: Vec::new(),
        y: Vec::new(),
        band: (Vec::new(), Vec::new()),
        strong: false,
    };
    for (at, layer) in loaded.index.layers.iter().enumerate() {
        if let Some(cell) = loaded.index.cell(report, pivot, language, at, settings.centred) {
            let estimate = settings.measure.of(cell);
            curve.x.push(*layer as f64);
            curve.y.push(estimate.value);
            if settings.measure != Measure::CosineGap {
                curve.band.0.push(estimate.low);
                curve.band.1.push(estimate.high);
            }
        }
    }
    curve
}

fn controls(ui: &mut Ui, view: &mut View, settings: &mut AlignmentSettings, loaded: &Loaded, pivot: &str) {
    ui.horizontal_wrapped(|ui| {
        segmented(
            ui,
            "centring",
            &mut settings.centred,
            &[
                (false, "raw", "Cosine of the states as they are"),
                (true, "centred", "The mean of each language is subtracted first"),
            ],
        );
        ui.add_space(6.0);
        let combo = egui::ComboBox::from_id_salt("measure")
            .selected_text(settings.measure.name())
            .width(150.0)
            .show_ui(ui, |ui| {
                for measure in Measure::ALL {
                    ui.selectable_value(&mut settings.measure, measure, measure.name());
                }
            });
        combo.response.accessible_name("measure");
        let combo =
            egui::ComboBox::from_id_salt("order").selected_text(settings.order.name()).width(90.0).show_ui(ui, |ui| {
                for order in Order::ALL {
                    ui.selectable_value(&mut settings.order, order, order.name());
                }
            });
        combo.response.accessible_name("order of the languages");
        if loaded.index.pivots.len() > 1 {
            let combo =
                egui::ComboBox::from_id_salt("pivot").selected_text(format!("pivot {pivot}")).show_ui(ui, |ui| {
                    for code in &loaded.index.pivots {
                        if ui.selectable_label(code == pivot, code).clicked() {
                            view.pivot = Some(code.clone());
                        }
                    }
                });
            combo.response.accessible_name("pivot");
        } else {
            ui.label(
                RichText::new(format!("pivot {} ({pivot})", language_name(pivot))).color(Palette::current(ui).weak),
            );
        }
    });
}

fn heat_map(
    ui: &mut Ui,
    view: &mut View,
    settings: AlignmentSettings,
    loaded: &Loaded,
    report: &AlignReport,
    height: f32,
) {
    let Some(shown) = &view.shown else { return };
    let colours = *Palette::current(ui);
    let layers = &loaded.index.layers;
    let row_height = ((height - NUMBERS) / shown.rows.len().max(1) as f32).clamp(20.0, 36.0);
    let size = vec2(ui.available_width(), row_height * shown.rows.len() as f32 + NUMBERS);
    let (outer, _) = ui.allocate_exact_size(size, Sense::hover());
    let grid_rect =
        Rect::from_min_max(pos2(outer.left() + NAMES, outer.top()), pos2(outer.right(), outer.bottom() - NUMBERS));
    let cell = |row: usize, column: usize| {
        shown.rows.get(row).and_then(|l| loaded.index.cell(report, &shown.pivot, l, column, settings.centred))
    };
    let colour = |row: usize, column: usize| {
        let value = cell(row, column).map_or(f32::NAN, |c| settings.measure.of(c).value as f32);
        if settings.measure == Measure::CosineGap { colours.diverging(value) } else { colours.quantity(value) }
    };
    let overlay = |painter: &egui::Painter, rect: Rect, row: usize, column: usize| {
        if let Some(cell) = cell(row, column) {
            let text = format!("{:.2}", settings.measure.of(cell).value);
            let font = egui::FontId::proportional(SMALL);
            painter.text(rect.center(), Align2::CENTER_CENTER, text, font, theme::ink_on(colour(row, column)));
        }
    };
    let describe = |row: usize, column: usize| {
        cell(row, column)
            .map_or_else(|| "no value".to_owned(), |c| describe(c, report, settings.measure, settings.centred))
    };
    let selected = view.selected.as_ref().and_then(|(language, layer)| {
        let row = shown.rows.iter().position(|l| l == language)?;
        Some((row, *layer))
    });
    let grid = Grid {
        id: ui.scope_id().with("alignment"),
        rows: shown.rows.len(),
        columns: layers.len(),
        name: "alignment, languages by layers",
        colour: &colour,
        stamp: shown.key.with(colours.dark).value(),
        overlay: &overlay,
        overlay_from: 32.0,
        describe: &describe,
        selected,
    };
    let output = grid.show(ui, grid_rect);
    let strong = output.hovered.map(|(row, _)| row).or(selected.map(|(row, _)| row));
    row_names(ui, &shown.rows, loaded, outer, row_height, strong);
    layer_numbers(ui, layers, grid_rect);
    scale(ui, settings.measure, pos2(outer.left(), grid_rect.bottom() + 8.0));
    if let Some((row, column)) = output.hovered
        && let Some(cell) = cell(row, column)
    {
        output.response.on_hover_ui_at_pointer(|ui| tooltip(ui, cell, report, settings));
    }
    if let Some((row, column)) = output.chosen
        && let Some(language) = shown.rows.get(row)
    {
        view.selected = Some((language.clone(), column));
    }
}

/// What a person would say of a cell.
pub fn describe(cell: &AlignCell, report: &AlignReport, measure: Measure, centred: bool) -> String {
    let estimate = measure.of(cell);
    let interval = if measure == Measure::CosineGap {
        String::new()
    } else {
        format!(" [{:.3}, {:.3}]", estimate.low, estimate.high)
    };
    format!(
        "{} ({}), layer {}, {} {:.3}{interval}, {}, n {}, chance {:.4}",
        language_name(&cell.language),
        cell.language,
        cell.layer,
        measure.name(),
        estimate.value,
        if centred { "centred" } else { "raw" },
        cell.n,
        measure.chance(report),
    )
}

fn row_names(ui: &Ui, rows: &[String], loaded: &Loaded, outer: Rect, height: f32, strong: Option<usize>) {
    let colours = *Palette::current(ui);
    let painter = ui.painter_at(outer);
    for (row, language) in rows.iter().enumerate() {
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
        let name = Line::new(language_name(language)).color(ink).width(room);
        name.paint(&painter, pos2(outer.left() + 18.0, middle), Align2::LEFT_CENTER);
    }
}

fn layer_numbers(ui: &Ui, layers: &[usize], grid: Rect) {
    let colours = *Palette::current(ui);
    let width = grid.width() / layers.len().max(1) as f32;
    let every = (22.0 / width).ceil().max(1.0) as usize;
    let font = egui::FontId::proportional(SMALL);
    for (at, layer) in layers.iter().enumerate().step_by(every) {
        let centre = pos2(grid.left() + (at as f32 + 0.5) * width, grid.bottom() + 4.0);
        ui.painter().text(centre, Align2::CENTER_TOP, layer, font.clone(), colours.text);
    }
    let note = pos2(grid.center().x, grid.bottom() + 20.0);
    let text = "layer (0 = embeddings, k = after block k)";
    ui.painter().text(note, Align2::CENTER_TOP, text, font, colours.weak);
}

/// What the colours mean, below the names: a fixed range, so that two runs look alike only when they are alike.
fn scale(ui: &mut Ui, measure: Measure, at: egui::Pos2) {
    let colours = *Palette::current(ui);
    let place = Rect::from_min_size(at, vec2(NAMES, NUMBERS - 8.0));
    ui.scope_builder(egui::UiBuilder::new().max_rect(place), |ui| {
        if measure == Measure::CosineGap {
            legend::bar(ui, "", "−1", "1", &|share| colours.diverging(2.0 * share - 1.0));
        } else {
            legend::bar(ui, "", "0", "1", &|share| colours.quantity(share));
        }
    });
}

fn tooltip(ui: &mut Ui, cell: &AlignCell, report: &AlignReport, settings: AlignmentSettings) {
    let colours = *Palette::current(ui);
    let estimate = settings.measure.of(cell);
    Line::new(format!("{} · {}", language_name(&cell.language), cell.language)).show(ui);
    let block = cell.layer.checked_sub(1).map_or_else(
        || "embeddings".to_owned(),
        |b| format!("after block {} (TransformerLens blocks.{b})", cell.layer),
    );
    ui.label(RichText::new(format!("layer {} · {block}", cell.layer)).small().color(colours.weak));
    ui.label(RichText::new(format!("{} {:.3}", settings.measure.name(), estimate.value)).strong());
    if settings.measure != Measure::CosineGap {
        ui.label(format!("95 % interval {:.3} to {:.3}", estimate.low, estimate.high));
    }
    let hits = cell.outcomes.iter().filter(|o| settings.measure.hit(o)).count();
    ui.label(format!("{hits} of {} sentences, chance {:.4}", cell.n, settings.measure.chance(report)));
    ui.label(RichText::new(format!("mean cosine of wrong pairs {:.3}", cell.cosine_wrong)).small().color(colours.weak));
    ui.label(RichText::new("click to see the sentences").small().color(colours.weak));
}

fn curve_plot(ui: &mut Ui, view: &mut View, settings: AlignmentSettings, loaded: &Loaded, report: &AlignReport) {
    let Some(shown) = &mut view.shown else { return };
    let chosen = view.selected.as_ref();
    for (curve, language) in shown.curves.iter_mut().zip(&shown.rows) {
        curve.strong = chosen.is_some_and(|(l, _)| l == language);
    }
    let marked = chosen.and_then(|(_, layer)| loaded.index.layers.get(*layer)).map(|layer| *layer as f64);
    let plot = Curves {
        name: "alignment curves over layers",
        axis: settings.measure.name(),
        range: settings.measure.range(),
        curves: &shown.curves,
        chance: Some(settings.measure.chance(report)),
        marked,
        height: (ui.available_height() - 8.0).max(230.0),
    };
    if let Some(layer) = plot.show(ui)
        && let Some(at) = loaded.index.layers.iter().position(|l| *l as f64 == layer)
    {
        let language = chosen.map(|(l, _)| l.clone()).or_else(|| shown.rows.first().cloned());
        view.selected = language.map(|l| (l, at));
    }
}
