//! Chains of thought: which critical anchors each language reaches, and when the model was committed to its answer.

use babelscope_probes::cot::{
    report::{Posed, Traced},
    table::AnchorTable,
    watched::Watched,
};

use super::{
    Source, axis, colour,
    dose::{Arm, Dose, Side, dose},
    svg::{Anchor, HAIR, INK, Svg},
    table,
    typeset::{Reading, fit},
};

/// Problems whose table is drawn: all are in the file of details.
const TABLES: usize = 8;
/// Languages of a table, and lines of a plot.
const LANGUAGES: usize = 40;
const LINES: usize = 10;
/// Places on the axis from nothing written to everything written.
pub(super) const PLACES: usize = 21;

const LEFT: f64 = 16.0;
const TOP: f64 = 92.0;
const WIDE: f64 = 96.0;
const TALL: f64 = 22.0;

fn slug(problem: &str) -> String {
    problem.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(60).collect()
}

fn tables(problems: &[Posed]) -> impl Iterator<Item = (usize, &AnchorTable)> {
    let all = problems.iter().enumerate().filter_map(|(at, posed)| Some((at, posed.table.as_ref()?)));
    all.filter(|(_, table)| !table.anchors.is_empty()).take(TABLES)
}

/// The names of the figures with what stands below them.
pub(crate) fn names(problems: &[Posed], watched: &[Watched]) -> Vec<(String, String)> {
    let of = |(at, table): (usize, &AnchorTable)| {
        let title = format!("Problem {}: which critical anchors each language reaches", table.problem);
        (format!("cot-anchors-{}-{}", at + 1, slug(&table.problem)), title)
    };
    let mut all: Vec<(String, String)> = tables(problems).map(of).collect();
    if watched.iter().any(|one| one.curves.is_some()) {
        all.push(("cot-commitment".to_owned(), "When the model knew its answer".to_owned()));
    }
    all
}

/// Name and content of each figure.
pub(super) fn traces(
    problems: &[Posed],
    traces: &[Traced],
    watched: &[Watched],
    source: &Source,
) -> Vec<(String, String)> {
    let named = names(problems, watched).into_iter().map(|(name, _)| name);
    let mut drawn: Vec<String> = tables(problems).map(|(_, table)| anchors(table, source)).collect();
    drawn.extend(commitment(traces, watched, source));
    named.zip(drawn).collect()
}

fn anchors(found: &AnchorTable, source: &Source) -> String {
    let languages = found.languages.get(..LANGUAGES).unwrap_or(&found.languages);
    let names: Vec<_> = languages.iter().map(|code| fit(table::name(code), 10.0, Reading::default(), 150.0)).collect();
    let x = LEFT + names.iter().map(|name| name.width).fold(30.0, f64::max) + 10.0;
    let mut svg = Svg::default();
    let title = format!("Problem {}: critical anchors", found.problem);
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    for (column, anchor) in found.anchors.iter().enumerate() {
        let label = fit(anchor, 9.0, Reading::default(), WIDE - 6.0);
        svg.text(x + (column as f64 + 0.5) * WIDE, TOP - 8.0, Anchor::Middle, &label, INK, "");
    }
    for (row, (code, name)) in languages.iter().zip(&names).enumerate() {
        let y = TOP + row as f64 * TALL;
        svg.text(x - 8.0, y + TALL / 2.0 + 3.5, Anchor::End, name, INK, "");
        for (column, counts) in found.counts.iter().enumerate() {
            let Some(counts) = counts.get(row) else { continue };
            let n = counts.traces().max(1);
            let share = counts.correct as f64 / n as f64;
            let place = (x + column as f64 * WIDE, y);
            let fill = colour::quantity(share);
            let said = format!(
                "{code}, {}: {} right, {} with another value, {} missing",
                found.anchors[column], counts.correct, counts.wrong_value, counts.missing
            );
            svg.cell(place.0, place.1, WIDE, TALL, fill, &said);
            let wrong = if counts.wrong_value > 0 { format!("  {}×", counts.wrong_value) } else { String::new() };
            let text = format!("{share:.2}{wrong}");
            svg.say(place.0 + WIDE / 2.0, place.1 + TALL / 2.0 + 3.2, Anchor::Middle, 9.0, colour::ink_on(fill), &text);
        }
    }
    let (wide, bottom) = (WIDE * found.anchors.len() as f64, TOP + TALL * languages.len() as f64);
    svg.frame(x, TOP, wide, bottom - TOP, HAIR, 0.0);
    axis::scale_bar(&mut svg, x + wide + 22.0, TOP, (bottom - TOP).clamp(60.0, 150.0), (0.0, 1.0));
    let right = (x + wide + 80.0).max(LEFT + 420.0);
    let cut = found.languages.len() - languages.len();
    let more = if cut > 0 { format!(" {cut} languages more are in the file of details.") } else { String::new() };
    let caption = format!(
        "Share of the traces of each language that assert the anchor rightly; n× are traces that give it another value. Anchors in the order \
         of the reference, the answer last. Model {}.{more}",
        source.model
    );
    let end = axis::caption(&mut svg, &caption, LEFT, bottom.max(TOP + 70.0) + 20.0, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, &title)
}

/// A curve at a share of its steps, by straight lines between them.
pub(super) fn at(curve: &[f64], share: f64) -> f64 {
    let place = share * (curve.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    curve[low] + (place - place.floor()) * (curve[high] - curve[low])
}

fn arms<'w>(traces: &[Traced], watched: &'w [Watched], of: impl Fn(&'w Watched) -> Option<Vec<f64>>) -> Vec<Arm> {
    let mut languages: Vec<&str> = Vec::new();
    let mut curves: Vec<Vec<Vec<f64>>> = Vec::new();
    for one in watched {
        let (Some(curve), Some(traced)) = (of(one), traces.get(one.trace)) else { continue };
        if curve.is_empty() {
            continue;
        }
        let language = traced.trace.language.as_str();
        match languages.iter().position(|known| *known == language) {
            Some(place) => curves[place].push(curve),
            None => {
                languages.push(language);
                curves.push(vec![curve]);
            }
        }
    }
    let mean = |curves: &Vec<Vec<f64>>, share: f64| {
        curves.iter().map(|curve| at(curve, share)).sum::<f64>() / curves.len() as f64
    };
    let arm = |(language, curves): (&&str, &Vec<Vec<f64>>)| {
        let share = |place: usize| place as f64 / (PLACES - 1) as f64;
        let dose = |place: usize| {
            let value = mean(curves, share(place));
            Dose { strength: share(place), value, low: value, high: value }
        };
        Arm { name: table::name(language).to_owned(), dashed: false, doses: (0..PLACES).map(dose).collect() }
    };
    languages.iter().zip(&curves).take(LINES).map(arm).collect()
}

fn commitment(traces: &[Traced], watched: &[Watched], source: &Source) -> Option<String> {
    let counted = watched.iter().filter(|one| one.curves.is_some()).count();
    let layer = watched.iter().find_map(|one| one.curves.as_ref()).map(|curves| curves.layer)?;
    let share = |flags: &[bool]| flags.iter().map(|yes| f64::from(u8::from(*yes))).collect::<Vec<f64>>();
    let committed = arms(traces, watched, |one| Some(one.curves.as_ref()?.committed[..one.working()].to_vec()));
    let decodable = arms(traces, watched, |one| Some(one.curves.as_ref()?.decodable[..one.working()].to_vec()));
    let seen = arms(traces, watched, |one| Some(share(&one.curves.as_ref()?.seen[..one.working()])));
    let side = |title: String, arms: Vec<Arm>| Side { title, range: (0.0, 1.0), arms };
    let sides = [
        side("Committed: share of the answer when it is forced".to_owned(), committed),
        side(format!("Decodable: lens at layer {layer}"), decodable),
        side("Seen: the value stands in the trace".to_owned(), seen),
    ];
    let caption = format!(
        "Means over traces, {counted} in all; 0 is the problem alone, 1 the last step before the answer is stated. Forced: probability among the candidates behind an \
         answer stub. Lens: without a stub. Model {}. Layer 0 = embeddings, layer l = after block l.",
        source.model
    );
    Some(dose("When the model knew its answer", &sides, "share of the steps", &caption))
}

#[cfg(test)]
mod tests {
    use babelscope_probes::cot::{inside::Curves, table::Counts};

    use super::*;

    #[test]
    fn a_table_names_its_anchors_and_a_curve_its_languages() {
        let counts = |correct: usize, wrong_value: usize| Counts { correct, wrong_value, missing: 0 };
        let table = AnchorTable {
            problem: "p 1".to_owned(),
            anchors: vec!["3 + 4 = 7".to_owned()],
            languages: vec!["arb_Arab".to_owned(), "eng_Latn".to_owned()],
            counts: vec![vec![counts(1, 1), counts(2, 0)]],
        };
        let problems = [Posed { problem: "p 1".to_owned(), table: Some(table), ..Posed::default() }];
        let traced = Traced::of(babelscope_probes::cot::Trace {
            language: "arb_Arab".to_owned(),
            text: "٣ + ٤ = ٧.".to_owned(),
            ..babelscope_probes::cot::Trace::default()
        });
        let curves = Curves {
            committed: vec![0.25, 0.75],
            decodable: vec![0.0, 0.5],
            seen: vec![false, true],
            stated: vec![false, false],
            same: vec![false, true],
            layer: 3,
            ..Curves::default()
        };
        let watched = [Watched { curves: Some(curves), ..Watched::default() }];
        let figures = traces(&problems, &[traced.unwrap()], &watched, &Source::default());
        let named: Vec<String> = names(&problems, &watched).into_iter().map(|(name, _)| name).collect();
        assert_eq!(figures.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), named);
        assert_eq!(named, ["cot-anchors-1-p_1", "cot-commitment"]);
        assert!(figures[0].1.contains("3 + 4 = 7") && figures[0].1.contains("0.50  1×"));
        assert!(figures[1].1.contains("layer 3") && figures[1].1.contains("Arabic"));
        assert!((at(&[0.0, 1.0, 0.0], 0.25) - 0.5).abs() < 1e-12);
    }
}
