//! Plane geometry on points given as pairs of coordinates.

pub type Point = (f64, f64);

/// Returns the area of a simple polygon by the shoelace formula.
///
/// The corners may run in either direction; fewer than three enclose nothing.
pub fn polygon_area(corners: &[Point]) -> f64 {
    let mut doubled = 0.0;
    for (i, &(x1, y1)) in corners.iter().enumerate() {
        let (x2, y2) = corners[(i + 1) % corners.len()];
        doubled += x1 * y2 - x2 * y1;
    }
    doubled.abs() / 2.0
}

/// Tells whether a point lies inside a polygon, by counting the edges
/// that a ray from the point to the right crosses.
pub fn contains(corners: &[Point], point: Point) -> bool {
    let (x, y) = point;
    let mut inside = false;
    for (i, &(x1, y1)) in corners.iter().enumerate() {
        let (x2, y2) = corners[(i + 1) % corners.len()];
        if (y1 > y) != (y2 > y) && x < x1 + (y - y1) / (y2 - y1) * (x2 - x1) {
            inside = !inside;
        }
    }
    inside
}

/// Returns the convex hull of a set of points, counter-clockwise,
/// with Andrew's monotone chain algorithm.
pub fn convex_hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull = half_hull(sorted.iter().copied());
    let upper = half_hull(sorted.iter().rev().copied());
    hull.pop();
    hull.extend_from_slice(&upper[..upper.len() - 1]);
    hull
}

/// Builds one side of a convex hull from points that are sorted along it,
/// dropping each point at which the chain would not turn left.
fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for p in points {
        while chain.len() >= 2 {
            let (a, b) = (chain[chain.len() - 2], chain[chain.len() - 1]);
            let turn = (b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0);
            if turn > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(p);
    }
    chain
}

/// Returns the shortest distance from a point to the segment between a and b.
pub fn distance_to_segment(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length_squared = dx * dx + dy * dy;
    let share = if length_squared == 0.0 {
        0.0
    } else {
        let along = (point.0 - a.0) * dx + (point.1 - a.1) * dy;
        (along / length_squared).clamp(0.0, 1.0)
    };
    let nearest = (a.0 + share * dx, a.1 + share * dy);
    (point.0 - nearest.0).hypot(point.1 - nearest.1)
}
