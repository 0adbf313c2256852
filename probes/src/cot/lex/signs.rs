//! Signs of mathematics, and what only looks like one.

use super::{Gap, Kind, Lexer, Token};
use crate::cot::{letters::in_word, locale::Decimal, numerals::digit};

impl Lexer<'_> {
    /// A character of ASCII that is no letter, digit or backslash.
    pub(super) fn sign(&mut self, c: char) {
        let rest = self.rest();
        let next = rest[1..].chars().next();
        match c {
            '+' => self.take(1, Kind::Plus),
            '-' => self.minus(),
            '*' => self.star(),
            '/' => self.take(1, Kind::Divide),
            '=' if next == Some('>') => self.take(2, Kind::Break('⇒')),
            '=' => {
                let length = rest.bytes().take_while(|byte| *byte == b'=').count();
                // A line of them underlines a heading.
                self.take(length, if length > 2 { Kind::Break('=') } else { Kind::Equals });
            }
            ':' if next == Some('=') => self.take(2, Kind::Equals),
            ':' => self.take(1, Kind::Colon),
            '<' if self.note() => {}
            '<' | '>' | '!' if next == Some('=') => self.take(2, Kind::Break(c)),
            '^' => match ["^\\circ", "^{\\circ}"].into_iter().find(|degrees| rest.starts_with(*degrees)) {
                Some(degrees) => self.take(degrees.len(), Kind::Unit),
                None => self.take(1, Kind::Power),
            },
            '(' if self.begins_line() && self.item() => {}
            '(' | '[' | '{' => self.take(1, Kind::Open(c)),
            ')' => self.take(1, Kind::Close('(')),
            ']' => self.take(1, Kind::Close('[')),
            '}' => self.take(1, Kind::Close('{')),
            '$' => self.take(1, Kind::Currency),
            '#' => {
                let length = rest.bytes().take_while(|byte| *byte == b'#').count();
                if length == 4 { self.take(4, Kind::Hashes) } else { self.space(length) }
            }
            '.' if self.fraction() => {}
            '&' if self.maths => self.space(1),
            '~' if self.maths => self.space(1),
            '_' | '"' | '\'' | '`' => self.space(1),
            _ if c.is_control() => self.space(1),
            _ => self.take(1, Kind::Break(c)),
        }
    }

    /// `<<48/2=24>>`, which GSM8K writes for a calculator behind the sign of equality.
    fn note(&mut self) -> bool {
        let rest = self.rest();
        let inner = rest.strip_prefix("<<").and_then(|inner| inner.split('\n').next()?.find(">>"));
        let Some(length) = inner.filter(|length| *length < 200).map(|length| length + 4) else { return false };
        self.ignore(self.at..self.at + length, "repeats an equation for a calculator");
        self.space(length);
        true
    }

    /// `(1) ` at the beginning of a line.
    fn item(&mut self) -> bool {
        let start = self.at;
        let Some(digits) = super::number::digits_at(self.text, start + 1) else { return false };
        let behind = self.text[digits.end..].strip_prefix(')');
        let marks = behind
            .is_some_and(|behind| behind.starts_with(' ') && behind.trim_start().starts_with(char::is_alphanumeric));
        if marks {
            self.at = digits.end + 1;
            self.ignore(digits, "marks an item of a list");
            self.emit(Kind::Break(' '), start);
        }
        marks
    }

    fn minus(&mut self) {
        let rest = self.rest();
        if rest.starts_with("->") {
            return self.take(2, Kind::Break('→'));
        }
        if rest.starts_with("--") {
            return self.take(rest.bytes().take_while(|byte| *byte == b'-').count(), Kind::Break('-'));
        }
        if self.begins_line() && rest[1..].starts_with(' ') {
            return self.bullet(1);
        }
        self.take(1, Kind::Minus);
    }

    /// The mark of an item leaves no token, and the line still begins.
    fn bullet(&mut self, length: usize) {
        self.at += length;
    }

    /// A star multiplies, or is markdown.
    fn star(&mut self) {
        let rest = self.rest();
        let tight = self.gap == Gap::None;
        let last = self.out.last();
        let ends = last.is_some_and(Token::ends) && !self.begins_line();
        let starts = |c: char| c.is_alphanumeric() || matches!(c, '(' | '\\' | '$' | '{');
        if let Some(behind) = rest.strip_prefix("**") {
            // 2**3, where no second pair makes it bold.
            let operand = last.is_some_and(|last| last.symbol() || last.is_number());
            let power = ends && tight && operand && behind.starts_with(starts) && !behind.contains("**");
            return if power { self.take(2, Kind::Power) } else { self.markdown(2) };
        }
        let spaced = rest[1..].starts_with(char::is_whitespace);
        let times = ends
            && match (tight, spaced) {
                (false, true) => true,
                (true, false) => rest[1..].starts_with(starts),
                (false, false) => {
                    last.is_some_and(|last| !matches!(last.kind, Kind::Name(_)))
                        && rest[1..].starts_with(|c| digit(c).is_some())
                }
                (true, true) => false,
            };
        if times { self.take(1, Kind::Times) } else { self.markdown(1) }
    }

    fn markdown(&mut self, length: usize) {
        if self.begins_line() { self.bullet(length) } else { self.space(length) }
    }

    /// A character outside ASCII that is no letter or digit.
    pub(super) fn other(&mut self, c: char) {
        let length = c.len_utf8();
        let rest = &self.rest()[length..];
        let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
        let kind = match c {
            // 2 · 3 and 2·3 multiply; "= 4· 2 + 8" begins another sentence.
            '·' if spaced
                && self.gap == Gap::None
                && (self.locale.decimal == Decimal::Middle || self.ends_sentence()) =>
            {
                Kind::Break('.')
            }
            '•' | '·' | '∙' | '▪' | '●' | '‣' if self.begins_line() => return self.bullet(length),
            '×' | '✕' | '✖' | '⨯' | '⨉' | '⋅' | '∙' | '·' | '＊' | '∗' => Kind::Times,
            '÷' | '∕' | '⁄' | '／' | '➗' => Kind::Divide,
            '−' | '－' | '﹣' | '–' | '‒' | '➖' => Kind::Minus,
            '＋' | '➕' => Kind::Plus,
            '＝' | '﹦' => Kind::Equals,
            '≈' | '≃' | '≅' | '∼' | '～' => Kind::Approx,
            '＾' => Kind::Power,
            '：' | '∶' => Kind::Colon,
            '（' => Kind::Open('('),
            '［' => Kind::Open('['),
            '）' => Kind::Close('('),
            '］' => Kind::Close('['),
            '€' | '£' | '¥' | '￥' | '₹' | '₽' | '₩' | '฿' | '₫' | '₺' | '₪' | '৳' | '₦' | '₵' | '₱' | '₴' | '₸'
            | '﷼' => Kind::Currency,
            '°' | '℃' | '℉' => Kind::Unit,
            '√' => return self.root(length),
            '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '「' | '」' | '『' | '』' | '《' | '》' | '‹' | '›' =>
            {
                return self.space(length);
            }
            _ if invisible(c) || in_word(c) => {
                self.at += length;
                return;
            }
            _ => Kind::Break(c),
        };
        self.take(length, kind);
    }

    /// Whether a dot right behind the last token, and apart from the next, is a full stop. Mathematics between delimiters has none.
    fn ends_sentence(&self) -> bool {
        !self.maths && self.out.last().is_some_and(Token::ends)
    }

    /// √16 and √(9 + 7).
    fn root(&mut self, length: usize) {
        let rest = &self.rest()[length..];
        if rest.starts_with(|c| digit(c).is_some()) {
            self.take(length, Kind::Root);
            self.emit(Kind::Open('('), self.at);
            self.number();
            self.emit(Kind::Close('('), self.at);
        } else if rest.starts_with('(') {
            self.take(length, Kind::Root);
        } else {
            self.take(length, Kind::Break('√'));
        }
    }
}

/// Marks that say in which direction text runs, joiners, and the mark of byte order.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{feff}' | '\u{ad}')
}
