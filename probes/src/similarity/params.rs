//! What a person may set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An index of similarity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Index {
    /// Linear CKA, debiased: the same shape, whatever the axes.
    Cka,
    /// CKA with a Gaussian kernel, debiased: the same neighbourhoods and the same shape.
    CkaRbf,
    /// CCA of the directions that hold most of the variance.
    Svcca,
    /// The same, weighted by how much of the language's states each direction explains.
    Pwcca,
    /// CCA of all directions; needs more sentences than coordinates.
    Cca,
    /// Mean absolute correlation of each coordinate with itself: the same axes.
    Anc,
    /// Rank correlation of the cosines between sentences.
    Rsa,
    /// Rotation fitted on one half of the sentences, retrieval on the other, before and after.
    Procrustes,
    /// Share of the nearest neighbours that both have.
    MutualKnn,
    /// CKA among mutual nearest neighbours.
    Cknna,
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimilarityParams {
    /// Languages that the others are compared with; empty means all pairs.
    pub pivots: Vec<String>,
    /// Which indices.
    pub indices: Vec<Index>,
    /// Whether biased CKA is reported beside the debiased one, as older papers have it.
    pub biased: bool,
    /// Width of the kernel of `cka_rbf`, as a share of the median distance between two sentences.
    pub bandwidth: f64,
    /// Neighbours of `mutual_knn` and `cknna`.
    pub neighbours: usize,
    /// Share of the variance that `svcca` and `pwcca` keep; 1 keeps all directions.
    pub variance: f64,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100. Each costs n x n.
    pub bootstrap: usize,
    /// Draws of the nulls; 0 switches them off, otherwise at least 19. Each costs n x n.
    pub shuffles: usize,
    /// Whether sentences are also shuffled within like length and like count of shared tokens.
    pub matched: bool,
    /// Whether every layer of a language is compared with every layer of the pivot (CKA).
    pub grid: bool,
}

impl Default for SimilarityParams {
    fn default() -> Self {
        Self {
            pivots: vec!["eng_Latn".to_owned()],
            indices: vec![Index::Cka, Index::Anc, Index::Rsa, Index::Procrustes, Index::MutualKnn],
            biased: false,
            bandwidth: 0.4,
            neighbours: 10,
            variance: 0.99,
            bootstrap: 200,
            shuffles: 200,
            matched: true,
            grid: false,
        }
    }
}

impl SimilarityParams {
    /// Why these make no sense, as a sentence.
    ///
    /// ```
    /// use babelscope_probes::similarity::SimilarityParams;
    /// assert_eq!(SimilarityParams::default().problem(), None);
    /// let few = SimilarityParams { shuffles: 10, ..Default::default() };
    /// assert!(few.problem().is_some_and(|why| why.contains("at least 19")));
    /// ```
    pub fn problem(&self) -> Option<String> {
        let Self { pivots, indices, biased, bandwidth, neighbours, variance, bootstrap, shuffles, matched: _, grid } =
            self;
        let twice = |at: usize| indices[..at].contains(&indices[at]);
        if indices.is_empty() && !grid {
            return Some(
                "no index is asked for; name some of `indices`, for example \"cka\", or set `grid`".to_owned(),
            );
        }
        if (0..indices.len()).any(twice) {
            return Some("`indices` names an index twice".to_owned());
        }
        if (1..pivots.len()).any(|at| pivots[..at].contains(&pivots[at])) {
            return Some("`pivots` names a language twice".to_owned());
        }
        if *biased && !indices.contains(&Index::Cka) {
            return Some(
                "`biased` asks for biased CKA beside the debiased one, but \"cka\" is not among the `indices`"
                    .to_owned(),
            );
        }
        if !(*bandwidth > 0.0 && bandwidth.is_finite()) {
            return Some(format!("`bandwidth` is a share of the median distance above 0, got {bandwidth}; use 0.4"));
        }
        if *neighbours == 0 || (*neighbours == 1 && indices.contains(&Index::Cknna)) {
            return Some(format!(
                "{neighbours} `neighbours`; mutual_knn needs at least 1, cknna at least 2, and 10 is usual"
            ));
        }
        if !(*variance > 0.0 && *variance <= 1.0) {
            return Some(format!("`variance` is a share above 0 and at most 1, got {variance}; use 0.99"));
        }
        if (1..100).contains(bootstrap) {
            return Some(format!(
                "{bootstrap} draws of the `bootstrap` are too few for a 2.5 % percentile; use 200, at least 100, or 0"
            ));
        }
        if (1..19).contains(shuffles) {
            return Some(format!(
                "{shuffles} `shuffles` cannot give a p below .05; use 200, at least 19, or 0 for no null"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, SimilarityParams};

    #[test]
    fn what_makes_no_sense_has_a_sentence() {
        let of = |change: fn(&mut SimilarityParams)| {
            let mut params = SimilarityParams::default();
            change(&mut params);
            params.problem().unwrap()
        };
        assert!(of(|p| p.indices.clear()).contains("no index"));
        assert!(of(|p| p.indices = vec![Index::Anc, Index::Anc]).contains("an index twice"));
        assert!(of(|p| p.pivots = vec!["a".into(), "a".into()]).contains("a language twice"));
        assert!(of(|p| (p.biased, p.indices) = (true, vec![Index::Anc])).contains("biased CKA"));
        assert!(of(|p| p.bandwidth = f64::NAN).contains("got NaN"));
        assert!(of(|p| p.neighbours = 0).contains("0 `neighbours`"));
        assert!(of(|p| p.variance = 1.5).contains("got 1.5"));
        assert!(of(|p| p.bootstrap = 99).contains("99 draws"));
        assert!(of(|p| p.shuffles = 18).contains("18 `shuffles`"));
    }

    #[test]
    fn a_spec_names_them_in_snake_case() {
        let json = serde_json::json!({ "pivots": [], "indices": ["cka_rbf", "mutual_knn", "cca"], "variance": 0.9 });
        let params: SimilarityParams = serde_json::from_value(json).unwrap();
        assert_eq!(params.indices, [Index::CkaRbf, Index::MutualKnn, Index::Cca]);
        assert_eq!((params.variance, params.bootstrap), (0.9, 200));
        assert!(serde_json::from_value::<SimilarityParams>(serde_json::json!({ "index": "cka" })).is_err());
    }
}
