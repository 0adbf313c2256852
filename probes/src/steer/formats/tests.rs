//! The bytes against layouts written by hand and files of repeng, what comes back, and what is refused.

use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};

use super::*;
use crate::steer::{Card, SteeringVector};

fn vector(layers: &[(usize, &[f32])]) -> SteeringVector {
    let card = Card {
        name: "eng_Latn to swh_Latn".to_owned(),
        model: "lab".to_owned(),
        estimator: "diff_mean".to_owned(),
        mean_norm: [(2, 12.5)].into(),
        ..Card::default()
    };
    SteeringVector { card, layers: layers.iter().map(|(layer, numbers)| (*layer, numbers.to_vec())).collect() }
}

#[test]
fn a_control_vector_is_what_the_format_says() {
    let mut vector = vector(&[(2, &[1.0, -2.0, 0.5]), (5, &[0.25, 0.0, 8.0])]);
    vector.card = Card::default();
    let card = serde_json::to_string(&vector.card).unwrap();
    let text = |text: &str| [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat();
    let mut expected = b"GGUF".to_vec();
    expected.extend([3, 0, 0, 0]);
    expected.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    for (key, value) in [
        ("general.architecture", "controlvector"),
        ("controlvector.model_hint", "qwen2"),
        ("babelscope.card", card.as_str()),
    ] {
        expected.extend(text(key));
        expected.extend([8, 0, 0, 0]);
        expected.extend(text(value));
    }
    expected.extend(text("controlvector.layer_count"));
    expected.extend([4, 0, 0, 0, 2, 0, 0, 0]);
    for (name, offset) in [("direction.1", 0u8), ("direction.4", 32)] {
        expected.extend(text(name));
        expected.extend([1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, offset, 0, 0, 0, 0, 0, 0, 0]);
    }
    for numbers in [[1.0f32, -2.0, 0.5], [0.25, 0.0, 8.0]] {
        expected.resize(expected.len().next_multiple_of(32), 0);
        expected.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    }
    expected.resize(expected.len().next_multiple_of(32), 0);
    let bytes = to_control_vector(&vector, "qwen2").unwrap();
    assert_eq!(bytes, expected);
    assert_eq!(from_control_vector(&bytes).unwrap(), vector);
}

/// `golden/vectors/make_vectors.py`: repeng's own `export_gguf` of directions 1 to 3 of width 4, `direction[i][j] = i + j / 8`.
#[test]
fn files_of_repeng_are_read() {
    let read = from_control_vector(include_bytes!("../../../../tests/golden/vectors/repeng.gguf")).unwrap();
    assert_eq!(read.layers.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(read.layers[&3], [2.0, 2.125, 2.25, 2.375]);
    assert_eq!((read.card.model.as_str(), read.card.weights_sha256.as_str()), ("mistral", ""));
    assert!(read.card.notes[0].contains("not which weights"));
}

#[test]
fn layers_that_llama_cpp_cannot_steer_are_refused() {
    for (layer, what) in [(0, "embeddings"), (1, "first block")] {
        let error = to_control_vector(&vector(&[(layer, &[1.0]), (2, &[1.0])]), "llama").unwrap_err().to_string();
        assert!(error.contains(&format!("layer {layer}")) && error.contains(what), "{error}");
    }
}

#[test]
fn other_gguf_files_are_refused() {
    let model = include_bytes!("../../../../tests/golden/gguf/llama.gguf");
    let error = from_control_vector(model).unwrap_err().to_string();
    assert!(error.contains("the architecture \"llama\", expected a control vector"), "{error}");
    assert!(from_control_vector(b"GGUF").is_err());
    let good = to_control_vector(&vector(&[(2, &[1.0, 2.0])]), "llama").unwrap();
    assert!(
        from_control_vector(&good[..good.len() - 32]).unwrap_err().to_string().contains("does not fit into the file")
    );
    let name = good.windows(11).position(|w| w == b"direction.1").unwrap();
    let mut strange = good.clone();
    strange[name..name + 11].copy_from_slice(b"directions1");
    assert!(from_control_vector(&strange).unwrap_err().to_string().contains("directions1"));
    let mut broken = good;
    let end = broken.len() - 32;
    broken[end..end + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(from_control_vector(&broken).unwrap_err().to_string().contains("NaN at layer 2, column 0"));
}

#[test]
fn our_file_keeps_what_it_does_not_know() {
    let mut file = VectorFile::from(vector(&[(0, &[1.0, 2.0]), (3, &[-1.0, 0.25])]));
    file.unknown.insert("evaluation".to_owned(), serde_json::json!({ "forcing": 0.75 }));
    file.metadata.insert("licence".to_owned(), "CC0".to_owned());
    let bytes = to_safetensors(&file).unwrap();
    assert_eq!(from_safetensors(&bytes).unwrap(), file);
    let head = String::from_utf8_lossy(&bytes);
    assert!(head.contains("0 = embeddings, l = output of block l"));
}

#[test]
fn broken_files_of_ours_are_refused() {
    let write = |name: &str, dtype: Dtype, shape: Vec<usize>, data: &[u8], metadata: &[(&str, &str)]| {
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let view = TensorView::new(dtype, shape, data).unwrap();
        let bytes = safetensors::serialize([(name, view)], Some(metadata)).unwrap();
        from_safetensors(&bytes).unwrap_err().to_string()
    };
    let (one, nan) = (1f32.to_le_bytes(), f32::NAN.to_le_bytes());
    let good = [("format", "babelscope steering vector 1"), ("card", "{}")];
    for (why, error) in [
        ("no `format`", write("layer.1", Dtype::F32, vec![1], &one, &[])),
        (
            "steering vector 9",
            write("layer.1", Dtype::F32, vec![1], &one, &[("format", "babelscope steering vector 9")]),
        ),
        ("no `card`", write("layer.1", Dtype::F32, vec![1], &one, &good[..1])),
        ("no JSON object", write("layer.1", Dtype::F32, vec![1], &one, &[good[0], ("card", "[]")])),
        ("tensor \"layer.01\"", write("layer.01", Dtype::F32, vec![1], &one, &good)),
        ("tensor \"bias\"", write("bias", Dtype::F32, vec![1], &one, &good)),
        ("expected f32 of one dimension", write("layer.1", Dtype::F32, vec![1, 1], &one, &good)),
        ("F16 [2], expected f32", write("layer.1", Dtype::F16, vec![2], &one, &good)),
        ("NaN at layer 1, column 0", write("layer.1", Dtype::F32, vec![1], &nan, &good)),
    ] {
        assert!(error.contains(why), "{why}: {error}");
    }
    assert!(from_safetensors(b"no").unwrap_err().to_string().contains("no safetensors"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Both formats give every bit back.
    #[test]
    fn what_is_written_is_read(
        layers in prop::collection::btree_map(2usize..40, prop::collection::vec(-1e30f32..1e30, 5), 1..6),
        name in "[ -~äß漢]{0,12}",
    ) {
        prop_assume!(layers.values().all(|v| v.iter().any(|x| *x != 0.0)));
        let vector = SteeringVector { card: Card { name, ..Card::default() }, layers };
        prop_assert_eq!(&from_safetensors(&to_safetensors(&vector.clone().into()).unwrap()).unwrap().vector, &vector);
        prop_assert_eq!(from_control_vector(&to_control_vector(&vector, "gemma2").unwrap()).unwrap(), vector);
    }

    /// Damaged files give an answer, never a panic.
    #[test]
    fn damaged_files_do_not_panic(at in 0usize..400, to: u8, cut in 0usize..800) {
        let vector = vector(&[(2, &[1.0, 2.0]), (3, &[1.0, 2.0])]);
        let ours = to_safetensors(&vector.clone().into()).unwrap();
        let control = to_control_vector(&vector, "llama").unwrap();
        for (mut bytes, control) in [(ours, false), (control, true)] {
            let place = at % bytes.len();
            bytes[place] = to;
            if cut < 400 {
                bytes.truncate(cut);
            }
            if control { drop(from_control_vector(&bytes)) } else { drop(from_safetensors(&bytes)) }
        }
    }
}
