//! Laws on the laboratory's model: shared beginnings change no number, what is taken away changes what it must.

use std::sync::OnceLock;

use babelscope_core::{
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Blocks, Edit, Op, Plan, Point, Positions, Reduce},
};
use proptest::prelude::*;

use super::*;
use crate::{lens::TokenSets, steer::SteeringVector};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap())
}

struct Tale {
    prompt: Vec<u32>,
    trace: Vec<u32>,
    bounds: Vec<usize>,
}

impl Tale {
    fn told(&self) -> Told<'_> {
        Told { prompt: &self.prompt, trace: &self.trace, bounds: &self.bounds }
    }
}

fn plain(text: &str) -> Vec<u32> {
    engine().tokenizer().encode_plain(text).unwrap()
}

/// Eight short steps.
fn tale() -> Tale {
    let prompt = engine().tokenizer().encode("Anna lives in the village.").unwrap().ids;
    let sentences = [
        " A cat sleeps.",
        " Peter lives in the city.",
        " A dog runs.",
        " Anna has a garden.",
        " The cat sees the dog.",
        " Peter has a castle.",
        " The dog sleeps.",
        " Anna runs.",
    ];
    let (mut trace, mut bounds) = (Vec::new(), vec![0]);
    for sentence in sentences {
        trace.extend(plain(sentence));
        bounds.push(trace.len());
    }
    Tale { prompt, trace, bounds }
}

fn candidates(ids: &[&[u32]]) -> Vec<Candidate> {
    ids.iter().enumerate().map(|(n, ids)| Candidate { name: n.to_string(), ids: ids.to_vec() }).collect()
}

fn near(a: &Forced, b: &Forced) {
    assert_eq!(a.points.len(), b.points.len());
    for (a, b) in a.points.iter().zip(&b.points) {
        for (a, b) in a.logprob.iter().zip(&b.logprob).chain(a.share.iter().zip(&b.share)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn a_forced_curve_equals_its_slow_twin() {
    let tale = tale();
    let stub = plain(" The answer is");
    let answers = candidates(&[&[20], &[21], &[20, 30], &[20, 30, 31], &[20, 30, 32], &[40, 41], &[20, 33]]);
    let fast = forced(engine(), &tale.told(), &stub, &answers, &Monitor::silent()).unwrap();
    let slow = forced_whole(engine(), &tale.told(), &stub, &answers, &Monitor::silent()).unwrap();
    near(&fast, &slow);
    assert!(fast.points.iter().all(|p| (p.share.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    // Of [20], [20, 30] (begun by another) and [40] two runs are left.
    let (points, told) = (tale.bounds.len(), tale.told().tokens());
    assert_eq!(fast.cost.shared, told + points * (stub.len() + 3));
    assert_eq!(slow.cost.naive, fast.cost.naive);
    assert_eq!(fast.notes.len(), 6, "{:?}", fast.notes);
    // Without a stub the answer follows the step itself.
    let bare = forced(engine(), &tale.told(), &[], &answers, &Monitor::silent()).unwrap();
    near(&bare, &forced_whole(engine(), &tale.told(), &[], &answers, &Monitor::silent()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn shared_beginnings_change_no_number(
        prompt in prop::collection::vec(3u32..200, 1..6), trace in prop::collection::vec(3u32..200, 1..60),
        cuts in prop::collection::btree_set(1usize..60, 1..8), stub in prop::collection::vec(3u32..200, 0..9),
        answers in prop::collection::btree_set(prop::collection::vec(3u32..9, 1..4), 1..6),
    ) {
        let bounds: Vec<usize> = std::iter::once(0).chain(cuts.into_iter().filter(|c| *c <= trace.len())).collect();
        let told = Told { prompt: &prompt, trace: &trace, bounds: &bounds };
        let answers: Vec<&[u32]> = answers.iter().map(Vec::as_slice).collect();
        let answers = candidates(&answers);
        let fast = forced(engine(), &told, &stub, &answers, &Monitor::silent()).unwrap();
        near(&fast, &forced_whole(engine(), &told, &stub, &answers, &Monitor::silent()).unwrap());
        prop_assert_eq!(fast.cost, cost(&told, &stub, &answers).unwrap());
    }
}

#[test]
fn other_engines_share_nothing_and_say_so() {
    let options = LoadOptions { engine: Some(babelscope_core::engine::EngineKind::Candle), ..LoadOptions::default() };
    let other = Engine::load("lab", &options, &Monitor::silent()).unwrap();
    let tale = tale();
    let answers = candidates(&[&[20], &[40, 41]]);
    let slow = forced(&other, &tale.told(), &plain(" The"), &answers, &Monitor::silent()).unwrap();
    near(&slow, &forced(engine(), &tale.told(), &plain(" The"), &answers, &Monitor::silent()).unwrap());
    assert!(slow.notes.iter().any(|note| note.contains("keeps no keys")) && slow.cost.shared == slow.cost.naive);
    let params = InfluenceParams::default();
    let [here, there] = [engine(), &other].map(|e| suppressed(e, &tale.told(), &params, &Monitor::silent()).unwrap());
    let pairs = here.kl.iter().flatten().zip(there.kl.iter().flatten());
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * (1.0 + a), "{a} {b}"));
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let tale = tale();
    let refused = |bounds: &[usize], answers: &[Candidate]| {
        let told = Told { bounds, ..tale.told() };
        forced(engine(), &told, &[], answers, &Monitor::silent()).unwrap_err().to_string()
    };
    let one = candidates(&[&[20]]);
    assert!(refused(&[1, 4], &one).contains("from 0 on"));
    assert!(refused(&[0, 4, 4], &one).contains("larger than the one before"));
    assert!(refused(&[0, 4000], &one).contains("ends at token 4000"));
    assert!(refused(&[0], &[]).contains("no candidate"));
    assert!(refused(&[0], &candidates(&[&[]])).contains("no tokens"));
    assert!(refused(&[0], &candidates(&[&[7], &[7]])).contains("the same tokens"));
    let told = Told { bounds: &[0], ..tale.told() };
    assert!(suppressed(engine(), &told, &InfluenceParams::default(), &Monitor::silent()).is_err());
    assert!(decodable(engine(), &told, &[], &[], &Monitor::silent()).is_err());
}

#[test]
fn the_lens_at_the_last_layer_is_the_forced_answer_without_a_stub() {
    let tale = tale();
    let deepest = engine().info().layers;
    let lens = decodable(engine(), &tale.told(), &[20, 20, 21], &[0, deepest], &Monitor::silent()).unwrap();
    let curve = forced(engine(), &tale.told(), &[], &candidates(&[&[20], &[21]]), &Monitor::silent()).unwrap();
    for (lens, point) in lens.probability.iter().zip(&curve.points) {
        let want: f64 = point.logprob.iter().map(|l| l.exp()).sum();
        assert!((lens[1] - want).abs() < 1e-5, "{lens:?} {want}");
    }
    assert!(lens.rank.iter().flatten().all(|rank| *rank >= 1));
    let flags = vec![false; tale.bounds.len()];
    let curves = Curves::new(&flags, (&lens, deepest), (&curve, 1), &flags).unwrap();
    assert_eq!(curves.same.last(), Some(&true));
    assert!(Curves::new(&flags[1..], (&lens, deepest), (&curve, 1), &flags).is_err());
    assert!(Curves::new(&flags, (&lens, 1), (&curve, 1), &flags).is_err());
}

/// Logits of a whole text that is run under these edits, from a token on.
fn slow(ids: Vec<u32>, edits: Vec<Edit>, from: usize) -> Vec<Vec<f32>> {
    let plan = Plan { edits, ..Plan::layers([engine().info().layers], Reduce::All) };
    let captured = engine().run(&[encoded(ids, engine())], &plan, &Monitor::silent()).unwrap().remove(0);
    let Values::Tokens(states) = captured.values else { panic!("every token was asked for") };
    engine().unembed(&states[0]).unwrap().to_vec2::<f32>().unwrap().split_off(from)
}

fn mean_kl(a: &[Vec<f32>], b: &[Vec<f32>], temperature: f64) -> f64 {
    let softmax = |row: &[f32]| {
        let scaled: Vec<f64> = row.iter().map(|x| f64::from(*x) / temperature).collect();
        let top = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scaled.iter().map(|x| (x - top).exp()).sum();
        scaled.iter().map(|x| x - top - total.ln()).collect::<Vec<f64>>()
    };
    let kl =
        |(a, b): (&Vec<f32>, &Vec<f32>)| softmax(a).iter().zip(softmax(b)).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
    a.iter().zip(b).map(kl).sum::<f64>() / a.len() as f64
}

#[test]
fn suppressing_and_leaving_out_equal_whole_runs() {
    let tale = tale();
    let told = tale.told();
    let ids = told.ids();
    let base = slow(ids.clone(), Vec::new(), 0);
    for temperature in [1.0, 0.6] {
        let params = InfluenceParams { temperature };
        let cut = suppressed(engine(), &told, &params, &Monitor::silent()).unwrap();
        let gone = left_out(engine(), &told, &params, &Monitor::silent()).unwrap();
        for j in [0, 3, 6] {
            let step = told.step(j);
            let op = Op::Cut { heads: None, keys: Positions::Range { first: step.start, last: step.end - 1 } };
            let (point, positions) = (Point::AttnScores, Positions::From(step.end));
            let edit = Edit { point, blocks: Blocks::All, positions, sentences: None, schedule: None, op };
            let masked = slow(ids.clone(), vec![edit], 0);
            let shorter: Vec<u32> = ids[..step.start].iter().chain(&ids[step.end..]).copied().collect();
            let shorter = slow(shorter, Vec::new(), step.start);
            for i in j + 1..told.steps() {
                let own = told.step(i);
                let want = mean_kl(&base[own.clone()], &masked[own.clone()], temperature);
                assert!((cut.kl[i][j] - want).abs() < 1e-4 * (1.0 + want), "{i} {j}: {} {want}", cut.kl[i][j]);
                let want = mean_kl(&base[own.clone()], &shorter[own.start - step.end..own.end - step.end], temperature);
                assert!((gone.kl[i][j] - want).abs() < 1e-4 * (1.0 + want), "{i} {j}: {} {want}", gone.kl[i][j]);
            }
            // What stands before the cut, and the step itself, is as it was.
            assert!(mean_kl(&base[..step.end], &masked[..step.end], 1.0).abs() < 1e-9);
        }
        assert!(cut.kl.iter().enumerate().all(|(i, row)| row.len() == i));
        assert!(cut.cost.shared < cut.cost.naive && cut.kl[7][6] > 0.0);
        assert_eq!((cut.of_each()[7], cut.centred(4)[3].len(), cut.centred(4)[6].len()), (None, 0, 2));
        assert!(cut.centred(4)[7].iter().sum::<f64>().abs() < 1e-9);
    }
}

#[test]
fn receiver_scores_equal_those_of_the_whole_squares() {
    let tale = tale();
    let told = tale.told();
    let params = ReceiverParams { nearest: 2, heads: 3 };
    let found = receivers(engine(), &told, &params, &Monitor::silent()).unwrap();
    let site = babelscope_core::plan::Site::new(Point::AttnProbs, 2);
    let plan = Plan { captures: vec![babelscope_core::plan::Capture { site, reduce: Reduce::All }], ..Plan::default() };
    let captured = engine().run(&[told.text(engine())], &plan, &Monitor::silent()).unwrap().remove(0);
    let Values::Tokens(squares) = captured.values else { panic!("every token was asked for") };
    let squares = squares[0].to_vec3::<f32>().unwrap();
    for (head, square) in squares.iter().enumerate() {
        let own = found.heads.iter().find(|h| (h.block, h.head) == (2, head)).unwrap();
        let cell = |i: usize, j: usize| {
            let rows = told.step(i).flat_map(|q| told.step(j).map(move |k| (q, k)));
            let all: Vec<f64> = rows.map(|(q, k)| f64::from(square[q][k])).collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        for j in 0..told.steps() {
            let later: Vec<f64> = (j + 2..told.steps()).map(|i| cell(i, j)).collect();
            let want = (!later.is_empty()).then(|| later.iter().sum::<f64>() / later.len() as f64);
            match (own.vertical[j], want) {
                (Some(got), Some(want)) => assert!((got - want).abs() < 1e-6, "{got} {want}"),
                (got, want) => assert_eq!(got, want),
            }
        }
    }
    assert_eq!((found.top.len(), found.score.len(), found.score[7]), (3, 8, None));
    let best = |heads: &[HeadScore]| heads.iter().filter_map(|h| h.kurtosis).fold(f64::NEG_INFINITY, f64::max);
    let of = |(block, head): (usize, usize)| {
        found.heads.iter().find(|h| (h.block, h.head) == (block, head)).unwrap().kurtosis
    };
    assert_eq!(of(found.top[0]), Some(best(&found.heads)));
    assert!(receivers(engine(), &told, &ReceiverParams { nearest: 7, heads: 1 }, &Monitor::silent()).is_err());
}

#[test]
fn latent_masses_and_projections_are_means_of_the_tokens() {
    let tale = tale();
    let told = tale.told();
    let sets = TokenSets::scripts_only(engine().tokenizer());
    let found = latent(engine(), &told, &sets, &[2], &[], &Monitor::silent()).unwrap();
    assert_eq!((found.cells.len(), found.cells[0].len()), (8, 1));
    assert!(
        found
            .cells
            .iter()
            .flatten()
            .all(|cell| (cell.scripts.iter().sum::<f64>() - 1.0).abs() < 1e-5 && cell.top.is_none())
    );
    assert!(latent(engine(), &told, &sets, &[2], &[None], &Monitor::silent()).is_err());

    let mut direction = vec![0.0; engine().info().width];
    direction[3] = 2.0;
    let vector = SteeringVector { layers: [(1, direction)].into(), ..SteeringVector::default() };
    let along = project(engine(), &told, &vector, true, &Monitor::silent()).unwrap();
    let (_, states) = told.read(engine(), 0, &[1], &Monitor::silent()).unwrap();
    let rows = states[0].to_vec2::<f32>().unwrap();
    let first = told.until(0);
    assert!(along.tokens[0].iter().zip(&rows[first..]).all(|(got, row)| (got - f64::from(row[3])).abs() < 1e-6));
    let step = told.step(4);
    let mean = step.clone().map(|t| f64::from(rows[t][3])).sum::<f64>() / step.len() as f64;
    assert!((along.steps[0][4] - mean).abs() < 1e-9);
    assert!(along.cosine[0].iter().all(|c| c.abs() <= 1.0));
    assert!(project(engine(), &told, &vector, false, &Monitor::silent()).is_err());
}

#[test]
fn rollouts_end_before_a_stop_string() {
    let tale = tale();
    let params = |stop: &[&str]| ResampleParams {
        steps: vec![2],
        rollouts: 6,
        max_new_tokens: 12,
        temperature: 1.0,
        stop: stop.iter().map(|stop| (*stop).to_owned()).collect(),
        ..ResampleParams::default()
    };
    let (answer, first) = (|_: &str| None, |text: &str| text.to_owned());
    let judges = Judges { answer: &answer, first: &first, similar: None };
    let rolled = |stop: &[&str]| -> Vec<String> {
        let found = resample(engine(), &tale.told(), "x", &judges, &params(stop), 3, &Monitor::silent()).unwrap();
        found.rollouts.into_values().flatten().map(|rollout| rollout.first).collect()
    };
    let (whole, cut) = (rolled(&[]), rolled(&["a"]));
    assert!(whole.iter().any(|text| text.contains('a')));
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(*cut, whole.split('a').next().unwrap(), "{whole}");
    }
    assert!(params(&[""]).problem().unwrap().contains("stop"));
}

#[test]
fn rollouts_keep_their_seed_and_their_budget() {
    let tale = tale();
    let params = ResampleParams {
        steps: vec![2, 5],
        rollouts: 3,
        more: 4,
        max_new_tokens: 6,
        temperature: 1.0,
        top_p: 1.0,
        ..ResampleParams::default()
    };
    let answer = |text: &str| text.contains("Anna").then(|| text.chars().rev().take(3).collect::<String>());
    let first = |text: &str| text.split_inclusive('.').next().unwrap_or_default().to_owned();
    let similar = |a: &str, b: &str| f64::from(u8::from(a.trim() == b.trim()));
    let judges = Judges { answer: &answer, first: &first, similar: Some(&similar) };
    let run = |seed| resample(engine(), &tale.told(), ".sn", &judges, &params, seed, &Monitor::silent()).unwrap();
    let found = run(7);
    assert_eq!(found, run(7));
    assert_ne!(found.rollouts, run(8).rollouts);
    assert_eq!(found.rollouts.keys().copied().collect::<Vec<_>>(), [2, 3, 5, 6]);
    assert_eq!(found.rollouts.values().map(Vec::len).sum::<usize>(), 4 * 3 + 4);
    assert_eq!(found.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [2, 5]);
    assert!(found.cost.shared < found.cost.naive);
    assert!(found.rollouts.values().flatten().all(|r| r.tokens <= 6));
    let beyond = ResampleParams { steps: vec![8], ..params.clone() };
    assert!(resample(engine(), &tale.told(), "", &judges, &beyond, 7, &Monitor::silent()).is_err());
}

#[test]
fn what_is_generated_behind_a_beginning_is_what_the_whole_text_gives() {
    let tale = tale();
    let (known, _) = tale.told().read(engine(), 24, &[], &Monitor::silent()).unwrap();
    let options = babelscope_core::generate::Generate { max_new_tokens: 8, ..Default::default() };
    let go_on = &mut |_: babelscope_core::generate::Step<'_>| std::ops::ControlFlow::Continue(());
    for b in [0, 3, 8] {
        let cut = tale.told().until(b);
        let branches = [
            babelscope_core::known::Branch { of: 0, cut, ids: Vec::new() },
            babelscope_core::known::Branch { of: 0, cut, ids: plain(" A dog") },
        ];
        let behind = engine().generate_behind(&known, &branches, &options, go_on, &Monitor::silent()).unwrap();
        for (branch, behind) in branches.iter().zip(behind) {
            let whole: Vec<u32> = tale.told().ids()[..cut].iter().chain(&branch.ids).copied().collect();
            let whole = [encoded(whole, engine())];
            let want = engine().generate(&whole, &options, &Plan::default(), go_on, &Monitor::silent()).unwrap();
            assert_eq!(behind.ids, want.sequences[0].ids, "boundary {b}");
        }
    }
}
