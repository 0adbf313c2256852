//! Prompts of cross-lingual patching: the same questions in several languages, from a list of concepts with their words.

use std::collections::BTreeMap;

use babelscope_core::{
    engine::Engine,
    tokens::{Encoded, Tokenizer},
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{refuse, words::tail};
use crate::Result;

/// A concept and its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Concept {
    /// What it is called here.
    pub name: String,
    /// Language to accepted words; the first is the one that stands in prompts of `translation`.
    pub words: BTreeMap<String, Vec<String>>,
}

/// A prompt whose answer is a concept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossPrompt {
    /// Name of the concept that answers it.
    pub concept: String,
    /// Language in which it is answered.
    pub language: String,
    /// The prompt.
    pub text: String,
    /// The words in it that the answer is about (the word to translate); its last occurrence counts. Empty where there are none.
    pub object: String,
    /// Language of the object; empty is `language`.
    pub input: String,
}

/// Few-shot prompts of word translation, made from the concepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Translation {
    /// One example; `{from}` and `{to}` are the languages' names, `{word}` and `{answer}` the words. The prompt ends before `{answer}`.
    pub line: String,
    /// Language to its name in prompts; absent is its code.
    pub names: BTreeMap<String, String>,
    /// From and to.
    pub pairs: Vec<[String; 2]>,
    /// Examples before the question.
    pub shots: usize,
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            line: "{from}: \"{word}\" - {to}: \"{answer}\"".to_owned(),
            names: BTreeMap::new(),
            pairs: Vec::new(),
            shots: 5,
        }
    }
}

impl Translation {
    pub(super) fn problem(&self) -> Option<String> {
        let lacks = ["{word}", "{answer}"].into_iter().find(|part| self.line.matches(part).count() != 1);
        lacks.map(|part| format!("`translation.line` is {:?}; {part} must occur in it once", self.line))
    }

    fn name<'a>(&'a self, language: &'a str) -> &'a str {
        self.names.get(language).map_or(language, String::as_str)
    }

    fn fill(&self, from: &str, to: &str, word: &str) -> String {
        self.line.replace("{from}", self.name(from)).replace("{to}", self.name(to)).replace("{word}", word)
    }

    /// The prompts of all concepts that have words in both languages of a pair. The examples are drawn from the other concepts.
    ///
    /// ```
    /// use babelscope_probes::patch::{Concept, Translation};
    /// let words = |en: &str, de: &str| [("eng_Latn", en), ("deu_Latn", de)].map(|(l, w)| (l.into(), vec![w.into()])).into();
    /// let concepts = [("cat", "Katze"), ("dog", "Hund")].map(|(en, de)| Concept { name: en.into(), words: words(en, de) });
    /// let pairs = vec![["deu_Latn".into(), "eng_Latn".into()]];
    /// let prompts = Translation { shots: 1, pairs, ..Translation::default() }.prompts(&concepts, 1);
    /// assert_eq!(prompts[0].text, "deu_Latn: \"Hund\" - eng_Latn: \"dog\"\ndeu_Latn: \"Katze\" - eng_Latn: \"");
    /// assert_eq!((&*prompts[0].concept, &*prompts[0].object, &*prompts[0].language), ("cat", "Katze", "eng_Latn"));
    /// ```
    pub fn prompts(&self, concepts: &[Concept], seed: u64) -> Vec<CrossPrompt> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut prompts = Vec::new();
        for [from, to] in &self.pairs {
            let word = |concept: &Concept, language: &str| concept.words.get(language).and_then(|w| w.first()).cloned();
            let both = |concept: &Concept| Some((word(concept, from)?, word(concept, to)?));
            let known: Vec<_> = concepts.iter().filter_map(|c| Some((c, both(c)?))).collect();
            for (concept, (object, _)) in &known {
                let mut others: Vec<_> = known.iter().filter(|(other, _)| other.name != concept.name).collect();
                others.shuffle(&mut rng);
                let example = |(_, (word, answer)): &(&Concept, (String, String))| {
                    self.fill(from, to, word).replace("{answer}", answer) + "\n"
                };
                let mut text: String = others.into_iter().take(self.shots).map(example).collect();
                let question = self.fill(from, to, object);
                text.push_str(question.split("{answer}").next().unwrap_or_default());
                prompts.push(CrossPrompt {
                    concept: concept.name.clone(),
                    language: to.clone(),
                    text,
                    object: object.clone(),
                    input: from.clone(),
                });
            }
        }
        prompts
    }
}

/// A prompt that fits the model.
pub(super) struct Asked {
    /// Index of the concept.
    pub(super) concept: usize,
    pub(super) language: String,
    pub(super) input: String,
    pub(super) text: String,
    pub(super) encoded: Encoded,
    /// The object's last token.
    pub(super) object: Option<usize>,
}

impl Asked {
    /// # Errors
    /// A concept that is not in the list, an object that does not occur or whose last token holds what follows it, an empty text.
    pub(super) fn new(prompt: &CrossPrompt, concepts: &[Concept], engine: &Engine) -> Result<Self> {
        let Some(concept) = concepts.iter().position(|concept| concept.name == prompt.concept) else {
            return refuse(format!(
                "the prompt {:?} is of concept {:?}, which is not listed",
                prompt.text, prompt.concept
            ));
        };
        let encoded = engine.tokenizer().encode(&prompt.text)?;
        if encoded.ids.len() <= encoded.bos {
            return refuse(format!("the prompt {:?} of concept {:?} has no token", prompt.text, prompt.concept));
        }
        let object = match prompt.object.is_empty() {
            true => None,
            false => Some(object(prompt, &encoded, engine.tokenizer())?),
        };
        let input = if prompt.input.is_empty() { &prompt.language } else { &prompt.input };
        Ok(Self {
            concept,
            language: prompt.language.clone(),
            input: input.clone(),
            text: prompt.text.clone(),
            encoded,
            object,
        })
    }

    pub(super) fn last(&self) -> usize {
        self.encoded.ids.len() - 1
    }

    /// The prompt up to its object's last token.
    pub(super) fn up_to_object(&self) -> Option<Encoded> {
        let end = self.object? + 1;
        let Encoded { ids, spans, bos } = &self.encoded;
        Some(Encoded { ids: ids[..end].to_vec(), spans: spans[..end].to_vec(), bos: *bos })
    }
}

fn object(prompt: &CrossPrompt, encoded: &Encoded, tokenizer: &Tokenizer) -> Result<usize> {
    let span = super::super::pair::span("a prompt", &prompt.text, encoded, &prompt.object)?;
    let last = span.end - 1;
    let end = prompt.text.rfind(&prompt.object).map_or(0, |start| start + prompt.object.len());
    if encoded.spans[last].end > end {
        return refuse(format!(
            "the last token of {:?} in the prompt that ends in {:?} is {:?}, which holds what follows the word too; put a space or \
             another sign behind it",
            prompt.object,
            tail(&prompt.text),
            tokenizer.token(encoded.ids[last]).unwrap_or("?")
        ));
    }
    Ok(last)
}
