//! A trace in a line or two.

use babelscope_probes::cot::report::Traced;

use crate::measures::number;

/// What a trace comes to, in a line.
pub(super) fn summary(traced: &Traced) -> String {
    let mut parts = vec![match (&traced.answer, traced.right) {
        (None, _) => "gives no answer".to_owned(),
        (Some(answer), None) => format!("answer {answer}"),
        (Some(answer), Some(right)) => format!("answer {answer}, {}", if right { "right" } else { "wrong" }),
    }];
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    parts.push(format!("{}, {}", many(traced.steps.len(), "step"), many(traced.anchors.len(), "anchor")));
    match &traced.comparison {
        Some(found) => {
            parts.push(format!("coverage {}", number(found.coverage)));
            parts.push(format!("{} of {} edges kept", found.edges_kept, found.edges_all));
            parts.push(format!("{} of {} actions harmful", found.harms.len(), found.actions));
            parts.push(format!("{} redundant, {}", found.redundant.len(), many(found.dead_ends.len(), "dead end")));
        }
        None => parts.push("not compared: the problem has no reference".to_owned()),
    }
    if traced.loop_score > 0.0 {
        parts.push(format!("loops {}", number(traced.loop_score)));
    }
    parts.join(" · ")
}

/// What went wrong first, in a line.
pub(super) fn first_harm(traced: &Traced) -> Option<String> {
    let harm = traced.comparison.as_ref()?.harms.first()?;
    let step = traced.trajectory.actions.get(harm.action)?.step?;
    Some(format!("first harm: {} in step {}", harm.kind.name().replace('_', " "), step + 1))
}
