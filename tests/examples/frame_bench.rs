//! How long a frame of the screen of traces takes with a long trace in front: `cargo run --release -p babelscope-tests --example frame_bench`.
//!
//! A frame is everything the processor does for it: reading the pointer, laying out, painting into shapes, the tree for screen readers, and
//! turning the shapes into triangles. The pointer moves over the graph, so that no frame is like the one before.

use std::time::{Duration, Instant};

use babelscope::run::Run;
use babelscope_tests::{
    traces,
    window::{Window, click, showing},
};
use egui::{Event, pos2};
use egui_kittest::kittest::Queryable as _;

/// Frames that are measured, and nodes of a graph.
const FRAMES: usize = 400;
const NODES: usize = 300;

fn frame(window: &mut Window<'_>) -> Duration {
    let start = Instant::now();
    window.step();
    let output = window.output();
    let triangles = window.ctx.tessellate(output.shapes.clone(), output.pixels_per_point);
    assert!(!triangles.is_empty());
    start.elapsed()
}

fn measure(name: &str, window: &mut Window<'_>) {
    let rect = window.get_by_label("graph of the trace").rect();
    let mut times: Vec<Duration> = (0..FRAMES)
        .map(|at| {
            let share = at as f32 / FRAMES as f32;
            let x = rect.left() + (37.0 * share % 1.0) * rect.width().min(500.0);
            window.event(Event::PointerMoved(pos2(x, rect.top() + share * rect.height().min(400.0))));
            frame(window)
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| 1e3 * times[(share * (FRAMES - 1) as f64) as usize].as_secs_f64();
    say(name, &format!("p50 {:6.2} ms   p99 {:6.2} ms", at(0.5), at(0.99)));
}

#[expect(clippy::print_stdout, reason = "a program for a terminal")]
fn say(name: &str, what: &str) {
    println!("{name:<28} {what}");
}

fn all(name: &str, run: Run) {
    let mut window = showing(run);
    window.get_by_label("Traces").click();
    // The frame that finds the places of the nodes is among the first ones.
    let first = (0..3).map(|_| frame(&mut window)).max().unwrap_or_default();
    say(&format!("{name}, first frame"), &format!("{:10.2} ms", 1e3 * first.as_secs_f64()));
    measure(&format!("{name}, 100 %"), &mut window);
    click(&mut window, "fit the graph");
    measure(&format!("{name}, fitted"), &mut window);
}

fn main() {
    all("chain", traces::long(NODES));
    all("three parents", traces::woven(NODES));
    all("tree", traces::tree(NODES));
}
