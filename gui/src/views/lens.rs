//! The lens: what would each layer say, and in which language?
//!
//! A sentence is typed, or taken from the corpus; the grid shows tokens by layers, a click shows the candidates of a cell.

mod colouring;

use std::ops::Range;

use babelscope::spec::{LensSpec, ModelSpec, ProbeSpec, RunSpec};
use babelscope_core::{lang::Direction, tokens::Piece};
use babelscope_probes::lens::{Candidate, LensCell, LensReport};
use egui::{Color32, Id, Panel, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};

pub use colouring::Colouring;

use crate::{
    command::Action,
    data::{Loaded, colour_index, language_name, mark},
    state::LensSettings,
    text::{self, Line},
    theme::{self, BODY, GAP, Palette, SMALL},
    widgets::{
        heatmap::Grid,
        layers::layer_numbers,
        legend,
        lens_detail::Detail,
        pane::{self, Help, Pane},
        prompt::{Field, Prompt},
        tokens::{TokenStrip, paint_piece_in, piece_name},
    },
    worker::Slot,
};

const HELP: Help = Help {
    what: "The state of each layer at each token goes through the model's own final norm and unembedding: what would the model \
           say next if it stopped here? A column predicts the token that follows its own.",
    formula: "p_k = softmax(W_U · norm_final(h_k))\n\
              entropy = −Σ p_k ln p_k   (nats, at most ln V)\n\
              KL = Σ p_L (ln p_L − ln p_k)   (nats)\n\
              rank of final: how many logits are at least that of the final top token\n\
              layer 0 = embeddings, layer k = after block k",
    traps: &[
        "Early layers are read in a basis they were not trained for: a strange token there may mean nothing.",
        "The language of a token is guessed from token sets; shared tokens are unsure, and unsure is not English.",
        "With tied embeddings layer 0 repeats its input by construction.",
        "A token is not a word: read the pieces of a script together.",
    ],
};

/// Narrowest and widest cell, in points.
const CELL: (f32, f32) = (50.0, 124.0);
/// Lowest and highest row of cells.
const ROW: (f32, f32) = (30.0, 42.0);
/// Width of the layer numbers at the left.
const NUMBERS: f32 = 74.0;
/// Size of the language code in a cell.
const CODE: f32 = 9.5;
/// Height of the input tokens below the grid.
const INPUT: f32 = 34.0;
/// How many candidates are asked for in each cell.
const TOP_K: usize = 10;

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    /// The sentence in the field.
    pub prompt: Prompt,
    /// The chosen cell: index of the layer, token.
    pub selected: Option<(usize, usize)>,
    /// Which text of the run is drawn.
    pub report: usize,
    shown: Option<Shown>,
}

/// What is drawn, made anew only when the key changes.
#[derive(Debug)]
struct Shown {
    key: Id,
    spans: Vec<Range<usize>>,
    pieces: Vec<Piece>,
    direction: Direction,
}

/// What the view draws from.
pub struct Source<'a> {
    /// The run that all screens show: its model and corpus are those that a new sentence is read with.
    pub main: Option<&'a Loaded>,
    /// The run with the lens reports.
    pub lens: Option<&'a Loaded>,
    /// Whether a newer lens is being made.
    pub busy: bool,
}

/// Draws the view.
pub fn show(ui: &mut Ui, view: &mut View, settings: &mut LensSettings, source: &Source<'_>, actions: &mut Vec<Action>) {
    let found = source.lens.and_then(|loaded| {
        view.report = view.report.min(loaded.run.lens.len().saturating_sub(1));
        loaded.run.lens.get(view.report).map(|report| (loaded, report))
    });
    if let Some((loaded, report)) = found {
        view.refresh(loaded, report);
        if let Some((layer, token)) = view.selected {
            Panel::right("cell of the lens")
                .resizable(true)
                .default_size(370.0)
                .min_size(280.0)
                .frame(egui::Frame::new())
                .show_separator_line(false)
                .show(ui, |ui| {
                    ui.horizontal_top(|ui| {
                        ui.add_space(GAP);
                        ui.vertical(|ui| {
                            if (Detail { loaded, report, layer, token }).show(ui) {
                                view.selected = None;
                            }
                        });
                    });
                });
        }
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        input(ui, view, source, actions);
        ui.add_space(GAP);
        let Some((loaded, report)) = found else {
            pane::empty(
                ui,
                "No sentence has been read yet",
                "Type one above, or take one from the corpus, and press Read.",
            );
            return;
        };
        let tag = loaded.tag();
        let toml = || crate::data::toml(&loaded.run.spec);
        let pane = Pane {
            title: "Logit lens",
            question: "What would each layer say next, how sure is it, and in which language?",
            help: &HELP,
            run: Some(&tag),
            toml: Some(&toml),
            replacing: source.busy,
        };
        pane.show(ui, actions, |ui, _| {
            controls(ui, view, settings, loaded, report);
            grid(ui, view, *settings, loaded, report);
            pane::note(ui, format!("Languages: {}. Grey is unsure: in no set, or in several.", report.language_rule));
        });
    });
}

impl View {
    /// Forgets what belongs to another run; the typed sentence stays.
    pub fn reset(&mut self) {
        let mut prompt = std::mem::take(&mut self.prompt);
        prompt.reset();
        *self = Self { prompt, ..Self::default() };
    }

    fn refresh(&mut self, loaded: &Loaded, report: &LensReport) {
        let key = Id::unique((loaded.stamp, self.report));
        if self.shown.as_ref().is_some_and(|s| s.key == key) {
            return;
        }
        self.shown = Some(Shown {
            key,
            spans: report.spans.iter().map(|&(start, end)| start..end).collect(),
            pieces: report.tokens.iter().map(|t| t.piece.clone()).collect(),
            direction: text::base_direction(&report.text),
        });
        let (layers, tokens) = (report.layers.len(), report.tokens.len());
        self.selected = self.selected.filter(|&(layer, token)| layer < layers && token < tokens);
    }
}

/// The spec that reads `text` as the open run would: same model, same corpus for the token sets.
pub fn spec(text: &str, base: Option<&Loaded>) -> RunSpec {
    let probe = vec![ProbeSpec::Lens(LensSpec { texts: vec![text.to_owned()], top_k: TOP_K })];
    let base = base.map(|loaded| &loaded.run.spec);
    let model = base.and_then(|spec| spec.model.first().cloned()).unwrap_or_else(|| ModelSpec::new("lab"));
    let mut spec = RunSpec::new("lens", model, probe);
    if let Some(base) = base {
        spec.data = base.data.clone();
        spec.seed = base.seed;
    }
    spec
}

fn input(ui: &mut Ui, view: &mut View, source: &Source<'_>, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    let base = source.main.or(source.lens);
    colours.card_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            let width = (ui.available_width() - 92.0).max(120.0);
            let hint = "Type a sentence in any language";
            let keys = view.prompt.field(ui, Field { name: "Sentence", hint, rows: 2, width, enter: false });
            let some = !view.prompt.text.trim().is_empty();
            let read = ui.add_enabled(
                some,
                egui::Button::new("Read").min_size(vec2(76.0, 40.0)).fill(if some {
                    colours.accent_soft
                } else {
                    colours.well
                }),
            );
            let read = read.on_hover_text("Run the lens on this sentence (Ctrl-Enter)");
            if (read.clicked() || keys) && some {
                actions.push(Action::Execute(Slot::Lens, Box::new(spec(view.prompt.text.trim(), base))));
            }
        });
        view.prompt.preview(ui);
        if let Some(loaded) = base {
            view.prompt.picker(ui, &loaded.run.corpus);
        }
    });
}

fn controls(ui: &mut Ui, view: &mut View, settings: &mut LensSettings, loaded: &Loaded, report: &LensReport) {
    let colours = *Palette::current(ui);
    let texts = loaded.run.lens.len();
    ui.horizontal_wrapped(|ui| {
        if texts > 1 {
            let menu = ui.menu_button(format!("text {} of {texts}", view.report + 1), |ui| {
                ui.set_min_width(360.0);
                for (at, report) in loaded.run.lens.iter().enumerate() {
                    let label = Line::new(report.text.as_str()).width(420.0).sense(Sense::click());
                    if label.show(ui).on_hover_cursor(egui::CursorIcon::PointingHand).clicked() {
                        view.report = at;
                        ui.close();
                    }
                }
            });
            menu.response.accessible_name("choose a text");
        }
        ui.label(RichText::new("colour").small().color(colours.weak));
        let combo = egui::ComboBox::from_id_salt("colouring")
            .selected_text(settings.colouring.name())
            .width(170.0)
            .show_ui(ui, |ui| {
                for colouring in Colouring::ALL {
                    ui.selectable_value(&mut settings.colouring, colouring, colouring.name());
                }
            });
        combo.response.accessible_name("colour of a cell");
        if view.shown.as_ref().is_some_and(|s| s.direction == Direction::Rtl) {
            ui.checkbox(&mut settings.follow_direction, "right to left");
        }
        let vocabulary = loaded.run.manifest.model.vocabulary;
        let most = format!("ln {vocabulary} nats");
        match settings.colouring {
            Colouring::Probability => legend::bar(ui, "p", "0", "1", &|s| colours.quantity(s)),
            Colouring::Entropy => legend::bar(ui, "entropy", "0", &most, &|s| colours.quantity(s)),
            Colouring::Rank => legend::bar(ui, "rank", &vocabulary.to_string(), "1 (log)", &|s| colours.quantity(s)),
            Colouring::Divergence => legend::bar(ui, "KL", "0", &format!("{most} and more"), &|s| colours.quantity(s)),
            Colouring::Language => {
                for language in &report.languages {
                    legend::chip(
                        ui,
                        colours.language(colour_index(&loaded.run.corpus, language)),
                        language_name(language),
                    );
                }
                legend::chip(ui, colours.missing, "unsure");
            }
        }
    });
}

fn grid(ui: &mut Ui, view: &mut View, settings: LensSettings, loaded: &Loaded, report: &LensReport) {
    let Some(shown) = &view.shown else { return };
    let colours = *Palette::current(ui);
    let (layers, tokens) = (report.layers.len(), report.tokens.len());
    if layers == 0 || tokens == 0 {
        return;
    }
    let fills: Vec<Color32> = (0..tokens)
        .map(|t| if t % 2 == 0 { colours.accent_soft.gamma_multiply(0.75) } else { Color32::TRANSPARENT })
        .collect();
    let strip = TokenStrip {
        text: &report.text,
        spans: &shown.spans,
        pieces: &shown.pieces,
        fills: &fills,
        selected: view.selected.map(|(_, token)| token),
        direction: Some(shown.direction),
        size: BODY + 4.0,
    };
    let strip = strip.show(ui);
    if let Some(token) = strip.clicked {
        view.selected = Some((view.selected.map_or(layers - 1, |(layer, _)| layer), token));
    }
    ui.add_space(4.0);

    let turned = shown.direction == Direction::Rtl && settings.follow_direction;
    let token_at = |column: usize| if turned { tokens - 1 - column } else { column };
    let layer_at = |row: usize| layers - 1 - row;
    let cell = |row: usize, column: usize| report.cells.get(layer_at(row)).and_then(|l| l.get(token_at(column)));
    let vocabulary = loaded.run.manifest.model.vocabulary;
    let colour = |row: usize, column: usize| match (settings.colouring, cell(row, column)) {
        (_, None) => colours.missing,
        (Colouring::Language, Some(cell)) => language_of(cell.top.first(), report)
            .map_or(colours.missing, |language| colours.language(colour_index(&loaded.run.corpus, language))),
        (colouring, Some(cell)) => colours.quantity(colouring.share(cell, vocabulary)),
    };
    let overlay = |painter: &egui::Painter, rect: Rect, row: usize, column: usize| {
        let Some(top) = cell(row, column).and_then(|c| c.top.first()) else { return };
        let ink = theme::ink_on(colour(row, column));
        let mut room = rect.shrink2(vec2(3.0, 0.0));
        if settings.colouring == Colouring::Language {
            // A colour alone never says the language.
            let code = language_of(Some(top), report).map_or("–", |l| mark(l, &report.languages));
            let corner = pos2(rect.right() - 3.0, rect.bottom() - 1.0);
            Line::new(code).size(CODE).color(ink).paint(painter, corner, egui::Align2::RIGHT_BOTTOM);
            room.max.y -= CODE - 1.0;
        }
        paint_piece_in(painter, room, &top.piece, SMALL + 1.0, ink, shown.direction);
    };
    let describe = |row: usize, column: usize| {
        cell(row, column)
            .map_or_else(|| "no value".to_owned(), |cell| describe(cell, report, layer_at(row), token_at(column)))
    };
    let selected = view.selected.map(|(layer, token)| (layers - 1 - layer, token_at(token)));
    let width = ((ui.available_width() - NUMBERS - 4.0) / tokens as f32).clamp(CELL.0, CELL.1);
    let row = ((ui.available_height() - INPUT - 48.0) / layers as f32).clamp(ROW.0, ROW.1);
    let size = vec2(width * tokens as f32, row * layers as f32);
    let table = Grid {
        id: ui.scope_id().with("lens"),
        rows: layers,
        columns: tokens,
        name: "logit lens, layers by tokens",
        colour: &colour,
        stamp: shown.key.with((colours.dark, settings.colouring, turned)).value(),
        overlay: &overlay,
        overlay_from: 26.0,
        marked: &|_, _| false,
        describe: &describe,
        selected,
    };
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let (numbers, _) = ui.allocate_exact_size(vec2(NUMBERS, size.y + INPUT), Sense::hover());
        layer_numbers(ui, &report.layers, loaded.run.manifest.model.layers, numbers, row);
        let below = pos2(numbers.right() - 8.0, numbers.bottom() - INPUT * 0.5);
        Line::new("input").size(SMALL).color(colours.weak).paint(ui.painter(), below, egui::Align2::RIGHT_CENTER);
        let area = ScrollArea::horizontal().id_salt("lens grid").auto_shrink([false, true]);
        let area = if turned { area.stick_to_right(true) } else { area };
        area.show(ui, |ui| {
            let (outer, _) = ui.allocate_exact_size(size + vec2(0.0, INPUT), Sense::hover());
            let rect = Rect::from_min_size(outer.min, size);
            let output = table.show(ui, rect);
            input_tokens(ui, shown, rect, width, strip.hovered, &token_at);
            if let Some((row, column)) = output.hovered
                && let Some(cell) = cell(row, column)
            {
                let (layer, token) = (layer_at(row), token_at(column));
                output.response.on_hover_ui_at_pointer(|ui| tooltip(ui, cell, report, layer, token));
            }
            if let Some((row, column)) = output.chosen {
                view.selected = Some((layer_at(row), token_at(column)));
            }
        });
    });
}

/// The language whose token set holds the token; `None` is unsure.
pub fn language_of<'r>(token: Option<&Candidate>, report: &'r LensReport) -> Option<&'r str> {
    report.languages.get(usize::from(token?.language?)).map(String::as_str)
}

/// What a person would say of a cell.
pub fn describe(cell: &LensCell, report: &LensReport, layer: usize, token: usize) -> String {
    let number = report.layers.get(layer).copied().unwrap_or_default();
    let name = |piece: &Piece| text::isolate(&piece_name(piece)).into_owned();
    let input = report.tokens.get(token).map_or_else(String::new, |t| name(&t.piece));
    let top =
        cell.top.first().map_or_else(String::new, |c| format!("{}, probability {:.3}", name(&c.piece), c.probability));
    format!("layer {number}, token {} {input}: {top}", token + 1)
}

fn input_tokens(
    ui: &Ui,
    shown: &Shown,
    grid: Rect,
    width: f32,
    hovered: Option<usize>,
    token_at: &dyn Fn(usize) -> usize,
) {
    let colours = *Palette::current(ui);
    let painter = ui.painter();
    for column in 0..shown.pieces.len() {
        let left = grid.left() + column as f32 * width;
        let rect =
            Rect::from_min_size(pos2(left, grid.bottom() + 4.0), vec2(width, INPUT - 8.0)).shrink2(vec2(1.0, 0.0));
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let token = token_at(column);
        let fill = if hovered == Some(token) { colours.accent_soft } else { colours.well };
        painter.rect_filled(rect, 4.0, fill);
        if let Some(piece) = shown.pieces.get(token) {
            paint_piece_in(painter, rect.shrink(2.0), piece, SMALL + 1.0, colours.text, shown.direction);
        }
    }
}

fn tooltip(ui: &mut Ui, cell: &LensCell, report: &LensReport, layer: usize, token: usize) {
    let colours = *Palette::current(ui);
    let number = report.layers.get(layer).copied().unwrap_or_default();
    let block =
        number.checked_sub(1).map_or_else(|| "embeddings".to_owned(), |b| format!("blocks.{b}.hook_resid_post"));
    let input = report.tokens.get(token).map_or_else(String::new, |t| piece_name(&t.piece));
    Line::new(format!("layer {number} ({block})")).size(SMALL).color(colours.weak).show(ui);
    Line::new(format!("after token {}: {}", token + 1, text::isolate(&input))).show(ui);
    for candidate in cell.top.iter().take(5) {
        let language = language_of(Some(candidate), report).map_or("unsure", language_name);
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("{:.3}", candidate.probability)).monospace());
            Line::new(piece_name(&candidate.piece)).show(ui);
            ui.label(RichText::new(language).small().color(colours.weak));
        });
    }
    let last = format!(
        "entropy {:.2} nats · rank of final {} · KL {:.2} nats",
        cell.entropy, cell.rank_of_final, cell.kl_from_final
    );
    ui.label(RichText::new(last).small().color(colours.weak));
}
