//! What is chosen on the screen of traces. Choosing a step, a node or an anchor chooses what belongs to it everywhere.

use super::told::Told;

/// What is chosen, of up to two traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Focus {
    /// Which critical anchor.
    pub(super) anchor: Option<usize>,
    /// Which node of each trace.
    pub(super) nodes: [Option<usize>; 2],
    /// Which part of each: 0 is the problem, k the k-th step.
    pub(super) parts: [Option<usize>; 2],
}

impl Focus {
    /// A part of a trace as a whole.
    pub(super) fn part(side: usize, part: usize) -> Self {
        let mut focus = Self::default();
        focus.parts[side] = Some(part);
        focus
    }

    /// A node of a trace, said in `part` (where it is said first otherwise), with its partner in the other trace.
    pub(super) fn node(told: [Option<&Told>; 2], side: usize, node: usize, part: Option<usize>) -> Self {
        let own = told[side];
        let anchor = own.and_then(|own| own.anchors.get(node).copied().flatten());
        let mut focus = anchor.map_or_else(Self::default, |anchor| Self::critical(told, anchor));
        focus.nodes[side] = Some(node);
        focus.parts[side] = part.or_else(|| own.and_then(|own| own.places.get(node).copied()));
        focus
    }

    /// A critical anchor, in both traces.
    pub(super) fn critical(told: [Option<&Told>; 2], anchor: usize) -> Self {
        let mut focus = Self { anchor: Some(anchor), ..Self::default() };
        for (side, told) in told.into_iter().enumerate() {
            let Some(told) = told else { continue };
            focus.nodes[side] = told.nodes.get(anchor).copied().flatten();
            focus.parts[side] = focus.nodes[side].and_then(|node| told.places.get(node).copied());
        }
        focus
    }

    /// The nodes of a trace that stand out: the chosen one, or all that a chosen part says first.
    pub(super) fn bright(&self, told: &Told, side: usize) -> Vec<usize> {
        match (self.nodes[side], self.parts[side]) {
            (Some(node), _) => vec![node],
            (None, Some(part)) => (0..told.places.len()).filter(|node| told.places[*node] == part).collect(),
            (None, None) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two anchors; `nodes` say which node stands for each.
    fn told(anchors: Vec<Option<usize>>, nodes: Vec<Option<usize>>) -> Told {
        let places = (0..anchors.len()).collect();
        Told { trace: 0, who: String::new(), parts: Vec::new(), verdicts: Vec::new(), anchors, places, nodes }
    }

    #[test]
    fn a_node_chooses_its_partner_in_the_other_trace() {
        let left = told(vec![None, Some(0), Some(1)], vec![Some(1), Some(2)]);
        let right = told(vec![None, None, Some(1)], vec![None, Some(2)]);
        let both = [Some(&left), Some(&right)];
        let second = Focus::node(both, 0, 2, Some(7));
        assert_eq!(second, Focus { anchor: Some(1), nodes: [Some(2), Some(2)], parts: [Some(7), Some(2)] });
        // The other trace does not say the first anchor.
        let first = Focus::node(both, 0, 1, None);
        assert_eq!(first, Focus { anchor: Some(0), nodes: [Some(1), None], parts: [Some(1), None] });
        assert_eq!(Focus::node([Some(&left), None], 0, 0, None).anchor, None);
    }

    #[test]
    fn a_part_shows_all_its_nodes() {
        let trace = Told { places: vec![0, 1, 1, 2], ..told(vec![None; 4], Vec::new()) };
        assert_eq!(Focus::part(0, 1).bright(&trace, 0), [1, 2]);
        assert_eq!(Focus::part(1, 1).bright(&trace, 0), Vec::<usize>::new());
        assert_eq!(Focus::node([Some(&trace), None], 0, 3, None).bright(&trace, 0), [3]);
    }
}
