//! English: the pivot.

use super::{
    Rendered,
    Role::{Article, Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::ASCII,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Phrase},
};

const NAMES: [&str; 16] = [
    "Anna", "Mary", "Lucy", "Emma", "Sarah", "Helen", "Julia", "Martha", "John", "Peter", "Paul", "James", "David",
    "Simon", "Mark", "Luke",
];
/// Singular, plural.
const NOUNS: [(&str, &str); 16] = [
    ("cat", "cats"),
    ("dog", "dogs"),
    ("horse", "horses"),
    ("bird", "birds"),
    ("fish", "fish"),
    ("cow", "cows"),
    ("goat", "goats"),
    ("rabbit", "rabbits"),
    ("book", "books"),
    ("banana", "bananas"),
    ("hat", "hats"),
    ("ball", "balls"),
    ("cup", "cups"),
    ("basket", "baskets"),
    ("lamp", "lamps"),
    ("key", "keys"),
];
const COLOURS: [&str; 6] = ["red", "blue", "green", "yellow", "black", "white"];
const PLACES: [&str; 8] = [
    "in the village",
    "in the city",
    "in the forest",
    "in the market",
    "in the school",
    "in the garden",
    "in the castle",
    "in the harbour",
];
const NUMBERS: [&str; 5] = ["one", "two", "three", "four", "five"];

fn phrase(what: &Phrase) -> [(super::Role, &'static str); 3] {
    let (one, many) = NOUNS[what.noun.index()];
    [
        (Number, NUMBERS[usize::from(what.number) - 1]),
        (Colour, COLOURS[what.colour.index()]),
        (Noun, if what.number == 1 { one } else { many }),
    ]
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "lives"), (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "works"), (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "knows"), (Recipient, NAMES[whom.index()])])
        }
        Meaning::Own { who, what } => {
            let [number, colour, noun] = phrase(what);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "has"), number, colour, noun])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = if matches!(meaning, Meaning::See { .. }) { "sees" } else { "buys" };
            let [number, colour, noun] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, verb), number, colour, noun, place])
        }
        Meaning::Give { who, what, whom } => {
            let [number, colour, noun] = phrase(what);
            let to = format!("to {}", NAMES[whom.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "gives"), number, colour, noun, (Recipient, &to)])
        }
        Meaning::At { colour, noun, place } => Rendered::new(
            ".",
            [
                (Article, "the"),
                (Colour, COLOURS[colour.index()]),
                (Noun, NOUNS[noun.index()].0),
                (Verb, "is"),
                (Place, PLACES[place.index()]),
            ],
        ),
        Meaning::WhoHas { what } => {
            let [number, colour, noun] = phrase(what);
            Rendered::new("?", [(Question, "who"), (Verb, "has"), number, colour, noun])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("?", [(Question, "where does"), (Subject, NAMES[who.index()]), (Verb, "live")])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}

pub(super) fn tell(line: &Line) -> Written {
    let many = |noun: &crate::lab::world::Noun| NOUNS[noun.index()].1;
    match line {
        Line::Has { who, number, noun } => {
            Written::new(".", [NAMES[who.index()], "has", &ASCII.write(*number), many(noun)])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, to) = match event {
                Event::Buy => ("buys", String::new()),
                Event::Find => ("finds", String::new()),
                Event::Give { whom } => ("gives", format!("to {}", NAMES[whom.index()])),
                Event::Lose => ("loses", String::new()),
            };
            Written::new(".", [NAMES[who.index()], verb, &ASCII.write(*amount), many(noun), &to])
        }
        Line::Says { who, number } => Written::new(".", [NAMES[who.index()], "says", &ASCII.write(*number)]),
        Line::HowMany { who, noun } => Written::new("?", ["how many", many(noun), "does", NAMES[who.index()], "have"]),
        Line::Answer { number } => Written::new(".", ["the answer is", &ASCII.write(*number)]),
        Line::Equation { left, adds, right, result } => ASCII.equation([*left, *right, *result], *adds, "."),
    }
}
