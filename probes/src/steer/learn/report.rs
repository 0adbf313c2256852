//! What a person reads of the learning.

use babelscope_core::monitor::Monitor;

use super::{History, LearnLoss, LearnParams, Split, loss::Task};
use crate::{
    Result,
    bootstrap::Draws,
    measure::{Measured, Row},
    similarity::{halves, procrustes},
};

/// Directions that the Procrustes rotation may turn.
const DIRECTIONS: usize = 256;
/// A gain in recall above which a rotation is worth a warning.
const TURNED: f64 = 0.1;

/// `None` where a side has no length.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    (lengths > 0.0).then(|| (dot(a, b) / lengths).clamp(-1.0, 1.0))
}

pub(super) fn report(
    task: &Task<'_>,
    params: &LearnParams,
    split: &Split,
    history: &History,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    let (language, pivot) = task.languages();
    let place = |row: Row| row.of(language).against(pivot).at(params.layer);
    let draws = Draws::new(split.validation.len(), params.bootstrap, seed)?;
    let quiet = monitor.quiet();
    let mut rows = Vec::new();
    let zero = vec![0.0; task.width()];
    let held = split.validation.len();
    for (arm, vector) in [("none", &zero), ("diff_mean", &task.diff_mean), ("learned", &history.best)] {
        let found = draws.mean(&task.losses(vector, &split.validation, &quiet)?);
        let row = Row::new("learn_loss", found.value, held).variant(arm);
        rows.push(place(if params.bootstrap > 0 { row.within(found.low, found.high) } else { row }));
    }
    for (epoch, (train, validation)) in history.curve.iter().enumerate() {
        if let Some(train) = train {
            let row = Row::new("learn_curve", *train, split.train.len()).variant("train");
            rows.push(place(row.item(epoch.to_string())));
        }
        let row = Row::new("learn_curve", *validation, held).variant("validation");
        rows.push(place(row.item(epoch.to_string())));
    }
    let norm = history.best.iter().map(|x| x * x).sum::<f64>().sqrt() / task.mean_norm;
    rows.push(place(Row::new("learn_norm", norm, split.train.len())));
    rows.push(place(match cosine(&history.best, &task.diff_mean) {
        Some(cosine) => Row::new("learn_cos_diff_mean", cosine, split.train.len()),
        None => Row::missing("learn_cos_diff_mean", "the vector or the difference of means is zero", split.train.len()),
    }));
    let mut notes = notes(params, history);
    let n = task.states.nrows();
    let (fit, test) = halves(n, seed);
    match procrustes(task.states.view(), task.pivot_states.view(), &fit, &test, DIRECTIONS) {
        Ok(found) => {
            let numbers = [("before", found.before.recall), ("after", found.after.recall), ("gap", found.gap())];
            let rotation = |(variant, value)| place(Row::new("learn_procrustes", value, test.len()).variant(variant));
            rows.extend(numbers.map(rotation));
            if found.gap() > TURNED {
                notes.push(format!(
                    "{language} at layer {}: a rotation lifts recall at 1 from {:.2} to {:.2} on held-out sentences. An offset cannot fix a \
                     rotation, so a vector is not enough here.",
                    params.layer, found.before.recall, found.after.recall
                ));
            }
        }
        Err(why) => rows.push(place(Row::missing("learn_procrustes", why.to_string(), n).variant("gap"))),
    }
    Ok(Measured { rows, notes })
}

fn notes(params: &LearnParams, history: &History) -> Vec<String> {
    let mut notes = Vec::new();
    let passed = history.curve.len() - 1;
    notes.push(if history.stopped {
        format!(
            "Stopped after {passed} epochs, as the held-out loss had not fallen for {}; kept is the vector of epoch {}.",
            params.patience, history.epoch
        )
    } else {
        format!("All {passed} epochs were run; kept is the vector of epoch {} (0 is the start).", history.epoch)
    });
    if !history.stopped && history.epoch == passed {
        notes
            .push("The held-out loss was still falling at the end: more `epochs` may give a better vector.".to_owned());
    }
    if params.loss == LearnLoss::Mse && params.target() == params.layer {
        notes.push(
            "At its own layer the squared distance is least at the difference of means, which needs no learning."
                .to_owned(),
        );
    }
    if history.epoch == 0 {
        notes
            .push("No epoch was better than the start on held-out sentences, so the start is what is kept.".to_owned());
    }
    notes
}
