//! Every script on one screen: method A left, method B right, token pieces below.
//!
//! `cargo run --release -p babelscope-gui --example scripts -- [light]`

#[expect(unreachable_pub, reason = "the tests of the workspace use the same list")]
#[path = "../../tests/support/samples.rs"]
mod samples;

use babelscope_core::tokens::Piece;
use babelscope_gui::text::{Line, Passage, TokenSpan, install_fonts};
use babelscope_gui::widgets::tokens::{TokenStrip, paint_piece};
use egui::{Color32, Sense, Theme, Ui, vec2};

fn main() -> eframe::Result {
    let theme = if std::env::args().any(|a| a == "light") { Theme::Light } else { Theme::Dark };
    let mut options = eframe::NativeOptions::default();
    options.viewport = options.viewport.with_inner_size([1280.0, 1000.0]);
    let screen = |cc: &eframe::CreationContext<'_>| {
        install_fonts(&cc.egui_ctx);
        cc.egui_ctx.set_theme(theme);
        Ok(Box::new(Screen { clicked: String::new() }) as Box<dyn eframe::App>)
    };
    eframe::run_native("babelscope-scripts", options, Box::new(screen))
}

struct Screen {
    clicked: String,
}

impl eframe::App for Screen {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        egui::CentralPanel::default().show(ui, |ui| {
            for (name, text) in samples::SAMPLES {
                ui.horizontal(|ui| {
                    let (rect, _) = ui.allocate_exact_size(vec2(120.0, 22.0), Sense::hover());
                    let weak = ui.visuals().weak_text_color();
                    Line::new(*name).color(weak).paint(ui.painter(), rect.left_center(), egui::Align2::LEFT_CENTER);
                    ui.allocate_ui(vec2(540.0, 22.0), |ui| Line::new(*text).size(15.0).width(540.0).fill().show(ui));
                    ui.add_space(20.0);
                    Passage::new(text).size(15.0).width(540.0).show(ui);
                });
            }
            ui.separator();
            pieces(ui);
            self.strips(ui);
        });
    }
}

fn pieces(ui: &mut Ui) {
    let pieces = [
        Piece::Text("tree".into()),
        Piece::Word("tree".into()),
        Piece::Blank("\n".into()),
        Piece::Blank("\t".into()),
        Piece::Blank(" ".into()),
        Piece::Blank("\u{200d}".into()),
        Piece::Special("<s>".into()),
        Piece::Bytes(vec![0xE0, 0xA4]),
        Piece::Marks("ा".into()),
        Piece::Marks("्".into()),
        Piece::Marks("\u{64e}".into()),
        Piece::Marks("\u{e48}".into()),
        Piece::Text("्र".into()),
        Piece::Word("القطة".into()),
        Piece::Text("بيت".into()),
        Piece::Word("क्षत्रिय".into()),
        Piece::Text("constitution".into()),
        Piece::Word("المستشفيات".into()),
    ];
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        for piece in &pieces {
            let (rect, _) = ui.allocate_exact_size(vec2(62.0, 24.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, ui.visuals().faint_bg_color);
            paint_piece(ui.painter(), rect, piece, 13.0, ui.visuals().text_color());
        }
    });
}

impl Screen {
    fn strips(&mut self, ui: &mut Ui) {
        for text in
            ["القطة الصغيرة ترى 12 شجرة (Rust)", "बिल्ली वृक्ष को देखती है", "แมวเห็นต้นไม้เล็กสีเขียว", "The cat sees a tree."]
        {
            // Four bytes or so a token, wherever that falls: borders inside joined words must not tear them.
            let ends: Vec<usize> =
                text.char_indices().map(|(at, _)| at).step_by(3).skip(1).chain([text.len()]).collect();
            let mut spans = Vec::with_capacity(ends.len() + 1);
            spans.push(0..0);
            spans.extend(std::iter::once(0).chain(ends.iter().copied()).zip(ends.iter().copied()).map(|(a, b)| a..b));
            let pieces: Vec<Piece> = spans
                .iter()
                .map(|s| if s.is_empty() { Piece::Special("<s>".into()) } else { Piece::Text(text[s.clone()].into()) })
                .collect();
            let fills: Vec<Color32> = (0..spans.len())
                .map(|i| {
                    egui::lerp(
                        egui::Rgba::from_rgb(0.02, 0.05, 0.2)..=egui::Rgba::from_rgb(0.7, 0.6, 0.1),
                        i as f32 / spans.len() as f32,
                    )
                    .into()
                })
                .collect();
            let strip = TokenStrip {
                text,
                spans: &spans,
                pieces: &pieces,
                fills: &fills,
                selected: Some(2),
                direction: None,
                size: 18.0,
            };
            if let Some(token) = strip.show(ui).clicked {
                self.clicked = format!("clicked token {} of {text}", token + 1);
            }
        }
        let text = "A colour inside العربية and हिन्दी never tears a word.";
        let colours = [Color32::RED, Color32::from_rgb(0, 150, 80), Color32::from_rgb(60, 120, 255)];
        let tokens: Vec<TokenSpan> = text
            .char_indices()
            .map(|(at, c)| TokenSpan {
                range: at..at + c.len_utf8(),
                color: colours.get(at % 3).copied(),
                ..TokenSpan::default()
            })
            .collect();
        Passage::new(text).size(20.0).tokens(&tokens).show(ui);
        Line::new(self.clicked.clone()).show(ui);
    }
}
