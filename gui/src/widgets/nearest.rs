//! The point under the pointer among very many: a grid of buckets, so that a look costs a few points and not all of them.

/// Buckets along a side.
const SIDE: usize = 128;

/// Points of the unit square by bucket.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// Where the points of a bucket begin in `points`, and one end more.
    start: Vec<u32>,
    points: Vec<u32>,
}

fn bucket(place: f32) -> usize {
    ((place * SIDE as f32).max(0.0) as usize).min(SIDE - 1)
}

impl Buckets {
    /// Buckets of points; their coordinates lie between 0 and 1, what lies outside is put at the edge. Points that are not finite
    /// are in no bucket.
    pub fn new(points: impl Iterator<Item = (f32, f32)> + Clone) -> Self {
        let of = |(x, y): (f32, f32)| (x.is_finite() && y.is_finite()).then(|| bucket(y) * SIDE + bucket(x));
        let mut start = vec![0u32; SIDE * SIDE + 1];
        for at in points.clone().filter_map(of) {
            start[at + 1] += 1;
        }
        for at in 1..start.len() {
            start[at] += start[at - 1];
        }
        let mut next = start.clone();
        let total = start.last().copied().unwrap_or_default() as usize;
        let mut sorted = vec![0u32; total];
        for (number, at) in (0u32..).zip(points).filter_map(|(number, point)| Some((number, of(point)?))) {
            if let Some(slot) = sorted.get_mut(next[at] as usize) {
                *slot = number;
                next[at] += 1;
            }
        }
        Self { start, points: sorted }
    }

    /// The point nearest to a place by `distance`, which gives `None` for points that are too far; only the buckets within `reach`
    /// of the place are looked at. Of equally near ones the later one, which is drawn on top.
    pub fn nearest(
        &self,
        (x, y): (f32, f32),
        reach: (f32, f32),
        distance: impl Fn(usize) -> Option<f32>,
    ) -> Option<usize> {
        let mut best: Option<(f32, usize)> = None;
        for row in bucket(y - reach.1)..=bucket(y + reach.1) {
            for column in bucket(x - reach.0)..=bucket(x + reach.0) {
                let at = row * SIDE + column;
                let (Some(&from), Some(&to)) = (self.start.get(at), self.start.get(at + 1)) else { continue };
                for &point in self.points.get(from as usize..to as usize).unwrap_or_default() {
                    let point = point as usize;
                    if let Some(found) = distance(point)
                        && best.is_none_or(|(least, known)| found < least || (found == least && point > known))
                    {
                        best = Some((found, point));
                    }
                }
            }
        }
        best.map(|(_, point)| point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some hundred points by rule.
    fn points() -> Vec<(f32, f32)> {
        (0u16..500).map(|i| (f32::from(i * 37 % 499) / 498.0, f32::from(i * 91 % 503) / 502.0)).collect()
    }

    #[test]
    fn the_nearest_is_that_of_a_look_at_all_points() {
        let points = points();
        let buckets = Buckets::new(points.iter().copied());
        for probe in [(0.5, 0.5), (0.0, 1.0), (0.31, 0.77), (0.99, 0.02)] {
            let far = |i: usize| {
                let (x, y): (f32, f32) = points[i];
                let d = (x - probe.0).hypot(y - probe.1);
                (d < 0.08).then_some(d)
            };
            let slow = (0..points.len())
                .filter_map(|i| Some((far(i)?, i)))
                .min_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            assert_eq!(buckets.nearest(probe, (0.08, 0.08), far), slow.map(|(_, i)| i), "{probe:?}");
        }
    }

    #[test]
    fn points_without_a_place_are_never_found() {
        let buckets = Buckets::new([(f32::NAN, 0.5), (0.5, 0.5)].into_iter());
        assert_eq!(buckets.nearest((0.5, 0.5), (1.0, 1.0), |_| Some(0.0)), Some(1));
        assert_eq!(Buckets::new(std::iter::empty()).nearest((0.5, 0.5), (1.0, 1.0), |_| Some(0.0)), None);
    }

    #[test]
    fn points_outside_are_at_the_edge() {
        let buckets = Buckets::new([(7.0, -3.0)].into_iter());
        assert_eq!(buckets.nearest((1.0, 0.0), (0.01, 0.01), |_| Some(0.0)), Some(0));
    }
}
