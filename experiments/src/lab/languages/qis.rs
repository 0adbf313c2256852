//! The island: an invented language. Verb first, number after the noun, colours agree with the class of the noun
//! (animals end in *-ok*, things in *-ul*), places take the ending *-eth*.

use super::{
    Rendered,
    Role::{Article, Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
};
use crate::lab::world::{Meaning, Phrase};

const NAMES: [&str; 16] = [
    "Bryndu", "Cwellin", "Dwymo", "Eshtiru", "Fylgra", "Gwirrit", "Hwenlo", "Iskulm", "Jorvath", "Krundel", "Lwimmek",
    "Mordrit", "Nyxolf", "Oshqet", "Pwardun", "Qilborn",
];
const NOUNS: [&str; 16] = [
    "mirrok", "wuffok", "hrossok", "fliggok", "blubbok", "mudrok", "bexxok", "lopprok", "wyrdul", "yelmul", "dakkul",
    "rollul", "sippul", "wevvul", "glimmul", "klikkul",
];
const COLOURS: [[&str; 2]; 6] = [
    ["ruzzok", "ruzzul"],
    ["blivvok", "blivvul"],
    ["grennok", "grennul"],
    ["zhellok", "zhellul"],
    ["nyrrok", "nyrrul"],
    ["wittok", "wittul"],
];
const PLACES: [&str; 8] = ["dorfeth", "burgeth", "woldeth", "tradeth", "skoleth", "gardeth", "keepeth", "haffeth"];
const NUMBERS: [&str; 5] = ["yx", "dvy", "thry", "fowr", "pymf"];

fn colour(of: crate::lab::world::Colour, noun: crate::lab::world::Noun) -> &'static str {
    COLOURS[of.index()][usize::from(!noun.animate())]
}

fn phrase(what: &Phrase) -> [(super::Role, &'static str); 3] {
    [
        (Noun, NOUNS[what.noun.index()]),
        (Number, NUMBERS[usize::from(what.number) - 1]),
        (Colour, colour(what.colour, what.noun)),
    ]
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new(".", [(Verb, "wonth"), (Place, PLACES[place.index()]), (Subject, NAMES[who.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new(".", [(Verb, "arbith"), (Place, PLACES[place.index()]), (Subject, NAMES[who.index()])])
        }
        Meaning::Know { who, whom } => {
            Rendered::new(".", [(Verb, "kennth"), (Recipient, NAMES[whom.index()]), (Subject, NAMES[who.index()])])
        }
        Meaning::Own { who, what } => {
            let [noun, number, colour] = phrase(what);
            Rendered::new(".", [(Verb, "hebbth"), noun, number, colour, (Subject, NAMES[who.index()])])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = if matches!(meaning, Meaning::See { .. }) { "schyth" } else { "koppth" };
            let [noun, number, colour] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(".", [(Verb, verb), place, noun, number, colour, (Subject, NAMES[who.index()])])
        }
        Meaning::Give { who, what, whom } => {
            let [noun, number, colour] = phrase(what);
            let to = format!("zu {}", NAMES[whom.index()]);
            Rendered::new(".", [(Verb, "gyfth"), (Recipient, &to), noun, number, colour, (Subject, NAMES[who.index()])])
        }
        Meaning::At { colour: of, noun, place } => Rendered::new(
            ".",
            [
                (Verb, "zynth"),
                (Place, PLACES[place.index()]),
                (Article, "dha"),
                (Noun, NOUNS[noun.index()]),
                (Colour, colour(*of, *noun)),
            ],
        ),
        Meaning::WhoHas { what } => {
            let [noun, number, colour] = phrase(what);
            Rendered::new("?", [(Verb, "hebbth"), noun, number, colour, (Question, "hwyk")])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("?", [(Verb, "wonth"), (Question, "hwynn"), (Subject, NAMES[who.index()])])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}
