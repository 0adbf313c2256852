//! What a checkpoint says of texts besides its tokenizer: which tokens end one, and how a conversation is written. Small files that
//! are read when somebody needs them, so that a fault in them never stands in the way of other work.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{Error, Result, gguf::Gguf};

/// The bytes of those files, where they exist.
#[derive(Default)]
pub(crate) struct Notes {
    folder: PathBuf,
    config: Vec<u8>,
    generation: Option<Vec<u8>>,
    pub(crate) tokenizer: Option<Vec<u8>>,
    pub(crate) template: Option<Vec<u8>>,
    pub(crate) template_json: Option<Vec<u8>>,
}

impl Notes {
    /// Those of a model folder.
    pub(crate) fn open(folder: &Path, config: &[u8]) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(Error::Read { what: "what the model says of texts", path, source }),
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            config: config.to_vec(),
            generation: read("generation_config.json")?,
            tokenizer: read("tokenizer_config.json")?,
            template: read("chat_template.jinja")?,
            template_json: read("chat_template.json")?,
        })
    }

    /// Of a model that says nothing but its config.json.
    pub(crate) fn of_config(folder: &Path, config: &[u8]) -> Self {
        Self { folder: folder.to_owned(), config: config.to_vec(), ..Self::default() }
    }

    /// What the metadata of a GGUF file says, in the words of the usual files.
    pub(crate) fn of_gguf(path: &Path, gguf: &Gguf) -> Self {
        let id = |name: &str| gguf.whole(&format!("tokenizer.ggml.{name}_token_id"));
        let ends: Vec<usize> = ["eos", "eot"].into_iter().filter_map(id).collect();
        let token = |name: &str| {
            let tokens = gguf.list("tokenizer.ggml.tokens")?;
            match tokens.get(id(name)?)? {
                crate::gguf::Value::Text(text) => Some(text.clone()),
                _ => None,
            }
        };
        let tokenizer = json!({
            "chat_template": gguf.text("tokenizer.chat_template"),
            "bos_token": token("bos"),
            "eos_token": token("eos"),
        });
        Self {
            folder: path.to_owned(),
            generation: Some(json!({ "eos_token_id": ends }).to_string().into_bytes()),
            tokenizer: Some(tokenizer.to_string().into_bytes()),
            ..Self::default()
        }
    }

    /// Where they lie, for messages.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tokens that end a text: `eos_token_id` of generation_config.json, else of config.json; a number or a list.
    pub(crate) fn ends(&self) -> Result<Vec<u32>> {
        for (name, bytes) in
            [("generation_config.json", self.generation.as_deref()), ("config.json", Some(self.config.as_slice()))]
        {
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { continue };
            let path = self.folder.join(name);
            let fail = |why: String| Error::Config { why, path: path.clone() };
            let map: Map<String, Value> =
                serde_json::from_slice(bytes).map_err(|e| fail(format!("is no JSON object: {e}")))?;
            let ids = match map.get("eos_token_id") {
                None | Some(Value::Null) => continue,
                Some(Value::Array(ids)) => ids.clone(),
                Some(id) => vec![id.clone()],
            };
            let id = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
            let ids: Option<Vec<u32>> = ids.iter().map(id).collect();
            return ids.ok_or_else(|| {
                let found = &map["eos_token_id"];
                fail(format!("`eos_token_id` should be a token id or a list of them, found {found}"))
            });
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::Notes;

    #[test]
    fn the_end_of_a_text_is_a_number_or_a_list_and_generation_config_goes_first() {
        let notes = |generation: Option<&str>, config: &str| Notes {
            generation: generation.map(|text| text.as_bytes().to_vec()),
            config: config.as_bytes().to_vec(),
            ..Notes::default()
        };
        for (generation, config, expected) in [
            (None, r#"{"eos_token_id": 2}"#, &[2][..]),
            (Some(r#"{"eos_token_id": [1, 106]}"#), r#"{"eos_token_id": 2}"#, &[1, 106]),
            (Some("{}"), r#"{"eos_token_id": [7]}"#, &[7]),
            (Some(r#"{"eos_token_id": null}"#), r#"{"eos_token_id": null}"#, &[]),
        ] {
            assert_eq!(notes(generation, config).ends().unwrap(), expected);
        }
        let message = notes(None, r#"{"eos_token_id": "</s>"}"#).ends().unwrap_err().to_string();
        assert!(message.contains("should be a token id or a list of them, found \"</s>\""), "{message}");
    }
}
