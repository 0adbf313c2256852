//! The rows that say which neurons were chosen, how many, where, and how far another half of the sentences would choose the same.

use super::{
    activity::{Activity, Places},
    lape::{Lape, jaccard},
};
use crate::measure::Row;

/// Bins of the histogram of LAPE, 0 to ln(languages), and of that of the probabilities, 0 to 1.
const LAPE_BINS: usize = 50;
const PROBABILITY_BINS: usize = 20;

/// Neurons that were chosen.
pub(super) struct Selection<'a> {
    pub(super) languages: &'a [String],
    pub(super) places: &'a Places,
    /// One a language.
    pub(super) activity: &'a [Activity],
    pub(super) chosen: &'a Lape,
    /// What the other half of the sentences chooses.
    pub(super) again: &'a Lape,
    pub(super) per_layer: bool,
}

impl Selection<'_> {
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = self.cuts();
        rows.extend(self.histograms());
        rows.extend(self.neurons());
        rows.extend(self.counts());
        rows.extend(self.overlaps());
        rows
    }

    fn size(&self) -> usize {
        self.chosen.entropy.len()
    }

    fn layer(&self, neuron: usize) -> usize {
        self.places.place(neuron).0
    }

    fn cuts(&self) -> Vec<Row> {
        let Lape { entropy, above, bar, selected, of_language } = self.chosen;
        let n = self.size();
        let filtered = above.iter().filter(|above| !**above).count();
        let mut rows = vec![
            Row::new("lape_bar", *bar, n * of_language.len()),
            Row::new("lape_filtered", filtered as f64, n),
            Row::new("neurons_selected", selected.len() as f64, n),
        ];
        let cut = |own: &[usize], n: usize| match own.iter().map(|j| entropy[*j]).max_by(f64::total_cmp) {
            Some(largest) => Row::new("lape_cut", largest, n),
            None => Row::missing("lape_cut", "no neuron has a language above the bar", n),
        };
        if self.per_layer {
            rows.extend(self.places.layers.iter().map(|layer| {
                let own: Vec<usize> = selected.iter().copied().filter(|j| self.layer(*j) == *layer).collect();
                cut(&own, self.places.width).at(*layer)
            }));
        } else {
            rows.push(cut(selected, n));
        }
        rows
    }

    fn histograms(&self) -> Vec<Row> {
        let Lape { entropy, above, .. } = self.chosen;
        let highest = (self.languages.len() as f64).ln();
        let mut rows = Vec::new();
        for (variant, kept) in [("all", None), ("above_bar", Some(above))] {
            let values = entropy.iter().enumerate().filter(|(j, _)| kept.is_none_or(|above| above[*j]));
            let counts = bins(values.map(|(_, lape)| lape / highest), LAPE_BINS);
            let n = counts.iter().sum();
            rows.extend((0..).zip(counts).map(|(bin, count): (u32, usize)| {
                Row::new("lape_histogram", count as f64, n).variant(variant).item(bin.to_string())
            }));
        }
        for (language, activity) in self.languages.iter().zip(self.activity) {
            let counts = bins(activity.probabilities.iter().copied(), PROBABILITY_BINS);
            rows.extend((0..).zip(counts).map(|(bin, count): (u32, usize)| {
                Row::new("probability_histogram", count as f64, self.size()).of(language).item(bin.to_string())
            }));
        }
        rows
    }

    fn neurons(&self) -> Vec<Row> {
        let Lape { entropy, selected, of_language, .. } = self.chosen;
        let tokens = self.activity.iter().map(|activity| activity.tokens).sum();
        let mut rows = Vec::new();
        for neuron in selected {
            let (layer, number) = self.places.place(*neuron);
            for (language, own) in self.languages.iter().zip(of_language) {
                if own.binary_search(neuron).is_ok() {
                    let row = Row::new("lape", entropy[*neuron], tokens);
                    rows.push(row.of(language).at(layer).item(number.to_string()));
                }
            }
            for (language, activity) in self.languages.iter().zip(self.activity) {
                let row = Row::new("activation_probability", activity.probabilities[*neuron], activity.tokens);
                rows.push(row.of(language).at(layer).item(number.to_string()));
            }
        }
        rows
    }

    fn counts(&self) -> Vec<Row> {
        let Places { layers, width } = self.places;
        let mut rows = Vec::new();
        for (language, own) in self.languages.iter().zip(&self.chosen.of_language) {
            rows.push(Row::new("neurons_of_language", own.len() as f64, self.size()).of(language));
            let even = own.len() as f64 / layers.len() as f64;
            rows.extend(layers.iter().map(|layer| {
                let count = own.iter().filter(|j| self.layer(**j) == *layer).count();
                Row::new("neurons_of_language", count as f64, *width).of(language).at(*layer).chance(even)
            }));
        }
        rows
    }

    fn overlaps(&self) -> Vec<Row> {
        let (chosen, again) = (self.chosen, self.again);
        let overlap = |metric: &str, one: &[usize], other: &[usize]| match jaccard(one, other, self.size()) {
            Some((value, chance)) => Row::new(metric, value, one.len() + other.len()).chance(chance),
            None => Row::missing(metric, "neither set has a neuron", 0),
        };
        let mut rows = vec![overlap("selection_overlap", &chosen.selected, &again.selected)];
        let sets = || self.languages.iter().zip(&chosen.of_language);
        for ((language, own), again) in sets().zip(&again.of_language) {
            rows.push(overlap("selection_overlap", own, again).of(language));
            rows.extend(
                sets()
                    .filter(|(other, _)| *other != language)
                    .map(|(other, theirs)| overlap("neuron_overlap", own, theirs).of(language).against(other)),
            );
        }
        rows
    }
}

/// How many numbers of 0 to 1 fall into each of `count` equal bins; the last holds its upper end.
fn bins(values: impl Iterator<Item = f64>, count: usize) -> Vec<usize> {
    let mut bins = vec![0; count];
    values.for_each(|x| bins[((x * count as f64) as usize).min(count - 1)] += 1);
    bins
}

#[cfg(test)]
mod tests {
    use super::bins;

    #[test]
    fn bins_hold_their_lower_end_and_the_last_both() {
        assert_eq!(bins([0.0, 0.24, 0.25, 0.5, 0.99, 1.0].into_iter(), 4), [2, 1, 1, 2]);
    }
}
