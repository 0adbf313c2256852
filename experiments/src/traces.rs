//! Files of traces and of reference graphs, and the graphs that the laboratory knows by construction.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use babelscope_probes::cot::{
    Graph, Node, Role, Trace, Value, anchors,
    formats::{Parsed, dag_math, unparsed},
    givens,
    read::{Format, Traces},
    steps,
};

use crate::{atomic, fault::Fault, lab::problems, spec::CotSpec};

/// The traces of all files, and what of them cannot be read.
///
/// # Errors
/// A file that is not there, cannot be read at all, is empty, or whose format is not known.
pub fn files(params: &CotSpec) -> Result<(Vec<Trace>, Vec<String>)> {
    let (mut traces, mut notes) = (Vec::new(), Vec::new());
    for path in &params.traces {
        let path = Path::new(path);
        let there = fs::metadata(path).map_err(|e| Fault::read("the traces", path, &e))?;
        if there.is_file() && there.len() == 0 {
            return Err(Fault::data(format!(
                "the file of traces is empty; expected a trace a line\n{}",
                path.display()
            ))
            .into());
        }
        let format = match params.format() {
            Some(format) => format,
            None => Format::guess(path)?,
        };
        let (found, broken) = Traces::read(path, format, Some(&params.language))?;
        traces.extend(found);
        notes.extend(broken.iter().map(ToString::to_string));
    }
    Ok((traces, notes))
}

/// The graphs of the folder of references, by the names of their files.
///
/// # Errors
/// A folder or file that cannot be read; a graph that breaks the promises of graphs.
pub fn references(params: &CotSpec) -> Result<BTreeMap<String, Graph>> {
    let mut known = BTreeMap::new();
    if params.references.is_empty() {
        return Ok(known);
    }
    let folder = Path::new(&params.references);
    let failed = |e: std::io::Error| Fault::read("the folder of the references", folder, &e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let bytes = fs::read(&path).map_err(|e| Fault::read("a reference", &path, &e))?;
        let parse = |text: &str| parsed(text, &params.pivot);
        let graph = dag_math::import(&bytes, &parse).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        known.insert(name, graph);
    }
    Ok(known)
}

/// What the generator built a problem from, as a graph.
pub fn derivation(problem: &problems::Problem) -> Graph {
    let derivation = problem.derivation();
    let node = |assertion: &problems::Assertion| Node {
        role: match assertion.part {
            problems::Part::Given => Role::Given,
            problems::Part::Derived => Role::Derived,
            problems::Part::Answer => Role::Answer,
        },
        // In the order of our canonical forms, which is not that of numbers.
        normal: parsed(&assertion.normal, "eng_Latn").normal,
        value: Some(Value::from(i64::from(assertion.value))),
        name: None,
        text: assertion.normal.clone(),
        step: (assertion.part != problems::Part::Given).then_some(assertion.line),
        span: 0..0,
    };
    let mut graph = Graph { nodes: derivation.nodes.iter().map(node).collect(), edges: derivation.edges };
    // A trace that states what it has derived gives its answer by that node, which is then one node and not two.
    let last = graph.nodes.len() - 1;
    if let Some(from) = (0..last)
        .rev()
        .find(|at| graph.nodes[*at].value == graph.nodes[last].value && graph.edges.contains(&(*at, last)))
    {
        graph.nodes[from].role = Role::Answer;
        graph.nodes.pop();
        graph.edges.retain(|(_, to)| *to != last);
    }
    graph
}

/// What the text of a node asserts: its first equation or assignment, else its first number; no canonical form where it has none of these.
pub fn parsed(text: &str, language: &str) -> Parsed {
    let (said, _) = anchors(text, &steps(text), language);
    let first = said.into_iter().next().or_else(|| givens(text, language).0.into_iter().next());
    let Some(anchor) = first else { return unparsed(text) };
    Parsed { normal: anchor.normal, value: anchor.value, name: anchor.name }
}

/// Writes the reference of a problem as `PROBLEM.json` into a folder, which is made where it is not there; gives the key of a spec that reads
/// it.
///
/// # Errors
/// A problem whose name is none of a file, a graph that breaks its promises, a reference that is there already, a folder that cannot be
/// written to.
pub fn save_reference(folder: &Path, problem: &str, graph: &Graph) -> Result<String> {
    if Path::new(problem).file_name().is_none_or(|name| name != problem) {
        let why = format!("the problem is called {problem:?}, which is no name of a file; rename it in the traces");
        return Err(Fault::data(why).into());
    }
    let folder = std::path::absolute(folder).map_err(|e| Fault::write("the folder of the references", folder, &e))?;
    let text = dag_math::export(graph)?;
    fs::create_dir_all(&folder).map_err(|e| Fault::write("the folder of the references", &folder, &e))?;
    save(&folder.join(format!("{problem}.json")), &text)?;
    Ok(format!("references = {}", toml::Value::from(folder.display().to_string())))
}

/// Writes a new file; one that is there already is never replaced.
///
/// # Errors
/// The file is there, or cannot be written.
pub fn save(path: &Path, text: &str) -> Result<()> {
    let put =
        |file: &mut fs::File| Ok(file.write_all(text.as_bytes()).map_err(|e| Fault::write("the file", path, &e))?);
    atomic::write(path, "the file", |_| false, put)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_written_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new");
        let node = |role, text: &str| {
            let Parsed { normal, value, name } = parsed(text, "eng_Latn");
            Node { role, normal, value, name, text: text.to_owned(), step: None, span: 0..0 }
        };
        let nodes = vec![node(Role::Given, "3"), node(Role::Answer, "3 + 4 = 7")];
        let graph = Graph { nodes, edges: vec![(0, 1)] };
        let line = save_reference(&place, "cups", &graph).unwrap();
        let key: CotSpec = toml::from_str(&line).unwrap();
        assert_eq!(references(&key).unwrap(), BTreeMap::from([("cups".to_owned(), graph.clone())]));
        assert!(save_reference(&place, "cups", &graph).unwrap_err().to_string().contains("already"));
        assert!(save_reference(&place, "a/cups", &graph).unwrap_err().to_string().contains("no name of a file"));
        assert_eq!(parsed("so it goes", "eng_Latn").normal, "");
    }
}
