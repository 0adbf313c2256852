use proptest::prelude::*;

use super::*;
use crate::{
    engine::LoadOptions,
    plan::{Edit, Op, Positions, Site, Unit},
};

fn engine() -> Engine {
    Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap()
}

fn rows(captured: &[Captured]) -> Vec<Vec<Vec<f32>>> {
    let Values::Tokens(tensors) = &captured[0].values else { panic!("every token was asked for") };
    tensors.iter().map(|tensor| tensor.to_vec2().unwrap()).collect()
}

fn near(a: &[f32], b: &[f32]) {
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_beginning_cut_anywhere_is_a_fresh_run(
        text in prop::collection::vec(3u32..200, 1..50), cuts in prop::collection::vec((0usize..50, prop::collection::vec(3u32..200, 1..9)), 1..6),
        more in prop::collection::vec(3u32..200, 1..4),
    ) {
        let (engine, monitor) = (engine(), Monitor::silent());
        let plan = Plan::layers([engine.info().layers], Reduce::All);
        let (known, whole) = engine.know(&[plain(text.clone(), 0)], 20, &plan.captures, &monitor).unwrap();
        let fresh = rows(&engine.run(&[plain(text.clone(), 0)], &plan, &monitor).unwrap());
        rows(&whole)[0].iter().zip(&fresh[0]).for_each(|(a, b)| near(a, b));
        let branches: Vec<Branch> =
            cuts.into_iter().map(|(cut, ids)| Branch { of: 0, cut: cut.min(text.len()), ids }).collect();
        let (deeper, own) = engine.know_behind(&known, &branches, &plan.captures, &monitor).unwrap();
        let again: Vec<Branch> = (0..branches.len())
            .map(|of| Branch { of, cut: deeper.texts()[of].ids.len() - 1, ids: more.clone() })
            .collect();
        let last = rows(&engine.run_behind(&deeper, &again, &plan, &monitor).unwrap());
        for (n, branch) in branches.iter().enumerate() {
            let mut ids: Vec<u32> = text[..branch.cut].iter().chain(&branch.ids).copied().collect();
            let fresh = rows(&engine.run(&[plain(ids.clone(), 0)], &plan, &monitor).unwrap());
            prop_assert_eq!(rows(&own)[n].len(), branch.ids.len());
            rows(&own)[n].iter().zip(&fresh[0][branch.cut..]).for_each(|(a, b)| near(a, b));
            ids.pop();
            let from = ids.len();
            ids.extend(&more);
            let fresh = rows(&engine.run(&[plain(ids, 0)], &plan, &monitor).unwrap());
            last[n].iter().zip(&fresh[0][from..]).for_each(|(a, b)| near(a, b));
        }
    }
}

#[test]
fn edits_reach_new_tokens_alone() {
    let (engine, monitor) = (engine(), Monitor::silent());
    let (known, _) = engine.know(&[plain(vec![5, 6, 7, 8], 0)], 2, &[], &monitor).unwrap();
    let branch = [Branch { of: 0, cut: 3, ids: vec![9, 10] }];
    let vector = vec![1.0; engine.info().width].into();
    let add = Op::Add { vector, coefficient: 2.0, unit: Unit::Raw, keep_norm: false };
    let edit = |positions| Edit { positions, ..Edit::at(Site::layer(1), add.clone()) };
    let plan = |positions| Plan { edits: vec![edit(positions)], ..Plan::layers([3], Reduce::All) };
    let error = engine.run_behind(&known, &branch, &plan(Positions::All), &monitor).unwrap_err().to_string();
    assert!(error.contains("reaches token 0 of branch 0"), "{error}");
    let fits = plan(Positions::From(3));
    let behind = rows(&engine.run_behind(&known, &branch, &fits, &monitor).unwrap());
    let fresh = rows(&engine.run(&[plain(vec![5, 6, 7, 9, 10], 0)], &fits, &monitor).unwrap());
    behind[0].iter().zip(&fresh[0][3..]).for_each(|(a, b)| near(a, b));
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let (engine, monitor) = (engine(), Monitor::silent());
    let (known, _) = engine.know(&[plain(vec![5, 6], 0)], 1, &[], &monitor).unwrap();
    let plan = Plan::layers([1], Reduce::Last);
    let refused =
        |branch: Branch, plan: &Plan| engine.run_behind(&known, &[branch], plan, &monitor).unwrap_err().to_string();
    assert!(refused(Branch { of: 1, cut: 0, ids: vec![3] }, &plan).contains("begins with text 1, and 1 are known"));
    assert!(
        refused(Branch { of: 0, cut: 3, ids: vec![3] }, &plan).contains("begins with 3 tokens of text 0, which has 2")
    );
    assert!(refused(Branch { of: 0, cut: 2, ids: vec![3, 4] }, &plan).contains("say so in `room`"));
    assert!(refused(Branch { of: 0, cut: 0, ids: vec![] }, &plan).contains("has no tokens"));
    let pooled = Plan::layers([1], Reduce::Mean(Default::default()));
    assert!(refused(Branch { of: 0, cut: 2, ids: vec![3] }, &pooled).contains("would pool"));
}
