//! The controls: prompt, vector, place and strength.

use babelscope::spec::CompareSpec;
use babelscope_core::plan::Positions;
use babelscope_probes::steer::{Estimator, Operator, StrengthUnit};
use egui::{RichText, Stroke, Ui, pos2, vec2};

use super::{
    Source,
    form::{self, Form, Origin},
};
use crate::{
    data::{Loaded, said},
    measures::number,
    theme::Palette,
    widgets::{
        choose::{combo, one_of},
        layers::layer_slider,
        pane::{self, segmented},
        prompt::Field,
    },
};

/// What a person did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    /// A control has another value: it is taken when it rests.
    pub(super) moved: bool,
    /// An answer is asked for now.
    pub(super) ordered: bool,
}

/// What an operator is called, and what it does.
const OPERATORS: [(Operator, &str, &str); 4] = [
    (Operator::Add, "add", "Adds the vector"),
    (
        Operator::AddKeepNorm,
        "add, keep the norm",
        "Adds it and gives the state its length back: its direction alone changes",
    ),
    (Operator::Clamp, "clamp", "Sets what lies along the vector to the strength"),
    (Operator::Ablate, "ablate", "Takes out what lies along the vector; it is done or not done"),
];

/// What a strength counts, and how far the slider reaches.
const UNITS: [(StrengthUnit, &str, &str); 3] = [
    (StrengthUnit::Norm, "norm", "Mean norms of the states at that layer"),
    (StrengthUnit::Unit, "unit", "Length of what is added"),
    (StrengthUnit::Raw, "raw", "Vectors as the estimator gave them"),
];

const PLACES: [(usize, &str, &str); 4] = [
    (0, "all tokens", "Every token, BOS and generated ones included"),
    (1, "content", "Every token behind BOS"),
    (2, "last and generated", "The last token of the prompt and what is generated"),
    (3, "generated", "What is generated; its first token is then the unsteered model's"),
];

fn places() -> [Vec<Positions>; 4] {
    use Positions::{All, Content, Generated, Last};
    [vec![All], vec![Content], vec![Last, Generated], vec![Generated]]
}

fn reach(unit: StrengthUnit) -> f64 {
    match unit {
        StrengthUnit::Norm => 2.0,
        StrengthUnit::Unit => 100.0,
        StrengthUnit::Raw => 10.0,
    }
}

/// Draws the controls.
pub(super) fn show(ui: &mut Ui, form: &mut Form, source: &Source<'_>) -> Change {
    let mut change = Change::default();
    if let Some(languages) = form.corpus(source.base()).map(|corpus| corpus.languages.clone()) {
        form.settle_languages(&languages);
        prompt(ui, form, source, &mut change);
        change.moved |= origin(ui, form, source, &languages);
    }
    ui.separator();
    ui.columns(2, |columns| {
        if let [left, right] = columns {
            change.moved |= place(left, form, source);
            change.moved |= strength(right, form, source.main);
        }
    });
    change.moved |= answer(ui, &mut form.compare, &mut form.seed);
    change
}

fn prompt(ui: &mut Ui, form: &mut Form, source: &Source<'_>, change: &mut Change) {
    let colours = *Palette::current(ui);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 108.0).max(120.0);
        let hint = "Write a prompt in any language; Enter answers, Shift-Enter is a new line";
        change.ordered = form.prompt.field(ui, Field { name: "Prompt", hint, rows: 2, width, enter: true });
        let wrong = form.spec(source.main, source.base()).check().err();
        let button = egui::Button::new(RichText::new("Answer").strong()).min_size(vec2(92.0, 40.0));
        let button = ui.add_enabled(wrong.is_none(), button.fill(colours.accent_soft));
        let button = button.on_hover_text("Three answers from the same seed (Enter)");
        change.ordered |= button.clicked();
        if let Some(why) = wrong {
            button.on_disabled_hover_text(format!("{why:#}"));
        }
    });
    form.prompt.preview(ui);
    let mut prompt = std::mem::take(&mut form.prompt);
    if let Some(corpus) = form.corpus(source.base()) {
        prompt.picker(ui, corpus);
    }
    form.prompt = prompt;
}

fn origin(ui: &mut Ui, form: &mut Form, source: &Source<'_>, languages: &[String]) -> bool {
    let vectors = form::of_run(source.main);
    let mut moved = false;
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "vector");
        let mut options =
            vec![(Origin::Languages, "of two languages", "From the source to the target, estimated on the corpus")];
        if !vectors.is_empty() {
            options.push((Origin::Run, "of the run", "One that the open run has trained"));
        }
        options.push((Origin::File, "of a file", "safetensors with a card, or a control vector (GGUF)"));
        moved |= segmented(ui, "vector", &mut form.origin, &options);
        match form.origin {
            Origin::Languages => {
                let all: Vec<(String, String)> = languages.iter().map(|code| (code.clone(), said(code))).collect();
                pane::note(ui, "from");
                moved |= combo(ui, "source language", &mut form.compare.source, &all, 190.0);
                pane::note(ui, "to");
                moved |= combo(ui, "target language", &mut form.compare.target, &all, 190.0);
                let all = Estimator::ALL.map(|estimator| (estimator, estimator.name(), ""));
                moved |= one_of(ui, "estimator", &mut form.compare.estimator, &all, 130.0);
            }
            Origin::Run => {
                let all: Vec<(String, String)> = (vectors.iter())
                    .map(|(name, vector)| (name.clone(), format!("{} ({})", vector.card.name, vector.card.estimator)))
                    .collect();
                if !vectors.iter().any(|(name, _)| *name == form.vector)
                    && let Some((name, _)) = vectors.first()
                {
                    form.vector.clone_from(name);
                }
                moved |= combo(ui, "vector of the run", &mut form.vector, &all, 330.0);
            }
            Origin::File => {
                let field = egui::TextEdit::singleline(&mut form.compare.vector).desired_width(380.0);
                ui.add(field.hint_text("path of the vector")).accessible_name("Path of the vector");
                ui.checkbox(&mut form.compare.elsewhere, "of another model")
                    .on_hover_text("Apply it although it was trained on other weights");
            }
        }
    });
    if form.origin == Origin::Languages {
        let text = match source.base().map(|loaded| loaded.run.corpus.len()) {
            Some(lines) => format!(
                "estimated anew each time on {lines} lines of both languages; train vectors once (tab Vectors) and choose one of the run \
                 to be faster"
            ),
            None => "no run is open: the built-in model and its corpus are used".to_owned(),
        };
        pane::note(ui, text);
    }
    moved
}

fn place(ui: &mut Ui, form: &mut Form, source: &Source<'_>) -> bool {
    let mut moved = false;
    let layers = source.base().map(|loaded| loaded.run.manifest.model.layers);
    match layers {
        Some(deepest) => {
            let own = form.chosen(source.main).filter(|_| form.origin == Origin::Run);
            let all: Vec<usize> =
                own.map_or_else(|| (0..=deepest).collect(), |vector| vector.layers.keys().copied().collect());
            moved |= layer_slider(ui, "layer of the vector", &mut form.compare.layer, &all);
        }
        None => {
            ui.horizontal(|ui| {
                pane::note(ui, "layer");
                let drag = egui::DragValue::new(&mut form.compare.layer).range(0..=200);
                moved |= ui.add(drag).accessible_name("layer of the vector").changed();
            });
        }
    }
    if let Some(main) = source.main {
        quality(ui, form, main);
    }
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "at");
        let known = places();
        let positions = &form.compare.positions;
        let now = known
            .iter()
            .position(|place| place == positions || (place[..] == [Positions::All] && positions.is_empty()));
        let mut chosen = now.unwrap_or(known.len());
        let mut options = PLACES.to_vec();
        if now.is_none() {
            options.push((known.len(), "as in the run", "Positions that the run has named"));
        }
        if one_of(ui, "positions", &mut chosen, &options, 170.0)
            && let Some(place) = known.get(chosen)
        {
            form.compare.positions.clone_from(place);
            moved = true;
        }
        if form.compare.schedule.is_some() {
            pane::note(ui, "with the schedule of the run");
        }
    });
    moved
}

/// What the run says of the vector at this layer.
fn quality(ui: &mut Ui, form: &Form, main: &Loaded) {
    let Some(card) = form.chosen(Some(main)).map(|vector| &vector.card) else { return };
    let value = |metric: &str| {
        let mut rows = main.catalogue.rows("vector", metric).filter(|row| row.layer == Some(form.compare.layer));
        let found =
            rows.find(|r| r.language == card.positive && r.pivot == card.negative && r.variant == card.estimator);
        found.and_then(|row| row.value).map(number)
    };
    let said = [("pair order", "vector_pair_order"), ("AUC", "vector_auc"), ("d′", "vector_d_prime")];
    let said: Vec<String> =
        said.into_iter().filter_map(|(name, metric)| Some(format!("{name} {}", value(metric)?))).collect();
    if !said.is_empty() {
        pane::note(ui, format!("held out, at this layer: {}", said.join(", ")));
    }
}

fn strength(ui: &mut Ui, form: &mut Form, main: Option<&Loaded>) -> bool {
    let colours = *Palette::current(ui);
    let mut moved = false;
    let degrees = form.compare.operator != Operator::Ablate;
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 190.0).clamp(80.0, 420.0);
        let reach = reach(form.compare.unit);
        // A typed value may lie beyond the slider, and stays there.
        let mut shown = form.compare.strength.clamp(-reach, reach);
        let slider = egui::Slider::new(&mut shown, -reach..=reach).show_value(false).step_by(reach / 200.0);
        let slider = ui.add_enabled(degrees, slider.smart_aim(false)).accessible_name("strength");
        let middle = slider.rect.center();
        let zero = Stroke::new(1.5, colours.text);
        ui.painter().line_segment([pos2(middle.x, slider.rect.top()), pos2(middle.x, middle.y - 6.0)], zero);
        ui.painter().line_segment([pos2(middle.x, middle.y + 6.0), pos2(middle.x, slider.rect.bottom())], zero);
        if slider.changed() {
            // The slider's own marks are not round numbers, so that it calls every frame a change.
            let round = (shown * 1000.0).round() / 1000.0;
            moved |= round != form.compare.strength;
            form.compare.strength = round;
        }
        let typed = egui::DragValue::new(&mut form.compare.strength).speed(reach / 400.0).max_decimals(4);
        moved |= ui.add_enabled(degrees, typed).accessible_name("strength, typed").changed();
        moved |= one_of(ui, "unit of the strength", &mut form.compare.unit, &UNITS, 76.0);
    });
    let text = if degrees {
        let units = form.chosen(main).and_then(|vector| form.in_units(vector));
        units.map_or_else(
            || "0 is in the middle; the log of the answer says the strength in all units".to_owned(),
            |units| {
                let norm = units.norm.map_or("unknown".to_owned(), number);
                format!("norm {norm} = unit {} = raw {}", number(units.unit), number(units.raw))
            },
        )
    } else {
        "an ablation has no degrees".to_owned()
    };
    pane::note(ui, text);
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "what is done");
        moved |= one_of(ui, "operator", &mut form.compare.operator, &OPERATORS, 170.0);
    });
    moved
}

fn answer(ui: &mut Ui, compare: &mut CompareSpec, seed: &mut u64) -> bool {
    let mut moved = false;
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "new tokens");
        let tokens = egui::DragValue::new(&mut compare.max_new_tokens).range(1..=1024);
        moved |= ui.add(tokens).accessible_name("new tokens").changed();
        pane::note(ui, "temperature");
        let temperature = egui::DragValue::new(&mut compare.temperature).range(0.0..=5.0).speed(0.01);
        let temperature =
            ui.add(temperature).on_hover_text("0 takes the likeliest token").accessible_name("temperature");
        moved |= temperature.changed();
        pane::note(ui, "seed");
        let drag = egui::DragValue::new(seed).range(0..=i64::MAX as u64);
        moved |= ui.add(drag).on_hover_text("The same for all three answers").accessible_name("seed").changed();
    });
    moved
}
