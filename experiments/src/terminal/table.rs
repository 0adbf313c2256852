//! Text in columns, measured in terminal cells: Chinese takes two, combining marks none.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

/// A table with a header.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()], right: Vec::new() }
    }

    /// Aligns a column to the right: numbers.
    pub(crate) fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|r| r.get(column)).map(|c| c.width()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (at, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width());
                let (before, after) = if self.right.contains(&column) { (gap, 0) } else { (0, gap) };
                let between = if column == 0 { "" } else { "  " };
                line.push_str(&format!("{between}{:before$}{cell}{:after$}", "", ""));
            }
            let line = line.trim_end();
            if at == 0 { f.write_str(line)? } else { write!(f, "\n{line}")? }
        }
        Ok(())
    }
}

/// `text` cut to at most `columns` cells, with an ellipsis where it was cut.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        let mut longer = cut.clone();
        longer.push(c);
        if longer.width() + 1 > columns {
            break;
        }
        cut = longer;
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::{Table, fit};

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table = Table::new(["name", "value"]).right(1);
        for (name, value) in [("中文", "1.00"), ("हिन्दी", "0.5"), ("français", "12")] {
            table.row([name, value]);
        }
        let text = table.to_string();
        let widths: Vec<usize> = text.lines().map(|l| l.width()).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{text}");
    }

    #[test]
    fn a_cut_text_fits() {
        for columns in 1..8 {
            assert!(fit("中文字符 and more", columns).width() <= columns);
        }
        assert_eq!(fit("short", 5), "short");
    }
}
