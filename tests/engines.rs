//! The engines are each other's witnesses: candle on the CPU is the tested twin of the path that a GPU takes, libtorch (feature
//! `tch`) an independent one. Every site of every golden family is compared with transformers and with the native engine.
//! The tables: `cargo test --release --test engines -- --nocapture`. `BABELSCOPE_DEVICE=cuda:0` runs all of it there.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::collections::BTreeMap;

use babelscope_core::{
    dtype::Dtype,
    engine::{Engine, EngineKind, LoadOptions},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Window},
};
use babelscope_tests::golden::{
    Family, all, difference, families, golden, load, magnitude, oracles, pooled, run, tokens, values,
};
use candle_core::Tensor;

/// In f32, of transformers' tensors, relative to the largest number of a site where that is above 1.
const TOLERANCE: f32 = 1e-4;
const EVERY_TOKEN: Window = Window { include_bos: true, skip_first: 0 };

fn device() -> Option<String> {
    std::env::var("BABELSCOPE_DEVICE").ok()
}

/// The engines that this build has beside the native one.
fn witnesses() -> Vec<EngineKind> {
    let torch = cfg!(feature = "tch").then_some(EngineKind::Torch);
    [Some(EngineKind::Candle), torch].into_iter().flatten().collect()
}

fn engine(family: &Family, kind: EngineKind, dtype: Dtype) -> Engine {
    let options = LoadOptions { engine: Some(kind), device: device(), dtype: Some(dtype), ..family.options() };
    let engine = load(&family.folder, &options);
    assert_eq!((engine.info().engine, engine.info().compute_dtype.clone()), (kind, dtype.to_string()));
    engine
}

fn native(family: &Family) -> Engine {
    load(&family.folder, &LoadOptions { engine: Some(EngineKind::Native), ..family.options() })
}

/// What transformers recorded of a site for each sentence.
fn expected(family: &Family, all: &BTreeMap<String, Tensor>, site: Site) -> Vec<Tensor> {
    let tensor = &all[&family.recorded(all, site).unwrap()];
    let square = matches!(site.point, Point::AttnScores | Point::AttnProbs);
    let cut = |(from, n)| match square {
        true => tensor.narrow(1, from, n).unwrap().narrow(2, 0, n).unwrap(),
        false => tensor.narrow(0, from, n).unwrap(),
    };
    family.rows().into_iter().map(cut).collect()
}

fn far(got: &[Tensor], want: &[Tensor]) -> f32 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(got, want)| difference(got, want) / magnitude(want).max(1.0)).fold(0.0, f32::max)
}

/// Root of the mean squared difference over that of the values; what is infinite must be so on both sides.
fn relative_rms(got: &[Tensor], want: &[Tensor]) -> f64 {
    let (mut error, mut size) = (0f64, 0f64);
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.dims(), want.dims());
        for (got, want) in values(got).into_iter().zip(values(want)) {
            if got.is_finite() && want.is_finite() {
                error += f64::from(got - want).powi(2);
                size += f64::from(want).powi(2);
            } else if got != want {
                return f64::INFINITY;
            }
        }
    }
    if error == 0.0 { 0.0 } else { (error / size).sqrt() }
}

/// One line for each family, the worst of its sites; says `title` above.
struct Table {
    text: String,
    failures: String,
    bound: f64,
}

impl Table {
    fn new(title: &str, bound: f64) -> Self {
        Self {
            text: format!("{title}\n{:<34} {:<24} {:>10}\n", "family", "worst site", "difference"),
            failures: String::new(),
            bound,
        }
    }

    fn family(&mut self, name: &str, sites: &BTreeMap<String, f64>) {
        let (site, worst) = sites.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        self.text += &format!("{name:<34} {site:<24} {worst:>10.1e}\n");
        let beyond = sites.iter().filter(|(_, d)| **d > self.bound || d.is_nan());
        self.failures += &beyond.map(|(site, d)| format!("{name} {site}: {d:e}\n")).collect::<String>();
    }

    fn finish(self) {
        #[expect(clippy::print_stdout, reason = "the tables are for people")]
        {
            println!("{}", self.text);
        }
        assert!(self.failures.is_empty(), "beyond {:e}:\n{}{}", self.bound, self.text, self.failures);
    }
}

#[test]
fn every_site_equals_transformers_and_the_native_engine_in_f32() {
    for kind in witnesses() {
        let mut theirs = Table::new(&format!("{kind} f32 against transformers"), TOLERANCE.into());
        let mut ours = Table::new(&format!("{kind} f32 against the native engine"), TOLERANCE.into());
        for family in &golden() {
            let (engine, native) = (engine(family, kind, Dtype::F32), native(family));
            let recorded = family.expected();
            let sentences = family.sentences();
            let sites = family.sites();
            assert_eq!(engine.sites(), native.sites(), "{}", family.name());
            let captures = || sites.iter().map(|site| all(site.point, site.block)).collect::<Vec<_>>();
            let (got, twin) = (run(&engine, &sentences, captures()), run(&native, &sentences, captures()));
            let (mut theirs_of, mut ours_of) = (BTreeMap::new(), BTreeMap::new());
            for ((site, got), twin) in sites.iter().zip(&got).zip(&twin) {
                let want = expected(family, &recorded, *site);
                theirs_of.insert(site.to_string(), far(tokens(got), &want).into());
                ours_of.insert(site.to_string(), far(tokens(got), tokens(twin)).into());
            }
            let last = all(Point::ResidPost, engine.info().layers);
            for state in tokens(&run(&native, &sentences, vec![last])[0]) {
                match (engine.unembed(state), native.unembed(state)) {
                    (Ok(got), Ok(want)) => {
                        let d = f64::from(difference(&got, &want) / magnitude(&want).max(1.0));
                        let worst = ours_of.entry("lens".to_owned()).or_insert(0.0);
                        *worst = d.max(*worst);
                    }
                    (got, want) => assert_eq!(got.is_ok(), want.is_ok(), "{}", family.name()),
                }
            }
            theirs.family(&family.name(), &theirs_of);
            ours.family(&family.name(), &ours_of);
        }
        theirs.finish();
        ours.finish();
    }
}

/// Padded batches as a user of transformers runs them, and every reduction.
#[test]
fn every_oracle_equals_transformers_and_the_native_engine_in_f32() {
    for kind in witnesses() {
        let mut table = Table::new(&format!("{kind} f32 against the oracles"), TOLERANCE.into());
        for family in &oracles() {
            let (engine, native) = (engine(family, kind, Dtype::F32), native(family));
            let (recorded, sentences) = (family.expected(), family.sentences());
            let layers = engine.info().layers;
            let mut worst: BTreeMap<String, f64> = BTreeMap::new();
            let mut note = |what: String, d: f32| {
                let entry = worst.entry(what).or_insert(0.0);
                *entry = entry.max(d.into());
            };
            // transformers puts the last layer through the final norm before it reports it.
            let state = |l: usize| match l == layers && family.meta.last_hidden_state_is_after_final_norm {
                true => Site::new(Point::FinalNorm, 0),
                false => Site::layer(l),
            };
            for (name, reduce) in [
                ("right.hidden_states", Reduce::All),
                ("right.pool_mean", Reduce::Mean(EVERY_TOKEN)),
                ("right.pool_mexa_weighted", Reduce::Weighted(EVERY_TOKEN)),
                ("right.pool_last_token", Reduce::Last),
            ] {
                let captures = || (0..=layers).map(|l| Capture { site: state(l), reduce }).collect::<Vec<_>>();
                let (got, twin) = (run(&engine, &sentences, captures()), run(&native, &sentences, captures()));
                for (l, (got, twin)) in got.iter().zip(&twin).enumerate() {
                    let want = recorded[name].get(l).unwrap();
                    if reduce == Reduce::All {
                        note(format!("native {name}"), far(tokens(got), tokens(twin)));
                        for (s, got) in tokens(got).iter().enumerate() {
                            let want = want.get(s).unwrap().narrow(0, 0, got.dims()[0]).unwrap();
                            note(name.to_owned(), difference(got, &want) / magnitude(&want).max(1.0));
                        }
                    } else {
                        note(
                            format!("native {name}"),
                            difference(pooled(got), pooled(twin)) / magnitude(&want).max(1.0),
                        );
                        note(name.to_owned(), difference(pooled(got), &want) / magnitude(&want).max(1.0));
                    }
                }
            }
            if let Some(want) = recorded.get("right.logits_last_token") {
                let last = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
                let d = difference(pooled(&run(&engine, &sentences, vec![last])[0]), want);
                note("right.logits_last_token".to_owned(), d / magnitude(want).max(1.0));
            }
            table.family(&family.name(), &worst);
        }
        if !table.text.ends_with("difference\n") {
            table.finish();
        }
    }
}

/// Half formats round the operands and results of products; what that does to a site is bounded, whichever it is.
#[test]
fn half_formats_stay_within_their_bounds() {
    for kind in witnesses() {
        for (dtype, bound) in [(Dtype::Bf16, BF16), (Dtype::F16, F16)] {
            let mut table = Table::new(&format!("{kind} {dtype} against native f32, relative rms"), bound);
            for family in &golden() {
                let (engine, native) = (engine(family, kind, dtype), native(family));
                let sentences = family.sentences();
                // Behind a router another choice of experts is another function, no rounding error.
                let routed = native.sites().iter().any(|site| site.point == Point::RouterLogits);
                let clear = |site: &Site| !routed || (site.block <= 1 && site.point < Point::RouterWeights);
                let sites: Vec<_> = family.sites().into_iter().filter(clear).collect();
                let captures = || sites.iter().map(|site| all(site.point, site.block)).collect::<Vec<_>>();
                let (got, want) = (run(&engine, &sentences, captures()), run(&native, &sentences, captures()));
                let each = sites.iter().zip(&got).zip(&want);
                let each = each.map(|((site, got), want)| (site.to_string(), relative_rms(tokens(got), tokens(want))));
                table.family(&family.name(), &each.collect());
            }
            table.finish();
        }
    }
}

const BF16: f64 = 0.05;
const F16: f64 = 0.01;

#[test]
fn a_sentence_alone_equals_the_same_sentence_in_a_batch() {
    for kind in witnesses() {
        for family in &families() {
            let engine = engine(family, kind, Dtype::F32);
            let captures = || (0..=engine.info().layers).map(|l| all(Site::layer(l).point, l)).collect::<Vec<_>>();
            let sentences = family.sentences();
            let together = run(&engine, &sentences, captures());
            for (s, sentence) in sentences.iter().enumerate() {
                let alone = run(&engine, std::slice::from_ref(sentence), captures());
                for (alone, together) in alone.iter().zip(&together) {
                    let d = far(tokens(alone), std::slice::from_ref(&tokens(together)[s]));
                    assert!(d <= 1e-5, "{kind} {} sentence {s} {}: {d:e}", family.name(), alone.site());
                }
            }
        }
    }
}

/// Pooling on the device equals pooling of the tokens, with and without BOS and first tokens.
#[test]
fn pooled_rows_are_the_means_of_the_tokens() {
    let family = Family::golden("llama");
    let mut sentences = family.sentences();
    sentences.iter_mut().for_each(|sentence| sentence.bos = 1);
    for kind in witnesses() {
        let engine = engine(&family, kind, Dtype::F32);
        for window in [(false, 0), (true, 0), (true, 1)] {
            let window = Window { include_bos: window.0, skip_first: window.1 };
            for reduce in [Reduce::Mean(window), Reduce::Weighted(window), Reduce::Active(window), Reduce::Last] {
                let site =
                    if matches!(reduce, Reduce::Active(_)) { Site::new(Point::MlpGate, 2) } else { Site::layer(2) };
                let kept = run(&engine, &sentences, vec![Capture { site, reduce }, all(site.point, site.block)]);
                for (s, states) in tokens(&kept[1]).iter().enumerate() {
                    let rows = states.to_vec2::<f32>().unwrap();
                    let weight = |t: usize| match reduce {
                        Reduce::Last => f64::from(u8::from(t + 1 == rows.len())),
                        _ if t == 0 && !window.include_bos => 0.0,
                        _ if t > 0 && t < 1 + window.skip_first => 0.0,
                        Reduce::Weighted(_) => (t + 1) as f64,
                        _ => 1.0,
                    };
                    let total: f64 = (0..rows.len()).map(weight).sum();
                    let got = pooled(&kept[0]).get(s).unwrap().to_vec1::<f32>().unwrap();
                    for (i, got) in got.into_iter().enumerate() {
                        let number = |x: f32| match reduce {
                            Reduce::Active(_) => f64::from(u8::from(x > 0.0)),
                            _ => f64::from(x),
                        };
                        let sum: f64 = rows.iter().enumerate().map(|(t, row)| weight(t) * number(row[i])).sum();
                        assert!((f64::from(got) - sum / total).abs() < 1e-5, "{kind} {reduce:?} sentence {s}");
                    }
                }
            }
        }
    }
}

/// Edits of every place do what they do on the native engine, which tests/edits.rs compares with hooks in transformers.
#[test]
fn edits_are_those_of_the_native_engine() {
    for kind in witnesses() {
        for name in ["llama", "gemma2", "falcon_new", "olmo2", "mixtral", "bert", "opt_postnorm", "mt5_encoder"] {
            let family = Family::golden(name);
            let (engine, native) = (engine(&family, kind, Dtype::F32), native(&family));
            let (sites, sentences) = (native.sites(), family.sentences());
            let square = |site: &Site| matches!(site.point, Point::AttnScores | Point::AttnProbs);
            let mut cases: Vec<Vec<Edit>> = Vec::new();
            for site in &sites {
                let op = match square(site) {
                    true => Op::Cut { heads: Some(vec![0]), keys: Positions::All },
                    false => Op::Scale { neurons: vec![0, 1], factor: -0.5 },
                };
                cases.push(vec![Edit { positions: Positions::Last, ..Edit::at(*site, op) }]);
            }
            cases.push(cases.concat());
            for edits in cases {
                let captures: Vec<_> = sites.iter().map(|site| all(site.point, site.block)).collect();
                let plan = Plan { captures, edits, ..Plan::default() };
                let [got, want] =
                    [&engine, &native].map(|e| e.run_watched(&sentences, &plan, &Monitor::silent()).unwrap());
                for ((site, got), want) in sites.iter().zip(&got.captured).zip(&want.captured) {
                    let d = far(tokens(got), tokens(want));
                    let first = plan.edits[0].point;
                    assert!(d <= TOLERANCE, "{kind} {name}: edit at {first:?}, seen at {site}: {d:e}");
                }
            }
        }
    }
}

#[test]
fn an_engine_that_is_not_there_says_how_to_get_it() {
    let refusal = |options: LoadOptions| Engine::load("lab", &options, &Monitor::silent()).map(drop);
    if !cfg!(feature = "tch") {
        let e = refusal(LoadOptions { engine: Some(EngineKind::Torch), ..LoadOptions::default() }).unwrap_err();
        assert!(e.to_string().contains("--features tch"), "{e}");
    }
    if cfg!(any(feature = "cuda", feature = "tch")) {
        let device = Some("cuda:0".to_owned());
        let options = LoadOptions { engine: Some(EngineKind::Native), device, ..LoadOptions::default() };
        let e = refusal(options).unwrap_err();
        assert!(e.to_string().contains("`cpu` only"), "{e}");
    }
}
