//! AdamW (Loshchilov and Hutter 2019) whose state can be saved, as candle-nn's cannot; and the learning rate's course.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use candle_core::{Device, Tensor, Var, backprop::GradStore};

use super::kernels::with_values;

/// Decay of the first and second moment, and what keeps the division finite.
const BETAS: (f32, f32) = (0.9, 0.98);
const EPS: f32 = 1e-9;

/// `m <- b1 m + (1-b1) g`, `v <- b2 v + (1-b2) g^2`, `w <- w - lr (m^ / (sqrt(v^) + eps) + decay w)`, decay for matrices only.
pub struct AdamW {
    moments: Vec<[Vec<f32>; 2]>,
    steps: i32,
}

impl AdamW {
    /// Moments of zero for `parameters`.
    pub fn new(parameters: &[(String, &Var)]) -> Self {
        let moments = parameters.iter().map(|(_, var)| [(); 2].map(|()| vec![0.0; var.elem_count()])).collect();
        Self { moments, steps: 0 }
    }

    /// One step after clipping the gradient to the norm `clip`; returns the norm before.
    ///
    /// # Errors
    /// A parameter takes no part in the loss.
    pub fn step(
        &mut self,
        parameters: &[(String, &Var)],
        gradients: &GradStore,
        rate: f32,
        decay: f32,
        clip: f32,
    ) -> Result<f32> {
        let gradients = parameters
            .iter()
            .map(|(name, var)| gradients.get(var).with_context(|| format!("{name} takes no part in the loss")))
            .collect::<Result<Vec<&Tensor>>>()?;
        let mut square = 0f64;
        for gradient in &gradients {
            square += with_values(gradient, |g| g.iter().map(|g| f64::from(g * g)).sum::<f64>())?;
        }
        let norm = square.sqrt() as f32;
        let scale = if norm > clip { clip / norm } else { 1.0 };
        self.steps += 1;
        let (b1, b2) = BETAS;
        let (c1, c2) = (1.0 - b1.powi(self.steps), 1.0 - b2.powi(self.steps));
        for (((_, var), gradient), [m, v]) in parameters.iter().zip(gradients).zip(&mut self.moments) {
            let decay = if var.rank() > 1 { decay } else { 0.0 };
            let mut weights = with_values(var, <[f32]>::to_vec)?;
            with_values(gradient, |gradient| {
                for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(m.iter_mut()).zip(v.iter_mut()) {
                    let g = g * scale;
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *w -= rate * (*m / c1 / ((*v / c2).sqrt() + EPS) + decay * *w);
                }
            })?;
            var.set(&Tensor::from_vec(weights, var.shape(), &Device::Cpu)?)?;
        }
        Ok(norm)
    }

    /// The moments by parameter name, to be saved.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn state(&self, parameters: &[(String, &Var)]) -> Result<HashMap<String, Tensor>> {
        let mut all = HashMap::new();
        for ((name, var), moments) in parameters.iter().zip(&self.moments) {
            for (which, values) in ["m", "v"].iter().zip(moments) {
                all.insert(format!("{which}.{name}"), Tensor::from_slice(values, var.shape(), &Device::Cpu)?);
            }
        }
        Ok(all)
    }

    /// Takes up the moments of [`AdamW::state`] after `steps` steps.
    ///
    /// # Errors
    /// A moment is missing or has another shape.
    pub fn restore(
        &mut self,
        parameters: &[(String, &Var)],
        state: &HashMap<String, Tensor>,
        steps: usize,
    ) -> Result<()> {
        for ((name, var), moments) in parameters.iter().zip(&mut self.moments) {
            for (which, values) in ["m", "v"].iter().zip(moments) {
                let saved =
                    state.get(&format!("{which}.{name}")).with_context(|| format!("no moment {which}.{name}"))?;
                ensure!(saved.shape() == var.shape(), "{name}: expected {:?}, got {:?}", var.shape(), saved.shape());
                *values = with_values(saved, <[f32]>::to_vec)?;
            }
        }
        self.steps = i32::try_from(steps)?;
        Ok(())
    }
}

/// Learning rate of `step` (from 0): linear warm-up to `peak`, then a cosine down to 5 % of it.
pub fn rate(step: usize, steps: usize, warmup: usize, peak: f64) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    peak * (0.05 + 0.95 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}
