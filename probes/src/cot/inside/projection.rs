//! How far the residual stream lies along a steering vector, token by token and step by step.
//!
//! `s_l[t] = h_l[t] . v_l / |v_l|`, in the units of the stream; of a step the mean over its tokens. Coefficients of two layers are not to be
//! compared, as norms grow with depth: `cosine` is `s_l[t] / |h_l[t]|`.

use babelscope_core::{engine::Engine, monitor::Monitor};
use serde::{Deserialize, Serialize};

use super::{Told, tensor};
use crate::{Result, steer::SteeringVector};

/// A vector along a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Name of the vector.
    pub vector: String,
    /// The vector's layers, ascending.
    pub layers: Vec<usize>,
    /// `[layer][token]`, of the trace's tokens.
    pub tokens: Vec<Vec<f64>>,
    /// `[layer][token]`: the same as a cosine; 0 where the state is zero.
    pub cosine: Vec<Vec<f64>>,
    /// `[layer][step]`: mean over the step's tokens.
    pub steps: Vec<Vec<f64>>,
    /// `[layer]`: mean over the prompt's tokens, to compare with.
    pub prompt: Vec<f64>,
}

/// Projects every token of the trace; one pass.
///
/// # Errors
/// A trace without steps or that does not fit the model; a vector of another model ([`SteeringVector::check`], which `elsewhere` softens).
pub fn project(
    engine: &Engine,
    told: &Told<'_>,
    vector: &SteeringVector,
    elsewhere: bool,
    monitor: &Monitor,
) -> Result<Projection> {
    told.check(engine, 0)?;
    told.some_steps()?;
    vector.check(engine.info(), elsewhere)?;
    let layers: Vec<usize> = vector.layers.keys().copied().collect();
    let (_, states) = told.read(engine, 0, &layers, monitor)?;
    let first = told.until(0);
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
    let mut found = Projection {
        vector: vector.card.name.clone(),
        layers,
        tokens: Vec::new(),
        cosine: Vec::new(),
        steps: Vec::new(),
        prompt: Vec::new(),
    };
    for (states, direction) in states.iter().zip(vector.layers.values()) {
        let rows: Vec<Vec<f32>> = states.to_vec2().map_err(tensor)?;
        let length = norm(direction);
        let along = |row: &Vec<f32>| {
            row.iter().zip(direction).map(|(h, v)| f64::from(*h) * f64::from(*v)).sum::<f64>() / length
        };
        let all: Vec<f64> = rows.iter().map(along).collect();
        let cosine = |(row, along): (&Vec<f32>, &f64)| {
            let norm = norm(row);
            if norm > 0.0 { along / norm } else { 0.0 }
        };
        found.cosine.push(rows.iter().zip(&all).skip(first).map(cosine).collect());
        found.steps.push((0..told.steps()).map(|step| mean(&all[told.step(step)])).collect());
        found.prompt.push(mean(&all[..first]));
        found.tokens.push(all[first..].to_vec());
    }
    Ok(found)
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}
