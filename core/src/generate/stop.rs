//! The text of a continuation while it comes: half characters wait for their other half, and what may be the beginning of a
//! stop string waits until it is known.

/// Text so far.
pub(super) struct Text<'a> {
    stops: &'a [String],
    text: String,
    /// The beginning of a character whose other bytes have not come.
    broken: Vec<u8>,
    /// Up to here nothing can become part of a stop string.
    safe: usize,
    /// Up to here the text has been handed out.
    shown: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(stops: &'a [String]) -> Self {
        Self { stops, text: String::new(), broken: Vec::new(), safe: 0, shown: 0 }
    }

    /// Adds a token's bytes. Where a stop string is complete the text ends before it, and that stop string is given.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<&'a str> {
        self.broken.extend_from_slice(bytes);
        let mut rest = self.broken.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    rest = &[];
                    break;
                }
                Err(e) => {
                    let (valid, after) = rest.split_at(e.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(wrong) = e.error_len() else { break };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[wrong..];
                }
            }
        }
        self.broken = rest.to_vec();

        let found = self.stops.iter().filter_map(|stop| Some((self.text[self.safe..].find(stop.as_str())?, stop)));
        if let Some((at, stop)) = found.min_by_key(|(at, _)| *at) {
            self.text.truncate(self.safe + at);
            self.broken.clear();
            self.safe = self.text.len();
            return Some(stop);
        }
        let tail = &self.text[self.safe..];
        let begun = self.stops.iter().flat_map(|stop| stop.char_indices().map(move |(at, _)| &stop[..at]));
        let waiting = begun.filter(|begun| tail.ends_with(begun)).map(str::len).max();
        self.safe = self.text.len() - waiting.unwrap_or(0);
        None
    }

    /// No more will come: what waited is text, and half a character is U+FFFD.
    pub(super) fn end(&mut self) {
        self.text.push_str(&String::from_utf8_lossy(&self.broken));
        self.broken.clear();
        self.safe = self.text.len();
    }

    /// What became safe to show since the last call.
    pub(super) fn fresh(&mut self) -> &str {
        let from = std::mem::replace(&mut self.shown, self.safe);
        &self.text[from..self.safe]
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Text;

    /// Pieces handed out token by token, the stop string, and the whole text.
    fn told(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, Option<String>, String) {
        let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut text = Text::new(&stops);
        let mut pieces = Vec::new();
        let mut found = None;
        for token in tokens {
            found = text.push(token).map(str::to_owned);
            pieces.push(text.fresh().to_owned());
            if found.is_some() {
                break;
            }
        }
        if found.is_none() {
            text.end();
            pieces.push(text.fresh().to_owned());
        }
        (pieces, found, text.into_string())
    }

    #[test]
    fn half_a_character_waits() {
        // अ is E0 A4 85.
        let (pieces, _, text) = told(&[], &[b"a", &[0xE0], &[0xA4], &[0x85, b'b']]);
        assert_eq!(pieces, ["a", "", "", "अb", ""]);
        assert_eq!(text, "aअb");
        let (pieces, _, text) = told(&[], &[&[0xE0, 0xA4], b"x", &[0xE0]]);
        assert_eq!(pieces, ["", "\u{FFFD}x", "", "\u{FFFD}"]);
        assert_eq!(text, "\u{FFFD}x\u{FFFD}");
    }

    #[test]
    fn a_stop_string_is_found_across_tokens_and_never_shown() {
        let (pieces, found, text) = told(&["END"], &[b"one E", b"N", b"Dx"]);
        assert_eq!(pieces, ["one ", "", ""]);
        assert_eq!((found.as_deref(), text.as_str()), (Some("END"), "one "));
        let (pieces, found, text) = told(&["END"], &[b"one E", b"N", b"Q"]);
        assert_eq!(pieces, ["one ", "", "ENQ", ""]);
        assert_eq!((found, text.as_str()), (None, "one ENQ"));
    }

    #[test]
    fn a_stop_string_of_which_a_character_is_split() {
        // The danda is E0 A5 A4.
        let (pieces, found, text) = told(&["।\n"], &["है".as_bytes(), &[0xE0, 0xA5], &[0xA4], b"\n"]);
        assert_eq!(pieces, ["है", "", "", ""]);
        assert_eq!((found.as_deref(), text.as_str()), (Some("।\n"), "है"));
    }

    #[test]
    fn the_first_to_be_complete_stops() {
        let (_, found, text) = told(&["abc", "b"], &[b"xa", b"b"]);
        assert_eq!((found.as_deref(), text.as_str()), (Some("b"), "xa"));
        let (_, found, text) = told(&["aab"], &[b"a", b"a", b"a", b"b"]);
        assert_eq!((found.as_deref(), text.as_str()), (Some("aab"), "a"));
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text_up_to_the_first_stop(text in "[ab।\u{1F600}]{0,12}", cuts in prop::collection::vec(1usize..4, 40)) {
            let mut tokens = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (token, after) = rest.split_at(cut.min(rest.len()));
                tokens.push(token);
                rest = after;
            }
            tokens.push(rest);
            let (pieces, found, whole) = told(&["ab।", "\u{1F600}b"], &tokens);
            let first = ["ab।", "\u{1F600}b"].iter().filter_map(|stop| text.find(stop)).min();
            prop_assert_eq!(pieces.concat(), whole.clone());
            prop_assert_eq!(found.is_some(), first.is_some());
            prop_assert_eq!(whole, text[..first.unwrap_or(text.len())].to_owned());
        }
    }
}
