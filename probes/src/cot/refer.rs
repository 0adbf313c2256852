//! References to steps ("from step 3"), and the words before an answer.

use num_traits::ToPrimitive as _;

use super::{
    lex::{Kind, Token, Written, lower},
    phrases::Spoken,
    prepare::{equals, operator},
};

/// "Step 3", "steps 1, 2 and 3", 第三步.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Its tokens.
    pub(super) end: usize,
    /// The numbers: step, token.
    pub(super) steps: Vec<(usize, usize)>,
    /// The trace's own heading.
    pub(super) heading: bool,
    /// In brackets, so that it belongs to what stands before it.
    pub(super) behind: bool,
}

fn step_number(token: Option<&Token<'_>>) -> Option<usize> {
    match &token?.kind {
        Kind::Number(number) if !number.percent && number.decimals == 0 && number.value.is_integer() => {
            number.value.numer().to_usize().filter(|step| (1..10_000).contains(step))
        }
        _ => None,
    }
}

/// Whether a number is the operand of something, and so no step.
fn computes(tokens: &[Token<'_>], at: usize) -> bool {
    let next = tokens.get(at + 1);
    equals(next) || (operator(next) && tokens.get(at + 2).is_some_and(|token| token.is_number() || token.symbol()))
}

/// The reference that begins at a token.
pub(super) fn reference(tokens: &[Token<'_>], at: usize, text: &str, spoken: Spoken) -> Option<Reference> {
    let word = |at: usize| match &tokens.get(at)?.kind {
        Kind::Name(name) => Some(lower(name)),
        _ => None,
    };
    let (mut steps, mut end);
    if word(at).is_some_and(|word| spoken.step(&word)) {
        // Swahili: hatua ya 3.
        let number = at + 1 + usize::from(word(at + 1).is_some_and(|word| spoken.of_which(&word)));
        let step = step_number(tokens.get(number)).filter(|_| !computes(tokens, number))?;
        (steps, end) = (vec![(step, number)], number + 1);
        // 步骤第3步 and "step 3 step" do not occur; 第 3 步 may.
        if word(end).is_some_and(|word| spoken.step_behind(&word)) {
            end += 1;
        }
        let mut more = Vec::new();
        let mut next = end;
        while let Some(token) = tokens.get(next) {
            let comma = matches!(token.kind, Kind::Break(',' | '、' | '，' | '،'));
            let and = word(next).is_some_and(|word| spoken.and(&word));
            let Some(step) =
                step_number(tokens.get(next + 1)).filter(|_| (comma || and) && !computes(tokens, next + 1))
            else {
                break;
            };
            more.push((step, next + 1));
            next += 2;
            if and {
                steps.append(&mut more);
                end = next;
            }
        }
    } else {
        let step = step_number(tokens.get(at))?;
        let dot = usize::from(matches!(tokens.get(at + 1).map(|token| &token.kind), Some(Kind::Break('.'))));
        let ordinal = matches!(&tokens[at].kind, Kind::Number(number) if number.written == Written::Ordinal);
        word(at + 1 + dot).filter(|word| spoken.step_behind(word) && (ordinal || spoken.counts_behind(dot == 1)))?;
        (steps, end) = (vec![(step, at)], at + 2 + dot);
    }
    // 第 stands before the number of a heading.
    let at = if at > 0 && matches!(&tokens[at - 1].kind, Kind::Name(name) if name == "第") { at - 1 } else { at };
    let first = &tokens[at];
    let opens = |c: &char| matches!(c, '.' | '!' | '?' | '。' | '।' | '\n' | '！' | '？' | '؟' | '።');
    let begins =
        first.line || matches!(at.checked_sub(1).map(|before| &tokens[before].kind), Some(Kind::Break(c)) if opens(c));
    let closes = match tokens.get(end).map(|token| &token.kind) {
        None => true,
        Some(Kind::Break(c)) => matches!(c, ':' | '.' | '\n' | '—' | '-' | '。' | '，' | '।' | ')'),
        Some(Kind::Minus) => true,
        _ => false,
    };
    let titled = first.line && text[..first.span.start].trim_end_matches([' ', '*']).ends_with('#');
    let from = at.saturating_sub(3);
    let behind = tokens[from..at]
        .iter()
        .rev()
        .take_while(|token| !matches!(token.kind, Kind::Close(_) | Kind::Break(_)))
        .any(|token| token.kind == Kind::Open('('));
    let heading = (begins && closes) || titled;
    Some(Reference { end, steps, heading: heading && !behind, behind })
}

/// Whether the word, or the phrase, for "answer" ends at a token.
pub(super) fn says_answer(tokens: &[Token<'_>], at: usize, spoken: Spoken) -> bool {
    let word = |back: usize| match &tokens.get(at.checked_sub(back)?)?.kind {
        Kind::Name(name) => Some(lower(name)),
        _ => None,
    };
    word(0).is_some_and(|own| spoken.answer(&own)) || spoken.answer_ends(word)
}

/// Where what follows the word for "answer" begins, if only linking words stand between.
pub(super) fn answer(tokens: &[Token<'_>], at: usize, spoken: Spoken) -> Option<usize> {
    if !says_answer(tokens, at, spoken) {
        return None;
    }
    let (mut next, mut lines) = (at + 1, 0);
    while let Some(token) = tokens.get(next).filter(|_| next <= at + 8) {
        match &token.kind {
            Kind::Name(word) if spoken.link(&lower(word)) => {}
            Kind::Break(':' | '—' | '-' | '、' | '，') => {}
            Kind::Minus if tokens.get(next + 1).is_none_or(|after| after.gap > super::lex::Gap::None) => {}
            Kind::Break('\n') if lines < 2 => lines += 1,
            _ => break,
        }
        next += 1;
    }
    // A number that is refused, and a root that is not read, stand there too.
    let unread = |token: &Token<'_>| matches!(token.kind, Kind::Break(' ' | '√')) && !token.line;
    let said =
        |token: &&Token<'_>| token.begins() || matches!(token.kind, Kind::Minus | Kind::Currency) || unread(token);
    tokens.get(next).filter(said).map(|_| next)
}
