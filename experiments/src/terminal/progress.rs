//! Progress of long work: a bar with rate and time left on a terminal, a plain line at each stage elsewhere, lines of JSON on
//! request; and Ctrl-C.

use std::{
    io::{IsTerminal as _, stderr},
    process::exit,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use babelscope_core::{
    hub::human,
    monitor::{Monitor, Tick},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::note;

/// Elsewhere than on a terminal, how often a long stage says that it lives.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);
/// How often a line of JSON is written.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A line now and then.
    Plain,
    /// A line of JSON for each step, at most one a second.
    Json,
    /// Nothing.
    Off,
}

static STYLE: OnceLock<Style> = OnceLock::new();

/// Says how the progress of this process is shown; the first call counts.
pub(crate) fn set_style(style: Style) {
    STYLE.get_or_init(|| style);
}

fn style() -> Style {
    STYLE.get().copied().unwrap_or_default()
}

/// One line of `--progress json`.
#[derive(Serialize)]
struct Line<'a> {
    what: &'a str,
    done: usize,
    total: usize,
    unit: &'a str,
    seconds: f64,
    /// Units a second since the step began.
    rate: Option<f64>,
    seconds_left: Option<f64>,
}

/// Shows the ticks of a monitor.
pub(crate) struct Progress {
    stage: Arc<Mutex<Option<Stage>>>,
}

struct Stage {
    what: String,
    unit: &'static str,
    total: usize,
    begun: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { stage: Arc::default() }
    }

    /// A monitor that shows its ticks here and stops at Ctrl-C; a second Ctrl-C ends the program at once.
    pub(crate) fn monitor(&self) -> Result<Monitor> {
        let cancel = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancel);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                exit(130);
            }
            note("\nstopping at the next step; once more stops at once");
        })
        .context("cannot listen for Ctrl-C")?;
        let stage = Arc::clone(&self.stage);
        Ok(Monitor::new(cancel, move |tick| {
            let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            if stage.as_ref().is_none_or(|s| s.what != tick.what || s.total != tick.total) {
                if let Some(before) = stage.take() {
                    before.finish();
                }
                *stage = Some(Stage::begin(tick));
            }
            if let Some(stage) = stage.as_mut() {
                stage.tick(tick);
            }
        }))
    }

    /// Ends the last stage.
    pub(crate) fn finish(&self) {
        if let Some(stage) = self.stage.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stage.finish();
        }
    }
}

impl Stage {
    fn begin(tick: Tick<'_>) -> Self {
        let now = Instant::now();
        let bar = (style() == Style::Auto && stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(tick.total as u64), ProgressDrawTarget::stderr_with_hz(10));
            let template = match tick.unit {
                "bytes" => "{msg:24} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left"
                    .to_owned(),
                unit => format!("{{msg:24}} {{bar:24}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}} left"),
            };
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_message(tick.what.to_owned());
            bar
        });
        let stage = Self { what: tick.what.to_owned(), unit: tick.unit, total: tick.total, begun: now, said: now, bar };
        if style() == Style::Json {
            stage.line(tick.done);
        }
        stage
    }

    fn line(&self, done: usize) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (done > 0 && seconds > 0.0).then(|| done as f64 / seconds);
        let left = rate.map(|rate| self.total.saturating_sub(done) as f64 / rate);
        let Self { what, unit, total, .. } = self;
        let line = Line { what, done, total: *total, unit, seconds, rate, seconds_left: left };
        if let Ok(text) = serde_json::to_string(&line) {
            note(&text);
        }
    }

    fn tick(&mut self, tick: Tick<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_position(tick.done as u64);
        } else if style() == Style::Json {
            if self.said.elapsed() >= JSON_INTERVAL && tick.done < tick.total {
                self.said = Instant::now();
                self.line(tick.done);
            }
        } else if style() != Style::Off && self.said.elapsed() >= PLAIN_INTERVAL && tick.done > 0 {
            self.said = Instant::now();
            let rate = tick.done as f64 / self.begun.elapsed().as_secs_f64();
            let left = tick.total.saturating_sub(tick.done) as f64 / rate;
            let rate = if self.unit == "bytes" { human(rate as u64) } else { format!("{rate:.1}") };
            let (done, total) = (amount(tick.done, self.unit), amount(tick.total, self.unit));
            note(&format!("{}: {done} of {total} ({rate}/s, {left:.0} s left)", self.what));
        }
    }

    fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        match style() {
            Style::Off => return,
            Style::Json => return self.line(self.total),
            Style::Auto | Style::Plain => {}
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        note(&format!("{}: {} in {seconds:.1} s", self.what, amount(self.total, self.unit)));
    }
}

/// A count with its unit; bytes as a person reads them.
fn amount(count: usize, unit: &str) -> String {
    if unit == "bytes" { human(count as u64) } else { format!("{count} {unit}") }
}
