//! One index on two sides: what is prepared of a side once, what two sides give, and what they give when their sentences are shuffled.

use babelscope_core::monitor::Monitor;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{
    Index, SimilarityParams,
    algebra::{Centred, centred},
    anc::{Columns, chance},
    cca::{Cca, Directions, Keep},
    neighbours::{Neighbours, share},
    procrustes::{Fitted, Side, halves},
    rbf,
    relation::{Form, Relation, Resampled, resampled, weights},
    retrieval::{among, mexa, recall},
    rsa::{self, Correlation},
};
use crate::{
    Result,
    bootstrap::{Draws, interval},
    null::Permutations,
};

/// Directions that Procrustes rotates, at most: a decomposition of them takes a tenth of a second.
const DIRECTIONS: usize = 256;

/// Products that the draws of one null may take where each needs a decomposition: about an eighth of a second of a core, as there are many cells.
const BUDGET: f64 = 5e8;

/// What all cells of one run share.
pub(super) struct Setup {
    pub(super) draws: Draws,
    /// `[draws, n]`.
    weights: Array2<f32>,
    pub(super) shuffled: Permutations,
    fit: Vec<usize>,
    test: Vec<usize>,
}

impl Setup {
    /// # Errors
    /// As [`Draws::new`] and [`Permutations::new`].
    pub(super) fn new(n: usize, params: &SimilarityParams, seed: u64) -> Result<Self> {
        let draws = Draws::new(n, params.bootstrap, seed)?;
        let (fit, test) = halves(n, seed);
        let shuffled = Permutations::new(n, params.shuffles, seed)?;
        Ok(Self { weights: weights(&draws, n), draws, shuffled, fit, test })
    }
}

/// Whose view a number is, where the two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Both have the same.
    Either,
    /// The first side's.
    First,
    /// The second side's.
    Second,
}

/// One number of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    pub(super) metric: &'static str,
    pub(super) variant: &'static str,
    pub(super) view: View,
    /// Whether more of it means more alike: then it has a null and a maximum over layers.
    pub(super) rises: bool,
    /// Whether 1 is the largest value that there is.
    pub(super) bounded: bool,
}

impl Kind {
    const fn new(metric: &'static str, variant: &'static str) -> Self {
        Self { metric, variant, view: View::Either, rises: true, bounded: true }
    }
}

/// What one index needs of a side and says of two.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    Linear(Form),
    Rbf { bandwidth: f64 },
    Rsa,
    Anc,
    Cca { keep: Keep, mean: Option<&'static str>, weighted: bool },
    Procrustes,
    Neighbours { k: usize, centred: bool, mutual: bool, cknna: bool },
}

impl Task {
    /// The tasks of a run, in the order of the table.
    pub(super) fn all(params: &SimilarityParams) -> Vec<Self> {
        let has = |index| params.indices.contains(&index);
        let mut all = Vec::new();
        if has(Index::Cka) {
            all.push(Self::Linear(Form::Debiased));
            if params.biased {
                all.push(Self::Linear(Form::Biased));
            }
        }
        if has(Index::CkaRbf) {
            all.push(Self::Rbf { bandwidth: params.bandwidth });
        }
        if has(Index::Cca) {
            all.push(Self::Cca { keep: Keep::All, mean: Some("cca"), weighted: false });
        }
        let (svcca, weighted) = (has(Index::Svcca).then_some("svcca"), has(Index::Pwcca));
        if svcca.is_some() || weighted {
            all.push(Self::Cca { keep: Keep::Variance(params.variance), mean: svcca, weighted });
        }
        if has(Index::Anc) {
            all.push(Self::Anc);
        }
        if has(Index::Rsa) {
            all.push(Self::Rsa);
        }
        if has(Index::Procrustes) {
            all.push(Self::Procrustes);
        }
        let (mutual, cknna) = (has(Index::MutualKnn), has(Index::Cknna));
        if mutual || cknna {
            let of = |centred| Self::Neighbours { k: params.neighbours, centred, mutual, cknna };
            all.extend([of(false), of(true)]);
        }
        all
    }

    /// The numbers that it gives, in their order.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        match self {
            Self::Linear(Form::Biased) => vec![Kind::new("cka", "biased")],
            Self::Linear(_) => vec![Kind::new("cka", "debiased")],
            Self::Rbf { .. } => vec![Kind::new("cka_rbf", "debiased")],
            Self::Rsa => vec![Kind::new("rsa", "cosine")],
            Self::Anc => vec![Kind::new("anc", "language")],
            Self::Cca { keep, mean, weighted } => {
                let variant = if *keep == Keep::All { "full" } else { "reduced" };
                let weighed = |view| Kind { view, ..Kind::new("pwcca", variant) };
                let mean = mean.iter().map(|metric| Kind::new(metric, variant));
                mean.chain([View::First, View::Second].into_iter().filter(|_| *weighted).map(weighed)).collect()
            }
            Self::Procrustes => {
                let of = |metric| Kind::new(metric, "language");
                vec![
                    Kind { rises: false, ..Kind::new("procrustes_distance", "in_sample") },
                    of("recall_held_out"),
                    of("procrustes_recall"),
                    Kind { rises: false, ..of("procrustes_gap") },
                    of("mexa_held_out"),
                    of("procrustes_mexa"),
                ]
            }
            Self::Neighbours { centred, mutual, cknna, .. } => {
                let variant = if *centred { "language" } else { "raw" };
                let unbounded = Kind { bounded: false, ..Kind::new("cknna", variant) };
                let both = [(*mutual, Kind::new("mutual_knn", variant)), (*cknna, unbounded)];
                both.into_iter().filter(|(asked, _)| *asked).map(|(_, kind)| kind).collect()
            }
        }
    }

    /// Whether it needs canonical directions, not their correlations alone.
    fn weighted(&self) -> bool {
        matches!(self, Self::Cca { weighted: true, .. })
    }

    /// Prepares a side.
    ///
    /// # Errors
    /// The index cannot be computed on it.
    pub(super) fn prepare(&self, x: ArrayView2<'_, f32>, setup: &Setup) -> Result<Prepared> {
        let related = |relation: Relation| {
            let wanted = setup.draws.draws() > 0 && *self != Self::Linear(Form::Biased);
            let resampled = wanted.then(|| Resampled::new(&relation, &setup.weights));
            Prepared::Relation(relation, resampled)
        };
        Ok(match self {
            Self::Linear(form) => related(Relation::linear("cka", &Centred::new("cka", x)?, *form)?),
            Self::Rbf { bandwidth } => {
                let kernel = rbf::kernel(&Centred::new("cka_rbf", x)?, *bandwidth)?;
                related(Relation::kernel("cka_rbf", kernel, Form::Debiased)?)
            }
            Self::Rsa => related(rsa::relation(x, Correlation::Spearman)?),
            Self::Anc => Prepared::Columns(Columns::new(x)?),
            Self::Cca { keep, .. } => Prepared::Directions(Directions::new(self.kinds()[0].metric, x, *keep)?),
            Self::Procrustes => Prepared::Side(Box::new(Side::new(x, &setup.fit, &setup.test, DIRECTIONS)?)),
            Self::Neighbours { k, centred: true, .. } => {
                Prepared::Neighbours(Neighbours::new("mutual_knn", centred(x).view(), *k)?)
            }
            Self::Neighbours { k, .. } => Prepared::Neighbours(Neighbours::new("mutual_knn", x, *k)?),
        })
    }

    /// All numbers of two sides that this task prepared, in the order of [`Task::kinds`], or why one of them is not determined.
    ///
    /// # Errors
    /// The index cannot be computed on them; [`babelscope_core::Error::Cancelled`].
    pub(super) fn compare(
        &self,
        (first, second): (&Prepared, &Prepared),
        setup: &Setup,
        matched: Option<&Permutations>,
        monitor: &Monitor,
    ) -> Result<Vec<std::result::Result<Found, String>>> {
        let Some(pair) = Pair::new(first, second)? else { return Ok(Vec::new()) };
        let values = pair.values(self, None, setup)?;
        let intervals = pair.intervals(self, &values, setup);
        let null = |all: &Permutations| {
            let draws = pair.affordable(self, all.draws());
            let drawn = (0..draws).into_par_iter().map(|b| {
                monitor.check()?;
                pair.values(self, Some(all.draw(b)), setup)
            });
            drawn.collect::<Result<Vec<Vec<f64>>>>()
        };
        let shuffled = null(&setup.shuffled)?;
        let matched = matched.map(null).transpose()?.unwrap_or_default();
        let n = setup.fit.len() + setup.test.len();
        let of = |drawn: &[Vec<f64>], at: usize| drawn.iter().map(|values| values[at]).collect();
        Ok(values.iter().zip(self.kinds()).zip(intervals).enumerate().map(|(at, ((value, kind), interval))| {
            let (n, chance) = match self {
                Self::Anc => (n, Some(chance(n))),
                Self::Neighbours { k, .. } if kind.metric == "mutual_knn" => (n, Some(*k as f64 / (n - 1) as f64)),
                Self::Procrustes => match kind.metric {
                    "procrustes_distance" => (n, None),
                    "procrustes_gap" => (setup.test.len(), Some(0.0)),
                    "mexa_held_out" | "procrustes_mexa" => {
                        (setup.test.len(), Some(1.0 / (2 * setup.test.len() - 1) as f64))
                    }
                    _ => (setup.test.len(), Some(1.0 / setup.test.len() as f64)),
                },
                _ => (n, None),
            };
            if value.is_nan() {
                let why = "PWCCA is not determined: two sides have so many directions among so few sentences that several correlations are 1 \
                           whatever the sentences say; take more sentences or a smaller `variance`";
                return Err(why.to_owned());
            }
            let (shuffled, matched) = if kind.rises { (of(&shuffled, at), of(&matched, at)) } else { (vec![], vec![]) };
            Ok(Found { value: *value, interval, n, chance, shuffled, matched })
        }).collect())
    }
}

/// One number with all that is known of it.
pub(super) struct Found {
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) n: usize,
    pub(super) chance: Option<f64>,
    /// What it is in each draw of the nulls.
    pub(super) shuffled: Vec<f64>,
    pub(super) matched: Vec<f64>,
}

/// What a task holds of one side.
pub(super) enum Prepared {
    Relation(Relation, Option<Resampled>),
    Columns(Columns),
    Directions(Directions),
    Side(Box<Side>),
    Neighbours(Neighbours),
}

impl Prepared {
    /// Directions that CCA keeps.
    pub(super) fn kept(&self) -> Option<usize> {
        match self {
            Self::Directions(directions) => Some(directions.kept()),
            _ => None,
        }
    }
}

/// Two sides.
enum Pair<'a> {
    Relation((&'a Relation, Option<&'a Resampled>), (&'a Relation, Option<&'a Resampled>)),
    Columns(&'a Columns, &'a Columns),
    Directions(&'a Directions, &'a Directions),
    Fitted(Box<Fitted<'a>>),
    Neighbours(&'a Neighbours, &'a Neighbours),
}

impl<'a> Pair<'a> {
    /// `None` where the two were prepared by different tasks.
    fn new(first: &'a Prepared, second: &'a Prepared) -> Result<Option<Self>> {
        Ok(Some(match (first, second) {
            (Prepared::Relation(a, of_a), Prepared::Relation(b, of_b)) => {
                Self::Relation((a, of_a.as_ref()), (b, of_b.as_ref()))
            }
            (Prepared::Columns(a), Prepared::Columns(b)) => Self::Columns(a, b),
            (Prepared::Directions(a), Prepared::Directions(b)) => Self::Directions(a, b),
            (Prepared::Side(a), Prepared::Side(b)) => Self::Fitted(Box::new(Fitted::new(a, b)?)),
            (Prepared::Neighbours(a), Prepared::Neighbours(b)) => Self::Neighbours(a, b),
            _ => return Ok(None),
        }))
    }

    /// The numbers of [`Task::kinds`] where sentence i of the first side is paired with sentence `draw[i]` of the second; NaN for those that
    /// have no null and for PWCCA where it is not determined.
    fn values(&self, task: &Task, draw: Option<&[u32]>, setup: &Setup) -> Result<Vec<f64>> {
        Ok(match self {
            Self::Relation((a, _), (b, _)) => vec![a.index(b, draw, task.kinds()[0].metric)?],
            Self::Columns(a, b) => vec![a.index(b, draw)?],
            Self::Directions(a, b) if !task.weighted() => vec![a.mean(b, draw)?],
            Self::Directions(a, b) => {
                let Cca { mean, weighted, weighted_back, .. } = a.cca(b, draw)?;
                let take = |kind: Kind| match kind.view {
                    View::Either => mean,
                    View::First => weighted.unwrap_or(f64::NAN),
                    View::Second => weighted_back.unwrap_or(f64::NAN),
                };
                task.kinds().into_iter().map(take).collect()
            }
            Self::Fitted(fitted) => {
                let (distance, (before, after)) = match draw {
                    None => (fitted.distance, (fitted.before.found(None), fitted.after.found(None))),
                    Some(draw) => (f64::NAN, fitted.drawn(&among(&setup.fit, draw), &among(&setup.test, draw))?),
                };
                vec![distance, before.recall, after.recall, after.recall - before.recall, before.mexa, after.mexa]
            }
            Self::Neighbours(a, b) => {
                let mut values = Vec::new();
                for kind in task.kinds() {
                    let cknna = kind.metric == "cknna";
                    values.push(if cknna { a.cknna(b, draw)? } else { share(&a.overlaps(b, draw)) });
                }
                values
            }
        })
    }

    /// The interval of each number; `None` for those that have none.
    fn intervals(&self, task: &Task, values: &[f64], setup: &Setup) -> Vec<Option<(f64, f64)>> {
        let Setup { draws, weights, test, .. } = setup;
        if draws.draws() == 0 {
            return vec![None; values.len()];
        }
        match self {
            Self::Relation((a, Some(of_a)), (b, Some(of_b))) => {
                vec![resampled((a, of_a), (b, of_b), weights, values[0])]
            }
            Self::Columns(a, b) => vec![Some(a.interval(b, weights, values[0]))],
            Self::Fitted(fitted) => {
                let hits = fitted.before.hits(None).zip(fitted.after.hits(None));
                let each: Vec<[f64; 5]> =
                    hits.map(|(b, a)| [recall(b), recall(a), recall(a) - recall(b), mexa(b), mexa(a)]).collect();
                let mut all = vec![None];
                for (at, value) in values[1..].iter().enumerate() {
                    let drawn = weights.outer_iter().map(|w| {
                        let mine = || test.iter().map(|i| f64::from(w[*i]));
                        // NaN for a draw without a tested sentence, which `interval` leaves out.
                        mine().zip(&each).map(|(w, v)| w * v[at]).sum::<f64>() / mine().sum::<f64>()
                    });
                    let found = interval(*value, drawn.collect());
                    all.push(Some((found.low, found.high)));
                }
                all
            }
            Self::Neighbours(a, b) => {
                let of = |(kind, value): (Kind, &f64)| {
                    if kind.metric == "cknna" {
                        return Some(a.cknna_interval(b, draws, *value));
                    }
                    let found = draws.mean(&a.overlaps(b, None));
                    Some((found.low, found.high))
                };
                task.kinds().into_iter().zip(values).map(of).collect()
            }
            // Copies of a sentence are perfectly correlated, so a bootstrap of canonical correlations says nothing.
            Self::Relation(..) | Self::Directions(..) => vec![None; values.len()],
        }
    }

    /// How many of the draws are made: all, or, where each needs a decomposition, what the budget allows and no fewer than 19.
    fn affordable(&self, task: &Task, draws: usize) -> usize {
        let within = |cost: f64| draws.min(((BUDGET / cost) as usize).max(19));
        match self {
            Self::Directions(a, b) => within(a.cost(b, task.weighted())),
            Self::Fitted(fitted) => within(fitted.cost()),
            _ => draws,
        }
    }
}
