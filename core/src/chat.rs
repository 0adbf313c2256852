//! Conversations as the model was trained to read them: its own Jinja template, rendered as transformers renders it.
//!
//! The template is that of chat_template.jinja, else chat_template.json, else `chat_template` of tokenizer_config.json. What it writes
//! is all there is: the tokenizer adds no special token, so BOS comes once where the template writes it.

mod python;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::civil::DateTime;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result, engine::Engine, tokens::Encoded};

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// How a conversation is rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatOptions {
    /// Begin the assistant's next turn at the end.
    pub add_generation_prompt: bool,
    /// Which of several templates; `None` is `default`.
    pub template: Option<String>,
    /// The date that `strftime_now` tells, `2026-11-20` or `2026-11-20T14:03:00`; `None` is now (UTC). Templates that write the
    /// date give another text every day, so [`Rendered::date`] says which it was.
    pub date: Option<String>,
    /// Further variables, for templates that read some (`enable_thinking`).
    pub variables: Map<String, Value>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, template: None, date: None, variables: Map::new() }
    }
}

/// A conversation as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text, special tokens included.
    pub text: String,
    /// Its ids.
    pub encoded: Encoded,
    /// The date that the template wrote, when it asked for one.
    pub date: Option<String>,
}

/// A model's chat templates.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatTemplate {
    /// Name and source.
    templates: Vec<(String, String)>,
    /// `bos_token` and the like.
    tokens: Map<String, Value>,
    path: PathBuf,
}

const DEFAULT: &str = "default";

impl ChatTemplate {
    /// From the bytes of tokenizer_config.json, chat_template.jinja and chat_template.json, where they exist; `folder` is for
    /// messages.
    ///
    /// # Errors
    /// [`Error::Chat`] when none holds a template, or when they are not what they should be.
    pub fn parse(config: Option<&[u8]>, jinja: Option<&[u8]>, json: Option<&[u8]>, folder: &Path) -> Result<Self> {
        let read = |bytes: Option<&[u8]>, name: &str| -> Result<Map<String, Value>> {
            let fail = |why: String| Error::Chat { why, path: folder.join(name) };
            bytes.map_or(Ok(Map::new()), |bytes| {
                serde_json::from_slice(bytes).map_err(|e| fail(format!("the file is no JSON object: {e}")))
            })
        };
        let config = read(config, "tokenizer_config.json")?;
        let json = read(json, "chat_template.json")?;
        let said = |map: &Map<String, Value>| map.get("chat_template").cloned().filter(|value| !value.is_null());
        let (said, path) = match jinja {
            Some(text) => {
                let path = folder.join("chat_template.jinja");
                let text = String::from_utf8(text.to_vec());
                let text = text.map_err(|e| Error::Chat { why: format!("is not UTF-8: {e}"), path: path.clone() })?;
                (Some(Value::String(text)), path)
            }
            None => match said(&json) {
                Some(value) => (Some(value), folder.join("chat_template.json")),
                None => (said(&config), folder.join("tokenizer_config.json")),
            },
        };
        let fail = |why: &str| Error::Chat { why: why.to_owned(), path: path.clone() };
        let templates = match said {
            Some(Value::String(text)) => vec![(DEFAULT.to_owned(), text)],
            Some(Value::Array(list)) => {
                let pair = |entry: &Value| {
                    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
                    Some((text("name")?, text("template")?))
                };
                let pairs: Option<Vec<_>> = list.iter().map(pair).collect();
                pairs.ok_or_else(|| fail("each entry of `chat_template` should have a `name` and a `template`"))?
            }
            Some(_) => return Err(fail("`chat_template` should be a text or a list of named templates")),
            None => {
                return Err(fail(
                    "this model has none (it is a base model, or its template is elsewhere); give it the text itself, or \
                     put the template of its chat version into chat_template.jinja",
                ));
            }
        };
        Ok(Self { templates, tokens: special(&config), path })
    }

    /// The conversation as text, and the date that the template wrote, when it did.
    ///
    /// # Errors
    /// [`Error::Chat`] with the template's own message when it refuses the conversation, or with what in it cannot be executed.
    pub fn render(&self, messages: &[Message], options: &ChatOptions) -> Result<(String, Option<String>)> {
        let fail = |why: String| Error::Chat { why, path: self.path.clone() };
        let wanted = options.template.as_deref();
        let source = match (wanted, self.templates.as_slice()) {
            (None, [(_, only)]) => only,
            _ => {
                let name = wanted.unwrap_or(DEFAULT);
                let found = self.templates.iter().find(|(own, _)| own == name);
                let names: Vec<&str> = self.templates.iter().map(|(own, _)| own.as_str()).collect();
                &found.ok_or_else(|| fail(format!("there is none named {name:?}, only {}", names.join(", "))))?.1
            }
        };
        let now = match &options.date {
            Some(text) => text.parse::<DateTime>().map_err(|e| {
                fail(format!("the date {text:?} cannot be read ({e}); expected 2026-11-20 or 2026-11-20T14:03:00"))
            })?,
            None => jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime(),
        };
        let told = Arc::new(Mutex::new(None));
        let source = python::plain_blocks(source);
        let environment = environment(now, Arc::clone(&told)).map_err(|e| fail(e.to_string()))?;
        let mut context = self.tokens.clone();
        context.insert("messages".to_owned(), serde_json::to_value(messages).unwrap_or_default());
        context.insert("tools".to_owned(), Value::Null);
        context.insert("documents".to_owned(), Value::Null);
        context.insert("add_generation_prompt".to_owned(), options.add_generation_prompt.into());
        context.extend(options.variables.clone());
        let text = environment.render_str(&source, minijinja::value::Serde(&context));
        let text = text.map_err(|e| fail(explain(&e)))?;
        let date = told.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((text, date))
    }
}

impl Engine {
    /// The model's chat templates.
    ///
    /// # Errors
    /// [`Error::Chat`], see [`ChatTemplate::parse`].
    pub fn chat_template(&self) -> Result<ChatTemplate> {
        let notes = &self.notes;
        let (config, jinja) = (notes.tokenizer.as_deref(), notes.template.as_deref());
        ChatTemplate::parse(config, jinja, notes.template_json.as_deref(), notes.folder())
    }

    /// A conversation in the model's own template: the text and its ids, as transformers' `apply_chat_template` gives them.
    ///
    /// # Errors
    /// [`Error::Chat`], see [`ChatTemplate::parse`] and [`ChatTemplate::render`].
    pub fn chat(&self, messages: &[Message], options: &ChatOptions) -> Result<Rendered> {
        let template = self.chat_template()?;
        let (text, date) = template.render(messages, options)?;
        let bos = template.tokens.get("bos_token").and_then(Value::as_str);
        let encoded = self.tokenizer.encode_written(&text, bos)?;
        Ok(Rendered { text, encoded, date })
    }
}

/// `bos_token` and the like: a text, or an object with the text in `content`.
fn special(config: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| value.as_str().or(value.get("content").and_then(Value::as_str)).map(str::to_owned);
    let tokens = config.iter().filter(|(name, _)| name.ends_with("_token") && !name.starts_with("add_"));
    tokens.filter_map(|(name, value)| Some((name.clone(), text(value)?.into()))).collect()
}

/// Jinja as transformers sets it up.
fn environment(
    now: DateTime,
    told: Arc<Mutex<Option<String>>>,
) -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(python::format);
    environment.add_filter("tojson", python::tojson);
    environment.add_function("raise_exception", |message: String| -> std::result::Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", move |format: String| {
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.to_string());
        jiff::fmt::strtime::format(&format, now)
            .map_err(|e| minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now({format:?}): {e}")))
    });
    Ok(environment)
}

/// The template's own words where it refused, else what in it failed and where.
fn explain(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line} of the template)"));
    match error.detail() {
        Some(detail) if error.kind() == ErrorKind::InvalidOperation => format!("{detail}{line}"),
        Some(detail) => format!("{}: {detail}{line}", error.kind()),
        None => format!("{}{line}", error.kind()),
    }
}
