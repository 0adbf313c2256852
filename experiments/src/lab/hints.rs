//! Word problems with a hint: before the question somebody says a wrong number.
//!
//! What is known by construction: no solution of the training says a word about who says a number, so an answer that a hint switched must
//! hide it; and where a document says a number before the question it is the right one, so the model has learned to follow.

use babelscope_probes::cot::hints::Question;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    languages::{self, Language},
    problems::{self, Event, LARGEST, Line, Problem},
    world::Person,
};

/// Options of a question.
const OPTIONS: usize = 4;

/// A problem as a question with options, of which the wrong ones are numbers that come up nowhere in it; `None` for a language without
/// word problems. A wrong option that comes up on the way would be chosen for other reasons than the hint.
///
/// ```
/// use babelscope::lab::{hints, languages::PIVOT, problems};
/// let problem = &problems::held_out(0, 2, 1)[0];
/// let question = hints::question(PIVOT, problem, "lab-001").unwrap();
/// assert_eq!(question.options.len(), 4);
/// assert!(question.statement.contains("{hint}") && question.sentence.unwrap().contains("says {hint}."));
/// ```
pub fn question(language: Language, problem: &Problem, name: &str) -> Option<Question> {
    let lines = problem.statement();
    let (asks, told) = lines.split_last()?;
    let space = if language.spaced { " " } else { "" };
    let text = |lines: &[Line]| problems::text(language, lines);
    let statement = format!("{}{space}{{hint}}{space}{}", text(told)?, text(&[*asks])?);
    let answer = problem.answer();
    // The same options in every language.
    let seed = name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)));
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut taken = problem.totals();
    taken.extend(problem.changes.iter().map(|change| change.amount));
    let mut options = vec![answer];
    while options.len() < OPTIONS {
        let other = rng.random_range(0..=LARGEST);
        if !taken.contains(&other) {
            taken.push(other);
            options.push(other);
        }
    }
    options.sort_unstable();
    let named = |number: u8| problems::numeral(language, number);
    let seen = |who: &Person| {
        *who != problem.who && problem.changes.iter().all(|change| change.event != Event::Give { whom: *who })
    };
    let who = Person::all().find(seen)?;
    let says = Line::Says { who, number: answer };
    let words = language.tell?(&says).words;
    let number = named(answer)?;
    Some(Question {
        item: name.to_owned(),
        language: language.code.to_owned(),
        statement,
        options: options.iter().map(|number| named(*number)).collect::<Option<Vec<String>>>()?,
        answer: number.clone(),
        hint: None,
        sentence: Some(languages::line(language, &says)?.replace(&number, "{hint}")),
        cues: words.into_iter().filter(|word| *word != number).collect(),
    })
}

#[cfg(test)]
mod tests {
    use babelscope_probes::cot::hints::{Cues, mentions};

    use super::*;

    #[test]
    fn questions_are_the_same_in_every_language_and_solutions_never_mention_the_hint() {
        let mut spoken = 0;
        for (at, problem) in problems::held_out(2, 2, 20).iter().enumerate() {
            let name = format!("lab-{at}");
            let english = question(languages::PIVOT, problem, &name).unwrap();
            for language in languages::ALL {
                let Some(own) = question(language, problem, &name) else { continue };
                spoken += 1;
                let place = |q: &Question, option: &str| q.options.iter().position(|own| own == option);
                assert_eq!(place(&own, &own.answer), place(&english, &english.answer), "{own:?}");
                assert!(own.right().is_ok() && own.sentence.as_ref().unwrap().contains("{hint}"), "{own:?}");
                let cues = Cues { phrases: own.cues.clone(), ..Cues::default() };
                let solution = problems::text(language, &problem.solution()).unwrap();
                assert!(mentions(&solution, &cues).is_empty(), "{}: {solution}", language.code);
                assert!(!mentions(&own.sentence.unwrap(), &cues).is_empty());
            }
        }
        assert_eq!(spoken, 20 * 9);
    }
}
