//! Planted relations, laws, and what is refused.

use crate::{
    measure::{Measured, Row},
    relate::{Scores, TaskParams, partial, pearson, read_scores, relate},
};

const CODES: [&str; 8] =
    ["deu_Latn", "fra_Latn", "rus_Cyrl", "hin_Deva", "tha_Thai", "swh_Latn", "yor_Latn", "amh_Ethi"];
const X: [f64; 8] = [0.12, 0.55, 0.31, 0.78, 0.31, 0.90, 0.44, 0.05];
const Y: [f64; 8] = [31.0, 52.5, 40.2, 61.7, 47.0, 58.8, 40.2, 29.5];

fn mexa(layer: usize, values: &[f64]) -> Vec<Row> {
    let row = |(code, value): (&&str, &f64)| {
        Row::new("mexa", *value, 100).of(code).against("eng_Latn").at(layer).variant("language")
    };
    CODES.iter().zip(values).map(row).collect()
}

fn premium(values: &[f64]) -> Vec<Row> {
    let row = |(code, value): (&&str, &f64)| Row::new("premium", *value, 100).of(code).against("eng_Latn");
    CODES.iter().zip(values).map(row).collect()
}

fn scores(values: &[f64]) -> Scores {
    Scores {
        languages: CODES.iter().take(values.len()).map(|code| (*code).to_owned()).collect(),
        tasks: vec!["task".to_owned()],
        values: vec![values.iter().map(|v| Some(*v)).collect()],
    }
}

fn find<'a>(found: &'a Measured, metric: &str, item: &str, variant: &str, layer: Option<usize>) -> &'a Row {
    let fits = |r: &&Row| {
        r.metric == metric && r.item == item && r.variant == variant && r.layer == layer && r.pivot == "eng_Latn"
    };
    found.rows.iter().find(fits).unwrap()
}

fn only(covariates: &[&str]) -> TaskParams {
    TaskParams { covariates: covariates.iter().map(|c| (*c).to_owned()).collect(), ..TaskParams::default() }
}

#[test]
fn a_shared_cause_is_seen_and_held_fixed() {
    // Both are the log of the premium plus parts that are orthogonal to it and to each other.
    let cause = [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
    let (own, other) = ([1., -1., -1., 1., 1., -1., -1., 1.], [1., -2., 1., 0., 0., -1., 2., -1.]);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert_eq!((dot(&own, &cause), dot(&own, &other), dot(&other, &cause)), (0.0, 0.0, 0.0));
    let add = |part: &[f64]| cause.iter().zip(part).map(|(c, p)| -c + 0.5 * p).collect::<Vec<f64>>();
    let ratios: Vec<f64> = cause.iter().map(|c: &f64| c.exp()).collect();
    let found =
        relate(&mexa(4, &add(&own)), &premium(&ratios), Some(&scores(&add(&other))), &only(&["premium"]), 1).unwrap();
    let of = |metric, item| find(&found, metric, item, "mexa/language", Some(4));
    assert!(of("pearson", "task").value.unwrap() > 0.9);
    assert!(of("pearson", "task").shuffled.unwrap().p < 0.01);
    assert!(of("partial_pearson", "task").value.unwrap().abs() < 1e-12);
    assert!(of("partial_pearson", "task").shuffled.unwrap().p > 0.9);
    // And the premium alone: the log is what it is linear in.
    let log = of("pearson", "premium");
    assert!((log.value.unwrap() - pearson(&add(&own), &cause).unwrap()).abs() < 1e-12 && log.value.unwrap() < -0.9);
    assert!(found.notes.iter().any(|note| note == "partial correlations hold fixed: premium"));
}

#[test]
fn rows_carry_the_statistics_of_their_columns() {
    let found = relate(&mexa(2, &X), &premium(&Y), Some(&scores(&Y)), &TaskParams::default(), 5).unwrap();
    let of = |metric, item| find(&found, metric, item, "mexa/language", Some(2));
    // scipy 1.17.1, as in correlation.rs.
    for (metric, expected) in
        [("pearson", 0.9426907624903639), ("spearman", 0.9216867469879517), ("kendall", 0.8148148148148148)]
    {
        let row = of(metric, "task");
        assert!((row.value.unwrap() - expected).abs() < 1e-12 && row.n == 8, "{metric}");
        assert!(row.low.unwrap() < expected && row.high.unwrap() > expected && row.language.is_empty(), "{metric}");
    }
    let fisher = of("pearson_fisher", "task");
    assert!((fisher.low.unwrap() - 0.7089955144376838).abs() < 1e-12);
    // Least without the eighth language, most without the fifth.
    let (low, high) = (of("leave_one_out_low", "task"), of("leave_one_out_high", "task"));
    assert_eq!((low.language.as_str(), high.language.as_str(), low.n), ("amh_Ethi", "tha_Thai", 7));
    assert!((low.value.unwrap() - 0.9214544182363322).abs() < 1e-12);
    assert!((high.value.unwrap() - 0.9684377215410488).abs() < 1e-12);
    // Classes of the registry, in the order of CODES.
    let class = [5.0, 5.0, 4.0, 4.0, 3.0, 2.0, 2.0, 2.0];
    assert!((of("pearson", "resource").value.unwrap() - pearson(&X, &class).unwrap()).abs() < 1e-12);
    let logs: Vec<f64> = Y.iter().map(|y| y.ln()).collect();
    let both = partial(&X, &Y, &[logs, class.to_vec()]).unwrap();
    assert!((of("partial_pearson", "task").value.unwrap() - both).abs() < 1e-9);
    let scored = found.metric("task_score").find(|r| r.language == "hin_Deva").unwrap();
    assert_eq!((scored.value, scored.item.as_str()), (Some(61.7), "task"));
}

#[test]
fn p_counts_ties_and_both_signs() {
    // Of the 24 orders of four, one has rank correlation 1 and one -1: p is 1 / 12.
    let codes = 4;
    let rows = mexa(0, &[0.1, 0.3, 0.2, 0.7][..codes]);
    for sign in [1.0, -1.0] {
        let y = [1.0, 3.0, 2.0, 9.0].map(|v| sign * v);
        let params = TaskParams { permutations: 20_000, bootstrap: 0, ..only(&[]) };
        let found = relate(&rows, &[], Some(&scores(&y)), &params, 3).unwrap();
        for metric in ["spearman", "kendall"] {
            let row = find(&found, metric, "task", "mexa/language", Some(0));
            assert!((row.shuffled.unwrap().p - 1.0 / 12.0).abs() < 0.01, "{row:?}");
            assert_eq!((row.value, row.low), (Some(sign), None));
        }
    }
}

#[test]
fn layers_are_adjusted_together_and_summed_up() {
    let mut rows = mexa(0, &X);
    rows.extend(mexa(1, &Y.map(|y| y / 100.0)));
    let found = relate(&rows, &[], Some(&scores(&Y)), &only(&[]), 0).unwrap();
    for layer in 0..2 {
        let p = find(&found, "pearson", "task", "mexa/language", Some(layer)).shuffled.unwrap();
        assert!(p.p_adjusted.unwrap() >= p.p);
    }
    let mean: Vec<f64> = X.iter().zip(Y).map(|(x, y)| (x + y / 100.0) / 2.0).collect();
    let of = |name| find(&found, "pearson", "task", name, None);
    assert!((of("mexa_mean/language").value.unwrap() - pearson(&mean, &Y).unwrap()).abs() < 1e-12);
    let most: Vec<f64> = X.iter().zip(Y).map(|(x, y)| x.max(y / 100.0)).collect();
    assert!((of("mexa_max/language").value.unwrap() - pearson(&most, &Y).unwrap()).abs() < 1e-12);
    assert_eq!(of("mexa_max/language").shuffled.unwrap().p_adjusted, None);
    // Rows of the measure itself are taken where they are there.
    let max = |(code, value): (&&str, &f64)| {
        Row::new("mexa_max", *value, 100).of(code).against("eng_Latn").variant("language")
    };
    rows.extend(CODES.iter().zip(&Y).map(max));
    let found = relate(&rows, &[], Some(&scores(&Y)), &only(&[]), 0).unwrap();
    assert_eq!(find(&found, "pearson", "task", "mexa_max/language", None).value, Some(1.0));
}

#[test]
fn without_scores_the_covariates_remain_and_what_is_missing_says_why() {
    let found = relate(&mexa(1, &X), &[], None, &TaskParams::default(), 0).unwrap();
    assert!(find(&found, "pearson", "resource", "mexa/language", Some(1)).value.is_some());
    let row = find(&found, "pearson", "premium", "mexa/language", Some(1));
    assert!(row.value.is_none() && row.status.contains("no premium beside eng_Latn"), "{}", row.status);
    assert!(found.metric("partial_pearson").next().is_none());
    let three = relate(&mexa(1, &X[..3]), &[], None, &TaskParams::default(), 0).unwrap();
    let row = find(&three, "spearman", "resource", "mexa/language", Some(1));
    assert!(row.status.starts_with("3 languages have both mexa/language and resource"), "{}", row.status);
    let flat = relate(&mexa(1, &[0.5; 8]), &[], None, &TaskParams::default(), 0).unwrap();
    let row = find(&flat, "pearson", "resource", "mexa/language", Some(1));
    assert!(row.status.contains("mexa/language has the same value in all 8 languages"), "{}", row.status);
    let found = relate(&mexa(1, &X), &premium(&[2.0; 8]), Some(&scores(&Y)), &TaskParams::default(), 0).unwrap();
    let row = find(&found, "partial_pearson", "task", "mexa/language", Some(1));
    assert!(row.status.starts_with("premium has the same value"), "{}", row.status);
    let found = relate(&mexa(1, &X), &premium(&Y), Some(&scores(&Y[..5])), &TaskParams::default(), 0).unwrap();
    let row = find(&found, "partial_spearman", "task", "mexa/language", Some(1));
    assert!(row.status.contains("at least 6 are needed") && row.n == 5, "{}", row.status);
}

#[test]
fn premiums_of_the_first_tokenizer_unless_one_is_named() {
    let of = |variant: &str, values: &[f64]| {
        premium(values).into_iter().map(|row| row.variant(variant)).collect::<Vec<Row>>()
    };
    let rows: Vec<Row> = [of("a", &Y), of("b", &X)].concat();
    let found = relate(&mexa(1, &X), &rows, None, &only(&["premium/b"]), 0).unwrap();
    let value = |item| find(&found, "spearman", item, "mexa/language", Some(1)).value.unwrap();
    assert_eq!(value("premium/b"), 1.0);
    assert!((value("premium") - 0.9216867469879517).abs() < 1e-12);
}

#[test]
fn equal_seeds_give_equal_rows_whatever_the_threads() {
    let run = || relate(&mexa(1, &X), &premium(&Y), Some(&scores(&Y)), &TaskParams::default(), 9).unwrap();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(run(), one.install(run));
}

#[test]
fn what_cannot_be_related_is_refused_in_a_sentence() {
    let rows = mexa(1, &X);
    let why = |rows: &[Row], scores: Option<&Scores>, params: &TaskParams| {
        relate(rows, &[], scores, params, 0).unwrap_err().to_string()
    };
    let defaults = TaskParams::default();
    let measures = TaskParams { measures: vec!["cka".into()], ..defaults.clone() };
    assert!(
        why(&rows, None, &measures)
            .contains("none of the measures cka of pivot eng_Latn is there; there are mexa/language")
    );
    let few = read_scores("language,task\nde,1\nfr,2\nja,3\n").unwrap();
    let message = why(&rows, Some(&few), &defaults);
    assert!(
        message.contains("2 languages in common with what was measured (deu_Latn, fra_Latn), at least 4"),
        "{message}"
    );
    let named = Scores { tasks: vec!["premium".into()], ..scores(&Y) };
    assert!(why(&rows, Some(&named), &defaults).contains("is called premium, as is a covariate"));
    for (params, says) in [
        (TaskParams { measures: vec![], ..defaults.clone() }, "`measures` is empty"),
        (TaskParams { pivots: vec!["a".into(), "a".into()], ..defaults.clone() }, "`pivots` names a twice"),
        (TaskParams { bootstrap: 7, ..defaults.clone() }, "at least 100"),
        (TaskParams { permutations: 7, ..defaults.clone() }, "at least 19"),
    ] {
        assert!(why(&rows, None, &params).contains(says), "{says}");
    }
}

#[test]
fn languages_on_one_side_alone_are_named() {
    let mut some = scores(&Y);
    some.languages[0] = "jpn_Jpan".into();
    let found = relate(&mexa(1, &X), &[], Some(&some), &only(&[]), 0).unwrap();
    for note in ["scored but not measured, so left out: jpn_Jpan", "measured but not scored, so left out: deu_Latn"] {
        assert!(found.notes.iter().any(|n| n == note), "{:?}", found.notes);
    }
    assert_eq!(find(&found, "pearson", "task", "mexa/language", Some(1)).n, 7);
}
