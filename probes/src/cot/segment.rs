//! Steps: the sentences of a trace.
//!
//! A cut is where UAX #29 ends a sentence (unicode-segmentation, which knows the terminators of every script: . ? ! 。 । ؟ ۔ ። ။ ។ ։),
//! corrected in both directions:
//!
//! - no cut inside mathematics or code (`regions.rs`), behind an abbreviation ("approx.", "No. 5"), or between the marker of a list
//!   and its item ("1. First");
//! - a cut where UAX #29 sees none: a full stop before a digit, a formula or a bracket ("each. 5 + 6"), behind a formula before a small
//!   letter ("= 7. then"), behind markdown or mathematics ("11.** So", "11.$ So"); `;` behind Greek, `|` behind Devanagari or Bengali,
//!   the Tibetan shad, and `·` where it ends a word (the clone of English);
//! - Thai and Lao have no full stop: a line feed cuts, and a space before a word that opens a clause (ดังนั้น, จากนั้น, เขา ...).
//!
//! A step that is too short is merged with the next, the last one with the one before. Too short is below 10 characters (graphemes, without
//! the spaces around it), where a character of Han, Kana, Hangul, Thai, Lao, Khmer or Burmese counts for two and a half (below 4 of these),
//! and a syllable of an Indic script or of Ethiopic for one and a half. An equation is never too short: `3 + 4 = 7` on a line of its own is a
//! step, as it is with a full stop.
//! The spans tile the text: a step takes the white space behind it, the first one what stands before it (methods.md 7.1).

use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    letters::{Class, class, density},
    numerals::digit,
    regions::{Region, regions},
    trace::Step,
};

/// Words before whose full stop no sentence ends.
const ABBREVIATIONS: &str = " approx e.g i.e cf vs mr mrs ms dr prof st fig eq resp viz incl sr sra dra ej ca bzw z.b d.h vgl evtl u.a \
                             usw inkl zzgl т.е т.к т.д т.п т.н напр см м p.ex c-à-d env dll dsb mis yani örn vb डॉ श्री ";
/// The same, but only before a number.
const BEFORE_NUMBERS: &str = " no nos nr num núm nº art pag pág p pp vol ch sec ex стр рис гл п № ";
/// Words with which a Thai clause opens.
const THAI: [&str; 19] = [
    "ดังนั้น",
    "เพราะฉะนั้น",
    "ฉะนั้น",
    "จากนั้น",
    "หลังจากนั้น",
    "ต่อมา",
    "ต่อไป",
    "ตอนนี้",
    "สุดท้าย",
    "คำตอบ",
    "เขา",
    "เธอ",
    "พวกเขา",
    "เรา",
    "เนื่องจาก",
    "นั่นคือ",
    "ซึ่งหมายความว่า",
    "แสดงว่า",
    "ขั้นตอนที่",
];
/// Before these an exclamation mark is a factorial: n! = 120.
const SIGNS: &str = "=+×÷*^<≤≥≈";
/// What a step must weigh, in half characters of an alphabet.
const ENOUGH: usize = 20;

/// The steps of a trace; none where there is nothing to read.
///
/// ```
/// use babelscope_probes::cot::steps;
/// let cut = |text: &'static str| steps(text).into_iter().map(|step| &text[step.span]).collect::<Vec<_>>();
/// assert_eq!(cut("There are 3.5 litres. So $x = 2. 5$ holds."), ["There are 3.5 litres. ", "So $x = 2. 5$ holds."]);
/// assert_eq!(cut("一开始有五个球。后来有了七个球。"), ["一开始有五个球。", "后来有了七个球。"]);
/// ```
pub fn steps(text: &str) -> Vec<Step> {
    let regions = regions(text);
    let bounds = text.split_sentence_bound_indices().map(|(start, _)| moved(text, start));
    let mut cuts: Vec<usize> = bounds.filter(|cut| (1..text.len()).contains(cut) && keeps(text, *cut)).collect();
    more(text, &mut cuts);
    cuts.sort_unstable();
    cuts.dedup();
    let mut inside = regions.iter().peekable();
    cuts.retain(|cut| {
        while inside.next_if(|region: &&Region| region.span.end <= *cut).is_some() {}
        inside.peek().is_none_or(|region| *cut <= region.span.start)
    });
    merge(text, cuts)
}

/// Merges what is blank with what stands before it, and what is short with what follows.
fn merge(text: &str, cuts: Vec<usize>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(cuts.len() + 1);
    let mut start = 0;
    let blank = text.len() - text.trim_start().len();
    for end in cuts.into_iter().chain([text.len()]).skip_while(|end| *end <= blank) {
        let said = text[start.max(blank)..end].trim();
        match steps.last_mut() {
            Some(last) if said.is_empty() => last.span.end = end,
            _ if said.is_empty() || (end < text.len() && short(said)) => continue,
            Some(last) if short(said) => last.span.end = end,
            _ => steps.push(Step { span: start..end }),
        }
        start = end;
    }
    if let Some(last) = steps.last_mut() {
        last.span.end = text.len();
    }
    steps
}

fn short(said: &str) -> bool {
    let equation =
        said.split_once(['=', '＝']).is_some_and(|(left, right)| !left.trim().is_empty() && !right.trim().is_empty());
    if equation {
        return false;
    }
    let mut weight = 0;
    for grapheme in said.graphemes(true) {
        weight += grapheme.chars().next().map_or(0, density);
        if weight >= ENOUGH {
            return false;
        }
    }
    true
}

/// Closing quotes, brackets, markdown and mathematics, which belong to the sentence before them.
fn closes(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | ')' | ']' | '}' | '*' | '_' | '`' | '$' | '”' | '’' | '»' | '」' | '』' | '）' | '】' | '›'
    )
}

/// UAX #29 counts opening brackets among those that close a sentence (。「 belongs apart), and does not know markdown's (`11.** So`).
fn moved(text: &str, cut: usize) -> usize {
    let rest = &text[cut..];
    let behind = rest.trim_start_matches(closes);
    let said = text[..cut].trim_end_matches(['「', '『', '（', '【', '《', '〈', '“', '‘', '(', '[', '¿', '¡']);
    if behind.len() < rest.len()
        && behind.starts_with(char::is_whitespace)
        && !text[..cut].ends_with(char::is_whitespace)
    {
        return text.len() - behind.trim_start_matches([' ', '\t']).len();
    }
    said.len()
}

/// Whether a boundary of UAX #29 stands.
fn keeps(text: &str, cut: usize) -> bool {
    let said = text[..cut].trim_end_matches([' ', '\t', '\u{a0}']);
    if said.ends_with('\n') {
        return true;
    }
    if text[cut..].starts_with(|c| SIGNS.contains(c)) && said.ends_with('!') {
        return false;
    }
    let stop = said.trim_end_matches(closes);
    !stop.ends_with('.') || (stops(text, stop.len() - 1, cut) && !marker(head(text, cut)))
}

/// The line before a place, if it is no longer than the marker of a list.
fn head(text: &str, end: usize) -> &str {
    let said = text[..end].trim_end_matches(' ');
    let from = said.as_bytes().iter().rev().take(24).position(|byte| *byte == b'\n');
    match from {
        Some(back) => &said[said.len() - back..],
        None if said.len() <= 24 => said,
        None => "",
    }
}

/// Whether a line holds the marker of a list and nothing else: `1.`, `a)`, `**2.**`, `- 3.`.
fn marker(line: &str) -> bool {
    let core = line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '#' | '>' | '-' | '•' | '('));
    let number = core.trim_end_matches(['.', ')', '、', '．']);
    let count = number.chars().count();
    number.len() < core.len()
        && ((1..=3).contains(&count) && number.chars().all(|c| digit(c).is_some())
            || count == 1 && number.starts_with(char::is_alphabetic)
            || (1..=4).contains(&count) && number.chars().all(|c| matches!(c, 'i' | 'v' | 'x' | 'I' | 'V' | 'X')))
}

/// Whether a full stop at a place ends a sentence, when the next one would begin at `next`: not behind an abbreviation.
fn stops(text: &str, stop: usize, next: usize) -> bool {
    let before = &text[..stop];
    // No abbreviation is longer.
    let from =
        before.char_indices().rev().take(8).take_while(|(_, c)| c.is_alphabetic() || *c == '.' || *c == '-').last();
    let Some((from, _)) = from else { return true };
    let word = before[from..].trim_start_matches(['.', '-']);
    if word.is_empty() {
        return true;
    }
    let word = format!(" {} ", word.to_lowercase());
    let number = text[next..].starts_with(|c| digit(c).is_some());
    !(ABBREVIATIONS.contains(&word) || (number && BEFORE_NUMBERS.contains(&word)))
}

/// Cuts that UAX #29 does not make.
fn more(text: &str, cuts: &mut Vec<usize>) {
    // The characters before: the last one, and the last that is no space.
    let (mut previous, mut said) = ('\n', '\n');
    let mut thai = 0;
    for (at, c) in text.char_indices() {
        let cut = match c {
            '.' | '?' | '!' | '‽' | '…' if previous != '\\' => full_stop(text, at, c, previous),
            '·' if previous.is_alphanumeric() => spaced(text, at + c.len_utf8()),
            ';' if matches!(previous, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}') => spaced(text, at + 1),
            '|' if matches!(said, '\u{900}'..='\u{9ff}') => spaced(text, at + 1),
            '།' | '༎' => spaced(text, at + c.len_utf8()),
            ' ' => {
                let cut = clause(text, at, thai, previous);
                thai = at + 1;
                cut
            }
            _ => None,
        };
        cuts.extend(cut);
        previous = c;
        said = if c == ' ' { said } else { c };
    }
}

/// The place behind the white space that must follow; none at the end of the text.
fn spaced(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let next = rest.trim_start();
    (next.len() < rest.len() && !next.is_empty()).then(|| text.len() - next.len())
}

fn full_stop(text: &str, at: usize, stop: char, previous: char) -> Option<usize> {
    let behind = &text[at + stop.len_utf8()..];
    let rest = behind.trim_start_matches(closes);
    // Also behind `\)` and `\]`, which close mathematics.
    let inner = rest.trim_start_matches(' ');
    let closed = inner.strip_prefix("\\)").or_else(|| inner.strip_prefix("\\]"));
    let maths = closed.is_some() || behind.starts_with('$');
    let rest = closed.unwrap_or(rest);
    let cut = spaced(text, text.len() - rest.len())?;
    let next = text[cut..].chars().next()?;
    if stop == '!' && SIGNS.contains(next) {
        return None;
    }
    if stop != '.' && stop != '…' {
        return Some(cut);
    }
    // A number alone may be an ordinal (2. adım), so it must be the end of a formula.
    let before = text[..at].trim_end_matches(|c| digit(c).is_some() || matches!(c, '.' | ',' | '%')).trim_end();
    let formula = match before.len() < at {
        true => before.ends_with(['=', '+', '-', '−', '*', '×', '/', '÷', '≈', '＝']),
        false => matches!(previous, ')' | '}' | ']'),
    };
    if (next.is_lowercase() && (!formula || maths))
        || (stop == '…' && !next.is_uppercase())
        || matches!(next, '.' | ',')
    {
        return None;
    }
    (stops(text, at, cut) && !marker(head(text, cut))).then_some(cut)
}

/// A space between two Thai clauses: the next word opens one, and what stands before the space is not such a word itself.
fn clause(text: &str, at: usize, word: usize, previous: char) -> Option<usize> {
    let next = &text[at + 1..];
    let opens = |word: &str| THAI.iter().any(|opener| word.starts_with(opener));
    let before = &text[word.min(at)..at];
    let said = class(previous) == Class::Thai || digit(previous).is_some() || matches!(previous, '*' | ')' | '$');
    (said && next.starts_with(|c| class(c) == Class::Thai) && opens(next) && !THAI.contains(&before)).then_some(at + 1)
}

#[cfg(test)]
mod tests;
