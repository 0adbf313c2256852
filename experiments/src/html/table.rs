//! Tables that read well without a script, and sort and filter with one.

use super::markup::{Html, element, plain, text};
use crate::figures::{ink_on, quantity};

/// Rows that a page shows; more are named in a sentence and stand in the Parquet tables.
const MOST_ROWS: usize = 2000;

/// One cell: what is seen, and what it is sorted by.
pub(super) struct Cell {
    seen: Html,
    key: Option<String>,
    style: Option<String>,
}

impl From<Html> for Cell {
    fn from(seen: Html) -> Self {
        Self { seen, key: None, style: None }
    }
}

impl From<&str> for Cell {
    fn from(words: &str) -> Self {
        text(words).into()
    }
}

impl From<String> for Cell {
    fn from(words: String) -> Self {
        text(words).into()
    }
}

/// A number with so many decimals.
pub(super) fn number(value: f64, decimals: usize) -> Cell {
    if value.is_finite() {
        Cell { seen: text(format!("{value:.decimals$}")), key: Some(value.to_string()), style: None }
    } else {
        Cell { seen: text("–"), key: Some(String::new()), style: None }
    }
}

/// A whole number with thin spaces between thousands.
pub(super) fn whole(value: usize) -> Cell {
    Cell { seen: text(grouped(value)), key: Some(value.to_string()), style: None }
}

pub(super) fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

/// A share in 0..=1 on its colour; `beside` is smaller print after it.
pub(super) fn share(value: f64, decimals: usize, beside: &str) -> Cell {
    if !value.is_finite() {
        return number(value, decimals);
    }
    let mut seen = text(format!("{value:.decimals$}"));
    if !beside.is_empty() {
        seen.push(text(" "));
        seen.push(plain("small", beside));
    }
    let ground = quantity(value);
    Cell { seen, key: Some(value.to_string()), style: Some(format!("background:{ground};color:{}", ink_on(ground))) }
}

/// A table that grows.
pub(super) struct Table {
    caption: String,
    head: Vec<(String, bool)>,
    rows: Vec<Vec<Cell>>,
    left_out: usize,
    class: &'static str,
}

impl Table {
    /// Columns by name; one that begins with `#` holds numbers.
    pub(super) fn new<S: AsRef<str>>(caption: impl Into<String>, columns: impl IntoIterator<Item = S>) -> Self {
        let column = |name: S| {
            let name = name.as_ref();
            name.strip_prefix('#').map_or((name.to_owned(), false), |rest| (rest.to_owned(), true))
        };
        let head = columns.into_iter().map(column).collect();
        Self { caption: caption.into(), head, rows: Vec::new(), left_out: 0, class: "data" }
    }

    /// Narrow coloured cells.
    pub(super) fn heat(mut self) -> Self {
        self.class = "data heat";
        self
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        if self.rows.len() < MOST_ROWS {
            self.rows.push(cells.into_iter().collect());
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn html(self) -> Html {
        let side = |at: usize| if self.head.get(at).is_some_and(|h| h.1) { "n" } else { "" };
        let title = |(at, (name, _)): (usize, &(String, bool))| {
            let attributes = [("scope", "col"), ("class", side(at))];
            element("th", if side(at).is_empty() { &attributes[..1] } else { &attributes }, text(name))
        };
        let head: Html = self.head.iter().enumerate().map(title).collect();
        let row = |cells: Vec<Cell>| {
            let cells: Html = cells
                .into_iter()
                .enumerate()
                .map(|(at, cell)| {
                    let mut attributes = vec![("class", side(at))];
                    attributes.retain(|a| !a.1.is_empty());
                    attributes.extend(cell.key.as_deref().map(|key| ("data-key", key)));
                    attributes.extend(cell.style.as_deref().map(|style| ("style", style)));
                    if at == 0 {
                        attributes.push(("scope", "row"));
                    }
                    element(if at == 0 { "th" } else { "td" }, &attributes, cell.seen)
                })
                .collect();
            element("tr", &[], cells)
        };
        let caption = plain("caption", &self.caption);
        let left_out = self.left_out;
        let body: Html = self.rows.into_iter().map(row).collect();
        let head = element("thead", &[], element("tr", &[], head));
        let table = [caption, head, element("tbody", &[], body)].into_iter().collect();
        let table = element("table", &[("class", self.class)], table);
        let mut out = element(
            "div",
            &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", &self.caption)],
            table,
        );
        if left_out > 0 {
            out.push(plain(
                "p",
                format!(
                    "{} more rows are not shown here; they are in the tables of the run folder.",
                    grouped(left_out)
                ),
            ));
        }
        out
    }
}

/// Names and values, one a line.
pub(super) fn facts(caption: &str, rows: impl IntoIterator<Item = (&'static str, Html)>) -> Html {
    let row = |(name, value): (&'static str, Html)| {
        element(
            "tr",
            &[],
            [element("th", &[("scope", "row")], text(name)), element("td", &[], value)].into_iter().collect(),
        )
    };
    let body: Html = rows.into_iter().filter(|r| !r.1.is_empty()).map(row).collect();
    let table = [plain("caption", caption), element("tbody", &[], body)].into_iter().collect();
    element("div", &[("class", "scroll")], element("table", &[("class", "facts")], table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1\u{202F}000", "1\u{202F}234\u{202F}567"]);
    }

    #[test]
    fn rows_beyond_the_most_are_counted_not_hidden() {
        let mut table = Table::new("t", ["a", "#b"]);
        for at in 0..MOST_ROWS + 3 {
            table.row(["x".into(), whole(at)]);
        }
        let html = table.html().into_string();
        assert_eq!(html.matches("<tr>").count(), MOST_ROWS + 1);
        assert!(html.contains("3 more rows"), "said");
    }
}
