//! Prompts that the laboratory's models answer, from what their worlds hold.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use babelscope_core::{engine::Engine, tokens::Encoded};
use babelscope_probes::patch::{Concept, CrossPrompt, PairSpec};

use crate::lab::{
    facts::{self, Author, Cell},
    languages::{self, ALL, ISLAND, Language},
    recipe::{Recipe, World as Told},
    world::{Meaning, Person, Place, World},
};

/// Concepts and the prompts that they answer.
pub(super) struct Asked {
    pub(super) concepts: Vec<Concept>,
    pub(super) prompts: Vec<CrossPrompt>,
}

/// The first token at which eight sentences, one a place, all differ.
fn place_token(sentences: &[Encoded]) -> Option<usize> {
    let shortest = sentences.iter().map(|s| s.ids.len()).min()?;
    (0..shortest).find(|at| {
        let mut ids: Vec<u32> = sentences.iter().map(|s| s.ids[*at]).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == sentences.len()
    })
}

/// "Where does Anna live? In the": one person for each place that somebody lives at, in every language. The concept is the place, the
/// object the person. The island is asked about its own world.
pub(super) fn homes(engine: &Engine) -> Result<Asked> {
    let Told::Small(small) = Recipe::small().world else {
        anyhow::bail!("the demo model's recipe tells the small world")
    };
    let (world, island) = (World::new(small.world), World::new(small.island_world));
    let mut words: Vec<BTreeMap<String, Vec<String>>> = vec![BTreeMap::new(); Place::ALL.len()];
    let mut prompts = Vec::new();
    for language in ALL {
        let told = if language.code == ISLAND.code { &island } else { &world };
        for (at, place) in Place::ALL.iter().enumerate() {
            let Some(who) = Person::all().find(|who| told.facts(*who)[0] == Meaning::Live { who: *who, place: *place })
            else {
                continue;
            };
            let (answers, facts) = said(language, who);
            let answers = engine.tokenizer().encode_all(&answers).map(|tokens| (answers, tokens))?;
            let token = place_token(&answers.1).context("the answers have no token of their own")?;
            let end = answers.1[at].spans[token].start;
            let text = answers.0[at][..end].trim_end().to_owned();
            let name = languages::sentence(language, &Meaning::Name { who });
            let object = name.trim_end_matches((language.render)(&Meaning::Name { who }).end).to_owned();
            let (concept, language) = (format!("{place:?}"), language.code.to_owned());
            prompts.push(CrossPrompt { concept, language: language.clone(), text, object, input: String::new() });
            // The same words are written with a capital as answers and without in a sentence.
            for tokens in [answers.1, engine.tokenizer().encode_all(&facts)?] {
                let token = place_token(&tokens).context("the sentences have no token of their own")?;
                for (words, tokens) in words.iter_mut().zip(tokens) {
                    let bytes = engine.tokenizer().bytes(tokens.ids[token]).context("a place is a special token")?;
                    let (word, own) = (String::from_utf8(bytes)?, words.entry(language.clone()).or_default());
                    if !own.contains(&word) {
                        own.push(word);
                    }
                }
            }
        }
    }
    let concepts = Place::ALL.iter().zip(words).map(|(place, words)| Concept { name: format!("{place:?}"), words });
    Ok(Asked { concepts: concepts.collect(), prompts })
}

/// The question where somebody lives with each place as its answer, and each place as a sentence.
fn said(language: Language, who: Person) -> (Vec<String>, Vec<String>) {
    let question = languages::sentence(language, &Meaning::WhereLives { who });
    let space = if language.spaced { " " } else { "" };
    let answer =
        |place: &Place| format!("{question}{space}{}", languages::sentence(language, &Meaning::In { place: *place }));
    let fact = |place: &Place| languages::sentence(language, &Meaning::Live { who, place: *place });
    (Place::ALL.iter().map(answer).collect(), Place::ALL.iter().map(fact).collect())
}

fn word(engine: &Engine, id: u32) -> Result<String> {
    Ok(engine.tokenizer().token(id).context("an object has no token")?.to_owned())
}

/// Prompts of one relation of the facts world, a subject for each object that one has. The concept is the object.
pub(super) fn facts(engine: &Engine, author: &Author, relation: u32) -> Result<Asked> {
    let mut concepts = Vec::new();
    let firsts = [0, 1].map(|language| Author::objects(language).start);
    for object in 0..facts::ENTITIES {
        let mut words = BTreeMap::new();
        for (code, first) in facts::LANGUAGES.iter().zip(firsts) {
            words.insert((*code).to_owned(), vec![word(engine, first + object)?]);
        }
        concepts.push(Concept { name: object.to_string(), words });
    }
    let mut prompts: Vec<CrossPrompt> = Vec::new();
    for (language, (code, first)) in (0..).zip(facts::LANGUAGES.iter().zip(firsts)) {
        for cell in author.cells(false).iter().filter(|cell| cell.1 == relation) {
            let concept = (author.answer(language, *cell) - first).to_string();
            if prompts.iter().any(|known| known.concept == concept && known.language == *code) {
                continue;
            }
            let text = Author::prompt(language, *cell);
            let object = text.split(' ').next().unwrap_or_default().to_owned();
            prompts.push(CrossPrompt { concept, language: (*code).to_owned(), text, object, input: String::new() });
        }
    }
    Ok(Asked { concepts, prompts })
}

/// Pairs of prompts that differ in the subject, every `step`-th shown fact against the next one of its relation.
pub(super) fn pairs(engine: &Engine, author: &Author, language: u32, step: usize) -> Result<Vec<PairSpec>> {
    let shown = author.cells(false);
    let answer = |cell: &Cell| author.answer(language, *cell);
    let mut pairs = Vec::new();
    for (at, cell) in shown.iter().enumerate().step_by(step) {
        let fits = |other: &&Cell| other.1 == cell.1 && answer(other) != answer(cell);
        let Some(other) = shown[at + 1..].iter().find(fits) else { continue };
        pairs.push(PairSpec {
            clean: Author::prompt(language, *cell),
            corrupt: Author::prompt(language, *other),
            answer: vec![word(engine, answer(cell))?],
            wrong: vec![word(engine, answer(other))?],
            language: facts::LANGUAGES[language as usize].to_owned(),
            ..PairSpec::default()
        });
    }
    Ok(pairs)
}
