//! Very many points as one mesh: four kinds of marks, each a triangle or two.

use egui::{Color32, Mesh, Pos2, pos2};

/// A point of a scatter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Across.
    pub x: f32,
    /// Upwards.
    pub y: f32,
    /// Colour.
    pub colour: Color32,
    /// Kind of the mark, so that two things of one colour are told apart.
    pub mark: u8,
}

/// Adds the marks of points, `size` points wide; `place` gives the middle on the screen. What is not finite is left out.
pub fn marks(mesh: &mut Mesh, dots: &[Dot], size: f32, place: impl Fn(&Dot) -> Pos2) {
    mesh.reserve_vertices(4 * dots.len());
    mesh.reserve_triangles(2 * dots.len());
    for dot in dots {
        let middle = place(dot);
        if middle.is_finite() {
            add(mesh, middle, 0.5 * size, dot.colour, dot.mark);
        }
    }
}

/// Adds a line one point wide.
pub fn line(mesh: &mut Mesh, from: Pos2, to: Pos2, colour: Color32) {
    if !from.is_finite() || !to.is_finite() {
        return;
    }
    let side = 0.5 * (to - from).normalized().rot90();
    let first = mesh.vertices.len() as u32;
    for corner in [from - side, from + side, to + side, to - side] {
        mesh.colored_vertex(corner, colour);
    }
    mesh.add_triangle(first, first + 1, first + 2);
    mesh.add_triangle(first, first + 2, first + 3);
}

fn add(mesh: &mut Mesh, at: Pos2, half: f32, colour: Color32, mark: u8) {
    let first = mesh.vertices.len() as u32;
    let corner = |x: f32, y: f32| pos2(at.x + x * half, at.y + y * half);
    let corners: &[(f32, f32)] = match mark % 4 {
        0 => &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
        1 => &[(0.0, -1.4), (1.4, 0.0), (0.0, 1.4), (-1.4, 0.0)],
        2 => &[(0.0, -1.4), (1.3, 1.1), (-1.3, 1.1)],
        _ => &[(0.0, 1.4), (1.3, -1.1), (-1.3, -1.1)],
    };
    for (x, y) in corners {
        mesh.colored_vertex(corner(*x, *y), colour);
    }
    mesh.add_triangle(first, first + 1, first + 2);
    if corners.len() == 4 {
        mesh.add_triangle(first, first + 2, first + 3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_point_has_a_valid_mark() {
        let dots: Vec<Dot> = (0..9)
            .map(|i| Dot { x: i as f32, y: if i == 4 { f32::NAN } else { 0.0 }, colour: Color32::RED, mark: i as u8 })
            .collect();
        let mut mesh = Mesh::default();
        marks(&mut mesh, &dots, 4.0, |dot| pos2(dot.x, dot.y));
        assert!(mesh.is_valid());
        // Squares and diamonds have four corners: 0, 1, 5 and 8; triangles three: 2, 3, 6 and 7.
        assert_eq!(mesh.vertices.len(), 4 * 4 + 4 * 3);
        line(&mut mesh, pos2(0.0, 0.0), pos2(f32::NAN, 0.0), Color32::RED);
        assert_eq!(mesh.vertices.len(), 4 * 4 + 4 * 3);
        line(&mut mesh, pos2(0.0, 0.0), pos2(3.0, 4.0), Color32::RED);
        assert!(mesh.is_valid() && mesh.vertices.len() == 4 * 4 + 4 * 3 + 4);
    }
}
