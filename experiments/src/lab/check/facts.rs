//! The truths of the facts world, on the two fixtures that ship with the program.

use anyhow::{Context as _, Result};
use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Reduce, Site},
};
use babelscope_probes::align::{self, AlignParams, Centring, Extraction};

use super::Truth;
use crate::lab::{
    facts::{Author, Cell, LANGUAGES},
    make,
    recipe::{Condition, Recipe, World},
};

type File = (&'static str, &'static [u8]);

macro_rules! fixture {
    ($folder:literal) => {
        &[
            ("config.json", include_bytes!(concat!("../../../../core/lab/", $folder, "/config.json"))),
            ("tokenizer.json", include_bytes!(concat!("../../../../core/lab/", $folder, "/tokenizer.json"))),
            ("model.safetensors", include_bytes!(concat!("../../../../core/lab/", $folder, "/model.safetensors"))),
        ]
    };
}

fn files(condition: Condition) -> &'static [File] {
    match condition {
        Condition::Mix => fixture!("facts-mix"),
        Condition::Indep => fixture!("facts-indep"),
    }
}

pub(super) fn check(monitor: &Monitor) -> Result<Vec<Truth>> {
    let mix = Measured::new(Condition::Mix, monitor)?;
    let indep = Measured::new(Condition::Indep, monitor)?;
    let known = [mix.seen, indep.seen].concat().into_iter().fold(f64::MAX, f64::min);
    let mass = [mix.mass, indep.mass].concat().into_iter().fold(f64::MAX, f64::min);
    let aligned = mix.mexa.get(1).copied().unwrap_or(0.0);
    let chance = indep.mexa.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Truth::at_least("facts: every fact that was shown is known (worst language)", 0.99, known, ""),
        Truth::at_least("facts, mixed: prompts are aligned at layer 1", 0.3, aligned, " at layer 1"),
        Truth::at_most("facts, independent tables: nothing is aligned (worst layer)", 0.05, chance, ""),
        Truth::at_least("facts: last layer's mass is on the language's own objects", 0.9, mass, ""),
    ])
}

/// A fixture, loaded.
pub(super) struct Fixture {
    pub(super) engine: Engine,
    pub(super) author: Author,
    /// The weights may lie in it.
    _folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn load(condition: Condition, monitor: &Monitor) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (name, bytes) in files(condition) {
            std::fs::write(folder.path().join(name), bytes)?;
        }
        let engine = Engine::load(&folder.path().to_string_lossy(), &LoadOptions::default(), monitor)?;
        let World::Facts(facts) = Recipe::facts(condition).world else {
            anyhow::bail!("the fixtures' recipe tells the facts world")
        };
        Ok(Self { engine, author: Author::new(&facts), _folder: folder })
    }
}

struct Measured {
    /// Share of the shown facts whose object is the most probable token, by language.
    seen: [f64; 2],
    /// Probability of the language's objects at the last layer.
    mass: [f64; 2],
    /// Centred MEXA of the hidden prompts, by layer; last token.
    mexa: Vec<f64>,
}

impl Measured {
    fn new(condition: Condition, monitor: &Monitor) -> Result<Self> {
        let Fixture { engine, author, .. } = &Fixture::load(condition, monitor)?;
        let (mut seen, mut mass) = ([0.0; 2], [0.0; 2]);
        let shown = author.cells(false);
        for language in [0, 1] {
            for (cell, row) in shown.iter().zip(next(engine, language, &shown, monitor)?) {
                let top = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(id, _)| id as u32);
                seen[language as usize] += f64::from(u8::from(top == Some(author.answer(language, *cell))));
                mass[language as usize] += Author::objects(language).map(|id| row[id as usize]).sum::<f64>();
            }
            seen[language as usize] /= shown.len() as f64;
            mass[language as usize] /= shown.len() as f64;
        }
        let columns = make::prompts()?.map(|(code, lines)| (code.to_owned(), lines)).to_vec();
        let corpus = Corpus::from_lines("facts", columns)?;
        let params = AlignParams {
            pivots: vec![LANGUAGES[0].to_owned()],
            centrings: vec![Centring::Language],
            bootstrap: 0,
            outcomes: false,
            ..AlignParams::default()
        };
        let extraction = Extraction { layers: Vec::new(), reduce: Reduce::Last };
        let report = align::analyse(engine, &corpus, &extraction, &params, monitor)?;
        let mexa = report.cells.iter().map(|cell| cell.mexa.value).collect();
        Ok(Self { seen, mass, mexa })
    }
}

/// Probabilities of the token after each cell's prompt.
fn next(engine: &Engine, language: u32, cells: &[Cell], monitor: &Monitor) -> Result<Vec<Vec<f64>>> {
    let prompts: Vec<String> = cells.iter().map(|cell| Author::prompt(language, *cell)).collect();
    let logits: Site = "logits".parse()?;
    let plan = Plan { captures: vec![Capture { site: logits, reduce: Reduce::Last }], ..Plan::default() };
    let captured = engine.run(&engine.tokenizer().encode_all(&prompts)?, &plan, monitor)?.pop();
    let Values::Pooled(rows) = captured.context("the engine returned no logits")?.values else {
        anyhow::bail!("the engine kept every token where the last was wanted")
    };
    let softmax = |row: Vec<f32>| -> Vec<f64> {
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f64> = row.iter().map(|x| f64::from(x - top).exp()).collect();
        let total: f64 = powers.iter().sum();
        powers.iter().map(|p| p / total).collect()
    };
    Ok(rows.to_vec2::<f32>()?.into_iter().map(softmax).collect())
}
