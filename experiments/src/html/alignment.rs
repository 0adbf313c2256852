//! Alignment on a page: the best layer of each language, the figures, every layer, and the sentences that fail.

use std::collections::BTreeMap;

use babelscope_probes::align::{AlignCell, Centring};

use super::{
    Figures,
    markup::{Html, element, foreign, language, plain, spoken},
    table::{Table, grouped, number, share, whole},
};
use crate::run::Run;

/// Pivots with tables and figures of their own on the page.
const PIVOTS: usize = 6;
/// Sentences that are shown.
const SENTENCES: usize = 12;
/// Languages of which the worst sentence is shown.
const WORST: usize = 40;

/// The cells of one pivot by language and centring, layers ascending.
pub(super) struct Cells<'a>(BTreeMap<&'a str, BTreeMap<Centring, Vec<&'a AlignCell>>>);

impl<'a> Cells<'a> {
    pub(super) fn of(run: &'a Run, pivot: &str) -> Self {
        let mut cells: BTreeMap<&str, BTreeMap<Centring, Vec<&AlignCell>>> = BTreeMap::new();
        for cell in run.align.iter().flat_map(|report| &report.cells) {
            if cell.pivot == pivot && cell.language != pivot {
                cells.entry(&cell.language).or_default().entry(cell.centring).or_default().push(cell);
            }
        }
        cells.values_mut().flat_map(BTreeMap::values_mut).for_each(|of| of.sort_by_key(|cell| cell.layer));
        Self(cells)
    }

    pub(super) fn get(&self, language: &str, centring: Centring) -> &[&'a AlignCell] {
        self.0.get(language).and_then(|of| of.get(&centring)).map_or(&[], Vec::as_slice)
    }

    /// The first layer with the largest MEXA.
    pub(super) fn best(&self, language: &str, centring: Centring) -> Option<&'a AlignCell> {
        let better =
            |best: &'a AlignCell, cell: &'a AlignCell| if cell.mexa.value > best.mexa.value { cell } else { best };
        self.get(language, centring).iter().copied().reduce(better)
    }

    /// Centred where the report has it.
    pub(super) fn centring(&self) -> Centring {
        let centred = self.0.values().any(|of| of.contains_key(&Centring::Language));
        if centred { Centring::Language } else { Centring::Raw }
    }

    /// Best first.
    pub(super) fn languages(&self) -> Vec<&'a str> {
        let centring = self.centring();
        let value = |l: &str| self.best(l, centring).map_or(f64::NEG_INFINITY, |cell| cell.mexa.value);
        let mut keyed: Vec<_> = self.0.keys().map(|l| (value(l), *l)).collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        keyed.into_iter().map(|(_, l)| l).collect()
    }
}

/// The pivots of a run, in order.
pub(super) fn pivots(run: &Run) -> Vec<&str> {
    let mut all: Vec<&str> = run.align.iter().flat_map(|r| &r.cells).map(|cell| cell.pivot.as_str()).collect();
    all.dedup();
    all
}

/// `[0.12, 0.34]`, or nothing where the bootstrap was off.
pub(super) fn interval(run: &Run, cell: &AlignCell) -> String {
    if intervals(run) { format!("[{:.3}, {:.3}]", cell.mexa.low, cell.mexa.high) } else { String::new() }
}

/// Whether the run has intervals.
pub(super) fn intervals(run: &Run) -> bool {
    run.spec.align().is_some_and(|params| params.bootstrap > 0)
}

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    let Some(report) = &run.align else { return Html::default() };
    let mut body = element("h2", &[("id", id)], super::markup::text("Alignment"));
    let n = run.manifest.corpus.lines;
    body.push(plain(
        "p",
        format!(
            "MEXA is the share of the {} sentences whose translation is mutually the closest one. Chance is {:.4} for MEXA and {:.4} for recall@1. \
             Centred: the mean of each language was subtracted first; raw: it was not. Layer 0 is the embeddings, layer k the output of block k.{}",
            grouped(n),
            report.chance_mexa,
            report.chance_recall,
            if intervals(run) { " In brackets: the 95 % bootstrap interval over sentences." } else { " No intervals were asked for." }
        ),
    ));
    let pivots = pivots(run);
    for pivot in pivots.iter().take(PIVOTS) {
        body.push(plain("h3", format!("With {}", spoken(pivot))));
        let cells = Cells::of(run, pivot);
        body.push(best(run, &cells, pivot));
        let languages = cells.languages();
        let alt = alt(&cells, &languages, pivot);
        body.push(figures.picture(
            &format!("alignment-{pivot}"),
            &alt,
            "MEXA of each language at each layer; the numbers are in the tables.",
        ));
        body.push(figures.picture(
            &format!("curves-{pivot}"),
            &alt,
            "The same over layers, with intervals and the line of chance.",
        ));
        let layers =
            [Centring::Language, Centring::Raw].into_iter().map(|c| layers(run, &cells, &languages, c)).collect();
        body.push(element("details", &[], [plain("summary", "Numbers of every layer"), layers].into_iter().collect()));
        body.push(sentences(run, &cells, pivot));
    }
    if pivots.len() > PIVOTS {
        body.push(plain(
            "p",
            format!(
                "{} more pivots are in tables/results.parquet; `babelscope-gui` shows each.",
                pivots.len() - PIVOTS
            ),
        ));
    }
    body
}

fn alt(cells: &Cells<'_>, languages: &[&str], pivot: &str) -> String {
    let says = |language: &&str| {
        let best = cells.best(language, cells.centring())?;
        Some(format!("{} {:.2} at layer {}", spoken(language), best.mexa.value, best.layer))
    };
    let ends = [languages.first(), languages.last().filter(|_| languages.len() > 1)];
    let ends: Vec<String> = ends.into_iter().flatten().filter_map(says).collect();
    format!("MEXA of {} languages with {}; best and lowest: {}", languages.len(), spoken(pivot), ends.join(", "))
}

fn best(run: &Run, cells: &Cells<'_>, pivot: &str) -> Html {
    let centring = cells.centring();
    let word = if centring == Centring::Language { "centred" } else { "raw" };
    let mut columns =
        vec!["language".to_owned(), "code".to_owned(), "#best layer".to_owned(), format!("#MEXA, {word}")];
    columns.extend(
        ["#recall from pivot", "#recall to pivot", "#mean over layers", "#cosine gap", "#raw, same layer"]
            .map(str::to_owned),
    );
    let caption = format!(
        "The layer at which each language is closest to {}, best first; the largest of several noisy values leans upwards.",
        spoken(pivot)
    );
    let mut table = Table::new(caption, columns);
    for code in cells.languages() {
        let Some(best) = cells.best(code, centring) else { continue };
        let all = cells.get(code, centring);
        let mean = all.iter().map(|cell| cell.mexa.value).sum::<f64>() / all.len() as f64;
        let raw = cells.get(code, Centring::Raw).iter().find(|cell| cell.layer == best.layer);
        table.row([
            language(code).into(),
            code.into(),
            whole(best.layer),
            share(best.mexa.value, 3, &interval(run, best)),
            number(best.recall_from_pivot.value, 3),
            number(best.recall_to_pivot.value, 3),
            number(mean, 3),
            number(best.cosine_gap, 3),
            number(raw.map_or(f64::NAN, |cell| cell.mexa.value), 3),
        ]);
    }
    table.html()
}

/// Every layer as a number on its colour.
fn layers(run: &Run, cells: &Cells<'_>, languages: &[&str], centring: Centring) -> Html {
    let word = if centring == Centring::Language { "centred" } else { "raw" };
    let layers = &run.manifest.capture.layers;
    let columns = std::iter::once("language".to_owned()).chain(layers.iter().map(|l| format!("#{l}")));
    let mut table = Table::new(format!("MEXA by layer, {word}"), columns).heat();
    for code in languages {
        let of = cells.get(code, centring);
        if of.is_empty() {
            continue;
        }
        let value =
            |layer: &usize| of.iter().find(|cell| cell.layer == *layer).map_or(f64::NAN, |cell| cell.mexa.value);
        table.row(std::iter::once(spoken(code).into()).chain(layers.iter().map(|layer| share(value(layer), 2, ""))));
    }
    if table.is_empty() { Html::default() } else { table.html() }
}

/// How clearly the true pair won, below zero where it lost: its cosine minus the larger of the two rivals'.
fn margin(outcome: &babelscope_probes::align::Outcome) -> f32 {
    outcome.cosine - outcome.rival_cosine.max(outcome.rival_back_cosine)
}

fn sentences(run: &Run, cells: &Cells<'_>, pivot: &str) -> Html {
    let said = |code: &str, line: usize| {
        let at = run.corpus.languages.iter().position(|l| l == code);
        at.and_then(|at| run.corpus.sentences.get(at)?.get(line))
            .map_or_else(Html::default, |words| foreign(code, words))
    };
    let best: Vec<&AlignCell> = cells
        .languages()
        .into_iter()
        .filter_map(|l| cells.best(l, cells.centring()))
        .filter(|cell| !cell.outcomes.is_empty())
        .collect();
    if best.is_empty() {
        return Html::default();
    }
    let lines = run.manifest.corpus.lines;
    let mut failed: Vec<(usize, f64, usize)> = (0..lines).map(|line| (0, 0.0, line)).collect();
    for outcomes in best.iter().map(|cell| &cell.outcomes) {
        for (of, outcome) in failed.iter_mut().zip(outcomes) {
            of.0 += usize::from(!outcome.hit());
            of.1 += f64::from(margin(outcome));
        }
    }
    failed.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut often = Table::new(
        "Sentences that fail in most languages, each language at its best layer; lines count from 0",
        ["sentence of the pivot", "#line", "#languages that fail", "#mean margin"],
    );
    for &(count, margins, line) in failed.iter().take(SENTENCES).filter(|f| f.0 > 0) {
        often.row([said(pivot, line).into(), whole(line), whole(count), number(margins / best.len() as f64, 3)]);
    }
    let mut worst = Table::new(
        "The sentence that loses most clearly in each language, lowest language first: whose cosine with its translation lies furthest below the closest wrong one's",
        [
            "language",
            "#line",
            "pivot's sentence",
            "its translation",
            "closest wrong sentence",
            "#cosine",
            "#wrong",
            "#margin",
        ],
    );
    for cell in best.iter().rev().take(WORST) {
        let lowest = cell.outcomes.iter().enumerate().min_by(|a, b| margin(a.1).total_cmp(&margin(b.1)));
        let Some((line, outcome)) = lowest.filter(|(_, outcome)| !outcome.hit()) else { continue };
        let (rival, cosine) = if outcome.rival_cosine >= outcome.rival_back_cosine {
            (said(&cell.language, outcome.rival as usize), outcome.rival_cosine)
        } else {
            (said(pivot, outcome.rival_back as usize), outcome.rival_back_cosine)
        };
        worst.row([
            language(&cell.language).into(),
            whole(line),
            said(pivot, line).into(),
            said(&cell.language, line).into(),
            rival.into(),
            number(f64::from(outcome.cosine), 3),
            number(f64::from(cosine), 3),
            number(f64::from(margin(outcome)), 3),
        ]);
    }
    if often.is_empty() {
        return plain("p", "At its best layer every language finds every sentence: none fails.");
    }
    [plain("h4", "Where it fails"), often.html(), worst.html()].into_iter().collect()
}
