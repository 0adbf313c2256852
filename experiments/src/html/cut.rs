//! The face for Chinese, Japanese and Korean cut down to the characters of a page: 3 MB become half of one.
//!
//! OpenType with CFF outlines: outlines of other glyphs are emptied, the character map is written anew with the page's characters only (so that a
//! browser asks another face for any other), and tables for vertical text and substitutions are left out. Glyph numbers stay, so kerning does.

use std::collections::BTreeMap;

/// Tables that horizontal text needs; `cmap` and `CFF ` are made anew.
const KEPT: [&[u8; 4]; 7] = [b"GPOS", b"OS/2", b"head", b"hhea", b"hmtx", b"maxp", b"name"];
/// A glyph without outline: `endchar`.
const EMPTY: &[u8] = &[14];
/// Operators of CFF dictionaries.
const CHARSET: u16 = 15;
const CHARSTRINGS: u16 = 17;
const PRIVATE: u16 = 18;
const FD_ARRAY: u16 = 12 << 8 | 36;
const FD_SELECT: u16 = 12 << 8 | 37;

/// The face with these characters; `None` where it is built in a way that is not known here.
pub(super) fn cut(font: &[u8], characters: impl IntoIterator<Item = char>) -> Option<Vec<u8>> {
    let tables = tables(font)?;
    let glyphs = nominal(tables.get(b"cmap")?)?;
    let chosen: BTreeMap<u32, u32> =
        characters.into_iter().filter_map(|c| Some((u32::from(c), *glyphs.get(&u32::from(c))?))).collect();
    let mut made: BTreeMap<[u8; 4], Vec<u8>> = BTreeMap::new();
    for tag in KEPT {
        made.insert(*tag, tables.get(tag)?.to_vec());
    }
    // Version 3: no names of glyphs.
    made.insert(*b"post", tables.get(b"post")?.get(..32)?.to_vec());
    made.insert(*b"cmap", character_map(&chosen));
    let mut keep: Vec<u32> = chosen.values().copied().chain([0]).collect();
    keep.sort_unstable();
    made.insert(*b"CFF ", outlines(tables.get(b"CFF ")?, &keep)?);
    Some(assemble(&made))
}

/// A big-endian number of one to four bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    Some(bytes.get(at..at.checked_add(size)?)?.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)))
}

fn tables(font: &[u8]) -> Option<BTreeMap<[u8; 4], &[u8]>> {
    let record = |at: usize| {
        let (tag, from) = (font.get(at..at + 4)?.try_into().ok()?, number(font, at + 8, 4)?);
        Some((tag, font.get(from..from.checked_add(number(font, at + 12, 4)?)?)?))
    };
    (0..number(font, 4, 2)?).map(|nth| record(12 + 16 * nth)).collect()
}

/// Glyphs of characters, from the map of format 12, which has all of them.
fn nominal(cmap: &[u8]) -> Option<BTreeMap<u32, u32>> {
    let places = (0..number(cmap, 2, 2)?).filter_map(|nth| number(cmap, 8 + 8 * nth, 4));
    let map = places.into_iter().find(|at| number(cmap, *at, 2) == Some(12))?;
    let mut glyphs = BTreeMap::new();
    for nth in 0..number(cmap, map + 12, 4)? {
        let field = |which: usize| u32::try_from(number(cmap, map + 16 + 12 * nth + 4 * which, 4)?).ok();
        let (first, last, glyph) = (field(0)?, field(1)?, field(2)?);
        glyphs.extend((first..=last).map(|c| (c, glyph + (c - first))));
    }
    Some(glyphs)
}

fn character_map(chosen: &BTreeMap<u32, u32>) -> Vec<u8> {
    let short = |n: u16| n.to_be_bytes().to_vec();
    let groups = chosen.len() as u32;
    // One map for Windows' whole Unicode, of format 12 in its first byte on; one group a character.
    let mut out = [short(0), short(1), short(3), short(10), 12u32.to_be_bytes().to_vec(), short(12), short(0)].concat();
    for field in [16 + 12 * groups, 0, groups] {
        out.extend(field.to_be_bytes());
    }
    for (c, glyph) in chosen {
        for field in [*c, *c, *glyph] {
            out.extend(field.to_be_bytes());
        }
    }
    out
}

/// Ranges of the entries of a CFF INDEX, and where it ends.
fn index(cff: &[u8], at: usize) -> Option<(Vec<(usize, usize)>, usize)> {
    let count = number(cff, at, 2)?;
    if count == 0 {
        return Some((Vec::new(), at + 2));
    }
    let size = number(cff, at + 2, 1)?;
    let base = at + 2 + (count + 1) * size;
    let ends =
        (0..=count).map(|nth| Some(base + number(cff, at + 3 + nth * size, size)?)).collect::<Option<Vec<_>>>()?;
    let last = *ends.last().filter(|last| **last <= cff.len())?;
    Some((ends.windows(2).map(|w| (w[0], w[1])).collect(), last))
}

/// The last operand of each operator of a dictionary: its value, and where it stands if it is written in five bytes.
fn dictionary(cff: &[u8], (mut at, end): (usize, usize)) -> Option<BTreeMap<u16, (usize, Option<usize>)>> {
    let (mut found, mut last) = (BTreeMap::new(), (0, None));
    while at < end {
        let byte = number(cff, at, 1)?;
        let used = match byte {
            12 => {
                found.insert(12 << 8 | u16::try_from(number(cff, at + 1, 1)?).ok()?, last);
                2
            }
            0..=21 => {
                found.insert(u16::try_from(byte).ok()?, last);
                1
            }
            28 => {
                last = (number(cff, at + 1, 2)?, None);
                3
            }
            29 => {
                last = (number(cff, at + 1, 4)?, Some(at + 1));
                5
            }
            30 => {
                let length = cff.get(at + 1..end)?.iter().position(|b| b & 15 == 15 || b >> 4 == 15)?;
                length + 2
            }
            32..=246 => {
                last = (byte.saturating_sub(139), None);
                1
            }
            247..=254 => {
                last = (0, None);
                2
            }
            _ => return None,
        };
        at += used;
    }
    Some(found)
}

/// The CFF table with every outline but those of `keep` (ascending) emptied, and whatever lies behind them moved up.
fn outlines(cff: &[u8], keep: &[u32]) -> Option<Vec<u8>> {
    let (_, top) = index(cff, number(cff, 2, 1)?)?;
    let (dictionaries, _) = index(cff, top)?;
    let top = dictionary(cff, *dictionaries.first()?)?;
    let start = top.get(&CHARSTRINGS)?.0;
    let (glyphs, end) = index(cff, start)?;
    let kept = |glyph: usize| u32::try_from(glyph).is_ok_and(|g| keep.binary_search(&g).is_ok());
    let outlines: Vec<&[u8]> = (glyphs.iter().enumerate())
        .map(|(glyph, &(from, to))| if kept(glyph) { cff.get(from..to) } else { Some(EMPTY) })
        .collect::<Option<_>>()?;
    let mut made = [u16::try_from(outlines.len()).ok()?.to_be_bytes().as_slice(), &[4]].concat();
    let mut offset = 1u32;
    made.extend(offset.to_be_bytes());
    for outline in &outlines {
        offset += u32::try_from(outline.len()).ok()?;
        made.extend(offset.to_be_bytes());
    }
    made.extend(outlines.concat());
    let moved = |place: usize| if place > start { (place + made.len()).checked_sub(end - start) } else { Some(place) };

    // Places are written anew where they stand, before the outlines are taken out.
    let mut out = cff.to_vec();
    let mut patch = |(value, at): (usize, Option<usize>)| {
        let new = moved(value)?;
        if new == value {
            return Some(());
        }
        let bytes = u32::try_from(new).ok()?.to_be_bytes();
        out.get_mut(at?..)?.get_mut(..4)?.copy_from_slice(&bytes);
        Some(())
    };
    for operator in [CHARSET, FD_ARRAY, FD_SELECT] {
        if let Some(place) = top.get(&operator) {
            patch(*place)?;
        }
    }
    let private = match top.get(&FD_ARRAY) {
        Some((fonts, _)) => index(cff, *fonts)?.0,
        None => vec![*dictionaries.first()?],
    };
    for font in private {
        if let Some(place) = dictionary(cff, font)?.get(&PRIVATE) {
            patch(*place)?;
        }
    }
    Some([out.get(..start)?, &made, out.get(end..)?].concat())
}

/// The file: a directory of the tables in the order of their names, and the tables on multiples of four bytes.
fn assemble(tables: &BTreeMap<[u8; 4], Vec<u8>>) -> Vec<u8> {
    let count = tables.len() as u16;
    let power = 15 - count.leading_zeros() as u16;
    let mut out = b"OTTO".to_vec();
    for field in [count, 16 << power, power, 16 * count - (16 << power)] {
        out.extend(field.to_be_bytes());
    }
    let mut place = 12 + 16 * tables.len();
    let padded = |length: usize| length.next_multiple_of(4);
    for (tag, table) in tables {
        let words = table
            .chunks(4)
            .map(|word| word.iter().enumerate().fold(0u32, |sum, (at, byte)| sum | u32::from(*byte) << (24 - 8 * at)));
        out.extend(tag);
        for field in [words.fold(0, u32::wrapping_add), place as u32, table.len() as u32] {
            out.extend(field.to_be_bytes());
        }
        place += padded(table.len());
    }
    for table in tables.values() {
        out.extend(table);
        out.resize(padded(out.len()), 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use resvg::{
        tiny_skia::{Color, Pixmap, Transform},
        usvg::{Options, Tree, fontdb},
    };

    use super::*;
    use crate::fonts;

    fn drawn(face: &[u8], words: &str) -> Pixmap {
        let mut database = fontdb::Database::new();
        database.load_font_data(face.to_vec());
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="600" height="60"><text x="5" y="40" font-size="30" font-family="Noto Sans CJK SC">{words}</text></svg>"#
        );
        let tree = Tree::from_str(&svg, &Options { fontdb: Arc::new(database), ..Options::default() }).unwrap();
        let mut picture = Pixmap::new(600, 60).unwrap();
        picture.fill(Color::WHITE);
        resvg::render(&tree, Transform::identity(), &mut picture.as_mut());
        picture
    }

    #[test]
    fn characters_that_are_kept_are_drawn_as_before_and_others_are_not_there() {
        let whole = fonts::of_script("Hani").unwrap().bytes;
        let words = "志强有四只黑色的兔子。ネコがいます";
        let small = cut(whole, words.chars()).unwrap();
        assert!(small.len() < whole.len() / 3, "{} of {}", small.len(), whole.len());
        let picture = drawn(&small, words);
        assert!(picture.pixels().iter().filter(|p| p.red() < 128).count() > 500, "something is drawn");
        assert!(picture == drawn(whole, words), "not one pixel differs");
        let glyphs = nominal(tables(&small).unwrap()[b"cmap"]).unwrap();
        assert!(glyphs.contains_key(&u32::from('兔')) && !glyphs.contains_key(&u32::from('猫')));
    }

    #[test]
    fn a_file_that_is_no_such_face_is_left_alone() {
        let whole = fonts::of_script("Hani").unwrap().bytes;
        for bytes in [&b""[..], b"OTTO", &whole[..200_000], fonts::of_script("Arab").unwrap().bytes] {
            assert!(cut(bytes, "a".chars()).is_none());
        }
    }
}
