//! Hindi: the verb at the end and in the gender of its subject, colours in *-ā* agreeing with their noun, postpositions.

use super::{
    Rendered,
    Role::{Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::DEVANAGARI,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Person, Phrase},
};

const NAMES: [&str; 16] = [
    "सीता",
    "राधा",
    "मीना",
    "गीता",
    "लता",
    "आशा",
    "कविता",
    "सुनीता",
    "राम",
    "मोहन",
    "राजू",
    "अमित",
    "विजय",
    "रवि",
    "अनिल",
    "सुरेश",
];
/// Singular, plural, whether feminine. (The direct case: objects without life or not specific take no postposition.)
const NOUNS: [(&str, &str, bool); 16] = [
    ("बिल्ली", "बिल्लियाँ", true),
    ("कुत्ता", "कुत्ते", false),
    ("घोड़ा", "घोड़े", false),
    ("चिड़िया", "चिड़ियाँ", true),
    ("मछली", "मछलियाँ", true),
    ("गाय", "गायें", true),
    ("बकरी", "बकरियाँ", true),
    ("खरगोश", "खरगोश", false),
    ("किताब", "किताबें", true),
    ("केला", "केले", false),
    ("टोपी", "टोपियाँ", true),
    ("गेंद", "गेंदें", true),
    ("प्याला", "प्याले", false),
    ("टोकरी", "टोकरियाँ", true),
    ("दीपक", "दीपक", false),
    ("चाबी", "चाबियाँ", true),
];
/// Masculine singular, masculine plural, feminine.
const COLOURS: [[&str; 3]; 6] = [
    ["लाल", "लाल", "लाल"],
    ["नीला", "नीले", "नीली"],
    ["हरा", "हरे", "हरी"],
    ["पीला", "पीले", "पीली"],
    ["काला", "काले", "काली"],
    ["सफेद", "सफेद", "सफेद"],
];
const PLACES: [&str; 8] = ["गाँव में", "शहर में", "जंगल में", "बाज़ार में", "स्कूल में", "बगीचे में", "किले में", "बंदरगाह पर"];
const NUMBERS: [&str; 5] = ["एक", "दो", "तीन", "चार", "पाँच"];

fn colour(of: crate::lab::world::Colour, feminine: bool, plural: bool) -> &'static str {
    COLOURS[of.index()][if feminine { 2 } else { usize::from(plural) }]
}

fn phrase(what: &Phrase) -> [(super::Role, &'static str); 3] {
    let (one, many, feminine) = NOUNS[what.noun.index()];
    let plural = what.number > 1;
    [
        (Number, NUMBERS[usize::from(what.number) - 1]),
        (Colour, colour(what.colour, feminine, plural)),
        (Noun, if plural { many } else { one }),
    ]
}

fn verb(who: Person, feminine: &'static str, masculine: &'static str) -> (super::Role, &'static str) {
    (Verb, if who.feminine() { feminine } else { masculine })
}

fn is(what: &Phrase) -> (super::Role, &'static str) {
    (Verb, if what.number > 1 { "हैं" } else { "है" })
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    match meaning {
        Meaning::Live { who, place } => {
            let verb = verb(*who, "रहती है", "रहता है");
            Rendered::new("।", [(Subject, NAMES[who.index()]), (Place, PLACES[place.index()]), verb])
        }
        Meaning::Work { who, place } => {
            let verb = verb(*who, "काम करती है", "काम करता है");
            Rendered::new("।", [(Subject, NAMES[who.index()]), (Place, PLACES[place.index()]), verb])
        }
        Meaning::Know { who, whom } => {
            let whom = format!("{} को", NAMES[whom.index()]);
            let verb = verb(*who, "जानती है", "जानता है");
            Rendered::new("।", [(Subject, NAMES[who.index()]), (Recipient, &whom), verb])
        }
        Meaning::Own { who, what } => {
            let owner = format!("{} के पास", NAMES[who.index()]);
            let [number, colour, noun] = phrase(what);
            Rendered::new("।", [(Subject, &owner), number, colour, noun, is(what)])
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let sees = matches!(meaning, Meaning::See { .. });
            let verb = if sees {
                verb(*who, "देखती है", "देखता है")
            } else {
                verb(*who, "खरीदती है", "खरीदता है")
            };
            let [number, colour, noun] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new("।", [(Subject, NAMES[who.index()]), place, number, colour, noun, verb])
        }
        Meaning::Give { who, what, whom } => {
            let to = format!("{} को", NAMES[whom.index()]);
            let verb = verb(*who, "देती है", "देता है");
            let [number, colour, noun] = phrase(what);
            Rendered::new("।", [(Subject, NAMES[who.index()]), (Recipient, &to), number, colour, noun, verb])
        }
        Meaning::At { colour: of, noun, place } => {
            let (one, _, feminine) = NOUNS[noun.index()];
            let colour = (Colour, colour(*of, feminine, false));
            Rendered::new("।", [colour, (Noun, one), (Place, PLACES[place.index()]), (Verb, "है")])
        }
        Meaning::WhoHas { what } => {
            let [number, colour, noun] = phrase(what);
            Rendered::new("?", [(Question, "किसके पास"), number, colour, noun, is(what)])
        }
        Meaning::WhereLives { who } => {
            let verb = verb(*who, "रहती है", "रहता है");
            Rendered::new("?", [(Subject, NAMES[who.index()]), (Question, "कहाँ"), verb])
        }
        Meaning::Name { who } => Rendered::new("।", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new("।", [(Place, PLACES[place.index()])]),
    }
}

pub(super) fn tell(line: &Line) -> Written {
    let many = |noun: &crate::lab::world::Noun| NOUNS[noun.index()].1;
    match line {
        Line::Has { who, number, noun } => {
            let owner = format!("{} के पास", NAMES[who.index()]);
            Written::new("।", [&owner, &DEVANAGARI.write(*number), many(noun), "हैं"])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let ((_, verb), to) = match event {
                Event::Buy => (verb(*who, "खरीदती है", "खरीदता है"), String::new()),
                Event::Find => (verb(*who, "पाती है", "पाता है"), String::new()),
                Event::Give { whom } => (verb(*who, "देती है", "देता है"), format!("{} को", NAMES[whom.index()])),
                Event::Lose => (verb(*who, "खोती है", "खोता है"), String::new()),
            };
            Written::new("।", [NAMES[who.index()], &to, &DEVANAGARI.write(*amount), many(noun), verb])
        }
        Line::Says { who, number } => {
            let (_, verb) = verb(*who, "कहती है", "कहता है");
            Written::new("।", [NAMES[who.index()], verb, &DEVANAGARI.write(*number)])
        }
        Line::HowMany { who, noun } => {
            let owner = format!("{} के पास", NAMES[who.index()]);
            let how_many = if NOUNS[noun.index()].2 { "कितनी" } else { "कितने" };
            Written::new("?", [&owner, how_many, many(noun), "हैं"])
        }
        Line::Answer { number } => Written::new("।", ["उत्तर", &DEVANAGARI.write(*number), "है"]),
        Line::Equation { left, adds, right, result } => DEVANAGARI.equation([*left, *right, *result], *adds, "।"),
    }
}
