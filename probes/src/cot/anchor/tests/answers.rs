use super::{Kind, read, said};
use crate::cot::{number, report::answer_value};

/// The value of the answer of a text.
fn answered(text: &str, language: &str) -> Option<String> {
    let (found, _) = read(text, language);
    found.into_iter().find(|anchor| anchor.kind == Kind::Answer)?.value.map(|value| value.to_string())
}

#[test]
fn answers_are_read_in_languages_that_had_no_words() {
    for (text, language) in [
        ("La risposta è 29.", "ita_Latn"),
        ("La risposta finale è 29.", "ita_Latn"),
        ("A resposta é 29.", "por_Latn"),
        ("Resposta: 29", "pt"),
        ("A resposta final é 29.", "por_Latn"),
        ("Η τελική απάντηση είναι 29.", "ell_Grek"),
        ("Het uiteindelijke antwoord is 29.", "nld_Latn"),
        ("Odpowiedź to 29.", "pol_Latn"),
        ("Ostateczna odpowiedź: 29", "pol_Latn"),
        ("Відповідь: 29.", "ukr_Cyrl"),
        ("Остаточна відповідь — 29.", "ukr_Cyrl"),
        ("پاسخ نهایی ۲۹ است.", "pes_Arab"),
        ("جواب: ۲۹", "pes_Arab"),
        ("حتمی جواب 29 ہے۔", "urd_Arab"),
        ("இறுதி விடை 29 ஆகும்.", "tam_Taml"),
        ("Câu trả lời là 29.", "vie_Latn"),
        ("Vậy câu trả lời cuối cùng là 29.", "vi"),
        ("Đáp số: 29", "vie_Latn"),
        ("Jawapan akhir ialah 29.", "ms"),
        ("Jawapannya ialah 29.", "zsm_Latn"),
        ("Ìdáhùn náà ni 29.", "yor_Latn"),
        ("ចម្លើយគឺ ២៩។", "khm_Khmr"),
        ("ຄຳຕອບແມ່ນ 29", "lao_Laoo"),
        ("အဖြေမှာ ၂၉ ဖြစ်သည်။", "mya_Mymr"),
    ] {
        assert_eq!(answered(text, language).as_deref(), Some("29"), "{text}");
    }
    // A profit is no answer.
    assert_eq!(answered("Anh ấy lời 5 đồng.", "vie_Latn"), None);
}

#[test]
fn the_sign_of_a_number_right_behind_a_word_without_spaces_is_kept() {
    for (text, language) in [
        ("答案是-3。", "zho_Hans"),
        ("答案是−3。", "zho_Hans"),
        ("5-8=-3。答案是-3。", "zho_Hans"),
        ("答案是$-3$。", "zho_Hans"),
        ("答案是$- 3$。", "zho_Hans"),
        ("答案是 -3。", "zho_Hans"),
        ("答えは-3です。", "jpn_Jpan"),
        ("คำตอบคือ-3", "tha_Thai"),
        ("답은-3입니다.", "kor_Hang"),
        ("The answer is $-3$.", "eng_Latn"),
        ("The answer is -$3.", "eng_Latn"),
    ] {
        assert_eq!(answered(text, language).as_deref(), Some("-3"), "{text}");
    }
    assert_eq!(answered(r"The answer is $-\frac{3}{4}$.", "eng_Latn").as_deref(), Some("-3/4"));
    let quantities = |text: &str, language: &str| -> Vec<String> {
        said(text, language).into_iter().map(|(_, normal, _)| normal).collect()
    };
    assert_eq!(quantities("温度是-5度", "zho_Hans"), ["-5"]);
    assert_eq!(quantities("5-3=2", "zho_Hans"), ["5 - 3 = 2"]);
    assert_eq!(quantities("5元-3元=2元", "zho_Hans"), ["5 - 3 = 2"]);
    assert_eq!(quantities("x-3=2", "zho_Hans"), ["x - 3 = 2"]);
    assert_eq!(quantities("需要10-20分钟", "zho_Hans"), ["10", "20"]);
    assert_eq!(quantities("La temperatura è -5 gradi.", "ita_Latn"), ["-5"]);
    for (text, language) in [("COVID-19", "eng_Latn"), ("歼-20飞机", "zho_Hans"), ("总数-3", "zho_Hans")] {
        let (found, ignored) = read(text, language);
        assert!(found.is_empty() && ignored.len() == 1, "{text}: {found:?} {ignored:?}");
    }
    for (text, language, wanted) in [("A-3", "eng_Latn", "3"), ("第3-5题", "zho_Hans", "5")] {
        assert!(quantities(text, language).iter().all(|value| value == wanted), "{text}: {:?}", read(text, language));
    }
}

#[test]
fn minus_in_words_is_the_sign_of_its_number() {
    for (text, language) in [
        ("The answer is minus 3.", "eng_Latn"),
        ("The answer is negative 3.", "eng_Latn"),
        ("The answer is minus three.", "eng_Latn"),
        ("La réponse est moins 3.", "fra_Latn"),
        ("La respuesta es menos 3.", "spa_Latn"),
        ("Die Antwort ist minus 3.", "deu_Latn"),
        ("La risposta è meno 3.", "ita_Latn"),
        ("A resposta é menos 3.", "por_Latn"),
        ("Ответ: минус 3.", "rus_Cyrl"),
        ("الجواب هو سالب 3.", "arb_Arab"),
        ("الجواب هو ناقص ٣.", "arb_Arab"),
        ("उत्तर ऋण 3 है।", "hin_Deva"),
        ("उत्तर माइनस ३ है।", "hin_Deva"),
        ("答案是负3。", "zho_Hans"),
        ("答案是负三。", "zho_Hans"),
        ("答えはマイナス3です。", "jpn_Jpan"),
        ("답은 마이너스 3입니다.", "kor_Hang"),
        ("คำตอบคือลบ 3", "tha_Thai"),
        ("คำตอบคือ ลบ 3", "tha_Thai"),
        ("Jibu ni hasi 3.", "swh_Latn"),
        ("Jawabannya adalah minus 3.", "ind_Latn"),
        ("Jawapannya ialah negatif 3.", "zsm_Latn"),
        ("Đáp án là âm 3.", "vie_Latn"),
        (r"\boxed{minus 3}", "eng_Latn"),
    ] {
        assert_eq!(answered(text, language).as_deref(), Some("-3"), "{text}");
    }
    let values = |text: &str, language: &str| -> Vec<String> {
        said(text, language).into_iter().map(|(_, normal, _)| normal).collect()
    };
    assert_eq!(values("现在是零下5度", "zho_Hans"), ["-5"]);
    // What is subtracted or counted so is not negative.
    for (text, language, wanted) in [
        ("12 minus 5 is 7", "eng_Latn", vec!["12", "5", "7"]),
        ("Income minus 5", "eng_Latn", vec!["5"]),
        ("3胜2负5平", "zho_Hans", vec!["3", "2", "5"]),
        ("Hay al menos 5.", "spa_Latn", vec!["5"]),
    ] {
        assert_eq!(values(text, language), wanted, "{text}");
    }
    assert_eq!(number("minus 3", "eng_Latn"), Ok((-3).into()));
}

#[test]
fn an_answer_is_never_the_beginning_of_an_expression() {
    let mut wrong = Vec::new();
    for (told, wanted) in [
        ("10^3", Some("1000")),
        ("$10^3$", Some("1000")),
        (r"$\sqrt{16}$", Some("4")),
        (r"\sqrt{16}", Some("4")),
        ("2 * 5", Some("10")),
        ("2 × 5 apples", Some("10")),
        ("3/4 of 8, that is 6", Some("6")),
        ("1.5e3", Some("1500")),
        ("2e-1", Some("1/5")),
        ("20 - 5", Some("15")),
        ("3 + 4 = 7", Some("7")),
        ("$5/hour", Some("5")),
        ("17 – Alice has them", Some("17")),
        ("17 books", Some("17")),
        ("15%", Some("3/20")),
        ("60 km/h", Some("60")),
        ("2 1/2 cups", Some("5/2")),
        ("3/4", Some("3/4")),
        ("29 and we are done", Some("29")),
        ("5, 3 + 4 = 7 confirms it", Some("5")),
        ("isn't 5", None),
        ("isn’t 5", None),
        ("is not 5", None),
        ("not 5", None),
        ("3/4 of the 8 slices", None),
        (r"$\sqrt{17}$", None),
        (r"$\sqrt[3]{8}$", None),
        ("10-20", None),
        ("10 – 20", None),
        ("3:1", None),
        ("5 or 6", None),
        ("5, 6 and 7", None),
        ("5 hours and 30 minutes", None),
        ("5 minus 3", None),
        ("5 apples times 3", None),
        ("3 squared", None),
        ("2 and a half", None),
        ("5 dozen", None),
        ("twice 5", None),
        ("the square root of 16", None),
        ("sqrt(16)", None),
        ("f(3)", None),
        ("at least 5", None),
        ("5 ± 2", None),
        ("7 % 4", None),
        ("5x", None),
        ("20 - tax", None),
        ("1,5", None),
    ] {
        let found = answered(&format!("The answer is {told}."), "eng_Latn");
        if found.as_deref() != wanted {
            wrong.push((told, found));
        }
    }
    assert_eq!(wrong, []);
    for (text, language) in [
        ("La respuesta no es 5.", "spa_Latn"),
        ("La réponse n'est pas 5.", "fra_Latn"),
        ("Die Antwort ist nicht 5.", "deu_Latn"),
        ("उत्तर 5 नहीं है।", "hin_Deva"),
        ("答えは5ではない。", "jpn_Jpan"),
        ("답은 5가 아닙니다.", "kor_Hang"),
        ("答案不是5。", "zho_Hans"),
        ("คำตอบไม่ใช่ 5", "tha_Thai"),
        ("Jibu si 5.", "swh_Latn"),
        ("答案是5加3。", "zho_Hans"),
        ("La respuesta es 5 por 3.", "spa_Latn"),
    ] {
        assert_eq!(answered(text, language), None, "{text}");
    }
    // What is told last and cannot be read leaves no older answer standing.
    for last in ["1,5", "5 or 6", "x + 3"] {
        assert_eq!(answered(&format!("The answer is 12. No, the answer is {last}."), "eng_Latn"), None, "{last}");
    }
    assert_eq!(answered("The answer is 12. The answer is not 5.", "eng_Latn").as_deref(), Some("12"));
    assert_eq!(answer_value("10^3", "eng_Latn"), Some(1000.into()));
    assert_eq!(answer_value("between 10 and 20", "eng_Latn"), Some(20.into()));
}

#[test]
fn a_middle_dot_behind_a_number_ends_its_sentence() {
    let values =
        |text: &str| -> Vec<String> { said(text, "eng_Latn").into_iter().map(|(_, normal, _)| normal).collect() };
    assert_eq!(values("９ － ７ ＝ ２· ２ ＋ ８ ＝ １０·"), ["9 - 7 = 2", "2 + 8 = 10"]);
    assert_eq!(values("2 · 3 = 6. 2·4 = 8."), ["2 * 3 = 6", "2 * 4 = 8"]);
    assert_eq!(values("$2· 3 = 6$"), ["2 * 3 = 6"]);
}
