//! Where mathematics and code stand in a text.
//!
//! Mathematics: `$...$`, `$$...$$`, `\(...\)`, `\[...\]`, `\begin{x}...\end{x}`. Code: fences of three backticks, and backticks
//! within a line. What is opened and not closed ends with its paragraph (an empty line). One pass; no place is read more than twice.
//!
//! A dollar sign before a digit is money unless the next one can close (no space before it, no digit behind it) and nothing
//! between them reads as prose: `$23 of $30` is money, `$23 + 7 = 30$` is mathematics.

use std::ops::Range;

use super::numerals::digit;

/// What a region holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Maths,
    /// Between fences.
    Code,
    /// Within a line.
    Inline,
}

/// A region with its delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) span: Range<usize>,
    pub(super) inside: Inside,
    /// The part between the delimiters.
    pub(super) inner: Range<usize>,
}

/// All regions, in order, none within another.
pub(super) fn regions(text: &str) -> Vec<Region> {
    let bytes = text.as_bytes();
    let mut found: Vec<Region> = Vec::new();
    let (mut at, mut end) = (0, 0);
    while at < bytes.len() {
        if at >= end {
            end = paragraph(bytes, at);
        }
        let rest = &bytes[at..];
        let region = match bytes[at] {
            b'`' if rest.starts_with(b"```") => {
                // A fence may hold empty lines; without a closing one it ends with the paragraph.
                let close = text[at + 3..].find("```").map(|close| at + 3 + close);
                Some(Region::of(Inside::Code, at, 3, close.unwrap_or(end), if close.is_some() { 3 } else { 0 }))
            }
            b'`' => inline(bytes, at),
            b'\\' if rest.starts_with(b"\\(") => Some(until(text, at, 2, "\\)", end)),
            b'\\' if rest.starts_with(b"\\[") => Some(until(text, at, 2, "\\]", end)),
            b'\\' if rest.starts_with(b"\\begin{") => environment(text, at, end),
            b'\\' => {
                at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            b'$' if rest.starts_with(b"$$") => Some(until(text, at, 2, "$$", end)),
            b'$' => dollar(text, at, end),
            _ => None,
        };
        match region {
            Some(region) => {
                at = region.span.end.max(at + 1);
                found.push(region);
            }
            None => at += 1,
        }
    }
    found
}

impl Region {
    fn of(inside: Inside, start: usize, open: usize, close: usize, closing: usize) -> Self {
        let close = close.max(start + open);
        Self { span: start..close + closing, inside, inner: start + open..close }
    }
}

/// Where the paragraph that holds `at` ends: before the line feeds of an empty line, or at the end.
fn paragraph(bytes: &[u8], at: usize) -> usize {
    let mut feed = None;
    for (i, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'\n' => match feed {
                Some(first) if first > at => return first,
                _ => feed = Some(i),
            },
            b' ' | b'\t' | b'\r' => {}
            _ => feed = None,
        }
    }
    bytes.len()
}

fn until(text: &str, at: usize, open: usize, close: &str, end: usize) -> Region {
    let from = (at + open).min(text.len());
    match text.get(from..end.max(from)).and_then(|inner| inner.find(close)) {
        Some(found) => Region::of(Inside::Maths, at, open, from + found, close.len()),
        None => Region::of(Inside::Maths, at, open, end, 0),
    }
}

fn environment(text: &str, at: usize, end: usize) -> Option<Region> {
    let name = text[at + 7..end.max(at + 7)].split_once('}')?.0;
    if name.len() > 20 || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '*') {
        return None;
    }
    let region = until(text, at, 0, &format!("\\end{{{name}}}"), end);
    Some(Region { inner: at..region.span.end, ..region })
}

/// One or two backticks, closed by as many in the same line.
fn inline(bytes: &[u8], at: usize) -> Option<Region> {
    let ticks = 1 + usize::from(bytes.get(at + 1) == Some(&b'`'));
    let line = bytes[at + ticks..].iter().position(|b| matches!(b, b'\n' | b'`'))? + at + ticks;
    let closed = bytes[line..].iter().take_while(|b| **b == b'`').count() >= ticks;
    closed.then(|| Region::of(Inside::Inline, at, ticks, line, ticks))
}

fn dollar(text: &str, at: usize, end: usize) -> Option<Region> {
    let behind = text[at + 1..].chars().next()?;
    let opens = behind.is_alphanumeric() || matches!(behind, '\\' | '(' | '{' | '-' | '+' | '|' | '[');
    if !opens && text[..at].ends_with(char::is_alphanumeric) {
        return None; // `5$.`, `US$ 5`
    }
    let money = digit(behind).is_some() && text[..at].ends_with(char::is_alphabetic);
    let next = if money { None } else { next_dollar(text.as_bytes(), at + 1, end) };
    let Some(close) = next else {
        return (opens && digit(behind).is_none()).then(|| Region::of(Inside::Maths, at, 1, end, 0));
    };
    let inner = &text[at + 1..close];
    let maths = if digit(behind).is_some() {
        let closes = !inner.ends_with(char::is_whitespace) && !text[close + 1..].starts_with(|c| digit(c).is_some());
        closes && !prose(inner)
    } else if behind.is_whitespace() {
        inner.contains(['=', '+', '\\', '^', '_', '<', '>']) && !prose(inner)
    } else {
        true
    };
    maths.then(|| Region::of(Inside::Maths, at, 1, close, 1))
}

fn next_dollar(bytes: &[u8], from: usize, end: usize) -> Option<usize> {
    let mut at = from;
    while at < end {
        match bytes[at] {
            b'$' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Words outside braces that are no LaTeX commands: three ASCII letters, or one of a script that mathematics does not use.
fn prose(inner: &str) -> bool {
    let (mut depth, mut run, mut command) = (0usize, 0, false);
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == '\\' {
            (run, command) = (0, true);
        } else if c.is_ascii_alphabetic() {
            run += 1;
            if depth == 0 && !command && run >= 3 {
                return true;
            }
        } else {
            (run, command) = (0, false);
            if depth == 0 && c.is_alphabetic() && !matches!(c, '\u{370}'..='\u{3ff}' | '\u{1d400}'..='\u{1d7ff}') {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        regions(text).into_iter().map(|region| &text[region.span]).collect()
    }

    #[test]
    fn mathematics_and_code_are_found_with_their_delimiters() {
        assert_eq!(found(r"a $x. Y$ b \(1. 2\) c \[z\] d $$q$$"), ["$x. Y$", r"\(1. 2\)", r"\[z\]", "$$q$$"]);
        assert_eq!(found("a `f. G` b\n```\nx\n\ny\n``` c"), ["`f. G`", "```\nx\n\ny\n```"]);
        assert_eq!(
            found(r"\begin{align} a &= 1 \\ b &= 2 \end{align} z"),
            [r"\begin{align} a &= 1 \\ b &= 2 \end{align}"]
        );
    }

    #[test]
    fn money_is_no_mathematics() {
        for money in ["She has $23. Each costs $3.", "5$ and 7$.", "US$ 5 or US$5", r"\$5 and \$6", "$5/kg and 10$"] {
            assert_eq!(found(money), [""; 0], "{money}");
        }
        assert_eq!(found("It is $23 + 7 = 30$."), ["$23 + 7 = 30$"]);
    }

    #[test]
    fn the_unbalanced_ends_with_its_paragraph() {
        assert_eq!(found("a $x = 1. B\n\nC. D"), ["$x = 1. B"]);
        assert_eq!(found("a \\[x\nB.\n\nC."), ["\\[x\nB."]);
        assert_eq!(found("```\nx\n\ny"), ["```\nx"]);
        assert_eq!(found("a ` b\n$$"), ["$$"]);
    }
}
