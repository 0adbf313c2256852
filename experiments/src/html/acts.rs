//! Steering and patching on a page: answers side by side, and the two runs behind each grid.

use babelscope_probes::{
    patch::{PatchedRun, Side},
    steer::{Compared, Sample},
};

use super::{
    Figures,
    lens::piece,
    markup::{Html, element, foreign, plain, text, unknown},
    table::{Table, number},
};
use crate::{
    details::Details,
    figures::{patched_names, steered_names},
    run::Run,
};

/// Prompts and pairs that are shown.
const MOST: usize = 24;
/// Outputs that are shown.
const SAMPLES: usize = 200;

/// Whether the run steers or patches.
pub(super) fn any(run: &Run) -> bool {
    let says =
        |details: &Details| !details.samples.is_empty() || !details.compared.is_empty() || !details.patched.is_empty();
    run.probed("steer").is_some() || run.details.iter().any(says)
}

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    if !any(run) {
        return Html::default();
    }
    let mut body = element("h2", &[("id", id)], text("Steering and patching"));
    if let Some(measured) = run.probed("steer") {
        body.push(plain("h3", "What a strength does"));
        for (name, title) in steered_names(measured) {
            body.push(figures.picture(&name, &title, &title));
        }
    }
    for details in &run.details {
        if !details.samples.is_empty() {
            body.push(samples(&details.samples));
        }
        if !details.compared.is_empty() {
            body.push(plain("h3", "Answers side by side"));
            body.push(plain("p", "All arms begin from the same seed; `random` is a random vector of the same length."));
            details.compared.iter().take(MOST).for_each(|compared| body.push(answers(compared)));
        }
        if !details.patched.is_empty() {
            body.push(plain("h3", "Patching"));
            details.patched.iter().take(MOST).for_each(|patched| body.push(runs(patched)));
            for (name, title) in patched_names(&details.patched) {
                body.push(figures.picture(&name, &title, &title));
            }
        }
    }
    body
}

/// Outputs of the chosen layers and strengths, beside those of the controls.
fn samples(all: &[Sample]) -> Html {
    let chosen: Vec<&Sample> = all.iter().filter(|sample| sample.chosen || sample.layers.is_empty()).collect();
    let caption = format!(
        "Outputs where layer and strength were chosen, and without an edit ({} in all; every output is in tables/steer.json)",
        chosen.len()
    );
    let mut table = Table::new(caption, ["from", "to", "arm", "prompt", "output", "identified", "#perplexity"]);
    for sample in chosen.iter().take(SAMPLES) {
        table.row([
            sample.source.as_str().into(),
            sample.target.as_str().into(),
            sample.arm.as_str().into(),
            foreign(&sample.source, &sample.prompt).into(),
            unknown(&sample.text).into(),
            sample.language.as_deref().unwrap_or("unsure").into(),
            number(sample.perplexity.unwrap_or(f64::NAN), 1),
        ]);
    }
    table.html()
}

fn answers(compared: &Compared) -> Html {
    let mut body = element("p", &[], [text("Prompt: "), unknown(&compared.prompt)].into_iter().collect());
    let mut table =
        Table::new("Answers, with their perplexity in the model as it is", ["arm", "answer", "#perplexity"]);
    for answer in &compared.answers {
        table.row([
            answer.arm.as_str().into(),
            unknown(&answer.text).into(),
            number(answer.perplexity.unwrap_or(f64::NAN), 1),
        ]);
    }
    body.push(table.html());
    body
}

fn runs(patched: &PatchedRun) -> Html {
    let caption = if patched.skipped.is_empty() {
        patched.name.clone()
    } else {
        format!("{}: left out, {}", patched.name, patched.skipped)
    };
    let metric = format!("#{}", patched.metric.replace('_', " "));
    let mut table = Table::new(caption, ["run", "prompt", metric.as_str(), "most probable next tokens"]);
    let mut row = |name: &str, side: &Side| {
        let mut tokens = Html::default();
        for (at, candidate) in side.top.iter().enumerate() {
            if at > 0 {
                tokens.push(text(", "));
            }
            tokens.push(piece(&candidate.piece));
            tokens.push(plain("small", format!(" {:.3}", candidate.probability)));
        }
        table.row([name.into(), unknown(&side.text).into(), number(side.value, 3), tokens.into()]);
    };
    row("clean", &patched.clean);
    if let Some(corrupt) = &patched.corrupt {
        row("corrupt", corrupt);
    }
    table.html()
}
