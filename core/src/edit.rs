//! Executes the edits of a plan while the pass runs, on the rows of a site before they are captured and used.

mod check;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    applied::{Key, Log, norm},
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
        coefficient: f32,
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
    plan: usize,
    /// In the plan.
    number: usize,
    edit: &'a Edit,
    change: Change<'a>,
}

impl Ready<'_> {
    /// The sentence's own number, when the edit is one of its plan and changes it. Of n sentences, `p n + s` is sentence s under plan p.
    fn own(&self, index: usize, sentences: usize) -> Option<usize> {
        let own = index % sentences;
        (index / sentences == self.plan && self.edit.is_in(own)).then_some(own)
    }
}

/// The edits of one plan or of several that are executed side by side, and the sentences as they were given.
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
    /// How many edges were there.
    count: Arc<AtomicUsize>,
}

/// Changes the scores or probabilities of one query.
pub(crate) type Touching<'a> = Box<dyn Fn(Line<'_>) + Sync + 'a>;

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
                coefficient: *coefficient,
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

    /// The factor of [`Op::Add`] at a step of generation.
    fn factor(&self, time: usize) -> f32 {
        match self {
            Self::Add { schedule: Some(schedule), .. } => schedule.at(time),
            _ => 1.0,
        }
    }

    /// Whether no bit changes at a step of generation.
    fn rests(&self, time: usize) -> bool {
        matches!(self, Self::Nothing) || self.factor(time) == 0.0
    }

    /// The coefficient with the schedule's factor.
    fn coefficient(&self, time: usize) -> Option<f32> {
        match self {
            Self::Add { coefficient, .. } => Some(coefficient * self.factor(time)),
            _ => None,
        }
    }

    /// `place`: which of the edited positions the row is at; `time`: the step of generation that it belongs to.
    fn apply(&self, row: &mut [f32], place: usize, time: usize) {
        if self.rests(time) {
            return;
        }
        match self {
            Self::Nothing => {}
            Self::Add { step, keep_norm, .. } => {
                let factor = self.factor(time);
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

/// The step of [`crate::applied::Applied`] that a position belongs to.
fn step_of(position: usize, given: Given) -> usize {
    (position + 1).saturating_sub(given.tokens)
}

/// The layer before whose edits the passes of a plan with edits and of one without are the same, for all tokens of `sentences`; `None`
/// where nothing that is given is changed.
pub(crate) fn first_layer(plan: &Plan, config: &Config, sentences: &[Encoded]) -> Option<usize> {
    let reached = |edit: &&Edit| {
        let cuts = matches!(edit.op, Op::Cut { .. });
        (cuts || !Change::new(edit, config.head_dim).rests(0))
            && sentences.iter().enumerate().filter(|(index, _)| edit.is_in(*index)).any(|(_, sentence)| {
                let given = given(sentence);
                (0..given.tokens).any(|position| edit.positions.place(position, given).is_some())
            })
    };
    let layer = |edit: &Edit| match edit.point {
        Point::Embeddings => 0,
        Point::FinalNorm | Point::Logits => config.layers,
        Point::ResidPost => edit.blocks.first(),
        _ => edit.blocks.first() - 1,
    };
    plan.edits.iter().filter(reached).map(layer).min()
}

impl<'a> Edits<'a> {
    /// Of plans that [`check`] has found to fit the model and the sentences.
    pub(crate) fn new(plans: &'a [Plan], config: &Config, sentences: &'a [Encoded]) -> Self {
        let numbered = plans
            .iter()
            .enumerate()
            .flat_map(|(plan, told)| told.edits.iter().enumerate().map(move |(number, edit)| (plan, number, edit)));
        let ready = |(plan, number, edit)| Ready { plan, number, edit, change: Change::new(edit, config.head_dim) };
        Self { ready: numbered.map(ready).collect(), sentences }
    }

    /// Whether the rows of a site are changed.
    pub(crate) fn change(&self, site: Site) -> bool {
        self.ready.iter().any(|ready| ready.edit.is_at(site) && !matches!(ready.change, Change::Nothing))
    }

    /// Changes the rows of a site for the sentences of `layout`; `order` holds the sentences in the order of execution.
    pub(crate) fn apply(&self, site: Site, rows: &mut RowsMut<'_>, layout: &Layout, order: &[usize], log: &mut Log) {
        for ready in self.ready.iter().filter(|ready| ready.edit.is_at(site)) {
            let Ready { plan, number, edit, change } = ready;
            if matches!(change, Change::Nothing) {
                continue;
            }
            for (index, pair) in layout.starts.windows(2).enumerate() {
                let Some(sentence) = ready.own(order[layout.first + index], self.sentences.len()) else { continue };
                let given = given(&self.sentences[sentence]);
                for row in pair[0]..pair[1] {
                    let position = layout.past[index] + row - pair[0];
                    // Given tokens belong to the first step of a schedule.
                    let time = position.saturating_sub(given.tokens);
                    let Some(place) = edit.positions.place(position, given).filter(|_| !change.rests(time)) else {
                        continue;
                    };
                    let key = Key { plan: *plan, edit: *number, sentence, step: step_of(position, given), site };
                    log.change(key, change.coefficient(time), rows.row_mut(row), |row| change.apply(row, place, time));
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
        log: &mut Log,
    ) -> Option<Touching<'a>> {
        let site = Site::new(point, block);
        let here: Vec<&Ready<'a>> = self.ready.iter().filter(|ready| ready.edit.is_at(site)).collect();
        if here.is_empty() {
            return None;
        }
        let cuts_of = |(index, past): (&usize, &usize)| -> Vec<Cut<'a>> {
            let cuts = here.iter().filter_map(|ready| match &ready.edit.op {
                Op::Cut { heads, keys } => {
                    let sentence = ready.own(*index, self.sentences.len())?;
                    let given = given(&self.sentences[sentence]);
                    // A pass has given tokens of a sentence, or a new one.
                    let step = step_of(*past, given);
                    let count = log.edges(Key { plan: ready.plan, edit: ready.number, sentence, step, site });
                    Some(Cut { heads: heads.as_deref(), queries: &ready.edit.positions, keys, given, count })
                }
                _ => None,
            });
            cuts.collect()
        };
        let cuts: Vec<Vec<Cut<'a>>> =
            order[layout.first..][..layout.len()].iter().zip(&layout.past).map(cuts_of).collect();
        let gone = if point == Point::AttnScores { f32::NEG_INFINITY } else { 0.0 };
        Some(Box::new(move |line: Line<'_>| {
            for cut in &cuts[line.sentence] {
                let head = cut.heads.is_none_or(|heads| heads.contains(&line.head));
                if head && cut.queries.place(line.query, cut.given).is_some() {
                    let mut count = 0;
                    for (j, value) in line.values.iter_mut().enumerate() {
                        if cut.keys.place(line.from + j, cut.given).is_some() && *value != gone {
                            *value = gone;
                            count += 1;
                        }
                    }
                    cut.count.fetch_add(count, Ordering::Relaxed);
                }
            }
        }))
    }
}
