//! What others wrote, as a message shows it: in one line, and not more of it than helps.

/// Characters of a text that are shown.
const MOST: usize = 120;

/// A text in one line, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(MOST) {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if text.chars().nth(MOST).is_some() {
        line.push_str(" ...");
    }
    line
}

/// What is wrong with JSON, and where; the message of serde may hold a whole value.
pub(super) fn json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("{}{place}", shown(what)),
        None => shown(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_and_keeps_its_place() {
        assert_eq!(shown("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        assert_eq!(shown(&"é".repeat(500)), format!("{} ...", "é".repeat(120)));
        let error = serde_json::from_str::<u8>(&format!("\n\"{}\"", "x".repeat(5000))).unwrap_err();
        let said = json(&error);
        assert!(said.len() < 200 && said.ends_with(" ... at line 2 column 5002"), "{said}");
    }
}
