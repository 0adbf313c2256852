//! The stored states of a model of a sweep, for its probes: one language at one layer is in memory at a time.

use anyhow::Result;
use babelscope_core::{
    Error,
    corpus::Corpus,
    engine::{Captured, Values},
    inspect::Inspection,
    plan::{Capture, Site},
    store,
    tokens::Tokenizer,
};
use babelscope_probes::source::StateSource;
use candle_core::Tensor;
use ndarray::{Array2, CowArray, Ix2};

use super::{
    folder::Sweep,
    plan::{Model, Shard, Stage},
};
use crate::{
    fault::{Fault, Kind},
    run::workbench::reduce,
};

/// States that lie in the shards of a sweep.
pub(super) struct Stored<'a> {
    sweep: &'a Sweep,
    model: &'a Model,
    /// `[language][sentence]`, without BOS.
    tokens: Vec<Vec<Vec<u32>>>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(sweep: &'a Sweep, model: &'a Model, corpus: &Corpus, tokenizer: &Tokenizer) -> Result<Self> {
        let languages = &sweep.info.corpus.languages;
        let tokens = languages.iter().map(|l| tokens(corpus, tokenizer, l)).collect::<Result<_>>()?;
        Ok(Self { sweep, model, tokens })
    }
}

/// The token ids of each sentence of a language, without BOS.
pub(super) fn tokens(corpus: &Corpus, tokenizer: &Tokenizer, language: &str) -> Result<Vec<Vec<u32>>> {
    let encoded = tokenizer.encode_all(corpus.lines(language).unwrap_or_default())?;
    Ok(encoded.into_iter().map(|mut sentence| sentence.ids.split_off(sentence.bos)).collect())
}

impl StateSource for Stored<'_> {
    fn languages(&self) -> &[String] {
        &self.sweep.info.corpus.languages
    }

    fn layers(&self) -> &[usize] {
        &self.model.spec.extract.layers
    }

    fn sentences(&self) -> usize {
        self.sweep.info.corpus.lines
    }

    fn state(&self, language: usize, layer: usize) -> babelscope_probes::Result<CowArray<'_, f32, Ix2>> {
        let fail = |why: String| babelscope_probes::Error::Input { measure: "states", why };
        let (code, layer) = (&self.languages()[language], self.layers()[layer]);
        let mut captured =
            self.sweep.states(self.model, code, Some(layer)).map_err(|e| fail(format!("{e:#}")))?.into_iter();
        let Some(Captured { values: Values::Pooled(rows), .. }) = captured.next() else {
            return Err(fail(format!("the plan has no pooled states of {code} at layer {layer}")));
        };
        let shape = rows.dims2().map_err(babelscope_core::Error::from)?;
        let values = rows.flatten_all().and_then(|t| t.to_vec1()).map_err(babelscope_core::Error::from)?;
        Ok(Array2::from_shape_vec(shape, values).map_err(|e| fail(e.to_string()))?.into())
    }

    fn tokens(&self, language: usize) -> Option<&[Vec<u32>]> {
        self.tokens.get(language).map(Vec::as_slice)
    }
}

impl Sweep {
    /// The stored states of a language, blocks joined: every layer, or one.
    pub(super) fn states(&self, model: &Model, language: &str, layer: Option<usize>) -> Result<Vec<Captured>> {
        let reduce = reduce(&model.spec.extract);
        let layers = layer.map_or_else(|| model.spec.extract.layers.clone(), |layer| vec![layer]);
        let mut parts: Vec<Vec<Tensor>> = vec![Vec::new(); layers.len()];
        let mine = |s: &&Shard| s.stage == Stage::Extract && s.model == model.label() && s.language == language;
        for planned in self.shards.iter().filter(mine) {
            let shard = self.stored(planned)?;
            for (part, layer) in parts.iter_mut().zip(&layers) {
                part.push(shard.layer(*layer).map_err(|e| self.put_away(planned, e.into()))?);
            }
        }
        (layers.iter().zip(parts))
            .map(|(layer, parts)| {
                if parts.is_empty() {
                    return Err(Fault::new(Kind::Bug, format!("the plan has no states of {language}")).into());
                }
                let rows = if let [whole] = parts.as_slice() {
                    whole.clone()
                } else {
                    Tensor::cat(&parts, 0).map_err(Error::from)?
                };
                let capture = Capture { site: Site::layer(*layer), reduce };
                Ok(Captured { capture, values: Values::Pooled(rows) })
            })
            .collect()
    }

    /// Opens the stored states of a shard.
    pub(super) fn stored(&self, shard: &Shard) -> Result<store::Shard> {
        let folder = store::shard_folder(&self.stage(shard.stage), &shard.key);
        store::Shard::open(&folder, &shard.key).map_err(|e| self.put_away(shard, e.into()))
    }

    /// What a model is, with the tokenizer that the sweep was planned with.
    pub(super) fn inspection(&self, model: &Model) -> Result<Inspection> {
        let spec = model.spec.model.first().ok_or_else(|| Fault::data("a model of the sweep has no spec"))?;
        let inspection = Inspection::of(&spec.path, &spec.load)?;
        let (found, planned) = (inspection.tokenizer().sha256(), &model.info.tokenizer_sha256);
        if found != planned {
            let why = format!(
                "the tokenizer of {} has changed since the sweep was planned: SHA-256 is {found}, it was {planned}; put the old one \
                 back, or run the spec under another name\n{}",
                model.label(),
                spec.path
            );
            return Err(Fault::data(why).into());
        }
        Ok(inspection)
    }
}
