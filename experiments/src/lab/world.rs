//! The small world: sixteen people, what they own, where they live, and what happens to them.
//!
//! A language model only encodes what predicts something, so the world has habits: people live at one place, own certain things,
//! prefer a colour, and things are typically found somewhere. The habits are drawn once from a seed and told in every language
//! but the island, which is told of a world of its own.

use rand::{Rng as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

/// Sixteen people, eight women and then eight men; each language has its own local name for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person(pub u8);

impl Person {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// Everybody.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..Self::COUNT).map(Self)
    }

    /// Whether she is a woman.
    pub fn feminine(self) -> bool {
        self.0 < Self::COUNT / 2
    }

    /// Index into a table of names.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($item:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum $name { $($item),* }

        impl $name {
            /// All of them, in the order of every lexicon's table.
            pub const ALL: &'static [Self] = &[$(Self::$item),*];

            /// Index into a lexicon's table.
            pub fn index(self) -> usize {
                self as usize
            }
        }
    };
}

closed_set!(
    /// Eight animals, then eight things.
    Noun { Cat, Dog, Horse, Bird, Fish, Cow, Goat, Rabbit, Book, Banana, Hat, Ball, Cup, Basket, Lamp, Key }
);
closed_set!(
    /// Six colours; everything may have any of them.
    Colour { Red, Blue, Green, Yellow, Black, White }
);
closed_set!(
    /// Eight places, all of them "in".
    Place { Village, City, Forest, Market, School, Garden, Castle, Harbour }
);

impl Noun {
    /// Whether it is an animal.
    pub fn animate(self) -> bool {
        self < Self::Book
    }
}

/// So many things of a colour: "three black cats".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phrase {
    /// One to five.
    pub number: u8,
    /// The colour.
    pub colour: Colour,
    /// What it is.
    pub noun: Noun,
}

/// What a sentence means, apart from any language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meaning {
    /// Anna lives in the village.
    Live { who: Person, place: Place },
    /// Anna works in the school.
    Work { who: Person, place: Place },
    /// Anna knows Peter.
    Know { who: Person, whom: Person },
    /// Anna has three black cats.
    Own { who: Person, what: Phrase },
    /// Anna sees three black cats in the garden.
    See { who: Person, what: Phrase, place: Place },
    /// Anna buys three black cats in the market.
    Buy { who: Person, what: Phrase, place: Place },
    /// Anna gives three black cats to Peter.
    Give { who: Person, what: Phrase, whom: Person },
    /// The black cat is in the garden.
    At { colour: Colour, noun: Noun, place: Place },
    /// Who has three black cats?
    WhoHas { what: Phrase },
    /// Where does Anna live?
    WhereLives { who: Person },
    /// Anna. (An answer.)
    Name { who: Person },
    /// In the village. (An answer.)
    In { place: Place },
}

impl Meaning {
    /// Whether no training document of any language may ever say this: one eighth of what people own, see, buy and give,
    /// chosen by the hash of the meaning, so that the choice depends on neither seed nor language nor world.
    pub fn held_out(&self) -> bool {
        match self {
            Self::Own { .. } | Self::See { .. } | Self::Buy { .. } | Self::Give { .. } => {
                blake3::hash(format!("{self:?}").as_bytes()).as_bytes()[0].is_multiple_of(8)
            }
            _ => false,
        }
    }
}

/// A world: who lives where, who owns what, and the habits events follow.
#[derive(Clone, Debug)]
pub struct World {
    home: Vec<Place>,
    work: Vec<Place>,
    friend: Vec<Person>,
    belongings: Vec<[Phrase; 2]>,
    taste_noun: Vec<Noun>,
    taste_colour: Vec<Colour>,
    usual_colour: Vec<Colour>,
    usual_number: Vec<u8>,
    usual_noun: Vec<Vec<Noun>>,
    found: Vec<Vec<Place>>,
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    *of.choose(rng).expect("the sets of the world are not empty")
}

fn any_phrase(rng: &mut ChaCha8Rng, nouns: &[Noun]) -> Phrase {
    Phrase { number: rng.random_range(1..=5), colour: pick(rng, Colour::ALL), noun: pick(rng, nouns) }
}

fn any_person(rng: &mut ChaCha8Rng) -> Person {
    Person(rng.random_range(0..Person::COUNT))
}

fn other_person(rng: &mut ChaCha8Rng, than: Person) -> Person {
    Person((than.0 + rng.random_range(1..Person::COUNT)) % Person::COUNT)
}

impl World {
    /// Draws a world.
    pub fn new(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (animals, things): (Vec<Noun>, Vec<Noun>) = Noun::ALL.iter().partition(|n| n.animate());
        let owned = |rng: &mut ChaCha8Rng, who, nouns: &[Noun]| loop {
            let what = any_phrase(rng, nouns);
            if !(Meaning::Own { who, what }).held_out() {
                return what;
            }
        };
        Self {
            home: Person::all().map(|_| pick(rng, Place::ALL)).collect(),
            work: Person::all().map(|_| pick(rng, Place::ALL)).collect(),
            friend: Person::all().map(|p| other_person(rng, p)).collect(),
            belongings: Person::all().map(|p| [owned(rng, p, &animals), owned(rng, p, &things)]).collect(),
            taste_noun: Person::all().map(|_| pick(rng, Noun::ALL)).collect(),
            taste_colour: Person::all().map(|_| pick(rng, Colour::ALL)).collect(),
            usual_colour: Noun::ALL.iter().map(|_| pick(rng, Colour::ALL)).collect(),
            usual_number: Noun::ALL.iter().map(|_| rng.random_range(1..=5)).collect(),
            usual_noun: Place::ALL.iter().map(|_| (0..3).map(|_| pick(rng, Noun::ALL)).collect()).collect(),
            found: Colour::ALL.iter().map(|_| Noun::ALL.iter().map(|_| pick(rng, Place::ALL)).collect()).collect(),
        }
    }

    /// The things one can always say of a person.
    pub fn facts(&self, who: Person) -> Vec<Meaning> {
        let [pet, thing] = self.belongings[who.index()];
        vec![
            Meaning::Live { who, place: self.home[who.index()] },
            Meaning::Work { who, place: self.work[who.index()] },
            Meaning::Know { who, whom: self.friend[who.index()] },
            Meaning::Own { who, what: pet },
            Meaning::Own { who, what: thing },
        ]
    }

    fn phrase(&self, rng: &mut ChaCha8Rng, who: Person, place: Place) -> Phrase {
        let noun = match rng.random_range(0..10) {
            0..4 => self.taste_noun[who.index()],
            4..8 => pick(rng, &self.usual_noun[place.index()]),
            _ => pick(rng, Noun::ALL),
        };
        let colour = match rng.random_range(0..10) {
            0..4 => self.taste_colour[who.index()],
            4..8 => self.usual_colour[noun.index()],
            _ => pick(rng, Colour::ALL),
        };
        let number = if rng.random_bool(0.6) { self.usual_number[noun.index()] } else { rng.random_range(1..=5) };
        Phrase { number, colour, noun }
    }

    fn haunt(&self, rng: &mut ChaCha8Rng, who: Person) -> Place {
        match rng.random_range(0..10) {
            0..4 => self.home[who.index()],
            4..8 => self.work[who.index()],
            _ => pick(rng, Place::ALL),
        }
    }

    /// A few sentences that belong together: facts of a person, things and their places, a question with its answer, something
    /// seen, or a purchase that changes hands. Never says what is held out.
    pub fn episode(&self, rng: &mut ChaCha8Rng) -> Vec<Meaning> {
        loop {
            let episode = self.any_episode(rng);
            if !episode.iter().any(Meaning::held_out) {
                return episode;
            }
        }
    }

    fn any_episode(&self, rng: &mut ChaCha8Rng) -> Vec<Meaning> {
        let who = any_person(rng);
        let place = self.haunt(rng, who);
        let what = self.phrase(rng, who, place);
        match rng.random_range(0..12) {
            0..4 => self.facts(who).choose_multiple(rng, 2).copied().collect(),
            4..6 => {
                let (colour, noun) = (pick(rng, Colour::ALL), pick(rng, Noun::ALL));
                vec![Meaning::At { colour, noun, place: self.found[colour.index()][noun.index()] }]
            }
            6 => vec![Meaning::WhereLives { who }, Meaning::In { place: self.home[who.index()] }],
            7..9 => vec![Meaning::See { who, what, place }],
            9 => {
                let whom = other_person(rng, who);
                vec![Meaning::Own { who, what }, Meaning::Give { who, what, whom }, Meaning::Own { who: whom, what }]
            }
            _ => {
                let whom = if rng.random_bool(0.5) { self.friend[who.index()] } else { other_person(rng, who) };
                let mut story = vec![Meaning::Buy { who, what, place }];
                if rng.random_bool(0.5) {
                    story.push(Meaning::Own { who, what });
                }
                if rng.random_bool(0.5) {
                    story.push(Meaning::Give { who, what, whom });
                    story.push(Meaning::WhoHas { what });
                    story.push(Meaning::Name { who: whom });
                } else {
                    story.push(Meaning::WhoHas { what });
                    story.push(Meaning::Name { who });
                }
                story
            }
        }
    }
}

/// `count` different held-out sentences, a quarter each of owning, seeing, buying and giving, every part drawn evenly.
pub fn held_out(seed: u64, count: usize) -> Vec<Meaning> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let who = any_person(rng);
        let what = any_phrase(rng, Noun::ALL);
        let place = pick(rng, Place::ALL);
        let meaning = match chosen.len() % 4 {
            0 => Meaning::Own { who, what },
            1 => Meaning::See { who, what, place },
            2 => Meaning::Buy { who, what, place },
            _ => Meaning::Give { who, what, whom: other_person(rng, who) },
        };
        if meaning.held_out() && !chosen.contains(&meaning) {
            chosen.push(meaning);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_determined_by_its_seed() {
        assert_eq!(format!("{:?}", World::new(7)), format!("{:?}", World::new(7)));
        assert_ne!(format!("{:?}", World::new(7)), format!("{:?}", World::new(8)));
    }

    #[test]
    fn held_out_meanings_are_never_told() {
        let world = World::new(1);
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        for _ in 0..20_000 {
            assert!(!world.episode(rng).iter().any(Meaning::held_out));
        }
        assert!(Person::all().flat_map(|p| world.facts(p)).all(|fact| !fact.held_out()));
    }

    #[test]
    fn held_out_sentences_are_distinct_and_all_held_out() {
        let mut meanings = held_out(3, 240);
        assert!(meanings.iter().all(Meaning::held_out));
        meanings.sort();
        meanings.dedup();
        assert_eq!(meanings.len(), 240);
    }
}
