//! Numbers in digits, and digits that are no numbers.

use std::ops::Range;

use num_rational::BigRational;

use super::{Gap, Kind, Lexer, Number, Token, Written, lower};
use crate::cot::{
    letters::{Class, class, in_word},
    numbers::{MOST_DIGITS, read, read_fraction},
    numerals::digit,
    percent,
    phrases::Spoken,
    words::{leading_scale, scale, scale_before},
};

impl Lexer<'_> {
    /// A number in digits.
    pub(super) fn number(&mut self) {
        let start = self.at;
        if let Some((end, why)) = self.aside(start) {
            self.at = end;
            self.ignore(start..end, why);
            return self.emit(Kind::Break(' '), start);
        }
        let found = read(self.text, start, self.locale);
        self.at = found.end;
        match found.number {
            Ok(number) => {
                let (start, factor) = self.scale_before(start);
                let value = number.value * self.exponent_of_ten();
                let value = self.scaled(value) * BigRational::from_integer(factor.into());
                let before = &self.text[..start];
                let thai_ordinal = self.locale.code == "tha" && before.trim_end().ends_with("ที่");
                let ordinal = before.ends_with('第') || thai_ordinal;
                let written = if ordinal { Written::Ordinal } else { Written::Digits };
                self.vulgar_behind(value, number.decimals, written, start);
            }
            Err(why) => {
                self.ignore(start..found.end, why);
                self.emit(Kind::Break(' '), start);
            }
        }
    }

    /// A number, with the sign of percent behind it.
    pub(super) fn emit_number(&mut self, value: BigRational, decimals: usize, written: Written, start: usize) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}', '\u{200e}', '\u{200f}', '\u{61c}']);
        let sign = ["%", "\\%", "٪", "％", "﹪"].into_iter().find(|sign| trimmed.starts_with(*sign));
        let percent = sign.is_some_and(|sign| {
            // 20 % 3 is a remainder.
            let behind = trimmed[sign.len()..].trim_start();
            trimmed.len() == rest.len() || !behind.starts_with(|c| digit(c).is_some())
        });
        if let Some(sign) = sign.filter(|_| percent) {
            self.at += rest.len() - trimmed.len() + sign.len();
        }
        let word = if percent { None } else { percent::behind(rest, self.locale.code) };
        self.at += word.unwrap_or(0);
        let percent = percent || word.is_some() || self.percent_before(start);
        let value = if percent { value / BigRational::from_integer(100.into()) } else { value };
        self.emit(Kind::Number(Box::new(Number { value, decimals, percent, written })), start);
    }

    /// Whether a number at `start` has its "percent" before it: yüzde 20, asilimia 20, %20.
    fn percent_before(&mut self, start: usize) -> bool {
        let before = &self.text[..start];
        if percent::before(before, self.locale.code) {
            return true;
        }
        // 20 %3 is a remainder.
        let operand = |at: usize| {
            at.checked_sub(1).is_some_and(|at| self.out[at].ends() && !matches!(self.out[at].kind, Kind::Name(_)))
        };
        let sign =
            self.out.len().checked_sub(1).filter(|at| matches!(self.out[*at].kind, Kind::Break('%' | '٪' | '％')));
        let tight = sign.filter(|at| self.gap == Gap::None && self.out[*at].gap != Gap::None && !operand(*at));
        if tight.is_some() {
            self.out.pop();
        }
        tight.is_some()
    }

    /// `.5`, where the lexer stands at the mark.
    pub(super) fn fraction(&mut self) -> bool {
        let start = self.at;
        let free = !self.text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '.');
        let Some(found) = read_fraction(self.text, start + 1).filter(|_| free) else { return false };
        self.at = found.end;
        match found.number {
            Ok(number) => self.emit_number(number.value, number.decimals, Written::Digits, start),
            Err(why) => {
                self.ignore(start..found.end, why);
                self.emit(Kind::Break(' '), start);
            }
        }
        true
    }

    /// A whole number with a fraction of one character behind it is a mixed number: 2½.
    fn vulgar_behind(&mut self, value: BigRational, decimals: usize, written: Written, start: usize) {
        let next = self.rest().chars().next().and_then(|c| Some((c, crate::cot::numerals::vulgar(c)?)));
        match next.filter(|_| value.is_integer()) {
            Some((c, (above, below))) => {
                self.at += c.len_utf8();
                self.emit_number(value + BigRational::new(above.into(), below.into()), 0, written, start);
            }
            None => self.emit_number(value, decimals, written, start),
        }
    }

    /// The word of scale before a number that begins at `start` (milioni 4) goes; where the number begins with it, and its factor.
    fn scale_before(&mut self, start: usize) -> (usize, i64) {
        let last = self.out.last().filter(|last| matches!(last.kind, Kind::Counted(_) | Kind::Name(_)));
        let found = last.and_then(|last| {
            let near = self.text.get(last.span.end..start).is_some_and(|gap| gap == " " || gap == "\u{a0}");
            let factor = scale_before(&lower(&self.text[last.span.clone()]), self.locale.code).filter(|_| near)?;
            Some((last.span.start, factor))
        });
        if found.is_some() {
            self.out.pop();
        }
        found.unwrap_or((start, 1))
    }

    /// The power of ten that follows, as programs write it: 1.5e3. One where there is none.
    fn exponent_of_ten(&mut self) -> BigRational {
        let (one, ten) = (BigRational::from_integer(1.into()), BigRational::from_integer(10.into()));
        let rest = self.rest();
        let Some(behind) =
            rest.strip_prefix(['e', 'E']).filter(|_| self.text[..self.at].ends_with(|c: char| c.is_ascii()))
        else {
            return one;
        };
        let digits = behind.strip_prefix(['-', '+']).unwrap_or(behind);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let ends = !digits[length..].starts_with(|c: char| c.is_alphanumeric() || in_word(c) || c == '_');
        let Some(power) = digits[..length].parse::<usize>().ok().filter(|power| ends && *power <= MOST_DIGITS) else {
            return one;
        };
        self.at += rest.len() - digits.len() + length;
        let factor = (0..power).fold(one, |factor, _| factor * &ten);
        if behind.starts_with('-') { factor.recip() } else { factor }
    }

    /// Multiplies by the words of scale that follow: 3 million, 1.5亿, 1万2000.
    pub(super) fn scaled(&mut self, mut value: BigRational) -> BigRational {
        let code = self.locale.code;
        for _ in 0..3 {
            let rest = self.rest();
            if let Some((length, factor)) =
                leading_scale(rest, code).or_else(|| leading_scale(rest.strip_prefix(' ')?, code))
            {
                self.at += length + (rest.len() - rest.strip_prefix(' ').unwrap_or(rest).len());
                value *= BigRational::from_integer(factor.into());
                let low = read(self.text, self.at, self.locale);
                if let Ok(low) = low.number.as_ref().map(|low| low.value.clone())
                    && low < BigRational::from_integer(factor.into())
                {
                    self.at = read(self.text, self.at, self.locale).end;
                    value += low;
                }
                continue;
            }
            let word = rest.strip_prefix([' ', '\u{a0}']).unwrap_or(rest);
            let length = word
                .find(|c| matches!(class(c), Class::None) && !crate::cot::letters::in_word(c))
                .unwrap_or(word.len());
            // No word of scale is longer.
            let Some(factor) = (1..=40).contains(&length).then(|| scale(&lower(&word[..length]), code)).flatten()
            else {
                break;
            };
            value *= BigRational::from_integer(factor.into());
            self.at += rest.len() - word.len() + length;
        }
        value
    }

    /// Digits that are no number: their end and the reason.
    fn aside(&self, start: usize) -> Option<(usize, &'static str)> {
        let parts = digits_at(self.text, start)?;
        let rest = &self.text[parts.end..];
        if self.begins_line() && parts.len() <= 12 && marks_list(rest) {
            return Some((parts.end + rest.chars().next().map_or(0, char::len_utf8), "marks an item of a list"));
        }
        let before = self.text[..start].trim_end_matches(' ');
        // With its marks, so that no part of it is left over as a number.
        let whole = || read(self.text, start, self.locale).end;
        if (before.ends_with(['#', '№']) && !before.ends_with("##")) || labelled(before) {
            return Some((whole(), "is a label"));
        }
        if self.gap == Gap::None && before.len() == start && hyphened(before, self.locale.code) {
            return Some((whole(), "is part of a word"));
        }
        if self.gap == Gap::None && !self.maths && self.doubtful() {
            return Some((whole(), "stands behind a hyphen that may be its sign"));
        }
        if let Some(length) = ordinal(rest, self.locale.code) {
            return Some((parts.end + length, "is an ordinal"));
        }
        date(self.text, &parts).map(|end| (end, "is a date")).or_else(|| clock(self.text, &parts))
    }
}

impl Lexer<'_> {
    /// Whether the last tokens are a word of a script without spaces and a hyphen that may be a sign, join (歼-20) or subtract (总数-3).
    fn doubtful(&self) -> bool {
        let [before @ .., word, hyphen] = self.out.as_slice() else { return false };
        let Kind::Name(name) = &word.kind else { return false };
        // 5元-3元 subtracts.
        let counted = word.gap == Gap::None && before.last().is_some_and(Token::is_number);
        hyphen.kind == Kind::Minus
            && hyphen.gap == Gap::None
            && !counted
            && name.chars().next_back().is_some_and(|c| class(c).unspaced())
            && !Spoken::of(self.locale).leads(name)
    }
}

/// The digits that begin at a place.
pub(super) fn digits_at(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let length = rest.find(|c| digit(c).is_none()).unwrap_or(rest.len());
    (length > 0).then_some(start..start + length)
}

/// Whether what follows the first digits of a line makes them the marker of an item: `1. a`, `1) a`, `1、a`, `1- a`.
fn marks_list(rest: &str) -> bool {
    let mut chars = rest.chars();
    let mark = chars.next();
    let behind = chars.as_str();
    let said =
        !behind.split('\n').next().unwrap_or_default().trim_matches(|c: char| c.is_whitespace() || c == '*').is_empty();
    let apart = behind.starts_with([' ', '\t', '*', '\u{a0}']);
    said && match mark {
        Some('.' | ')' | '）' | '．') => apart,
        Some('、') => true,
        Some('-') => apart && behind.trim_start().starts_with(char::is_alphabetic),
        _ => false,
    }
}

/// "No. 5", "Nr. 5", "núm. 5".
fn labelled(before: &str) -> bool {
    ["no.", "nr.", "num.", "núm.", "nº", "n°"].iter().any(|label| {
        let Some(at) = before.len().checked_sub(label.len()) else { return false };
        before.get(at..).is_some_and(|end| end.to_lowercase() == *label) && !before[..at].ends_with(char::is_alphabetic)
    })
}

/// COVID-19, GPT-4, كوفيد-19: a hyphen that joins the digits to a word. In Zulu it joins what is counted (ezingu-24) to a number, unless
/// the word is a name; prefixes that scripts without capitals join to numbers are shorter than names.
fn hyphened(before: &str, language: &str) -> bool {
    let Some(word) = before.strip_suffix('-') else { return false };
    let last = word.chars().next_back().map_or(Class::None, class);
    let letters = || word.chars().rev().take_while(|c| class(*c) == last || in_word(*c));
    let count = letters().filter(|c| class(*c) == last).take(4).count();
    match last {
        Class::Joined if language == "zul" => count > 1 && letters().any(char::is_uppercase),
        Class::Joined => count > 1,
        Class::Spaced => count > 3 && language != "heb",
        _ => false,
    }
}

fn ordinal(rest: &str, language: &str) -> Option<usize> {
    let endings: &[&str] = match language {
        "fra" => &["ème", "ère", "er", "re", "e"],
        "rus" | "ukr" | "bel" => &["-й", "-я", "-е", "-го", "-му", "-м", "-ой", "-ую", "-х"],
        _ => &["st", "nd", "rd", "th", "ª", "º", "."],
    };
    let found = endings.iter().chain(&["ª", "º"]).find(|ending| **ending != "." && rest.starts_with(**ending))?;
    (!rest[found.len()..].starts_with(char::is_alphanumeric)).then_some(found.len())
}

/// Three groups of digits with the same mark between them, one of which can be a year.
fn date(text: &str, first: &Range<usize>) -> Option<usize> {
    let mark = text[first.end..].chars().next().filter(|c| matches!(c, '-' | '/' | '.'))?;
    let second = digits_at(text, first.end + 1)?;
    let third = text[second.end..].starts_with(mark).then(|| digits_at(text, second.end + 1)).flatten()?;
    let count = |range: &Range<usize>| text[range.clone()].chars().count();
    let behind = text[third.end..].trim_start();
    let year = count(first) == 4 && count(&third) <= 2 || count(first) <= 2 && count(&third) == 4;
    (year && count(&second) <= 2 && !behind.starts_with(['=', '≈'])).then_some(third.end)
}

/// 12:30, which may be a ratio too.
fn clock(text: &str, first: &Range<usize>) -> Option<(usize, &'static str)> {
    let value = |range: &Range<usize>| text[range.clone()].chars().try_fold(0, |sum, c| Some(sum * 10 + digit(c)?));
    let count = |range: &Range<usize>| text[range.clone()].chars().count();
    let part = |before: &Range<usize>| {
        let second = text[before.end..].starts_with(':').then(|| digits_at(text, before.end + 1)).flatten()?;
        (count(&second) == 2 && value(&second)? < 60).then_some(second)
    };
    let hours = count(first) <= 2 && value(first)? <= 24;
    let minutes = part(first).filter(|_| hours)?;
    let end = part(&minutes).map_or(minutes.end, |seconds| seconds.end);
    let computes =
        text[end..].trim_start().starts_with(['=', '≈']) || text[..first.start].trim_end().ends_with(['=', '+', '*']);
    (!computes).then_some((end, "is a time of day or a ratio"))
}
