//! What one evaluation needs everywhere: model, lines, identifier, and the states that relevance compares with.

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::{
    corpus::Corpus,
    engine::{Captured, Engine, Values},
    generate::{Generate, Generated, Stop},
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
    tokens::Encoded,
};
use ndarray::Array2;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Material, means::Means};
use crate::{
    Error, Result,
    bootstrap::Draws,
    steer::{
        Control, External, Identification, Identifier, SteerParams, Verdict,
        score::{
            judge::{Case, marks},
            likelihood::{Scored, surprises},
            relevance,
        },
    },
};

/// Cosine with the own line, and the share of the others that it beats.
type Likeness = Option<(f64, Option<f64>)>;

/// One output with all that is measured of it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) ids: Vec<u32>,
    pub(super) unfinished: bool,
    pub(super) verdict: Verdict,
    /// Of each of its lines.
    pub(super) lines: Vec<Verdict>,
    pub(super) cosine: Option<f64>,
    /// Share of the other lines that the own line beats.
    pub(super) rank: Option<f64>,
    /// The judge's mark, 0 to 2.
    pub(super) mark: Option<f64>,
    /// Sum of `-ln p` behind the prompt, and behind the prompt's line in the target language where both fit into the context.
    pub(super) nats: f64,
    pub(super) reference_nats: Option<f64>,
}

pub(super) struct Session<'a> {
    pub(super) engine: &'a Engine,
    pub(super) params: &'a SteerParams,
    pub(super) train: &'a Corpus,
    pub(super) prompts: &'a Corpus,
    pub(super) references: &'a Corpus,
    pub(super) means: Means,
    pub(super) identifier: Identification,
    judge: Option<External>,
    /// Prompts of each language: the first `part` of a line's tokens, and their text.
    encoded: BTreeMap<String, Vec<(Encoded, String)>>,
    relevance_layer: usize,
    /// Centred states of the references in each language, `[n, width]`.
    meant: BTreeMap<String, Array2<f32>>,
    words: BTreeMap<String, BTreeSet<String>>,
    pub(super) draws: Draws,
    pub(super) seed: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        material: Material<'a>,
        params: &'a SteerParams,
        seed: u64,
        monitor: &Monitor,
    ) -> Result<Self> {
        let Material { train, prompts, references, .. } = material;
        let relevance_layer = params.relevance_layer.unwrap_or(engine.info().layers / 2);
        let mut layers = super::layers(engine, params);
        layers.push(relevance_layer);
        layers.sort_unstable();
        layers.dedup();
        let means = Means::new(engine, train, &layers, params.read, seed, monitor)?;
        let identifier = match params.program(&params.identify_command) {
            Some(command) => Identification::Command(command),
            None => Identification::Own(Identifier::train(train, &params.identify)?),
        };
        let mut encoded = BTreeMap::new();
        let (mut meant, mut words) = (BTreeMap::new(), BTreeMap::new());
        for (language, lines) in prompts.languages.iter().zip(&prompts.sentences) {
            let whole = engine.tokenizer().encode_all(lines)?;
            let lines_meant = engine.tokenizer().encode_all(references.lines(language).unwrap_or_default())?;
            let states = pooled(engine, &lines_meant, relevance_layer, monitor)?;
            meant.insert(language.clone(), centred(states, means.centre(language, relevance_layer)?));
            let of = whole.iter().zip(lines).map(|(line, text)| part(line, text, params.part));
            encoded.insert(language.clone(), of.collect());
            let own = train.lines(language).unwrap_or_default().iter();
            let own = own.flat_map(|line| line.unicode_words().map(str::to_lowercase));
            words.insert(language.clone(), own.collect());
        }
        // Intervals are over the prompts that report: those at odd places.
        let draws = Draws::new(prompts.len() / 2, params.bootstrap, seed)?;
        let judge = params.program(&params.judge_command);
        Ok(Self {
            engine,
            params,
            train,
            prompts,
            references,
            means,
            identifier,
            judge,
            encoded,
            relevance_layer,
            meant,
            words,
            draws,
            seed,
        })
    }

    /// How outputs are made.
    pub(super) fn options(&self) -> Generate {
        let SteerParams { max_new_tokens, temperature, stop, .. } = self.params;
        Generate {
            max_new_tokens: *max_new_tokens,
            temperature: *temperature,
            stop: stop.clone(),
            seed: self.seed,
            ..Generate::default()
        }
    }

    /// The prompts of a language, each with its text.
    pub(super) fn of(&self, language: &str) -> &[(Encoded, String)] {
        self.encoded.get(language).map_or(&[], Vec::as_slice)
    }

    /// Whether a control is wanted.
    pub(super) fn wants(&self, control: Control) -> bool {
        self.params.controls.contains(&control)
    }

    /// The words of a language's own lines, in lower case.
    pub(super) fn words(&self, language: &str) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.words.get(language).unwrap_or(&NONE)
    }

    /// Measures outputs; `said` gives of each its prompt's line, the prompt as it was given, and what came.
    pub(super) fn judge(
        &self,
        (source, target): (&str, &str),
        said: &[(usize, &Encoded, &Generated)],
        monitor: &Monitor,
    ) -> Result<Vec<Judged>> {
        let texts: Vec<String> = said.iter().map(|(_, _, output)| output.text.clone()).collect();
        let (verdicts, lines) = self.identified(&texts, monitor)?;
        let ranks = self.relevances(target, said, &verdicts, monitor)?;
        let behind = |prompt: &Encoded, output: &Generated| {
            let from = prompt.ids.len();
            let ids: Vec<u32> = prompt.ids.iter().chain(&output.ids).copied().collect();
            Scored { text: Encoded { spans: vec![0..0; ids.len()], ids, bos: prompt.bos }, from }
        };
        let own: Vec<Scored> = said.iter().map(|(_, prompt, output)| behind(prompt, output)).collect();
        let there: Vec<Scored> =
            said.iter().map(|(line, _, output)| behind(&self.of(target)[*line].0, output)).collect();
        let (fit, context): (Vec<usize>, usize) = ((0..there.len()).collect(), self.engine.info().context);
        let fit: Vec<usize> = fit.into_iter().filter(|i| there[*i].text.ids.len() <= context).collect();
        let there: Vec<Scored> = fit.iter().map(|i| there[*i].clone()).collect();
        let nats = surprises(self.engine, &own, monitor)?;
        let elsewhere = surprises(self.engine, &there, monitor)?;
        let elsewhere: BTreeMap<usize, f64> =
            fit.into_iter().zip(elsewhere).map(|(i, nats)| (i, nats.iter().sum())).collect();
        let marks = self.marks((source, target), said, monitor)?;
        let judged = said.iter().enumerate().map(|(i, (line, _, output))| Judged {
            line: *line,
            text: output.text.clone(),
            ids: output.ids.clone(),
            unfinished: matches!(output.stop, Stop::Length | Stop::Context),
            verdict: verdicts[i].clone(),
            lines: lines[i].clone(),
            cosine: ranks[i].map(|(cosine, _)| cosine),
            rank: ranks[i].and_then(|(_, rank)| rank),
            mark: marks.as_ref().map(|marks| marks[i]),
            nats: nats[i].iter().sum(),
            reference_nats: elsewhere.get(&i).copied(),
        });
        Ok(judged.collect())
    }

    /// Verdicts of the outputs and of each of their lines.
    fn identified(&self, texts: &[String], monitor: &Monitor) -> Result<(Vec<Verdict>, Vec<Vec<Verdict>>)> {
        let lines: Vec<Vec<String>> = (texts.iter())
            .map(|text| text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
            .collect();
        let several = lines.iter().filter(|lines| lines.len() > 1).flatten();
        let all: Vec<String> = texts.iter().chain(several).cloned().collect();
        let mut found = self.identifier.verdicts(&all, &self.params.identify, monitor)?.into_iter();
        let verdicts: Vec<Verdict> = found.by_ref().take(texts.len()).collect();
        let of_lines = lines.iter().zip(&verdicts).map(|(lines, whole)| match lines.len() {
            0 => Vec::new(),
            1 => vec![whole.clone()],
            n => found.by_ref().take(n).collect(),
        });
        let of_lines = of_lines.collect();
        Ok((verdicts, of_lines))
    }

    /// Cosine with the own line and its rank, in the language that the output is identified as, else in the target.
    fn relevances(
        &self,
        target: &str,
        said: &[(usize, &Encoded, &Generated)],
        verdicts: &[Verdict],
        monitor: &Monitor,
    ) -> Result<Vec<Likeness>> {
        let context = self.engine.info().context;
        let mut texts = Vec::new();
        let mut places = Vec::new();
        for (i, (_, _, output)) in said.iter().enumerate() {
            if output.text.trim().is_empty() {
                continue;
            }
            // The text read anew may be longer in tokens than it was when it was said.
            let mut text = self.engine.tokenizer().encode(&output.text)?;
            text.ids.truncate(context);
            text.spans.truncate(context);
            if text.ids.len() > text.bos {
                texts.push(text);
                places.push(i);
            }
        }
        let mut found = vec![None; said.len()];
        if texts.is_empty() {
            return Ok(found);
        }
        let states = pooled(self.engine, &texts, self.relevance_layer, monitor)?;
        for (state, i) in states.outer_iter().zip(places) {
            let identified = verdicts[i].language.as_deref().filter(|l| self.meant.contains_key(*l));
            let language = identified.unwrap_or(target);
            let Some(lines) = self.meant.get(language) else { continue };
            let centre = self.means.centre(language, self.relevance_layer)?;
            let state = state.iter().zip(centre).map(|(x, m)| (f64::from(*x) - m) as f32).collect::<Vec<_>>();
            found[i] = relevance(ndarray::ArrayView1::from(&state), lines, said[i].0);
        }
        Ok(found)
    }

    fn marks(
        &self,
        (source, target): (&str, &str),
        said: &[(usize, &Encoded, &Generated)],
        monitor: &Monitor,
    ) -> Result<Option<Vec<f64>>> {
        let Some(judge) = &self.judge else { return Ok(None) };
        let references = self.references.lines(target).unwrap_or_default();
        let cases: Vec<Case<'_>> = (said.iter())
            .map(|(line, _, output)| Case {
                source,
                target,
                prompt: self.of(source).get(*line).map_or("", |(_, text)| text),
                text: &output.text,
                reference: references.get(*line).map_or("", String::as_str),
            })
            .collect();
        marks(judge, &cases, monitor).map(Some)
    }
}

/// Mean over the tokens of each text but BOS. `[n, width]`
fn pooled(engine: &Engine, texts: &[Encoded], layer: usize, monitor: &Monitor) -> Result<Array2<f32>> {
    let plan = Plan::layers([layer], Reduce::Mean(Window::default()));
    let captured = engine.run(texts, &plan, &monitor.quiet())?;
    let Some(Captured { values: Values::Pooled(states), .. }) = captured.into_iter().next() else {
        let why = "the engine kept whole what was to be pooled".to_owned();
        return Err(Error::Input { measure: "steer", why });
    };
    let (n, width) = states.dims2().map_err(babelscope_core::Error::from)?;
    let flat = states.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(babelscope_core::Error::from)?;
    Array2::from_shape_vec((n, width), flat).map_err(|e| Error::Input { measure: "steer", why: e.to_string() })
}

fn centred(mut states: Array2<f32>, centre: &[f64]) -> Array2<f32> {
    for mut row in states.outer_iter_mut() {
        row.iter_mut().zip(centre).for_each(|(x, m)| *x = (f64::from(*x) - m) as f32);
    }
    states
}

/// The first `share` of a line's tokens, at least one, and the text that they span.
fn part(line: &Encoded, text: &str, share: f64) -> (Encoded, String) {
    let content = line.ids.len() - line.bos;
    let kept = line.bos + ((share * content as f64).round() as usize).clamp(1, content.max(1));
    let mut cut = line.clone();
    cut.ids.truncate(kept);
    cut.spans.truncate(kept);
    let end = if cut.ids.len() == line.ids.len() { text.len() } else { cut.spans.last().map_or(0, |span| span.end) };
    (cut, text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_beginning_in_tokens_and_in_text() {
        let line = Encoded { ids: vec![0, 5, 6, 7], spans: vec![0..0, 0..4, 4..8, 8..9], bos: 1 };
        let (cut, text) = part(&line, "Anna ist.", 0.5);
        assert_eq!((cut.ids, text.as_str()), (vec![0, 5, 6], "Anna ist"));
        assert_eq!(part(&line, "Anna ist.", 1.0), (line.clone(), "Anna ist.".to_owned()));
        assert_eq!(part(&line, "Anna ist.", 0.01).0.ids, [0, 5]);
    }
}
