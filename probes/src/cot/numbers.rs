//! Numbers written in digits: native digits, decimal and thousands marks by locale.
//!
//! A group of digits with marks between them is read as follows (d = the decimal mark of the locale, see `locale.rs`):
//!
//! - two kinds of marks: the last is decimal, the others set thousands apart, in every language: 1,234.5 and 1.234,5;
//! - one kind, several times: thousands (1.234.567; Indian 1,23,456), else refused;
//! - one mark that is d: decimal, except that 1,234 is refused where both habits are common (Spanish, unknown languages);
//! - one mark that is not d: thousands before exactly three digits; else a full stop is decimal (3.14 is written everywhere) and a
//!   comma is refused (1,5 may be a list);
//! - U+066B is decimal and U+066C thousands, as is the Arabic comma before exactly three digits; no-break and thin spaces and apostrophes are thousands before exactly three digits, a
//!   plain space where the language writes it so.
//!
//! What is refused is no number and is listed with the reason. Beyond [`MOST_DIGITS`] digits a number is refused too.

use num_rational::BigRational;

use super::{
    expression::Expression,
    locale::{Decimal, Locale},
    numerals::zero,
    value::Value,
};

/// Longer numbers are refused: they cost more than they say.
pub const MOST_DIGITS: usize = 300;

/// A number, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// Where it ends.
    pub(super) end: usize,
    pub(super) number: Result<Decimals, String>,
}

/// A number, and how many decimals it was written with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decimals {
    pub(super) value: BigRational,
    pub(super) decimals: usize,
}

/// The number that a whole text writes, in the manner of a language: digits, Han numerals, number words up to twenty, fractions,
/// percentages, arithmetic on them.
///
/// # Errors
/// A sentence where it is no number, or one that can be read in two ways.
///
/// ```
/// use babelscope_probes::cot::number;
/// for (text, language) in [("1,234.5", "eng_Latn"), ("1.234,5", "deu_Latn"), ("१,२३४.५", "hin_Deva"), ("٢٤٦٩/٢", "arb_Arab")] {
///     assert_eq!(number(text, language).unwrap().to_string(), "2469/2");
/// }
/// assert_eq!(number("三十五", "zho_Hans").unwrap(), 35.into());
/// assert_eq!(number("20 %", "fra_Latn").unwrap().to_string(), "1/5");
/// assert!(number("1,234", "spa_Latn").is_err());
/// ```
pub fn number(text: &str, language: &str) -> Result<Value, String> {
    Expression::parse(text, language)?
        .value()
        .ok_or_else(|| format!("expected a number, got {text:?}, whose value is not known or is too long"))
}

/// A mark between digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Point,
    Comma,
    /// Decimal in every language.
    Decimal,
    /// Thousands in every language, but only before three digits.
    Group,
}

/// The mark at a place and its length.
fn mark(rest: &str, locale: Locale) -> Option<(Mark, usize)> {
    let c = rest.chars().next()?;
    let mark = match c {
        '.' | '．' => Mark::Point,
        ',' => Mark::Comma,
        '·' if locale.decimal == Decimal::Middle => Mark::Decimal,
        '٫' => Mark::Decimal,
        '٬' | '،' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’' => Mark::Group,
        ' ' if locale.spaces => Mark::Group,
        '{' if rest.starts_with("{,}") => return Some((Mark::Comma, 3)),
        '{' if rest.starts_with("{.}") => return Some((Mark::Point, 3)),
        '\\' if rest.starts_with("\\,") => return Some((Mark::Group, 2)),
        _ => return None,
    };
    Some((mark, c.len_utf8()))
}

/// A run of digits of one script, in ASCII, and where it ends.
fn run(text: &str, at: usize, of: u32) -> (String, usize) {
    let (mut digits, mut end) = (String::new(), at);
    for c in text[at..].chars().take_while(|c| zero(*c) == Some(of)) {
        digits.extend(char::from_digit(u32::from(c) - of, 10));
        end += c.len_utf8();
    }
    (digits, end)
}

/// The number whose first digit stands at `at`.
pub(super) fn read(text: &str, at: usize, locale: Locale) -> Read {
    let Some(script) = text[at..].chars().next().and_then(zero) else {
        return Read { end: at, number: Err("no digit stands here".into()) };
    };
    let (first, mut end) = run(text, at, script);
    let (mut groups, mut marks) = (vec![first], Vec::new());
    let mut first_end = end;
    while let Some((mark, length)) = mark(&text[end..], locale) {
        let (digits, next) = run(text, end + length, script);
        let three = digits.len() == 3 && groups.iter().skip(1).all(|group| group.len() == 3) && groups[0].len() <= 3;
        if digits.is_empty() || (mark == Mark::Group && !three) {
            break;
        }
        (end, _) = (next, groups.push(digits));
        marks.push(mark);
        if marks.len() == 1 && mark == Mark::Group {
            first_end = end;
        }
    }
    let digits: usize = groups.iter().map(String::len).sum();
    if digits > MOST_DIGITS {
        return Read { end, number: Err(format!("has {digits} digits; numbers of up to {MOST_DIGITS} are read")) };
    }
    match sense(&groups, &marks, locale.decimal) {
        Sense::Whole => Read { end, number: Ok(decimals(&groups.concat(), "")) },
        Sense::Fraction => {
            let (last, whole) = groups.split_last().map_or(("", &groups[..]), |(last, whole)| (last.as_str(), whole));
            Read { end, number: Ok(decimals(&whole.concat(), last)) }
        }
        // 1,2,3: numbers in a row, of which this is the first.
        Sense::List => Read { end: first_end, number: Ok(decimals(&groups[0], "")) },
        Sense::Refused(why) => Read { end, number: Err(format!("{:?} {why}", &text[at..end])) },
    }
}

/// The number after a decimal mark without a whole part: `.5`.
pub(super) fn read_fraction(text: &str, at: usize) -> Option<Read> {
    let script = text[at..].chars().next().and_then(zero)?;
    let (digits, end) = run(text, at, script);
    let fits = digits.len() <= MOST_DIGITS;
    let number = if fits { Ok(decimals("0", &digits)) } else { Err(format!("has {} digits", digits.len())) };
    Some(Read { end, number })
}

enum Sense {
    Whole,
    Fraction,
    List,
    Refused(&'static str),
}

/// Thousands: 1 to 3 digits, then groups of three; or of two and at last three (Indian).
fn grouped(groups: &[String]) -> bool {
    let Some((last, before)) = groups.split_last() else { return false };
    let Some((first, middle)) = before.split_first() else { return false };
    let all = |width: usize| middle.iter().all(|group| group.len() == width);
    last.len() == 3 && !first.starts_with('0') && ((first.len() <= 3 && all(3)) || (first.len() <= 2 && all(2)))
}

fn sense(groups: &[String], marks: &[Mark], decimal: Decimal) -> Sense {
    let Some(last) = marks.last() else { return Sense::Whole };
    let ends = marks.iter().filter(|mark| *mark == last).count() == 1;
    let whole = &groups[..groups.len() - 1];
    let mixed = marks.iter().any(|mark| mark != last);
    if mixed || *last == Mark::Decimal {
        let thousands = marks[..marks.len() - 1].iter().all(|mark| *mark == marks[0]);
        return if *last == Mark::Group && grouped(groups) {
            Sense::Whole
        } else if ends && thousands && (whole.len() == 1 || grouped(whole)) {
            Sense::Fraction
        } else {
            Sense::Refused("mixes its marks in a way that no language does")
        };
    }
    if *last == Mark::Group {
        return Sense::Whole;
    }
    let thousands = grouped(groups);
    if marks.len() > 1 {
        return match (thousands, *last) {
            (true, _) => Sense::Whole,
            (false, Mark::Comma) => Sense::List,
            (false, _) => Sense::Refused("is a date, a version or the number of a section"),
        };
    }
    let own = match decimal {
        Decimal::Point | Decimal::Middle => Mark::Point,
        _ => Mark::Comma,
    };
    match (*last == own, thousands, decimal) {
        (_, true, Decimal::Unknown) | (true, true, Decimal::Mixed) => {
            Sense::Refused("can be read in two ways: its mark is a decimal mark or sets thousands apart")
        }
        (true, ..) => Sense::Fraction,
        (false, true, _) => Sense::Whole,
        (false, false, _) if *last == Mark::Point => Sense::Fraction,
        (false, false, _) => Sense::Refused("can be read in two ways: as a list, or with a decimal comma"),
    }
}

/// The value of `whole.fraction`, both ASCII digits.
fn decimals(whole: &str, fraction: &str) -> Decimals {
    let text = format!("{whole}{fraction}");
    let value = match text.parse::<i64>() {
        Ok(small) => BigRational::from_integer(small.into()),
        Err(_) => text.parse().unwrap_or_default(),
    };
    let value = (0..fraction.len()).fold(value, |value, _| value / BigRational::from_integer(10.into()));
    Decimals { value, decimals: fraction.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, language: &str) -> Result<String, String> {
        let read = read(text, 0, Locale::of(language));
        read.number.map(|number| number.value.to_string()).map_err(|why| format!("{}|{why}", &text[..read.end]))
    }

    #[test]
    fn marks_are_read_by_locale() {
        for (text, language, wanted) in [
            ("1,234.5", "eng_Latn", "2469/2"),
            ("1.234,5", "eng_Latn", "2469/2"),
            ("1,234", "eng_Latn", "1234"),
            ("1.234", "eng_Latn", "617/500"),
            ("1.234", "deu_Latn", "1234"),
            ("1,234", "deu_Latn", "617/500"),
            ("3.14", "deu_Latn", "157/50"),
            ("0.125", "fra_Latn", "1/8"),
            ("1\u{a0}234,5", "fra_Latn", "2469/2"),
            ("1 234", "rus_Cyrl", "1234"),
            ("12\u{202f}345\u{202f}678", "fra_Latn", "12345678"),
            ("1.234.567", "ind_Latn", "1234567"),
            ("1,23,456", "hin_Deva", "123456"),
            ("१,२३,४५६.५", "hin_Deva", "246913/2"),
            ("١٬٢٣٤٫٥", "arb_Arab", "2469/2"),
            ("۱۲٫۵", "pes_Arab", "25/2"),
            ("۱۲۲،۶۵۳", "pes_Arab", "122653"),
            ("128 948", "spa_Latn", "128948"),
            ("42.000", "khm_Khmr", "42000"),
            ("1{,}234", "eng_Latn", "1234"),
            ("3·14", "qec_Latn", "157/50"),
            ("１２．５", "jpn_Jpan", "25/2"),
            ("𝟏𝟐", "eng_Latn", "12"),
            ("007", "eng_Latn", "7"),
        ] {
            assert_eq!(value(text, language), Ok(wanted.into()), "{text} in {language}");
        }
    }

    #[test]
    fn two_readings_are_refused_with_the_reason() {
        for (text, language) in [
            ("1,234", "spa_Latn"),
            ("1,234", "khm_Khmr"),
            ("1.234", "xxx_Latn"),
            ("1,5", "eng_Latn"),
            ("1.2.3", "eng_Latn"),
            ("1,23.4,5", "deu_Latn"),
        ] {
            let why = value(text, language).unwrap_err();
            assert!(why.starts_with(&format!("{text}|")), "{why}");
        }
        assert!(value(&"9".repeat(400), "eng_Latn").unwrap_err().contains("has 400 digits"));
    }

    #[test]
    fn a_number_ends_where_its_script_or_its_form_ends() {
        for (text, language, end) in [
            ("1,2,3", "eng_Latn", "1"),
            ("5, 6", "eng_Latn", "5"),
            ("1 234", "eng_Latn", "1"),
            ("٥،٦", "arb_Arab", "٥"),
            ("5.", "eng_Latn", "5"),
            ("5٣", "arb_Arab", "5"),
            ("12'34", "deu_Latn", "12"),
        ] {
            assert_eq!(&text[..read(text, 0, Locale::of(language)).end], end);
        }
    }
}
