//! Which node of a trace stands for which node of the reference.
//!
//! One-to-one for what is correct: each reference node is matched by at most one node of the trace, the earliest that fits.
//! 1. Givens by value, else by canonical form, among givens.
//! 2. By canonical form: same operands, same operators, same value.
//! 3. In the order of time, what is left **by value with role**: the value is the same and nothing speaks against it, that is, one of
//!    the two has no operands, or they share an operand, or both are the answer, or both have the same name. Of several: the same
//!    shape, then the most shared operands, then the earliest. Where the reference node is matched already, the node is another way
//!    to the same value: it stands for it too, but matches nothing. What is built from operands is no given, and what has the shape of
//!    nodes of other values alone is none of this value: it is a slip of those, which came to a number that stands elsewhere by accident.
//! 4. What has another value stands **wrongly** for a reference node of the same shape; else for the one that its name stood for (an
//!    update of itself, `x = x + 1`, does not count) or has in the reference; else, if it is the trace's answer, for the answer.
//!
//! An answer stands for no given: one that repeats a given is a wrong answer. An answer of another value than the reference's is wrong
//! (`Alignment::denied`) even where its node rightly stands for a step on the way.
//!
//! **Shape**: operators and operands of a side of the equation, with each operand replaced by what the reference says where the node that it comes from stands
//! for one. So `36 - 5 = 31` has the shape of `34 - 5 = 29` if 36 came from a wrong `2 * 17`. A mistake is counted once where it is
//! made and once wherever it arrives; it is not counted as a gap.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    form::{Form, Operand},
    graph::{Graph, Node, Role},
    value::Value,
};

/// By what a node was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Its canonical form.
    Normal,
    /// Its value, with its role.
    Value,
    /// Operators and operands; the value differs.
    Shape,
    /// Its name; the value differs.
    Name,
    /// Both are the answer; the value differs.
    Answer,
}

/// What a node of the trace stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// The node of the reference.
    pub anchor: usize,
    /// Whether it says what the reference says.
    pub correct: bool,
    /// How it was recognised.
    pub by: By,
}

pub(crate) struct Alignment {
    /// What each node of the trace stands for.
    pub(crate) stands: Vec<Option<Stand>>,
    /// The node of the trace that matches each node of the reference.
    pub(crate) matched: Vec<Option<usize>>,
    /// The trace's answer and the reference's, where they are not the same.
    pub(crate) denied: Option<Denied>,
}

/// An answer that is not the reference's.
#[derive(Clone, Copy)]
pub(crate) struct Denied {
    /// The node of the trace that is its answer, whatever it stands for.
    pub(crate) node: usize,
    /// The answer of the reference.
    pub(crate) anchor: usize,
}

impl Denied {
    fn of(reference: &Graph, target: &Graph) -> Option<Self> {
        let says =
            |graph: &Graph, at: usize| graph.nodes[at].value.clone().ok_or_else(|| graph.nodes[at].normal.clone());
        let denied = Self { node: target.answer()?, anchor: reference.answer()? };
        (says(target, denied.node) != says(reference, denied.anchor)).then_some(denied)
    }
}

impl Alignment {
    fn stand(&mut self, node: usize, anchor: usize, correct: bool, by: By) {
        self.stands[node] = Some(Stand { anchor, correct, by });
        if correct && self.matched[anchor].is_none() {
            self.matched[anchor] = Some(node);
        }
    }
}

/// A graph with what the comparison asks of its nodes.
struct Side<'a> {
    graph: &'a Graph,
    forms: Vec<Form>,
    parents: Vec<Vec<usize>>,
}

impl<'a> Side<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, forms: graph.nodes.iter().map(Form::of_node).collect(), parents: graph.parents() }
    }

    fn node(&self, at: usize) -> &'a Node {
        &self.graph.nodes[at]
    }

    /// Each operand as the reference would say it: `stands_for` leads from a parent to its reference node.
    fn words(&self, at: usize, reference: &Graph, stands_for: &dyn Fn(usize) -> Option<usize>) -> Vec<String> {
        let mut by_value: HashMap<&Value, usize> = HashMap::new();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for parent in &self.parents[at] {
            let node = self.node(*parent);
            by_value.extend(node.value.as_ref().map(|value| (value, *parent)));
            by_name.extend(node.name.as_deref().map(|name| (name, *parent)));
        }
        let word = |node: &Node, at: usize| node.value.as_ref().map_or_else(|| format!("#{at}"), Value::to_string);
        let says = |parent: usize| match stands_for(parent) {
            Some(anchor) => word(&reference.nodes[anchor], anchor),
            None => self.node(parent).value.as_ref().map_or_else(|| format!("?{parent}"), Value::to_string),
        };
        // `34 - 5` is also how `34 + -5` is written: the parent may be -5.
        let number = |value: &Value| {
            if let Some(parent) = by_value.get(value) {
                return says(*parent);
            }
            let negative = Value(-value.0.clone());
            match by_value.get(&negative).and_then(|parent| says(*parent).parse::<Value>().ok()) {
                Some(told) => Value(-told.0).to_string(),
                None => value.to_string(),
            }
        };
        (self.forms[at].operands.iter())
            .map(|operand| match operand {
                Operand::Number(value) => number(value),
                Operand::Name(name) => by_name.get(name.as_str()).map_or_else(|| name.clone(), |p| says(*p)),
            })
            .collect()
    }
}

struct Wanted {
    shapes: Vec<String>,
    operands: Vec<String>,
}

impl Wanted {
    fn of(form: &Form, words: Vec<String>) -> Self {
        let shapes = form.shapes(&words);
        let mut operands = words;
        operands.sort_unstable();
        Self { shapes, operands }
    }

    fn shared(&self, other: &Self) -> usize {
        let (mut a, mut b) = (self.operands.iter().peekable(), other.operands.iter().peekable());
        let mut shared = 0;
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            match x.cmp(y) {
                std::cmp::Ordering::Less => drop(a.next()),
                std::cmp::Ordering::Greater => drop(b.next()),
                std::cmp::Ordering::Equal => {
                    shared += 1;
                    a.next();
                    b.next();
                }
            }
        }
        shared
    }
}

/// Both graphs keep their promises ([`Graph::problem`]).
pub(crate) fn align(reference: &Graph, target: &Graph) -> Alignment {
    let mut alignment = Alignment {
        stands: vec![None; target.nodes.len()],
        matched: vec![None; reference.nodes.len()],
        denied: Denied::of(reference, target),
    };
    let (wanted, found) = (Side::new(reference), Side::new(target));
    givens(reference, target, &mut alignment);
    same_form(&wanted, &found, &mut alignment);
    let wants: Vec<Wanted> = (0..reference.nodes.len())
        .map(|at| Wanted::of(&wanted.forms[at], wanted.words(at, reference, &|parent| Some(parent))))
        .collect();
    let mut by_value: HashMap<&Value, Vec<usize>> = HashMap::new();
    let mut by_shape: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (at, node) in reference.nodes.iter().enumerate() {
        if let Some(value) = &node.value {
            by_value.entry(value).or_default().push(at);
            if !wants[at].operands.is_empty() {
                wants[at].shapes.iter().for_each(|shape| by_shape.entry(shape).or_default().push(at));
            }
            if let Some(name) = &node.name {
                by_name.entry(name).or_insert(at);
            }
        }
    }
    let mut named: HashMap<&str, usize> = HashMap::new();
    for (at, node) in target.nodes.iter().enumerate() {
        if alignment.stands[at].is_none() && node.role != Role::Given && node.value.is_some() {
            let words = found.words(at, reference, &|parent| alignment.stands[parent].map(|stand| stand.anchor));
            let says = Wanted::of(&found.forms[at], words);
            let same_value = node.value.as_ref().and_then(|value| by_value.get(value));
            let same_shape = || says.shapes.iter().filter_map(|shape| by_shape.get(shape.as_str())).flatten();
            let free = |anchor: &usize| alignment.matched[*anchor].is_none();
            let slip = same_shape().next().is_some()
                && same_shape().all(|anchor| reference.nodes[*anchor].value != node.value);
            let right = same_value.and_then(|anchors| {
                let fits = anchors.iter().filter(|anchor| {
                    let (want, there) = (&wants[**anchor], &reference.nodes[**anchor]);
                    let both_answer = there.role == Role::Answer && node.role == Role::Answer;
                    let named = there.name.is_some() && there.name == node.name;
                    if there.role == Role::Given {
                        return node.role != Role::Answer && (says.operands.is_empty() || named);
                    }
                    let plain = want.operands.is_empty() || says.operands.is_empty();
                    both_answer || (!slip && (plain || named || want.shared(&says) > 0))
                });
                let score = |anchor: &usize| {
                    let want = &wants[*anchor];
                    (
                        free(anchor),
                        want.shapes.iter().any(|shape| says.shapes.contains(shape)),
                        want.shared(&says),
                        std::cmp::Reverse(*anchor),
                    )
                };
                fits.max_by_key(|anchor| score(anchor)).copied()
            });
            let wrong = || {
                let shaped = same_shape().find(|anchor| free(anchor)).or_else(|| same_shape().next());
                let name = node.name.as_deref();
                let stood = name.and_then(|name| named.get(name)).filter(|past| !found.parents[at].contains(past));
                let stood = stood.and_then(|past| alignment.stands[*past]).map(|stand| stand.anchor);
                let called = name.and_then(|name| by_name.get(name)).copied();
                let called = called.filter(|anchor| says.operands.is_empty() || wants[*anchor].shared(&says) > 0);
                let answer = reference.answer().filter(|_| node.role == Role::Answer);
                (shaped.map(|anchor| (*anchor, By::Shape)))
                    .or(stood.or(called).map(|anchor| (anchor, By::Name)))
                    .or(answer.map(|anchor| (anchor, By::Answer)))
                    .filter(|(anchor, _)| reference.nodes[*anchor].value.is_some())
            };
            match right {
                Some(anchor) => alignment.stand(at, anchor, true, By::Value),
                None => {
                    if let Some((anchor, by)) = wrong() {
                        alignment.stand(at, anchor, false, by);
                    }
                }
            }
        }
        named.extend(node.name.as_deref().map(|name| (name, at)));
    }
    alignment
}

fn givens(reference: &Graph, target: &Graph, alignment: &mut Alignment) {
    let given = |graph: &Graph| -> Vec<usize> {
        (0..graph.nodes.len()).filter(|at| graph.nodes[*at].role == Role::Given).collect()
    };
    let (wanted, there) = (given(reference), given(target));
    type Key<'a> = fn(&'a Node) -> Option<String>;
    let keys: [(Key<'_>, By); 2] =
        [(|node| node.value.as_ref().map(Value::to_string), By::Value), (|node| Some(node.normal.clone()), By::Normal)];
    for (key, by) in keys {
        let mut waiting: HashMap<String, Vec<usize>> = HashMap::new();
        for anchor in wanted.iter().rev().filter(|anchor| alignment.matched[**anchor].is_none()) {
            if let Some(key) = key(&reference.nodes[*anchor]) {
                waiting.entry(key).or_default().push(*anchor);
            }
        }
        for node in &there {
            if alignment.stands[*node].is_some() {
                continue;
            }
            let anchor = key(&target.nodes[*node]).and_then(|key| waiting.get_mut(&key)?.pop());
            if let Some(anchor) = anchor {
                alignment.stand(*node, anchor, true, by);
            }
        }
    }
}

fn same_form(wanted: &Side<'_>, found: &Side<'_>, alignment: &mut Alignment) {
    let key = |side: &Side<'_>, at: usize| side.forms[at].key(&side.node(at).normal, side.node(at).value.as_ref());
    let mut waiting: HashMap<(String, Option<Value>), Vec<usize>> = HashMap::new();
    for anchor in (0..wanted.forms.len()).rev().filter(|at| wanted.node(*at).role != Role::Given) {
        waiting.entry(key(wanted, anchor)).or_default().push(anchor);
    }
    for node in (0..found.forms.len()).filter(|at| found.node(*at).role != Role::Given) {
        if let Some(anchor) = waiting.get_mut(&key(found, node)).and_then(Vec::pop) {
            alignment.stand(node, anchor, true, By::Normal);
        }
    }
}
