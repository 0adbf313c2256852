//! Valid input, spoiled: bits, cuts, spliced pieces and numbers in bytes; values in JSON.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use serde_json::{Value, json};

/// Runs `test` on `cases` values, the same in every run. With `BABELSCOPE_FUZZ=N` N times as many, others each time.
pub(crate) fn fuzz<S: Strategy>(cases: u32, values: S, test: impl Fn(S::Value)) {
    let times = std::env::var("BABELSCOPE_FUZZ").ok().and_then(|n| n.parse::<u32>().ok());
    let config = Config {
        cases: cases * times.unwrap_or(1),
        failure_persistence: None,
        max_shrink_iters: 2000,
        rng_seed: if times.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) },
        ..Config::default()
    };
    let run = |value: S::Value| {
        test(value);
        Ok::<(), TestCaseError>(())
    };
    if let Err(failed) = TestRunner::new(config).run(&values, run) {
        panic!("{failed}");
    }
}

/// One change of some bytes; places are taken modulo their number.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// A piece once more elsewhere.
    Copy(usize, usize, usize),
    /// Little-endian, over what was there: lengths and counts of binary formats.
    Number(usize, u64, bool),
    /// In the place of a number in a text.
    Digits(usize, String),
}

/// Numbers that are lengths, counts or ids beyond what there is.
fn huge() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX / 2 + 1),
        Just(1 << 60),
        Just(1 << 40),
        Just(u64::from(u32::MAX)),
        Just(1 << 31),
        Just(1 << 24),
        any::<u64>(),
        0..70_000_u64,
    ]
}

fn spliced() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<Vec<u8>> = [
        "\0",
        "\n",
        "\r\n",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        "=",
        "'''",
        "\"\"\"",
        "{{",
        "{%",
        "%}",
        "-",
        ".",
        "e308",
        "null",
        "nan",
        "-inf",
        "\u{feff}",
        "\u{2028}",
        "\u{202e}",
        "é",
        "\u{10ffff}",
        "\\u0000",
        "\\ud800",
        "../",
        "%2e",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([b"[".repeat(20_000), b"{\"a\":".repeat(20_000), b"(".repeat(20_000), b"x".repeat(20_000), vec![0xff, 0xfe]])
    .collect();
    prop_oneof![3 => proptest::sample::select(known), 1 => vec(any::<u8>(), 1..16)]
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<usize>;
    let digits = prop_oneof![
        huge().prop_map(|n| n.to_string()),
        huge().prop_map(|n| format!("-{n}")),
        Just("1e999".into()),
        Just("0.1".into())
    ];
    let change = prop_oneof![
        2 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => at().prop_map(Change::Cut),
        2 => (at(), spliced()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), 1..64_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), 1..64_usize, at()).prop_map(|(from, count, to)| Change::Copy(from, count, to)),
        2 => (at(), huge(), any::<bool>()).prop_map(|(at, number, wide)| Change::Number(at, number, wide)),
        2 => (at(), digits).prop_map(|(at, digits)| Change::Digits(at, digits)),
    ];
    vec(change, 1..4)
}

/// The changed bytes; only the first `head` of them are changed, where most of a file is plain numbers.
pub(crate) fn changed(bytes: &[u8], head: usize, changes: &[Change]) -> Vec<u8> {
    let (front, rest) = bytes.split_at(head.min(bytes.len()));
    let mut bytes = front.to_vec();
    let mut whole = true;
    for change in changes {
        let n = bytes.len();
        let place = |at: &usize| at % (n + 1);
        match change {
            Change::Flip(at, bit) => bytes.iter_mut().skip(place(at)).take(1).for_each(|b| *b ^= 1 << bit),
            Change::Cut(at) => {
                bytes.truncate(place(at));
                whole = false;
            }
            Change::Insert(at, piece) => drop(bytes.splice(place(at)..place(at), piece.iter().copied())),
            Change::Remove(at, count) => drop(bytes.drain(place(at)..n.min(place(at) + count))),
            Change::Copy(from, count, to) => {
                let piece = bytes[place(from)..n.min(place(from) + count)].to_vec();
                bytes.splice(place(to)..place(to), piece);
            }
            Change::Number(at, number, wide) => {
                let number = number.to_le_bytes();
                let number = if *wide { &number[..] } else { &number[..4] };
                bytes.iter_mut().skip(place(at)).zip(number).for_each(|(b, n)| *b = *n);
            }
            Change::Digits(at, digits) => {
                let is = |b: &u8| b.is_ascii_digit();
                let Some(first) = bytes.iter().skip(place(at)).position(is).map(|first| first + place(at)) else {
                    continue;
                };
                let last = bytes.iter().skip(first).position(|b| !is(b)).map_or(n, |last| last + first);
                bytes.splice(first..last, digits.bytes());
            }
        }
    }
    if whole {
        bytes.extend_from_slice(rest);
    }
    bytes
}

/// Values for the place of others, each with a number that says which place.
pub(crate) fn replacements() -> impl Strategy<Value = Vec<(usize, Replacement)>> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let values = vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(1e300),
        json!(0.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1_u64 << 60),
        json!(1_u64 << 32),
        json!(4_294_967_295_u32),
        json!(16_777_216),
        json!(16_777_215),
        json!(65_536),
        json!(""),
        json!(" "),
        json!("x"),
        json!("é\u{301}"),
        json!("\u{0}"),
        json!("▁"),
        json!("(".repeat(300)),
        json!("(a*)*b"),
        json!("["),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"a": 1}),
        json!(vec![0; 1000]),
        deep,
    ];
    let replacement = prop_oneof![
        4 => proptest::sample::select(values).prop_map(Replacement::By),
        2 => any::<usize>().prop_map(Replacement::ByOther),
        1 => Just(Replacement::Gone),
    ];
    vec((any::<usize>(), replacement), 1..4)
}

#[derive(Clone, Debug)]
pub(crate) enum Replacement {
    By(Value),
    /// Another value of the same document.
    ByOther(usize),
    Gone,
}

fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), out)),
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            places(item, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
        }),
        _ => {}
    }
}

/// A document with some of its values replaced. `most` of the places are looked at, the first ones of a long list.
pub(crate) fn replaced(document: &Value, replacements: &[(usize, Replacement)]) -> Value {
    let mut document = document.clone();
    for (at, replacement) in replacements {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        // Vocabularies have most of the places; the others decide more.
        let few: Vec<&String> =
            all.iter().filter(|place| !place.contains("/vocab/") && !place.contains("/merges/")).collect();
        let place =
            |at: usize| if at.is_multiple_of(4) { all[at / 4 % all.len()].as_str() } else { few[at / 4 % few.len()] };
        let value = match replacement {
            Replacement::By(value) => Some(value.clone()),
            Replacement::ByOther(other) => document.pointer(place(*other)).cloned(),
            Replacement::Gone => None,
        };
        let here = place(*at).to_owned();
        match (value, here.rsplit_once('/')) {
            (Some(value), _) => drop(document.pointer_mut(&here).map(|old| *old = value)),
            (None, Some((parent, key))) => match document.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.remove(&key.replace("~1", "/").replace("~0", "~"))),
                Some(Value::Array(items)) => {
                    if let Ok(index) = key.parse::<usize>()
                        && index < items.len()
                    {
                        items.remove(index);
                    }
                }
                _ => {}
            },
            (None, None) => {}
        }
    }
    document
}
