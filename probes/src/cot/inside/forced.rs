//! Forced answers: which answer the model would give if it had to stop here.
//!
//! Behind each boundary b of a trace stands a stub ("The final answer is \boxed{", in the language of the trace or bare), and behind it
//! each candidate answer a = a_1 .. a_m, teacher-forced:
//!
//! - `logprob_b(a) = sum_k ln p(a_k | prompt, trace up to b, stub, a_1 .. a_{k-1})` in nats;
//! - `share_b(a) = exp(logprob_b(a)) / sum over the candidates`: they add up to 1;
//! - `top_b` = the candidate of the largest logprob, of equal ones the first.
//!
//! Bogdan et al. 2025 (arXiv 2506.19143, forced-answer importance) and Lanham et al. 2023 (arXiv 2307.13702, early answering) sample the
//! answer; here its probability is read, so that no draw is needed.
//!
//! The trace is read once. All stubs are run together behind their boundaries, then the answers of more than one token behind the
//! stubs, those that begin alike once. [`forced_whole`] is the slow twin.
//!
//! Decided here: the shares are of whole answers, not of tokens, so an answer of many tokens is not helped. Close every answer with what
//! ends it ("}"): else `2` also takes the probability of `29`, and a note says so.

use babelscope_core::{
    engine::{Engine, Values},
    known::Branch,
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Reduce, Site},
};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Cost, Told, encoded, refuse, rows, tensor, tokens, unshared};
use crate::Result;

/// An answer that may be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it is called: `29`, `hint`.
    pub name: String,
    /// Its tokens behind the stub, at least one, with what closes it.
    pub ids: Vec<u32>,
}

/// The candidates at one boundary, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForcedPoint {
    /// Log-probability of each as a whole, in nats.
    pub logprob: Vec<f64>,
    /// Probability of each among the candidates; they add up to 1.
    pub share: Vec<f64>,
    /// The likeliest.
    pub top: usize,
}

/// The curve of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forced {
    /// Names of the candidates.
    pub candidates: Vec<String>,
    /// One a boundary: the prompt alone, then behind each step.
    pub points: Vec<ForcedPoint>,
    /// Tokens that were run, and that the slow way runs.
    pub cost: Cost,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What has to be run behind each stub: the candidates without their last tokens, those left out that another one begins with.
struct Inputs {
    runs: Vec<Vec<u32>>,
    /// The run of each candidate; none for one token, which the stub's end predicts.
    of: Vec<Option<usize>>,
}

impl Inputs {
    fn new(candidates: &[Candidate]) -> Self {
        let all: Vec<&[u32]> = candidates.iter().map(|c| &c.ids[..c.ids.len() - 1]).collect();
        let mut sorted: Vec<&[u32]> = all.iter().filter(|ids| !ids.is_empty()).copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        // In this order what begins with an input follows it.
        let inner = |at: usize| sorted.get(at + 1).is_some_and(|next| next.starts_with(sorted[at]));
        let runs: Vec<Vec<u32>> = (0..sorted.len()).filter(|at| !inner(*at)).map(|at| sorted[at].to_vec()).collect();
        let run = |ids: &&[u32]| if ids.is_empty() { None } else { runs.iter().position(|run| run.starts_with(ids)) };
        Self { of: all.iter().map(run).collect(), runs }
    }

    fn longest(&self) -> usize {
        self.runs.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Candidates and tokens that row `row` of a run predicts.
    fn wanted(&self, candidates: &[Candidate], run: usize, row: usize) -> Vec<(usize, u32)> {
        let of = candidates.iter().enumerate().filter(|(c, _)| self.of[*c] == Some(run));
        of.filter_map(|(c, candidate)| Some((c, *candidate.ids.get(row + 1)?))).collect()
    }

    fn cost(&self, told: &Told<'_>, stub: usize) -> Cost {
        let runs: usize = self.runs.iter().map(Vec::len).sum();
        let points = told.steps() + 1;
        let shared = told.tokens() + points * (stub.max(1) + runs);
        let times = self.runs.len().max(1);
        let naive = (0..points).map(|b| times * (told.until(b) + stub) + runs).sum();
        Cost { shared, naive }
    }
}

/// How many tokens [`forced`] runs, and how many [`forced_whole`] does.
///
/// # Errors
/// Candidates that make no sense.
pub fn cost(told: &Told<'_>, stub: &[u32], candidates: &[Candidate]) -> Result<Cost> {
    check(candidates)?;
    Ok(Inputs::new(candidates).cost(told, stub.len()))
}

fn check(candidates: &[Candidate]) -> Result<()> {
    if candidates.is_empty() {
        return refuse("there are no candidate answers; give at least one".to_owned());
    }
    for (number, Candidate { name, ids }) in candidates.iter().enumerate() {
        if ids.is_empty() {
            return refuse(format!("the candidate {name:?} has no tokens"));
        }
        if let Some(other) = candidates[..number].iter().find(|other| other.ids == *ids) {
            return refuse(format!("the candidates {:?} and {name:?} are the same tokens; leave one out", other.name));
        }
    }
    Ok(())
}

/// Candidates that another one goes on.
fn open(candidates: &[Candidate]) -> Vec<String> {
    let pairs = candidates.iter().flat_map(|a| candidates.iter().map(move |b| (a, b)));
    let longer = pairs.filter(|(a, b)| a.ids != b.ids && b.ids.starts_with(&a.ids));
    let note = |(a, b): (&Candidate, &Candidate)| {
        format!(
            "{:?} goes on as {:?}, so the first takes the second's probability too; close the answers",
            a.name, b.name
        )
    };
    longer.map(note).collect()
}

/// `-ln p` of the wanted tokens of each row, added to their candidates.
fn add(
    engine: &Engine,
    states: &Tensor,
    wanted: &[Vec<(usize, u32)>],
    points: &[usize],
    sums: &mut [Vec<f64>],
    monitor: &Monitor,
) -> Result<()> {
    let nats = |row: usize, logits: &[f32], total: &crate::logits::Total| -> Vec<f64> {
        wanted[row].iter().map(|(_, id)| total.nats(logits, *id as usize)).collect()
    };
    let found = rows::each(engine, states, nats, monitor)?;
    for ((nats, wanted), point) in found.iter().zip(wanted).zip(points) {
        for (nats, (candidate, _)) in nats.iter().zip(wanted) {
            sums[*point][*candidate] -= nats;
        }
    }
    Ok(())
}

fn finished(candidates: &[Candidate], sums: Vec<Vec<f64>>, cost: Cost, mut notes: Vec<String>) -> Forced {
    let point = |logprob: Vec<f64>| {
        let largest = logprob.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logprob.iter().map(|l| (l - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let top = logprob.iter().position(|l| *l == largest).unwrap_or(0);
        ForcedPoint { share: weights.iter().map(|w| w / total).collect(), logprob, top }
    };
    notes.extend(open(candidates));
    let names = candidates.iter().map(|candidate| candidate.name.clone()).collect();
    Forced { candidates: names, points: sums.into_iter().map(point).collect(), cost, notes }
}

fn begin(engine: &Engine, told: &Told<'_>, stub: &[u32], candidates: &[Candidate]) -> Result<Inputs> {
    check(candidates)?;
    let inputs = Inputs::new(candidates);
    told.check(engine, stub.len() + inputs.longest())?;
    let rows = engine.info().vocabulary;
    if let Some(id) = candidates.iter().flat_map(|c| &c.ids).find(|id| **id as usize >= rows) {
        return refuse(format!("a candidate has token id {id}, the model has {rows} tokens"));
    }
    Ok(inputs)
}

/// The forced answers of a trace, its beginnings shared.
///
/// # Errors
/// A trace that does not fit the model, candidates without tokens or twice the same, logits that are not finite, what the engine refuses.
///
/// ```
/// use babelscope_core::{engine::{Engine, LoadOptions}, monitor::Monitor};
/// use babelscope_probes::cot::inside::{Candidate, Told, forced};
/// let monitor = Monitor::silent();
/// let engine = Engine::load("lab", &LoadOptions::default(), &monitor)?;
/// let plain = |text: &str| engine.tokenizer().encode_plain(text);
/// let prompt = engine.tokenizer().encode("Anna lives in the village.")?.ids;
/// let trace = plain(" A cat sleeps. A dog runs.")?;
/// let told = Told { prompt: &prompt, trace: &trace, bounds: &[0, 3, trace.len()] };
/// let [cat, dog] = [" cat", " dog"].map(|name| plain(name).map(|ids| Candidate { name: name.to_owned(), ids }));
/// let candidates = [cat?, dog?];
/// let curve = forced(&engine, &told, &plain(" The")?, &candidates, &monitor)?;
/// assert_eq!(curve.points.len(), 3);
/// assert!((curve.points[0].share.iter().sum::<f64>() - 1.0).abs() < 1e-12);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn forced(
    engine: &Engine,
    told: &Told<'_>,
    stub: &[u32],
    candidates: &[Candidate],
    monitor: &Monitor,
) -> Result<Forced> {
    let inputs = begin(engine, told, stub, candidates)?;
    let boundaries = told.steps() + 1;
    let tick = |done| monitor.tick(Tick { what: "forcing answers", done, total: 3, unit: "passes" });
    tick(0)?;
    let quiet = monitor.quiet();
    let (known, _) = told.read(engine, stub.len() + inputs.longest(), &[], monitor)?;
    tick(1)?;
    let mut sums = vec![vec![0.0; candidates.len()]; boundaries];
    let site = Site::layer(engine.info().layers);
    let stubs: Vec<Branch> =
        (0..boundaries).map(|b| Branch { of: 0, cut: told.until(b), ids: stub.to_vec() }).collect();
    let last = [Capture { site, reduce: Reduce::Last }];
    let (stubbed, captured) = engine.know_behind(&known, &stubs, &last, &quiet)?;
    let Some(Values::Pooled(ends)) = captured.into_iter().next().map(|captured| captured.values) else {
        return refuse("the engine kept every token where the last was wanted".to_owned());
    };
    let firsts: Vec<(usize, u32)> = candidates.iter().enumerate().map(|(c, one)| (c, one.ids[0])).collect();
    let points: Vec<usize> = (0..boundaries).collect();
    add(engine, &ends, &vec![firsts; boundaries], &points, &mut sums, &quiet)?;
    tick(2)?;
    if !inputs.runs.is_empty() {
        let answer = |b: usize, run: &Vec<u32>| Branch { of: b, cut: stubbed.texts()[b].ids.len(), ids: run.clone() };
        let answers: Vec<Branch> =
            (0..boundaries).flat_map(|b| inputs.runs.iter().map(move |r| answer(b, r))).collect();
        let captured =
            engine.run_behind(&stubbed, &answers, &Plan::layers([engine.info().layers], Reduce::All), &quiet)?;
        let states = captured.into_iter().map(tokens).collect::<Result<Vec<_>>>()?.concat();
        let states = Tensor::cat(&states, 0).map_err(tensor)?;
        let places =
            || points.iter().flat_map(|b| inputs.runs.iter().enumerate().map(move |(r, run)| (*b, r, run.len())));
        let wanted: Vec<_> = places()
            .flat_map(|(_, run, len)| (0..len).map(move |row| (run, row)))
            .map(|(run, row)| inputs.wanted(candidates, run, row))
            .collect();
        let points: Vec<usize> = places().flat_map(|(b, _, len)| vec![b; len]).collect();
        add(engine, &states, &wanted, &points, &mut sums, &quiet)?;
    }
    tick(3)?;
    let cost = inputs.cost(told, stub.len()).behind(&known);
    Ok(finished(candidates, sums, cost, unshared(&known, engine)))
}

/// The slow twin of [`forced`]: each boundary's prefix with stub and answers is run whole, one text at a time, on any engine.
///
/// # Errors
/// As [`forced`].
pub fn forced_whole(
    engine: &Engine,
    told: &Told<'_>,
    stub: &[u32],
    candidates: &[Candidate],
    monitor: &Monitor,
) -> Result<Forced> {
    let inputs = begin(engine, told, stub, candidates)?;
    let boundaries = told.steps() + 1;
    let plan = Plan::layers([engine.info().layers], Reduce::All);
    let mut sums = vec![vec![0.0; candidates.len()]; boundaries];
    let none = vec![Vec::new()];
    let runs = if inputs.runs.is_empty() { &none } else { &inputs.runs };
    let ids = told.ids();
    for b in 0..boundaries {
        monitor.tick(Tick { what: "forcing answers", done: b, total: boundaries, unit: "boundaries" })?;
        for (number, run) in runs.iter().enumerate() {
            let whole: Vec<u32> = ids[..told.until(b)].iter().chain(stub).chain(run).copied().collect();
            let first = whole.len() - run.len() - 1;
            let captured = engine.run(&[encoded(whole, engine)], &plan, &monitor.quiet())?;
            let states = captured.into_iter().map(tokens).collect::<Result<Vec<_>>>()?.concat();
            let states = Tensor::cat(&states, 0).and_then(|s| s.narrow(0, first, run.len() + 1)).map_err(tensor)?;
            let own =
                |c: &usize| inputs.of[*c].is_none_or(|of| of == number) && (inputs.of[*c].is_some() || number == 0);
            let firsts = (0..candidates.len()).filter(own).map(|c| (c, candidates[c].ids[0])).collect();
            let later = (0..run.len()).map(|row| inputs.wanted(candidates, number, row));
            let wanted: Vec<_> = std::iter::once(firsts).chain(later).collect();
            add(engine, &states, &wanted, &vec![b; run.len() + 1], &mut sums, &monitor.quiet())?;
        }
    }
    let Cost { naive, .. } = inputs.cost(told, stub.len());
    Ok(finished(candidates, sums, Cost { shared: naive, naive }, Vec::new()))
}
