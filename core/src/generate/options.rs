//! What is asked of a continuation, and what comes of it.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, alarm::Alarm, applied::Applied, engine::Captured};

/// How texts are continued. The default is greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generate {
    /// Most new tokens a sequence; fewer where the context ends.
    pub max_new_tokens: usize,
    /// Divides the logits; 0 takes the likeliest token (greedy).
    pub temperature: f32,
    /// Only the k likeliest tokens are drawn from (and those equal to the k-th).
    pub top_k: Option<usize>,
    /// Only the likeliest tokens are drawn from, up to the first with which their probabilities reach p.
    pub top_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens that prompt or continuation hold; 1 changes nothing. Greedy too.
    pub repetition_penalty: f32,
    /// Of the random numbers. Each prompt has its own, by the seed and its ids, and equal prompts by which of them it is; so a
    /// sequence is the same alone and in any batch.
    pub seed: u64,
    /// A sequence ends where its text holds one of these; its text ends before it, its ids behind the token that completed it.
    pub stop: Vec<String>,
    /// Go on behind the model's own end of text.
    pub ignore_eos: bool,
    /// Keep the log-probability of each chosen token.
    pub logprobs: bool,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            max_new_tokens: 64,
            temperature: 0.0,
            top_k: None,
            top_p: None,
            repetition_penalty: 1.0,
            seed: 0,
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: false,
        }
    }
}

impl Generate {
    /// Whether no random number is needed.
    pub fn greedy(&self) -> bool {
        self.temperature == 0.0
    }

    pub(super) fn check(&self) -> Result<()> {
        let fail =
            |what: &str, got: String, want: &str| Err(Error::Plan { why: format!("{what} is {got}, expected {want}") });
        let Self { max_new_tokens, temperature, top_k, top_p, repetition_penalty, stop, .. } = self;
        if *max_new_tokens == 0 {
            return fail("max_new_tokens", "0".to_owned(), "at least 1");
        }
        if !(temperature.is_finite() && *temperature >= 0.0) {
            return fail("temperature", temperature.to_string(), "0 (greedy) or a positive number");
        }
        if *top_k == Some(0) {
            return fail("top_k", "0".to_owned(), "at least 1 (leave it out to draw from all tokens)");
        }
        if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return fail("top_p", p.to_string(), "above 0, up to 1");
        }
        if self.greedy() && (top_k.is_some() || top_p.is_some()) {
            let why = "top_k and top_p choose what is drawn from, but temperature 0 draws nothing; give a temperature";
            return Err(Error::Plan { why: why.to_owned() });
        }
        if !(repetition_penalty.is_finite() && *repetition_penalty > 0.0) {
            return fail("repetition_penalty", repetition_penalty.to_string(), "a positive number (1 changes nothing)");
        }
        if stop.iter().any(String::is_empty) {
            return fail("a stop string", "empty".to_owned(), "some text");
        }
        Ok(())
    }
}

/// Why a sequence ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The model said that its text ends (a token of `eos_token_id`).
    End,
    /// This stop string came.
    Text(String),
    /// `max_new_tokens`.
    Length,
    /// The model's context is full.
    Context,
    /// The caller broke off; what waited to be shown is in the text and was not handed out.
    Asked,
}

/// One new token, as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Which prompt it continues, from 0.
    pub sequence: usize,
    /// Its id.
    pub token: u32,
    /// See [`Generate::logprobs`].
    pub logprob: Option<f32>,
    /// Text that is now safe to show: whole characters, and nothing that may turn out to be a stop string. All of a sequence's
    /// pieces in a row are its text.
    pub text: &'a str,
    /// Why the sequence ends with this token, if it does.
    pub stop: Option<&'a Stop>,
}

/// A continuation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// The new tokens, the one that ended the text included.
    pub ids: Vec<u32>,
    /// Their bytes as text: special tokens left out, bytes that form no character as U+FFFD, and a space before the first word
    /// kept, so that the prompt's text with this one behind it reads on.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// Natural log-probability of each token in the model's own distribution, before penalty and temperature; see
    /// [`Generate::logprobs`].
    pub logprobs: Option<Vec<f32>>,
}

/// What [`crate::engine::Engine::generate`] gives.
#[derive(Clone, Debug)]
pub struct Generation {
    /// One a prompt, in their order.
    pub sequences: Vec<Generated>,
    /// The plan's captures, over prompt and new tokens: what [`crate::engine::Engine::run`] gives for the whole texts.
    pub captured: Vec<Captured>,
    /// What is suspicious about them.
    pub alarms: Vec<Alarm>,
    /// What the plan's edits did, by edit, prompt, step and block. The last token has a pass of its own, and entries, only where the plan
    /// captures.
    pub applied: Vec<Applied>,
}
