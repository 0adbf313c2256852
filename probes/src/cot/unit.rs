//! Units: the words, letters and brackets behind a number that say what is counted (7 books, $15, 15（元）, 60 km/h, 6 m²), told from what is
//! computed with; and the unit of an anchor's value, as it is written.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use super::{
    letters::{Class, class},
    lex::{Gap, Kind, Token, lower},
    phrases::Spoken,
    prepare::{equals, operator},
    words::classifier,
};

/// Words between a number and the next sign that are taken for a unit.
const UNIT_WORDS: usize = 3;
/// Words behind a number that count nothing.
const SMALL: &str = " from in at by with for per each on as than left more less total mod gives make makes has have was were that which when \
                     en por con para que más cada davon mit für pro par pour dans chacun chacune в на по с за при каждый ";

/// A word in lower case that counts nothing.
pub(super) fn small(word: &str) -> bool {
    SMALL.contains(&format!(" {word} "))
}

/// The bytes of the unit of the last number of the tokens from `at` to `end`.
pub(super) fn unit(tokens: &[Token<'_>], at: usize, end: usize, spoken: Spoken) -> Option<Range<usize>> {
    let last = (at..end).rev().find(|i| tokens[*i].is_number())?;
    let marked = (last + 1..end).find(|i| tokens[*i].kind == Kind::Unit);
    let currency = last.checked_sub(1).filter(|before| *before >= at && tokens[*before].kind == Kind::Currency);
    if let Some(inside) = marked.or(currency) {
        let until = (inside..end).take_while(|i| matches!(tokens[*i].kind, Kind::Unit)).last().unwrap_or(inside);
        return Some(tokens[inside].span.start..tokens[until].span.end);
    }
    let token = tokens.get(end).filter(|token| !token.joined && (token.gap <= Gap::Space || token.maths))?;
    match &token.kind {
        Kind::Currency | Kind::Unit => Some(token.span.clone()),
        Kind::Name(name) => named(token, name, spoken).map(|span| {
            let whole = span.end == token.span.end;
            span.start..if whole { further(tokens, end).unwrap_or(span.end) } else { span.end }
        }),
        _ => None,
    }
}

/// The unit in a word behind a number. Without spaces the word goes on behind its unit.
fn named(token: &Token<'_>, name: &str, spoken: Spoken) -> Option<Range<usize>> {
    let span = token.span.clone();
    let first = name.chars().next()?;
    let head = |length: usize| span.start..span.start + length;
    match class(first) {
        // \text{元}
        _ if name.len() < span.len() => Some(span),
        Class::Han => Some(head(first.len_utf8())),
        Class::Thai => classifier(name).map(|word| head(word.len())),
        Class::Kana if first == 'つ' => Some(head(first.len_utf8())),
        Class::Kana => {
            let katakana = name.find(|c| !matches!(c, '\u{30a1}'..='\u{30fc}')).unwrap_or(name.len());
            (katakana > 0).then(|| head(katakana))
        }
        Class::Joined if token.symbol() && !letter_unit(name) => None,
        _ => {
            let word = lower(name);
            (!spoken.small(&word) && !small(&word)).then_some(span)
        }
    }
}

/// Where km/h or m² end.
fn further(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let tight = |i: usize| tokens.get(i).filter(|token| token.gap == Gap::None);
    let raised = (at + 1..).take_while(|i| tight(*i).is_some_and(|token| token.kind == Kind::Unit)).last();
    let end = raised.unwrap_or(at);
    let per = tight(end + 1).filter(|token| token.kind == Kind::Divide).and_then(|_| tight(end + 2));
    let per = per.filter(|token| matches!(token.kind, Kind::Name(_)));
    Some(per.map_or(tokens[end].span.end, |token| token.span.end))
}

/// What is counted may stand in brackets behind its number, 15（元）, which multiplies nothing: the brackets go.
pub(super) fn bracketed(tokens: &mut Vec<Token<'_>>) {
    let mut gone = Vec::new();
    for i in 1..tokens.len() {
        let opens = tokens[i].kind == Kind::Open('(') && tokens[i].gap < Gap::Border && tokens[i - 1].is_number();
        let words = |token: &Token<'_>| matches!(token.kind, Kind::Name(_)) && !token.symbol();
        let count = tokens[i + 1..].iter().take(UNIT_WORDS).take_while(|token| words(token)).count();
        let close = i + 1 + count;
        if opens && count > 0 && tokens.get(close).is_some_and(|token| token.kind == Kind::Close('(')) {
            tokens[i + 1..close].iter_mut().for_each(|token| token.kind = Kind::Unit);
            gone.extend([i, close]);
        }
    }
    if gone.is_empty() {
        return;
    }
    let (mut at, mut next) = (0, gone.into_iter().peekable());
    tokens.retain(|_| {
        let goes = next.next_if_eq(&at).is_some();
        at += 1;
        !goes
    });
}

/// Marks the exponents of units: 6 cm², 6 m^2.
pub(super) fn squares(tokens: &mut [Token<'_>]) {
    for i in 2..tokens.len() {
        let [.., number, unit, power] = &tokens[..i] else { continue };
        let exponent =
            power.kind == Kind::Power && power.gap == Gap::None && tokens[i].is_number() && tokens[i].gap == Gap::None;
        let named = match &unit.kind {
            Kind::Name(name) => !unit.symbol() || (letter_unit(name) && !unit.maths),
            _ => false,
        };
        if exponent && named && number.is_number() {
            tokens[i - 1].kind = Kind::Unit;
            tokens[i].kind = Kind::Unit;
        }
    }
}

/// Letters that are units where they are not known as names.
pub(super) fn letter_unit(name: &str) -> bool {
    matches!(name, "m" | "g" | "s" | "h" | "l" | "L" | "t" | "м" | "г" | "с" | "ч" | "л" | "т")
}

/// Marks words between a number and the next sign as its unit.
pub(super) fn units(tokens: &mut [Token<'_>], names: &HashSet<Cow<'_, str>>) {
    for i in 0..tokens.len() {
        if !matches!(tokens[i].kind, Kind::Number(_) | Kind::Close('(' | '{')) {
            continue;
        }
        let mut end = i + 1;
        if tokens.get(end).is_some_and(|next| next.kind == Kind::Currency && next.gap <= Gap::Space)
            && !tokens.get(end + 1).is_some_and(|next| next.is_number() && next.gap == Gap::None)
        {
            tokens[end].kind = Kind::Unit;
        }
        while end < tokens.len() && end - i <= 2 * UNIT_WORDS {
            let word = match &tokens[end].kind {
                Kind::Currency => !tokens.get(end + 1).is_some_and(|next| next.is_number() && next.gap == Gap::None),
                Kind::Name(name) => {
                    !tokens[end].symbol()
                        || (letter_unit(name) && !names.contains(name))
                        || class(name.chars().next().unwrap_or(' ')) == Class::Kana
                }
                Kind::Unit => true,
                Kind::Divide => {
                    let per = tokens.get(end + 1).filter(|next| tokens[end].gap == Gap::None && next.gap == Gap::None);
                    let name = |next: &Token<'_>| matches!(next.kind, Kind::Name(_)) && (end > i + 1 || !next.symbol());
                    per.is_some_and(name) && tokens[end - 1].kind != Kind::Divide
                }
                _ => false,
            };
            if !word || (tokens[end].gap == Gap::Border && !tokens[end].maths && tokens[i].maths && end > i + 3) {
                break;
            }
            end += 1;
        }
        if tokens[end - 1].kind == Kind::Divide {
            end -= 1;
        }
        let first = i.checked_sub(1).filter(|at| tokens[*at].kind == Kind::Currency).unwrap_or(i);
        let computed =
            operator(first.checked_sub(1).and_then(|at| tokens.get(at))) || matches!(tokens[i].kind, Kind::Close(_));
        let next = tokens.get(end);
        let closes = next.is_some_and(|next| matches!(next.kind, Kind::Close(_)));
        if end > i + 1 && (operator(next) || closes || (equals(next) && computed)) {
            tokens[i + 1..end].iter_mut().for_each(|token| token.kind = Kind::Unit);
        }
    }
}
