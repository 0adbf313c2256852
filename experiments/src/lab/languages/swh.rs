//! Swahili: noun classes and their concords; animals agree as persons whatever class their name belongs to; the place is the
//! locative in *-ni*. The language with few resources.

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

const NAMES: [&str; 16] = [
    "Asha", "Zuhura", "Neema", "Rehema", "Amina", "Halima", "Mwajuma", "Saida", "Juma", "Hamisi", "Baraka", "Musa",
    "Rashidi", "Salim", "Omari", "Bakari",
];

/// Concords: adjective of vowel stems in singular and plural, connective in singular and plural, numbers 1-5, "how many", "is
/// (there)".
struct Class {
    adjective: [&'static str; 2],
    connective: [&'static str; 2],
    numbers: [&'static str; 5],
    how_many: &'static str,
    is: &'static str,
}

/// Classes 1/2: living beings.
const LIVING: Class = Class {
    adjective: ["mw", "w"],
    connective: ["wa", "wa"],
    numbers: ["mmoja", "wawili", "watatu", "wanne", "watano"],
    how_many: "wangapi",
    is: "yuko",
};
/// Classes 3/4.
const TREES: Class = Class {
    adjective: ["mw", "my"],
    connective: ["wa", "ya"],
    numbers: ["mmoja", "miwili", "mitatu", "minne", "mitano"],
    how_many: "mingapi",
    is: "uko",
};
/// Classes 7/8.
const TOOLS: Class = Class {
    adjective: ["ch", "vy"],
    connective: ["cha", "vya"],
    numbers: ["kimoja", "viwili", "vitatu", "vinne", "vitano"],
    how_many: "vingapi",
    is: "kiko",
};
/// Classes 9/10.
const LOANS: Class = Class {
    adjective: ["ny", "ny"],
    connective: ["ya", "za"],
    numbers: ["moja", "mbili", "tatu", "nne", "tano"],
    how_many: "ngapi",
    is: "iko",
};
/// Classes 11/10.
const LONG: Class = Class {
    adjective: ["mw", "ny"],
    connective: ["wa", "za"],
    numbers: ["mmoja", "mbili", "tatu", "nne", "tano"],
    how_many: "ngapi",
    is: "uko",
};

/// Singular, plural, class of agreement.
const NOUNS: [(&str, &str, &Class); 16] = [
    ("paka", "paka", &LIVING),
    ("mbwa", "mbwa", &LIVING),
    ("farasi", "farasi", &LIVING),
    ("ndege", "ndege", &LIVING),
    ("samaki", "samaki", &LIVING),
    ("ng'ombe", "ng'ombe", &LIVING),
    ("mbuzi", "mbuzi", &LIVING),
    ("sungura", "sungura", &LIVING),
    ("kitabu", "vitabu", &TOOLS),
    ("ndizi", "ndizi", &LOANS),
    ("kofia", "kofia", &LOANS),
    ("mpira", "mipira", &TREES),
    ("kikombe", "vikombe", &TOOLS),
    ("kikapu", "vikapu", &TOOLS),
    ("taa", "taa", &LOANS),
    ("ufunguo", "funguo", &LONG),
];

/// A colour is an adjective with a vowel stem, or a noun after the connective.
enum Hue {
    Stem(&'static str),
    Of(&'static str),
}
const COLOURS: [Hue; 6] = [
    Hue::Stem("ekundu"),
    Hue::Of("buluu"),
    Hue::Of("kijani"),
    Hue::Of("manjano"),
    Hue::Stem("eusi"),
    Hue::Stem("eupe"),
];
const PLACES: [&str; 8] = ["kijijini", "mjini", "msituni", "sokoni", "shuleni", "bustanini", "ngomeni", "bandarini"];

fn colour(of: crate::lab::world::Colour, class: &Class, plural: bool) -> String {
    match COLOURS[of.index()] {
        Hue::Stem(stem) => format!("{}{stem}", class.adjective[usize::from(plural)]),
        Hue::Of(noun) => format!("{} {noun}", class.connective[usize::from(plural)]),
    }
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    let noun = |what: &Phrase| {
        let (one, many, _) = NOUNS[what.noun.index()];
        (Noun, if what.number > 1 { many } else { one })
    };
    let hue = |what: &Phrase| colour(what.colour, NOUNS[what.noun.index()].2, what.number > 1);
    let number = |what: &Phrase| (Number, NOUNS[what.noun.index()].2.numbers[usize::from(what.number) - 1]);
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "anaishi"), (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "anafanya kazi"), (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "anamjua"), (Recipient, NAMES[whom.index()])])
        }
        Meaning::Own { who, what } => {
            let colour = hue(what);
            Rendered::new(
                ".",
                [(Subject, NAMES[who.index()]), (Verb, "ana"), noun(what), (Colour, &colour), number(what)],
            )
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = match (meaning, what.noun.animate()) {
                (Meaning::Buy { .. }, _) => "ananunua",
                (_, false) => "anaona",
                (_, true) if what.number > 1 => "anawaona",
                (_, true) => "anamwona",
            };
            let colour = hue(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(
                ".",
                [(Subject, NAMES[who.index()]), (Verb, verb), noun(what), (Colour, &colour), number(what), place],
            )
        }
        Meaning::Give { who, what, whom } => {
            let colour = hue(what);
            let to = (Recipient, NAMES[whom.index()]);
            Rendered::new(
                ".",
                [(Subject, NAMES[who.index()]), (Verb, "anampa"), to, noun(what), (Colour, &colour), number(what)],
            )
        }
        Meaning::At { colour: of, noun, place } => {
            let (one, _, class) = NOUNS[noun.index()];
            let colour = colour(*of, class, false);
            Rendered::new(".", [(Noun, one), (Colour, &colour), (Verb, class.is), (Place, PLACES[place.index()])])
        }
        Meaning::WhoHas { what } => {
            let colour = hue(what);
            Rendered::new("?", [(Question, "nani"), (Verb, "ana"), noun(what), (Colour, &colour), number(what)])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("?", [(Subject, NAMES[who.index()]), (Verb, "anaishi"), (Question, "wapi")])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}

pub(super) fn tell(line: &Line) -> Written {
    let many = |noun: &crate::lab::world::Noun| NOUNS[noun.index()].1;
    match line {
        Line::Has { who, number, noun } => {
            Written::new(".", [NAMES[who.index()], "ana", many(noun), &ASCII.write(*number)])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, to) = match event {
                Event::Buy => ("ananunua", ""),
                Event::Find => ("anapata", ""),
                Event::Give { whom } => ("anampa", NAMES[whom.index()]),
                Event::Lose => ("anapoteza", ""),
            };
            Written::new(".", [NAMES[who.index()], verb, to, many(noun), &ASCII.write(*amount)])
        }
        Line::Says { who, number } => Written::new(".", [NAMES[who.index()], "anasema", &ASCII.write(*number)]),
        Line::HowMany { who, noun } => {
            let how_many = NOUNS[noun.index()].2.how_many;
            Written::new("?", [NAMES[who.index()], "ana", many(noun), how_many])
        }
        Line::Answer { number } => Written::new(".", ["jibu ni", &ASCII.write(*number)]),
        Line::Equation { left, adds, right, result } => ASCII.equation([*left, *right, *result], *adds, "."),
    }
}
