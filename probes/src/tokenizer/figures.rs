//! The numbers of one language, alone and beside a pivot, each with its values in the draws.

use super::{
    distribution::{average_rank, jaccard, jensen_shannon, renyi_efficiency},
    kinds::Kinds,
    reading::{Column, Reading},
    words,
};
use crate::{
    bootstrap::{Draws, interval},
    measure::Row,
    null::shared_tokens,
};

/// A number and what it is in each draw, so that two can be subtracted draw by draw.
pub(super) struct Figure {
    row: Row,
    /// Empty where it has no interval.
    drawn: Vec<f64>,
    /// The same whatever the tokenizer.
    of_text: bool,
}

impl Figure {
    fn new(metric: &str, value: f64, n: usize, drawn: Vec<f64>) -> Self {
        Self { row: Row::new(metric, value, n), drawn, of_text: false }
    }

    fn missing(metric: &str, why: impl Into<String>, n: usize) -> Self {
        Self { row: Row::missing(metric, why, n), drawn: Vec::new(), of_text: false }
    }

    /// A number that cannot be computed where it is `None`.
    fn known(metric: &str, value: Option<f64>, n: usize, why: &str) -> Self {
        value.map_or_else(|| Self::missing(metric, why, n), |value| Self::new(metric, value, n, Vec::new()))
    }

    /// The total of one column over that of another.
    fn ratio(metric: &str, (over, above): (&Reading, Column), (under, below): (&Reading, Column)) -> Self {
        let n = over.ids.len();
        if under.total(below) == 0.0 {
            let what = match below {
                Column::Words => "word",
                Column::Tokens => "token",
                _ => "character",
            };
            return Self::missing(metric, format!("the sentences have no {what} to divide by"), n);
        }
        let drawn = over.drawn(above).iter().zip(under.drawn(below)).map(|(a, b)| a / b).collect();
        Self::new(metric, over.total(above) / under.total(below), n, drawn)
    }

    /// The mean of a number of each sentence, those without one left out.
    fn mean(metric: &str, values: &[Option<f64>], draws: &Draws) -> Self {
        let n = values.iter().flatten().count();
        if n == 0 {
            return Self::missing(metric, "no sentence has tokens on both sides", 0);
        }
        let sums = draws.sums(&values.iter().map(|value| value.unwrap_or_default()).collect::<Vec<_>>());
        let counts = draws.sums(&values.iter().map(|value| f64::from(u8::from(value.is_some()))).collect::<Vec<_>>());
        let drawn = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        Self::new(metric, values.iter().flatten().sum::<f64>() / n as f64, n, drawn)
    }

    fn named(mut self, language: &str, pivot: &str) -> Self {
        self.row = self.row.of(language).against(pivot);
        self
    }

    /// The variant that it has where two tokenizers are compared.
    pub(super) fn variant<'a>(&self, tokenizer: &'a str) -> &'a str {
        if self.of_text { "" } else { tokenizer }
    }

    /// Its row, with the interval of its draws.
    pub(super) fn row(&self, variant: &str) -> Row {
        let row = self.row.clone().variant(variant);
        match row.value {
            Some(value) if !self.drawn.is_empty() => {
                let found = interval(value, self.drawn.clone());
                row.within(found.low, found.high)
            }
            _ => row,
        }
    }
}

/// Ratios of one language: metric, what is above the line, what is below it.
const RATIOS: [(&str, Column, Column); 9] = [
    ("fertility", Column::Tokens, Column::Words),
    ("continued_words", Column::Continued, Column::Words),
    ("tokens_per_character", Column::Tokens, Column::Characters),
    ("characters_per_token", Column::Characters, Column::Tokens),
    ("bytes_per_token", Column::Bytes, Column::Tokens),
    ("unknown_share", Column::Unknown, Column::Tokens),
    ("byte_fallback_share", Column::ByteTokens, Column::Tokens),
    ("single_character_share", Column::Single, Column::Tokens),
    ("cross_script_share", Column::Mixed, Column::Tokens),
];

/// The numbers of a language alone.
pub(super) fn alone(reading: &Reading, language: &str, alpha: f64) -> Vec<Figure> {
    let sentences = reading.ids.len();
    let tokens = reading.total(Column::Tokens);
    let mut figures = vec![Figure::new("tokens", tokens, sentences, reading.drawn(Column::Tokens).to_vec())];
    let unspaced = words::unspaced(language);
    for (metric, above, below) in RATIOS {
        figures.push(match &unspaced {
            Some(why) if below == Column::Words => Figure::missing(metric, why, sentences),
            _ => Figure::ratio(metric, (reading, above), (reading, below)),
        });
    }
    let counts = reading.counts();
    let one = "fewer than two tokens are in use, so their distribution has no evenness";
    for (metric, alpha) in [("renyi_efficiency", alpha), ("shannon_efficiency", 1.0)] {
        figures.push(Figure::known(metric, renyi_efficiency(&counts, alpha), tokens as usize, one));
    }
    figures.push(Figure::known("average_rank", average_rank(&counts), tokens as usize, "there is no token"));
    figures.into_iter().map(|figure| figure.named(language, "")).collect()
}

/// A language and the pivot that it is compared with.
pub(super) struct Pair<'a> {
    pub(super) language: &'a str,
    pub(super) reading: &'a Reading,
    pub(super) pivot: &'a str,
    pub(super) of: &'a Reading,
}

/// The numbers of a language beside a pivot; with those that no tokenizer changes where `of_text`.
pub(super) fn beside(pair: &Pair<'_>, draws: &Draws, of_text: bool) -> Vec<Figure> {
    let Pair { language, reading, pivot, of } = pair;
    let n = reading.ids.len();
    let both = |column| ((*reading, column), (*of, column));
    let (over, under) = both(Column::Tokens);
    let sentences = || reading.ids.iter().zip(&of.ids);
    let ratio = |(ours, theirs): (&Vec<u32>, &Vec<u32>)| {
        (!ours.is_empty() && !theirs.is_empty()).then(|| ours.len() as f64 / theirs.len() as f64)
    };
    let shared = |(ours, theirs): (&Vec<u32>, &Vec<u32>)| {
        (!ours.is_empty() && !theirs.is_empty()).then(|| shared_tokens(ours, theirs) as f64 / ours.len() as f64)
    };
    let joined = match (reading.joined, of.joined) {
        (Some(_), Some(0)) => Figure::missing("premium_joined", "the sentences have no token to divide by", n),
        (Some(ours), Some(theirs)) => Figure::new("premium_joined", ours as f64 / theirs as f64, n, Vec::new()),
        _ => Figure::missing("premium_joined", "the sentences are too many to be joined; see premium", n),
    };
    let (overlap, types) = jaccard(&reading.types, &of.types);
    let tokens = (reading.total(Column::Tokens) + of.total(Column::Tokens)) as usize;
    let mut figures = vec![
        Figure::ratio("premium", over, under),
        joined,
        Figure::mean("premium_sentences", &sentences().map(ratio).collect::<Vec<_>>(), draws),
        Figure::mean("shared_tokens", &sentences().map(shared).collect::<Vec<_>>(), draws),
        Figure::known("vocabulary_overlap", (types > 0).then_some(overlap), types, "there is no token"),
        Figure::known("jsd", jensen_shannon(&reading.types, &of.types), tokens, "a language has no token"),
    ];
    if of_text {
        let (over, under) = both(Column::Bytes);
        figures.push(Figure { of_text: true, ..Figure::ratio("byte_premium", over, under) });
    }
    figures.into_iter().map(|figure| figure.named(language, pivot)).collect()
}

/// Second minus first, of every number that both have.
pub(super) fn differences(first: &[Figure], second: &[Figure], variant: &str) -> Vec<Row> {
    let pair = |figure: &Figure| {
        let name = |row: &Row| (row.metric.clone(), row.pivot.clone());
        let other = second.iter().find(|other| name(&other.row) == name(&figure.row))?;
        let metric = format!("{}_difference", figure.row.metric);
        let (n, language, pivot) = (figure.row.n.min(other.row.n), &figure.row.language, &figure.row.pivot);
        let difference = match (figure.row.value, other.row.value) {
            (Some(ours), Some(theirs)) => {
                let drawn = figure.drawn.iter().zip(&other.drawn).map(|(a, b)| b - a).collect();
                Figure::new(&metric, theirs - ours, n, drawn)
            }
            (None, _) => Figure::missing(&metric, &figure.row.status, n),
            (_, None) => Figure::missing(&metric, &other.row.status, n),
        };
        Some(difference.named(language, pivot).row(variant))
    };
    first.iter().filter(|figure| !figure.of_text).filter_map(pair).collect()
}

/// The share of each script in the vocabulary.
pub(super) fn vocabulary(variant: &str, kinds: &Kinds) -> Vec<Row> {
    let n = kinds.ids().count();
    let shares = kinds.shares(kinds.ids().map(|id| (id, 1)));
    let row = |(item, share): (&str, f64)| Row::new("vocabulary_of_script", share, n).variant(variant).item(item);
    shares.into_iter().map(row).collect()
}

/// The share of each script in the tokens of a language.
pub(super) fn scripts(variant: &str, language: &str, reading: &Reading, kinds: &Kinds) -> Vec<Row> {
    let n = reading.total(Column::Tokens) as usize;
    let shares = kinds.shares(reading.types.iter().map(|(id, count)| (*id, *count)));
    let row =
        |(item, share): (&str, f64)| Row::new("tokens_of_script", share, n).of(language).variant(variant).item(item);
    shares.into_iter().map(row).collect()
}
