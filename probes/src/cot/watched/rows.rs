//! The numbers of a language: means over its watched traces.

use std::collections::BTreeMap;

use super::{WatchParams, Watched};
use crate::{
    Result,
    cot::{
        commitment::{early_answering, early_by_length},
        inside::Cost,
        report::Traced,
    },
    measure::{Measured, Row},
};

pub(super) fn rows(all: &[Watched], traces: &[Traced], params: &WatchParams) -> Result<Measured> {
    let mut cells: BTreeMap<(&str, &str, String, Option<usize>), Vec<f64>> = BTreeMap::new();
    let mut lengths: BTreeMap<&str, Vec<Vec<bool>>> = BTreeMap::new();
    let mut without = 0;
    for one in all {
        let language = traces[one.trace].trace.language.as_str();
        let mut put = |metric: &'static str, variant: String, layer: Option<usize>, value: f64| {
            cells.entry((metric, language, variant, layer)).or_default().push(value);
        };
        if let Some(mixing) = &one.mixing {
            put("switch_points", String::new(), None, mixing.switches.len() as f64);
            put("mixing_entropy", String::new(), None, mixing.entropy);
            put("code_switch_index", String::new(), None, mixing.code_switch_index);
            for (code, share) in one.languages.iter().zip(&mixing.shares) {
                put("language_share", code.clone(), None, *share);
            }
            let own = one.languages.iter().position(|code| code == language);
            // What the identifier was not taught it never names.
            if let Some(own) = own {
                put("own_language", String::new(), None, mixing.shares[own]);
                let commits = one.commitment.first().and_then(|(_, found)| found.step);
                if let Some(spoken) = commits.and_then(|step| mixing.languages.get(step - 1).copied().flatten()) {
                    put("own_language_at_commitment", String::new(), None, f64::from(u8::from(spoken == own)));
                }
            }
        }
        if let Some(latent) = &one.latent {
            for (layer, share) in latent.layers.iter().zip(&latent.agreement) {
                if let Some(share) = share {
                    put("latent_agreement", String::new(), Some(*layer), *share);
                }
            }
        }
        let Some(curves) = &one.curves else {
            without += 1;
            continue;
        };
        for (theta, commitment) in &one.commitment {
            let commits = f64::from(u8::from(commitment.step.is_some()));
            cells.entry(("commits", language, theta.to_string(), None)).or_default().push(commits);
            let tokens = one.tokens.get(..commitment.steps);
            // All three on one axis: what is written before the answer is stated.
            let last = tokens.and_then(|tokens| tokens.last()).copied().unwrap_or(1.0);
            let tokens = tokens.map(|tokens| tokens.iter().map(|share| share / last).collect::<Vec<f64>>());
            let anchors = one.anchors.get(..commitment.steps).map(<[f64]>::to_vec);
            let on = |progress: Option<Vec<f64>>| match progress {
                Some(progress) => commitment.share_of(&progress),
                None => Ok(None),
            };
            for (metric, share) in [
                ("commitment", commitment.share()),
                ("commitment_tokens", on(tokens)?),
                ("commitment_anchors", on(anchors)?),
            ] {
                // One that never commits is no part of the mean.
                let cell = cells.entry((metric, language, theta.to_string(), None)).or_default();
                cell.extend(share);
            }
        }
        let mut put = |metric: &'static str, variant: String, layer: Option<usize>, value: f64| {
            cells.entry((metric, language, variant, layer)).or_default().push(value);
        };
        put("committed_before", String::new(), None, curves.committed.first().copied().unwrap_or_default());
        put("flips", String::new(), None, one.changes.flips as f64);
        let steps = one.working() - 1;
        if steps > 0 {
            let positions: Vec<f64> = (0..=steps).map(|step| step as f64 / steps as f64).collect();
            // Whether it is the answer that the trace comes to, which the likeliest one after the statement need not be.
            let same: Vec<f64> = one.top[..=steps].iter().map(|top| f64::from(u8::from(*top == 0))).collect();
            put("early_aoc", String::new(), None, early_answering(&positions, &same)?.aoc);
            let same = one.top[..=steps].iter().map(|top| *top == 0).collect();
            lengths.entry(language).or_default().push(same);
        }
    }
    // Languages that no trace of a language ever uses.
    cells.retain(|(metric, ..), values| *metric != "language_share" || values.iter().any(|share| *share > 0.0));
    let mut measured = Measured::default();
    for ((metric, language, variant, layer), values) in cells {
        let row = if values.is_empty() {
            Row::missing(metric, "no watched trace stays committed, or none has such a scale", 0)
        } else {
            Row::new(metric, values.iter().sum::<f64>() / values.len() as f64, values.len())
        };
        let row = row.of(language).variant(&variant);
        measured.rows.push(Row { layer, ..row });
    }
    for (language, traces) in lengths {
        let found = early_by_length(&traces)?;
        measured.rows.push(Row::new("early_aoc", found.aoc, traces.len()).of(language).variant("by_length"));
    }
    if without > 0 {
        measured.notes.push(format!("{without} of {} watched traces have no curve; each says why", all.len()));
    }
    let cost = all.iter().fold(Cost::default(), |sum, one| Cost {
        shared: sum.shared + one.cost.shared,
        naive: sum.naive + one.cost.naive,
    });
    if cost.shared > 0 {
        measured.notes.push(format!(
            "forced answers ran {} tokens, {:.1} times fewer than without shared beginnings; {} thresholds",
            cost.shared,
            cost.ratio(),
            params.thresholds.len()
        ));
    }
    Ok(measured)
}
