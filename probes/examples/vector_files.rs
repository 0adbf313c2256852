//! Writes small steering vectors for `experiments/python/check_vectors.py`, which opens them with other programs:
//! `cargo run --release -p babelscope-probes --example vector_files -- FOLDER`.

use std::{fs, path::PathBuf};

use babelscope_probes::steer::{
    Card, SteeringVector,
    formats::{to_control_vector, to_safetensors},
};

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("expected the folder to write into")?);
    fs::create_dir_all(&folder)?;
    let toy = vector(2);
    fs::write(folder.join("toy.safetensors"), to_safetensors(&toy.clone().into())?)?;
    fs::write(folder.join("toy.gguf"), to_control_vector(&toy, "llama")?)?;
    fs::write(folder.join("all.safetensors"), to_safetensors(&vector(1).into())?)?;
    Ok(())
}

/// Layers `first` to 4 of width 8, `direction[l][j] = l + j / 8`.
fn vector(first: u8) -> SteeringVector {
    let numbers = |layer: u8| (0..8u8).map(|j| f32::from(layer) + f32::from(j) / 8.0).collect();
    let layers = (first..=4).map(|layer| (usize::from(layer), numbers(layer))).collect();
    SteeringVector { card: Card { name: "toy".to_owned(), model_layers: 4, ..Card::default() }, layers }
}
