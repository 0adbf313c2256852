//! Thai: noun, colour, number, classifier; no spaces between words, no full stop.

use super::{
    Rendered,
    Role::{Classifier, Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::THAI,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Phrase},
};

const NAMES: [&str; 16] = [
    "มาลี",
    "สมศรี",
    "นิดา",
    "วรรณา",
    "อรุณี",
    "สุดา",
    "ปราณี",
    "กานดา",
    "สมชาย",
    "วิชัย",
    "ประเสริฐ",
    "สมศักดิ์",
    "อนันต์",
    "มานะ",
    "ธนา",
    "สุรชัย",
];
/// Noun, classifier.
const NOUNS: [(&str, &str); 16] = [
    ("แมว", "ตัว"),
    ("หมา", "ตัว"),
    ("ม้า", "ตัว"),
    ("นก", "ตัว"),
    ("ปลา", "ตัว"),
    ("วัว", "ตัว"),
    ("แพะ", "ตัว"),
    ("กระต่าย", "ตัว"),
    ("หนังสือ", "เล่ม"),
    ("กล้วย", "ลูก"),
    ("หมวก", "ใบ"),
    ("ลูกบอล", "ลูก"),
    ("ถ้วย", "ใบ"),
    ("ตะกร้า", "ใบ"),
    ("โคมไฟ", "ดวง"),
    ("กุญแจ", "ดอก"),
];
const COLOURS: [&str; 6] = ["สีแดง", "สีน้ำเงิน", "สีเขียว", "สีเหลือง", "สีดำ", "สีขาว"];
const PLACES: [&str; 8] = ["ในหมู่บ้าน", "ในเมือง", "ในป่า", "ในตลาด", "ในโรงเรียน", "ในสวน", "ในปราสาท", "ที่ท่าเรือ"];
const NUMBERS: [&str; 5] = ["หนึ่ง", "สอง", "สาม", "สี่", "ห้า"];

pub(super) fn render(meaning: &Meaning) -> Rendered {
    let number = |what: &Phrase| (Number, NUMBERS[usize::from(what.number) - 1]);
    let classifier = |what: &Phrase| (Classifier, NOUNS[what.noun.index()].1);
    let phrase = |what: &Phrase| [(Noun, NOUNS[what.noun.index()].0), (Colour, COLOURS[what.colour.index()])];
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new("", [(Subject, NAMES[who.index()]), (Verb, "อาศัยอยู่"), (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new("", [(Subject, NAMES[who.index()]), (Verb, "ทำงาน"), (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            Rendered::new("", [(Subject, NAMES[who.index()]), (Verb, "รู้จัก"), (Recipient, NAMES[whom.index()])])
        }
        Meaning::Own { who, what } => {
            let [noun, colour] = phrase(what);
            Rendered::new(
                "",
                [(Subject, NAMES[who.index()]), (Verb, "มี"), noun, colour, number(what), classifier(what)],
            )
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = (Verb, if matches!(meaning, Meaning::See { .. }) { "เห็น" } else { "ซื้อ" });
            let [noun, colour] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(
                "",
                [(Subject, NAMES[who.index()]), verb, noun, colour, number(what), classifier(what), place],
            )
        }
        Meaning::Give { who, what, whom } => {
            let [noun, colour] = phrase(what);
            let to = format!("แก่{}", NAMES[whom.index()]);
            Rendered::new(
                "",
                [
                    (Subject, NAMES[who.index()]),
                    (Verb, "ให้"),
                    noun,
                    colour,
                    number(what),
                    classifier(what),
                    (Recipient, &to),
                ],
            )
        }
        Meaning::At { colour, noun, place } => Rendered::new(
            "",
            [
                (Noun, NOUNS[noun.index()].0),
                (Colour, COLOURS[colour.index()]),
                (Verb, "อยู่"),
                (Place, PLACES[place.index()]),
            ],
        ),
        Meaning::WhoHas { what } => {
            let [noun, colour] = phrase(what);
            Rendered::new("", [(Question, "ใคร"), (Verb, "มี"), noun, colour, number(what), classifier(what)])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("", [(Subject, NAMES[who.index()]), (Verb, "อาศัยอยู่"), (Question, "ที่ไหน")])
        }
        Meaning::Name { who } => Rendered::new("", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new("", [(Place, PLACES[place.index()])]),
    }
}

/// Every line of a problem is a line of text: without a full stop nothing else would part the number at the end of one equation from
/// the number at the beginning of the next.
const LINE: &str = "\n";

pub(super) fn tell(line: &Line) -> Written {
    match line {
        Line::Has { who, number, noun } => {
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new(LINE, [NAMES[who.index()], "มี", noun, &THAI.write(*number), classifier])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, away, to) = match event {
                Event::Buy => ("ซื้อ", "", String::new()),
                Event::Find => ("พบ", "", String::new()),
                Event::Give { whom } => ("ให้", "", format!("แก่{}", NAMES[whom.index()])),
                Event::Lose => ("ทำ", "หาย", String::new()),
            };
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new(LINE, [NAMES[who.index()], verb, noun, away, &THAI.write(*amount), classifier, &to])
        }
        Line::Says { who, number } => Written::new(LINE, [NAMES[who.index()], "บอกว่า", &THAI.write(*number)]),
        Line::HowMany { who, noun } => {
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new(LINE, [NAMES[who.index()], "มี", noun, "กี่", classifier])
        }
        Line::Answer { number } => Written::new(LINE, ["คำตอบคือ", &THAI.write(*number)]),
        Line::Equation { left, adds, right, result } => THAI.equation([*left, *right, *result], *adds, LINE),
    }
}
