//! The same sentences under many plans: what lies before a plan's first edit is the same as without edits, so it is computed once, and each
//! plan's pass begins at the layer where it begins to differ.
//!
//! One pass without edits climbs from layer to layer (the trunk). At a layer where plans begin to differ it waits, its stream is copied
//! for each of them, and they go on to their ends; so no more than two streams are ever kept. A sweep over all layers runs
//! about half the blocks, and an edit behind the last block runs none. Batches are those of [`Engine::run`], so every bit is too.

use std::collections::BTreeMap;

use crate::{
    Error, Result,
    alarm::{Alarm, Run},
    capture::{Collector, check, check_size, precedes},
    edit::first_layer,
    engine::{BATCH_TOKENS, Captured, Engine, by_length, pack},
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce},
    tokens::Encoded,
};

/// A problem of one of several plans with its number.
pub(crate) fn numbered(plan: usize, plans: usize, result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Plan { why }) if plans > 1 => Err(Error::Plan { why: format!("number {plan}, {why}") }),
        result => result,
    }
}

/// What plans have in common, and what each has of its own.
pub(crate) struct Forks {
    /// Captures that come before the edits of some plan.
    pub(crate) trunk: Plan,
    /// For each plan the layer before whose edits it begins to differ; `None` where it does not, in what is given.
    pub(crate) layers: Vec<Option<usize>>,
}

impl Forks {
    pub(crate) fn new(plans: &[Plan], engine: &Engine, sentences: &[Encoded]) -> Self {
        let config = engine.config();
        let layers: Vec<Option<usize>> = plans.iter().map(|plan| first_layer(plan, config, sentences)).collect();
        Self { trunk: common(plans, &layers), layers }
    }

    /// The product that gives logits may round otherwise where it has other rows. So plans without edits that differ in whether they want
    /// the last token's alone do not share it, and each has the bits of its own pass.
    fn part_logits(&mut self, plans: &[Plan], last: usize) {
        let wants = |plan: &Plan| plan.captures.iter().any(|c| c.site.point == Point::Logits);
        let last_alone =
            |plan: &Plan| plan.captures.iter().all(|c| c.site.point != Point::Logits || c.reduce == Reduce::Last);
        let shared: Vec<usize> =
            (0..plans.len()).filter(|plan| self.layers[*plan].is_none() && wants(&plans[*plan])).collect();
        if shared.iter().any(|plan| last_alone(&plans[*plan]) != last_alone(&plans[shared[0]])) {
            shared.iter().for_each(|plan| self.layers[*plan] = Some(last));
            self.trunk = common(plans, &self.layers);
        }
    }
}

/// What the pass without edits captures: what comes before the edits of some plan.
fn common(plans: &[Plan], layers: &[Option<usize>]) -> Plan {
    let mut captures: Vec<Capture> = Vec::new();
    for (plan, layer) in plans.iter().zip(layers) {
        for capture in plan.captures.iter().filter(|capture| precedes(capture.site, *layer)) {
            if !captures.contains(capture) {
                captures.push(*capture);
            }
        }
    }
    Plan { captures, ..Plan::default() }
}

impl Engine {
    /// Runs each of `plans` on the same `sentences`: what [`Engine::run`] gives for one plan after the other, bit for bit. What plans
    /// have in common before their first edits is computed once, captures included. Ticks once a batch and plan.
    ///
    /// Engines other than the native one compute each plan by itself.
    ///
    /// ```
    /// use babelscope_core::{
    ///     engine::{Engine, LoadOptions},
    ///     monitor::Monitor,
    ///     plan::{Edit, Op, Plan, Reduce, Site, Unit},
    /// };
    /// let monitor = Monitor::silent();
    /// let engine = Engine::load("lab", &LoadOptions::default(), &monitor)?;
    /// let sentences = [engine.tokenizer().encode("A cat sleeps.")?];
    /// let vector = vec![1.0; engine.info().width];
    /// let plans: Vec<Plan> = [0.0, 1.0, 2.0]
    ///     .map(|coefficient| {
    ///         let add = Op::Add { vector: vector.clone().into(), coefficient, unit: Unit::Raw, keep_norm: false };
    ///         Plan { edits: vec![Edit::at(Site::layer(2), add)], ..Plan::layers([1, 3], Reduce::Last) }
    ///     })
    ///     .to_vec();
    /// assert_eq!(engine.run_forks(&sentences, &plans, &monitor)?.len(), 3);
    /// # Ok::<(), babelscope_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Engine::run`]; a plan's problem names its number, from 0.
    pub fn run_forks(&self, sentences: &[Encoded], plans: &[Plan], monitor: &Monitor) -> Result<Vec<Vec<Captured>>> {
        let runs = self.run_forks_watched(sentences, plans, monitor)?;
        runs.into_iter().map(|run| Ok(run.finite()?.captured)).collect()
    }

    /// [`Engine::run_forks`] with what is suspicious and what the edits did.
    ///
    /// # Errors
    /// As [`Engine::run_forks`], but for [`Error::NotFinite`].
    pub fn run_forks_watched(&self, sentences: &[Encoded], plans: &[Plan], monitor: &Monitor) -> Result<Vec<Run>> {
        let (what, total) = ("running sentences", sentences.len() * plans.len());
        let Some(decoder) = self.decoder() else {
            let alone = |(number, plan)| {
                self.run_watched(sentences, plan, &monitor.within(what, number * sentences.len(), total))
            };
            return plans.iter().enumerate().map(alone).collect();
        };
        let config = &decoder.config;
        for (number, plan) in plans.iter().enumerate() {
            numbered(number, plans.len(), check(plan, config, sentences))?;
        }
        let mut forks = Forks::new(plans, self, sentences);
        forks.part_logits(plans, config.layers);
        let late = |(plan, layer): (&Plan, &Option<usize>)| {
            let captures = plan.captures.iter().filter(|capture| !precedes(capture.site, *layer)).copied();
            Plan { captures: captures.collect(), ..plan.clone() }
        };
        let arms: Vec<Plan> = plans.iter().zip(&forks.layers).map(late).collect();
        let kept: Vec<Capture> = [&forks.trunk].into_iter().chain(&arms).flat_map(|p| p.captures.clone()).collect();
        check_size(&kept, config, sentences.iter().map(|sentence| sentence.ids.len()))?;
        // An arm without captures has nothing to compute.
        let mut begin: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (arm, layer) in forks.layers.iter().enumerate() {
            if let Some(layer) = layer.filter(|_| !arms[arm].captures.is_empty()) {
                begin.entry(layer).or_default().push(arm);
            }
        }
        let order = by_length(sentences);
        let collect = |plan| Collector::new(plan, config, sentences, order.clone());
        let mut trunk = collect(&forks.trunk)?;
        if let Some(deepest) = begin.keys().last() {
            trunk.go_to(*deepest);
        }
        let mut collectors: Vec<Collector<'_>> = arms.iter().map(collect).collect::<Result<_>>()?;
        let [mut shared, mut scratch] = [(); 2].map(|()| self.scratch().pop().unwrap_or_default());
        let tick = |done| monitor.tick(Tick { what, done, total, unit: "sentences" });
        tick(0)?;
        let mut first = 0;
        while first < order.len() {
            let batch = pack(sentences, &order, first, BATCH_TOKENS);
            let rows = batch.ids.len();
            let mut done = first * plans.len();
            decoder.enter(&batch, &mut shared, false)?;
            let mut reached = 0;
            for (layer, arms) in &begin {
                decoder.climb(reached..*layer, &batch, &mut shared, &mut trunk, None, monitor)?;
                reached = *layer;
                for arm in arms {
                    decoder.branch(&batch, &shared, rows, &mut scratch);
                    decoder.leave(*layer, &batch, &mut scratch, &mut collectors[*arm], None, monitor)?;
                    done += batch.layout.len();
                    tick(done)?;
                }
            }
            decoder.leave(reached, &batch, &mut shared, &mut trunk, None, monitor)?;
            first += batch.layout.len();
            tick(first * plans.len())?;
        }
        self.scratch().extend([shared, scratch]);
        let (common, _) = trunk.finish_parts()?;
        let arms = plans.iter().zip(&forks.layers).zip(collectors);
        arms.map(|((plan, layer), collector)| joined(plan, *layer, &common, collector)).collect()
    }
}

/// The run of a plan out of what it has in common with others and what is its own.
fn joined(
    plan: &Plan,
    layer: Option<usize>,
    common: &[(Captured, Vec<Alarm>)],
    collector: Collector<'_>,
) -> Result<Run> {
    let (own, applied) = collector.finish_parts()?;
    let mut own = own.into_iter();
    let part = |capture: &Capture| {
        if precedes(capture.site, layer) {
            common.iter().find(|(captured, _)| captured.capture == *capture).cloned()
        } else {
            own.next()
        }
    };
    let (captured, alarms): (Vec<_>, Vec<_>) = plan.captures.iter().filter_map(part).unzip();
    Ok(Run { captured, alarms: alarms.concat(), applied })
}
