//! The rows of one cell: a source, a target, a layer, a strength, an arm.

use super::session::{Judged, Session};
use crate::{
    bootstrap::interval,
    measure::{Estimate, Row},
    steer::{
        passes,
        score::{distinct, harmonic, repetition},
    },
};

/// Where a cell belongs.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) source: &'a str,
    pub(super) target: &'a str,
    /// Empty for arms without an edit.
    pub(super) layers: &'a [usize],
    pub(super) strength: f64,
    /// `steered`, `none`, `random`, `shuffled`, `other`, `prompt`.
    pub(super) arm: &'static str,
}

impl Place<'_> {
    /// The layer where there is one; several at once have no place on the axis of layers.
    pub(super) fn layer(&self) -> Option<usize> {
        match self.layers {
            [layer] => Some(*layer),
            _ => None,
        }
    }

    /// A row of this cell.
    pub(super) fn put(&self, row: Row) -> Row {
        let row = row.of(self.target).against(self.source).variant(self.arm).item(self.strength.to_string());
        Row { layer: self.layer(), ..row }
    }
}

/// Forcing and relevance of each prompt; several outputs of one prompt (the random vectors) are averaged.
pub(super) struct Averages {
    pub(super) forcing: Vec<f64>,
    /// The mark / 2, or `2 rank - 1`; 0 where nothing can be compared.
    pub(super) relevance: Vec<f64>,
    judged: bool,
}

impl Averages {
    /// `runs` hold the same prompts in the same order.
    pub(super) fn new(runs: &[Vec<Judged>], target: &str) -> Self {
        let n = runs.first().map_or(0, Vec::len);
        let mean = |of: &dyn Fn(&Judged) -> f64| -> Vec<f64> {
            (0..n).map(|i| runs.iter().map(|run| of(&run[i])).sum::<f64>() / runs.len() as f64).collect()
        };
        let judged = runs.iter().flatten().any(|judged| judged.mark.is_some());
        Self {
            forcing: mean(&|judged| f64::from(u8::from(judged.verdict.language.as_deref() == Some(target)))),
            relevance: mean(&|judged| match judged.mark {
                Some(mark) => mark / 2.0,
                None => 2.0 * judged.rank.unwrap_or(0.5) - 1.0,
            }),
            judged,
        }
    }

    /// `2 F R / (F + R)` of the averages over the prompts.
    pub(super) fn score(&self) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        harmonic(mean(&self.forcing), mean(&self.relevance).max(0.0))
    }

    pub(super) fn estimate(&self, session: &Session<'_>) -> Estimate {
        let (forcing, relevance) = (session.draws.means(&self.forcing), session.draws.means(&self.relevance));
        interval(self.score(), forcing.iter().zip(&relevance).map(|(f, r)| harmonic(*f, r.max(0.0))).collect())
    }
}

/// All rows of a cell.
pub(super) fn rows(session: &Session<'_>, place: &Place<'_>, runs: &[Vec<Judged>]) -> Vec<Row> {
    let n = runs.first().map_or(0, Vec::len);
    let averages = Averages::new(runs, place.target);
    let within = |metric: &str, e: Estimate| Row::new(metric, e.value, n).within(e.low, e.high);
    let each = |of: &dyn Fn(&Judged) -> f64| -> Vec<f64> {
        (0..n).map(|i| runs.iter().map(|run| of(&run[i])).sum::<f64>() / runs.len() as f64).collect()
    };
    let unsure = each(&|judged| f64::from(u8::from(judged.verdict.language.is_none())));
    let mut rows = vec![
        within("forcing", session.draws.mean(&averages.forcing)),
        within("unsure", session.draws.mean(&unsure)),
        within("score", averages.estimate(session)),
        within("unfinished", session.draws.mean(&each(&|judged| f64::from(u8::from(judged.unfinished))))),
    ];
    if runs.len() > 1 {
        let share = |run: &Vec<Judged>| Averages::new(std::slice::from_ref(run), place.target).forcing;
        let shares = runs.iter().map(|run| share(run).iter().sum::<f64>() / n.max(1) as f64);
        rows.push(Row::new("forcing_most", shares.fold(0.0, f64::max), n));
    }
    let rank = each(&|judged| judged.rank.unwrap_or(0.5));
    let compared = runs.iter().flatten().filter(|judged| judged.rank.is_some()).count();
    rows.push(match compared {
        0 => Row::missing("relevance", "no output can be compared with other lines", 0),
        _ => within("relevance", session.draws.mean(&rank)).chance(0.5),
    });
    let cosines: Vec<f64> = runs.iter().flatten().filter_map(|judged| judged.cosine).collect();
    rows.push(match cosines.len() {
        0 => Row::missing("relevance_cosine", "no output has a state", 0),
        m => Row::new("relevance_cosine", cosines.iter().sum::<f64>() / m as f64, m),
    });
    if averages.judged {
        let mark = averages.relevance.iter().map(|r| 2.0 * r).collect::<Vec<_>>();
        rows.push(within("judge", session.draws.mean(&mark)));
    }
    rows.extend(fluency(session, runs, n));
    let responses: Vec<_> = (runs.iter().flatten()).map(|judged| (judged.text.clone(), judged.lines.clone())).collect();
    let passed = passes(&responses, place.target, session.words(place.target));
    let share = |metric: &str, of: Option<(f64, usize)>, why: &str| match of {
        Some((value, n)) => Row::new(metric, value, n),
        None => Row::missing(metric, why, 0),
    };
    rows.push(share("line_pass", passed.lines, "no line is identified"));
    if !place.target.ends_with("_Latn") {
        rows.push(share("word_pass", passed.words, "no output passes by lines"));
        let both = passed.both.zip(passed.words.map(|(_, n)| n));
        rows.push(share("confusion_pass", both, "one of the two pass rates is missing"));
    }
    rows.into_iter().map(|row| place.put(row)).collect()
}

fn fluency(session: &Session<'_>, runs: &[Vec<Judged>], n: usize) -> Vec<Row> {
    let sum = |of: &dyn Fn(&Judged) -> f64| -> Vec<f64> {
        (0..n).map(|i| runs.iter().map(|run| of(&run[i])).sum()).collect()
    };
    let perplexity = |metric: &str, of: &dyn Fn(&Judged) -> Option<f64>| {
        let nats = sum(&|judged| of(judged).unwrap_or_default());
        let tokens = sum(&|judged| of(judged).map_or(0.0, |_| judged.ids.len() as f64));
        let (all, total) = (nats.iter().sum::<f64>(), tokens.iter().sum::<f64>());
        if total == 0.0 {
            return Row::missing(metric, "no output with its prompt fits into the context", 0);
        }
        let drawn = session.draws.sums(&nats).into_iter().zip(session.draws.sums(&tokens));
        let found = interval((all / total).exp(), drawn.map(|(nats, tokens)| (nats / tokens).exp()).collect());
        Row::new(metric, found.value, total as usize).within(found.low, found.high)
    };
    let mut rows = vec![
        perplexity("perplexity", &|judged| Some(judged.nats)),
        perplexity("perplexity_reference", &|judged| judged.reference_nats),
    ];
    let repeated: Vec<f64> = runs.iter().flatten().filter_map(|judged| repetition(&judged.ids)).collect();
    rows.push(match repeated.len() {
        0 => Row::missing("repetition", "every output is shorter than two trigrams", 0),
        m => Row::new("repetition", repeated.iter().sum::<f64>() / m as f64, m),
    });
    for k in 1..=3 {
        let metric = format!("distinct_{k}");
        // Over the outputs of one vector: five vectors would say five times as much.
        let of_runs: Vec<(f64, usize)> =
            runs.iter().filter_map(|run| distinct(run.iter().map(|judged| judged.ids.as_slice()), k)).collect();
        rows.push(match of_runs.len() {
            0 => Row::missing(&metric, "every output is too short", 0),
            m => Row::new(
                &metric,
                of_runs.iter().map(|(share, _)| share).sum::<f64>() / m as f64,
                of_runs.iter().map(|(_, n)| n).sum(),
            ),
        });
    }
    rows
}
