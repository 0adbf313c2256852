//! Captures of other programs, written with the library that people write them with (tests/golden/store/make_store.py).

use std::path::{Path, PathBuf};

use babelscope::saelens;
use babelscope_core::{
    dtype::Dtype,
    monitor::Monitor,
    store::{
        Row, Shard, ShardMeta,
        import::{Choice, LayerOf, Origin, import},
        keys, shard_folder,
    },
};

use super::{folder, number};

fn golden(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/store")).join(name)
}

fn origin(pooling: &str) -> Origin {
    Origin { model: "made up".into(), language: "eng_Latn".into(), pooling: pooling.into(), ..Origin::default() }
}

fn take(names: &[&str], choice: &Choice, pooling: &str, root: &Path) -> Result<Vec<Shard>, String> {
    let files: Vec<PathBuf> = names.iter().map(|name| golden(name)).collect();
    let keys = import(&files, choice, &origin(pooling), root, &Monitor::silent()).map_err(|e| e.to_string())?;
    Ok(keys.iter().map(|key| Shard::open(&shard_folder(root, key), key).unwrap()).collect())
}

/// What make_store.py wrote for a layer.
fn expected(layer: usize, rows: std::ops::Range<usize>) -> Vec<f32> {
    rows.flat_map(|row| (0..6).map(move |column| number(layer, row, column))).collect()
}

fn holds(shard: &Shard, site: &str, layers: &[usize], dtype: Dtype) {
    let ShardMeta { site: there, layers: found, dtype: format, .. } = shard.meta();
    assert_eq!((there.as_str(), found.as_slice(), *format), (site, layers, dtype));
    shard.verify().unwrap();
}

#[test]
fn the_last_of_hidden_states_is_behind_the_final_norm_and_no_layer() {
    for (name, dtype) in [("stack.npz", Dtype::F32), ("hidden_states.pt", Dtype::Bf16)] {
        let root = folder();
        let choice = Choice { layer_of: Some(LayerOf::HiddenStates), blocks: Some(3), ..Choice::default() };
        let shards = take(&[name], &choice, "mean", root.path()).unwrap();
        holds(&shards[0], "resid_post", &[0, 1, 2], dtype);
        holds(&shards[1], "final_norm", &[0], dtype);
        for layer in 0..3 {
            assert_eq!(shards[0].layer_rows(layer, 0..5).unwrap(), expected(layer, 0..5), "{name}");
        }
        assert_eq!(shards[1].layer_rows(0, 0..5).unwrap(), expected(3, 0..5));
        assert!(shards[1].record().made.alarms.iter().any(|a| a.contains("behind the final norm, so no layer")));
        // Twice is once.
        take(&[name], &choice, "mean", root.path()).unwrap();
        assert_eq!(keys(root.path()).unwrap().len(), 2);
        // A model without a final norm has another last entry.
        let choice = Choice { no_final_norm: true, ..choice };
        let shards = take(&[name], &choice, "mean", root.path()).unwrap();
        holds(&shards[0], "resid_post", &[0, 1, 2, 3], dtype);
        let choice = Choice { blocks: Some(2), ..choice };
        let message = take(&[name], &choice, "mean", root.path()).unwrap_err();
        assert!(
            message.contains("4 hidden_states were found, a model of 2") || message.contains("[3] does not exist"),
            "{message}"
        );
    }
}

#[test]
fn names_of_sites_say_their_layers_themselves() {
    let root = folder();
    let shards = take(&["lens.pt"], &Choice::default(), "last", root.path()).unwrap();
    holds(&shards[0], "resid_post", &[2, 4], Dtype::F32);
    assert_eq!(shards[0].layer_rows(4, 0..5).unwrap(), expected(4, 0..5));
    let shards = take(&["sites.safetensors"], &Choice::default(), "mean", root.path()).unwrap();
    holds(&shards[0], "resid_post", &[0, 3], Dtype::F32);
    assert_eq!(shards[0].layer_rows(0, 0..5).unwrap(), expected(0, 0..5));
}

#[test]
fn numbers_in_names_mean_what_the_caller_says() {
    let root = folder();
    let of = |layer_of| Choice { layer_of: Some(layer_of), ..Choice::default() };
    let layers = take(&["named.npz"], &of(LayerOf::Layer), "mean", root.path()).unwrap();
    holds(&layers[0], "resid_post", &[2, 10], Dtype::F16);
    assert_eq!(layers[0].layer_rows(10, 0..5).unwrap(), expected(10, 0..5));
    let blocks = take(&["named.npz"], &of(LayerOf::Block), "mean", root.path()).unwrap();
    holds(&blocks[0], "resid_post", &[3, 11], Dtype::F16);
    assert_eq!(blocks[0].layer_rows(3, 0..5).unwrap(), expected(2, 0..5));
    let one = Choice { layers: vec![4], ..Choice::default() };
    let shards = take(&["one.npy"], &one, "mean", root.path()).unwrap();
    holds(&shards[0], "resid_post", &[4], Dtype::F32);
    assert_eq!(shards[0].layer_rows(4, 0..5).unwrap(), expected(4, 0..5));
    assert!(shards[0].record().made.alarms.iter().any(|a| a.contains("f64 were rounded")));
    // Two files in a row are ten lines.
    let choice = Choice { layers: vec![4], ..Choice::default() };
    let shards = take(&["one.npy", "one.npy"], &choice, "mean", root.path()).unwrap();
    assert_eq!((shards.len(), shards[0].meta().lines), (1, 10));
    assert_eq!(shards[0].rows().unwrap()[7], Row::pooled(7, 0));
    assert_eq!(shards[0].layer_rows(4, 5..10).unwrap(), expected(4, 0..5));
}

#[test]
fn what_nobody_knows_is_refused() {
    let root = folder();
    let nothing = Choice::default();
    let of = |layer_of| Choice { layer_of: Some(layer_of), ..Choice::default() };
    let layers = |layers: &[usize]| Choice { layers: layers.to_vec(), ..Choice::default() };
    for (name, choice, pooling, told) in [
        ("stack.npz", &nothing, "mean", "holds 4 layers, and nothing says which; say --layer-of"),
        ("named.npz", &nothing, "mean", "nothing says what the numbers in the names count"),
        ("named.npz", &of(LayerOf::HiddenStates), "mean", "nothing says which is the last; say --blocks"),
        ("one.npy", &of(LayerOf::Layer), "mean", "no layer can be read from the name one"),
        ("stack.npz", &layers(&[0, 1]), "mean", "holds 4 layers along axis 0, 2 are named"),
        ("stack.npz", &layers(&[0, 1, 2, 3, 4]), "mean", "but 5 along the other axis; say --layer-axis 1"),
        ("stack.npz", &layers(&[0, 1, 1, 2]), "mean", "resid_post.1 comes twice"),
        ("named.npz", &layers(&[2, 11]), "mean", "the names say [2, 10], --layers says [2, 11]"),
        ("stack.npz", &layers(&[0, 1, 2, 3]), "tokens", "has no tensor token_ids"),
        ("vllm-0.safetensors", &layers(&[1, 3]), "mean", "its rows are single tokens; say --pooling tokens"),
        (
            "stack.npz",
            &Choice { tensors: vec!["x".into()], ..Choice::default() },
            "mean",
            "there is no tensor x; there are states",
        ),
        ("compressed.npz", &of(LayerOf::Layer), "mean", "save it with numpy.savez, not savez_compressed"),
        ("list.pt", &nothing, "mean", "no named tensors were found; save a dict"),
        ("make_store.py", &nothing, "mean", "the ending .py is unknown"),
        ("nowhere.npz", &nothing, "mean", "cannot read a file to import"),
    ] {
        let message = take(&[name], choice, pooling, root.path()).unwrap_err();
        assert!(message.contains(told), "{name}: {message}");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn files_of_vllm_are_sentences_of_tokens() {
    let root = folder();
    let choice = Choice { layers: vec![1, 3], ..Choice::default() };
    let shards = take(&["vllm-0.safetensors", "vllm-1.safetensors"], &choice, "tokens", root.path()).unwrap();
    assert_eq!(shards.len(), 1);
    holds(&shards[0], "resid_post", &[1, 3], Dtype::Bf16);
    let row = |line, position, token| Row { line, position, token, start: 0, end: 0 };
    assert_eq!(shards[0].rows().unwrap(), [row(0, 0, 5), row(0, 1, 6), row(0, 2, 7), row(1, 0, 8), row(1, 1, 9)]);
    let states = [expected(3, 0..3), expected(3, 0..2)].concat();
    assert_eq!(shards[0].layer_rows(3, 0..5).unwrap(), states);
}

#[test]
fn a_cache_of_saelens_is_a_store_of_tokens() {
    let root = folder();
    let keys = saelens::import(&golden("saelens"), &origin("tokens"), root.path(), &Monitor::silent()).unwrap();
    assert_eq!(keys.len(), 1);
    let shard = Shard::open(&shard_folder(root.path(), &keys[0]), &keys[0]).unwrap();
    holds(&shard, "resid_post", &[2], Dtype::F32);
    assert_eq!(shard.meta().lines, 3);
    assert_eq!(shard.layer_rows(2, 0..12).unwrap(), expected(2, 0..12));
    assert_eq!(shard.rows().unwrap()[6], Row { line: 1, position: 2, token: 106, start: 0, end: 0 });
    let message =
        saelens::import(&golden("."), &origin("tokens"), root.path(), &Monitor::silent()).unwrap_err().to_string();
    assert!(message.contains("there is no .arrow file"), "{message}");
}

#[test]
fn a_damaged_file_of_another_program_is_an_error_and_no_end() {
    let root = folder();
    let choice = Choice { layers: vec![0, 1, 2, 3], ..Choice::default() };
    for name in ["stack.npz", "hidden_states.pt", "vllm-0.safetensors", "one.npy", "named.npz"] {
        let whole = std::fs::read(golden(name)).unwrap();
        let path = root.path().join(name);
        // Whatever comes of a changed byte is an error or a store, never a panic.
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
            import(std::slice::from_ref(&path), &choice, &origin("mean"), &root.path().join("out"), &Monitor::silent())
                .ok();
        }
        for cut in [0, 1, 9, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let taken = import(std::slice::from_ref(&path), &choice, &origin("mean"), root.path(), &Monitor::silent());
            assert!(taken.is_err(), "{name} cut to {cut}");
        }
    }
    let sae = root.path().join("saelens");
    std::fs::create_dir(&sae).unwrap();
    let whole = std::fs::read(golden("saelens/data-00000-of-00002.arrow")).unwrap();
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(sae.join("data-00000-of-00001.arrow"), bytes).unwrap();
        saelens::import(&sae, &origin("tokens"), &root.path().join("out"), &Monitor::silent()).ok();
    }
}
