//! Which keys a spec may have, and the message for one that it may not: its line and the nearest known key.
//!
//! The known keys are read off a spec in which everything is set, so they cannot fall behind the structs.

use anyhow::Result;
use babelscope_core::{
    dtype::Dtype,
    engine::{EngineKind, LoadOptions},
    model::rope::LongRope,
};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{DataSpec, EnginePlace, EngineSpec, ExtractSpec, ModelSpec, ProbeSpec, RunSpec, SCHEMA, StoreSpec};
use crate::fault::Fault;

/// A key that stands for any other, in tables whose keys are languages.
pub(super) const ANY: &str = "*";

/// A spec in which every key is present.
fn complete() -> Table {
    let spec = RunSpec {
        schema: SCHEMA,
        name: "x".to_owned(),
        seed: 0,
        model: vec![ModelSpec {
            id: "x".to_owned(),
            path: "x".to_owned(),
            load: LoadOptions {
                revision: Some("x".to_owned()),
                device: Some("x".to_owned()),
                engine: Some(EngineKind::Candle),
                dtype: Some(Dtype::F32),
                longrope: Some(LongRope::Long),
                eager_alibi: true,
                ignore_options: vec!["x".to_owned()],
            },
        }],
        data: DataSpec::default(),
        extract: ExtractSpec::default(),
        store: Some(StoreSpec::default()),
        engine: EngineSpec { kind: EnginePlace::Slurm, ..EngineSpec::default() },
        probe: ProbeSpec::complete(),
    };
    Table::try_from(&spec).unwrap_or_default()
}

/// The tables of `complete` that a table at `path` may look like; for probes those of its kind, or all when it has none.
fn candidates(complete: &Table, path: &[&str], kind: Option<&str>) -> Vec<Table> {
    let [section, rest @ ..] = path else { return vec![complete.clone()] };
    match complete.get(*section) {
        Some(Value::Table(table)) => candidates(table, rest, kind),
        Some(Value::Array(tables)) => {
            let all: Vec<Table> = tables.iter().filter_map(|t| t.as_table().cloned()).collect();
            if !rest.is_empty() {
                return all.iter().flat_map(|table| candidates(table, rest, kind)).collect();
            }
            let of_kind: Vec<Table> = all
                .iter()
                .filter(|t| kind.is_some() && t.get("kind").and_then(Value::as_str) == kind)
                .cloned()
                .collect();
            if of_kind.is_empty() { all } else { of_kind }
        }
        _ => Vec::new(),
    }
}

/// Refuses a text with a key that no spec has.
pub(super) fn check(text: &str) -> Result<()> {
    let root = DeTable::parse(text).map_err(|e| Fault::spec(e.to_string().trim_end().to_owned()))?;
    let complete = complete();
    walk(text, root.get_ref(), &[], &complete)
}

fn walk(text: &str, table: &DeTable<'_>, path: &[&str], complete: &Table) -> Result<()> {
    let kind = table.iter().find(|(k, _)| k.get_ref() == "kind").and_then(|(_, v)| v.get_ref().as_str());
    let known = candidates(complete, path, kind);
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !known.iter().any(|t| t.contains_key(name) || t.contains_key(ANY)) {
            return Err(unknown(line(text, key), &spelled(path, name), name, &known).into());
        }
        let deeper: Vec<&str> = path.iter().copied().chain([name]).collect();
        match value.get_ref() {
            DeValue::Table(inner) => walk(text, inner, &deeper, complete)?,
            DeValue::Array(values) => {
                for inner in values.iter().filter_map(|v| v.get_ref().as_table()) {
                    walk(text, inner, &deeper, complete)?;
                }
            }
            _ => (),
        }
    }
    Ok(())
}

fn line<T>(text: &str, at: &Spanned<T>) -> Option<usize> {
    Some(text.get(..at.span().start)?.matches('\n').count() + 1)
}

fn spelled(path: &[&str], name: &str) -> String {
    path.iter().copied().chain([name]).collect::<Vec<_>>().join(".")
}

fn unknown(line: Option<usize>, full: &str, name: &str, known: &[Table]) -> Fault {
    let mut keys: Vec<&str> = known.iter().flat_map(|t| t.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    let at = line.map_or_else(String::new, |l| format!("line {l}: "));
    let hint = nearest(name, keys.iter().copied()).map_or_else(
        || format!("known here are {}", keys.join(", ")),
        |near| format!("did you mean `{near}`? Known here are {}", keys.join(", ")),
    );
    Fault::spec(format!("{at}unknown key `{full}`; {hint}"))
}

/// The candidate that a person most likely meant, if one is near enough to say so.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&folded, &c.to_lowercase()), c))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// `spec` with one `key.path=value` replaced.
pub(super) fn assign(spec: &RunSpec, assignment: &str) -> Result<RunSpec> {
    let Some((path, value)) = assignment.split_once('=') else {
        return Err(Fault::spec(format!("{assignment:?}: expected KEY=VALUE, as in `data.limit=8`")).into());
    };
    let path: Vec<&str> = path.trim().split('.').collect();
    let value = value.trim();
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut table = Table::try_from(spec)?;
    open(&mut table, &complete(), &path);
    let mut tree = Value::Table(table);
    place(&mut tree, &path, value, assignment)?;
    let text = toml::to_string(&tree)?;
    check(&text).map_err(|e| {
        let why = format!("{e}");
        // Lines of a text that the person never saw would mislead.
        let why = why.split_once(": ").filter(|(at, _)| at.starts_with("line ")).map_or(why.as_str(), |(_, rest)| rest);
        Fault::spec(format!("`{assignment}`: {why}"))
    })?;
    toml::from_str(&text).map_err(|e| Fault::spec(format!("`{assignment}`: {}", e.message())).into())
}

/// Makes room for a value below tables that the spec leaves out.
fn open(table: &mut Table, complete: &Table, path: &[&str]) {
    let [first, rest @ ..] = path else { return };
    if let (Some(Value::Table(known)), false) = (complete.get(*first), rest.is_empty())
        && let Value::Table(inner) = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()))
    {
        open(inner, known, rest);
    }
}

fn place(tree: &mut Value, path: &[&str], value: Value, assignment: &str) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return Ok(());
    };
    match tree {
        Value::Table(table) => {
            if rest.is_empty() {
                table.insert((*first).to_owned(), value);
                return Ok(());
            }
            let keys: Vec<String> = table.keys().cloned().collect();
            let inner = table.get_mut(*first).ok_or_else(|| {
                let near = nearest(first, keys.iter().map(String::as_str));
                let hint = near.map_or_else(|| keys.join(", "), |n| format!("did you mean `{n}`?"));
                Fault::spec(format!("`{assignment}`: there is no `{first}` in the spec; {hint}"))
            })?;
            place(inner, rest, value, assignment)
        }
        Value::Array(values) => {
            let count = values.len();
            let inner = first.parse::<usize>().ok().and_then(|at| values.get_mut(at)).ok_or_else(|| {
                Fault::spec(format!("`{assignment}`: `{first}` is no place in a list of {count}; places count from 0"))
            })?;
            place(inner, rest, value, assignment)
        }
        _ => Err(Fault::spec(format!("`{assignment}`: `{first}` lies below a value that is no table")).into()),
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::{
        dtype::Dtype,
        engine::{EngineKind, LoadOptions},
        model::rope::LongRope,
    };
    use babelscope_probes::align::AlignParams;

    use super::super::{LensSpec, ModelSpec, ProbeSpec, RunSpec, StoreSpec};

    const GOOD: &str = "schema = 1\nname = \"x\"\n[[model]]\npath = \"lab\"\n[[probe]]\nkind = \"align\"\n";

    fn refusal(text: &str) -> String {
        format!("{:#}", RunSpec::parse(text).unwrap_err())
    }

    #[test]
    fn unknown_keys_name_their_line_and_the_nearest_known_key() {
        for (text, line, key, near) in [
            (format!("{GOOD}bootstraps = 3\n"), 7, "probe.bootstraps", "bootstrap"),
            (GOOD.replace("name", "nmae"), 2, "nmae", "name"),
            (GOOD.replace("path", "pth"), 4, "model.pth", "path"),
            (format!("{GOOD}[extract]\nlayer = [1]\n"), 8, "extract.layer", "layers"),
            (format!("{GOOD}[data]\npath = \"lab\"\nlanguage = []\n"), 9, "data.language", "languages"),
            (format!("{GOOD}[extrct]\n"), 7, "extrct", "extract"),
        ] {
            let why = refusal(&text);
            assert!(why.contains(&format!("line {line}:")), "{why}");
            assert!(why.contains(&format!("`{key}`")), "{why}");
            assert!(why.contains(&format!("did you mean `{near}`")), "{why}");
        }
    }

    #[test]
    fn a_key_of_another_kind_of_probe_is_unknown() {
        assert!(refusal(&format!("{GOOD}top_k = 3\n")).contains("unknown key `probe.top_k`"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        let why = refusal(&GOOD.replace("schema = 1", "schema = 1\nseed = \"one\""));
        assert!(why.contains("line 2") && why.contains("seed"), "{why}");
        assert!(refusal("schema = = 1").contains("line 1"));
    }

    #[test]
    fn assignments_do_what_the_key_in_the_file_would() {
        let spec = RunSpec::parse(GOOD).unwrap();
        let changed =
            spec.with("probe.0.bootstrap=700").unwrap().with("data.languages=[\"eng_Latn\", \"deu_Latn\"]").unwrap();
        assert_eq!(
            changed.probe,
            [ProbeSpec::Align(AlignParams {
                pivots: vec!["eng_Latn".into()],
                bootstrap: 700,
                ..AlignParams::default()
            })]
        );
        assert_eq!(changed.data.languages, ["eng_Latn", "deu_Latn"]);
        assert_eq!(spec.with("model.0.revision=main").unwrap().model[0].load.revision.as_deref(), Some("main"));
        assert_eq!(spec.with("name=second").unwrap().name, "second");
        for (bad, says) in [
            ("data.limt=3", "`limit`"),
            ("dta.limit=3", "`data`"),
            ("probe.3.bootstrap=3", "list of 1"),
            ("name.x=3", "no table"),
            ("data.limit=many", "limit"),
            ("data.limit", "KEY=VALUE"),
        ] {
            let why = format!("{:#}", spec.with(bad).unwrap_err());
            assert!(why.contains(says), "{bad}: {why}");
        }
    }

    #[test]
    fn a_spec_survives_its_text_form() {
        let mut spec = RunSpec::new(
            "a-b.c_1",
            ModelSpec {
                load: LoadOptions {
                    revision: Some("v1".into()),
                    device: Some("cpu".into()),
                    engine: Some(EngineKind::Candle),
                    dtype: Some(Dtype::Bf16),
                    longrope: Some(LongRope::Short),
                    eager_alibi: true,
                    ignore_options: vec!["a".into(), "b".into()],
                },
                ..ModelSpec::new("/a \"b\"\\c")
            },
            vec![
                ProbeSpec::align("hin_Deva"),
                ProbeSpec::lens(vec!["क्षि\n\t\"'''\u{202e}".into(), "\\u00e9 \u{0}x".into()]),
            ],
        );
        spec.seed = i64::MAX as u64;
        spec.extract.layers = vec![0, 3];
        spec.data.languages = vec!["eng_Latn".into(), "hin_Deva".into()];
        assert_eq!(RunSpec::parse(&spec.to_toml().unwrap()).unwrap(), spec);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        let good = RunSpec::parse(GOOD).unwrap();
        type Spoil = fn(&mut RunSpec);
        let cases: [(Spoil, &str); 16] = [
            (
                |s| s.probe = vec![ProbeSpec::Align(AlignParams { bootstrap: 50, ..AlignParams::default() })],
                "bootstrap",
            ),
            (|s| s.schema = 2, "reads 1"),
            (|s| s.name = "../x".into(), "folder"),
            (|s| s.name = ".x".into(), "folder"),
            (|s| s.seed = u64::MAX, "TOML"),
            (|s| s.model.clear(), "at least one"),
            (|s| s.model.push(s.model[0].clone()), "two models are called"),
            (|s| s.store = Some(StoreSpec { block: 0, ..StoreSpec::default() }), "store.block"),
            (|s| s.engine.minutes_per_task = f64::NAN, "minutes_per_task"),
            (|s| s.model[0].path.clear(), "model.path"),
            (|s| s.probe.clear(), "nothing to do"),
            (|s| s.probe.push(ProbeSpec::align("x")), "two [[probe]]"),
            (|s| s.extract.layers = vec![1, 2, 1], "layer 1 twice"),
            (|s| s.data.languages = vec!["deu_Latn".into(), "fra_Latn".into()], "not among"),
            (|s| s.probe = vec![ProbeSpec::lens(vec![" ".into()])], "text 1"),
            (|s| s.probe = vec![ProbeSpec::Lens(LensSpec { texts: vec!["x".into()], top_k: 0 })], "top_k"),
        ];
        for (spoil, says) in cases {
            let mut spec = good.clone();
            spoil(&mut spec);
            let why = spec.check().unwrap_err().to_string();
            assert!(why.contains(says), "{why}");
            assert!(spec.to_toml().is_err(), "{says}");
        }
    }
}
