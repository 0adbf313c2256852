//! Memory and time of a pass from the shapes of its products.

use std::time::{Duration, Instant};

use super::Inspection;
use crate::{
    dtype::Dtype,
    engine::BATCH_TOKENS,
    kernels::linear::{Linear, Workspace},
    model::{
        LOGIT_ROWS,
        stored::{Rows, Stored},
    },
};

/// One matrix product of a pass, for one token.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Product {
    inputs: usize,
    outputs: usize,
    /// How often a token goes through one of this shape.
    times: f64,
    /// The share of a batch's tokens that one product gets: 1, or less where experts divide them.
    share: f64,
}

/// How fast this machine computes a model's products.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Speed {
    /// Seconds that all products of one token take.
    pub seconds_per_token: f64,
    /// Seconds of everything else: norms, rotation, softmax, activation, pooling.
    pub besides_per_token: f64,
    /// Floating-point operations of these products, two for each multiplication.
    pub flops_per_token: f64,
    /// Operations per second.
    pub flops_per_second: f64,
}

/// Time outside of the products as a share of what they take in f32, measured on the 100M and 0.5B shapes (docs/PERFORMANCE.md).
const BESIDES: f64 = 0.3;

/// Weights of one product in the calibration: larger matrices are measured on some of their rows.
const MEASURED: usize = 1 << 23;

impl Inspection {
    /// Bytes of the buffers of a pass over a full batch whose longest sentence has `longest` tokens.
    pub fn batch_bytes(&self, longest: usize, logits: bool) -> usize {
        let config = &self.config;
        let tokens = BATCH_TOKENS.max(longest);
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let widest = config.width.max(q).max(self.intermediate);
        let cut = Workspace::row_bytes(widest, self.compute);
        let inside = Workspace::hidden_bytes(self.intermediate, config.gated, self.compute);
        let experts = config.experts.as_ref().map_or(0, |experts| 2 * experts.count);
        // stream, normed and both outputs; q, k, v and z; the feed-forward part; and what the product cuts its operand into.
        let row = size_of::<f32>() * (4 * config.width + 2 * q + 2 * kv + experts) + inside + cut;
        let head = if logits { LOGIT_ROWS.max(longest) * config.vocabulary } else { 0 };
        tokens * row + size_of::<f32>() * head
    }

    /// Times the model's own products for about `budget` on a full batch of made-up numbers.
    pub fn calibrate(&self, budget: Duration) -> Speed {
        let products = self.products();
        // Narrow numbers are fewer parts for a tile unit.
        let kind = (self.stored_dtype.parse().unwrap_or(Dtype::F32), self.compute);
        let plain_kind = (Dtype::F32, Dtype::F32);
        let budget = if kind == plain_kind { budget } else { budget / 2 };
        let each = budget.div_f64(products.len().max(1) as f64);
        let (mut seconds, mut besides, mut flops) = (0.0, 0.0, 0.0);
        for Product { inputs, outputs, times, share } in products {
            let rows = ((BATCH_TOKENS as f64 * share) as usize).max(1);
            let some = outputs.min((MEASURED / inputs).max(32));
            let per_row = |kind| time(rows, inputs, some, kind, each) / rows as f64 * outputs as f64 / some as f64;
            let plain = per_row(plain_kind);
            seconds += times * if kind == plain_kind { plain } else { per_row(kind) };
            besides += times * plain * BESIDES;
            flops += times * 2.0 * inputs as f64 * outputs as f64;
        }
        Speed {
            seconds_per_token: seconds,
            besides_per_token: besides,
            flops_per_token: flops,
            flops_per_second: flops / seconds,
        }
    }

    /// Seconds of a pass through all blocks over sentences of these lengths, without logits.
    pub fn seconds(&self, speed: &Speed, lengths: impl IntoIterator<Item = usize>) -> f64 {
        let wide = (self.heads * self.head_dim) as f64;
        // Scores and mix, each token with those that it sees.
        let seen = |n: f64| if self.causal { n * (n + 1.0) / 2.0 } else { n * n };
        let (mut tokens, mut pairs) = (0.0, 0.0);
        for n in lengths {
            tokens += n as f64;
            pairs += seen(n as f64);
        }
        let attention = 4.0 * wide * pairs * self.layers as f64 / speed.flops_per_second;
        tokens * (speed.seconds_per_token + speed.besides_per_token) + attention
    }

    fn products(&self) -> Vec<Product> {
        let config = &self.config;
        let (q, kv, layers) = (config.heads * config.head_dim, config.kv_heads * config.head_dim, config.layers as f64);
        let dense = (1..=config.layers).filter(|block| !config.has_experts(*block)).count() as f64;
        let up = |inside: usize| if config.gated { 2 * inside } else { inside };
        let one = |inputs, outputs, times| Product { inputs, outputs, times, share: 1.0 };
        let mut products = vec![one(config.width, q + 2 * kv, layers), one(q, config.width, layers)];
        if dense > 0.0 {
            products.push(one(config.width, up(config.intermediate), dense));
            products.push(one(config.intermediate, config.width, dense));
        }
        if let Some(experts) = &config.experts {
            let (times, share) =
                ((layers - dense) * experts.chosen as f64, experts.chosen as f64 / experts.count as f64);
            products.push(Product { inputs: config.width, outputs: up(experts.intermediate), times, share });
            products.push(Product { inputs: experts.intermediate, outputs: config.width, times, share });
        }
        products
    }
}

/// Seconds of `x W^T` with `x` `[rows, inputs]` and `W` `[outputs, inputs]`: the mean of as many as fit into `budget`, so that
/// what else the machine is doing counts.
fn time(rows: usize, inputs: usize, outputs: usize, (stored, compute): (Dtype, Dtype), budget: Duration) -> f64 {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) % 1009) as f32 / 1009.0 - 0.5;
    let weight = Rows::new(vec![Stored::from((0..inputs * outputs).map(number).collect::<Vec<f32>>())], inputs);
    let linear = Linear::from_stored(weight.rounded(stored), None, compute);
    let x: Vec<f32> = (0..rows * inputs).map(number).collect();
    let (mut y, mut workspace) = (vec![0.0; rows * outputs], Workspace::default());
    // The first grows the buffers.
    linear.forward(&x, &mut y, &mut workspace);
    let (begun, mut count) = (Instant::now(), 0.0);
    while count == 0.0 || begun.elapsed() < budget {
        linear.forward(&x, &mut y, &mut workspace);
        count += 1.0;
    }
    begun.elapsed().as_secs_f64() / count
}
