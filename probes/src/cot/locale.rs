//! How a language writes its numbers: decimal and thousands marks, and whether it knows Han numerals.
//!
//! Marks after the Unicode CLDR (number symbols of the main locale of each language). Spanish is `Mixed`: Spain writes 1.234,5 and
//! Mexico 1,234.5, so a comma before exactly three digits is refused there; so are Khmer and Lao, which CLDR gives a decimal comma and
//! whose texts write 80,000.

/// Which mark separates the fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decimal {
    /// 1,234.5
    Point,
    /// 1.234,5
    Comma,
    /// A comma, but not before three digits.
    Mixed,
    /// 1,234·5: the clone of English exchanges its full stop.
    Middle,
    /// A language without an entry here.
    Unknown,
}

/// What reading numbers needs to know of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locale {
    /// ISO 639-3, of the languages that have an entry; else empty.
    pub(super) code: &'static str,
    pub(super) decimal: Decimal,
    /// Thousands are set apart by plain spaces too.
    pub(super) spaces: bool,
    /// 12 : 4 is a division; elsewhere a spaced colon is punctuation.
    pub(super) colon: bool,
    /// Han numerals are number words.
    pub(super) han: bool,
}

/// Code, ISO 639-1 (PolyMath and MGSM use it), decimal mark, thousands by spaces, colon divides.
const LANGUAGES: &[Entry] = &[
    ("afr_Latn", "af", Decimal::Comma, true, false),
    ("amh_Ethi", "am", Decimal::Point, false, false),
    ("arb_Arab", "ar", Decimal::Point, false, false),
    ("bel_Cyrl", "be", Decimal::Comma, true, true),
    ("ben_Beng", "bn", Decimal::Point, false, false),
    ("bul_Cyrl", "bg", Decimal::Comma, true, true),
    ("cat_Latn", "ca", Decimal::Comma, false, true),
    ("ces_Latn", "cs", Decimal::Comma, true, true),
    ("ckb_Arab", "", Decimal::Point, false, false),
    ("dan_Latn", "da", Decimal::Comma, false, true),
    ("deu_Latn", "de", Decimal::Comma, false, true),
    ("ell_Grek", "el", Decimal::Comma, false, true),
    ("eng_Latn", "en", Decimal::Point, false, false),
    ("est_Latn", "et", Decimal::Comma, true, true),
    ("eus_Latn", "eu", Decimal::Comma, false, true),
    ("fin_Latn", "fi", Decimal::Comma, true, true),
    ("fra_Latn", "fr", Decimal::Comma, true, false),
    ("gaz_Latn", "om", Decimal::Point, false, false),
    ("guj_Gujr", "gu", Decimal::Point, false, false),
    ("hau_Latn", "ha", Decimal::Point, false, false),
    ("heb_Hebr", "he", Decimal::Point, false, true),
    ("hin_Deva", "hi", Decimal::Point, false, false),
    ("hrv_Latn", "hr", Decimal::Comma, false, true),
    ("hun_Latn", "hu", Decimal::Comma, true, true),
    ("hye_Armn", "hy", Decimal::Comma, true, true),
    ("ibo_Latn", "ig", Decimal::Point, false, false),
    ("ind_Latn", "id", Decimal::Comma, false, true),
    ("ita_Latn", "it", Decimal::Comma, false, true),
    ("jpn_Jpan", "ja", Decimal::Point, false, false),
    ("kan_Knda", "kn", Decimal::Point, false, false),
    ("kat_Geor", "ka", Decimal::Comma, true, true),
    ("kaz_Cyrl", "kk", Decimal::Comma, true, true),
    ("khm_Khmr", "km", Decimal::Mixed, false, false),
    ("kor_Hang", "ko", Decimal::Point, false, false),
    ("lao_Laoo", "lo", Decimal::Mixed, false, false),
    ("lit_Latn", "lt", Decimal::Comma, true, true),
    ("lvs_Latn", "lv", Decimal::Comma, true, true),
    ("mal_Mlym", "ml", Decimal::Point, false, false),
    ("mar_Deva", "mr", Decimal::Point, false, false),
    ("mya_Mymr", "my", Decimal::Point, false, false),
    ("nld_Latn", "nl", Decimal::Comma, false, true),
    ("nob_Latn", "no", Decimal::Comma, true, true),
    ("npi_Deva", "ne", Decimal::Point, false, false),
    ("pan_Guru", "pa", Decimal::Point, false, false),
    ("pbt_Arab", "ps", Decimal::Point, false, false),
    ("pes_Arab", "fa", Decimal::Point, false, false),
    ("pol_Latn", "pl", Decimal::Comma, true, true),
    ("por_Latn", "pt", Decimal::Comma, true, true),
    ("qec_Latn", "", Decimal::Middle, false, false),
    ("qis_Latn", "", Decimal::Point, false, false),
    ("ron_Latn", "ro", Decimal::Comma, false, true),
    ("rus_Cyrl", "ru", Decimal::Comma, true, true),
    ("sin_Sinh", "si", Decimal::Point, false, false),
    ("slk_Latn", "sk", Decimal::Comma, true, true),
    ("slv_Latn", "sl", Decimal::Comma, false, true),
    ("som_Latn", "so", Decimal::Point, false, false),
    ("spa_Latn", "es", Decimal::Mixed, true, true),
    ("srp_Cyrl", "sr", Decimal::Comma, false, true),
    ("swe_Latn", "sv", Decimal::Comma, true, true),
    ("swh_Latn", "sw", Decimal::Point, false, false),
    ("tam_Taml", "ta", Decimal::Point, false, false),
    ("tel_Telu", "te", Decimal::Point, false, false),
    ("tgl_Latn", "tl", Decimal::Point, false, false),
    ("tha_Thai", "th", Decimal::Point, false, false),
    ("tir_Ethi", "ti", Decimal::Point, false, false),
    ("tur_Latn", "tr", Decimal::Comma, false, true),
    ("ukr_Cyrl", "uk", Decimal::Comma, true, true),
    ("urd_Arab", "ur", Decimal::Point, false, false),
    ("uzn_Latn", "uz", Decimal::Comma, true, true),
    ("vie_Latn", "vi", Decimal::Comma, false, true),
    ("yor_Latn", "yo", Decimal::Point, false, false),
    ("yue_Hant", "", Decimal::Point, false, false),
    ("zho_Hans", "zh", Decimal::Point, false, false),
    ("zsm_Latn", "ms", Decimal::Point, false, false),
    ("zul_Latn", "zu", Decimal::Point, false, false),
];

/// Other codes of languages above.
const ALSO: &[(&str, &str)] = &[
    ("ara", "arb"),
    ("cmn", "zho"),
    ("fas", "pes"),
    ("iw", "heb"),
    ("msa", "zsm"),
    ("nep", "npi"),
    ("nor", "nob"),
    ("swa", "swh"),
    ("lav", "lvs"),
    ("uzb", "uzn"),
    ("jp", "jpn"),
    ("nb", "nob"),
];

type Entry = (&'static str, &'static str, Decimal, bool, bool);

fn find(language: &str) -> Option<&'static Entry> {
    let first = language.split(['_', '-']).next().unwrap_or_default().to_ascii_lowercase();
    let code = ALSO.iter().find(|(also, _)| *also == first).map_or(first.as_str(), |(_, code)| *code);
    LANGUAGES.iter().find(|(full, two, ..)| full.split('_').next() == Some(code) || (!two.is_empty() && *two == code))
}

/// The full code of a language that is named by ISO 639-1 or 639-3 alone: `de` is `deu_Latn`. Full codes stay as they are.
pub(super) fn full(language: &str) -> Option<String> {
    if language.split_once('_').is_some_and(|(code, script)| code.len() == 3 && script.len() == 4) {
        return Some(language.to_owned());
    }
    find(language).map(|(full, ..)| (*full).to_owned())
}

impl Locale {
    /// Of a language code: `deu_Latn`, `deu`, `de`, `de-AT`.
    pub(super) fn of(language: &str) -> Self {
        let Some((full, _, decimal, spaces, colon)) = find(language) else {
            let han = ["Hans", "Hant", "Jpan"].iter().any(|script| language.ends_with(script));
            return Self { code: "", decimal: Decimal::Unknown, spaces: false, colon: false, han };
        };
        let code = full.split('_').next().unwrap_or_default();
        let han = matches!(code, "zho" | "yue" | "jpn");
        Self { code, decimal: *decimal, spaces: *spaces, colon: *colon, han }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_kinds_find_their_language() {
        for code in ["deu_Latn", "deu", "de", "de-AT"] {
            assert_eq!(Locale::of(code).code, "deu", "{code}");
        }
        assert_eq!(
            (Locale::of("ar").code, Locale::of("zh-cn").code, Locale::of("cmn_Hant").code),
            ("arb", "zho", "zho")
        );
        assert_eq!(Locale::of("xxx_Latn").decimal, Decimal::Unknown);
        assert_eq!((full("zh-cn").as_deref(), full("qec_Latn").as_deref()), (Some("zho_Hans"), Some("qec_Latn")));
        assert_eq!((full("low"), full("de_AT").as_deref()), (None, Some("deu_Latn")));
        assert!(LANGUAGES.is_sorted_by_key(|language| language.0));
    }
}
