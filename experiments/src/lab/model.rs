//! The differentiable twin of the engine's Llama decoder, for training: the same numbers, fewer options.

use std::{collections::HashMap, path::Path};

use anyhow::{Context as _, Result, ensure};
use candle_core::{Device, Tensor, Var};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::kernels::{attention, rms_norm, swiglu};

/// The shape of the model; the fields of the same meaning in Hugging Face's `LlamaConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Width of the residual stream.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the gated MLP.
    pub inner: usize,
    /// Longest document in tokens.
    pub context: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
}

const EPS: f32 = 1e-5;
const THETA: f32 = 10_000.0;
/// Of the untrained weights. Small on purpose: large ones let the model keep each language to itself (CARD.md, the search).
const DEVIATION: f32 = 0.02;

/// A batch of documents of one length.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `documents * length` ids, filled up at the end of a document.
    pub ids: Vec<u32>,
    /// Tokens in each row.
    pub length: usize,
}

struct Block {
    norm: Var,
    qkv: Var,
    out: Var,
    mlp_norm: Var,
    gate_up: Var,
    down: Var,
}

/// The model in training.
pub struct Model {
    /// Its shape.
    pub shape: Shape,
    embedding: Var,
    blocks: Vec<Block>,
    norm: Var,
    head: Option<Var>,
}

fn normal(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Result<Var> {
    let mut one = || -> f32 {
        let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos() * DEVIATION
    };
    let data: Vec<f32> = (0..rows * columns).map(|_| one()).collect();
    Ok(Var::from_tensor(&Tensor::from_vec(data, (rows, columns), &Device::Cpu)?)?)
}

fn ones(width: usize) -> Result<Var> {
    Ok(Var::ones(width, candle_core::DType::F32, &Device::Cpu)?)
}

impl Model {
    /// An untrained model: normal weights of deviation `DEVIATION`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn new(shape: &Shape, vocabulary: usize, seed: u64) -> Result<Self> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (d, f) = (shape.width, shape.inner);
        let embedding = normal(rng, vocabulary, d)?;
        let blocks = (0..shape.layers)
            .map(|_| {
                Ok(Block {
                    norm: ones(d)?,
                    qkv: normal(rng, 3 * d, d)?,
                    out: normal(rng, d, d)?,
                    mlp_norm: ones(d)?,
                    gate_up: normal(rng, 2 * f, d)?,
                    down: normal(rng, d, f)?,
                })
            })
            .collect::<Result<_>>()?;
        let head = if shape.tied { None } else { Some(normal(rng, vocabulary, d)?) };
        Ok(Self { shape: shape.clone(), embedding, blocks, norm: ones(d)?, head })
    }

    /// The trainable tensors by a name of their own, in a fixed order.
    pub fn parameters(&self) -> Vec<(String, &Var)> {
        let mut all = vec![("embedding".to_owned(), &self.embedding)];
        for (at, block) in self.blocks.iter().enumerate() {
            let Block { norm, qkv, out, mlp_norm, gate_up, down } = block;
            let parts = [
                ("norm", norm),
                ("qkv", qkv),
                ("out", out),
                ("mlp_norm", mlp_norm),
                ("gate_up", gate_up),
                ("down", down),
            ];
            all.extend(parts.map(|(name, var)| (format!("{at}.{name}"), var)));
        }
        all.push(("norm".to_owned(), &self.norm));
        all.extend(self.head.iter().map(|head| ("head".to_owned(), head)));
        all
    }

    /// The residual stream at layer 0 (embeddings) and after each block, before the final norm.
    ///
    /// # Shapes
    /// Each `[documents * length, width]`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn states(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let ids = Tensor::from_slice(&batch.ids, batch.ids.len(), &Device::Cpu)?;
        let mut states = vec![self.embedding.index_select(&ids, 0)?];
        for block in &self.blocks {
            let x = states.last().context("there is always layer 0")?;
            let qkv = rms_norm(x, &block.norm, EPS)?.matmul(&block.qkv.t()?)?;
            let mixed = attention(&qkv, batch.length, self.shape.heads, THETA)?;
            let x = (x + mixed.matmul(&block.out.t()?)?)?;
            let inner = swiglu(&rms_norm(&x, &block.mlp_norm, EPS)?.matmul(&block.gate_up.t()?)?)?;
            states.push((&x + inner.matmul(&block.down.t()?)?)?);
        }
        Ok(states)
    }

    /// What comes next, by the states of the last layer.
    ///
    /// # Shapes
    /// `[rows, width]` to `[rows, vocabulary]`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        Ok(rms_norm(states, &self.norm, EPS)?.matmul(&head.t()?)?)
    }

    /// The tensors under Hugging Face's names.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        let (d, f) = (self.shape.width, self.shape.inner);
        let mut all = HashMap::new();
        all.insert("model.embed_tokens.weight".to_owned(), self.embedding.as_tensor().clone());
        for (at, block) in self.blocks.iter().enumerate() {
            let rows = |var: &Var, from, count| var.narrow(0, from, count)?.contiguous();
            let parts = [
                ("input_layernorm", block.norm.as_tensor().clone()),
                ("self_attn.q_proj", rows(&block.qkv, 0, d)?),
                ("self_attn.k_proj", rows(&block.qkv, d, d)?),
                ("self_attn.v_proj", rows(&block.qkv, 2 * d, d)?),
                ("self_attn.o_proj", block.out.as_tensor().clone()),
                ("post_attention_layernorm", block.mlp_norm.as_tensor().clone()),
                ("mlp.gate_proj", rows(&block.gate_up, 0, f)?),
                ("mlp.up_proj", rows(&block.gate_up, f, f)?),
                ("mlp.down_proj", block.down.as_tensor().clone()),
            ];
            all.extend(parts.map(|(name, tensor)| (format!("model.layers.{at}.{name}.weight"), tensor)));
        }
        all.insert("model.norm.weight".to_owned(), self.norm.as_tensor().clone());
        if let Some(head) = &self.head {
            all.insert("lm_head.weight".to_owned(), head.as_tensor().clone());
        }
        Ok(all)
    }

    /// A model of its own with the same weights.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn copy(&self) -> Result<Self> {
        let other = Self::new(&self.shape, self.embedding.dim(0)?, 0)?;
        for ((_, to), (_, from)) in other.parameters().into_iter().zip(self.parameters()) {
            to.set(from.as_tensor())?;
        }
        Ok(other)
    }

    /// `share` of its own weights and the rest of those of `other`, which has the same shape.
    ///
    /// # Errors
    /// The shapes differ.
    pub fn blend(&self, other: &Self, share: f64) -> Result<()> {
        for ((_, own), (_, other)) in self.parameters().into_iter().zip(other.parameters()) {
            own.set(&((own.as_tensor() * share)? + (other.as_tensor() * (1.0 - share))?)?)?;
        }
        Ok(())
    }

    /// Takes over trained weights under Hugging Face's names; `rows` has the old row of each token of the vocabulary that has one.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn take_over(&self, tensors: &HashMap<String, Tensor>, rows: &[Option<u32>]) -> Result<()> {
        let of = |name: &str| tensors.get(name).with_context(|| format!("the model to begin with has no {name}"));
        let table = |var: &Var, name: &str| -> Result<()> {
            let old = of(name)?.to_vec2::<f32>()?;
            let mut new = var.to_vec2::<f32>()?;
            for (new, row) in new.iter_mut().zip(rows) {
                if let Some(old) = row.and_then(|row| old.get(row as usize)) {
                    ensure!(old.len() == new.len(), "{name}: rows of {} where {} were expected", old.len(), new.len());
                    new.clone_from(old);
                }
            }
            Ok(var.set(&Tensor::new(new, &Device::Cpu)?)?)
        };
        table(&self.embedding, "model.embed_tokens.weight")?;
        self.head.iter().try_for_each(|head| table(head, "lm_head.weight"))?;
        self.norm.set(of("model.norm.weight")?)?;
        for (at, block) in self.blocks.iter().enumerate() {
            let layer = |name: &str| of(&format!("model.layers.{at}.{name}.weight"));
            block.norm.set(layer("input_layernorm")?)?;
            let qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(layer);
            block.qkv.set(&Tensor::cat(&qkv.into_iter().collect::<Result<Vec<_>>>()?, 0)?)?;
            block.out.set(layer("self_attn.o_proj")?)?;
            block.mlp_norm.set(layer("post_attention_layernorm")?)?;
            block.gate_up.set(&Tensor::cat(&[layer("mlp.gate_proj")?, layer("mlp.up_proj")?], 0)?)?;
            block.down.set(layer("mlp.down_proj")?)?;
        }
        Ok(())
    }

    /// Writes config.json and model.safetensors into `folder`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn export(&self, folder: &Path) -> Result<()> {
        let vocabulary = self.embedding.dim(0)?;
        let config = serde_json::json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": vocabulary,
            "hidden_size": self.shape.width,
            "intermediate_size": self.shape.inner,
            "num_hidden_layers": self.shape.layers,
            "num_attention_heads": self.shape.heads,
            "num_key_value_heads": self.shape.heads,
            "head_dim": self.shape.width / self.shape.heads,
            "hidden_act": "silu",
            "max_position_embeddings": self.shape.context,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": self.shape.tied,
            "bos_token_id": 0,
            "eos_token_id": null,
            "torch_dtype": "float32",
        });
        std::fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config)? + "\n")?;
        candle_core::safetensors::save(&self.tensors()?, folder.join("model.safetensors"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::{
        engine::{Engine, LoadOptions, Values},
        monitor::Monitor,
        plan::{Capture, Plan, Reduce, Site},
    };

    use super::*;
    use crate::lab::{languages, make::corpus, tokenizer};

    /// The engine runs what was trained: the same states at every layer, and the same logits.
    #[test]
    fn the_engine_gives_the_trained_numbers() {
        for tied in [true, false] {
            let shape = Shape { width: 32, layers: 3, heads: 4, inner: 48, context: 64, tied };
            let words = tokenizer::build().unwrap();
            let model = Model::new(&shape, words.get_vocab_size(true), 7).unwrap();
            let folder = tempfile::tempdir().unwrap();
            model.export(folder.path()).unwrap();
            words.save(folder.path().join("tokenizer.json"), false).unwrap();
            let reference = folder.path().to_string_lossy();
            let engine = Engine::load(&reference, &LoadOptions::default(), &Monitor::silent()).unwrap();

            let line = corpus(languages::find("arb_Arab").unwrap()).remove(0);
            let encoded = engine.tokenizer().encode(&line).unwrap();
            let batch = Batch { ids: encoded.ids.clone(), length: encoded.ids.len() };
            let mut plan = Plan::layers(0..=3, Reduce::All);
            let logits: Site = "logits".parse().unwrap();
            plan.captures.push(Capture { site: logits, reduce: Reduce::All });
            let captured = engine.run(std::slice::from_ref(&encoded), &plan, &Monitor::silent()).unwrap();
            let mut twins = model.states(&batch).unwrap();
            twins.push(model.logits(&twins[3]).unwrap());
            assert_eq!(captured.len(), twins.len());
            for (captured, twin) in captured.into_iter().zip(twins) {
                let Values::Tokens(tensors) = captured.values else { panic!("pooled") };
                let apart = (&tensors[0] - twin).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                assert!(apart.to_scalar::<f32>().unwrap() <= 1e-4);
            }
        }
    }
}
