//! The language that the layers would speak at each step, beside the one that the step is written in.
//!
//! `mass_l(X, step) = mean over the step's tokens t of sum over the tokens v of X of softmax(unembed(h_l[t]))_v`: the mass of
//! [`crate::lens`] along a trace, of languages ([`TokenSets`]) and of scripts. The latent language of a step at a layer is that of the
//! largest mass. Wendler et al. 2024 (arXiv 2402.10588).
//!
//! The surface language of each step is the caller's to say: steps of mathematics alone have none.

use babelscope_core::{engine::Engine, monitor::Monitor};
use serde::{Deserialize, Serialize};

use super::{Told, chosen, refuse, tensor};
use crate::{
    Result,
    lens::{LensParams, TokenSets, read_out},
};

/// One step at one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentCell {
    /// Mean mass of each language.
    pub languages: Vec<f64>,
    /// Mean mass of each script.
    pub scripts: Vec<f64>,
    /// The language of the largest mass, by its number; `None` where no language has any.
    pub top: Option<usize>,
}

/// Latent and surface languages of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latent {
    /// Canonical layers, ascending.
    pub layers: Vec<usize>,
    /// Languages with token sets.
    pub languages: Vec<String>,
    /// How the sets were made.
    pub rule: String,
    /// Scripts, the last for what has none.
    pub scripts: Vec<String>,
    /// `[step][layer]`.
    pub cells: Vec<Vec<LatentCell>>,
    /// The language that each step is written in, where that is known.
    pub surface: Vec<Option<String>>,
    /// `[layer]`: share of the steps of known language whose latent language is that one; `None` where no step counts.
    pub agreement: Vec<Option<f64>>,
}

/// Latent languages of every step. `layers` empty means all; `surface` one a step, or none at all.
///
/// # Errors
/// A trace without steps or that does not fit the model, surface languages of another number of steps, what the lens refuses.
pub fn latent(
    engine: &Engine,
    told: &Told<'_>,
    sets: &TokenSets,
    layers: &[usize],
    surface: &[Option<String>],
    monitor: &Monitor,
) -> Result<Latent> {
    told.check(engine, 0)?;
    let steps = told.some_steps()?;
    let layers = chosen(layers, engine)?;
    let surface = match surface.len() {
        0 => vec![None; steps],
        count if count == steps => surface.to_vec(),
        count => {
            return refuse(format!(
                "{count} surface languages were given for {steps} steps, expected one each or none"
            ));
        }
    };
    let deepest = engine.info().layers;
    let mut read = layers.clone();
    if layers.last() != Some(&deepest) {
        read.push(deepest);
    }
    let (_, states) = told.read(engine, 0, &read, monitor)?;
    let first = told.until(0);
    let trace = |states: &candle_core::Tensor| states.narrow(0, first, told.tokens() - first).map_err(tensor);
    let mut states = states.iter().map(trace).collect::<Result<Vec<_>>>()?;
    let Some(last) = states.last().cloned() else {
        return refuse("the engine returned no states".to_owned());
    };
    states.truncate(layers.len());
    let params = LensParams { top_k: 1, ..LensParams::default() };
    let unembed = |rows: &candle_core::Tensor, logits: &mut Vec<f32>| Ok(engine.unembed_into(rows, logits)?);
    let grid = read_out(&states, &last, &unembed, sets, &params, monitor)?;
    let cell = |step: usize, layer: usize| {
        let own = &grid[layer][told.step(step).start - first..told.step(step).end - first];
        let mean = |count: usize, of: &dyn Fn(usize, usize) -> f32| -> Vec<f64> {
            (0..count).map(|x| (0..own.len()).map(|t| f64::from(of(t, x))).sum::<f64>() / own.len() as f64).collect()
        };
        let languages = mean(sets.languages().len(), &|t, x| own[t].language_mass[x]);
        let scripts = mean(sets.scripts().len(), &|t, x| own[t].script_mass[x]);
        let largest = languages.iter().copied().fold(0.0, f64::max);
        let top = if largest > 0.0 { languages.iter().position(|mass| *mass == largest) } else { None };
        LatentCell { languages, scripts, top }
    };
    let cells: Vec<Vec<LatentCell>> =
        (0..steps).map(|step| (0..layers.len()).map(|layer| cell(step, layer)).collect()).collect();
    let agree = |layer: usize| {
        let known = cells.iter().zip(&surface).filter_map(|(row, surface)| {
            let surface = surface.as_ref().filter(|language| sets.languages().contains(language))?;
            Some(row[layer].top.is_some_and(|top| sets.languages()[top] == *surface))
        });
        let known: Vec<bool> = known.collect();
        (!known.is_empty()).then(|| known.iter().filter(|same| **same).count() as f64 / known.len() as f64)
    };
    let agreement = (0..layers.len()).map(agree).collect();
    Ok(Latent {
        layers,
        languages: sets.languages().to_vec(),
        rule: sets.rule().to_owned(),
        scripts: sets.scripts().to_vec(),
        cells,
        surface,
        agreement,
    })
}
