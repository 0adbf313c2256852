//! A grid of coloured cells: one texture for the colours, and an overlay for what is visible.
//!
//! The texture is made anew only when `stamp` changes, so a frame costs four vertices and the texts that fit. To a screen
//! reader the grid is one region with a summary and one node for the cell in focus, never a node for each cell.

use std::ops::Range;

use egui::{
    Color32, ColorImage, Context, EventFilter, Id, Key, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Shape,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use crate::theme::{self, Palette};

/// The largest texture side that every device takes.
const SIDE: usize = 2048;
/// Cells at least this wide, in points, are parted by hairlines.
const PARTED: f32 = 7.0;
/// Lower cells have no overlay.
const LOWEST: f32 = 13.0;

/// What is shown. Row 0 is at the top, column 0 at the left.
pub struct Grid<'a> {
    /// Distinguishes this grid from all others.
    pub id: Id,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// What a screen reader calls the grid.
    pub name: &'a str,
    /// Colour of a cell.
    pub colour: &'a dyn Fn(usize, usize) -> Color32,
    /// Changes whenever the colours change.
    pub stamp: u64,
    /// Draws into a visible cell that is wide enough.
    pub overlay: &'a dyn Fn(&Painter, Rect, usize, usize),
    /// Narrower cells, in points, have no overlay.
    pub overlay_from: f32,
    /// Whether a cell has the dot that says "look before you believe".
    pub marked: &'a dyn Fn(usize, usize) -> bool,
    /// What a person would say of a cell: "Hindi, layer 3, MEXA 0.74".
    pub describe: &'a dyn Fn(usize, usize) -> String,
    /// The cell in focus.
    pub selected: Option<(usize, usize)>,
}

/// What happened.
pub struct GridOutput {
    /// The whole grid.
    pub response: Response,
    /// The cell under the pointer.
    pub hovered: Option<(usize, usize)>,
    /// The cell that was clicked, or reached by an arrow key.
    pub chosen: Option<(usize, usize)>,
}

impl Grid<'_> {
    /// Draws the grid into `rect`.
    pub fn show(&self, ui: &mut Ui, rect: Rect) -> GridOutput {
        let colours = Palette::current(ui);
        let response = ui.interact(rect, self.id, Sense::click());
        let cell = vec2(rect.width() / self.columns.max(1) as f32, rect.height() / self.rows.max(1) as f32);
        let at = |pos: Pos2| self.at(rect, cell, pos);
        let hovered = response.hover_pos().and_then(at);
        let mut chosen = None;
        if response.clicked() {
            response.request_focus();
            chosen = response.interact_pointer_pos().and_then(at);
        }
        if response.has_focus() {
            chosen = chosen.or_else(|| self.step(ui));
        }
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Grid, ui.is_enabled(), self.name);
            info.current_text_value = Some(self.focus_text());
            info
        });
        if let Some((row, column)) = self.selected.filter(|&(r, c)| r < self.rows && c < self.columns) {
            let node = ui.interact(self.rect(rect, cell, row, column), self.id.with("focus"), Sense::hover());
            node.widget_info(|| WidgetInfo::labeled(Role::Cell, true, (self.describe)(row, column)));
        }
        if ui.is_rect_visible(rect) && self.rows > 0 && self.columns > 0 {
            let painter = ui.painter_at(rect.expand(2.0));
            self.paint_cells(ui.ctx(), &painter, rect, cell);
            self.paint_overlay(&painter, rect, cell, colours, hovered, response.has_focus());
        }
        GridOutput { response, hovered, chosen }
    }

    fn at(&self, rect: Rect, cell: Vec2, pos: Pos2) -> Option<(usize, usize)> {
        if !rect.contains(pos) || self.rows == 0 || self.columns == 0 {
            return None;
        }
        let offset = pos - rect.min;
        let (row, column) = ((offset.y / cell.y) as usize, (offset.x / cell.x) as usize);
        Some((row.min(self.rows - 1), column.min(self.columns - 1)))
    }

    fn rect(&self, rect: Rect, cell: Vec2, row: usize, column: usize) -> Rect {
        Rect::from_min_size(rect.min + vec2(column as f32 * cell.x, row as f32 * cell.y), cell)
    }

    fn focus_text(&self) -> String {
        self.selected.map_or_else(
            || format!("{} rows, {} columns, no cell chosen", self.rows, self.columns),
            |(row, column)| (self.describe)(row, column),
        )
    }

    fn step(&self, ui: &Ui) -> Option<(usize, usize)> {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(self.id, filter));
        let (row, column) = self.selected?;
        let moved = ui.input(|input| {
            let mut to = (row, column);
            if input.key_pressed(Key::ArrowUp) {
                to.0 = to.0.saturating_sub(1);
            }
            if input.key_pressed(Key::ArrowDown) {
                to.0 = (to.0 + 1).min(self.rows.saturating_sub(1));
            }
            if input.key_pressed(Key::ArrowLeft) {
                to.1 = to.1.saturating_sub(1);
            }
            if input.key_pressed(Key::ArrowRight) {
                to.1 = (to.1 + 1).min(self.columns.saturating_sub(1));
            }
            to
        });
        (moved != (row, column)).then_some(moved)
    }

    fn paint_cells(&self, ctx: &Context, painter: &Painter, rect: Rect, cell: Vec2) {
        for top in (0..self.rows).step_by(SIDE) {
            for left in (0..self.columns).step_by(SIDE) {
                let (rows, columns) = ((self.rows - top).min(SIDE), (self.columns - left).min(SIDE));
                let texture = self.texture(ctx, top, left, rows, columns);
                let place = Rect::from_min_size(
                    rect.min + vec2(left as f32 * cell.x, top as f32 * cell.y),
                    vec2(columns as f32 * cell.x, rows as f32 * cell.y),
                );
                painter.image(texture.id(), place, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
            }
        }
    }

    fn texture(&self, ctx: &Context, top: usize, left: usize, rows: usize, columns: usize) -> TextureHandle {
        let key = self.id.with((top, left));
        let size = [columns, rows];
        if let Some((stamp, texture)) = ctx.data(|data| data.get_temp::<(u64, TextureHandle)>(key))
            && stamp == self.stamp
            && texture.size() == size
        {
            return texture;
        }
        let pixels = (top..top + rows)
            .flat_map(|row| (left..left + columns).map(move |column| (self.colour)(row, column)))
            .collect();
        let image = ColorImage::new(size, pixels);
        let texture = ctx.load_texture("grid", image, TextureOptions::NEAREST);
        ctx.data_mut(|data| data.insert_temp(key, (self.stamp, texture.clone())));
        texture
    }

    /// The dots of the marked cells, in the upper right corner, as one mesh.
    fn paint_marks(&self, painter: &Painter, rect: Rect, cell: Vec2, (rows, columns): (Range<usize>, Range<usize>)) {
        let side = (cell.min_elem() * 0.3).clamp(1.5, 5.0);
        let edge = if cell.min_elem() > 12.0 { 3.0 } else { 0.5 };
        let mut mesh = Mesh::default();
        for row in rows {
            for column in columns.clone().filter(|column| (self.marked)(row, *column)) {
                let spot = self.rect(rect, cell, row, column);
                let corner = pos2(spot.right() - edge - side, spot.top() + edge);
                let ink = theme::ink_on((self.colour)(row, column));
                mesh.add_colored_rect(Rect::from_min_size(corner, Vec2::splat(side)), ink);
            }
        }
        painter.add(Shape::mesh(mesh));
    }

    fn paint_overlay(
        &self,
        painter: &Painter,
        rect: Rect,
        cell: Vec2,
        colours: &Palette,
        hovered: Option<(usize, usize)>,
        focused: bool,
    ) {
        let seen = painter.clip_rect().intersect(rect);
        let range = |from: f32, to: f32, size: f32, count: usize| {
            let first = (from / size).floor().max(0.0) as usize;
            first..((to / size).ceil().max(0.0) as usize).min(count)
        };
        let rows = range(seen.top() - rect.top(), seen.bottom() - rect.top(), cell.y, self.rows);
        let columns = range(seen.left() - rect.left(), seen.right() - rect.left(), cell.x, self.columns);
        if cell.x >= PARTED && cell.y >= PARTED {
            let hairline = Stroke::new(1.0, colours.card);
            for row in rows.clone().skip(1) {
                painter.hline(seen.x_range(), rect.top() + row as f32 * cell.y, hairline);
            }
            for column in columns.clone().skip(1) {
                painter.vline(rect.left() + column as f32 * cell.x, seen.y_range(), hairline);
            }
        }
        self.paint_marks(painter, rect, cell, (rows.clone(), columns.clone()));
        if cell.x >= self.overlay_from && cell.y >= LOWEST {
            for row in rows {
                for column in columns.clone() {
                    (self.overlay)(painter, self.rect(rect, cell, row, column), row, column);
                }
            }
        }
        if let Some((row, column)) = hovered {
            let spot = self.rect(rect, cell, row, column);
            let line = Stroke::new(1.0, colours.text.gamma_multiply(0.55));
            painter.rect_stroke(Rect::from_x_y_ranges(rect.x_range(), spot.y_range()), 0.0, line, StrokeKind::Inside);
            painter.rect_stroke(Rect::from_x_y_ranges(spot.x_range(), rect.y_range()), 0.0, line, StrokeKind::Inside);
        }
        if let Some((row, column)) = self.selected {
            let spot = self.rect(rect, cell, row, column);
            painter.rect_stroke(spot, 2.0, Stroke::new(4.0, colours.card), StrokeKind::Middle);
            let width = if focused { 2.5 } else { 1.8 };
            painter.rect_stroke(spot, 2.0, Stroke::new(width, colours.text), StrokeKind::Middle);
        }
    }
}
