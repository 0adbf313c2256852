//! Receiver heads: heads by which many later steps look back at a few steps.
//!
//! For each head the attention of tokens on tokens becomes a matrix of steps, `A[i, j]` = mean of the probabilities over all pairs of a
//! token of step i and a token of step j. Then, with the nearest `n` steps dropped:
//!
//! - **vertical score** of step j = mean of `A[i, j]` over the `i >= j + n`; the last n steps have none;
//! - **kurtosis** of the head = `m4 / m2^2 - 3` of its vertical scores (Fisher's, biased, moments about the mean);
//! - **receiver score** of step j = mean of its vertical scores over the heads of the largest kurtosis.
//!
//! Bogdan et al. 2025 (arXiv 2506.19143), nearest 4 steps dropped (`i - j` of 0 to 3), top 20 heads by the kurtosis averaged over problems.
//!
//! The squares of attention are large, so they are read step by step behind the trace's own keys: memory goes with the longest step times
//! the trace, not with the trace's square.

use std::ops::Range;

use babelscope_core::{
    engine::Engine,
    known::Branch,
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce, Site},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Told, refuse, tensor, tokens, unshared};
use crate::Result;

/// Bytes of attention probabilities that are held at once; one step always is.
const SQUARE_BYTES: usize = 256 << 20;

/// Which heads receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverParams {
    /// Steps that are too near to count, the step itself included; at least 1.
    pub nearest: usize,
    /// Heads of the largest kurtosis that make the receiver score.
    pub heads: usize,
}

impl Default for ReceiverParams {
    fn default() -> Self {
        Self { nearest: 4, heads: 20 }
    }
}

impl ReceiverParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let zero = |name: &str| format!("receiver.{name} is 0, expected at least 1");
        [("nearest", self.nearest), ("heads", self.heads)]
            .into_iter()
            .find(|(_, x)| *x == 0)
            .map(|(name, _)| zero(name))
    }
}

/// One head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadScore {
    /// Block, from 1.
    pub block: usize,
    /// Head, from 0.
    pub head: usize,
    /// Kurtosis of the vertical scores; `None` where fewer than two steps have one, or all are equal.
    pub kurtosis: Option<f64>,
    /// Vertical score of each step; `None` for those that nothing far enough follows.
    pub vertical: Vec<Option<f64>>,
}

/// The heads of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receivers {
    /// Every head, by block and number.
    pub heads: Vec<HeadScore>,
    /// Block and number of those of the largest kurtosis, the largest first.
    pub top: Vec<(usize, usize)>,
    /// Mean of `A` over the top heads, `[i][j]`, j up to i.
    pub attention: Vec<Vec<f64>>,
    /// Receiver score of each step, by the top heads of this trace. See [`Receivers::score`] for heads that several traces chose.
    pub score: Vec<Option<f64>>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Receivers {
    /// Mean vertical score of each step over these heads; heads that the trace does not have are left out.
    pub fn score(&self, heads: &[(usize, usize)]) -> Vec<Option<f64>> {
        let own: Vec<&HeadScore> = self.heads.iter().filter(|h| heads.contains(&(h.block, h.head))).collect();
        let steps = own.first().map_or(0, |head| head.vertical.len());
        let mean = |j: usize| {
            let all: Vec<f64> = own.iter().filter_map(|head| head.vertical[j]).collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        (0..steps).map(mean).collect()
    }
}

/// The heads of the largest kurtosis, averaged over those traces in which a head has one; of equal ones the first.
pub fn top_heads(traces: &[Receivers], count: usize) -> Vec<(usize, usize, f64)> {
    let mut means: Vec<(usize, usize, f64)> = Vec::new();
    for head in traces.first().map_or(&[][..], |trace| &trace.heads) {
        let same = |h: &&HeadScore| (h.block, h.head) == (head.block, head.head);
        let all: Vec<f64> = traces.iter().filter_map(|t| t.heads.iter().find(same)?.kurtosis).collect();
        if !all.is_empty() {
            means.push((head.block, head.head, all.iter().sum::<f64>() / all.len() as f64));
        }
    }
    means.sort_by(|a, b| b.2.total_cmp(&a.2));
    means.truncate(count);
    means
}

/// `m4 / m2^2 - 3`.
fn kurtosis(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let (m2, m4) = (moment(2), moment(4));
    // Equal up to rounding has no shape.
    (values.len() > 1 && m2.sqrt() > 1e-12 * mean.abs()).then(|| m4 / (m2 * m2) - 3.0)
}

/// Vertical scores of a matrix of steps.
fn vertical(matrix: &[Vec<f64>], nearest: usize) -> Vec<Option<f64>> {
    let column = |j: usize| {
        let later: Vec<f64> = matrix.iter().skip(j + nearest).map(|row| row[j]).collect();
        (!later.is_empty()).then(|| later.iter().sum::<f64>() / later.len() as f64)
    };
    (0..matrix.len()).map(column).collect()
}

/// The receiver heads of a trace.
///
/// # Errors
/// Params that make no sense, a trace that does not fit the model or has too few steps for two vertical scores, what the engine refuses.
pub fn receivers(engine: &Engine, told: &Told<'_>, params: &ReceiverParams, monitor: &Monitor) -> Result<Receivers> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    told.check(engine, 0)?;
    let (steps, nearest) = (told.steps(), params.nearest);
    if steps < nearest + 2 {
        return refuse(format!(
            "the trace has {steps} steps; with the nearest {nearest} dropped at least {} are needed",
            nearest + 2
        ));
    }
    let (known, _) = told.read(engine, 0, &[], monitor)?;
    let (blocks, heads) = (engine.info().layers, engine.info().heads);
    // [block][head][i][j]
    let mut matrices = vec![vec![Vec::with_capacity(steps); heads]; blocks];
    let ids = told.ids();
    let columns: Vec<Range<usize>> = (0..steps).map(|j| told.step(j)).collect();
    let site = |block| Capture { site: Site::new(Point::AttnProbs, block), reduce: Reduce::All };
    let plan = Plan { captures: (1..=blocks).map(site).collect(), ..Plan::default() };
    let bytes = |step: &usize| blocks * heads * columns[*step].len() * columns[*step].end * size_of::<f32>();
    let mut first = 0;
    while first < steps {
        monitor.tick(Tick { what: "reading attention", done: first, total: steps, unit: "steps" })?;
        let mut held = 0;
        let fits = (first..steps).take_while(|step| {
            held += bytes(step);
            held <= SQUARE_BYTES
        });
        let group = first..first + fits.count().max(1);
        let branch = |step: usize| Branch { of: 0, cut: columns[step].start, ids: ids[columns[step].clone()].to_vec() };
        let branches: Vec<Branch> = group.clone().map(branch).collect();
        let captured = engine.run_behind(&known, &branches, &plan, &monitor.quiet())?;
        for (captured, matrices) in captured.into_iter().zip(&mut matrices) {
            for (step, square) in group.clone().zip(tokens(captured)?) {
                let probs: Vec<f32> = square.flatten_all().and_then(|s| s.to_vec1()).map_err(tensor)?;
                let keys = columns[step].end;
                for (of_head, matrix) in probs.chunks_exact(columns[step].len() * keys).zip(matrices.iter_mut()) {
                    matrix
                        .push(columns[..=step].iter().map(|column| mean(of_head, keys, column)).collect::<Vec<f64>>());
                }
            }
        }
        first = group.end;
    }
    monitor.tick(Tick { what: "reading attention", done: steps, total: steps, unit: "steps" })?;
    let numbered =
        matrices.iter().enumerate().flat_map(|(b, of)| of.iter().enumerate().map(move |(h, m)| (b + 1, h, m)));
    let scores: Vec<HeadScore> = numbered
        .map(|(block, head, matrix)| {
            let vertical = vertical(matrix, nearest);
            let kurtosis = kurtosis(&vertical.iter().flatten().copied().collect::<Vec<f64>>());
            HeadScore { block, head, kurtosis, vertical }
        })
        .collect();
    let mut found = Receivers {
        heads: scores,
        top: Vec::new(),
        attention: Vec::new(),
        score: Vec::new(),
        notes: unshared(&known, engine),
    };
    let top = top_heads(std::slice::from_ref(&found), params.heads);
    found.top = top.into_iter().map(|(block, head, _)| (block, head)).collect();
    found.score = found.score(&found.top);
    let cell = |i: usize, j: usize| {
        let all: f64 = found.top.iter().map(|(block, head)| matrices[block - 1][*head][i][j]).sum();
        all / found.top.len().max(1) as f64
    };
    found.attention = (0..steps).map(|i| (0..=i).map(|j| cell(i, j)).collect()).collect();
    if found.top.is_empty() {
        found.notes.push("no head has a kurtosis: every vertical score of each is the same".to_owned());
    }
    Ok(found)
}

/// Mean over the rows of `probs` `[tokens, keys]` and these columns.
fn mean(probs: &[f32], keys: usize, column: &Range<usize>) -> f64 {
    let rows = probs.chunks_exact(keys);
    let count = rows.len() * column.len();
    let sum: f64 = rows.flat_map(|row| &row[column.clone()]).map(|p| f64::from(*p)).sum();
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use super::{kurtosis, vertical};

    #[test]
    fn kurtosis_is_fishers_and_biased() {
        // Two values of equal weight have m4 = m2^2; a normal sample would have 0.
        assert_eq!(kurtosis(&[1.0, -1.0, 1.0, -1.0]), Some(-2.0));
        // scipy.stats.kurtosis([1, 2, 3, 4, 10]): mean 4, m2 = 10, m4 = (81 + 16 + 1 + 0 + 1296) / 5 = 278.8.
        assert!((kurtosis(&[1.0, 2.0, 3.0, 4.0, 10.0]).unwrap() - (2.788 - 3.0)).abs() < 1e-12);
        assert_eq!(kurtosis(&[0.25; 4]), None);
        assert_eq!(kurtosis(&[1.0]), None);
    }

    #[test]
    fn the_nearest_steps_do_not_count() {
        let matrix: Vec<Vec<f64>> = (0..4).map(|i| (0..=i).map(|j| (10 * i + j) as f64).collect()).collect();
        assert_eq!(vertical(&matrix, 2), [Some(25.0), Some(31.0), None, None]);
        assert_eq!(vertical(&matrix, 1)[2], Some(32.0));
    }
}
