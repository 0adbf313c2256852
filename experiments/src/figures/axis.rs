//! Ticks that do not touch, labels that do not overlap, colour bars, captions.

use super::{
    colour,
    colour::Rgb,
    panel::ticks,
    svg::{Anchor, GREY, HAIR, INK, Svg},
    typeset::wrap,
};

/// Size of tick labels.
pub(super) const SMALL: f64 = 9.0;

/// Which of the layers get a label: multiples of the smallest round step that leaves room, `place` being where a layer stands.
pub(super) fn labelled(layers: &[usize], place: impl Fn(usize) -> f64, room: f64) -> Vec<usize> {
    for step in [1, 2, 4, 5, 10, 20, 40, 50, 100, 200] {
        let chosen: Vec<usize> = layers.iter().copied().filter(|layer| layer % step == 0).collect();
        if chosen.windows(2).all(|pair| place(pair[1]) - place(pair[0]) >= room) {
            return chosen;
        }
    }
    layers.first().copied().into_iter().collect()
}

/// Moves labels apart, each as little as order allows: at least `gap` between neighbours, all within `low..=high` where
/// they fit. The result is in the order of `wanted`.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]).then(a.cmp(&b)));
    // Labels that touch become a block that is centred on the mean of what its members want.
    let mut blocks: Vec<(f64, usize)> = Vec::new(); // (centre, members)
    for &at in &order {
        let mut block = (wanted[at], 1);
        while let Some(&(centre, members)) = blocks.last() {
            let apart = gap * (members + block.1) as f64 / 2.0;
            if block.0 - centre >= apart {
                break;
            }
            blocks.pop();
            let together = members + block.1;
            block.0 = (centre * members as f64 + block.0 * block.1 as f64) / together as f64;
            block.1 = together;
        }
        let half = gap * (block.1 - 1) as f64 / 2.0;
        block.0 = block.0.min(high - half).max(low + half);
        blocks.push(block);
    }
    // Keeping one block inside can push it onto its neighbour: shift the others back from the end.
    let mut places: Vec<f64> = (blocks.iter())
        .flat_map(|&(centre, members)| {
            (0..members).map(move |i| centre + gap * (i as f64 - (members - 1) as f64 / 2.0))
        })
        .collect();
    let mut ceiling = high;
    for place in places.iter_mut().rev() {
        *place = place.min(ceiling);
        ceiling = *place - gap;
    }
    let mut result = vec![0.0; wanted.len()];
    for (&at, place) in order.iter().zip(places) {
        result[at] = place;
    }
    result
}

/// Layer numbers below a panel, with the axis' name.
pub(super) fn layers(svg: &mut Svg, layers: &[usize], place: impl Fn(usize) -> f64, y: f64, name: bool) {
    for layer in labelled(layers, &place, 20.0) {
        svg.say(place(layer), y + 11.0, Anchor::Middle, SMALL, INK, &layer.to_string());
    }
    if let (true, Some(&first), Some(&last)) = (name, layers.first(), layers.last()) {
        let middle = (place(first) + place(last)) / 2.0;
        svg.say(middle, y + 25.0, Anchor::Middle, 10.0, INK, "layer (0 = embeddings)");
    }
}

/// The colour bar of a share, upright, with its name on top.
pub(super) fn colour_bar(svg: &mut Svg, x: f64, y: f64, height: f64, name: &str) {
    svg.say(x, y - 7.0, Anchor::Start, SMALL, INK, name);
    scale_bar(svg, x, y, height, (0.0, 1.0));
}

/// The colour bar of any scale, upright.
pub(super) fn scale_bar(svg: &mut Svg, x: f64, y: f64, height: f64, range: (f64, f64)) {
    coloured_bar(svg, x, y, height, range, colour::quantity);
}

/// The colour bar of a scale whose shares have these colours, upright.
pub(super) fn coloured_bar(
    svg: &mut Svg,
    x: f64,
    y: f64,
    height: f64,
    (low, high): (f64, f64),
    colour: impl Fn(f64) -> Rgb,
) {
    let steps = 64;
    let step = height / f64::from(steps);
    for i in 0..steps {
        let share = 1.0 - (f64::from(i) + 0.5) / f64::from(steps);
        // Neighbours overlap, or renderers leave hairs of paper between them.
        let tall = if i + 1 < steps { step + 0.5 } else { step };
        svg.rect(x, y + f64::from(i) * step, 12.0, tall, colour(share));
    }
    svg.frame(x, y, 12.0, height, HAIR, 0.0);
    for (value, label) in ticks((low, high)) {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        svg.say(x + 16.0, y + height * (1.0 - share) + 3.0, Anchor::Start, SMALL, INK, &label);
    }
}

/// Small print, wrapped; returns where it ends.
pub(super) fn caption(svg: &mut Svg, text: &str, x: f64, y: f64, width: f64) -> f64 {
    let mut y = y;
    for line in wrap(text, SMALL, width) {
        svg.text(x, y, Anchor::Start, &line, GREY, "");
        y += 12.0;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_layer_is_labelled_where_there_is_room_and_round_ones_where_not() {
        let layers: Vec<usize> = (0..=80).collect();
        assert_eq!(labelled(&layers, |l| 25.0 * l as f64, 20.0), layers);
        assert_eq!(labelled(&layers, |l| 4.0 * l as f64, 20.0), (0..=80).step_by(5).collect::<Vec<_>>());
        assert_eq!(labelled(&[0, 7, 14], |l| l as f64, 20.0), [0]);
    }

    #[test]
    fn labels_that_have_room_stay_where_they_want() {
        assert_eq!(spread(&[30.0, 10.0], 12.0, 0.0, 100.0), [30.0, 10.0]);
        assert_eq!(spread(&[20.0, 20.0], 12.0, 0.0, 100.0), [14.0, 26.0]);
    }

    proptest! {
        #[test]
        fn labels_never_overlap_keep_their_order_and_stay_inside(wanted in prop::collection::vec(0.0..100.0f64, 1..8)) {
            let places = spread(&wanted, 12.0, 0.0, 100.0);
            let mut pairs: Vec<_> = wanted.iter().zip(&places).collect();
            pairs.sort_by(|a, b| a.1.total_cmp(b.1));
            prop_assert!(pairs.windows(2).all(|p| p[1].1 - p[0].1 >= 12.0 - 1e-9 && p[0].0 <= p[1].0), "{pairs:?}");
            prop_assert!(places.iter().all(|p| (-1e-9..=100.0 + 1e-9).contains(p)), "{places:?}");
        }
    }
}
