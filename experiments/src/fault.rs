//! Errors as a shell sees them: every failure has a sentence and an exit code, the same for a script and for a cluster's wrapper.

use std::{fmt, io, path::Path};

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Input that is there but wrong: a damaged model, lines that do not match.
    Data,
    /// An input that is not there.
    Missing,
    /// A mistake of this program.
    Bug,
    /// The run folder belongs to another run.
    Exists,
    /// Writing failed: disk full, no permission.
    Io,
    /// Stopped on request; nothing half-written is left.
    Cancelled,
    /// The spec makes no sense.
    Spec,
    /// Some shards of a sweep failed; the others are done.
    Partly,
    /// Shards are missing that are needed now.
    Incomplete,
}

impl Kind {
    /// The exit code (sysexits.h where it has one).
    pub fn code(self) -> u8 {
        match self {
            Self::Data => 65,
            Self::Missing => 66,
            Self::Bug => 70,
            Self::Exists => 73,
            Self::Io => 74,
            Self::Cancelled => 75,
            Self::Spec => 78,
            Self::Partly => 3,
            Self::Incomplete => 4,
        }
    }
}

/// A failure whose kind is known where it arises. Travels inside `anyhow::Error`; [`kind`] finds it again.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What kind.
    pub kind: Kind,
    message: String,
}

impl Fault {
    /// A failure with a sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The spec makes no sense.
    pub fn spec(message: impl Into<String>) -> Self {
        Self::new(Kind::Spec, message)
    }

    /// Input that is there but wrong.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// A file that could not be read.
    pub fn read(what: &str, path: &Path, error: &io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::Missing } else { Kind::Io };
        Self::new(kind, format!("cannot read {what}: {error}\n{}", path.display()))
    }

    /// A file that could not be written.
    pub fn write(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Kind::Io, format!("cannot write {what}: {error}\n{}", path.display()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The kind of any error of this program.
pub fn kind(error: &anyhow::Error) -> Kind {
    error.chain().find_map(of).unwrap_or(Kind::Bug)
}

fn of(error: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Some(fault.kind);
    }
    if let Some(error) = error.downcast_ref::<babelscope_probes::Error>() {
        return Some(match error {
            babelscope_probes::Error::Core(inner) => of_core(inner),
            _ => Kind::Data,
        });
    }
    if let Some(error) = error.downcast_ref::<babelscope_core::Error>() {
        return Some(of_core(error));
    }
    error.downcast_ref::<io::Error>().map(of_io)
}

fn of_core(error: &babelscope_core::Error) -> Kind {
    match error {
        babelscope_core::Error::Read { source, .. } => of_io(source),
        babelscope_core::Error::NotFound { .. } => Kind::Missing,
        babelscope_core::Error::Download { .. } | babelscope_core::Error::Write { .. } => Kind::Io,
        babelscope_core::Error::Cancelled => Kind::Cancelled,
        babelscope_core::Error::Tensor(_) | babelscope_core::Error::Torch(_) => Kind::Bug,
        _ => Kind::Data,
    }
}

fn of_io(error: &io::Error) -> Kind {
    if error.kind() == io::ErrorKind::NotFound { Kind::Missing } else { Kind::Io }
}
