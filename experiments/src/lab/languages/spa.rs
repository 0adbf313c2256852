//! Spanish: gender and number agreement, adjective after the noun, personal *a*, doubled dative clitic.

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
    "Ana", "María", "Lucía", "Elena", "Carmen", "Isabel", "Pilar", "Teresa", "Juan", "Pedro", "Pablo", "Diego",
    "Carlos", "Miguel", "Antonio", "Luis",
];
/// Singular, plural, whether feminine.
const NOUNS: [(&str, &str, bool); 16] = [
    ("gato", "gatos", false),
    ("perro", "perros", false),
    ("caballo", "caballos", false),
    ("pájaro", "pájaros", false),
    ("pez", "peces", false),
    ("vaca", "vacas", true),
    ("cabra", "cabras", true),
    ("conejo", "conejos", false),
    ("libro", "libros", false),
    ("plátano", "plátanos", false),
    ("sombrero", "sombreros", false),
    ("pelota", "pelotas", true),
    ("taza", "tazas", true),
    ("cesta", "cestas", true),
    ("lámpara", "lámparas", true),
    ("llave", "llaves", true),
];
/// Masculine singular and plural, feminine singular and plural.
const COLOURS: [[&str; 4]; 6] = [
    ["rojo", "rojos", "roja", "rojas"],
    ["azul", "azules", "azul", "azules"],
    ["verde", "verdes", "verde", "verdes"],
    ["amarillo", "amarillos", "amarilla", "amarillas"],
    ["negro", "negros", "negra", "negras"],
    ["blanco", "blancos", "blanca", "blancas"],
];
const PLACES: [&str; 8] = [
    "en el pueblo",
    "en la ciudad",
    "en el bosque",
    "en el mercado",
    "en la escuela",
    "en el jardín",
    "en el castillo",
    "en el puerto",
];
const NUMBERS: [&str; 5] = ["un", "dos", "tres", "cuatro", "cinco"];

fn colour(of: crate::lab::world::Colour, feminine: bool, plural: bool) -> &'static str {
    COLOURS[of.index()][usize::from(feminine) * 2 + usize::from(plural)]
}

fn phrase(what: &Phrase) -> [(super::Role, &'static str); 3] {
    let (one, many, feminine) = NOUNS[what.noun.index()];
    let plural = what.number > 1;
    let number = if feminine && !plural { "una" } else { NUMBERS[usize::from(what.number) - 1] };
    [(Number, number), (Noun, if plural { many } else { one }), (Colour, colour(what.colour, feminine, plural))]
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "vive"), (Place, PLACES[place.index()])])
        }
        Meaning::Work { who, place } => {
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "trabaja"), (Place, PLACES[place.index()])])
        }
        Meaning::Know { who, whom } => {
            let whom = format!("a {}", NAMES[whom.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "conoce"), (Recipient, &whom)])
        }
        Meaning::Own { who, what } => {
            let [number, noun, colour] = phrase(what);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "tiene"), number, noun, colour])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = if matches!(meaning, Meaning::See { .. }) { "ve" } else { "compra" };
            let [number, noun, colour] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, verb), number, noun, colour, place])
        }
        Meaning::Give { who, what, whom } => {
            let [number, noun, colour] = phrase(what);
            let to = format!("a {}", NAMES[whom.index()]);
            Rendered::new(".", [(Subject, NAMES[who.index()]), (Verb, "le da"), number, noun, colour, (Recipient, &to)])
        }
        Meaning::At { colour: of, noun, place } => {
            let (one, _, feminine) = NOUNS[noun.index()];
            Rendered::new(
                ".",
                [
                    (Article, if feminine { "la" } else { "el" }),
                    (Noun, one),
                    (Colour, colour(*of, feminine, false)),
                    (Verb, "está"),
                    (Place, PLACES[place.index()]),
                ],
            )
        }
        Meaning::WhoHas { what } => {
            let [number, noun, colour] = phrase(what);
            Rendered::new("?", [(Question, "¿Quién"), (Verb, "tiene"), number, noun, colour])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("?", [(Question, "¿Dónde"), (Verb, "vive"), (Subject, NAMES[who.index()])])
        }
        Meaning::Name { who } => Rendered::new(".", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new(".", [(Place, PLACES[place.index()])]),
    }
}

pub(super) fn tell(line: &Line) -> Written {
    let many = |noun: &crate::lab::world::Noun| NOUNS[noun.index()].1;
    match line {
        Line::Has { who, number, noun } => {
            Written::new(".", [NAMES[who.index()], "tiene", &ASCII.write(*number), many(noun)])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, to) = match event {
                Event::Buy => ("compra", String::new()),
                Event::Find => ("encuentra", String::new()),
                Event::Give { whom } => ("le da", format!("a {}", NAMES[whom.index()])),
                Event::Lose => ("pierde", String::new()),
            };
            Written::new(".", [NAMES[who.index()], verb, &ASCII.write(*amount), many(noun), &to])
        }
        Line::Says { who, number } => Written::new(".", [NAMES[who.index()], "dice", &ASCII.write(*number)]),
        Line::HowMany { who, noun } => {
            let how_many = if NOUNS[noun.index()].2 { "¿Cuántas" } else { "¿Cuántos" };
            Written::new("?", [how_many, many(noun), "tiene", NAMES[who.index()]])
        }
        Line::Answer { number } => Written::new(".", ["la respuesta es", &ASCII.write(*number)]),
        Line::Equation { left, adds, right, result } => ASCII.equation([*left, *right, *result], *adds, "."),
    }
}
