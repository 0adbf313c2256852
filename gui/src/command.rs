//! What a person can do, as data: views push actions, the app carries them out between frames; menus, palette and
//! shortcuts are made from the same commands.

use std::path::PathBuf;

use babelscope::{remote::Place, serve::Token, spec::RunSpec};
use babelscope_probes::cot::Graph;
use egui::{Key, KeyboardShortcut, Modifiers};

use crate::{views::Screen, worker::Slot};

/// What a view asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// One of the commands.
    Do(Command),
    /// Open a run folder.
    Open(PathBuf),
    /// Fetch a run of another machine and open it.
    OpenRemote(Place, Token),
    /// Execute a spec; the slot says who waits for it.
    Execute(Slot, Box<RunSpec>),
    /// Put a text on the clipboard.
    Copy {
        /// What it is, for the log.
        what: String,
        /// The text.
        text: String,
    },
    /// Write the reference of a problem into a folder.
    SaveReference {
        /// The folder.
        folder: PathBuf,
        /// The problem.
        problem: String,
        /// Its reference.
        graph: Box<Graph>,
    },
    /// Say that something cannot be done.
    Fail(String),
    /// Take a sentence into the lens view.
    Inspect(String),
    /// Choose a line of the corpus, on all screens.
    Sentence(usize),
}

/// A command without arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// To a screen.
    Show(Screen),
    /// The demo: both analyses on the embedded model.
    Demo,
    /// Stops the run in front.
    Cancel,
    /// Reads the list of runs again.
    Refresh,
    /// The dialog for runs of other machines.
    Remote,
    /// Light to dark and back.
    Theme,
    /// Opens or closes the log.
    Log,
    /// Opens or closes the palette.
    Palette,
}

impl Command {
    /// All, in the order of the palette.
    pub const ALL: [Self; 16] = [
        Self::Show(Screen::Runs),
        Self::Show(Screen::Alignment),
        Self::Show(Screen::Structure),
        Self::Show(Screen::Map),
        Self::Show(Screen::Tokenizer),
        Self::Show(Screen::Lens),
        Self::Show(Screen::Steering),
        Self::Show(Screen::Patching),
        Self::Show(Screen::Traces),
        Self::Demo,
        Self::Cancel,
        Self::Refresh,
        Self::Remote,
        Self::Theme,
        Self::Log,
        Self::Palette,
    ];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Show(Screen::Runs) => "Show runs",
            Self::Show(Screen::Alignment) => "Show alignment",
            Self::Show(Screen::Structure) => "Show structure",
            Self::Show(Screen::Map) => "Show map",
            Self::Show(Screen::Tokenizer) => "Show tokenizer",
            Self::Show(Screen::Lens) => "Show lens",
            Self::Show(Screen::Steering) => "Show steering",
            Self::Show(Screen::Patching) => "Show patching",
            Self::Show(Screen::Traces) => "Show traces",
            Self::Demo => "Run the demo",
            Self::Cancel => "Cancel the run",
            Self::Refresh => "Read the list of runs again",
            Self::Remote => "Open a run of another machine",
            Self::Theme => "Switch between light and dark",
            Self::Log => "Open or close the log",
            Self::Palette => "Command palette",
        }
    }

    /// Its keys.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        match self {
            Self::Show(Screen::Runs) => ctrl(Key::Num1),
            Self::Show(Screen::Alignment) => ctrl(Key::Num2),
            Self::Show(Screen::Structure) => ctrl(Key::Num3),
            Self::Show(Screen::Map) => ctrl(Key::Num4),
            Self::Show(Screen::Tokenizer) => ctrl(Key::Num5),
            Self::Show(Screen::Lens) => ctrl(Key::Num6),
            Self::Show(Screen::Steering) => ctrl(Key::Num7),
            Self::Show(Screen::Patching) => ctrl(Key::Num8),
            Self::Show(Screen::Traces) => ctrl(Key::Num9),
            Self::Cancel => Some(KeyboardShortcut::new(Modifiers::NONE, Key::Escape)),
            Self::Refresh => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F5)),
            Self::Palette => ctrl(Key::P),
            Self::Log => ctrl(Key::L),
            Self::Demo | Self::Remote | Self::Theme => None,
        }
    }

    /// Whether the command fits what a person typed: every word of it occurs in the name.
    pub fn fits(self, typed: &str) -> bool {
        let name = self.name().to_lowercase();
        typed.to_lowercase().split_whitespace().all(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_name_or_a_shortcut() {
        for (at, a) in Command::ALL.iter().enumerate() {
            for b in &Command::ALL[..at] {
                assert_ne!(a.name(), b.name());
                assert!(a.shortcut().is_none() || a.shortcut() != b.shortcut(), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_command_is_found_by_its_words_in_any_order() {
        assert!(Command::Demo.fits("demo run"));
        assert!(!Command::Demo.fits("demo lens"));
    }
}
