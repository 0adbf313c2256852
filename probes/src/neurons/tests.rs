//! The probe on the laboratory's model, and what it refuses.

use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Reduce, Site},
    tokens::Encoded,
};

use super::{
    NeuronParams,
    activity::{Places, Text, count},
    effect::{losses, switched_off},
    neurons,
};
use crate::measure::{Measured, Row};

fn lab() -> (Engine, Corpus) {
    let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
    (engine, Corpus::open("lab".as_ref()).unwrap())
}

/// What the laboratory shows at 5 % (docs/methods/neurons.md): the neurons of a language with a script of its own do harm there, more than
/// in any other language and more than any control; those of English do none, and the island has next to none.
#[test]
fn in_the_laboratory_languages_with_a_script_of_their_own_need_their_neurons() {
    const OWN_SCRIPT: [&str; 5] = ["rus_Cyrl", "arb_Arab", "zho_Hans", "hin_Deva", "tha_Thai"];
    let (engine, corpus) = lab();
    let params =
        NeuronParams { top_rate: 0.05, effect_sentences: 60, controls: 2, bootstrap: 200, ..NeuronParams::default() };
    let found = neurons(&engine, &corpus, &params, 7, &Monitor::silent()).unwrap();
    assert_eq!(found.value("neurons_selected", "", "", None, ""), Some(70.0));
    let row = |metric: &str, language: &str, pivot: &str, variant: &str| -> Row {
        let fits = |r: &&Row| r.language == language && r.pivot == pivot && r.variant == variant && r.layer.is_none();
        found.metric(metric).find(fits).unwrap().clone()
    };
    let ratio = |text: &str, mask: &str| row("perplexity_ratio", text, mask, "lape").value.unwrap();
    let specificity = |language: &str, variant: &str| row("damage_specificity", language, "", variant);
    let mean = |variant: &str| OWN_SCRIPT.map(|l| specificity(l, variant).value.unwrap()).iter().sum::<f64>() / 5.0;
    for own in OWN_SCRIPT {
        for other in corpus.languages.iter().filter(|l| *l != own) {
            assert!(ratio(own, own) > ratio(other, own), "the neurons of {own} in {other}");
        }
        let low = specificity(own, "lape").low.unwrap();
        assert!(low > 0.0, "{own}: {low}");
        // The seven neurons of Arabic do as little as one of two random sets may.
        for control in ["random", "matched_frequency"].into_iter().filter(|_| own != "arb_Arab") {
            let high = specificity(own, control).high.unwrap();
            assert!(low > high, "{own}: {low} against {control} {high}");
        }
        assert!(specificity("eng_Latn", "lape").high.unwrap() < low, "English against {own}");
    }
    assert!(mean("lape") > 0.06 && mean("lape") > 2.0 * mean("matched_own_frequency"), "{}", mean("lape"));
    assert!(ratio("eng_Latn", "eng_Latn") < 1.01);
    // The clone is English in other ids, yet has neurons of its own that English does not need.
    assert!(ratio("qec_Latn", "qec_Latn") > ratio("eng_Latn", "qec_Latn") + 0.02);
    let overlap = row("neuron_overlap", "qec_Latn", "eng_Latn", "");
    assert!(overlap.value > overlap.chance && overlap.value < Some(0.3), "{overlap:?}");
    let count = |language: &str| row("neurons_of_language", language, "", "").value.unwrap();
    assert!(corpus.languages.iter().all(|l| l == "qis_Latn" || count(l) > count("qis_Latn")));
    // The other half of the lines chooses much the same.
    let again = row("selection_overlap", "", "", "");
    assert!(again.value > Some(0.4) && again.chance < Some(0.03), "{again:?}");
}

fn text(engine: &Engine, corpus: &Corpus, language: &str) -> Text {
    Text::new(engine, language, corpus.lines(language).unwrap()).unwrap()
}

/// Every token of a site of the held-out or the choosing half, as the engine gives it.
fn whole(engine: &Engine, sentences: &[Encoded], site: Site, edits: Vec<Edit>) -> Vec<Vec<Vec<f32>>> {
    let plan = Plan { captures: vec![Capture { site, reduce: Reduce::All }], edits, ..Plan::default() };
    let captured = engine.run(sentences, &plan, &Monitor::silent()).unwrap();
    let Values::Tokens(tokens) = &captured[0].values else { panic!("every token was asked for") };
    tokens.iter().map(|t| t.to_vec2().unwrap()).collect()
}

#[test]
fn frequencies_are_counts_of_every_token_that_was_kept() {
    let (engine, corpus) = lab();
    let places = Places::of(&engine, &mut Vec::new()).unwrap();
    let text = text(&engine, &corpus, "tha_Thai");
    for half in 0..2 {
        let found = count(&engine, &text, half, &places, &Monitor::silent()).unwrap();
        for (at, layer) in places.layers.iter().enumerate() {
            let kept = whole(&engine, &text.halves[half], Site::new(Point::MlpGate, *layer), Vec::new());
            // BOS stands first in every sentence.
            let tokens: Vec<&Vec<f32>> = kept.iter().flat_map(|rows| &rows[1..]).collect();
            assert_eq!(tokens.len(), found.tokens);
            for j in 0..places.width {
                let count = tokens.iter().filter(|row| row[j] > 0.0).count();
                assert_eq!(found.probabilities[at * places.width + j], count as f64 / tokens.len() as f64);
            }
        }
    }
}

#[test]
fn losses_are_those_of_the_logits_with_the_same_neurons_off() {
    let (engine, corpus) = lab();
    let places = Places::of(&engine, &mut Vec::new()).unwrap();
    let text = text(&engine, &corpus, "rus_Cyrl");
    let sentences = &text.halves[1][..12];
    for neurons in [vec![], vec![3, 5, 351, 352, 4 * 352 - 1], (0..352).collect()] {
        let edits = switched_off(&neurons, &places);
        let got = losses(&engine, &text, 12, &edits, &Monitor::silent()).unwrap();
        let logits = whole(&engine, sentences, Site::new(Point::Logits, 0), edits);
        for ((got, logits), sentence) in got.iter().zip(&logits).zip(sentences) {
            let of = |(row, next): (&Vec<f32>, &u32)| {
                let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
                total.ln() - f64::from(row[*next as usize])
            };
            let want: f64 = logits.iter().zip(&sentence.ids[1..]).map(of).sum();
            assert!((got - want).abs() < 1e-4 * want, "{got} {want}");
        }
    }
}

#[test]
fn edits_name_layer_and_number_of_each_neuron() {
    let places = Places { layers: vec![1, 3], width: 10 };
    let edits = switched_off(&[0, 9, 10, 19], &places);
    let off = |layer: usize, neurons: &[usize]| {
        Edit::at(Site::new(Point::MlpAct, layer), Op::Scale { neurons: neurons.to_vec(), factor: 0.0 })
    };
    assert_eq!(edits, [off(1, &[0, 9]), off(3, &[0, 9])]);
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_other_random_sets() {
    let (engine, corpus) = lab();
    let params = NeuronParams {
        languages: ["eng_Latn", "tha_Thai", "qis_Latn"].map(str::to_owned).to_vec(),
        effect_sentences: 10,
        controls: 2,
        bootstrap: 100,
        ..NeuronParams::default()
    };
    let run = |seed| neurons(&engine, &corpus, &params, seed, &Monitor::silent()).unwrap();
    let (one, other) = (run(1), run(2));
    assert_eq!(one, run(1));
    let differ = |metric: &str, variant: &str| {
        let of = |measured: &Measured| -> Vec<Option<f64>> {
            measured.metric(metric).filter(|row| row.variant == variant).map(|row| row.value).collect()
        };
        of(&one) != of(&other)
    };
    assert!(differ("perplexity_ratio", "random"));
    assert!(!differ("perplexity_ratio", "lape") && !differ("neurons_of_language", ""));
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let (engine, corpus) = lab();
    let said = |engine: &Engine, corpus: &Corpus, params: NeuronParams| {
        neurons(engine, corpus, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let with = |change: fn(&mut NeuronParams)| {
        let mut params = NeuronParams::default();
        change(&mut params);
        said(&engine, &corpus, params)
    };
    assert!(with(|p| p.top_rate = 0.0).contains("top_rate is 0, expected above 0"));
    assert!(with(|p| p.top_rate = 0.6).contains("top_rate is 0.6"));
    assert!(with(|p| p.top_rate = f64::NAN).contains("top_rate is NaN"));
    assert!(with(|p| p.top_rate = 1e-4).contains("of 1408 neurons is 0"));
    assert!(with(|p| p.bar = 1.0).contains("bar is 1"));
    assert!(with(|p| p.effect_sentences = 1).contains("effect_sentences is 1"));
    assert!(with(|p| p.bootstrap = 50).contains("50 draws are too few"));
    assert!(with(|p| p.languages = vec!["eng_Latn".into()]).contains("one language"));
    assert!(with(|p| p.languages = vec!["eng_Latn".into(); 2]).contains("named twice"));
    assert!(
        with(|p| p.languages = vec!["eng_Latn".into(), "deu_Latn".into()]).contains("deu_Latn is not in the corpus")
    );
    let default = NeuronParams::default;
    let one = corpus.select(&["eng_Latn".to_owned()], 0).unwrap();
    assert!(said(&engine, &one, default()).contains("has one language"));
    assert!(said(&engine, &corpus.select(&[], 3).unwrap(), default()).contains("has 3 lines"));
    let few = said(&engine, &corpus.select(&[], 12).unwrap(), default());
    assert!(few.contains("half of the lines of eng_Latn have ") && few.contains("at least 100"), "{few}");
    let model = |name: &str| {
        let folder = format!("{}/../tests/golden/models/{name}", env!("CARGO_MANIFEST_DIR"));
        Engine::load(&folder, &LoadOptions::default(), &Monitor::silent()).unwrap()
    };
    assert!(said(&model("bert"), &corpus, default()).contains("predicts no next token"));
    assert!(said(&model("mt5_encoder"), &corpus, default()).contains("predicts no next token"));
    assert!(said(&model("mixtral"), &corpus, default()).contains("mixtures of experts"));
    // A line that the model cannot read is named as it stands in the corpus.
    let long = |n: usize| ("it rains ".repeat(n), "es regnet ".repeat(n));
    let lines = [10, 10, 10, 400].map(long).into_iter().cycle().take(40);
    let (english, german): (Vec<String>, Vec<String>) = lines.unzip();
    let columns = vec![("eng_Latn".to_owned(), english), ("deu_Latn".to_owned(), german)];
    let corpus = Corpus::from_lines("long", columns).unwrap();
    let why = said(&engine, &corpus, default());
    assert!(why.contains("line ") && why.contains("of eng_Latn") && why.contains("context is 96"), "{why}");
}
