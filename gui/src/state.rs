//! What the window remembers between starts, and what it knows while it is open.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    data::{Measure, Order},
    views::{Screen, lens::Colouring},
};

/// Version of [`Settings`]; settings of another version are replaced by the defaults, with one notice.
pub const VERSION: u32 = 1;

/// Kept between starts. Runs are not in it: they are folders on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// Light or dark; `None` follows the system.
    pub dark: Option<bool>,
    /// The screen in front.
    pub screen: Screen,
    /// Run folders opened lately, newest first.
    pub recent: Vec<PathBuf>,
    /// Whether the log is open.
    pub log_open: bool,
    /// The alignment view.
    pub alignment: AlignmentSettings,
    /// The lens view.
    pub lens: LensSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            dark: None,
            screen: Screen::Runs,
            recent: Vec::new(),
            log_open: false,
            alignment: AlignmentSettings::default(),
            lens: LensSettings::default(),
        }
    }
}

impl Settings {
    /// How many run folders are remembered.
    const RECENT: usize = 8;

    /// Puts a folder in front of the recent ones.
    pub fn remember(&mut self, folder: PathBuf) {
        self.recent.retain(|known| *known != folder);
        self.recent.insert(0, folder);
        self.recent.truncate(Self::RECENT);
    }
}

/// What is shown of an alignment report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlignmentSettings {
    /// Language means subtracted.
    pub centred: bool,
    /// The measure.
    pub measure: Measure,
    /// The order of the languages.
    pub order: Order,
    /// Whether sentences that are hits are listed too.
    pub hits: bool,
}

impl Default for AlignmentSettings {
    fn default() -> Self {
        Self { centred: true, measure: Measure::Mexa, order: Order::Score, hits: false }
    }
}

/// What is shown of a lens report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LensSettings {
    /// What the colour of a cell means.
    pub colouring: Colouring,
    /// Whether texts of right-to-left languages run from right to left.
    pub follow_direction: bool,
}

impl Default for LensSettings {
    fn default() -> Self {
        Self { colouring: Colouring::Probability, follow_direction: true }
    }
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something happened.
    Info,
    /// A person should look.
    Warning,
    /// Something failed.
    Error,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When, after the start of the window.
    pub after: Duration,
    /// How serious.
    pub level: Level,
    /// What.
    pub text: String,
}

/// The log at the bottom: what happened, newest last.
#[derive(Debug)]
pub struct Log {
    start: Instant,
    notices: Vec<Notice>,
}

impl Default for Log {
    fn default() -> Self {
        Self { start: Instant::now(), notices: Vec::new() }
    }
}

impl Log {
    /// How many notices are kept.
    const KEPT: usize = 500;

    /// Adds a notice.
    pub fn push(&mut self, level: Level, text: impl Into<String>) {
        self.notices.push(Notice { after: self.start.elapsed(), level, text: text.into() });
        if self.notices.len() > Self::KEPT {
            self.notices.remove(0);
        }
    }

    /// The notices, oldest first.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// How many notices are at least a warning.
    pub fn warnings(&self) -> usize {
        self.notices.iter().filter(|n| n.level != Level::Info).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_opened_again_moves_to_the_front_once() {
        let mut settings = Settings::default();
        for name in ["a", "b", "a"] {
            settings.remember(PathBuf::from(name));
        }
        assert_eq!(settings.recent, [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn settings_survive_a_round_trip() {
        let settings = Settings { dark: Some(true), screen: Screen::Lens, ..Settings::default() };
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn the_log_forgets_the_oldest() {
        let mut log = Log::default();
        for i in 0..=Log::KEPT {
            log.push(Level::Info, i.to_string());
        }
        assert_eq!(log.notices().len(), Log::KEPT);
        assert_eq!(log.notices().first().map(|n| n.text.as_str()), Some("1"));
    }
}
