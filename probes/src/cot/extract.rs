//! The anchors of a text: one pass over its tokens.

use std::collections::HashMap;

use super::{
    anchor::{Anchor, Ignored, Kind, Use},
    claim::{Chain, Claim, bare},
    expression::Expression,
    grammar::expression,
    lex::{self, Gap, Token, Written, lex, lower},
    locale::Locale,
    phrases::Spoken,
    prepare::{equals, operator, plain, prepare},
    refer::{answer, reference},
    settle::{Mention, attach, sweep},
    told::{alone, evaluated, worded},
    trace::Step,
    unit::unit,
    value::Value,
};

/// Names of words are short; a longer run of a script without spaces is a clause.
pub(super) const NAME_BYTES: usize = 36;

/// What a text holds.
pub(super) struct Extracted {
    pub(super) anchors: Vec<Anchor>,
    pub(super) ignored: Vec<Ignored>,
    /// The anchors that are boxed or told as the answer, in order; the last one is the answer, the others were given up.
    pub(super) stated: Vec<usize>,
}

/// Anchors of a trace, or of a statement (no steps).
pub(super) fn extract(text: &str, steps: Option<&[Step]>, language: &str) -> Extracted {
    let locale = Locale::of(language);
    let spoken = Spoken::of(locale);
    let mut lexed = lex(text, locale, false);
    prepare(&mut lexed, text, locale, spoken);
    let mut scan = Scan {
        text,
        tokens: &lexed.tokens,
        spoken,
        given: steps.is_none(),
        values: HashMap::new(),
        anchors: Vec::new(),
        ignored: lexed.ignored,
        references: Vec::new(),
        boxed: Vec::new(),
        told: Vec::new(),
        opened: None,
        telling: false,
        whole: true,
        revoked: false,
    };
    scan.run();
    let Scan { mut anchors, mut ignored, references, boxed, told, opened, revoked, .. } = scan;
    let worded = || worded(&lexed.tokens, opened?, &anchors, steps?, spoken);
    let told_last = || told.last().copied().filter(|_| !revoked);
    let answer = boxed.last().copied().or_else(|| worded().or_else(told_last));
    let mut stated: Vec<usize> = boxed.into_iter().chain(told).chain(answer).collect();
    stated.sort_unstable();
    stated.dedup();
    stated.retain(|at| answer.is_some_and(|answer| *at <= answer));
    if let Some(found) = answer.filter(|_| steps.is_some()).and_then(|at| anchors.get_mut(at)) {
        found.kind = Kind::Answer;
        if let (true, Some(value)) = (found.uses.is_empty(), &found.value) {
            found.uses.push(Use::Value(value.clone()));
        }
    }
    if let Some(steps) = steps {
        for anchor in &mut anchors {
            let at = steps.partition_point(|step| step.span.end <= anchor.span.start);
            anchor.step = (at < steps.len()).then_some(at);
        }
        attach(&references, &mut anchors, steps);
    }
    sweep(text, &anchors, &mut ignored, &lexed.regions);
    Extracted { anchors, ignored, stated }
}

struct Scan<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    spoken: Spoken,
    /// A statement, not a trace.
    given: bool,
    /// Latest values of names that are words.
    values: HashMap<String, Value>,
    anchors: Vec<Anchor>,
    ignored: Vec<Ignored>,
    references: Vec<Mention>,
    /// The anchors that were boxed, or told as the answer.
    boxed: Vec<usize>,
    told: Vec<usize>,
    /// The token with which the words begin that the last "answer is" leads to, if it leads to no number.
    opened: Option<usize>,
    /// Whether what is read now is told as the answer, and whether it was read whole.
    telling: bool,
    whole: bool,
    /// The last "answer is" led to something that is not read whole: what was told before it is given up, and nothing is known instead.
    revoked: bool,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let mut at = 0;
        // Where what is told as the answer begins.
        let mut answer_at = None;
        while at < self.tokens.len() {
            let before = self.anchors.len();
            (self.telling, self.whole) = (answer_at == Some(at), true);
            let next = self.step(at, &mut answer_at);
            if self.telling {
                self.tell(before, at, next);
            }
            at = next.max(at + 1);
        }
    }

    /// Takes what stands behind "the answer is" as the answer, if all of it is the anchor `before`, which was read from `at` to `next`.
    fn tell(&mut self, before: usize, at: usize, next: usize) {
        let said = self.anchors.get(before);
        let alone = |anchor: &Anchor| anchor.kind != Kind::Quantity || alone(self.tokens, next, self.spoken);
        let boxed = self.tokens[at].kind == lex::Kind::Boxed;
        if said.is_some_and(|anchor| self.whole && (boxed || alone(anchor))) {
            self.told.push(before);
            self.revoked = false;
        } else if said.is_some() || !matches!(self.tokens[at].kind, lex::Kind::Name(_)) {
            self.revoked = true;
        }
    }

    /// What begins at a token; where to go on.
    fn step(&mut self, at: usize, answer_at: &mut Option<usize>) -> usize {
        let token = &self.tokens[at];
        if let Some(found) = reference(self.tokens, at, self.text, self.spoken) {
            for (step, number) in found.steps {
                let span = self.tokens[number].span.clone();
                let why = if found.heading { "counts the steps themselves" } else { "names a step" };
                if !found.heading {
                    self.references.push(Mention { at: span.start, step, behind: found.behind });
                }
                self.ignored.push(Ignored { span, why: why.into() });
            }
            return found.end;
        }
        if token.kind == lex::Kind::Hashes {
            *answer_at = Some(at + 1);
            return at + 1;
        }
        if let Some(next) = answer(self.tokens, at, self.spoken) {
            *answer_at = Some(next);
            let word = matches!(self.tokens[next].kind, lex::Kind::Name(_));
            self.opened = word.then_some(next);
            return next;
        }
        if token.kind == lex::Kind::Boxed {
            return self.boxed(at);
        }
        let signed = matches!(token.kind, lex::Kind::Minus | lex::Kind::Plus | lex::Kind::Currency);
        if signed {
            let next =
                self.tokens.get(at + 1).filter(|next| next.gap == Gap::None || token.kind == lex::Kind::Currency);
            let operand =
                at.checked_sub(1).is_some_and(|before| self.tokens[before].ends()) && !negative(self.tokens, at);
            let begins = next.is_some_and(|next| next.begins() || next.kind == lex::Kind::Currency);
            if !begins || (operand && token.kind != lex::Kind::Currency) {
                return at + 1;
            }
        } else if !token.begins() {
            return at + 1;
        }
        // A word of prose leads nowhere.
        let next = self.tokens.get(at + 1);
        let led =
            (operator(next) && !negative(self.tokens, at + 1)) || equals(next) || next.is_some_and(|next| next.joined);
        if matches!(token.kind, lex::Kind::Name(_)) && !led {
            return at + 1;
        }
        self.formula(at, answer_at).unwrap_or(at + 1)
    }

    /// An equation, or an expression without one, that begins at a token; where it ends.
    fn formula(&mut self, at: usize, answer_at: &mut Option<usize>) -> Option<usize> {
        let (chain, ends) = chain(self.tokens, at)?;
        let end = *ends.last()?;
        if let [only] = chain.members.as_slice() {
            return Some(self.numbers(at, end, only));
        }
        let before = at.checked_sub(1).map(|before| &self.tokens[before]);
        // So do numbers behind a remainder's sign: 7 % 4 = 3.
        let prose = before.is_some_and(|before| {
            before.gap < Gap::Border && before.ends() && !matches!(before.kind, lex::Kind::Close(_))
                || before.kind == lex::Kind::Break('%')
        });
        let bares =
            chain.members.iter().all(bare) && chain.members.windows(2).any(|pair| pair[0].value() != pair[1].value());
        // "1 hour = 60 minutes", "20 percent of 50 = 10": the left side belongs to more than is read here.
        let unit = matches!(chain.members[0], Expression::Name(_))
            && before.is_some_and(Token::is_number)
            && !self.tokens[at].symbol();
        if (bares && prose) || unit {
            self.each(at, end);
            return Some(end);
        }
        let boxed = self.tokens[ends[ends.len() - 2]..end].iter().any(|token| token.kind == lex::Kind::Boxed);
        let told = matches!(&chain.members[0], Expression::Name(name) if self.spoken.answer(&lower(name)));
        let literal = chain.members.last().filter(|last| last.literal().is_some()).cloned();
        let spoken = self.spoken;
        let named = |name: &str| {
            let word = lower(name);
            name.len() <= NAME_BYTES
                && !spoken.small(&word)
                && !spoken.answer(&word)
                && name.chars().any(char::is_alphabetic)
        };
        let claim = Claim::of(chain, &self.values, &named).or_else(|| literal.as_ref().map(Claim::quantity));
        let Some(claim) = claim else {
            self.each(at, end);
            return Some(end);
        };
        if let (Some(name), Some(value)) = (&claim.name, &claim.value) {
            self.values.insert(name.clone(), value.clone());
        }
        let made = self.push(claim, at, end);
        if boxed {
            self.boxed.push(made);
        } else if told {
            *answer_at = None;
            self.told.push(made);
            self.revoked = false;
        }
        Some(end)
    }

    /// The numbers of an expression that is no part of an equation: one quantity where it is one number or is told as the answer, else
    /// each; where it ends.
    fn numbers(&mut self, at: usize, mut end: usize, read: &Expression) -> usize {
        let mut read = read.clone();
        if self.telling && read.literal().is_none() {
            match evaluated(self.tokens, at, end, self.text, &read) {
                Some((value, until)) if value.literal().is_some() => (read, end) = (value, until),
                Some((value, until)) => {
                    self.push(Claim::computed(&value), at, until);
                    return until;
                }
                None => {}
            }
        }
        let written = self.tokens[at..end].iter().find_map(|token| match &token.kind {
            lex::Kind::Number(number) => Some(number.written),
            _ => None,
        });
        let one = self.tokens[at..end].iter().filter(|token| token.is_number()).count() == 1;
        // 3:1 is a ratio.
        let ratio = |token: &Token<'_>| {
            token.kind == lex::Kind::Divide && self.text[token.span.clone()].starts_with([':', '：', '∶'])
        };
        match (read.literal(), written) {
            _ if self.tokens[at..end].iter().any(ratio) => self.each(at, end),
            (Some(_), Some(Written::Digits | Written::Words)) => drop(self.push(Claim::quantity(&read), at, end)),
            (Some(_), Some(Written::One)) if one && self.given => drop(self.push(Claim::quantity(&read), at, end)),
            (_, Some(_)) if one || read.literal().is_some() => self.single(at, end, written),
            _ => self.each(at, end),
        }
        end
    }

    /// A single number of an expression that is no literal, or no number at all.
    fn single(&mut self, at: usize, end: usize, written: Option<Written>) {
        let why = match written {
            Some(Written::One) if !self.given => Some("the word for one is an article or a pronoun as often"),
            Some(Written::Ordinal) => Some("is an ordinal"),
            _ => None,
        };
        match (why, self.tokens[at..end].iter().find(|token| token.is_number())) {
            (Some(why), Some(token)) => self.ignored.push(Ignored { span: token.span.clone(), why: why.into() }),
            _ => self.each(at, end),
        }
    }

    /// Every number of the tokens on its own, so that none of them is all that is said.
    fn each(&mut self, at: usize, end: usize) {
        self.whole = false;
        for i in at..end {
            if let lex::Kind::Number(number) = &self.tokens[i].kind {
                let written = number.written;
                if matches!(written, Written::Ordinal) || (written == Written::One && !self.given) {
                    self.single(i, i + 1, Some(written));
                } else if let Some((read, _)) = expression(&self.tokens[i..=i]) {
                    self.push(Claim::quantity(&read), i, i + 1);
                }
            }
        }
    }

    /// `\boxed{...}`: an equation, an expression, or whatever it holds.
    fn boxed(&mut self, at: usize) -> usize {
        let mut depth = 0usize;
        let close = self.tokens[at + 1..].iter().position(|token| {
            match token.kind {
                lex::Kind::Open(_) => depth += 1,
                lex::Kind::Close(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        let opens = matches!(self.tokens.get(at + 1).map(|token| &token.kind), Some(lex::Kind::Open('{')));
        let Some(close) = close.filter(|_| opens).map(|close| at + 1 + close) else { return at + 1 };
        let inner = at + 2..close;
        let units = |end: usize| {
            (end..close)
                .all(|i| matches!(self.tokens[i].kind, lex::Kind::Name(_) | lex::Kind::Unit | lex::Kind::Currency))
        };
        let claim =
            chain(&self.tokens[..close], inner.start).filter(|(_, ends)| ends.last().is_some_and(|end| units(*end)));
        let claim = claim.and_then(|(chain, _)| match chain.members.as_slice() {
            [only] => Some(Claim::computed(only)),
            _ => Claim::of(chain, &self.values, &|_| true),
        });
        let claim = claim.unwrap_or_else(|| {
            let from = self.tokens[at + 1].span.end;
            let text = self.text[from..self.tokens[close].span.start.max(from)].trim();
            // One number among words, as in (B) 12, is what it says.
            let worded =
                |token: &Token<'_>| matches!(token.kind, lex::Kind::Name(_) | lex::Kind::Open(_) | lex::Kind::Close(_));
            let mut others = self.tokens[inner.clone()].iter().enumerate().filter(|(_, token)| !worded(token));
            match (others.next(), others.next()) {
                (Some((i, token)), None) if token.is_number() => {
                    expression(&self.tokens[inner.start + i..=inner.start + i])
                }
                _ => None,
            }
            .map_or_else(
                || Claim {
                    kind: Kind::Quantity,
                    normal: plain(text),
                    value: None,
                    name: None,
                    uses: Vec::new(),
                    holds: None,
                },
                |(number, _)| Claim::quantity(&number),
            )
        });
        let made = self.push(claim, at, close + 1);
        self.boxed.push(made);
        close + 1
    }

    /// Adds an anchor for some tokens, with the unit that follows; its index.
    fn push(&mut self, claim: Claim, at: usize, end: usize) -> usize {
        let unit = unit(self.tokens, at, end, self.spoken);
        let until = unit.as_ref().map_or(0, |unit| unit.end).max(self.tokens[end - 1].span.end);
        let unit =
            unit.map(|unit| self.text[unit].trim_start_matches("\\text{").trim_end_matches('}').trim().to_owned());
        let Claim { kind, normal, value, name, uses, holds } = claim;
        let span = self.tokens[at].span.start..until;
        self.anchors.push(Anchor { step: None, span, kind, normal, value, name, unit, uses, holds });
        self.anchors.len() - 1
    }
}

/// Whether a sign belongs to the number behind it: in prose "lost -5 points", or where mathematics begins with it, 答案是$-3$.
fn negative(tokens: &[Token<'_>], at: usize) -> bool {
    let word = at.checked_sub(1).and_then(|before| tokens.get(before));
    let word = word.is_some_and(|word| matches!(word.kind, lex::Kind::Name(_)) && !word.symbol());
    let sign = &tokens[at];
    let opens = sign.gap == Gap::Border && sign.maths;
    let currency = tokens.get(at + 1).is_some_and(|next| next.kind == lex::Kind::Currency && next.gap == Gap::None);
    let next = tokens.get(at + 1 + usize::from(currency));
    let number = next.is_some_and(|next| {
        let operand = matches!(next.kind, lex::Kind::Number(_) | lex::Kind::Frac | lex::Kind::Root);
        (next.gap == Gap::None || currency) && (operand || (opens && matches!(next.kind, lex::Kind::Open(_))))
    });
    word && number && (sign.gap == Gap::Space || opens)
}

/// The chain that begins at a token, and where each of its members ends.
fn chain(tokens: &[Token<'_>], at: usize) -> Option<(Chain, Vec<usize>)> {
    let (first, used) = expression(&tokens[at..])?;
    let (mut members, mut about, mut ends) = (vec![first], Vec::new(), vec![at, at + used]);
    let mut end = at + used;
    while equals(tokens.get(end)) {
        let Some((next, used)) = expression(&tokens[end + 1..]) else { break };
        about.push(tokens[end].kind == lex::Kind::Approx);
        members.push(next);
        end += 1 + used;
        ends.push(end);
    }
    Some((Chain { members, about }, ends))
}
