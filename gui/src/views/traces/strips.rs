//! What the model knew along a trace: strips with one cell a boundary (the problem alone, then behind each step), and the four curves.

use babelscope_core::lang::Direction;
use babelscope_probes::cot::{
    inside::{Curves as Known, Latent, Projection},
    watched::Watched,
};
use egui::{Align2, Color32, Id, Painter, Rect, Ui};

use crate::{
    data::{colour_index, mark, said},
    measures::{Scale, number},
    text::{Line, Passage, isolate},
    theme::{Palette, SMALL, ink_on},
    widgets::{
        cells::Cells,
        curve::{Curve, Curves},
        layers::layer_slider,
        pane,
    },
};

/// Width of the names of the strips, and height of one.
const NAMES: f32 = 190.0;
const ROW: f32 = 24.0;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Empty,
    Yes(bool),
    Share(f64),
    Signed { value: f64, share: f32 },
    Amount { value: f64, share: f32 },
    Language(String),
    Text(String),
}

/// One strip.
#[derive(Clone, Debug, PartialEq)]
struct Strip {
    name: String,
    /// One a boundary.
    cells: Vec<Cell>,
}

/// The strips of one trace, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<Id>,
    strips: Vec<Strip>,
    columns: Vec<String>,
    curves: Vec<Curve>,
    /// The strip in focus.
    row: usize,
}

/// A value a step, with nothing before the first.
fn by_step(steps: usize, cell: impl Fn(usize) -> Option<Cell>) -> Vec<Cell> {
    std::iter::once(Cell::Empty).chain((0..steps).map(|step| cell(step).unwrap_or(Cell::Empty))).collect()
}

fn of_curves(curves: &Known, watched: &Watched) -> Vec<Strip> {
    let strip = |name: String, cells: Vec<Cell>| Strip { name, cells };
    let shares = |values: &[f64]| values.iter().map(|value| Cell::Share(*value)).collect();
    let flags = |values: &[bool]| values.iter().map(|value| Cell::Yes(*value)).collect();
    let mut strips = vec![
        strip("committed (forced answer)".to_owned(), shares(&curves.committed)),
        strip(format!("decodable (lens, layer {})", curves.layer), shares(&curves.decodable)),
        strip("seen (among the anchors)".to_owned(), flags(&curves.seen)),
        strip("stated (given as answer)".to_owned(), flags(&curves.stated)),
    ];
    if !watched.top.is_empty() {
        let name = |top: &usize| watched.candidates.get(*top).map_or(Cell::Empty, |name| Cell::Text(name.clone()));
        strips.push(strip("likeliest answer".to_owned(), watched.top.iter().map(name).collect()));
    }
    strips
}

/// Place of the layer, or of the nearest below it.
fn near(layers: &[usize], layer: usize) -> Option<usize> {
    layers.iter().rposition(|own| *own <= layer).or(if layers.is_empty() { None } else { Some(0) })
}

fn latent(latent: &Latent, layer: usize, steps: usize) -> Option<Strip> {
    let at = near(&latent.layers, layer)?;
    let top = |step: usize| {
        let cell = latent.cells.get(step)?.get(at)?;
        Some(Cell::Language(latent.languages.get(cell.top?)?.clone()))
    };
    Some(Strip { name: format!("latent language, layer {}", latent.layers[at]), cells: by_step(steps, top) })
}

fn projection(projection: &Projection, layer: usize, steps: usize) -> Option<Strip> {
    let at = near(&projection.layers, layer)?;
    let values = projection.steps.get(at)?;
    let base = projection.prompt.get(at).copied().unwrap_or_default();
    let far = values.iter().map(|value| (value - base).abs()).fold(1e-9, f64::max);
    let cell = |step: usize| {
        let value = values.get(step)? - base;
        Some(Cell::Signed { value, share: (value / far) as f32 })
    };
    let name = format!("along {}, layer {}", projection.vector, projection.layers[at]);
    Some(Strip { name, cells: by_step(steps, cell) })
}

/// All strips of a watched trace of so many steps, at a layer.
fn strips(watched: &Watched, steps: usize, layer: usize) -> Vec<Strip> {
    let mut all = watched.curves.as_ref().map_or_else(Vec::new, |curves| of_curves(curves, watched));
    if !watched.surface.is_empty() {
        let of = |step: usize| watched.surface.get(step).cloned().flatten().map(Cell::Language);
        all.push(Strip { name: "language as written".to_owned(), cells: by_step(steps, of) });
    }
    all.extend(watched.latent.as_ref().and_then(|own| latent(own, layer, steps)));
    all.extend(watched.projections.iter().filter_map(|own| projection(own, layer, steps)));
    if let Some(influence) = &watched.influence {
        let of = influence.of_each();
        let most = of.iter().flatten().copied().fold(1e-12, f64::max);
        let cell = |step: usize| {
            let value = of.get(step).copied().flatten()?;
            Some(Cell::Amount { value, share: (value / most) as f32 })
        };
        all.push(Strip { name: "influence on later steps, nats".to_owned(), cells: by_step(steps, cell) });
    }
    all
}

/// The four curves over boundaries.
fn curves(known: &Known) -> Vec<Curve> {
    let flags = |values: &[bool]| values.iter().map(|value| f64::from(u8::from(*value))).collect::<Vec<f64>>();
    let all = [
        ("committed", known.committed.clone()),
        ("decodable", known.decodable.clone()),
        ("seen", flags(&known.seen)),
        ("stated", flags(&known.stated)),
    ];
    let curve = |(at, (name, y)): (usize, (&str, Vec<f64>))| Curve {
        name: name.to_owned(),
        colour: at,
        script: false,
        x: (0..y.len()).map(|boundary| boundary as f64).collect(),
        y,
        band: (Vec::new(), Vec::new()),
        strong: at == 0,
    };
    all.into_iter().enumerate().map(curve).collect()
}

/// What stands in the strips: which trace, how it is called, and what is chosen.
pub(super) struct Shown<'a> {
    pub(super) watched: &'a Watched,
    pub(super) who: &'a str,
    pub(super) steps: usize,
    pub(super) stamp: u64,
    /// The part that is chosen: 0 is the problem.
    pub(super) part: Option<usize>,
}

impl State {
    fn refresh(&mut self, shown: &Shown<'_>, layer: usize) {
        let key = Id::unique((shown.stamp, shown.watched.trace, layer));
        if self.key == Some(key) {
            return;
        }
        self.strips = strips(shown.watched, shown.steps, layer);
        self.columns = std::iter::once("problem".to_owned()).chain((1..=shown.steps).map(|n| n.to_string())).collect();
        self.curves = shown.watched.curves.as_ref().map_or_else(Vec::new, curves);
        self.key = Some(key);
    }
}

impl Cell {
    fn colour(&self, colours: &Palette, tint: &dyn Fn(&str) -> Color32) -> Color32 {
        match self {
            Self::Empty => colours.card,
            Self::Yes(true) => colours.quantity(1.0),
            Self::Yes(false) => colours.quantity(0.0),
            Self::Share(share) => colours.quantity(*share as f32),
            Self::Signed { share, .. } => colours.effect(*share),
            Self::Amount { share, .. } => colours.effect(*share),
            Self::Language(code) => tint(code),
            Self::Text(_) => colours.well,
        }
    }

    fn short(&self, languages: &[String]) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Self::Share(share) => format!("{share:.2}"),
            Self::Signed { value, .. } => format!("{value:+.2}"),
            Self::Amount { value, .. } => format!("{value:.2}"),
            Self::Language(code) => mark(code, languages).to_owned(),
            Self::Text(text) => text.clone(),
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Empty => "nothing".to_owned(),
            Self::Share(value) | Self::Signed { value, .. } | Self::Amount { value, .. } => number(*value),
            Self::Language(code) => said(code),
            other => other.short(&[]),
        }
    }
}

/// Draws the strips and the curves; gives the part that was clicked.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    shown: &Shown<'_>,
    layer: &mut Option<usize>,
    corpus: &babelscope_core::corpus::Corpus,
) -> Option<usize> {
    let colours = *Palette::current(ui);
    let watched = shown.watched;
    let layers = watched.latent.as_ref().map(|latent| latent.layers.clone());
    let layers = layers.or_else(|| watched.projections.first().map(|own| own.layers.clone())).unwrap_or_default();
    let middle = layers.get(layers.len() / 2).copied().unwrap_or_default();
    let mut at = layer.filter(|layer| layers.contains(layer)).unwrap_or(middle);
    if layers.len() > 1 && layer_slider(ui, &format!("{} layer of the strips", shown.who), &mut at, &layers) {
        *layer = Some(at);
    }
    state.refresh(shown, at);
    watched.notes.iter().for_each(|text| note(ui, text));
    let languages: Vec<String> = watched.latent.as_ref().map_or_else(Vec::new, |latent| latent.languages.clone());
    let tint = |code: &str| {
        let known = corpus.languages.iter().any(|own| own == code);
        let other = languages.iter().position(|own| own == code).unwrap_or_default();
        colours.language(if known { colour_index(corpus, code) } else { corpus.languages.len() + other })
    };
    let cell = |row: usize, column: usize| state.strips.get(row).and_then(|strip| strip.cells.get(column));
    let colour =
        |row: usize, column: usize| cell(row, column).map_or(colours.card, |cell| cell.colour(&colours, &tint));
    let rows: Vec<String> = state.strips.iter().map(|strip| strip.name.clone()).collect();
    let describe = |row: usize, column: usize| {
        let place = if column == 0 { "the problem alone".to_owned() } else { format!("step {column}") };
        let name = rows.get(row).map_or("", String::as_str);
        format!("{name}, {place}: {}", cell(row, column).map_or_else(|| "nothing".to_owned(), Cell::said))
    };
    let overlay = |painter: &Painter, spot: Rect, row: usize, column: usize| {
        let Some(cell) = cell(row, column) else { return };
        let ink = if *cell == Cell::Empty { colours.weak } else { ink_on(colour(row, column)) };
        let line = Line::new(cell.short(&languages)).size(SMALL - 1.0).color(ink).width(spot.width() - 2.0);
        line.paint(painter, spot.center(), Align2::CENTER_CENTER);
    };
    let name = format!("{} strips, what was known by step", shown.who);
    let cells = Cells {
        id: ui.scope_id().with(("strips", shown.who)),
        name: &name,
        rows: &rows,
        columns: &state.columns,
        names: NAMES,
        width: (40.0, 84.0),
        height: ROW,
        colour: &colour,
        overlay: &overlay,
        stamp: Id::unique((state.key, colours.dark)).value(),
        describe: &describe,
        selected: shown.part.map(|part| (state.row, part)),
        column: shown.part,
    };
    let output = cells.show(ui);
    let mut clicked = None;
    if let Some(output) = output {
        if let Some((row, column)) = output.hovered {
            let text = describe(row, column);
            output.response.on_hover_ui_at_pointer(|ui| drop(Line::new(text).show(ui)));
        }
        if let Some((row, column)) = output.chosen {
            (state.row, clicked) = (row, Some(column));
        }
    }
    clicked.or_else(|| plot(ui, state, shown))
}

/// A note that may quote a trace, so in any script.
fn note(ui: &mut Ui, text: &str) {
    let weak = Palette::current(ui).weak;
    Passage::new(text).size(SMALL).color(weak).direction(Direction::Ltr).show(ui);
}

fn plot(ui: &mut Ui, state: &State, shown: &Shown<'_>) -> Option<usize> {
    let known = shown.watched.curves.as_ref()?;
    note(ui, &format!("the answer that is meant: {}; step 0 is the problem alone", isolate(&known.answer)));
    for (theta, commitment) in &shown.watched.commitment {
        let text = match commitment.step {
            Some(step) => format!("at {theta}: committed from step {step} of {} on", commitment.steps),
            None => format!("at {theta}: never committed for good"),
        };
        pane::note(ui, text);
    }
    let name = format!("{} curves of the answer", shown.who);
    let curves = Curves {
        name: &name,
        across: "step",
        axis: "probability",
        range: (0.0, 1.0),
        curves: &state.curves,
        null: None,
        chance: None,
        marked: shown.part.map(|part| part as f64),
        height: 190.0,
    };
    curves.show(ui).map(|step| step.max(0.0) as usize)
}

/// The colours of the shares, beside the strips.
pub(super) fn legend(ui: &mut Ui) {
    Scale { low: 0.0, high: 1.0, diverging: false }.legend(ui, "probability");
}

#[cfg(test)]
mod tests {
    use babelscope_probes::cot::inside::LatentCell;

    use super::*;

    #[test]
    fn strips_have_one_cell_a_boundary_and_follow_the_layer() {
        let cell = |top: Option<usize>| LatentCell { languages: vec![0.5, 0.5], scripts: vec![], top };
        let own = Latent {
            layers: vec![0, 2],
            languages: vec!["eng_Latn".to_owned(), "tha_Thai".to_owned()],
            rule: String::new(),
            scripts: Vec::new(),
            cells: vec![vec![cell(Some(0)), cell(Some(1))], vec![cell(None), cell(Some(1))]],
            surface: vec![None, None],
            agreement: vec![None, None],
        };
        let watched = Watched {
            curves: Some(Known {
                answer: "7".to_owned(),
                seen: vec![false, true, true],
                decodable: vec![0.0, 0.25, 0.5],
                layer: 2,
                committed: vec![0.125, 0.5, 1.0],
                stated: vec![false, false, true],
                same: vec![false, true, true],
            }),
            surface: vec![Some("tha_Thai".to_owned()), None],
            latent: Some(own),
            ..Watched::default()
        };
        let all = strips(&watched, 2, 1);
        assert!(all.iter().all(|strip| strip.cells.len() == 3), "{all:?}");
        let last = all.last().unwrap();
        // Layer 1 was not read; the nearest below it is 0.
        assert_eq!(last.name, "latent language, layer 0");
        assert_eq!(last.cells, [Cell::Empty, Cell::Language("eng_Latn".to_owned()), Cell::Empty]);
        assert_eq!(strips(&watched, 2, 2).last().unwrap().cells[2], Cell::Language("tha_Thai".to_owned()));
        assert_eq!(all[0].cells[2], Cell::Share(1.0));
        assert_eq!(curves(watched.curves.as_ref().unwrap())[2].y, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_projection_is_told_from_that_of_the_prompt() {
        let own = Projection {
            vector: "v".to_owned(),
            layers: vec![3],
            tokens: Vec::new(),
            cosine: Vec::new(),
            steps: vec![vec![2.0, -1.0]],
            prompt: vec![1.0],
        };
        let strip = projection(&own, 3, 2).unwrap();
        assert_eq!(strip.cells[1], Cell::Signed { value: 1.0, share: 0.5 });
        assert_eq!(strip.cells[2], Cell::Signed { value: -2.0, share: -1.0 });
    }
}
