//! The languages of a trace as it is written: its steps without their mathematics, named by the identifier of the corpus.

use unicode_script::{Script, UnicodeScript as _};

use super::{Result, Watched};
use crate::{
    cot::{
        mixing::{MIN_LETTERS, StepPosterior, mixing},
        regions::regions,
        report::Traced,
    },
    steer::Identifier,
};

/// A text without its mathematics and code.
fn prose(text: &str) -> String {
    let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
    for region in regions(text) {
        kept.push_str(&text[from..region.span.start]);
        kept.push(' ');
        from = region.span.end;
    }
    kept + &text[from..]
}

/// How much a text says of its language, in letters of an alphabet: a vowel sign is one, as it is in Latin, and a Han character or a Hangul
/// syllable is two. By whole syllables a step in Hindi or Chinese would seldom be long enough to be sure of.
fn letters(text: &str) -> usize {
    let weight = |c: char| match c.script() {
        Script::Han | Script::Hangul => 2,
        _ => usize::from(c.is_alphabetic()),
    };
    text.chars().map(weight).sum()
}

/// Names the language of each step, and says how they mix.
pub(super) fn mixed(traced: &Traced, identifier: &Identifier, found: &mut Watched) -> Result<()> {
    let mut posteriors = Vec::with_capacity(traced.steps.len());
    for step in &traced.steps {
        let text = prose(traced.trace.text.get(step.span.clone()).unwrap_or_default());
        let verdict = identifier.verdict(&text);
        let posterior = identifier.posteriors(&text);
        // A script that no language of the corpus has says nothing.
        let possible = posterior.iter().sum::<f64>() > 0.0;
        let even = 1.0 / posterior.len().max(1) as f64;
        posteriors.push(StepPosterior {
            letters: if possible { letters(&text) } else { 0 },
            posterior: if possible { posterior } else { vec![even; posterior.len()] },
        });
        found.surface.push(verdict.language);
    }
    found.mixing = mixing(&posteriors, identifier.languages().len(), MIN_LETTERS)?;
    if found.mixing.is_some() {
        found.languages = identifier.languages().to_vec();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn a_sentence_has_as_many_letters_in_every_script() {
        // Each of these says "there are seven cups" or so: enough, or not, in all of them alike.
        for (text, expected) in [
            ("So there are seven cups now.", 22),
            ("इसलिए अब सात प्याले हैं।", 18),
            ("所以现在有七个杯子。", 18),
            ("그래서 컵이 일곱 개다.", 18),
        ] {
            assert_eq!(letters(text), expected, "{text}");
        }
        assert_eq!(letters("7 + 5 = 12"), 0);
    }
}
