//! The lens as four tables (tokens, cells, candidates, masses), and the reports back.

use std::path::{Path, PathBuf};

use anyhow::Result;
use babelscope_core::tokens::Piece;
use babelscope_probes::lens::{Candidate, LensCell, LensReport};

use super::{Table, f32s, optional_strings, small, strings, u32s, u64s};
use crate::manifest::LensInfo;

/// The files of the lens below `tables/`.
pub const FILES: [&str; 4] = ["lens_tokens.parquet", "lens_cells.parquet", "lens_top.parquet", "lens_mass.parquet"];

fn piece_kind(piece: &Piece) -> &'static str {
    match piece {
        Piece::Text(_) => "text",
        Piece::Word(_) => "word",
        Piece::Blank(_) => "blank",
        Piece::Special(_) => "special",
        Piece::Bytes(_) => "bytes",
        Piece::Marks(_) => "marks",
    }
}

/// The text of a piece; bytes as hex: `e2 80`.
fn piece_text(piece: &Piece) -> String {
    match piece {
        Piece::Text(t) | Piece::Word(t) | Piece::Blank(t) | Piece::Special(t) | Piece::Marks(t) => t.clone(),
        Piece::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
    }
}

fn piece_from(kind: &str, text: String) -> Option<Piece> {
    Some(match kind {
        "text" => Piece::Text(text),
        "word" => Piece::Word(text),
        "blank" => Piece::Blank(text),
        "special" => Piece::Special(text),
        "marks" => Piece::Marks(text),
        "bytes" => Piece::Bytes(
            text.split(' ').filter(|h| !h.is_empty()).map(|h| u8::from_str_radix(h, 16).ok()).collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

/// The code of the only language that holds a token.
fn language(report: Option<&LensReport>, candidate: &Candidate) -> Option<String> {
    report?.languages.get(usize::from(candidate.language?)).cloned()
}

/// Where a row belongs.
type Place = (u32, u32, u32);

fn cells(reports: &[LensReport]) -> impl Iterator<Item = (Place, &LensReport, &LensCell)> {
    reports.iter().enumerate().flat_map(|(text, report)| {
        report.layers.iter().zip(&report.cells).flat_map(move |(layer, row)| {
            row.iter()
                .enumerate()
                .map(move |(position, cell)| ((small(text), small(*layer), small(position)), report, cell))
        })
    })
}

/// Writes the four tables into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, reports: &[LensReport]) -> Result<()> {
    let [tokens_file, cells_file, top_file, mass_file] = FILES;
    let tokens: Vec<_> = reports
        .iter()
        .enumerate()
        .flat_map(|(text, r)| {
            r.tokens.iter().zip(&r.spans).enumerate().map(move |(at, (token, span))| (text, at, token, span))
        })
        .collect();
    super::write(
        &folder.join(tokens_file),
        vec![
            ("text", u32s(tokens.iter().map(|t| small(t.0)))),
            ("position", u32s(tokens.iter().map(|t| small(t.1)))),
            ("id", u32s(tokens.iter().map(|t| t.2.id))),
            ("piece_kind", strings(tokens.iter().map(|t| piece_kind(&t.2.piece)))),
            ("piece", strings(tokens.iter().map(|t| piece_text(&t.2.piece)))),
            ("probability", f32s(tokens.iter().map(|t| t.2.probability))),
            ("language", optional_strings(tokens.iter().map(|t| language(reports.get(t.0), t.2)))),
            ("start", u64s(tokens.iter().map(|t| t.3.0 as u64))),
            ("end", u64s(tokens.iter().map(|t| t.3.1 as u64))),
        ],
    )?;
    let rows: Vec<_> = cells(reports).collect();
    super::write(
        &folder.join(cells_file),
        vec![
            ("text", u32s(rows.iter().map(|r| r.0.0))),
            ("layer", u32s(rows.iter().map(|r| r.0.1))),
            ("position", u32s(rows.iter().map(|r| r.0.2))),
            ("entropy", f32s(rows.iter().map(|r| r.2.entropy))),
            ("rank_of_final", u32s(rows.iter().map(|r| r.2.rank_of_final))),
            ("probability_of_final", f32s(rows.iter().map(|r| r.2.probability_of_final))),
            ("kl_from_final", f32s(rows.iter().map(|r| r.2.kl_from_final))),
        ],
    )?;
    let top: Vec<_> = rows
        .iter()
        .flat_map(|(place, report, cell)| cell.top.iter().enumerate().map(move |(k, c)| (place, k + 1, c, *report)))
        .collect();
    super::write(
        &folder.join(top_file),
        vec![
            ("text", u32s(top.iter().map(|r| r.0.0))),
            ("layer", u32s(top.iter().map(|r| r.0.1))),
            ("position", u32s(top.iter().map(|r| r.0.2))),
            ("rank", u32s(top.iter().map(|r| small(r.1)))),
            ("id", u32s(top.iter().map(|r| r.2.id))),
            ("piece_kind", strings(top.iter().map(|r| piece_kind(&r.2.piece)))),
            ("piece", strings(top.iter().map(|r| piece_text(&r.2.piece)))),
            ("probability", f32s(top.iter().map(|r| r.2.probability))),
            ("language", optional_strings(top.iter().map(|r| language(Some(r.3), r.2)))),
        ],
    )?;
    let mass: Vec<_> = rows
        .iter()
        .flat_map(|(p, report, cell)| {
            let languages = report.languages.iter().zip(&cell.language_mass).map(move |(c, m)| (p, "language", c, *m));
            languages.chain(report.scripts.iter().zip(&cell.script_mass).map(move |(c, m)| (p, "script", c, *m)))
        })
        .collect();
    super::write(
        &folder.join(mass_file),
        vec![
            ("text", u32s(mass.iter().map(|r| r.0.0))),
            ("layer", u32s(mass.iter().map(|r| r.0.1))),
            ("position", u32s(mass.iter().map(|r| r.0.2))),
            ("set", strings(mass.iter().map(|r| r.1))),
            ("code", strings(mass.iter().map(|r| r.2))),
            ("mass", f32s(mass.iter().map(|r| r.3))),
        ],
    )
}

/// Rows of a table, consumed while their place is the one asked for.
struct Rows<T> {
    table: Table,
    rows: std::iter::Peekable<std::vec::IntoIter<(Place, T)>>,
}

impl<T> Rows<T> {
    fn new(table: Table, values: Vec<T>) -> Result<Self> {
        let places = table.u32s("text")?.into_iter().zip(table.u32s("layer")?).zip(table.u32s("position")?);
        let rows = places.map(|((t, l), p)| (t, l, p)).zip(values).collect::<Vec<_>>();
        Ok(Self { table, rows: rows.into_iter().peekable() })
    }

    fn take(&mut self, place: Place) -> Vec<T> {
        std::iter::from_fn(|| self.rows.next_if(|(p, _)| *p == place).map(|(_, v)| v)).collect()
    }

    fn finish(mut self) -> Result<()> {
        self.rows.next().map_or(Ok(()), |((text, layer, position), _)| {
            Err(self.table.wrong(0, &format!("the manifest has no text {text}, layer {layer}, position {position}")))
        })
    }
}

fn candidates(table: &Table, infos: &[LensInfo]) -> Result<Vec<Candidate>> {
    let places = table.u32s("text")?.into_iter().zip(table.optional_strings("language")?);
    let pieces = table.strings("piece_kind")?.into_iter().zip(table.strings("piece")?);
    let rest = table.u32s("id")?.into_iter().zip(table.f32s("probability")?);
    rest.zip(pieces)
        .zip(places)
        .enumerate()
        .map(|(row, (((id, probability), (kind, piece)), (text, code)))| {
            let piece =
                piece_from(&kind, piece).ok_or_else(|| table.wrong(row, &format!("no piece of kind {kind:?}")))?;
            let language = code
                .map(|code| {
                    let languages = infos.get(text as usize).map(|i| i.languages.as_slice()).unwrap_or_default();
                    let at = languages.iter().position(|l| *l == code).and_then(|at| u16::try_from(at).ok());
                    at.ok_or_else(|| table.wrong(row, &format!("the manifest has no token set of {code}")))
                })
                .transpose()?;
            Ok(Candidate { id, piece, probability, language })
        })
        .collect()
}

/// Reads the four tables back, one report for each entry of the manifest.
///
/// # Errors
/// A table is missing, damaged, or contradicts another.
pub fn read(folder: &Path, infos: &[LensInfo]) -> Result<Vec<LensReport>> {
    read_named(|name| folder.join(name), infos)
}

/// [`read`] of tables that lie elsewhere: `place` says where the file of a name is.
pub(crate) fn read_named(place: impl Fn(&str) -> PathBuf, infos: &[LensInfo]) -> Result<Vec<LensReport>> {
    let [tokens_file, cells_file, top_file, mass_file] = FILES;
    let tokens = Table::read(&place(tokens_file))?;
    let spans = tokens.u64s("start")?.into_iter().zip(tokens.u64s("end")?).map(|(a, b)| (a as usize, b as usize));
    let mut inputs: Vec<(Vec<_>, Vec<_>)> = infos.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for (row, ((text, token), span)) in
        tokens.u32s("text")?.into_iter().zip(candidates(&tokens, infos)?).zip(spans).enumerate()
    {
        let input = inputs.get_mut(text as usize).ok_or_else(|| tokens.wrong(row, "the manifest has no such text"))?;
        input.0.push(token);
        input.1.push(span);
    }

    let cells = Table::read(&place(cells_file))?;
    let numbers = cells.f32s("entropy")?.into_iter().zip(cells.u32s("rank_of_final")?);
    let numbers = numbers.zip(cells.f32s("probability_of_final")?).zip(cells.f32s("kl_from_final")?).collect();
    let mut cells = Rows::new(cells, numbers)?;
    let top = Table::read(&place(top_file))?;
    let values = candidates(&top, infos)?;
    let mut top = Rows::new(top, values)?;
    let mass = Table::read(&place(mass_file))?;
    let values = mass.f32s("mass")?;
    let mut mass = Rows::new(mass, values)?;

    let mut reports = Vec::with_capacity(infos.len());
    for (text, (info, (tokens, spans))) in infos.iter().zip(inputs).enumerate() {
        let mut grid = Vec::with_capacity(info.layers.len());
        for layer in &info.layers {
            let mut row = Vec::with_capacity(tokens.len());
            for position in 0..tokens.len() {
                let place = (small(text), small(*layer), small(position));
                let numbers = cells.take(place);
                let mut masses = mass.take(place);
                let [(((entropy, rank_of_final), probability_of_final), kl_from_final)] = numbers.as_slice() else {
                    return Err(cells
                        .table
                        .wrong(0, &format!("expected one row for text {text}, layer {layer}, position {position}")));
                };
                if masses.len() != info.languages.len() + info.scripts.len() {
                    return Err(mass.table.wrong(0, &format!("expected a mass of each language and script at text {text}, layer {layer}, position {position}")));
                }
                let script_mass = masses.split_off(info.languages.len());
                row.push(LensCell {
                    top: top.take(place),
                    entropy: *entropy,
                    rank_of_final: *rank_of_final,
                    probability_of_final: *probability_of_final,
                    kl_from_final: *kl_from_final,
                    language_mass: masses,
                    script_mass,
                });
            }
            grid.push(row);
        }
        reports.push(LensReport {
            text: info.text.clone(),
            tokens,
            spans,
            layers: info.layers.clone(),
            cells: grid,
            languages: info.languages.clone(),
            language_rule: info.language_rule.clone(),
            scripts: info.scripts.clone(),
        });
    }
    cells.finish()?;
    top.finish()?;
    mass.finish()?;
    Ok(reports)
}
