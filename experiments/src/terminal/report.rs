//! A run as text: the alignment table, the lens grid, and where everything lies.

use std::collections::BTreeMap;

use babelscope::run::Run;
use babelscope_core::{lang, tokens::Piece};
use babelscope_probes::{
    align::{AlignCell, AlignReport, Centring},
    lens::LensReport,
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    acts, columns, measures, print,
    table::{Table, fit},
};

/// Languages of a table on the terminal; of more, both ends are shown.
const MOST: usize = 100;

/// Shows everything that a run says in short.
pub(crate) fn run(run: &Run) {
    if let Some(report) = &run.align {
        alignment(run, report);
    }
    if let Some(first) = run.lens.first() {
        lens(first);
        match run.lens.len() - 1 {
            0 => (),
            1 => print("Another text is in the run folder.\n"),
            more => print(&format!("{more} more texts are in the run folder.\n")),
        }
    }
    measures::run(run);
    acts::run(run);
    for note in &run.manifest.notes {
        print(&format!("note: {note}"));
    }
    let folder = run.folder.display().to_string();
    let quoted = if folder.contains(' ') { format!("'{folder}'") } else { folder };
    let memory =
        run.manifest.peak_memory_bytes.map_or_else(String::new, |b| format!(", {:.0} MB at most", b as f64 / 1e6));
    print(&format!("Run folder   {quoted}   ({:.1} s{memory})", run.manifest.seconds.total));
    print(&format!("In a window  cargo run --release --bin babelscope-gui -- {quoted}"));
}

pub(super) fn language(code: &str) -> String {
    lang::find(code).map_or_else(|| code.to_owned(), |l| format!("{code} {}", l.name))
}

fn alignment(run: &Run, report: &AlignReport) {
    let layers = &run.manifest.capture.layers;
    let n = run.manifest.corpus.lines;
    let intervals = report.cells.iter().any(|c| c.mexa.low < c.mexa.high);
    let mut pivots: Vec<&str> = report.cells.iter().map(|c| c.pivot.as_str()).collect();
    pivots.dedup();
    // With every pair asked for, a table of each pivot would fill pages: the rest is in the folder.
    let shown_pivots = if pivots.len() > 3 { 1 } else { pivots.len() };
    for pivot in pivots.iter().take(shown_pivots) {
        let mut cells: BTreeMap<&str, Vec<&AlignCell>> = BTreeMap::new();
        for cell in report.cells.iter().filter(|c| c.pivot == *pivot) {
            cells.entry(&cell.language).or_default().push(cell);
        }
        let mut lines: Vec<(f64, Vec<String>)> = Vec::new();
        let shown = shown_layers(layers, columns().saturating_sub(66) / 6);
        for (code, cells) in cells {
            let centred = cells.iter().filter(|c| c.centring == Centring::Language);
            let Some(best) = centred.reduce(|best, c| if c.mexa.value > best.mexa.value { c } else { best }) else {
                continue;
            };
            let value = |layer: usize, centring: Centring| {
                cells.iter().find(|c| c.layer == layer && c.centring == centring).map(|c| c.mexa)
            };
            let mut row = vec![fit(&language(code), 30)];
            let score = |layer: &usize| {
                value(*layer, Centring::Language).map_or_else(|| "-".to_owned(), |e| format!("{:.2}", e.value))
            };
            row.extend(shown.iter().map(score));
            row.push(format!("{:.2}", best.mexa.value));
            row.push(format!("L{}", best.layer));
            if intervals {
                row.push(format!("{:.2} to {:.2}", best.mexa.low, best.mexa.high));
            }
            row.push(value(best.layer, Centring::Raw).map_or_else(|| "-".to_owned(), |e| format!("{:.2}", e.value)));
            lines.push((best.mexa.value, row));
        }
        lines.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut header = vec![format!("with {}", language(pivot))];
        header.extend(shown.iter().map(|l| format!("L{l}")));
        header.extend(["best".to_owned(), "at".to_owned()]);
        header.extend(intervals.then(|| "95 %".to_owned()));
        header.push("raw".to_owned());
        let mut table = (1..header.len()).fold(Table::new(header), Table::right);
        let (count, wide) = (lines.len(), lines.first().map_or(0, |line| line.1.len()));
        for (at, (_, row)) in lines.into_iter().enumerate() {
            // Thousands of lines are no table on a terminal: both ends are.
            if count <= MOST || at < MOST / 2 || at >= count - MOST / 2 {
                table.row(row);
            } else if at == MOST / 2 {
                table.row(std::iter::once(format!("… {} more in the run folder", count - MOST)).chain(vec![
                    String::new(
                    );
                    wide - 1
                ]));
            }
        }
        print(&format!(
            "\nAlignment: share of {n} sentences whose translation is mutually the closest (MEXA), after the mean of each \
             language is subtracted.\nChance is {:.3}. L0 is the embeddings, L1 the output of the first block; `raw` is without \
             the subtraction, at the best layer.\n",
            report.chance_mexa
        ));
        print(&table.to_string());
        print("");
    }
    if shown_pivots < pivots.len() {
        print(&format!("{} more pivots are in the run folder.\n", pivots.len() - shown_pivots));
    }
}

/// As many layers as there is room for, evenly spaced, first and last among them.
pub(super) fn shown_layers(layers: &[usize], room: usize) -> Vec<usize> {
    let room = room.max(2);
    if layers.len() <= room {
        return layers.to_vec();
    }
    let step = (layers.len() - 1) as f64 / (room - 1) as f64;
    (0..room).filter_map(|at| layers.get((at as f64 * step).round() as usize).copied()).collect()
}

fn lens(report: &LensReport) {
    const CELL: usize = 13;
    let room = (columns().saturating_sub(6) / (CELL + 2)).max(1);
    let first = report.tokens.len().saturating_sub(room);
    print(&format!("Lens: what each layer would say after each token of {:?}, with its probability.\n", report.text));
    let inputs = report.tokens.iter().skip(first).map(|t| fit(&shown(&t.piece), CELL));
    let mut table = Table::new(std::iter::once("layer".to_owned()).chain(inputs));
    for (layer, row) in report.layers.iter().zip(&report.cells).rev() {
        let cells = row.iter().skip(first).map(|cell| {
            cell.top.first().map_or_else(String::new, |top| {
                let text = fit(&shown(&top.piece), CELL - 5);
                let gap = (CELL - 4).saturating_sub(text.width());
                format!("{text}{:gap$}{:.2}", "", top.probability)
            })
        });
        table.row(std::iter::once(format!("L{layer}")).chain(cells));
    }
    print(&table.to_string());
    match first {
        0 => (),
        1 => print("The first token is in the run folder."),
        more => print(&format!("The first {more} tokens are in the run folder.")),
    }
    print("");
}

/// A token on a terminal: a word boundary as a middle dot, bytes as hex.
pub(super) fn shown(piece: &Piece) -> String {
    match piece {
        Piece::Text(t) | Piece::Special(t) => t.clone(),
        Piece::Word(t) => format!("·{t}"),
        Piece::Marks(t) => format!("◌{t}"),
        Piece::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
        Piece::Blank(t) => t
            .chars()
            .map(|c| match c {
                '\n' => '⏎',
                '\t' => '⇥',
                _ => '␣',
            })
            .collect(),
    }
}
