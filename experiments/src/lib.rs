//! The run: a spec (TOML) becomes a run folder with manifest, tables, figures; the command line and the window both stand on it.

mod atomic;
pub mod cluster;
pub mod details;
pub mod diff;
pub mod doctor;
pub mod fault;
pub mod figures;
pub mod filter;
pub mod fonts;
pub mod headlines;
pub mod html;
pub mod inspect;
pub mod lab;
pub mod manifest;
mod memory;
pub mod merged;
pub mod remote;
pub mod run;
pub mod saelens;
pub mod serve;
pub mod spec;
pub mod spread;
pub mod sweep;
pub mod tables;
pub mod traces;
pub mod vectors;
