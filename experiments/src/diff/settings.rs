//! What determines two runs, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::run::Run;

/// A key with both values; empty where a run does not have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `data.limit`, `probe.0.bootstrap`, `model.weights_sha256`.
    pub key: String,
    /// The first run's.
    pub a: String,
    /// The second run's.
    pub b: String,
}

/// Keys of the spec that say where or how, not what: what they name is compared by its hash.
fn is_circumstance(key: &str) -> bool {
    let list = key.strip_prefix("model.").and_then(|rest| rest.split_once('.'));
    key == "name" || key == "data.path" || list.is_some_and(|(_, leaf)| matches!(leaf, "path" | "device" | "revision"))
}

/// Settings and circumstances that differ, sorted by key.
pub(super) fn compare(a: &Run, b: &Run) -> (Vec<Setting>, Vec<Setting>) {
    let (mut settings, mut circumstances) =
        (flat(&serde_json::to_value(&a.spec)), flat(&serde_json::to_value(&a.spec)));
    let mut other_settings = flat(&serde_json::to_value(&b.spec));
    let mut other_circumstances = other_settings.clone();
    for (of, run) in [(&mut settings, a), (&mut other_settings, b)] {
        of.retain(|key, _| !is_circumstance(key));
        of.extend(determines(run));
    }
    for (of, run) in [(&mut circumstances, a), (&mut other_circumstances, b)] {
        of.retain(|key, _| is_circumstance(key));
        of.extend(accompanies(run));
    }
    (differ(&settings, &other_settings), differ(&circumstances, &other_circumstances))
}

type Flat = BTreeMap<String, String>;

fn flat(value: &serde_json::Result<Value>) -> Flat {
    let mut out = Flat::new();
    if let Ok(value) = value {
        walk("", value, &mut out);
    }
    out
}

fn walk(key: &str, value: &Value, out: &mut Flat) {
    let below = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(part, value)| walk(&below(part), value, out)),
        // A list of plain values is one value: a language more would else shift all that follow.
        Value::Array(list) if list.iter().any(|v| v.is_object() || v.is_array()) => {
            list.iter().enumerate().for_each(|(at, value)| walk(&below(&at.to_string()), value, out));
        }
        Value::String(text) => drop(out.insert(key.to_owned(), text.clone())),
        other => drop(out.insert(key.to_owned(), other.to_string())),
    }
}

fn determines(run: &Run) -> Flat {
    let (m, corpus) = (&run.manifest.model, &run.manifest.corpus);
    let pairs = [
        ("model.weights_sha256", m.weights_sha256.clone()),
        ("model.tokenizer_sha256", m.tokenizer_sha256.clone()),
        ("model.config_sha256", m.config_sha256.clone()),
        ("model.stored_dtype", m.stored_dtype.clone()),
        ("model.compute_dtype", m.compute_dtype.clone()),
        ("model.computed_by", m.engine.to_string()),
        ("corpus.sha256", corpus.sha256.clone()),
        ("corpus.lines", corpus.lines.to_string()),
        ("capture.site", run.manifest.capture.site.clone()),
    ];
    named(pairs)
}

fn accompanies(run: &Run) -> Flat {
    let (m, machine, program) = (&run.manifest.model, &run.manifest.machine, &run.manifest.program);
    named([
        ("folder.name", run.manifest.name.clone()),
        ("model.loaded_from", m.reference.clone()),
        ("model.loaded_revision", m.revision.clone().unwrap_or_default()),
        ("model.loaded_on", m.device.clone()),
        ("model.kernel", m.kernel.clone()),
        ("corpus.name", run.manifest.corpus.name.clone()),
        ("program.version", program.version.clone()),
        ("program.revision", program.revision.clone().unwrap_or_default()),
        ("machine.system", machine.system.clone()),
        ("machine.threads", machine.threads.to_string()),
    ])
}

fn named<const N: usize>(pairs: [(&str, String); N]) -> Flat {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn differ(a: &Flat, b: &Flat) -> Vec<Setting> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let value = |of: &Flat, key: &String| of.get(key).cloned().unwrap_or_default();
    let pair = |key: &String| Setting { key: key.clone(), a: value(a, key), b: value(b, key) };
    keys.into_iter().map(pair).filter(|s| s.a != s.b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_plain_values_are_one_value_and_lists_of_tables_are_walked() {
        let flat =
            flat(&Ok(serde_json::json!({"data": {"languages": ["a", "b"], "limit": 3}, "probe": [{"kind": "align"}]})));
        let keys: Vec<_> = flat.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(keys, ["data.languages=[\"a\",\"b\"]", "data.limit=3", "probe.0.kind=align"]);
        for (key, is) in
            [("model.0.path", true), ("data.path", true), ("model.0.dtype", false), ("probe.0.path", false)]
        {
            assert_eq!(is_circumstance(key), is, "{key}");
        }
    }
}
