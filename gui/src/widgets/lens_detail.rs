//! One cell of the lens: its candidates, and the mass of languages and scripts over the layers.

use babelscope_probes::lens::{LensCell, LensReport};
use egui::{Align, Layout, RichText, ScrollArea, Ui};

use crate::{
    data::{Loaded, colour_index, language_name, mark},
    theme::Palette,
    views::lens::language_of,
    widgets::{
        bars::{Bar, Label, bars},
        curve::{Curve, Curves},
        pane,
        tokens::piece_name,
    },
};

/// At most this many curves are drawn: those that reach highest.
const CURVES: usize = 8;

/// The panel.
pub struct Detail<'a> {
    /// The run.
    pub loaded: &'a Loaded,
    /// The text.
    pub report: &'a LensReport,
    /// Index of the layer.
    pub layer: usize,
    /// The token.
    pub token: usize,
}

impl Detail<'_> {
    /// Draws the panel; gives whether a person closed it.
    pub fn show(&self, ui: &mut Ui) -> bool {
        let colours = *Palette::current(ui);
        let mut closed = false;
        let Some(cell) = self.report.cells.get(self.layer).and_then(|l| l.get(self.token)) else { return true };
        let number = self.report.layers.get(self.layer).copied().unwrap_or_default();
        colours.card_frame().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.set_min_height(ui.available_height());
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("Layer {number}, token {}", self.token + 1)).heading().strong());
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    closed = ui.button("×").on_hover_text("Close").accessible_name("Close the candidates").clicked();
                });
            });
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.content(ui, &colours, cell, number));
        });
        closed
    }

    fn content(&self, ui: &mut Ui, colours: &Palette, cell: &LensCell, number: usize) {
        if let Some(token) = self.report.tokens.get(self.token) {
            ui.horizontal(|ui| {
                pane::note(ui, "after the token");
                crate::text::Line::new(piece_name(&token.piece)).show(ui);
            });
        }
        if number == self.loaded.run.manifest.model.layers {
            ui.label(RichText::new("This is the model's own output.").color(colours.accent));
        }
        ui.add_space(4.0);
        ui.label(RichText::new("Most probable next tokens").strong());
        let final_token =
            self.report.cells.last().and_then(|l| l.get(self.token)).and_then(|c| c.top.first()).map(|c| c.id);
        let rows: Vec<Bar<'_>> = cell
            .top
            .iter()
            .map(|candidate| Bar {
                label: Label::Piece(&candidate.piece),
                value: candidate.probability,
                colour: language_of(Some(candidate), self.report).map_or(colours.weak, |l| self.colour(colours, l)),
                marked: Some(candidate.id) == final_token,
            })
            .collect();
        bars(ui, "candidate", 110.0, &rows);
        pane::note(
            ui,
            "Colour: language whose token set holds the token, grey where none or several do. Dot: the token that the last layer puts first.",
        );
        ui.add_space(6.0);
        egui::Grid::new("numbers of the cell").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
            for (name, value) in [
                ("entropy", format!("{:.3} nats", cell.entropy)),
                ("rank of the final token", cell.rank_of_final.to_string()),
                ("probability of the final token", format!("{:.3}", cell.probability_of_final)),
                ("KL from final", format!("{:.3} nats", cell.kl_from_final)),
            ] {
                ui.label(RichText::new(name).color(colours.weak));
                ui.label(value);
                ui.end_row();
            }
        });
        ui.add_space(8.0);
        ui.label(RichText::new("Mass of each language over the layers").strong());
        let names: Vec<String> =
            self.report.languages.iter().map(|l| mark(l, &self.report.languages).to_owned()).collect();
        let colour = |at: usize| self.report.languages.get(at).map_or(at, |l| colour_index(&self.loaded.run.corpus, l));
        self.mass(ui, "mass of languages over layers", number, &names, Some(&colour), &|c| &c.language_mass);
        self.masses(ui, colours, cell);
        ui.add_space(8.0);
        ui.label(RichText::new("Mass of each script over the layers").strong());
        self.mass(ui, "mass of scripts over layers", number, &self.report.scripts, None, &|c| &c.script_mass);
    }

    fn colour(&self, colours: &Palette, language: &str) -> egui::Color32 {
        colours.language(colour_index(&self.loaded.run.corpus, language))
    }

    fn masses(&self, ui: &mut Ui, colours: &Palette, cell: &LensCell) {
        let mut rows: Vec<(&String, f32)> =
            self.report.languages.iter().zip(cell.language_mass.iter().copied()).collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let rows: Vec<Bar<'_>> = rows
            .into_iter()
            .take(CURVES)
            .map(|(l, mass)| Bar {
                label: Label::Text(language_name(l)),
                value: mass,
                colour: self.colour(colours, l),
                marked: false,
            })
            .collect();
        bars(ui, "language mass", 150.0, &rows);
    }

    fn mass(
        &self,
        ui: &mut Ui,
        name: &str,
        number: usize,
        names: &[String],
        colour: Option<&dyn Fn(usize) -> usize>,
        of: &dyn Fn(&LensCell) -> &Vec<f32>,
    ) {
        let x: Vec<f64> = self.report.layers.iter().map(|l| *l as f64).collect();
        let mut curves: Vec<Curve> = (names.iter().enumerate())
            .map(|(at, name)| {
                let value =
                    |layer: &Vec<LensCell>| layer.get(self.token).and_then(|c| of(c).get(at)).copied().unwrap_or(0.0);
                let y = self.report.cells.iter().map(|layer| f64::from(value(layer))).collect();
                Curve {
                    name: name.clone(),
                    colour: colour.map_or(at, |of| of(at)),
                    script: colour.is_none(),
                    x: x.clone(),
                    y,
                    band: (Vec::new(), Vec::new()),
                    strong: false,
                }
            })
            .collect();
        let highest = |c: &Curve| c.y.iter().copied().fold(0.0, f64::max);
        curves.sort_by(|a, b| highest(b).total_cmp(&highest(a)));
        let all = curves.len();
        curves.truncate(CURVES);
        let plot = Curves {
            name,
            across: "layer",
            axis: "probability",
            range: (0.0, 1.0),
            curves: &curves,
            null: None,
            chance: None,
            marked: Some(number as f64),
            height: 190.0,
        };
        plot.show(ui);
        if all > CURVES {
            pane::note(ui, format!("the {CURVES} highest of {all}"));
        }
    }
}
