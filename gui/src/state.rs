//! What the window remembers between starts, and what it knows while it is open.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    catalogue::Choice,
    order::Order,
    views::{
        Screen,
        lens::Colouring,
        map::{Links, Paint},
        steering::Tab as SteeringTab,
        structure::Tab as StructureTab,
        tokenizer::Tab as TokenizerTab,
        traces::Effect,
    },
};

/// Version of [`Settings`]; settings of another version are replaced by the defaults, with one notice.
pub const VERSION: u32 = 3;

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
    /// The structure view.
    pub structure: StructureSettings,
    /// The map view.
    pub map: MapSettings,
    /// The tokenizer view.
    pub tokenizer: TokenizerSettings,
    /// The lens view.
    pub lens: LensSettings,
    /// The steering view.
    pub steering: SteeringSettings,
    /// The patching view.
    pub patching: PatchingSettings,
    /// The view of traces.
    pub traces: TracesSettings,
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
            structure: StructureSettings::default(),
            map: MapSettings::default(),
            tokenizer: TokenizerSettings::default(),
            lens: LensSettings::default(),
            steering: SteeringSettings::default(),
            patching: PatchingSettings::default(),
            traces: TracesSettings::default(),
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

/// What is shown of the alignment of languages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlignmentSettings {
    /// The measure.
    pub choice: Choice,
    /// Its variant; the nearest that the run has is shown.
    pub variant: String,
    /// The order of the languages.
    pub order: Order,
    /// Whether sentences that are hits are listed too.
    pub hits: bool,
    /// Whether the curves have the band of shuffled sentences.
    pub nulls: bool,
}

impl Default for AlignmentSettings {
    fn default() -> Self {
        Self { choice: Choice::mexa(), variant: "language".to_owned(), order: Order::Score, hits: false, nulls: true }
    }
}

/// What is shown of the structure of the states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StructureSettings {
    /// What is in front.
    pub tab: StructureTab,
    /// What the linear probes tell apart; the first that the run has otherwise.
    pub task: String,
}

/// What is shown of the map of sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapSettings {
    /// How the plane was found; the first method of the run otherwise.
    pub method: String,
    /// What was done to the states before; the first of the run otherwise.
    pub centring: String,
    /// What a colour means.
    pub paint: Paint,
    /// Which translations are joined by lines.
    pub links: Links,
}

impl Default for MapSettings {
    fn default() -> Self {
        Self { method: String::new(), centring: String::new(), paint: Paint::Language, links: Links::Chosen }
    }
}

/// What is shown of the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenizerSettings {
    /// What is in front.
    pub tab: TokenizerTab,
    /// The metric of the bars.
    pub metric: String,
    /// The order of the languages.
    pub order: Order,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        Self { tab: TokenizerTab::default(), metric: "premium".to_owned(), order: Order::Score }
    }
}

/// What is chosen, on all screens alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The language.
    pub language: Option<String>,
    /// What it is compared with.
    pub pivot: Option<String>,
    /// The layer.
    pub layer: Option<usize>,
    /// The line of the corpus.
    pub sentence: Option<usize>,
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

/// What is shown of steering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SteeringSettings {
    /// What is in front.
    pub tab: SteeringTab,
    /// What the curves of a vector measure.
    pub quality: String,
    /// What the evaluation measures beside fluency.
    pub effect: String,
}

impl Default for SteeringSettings {
    fn default() -> Self {
        Self { tab: SteeringTab::default(), quality: "vector_pair_order".to_owned(), effect: "forcing".to_owned() }
    }
}

/// What is shown of patching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PatchingSettings {
    /// Whether the tokens of right-to-left prompts run from right to left.
    pub follow_direction: bool,
}

impl Default for PatchingSettings {
    fn default() -> Self {
        Self { follow_direction: true }
    }
}

/// What is shown of traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TracesSettings {
    /// Whether the graph has what each step does to the later ones.
    pub influence: bool,
    /// In which way steps are taken from the later ones.
    pub effect: Effect,
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
