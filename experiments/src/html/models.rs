//! Several models on one page: side by side where they were measured on the same sentences, then each by itself.

use std::path::Path;

use super::{
    alignment::{Cells, interval, intervals, pivots},
    facts::{duration, megabytes},
    markup::{Html, element, language, plain, spoken, text},
    table::{Table, number, share, whole},
};
use crate::run::Run;

/// Pivots that are compared on the page.
const PIVOTS: usize = 4;

/// The name of a model's folder.
pub(super) fn label(run: &Run) -> String {
    let model = run.spec.model.first().map(|model| model.label().to_owned());
    model.unwrap_or_else(|| Path::new(&run.folder).file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Tables with a column for each model.
pub(super) fn comparison(runs: &[Run], id: &str) -> Html {
    let mut body = element("h2", &[("id", id)], text("The models side by side"));
    body.push(models(runs));
    let Some(first) = runs.first() else { return body };
    if let Some(why) = runs.iter().find_map(|run| unlike(first, run)) {
        body.push(plain("p", format!("No numbers are compared, as they do not measure the same: {why}.")));
        return body;
    }
    for pivot in pivots(first).iter().take(PIVOTS) {
        body.push(table(runs, pivot));
    }
    body.push(plain(
        "p",
        "Layers are chosen for each model and language by their value, so the best of many layers leans upwards: models with more layers have more chances. \
         Two intervals that do not overlap differ; that two overlap does not show that they are equal.",
    ));
    body
}

/// Why two runs may not be compared, if they may not.
fn unlike(a: &Run, b: &Run) -> Option<String> {
    let (one, two) = (&a.manifest, &b.manifest);
    let models = || format!("{} and {}", label(a), label(b));
    if one.corpus.sha256 != two.corpus.sha256 || one.corpus.languages != two.corpus.languages {
        return Some(format!("{} read different sentences", models()));
    }
    let capture = |run: &Run| {
        let c = &run.manifest.capture;
        (c.site.clone(), c.pooling.clone(), c.include_bos, c.skip_first)
    };
    (capture(a) != capture(b)).then(|| format!("the sentence vectors of {} are made in different ways", models()))
}

fn models(runs: &[Run]) -> Html {
    let mut table = Table::new(
        "Models",
        ["model", "family", "#parameters", "#blocks", "#width", "dtype", "device", "#tokens", "time", "largest memory"],
    );
    for run in runs {
        let m = &run.manifest;
        table.row([
            label(run).into(),
            m.model.family.as_str().into(),
            whole(m.model.parameters),
            whole(m.model.layers),
            whole(m.model.width),
            m.model.compute_dtype.as_str().into(),
            m.model.device.as_str().into(),
            whole(m.corpus.tokens),
            duration(m.seconds.total).into(),
            m.peak_memory_bytes.map_or_else(|| "–".to_owned(), megabytes).into(),
        ]);
    }
    table.html()
}

fn table(runs: &[Run], pivot: &str) -> Html {
    let cells: Vec<Cells<'_>> = runs.iter().map(|run| Cells::of(run, pivot)).collect();
    let Some(first) = cells.first() else { return Html::default() };
    let columns =
        ["language".to_owned(), "code".to_owned()].into_iter().chain(runs.iter().map(|run| format!("#{}", label(run))));
    let caption = format!(
        "MEXA with {} at the best layer of each model and language{}",
        spoken(pivot),
        if runs.iter().all(intervals) { "; in brackets the 95 % interval, then the layer" } else { ", then the layer" }
    );
    let mut table = Table::new(caption, columns);
    let mut sums = vec![(0.0, 0); runs.len()];
    for code in first.languages() {
        let mut row = vec![language(code).into(), code.into()];
        for ((run, cells), sum) in runs.iter().zip(&cells).zip(&mut sums) {
            row.push(match cells.best(code, cells.centring()) {
                Some(best) => {
                    *sum = (sum.0 + best.mexa.value, sum.1 + 1);
                    share(best.mexa.value, 3, format!("{} L{}", interval(run, best), best.layer).trim())
                }
                None => number(f64::NAN, 3),
            });
        }
        table.row(row);
    }
    let mut out = plain("h3", format!("With {}", spoken(pivot)));
    out.push(table.html());
    let means =
        runs.iter().zip(&sums).map(|(run, (sum, n))| format!("{} {:.3} ({n} languages)", label(run), sum / *n as f64));
    out.push(plain("p", format!("Mean over languages: {}.", means.collect::<Vec<_>>().join(", "))));
    out
}
