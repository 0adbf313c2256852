//! The window of the tests: headless, on workers that answer at once, driven by the names that a screen reader would say.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use babelscope::{
    fault::Fault,
    run::{Outcome as Executed, Run},
    spec::RunSpec,
};
use babelscope_core::monitor::Monitor;
use babelscope_gui::{
    app::{App, prepare},
    state::Settings,
    worker::{Answer, Work, Worker},
};
use egui::{Event, Key, Modifiers, OutputCommand, PointerButton, Pos2, Vec2};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};

use crate::{acts, synthetic};

/// Name of the heat map of languages by layers.
pub const HEAT_MAP: &str = "alignment, languages by layers";
/// Name of the grid of the lens.
pub const LENS: &str = "logit lens, layers by tokens";

/// What the made-up server of the remote runs takes.
pub const TOKEN: &str = "correct-horse-battery";

/// A window in a test.
pub type Window<'a> = Harness<'a, App>;

/// An engine that answers at once with the made-up run, and tells which spec it got.
pub fn fake(told: SyncSender<RunSpec>) -> Worker {
    let make = move || {
        let told = told.clone();
        move |work: Work, _: &Monitor| match work {
            Work::Execute(spec) => {
                let lens_only = spec.align().is_none();
                let text = spec.lens().and_then(|lens| lens.texts.first().cloned());
                let compares = spec.probe.iter().any(|probe| probe.kind() == "compare");
                let run = match text {
                    None if compares && lens_only => acts::answered(&spec),
                    Some(text) if lens_only => synthetic::lens_run(&spec, &text),
                    _ => synthetic::run(),
                };
                told.send(*spec)?;
                Ok(Answer::Executed(Box::new(Executed { run, already_done: false })))
            }
            Work::Open(_) => Ok(Answer::Opened(Box::new(synthetic::run()))),
            Work::OpenRemote(place, token) if token.is(TOKEN) => {
                let folder = PathBuf::from(place.run.unwrap_or_default());
                Ok(Answer::Opened(Box::new(Run { folder, ..synthetic::run() })))
            }
            Work::OpenRemote(..) => Err(Fault::data("the server does not know this token").into()),
            Work::List => Ok(Answer::Listed(Vec::new())),
        }
    };
    Worker::start_with("fake", make, || ()).unwrap()
}

/// A window on an app.
pub fn window<'a>(app: App) -> Window<'a> {
    Harness::builder()
        .with_size(Vec2::new(1320.0, 880.0))
        .with_context_setup(prepare)
        .build_ui_state(|ui, app: &mut App| app.show(ui), app)
}

/// The window with a fake engine and the specs that it gets.
pub fn fake_window<'a>(adopt: bool) -> (Window<'a>, Receiver<RunSpec>) {
    let (told, specs) = sync_channel(8);
    let mut app = App::with_workers(Settings::default(), PathBuf::from("runs"), fake(told.clone()), fake(told));
    if adopt {
        app.adopt(synthetic::run());
    }
    let mut window = window(app);
    settle(&mut window);
    (window, specs)
}

/// A few frames more than any layout or answer needs.
pub fn settle(window: &mut Window<'_>) {
    for _ in 0..6 {
        window.step();
        thread::sleep(Duration::from_millis(2));
    }
    window.run_ok();
}

/// Steps until `met`; a bound in steps, as a window that never gets there must fail and not hang.
pub fn until(window: &mut Window<'_>, what: &str, met: impl Fn(&Window<'_>) -> bool) {
    for _ in 0..60_000 {
        window.step();
        if met(window) {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("never seen: {what}");
}

/// Clicks the one thing of this name.
pub fn click(window: &mut Window<'_>, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

/// Scrolls to the one thing of this name.
pub fn see(window: &mut Window<'_>, label: &str) {
    window.get_by_label(label).scroll_to_me();
    settle(window);
}

/// Whether anything has a name with this in it.
pub fn shows(window: &Window<'_>, part: &str) -> bool {
    window.query_all_by_label_contains(part).next().is_some()
}

/// Clicks the cell of a grid that is `row` from the top of `rows` and `column` from the left of `columns`.
pub fn click_cell(window: &mut Window<'_>, grid: &str, (row, rows): (usize, usize), (column, columns): (usize, usize)) {
    let rect = window.get_by_label(grid).rect();
    let pos = Pos2::new(
        rect.left() + (column as f32 + 0.5) * rect.width() / columns as f32,
        rect.top() + (row as f32 + 0.5) * rect.height() / rows as f32,
    );
    window.event(Event::PointerMoved(pos));
    for pressed in [true, false] {
        window.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE });
    }
    settle(window);
}

/// What a grid or a picture says of what is chosen in it.
pub fn value(window: &Window<'_>, grid: &str) -> String {
    window.get_by_label(grid).value().unwrap_or_default()
}

/// All names that begin so, sorted.
pub fn labels(window: &Window<'_>, prefix: &str) -> Vec<String> {
    let mut all: Vec<String> = window
        .root()
        .children_recursive()
        .filter_map(|node| node.accesskit_node().label())
        .filter(|label| label.starts_with(prefix))
        .collect();
    all.sort_unstable();
    all
}

/// What was put on the clipboard in the last frame.
pub fn copied(window: &Window<'_>) -> Option<String> {
    window.output().platform_output.commands.iter().find_map(|command| match command {
        OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

/// A window on real workers below `root`.
pub fn real_window<'a>(root: &Path) -> Window<'a> {
    let engine = Worker::start("engine", root.to_owned(), || ()).unwrap();
    let reader = Worker::start("reader", root.to_owned(), || ()).unwrap();
    let mut window = window(App::with_workers(Settings::default(), root.to_owned(), engine, reader));
    settle(&mut window);
    window
}

/// Opens a chooser and takes one of its options.
pub fn pick(window: &mut Window<'_>, chooser: &str, option: &str) {
    click(window, chooser);
    click(window, option);
}

/// A key, and the frames that it needs.
pub fn press(window: &mut Window<'_>, key: Key) {
    window.key_press(key);
    settle(window);
}

/// A window that shows one run.
pub fn showing<'a>(run: Run) -> Window<'a> {
    let (told, _) = sync_channel(8);
    let mut app = App::with_workers(Settings::default(), PathBuf::from("runs"), fake(told.clone()), fake(told));
    app.adopt(run);
    let mut window = window(app);
    settle(&mut window);
    window
}
