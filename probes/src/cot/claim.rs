//! What a chain `a = b = c` claims: name, value, what it uses, whether its arithmetic holds.

use std::collections::HashMap;

use num_rational::BigRational;
use num_traits::Signed as _;

use super::{
    anchor::{Kind, Use},
    expression::{Expression, Literal},
    lex::is_symbol,
    value::Value,
};

/// Members of a chain; before each but the first, whether the sign says "about".
pub(super) struct Chain {
    pub(super) members: Vec<Expression>,
    pub(super) about: Vec<bool>,
}

/// An anchor without its place.
pub(super) struct Claim {
    pub(super) kind: Kind,
    pub(super) normal: String,
    pub(super) value: Option<Value>,
    pub(super) name: Option<String>,
    pub(super) uses: Vec<Use>,
    pub(super) holds: Option<bool>,
}

/// A number alone, perhaps negative.
pub(super) fn bare(expression: &Expression) -> bool {
    match expression {
        Expression::Number(_) => true,
        Expression::Sum(operands) => matches!(operands.as_slice(), [(true, Expression::Number(_))]),
        _ => false,
    }
}

impl Claim {
    /// A number that stands alone.
    pub(super) fn quantity(number: &Expression) -> Self {
        let value = number.literal();
        let normal = normal_value(number, value.as_ref());
        Self { kind: Kind::Quantity, normal, value, name: None, uses: Vec::new(), holds: None }
    }

    /// An expression that stands for its value.
    pub(super) fn computed(read: &Expression) -> Self {
        let mut uses = Vec::new();
        if read.literal().is_none() {
            read.uses(&mut uses);
        }
        Self { value: read.literal().or_else(|| read.value()), uses, ..Self::quantity(read) }
    }

    /// What a chain of two or more members says; `None` where nothing but a name or a number is left of it. `values` are those of the
    /// words that were named before; `named` says whether a word can be a name.
    pub(super) fn of(mut chain: Chain, values: &HashMap<String, Value>, named: &impl Fn(&str) -> bool) -> Option<Self> {
        let holds = chain.holds();
        let Chain { members, .. } = &mut chain;
        let mut name = None;
        if let Some(Expression::Name(first)) = members.first() {
            let first = first.clone();
            members.remove(0);
            name = (is_symbol(&first) || named(&first)).then_some(first);
            if name.is_none() && members.len() < 2 {
                return None;
            }
        } else if let [body, Expression::Name(last)] = members.as_slice()
            && !matches!(body, Expression::Name(_))
            && (is_symbol(last) || named(last))
        {
            name = Some(last.clone());
            members.pop();
        } else if let [left, right] = members.as_mut_slice()
            && bare(left)
            && !bare(right)
        {
            std::mem::swap(left, right); // 7 = 3 + 4
        }
        let uses = uses(members);
        let word = |name: &str| if is_symbol(name) { None } else { values.get(name).cloned() };
        members.iter_mut().for_each(|member| member.replace(&word));
        let (first, last) = (members.first()?, members.last()?);
        let value = last.literal().or_else(|| last.value());
        let mut parts: Vec<String> = name.iter().filter(|name| is_symbol(name)).cloned().collect();
        if holds == Some(false) {
            parts.extend(members[..members.len() - 1].iter().map(ToString::to_string));
        } else if members.len() > 1 {
            parts.push(first.to_string());
        }
        parts.push(normal_value(last, last.literal().as_ref()));
        let kind = if name.is_some() { Kind::Assignment } else { Kind::Equation };
        Some(Self { kind, normal: parts.join(" = "), value, name, uses, holds })
    }
}

/// A value as it is printed: 3/4 whether it was written as a division or as a decimal, but percent stays.
fn normal_value(written: &Expression, value: Option<&Value>) -> String {
    match (written, value) {
        (Expression::Number(Literal { percent: false, .. }) | Expression::Product(_), Some(value)) => value.to_string(),
        _ => written.to_string(),
    }
}

/// What the first member is built from, and the next ones as long as they spell out names: P + Q = 12 + 5 = 17.
fn uses(members: &[Expression]) -> Vec<Use> {
    let mut uses = Vec::new();
    for (i, member) in members.iter().enumerate() {
        if i > 0 && (i + 1 == members.len() && member.literal().is_some()) {
            break;
        }
        let from = uses.len();
        match member.literal().filter(|_| bare(member)) {
            Some(value) => uses.push(Use::Value(value)),
            None => member.uses(&mut uses),
        }
        if !uses[from..].iter().any(|used| matches!(used, Use::Name(_))) {
            break;
        }
    }
    uses
}

impl Chain {
    /// Whether every link between two numbers holds; `None` where there is no such link.
    fn holds(&self) -> Option<bool> {
        let values: Vec<Option<Value>> = self.members.iter().map(Expression::value).collect();
        let mut holds = None;
        for (i, about) in self.about.iter().enumerate() {
            let (Some(left), Some(right), false) = (&values[i], &values[i + 1], *about) else { continue };
            let link = left == right || rounded(&left.0, &self.members[i + 1]) || rounded(&right.0, &self.members[i]);
            holds = Some(link && holds != Some(false));
        }
        holds
    }
}

/// Whether a number with two or more decimals is `exact`, rounded to them: 10 / 3 = 3.33.
fn rounded(exact: &BigRational, written: &Expression) -> bool {
    let Expression::Number(literal) = written else { return false };
    if literal.decimals < 2 || literal.percent {
        return false;
    }
    let ten = BigRational::from_integer(10.into());
    let unit = (0..literal.decimals).fold(BigRational::from_integer(1.into()), |unit, _| unit / &ten);
    (exact - &literal.value.0).abs() * BigRational::from_integer(2.into()) <= unit
}
