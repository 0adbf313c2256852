//! One source and one target: the grid of layers and strengths, the choice on one half of the prompts, the controls on the other.

use babelscope_core::{monitor::Monitor, plan::Edit, tokens::Encoded};

use super::{
    Sample,
    cell::{Averages, Place, rows},
    effects,
    session::{Judged, Session},
    speak::{Set, speak},
};
use crate::{
    Result,
    measure::Row,
    steer::{
        Application, Contrast, Control, Operator, SteeringVector, Strength, apply, controls::as_long_as, propensity,
        random_vector,
    },
};

/// What one pair gave.
#[derive(Default)]
pub(super) struct Pair {
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
    pub(super) samples: Vec<Sample>,
    pub(super) strengths: Vec<Strength>,
}

/// Which prompts: those that choose are at even places, those that report at odd ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Both,
    Reports,
}

/// A cell before its outputs are there: several vectors of one control share it.
struct Arm<'a> {
    place: Place<'a>,
    half: Half,
    /// Edits of each vector; one empty list where nothing is done.
    edits: Vec<Vec<Edit>>,
    prompts: Vec<Encoded>,
}

/// A cell with its outputs, one run a vector, or why there are none.
struct Cell<'a> {
    place: Place<'a>,
    runs: std::result::Result<Vec<Vec<Judged>>, String>,
}

pub(super) fn pair(
    session: &Session<'_>,
    (source, target): (&str, &str),
    vector: &SteeringVector,
    other: Option<&SteeringVector>,
    monitor: &Monitor,
) -> Result<Pair> {
    let names = (source, target);
    let mut found = Pair::default();
    let layers = super::layers(session.engine, session.params);
    let groups: Vec<&[usize]> = if session.params.together { vec![&layers] } else { layers.chunks(1).collect() };
    let groups: Vec<&[usize]> = groups.into_iter().filter(|group| has(vector, group)).collect();
    if groups.is_empty() {
        found.notes.push(format!("{source} to {target}: the two means are equal there, so there is no vector"));
        return Ok(found);
    }
    let mut grid = Vec::new();
    for group in groups {
        for strength in &session.params.strengths {
            let applied = apply(&[(vector, &application(session, target, group, *strength)?)])?;
            found.strengths.extend(applied.strengths);
            let place = Place { source, target, layers: group, strength: *strength, arm: "steered" };
            grid.push(Arm { place, half: Half::Both, edits: vec![applied.edits], prompts: plain(session, source) });
        }
    }
    let cells = outputs(session, names, grid, monitor)?;
    let Some(best) = choose(&cells, target) else {
        found.notes.push(format!("{source} to {target}: every strength made a state overflow"));
        found.take(session, &cells, None);
        return Ok(found);
    };
    let Place { layers: group, strength, .. } = cells[best].place;
    found.take(session, &cells, Some(best));
    let chosen = cells[best].place.clone();
    found.rows.extend(on_choice(&cells[best], target).into_iter().map(|row| chosen.put(row)));

    let arms = controls(session, names, (vector, other), group)?;
    let held = outputs(session, names, arms, monitor)?;
    found.take(session, &held, None);
    found.compare(session, &cells[best], &held, strength);
    found.rows.extend(tendency(session, names, vector, group, monitor)?);
    if session.params.side_effects {
        let how = application(session, target, group, strength)?;
        found.rows.extend(effects::rows(session, &chosen, vector, &how, monitor)?);
    }
    Ok(found)
}

/// Whether a vector has a direction at each of the layers.
fn has(vector: &SteeringVector, layers: &[usize]) -> bool {
    layers.iter().all(|layer| vector.layers.contains_key(layer))
}

fn plain(session: &Session<'_>, source: &str) -> Vec<Encoded> {
    session.of(source).iter().map(|(prompt, _)| prompt.clone()).collect()
}

fn application(session: &Session<'_>, target: &str, layers: &[usize], strength: f64) -> Result<Application> {
    let params = session.params;
    let reference = match params.operator {
        Operator::AffineAblate => session.means.reference(target)?,
        _ => Default::default(),
    };
    Ok(Application {
        layers: layers.to_vec(),
        strength,
        unit: params.unit,
        operator: params.operator,
        positions: params.positions.positions(),
        reference,
        ..Application::default()
    })
}

/// The controls at the chosen layers, at every strength.
fn controls<'a>(
    session: &Session<'_>,
    (source, target): (&'a str, &'a str),
    (vector, other): (&SteeringVector, Option<&SteeringVector>),
    group: &'a [usize],
) -> Result<Vec<Arm<'a>>> {
    let place = |arm, strength, layers| Place { source, target, layers, strength, arm };
    let mut arms = Vec::new();
    let still = |arm: &'static str, prompts: Vec<Encoded>| Arm {
        place: place(arm, 0.0, &[]),
        half: Half::Reports,
        edits: vec![Vec::new()],
        prompts,
    };
    if session.wants(Control::None) {
        arms.push(still("none", plain(session, source)));
    }
    if session.wants(Control::Prompt) {
        arms.push(still("prompt", asked(session, source, target)?));
    }
    let mut vectors: Vec<(&'static str, Vec<SteeringVector>)> = Vec::new();
    if session.wants(Control::Random) {
        let random = (0..session.params.random).map(|nth| random_vector(vector, session.seed, nth));
        vectors.push(("random", random.collect()));
    }
    if session.wants(Control::Shuffled) {
        let shuffled = session.means.shuffled(source, target, group)?;
        vectors.push(("shuffled", vec![as_long_as(shuffled, vector)]));
    }
    if let Some(other) = other.filter(|_| session.wants(Control::Other)) {
        vectors.push(("other", vec![as_long_as(other.clone(), vector)]));
    }
    for (arm, vectors) in vectors {
        for strength in &session.params.strengths {
            let how = application(session, target, group, *strength)?;
            let there = vectors.iter().filter(|vector| has(vector, group));
            let edits: Vec<Vec<Edit>> =
                there.map(|vector| Ok(apply(&[(vector, &how)])?.edits)).collect::<Result<_>>()?;
            if !edits.is_empty() {
                let place = place(arm, *strength, group);
                arms.push(Arm { place, half: Half::Reports, edits, prompts: plain(session, source) });
            }
        }
    }
    Ok(arms)
}

/// The prompts as a person would ask for the target: by the request for it, or with a line of it in front.
fn asked(session: &Session<'_>, source: &str, target: &str) -> Result<Vec<Encoded>> {
    let before = session.train.lines(target).unwrap_or_default();
    let texts: Vec<String> = (session.of(source).iter().enumerate())
        .map(|(i, (_, prompt))| match session.params.requests.get(target) {
            Some(request) => request.replace("{prompt}", prompt),
            None => match before.get(i % before.len().max(1)) {
                Some(line) => format!("{line} {prompt}"),
                None => prompt.clone(),
            },
        })
        .collect();
    Ok(session.engine.tokenizer().encode_all(&texts)?)
}

/// Speaks and judges all arms.
fn outputs<'a>(
    session: &Session<'_>,
    names: (&str, &str),
    arms: Vec<Arm<'a>>,
    monitor: &Monitor,
) -> Result<Vec<Cell<'a>>> {
    let lines = |half: Half| (0..session.prompts.len()).filter(move |line| half == Half::Both || line % 2 == 1);
    let mut sets = Vec::new();
    for arm in &arms {
        let prompts: Vec<Encoded> = lines(arm.half).map(|line| arm.prompts[line].clone()).collect();
        sets.extend(arm.edits.iter().map(|edits| Set { prompts: prompts.clone(), edits: edits.clone() }));
    }
    let spoken = speak(session.engine, &sets, &session.options(), monitor)?;
    let mut cells = Vec::with_capacity(arms.len());
    let mut done = sets.iter().zip(spoken);
    for arm in arms {
        let mut runs = Ok(Vec::with_capacity(arm.edits.len()));
        for (set, outputs) in done.by_ref().take(arm.edits.len()) {
            match (&mut runs, outputs) {
                (Ok(judged), Ok(outputs)) => {
                    let said: Vec<_> = lines(arm.half)
                        .zip(set.prompts.iter().zip(&outputs))
                        .map(|(line, (prompt, output))| (line, prompt, output))
                        .collect();
                    judged.push(session.judge(names, &said, monitor)?);
                }
                (Ok(_), Err(why)) => runs = Err(why),
                (Err(_), _) => (),
            }
        }
        cells.push(Cell { place: arm.place, runs });
        monitor.check()?;
    }
    Ok(cells)
}

/// The cell with the best score on the prompts that choose; of equal ones the weakest, then the first.
fn choose(cells: &[Cell<'_>], target: &str) -> Option<usize> {
    let scored = cells.iter().enumerate().filter_map(|(at, cell)| Some((at, on_half(cell, 0, target)?.score())));
    let better = |best: (usize, f64), now: (usize, f64)| {
        let weaker = cells[now.0].place.strength.abs() < cells[best.0].place.strength.abs();
        if now.1 > best.1 || (now.1 == best.1 && weaker) { now } else { best }
    };
    scored.reduce(better).map(|(at, _)| at)
}

/// Averages of a cell over the prompts of one half: 0 chooses, 1 reports.
fn on_half(cell: &Cell<'_>, half: usize, target: &str) -> Option<Averages> {
    let runs = cell.runs.as_ref().ok()?;
    Some(Averages::new(&runs.iter().map(|run| of_half(run, half)).collect::<Vec<_>>(), target))
}

fn of_half(run: &[Judged], half: usize) -> Vec<Judged> {
    run.iter().filter(|judged| judged.line % 2 == half).cloned().collect()
}

/// What was seen where the choice was made: better than what is reported, as the best of many always is.
fn on_choice(cell: &Cell<'_>, target: &str) -> Vec<Row> {
    let Some(averages) = on_half(cell, 0, target) else { return Vec::new() };
    let n = averages.forcing.len();
    let forcing = averages.forcing.iter().sum::<f64>() / n.max(1) as f64;
    vec![Row::new("choice_score", averages.score(), n), Row::new("choice_forcing", forcing, n)]
}

/// Propensity at the chosen layers: the target's line against the source's, behind the prompt.
fn tendency(
    session: &Session<'_>,
    (source, target): (&str, &str),
    vector: &SteeringVector,
    group: &[usize],
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    let lines = session.references.lines(source).unwrap_or_default().iter();
    let lines = lines.zip(session.references.lines(target).unwrap_or_default()).zip(session.of(source));
    let items: Vec<Contrast> = (lines.skip(1).step_by(2))
        .map(|((own, other), (_, prompt))| Contrast {
            prompt: prompt.clone(),
            positive: other.clone(),
            negative: own.clone(),
        })
        .collect();
    let how = application(session, target, group, 1.0)?;
    let place = Place { source, target, layers: group, strength: 0.0, arm: "steered" };
    let put = |row: Row| {
        let item = row.item.clone();
        Row { item, ..place.put(row) }
    };
    match propensity(session.engine, &items, vector, &how, &session.params.strengths, monitor) {
        Ok(found) => Ok(found.rows(&session.draws).into_iter().map(put).collect()),
        Err(e @ crate::Error::Core(babelscope_core::Error::Cancelled)) => Err(e),
        Err(why) => Ok(vec![put(Row::missing("propensity", why.to_string(), items.len()))]),
    }
}

impl Pair {
    /// Rows of the reporting half, and all texts.
    fn take(&mut self, session: &Session<'_>, cells: &[Cell<'_>], chosen: Option<usize>) {
        for (at, cell) in cells.iter().enumerate() {
            match &cell.runs {
                Ok(runs) => {
                    let reports: Vec<Vec<Judged>> = runs.iter().map(|run| of_half(run, 1)).collect();
                    self.rows.extend(rows(session, &cell.place, &reports));
                    let one = runs.len() == 1;
                    for (nth, run) in runs.iter().enumerate() {
                        let nth = (!one).then_some(nth + 1);
                        let sample =
                            |judged: &Judged| Sample::new(session, &cell.place, nth, judged, chosen == Some(at));
                        self.samples.extend(run.iter().map(sample));
                    }
                }
                Err(why) => self.rows.push(cell.place.put(Row::missing("forcing", why.clone(), 0))),
            }
        }
    }

    /// The chosen cell beside its controls at the same strength: rows `best_*` for the matrix, and a sentence where it fails.
    fn compare(&mut self, session: &Session<'_>, best: &Cell<'_>, held: &[Cell<'_>], strength: f64) {
        let Place { source, target, .. } = best.place;
        let value = |rows: &[Row], metric: &str, arm: &str| {
            let of = |row: &&Row| {
                row.metric == metric && row.variant == arm && (arm == "steered" || row.item == strength.to_string())
            };
            rows.iter().find(of).and_then(|row| row.value)
        };
        let beside = held.iter().filter(|cell| cell.place.layers.is_empty() || cell.place.strength == strength);
        let arms: Vec<&Cell<'_>> = std::iter::once(best).chain(beside).collect();
        let mut best_rows = Vec::new();
        for cell in arms {
            let Ok(runs) = &cell.runs else { continue };
            let reports: Vec<Vec<Judged>> = runs.iter().map(|run| of_half(run, 1)).collect();
            let own = rows(session, &cell.place, &reports);
            for metric in ["forcing", "forcing_most", "relevance", "score", "perplexity"] {
                let named = own.iter().find(|row| row.metric == metric).cloned();
                best_rows.extend(named.map(|row| Row {
                    metric: format!("best_{metric}"),
                    layer: best.place.layer(),
                    item: strength.to_string(),
                    ..row
                }));
            }
        }
        let steered = value(&best_rows, "best_forcing", "steered");
        let random = value(&best_rows, "best_forcing_most", "random").or(value(&best_rows, "best_forcing", "random"));
        let n = session.prompts.len() / 2;
        if let Some((steered, random)) = steered.zip(random) {
            best_rows.push(best.place.put(Row::new("gain", steered - random, n)));
        }
        let low =
            best_rows.iter().find(|row| row.metric == "best_relevance" && row.variant == "steered").and_then(|r| r.low);
        let meant = low.is_some_and(|low| low > 0.5);
        let names: Vec<String> = best.place.layers.iter().map(usize::to_string).collect();
        let where_to = format!("layer {}, strength {strength}", names.join(" + "));
        let steered = steered.unwrap_or_default();
        if steered < super::FORCED || !meant || random.is_some_and(|random| steered <= random) {
            let why = match (steered < super::FORCED, meant) {
                (true, _) => format!("{:.0} % of the outputs are {target}", 100.0 * steered),
                (false, false) => {
                    "the outputs are no nearer to the meaning of their prompts than to that of others".to_owned()
                }
                (false, true) => "random vectors do as much".to_owned(),
            };
            self.notes.push(format!("{source} to {target} fails: at the best place ({where_to}) {why}"));
        }
        self.rows.extend(best_rows);
    }
}
