//! The training documents: episodes of the world told in one language, or mixed with English at the language's dose.

use anyhow::{Context as _, Result, ensure};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::{
    languages::{self, ISLAND, Language, PIVOT},
    recipe::Recipe,
    tokenizer,
    world::{Meaning, World},
};

/// How the sentences of a document are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In one language.
    Plain,
    /// Every sentence twice: in one language, then in the other.
    Pairs,
    /// Both languages inside each sentence.
    Switched,
}

/// A document before it is tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its language.
    pub language: &'static str,
    /// How it is told.
    pub manner: Manner,
    /// What it says and how, sentence by sentence; a pair is two entries.
    pub sentences: Vec<(Meaning, String)>,
    /// Its tokens, BOS first.
    pub ids: Vec<u32>,
}

/// Writes documents by a recipe.
pub struct Author<'a> {
    recipe: &'a Recipe,
    tokenizer: &'a Tokenizer,
    bos: u32,
    world: World,
    island: World,
    diets: Vec<(Language, f64, f64)>,
}

impl<'a> Author<'a> {
    /// # Errors
    /// The recipe names a language that the laboratory does not have, or mixes the pivot or the island.
    pub fn new(recipe: &'a Recipe, tokenizer: &'a Tokenizer) -> Result<Self> {
        let mut diets = Vec::new();
        for (code, diet) in &recipe.languages {
            let language = languages::find(code).with_context(|| {
                let known: Vec<_> = languages::ALL.iter().map(|l| l.code).collect();
                format!("the laboratory has no language {code}; it has {}", known.join(", "))
            })?;
            ensure!((0.0..=1.0).contains(&diet.dose) && diet.share >= 0.0, "{code}: a dose is between 0 and 1, a share not negative");
            ensure!(
                diet.dose == 0.0 || (code != PIVOT.code && code != ISLAND.code),
                "{code}: the pivot has no dose of its own, and the island must never be mixed"
            );
            diets.push((language, diet.share, diet.dose));
        }
        ensure!(diets.iter().map(|(_, share, _)| share).sum::<f64>() > 0.0, "no language has a share of the documents");
        Ok(Self {
            recipe,
            tokenizer,
            bos: tokenizer.token_to_id(tokenizer::BOS).context("the tokenizer has no <s>")?,
            world: World::new(recipe.world),
            island: World::new(recipe.island_world),
            diets,
        })
    }

    fn language(&self, rng: &mut ChaCha8Rng) -> (Language, f64) {
        let total: f64 = self.diets.iter().map(|(_, share, _)| share).sum();
        let mut at = rng.random::<f64>() * total;
        for (language, share, dose) in &self.diets {
            at -= share;
            if at < 0.0 {
                return (*language, *dose);
            }
        }
        (PIVOT, 0.0)
    }

    /// The next document of `rng`, at most the context long.
    ///
    /// # Errors
    /// The tokenizers crate failed.
    pub fn document(&self, rng: &mut ChaCha8Rng) -> Result<Document> {
        let (language, dose) = self.language(rng);
        let manner = match rng.random_bool(dose) {
            false => Manner::Plain,
            true if rng.random_bool(self.recipe.switching) => Manner::Switched,
            true => Manner::Pairs,
        };
        let world = if language.code == ISLAND.code { &self.island } else { &self.world };
        let order = if rng.random_bool(0.5) { [language, PIVOT] } else { [PIVOT, language] };
        let mut document = Document { language: language.code, manner, sentences: Vec::new(), ids: vec![self.bos] };
        loop {
            for meaning in world.episode(rng) {
                let told = match manner {
                    Manner::Plain => vec![languages::sentence(language, &meaning)],
                    Manner::Pairs => order.iter().map(|l| languages::sentence(*l, &meaning)).collect(),
                    Manner::Switched => {
                        let [matrix, other] = if rng.random_bool(0.5) { [language, PIVOT] } else { [PIVOT, language] };
                        vec![languages::switched(matrix, other, &meaning, rng)]
                    }
                };
                for text in told {
                    let ids = tokenizer::ids(self.tokenizer, &text)?;
                    if document.ids.len() + ids.len() > self.recipe.shape.context {
                        return Ok(document);
                    }
                    document.ids.extend(ids);
                    document.sentences.push((meaning, text));
                }
            }
        }
    }

    /// The documents of a step: they depend on the seed and the step alone, so a resumed training continues exactly.
    ///
    /// # Errors
    /// As [`Author::document`].
    pub fn batch(&self, step: usize) -> Result<Vec<Document>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        rng.set_stream(step as u64 + 1);
        (0..self.recipe.batch).map(|_| self.document(&mut rng)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lab::world::held_out;

    #[test]
    fn held_out_sentences_are_never_written_in_any_language() {
        let (recipe, tokenizer) = (Recipe::default(), tokenizer::build().unwrap());
        let author = Author::new(&recipe, &tokenizer).unwrap();
        let kept: BTreeSet<String> = held_out(0, 240)
            .iter()
            .flat_map(|meaning| languages::ALL.map(|language| languages::sentence(language, meaning)))
            .collect();
        for document in (0..60).flat_map(|step| author.batch(step).unwrap()) {
            for (meaning, text) in document.sentences {
                assert!(!meaning.held_out() && !kept.contains(&text), "{text}");
            }
        }
    }

    #[test]
    fn documents_depend_on_seed_and_step_alone_and_doses_are_kept() {
        let (recipe, tokenizer) = (Recipe::default(), tokenizer::build().unwrap());
        let author = Author::new(&recipe, &tokenizer).unwrap();
        assert_eq!(author.batch(5).unwrap(), author.batch(5).unwrap());
        assert_ne!(author.batch(5).unwrap(), author.batch(6).unwrap());
        let documents: Vec<_> = (0..200).flat_map(|step| author.batch(step).unwrap()).collect();
        for (code, diet) in &recipe.languages {
            let own: Vec<_> = documents.iter().filter(|d| d.language == code).collect();
            let mixed = own.iter().filter(|d| d.manner != Manner::Plain).count() as f64 / own.len() as f64;
            assert!((mixed - diet.dose).abs() < 0.06, "{code}: dose {} came out as {mixed}", diet.dose);
            assert!(own.iter().all(|d| d.ids.len() <= recipe.shape.context && d.ids.len() > 20));
        }
    }

    #[test]
    fn the_island_meets_nobody() {
        let (recipe, tokenizer) = (Recipe::default(), tokenizer::build().unwrap());
        let author = Author::new(&recipe, &tokenizer).unwrap();
        let owners = tokenizer::owners(&tokenizer).unwrap();
        for document in (0..60).flat_map(|step| author.batch(step).unwrap()) {
            let own = document.language == ISLAND.code;
            for id in &document.ids[1..] {
                let owners = &owners[*id as usize];
                assert!(owners.len() > 1 || owners.contains(ISLAND.code) == own);
            }
        }
    }
}
