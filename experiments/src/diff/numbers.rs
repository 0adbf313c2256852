//! Every number of two runs, matched by where it stands.

use babelscope_probes::align::{AlignCell, Estimate, Outcome};
use serde::Serialize;

use crate::run::Run;

/// Where a number stands. Fields that a metric does not have are empty or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    metric: &'a str,
    /// The language, or the text of the lens.
    of: &'a str,
    pivot: &'a str,
    layer: usize,
    centring: &'a str,
    /// The line of a sentence, the position of a token, or the layer of the other side.
    at: usize,
    /// A language or script whose mass it is, or the item of a measure.
    code: &'a str,
    /// Equal texts of a lens are told apart by their order.
    twin: usize,
}

/// A number with its interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    value: f64,
    interval: Option<(f64, f64)>,
}

/// Numbers in the order of their places.
pub(super) type Numbers<'a> = Vec<(Place<'a>, Number)>;

/// How one metric changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// The metric.
    pub metric: String,
    /// Numbers that only the first run has.
    pub only_a: usize,
    /// Numbers that only the second run has.
    pub only_b: usize,
    /// Numbers that are equal within the tolerance.
    pub equal: usize,
    /// Numbers that differ by more.
    pub different: usize,
    /// Of the different ones, how many have intervals that do not overlap; `None` where the metric has no intervals.
    pub intervals_apart: Option<usize>,
    /// The largest absolute difference, also where it is within the tolerance; `None` where every number is the same. A number that only one of
    /// the two runs could define counts as infinitely far.
    #[serde(serialize_with = "finite_or_text")]
    pub largest: Option<f64>,
    /// Where it is: `deu_Latn, layer 3, pivot eng_Latn, centred`.
    pub place: String,
}

fn finite_or_text<S: serde::Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) if value.is_infinite() => to.serialize_str("undefined in one run"),
        other => other.serialize(to),
    }
}

impl Change {
    /// Whether both runs have the same numbers of this metric.
    pub fn is_equal(&self) -> bool {
        self.only_a == 0 && self.only_b == 0 && self.different == 0
    }
}

/// Every number of a run but those of its sentences, sorted by place.
pub(super) fn of(run: &Run) -> Numbers<'_> {
    let mut all = Vec::new();
    let intervals = run.spec.align().is_some_and(|params| params.bootstrap > 0);
    if let Some(report) = &run.align {
        let none = Place { metric: "chance_mexa", of: "", pivot: "", layer: 0, centring: "", at: 0, code: "", twin: 0 };
        all.push((none, bare(report.chance_mexa)));
        all.push((Place { metric: "chance_recall", ..none }, bare(report.chance_recall)));
        report.cells.iter().for_each(|cell| of_cell(cell, intervals, &mut all));
    }
    for (nth, report) in run.lens.iter().enumerate() {
        let twin = run.lens.iter().take(nth).filter(|other| other.text == report.text).count();
        for (&layer, row) in report.layers.iter().zip(&report.cells) {
            for (at, cell) in row.iter().enumerate() {
                let place =
                    |metric, code| Place { metric, of: &report.text, pivot: "", layer, centring: "", at, code, twin };
                let mut put = |metric, code, value: f64| all.push((place(metric, code), bare(value)));
                put("lens entropy", "", f64::from(cell.entropy));
                put("lens KL from final", "", f64::from(cell.kl_from_final));
                put("lens rank of final", "", f64::from(cell.rank_of_final));
                put("lens probability of final", "", f64::from(cell.probability_of_final));
                for (code, mass) in report.languages.iter().zip(&cell.language_mass) {
                    put("lens language mass", code, f64::from(*mass));
                }
                for (code, mass) in report.scripts.iter().zip(&cell.script_mass) {
                    put("lens script mass", code, f64::from(*mass));
                }
                if let Some(top) = cell.top.first() {
                    put("lens top token", "", f64::from(top.id));
                    put("lens top probability", "", f64::from(top.probability));
                }
            }
        }
    }
    for probed in &run.measured {
        for row in &probed.measured.rows {
            let place = Place {
                metric: &row.metric,
                of: &row.language,
                pivot: &row.pivot,
                layer: row.layer.unwrap_or_default(),
                centring: &row.variant,
                at: row.pivot_layer.unwrap_or_default(),
                code: &row.item,
                twin: 0,
            };
            let interval = row.low.zip(row.high);
            all.push((place, Number { value: row.value.unwrap_or(f64::NAN), interval }));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn bare(value: f64) -> Number {
    Number { value, interval: None }
}

fn place<'a>(cell: &'a AlignCell, metric: &'a str) -> Place<'a> {
    let centring = cell.centring.name();
    Place { metric, of: &cell.language, pivot: &cell.pivot, layer: cell.layer, centring, at: 0, code: "", twin: 0 }
}

fn of_cell<'a>(cell: &'a AlignCell, intervals: bool, all: &mut Numbers<'a>) {
    let place = |metric| place(cell, metric);
    let with = |e: Estimate| Number { value: e.value, interval: intervals.then_some((e.low, e.high)) };
    all.push((place("mexa"), with(cell.mexa)));
    all.push((place("recall_from_pivot"), with(cell.recall_from_pivot)));
    all.push((place("recall_to_pivot"), with(cell.recall_to_pivot)));
    all.push((place("cosine_gap"), bare(cell.cosine_gap)));
    all.push((place("cosine_wrong"), bare(cell.cosine_wrong)));
}

/// A metric of a sentence, and how it is read.
type OfSentence = (&'static str, fn(&Outcome) -> f64);

/// What is compared of a sentence.
const OF_SENTENCES: [OfSentence; 4] = [
    ("sentence cosine", |o| f64::from(o.cosine)),
    ("sentence hit", |o| f64::from(u8::from(o.hit()))),
    ("sentence rival back cosine", |o| f64::from(o.rival_back_cosine)),
    ("sentence rival cosine", |o| f64::from(o.rival_cosine)),
];

/// The sentences of two runs, cell by cell: there may be many millions, so no list of them is made.
pub(super) fn sentences(a: &Run, b: &Run, tolerance: f64) -> Vec<Change> {
    let cells = |run| -> Vec<(Place<'_>, &[Outcome])> {
        let run: &Run = run;
        let cells = run.align.iter().flat_map(|report| &report.cells);
        let mut cells: Vec<_> = cells.map(|cell| (place(cell, ""), cell.outcomes.as_slice())).collect();
        cells.sort_by(|a, b| a.0.cmp(&b.0));
        cells
    };
    let mut out = OF_SENTENCES.map(|(metric, _)| Change { metric: metric.to_owned(), ..Change::default() });
    walk(&cells(a), &cells(b), |place, one, two| {
        let (one, two) = (one.copied().unwrap_or_default(), two.copied().unwrap_or_default());
        for (change, (metric, of)) in out.iter_mut().zip(OF_SENTENCES) {
            for (at, (one, two)) in one.iter().zip(two).enumerate() {
                change.pair(&Place { metric, at, ..*place }, bare(of(one)), bare(of(two)), tolerance);
            }
            change.only_a += one.len().saturating_sub(two.len());
            change.only_b += two.len().saturating_sub(one.len());
        }
    });
    out.into_iter().filter(|c| c.only_a + c.only_b + c.equal + c.different > 0).collect()
}

/// Compares two sorted lists of numbers.
pub(super) fn compare(a: &Numbers<'_>, b: &Numbers<'_>, tolerance: f64) -> Vec<Change> {
    let mut out: Vec<Change> = Vec::new();
    walk(a, b, |place, one, two| {
        if out.last().is_none_or(|change| change.metric != place.metric) {
            out.push(Change { metric: place.metric.to_owned(), ..Change::default() });
        }
        let Some(change) = out.last_mut() else { return };
        match (one, two) {
            (Some(one), Some(two)) => change.pair(place, *one, *two, tolerance),
            (Some(_), None) => change.only_a += 1,
            (None, _) => change.only_b += 1,
        }
    });
    out
}

/// Walks two sorted lists at once: each place once, with what either list has there.
fn walk<'a, T>(a: &[(Place<'a>, T)], b: &[(Place<'a>, T)], mut visit: impl FnMut(&Place<'a>, Option<&T>, Option<&T>)) {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let side = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(two)) => one.0.cmp(&two.0),
        };
        let (one, two) = (side.is_le().then(|| a.next()).flatten(), side.is_ge().then(|| b.next()).flatten());
        let Some((place, _)) = one.or(two) else { break };
        visit(place, one.map(|n| &n.1), two.map(|n| &n.1));
    }
}

/// How far two numbers lie apart; two that are both undefined are the same.
fn distance(a: f64, b: f64) -> f64 {
    match (a.is_finite(), b.is_finite()) {
        (true, true) => (a - b).abs(),
        (false, false) if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        _ => f64::INFINITY,
    }
}

impl Change {
    fn pair(&mut self, place: &Place<'_>, a: Number, b: Number, tolerance: f64) {
        let ends = |n: Number| n.interval.unwrap_or((n.value, n.value));
        let (one, two) = (ends(a), ends(b));
        // An interval that moved is a difference, too.
        let mut apart = distance(a.value, b.value);
        if a.interval.is_some() && b.interval.is_some() {
            apart = apart.max(distance(one.0, two.0)).max(distance(one.1, two.1));
            self.intervals_apart.get_or_insert(0);
        }
        let different = apart > tolerance;
        if different {
            self.different += 1
        } else {
            self.equal += 1
        }
        if different && self.intervals_apart.is_some() && (one.0 > two.1 || two.0 > one.1) {
            *self.intervals_apart.get_or_insert(0) += 1;
        }
        if apart > 0.0 && self.largest.is_none_or(|largest| apart > largest) {
            (self.largest, self.place) = (Some(apart), place.to_string());
        }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.of.is_empty() {
            return Ok(());
        }
        if self.metric.starts_with("lens") {
            let start: String = self.of.chars().take(24).collect();
            write!(f, "{start:?}, layer {}, token {}", self.layer, self.at)?;
        } else {
            write!(f, "{}, layer {}, pivot {}, {}", self.of, self.layer, self.pivot, self.centring)?;
        }
        if self.metric.starts_with("sentence") {
            write!(f, ", line {}", self.at)?;
        }
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METRICS: [&str; 3] = ["cosine_gap", "mexa", "sentence cosine"];
    const CODES: [&str; 3] = ["arb_Arab", "deu_Latn", "tha_Thai"];

    fn place(metric: usize, of: usize, layer: usize) -> Place<'static> {
        Place {
            metric: METRICS[metric],
            of: CODES[of],
            pivot: "eng_Latn",
            layer,
            centring: "raw",
            at: 0,
            code: "",
            twin: 0,
        }
    }

    /// Lists with few places and few values, so that pairs, equal numbers and gaps all occur.
    fn lists() -> impl Strategy<Value = Numbers<'static>> {
        let value = prop_oneof![Just(f64::NAN), (0..4i32).prop_map(|v| f64::from(v) * 0.25)];
        prop::collection::btree_map((0..3usize, 0..3usize, 0..4usize), (value, 0..3i32), 0..30).prop_map(|map| {
            let number = |metric: usize, value: f64, width: i32| Number {
                value,
                interval: (metric == 1).then(|| (value - f64::from(width) * 0.1, value + f64::from(width) * 0.1)),
            };
            map.into_iter()
                .map(|((m, of, layer), (value, width))| (place(m, of, layer), number(m, value, width)))
                .collect()
        })
    }

    /// The same by looking every place up in the other list.
    fn slow(a: &Numbers<'static>, b: &Numbers<'static>, tolerance: f64) -> Vec<Change> {
        let mut out = Vec::new();
        for metric in METRICS {
            let of =
                |list: &Numbers<'static>| list.iter().filter(|n| n.0.metric == metric).copied().collect::<Vec<_>>();
            let (a, b) = (of(a), of(b));
            if a.is_empty() && b.is_empty() {
                continue;
            }
            let has = |list: &Numbers<'_>, place: &Place<'_>| list.iter().any(|n| n.0 == *place);
            let mut change = Change { metric: metric.to_owned(), ..Change::default() };
            change.only_a = a.iter().filter(|n| !has(&b, &n.0)).count();
            change.only_b = b.iter().filter(|n| !has(&a, &n.0)).count();
            for (place, one) in &a {
                let Some((_, two)) = b.iter().find(|n| n.0 == *place) else { continue };
                let (mut far, mut overlap) = (distance(one.value, two.value), None);
                if let (Some(p), Some(q)) = (one.interval, two.interval) {
                    far = far.max(distance(p.0, q.0)).max(distance(p.1, q.1));
                    overlap = Some(!(p.0 > q.1 || q.0 > p.1));
                }
                if far <= tolerance {
                    change.equal += 1
                } else {
                    change.different += 1
                }
                if let Some(overlap) = overlap {
                    change.intervals_apart =
                        Some(change.intervals_apart.unwrap_or(0) + usize::from(far > tolerance && !overlap));
                }
                if far > change.largest.unwrap_or(0.0) {
                    (change.largest, change.place) = (Some(far), place.to_string());
                }
            }
            out.push(change);
        }
        out
    }

    proptest! {
        #[test]
        fn the_walk_equals_looking_every_number_up(a in lists(), b in lists(), tolerance in prop_oneof![Just(0.0), Just(0.3)]) {
            prop_assert_eq!(compare(&a, &b, tolerance), slow(&a, &b, tolerance));
        }

        #[test]
        fn a_list_equals_itself(a in lists()) {
            prop_assert!(compare(&a, &a, 0.0).iter().all(|c| c.is_equal() && c.largest.is_none()));
        }

        #[test]
        fn exchanging_the_runs_exchanges_the_sides(a in lists(), b in lists()) {
            let mirrored: Vec<Change> = compare(&b, &a, 0.0)
                .into_iter()
                .map(|c| Change { only_a: c.only_b, only_b: c.only_a, ..c })
                .collect();
            prop_assert_eq!(compare(&a, &b, 0.0), mirrored);
        }

        #[test]
        fn one_changed_number_is_found_and_named(a in lists(), at in any::<prop::sample::Index>()) {
            prop_assume!(!a.is_empty());
            let mut b = a.clone();
            let at = at.index(b.len());
            let was = b[at].1.value;
            b[at].1.value = if was.is_nan() { 0.5 } else { was + 0.5 };
            let changes = compare(&a, &b, 0.0);
            let changed: Vec<&Change> = changes.iter().filter(|c| !c.is_equal()).collect();
            prop_assert_eq!(changed.len(), 1);
            prop_assert_eq!((changed[0].different, changed[0].only_a, changed[0].only_b), (1, 0, 0));
            prop_assert_eq!(changed[0].metric.as_str(), a[at].0.metric);
            prop_assert_eq!(&changed[0].place, &a[at].0.to_string());
        }
    }
}
