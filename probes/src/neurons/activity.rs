//! How often each neuron is active: counted where the activations lie, one row a sentence, and no token is kept.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site, Window},
    tokens::Encoded,
};

use crate::{Error, Result};

/// Bytes of the rows that are captured at once.
const ROW_BYTES: usize = 256 << 20;
/// BOS is the same in every language.
const WINDOW: Window = Window { include_bos: false, skip_first: 0 };

/// The lines of one language, tokenised. Lines 1, 3, 5, ... choose the neurons; on lines 2, 4, 6, ... is measured what they do.
pub(super) struct Text {
    pub(super) language: String,
    /// `[half][line]`
    pub(super) halves: [Vec<Encoded>; 2],
}

impl Text {
    pub(super) fn new(engine: &Engine, language: &str, lines: &[String]) -> Result<Self> {
        let encoded = engine.tokenizer().encode_all(lines)?;
        let (first, second): (Vec<_>, Vec<_>) = (0..).zip(encoded).partition(|(line, _): &(usize, _)| line % 2 == 0);
        let halves = [first, second].map(|half| half.into_iter().map(|(_, encoded)| encoded).collect());
        Ok(Self { language: language.to_owned(), halves })
    }

    /// What the engine says of a sentence of a half, with the line in the corpus.
    pub(super) fn named(&self, half: usize, first: usize, error: babelscope_core::Error) -> Error {
        let line = |index: usize| 2 * (first + index) + half + 1;
        let why = match error {
            babelscope_core::Error::Sentence { index, why } => {
                format!("line {} of {}: {why}", line(index), self.language)
            }
            babelscope_core::Error::NotFinite { site, sentence, why } => {
                format!("line {} of {} at {site}: {why}", line(sentence), self.language)
            }
            other => return other.into(),
        };
        Error::Input { measure: "neurons", why }
    }
}

/// The places where a model's neurons are: blocks that have them, and how many neurons each.
pub(super) struct Places {
    pub(super) layers: Vec<usize>,
    pub(super) width: usize,
}

impl Places {
    /// `note` receives what a person should know of blocks without neurons.
    pub(super) fn of(engine: &Engine, notes: &mut Vec<String>) -> Result<Self> {
        let sites = engine.sites();
        let layers: Vec<usize> = sites.iter().filter(|s| s.point == Point::MlpGate).map(|s| s.block).collect();
        let (family, all) = (&engine.info().family, engine.info().layers);
        if layers.is_empty() {
            let why = format!(
                "this {family} has mixtures of experts and no feed-forward part that every token goes through, so it has no \
                 neurons of this kind; take a model without experts"
            );
            return Err(Error::Input { measure: "neurons", why });
        }
        if layers.len() < all {
            notes.push(format!(
                "{} of {all} blocks are mixtures of experts and were left out; the neurons are those of blocks {layers:?}",
                all - layers.len()
            ));
        }
        Ok(Self { layers, width: engine.width(Point::MlpGate) })
    }

    /// Layer and number in the layer of a neuron.
    pub(super) fn place(&self, neuron: usize) -> (usize, usize) {
        (self.layers[neuron / self.width], neuron % self.width)
    }
}

/// How often each neuron is active in one half of a language's lines.
pub(super) struct Activity {
    /// `[layers * width]`
    pub(super) probabilities: Vec<f64>,
    /// How many tokens were counted.
    pub(super) tokens: usize,
}

/// Counts a half of a language.
pub(super) fn count(engine: &Engine, text: &Text, half: usize, places: &Places, monitor: &Monitor) -> Result<Activity> {
    let captures = places
        .layers
        .iter()
        .map(|block| Capture { site: Site::new(Point::MlpGate, *block), reduce: Reduce::Active(WINDOW) });
    let plan = Plan { captures: captures.collect(), ..Plan::default() };
    let quiet = monitor.quiet();
    let Places { layers, width } = places;
    let mut counts = vec![0.0; layers.len() * width];
    let mut tokens = 0;
    let step = (ROW_BYTES / (counts.len() * size_of::<f32>())).max(1);
    for (index, group) in text.halves[half].chunks(step).enumerate() {
        let captured = engine.run(group, &plan, &quiet).map_err(|e| text.named(half, index * step, e))?;
        for (at, captured) in captured.into_iter().enumerate() {
            let Values::Pooled(rows) = captured.values else {
                let why = "the engine kept every token where a share was asked for".to_owned();
                return Err(Error::Input { measure: "neurons", why });
            };
            let rows: Vec<Vec<f32>> = rows.to_vec2().map_err(babelscope_core::Error::from)?;
            for (row, sentence) in rows.iter().zip(group) {
                let seen = (sentence.ids.len() - sentence.bos) as f64;
                let counts = &mut counts[at * width..][..*width];
                // A share of so few tokens, rounded to f32, is still nearest to its own count.
                counts.iter_mut().zip(row).for_each(|(count, share)| *count += (f64::from(*share) * seen).round());
            }
        }
        tokens += group.iter().map(|sentence| sentence.ids.len() - sentence.bos).sum::<usize>();
    }
    let total = tokens.max(1) as f64;
    counts.iter_mut().for_each(|count| *count /= total);
    Ok(Activity { probabilities: counts, tokens })
}
