//! Forward and backward over one batch on candle.

use candle_core::Tensor;

use super::{
    decoder::Decoder,
    objective::{Terms, distance, divergence, log_probability, logit_difference},
    tape::Tape,
};
use crate::{
    Error, Result,
    gradient::{Objective, Slopes, Task},
    model::Batch,
    monitor::Monitor,
};

/// The graph is as deep as the model, and candle walks it by recursion, so its thread has a stack of its own. Pages that are not used
/// are not taken.
const STACK: usize = 256 << 20;

impl Decoder<Tensor> {
    /// Values and gradients of the batch's sentences.
    pub(super) fn differentiate(&self, batch: &Batch, task: &Task<'_>, monitor: &Monitor) -> Result<Slopes> {
        std::thread::scope(|scope| {
            let work = || self.slopes(batch, task, monitor);
            let thread = std::thread::Builder::new().name("gradients".to_owned()).stack_size(STACK);
            let no = |why: String| Error::Plan { why };
            let handle = thread.spawn_scoped(scope, work).map_err(|e| no(format!("no thread for gradients: {e}")))?;
            handle.join().unwrap_or_else(|_| Err(no("the thread of the gradients panicked".to_owned())))
        })
    }

    fn slopes(&self, batch: &Batch, task: &Task<'_>, monitor: &Monitor) -> Result<Slopes> {
        let mut tape = Tape::new(&self.place, self.config.head_dim, task, batch)?;
        let normed = self.states(batch, &mut tape, monitor)?;
        let terms = self.terms(batch, task, &tape, normed.as_ref())?;
        monitor.check()?;
        let of_site = tape.gradients(&terms.sum()?)?;
        let values = terms.of_sentences(batch.layout.len())?;
        Ok(Slopes { values, of_site })
    }

    fn terms(&self, batch: &Batch, task: &Task<'_>, tape: &Tape<'_>, normed: Option<&Tensor>) -> Result<Terms> {
        let here = &task.order[batch.layout.first..][..batch.layout.len()];
        let lacking = || Error::Plan { why: "the pass ended before what the objective reads".to_owned() };
        if let Objective::Distance { reduce, targets, .. } = task.objective {
            let state = tape.state.as_ref().ok_or_else(lacking)?;
            let weights = tape.weights(*reduce);
            let targets: Vec<&[f32]> = here.iter().map(|sentence| &*targets[*sentence]).collect();
            return distance(&self.place, state, weights, &targets);
        }
        let normed = normed.ok_or_else(lacking)?;
        let starts = &batch.layout.starts;
        // The logits of some rows of the batch.
        let logits = |rows: &[usize]| -> Result<Tensor> {
            let wanted: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
            let wanted = Tensor::new(wanted, &self.place)?;
            self.unembedded(&normed.contiguous()?.index_select(&wanted, 0)?, rows.len())
        };
        match task.objective {
            Objective::LogitDifference(contrasts) => {
                let contrasts: Vec<_> = here.iter().map(|sentence| &contrasts[*sentence]).collect();
                let rows: Vec<usize> = contrasts.iter().zip(starts).map(|(c, start)| start + c.position).collect();
                logit_difference(&logits(&rows)?, &contrasts)
            }
            Objective::LogProbability { from } => {
                // The token before says the token.
                let next = here.iter().enumerate().flat_map(|(place, sentence)| {
                    (starts[place] + from[*sentence]..starts[place + 1]).map(move |row| (place, row))
                });
                let (owners, next): (Vec<usize>, Vec<usize>) = next.unzip();
                let rows: Vec<usize> = next.iter().map(|row| row - 1).collect();
                let ids: Vec<u32> = next.iter().map(|row| batch.ids[*row]).collect();
                log_probability(&logits(&rows)?, ids, owners)
            }
            Objective::Divergence { targets } => {
                let targets: Vec<&[f32]> = here.iter().map(|sentence| &*targets[*sentence]).collect();
                divergence(&logits(&batch.layout.last_rows())?, &targets)
            }
            Objective::Distance { .. } => Err(lacking()),
        }
    }
}
