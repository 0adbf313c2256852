//! The feed-forward part. Which experts a token goes through is decided on the host, by the same code as on the CPU.

use super::{layers::Linear, numbers::Numbers};
use crate::{
    Result,
    dtype::Dtype,
    model::{
        Config,
        feed::choose,
        parts::{Feed, Mlp},
    },
};

pub(super) enum FeedForward<T> {
    Dense { up: Linear<T>, down: Linear<T> },
    Experts { router: Linear<T>, experts: Vec<(Linear<T>, Linear<T>)> },
}

impl<T: Numbers> FeedForward<T> {
    /// The router chooses in f32, whatever the experts compute in: a choice has no rounding error, it is another expert.
    pub(super) fn new(place: &T::Place, feed: Feed, compute: Dtype) -> Result<Self> {
        let both = |Mlp { up, down }: Mlp| Ok((Linear::new(place, up, compute)?, Linear::new(place, down, compute)?));
        Ok(match feed {
            Feed::Dense(mlp) => {
                let (up, down) = both(mlp)?;
                Self::Dense { up, down }
            }
            Feed::Experts { router, experts } => Self::Experts {
                router: Linear::new(place, router, Dtype::F32)?,
                experts: experts.into_iter().map(both).collect::<Result<_>>()?,
            },
        })
    }
}

/// What the activation reads, and what it is multiplied by where the family gates. `[rows, width]` to `[rows, intermediate]` each
pub(super) fn gate<T: Numbers>(config: &Config, up: &Linear<T>, x: &T, inside: usize) -> Result<(T, Option<T>)> {
    let up = up.forward(x)?;
    if config.gated {
        return Ok((up.narrow(1, 0, inside)?, Some(up.narrow(1, inside, inside)?)));
    }
    Ok((up, None))
}

/// `f(gate) * up`, or `f(gate)`.
pub(super) fn hidden<T: Numbers>(config: &Config, gate: &T, up: Option<&T>) -> Result<T> {
    let act = gate.activate(config.activation)?;
    match up {
        Some(up) => act.mul(up),
        None => Ok(act),
    }
}

/// The weight of each expert for each token, `[tokens, experts]`.
pub(super) fn shares<T: Numbers>(config: &Config, logits: &T) -> Result<Vec<f32>> {
    let logits = logits.download()?;
    let mut weights = vec![0.0; logits.len()];
    if let Some(experts) = &config.experts {
        choose(&logits, experts.count, experts.chosen, experts.normalised, &mut weights);
    }
    Ok(weights)
}

/// `sum_e weight_e down_e(activation(up_e(x)))`, each expert over the tokens that chose it.
///
/// # Shapes
/// `x` `[tokens, width]`, `weights` `[tokens, experts]`.
pub(super) fn mix<T: Numbers>(
    config: &Config,
    place: &T::Place,
    experts: &[(Linear<T>, Linear<T>)],
    x: &T,
    weights: &T,
) -> Result<T> {
    let here = weights.download()?;
    let tokens = here.len() / experts.len();
    let inside = config.experts.as_ref().map_or(config.intermediate, |experts| experts.intermediate);
    let mut sum = T::upload(place, vec![0.0; tokens * config.width], &[tokens, config.width])?;
    for (number, (up, down)) in experts.iter().enumerate() {
        let column = here.iter().skip(number).step_by(experts.len());
        let own: Vec<u32> = (0..).zip(column).filter(|(_, weight)| **weight != 0.0).map(|(token, _)| token).collect();
        if own.is_empty() {
            continue;
        }
        let own = T::indices(place, own)?;
        let shares = weights.narrow(1, number, 1)?.rows(&own)?;
        let (gate, up) = gate(config, up, &x.rows(&own)?, inside)?;
        let out = down.forward(&hidden(config, &gate, up.as_ref())?)?;
        sum = sum.add_rows(&own, &out.mul(&shares)?)?;
    }
    Ok(sum)
}
