//! The grammar of expressions, over the tokens of `lex.rs`.
//!
//! ```text
//! sum     = [sign] product { sign product }
//! product = power { ("*" | "/" | nothing, where `prepare.rs` joined two operands) power }
//! power   = operand [ "^" [sign] operand ... ]
//! operand = [currency] number | name | "(" sum ")" | \frac group group | \sqrt group | \boxed group, and units behind it
//! ```
//!
//! No rule tries two ways at one place, so parsing is linear; `prepare.rs` bounds the depth of brackets, [`POWERS`] that of towers.

use winnow::{
    ModalResult, Parser as _,
    combinator::{opt, preceded, repeat},
    error::{ContextError, ErrMode},
    stream::{Stream as _, TokenSlice},
    token::any,
};

use super::{
    expression::{Expression, Literal},
    lex::{Kind, Token, lex},
    locale::Locale,
    phrases::Spoken,
    prepare::prepare,
    unit::letter_unit,
    value::Value,
};

/// Exponents above one another.
const POWERS: usize = 8;

type Input<'t> = TokenSlice<'t, Token<'t>>;

/// One token for which `test` holds.
fn one<'t>(test: impl Fn(&Token<'_>) -> bool) -> impl winnow::Parser<Input<'t>, &'t Token<'t>, ErrMode<ContextError>> {
    any.verify(move |token: &&Token<'_>| test(token))
}

/// A run of signs: whether it subtracts.
fn sign(input: &mut Input<'_>) -> ModalResult<bool> {
    repeat(1.., one(|token| matches!(token.kind, Kind::Plus | Kind::Minus)))
        .fold(|| false, |minus, token: &Token<'_>| minus ^ (token.kind == Kind::Minus))
        .parse_next(input)
}

fn sum(input: &mut Input<'_>) -> ModalResult<Expression> {
    let minus = opt(sign).parse_next(input)?.unwrap_or(false);
    let first = product(input)?;
    let mut operands = vec![(minus, first)];
    let rest: Vec<(bool, Expression)> = repeat(0.., (sign, product)).parse_next(input)?;
    operands.extend(rest);
    Ok(Expression::sum(operands))
}

fn product(input: &mut Input<'_>) -> ModalResult<Expression> {
    let first = power(input)?;
    let rest: Vec<(bool, Expression)> = repeat(0.., factor).parse_next(input)?;
    Ok(Expression::product(std::iter::once((false, first)).chain(rest).collect()))
}

/// What multiplies or divides what stands before it.
fn factor(input: &mut Input<'_>) -> ModalResult<(bool, Expression)> {
    let operator = opt(one(|token| matches!(token.kind, Kind::Times | Kind::Divide))).parse_next(input)?;
    match operator {
        Some(token) => (opt(sign), power)
            .map(|(minus, operand)| {
                let operand = if minus == Some(true) { Expression::sum(vec![(true, operand)]) } else { operand };
                (token.kind == Kind::Divide, operand)
            })
            .parse_next(input),
        None if input.first().is_some_and(|token| token.joined) => {
            power.map(|operand| (false, operand)).parse_next(input)
        }
        None => Err(ErrMode::Backtrack(ContextError::new())),
    }
}

fn power(input: &mut Input<'_>) -> ModalResult<Expression> {
    let base = operand(input)?;
    let exponents: Vec<(Option<bool>, Expression)> =
        repeat(0..=POWERS, preceded(one(|token| token.kind == Kind::Power), (opt(sign), operand))).parse_next(input)?;
    let negated = |minus, operand| if minus == Some(true) { Expression::sum(vec![(true, operand)]) } else { operand };
    let above = exponents.into_iter().map(|(minus, operand)| negated(minus, operand)).rev();
    let exponent = above.reduce(|exponent, base| Expression::Power(Box::new((base, exponent))));
    Ok(match exponent {
        Some(exponent) => Expression::Power(Box::new((base, exponent))),
        None => base,
    })
}

fn operand(input: &mut Input<'_>) -> ModalResult<Expression> {
    opt(one(|token| token.kind == Kind::Currency)).void().parse_next(input)?;
    let token = one(|token| token.begins()).parse_next(input)?;
    let read = match &token.kind {
        Kind::Number(number) => Expression::Number(Literal {
            value: Value(number.value.clone()),
            decimals: number.decimals,
            percent: number.percent,
        }),
        Kind::Name(name) => Expression::Name(name.clone().into_owned()),
        Kind::Frac => {
            let (above, below) = (group, group).parse_next(input)?;
            Expression::product(vec![(false, above), (true, below)])
        }
        Kind::Root => Expression::Root(Box::new(group(input)?)),
        Kind::Boxed => group(input)?,
        _ => inside(input)?,
    };
    repeat(0.., one(|token| token.kind == Kind::Unit)).fold(|| (), |(), _| ()).parse_next(input)?;
    Ok(read)
}

fn group(input: &mut Input<'_>) -> ModalResult<Expression> {
    one(|token| matches!(token.kind, Kind::Open(_))).parse_next(input)?;
    inside(input)
}

/// The rest of a group, behind its opening bracket.
fn inside(input: &mut Input<'_>) -> ModalResult<Expression> {
    let read = sum(input)?;
    one(|token| matches!(token.kind, Kind::Close(_))).parse_next(input)?;
    Ok(read)
}

/// The expression at the beginning of the tokens, and how many it takes.
pub(super) fn expression<'t>(tokens: &'t [Token<'t>]) -> Option<(Expression, usize)> {
    let mut input = TokenSlice::new(tokens);
    let read = sum(&mut input).ok()?;
    Some((read, tokens.len() - input.eof_offset()))
}

/// The expression that a whole text is.
pub(super) fn whole(text: &str, language: &str) -> Option<Expression> {
    let locale = Locale::of(language);
    let mut lexed = lex(text, locale, true);
    prepare(&mut lexed, text, locale, Spoken::of(locale));
    let (read, used) = expression(&lexed.tokens)?;
    let rest = &lexed.tokens[used..];
    // What is counted may follow, and a full stop.
    let last = text.trim_end().len();
    let ends = |token: &Token<'_>| match &token.kind {
        Kind::Name(name) => {
            (!token.symbol() || letter_unit(name))
                && rest.len() <= 4
                && lexed.tokens[..used].iter().any(Token::is_number)
        }
        Kind::Break('.' | '。' | '।' | '።' | '۔') => token.span.end >= last,
        _ => false,
    };
    rest.iter().all(ends).then_some(read)
}
