//! Russian: case, gender, animacy; after 2-4 the genitive singular, after 5 the genitive plural.

use super::{
    Rendered,
    Role::{Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::ASCII,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Phrase},
};

/// Nominative, genitive, dative, accusative.
const NAMES: [[&str; 4]; 16] = [
    ["Анна", "Анны", "Анне", "Анну"],
    ["Мария", "Марии", "Марии", "Марию"],
    ["Ольга", "Ольги", "Ольге", "Ольгу"],
    ["Ирина", "Ирины", "Ирине", "Ирину"],
    ["Елена", "Елены", "Елене", "Елену"],
    ["Татьяна", "Татьяны", "Татьяне", "Татьяну"],
    ["Наталья", "Натальи", "Наталье", "Наталью"],
    ["Светлана", "Светланы", "Светлане", "Светлану"],
    ["Иван", "Ивана", "Ивану", "Ивана"],
    ["Пётр", "Петра", "Петру", "Петра"],
    ["Павел", "Павла", "Павлу", "Павла"],
    ["Сергей", "Сергея", "Сергею", "Сергея"],
    ["Дмитрий", "Дмитрия", "Дмитрию", "Дмитрия"],
    ["Андрей", "Андрея", "Андрею", "Андрея"],
    ["Михаил", "Михаила", "Михаилу", "Михаила"],
    ["Николай", "Николая", "Николаю", "Николая"],
];

/// Whether feminine; nominative, accusative, genitive singular; genitive plural.
const NOUNS: [(bool, [&str; 4]); 16] = [
    (true, ["кошка", "кошку", "кошки", "кошек"]),
    (true, ["собака", "собаку", "собаки", "собак"]),
    (true, ["лошадь", "лошадь", "лошади", "лошадей"]),
    (true, ["птица", "птицу", "птицы", "птиц"]),
    (true, ["рыба", "рыбу", "рыбы", "рыб"]),
    (true, ["корова", "корову", "коровы", "коров"]),
    (true, ["коза", "козу", "козы", "коз"]),
    (false, ["кролик", "кролика", "кролика", "кроликов"]),
    (true, ["книга", "книгу", "книги", "книг"]),
    (false, ["банан", "банан", "банана", "бананов"]),
    (true, ["шляпа", "шляпу", "шляпы", "шляп"]),
    (false, ["мяч", "мяч", "мяча", "мячей"]),
    (true, ["чашка", "чашку", "чашки", "чашек"]),
    (true, ["корзина", "корзину", "корзины", "корзин"]),
    (true, ["лампа", "лампу", "лампы", "ламп"]),
    (false, ["ключ", "ключ", "ключа", "ключей"]),
];

/// Masculine, feminine, feminine accusative, masculine genitive, nominative plural, genitive plural.
const COLOURS: [[&str; 6]; 6] = [
    ["красный", "красная", "красную", "красного", "красные", "красных"],
    ["синий", "синяя", "синюю", "синего", "синие", "синих"],
    ["зелёный", "зелёная", "зелёную", "зелёного", "зелёные", "зелёных"],
    ["жёлтый", "жёлтая", "жёлтую", "жёлтого", "жёлтые", "жёлтых"],
    ["чёрный", "чёрная", "чёрную", "чёрного", "чёрные", "чёрных"],
    ["белый", "белая", "белую", "белого", "белые", "белых"],
];
const PLACES: [&str; 8] = ["в деревне", "в городе", "в лесу", "на рынке", "в школе", "в саду", "в замке", "в порту"];

fn colour(what: &Phrase, form: usize) -> &'static str {
    COLOURS[what.colour.index()][form]
}

/// Number, colour and noun; `object` asks for the accusative.
fn phrase(what: &Phrase, object: bool) -> [(super::Role, &'static str); 3] {
    let (feminine, [nominative, accusative, genitive, many]) = NOUNS[what.noun.index()];
    let living = object && what.noun.animate();
    let (number, colour, noun) = match (what.number, feminine) {
        (1, true) if object => ("", colour(what, 2), accusative),
        (1, true) => ("", colour(what, 1), nominative),
        (1, false) => ("", colour(what, if living { 3 } else { 0 }), if object { accusative } else { nominative }),
        (n @ 2..=4, _) if living => (["двух", "трёх", "четырёх"][usize::from(n) - 2], colour(what, 5), many),
        (n @ 2..=4, true) => (["две", "три", "четыре"][usize::from(n) - 2], colour(what, 4), genitive),
        (n @ 2..=4, false) => (["два", "три", "четыре"][usize::from(n) - 2], colour(what, 5), genitive),
        _ => ("пять", colour(what, 5), many),
    };
    [(Number, number), (Colour, colour), (Noun, noun)]
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()][0]), (Verb, "живёт"), (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()][0]), (Verb, "работает"), (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            Rendered::new(".", [(Subject, NAMES[who.index()][0]), (Verb, "знает"), (Recipient, NAMES[whom.index()][3])])
        }
        Meaning::Own { who, what } => {
            let [number, colour, noun] = phrase(what, false);
            let owner = format!("у {}", NAMES[who.index()][1]);
            Rendered::new(".", [(Subject, &owner), (Verb, "есть"), number, colour, noun])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = if matches!(meaning, Meaning::See { .. }) { "видит" } else { "покупает" };
            let [number, colour, noun] = phrase(what, true);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()][0]), (Verb, verb), place, number, colour, noun])
        }
        Meaning::Give { who, what, whom } => {
            let [number, colour, noun] = phrase(what, true);
            let to = (Recipient, NAMES[whom.index()][2]);
            Rendered::new(".", [(Subject, NAMES[who.index()][0]), (Verb, "даёт"), to, number, colour, noun])
        }
        Meaning::At { colour: of, noun, place } => {
            let (feminine, [nominative, ..]) = NOUNS[noun.index()];
            let colour = COLOURS[of.index()][usize::from(feminine)];
            Rendered::new(".", [(Colour, colour), (Noun, nominative), (Place, PLACES[place.index()])])
        }
        Meaning::WhoHas { what } => {
            let [number, colour, noun] = phrase(what, false);
            Rendered::new("?", [(Question, "у кого"), (Verb, "есть"), number, colour, noun])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("?", [(Question, "где"), (Verb, "живёт"), (Subject, NAMES[who.index()][0])])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()][0])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}

/// The noun behind a number in digits: 21 кролик, 3 кролика, 5 кроликов; of living beings the accusative of 2 to 4 is the genitive
/// plural, but not of 22 and the like.
fn counted(noun: crate::lab::world::Noun, number: u8, object: bool) -> &'static str {
    let [nominative, accusative, genitive, many] = NOUNS[noun.index()].1;
    match (number % 100, number % 10) {
        (11..=14, _) => many,
        (_, 1) if object => accusative,
        (_, 1) => nominative,
        (2..=4, _) if object && noun.animate() => many,
        (_, 2..=4) => genitive,
        _ => many,
    }
}

pub(super) fn tell(line: &Line) -> Written {
    match line {
        Line::Has { who, number, noun } => {
            let owner = format!("у {}", NAMES[who.index()][1]);
            Written::new(".", [&owner, "есть", &ASCII.write(*number), counted(*noun, *number, false)])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, to) = match event {
                Event::Buy => ("покупает", ""),
                Event::Find => ("находит", ""),
                Event::Give { whom } => ("даёт", NAMES[whom.index()][2]),
                Event::Lose => ("теряет", ""),
            };
            let noun = counted(*noun, *amount, true);
            Written::new(".", [NAMES[who.index()][0], verb, to, &ASCII.write(*amount), noun])
        }
        Line::Says { who, number } => Written::new(".", [NAMES[who.index()][0], "говорит", &ASCII.write(*number)]),
        Line::HowMany { who, noun } => {
            let owner = format!("у {}", NAMES[who.index()][1]);
            Written::new("?", ["сколько", NOUNS[noun.index()].1[3], &owner])
        }
        Line::Answer { number } => Written::new(".", ["ответ равен", &ASCII.write(*number)]),
        Line::Equation { left, adds, right, result } => ASCII.equation([*left, *right, *result], *adds, "."),
    }
}
