//! What part a token plays in a prompt, so that prompts of other lengths can be averaged (the categories of Meng et al. 2022).

use std::ops::Range;

/// The roles, in the order of a prompt.
pub(super) const NAMES: [&str; 8] =
    ["bos", "before", "subject_first", "subject_middle", "subject_last", "after", "further", "last"];

/// The role of each of `tokens` tokens. A subject of one token is its last; the last token of the prompt is `last` unless it is of
/// the subject.
pub(super) fn roles(tokens: usize, bos: usize, subject: &Range<usize>) -> Vec<&'static str> {
    let role = |at: usize| {
        if subject.contains(&at) {
            match at {
                _ if at + 1 == subject.end => "subject_last",
                _ if at == subject.start => "subject_first",
                _ => "subject_middle",
            }
        } else if at + 1 == tokens {
            "last"
        } else if at < bos {
            "bos"
        } else if at < subject.start {
            "before"
        } else if at == subject.end {
            "after"
        } else {
            "further"
        }
    };
    (0..tokens).map(role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_a_role_of_the_list() {
        let of = |tokens, subject: Range<usize>| roles(tokens, 1, &subject);
        assert_eq!(
            of(9, 2..5),
            ["bos", "before", "subject_first", "subject_middle", "subject_last", "after", "further", "further", "last"]
        );
        assert_eq!(of(3, 1..2), ["bos", "subject_last", "last"]);
        assert_eq!(of(3, 1..3), ["bos", "subject_first", "subject_last"]);
        assert!(of(9, 2..5).iter().all(|role| NAMES.contains(role)));
    }
}
