//! What is learned from the lines that are no prompts: the mean state of each language at each layer, and the vectors between them.
//!
//! `v_{s -> t}[l] = mean h_t[l] - mean h_s[l]` (difference of means), each line counting once, sums in f64. The shuffled control is the
//! same after half of the lines of each language, drawn from the seed, changed sides:
//! `((s+ - s-) + (t+ - t-)) / 2` with the means of the two halves of each; nothing of the language is left in it.

use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Plan, Reduce},
    tokens::Encoded,
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Error, Result,
    steer::{Card, SteeringVector, params::Read},
};

/// Bytes of states that are captured at once.
const BYTES: usize = 256 << 20;

/// Sums of one language at one layer.
#[derive(Clone, Debug)]
struct Layer {
    /// Mean of the lines' states that a vector is made of.
    mean: Vec<f64>,
    /// The same over each half of the lines.
    halves: [Vec<f64>; 2],
    /// Mean over the lines of the mean over their tokens: what relevance is centred by.
    centre: Vec<f64>,
    /// Mean norm of the states that a vector is made of.
    norm: f64,
}

/// The languages' means at some layers.
pub(super) struct Means {
    languages: Vec<String>,
    layers: Vec<usize>,
    /// `[language][layer]`
    of: Vec<Vec<Layer>>,
    lines: usize,
    read: Read,
    card: Card,
}

impl Means {
    /// One pass over `corpus`.
    pub(super) fn new(
        engine: &Engine,
        corpus: &Corpus,
        layers: &[usize],
        read: Read,
        seed: u64,
        monitor: &Monitor,
    ) -> Result<Self> {
        let mut of = Vec::with_capacity(corpus.languages.len());
        for (at, (language, lines)) in corpus.languages.iter().zip(&corpus.sentences).enumerate() {
            let mut order: Vec<usize> = (0..lines.len()).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(at as u64);
            order.shuffle(&mut rng);
            let mut half = vec![0; lines.len()];
            order[..lines.len() / 2].iter().for_each(|line| half[*line] = 1);
            let encoded = engine.tokenizer().encode_all(lines)?;
            let within = monitor.within("reading languages", at, corpus.languages.len());
            let found =
                language_means(engine, &encoded, &half, layers, read, &within.quiet()).map_err(|e| match e {
                    Error::Core(babelscope_core::Error::Sentence { index, why }) => {
                        Error::Input { measure: "steer", why: format!("line {} of {language}: {why}", index + 1) }
                    }
                    other => other,
                })?;
            of.push(found);
            monitor.check()?;
        }
        let info = engine.info();
        let card = Card {
            model: info.reference.clone(),
            revision: info.revision.clone().unwrap_or_default(),
            weights_sha256: info.weights_sha256.clone(),
            model_layers: info.layers,
            site: "resid_post".to_owned(),
            estimator: "diff_mean".to_owned(),
            position: if read == Read::Mean { "mean" } else { "last" }.to_owned(),
            pairs: corpus.len(),
            data_sha256: corpus.sha256.clone(),
            seed,
            program: format!("babelscope {}", env!("CARGO_PKG_VERSION")),
            ..Card::default()
        };
        let (languages, layers) = (corpus.languages.clone(), layers.to_vec());
        Ok(Self { languages, layers, of, lines: corpus.len(), read, card })
    }

    fn language(&self, language: &str) -> Result<&[Layer]> {
        let at = self.languages.iter().position(|l| l == language);
        at.map(|at| self.of[at].as_slice()).ok_or_else(|| Error::Input {
            measure: "steer",
            why: format!("{language} is not among the languages: {}", self.languages.join(", ")),
        })
    }

    /// The vector from one language to another at `layers`; layers at which the two means are equal are left out.
    pub(super) fn vector(&self, source: &str, target: &str, layers: &[usize]) -> Result<SteeringVector> {
        self.difference((source, target), layers, "", |s, t| t.mean.iter().zip(&s.mean).map(|(t, s)| t - s).collect())
    }

    /// The same after labels were shuffled within each language.
    pub(super) fn shuffled(&self, source: &str, target: &str, layers: &[usize]) -> Result<SteeringVector> {
        let half = |of: &Layer, k: usize| (of.halves[0][k] - of.halves[1][k]) / 2.0;
        let of = |s: &Layer, t: &Layer| (0..s.mean.len()).map(|k| half(s, k) + half(t, k)).collect();
        self.difference((source, target), layers, ", labels shuffled", of)
    }

    fn difference(
        &self,
        (source, target): (&str, &str),
        layers: &[usize],
        what: &str,
        of: impl Fn(&Layer, &Layer) -> Vec<f64>,
    ) -> Result<SteeringVector> {
        let (from, to) = (self.language(source)?, self.language(target)?);
        let mut vector = SteeringVector {
            card: Card {
                name: format!("{source} to {target}{what}"),
                positive: target.to_owned(),
                negative: source.to_owned(),
                cos_diff_mean: layers.iter().map(|layer| (*layer, 1.0)).collect(),
                ..self.card.clone()
            },
            ..SteeringVector::default()
        };
        if !what.is_empty() {
            vector.card.cos_diff_mean.clear();
        }
        for (layer, (s, t)) in self.layers.iter().zip(from.iter().zip(to)).filter(|(layer, _)| layers.contains(layer)) {
            let numbers: Vec<f32> = of(s, t).into_iter().map(|x| x as f32).collect();
            vector.card.mean_norm.insert(*layer, f64::midpoint(s.norm, t.norm));
            if numbers.iter().any(|x| *x != 0.0) {
                vector.layers.insert(*layer, numbers);
            }
        }
        Ok(vector)
    }

    /// Where an affine ablation puts the state: the mean of a language at each layer.
    pub(super) fn reference(&self, language: &str) -> Result<std::collections::BTreeMap<usize, Vec<f32>>> {
        let of = self.language(language)?.iter().map(|layer| layer.mean.iter().map(|x| *x as f32).collect());
        Ok(self.layers.iter().copied().zip(of).collect())
    }

    /// What relevance subtracts from states of a language at a layer.
    pub(super) fn centre(&self, language: &str, layer: usize) -> Result<&[f64]> {
        let at = self.layers.iter().position(|l| *l == layer);
        match at.and_then(|at| self.language(language).ok()?.get(at)) {
            Some(layer) => Ok(&layer.centre),
            None => Err(Error::Input { measure: "steer", why: format!("{language} was not read at layer {layer}") }),
        }
    }

    /// What a person should know of vectors from so few lines.
    pub(super) fn note(&self) -> Option<String> {
        let what = if self.read == Read::Mean { "their tokens" } else { "their last token" };
        (self.lines < 50).then(|| {
            format!(
                "the vectors rest on {} lines a language (the mean over {what}); below 50 they are noisy",
                self.lines
            )
        })
    }
}

fn language_means(
    engine: &Engine,
    lines: &[Encoded],
    half: &[usize],
    layers: &[usize],
    read: Read,
    monitor: &Monitor,
) -> Result<Vec<Layer>> {
    let width = engine.info().width;
    let zero = || vec![0f64; width];
    let mut sums = vec![Layer { mean: zero(), halves: [zero(), zero()], centre: zero(), norm: 0.0 }; layers.len()];
    let plan = Plan::layers(layers.iter().copied(), Reduce::All);
    let token = layers.len() * width * size_of::<f32>();
    let mut first = 0;
    while first < lines.len() {
        let mut bytes = 0;
        let fits = lines[first..].iter().take_while(|line| {
            bytes += line.ids.len() * token;
            bytes <= BYTES
        });
        let group = &lines[first..first + fits.count().max(1)];
        let captured = engine.run(group, &plan, monitor).map_err(|e| match e {
            babelscope_core::Error::Sentence { index, why } => {
                babelscope_core::Error::Sentence { index: first + index, why }
            }
            other => other,
        })?;
        for (sum, captured) in sums.iter_mut().zip(captured) {
            let Values::Tokens(states) = captured.values else {
                let why = "the engine pooled what was to be kept whole".to_owned();
                return Err(Error::Input { measure: "steer", why });
            };
            for ((states, line), half) in states.iter().zip(group).zip(&half[first..]) {
                let rows = states.to_vec2::<f32>().map_err(babelscope_core::Error::from)?;
                sum.take(rows.get(line.bos..).unwrap_or_default(), *half, read);
            }
        }
        first += group.len();
    }
    let n = lines.len() as f64;
    let halves = [n - (lines.len() / 2) as f64, (lines.len() / 2) as f64];
    for sum in &mut sums {
        let divide = |numbers: &mut Vec<f64>, n: f64| numbers.iter_mut().for_each(|x| *x /= n);
        divide(&mut sum.mean, n);
        divide(&mut sum.centre, n);
        sum.halves.iter_mut().zip(halves).for_each(|(half, n)| divide(half, n));
        sum.norm /= n;
    }
    Ok(sums)
}

impl Layer {
    /// One line's states, BOS left out.
    fn take(&mut self, rows: &[Vec<f32>], half: usize, read: Read) {
        let own = if read == Read::Last { &rows[rows.len().saturating_sub(1)..] } else { rows };
        let add = |sum: &mut [f64], rows: &[Vec<f32>]| {
            let n = rows.len() as f64;
            for row in rows {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x) / n);
            }
        };
        add(&mut self.mean, own);
        add(&mut self.halves[half], own);
        add(&mut self.centre, rows);
        let norm = |row: &Vec<f32>| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        self.norm += own.iter().map(norm).sum::<f64>() / own.len().max(1) as f64;
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::engine::LoadOptions;

    use super::*;

    #[test]
    fn the_way_back_is_the_way_there_and_halves_make_the_whole() {
        let monitor = Monitor::silent();
        let engine = Engine::load("lab", &LoadOptions::default(), &monitor).unwrap();
        let corpus = Corpus::open("lab".as_ref()).unwrap().select(&["eng_Latn".into(), "spa_Latn".into()], 9).unwrap();
        let means = Means::new(&engine, &corpus, &[0, 2], Read::Mean, 1, &monitor).unwrap();
        let there = means.vector("eng_Latn", "spa_Latn", &[2]).unwrap();
        let back = means.vector("spa_Latn", "eng_Latn", &[2]).unwrap();
        assert!(there.layers[&2].iter().zip(&back.layers[&2]).all(|(a, b)| *a == -b));
        assert_eq!(there.card.mean_norm.keys().collect::<Vec<_>>(), [&2]);
        // 5 lines on one side, 4 on the other.
        for layer in &means.of[0] {
            let whole = layer.halves[0].iter().zip(&layer.halves[1]).map(|(a, b)| (5.0 * a + 4.0 * b) / 9.0);
            assert!(whole.zip(&layer.mean).all(|(a, b)| (a - b).abs() < 1e-9));
            assert_eq!(layer.mean, layer.centre);
        }
        let shuffled = means.shuffled("eng_Latn", "spa_Latn", &[2]).unwrap();
        assert!(shuffled.norm(2).unwrap() < there.norm(2).unwrap());
        there.check(engine.info(), false).unwrap();
        assert!(means.vector("eng_Latn", "deu_Latn", &[2]).is_err());
    }
}
