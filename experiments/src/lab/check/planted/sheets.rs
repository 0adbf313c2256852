//! The tables of planted states, in one form for the terminal and for the docs.

use super::{Case, Cell, Demand, Finding, Measure, Planted, Verdict};

/// A table with a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// As many cells as the header has.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    fn new(title: &str, header: impl IntoIterator<Item = &'static str>) -> Self {
        Self { title: title.to_owned(), header: header.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// The table as Markdown, below its title and before an empty line.
    ///
    /// ```
    /// use babelscope::lab::check::planted::Sheet;
    /// let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    /// let sheet = Sheet { title: "Two".into(), header: words(&["a", "b"]), rows: vec![words(&["1", "2"])] };
    /// assert_eq!(sheet.markdown(), "**Two**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n");
    /// ```
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = line(&vec!["---".to_owned(); self.header.len()]);
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("**{}**\n\n{}{rule}{rows}\n", self.title, line(&self.header))
    }
}

/// All tables: what was planted, what every measure says of it, who is fooled by what, and what is said of language itself.
pub fn sheets(planted: &Planted) -> Vec<Sheet> {
    let mut cases = Sheet::new("What was planted", ["case", "states", "the truth", "demanded of every measure"]);
    for case in Case::ALL {
        cases.rows.push([case.name(), case.recipe(), case.truth(), demanded(case)].map(str::to_owned).to_vec());
    }
    let shared = matrix(planted, "Meaning is shared on the same axes: value / 95 % of shuffled sentences", true);
    let nothing = matrix(planted, "Nothing is shared on the same axes: value / 95 % of shuffled sentences", false);
    vec![cases, shared, nothing, fooled(planted), language(&planted.findings)]
}

fn demanded(case: Case) -> &'static str {
    match case {
        Case::Duplicate => "the largest value",
        Case::Noise | Case::Faint | Case::Drowned => "beyond the null",
        Case::Offset | Case::Repeated => "the value with noise, within a third",
        Case::Rotation | Case::Independent | Case::Wide | Case::Template | Case::Cone | Case::Copies => "chance",
    }
}

fn number(value: f64) -> String {
    // No -0.00, which would be another word than 0.00.
    let rounded = format!("{value:.2}");
    if rounded == "-0.00" { "0.00".to_owned() } else { rounded }
}

fn matrix(planted: &Planted, title: &str, shared: bool) -> Sheet {
    let columns = || Case::ALL.into_iter().filter(move |case| case.shared() == shared);
    let mut sheet = Sheet::new(title, std::iter::once("measure").chain(columns().map(Case::name)));
    for measure in Measure::ALL {
        let cells = columns().map(|case| planted.cell(case, measure).map(said).unwrap_or_default());
        sheet.rows.push(std::iter::once(measure.name().to_owned()).chain(cells).collect());
    }
    sheet
}

fn said(cell: &Cell) -> String {
    let null = cell.null.map_or_else(String::new, |null| format!(" / {}", number(null)));
    format!("{} {}{null}", cell.verdict.word(), number(cell.value))
}

/// One row for each measure and reason.
fn fooled(planted: &Planted) -> Sheet {
    let mut sheet = Sheet::new("Who is fooled by what", ["measure", "cases", "why"]);
    for measure in Measure::ALL {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for cell in planted.cells.iter().filter(|cell| cell.measure == measure) {
            let Verdict::Fooled(why) = cell.verdict else { continue };
            let should = match cell.demand {
                Demand::Top => measure.top().map_or_else(String::new, |top| format!(", not {}", number(top))),
                Demand::Beyond => cell.null.map_or_else(String::new, |null| format!(", null {}", number(null))),
                Demand::Kept(clean) => format!(", not {}", number(clean)),
                Demand::Chance(chance) => format!(", not {}", number(chance)),
            };
            let case = format!("{} ({}{should})", cell.case.name(), number(cell.value));
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, cases)) => cases.push(case),
                None => reasons.push((why, vec![case])),
            }
        }
        for (why, cases) in reasons {
            sheet.rows.push(vec![measure.name().to_owned(), cases.join(", "), why.to_owned()]);
        }
    }
    sheet
}

fn language(findings: &[Finding]) -> Sheet {
    let mut sheet = Sheet::new("Language itself", ["measure", "case", "the truth", "measured", "verdict"]);
    for Finding { measure, case, truth, value, verdict } in findings {
        let verdict = match verdict {
            Verdict::Right => verdict.word().to_owned(),
            Verdict::Fooled(why) => format!("{}: {why}", verdict.word()),
        };
        let cells = [(*measure).to_owned(), (*case).to_owned(), number(*truth), number(*value), verdict];
        sheet.rows.push(cells.to_vec());
    }
    sheet
}
