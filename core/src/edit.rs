//! Executes the edits of a plan while the pass runs, on the rows of a site before they are captured and used.

mod check;
#[cfg(test)]
mod tests;

use crate::{
    capture::{Layout, RowsMut},
    kernels::attention::Line,
    model::Config,
    plan::{Edit, Given, Op, Plan, Point, Positions, Schedule, Site, Unit, Vector},
    tokens::Encoded,
};

pub(crate) use check::check;

/// What an edit does to a row, prepared once.
enum Change<'a> {
    Nothing,
    /// `h + factor step`, rescaled to `|h|` where the norm is kept.
    Add {
        step: Vec<f32>,
        keep_norm: bool,
        schedule: Option<&'a Schedule>,
    },
    /// `h + (value - h d) d`
    Project {
        direction: Vec<f64>,
        value: f64,
    },
    Replace(&'a [Vector]),
    Scale {
        columns: Vec<usize>,
        factor: f32,
    },
}

struct Ready<'a> {
    edit: &'a Edit,
    change: Change<'a>,
}

/// The edits of a plan, and the sentences as they were given.
pub(crate) struct Edits<'a> {
    ready: Vec<Ready<'a>>,
    sentences: &'a [Encoded],
}

/// Edges of one sentence of a batch that an edit cuts.
struct Cut<'a> {
    heads: Option<&'a [usize]>,
    queries: &'a Positions,
    keys: &'a Positions,
    given: Given,
}

/// Changes the scores or probabilities of one query.
pub(crate) type Touching<'a> = Box<dyn Fn(Line<'_>) + Sync + 'a>;

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

/// What [`Op::Add`] adds.
pub(crate) fn step(vector: &[f32], coefficient: f32, unit: Unit) -> Vec<f32> {
    match unit {
        Unit::Raw => vector.iter().map(|x| coefficient * x).collect(),
        Unit::Norm(length) => {
            let factor = f64::from(coefficient) * f64::from(length) / norm(vector);
            vector.iter().map(|x| (factor * f64::from(*x)) as f32).collect()
        }
    }
}

fn project<'a>(direction: &[f32], value: f32) -> Change<'a> {
    let length = norm(direction);
    Change::Project { direction: direction.iter().map(|x| f64::from(*x) / length).collect(), value: f64::from(value) }
}

impl<'a> Change<'a> {
    fn new(edit: &'a Edit, head_dim: usize) -> Self {
        match &edit.op {
            Op::Add { coefficient: 0.0, .. } | Op::Scale { factor: 1.0, .. } | Op::ScaleHeads { factor: 1.0, .. } => {
                Self::Nothing
            }
            Op::Add { vector, coefficient, unit, keep_norm } => Self::Add {
                step: step(vector, *coefficient, *unit),
                keep_norm: *keep_norm,
                schedule: edit.schedule.as_ref(),
            },
            Op::Ablate { direction } => project(direction, 0.0),
            Op::Clamp { direction, value } => project(direction, *value),
            Op::Replace { rows } => Self::Replace(rows),
            Op::Scale { neurons, factor } => Self::Scale { columns: neurons.clone(), factor: *factor },
            Op::ScaleHeads { heads, factor } => {
                let columns = heads.iter().flat_map(|head| head * head_dim..(head + 1) * head_dim).collect();
                Self::Scale { columns, factor: *factor }
            }
            // Cuts go into attention, see `Edits::touching`.
            Op::Cut { .. } => Self::Nothing,
        }
    }

    /// `place`: which of the edited positions the row is at; `time`: the step of generation that it belongs to.
    fn apply(&self, row: &mut [f32], place: usize, time: usize) {
        match self {
            Self::Nothing => {}
            Self::Add { step, keep_norm, schedule } => {
                let factor = schedule.map_or(1.0, |schedule| schedule.at(time));
                if factor == 0.0 {
                    return;
                }
                let before = if *keep_norm { norm(row) } else { 0.0 };
                row.iter_mut().zip(step).for_each(|(h, step)| *h += factor * step);
                if *keep_norm {
                    // A sum of length 0 has no direction that could be rescaled.
                    let after = norm(row);
                    let scale = if after > 0.0 { before / after } else { 1.0 };
                    row.iter_mut().for_each(|h| *h = (f64::from(*h) * scale) as f32);
                }
            }
            Self::Project { direction, value } => {
                let along: f64 = row.iter().zip(direction).map(|(h, d)| f64::from(*h) * d).sum();
                for (h, d) in row.iter_mut().zip(direction) {
                    *h = (f64::from(*h) + (value - along) * d) as f32;
                }
            }
            Self::Replace([one]) => row.copy_from_slice(one),
            Self::Replace(rows) => row.copy_from_slice(&rows[place]),
            Self::Scale { columns, factor } => columns.iter().for_each(|column| row[*column] *= factor),
        }
    }
}

fn given(sentence: &Encoded) -> Given {
    Given { bos: sentence.bos, tokens: sentence.ids.len() }
}

impl<'a> Edits<'a> {
    /// Of a plan that [`check`] has found to fit the model and the sentences.
    pub(crate) fn new(plan: &'a Plan, config: &Config, sentences: &'a [Encoded]) -> Self {
        let ready = |edit: &'a Edit| Ready { edit, change: Change::new(edit, config.head_dim) };
        Self { ready: plan.edits.iter().map(ready).collect(), sentences }
    }

    /// Whether the rows of a site are changed.
    pub(crate) fn change(&self, site: Site) -> bool {
        self.ready.iter().any(|ready| ready.edit.is_at(site) && !matches!(ready.change, Change::Nothing))
    }

    /// Changes the rows of a site for the sentences of `layout`; `order` holds the sentences in the order of execution.
    pub(crate) fn apply(&self, site: Site, rows: &mut RowsMut<'_>, layout: &Layout, order: &[usize]) {
        for Ready { edit, change } in self.ready.iter().filter(|ready| ready.edit.is_at(site)) {
            if matches!(change, Change::Nothing) {
                continue;
            }
            for (index, pair) in layout.starts.windows(2).enumerate() {
                let sentence = order[layout.first + index];
                if !edit.is_in(sentence) {
                    continue;
                }
                let given = given(&self.sentences[sentence]);
                for row in pair[0]..pair[1] {
                    let position = layout.past[index] + row - pair[0];
                    if let Some(place) = edit.positions.place(position, given) {
                        // Given tokens belong to the first step.
                        change.apply(rows.row_mut(row), place, position.saturating_sub(given.tokens));
                    }
                }
            }
        }
    }

    /// What cuts edges at `point` of block `block` for the sentences of `layout`, if anything does.
    pub(crate) fn touching(
        &self,
        point: Point,
        block: usize,
        layout: &Layout,
        order: &[usize],
    ) -> Option<Touching<'a>> {
        let site = Site::new(point, block);
        let here: Vec<&'a Edit> = self.ready.iter().map(|ready| ready.edit).filter(|edit| edit.is_at(site)).collect();
        if here.is_empty() {
            return None;
        }
        let cuts_of = |sentence: &usize| {
            let given = given(&self.sentences[*sentence]);
            let cuts = here.iter().filter(|edit| edit.is_in(*sentence)).filter_map(|edit| match &edit.op {
                Op::Cut { heads, keys } => Some(Cut { heads: heads.as_deref(), queries: &edit.positions, keys, given }),
                _ => None,
            });
            cuts.collect()
        };
        let cuts: Vec<Vec<Cut<'a>>> = order[layout.first..][..layout.len()].iter().map(cuts_of).collect();
        let gone = if point == Point::AttnScores { f32::NEG_INFINITY } else { 0.0 };
        Some(Box::new(move |line: Line<'_>| {
            for cut in &cuts[line.sentence] {
                let head = cut.heads.is_none_or(|heads| heads.contains(&line.head));
                if head && cut.queries.place(line.query, cut.given).is_some() {
                    for (j, value) in line.values.iter_mut().enumerate() {
                        if cut.keys.place(line.from + j, cut.given).is_some() {
                            *value = gone;
                        }
                    }
                }
            }
        }))
    }
}
