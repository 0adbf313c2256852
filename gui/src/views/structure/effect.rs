//! What a language loses when the neurons of another one are switched off, beside sets of other neurons of the same size.

use egui::Ui;

use crate::{
    catalogue::Series,
    command::Action,
    data::{Loaded, colour_index, language_name},
    measures::{Colours, Scale, number},
    order::Order,
    state::Selection,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        pane::{self, Help, segmented},
        reading,
        spans::{Span, spans},
        square::{Look, Names, Square},
    },
};

const HELP: Help = Help {
    what: "The neurons of a language are multiplied by 0 and the perplexity of every language is read on held-out lines. 1 means \
           nothing has changed. If neurons are specific, the diagonal stands out, and it does not for the controls: sets of the same size \
           in every layer, chosen at random, or among neurons that are active as often. All squares have the same colours.",
    formula: "ratio = perplexity with the set off / perplexity as it is\n\
              specificity = ln ratio of the own language − mean of ln ratio of the others (nats)",
    traps: &[
        "Without the controls a large ratio says only that neurons matter.",
        "The interval of the random sets is the range of the sets, not a bootstrap.",
        "Switching off is a rough edit: the states behind it are ones that the model has never seen.",
    ],
};

/// The variants in the order in which they are shown, with their names and what they are.
const KINDS: [(&str, &str, &str); 4] = [
    ("lape", "chosen neurons", "The neurons that LAPE gives to the language"),
    ("random", "random", "Mean of random sets of the same size in every layer"),
    ("matched_frequency", "as frequent", "Neurons that are active as often over all languages"),
    ("matched_own_frequency", "as frequent in the language", "Neurons that are active as often in the language itself"),
];

/// What the pane knows between frames.
#[derive(Debug, Default)]
pub(super) struct State {
    kind: usize,
    square: Square,
    /// The run and its common range.
    scale: Option<(u64, Scale)>,
}

/// Draws the pane.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    let title = ("Switched off", "Does a language suffer most from the loss of its own neurons?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let find = |kind: &str| -> Option<&Series> {
            let mut all = loaded.catalogue.series().iter();
            all.find(|s| s.choice.metric == "perplexity_ratio" && s.variant == kind && s.choice.probe == "neurons")
        };
        let there: Vec<(usize, &str, &str)> = (KINDS.iter().enumerate())
            .filter(|(_, (kind, ..))| find(kind).is_some())
            .map(|(at, (_, name, tip))| (at, *name, *tip))
            .collect();
        if there.is_empty() {
            pane::note(ui, "The neurons were not switched off in this run; set effect = true in the probe.");
            return;
        }
        segmented(ui, "switched off", &mut state.kind, &there);
        let scale = common(state, loaded);
        let Some(series) = KINDS.get(state.kind).and_then(|(kind, ..)| find(kind)) else { return };
        state.square.refresh(
            loaded,
            series,
            Look { layer: None, order: Order::Cluster, mirrored: false, scale: Some(scale) },
        );
        let names = Names { name: "perplexity ratio", down: "text", across: "neurons off" };
        if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
            (selection.language, selection.pivot) = (Some(language), Some(pivot));
        }
        specificity(ui, loaded, selection);
    });
}

/// One range for all sets, so that the controls can be compared by colour.
fn common(state: &mut State, loaded: &Loaded) -> Scale {
    if let Some((stamp, scale)) = state.scale
        && stamp == loaded.stamp
    {
        return scale;
    }
    let values = loaded.catalogue.rows("neurons", "perplexity_ratio").filter_map(|row| row.value);
    let scale = Scale::new(Colours::Data, values).around(1.0);
    state.scale = Some((loaded.stamp, scale));
    scale
}

/// The specificity of each language, with that of the random sets below it.
fn specificity(ui: &mut Ui, loaded: &Loaded, selection: &mut Selection) {
    let colours = *Palette::current(ui);
    let rows: Vec<_> = (loaded.catalogue.rows("neurons", "damage_specificity"))
        .filter(|row| row.variant == "lape" || row.variant == "random")
        .collect();
    if rows.is_empty() {
        return;
    }
    ui.add_space(6.0);
    ui.strong("Specificity of the damage");
    pane::note(ui, "How much more the own language suffers than the others, nats; grey: random sets.");
    let ends = || rows.iter().flat_map(|row| [row.value, row.low, row.high]).flatten();
    let scale = Scale { low: ends().fold(0.0, f64::min), high: ends().fold(1e-9, f64::max), diverging: false };
    let mut rows = rows;
    rows.sort_by(|a, b| (&a.language, &a.variant).cmp(&(&b.language, &b.variant)));
    let labels: Vec<String> = (rows.iter())
        .map(|row| if row.variant == "random" { "random".to_owned() } else { language_name(&row.language).to_owned() })
        .collect();
    let drawn: Vec<Span<'_>> = (rows.iter().zip(&labels))
        .map(|(row, label)| Span {
            label,
            value: row.value,
            interval: row.low.zip(row.high),
            colour: if row.variant == "random" {
                colours.missing
            } else {
                colours.language(colour_index(&loaded.run.corpus, &row.language))
            },
            strong: selection.language.as_ref() == Some(&row.language),
            said: match row.value {
                Some(value) if row.variant == "random" => {
                    format!("{}: random sets {}", language_name(&row.language), number(value))
                }
                _ => reading::describe(row, false),
            },
        })
        .collect();
    if let Some(row) = spans(ui, 150.0, scale, 0.0, &drawn).and_then(|at| rows.get(at)) {
        selection.language = Some(row.language.clone());
    }
}
