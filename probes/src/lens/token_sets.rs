//! Which tokens belong to a language, and which to a script.

use std::collections::BTreeMap;

use babelscope_core::{
    corpus::Corpus,
    tokens::{Piece, Tokenizer},
};
use unicode_script::{Script, UnicodeScript as _};

use super::{Candidate, WordPair};
use crate::{Error, Result};

/// ISO 15924 for characters that belong to no script.
const NO_SCRIPT: &str = "Zyyy";
/// A token is a language's own when at least this share of its occurrences is in that language ...
const OWN_SHARE: f64 = 0.95;
/// ... and it was seen there at least this often: once is chance.
const OWN_COUNT: usize = 2;

/// The tokens of each language (a token may be in no set, and in sets of word pairs even in several) and the script of each
/// token (exactly one, `Zyyy` for none).
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSets {
    languages: Vec<String>,
    rule: String,
    /// Ascending ids of each language.
    members: Vec<Vec<u32>>,
    /// The only language of each id, as far as there is one.
    owner: BTreeMap<u32, u16>,
    scripts: Vec<String>,
    /// Index into `scripts` of each id of the tokenizer.
    script_of: Vec<u16>,
}

impl TokenSets {
    /// No language sets; scripts alone.
    pub fn scripts_only(tokenizer: &Tokenizer) -> Self {
        Self::new(Vec::new(), "no language sets".to_owned(), Vec::new(), tokenizer)
    }

    /// The sets that a parallel corpus shows: token t belongs to language X when t occurs at least twice in X's sentences and at
    /// least 95 % of all its occurrences, each language's counted per 1000 of its tokens, are in X's. What languages share is
    /// in no set. Special tokens are never counted.
    ///
    /// The rates are compared, not the counts, as a language that is cut into more pieces would otherwise own what it shares.
    /// A small corpus leaves most of a large vocabulary in no set: the masses are lower bounds, to be compared between layers
    /// rather than added up to 1.
    ///
    /// # Errors
    /// Fewer than two languages (then everything would be "only in" one); text that the tokenizer cannot encode.
    ///
    /// ```
    /// # use babelscope_core::{corpus::Corpus, tokens::Tokenizer};
    /// # use babelscope_probes::lens::TokenSets;
    /// # let json = br#"{"model": {"type": "WordLevel", "unk_token": "?",
    /// #   "vocab": {"?": 0, "no": 1, "cat": 2, "gato": 3, "7": 4}}, "pre_tokenizer": {"type": "Whitespace"}}"#;
    /// # let tokenizer = Tokenizer::from_bytes(json, "tokenizer.json".as_ref())?;
    /// # let lines = |l: &[&str]| l.iter().map(|s| s.to_string()).collect();
    /// # let corpus = Corpus { name: "two lines".into(), languages: vec!["eng_Latn".into(), "spa_Latn".into()],
    /// #   sentences: vec![lines(&["no cat", "cat 7"]), lines(&["no gato", "gato 7"])], sha256: String::new(), notes: vec![] };
    /// // eng_Latn: "no cat", "cat 7"; spa_Latn: "no gato", "gato 7".
    /// let sets = TokenSets::from_corpus(&tokenizer, &corpus)?;
    /// let ids = |language| sets.members(language).map(<[u32]>::to_vec);
    /// assert_eq!(ids("eng_Latn"), tokenizer.encode_plain("cat").ok());
    /// assert_eq!(ids("spa_Latn"), tokenizer.encode_plain("gato").ok());
    /// // "no" and "7" occur in both languages; the scripts are those of the characters.
    /// assert_eq!(sets.scripts(), ["Latn", "Zyyy"]);
    /// # Ok::<(), babelscope_probes::Error>(())
    /// ```
    pub fn from_corpus(tokenizer: &Tokenizer, corpus: &Corpus) -> Result<Self> {
        let languages = &corpus.languages;
        if languages.len() < 2 {
            let why = format!(
                "token sets are what sets one language apart from others; the corpus {} has {} language, expected at least 2",
                corpus.name,
                languages.len()
            );
            return Err(Error::Input { measure: "token sets", why });
        }
        let mut counts = vec![vec![0usize; tokenizer.vocabulary()]; languages.len()]; // [language][id]
        for (of, lines) in counts.iter_mut().zip(&corpus.sentences) {
            for id in tokenizer.encode_all(lines)?.iter().flat_map(|e| &e.ids) {
                if let Some(count) = of.get_mut(*id as usize).filter(|_| !tokenizer.is_special(*id)) {
                    *count += 1;
                }
            }
        }
        let totals: Vec<f64> = counts.iter().map(|of| of.iter().sum::<usize>().max(1) as f64).collect();
        let mut members = vec![Vec::new(); languages.len()];
        for id in 0..tokenizer.vocabulary() {
            let rates: Vec<f64> = counts.iter().zip(&totals).map(|(of, total)| of[id] as f64 / total).collect();
            let all: f64 = rates.iter().sum();
            let own = |x: &usize| counts[*x][id] >= OWN_COUNT && rates[*x] >= OWN_SHARE * all;
            if let Some(language) = (0..languages.len()).find(own) {
                members[language].push(id as u32);
            }
        }
        let rule = format!(
            "tokens of which at least {:.0} % of the occurrences, and at least {OWN_COUNT}, are in one language of corpus {}",
            100.0 * OWN_SHARE,
            corpus.name
        );
        Ok(Self::new(languages.clone(), rule, members, tokenizer))
    }

    /// The sets of one pair of words, for latent-language probabilities: first the latent language's word, then the target's.
    /// The language masses of a cell are then `P_latent` and `P_out`.
    pub fn from_words(latent: &str, out: &str, pair: &WordPair, tokenizer: &Tokenizer) -> Self {
        let rule = format!("tokens that begin {:?} ({latent}) or {:?} ({out})", pair.latent_word, pair.out_word);
        let languages = vec![latent.to_owned(), out.to_owned()];
        Self::new(languages, rule, vec![pair.latent.clone(), pair.out.clone()], tokenizer)
    }

    fn new(languages: Vec<String>, rule: String, members: Vec<Vec<u32>>, tokenizer: &Tokenizer) -> Self {
        let mut owners: BTreeMap<u32, Option<u16>> = BTreeMap::new();
        for (language, ids) in members.iter().enumerate() {
            for id in ids {
                owners.entry(*id).and_modify(|o| *o = None).or_insert(Some(language as u16));
            }
        }
        let of: Vec<Option<Script>> =
            (0..tokenizer.vocabulary()).map(|id| script(&tokenizer.piece(id as u32))).collect();
        let mut scripts: Vec<String> = of.iter().flatten().map(|s| s.short_name().to_owned()).collect();
        scripts.sort_unstable();
        scripts.dedup();
        let none = scripts.len();
        let index = |s: &Option<Script>| {
            s.and_then(|s| scripts.binary_search_by(|name| name.as_str().cmp(s.short_name())).ok()).unwrap_or(none)
                as u16
        };
        let script_of = of.iter().map(index).collect();
        scripts.push(NO_SCRIPT.to_owned());
        let owner = owners.into_iter().filter_map(|(id, o)| Some((id, o?))).collect();
        Self { languages, rule, members, owner, scripts, script_of }
    }

    /// Names of the languages with a set.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// How the sets were made.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Scripts, ISO 15924 in alphabetical order; the last is `Zyyy`.
    pub fn scripts(&self) -> &[String] {
        &self.scripts
    }

    /// Ascending ids of a language's set.
    pub fn members(&self, language: &str) -> Option<&[u32]> {
        let at = self.languages.iter().position(|l| l == language)?;
        self.members.get(at).map(Vec::as_slice)
    }

    /// The token as the report shows it, its probability still 0.
    pub(super) fn candidate(&self, id: u32, tokenizer: &Tokenizer) -> Candidate {
        Candidate { id, piece: tokenizer.piece(id), probability: 0.0, language: self.owner.get(&id).copied() }
    }

    /// The sets of each id: columns of masses, languages first, then scripts, ascending. Rows of the unembedding beyond the
    /// tokenizer have no script.
    pub(super) fn of_each(&self, vocabulary: usize) -> Vec<Vec<u16>> {
        let mut sets: Vec<Vec<u16>> = vec![Vec::new(); vocabulary];
        for (language, ids) in self.members.iter().enumerate() {
            for id in ids {
                if let Some(set) = sets.get_mut(*id as usize) {
                    set.push(language as u16);
                }
            }
        }
        let none = self.scripts.len() as u16 - 1;
        for (id, set) in sets.iter_mut().enumerate() {
            set.push(self.languages.len() as u16 + self.script_of.get(id).copied().unwrap_or(none));
        }
        sets
    }
}

/// The script of most characters of a token, of several equally frequent ones the first; `None` where no character has one.
pub(crate) fn script(piece: &Piece) -> Option<Script> {
    let (Piece::Text(text) | Piece::Word(text) | Piece::Marks(text)) = piece else {
        return None;
    };
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for script in text.chars().map(|c| c.script()) {
        if matches!(script, Script::Common | Script::Inherited | Script::Unknown) {
            continue;
        }
        match counts.iter_mut().find(|(s, _)| *s == script) {
            Some((_, count)) => *count += 1,
            None => counts.push((script, 1)),
        }
    }
    counts.iter().rev().max_by_key(|(_, count)| *count).map(|(s, _)| *s)
}

#[cfg(test)]
mod tests {
    use babelscope_core::tokens::Piece;

    use super::script;

    #[test]
    fn script_is_that_of_most_characters_and_none_for_digits_and_bytes() {
        let of = |s: &str| script(&Piece::Text(s.to_owned())).map(|s| s.short_name());
        assert_eq!(of("cat7"), Some("Latn"));
        assert_eq!(of("नी"), Some("Deva"));
        assert_eq!(of("食べる"), Some("Hira"));
        assert_eq!(of("食べ"), Some("Hani"));
        assert_eq!(of("12,"), None);
        assert_eq!(script(&Piece::Bytes(vec![0xE0])), None);
        assert_eq!(script(&Piece::Special("<s>".into())), None);
    }
}
