//! The onlooker of a pass that is differentiated. Edits are made where the tensors lie, by operations that have a gradient, and to each
//! wanted site a variable of zeros is added: its gradient is the site's, and the graph is cut nowhere.

use candle_core::{D, DType, Device, Tensor, Var};

use super::{
    numbers::Numbers as _,
    watch::{Onlooker, Pools},
};
use crate::{
    Result,
    capture::{Layout, moment, seen},
    edit::{Touching, step},
    gradient::{Objective, Task},
    model::{Batch, Config},
    plan::{Edit, Given, Op, Point, Reduce, Site, Vector},
};

pub(super) struct Tape<'a> {
    place: &'a Device,
    task: &'a Task<'a>,
    layout: &'a Layout,
    head_dim: usize,
    /// One a site, once the pass has been there.
    zeros: Vec<Option<Var>>,
    /// The layer that the objective pools; `None` where it reads logits.
    read: Option<Site>,
    /// Its values, once the pass has been there.
    pub(super) state: Option<Tensor>,
}

impl<'a> Tape<'a> {
    pub(super) fn new(place: &'a Device, head_dim: usize, task: &'a Task<'a>, batch: &'a Batch) -> Result<Self> {
        let read = match task.objective {
            Objective::Distance { layer, .. } => Some(Site::layer(*layer)),
            _ => None,
        };
        let zeros = vec![None; task.sites.len()];
        Ok(Self { place, task, layout: &batch.layout, head_dim, zeros, read, state: None })
    }

    /// The gradient of `sum` at every site, `[rows, width]` each.
    pub(super) fn gradients(&self, sum: &Tensor) -> Result<Vec<Vec<f32>>> {
        let store = sum.backward()?;
        let of = |zeros: &Option<Var>| match zeros.as_ref().map(|zeros| (zeros, store.get(zeros))) {
            Some((_, Some(gradient))) => Ok(gradient.flatten_all()?.to_vec1()?),
            // Nothing that the objective reads depends on it.
            Some((zeros, None)) => Ok(vec![0.0; zeros.elem_count()]),
            None => Ok(Vec::new()),
        };
        self.zeros.iter().map(of).collect()
    }

    /// The weight of every row in the pooled state of every sentence, `[sentences, rows]`, 0 for rows of others.
    pub(super) fn weights(&self, reduce: Reduce) -> Vec<f32> {
        let rows = self.layout.starts[self.layout.len()];
        let mut weights = vec![0.0; self.layout.len() * rows];
        for (place, (pair, out)) in self.layout.starts.windows(2).zip(weights.chunks_exact_mut(rows)).enumerate() {
            let own = &mut out[pair[0]..pair[1]];
            let (window, weighted) = match reduce {
                Reduce::Mean(window) => (window, false),
                Reduce::Weighted(window) => (window, true),
                Reduce::Last | Reduce::All | Reduce::Active(_) => {
                    own[pair[1] - pair[0] - 1] = 1.0;
                    continue;
                }
            };
            let bos = self.task.sentences[self.sentence(place)].bos;
            let weight = |token: usize| if weighted { (token + 1) as f64 } else { 1.0 };
            let total: f64 = seen(window, bos, own.len()).map(weight).sum();
            for token in seen(window, bos, own.len()) {
                own[token] = (weight(token) / total) as f32;
            }
        }
        weights
    }

    /// The sentence at a place of the batch, in the order given.
    fn sentence(&self, place: usize) -> usize {
        self.task.order[self.layout.first + place]
    }

    /// The rows that an edit changes, each with its place among the edit's positions.
    fn reached(&self, edit: &Edit) -> Vec<(usize, usize)> {
        let mut reached = Vec::new();
        for (place, pair) in self.layout.starts.windows(2).enumerate() {
            let sentence = self.sentence(place);
            if !edit.is_in(sentence) {
                continue;
            }
            let Given { bos, tokens } =
                Given { bos: self.task.sentences[sentence].bos, tokens: self.task.sentences[sentence].ids.len() };
            let rows = (pair[0]..pair[1]).enumerate();
            reached.extend(rows.filter_map(|(position, row)| {
                edit.positions.place(position, Given { bos, tokens }).map(|place| (row, place))
            }));
        }
        reached
    }

    fn row(&self, numbers: Vec<f32>) -> Result<Tensor> {
        let width = numbers.len();
        Ok(Tensor::from_vec(numbers, (1, width), self.place)?)
    }

    /// As [`crate::edit`] does on the host.
    fn edited(&self, edit: &Edit, x: &Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let reached = self.reached(edit);
        if reached.is_empty() {
            return Ok(x.clone());
        }
        // 1 for the rows that are changed, else 0. [rows, 1]
        let mut mask = vec![0f32; rows];
        reached.iter().for_each(|(row, _)| mask[*row] = 1.0);
        let mask = Tensor::from_vec(mask, (rows, 1), self.place)?;
        let scaled = |columns: &[usize], factor: f32| -> Result<Tensor> {
            let mut more = vec![0f32; width];
            columns.iter().for_each(|column| more[*column] = factor - 1.0);
            Ok(x.mul(&mask.broadcast_mul(&self.row(more)?)?.affine(1.0, 1.0)?)?)
        };
        match &edit.op {
            Op::Add { vector, coefficient, unit, keep_norm } => {
                // Given tokens belong to the first step.
                let factor = edit.schedule.as_ref().map_or(1.0, |schedule| schedule.at(0));
                let step = self.row(step(vector, *coefficient, *unit).into_iter().map(|x| factor * x).collect())?;
                let sum = x.add(&mask.broadcast_mul(&step)?)?;
                if !keep_norm || factor == 0.0 {
                    return Ok(sum);
                }
                let squared = |x: &Tensor| -> Result<Tensor> {
                    Ok(x.sqr()?.sum_keepdim(D::Minus1)?.clamp(f32::MIN_POSITIVE, f32::MAX)?)
                };
                let ratio = squared(x)?.div(&squared(&sum)?)?.sqrt()?;
                // 1 for the rows that are not changed.
                let ratio = ratio.affine(1.0, -1.0)?.mul(&mask)?.affine(1.0, 1.0)?;
                Ok(sum.broadcast_mul(&ratio)?)
            }
            Op::Ablate { direction } => self.projected(x, &mask, direction, 0.0),
            Op::Clamp { direction, value } => self.projected(x, &mask, direction, *value),
            Op::Replace { rows: given } => {
                let mut new = vec![0f32; rows * width];
                for (row, place) in reached {
                    let one = if given.len() == 1 { &given[0] } else { &given[place] };
                    new[row * width..][..width].copy_from_slice(one);
                }
                let kept = x.broadcast_mul(&mask.affine(-1.0, 1.0)?)?;
                Ok(kept.add(&Tensor::from_vec(new, (rows, width), self.place)?)?)
            }
            Op::Scale { neurons, factor } => scaled(neurons, *factor),
            Op::ScaleHeads { heads, factor } => {
                let columns: Vec<usize> =
                    heads.iter().flat_map(|head| head * self.head_dim..(head + 1) * self.head_dim).collect();
                scaled(&columns, *factor)
            }
            // Refused before the pass.
            Op::Cut { .. } => Ok(x.clone()),
        }
    }

    /// `x + (value - x d) d` in the rows of the mask.
    fn projected(&self, x: &Tensor, mask: &Tensor, direction: &Vector, value: f32) -> Result<Tensor> {
        let length = direction.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let d = self.row(direction.iter().map(|x| (f64::from(*x) / length) as f32).collect())?;
        let along = x.broadcast_mul(&d)?.sum_keepdim(D::Minus1)?;
        let missing = along.affine(-1.0, f64::from(value))?.mul(mask)?;
        Ok(x.add(&missing.broadcast_mul(&d)?)?)
    }
}

impl Onlooker<'static, Tensor> for Tape<'_> {
    fn pass(
        &mut self,
        point: Point,
        block: usize,
        x: Tensor,
        width: usize,
        pools: &mut Pools<'_, Tensor>,
    ) -> Result<Tensor> {
        let site = Site::new(point, block);
        let rows = pools.layout.starts[pools.layout.len()];
        let mut x = x;
        for edit in self.task.edits.iter().filter(|edit| edit.is_at(site)) {
            x = self.edited(edit, &x)?;
        }
        for (wanted, zeros) in self.task.sites.iter().zip(&mut self.zeros) {
            if *wanted == site {
                let variable = Var::zeros((rows, width), DType::F32, self.place)?;
                x = Tensor::add(&x, &variable)?;
                *zeros = Some(variable);
            }
        }
        if self.read == Some(site) {
            self.state = Some(x.clone());
        }
        Ok(x)
    }

    fn shares(&self, config: &Config, logits: &Tensor, chosen: Tensor) -> Result<Tensor> {
        // Which experts is the host's choice; their weights are computed again, with a gradient.
        let shares = logits.softmax()?.mul(&chosen.gt(0f32)?.to_dtype(DType::F32)?)?;
        Ok(match &config.experts {
            Some(experts) if experts.normalised => shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?,
            _ => shares,
        })
    }

    fn done(&self, site: Site) -> bool {
        self.read.is_some_and(|read| moment(read) <= moment(site))
    }

    fn wants(&self, _point: Point, _block: usize) -> bool {
        false
    }

    fn touching(&mut self, _point: Point, _block: usize, _layout: &Layout) -> Option<Touching<'static>> {
        None
    }

    fn take_squares(&mut self, _site: Site, _squares: &[f32], _heads: usize, _layout: &Layout) -> Result<()> {
        Ok(())
    }
}
