//! Laws that hold for every model: what a block adds, what a row of attention sums to, what pooling means, what a plan may ask.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::path::Path;

use babelscope_core::{
    engine::{Captured, Engine, LoadOptions, Values},
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce, Site, Window},
    tokens::Encoded,
};
use candle_core::{D, DType, Tensor};

const FAMILIES: [&str; 6] = ["llama", "llama3", "mistral", "qwen2", "qwen3", "gpt2"];
const WHOLE: Window = Window { include_bos: true, skip_first: 0 };

fn engine(family: &str) -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/models").join(family);
    Engine::load(folder.to_str().unwrap(), &LoadOptions::default(), &Monitor::silent()).unwrap()
}

fn sentences(lengths: &[usize]) -> Vec<Encoded> {
    let ids = |n: usize| (0..n as u32).map(|i| (i * 7 + n as u32) % 30 + 3).collect::<Vec<_>>();
    lengths.iter().map(|n| Encoded { ids: ids(*n), spans: vec![0..0; *n], bos: 1 }).collect()
}

fn run(engine: &Engine, sentences: &[Encoded], captures: &[(&str, Reduce)]) -> Vec<Captured> {
    let capture = |(site, reduce): &(&str, Reduce)| Capture { site: site.parse().unwrap(), reduce: *reduce };
    let plan = Plan { captures: captures.iter().map(capture).collect(), stop_after: None };
    engine.run(sentences, &plan, &Monitor::silent()).unwrap()
}

fn tokens(captured: &Captured) -> Vec<Tensor> {
    match &captured.values {
        Values::Tokens(tokens) => tokens.clone(),
        Values::Pooled(rows) => vec![rows.clone()],
    }
}

fn furthest(a: &Tensor, b: &Tensor) -> f64 {
    let worst = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    f64::from(worst.to_scalar::<f32>().unwrap())
}

#[test]
fn the_contributions_of_a_block_add_up() {
    for family in FAMILIES {
        let engine = engine(family);
        for block in 1..=engine.info().layers {
            let names = ["resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"].map(|n| format!("{n}.{block}"));
            let captures: Vec<_> = names.iter().map(|name| (name.as_str(), Reduce::All)).collect();
            let kept: Vec<_> = run(&engine, &sentences(&[5, 9, 1]), &captures).iter().map(tokens).collect();
            let [pre, attn, mid, mlp, post] = kept.as_slice() else { panic!("five sites were asked for") };
            for ((((pre, attn), mid), mlp), post) in pre.iter().zip(attn).zip(mid).zip(mlp).zip(post) {
                let sum = (pre + attn).unwrap();
                assert!(furthest(&sum, mid) < 1e-6, "{family} block {block}");
                assert!(furthest(&(&sum + mlp).unwrap(), post) < 1e-6, "{family} block {block}");
            }
        }
    }
}

#[test]
fn the_state_that_leaves_a_block_enters_the_next() {
    for family in FAMILIES {
        let kept =
            run(&engine(family), &sentences(&[6]), &[("resid_post.1", Reduce::All), ("resid_pre.2", Reduce::All)]);
        assert_eq!(furthest(&tokens(&kept[0])[0], &tokens(&kept[1])[0]), 0.0);
    }
}

#[test]
fn rows_of_attention_sum_to_one_and_see_no_future() {
    for family in FAMILIES {
        let kept =
            run(&engine(family), &sentences(&[8, 3]), &[("attn_probs.2", Reduce::All), ("attn_scores.2", Reduce::All)]);
        for (probs, scores) in tokens(&kept[0]).iter().zip(tokens(&kept[1])) {
            let sums = probs.sum(D::Minus1).unwrap();
            assert!(furthest(&sums, &sums.ones_like().unwrap()) < 1e-5, "{family}");
            for head in probs.to_vec3::<f32>().unwrap().iter().zip(scores.to_vec3::<f32>().unwrap()) {
                for (query, (probs, scores)) in head.0.iter().zip(&head.1).enumerate() {
                    assert!(probs[query + 1..].iter().all(|p| *p == 0.0), "{family}");
                    assert!(scores[query + 1..].iter().all(|s| *s == f32::NEG_INFINITY), "{family}");
                }
            }
        }
    }
}

/// The weights 1, 2, 3 of a sentence of three tokens: (1 a + 2 b + 3 c) / 6, and with [[1,0],[0,1],[1,1]] = [4/6, 5/6].
#[test]
fn pooling_is_the_mean_of_what_the_window_leaves() {
    let engine = engine("llama");
    let batch = sentences(&[4, 7, 3]);
    let content = Window { include_bos: false, skip_first: 0 };
    let skipped = Window { include_bos: false, skip_first: 1 };
    let site = "resid_post.1";
    let kept = run(
        &engine,
        &batch,
        &[
            (site, Reduce::All),
            (site, Reduce::Mean(WHOLE)),
            (site, Reduce::Weighted(WHOLE)),
            (site, Reduce::Mean(content)),
            (site, Reduce::Weighted(content)),
            (site, Reduce::Mean(skipped)),
            (site, Reduce::Last),
        ],
    );
    let pooled: Vec<Tensor> = kept[1..].iter().map(|captured| tokens(captured)[0].clone()).collect();
    for (s, states) in tokens(&kept[0]).iter().enumerate() {
        let n = states.dim(0).unwrap();
        let weighted = |from: usize, weight: fn(usize) -> f64| {
            let weights: Vec<f64> = (from..n).map(weight).collect();
            let total: f64 = weights.iter().sum();
            let column = Tensor::from_vec(weights, (n - from, 1), states.device()).unwrap();
            let rows = states.narrow(0, from, n - from).unwrap().to_dtype(DType::F64).unwrap();
            let sum = rows.broadcast_mul(&column).unwrap().sum(0).unwrap();
            (sum / total).unwrap().to_dtype(DType::F32).unwrap()
        };
        let one: fn(usize) -> f64 = |_| 1.0;
        let position: fn(usize) -> f64 = |t| (t + 1) as f64;
        let want = [weighted(0, one), weighted(0, position), weighted(1, one), weighted(1, position), weighted(2, one)];
        for (got, want) in pooled.iter().zip(&want) {
            assert!(furthest(&got.get(s).unwrap(), want) < 1e-6);
        }
        assert_eq!(furthest(&pooled[5].get(s).unwrap(), &states.get(n - 1).unwrap()), 0.0);
    }
}

#[test]
fn what_else_is_captured_changes_no_number() {
    for family in FAMILIES {
        let engine = engine(family);
        let alone = run(&engine, &sentences(&[5, 12]), &[("resid_post.2", Reduce::All)]);
        let all: Vec<_> = engine.sites().iter().filter(|site| site.block < 2).map(Site::to_string).collect();
        let mut captures: Vec<_> = all.iter().map(|site| (site.as_str(), Reduce::All)).collect();
        captures.push(("resid_post.2", Reduce::All));
        let together = run(&engine, &sentences(&[5, 12]), &captures);
        for (a, b) in tokens(&alone[0]).iter().zip(tokens(&together[captures.len() - 1])) {
            assert_eq!(furthest(a, &b), 0.0, "{family}");
        }
    }
}

#[test]
fn many_batches_equal_each_sentence_alone() {
    let engine = engine("qwen3");
    let lengths: Vec<usize> = (0..150).map(|i| 2 + i * 7 % 23).collect();
    let batch = sentences(&lengths);
    let captures = [("resid_post.2", Reduce::Mean(WHOLE)), ("logits", Reduce::Last)];
    let together: Vec<_> = run(&engine, &batch, &captures).iter().map(|captured| tokens(captured)[0].clone()).collect();
    for s in [0, 1, 77, 149] {
        for (kept, together) in run(&engine, &batch[s..=s], &captures).iter().zip(&together) {
            assert!(furthest(&tokens(kept)[0].get(0).unwrap(), &together.get(s).unwrap()) < 1e-5);
        }
    }
}

#[test]
fn a_plan_that_the_model_cannot_execute_is_refused_with_a_sentence() {
    let engine = engine("llama");
    let layers = engine.info().layers;
    let fail = |site: &str, reduce: Reduce, stop_after: Option<usize>| {
        let capture = Capture { site: site.parse().unwrap(), reduce };
        let plan = Plan { captures: vec![capture], stop_after };
        engine.run(&sentences(&[4]), &plan, &Monitor::silent()).unwrap_err().to_string()
    };
    assert_eq!(
        fail("resid_post.99", Reduce::Last, None),
        format!("site \"resid_post.99\": the model has blocks 1 to {layers}")
    );
    assert_eq!(
        fail("resid_post.2", Reduce::Last, Some(1)),
        "site \"resid_post.2\": lies behind layer 1, where the plan stops"
    );
    assert!(fail("attn_probs.1", Reduce::Last, None).contains("only the reduction `all` applies"));
    assert!(fail("resid_post.1", Reduce::Last, Some(layers + 1)).contains("stop_after is layer"));
    let plan = Plan {
        captures: vec![Capture { site: Site::new(Point::ResidPre, 2), reduce: Reduce::Last }],
        stop_after: Some(1),
    };
    assert!(engine.run(&sentences(&[4]), &plan, &Monitor::silent()).is_ok());
}

#[test]
fn more_single_tokens_than_memory_holds_are_refused_before_any_work() {
    let engine = engine("llama");
    let context = engine.info().context;
    let one = sentences(&[context]).remove(0);
    let rows = (8usize << 30) / (4 * engine.info().vocabulary * context) + 1;
    let plan =
        Plan { captures: vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::All }], stop_after: None };
    let message = engine.run(&vec![one; rows], &plan, &Monitor::silent()).unwrap_err().to_string();
    assert!(message.contains("GiB of single tokens, the limit is 8 GiB"), "{message}");
}

#[test]
fn a_sentence_that_the_model_cannot_take_is_refused_with_a_sentence() {
    let engine = engine("llama");
    let context = engine.info().context;
    let fail = |batch: &[Encoded], window: Window| {
        let plan = Plan::layers([1], Reduce::Mean(window));
        engine.run(batch, &plan, &Monitor::silent()).unwrap_err().to_string()
    };
    assert_eq!(fail(&[], WHOLE), "plan: no sentences were given");
    assert_eq!(fail(&sentences(&[3, 0]), WHOLE), "sentence 1: is empty: it has no tokens");
    let long = context + 1;
    assert_eq!(
        fail(&sentences(&[long]), WHOLE),
        format!("sentence 0: has {long} tokens, the model's context is {context}; shorten it")
    );
    let mut odd = sentences(&[3]);
    odd[0].ids[1] = 60_000;
    assert!(fail(&odd, WHOLE).starts_with("sentence 0: has token id 60000, the model's embedding ends at "));
    let content = Window { include_bos: false, skip_first: 0 };
    assert_eq!(
        fail(&sentences(&[4, 1]), content),
        "sentence 1: has 1 tokens, and the window (BOS left out, first 0 left out) leaves none to pool"
    );
}

#[test]
fn progress_reaches_the_end_and_cancel_stops() {
    use std::sync::{Arc, Mutex, atomic::AtomicBool};
    let engine = engine("gpt2");
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ticks);
    let monitor =
        Monitor::new(Arc::default(), move |tick: Tick<'_>| seen.lock().unwrap().push((tick.done, tick.total)));
    let plan = Plan::layers([1], Reduce::Mean(WHOLE));
    engine.run(&sentences(&[5; 9]), &plan, &monitor).unwrap();
    assert_eq!(ticks.lock().unwrap().last(), Some(&(9, 9)));
    let cancelled = Monitor::new(Arc::new(AtomicBool::new(true)), |_| ());
    assert_eq!(engine.run(&sentences(&[5]), &plan, &cancelled).unwrap_err().to_string(), "cancelled");
}
