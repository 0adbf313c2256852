//! A run, or a sweep of several models, as one HTML file that a person reads without a network: figures, tables, the spec, the manifest, and
//! the answers that a paper's checklist asks for.
//!
//! Every text of a run is escaped, carries its language and direction, and cannot become markup; the page's own policy lets no other script run.

mod acts;
mod alignment;
mod checklist;
mod cut;
mod faces;
mod facts;
mod hints;
mod lens;
mod markup;
mod measures;
mod models;
mod page;
mod table;
mod traces;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    atomic,
    fault::{Fault, Kind},
    run::{MANIFEST, Run, SPEC},
};
use markup::{Html, element, plain, spoken, text};

/// The report's name in a run folder.
pub const REPORT: &str = "report.html";
/// Models of a sweep, below its folder.
const MODELS: &str = "models";

/// Where the drawn figures lie.
struct Figures<'a>(&'a Path);

impl Figures<'_> {
    /// A figure of the run; nothing where it was not drawn.
    fn picture(&self, name: &str, alt: &str, caption: &str) -> Html {
        let png = fs::read(self.0.join(format!("{name}.png")));
        png.map_or_else(|_| Html::default(), |png| page::picture(&png, alt, caption))
    }
}

/// The page of one run. `figures` is the folder of its figures, which is elsewhere while a run is being written.
pub fn run(run: &Run, figures: &Path) -> String {
    let title = format!("{}: {} on {}", run.manifest.name, models::label(run), run.manifest.corpus.name);
    let mut body = plain("h1", &title);
    body.push(element("p", &[("class", "weak")], text(summary(run))));
    let sections = sections(run, "");
    body.push(page::contents(sections.iter().map(|(id, name)| (id.as_str(), *name))));
    body.push(page::notes(&notes(run)));
    body.push(content(run, &Figures(figures), ""));
    page::page(&title, body)
}

/// The page of whatever lies in a folder: a run, or a sweep with a run for each model below `models/`.
///
/// # Errors
/// Those of [`Run::open`]; a folder that is neither.
pub fn folder(path: &Path) -> Result<String> {
    if path.join(MANIFEST).exists() || !path.join(MODELS).is_dir() {
        let opened = Run::open(path)?;
        return Ok(run(&opened, &path.join("figures")));
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(path.join(MODELS))
        .and_then(|entries| entries.map(|e| Ok(e?.path())).collect())
        .map_err(|e| Fault::read("the models of a sweep", path, &e))?;
    folders.retain(|folder| folder.join(MANIFEST).exists());
    folders.sort();
    if folders.is_empty() {
        let why = "the sweep has no finished model yet; `babelscope merge` makes them";
        return Err(Fault::new(Kind::Missing, format!("{why}\n{}", path.display())).into());
    }
    let runs = folders.iter().map(|folder| Run::open(folder)).collect::<Result<Vec<_>>>()?;
    Ok(sweep(path, &runs))
}

/// Writes a page. A report of ours is replaced, any other file is refused.
///
/// # Errors
/// [`Kind::Exists`] for a file that is no report of ours, [`Kind::Io`] where the place cannot be written to.
pub fn write(path: &Path, page: &str) -> Result<()> {
    let put = |file: &mut File| Ok(file.write_all(page.as_bytes()).map_err(|e| Fault::write("a report", path, &e))?);
    atomic::write(path, "a report", is_ours, put)
}

/// Whether a file is a report that this program wrote.
fn is_ours(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && start.windows(page::MARKER.len()).any(|window| window == page::MARKER.as_bytes())
}

/// The page of a sweep in `path`, whose models have these runs.
pub fn sweep(path: &Path, runs: &[Run]) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let title = format!("{name}: {} models", runs.len());
    let mut body = plain("h1", &title);
    let mut links = vec![("compare".to_owned(), "Side by side".to_owned())];
    let anchors: Vec<String> = (1..=runs.len()).map(|at| format!("m{at}-")).collect();
    links.extend(anchors.iter().zip(runs).map(|(anchor, run)| (format!("{anchor}top"), models::label(run))));
    body.push(page::contents(links.iter().map(|(id, name)| (id.as_str(), name.as_str()))));
    let mut warnings = unfinished(path, runs);
    warnings.extend(
        runs.iter().flat_map(|run| notes(run).into_iter().map(|note| format!("{}: {note}", models::label(run)))),
    );
    body.push(page::notes(&warnings));
    body.push(models::comparison(runs, "compare"));
    for (anchor, run) in anchors.iter().zip(runs) {
        body.push(element("h1", &[("id", &format!("{anchor}top"))], text(models::label(run))));
        body.push(element("p", &[("class", "weak")], text(summary(run))));
        let sections = sections(run, anchor);
        body.push(page::contents(sections.iter().map(|(id, name)| (id.as_str(), *name))));
        body.push(content(run, &Figures(&run.folder.join("figures")), anchor));
    }
    if let Ok(spec) = fs::read_to_string(path.join(SPEC)) {
        body.push(plain("h2", "The spec of the sweep"));
        body.push(element("pre", &[], plain("code", spec)));
    }
    page::page(&title, body)
}

/// What a sweep lacks: models of its spec without a run, and shards that failed.
fn unfinished(path: &Path, runs: &[Run]) -> Vec<String> {
    let mut out = Vec::new();
    let asked = fs::read_to_string(path.join(SPEC)).ok().and_then(|spec| spec.parse::<toml::Table>().ok());
    let asked = asked.and_then(|spec| spec.get("model")?.as_array().map(Vec::len)).unwrap_or(0);
    if asked > runs.len() {
        out.push(format!(
            "The spec names {asked} models, and only {} of them are finished and shown here.",
            runs.len()
        ));
    }
    let failed = fs::read_dir(path.join("failed")).map_or(0, |entries| {
        let names: BTreeSet<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().to_string_lossy().split('.').next().map(str::to_owned))
            .filter(|name| !name.is_empty())
            .collect();
        names.len()
    });
    if failed > 0 {
        out.push(format!("{failed} shards failed at least once; why is in the folder failed/."));
    }
    out
}

fn sections(run: &Run, anchor: &str) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    if run.align.is_some() {
        all.push((format!("{anchor}align"), "Alignment"));
    }
    if !run.lens.is_empty() {
        all.push((format!("{anchor}lens"), "Logit lens"));
    }
    if !run.measured.is_empty() || run.map.is_some() {
        all.push((format!("{anchor}measures"), "Other measures"));
    }
    if acts::any(run) {
        all.push((format!("{anchor}acts"), "Steering and patching"));
    }
    if run.detailed("cot").is_some() {
        all.push((format!("{anchor}cot"), "Chains of thought"));
    }
    if run.detailed("hints").is_some() {
        all.push((format!("{anchor}hints"), "Hints"));
    }
    all.extend([(format!("{anchor}run"), "What was run"), (format!("{anchor}paper"), "For the paper")]);
    all
}

fn content(run: &Run, figures: &Figures<'_>, anchor: &str) -> Html {
    [
        alignment::section(run, figures, &format!("{anchor}align")),
        lens::section(run, figures, &format!("{anchor}lens")),
        measures::section(run, figures, &format!("{anchor}measures")),
        acts::section(run, figures, &format!("{anchor}acts")),
        traces::section(run, figures, &format!("{anchor}cot")),
        hints::section(run, figures, &format!("{anchor}hints")),
        facts::section(run, &format!("{anchor}run")),
        checklist::section(run, &format!("{anchor}paper")),
    ]
    .into_iter()
    .collect()
}

fn summary(run: &Run) -> String {
    let m = &run.manifest;
    let pivots = alignment::pivots(run);
    let with = match pivots.as_slice() {
        [] => String::new(),
        [one] => format!(", aligned with {}", spoken(one)),
        more => format!(", aligned with {} pivots", more.len()),
    };
    format!(
        "{} parameters, {} blocks, {}; {} languages, {} sentences each{with}; {} on {}.",
        table::grouped(m.model.parameters),
        m.model.layers,
        m.model.compute_dtype,
        m.corpus.languages.len(),
        table::grouped(m.corpus.lines),
        m.started,
        m.machine.system
    )
}

/// Everything that a person should know before believing the numbers, each once.
fn notes(run: &Run) -> Vec<String> {
    let m = &run.manifest;
    let mut all: Vec<String> =
        m.notes.iter().chain(&m.corpus.notes).chain(m.align.iter().flat_map(|a| &a.notes)).cloned().collect();
    if run.align.is_some() && m.corpus.lines < 100 {
        all.push(format!("There are {} sentences; below 100 the steps of 1/n are coarse, and scores fall as n grows: compare only equal n.", m.corpus.lines));
    }
    if run.align.is_some() && !alignment::intervals(run) {
        all.push("The bootstrap was switched off, so no value has an interval.".to_owned());
    }
    let undefined = run.align.iter().flat_map(|r| &r.cells).filter(|cell| !cell.mexa.value.is_finite()).count();
    if undefined > 0 {
        all.push(format!("{undefined} cells have no defined value; they are shown as a dash."));
    }
    if m.program.revision.as_deref().is_some_and(|revision| revision.ends_with("-dirty")) {
        all.push(
            "The program was built from changed sources, so its revision does not say exactly what computed."
                .to_owned(),
        );
    }
    let mut seen = BTreeSet::new();
    all.retain(|note| seen.insert(note.clone()));
    all
}
