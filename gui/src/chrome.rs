//! What stands around the view: top bar, screens at the left, log at the bottom, palette, shortcuts, dropped files.

use babelscope_core::hub::human;
use egui::{
    Align, CentralPanel, Frame, Id, Key, Layout, Margin, Modal, Modifiers, Panel, ProgressBar, RichText, ScrollArea,
    Stroke, ThemePreference, Ui, vec2,
};

use crate::{
    app::App,
    command::{Action, Command},
    data::Loaded,
    state::{Level, Notice},
    text::Line,
    theme::{GAP, Palette, SMALL, TITLE},
    views::Screen,
    worker::{Current, Progress, Slot},
};

/// The preference that egui wants.
pub(crate) fn preference(dark: Option<bool>) -> ThemePreference {
    match dark {
        None => ThemePreference::System,
        Some(true) => ThemePreference::Dark,
        Some(false) => ThemePreference::Light,
    }
}

/// Turns keys into commands. Escape belongs to a dialog while one is open, and to the run otherwise.
pub(crate) fn shortcuts(ui: &Ui, working: bool, dialog: bool, actions: &mut Vec<Action>) {
    for command in Command::ALL {
        let wanted = command != Command::Cancel || (working && !dialog);
        if let Some(keys) = command.shortcut().filter(|_| wanted)
            && ui.input_mut(|input| input.consume_shortcut(&keys))
        {
            actions.push(Action::Do(command));
        }
    }
}

/// A folder dropped on the window is a run to open; a file in it means its folder.
pub(crate) fn dropped(ui: &Ui, actions: &mut Vec<Action>) {
    let dropped = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_path_buf()));
    if let Some(path) = dropped {
        let folder = if path.extension().is_some() { path.parent().map(Into::into).unwrap_or(path) } else { path };
        actions.push(Action::Open(folder));
    }
}

/// The top bar.
pub(crate) fn top(ui: &mut Ui, app: &App, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    let frame = Frame::new().fill(colours.bar).inner_margin(Margin::symmetric(14, 8));
    Panel::top("top").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Babelscope").size(TITLE).strong().color(colours.accent));
            ui.add_space(GAP);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (label, tip) = if colours.dark {
                    ("Light", "Switch to the light theme")
                } else {
                    ("Dark", "Switch to the dark theme")
                };
                if ui.button(label).on_hover_text(tip).clicked() {
                    actions.push(Action::Do(Command::Theme));
                }
                if ui.button("Commands").on_hover_text("Ctrl-P").clicked() {
                    actions.push(Action::Do(Command::Palette));
                }
                ui.add_space(4.0);
                match (app.engine.current(), app.reader.current()) {
                    (Some(current), _) => working(ui, &colours, current, true, actions),
                    (None, Some(current)) => working(ui, &colours, current, current.slot == Slot::Open, actions),
                    (None, None) => drop(ui.label(RichText::new("idle").small().color(colours.weak))),
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| subject(ui, &colours, app.main.as_ref()));
            });
        });
    });
}

fn subject(ui: &mut Ui, colours: &Palette, main: Option<&Loaded>) {
    let Some(loaded) = main else {
        ui.label(RichText::new("no run is open").color(colours.weak));
        return;
    };
    let manifest = &loaded.run.manifest;
    let model = &manifest.model;
    let text = format!(
        "{} · {} layers × {} · corpus {} · {} · run {}",
        model.reference,
        model.layers,
        model.width,
        manifest.corpus.name,
        model.device,
        loaded.tag(),
    );
    Line::new(text).width(ui.available_width() - 4.0).show(ui);
}

fn working(ui: &mut Ui, colours: &Palette, current: &Current, can_cancel: bool, actions: &mut Vec<Action>) {
    if can_cancel {
        let label = if current.stopping { "stopping …" } else { "Cancel" };
        let button = ui.add_enabled(!current.stopping, egui::Button::new(RichText::new(label).color(colours.bad)));
        if button.on_hover_text("Stop at the next batch (Esc); nothing half done is kept").clicked() {
            actions.push(Action::Do(Command::Cancel));
        }
    }
    let (share, text) = match &current.progress {
        Some(progress) if progress.total > 0 => {
            (progress.done as f32 / progress.total as f32, format!("{} · {}", current.title, said(progress)))
        }
        Some(progress) => (0.0, format!("{} · {}", current.title, progress.what)),
        None => (0.0, current.title.clone()),
    };
    let bar = ProgressBar::new(share).desired_width(150.0).desired_height(8.0).fill(colours.accent);
    ui.add(bar).accessible_name("progress of the run");
    ui.add(egui::Label::new(RichText::new(text).small().color(colours.weak)).truncate());
}

/// "capturing 120 of 200 sentences, 35 a second, 2 s left".
fn said(progress: &Progress) -> String {
    let Progress { what, done, total, unit, rate } = progress;
    let pace = rate.map_or_else(String::new, |rate| {
        let left = total.saturating_sub(*done) as f64 / rate.max(1e-9);
        let each = if *unit == "bytes" { human(rate as u64) } else { format!("{rate:.0}") };
        format!(", {each} a second, {left:.0} s left")
    });
    if *unit == "bytes" {
        return format!("{what} {} of {}{pace}", human(*done as u64), human(*total as u64));
    }
    format!("{what} {done} of {total} {unit}{pace}")
}

/// The screens.
pub(crate) fn left(ui: &mut Ui, app: &App, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    let frame = Frame::new().fill(colours.bar).inner_margin(Margin::symmetric(10, 12));
    Panel::left("screens").frame(frame).resizable(false).exact_size(148.0).show(ui, |ui| {
        for screen in Screen::ALL {
            let command = Command::Show(screen);
            let keys = command.shortcut().map_or_else(String::new, |keys| ui.ctx().format_shortcut(&keys));
            let button =
                egui::Button::selectable(app.settings.screen == screen, screen.name()).min_size(vec2(128.0, 34.0));
            if ui.add(button).on_hover_text(keys).clicked() {
                actions.push(Action::Do(command));
            }
        }
        ui.add_space(GAP);
        if !app.settings.recent.is_empty() {
            ui.label(RichText::new("recent").small().color(colours.weak));
        }
        for folder in &app.settings.recent {
            let name =
                folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
            let line = Line::new(name.as_str()).size(SMALL).width(126.0).sense(egui::Sense::click());
            let line = line.show(ui).on_hover_cursor(egui::CursorIcon::PointingHand);
            if line.clicked() {
                actions.push(Action::Open(folder.clone()));
            }
        }
    });
}

/// The log: its last line always, all of it when open.
pub(crate) fn log(ui: &mut Ui, app: &mut App, actions: &mut Vec<Action>) {
    let colours = *Palette::current(ui);
    let frame = Frame::new().fill(colours.bar).inner_margin(Margin::symmetric(14, 5));
    Panel::bottom("status").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            let warnings = app.log.warnings();
            let label = if warnings == 0 { "Log".to_owned() } else { format!("Log ({warnings} warnings)") };
            if ui.add(egui::Button::selectable(app.settings.log_open, label).small()).on_hover_text("Ctrl-L").clicked()
            {
                actions.push(Action::Do(Command::Log));
            }
            if let Some(notice) = app.log.notices().last().filter(|_| !app.settings.log_open) {
                line(ui, &colours, notice);
            }
        });
        if app.settings.log_open {
            ui.separator();
            ScrollArea::vertical()
                .max_height(150.0)
                .min_scrolled_height(150.0)
                .auto_shrink(false)
                .stick_to_bottom(true)
                .show(ui, |ui| {
                    for notice in app.log.notices() {
                        line(ui, &colours, notice);
                    }
                });
        }
    });
}

fn line(ui: &mut Ui, colours: &Palette, notice: &Notice) {
    let ink = match notice.level {
        Level::Info => colours.weak,
        Level::Warning => colours.warn,
        Level::Error => colours.bad,
    };
    let first = notice.text.lines().next().unwrap_or_default();
    let text = format!("{:>6.1} s  {first}", notice.after.as_secs_f64());
    Line::new(text).size(SMALL).color(ink).width(ui.available_width()).copyable().show(ui);
}

/// The view, below the last failure where there is one.
pub(crate) fn centre(ui: &mut Ui, app: &mut App, view: impl FnOnce(&mut Ui, &mut App)) {
    let colours = *Palette::current(ui);
    CentralPanel::default().frame(Frame::new().fill(colours.ground).inner_margin(Margin::same(GAP as i8))).show(
        ui,
        |ui| {
            if let Some(problem) = app.problem.clone() {
                let frame = colours.card_frame().stroke(Stroke::new(1.0, colours.bad));
                frame.show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    ui.horizontal_top(|ui| {
                        if ui.button("×").accessible_name("Close the message").clicked() {
                            app.problem = None;
                        }
                        ui.add(egui::Label::new(RichText::new(problem).color(colours.bad)).wrap().selectable(true));
                    });
                });
                ui.add_space(GAP);
            }
            view(ui, app);
        },
    );
}

/// The command palette.
pub(crate) fn palette(ui: &Ui, typed: &mut Option<String>, actions: &mut Vec<Action>) {
    let Some(text) = typed else { return };
    let mut close = false;
    let shown = Modal::new(Id::unique("palette")).show(ui.ctx(), |ui| {
        ui.set_width(420.0);
        let field = egui::TextEdit::singleline(text).hint_text("What shall be done?").desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name("Command");
        field.request_focus();
        let enter = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        for (at, command) in Command::ALL.into_iter().filter(|c| *c != Command::Palette && c.fits(text)).enumerate() {
            let keys = command.shortcut().map_or_else(String::new, |keys| ui.ctx().format_shortcut(&keys));
            let button = egui::Button::selectable(at == 0, command.name()).right_text(keys).min_size(vec2(420.0, 28.0));
            if ui.add(button).clicked() || (enter && at == 0) {
                actions.push(Action::Do(command));
                close = true;
            }
        }
    });
    if close || shown.should_close() {
        *typed = None;
    }
}
