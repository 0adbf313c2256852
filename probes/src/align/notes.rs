//! What a person should know before believing a low score: states that cannot win.

use super::{prepare::Family, unit::Unit};

/// What one language is like at one layer, beside its pairs.
pub(super) struct Told {
    pub(super) language: usize,
    /// Canonical number.
    pub(super) layer: usize,
    /// Sentences that share their state.
    shared: usize,
    /// States without a direction, of the centring that has the most.
    lost: usize,
    /// For each centring.
    pub(super) anisotropy: Vec<Option<f64>>,
}

impl Told {
    pub(super) fn new(language: usize, layer: usize, units: &[Unit<'_>], families: &[Family]) -> Self {
        let sides = || {
            (units.iter().zip(families)).flat_map(|(unit, family)| {
                family.places.iter().zip(&family.centred).map(move |(place, centred)| (*place, unit.side(*centred)))
            })
        };
        let mut anisotropy = vec![None; sides().count()];
        sides().for_each(|(place, side)| anisotropy[place] = side.anisotropy());
        Self {
            language,
            layer,
            shared: units.first().map_or(0, |unit| unit.shared),
            lost: sides().map(|(_, side)| side.without_direction()).max().unwrap_or(0),
            anisotropy,
        }
    }
}

/// One sentence for each language and what befell it.
pub(super) fn sentences(told: &[Told], languages: &[String], n: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let kinds: [(&str, fn(&Told) -> usize); 2] = [
        ("have no direction (zero, or equal to the mean of their language) and never count", |told| told.lost),
        ("share their state with another sentence, and a tie never counts", |told| told.shared),
    ];
    for (language, name) in languages.iter().enumerate() {
        for (what, count) in kinds {
            let mine = told.iter().filter(|told| told.language == language && count(told) > 0);
            let at: Vec<String> = mine.map(|told| format!("{} at layer {}", count(told), told.layer)).collect();
            if at.is_empty() {
                continue;
            }
            let shown = at.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            let more = if at.len() > 4 { format!(", and at {} more layers", at.len() - 4) } else { String::new() };
            notes.push(format!("{name}: of {n} sentences some {what}: {shown}{more}"));
        }
    }
    notes
}
