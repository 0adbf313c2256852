//! The logit lens on a page: the grid as a picture, the layers as numbers.

use babelscope_core::tokens::Piece;
use babelscope_probes::lens::{LensCell, LensReport};

use super::{
    Figures,
    markup::{Html, element, plain, spoken, text, unknown},
    table::{Table, number, share, whole},
};
use crate::run::Run;

/// Texts that are shown.
const TEXTS: usize = 12;
/// Languages with a column of their own.
const LANGUAGES: usize = 6;

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    if run.lens.is_empty() {
        return Html::default();
    }
    let mut body = element("h2", &[("id", id)], text("Logit lens"));
    let what = "What the model would say next if it had to answer after each layer: its own final norm and unembedding, applied to the states of that layer. \
                Early layers are read through an unembedding that was made for the last one.";
    body.push(plain("p", what));
    for (at, report) in run.lens.iter().enumerate().take(TEXTS) {
        body.push(element(
            "h3",
            &[],
            [text(format!("Text {}: ", at + 1)), unknown(&report.text)].into_iter().collect(),
        ));
        let alt = format!(
            "Grid of {} layers and {} tokens with the most probable next token in each cell",
            report.layers.len(),
            report.tokens.len()
        );
        let probability =
            figures.picture(&format!("lens-{}", at + 1), &alt, "Colour: probability of the token that is shown.");
        let what = "Colour: the one language whose token set holds the token that is shown.";
        let language = figures.picture(&format!("lens-{}-languages", at + 1), &alt, what);
        body.push(element("div", &[("class", "pair")], [probability, language].into_iter().collect()));
        body.push(by_layer(report));
        body.push(last(report));
    }
    if run.lens.len() > TEXTS {
        body.push(plain("p", format!("{} more texts are in tables/lens_*.parquet.", run.lens.len() - TEXTS)));
    }
    body
}

fn mean(row: &[LensCell], of: impl Fn(&LensCell) -> f32) -> f64 {
    row.iter().map(|cell| f64::from(of(cell))).sum::<f64>() / row.len() as f64
}

/// Means over the tokens of the text, and the languages whose sets get the most.
fn by_layer(report: &LensReport) -> Html {
    let mass = |row: &[LensCell], at: usize| mean(row, |cell| cell.language_mass.get(at).copied().unwrap_or(f32::NAN));
    let mut languages: Vec<(f64, usize)> = (0..report.languages.len())
        .map(|at| (report.cells.iter().map(|row| mass(row, at)).fold(0.0, f64::max), at))
        .collect();
    languages.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let left_out = languages.len().saturating_sub(LANGUAGES);
    languages.truncate(LANGUAGES);
    let name = |at: usize| report.languages.get(at).map_or("", String::as_str);
    let columns =
        ["#layer", "#entropy (nats)", "#KL from final (nats)", "#P(final token)"].into_iter().map(str::to_owned);
    let columns = columns.chain(languages.iter().map(|(_, at)| format!("#{}", name(*at))));
    let mut caption = "Means over the tokens of the text".to_owned();
    if !languages.is_empty() {
        caption.push_str(&format!(
            "; then the probability mass of the tokens of each language ({})",
            report.language_rule
        ));
        if left_out > 0 {
            caption.push_str(&format!("; {left_out} languages with less mass are not shown"));
        }
        let names: Vec<String> = languages.iter().map(|(_, at)| spoken(name(*at))).collect();
        caption.push_str(&format!(". {}.", names.join(", ")));
    }
    let mut table = Table::new(caption, columns);
    for (layer, row) in report.layers.iter().zip(&report.cells) {
        let numbers = [whole(*layer), number(mean(row, |c| c.entropy), 2), number(mean(row, |c| c.kl_from_final), 2)];
        let shares = std::iter::once(share(mean(row, |c| c.probability_of_final), 3, ""));
        table
            .row(numbers.into_iter().chain(shares).chain(languages.iter().map(|(_, at)| share(mass(row, *at), 3, ""))));
    }
    table.html()
}

/// The candidates after the last token.
fn last(report: &LensReport) -> Html {
    let mut table = Table::new(
        "After the last token of the text: the most probable next tokens at each layer",
        [
            "#layer",
            "tokens and their probabilities",
            "#entropy (nats)",
            "#rank of the final token",
            "#KL from final (nats)",
        ],
    );
    for (layer, row) in report.layers.iter().zip(&report.cells) {
        let Some(cell) = row.last() else { continue };
        let mut tokens = Html::default();
        for (at, candidate) in cell.top.iter().take(5).enumerate() {
            if at > 0 {
                tokens.push(text(", "));
            }
            tokens.push(piece(&candidate.piece));
            tokens.push(text(" "));
            tokens.push(plain("small", format!("{:.3}", candidate.probability)));
        }
        table.row([
            whole(*layer),
            tokens.into(),
            number(f64::from(cell.entropy), 2),
            whole(cell.rank_of_final as usize),
            number(f64::from(cell.kl_from_final), 2),
        ]);
    }
    table.html()
}

/// A token as the figures show it: `·` before a word, hexadecimal for bytes, `◌` under marks that stand alone.
pub(super) fn piece(piece: &Piece) -> Html {
    let whole = |words: String| unknown(&words);
    match piece {
        Piece::Text(t) => whole(t.clone()),
        Piece::Word(t) => whole(format!("·{t}")),
        Piece::Marks(t) => whole(format!("◌{t}")),
        Piece::Special(t) => plain("code", t),
        Piece::Bytes(bytes) => plain("code", bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")),
        Piece::Blank(t) => text(
            t.chars()
                .map(|c| {
                    if c == '\n' {
                        '⏎'
                    } else if c == '\t' {
                        '⇥'
                    } else {
                        '␣'
                    }
                })
                .collect::<String>(),
        ),
    }
}
