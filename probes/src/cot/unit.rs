//! The unit of an anchor's value, as it is written: 7 books, $15, 5个, 3 km, 60 km/h, 6 m².

use std::ops::Range;

use super::{
    letters::{Class, class},
    lex::{Gap, Kind, Token, lower},
    phrases::Spoken,
    prepare::letter_unit,
    words::classifier,
};

/// Words behind a number that count nothing.
const SMALL: &str = " from in at by with for per each on as than left more less total mod gives make makes has have was were that which when \
                     en por con para que más cada davon mit für pro par pour dans chacun chacune в на по с за при каждый ";

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
            (!spoken.small(&word) && !SMALL.contains(&format!(" {word} "))).then_some(span)
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
