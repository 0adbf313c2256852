//! The one place that writes to the terminal: results to standard output, everything else to standard error.

mod acts;
mod measures;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod table;

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

pub(crate) use progress::Progress;

/// Writes a result. A closed pipe (`| head`) is the reader's wish and no error.
pub(crate) fn print(text: &str) {
    writeln!(stdout().lock(), "{text}").ok();
}

/// Writes a piece of a result that is still coming.
pub(crate) fn write(text: &str) {
    let mut to = stdout().lock();
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).ok();
}

/// Writes a remark.
pub(crate) fn note(text: &str) {
    writeln!(stderr().lock(), "{text}").ok();
}

/// Writes what went wrong.
pub(crate) fn error(text: &str) {
    let mut to = stderr().lock();
    if colour() {
        write!(to, "\x1b[1;31merror:\x1b[0m ").ok()
    } else {
        write!(to, "error: ").ok()
    };
    writeln!(to, "{text}").ok();
}

/// Whether standard error may be coloured: a terminal, and nobody said NO_COLOR (no-color.org).
fn colour() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Columns of the terminal; 100 where the output goes elsewhere.
pub(crate) fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns).max(40))
}
