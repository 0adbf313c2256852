//! What was run, on what, and how to get at it: spec, manifest, two lines of Python.

use super::{
    markup::{Html, element, language, plain, spoken, text},
    table::{Table, facts, grouped, whole},
};
use crate::run::{RESULTS, Run};

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// How long something took, in the unit that fits.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.2} h", s / 3600.0),
    }
}

/// The revision of the program, or that nobody knows it.
pub(super) fn revision(run: &Run) -> &str {
    run.manifest.program.revision.as_deref().unwrap_or("not known: built outside git")
}

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, id: &str) -> Html {
    let mut body = element("h2", &[("id", id)], text("What was run"));
    body.push(plain("h3", "Model"));
    body.push(model(run));
    body.push(plain("h3", "Corpus"));
    body.push(corpus(run));
    body.push(plain("h3", "Run"));
    body.push(this_run(run));
    body.push(plain("h3", "The tables in Python"));
    let read = format!(
        "import pandas as pd\npd.read_parquet({:?}).query(\"metric == 'mexa' and centring == 'language'\")\
         .pivot(index=[\"pivot\", \"language\"], columns=\"layer\", values=\"value\")",
        run.folder.join(RESULTS).display().to_string()
    );
    body.push(element("pre", &[], plain("code", read)));
    body.push(plain("h3", "The spec"));
    body.push(plain("p", "Saved as spec.toml, `babelscope run spec.toml` makes the same tables."));
    body.push(element("pre", &[], plain("code", run.spec.to_toml().unwrap_or_else(|e| format!("# {e:#}")))));
    body.push(files(run));
    body
}

fn model(run: &Run) -> Html {
    let m = &run.manifest.model;
    facts(
        "The model as it was loaded",
        [
            ("asked for", text(&m.reference)),
            ("revision", text(m.revision.as_deref().unwrap_or_default())),
            ("family", text(&m.family)),
            ("parameters", text(grouped(m.parameters))),
            (
                "shape",
                text(format!(
                    "{} blocks, width {}, {} attention heads, {} key-value heads, vocabulary {}, context {}",
                    m.layers, m.width, m.heads, m.kv_heads, m.vocabulary, m.context
                )),
            ),
            ("unembedding", text(if m.tied { "the embedding" } else { "its own" })),
            ("number formats", text(format!("{} stored, {} computed", m.stored_dtype, m.compute_dtype))),
            ("computed by", text(format!("{} on {} {}", m.engine, m.device, m.kernel))),
            ("weights SHA-256", plain("code", &m.weights_sha256)),
            ("tokenizer SHA-256", plain("code", &m.tokenizer_sha256)),
            ("config SHA-256", plain("code", &m.config_sha256)),
        ],
    )
}

fn corpus(run: &Run) -> Html {
    let (c, capture) = (&run.manifest.corpus, &run.manifest.capture);
    let mut out = facts(
        "The sentences as they were used",
        [
            ("name", text(&c.name)),
            ("SHA-256", plain("code", &c.sha256)),
            ("sentences in each language", text(grouped(c.lines))),
            ("languages", text(c.languages.len().to_string())),
            ("tokens the model read", text(if c.tokens > 0 { grouped(c.tokens) } else { String::new() })),
            ("layers", text(capture.layers.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))),
            ("layer numbers mean", text(&capture.layer_convention)),
            (
                "captured",
                text(format!(
                    "{}, pooled: {}; BOS {}; first {} tokens left out; final norm {}",
                    capture.site,
                    capture.pooling,
                    if capture.include_bos { "counts" } else { "does not count" },
                    capture.skip_first,
                    if capture.post_final_norm { "applied" } else { "not applied" }
                )),
            ),
        ],
    );
    let mut table =
        Table::new("Languages", ["language", "code", "family", "script", "resource class (Joshi et al. 2020)"]);
    for code in &c.languages {
        let known = babelscope_core::lang::find(code);
        let class = known.and_then(|l| l.resource).map_or_else(|| "–".to_owned(), |class| class.to_string());
        let script = code.split_once('_').map_or("", |c| c.1);
        let script = babelscope_core::lang::script_name(script).unwrap_or(script);
        table.row([
            language(code).into(),
            code.as_str().into(),
            known.map_or("–", |l| l.family).into(),
            script.into(),
            class.into(),
        ]);
    }
    out.push(element("details", &[], [plain("summary", "Languages in full"), table.html()].into_iter().collect()));
    out
}

fn this_run(run: &Run) -> Html {
    let m = &run.manifest;
    let s = &m.seconds;
    facts(
        "The run",
        [
            ("name", text(&m.name)),
            ("identity (BLAKE3)", plain("code", &m.identity)),
            ("begun", text(&m.started)),
            ("program", text(format!("{} {}, revision {}", m.program.name, m.program.version, revision(run)))),
            ("machine", text(format!("{}, {} threads", m.machine.system, m.machine.threads))),
            (
                "time",
                text(format!(
                    "{}: loading {}, alignment {}, lens {}, tables and figures {}",
                    duration(s.total),
                    duration(s.load),
                    duration(s.align),
                    duration(s.lens),
                    duration(s.write)
                )),
            ),
            ("largest memory", text(m.peak_memory_bytes.map_or_else(String::new, megabytes))),
            ("seed", text(run.spec.seed.to_string())),
            (
                "languages of the pivots",
                text(super::alignment::pivots(run).iter().take(20).map(|p| spoken(p)).collect::<Vec<_>>().join(", ")),
            ),
        ],
    )
}

fn files(run: &Run) -> Html {
    let mut table = Table::new("Files of the run folder, as the manifest has them", ["file", "#bytes", "BLAKE3"]);
    for file in &run.manifest.files {
        table.row([
            file.path.as_str().into(),
            whole(usize::try_from(file.bytes).unwrap_or(usize::MAX)),
            plain("code", &file.blake3).into(),
        ]);
    }
    if table.is_empty() {
        return Html::default();
    }
    element("details", &[], [plain("summary", "Files and their hashes"), table.html()].into_iter().collect())
}
