//! Laws of generation: the cache changes no number, a sequence is the same alone and in any batch, greedy says what transformers
//! says, captures are those of one pass over the whole text, and what ends a text ends it. Chat templates render as transformers
//! renders them.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use babelscope_core::{
    chat::{ChatOptions, ChatTemplate, Message},
    engine::{Captured, Engine, LoadOptions, Values},
    generate::{Generate, Generation, Stop},
    monitor::{Monitor, Tick},
    plan::{Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Unit, Window},
    tokens::Encoded,
};
use babelscope_tests::golden::{Family, all, difference, encoded, families, load, magnitude, pooled, tokens, values};
use candle_core::{DType, Tensor};
use tempfile::TempDir;

/// Below this distance of the first and the second logit a rounding error may choose the other token.
const MARGIN: f32 = 1e-3;

/// Every decoder.
fn decoders() -> impl Iterator<Item = (Family, Engine)> {
    families().into_iter().filter(Family::causal).map(|family| {
        let engine = family.engine();
        (family, engine)
    })
}

fn greedy(max_new_tokens: usize) -> Generate {
    Generate { max_new_tokens, ignore_eos: true, ..Generate::default() }
}

fn generate(engine: &Engine, prompts: &[Encoded], options: &Generate, plan: &Plan) -> Generation {
    engine
        .generate(prompts, options, plan, &mut |_| ControlFlow::Continue(()), &Monitor::silent())
        .unwrap_or_else(|e| panic!("{}: {e}", engine.info().reference))
}

fn said(engine: &Engine, prompts: &[Encoded], options: &Generate) -> Vec<Vec<u32>> {
    generate(engine, prompts, options, &Plan::default()).sequences.into_iter().map(|s| s.ids).collect()
}

fn whole(prompt: &Encoded, new: &[u32]) -> Encoded {
    let ids: Vec<u32> = prompt.ids.iter().chain(new).copied().collect();
    Encoded { bos: prompt.bos, ..encoded(&ids) }
}

fn each(captured: &Captured) -> Vec<Tensor> {
    match &captured.values {
        Values::Tokens(_) => tokens(captured).to_vec(),
        Values::Pooled(_) => vec![pooled(captured).clone()],
    }
}

#[test]
fn greedy_says_what_transformers_says() {
    let mut compared = 0;
    for (family, engine) in decoders() {
        // There transformers chooses longrope's factors anew at each length and keeps the keys of before.
        if family.name().ends_with("phi3_longrope") {
            continue;
        }
        let expected = family.expected();
        let want = expected["greedy.tokens"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        let margins = expected["greedy.margin_top1_top2"].to_vec2::<f32>().unwrap();
        let got = said(&engine, &family.sentences(), &greedy(want[0].len()));
        for ((got, want), margins) in got.iter().zip(&want).zip(&margins) {
            let sure = margins.iter().take_while(|margin| **margin > MARGIN).count();
            assert_eq!(got[..sure], want[..sure], "{}", family.name());
            compared += sure;
        }
    }
    assert!(compared > 1000, "only {compared} tokens were compared");
}

/// Every kind of site and reduction, over prompt and new tokens, against one pass without a cache over the whole texts.
#[test]
fn captures_and_cache_equal_one_pass_over_the_whole_text() {
    let content = Window { include_bos: false, skip_first: 0 };
    for (family, engine) in decoders() {
        let blocks = engine.info().layers;
        let mut captures: Vec<Capture> =
            engine.sites().into_iter().map(|site| Capture { site, reduce: Reduce::All }).collect();
        for reduce in [Reduce::Mean(content), Reduce::Weighted(content), Reduce::Last] {
            captures.push(Capture { site: Site::layer(blocks), reduce });
            captures.push(Capture { site: Site::new(Point::Logits, 0), reduce });
        }
        let plan = Plan { captures, ..Plan::default() };
        let mut prompts = family.sentences();
        prompts.iter_mut().for_each(|prompt| prompt.bos = usize::from(prompt.ids.len() > 1));
        // A text that is read whole takes longrope's frequencies by its length, which is the limit here.
        let got = generate(&engine, &prompts, &greedy(6), &plan);
        let texts: Vec<Encoded> = prompts.iter().zip(&got.sequences).map(|(p, s)| whole(p, &s.ids)).collect();
        let want = engine.run(&texts, &plan, &Monitor::silent()).unwrap();
        assert_eq!(got.captured.len(), want.len());
        for (got, want) in got.captured.iter().zip(&want) {
            assert_eq!(got.capture, want.capture);
            for (got, want) in each(got).iter().zip(&each(want)) {
                let d = difference(got, want) / magnitude(want).max(1.0);
                assert!(d <= 1e-5, "{} {:?}: {d:e}", family.name(), want.dims());
            }
        }
        for (sequence, logits) in got.sequences.iter().zip(each(&want[position(&plan, Point::Logits)])) {
            let first = logits.dims()[0] - sequence.ids.len() - 1;
            for (step, token) in sequence.ids.iter().enumerate() {
                let row = values(&logits.get(first + step).unwrap());
                let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert!(top - row[*token as usize] <= MARGIN, "{}: not the likeliest", family.name());
            }
        }
    }
}

/// Against the rows that are kept beside it, as another pass might round a gate to the other side of 0.
#[test]
fn shares_of_active_tokens_grow_with_the_text() {
    let content = Window { include_bos: false, skip_first: 0 };
    let family = Family::golden("llama");
    let engine = family.engine();
    let site = Site::new(Point::MlpGate, 1);
    let captures = [Reduce::All, Reduce::Active(content)].map(|reduce| Capture { site, reduce }).to_vec();
    let mut prompts = family.sentences();
    prompts.iter_mut().for_each(|prompt| prompt.bos = usize::from(prompt.ids.len() > 1));
    let got = generate(&engine, &prompts, &greedy(6), &Plan { captures, ..Plan::default() });
    let shares = pooled(&got.captured[1]).to_vec2::<f32>().unwrap();
    for ((rows, shares), prompt) in each(&got.captured[0]).iter().zip(shares).zip(&prompts) {
        let rows = &rows.to_vec2::<f32>().unwrap()[prompt.bos..];
        assert!(rows.len() > prompt.ids.len(), "new tokens are among the rows");
        for (neuron, share) in shares.into_iter().enumerate() {
            let count = rows.iter().filter(|row| row[neuron] > 0.0).count();
            assert_eq!(share, count as f32 / rows.len() as f32, "{neuron}");
        }
    }
}

fn position(plan: &Plan, point: Point) -> usize {
    plan.captures.iter().position(|capture| capture.site.point == point).unwrap()
}

/// The vector of `tests/golden/models/*/edits.json`'s case `add_all`, added at layer 2 of the prompt and of every new token.
#[test]
fn greedy_under_an_edit_says_what_hooks_in_transformers_say() {
    for name in ["qwen2", "gemma2", "gpt_neox"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let path = family.folder.join("edits.safetensors");
        let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
        let vector = values(&tensors["add_all.d"]).into();
        let add = Op::Add { vector, coefficient: 2.5, unit: Unit::Raw, keep_norm: false };
        let steered = |positions: Positions| Plan {
            captures: vec![all(Point::ResidPost, 3), all(Point::Logits, 0)],
            edits: vec![Edit { positions, ..Edit::at(Site::layer(2), add.clone()) }],
            ..Plan::default()
        };
        let prompts = family.sentences()[1..3].to_vec();
        let want = tensors["add_all.greedy.tokens"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        let margins = tensors["add_all.greedy.margin_top1_top2"].to_vec2::<f32>().unwrap();
        let got = generate(&engine, &prompts, &greedy(8), &steered(Positions::All));
        for ((got, want), margins) in got.sequences.iter().zip(&want).zip(&margins) {
            let sure = margins.iter().take_while(|margin| **margin > MARGIN).count();
            assert_eq!(got.ids[..sure], want[..sure], "{name}");
        }
        let texts: Vec<Encoded> = prompts.iter().zip(&got.sequences).map(|(p, s)| whole(p, &s.ids)).collect();
        let whole = engine.run(&texts, &steered(Positions::All), &Monitor::silent()).unwrap();
        for (got, want) in got.captured.iter().zip(&whole) {
            for (got, want) in tokens(got).iter().zip(tokens(want)) {
                assert!(difference(got, want) <= 1e-5 * magnitude(want).max(1.0), "{name}");
            }
        }
        // An edit of what is generated leaves the prompt as it is.
        let later = generate(&engine, &prompts, &greedy(8), &steered(Positions::Generated));
        let plain = generate(&engine, &prompts, &greedy(8), &Plan { edits: vec![], ..steered(Positions::All) });
        for (s, prompt) in prompts.iter().enumerate() {
            let [later, plain] = [&later, &plain].map(|said| tokens(&said.captured[0])[s].clone());
            let rows = |states: &Tensor, from: usize, n: usize| states.narrow(0, from, n).unwrap();
            let n = prompt.ids.len();
            assert_eq!(difference(&rows(&later, 0, n), &rows(&plain, 0, n)), 0.0, "{name}");
            assert!(difference(&rows(&later, n, 1), &rows(&plain, n, 1)) > 0.1, "{name}");
        }
        // Strength zero changes no bit, whatever else is in the plan.
        let nothing = Op::Add {
            vector: vec![1.0; engine.info().width].into(),
            coefficient: 0.0,
            unit: Unit::Raw,
            keep_norm: false,
        };
        let zero = Plan { edits: vec![Edit::at(Site::layer(2), nothing)], ..Plan::default() };
        assert_eq!(generate(&engine, &prompts, &greedy(8), &zero).sequences, plain.sequences);
    }
}

#[test]
fn a_sequence_alone_equals_the_same_sequence_in_a_batch() {
    for name in ["llama", "gemma3", "mistral", "bloom", "mixtral", "gpt2"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let mut prompts = family.sentences();
        prompts.push(prompts[0].clone());
        let sampled = Generate { temperature: 1.3, top_k: Some(40), top_p: Some(0.95), seed: 3, ..greedy(12) };
        for options in [greedy(12), sampled] {
            let together = said(&engine, &prompts, &options);
            for (prompt, together) in prompts[..5].iter().zip(&together) {
                assert_eq!(said(&engine, std::slice::from_ref(prompt), &options)[0], *together, "{name}");
            }
            assert_eq!(
                together[0] == together[5],
                options.greedy(),
                "{name}: copies of a prompt have draws of their own"
            );
        }
    }
}

/// Equal to the bit where the products are the tile units': other sequences change no state of a new token, and having
/// generated changes none of a later pass.
#[test]
fn states_do_not_depend_on_what_goes_on_beside_or_went_before() {
    for name in ["llama", "gpt2", "mixtral"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let captures = vec![all(Point::ResidPost, 2), all(Point::Logits, 0)];
        let plan = Plan { captures, ..Plan::default() };
        let prompts = family.sentences();
        let before = engine.run(&prompts, &plan, &Monitor::silent()).unwrap();
        let together = generate(&engine, &prompts, &greedy(6), &plan);
        let bound = if engine.info().kernel.starts_with("amx") { 0.0 } else { 1e-5 };
        for (s, prompt) in prompts.iter().enumerate() {
            let alone = generate(&engine, std::slice::from_ref(prompt), &greedy(6), &plan);
            for (together, alone) in together.captured.iter().zip(&alone.captured) {
                let (together, alone) = (&tokens(together)[s], &tokens(alone)[0]);
                assert!(difference(together, alone) <= bound * magnitude(alone).max(1.0), "{name}");
            }
        }
        for (before, after) in before.iter().zip(&engine.run(&prompts, &plan, &Monitor::silent()).unwrap()) {
            for (before, after) in tokens(before).iter().zip(tokens(after)) {
                assert_eq!(difference(before, after), 0.0, "{name}");
            }
        }
    }
}

#[test]
fn many_prompts_of_many_lengths_come_back_in_their_order() {
    let family = Family::golden("qwen2");
    let engine = family.engine();
    let ids = |n: usize| (0..n).map(|i| (i * 7 + n) as u32 % 60 + 3).collect::<Vec<_>>();
    // More sequences than go on together, and more tokens than one pass takes.
    let prompts: Vec<Encoded> = (0..90).map(|i| encoded(&ids(1 + i * 13 % 29))).collect();
    let plan = Plan::layers([1], Reduce::Last);
    let got = generate(&engine, &prompts, &greedy(3), &plan);
    for index in [0, 1, 63, 64, 89] {
        let alone = generate(&engine, &prompts[index..=index], &greedy(3), &plan);
        assert_eq!(got.sequences[index], alone.sequences[0]);
        let (row, own) = (pooled(&got.captured[0]).get(index).unwrap(), pooled(&alone.captured[0]).get(0).unwrap());
        assert!(difference(&row, &own) <= 1e-5);
    }
}

#[test]
fn longrope_goes_by_the_length_that_a_text_may_reach() {
    let family = Family::golden("phi3_longrope");
    let engine = load(&family.folder, &LoadOptions::default());
    let prompt = family.sentences().remove(0);
    let plan = Plan { captures: vec![all(Point::Logits, 0)], ..Plan::default() };
    // Room for so many that every prompt is a long text from its first token on, though few are said.
    let room = engine.info().context - prompt.ids.len();
    let mut few = 0;
    let mut three = |_: babelscope_core::generate::Step<'_>| {
        few += 1;
        if few == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let got =
        engine.generate(std::slice::from_ref(&prompt), &greedy(room), &plan, &mut three, &Monitor::silent()).unwrap();
    assert_eq!(got.sequences[0].stop, Stop::Asked);
    let fixed = LoadOptions { longrope: Some(babelscope_core::model::rope::LongRope::Long), ..LoadOptions::default() };
    let long = load(&family.folder, &fixed);
    let text = whole(&prompt, &got.sequences[0].ids);
    let want = long.run(&[text], &plan, &Monitor::silent()).unwrap();
    assert!(difference(&tokens(&got.captured[0])[0], &tokens(&want[0])[0]) <= 1e-4);
}

#[test]
fn seeds_repeat_and_limits_are_greedy() {
    let family = Family::golden("llama");
    let engine = family.engine();
    let prompts = family.sentences();
    let sampled = |seed| Generate { temperature: 1.0, seed, ..greedy(10) };
    assert_eq!(said(&engine, &prompts, &sampled(1)), said(&engine, &prompts, &sampled(1)));
    assert_ne!(said(&engine, &prompts, &sampled(1)), said(&engine, &prompts, &sampled(2)));
    let likeliest = said(&engine, &prompts, &greedy(10));
    assert_ne!(said(&engine, &prompts, &sampled(1)), likeliest);
    assert_eq!(said(&engine, &prompts, &Generate { top_k: Some(1), ..sampled(1) }), likeliest);
    assert_eq!(said(&engine, &prompts, &Generate { top_p: Some(1e-6), ..sampled(1) }), likeliest);
    assert_eq!(said(&engine, &prompts, &Generate { temperature: 1e-4, ..sampled(1) }), likeliest);
}

/// `l / r` where positive, `l r` where not, for tokens of the prompt and of what was said.
#[test]
fn the_repetition_penalty_is_that_of_transformers() {
    let family = Family::golden("gpt2");
    let engine = family.engine();
    let options = Generate { repetition_penalty: 1.7, logprobs: true, ..greedy(12) };
    for prompt in family.sentences() {
        let got = generate(&engine, std::slice::from_ref(&prompt), &options, &Plan::default()).sequences.remove(0);
        let mut text = prompt.clone();
        for (token, logprob) in got.ids.iter().zip(got.logprobs.unwrap()) {
            let plan = Plan {
                captures: vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last }],
                ..Plan::default()
            };
            let captured = engine.run(std::slice::from_ref(&text), &plan, &Monitor::silent()).unwrap();
            let mut logits = values(pooled(&captured[0]));
            let sum: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
            let own = f64::from(logits[*token as usize]) - sum.ln();
            assert!((f64::from(logprob) - own).abs() < 1e-4, "{logprob} {own}");
            let mut seen = text.ids.clone();
            seen.sort_unstable();
            seen.dedup();
            for id in seen {
                let logit = &mut logits[id as usize];
                *logit = if *logit < 0.0 { *logit * 1.7 } else { *logit / 1.7 };
            }
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(top - logits[*token as usize] <= 1e-4);
            text = whole(&text, &[*token]);
        }
    }
}

#[test]
fn what_is_shown_is_the_text_and_stop_strings_end_it() {
    for name in ["llama", "gpt2", "qwen2", "gemma", "xglm"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let prompts = family.sentences();
        let show = |options: &Generate| {
            let mut shown = vec![String::new(); prompts.len()];
            let mut steps = 0;
            let got = engine.generate(
                &prompts,
                options,
                &Plan::default(),
                &mut |step| {
                    shown[step.sequence] += step.text;
                    steps += 1;
                    ControlFlow::Continue(())
                },
                &Monitor::silent(),
            );
            (got.unwrap().sequences, shown, steps)
        };
        let (free, shown, steps) = show(&greedy(16));
        assert_eq!(steps, 16 * prompts.len());
        for (sequence, shown) in free.iter().zip(&shown) {
            assert_eq!(sequence.text, *shown, "{name}");
            assert_eq!(sequence.stop, Stop::Length);
            // The decoder of tokenizer.json may leave out the first space, and counts broken characters otherwise.
            let plain = engine.tokenizer().decode(&sequence.ids).unwrap();
            if !plain.contains('\u{FFFD}') {
                assert_eq!(sequence.text.trim_start(), plain.trim_start(), "{name}");
            }
        }
        // Two characters out of the middle of each text.
        let stops: Vec<String> = free
            .iter()
            .filter_map(|sequence| {
                let characters: Vec<char> = sequence.text.chars().collect();
                let middle = characters.get(characters.len() / 2..characters.len() / 2 + 2)?;
                (!middle.contains(&'\u{FFFD}')).then(|| middle.iter().collect())
            })
            .collect();
        assert!(!stops.is_empty());
        let (stopped, shown, _) = show(&Generate { stop: stops.clone(), ..greedy(16) });
        for ((free, stopped), shown) in free.iter().zip(&stopped).zip(&shown) {
            assert_eq!(stopped.text, *shown, "{name}");
            assert!(free.ids.starts_with(&stopped.ids));
            match stops.iter().filter_map(|stop| free.text.find(stop.as_str())).min() {
                Some(at) => {
                    assert_eq!(stopped.text, free.text[..at], "{name}");
                    assert!(matches!(&stopped.stop, Stop::Text(stop) if stops.contains(stop)));
                }
                None => assert_eq!(stopped, free),
            }
        }
    }
}

/// A copy of a golden model with files of its own.
fn with_files(name: &str, files: &[(&str, String)]) -> (TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(Family::golden(name).folder.join(file), folder.path().join(file)).unwrap();
    }
    for (file, text) in files {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let engine = load(folder.path(), &LoadOptions::default());
    (folder, engine)
}

#[test]
fn the_models_end_of_text_ends_a_sequence_and_the_others_go_on() {
    let prompts = Family::golden("llama").sentences();
    let free = said(&Family::golden("llama").engine(), &prompts, &greedy(10));
    let end = free[0][4];
    for ends in [format!("{end}"), format!("[9999, {end}]")] {
        let (_folder, engine) =
            with_files("llama", &[("generation_config.json", format!("{{\"eos_token_id\": {ends}}}"))]);
        let got = generate(&engine, &prompts, &Generate { ignore_eos: false, ..greedy(10) }, &Plan::default());
        for (got, free) in got.sequences.iter().zip(&free) {
            match free.iter().position(|token| *token == end) {
                Some(at) => {
                    assert_eq!(got.ids, free[..=at]);
                    assert_eq!(got.stop, Stop::End);
                    let plain = engine.tokenizer().decode(&free[..at]).unwrap();
                    assert!(plain.contains('\u{FFFD}') || got.text.trim_start() == plain.trim_start());
                }
                None => assert_eq!((&got.ids, &got.stop), (free, &Stop::Length)),
            }
        }
        assert_eq!(got.sequences[0].stop, Stop::End);
        assert_eq!(said(&engine, &prompts, &greedy(10)), free);
    }
}

#[test]
fn the_context_ends_a_sequence_and_captures_have_its_last_token() {
    let engine = Family::golden("llama").engine();
    let context = engine.info().context;
    let ids: Vec<u32> = (0..context as u32 - 2).map(|i| i % 50 + 3).collect();
    let prompts = [encoded(&ids)];
    let got = generate(&engine, &prompts, &greedy(9), &Plan::layers([1], Reduce::All));
    assert_eq!((got.sequences[0].ids.len(), &got.sequences[0].stop), (2, &Stop::Context));
    assert_eq!(tokens(&got.captured[0])[0].dims(), [context, engine.info().width]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let engine = Family::golden("llama").engine();
    let refuse = |engine: &Engine, prompts: &[Encoded], options: &Generate, plan: &Plan| {
        let mut never = |_: babelscope_core::generate::Step<'_>| panic!("nothing should be said");
        engine.generate(prompts, options, plan, &mut never, &Monitor::silent()).unwrap_err().to_string()
    };
    let prompt = [encoded(&[3, 4])];
    let base = Generate::default();
    for (options, word) in [
        (Generate { max_new_tokens: 0, ..base.clone() }, "max_new_tokens is 0"),
        (Generate { temperature: -1.0, ..base.clone() }, "temperature is -1, expected 0 (greedy) or a positive number"),
        (Generate { temperature: f32::NAN, ..base.clone() }, "temperature is NaN"),
        (Generate { temperature: 1.0, top_k: Some(0), ..base.clone() }, "top_k is 0"),
        (Generate { temperature: 1.0, top_p: Some(1.5), ..base.clone() }, "top_p is 1.5, expected above 0, up to 1"),
        (Generate { top_p: Some(0.5), ..base.clone() }, "temperature 0 draws nothing"),
        (Generate { repetition_penalty: 0.0, ..base.clone() }, "repetition_penalty is 0"),
        (Generate { stop: vec![String::new()], ..base.clone() }, "a stop string is empty"),
    ] {
        let message = refuse(&engine, &prompt, &options, &Plan::default());
        assert!(message.contains(word), "{message}");
    }
    let context = engine.info().context;
    for (prompts, word) in [
        (vec![], "no sentences were given"),
        (vec![encoded(&[3]), encoded(&[])], "sentence 1: is empty"),
        (vec![encoded(&vec![3; context])], "no room for a new one"),
        (vec![encoded(&vec![3; context + 1])], "shorten it"),
    ] {
        let message = refuse(&engine, &prompts, &base, &Plan::default());
        assert!(message.contains(word), "{message}");
    }
    let stops = Plan { stop_after: Some(1), ..Plan::default() };
    assert!(refuse(&engine, &prompt, &base, &stops).contains("stop_after is layer 1"));
    for name in ["bert", "xlm_roberta", "mt5_encoder"] {
        let message = refuse(&Family::golden(name).engine(), &prompt, &base, &Plan::default());
        assert!(message.contains("is an encoder: it reads a text whole and cannot continue it"), "{message}");
    }
    let (_folder, odd) = with_files("llama", &[("generation_config.json", "{\"eos_token_id\": \"end\"}".to_owned())]);
    assert!(refuse(&odd, &prompt, &base, &Plan::default()).contains("should be a token id or a list of them"));
}

#[test]
fn progress_reaches_the_end_and_cancel_stops() {
    let engine = Family::golden("gpt2").engine();
    let ticks = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&ticks);
    let monitor =
        Monitor::new(Arc::default(), move |tick: Tick<'_>| seen.lock().unwrap().push((tick.done, tick.total)));
    let prompts = [encoded(&[5, 6]), encoded(&[7])];
    let mut listen = |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
    engine.generate(&prompts, &greedy(4), &Plan::default(), &mut listen, &monitor).unwrap();
    assert_eq!(*ticks.lock().unwrap(), [(0, 8), (2, 8), (4, 8), (6, 8), (8, 8), (8, 8)]);
    let cancel = Arc::new(AtomicBool::new(false));
    let mut third = 0;
    let flag = Arc::clone(&cancel);
    let mut stop = |_: babelscope_core::generate::Step<'_>| {
        third += 1;
        flag.store(third == 3, std::sync::atomic::Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let done = engine.generate(&prompts[..1], &greedy(9), &Plan::default(), &mut stop, &Monitor::new(cancel, |_| ()));
    assert_eq!(done.unwrap_err().to_string(), "cancelled");
    assert_eq!(third, 3);
}

#[derive(serde::Deserialize)]
struct Chats {
    now: String,
    templates: std::collections::BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    template: String,
    conversation: String,
    messages: Vec<Message>,
    add_generation_prompt: bool,
    text: Option<String>,
    ids: Option<Vec<u32>>,
    error: Option<String>,
}

fn chats() -> Chats {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/chat/chat.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

const TOKENS: &str = r#""bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "add_bos_token": true"#;

#[test]
fn chat_templates_render_as_transformers_renders_them() {
    let Chats { now, templates, cases } = chats();
    for (style, template) in &templates {
        let config = format!("{{{TOKENS}, \"chat_template\": {}}}", serde_json::to_string(template).unwrap());
        let (_folder, engine) = with_files("llama", &[("tokenizer_config.json", config)]);
        for case in cases.iter().filter(|case| case.template == *style) {
            let what = format!("{style}, {}, {}", case.conversation, case.add_generation_prompt);
            let options = ChatOptions {
                add_generation_prompt: case.add_generation_prompt,
                date: Some(now.clone()),
                ..ChatOptions::default()
            };
            let got = engine.chat(&case.messages, &options);
            if let Some(error) = &case.error {
                let message = got.unwrap_err().to_string();
                assert!(message.starts_with(&format!("chat template: {error} (line ")), "{what}: {message}");
                continue;
            }
            let got = got.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(got.text, *case.text.as_ref().unwrap(), "{what}");
            assert_eq!(got.encoded.ids, *case.ids.as_ref().unwrap(), "{what}");
            let bos = engine.tokenizer().bos().unwrap();
            let begins = got.encoded.ids.first() == Some(&bos);
            assert_eq!(got.encoded.bos, usize::from(begins), "{what}");
            assert!(!got.encoded.ids[got.encoded.bos..].starts_with(&[bos]), "{what}: BOS twice");
            assert_eq!(got.date.is_some(), style == "llama3", "{what}");
        }
    }
}

#[test]
fn the_template_is_found_where_models_keep_it() {
    let render = |config: &str, jinja: Option<&str>, json: Option<&str>, name: Option<&str>| {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let (jinja, json) = (jinja.map(bytes), json.map(bytes));
        let template =
            ChatTemplate::parse(Some(config.as_bytes()), jinja.as_deref(), json.as_deref(), Path::new("folder"));
        let options = ChatOptions { template: name.map(str::to_owned), ..ChatOptions::default() };
        template
            .and_then(|t| t.render(&[Message::new("user", "hi")], &options))
            .map(|(text, _)| text)
            .map_err(|e| e.to_string())
    };
    let list = r#"{"chat_template": [{"name": "default", "template": "a"}, {"name": "rag", "template": "b"}]}"#;
    assert_eq!(render(r#"{"chat_template": "a"}"#, None, None, None).unwrap(), "a");
    assert_eq!(render(list, None, None, None).unwrap(), "a");
    assert_eq!(render(list, None, None, Some("rag")).unwrap(), "b");
    assert_eq!(render(list, Some("c"), Some(r#"{"chat_template": "d"}"#), None).unwrap(), "c");
    assert_eq!(render(list, None, Some(r#"{"chat_template": "d"}"#), None).unwrap(), "d");
    for (config, name, word) in [
        (list, Some("tool"), "there is none named \"tool\", only default, rag"),
        ("{}", None, "this model has none (it is a base model"),
        (r#"{"chat_template": 3}"#, None, "should be a text or a list of named templates"),
        ("[]", None, "the file is no JSON object"),
        (r#"{"chat_template": "{{ messages }}"}"#, None, "prints a list or a mapping"),
        (r#"{"chat_template": "{% for %}"}"#, None, "(line 1 of the template)"),
        (r#"{"chat_template": "{{ messages[0].a.b }}"}"#, None, "undefined"),
    ] {
        let message = render(config, None, None, name).unwrap_err();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_conversation_is_continued() {
    let template = "{% for m in messages %}{{ bos_token }}{{ m.content }}{% endfor %}".to_owned();
    let (_folder, engine) =
        with_files("llama", &[("chat_template.jinja", template), ("tokenizer_config.json", format!("{{{TOKENS}}}"))]);
    let rendered = engine.chat(&[Message::new("user", "Habari?")], &ChatOptions::default()).unwrap();
    let got = generate(&engine, &[rendered.encoded], &greedy(5), &Plan::default());
    assert_eq!(got.sequences[0].ids.len(), 5);
}
