//! Values of the original implementations, for tests: the folder `metrics` that `BABELSCOPE_ORACLES` names, or `shared/oracles` beside
//! the repository.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use faer::Mat;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The folder; `None` where it is not there, and then nothing is compared.
#[expect(clippy::print_stderr, reason = "a check that could not be made must be seen")]
pub(crate) fn folder() -> Option<PathBuf> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles");
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let places = named.iter().flat_map(|n| [n.join("metrics"), n.join("../metrics")]).chain([near.join("metrics")]);
    let found = places.into_iter().find(|p| p.join("sklearn.json").exists());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI is set and there is no folder `metrics` beside BABELSCOPE_ORACLES"
        );
        eprintln!("skipped: no folder `metrics` of the oracles, so nothing is compared with the original programs");
    }
    found
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every float tensor of a file: shape and values.
pub(crate) fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = file.iter().map(|(name, view)| {
        let values = match view.dtype() {
            Dtype::F32 => {
                (view.data().chunks_exact(4)).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            _ => Vec::new(),
        };
        (name.to_owned(), (view.shape().to_vec(), values))
    });
    read.collect()
}

/// The rows that scikit-learn was given: the languages one behind the other at the layer that `stated` names. `[rows, width]`.
pub(crate) fn rows(folder: &Path, set: &str, stated: &Value) -> Mat<f64> {
    let all = tensors(&folder.join(format!("activations_{set}.safetensors")));
    let layer = usize::try_from(stated["layer"].as_u64().unwrap()).unwrap();
    let mut values = Vec::new();
    let mut width = 0;
    for language in stated["languages"].as_array().unwrap() {
        let (shape, of) = &all[language.as_str().unwrap()];
        width = shape[2];
        values.extend(&of[layer * shape[1] * width..(layer + 1) * shape[1] * width]);
    }
    Mat::from_fn(values.len() / width, width, |i, j| values[i * width + j])
}
