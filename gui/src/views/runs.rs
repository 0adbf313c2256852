//! Runs: the run folders below the root, and a form for a new one.

use std::path::{Path, PathBuf};

use babelscope::{manifest::Manifest, run::Entry};
use egui::{Align, CursorIcon, Layout, Panel, RichText, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use super::{
    new_run::{self, Form},
    remote,
    runs_filter::FilterRow,
};
use crate::{
    command::{Action, Command},
    text::Line,
    theme::{GAP, Palette, SMALL, TITLE},
    widgets::pane,
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
                ui.vertical(|ui| new_run::show(ui, &mut view.form, busy, actions));
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
        for info in manifest.measured.iter().filter(|info| info.probe != "align") {
            badge(ui, colours, &info.probe);
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
    let of_probes = manifest.measured.iter().map(|info| info.notes.len()).sum::<usize>();
    let of_align = manifest.align.as_ref().map_or(0, |a| a.notes.len());
    let warnings = manifest.notes.len() + corpus.notes.len() + of_align + of_probes;
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
