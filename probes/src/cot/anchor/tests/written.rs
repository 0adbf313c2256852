use super::{Kind, givens, normals, read, said};

/// The answer of a text.
fn answered(text: &str, language: &str) -> Option<String> {
    said(text, language).into_iter().find(|(kind, ..)| *kind == Kind::Answer).map(|(_, normal, _)| normal)
}

#[test]
fn what_is_counted_may_stand_in_brackets() {
    for (text, language, unit) in [
        ("5 × 3 = 15（元）。", "zho_Hans", "元"),
        ("5 × 3 = 15（円）です。", "jpn_Jpan", "円"),
        ("5 · 3 = 15 (яблок).", "rus_Cyrl", "яблок"),
        ("5 (bags) * 3 = 15 (red apples).", "eng_Latn", "red apples"),
        ("$5 \\times 3 = 15\\text{元}$", "zho_Hans", "元"),
        ("3개 × 5개 = 15개", "kor_Hang", "개"),
    ] {
        let (found, ignored) = read(text, language);
        assert_eq!((found.len(), ignored.len()), (1, 0), "{text}: {found:?}");
        assert_eq!((found[0].normal.as_str(), found[0].unit.as_deref()), ("3 * 5 = 15", Some(unit)), "{text}");
    }
    // A name in brackets multiplies.
    assert_eq!(normals("A = 2. So 3(A) = 6 and 3(4) = 12.", "eng_Latn"), ["A = 2", "3 * A = 6", "3 * 4 = 12"]);
}

#[test]
fn an_answer_may_be_a_sentence_with_one_number() {
    for (text, language) in [
        ("We get 3 + 4 = 7. The answer is that she has 7 hats.", "eng_Latn"),
        ("3 + 4 = 7.\nAntwort: Sie hat jetzt 7 Hüte.", "deu_Latn"),
        ("3 + 4 = 7. Réponse : il lui reste 7 chapeaux.", "fra_Latn"),
        ("3 + 4 = 7.\nОтвет: у неё 7 шляп.", "rus_Cyrl"),
        ("3 + 4 = 7。\n答：她一共有7顶帽子。", "zho_Hans"),
        ("3 + 4 = 7. Kwa hivyo, jibu ni kofia 7.", "swh_Latn"),
    ] {
        assert_eq!(answered(text, language).as_deref(), Some("7"), "{text}");
    }
    // A heading before the solution announces no answer yet.
    for text in ["Answer: She begins with 3 hats. 3 + 4 = 7.", "The answer needs thought. 3 + 4 = 7. Then 5."] {
        assert_eq!(answered(text, "eng_Latn"), None, "{text}");
    }
}

#[test]
fn percent_may_be_a_word_before_or_behind_its_number() {
    for (text, language) in [
        ("20 percent of 50 = 10", "eng_Latn"),
        ("20 per cent of 50 = 10", "eng_Latn"),
        ("el 20 por ciento de 50 = 10", "spa_Latn"),
        ("20 Prozent von 50 = 10", "deu_Latn"),
        ("20 pour cent de 50 = 10", "fra_Latn"),
        ("20 процентов от 50 = 10", "rus_Cyrl"),
        ("٢٠ في المئة من ٥٠ = ١٠", "arb_Arab"),
        ("asilimia 20 ya 50 = 10", "swh_Latn"),
        ("ร้อยละ 20 ของ 50 = 10", "tha_Thai"),
        ("%20 * 50 = 10", "tur_Latn"),
        ("50 का 20 प्रतिशत = 10", "hin_Deva"),
        ("50的20%=10", "zho_Hans"),
    ] {
        assert_eq!(said(text, language), [(Kind::Equation, "20% * 50 = 10".into(), Some(true))], "{text}");
    }
    // A remainder is no percentage, and what stands behind its sign is no equation.
    for text in ["7 % 4 = 3", "7 %4 = 3"] {
        assert_eq!(normals(text, "eng_Latn"), ["7", "4", "3"]);
    }
}

#[test]
fn marks_words_and_hyphens_as_real_texts_write_them() {
    for (text, language, wanted) in [
        ("Hay 128 948 casos.", "spa_Latn", vec!["128948"]),
        ("جمعاً ۱۲۲،۶۵۳ نفر", "pes_Arab", vec!["122653"]),
        ("Watu milioni 4 na elfu 5.", "swh_Latn", vec!["4000000", "5000"]),
        ("São 40 mil pessoas.", "por_Latn", vec!["40000"]),
        ("Abantu abangu-2,112 kanye no-80.", "zul_Latn", vec!["2112", "80"]),
        ("Er hat neun Bücher und zwölf Hefte.", "deu_Latn", vec!["9", "12"]),
        ("Il a dix-sept billes et cinq livres.", "fra_Latn", vec!["17", "5"]),
        ("তার নয়টি বই ও পাঁচটি কলম আছে।", "ben_Beng", vec!["9", "5"]),
        ("అతని వద్ద ఐదు పుస్తకాలు ఉన్నాయి.", "tel_Telu", vec!["5"]),
        ("Dia punya dua belas buku dan lima pena.", "ind_Latn", vec!["12", "5"]),
    ] {
        let found: Vec<String> = givens(text, language).0.into_iter().map(|given| given.normal).collect();
        assert_eq!(found, wanted, "{text}");
    }
    for (text, language, ignored) in [
        ("See No. 1,234 there.", "eng_Latn", "1,234"),
        ("مرض كوفيد-19 هنا", "arb_Arab", "19"),
        ("I-COVID-19 ikhona.", "zul_Latn", "19"),
        ("Hubo 80,000 casos.", "khm_Khmr", "80,000"),
    ] {
        let (found, left) = read(text, language);
        assert!(found.is_empty() && left.len() == 1 && text[left[0].span.clone()] == *ignored, "{text}: {left:?}");
    }
}
