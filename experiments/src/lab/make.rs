//! Writes what the laboratory is made of, apart from the weights: the held-out parallel corpus, the tokenizer, and the recipe.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::{
    facts,
    languages::{self, Language},
    recipe::{Condition, Recipe, World},
    tokenizer,
    world::{Meaning, held_out},
};

/// Seed of the choice of the held-out sentences.
const HELD_OUT_SEED: u64 = 0;
/// Held-out sentences in each language.
pub const HELD_OUT: usize = 240;

/// The held-out lines of a language: line i means the same in every language, the island included.
pub fn corpus(language: Language) -> Vec<String> {
    held_out(HELD_OUT_SEED, HELD_OUT).iter().map(|meaning| languages::sentence(language, meaning)).collect()
}

/// The kinds of labels that the held-out sentences have by construction.
pub const LABELS: [&str; 5] = ["event", "kind", "colour", "number", "noun"];

/// A label of each held-out sentence: what happens (own, see, buy, give), whether it is about an animal or a thing, its colour, how
/// many, and what. `None` for another word than those of [`LABELS`].
pub fn labels(kind: &str) -> Option<Vec<String>> {
    if !LABELS.contains(&kind) {
        return None;
    }
    let of = |meaning: &Meaning| {
        let (event, what) = match meaning {
            Meaning::Own { what, .. } => ("own", what),
            Meaning::See { what, .. } => ("see", what),
            Meaning::Buy { what, .. } => ("buy", what),
            Meaning::Give { what, .. } => ("give", what),
            _ => return None,
        };
        Some(match kind {
            "event" => event.to_owned(),
            "kind" => if what.noun.animate() { "animal" } else { "thing" }.to_owned(),
            "colour" => format!("{:?}", what.colour).to_lowercase(),
            "number" => what.number.to_string(),
            _ => format!("{:?}", what.noun).to_lowercase(),
        })
    };
    held_out(HELD_OUT_SEED, HELD_OUT).iter().map(of).collect()
}

/// The held-out prompts of the facts world, one column a language; they are the same in both conditions.
///
/// # Errors
/// The recipe of the facts world tells another world.
pub fn prompts() -> Result<[(&'static str, Vec<String>); 2]> {
    let World::Facts(facts) = Recipe::facts(Condition::Mix).world else {
        anyhow::bail!("the recipe of the facts world tells another world")
    };
    let cells: Vec<facts::Cell> = facts::Author::new(&facts).cells(true).into_iter().take(facts::PROMPTS).collect();
    let column = |language: u32| cells.iter().map(|cell| facts::Author::prompt(language, *cell)).collect();
    Ok([(facts::LANGUAGES[0], column(0)), (facts::LANGUAGES[1], column(1))])
}

/// Writes `corpus/CODE.txt`, `facts-corpus/CODE.txt`, `tokenizer.json` and `recipe.toml` into `folder`, which must not exist yet.
///
/// # Errors
/// The folder exists, or cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make the folder\n{}", parent.display()))?;
    anyhow::ensure!(!folder.exists(), "the folder exists already; give --out a new one\n{}", folder.display());
    let fresh = tempfile::Builder::new().prefix(".lab-").tempdir_in(parent)?;
    let write = |folder: &str, code: &str, lines: Vec<String>| -> Result<()> {
        let folder = fresh.path().join(folder);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(format!("{code}.txt")), lines.join("\n") + "\n")?)
    };
    for language in languages::ALL {
        write("corpus", language.code, corpus(language))?;
    }
    for (code, lines) in prompts()? {
        write("facts-corpus", code, lines)?;
    }
    tokenizer::build()?.save(fresh.path().join("tokenizer.json"), false).map_err(anyhow::Error::msg)?;
    fs::write(fresh.path().join("recipe.toml"), toml::to_string(&Recipe::small())?)?;
    fs::rename(fresh.keep(), folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use babelscope_core::corpus::Corpus;

    use super::*;

    #[test]
    fn what_ships_is_what_the_generator_makes() {
        let shipped = Corpus::open(Path::new("lab")).unwrap();
        assert_eq!(shipped.languages.len(), languages::ALL.len());
        for language in languages::ALL {
            assert_eq!(shipped.lines(language.code).unwrap(), corpus(language), "{}", language.code);
        }
        for (code, lines) in prompts().unwrap() {
            let path = format!("{}/../core/lab/facts-corpus/{code}.txt", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(fs::read_to_string(path).unwrap().lines().collect::<Vec<_>>(), lines);
        }
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let built = tokenizer::build().unwrap().to_string(false).unwrap();
        assert_eq!(json(include_str!("../../../core/lab/tokenizer.json")), json(&built));
        let recipe: Recipe = toml::from_str(include_str!("../../../core/lab/recipe.toml")).unwrap();
        assert_eq!(recipe, Recipe::small());
    }

    #[test]
    fn labels_say_what_the_sentences_say() {
        let english = corpus(languages::PIVOT);
        let plain = |word: &str| word.to_owned();
        let first: Vec<Vec<String>> = LABELS.iter().map(|kind| labels(kind).unwrap()).collect();
        assert_eq!(english[0], "Paul has four black rabbits.");
        assert_eq!(first.iter().map(|of| of[0].clone()).collect::<Vec<_>>(), ["own", "animal", "black", "4", "rabbit"]);
        assert!(first.iter().all(|of| of.len() == HELD_OUT));
        for (line, colour) in english.iter().zip(labels("colour").unwrap()) {
            assert!(line.split(' ').map(plain).any(|word| word == colour), "{line}: {colour}");
        }
        assert_eq!(labels("shape"), None);
    }

    #[test]
    fn every_language_has_the_same_number_of_different_lines() {
        for language in languages::ALL {
            let lines = corpus(language);
            assert_eq!(lines.len(), HELD_OUT);
            assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), HELD_OUT, "{}", language.code);
            assert!(lines.iter().all(|line| !line.trim().is_empty() && line.trim() == line));
        }
    }
}
