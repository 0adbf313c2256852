//! Texts to the one state of each that is read.

use std::{collections::BTreeMap, fmt, ops::Range};

use babelscope_core::{
    chat::{ChatOptions, Message},
    engine::{Captured, Engine, Values},
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
    tokens::Encoded,
};
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Names, TrainParams, refuse};
use crate::{
    Error, Result,
    steer::pairs::{Pair, joined},
};

/// Which token's state is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The mean over all tokens but BOS.
    Mean,
    /// The last token.
    #[default]
    Last,
    /// The token that ends the answer's letter: `A` of `(A)`. Found by its bytes, as `(A` may be one token.
    AnswerLetter,
    /// The k-th token from the end; 1 is the last.
    FromEnd(usize),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Last => f.write_str("last"),
            Self::AnswerLetter => f.write_str("answer_letter"),
            Self::FromEnd(k) => write!(f, "from_end {k}"),
        }
    }
}

/// The sentences of both sides, ready to be run.
pub(super) struct Sides {
    /// Those of the positive side, then those of the negative one, cut behind the token that is read.
    pub(super) sentences: Vec<Encoded>,
    /// How many are of the positive side.
    pub(super) positive: usize,
    reduce: Reduce,
    /// What messages call each sentence.
    names: Vec<String>,
}

/// The sentences of pairs.
pub(super) fn pairs(engine: &Engine, pairs: &[Pair], params: &TrainParams) -> Result<Sides> {
    check(engine, params.position)?;
    let mut sides: [Vec<Encoded>; 2] = Default::default();
    for pair in pairs {
        let line = pair.line;
        let question = chat(engine, pair, params)?;
        let mut pair_ids = Vec::with_capacity(2);
        for (side, answer, sentences) in [("positive", &pair.positive, 0), ("negative", &pair.negative, 1)] {
            let name = format!("line {line}, {side} side");
            let (text, letter) = match &question {
                // The template's text ends where the assistant begins.
                Some(question) => joined(question, answer.trim_start()),
                None => joined(&pair.prompt, answer),
            };
            let encoded = match &question {
                Some(_) => engine.tokenizer().encode_written(&text, None)?,
                None => engine.tokenizer().encode(&text)?,
            };
            let letter = letter.filter(|_| !pair.prompt.is_empty());
            let encoded = cut(encoded, params.position, letter, &name)?;
            pair_ids.push(encoded.ids.clone());
            sides[sentences].push(encoded);
        }
        if pair_ids[0] == pair_ids[1] {
            return refuse(format!(
                "line {line}: both sides become the same {} tokens up to the one that is read ({}), so they differ in \
                 nothing; write them apart earlier, or read another position",
                pair_ids[0].len(),
                params.position
            ));
        }
    }
    let names = |side: &str| pairs.iter().map(|p| format!("line {}, {side} side", p.line)).collect::<Vec<_>>();
    Sides::new(engine, sides, [names("positive"), names("negative")], params.position)
}

/// The sentences of two lists.
pub(super) fn texts(engine: &Engine, lists: [&[String]; 2], of: Names<'_>, params: &TrainParams) -> Result<Sides> {
    check(engine, params.position)?;
    if params.position == Position::AnswerLetter || params.chat {
        return refuse("answer_letter and chat are for pairs with a question; take mean or last for texts".to_owned());
    }
    let mut seen = BTreeMap::new();
    let mut sides: [Vec<Encoded>; 2] = Default::default();
    let mut names: [Vec<String>; 2] = Default::default();
    for (side, (list, label)) in lists.into_iter().zip([of.positive, of.negative]).enumerate() {
        for (index, text) in list.iter().enumerate() {
            let name = format!("text {} of {label}", index + 1);
            if text.trim().is_empty() {
                return refuse(format!("{name} is empty"));
            }
            if let Some(before) = seen.insert(text.as_str(), name.clone()) {
                return refuse(format!(
                    "{name} repeats {before}; a text may come once, or it is trained on and tested"
                ));
            }
            sides[side].push(cut(engine.tokenizer().encode(text)?, params.position, None, &name)?);
            names[side].push(name);
        }
    }
    Sides::new(engine, sides, names, params.position)
}

/// A state inside of a sentence is that of the cut sentence only where the rest is not seen.
fn check(engine: &Engine, position: Position) -> Result<()> {
    if engine.is_causal() || matches!(position, Position::Mean | Position::Last) {
        return Ok(());
    }
    refuse(format!(
        "position {position} is for models that see only what came before; this {} sees the whole text, so take mean or last",
        engine.info().family
    ))
}

/// The question as the model's chat template writes it, where that is asked for.
fn chat(engine: &Engine, pair: &Pair, params: &TrainParams) -> Result<Option<String>> {
    if !params.chat {
        return Ok(None);
    }
    if pair.prompt.is_empty() {
        return refuse(format!(
            "line {} has no question that the chat template could take; set chat = false",
            pair.line
        ));
    }
    // A date that a template writes must not change the vector from day to day.
    let options = ChatOptions { date: Some("2026-01-01".to_owned()), ..ChatOptions::default() };
    Ok(Some(engine.chat(&[Message::new("user", pair.prompt.trim())], &options)?.text))
}

/// The sentence up to the token that is read.
fn cut(encoded: Encoded, position: Position, letter: Option<Range<usize>>, name: &str) -> Result<Encoded> {
    let tokens = encoded.ids.len();
    let keep = match position {
        Position::Mean | Position::Last => tokens,
        Position::FromEnd(back) => {
            let keep = (tokens + 1).saturating_sub(back);
            if keep <= encoded.bos {
                return refuse(format!(
                    "{name} has {} tokens, so it has no token {back} from the end",
                    tokens - encoded.bos
                ));
            }
            keep
        }
        Position::AnswerLetter => {
            let Some(letter) = letter else {
                return refuse(format!(
                    "{name} has no answer letter; answer_letter needs a question and an answer such as (A)"
                ));
            };
            let holds = |span: &Range<usize>| span.start < letter.end && letter.end <= span.end;
            let Some(at) = encoded.spans.iter().rposition(holds) else {
                return refuse(format!("{name}: no token ends the answer's letter; take last or from_end"));
            };
            at + 1
        }
    };
    if keep == encoded.bos {
        return refuse(format!("{name} has no token"));
    }
    Ok(until(&encoded, keep))
}

impl Sides {
    fn new(engine: &Engine, sides: [Vec<Encoded>; 2], names: [Vec<String>; 2], position: Position) -> Result<Self> {
        let context = engine.info().context;
        let positive = sides[0].len();
        let (sentences, names) = (sides.concat(), names.concat());
        if let Some((long, name)) = sentences.iter().zip(&names).find(|(s, _)| s.ids.len() > context) {
            return refuse(format!(
                "{name} has {} tokens, the model takes {context}; shorten it (nothing is cut off in silence)",
                long.ids.len()
            ));
        }
        let reduce = if position == Position::Mean { Reduce::Mean(Window::default()) } else { Reduce::Last };
        Ok(Self { sentences, positive, reduce, names })
    }
}

/// The states of all sentences at each of `layers`. `[sentences, width]` each.
pub(super) fn states(engine: &Engine, sides: &Sides, layers: &[usize], monitor: &Monitor) -> Result<Vec<Array2<f32>>> {
    let plan = Plan::layers(layers.iter().copied(), sides.reduce);
    let named =
        |index: usize, why: String| Error::Input { measure: "steer", why: format!("{}: {why}", sides.names[index]) };
    let captured = engine.run(&sides.sentences, &plan, monitor).map_err(|e| match e {
        babelscope_core::Error::Sentence { index, why } => named(index, why),
        babelscope_core::Error::NotFinite { site, sentence, why } => named(sentence, format!("at {site}: {why}")),
        other => other.into(),
    })?;
    pooled(captured)
}

/// The rows of pooled captures. `[sentences, width]` each.
pub(in crate::steer) fn pooled(captured: Vec<Captured>) -> Result<Vec<Array2<f32>>> {
    let state = |captured: Captured| {
        let Values::Pooled(rows) = captured.values else {
            return refuse(format!("the engine kept every token of {} where one was asked for", captured.site()));
        };
        let shape = rows.dims2().map_err(babelscope_core::Error::from)?;
        let numbers = rows.flatten_all().and_then(|rows| rows.to_vec1()).map_err(babelscope_core::Error::from)?;
        Array2::from_shape_vec(shape, numbers).map_err(|e| Error::Input { measure: "steer", why: e.to_string() })
    };
    captured.into_iter().map(state).collect()
}

/// The first `keep` tokens of a sentence.
pub(in crate::steer) fn until(sentence: &Encoded, keep: usize) -> Encoded {
    Encoded { ids: sentence.ids[..keep].to_vec(), spans: sentence.spans[..keep].to_vec(), bos: sentence.bos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(spans: &[Range<usize>], bos: usize) -> Encoded {
        Encoded { ids: (0..).take(spans.len()).collect(), spans: spans.to_vec(), bos }
    }

    #[test]
    fn the_sentence_ends_at_the_token_that_is_read() {
        // BOS, "Q", " (", "A", ")"
        let apart = encoded(&[0..0, 0..1, 1..3, 3..4, 4..5], 1);
        // BOS, "Q", " (A)"
        let whole = encoded(&[0..0, 0..1, 1..5], 1);
        let length = |e: &Encoded, position| cut(e.clone(), position, Some(3..4), "line 1").map(|e| e.ids.len());
        assert_eq!(length(&apart, Position::AnswerLetter).unwrap(), 4);
        assert_eq!(length(&whole, Position::AnswerLetter).unwrap(), 3);
        assert_eq!(length(&apart, Position::FromEnd(2)).unwrap(), 4);
        assert_eq!(length(&apart, Position::FromEnd(4)).unwrap(), 2);
        assert_eq!(length(&apart, Position::Last).unwrap(), 5);
        let why = length(&apart, Position::FromEnd(5)).unwrap_err().to_string();
        assert!(why.contains("line 1 has 4 tokens, so it has no token 5 from the end"), "{why}");
        let why = cut(apart, Position::AnswerLetter, None, "line 2").unwrap_err().to_string();
        assert!(why.contains("line 2 has no answer letter"), "{why}");
        assert!(
            cut(until(&encoded(&[0..0, 0..1], 1), 1), Position::Last, None, "line 3")
                .unwrap_err()
                .to_string()
                .contains("line 3 has no token")
        );
    }

    #[test]
    fn a_letter_of_several_tokens_is_read_at_its_last() {
        // "yes" as "y", "es"; bytes of one character share a span.
        let split = encoded(&[0..1, 1..2, 2..4, 4..5], 0);
        assert_eq!(cut(split, Position::AnswerLetter, Some(1..4), "").unwrap().ids.len(), 3);
        let bytes = encoded(&[0..3, 0..3, 0..3], 0);
        assert_eq!(cut(bytes, Position::AnswerLetter, Some(0..3), "").unwrap().ids.len(), 3);
    }
}
