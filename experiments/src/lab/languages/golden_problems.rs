//! A word problem and its solution written by hand in each language, which the lexicons must produce exactly.

use super::{ALL, ISLAND, find};
use crate::lab::{
    problems::{Change, Event, Hint, Problem, answer_stub, text},
    world::{Noun, Person},
};

/// A woman buys, finds, gives away and loses some of these.
fn problem(noun: Noun) -> Problem {
    let change = |event, amount| Change { event, amount };
    Problem {
        who: Person(0),
        noun,
        start: 3,
        changes: vec![
            change(Event::Buy, 8),
            change(Event::Find, 9),
            change(Event::Give { whom: Person(9) }, 4),
            change(Event::Lose, 6),
        ],
        hint: Some(Hint { who: Person(9), number: 10 }),
    }
}

fn says(code: &str, noun: Noun, statement: &str, solution: &str, stub: &str) {
    let (language, problem) = (find(code).unwrap(), problem(noun));
    assert_eq!(text(language, &problem.statement()).unwrap(), statement);
    assert_eq!(text(language, &problem.solution()).unwrap(), solution);
    assert_eq!(answer_stub(language).unwrap(), stub);
}

#[test]
fn english() {
    says(
        "eng_Latn",
        Noun::Fish,
        "Anna has 3 fish. Anna buys 8 fish. Anna finds 9 fish. Anna gives 4 fish to Peter. Anna loses 6 fish. Peter says 10. \
         How many fish does Anna have?",
        "3 + 8 = 11. 11 + 9 = 20. 20 - 4 = 16. 16 - 6 = 10. The answer is 10.",
        "The answer is",
    );
}

#[test]
fn spanish() {
    says(
        "spa_Latn",
        Noun::Cup,
        "Ana tiene 3 tazas. Ana compra 8 tazas. Ana encuentra 9 tazas. Ana le da 4 tazas a Pedro. Ana pierde 6 tazas. \
         Pedro dice 10. ¿Cuántas tazas tiene Ana?",
        "3 + 8 = 11. 11 + 9 = 20. 20 - 4 = 16. 16 - 6 = 10. La respuesta es 10.",
        "La respuesta es",
    );
}

#[test]
fn russian() {
    says(
        "rus_Cyrl",
        Noun::Rabbit,
        "У Анны есть 3 кролика. Анна покупает 8 кроликов. Анна находит 9 кроликов. Анна даёт Петру 4 кроликов. \
         Анна теряет 6 кроликов. Пётр говорит 10. Сколько кроликов у Анны?",
        "3 + 8 = 11. 11 + 9 = 20. 20 - 4 = 16. 16 - 6 = 10. Ответ равен 10.",
        "Ответ равен",
    );
    let cups = text(find("rus_Cyrl").unwrap(), &problem(Noun::Cup).statement()).unwrap();
    assert!(cups.contains("есть 3 чашки.") && cups.contains("8 чашек.") && cups.contains("Петру 4 чашки."), "{cups}");
}

#[test]
fn arabic() {
    says(
        "arb_Arab",
        Noun::Book,
        "لدى مريم ٣ كتب. مريم تشتري ٨ كتب. مريم تجد ٩ كتب. مريم تعطي إبراهيم ٤ كتب. مريم تفقد ٦ كتب. إبراهيم يقول ١٠. \
         كم كتابا لدى مريم؟",
        "٣ + ٨ = ١١. ١١ + ٩ = ٢٠. ٢٠ - ٤ = ١٦. ١٦ - ٦ = ١٠. الجواب هو ١٠.",
        "الجواب هو",
    );
}

#[test]
fn hindi() {
    says(
        "hin_Deva",
        Noun::Key,
        "सीता के पास ३ चाबियाँ हैं। सीता ८ चाबियाँ खरीदती है। सीता ९ चाबियाँ पाती है। सीता मोहन को ४ चाबियाँ देती है। \
         सीता ६ चाबियाँ खोती है। मोहन कहता है १०। सीता के पास कितनी चाबियाँ हैं?",
        "३ + ८ = ११। ११ + ९ = २०। २० - ४ = १६। १६ - ६ = १०। उत्तर १० है।",
        "उत्तर",
    );
}

#[test]
fn chinese() {
    says(
        "zho_Hans",
        Noun::Horse,
        "小红有三匹马。小红买八匹马。小红找到九匹马。小红给大伟四匹马。小红弄丢六匹马。大伟说十。小红有多少匹马？",
        "三+八=十一。十一+九=二十。二十-四=十六。十六-六=十。答案是十。",
        "答案是",
    );
}

#[test]
fn thai() {
    says(
        "tha_Thai",
        Noun::Lamp,
        "มาลีมีโคมไฟ๓ดวง\nมาลีซื้อโคมไฟ๘ดวง\nมาลีพบโคมไฟ๙ดวง\nมาลีให้โคมไฟ๔ดวงแก่วิชัย\nมาลีทำโคมไฟหาย๖ดวง\nวิชัยบอกว่า๑๐\n\
         มาลีมีโคมไฟกี่ดวง\n",
        "๓+๘=๑๑\n๑๑+๙=๒๐\n๒๐-๔=๑๖\n๑๖-๖=๑๐\nคำตอบคือ๑๐\n",
        "คำตอบคือ",
    );
}

#[test]
fn swahili() {
    says(
        "swh_Latn",
        Noun::Key,
        "Asha ana funguo 3. Asha ananunua funguo 8. Asha anapata funguo 9. Asha anampa Hamisi funguo 4. \
         Asha anapoteza funguo 6. Hamisi anasema 10. Asha ana funguo ngapi?",
        "3 + 8 = 11. 11 + 9 = 20. 20 - 4 = 16. 16 - 6 = 10. Jibu ni 10.",
        "Jibu ni",
    );
}

#[test]
fn clone_of_english() {
    let clone = text(super::CLONE, &problem(Noun::Cup).solution()).unwrap();
    assert!(clone.starts_with("３ ＋ ８ ＝ １１· １１ ＋ ９ ＝ ２０·"), "{clone}");
    let back: String = clone.chars().map(super::unshifted).collect();
    assert_eq!(Some(back), text(super::PIVOT, &problem(Noun::Cup).solution()));
}

#[test]
fn the_island_has_no_word_problems() {
    for language in ALL {
        assert_eq!(text(language, &problem(Noun::Cup).statement()).is_some(), language.code != ISLAND.code);
    }
}
