//! Layer by layer: the pivots of a layer are held, every other language is read by the thread that measures it, and dropped.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;

use super::{
    AlignParams, AlignReport,
    cell::{Cell, Drawn, Rules, cells},
    notes::{self, Told},
    nulls::Nulls,
    over::Over,
    pairs::Pairs,
    prepare::{Family, Layer, families},
    rows::{self, Of, adjust},
    unit::Unit,
};
use crate::{Error, Result, bootstrap::Draws, measure::Measured, source::StateSource};

/// Measures the languages of a range against the pivots.
pub(super) fn walk(
    source: &dyn StateSource,
    languages: &RangeInclusive<usize>,
    params: &AlignParams,
    monitor: &Monitor,
) -> Result<AlignReport> {
    let pairs = Pairs::new(source, languages, params)?;
    let families = families(params);
    let draws = Draws::new(source.sentences(), params.bootstrap, params.seed)?;
    let nulls = Nulls::new(source, params, &pairs.computed)?;
    let rules = Rules { ties: params.ties, draws: &draws, shuffled: nulls.shuffled(), outcomes: params.outcomes };
    let centrings = params.centrings.len();
    let total = pairs.computed.len() * source.layers().len() * centrings;
    let walk = Walk { source, languages, pairs, families, rules, nulls: &nulls, monitor, total, done: Mutex::new(0) };
    let mut found = Walked {
        cells: Vec::with_capacity(total),
        over: (0..walk.pairs.computed.len() * centrings).map(|_| Over::new()).collect(),
        told: Vec::new(),
    };
    // So many layers at a time as it takes to keep the cores busy, no more.
    let together = rayon::current_num_threads().div_ceil(walk.tasks().len().max(1));
    let layers: Vec<usize> = (0..source.layers().len()).collect();
    for some in layers.chunks(together) {
        walk.layers(some, centrings, &mut found)?;
    }
    Ok(walk.report(found, params))
}

/// One piece of work at a layer.
enum Task {
    /// A language that is not held, with the places of its pairs.
    Language(usize, Vec<usize>),
    /// A pair of languages that are held.
    Held(usize),
}

struct Walk<'a> {
    source: &'a dyn StateSource,
    languages: &'a RangeInclusive<usize>,
    pairs: Pairs,
    families: Vec<Family>,
    rules: Rules<'a>,
    nulls: &'a Nulls<'a>,
    monitor: &'a Monitor,
    total: usize,
    done: Mutex<usize>,
}

struct Walked {
    /// `[layer][pair][centring]`.
    cells: Vec<Cell>,
    /// `[pair][centring]`.
    over: Vec<Over>,
    told: Vec<Told>,
}

/// What a task gives: cells of pairs, by their places, for each centring.
type Given = (Option<Told>, Vec<(usize, Vec<(Cell, Drawn)>)>);

impl Walk<'_> {
    fn tasks(&self) -> Vec<Task> {
        let (held, open): (Vec<usize>, Vec<usize>) =
            (0..self.pairs.computed.len()).partition(|at| self.pairs.held[self.pairs.computed[*at].language]);
        let mut tasks: Vec<Task> = held.into_iter().map(Task::Held).collect();
        for language in self.languages.clone().filter(|language| !self.pairs.held[*language]) {
            let mine = open.iter().copied().filter(|at| self.pairs.computed[*at].language == language).collect();
            tasks.push(Task::Language(language, mine));
        }
        tasks
    }

    /// Measures some layers at once.
    fn layers(&self, some: &[usize], centrings: usize, found: &mut Walked) -> Result<()> {
        let layers: Vec<Layer<'_>> =
            some.iter().map(|at| Layer::new(self.source, *at, &self.families)).collect::<Result<_>>()?;
        // `[layer][language]`, where it is held.
        let held: Vec<Vec<Option<Vec<Unit<'_>>>>> = (layers.par_iter())
            .map(|layer| {
                let held = self.pairs.held.par_iter().enumerate();
                held.map(|(at, held)| held.then(|| layer.units(at)).transpose()).collect::<Result<_>>()
            })
            .collect::<Result<_>>()?;
        let work: Vec<(usize, Task)> =
            (0..layers.len()).flat_map(|at| self.tasks().into_iter().map(move |task| (at, task))).collect();
        let given: Vec<(usize, Given)> = (work.into_par_iter())
            .map(|(at, task)| Ok((at, self.task(&layers[at], &held[at], &task)?)))
            .collect::<Result<_>>()?;
        for (layer, held) in layers.iter().zip(&held) {
            for (language, units) in held.iter().enumerate().filter(|(l, _)| self.languages.contains(l)) {
                found
                    .told
                    .extend(units.as_ref().map(|units| Told::new(language, layer.number(), units, &self.families)));
            }
        }
        // Sums over the layers are taken in one order, whichever thread was first.
        let per_layer = self.pairs.computed.len();
        let mut cells: Vec<Option<Cell>> = (0..some.len() * per_layer * centrings).map(|_| None).collect();
        for (at, (told, pairs)) in given {
            found.told.extend(told);
            for (pair, all) in pairs {
                for (centring, (cell, drawn)) in all.into_iter().enumerate() {
                    let over = &mut found.over[pair * centrings + centring];
                    over.add(layers[at].number(), cell.shares[0].value, drawn);
                    cells[(at * per_layer + pair) * centrings + centring] = Some(cell);
                }
            }
        }
        found.cells.extend(cells.into_iter().flatten());
        Ok(())
    }

    fn task(&self, layer: &Layer<'_>, held: &[Option<Vec<Unit<'_>>>], task: &Task) -> Result<Given> {
        self.monitor.check()?;
        match task {
            Task::Held(at) => {
                let language = held[self.pairs.computed[*at].language].as_deref().unwrap_or_default();
                Ok((None, vec![(*at, self.pair(*at, layer, held, language)?)]))
            }
            Task::Language(language, mine) => {
                let units = layer.units(*language)?;
                let told = Told::new(*language, layer.number(), &units, &self.families);
                let pairs = mine.iter().map(|at| Ok((*at, self.pair(*at, layer, held, &units)?)));
                Ok((Some(told), pairs.collect::<Result<_>>()?))
            }
        }
    }

    /// The cells of a pair at a layer, for each centring.
    fn pair(
        &self,
        at: usize,
        layer: &Layer<'_>,
        held: &[Option<Vec<Unit<'_>>>],
        language: &[Unit<'_>],
    ) -> Result<Vec<(Cell, Drawn)>> {
        let pair = self.pairs.computed[at];
        let pivot = held[pair.pivot].as_deref().unwrap_or_default();
        layer.same_width(pivot, language, (pair.pivot, pair.language))?;
        let all = |matched: Option<&_>| {
            let mut all = Vec::new();
            for ((family, pivot), language) in self.families.iter().zip(pivot).zip(language) {
                let found = if pair.exchanged {
                    cells(language, pivot, &family.centred, &self.rules, matched)
                } else {
                    cells(pivot, language, &family.centred, &self.rules, matched)
                };
                all.extend(family.places.iter().copied().zip(found));
            }
            all
        };
        let mut all = match self.nulls.matched(at, pair, |matched| all(Some(matched)))? {
            Some(all) => all,
            None => all(None),
        };
        all.sort_by_key(|(place, _)| *place);
        // The lock is held over the tick so that progress never runs backwards.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += all.len();
        self.monitor.tick(Tick { what: "measuring alignment", done: *done, total: self.total, unit: "cells" })?;
        Ok(all.into_iter().map(|(_, cell)| cell).collect())
    }

    fn report(self, mut found: Walked, params: &AlignParams) -> AlignReport {
        let (names, layers, n) = (self.source.languages(), self.source.layers(), self.source.sentences());
        let centrings = params.centrings.len();
        let mut cells = Vec::with_capacity(self.pairs.reported.len() * layers.len() * centrings);
        let mut measured = Measured::default();
        for reported in &self.pairs.reported {
            let (language, pivot) = (names[reported.language].as_str(), names[reported.pivot].as_str());
            let at = |layer: usize, c: usize| {
                &found.cells[(layer * self.pairs.computed.len() + reported.at) * centrings + c]
            };
            for (place, &layer) in layers.iter().enumerate() {
                for (c, &centring) in params.centrings.iter().enumerate() {
                    cells.push(at(place, c).reported(reported.mirrored, (language, pivot), layer, centring, n));
                }
            }
            for (c, centring) in params.centrings.iter().enumerate() {
                let intervals = params.bootstrap > 0;
                let of = Of { language, pivot, centring: centring.name(), n, intervals, mirrored: reported.mirrored };
                for (place, &layer) in layers.iter().enumerate() {
                    of.at_layer(layer, at(place, c), &mut measured.rows);
                }
                of.over_layers(&found.over[reported.at * centrings + c], &mut measured.rows);
            }
        }
        found.told.sort_by_key(|told| (told.language, told.layer));
        for told in &found.told {
            for (centring, value) in params.centrings.iter().zip(&told.anisotropy) {
                let name = &names[told.language];
                measured.rows.push(rows::anisotropy(name, told.layer, centring.name(), *value, n));
            }
        }
        adjust(&mut measured.rows);
        let chance = |values: usize| 1.0 / values as f64;
        let mut notes = notes::sentences(&found.told, names, n, params.ties);
        notes.extend(self.nulls.note(&self.pairs.computed));
        AlignReport { cells, chance_mexa: chance(2 * n - 1), chance_recall: chance(n), notes, tokens: 0, measured }
    }
}

/// # Errors
/// Fewer than 4 sentences.
pub(super) fn enough(n: usize, whose: &str) -> Result<()> {
    if n >= 4 {
        return Ok(());
    }
    let why = format!(
        "{whose} has {n} sentences; at least 4 are needed for intervals and nulls, and 200 or more for a score that says much"
    );
    Err(Error::Input { measure: "align", why })
}
