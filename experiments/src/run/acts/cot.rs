//! Executes `cot`: reads traces or has the model write them, compares their graphs, and watches the model along them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::ControlFlow,
    path::Path,
};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    generate::Generate,
    monitor::{Monitor, Tick},
    plan::Plan,
    tokens::Encoded,
};
use babelscope_probes::{
    cot::{
        Graph, Kind, Node, Role, Tokens, Trace, anchors, loops,
        report::{TraceReport, report},
        steps,
        watched::{Aids, watched},
    },
    lens::TokenSets,
    measure::{Measured, Row},
    steer::{Identifier, IdentifyParams},
};

use super::{
    super::{probes::Said, workbench::token_sets},
    detailed, judged,
    prompt::Prompt,
};
use crate::{
    details::Details,
    fault::{Fault, Kind as FaultKind},
    lab::{languages, problems},
    spec::{CotSpec, LAB_PROBLEMS, Retry},
    traces, vectors,
};

/// Traces that are written at once.
const BATCH: usize = 32;

/// A problem to be solved.
struct Posed {
    trace: Trace,
    prompt: Prompt,
}

/// Traces of files, graphs of references, or what the model writes; then the report and what the model knew.
pub(in crate::run) fn traced(
    params: &CotSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    // Known before traces are written.
    if let Some(why) = params.watch.problem_for(engine.info().layers) {
        return Err(Fault::new(FaultKind::Spec, why).into());
    }
    let mut known = traces::references(params)?;
    let mut notes = Vec::new();
    let mut before = None;
    let traces = if params.traces.is_empty() {
        let (posed, graphs) = problems_of(params, engine, corpus)?;
        for (name, graph) in graphs {
            known.entry(name).or_insert(graph);
        }
        let traces = solve(params, engine, &posed, seed, monitor)?;
        let (traces, first) = again(params, engine, (posed, traces), &known, seed, monitor)?;
        before = first;
        traces
    } else {
        let (traces, broken) = traces::files(params)?;
        notes.extend(broken);
        traces
    };
    let TraceReport { mut measured, problems, traces } =
        report(traces, &known, &params.pivot, &params.graph, seed, monitor)?;
    measured.notes.splice(0..0, notes);
    measured.rows.extend(judged::coverage(params, &problems, &traces, seed, monitor)?);
    if let Some(first) = before {
        measured.rows.extend(first.rows);
        measured.notes.extend(first.notes);
    }
    let mut seen = Vec::new();
    if params.watch.traces > 0 {
        let sets: Option<TokenSets> = if params.watch.latent { Some(token_sets(engine, corpus)?) } else { None };
        let identifier =
            if corpus.languages.len() > 1 { Identifier::train(corpus, &IdentifyParams::default()).ok() } else { None };
        let vectors = params.vectors.iter().map(|path| vectors::read(Path::new(path))).collect::<Result<Vec<_>>>()?;
        let aids = Aids {
            sets: sets.as_ref(),
            identifier: identifier.as_ref(),
            vectors: &vectors,
            elsewhere: false,
            seed,
            stop: &params.stop,
        };
        let mut watch = params.watch.clone();
        if params.traces.is_empty() && params.problems == LAB_PROBLEMS {
            problems::add_stubs(&mut watch.stubs);
        }
        let (found, rows) = watched(engine, &traces, &watch, aids, monitor)?;
        seen = found;
        measured.rows.extend(rows.rows);
        measured.notes.extend(rows.notes);
    }
    let details = Details { problems, traces, watched: seen, ..Details::default() };
    Ok(detailed("cot", seed, measured, details))
}

/// The problems that are to be solved, and the graphs of those whose derivation is known.
fn problems_of(params: &CotSpec, engine: &Engine, corpus: &Corpus) -> Result<(Vec<Posed>, BTreeMap<String, Graph>)> {
    let mut graphs = BTreeMap::new();
    let mut traces = Vec::new();
    if params.problems == LAB_PROBLEMS {
        let count = if params.limit == 0 { 100 } else { params.limit };
        for (number, problem) in problems::held_out(0, 2, count).iter().enumerate() {
            let name = format!("lab-{:03}", number + 1);
            graphs.insert(name.clone(), traces::derivation(problem));
            for language in
                languages::ALL.into_iter().filter(|language| corpus.languages.iter().any(|l| l == language.code))
            {
                let Some(statement) = problems::text(language, &problem.statement()) else { continue };
                traces.push(Trace {
                    problem: name.clone(),
                    language: language.code.to_owned(),
                    statement,
                    answer: Some(problem.answer().to_string()),
                    ..Trace::default()
                });
            }
        }
    } else {
        let path = Path::new(&params.problems);
        let text = fs::read_to_string(path).map_err(|e| Fault::read("the problems", path, &e))?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let why = |e: serde_json::Error| {
                let what = "expected {\"problem\", \"language\", \"statement\", \"answer\"}";
                Fault::new(FaultKind::Data, format!("line {}: {what}: {e}\n{}", at + 1, path.display()))
            };
            let mut trace: Trace = serde_json::from_str(line).map_err(why)?;
            if trace.statement.trim().is_empty() {
                let why = format!(
                    "line {}: `statement` is empty; expected the problem to be solved\n{}",
                    at + 1,
                    path.display()
                );
                return Err(Fault::data(why).into());
            }
            if trace.language.is_empty() {
                trace.language.clone_from(&params.language);
            }
            if trace.problem.is_empty() {
                trace.problem = format!("{}", at + 1);
            }
            if !seen.insert((trace.language.clone(), trace.problem.clone())) {
                let why = format!(
                    "line {}: the problem {} in {} is there twice; give every problem its own name\n{}",
                    at + 1,
                    trace.problem,
                    trace.language,
                    path.display()
                );
                return Err(Fault::data(why).into());
            }
            let count = counts.entry(trace.language.clone()).or_default();
            *count += 1;
            if params.limit == 0 || *count <= params.limit {
                traces.push(trace);
            }
        }
    }
    if traces.is_empty() {
        let why =
            "there is no problem to solve; the corpus has none of the laboratory's languages, or the file is empty";
        return Err(Fault::data(why.to_owned()).into());
    }
    let mut posed = Vec::new();
    for trace in traces {
        let prefix = params.prefixes.get(&trace.language).map_or("", String::as_str);
        let prompt = Prompt::new(engine, &trace.statement, prefix, params.chat)?;
        posed.push(Posed { trace, prompt });
    }
    Ok((posed, graphs))
}

/// Has the model write a trace for every problem and try.
fn solve(params: &CotSpec, engine: &Engine, posed: &[Posed], seed: u64, monitor: &Monitor) -> Result<Vec<Trace>> {
    let mut traces = Vec::new();
    let total = posed.len() * params.samples as usize;
    for sample in 0..params.samples {
        let seed = seed.wrapping_add(u64::from(sample));
        for batch in posed.chunks(BATCH) {
            monitor.tick(Tick { what: "writing traces", done: traces.len(), total, unit: "traces" })?;
            let prompts: Vec<Encoded> = batch.iter().map(|posed| posed.prompt.encoded.clone()).collect();
            for (posed, (text, tokens)) in batch.iter().zip(write(params, engine, &prompts, seed, monitor)?) {
                let prefix = params.prefixes.get(&posed.trace.language).map_or("", String::as_str);
                let text = format!("{prefix}{text}");
                let tokens = tokens.and_then(|tokens| posed.prompt.whole(tokens, prefix));
                let (text, tokens) = until_answer(text, tokens, &posed.trace.language);
                let model = Some(engine.info().reference.clone());
                traces.push(Trace { text, tokens, sample, seed: Some(seed), model, ..posed.trace.clone() });
            }
        }
    }
    Ok(traces)
}

/// Continues prompts; the tokens with their bytes where these are the text.
fn write(
    params: &CotSpec,
    engine: &Engine,
    prompts: &[Encoded],
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<(String, Option<Tokens>)>> {
    let generate = Generate {
        max_new_tokens: params.max_new_tokens,
        stop: params.stop.clone(),
        temperature: params.temperature,
        seed,
        ..Generate::default()
    };
    let go = &mut |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
    let written = engine.generate(prompts, &generate, &Plan::default(), go, &monitor.quiet())?;
    let with_tokens = |one: babelscope_core::generate::Generated| {
        let (mut spans, mut at) = (Vec::new(), 0);
        for id in &one.ids {
            let end = at + engine.tokenizer().bytes(*id).map_or(0, |bytes| bytes.len());
            // The text ends before a stop string, the tokens behind it.
            if end > one.text.len() {
                break;
            }
            spans.push(at..end);
            at = end;
        }
        let whole = at == one.text.len() && spans.iter().all(|span| one.text.is_char_boundary(span.start));
        let ids = one.ids[..spans.len()].to_vec();
        (one.text, whole.then_some(Tokens { ids, spans, ..Tokens::default() }))
    };
    Ok(written.sequences.into_iter().map(with_tokens).collect())
}

/// A trace ends with the step that gives its answer; what a model goes on to say belongs to another text.
fn until_answer(text: String, tokens: Option<Tokens>, language: &str) -> (String, Option<Tokens>) {
    let cut = steps(&text);
    let (found, _) = anchors(&text, &cut, language);
    let end = found
        .iter()
        .find(|anchor| anchor.kind == Kind::Answer)
        .and_then(|anchor| cut.get(anchor.step?))
        .map(|step| step.span.end);
    let Some(end) = end.filter(|end| *end < text.len()) else { return (text, tokens) };
    let tokens = tokens.map(|Tokens { ids, spans, prompt }| {
        let keep = spans.iter().take_while(|span| span.end <= end).count();
        Tokens { ids: ids[..keep].to_vec(), spans: spans[..keep].to_vec(), prompt }
    });
    (text[..end].to_owned(), tokens)
}

/// Writes traces that went wrong once more; gives all traces, and how many were solved at first.
fn again(
    params: &CotSpec,
    engine: &Engine,
    (posed, mut traces): (Vec<Posed>, Vec<Trace>),
    known: &BTreeMap<String, Graph>,
    seed: u64,
    monitor: &Monitor,
) -> Result<(Vec<Trace>, Option<Measured>)> {
    if params.retry == Retry::None {
        return Ok((traces, None));
    }
    let first = report(traces.clone(), known, &params.pivot, &params.graph, seed, &monitor.quiet())?;
    let rule = params.graph.rule();
    let mut retried = Vec::new();
    for (number, traced) in first.traces.iter().enumerate() {
        let before = match params.retry {
            Retry::Loop => {
                let round = loops::text_loop(&loops::words(&traced.trace.text), &rule).is_some();
                let round = round || loops::anchor_loop(&traced.trajectory, &rule).is_some();
                round.then(|| traced.last_right().to_owned())
            }
            Retry::Formula => {
                let graph = first.problems.iter().find(|posed| posed.problem == traced.trace.problem);
                let scaffold = graph.and_then(|posed| posed.reference.as_ref()).map(scaffold);
                scaffold.filter(|_| traced.right == Some(false))
            }
            Retry::None => None,
        };
        if let Some(before) = before {
            retried.push((number, before));
        }
    }
    let seed = seed.wrapping_add(u64::from(params.samples));
    for (number, before) in &retried {
        let place = number % posed.len();
        let own = &posed[place];
        let prompt = Prompt::new(engine, &own.trace.statement, before, params.chat)?.encoded;
        for (text, _) in write(params, engine, &[prompt], seed, monitor)? {
            let kept = if params.retry == Retry::Loop { before.as_str() } else { "" };
            let (text, _) = until_answer(format!("{kept}{text}"), None, &own.trace.language);
            traces[*number].text = text;
            traces[*number].tokens = None;
            traces[*number].seed = Some(seed);
        }
    }
    let mut rows: Vec<Row> = first.measured.metric("solved").cloned().collect();
    rows.iter_mut().for_each(|row| row.variant = "before_retry".to_owned());
    let notes = vec![format!("{} of {} traces were written again ({:?})", retried.len(), traces.len(), params.retry)];
    Ok((traces, Some(Measured { rows, notes })))
}

/// The formulas of a reference without their values: `a + b = ?`.
fn scaffold(reference: &Graph) -> String {
    let letter = |at: usize| char::from(b'a' + (at % 26) as u8);
    let formula = |(at, node): (usize, &Node)| {
        let left = node.normal.split(" = ").next().unwrap_or_default();
        let named: String = left
            .split(' ')
            .map(|part| {
                let of = reference.nodes[..at]
                    .iter()
                    .rposition(|earlier| earlier.value.as_ref().is_some_and(|v| v.to_string() == part));
                of.map_or_else(|| part.to_owned(), |of| letter(of).to_string())
            })
            .collect::<Vec<_>>()
            .join(" ");
        format!(" {} = {named}.", letter(at))
    };
    let derived = reference.nodes.iter().enumerate().filter(|(_, node)| node.role != Role::Given);
    derived.map(formula).collect()
}
