use proptest::prelude::*;

use super::*;
use crate::plan::Blocks;

const WIDTH: usize = 6;
const HEAD_DIM: usize = 2;

fn numbers(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-3f32..3.0, n)
}

fn ops() -> impl Strategy<Value = Op> {
    let unit = prop_oneof![Just(Unit::Raw), (0.5f32..9.0).prop_map(Unit::Norm)];
    let direction = || numbers(WIDTH).prop_filter("points somewhere", |d| norm(d) > 0.1).prop_map(Vector::from);
    prop_oneof![
        (direction(), -3f32..3.0, unit, any::<bool>()).prop_map(|(vector, coefficient, unit, keep_norm)| Op::Add {
            vector,
            coefficient,
            unit,
            keep_norm
        }),
        direction().prop_map(|direction| Op::Ablate { direction }),
        (direction(), -3f32..3.0).prop_map(|(direction, value)| Op::Clamp { direction, value }),
        numbers(WIDTH).prop_map(|row| Op::Replace { rows: vec![row.into()] }),
        (prop::sample::subsequence((0..WIDTH).collect::<Vec<_>>(), 1..WIDTH), -3f32..3.0)
            .prop_map(|(neurons, factor)| Op::Scale { neurons, factor }),
        (0..WIDTH / HEAD_DIM, -3f32..3.0).prop_map(|(head, factor)| Op::ScaleHeads { heads: vec![head], factor }),
    ]
}

fn all_positions() -> impl Strategy<Value = Positions> {
    prop_oneof![
        Just(Positions::All),
        Just(Positions::Content),
        Just(Positions::Prompt),
        Just(Positions::Generated),
        Just(Positions::Last),
        Just(Positions::FirstContent),
        prop::sample::subsequence((0..7).collect::<Vec<_>>(), 1..4).prop_shuffle().prop_map(Positions::List),
        prop::sample::subsequence((1..7).collect::<Vec<_>>(), 1..4).prop_map(Positions::FromEnd),
        (0usize..7).prop_map(Positions::From),
        (0usize..4, 0usize..4).prop_map(|(first, more)| Positions::Range { first, last: first + more }),
    ]
}

/// `P h + q` in f64 with the matrix written out.
fn slow(op: &Op, h: &[f32]) -> Vec<f64> {
    let h: Vec<f64> = h.iter().map(|x| f64::from(*x)).collect();
    let wide = |v: &Vector| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let projected = |direction: &Vector, value: f64| {
        let d = wide(direction);
        let square = length(&d).powi(2);
        let cell = |i: usize, j: usize| f64::from(u8::from(i == j)) - d[i] * d[j] / square;
        let row = |i: usize| (0..h.len()).map(|j| cell(i, j) * h[j]).sum::<f64>() + value * d[i] / square.sqrt();
        (0..h.len()).map(row).collect()
    };
    match op {
        Op::Add { vector, coefficient, unit, keep_norm } => {
            let v = wide(vector);
            let times = match unit {
                Unit::Raw => 1.0,
                Unit::Norm(norm) => f64::from(*norm) / length(&v),
            };
            let sum: Vec<f64> = h.iter().zip(v).map(|(h, v)| h + f64::from(*coefficient) * times * v).collect();
            let scale = if *keep_norm { length(&h) / length(&sum) } else { 1.0 };
            sum.iter().map(|x| x * scale).collect()
        }
        Op::Ablate { direction } => projected(direction, 0.0),
        Op::Clamp { direction, value } => projected(direction, f64::from(*value)),
        Op::Replace { rows } => wide(&rows[0]),
        Op::Scale { neurons, factor } => {
            let factor = |i: usize| if neurons.contains(&i) { f64::from(*factor) } else { 1.0 };
            (0..h.len()).map(|i| h[i] * factor(i)).collect()
        }
        Op::ScaleHeads { heads, factor } => {
            let factor = |i: usize| if heads.contains(&(i / HEAD_DIM)) { f64::from(*factor) } else { 1.0 };
            (0..h.len()).map(|i| h[i] * factor(i)).collect()
        }
        Op::Cut { .. } => h,
    }
}

/// The positions by name, in the order in which rows go to them.
fn listed(positions: &Positions, bos: usize, given: usize, all: usize) -> Vec<usize> {
    match positions {
        Positions::All => (0..all).collect(),
        Positions::Content => (bos..all).collect(),
        Positions::Prompt => (0..given).collect(),
        Positions::Generated => (given..all).collect(),
        Positions::Last => vec![given - 1],
        Positions::FirstContent => (bos..given).take(1).collect(),
        Positions::List(list) => list.clone(),
        Positions::FromEnd(list) => list.iter().filter_map(|back| given.checked_sub(*back)).collect(),
        Positions::From(first) => (*first..all).collect(),
        Positions::Range { first, last } => (*first..=*last).collect(),
    }
}

proptest! {
    /// Two sentences, of which a cache holds the first `past` tokens; the second lies first in the order of execution.
    #[test]
    fn rows_are_changed_as_the_formula_says_and_no_other(
        op in ops(), positions in all_positions(), past in 0usize..3, bos in 0usize..2, only in prop::option::of(0usize..2),
        given in (3usize..6, 3usize..6), states in numbers(12 * WIDTH),
    ) {
        let given = [given.0, given.1];
        let sentence = |n: usize| Encoded { ids: vec![0; n], spans: vec![0..0; n], bos };
        let sentences = [sentence(given[0]), sentence(given[1])];
        let edit = Edit {
            point: Point::Z, blocks: Blocks::All, positions: positions.clone(), sentences: only.map(|s| vec![s]),
            schedule: None, op: op.clone(),
        };
        let edits = Edits {
            ready: vec![Ready { plan: 0, number: 0, edit: &edit, change: Change::new(&edit, HEAD_DIM) }], sentences: &sentences,
        };
        // Columns 3 .. 3 + WIDTH of a wider matrix; six rows a sentence.
        let stride = WIDTH + 5;
        let mut data = vec![7.5; 12 * stride];
        for (row, states) in states.chunks(WIDTH).enumerate() {
            data[row * stride + 3..][..WIDTH].copy_from_slice(states);
        }
        let before = data.clone();
        let layout = Layout { starts: vec![0, 6, 12], past: vec![past, past], first: 0 };
        let order = [1, 0];
        let mut rows = RowsMut { data: &mut data, stride, from: 3, width: WIDTH };
        edits.apply(Site::new(Point::Z, 2), &mut rows, &layout, &order, &mut Log::default());
        for row in 0..12 {
            let (index, sentence) = (row / 6, order[row / 6]);
            let position = past + row - 6 * index;
            let meant = only.is_none_or(|s| s == sentence)
                && listed(&positions, bos, given[sentence], past + 6).contains(&position);
            let (got, h) = (&data[row * stride..][..stride], &before[row * stride..][..stride]);
            prop_assert_eq!(&got[..3], &h[..3]);
            prop_assert_eq!(&got[3 + WIDTH..], &h[3 + WIDTH..]);
            let (got, h) = (&got[3..3 + WIDTH], &h[3..3 + WIDTH]);
            if meant {
                for (got, want) in got.iter().zip(slow(&op, h)) {
                    prop_assert!((f64::from(*got) - want).abs() < 1e-5, "{got} {want}");
                }
            } else {
                prop_assert_eq!(got, h);
            }
        }
    }

    #[test]
    fn the_place_of_a_position_is_its_place_in_the_list(
        positions in all_positions(), bos in 0usize..2, given in 1usize..7, more in 0usize..4,
    ) {
        let list = listed(&positions, bos, given, given + more);
        for position in 0..given + more {
            let place = positions.place(position, Given { bos, tokens: given });
            prop_assert_eq!(place, list.iter().position(|p| *p == position));
        }
    }

    #[test]
    fn an_edit_survives_json(op in ops(), positions in all_positions(), first in 1usize..9) {
        let blocks = Blocks::Range { first, last: first + 2 };
        let edit = Edit { point: Point::Z, blocks, positions, sentences: Some(vec![3]), schedule: None, op };
        let text = serde_json::to_string(&edit).unwrap();
        prop_assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit, "{}", text);
    }
}

#[test]
fn strength_zero_changes_no_bit() {
    let vector = || Vector::from(vec![1.0; WIDTH]);
    for op in [
        Op::Add { vector: vector(), coefficient: 0.0, unit: Unit::Raw, keep_norm: false },
        Op::Add { vector: vector(), coefficient: -0.0, unit: Unit::Norm(3.0), keep_norm: false },
        Op::Scale { neurons: vec![0, 1], factor: 1.0 },
        Op::ScaleHeads { heads: vec![0], factor: 1.0 },
    ] {
        let mut row = [-0.0, 1.5, f32::MIN_POSITIVE / 8.0, -3e38, 0.1, f32::NAN];
        let bits = row.map(f32::to_bits);
        let edit = Edit::at(Site::new(Point::Z, 1), op.clone());
        Change::new(&edit, HEAD_DIM).apply(&mut row, 0, 0);
        assert_eq!(row.map(f32::to_bits), bits, "{op:?}");
    }
}

#[test]
fn a_spec_is_read_and_a_misspelled_key_is_refused() {
    let text = r#"{ "point": "resid_post", "blocks": { "list": [5, 6] }, "positions": "last", "op": "add", "vector": [1, 2],
                    "coefficient": 2, "unit": { "norm": 30.5 } }"#;
    let edit: Edit = serde_json::from_str(text).unwrap();
    let vector = vec![1.0, 2.0].into();
    let want = Op::Add { vector, coefficient: 2.0, unit: Unit::Norm(30.5), keep_norm: false };
    assert_eq!(edit.op, want);
    assert_eq!((edit.blocks, edit.positions), (Blocks::List(vec![5, 6]), Positions::Last));
    for (from, to) in [("\"unit\"", "\"units\""), ("\"positions\"", "\"position\""), ("\"add\"", "\"plus\"")] {
        let why = serde_json::from_str::<Edit>(&text.replace(from, to)).unwrap_err().to_string();
        assert!(why.contains(to.trim_matches('"')), "{why}");
    }
}
