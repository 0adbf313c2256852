//! The desktop app of Babelscope: every action is a run spec, every view draws a report.
//!
//! What a person does by hand and what a script does are the same thing: a click builds a `RunSpec`, a worker thread
//! executes it ([`worker`]), the view draws the resulting report ([`views`]), and "Copy as TOML" always works. A view reads,
//! draws and pushes [`command::Action`]s; it opens no file, computes no tensor and never waits.

pub mod app;
pub mod catalogue;
mod chrome;
pub mod command;
pub mod data;
pub mod measures;
pub mod order;
pub mod state;
pub mod text;
pub mod theme;
pub mod views;
pub mod widgets;
pub mod worker;
