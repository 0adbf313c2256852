//! Rotary embedding: the angle of pair `i` at position `p` is `p * frequency[i]`, `frequency[i] = theta^(-2i / head_dim)`
//! before scaling. Scalings as transformers 5 computes them: `linear`, `llama3`, `yarn` (Peng et al. 2023, arXiv
//! 2309.00071), `longrope`. Frequencies and angles are rounded to f32 where transformers rounds them, so that long positions agree.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::Result;

/// Frequencies of the pairs and the factor on sine and cosine.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Radians per position for each pair, `[pairs]`; with longrope those of short sentences.
    pub frequencies: Vec<f32>,
    /// Factor on sine and cosine (1 but for yarn and longrope).
    pub scale: f32,
    /// Pair `i` is `(x_2i, x_2i+1)` instead of `(x_i, x_i+pairs)`.
    pub interleaved: bool,
    /// Longrope's other frequencies.
    pub long: Option<Long>,
}

/// Longrope (Ding et al. 2024, arXiv 2402.13753): sentences longer than the model was first trained on turn slower.
#[derive(Clone, Debug, PartialEq)]
pub struct Long {
    /// Radians per position for each pair.
    pub frequencies: Vec<f32>,
    /// A sentence of more tokens takes them.
    pub beyond: usize,
}

/// Which of longrope's frequencies. By default each sentence's own length decides, so that it has the same numbers alone and
/// in any batch; transformers decides by the padded length of the whole batch, which fixing the choice reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongRope {
    /// Those of short sentences.
    Short,
    /// Those of long ones.
    Long,
}

/// How a family asks for its rope.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) head_dim: usize,
    pub(super) context: usize,
    pub(super) theta: f64,
    /// Share of a head that is turned where the file does not say; `None` for families that always turn all of it.
    pub(super) partial: Option<f64>,
    pub(super) interleaved: bool,
}

impl Shape {
    pub(super) fn plain(head_dim: usize, context: usize) -> Self {
        Self { head_dim, context, theta: 10_000.0, partial: None, interleaved: false }
    }
}

const TYPES: &str = "default, linear, llama3, yarn, longrope";

impl Rope {
    /// One table, from `rope_parameters` or `rope_scaling` and `rope_theta`.
    pub(super) fn parse(fields: &Fields<'_>, shape: Shape) -> Result<Self> {
        let (key, parameters) = match (fields.get("rope_parameters"), fields.get("rope_scaling")) {
            (Some(a), Some(b)) if a != b => {
                return Err(fields.fail("`rope_parameters` and `rope_scaling` contradict each other"));
            }
            (Some(parameters), _) => ("rope_parameters", Some(parameters)),
            (None, scaling) => ("rope_scaling", scaling),
        };
        match parameters {
            None => Self::of(fields, key, &Map::new(), shape),
            Some(Value::Object(map)) => Self::of(fields, key, map, shape),
            Some(other) => Err(fields.fail(&format!("`{key}` should be an object, found {other}"))),
        }
    }

    /// The table that the object `map` under `key` describes.
    pub(super) fn of(fields: &Fields<'_>, key: &str, map: &Map<String, Value>, shape: Shape) -> Result<Self> {
        let rope = fields.within(map);
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
            "longrope" | "su" => {
                &["factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor"]
            }
            other => return Err(fields.refuse(&format!("{key}.rope_type"), other, TYPES)),
        };
        let common = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];
        if let Some(unknown) = rope.keys().find(|k| !common.contains(&k.as_str()) && !known.contains(&k.as_str())) {
            let why = format!("`{key}.{unknown}` is not known for rope type {kind}, and it may change numbers");
            return Err(fields.fail(&why));
        }
        let partial = rope.number("partial_rotary_factor")?.or(fields.number("partial_rotary_factor")?);
        let partial = partial.or(shape.partial).unwrap_or(1.0);
        if shape.partial.is_none() && partial != 1.0 {
            return Err(fields.refuse("partial_rotary_factor", &partial.to_string(), "1 in this family"));
        }
        if !(partial > 0.0 && partial <= 1.0) {
            return Err(fields.refuse("partial_rotary_factor", &partial.to_string(), "above 0, up to 1"));
        }
        let dim = (shape.head_dim as f64 * partial) as usize;
        // Where a part of the head is turned, transformers rounds an odd width up to whole pairs.
        if dim == 0 || (partial == 1.0 && !dim.is_multiple_of(2)) {
            let why =
                format!("rotary embedding needs pairs, and {partial} of the head width {} is {dim}", shape.head_dim);
            return Err(fields.fail(&why));
        }
        let theta = rope.number("rope_theta")?.or(fields.number("rope_theta")?);
        let theta = theta.unwrap_or(shape.theta);
        let powers: Vec<f32> =
            (0..dim.div_ceil(2)).map(|i| (theta.powf(f64::from((2 * i) as f32 / dim as f32))) as f32).collect();
        let need = |name: &str| -> Result<f64> {
            rope.number(name)?.ok_or_else(|| fields.fail(&format!("`{key}.{name}` is missing (rope type {kind})")))
        };
        let original = || -> Result<f64> {
            let given = rope.number("original_max_position_embeddings")?;
            Ok(given.or(fields.number("original_max_position_embeddings")?).unwrap_or(shape.context as f64))
        };
        let mut long = None;
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
                let ramp = ramp(dim, theta, original()?, fast, slow, truncate);
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
            "longrope" | "su" => {
                let original = original()?;
                let factors = |name: &str| -> Result<Vec<f32>> {
                    let list = rope.numbers(name)?.unwrap_or_default();
                    if list.len() == powers.len() {
                        return Ok(list.into_iter().zip(&powers).map(|(f, p)| 1.0 / (f as f32 * p)).collect());
                    }
                    let (got, want) = (list.len(), powers.len());
                    Err(fields.fail(&format!("`{key}.{name}` has {got} numbers, expected {want}, one a pair")))
                };
                long = Some(Long { frequencies: factors("long_factor")?, beyond: original as usize });
                let factor = rope.number("factor")?.unwrap_or(shape.context as f64 / original);
                let scale = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
                (factors("short_factor")?, rope.number("attention_factor")?.unwrap_or(scale) as f32)
            }
            _ => (powers.iter().map(|p| 1.0 / p).collect(), 1.0),
        };
        let all = frequencies.iter().chain(long.iter().flat_map(|long| &long.frequencies));
        let wrong = all.copied().find(|f| !(f.is_finite() && *f > 0.0));
        if let Some(wrong) = wrong.or(Some(scale).filter(|s| !s.is_finite())) {
            let why = format!(
                "`rope_theta` {theta} and `{key}` give rotary frequencies that are no positive numbers: {wrong}"
            );
            return Err(fields.fail(&why));
        }
        Ok(Self { frequencies, scale, interleaved: shape.interleaved, long })
    }

    /// How many pairs of a head are turned.
    pub(crate) fn pairs(&self) -> usize {
        self.frequencies.len()
    }

    pub(super) fn fix(&mut self, choice: LongRope) {
        if let Some(long) = self.long.take()
            && choice == LongRope::Long
        {
            self.frequencies = long.frequencies;
        }
    }

    /// Cosines and sines of the first `positions` positions, each `[positions, pairs]`, into the two buffers; with longrope
    /// those of long sentences behind them.
    pub(crate) fn tables(&self, positions: usize, cos: &mut Vec<f32>, sin: &mut Vec<f32>) {
        cos.clear();
        sin.clear();
        for frequencies in std::iter::once(&self.frequencies).chain(self.long.as_ref().map(|long| &long.frequencies)) {
            for position in 0..positions {
                for frequency in frequencies {
                    let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                    cos.push(c as f32 * self.scale);
                    sin.push(s as f32 * self.scale);
                }
            }
        }
    }

    /// Where in tables of `positions` positions the rows of a sentence of `tokens` tokens begin.
    pub(crate) fn offset(&self, tokens: usize, positions: usize) -> usize {
        if self.long.as_ref().is_some_and(|long| tokens > long.beyond) { positions } else { 0 }
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
    (0..head_dim.div_ceil(2)).map(|i| (((i as f64) - low) / (high - low)).clamp(0.0, 1.0) as f32).collect()
}
