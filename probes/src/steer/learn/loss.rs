//! The loss of each sentence and its gradient with respect to the vector.

use babelscope_core::{
    engine::{Engine, Values},
    gradient::{Gradients, Objective},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Reduce, Site, Unit, Vector},
    tokens::Encoded,
};
use ndarray::Array2;

use super::{LearnData, LearnLoss, LearnParams, refuse};
use crate::Result;

/// Numbers of next-token distributions that are held at once.
const HELD: usize = 1 << 26;

/// What is lessened, ready to be asked at any vector.
pub(super) struct Task<'a> {
    engine: &'a Engine,
    data: &'a LearnData<'a>,
    params: &'a LearnParams,
    /// With their answers, where there are any.
    sentences: Vec<Encoded>,
    /// Of mse: the pivot's pooled states at the target layer.
    targets: Vec<Vector>,
    /// Pooled states of both sides at the layer, `[sentences, width]`.
    pub(super) states: Array2<f32>,
    pub(super) pivot_states: Array2<f32>,
    /// `mean (h_E - h_X)` over the training sentences.
    pub(super) diff_mean: Vec<f64>,
    /// Mean norm of the pooled states of both sides at the layer, over the training sentences.
    pub(super) mean_norm: f64,
}

fn rows(values: &Values) -> Result<Array2<f32>> {
    let Values::Pooled(rows) = values else { return refuse("states were not pooled".to_owned()) };
    let shape = rows.dims2().map_err(babelscope_core::Error::from)?;
    let flat = rows.flatten_all().and_then(|rows| rows.to_vec1()).map_err(babelscope_core::Error::from)?;
    Array2::from_shape_vec(shape, flat).or_else(|e| refuse(e.to_string()))
}

impl<'a> Task<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        data: &'a LearnData<'a>,
        params: &'a LearnParams,
        train: &[usize],
        monitor: &Monitor,
    ) -> Result<Self> {
        let pooled = |sentences: &[Encoded], layer: usize| -> Result<Array2<f32>> {
            let plan = Plan::layers([layer], params.pool.reduce());
            rows(&engine.run(sentences, &plan, monitor)?[0].values)
        };
        let states = pooled(data.inputs, params.layer)?;
        let pivot_states = pooled(data.pivots, params.layer)?;
        let targets = match params.loss {
            LearnLoss::Mse if params.target() == params.layer => vectors(&pivot_states),
            LearnLoss::Mse => vectors(&pooled(data.pivots, params.target())?),
            LearnLoss::Kl | LearnLoss::Task => Vec::new(),
        };
        let mut sentences = data.inputs.to_vec();
        if params.loss == LearnLoss::Task {
            for (sentence, answer) in sentences.iter_mut().zip(data.answers) {
                sentence.ids.extend(answer);
                let end = sentence.spans.last().map_or(0, |span| span.end);
                sentence.spans.extend(answer.iter().map(|_| end..end));
            }
        }
        let n = train.len() as f64;
        let mut diff_mean = vec![0.0; states.ncols()];
        let mut norms = 0.0;
        for row in train {
            let (x, e) = (states.row(*row), pivot_states.row(*row));
            diff_mean.iter_mut().zip(x.iter().zip(e)).for_each(|(d, (x, e))| *d += (f64::from(*e) - f64::from(*x)) / n);
            let norm =
                |row: ndarray::ArrayView1<'_, f32>| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            norms += norm(x) + norm(e);
        }
        let mean_norm = norms / (2.0 * n);
        if mean_norm == 0.0 {
            return refuse(format!("all states at layer {} are zero", params.layer));
        }
        Ok(Self { engine, data, params, sentences, targets, states, pivot_states, diff_mean, mean_norm })
    }

    /// The language and the pivot.
    pub(super) fn languages(&self) -> (&str, &str) {
        (self.data.language, self.data.pivot)
    }

    pub(super) fn width(&self) -> usize {
        self.diff_mean.len()
    }

    /// The loss of each sentence of `which` with `v` added, without the penalty.
    pub(super) fn losses(&self, v: &[f64], which: &[usize], monitor: &Monitor) -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(which.len());
        for which in which.chunks(self.held()) {
            let found = self.ask(v, which, &[], monitor)?;
            losses.extend(self.scaled(&found.value, which));
        }
        Ok(losses)
    }

    /// Mean loss with the penalty.
    pub(super) fn mean(&self, v: &[f64], which: &[usize], monitor: &Monitor) -> Result<f64> {
        let losses = self.losses(v, which, monitor)?;
        Ok(losses.iter().sum::<f64>() / which.len() as f64 + self.penalty(v))
    }

    /// The loss of each sentence of `which`, and the gradient of their mean with respect to `v`, penalty included.
    pub(super) fn slope(&self, v: &[f64], which: &[usize], monitor: &Monitor) -> Result<(Vec<f64>, Vec<f64>)> {
        let weight = 2.0 * self.params.penalty / self.mean_norm.powi(2);
        let mut gradient: Vec<f64> = v.iter().map(|x| weight * x).collect();
        let mut losses = Vec::with_capacity(which.len());
        for part in which.chunks(self.held()) {
            let found = self.ask(v, part, &[Site::layer(self.params.layer)], monitor)?;
            for (sentence, slopes) in part.iter().zip(found.of_site.iter().flatten()) {
                let slopes: Vec<f32> =
                    slopes.flatten_all().and_then(|all| all.to_vec1()).map_err(babelscope_core::Error::from)?;
                let share = self.scale(*sentence) / which.len() as f64;
                for position in self.changed(*sentence) {
                    let row = &slopes[position * self.width()..][..self.width()];
                    gradient.iter_mut().zip(row).for_each(|(sum, slope)| *sum += share * f64::from(*slope));
                }
            }
            losses.extend(self.scaled(&found.value, part));
        }
        let penalty = self.penalty(v);
        losses.iter_mut().for_each(|loss| *loss += penalty);
        Ok((losses, gradient))
    }

    fn penalty(&self, v: &[f64]) -> f64 {
        self.params.penalty * v.iter().map(|x| x * x).sum::<f64>() / self.mean_norm.powi(2)
    }

    /// What turns the objective into a loss.
    fn scale(&self, sentence: usize) -> f64 {
        match self.params.loss {
            LearnLoss::Mse | LearnLoss::Kl => 1.0,
            LearnLoss::Task => -1.0 / self.data.answers[sentence].len() as f64,
        }
    }

    fn scaled(&self, values: &[f64], which: &[usize]) -> Vec<f64> {
        values.iter().zip(which).map(|(value, sentence)| value * self.scale(*sentence)).collect()
    }

    /// The positions to which the vector is added.
    fn changed(&self, sentence: usize) -> std::ops::Range<usize> {
        let Encoded { ids, bos, .. } = &self.data.inputs[sentence];
        match self.params.pool {
            super::LearnPool::Last => ids.len() - 1..ids.len(),
            super::LearnPool::Mean | super::LearnPool::Weighted => (*bos).min(ids.len() - 1)..ids.len(),
        }
    }

    /// Sentences that are asked at once.
    fn held(&self) -> usize {
        match self.params.loss {
            LearnLoss::Kl => (HELD / self.engine.info().vocabulary).max(1),
            LearnLoss::Mse | LearnLoss::Task => usize::MAX,
        }
    }

    fn ask(&self, v: &[f64], which: &[usize], sites: &[Site], monitor: &Monitor) -> Result<Gradients> {
        let sentences: Vec<Encoded> = which.iter().map(|sentence| self.sentences[*sentence].clone()).collect();
        let objective = match self.params.loss {
            LearnLoss::Mse => Objective::Distance {
                layer: self.params.target(),
                reduce: self.params.pool.reduce(),
                targets: which.iter().map(|sentence| self.targets[*sentence].clone()).collect(),
            },
            LearnLoss::Kl => Objective::Divergence { targets: self.pivot_distributions(which, monitor)? },
            LearnLoss::Task => Objective::LogProbability {
                from: which.iter().map(|sentence| self.data.inputs[*sentence].ids.len()).collect(),
            },
        };
        let vector: Vector = v.iter().map(|x| *x as f32).collect::<Vec<f32>>().into();
        // Prompts end at different places once answers stand behind them, so each has an edit of its own.
        let edits = which.iter().enumerate().map(|(place, sentence)| {
            let Encoded { ids, bos, .. } = &self.data.inputs[*sentence];
            let op = Op::Add { vector: vector.clone(), coefficient: 1.0, unit: Unit::Raw, keep_norm: false };
            let positions = self.params.pool.positions(*bos, ids.len());
            Edit { positions, sentences: Some(vec![place]), ..Edit::at(Site::layer(self.params.layer), op) }
        });
        let edits: Vec<Edit> = edits.collect();
        Ok(self.engine.gradients(&sentences, sites, &edits, &objective, monitor)?)
    }

    /// What the model says behind the pivot's prompts.
    fn pivot_distributions(&self, which: &[usize], monitor: &Monitor) -> Result<Vec<Vector>> {
        let prompts: Vec<Encoded> = which.iter().map(|sentence| self.data.pivots[*sentence].clone()).collect();
        let capture = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
        let plan = Plan { captures: vec![capture], ..Plan::default() };
        let logits = rows(&self.engine.run(&prompts, &plan, monitor)?[0].values)?;
        let softmax = |row: ndarray::ArrayView1<'_, f32>| -> Vector {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let raised: Vec<f64> = row.iter().map(|x| f64::from(x - largest).exp()).collect();
            let sum: f64 = raised.iter().sum();
            raised.into_iter().map(|x| (x / sum) as f32).collect::<Vec<f32>>().into()
        };
        Ok(logits.rows().into_iter().map(softmax).collect())
    }
}

fn vectors(rows: &Array2<f32>) -> Vec<Vector> {
    rows.rows().into_iter().map(|row| row.to_vec().into()).collect()
}
