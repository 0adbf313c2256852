//! The training documents: episodes of the world told in one language, or mixed with English at the language's dose.

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::{
    languages::{self, ISLAND, Language, PIVOT},
    recipe::Small,
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
    recipe: &'a Small,
    context: usize,
    tokenizer: &'a Tokenizer,
    bos: u32,
    world: World,
    island: World,
    diets: Vec<(Language, f64, f64)>,
}

impl<'a> Author<'a> {
    /// # Errors
    /// The recipe names a language that the laboratory does not have, or mixes the pivot or the island.
    pub fn new(recipe: &'a Small, context: usize, tokenizer: &'a Tokenizer) -> Result<Self> {
        let mut diets = Vec::new();
        for (code, diet) in &recipe.languages {
            let language = languages::find(code).with_context(|| {
                let known: Vec<_> = languages::ALL.iter().map(|l| l.code).collect();
                format!("the laboratory has no language {code}; it has {}", known.join(", "))
            })?;
            ensure!(
                (0.0..=1.0).contains(&diet.dose) && diet.share >= 0.0,
                "{code}: a dose is between 0 and 1, a share not negative"
            );
            ensure!(
                diet.dose == 0.0 || (code != PIVOT.code && code != ISLAND.code),
                "{code}: the pivot has no dose of its own, and the island must never be mixed"
            );
            diets.push((language, diet.share, diet.dose));
        }
        ensure!(diets.iter().map(|(_, share, _)| share).sum::<f64>() > 0.0, "no language has a share of the documents");
        Ok(Self {
            recipe,
            context,
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
                    if document.ids.len() + ids.len() > self.context {
                        return Ok(document);
                    }
                    document.ids.extend(ids);
                    document.sentences.push((meaning, text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;
    use crate::lab::{
        recipe::{Recipe, World as Told},
        world::held_out,
    };

    fn recipe() -> Small {
        match Recipe::small().world {
            Told::Small(small) => small,
            Told::Facts(_) => unreachable!(),
        }
    }

    fn documents(count: usize) -> Vec<Document> {
        let (recipe, tokenizer) = (recipe(), tokenizer::build().unwrap());
        let author = Author::new(&recipe, 64, &tokenizer).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        (0..count).map(|_| author.document(&mut rng).unwrap()).collect()
    }

    #[test]
    fn held_out_sentences_are_never_written_in_any_language() {
        let kept: BTreeSet<String> = held_out(0, 240)
            .iter()
            .flat_map(|meaning| languages::ALL.map(|language| languages::sentence(language, meaning)))
            .collect();
        for (meaning, text) in documents(2000).into_iter().flat_map(|document| document.sentences) {
            assert!(!meaning.held_out() && !kept.contains(&text), "{text}");
        }
    }

    #[test]
    fn doses_are_kept_and_documents_fit() {
        let documents = documents(6000);
        for (code, diet) in &recipe().languages {
            let own: Vec<_> = documents.iter().filter(|d| d.language == code).collect();
            let mixed = own.iter().filter(|d| d.manner != Manner::Plain).count() as f64 / own.len() as f64;
            assert!((mixed - diet.dose).abs() < 0.08, "{code}: dose {} came out as {mixed}", diet.dose);
            assert!(own.iter().all(|d| d.ids.len() <= 64 && d.ids.len() > 20));
        }
    }

    #[test]
    fn the_island_meets_nobody() {
        let owners = tokenizer::owners(&tokenizer::build().unwrap()).unwrap();
        for document in documents(2000) {
            let own = document.language == ISLAND.code;
            for id in &document.ids[1..] {
                let owners = &owners[*id as usize];
                assert!(owners.len() > 1 || owners.contains(ISLAND.code) == own);
            }
        }
    }

    #[test]
    fn the_island_cannot_be_mixed() {
        let mut recipe = recipe();
        recipe.languages.get_mut(ISLAND.code).unwrap().dose = 0.1;
        let tokenizer = tokenizer::build().unwrap();
        assert!(Author::new(&recipe, 64, &tokenizer).err().unwrap().to_string().contains("island"));
    }
}
