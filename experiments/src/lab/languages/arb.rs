//! Modern Standard Arabic, unvocalised: dual, gender polarity of 3-5, plurals of things agreeing as feminine singular, the
//! accusative where it shows in writing. The names are diptotes, so they never take an ending that is written.

use super::{
    Rendered,
    Role::{Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::ARABIC,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Person, Phrase},
};

const NAMES: [&str; 16] = [
    "مريم",
    "فاطمة",
    "ليلى",
    "سارة",
    "زينب",
    "سلمى",
    "عائشة",
    "خديجة",
    "أحمد",
    "إبراهيم",
    "يوسف",
    "يعقوب",
    "داود",
    "سليمان",
    "عثمان",
    "عمر",
];
/// Whether feminine; singular, accusative singular, dual, accusative dual, plural.
const NOUNS: [(bool, [&str; 5]); 16] = [
    (true, ["قطة", "قطة", "قطتان", "قطتين", "قطط"]),
    (false, ["كلب", "كلبا", "كلبان", "كلبين", "كلاب"]),
    (false, ["حصان", "حصانا", "حصانان", "حصانين", "أحصنة"]),
    (false, ["طائر", "طائرا", "طائران", "طائرين", "طيور"]),
    (true, ["سمكة", "سمكة", "سمكتان", "سمكتين", "سمكات"]),
    (true, ["بقرة", "بقرة", "بقرتان", "بقرتين", "بقرات"]),
    (true, ["عنزة", "عنزة", "عنزتان", "عنزتين", "عنزات"]),
    (false, ["أرنب", "أرنبا", "أرنبان", "أرنبين", "أرانب"]),
    (false, ["كتاب", "كتابا", "كتابان", "كتابين", "كتب"]),
    (true, ["موزة", "موزة", "موزتان", "موزتين", "موزات"]),
    (true, ["قبعة", "قبعة", "قبعتان", "قبعتين", "قبعات"]),
    (true, ["كرة", "كرة", "كرتان", "كرتين", "كرات"]),
    (false, ["كوب", "كوبا", "كوبان", "كوبين", "أكواب"]),
    (true, ["سلة", "سلة", "سلتان", "سلتين", "سلال"]),
    (false, ["مصباح", "مصباحا", "مصباحان", "مصباحين", "مصابيح"]),
    (false, ["مفتاح", "مفتاحا", "مفتاحان", "مفتاحين", "مفاتيح"]),
];
/// Masculine: singular, dual, accusative dual; feminine: the same.
const COLOURS: [[&str; 6]; 6] = [
    ["أحمر", "أحمران", "أحمرين", "حمراء", "حمراوان", "حمراوين"],
    ["أزرق", "أزرقان", "أزرقين", "زرقاء", "زرقاوان", "زرقاوين"],
    ["أخضر", "أخضران", "أخضرين", "خضراء", "خضراوان", "خضراوين"],
    ["أصفر", "أصفران", "أصفرين", "صفراء", "صفراوان", "صفراوين"],
    ["أسود", "أسودان", "أسودين", "سوداء", "سوداوان", "سوداوين"],
    ["أبيض", "أبيضان", "أبيضين", "بيضاء", "بيضاوان", "بيضاوين"],
];
const PLACES: [&str; 8] =
    ["في القرية", "في المدينة", "في الغابة", "في السوق", "في المدرسة", "في الحديقة", "في القلعة", "في الميناء"];
/// Three, four, five before a masculine and before a feminine noun.
const NUMBERS: [[&str; 2]; 3] = [["ثلاثة", "ثلاث"], ["أربعة", "أربع"], ["خمسة", "خمس"]];

/// Number, noun, colour; `object` asks for the accusative.
fn phrase(what: &Phrase, object: bool) -> [(super::Role, &'static str); 3] {
    let (feminine, nouns) = NOUNS[what.noun.index()];
    let colours = COLOURS[what.colour.index()];
    let (gender, case) = (usize::from(feminine) * 3, usize::from(object));
    let (number, noun, colour) = match what.number {
        1 => ("", nouns[case], colours[gender]),
        2 => ("", nouns[2 + case], colours[gender + 1 + case]),
        n => (NUMBERS[usize::from(n) - 3][usize::from(feminine)], nouns[4], colours[3]),
    };
    [(Number, number), (Noun, noun), (Colour, colour)]
}

fn verb(who: Person, feminine: &'static str, masculine: &'static str) -> (super::Role, &'static str) {
    (Verb, if who.feminine() { feminine } else { masculine })
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            let verb = verb(*who, "تعيش", "يعيش");
            Rendered::new(".", [(Subject, NAMES[who.index()]), verb, (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            let verb = verb(*who, "تعمل", "يعمل");
            Rendered::new(".", [(Subject, NAMES[who.index()]), verb, (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            let verb = verb(*who, "تعرف", "يعرف");
            Rendered::new(".", [(Subject, NAMES[who.index()]), verb, (Recipient, NAMES[whom.index()])])
        }
        Meaning::Own { who, what } => {
            let [number, noun, colour] = phrase(what, false);
            Rendered::new(".", [(Verb, "لدى"), (Subject, NAMES[who.index()]), number, noun, colour])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let sees = matches!(meaning, Meaning::See { .. });
            let verb = if sees { verb(*who, "ترى", "يرى") } else { verb(*who, "تشتري", "يشتري") };
            let [number, noun, colour] = phrase(what, true);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), verb, number, noun, colour, place])
        }
        Meaning::Give { who, what, whom } => {
            let verb = verb(*who, "تعطي", "يعطي");
            let [number, noun, colour] = phrase(what, true);
            let to = (Recipient, NAMES[whom.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), verb, to, number, noun, colour])
        }
        Meaning::At { colour, noun, place } => {
            let (feminine, [singular, ..]) = NOUNS[noun.index()];
            let noun = format!("ال{singular}");
            let colour = format!("ال{}", COLOURS[colour.index()][usize::from(feminine) * 3]);
            Rendered::new(".", [(Noun, &noun), (Colour, &colour), (Place, PLACES[place.index()])])
        }
        Meaning::WhoHas { what } => {
            let [number, noun, colour] = phrase(what, false);
            Rendered::new("؟", [(Question, "من"), (Verb, "لديه"), number, noun, colour])
        }
        Meaning::WhereLives { who } => {
            let verb = verb(*who, "تعيش", "يعيش");
            Rendered::new("؟", [(Question, "أين"), verb, (Subject, NAMES[who.index()])])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}

/// The noun behind a number in digits: the plural after 3 to 10, the accusative singular after 11 to 99.
fn counted(noun: crate::lab::world::Noun, number: u8) -> &'static str {
    NOUNS[noun.index()].1[if number % 100 > 10 { 1 } else { 4 }]
}

pub(super) fn tell(line: &Line) -> Written {
    match line {
        Line::Has { who, number, noun } => {
            Written::new(".", ["لدى", NAMES[who.index()], &ARABIC.write(*number), counted(*noun, *number)])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let ((_, verb), to) = match event {
                Event::Buy => (verb(*who, "تشتري", "يشتري"), ""),
                Event::Find => (verb(*who, "تجد", "يجد"), ""),
                Event::Give { whom } => (verb(*who, "تعطي", "يعطي"), NAMES[whom.index()]),
                Event::Lose => (verb(*who, "تفقد", "يفقد"), ""),
            };
            let noun = counted(*noun, *amount);
            Written::new(".", [NAMES[who.index()], verb, to, &ARABIC.write(*amount), noun])
        }
        Line::Says { who, number } => {
            let (_, verb) = verb(*who, "تقول", "يقول");
            Written::new(".", [NAMES[who.index()], verb, &ARABIC.write(*number)])
        }
        Line::HowMany { who, noun } => Written::new("؟", ["كم", NOUNS[noun.index()].1[1], "لدى", NAMES[who.index()]]),
        Line::Answer { number } => Written::new(".", ["الجواب هو", &ARABIC.write(*number)]),
        Line::Equation { left, adds, right, result } => ARABIC.equation([*left, *right, *result], *adds, "."),
    }
}
