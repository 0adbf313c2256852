//! JSON logs of Inspect: `eval`, and `samples` with `input`, `target`, `messages`, `output`.

use std::fs;

use serde_json::Value as Json;

use super::{Broken, Context, refuse, shortened, under, written};
use crate::{
    Result,
    cot::{shown, trace::Trace},
};

/// Opens a log; it is one object, so it is read as a whole. Epochs are samples.
pub(super) fn open(context: &Context) -> Result<Box<dyn Iterator<Item = std::result::Result<Trace, Broken>> + Send>> {
    let bytes = match fs::read(&context.path) {
        Ok(bytes) => bytes,
        Err(why) => return refuse(&context.path, why),
    };
    let log: Json = match serde_json::from_slice(&bytes) {
        Ok(log) => log,
        Err(why) => return refuse(&context.path, format!("expected a log in JSON: {}", shown::json(&why))),
    };
    let Some(samples) = log.get("samples").and_then(Json::as_array) else {
        return refuse(
            &context.path,
            "expected a list under \"samples\", got none; was the log written without samples?",
        );
    };
    let model = log.get("eval").and_then(|eval| under(eval, &["model"]));
    let read: Vec<_> = samples
        .iter()
        .enumerate()
        .map(|(i, sample)| {
            trace(context, sample, i, model.clone())
                .map_err(|why| context.broken(None, format!("sample {}: {why}", i + 1)))
        })
        .collect();
    Ok(Box::new(read.into_iter()))
}

fn trace(context: &Context, sample: &Json, index: usize, model: Option<String>) -> std::result::Result<Trace, String> {
    let about = sample.get("metadata").unwrap_or(&Json::Null);
    let language =
        context.language(if about.get("language").or_else(|| about.get("lang")).is_some() { about } else { sample })?;
    let output = sample.get("output").unwrap_or(&Json::Null);
    let reply = output.get("choices").and_then(|choices| choices.get(0)?.get("message"));
    let text = reply.and_then(said).or_else(|| under(output, &["completion"]).filter(|text| !text.is_empty()));
    let text = text.or_else(|| last(sample.get("messages")?, "assistant"));
    let text = text.ok_or("expected a reply under \"output\" or an assistant under \"messages\", got neither")?;
    let input = sample.get("input").unwrap_or(&Json::Null);
    let answer = match sample.get("target") {
        Some(Json::Array(targets)) => targets.first().and_then(written),
        target => target.and_then(written),
    };
    let epoch = match sample.get("epoch") {
        None | Some(Json::Null) => 1,
        Some(value) => value
            .as_u64()
            .ok_or_else(|| format!("expected a whole number under \"epoch\", got {}", shortened(value)))?,
    };
    let epoch = epoch.saturating_sub(1);
    Ok(Trace {
        problem: under(sample, &["id"]).unwrap_or_else(|| (index + 1).to_string()),
        language,
        statement: written(input).or_else(|| last(input, "user")).unwrap_or_default(),
        text,
        answer: answer.filter(|answer| !answer.is_empty()),
        sample: u32::try_from(epoch).map_err(|why| format!("expected an epoch below 2^32, got {epoch}: {why}"))?,
        model,
        ..Trace::default()
    })
}

/// What the last message of a role says.
fn last(messages: &Json, role: &str) -> Option<String> {
    messages
        .as_array()?
        .iter()
        .rev()
        .filter(|message| message.get("role").and_then(Json::as_str) == Some(role))
        .find_map(said)
}

/// A message's text: a string, or parts of which reasoning and texts are kept.
fn said(message: &Json) -> Option<String> {
    let content = match message.get("content")? {
        Json::Array(parts) => {
            let parts = parts.iter().filter_map(|part| under(part, &["reasoning", "text"]));
            parts.collect::<Vec<_>>().join("\n\n")
        }
        content => written(content)?,
    };
    Some(content).filter(|content| !content.trim().is_empty())
}
