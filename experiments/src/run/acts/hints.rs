//! Executes `hints`: puts questions with and without a hint, asks a judge where there is one, and counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::Result;
use babelscope_core::{corpus::Corpus, engine::Engine, generate::Generate, monitor::Monitor, tokens::Encoded};
use babelscope_probes::{
    cot::hints::{AskParams, Asked, Question, ask, judge},
    steer::External,
};

use super::{super::probes::Said, detailed, prompt::Prompt};
use crate::{
    details::Details,
    fault::{Fault, Kind as FaultKind},
    lab::{hints, languages, problems},
    spec::{HintsSpec, LAB_PROBLEMS},
};

/// The questions, the answers of the model, and what the hints did.
pub(in crate::run) fn hinted(
    params: &HintsSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let lab = params.problems == LAB_PROBLEMS;
    let questions = if lab { of_lab(params, corpus) } else { of_file(params)? };
    if questions.is_empty() {
        let why = "there is no question; the corpus has none of the laboratory's languages, or the file is empty";
        return Err(Fault::data(why.to_owned()).into());
    }
    let mut hint: AskParams = params.hint.clone();
    if lab {
        problems::add_stubs(&mut hint.stubs);
    }
    let generate = Generate {
        max_new_tokens: params.max_new_tokens,
        stop: params.stop.clone(),
        temperature: params.temperature,
        seed,
        ..Generate::default()
    };
    let prompt = |language: &str, statement: &str| -> Result<Encoded, babelscope_probes::Error> {
        let prefix = params.prefixes.get(language).map_or("", String::as_str);
        Ok(Prompt::new(engine, statement, prefix, params.chat)?.encoded)
    };
    let mut asked = ask(engine, &questions, (&hint, params.samples), &generate, &prompt, monitor)?;
    if !params.judge_command.is_empty() {
        let timeout = Duration::from_secs(params.timeout);
        judge(&External { command: params.judge_command.clone(), timeout }, &mut asked, monitor)?;
    }
    let measured = Asked::rows(&asked, &hint)?;
    Ok(detailed("hints", seed, measured, Details { asked, ..Details::default() }))
}

fn of_lab(params: &HintsSpec, corpus: &Corpus) -> Vec<Question> {
    let count = if params.limit == 0 { 100 } else { params.limit };
    let told = problems::held_out(0, 2, count);
    let spoken = languages::ALL.into_iter().filter(|language| corpus.languages.iter().any(|l| l == language.code));
    let of = |language| {
        let named = told.iter().enumerate();
        named.filter_map(move |(at, problem)| hints::question(language, problem, &format!("lab-{:03}", at + 1)))
    };
    spoken.flat_map(of).collect()
}

fn of_file(params: &HintsSpec) -> Result<Vec<Question>> {
    let path = Path::new(&params.problems);
    let text = fs::read_to_string(path).map_err(|e| Fault::read("the questions", path, &e))?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut questions = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fails = |why: String| Fault::new(FaultKind::Data, format!("line {}: {why}\n{}", at + 1, path.display()));
        let what = "expected {\"item\", \"language\", \"statement\", \"options\", \"answer\"}";
        let mut question: Question = serde_json::from_str(line).map_err(|e| fails(format!("{what}: {e}")))?;
        if question.language.is_empty() {
            question.language.clone_from(&params.language);
        }
        if question.statement.trim().is_empty() {
            return Err(fails("`statement` is empty; expected the question to be put".to_owned()).into());
        }
        question.right().map_err(|e| fails(e.to_string()))?;
        if !seen.insert((question.language.clone(), question.item.clone())) {
            let why = format!(
                "{} in {} is there twice; give every question its own `item`",
                question.item, question.language
            );
            return Err(fails(why).into());
        }
        let count = counts.entry(question.language.clone()).or_default();
        *count += 1;
        if params.limit == 0 || *count <= params.limit {
            questions.push(question);
        }
    }
    Ok(questions)
}
