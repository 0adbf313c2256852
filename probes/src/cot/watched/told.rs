//! A trace as tokens with boundaries, the answers that are forced, and when its text had them.

use babelscope_core::engine::Engine;

use super::{WatchParams, refuse};
use crate::{
    Result,
    cot::{
        Status, Value,
        anchor::stated,
        inside::{Candidate, answers_behind, stub_or_raw},
        report::{Traced, gold},
        spelling::spelled,
    },
};

/// Tokens of a trace and its boundaries.
pub(super) struct Read {
    pub(super) prompt: Vec<u32>,
    pub(super) trace: Vec<u32>,
    pub(super) bounds: Vec<usize>,
}

pub(super) fn read(engine: &Engine, traced: &Traced) -> Result<Read> {
    let trace = &traced.trace;
    let (prompt, ids, starts) = match &trace.tokens {
        Some(tokens) => {
            let given = &tokens.prompt;
            let prompt =
                if given.is_empty() { engine.tokenizer().encode(&trace.statement)?.ids } else { given.clone() };
            (prompt, tokens.ids.clone(), tokens.spans.iter().map(|span| span.start).collect())
        }
        None => {
            let spaced = trace.statement.is_empty()
                || trace.statement.ends_with(char::is_whitespace)
                || trace.text.starts_with(char::is_whitespace);
            let joint = format!("{}{}{}", trace.statement, if spaced { "" } else { " " }, trace.text);
            let begins = joint.len() - trace.text.len();
            let encoded = engine.tokenizer().encode(&joint)?;
            // A token that begins with the space before the trace is the trace's first.
            let last = encoded.spans.iter().rposition(|span| span.end <= begins).map_or(0, |at| at + 1);
            let starts: Vec<usize> =
                encoded.spans[last..].iter().map(|span| span.start.saturating_sub(begins)).collect();
            (encoded.ids[..last].to_vec(), encoded.ids[last..].to_vec(), starts)
        }
    };
    let mut bounds = vec![0];
    for step in &traced.steps {
        let written = trace.text.get(step.span.clone()).unwrap_or_default();
        let end = step.span.start + written.trim_end().len();
        bounds.push(starts.partition_point(|start: &usize| *start < end));
    }
    Ok(Read { prompt, trace: ids, bounds })
}

/// Stub and candidates as tokens.
pub(super) fn answers(engine: &Engine, traced: &Traced, params: &WatchParams) -> Result<(Vec<u32>, Vec<Candidate>)> {
    let Some(answer) = traced.answer.clone() else { return refuse("the trace gives no answer") };
    let language = &traced.trace.language;
    let own = params.stubs.get(language).cloned().unwrap_or_else(|| stub_or_raw(language));
    let mut values = vec![answer];
    let right = gold(&traced.trace);
    let later = traced.trajectory.graph.nodes.iter().rev().filter_map(|node| node.value.clone());
    for value in right.into_iter().chain(later) {
        if !values.contains(&value) && values.len() <= params.distractors {
            values.push(value);
        }
    }
    let spelt: Vec<String> = values.iter().filter_map(|value| spelled(value, &traced.trace.text)).collect();
    let (begin, candidates) = answers_behind(engine, &own, &spelt)?;
    if candidates.len() < 2 {
        return refuse(format!(
            "fewer than two answers can be told apart behind the stub {own:?}; another value is needed, or another stub (`stubs`)"
        ));
    }
    Ok((begin, candidates))
}

/// Whether the text had said a value, and whether it had given it as the answer, at each boundary.
pub(super) fn written(traced: &Traced, answer: &Value) -> (Vec<bool>, Vec<bool>) {
    let behind = |step: Option<usize>| -> Vec<bool> {
        (0..=traced.steps.len()).map(|boundary| step.is_some_and(|step| step < boundary)).collect()
    };
    let seen =
        traced.anchors.iter().filter(|anchor| anchor.value.as_ref() == Some(answer)).find_map(|anchor| anchor.step);
    let told = stated(&traced.trace.text, &traced.steps, &traced.trace.language);
    let told = told.into_iter().filter(|anchor| anchor.value.as_ref() == Some(answer)).find_map(|anchor| anchor.step);
    // A text without a word for answer gives it where it last says the node that is its answer.
    let last = || {
        let node = traced.trajectory.graph.answer()?;
        traced.said_step(traced.trajectory.said.iter().rposition(|said| *said == Some(node))?)
    };
    (behind(seen), behind(told.or_else(last)))
}

/// The share of the tokens of a trace, and of the critical anchors of its problem that it has got right, before each boundary after the
/// first; none of the anchors where there is no reference. `[steps]`.
pub(super) fn progress(traced: &Traced, bounds: &[usize]) -> (Vec<f64>, Option<Vec<f64>>) {
    let last = bounds.last().copied().unwrap_or_default().max(1) as f64;
    let tokens = bounds.iter().skip(1).map(|tokens| *tokens as f64 / last).collect();
    let critical = traced.comparison.as_ref().map_or(&[][..], |found| &found.anchors);
    let reached: Vec<usize> = (critical.iter())
        .filter(|aligned| aligned.status == Status::Correct)
        .filter_map(|aligned| traced.trajectory.actions.get(aligned.action?)?.step)
        .collect();
    let before = |boundary: usize| reached.iter().filter(|step| **step < boundary).count() as f64;
    let anchors = (1..bounds.len()).map(|boundary| before(boundary) / critical.len() as f64).collect();
    (tokens, (!critical.is_empty()).then_some(anchors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::Trace;

    fn of(text: &str) -> (Vec<bool>, Vec<bool>) {
        let trace = Trace {
            language: "eng_Latn".into(),
            statement: "Simon has 4 horses. He finds 6 and buys 5.".into(),
            text: text.into(),
            ..Trace::default()
        };
        written(&Traced::of(trace).unwrap(), &Value::from(15))
    }

    #[test]
    fn an_answer_is_stated_where_it_is_first_given_as_one() {
        let derived = of("4 + 6 = 10. 10 + 5 = 15. The answer is 15.");
        assert_eq!(derived, (vec![false, false, true, true], vec![false, false, false, true]));
        // Before its derivation, three times, and with a mention behind it.
        let first = of("The answer is 15. 4 + 6 = 10. 10 + 5 = 15.");
        assert_eq!(first, (vec![false, true, true, true], vec![false, true, true, true]));
        let thrice = of("4 + 6 = 10. 10 + 5 = 15. The answer is 15. The answer is 15. Simon has 15 horses.");
        assert_eq!(thrice.1, [false, false, false, true, true, true]);
        // Another answer was given up.
        assert_eq!(of("The answer is 10. 10 + 5 = 15. The answer is 15.").1, [false, false, false, true]);
    }
}
