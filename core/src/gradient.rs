//! Gradients through the frozen model: how one number of each sentence changes with the values of a site, `dL/dh`.
//!
//! The pass runs on candle and is differentiated by its graph. To each wanted site a variable of zeros is added, and its gradient is the
//! site's: one forward and one backward pass serve every site. Weights are constants; no gradient of a weight is computed.
//! The choice of experts in a mixture is held fixed, as it has no derivative; their weights are differentiated.

mod objective;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use candle_core::{Device, Tensor};

use crate::{
    Error, Result,
    capture::Collector,
    engine::{Engine, EngineKind, LoadOptions, pack},
    model::{Config, config::Mask},
    monitor::{Monitor, Tick},
    plan::{Capture, Edit, Op, Plan, Point, Reduce, Site},
    tokens::Encoded,
};

pub use objective::{Contrast, Objective};

/// What [`Engine::gradients`] yields.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// The objective of each sentence, in the order given. Nats, logits or squared distance, as [`Objective`] says.
    pub value: Vec<f64>,
    /// For each site, in the order given, one tensor a sentence: how the sentence's objective changes with each number there.
    /// `[tokens, width of the site]`, f32, on the CPU.
    pub of_site: Vec<Vec<Tensor>>,
}

/// What a pass differentiates.
pub(crate) struct Task<'a> {
    pub(crate) sites: &'a [Site],
    pub(crate) edits: &'a [Edit],
    pub(crate) sentences: &'a [Encoded],
    /// The sentences in the order of execution.
    pub(crate) order: &'a [usize],
    pub(crate) objective: &'a Objective,
}

/// What a pass found for the sentences of its batch.
pub(crate) struct Slopes {
    pub(crate) values: Vec<f64>,
    /// One a site, `[rows of the batch, width]`.
    pub(crate) of_site: Vec<Vec<f32>>,
}

/// Bytes that the graph of a batch may take, by [`bytes_a_token`]. A batch holds one sentence at least.
const GRAPH_BYTES: usize = 2 << 30;

/// About what a token keeps until the backward pass is over: the numbers of every operation of `blocks` blocks, and nearly as many
/// gradients. `longest` is the number of keys.
fn bytes_a_token(config: &Config, longest: usize, blocks: usize) -> usize {
    let Config { width, heads, kv_heads, head_dim, intermediate, .. } = *config;
    let chosen = config.experts.as_ref().map_or(0, |experts| experts.chosen * experts.intermediate);
    let block = 16 * width + 15 * (heads + kv_heads) * head_dim + 8 * heads * longest + 8 * intermediate.max(chosen);
    blocks.max(1) * 2 * size_of::<f32>() * block
}

impl Engine {
    /// Whether [`Engine::gradients`] can be asked here: the model is on candle, on whichever device.
    pub fn is_differentiable(&self) -> bool {
        self.info().engine == EngineKind::Candle
    }

    /// The same model loaded a second time on candle, on the same device with the same options, for [`Engine::gradients`]. It takes the
    /// memory of a second model. Where [`Engine::is_differentiable`], no second one is needed: ask this engine itself.
    ///
    /// # Errors
    /// Those of [`Engine::load`]; [`Error::NotFound`] when the files have changed since, so that it would be another model.
    pub fn differentiable(&self, monitor: &Monitor) -> Result<Self> {
        let (hub, options) = &self.source;
        let info = self.info();
        let revision = info.revision.clone().or_else(|| options.revision.clone());
        let options = LoadOptions { engine: Some(EngineKind::Candle), revision, ..options.clone() };
        let twin = Self::load_from(hub, &info.reference, &options, monitor)?;
        let pairs = [
            ("weights", &info.weights_sha256, &twin.info().weights_sha256),
            ("config.json", &info.config_sha256, &twin.info().config_sha256),
            ("tokenizer.json", &info.tokenizer_sha256, &twin.info().tokenizer_sha256),
        ];
        if let Some((what, here, there)) = pairs.into_iter().find(|(_, here, there)| here != there) {
            let why = format!(
                "its {what} changed on disk since it was loaded (SHA-256 {here} then, {there} now), so its gradients would be those of \
                 another model; load it again"
            );
            return Err(Error::NotFound { reference: info.reference.clone(), why });
        }
        Ok(twin)
    }

    /// The objective of each sentence, and its gradient with respect to the values of `sites`, taken at the run that `edits` change.
    /// A site's gradient is that of its values behind its edits. All edits but `cut` are differentiated, also those behind a site.
    /// Ticks once a batch; batches are cut so that the graph takes about 2 GiB, or one sentence.
    ///
    /// # Errors
    /// [`Error::Plan`] on an engine that is not [`Engine::is_differentiable`]; [`Error::Site`] for a site that this model does not have,
    /// that lies behind what the objective reads, or that has no gradient here (`logits`, the squares of attention, the
    /// weights of experts); [`Error::Plan`] for an objective that does not fit, among them one of logits for an encoder; the errors of
    /// [`Engine::run`] for sentences and edits. [`Error::NotFinite`] for a gradient that is NaN or infinite.
    pub fn gradients(
        &self,
        sentences: &[Encoded],
        sites: &[Site],
        edits: &[Edit],
        objective: &Objective,
        monitor: &Monitor,
    ) -> Result<Gradients> {
        let Some(pass) = self.library().filter(|_| self.is_differentiable()) else {
            let engine = self.info().engine;
            let why = format!(
                "gradients are taken on the engine `candle`, and this model is on `{engine}`; load it a second time with \
                 Engine::differentiable"
            );
            return Err(Error::Plan { why });
        };
        let config = self.config();
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|index| Reverse(sentences[*index].ids.len()));
        check(config, sentences, sites, edits, objective, &order)?;
        let task = Task { sites, edits, sentences, order: &order, objective };
        let tokens = batch_tokens(config, &task).min(pass.batch_tokens());
        let mut value = vec![0.0; sentences.len()];
        let mut of_site = vec![vec![None; sentences.len()]; sites.len()];
        let tick = |done| Tick { what: "taking gradients", done, total: sentences.len(), unit: "sentences" };
        monitor.tick(tick(0))?;
        let mut first = 0;
        while first < order.len() {
            let batch = pack(sentences, &order, first, tokens);
            let found = pass.gradients(&batch, &task, monitor)?;
            let here = &order[first..first + batch.layout.len()];
            for (sentence, number) in here.iter().zip(&found.values) {
                check_finite(objective.reads().site, *sentence, "the objective", number.is_finite())?;
                value[*sentence] = *number;
            }
            for ((site, rows), kept) in sites.iter().zip(&found.of_site).zip(&mut of_site) {
                let width = self.width(site.point);
                for (sentence, pair) in here.iter().zip(batch.layout.starts.windows(2)) {
                    let own = &rows[pair[0] * width..pair[1] * width];
                    check_finite(*site, *sentence, "the gradient", own.iter().all(|x| x.is_finite()))?;
                    let shape = (pair[1] - pair[0], width);
                    kept[*sentence] = Some(Tensor::from_slice(own, shape, &Device::Cpu)?);
                }
            }
            first += batch.layout.len();
            monitor.tick(tick(first))?;
        }
        // Every sentence was in a batch.
        let of_site = of_site.into_iter().map(|all| all.into_iter().flatten().collect()).collect();
        Ok(Gradients { value, of_site })
    }
}

fn check_finite(site: Site, sentence: usize, what: &str, finite: bool) -> Result<()> {
    if finite {
        return Ok(());
    }
    Err(Error::NotFinite { site: site.to_string(), sentence, why: format!("{what} is NaN or infinite.") })
}

fn check(
    config: &Config,
    sentences: &[Encoded],
    sites: &[Site],
    edits: &[Edit],
    objective: &Objective,
    order: &[usize],
) -> Result<()> {
    if objective.reads_logits() && config.mask != Mask::Causal {
        let why = format!(
            "this objective is of next tokens, and {} is an encoder, which says none; use the distance of pooled states",
            config.family
        );
        return Err(Error::Plan { why });
    }
    // What the collector checks of captures holds of these sites and of what the objective reads.
    let mut captures: Vec<_> = sites.iter().map(|site| Capture { site: *site, reduce: Reduce::All }).collect();
    captures.push(objective.reads());
    let plan = Plan { captures, edits: edits.to_vec(), stop_after: None };
    Collector::new(&plan, config, sentences, order.to_vec())?;
    for site in sites {
        let why = match site.point {
            Point::Logits => "the objective is made of logits already; ask at `final_norm` or before it",
            Point::AttnScores | Point::AttnProbs => {
                "holds a square for each head, of which no gradient is kept; ask at `q`, `k`, `v` or `z`"
            }
            Point::RouterWeights => "experts that were not chosen have no gradient; ask at `router_logits`",
            _ if objective.misses(*site) => {
                "lies behind the layer that the objective reads, so nothing changes with it"
            }
            _ => continue,
        };
        return Err(Error::Site { text: site.to_string(), why: why.to_owned() });
    }
    if let Some(index) = edits.iter().position(|edit| matches!(edit.op, Op::Cut { .. })) {
        let why = format!("edit {index} (cut): edges are cut on the host, which no gradient passes; leave it out");
        return Err(Error::Plan { why });
    }
    objective
        .check(config, sentences)
        .map_err(|why| Error::Plan { why: format!("objective {}: {why}", objective.name()) })
}

/// Tokens of a batch whose graph fits into [`GRAPH_BYTES`].
fn batch_tokens(config: &Config, task: &Task<'_>) -> usize {
    let lengths = || task.sentences.iter().map(|sentence| sentence.ids.len());
    let (longest, all) = (lengths().max().unwrap_or(1), lengths().sum::<usize>());
    // Nothing below the first site is kept.
    let below = task.sites.iter().map(|site| site.block.saturating_sub(1)).min().unwrap_or(0);
    let logits = task.objective.rows(task.sentences).saturating_mul(config.vocabulary * 64) / all.max(1);
    GRAPH_BYTES / (bytes_a_token(config, longest, config.layers - below) + logits)
}
