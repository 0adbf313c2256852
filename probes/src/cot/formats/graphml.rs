//! GraphML: what Gephi, yEd, igraph and networkx read. Every field of a node is a `data` element; all text is escaped.
//!
//! XML cannot hold every character (no U+0000, no U+FFFE). Text with one of those is written as a JSON string under the name with
//! `_json` behind, so that nothing is lost and every reader still reads the file.

use std::{collections::BTreeMap, fmt::Write as _};

use quick_xml::{
    Reader, XmlVersion,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};

use super::{Parsed, Record, checked, ordered, written};
use crate::{
    Error, Result,
    cot::{
        graph::{Graph, Node, Role},
        shown::{json, shown},
    },
};

const FORMAT: &str = "GraphML";
const FIELDS: [&str; 8] = ["role", "normal", "value", "name", "text", "step", "start", "end"];

fn refuse(why: impl Into<String>) -> Error {
    Error::Input { measure: FORMAT, why: why.into() }
}

fn fits_xml(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Given => "given",
        Role::Derived => "derived",
        Role::Answer => "answer",
    }
}

/// The graph as XML.
///
/// # Errors
/// A graph that breaks its promises ([`Graph::problem`]).
pub fn export(graph: &Graph) -> Result<String> {
    checked(FORMAT, graph)?;
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    let json = FIELDS.iter().map(|field| format!("{field}_json"));
    for field in FIELDS.iter().map(|field| (*field).to_owned()).chain(json) {
        let kind = if matches!(field.as_str(), "step" | "start" | "end") { "long" } else { "string" };
        line(&mut xml, format_args!("  <key id=\"{field}\" for=\"node\" attr.name=\"{field}\" attr.type=\"{kind}\"/>"));
    }
    xml.push_str("  <graph id=\"derivation\" edgedefault=\"directed\">\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        line(&mut xml, format_args!("    <node id=\"n{at}\">"));
        data(&mut xml, "role", role(node.role));
        data(&mut xml, "normal", &node.normal);
        node.value.iter().for_each(|value| data(&mut xml, "value", &value.to_string()));
        node.name.iter().for_each(|name| data(&mut xml, "name", name));
        data(&mut xml, "text", &node.text);
        node.step.iter().for_each(|step| data(&mut xml, "step", &step.to_string()));
        data(&mut xml, "start", &node.span.start.to_string());
        data(&mut xml, "end", &node.span.end.to_string());
        xml.push_str("    </node>\n");
    }
    for (used, user) in &graph.edges {
        line(&mut xml, format_args!("    <edge source=\"n{used}\" target=\"n{user}\"/>"));
    }
    xml.push_str("  </graph>\n</graphml>\n");
    Ok(xml)
}

fn line(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = writeln!(xml, "{text}");
}

fn data(xml: &mut String, field: &str, text: &str) {
    let (field, text) = if fits_xml(text) {
        (field.to_owned(), text.to_owned())
    } else {
        let quoted = serde_json::Value::from(text).to_string();
        (format!("{field}_json"), quoted.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
    };
    // A reader makes a line feed of a bare carriage return.
    let text = escape(text.as_str()).replace('\r', "&#13;");
    line(xml, format_args!("      <data key=\"{field}\">{text}</data>"));
}

/// What a file says of one node.
#[derive(Default)]
struct Point {
    id: String,
    data: BTreeMap<String, String>,
}

/// A file as it is read, element by element.
#[derive(Default)]
struct File {
    keys: BTreeMap<String, String>,
    points: Vec<Point>,
    edges: Vec<(String, String)>,
    open: Vec<String>,
    graphs: usize,
    /// The key of the `data` element that is open, inside a node.
    key: Option<String>,
    text: String,
}

/// A graph from XML; a node that others wrote is what its `text`, `label` or `name` says, else its id.
///
/// # Errors
/// What is no XML, holds no graph, several, or an undirected one; a node that comes twice, an edge to one that is not there, edges
/// that go round.
///
/// ```
/// use babelscope_probes::cot::formats::{graphml::import, unparsed};
/// let xml = br#"<graphml><graph edgedefault="directed"><node id="a"/><node id="b"/>
///     <edge source="b" target="a"/></graph></graphml>"#;
/// let graph = import(xml, &unparsed)?;
/// assert_eq!((graph.nodes[0].text.as_str(), graph.edges), ("b", vec![(0, 1)]));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn import(xml: &[u8], parse: &dyn Fn(&str) -> Parsed) -> Result<Graph> {
    let xml = std::str::from_utf8(xml).map_err(|e| refuse(format!("the file is not UTF-8: {e}")))?;
    let mut reader = Reader::from_str(xml);
    let mut file = File::default();
    loop {
        let at = reader.buffer_position();
        let broken =
            |e: &dyn std::fmt::Display| refuse(format!("the file is no XML at byte {at}: {}", shown(&e.to_string())));
        match reader.read_event().map_err(|e| broken(&e))? {
            Event::Start(tag) => file.start(&tag, false)?,
            Event::Empty(tag) => file.start(&tag, true)?,
            Event::End(_) => file.end(),
            Event::Text(text) if file.key.is_some() => {
                file.text.push_str(&text.xml10_content().map_err(|e| broken(&e))?);
            }
            Event::CData(text) if file.key.is_some() => {
                file.text.push_str(&text.xml10_content().map_err(|e| broken(&e))?);
            }
            Event::GeneralRef(entity) if file.key.is_some() => {
                let name = entity.decode().map_err(|e| broken(&e))?;
                match entity.resolve_char_ref().map_err(|e| broken(&e))? {
                    Some(c) => file.text.push(c),
                    None => match resolve_predefined_entity(&name) {
                        Some(text) => file.text.push_str(text),
                        None => return Err(refuse(format!("the entity &{}; at byte {at} is not known", shown(&name)))),
                    },
                }
            }
            Event::Eof => break,
            _ => (),
        }
    }
    if let Some(open) = file.open.last() {
        return Err(refuse(format!("the file ends inside <{}>", shown(open))));
    }
    if file.graphs != 1 {
        return Err(refuse(format!("expected one <graph>, got {}", file.graphs)));
    }
    file.graph(parse)
}

impl File {
    fn start(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<()> {
        let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
        let unread = |e: &dyn std::fmt::Display| {
            refuse(format!("an attribute of <{}> cannot be read: {}", shown(&name), shown(&e.to_string())))
        };
        let mut attributes: BTreeMap<String, String> = BTreeMap::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| unread(&e))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| unread(&e))?;
            let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            attributes.insert(key, value.into_owned());
        }
        let mut need =
            |key: &str| attributes.remove(key).ok_or_else(|| refuse(format!("<{name}> has no attribute `{key}`")));
        match name.as_str() {
            "graph" => {
                self.graphs += 1;
                if attributes.get("edgedefault").is_some_and(|default| default != "directed") {
                    return Err(refuse("the graph is undirected; a derivation has a direction"));
                }
            }
            "key" => {
                let id = need("id")?;
                let called = need("attr.name").unwrap_or_else(|_| id.clone());
                self.keys.insert(id, called);
            }
            "node" => self.points.push(Point { id: need("id")?, ..Point::default() }),
            "edge" => self.edges.push((need("source")?, need("target")?)),
            "data" if self.open.last().is_some_and(|open| open == "node") => {
                let key = need("key")?;
                if empty {
                    self.keep(&key, String::new());
                } else {
                    self.key = Some(key);
                }
            }
            _ => (),
        }
        if !empty {
            self.open.push(name);
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.open.pop().is_some_and(|name| name == "data")
            && let Some(key) = self.key.take()
        {
            let text = std::mem::take(&mut self.text);
            self.keep(&key, text);
        }
    }

    fn keep(&mut self, key: &str, text: String) {
        let field = self.keys.get(key).cloned().unwrap_or_else(|| key.to_owned());
        if let Some(point) = self.points.last_mut() {
            point.data.insert(field, text);
        }
    }

    fn graph(self, parse: &dyn Fn(&str) -> Parsed) -> Result<Graph> {
        let named = |id: &str| format!("node {id:?}");
        let mut parents: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (source, target) in &self.edges {
            parents.entry(target).or_default().push(named(source));
        }
        let mut records = Vec::with_capacity(self.points.len());
        for (at, point) in self.points.iter().enumerate() {
            records.push(Record {
                id: named(&point.id),
                node: point.node(at, parse)?,
                parents: parents.remove(point.id.as_str()).unwrap_or_default(),
            });
        }
        if let Some(id) = parents.keys().find(|id| !self.points.iter().any(|point| point.id == **id)) {
            return Err(refuse(format!("an edge leads to {}, which is not there", shown(&named(id)))));
        }
        ordered(FORMAT, records)
    }
}

impl Point {
    /// As messages call it.
    fn shown(&self) -> String {
        shown(&format!("node {:?}", self.id))
    }

    fn field(&self, field: &str) -> Result<Option<String>> {
        if let Some(quoted) = self.data.get(&format!("{field}_json")) {
            let text = serde_json::from_str(quoted);
            return text
                .map(Some)
                .map_err(|e| refuse(format!("{}: `{field}_json` is no JSON string: {}", self.shown(), json(&e))));
        }
        Ok(self.data.get(field).cloned())
    }

    fn number(&self, field: &str) -> Result<Option<usize>> {
        let number = |text: String| {
            let wrong = |e: std::num::ParseIntError| {
                refuse(format!(
                    "{}: `{field}` must be a whole number, got {}: {e}",
                    self.shown(),
                    shown(&format!("{text:?}"))
                ))
            };
            text.parse().map_err(wrong)
        };
        self.field(field)?.map(number).transpose()
    }

    fn node(&self, at: usize, parse: &dyn Fn(&str) -> Parsed) -> Result<Node> {
        let role = match self.field("role")?.as_deref() {
            Some("given") => Role::Given,
            Some("answer") => Role::Answer,
            _ => Role::Derived,
        };
        let text = self.field("text")?;
        let Some(normal) = self.field("normal")? else {
            let label = text.or(self.field("label")?).or(self.field("name")?).unwrap_or_else(|| self.id.clone());
            return Ok(written(&label, role, at, parse));
        };
        let value = |text: String| text.parse().map_err(|why| refuse(format!("{}: {why}", self.shown())));
        Ok(Node {
            role,
            value: self.field("value")?.map(value).transpose()?,
            name: self.field("name")?,
            text: text.unwrap_or_else(|| normal.clone()),
            normal,
            step: self.number("step")?,
            span: self.number("start")?.unwrap_or_default()..self.number("end")?.unwrap_or_default(),
        })
    }
}
