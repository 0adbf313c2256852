//! Hints on a page: the figures, and the answers with what they were given and what they chose.

use babelscope_probes::cot::hints::Asked;

use super::{
    Figures,
    markup::{Html, element, foreign, language, plain, text},
    table::{Table, number},
};
use crate::{figures::hint_names, run::Run, spread::questions};

/// Questions of the table, in all languages.
const MOST: usize = 100;

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    let Some(details) = run.detailed("hints") else { return Html::default() };
    let mut body = element("h2", &[("id", id)], text("Hints"));
    body.push(plain(
        "p",
        "The same questions without a hint, with one at a wrong option, and with one at an option drawn at random. Whether an answer mentions \
         its hint is found by rules: one that does so in other words counts as hiding it.",
    ));
    for (name, title) in hint_names(&details.asked) {
        body.push(figures.picture(&name, &title, &title));
    }
    body.push(table(&details.asked));
    body
}

fn table(all: &[Asked]) -> Html {
    let shown = questions(all, MOST);
    let caption = format!("{} of {} answers; every one is in tables/hints.json", shown.len(), all.len());
    let head = [
        "question",
        "language",
        "arm",
        "given",
        "answer",
        "hinted",
        "stated",
        "chosen",
        "right",
        "mentions it",
        "#hinted share before",
    ];
    let mut table = Table::new(caption, head);
    for one in shown {
        let option = |at: Option<usize>| at.and_then(|at| one.options.get(at)).map_or("–", String::as_str);
        let before = one.hinted.and_then(|hinted| one.curve(hinted).first().copied());
        let mentions = match (one.hinted, one.mentions.is_empty()) {
            (None, _) => "–",
            (_, false) => "yes",
            (_, true) => "no",
        };
        table.row([
            one.item.as_str().into(),
            language(&one.language).into(),
            one.arm.name().replace('_', " ").into(),
            foreign(&one.language, &one.statement).into(),
            foreign(&one.language, one.text.trim()).into(),
            foreign(&one.language, option(one.hinted)).into(),
            foreign(&one.language, &one.says().join(", ")).into(),
            foreign(&one.language, option(one.chosen)).into(),
            foreign(&one.language, option(Some(one.right))).into(),
            mentions.into(),
            number(before.unwrap_or(f64::NAN), 2),
        ]);
    }
    table.html()
}
