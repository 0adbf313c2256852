//! A text as tokens: numbers, names, signs of mathematics, and breaks, across which no equation reaches.
//!
//! One pass. Bidirectional marks, quotation marks, markdown's stars and the delimiters of mathematics leave no token. What is a number
//! and yet none (the marker of a list, a date, a label, an ordinal, code) is put aside with the reason.

mod latex;
mod number;
mod signs;
mod unspaced;

use std::{borrow::Cow, ops::Range};

use num_rational::BigRational;

use super::{
    anchor::Ignored,
    letters::{Class, class, in_word},
    locale::Locale,
    numerals::{digit, superscript, vulgar},
    regions::{Inside, Region, regions},
    words::{Count, count},
};

/// How a number was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Digits,
    Words,
    /// The word for one, which may be an article.
    One,
    /// 第三, ที่สอง: counts steps, not things.
    Ordinal,
}

/// A number of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) value: BigRational,
    pub(super) decimals: usize,
    pub(super) percent: bool,
    pub(super) written: Written,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Number(Box<Number>),
    /// A number word, until `spelled.rs` has looked at its neighbours.
    Counted(Count),
    /// A word or the name of a variable.
    Name(Cow<'a, str>),
    Plus,
    Minus,
    Times,
    Divide,
    Power,
    Equals,
    Approx,
    Colon,
    Open(char),
    Close(char),
    Frac,
    Root,
    Boxed,
    Currency,
    /// A unit behind a number, degrees, the name of what is counted.
    Unit,
    /// `\\`: a new row of a formula.
    Row,
    /// `####`, which GSM8K puts before its answers.
    Hashes,
    Break(char),
}

/// What stands between a token and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    Space,
    /// A delimiter of mathematics: the two are not multiplied.
    Border,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) span: Range<usize>,
    pub(super) gap: Gap,
    /// Inside delimiters of mathematics.
    pub(super) maths: bool,
    /// The first of its line.
    pub(super) line: bool,
    /// Multiplied with the operand before it.
    pub(super) joined: bool,
}

impl Token<'_> {
    /// Whether an operand can begin here.
    pub(super) fn begins(&self) -> bool {
        matches!(self.kind, Kind::Number(_) | Kind::Name(_) | Kind::Open(_) | Kind::Frac | Kind::Root | Kind::Boxed)
    }

    /// Whether an operand can end here.
    pub(super) fn ends(&self) -> bool {
        matches!(self.kind, Kind::Number(_) | Kind::Name(_) | Kind::Close(_) | Kind::Unit)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Number(_))
    }

    /// A name of one letter, perhaps with an index.
    pub(super) fn symbol(&self) -> bool {
        matches!(&self.kind, Kind::Name(name) if is_symbol(name))
    }
}

/// One letter (with what combines with it), then digits, an index, primes or arguments.
pub(super) fn is_symbol(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next();
    let rest =
        chars.as_str().trim_start_matches(|c: char| !c.is_alphabetic() && in_word(c)).trim_end_matches(['\'', '′']);
    // A character of Han and a syllable of Hangul are words: 5개.
    let word = |c: char| class(c) == Class::Han || matches!(c, '\u{ac00}'..='\u{d7a3}');
    // "La risposta è -3", "a resposta é -3".
    let copula = matches!(name, "è" | "é" | "È" | "É" | "є");
    !copula
        && first.is_some_and(|c| c.is_alphabetic() && !word(c))
        && (rest.is_empty() || rest.starts_with(['_', '(']) || rest.chars().all(|c| digit(c).is_some()))
}

pub(super) struct Lexed<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) regions: Vec<Region>,
}

pub(super) struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) locale: Locale,
    pub(super) at: usize,
    pub(super) out: Vec<Token<'a>>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) maths: bool,
    gap: Gap,
    line: bool,
}

/// The tokens of a text; `maths`: all of it is mathematics, with delimiters or without.
pub(super) fn lex(text: &str, locale: Locale, maths: bool) -> Lexed<'_> {
    let regions = regions(text);
    let mut lexer = Lexer {
        text,
        locale,
        at: 0,
        out: Vec::with_capacity(text.len() / 6),
        ignored: Vec::new(),
        maths,
        gap: Gap::Space,
        line: true,
    };
    for region in &regions {
        lexer.run(region.span.start);
        match region.inside {
            Inside::Code => {
                if text[region.span.clone()].contains(|c| digit(c).is_some()) {
                    lexer.ignore(region.span.clone(), "stands in code");
                }
                lexer.emit(Kind::Break('`'), region.span.start);
            }
            Inside::Maths | Inside::Inline => {
                lexer.maths = maths || region.inside == Inside::Maths;
                lexer.at = lexer.at.max(region.inner.start);
                lexer.gap = Gap::Border;
                lexer.run(region.inner.end);
                (lexer.maths, lexer.gap) = (maths, Gap::Border);
            }
        }
        lexer.at = lexer.at.max(region.span.end);
    }
    lexer.run(text.len());
    Lexed { tokens: lexer.out, ignored: lexer.ignored, regions }
}

impl<'a> Lexer<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn ignore(&mut self, span: Range<usize>, why: impl Into<String>) {
        self.ignored.push(Ignored { span, why: why.into() });
    }

    /// A token that ends where the lexer stands.
    pub(super) fn emit(&mut self, kind: Kind<'a>, start: usize) {
        let span = start..self.at.max(start);
        self.out.push(Token { kind, span, gap: self.gap, maths: self.maths, line: self.line, joined: false });
        (self.gap, self.line) = (Gap::None, false);
    }

    /// Goes on by some bytes and gives a token for them.
    pub(super) fn take(&mut self, length: usize, kind: Kind<'a>) {
        let start = self.at;
        self.at += length;
        self.emit(kind, start);
    }

    pub(super) fn space(&mut self, length: usize) {
        self.at += length;
        self.gap = self.gap.max(Gap::Space);
    }

    /// Whether the lexer stands at the beginning of a line, before its first token.
    pub(super) fn begins_line(&self) -> bool {
        self.line
    }

    fn run(&mut self, end: usize) {
        while self.at < end {
            let Some(c) = self.rest().chars().next() else { break };
            let length = c.len_utf8();
            match c {
                '\n' if !self.maths => {
                    self.take(length, Kind::Break(c));
                    self.line = true;
                }
                _ if c.is_whitespace() => self.space(length),
                _ if digit(c).is_some() => self.number(),
                _ if class(c) != Class::None => self.word(class(c), end),
                '\\' => self.command(),
                _ if c.is_ascii() => self.sign(c),
                _ if vulgar(c).is_some() => {
                    let (above, below) = vulgar(c).unwrap_or((0, 1));
                    self.at += length;
                    self.emit_number(
                        BigRational::new(above.into(), below.into()),
                        0,
                        Written::Digits,
                        self.at - length,
                    );
                }
                _ if superscript(c).is_some() => self.exponent(),
                _ => self.other(c),
            }
        }
    }

    /// ² and its like: an exponent behind an operand; elsewhere the mark of a note.
    fn exponent(&mut self) {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some((c, power)) = self.rest().chars().next().and_then(|c| Some((c, superscript(c)?))) {
            value = value.saturating_mul(10).saturating_add(power.into());
            self.at += c.len_utf8();
        }
        if self.gap == Gap::None && self.out.last().is_some_and(Token::ends) {
            self.emit(Kind::Power, start);
            self.emit_number(BigRational::from_integer(value.into()), 0, Written::Digits, start);
        } else {
            self.gap = Gap::Space;
        }
    }

    /// A run of letters of one class; number words and names within it.
    fn word(&mut self, of: Class, end: usize) {
        let start = self.at;
        if of.unspaced() {
            return self.unspaced_word(of, end);
        }
        let rest = &self.text[start..end];
        if of == Class::Joined && self.cross(rest) {
            return self.take(rest.chars().next().map_or(1, char::len_utf8), Kind::Name(Cow::Borrowed("x")));
        }
        let length = letters(rest, of);
        let (length, name) = if of == Class::Joined { identifier(rest, length) } else { (length, None) };
        let word = &rest[..length];
        self.at += length;
        if name.is_none()
            && let Some(count) = count(&lower(word), self.locale.code)
        {
            return self.emit(Kind::Counted(count), start);
        }
        self.emit(Kind::Name(name.map_or(Cow::Borrowed(word), Cow::Owned)), start);
    }

    /// The x of 4x5, which is a sign.
    fn cross(&self, rest: &str) -> bool {
        let mut chars = rest.chars();
        matches!(chars.next(), Some('x' | 'X' | 'х' | 'Х'))
            && chars.next().is_some_and(|c| digit(c).is_some())
            && self.gap == Gap::None
            && self.out.last().is_some_and(Token::is_number)
    }
}

/// Lower case, borrowed where it is so already.
pub(super) fn lower(word: &str) -> Cow<'_, str> {
    if word.chars().any(char::is_uppercase) { Cow::Owned(word.to_lowercase()) } else { Cow::Borrowed(word) }
}

/// How far letters of one class go; an apostrophe between two belongs to them.
fn letters(rest: &str, of: Class) -> usize {
    let mut end = 0;
    for (at, c) in rest.char_indices() {
        let apostrophe = at == end
            && matches!(c, '\'' | '’')
            && of == Class::Joined
            && rest[at + c.len_utf8()..].starts_with(|next| class(next) == of);
        if class(c) == of || (at > 0 && in_word(c) && class(c) == Class::None) || (at > 0 && apostrophe) {
            end = at + c.len_utf8();
        } else {
            break;
        }
    }
    end
}

/// Goes on through digits, indices and primes: `x86`, `x_1`, `A'`. The name as it is spelled everywhere, where it differs from the text.
fn identifier(rest: &str, letters: usize) -> (usize, Option<String>) {
    let mut end = letters;
    let mut name = None;
    let single = rest[..letters].chars().nth(1).is_none();
    while let Some(c) = rest[end..].chars().next() {
        if digit(c).is_some() || (c.is_alphanumeric() && class(c) == Class::Joined) {
            end += c.len_utf8();
        } else if c == '_' && rest[end + 1..].starts_with(char::is_alphanumeric) {
            end += 1;
        } else if c == '_' && rest[end + 1..].starts_with('{') {
            let Some(close) = rest[end..].find('}').filter(|close| *close < 24) else { break };
            end += close + 1;
        } else if single && matches!(c, '\'' | '′') {
            end += c.len_utf8();
        } else {
            break;
        }
    }
    if end > letters {
        let plain = |c: char| digit(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c);
        name = Some(rest[..end].chars().filter(|c| !matches!(c, '{' | '}')).map(plain).collect());
    }
    (end, name)
}
