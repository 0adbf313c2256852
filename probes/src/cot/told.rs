//! What is told as the answer: whether it is read whole. A number that is the beginning of something longer is no answer.

use super::{
    anchor::Anchor,
    expression::Expression,
    grammar::expression,
    lex::{Gap, Kind, Token, lower},
    phrases::Spoken,
    trace::Step,
};

/// How far behind a number words may change it.
const NEAR: usize = 4;

/// Whether a number, perhaps with its sign or currency, begins at a token.
fn number(tokens: &[Token<'_>], at: usize) -> bool {
    let mark = tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Minus | Kind::Plus | Kind::Currency));
    tokens
        .get(at + usize::from(mark))
        .is_some_and(|token| matches!(token.kind, Kind::Number(_) | Kind::Frac | Kind::Root))
}

/// Whether a number that ends before the token `end` is all that is said there: 7, 7 books, and not 7 times 3, 7 or 8, 2 and a half.
pub(super) fn alone(tokens: &[Token<'_>], end: usize, spoken: Spoken) -> bool {
    for (at, token) in tokens.iter().enumerate().skip(end).take(NEAR) {
        let first = at == end;
        match &token.kind {
            Kind::Name(name) => {
                let word = lower(name);
                let of = spoken.of_which(&word);
                let computes = at <= end + 1 && spoken.operates(&word);
                let follows = number(tokens, at + 1);
                let soon = number(tokens, at + 2);
                if (follows && (of || spoken.and(&word)))
                    || (soon && of && first)
                    || (computes && (follows || soon))
                    || (at <= end + 2 && spoken.changes(&word))
                    || spoken.denies_behind(&word)
                {
                    return false;
                }
            }
            Kind::Unit | Kind::Currency => {}
            Kind::Number(_) | Kind::Break(' ') | Kind::Power if first => return false,
            // $5/hour is a rate.
            Kind::Divide if first => {
                return tokens.get(at + 1).is_some_and(|next| matches!(next.kind, Kind::Name(_)) && !next.symbol());
            }
            Kind::Plus | Kind::Times if first => return false,
            Kind::Plus | Kind::Times | Kind::Break('%' | '±' | '∓') => return !number(tokens, at + 1),
            Kind::Break(':') if token.gap == Gap::Space => return !number(tokens, at + 1),
            Kind::Break(',' | '、' | '，' | '،') => return !list(tokens, at, spoken),
            _ => return true,
        }
    }
    true
}

/// Whether a comma goes on to a number that stands alone or in a row: 5, 6.
fn list(tokens: &[Token<'_>], at: usize, spoken: Spoken) -> bool {
    let next = at + 1 + usize::from(number(tokens, at + 1) && !tokens[at + 1].is_number());
    tokens.get(next).is_some_and(Token::is_number)
        && tokens.get(next + 1).is_none_or(|token| match &token.kind {
            Kind::Break(c) => *c != ':',
            Kind::Name(name) => spoken.and(&lower(name)),
            _ => false,
        })
}

/// Where an operand ends behind which prose begins: $5/hour, "17 – so many".
fn prose(tokens: &[Token<'_>], at: usize, end: usize, text: &str) -> Option<usize> {
    let word = |at: usize| matches!(tokens[at].kind, Kind::Name(_)) && !tokens[at].symbol();
    (at + 1..end.saturating_sub(1)).find(|i| {
        let dash = tokens[*i].kind == Kind::Minus && matches!(&text[tokens[*i].span.clone()], "–" | "‒");
        let rate = tokens[*i].kind == Kind::Divide && i + 2 == end;
        (dash || rate) && word(i + 1)
    })
}

/// Whether a difference may be a range: 10-20, 3–5.
fn range(tokens: &[Token<'_>], text: &str, read: &Expression) -> bool {
    let Expression::Sum(operands) = read else { return false };
    let [(false, Expression::Number(low)), (true, Expression::Number(high))] = operands.as_slice() else {
        return false;
    };
    let tight = tokens.iter().skip(1).any(|token| {
        token.kind == Kind::Minus && (token.gap == Gap::None || matches!(&text[token.span.clone()], "–" | "‒"))
    });
    tight || low.value < high.value
}

/// An expression that is told as the answer, and where it ends; none where it has no value, or more than one reading.
pub(super) fn evaluated(
    tokens: &[Token<'_>],
    at: usize,
    end: usize,
    text: &str,
    read: &Expression,
) -> Option<(Expression, usize)> {
    let cut = prose(tokens, at, end, text);
    let cut = cut.and_then(|cut| Some((expression(&tokens[at..cut])?.0, cut)));
    let (read, end) = cut.unwrap_or_else(|| (read.clone(), end));
    (read.value().is_some() && !range(&tokens[at..end], text, &read)).then_some((read, end))
}

/// The answer that is told in a sentence: the only anchor behind the word, if that is in the last step ("Answer: he has 17 books.") and
/// nothing between them changes it. `opened`: the token with which the sentence begins.
pub(super) fn worded(
    tokens: &[Token<'_>],
    opened: usize,
    anchors: &[Anchor],
    steps: &[Step],
    spoken: Spoken,
) -> Option<usize> {
    let start = tokens.get(opened)?.span.start;
    let at = anchors.partition_point(|anchor| anchor.span.start < start);
    let last = steps.last().is_some_and(|last| last.span.start <= start);
    let found = anchors.get(at).filter(|_| last && at + 1 == anchors.len())?;
    let place = |byte: usize| tokens.partition_point(|token| token.span.start < byte);
    let (first, end) = (place(found.span.start), place(found.span.end));
    let plain = |token: &Token<'_>| match &token.kind {
        Kind::Name(name) => {
            let word = lower(name);
            !spoken.denies(&word) && !spoken.minus(&word)
        }
        Kind::Root | Kind::Power | Kind::Times | Kind::Divide | Kind::Plus | Kind::Equals => false,
        Kind::Break(c) => !matches!(c, ' ' | '√'),
        _ => true,
    };
    // f(3), sqrt(16)
    let applied = tokens.get(first).is_some_and(|token| matches!(token.kind, Kind::Open(_)) && token.gap == Gap::None);
    (tokens[opened..first].iter().all(plain) && !applied && alone(tokens, end, spoken)).then_some(at)
}
