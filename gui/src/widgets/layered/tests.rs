use egui::{Rect, vec2};

use super::*;

const SPACING: Spacing = Spacing { node: Vec2::new(150.0, 40.0), gap: Vec2::new(20.0, 40.0) };

fn of(nodes: usize, edges: &[(usize, usize)]) -> Layered {
    layered(nodes, edges, SPACING)
}

/// Edges from earlier to later nodes, by a simple rule with a seed.
fn made_up(nodes: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut state = seed;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut edges = Vec::new();
    for user in 1..nodes {
        for _ in 0..next(4) {
            // Mostly from near, now and then from far.
            let far = if next(10) == 0 { user } else { user.min(6) };
            edges.push((user - 1 - next(far), user));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn boxes(found: &Layered) -> Vec<Rect> {
    found.places.iter().map(|middle| Rect::from_center_size(*middle, SPACING.node)).collect()
}

fn lawful(nodes: usize, edges: &[(usize, usize)]) {
    let found = of(nodes, edges);
    let boxes = boxes(&found);
    let whole = Rect::from_min_size(Pos2::ZERO, found.size);
    for (a, one) in boxes.iter().enumerate() {
        assert!(whole.contains_rect(*one), "node {a} at {one:?} is outside of {whole:?}");
        for (b, other) in boxes[..a].iter().enumerate() {
            assert!(!one.shrink(0.01).intersects(*other), "{a} and {b} overlap: {one:?}, {other:?}");
        }
    }
    for (at, (from, to)) in edges.iter().enumerate() {
        assert!(found.layers[*from] < found.layers[*to], "edge {from} -> {to}");
        assert!(found.places[*from].y < found.places[*to].y);
        let way: Vec<f32> = found.bends[at].iter().map(|bend| bend.y).collect();
        assert!(way.windows(2).all(|pair| pair[0] < pair[1]), "{way:?}");
    }
}

#[test]
fn nodes_never_overlap_and_edges_lead_down() {
    for seed in 0..40 {
        let nodes = 1 + seed as usize * 3;
        lawful(nodes, &made_up(nodes, seed));
    }
}

#[test]
fn three_hundred_nodes_are_placed_the_same_every_time() {
    let edges = made_up(300, 5);
    lawful(300, &edges);
    assert_eq!(of(300, &edges), of(300, &edges));
}

#[test]
fn a_chain_is_straight_and_a_given_stands_above_its_user() {
    let chain = of(4, &[(0, 1), (1, 2), (2, 3)]);
    assert_eq!(chain.layers, [0, 1, 2, 3]);
    assert!(chain.places.windows(2).all(|pair| (pair[0].x - pair[1].x).abs() < 0.01), "{:?}", chain.places);
    // Node 4 is used by the last alone.
    let late = of(5, &[(0, 1), (1, 2), (2, 3), (4, 3)]);
    assert_eq!(late.layers, [0, 1, 2, 3, 2]);
}

#[test]
fn the_order_uncrosses_what_can_be_uncrossed() {
    // 0 -> 3 and 1 -> 2: by number these would cross.
    let found = of(4, &[(0, 3), (1, 2)]);
    let left = |a: usize, b: usize| found.places[a].x < found.places[b].x;
    assert_eq!(left(0, 1), left(3, 2));
}

#[test]
fn a_long_edge_has_a_bend_in_each_layer_that_it_passes() {
    let found = of(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    assert_eq!(found.bends.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 2]);
    // The bends go around the nodes between.
    for (bend, node) in found.bends[3].iter().zip([1, 2]) {
        assert!((bend.x - found.places[node].x).abs() >= 0.5 * SPACING.node.x);
    }
}

#[test]
fn cycles_and_edges_to_nowhere_do_no_harm() {
    let found = of(3, &[(0, 1), (1, 2), (2, 0), (1, 1), (7, 0)]);
    assert_eq!(found.layers, [0, 1, 2]);
    assert_eq!((found.bends.len(), found.places.len()), (5, 3));
    assert_eq!(of(0, &[]).size, Vec2::ZERO);
    assert_eq!(of(1, &[]).size, SPACING.node + vec2(24.0, 24.0));
}

#[test]
fn neighbours_that_want_one_place_share_it() {
    assert_eq!(apart(&[0.0, 0.0], &[10.0, 10.0], 2.0), [-6.0, 6.0]);
    assert_eq!(apart(&[5.0, -5.0, 100.0], &[2.0, 2.0, 2.0], 0.0), [-1.0, 1.0, 100.0]);
}
