//! Patching between languages: does the concept come over without its language? Curves over the layers, with bands.

use babelscope_probes::measure::Row;
use egui::Ui;

use super::KIND;
use crate::{
    command::Action,
    data::{Loaded, said},
    state::Selection,
    views::frames::Frames,
    widgets::{
        choose::combo,
        curve::{Curve, Curves},
        pane::{self, Help},
    },
};

const HELP: Help = Help {
    what: "A prompt in the target's language runs with a state of a prompt of another concept in the source's language. Read behind it: the \
           words of both concepts in both languages. Where separability is high, the concept came over and the language stayed: the \
           place holds the concept without its language. Band: 95 % bootstrap over pairs of prompts.",
    formula: "separability = p(cs,lt) / (p(cs,lt) + p(cs,ls) + p(ct,lt))\n\
              language moved = (p(cs,ls) + p(ct,ls)) / sum of the four\n\
              concept moved = (p(cs,ls) + p(cs,lt)) / sum of the four\n\
              cs, ct: concept of source and target; ls, lt: their languages",
    traps: &[
        "Ratios of tiny probabilities are loud: look at the probabilities below.",
        "Only first tokens are read; words that begin alike are left out.",
    ],
};

const RATIOS: [(&str, &str); 3] =
    [("separability", "separability"), ("language_moved", "language moved"), ("concept_moved", "concept moved")];

const WORDS: [(&str, &str); 6] = [
    ("cs_ls", "new concept, its language"),
    ("cs_lt", "new concept, old language"),
    ("ct_ls", "old concept, new language"),
    ("ct_lt", "old concept, old language"),
    ("cs_pivot", "new concept, pivot"),
    ("ct_pivot", "old concept, pivot"),
];

/// What is drawn, made anew only when its key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String, String)>,
    pair: String,
    variant: String,
    ratios: Vec<Curve>,
    words: Vec<Curve>,
}

/// Whether a run has rows of this experiment.
pub(super) fn has_rows(loaded: &Loaded) -> bool {
    loaded.catalogue.rows(KIND, "language_moved").any(|row| row.layer.is_some())
        || loaded.catalogue.rows(KIND, "separability").any(|row| row.layer.is_some())
}

fn name(row: &Row) -> String {
    format!("{}>{}", row.pivot, row.language)
}

/// What a variant is.
fn meaning(variant: &str) -> &'static str {
    match variant {
        "both" => "the last token becomes that of a prompt of another concept and language",
        "concept" => "of a prompt that differs in the concept alone",
        "language" => "of a prompt that differs in the language alone",
        "object" => "the last token of the word that is asked about, from this layer on",
        _ => "",
    }
}

impl State {
    fn refresh(&mut self, loaded: &Loaded) {
        let key = (loaded.stamp, self.pair.clone(), self.variant.clone());
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let own = |metric: &'static str| {
            let rows = loaded.catalogue.rows(KIND, metric);
            rows.filter(|row| name(row) == self.pair && row.variant == self.variant)
        };
        let at = |row: &Row| row.layer.map(|layer| layer as f64);
        let ratios = RATIOS.iter().enumerate().map(|(colour, (metric, name))| {
            Curve::of_rows(name, colour, own(metric).filter_map(|row| Some((at(row)?, row))))
        });
        let words = WORDS.iter().enumerate().map(|(colour, (item, name))| {
            let rows = own("probability").filter(|row| row.item == *item);
            Curve::of_rows(name, colour, rows.filter_map(|row| Some((at(row)?, row))))
        });
        let (ratios, words): (Vec<Curve>, Vec<Curve>) = (ratios.collect(), words.collect());
        self.ratios = ratios.into_iter().filter(|curve| !curve.x.is_empty()).collect();
        self.words = words.into_iter().filter(|curve| !curve.x.is_empty()).collect();
        self.key = Some(key);
    }
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
    let rows =
        || RATIOS.iter().flat_map(|(metric, _)| loaded.catalogue.rows(KIND, metric)).filter(|row| row.layer.is_some());
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut variants: Vec<(String, String)> = Vec::new();
    for row in rows() {
        let pair = name(row);
        if !pairs.iter().any(|(known, _)| *known == pair) {
            let from = if row.pivot == "mean" { "the mean of languages".to_owned() } else { said(&row.pivot) };
            pairs.push((pair, format!("{from} into {}", said(&row.language))));
        }
    }
    if !pairs.iter().any(|(pair, _)| *pair == state.pair) {
        state.pair = pairs.first().map(|(pair, _)| pair.clone()).unwrap_or_default();
    }
    for row in rows().filter(|row| name(row) == state.pair) {
        if !variants.iter().any(|(known, _)| *known == row.variant) {
            variants.push((row.variant.clone(), row.variant.replace('_', " ")));
        }
    }
    if !variants.iter().any(|(variant, _)| *variant == state.variant) {
        state.variant = variants.first().map(|(variant, _)| variant.clone()).unwrap_or_default();
    }
    state.refresh(loaded);
    let title = ("Between languages", "Can the concept of an answer be moved without its language?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            combo(ui, "languages of the patch", &mut state.pair, &pairs, 340.0);
            combo(ui, "what is exchanged", &mut state.variant, &variants, 130.0);
            pane::note(ui, meaning(&state.variant));
        });
        let most =
            state.words.iter().flat_map(|curve| curve.y.iter().chain(&curve.band.1)).copied().fold(0.0, f64::max);
        let plots = [
            ("shares over layers", "share", (0.0, 1.0), &state.ratios),
            ("probabilities of the words over layers", "probability", (0.0, most.clamp(1e-3, 1.0)), &state.words),
        ];
        for (name, axis, range, curves) in plots {
            let plot = Curves {
                name,
                across: "layer",
                axis,
                range,
                curves,
                null: None,
                chance: None,
                marked: selection.layer.map(|layer| layer as f64),
                height: 220.0,
            };
            if let Some(layer) = plot.show(ui) {
                selection.layer = Some(layer as usize);
            }
        }
    });
}
