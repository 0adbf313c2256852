//! Places for the nodes of an acyclic graph in layers from top to bottom (Sugiyama, Tagawa & Toda 1981).
//!
//! 1. **Layer**: the longest path to a node; what has no parent stands right above the first that uses it.
//! 2. **Order**: edges over several layers get a bend in each of them; nodes and bends are sorted by the mean place of their neighbours,
//!    down and up in turns (barycentre).
//! 3. **Place**: as near as can be to the mean of the neighbours without touching: isotonic regression on the distances.
//!
//! An edge that would close a cycle is drawn, and has no say in the layers. Above `MOST_BENDS` edges go straight.

use egui::{Pos2, Vec2, pos2, vec2};

/// Rounds of sorting, and of moving.
const ROUNDS: usize = 6;
/// Room for a bend, points.
const BEND: f32 = 10.0;
/// With more bends than this, edges have none.
const MOST_BENDS: usize = 4000;
/// Space around the whole.
const MARGIN: f32 = 12.0;

/// How large nodes are, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// A node.
    pub node: Vec2,
    /// Between two nodes of a layer, and between two layers.
    pub gap: Vec2,
}

/// Where everything stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layered {
    /// The middle of each node.
    pub places: Vec<Pos2>,
    /// The layer of each node, 0 at the top.
    pub layers: Vec<usize>,
    /// The bends of each edge, from its beginning to its end.
    pub bends: Vec<Vec<Pos2>>,
    /// The size of the whole.
    pub size: Vec2,
}

/// The layer of each node by its longest path, and which edges count.
fn depths(nodes: usize, edges: &[(usize, usize)]) -> (Vec<usize>, Vec<bool>) {
    let inside = |edge: &(usize, usize)| edge.0 < nodes && edge.1 < nodes && edge.0 != edge.1;
    let mut out = vec![Vec::new(); nodes];
    let mut left = vec![0usize; nodes];
    for (at, (from, to)) in edges.iter().enumerate().filter(|(_, edge)| inside(edge)) {
        out[*from].push(at);
        left[*to] += 1;
    }
    let mut layers = vec![0; nodes];
    let mut counts = vec![false; edges.len()];
    let mut placed = vec![false; nodes];
    let mut ready: Vec<usize> = (0..nodes).rev().filter(|node| left[*node] == 0).collect();
    for _ in 0..nodes {
        // Where only cycles are left, the first of their nodes begins.
        let next = ready.pop().or_else(|| (0..nodes).find(|node| !placed[*node]));
        let Some(node) = next else { break };
        placed[node] = true;
        for at in &out[node] {
            let to = edges[*at].1;
            if placed[to] {
                continue;
            }
            counts[*at] = true;
            layers[to] = layers[to].max(layers[node] + 1);
            left[to] -= 1;
            if left[to] == 0 {
                ready.push(to);
            }
        }
    }
    (layers, counts)
}

/// Puts what has no parent right above the first that uses it.
fn sink(layers: &mut [usize], edges: &[(usize, usize)], counts: &[bool]) {
    let mut parent = vec![false; layers.len()];
    let mut first = vec![usize::MAX; layers.len()];
    for ((from, to), _) in edges.iter().zip(counts).filter(|(_, counts)| **counts) {
        parent[*to] = true;
        first[*from] = first[*from].min(layers[*to]);
    }
    for (node, layer) in layers.iter_mut().enumerate() {
        if !parent[node] && first[node] != usize::MAX {
            *layer = first[node].saturating_sub(1);
        }
    }
}

/// The nearest places to `wanted` that keep the order and the distances: pooled neighbours share the mean of what they want.
fn apart(wanted: &[f32], widths: &[f32], gap: f32) -> Vec<f32> {
    let mut shift = 0.0;
    let shifts: Vec<f32> = (0..widths.len())
        .map(|at| {
            if at > 0 {
                shift += 0.5 * (widths[at - 1] + widths[at]) + gap;
            }
            shift
        })
        .collect();
    // Sum and count of each pool.
    let mut pools: Vec<(f32, usize)> = Vec::new();
    for (want, shift) in wanted.iter().zip(&shifts) {
        pools.push((want - shift, 1));
        while let [.., (a, n), (b, m)] = pools.as_slice()
            && *a * *m as f32 > *b * *n as f32
        {
            let both = (a + b, n + m);
            pools.truncate(pools.len() - 2);
            pools.push(both);
        }
    }
    let means = pools.iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / *count as f32, *count));
    means.zip(shifts).map(|(mean, shift)| mean + shift).collect()
}

/// Nodes and bends, by layer.
struct Slots {
    widths: Vec<f32>,
    layer: Vec<usize>,
    up: Vec<Vec<usize>>,
    down: Vec<Vec<usize>>,
    order: Vec<Vec<usize>>,
    /// The slots of each edge's bends.
    bends: Vec<Vec<usize>>,
}

impl Slots {
    fn new(layers: &[usize], edges: &[(usize, usize)], counts: &[bool], width: f32) -> Self {
        let nodes = layers.len();
        let mut slots = Self {
            widths: vec![width; nodes],
            layer: layers.to_vec(),
            up: vec![Vec::new(); nodes],
            down: vec![Vec::new(); nodes],
            order: Vec::new(),
            bends: vec![Vec::new(); edges.len()],
        };
        let long = |(from, to): &(usize, usize)| (layers[*to] - layers[*from]).saturating_sub(1);
        let counted = || edges.iter().zip(counts).enumerate().filter(|(_, (_, counts))| **counts);
        let bent = counted().map(|(_, (edge, _))| long(edge)).sum::<usize>() <= MOST_BENDS;
        for (at, (edge, _)) in counted() {
            let mut from = edge.0;
            for layer in layers[edge.0] + 1..layers[edge.1] {
                if !bent {
                    break;
                }
                let bend = slots.widths.len();
                slots.widths.push(BEND);
                slots.layer.push(layer);
                slots.up.push(Vec::new());
                slots.down.push(Vec::new());
                slots.bends[at].push(bend);
                slots.join(from, bend);
                from = bend;
            }
            slots.join(from, edge.1);
        }
        let deepest = slots.layer.iter().max().map_or(0, |layer| layer + 1);
        slots.order = vec![Vec::new(); deepest];
        for (slot, layer) in slots.layer.iter().enumerate() {
            slots.order[*layer].push(slot);
        }
        slots
    }

    fn join(&mut self, from: usize, to: usize) {
        self.down[from].push(to);
        self.up[to].push(from);
    }

    /// The mean of a slot's neighbours in one direction; itself where it has none.
    fn mean(&self, slot: usize, upwards: bool, at: &[f32]) -> f32 {
        let near = if upwards { &self.up[slot] } else { &self.down[slot] };
        match near.len() {
            0 => at[slot],
            count => near.iter().map(|other| at[*other]).sum::<f32>() / count as f32,
        }
    }

    /// The layers in the order of a sweep.
    fn sweep(&self, downwards: bool) -> Vec<usize> {
        let all = 0..self.order.len();
        if downwards { all.collect() } else { all.rev().collect() }
    }

    fn sort(&mut self) {
        let mut at = vec![0.0; self.widths.len()];
        let number = |order: &[usize], at: &mut [f32]| {
            // In the middle of its layer, so that layers of unlike length are compared by share.
            order.iter().enumerate().for_each(|(n, slot)| at[*slot] = n as f32 - 0.5 * order.len() as f32);
        };
        self.order.iter().for_each(|order| number(order, &mut at));
        for round in 0..2 * ROUNDS {
            let downwards = round % 2 == 0;
            for layer in self.sweep(downwards) {
                let means: Vec<f32> = (self.order[layer].iter()).map(|slot| self.mean(*slot, downwards, &at)).collect();
                let mut sorted: Vec<(f32, usize)> = means.into_iter().zip(self.order[layer].iter().copied()).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.order[layer] = sorted.into_iter().map(|(_, slot)| slot).collect();
                number(&self.order[layer], &mut at);
            }
        }
    }

    fn place(&self, gap: f32) -> Vec<f32> {
        let mut at = vec![0.0; self.widths.len()];
        for round in 0..2 * ROUNDS {
            let downwards = round % 2 == 0;
            for layer in self.sweep(downwards) {
                let order = &self.order[layer];
                let wanted: Vec<f32> = order.iter().map(|slot| self.mean(*slot, downwards, &at)).collect();
                let widths: Vec<f32> = order.iter().map(|slot| self.widths[*slot]).collect();
                for (slot, x) in order.iter().zip(apart(&wanted, &widths, gap)) {
                    at[*slot] = x;
                }
            }
        }
        at
    }
}

/// Places `nodes` nodes with these edges.
pub fn layered(nodes: usize, edges: &[(usize, usize)], spacing: Spacing) -> Layered {
    if nodes == 0 {
        return Layered { bends: vec![Vec::new(); edges.len()], ..Layered::default() };
    }
    let (mut layers, counts) = depths(nodes, edges);
    sink(&mut layers, edges, &counts);
    let mut slots = Slots::new(&layers, edges, &counts, spacing.node.x);
    slots.sort();
    let x = slots.place(spacing.gap.x);
    let ends = |slot: usize| (x[slot] - 0.5 * slots.widths[slot], x[slot] + 0.5 * slots.widths[slot]);
    let (low, high) = (0..x.len())
        .map(ends)
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), (left, right)| (low.min(left), high.max(right)));
    let step = spacing.node.y + spacing.gap.y;
    let middle =
        |slot: usize| pos2(x[slot] - low + MARGIN, MARGIN + 0.5 * spacing.node.y + slots.layer[slot] as f32 * step);
    Layered {
        places: (0..nodes).map(middle).collect(),
        bends: slots.bends.iter().map(|bends| bends.iter().map(|slot| middle(*slot)).collect()).collect(),
        size: vec2(high - low, slots.order.len() as f32 * step - spacing.gap.y) + Vec2::splat(2.0 * MARGIN),
        layers,
    }
}

#[cfg(test)]
mod tests;
