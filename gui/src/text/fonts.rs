//! The bundled fonts for egui and for parley: one family per script.
//!
//! The fallback of egui is chosen per grapheme, and the space comes from the first font of a family. A family that begins with
//! the script's own face therefore keeps words, spaces and marks in one run and on one baseline.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use babelscope::fonts::{FACES, of_script};
use egui::{FontData, FontDefinitions, FontFamily, FontId};
use skrifa::{FontRef, MetadataProvider as _};
use unicode_script::{Script, UnicodeScript as _};

/// Gives egui the bundled fonts. Call it once, before the first frame.
///
/// Proportional and monospace begin with Noto Sans and Hack; beside them stands one family per script, which [`font_id`] chooses.
/// egui's own faces stay last, for its icons.
pub fn install_fonts(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::default();
    let icons: Vec<String> = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for face in FACES {
        fonts.font_data.insert(face.family.to_owned(), Arc::new(FontData::from_static(face.bytes)));
    }
    let chain = |first: &[&str]| -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let all = first.iter().copied().chain(FACES.iter().map(|f| f.family)).chain(icons.iter().map(String::as_str));
        for name in all {
            if !out.iter().any(|have| have == name) {
                out.push(name.to_owned());
            }
        }
        out
    };
    fonts.families.insert(FontFamily::Proportional, chain(&[]));
    fonts.families.insert(FontFamily::Monospace, chain(&["Hack"]));
    for (tag, families) in families() {
        if let Some(face) = of_script(tag) {
            fonts.families.insert(families.proportional.clone(), chain(&[face.family]));
            fonts.families.insert(families.monospace.clone(), chain(&[face.family, "Hack"]));
        }
    }
    ctx.set_fonts(fonts);
}

struct Families {
    proportional: FontFamily,
    monospace: FontFamily,
}

/// The families by ISO 15924 tag; Latin, Greek and Cyrillic live in the ordinary ones.
fn families() -> &'static BTreeMap<&'static str, Families> {
    static FAMILIES: OnceLock<BTreeMap<&'static str, Families>> = OnceLock::new();
    FAMILIES.get_or_init(|| {
        FACES
            .iter()
            .skip(1)
            .flat_map(|face| face.scripts.iter().copied())
            .map(|tag| {
                let named = |kind: &str| FontFamily::Name(format!("{kind} {tag}").into());
                (tag, Families { proportional: named("text"), monospace: named("mono") })
            })
            .collect()
    })
}

/// The script that decides the family of a line: of the scripts with a family of their own the one with the most letters.
/// Marks that belong to several scripts count only where no letter speaks.
pub(super) fn script_tag(text: &str) -> Option<&'static str> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for c in text.chars() {
        let script = c.script();
        if script == Script::Latin || script == Script::Common || script == Script::Inherited {
            continue;
        }
        let tag = script.short_name();
        match counts.iter_mut().find(|(have, _)| *have == tag) {
            Some((_, n)) => *n += 1,
            None => counts.push((tag, 1)),
        }
    }
    counts.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    let letters = counts.into_iter().map(|(tag, _)| tag).find(|tag| families().contains_key(tag));
    letters.or_else(|| {
        let latin = text.chars().any(|c| c.script() == Script::Latin);
        let shared = text.chars().filter(|_| !latin).flat_map(|c| c.script_extension().iter());
        shared.map(Script::short_name).find(|tag| families().contains_key(tag))
    })
}

/// The family for a line of `text`.
pub fn family(text: &str, monospace: bool) -> FontFamily {
    // Most interface text is ASCII.
    let own = if text.is_ascii() { None } else { script_tag(text).and_then(|tag| families().get(tag)) };
    match (own, monospace) {
        (Some(families), false) => families.proportional.clone(),
        (Some(families), true) => families.monospace.clone(),
        (None, false) => FontFamily::Proportional,
        (None, true) => FontFamily::Monospace,
    }
}

/// The font for a line of `text` at `size` points.
pub fn font_id(text: &str, size: f32, monospace: bool) -> FontId {
    FontId::new(size, family(text, monospace))
}

/// The characters of `text` that no bundled font can draw, each once, in order.
///
/// A corpus screen says so instead of showing boxes.
pub fn missing(text: &str) -> Vec<char> {
    static FONTS: OnceLock<Vec<FontRef<'static>>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| FACES.iter().filter_map(|face| FontRef::new(face.bytes).ok()).collect());
    let mut out: Vec<char> = Vec::new();
    for c in text.chars() {
        let drawn = c.is_control() || invisible(c) || fonts.iter().any(|font| font.charmap().map(c).is_some());
        if !drawn && !out.contains(&c) {
            out.push(c);
        }
    }
    out
}

/// Characters without a shape of their own: joiners, direction marks, variation selectors.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
