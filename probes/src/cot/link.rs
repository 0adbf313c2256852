//! From anchors to a graph: which assertion is new, which is a repetition, and what each was built from.
//!
//! - **Edge** u -> v: v uses the value or the name that u introduces, and u is the latest such assertion before v; or v says "from step
//!   k", and u is the last assertion of that step. Never to itself, never backwards: the graph has no cycle (methods.md 7.1).
//! - **Node**: an assertion that was not there before. Two assertions are the same if their operands and operators are written the same
//!   and the value is the same; a name given to it makes no difference. Edges are those of the first time.
//! - **Action**: every assertion in the order of time, repetitions included, so that a loop is seen though its nodes are there once.
//!
//! What is only mentioned is no action and no node:
//! - a number that stands alone (or is set equal to a name: `x = 7`) and whose value is there already, given or derived. The name then
//!   belongs to that node, unless it belonged to another value: then `x = 7` is an assertion of its own, for it may contradict;
//! - a number that stands alone and that a later assertion derives ("17, since 12 + 5 = 17");
//! - an answer whose value was derived: that node becomes the answer, the latest one of several. So does the one that is derived
//!   later, if the answer comes first. The last answer of a trace counts.
//!
//! A number that nothing else says is a node without parents; an answer that nothing derives is a node too, built from the given
//! that has its value, if one has. A number that is used but was never said (a constant) is no node. Givens of equal form are one.
//!
//! Time: one look-up for each anchor and each use, one sort.

use std::{collections::HashMap, ops::Range};

use serde::{Deserialize, Serialize};

use super::{
    anchor::{Anchor, Kind, Use},
    form::Form,
    graph::{Graph, Node, Role},
    value::Value,
};

/// One assertion in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What it says.
    pub node: usize,
    /// Its step.
    pub step: Option<usize>,
    /// Its bytes in the trace.
    pub span: Range<usize>,
}

/// A trace as a graph and as a course of actions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trajectory {
    /// Each assertion once.
    pub graph: Graph,
    /// Every assertion, as often as it was made.
    pub actions: Vec<Action>,
    /// The node that each anchor says or mentions, in the order in which the anchors came; none for a number that leads nowhere.
    pub said: Vec<Option<usize>>,
}

impl Trajectory {
    /// Links anchors. `givens` are those of the statement; "step k" is the k-th step of the segmentation.
    ///
    /// ```
    /// use babelscope_probes::cot::{Anchor, Kind, Role, Trajectory, Use, Value};
    ///
    /// let anchor = |kind, normal: &str, value: i64, uses: &[i64]| -> Result<Anchor, serde_json::Error> {
    ///     let uses: Vec<Use> = uses.iter().map(|v| Use::Value((*v).into())).collect();
    ///     serde_json::from_value(serde_json::json!({"step": 0, "span": {"start": 0, "end": 0}, "kind": kind, "normal": normal,
    ///         "value": Value::from(value), "name": null, "unit": null, "uses": uses}))
    /// };
    /// let givens = [anchor(Kind::Quantity, "12", 12, &[])?, anchor(Kind::Quantity, "5", 5, &[])?];
    /// let said = [anchor(Kind::Equation, "12 + 5 = 17", 17, &[12, 5])?, anchor(Kind::Answer, "17", 17, &[])?];
    /// let graph = Trajectory::of(&givens, &said).graph;
    /// assert_eq!(graph.edges, [(0, 2), (1, 2)]);
    /// assert_eq!(graph.nodes[2].role, Role::Answer);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn of(givens: &[Anchor], anchors: &[Anchor]) -> Self {
        Self::numbered(givens, anchors, &|number| number.checked_sub(1))
    }

    /// [`Trajectory::of`] where the trace counts its steps otherwise: `step_of` says which step calls itself by that number.
    pub fn numbered(givens: &[Anchor], anchors: &[Anchor], step_of: &dyn Fn(usize) -> Option<usize>) -> Self {
        let mut order: Vec<usize> = (0..anchors.len()).collect();
        order.sort_by_key(|at| anchors[*at].span.start);
        let mut linker = Linker::new(anchors, &order, step_of);
        givens.iter().for_each(|given| linker.give(given));
        order.iter().enumerate().for_each(|(time, at)| linker.say(time, *at, &anchors[*at]));
        linker.finish(anchors)
    }

    /// The same with each node's text cut from the statement and the trace.
    #[must_use]
    pub fn with_text(mut self, statement: &str, text: &str) -> Self {
        for node in &mut self.graph.nodes {
            let of = if node.role == Role::Given { statement } else { text };
            if let Some(written) = of.get(node.span.clone()) {
                written.clone_into(&mut node.text);
            }
        }
        self
    }
}

impl From<Graph> for Trajectory {
    /// Every node that is no given, said once, in the order of the nodes.
    fn from(graph: Graph) -> Self {
        let derived = graph.nodes.iter().enumerate().filter(|(_, node)| node.role != Role::Given);
        let actions = derived.map(|(at, node)| Action { node: at, step: node.step, span: node.span.clone() });
        Self { actions: actions.collect(), said: Vec::new(), graph }
    }
}

/// Which node is the answer, as far as it is known.
enum Answer {
    Node(usize),
    /// The one that will derive this.
    Derives(Value),
}

struct Linker<'a> {
    step_of: &'a dyn Fn(usize) -> Option<usize>,
    /// When each value is last asserted.
    last: HashMap<&'a Value, usize>,
    trajectory: Trajectory,
    known: HashMap<(String, Option<Value>), usize>,
    /// The latest node of each value, among all and among those that are no givens.
    values: HashMap<Value, usize>,
    derived: HashMap<Value, usize>,
    names: HashMap<String, usize>,
    steps: HashMap<usize, usize>,
    answer: Option<Answer>,
}

/// Whether it is built from something other than its own value.
fn derives(anchor: &Anchor) -> bool {
    anchor.kind == Kind::Equation
        || anchor.uses.iter().any(|used| !matches!(used, Use::Value(v) if Some(v) == anchor.value.as_ref()))
}

impl<'a> Linker<'a> {
    fn new(anchors: &'a [Anchor], order: &[usize], step_of: &'a dyn Fn(usize) -> Option<usize>) -> Self {
        let asserts = |anchor: &Anchor| matches!(anchor.kind, Kind::Equation | Kind::Assignment);
        let asserted = order.iter().enumerate().filter(|(_, at)| asserts(&anchors[**at]));
        let last = asserted.filter_map(|(time, at)| Some((anchors[*at].value.as_ref()?, time))).collect();
        Self {
            step_of,
            last,
            trajectory: Trajectory { said: vec![None; anchors.len()], ..Trajectory::default() },
            known: HashMap::new(),
            values: HashMap::new(),
            derived: HashMap::new(),
            names: HashMap::new(),
            steps: HashMap::new(),
            answer: None,
        }
    }

    fn give(&mut self, given: &Anchor) {
        let key = key(given);
        let node = match self.known.get(&key) {
            Some(node) => *node,
            None => self.push(given, Role::Given, key),
        };
        self.bind(given, node);
    }

    fn say(&mut self, time: usize, at: usize, anchor: &Anchor) {
        let holder = anchor.value.as_ref().and_then(|value| self.values.get(value)).copied();
        let later = anchor.value.as_ref().is_some_and(|value| self.last.get(value).is_some_and(|last| *last > time));
        let key = key(anchor);
        let known = self.known.get(&key).copied();
        let node = match anchor.kind {
            Kind::Answer => self.answer(anchor, key, holder, later),
            Kind::Quantity if holder.is_none() && known.is_none() => {
                if later {
                    return;
                }
                Some(self.assert(anchor, key))
            }
            Kind::Quantity => holder.or(known),
            Kind::Assignment if !derives(anchor) => Some(self.name(anchor, key, holder)),
            Kind::Equation | Kind::Assignment => Some(match known {
                Some(given) if self.trajectory.graph.nodes[given].role == Role::Given => given,
                Some(node) => {
                    self.act(anchor, node);
                    node
                }
                None => self.assert(anchor, key),
            }),
        };
        self.trajectory.said[at] = node;
        if let (Some(node), Some(step)) = (node, anchor.step) {
            self.steps.entry(step).or_insert(node);
        }
    }

    /// `x = 7`, without operands.
    fn name(&mut self, anchor: &Anchor, key: (String, Option<Value>), holder: Option<usize>) -> usize {
        let named = anchor.name.as_ref().and_then(|name| self.names.get(name)).copied();
        let same = named.is_none_or(|node| self.trajectory.graph.nodes[node].value == anchor.value);
        let mentioned = if same { named.or(holder) } else { None };
        match (mentioned, self.known.get(&key).copied()) {
            (Some(node), _) => {
                if let Some(name) = &anchor.name {
                    self.trajectory.graph.nodes[node].name.get_or_insert_with(|| name.clone());
                    self.names.insert(name.clone(), node);
                }
                node
            }
            // Said before, and the name has had another value since.
            (None, Some(node)) => {
                self.act(anchor, node);
                node
            }
            (None, None) => self.assert(anchor, key),
        }
    }

    fn answer(
        &mut self,
        anchor: &Anchor,
        key: (String, Option<Value>),
        holder: Option<usize>,
        later: bool,
    ) -> Option<usize> {
        if let Some(node) = anchor.value.as_ref().and_then(|value| self.derived.get(value)) {
            self.answer = Some(Answer::Node(*node));
            return Some(*node);
        }
        if let (true, Some(value)) = (later, &anchor.value) {
            self.answer = Some(Answer::Derives(value.clone()));
            return None;
        }
        let same = self.known.get(&key).filter(|node| self.trajectory.graph.nodes[**node].role != Role::Given);
        let node = match same {
            Some(node) => *node,
            None => {
                let node = self.assert(anchor, key);
                self.trajectory.graph.edges.extend(holder.map(|given| (given, node)));
                node
            }
        };
        self.answer = Some(Answer::Node(node));
        Some(node)
    }

    /// A new node, with its edges, and the action that makes it.
    fn assert(&mut self, anchor: &Anchor, key: (String, Option<Value>)) -> usize {
        let parents: Vec<usize> = anchor.uses.iter().filter_map(|used| self.used(anchor, used)).collect();
        let node = self.push(anchor, Role::Derived, key);
        self.trajectory.graph.edges.extend(parents.into_iter().map(|parent| (parent, node)));
        self.act(anchor, node);
        node
    }

    fn used(&self, anchor: &Anchor, used: &Use) -> Option<usize> {
        match used {
            Use::Value(value) => self.values.get(value).copied(),
            Use::Name(name) => self.names.get(name).copied(),
            Use::Step(number) => {
                let step = (self.step_of)(*number).filter(|step| Some(*step) != anchor.step)?;
                self.steps.get(&step).copied()
            }
        }
    }

    fn act(&mut self, anchor: &Anchor, node: usize) {
        self.trajectory.actions.push(Action { node, step: anchor.step, span: anchor.span.clone() });
        self.bind(anchor, node);
        if let Some(step) = anchor.step {
            self.steps.insert(step, node);
        }
    }

    /// From now on the value and the name are this node's.
    fn bind(&mut self, anchor: &Anchor, node: usize) {
        if let Some(value) = &anchor.value {
            self.values.insert(value.clone(), node);
            if self.trajectory.graph.nodes[node].role != Role::Given {
                self.derived.insert(value.clone(), node);
            }
        }
        if let Some(name) = &anchor.name {
            self.trajectory.graph.nodes[node].name.get_or_insert_with(|| name.clone());
            self.names.insert(name.clone(), node);
        }
    }

    fn push(&mut self, anchor: &Anchor, role: Role, key: (String, Option<Value>)) -> usize {
        let node = self.trajectory.graph.nodes.len();
        self.known.entry(key).or_insert(node);
        self.trajectory.graph.nodes.push(Node {
            role,
            normal: anchor.normal.clone(),
            value: anchor.value.clone(),
            name: anchor.name.clone(),
            text: anchor.normal.clone(),
            step: anchor.step.filter(|_| role != Role::Given),
            span: anchor.span.clone(),
        });
        node
    }

    fn finish(mut self, anchors: &[Anchor]) -> Trajectory {
        for (said, anchor) in self.trajectory.said.iter_mut().zip(anchors) {
            if let (None, Some(value)) = (&said, &anchor.value) {
                *said = self.derived.get(value).copied();
            }
        }
        let answer = match self.answer {
            Some(Answer::Node(node)) => Some(node),
            Some(Answer::Derives(value)) => self.derived.get(&value).copied(),
            None => None,
        };
        if let Some(node) = answer {
            self.trajectory.graph.nodes[node].role = Role::Answer;
        }
        self.trajectory.graph.edges.sort_unstable();
        self.trajectory.graph.edges.dedup();
        self.trajectory
    }
}

fn key(anchor: &Anchor) -> (String, Option<Value>) {
    let form = Form::of(&anchor.normal, anchor.value.as_ref(), anchor.name.as_deref());
    let (body, value) = form.key(&anchor.normal, anchor.value.as_ref());
    // Without operands it is the name that makes it another assertion; a word does not stand in the canonical form.
    match &anchor.name {
        Some(name) if form.body.is_empty() => (format!("{name} = {body}"), value),
        _ => (body, value),
    }
}

#[cfg(test)]
mod tests;
