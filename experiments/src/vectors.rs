//! Steering vectors as files: read by what is in them, written once and never over another file.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use babelscope_probes::steer::{
    SteeringVector,
    formats::{from_control_vector, from_safetensors, to_control_vector, to_safetensors},
};

use crate::{atomic, fault::Fault};

/// The files that a vector can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Our own: safetensors with the card.
    Safetensors,
    /// A control vector of llama.cpp and repeng.
    Gguf,
}

/// Reads a vector: our safetensors, or a control vector (GGUF) of llama.cpp or repeng.
///
/// # Errors
/// No such file, or a file that holds no vector.
pub fn read(path: &Path) -> Result<SteeringVector> {
    let bytes = fs::read(path).map_err(|e| Fault::read("the vector", path, &e))?;
    let vector = if bytes.starts_with(b"GGUF") {
        from_control_vector(&bytes)
    } else {
        from_safetensors(&bytes).map(|file| file.vector)
    };
    vector.with_context(|| format!("the vector {}", path.display()))
}

/// Writes a vector to a file that is not there yet; `family` is what a GGUF says of the model.
///
/// # Errors
/// The file is there already, cannot be written, or cannot hold the vector.
pub fn write(path: &Path, vector: &SteeringVector, format: Format, family: &str) -> Result<()> {
    let bytes = match format {
        Format::Safetensors => to_safetensors(&vector.clone().into())?,
        Format::Gguf => to_control_vector(vector, family)?,
    };
    let put = |file: &mut fs::File| Ok(file.write_all(&bytes).map_err(|e| Fault::write("the vector", path, &e))?);
    atomic::write(path, "the vector", |_| false, put)
}

/// Names of files for vectors, in their order, no two the same: `eng_Latn-to-spa_Latn-diff_mean.safetensors`.
pub fn names(vectors: &[SteeringVector]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let plain = |vector: &SteeringVector| {
        let words = format!("{} {}", vector.card.name, vector.card.estimator);
        let kept = words.split(|c: char| !(c.is_alphanumeric() || "._".contains(c))).filter(|part| !part.is_empty());
        let name = kept.collect::<Vec<_>>().join("-");
        let name: String = name.trim_start_matches('.').chars().take(80).collect();
        if name.is_empty() { "vector".to_owned() } else { name }
    };
    let fresh = |vector: &SteeringVector| {
        let first = plain(vector);
        let name = (1..)
            .map(|n| if n == 1 { first.clone() } else { format!("{first}-{n}") })
            .find(|name| !seen.contains(name));
        let name = name.unwrap_or(first);
        seen.insert(name.clone());
        format!("{name}.safetensors")
    };
    vectors.iter().map(fresh).collect()
}

#[cfg(test)]
mod tests {
    use babelscope_probes::steer::Card;

    use super::*;

    fn vector(name: &str) -> SteeringVector {
        let card = Card { name: name.into(), estimator: "diff_mean".into(), ..Card::default() };
        SteeringVector { card, layers: [(2, vec![1.0, -0.5])].into() }
    }

    #[test]
    fn names_are_files_and_no_two_the_same() {
        let all = ["eng_Latn to spa_Latn", "eng_Latn to spa_Latn", "../up", "умно/тихо", "..."].map(vector);
        let want = [
            "eng_Latn-to-spa_Latn-diff_mean.safetensors",
            "eng_Latn-to-spa_Latn-diff_mean-2.safetensors",
            "-up-diff_mean.safetensors",
            "умно-тихо-diff_mean.safetensors",
            "-diff_mean.safetensors",
        ];
        assert_eq!(names(&all), want);
    }

    #[test]
    fn both_formats_come_back_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for (format, name) in [(Format::Safetensors, "a.safetensors"), (Format::Gguf, "a.gguf")] {
            let path = folder.path().join(name);
            write(&path, &vector("polite"), format, "llama").unwrap();
            assert_eq!(read(&path).unwrap(), vector("polite"));
            assert!(write(&path, &vector("rude"), format, "llama").is_err());
            assert_eq!(read(&path).unwrap(), vector("polite"));
        }
        fs::write(folder.path().join("b"), "nothing").unwrap();
        assert!(read(&folder.path().join("b")).is_err());
    }
}
