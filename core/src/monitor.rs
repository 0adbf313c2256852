//! How long work reports its progress and learns that it is no longer wanted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{Error, Result};

/// One step of progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick<'a> {
    /// What is being done, as a person would say it: "capturing sentences".
    pub what: &'a str,
    /// Units finished.
    pub done: usize,
    /// Units in all.
    pub total: usize,
    /// What a unit is: "sentences", "cells".
    pub unit: &'static str,
}

/// Receives progress and carries the wish to stop. Cheap to clone; one is passed through every long call.
#[derive(Clone)]
pub struct Monitor {
    cancel: Arc<AtomicBool>,
    report: Arc<dyn Fn(Tick<'_>) + Send + Sync>,
}

impl Monitor {
    /// A monitor that hands every tick to `report` and stops the work once `cancel` is true.
    pub fn new(cancel: Arc<AtomicBool>, report: impl Fn(Tick<'_>) + Send + Sync + 'static) -> Self {
        Self { cancel, report: Arc::new(report) }
    }

    /// Says nothing and never cancels.
    pub fn silent() -> Self {
        Self::new(Arc::default(), |_| ())
    }

    /// The same wish to stop, without the reports: for small pieces of a work that reports as a whole.
    #[must_use]
    pub fn quiet(&self) -> Self {
        Self { cancel: Arc::clone(&self.cancel), report: Arc::new(|_| ()) }
    }

    /// The same wish to stop; ticks count on from `before` of `total` under another name: for a piece of a work that is shown
    /// as one.
    #[must_use]
    pub fn within(&self, what: &'static str, before: usize, total: usize) -> Self {
        let report = Arc::clone(&self.report);
        let report = move |tick: Tick<'_>| report(Tick { what, done: (before + tick.done).min(total), total, ..tick });
        Self { cancel: Arc::clone(&self.cancel), report: Arc::new(report) }
    }

    /// Reports progress, then fails with [`Error::Cancelled`] when the work is no longer wanted.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the flag is set.
    pub fn tick(&self, tick: Tick<'_>) -> Result<()> {
        (self.report)(tick);
        self.check()
    }

    /// Fails with [`Error::Cancelled`] when the work is no longer wanted.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("cancelled", &self.cancel.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}
