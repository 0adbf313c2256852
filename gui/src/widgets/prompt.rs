//! A field for text of any script: what is typed, how it reads, and a picker of the corpus.

use babelscope_core::corpus::Corpus;
use egui::{Key, KeyboardShortcut, Modifiers, Ui};

use crate::{
    data::language_name,
    text::{self, Passage},
    theme::BODY,
    widgets::pane,
};

/// A text that a person writes or takes from the corpus.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The text.
    pub text: String,
    language: Option<String>,
    line: usize,
}

/// How a field is shown.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its accessible name.
    pub name: &'a str,
    /// What stands in it while it is empty.
    pub hint: &'a str,
    /// Lines that it is high.
    pub rows: usize,
    /// Its width, points.
    pub width: f32,
    /// Whether Enter alone is an order and Shift-Enter a new line; Ctrl-Enter is an order always.
    pub enter: bool,
}

impl Prompt {
    /// The text, of nothing else.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Forgets the line of the corpus; the text stays.
    pub fn reset(&mut self) {
        self.line = 0;
    }

    /// Goes to a line of the corpus.
    pub fn pick(&mut self, line: usize, corpus: &Corpus) {
        self.line = line;
        let language = self.language.as_ref().or_else(|| corpus.languages.first());
        if let Some(sentence) = language.and_then(|l| corpus.lines(l)).and_then(|lines| lines.get(line)) {
            self.text.clone_from(sentence);
        }
    }

    /// Draws the field; gives whether a person gave the order.
    pub fn field(&mut self, ui: &mut Ui, field: Field<'_>) -> bool {
        let font = text::font_id(&self.text, BODY, false);
        let mut edit = egui::TextEdit::multiline(&mut self.text)
            .font(font)
            .desired_rows(field.rows)
            .desired_width(field.width)
            .hint_text(field.hint);
        if field.enter {
            edit = edit.return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
        }
        let shown = ui.add(edit).accessible_name(field.name);
        let keys = |modifiers| ui.input_mut(|i| i.consume_key(modifiers, Key::Enter));
        shown.has_focus() && (keys(Modifiers::COMMAND) || (field.enter && keys(Modifiers::NONE)))
    }

    /// The text as it reads, where the field, which has no right-to-left order, may show it otherwise.
    pub fn preview(&self, ui: &mut Ui) {
        if self.text.chars().any(|c| c >= '\u{590}') {
            pane::note(ui, "as it reads:");
            Passage::new(&self.text).show(ui);
        }
    }

    /// Language and line of the corpus; gives whether a sentence was taken.
    pub fn picker(&mut self, ui: &mut Ui, corpus: &Corpus) -> bool {
        if corpus.is_empty() {
            return false;
        }
        let mut taken = false;
        ui.horizontal_wrapped(|ui| {
            pane::note(ui, "or from the corpus:");
            let language = self.language.clone().or_else(|| corpus.languages.first().cloned()).unwrap_or_default();
            let chosen = egui::ComboBox::from_id_salt("corpus language")
                .selected_text(language_name(&language))
                .width(150.0)
                .show_ui(ui, |ui| {
                    for code in &corpus.languages {
                        let name = format!("{} · {code}", language_name(code));
                        if ui.selectable_label(*code == language, name).clicked() {
                            self.language = Some(code.clone());
                            taken = true;
                        }
                    }
                });
            chosen.response.accessible_name("language of the sentence");
            let mut line = self.line.min(corpus.len() - 1) + 1;
            let drag = ui.add(egui::DragValue::new(&mut line).range(1..=corpus.len()).prefix("line "));
            let drag = drag.on_hover_text(format!("1 to {}", corpus.len())).accessible_name("line of the corpus");
            taken |= drag.changed();
            self.line = line - 1;
            for (mark, name, by) in [("‹", "previous line", -1isize), ("›", "next line", 1)] {
                if ui.button(mark).on_hover_text(name).accessible_name(name).clicked() {
                    self.line = self.line.saturating_add_signed(by).min(corpus.len() - 1);
                    taken = true;
                }
            }
            if taken {
                let language = self.language.as_deref().unwrap_or(&language);
                if let Some(sentence) = corpus.lines(language).and_then(|lines| lines.get(self.line)) {
                    self.text.clone_from(sentence);
                }
            }
        });
        taken
    }
}
