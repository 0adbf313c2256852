//! Runs: the run folders below the root, and a form for a new one.

use std::path::{Path, PathBuf};

use babelscope::{
    manifest::Manifest,
    run::Entry,
    spec::{ModelSpec, Pooling, ProbeSpec, RunSpec},
};
use babelscope_probes::align::AlignParams;
use egui::{Align, CursorIcon, Layout, Panel, RichText, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use super::{remote, runs_filter::FilterRow};
use crate::{
    command::{Action, Command},
    data,
    text::Line,
    theme::{GAP, Palette, SMALL, TITLE},
    widgets::pane::{self, segmented},
    worker::Slot,
};

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    /// What was last found below the root; `None` before the first look.
    pub entries: Option<Vec<Entry>>,
    /// The dialog for runs of other machines.
    pub remote: remote::View,
    path: String,
    filter: FilterRow,
    form: Form,
}

/// The fields of a new run.
#[derive(Clone, Debug, PartialEq)]
struct Form {
    name: String,
    model: String,
    corpus: String,
    align: bool,
    pivots: String,
    pooling: Pooling,
    limit: usize,
    lens: bool,
    texts: String,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            model: "lab".to_owned(),
            corpus: "lab".to_owned(),
            align: true,
            pivots: "eng_Latn".to_owned(),
            pooling: Pooling::default(),
            limit: 0,
            lens: false,
            texts: String::new(),
        }
    }
}

impl Form {
    fn spec(&self) -> RunSpec {
        let words = |text: &str| text.split([' ', ',']).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let mut probe = Vec::new();
        if self.align {
            probe.push(ProbeSpec::Align(AlignParams { pivots: words(&self.pivots), ..AlignParams::default() }));
        }
        if self.lens {
            let texts = self.texts.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
            probe.push(ProbeSpec::lens(texts));
        }
        let mut spec = RunSpec::new(self.name.trim(), ModelSpec::new(self.model.trim()), probe);
        self.corpus.trim().clone_into(&mut spec.data.path);
        spec.data.limit = self.limit;
        spec.extract.pooling = self.pooling;
        spec
    }
}

/// Draws the view.
pub fn show(ui: &mut Ui, view: &mut View, open: Option<&Path>, root: &Path, busy: bool, actions: &mut Vec<Action>) {
    Panel::right("new run")
        .resizable(true)
        .default_size(340.0)
        .min_size(280.0)
        .frame(egui::Frame::new())
        .show_separator_line(false)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.add_space(GAP);
                ui.vertical(|ui| new_run(ui, &mut view.form, busy, actions));
            });
        });
    remote::show(ui, &mut view.remote, actions);
    let colours = *Palette::current(ui);
    colours.card_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(ui.available_height());
        ui.horizontal(|ui| {
            ui.label(RichText::new("Runs").heading().strong());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Read again").on_hover_text("Look through the folder again (F5)").clicked() {
                    actions.push(Action::Do(Command::Refresh));
                }
                if ui.button("Open remote").on_hover_text("A run of another machine").clicked() {
                    actions.push(Action::Do(Command::Remote));
                }
                let shown = root.display().to_string();
                Line::new(format!("below {shown}"))
                    .size(SMALL)
                    .color(colours.weak)
                    .width(ui.available_width() - 8.0)
                    .show(ui);
            });
        });
        ui.label(RichText::new("Which analyses are there, and of what?").color(colours.weak));
        open_path(ui, &mut view.path, actions);
        ui.separator();
        match view.entries.as_deref() {
            None => drop(ui.label(RichText::new("looking through the folder …").color(colours.weak))),
            Some([]) => first_start(ui, busy, actions),
            Some(entries) => {
                let places = view.filter.show(ui, entries);
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    for entry in places.into_iter().filter_map(|at| entries.get(at)) {
                        row(ui, &colours, entry, open == Some(entry.folder.as_path()), actions);
                        ui.add_space(6.0);
                    }
                });
            }
        }
    });
}

fn open_path(ui: &mut Ui, path: &mut String, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 84.0).max(80.0);
        let field = egui::TextEdit::singleline(path)
            .hint_text("Path of a run folder, or drop one on the window")
            .desired_width(width);
        let field = ui.add(field).accessible_name("Path of a run folder");
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
        let some = !path.trim().is_empty();
        if (ui.add_enabled(some, egui::Button::new("Open")).clicked() || enter) && some {
            actions.push(Action::Open(PathBuf::from(path.trim())));
        }
    });
}

fn first_start(ui: &mut Ui, busy: bool, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    pane::empty(
        ui,
        "No runs yet",
        "The demo runs both analyses on the small model that is built in: some seconds, no network, nothing to install.",
    );
    ui.vertical_centered(|ui| {
        let button = egui::Button::new(RichText::new("Run the demo").size(TITLE).color(colours.on_accent))
            .fill(colours.accent)
            .min_size(vec2(200.0, 44.0));
        if ui.add_enabled(!busy, button).clicked() {
            actions.push(Action::Do(Command::Demo));
        }
    });
}

fn row(ui: &mut Ui, colours: &Palette, entry: &Entry, open: bool, actions: &mut Vec<Action>) {
    let frame = colours.well_frame();
    let frame = if open { frame.stroke(egui::Stroke::new(1.5, colours.accent)) } else { frame };
    let folder = entry
        .folder
        .file_name()
        .map_or_else(|| entry.folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        match &entry.manifest {
            Ok(manifest) => whole(ui, colours, manifest, &folder),
            Err(error) => {
                Line::new(folder.as_str()).width(ui.available_width()).show(ui);
                ui.add(egui::Label::new(RichText::new(format!("{error:#}")).color(colours.bad)).wrap());
            }
        }
    });
    let rect = shown.response.rect;
    let click = ui
        .interact(rect, ui.scope_id().with(("run", &entry.folder)), Sense::click())
        .on_hover_cursor(CursorIcon::PointingHand);
    click.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Open run {folder}")));
    if click.hovered() {
        ui.painter().rect_stroke(rect, 6.0, egui::Stroke::new(1.0, colours.accent), egui::StrokeKind::Inside);
    }
    if click.clicked() {
        actions.push(Action::Open(entry.folder.clone()));
    }
}

fn whole(ui: &mut Ui, colours: &Palette, manifest: &Manifest, folder: &str) {
    ui.horizontal(|ui| {
        Line::new(manifest.name.as_str()).size(TITLE - 1.0).show(ui);
        if manifest.align.is_some() {
            badge(ui, colours, "alignment");
        }
        if !manifest.lens.is_empty() {
            badge(ui, colours, &format!("lens × {}", manifest.lens.len()));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(
                RichText::new(manifest.started.replace('T', " ").replace('Z', " UTC")).small().color(colours.weak),
            );
        });
    });
    let model = &manifest.model;
    let corpus = &manifest.corpus;
    let text = format!(
        "model {} ({}, {} layers, width {}) · corpus {} ({} languages × {} lines) · {:.1} s",
        model.reference,
        model.family,
        model.layers,
        model.width,
        corpus.name,
        corpus.languages.len(),
        corpus.lines,
        manifest.seconds.total,
    );
    Line::new(text).size(SMALL).color(colours.weak).width(ui.available_width()).show(ui);
    Line::new(folder).size(SMALL).color(colours.weak).width(ui.available_width()).show(ui);
    let warnings = manifest.notes.len() + corpus.notes.len() + manifest.align.as_ref().map_or(0, |a| a.notes.len());
    if warnings > 0 {
        ui.label(
            RichText::new(format!("{warnings} notes to read; they are in the log when the run is open"))
                .small()
                .color(colours.warn),
        );
    }
}

fn badge(ui: &mut Ui, colours: &Palette, text: &str) {
    egui::Frame::new().fill(colours.accent_soft).corner_radius(9).inner_margin(egui::Margin::symmetric(8, 1)).show(
        ui,
        |ui| {
            ui.label(RichText::new(text).size(SMALL).color(colours.text));
        },
    );
}

fn new_run(ui: &mut Ui, form: &mut Form, busy: bool, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    colours.card_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(ui.available_height());
        ui.label(RichText::new("New run").heading().strong());
        ui.label(RichText::new("What shall be computed?").color(colours.weak));
        ui.add_space(4.0);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| fields(ui, form, busy, &colours, actions));
    });
}

fn fields(ui: &mut Ui, form: &mut Form, busy: bool, colours: &Palette, actions: &mut Vec<Action>) {
    let field = |ui: &mut Ui, name: &str, hint: &str, value: &mut String| {
        let label = ui.label(RichText::new(name).small().color(colours.weak));
        ui.add(egui::TextEdit::singleline(value).hint_text(hint).desired_width(f32::INFINITY)).labelled_by(label.id);
    };
    field(ui, "Name", "letters, digits, . _ -", &mut form.name);
    field(ui, "Model", "lab, a folder, or a Hub id", &mut form.model);
    field(ui, "Corpus", "lab, a folder, or a table file", &mut form.corpus);
    ui.horizontal(|ui| {
        ui.label(RichText::new("First lines").small().color(colours.weak));
        ui.add(egui::DragValue::new(&mut form.limit).range(0..=1_000_000))
            .on_hover_text("0 means all")
            .accessible_name("First lines");
        pane::note(ui, if form.limit == 0 { "all" } else { "of each language" });
    });
    ui.separator();
    ui.checkbox(&mut form.align, "Alignment (MEXA, retrieval)");
    ui.add_enabled_ui(form.align, |ui| {
        field(ui, "Pivots", "FLORES codes; empty means all pairs", &mut form.pivots);
        ui.label(RichText::new("A sentence becomes one vector by").small().color(colours.weak));
        let options = [
            (Pooling::Mean, "mean", "Mean over its tokens"),
            (Pooling::Weighted, "weighted", "Mean weighted by position, MEXA's default"),
            (Pooling::Last, "last", "Its last token"),
        ];
        segmented(ui, "pooling", &mut form.pooling, &options);
    });
    ui.separator();
    ui.checkbox(&mut form.lens, "Logit lens");
    ui.add_enabled_ui(form.lens, |ui| {
        let label = ui.label(RichText::new("Texts, one a line").small().color(colours.weak));
        ui.add(egui::TextEdit::multiline(&mut form.texts).desired_rows(3).desired_width(f32::INFINITY))
            .labelled_by(label.id);
    });
    ui.add_space(GAP);
    let spec = form.spec();
    let checked = spec.check();
    ui.horizontal(|ui| {
        let start =
            egui::Button::new(RichText::new("Start").strong()).min_size(vec2(90.0, 32.0)).fill(colours.accent_soft);
        if ui.add_enabled(checked.is_ok() && !busy, start).clicked() {
            actions.push(Action::Execute(Slot::Run, Box::new(spec.clone())));
        }
        if ui.button("Copy as TOML").accessible_name("Copy the new run as TOML").clicked() {
            actions.push(Action::Copy { what: "spec as TOML".to_owned(), text: data::toml(&spec) });
        }
    });
    if let Err(error) = checked {
        ui.add(egui::Label::new(RichText::new(format!("{error:#}")).small().color(colours.warn)).wrap());
    }
    ui.add_space(GAP);
    ui.separator();
    ui.label(RichText::new("New here?").small().color(colours.weak));
    let demo = ui.add_enabled(!busy, egui::Button::new("Demo on the built-in model"));
    if demo.on_hover_text("Both analyses on the embedded model and corpus").clicked() {
        actions.push(Action::Do(Command::Demo));
    }
}
