//! Steering and patching as text: answers side by side, and what the two runs of a pair say.

use babelscope::{
    run::Run,
    spread::{questions, spread},
};
use babelscope_probes::{
    cot::{hints::Asked, report::Traced},
    patch::{PatchedRun, Side},
    steer::Compared,
};

use super::{
    columns, print,
    report::shown,
    table::{Table, fit},
};

/// Prompts and pairs on the terminal: the rest is in the run folder.
const MOST: usize = 6;

/// Shows what probes say beside their numbers.
pub(crate) fn run(run: &Run) {
    for details in &run.details {
        details.compared.iter().take(MOST).for_each(answers);
        details.patched.iter().take(MOST).for_each(runs);
        let places = spread(&details.traces, |traced| &traced.trace.language, MOST);
        places.into_iter().for_each(|place| trace(&details.traces[place]));
        if !details.asked.is_empty() {
            asked(&details.asked);
        }
        for (count, what) in
            [(details.compared.len(), "prompts"), (details.patched.len(), "pairs"), (details.traces.len(), "traces")]
        {
            if count > MOST {
                print(&format!("{} more {what} are in the run folder.\n", count - MOST));
            }
        }
    }
}

fn answers(compared: &Compared) {
    print(&format!("Prompt: {}", compared.prompt));
    let room = columns().saturating_sub(26);
    let mut table = Table::new(["", "answer", "perplexity"]).right(2);
    for answer in &compared.answers {
        let perplexity = answer.perplexity.map_or_else(|| "-".to_owned(), |p| format!("{p:.1}"));
        table.row([answer.arm.clone(), fit(&answer.text.replace('\n', "⏎"), room), perplexity]);
    }
    print(&table.to_string());
    print("");
}

/// The first questions, an arm a line.
fn asked(all: &[Asked]) {
    let room = columns().saturating_sub(64);
    let mut table = Table::new(["question", "language", "arm", "answer", "hinted", "chosen", "right", "mentions"]);
    let shown = questions(all, MOST);
    for one in &shown {
        let option =
            |at: Option<usize>| at.and_then(|at| one.options.get(at)).cloned().unwrap_or_else(|| "-".to_owned());
        table.row([
            one.item.clone(),
            one.language.clone(),
            one.arm.name().replace('_', " "),
            fit(&one.text.trim().replace('\n', " "), room),
            option(one.hinted),
            option(one.chosen),
            option(Some(one.right)),
            if one.mentions.is_empty() { "no" } else { "yes" }.to_owned(),
        ]);
    }
    print(&table.to_string());
    if shown.len() < all.len() {
        print(&format!("{} more answers are in the run folder.", all.len() - shown.len()));
    }
    print("");
}

fn trace(traced: &Traced) {
    let right = match traced.right {
        Some(true) => "right",
        Some(false) => "wrong",
        None => "not known to be right",
    };
    let answer = traced.answer.as_ref().map_or_else(|| "no answer".to_owned(), |value| format!("answer {value}"));
    print(&format!("{}, {}: {answer}, {right}", traced.trace.problem, traced.trace.language));
    print(&fit(&traced.trace.statement.replace('\n', " "), columns().saturating_sub(2)));
    let mut table = Table::new(["", "step", "asserts"]).right(0);
    for (at, step) in traced.steps.iter().enumerate() {
        let text = traced.trace.text.get(step.span.clone()).unwrap_or_default().trim().replace('\n', " ");
        let said = traced.trajectory.actions.iter().filter(|action| action.step == Some(at));
        let said: Vec<&str> = said.map(|action| traced.trajectory.graph.nodes[action.node].normal.as_str()).collect();
        table.row([(at + 1).to_string(), fit(&text, 60), said.join("; ")]);
    }
    print(&table.to_string());
    print("");
}

fn runs(patched: &PatchedRun) {
    if !patched.skipped.is_empty() {
        print(&format!("{}: left out, {}\n", patched.name, patched.skipped));
        return;
    }
    print(&format!("{} ({})", patched.name, patched.metric.replace('_', " ")));
    let mut table = Table::new(["", "prompt", "value", "says next"]).right(2);
    let mut row = |name: &str, side: &Side| {
        let next: Vec<String> =
            side.top.iter().take(3).map(|c| format!("{} {:.2}", shown(&c.piece), c.probability)).collect();
        table.row([name.to_owned(), fit(&side.text, 40), format!("{:.3}", side.value), next.join(", ")]);
    };
    row("clean", &patched.clean);
    if let Some(corrupt) = &patched.corrupt {
        row("corrupt", corrupt);
    }
    print(&table.to_string());
    print("");
}
