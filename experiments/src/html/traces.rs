//! Chains of thought on a page: a table of all traces, the figures, and some traces step by step.

use babelscope_probes::cot::{Status, report::Traced, watched::Watched};

use super::{
    Figures,
    markup::{Html, element, foreign, language, plain, text},
    table::{Table, number},
};
use crate::{figures::trace_names, run::Run, spread::spread};

/// Traces of the table, and traces whose steps are shown.
const MOST: usize = 500;
const SHOWN: usize = 12;

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    let Some(details) = run.detailed("cot") else { return Html::default() };
    let mut body = element("h2", &[("id", id)], text("Chains of thought"));
    body.push(plain("p", "What the model wrote: that these steps are how it came to its answer is not said by them."));
    for (name, title) in trace_names(&details.problems, &details.watched) {
        body.push(figures.picture(&name, &title, &title));
    }
    body.push(table(&details.traces));
    for at in spread(&details.traces, |traced| &traced.trace.language, SHOWN) {
        let traced = &details.traces[at];
        let watched = details.watched.iter().find(|watched| watched.trace == at);
        body.push(steps(traced, watched));
    }
    body
}

fn table(all: &[Traced]) -> Html {
    let places = spread(all, |traced| &traced.trace.language, MOST);
    let caption = format!("{} of {} traces; every one is in tables/cot.json", places.len(), all.len());
    let head =
        ["problem", "language", "#try", "answer", "right", "#coverage", "#edges kept", "#harmful", "first wrong step"];
    let mut table = Table::new(caption, head);
    let shown = |value: Option<f64>, decimals| number(value.unwrap_or(f64::NAN), decimals);
    for traced in places.into_iter().map(|at| &all[at]) {
        let found = traced.comparison.as_ref();
        let wrong = found.and_then(|found| traced.trajectory.actions.get(found.first_wrong?.action)?.step);
        table.row([
            traced.trace.problem.as_str().into(),
            language(&traced.trace.language).into(),
            number(f64::from(traced.trace.sample), 0),
            traced.answer.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string).into(),
            match traced.right {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            }
            .into(),
            shown(found.map(|found| found.coverage), 2),
            shown(found.and_then(|found| found.edge_fidelity_all()), 2),
            shown(found.map(|found| found.harms.len() as f64), 0),
            wrong.map_or_else(|| "–".to_owned(), |step| (step + 1).to_string()).into(),
        ]);
    }
    table.html()
}

fn steps(traced: &Traced, watched: Option<&Watched>) -> Html {
    let trace = &traced.trace;
    let title = format!("{}, {}, try {}", trace.problem, trace.language, trace.sample + 1);
    let mut body = plain("h3", title);
    let posed_in = trace.statement_language.as_deref().unwrap_or(&trace.language);
    body.push(element("p", &[], foreign(posed_in, &trace.statement)));
    let mut table = Table::new("Steps", ["#step", "text", "asserts", "#committed", "#decodable"]);
    let curves = watched.and_then(|watched| watched.curves.as_ref());
    for (at, step) in traced.steps.iter().enumerate() {
        let said = |node: usize| {
            let stands = traced.comparison.as_ref().and_then(|found| found.stands.get(node)?.as_ref());
            let mark = match stands {
                Some(stand) if stand.correct => "✓",
                Some(_) => "✗",
                None => "·",
            };
            format!("{mark} {}", traced.trajectory.graph.nodes[node].normal)
        };
        let asserts: Vec<String> = traced
            .trajectory
            .actions
            .iter()
            .filter(|action| action.step == Some(at))
            .map(|action| said(action.node))
            .collect();
        let of = |curve: Option<&Vec<f64>>| {
            number(curve.and_then(|curve| curve.get(at + 1)).copied().unwrap_or(f64::NAN), 2)
        };
        table.row([
            number((at + 1) as f64, 0),
            foreign(&trace.language, trace.text.get(step.span.clone()).unwrap_or_default().trim()).into(),
            asserts.join("; ").into(),
            of(curves.map(|curves| &curves.committed)),
            of(curves.map(|curves| &curves.decodable)),
        ]);
    }
    body.push(table.html());
    if let Some(found) = &traced.comparison {
        let missing = found.with_status(Status::Missing);
        if missing > 0 {
            body.push(plain("p", format!("{missing} of {} critical anchors are missing.", found.anchors.len())));
        }
    }
    body
}
