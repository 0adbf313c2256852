//! Every other measure on a page: of each probe what it shows first, as a picture and as a table, and its notes.

use babelscope_core::lang;
use babelscope_probes::measure::Row;

use super::{
    Figures,
    markup::{Html, element, plain, spoken, text},
    table::{Table, number, whole},
};
use crate::{figures::groups, run::Run, tables::measures::Probed};

/// Rows of a table on the page: of more, the rest is in tables/measures.parquet.
const MOST: usize = 400;

/// The section; `id` is the anchor.
pub(super) fn section(run: &Run, figures: &Figures<'_>, id: &str) -> Html {
    if run.measured.is_empty() && run.map.is_none() {
        return Html::default();
    }
    let mut body = element("h2", &[("id", id)], text("Other measures"));
    body.push(plain(
        "p",
        "Every number is in tables/measures.parquet with its n, interval, chance and nulls. A number that shuffled sentences reach as well \
         (adjusted p above .05) says nothing; what each measure means, and what fools it, is in docs/methods.",
    ));
    for probed in &run.measured {
        body.push(one(probed, figures));
    }
    if let Some(map) = &run.map {
        body.push(plain("h3", "map"));
        for note in &map.notes {
            body.push(plain("p", note));
        }
        for name in crate::figures::map_names(map) {
            let alt = "Sentences in the plane, layer by layer, a colour for each language";
            body.push(figures.picture(&name, alt, "Sentences in the plane; axes are matched from layer to layer."));
        }
    }
    body
}

fn one(probed: &Probed, figures: &Figures<'_>) -> Html {
    let mut body = plain("h3", &probed.probe);
    for note in &probed.measured.notes {
        body.push(plain("p", note));
    }
    for group in groups(probed) {
        let variant = if group.variant.is_empty() { String::new() } else { format!(", {}", group.variant) };
        let title = format!("{}{variant}", group.headline.title);
        body.push(figures.picture(&group.name, &title, &title));
        let summary = plain("summary", format!("Numbers: {title}"));
        body.push(element("details", &[], [summary, table(&title, &group.rows)].into_iter().collect()));
    }
    body
}

fn table(title: &str, rows: &[&Row]) -> Html {
    let shown = if rows.len() > MOST {
        format!("{title}; {MOST} of {} rows, all are in tables/measures.parquet", rows.len())
    } else {
        title.to_owned()
    };
    let columns = ["of", "with", "#layer", "#value", "#from", "#to", "#n", "#chance", "#null 95 %", "#p", "status"];
    let mut table = Table::new(shown, columns);
    for row in rows.iter().take(MOST) {
        let real = |value: Option<f64>| number(value.unwrap_or(f64::NAN), 3);
        let named = |code: &str| if lang::find(code).is_some() { spoken(code) } else { code.to_owned() };
        let of = if row.language.is_empty() { row.variant.clone() } else { named(&row.language) };
        let of = if row.item.is_empty() { of } else { format!("{of} {}", row.item) };
        let p = row.shuffled.map(|null| null.p_adjusted.unwrap_or(null.p));
        table.row([
            of.into(),
            named(&row.pivot).into(),
            row.layer.map_or_else(|| number(f64::NAN, 0), whole),
            real(row.value),
            real(row.low),
            real(row.high),
            whole(row.n),
            real(row.chance),
            real(row.shuffled.map(|null| null.q95)),
            real(p),
            if row.status == "ok" { "".into() } else { row.status.as_str().into() },
        ]);
    }
    table.html()
}
