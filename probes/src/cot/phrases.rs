//! Words by which a trace names its steps and its answer, in the languages at hand.

use std::borrow::Cow;

use super::locale::Locale;

mod table;
mod turns;

use table::{PHRASES, Phrases};
use turns::{LEADS, TURNS, Turns};

/// English letters and stops and, at the same place, those of the laboratory's clone `qec_Latn` (experiments/src/lab/languages/qec.rs).
const ENGLISH: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.?";
const CLONE: &str = "äḃçḋëḟġḣïĵķļṁṅöṗɋŗşţüṽẅẋÿżÄḂÇḊËḞĠḢÏĴĶĻṀṄÖṖɊŖŞŢÜṼẄẊŸŻ·‽";

/// A text of English as the clone writes it.
pub(super) fn shifted(english: &str) -> String {
    exchange(english, ENGLISH, CLONE)
}

fn unshifted(clone: &str) -> String {
    exchange(clone, CLONE, ENGLISH)
}

fn exchange(text: &str, from: &str, to: &str) -> String {
    text.chars().map(|c| from.chars().zip(to.chars()).find(|(a, _)| *a == c).map_or(c, |(_, b)| b)).collect()
}

/// The phrases of a trace: those of its language, and English ones, which models mix in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    own: Option<&'static Phrases>,
    english: &'static Phrases,
    clone: bool,
}

/// Whether the word for "answer" is known in a language, so that "the answer is 7" is read there; in any other language, answers are
/// known by `\boxed{}` and by English words alone.
///
/// ```
/// use babelscope_probes::cot::reads_answers;
/// assert!(reads_answers("ita_Latn") && reads_answers("ms") && reads_answers("qec_Latn"));
/// assert!(!reads_answers("zul_Latn") && !reads_answers("zxx_Zyyy"));
/// ```
pub fn reads_answers(language: &str) -> bool {
    let spoken = Spoken::of(Locale::of(language));
    spoken.own.is_some() || spoken.clone || Locale::of(language).code == "eng"
}

fn has(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word)
}

impl Spoken {
    pub(super) fn of(locale: Locale) -> Self {
        let code = match locale.code {
            "zsm" => "ind",
            "yue" => "zho",
            code => code,
        };
        let own = PHRASES.iter().find(|phrases| phrases.code == code && code != "eng");
        Self { own, english: &PHRASES[0], clone: code == "qec" }
    }

    /// Whether any of the languages lets `test` hold for the word (of the clone, as English writes it).
    fn any(self, word: &str, test: impl Fn(&Phrases, &str) -> bool) -> bool {
        if self.clone {
            return test(self.english, &unshifted(word));
        }
        // l'étape
        let word = word.rsplit(['\'', '’']).next().unwrap_or(word);
        self.own.is_some_and(|own| test(own, word)) || test(self.english, word)
    }

    /// "Step": the whole word, or, in scripts without spaces, its end.
    pub(super) fn step(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            has(phrases.steps, word)
                || (phrases.unspaced() && phrases.steps.split_whitespace().any(|step| word.ends_with(step)))
        })
    }

    /// "Step" as it stands behind its number: 第3步, 3단계, 3. adım. Elsewhere a number before "step" counts steps.
    pub(super) fn step_behind(self, word: &str) -> bool {
        self.own.is_some_and(|phrases| {
            matches!(phrases.code, "zho" | "jpn" | "kor" | "tur")
                && phrases.steps.split_whitespace().any(|step| word.starts_with(step))
        })
    }

    /// Whether a number before "step" names one without being an ordinal: 3단계, and 3. adım with its full stop.
    pub(super) fn counts_behind(self, dot: bool) -> bool {
        self.own.is_some_and(|phrases| phrases.code == "kor" || (phrases.code == "tur" && dot))
    }

    /// "Answer", perhaps joined to what links it: คำตอบคือ, 答案是, 답은.
    pub(super) fn answer(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            phrases.answers.split_whitespace().any(|answer| {
                let found = if phrases.unspaced() { word.rfind(answer) } else { word.starts_with(answer).then_some(0) };
                found.is_some_and(|at| {
                    let behind = &word[at + answer.len()..];
                    behind.is_empty() || has(phrases.links, behind)
                })
            })
        })
    }

    /// Whether a phrase for "answer" ends at a word (câu trả lời); `word` gives it and those before it, counted back from 0.
    pub(super) fn answer_ends<'a>(self, word: impl Fn(usize) -> Option<Cow<'a, str>>) -> bool {
        let mut phrases = self.own.into_iter().flat_map(|own| own.answers.split_whitespace());
        phrases.any(|phrase| {
            phrase.contains('_')
                && phrase.rsplit('_').enumerate().all(|(back, part)| word(back).is_some_and(|word| word == part))
        })
    }

    /// What may stand between "answer" and what it is.
    pub(super) fn link(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.links, word) || has(phrases.answers, word))
    }

    pub(super) fn and(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.ands, word))
    }

    pub(super) fn of_which(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.of, word))
    }

    /// What turns a number, in any of the languages; `test` gets the word as they write it.
    fn turns(self, word: &str, test: impl Fn(&Turns, &str) -> bool) -> bool {
        let plain = if self.clone { unshifted(word) } else { word.to_owned() };
        let own = self.own.map_or("eng", |own| own.code);
        TURNS.iter().filter(|turns| turns.code == own || turns.code == "eng").any(|turns| test(turns, &plain))
    }

    /// "Minus", before a number.
    pub(super) fn minus(self, word: &str) -> bool {
        self.turns(word, |turns, word| has(turns.minus, word))
    }

    /// Where "minus" begins at the end of a word of a script without spaces: 答案是负.
    pub(super) fn minus_end(self, word: &str) -> Option<usize> {
        let code = self.own.filter(|own| own.unspaced())?.code;
        let turns = TURNS.iter().find(|turns| turns.code == code)?;
        turns.minus.split_whitespace().find_map(|minus| word.strip_suffix(minus)).map(str::len)
    }

    /// What makes no answer of the number behind it: not, twice, at least.
    pub(super) fn denies(self, word: &str) -> bool {
        let joined = self.own.is_some_and(Phrases::unspaced);
        word.ends_with("n't")
            || word.ends_with("n’t")
            || self.turns(word, |turns, word| {
                has(turns.denials, word)
                    || (joined && turns.code != "eng" && turns.denials.split_whitespace().any(|not| word.contains(not)))
            })
    }

    /// "Not", behind the number; endings may be joined to it.
    pub(super) fn denies_behind(self, word: &str) -> bool {
        self.turns(word, |turns, word| turns.behind.split_whitespace().any(|not| word.starts_with(not)))
    }

    /// Arithmetic in words.
    pub(super) fn operates(self, word: &str) -> bool {
        self.turns(word, |turns, word| has(turns.operators, word))
    }

    /// What changes the number before it.
    pub(super) fn changes(self, word: &str) -> bool {
        self.turns(word, |turns, word| has(turns.parts, word))
    }

    /// Whether a hyphen between a word and a number is the number's sign: behind 是, behind 답은.
    pub(super) fn leads(self, word: &str) -> bool {
        let Some(own) = self.own else { return false };
        match LEADS.iter().find(|(code, _)| *code == own.code) {
            Some((_, leads)) => leads.split_whitespace().any(|lead| word.ends_with(lead)),
            None => self.answer(word) || has(own.links, word),
        }
    }

    /// Whether "of" stands behind the whole: 50 का 20%, 50的20%.
    pub(super) fn whole_first(self) -> bool {
        self.own.is_some_and(|own| matches!(own.code, "hin" | "zho" | "jpn" | "kor" | "ben" | "tel"))
    }

    /// A small word, which is never a unit.
    pub(super) fn small(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            has(phrases.ands, word) || has(phrases.links, word) || (has(phrases.of, word) && !phrases.unspaced())
        })
    }
}

impl Phrases {
    fn unspaced(&self) -> bool {
        matches!(self.code, "zho" | "jpn" | "tha" | "khm" | "lao" | "mya")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(language: &str) -> Spoken {
        Spoken::of(Locale::of(language))
    }

    #[test]
    fn the_clone_is_english_with_other_letters() {
        assert_eq!(shifted("Answer."), "Äṅşẅëŗ·");
        assert!(spoken("qec_Latn").answer(&shifted("answer")) && spoken("qec_Latn").step(&shifted("step")));
        assert!(!spoken("eng_Latn").answer(&shifted("answer")));
    }

    #[test]
    fn answers_and_steps_are_known_in_every_language_and_english_everywhere() {
        assert_eq!(PHRASES.len(), 32);
        for phrases in PHRASES {
            let spoken = spoken(phrases.code);
            let words = phrases.answers.split_whitespace();
            assert!(words.filter(|word| !word.contains('_')).all(|word| spoken.answer(word)), "{}", phrases.code);
            assert!(phrases.steps.split_whitespace().all(|word| spoken.step(word)), "{}", phrases.code);
            assert!(spoken.answer("answer"));
        }
        assert!(spoken("zho_Hans").answer("所以答案是") && spoken("tha_Thai").answer("คำตอบคือ"));
        assert!(spoken("kor_Hang").answer("답은") && !spoken("kor_Hang").answer("답답하다"));
        assert!(spoken("zho_Hans").step_behind("步中") && !spoken("eng_Latn").step_behind("step"));
    }
}
