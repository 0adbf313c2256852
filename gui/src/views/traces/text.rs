//! The text of a trace: parts with their numbers, anchors marked by sign, frame and line. What is out of sight is not laid out.

use babelscope_core::lang::Direction;
use egui::{
    Align, Layout, Rect, Response, RichText, ScrollArea, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, vec2,
};

use super::{
    focus::Focus,
    told::{Part, Told},
};
use crate::{
    text::{Passage, TokenSpan},
    theme::{BODY, Palette, SMALL},
    widgets::{graph::number_badge, verdict::Verdict},
};

/// Width of the number of a step.
const NUMBER: f32 = 34.0;
/// Space above and below the text of a part.
const ABOVE: f32 = 7.0;
const BELOW: f32 = 6.0;
/// How far outside of what is seen parts are still laid out.
const AHEAD: f32 = 300.0;

/// The heights of the parts, for one trace and one width.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, usize, u32)>,
    heights: Vec<Option<f32>>,
    /// The part that was brought into sight last.
    followed: Option<usize>,
}

/// How a trace is shown.
pub(super) struct Text<'a> {
    pub(super) told: &'a Told,
    /// 0 for the left one.
    pub(super) side: usize,
    pub(super) focus: &'a Focus,
    /// Whether another trace stands beside it: then critical anchors have numbers.
    pub(super) numbered: bool,
    pub(super) stamp: u64,
    pub(super) height: f32,
}

/// What was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clicked {
    Part(usize),
    Node { node: usize, part: usize },
}

impl Text<'_> {
    /// Draws the text.
    pub(super) fn show(&self, ui: &mut Ui, state: &mut State) -> Option<Clicked> {
        let area = ScrollArea::vertical().id_salt(("text of a trace", self.side)).auto_shrink([false, true]);
        area.max_height(self.height).show(ui, |ui| self.parts(ui, state)).inner
    }

    fn parts(&self, ui: &mut Ui, state: &mut State) -> Option<Clicked> {
        let key = Some((self.stamp, self.told.trace, ui.available_width() as u32));
        if state.key != key {
            *state = State { key, heights: vec![None; self.told.parts.len()], followed: None };
        }
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut clicked = None;
        for (at, part) in self.told.parts.iter().enumerate().filter(|(at, part)| *at > 0 || !part.text.is_empty()) {
            let top = ui.next_widget_position().y;
            let seen = ui.clip_rect().expand(AHEAD);
            let known = state.heights.get(at).copied().flatten();
            let hidden = known.filter(|height| top + height < seen.top() || top > seen.bottom());
            let rect = match hidden {
                Some(height) => self.blank(ui, at, height),
                None => {
                    let (rect, own) = self.part(ui, at, part);
                    clicked = own.or(clicked);
                    if let Some(height) = state.heights.get_mut(at) {
                        *height = Some(rect.height());
                    }
                    rect
                }
            };
            if self.focus.parts[self.side] == Some(at) && state.followed != Some(at) {
                state.followed = Some(at);
                if !ui.clip_rect().contains_rect(rect) {
                    ui.scroll_to_rect(rect, Some(Align::Center));
                }
            }
        }
        if self.focus.parts[self.side].is_none() {
            state.followed = None;
        }
        clicked
    }

    /// What a part is called.
    fn name(&self, part: usize) -> String {
        match part {
            0 => format!("{} problem", self.told.who),
            step => format!("{} step {step}", self.told.who),
        }
    }

    /// Room for a part that is out of sight.
    fn blank(&self, ui: &mut Ui, at: usize, height: f32) -> Rect {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, self.name(at)));
        rect
    }

    fn part(&self, ui: &mut Ui, at: usize, part: &Part) -> (Rect, Option<Clicked>) {
        let colours = *Palette::current(ui);
        let chosen = self.focus.parts[self.side] == Some(at);
        let top = ui.next_widget_position().y;
        let ground = ui.painter().add(Shape::Noop);
        // Room for signs and numbers above the line.
        ui.add_space(ABOVE);
        let layout = match part.direction {
            Direction::Ltr => Layout::left_to_right(Align::TOP),
            Direction::Rtl => Layout::right_to_left(Align::TOP),
        };
        let mut clicked = None;
        let shown = ui.with_layout(layout.with_cross_align(Align::TOP), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            if self.number(ui, at, chosen, &colours).clicked() {
                clicked = Some(Clicked::Part(at));
            }
            let spans = self.spans(at, part, &colours);
            let tokens: Vec<TokenSpan> = spans.iter().map(|(span, _)| span.clone()).collect();
            let passage = Passage::new(&part.text).tokens(&tokens).size(BODY + 1.0).direction(part.direction);
            let shown = passage.width((ui.available_width() - 10.0).max(80.0)).show(ui);
            for ((_, mark), rects) in spans.iter().zip(&shown.rects) {
                if let Some(mark) = mark {
                    self.sign(ui, part, *mark, rects, &colours);
                }
            }
            if let Some((_, mark)) = shown.clicked.and_then(|token| spans.get(token)) {
                let node = mark.and_then(|mark| part.marks.get(mark)).and_then(|mark| mark.node);
                clicked = Some(node.map_or(Clicked::Part(at), |node| Clicked::Node { node, part: at }));
            }
        });
        ui.add_space(BELOW);
        let whole = Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=shown.response.rect.bottom() + BELOW);
        if chosen {
            ui.painter().set(ground, Shape::rect_filled(whole, 4.0, colours.accent_soft.gamma_multiply(0.6)));
        }
        ui.painter().hline(whole.x_range(), whole.bottom() - 0.5, Stroke::new(1.0, colours.line));
        (whole, clicked)
    }

    fn number(&self, ui: &mut Ui, at: usize, chosen: bool, colours: &Palette) -> Response {
        let text = if at == 0 { "?".to_owned() } else { at.to_string() };
        let ink = if chosen { colours.accent } else { colours.weak };
        let button = egui::Button::new(RichText::new(text).size(SMALL).color(ink)).min_size(vec2(NUMBER, 22.0));
        ui.add(button.frame(true).selected(chosen)).accessible_name(self.name(at))
    }

    /// The marks, and the words between them, which stand for the whole part; with the number of each mark.
    fn spans(&self, at: usize, part: &Part, colours: &Palette) -> Vec<(TokenSpan, Option<usize>)> {
        let words = |range: std::ops::Range<usize>| {
            let name = Some(format!("{} words", self.name(at)));
            (TokenSpan { range, name, ..TokenSpan::default() }, None)
        };
        let mut spans = Vec::new();
        let mut last = 0;
        for (number, mark) in part.marks.iter().enumerate() {
            if mark.range.start > last {
                spans.push(words(last..mark.range.start));
            }
            last = mark.range.end;
            spans.push((self.marked(at, part, number, colours), Some(number)));
        }
        if last < part.text.len() {
            spans.push(words(last..part.text.len()));
        }
        spans
    }

    fn marked(&self, at: usize, part: &Part, number: usize, colours: &Palette) -> TokenSpan {
        let Some(mark) = part.marks.get(number) else { return TokenSpan::default() };
        let verdict = mark.node.and_then(|node| self.told.verdicts.get(node)).copied();
        let Some(verdict) = verdict else {
            let (range, name) = (mark.range.clone(), Some(mark.said.clone()));
            return TokenSpan { range, name, color: Some(colours.weak), ..TokenSpan::default() };
        };
        let node = mark.node.unwrap_or_default();
        let chosen = self.focus.nodes[self.side] == Some(node);
        let spoken = if chosen && self.focus.parts[self.side] == Some(at) { ", chosen" } else { "" };
        TokenSpan {
            range: mark.range.clone(),
            name: Some(format!("{}{spoken}", mark.said)),
            color: Some(verdict.colour(colours)),
            fill: chosen.then_some(colours.accent_soft),
            border: None,
            underline: true,
        }
    }

    /// The critical anchor of a node, where numbers are shown.
    fn partner(&self, node: usize) -> Option<usize> {
        self.told.anchors.get(node).copied().flatten().filter(|_| self.numbered)
    }

    /// The sign above the end of a mark, its number above the beginning, and a frame around what is the answer or has a partner.
    fn sign(&self, ui: &Ui, part: &Part, mark: usize, rects: &[Rect], colours: &Palette) {
        let Some(mark) = part.marks.get(mark) else { return };
        let Some((node, verdict)) = mark.node.and_then(|node| Some((node, *self.told.verdicts.get(node)?))) else {
            return;
        };
        let (Some(first), Some(last)) = (rects.first(), rects.last()) else { return };
        let (begin, end) = match part.direction {
            Direction::Ltr => (first.left_top() + vec2(-3.0, -4.0), last.right_top() + vec2(4.0, -3.0)),
            Direction::Rtl => (first.right_top() + vec2(3.0, -4.0), last.left_top() + vec2(-4.0, -3.0)),
        };
        let partner = self.partner(node);
        let frame = match (self.focus.nodes[self.side] == Some(node), partner, mark.answer) {
            (true, ..) => Some(colours.accent),
            (_, Some(anchor), _) => Some(colours.language(anchor)),
            (.., true) => Some(verdict.colour(colours)),
            _ => None,
        };
        // Around the letters and not over them: a single digit is narrow.
        for rect in rects.iter().filter(|_| frame.is_some()) {
            let stroke = Stroke::new(1.2, frame.unwrap_or_default());
            ui.painter().rect_stroke(rect.expand2(vec2(2.5, 0.5)), 3.0, stroke, StrokeKind::Inside);
        }
        if verdict != Verdict::Given {
            verdict.paint(ui.painter(), end, 8.0, colours);
        }
        if let Some(anchor) = partner {
            number_badge(ui.painter(), begin, anchor + 1, 0.85, colours.language(anchor));
        }
    }
}
