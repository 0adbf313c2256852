//! What a person should know before believing a low score: states that cannot win.

use std::collections::BTreeMap;

use super::prepared::Prepared;
use crate::source::StateSource;

#[derive(Default)]
pub(super) struct Notes {
    /// By language and kind: how many sentences at which layer, the most of any centring.
    found: BTreeMap<(usize, Kind), BTreeMap<usize, usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Duplicates,
    NoDirection,
}

impl Notes {
    pub(super) fn read(&mut self, language: usize, layer: usize, prepared: &Prepared) {
        let lost = prepared.lost().into_iter().filter(|lost| *lost).count();
        for (kind, count) in [(Kind::Duplicates, prepared.duplicates), (Kind::NoDirection, lost)] {
            if count > 0 {
                let most = self.found.entry((language, kind)).or_default().entry(layer).or_default();
                *most = count.max(*most);
            }
        }
    }

    pub(super) fn sentences(self, source: &dyn StateSource) -> Vec<String> {
        let n = source.sentences();
        (self.found.into_iter())
            .map(|((language, kind), layers)| {
                let what = match kind {
                    Kind::Duplicates => "share their state with another sentence, and a tie never counts",
                    Kind::NoDirection => {
                        "have no direction (nothing is left of them after centring, or they are zero) and never count by cosine"
                    }
                };
                let shown: Vec<_> = layers.iter().take(4).map(|(layer, n)| format!("{n} at layer {layer}")).collect();
                let more = layers.len().saturating_sub(4);
                let more = if more > 0 { format!(", and at {more} more layers") } else { String::new() };
                format!("{}: of {n} sentences some {what}: {}{more}", source.languages()[language], shown.join(", "))
            })
            .collect()
    }
}
