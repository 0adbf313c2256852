//! Direct logit attribution: which component writes the answer into the last state.
//!
//! Every component adds its part to the residual stream of the last token, and the stream becomes logits by a norm and a matrix. With
//! the norm's scale s kept at the value that it has, that is linear, so
//!
//! `sum_v w_v logit_v = sum over components c of ((c - mean c) s g) . u + constants`, `u = sum_v w_v W_U[v]`,
//!
//! without the mean for RMSNorm; `w = 1/|A|` on each answer and `-1/|B|` on each wrong answer, for single words the logit difference.
//! Components: the embedding (layer 0, positions included), each head's `W_O z`, each feed-forward part, and the biases of attention's
//! output, of norms and of the unembedding. A norm that stands on a component's output (Gemma 2 and 3, OLMo 2) or on the stream between
//! blocks (OPT 350m) is kept at its own scale likewise. A factor on the logits is counted in; a soft-cap is not linear, so what is
//! attributed lies before it, and a note says so. The parts add up to the model's own difference, which is a row beside their sum.
//!
//! Between two languages, A = the word in one and B = the same word in English, this says which component moves the answer out of English.
//!
//! TransformerLens `ActivationCache.logit_attrs` and `apply_ln_to_stack`; Elhage et al. 2021. A part is what is written directly: what
//! a head does to later heads is not in it, and a head may write against the answer only because a later one amplifies it.

use babelscope_core::{
    engine::{Engine, Values},
    model::attribute::{Frozen, Place, StraightPath},
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    average::{Means, bootstrap_problem, name},
    metric::{Metric, Sides},
    pair::{Prompt, PromptSpec},
    refuse,
    report::{Panel, PatchReport, PatchedRun, Side},
};
use crate::Result;

/// What direct logit attribution asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DlaParams {
    /// The prompts with answers and wrong answers.
    pub prompts: Vec<PromptSpec>,
    /// Draws of the interval over prompts; 0 for none.
    pub bootstrap: usize,
}

impl Default for DlaParams {
    fn default() -> Self {
        Self { prompts: Vec::new(), bootstrap: 1000 }
    }
}

impl DlaParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.prompts.is_empty() {
            return Some("`prompts` is empty; give at least one with `answer` and `wrong`".to_owned());
        }
        bootstrap_problem(self.bootstrap)
    }
}

/// What a component adds to a number of the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitPart {
    /// Layer: 0 for the embedding, the block for what a block adds, the last for what stands behind the blocks.
    pub layer: usize,
    /// `embedding`, `h3`, `attn_bias`, `mlp`, `norm_bias`, `final_norm_bias`, `unembedding_bias`.
    pub item: String,
    /// How much.
    pub value: f64,
}

/// The components of the last token's state while the stream is followed.
struct Parts {
    names: Vec<(usize, String)>,
    rows: Vec<Vec<f64>>,
}

impl Parts {
    fn push(&mut self, layer: usize, item: impl Into<String>, row: Vec<f64>) {
        self.names.push((layer, item.into()));
        self.rows.push(row);
    }

    /// All that there is goes through a norm, whose bias is a part of its own.
    fn through(&mut self, norm: &Frozen<'_>, layer: usize, bias: &str) {
        self.rows.iter_mut().for_each(|row| *row = norm.part(row));
        if let Some(row) = norm.bias() {
            self.push(layer, bias, row);
        }
    }
}

/// The states of the last token that attribution needs.
struct Last(Vec<(Site, Vec<f32>)>);

impl Last {
    fn read(engine: &Engine, sentence: &Encoded, monitor: &Monitor) -> Result<Self> {
        let wanted = |site: &Site| {
            use Point::{AttnOut, AttnOutPost, Embeddings, Logits, MlpOutPost, ResidMid, ResidPost, Z};
            matches!(site.point, Embeddings | Z | AttnOut | AttnOutPost | ResidMid | MlpOutPost | ResidPost | Logits)
        };
        let sites = engine.sites().into_iter().filter(wanted);
        let captures = sites.map(|site| Capture { site, reduce: Reduce::Last }).collect();
        let plan = Plan { captures, ..Plan::default() };
        let mut kept = Vec::new();
        for captured in engine.run(std::slice::from_ref(sentence), &plan, &monitor.quiet())? {
            if let Values::Pooled(row) = captured.values {
                let row = row.flatten_all().and_then(|row| row.to_vec1::<f32>());
                kept.push((captured.capture.site, row.map_err(babelscope_core::Error::from)?));
            }
        }
        Ok(Self(kept))
    }

    fn at(&self, site: Site) -> &[f32] {
        self.0.iter().find(|(own, _)| *own == site).map_or(&[], |(_, row)| row)
    }

    fn wide(&self, site: Site) -> Vec<f64> {
        self.at(site).iter().map(|x| f64::from(*x)).collect()
    }

    fn sum(&self, one: Site, other: Site) -> Vec<f32> {
        self.at(one).iter().zip(self.at(other)).map(|(a, b)| a + b).collect()
    }

    /// The components of the state behind the final norm.
    fn parts(&self, path: StraightPath<'_>, blocks: usize) -> Parts {
        let mut parts = Parts { names: Vec::new(), rows: Vec::new() };
        parts.push(0, "embedding", self.wide(Site::layer(0)));
        for block in 1..=blocks {
            let here = |point| Site::new(point, block);
            let mut heads = path.heads(block, self.at(here(Point::Z)));
            let mut bias = path.out_bias(block);
            if let Some(norm) = path.freeze(Place::AttnPost(block), self.at(here(Point::AttnOut))) {
                heads.iter_mut().for_each(|head| *head = norm.part(head));
                let own = bias.map(|bias| norm.part(&bias));
                bias = match (own, norm.bias()) {
                    (Some(own), Some(more)) => Some(own.iter().zip(&more).map(|(a, b)| a + b).collect()),
                    (own, more) => own.or(more),
                };
            }
            heads.into_iter().enumerate().for_each(|(head, row)| parts.push(block, format!("h{head}"), row));
            if let Some(bias) = bias {
                parts.push(block, "attn_bias", bias);
            }
            let before = Site::layer(block - 1);
            if let Some(norm) = path.freeze(Place::AttnAfter(block), &self.sum(before, here(Point::AttnOutPost))) {
                parts.through(&norm, block, "norm_bias");
            }
            parts.push(block, "mlp", self.wide(here(Point::MlpOutPost)));
            let sum = self.sum(here(Point::ResidMid), here(Point::MlpOutPost));
            if let Some(norm) = path.freeze(Place::MlpAfter(block), &sum) {
                parts.through(&norm, block, "norm_bias");
            }
        }
        if let Some(norm) = path.freeze(Place::Final, self.at(Site::layer(blocks))) {
            parts.through(&norm, blocks, "final_norm_bias");
        }
        parts
    }
}

/// What each component adds to `sum of weight * logit` behind the last token of a sentence, before a soft-cap.
///
/// # Errors
/// An engine other than the native one, an encoder, and what the engine refuses.
pub fn logit_parts(
    engine: &Engine,
    sentence: &Encoded,
    weights: &[(u32, f64)],
    monitor: &Monitor,
) -> Result<Vec<LogitPart>> {
    let last = Last::read(engine, sentence, monitor)?;
    parts_of(engine, &last, weights)
}

fn parts_of(engine: &Engine, last: &Last, weights: &[(u32, f64)]) -> Result<Vec<LogitPart>> {
    let vocabulary = engine.info().vocabulary;
    if let Some((id, _)) = weights.iter().find(|(id, _)| *id as usize >= vocabulary) {
        return refuse(format!("token id {id} is asked for, the model has logits of 0 to {}", vocabulary - 1));
    }
    let path = engine.straight_path()?;
    let blocks = engine.info().layers;
    let Parts { names, rows } = last.parts(path, blocks);
    let values = path.read(&rows, weights);
    let part = |((layer, item), value)| LogitPart { layer, item, value };
    let mut parts: Vec<LogitPart> = names.into_iter().zip(values).map(part).collect();
    let constant = path.constant(weights);
    if constant != 0.0 {
        parts.push(LogitPart { layer: blocks, item: "unembedding_bias".to_owned(), value: constant });
    }
    Ok(parts)
}

/// `1 / |A|` on each answer, `-1 / |B|` on each wrong answer.
fn weights(sides: &Sides) -> Vec<(u32, f64)> {
    let even =
        |ids: &[u32], sign: f64| -> Vec<(u32, f64)> { ids.iter().map(|id| (*id, sign / ids.len() as f64)).collect() };
    [even(&sides.answer, 1.0), even(&sides.wrong, -1.0)].concat()
}

/// Attributes the logit difference of every prompt.
///
/// # Errors
/// Params that make no sense, prompts that do not fit, a model whose weights are not at hand, and what the engine refuses.
pub fn dla(engine: &Engine, params: &DlaParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    let path = engine.straight_path()?;
    let prompts = params.prompts.iter().enumerate();
    let prompts = prompts.map(|(number, p)| p.prepare(engine.tokenizer(), Metric::LogitDifference, number));
    let prompts = prompts.collect::<Result<Vec<Prompt>>>()?;
    let mut report = PatchReport::default();
    if let Some(cap) = path.cap() {
        report.measured.notes.push(format!(
            "this model puts its logits through {cap} tanh(logit / {cap}); the parts add up to the difference before that \
             (`before_cap`), not to the model's own (`model`)"
        ));
    }
    let mut means = Means::default();
    for (number, (spec, prompt)) in params.prompts.iter().zip(&prompts).enumerate() {
        monitor.tick(Tick { what: "attributing prompts", done: number, total: prompts.len(), unit: "prompts" })?;
        let last = Last::read(engine, &prompt.encoded, monitor)?;
        let parts = parts_of(engine, &last, &weights(&prompt.sides))?;
        let logits = last.at(Site::new(Point::Logits, 0));
        let linear = |logit: fn(f64, f64) -> f64| -> f64 {
            let of = |(id, weight): (u32, f64)| {
                weight * logit(f64::from(logits[id as usize]), path.cap().map_or(f64::INFINITY, f64::from))
            };
            weights(&prompt.sides).into_iter().map(of).sum()
        };
        let (own, sum) = (linear(|x, _| x), parts.iter().map(|part| part.value).sum::<f64>());
        let row = |metric: &str| name(metric).of(&spec.language);
        means.add(row("logit_difference").variant("model"), own);
        if path.cap().is_some() {
            means.add(row("logit_difference").variant("before_cap"), linear(|x, cap| cap * (x / cap).atanh()));
        }
        means.add(row("logit_difference").variant("parts"), sum);
        for part in &parts {
            means.add(row("logit_part").at(part.layer).item(&part.item), part.value);
        }
        let value = Metric::LogitDifference.value(logits, &prompt.sides, logits);
        let clean = Side::new(&spec.text, &prompt.encoded, logits, value, engine.tokenizer());
        let mut run =
            PatchedRun::new(&prompt.name, &spec.language, clean, Metric::LogitDifference, prompt.sides.clone());
        run.panels = panels(&parts, engine.info().layers, engine.info().heads);
        report.runs.push(run);
    }
    report.measured.rows = means.rows(params.bootstrap, seed)?;
    Ok(report)
}

/// Heads by layer, and what attention, the feed-forward part and the rest add by layer.
fn panels(parts: &[LogitPart], blocks: usize, heads: usize) -> Vec<Panel> {
    let total = |layer: usize, fits: &dyn Fn(&str) -> bool| -> f64 {
        parts.iter().filter(|part| part.layer == layer && fits(&part.item)).map(|part| part.value).sum()
    };
    let panel = |site: &str, layers: Vec<usize>, items: Vec<String>, rows: Vec<Vec<f64>>| Panel {
        site: site.to_owned(),
        variant: "parts".to_owned(),
        layers,
        items,
        patched: rows.clone(),
        effect: rows,
    };
    let is_head = |item: &str| item.strip_prefix('h').is_some_and(|number| number.parse::<usize>().is_ok());
    let names: Vec<String> = (0..heads).map(|head| format!("h{head}")).collect();
    let by_head = (1..=blocks).map(|layer| names.iter().map(|head| total(layer, &|item| item == head)).collect());
    let by_kind = (0..=blocks).map(|layer| {
        let attn = |item: &str| is_head(item) || item == "attn_bias";
        let rest = |item: &str| !attn(item) && item != "mlp";
        vec![total(layer, &attn), total(layer, &|item| item == "mlp"), total(layer, &rest)]
    });
    vec![
        panel("head", (1..=blocks).collect(), names.clone(), by_head.collect()),
        panel("layer", (0..=blocks).collect(), ["attn", "mlp", "other"].map(str::to_owned).to_vec(), by_kind.collect()),
    ]
}
