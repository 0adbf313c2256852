//! Executes one probe of a spec on what it reads: states, the model, or what other probes found.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::{Monitor, Tick},
    tokens::Tokenizer,
};
use babelscope_probes::{
    align::{AlignParams, AlignReport, adjust, align_source, beside},
    classify::{Labels, classify},
    lens::{self, LensParams, LensReport},
    measure::{Measured, Row},
    neurons::neurons,
    project::{MapReport, map},
    relate::{Scores, TaskParams, read_scores, relate},
    retrieval::retrieval,
    similarity::similarity,
    source::StateSource,
    subspace::structure,
    tokenizer::{TokenizerParams, tokenizer},
};

use super::{
    acts,
    identity::{called, derived_seed, place},
    workbench::token_sets,
    write::align_seed,
};
use crate::{
    details::Details,
    fault::Fault,
    lab::make::{LABELS, labels as lab_labels},
    spec::{LensSpec, ProbeSpec, RunSpec},
    tables::measures::Probed,
};

/// In front of the name of labels that the laboratory has by construction.
pub(crate) const LAB: &str = "lab:";

/// What a probe said.
pub(crate) enum Said {
    /// Cells and their sentences, and the rows beside them.
    Align(AlignReport, Probed),
    /// One report a text.
    Lens(Vec<LensReport>),
    /// Points in the plane.
    Map(MapReport),
    /// Rows.
    Rows(Probed),
    /// Rows with texts and tokens beside them.
    Detailed(Probed, Details),
}

/// The seed of a probe of this kind.
pub(crate) fn seed(spec: &RunSpec, kind: &str) -> u64 {
    if kind == "align" { align_seed(spec) } else { derived_seed(spec.seed, kind) }
}

/// The parameters of alignment with the seed of the run.
pub(crate) fn seeded(params: &AlignParams, spec: &RunSpec) -> AlignParams {
    AlignParams { seed: align_seed(spec), outcomes: true, with_self: false, ..params.clone() }
}

/// A probe that reads pooled states; `None` for one that reads something else.
pub(crate) fn of_states(
    probe: &ProbeSpec,
    spec: &RunSpec,
    source: &dyn StateSource,
    monitor: &Monitor,
) -> Result<Option<Said>> {
    let seed = seed(spec, probe.kind());
    let measured = match probe {
        ProbeSpec::Align(params) => {
            let mut report = align_source(source, &seeded(params, spec), monitor)?;
            report.measured.rows.extend(beside(source, &params.pivots, 0..=source.languages().len() - 1));
            return Ok(Some(aligned(report, spec)));
        }
        ProbeSpec::Map(params) => return Ok(Some(Said::Map(map(source, params, seed, monitor)?))),
        ProbeSpec::Retrieval(params) => retrieval(source, params, seed, monitor)?,
        ProbeSpec::Similarity(params) => similarity(source, params, seed, monitor)?,
        ProbeSpec::Structure(params) => structure(source, params, seed, monitor)?,
        ProbeSpec::Classify(params) => {
            let labels = labels(&params.labels, source.sentences())?;
            classify(source, labels.as_ref(), params, seed, monitor)?
        }
        ProbeSpec::Vector(params) => return acts::language_vectors(params, spec, source, seed, monitor).map(Some),
        ProbeSpec::Lens(_)
        | ProbeSpec::Neurons(_)
        | ProbeSpec::Tokenizer(_)
        | ProbeSpec::Tasks(_)
        | ProbeSpec::Learn(_)
        | ProbeSpec::Steer(_)
        | ProbeSpec::Select(_)
        | ProbeSpec::Compare(_)
        | ProbeSpec::Patch(_)
        | ProbeSpec::Cot(_)
        | ProbeSpec::Hints(_) => return Ok(None),
    };
    Ok(Some(rows(probe.kind(), seed, measured)))
}

/// A probe that reads the model; `None` for one that reads something else.
pub(crate) fn of_model(
    probe: &ProbeSpec,
    spec: &RunSpec,
    engine: &Engine,
    corpus: &Corpus,
    monitor: &Monitor,
) -> Result<Option<Said>> {
    let seed = seed(spec, probe.kind());
    let measured = match probe {
        ProbeSpec::Lens(of) => return Ok(Some(Said::Lens(texts(of, spec, engine, corpus, monitor)?))),
        ProbeSpec::Vector(params) => return acts::contrast_vectors(params, spec, engine, seed, monitor).map(Some),
        ProbeSpec::Learn(params) => return acts::learned(params, engine, corpus, seed, monitor).map(Some),
        ProbeSpec::Steer(params) => return acts::steered(params, engine, corpus, seed, monitor).map(Some),
        ProbeSpec::Select(params) => return acts::selected(params, engine, seed, monitor).map(Some),
        ProbeSpec::Compare(params) => return acts::compared(params, spec, engine, corpus, seed, monitor).map(Some),
        ProbeSpec::Patch(params) => return acts::patched(params, engine, seed, monitor).map(Some),
        ProbeSpec::Cot(params) => return acts::traced(params, engine, corpus, seed, monitor).map(Some),
        ProbeSpec::Hints(params) => return acts::hinted(params, engine, corpus, seed, monitor).map(Some),
        ProbeSpec::Neurons(params) => neurons(engine, corpus, params, seed, monitor)?,
        ProbeSpec::Tokenizer(params) => tokenized(params, spec, engine.tokenizer(), corpus, monitor)?,
        _ => return Ok(None),
    };
    Ok(Some(rows(probe.kind(), seed, measured)))
}

/// The report without its rows, which lie in the table of all rows: by pivot and language as the spec has them, whether they come from
/// one piece of work or from many, and adjusted for one another.
pub(crate) fn aligned(mut report: AlignReport, spec: &RunSpec) -> Said {
    let mut measured = std::mem::take(&mut report.measured);
    let pivots = spec.align().map_or(&[][..], |params| params.pivots.as_slice());
    // What is of a language alone, every piece of work that read it has said.
    let mut seen = BTreeSet::new();
    measured.rows.retain(|row| {
        let place = (row.metric.clone(), row.language.clone(), row.layer, row.variant.clone(), row.item.clone());
        !row.pivot.is_empty() || seen.insert(place)
    });
    measured.rows.sort_by_key(|row| {
        // Rows without a pivot come last.
        let pivot = pivots.iter().position(|pivot| *pivot == row.pivot).unwrap_or(usize::MAX);
        (pivot, spec.data.languages.iter().position(|language| *language == row.language), row.metric == "premium")
    });
    adjust(&mut measured.rows);
    Said::Align(report, Probed { probe: "align".to_owned(), seed: align_seed(spec), measured })
}

fn rows(kind: &str, seed: u64, measured: Measured) -> Said {
    Said::Rows(Probed { probe: kind.to_owned(), seed, measured })
}

/// How the rows of the other probes go along with tasks, premium and resources.
pub(crate) fn of_probes(
    params: &TaskParams,
    spec: &RunSpec,
    found: &[Probed],
    own: &Tokenizer,
    corpus: &Corpus,
    monitor: &Monitor,
) -> Result<Probed> {
    let scores = scores(&params.scores)?;
    let of = |kind: &str| found.iter().find(|probed| probed.probe == kind);
    let premium = match of("tokenizer") {
        Some(probed) => probed.measured.rows.clone(),
        None => {
            let usual = TokenizerParams { pivots: params.pivots.clone(), ..TokenizerParams::default() };
            tokenized(&usual, spec, own, corpus, &monitor.quiet())?.rows
        }
    };
    let related = ProbeSpec::RELATED.into_iter().filter_map(of);
    let alignment: Vec<Row> = related.flat_map(|probed| probed.measured.rows.iter().cloned()).collect();
    let seed = seed(spec, "tasks");
    let measured = relate(&alignment, &premium, scores.as_ref(), params, seed)?;
    Ok(Probed { probe: "tasks".to_owned(), seed, measured })
}

/// What the tokenizer does to each language, beside another one where the spec names it.
pub(crate) fn tokenized(
    params: &TokenizerParams,
    spec: &RunSpec,
    own: &Tokenizer,
    corpus: &Corpus,
    monitor: &Monitor,
) -> Result<Measured> {
    let name = spec.model.first().map_or("", |model| model.label());
    let other = if params.compare.is_empty() {
        None
    } else {
        Some((called(&params.compare), Tokenizer::from_file(&place(&params.compare))?))
    };
    let other = other.as_ref().map(|(label, tokenizer)| (label.as_str(), tokenizer));
    Ok(tokenizer(name, own, other, corpus, params, seed(spec, "tokenizer"), monitor)?)
}

/// The texts through the lens.
fn texts(
    of: &LensSpec,
    spec: &RunSpec,
    engine: &Engine,
    corpus: &Corpus,
    monitor: &Monitor,
) -> Result<Vec<LensReport>> {
    let sets = token_sets(engine, corpus)?;
    let params = LensParams { layers: spec.extract.layers.clone(), top_k: of.top_k, ..LensParams::default() };
    let total = of.texts.len();
    let mut reports = Vec::with_capacity(total);
    for (done, text) in of.texts.iter().enumerate() {
        monitor.tick(Tick { what: "reading texts through the lens", done, total, unit: "texts" })?;
        // Its own ticks would be a bar for each text.
        let report = lens::analyse(engine, text, &sets, &params, &monitor.quiet());
        reports.push(report.with_context(|| format!("text {} of the lens", done + 1))?);
    }
    monitor.tick(Tick { what: "reading texts through the lens", done: total, total, unit: "texts" })?;
    Ok(reports)
}

/// Refuses files that a probe could not read, before the model runs for hours.
pub(crate) fn check_files(spec: &RunSpec, corpus: &Corpus) -> Result<()> {
    for probe in &spec.probe {
        match probe {
            ProbeSpec::Classify(params) => drop(labels(&params.labels, corpus.len())?),
            ProbeSpec::Tokenizer(params) if !params.compare.is_empty() => {
                Tokenizer::from_file(&place(&params.compare))?;
            }
            ProbeSpec::Tasks(params) => drop(scores(&params.scores)?),
            _ => (),
        }
    }
    Ok(())
}

/// The scores of a file.
fn scores(path: &str) -> Result<Option<Scores>> {
    if path.is_empty() {
        return Ok(None);
    }
    let file = Path::new(path);
    let text = fs::read_to_string(file).map_err(|e| Fault::read("the scores", file, &e))?;
    Ok(Some(read_scores(&text).with_context(|| format!("the scores {path}"))?))
}

/// The labels of a file, one a line, or of the laboratory (`lab:colour`), of the first `n` lines.
fn labels(path: &str, n: usize) -> Result<Option<Labels>> {
    if path.is_empty() {
        return Ok(None);
    }
    if let Some(kind) = path.strip_prefix(LAB) {
        let known = lab_labels(kind);
        let known = known.ok_or_else(|| {
            Fault::spec(format!("the laboratory has no labels {kind:?}; it has {}", LABELS.join(", ")))
        })?;
        return numbered(kind.to_owned(), known.iter().map(String::as_str).collect(), n, path).map(Some);
    }
    let file = Path::new(path);
    let text = fs::read_to_string(file).map_err(|e| Fault::read("the labels", file, &e))?;
    numbered(called(path), text.lines().map(str::trim).collect(), n, path).map(Some)
}

fn numbered(name: String, lines: Vec<&str>, n: usize, path: &str) -> Result<Labels> {
    let Some(lines) = lines.get(..n) else {
        let why = format!(
            "{} labels for {n} sentences; expected a label on each line, as many as the corpus has lines\n{path}",
            lines.len()
        );
        return Err(Fault::data(why).into());
    };
    if let Some(at) = lines.iter().position(|line| line.is_empty()) {
        return Err(Fault::data(format!("line {} has no label; expected one on each line\n{path}", at + 1)).into());
    }
    let mut classes: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    classes.sort_unstable();
    classes.dedup();
    let of_sentence = lines.iter().filter_map(|line| classes.binary_search_by(|c| c.as_str().cmp(line)).ok());
    let of_sentence = of_sentence.filter_map(|at| u32::try_from(at).ok()).collect();
    Ok(Labels { name, classes, of_sentence })
}
