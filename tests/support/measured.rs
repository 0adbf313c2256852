//! What the probes of the made-up run say: numbers by rule, so that each one on a screen can be told from all others.

use babelscope::tables::measures::Probed;
use babelscope_probes::{
    align::Centring,
    measure::{Measured, NullFit, Row},
    project::{LayerMap, MapMethod, MapReport},
};

use crate::synthetic::{LAYERS, corpus};

/// Why one index of the run has no value.
pub const NO_SVCCA: &str = "6 sentences are not more than the width of 64";
/// Why Thai has no fertility.
pub const NO_WORDS: &str = "Thai writes no spaces between words";
/// Names of the two tokenizers of [`two_tokenizers`].
pub const TOKENIZERS: [&str; 2] = ["ours", "theirs"];

fn languages() -> Vec<String> {
    corpus().languages
}

/// A null whose 95 % quantile is a quarter: above it a value stands out.
pub fn null(value: f64) -> Option<NullFit> {
    let p = if value > 0.25 { 0.005 } else { 0.4 };
    let calibrated = Some(((value - 0.25) / 0.75).max(0.0));
    Some(NullFit { draws: 199, mean: 0.1, q95: 0.25, p, p_adjusted: Some(2.0 * p), z: Some(value / 0.05), calibrated })
}

/// The value of a retrieval cell: rises with the layer, falls with the place of both languages, differs by variant.
pub fn retrieval(language: usize, pivot: usize, layer: usize, variant: &str) -> f64 {
    let base = (layer + 1) as f64 / (LAYERS + 1) as f64;
    let more =
        if variant.ends_with("csls") { 0.03 } else { 0.0 } + if variant.starts_with("language") { 0.05 } else { 0.0 };
    base * (0.9 - 0.08 * language as f64 - 0.05 * pivot as f64) + more
}

/// Tokens of a language over English.
pub fn premium(language: usize) -> f64 {
    1.0 + 0.3 * language as f64
}

fn probed(probe: &str, rows: Vec<Row>) -> Probed {
    Probed { probe: probe.to_owned(), seed: 7, measured: Measured { rows, notes: Vec::new() } }
}

/// Every pair of different languages: place and code of the language, place and code of the pivot.
fn pairs() -> Vec<(usize, String, usize, String)> {
    let all: Vec<(usize, String)> = languages().into_iter().enumerate().collect();
    let of = |(at, language): &(usize, String)| {
        let (at, language) = (*at, language.clone());
        let others = all.iter().filter(move |(other, _)| *other != at);
        others.map(|(other, pivot)| (at, language.clone(), *other, pivot.clone())).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}

fn retrievals() -> Probed {
    let mut rows = Vec::new();
    for (l, language, p, pivot) in pairs() {
        for layer in 0..=LAYERS {
            for variant in ["raw/cosine", "raw/csls", "language/cosine", "language/csls"] {
                let value = retrieval(l, p, layer, variant);
                let row = |metric: &str, value: f64| {
                    let row = Row::new(metric, value, 6).of(&language).against(&pivot).at(layer).variant(variant);
                    Row { shuffled: null(value), matched: null(value + 0.02), ..row }
                };
                rows.push(row("mexa", value).within(value - 0.02, value + 0.02).chance(1.0 / 11.0));
                rows.push(row("recall_from_pivot", value + 0.01).item("1").chance(1.0 / 6.0));
                rows.push(row("recall_from_pivot", value + 0.02).item("5").chance(5.0 / 6.0));
            }
        }
    }
    rows.push(Row::new("mexa_max", 0.77, 6).of("hin_Deva").against("eng_Latn").variant("raw/cosine").item("6"));
    probed("retrieval", rows)
}

fn similarities() -> Probed {
    let mut rows = Vec::new();
    for (l, language) in languages().iter().enumerate().skip(1) {
        for layer in 0..=LAYERS {
            let value = 0.3 + 0.1 * layer as f64 - 0.02 * l as f64;
            let of = |row: Row| row.of(language).against("eng_Latn").at(layer);
            rows.push(of(Row::new("cka", value, 6)).variant("debiased"));
            rows.push(of(Row::missing("svcca", NO_SVCCA, 6)).variant("reduced"));
            // One layer against another is no cell of the map.
            rows.push(Row { pivot_layer: Some(0), ..of(Row::new("cka", 0.011, 6)).variant("debiased") });
        }
    }
    probed("similarity", rows)
}

fn structures() -> Probed {
    let mut rows = Vec::new();
    for layer in 0..=LAYERS {
        let at = layer as f64;
        rows.push(Row::new("language_variance", 0.6 - 0.05 * at, 6).at(layer).variant("raw"));
        rows.push(Row::new("language_variance", 0.55 - 0.05 * at, 6).at(layer).variant("denoised").within(0.1, 0.6));
        for (item, share) in [("1", 0.7), ("2", 0.2), ("3", 0.1)] {
            rows.push(Row::new("variance_explained", share, 6).at(layer).item(item));
        }
        for (l, language) in languages().iter().enumerate() {
            for (item, value) in [("1", l as f64 - 2.0), ("2", (l * l) as f64 / 10.0), ("3", at)] {
                rows.push(Row::new("language_coordinate", value + 0.01 * at, 6).of(language).at(layer).item(item));
            }
            // The languages backwards.
            rows.push(Row::new("cluster_order", (languages().len() - l) as f64, 6).of(language).at(layer));
        }
        for (l, language, p, pivot) in pairs().into_iter().filter(|(l, _, p, _)| l > p) {
            for (variant, less) in [("raw", 0.0), ("denoised", 0.25)] {
                let value = (l - p) as f64 + 0.1 * at - less;
                rows.push(
                    Row::new("language_distance", value, 6).of(&language).against(&pivot).at(layer).variant(variant),
                );
            }
        }
    }
    probed("structure", rows)
}

fn classified() -> Probed {
    let mut rows =
        vec![Row::missing("accuracy", "one script alone has no second language", 6).variant("language_within_script")];
    for layer in 0..=LAYERS {
        let at = layer as f64;
        for (task, shift) in [("language", 0.0), ("topic", -0.2)] {
            let row = |metric: &str, value: f64| Row::new(metric, value, 6).at(layer).variant(task);
            let accuracy = 0.9 + shift - 0.05 * at;
            rows.push(Row {
                shuffled: null(accuracy),
                ..row("accuracy", accuracy).within(accuracy - 0.1, accuracy + 0.1)
            });
            rows.push(row("control_accuracy", 0.4 + 0.02 * at));
            rows.push(row("selectivity", accuracy - 0.4 - 0.02 * at));
            rows.push(row("majority", 0.3));
            rows.push(row("compression", 1.5 + 0.1 * at));
        }
        for (l, language, p, pivot) in pairs() {
            let value = 0.5 + 0.05 * l as f64 - 0.03 * p as f64 + 0.01 * at;
            let row = Row::new("transfer_accuracy", value, 6).of(&language).against(&pivot).at(layer);
            rows.push(row.variant("topic").chance(0.5));
        }
    }
    probed("classify", rows)
}

fn neurons() -> Probed {
    let mut rows = vec![Row::new("selection_overlap", 0.64, 28).chance(0.01)];
    for (l, language) in languages().iter().enumerate() {
        rows.push(Row::new("neurons_of_language", (7 * (l + LAYERS / 2)) as f64, 1000).of(language));
        for layer in 1..=LAYERS {
            rows.push(Row::new("neurons_of_language", (l + layer) as f64, 160).of(language).at(layer));
        }
        for (variant, own) in [("lape", 2.0), ("random", 1.05)] {
            rows.push(
                Row::new("damage_specificity", own / 4.0, 6).of(language).variant(variant).within(own / 5.0, own / 3.0),
            );
            for (m, masked) in languages().iter().enumerate() {
                let ratio = if l == m { own } else { 1.0 + 0.01 * (l + m) as f64 };
                rows.push(Row::new("perplexity_ratio", ratio, 6).of(language).against(masked).variant(variant));
            }
        }
    }
    for (l, language, p, pivot) in pairs() {
        rows.push(Row::new("neuron_overlap", 0.02 * (l + p) as f64, 28).of(&language).against(&pivot).chance(0.01));
    }
    probed("neurons", rows)
}

/// The tokenizer's rows; `more` is added to every premium.
fn tokenized(variant: &str, more: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (item, share) in [("Arab", 0.1), ("Deva", 0.05), ("Latn", 0.6), ("Zyyy", 0.15), ("bytes", 0.1)] {
        rows.push(Row::new("vocabulary_of_script", share, 1000).variant(variant).item(item));
    }
    for (l, language) in languages().iter().enumerate() {
        let of = |row: Row| row.of(language).variant(variant);
        rows.push(of(match language.as_str() {
            "tha_Thai" => Row::missing("fertility", NO_WORDS, 6),
            _ => Row::new("fertility", 1.2 + 0.5 * l as f64, 6),
        }));
        rows.push(of(Row::new("tokens_of_script", 0.25, 60)).item("Latn"));
        rows.push(of(Row::new("tokens_of_script", 0.75, 60)).item("bytes"));
        if l > 0 {
            let value = premium(l) + more;
            rows.push(of(Row::new("premium", value, 6)).against("eng_Latn").within(value - 0.2, value + 0.2));
        }
    }
    for (l, language, p, pivot) in pairs() {
        let row = Row::new("vocabulary_overlap", 0.05 * (l + p) as f64, 100).of(&language).against(&pivot);
        rows.push(row.variant(variant));
    }
    rows
}

/// The same tokenizer twice, the second one dearer by one half.
pub fn two_tokenizers() -> Probed {
    let [ours, theirs] = TOKENIZERS;
    probed("tokenizer", [tokenized(ours, 0.0), tokenized(theirs, 0.5)].concat())
}

fn tasks() -> Probed {
    let mut rows = Vec::new();
    for (l, language) in languages().iter().enumerate() {
        rows.push(Row::new("task_score", 80.0 - 9.0 * l as f64, 1).of(language).item("belebele"));
    }
    for layer in 0..=LAYERS {
        let r = 0.3 + 0.1 * layer as f64;
        let row = |metric: &str, value: f64| {
            Row::new(metric, value, 5).against("eng_Latn").at(layer).variant("mexa/language").item("belebele")
        };
        rows.push(Row { shuffled: null(r), ..row("pearson", r).within(r - 0.2, r + 0.2) });
        rows.push(row("partial_pearson", r - 0.25).within(r - 0.5, r));
    }
    probed("tasks", rows)
}

/// Nulls for the exact cells, as the probe `align` gives them.
fn nulls(cells: &[babelscope_probes::align::AlignCell]) -> Probed {
    let row = |cell: &babelscope_probes::align::AlignCell| {
        let value = cell.mexa.value;
        let row = Row::new("mexa", value, cell.n).of(&cell.language).against(&cell.pivot).at(cell.layer);
        Row { shuffled: null(value), ..row.variant(cell.centring.name()) }
    };
    let fewer = |cell: &babelscope_probes::align::AlignCell| {
        let row = Row::new("mexa_at_n", 0.5 + 0.5 * cell.mexa.value, 3).of(&cell.language).against(&cell.pivot);
        row.at(cell.layer).variant(cell.centring.name()).item("3")
    };
    probed("align", cells.iter().map(row).chain(cells.iter().map(fewer)).collect())
}

/// All probes of the run.
pub fn measured(cells: &[babelscope_probes::align::AlignCell]) -> Vec<Probed> {
    let tokenizer = probed("tokenizer", tokenized("", 0.0));
    vec![nulls(cells), retrievals(), similarities(), structures(), neurons(), classified(), tokenizer, tasks()]
}

/// Points by rule: each language on a line of its own that sinks with the layer, each sentence at its place.
pub fn map() -> MapReport {
    let languages = languages();
    let sentences: Vec<usize> = (0..corpus().len()).collect();
    let mut maps = Vec::new();
    for centring in [Centring::Raw, Centring::Language] {
        for method in [MapMethod::Pca, MapMethod::Tsne] {
            for layer in 0..=LAYERS {
                let spread = if centring == Centring::Raw { 0.5 } else { 0.05 };
                let point = |language: usize, sentence: usize| {
                    (sentence as f32 - 2.5, spread * language as f32 - 0.1 * layer as f32)
                };
                let missing = method == MapMethod::Tsne && layer == 0;
                let points = (0..languages.len()).map(|l| sentences.iter().map(|s| point(l, *s)).collect()).collect();
                maps.push(LayerMap {
                    layer,
                    method,
                    centring,
                    points: if missing { Vec::new() } else { points },
                    explained: (method == MapMethod::Pca).then_some((0.43, 0.12)),
                    trustworthiness: Some(0.9),
                    language_neighbours: Some(0.8 - 0.1 * layer as f64),
                    meaning_neighbours: Some(0.1 + 0.1 * layer as f64),
                    status: if missing { "all states are equal, so there is nothing to draw" } else { "ok" }.to_owned(),
                });
            }
        }
    }
    MapReport {
        languages,
        sentences,
        layers: (0..=LAYERS).collect(),
        maps,
        neighbours: 5,
        notes: vec!["made up".to_owned()],
    }
}
