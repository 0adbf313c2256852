//! The languages of the laboratory: each one file with its lexicon, its hand-written forms and its sentence patterns.
//!
//! A sentence is rendered as labelled chunks (subject, verb, number, ...), so that two languages can share one sentence:
//! the order is the matrix language's, each chunk comes from either.

mod arb;
mod eng;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_problems;
mod hin;
mod numbers;
mod qec;
mod qis;
mod rus;
mod spa;
mod swh;
mod tha;
mod zho;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

pub use numbers::Digits;
pub use qec::{shifted, unshifted};

use super::{problems::Line, world::Meaning};

/// The part that a chunk plays; each role occurs at most once in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Article,
    Subject,
    Verb,
    Number,
    Classifier,
    Colour,
    Noun,
    Place,
    Recipient,
    Question,
}

/// A part of a sentence. An empty text is a role that this language expresses elsewhere (the Arabic dual holds its number).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its role.
    pub role: Role,
    /// Its words.
    pub text: String,
}

/// A sentence before it is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// In the order of the language.
    pub chunks: Vec<Chunk>,
    /// What closes the sentence: a full stop, a question mark, nothing in Thai.
    pub end: &'static str,
}

impl Rendered {
    fn new<const N: usize>(end: &'static str, chunks: [(Role, &str); N]) -> Self {
        let chunks = chunks.into_iter().map(|(role, text)| Chunk { role, text: text.to_owned() }).collect();
        Self { chunks, end }
    }
}

/// A line of a word problem before it is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Words, or what stands together where words are not separated.
    pub words: Vec<String>,
    /// What closes the line.
    pub end: &'static str,
}

impl Written {
    /// Empty words are left out.
    fn new<const N: usize>(end: &'static str, words: [&str; N]) -> Self {
        let words = words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { words, end }
    }
}

/// A language of the laboratory.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// FLORES code; `qec_Latn` is the clone of English, `qis_Latn` the island (private-use codes).
    pub code: &'static str,
    /// Whether words are separated by spaces.
    pub spaced: bool,
    /// How it says a meaning.
    pub render: fn(&Meaning) -> Rendered,
    /// How it tells a word problem, where it does.
    pub tell: Option<fn(&Line) -> Written>,
}

/// English, to which every other language is compared.
pub const PIVOT: Language = Language { code: "eng_Latn", spaced: true, render: eng::render, tell: Some(eng::tell) };
/// The clone of English by token shift.
pub const CLONE: Language = Language { code: "qec_Latn", spaced: true, render: qec::render, tell: Some(qec::tell) };
/// The island: invented, told of a world of its own, never mixed with anything.
pub const ISLAND: Language = Language { code: "qis_Latn", spaced: true, render: qis::render, tell: None };

/// All languages: the pivot, seven real ones, the clone, the island.
pub const ALL: [Language; 10] = [
    PIVOT,
    Language { code: "spa_Latn", spaced: true, render: spa::render, tell: Some(spa::tell) },
    Language { code: "rus_Cyrl", spaced: true, render: rus::render, tell: Some(rus::tell) },
    Language { code: "arb_Arab", spaced: true, render: arb::render, tell: Some(arb::tell) },
    Language { code: "hin_Deva", spaced: true, render: hin::render, tell: Some(hin::tell) },
    Language { code: "zho_Hans", spaced: false, render: zho::render, tell: Some(zho::tell) },
    Language { code: "tha_Thai", spaced: false, render: tha::render, tell: Some(tha::tell) },
    Language { code: "swh_Latn", spaced: true, render: swh::render, tell: Some(swh::tell) },
    CLONE,
    ISLAND,
];

/// The language of a code.
pub fn find(code: &str) -> Option<Language> {
    ALL.into_iter().find(|language| language.code == code)
}

/// The sentence as it is written.
pub fn sentence(language: Language, meaning: &Meaning) -> String {
    let rendered = (language.render)(meaning);
    join(rendered.chunks.iter().map(|chunk| (chunk.text.as_str(), language.spaced)), rendered.end)
}

/// A line of a word problem as it is written; `None` where the language has no word problems.
pub fn line(language: Language, line: &Line) -> Option<String> {
    let written = language.tell?(line);
    Some(join(written.words.iter().map(|word| (word.as_str(), language.spaced)), written.end))
}

/// One sentence in two languages: the order and the full stop of `matrix`, each chunk from either with even chance.
pub fn switched(matrix: Language, other: Language, meaning: &Meaning, rng: &mut ChaCha8Rng) -> String {
    let (base, mut guest) = ((matrix.render)(meaning), (other.render)(meaning));
    let chunks: Vec<(String, bool)> = base
        .chunks
        .into_iter()
        .map(|chunk| match guest.chunks.iter_mut().find(|g| g.role == chunk.role) {
            Some(g) if rng.random_bool(0.5) => (std::mem::take(&mut g.text), other.spaced),
            _ => (chunk.text, matrix.spaced),
        })
        .collect();
    join(chunks.iter().map(|(text, spaced)| (text.as_str(), *spaced)), base.end)
}

/// Joins chunks: a space before each chunk of a language that writes them. The first letter becomes a capital where there are any.
fn join<'a>(chunks: impl Iterator<Item = (&'a str, bool)>, end: &str) -> String {
    let mut text = String::new();
    for (chunk, spaced) in chunks.filter(|(chunk, _)| !chunk.is_empty()) {
        if !text.is_empty() && spaced {
            text.push(' ');
        }
        text.push_str(chunk);
    }
    text.push_str(end);
    capital(&text)
}

/// The text with a capital where its first letter has one.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters.by_ref()).collect()).unwrap_or_default()
}
