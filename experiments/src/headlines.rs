//! Of the many numbers of a probe, those that a terminal, a page and a figure show first, and how they are read.

use babelscope_probes::measure::{Measured, Row};

/// How a metric is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Over the layers, a line for each language or variant.
    Curves,
    /// A cell for each ordered pair of languages.
    Matrix,
    /// A bar for each language.
    Bars,
}

/// A metric of a probe that is shown first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headline {
    /// Kind of the probe.
    pub probe: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// The variant; empty: all of them.
    pub variant: &'static str,
    /// The item; empty: all of them.
    pub item: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// The ends of its scale where they are the same for every run.
    pub range: Option<(f64, f64)>,
}

const fn share(
    probe: &'static str,
    metric: &'static str,
    variant: &'static str,
    title: &'static str,
    shape: Shape,
) -> Headline {
    Headline { probe, metric, variant, item: "", title, shape, range: Some((0.0, 1.0)) }
}

const fn number(
    probe: &'static str,
    metric: &'static str,
    variant: &'static str,
    title: &'static str,
    shape: Shape,
) -> Headline {
    Headline { probe, metric, variant, item: "", title, shape, range: None }
}

/// The metrics that are shown first, in their order.
pub const HEADLINES: &[Headline] = &[
    share("align", "mexa", "language", "MEXA, centred", Shape::Curves),
    share("retrieval", "mexa", "language/csls", "MEXA with CSLS, centred", Shape::Curves),
    share("retrieval", "mexa", "raw/csls", "MEXA with CSLS, raw", Shape::Curves),
    number(
        "retrieval",
        "pair_cosine_z",
        "language",
        "pair cosine above wrong pairs, in their deviations",
        Shape::Curves,
    ),
    share("similarity", "cka", "debiased", "linear CKA, debiased", Shape::Curves),
    share("similarity", "cka_rbf", "debiased", "RBF CKA, debiased", Shape::Curves),
    share("similarity", "svcca", "", "SVCCA", Shape::Curves),
    share("similarity", "pwcca", "", "PWCCA", Shape::Curves),
    share("similarity", "cca", "full", "CCA", Shape::Curves),
    share("similarity", "anc", "", "ANC", Shape::Curves),
    share("similarity", "rsa", "", "RSA (Spearman)", Shape::Curves),
    share("similarity", "procrustes_recall", "", "recall after a rotation, held out", Shape::Curves),
    share("similarity", "mutual_knn", "", "mutual nearest neighbours", Shape::Curves),
    share("similarity", "cknna", "", "CKNNA", Shape::Curves),
    share("structure", "language_variance", "", "share of variance that is language", Shape::Curves),
    share("structure", "mexa", "subspace", "MEXA without the language subspace", Shape::Curves),
    number("structure", "offset_ratio", "", "distance of means over spread", Shape::Curves),
    number("neurons", "neurons_of_language", "", "language-specific neurons", Shape::Curves),
    number("neurons", "perplexity_ratio", "", "perplexity with a language's neurons off, over without", Shape::Matrix),
    share("neurons", "neuron_overlap", "", "shared language neurons (Jaccard)", Shape::Matrix),
    share("classify", "accuracy", "", "accuracy of a linear probe", Shape::Curves),
    number("classify", "selectivity", "", "selectivity of a linear probe", Shape::Curves),
    share("classify", "transfer_accuracy", "", "probe trained on one language, tested on another", Shape::Matrix),
    number("tokenizer", "premium", "", "tokens over the pivot's (premium)", Shape::Bars),
    number("tokenizer", "fertility", "", "tokens a word (fertility)", Shape::Bars),
    share("tokenizer", "shared_tokens", "", "share of tokens that a translation has too", Shape::Bars),
    share("steer", "best_forcing", "steered", "outputs in the target language, steered", Shape::Matrix),
    share("steer", "best_forcing", "random", "outputs in the target language, random vectors", Shape::Matrix),
    share("steer", "best_score", "steered", "harmonic mean of forcing and relevance, steered", Shape::Matrix),
    number("steer", "best_perplexity", "steered", "perplexity of the steered outputs", Shape::Matrix),
    share("vector", "vector_pair_order", "", "held-out pairs that the vector orders rightly", Shape::Curves),
    share("vector", "vector_split_half", "", "cosine of the vectors of two halves", Shape::Curves),
    number("vector", "steerability", "", "slope of the preference over the strength", Shape::Curves),
    share("vector", "anti_steerable", "", "share of items that move the other way", Shape::Curves),
    number("vector", "vector_d_prime", "", "separation of held-out items (d')", Shape::Curves),
    number("select", "select_ablation", "", "score of the behaviour without the direction", Shape::Curves),
    number("select", "select_addition", "", "score of the behaviour with the direction added", Shape::Curves),
    share("cot", "solved", "mean", "problems with the right answer", Shape::Bars),
    share("cot", "coverage", "mean", "critical anchors that are right", Shape::Bars),
    share("cot", "edge_fidelity_all", "mean", "dependencies of the reference that are kept", Shape::Bars),
    share("cot", "harmful_rate", "mean", "actions that do harm", Shape::Bars),
    share("cot", "closeness", "mean", "derived values that are used", Shape::Bars),
    share("cot", "commitment", "0.5", "share of the steps after which the answer stays", Shape::Bars),
    share("hints", "baseline_error", "no_hint", "errors without a hint", Shape::Bars),
    share("hints", "switched", "hint", "answers that a hint switched", Shape::Bars),
    share("hints", "switched", "random_hint", "answers that a hint at random switched", Shape::Bars),
    share("hints", "hidden", "hint", "switched answers that do not mention the hint", Shape::Bars),
    share("hints", "hint_share", "hint/before", "share of the hinted option before anything is written", Shape::Bars),
    number("tasks", "spearman", "", "rank correlation over the languages", Shape::Curves),
    number("tasks", "partial_spearman", "", "rank correlation, premium and resources held constant", Shape::Curves),
];

impl Headline {
    /// The headlines of a kind of probe.
    pub fn of(probe: &str) -> impl Iterator<Item = &'static Self> {
        let probe = probe.to_owned();
        HEADLINES.iter().filter(move |headline| headline.probe == probe)
    }

    /// What the bootstrap of its intervals draws.
    pub fn drawn(&self) -> &'static str {
        if self.probe == "tasks" { "languages" } else { "sentences" }
    }

    /// What its null shuffles.
    pub fn shuffled(&self) -> &'static str {
        match self.probe {
            "tasks" => "languages",
            "classify" => "labels",
            _ => "sentences",
        }
    }

    /// The rows that it shows: at layers where it is drawn over layers, of pairs where it is a matrix.
    pub fn rows<'a>(&'a self, measured: &'a Measured) -> impl Iterator<Item = &'a Row> {
        measured.rows.iter().filter(|row| {
            row.metric == self.metric
                && (self.variant.is_empty() || row.variant == self.variant)
                && (self.item.is_empty() || row.item == self.item)
                && match self.shape {
                    Shape::Curves => row.layer.is_some() && row.pivot_layer.is_none(),
                    Shape::Matrix => !row.language.is_empty() && !row.pivot.is_empty(),
                    Shape::Bars => !row.language.is_empty() && row.layer.is_none(),
                }
        })
    }
}

/// What tells the lines of a figure and the rows of a table apart: the language, or what else the row is about.
pub fn series(row: &Row) -> String {
    let parts = [&row.language, &row.item, if row.language.is_empty() { &row.variant } else { &row.item }];
    let mut named: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    named.dedup();
    named.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ProbeSpec;

    #[test]
    fn every_headline_is_of_a_probe_that_there_is() {
        assert!(HEADLINES.iter().all(|headline| ProbeSpec::KINDS.contains(&headline.probe)));
    }

    #[test]
    fn lines_are_told_apart_by_language_or_by_what_else_there_is() {
        let row = Row::new("accuracy", 0.5, 9).variant("language");
        assert_eq!(series(&row), "language");
        assert_eq!(series(&row.clone().of("hin_Deva")), "hin_Deva");
        assert_eq!(series(&row.item("5")), "5 language");
    }
}
