//! Critical anchors that the rules miss, put to a judge.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use babelscope_core::monitor::Monitor;
use babelscope_probes::{
    cot::{
        Status,
        hints::affirmed,
        report::{Posed, Traced},
    },
    measure::Row,
    steer::External,
};
use serde_json::json;

use crate::spec::CotSpec;

/// `coverage_judged` of each language: the share of critical anchors that the rules find right, or the judge finds asserted where the rules
/// miss them; a mean over traces. What the rules find wrong stays wrong.
pub(super) fn coverage(params: &CotSpec, problems: &[Posed], traces: &[Traced], monitor: &Monitor) -> Result<Vec<Row>> {
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
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (traced, more) in traces.iter().zip(more) {
        let Some(found) = traced.comparison.as_ref().filter(|found| !found.anchors.is_empty()) else { continue };
        let share = (found.with_status(Status::Correct) + more) as f64 / found.anchors.len() as f64;
        shares.entry(&traced.trace.language).or_default().push(share);
    }
    let row = |(language, shares): (&str, Vec<f64>)| {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        Row::new("coverage_judged", mean, shares.len()).of(language).variant("mean")
    };
    Ok(shares.into_iter().map(row).collect())
}
