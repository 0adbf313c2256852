//! What a person should know before believing a low score: states that cannot win.

use super::{Ties, prepare::Family, unit::Unit};

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
pub(super) fn sentences(told: &[Told], languages: &[String], n: usize, ties: Ties) -> Vec<String> {
    let strict = ties == Ties::Strict;
    let without = if strict { "never count" } else { "have cosine 0 with everything" };
    let without = format!("have no direction (zero, or equal to the mean of their language) and {without}");
    let equal = if strict { ", and a tie never counts" } else { ", so they tie" };
    let equal = format!("share their state with another sentence{equal}");
    let mut notes = Vec::new();
    for (language, name) in languages.iter().enumerate() {
        let mine = || told.iter().filter(|told| told.language == language);
        let lost = mine().map(|told| (told.lost, told.layer)).collect();
        let shared = mine().map(|told| (told.shared, told.layer)).collect();
        notes.extend(sentence(name, n, &without, lost));
        notes.extend(sentence(name, n, &equal, shared));
    }
    notes
}

/// `found`: how many, and at which layer.
fn sentence(name: &str, n: usize, what: &str, found: Vec<(usize, usize)>) -> Option<String> {
    let found = found.into_iter().filter(|(count, _)| *count > 0);
    let at: Vec<String> = found.map(|(count, layer)| format!("{count} at layer {layer}")).collect();
    let shown = at.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = if at.len() > 4 { format!(", and at {} more layers", at.len() - 4) } else { String::new() };
    (!at.is_empty()).then(|| format!("{name}: of {n} sentences some {what}: {shown}{more}"))
}
