//! Expressions with exact numbers, and the one way in which each is printed.
//!
//! Canonical form: ASCII digits; sums and products are flat, their operands sorted as text (`12 + 5`, `2 * A`, what is subtracted or
//! divided by comes last); fractions as `7/2`, percentages as `20%`; brackets only where they are needed; `sqrt(16)` for roots. Two
//! texts that say the same in other digits, marks, signs or words have the same form.

use std::fmt::{self, Write as _};

use num_rational::BigRational;
use num_traits::{One as _, Signed as _, ToPrimitive as _, Zero as _};

use super::{anchor::Use, grammar, value::Value};

/// Values whose numerator or denominator is longer are not computed.
const MOST_BITS: u64 = 8192;

/// A number in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its value; 1/5 for 20 %.
    pub value: Value,
    /// How many decimals were written.
    pub decimals: usize,
    /// Written in percent.
    pub percent: bool,
}

/// An expression, its operands in the order of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A number.
    Number(Literal),
    /// A name: `A`, `x_1`, `total`.
    Name(String),
    /// Operands, each with whether it is subtracted.
    Sum(Vec<(bool, Self)>),
    /// Operands, each with whether it divides.
    Product(Vec<(bool, Self)>),
    /// Base and exponent.
    Power(Box<(Self, Self)>),
    /// A square root.
    Root(Box<Self>),
}

/// How tightly a printed form holds together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Sum,
    Product,
    Power,
    Atom,
}

impl Expression {
    /// The expression that a whole text writes: `+ - * / ^`, brackets, `2A`, LaTeX, in the digits and marks of a language.
    ///
    /// # Errors
    /// A sentence where the text is no expression.
    ///
    /// ```
    /// use babelscope_probes::cot::Expression;
    /// let print = |text, language| Expression::parse(text, language).map(|parsed| parsed.to_string());
    /// assert_eq!(print(r"5 + 2A - \frac{1}{2}", "eng_Latn").unwrap(), "2 * A + 5 - 1/2");
    /// assert_eq!(print("१२ × ५", "hin_Deva").unwrap(), "12 * 5");
    /// ```
    pub fn parse(text: &str, language: &str) -> Result<Self, String> {
        grammar::whole(text, language).ok_or_else(|| {
            let short: String = text.chars().take(60).collect();
            format!("expected a number or an expression such as 2 * (3 + 4), got {short:?}")
        })
    }

    /// A whole number or a fraction of any size.
    pub(super) fn number(value: BigRational) -> Self {
        Self::Number(Literal { value: Value(value), decimals: 0, percent: false })
    }

    /// The sum of operands; sums among them that are added are taken apart.
    pub(super) fn sum(operands: Vec<(bool, Self)>) -> Self {
        match flat(operands, |operand| if let Self::Sum(inner) = operand { Some(std::mem::take(inner)) } else { None })
        {
            Ok(alone) => alone,
            Err(operands) => Self::Sum(operands),
        }
    }

    /// The product of operands; products among them that multiply are taken apart.
    pub(super) fn product(operands: Vec<(bool, Self)>) -> Self {
        match flat(
            operands,
            |operand| if let Self::Product(inner) = operand { Some(std::mem::take(inner)) } else { None },
        ) {
            Ok(alone) => alone,
            Err(operands) => Self::Product(operands),
        }
    }

    /// Its exact value; `None` with a name in it, a division by zero, an irrational root, or a value of over 8192 bits.
    ///
    /// ```
    /// use babelscope_probes::cot::Expression;
    /// let value = |text| Expression::parse(text, "eng_Latn").ok()?.value().map(|value| value.to_string());
    /// assert_eq!(value("0.1 + 0.2").as_deref(), Some("3/10"));
    /// assert_eq!(value("2 ^ 10 / 3").as_deref(), Some("1024/3"));
    /// assert_eq!((value("1 / 0"), value("9^9^9"), value("x + 1")), (None, None, None));
    /// ```
    pub fn value(&self) -> Option<Value> {
        self.evaluate().map(Value)
    }

    fn evaluate(&self) -> Option<BigRational> {
        let value = match self {
            Self::Number(literal) => literal.value.0.clone(),
            Self::Name(_) => return None,
            Self::Sum(operands) => {
                // 50 + 20 % may mean 50.2 or 60.
                let percent =
                    |(_, operand): &(bool, Self)| matches!(operand, Self::Number(Literal { percent: true, .. }));
                let percents = operands.iter().filter(|operand| percent(operand)).count();
                if percents > 0 && percents < operands.len() {
                    return None;
                }
                operands.iter().try_fold(BigRational::zero(), |sum, (minus, operand)| {
                    let operand = operand.evaluate()?;
                    bounded(if *minus { sum - operand } else { sum + operand })
                })?
            }
            Self::Product(operands) => {
                operands.iter().try_fold(BigRational::one(), |product, (divides, operand)| {
                    let operand = operand.evaluate()?;
                    match *divides {
                        true if operand.is_zero() => None,
                        true => bounded(product / operand),
                        false => bounded(product * operand),
                    }
                })?
            }
            Self::Power(power) => {
                let (base, exponent) = (power.0.evaluate()?, power.1.evaluate()?);
                let exponent = exponent.is_integer().then(|| exponent.to_integer().to_i32()).flatten()?;
                let bits = base.numer().bits().max(base.denom().bits()) * u64::from(exponent.unsigned_abs());
                if bits > MOST_BITS || (base.is_zero() && exponent <= 0) {
                    return None;
                }
                base.pow(exponent)
            }
            Self::Root(inner) => {
                let inner = inner.evaluate().filter(|inner| !inner.is_negative())?;
                let root = BigRational::new(inner.numer().sqrt(), inner.denom().sqrt());
                (&root * &root == inner).then_some(root)?
            }
        };
        bounded(value)
    }

    /// Numbers and names, in the order of writing.
    pub(super) fn uses(&self, into: &mut Vec<Use>) {
        match self {
            Self::Number(literal) => into.push(Use::Value(literal.value.clone())),
            Self::Name(name) => into.push(Use::Name(name.clone())),
            Self::Sum(operands) | Self::Product(operands) => {
                operands.iter().for_each(|(_, operand)| operand.uses(into))
            }
            Self::Power(power) => {
                power.0.uses(into);
                power.1.uses(into);
            }
            Self::Root(inner) => inner.uses(into),
        }
    }

    /// A number, a negative one, or one whole number over another: what the right of an equation says as its value.
    pub(super) fn literal(&self) -> Option<Value> {
        let whole = |operand: &Self| matches!(operand, Self::Number(literal) if literal.value.0.is_integer());
        match self {
            Self::Number(literal) => Some(literal.value.clone()),
            Self::Sum(operands) => match operands.as_slice() {
                [(true, negative)] => negative.literal().map(|value| Value(-value.0)),
                _ => None,
            },
            Self::Product(operands) => match operands.as_slice() {
                [(false, above), (true, below)] if whole(above) && whole(below) => self.value(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Replaces names, where `of` knows a value.
    pub(super) fn replace(&mut self, of: &impl Fn(&str) -> Option<Value>) {
        match self {
            Self::Number(_) => {}
            Self::Name(name) => {
                if let Some(value) = of(name) {
                    *self = Self::number(value.0);
                }
            }
            Self::Sum(operands) | Self::Product(operands) => {
                operands.iter_mut().for_each(|(_, operand)| operand.replace(of));
            }
            Self::Power(power) => {
                power.0.replace(of);
                power.1.replace(of);
            }
            Self::Root(inner) => inner.replace(of),
        }
    }

    fn print(&self) -> (String, Bond) {
        match self {
            Self::Number(literal) => print_number(literal),
            Self::Name(name) => (name.clone(), Bond::Atom),
            Self::Sum(operands) => (print_sum(operands), Bond::Sum),
            Self::Product(operands) => (print_product(operands), Bond::Product),
            Self::Power(power) => {
                (format!("{}^{}", power.0.within(Bond::Atom), power.1.within(Bond::Atom)), Bond::Power)
            }
            Self::Root(inner) => (format!("sqrt({})", inner.print().0), Bond::Atom),
        }
    }

    /// Printed as an operand that must hold at least so tightly.
    fn within(&self, bond: Bond) -> String {
        let (text, own) = self.print();
        if own < bond { format!("({text})") } else { text }
    }
}

type Operands = Vec<(bool, Expression)>;

/// A single operand, or all of them with those that `open` takes apart.
fn flat(mut operands: Operands, open: fn(&mut Expression) -> Option<Operands>) -> Result<Expression, Operands> {
    if operands.len() == 1 && !operands[0].0 {
        return operands.pop().map(|(_, alone)| alone).ok_or(operands);
    }
    let mut flat = Vec::with_capacity(operands.len());
    for (inverse, mut operand) in operands {
        match if inverse { None } else { open(&mut operand) } {
            Some(inner) => flat.extend(inner),
            None => flat.push((inverse, operand)),
        }
    }
    Err(flat)
}

fn bounded(value: BigRational) -> Option<BigRational> {
    (value.numer().bits().max(value.denom().bits()) <= MOST_BITS).then_some(value)
}

fn print_number(literal: &Literal) -> (String, Bond) {
    let Value(value) = &literal.value;
    let text =
        if literal.percent { format!("{}%", value * BigRational::from_integer(100.into())) } else { value.to_string() };
    let bond = match value {
        _ if value.is_negative() => Bond::Sum,
        _ if text.contains('/') => Bond::Product,
        _ => Bond::Atom,
    };
    (text, bond)
}

fn print_sum(operands: &[(bool, Expression)]) -> String {
    let (mut plus, mut minus) = (Vec::new(), Vec::new());
    for (subtracted, operand) in operands {
        let text = operand.within(Bond::Product);
        // 3 + (-2) is 3 - 2.
        let negative = matches!(operand, Expression::Number(literal) if literal.value.0.is_negative());
        let text = if negative { text.trim_matches(['(', ')', '-']).to_owned() } else { text };
        if *subtracted == negative { plus.push(text) } else { minus.push(text) }
    }
    plus.sort();
    minus.sort();
    let mut text = plus.join(" + ");
    for operand in minus {
        let sign = if text.is_empty() { "-" } else { " - " };
        write!(text, "{sign}{operand}").ok();
    }
    text
}

fn print_product(operands: &[(bool, Expression)]) -> String {
    let (mut over, mut under) = (Vec::new(), Vec::new());
    for (divides, operand) in operands {
        if *divides { under.push(operand.within(Bond::Power)) } else { over.push(operand.within(Bond::Product)) }
    }
    over.sort();
    under.sort();
    let mut text = over.join(" * ");
    under.iter().for_each(|operand| write!(text, " / {operand}").unwrap_or_default());
    text
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print().0)
    }
}

#[cfg(test)]
mod tests;
