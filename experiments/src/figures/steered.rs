//! Steering: for a source and a target what each strength does, beside its price, and what each layer does at each strength.

use babelscope_probes::measure::{Measured, Row};

use super::{
    Source,
    dose::{Arm, Dose, Side, dose},
    grid::Grid,
    panel::range,
    table,
};

/// Pairs of languages that are drawn: all are in the table.
const MOST: usize = 12;
/// What is called what.
const ARMS: [(&str, &str); 6] = [
    ("steered", "steered"),
    ("random", "random vectors"),
    ("shuffled", "shuffled labels"),
    ("other", "another language"),
    ("none", "nothing"),
    ("prompt", "a prompt that asks"),
];

/// Source, target, and the layer that was chosen; none where a vector goes to several layers together.
type Pair<'a> = (&'a str, &'a str, Option<usize>);

fn pairs(measured: &Measured) -> Vec<Pair<'_>> {
    let best = measured.metric("best_forcing").filter(|row| row.variant == "steered");
    best.map(|row| (row.pivot.as_str(), row.language.as_str(), row.layer)).take(MOST).collect()
}

fn named(source: &str, target: &str) -> String {
    format!("{source}-{target}")
}

/// The names of the figures with what stands below them.
pub(crate) fn names(measured: &Measured) -> Vec<(String, String)> {
    let both = |(source, target, layer): Pair<'_>| {
        let (pair, from, to) = (named(source, target), table::name(source).to_owned(), table::name(target));
        let dose = (format!("steer-dose-{pair}"), format!("From {from} to {to}: what a strength does, and its price"));
        let layers = (format!("steer-layers-{pair}"), format!("From {from} to {to}: every layer at every strength"));
        std::iter::once(dose).chain(layer.map(|_| layers))
    };
    pairs(measured).into_iter().flat_map(both).collect()
}

/// Name and content of each figure.
pub(super) fn steered(measured: &Measured, source: &Source) -> Vec<(String, String)> {
    let draw = |(from, to, layer): Pair<'_>| {
        let rows: Vec<&Row> = measured.rows.iter().filter(|row| row.pivot == from && row.language == to).collect();
        let pair = named(from, to);
        let dose = (format!("steer-dose-{pair}"), doses(&rows, (from, to, layer), source));
        let layers = layer.map(|_| (format!("steer-layers-{pair}"), layers(&rows, (from, to), source)));
        std::iter::once(dose).chain(layers)
    };
    pairs(measured).into_iter().flat_map(draw).collect()
}

/// The arms of a metric at a layer; what has no strength stands at all of them.
fn arms(rows: &[&Row], metric: &str, layer: Option<usize>) -> Vec<Arm> {
    let of = |row: &&&Row| row.metric == metric && (row.layer.is_none() || row.layer == layer);
    let strength = |row: &Row| row.item.parse::<f64>().ok();
    let mut strengths: Vec<f64> = rows.iter().filter(of).filter_map(|row| strength(row)).collect();
    strengths.sort_by(f64::total_cmp);
    let ends = strengths.first().copied().zip(strengths.last().copied());
    let arm = |(arm, name): (&str, &str)| {
        let own = rows.iter().filter(of).filter(|row| row.variant == arm);
        let mut doses: Vec<Dose> = own
            .filter_map(|row| {
                let value = row.value?;
                let (low, high) = (row.low.unwrap_or(value), row.high.unwrap_or(value));
                Some(Dose { strength: strength(row)?, value, low, high })
            })
            .collect();
        if let ([one], Some((first, last)), true) = (doses.as_slice(), ends, matches!(arm, "none" | "prompt")) {
            doses = vec![Dose { strength: first, ..*one }, Dose { strength: last, ..*one }];
        }
        doses.sort_by(|a, b| a.strength.total_cmp(&b.strength));
        Arm { name: name.to_owned(), dashed: arm != "steered", doses }
    };
    ARMS.into_iter().map(arm).filter(|arm| !arm.doses.is_empty()).collect()
}

fn doses(rows: &[&Row], (from, to, layer): Pair<'_>, source: &Source) -> String {
    let forced = Side {
        title: "Outputs in the target language".to_owned(),
        range: (0.0, 1.0),
        arms: arms(rows, "forcing", layer),
    };
    let prices = arms(rows, "perplexity", layer);
    let log = |arm: Arm| {
        let dose = |d: Dose| Dose { value: d.value.log10(), low: d.low.log10(), high: d.high.log10(), ..d };
        Arm { doses: arm.doses.into_iter().map(dose).collect(), ..arm }
    };
    let prices: Vec<Arm> = prices.into_iter().map(log).collect();
    let found = range(prices.iter().flat_map(|arm| &arm.doses).map(|dose| dose.value));
    let price = Side { title: "Perplexity of the outputs, log10".to_owned(), range: found, arms: prices };
    let n = rows.iter().filter(|row| row.metric == "forcing").map(|row| row.n).max().unwrap_or(0);
    let (at, chosen) = match layer {
        Some(layer) => (format!("layer {layer}"), "The layer was"),
        None => ("all its layers together".to_owned(), "Strength was"),
    };
    let title = format!("From {} to {}, {at}", table::name(from), table::name(to));
    let caption = format!(
        "Left: share of outputs that are identified as {}, unsure ones counted as no. Right: perplexity of the outputs under the model as it is. \
         Bands: 95 % bootstrap interval over prompts, n = {n} at most. {chosen} chosen on other prompts. Model {}, corpus {}. Layer 0 = \
         embeddings, layer l = after block l.",
        table::name(to),
        source.model,
        source.corpus
    );
    dose(&title, &[forced, price], "strength", &caption)
}

fn layers(rows: &[&Row], (from, to): (&str, &str), source: &Source) -> String {
    let own: Vec<&Row> = rows.iter().filter(|row| row.metric == "score" && row.variant == "steered").copied().collect();
    let mut items: Vec<&str> = own.iter().map(|row| row.item.as_str()).collect();
    items.sort_by(|a, b| {
        let of = |item: &str| item.parse::<f64>().unwrap_or(f64::NAN);
        of(a).total_cmp(&of(b))
    });
    items.dedup();
    let n = own.iter().map(|row| row.n).max().unwrap_or(0);
    Grid {
        title: format!("From {} to {}: score", table::name(from), table::name(to)),
        columns: items.into_iter().map(|item| (item, item.to_owned())).collect(),
        across: "strength",
        language: "",
        rows: &own,
        range: (0.0, 1.0),
        caption: format!(
            "Harmonic mean of forcing and relevance over {n} prompts, those that choose layer and strength among them. Model {}, corpus {}. Layer 0 = \
             embeddings, layer l = after block l.",
            source.model, source.corpus
        ),
    }
    .svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_figures_of_a_pair_are_drawn_with_every_arm() {
        let row = |metric: &str, arm: &str, layer: Option<usize>, strength: &str, value: f64| {
            let row = Row::new(metric, value, 8).of("hin_Deva").against("eng_Latn").variant(arm).item(strength);
            Row { layer, ..row }
        };
        let mut rows = vec![row("best_forcing", "steered", Some(2), "1", 0.9)];
        for strength in ["0.5", "1"] {
            for (arm, layer) in [("steered", Some(1)), ("steered", Some(2)), ("random", Some(2))] {
                rows.push(row("forcing", arm, layer, strength, 0.5));
                rows.push(row("perplexity", arm, layer, strength, 20.0));
                rows.push(row("score", arm, layer, strength, 0.4));
            }
        }
        rows.push(row("forcing", "none", None, "0", 0.0));
        let measured = Measured { rows, notes: Vec::new() };
        let figures = steered(&measured, &Source::default());
        let named: Vec<String> = names(&measured).into_iter().map(|(name, _)| name).collect();
        assert_eq!(figures.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), named);
        for text in ["Hindi", "random vectors", "nothing", "strength", "layer 2"] {
            assert!(figures[0].1.contains(text), "{text}");
        }
        assert!(figures[1].1.contains("layer 1, strength 0.5: 0.4000"));
    }

    #[test]
    fn a_vector_at_several_layers_together_has_doses_and_no_layers() {
        let row = |metric: &str, strength: &str| {
            Row::new(metric, 0.5, 8).of("hin_Deva").against("eng_Latn").variant("steered").item(strength)
        };
        let rows = ["best_forcing", "forcing", "perplexity", "score"].map(|metric| row(metric, "1"));
        let measured = Measured { rows: rows.into(), notes: Vec::new() };
        let figures = steered(&measured, &Source::default());
        assert_eq!(names(&measured).len(), 1);
        assert_eq!(figures.len(), 1);
        assert!(figures[0].1.contains("all its layers together"));
    }
}
