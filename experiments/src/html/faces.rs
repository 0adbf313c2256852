//! Faces inside the page, for readers whose machine has none for a script: what the figures are drawn with.

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use unicode_script::UnicodeScript as _;

use super::cut::cut;
use crate::fonts::{self, FACES, Face};

/// Bytes of whole faces that a page may hold; scripts with fewer characters on the page are left to the reader's machine.
const MOST: usize = 1_200_000;

/// `@font-face` rules for the scripts that a page uses, and the property `--faces` with their names. Latin, Greek and Cyrillic are on every machine.
pub(super) fn style(page: &str) -> String {
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    for c in page.chars().filter(|c| !c.is_ascii()) {
        let face = fonts::of_script(c.script().short_name());
        let at = face.and_then(|face| FACES.iter().position(|f| f.family == face.family));
        if let Some(at) = at.filter(|at| *at > 0) {
            *used.entry(at).or_default() += 1;
        }
    }
    let mut order: Vec<(usize, usize)> = used.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let (mut rules, mut names, mut room) = (String::new(), Vec::new(), MOST);
    for face in order.into_iter().filter_map(|(at, _)| FACES.get(at)) {
        let Some(bytes) = bytes(face, page) else { continue };
        let Some(left) = room.checked_sub(bytes.len()) else { continue };
        room = left;
        // Writing into a String cannot fail.
        let _ = writeln!(
            rules,
            "@font-face {{ font-family: \"{}\"; src: url(data:font/otf;base64,{}); }}",
            face.family,
            STANDARD.encode(bytes)
        );
        names.push(format!("\"{}\"", face.family));
    }
    if names.is_empty() {
        String::new()
    } else {
        format!("{rules}:root {{ --faces: {}, sans-serif; }}\n", names.join(", "))
    }
}

fn bytes(face: &Face, page: &str) -> Option<Vec<u8>> {
    if face.bytes.len() <= MOST { Some(face.bytes.to_vec()) } else { cut(face.bytes, page.chars()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_faces_of_its_scripts_and_no_more() {
        assert_eq!(style("plain English, Čeština, Русский"), "");
        let rules = style("हिन्दी แมว 猫 猫");
        let names: Vec<&str> = ["Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans CJK SC"]
            .into_iter()
            .filter(|n| rules.contains(*n))
            .collect();
        assert_eq!(names.len(), 3);
        assert_eq!(rules.matches("@font-face").count(), 3);
        assert!(rules.len() < 4 * MOST / 3 + 1000, "{}", rules.len());
    }

    #[test]
    fn thirty_scripts_do_not_make_a_page_of_many_megabytes() {
        let page: String = [
            "العربية",
            "עברית",
            "हिन्दी",
            "বাংলা",
            "தமிழ்",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "ગુજરાતી",
            "ਪੰਜਾਬੀ",
            "සිංහල",
            "ไทย",
            "ລາວ",
            "ខ្មែរ",
            "မြန်မာ",
            "བོད",
            "አማርኛ",
            "中文",
        ]
        .concat();
        assert!(style(&page).len() < 4 * MOST / 3 + 3000);
    }
}
