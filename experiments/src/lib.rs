//! The run: a spec (TOML) becomes a run folder with manifest, tables, figures; the command line and the window both stand on it.

pub mod fonts;
pub mod run;
pub mod spec;
