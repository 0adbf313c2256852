//! Names at the sides of a grid: where cells are small, only so many that they do not touch, and that of the cell in focus.

use egui::{Align2, Rect, Ui, pos2, vec2};

use crate::{
    text::Line,
    theme::{Palette, SMALL},
};

/// Lowest row that has its name beside it.
const LOWEST: f32 = 13.0;

/// Which of `count` cells of a side have a name, where a name needs `room`.
pub(super) fn some(count: usize, side: f32, room: f32, strong: Option<usize>) -> impl Iterator<Item = usize> {
    let every = (room / side).ceil().max(1.0) as usize;
    // The one in focus takes the place of those that it would touch.
    let free = move |at: usize| strong.is_none_or(|strong| at == strong || at.abs_diff(strong) >= every);
    (0..count).filter(move |at| strong == Some(*at) || (at.is_multiple_of(every) && free(*at)))
}

/// Writes the names of rows that are `side` high, from the top of `left` on, against its right edge.
pub(super) fn rows<'n>(
    ui: &Ui,
    left: Rect,
    side: f32,
    count: usize,
    name: &dyn Fn(usize) -> &'n str,
    strong: Option<usize>,
) {
    let colours = *Palette::current(ui);
    let painter = ui.painter_at(left.expand(4.0));
    for row in some(count, side, LOWEST, strong) {
        let middle = left.top() + (row as f32 + 0.5) * side;
        if !ui.is_rect_visible(Rect::from_center_size(pos2(left.center().x, middle), vec2(left.width(), side))) {
            continue;
        }
        let ink = if strong == Some(row) { colours.accent } else { colours.text };
        let line = Line::new(name(row)).size(SMALL).color(ink).width(left.width() - 12.0);
        line.paint(&painter, pos2(left.right() - 8.0, middle), Align2::RIGHT_CENTER);
    }
}

#[cfg(test)]
mod tests {
    use super::some;

    #[test]
    fn names_stand_apart_and_the_one_in_focus_is_there() {
        let of = |side: f32, strong: Option<usize>| some(10, side, 13.0, strong).collect::<Vec<usize>>();
        assert_eq!(of(20.0, None), (0..10).collect::<Vec<usize>>());
        assert_eq!(of(5.0, None), [0, 3, 6, 9]);
        assert_eq!(of(5.0, Some(4)), [0, 4, 9]);
    }
}
