//! The faces that figures and screens draw text with: cut Noto fonts (`experiments/fonts/README.md`), no system fonts.

/// A font file and the scripts it is for.
#[derive(Clone, Copy, Debug)]
pub struct Face {
    /// Family name, as the file's own name table says: `Noto Sans Arabic`.
    pub family: &'static str,
    /// ISO 15924 codes of the scripts that this face is the first choice for, as they stand in FLORES codes.
    pub scripts: &'static [&'static str],
    /// The OpenType file.
    pub bytes: &'static [u8],
}

macro_rules! face {
    ($family:literal, $file:literal, $($script:literal)*) => {
        Face { family: $family, scripts: &[$($script),*], bytes: include_bytes!(concat!("../fonts/", $file)) }
    };
}

/// All faces, in the order in which a character is looked for. The first one is the default.
pub static FACES: &[Face] = &[
    face!("Noto Sans", "NotoSans.ttf", "Latn" "Cyrl" "Grek"),
    face!("Noto Sans Arabic", "NotoSansArabic.ttf", "Arab"),
    face!("Noto Sans Hebrew", "NotoSansHebrew.ttf", "Hebr"),
    face!("Noto Sans Syriac", "NotoSansSyriac.ttf", "Syrc"),
    face!("Noto Sans Thaana", "NotoSansThaana.ttf", "Thaa"),
    face!("Noto Sans NKo", "NotoSansNKo.ttf", "Nkoo"),
    face!("Noto Sans Adlam", "NotoSansAdlam.ttf", "Adlm"),
    face!("Noto Sans Devanagari", "NotoSansDevanagari.ttf", "Deva"),
    face!("Noto Sans Bengali", "NotoSansBengali.ttf", "Beng"),
    face!("Noto Sans Tamil", "NotoSansTamil.ttf", "Taml"),
    face!("Noto Sans Telugu", "NotoSansTelugu.ttf", "Telu"),
    face!("Noto Sans Kannada", "NotoSansKannada.ttf", "Knda"),
    face!("Noto Sans Malayalam", "NotoSansMalayalam.ttf", "Mlym"),
    face!("Noto Sans Gujarati", "NotoSansGujarati.ttf", "Gujr"),
    face!("Noto Sans Gurmukhi", "NotoSansGurmukhi.ttf", "Guru"),
    face!("Noto Sans Oriya", "NotoSansOriya.ttf", "Orya"),
    face!("Noto Sans Sinhala", "NotoSansSinhala.ttf", "Sinh"),
    face!("Noto Sans Ol Chiki", "NotoSansOlChiki.ttf", "Olck"),
    face!("Noto Sans MeeteiMayek", "NotoSansMeeteiMayek.ttf", "Mtei"),
    face!("Noto Sans Thai", "NotoSansThai.ttf", "Thai"),
    face!("Noto Sans Lao", "NotoSansLao.ttf", "Laoo"),
    face!("Noto Sans Khmer", "NotoSansKhmer.ttf", "Khmr"),
    face!("Noto Sans Myanmar", "NotoSansMyanmar.ttf", "Mymr"),
    face!("Noto Serif Tibetan", "NotoSerifTibetan.ttf", "Tibt"),
    face!("Noto Sans Ethiopic", "NotoSansEthiopic.ttf", "Ethi"),
    face!("Noto Sans Georgian", "NotoSansGeorgian.ttf", "Geor"),
    face!("Noto Sans Armenian", "NotoSansArmenian.ttf", "Armn"),
    face!("Noto Sans Tifinagh", "NotoSansTifinagh.ttf", "Tfng"),
    face!("Noto Sans Cherokee", "NotoSansCherokee.ttf", "Cher"),
    face!("Noto Sans CJK SC", "NotoSansCJKsc.otf", "Hans" "Hant" "Hani" "Jpan" "Hira" "Kana" "Hang" "Kore" "Bopo"),
    face!("Noto Sans Symbols2", "NotoSansSymbols2.ttf",),
    face!("Noto Sans Symbols", "NotoSansSymbols.ttf",),
    face!("Noto Sans Math", "NotoSansMath.ttf",),
];

/// The face that is the first choice for a script (ISO 15924); `None` for a script that no face is made for.
///
/// ```
/// # use babelscope::fonts;
/// assert_eq!(fonts::of_script("Deva").unwrap().family, "Noto Sans Devanagari");
/// assert!(fonts::of_script("Egyp").is_none());
/// ```
pub fn of_script(script: &str) -> Option<&'static Face> {
    FACES.iter().find(|face| face.scripts.contains(&script))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harfrust::{FontRef, ShaperData, UnicodeBuffer};
    use std::collections::BTreeSet;

    /// A sentence or so in each script, with the conjuncts, marks and signs that its languages need.
    const SAMPLES: &[(&str, &str)] = &[
        ("Latn", "The cat sleeps. Ẹ káàárọ̀, ọmọ mi! Tiếng Việt: Đường phố. Çağrı, ŋ ɓ ɗ ƙ «ñ» “ß” – … · °"),
        ("Cyrl", "Кошка спит. Қазақша әңгіме, ў ї ђ"),
        ("Grek", "Η γάτα κοιμάται· ᾧ"),
        ("Arab", "القطة تنام على السرير. بلی خوابیده است، ٹھیک ہے؟ ۱۲۳ پشتو ښځه کوردی ڕۆژ"),
        ("Hebr", "הַחֲתוּלָה יְשֵׁנָה, נכון? ײַ"),
        ("Syrc", "ܫܠܡܐ ܥܠܟܘܢ"),
        ("Thaa", "ދިވެހިބަސް"),
        ("Nkoo", "ߒߞߏ ߓߟߏߟߏ߫"),
        ("Adlm", "𞤆𞤵𞤤𞤢𞤪"),
        ("Deva", "बिल्ली सोती है। क्षत्रिय, श्री, ज़रूर, द्ध १२३"),
        ("Beng", "বিড়ালটি ঘুমায়। ক্ষ ৎ ১২৩"),
        ("Taml", "பூனை தூங்குகிறது கொக்கு"),
        ("Telu", "పిల్లి నిద్రపోతోంది"),
        ("Knda", "ಬೆಕ್ಕು ಮಲಗಿದೆ"),
        ("Mlym", "പൂച്ച ഉറങ്ങുന്നു ൻ"),
        ("Gujr", "બિલાડી સૂએ છે"),
        ("Guru", "ਬਿੱਲੀ ਸੌਂ ਰਹੀ ਹੈ"),
        ("Orya", "ବିଲେଇ ଶୋଇଛି"),
        ("Sinh", "පූසා නිදාගනී ක්‍ර"),
        ("Olck", "ᱥᱟᱱᱛᱟᱲᱤ"),
        ("Mtei", "ꯃꯤꯇꯩꯂꯣꯟ"),
        ("Thai", "แมวนอนหลับ น้ำ ที่ ปู่ กี้"),
        ("Laoo", "ແມວນອນ ນ້ຳ"),
        ("Khmr", "ឆ្មាកំពុងដេក ស្រី"),
        ("Mymr", "ကြောင်အိပ်နေသည် မြန်မာ"),
        ("Tibt", "བོད་སྐད། སྒྲུབ"),
        ("Ethi", "ድመቷ ተኝታለች። ኢትዮጵያ"),
        ("Geor", "კატას სძინავს Ⴀ"),
        ("Armn", "Կատուն քնած է։"),
        ("Tfng", "ⵜⴰⵎⴰⵣⵉⵖⵜ"),
        ("Cher", "ᏣᎳᎩ ꮳꮃꭹ"),
        ("Hans", "猫在床上睡觉。这只书桌,黄色的鸟?"),
        ("Hant", "貓在床上睡覺。這隻書桌,龜與鹽!"),
        ("Jpan", "猫はベッドで寝ている。カタカナ、ー「々」"),
        ("Hang", "고양이가 침대에서 잔다. 닭과 값"),
    ];

    fn missing(face: &Face, text: &str) -> Vec<String> {
        let font = FontRef::new(face.bytes).unwrap();
        let data = ShaperData::new(&font);
        let shaper = data.shaper(&font).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = shaper.shape(buffer, harfrust::ShapeOptions::new());
        let lost = |glyph: &&harfrust::GlyphInfo| glyph.glyph_id == 0;
        shaped.glyph_infos().iter().filter(lost).map(|glyph| text[glyph.cluster as usize..].to_owned()).collect()
    }

    #[test]
    fn every_script_has_a_sample_and_its_face_draws_all_letters_of_it() {
        let listed: BTreeSet<_> = FACES.iter().flat_map(|face| face.scripts).collect();
        let sampled: BTreeSet<_> = SAMPLES.iter().map(|(script, _)| script).collect();
        let kana_and_bopomofo = ["Hani", "Hira", "Kana", "Kore", "Bopo"];
        assert!(listed.iter().all(|s| sampled.contains(*s) || kana_and_bopomofo.contains(s)), "{listed:?}");
        for (script, sample) in SAMPLES {
            let face = of_script(script).unwrap();
            // Punctuation and digits may come from Noto Sans; letters and marks may not, or words are torn apart.
            for word in sample.split(|c: char| c.is_whitespace() || c.is_ascii_punctuation()) {
                assert_eq!(missing(face, word), Vec::<String>::new(), "{} lacks parts of {word}", face.family);
            }
        }
    }

    #[test]
    fn every_language_of_the_registry_has_a_face_that_draws_its_own_name() {
        for language in babelscope_core::lang::all() {
            let face = of_script(language.script()).unwrap_or_else(|| panic!("no face for {}", language.code));
            for word in language.autonym.split(|c: char| !c.is_alphabetic()) {
                assert_eq!(missing(face, word), Vec::<String>::new(), "{}: {word}", language.code);
            }
        }
    }

    #[test]
    fn every_script_face_puts_a_lone_mark_on_a_dotted_circle() {
        for (script, mark) in [
            ("Arab", "\u{064E}"),
            ("Hebr", "\u{05B8}"),
            ("Deva", "\u{093F}"),
            ("Deva", "\u{094D}"),
            ("Beng", "\u{09BF}"),
            ("Taml", "\u{0BBF}"),
            ("Thai", "\u{0E48}"),
            ("Khmr", "\u{17D2}"),
            ("Latn", "\u{0323}"),
        ] {
            let face = of_script(script).unwrap();
            assert_eq!(missing(face, &format!("\u{25CC}{mark}")), Vec::<String>::new(), "{}", face.family);
        }
    }

    #[test]
    fn some_face_has_each_sign_of_the_screens() {
        let signs = "· ⏎ ⇥ ␣ ◌ … – — × ≥ ≤ ≈ → ← ↑ ↓ ● ○ ▲ ▼ ■ □ ◆ ✓ ✗ ⚠ ⟨ ⟩ − ± √ ∑ ∞ ▸ ▾ ² ₁ α σ";
        for sign in signs.split(' ') {
            assert!(FACES.iter().any(|face| missing(face, sign).is_empty()), "no face has {sign}");
        }
    }

    #[test]
    fn names_are_those_of_the_files_and_all_fit_in_ten_megabytes() {
        let mut database = resvg::usvg::fontdb::Database::new();
        for face in FACES {
            database.load_font_data(face.bytes.to_vec());
        }
        let names: Vec<_> = database.faces().map(|info| info.families[0].0.as_str()).collect();
        assert_eq!(names, FACES.iter().map(|face| face.family).collect::<Vec<_>>());
        assert!(FACES.iter().map(|face| face.bytes.len()).sum::<usize>() <= 10_000_000);
    }
}
