//! The truths of steering: the difference of two languages' means, added to what the model reads of "Anna lives", makes it say where she
//! lives in the other language; random vectors of the same length do not; and nothing makes it say so in the island's.
//!
//! Where everybody lives and works is known from the generator, so *the meaning is kept* is no matter of likeness here: the output begins
//! with the true place, as the target language says it.

use anyhow::{Context as _, Result};
use babelscope_core::{corpus::Corpus, engine::Engine, monitor::Monitor};
use babelscope_probes::steer::{Material, Sample, SteerParams, SteerReport, StrengthUnit, evaluate_on};

use super::Truth;
use crate::lab::{
    languages::{self, ALL, ISLAND, Language, PIVOT, Role},
    recipe::{Recipe, World as Told},
    world::{Meaning, Person, World},
};

/// Share of the outputs that must be in the language and true.
const STEERED: f64 = 0.9;
/// Share of the outputs in the language that no control may reach.
const CONTROL: f64 = 0.1;
const SEED: u64 = 0;

pub(super) fn check(engine: &Engine, monitor: &Monitor) -> Result<Vec<Truth>> {
    let known = known()?;
    let report = steered(engine, &known, &params(), monitor)?;
    let apart = [PIVOT.code, ISLAND.code];
    let targets: Vec<Language> = ALL.into_iter().filter(|language| !apart.contains(&language.code)).collect();
    let shares: Vec<(f64, String)> = (targets.iter())
        .map(|target| {
            let (share, place) = true_in(&report, &known, *target);
            (share, format!("{} {share:.2} ({place})", target.code))
        })
        .collect();
    let worst = shares.iter().map(|(share, _)| *share).fold(f64::MAX, f64::min);
    let all: Vec<&str> = shares.iter().map(|(_, said)| said.as_str()).collect();
    let most = |metric: &str, arm: &str| -> Result<f64> {
        let rows = report.measured.metric(metric).filter(|row| row.variant == arm);
        let values = rows.map(|row| row.value.with_context(|| format!("{metric} of {arm}: {}", row.status)));
        values
            .collect::<Result<Vec<f64>>>()?
            .into_iter()
            .reduce(f64::max)
            .with_context(|| format!("no {metric} of {arm}"))
    };
    let fails = |code: &str| {
        let said = format!("{} to {code} fails", PIVOT.code);
        report.measured.notes.iter().any(|note| note.starts_with(&said))
    };
    let others: Vec<&str> = targets.iter().map(|target| target.code).filter(|code| fails(code)).collect();
    let island = true_in(&report, &known, ISLAND).0;
    Ok(vec![
        Truth::at_least(
            "steering: outputs in the target language that say the true place (least of eight targets)",
            STEERED,
            worst,
            &format!("; {}", all.join(", ")),
        ),
        Truth::at_most("... and without a vector none are", 0.0, most("best_forcing", "none")?, ""),
        Truth::at_most(
            "... by each of five random vectors of equal norm, any strength (most)",
            CONTROL,
            most("forcing_most", "random")?,
            "",
        ),
        Truth::at_most("... by shuffled labels, any strength (most)", CONTROL, most("forcing", "shuffled")?, ""),
        Truth::at_most("steering to the island: the true place is never said", CONTROL, island, ""),
        Truth::new(
            "... and the evaluation says that the island alone fails",
            "the island alone",
            match (fails(ISLAND.code), others.as_slice()) {
                (true, []) => "the island alone".to_owned(),
                (island, others) => format!("island: {island}, and {others:?}"),
            },
            fails(ISLAND.code) && others.is_empty(),
        ),
    ])
}

/// What is evaluated: English to every language, where training showed that a vector can work and where a strength begins to destroy.
fn params() -> SteerParams {
    SteerParams {
        sources: vec![PIVOT.code.to_owned()],
        layers: vec![3, 4],
        strengths: vec![1.0, 1.25, 1.5, 1.75],
        unit: StrengthUnit::Raw,
        max_new_tokens: 8,
        side_effects: false,
        bootstrap: 200,
        ..SteerParams::default()
    }
}

/// Where everybody lives and works.
fn known() -> Result<Vec<Meaning>> {
    let Told::Small(small) = Recipe::small().world else { anyhow::bail!("the demo recipe tells the small world") };
    let world = World::new(small.world);
    let places = |meaning: &Meaning| matches!(meaning, Meaning::Live { .. } | Meaning::Work { .. });
    Ok(Person::all().flat_map(|who| world.facts(who).into_iter().filter(places)).collect())
}

fn steered(engine: &Engine, known: &[Meaning], params: &SteerParams, monitor: &Monitor) -> Result<SteerReport> {
    let train = Corpus::open("lab".as_ref())?;
    let told = |of: fn(Language, &Meaning) -> String, name: &str| {
        let columns = train.languages.iter().map(|code| {
            let language = languages::find(code).with_context(|| format!("no language {code}"))?;
            Ok((code.clone(), known.iter().map(|meaning| of(language, meaning)).collect()))
        });
        Ok::<_, anyhow::Error>(Corpus::from_lines(name, columns.collect::<Result<_>>()?)?)
    };
    let (prompts, references) = (told(opening, "what is to be completed")?, told(place, "the places")?);
    let material = Material { train: &train, prompts: &prompts, references: &references, vectors: &[] };
    Ok(evaluate_on(engine, material, params, SEED, monitor)?)
}

/// The sentence up to its place; all of it where the place does not come last.
fn opening(language: Language, meaning: &Meaning) -> String {
    let chunks = (language.render)(meaning).chunks;
    let before = match chunks.split_last() {
        Some((last, before)) if last.role == Role::Place => before,
        _ => &chunks,
    };
    let words: Vec<&str> = before.iter().map(|chunk| chunk.text.as_str()).filter(|text| !text.is_empty()).collect();
    words.join(if language.spaced { " " } else { "" })
}

/// The place as the sentence says it.
fn place(language: Language, meaning: &Meaning) -> String {
    let chunks = (language.render)(meaning).chunks.into_iter();
    chunks.filter(|chunk| chunk.role == Role::Place).map(|chunk| chunk.text).collect()
}

/// Of the outputs that report at the chosen place, the share that is in the target and begins with the true place; and where that was.
fn true_in(report: &SteerReport, known: &[Meaning], target: Language) -> (f64, String) {
    let own = |sample: &&Sample| {
        sample.target == target.code && sample.arm == "steered" && sample.chosen && sample.line % 2 == 1
    };
    let outputs: Vec<&Sample> = report.samples.iter().filter(own).collect();
    let right = |sample: &&&Sample| {
        let truth = known.get(sample.line).map(|meaning| place(target, meaning)).unwrap_or_default();
        sample.language.as_deref() == Some(target.code) && sample.text.trim_start().starts_with(&truth)
    };
    let share = outputs.iter().filter(right).count() as f64 / outputs.len().max(1) as f64;
    let place = outputs
        .first()
        .map_or_else(String::new, |sample| format!("layer {}, {}", sample.layer.unwrap_or_default(), sample.strength));
    (share, place)
}
