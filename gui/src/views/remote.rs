//! The dialog that opens a run of another machine: where it is, and the token of its server.

use babelscope::{remote::Place, serve::Token};
use egui::{Id, Key, Modal, Modifiers, RichText, TextEdit, Ui, vec2};

use crate::{
    command::Action,
    theme::{GAP, Palette},
};

/// The fields, which outlive the dialog so that a slip of the hand is corrected and not typed again. The token is never stored.
#[derive(Default)]
pub struct View {
    /// Whether the dialog is in front.
    pub shown: bool,
    /// `http://127.0.0.1:8080/NAME`
    pub address: String,
    token: String,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("shown", &self.shown).field("address", &self.address).finish_non_exhaustive()
    }
}

/// Draws the dialog where it is wanted.
pub fn show(ui: &Ui, view: &mut View, actions: &mut Vec<Action>) {
    if !view.shown {
        return;
    }
    let colours = *Palette::current(ui);
    let shown = Modal::new(Id::unique("remote")).frame(colours.card_frame()).show(ui.ctx(), |ui| {
        ui.set_width(500.0);
        ui.label(RichText::new("Open remote").heading().strong());
        ui.label(RichText::new("A run of another machine, where `babelscope serve` runs").color(colours.weak));
        ui.add_space(GAP);
        let field = |ui: &mut Ui, name: &str, hint: &str, value: &mut String, masked: bool| {
            let label = ui.label(RichText::new(name).small().color(colours.weak));
            let edit = TextEdit::singleline(value).hint_text(hint).password(masked).desired_width(f32::INFINITY);
            ui.add(edit).labelled_by(label.id)
        };
        let address = field(ui, "Address", "http://127.0.0.1:8080/NAME", &mut view.address, false);
        field(ui, "Token", "what the server printed, or was given", &mut view.token, true);
        if ui.memory(|memory| memory.focused().is_none()) {
            address.request_focus();
        }
        ui.add_space(4.0);
        let small = |text: &str| RichText::new(text).small().color(colours.weak);
        ui.label(small("Through SSH, type this in a terminal of this machine:"));
        let command = small("ssh -L 8080:127.0.0.1:8080 HOST babelscope serve RUNS").monospace();
        ui.add(egui::Label::new(command).wrap().selectable(true));
        ui.add_space(GAP);
        let asked = Place::parse(&view.address).and_then(|place| Ok((place, Token::new(&view.token)?)));
        let enter = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        ui.horizontal(|ui| {
            let open =
                egui::Button::new(RichText::new("Open").strong()).min_size(vec2(90.0, 30.0)).fill(colours.accent_soft);
            let open = ui.add_enabled(asked.is_ok(), open).accessible_name("Open the remote run");
            if let Ok((place, token)) = &asked
                && (open.clicked() || enter)
            {
                actions.push(Action::OpenRemote(place.clone(), token.clone()));
                view.shown = false;
            }
            if ui.button("Close").clicked() {
                view.shown = false;
            }
        });
        if let Err(why) = asked.as_ref().map_err(|why| format!("{why:#}"))
            && !view.address.trim().is_empty()
            && (!view.token.is_empty() || Place::parse(&view.address).is_err())
        {
            ui.add(egui::Label::new(RichText::new(why).small().color(colours.warn)).wrap());
        }
    });
    if shown.should_close() {
        view.shown = false;
    }
}
