//! The training documents: episodes of the world told in one language, or mixed with English at the language's dose. Some begin with a
//! word problem and its solution.

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::{
    languages::{self, ISLAND, Language, PIVOT},
    problems::{Line, Problem},
    recipe::{Problems, Small},
    tokenizer,
    world::{Meaning, World},
};

/// How the sentences of a document are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In one language.
    Plain,
    /// Every sentence twice: in one language, then in the other. A problem is in one language and its solution in the other.
    Pairs,
    /// Both languages inside each sentence. Of a problem and its solution, each line is in either.
    Switched,
}

/// A document before it is tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its language.
    pub language: &'static str,
    /// How it is told.
    pub manner: Manner,
    /// What it says and how, sentence by sentence; a pair is two entries.
    pub sentences: Vec<(Meaning, String)>,
    /// The word problem that it begins with, and its lines, those of the solution last.
    pub problem: Option<(Problem, Vec<String>)>,
    /// Its tokens, BOS first.
    pub ids: Vec<u32>,
    /// How much the loss counts at each token but BOS.
    pub weights: Vec<f32>,
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
        if let Some(Problems { share, hinted, weight }) = recipe.problems {
            ensure!(
                (0.0..=1.0).contains(&share) && (0.0..=1.0).contains(&hinted) && weight > 0.0,
                "problems: shares are between 0 and 1, the weight is above 0"
            );
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
        let mut document = Document {
            language: language.code,
            manner,
            sentences: Vec::new(),
            problem: None,
            ids: vec![self.bos],
            weights: Vec::new(),
        };
        if let Some(problems) = self.recipe.problems
            && language.tell.is_some()
            && rng.random_bool(problems.share)
        {
            self.problem(&mut document, problems, order, rng)?;
        }
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
                    document.weights.resize(document.ids.len() + ids.len() - 1, 1.0);
                    document.ids.extend(ids);
                    document.sentences.push((meaning, text));
                }
            }
        }
    }

    /// Begins a document with a problem that leaves it room, and its solution.
    fn problem(
        &self,
        document: &mut Document,
        problems: Problems,
        [first, second]: [Language; 2],
        rng: &mut ChaCha8Rng,
    ) -> Result<()> {
        loop {
            let steps = match rng.random_range(0..10) {
                0 => 1,
                1..8 => 2,
                _ => 3,
            };
            let (mut problem, mut answer_first) = (Problem::draw(rng, steps, false), false);
            if rng.random_bool(problems.hinted) {
                let answer = problem.answer();
                (problem, answer_first) = (problem.hinted(rng, answer), rng.random_bool(0.5));
            }
            let solution = if answer_first { problem.answer_first() } else { problem.solution() };
            let lines = problem.statement().into_iter().map(|line| (line, first, 1.0));
            let lines: Vec<(Line, Language, f32)> =
                lines.chain(solution.into_iter().map(|line| (line, second, problems.weight))).collect();
            let (mut ids, mut weights, mut told) = (Vec::new(), Vec::new(), Vec::new());
            for (line, own, weight) in lines {
                let language = match document.manner {
                    Manner::Switched => [first, second][usize::from(rng.random_bool(0.5))],
                    // The order of two languages, drawn for every document, says nothing in a plain one.
                    Manner::Plain => languages::find(document.language).unwrap_or(own),
                    Manner::Pairs => own,
                };
                let Some(text) = languages::line(language, &line) else { return Ok(()) };
                ids.extend(tokenizer::ids(self.tokenizer, &text)?);
                weights.resize(ids.len(), weight);
                told.push(text);
            }
            if ids.len() < self.context {
                document.ids.extend(ids);
                document.weights = weights;
                document.problem = Some((problem, told));
                return Ok(());
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
    fn problems_begin_their_share_of_documents_and_none_is_held_out() {
        let documents = documents(3000);
        let share = recipe().problems.unwrap().share;
        let with = |d: &&Document| d.problem.is_some();
        let may: Vec<_> = documents.iter().filter(|d| d.language != ISLAND.code).collect();
        let found = may.iter().filter(|d| with(d)).count() as f64 / may.len() as f64;
        assert!((found - share).abs() < 0.04, "{found}");
        assert!(documents.iter().filter(|d| d.language == ISLAND.code).all(|d| d.problem.is_none()));
        for document in documents.iter().filter(with) {
            let (problem, told) = document.problem.as_ref().unwrap();
            assert!(!problem.held_out());
            assert!(problem.hint.is_none_or(|hint| hint.number == problem.answer()));
            let lines = problem.statement().len();
            let count = |weight: f32| document.weights.iter().filter(|w| **w == weight).count();
            assert!(count(recipe().problems.unwrap().weight) > 0 && told.len() > lines);
            if document.manner == Manner::Plain {
                let language = languages::find(document.language).unwrap();
                let expected: Vec<_> =
                    problem.statement().iter().map(|line| languages::line(language, line).unwrap()).collect();
                assert_eq!(told[..lines], expected);
            }
        }
        assert!(documents.iter().all(|d| d.weights.len() + 1 == d.ids.len()));
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
