//! The prompts with their states, and the cells of each experiment on a pair of them.

use std::collections::BTreeSet;

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Edit, Plan, Reduce, Site, Vector},
    tokens::Encoded,
};
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{
    super::{
        cells::{Cell, layers, plain, replace, run},
        metric::{Metric, Sides, top},
        refuse,
        report::{PatchedRun, Side},
    },
    CrossExperiment, CrossParams,
    outcome::{Outcomes, Sets, Table},
    prompts::Asked,
};
use crate::Result;

/// What the experiments share.
pub(super) struct Bench<'a> {
    pub(super) engine: &'a Engine,
    pub(super) params: &'a CrossParams,
    pub(super) layers: Vec<usize>,
    pub(super) asked: Vec<Asked>,
    encoded: Vec<Encoded>,
    /// Whether the model answers each prompt.
    answered: Vec<bool>,
    /// State of the last token, `[layer index][prompt]`.
    last: Vec<Vec<Vector>>,
    /// State of the object's last token at **all** layers, `[layer][prompt]`, empty for prompts without one.
    object: Vec<Vec<Vector>>,
}

/// The experiment that takes the mean over languages.
pub(super) const MEAN: &str = "object_mean";

/// The cells of an experiment: layer after layer for each pair.
pub(super) struct Experiment {
    pub(super) variant: &'static str,
    /// Indices of the pairs.
    pairs: Vec<usize>,
    cells: Vec<Cell>,
}

/// A pair of prompts with what is read behind the target.
pub(super) struct Drawn {
    source: usize,
    target: usize,
    sets: Sets,
}

impl<'a> Bench<'a> {
    pub(super) fn new(engine: &'a Engine, params: &'a CrossParams, seed: u64, monitor: &Monitor) -> Result<Self> {
        let made = params.translation.as_ref().map(|t| t.prompts(&params.concepts, seed)).unwrap_or_default();
        let asked = params.prompts.iter().chain(&made).map(|prompt| Asked::new(prompt, &params.concepts, engine));
        let asked = asked.collect::<Result<Vec<Asked>>>()?;
        let encoded: Vec<Encoded> = asked.iter().map(|asked| asked.encoded.clone()).collect();
        let layers = layers(&params.layers, 0, engine)?;
        let quiet = monitor.quiet();
        let last = states(engine, &encoded, &layers, &quiet)?;
        let mut object = Vec::new();
        if params.experiments.contains(&CrossExperiment::Object) {
            let whole: Vec<Encoded> = asked.iter().filter_map(Asked::up_to_object).collect();
            let all: Vec<usize> = (0..=engine.info().layers).collect();
            for row in states(engine, &whole, &all, &quiet)? {
                let mut row = row.into_iter();
                let own = |asked: &Asked| asked.object.and_then(|_| row.next()).unwrap_or_else(|| Vec::new().into());
                object.push(asked.iter().map(own).collect());
            }
        }
        let tops = plain(engine, &encoded, &quiet, |_, logits| top(logits))?;
        let mut bench = Self { engine, params, layers, asked, encoded, answered: Vec::new(), last, object };
        bench.answered = tops.iter().enumerate().map(|(at, top)| bench.accepts(at, *top)).collect();
        Ok(bench)
    }

    fn accepts(&self, prompt: usize, top: Option<u32>) -> bool {
        let asked = &self.asked[prompt];
        let ids = Sets::words(self, asked, asked.concept, &asked.language);
        top.is_some_and(|top| ids.is_ok_and(|ids| ids.contains(&top)))
    }

    /// The languages that are named, or all that prompts are answered in.
    pub(super) fn languages(&self, named: &[String]) -> Result<Vec<String>> {
        let mut known: Vec<String> = Vec::new();
        for asked in &self.asked {
            if !known.contains(&asked.language) {
                known.push(asked.language.clone());
            }
        }
        match named.iter().find(|language| !known.contains(language)) {
            Some(language) => refuse(format!("no prompt is answered in {language}; there are {}", known.join(", "))),
            None if named.is_empty() => Ok(known),
            None => Ok(named.to_vec()),
        }
    }

    /// Pairs of prompts of two languages and two concepts, in an order of the seed, whose words can be told apart.
    pub(super) fn draw(
        &self,
        source: &str,
        target: &str,
        rng: &mut ChaCha8Rng,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Drawn>> {
        let of = |language: &str| -> Vec<usize> {
            let fits =
                |at: &usize| self.asked[*at].language == language && (self.answered[*at] || !self.params.only_answered);
            (0..self.asked.len()).filter(fits).collect()
        };
        let (from, to) = (of(source), of(target));
        let mut all: Vec<(usize, usize)> = from.iter().flat_map(|s| to.iter().map(move |t| (*s, *t))).collect();
        all.retain(|(s, t)| self.asked[*s].concept != self.asked[*t].concept);
        all.shuffle(rng);
        let (mut pairs, mut left_out, mut first) = (Vec::new(), 0, None);
        for (source, target) in all {
            if pairs.len() == self.params.pairs {
                break;
            }
            match Sets::new(self, source, target) {
                Ok(sets) => pairs.push(Drawn { source, target, sets }),
                Err(crate::Error::Input { why, .. }) => {
                    left_out += 1;
                    first.get_or_insert(why);
                }
                Err(other) => return Err(other),
            }
        }
        if left_out > 0 {
            let why = first.unwrap_or_default();
            notes.push(format!(
                "{source} into {target}: {left_out} pairs of prompts are left out, the first because {why}"
            ));
        }
        if pairs.is_empty() {
            let answered = if self.params.only_answered { " that the model answers" } else { "" };
            notes.push(format!(
                "{source} into {target}: no pair of prompts{answered} ({} and {} prompts) is left",
                from.len(),
                to.len()
            ));
        }
        Ok(pairs)
    }

    /// The experiments on these pairs. A pair that lacks a prompt for one of them is left out of it. `seen` holds the concept and the
    /// target of what a mean over languages was already taken for: it does not depend on the source's language.
    pub(super) fn experiments(&self, pairs: &[Drawn], seen: &mut BTreeSet<(usize, usize)>) -> Vec<Experiment> {
        let wants = |experiment| self.params.experiments.contains(&experiment);
        let mut all = Vec::new();
        let mut push = |variant, cells: &mut dyn FnMut(&Drawn) -> Option<Vec<Cell>>| {
            let mut experiment = Experiment { variant, pairs: Vec::new(), cells: Vec::new() };
            for (at, pair) in pairs.iter().enumerate() {
                if let Some(cells) = cells(pair) {
                    experiment.pairs.push(at);
                    experiment.cells.extend(cells);
                }
            }
            all.push(experiment);
        };
        if wants(CrossExperiment::Last) || wants(CrossExperiment::Factorial) {
            push("both", &mut |pair| Some(self.at_last(pair.target, pair.source)));
        }
        if wants(CrossExperiment::Factorial) {
            let (source, target) = (|p: &Drawn| self.asked[p.source].concept, |p: &Drawn| self.asked[p.target].concept);
            push("concept", &mut |p| Some(self.at_last(p.target, self.like(p.target, source(p))?)));
            push("language", &mut |p| Some(self.at_last(p.target, self.like(p.source, target(p))?)));
        }
        if wants(CrossExperiment::Object) {
            push("object", &mut |pair| self.at_object(pair.target, &self.object_of(&[pair.source])));
            push(MEAN, &mut |pair| {
                let new = seen.insert((self.asked[pair.source].concept, pair.target));
                new.then(|| self.at_object(pair.target, &self.object_of(&self.elsewhere(pair))))?
            });
        }
        all
    }

    /// The prompt of another concept that is asked as this one.
    fn like(&self, prompt: usize, concept: usize) -> Option<usize> {
        let Asked { language, input, .. } = &self.asked[prompt];
        self.asked.iter().position(|a| a.concept == concept && a.language == *language && a.input == *input)
    }

    /// Prompts of the source's concept in all languages but the target's.
    fn elsewhere(&self, pair: &Drawn) -> Vec<usize> {
        let (concept, language) = (self.asked[pair.source].concept, &self.asked[pair.target].language);
        let sources = &self.params.sources;
        let fits = |at: &usize| {
            let asked = &self.asked[*at];
            let gives = sources.is_empty() || sources.contains(&asked.language);
            gives && asked.concept == concept && asked.language != *language && asked.object.is_some()
        };
        (0..self.asked.len()).filter(fits).collect()
    }

    fn at_last(&self, target: usize, donor: usize) -> Vec<Cell> {
        let cell = |(layer, states): (&usize, &Vec<Vector>)| {
            let edit = replace(Site::layer(*layer), vec![self.asked[target].last()], vec![states[donor].clone()]);
            Cell { prompt: target, edits: vec![edit] }
        };
        self.layers.iter().zip(&self.last).map(cell).collect()
    }

    /// Mean state of the objects' last tokens, by layer; empty where a prompt has none.
    fn object_of(&self, prompts: &[usize]) -> Vec<Vector> {
        let mean = |states: &Vec<Vector>| {
            let own: Vec<&Vector> = prompts.iter().map(|at| &states[*at]).filter(|state| !state.is_empty()).collect();
            let width = own.first().map_or(0, |state| state.len());
            let of = |i: usize| own.iter().map(|state| f64::from(state[i])).sum::<f64>() / own.len() as f64;
            (0..width).map(|i| of(i) as f32).collect::<Vec<f32>>().into()
        };
        self.object.iter().map(mean).collect()
    }

    fn at_object(&self, target: usize, states: &[Vector]) -> Option<Vec<Cell>> {
        let object = self.asked[target].object?;
        if states.iter().any(|state| state.is_empty()) {
            return None;
        }
        let from = |first: &usize| {
            let later = states.iter().enumerate().skip(*first);
            let edits: Vec<Edit> =
                later.map(|(layer, state)| replace(Site::layer(layer), vec![object], vec![state.clone()])).collect();
            Cell { prompt: target, edits }
        };
        Some(self.layers.iter().map(from).collect())
    }

    /// Runs an experiment: `[pair][layer]`.
    pub(super) fn read(&self, pairs: &[Drawn], of: Experiment, monitor: &Monitor) -> Result<Vec<Vec<Outcomes>>> {
        let each = self.layers.len();
        let score = |at: usize, logits: &[f32]| pairs[of.pairs[at / each]].sets.read(logits);
        let read = run(self.engine, &self.encoded, of.cells, "patching prompts", &monitor.quiet(), score)?;
        Ok(read.chunks(each).map(<[Outcomes]>::to_vec).collect())
    }

    /// The target prompts as they are, and what the source prompts say themselves.
    pub(super) fn unpatched(
        &self,
        pairs: &[Drawn],
        table: &mut Table,
        (source, target): (&str, &str),
        monitor: &Monitor,
    ) -> Result<Vec<Vec<f32>>> {
        let prompts = pairs.iter().map(|pair| pair.target).chain(pairs.iter().map(|pair| pair.source));
        let cells = prompts.map(|prompt| Cell { prompt, edits: Vec::new() }).collect();
        let n = pairs.len();
        let score = |at: usize, logits: &[f32]| {
            (pairs[at % n].sets.read(logits), at.is_multiple_of(n).then(|| logits.to_vec()))
        };
        let read = run(self.engine, &self.encoded, cells, "patching prompts", &monitor.quiet(), score)?;
        let mut kept = Vec::new();
        for (half, variant) in read.chunks(n).zip(["unpatched", "source"]) {
            let outcomes: Vec<Vec<Outcomes>> = half.iter().map(|(outcomes, _)| vec![outcomes.clone()]).collect();
            table.add_unpatched((target, source), variant, &outcomes);
            kept.extend(half.iter().filter_map(|(_, logits)| logits.clone()));
        }
        Ok(kept)
    }

    /// The first pair as a person reads it: the source is what gives, the target what is changed.
    pub(super) fn example(&self, pair: &Drawn, logits: &[Vec<f32>]) -> Result<PatchedRun> {
        let side = |prompt: usize, logits: &[f32]| {
            let asked = &self.asked[prompt];
            let ids = Sets::words(self, asked, asked.concept, &asked.language)?;
            let sides = Sides { answer: ids, wrong: Vec::new() };
            let value = Metric::Prob.value(logits, &sides, logits);
            Ok::<_, crate::Error>((
                Side::new(&asked.text, &asked.encoded, logits, value, self.engine.tokenizer()),
                sides,
            ))
        };
        let (source, sides) = side(pair.source, &logits[1])?;
        let (target, _) = side(pair.target, &logits[0])?;
        let (of, to) = (&self.asked[pair.source], &self.asked[pair.target]);
        let concept = |asked: &Asked| &self.params.concepts[asked.concept].name;
        let title = format!("{} in {} into {} in {}", concept(of), of.language, concept(to), to.language);
        let mut run = PatchedRun::new(&title, &of.language, source, Metric::Prob, sides);
        run.corrupt = Some(target);
        Ok(run)
    }
}

/// States of the last token of each sentence, `[layer index][sentence]`.
fn states(engine: &Engine, sentences: &[Encoded], layers: &[usize], monitor: &Monitor) -> Result<Vec<Vec<Vector>>> {
    let plan = Plan::layers(layers.iter().copied(), Reduce::Last);
    let mut all = Vec::new();
    for captured in engine.run(sentences, &plan, monitor)? {
        if let Values::Pooled(rows) = captured.values {
            let rows = rows.to_vec2::<f32>().map_err(babelscope_core::Error::from)?;
            all.push(rows.into_iter().map(Vector::from).collect());
        }
    }
    Ok(all)
}
