//! Which option a text states as its answer: its number, or what stands behind "the answer is" or within `\boxed{}`.

use super::super::{
    Value,
    anchor::stated,
    lex::{self, lex},
    locale::Locale,
    number,
    phrases::Spoken,
    refer::says_answer,
    steps,
};

/// What may stand between "the answer is" and an option: the word for it.
const NOUNS: &[&str] = &[
    "option",
    "choice",
    "letter",
    "opción",
    "opcion",
    "letra",
    "opção",
    "opzione",
    "réponse",
    "lettre",
    "buchstabe",
    "вариант",
    "буква",
    "الخيار",
    "خيار",
    "विकल्प",
    "选项",
    "選項",
    "選択肢",
    "ตัวเลือก",
    "ข้อ",
    "chaguo",
    "pilihan",
    "bölge",
    "seçenek",
    "lựa",
    "chọn",
    "ఎంపిక",
    "বিকল্প",
    "보기",
];

/// A stated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The number of the option, from 0; none where the answer is a number that is none of them.
    pub option: Option<usize>,
    /// Where the statement of it begins.
    pub at: usize,
}

/// The option that a text chooses: the last of its [`choices`].
///
/// ```
/// use babelscope_probes::cot::hints::choice;
/// let letters = ["A", "B", "C"].map(str::to_owned);
/// let of = |text: &str, language: &str| choice(text, language, &letters).and_then(|choice| choice.option);
/// assert_eq!(of("A is too small, so the answer is (B).", "eng_Latn"), Some(1));
/// assert_eq!(of("所以答案是C。", "zho_Hans"), Some(2));
/// assert_eq!(of("It may be B or C.", "eng_Latn"), None);
/// let numbers = ["5", "7"].map(str::to_owned);
/// assert_eq!(choice("٣ + ٤ = ٧. الجواب هو ٧.", "arb_Arab", &numbers).and_then(|choice| choice.option), Some(1));
/// ```
pub fn choice(text: &str, language: &str, options: &[String]) -> Option<Choice> {
    choices(text, language, options).pop()
}

/// The answers that a text states, in order; one that is said several times in a row is there once. The last one is what it chooses: the last that is within `\boxed{}`, else the last that is
/// told; what comes behind that one does not count.
///
/// Where all options are numbers, an answer is the value that the text gives as one, in whatever digits. Else it is the option that
/// stands, as a whole word, right behind a word for "answer" (small words and brackets between them do not count) or in `\boxed{}`. A
/// text that states no answer chooses nothing.
///
/// ```
/// use babelscope_probes::cot::hints::choices;
/// let options = ["A", "B", "C"].map(str::to_owned);
/// let text = "The answer is C. But 3 + 4 = 7, so the answer is B.";
/// let found: Vec<_> = choices(text, "eng_Latn", &options).iter().map(|choice| choice.option).collect();
/// assert_eq!(found, [Some(2), Some(1)]);
/// ```
pub fn choices(text: &str, language: &str, options: &[String]) -> Vec<Choice> {
    let values: Option<Vec<Value>> = options.iter().map(|option| number(option, language).ok()).collect();
    match values.filter(|values| !values.is_empty()) {
        Some(values) => by_value(text, language, &values),
        None => by_word(text, language, options),
    }
}

fn by_value(text: &str, language: &str, values: &[Value]) -> Vec<Choice> {
    let mut said: Vec<(Value, usize)> =
        stated(text, &steps(text), language).into_iter().filter_map(|a| Some((a.value?, a.span.start))).collect();
    said.dedup_by(|next, last| next.0 == last.0);
    let option = |value: Value| values.iter().position(|own| *own == value);
    said.into_iter().map(|(value, at)| Choice { option: option(value), at }).collect()
}

fn by_word(text: &str, language: &str, options: &[String]) -> Vec<Choice> {
    let locale = Locale::of(language);
    let spoken = Spoken::of(locale);
    let tokens = lex(text, locale, false).tokens;
    let mut found: Vec<Choice> = Vec::new();
    // The last one that is boxed, and the byte at which the last option was found: "the answer is \boxed{B}" is one statement.
    let (mut boxed, mut last) = (None, None);
    for at in 0..tokens.len() {
        let is_box = matches!(tokens[at].kind, lex::Kind::Boxed);
        let told = is_box || says_answer(&tokens, at, spoken);
        let Some((option, place)) = told.then(|| behind(text, &tokens, at, spoken, options)).flatten() else {
            continue;
        };
        if last != Some(place) {
            found.push(Choice { option: Some(option), at: tokens[at].span.start });
            last = Some(place);
        }
        if is_box {
            boxed = Some(found.len());
        }
    }
    found.truncate(boxed.unwrap_or(found.len()));
    found.dedup_by(|next, last| next.option == last.option);
    found
}

/// The option behind a token, and where it begins; small words and brackets may stand between.
fn behind(
    text: &str,
    tokens: &[lex::Token<'_>],
    at: usize,
    spoken: Spoken,
    options: &[String],
) -> Option<(usize, usize)> {
    let mut from = tokens[at].span.end;
    for token in &tokens[at + 1..] {
        let place = token.span.start.max(from);
        if let Some(option) = begins(text, place, options) {
            return Some((option, place));
        }
        let word = lex::lower(&text[token.span.clone()]).into_owned();
        let between = match &token.kind {
            lex::Kind::Name(_) => spoken.link(&word) || NOUNS.contains(&word.as_str()),
            lex::Kind::Open(_) | lex::Kind::Colon | lex::Kind::Equals | lex::Kind::Boxed => true,
            _ => false,
        };
        if !between {
            return None;
        }
        from = token.span.end;
    }
    None
}

/// The longest option that begins at a byte of the text and ends with a word; the case of single letters counts.
fn begins(text: &str, at: usize, options: &[String]) -> Option<usize> {
    let rest = text.get(at..)?;
    let fits = |option: &str| {
        let same = |(a, b): (char, char)| {
            if option.chars().count() == 1 { a == b } else { a.to_lowercase().eq(b.to_lowercase()) }
        };
        let length = option.chars().count();
        let ends = rest.chars().nth(length).is_none_or(|next| !next.is_alphanumeric());
        length > 0 && ends && rest.chars().count() >= length && option.chars().zip(rest.chars()).all(same)
    };
    let all = options.iter().enumerate().filter(|(_, option)| fits(option.trim()));
    all.max_by_key(|(_, option)| option.len()).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str, language: &str, options: &[&str]) -> Option<usize> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        choice(text, language, &options).and_then(|choice| choice.option)
    }

    #[test]
    fn letters_and_words_are_found_behind_the_answer_in_many_languages() {
        let letters = ["A", "B", "C", "D"];
        for (text, language, option) in [
            ("So the final answer is option D.", "eng_Latn", 3),
            ("Answer: B", "eng_Latn", 1),
            ("we get \\boxed{C}", "eng_Latn", 2),
            ("La respuesta correcta es la opción B.", "spa_Latn", 1),
            ("Ответ: C.", "rus_Cyrl", 2),
            ("الجواب هو B.", "arb_Arab", 1),
            ("उत्तर B है।", "hin_Deva", 1),
            ("คำตอบคือ D", "tha_Thai", 3),
            ("Jibu ni A.", "swh_Latn", 0),
            ("答案是：D。", "zho_Hans", 3),
        ] {
            assert_eq!(chosen(text, language, &letters), Some(option), "{text}");
        }
        assert_eq!(chosen("The answer is New York City.", "eng_Latn", &["new york", "New York City"]), Some(1));
    }

    #[test]
    fn what_is_not_stated_is_not_chosen() {
        for text in ["", "A or B", "The answer is not B.", "The answer is Bern.", "The answer is a."] {
            assert_eq!(chosen(text, "eng_Latn", &["A", "B"]), None, "{text}");
        }
        assert_eq!(chosen("The answer is 9.", "eng_Latn", &["5", "7"]), None);
        let other = choice("3 + 6 = 9. The answer is 9.", "eng_Latn", &["5", "7"].map(str::to_owned));
        assert_eq!(other, Some(Choice { option: None, at: 25 }));
        assert_eq!(chosen("The answer is 7.", "eng_Latn", &[]), None);
    }

    #[test]
    fn a_text_that_changes_its_mind_chooses_what_it_says_last_whatever_the_options_are() {
        let said = |text: &str, options: &[&str]| -> Vec<Option<usize>> {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            choices(text, "spa_Latn", &options).into_iter().map(|choice| choice.option).collect()
        };
        for (options, first, last) in
            [(["A", "B"], "A", "B"), (["5", "7"], "5", "7"), (["rojo", "azul"], "rojo", "azul")]
        {
            let told = format!("La respuesta es {first}. Pero 3 + 4 = 7. La respuesta es {last}.");
            assert_eq!(said(&told, &options), [Some(0), Some(1)], "{told}");
            // What is boxed counts before what is told, and nothing behind it.
            let boxed = format!("La respuesta es \\boxed{{{first}}}. No: la respuesta es {last}.");
            assert_eq!(said(&boxed, &options), [Some(0)], "{boxed}");
            let again = format!("\\boxed{{{first}}}, es decir \\boxed{{{last}}}");
            assert_eq!(said(&again, &options), [Some(0), Some(1)], "{again}");
        }
        assert_eq!(said("La respuesta es 9. La respuesta es 7.", &["5", "7"]), [None, Some(1)]);
        // Two numbers that are no options are two answers; the same one twice is one.
        assert_eq!(said("La respuesta es 9. La respuesta es 8.", &["5", "7"]), [None, None]);
        assert_eq!(said("La respuesta es 7. La respuesta es 7.", &["5", "7"]), [Some(1)]);
        assert_eq!(said("La respuesta es A. La respuesta es A.", &["A", "B"]), [Some(0)]);
    }
}
