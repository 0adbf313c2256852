//! Rotary embedding: the angle of pair `i` at position `p` is `p * frequency[i]`, `frequency[i] = theta^(-2i / head_dim)`
//! before scaling. Scalings as transformers 5 computes them: `linear`, `llama3`, `yarn` (Peng et al. 2023, arXiv
//! 2309.00071). Frequencies and angles are rounded to f32 where transformers rounds them, so that long positions agree.

use serde_json::Value;

use super::config::Fields;
use crate::Result;

/// Frequencies of the pairs and the factor on sine and cosine.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Radians per position for each pair, `[head_dim / 2]`.
    pub frequencies: Vec<f32>,
    /// Factor on sine and cosine (1 but for yarn).
    pub scale: f32,
}

const TYPES: &str = "default, linear, llama3, yarn";

impl Rope {
    pub(super) fn parse(fields: &Fields<'_>, head_dim: usize, context: usize) -> Result<Self> {
        let (key, parameters) = match (fields.get("rope_parameters"), fields.get("rope_scaling")) {
            (Some(a), Some(b)) if a != b => {
                return Err(fields.fail("`rope_parameters` and `rope_scaling` contradict each other"));
            }
            (Some(parameters), _) => ("rope_parameters", Some(parameters)),
            (None, scaling) => ("rope_scaling", scaling),
        };
        let empty = serde_json::Map::new();
        let map = match parameters {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(other) => return Err(fields.fail(&format!("`{key}` should be an object, found {other}"))),
        };
        let rope = Fields { map, path: fields.path };
        let kind = rope.text("rope_type")?.or(rope.text("type")?).unwrap_or("default");
        let known: &[&str] = match kind {
            "default" => &[],
            "linear" => &["factor"],
            "llama3" => &["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
            "yarn" => &[
                "factor",
                "original_max_position_embeddings",
                "attention_factor",
                "beta_fast",
                "beta_slow",
                "mscale",
                "mscale_all_dim",
                "truncate",
            ],
            other => return Err(fields.refuse(&format!("{key}.rope_type"), other, TYPES)),
        };
        let common = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];
        if let Some(unknown) = map.keys().find(|k| !common.contains(&k.as_str()) && !known.contains(&k.as_str())) {
            let why = format!("`{key}.{unknown}` is not known for rope type {kind}, and it may change numbers");
            return Err(fields.fail(&why));
        }
        for holder in [fields, &rope] {
            if let Some(part) = holder.number("partial_rotary_factor")?.filter(|part| *part != 1.0) {
                return Err(fields.refuse("partial_rotary_factor", &part.to_string(), "1"));
            }
        }
        let theta = rope.number("rope_theta")?.or(fields.number("rope_theta")?).unwrap_or(10_000.0);
        let powers: Vec<f32> =
            (0..head_dim / 2).map(|i| (theta.powf(f64::from((2 * i) as f32 / head_dim as f32))) as f32).collect();
        let need = |name: &str| -> Result<f64> {
            rope.number(name)?.ok_or_else(|| fields.fail(&format!("`{key}.{name}` is missing (rope type {kind})")))
        };
        let original = || -> Result<f64> {
            let given = rope.number("original_max_position_embeddings")?;
            Ok(given.or(fields.number("original_max_position_embeddings")?).unwrap_or(context as f64))
        };
        let (frequencies, scale): (Vec<f32>, f32) = match kind {
            "linear" => {
                let factor = need("factor")? as f32;
                (powers.iter().map(|p| 1.0 / p / factor).collect(), 1.0)
            }
            "llama3" => {
                let shape = Llama3 {
                    factor: need("factor")?,
                    low: need("low_freq_factor")?,
                    high: need("high_freq_factor")?,
                    original: original()?,
                };
                (powers.iter().map(|p| shape.scaled(1.0 / p)).collect(), 1.0)
            }
            "yarn" => {
                let factor = need("factor")?;
                let (fast, slow) =
                    (rope.number("beta_fast")?.unwrap_or(32.0), rope.number("beta_slow")?.unwrap_or(1.0));
                let truncate = rope.flag("truncate")?.unwrap_or(true);
                let ramp = ramp(head_dim, theta, original()?, fast, slow, truncate);
                let mix = |(p, ramp): (&f32, f32)| (1.0 / (factor as f32 * p)) * ramp + (1.0 / p) * (1.0 - ramp);
                let mscale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
                let scale =
                    match (rope.number("attention_factor")?, rope.number("mscale")?, rope.number("mscale_all_dim")?) {
                        (Some(given), _, _) => given,
                        (None, Some(m), Some(all)) if m != 0.0 && all != 0.0 => mscale(m) / mscale(all),
                        _ => mscale(1.0),
                    };
                (powers.iter().zip(ramp).map(mix).collect(), scale as f32)
            }
            _ => (powers.iter().map(|p| 1.0 / p).collect(), 1.0),
        };
        let wrong = frequencies.iter().find(|f| !(f.is_finite() && **f > 0.0));
        if let Some(wrong) = wrong.or(Some(&scale).filter(|s| !s.is_finite())) {
            let why = format!(
                "`rope_theta` {theta} and `{key}` give rotary frequencies that are no positive numbers: {wrong}"
            );
            return Err(fields.fail(&why));
        }
        Ok(Self { frequencies, scale })
    }

    /// Cosines and sines of the first `positions` positions, each `[positions, head_dim / 2]`, into the two buffers.
    pub(crate) fn tables(&self, positions: usize, cos: &mut Vec<f32>, sin: &mut Vec<f32>) {
        cos.clear();
        sin.clear();
        for position in 0..positions {
            for frequency in &self.frequencies {
                let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                cos.push(c as f32 * self.scale);
                sin.push(s as f32 * self.scale);
            }
        }
    }
}

/// Long wavelengths are divided by `factor`, short ones kept, those between mixed.
struct Llama3 {
    factor: f64,
    low: f64,
    high: f64,
    original: f64,
}

impl Llama3 {
    fn scaled(&self, frequency: f32) -> f32 {
        let wavelength = 2.0 * std::f64::consts::PI / f64::from(frequency);
        if wavelength < self.original / self.high {
            frequency
        } else if wavelength > self.original / self.low {
            (f64::from(frequency) / self.factor) as f32
        } else {
            let smooth = (self.original / wavelength - self.low) / (self.high - self.low);
            ((1.0 - smooth) * f64::from(frequency) / self.factor + smooth * f64::from(frequency)) as f32
        }
    }
}

/// 0 where the frequency is kept, 1 where it is divided by the factor.
fn ramp(head_dim: usize, theta: f64, original: f64, fast: f64, slow: f64, truncate: bool) -> Vec<f32> {
    let dim = head_dim as f64;
    let correction =
        |rotations: f64| dim * (original / (rotations * 2.0 * std::f64::consts::PI)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (correction(fast), correction(slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dim - 1.0));
    if low == high {
        high += 0.001;
    }
    (0..head_dim / 2).map(|i| (((i as f64) - low) / (high - low)).clamp(0.0, 1.0) as f32).collect()
}
