#![allow(clippy::unwrap_used, clippy::print_stdout)]
use std::time::Instant;
use babelscope_core::{engine::{Engine, LoadOptions}, monitor::Monitor};
use babelscope_probes::cot::inside::*;
fn main() {
    let m = Monitor::silent();
    for model in std::env::args().skip(1) {
        let e = Engine::load(&model, &LoadOptions::default(), &m).unwrap();
        let v = 400u32.min(e.info().vocabulary as u32 - 4);
        let id = |i: usize| 3 + (i as u32).wrapping_mul(2_654_435_761) % v;
        for prompt in [40usize, 100] {
            let prompt: Vec<u32> = (0..prompt).map(|i| id(i + 7000)).collect();
            let trace: Vec<u32> = (0..200).map(id).collect();
            let bounds: Vec<usize> = (0..=20).map(|i| i * 10).collect();
            let stub: Vec<u32> = (0..8).map(|i| id(i + 900)).collect();
            let told = Told { prompt: &prompt, trace: &trace, bounds: &bounds };
            for (what, lens) in [("1-token", 1usize), ("3-token", 3)] {
                let c: Vec<Candidate> = (0..4).map(|n| Candidate { name: n.to_string(), ids: (0..lens).map(|k| id(5000 + n * 10 + k)).collect() }).collect();
                let mut best = [f64::INFINITY; 2];
                let mut gap = 0f64;
                let mut cost_ = Cost::default();
                for _ in 0..3 {
                    let t = Instant::now(); let a = forced(&e, &told, &stub, &c, &m).unwrap(); best[0] = best[0].min(t.elapsed().as_secs_f64());
                    let t = Instant::now(); let b = forced_whole(&e, &told, &stub, &c, &m).unwrap(); best[1] = best[1].min(t.elapsed().as_secs_f64());
                    for (a, b) in a.points.iter().zip(&b.points) { for (x, y) in a.logprob.iter().zip(&b.logprob) { gap = gap.max((x - y).abs()); } }
                    cost_ = a.cost;
                }
                println!("{model} prompt {} {what}: tokens {} {} {:.1}x; seconds {:.3} {:.3} {:.1}x; gap {gap:.1e}", prompt.len(), cost_.shared, cost_.naive, cost_.ratio(), best[0], best[1], best[1] / best[0]);
            }
            let t = Instant::now();
            let s = suppressed(&e, &told, &InfluenceParams::default(), &m).unwrap();
            println!("  suppressed {:.2} s, {} of {} tokens", t.elapsed().as_secs_f64(), s.cost.shared, s.cost.naive);
            let t = Instant::now();
            let s = left_out(&e, &told, &InfluenceParams::default(), &m).unwrap();
            println!("  left out {:.2} s, {} of {} tokens", t.elapsed().as_secs_f64(), s.cost.shared, s.cost.naive);
            let t = Instant::now();
            receivers(&e, &told, &ReceiverParams::default(), &m).unwrap();
            println!("  receivers {:.2} s", t.elapsed().as_secs_f64());
        }
    }
}
