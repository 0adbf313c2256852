//! `babelscope-gui`: the window.

use std::path::PathBuf;

use anyhow::anyhow;
use babelscope::{remote, serve::Token};
use babelscope_gui::app::{App, Options};
use clap::{Parser, ValueEnum};

/// Babelscope in a window: alignment and lens of multilingual language models.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A run folder to open, or http://HOST:PORT/NAME of a machine where `babelscope serve` runs.
    run: Option<PathBuf>,
    /// A file with the token of that server; without it the window asks.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Colours; what was chosen last, or the system's, otherwise.
    #[arg(long)]
    theme: Option<Theme>,
    /// The folder below which runs are listed and written; the folder of RUN otherwise, or `runs`.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Theme {
    Light,
    Dark,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let address = arguments.run.as_deref().and_then(remote::address).map(str::to_owned);
    let run = arguments.run.filter(|_| address.is_none());
    let token = arguments.token_file.as_deref().map(Token::read).transpose()?;
    let beside = run.as_deref().and_then(|run| run.parent()).filter(|parent| !parent.as_os_str().is_empty());
    let root = arguments.root.clone().or_else(|| beside.map(Into::into)).unwrap_or_else(|| PathBuf::from("runs"));
    let remote = address.map(|address| (address, token));
    let options = Options { run, remote, dark: arguments.theme.map(|t| matches!(t, Theme::Dark)), root };
    let viewport = egui::ViewportBuilder::default()
        .with_title("Babelscope")
        .with_app_id("babelscope")
        .with_inner_size([1320.0, 880.0])
        .with_min_inner_size([880.0, 560.0])
        .with_drag_and_drop(true);
    let native = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    eframe::run_native("babelscope", native, Box::new(|cc| Ok(Box::new(App::new(cc, options)?))))
        .map_err(|error| anyhow!("the window could not be opened: {error}; is there a display, and OpenGL?"))
}
