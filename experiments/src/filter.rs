//! Which runs of a folder somebody wants to see, and in which order: the same rules on the command line and in the window.

use std::cmp::Ordering;

use anyhow::Result;
use babelscope_core::lang;

use crate::{
    fault::Fault,
    manifest::{self, Manifest},
    run::Entry,
};

/// What must hold of a run. An empty field lets everything through; case never counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the model's reference, family or short name.
    pub model: String,
    /// A language of the corpus: part of its code or of its English name.
    pub language: String,
    /// `align` or `lens`.
    pub probe: String,
    /// Part of the name.
    pub name: String,
    /// Begun at this time or later: `2026-11-20`, `2026-11-20T15:00`, or an age: `7d`, `12h`.
    pub since: String,
    /// Words that each occur in name, model, corpus, a language or a probe.
    pub words: String,
}

impl Filter {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The filter with `since` as a time.
    ///
    /// # Errors
    /// [`Fault::spec`] where it is neither a time nor an age, or where no probe has that name.
    pub fn checked(mut self) -> Result<Self> {
        if !matches!(self.probe.as_str(), "" | "align" | "lens") {
            return Err(Fault::spec(format!("there is no probe {:?}; known are align and lens", self.probe)).into());
        }
        self.since = since(&self.since)?;
        Ok(self)
    }

    /// Whether a run fits. `since` counts as it was [checked](Filter::checked).
    pub fn fits(&self, run: &Manifest) -> bool {
        let models = [run.model.reference.as_str(), run.model.family.as_str()];
        let says = |of: &[&str], part: &str| of.iter().any(|text| has(text, part));
        let word = |word: &str| {
            has(&run.name, word)
                || says(&models, word)
                || has(&run.corpus.name, word)
                || probes(run).iter().any(|p| has(p, word))
                || speaks(run, word)
        };
        has(&run.name, &self.name)
            && says(&models, &self.model)
            && (self.probe.is_empty() || probes(run).contains(&self.probe.as_str()))
            && (self.language.is_empty() || speaks(run, &self.language))
            && run.started.as_str() >= self.since.as_str()
            && self.words.split_whitespace().all(word)
    }
}

/// The probes of a run, as specs call them.
pub fn probes(run: &Manifest) -> Vec<&'static str> {
    let probes = [run.align.as_ref().map(|_| "align"), (!run.lens.is_empty()).then_some("lens")];
    probes.into_iter().flatten().collect()
}

fn has(text: &str, part: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase())
}

fn speaks(run: &Manifest, part: &str) -> bool {
    run.corpus.languages.iter().any(|code| has(code, part) || lang::find(code).is_some_and(|l| has(l.name, part)))
}

/// A time as the manifests write it, cut where the question was.
fn since(text: &str) -> Result<String> {
    let text = text.trim();
    let age = |unit: char, seconds: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds);
    if let Some(seconds) = age('d', 86_400).or_else(|| age('h', 3600)) {
        return Ok(manifest::ago(seconds));
    }
    // The form of RFC 3339, or a beginning of it: texts of one form are ordered as their times are.
    let form = "0000-00-00T00:00:00Z";
    let fits = text.len() <= form.len()
        && text.chars().zip(form.chars()).all(|(c, f)| if f == '0' { c.is_ascii_digit() } else { c == f })
        && matches!(text.len(), 0 | 4 | 7 | 10 | 13 | 16 | 19 | 20);
    if !fits {
        let why = format!("{text:?} is no time; expected 2026-11-20, 2026-11-20T15:00 (UTC), or an age: 7d, 12h");
        return Err(Fault::spec(why).into());
    }
    Ok(text.to_owned())
}

/// By what runs are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When it began.
    #[default]
    Begun,
    /// Name.
    Name,
    /// Model.
    Model,
    /// Corpus.
    Corpus,
    /// Number of languages.
    Languages,
    /// Time it took.
    Seconds,
}

impl Order {
    /// Every order, in the order of the columns.
    pub const ALL: [Self; 6] = [Self::Begun, Self::Name, Self::Model, Self::Corpus, Self::Languages, Self::Seconds];

    /// What a column says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Name => "name",
            Self::Model => "model",
            Self::Corpus => "corpus",
            Self::Languages => "languages",
            Self::Seconds => "time",
        }
    }

    fn compare(self, a: &Manifest, b: &Manifest) -> Ordering {
        match self {
            Self::Begun => a.started.cmp(&b.started),
            Self::Name => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
            Self::Model => a.model.reference.to_lowercase().cmp(&b.model.reference.to_lowercase()),
            Self::Corpus => a.corpus.name.to_lowercase().cmp(&b.corpus.name.to_lowercase()),
            Self::Languages => a.corpus.languages.len().cmp(&b.corpus.languages.len()),
            Self::Seconds => a.seconds.total.total_cmp(&b.seconds.total),
        }
    }
}

/// Places of the entries that fit, in an order; equal ones stay as they were, and runs that cannot be read stay at the end and are never
/// filtered away: somebody should know of them.
pub fn select(entries: &[Entry], filter: &Filter, order: Order, descending: bool) -> Vec<usize> {
    let fits = |entry: &Entry| entry.manifest.as_ref().map_or(true, |m| filter.fits(m));
    let mut places: Vec<usize> = (0..entries.len()).filter(|&at| entries.get(at).is_some_and(fits)).collect();
    let manifest = |at: usize| entries.get(at).and_then(|entry| entry.manifest.as_ref().ok());
    places.sort_by(|&a, &b| match (manifest(a), manifest(b)) {
        (Some(a), Some(b)) if descending => order.compare(b, a),
        (Some(a), Some(b)) => order.compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fault, manifest::tests::example};

    fn entry(name: &str, model: &str, started: &str, languages: &[&str]) -> Entry {
        let mut manifest = example();
        (manifest.name, manifest.started) = (name.to_owned(), started.to_owned());
        manifest.model.reference = model.to_owned();
        manifest.corpus.languages = languages.iter().map(|l| (*l).to_owned()).collect();
        Entry { folder: name.into(), manifest: Ok(manifest) }
    }

    fn runs() -> Vec<Entry> {
        let broken = Entry { folder: "broken".into(), manifest: Err(anyhow::anyhow!("no")) };
        vec![
            entry("one", "Qwen3-0.6B", "2026-11-20T10:00:00Z", &["eng_Latn", "tha_Thai"]),
            broken,
            entry("two", "lab", "2026-11-19T10:00:00Z", &["eng_Latn"]),
            entry("three", "LAB", "2026-11-18T10:00:00Z", &["eng_Latn", "arb_Arab", "tha_Thai"]),
        ]
    }

    #[test]
    fn every_field_narrows_and_broken_runs_stay() {
        let runs = runs();
        let found = |filter: Filter| select(&runs, &filter.checked().unwrap(), Order::Begun, true);
        let none = Filter::default;
        assert_eq!(found(none()), [0, 2, 3, 1]);
        assert_eq!(found(Filter { model: "lab".into(), ..none() }), [2, 3, 1]);
        assert_eq!(found(Filter { language: "thai".into(), ..none() }), [0, 3, 1]);
        assert_eq!(found(Filter { language: "arabic".into(), ..none() }), [3, 1]);
        assert_eq!(found(Filter { name: "T".into(), ..none() }), [2, 3, 1]);
        assert_eq!(found(Filter { since: "2026-11-19".into(), ..none() }), [0, 2, 1]);
        assert_eq!(found(Filter { words: "lab arabic".into(), ..none() }), [3, 1]);
        assert_eq!(found(Filter { words: "nobody".into(), ..none() }), [1]);
    }

    #[test]
    fn sorting_is_stable_both_ways() {
        let runs = runs();
        // one begins the list; two and three have the same model but for its case.
        assert_eq!(select(&runs, &Filter::default(), Order::Model, false), [2, 3, 0, 1]);
        assert_eq!(select(&runs, &Filter::default(), Order::Model, true), [0, 2, 3, 1]);
        assert_eq!(select(&runs, &Filter::default(), Order::Languages, false), [2, 0, 3, 1]);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for text in ["yesterday", "2026-1-2", "20.11.2026", "7w", "2026-11-20T10:0"] {
            let refused = Filter { since: text.into(), ..Filter::default() }.checked().unwrap_err();
            assert_eq!(fault::kind(&refused), fault::Kind::Spec, "{text}");
        }
        let day = Filter { since: "1d".into(), ..Filter::default() }.checked().unwrap();
        assert!(day.since < manifest::now() && day.since.ends_with('Z'));
        assert!(Filter { probe: "cka".into(), ..Filter::default() }.checked().is_err());
    }
}
