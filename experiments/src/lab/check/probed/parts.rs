//! What is known of the demo model's tokens and neurons.

use anyhow::{Context as _, Result};
use babelscope_core::{corpus::Corpus, engine::Engine, monitor::Monitor};
use babelscope_probes::{
    neurons::{NeuronParams, neurons as measure},
    tokenizer::{TokenizerParams, tokenizer},
};

use super::{super::Truth, value};
use crate::lab::languages::{CLONE, PIVOT};

/// The clone is English in other tokens.
pub(super) fn tokens(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Vec<Truth>> {
    let params = TokenizerParams { bootstrap: 0, ..TokenizerParams::default() };
    let found = tokenizer("lab", engine.tokenizer(), None, corpus, &params, 0, monitor)?;
    let of = |metric: &str| value(&found, metric, "", (CLONE.code, PIVOT.code));
    let exactly = |known: &str, expected: f64, value: f64| {
        Truth::new(known, format!("{expected}"), format!("{value}"), value == expected)
    };
    Ok(vec![
        exactly("tokenizer: the clone needs as many tokens as English (premium)", 1.0, of("premium")?),
        exactly("tokenizer: ... in every sentence", 1.0, of("premium_sentences")?),
        exactly("tokenizer: ... and shares none with it", 0.0, of("shared_tokens")?),
        Truth::within("tokenizer: ... so their distributions are disjoint (JSD)", 1.0, 1.0, of("jsd")?),
    ])
}

/// Two languages whose neurons did most in every choice of settings that was tried (docs/methods/neurons.md), beside two others. Which
/// neurons they are is half luck at so few tokens; that both halves agree far above chance, and what the sets do, is not.
pub(super) fn neurons(engine: &Engine, corpus: &Corpus, monitor: &Monitor) -> Result<Vec<Truth>> {
    const SPECIFIC: [&str; 2] = ["spa_Latn", "tha_Thai"];
    let languages = [PIVOT.code, SPECIFIC[0], "arb_Arab", SPECIFIC[1]].map(str::to_owned).to_vec();
    let params = NeuronParams {
        languages: languages.clone(),
        top_rate: 0.05,
        effect_sentences: 60,
        controls: 0,
        bootstrap: 0,
        ..NeuronParams::default()
    };
    let found = measure(engine, corpus, &params, 0, monitor)?;
    let row = found.metric("selection_overlap").find(|row| row.language.is_empty()).context("no overlap of halves")?;
    let (overlap, chance) = (row.value.context("no overlap of halves")?, row.chance.unwrap_or(0.0));
    let place = format!(" (chance {chance:.2})");
    let mut truths = vec![Truth::at_least("neurons: both halves of the lines choose alike", 0.3, overlap, &place)];
    for own in SPECIFIC {
        let ratio = |text: &str| value(&found, "perplexity_ratio", "lape", (text, own));
        let others = languages.iter().filter(|l| *l != own).map(|l| ratio(l)).collect::<Result<Vec<f64>>>()?;
        let most = others.into_iter().fold(f64::MIN, f64::max);
        let mine = ratio(own)?;
        truths.push(Truth::new(
            format!("neurons: those of {own} switched off hurt it most"),
            "own ratio > others + 0.1",
            format!("{mine:.2} against {most:.2}"),
            mine > most + 0.1,
        ));
    }
    Ok(truths)
}
