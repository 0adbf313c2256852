//! Words of scripts without spaces, and the numbers within them.

use std::borrow::Cow;

use num_rational::BigRational;

use super::{Gap, Kind, Lexer, Token, Written};
use crate::cot::{
    letters::{Class, class, in_word},
    numerals::{self, digit, is_han},
    phrases::Spoken,
    words,
};

impl Lexer<'_> {
    /// A run of letters of one class; what stands between numbers becomes names.
    pub(super) fn unspaced_word(&mut self, of: Class, end: usize) {
        let mut word = self.at;
        while let Some(c) = self.text[self.at..end].chars().next() {
            if class(c) != of && !(in_word(c) && class(c) == Class::None) {
                break;
            }
            let found = match of {
                Class::Han if self.locale.han && is_han(c) => self.han(end),
                Class::Thai if self.locale.code == "tha" => self.thai(end),
                _ => None,
            };
            match found {
                Some(Found { length, value, percent, written }) if length > 0 => {
                    self.name(word);
                    let start = self.at;
                    self.at += length;
                    let value = self.scaled(value);
                    let value = if percent { value / BigRational::from_integer(100.into()) } else { value };
                    self.emit_number(value, 0, written, start);
                    if let (true, Some(Kind::Number(number))) =
                        (percent, self.out.last_mut().map(|token| &mut token.kind))
                    {
                        number.percent = true;
                    }
                    word = self.at;
                }
                // Numerals that are no number here are passed as a whole, so that no run is read twice.
                _ if of == Class::Han && is_han(c) => {
                    let run = &self.text[self.at..end];
                    self.at += run.find(|c| !is_han(c)).unwrap_or(run.len());
                }
                _ => self.at += c.len_utf8(),
            }
        }
        self.name(word);
    }

    /// What stands between numbers. "Minus" at its end, right before a number, is a sign: 答案是负3, マイナス3, คำตอบคือลบ 3.
    fn name(&mut self, start: usize) {
        if self.at == start {
            return;
        }
        let word = &self.text[start..self.at];
        let Some(at) = self.sign_word(word) else { return self.emit(Kind::Name(Cow::Borrowed(word)), start) };
        let end = self.at + self.rest().len() - self.rest().trim_start_matches(' ').len();
        if at > 0 {
            self.at = start + at;
            self.emit(Kind::Name(Cow::Borrowed(&word[..at])), start);
        }
        self.at = end;
        self.gap = self.gap.max(Gap::Space);
        self.emit(Kind::Minus, start + at);
    }

    /// Where a "minus" begins that ends a word and is the sign of what follows. Thai and its kin subtract with the same word, Chinese
    /// counts wins and losses with it (2胜1负3平).
    fn sign_word(&self, word: &str) -> Option<usize> {
        let rest = self.rest().trim_start_matches(' ');
        let number = rest.starts_with(|c| digit(c).is_some() || (self.locale.han && is_han(c)));
        let spoken = Spoken::of(self.locale);
        let at = number.then(|| spoken.minus_end(word)).flatten()?;
        let last = self.out.last();
        let before = match last.map(|last| &last.kind) {
            _ if at > 0 => Some(&word[..at]),
            Some(Kind::Name(name)) if !last.is_some_and(Token::symbol) => Some(&**name),
            _ => None,
        };
        let operand = at == 0 && before.is_none() && last.is_some_and(Token::ends);
        let leads = self.locale.han || before.is_none_or(|before| spoken.leads(before));
        (leads && !operand && !before.is_some_and(|before| before.ends_with(['正', '胜', '勝']))).then_some(at)
    }

    fn han(&self, end: usize) -> Option<Found> {
        let (before, rest) = (&self.text[..self.at], &self.text[self.at..end]);
        let run = |text: &str| text.find(|c| !is_han(c)).unwrap_or(text.len());
        if let Some(share) = rest.strip_prefix("百分之") {
            let length = run(share);
            let value = numerals::han(&share[..length])?;
            return Some(Found { length: rest.len() - share.len() + length, percent: true, ..Found::of(0, value) });
        }
        if before.ends_with('第') {
            let length = run(rest);
            let value = numerals::han(&rest[..length])?;
            return Some(Found { written: Written::Ordinal, ..Found::of(length, value) });
        }
        let (length, value, one) = words::han(before, rest)?;
        let part =
            rest[length..].strip_prefix("分之").and_then(|part| Some((part, numerals::han(&part[..run(part)])?)));
        if let Some((part, above)) = part.filter(|_| value > 0) {
            let value = BigRational::new(above.into(), value.into());
            return Some(Found { value, ..Found::of(rest.len() - part.len() + run(part), 0) });
        }
        let written = if one { Written::One } else { Written::Words };
        Some(Found { written, ..Found::of(length, value) })
    }

    fn thai(&self, end: usize) -> Option<Found> {
        let (before, rest) = (&self.text[..self.at], &self.text[self.at..end]);
        let (length, value) = words::thai(rest)?;
        let written = match value {
            _ if before.ends_with("ที่") => Written::Ordinal,
            1 => Written::One,
            _ => Written::Words,
        };
        Some(Found { written, ..Found::of(length, value) })
    }
}

/// A number within a word.
struct Found {
    length: usize,
    value: BigRational,
    percent: bool,
    written: Written,
}

impl Found {
    fn of(length: usize, value: u64) -> Self {
        Self { length, value: BigRational::from_integer(value.into()), percent: false, written: Written::Words }
    }
}
