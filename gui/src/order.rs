//! In which order languages stand: by score, by name, by what is known of them, or so that alike ones are neighbours.

use babelscope_core::lang;
use babelscope_probes::{measure::Row, subspace::leaf_order};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::data::script;

/// In which order the languages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// Best value over the layers first.
    Score,
    /// FLORES code.
    Code,
    /// Script, then code.
    Script,
    /// Family, then code.
    Family,
    /// Alike ones side by side.
    Cluster,
}

impl Order {
    /// All, in the order of the chooser.
    pub const ALL: [Self; 5] = [Self::Score, Self::Code, Self::Script, Self::Family, Self::Cluster];

    /// The name in the chooser.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "by score",
            Self::Code => "by code",
            Self::Script => "by script",
            Self::Family => "by family",
            Self::Cluster => "by clustering",
        }
    }

    /// What belongs together in this order, of a language; empty where nothing does.
    pub fn group(self, code: &str) -> &str {
        match self {
            Self::Script => script(code),
            Self::Family => family(code),
            Self::Score | Self::Code | Self::Cluster => "",
        }
    }
}

/// The family of a language; empty where the registry does not know it.
pub fn family(code: &str) -> &'static str {
    lang::find(code).map_or("", |l| l.family)
}

/// The languages in this order. `score` is the best value of one, `profile` its values over the layers, and `known` an order that a
/// probe has found.
pub fn ordered(
    mut languages: Vec<String>,
    order: Order,
    score: &dyn Fn(&str) -> f64,
    profile: &dyn Fn(&str) -> Vec<f64>,
    known: Option<&[String]>,
) -> Vec<String> {
    languages.sort_unstable();
    match order {
        Order::Score => {
            let mut scored: Vec<(f64, String)> = languages.into_iter().map(|l| (score(&l), l)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            scored.into_iter().map(|(_, language)| language).collect()
        }
        Order::Code => languages,
        Order::Script | Order::Family => {
            languages.sort_by(|a, b| (order.group(a), a).cmp(&(order.group(b), b)));
            languages
        }
        Order::Cluster => match known {
            Some(known) => {
                let place = |language: &String| known.iter().position(|k| k == language).unwrap_or(known.len());
                languages.sort_by_key(place);
                languages
            }
            None => clustered(languages, profile),
        },
    }
}

/// The order of the leaves of average linkage on the distances of the profiles.
fn clustered(languages: Vec<String>, profile: &dyn Fn(&str) -> Vec<f64>) -> Vec<String> {
    let profiles: Vec<Vec<f64>> = languages.iter().map(|language| profile(language)).collect();
    let distance = |a: &[f64], b: &[f64]| {
        let both = a.iter().zip(b).filter(|(a, b)| a.is_finite() && b.is_finite());
        both.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let n = languages.len();
    let distances = Array2::from_shape_fn((n, n), |(i, j)| distance(&profiles[i], &profiles[j]));
    leaf_order(distances.view()).into_iter().filter_map(|at| languages.get(at).cloned()).collect()
}

/// The order that the probe `structure` has found, at the deepest layer that it has one of.
pub fn of_probe<'r>(rows: impl Iterator<Item = &'r Row>) -> Option<Vec<String>> {
    let rows: Vec<&Row> = rows.filter(|row| row.value.is_some() && !row.language.is_empty()).collect();
    let deepest = rows.iter().map(|row| row.layer).max()?;
    let mut found: Vec<&Row> = rows.into_iter().filter(|row| row.layer == deepest).collect();
    found.sort_by(|a, b| a.value.unwrap_or_default().total_cmp(&b.value.unwrap_or_default()));
    Some(found.into_iter().map(|row| row.language.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(order: Order) -> Vec<String> {
        let codes = ["deu_Latn", "hin_Deva", "rus_Cyrl", "swe_Latn", "tel_Telu"].map(str::to_owned).to_vec();
        let value = |language: &str| match language {
            "hin_Deva" | "tel_Telu" => 0.9,
            "deu_Latn" => 0.5,
            "swe_Latn" => 0.51,
            _ => 0.1,
        };
        ordered(codes, order, &value, &|language| vec![value(language); 3], None)
    }

    #[test]
    fn every_order_keeps_all_languages() {
        for order in Order::ALL {
            let mut all = sorted(order);
            all.sort_unstable();
            assert_eq!(all, sorted(Order::Code), "{order:?}");
        }
    }

    #[test]
    fn ties_of_the_score_stand_by_code() {
        assert_eq!(sorted(Order::Score)[..2], ["hin_Deva", "tel_Telu"]);
    }

    #[test]
    fn alike_profiles_are_neighbours() {
        let order = sorted(Order::Cluster);
        let place = |code: &str| order.iter().position(|l| l == code).unwrap();
        assert_eq!(place("hin_Deva").abs_diff(place("tel_Telu")), 1);
        assert_eq!(place("deu_Latn").abs_diff(place("swe_Latn")), 1);
    }

    #[test]
    fn a_found_order_is_taken_as_it_is() {
        let row = |code: &str, at: f64, layer| Row::new("cluster_order", at, 3).of(code).at(layer);
        let rows = [row("a", 1.0, 2), row("b", 0.0, 2), row("a", 0.0, 1), row("b", 1.0, 1)];
        assert_eq!(of_probe(rows.iter()).unwrap(), ["b", "a"]);
        assert!(of_probe(std::iter::empty()).is_none());
    }
}
