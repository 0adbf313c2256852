//! The indices of similarity equal the values of xsim (Del and Fishel 2022) on the same activations.
//!
//! Where xsim departs from a definition, its departure is repeated here, step by step and with a decomposition of its own, and ours is held
//! against the definition beside it: SVCCA reduces states that were not centred, by sums of singular values that were not squared; PWCCA
//! weighs by states that were not centred; ANC keeps the signs; the debiased branch of `anatome.py` is no CKA and is left out (that of
//! `google.py` is here).
//!
//! The values are read from the folder `metrics` inside or beside the one that `BABELSCOPE_ORACLES` names (by default
//! `../shared/oracles` beside the repository); where `CI` is set it must be there.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope_probes::similarity::{Keep, anc, cca, cka};
use ndarray::{Array2, ArrayView3, Axis};
use safetensors::SafeTensors;
use serde_json::Value;

#[expect(clippy::print_stderr, reason = "a check that could not be made must be seen")]
fn oracles() -> Option<PathBuf> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles");
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let places = named.iter().flat_map(|n| [n.join("metrics"), n.join("../metrics")]).chain([near.join("metrics")]);
    let found = places.into_iter().find(|p| p.join("similarity_xsim.json").exists());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI is set and there is no similarity_xsim.json in or beside BABELSCOPE_ORACLES"
        );
        eprintln!("skipped: no similarity_xsim.json, so nothing is compared with xsim");
    }
    found
}

/// States of one of the oracles' activation files by language: `[layer][n, width]`.
fn activations(folder: &Path, set: &str) -> BTreeMap<String, Vec<Array2<f32>>> {
    let bytes = fs::read(folder.join(format!("activations_{set}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let languages = file.iter().map(|(language, view)| {
        let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let &[layers, n, width] = view.shape() else { panic!("{language}: expected three axes") };
        let whole = ArrayView3::from_shape((layers, n, width), &values).unwrap();
        (language.to_owned(), whole.outer_iter().map(|layer| layer.to_owned()).collect())
    });
    languages.collect()
}

/// A thin singular value decomposition `u diag(s) v'` by one-sided Jacobi rotations, largest first, of at least as many rows as columns.
fn decomposed(a: &Array2<f64>) -> (Array2<f64>, Vec<f64>, Array2<f64>) {
    let (mut u, width) = (a.clone(), a.ncols());
    let mut v = Array2::<f64>::eye(width);
    for _ in 0..60 {
        let mut left = 0f64;
        for p in 0..width {
            for q in p + 1..width {
                let (a, b, c) =
                    (u.column(p).dot(&u.column(p)), u.column(q).dot(&u.column(q)), u.column(p).dot(&u.column(q)));
                if c == 0.0 {
                    continue;
                }
                left = left.max(c.abs() / (a * b).sqrt());
                let zeta = (b - a) / (2.0 * c);
                let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let (cos, sin) = (1.0 / (1.0 + t * t).sqrt(), t / (1.0 + t * t).sqrt());
                for m in [&mut u, &mut v] {
                    for mut row in m.outer_iter_mut() {
                        (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                    }
                }
            }
        }
        if left < 1e-14 {
            break;
        }
    }
    let norms: Vec<f64> = u.axis_iter(Axis(1)).map(|c| c.dot(&c).sqrt()).collect();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| norms[*b].total_cmp(&norms[*a]));
    let s: Vec<f64> = order.iter().map(|i| norms[*i]).collect();
    let (mut u, v) = (u.select(Axis(1), &order), v.select(Axis(1), &order));
    u.axis_iter_mut(Axis(1)).zip(&s).for_each(|(mut c, s)| c.mapv_inplace(|x| x / s));
    (u, s, v)
}

/// xsim's reduction: the right singular vectors of states as they are, while the sum of singular values stays below a share.
fn reduced(x: &Array2<f32>, share: f64) -> Array2<f32> {
    let x = x.mapv(f64::from);
    let (_, s, v) = decomposed(&x);
    let total: f64 = s.iter().sum();
    let mut sum = 0.0;
    let below = s.iter().filter(|s| {
        sum += **s;
        sum / total < share
    });
    let kept: Vec<usize> = (0..below.count()).collect();
    x.dot(&v.select(Axis(1), &kept)).mapv(|v| v as f32)
}

/// PWCCA with weights from the first side: as xsim has it (states not centred), and as Morcos et al. define it.
fn weighted(x: &Array2<f32>, y: &Array2<f32>) -> (f64, f64) {
    let centred = |x: &Array2<f32>| {
        let x = x.mapv(f64::from);
        &x - &x.mean_axis(Axis(0)).unwrap()
    };
    let (cx, cy) = (centred(x), centred(y));
    let ((ux, sx, vx), (uy, ..)) = (decomposed(&cx), decomposed(&cy));
    let (w, rho, _) = decomposed(&ux.t().dot(&uy));
    let mut scaled = vx;
    scaled.axis_iter_mut(Axis(1)).zip(&sx).for_each(|(mut c, s)| c.mapv_inplace(|v| v / s));
    let by =
        |weights: Vec<f64>| weights.iter().zip(&rho).map(|(a, rho)| a * rho).sum::<f64>() / weights.iter().sum::<f64>();
    let sums = |m: Array2<f64>| m.axis_iter(Axis(1)).map(|c| c.iter().map(|v| v.abs()).sum()).collect::<Vec<f64>>();
    let as_they_are = sums(x.mapv(f64::from).dot(&scaled.dot(&w)));
    (by(as_they_are), by(sums(cx.t().dot(&ux.dot(&w)))))
}

fn near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: got {got}, expected {expected}");
}

#[test]
fn indices_equal_xsim() {
    let Some(folder) = oracles() else { return };
    let reference: Value = serde_json::from_slice(&fs::read(folder.join("similarity_xsim.json")).unwrap()).unwrap();
    let mut compared = 0;
    for set in ["tiny_llama3_mean", "planted"] {
        let states = activations(&folder, set);
        for (language, layers) in reference["scores"][set].as_object().unwrap() {
            for expected in layers.as_array().unwrap() {
                let layer = expected["layer"].as_u64().unwrap() as usize;
                let (pivot, mine) = (&states["eng_Latn"][layer], &states[language][layer]);
                let what = |index: &str| format!("{set} {language} layer {layer} {index}");
                let value = |index: &str| expected[index].as_f64().unwrap();
                let (x, y) = (pivot.view(), mine.view());
                let found = cka(x, y).unwrap();
                near(found.biased, value("cka_google"), 1e-6, &what("biased CKA"));
                near(found.biased, value("cka_anatome"), 1e-6, &what("biased CKA"));
                near(found.debiased, value("cka_google_debiased"), 1e-5, &what("debiased CKA"));
                near(anc(x, y).unwrap().signed, value("anc"), 1e-6, &what("signed ANC"));
                let full = cca(x, y, Keep::All).unwrap();
                near(full.mean, value("cca_anatome"), 1e-6, &what("CCA"));
                for (index, share) in [("svcca_0.99_anatome", 0.99), ("svcca_0.9_anatome", 0.9)] {
                    let (a, b) = (reduced(pivot, share), reduced(mine, share));
                    near(cca(a.view(), b.view(), Keep::All).unwrap().mean, value(index), 1e-5, &what(index));
                }
                let (theirs, defined) = weighted(pivot, mine);
                // Of 48 + 48 directions among 60 sentences 37 correlations are 1, and PWCCA depends on how their space is spanned.
                match full.weighted {
                    Some(weighted) => {
                        near(theirs, value("pwcca_anatome"), 1e-5, &what("PWCCA as xsim has it"));
                        near(weighted, defined, 1e-6, &what("PWCCA"));
                    }
                    None => assert_eq!(set, "tiny_llama3_mean"),
                }
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 15 * 4 + 5 * 6);
}
