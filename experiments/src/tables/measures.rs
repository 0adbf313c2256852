//! measures.parquet: every number of every probe as a row, and the rows back.

use std::path::Path;

use anyhow::Result;
use babelscope_probes::measure::{Measured, NullFit, Row};

use super::{Column, Table, align::Labels, f64s, optional_u32s, small, strings, u64s};
use crate::manifest::MeasuredInfo;

/// What one probe of a run said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probed {
    /// Kind of the probe, as in the spec.
    pub probe: String,
    /// Its seed.
    pub seed: u64,
    /// Its numbers.
    pub measured: Measured,
}

/// The columns of a null, behind a prefix.
const NULL: [[&str; 7]; 2] = [
    ["null_draws", "null_mean", "null_q95", "null_p", "null_p_adjusted", "null_z", "null_calibrated"],
    [
        "matched_draws",
        "matched_mean",
        "matched_q95",
        "matched_p",
        "matched_p_adjusted",
        "matched_z",
        "matched_calibrated",
    ],
];

fn nulls(rows: &[(&Probed, &Row)], names: [&'static str; 7], of: fn(&Row) -> Option<NullFit>) -> Vec<Column> {
    let number = |of_fit: fn(NullFit) -> Option<f64>| f64s(rows.iter().map(|(_, row)| of(row).and_then(of_fit)));
    let [draws, mean, q95, p, adjusted, z, calibrated] = names;
    vec![
        (draws, optional_u32s(rows.iter().map(|(_, row)| of(row).map(|fit| fit.draws)))),
        (mean, number(|fit| Some(fit.mean))),
        (q95, number(|fit| Some(fit.q95))),
        (p, number(|fit| Some(fit.p))),
        (adjusted, number(|fit| fit.p_adjusted)),
        (z, number(|fit| fit.z)),
        (calibrated, number(|fit| fit.calibrated)),
    ]
}

/// Writes the rows of all probes of a run.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write(path: &Path, probed: &[Probed], labels: Labels<'_>) -> Result<()> {
    let rows: Vec<(&Probed, &Row)> =
        probed.iter().flat_map(|probed| probed.measured.rows.iter().map(move |row| (probed, row))).collect();
    let same = |text: &str| strings(rows.iter().map(|_| text.to_owned()));
    let text = |of: fn(&Row) -> &str| strings(rows.iter().map(|(_, row)| of(row)));
    let layer = |of: fn(&Row) -> Option<usize>| optional_u32s(rows.iter().map(|(_, row)| of(row).map(small)));
    let number = |of: fn(&Row) -> Option<f64>| f64s(rows.iter().map(|(_, row)| of(row)));
    let mut columns = vec![
        ("model", same(labels.model)),
        ("revision", same(labels.revision)),
        ("site", same(labels.site)),
        ("pooling", same(labels.pooling)),
        ("probe", strings(rows.iter().map(|(probed, _)| probed.probe.as_str()))),
        ("metric", text(|row| &row.metric)),
        ("language", text(|row| &row.language)),
        ("pivot", text(|row| &row.pivot)),
        ("layer", layer(|row| row.layer)),
        ("pivot_layer", layer(|row| row.pivot_layer)),
        ("variant", text(|row| &row.variant)),
        ("item", text(|row| &row.item)),
        ("value", number(|row| row.value)),
        ("n", u64s(rows.iter().map(|(_, row)| row.n as u64))),
        ("chance", number(|row| row.chance)),
        ("ci_low", number(|row| row.low)),
        ("ci_high", number(|row| row.high)),
        ("seed", u64s(rows.iter().map(|(probed, _)| probed.seed))),
    ];
    columns.extend(nulls(&rows, NULL[0], |row| row.shuffled));
    columns.extend(nulls(&rows, NULL[1], |row| row.matched));
    columns.push(("status", text(|row| &row.status)));
    super::write(path, columns)
}

/// Reads the rows back; `infos` says which probes there were, in their order.
///
/// # Errors
/// No such table, or rows that contradict the manifest or one another.
pub fn read(path: &Path, infos: &[MeasuredInfo]) -> Result<Vec<Probed>> {
    let table = Table::read(path)?;
    let mut probed: Vec<Probed> = (infos.iter())
        .map(|info| Probed {
            probe: info.probe.clone(),
            seed: info.seed,
            measured: Measured { rows: Vec::new(), notes: info.notes.clone() },
        })
        .collect();
    let probes = table.strings("probe")?;
    let [metric, language, pivot, variant, item, status] =
        ["metric", "language", "pivot", "variant", "item", "status"].map(|name| table.strings(name));
    let (metric, language, pivot, variant, item, status) = (metric?, language?, pivot?, variant?, item?, status?);
    let (layer, pivot_layer) = (table.optional_u32s("layer")?, table.optional_u32s("pivot_layer")?);
    let [value, chance, low, high] = ["value", "chance", "ci_low", "ci_high"].map(|name| table.f64s(name));
    let (value, chance, low, high, n) = (value?, chance?, low?, high?, table.u64s("n")?);
    let (shuffled, matched) = (null(&table, NULL[0])?, null(&table, NULL[1])?);
    for at in 0..table.rows() {
        let row = Row {
            metric: metric[at].clone(),
            language: language[at].clone(),
            pivot: pivot[at].clone(),
            layer: layer[at].map(|layer| layer as usize),
            pivot_layer: pivot_layer[at].map(|layer| layer as usize),
            variant: variant[at].clone(),
            item: item[at].clone(),
            value: value[at],
            low: low[at],
            high: high[at],
            n: usize::try_from(n[at]).unwrap_or(usize::MAX),
            chance: chance[at],
            shuffled: shuffled[at],
            matched: matched[at],
            status: status[at].clone(),
        };
        if row.value.is_none() == (row.status == "ok") {
            return Err(table.wrong(at, "a number that is missing needs a reason, and one that is there has none"));
        }
        let owner = probed.iter_mut().find(|of| of.probe == probes[at]);
        let owner = owner.ok_or_else(|| table.wrong(at, "the manifest knows no such probe"))?;
        owner.measured.rows.push(row);
    }
    Ok(probed)
}

fn null(table: &Table, names: [&str; 7]) -> Result<Vec<Option<NullFit>>> {
    let [draws, rest @ ..] = names;
    let draws = table.optional_u32s(draws)?;
    let [mean, q95, p, adjusted, z, calibrated] = rest.map(|name| table.f64s(name));
    let (mean, q95, p, adjusted, z, calibrated) = (mean?, q95?, p?, adjusted?, z?, calibrated?);
    (draws.into_iter().enumerate())
        .map(|(at, draws)| {
            let Some(draws) = draws else { return Ok(None) };
            let (Some(mean), Some(q95), Some(p)) = (mean[at], q95[at], p[at]) else {
                return Err(table.wrong(at, "a null without its mean, quantile or p"));
            };
            let fit = NullFit { draws, mean, q95, p, p_adjusted: adjusted[at], z: z[at], calibrated: calibrated[at] };
            Ok(Some(fit))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use babelscope_probes::{
        measure::{Measured, Row},
        null::fit,
    };

    use super::{Probed, read, write};
    use crate::{manifest::MeasuredInfo, tables::align::Labels};

    #[test]
    fn rows_come_back_from_their_table_exactly() {
        let drawn: Vec<f64> = (0..40).map(|i| f64::from(i) / 97.0).collect();
        let full = Row {
            shuffled: fit(0.1 + 0.2, &drawn, true),
            matched: fit(0.1 + 0.2, &drawn[..20], false),
            pivot_layer: Some(0),
            ..Row::new("cka", 0.1 + 0.2, 7).of("hin_Deva").against("eng_Latn").at(3).variant("debiased").item("α")
        };
        let rows = vec![
            full.within(-0.5, 1.0 / 3.0).chance(1e-300),
            Row::missing("cca", "n <= width", 4),
            Row::new("x", 1.0, 0),
        ];
        let probed = [
            Probed { probe: "similarity".into(), seed: 9, measured: Measured { rows, notes: vec!["a".into()] } },
            Probed { probe: "tokenizer".into(), seed: 1, measured: Measured::default() },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("measures.parquet");
        let labels = Labels { model: "m", revision: "", site: "resid_post", pooling: "mean", seed: 0, intervals: true };
        write(&path, &probed, labels).unwrap();
        let infos: Vec<MeasuredInfo> = probed.iter().map(MeasuredInfo::of).collect();
        assert_eq!(read(&path, &infos).unwrap(), probed);
        assert!(read(&path, &infos[1..]).is_err(), "rows of a probe that the manifest does not know");
    }
}
