//! The truths of the demo model.

use std::path::Path;

use anyhow::{Context as _, Result};
use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Reduce, Site, Window},
    tokens::Encoded,
};
use babelscope_probes::{
    align::{self, AlignParams, AlignReport, Centring, Extraction},
    lens::{self, LensCell, LensParams, TokenSets},
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::Truth;
use crate::lab::{
    languages::{CLONE, ISLAND, PIVOT},
    model::Model,
    recipe::{Recipe, World},
    tokenizer,
};

/// Sentences a language that the lens reads.
const READ: usize = 12;
/// Sentences a language whose probability is measured.
const SURPRISED: usize = 60;

pub(super) fn check(engine: &Engine, monitor: &Monitor) -> Result<Vec<Truth>> {
    let corpus = Corpus::open(Path::new("lab"))?;
    let mut truths = vec![shift(engine, &corpus)?];
    truths.extend(alignment(engine, &corpus, monitor)?);
    truths.push(untrained(&corpus, monitor)?);
    truths.extend(read(engine, &corpus, monitor)?);
    truths.push(surprise(engine, &corpus, monitor)?);
    Ok(truths)
}

fn lines<'a>(corpus: &'a Corpus, language: &str) -> Result<&'a [String]> {
    corpus.lines(language).with_context(|| format!("the laboratory's corpus has no {language}"))
}

fn shift(engine: &Engine, corpus: &Corpus) -> Result<Truth> {
    let known = "clone = English with its token ids moved by a constant";
    let pairs = lines(corpus, PIVOT.code)?.iter().zip(lines(corpus, CLONE.code)?);
    let mut shifts = Vec::new();
    for (english, clone) in pairs {
        let (english, clone) = (engine.tokenizer().encode_plain(english)?, engine.tokenizer().encode_plain(clone)?);
        anyhow::ensure!(
            english.len() == clone.len(),
            "the clone's sentence has {} tokens, not {}",
            clone.len(),
            english.len()
        );
        shifts.extend(english.into_iter().zip(clone).map(|(e, c)| i64::from(c) - i64::from(e)));
    }
    shifts.sort_unstable();
    shifts.dedup();
    let measured = format!("shifts {shifts:?} in {} sentences", corpus.len());
    Ok(Truth::new(known, "one shift", measured, shifts.len() == 1))
}

/// Centred MEXA with English: `values[language][layer]`, languages as in the corpus without English.
struct Aligned {
    languages: Vec<String>,
    values: Vec<Vec<f64>>,
}

fn measure(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Aligned> {
    let params = AlignParams {
        pivots: vec![PIVOT.code.to_owned()],
        centrings: vec![Centring::Language],
        bootstrap: 0,
        outcomes: false,
        ..AlignParams::default()
    };
    let extraction = Extraction { layers: Vec::new(), reduce: Reduce::Mean(Window::default()) };
    let report: AlignReport = align::analyse(engine, corpus, &extraction, &params, monitor)?;
    let languages: Vec<String> = corpus.languages.iter().filter(|l| *l != PIVOT.code).cloned().collect();
    let values = languages
        .iter()
        .map(|language| {
            (0..=engine.info().layers)
                .map(|layer| {
                    let cell = report.cell(language, PIVOT.code, layer, Centring::Language);
                    cell.map(|cell| cell.mexa.value)
                        .with_context(|| format!("{language} was not measured at layer {layer}"))
                })
                .collect()
        })
        .collect::<Result<_>>()?;
    Ok(Aligned { languages, values })
}

impl Aligned {
    fn of(&self, language: &str) -> Result<&[f64]> {
        let at = self.languages.iter().position(|l| l == language);
        at.and_then(|at| self.values.get(at)).map(Vec::as_slice).with_context(|| format!("{language} was not measured"))
    }
}

fn best(values: &[f64]) -> (usize, f64) {
    values.iter().copied().enumerate().fold((0, f64::MIN), |best, now| if now.1 > best.1 { now } else { best })
}

fn alignment(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Vec<Truth>> {
    let measured = measure(engine, corpus, monitor)?;
    let World::Small(small) = Recipe::small().world else { anyhow::bail!("the demo recipe tells the small world") };
    let mut mixed: Vec<(f64, &str)> = small
        .languages
        .iter()
        .filter(|(code, diet)| diet.dose > 0.0 && *code != CLONE.code)
        .map(|(code, diet)| (diet.dose, code.as_str()))
        .collect();
    mixed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows: Vec<&[f64]> = mixed.iter().map(|(_, code)| measured.of(code)).collect::<Result<_>>()?;
    let means: Vec<f64> = (0..=engine.info().layers)
        .map(|layer| rows.iter().map(|row| row.get(layer).copied().unwrap_or(0.0)).sum::<f64>() / rows.len() as f64)
        .collect();
    let (layer, mean) = best(&means);
    let at: Vec<f64> = rows.iter().map(|row| row.get(layer).copied().unwrap_or(0.0)).collect();
    let over: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / row.len() as f64).collect();
    let doses: Vec<f64> = mixed.iter().map(|(dose, _)| *dose).collect();
    let list: Vec<String> =
        mixed.iter().zip(&at).map(|((dose, code), value)| format!("{} {dose:.2}: {value:.2}", &code[..3])).collect();
    let (clone_layer, clone) = best(measured.of(CLONE.code)?);
    let (island_layer, island) = best(measured.of(ISLAND.code)?);
    let place = |layer: usize| format!(" at layer {layer}");
    let (rising, rising_there) = (spearman(&doses, &over), spearman(&doses, &at));
    let lowest = rows.iter().map(|row| best(row).1).fold(f64::MAX, f64::min);
    Ok(vec![
        Truth::at_least("the clone is aligned with English (best layer)", 0.9, clone, &place(clone_layer)),
        Truth::at_least("mixed languages are aligned (their mean, best layer)", 0.6, mean, &place(layer)),
        Truth::at_least(
            "alignment rises with the dose (Spearman, mean over layers)",
            0.9,
            rising,
            &format!("; at layer {layer} alone {rising_there:.3}; dose: value there: {}", list.join(", ")),
        ),
        Truth::at_most("the island is aligned nowhere (worst layer)", 0.1, island, &place(island_layer)),
        Truth::new(
            "clone > every mixed language > island (best layers)",
            "in this order",
            format!(
                "{clone:.2} > {lowest:.2} .. {:.2} > {island:.2}",
                rows.iter().map(|row| best(row).1).fold(0.0, f64::max)
            ),
            clone >= rows.iter().map(|row| best(row).1).fold(0.0, f64::max) && lowest > island,
        ),
    ])
}

/// Rank correlation of two lists without ties in the first; ties of the second share their mean rank.
fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let below = |v: f64| values.iter().filter(|w| **w < v).count() as f64;
        let equal = |v: f64| values.iter().filter(|w| **w == v).count() as f64;
        values.iter().map(|v| below(*v) + (equal(*v) - 1.0) / 2.0).collect()
    };
    let (x, y) = (ranks(x), ranks(y));
    let mean = (x.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt()
}

/// A model of the same shape and vocabulary whose weights are those of before the training.
fn untrained(corpus: &Corpus, monitor: &Monitor) -> Result<Truth> {
    let folder = tempfile::tempdir()?;
    let (recipe, tokenizer) = (Recipe::small(), tokenizer::build()?);
    Model::new(&recipe.shape, tokenizer.get_vocab_size(true), recipe.seed)?.export(folder.path())?;
    tokenizer.save(folder.path().join("tokenizer.json"), false).map_err(anyhow::Error::msg)?;
    let reference = folder.path().to_string_lossy().into_owned();
    let measured = measure(&Engine::load(&reference, &LoadOptions::default(), monitor)?, corpus, monitor)?;
    let worst = (measured.languages.iter().zip(&measured.values))
        .flat_map(|(language, row)| row.iter().enumerate().skip(1).map(move |(layer, value)| (*value, layer, language)))
        .fold((0.0, 0, &measured.languages[0]), |worst, now| if now.0 > worst.0 { now } else { worst });
    let place = format!(" ({} at layer {})", worst.2, worst.1);
    Ok(Truth::at_most("before the training nothing is aligned (worst beyond layer 0)", 0.05, worst.0, &place))
}

/// What the lens reads in one language, a mean over the tokens of a few sentences.
struct Reading {
    language: String,
    /// Share of the last layer's most probable tokens that are of the sentence's language.
    own_top: f64,
    /// Of the mass on tokens of any one language at the last layer, the share of the sentence's.
    own_mass: f64,
    /// The same at layer 1 for English.
    pivot_mass: f64,
}

fn reading(engine: &Engine, corpus: &Corpus, sets: &TokenSets, language: &str, monitor: &Monitor) -> Result<Reading> {
    let find = |code: &str| {
        let at = sets.languages().iter().position(|l| l == code);
        at.with_context(|| format!("no token of the corpus is only of {code}"))
    };
    let (own, pivot) = (find(language)?, find(PIVOT.code)?);
    let params = LensParams { layers: vec![1, engine.info().layers], top_k: 1, ..LensParams::default() };
    let (mut tops, mut own_top, mut tokens, mut own_mass, mut pivot_mass) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for line in lines(corpus, language)?.iter().take(READ) {
        let report = lens::analyse(engine, line, sets, &params, monitor)?;
        let [early, last] = report.cells.as_slice() else { anyhow::bail!("the lens did not read two layers") };
        // Full stops belong to several languages, so their mass is left out of what is divided by.
        let share = |cell: &LensCell, of: usize| {
            f64::from(cell.language_mass.get(of).copied().unwrap_or(0.0) / cell.language_mass.iter().sum::<f32>())
        };
        // Neither BOS nor the last token says what comes next inside of the sentence.
        for (early, last) in early.iter().zip(last).take(last.len().saturating_sub(1)).skip(1) {
            if let Some(of) = last.top.first().and_then(|top| top.language) {
                tops += 1.0;
                own_top += f64::from(u8::from(usize::from(of) == own));
            }
            tokens += 1.0;
            own_mass += share(last, own);
            pivot_mass += share(early, pivot);
        }
    }
    // A mean over nothing is NaN, which no comparison would notice.
    anyhow::ensure!(
        tops > 0.0 && own_mass.is_finite() && pivot_mass.is_finite(),
        "the lens reads no token of any one language in {language}, so nothing can be said of it"
    );
    Ok(Reading {
        language: language.to_owned(),
        own_top: own_top / tops,
        own_mass: own_mass / tokens,
        pivot_mass: pivot_mass / tokens,
    })
}

/// The last layer speaks the sentence's language; on the way there the lens shows English where training mixed it in, and
/// not in the island.
fn read(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Vec<Truth>> {
    let sets = TokenSets::from_corpus(engine.tokenizer(), corpus)?;
    let all = (corpus.languages.iter())
        .map(|language| reading(engine, corpus, &sets, language, monitor))
        .collect::<Result<Vec<Reading>>>()?;
    let worst = |value: fn(&Reading) -> f64| {
        let worst = all.iter().min_by(|a, b| value(a).total_cmp(&value(b)));
        worst.map(|r| (value(r), format!(" (worst: {})", r.language))).unwrap_or_default()
    };
    let (top, mass) = (worst(|r| r.own_top), worst(|r| r.own_mass));
    let island = all.iter().find(|r| r.language == ISLAND.code).map_or(f64::NAN, |r| r.pivot_mass);
    let others = all.iter().filter(|r| ![PIVOT.code, CLONE.code, ISLAND.code].contains(&r.language.as_str()));
    let mixed = others.map(|r| r.pivot_mass).fold(f64::MAX, f64::min);
    Ok(vec![
        Truth::at_least("lens, last layer: the top token is of the sentence's language", 0.95, top.0, &top.1),
        Truth::at_least("lens, last layer: the mass is on the sentence's language", 0.75, mass.0, &mass.1),
        Truth::new(
            "lens, layer 1: English shows through in mixed languages, not in the island",
            "> 2 x island",
            format!("{mixed:.3} (least of the mixed) against {island:.3}"),
            mixed > 2.0 * island,
        ),
    ])
}

/// Mean surprise in nats a token of sentences nobody was trained on, as they are and with their words in another order.
fn surprise(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Truth> {
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let mut worst = (f64::MAX, 0.0, 0.0, "");
    for language in &corpus.languages {
        let some: Vec<&String> = lines(corpus, language)?.iter().take(SURPRISED).collect();
        let plain = engine.tokenizer().encode_all(&some)?;
        let mut shuffled = plain.clone();
        for sentence in &mut shuffled {
            let (bos, last) = (sentence.bos, sentence.ids.len() - 1);
            sentence.ids[bos..last].shuffle(rng);
        }
        let (plain, shuffled) = (nats(engine, &plain, monitor)?, nats(engine, &shuffled, monitor)?);
        if shuffled - plain < worst.0 {
            worst = (shuffled - plain, plain, shuffled, language);
        }
    }
    let (gap, plain, shuffled, language) = worst;
    Ok(Truth::new(
        "held-out sentences are likelier than their shuffled words",
        "by >= 1 nat a token",
        format!("{plain:.2} against {shuffled:.2} nats a token (worst: {language})"),
        gap >= 1.0,
    ))
}

fn nats(engine: &Engine, sentences: &[Encoded], monitor: &Monitor) -> Result<f64> {
    let logits: Site = "logits".parse()?;
    let plan = Plan { captures: vec![Capture { site: logits, reduce: Reduce::All }], ..Plan::default() };
    let captured = engine.run(sentences, &plan, monitor)?.pop().context("the engine returned no logits")?;
    let Values::Tokens(rows) = captured.values else { anyhow::bail!("the engine pooled what was to be kept whole") };
    let (mut sum, mut count) = (0.0, 0);
    for (sentence, logits) in sentences.iter().zip(rows) {
        for (row, next) in logits.to_vec2::<f32>()?.iter().zip(sentence.ids.iter().skip(1)) {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let total: f64 = row.iter().map(|x| f64::from(x - top).exp()).sum();
            sum += total.ln() + f64::from(top - row[*next as usize]);
            count += 1;
        }
    }
    Ok(sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spearman_is_one_for_the_same_order_and_minus_one_for_the_reverse() {
        assert_eq!(spearman(&[1., 2., 5.], &[0.1, 0.2, 0.9]), 1.0);
        assert_eq!(spearman(&[1., 2., 5.], &[0.9, 0.2, 0.1]), -1.0);
        // ranks 0 1 2 3 against 0 1.5 1.5 3: 4.5 / sqrt(5 * 4.5)
        assert!((spearman(&[1., 2., 3., 4.], &[1., 2., 2., 3.]) - 0.948_683_3).abs() < 1e-6);
    }
}
