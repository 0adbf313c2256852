//! Laws of single edits, in f64 beside the formulas of tests.rs.

use proptest::prelude::*;

use super::*;
use crate::{dtype::Dtype, model::Config, plan::Capture};

const WIDTH: usize = 24;

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

fn length(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn minus(a: &[f32], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
}

/// A row that points somewhere.
fn row() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-3f32..3.0, WIDTH).prop_filter("points somewhere", |row| length(&wide(row)) > 0.5)
}

fn add(vector: &[f32], coefficient: f32, unit: Unit, keep_norm: bool) -> Edit {
    Edit::at(Site::layer(1), Op::Add { vector: vector.to_vec().into(), coefficient, unit, keep_norm })
}

/// `h` after an edit of its token, which is of `step`.
fn after(edit: &Edit, h: &[f32], step: usize) -> Vec<f32> {
    let mut row = h.to_vec();
    Change::new(edit, 1).apply(&mut row, 0, step);
    row
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        (0usize..5).prop_map(Schedule::First),
        (1usize..5).prop_map(Schedule::Halving),
        (-2f32..2.0, 0usize..5).prop_map(|(to, steps)| Schedule::Linear { to, steps }),
        prop::collection::vec(-2f32..2.0, 1..5).prop_map(Schedule::Factors),
    ]
}

/// By the words of the definitions.
fn factor(schedule: &Schedule, step: usize) -> f64 {
    match schedule {
        Schedule::First(steps) => f64::from(u8::from(step < *steps)),
        Schedule::Halving(steps) => 0.5f64.powf(step as f64 / *steps as f64),
        Schedule::Linear { to, steps } => {
            let share = if *steps == 0 { 1.0 } else { (step as f64 / *steps as f64).min(1.0) };
            (1.0 - share) + share * f64::from(*to)
        }
        Schedule::Factors(factors) => f64::from(factors[step.min(factors.len() - 1)]),
    }
}

proptest! {
    #[test]
    fn a_kept_norm_is_that_of_before_and_the_direction_that_of_the_sum(
        h in row(), vector in row(), coefficient in prop_oneof![-2f32..-0.1, 0.1f32..2.0],
    ) {
        let got = after(&add(&vector, coefficient, Unit::Raw, true), &h, 0);
        let (before, norm) = (length(&wide(&h)), length(&wide(&got)));
        prop_assert!((norm / before - 1.0).abs() <= 1e-6, "{norm} {before}");
        let sum: Vec<f64> = wide(&h).iter().zip(wide(&vector)).map(|(h, v)| h + f64::from(coefficient) * v).collect();
        prop_assume!(length(&sum) > 1e-2);
        let along: f64 = wide(&got).iter().zip(&sum).map(|(a, b)| a * b).sum::<f64>() / norm / length(&sum);
        prop_assert!((along - 1.0).abs() <= 1e-6, "{along}");
    }

    #[test]
    fn strength_zero_changes_no_bit_where_the_norm_is_kept(h in row(), vector in row(), unit in 0.5f32..9.0) {
        for edit in [
            add(&vector, 0.0, Unit::Raw, true),
            add(&vector, -0.0, Unit::Norm(unit), true),
            Edit { schedule: Some(Schedule::First(0)), ..add(&vector, 1.5, Unit::Raw, true) },
        ] {
            let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&after(&edit, &h, 0)), bits(&h));
        }
    }

    #[test]
    fn the_change_is_as_long_as_was_asked_for(h in row(), vector in row(), coefficient in -2f32..2.0, unit in 0.5f32..9.0) {
        let got = after(&add(&vector, coefficient, Unit::Norm(unit), false), &h, 0);
        let want = f64::from(coefficient.abs() * unit);
        prop_assert!((length(&minus(&got, &h)) - want).abs() <= 1e-5 * (1.0 + want));
        let got = after(&add(&vector, coefficient, Unit::Raw, false), &h, 0);
        let want = f64::from(coefficient.abs()) * length(&wide(&vector));
        prop_assert!((length(&minus(&got, &h)) - want).abs() <= 1e-5 * (1.0 + want));
    }

    #[test]
    fn what_is_added_and_subtracted_is_gone(h in row(), vector in row(), coefficient in -2f32..2.0, unit in 0.5f32..9.0) {
        for unit in [Unit::Raw, Unit::Norm(unit)] {
            let there = after(&add(&vector, coefficient, unit, false), &h, 0);
            let back = after(&add(&vector, -coefficient, unit, false), &there, 0);
            let scale = length(&wide(&h)).max(length(&wide(&there)));
            prop_assert!(length(&minus(&back, &h)) <= 1e-6 * scale);
        }
    }

    #[test]
    fn nothing_is_left_along_an_ablated_direction(h in row(), direction in row()) {
        let edit = Edit::at(Site::layer(1), Op::Ablate { direction: direction.clone().into() });
        let got = after(&edit, &h, 0);
        let along: f64 = wide(&got).iter().zip(wide(&direction)).map(|(h, d)| h * d).sum();
        prop_assert!(along.abs() / length(&wide(&direction)) <= 1e-6 * length(&wide(&h)));
        // Done twice it is done once.
        prop_assert!(length(&minus(&after(&edit, &got, 0), &got)) <= 1e-6 * length(&wide(&h)));
    }

    #[test]
    fn a_schedule_has_the_factors_of_its_definition(schedule in schedules(), step in 0usize..9) {
        let (got, want) = (f64::from(schedule.at(step)), factor(&schedule, step));
        prop_assert!((got - want).abs() < 1e-6, "{got} {want}");
        prop_assert!(schedule.at(step).abs() <= schedule.largest());
    }

    /// Given tokens and the first new one are of step 0, whether the text is read whole or a token at a time.
    #[test]
    fn steps_are_counted_the_same_with_and_without_a_cache(
        schedule in schedules(), given in 1usize..4, new in 1usize..5, from in 0usize..4, keep_norm: bool,
        states in prop::collection::vec(-3f32..3.0, 7 * WIDTH), vector in row(),
    ) {
        let sentences = [Encoded { ids: vec![0; given], spans: vec![0..0; given], bos: 0 }];
        let edit = Edit {
            schedule: Some(schedule.clone()), positions: Positions::From(from), ..add(&vector, 0.7, Unit::Raw, keep_norm)
        };
        let edits = Edits { ready: vec![Ready { plan: 0, number: 0, edit: &edit, change: Change::new(&edit, 1) }], sentences: &sentences };
        let states = &states[..(given + new) * WIDTH];
        let pass = |data: &mut [f32], past: usize| {
            let layout = Layout { starts: vec![0, data.len() / WIDTH], past: vec![past], first: 0 };
            edits.apply(Site::layer(1), &mut RowsMut::whole(data, WIDTH), &layout, &[0], &mut Log::default());
        };
        let mut whole = states.to_vec();
        pass(&mut whole, 0);
        let mut grown = states.to_vec();
        pass(&mut grown[..given * WIDTH], 0);
        for position in given..given + new {
            pass(&mut grown[position * WIDTH..][..WIDTH], position);
        }
        prop_assert_eq!(&whole, &grown);
        for (position, (got, h)) in whole.chunks(WIDTH).zip(states.chunks(WIDTH)).enumerate() {
            let times = if position < from { 0.0 } else { factor(&schedule, position.saturating_sub(given)) };
            let sum: Vec<f64> = wide(h).iter().zip(wide(&vector)).map(|(h, v)| h + times * 0.7 * v).collect();
            let scale = if keep_norm && length(&sum) > 0.0 { length(&wide(h)) / length(&sum) } else { 1.0 };
            for (got, want) in got.iter().zip(&sum) {
                prop_assert!((f64::from(*got) - want * scale).abs() < 1e-5, "position {position}: {got} {want}");
            }
        }
    }
}

/// A decoder of two blocks.
fn config(compute: Dtype) -> Config {
    let text = format!(
        r#"{{"model_type": "llama", "vocab_size": 30, "hidden_size": {WIDTH}, "num_hidden_layers": 2, "hidden_act": "silu",
            "num_attention_heads": 2, "intermediate_size": {WIDTH}, "max_position_embeddings": 20}}"#
    );
    let mut config = Config::parse(text.as_bytes(), "config.json".as_ref(), &[]).unwrap();
    config.compute = compute;
    config
}

fn verdict(edit: &Edit, compute: Dtype) -> Option<String> {
    let sentences = [Encoded { ids: vec![1; 5], spans: vec![0..0; 5], bos: 1 }];
    let captures = vec![Capture { site: Site::layer(1), reduce: crate::plan::Reduce::Last }];
    let plan = Plan { captures, edits: vec![edit.clone()], ..Plan::default() };
    check(&plan, &config(compute), &sentences).err().map(|why| why.to_string())
}

#[test]
fn schedules_and_open_positions_that_make_no_sense_are_refused() {
    let steer = || add(&[1.0; WIDTH], 1.0, Unit::Raw, false);
    let scheduled = |schedule: Schedule| Edit { schedule: Some(schedule), ..steer() };
    let ablate = Edit {
        schedule: Some(Schedule::First(2)),
        ..Edit::at(Site::layer(1), Op::Ablate { direction: vec![1.0; WIDTH].into() })
    };
    for (edit, reason) in [
        (ablate, "multiplies the coefficient of `add`, and this op has none"),
        (scheduled(Schedule::Halving(0)), "halves after 0 steps, expected at least 1"),
        (scheduled(Schedule::Factors(vec![])), "the schedule has no factors"),
        (scheduled(Schedule::Factors(vec![1.0, f32::NAN])), "a factor of the schedule is NaN"),
        (scheduled(Schedule::Linear { to: f32::INFINITY, steps: 3 }), "the end of the schedule is inf"),
        (scheduled(Schedule::Factors(vec![1.0, f32::MAX, 1.0])).strong(4.0), "beyond f32"),
        (
            Edit { positions: Positions::From(6), ..steer() },
            "positions from 6 on are asked for; from 5 on are the generated",
        ),
    ] {
        let why = verdict(&edit, Dtype::F32).unwrap_or_else(|| panic!("{edit:?} passed"));
        assert!(why.starts_with("plan: edit 0 (") && why.contains(reason), "{why}\n{reason}");
    }
    for edit in [
        scheduled(Schedule::First(0)),
        scheduled(Schedule::Halving(1)),
        scheduled(Schedule::Linear { to: -1.0, steps: 0 }),
        scheduled(Schedule::Factors(vec![0.0])),
        Edit { positions: Positions::From(5), ..steer() },
    ] {
        assert_eq!(verdict(&edit, Dtype::F32), None, "{edit:?}");
    }
}

impl Edit {
    /// The same with another coefficient.
    fn strong(mut self, to: f32) -> Self {
        if let Op::Add { coefficient, .. } = &mut self.op {
            *coefficient = to;
        }
        self
    }
}

#[test]
fn a_strength_that_f16_cannot_hold_is_refused_where_a_product_would_read_it() {
    let at = |point: Point, coefficient: f32| {
        let site = Site::new(point, usize::from(point.in_block()));
        let width = if point == Point::Logits { 30 } else { WIDTH };
        let vector = vec![0.5; width].into();
        Edit::at(site, Op::Add { vector, coefficient, unit: Unit::Raw, keep_norm: false })
    };
    let reason = "products read their operands in f16, whose largest number is 65504";
    for point in
        [Point::Embeddings, Point::AttnIn, Point::V, Point::Z, Point::MlpAct, Point::ResidPost, Point::FinalNorm]
    {
        let why = verdict(&at(point, -140_000.0), Dtype::F16).unwrap();
        assert!(why.contains("up to 70000 is added to one number") && why.contains(reason), "{why}");
        assert_eq!(verdict(&at(point, 131_000.0), Dtype::F16), None, "{point:?}");
        for compute in [Dtype::F32, Dtype::Bf16] {
            assert_eq!(verdict(&at(point, -140_000.0), compute), None, "{point:?} {compute}");
        }
    }
    // Scores are f32 throughout, nothing reads the logits, and a sum that is rescaled is no longer than the state was.
    for point in [Point::Q, Point::K, Point::Logits] {
        assert_eq!(verdict(&at(point, 140_000.0), Dtype::F16), None, "{point:?}");
    }
    assert_eq!(verdict(&add(&[0.5; WIDTH], 140_000.0, Unit::Raw, true), Dtype::F16), None);
    // A schedule may be what is too strong.
    let grows =
        |factors: Vec<f32>| Edit { schedule: Some(Schedule::Factors(factors)), ..at(Point::ResidPost, 50_000.0) };
    assert!(verdict(&grows(vec![1.0, -3.0, 1.0]), Dtype::F16).unwrap().contains(reason));
    assert_eq!(verdict(&grows(vec![1.0, -2.0]), Dtype::F16), None);
}
