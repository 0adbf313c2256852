//! Number words beside one another: which are numbers, and which are parts of a larger one that is not read.

use std::{borrow::Cow, ops::Range};

use num_rational::BigRational;

use super::{
    anchor::Ignored,
    lex::{Gap, Kind, Lexed, Number, Token, Written, lower},
    locale::Locale,
    phrases::Spoken,
    words::Count,
};

/// Turns number words into numbers, or back into words.
pub(super) fn spelled(lexed: &mut Lexed<'_>, text: &str, locale: Locale, spoken: Spoken) {
    if !lexed.tokens.iter().any(|token| matches!(token.kind, Kind::Counted(_))) {
        return;
    }
    let mut at = 0;
    while at < lexed.tokens.len() {
        let run = run(&lexed.tokens, at, text, locale, spoken);
        match sum(&lexed.tokens[run.clone()], locale) {
            _ if run.is_empty() => at += 1,
            Some((value, written)) => {
                let span = lexed.tokens[run.start].span.start..lexed.tokens[run.end - 1].span.end;
                let value = BigRational::from_integer(value.into());
                let kind = Kind::Number(Box::new(Number { value, decimals: 0, percent: false, written }));
                let token = Token { kind, span, ..lexed.tokens[run.start].clone() };
                at = run.start + 1;
                lexed.tokens.splice(run, [token]);
            }
            None => {
                let span = lexed.tokens[run.start].span.start..lexed.tokens[run.end - 1].span.end;
                lexed.ignored.push(Ignored { span, why: "number words above twenty are not read".into() });
                for token in &mut lexed.tokens[run.clone()] {
                    if let Kind::Counted(_) = token.kind {
                        token.kind = Kind::Name(Cow::Owned(text[token.span.clone()].to_owned()));
                    }
                }
                at = run.end;
            }
        }
    }
}

fn counted(token: &Token<'_>) -> Option<Count> {
    match token.kind {
        Kind::Counted(count) => Some(count),
        _ => None,
    }
}

/// Number words that belong together: side by side, joined by a hyphen, or by "and" where the first is part of a larger number.
fn run(tokens: &[Token<'_>], start: usize, text: &str, locale: Locale, spoken: Spoken) -> Range<usize> {
    let Some(mut last) = tokens.get(start).and_then(counted) else { return start..start };
    let mut end = start + 1;
    while let Some(next) = tokens.get(end) {
        let joiner = match &next.kind {
            Kind::Minus => next.gap == Gap::None && tokens.get(end + 1).is_some_and(|token| token.gap == Gap::None),
            Kind::Name(word) => {
                let tens = matches!(locale.code, "swh" | "fra") && matches!(last, Count::Number(10 | 20));
                let open = last == Count::Beyond || tens;
                open && spoken.and(&lower(word))
            }
            _ => false,
        };
        let at = end + usize::from(joiner);
        let Some(count) = tokens.get(at).and_then(counted) else { break };
        // In Arabic "and" is a letter: five and three are two numbers, five and twenty are one.
        let and = locale.code == "arb" && text[tokens[at].span.clone()].starts_with('و') && count != Count::Number(1);
        let tens = matches!(count, Count::Beyond | Count::Number(20)) || last == Count::Beyond;
        if and && !tens && text[tokens[at].span.clone()] != *"واحد" {
            break;
        }
        (last, end) = (count, at + 1);
    }
    start..end
}

/// The number that a run says.
fn sum(run: &[Token<'_>], locale: Locale) -> Option<(i64, Written)> {
    let counts: Vec<Count> = run.iter().filter_map(counted).collect();
    match (counts.as_slice(), locale.code) {
        ([Count::Number(value)], _) => Some((*value, Written::Words)),
        ([Count::One], _) => Some((1, Written::One)),
        ([Count::Part(unit) | Count::Number(unit @ 3..=9), Count::Number(10)], "arb") => {
            Some((10 + unit, Written::Words))
        }
        ([Count::Number(10), Count::Number(unit @ 2..=9)], "swh") => Some((10 + unit, Written::Words)),
        // dua belas
        ([Count::Number(unit @ 2..=9), Count::Number(10)], "ind" | "zsm") => Some((10 + unit, Written::Words)),
        ([Count::Number(10), Count::Number(unit @ 7..=9)], "fra") => Some((10 + unit, Written::Words)),
        ([Count::Number(10), Count::One], "swh") => Some((11, Written::Words)),
        _ => None,
    }
}
