//! The sentences of one cell: which translations were not found, what was closer, and by how much.

use babelscope_core::{corpus::Corpus, lang};
use babelscope_probes::align::{AlignCell, Outcome};
use egui::{Align, Id, Layout, RichText, Role, ScrollArea, Ui, WidgetInfo};

use crate::{
    command::Action,
    data::{Loaded, Measure, language_name},
    measures,
    text::Passage,
    theme::Palette,
    widgets::pane,
};

/// How many sentences a page has: each is several wrapped passages.
const PAGE: usize = 20;

/// The page that is shown, and the order of the sentences.
#[derive(Debug, Default)]
pub struct State {
    key: Option<Id>,
    lines: Vec<usize>,
    page: usize,
}

/// The panel.
pub struct Sentences<'a> {
    /// The run.
    pub loaded: &'a Loaded,
    /// The cell.
    pub cell: &'a AlignCell,
    /// By which measure a sentence counts as found.
    pub measure: Measure,
    /// Whether the cell is what the map shows, and not only of the same language, pivot and layer.
    pub exact: bool,
    /// Whether sentences that were found are listed too.
    pub hits: &'a mut bool,
    /// The line that is chosen on all screens.
    pub chosen: Option<usize>,
}

impl Sentences<'_> {
    /// Draws the panel; gives whether a person closed it.
    pub fn show(self, ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) -> bool {
        let colours = *Palette::current(ui);
        let mut closed = false;
        state.refresh(&self);
        colours.card_frame().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.set_min_height(ui.available_height());
            ui.horizontal(|ui| {
                let name = language_name(&self.cell.language);
                ui.label(RichText::new(format!("{name}, layer {}", self.cell.layer)).heading().strong());
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    closed = ui.button("×").on_hover_text("Close").accessible_name("Close the sentences").clicked();
                });
            });
            let failed = self.cell.outcomes.iter().filter(|o| !self.measure.hit(o)).count();
            ui.label(format!("{failed} of {} sentences are not found ({})", self.cell.n, self.measure.name()));
            ui.checkbox(self.hits, "list the found ones too");
            if self.measure == Measure::CosineGap {
                pane::note(ui, "The cosine gap has no outcome of its own; failures are MEXA's.");
            }
            if !self.exact {
                let centring = measures::variant(self.cell.centring.name());
                pane::note(
                    ui,
                    format!(
                        "These are the outcomes by exact cosines ({centring}) at the same language, pivot and layer."
                    ),
                );
            }
            state.pager(ui);
            ui.separator();
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                if let Some((line, outcome)) = self.chosen.and_then(|line| Some((line, self.cell.outcomes.get(line)?)))
                {
                    ui.label(RichText::new("chosen on the map or here").small().color(colours.accent));
                    self.card(ui, &colours, line, outcome, actions);
                    ui.separator();
                }
                if state.lines.is_empty() {
                    ui.label(RichText::new("Every sentence is found here.").color(colours.good));
                }
                let from = state.page * PAGE;
                for line in state.lines.iter().skip(from).take(PAGE).filter(|line| self.chosen != Some(**line)) {
                    if let Some(outcome) = self.cell.outcomes.get(*line) {
                        self.card(ui, &colours, *line, outcome, actions);
                    }
                }
            });
        });
        closed
    }

    fn card(&self, ui: &mut Ui, colours: &Palette, line: usize, outcome: &Outcome, actions: &mut Vec<Action>) {
        let margin = self.measure.margin(outcome);
        let hit = margin > 0.0;
        let said = format!("sentence {} {}, margin {margin:+.3}", line + 1, if hit { "is found" } else { "fails" });
        let frame = colours.well_frame().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("line {}", line + 1)).small().strong());
                let ink = if hit { colours.good } else { colours.bad };
                let mark = if hit { "found" } else { "not found" };
                ui.label(RichText::new(format!("{mark} · margin {margin:+.3}")).small().color(ink))
                    .on_hover_text(format!("cosine {:.3}", outcome.cosine));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let lens = ui.small_button("lens").on_hover_text("Look at this sentence through the lens");
                    let lens = lens.accessible_name(format!("Lens on sentence {}", line + 1));
                    let choose =
                        ui.small_button("choose").on_hover_text("Choose this line on all screens, the map too");
                    if choose.accessible_name(format!("Choose sentence {}", line + 1)).clicked() {
                        actions.push(Action::Sentence(line));
                    }
                    if lens.clicked()
                        && let Some(text) = sentence(&self.loaded.run.corpus, &self.cell.language, line)
                    {
                        actions.push(Action::Inspect(text.to_owned()));
                    }
                });
            });
            self.quote(ui, colours, "pivot", &self.cell.pivot, line);
            self.quote(ui, colours, "true translation", &self.cell.language, line);
            if self.measure != Measure::RecallTo && outcome.rival_cosine >= outcome.cosine {
                let by = outcome.rival_cosine - outcome.cosine;
                self.quote(
                    ui,
                    colours,
                    &format!("closer to the pivot by {by:.3}"),
                    &self.cell.language,
                    outcome.rival as usize,
                );
            }
            if self.measure != Measure::RecallFrom && outcome.rival_back_cosine >= outcome.cosine {
                let by = outcome.rival_back_cosine - outcome.cosine;
                self.quote(
                    ui,
                    colours,
                    &format!("closer to the translation by {by:.3}"),
                    &self.cell.pivot,
                    outcome.rival_back as usize,
                );
            }
        });
        let node = ui.interact(frame.response.rect, ui.scope_id().with(("sentence", line)), egui::Sense::hover());
        node.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, said.clone()));
        ui.add_space(6.0);
    }

    fn quote(&self, ui: &mut Ui, colours: &Palette, what: &str, language: &str, line: usize) {
        ui.label(RichText::new(format!("{what} · {language} · line {}", line + 1)).small().color(colours.weak));
        match sentence(&self.loaded.run.corpus, language, line) {
            Some(text) => drop(Passage::new(text).direction(lang::direction(language)).show(ui)),
            None => drop(ui.label(RichText::new("this sentence is not in the run's corpus").color(colours.warn))),
        }
    }
}

fn sentence<'c>(corpus: &'c Corpus, language: &str, line: usize) -> Option<&'c str> {
    corpus.lines(language)?.get(line).map(String::as_str)
}

impl State {
    fn refresh(&mut self, panel: &Sentences<'_>) {
        let Sentences { loaded, cell, measure, hits, .. } = panel;
        let key = Id::unique((loaded.stamp, &cell.pivot, &cell.language, cell.layer, cell.centring, *measure, **hits));
        if self.key == Some(key) {
            return;
        }
        let mut lines: Vec<usize> = (0..cell.outcomes.len()).collect();
        lines.retain(|&line| **hits || cell.outcomes.get(line).is_some_and(|o| !measure.hit(o)));
        let margin = |line: usize| cell.outcomes.get(line).map_or(f32::INFINITY, |o| measure.margin(o));
        lines.sort_by(|&a, &b| margin(a).total_cmp(&margin(b)).then(a.cmp(&b)));
        *self = Self { key: Some(key), lines, page: 0 };
    }

    fn pager(&mut self, ui: &mut Ui) {
        let pages = self.lines.len().div_ceil(PAGE);
        if pages < 2 {
            return;
        }
        ui.horizontal(|ui| {
            if ui.add_enabled(self.page > 0, egui::Button::new("previous")).clicked() {
                self.page -= 1;
            }
            ui.label(format!("page {} of {pages}, worst first", self.page + 1));
            if ui.add_enabled(self.page + 1 < pages, egui::Button::new("next")).clicked() {
                self.page += 1;
            }
        });
    }
}
