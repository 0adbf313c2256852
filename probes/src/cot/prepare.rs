//! What the tokens mean beside one another, before any of them is parsed.
//!
//! Brackets without a partner, or nested more than [`DEEPEST`] deep, become breaks, so that parsing never fails far from where it began
//! and needs little stack. Crosses, colons and hyphens are told from letters and punctuation; mixed numbers and fractions within a sum
//! become one number; units inside an equation are marked; operands side by side are joined where they multiply. All passes are linear.

use std::{borrow::Cow, collections::HashSet};

use num_rational::BigRational;
use num_traits::Signed as _;

use super::{
    letters::{Class, class},
    lex::{Gap, Kind, Lexed, Number, Token, Written, lower},
    locale::Locale,
    numerals::digit,
    phrases::Spoken,
    spelled::spelled,
    unit::{bracketed, letter_unit, small, squares, units},
};

/// Brackets within brackets.
const DEEPEST: usize = 40;

pub(super) fn prepare(lexed: &mut Lexed<'_>, text: &str, locale: Locale, spoken: Spoken) {
    spelled(lexed, text, locale, spoken);
    bracketed(&mut lexed.tokens);
    signs(&mut lexed.tokens, locale, spoken);
    squares(&mut lexed.tokens);
    fuse(&mut lexed.tokens, text);
    brackets(&mut lexed.tokens);
    let names = names(&lexed.tokens);
    units(&mut lexed.tokens, &names);
    join(&mut lexed.tokens, &names);
}

pub(super) fn operator(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|token| matches!(token.kind, Kind::Plus | Kind::Minus | Kind::Times | Kind::Divide | Kind::Power))
}

pub(super) fn equals(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|token| matches!(token.kind, Kind::Equals | Kind::Approx))
}

/// Decides what crosses, colons, hyphens, rows and "of" are.
fn signs(tokens: &mut [Token<'_>], locale: Locale, spoken: Spoken) {
    for i in 0..tokens.len() {
        let (before, rest) = tokens.split_at_mut(i);
        let [token, after @ ..] = rest else { break };
        let (previous, next) = (before.last(), after.first());
        let behind_value = previous.is_some_and(|p| matches!(p.kind, Kind::Number(_) | Kind::Close(_) | Kind::Unit));
        let next_gap = next.map_or(Gap::Border, |next| next.gap);
        let number_follows = next.is_some_and(|next| matches!(next.kind, Kind::Number(_) | Kind::Currency));
        let open_follows = next.is_some_and(|next| matches!(next.kind, Kind::Open('(')));
        match &token.kind {
            Kind::Name(name) if matches!(&**name, "x" | "X" | "х" | "Х") => {
                let spaced = token.gap != Gap::None && next_gap != Gap::None;
                if behind_value && (number_follows || (open_follows && spaced)) {
                    token.kind = Kind::Times;
                }
            }
            // 20% of 50; where the whole comes first, 50 का 20%.
            Kind::Name(name)
                if behind_value
                    && number_follows
                    && spoken.of_which(&lower(name))
                    && (share(before) || (spoken.whole_first() && next.is_some_and(percent))) =>
            {
                token.kind = Kind::Times;
            }
            Kind::Colon => {
                let tight = token.gap == Gap::None && next_gap == Gap::None;
                let spaced = locale.colon && token.gap != Gap::None && next_gap != Gap::None;
                let divides = behind_value && (number_follows || open_follows) && (tight || spaced);
                token.kind = if divides { Kind::Divide } else { Kind::Break(':') };
            }
            // The sign of a number stands apart from the word before it, and right before its number.
            Kind::Minus if !token.maths && token.gap == Gap::None && number_follows && led(before, spoken) => {
                token.gap = Gap::Space;
            }
            Kind::Minus if token.maths && token.gap == Gap::Border && number_follows => after[0].gap = Gap::None,
            Kind::Name(name) if number_follows && spoken.minus(&lower(name)) && stated(name, previous, spoken) => {
                token.kind = Kind::Minus;
                token.gap = token.gap.max(Gap::Space);
                after[0].gap = Gap::None;
            }
            Kind::Minus if !token.maths && token.gap == Gap::None && next_gap == Gap::None && !counted(before) => {
                let word = |token: Option<&Token<'_>>| {
                    token.is_some_and(|token| match &token.kind {
                        Kind::Name(name) => !token.symbol() || name.starts_with(|c| class(c) == Class::Spaced),
                        _ => false,
                    })
                };
                if word(previous) || word(next) {
                    token.kind = Kind::Break('-');
                }
            }
            // A spaced dash behind a word is punctuation: "Ответ – 11".
            Kind::Minus
                if token.gap != Gap::None
                    && next_gap != Gap::None
                    && !token.maths
                    && token.span.len() > 1
                    && previous.is_some_and(|p| matches!(p.kind, Kind::Name(_)) && !p.symbol()) =>
            {
                token.kind = Kind::Break('—');
            }
            // Bantu languages name the unit first: = dola 15.
            Kind::Name(_)
                if matches!(locale.code, "swh" | "zul")
                    && number_follows
                    && !token.symbol()
                    && previous.is_some_and(|p| p.kind == Kind::Equals) =>
            {
                token.kind = Kind::Currency;
            }
            Kind::Row => {
                token.kind = if equals(next) { Kind::Unit } else { Kind::Break('\n') };
            }
            _ => {}
        }
    }
}

/// Whether a word ends the tokens behind which a hyphen is a sign.
fn led(before: &[Token<'_>], spoken: Spoken) -> bool {
    let Some(Kind::Name(name)) = before.last().map(|last| &last.kind) else { return false };
    name.chars().next_back().is_some_and(|c| class(c) != Class::Joined) && spoken.leads(name)
}

/// Whether the tokens end in a number and what it counts, without a space: 5元-3元, 5개-3개.
fn counted(before: &[Token<'_>]) -> bool {
    match before {
        [.., number, word] => {
            let joined = |name: &str| name.chars().any(|c| class(c) == Class::Joined);
            number.is_number()
                && word.gap == Gap::None
                && matches!(&word.kind, Kind::Name(name) if !joined(name) && !name.is_empty())
        }
        _ => false,
    }
}

/// Whether "minus" is a sign behind what stands before it: a word that links or a sign, and no noun from which it may subtract.
fn stated(minus: &str, previous: Option<&Token<'_>>, spoken: Spoken) -> bool {
    let Some(previous) = previous else { return true };
    match &previous.kind {
        Kind::Name(name) if !previous.symbol() => {
            let word = lower(name);
            lower(minus) == "negative" || spoken.small(&word) || spoken.answer(&word) || small(&word)
        }
        Kind::Break(c) => *c == ':',
        Kind::Open(_) | Kind::Equals | Kind::Approx | Kind::Plus | Kind::Minus | Kind::Times | Kind::Divide => true,
        _ => false,
    }
}

fn percent(token: &Token<'_>) -> bool {
    matches!(&token.kind, Kind::Number(number) if number.percent)
}

/// Whether the tokens end in a percentage or in a fraction such as 1/2.
fn share(before: &[Token<'_>]) -> bool {
    match before {
        [.., last] if percent(last) => true,
        [.., Token { kind: Kind::Divide, gap: Gap::None, .. }, Token { kind: Kind::Number(_), gap: Gap::None, .. }] => {
            true
        }
        _ => false,
    }
}

/// A whole number that is not negative.
fn whole<'t>(token: Option<&'t Token<'_>>) -> Option<&'t BigRational> {
    match &token?.kind {
        Kind::Number(number) if !number.percent && number.value.is_integer() && !number.value.is_negative() => {
            Some(&number.value)
        }
        _ => None,
    }
}

/// A proper fraction in lowest terms at the beginning of the tokens, `1/2` or `\frac{1}{2}`, and its length.
pub(super) fn fraction(tokens: &[Token<'_>], text: &str) -> Option<(BigRational, usize)> {
    let (above, below, length) = if matches!(tokens.first()?.kind, Kind::Frac) {
        let closed = |at: usize| {
            matches!(tokens.get(at).map(|t| &t.kind), Some(Kind::Open('{')))
                && matches!(tokens.get(at + 2).map(|t| &t.kind), Some(Kind::Close('{')))
        };
        let fits = closed(1) && closed(4);
        fits.then(|| Some((whole(tokens.get(2))?, whole(tokens.get(5))?, 7))).flatten()?
    } else {
        let slash = tokens.get(1).filter(|slash| slash.kind == Kind::Divide && slash.gap == Gap::None)?;
        let tight = tokens.get(2)?.gap == Gap::None && matches!(&text[slash.span.clone()], "/" | "⁄" | "∕");
        tight.then(|| Some((whole(tokens.first())?, whole(tokens.get(2))?, 3))).flatten()?
    };
    let (above, below) = (above.numer(), below.numer());
    let proper = above.is_positive() && above < below;
    let value = proper.then(|| BigRational::new(above.clone(), below.clone()))?;
    (value.denom() == below).then_some((value, length))
}

/// A letter applied to numbers or names, f(3) or P(A, B): how many tokens it takes.
fn application(tokens: &[Token<'_>]) -> Option<usize> {
    let [name, open, ..] = tokens else { return None };
    if !name.symbol() || open.kind != Kind::Open('(') || open.gap != Gap::None {
        return None;
    }
    let close = tokens.iter().take(9).position(|token| token.kind == Kind::Close('('))?;
    let argument =
        |token: &Token<'_>| matches!(token.kind, Kind::Number(_) | Kind::Name(_) | Kind::Minus | Kind::Break(','));
    (close > 2 && tokens[2..close].iter().all(argument) && equals(tokens.get(close + 1))).then_some(close + 1)
}

/// Digits in ASCII, no spaces.
pub(super) fn plain(text: &str) -> String {
    let ascii = |c| digit(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c);
    text.chars().filter(|c| !c.is_whitespace()).map(ascii).collect()
}

/// Takes mixed numbers, and fractions that are operands of something else, as one number. Rows before a sign of equality go.
fn fuse(tokens: &mut Vec<Token<'_>>, text: &str) {
    // Tokens up to `kept` are done; `at` is the next one to read.
    let (mut kept, mut at) = (0, 0);
    while at < tokens.len() {
        let row = tokens[at].kind == Kind::Unit && text[tokens[at].span.clone()] == *"\\\\";
        if let Some(length) = application(&tokens[at..]) {
            let span = tokens[at].span.start..tokens[at + length - 1].span.end;
            tokens[at].kind = Kind::Name(Cow::Owned(plain(&text[span.clone()])));
            tokens[at].span = span;
            tokens.swap(kept, at);
            (kept, at) = (kept + 1, at + length);
            continue;
        }
        let Some((value, length)) = fraction(&tokens[at..], text) else {
            if !row {
                tokens.swap(kept, at);
                kept += 1;
            }
            at += 1;
            continue;
        };
        let (end, gap) = (tokens[at + length - 1].span.end, tokens[at].gap);
        let (before, next) = (&tokens[..kept], tokens.get(at + length));
        let steep = |token: Option<&Token<'_>>| token.is_some_and(|t| matches!(t.kind, Kind::Divide | Kind::Power));
        let near = before.last().filter(|last| last.maths == tokens[at].maths && gap < Gap::Border);
        let mixed = near.and_then(|last| whole(Some(last))).filter(|_| !steep(kept.checked_sub(2).map(|i| &before[i])));
        let mixed = mixed.map(|whole| whole + &value);
        let operand = (operator(before.last()) || operator(next)) && !steep(before.last()) && !steep(next);
        if let Some(mixed) = mixed {
            if let Kind::Number(number) = &mut tokens[kept - 1].kind {
                number.value = mixed;
            }
            tokens[kept - 1].span.end = end;
        } else if operand {
            let number = Number { value, decimals: 0, percent: false, written: Written::Digits };
            tokens[at].kind = Kind::Number(Box::new(number));
            tokens[at].span.end = end;
            tokens.swap(kept, at);
            kept += 1;
        } else {
            for i in at..at + length {
                tokens.swap(kept, i);
                kept += 1;
            }
        }
        at += length;
    }
    tokens.truncate(kept);
}

/// Makes breaks of brackets without a partner and of those too deep.
fn brackets(tokens: &mut [Token<'_>]) {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut lost = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(_) if open.len() >= DEEPEST => lost.push(i),
            Kind::Open(c) => open.push((i, c)),
            Kind::Close(c) => match open.iter().rposition(|(_, opened)| *opened == c) {
                Some(found) => {
                    lost.extend(open.drain(found + 1..).map(|(i, _)| i));
                    open.pop();
                }
                None => lost.push(i),
            },
            Kind::Break('\n') => lost.extend(open.drain(..).map(|(i, _)| i)),
            _ => {}
        }
    }
    lost.extend(open.into_iter().map(|(i, _)| i));
    for i in lost {
        tokens[i].kind = Kind::Break('(');
    }
}

/// Names of one letter that get a value somewhere.
fn names<'a>(tokens: &[Token<'a>]) -> HashSet<Cow<'a, str>> {
    let named = tokens.windows(2).enumerate().filter(|(i, pair)| {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        pair[0].symbol() && equals(pair.get(1)) && !operator(before) && !before.is_some_and(|before| before.is_number())
    });
    named.filter_map(|(_, pair)| if let Kind::Name(name) = &pair[0].kind { Some(name.clone()) } else { None }).collect()
}

/// Marks operands that multiply the one before them: 2A, 2(3 + 4), (1 + 2)(3 + 4), x y in mathematics.
fn join(tokens: &mut [Token<'_>], names: &HashSet<Cow<'_, str>>) {
    for i in 1..tokens.len() {
        let (previous, token) = (&tokens[i - 1], &tokens[i]);
        let near = token.gap == Gap::None || (token.gap == Gap::Space && token.maths && previous.maths);
        let value = matches!(previous.kind, Kind::Number(_) | Kind::Close('(' | '{'));
        let symbol = previous.symbol() && previous.maths;
        let signs = operator(tokens.get(i + 1)) || equals(tokens.get(i + 1));
        let joined = match &token.kind {
            Kind::Open('(') => near && value && token.gap == Gap::None,
            Kind::Open('{') | Kind::Frac | Kind::Root => near && (value || symbol) && token.maths && !layout(tokens, i),
            Kind::Name(name) if token.symbol() => {
                let free = !letter_unit(name) || names.contains(name) || signs && token.maths;
                (value && free && (near || (token.gap == Gap::Space && signs))) || (symbol && near)
            }
            _ => false,
        };
        tokens[i].joined = joined;
    }
}

/// Whether a brace is the second of `\frac{..}{..}`, which multiplies nothing.
fn layout(tokens: &[Token<'_>], at: usize) -> bool {
    matches!(tokens[at].kind, Kind::Open('{')) && matches!(tokens[at - 1].kind, Kind::Close('{'))
}
