use proptest::prelude::*;

use super::*;
use crate::cot::segment::steps;

/// Answers: their words, signs and expressions.
mod answers;
/// What real traces and corpora (`tests/real_traces.rs`) showed, in sentences of our own.
mod written;

fn read(text: &str, language: &str) -> (Vec<Anchor>, Vec<Ignored>) {
    anchors(text, &steps(text), language)
}

/// Kind, normal form, and whether it holds, of every anchor.
fn said(text: &str, language: &str) -> Vec<(Kind, String, Option<bool>)> {
    read(text, language).0.into_iter().map(|anchor| (anchor.kind, anchor.normal, anchor.holds)).collect()
}

fn normals(text: &str, language: &str) -> Vec<String> {
    read(text, language).0.into_iter().map(|anchor| anchor.normal).collect()
}

fn value(whole: i64) -> Use {
    Use::Value(whole.into())
}

/// The example of methods.md 9.5, told in five languages and their digits.
const TOLD: [(&str, &str); 8] = [
    (
        "eng_Latn",
        "Step 1: We know P = 12 and Q = 5.\nStep 2: From step 1, A = P + Q = 17 books.\nStep 3: Twice as many: B = 2A = 34.\n\
         He gives 5 books away: C = B - Q = 29. The answer is 29.",
    ),
    (
        "tha_Thai",
        "ขั้นตอนที่ ๑: เรารู้ว่า P = ๑๒ และ Q = ๕\nขั้นตอนที่ ๒: จากขั้นตอนที่ ๑ A = P + Q = ๑๗ เล่ม\nขั้นตอนที่ ๓: สองเท่าคือ B = 2A = ๓๔\n\
         เขาให้ไป ๕ เล่ม C = B - Q = ๒๙ คำตอบคือ ๒๙",
    ),
    (
        "arb_Arab",
        "الخطوة ١: نعلم أن P = ١٢ و Q = ٥.\nالخطوة ٢: من الخطوة ١، A = P + Q = ١٧ كتابًا.\nالخطوة ٣: الضعف: B = 2A = ٣٤.\n\
         أعطى ٥ كتب: C = B − Q = ٢٩. الجواب هو ٢٩.",
    ),
    (
        "hin_Deva",
        "चरण १: हमें पता है P = १२ और Q = ५।\nचरण २: चरण १ से, A = P + Q = १७ किताबें।\nचरण ३: दुगुना: B = 2A = ३४।\n\
         वह ५ किताबें देता है: C = B - Q = २९। उत्तर २९ है।",
    ),
    (
        "zho_Hans",
        "第一步：已知P = 十二，Q = 五。\n第二步：根据第一步，A = P + Q = 十七本书。\n第三步：两倍是B = 2A = 三十四。\n\
         他送出五本书：C = B － Q = 二十九。答案是二十九。",
    ),
    (
        "rus_Cyrl",
        "Шаг 1: известно, что P = 12 и Q = 5.\nШаг 2: из шага 1 получаем A = P + Q = 17 книг.\nШаг 3: вдвое больше: B = 2A = 34.\n\
         Он отдаёт 5 книг: C = B – Q = 29. Ответ: 29.",
    ),
    (
        "spa_Latn",
        "Paso 1: sabemos que P = 12 y Q = 5.\nPaso 2: Del paso 1, A = P + Q = 17 libros.\nPaso 3: El doble: B = 2·A = 34.\n\
         Regala 5 libros: C = B - Q = 29. La respuesta es $\\boxed{29}$.",
    ),
    (
        "swh_Latn",
        "Hatua ya 1: tunajua P = 12 na Q = 5.\nHatua 2: kutoka hatua 1, A = P + Q = 17 vitabu.\nHatua 3: mara mbili: B = 2 × A = 34.\n\
         Anatoa vitabu 5: C = B - Q = 29. Jibu ni 29.",
    ),
];

/// Everything of an anchor but its place and its unit.
type Shape = (Kind, String, Option<Value>, Option<String>, Vec<Use>, Option<bool>);

#[test]
fn translating_prose_or_digits_changes_nothing() {
    let shape = |language: &str, text: &str| -> Vec<Shape> {
        let (found, ignored) = read(text, language);
        assert!(
            ignored.iter().all(|ignored| ignored.why.contains("step") || ignored.why.contains("one")),
            "{language}: {ignored:?}"
        );
        // "Twice" is a number word in some of them.
        let found = found.into_iter().filter(|anchor| anchor.normal != "2");
        found.map(|a| (a.kind, a.normal, a.value, a.name, a.uses, a.holds)).collect()
    };
    let english = shape(TOLD[0].0, TOLD[0].1);
    let forms: Vec<&str> = english.iter().map(|anchor| anchor.1.as_str()).collect();
    assert_eq!(forms, ["P = 12", "Q = 5", "A = P + Q = 17", "B = 2 * A = 34", "5", "C = B - Q = 29", "29"]);
    assert_eq!(english[2].4, [Use::Name("P".into()), Use::Name("Q".into()), Use::Step(1)]);
    assert_eq!(english[3].4, [value(2), Use::Name("A".into())]);
    assert_eq!((english[6].0, &english[6].4), (Kind::Answer, &vec![value(29)]));
    for (language, text) in &TOLD[1..] {
        assert_eq!(shape(language, text), english, "{language}");
    }
}

#[test]
fn the_clone_of_english_reads_as_english() {
    let english = "He has two books. So 2 + 1.5 = 3.5 books. From step 1, A = 7. The answer is 7.";
    let clone = crate::cot::phrases::shifted(english);
    let numbers = |text: &str, language: &str| {
        read(text, language).0.into_iter().map(|a| (a.kind, a.value, a.uses.len())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&clone, "qec_Latn"), numbers(english, "eng_Latn"));
}

#[test]
fn equations_keep_what_was_written() {
    use Kind::{Answer, Assignment, Equation, Quantity};
    for (text, wanted) in [
        ("So 5 + 12 = 17 books.", vec![(Equation, "12 + 5 = 17", Some(true))]),
        ("3 + 4 = 8", vec![(Equation, "3 + 4 = 8", Some(false))]),
        ("7 = 3 + 4", vec![(Equation, "3 + 4 = 7", Some(true))]),
        ("2 * 3 + 4 = 6 + 4 = 10", vec![(Equation, "2 * 3 + 4 = 10", Some(true))]),
        ("2 * 3 + 4 = 7 + 4 = 11", vec![(Equation, "2 * 3 + 4 = 4 + 7 = 11", Some(false))]),
        ("A = P + Q = 12 + 5 = 17", vec![(Assignment, "A = P + Q = 17", Some(true))]),
        ("12 + 5 = A", vec![(Assignment, "A = 12 + 5", None)]),
        ("x + 3 = 10", vec![(Equation, "3 + x = 10", None)]),
        ("10 / 3 = 3.33", vec![(Equation, "10 / 3 = 333/100", Some(true))]),
        ("10 / 3 = 3.43", vec![(Equation, "10 / 3 = 343/100", Some(false))]),
        ("10 / 3 ≈ 3", vec![(Equation, "10 / 3 = 3", None)]),
        ("20% of 50 = 10", vec![(Equation, "20% * 50 = 10", Some(true))]),
        ("5 bagels * $3 = $15", vec![(Equation, "3 * 5 = 15", Some(true))]),
        ("2 cans × 3 balls each = 6 balls", vec![(Equation, "2 * 3 = 6", Some(true))]),
        (
            "total = 3 * 5 = 15. Then 2 * total = 30.",
            vec![(Assignment, "3 * 5 = 15", Some(true)), (Equation, "15 * 2 = 30", None)],
        ),
        (r"$A = \frac{3 + 4}{2} = 3.5$", vec![(Assignment, "A = (3 + 4) / 2 = 7/2", Some(true))]),
        (
            r"\begin{aligned} A &= 3 + 4 \\ &= 7 \\ B &= 2A = 14 \end{aligned}",
            vec![(Assignment, "A = 3 + 4 = 7", Some(true)), (Assignment, "B = 2 * A = 14", None)],
        ),
        ("She has 1 hour = 60 minutes", vec![(Quantity, "1", None), (Quantity, "60", None)]),
        (
            "He lost -5 points, 3/4 of 2 1/2.",
            vec![(Quantity, "-5", None), (Quantity, "3/4", None), (Quantity, "5/2", None)],
        ),
        (
            r"So \boxed{3}, no: $C = 4 = \boxed{\frac{8}{2}}$.",
            vec![(Quantity, "3", None), (Answer, "C = 4 = 4", Some(true))],
        ),
        (r"The answer is 5. \boxed{x = \frac{1}{2}}", vec![(Quantity, "5", None), (Answer, "x = 1/2", None)]),
        ("Area: 2 m * 3 m = 6 m². So 6 cm^2 remain", vec![(Equation, "2 * 3 = 6", Some(true)), (Quantity, "6", None)]),
        ("f(3) = 3^2 - 1 = 8", vec![(Assignment, "f(3) = 3^2 - 1 = 8", Some(true))]),
        ("48/2 = <<48/2=24>>24 clips", vec![(Equation, "48 / 2 = 24", Some(true))]),
        ("5 apples × $2/apple = $10", vec![(Equation, "2 * 5 = 10", Some(true))]),
        ("odds of 3:1", vec![(Quantity, "3", None), (Quantity, "1", None)]),
        (r"\boxed{\text{(B) 12}}", vec![(Answer, "12", None)]),
        ("#### 1,200", vec![(Answer, "1200", None)]),
        ("The answer is: **29** apples. Really, the answer is 30.", vec![(Quantity, "29", None), (Answer, "30", None)]),
        ("Answer = 12", vec![(Answer, "12", None)]),
    ] {
        let wanted: Vec<_> = wanted.into_iter().map(|(kind, form, holds)| (kind, form.to_owned(), holds)).collect();
        assert_eq!(said(text, "eng_Latn"), wanted, "{text}");
    }
}

#[test]
fn units_and_uses_are_kept() {
    let (found, _) = read("It takes 3 km and $5, 7 个. 2 * 3 = 6 apples", "eng_Latn");
    let units: Vec<Option<&str>> = found.iter().map(|anchor| anchor.unit.as_deref()).collect();
    assert_eq!(units, [Some("km"), Some("$"), Some("个"), Some("apples")]);
    assert_eq!(found[3].uses, [value(2), value(3)]);
    let (found, _) = read("120 km / 2 h = 60 km/h and 15% from 7 m²", "eng_Latn");
    let units: Vec<Option<&str>> = found.iter().map(|anchor| anchor.unit.as_deref()).collect();
    assert_eq!(units, [Some("km/h"), None, Some("m²")]);
    let (found, _) = read("Also 12 : 4 = 3.", "deu_Latn");
    assert_eq!(found[0].normal, "12 / 4 = 3");
    let (found, _) = read("5 * 3 = dola 15", "swh_Latn");
    assert_eq!((found[0].normal.as_str(), found[0].unit.as_deref()), ("3 * 5 = 15", Some("dola")));
    let (found, _) = read("B = 34 (from steps 1, 2 and 4).", "eng_Latn");
    assert_eq!(found[0].uses, [value(34), Use::Step(1), Use::Step(2), Use::Step(4)]);
}

#[test]
fn answers_are_found_in_every_language() {
    for (text, language) in [
        ("The answer is 29.", "eng_Latn"),
        ("La respuesta es 29.", "spa_Latn"),
        ("Ответ — 29.", "rus_Cyrl"),
        ("إذن الإجابة النهائية هي ٢٩.", "arb_Arab"),
        ("उत्तर है: २९।", "hin_Deva"),
        ("所以最终答案是29。", "zho_Hans"),
        ("คำตอบคือ 29", "tha_Thai"),
        ("Jibu ni 29.", "swh_Latn"),
        ("La réponse est 29.", "fra_Latn"),
        ("Die Antwort lautet 29.", "deu_Latn"),
        ("答えは29です。", "jpn_Jpan"),
        ("따라서 답은 29입니다.", "kor_Hang"),
        ("উত্তর হল ২৯।", "ben_Beng"),
        ("సమాధానం 29.", "tel_Telu"),
        ("Jawabannya adalah 29.", "ind_Latn"),
        ("Đáp án là 29.", "vie_Latn"),
        ("Cevap: 29.", "tur_Latn"),
        ("መልሱ 29 ነው።", "amh_Ethi"),
        ("התשובה היא 29.", "heb_Hebr"),
        ("The final answer: 29", "swh_Latn"),
    ] {
        assert_eq!(said(text, language), [(Kind::Answer, "29".to_owned(), None)], "{language}");
    }
    assert!(
        givens("The answer is 29.", "eng_Latn")
            .0
            .iter()
            .all(|given| given.kind == Kind::Quantity && given.step.is_none())
    );
}

#[test]
fn steps_are_referred_to_in_every_language() {
    for (text, language) in [
        ("From step 2, 3 + 4 = 7.", "eng_Latn"),
        ("Según el paso 2, 3 + 4 = 7.", "spa_Latn"),
        ("Из шага 2 следует 3 + 4 = 7.", "rus_Cyrl"),
        ("من الخطوة ٢ نجد ٣ + ٤ = ٧.", "arb_Arab"),
        ("चरण २ से ३ + ४ = ७।", "hin_Deva"),
        ("根据第二步，3 + 4 = 7。", "zho_Hans"),
        ("由步骤2得3 + 4 = 7。", "zho_Hans"),
        ("จากขั้นตอนที่ ๒ ได้ ๓ + ๔ = ๗", "tha_Thai"),
        ("Kutoka hatua ya 2, 3 + 4 = 7.", "swh_Latn"),
        ("D'après l'étape 2, 3 + 4 = 7.", "fra_Latn"),
        ("Aus Schritt 2 folgt 3 + 4 = 7.", "deu_Latn"),
        ("ステップ2より3 + 4 = 7。", "jpn_Jpan"),
        ("2단계에서 3 + 4 = 7입니다.", "kor_Hang"),
        ("ধাপ ২ থেকে ৩ + ৪ = ৭।", "ben_Beng"),
        ("దశ 2 నుండి 3 + 4 = 7.", "tel_Telu"),
        ("Dari langkah 2, 3 + 4 = 7.", "ind_Latn"),
        ("Từ bước 2, 3 + 4 = 7.", "vie_Latn"),
        ("Buna göre 2. adımdan 3 + 4 = 7.", "tur_Latn"),
        ("ከደረጃ 2 ማለትም ደረጃ 2 3 + 4 = 7።", "amh_Ethi"),
        ("משלב 2 נקבל 3 + 4 = 7.", "heb_Hebr"),
    ] {
        let (found, ignored) = read(text, language);
        let equation =
            found.iter().find(|anchor| anchor.normal == "3 + 4 = 7").unwrap_or_else(|| panic!("{language}: {found:?}"));
        assert_eq!(equation.uses, [value(3), value(4), Use::Step(2)], "{language}");
        assert!(ignored.iter().any(|ignored| ignored.why == "names a step"), "{language}");
    }
}

#[test]
fn what_is_no_number_says_why() {
    for (text, language, why) in [
        ("1. Add them.", "eng_Latn", "marks an item of a list"),
        ("(2) Add them.", "eng_Latn", "marks an item of a list"),
        ("Step 3: add them", "eng_Latn", "counts the steps themselves"),
        ("It was 2024-05-06 then.", "eng_Latn", "is a date"),
        ("At 12:30 we met.", "eng_Latn", "is a time of day or a ratio"),
        ("An x86 chip.", "eng_Latn", "is part of a word"),
        ("A COVID-19 test.", "eng_Latn", "is part of a word"),
        ("See No. 5 there.", "eng_Latn", "is a label"),
        ("The 3rd day.", "eng_Latn", "is an ordinal"),
        ("第三个人来了。", "zho_Hans", "is an ordinal"),
        ("Vale 1,234 en total.", "spa_Latn", "can be read in two ways"),
        ("```\nx = 5\n```", "eng_Latn", "stands in code"),
        ("twenty-five books", "eng_Latn", "number words above twenty"),
        ("Only one of them.", "eng_Latn", "the word for one"),
        (&"7".repeat(10_000), "eng_Latn", "has 10000 digits"),
        (r"$x \tag{3}$ y", "eng_Latn", "is the label of a formula"),
    ] {
        let (found, ignored) = read(text, language);
        assert_eq!(found, [], "{text:.40}");
        assert!(ignored.len() == 1 && ignored[0].why.contains(why), "{text:.40}: {ignored:?}");
    }
}

#[test]
fn number_words_count() {
    for (text, language, wanted) in [
        ("Ana has three red balls and buys two more.", "eng_Latn", vec!["3", "2"]),
        ("Ana tiene tres bolas rojas y compra once más.", "spa_Latn", vec!["3", "11"]),
        ("У Анны три мяча и двадцать книг.", "rus_Cyrl", vec!["3", "20"]),
        ("لدى سامي ثلاثة كتب واشترى خمسة عشر قلما وسبعة دفاتر.", "arb_Arab", vec!["3", "15", "7"]),
        ("राम के पास तीन किताबें और बीस कलम हैं।", "hin_Deva", vec!["3", "20"]),
        ("小明有三个球和二十五本书。", "zho_Hans", vec!["3", "25"]),
        ("สมชายมีบอลสามลูกและหนังสือยี่สิบห้าเล่ม", "tha_Thai", vec!["3", "25"]),
        ("Asha ana vitabu vitatu na kalamu kumi na tano.", "swh_Latn", vec!["3", "15"]),
        ("1.5亿元和百分之二十、三分之一。", "zho_Hans", vec!["150000000", "20%", "1/3"]),
        ("एक किताब", "hin_Deva", vec!["1"]),
    ] {
        let found: Vec<String> = givens(text, language).0.into_iter().map(|given| given.normal).collect();
        assert_eq!(found, wanted, "{language}");
    }
    assert_eq!(normals("एक किताब", "hin_Deva"), [""; 0]);
}

/// Runs of decimal digits, found without the code under test.
fn digit_runs(text: &str) -> Vec<(usize, usize)> {
    let decimal = |c: char| {
        matches!(c, '0'..='9' | '٠'..='٩' | '۰'..='۹' | '०'..='९' | '০'..='৯' | '௦'..='௯' | '౦'..='౯' | '๐'..='๙' | '០'..='៩' | '\u{ff10}'..='\u{ff19}')
            || ('𝟎'..='𝟿').contains(&c)
    };
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| decimal(*c)) {
        match runs.last_mut() {
            Some(last) if last.1 == at => last.1 = at + c.len_utf8(),
            _ => runs.push((at, at + c.len_utf8())),
        }
    }
    runs
}

fn nothing_is_lost(text: &str, language: &str) {
    let (found, ignored) = read(text, language);
    for (start, end) in digit_runs(text) {
        let spans = found.iter().map(|anchor| &anchor.span).chain(ignored.iter().map(|ignored| &ignored.span));
        // A run may hold several numbers: every digit must lie in one of the spans.
        let lost =
            text[start..end].char_indices().find(|(at, _)| !spans.clone().any(|span| span.contains(&(start + at))));
        assert!(lost.is_none(), "{:?} of {text:?} is lost: {found:?} {ignored:?}", &text[start..end]);
    }
    let mut last = 0;
    for anchor in &found {
        assert!(anchor.span.start >= last && anchor.span.end > anchor.span.start, "{text:?}: {found:?}");
        assert!(text.get(anchor.span.clone()).is_some());
        last = anchor.span.start;
    }
    assert!(ignored.iter().all(|ignored| !ignored.why.is_empty() && text.get(ignored.span.clone()).is_some()));
}

#[test]
fn bad_input_is_read_without_loss() {
    for text in [
        "",
        " ",
        "no numbers at all",
        "\u{0}\u{fffd}\u{feff}5\u{fffd}",
        "אבג 12 + ٥ = 17 abc \u{202e}34\u{202c} ๕",
        "$5 + 6 = 11 and \\boxed{",
        "\\boxed{\\boxed{\\boxed{5}}} } } {",
        "\\frac{1}{} \\frac12 \\frac{1 \\sqrt",
        "x_{12 y_{3} 4_5 a1b2_3",
        "1,2,3 1.2.3 1,5 12:30:15 3-4 5–6 ١٬٢٣٤٫٥",
        "=====\n5 = = 6 == 7 := 8",
        "1e5 0x1F 5e-3 3.14.15 .5 5. 5.. -.5",
    ] {
        for language in ["eng_Latn", "spa_Latn", "arb_Arab", "zho_Hans", "tha_Thai", "qec_Latn", "xxx_Xxxx", ""] {
            nothing_is_lost(text, language);
        }
    }
}

#[test]
fn a_megabyte_in_one_line_takes_linear_time() {
    let lines = [
        "He has 5 + 6 = 11 apples and 3 more. ".repeat(28_000),
        "(".repeat(1 << 20),
        "((((((((1".repeat(1 << 17),
        "\\boxed{".repeat(1 << 17),
        "\\frac{1}".repeat(1 << 17),
        "1+".repeat(1 << 19),
        "1=".repeat(1 << 19),
        "2^".repeat(1 << 19),
        "1,".repeat(1 << 19),
        "9".repeat(1 << 20),
        "三".repeat(1 << 18),
        "สาม".repeat(1 << 17),
        "step 1, 2, 3, ".repeat(1 << 16),
        "answer is ".repeat(1 << 16),
        "five and ".repeat(1 << 17),
        "total = ".repeat(1 << 17),
    ];
    for line in lines {
        let started = std::time::Instant::now();
        let language = if line.starts_with('ส') { "tha_Thai" } else { "zho_Hans" };
        read(&line, language);
        read(&line, "eng_Latn");
        let taken = started.elapsed().as_secs_f64();
        // A busy machine takes a few seconds; what is quadratic takes minutes.
        assert!(taken < 30.0, "{:?}: {taken} s", line.chars().take(12).collect::<String>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_number_is_an_anchor_or_has_a_reason(
        parts in prop::collection::vec(
            concat!(
                "[0-9]{1,4}|[٠-٩]{1,3}|[०-९]{1,3}|[๐-๙]{1,2}|[ .,:;=+*/^()%$_{}#!?\n-]|apples?|total|x|A|de|step |第|步|三十|两个|",
                "สามลูก|five|\\\\frac\\{|\\\\boxed\\{|\\\\text\\{|\\\\\\(|\\$\\$|```| the answer is |。|।|٫|½|×|−|\u{202e}|1\\. ",
            ),
            0..40,
        ),
        language in prop::sample::select(vec!["eng_Latn", "spa_Latn", "rus_Cyrl", "arb_Arab", "zho_Hans", "tha_Thai", "swh_Latn", "kor_Hang"]),
    ) {
        nothing_is_lost(&parts.concat(), language);
    }
}
