//! What goes along with alignment over languages: scores of tasks, premium, resources.

use egui::{Id, RichText, Ui};

use super::relation::{State, name};
use crate::{
    command::Action,
    data::{Loaded, colour_index, mark, said},
    measures::{self, number},
    state::Selection,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        choose::combo,
        curve::Curves,
        dots::Dot,
        layers::layer_slider,
        pane::{self, Help},
        reading,
        scatter::{Bounds, Scatter},
    },
};

const HELP: Help = Help {
    what: "Each point is a language: across its alignment by the chosen measure at the chosen layer, upwards the score of a task, its \
           premium or its resource class. Below, the correlation over the layers, with the partial one: what is left of it when premium and \
           resources are held fixed. The grey band is what permuted languages give.",
    formula: "r = Pearson correlation over languages;  partial r = the same of the residuals on the covariates\n\
              interval: bootstrap over languages;  null: the absolute value over permuted languages",
    traps: &[
        "Resources drive both sides: a high r with a partial r near 0 says nothing of alignment.",
        "Few languages make wide intervals; one language can make the r, look for it in the picture.",
        "The best of many layers is the best by luck too; p is adjusted over the layers of a measure.",
    ],
};

/// Draws the pane.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    state.refresh(loaded, selection);
    let title =
        ("Alignment against scores", "Do better aligned languages solve tasks better, and what else explains it?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let (measures, targets) = (state.measures.clone(), state.targets.clone());
        ui.horizontal_wrapped(|ui| {
            combo(ui, "measure of alignment", &mut state.measure, &measures, 240.0);
            pane::note(ui, "against");
            combo(ui, "score", &mut state.target, &targets, 150.0);
        });
        if let Some(mut layer) = state.layer(selection)
            && layer_slider(ui, "layer of the scores", &mut layer, &state.layers)
        {
            selection.layer = Some(layer);
        }
        said_r(ui, state, selection, loaded);
        scatter(ui, state, selection, loaded);
        if !state.curves.is_empty() {
            over_layers(ui, state, selection);
        }
    });
}

/// The correlations of what is in the picture, in words.
fn said_r(ui: &mut Ui, state: &State, selection: &Selection, loaded: &Loaded) {
    let colours = *Palette::current(ui);
    let layer = state.layer(selection);
    for metric in ["pearson", "spearman", "partial_pearson"] {
        let mut rows = loaded.catalogue.rows("tasks", metric);
        let row = rows.find(|row| row.variant == state.measure && row.item == state.target && row.layer == layer);
        let Some(row) = row else { continue };
        let name = measures::info(metric).name;
        let text = match (row.value, row.low.zip(row.high)) {
            (Some(value), Some((low, high))) => {
                format!("{name} {} [{}, {}], {} languages", number(value), number(low), number(high), row.n)
            }
            (Some(value), None) => format!("{name} {}, {} languages", number(value), row.n),
            (None, _) => format!("{name}: {}", row.status),
        };
        let p =
            row.shuffled.map_or_else(String::new, |fit| format!(", adjusted p {:.4}", fit.p_adjusted.unwrap_or(fit.p)));
        let ink = if reading::weak(row) { colours.warn } else { colours.text };
        ui.label(RichText::new(format!("{text}{p}")).color(ink));
    }
    if loaded.run.probed("tasks").is_none() {
        pane::note(
            ui,
            "Correlations with intervals need the probe `tasks`: add [[probe]] kind = \"tasks\" to the spec.",
        );
    }
}

fn scatter(ui: &mut Ui, state: &State, selection: &mut Selection, loaded: &Loaded) {
    let colours = *Palette::current(ui);
    if state.points.is_empty() {
        pane::note(ui, "no language has both numbers");
        return;
    }
    let dots: Vec<Dot> = (state.points.iter())
        .map(|(language, x, y)| {
            let index = colour_index(&loaded.run.corpus, language);
            Dot { x: *x as f32, y: *y as f32, colour: colours.language(index), mark: (index / 12) as u8 }
        })
        .collect();
    let bounds = Bounds::around(dots.iter().map(|dot| (dot.x, dot.y)));
    let languages: Vec<String> = state.points.iter().map(|(language, ..)| language.clone()).collect();
    let chosen: Vec<usize> =
        languages.iter().position(|l| Some(l) == selection.language.as_ref()).into_iter().collect();
    let (across, upwards) = (name(&state.measure), measures::info(&state.target).name);
    let describe = |point: usize| {
        state.points.get(point).map_or_else(String::new, |(language, x, y)| {
            format!("{}: {across} {}, {upwards} {}", said(language), number(*x), number(*y))
        })
    };
    let scatter = Scatter {
        id: ui.scope_id().with("tasks"),
        name: "alignment against scores",
        height: 340.0,
        dots: &dots,
        size: 9.0,
        bounds,
        axes: Some((across.as_str(), upwards.as_ref())),
        lines: &[],
        bright: &[],
        fit: fit(&state.points, bounds.x),
        label: &|point| languages.get(point).map(|l| mark(l, &languages).to_owned()),
        chosen: &chosen,
        stamp: Id::unique((state.key, colours.dark)).value(),
        describe: &describe,
    };
    let output = scatter.show(ui);
    if let Some(point) = output.hovered {
        output.response.on_hover_text_at_pointer(describe(point));
    }
    if let Some(language) = output.clicked.and_then(|point| languages.get(point)) {
        selection.language = Some(language.clone());
    }
}

/// The least-squares line, as its heights at both edges.
fn fit(points: &[(String, f64, f64)], (left, right): (f32, f32)) -> Option<(f32, f32)> {
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), (_, x, y)| (a + x / n, b + y / n));
    let (xx, xy) =
        points.iter().fold((0.0, 0.0), |(xx, xy), (_, x, y)| (xx + (x - mx).powi(2), xy + (x - mx) * (y - my)));
    let slope = xy / xx;
    let height = |x: f32| (my + slope * (f64::from(x) - mx)) as f32;
    (points.len() > 2 && slope.is_finite()).then(|| (height(left), height(right)))
}

fn over_layers(ui: &mut Ui, state: &State, selection: &mut Selection) {
    let plot = Curves {
        name: "correlation over layers",
        across: "layer",
        axis: "correlation",
        range: (-1.0, 1.0),
        curves: &state.curves,
        null: Some(&state.null).filter(|null| !null.x.is_empty()),
        chance: Some(0.0),
        marked: state.layer(selection).map(|layer| layer as f64),
        height: 210.0,
    };
    if let Some(layer) = plot.show(ui) {
        selection.layer = state.layers.iter().copied().find(|l| *l as f64 == layer);
    }
}
