//! Method A: one line of any script as an egui galley, for labels, cells, buttons and tooltips.

use std::borrow::Cow;
use std::sync::Arc;

use babelscope_core::lang::Direction;
use egui::text::{ByteIndex, LayoutJob, LayoutSection, TextFormat, TextWrapping};
use egui::{
    Align2, Color32, Galley, Painter, Pos2, Rect, Response, Role, Sense, TextStyle, Ui, Vec2, Widget, WidgetInfo,
};
use unicode_segmentation::UnicodeSegmentation as _;

use super::bidi::{base_direction, visible, visual_order};
use super::fonts::font_id;
use super::passage::Passage;

/// A line of text in any script. Build it, then [`Line::show`] it as a label or [`Line::paint`] it.
///
/// The accessible name and what is copied are the logical text.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    text: Cow<'a, str>,
    size: Option<f32>,
    color: Option<Color32>,
    monospace: bool,
    direction: Option<Direction>,
    width: f32,
    fill: bool,
    copyable: bool,
    sense: Sense,
}

/// A line ready to paint.
#[derive(Clone, Debug)]
pub struct LaidLine {
    /// In visual order. Its text is *not* the logical text.
    pub galley: Arc<Galley>,
    /// Whether the logical end was cut.
    pub elided: bool,
    /// Paragraph direction.
    pub direction: Direction,
}

/// A label with `text`; see [`Line`].
pub fn line(ui: &mut Ui, text: &str) -> Response {
    Line::new(text).show(ui)
}

/// What a tooltip says: a line where it fits, and as many as it needs where it does not.
pub fn tip(ui: &mut Ui, text: &str) {
    let line = Line::new(text);
    if line.layout(ui.painter()).galley.size().x <= ui.available_width() {
        line.show(ui);
    } else {
        Passage::new(text).show(ui);
    }
}

impl<'a> Line<'a> {
    /// A line in body size and text colour.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: text.into(),
            size: None,
            color: None,
            monospace: false,
            direction: None,
            width: f32::INFINITY,
            fill: false,
            copyable: false,
            sense: Sense::hover(),
        }
    }

    /// Another text in the same look.
    #[must_use]
    pub fn text(mut self, text: impl Into<Cow<'a, str>>) -> Self {
        self.text = text.into();
        self
    }

    /// Font size in points; the body size otherwise.
    #[must_use]
    pub fn size(mut self, points: f32) -> Self {
        self.size = Some(points);
        self
    }

    /// Text colour.
    #[must_use]
    pub fn color(mut self, color: Color32) -> Self {
        self.color = Some(color);
        self
    }

    /// Latin letters and digits of equal width.
    #[must_use]
    pub fn monospace(mut self) -> Self {
        self.monospace = true;
        self
    }

    /// Paragraph direction, when it is known; the first strong letter decides otherwise.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    /// Longest width in points; what does not fit is cut at the logical end and marked with `…`.
    #[must_use]
    pub fn width(mut self, points: f32) -> Self {
        self.width = points;
        self
    }

    /// Takes the whole width that is there (or [`Line::width`]) and begins at the side where its direction begins.
    #[must_use]
    pub fn fill(mut self) -> Self {
        self.fill = true;
        self
    }

    /// Adds a menu (right click) that copies the logical text.
    #[must_use]
    pub fn copyable(mut self) -> Self {
        self.copyable = true;
        self
    }

    /// What the label reacts to; hovering otherwise.
    #[must_use]
    pub fn sense(mut self, sense: Sense) -> Self {
        self.sense = sense;
        self
    }

    /// Lays the line out.
    pub fn layout(&self, painter: &Painter) -> LaidLine {
        let text = visible(&self.text);
        let direction = self.direction.unwrap_or_else(|| base_direction(&text));
        let galley = self.galley(painter, &text, direction);
        if galley.size().x <= self.width {
            return LaidLine { galley, elided: false, direction };
        }
        // The longest logical beginning that fits with the mark; widths grow with length up to kerning.
        let ends: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        let cut = |n: usize| {
            let end = ends.get(n).copied().unwrap_or(text.len());
            let kept = text.get(..end).unwrap_or_default().trim_end();
            self.galley(painter, &format!("{kept}…"), direction)
        };
        let (mut fits, mut fails) = (0, ends.len());
        while fits + 1 < fails {
            let middle = fits.midpoint(fails);
            if cut(middle).size().x <= self.width {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        LaidLine { galley: cut(fits), elided: true, direction }
    }

    fn galley(&self, painter: &Painter, text: &str, direction: Direction) -> Arc<Galley> {
        let size = self.size.unwrap_or_else(|| TextStyle::Body.resolve(&painter.ctx().global_style()).size);
        let format = TextFormat {
            font_id: font_id(text, size, self.monospace),
            color: self.color.unwrap_or(Color32::PLACEHOLDER),
            ..TextFormat::default()
        };
        let mut job = LayoutJob {
            wrap: TextWrapping { max_width: f32::INFINITY, ..TextWrapping::default() },
            break_on_newline: false,
            keep_trailing_whitespace: true,
            ..LayoutJob::default()
        };
        // `LayoutJob::append` would merge neighbours of one format, and with them the order of the stretches.
        for stretch in visual_order(text, direction) {
            let start = ByteIndex(job.text.len());
            job.text.push_str(&stretch.text);
            job.sections.push(LayoutSection {
                leading_space: 0.0,
                byte_range: start..ByteIndex(job.text.len()),
                format: format.clone(),
            });
        }
        painter.layout_job(job)
    }

    /// Paints the line with `anchor` of its box at `pos`; gives the box.
    pub fn paint(&self, painter: &Painter, pos: Pos2, anchor: Align2) -> Rect {
        let laid = self.layout(painter);
        let rect = anchor.anchor_size(pos, laid.galley.size());
        let color = self.color.unwrap_or_else(|| painter.ctx().global_style().visuals.text_color());
        painter.galley(rect.min, laid.galley, color);
        rect
    }

    /// Shows the line as a label.
    pub fn show(self, ui: &mut Ui) -> Response {
        ui.add(self)
    }
}

impl Widget for Line<'_> {
    fn ui(mut self, ui: &mut Ui) -> Response {
        if self.size.is_none() {
            self.size = Some(TextStyle::Body.resolve(ui.style()).size);
        }
        self.width = self.width.min(ui.available_width().max(0.0));
        let laid = self.layout(ui.painter());
        let size = laid.galley.size();
        let whole = if self.fill && self.width.is_finite() { Vec2::new(self.width.max(size.x), size.y) } else { size };
        // A click without focus: a label that can be copied is no stop of the tab key.
        let sense = if self.copyable { self.sense | Sense::CLICK } else { self.sense };
        let (rect, response) = ui.allocate_exact_size(whole, sense);
        let enabled = ui.is_enabled();
        response.widget_info(|| WidgetInfo::labeled(Role::Label, enabled, self.text.as_ref()));
        if ui.is_rect_visible(rect) {
            let anchor = match laid.direction {
                Direction::Ltr => Align2::LEFT_CENTER,
                Direction::Rtl => Align2::RIGHT_CENTER,
            };
            let color = self.color.unwrap_or_else(|| ui.visuals().text_color());
            let at = anchor.align_size_within_rect(size, rect);
            ui.painter().galley(at.min, laid.galley, color);
        }
        let response = if laid.elided { response.on_hover_ui(|ui| tip(ui, &self.text)) } else { response };
        if self.copyable {
            response.context_menu(|ui| {
                if ui.button("Copy").clicked() {
                    ui.ctx().copy_text(self.text.clone().into_owned());
                    ui.close();
                }
            });
        }
        response
    }
}
