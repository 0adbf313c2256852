//! A canonical form taken apart: which operands under which operators, in a shape that can be compared when numbers differ.

use num_rational::BigRational;

use super::{graph::Node, value::Value};

/// How deep brackets are followed; deeper ones are compared as a heap of operands and operators.
const DEEPEST: usize = 64;
/// Characters of a number; a longer one is compared as it is written.
const LONGEST: usize = 4096;

/// One operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operand {
    Number(Value),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(usize),
    /// Terms; true: subtracted.
    Sum(Vec<(bool, Self)>),
    /// Factors; true: divided by.
    Product(Vec<(bool, Self)>),
    Power(Box<Self>, Box<Self>),
    /// What is no arithmetic: its operators, sorted, over all operands of the side.
    Heap(String, Vec<usize>),
}

/// What an assertion is made from, without its name and its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Form {
    /// As written; empty where nothing is derived (`x = 7`, `7`).
    pub(crate) body: String,
    /// In the order of writing.
    pub(crate) operands: Vec<Operand>,
    sides: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Operand(usize),
    Operator(char),
}

impl Form {
    pub(crate) fn of(normal: &str, value: Option<&Value>, name: Option<&str>) -> Self {
        let mut form = Self::default();
        let mut kept = Vec::new();
        for side in normal.split('=').map(str::trim).filter(|side| !side.is_empty()) {
            let mut operands = Vec::new();
            let tokens = tokens(side, &mut operands);
            let plain = !tokens.iter().any(|token| matches!(token, Token::Operator(_)));
            let says_value = operands.iter().any(|o| matches!(o, Operand::Number(v) if Some(v) == value));
            if Some(side) == name || (plain && says_value) {
                continue;
            }
            kept.push((side, tokens, operands));
        }
        // An assertion that says nothing but words (`yes`) derives nothing.
        if kept.len() == 1 && !kept[0].1.iter().any(|t| matches!(t, Token::Operator(_))) && !normal.contains('=') {
            return form;
        }
        for (side, tokens, operands) in kept {
            let before = form.operands.len();
            let tree = Parser { tokens: &tokens, at: 0 }.whole().unwrap_or_else(|| heap(&tokens));
            form.sides.push(tree.shifted(before));
            form.operands.extend(operands);
            if !form.body.is_empty() {
                form.body.push_str(" = ");
            }
            form.body.push_str(side);
        }
        form
    }

    pub(crate) fn of_node(node: &Node) -> Self {
        Self::of(&node.normal, node.value.as_ref(), node.name.as_deref())
    }

    /// What makes two assertions the same one, whether a name is given to it or not.
    pub(crate) fn key<'a>(&'a self, normal: &'a str, value: Option<&Value>) -> (String, Option<Value>) {
        let body = if self.body.is_empty() { normal } else { &self.body };
        (body.to_owned(), value.cloned())
    }

    /// The shape of each side with each operand replaced by its word, terms and factors sorted; each shape once. Sides that are a mere
    /// number or name have none, unless all are. `words`: one for each operand.
    pub(crate) fn shapes(&self, words: &[String]) -> Vec<String> {
        let built = |side: &&Tree| !matches!(side, Tree::Leaf(_));
        let any = self.sides.iter().any(|side| built(&side));
        let sides = self.sides.iter().filter(|side| !any || built(side));
        let mut shapes: Vec<String> = sides.map(|side| side.render(words)).collect();
        shapes.sort_unstable();
        shapes.dedup();
        shapes
    }
}

impl Tree {
    fn shifted(self, by: usize) -> Self {
        let all = |parts: Vec<(bool, Self)>| parts.into_iter().map(|(sign, part)| (sign, part.shifted(by))).collect();
        match self {
            Self::Leaf(at) => Self::Leaf(at + by),
            Self::Sum(parts) => Self::Sum(all(parts)),
            Self::Product(parts) => Self::Product(all(parts)),
            Self::Power(base, to) => Self::Power(Box::new(base.shifted(by)), Box::new(to.shifted(by))),
            Self::Heap(operators, at) => Self::Heap(operators, at.into_iter().map(|at| at + by).collect()),
        }
    }

    fn render(&self, words: &[String]) -> String {
        let sorted = |parts: &[(bool, Self)], signs: [char; 2]| {
            let mut parts: Vec<String> = (parts.iter())
                .map(|(inverse, part)| format!("{}{}", signs[usize::from(*inverse)], part.render(words)))
                .collect();
            parts.sort_unstable();
            format!("({})", parts.join(" "))
        };
        let word = |at: &usize| words.get(*at).cloned().unwrap_or_default();
        match self {
            Self::Leaf(at) => word(at),
            Self::Sum(parts) => sorted(parts, ['+', '-']),
            Self::Product(parts) => sorted(parts, ['*', '/']),
            Self::Power(base, to) => format!("({}^{})", base.render(words), to.render(words)),
            Self::Heap(operators, at) => {
                let mut all: Vec<String> = at.iter().map(word).collect();
                all.sort_unstable();
                format!("[{operators} {}]", all.join(" "))
            }
        }
    }
}

fn heap(tokens: &[Token]) -> Tree {
    let mut operators: Vec<char> = Vec::new();
    let mut operands = Vec::new();
    for token in tokens {
        match token {
            Token::Operator(c) => operators.push(*c),
            Token::Operand(at) => operands.push(*at),
        }
    }
    operators.sort_unstable();
    Tree::Heap(operators.into_iter().collect(), operands)
}

/// Sums of products of powers, with brackets.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    /// `None` where the tokens are no arithmetic.
    fn whole(mut self) -> Option<Tree> {
        let tree = self.sum(0)?;
        (self.at == self.tokens.len()).then_some(tree)
    }

    fn next_is(&mut self, wanted: &[char]) -> Option<char> {
        match self.tokens.get(self.at) {
            Some(Token::Operator(c)) if wanted.contains(c) => {
                self.at += 1;
                Some(*c)
            }
            _ => None,
        }
    }

    fn sum(&mut self, depth: usize) -> Option<Tree> {
        let negative = self.next_is(&['-', '+']) == Some('-');
        let mut parts = vec![(negative, self.product(depth)?)];
        while let Some(sign) = self.next_is(&['+', '-']) {
            parts.push((sign == '-', self.product(depth)?));
        }
        Some(single(parts).unwrap_or_else(Tree::Sum))
    }

    fn product(&mut self, depth: usize) -> Option<Tree> {
        let mut parts = vec![(false, self.power(depth)?)];
        while let Some(sign) = self.next_is(&['*', '/']) {
            parts.push((sign == '/', self.power(depth)?));
        }
        Some(single(parts).unwrap_or_else(Tree::Product))
    }

    fn power(&mut self, depth: usize) -> Option<Tree> {
        let base = self.leaf(depth)?;
        if self.next_is(&['^']).is_none() {
            return Some(base);
        }
        Some(Tree::Power(Box::new(base), Box::new(self.leaf(depth)?)))
    }

    fn leaf(&mut self, depth: usize) -> Option<Tree> {
        if let Some(Token::Operand(at)) = self.tokens.get(self.at) {
            self.at += 1;
            return Some(Tree::Leaf(*at));
        }
        self.next_is(&['('])?;
        if depth == DEEPEST {
            return None;
        }
        let inner = self.sum(depth + 1)?;
        self.next_is(&[')'])?;
        Some(inner)
    }
}

fn single(mut parts: Vec<(bool, Tree)>) -> Result<Tree, Vec<(bool, Tree)>> {
    if parts.len() > 1 || parts.first().is_none_or(|(inverse, _)| *inverse) {
        return Err(parts);
    }
    parts.pop().map(|(_, tree)| tree).ok_or(parts)
}

fn tokens(side: &str, operands: &mut Vec<Operand>) -> Vec<Token> {
    let chars: Vec<char> = side.chars().collect();
    let mut found: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        // A minus with nothing before it that it could subtract from belongs to its number.
        let unary = c == '-'
            && chars.get(at + 1).is_some_and(char::is_ascii_digit)
            && !matches!(found.last(), Some(Token::Operand(_) | Token::Operator(')')));
        let end = if c.is_ascii_digit() || unary { number_end(&chars, at + usize::from(unary)) } else { at };
        let number = (end > at && end - at <= LONGEST).then(|| number(&chars[at..end])).flatten();
        let operand = if let Some(value) = number {
            let percent = chars.get(end) == Some(&'%');
            at = end + usize::from(percent);
            Operand::Number(if percent { Value(value.0 / BigRational::from_integer(100.into())) } else { value })
        } else if part_of_name(c) {
            let length = chars[at..].iter().take_while(|c| part_of_name(**c)).count();
            at += length;
            Operand::Name(chars[at - length..at].iter().collect())
        } else {
            found.push(Token::Operator(match c {
                '\u{d7}' | '\u{b7}' => '*',
                '\u{f7}' => '/',
                '\u{2212}' => '-',
                other => other,
            }));
            at += 1;
            continue;
        };
        found.push(Token::Operand(operands.len()));
        operands.push(operand);
    }
    found
}

fn part_of_name(c: char) -> bool {
    c.is_alphanumeric()
        || c == '_'
        || (!c.is_ascii() && !c.is_whitespace() && !matches!(c, '\u{d7}' | '\u{b7}' | '\u{f7}' | '\u{2212}'))
}

/// Where the number that begins at `at` ends: digits, `.` and digits, `/` and digits, without spaces.
fn number_end(chars: &[char], at: usize) -> usize {
    let digits = |from: usize| from + chars[from.min(chars.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut end = digits(at);
    for mark in ['.', '/'] {
        if chars.get(end) == Some(&mark) && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
    }
    end
}

fn number(chars: &[char]) -> Option<Value> {
    let text: String = chars.iter().collect();
    let Some((whole, part)) = text.split_once('.') else { return text.parse().ok() };
    format!("{whole}{part}/1{}", "0".repeat(part.len())).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Form, Operand};
    use crate::cot::Value;

    fn form(normal: &str, value: i64, name: Option<&str>) -> Form {
        Form::of(normal, Some(&Value::from(value)), name)
    }

    fn shape(form: &Form) -> Vec<String> {
        let word = |o: &Operand| match o {
            Operand::Number(v) => v.to_string(),
            Operand::Name(n) => n.clone(),
        };
        form.shapes(&form.operands.iter().map(word).collect::<Vec<_>>())
    }

    #[test]
    fn name_and_value_are_no_part_of_the_body() {
        assert_eq!(form("x = 3 + 4 = 7", 7, Some("x")).body, "3 + 4");
        assert_eq!(form("3 + 4 = 7", 7, None), form("x = 3 + 4 = 7", 7, Some("x")));
        for bare in [form("x = 7", 7, Some("x")), form("7", 7, None), form("7 km", 7, None)] {
            assert!(bare.body.is_empty() && bare.operands.is_empty(), "{bare:?}");
        }
        assert_eq!(form("7 + 0 = 7", 7, None).operands.len(), 2);
    }

    #[test]
    fn the_order_of_terms_and_factors_does_not_count_but_that_of_a_difference_does() {
        assert_eq!(shape(&form("3 + 4 * 5 = 23", 23, None)), shape(&form("5 * 4 + 3 = 23", 23, None)));
        assert_ne!(shape(&form("5 - 3 = 2", 2, None)), shape(&form("3 - 5 = 2", 2, None)));
        assert_ne!(shape(&form("(2 + 3) * 4 = 20", 20, None)), shape(&form("2 + 3 * 4 = 20", 20, None)));
        assert_eq!(shape(&form("-3 + 5 = 2", 2, None)), ["(+-3 +5)"]);
    }

    #[test]
    fn numbers_are_exact_and_names_may_have_any_script() {
        let operands = form("0.5 * 7/2 * x_1 * \u{915}\u{93e} = 9", 9, None).operands;
        let number = |text: &str| Operand::Number(text.parse().unwrap());
        let name = |text: &str| Operand::Name(text.to_owned());
        assert_eq!(operands, [number("1/2"), number("7/2"), name("x_1"), name("\u{915}\u{93e}")]);
        assert_eq!(form("20% * 45 = 9", 9, None).operands, [number("1/5"), number("45")]);
        assert!(Form::of("20%", Some(&"1/5".parse().unwrap()), None).body.is_empty());
    }

    #[test]
    fn what_is_no_arithmetic_is_a_heap() {
        let deep = format!("{}1{} = 9", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(form(&deep, 9, None).operands.len(), 1);
        assert!(shape(&form("f ( 3 ; 4 = 7", 7, None))[0].starts_with("[(; "));
    }

    #[test]
    fn every_side_of_a_chain_has_its_shape() {
        // A chain with a wrong link; a name spelled out says the same twice.
        assert_eq!(shape(&form("2 * 3 + 4 = 6 + 5 = 11", 11, None)), ["(+(*2 *3) +4)", "(+5 +6)"]);
        assert_eq!(shape(&form("3 + 4 = 6 = 4 + 3 = 7", 7, None)), ["(+3 +4)"]);
    }
}
