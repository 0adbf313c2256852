//! The states of a language at a layer, read, checked, corrected as asked for, and ready for cosines.

use super::{AlignParams, Centring, unit::Unit};
use crate::{
    Error, Result,
    correct::{Corrector, Options},
    source::{self, StateSource},
};

/// Centrings that rest on the same states.
pub(super) struct Family {
    /// What was done to the states; `None` for those that come as they are.
    correction: Option<Centring>,
    /// Whether the mean of the language is subtracted as well, for each centring of the family.
    pub(super) centred: Vec<bool>,
    /// Places of the centrings in the parameters.
    pub(super) places: Vec<usize>,
}

/// Raw and centred states are one family and come first, every other centring is one of its own.
pub(super) fn families(params: &AlignParams) -> Vec<Family> {
    let asked = || params.centrings.iter().copied().enumerate();
    let plain: Vec<(usize, Centring)> = asked().filter(|(_, centring)| centring.is_plain()).collect();
    let mut families = Vec::new();
    if !plain.is_empty() {
        families.push(Family {
            correction: None,
            centred: plain.iter().map(|(_, centring)| *centring == Centring::Language).collect(),
            places: plain.iter().map(|(place, _)| *place).collect(),
        });
    }
    let others = asked().filter(|(_, centring)| !centring.is_plain());
    families.extend(others.map(|(place, centring)| Family {
        correction: Some(centring),
        centred: vec![false],
        places: vec![place],
    }));
    families
}

/// What is learned at one layer before its languages are read.
pub(super) struct Layer<'a> {
    source: &'a dyn StateSource,
    /// Place of the layer.
    at: usize,
    /// One for each family.
    correctors: Vec<Option<Corrector>>,
}

impl<'a> Layer<'a> {
    /// # Errors
    /// A correction that cannot be learned.
    pub(super) fn new(source: &'a dyn StateSource, at: usize, families: &[Family]) -> Result<Self> {
        let fit = |centring| Corrector::fit(source, at, centring, &Options::default());
        let correctors = families.iter().map(|family| family.correction.map(fit).transpose());
        Ok(Self { source, at, correctors: correctors.collect::<Result<_>>()? })
    }

    /// The states of a language, for each family.
    ///
    /// # Errors
    /// States that cannot be read, are not finite, or have another shape than the source says.
    pub(super) fn units(&self, language: usize) -> Result<Vec<Unit<'a>>> {
        let state = self.source.state(language, self.at)?;
        let n = self.source.sentences();
        if state.nrows() != n {
            let why = format!(
                "{} has {} sentences, expected {n}; line i must mean the same in every language, so nothing is cut",
                self.place(language),
                state.nrows()
            );
            return Err(Error::Input { measure: "align", why });
        }
        let mut units: Vec<Unit<'a>> = (self.correctors.iter().flatten())
            .map(|corrector| Unit::new(corrector.apply(language, state.view()).into()))
            .collect();
        if self.correctors.first().is_some_and(Option::is_none) {
            units.insert(0, Unit::new(state));
        }
        if units.iter().any(|unit| unit.mean.iter().any(|m| !m.is_finite())) {
            source::finite(self.source, language, self.at, "align")?;
            let why = format!("the correction of {} leaves numbers that are not finite", self.place(language));
            return Err(Error::Input { measure: "align", why });
        }
        Ok(units)
    }

    /// # Errors
    /// Two languages of another width.
    pub(super) fn same_width(&self, pivot: &[Unit<'_>], language: &[Unit<'_>], names: (usize, usize)) -> Result<()> {
        let widths = |units: &[Unit<'_>]| units.first().map_or(0, Unit::width);
        if widths(pivot) == widths(language) {
            return Ok(());
        }
        let why = format!(
            "{} has width {}, {} has {}; their cosine needs one width",
            self.place(names.0),
            widths(pivot),
            self.source.languages()[names.1],
            widths(language),
        );
        Err(Error::Input { measure: "align", why })
    }

    /// Canonical number of the layer.
    pub(super) fn number(&self) -> usize {
        self.source.layers()[self.at]
    }

    fn place(&self, language: usize) -> String {
        format!("{} at layer {}", self.source.languages()[language], self.number())
    }
}
