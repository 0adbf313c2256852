//! What a person sets.

use babelscope_core::plan::{Point, Site};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributionPoint {
    /// The residual stream at a layer; layer 0 is the embeddings.
    ResidPost,
    /// What attention adds to the stream.
    AttnOutPost,
    /// What the feed-forward part adds to the stream.
    MlpOutPost,
    /// The output of each head, before the output projection.
    Z,
}

impl AttributionPoint {
    /// The name of the site.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResidPost => "resid_post",
            Self::AttnOutPost => "attn_out_post",
            Self::MlpOutPost => "mlp_out_post",
            Self::Z => "z",
        }
    }

    pub(super) fn site(self, layer: usize) -> Option<Site> {
        match self {
            Self::ResidPost => Some(Site::layer(layer)),
            _ if layer == 0 => None,
            Self::AttnOutPost => Some(Site::new(Point::AttnOutPost, layer)),
            Self::MlpOutPost => Some(Site::new(Point::MlpOutPost, layer)),
            Self::Z => Some(Site::new(Point::Z, layer)),
        }
    }
}

/// Where attributions are computed and how they are checked.
///
/// ```
/// use babelscope_probes::patch::AttributionParams;
/// assert!(AttributionParams::default().problem().is_none());
/// let none = AttributionParams { points: Vec::new(), ..AttributionParams::default() };
/// assert!(none.problem().is_some_and(|why| why.contains("points")));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributionParams {
    /// Kinds of places: resid_post, attn_out_post, mlp_out_post, z.
    pub points: Vec<AttributionPoint>,
    /// Canonical layers, ascending; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// Positions, counted from 0 with BOS, ascending; empty means all.
    pub positions: Vec<usize>,
    /// Places that are patched in truth, drawn by the seed; all where there are fewer.
    pub sample: usize,
}

impl Default for AttributionParams {
    fn default() -> Self {
        use AttributionPoint::{AttnOutPost, MlpOutPost, ResidPost, Z};
        let points = vec![ResidPost, AttnOutPost, MlpOutPost, Z];
        Self { points, layers: Vec::new(), positions: Vec::new(), sample: 64 }
    }
}

impl AttributionParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.points.is_empty() {
            return Some(
                "`points` is empty: name at least one of resid_post, attn_out_post, mlp_out_post, z".to_owned(),
            );
        }
        if let Some((_, twice)) = self.points.iter().enumerate().find(|(at, point)| self.points[..*at].contains(point))
        {
            return Some(format!("`points` names {} twice", twice.name()));
        }
        for (name, list) in [("layers", &self.layers), ("positions", &self.positions)] {
            if !list.is_sorted_by(|a, b| a < b) {
                return Some(format!("`{name}` = {list:?}: expected ascending numbers, each once"));
            }
        }
        (self.sample < 3).then(|| {
            format!(
                "`sample` = {}: a correlation needs at least 3 places, and attributions are not shown without",
                self.sample
            )
        })
    }
}
