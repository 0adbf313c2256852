//! Points in the plane: one size for every layer, and turned so that a layer lies like the one before.

/// A point.
pub(crate) type Point = [f64; 2];

/// The points around their mean at mean squared distance 1; `None` where all are equal.
pub(crate) fn unit(mut points: Vec<Point>) -> Option<Vec<Point>> {
    let n = points.len() as f64;
    for axis in 0..2 {
        let mean = points.iter().map(|p| p[axis]).sum::<f64>() / n;
        points.iter_mut().for_each(|p| p[axis] -= mean);
    }
    let radius = (points.iter().map(|p| p[0] * p[0] + p[1] * p[1]).sum::<f64>() / n).sqrt();
    if !(radius.is_finite() && radius > 0.0) {
        return None;
    }
    points.iter_mut().for_each(|p| *p = p.map(|x| x / radius));
    Some(points)
}

/// The points turned, and mirrored where that fits better, onto `onto`: orthogonal Procrustes without scale (Schönemann 1966). In the
/// plane the best angle is `atan2(sum a x b, sum a . b)`.
pub(crate) fn matched(points: Vec<Point>, onto: &[Point]) -> Vec<Point> {
    let products = |mirror: f64| {
        let pairs = points.iter().map(|p| [p[0], mirror * p[1]]).zip(onto);
        pairs.fold((0.0, 0.0), |(dot, cross), (a, b)| {
            (dot + a[0] * b[0] + a[1] * b[1], cross + a[0] * b[1] - a[1] * b[0])
        })
    };
    let ((dot, cross), (mirrored_dot, mirrored_cross)) = (products(1.0), products(-1.0));
    let mirrored = mirrored_dot.hypot(mirrored_cross) > dot.hypot(cross);
    let (mirror, angle) = if mirrored { (-1.0, mirrored_cross.atan2(mirrored_dot)) } else { (1.0, cross.atan2(dot)) };
    let (sin, cos) = angle.sin_cos();
    points.into_iter().map(|[x, y]| [cos * x - sin * mirror * y, sin * x + cos * mirror * y]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Point, matched, unit};

    fn distance(a: &[Point], b: &[Point]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sum()
    }

    fn points() -> impl Strategy<Value = Vec<Point>> {
        prop::collection::vec(prop::array::uniform2(-2f64..2.0), 7)
    }

    proptest! {
        /// A turned and mirrored copy comes back; and no angle of a fine grid, mirrored or not, fits anything better.
        #[test]
        fn finds_the_best_turn(points in points(), other in points(), angle in 0f64..7.0, mirror in any::<bool>()) {
            let turn = |points: &[Point], angle: f64, mirror: bool| -> Vec<Point> {
                let sign = if mirror { -1.0 } else { 1.0 };
                let (sin, cos) = angle.sin_cos();
                points.iter().map(|p| [cos * p[0] - sin * sign * p[1], sin * p[0] + cos * sign * p[1]]).collect()
            };
            prop_assert!(distance(&matched(turn(&points, angle, mirror), &points), &points) < 1e-18);
            let best = distance(&matched(points.clone(), &other), &other);
            for step in 0..720 {
                let there = turn(&points, f64::from(step) * std::f64::consts::TAU / 360.0, step >= 360);
                prop_assert!(best <= distance(&there, &other) + 1e-9);
            }
        }
    }

    #[test]
    fn every_map_has_the_same_size() {
        let found = unit(vec![[10.0, 0.0], [14.0, 0.0]]).unwrap();
        assert_eq!(found, [[-1.0, 0.0], [1.0, 0.0]]);
        assert!(unit(vec![[3.0, 1.0]; 5]).is_none());
    }
}
