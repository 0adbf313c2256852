//! The registry of languages: FLORES codes and what is known of each.

mod table;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use table::{ALIASES, LANGS, SCRIPTS};

/// Writing direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// A language in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lang {
    /// FLORES code: `eng_Latn`.
    pub code: &'static str,
    /// English name.
    pub name: &'static str,
    /// Its own name in its own script.
    pub autonym: &'static str,
    /// ISO 639-1 where there is one.
    pub iso639_1: Option<&'static str>,
    /// Family: `Indo-European`.
    pub family: &'static str,
    /// Resource class 0..=5 (Joshi et al. 2020), 5 the richest; `None` where the paper's class of exactly this language is
    /// not known, and for invented languages.
    pub resource: Option<u8>,
    /// Writing direction.
    pub direction: Direction,
}

impl Lang {
    /// The language part of the code: `eng`.
    pub fn language(&self) -> &'static str {
        self.code.split_once('_').map_or(self.code, |(language, _)| language)
    }

    /// The script part of the code, ISO 15924: `Latn`.
    pub fn script(&self) -> &'static str {
        self.code.split_once('_').map_or("", |(_, script)| script)
    }
}

/// Token shift of English in the laboratory: a perfect copy in other tokens. `qec` is of ISO 639's private range.
pub const CLONE: &str = "qec_Latn";

/// The laboratory's language whose facts are drawn independently. `qis` is of ISO 639's private range.
pub const ISLAND: &str = "qis_Latn";

/// Every language that is known, in the order of the codes.
pub fn all() -> &'static [Lang] {
    LANGS
}

/// The language of a FLORES code, spelled exactly.
///
/// ```
/// use babelscope_core::lang::{Direction, find};
/// assert_eq!(find("urd_Arab").unwrap().direction, Direction::Rtl);
/// assert!(find("urd").is_none());
/// ```
pub fn find(code: &str) -> Option<&'static Lang> {
    LANGS.binary_search_by(|l| l.code.cmp(code)).ok().and_then(|at| LANGS.get(at))
}

/// Whether a code may name a language of a corpus: one of the registry, or one of ISO 639's private range (`qaa` to `qtz`) with
/// a known script, for languages that the registry lacks.
///
/// ```
/// use babelscope_core::lang::is_valid;
/// assert!(is_valid("eng_Latn") && is_valid("qaa_Cyrl"));
/// assert!(!is_valid("xyz_Latn") && !is_valid("qza_Latn"));
/// ```
pub fn is_valid(code: &str) -> bool {
    let private = |code: &str| {
        let (language, script) = code.split_once('_')?;
        let [b'q', b'a'..=b't', b'a'..=b'z'] = language.as_bytes() else { return None };
        script_name(script)
    };
    find(code).is_some() || private(code).is_some()
}

/// The language that a label means: a FLORES code in any case, NLLB's or an older label (`cmn_Hans`, `fas`), an ISO 639-1,
/// 639-2 or 639-3 code, a BCP 47 tag (`pt-BR`, `zh-TW`).
///
/// ```
/// use babelscope_core::lang::resolve;
/// assert_eq!(resolve("zh-TW")?.code, "zho_Hant");
/// assert_eq!(resolve("fas")?.code, "pes_Arab");
/// assert!(resolve("kas").unwrap_err().to_string().contains("kas_Arab or kas_Deva"));
/// # Ok::<(), babelscope_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Language`] when nothing is known by this name, with the nearest that is, or when several are.
pub fn resolve(text: &str) -> Result<&'static Lang> {
    if let Some(exact) = find(text) {
        return Ok(exact);
    }
    let fail = |why: String| Error::Language { text: text.to_owned(), why };
    let mut parts = text.trim().split(['_', '-']).map(str::to_lowercase);
    let part = parts.next().unwrap_or_default();
    let mut rest: Vec<String> = parts.collect();
    let part = ALIASES.iter().find(|(other, _)| *other == part).map_or(part.as_str(), |(_, ours)| ours);
    let same = |l: &&Lang| l.language() == part || l.iso639_1 == Some(part);
    let mut found: Vec<_> = LANGS.iter().filter(same).collect();
    let chinese = found.first().is_some_and(|l| l.language() == "zho");
    if chinese && rest.iter().any(|r| matches!(r.as_str(), "tw" | "hk" | "mo")) {
        rest.push("hant".to_owned());
    }
    // BCP 47: four letters are a script; two letters or three digits a region, which says nothing about ours.
    let letters = |r: &str, n: usize| r.len() == n && r.chars().all(char::is_alphabetic);
    let script = rest.iter().find(|r| letters(r, 4));
    let region = |r: &String| letters(r, 2) || (r.len() == 3 && r.chars().all(|c| c.is_ascii_digit()));
    if rest.iter().any(|r| !letters(r, 4) && !region(r)) {
        found.clear();
    }
    let known: Vec<_> = found.iter().map(|l| l.code).collect();
    match script {
        Some(script) => found.retain(|l| l.script().to_lowercase() == *script),
        // Where one script is what everybody means by the bare code.
        None if found.len() > 1 => {
            let usual = found.iter().position(|l| matches!(l.code, "zho_Hans" | "arb_Arab"));
            if let Some(usual) = usual.and_then(|at| found.get(at).copied()) {
                found = vec![usual];
            }
        }
        None => {}
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] if known.is_empty() => Err(fail(match nearest(text) {
            Some(near) => {
                format!("unknown; the nearest known is {} ({}); qaa to qtz are private codes", near.code, near.name)
            }
            None => "unknown; expected a FLORES-200 code such as eng_Latn, or a private one (qaa_Latn to qtz_Latn)"
                .to_owned(),
        })),
        [] => Err(fail(format!("not known in this script; known is {}", known.join(", ")))),
        several => {
            let codes: Vec<_> = several.iter().map(|l| l.code).collect();
            Err(fail(format!("this can mean {}; say which", codes.join(" or "))))
        }
    }
}

/// Writing direction of a FLORES code, from its script; codes that the registry does not know are judged by the script part.
pub fn direction(code: &str) -> Direction {
    if let Some(known) = find(code) {
        return known.direction;
    }
    let script = code.rsplit(['_', '-']).next().unwrap_or_default().to_lowercase();
    const RIGHT: [&str; 10] = ["arab", "aran", "hebr", "thaa", "nkoo", "syrc", "adlm", "mand", "samr", "rohg"];
    if RIGHT.contains(&script.as_str()) { Direction::Rtl } else { Direction::Ltr }
}

/// English name of a script by its ISO 15924 code.
pub fn script_name(script: &str) -> Option<&'static str> {
    SCRIPTS.iter().find(|(code, _)| *code == script).map(|(_, name)| *name)
}

/// The longest label in bytes that may be near a language.
const LONGEST: usize = 200;

/// The language whose code or name looks most like `text`, if one is near: for "did you mean".
pub fn nearest(text: &str) -> Option<&'static Lang> {
    // Longer than any name with two slips: comparing a whole book, which a broken table may give, would take as long.
    if text.len() > LONGEST {
        return None;
    }
    let wanted = text.trim().to_lowercase();
    let distance = |l: &Lang| {
        let code = edits(&wanted, &l.code.to_lowercase());
        let names = [l.name, l.autonym].map(|n| edits(&wanted, &n.to_lowercase()));
        names.into_iter().fold(code, usize::min)
    };
    // Two slips of the hand in a code of eight letters, one in a short name; more would match almost anything.
    let slips = (wanted.chars().count() / 3).min(2);
    LANGS.iter().map(|l| (distance(l), l)).min_by_key(|(d, _)| *d).filter(|(d, _)| *d <= slips).map(|(_, l)| l)
}

/// Levenshtein distance in characters: insertions, deletions and replacements.
pub(crate) fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use unicode_script::UnicodeScript as _;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_holds_all_of_flores_200() {
        assert!(LANGS.windows(2).all(|w| w[0].code < w[1].code));
        let beside =
            ["bre_Latn", "div_Thaa", "fry_Latn", "gom_Deva", "lat_Latn", "quz_Latn", "sah_Cyrl", CLONE, ISLAND];
        assert!(beside.iter().all(|c| find(c).is_some()));
        assert_eq!(LANGS.len() - beside.len(), 204);
    }

    #[test]
    fn every_code_has_a_language_and_a_known_script() {
        for l in LANGS {
            assert!(l.language().len() == 3 && script_name(l.script()).is_some(), "{}", l.code);
            assert!(l.resource.is_none_or(|r| r <= 5), "{}", l.code);
            assert_eq!(direction(l.code), direction(&format!("xxx_{}", l.script())), "{}", l.code);
        }
    }

    #[test]
    fn autonyms_are_in_the_script_of_the_code() {
        for l in LANGS {
            let accepted: &[&str] = match l.script() {
                "Hans" | "Hant" | "Jpan" => &["Hani"],
                own => &[own],
            };
            for c in l.autonym.chars().filter(|c| c.is_alphabetic()) {
                let script = c.script().short_name();
                assert!(accepted.contains(&script) || matches!(script, "Zyyy" | "Zinh"), "{}: {c} is {script}", l.code);
            }
        }
    }

    #[test]
    fn iso_639_1_means_one_language_but_for_the_scripts() {
        let mut seen = BTreeSet::new();
        for l in LANGS {
            if let Some(two) = l.iso639_1 {
                assert_eq!(two.len(), 2);
                assert_eq!(resolve(two).map_or(l.language(), |found| found.language()), l.language(), "{two}");
                seen.insert((two, l.language()));
            }
        }
        assert_eq!(seen.iter().map(|(two, _)| two).collect::<BTreeSet<_>>().len(), seen.len());
    }

    #[test]
    fn labels_of_every_kind_resolve() {
        for (label, code) in [
            ("eng_Latn", "eng_Latn"),
            ("ENG_latn", "eng_Latn"),
            ("en", "eng_Latn"),
            ("en-US", "eng_Latn"),
            ("eng", "eng_Latn"),
            ("zho_Hans", "zho_Hans"),
            ("cmn_Hans", "zho_Hans"),
            ("zh", "zho_Hans"),
            ("zh-Hant", "zho_Hant"),
            ("zh-Hant-HK", "zho_Hant"),
            ("zh_TW", "zho_Hant"),
            ("zh-CN", "zho_Hans"),
            ("ara", "arb_Arab"),
            ("ar", "arb_Arab"),
            ("fas_Arab", "pes_Arab"),
            ("fa", "pes_Arab"),
            ("iw", "heb_Hebr"),
            ("swa", "swh_Latn"),
            ("no", "nob_Latn"),
            ("fil-PH", "tgl_Latn"),
            ("sr-Cyrl-RS", "srp_Cyrl"),
            ("min_Arab", "min_Arab"),
            (" qec_Latn ", CLONE),
        ] {
            assert_eq!(resolve(label).unwrap().code, code, "{label}");
        }
    }

    #[test]
    fn what_is_not_known_gets_a_sentence_with_the_nearest() {
        for (label, says) in [
            ("eng_Lat", "the nearest known is eng_Latn (English)"),
            ("english", "the nearest known is eng_Latn (English)"),
            ("Deutsch", "the nearest known is deu_Latn (German)"),
            ("sr-Latn", "not known in this script; known is srp_Cyrl"),
            ("ace", "this can mean ace_Arab or ace_Latn"),
            ("", "expected a FLORES-200 code such as eng_Latn"),
            ("sentence number one", "expected a FLORES-200 code such as eng_Latn"),
        ] {
            let error = resolve(label).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn edit_distances_of_the_textbook() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("ზამთარი", "ზამთარი"), 0);
    }

    proptest! {
        #[test]
        fn no_label_panics(text in "\\PC{0,20}") {
            resolve(&text).ok();
            direction(&text);
        }
    }
}
