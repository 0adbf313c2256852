//! Edits: what a pass changes, as data, so that they travel in specs, manifests and exports. docs/EDITS.md has the formulas and
//! the TOML form.

use std::{ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Point, Site};

/// A change to the values of a place in the network. What comes after the place sees the changed value, and so does a capture of
/// the place. Several edits of one place are made in the order of the plan.
///
/// ```
/// use babelscope_core::plan::{Edit, Op, Positions, Site, Unit};
/// let steer = Op::Add { vector: vec![0.0, 1.0].into(), coefficient: 4.0, unit: Unit::Raw, keep_norm: false };
/// let edit = Edit { positions: Positions::Content, ..Edit::at(Site::layer(5), steer) };
/// assert_eq!(edit.blocks, babelscope_core::plan::Blocks::List(vec![5]));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// The place.
    pub point: Point,
    /// In which blocks.
    #[serde(default)]
    pub blocks: Blocks,
    /// At which tokens; for [`Op::Cut`], of which queries.
    #[serde(default)]
    pub positions: Positions,
    /// In which of the sentences that are run, counted from 0; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<usize>>,
    /// How the strength goes over the steps of a generation; `None` is the same at every step. Of [`Op::Add`] only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
}

impl Edit {
    /// `op` at one site, for every token of every sentence.
    pub fn at(site: Site, op: Op) -> Self {
        let blocks = if site.point.in_block() { Blocks::List(vec![site.block]) } else { Blocks::All };
        Self { point: site.point, blocks, positions: Positions::All, sentences: None, schedule: None, op }
    }

    /// Whether the edit changes values at `site`.
    pub(crate) fn is_at(&self, site: Site) -> bool {
        self.point == site.point && self.blocks.hold(site.block)
    }

    /// Whether the edit changes sentence `index`.
    pub(crate) fn is_in(&self, index: usize) -> bool {
        self.sentences.as_ref().is_none_or(|sentences| sentences.contains(&index))
    }
}

/// Which blocks, counted from 1. Places outside of the blocks take [`Blocks::All`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocks {
    /// Every block that has the place.
    #[default]
    All,
    /// These.
    List(Vec<usize>),
    /// From the first to the last, both included.
    Range {
        /// The first.
        first: usize,
        /// The last.
        last: usize,
    },
}

impl Blocks {
    /// The first that is meant, or one before it.
    pub(crate) fn first(&self) -> usize {
        match self {
            Self::All => 1,
            Self::List(blocks) => blocks.iter().copied().min().unwrap_or(1),
            Self::Range { first, .. } => *first,
        }
    }

    fn hold(&self, block: usize) -> bool {
        match self {
            Self::All => true,
            Self::List(blocks) => blocks.contains(&block),
            Self::Range { first, last } => (*first..=*last).contains(&block),
        }
    }
}

/// Which tokens of a sentence, counted from 0 with BOS, whatever a cache holds of them. All but `All`, `Content`, `Generated` and
/// `From` speak of the sentence as it was given, and reach no token that is generated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Every token, BOS and generated ones included.
    #[default]
    All,
    /// Every token but BOS.
    Content,
    /// The tokens that were given.
    Prompt,
    /// The tokens that are generated.
    Generated,
    /// The last token that was given.
    Last,
    /// The first token behind BOS.
    FirstContent,
    /// These.
    List(Vec<usize>),
    /// These, counted from the end of what was given: 1 is the last.
    FromEnd(Vec<usize>),
    /// This one and all behind it, generated ones included.
    From(usize),
    /// From the first to the last, both included.
    Range {
        /// The first.
        first: usize,
        /// The last.
        last: usize,
    },
}

/// How the coefficient of an [`Op::Add`] goes over the steps of a generation: what it is multiplied by. Given tokens are of step 0, the
/// i-th generated token (from 0) is of step i, whatever a cache holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// 1 for the first steps, 0 behind them.
    First(usize),
    /// `1/2^(step / n)`: half after `n` steps.
    Halving(usize),
    /// From 1 at step 0 straight to `to` at step `steps`, which it keeps.
    Linear {
        /// The factor at the end.
        to: f32,
        /// The step at which it is reached.
        steps: usize,
    },
    /// A factor for each step; the last one is kept.
    Factors(Vec<f32>),
}

impl Schedule {
    /// The factor at a step.
    pub fn at(&self, step: usize) -> f32 {
        match self {
            Self::First(steps) => f32::from(u8::from(step < *steps)),
            Self::Halving(steps) => (-(step as f64) / *steps as f64).exp2() as f32,
            Self::Linear { steps, to } if step >= *steps => *to,
            Self::Linear { to, steps } => 1.0 + (to - 1.0) * (step as f32 / *steps as f32),
            Self::Factors(factors) => factors.get(step).or(factors.last()).copied().unwrap_or(1.0),
        }
    }

    /// The largest factor of any step, without its sign.
    pub(crate) fn largest(&self) -> f32 {
        match self {
            Self::First(_) | Self::Halving(_) => 1.0,
            Self::Linear { to, .. } => to.abs().max(1.0),
            Self::Factors(factors) => factors.iter().fold(0.0, |top, factor| top.max(factor.abs())),
        }
    }
}

/// The part of a sentence that positions go by.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) bos: usize,
    pub(crate) tokens: usize,
}

impl Positions {
    /// Whether the token at `position` is meant, and then its place among those that are: in the list, or from the first on.
    pub(crate) fn place(&self, position: usize, given: Given) -> Option<usize> {
        let Given { bos, tokens } = given;
        let from = |first: usize| position.checked_sub(first);
        match self {
            Self::All => Some(position),
            Self::Content => from(bos),
            Self::Prompt => (position < tokens).then_some(position),
            Self::Generated => from(tokens),
            Self::Last => (position + 1 == tokens).then_some(0),
            Self::FirstContent => (position == bos && position < tokens).then_some(0),
            Self::List(list) => list.iter().position(|p| *p == position),
            Self::FromEnd(list) => list.iter().position(|back| position + back == tokens),
            Self::From(first) => from(*first),
            Self::Range { first, last } => from(*first).filter(|_| position <= *last),
        }
    }
}

/// What is done to a value `h` of the place, `[width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// `h + coefficient v`, or with a unit `h + coefficient norm v / |v|`. Coefficient 0 changes no bit.
    Add {
        /// `v`, `[width]`.
        vector: Vector,
        /// How much.
        coefficient: f32,
        /// Of what.
        #[serde(default)]
        unit: Unit,
        /// Rescale the sum to `|h|`, so that only the direction of the state changes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep_norm: bool,
    },
    /// `h - (h d) d` with `d = direction / |direction|`.
    Ablate {
        /// `[width]`, of any length but 0.
        direction: Vector,
    },
    /// `h + (value - h d) d` with `d = direction / |direction|`: afterwards `h d` is `value`.
    Clamp {
        /// `[width]`, of any length but 0.
        direction: Vector,
        /// What the projection becomes.
        value: f32,
    },
    /// `h` becomes a given row: activation patching.
    Replace {
        /// One row for every position, or one for each in the order of the positions, `[width]` each.
        rows: Vec<Vector>,
    },
    /// The entries `neurons` times `factor`; 0 switches them off, 1 changes no bit.
    Scale {
        /// Columns of the place, counted from 0.
        neurons: Vec<usize>,
        /// The factor.
        factor: f32,
    },
    /// All entries of `heads` times `factor`, at q, k, v and z.
    ScaleHeads {
        /// Heads, counted from 0; key-value heads at k and v.
        heads: Vec<usize>,
        /// The factor.
        factor: f32,
    },
    /// Attention's edges from the queries (the edit's positions) to `keys`. At `attn_scores` their score becomes minus infinity,
    /// so that the softmax shares their weight out among the others; a query that has no edge left gets `z = 0`. At
    /// `attn_probs` their weight becomes 0 and nobody gets it.
    Cut {
        /// Which heads, counted from 0; `None` is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heads: Option<Vec<usize>>,
        /// The keys that are no longer seen.
        keys: Positions,
    },
}

impl Op {
    /// The name in a spec.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Ablate { .. } => "ablate",
            Self::Clamp { .. } => "clamp",
            Self::Replace { .. } => "replace",
            Self::Scale { .. } => "scale",
            Self::ScaleHeads { .. } => "scale_heads",
            Self::Cut { .. } => "cut",
        }
    }
}

/// What a coefficient counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The vector as it is.
    #[default]
    Raw,
    /// The vector's direction, as long as the mean norm of the place's states. The number comes with the edit, measured on the
    /// corpus at hand, as the engine cannot know which states are meant.
    Norm(f32),
}

/// Numbers that many edits may share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f32>", into = "Vec<f32>")]
pub struct Vector(Arc<[f32]>);

impl From<Vec<f32>> for Vector {
    fn from(numbers: Vec<f32>) -> Self {
        Self(numbers.into())
    }
}

impl From<Vector> for Vec<f32> {
    fn from(vector: Vector) -> Self {
        vector.0.to_vec()
    }
}

impl Deref for Vector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}
