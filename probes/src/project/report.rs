//! What maps say: the points of each layer, and how far they can be believed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::align::Centring;

/// How states become points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MapMethod {
    /// Principal components.
    Pca,
    /// t-distributed stochastic neighbour embedding.
    Tsne,
}

/// All maps of a model and a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReport {
    /// The languages that are drawn.
    pub languages: Vec<String>,
    /// The sentences that are drawn, as places in the corpus (the first is 0).
    pub sentences: Vec<usize>,
    /// Canonical layers, ascending.
    pub layers: Vec<usize>,
    /// One for each centring, method and layer, in this order.
    pub maps: Vec<LayerMap>,
    /// By how many neighbours the maps are judged.
    pub neighbours: usize,
    /// What a person should know before believing them.
    pub notes: Vec<String>,
}

impl MapReport {
    /// The map of a layer; `None` where it was not asked for.
    pub fn at(&self, layer: usize, method: MapMethod, centring: Centring) -> Option<&LayerMap> {
        self.maps.iter().find(|map| (map.layer, map.method, map.centring) == (layer, method, centring))
    }
}

/// One map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMap {
    /// Canonical layer.
    pub layer: usize,
    /// How it was made.
    pub method: MapMethod,
    /// What was done to the states before.
    pub centring: Centring,
    /// `[language][sentence]`, x and y; empty where there is no map.
    pub points: Vec<Vec<(f32, f32)>>,
    /// Share of the variance that the first two principal components explain; the axes of a PCA map are these, turned.
    pub explained: Option<(f64, f64)>,
    /// Share of neighbours that are neighbours in truth, with a penalty by rank; 1 is the best.
    pub trustworthiness: Option<f64>,
    /// Mean share of neighbours in the map that are of the same language.
    pub language_neighbours: Option<f64>,
    /// Mean share of neighbours in the map that are translations.
    pub meaning_neighbours: Option<f64>,
    /// `ok`, or why there is no map.
    pub status: String,
}
