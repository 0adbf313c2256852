//! LaTeX commands as tokens.

use std::borrow::Cow;

use super::{Kind, Lexer};
use crate::cot::numerals::digit;

/// Letters that have a command.
const GREEK: &str = "alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ \
                     pi π rho ρ sigma σ tau τ phi φ varphi φ chi χ psi ψ omega ω Delta Δ Gamma Γ Theta Θ Lambda Λ Sigma Σ Phi Φ \
                     Psi Ψ Omega Ω Pi Π ell ℓ";

impl Lexer<'_> {
    /// What follows a backslash.
    pub(super) fn command(&mut self) {
        let rest = self.rest();
        let name = &rest[1..];
        let length = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
        let name = &name[..length];
        let all = 1 + length;
        match name {
            "" => self.escaped(),
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                self.take(all, Kind::Frac);
                self.short_fraction();
            }
            "sqrt" => {
                let kind = if self.rest()[all..].starts_with('{') { Kind::Root } else { Kind::Break('√') };
                self.take(all, kind);
            }
            "boxed" | "fbox" => self.take(all, Kind::Boxed),
            "times" | "cdot" | "ast" => self.take(all, Kind::Times),
            "div" => self.take(all, Kind::Divide),
            "approx" | "simeq" | "sim" | "cong" => self.take(all, Kind::Approx),
            "circ" | "degree" => self.take(all, Kind::Unit),
            "pounds" | "euro" | "textdollar" | "texteuro" => self.take(all, Kind::Currency),
            "text" | "textrm" | "textbf" | "textit" | "textnormal" | "mathrm" | "mathbf" | "mathit" | "mathsf"
            | "mbox" | "operatorname" | "emph" | "mathbb" | "bm" => self.worded(all),
            "left" | "right" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl" | "Bigr" | "displaystyle"
            | "textstyle" | "limits" | "quad" | "qquad" | "hspace" | "phantom" => self.space(all),
            "begin" | "end" => {
                self.take(all, Kind::Row);
                self.argument("begins an environment");
                // The columns of an array.
                if name == "begin" && self.rest().starts_with('{') {
                    self.argument("belongs to the layout of a formula");
                }
            }
            "tag" | "label" | "ref" | "eqref" | "cite" => {
                self.take(all, Kind::Break('#'));
                self.argument("is the label of a formula");
            }
            _ => match GREEK.split_whitespace().collect::<Vec<_>>().chunks(2).find(|pair| pair[0] == name) {
                Some(pair) => self.greek(all, pair[1]),
                None => self.take(all, Kind::Break('\\')),
            },
        }
    }

    /// A backslash before anything but a letter.
    fn escaped(&mut self) {
        let Some(c) = self.rest()[1..].chars().next() else { return self.space(1) };
        let length = 1 + c.len_utf8();
        match c {
            '\\' => self.take(2, Kind::Row),
            '$' => self.take(2, Kind::Currency),
            '*' => self.take(2, Kind::Times),
            ',' | ';' | ':' | '!' | ' ' | '\n' => self.space(length),
            '(' | ')' | '[' | ']' => self.space(length),
            '%' | '#' | '&' | '_' => self.take(2, Kind::Break(c)),
            _ => self.take(if c.is_ascii() { length } else { 1 }, Kind::Break('\\')),
        }
    }

    /// `\pi`, with an index where there is one.
    fn greek(&mut self, length: usize, letter: &'static str) {
        let start = self.at;
        self.at += length;
        let index =
            self.rest().strip_prefix('_').map(|index| index.strip_prefix('{').unwrap_or(index)).and_then(|index| {
                let end = index.find(|c: char| !c.is_alphanumeric()).unwrap_or(index.len());
                (1..12).contains(&end).then_some(&index[..end])
            });
        let Some(index) = index else { return self.emit(Kind::Name(Cow::Borrowed(letter)), start) };
        let braces = if self.rest()[1..].starts_with('{') { 2 } else { 0 };
        self.at = (self.at + 1 + index.len() + braces).min(self.text.len());
        let plain = index.chars().map(|c| digit(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c));
        self.emit(Kind::Name(Cow::Owned(format!("{letter}_{}", plain.collect::<String>()))), start);
    }

    /// `\frac12`: one digit each.
    fn short_fraction(&mut self) {
        for _ in 0..2 {
            let Some(c) = self.rest().chars().next().filter(|c| digit(*c).is_some()) else { break };
            let start = self.at;
            self.emit(Kind::Open('{'), start);
            self.at += c.len_utf8();
            let value = i64::from(digit(c).unwrap_or_default());
            let number = num_rational::BigRational::from_integer(value.into());
            self.emit_number(number, 0, super::Written::Digits, start);
            self.emit(Kind::Close('{'), self.at);
        }
    }

    /// `\text{apples}` is one word; with digits or signs in it, its content is read like the rest.
    fn worded(&mut self, length: usize) {
        let rest = &self.rest()[length..];
        let inner = rest.strip_prefix('{').and_then(|inner| inner.split(['}', '\n']).next());
        let word = inner.filter(|inner| {
            let letters = inner.chars().filter(|c| c.is_alphabetic()).count();
            letters > 0 && inner.len() < 200 && !inner.contains(|c: char| digit(c).is_some() || "\\={$+*^".contains(c))
        });
        match word.filter(|word| rest[1 + word.len()..].starts_with('}')) {
            Some(word) => self.take(length + word.len() + 2, Kind::Name(Cow::Borrowed(word.trim()))),
            None => self.space(length),
        }
    }

    /// An argument that says nothing: passed, its digits put aside.
    fn argument(&mut self, why: &str) {
        let inner = self
            .rest()
            .strip_prefix('{')
            .and_then(|inner| inner.find(['}', '\n']).filter(|end| inner[*end..].starts_with('}')));
        if let Some(inner) = inner {
            let span = self.at..self.at + inner + 2;
            if self.text[span.clone()].contains(|c| digit(c).is_some()) {
                self.ignore(span.clone(), why);
            }
            self.at = span.end;
        }
    }
}
