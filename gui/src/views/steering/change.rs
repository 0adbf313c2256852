//! What the vector did where one token of the steered answer was chosen.

use babelscope_probes::steer::{Answer, Compared};
use egui::{RichText, Ui};

use crate::{
    measures::number,
    text::{Line, isolate},
    theme::Palette,
    widgets::{
        curve::{Curve, Curves},
        moved::{Moved, moved},
        pane::{self, Help},
        said::Said,
        tokens::piece_name,
    },
};

pub(super) const QUESTION: &str = "Where did the vector change the next word, from what to what?";

pub(super) const HELP: Help = Help {
    what: "The steered answer is read a second time without the vector, so both distributions at a token are of the same text before it and \
           differ by the vector alone. The curve is their divergence at each token; a click chooses one. Hollow bar: probability in the \
           model as it is. Full bar: in the steered model. In brackets: steered minus plain logit.",
    formula: "KL = Σ p_steered (ln p_steered − ln p_plain)   (nats)",
    traps: &[
        "Logits have an arbitrary zero in each model: only differences between words mean something.",
        "A token is not a word: read the pieces of a script together.",
        "No change at a token may mean that the text before it already decides.",
    ],
};

fn name(said: &Said, token: usize) -> String {
    said.pieces.get(token).map_or_else(String::new, |piece| isolate(&piece_name(piece)).into_owned())
}

/// The tooltip of a token of the steered answer.
pub(super) fn tooltip(ui: &mut Ui, compared: &Compared, said: &Said, token: usize) {
    Line::new(format!("token {}: {}", token + 1, name(said, token))).show(ui);
    match compared.steps.get(token) {
        Some(step) => {
            ui.label(format!("KL {} nats", number(step.kl)));
            ui.label(format!("probability {:.3} plain, {:.3} steered", step.before, step.after));
        }
        None => drop(ui.label("no step was kept")),
    }
    pane::note(ui, "click to see the words");
}

/// Draws the divergence over the answer and the words at the chosen token.
pub(super) fn show(ui: &mut Ui, token: &mut Option<usize>, compared: &Compared, answer: &Answer, said: &Said) {
    let colours = *Palette::current(ui);
    let steps = &compared.steps;
    if steps.is_empty() {
        pane::note(ui, "the steered answer is empty, so there is no token to look at");
        return;
    }
    let chosen = token.unwrap_or(0).min(steps.len() - 1);
    ui.columns(2, |columns| {
        let [left, right] = columns else { return };
        let (x, y): (Vec<f64>, Vec<f64>) =
            steps.iter().enumerate().map(|(at, step)| (at as f64 + 1.0, step.kl)).unzip();
        let most = y.iter().copied().fold(0.0, f64::max);
        let curve =
            Curve { name: "KL".to_owned(), colour: 0, script: false, x, y, band: Default::default(), strong: true };
        let plot = Curves {
            name: "divergence over the answer",
            across: "token",
            axis: "KL, nats",
            range: (0.0, most.max(1e-3)),
            curves: &[curve],
            null: None,
            chance: None,
            marked: Some(chosen as f64 + 1.0),
            height: 190.0,
        };
        if let Some(clicked) = plot.show(left) {
            *token = Some((clicked.max(1.0) as usize - 1).min(steps.len() - 1));
        }
        let Some(step) = steps.get(chosen) else { return };
        right.horizontal_wrapped(|ui| {
            ui.strong(format!("Token {}", chosen + 1));
            Line::new(name(said, chosen)).show(ui);
        });
        let text =
            format!("KL {} nats; this token: {:.3} plain, {:.3} steered", number(step.kl), step.before, step.after);
        right.label(RichText::new(text).color(colours.text));
        let rows: Vec<Moved<'_>> = (step.moved.iter())
            .map(|word| Moved {
                piece: &word.piece,
                before: word.before,
                after: word.after,
                logit: word.logit,
                chosen: answer.ids.get(chosen) == Some(&word.id),
            })
            .collect();
        moved(right, "word", &rows);
    });
}
