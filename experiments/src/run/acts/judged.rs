//! Critical anchors that the rules miss, put to a judge.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use babelscope_core::monitor::Monitor;
use babelscope_probes::{
    cot::{
        Status,
        hints::affirmed,
        report::{Posed, Traced},
        table::means,
    },
    measure::Row,
    steer::External,
};
use serde_json::json;

use crate::spec::CotSpec;

/// `coverage_judged` of each language: the share of critical anchors that the rules find right, or the judge finds asserted where the rules
/// miss them; the mean over problems of the mean over samples, as of `coverage`. What the rules find wrong stays wrong.
pub(super) fn coverage(
    params: &CotSpec,
    problems: &[Posed],
    traces: &[Traced],
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    if params.judge_command.is_empty() {
        return Ok(Vec::new());
    }
    let references: BTreeMap<&str, &Posed> = problems.iter().map(|posed| (posed.problem.as_str(), posed)).collect();
    let (mut questions, mut of) = (Vec::new(), Vec::new());
    for (number, traced) in traces.iter().enumerate() {
        let trace = &traced.trace;
        let graph = references.get(trace.problem.as_str()).and_then(|posed| posed.reference.as_ref());
        let (Some(found), Some(graph)) = (&traced.comparison, graph) else { continue };
        for aligned in found.anchors.iter().filter(|aligned| aligned.status == Status::Missing) {
            questions.push(json!({"ask": "anchor", "problem": trace.problem, "language": trace.language,
                "statement": trace.statement, "text": trace.text, "anchor": graph.nodes[aligned.anchor].normal}));
            of.push(number);
        }
    }
    let mut more = vec![0usize; traces.len()];
    if !questions.is_empty() {
        let program = External { command: params.judge_command.clone(), timeout: Duration::from_secs(params.timeout) };
        let answers = affirmed(&program, &questions, monitor)?;
        of.iter().zip(answers).for_each(|(number, yes)| more[*number] += usize::from(yes));
    }
    let judged = traces.iter().zip(more).filter_map(|(traced, more)| {
        let found = traced.comparison.as_ref().filter(|found| !found.anchors.is_empty())?;
        let share = (found.with_status(Status::Correct) + more) as f64 / found.anchors.len() as f64;
        Some((traced.trace.language.as_str(), traced.trace.problem.as_str(), share))
    });
    let rows = means("coverage_judged", judged, (params.graph.bootstrap, seed))?;
    Ok(rows.into_iter().map(|row| row.against(&params.pivot)).collect())
}
