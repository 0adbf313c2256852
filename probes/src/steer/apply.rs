//! A steering vector becomes edits: where, how strongly in which unit, with which operator, and how that reads in the other units.
//!
//! With `h` a state, `v` the vector at a layer as the estimator gave it, `d = v / |v|`, `n` the mean norm of the states there (from the
//! card) and `a` the strength (methods.md 5.0):
//!
//! - [`Operator::Add`]: `h + L d` with `L = a |v|` (raw), `a` (unit), `a n` (norm);
//! - [`Operator::AddKeepNorm`]: the same, rescaled to `|h|`;
//! - [`Operator::Ablate`]: `h - (h d) d`;
//! - [`Operator::Clamp`]: `h + (L - h d) d`, so that `h d = L`;
//! - [`Operator::AffineAblate`]: `h - ((h - r) d) d` for a reference state `r`, so that `h d = r d`.
//!
//! Papers use four units, so their strengths cannot be compared: [`Strength`] says each of them in all three.
//! Decided here: strength 0 is no edit at all, whatever the operator. The two ablations are done or not done: another strength than 0
//! and 1 is refused.

use std::collections::BTreeMap;

use babelscope_core::{
    engine::ModelInfo,
    plan::{Edit, Op, Positions, Schedule, Site, Unit},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SteeringVector;
use crate::{Error, Result};

/// What a strength counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrengthUnit {
    /// The vector as the estimator gave it: 1 moves the mean of one side of a difference of means to the other.
    Raw,
    /// A vector of length 1. The norm of states grows through depth, so one strength is tiny at one layer and huge at another.
    Unit,
    /// The mean norm of the states at that layer (the card's): 1 adds as much as is there.
    #[default]
    Norm,
}

/// What is done with the vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Adds it.
    #[default]
    Add,
    /// Adds it and gives the state its norm back, so that only its direction changes.
    AddKeepNorm,
    /// Takes out what lies along it; strength 0 or 1.
    Ablate,
    /// Sets what lies along it to the strength.
    Clamp,
    /// Sets what lies along it to that of a reference state, mostly a mean; strength 0 or 1.
    AffineAblate,
}

/// How a vector is applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// Canonical layers; empty is every layer of the vector.
    pub layers: Vec<usize>,
    /// How strongly, in `unit`; negative leads the other way.
    pub strength: f64,
    /// What the strength counts.
    pub unit: StrengthUnit,
    /// What is done.
    pub operator: Operator,
    /// At which tokens; more than one choice is done at each of them (they must not overlap, as what they share would be changed
    /// twice). Empty is every token, BOS included.
    pub positions: Vec<Positions>,
    /// How the strength goes over the steps of a generation; of the two additions only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// In which of the sentences that are run, from 0; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<usize>>,
    /// The reference state of [`Operator::AffineAblate`] at each layer, `[width]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<usize, Vec<f32>>,
}

/// One strength in all units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strength {
    /// Name of the vector.
    pub vector: String,
    /// Layer.
    pub layer: usize,
    /// In vectors.
    pub raw: f64,
    /// In the length that it adds up to.
    pub unit: f64,
    /// In mean norms of the states; `None` where the card does not say it.
    pub norm: Option<f64>,
}

impl Strength {
    /// A strength as a line of a log.
    pub fn sentence(&self) -> String {
        let Self { vector, layer, raw, unit, norm } = self;
        let norm = norm.map_or("mean norm unknown".to_owned(), |norm| format!("{norm:.4} of the mean norm"));
        format!("{vector} at layer {layer}: {raw:.4} vectors = length {unit:.4} = {norm}")
    }
}

/// What applying vectors comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// For a plan, in the order of the vectors, then of their layers.
    pub edits: Vec<Edit>,
    /// One a vector and layer that has an edit.
    pub strengths: Vec<Strength>,
}

/// The edits of several vectors, each with its application. Vectors at one place are applied one after the other.
///
/// ```
/// use babelscope_core::plan::{Op, Positions, Unit};
/// use babelscope_probes::steer::{Application, Card, StrengthUnit, SteeringVector, apply};
/// let card = Card { name: "polite".into(), mean_norm: [(2, 10.0)].into(), ..Card::default() };
/// let vector = SteeringVector { card, layers: [(2, vec![3.0, 4.0])].into() };
/// let how = Application { strength: 0.5, unit: StrengthUnit::Norm, ..Application::default() };
/// let applied = apply(&[(&vector, &how)])?;
/// let strength = &applied.strengths[0];
/// // 0.5 of a mean norm of 10 is a length of 5, and that is the vector once.
/// assert_eq!((strength.norm, strength.unit, strength.raw), (Some(0.5), 5.0, 1.0));
/// assert!(matches!(applied.edits[0].op, Op::Add { coefficient: 0.5, unit: Unit::Norm(10.0), .. }));
/// assert!(apply(&[(&vector, &Application { strength: 0.0, ..how })])?.edits.is_empty());
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
///
/// # Errors
/// A vector that [`SteeringVector::check_numbers`] refuses; a layer that it lacks; a strength that is not finite, that is beyond what f32
/// holds, or that an ablation does not know; unit `norm` without a mean norm on the card; a reference that is missing or does not fit.
pub fn apply(vectors: &[(&SteeringVector, &Application)]) -> Result<Applied> {
    let mut applied = Applied::default();
    for (vector, how) in vectors {
        how.add(vector, &mut applied)?;
    }
    Ok(applied)
}

/// [`apply`] after [`SteeringVector::check`] against the model at hand: width, layers, weights.
///
/// # Errors
/// As [`apply`] and [`SteeringVector::check`].
pub fn apply_to(model: &ModelInfo, elsewhere: bool, vectors: &[(&SteeringVector, &Application)]) -> Result<Applied> {
    vectors.iter().try_for_each(|(vector, _)| vector.check(model, elsewhere))?;
    apply(vectors)
}

impl Application {
    /// Layers at which it is applied.
    fn places(&self, vector: &SteeringVector) -> Vec<usize> {
        if self.layers.is_empty() { vector.layers.keys().copied().collect() } else { self.layers.clone() }
    }

    fn add(&self, vector: &SteeringVector, applied: &mut Applied) -> Result<()> {
        vector.check_numbers()?;
        let name = &vector.card.name;
        if !self.strength.is_finite() {
            return refuse(format!("the strength of {name} is {}, expected a finite number", self.strength));
        }
        if self.strength == 0.0 {
            return Ok(());
        }
        for layer in self.places(vector) {
            let Some(numbers) = vector.layers.get(&layer) else {
                let has: Vec<String> = vector.layers.keys().map(usize::to_string).collect();
                return refuse(format!(
                    "the vector {name} has no direction for layer {layer}; it has {}",
                    has.join(", ")
                ));
            };
            let site = site(vector, layer)?;
            let strength = self.strength(vector, layer)?;
            let op = self.op(vector, layer, numbers, &strength)?;
            let edit = |positions: Positions| Edit {
                positions,
                sentences: self.sentences.clone(),
                schedule: self.schedule.clone(),
                ..Edit::at(site, op.clone())
            };
            match self.positions.as_slice() {
                [] => applied.edits.push(edit(Positions::All)),
                some => applied.edits.extend(some.iter().cloned().map(edit)),
            }
            applied.strengths.push(strength);
        }
        Ok(())
    }

    /// The strength at a layer in all units.
    fn strength(&self, vector: &SteeringVector, layer: usize) -> Result<Strength> {
        let name = &vector.card.name;
        let length = vector.norm(layer).unwrap_or_default();
        let mean = vector.card.mean_norm.get(&layer).copied();
        if let Some(mean) = mean.filter(|mean| !(mean.is_finite() && *mean > 0.0)) {
            return refuse(format!(
                "the card of {name} says that the mean norm at layer {layer} is {mean}, expected a positive number"
            ));
        }
        let unit = match (self.unit, mean) {
            (StrengthUnit::Raw, _) => self.strength * length,
            (StrengthUnit::Unit, _) => self.strength,
            (StrengthUnit::Norm, Some(mean)) => self.strength * mean,
            (StrengthUnit::Norm, None) => {
                return refuse(format!(
                    "the card of {name} has no mean norm for layer {layer}, so a strength in unit `norm` means nothing there; give \
                     it in unit `raw` or `unit`, or train the vector anew"
                ));
            }
        };
        let largest = f64::from(f32::MAX);
        // The state, the vector and their squares are f32: a length beyond the root of its range has no norm there.
        if unit.abs() > largest.sqrt() || self.strength.abs() > largest {
            return refuse(format!(
                "strength {} of {name} at layer {layer} is a length of {unit:e}, which overflows; states there have mean norm {}",
                self.strength,
                mean.map_or("unknown".to_owned(), |mean| format!("{mean:.3}"))
            ));
        }
        Ok(Strength { vector: name.clone(), layer, raw: unit / length, unit, norm: mean.map(|mean| unit / mean) })
    }

    fn op(&self, vector: &SteeringVector, layer: usize, numbers: &[f32], strength: &Strength) -> Result<Op> {
        let direction = || numbers.to_vec().into();
        let once = |what: &str| {
            if self.strength == 1.0 {
                return Ok(());
            }
            refuse(format!(
                "{what} is done (strength 1) or not (0), strength {} was given; `clamp` has degrees",
                self.strength
            ))
        };
        if self.schedule.is_some() && !matches!(self.operator, Operator::Add | Operator::AddKeepNorm) {
            return refuse("a schedule is of an addition; leave it out, or add the vector".to_owned());
        }
        match self.operator {
            Operator::Add | Operator::AddKeepNorm => {
                let mean = vector.card.mean_norm.get(&layer).map_or(1.0, |mean| *mean as f32);
                let unit = match self.unit {
                    StrengthUnit::Raw => Unit::Raw,
                    StrengthUnit::Unit => Unit::Norm(1.0),
                    StrengthUnit::Norm => Unit::Norm(mean),
                };
                let keep_norm = self.operator == Operator::AddKeepNorm;
                Ok(Op::Add { vector: direction(), coefficient: self.strength as f32, unit, keep_norm })
            }
            Operator::Ablate => once("an ablation").map(|()| Op::Ablate { direction: direction() }),
            Operator::Clamp => Ok(Op::Clamp { direction: direction(), value: strength.unit as f32 }),
            Operator::AffineAblate => {
                once("an affine ablation")?;
                let value = self.along(&vector.card.name, layer, numbers)?;
                Ok(Op::Clamp { direction: direction(), value })
            }
        }
    }

    /// `r d` of the reference at a layer.
    fn along(&self, name: &str, layer: usize, numbers: &[f32]) -> Result<f32> {
        let Some(reference) = self.reference.get(&layer) else {
            return refuse(format!(
                "an affine ablation of {name} needs a reference state at layer {layer}, there is none"
            ));
        };
        if reference.len() != numbers.len() {
            return refuse(format!(
                "the reference state at layer {layer} has {} numbers, the vector {name} has {}",
                reference.len(),
                numbers.len()
            ));
        }
        let length = numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let along = reference.iter().zip(numbers).map(|(r, v)| f64::from(*r) * f64::from(*v)).sum::<f64>() / length;
        if !along.is_finite() {
            return refuse(format!("the reference state at layer {layer} of {name} is not finite"));
        }
        Ok(along as f32)
    }
}

/// The place of a layer of the vector: its site's, `resid_post` where the card (of another program) says none.
fn site(vector: &SteeringVector, layer: usize) -> Result<Site> {
    match vector.card.site.as_str() {
        "" | "resid_post" => Ok(Site::layer(layer)),
        other => Ok(format!("{other}.{layer}").parse()?),
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steer::Card;

    fn vector() -> SteeringVector {
        let card = Card { name: "polite".into(), mean_norm: [(1, 10.0), (2, 20.0)].into(), ..Card::default() };
        SteeringVector { card, layers: [(1, vec![3.0, 4.0]), (2, vec![0.0, 2.0]), (3, vec![1.0, 0.0])].into() }
    }

    fn at(layer: usize, strength: f64, unit: StrengthUnit, operator: Operator) -> Application {
        Application { layers: vec![layer], strength, unit, operator, ..Application::default() }
    }

    #[test]
    fn one_strength_reads_the_same_in_every_unit() {
        for (strength, unit) in [(2.0, StrengthUnit::Raw), (10.0, StrengthUnit::Unit), (1.0, StrengthUnit::Norm)] {
            let applied = apply(&[(&vector(), &at(1, strength, unit, Operator::Add))]).unwrap();
            let Strength { raw, unit, norm, .. } = &applied.strengths[0];
            assert_eq!((*raw, *unit, *norm), (2.0, 10.0, Some(1.0)));
        }
        let sentence =
            apply(&[(&vector(), &at(3, 2.0, StrengthUnit::Raw, Operator::Add))]).unwrap().strengths[0].sentence();
        assert_eq!(sentence, "polite at layer 3: 2.0000 vectors = length 2.0000 = mean norm unknown");
    }

    #[test]
    fn strength_zero_is_no_edit() {
        for operator in
            [Operator::Add, Operator::AddKeepNorm, Operator::Ablate, Operator::Clamp, Operator::AffineAblate]
        {
            let applied = apply(&[(&vector(), &at(2, 0.0, StrengthUnit::Norm, operator))]).unwrap();
            assert_eq!(applied, Applied::default());
        }
    }

    #[test]
    fn a_clamp_is_as_long_as_it_says_and_an_affine_ablation_is_a_clamp_to_the_reference() {
        let of = |how: &Application| apply(&[(&vector(), how)]).unwrap().edits[0].op.clone();
        let Op::Clamp { value, .. } = of(&at(2, 0.5, StrengthUnit::Norm, Operator::Clamp)) else { unreachable!() };
        assert_eq!(value, 10.0);
        let mut affine = at(1, 1.0, StrengthUnit::Raw, Operator::AffineAblate);
        affine.reference.insert(1, vec![5.0, 10.0]);
        let Op::Clamp { value, .. } = of(&affine) else { unreachable!() };
        // (5 * 3 + 10 * 4) / 5
        assert_eq!(value, 11.0);
    }

    #[test]
    fn vectors_come_in_order_and_every_layer_of_a_vector_is_meant_where_none_is_named() {
        let all = Application { strength: 1.0, unit: StrengthUnit::Raw, ..Application::default() };
        let positions = vec![Positions::Last, Positions::Generated];
        let one = Application { layers: vec![2], positions, sentences: Some(vec![4]), ..all.clone() };
        let applied = apply(&[(&vector(), &all), (&vector(), &one)]).unwrap();
        let places: Vec<_> = applied.edits.iter().map(|edit| (edit.blocks.clone(), edit.positions.clone())).collect();
        use babelscope_core::plan::Blocks::List;
        let at = |layer, positions| (List(vec![layer]), positions);
        let end = [at(2, Positions::Last), at(2, Positions::Generated)];
        assert_eq!(places[..3], [at(1, Positions::All), at(2, Positions::All), at(3, Positions::All)]);
        assert_eq!(places[3..], end);
        assert_eq!(applied.edits[4].sentences, Some(vec![4]));
        assert_eq!(applied.strengths.len(), 4);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_a_sentence() {
        let refused = [
            (at(1, f64::NAN, StrengthUnit::Raw, Operator::Add), "is NaN"),
            (at(4, 1.0, StrengthUnit::Raw, Operator::Add), "no direction for layer 4; it has 1, 2, 3"),
            (at(3, 1.0, StrengthUnit::Norm, Operator::Add), "no mean norm for layer 3"),
            (at(1, 1e39, StrengthUnit::Raw, Operator::Add), "overflows"),
            (at(1, 1e30, StrengthUnit::Norm, Operator::Clamp), "overflows"),
            (at(1, 0.5, StrengthUnit::Raw, Operator::Ablate), "strength 0.5"),
            (at(1, 1.0, StrengthUnit::Raw, Operator::AffineAblate), "needs a reference state at layer 1"),
            (
                Application { schedule: Some(Schedule::First(2)), ..at(1, 1.0, StrengthUnit::Raw, Operator::Ablate) },
                "schedule",
            ),
            (
                Application {
                    reference: [(1, vec![1.0])].into(),
                    ..at(1, 1.0, StrengthUnit::Raw, Operator::AffineAblate)
                },
                "has 1 numbers",
            ),
        ];
        for (how, why) in refused {
            let error = apply(&[(&vector(), &how)]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let broken = SteeringVector { layers: [(1, vec![f32::NAN, 0.0])].into(), ..vector() };
        assert!(apply(&[(&broken, &at(1, 1.0, StrengthUnit::Raw, Operator::Add))]).is_err());
    }
}
