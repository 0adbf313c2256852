//! The training loop: seeded, resumable to the bit, measured.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use candle_core::{Device, safetensors};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::{
    documents, facts,
    folder::{aside, replace},
    kernels::cross_entropy,
    model::{Batch, Model},
    optimizer::{AdamW, rate},
    recipe::{Recipe, World},
    tokenizer,
};

/// Where a checkpoint keeps what is not the model.
const STATE: &str = "optimizer.safetensors";
const RECIPE: &str = "recipe.toml";
const PROGRESS: &str = "progress.json";
const METRICS: &str = "metrics.jsonl";
/// The model that the training began with.
const START: &str = "start";
const MODEL: [&str; 2] = ["model.safetensors", "tokenizer.json"];

/// One line of metrics.jsonl.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Steps done.
    pub step: usize,
    /// Mean loss in nats a token over the steps since the last line.
    pub loss: f32,
    /// Learning rate.
    pub rate: f64,
    /// Gradient norm before clipping, at this step.
    pub gradient: f32,
    /// Tokens seen so far, padding not counted.
    pub tokens: usize,
    /// Seconds spent so far, over all resumptions.
    pub seconds: f64,
}

/// How far a checkpoint is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Progress {
    step: usize,
    tokens: usize,
    seconds: f64,
}

/// How the training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// Somebody asked to stop; the checkpoint continues from here.
    Stopped,
}

/// What a model reads: ids with BOS first, and for each id after BOS how much its prediction counts.
pub(super) struct Row {
    pub(super) ids: Vec<u32>,
    pub(super) weights: Vec<f32>,
}

/// Who writes the documents.
enum Source<'a> {
    Small(Box<documents::Author<'a>>),
    Facts(facts::Author),
}

impl<'a> Source<'a> {
    fn new(recipe: &'a Recipe, tokenizer: &'a Tokenizer) -> Result<Self> {
        Ok(match &recipe.world {
            World::Small(small) => {
                Self::Small(Box::new(documents::Author::new(small, recipe.shape.context, tokenizer)?))
            }
            World::Facts(facts) => Self::Facts(facts::Author::new(facts)),
        })
    }

    /// The documents of a step: they depend on the seed and the step alone, so a resumed training continues exactly.
    fn rows(&self, recipe: &Recipe, step: usize) -> Result<Vec<Row>> {
        let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
        rng.set_stream(step as u64 + 1);
        let mut row = || match self {
            Self::Small(author) => {
                let documents::Document { ids, weights, .. } = author.document(&mut rng)?;
                Ok(Row { ids, weights })
            }
            Self::Facts(author) => Ok(author.document(&mut rng)),
        };
        (0..recipe.batch).map(|_| row()).collect()
    }
}

fn vocabulary(recipe: &Recipe) -> Result<Tokenizer> {
    match &recipe.world {
        World::Small(small) if small.problems.is_none() => tokenizer::build_for(&[]),
        World::Small(_) => tokenizer::build(),
        World::Facts(_) => facts::tokenizer(),
    }
}

/// Rows filled up to equal length: inputs, next tokens, and their weights (0 where a row is filled up).
fn batch(rows: &[Row]) -> (Batch, Vec<u32>, Vec<f32>) {
    let length = rows.iter().map(|row| row.weights.len()).max().unwrap_or(0);
    let (mut ids, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let fill = length - row.weights.len();
        ids.extend(row.ids[..row.weights.len()].iter().copied().chain(std::iter::repeat_n(0, fill)));
        targets.extend(row.ids[1..].iter().copied().chain(std::iter::repeat_n(0, fill)));
        weights.extend(row.weights.iter().copied().chain(std::iter::repeat_n(0.0, fill)));
    }
    (Batch { ids, length }, targets, weights)
}

/// Puts the weights of a trained model where `model` begins; rows of the vocabulary that only the new one has stay as they are.
fn begin_with(model: &Model, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    let [weights, words] = MODEL.map(|name| folder.join(name));
    let tensors = safetensors::load(weights, &Device::Cpu)
        .with_context(|| format!("the model to begin with cannot be read\n{}", folder.display()))?;
    let before = Tokenizer::from_file(words).map_err(anyhow::Error::msg)?;
    let rows: Vec<Option<u32>> = (0..tokenizer.get_vocab_size(true) as u32)
        .map(|id| tokenizer.id_to_token(id).and_then(|token| before.token_to_id(&token)))
        .collect();
    model.take_over(&tensors, &rows)
}

/// A training in a folder: `model/` (config.json, tokenizer.json, model.safetensors), `checkpoint/`, `metrics.jsonl`.
pub struct Training {
    folder: PathBuf,
    recipe: Recipe,
    tokenizer: Tokenizer,
    model: Model,
    optimizer: AdamW,
    progress: Progress,
    metrics: File,
}

impl Training {
    /// Begins a training in a folder that does not exist yet, or continues the one that is there. `start` is the model folder of the
    /// training that the recipe begins with; a training that is continued does not need it.
    ///
    /// # Errors
    /// The folder holds something else, or a training by another recipe; the model to begin with is missing, or of another shape.
    pub fn open(folder: &Path, recipe: &Recipe, start: Option<&Path>) -> Result<Self> {
        let tokenizer = vocabulary(recipe)?;
        let model = Model::new(&recipe.shape, tokenizer.get_vocab_size(true), recipe.seed)?;
        let mut optimizer = AdamW::new(&model.parameters());
        let mut progress = Progress::default();
        let checkpoint = folder.join("checkpoint");
        if !checkpoint.exists() && aside(&checkpoint).exists() {
            fs::rename(aside(&checkpoint), &checkpoint)?;
        }
        if checkpoint.exists() {
            let saved: Recipe = toml::from_str(&fs::read_to_string(checkpoint.join(RECIPE))?)?;
            ensure!(
                saved == *recipe,
                "this folder holds a training by another recipe; give --out a new folder\n{}",
                folder.display()
            );
            progress = serde_json::from_str(&fs::read_to_string(checkpoint.join(PROGRESS))?)?;
            let state = safetensors::load(checkpoint.join(STATE), &Device::Cpu)?;
            for (name, var) in model.parameters() {
                var.set(state.get(&format!("w.{name}")).with_context(|| format!("the checkpoint has no {name}"))?)?;
            }
            optimizer.restore(&model.parameters(), &state, progress.step)?;
        } else if folder.exists() && fs::read_dir(folder)?.next().is_some() {
            bail!("this folder is not empty and holds no training; give --out a new folder\n{}", folder.display());
        } else {
            match (&recipe.start, start) {
                (Some(_), Some(start)) => {
                    begin_with(&model, &tokenizer, start)?;
                    fs::create_dir_all(folder.join(START))?;
                    for name in MODEL {
                        fs::copy(start.join(name), folder.join(START).join(name))?;
                    }
                }
                (None, None) => {}
                (Some(_), None) => bail!("this recipe begins with the model of another training, and none was given"),
                (None, Some(_)) => bail!("this recipe begins with untrained weights, but a model was given"),
            }
        }
        fs::create_dir_all(folder)?;
        let metrics = Self::metrics(folder, progress.step)?;
        Ok(Self { folder: folder.to_owned(), recipe: recipe.clone(), tokenizer, model, optimizer, progress, metrics })
    }

    /// metrics.jsonl, open at its end, without the lines that a resumed training will write again.
    fn metrics(folder: &Path, step: usize) -> Result<File> {
        let path = folder.join(METRICS);
        let before = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        let mut kept = tempfile::NamedTempFile::new_in(folder)?;
        for line in before.lines() {
            // A line that was cut by a power failure is of a step that is done again.
            if serde_json::from_str::<Metric>(line).is_ok_and(|metric| metric.step <= step) {
                writeln!(kept, "{line}")?;
            }
        }
        kept.as_file().sync_all()?;
        Ok(kept.persist(&path)?)
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Trains until the recipe's steps are done or `stop` is set, with a checkpoint every `every` steps and at the end.
    ///
    /// # Errors
    /// A file could not be written, or the loss is no longer a number.
    pub fn run(&mut self, stop: &AtomicBool, every: usize) -> Result<End> {
        let recipe = self.recipe.clone();
        let tokenizer = self.tokenizer.clone();
        let source = Source::new(&recipe, &tokenizer)?;
        let bar = ProgressBar::new(recipe.steps as u64)
            .with_position(self.progress.step as u64)
            .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {msg}  {elapsed} gone, {eta} left")?);
        let (start, before) = (Instant::now(), self.progress.seconds);
        let (mut losses, mut counted) = (0.0, 0);
        while self.progress.step < recipe.steps {
            if stop.load(Ordering::Relaxed) {
                self.checkpoint()?;
                bar.abandon_with_message("stopped; the same command continues");
                return Ok(End::Stopped);
            }
            let (loss, tokens, gradient) = self.step(&source)?;
            ensure!(loss.is_finite(), "step {}: the loss is {loss}; a smaller rate may help", self.progress.step);
            self.progress.step += 1;
            self.progress.tokens += tokens;
            self.progress.seconds = before + start.elapsed().as_secs_f64();
            (losses, counted) = (losses + loss, counted + 1);
            let step = self.progress.step;
            if step.is_multiple_of(20) || step == recipe.steps {
                let loss = losses / counted as f32;
                (losses, counted) = (0.0, 0);
                let rate = rate(step - 1, recipe.steps, recipe.warmup, recipe.rate);
                let Progress { tokens, seconds, .. } = self.progress;
                writeln!(
                    self.metrics,
                    "{}",
                    serde_json::to_string(&Metric { step, loss, rate, gradient, tokens, seconds })?
                )?;
                bar.set_message(format!("loss {loss:.3}, {:.1} k tokens/s", tokens as f64 / seconds / 1e3));
                bar.set_position(step as u64);
            }
            if step.is_multiple_of(every) {
                self.checkpoint()?;
            }
        }
        self.checkpoint()?;
        bar.finish();
        Ok(End::Finished)
    }

    /// One step; returns loss, tokens and gradient norm.
    fn step(&mut self, source: &Source<'_>) -> Result<(f32, usize, f32)> {
        let Recipe { steps, warmup, rate: peak, decay, clip, .. } = self.recipe;
        let (batch, targets, weights) = batch(&source.rows(&self.recipe, self.progress.step)?);
        let tokens = weights.iter().filter(|w| **w > 0.0).count();
        let states = self.model.states(&batch)?;
        let last = states.last().context("there is always layer 0")?;
        let loss = cross_entropy(&self.model.logits(last)?, targets, weights)?;
        let gradients = loss.backward()?;
        let now = rate(self.progress.step, steps, warmup, peak) as f32;
        let norm = self.optimizer.step(&self.model.parameters(), &gradients, now, decay, clip)?;
        Ok((loss.to_scalar()?, tokens, norm))
    }

    /// Writes `checkpoint/` (all that is needed to continue) and `model/` (what the engine reads), each whole or not at all.
    fn checkpoint(&mut self) -> Result<()> {
        self.metrics.sync_all()?;
        let Self { folder: home, recipe, tokenizer, model, optimizer, progress, .. } = self;
        replace(&home.join("checkpoint"), |folder| {
            let mut state = optimizer.state(&model.parameters())?;
            for (name, var) in model.parameters() {
                state.insert(format!("w.{name}"), var.as_tensor().clone());
            }
            safetensors::save(&state, folder.join(STATE))?;
            fs::write(folder.join(RECIPE), toml::to_string(recipe)?)?;
            Ok(fs::write(folder.join(PROGRESS), serde_json::to_string(progress)?)?)
        })?;
        let result = model.copy()?;
        if recipe.start.is_some() && progress.step == recipe.steps {
            let before = model.copy()?;
            begin_with(&before, tokenizer, &home.join(START))?;
            result.blend(&before, recipe.blend)?;
        }
        replace(&home.join("model"), |folder| {
            result.export(folder)?;
            tokenizer.save(folder.join("tokenizer.json"), false).map_err(anyhow::Error::msg)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lab::{model::Shape, recipe::Condition};

    fn recipe() -> Recipe {
        Recipe { steps: 6, batch: 4, warmup: 2, ..Recipe::facts(Condition::Mix) }
    }

    fn weights(folder: &Path) -> BTreeMap<String, Vec<f32>> {
        let tensors = safetensors::load(folder.join("model/model.safetensors"), &Device::Cpu).unwrap();
        tensors.into_iter().map(|(name, t)| (name, t.flatten_all().unwrap().to_vec1().unwrap())).collect()
    }

    #[test]
    fn a_training_that_was_stopped_ends_at_the_same_weights() {
        let home = tempfile::tempdir().unwrap();
        let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
        let go = AtomicBool::new(false);
        assert_eq!(Training::open(&whole, &recipe(), None).unwrap().run(&go, 100).unwrap(), End::Finished);

        let mut first = Training::open(&parts, &recipe(), None).unwrap();
        let (told, words) = (recipe(), vocabulary(&recipe()).unwrap());
        for _ in 0..3 {
            first.step(&Source::new(&told, &words).unwrap()).unwrap();
            first.progress.step += 1;
        }
        assert_eq!(first.run(&AtomicBool::new(true), 100).unwrap(), End::Stopped);
        drop(first);
        // The power failed while the new checkpoint took the old one's place.
        fs::rename(parts.join("checkpoint"), aside(&parts.join("checkpoint"))).unwrap();
        assert_eq!(Training::open(&parts, &recipe(), None).unwrap().run(&go, 100).unwrap(), End::Finished);
        assert_eq!(weights(&whole), weights(&parts));
    }

    #[test]
    fn a_folder_of_another_training_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("training");
        Training::open(&folder, &recipe(), None).unwrap().run(&AtomicBool::new(true), 100).unwrap();
        let other = Recipe { seed: 1, ..recipe() };
        assert!(Training::open(&folder, &other, None).err().unwrap().to_string().contains("another recipe"));
        std::fs::write(home.path().join("mine.txt"), "mine").unwrap();
        assert!(Training::open(home.path(), &recipe(), None).err().unwrap().to_string().contains("not empty"));
    }

    #[test]
    fn a_second_training_begins_with_the_weights_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("first"), home.path().join("second"));
        let shape = Shape { width: 16, layers: 1, heads: 2, inner: 16, context: 64, tied: true };
        let small = |recipe: Recipe| Recipe { steps: 1, batch: 2, shape: shape.clone(), ..recipe };
        let told = small(Recipe::told());
        Training::open(&first, &told, None).unwrap().run(&AtomicBool::new(false), 100).unwrap();
        let recipe = Recipe { start: Some(Box::new(told)), ..small(Recipe::small()) };
        assert!(Training::open(&second, &recipe, None).err().unwrap().to_string().contains("none was given"));
        let begun = Training::open(&second, &recipe, Some(&first.join("model"))).unwrap();

        let before = Tokenizer::from_file(first.join("model/tokenizer.json")).unwrap();
        let (old, new) = (weights(&first), begun.model().tensors().unwrap());
        for (name, tensor) in new.iter().filter(|(name, _)| !name.contains("embed")) {
            assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), old[name], "{name}");
        }
        let rows = new["model.embed_tokens.weight"].to_vec2::<f32>().unwrap();
        let row = |token: &str| rows[begun.tokenizer().token_to_id(token).unwrap() as usize].clone();
        for word in ["▁Anna", "▁cats", "ม้า", "."] {
            let at = before.token_to_id(word).unwrap() as usize * 16;
            assert_eq!(row(word), old["model.embed_tokens.weight"][at..at + 16], "{word}");
        }
        assert!(before.token_to_id("▁finds").is_none() && row("▁finds").iter().all(|x| *x != 0.0));
    }

    #[test]
    fn the_result_is_a_blend_of_what_was_learnt_and_what_was_known() {
        let home = tempfile::tempdir().unwrap();
        let shape = Shape { width: 16, layers: 1, heads: 2, inner: 16, context: 64, tied: true };
        let small = |recipe: Recipe| Recipe { steps: 2, batch: 2, shape: shape.clone(), ..recipe };
        let told = small(Recipe::told());
        let first = home.path().join("first");
        Training::open(&first, &told, None).unwrap().run(&AtomicBool::new(false), 100).unwrap();
        let trained = |blend: f64| {
            let recipe = Recipe { start: Some(Box::new(told.clone())), blend, ..small(Recipe::small()) };
            let folder = home.path().join(format!("second {blend}"));
            let mut training = Training::open(&folder, &recipe, Some(&first.join("model"))).unwrap();
            training.run(&AtomicBool::new(false), 100).unwrap();
            let words = Tokenizer::from_file(folder.join("model/tokenizer.json")).unwrap();
            (weights(&folder), words)
        };
        let ((whole, words), (half, _)) = (trained(1.0), trained(0.5));
        let (old, name) = (weights(&first), "model.layers.0.mlp.down_proj.weight");
        for ((half, whole), old) in half[name].iter().zip(&whole[name]).zip(&old[name]) {
            assert!((half - (whole + old) / 2.0).abs() < 1e-7);
        }
        let table = "model.embed_tokens.weight";
        let at = words.token_to_id("▁finds").unwrap() as usize * 16;
        assert_eq!(half[table][at..at + 16], whole[table][at..at + 16]);
    }

    #[test]
    fn training_lowers_the_loss_and_writes_it_down() {
        let home = tempfile::tempdir().unwrap();
        let recipe = Recipe { steps: 60, batch: 8, warmup: 5, ..Recipe::facts(Condition::Mix) };
        Training::open(home.path(), &recipe, None).unwrap().run(&AtomicBool::new(false), 100).unwrap();
        let text = fs::read_to_string(home.path().join(METRICS)).unwrap();
        let losses: Vec<f32> = text.lines().map(|l| serde_json::from_str::<Metric>(l).unwrap().loss).collect();
        assert_eq!(losses.len(), 3);
        assert!(losses[2] < losses[0] - 0.1, "{losses:?}");
    }
}
