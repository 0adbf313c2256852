//! Which files of a repository the engine needs.

/// Read by the engine or shown to the person where they exist; small.
const OPTIONAL: &[&str] =
    &["tokenizer_config.json", "generation_config.json", "chat_template.jinja", "chat_template.json"];
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The files of a repository that are fetched.
#[derive(Debug)]
pub(super) struct Choice {
    small: Vec<String>,
    sharded: bool,
}

impl Choice {
    /// Chooses among the `files` of a repository; the error says what is missing and what to do.
    pub(super) fn of(files: &[String]) -> Result<Self, String> {
        let has = |name: &str| files.iter().any(|file| file == name);
        if has("adapter_config.json") && !has("config.json") {
            return Err("is an adapter (LoRA) and not a whole model; merge it into its base model first".to_owned());
        }
        if !has(INDEX) && !has(SINGLE) {
            return Err(no_safetensors(files));
        }
        if !has("config.json") {
            return Err("the repository has no config.json, so the shape of the model is not known".to_owned());
        }
        if !has("tokenizer.json") {
            let why = "the repository has no tokenizer.json; load it in Python with `AutoTokenizer.from_pretrained(..., \
                       use_fast=True)`, save it with the model into a folder, and give that folder";
            return Err(why.to_owned());
        }
        let optional = OPTIONAL.iter().copied().filter(|name| has(name));
        let small = ["config.json", "tokenizer.json"].into_iter().chain(optional).map(str::to_owned).collect();
        Ok(Self { small, sharded: has(INDEX) })
    }

    /// What is fetched before the weights.
    pub(super) fn first(&self) -> Vec<String> {
        self.small.iter().cloned().chain(self.index().map(str::to_owned)).collect()
    }

    /// The index that names the weight files, where there is one.
    pub(super) fn index(&self) -> Option<&'static str> {
        self.sharded.then_some(INDEX)
    }

    /// The weights where there is no index.
    pub(super) fn single(&self) -> Vec<String> {
        vec![SINGLE.to_owned()]
    }
}

fn no_safetensors(files: &[String]) -> String {
    let ending = |end: &str| files.iter().find(|file| file.ends_with(end));
    if let Some(file) = ending(".gguf") {
        return format!(
            "the repository has no safetensors but GGUF files; name the one that you want behind the id: ORG/NAME/{file}"
        );
    }
    let convert = "convert it in Python: `AutoModelForCausalLM.from_pretrained(...).save_pretrained(FOLDER)`, the tokenizer \
                   likewise, and give that folder; many such repositories also have a revision refs/pr/N with safetensors";
    match [".bin", ".pt", ".pth", ".msgpack", ".h5", ".onnx"].into_iter().find_map(ending) {
        Some(file) => format!("the repository has no safetensors but {file}, which is not read; {convert}"),
        None => "the repository has no weights (no model.safetensors and no index of shards)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn choice(files: &[&str]) -> Result<Choice, String> {
        Choice::of(&files.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_is_needed_is_chosen() {
        let chosen = choice(&[
            ".gitattributes",
            "README.md",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
        ])
        .unwrap();
        assert_eq!(chosen.first(), ["config.json", "tokenizer.json", "generation_config.json"]);
        assert_eq!(chosen.index(), None);
        let sharded =
            choice(&["config.json", "tokenizer.json", "model.safetensors.index.json", "model.safetensors"]).unwrap();
        assert_eq!(sharded.first(), ["config.json", "tokenizer.json", "model.safetensors.index.json"]);
    }

    #[test]
    fn what_cannot_be_loaded_says_what_to_do() {
        for (files, expected) in [
            (&["config.json", "tokenizer.json", "pytorch_model.bin"][..], "save_pretrained"),
            (&["model.Q4_K_M.gguf"], "GGUF"),
            (&["adapter_config.json", "adapter_model.safetensors"], "adapter"),
            (&["config.json", "model.safetensors", "spiece.model"], "no tokenizer.json"),
            (&["model.safetensors", "tokenizer.json"], "no config.json"),
            (&["README.md"], "no weights"),
        ] {
            let why = choice(files).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
