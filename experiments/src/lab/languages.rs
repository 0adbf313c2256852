//! The languages of the laboratory: each one file with its lexicon, its hand-written forms and its sentence patterns.
//!
//! A sentence is rendered as labelled chunks (subject, verb, number, ...), so that two languages can share one sentence:
//! the order is the matrix language's, each chunk comes from either.

mod arb;
mod eng;
#[cfg(test)]
mod golden;
mod hin;
mod qec;
mod qis;
mod rus;
mod spa;
mod swh;
mod tha;
mod zho;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

pub use qec::shifted;

use super::world::Meaning;

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

/// A language of the laboratory.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// FLORES code; `qec_Latn` is the clone of English, `qis_Latn` the island (private-use codes).
    pub code: &'static str,
    /// Whether words are separated by spaces.
    pub spaced: bool,
    /// How it says a meaning.
    pub render: fn(&Meaning) -> Rendered,
}

/// English, to which every other language is compared.
pub const PIVOT: Language = Language { code: "eng_Latn", spaced: true, render: eng::render };
/// The clone of English by token shift.
pub const CLONE: Language = Language { code: "qec_Latn", spaced: true, render: qec::render };
/// The island: invented, told of a world of its own, never mixed with anything.
pub const ISLAND: Language = Language { code: "qis_Latn", spaced: true, render: qis::render };

/// All languages: the pivot, seven real ones, the clone, the island.
pub const ALL: [Language; 10] = [
    PIVOT,
    Language { code: "spa_Latn", spaced: true, render: spa::render },
    Language { code: "rus_Cyrl", spaced: true, render: rus::render },
    Language { code: "arb_Arab", spaced: true, render: arb::render },
    Language { code: "hin_Deva", spaced: true, render: hin::render },
    Language { code: "zho_Hans", spaced: false, render: zho::render },
    Language { code: "tha_Thai", spaced: false, render: tha::render },
    Language { code: "swh_Latn", spaced: true, render: swh::render },
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
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters.by_ref()).collect()).unwrap_or_default()
}
