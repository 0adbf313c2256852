//! What is left when all anchors are found: references to steps get their anchor, and every number without one its reason.

use std::ops::Range;

use super::{
    anchor::{Anchor, Ignored, Kind, Use},
    letters::{Class, class},
    numerals::digit,
    regions::Region,
    trace::Step,
};

/// A reference to a step: where it stands, which step, whether it belongs to what stands before it.
pub(super) struct Mention {
    pub(super) at: usize,
    pub(super) step: usize,
    pub(super) behind: bool,
}

/// Gives each reference to the anchor that it speaks of, in its own step: the next equation, else the one before.
pub(super) fn attach(references: &[Mention], anchors: &mut [Anchor], steps: &[Step]) {
    let none = anchors.len();
    let derives = |at: &usize| anchors[*at].kind != Kind::Quantity;
    // The last equation before each place, and the next one from there on.
    let (mut last, mut next) = (vec![none; none + 1], vec![none; none + 1]);
    for at in 0..none {
        last[at + 1] = if derives(&at) { at } else { last[at] };
    }
    for at in (0..none).rev() {
        next[at] = if derives(&at) { at } else { next[at + 1] };
    }
    for found in references {
        let step = steps.partition_point(|step| step.span.end <= found.at);
        let own = |at: &usize| anchors.get(*at).is_some_and(|anchor| anchor.step == Some(step));
        let split = anchors.partition_point(|anchor| anchor.span.start < found.at);
        let (after, before) = (Some(next[split]).filter(own), Some(last[split]).filter(own));
        let best = if found.behind { before.or(after) } else { after.or(before) };
        let any = best.or_else(|| Some(split).filter(own)).or_else(|| split.checked_sub(1).filter(own));
        if let Some(at) = any {
            anchors[at].uses.push(Use::Step(found.step));
        }
    }
}

/// Lists every number in digits that no anchor holds and no reason names yet; drops reasons within anchors.
pub(super) fn sweep(text: &str, anchors: &[Anchor], ignored: &mut Vec<Ignored>, regions: &[Region]) {
    ignored.sort_by_key(|ignored| (ignored.span.start, ignored.span.end));
    let mut covered: Vec<Range<usize>> = anchors.iter().map(|anchor| anchor.span.clone()).collect();
    let within = |spans: &[Range<usize>], span: &Range<usize>| {
        let at = spans.partition_point(|other| other.start <= span.start);
        at.checked_sub(1).is_some_and(|at| spans[at].end >= span.end)
    };
    ignored.retain(|ignored| !within(&covered, &ignored.span));
    ignored.dedup();
    covered.extend(ignored.iter().map(|ignored| ignored.span.clone()));
    covered.sort_by_key(|span| (span.start, span.end));
    // Spans may lie within one another: what counts is how far any of them reaches.
    let mut reach = 0;
    let mut left = Vec::new();
    let mut spans = covered.into_iter().peekable();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if digit(c).is_none() {
            continue;
        }
        let mut end = start + c.len_utf8();
        while let Some((at, c)) = chars.next_if(|(_, c)| digit(*c).is_some()) {
            end = at + c.len_utf8();
        }
        while let Some(span) = spans.next_if(|span| span.start <= start) {
            reach = reach.max(span.end);
        }
        if reach < end {
            let joined = |c: Option<char>| c.is_some_and(|c| class(c) == Class::Joined || c == '_');
            let word = joined(text[..start].chars().next_back()) || joined(text[end..].chars().next());
            let region = regions.partition_point(|region| region.span.end <= start);
            let maths = regions.get(region).is_some_and(|region| region.span.start <= start);
            let why = match (word, maths) {
                (true, _) => "is part of a word",
                (_, true) => "stands in mathematics that is not read",
                _ => "belongs to no number that can be read",
            };
            left.push(Ignored { span: start.max(reach)..end, why: why.into() });
        }
    }
    ignored.extend(left);
    ignored.sort_by_key(|ignored| (ignored.span.start, ignored.span.end));
}
