//! The traces of a run by problem, language and sample, and which of them are in front.

use babelscope::details::Details;
use egui::Ui;

use crate::{
    data::{mark, said},
    state::Selection,
    widgets::{choose::combo, pane},
};

/// One trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    language: String,
    sample: u32,
    trace: usize,
}

/// All traces of a run.
#[derive(Debug, Default)]
pub(super) struct Index {
    stamp: Option<u64>,
    /// Problems by name with their traces.
    problems: Vec<(String, Vec<Entry>)>,
    /// All languages, sorted.
    pub(super) languages: Vec<String>,
}

/// What is in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) problem: usize,
    pub(super) language: String,
    /// The second language, where one is wished for.
    pub(super) other: Option<String>,
    pub(super) sample: u32,
    /// The traces: left, and right.
    pub(super) traces: [Option<usize>; 2],
}

impl Index {
    /// Reads the traces again when the run is another one.
    pub(super) fn refresh(&mut self, stamp: u64, details: &Details) {
        if self.stamp == Some(stamp) {
            return;
        }
        *self = Self { stamp: Some(stamp), ..Self::default() };
        for (trace, traced) in details.traces.iter().enumerate() {
            let own = &traced.trace;
            let entry = Entry { language: own.language.clone(), sample: own.sample, trace };
            match self.problems.binary_search_by(|(name, _)| name.as_str().cmp(&own.problem)) {
                Ok(at) => self.problems[at].1.push(entry),
                Err(at) => self.problems.insert(at, (own.problem.clone(), vec![entry])),
            }
            self.languages.push(own.language.clone());
        }
        self.problems.iter_mut().for_each(|(_, entries)| entries.sort_unstable());
        self.languages.sort_unstable();
        self.languages.dedup();
    }

    /// The name of a problem.
    pub(super) fn problem(&self, at: usize) -> Option<&str> {
        self.problems.get(at).map(|(name, _)| name.as_str())
    }

    /// How many problems there are.
    pub(super) fn len(&self) -> usize {
        self.problems.len()
    }

    /// The traces of a problem in a language.
    pub(super) fn traces<'s>(&'s self, problem: usize, language: &'s str) -> impl Iterator<Item = usize> + 's {
        self.entries(problem).iter().filter(move |entry| entry.language == language).map(|entry| entry.trace)
    }

    fn entries(&self, problem: usize) -> &[Entry] {
        self.problems.get(problem).map_or(&[], |(_, entries)| entries)
    }

    fn languages_of(&self, problem: usize) -> Vec<&str> {
        let mut all: Vec<&str> = self.entries(problem).iter().map(|entry| entry.language.as_str()).collect();
        all.dedup();
        all
    }

    fn find(&self, problem: usize, language: &str, sample: u32) -> Option<usize> {
        let own = || self.entries(problem).iter().filter(|entry| entry.language == language);
        own().find(|entry| entry.sample == sample).or_else(|| own().next()).map(|entry| entry.trace)
    }

    /// What a language is called in names.
    pub(super) fn who<'s>(&'s self, language: &'s str) -> &'s str {
        mark(language, &self.languages)
    }

    /// Goes to what is chosen and there, or to the nearest.
    pub(super) fn settle(&self, chosen: &mut Chosen, selection: &Selection) {
        chosen.problem = chosen.problem.min(self.len().saturating_sub(1));
        let there = self.languages_of(chosen.problem);
        let wished = selection.language.as_deref().filter(|language| there.contains(language));
        let own = Some(chosen.language.as_str()).filter(|language| there.contains(language));
        if let Some(language) = wished.or(own).or(there.first().copied()) {
            chosen.language = language.to_owned();
        }
        let other = chosen.other.as_deref().filter(|other| there.contains(other) && *other != chosen.language);
        chosen.traces = [
            self.find(chosen.problem, &chosen.language, chosen.sample),
            other.and_then(|other| self.find(chosen.problem, other, chosen.sample)),
        ];
    }

    /// Draws the choosers.
    pub(super) fn show(&self, ui: &mut Ui, chosen: &mut Chosen, selection: &mut Selection) {
        ui.horizontal_wrapped(|ui| {
            pane::note(ui, "problem");
            let mut problem = chosen.problem.to_string();
            let all: Vec<(String, String)> =
                self.problems.iter().enumerate().map(|(at, (name, _))| (at.to_string(), name.clone())).collect();
            if combo(ui, "problem of the traces", &mut problem, &all, 200.0) {
                chosen.problem = problem.parse().unwrap_or_default();
            }
            let there: Vec<(String, String)> =
                self.languages_of(chosen.problem).into_iter().map(|code| (code.to_owned(), said(code))).collect();
            let mut language = chosen.language.clone();
            if combo(ui, "language of the trace", &mut language, &there, 230.0) {
                // Both sides change places where the other one is chosen.
                if chosen.other.as_ref() == Some(&language) {
                    chosen.other = Some(chosen.language.clone());
                }
                selection.language = Some(language);
            }
            pane::note(ui, "beside it");
            let mut other = chosen.other.clone().unwrap_or_default();
            let mut options = vec![(String::new(), "no other language".to_owned())];
            options.extend(there.iter().filter(|(code, _)| *code != chosen.language).cloned());
            if !options.iter().any(|(code, _)| *code == other) {
                other.clear();
            }
            if combo(ui, "compare with", &mut other, &options, 230.0) {
                chosen.other = Some(other).filter(|other| !other.is_empty());
            }
            let mut samples: Vec<u32> = self.entries(chosen.problem).iter().map(|entry| entry.sample).collect();
            samples.sort_unstable();
            samples.dedup();
            if samples.len() > 1 {
                let all: Vec<(String, String)> =
                    samples.iter().map(|sample| (sample.to_string(), format!("try {}", sample + 1))).collect();
                let mut sample = chosen.sample.to_string();
                if combo(ui, "try of the traces", &mut sample, &all, 90.0) {
                    chosen.sample = sample.parse().unwrap_or_default();
                }
            }
        });
    }
}
