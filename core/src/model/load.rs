//! Checkpoint names to blocks: the only place that knows how the families spell their tensors.

use super::{
    Config, Weights,
    config::{Family, Mlp, Norm as Kind},
    decoder::{Block, Decoder},
};
use crate::{
    Result,
    kernels::{attention::Attention, linear::Linear, norm::Norm},
};

impl Decoder {
    pub(crate) fn load(config: Config, weights: &mut Weights<'_>) -> Result<Self> {
        match config.family {
            Family::Gpt2 => gpt2(config, weights),
            Family::Llama | Family::Mistral | Family::Qwen2 | Family::Qwen3 => rotary(config, weights),
        }
    }
}

/// Names of Llama and its relatives. Files saved from the model without its head lack the prefix `model.`.
fn rotary(config: Config, weights: &mut Weights<'_>) -> Result<Decoder> {
    let prefix = if weights.has("embed_tokens.weight") { "" } else { "model." };
    let Config { width, intermediate, head_dim, .. } = config;
    let (q, kv) = (config.heads * head_dim, config.kv_heads * head_dim);
    let norm = |weights: &mut Weights<'_>, name: &str, width: usize| -> Result<Norm> {
        Ok(Norm {
            kind: Kind::Rms,
            eps: config.eps,
            gain: weights.take(&format!("{name}.weight"), &[width])?,
            bias: None,
        })
    };
    let embedding = weights.take(&format!("{prefix}embed_tokens.weight"), &[config.vocabulary, width])?;
    let mut blocks = Vec::with_capacity(config.layers);
    for (index, window) in config.windows.iter().enumerate() {
        let at = format!("{prefix}layers.{index}");
        let attn = format!("{at}.self_attn");
        let mlp = format!("{at}.mlp");
        let (q_proj, k_proj, v_proj) = (format!("{attn}.q_proj"), format!("{attn}.k_proj"), format!("{attn}.v_proj"));
        let qkv = [(q_proj.as_str(), q), (k_proj.as_str(), kv), (v_proj.as_str(), kv)];
        let (gate, up) = (format!("{mlp}.gate_proj"), format!("{mlp}.up_proj"));
        let qk_norm = |weights: &mut Weights<'_>, name: &str| {
            config.qk_norm.then(|| norm(weights, &format!("{attn}.{name}"), head_dim)).transpose()
        };
        let (q_norm, k_norm) = (qk_norm(weights, "q_norm")?, qk_norm(weights, "k_norm")?);
        blocks.push(Block {
            attn_norm: norm(weights, &format!("{at}.input_layernorm"), width)?,
            qkv: stacked(weights, &qkv, width, config.qkv_bias)?,
            q_norm,
            k_norm,
            attention: attention(&config, *window),
            out: stacked(weights, &[(&format!("{attn}.o_proj"), width)], q, config.out_bias)?,
            mlp_norm: norm(weights, &format!("{at}.post_attention_layernorm"), width)?,
            up: stacked(weights, &[(&gate, intermediate), (&up, intermediate)], width, config.mlp_bias)?,
            down: stacked(weights, &[(&format!("{mlp}.down_proj"), width)], intermediate, config.mlp_bias)?,
        });
    }
    let final_norm = norm(weights, &format!("{prefix}norm"), width)?;
    let head = head(&config, weights)?;
    Ok(Decoder { config, embedding, positions: None, blocks, final_norm, head })
}

/// Names of GPT-2, whose linear layers are stored `[inputs, outputs]`; the first files on the Hub have no prefix.
fn gpt2(config: Config, weights: &mut Weights<'_>) -> Result<Decoder> {
    let prefix = if weights.has("wte.weight") { "" } else { "transformer." };
    let Config { width, intermediate, .. } = config;
    let norm = |weights: &mut Weights<'_>, name: &str| -> Result<Norm> {
        let bias = Some(weights.take(&format!("{name}.bias"), &[width])?);
        Ok(Norm { kind: Kind::Layer, eps: config.eps, gain: weights.take(&format!("{name}.weight"), &[width])?, bias })
    };
    let embedding = weights.take(&format!("{prefix}wte.weight"), &[config.vocabulary, width])?;
    let positions = Some(weights.take(&format!("{prefix}wpe.weight"), &[config.context, width])?);
    let mut blocks = Vec::with_capacity(config.layers);
    for (index, window) in config.windows.iter().enumerate() {
        let at = format!("{prefix}h.{index}");
        blocks.push(Block {
            attn_norm: norm(weights, &format!("{at}.ln_1"))?,
            qkv: transposed(weights, &format!("{at}.attn.c_attn"), width, 3 * width)?,
            q_norm: None,
            k_norm: None,
            attention: attention(&config, *window),
            out: transposed(weights, &format!("{at}.attn.c_proj"), width, width)?,
            mlp_norm: norm(weights, &format!("{at}.ln_2"))?,
            up: transposed(weights, &format!("{at}.mlp.c_fc"), width, intermediate)?,
            down: transposed(weights, &format!("{at}.mlp.c_proj"), intermediate, width)?,
        });
    }
    let final_norm = norm(weights, &format!("{prefix}ln_f"))?;
    let head = head(&config, weights)?;
    Ok(Decoder { config, embedding, positions, blocks, final_norm, head })
}

fn attention(config: &Config, window: Option<usize>) -> Attention {
    Attention { heads: config.heads, kv_heads: config.kv_heads, head_dim: config.head_dim, window }
}

fn head(config: &Config, weights: &mut Weights<'_>) -> Result<Option<Vec<f32>>> {
    (!config.tied).then(|| weights.take("lm_head.weight", &[config.vocabulary, config.width])).transpose()
}

/// Several linear layers over the same input as one: their rows one behind the other, so that they are one product.
fn stacked(weights: &mut Weights<'_>, parts: &[(&str, usize)], inputs: usize, biased: bool) -> Result<Linear> {
    let outputs = parts.iter().map(|(_, outputs)| outputs).sum::<usize>();
    let mut weight = Vec::new();
    // The sizes come from a config that no file has confirmed yet: too much for this machine is for the file to say.
    weight.try_reserve_exact(outputs * inputs).ok();
    let mut bias = biased.then(Vec::new);
    for (name, outputs) in parts {
        weights.take_onto(&format!("{name}.weight"), &[*outputs, inputs], &mut weight)?;
        if let Some(bias) = &mut bias {
            weights.take_onto(&format!("{name}.bias"), &[*outputs], bias)?;
        }
    }
    Ok(Linear::new(weight, bias, inputs, outputs))
}

fn transposed(weights: &mut Weights<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
    let stored = weights.take(&format!("{name}.weight"), &[inputs, outputs])?;
    let weight = (0..outputs * inputs).map(|i| stored[i % inputs * outputs + i / inputs]).collect();
    let bias = Some(weights.take(&format!("{name}.bias"), &[outputs])?);
    Ok(Linear::new(weight, bias, inputs, outputs))
}

impl Decoder {
    /// The feed-forward part's product before the activation is twice as wide when it is gated.
    pub(super) fn up_width(&self) -> usize {
        match self.config.mlp {
            Mlp::SiluGated => 2 * self.config.intermediate,
            Mlp::GeluTanh => self.config.intermediate,
        }
    }
}
