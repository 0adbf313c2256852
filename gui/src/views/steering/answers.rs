//! Three answers side by side: plain, steered, and with a random vector of the same length.

use babelscope_core::generate::Stop;
use babelscope_probes::steer::{Answer, Compared};
use egui::{Color32, RichText, Stroke, Ui};

use super::{change, fresh::fresh};
use crate::{
    command::Action,
    data::{self, Loaded},
    measures::number,
    text::{Line, Passage},
    theme::{BODY, GAP, Palette},
    widgets::{
        pane::{self, Help, Pane},
        said::Said,
        tokens::TokenStrip,
    },
};

/// So many times the perplexity of the plain answer means that the model no longer speaks.
const COLLAPSED: f64 = 3.0;

const HELP: Help = Help {
    what: "The same prompt and seed three times. A line under a token: it is not in the plain answer (what a longest common subsequence of \
           both leaves). Below each answer its perplexity under the model as it is: how strange the unsteered model finds it.",
    formula: "perplexity = exp(− mean ln p(token | prompt, tokens before)), p of the unsteered model",
    traps: &[
        "The steered text alone says nothing: a random vector of this length may change as much.",
        "A text that repeats itself has a low perplexity; read it.",
        "After the first other token everything that follows is another text, steered or not.",
    ],
};

/// What is drawn, made anew only when its key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    prompt: usize,
    /// The chosen token of the steered answer.
    pub(super) token: Option<usize>,
    key: Option<(u64, usize)>,
    said: Vec<Said>,
    fresh: Vec<Vec<bool>>,
}

/// The panes of the answers.
pub(super) struct Panes<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) compared: &'a [Compared],
    /// Whether the answers are to other settings than those above.
    pub(super) old: bool,
    /// Whether newer ones are being made.
    pub(super) busy: bool,
}

/// What an arm is called.
fn arm(name: &str) -> (&str, &str) {
    match name {
        "none" => ("plain", "Plain"),
        "steered" => ("steered", "Steered"),
        "random" => ("random", "Random placebo"),
        other => (other, other),
    }
}

/// "7 tokens, the end of the text".
fn length(answer: &Answer) -> String {
    let why = match &answer.stop {
        Stop::End => "the model ends it".to_owned(),
        Stop::Length => "cut at the most new tokens".to_owned(),
        Stop::Context => "the context is full".to_owned(),
        Stop::Asked => "broken off".to_owned(),
        Stop::Text(text) => format!("stopped at {text:?}"),
    };
    format!("{} tokens, {why}", answer.ids.len())
}

/// How many times the perplexity of the plain answer the steered one has, where both have one.
pub(super) fn loss(compared: &Compared) -> Option<f64> {
    let of = |arm: &str| compared.answers.iter().find(|a| a.arm == arm).and_then(|answer| answer.perplexity);
    of("none").filter(|plain| *plain > 0.0).and_then(|plain| Some(of("steered")? / plain))
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, compared: &Compared) {
        let key = (loaded.stamp, self.prompt);
        if self.key == Some(key) {
            return;
        }
        let pieces = |answer: &Answer| answer.pieces.iter().map(|cell| cell.piece.clone()).collect();
        self.said = compared.answers.iter().map(|answer| Said::new(pieces(answer))).collect();
        let plain = compared.answers.iter().find(|answer| answer.arm == "none").map_or(&[][..], |plain| &plain.ids);
        self.fresh = compared.answers.iter().map(|answer| fresh(plain, &answer.ids)).collect();
        // The token that the vector moved most is the first one to look at.
        let most = compared.steps.iter().enumerate().max_by(|a, b| a.1.kl.total_cmp(&b.1.kl));
        self.token = most.map(|(at, _)| at);
        self.key = Some(key);
    }
}

impl Panes<'_> {
    /// Draws the answers, and the change at the chosen token.
    pub(super) fn show(&self, ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
        state.prompt = state.prompt.min(self.compared.len().saturating_sub(1));
        let Some(compared) = self.compared.get(state.prompt) else { return };
        state.refresh(self.loaded, compared);
        let (tag, toml) = (self.loaded.tag(), || data::toml(&self.loaded.run.spec));
        let pane = Pane {
            title: "Answers",
            question: "What changes, and is it still language?",
            help: &HELP,
            run: Some(&tag),
            toml: Some(&toml),
            replacing: self.busy,
        };
        pane.show(ui, actions, |ui, actions| {
            self.head(ui, state, compared, actions);
            collapsed(ui, compared);
            ui.columns(compared.answers.len().max(1), |columns| {
                for (at, (ui, answer)) in columns.iter_mut().zip(&compared.answers).enumerate() {
                    column(ui, state, compared, (at, answer));
                }
            });
            pane::note(ui, "A line under a token: it is not in the plain answer. Click a token of the steered answer to see its change.");
            for note in self.loaded.run.probed("compare").iter().flat_map(|measured| &measured.notes) {
                pane::note(ui, note.as_str());
            }
        });
        ui.add_space(GAP);
        let steered = compared.answers.iter().position(|answer| answer.arm == "steered");
        if let Some((answer, said)) = steered.and_then(|at| Some((compared.answers.get(at)?, state.said.get(at)?))) {
            let pane = Pane { title: "Change at a token", question: change::QUESTION, help: &change::HELP, ..pane };
            pane.show(ui, actions, |ui, _| change::show(ui, &mut state.token, compared, answer, said));
        }
    }

    fn head(&self, ui: &mut Ui, state: &mut State, compared: &Compared, actions: &mut Vec<Action>) {
        let colours = *Palette::current(ui);
        if self.old {
            let text = "old: these answers are to other settings than those above; press Enter in the prompt or Answer";
            ui.label(RichText::new(text).color(colours.warn));
        }
        ui.horizontal_wrapped(|ui| {
            if self.compared.len() > 1 {
                let menu = ui.menu_button(format!("prompt {} of {}", state.prompt + 1, self.compared.len()), |ui| {
                    for (at, compared) in self.compared.iter().enumerate() {
                        let line = Line::new(compared.prompt.as_str()).width(420.0).sense(egui::Sense::click());
                        if line.show(ui).on_hover_cursor(egui::CursorIcon::PointingHand).clicked() {
                            state.prompt = at;
                            ui.close();
                        }
                    }
                });
                menu.response.accessible_name("choose a prompt");
            }
            if ui.button("Read in the lens").on_hover_text("What each layer says of this prompt").clicked() {
                actions.push(Action::Inspect(compared.prompt.clone()));
            }
        });
        Passage::new(&compared.prompt).size(BODY + 1.0).color(colours.weak).show(ui);
    }
}

/// The warning that the steered text is no language any more.
fn collapsed(ui: &mut Ui, compared: &Compared) {
    let colours = *Palette::current(ui);
    let Some(times) = loss(compared).filter(|times| *times >= COLLAPSED) else { return };
    let frame = colours.well_frame().stroke(Stroke::new(2.0, colours.bad));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let text = format!(
            "Fluency has collapsed: the model as it is finds the steered answer {} times as perplexing as its own. Take a smaller strength.",
            number(times)
        );
        ui.label(RichText::new(text).color(colours.bad).strong());
    });
}

fn column(ui: &mut Ui, state: &mut State, compared: &Compared, (at, answer): (usize, &Answer)) {
    let colours = *Palette::current(ui);
    let (who, title) = arm(&answer.arm);
    let steered = answer.arm == "steered";
    let frame = colours.well_frame();
    let frame = if steered { frame.stroke(Stroke::new(1.5, colours.accent)) } else { frame };
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.strong(title);
        let (Some(said), Some(fresh)) = (state.said.get(at), state.fresh.get(at)) else { return };
        if said.pieces.is_empty() {
            pane::note(ui, "the answer is empty");
        }
        let fills: Vec<Color32> =
            fresh.iter().map(|fresh| if *fresh { colours.accent_soft } else { Color32::TRANSPARENT }).collect();
        let strip = TokenStrip {
            text: &said.text,
            spans: &said.spans,
            pieces: &said.pieces,
            fills: &fills,
            selected: state.token.filter(|_| steered),
            direction: Some(said.direction(&compared.prompt)),
            size: BODY + 2.0,
        };
        let output = strip.show_as(ui, who, fresh);
        if steered {
            if let Some(token) = output.hovered {
                output.response.on_hover_ui_at_pointer(|ui| change::tooltip(ui, compared, said, token));
            }
            state.token = output.clicked.or(state.token);
        }
        numbers(ui, compared, answer, fresh);
    });
}

fn numbers(ui: &mut Ui, compared: &Compared, answer: &Answer, fresh: &[bool]) {
    let plain = compared.answers.iter().find(|answer| answer.arm == "none").and_then(|plain| plain.perplexity);
    let times =
        |own: f64| plain.filter(|plain| *plain > 0.0).map(|plain| format!(" = {} × plain", number(own / plain)));
    let text = match answer.perplexity {
        Some(own) if answer.arm == "none" => format!("perplexity {}", number(own)),
        Some(own) => format!("perplexity {}{}", number(own), times(own).unwrap_or_default()),
        None => "no perplexity: the answer is empty, or its probability is 0".to_owned(),
    };
    ui.add_space(4.0);
    ui.add(egui::Label::new(text).wrap());
    let other = fresh.iter().filter(|fresh| **fresh).count();
    let other = if answer.arm == "none" { String::new() } else { format!("; {other} are not in the plain one") };
    pane::note(ui, format!("{}{other}", length(answer)));
}
