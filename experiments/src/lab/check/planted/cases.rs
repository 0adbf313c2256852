//! What is planted: two languages and what is true of them.

use ndarray::{Array2, s};

use crate::lab::planted::{Pair, Planter};

/// Two languages whose relation is known by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Both sides are equal.
    Duplicate,
    /// The same meaning, each side with noise as large as the meaning.
    Noise,
    /// The same with twice the noise.
    Faint,
    /// The same with four times the noise.
    Drowned,
    /// Noise, and a constant vector of each language ten times as large as the meaning.
    Offset,
    /// Noise, and one sentence that comes twice in both languages.
    Repeated,
    /// The same shape, turned onto other axes.
    Rotation,
    /// Nothing in common.
    Independent,
    /// Nothing in common, in ten times more dimensions than there are sentences.
    Wide,
    /// Other meanings in the same six templates.
    Template,
    /// Nothing in common but a constant vector, which is the same in both languages.
    Cone,
    /// Nothing in common but that half of the sentences are copies.
    Copies,
}

impl Case {
    /// Those with shared meaning on the same axes, then those without.
    pub const ALL: [Self; 12] = [
        Self::Duplicate,
        Self::Noise,
        Self::Faint,
        Self::Drowned,
        Self::Offset,
        Self::Repeated,
        Self::Rotation,
        Self::Independent,
        Self::Wide,
        Self::Template,
        Self::Cone,
        Self::Copies,
    ];

    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Noise => "noise",
            Self::Faint => "noise x 2",
            Self::Drowned => "noise x 4",
            Self::Offset => "offset",
            Self::Repeated => "one line twice",
            Self::Rotation => "rotation",
            Self::Independent => "strangers",
            Self::Wide => "strangers, wide",
            Self::Template => "templates",
            Self::Cone => "common cone",
            Self::Copies => "copied lines",
        }
    }

    /// How it is made: Z, U, V and the e are Gaussian and independent.
    pub fn recipe(self) -> &'static str {
        match self {
            Self::Duplicate => "Y = X; n = 100, width 1024",
            Self::Noise => "X = Z + e, Y = Z + e'; n = 100, width 1024",
            Self::Faint => "the same with 2 e",
            Self::Drowned => "the same with 4 e",
            Self::Offset => "noise, and 10 a in every row of X, 10 b in every row of Y",
            Self::Repeated => "noise, and the second sentence is the first again",
            Self::Rotation => "X = Z, Y = (Z + e / 2) Q, Q orthogonal; n = 400, width 64",
            Self::Independent => "X = U, Y = V; n = 400, width 64",
            Self::Wide => "X = U, Y = V; n = 100, width 1024",
            Self::Template => "one of 6 templates, and half as much of its own; n = 240, width 64",
            Self::Cone => "X = U + 10 a, Y = V + 10 a; n = 400, width 64",
            Self::Copies => "X = U, Y = V but for 200 of 400 rows, which are equal; width 64",
        }
    }

    /// What is true of it.
    pub fn truth(self) -> &'static str {
        match self {
            Self::Duplicate => "everything is shared",
            Self::Noise | Self::Faint | Self::Drowned => "meaning is shared, on the same axes",
            Self::Offset => "as with noise: a constant is no meaning",
            Self::Repeated => "as with noise: 98 of 100 sentences say so",
            Self::Rotation => "the same shape on other axes",
            Self::Independent | Self::Wide => "nothing is shared",
            Self::Template => "no meaning is shared, only who has which template",
            Self::Cone => "nothing is shared that differs between sentences",
            Self::Copies => "nothing is shared beyond the copies",
        }
    }

    /// Whether meaning is shared on the same axes.
    pub fn shared(self) -> bool {
        matches!(self, Self::Duplicate | Self::Noise | Self::Faint | Self::Drowned | Self::Offset | Self::Repeated)
    }

    /// Why a measure is fooled here; `beyond`: it lies beyond its null, `more`: above its value with noise alone.
    pub(super) fn reason(self, beyond: bool, more: bool) -> &'static str {
        match self {
            Self::Duplicate => "does not reach its largest value",
            Self::Noise | Self::Faint | Self::Drowned => "cannot be told from shuffled sentences; retrieval still can",
            Self::Offset => "the offset hides what is shared",
            Self::Repeated if more => "two copies of one sentence count as agreement of two sentences",
            Self::Repeated => "loses more than the sentence that comes twice",
            Self::Rotation => "sees the shape and not the axes",
            Self::Independent | Self::Wide | Self::Cone if !beyond => {
                "high without any likeness; only its null says so"
            }
            Self::Independent | Self::Wide => "finds likeness where there is none",
            Self::Template => "the template agrees, no meaning does",
            Self::Cone => "the common direction agrees, no meaning does",
            Self::Copies => "counts the copies",
        }
    }

    /// The states of both sides.
    pub(super) fn states(self, seed: u64) -> Pair {
        let mut planter = Planter::new(seed);
        match self {
            Self::Duplicate => {
                let x = planter.gaussian(100, 1024, 1.0);
                (x.clone(), x)
            }
            Self::Noise => planter.offset(100, 1024, 1.0, 0.0),
            Self::Faint => planter.offset(100, 1024, 2.0, 0.0),
            Self::Drowned => planter.offset(100, 1024, 4.0, 0.0),
            Self::Offset => planter.offset(100, 1024, 1.0, 10.0),
            Self::Repeated => {
                let (x, y) = planter.offset(100, 1024, 1.0, 0.0);
                (twice(x), twice(y))
            }
            Self::Rotation => planter.rotation(400, 64, 0.5),
            Self::Independent => planter.independent(400, 64),
            Self::Wide => planter.independent(100, 1024),
            Self::Template => planter.template(240, 64, 6, 0.5),
            Self::Cone => {
                let cone = planter.gaussian(1, 64, 10.0);
                let (x, y) = planter.independent(400, 64);
                (x + &cone, y + &cone)
            }
            Self::Copies => {
                let (x, mut y) = planter.independent(400, 64);
                y.slice_mut(s![..200, ..]).assign(&x.slice(s![..200, ..]));
                (x, y)
            }
        }
    }
}

fn twice(mut states: Array2<f32>) -> Array2<f32> {
    let first = states.row(0).to_owned();
    states.row_mut(1).assign(&first);
    states
}
