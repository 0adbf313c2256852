//! What a paper's checklist asks for (ACL's and NeurIPS's), answered from the manifest.

use super::{
    alignment::{intervals, pivots},
    facts::{duration, megabytes, revision},
    markup::{Html, element, plain, spoken, text},
    table::grouped,
};
use crate::run::Run;

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, id: &str) -> Html {
    let mut body = element("h2", &[("id", id)], text("For the paper"));
    body.push(plain("p", "Answers to the questions of reproducibility checklists, from the manifest of this run. Check them before you copy them."));
    let answers = answers(run).into_iter().flat_map(|(question, answer)| [plain("dt", question), plain("dd", answer)]);
    body.push(element("dl", &[], answers.collect()));
    body.push(methods(run, id));
    body
}

fn answers(run: &Run) -> Vec<(&'static str, String)> {
    let m = &run.manifest;
    let memory = m.peak_memory_bytes.map_or_else(String::new, |b| format!(", {} of memory at most", megabytes(b)));
    let mut all = vec![
        (
            "Computing infrastructure",
            format!(
                "{}, {} threads; device {}, engine {}, matrix products {}; {} {}, revision {}.",
                m.machine.system,
                m.machine.threads,
                m.model.device,
                m.model.engine,
                if m.model.kernel.is_empty() { "not named" } else { &m.model.kernel },
                m.program.name,
                m.program.version,
                revision(run)
            ),
        ),
        ("Runtime", format!("{} for the whole run of this model{memory}.", duration(m.seconds.total))),
        (
            "Number of parameters",
            format!(
                "{} ({}, {}); weights were not changed.",
                grouped(m.model.parameters),
                m.model.reference,
                m.model.family
            ),
        ),
        (
            "Number of runs",
            format!(
                "One. Nothing is trained and the forward pass draws nothing; the seed {} decides the bootstrap only.",
                run.spec.seed
            ),
        ),
        (
            "Hyperparameters and their search",
            format!(
                "None were searched. Layers: {}; pooling: {}. Where a best layer is named, it was chosen on the same sentences, so its value leans upwards.",
                if m.capture.layers.len() == m.model.layers + 1 {
                    "all".to_owned()
                } else {
                    list(m.capture.layers.iter().map(usize::to_string))
                },
                m.capture.pooling
            ),
        ),
        ("Metrics", metrics(run)),
        ("Uncertainty", uncertainty(run)),
        ("Languages", format!("{}: {}.", m.corpus.languages.len(), list(m.corpus.languages.iter().map(|l| spoken(l))))),
        (
            "Data and splits",
            format!(
                "{} parallel sentences a language of {} (SHA-256 {}). Nothing is fitted, so there is no split into training and test; which part of a data set these sentences are is not known to the program.",
                grouped(m.corpus.lines),
                m.corpus.name,
                m.corpus.sha256
            ),
        ),
        ("Excluded data and preprocessing", exclusions(run)),
    ];
    all.retain(|(_, answer)| !answer.is_empty());
    all
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn metrics(run: &Run) -> String {
    let mut out = Vec::new();
    if run.align.is_some() {
        let pivots = pivots(run);
        let shown = list(pivots.iter().take(20).map(|p| spoken(p)));
        let more = if pivots.len() > 20 { format!(" and {} more", pivots.len() - 20) } else { String::new() };
        out.push(format!(
            "MEXA and recall@1 by cosine between sentence vectors (pooling: {}) with {shown}{more}, raw and centred per language; ties never count.",
            run.manifest.capture.pooling
        ));
    }
    if !run.lens.is_empty() {
        out.push("Logit lens: entropy, KL from the final distribution, probability and rank of the final token, probability mass of each language's tokens.".to_owned());
    }
    out.push("Definitions below.".to_owned());
    out.join(" ")
}

fn uncertainty(run: &Run) -> String {
    match run.spec.align().map(|params| params.bootstrap) {
        Some(0) => "No intervals: the bootstrap was switched off.".to_owned(),
        Some(draws) => format!(
            "95 % percentile bootstrap intervals (2.5 % to 97.5 %) over sentences, {} draws; the outcomes of sentences are drawn with replacement, \
             with the same draws for every language and layer. They say how far the value would move with other sentences, not with other models or seeds.",
            grouped(draws)
        ),
        None => String::new(),
    }
}

fn exclusions(run: &Run) -> String {
    let (spec, m) = (&run.spec, &run.manifest);
    let mut out = vec![if spec.data.limit > 0 {
        format!("Only the first {} lines were used.", grouped(m.corpus.lines))
    } else {
        "No sentence was left out.".to_owned()
    }];
    out.extend(m.corpus.notes.iter().map(|note| format!("The corpus: {note}.").replace("..", ".")));
    out.push(format!(
        "Sentences are tokenized by the model's own tokenizer without further preprocessing; BOS {} in the pooling{}.",
        if m.capture.include_bos { "counts" } else { "does not count" },
        if m.capture.skip_first > 0 {
            format!(", and the first {} tokens are left out of it", m.capture.skip_first)
        } else {
            String::new()
        }
    ));
    out.join(" ")
}

/// Short definitions; the whole pages are docs/methods/*.md of the program.
fn methods(run: &Run, id: &str) -> Html {
    let mut list = Html::default();
    let mut define = |name: &str, anchor: &str, definition: &str| {
        list.push(element("dt", &[("id", &format!("{id}-{anchor}"))], text(name)));
        list.push(plain("dd", definition));
    };
    if run.align.is_some() {
        define(
            "MEXA",
            "mexa",
            "With S[i, j] = cos(p_i, x_j) between the vectors of sentence i in the pivot and of sentence j in the language: the share of the i with \
             S[i, i] > S[i, j] and S[i, i] > S[j, i] for every other j. Chance 1 / (2n - 1). Kargaran et al., Findings of ACL 2025 (arXiv 2410.05873); \
             page docs/methods/mexa.md.",
        );
        define(
            "Recall from and to the pivot",
            "recall",
            "The share of the i with S[i, i] > S[i, j] for every other j (from the pivot), or S[i, i] > S[j, i] (to the pivot). Chance 1 / n. docs/methods/mexa.md.",
        );
        define("Cosine gap", "gap", "Mean of the S[i, i] minus the mean of all other S[i, j]. docs/methods/mexa.md.");
        define(
            "Centred",
            "centred",
            "The same numbers after the mean of its own language was subtracted from every vector; raw: without. docs/methods/mexa.md.",
        );
        if intervals(run) {
            define(
                "Interval",
                "interval",
                "Bootstrap percentile interval (2.5 % to 97.5 %) over sentences. docs/methods/mexa.md.",
            );
        }
    }
    if !run.lens.is_empty() {
        define(
            "Logit lens",
            "lens",
            "p_l = softmax(unembed(final_norm(h_l))) for the state h_l after block l. Entropy of p_l; KL from final: sum of p_L (ln p_L - ln p_l); rank and probability \
             of the last layer's most probable token; mass of a language: the sum of p_l over the tokens of its set. nostalgebraist 2020; Wendler et al., \
             ACL 2024 (arXiv 2402.10588); page docs/methods/logit_lens.md.",
        );
    }
    [plain("h3", "Definitions"), element("dl", &[], list)].into_iter().collect()
}
