//! What each token of a vocabulary is: its script, and whether it is a character, a byte, a mixture or nothing known.

use babelscope_core::tokens::{Piece, Tokenizer};
use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::lens::script;

/// Items that are no script.
const NO_SCRIPT: &str = "Zyyy";
const BYTES: &str = "bytes";
const SPECIAL: &str = "special";

/// One token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// Stands for what the vocabulary cannot spell.
    pub(super) unknown: bool,
    /// Bytes that are no text alone.
    pub(super) bytes: bool,
    /// One letter, its leading space aside, or marks alone.
    pub(super) single: bool,
    /// Letters of two scripts.
    pub(super) mixed: bool,
    /// Place of its script in [`Kinds::items`].
    item: usize,
}

/// All tokens of a tokenizer.
pub(super) struct Kinds {
    of: Vec<Option<Kind>>,
    /// Scripts (ISO 15924) in alphabetical order, then `Zyyy` (no script: digits, punctuation, space), `bytes` and `special`.
    items: Vec<String>,
}

impl Kinds {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let pieces: Vec<Option<Piece>> =
            (0u32..).take(tokenizer.vocabulary()).map(|id| tokenizer.token(id).map(|_| tokenizer.piece(id))).collect();
        let name = |id: usize, piece: &Piece| match piece {
            Piece::Bytes(_) => BYTES.to_owned(),
            Piece::Special(_) => SPECIAL.to_owned(),
            _ if tokenizer.unknown().is_some_and(|unknown| unknown as usize == id) => SPECIAL.to_owned(),
            _ => script(piece).map_or(NO_SCRIPT, |s| s.short_name()).to_owned(),
        };
        let names: Vec<Option<String>> =
            pieces.iter().enumerate().map(|(id, piece)| piece.as_ref().map(|p| name(id, p))).collect();
        let rank =
            |item: &String| [NO_SCRIPT, BYTES, SPECIAL].iter().position(|last| item == last).map_or(0, |at| at + 1);
        let mut items: Vec<String> = names.iter().flatten().cloned().collect();
        items.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
        items.dedup();
        let kind = |(id, (piece, name)): (usize, (&Option<Piece>, &Option<String>))| {
            let (piece, name) = (piece.as_ref()?, name.as_ref()?);
            Some(Kind {
                unknown: tokenizer.unknown().is_some_and(|unknown| unknown as usize == id),
                bytes: matches!(piece, Piece::Bytes(_)),
                single: name != SPECIAL && single(piece),
                mixed: name != SPECIAL && mixed(piece),
                item: items.iter().position(|item| item == name)?,
            })
        };
        Self { of: pieces.iter().zip(&names).enumerate().map(kind).collect(), items }
    }

    /// The kind of a token; an id without one is of no kind.
    pub(super) fn of(&self, id: u32) -> Kind {
        self.of.get(id as usize).copied().flatten().unwrap_or_default()
    }

    /// The share of each script in tokens that occur so often, in the order of the items; those that do not occur are left out.
    pub(super) fn shares(&self, counts: impl Iterator<Item = (u32, u64)>) -> Vec<(&str, f64)> {
        let mut sums = vec![0u64; self.items.len()];
        for (id, count) in counts {
            if let Some(kind) = self.of.get(id as usize).copied().flatten() {
                sums[kind.item] += count;
            }
        }
        let total = sums.iter().sum::<u64>().max(1) as f64;
        let shares = self.items.iter().zip(sums).filter(|(_, sum)| *sum > 0);
        shares.map(|(item, sum)| (item.as_str(), sum as f64 / total)).collect()
    }

    /// Every id with a token.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.of).filter(|(_, kind)| kind.is_some()).map(|(id, _)| id)
    }
}

/// Whether the piece is one letter (a grapheme cluster) or marks that belong to one.
fn single(piece: &Piece) -> bool {
    match piece {
        Piece::Marks(_) => true,
        Piece::Text(text) | Piece::Word(text) => {
            text.graphemes(true).count() == 1 && text.chars().any(char::is_alphabetic)
        }
        Piece::Blank(_) | Piece::Special(_) | Piece::Bytes(_) => false,
    }
}

/// Whether the piece has letters of two scripts. Japanese, Korean and Chinese with Bopomofo mix theirs with Han by rule, so each of
/// these counts as one (UTS 39's augmented script sets).
fn mixed(piece: &Piece) -> bool {
    let (Piece::Text(text) | Piece::Word(text)) = piece else { return false };
    let mut scripts: Vec<Script> = text.chars().map(|c| c.script()).collect();
    scripts.retain(|s| !matches!(s, Script::Common | Script::Inherited | Script::Unknown));
    scripts.sort_unstable_by_key(|s| s.short_name());
    scripts.dedup();
    let within = |set: &[Script]| scripts.iter().all(|s| set.contains(s));
    scripts.len() > 1
        && !within(&[Script::Han, Script::Hiragana, Script::Katakana])
        && !within(&[Script::Han, Script::Hangul])
        && !within(&[Script::Han, Script::Bopomofo])
}

#[cfg(test)]
mod tests {
    use babelscope_core::tokens::{Piece, Tokenizer};

    use super::{Kinds, mixed, single};

    fn text(s: &str) -> Piece {
        Piece::Text(s.to_owned())
    }

    #[test]
    fn one_letter_is_one_cluster() {
        assert!(single(&text("a")) && single(&text("नी")) && single(&Piece::Word("字".into())));
        assert!(single(&Piece::Marks("ि".into())));
        assert!(
            !single(&text("ab")) && !single(&text(".")) && !single(&text("7")) && !single(&Piece::Bytes(vec![0xE0]))
        );
    }

    #[test]
    fn scripts_that_go_together_do_not_mix() {
        assert!(mixed(&text("aя")) && mixed(&text("kа")) && mixed(&text("ไa")));
        assert!(!mixed(&text("a7.")) && !mixed(&text("食べる")) && !mixed(&text("カタかな")) && !mixed(&text("韓국")));
        assert!(mixed(&text("かa")));
    }

    #[test]
    fn shares_add_up_to_one_and_end_with_what_is_no_script() {
        let json = br#"{"model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "merges": [],
            "vocab": {"<unk>": 0, "<0xE0>": 1, "<0x41>": 2, "a": 3, "b": 4, "7": 5}},
            "added_tokens": [{"id": 6, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}]}"#;
        let kinds = Kinds::new(&Tokenizer::from_bytes(json, "t".as_ref()).unwrap());
        let shares = kinds.shares(kinds.ids().map(|id| (id, 1)));
        let expected = [("Latn", 3.0 / 7.0), ("Zyyy", 1.0 / 7.0), ("bytes", 1.0 / 7.0), ("special", 2.0 / 7.0)];
        assert_eq!(shares, expected);
        assert!(
            kinds.of(0).unknown && kinds.of(1).bytes && !kinds.of(2).bytes && kinds.of(3).single && !kinds.of(0).single
        );
    }
}
