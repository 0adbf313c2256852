//! What else the chosen vector changes: every language's lines under the steered and the unsteered model.
//!
//! The lines are given, so every token stands for one that would have been generated: the edit is made at every token (but BOS, unless
//! the vector is added there too). Rows `side_*` are of the target and the source as ever; their `variant` is the language of the lines.

use babelscope_core::monitor::Monitor;

use super::{cell::Place, session::Session};
use crate::{
    Result,
    bootstrap::interval,
    measure::Row,
    steer::{
        Application, SteeringVector, apply,
        score::likelihood::{Both, Scored, compare},
    },
};

pub(super) fn rows(
    session: &Session<'_>,
    place: &Place<'_>,
    vector: &SteeringVector,
    how: &Application,
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    let how = Application { positions: session.params.positions.on_text(), ..how.clone() };
    let edits = apply(&[(vector, &how)])?.edits;
    let mut found = Vec::new();
    for language in &session.prompts.languages {
        let lines = session.prompts.lines(language).unwrap_or_default();
        // The prompts that report, whole.
        let own: Vec<&String> = lines.iter().skip(1).step_by(2).collect();
        let texts: Vec<Scored> = session.engine.tokenizer().encode_all(&own)?.into_iter().map(Scored::whole).collect();
        let rows = match compare(session.engine, &texts, &edits, monitor) {
            Ok(both) => of_language(session, &both),
            Err(e @ crate::Error::Core(babelscope_core::Error::Cancelled)) => return Err(e),
            Err(why) => vec![Row::missing("side_perplexity", why.to_string(), own.len())],
        };
        found.extend(rows.into_iter().map(|row| Row { variant: language.clone(), ..place.put(row) }));
    }
    Ok(found)
}

fn of_language(session: &Session<'_>, lines: &[Vec<Both>]) -> Vec<Row> {
    let sums = |of: &dyn Fn(&Both) -> f64| -> Vec<f64> { lines.iter().map(|line| line.iter().map(of).sum()).collect() };
    let tokens: Vec<f64> = lines.iter().map(|line| line.len() as f64).collect();
    let total: f64 = tokens.iter().sum();
    if total == 0.0 {
        return vec![Row::missing("side_perplexity", "no token of these lines is predicted from another", 0)];
    }
    let drawn = session.draws.sums(&tokens);
    let ratio = |metric: &str, values: Vec<f64>, through: fn(f64) -> f64| {
        let value = through(values.iter().sum::<f64>() / total);
        let of = session.draws.sums(&values).into_iter().zip(&drawn).map(|(sum, n)| through(sum / n)).collect();
        let found = interval(value, of);
        Row::new(metric, found.value, total as usize).within(found.low, found.high)
    };
    let hit = |both: &Both, which: usize| f64::from(u8::from(both.hit[which]));
    vec![
        ratio("side_perplexity_before", sums(&|both| both.nats[0]), f64::exp),
        ratio("side_perplexity", sums(&|both| both.nats[1]), f64::exp),
        ratio("side_accuracy_before", sums(&|both| hit(both, 0)), |x| x),
        ratio("side_accuracy_change", sums(&|both| hit(both, 1) - hit(both, 0)), |x| x),
        ratio("side_divergence", sums(&|both| both.kl), |x| x),
    ]
}
