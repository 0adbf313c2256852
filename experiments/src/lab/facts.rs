//! The facts world: 48 subjects x 6 relations -> one of 48 objects, in two languages without a common word.
//!
//! A document is BOS and eight facts `subject relation object`. The second language never shows some of the cells; these are the
//! held-out prompts. In `mix`, a share of the facts has each of its words drawn from either language (never for a hidden cell);
//! in `indep` the second language has a table of its own, so no alignment can exist.

use anyhow::Result;
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::{
    recipe::{Condition, Facts},
    train::Row,
};

/// Subjects, and objects.
pub const ENTITIES: u32 = 48;
/// Relations.
pub const RELATIONS: u32 = 6;
/// Hidden cells whose prompts are compared.
pub const PROMPTS: usize = 100;
/// Words of a language.
const WORDS: u32 = 2 * ENTITIES + RELATIONS;
/// Facts in a document.
const FACTS: usize = 8;
/// Weight of the loss at objects, and elsewhere: only objects can be known.
const WEIGHTS: [f32; 2] = [1.1, 0.1];

/// Codes of the two languages (private use).
pub const LANGUAGES: [&str; 2] = ["qfa_Latn", "qfb_Latn"];

/// A cell of the table: subject and relation.
pub type Cell = (u32, u32);

fn subject(language: u32, which: u32) -> u32 {
    1 + language * WORDS + which
}

fn relation(language: u32, which: u32) -> u32 {
    1 + language * WORDS + ENTITIES + which
}

fn object(language: u32, which: u32) -> u32 {
    1 + language * WORDS + ENTITIES + RELATIONS + which
}

/// A word: `s07 r3 o21` in the first language, `S07 R3 O21` in the second.
fn word(id: u32) -> String {
    let (language, at) = ((id - 1) / WORDS, (id - 1) % WORDS);
    let text = match at {
        0..ENTITIES => format!("s{at:02}"),
        at if at < ENTITIES + RELATIONS => format!("r{}", at - ENTITIES),
        at => format!("o{:02}", at - ENTITIES - RELATIONS),
    };
    if language == 0 { text } else { text.to_uppercase() }
}

/// One token a word; id 0 is BOS.
///
/// # Errors
/// The tokenizers crate refused the description.
pub fn tokenizer() -> Result<Tokenizer> {
    let mut vocabulary = serde_json::Map::new();
    vocabulary.insert("<s>".to_owned(), 0.into());
    vocabulary.extend((1..=2 * WORDS).map(|id| (word(id), id.into())));
    let described = serde_json::json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{
            "id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        }],
        "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] } },
        },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<s>" },
    });
    described.to_string().parse().map_err(anyhow::Error::msg)
}

/// The table, and who may say what of it.
pub struct Author {
    recipe: Facts,
    tables: [Vec<u32>; 2],
    hidden: Vec<bool>,
}

impl Author {
    /// Draws the table (two in `indep`) and the cells that the second language never shows.
    pub fn new(recipe: &Facts) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(recipe.table);
        let cells = (ENTITIES * RELATIONS) as usize;
        let mut draw = || -> Vec<u32> { (0..cells).map(|_| rng.random_range(0..ENTITIES)).collect() };
        let (first, second) = (draw(), draw());
        let second = if recipe.condition == Condition::Mix { first.clone() } else { second };
        let mut hidden: Vec<bool> = (0..cells).map(|at| (at as f64) < (recipe.hidden * cells as f64).round()).collect();
        hidden.shuffle(rng);
        Self { recipe: recipe.clone(), tables: [first, second], hidden }
    }

    fn at((subject, relation): Cell) -> usize {
        (subject * RELATIONS + relation) as usize
    }

    /// All cells, those that the second language never shows or the others.
    pub fn cells(&self, hidden: bool) -> Vec<Cell> {
        let all = (0..ENTITIES).flat_map(|s| (0..RELATIONS).map(move |r| (s, r)));
        all.filter(|cell| self.hidden[Self::at(*cell)] == hidden).collect()
    }

    /// The prompt of a cell in a language (0 or 1): subject and relation.
    pub fn prompt(language: u32, (s, r): Cell) -> String {
        format!("{} {}", word(subject(language, s)), word(relation(language, r)))
    }

    /// The id of the object that is true in a language.
    pub fn answer(&self, language: u32, cell: Cell) -> u32 {
        object(language, self.tables[language as usize][Self::at(cell)])
    }

    /// The ids of a language's objects.
    pub fn objects(language: u32) -> std::ops::Range<u32> {
        object(language, 0)..object(language, 0) + ENTITIES
    }

    /// The next document of `rng`.
    pub(super) fn document(&self, rng: &mut ChaCha8Rng) -> Row {
        let language = rng.random_range(0..2);
        let mut row = Row { ids: vec![0], weights: Vec::new() };
        while row.weights.len() < 3 * FACTS {
            let cell = (rng.random_range(0..ENTITIES), rng.random_range(0..RELATIONS));
            let hidden = self.hidden[Self::at(cell)];
            let mixed = self.recipe.condition == Condition::Mix && rng.random_bool(self.recipe.dose);
            if hidden && language == 1 {
                continue;
            }
            let mut speak = || if mixed && !hidden { rng.random_range(0..2) } else { language };
            let (s, r, o) = (subject(speak(), cell.0), relation(speak(), cell.1), self.answer(speak(), cell));
            row.ids.extend([s, r, o]);
            row.weights.extend([WEIGHTS[1], WEIGHTS[1], WEIGHTS[0]]);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::recipe::{Recipe, World};

    fn author(condition: Condition) -> Author {
        match Recipe::facts(condition).world {
            World::Facts(facts) => Author::new(&facts),
            World::Small(_) => unreachable!(),
        }
    }

    #[test]
    fn hidden_cells_are_never_shown_in_the_second_language() {
        let author = author(Condition::Mix);
        let hidden = author.cells(true);
        assert_eq!(hidden.len(), 115); // 40 % of 288 = 115.2
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        for _ in 0..500 {
            let ids = author.document(rng).ids;
            assert_eq!(ids.len(), 25);
            for fact in ids[1..].chunks(3) {
                let of = |language| {
                    hidden.iter().any(|c| fact[0] == subject(language, c.0) && fact[1] == relation(language, c.1))
                };
                assert!(!of(1));
                assert!(!of(0) || fact[2] < 1 + WORDS, "a hidden cell is told in the first language alone");
            }
        }
    }

    #[test]
    fn tables_agree_in_mix_and_not_in_indep() {
        let agree = |author: &Author| {
            let cells = author.cells(false);
            cells.iter().filter(|c| author.answer(0, **c) + WORDS == author.answer(1, **c)).count() as f64
                / cells.len() as f64
        };
        assert_eq!(agree(&author(Condition::Mix)), 1.0);
        assert!(agree(&author(Condition::Indep)) < 0.1);
    }

    #[test]
    fn a_prompt_is_two_tokens_after_bos() {
        let tokenizer = tokenizer().unwrap();
        let ids = tokenizer.encode(Author::prompt(1, (7, 3)), true).unwrap().get_ids().to_vec();
        assert_eq!(ids, [0, subject(1, 7), relation(1, 3)]);
    }
}
