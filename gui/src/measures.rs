//! What is known of each metric: its name, its range of colours, its unit, and which end is better.
//!
//! One table (`measures.txt`), so that every screen names and colours a number alike. A metric that is not in it is shown by its own
//! name on the range of its data. **The rule of the colours**: a share on 0 to 1; a signed share on -1 to 1 around a zero in the
//! middle; anything else from the smallest to the largest value that is shown, around zero where values lie on both sides.

use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock};

use egui::{Color32, Ui};

use crate::{theme::Palette, widgets::legend};

/// On which range a metric is coloured and drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// 0 to 1, whatever the data.
    Share,
    /// -1 to 1, whatever the data.
    Signed,
    /// From the data.
    Data,
}

/// Which end of a metric is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More.
    High,
    /// Less.
    Low,
    /// Neither.
    None,
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What a person calls it.
    pub name: Cow<'static, str>,
    /// Its range.
    pub colours: Colours,
    /// Its good end.
    pub better: Better,
    /// Its unit; empty for a pure number.
    pub unit: &'static str,
    /// What it says, in a line; empty where nothing is known of it.
    pub says: &'static str,
}

fn table() -> &'static BTreeMap<&'static str, Info> {
    static TABLE: OnceLock<BTreeMap<&'static str, Info>> = OnceLock::new();
    TABLE.get_or_init(|| include_str!("measures.txt").lines().filter_map(entry).collect())
}

fn entry(line: &'static str) -> Option<(&'static str, Info)> {
    let mut parts = line.split(" |").map(str::trim);
    let metric = parts.next().filter(|metric| !metric.is_empty() && !metric.starts_with('#'))?;
    let name = Cow::Borrowed(parts.next()?);
    let colours = match parts.next()? {
        "share" => Colours::Share,
        "signed" => Colours::Signed,
        _ => Colours::Data,
    };
    let better = match parts.next()? {
        "high" => Better::High,
        "low" => Better::Low,
        _ => Better::None,
    };
    Some((metric, Info { name, colours, better, unit: parts.next()?, says: parts.next()? }))
}

/// What is known of a metric; of another one its name alone.
pub fn info(metric: &str) -> Info {
    table().get(metric).cloned().unwrap_or_else(|| Info {
        name: Cow::Owned(metric.replace('_', " ")),
        colours: Colours::Data,
        better: Better::None,
        unit: "",
        says: "",
    })
}

/// Whether the table has this metric.
pub fn is_known(metric: &str) -> bool {
    table().contains_key(metric)
}

/// The name of a metric with its item: "recall from pivot @5".
pub fn name(metric: &str, item: &str) -> String {
    let name = info(metric).name;
    match item {
        "" => name.into_owned(),
        k if metric.starts_with("recall") => format!("{name} @{k}"),
        "from_pivot" => format!("{name}, from pivot"),
        "to_pivot" => format!("{name}, to pivot"),
        other => format!("{name}, {other}"),
    }
}

/// What a person calls a variant; several parts (`raw/csls`) one after the other.
pub fn variant(variant: &str) -> String {
    let word = |part: &str| match part {
        "language" => "centred".to_owned(),
        "top" => "all but the top".to_owned(),
        "csls" => "CSLS".to_owned(),
        "knn" => "kNN".to_owned(),
        other => other.replace('_', " "),
    };
    variant.split('/').map(word).collect::<Vec<_>>().join(", ")
}

/// What a person calls the probe of this kind.
pub fn probe(kind: &str) -> &str {
    match kind {
        "align" => "Alignment, exact",
        "retrieval" => "Retrieval",
        "similarity" => "Similarity of spaces",
        "structure" => "Structure",
        "neurons" => "Neurons",
        "classify" => "Linear probes",
        "tokenizer" => "Tokenizer",
        "tasks" => "Tasks",
        "vector" => "Steering vectors",
        "compare" => "Answers side by side",
        "steer" => "Steering, evaluated",
        "patch" => "Patching",
        "cot" => "Traces",
        "hints" => "Hints",
        other => other,
    }
}

/// A number as a person reads it: three decimals, fewer for large ones.
pub fn number(value: f64) -> String {
    match value.abs() {
        // Not "-0.000".
        a if a < 5e-4 => "0.000".to_owned(),
        a if a >= 1000.0 => format!("{value:.0}"),
        a if a >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The range of a picture: of its colours, and of its axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Whether its colours part at the middle.
    pub diverging: bool,
}

impl Scale {
    /// The range for values of a metric, by the rule of the colours.
    pub fn new(colours: Colours, values: impl Iterator<Item = f64>) -> Self {
        match colours {
            Colours::Share => Self { low: 0.0, high: 1.0, diverging: false },
            Colours::Signed => Self { low: -1.0, high: 1.0, diverging: true },
            Colours::Data => {
                let (low, high) = values
                    .filter(|v| v.is_finite())
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
                match (low, high) {
                    _ if low > high => Self { low: 0.0, high: 1.0, diverging: false },
                    _ if low < 0.0 && high > 0.0 => {
                        let most = high.max(-low);
                        Self { low: -most, high: most, diverging: true }
                    }
                    _ if low == high => Self { low: low - 0.5, high: high + 0.5, diverging: false },
                    _ => Self { low, high, diverging: false },
                }
            }
        }
    }

    /// The same around a middle that means "no change", as 1 for a ratio.
    #[must_use]
    pub fn around(self, middle: f64) -> Self {
        let most = (self.high - middle).max(middle - self.low).max(1e-9);
        Self { low: middle - most, high: middle + most, diverging: true }
    }

    /// Place of a value in the range, 0 to 1 inside it.
    pub fn share(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }

    /// Colour of a value; one that does not exist has a colour of its own.
    pub fn colour(&self, palette: &Palette, value: Option<f64>) -> Color32 {
        self.at(palette, value.map_or(f32::NAN, |value| self.share(value)))
    }

    fn at(&self, palette: &Palette, share: f32) -> Color32 {
        if self.diverging { palette.diverging(2.0 * share - 1.0) } else { palette.quantity(share) }
    }

    /// The legend of the colours.
    pub fn legend(&self, ui: &mut Ui, name: &str) {
        let palette = *Palette::current(ui);
        let end = |value: f64| {
            let text = if value.fract() == 0.0 { format!("{value:.0}") } else { number(value) };
            text.replace('-', "−")
        };
        legend::bar(ui, name, &end(self.low), &end(self.high), &|share| self.at(&palette, share));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_table_is_an_entry_and_no_name_is_used_twice() {
        let lines = include_str!("measures.txt").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(table().len(), lines);
        let names: BTreeSet<&str> = table().values().map(|info| info.name.as_ref()).collect();
        assert_eq!(names.len(), lines);
        assert!(table().values().all(|info| !info.says.is_empty()));
    }

    #[test]
    fn an_unknown_metric_has_its_own_name_and_the_range_of_its_data() {
        let info = info("new_index");
        assert_eq!((info.name.as_ref(), info.colours), ("new index", Colours::Data));
        let scale = Scale::new(info.colours, [3.0, f64::NAN, 7.0].into_iter());
        assert_eq!((scale.low, scale.high, scale.diverging), (3.0, 7.0, false));
        assert_eq!(scale.share(5.0), 0.5);
    }

    #[test]
    fn values_on_both_sides_of_zero_have_it_in_the_middle() {
        let scale = Scale::new(Colours::Data, [-1.0, 4.0].into_iter());
        assert_eq!((scale.low, scale.high, scale.diverging), (-4.0, 4.0, true));
        assert_eq!(scale.share(0.0), 0.5);
        let ratio = Scale::new(Colours::Data, [0.9, 3.0].into_iter()).around(1.0);
        assert_eq!((ratio.low, ratio.high, ratio.share(1.0)), (-1.0, 3.0, 0.5));
    }

    #[test]
    fn no_value_and_one_value_have_a_range_too() {
        assert_eq!(Scale::new(Colours::Data, std::iter::empty()).high, 1.0);
        let one = Scale::new(Colours::Data, [2.0].into_iter());
        assert_eq!(one.share(2.0), 0.5);
    }

    #[test]
    fn names_say_item_and_variant() {
        assert_eq!(name("recall_from_pivot", "5"), "recall from pivot @5");
        assert_eq!(name("mexa", ""), "MEXA");
        assert_eq!(variant("language/csls"), "centred, CSLS");
        assert_eq!([-4e-4, 0.5, 123.45, 4567.8].map(number), ["0.000", "0.500", "123.5", "4568"]);
    }
}
