//! What the model knew along a trace, as strips and as four curves.

use babelscope_core::{corpus::Corpus, lang::Direction};
use babelscope_probes::cot::{
    inside::{Curves as Known, Latent, Projection},
    watched::Watched,
};
use egui::{Id, Ui};

use super::strip::{Cell, Look, Strip, Strips};
use crate::{
    data::colour_index,
    measures::Scale,
    text::{Passage, isolate},
    theme::{Palette, SMALL},
    widgets::{
        curve::{Curve, Curves},
        layers::layer_slider,
        pane,
    },
};

/// Height of a strip.
const ROW: f32 = 24.0;

/// Strips and curves of one trace.
#[derive(Debug, Default)]
pub(super) struct State {
    strips: Strips,
    curves: Vec<Curve>,
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
    Some(Strip::by_step(format!("latent language, layer {}", latent.layers[at]), steps, top))
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
    Some(Strip::by_step(format!("along {}, layer {}", projection.vector, projection.layers[at]), steps, cell))
}

/// All strips of a watched trace of so many steps, at a layer.
fn strips(watched: &Watched, steps: usize, layer: usize) -> Vec<Strip> {
    let mut all = watched.curves.as_ref().map_or_else(Vec::new, |curves| of_curves(curves, watched));
    if !watched.surface.is_empty() {
        let of = |step: usize| watched.surface.get(step).cloned().flatten().map(Cell::Language);
        all.push(Strip::by_step("language as written", steps, of));
    }
    all.extend(watched.latent.as_ref().and_then(|own| latent(own, layer, steps)));
    all.extend(watched.projections.iter().filter_map(|own| projection(own, layer, steps)));
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

/// Which watched trace is drawn, how it is called, and what is chosen of it.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) watched: &'a Watched,
    pub(super) who: &'a str,
    pub(super) steps: usize,
    pub(super) stamp: u64,
    /// The part that is chosen: 0 is the problem.
    pub(super) part: Option<usize>,
}

/// Draws the strips and the curves; gives the part that was clicked.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    shown: &Shown<'_>,
    layer: &mut Option<usize>,
    corpus: &Corpus,
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
    let key = Id::unique((shown.stamp, watched.trace, at));
    if state.strips.refresh(key, shown.steps, || strips(watched, shown.steps, at)) {
        state.curves = watched.curves.as_ref().map_or_else(Vec::new, curves);
    }
    watched.notes.iter().for_each(|text| note(ui, text));
    let languages: Vec<String> = watched.latent.as_ref().map_or_else(Vec::new, |latent| latent.languages.clone());
    let tint = |code: &str| {
        let known = corpus.languages.iter().any(|own| own == code);
        let other = languages.iter().position(|own| own == code).unwrap_or_default();
        colours.language(if known { colour_index(corpus, code) } else { corpus.languages.len() + other })
    };
    let name = format!("{} strips, what was known by step", shown.who);
    let look = Look { name: &name, height: ROW, part: shown.part, languages: &languages, tint: &tint };
    let clicked = state.strips.show(ui, &look);
    clicked.or_else(|| plot(ui, state, shown))
}

/// A note that may quote a trace, so in any script.
pub(super) fn note(ui: &mut Ui, text: &str) {
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
