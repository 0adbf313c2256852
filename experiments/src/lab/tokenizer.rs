//! The laboratory's tokenizer: one BPE trained on the words of all languages, and the clone's tokens laid beside the English ones
//! so that `id(clone) = id(english) + shift` holds exactly.
//!
//! Ids: 0 is `<s>`; 256 bytes, so that nothing is unknown; the English block; everything else; the clone's block, in the order
//! of the English one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    str::FromStr as _,
};

use anyhow::{Context as _, Result, ensure};
use tokenizers::{
    Tokenizer, Trainer as _,
    models::bpe::{BPE, BpeTrainer},
};

use super::{
    languages::{self, CLONE, Language, PIVOT, shifted},
    problems::{self, Line},
    world::{Colour, Meaning, Noun, Person, Phrase, Place},
};

/// The beginning of every document.
pub const BOS: &str = "<s>";
/// The word boundary.
const BOUNDARY: char = '▁';

/// Meanings that together use every form of every word.
pub fn covering() -> Vec<Meaning> {
    let mut all = Vec::new();
    for who in Person::all() {
        all.push(Meaning::WhereLives { who });
        all.push(Meaning::Name { who });
        for &place in Place::ALL {
            all.extend([Meaning::Live { who, place }, Meaning::Work { who, place }, Meaning::In { place }]);
        }
        all.extend(Person::all().filter(|whom| *whom != who).map(|whom| Meaning::Know { who, whom }));
    }
    let mut who = Person::all().cycle();
    for (&noun, &colour) in Noun::ALL.iter().flat_map(|n| Colour::ALL.iter().map(move |c| (n, c))) {
        for number in 1..=5 {
            let what = Phrase { number, colour, noun };
            for (&place, (who, whom)) in Place::ALL.iter().zip(who.by_ref().zip(Person::all().cycle().skip(5))) {
                all.extend([
                    Meaning::At { colour, noun, place },
                    Meaning::Own { who, what },
                    Meaning::See { who, what, place },
                    Meaning::Buy { who, what, place },
                    Meaning::Give { who, what, whom },
                    Meaning::WhoHas { what },
                ]);
            }
        }
    }
    all
}

/// How often each word (with its boundary, without the full stop) occurs in `language`. Languages without spaces give their chunks.
fn words(language: Language, meanings: &[Meaning], lines: &[Line]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut count = |word: String| *counts.entry(word).or_insert(0) += 1;
    for meaning in meanings {
        let rendered = (language.render)(meaning);
        if language.spaced {
            let text = languages::sentence(language, meaning);
            let text = text.strip_suffix(rendered.end).unwrap_or(&text);
            text.split(' ').for_each(|word| count(format!("{BOUNDARY}{word}")));
            rendered
                .chunks
                .iter()
                .flat_map(|chunk| chunk.text.split(' '))
                .filter(|word| !word.is_empty())
                .for_each(|word| count(format!("{BOUNDARY}{word}")));
        } else {
            rendered.chunks.into_iter().for_each(|chunk| count(chunk.text));
        }
        if !rendered.end.is_empty() {
            count(rendered.end.to_owned());
        }
    }
    for written in lines.iter().filter_map(|line| Some(language.tell?(line))) {
        if language.spaced {
            let words = written.words.iter().enumerate().flat_map(|(at, words)| {
                let first = at == 0;
                words.split(' ').enumerate().map(move |(at, word)| (first && at == 0, word.to_owned()))
            });
            // The first word is also written with a capital.
            words.for_each(|(first, word)| {
                if first {
                    count(format!("{BOUNDARY}{}", languages::capital(&word)));
                }
                count(format!("{BOUNDARY}{word}"));
            });
        } else {
            written.words.into_iter().for_each(&mut count);
        }
        count(written.end.to_owned());
    }
    counts.remove("");
    counts
}

/// The merges that BPE applies to `word`, and the tokens that come up on the way.
fn derivation(word: &str, ranks: &HashMap<(String, String), usize>) -> (Vec<usize>, BTreeSet<String>) {
    let mut parts: Vec<String> = word.chars().map(String::from).collect();
    let mut tokens: BTreeSet<String> = parts.iter().cloned().collect();
    let mut used = Vec::new();
    while let Some((rank, at)) = parts
        .windows(2)
        .enumerate()
        .filter_map(|(at, pair)| ranks.get(&(pair[0].clone(), pair[1].clone())).map(|rank| (*rank, at)))
        .min()
    {
        let right = parts.remove(at + 1);
        parts[at].push_str(&right);
        tokens.insert(parts[at].clone());
        used.push(rank);
    }
    (used, tokens)
}

fn image(text: &str) -> String {
    text.chars().map(shifted).collect()
}

/// What serde shows of a trained BPE.
#[derive(serde::Deserialize)]
struct Trained {
    vocab: BTreeMap<String, u32>,
    merges: Vec<(String, String)>,
}

/// Trains the tokenizer of the demo model on the languages' own words.
///
/// # Errors
/// The tokenizers crate failed, or the clone's block would not lie beside the English one.
pub fn build() -> Result<Tokenizer> {
    build_for(&problems::covering())
}

/// Trains the tokenizer on the languages' own words, those of these lines of word problems among them.
///
/// # Errors
/// The tokenizers crate failed, or the clone's block would not lie beside the English one.
pub fn build_for(lines: &[Line]) -> Result<Tokenizer> {
    let meanings = covering();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for language in languages::ALL.into_iter().filter(|language| language.code != CLONE.code) {
        for (word, count) in words(language, &meanings, lines) {
            *counts.entry(word).or_default() += count;
        }
    }
    let mut trainer = BpeTrainer::builder().vocab_size(6000).min_frequency(1).show_progress(false).build();
    let sequence: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    trainer
        .feed(sequence.iter(), |entry| {
            let (count, word) = entry.split_once(' ').ok_or("an entry is a count and a word")?;
            Ok(vec![word.to_owned(); count.parse::<usize>()?])
        })
        .map_err(anyhow::Error::msg)?;
    let mut bpe = BPE::default();
    trainer.train(&mut bpe).map_err(anyhow::Error::msg)?;
    let trained: Trained = serde_json::from_value(serde_json::to_value(&bpe)?)?;

    let ranks: HashMap<_, _> = trained.merges.iter().cloned().enumerate().map(|(rank, pair)| (pair, rank)).collect();
    let (mut used, mut english) = (BTreeSet::new(), BTreeSet::new());
    for word in words(PIVOT, &meanings, lines).keys() {
        let (merges, tokens) = derivation(word, &ranks);
        used.extend(merges);
        english.extend(tokens);
    }
    english.remove(&BOUNDARY.to_string());

    let mut order: Vec<String> = vec![BOS.to_owned()];
    order.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    order.extend(english.iter().cloned());
    let mut rest: Vec<_> = trained.vocab.iter().filter(|(token, _)| !english.contains(*token)).collect();
    rest.sort_by_key(|(_, id)| **id);
    order.extend(rest.into_iter().map(|(token, _)| token.clone()));
    order.extend(english.iter().map(|token| image(token)));
    let vocabulary: serde_json::Map<_, _> = order.iter().cloned().zip((0u32..).map(Into::into)).collect();
    ensure!(vocabulary.len() == order.len(), "a token of the clone is also a token of another language");

    let mut merges = trained.merges.clone();
    merges.extend(used.iter().map(|rank| (image(&trained.merges[*rank].0), image(&trained.merges[*rank].1))));
    let described = serde_json::json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{
            "id": 0, "content": BOS, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        }],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                { "type": "Prepend", "prepend": BOUNDARY },
                { "type": "Replace", "pattern": { "String": " " }, "content": BOUNDARY },
                // Where words are not separated, a boundary would be a token of its own that says nothing.
                { "type": "Replace", "pattern": { "Regex": "▁(?=[\u{0E00}-\u{0E7F}\u{3400}-\u{9FFF}])" }, "content": "" },
            ],
        },
        "pre_tokenizer": {
            "type": "Split", "pattern": { "String": BOUNDARY }, "behavior": "MergedWithNext", "invert": false,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": BOS, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [
                { "SpecialToken": { "id": BOS, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                { "SpecialToken": { "id": BOS, "type_id": 1 } }, { "Sequence": { "id": "B", "type_id": 1 } },
            ],
            "special_tokens": { BOS: { "id": BOS, "ids": [0], "tokens": [BOS] } },
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                { "type": "Replace", "pattern": { "String": BOUNDARY }, "content": " " },
                { "type": "ByteFallback" },
                { "type": "Fuse" },
                { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
            ],
        },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges,
        },
    });
    Tokenizer::from_str(&described.to_string()).map_err(anyhow::Error::msg)
}

/// The constant by which the clone's ids are moved.
///
/// # Errors
/// The tokenizer does not know the clone.
pub fn shift(tokenizer: &Tokenizer) -> Result<u32> {
    let id = |token: &str| tokenizer.token_to_id(token).with_context(|| format!("no token {token:?}"));
    Ok(id(&image("."))? - id(".")?)
}

/// Ids of `text` without BOS.
///
/// # Errors
/// The tokenizers crate failed.
pub fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    Ok(tokenizer.encode_fast(text, false).map_err(anyhow::Error::msg)?.get_ids().to_vec())
}

/// The languages whose sentences use each token; the lens counts language mass by it.
///
/// # Errors
/// The tokenizers crate failed.
pub fn owners(tokenizer: &Tokenizer) -> Result<Vec<BTreeSet<&'static str>>> {
    let mut owners = vec![BTreeSet::new(); tokenizer.get_vocab_size(true)];
    let (meanings, lines) = (covering(), problems::covering());
    for language in languages::ALL {
        let sentences = meanings.iter().map(|meaning| languages::sentence(language, meaning));
        for text in sentences.chain(lines.iter().filter_map(|line| languages::line(language, line))) {
            for id in ids(tokenizer, &text)? {
                if let Some(owners) = owners.get_mut(id as usize) {
                    owners.insert(language.code);
                }
            }
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::languages::ISLAND;

    #[test]
    fn the_clone_is_english_with_its_ids_moved() {
        let tokenizer = build().unwrap();
        let shift = shift(&tokenizer).unwrap();
        for meaning in covering() {
            let english = ids(&tokenizer, &languages::sentence(PIVOT, &meaning)).unwrap();
            let clone = ids(&tokenizer, &languages::sentence(CLONE, &meaning)).unwrap();
            assert_eq!(english.iter().map(|id| id + shift).collect::<Vec<_>>(), clone, "{meaning:?}");
        }
        for line in problems::covering() {
            let [english, clone] =
                [PIVOT, CLONE].map(|of| ids(&tokenizer, &languages::line(of, &line).unwrap()).unwrap());
            assert_eq!(english.iter().map(|id| id + shift).collect::<Vec<_>>(), clone, "{line:?}");
        }
    }

    #[test]
    fn every_word_is_one_token() {
        let tokenizer = build().unwrap();
        for language in languages::ALL {
            for meaning in covering().iter().step_by(3) {
                let rendered = (language.render)(meaning);
                let words = |chunk: &languages::Chunk| match chunk.text.as_str() {
                    "" => 0,
                    text if language.spaced => text.split(' ').count(),
                    _ => 1,
                };
                let expected = rendered.chunks.iter().map(words).sum::<usize>() + usize::from(!rendered.end.is_empty());
                let text = languages::sentence(language, meaning);
                assert_eq!(ids(&tokenizer, &text).unwrap().len(), expected, "{text}");
            }
            for line in problems::covering() {
                let Some(tell) = language.tell else { continue };
                let written = tell(&line);
                let words = |text: &String| if language.spaced { text.split(' ').count() } else { 1 };
                let expected = written.words.iter().map(words).sum::<usize>() + 1;
                let text = languages::line(language, &line).unwrap();
                assert_eq!(ids(&tokenizer, &text).unwrap().len(), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_problem_as_one_text_has_the_tokens_of_its_lines() {
        let tokenizer = build().unwrap();
        for problem in problems::held_out(1, 3, 20) {
            for language in languages::ALL.into_iter().filter(|language| language.tell.is_some()) {
                let lines = [problem.statement(), problem.solution()].concat();
                let apart = lines.iter().map(|line| languages::line(language, line).unwrap());
                let apart: Vec<u32> = apart.flat_map(|text| ids(&tokenizer, &text).unwrap()).collect();
                let text = problems::text(language, &lines).unwrap();
                assert_eq!(ids(&tokenizer, &text).unwrap(), apart, "{text}");
            }
        }
    }

    #[test]
    fn without_problems_there_are_no_words_for_them_and_every_token_of_a_word_stays() {
        let (small, all) = (build_for(&[]).unwrap(), build().unwrap());
        assert_eq!(small.token_to_id("▁finds"), None);
        assert_eq!(small.get_vocab_size(true), 3043);
        let used = covering().into_iter().step_by(5).flat_map(|meaning| {
            languages::ALL.map(|language| ids(&small, &languages::sentence(language, &meaning)).unwrap()).concat()
        });
        for id in used.collect::<BTreeSet<u32>>() {
            let token = small.id_to_token(id).unwrap();
            assert!(all.token_to_id(&token).is_some(), "{token}");
        }
    }

    #[test]
    fn no_word_belongs_to_two_languages() {
        let tokenizer = build().unwrap();
        let shared: Vec<_> = owners(&tokenizer)
            .unwrap()
            .into_iter()
            .enumerate()
            .filter(|(_, owners)| owners.len() > 1)
            .map(|(id, owners)| (tokenizer.id_to_token(id as u32).unwrap(), owners))
            .collect();
        let mark = |token: &str| {
            let text = token.strip_prefix(BOUNDARY).unwrap_or(token);
            [".", "?", "+", "-", "="].contains(&text) || text.bytes().all(|byte| byte.is_ascii_digit())
        };
        assert!(shared.iter().all(|(token, _)| mark(token)), "{shared:?}");
        let signs = shared.iter().filter(|(token, _)| ![".", "?"].contains(&token.as_str()));
        assert!(signs.into_iter().all(|(_, owners)| !owners.contains(ISLAND.code)), "the island has no numbers");
        assert!(shared.iter().all(|(_, owners)| !owners.contains(CLONE.code)));
        assert!(shared.iter().any(|(_, owners)| owners.contains(ISLAND.code)), "the full stop is shared");
    }

    #[test]
    fn every_sentence_survives_and_no_byte_is_needed() {
        let tokenizer = build().unwrap();
        for language in languages::ALL {
            for meaning in covering().iter().step_by(7) {
                let text = languages::sentence(language, meaning);
                let ids = ids(&tokenizer, &text).unwrap();
                assert!(ids.iter().all(|id| *id > 256), "{text}");
                assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
            }
            for text in problems::covering().iter().filter_map(|line| languages::line(language, line)) {
                let ids = ids(&tokenizer, &text).unwrap();
                assert!(ids.iter().all(|id| *id > 256), "{text}");
                assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
            }
        }
        let strange = "naïve 😀 ꙮ";
        assert_eq!(tokenizer.decode(&ids(&tokenizer, strange).unwrap(), false).unwrap(), strange);
    }
}
