//! What steering and patching say beside their numbers: texts, tokens, answers. One JSON file a probe, as it nests too deep for a table.

use std::{fs, path::Path};

use anyhow::Result;
use babelscope_probes::{
    cot::{
        hints::Asked,
        report::{Posed, Traced},
        watched::Watched,
    },
    patch::PatchedRun,
    steer::{Compared, Sample, SteeringVector, Strength},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    fault::{Fault, Kind},
    tables::measures::Probed,
    vectors::{self, Format},
};

/// Where a run keeps vectors, a folder a probe.
pub(crate) const TENSORS: &str = "tensors";

/// What a probe says beside its rows; what it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Kind of the probe.
    pub probe: String,
    /// Answers side by side.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
    /// Every output of an evaluation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// Every strength that was applied, in all units.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strengths: Vec<Strength>,
    /// Pairs of runs and what patching did between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patched: Vec<PatchedRun>,
    /// Problems and what their traces were held against.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Posed>,
    /// Chains of thought.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Traced>,
    /// What the model knew along some of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// Questions with and without a hint, and the answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// Vectors that were trained. In a run folder they are files of their own, below `tensors/`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vectors: Vec<SteeringVector>,
}

/// The file of a probe's details, below `tables/` of a run and behind the key of a shard.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}.json")
}

impl Details {
    /// Writes them.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        put(self, path)
    }

    /// Reads them back.
    ///
    /// # Errors
    /// No such file, or another content.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        get(path)
    }

    /// Writes them into a run folder, each vector as a file of its own.
    ///
    /// # Errors
    /// A file is there already, or cannot be written.
    pub(crate) fn write_run(&self, folder: &Path) -> Result<()> {
        let files = vectors::names(&self.vectors);
        if !files.is_empty() {
            let place = folder.join(TENSORS).join(&self.probe);
            fs::create_dir_all(&place).map_err(|e| Fault::write("the folder of the vectors", &place, &e))?;
            for (vector, name) in self.vectors.iter().zip(&files) {
                vectors::write(&place.join(name), vector, Format::Safetensors, "")?;
            }
        }
        let texts = Self { vectors: Vec::new(), ..self.clone() };
        put(&Kept { texts, files }, &folder.join("tables").join(name(&self.probe)))
    }

    /// Those of the probes that have said something, in their order, of a run folder.
    pub(crate) fn of_run(folder: &Path, measured: &[Probed]) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for probed in measured {
            let path = folder.join("tables").join(name(&probed.probe));
            if !path.is_file() {
                continue;
            }
            let Kept { mut texts, files } = get(&path)?;
            let place = folder.join(TENSORS).join(&probed.probe);
            for name in files {
                texts.vectors.push(vectors::read(&place.join(name))?);
            }
            all.push(texts);
        }
        Ok(all)
    }
}

/// The details of a run folder: vectors are named in the order in which they were made, which is not that of a folder.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    texts: Details,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

fn put(what: &impl Serialize, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(what)? + "\n";
    let written = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|e| Fault::write("the details of a probe", path, &e).into())
}

fn get<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|e| Fault::read("the details of a probe", path, &e))?;
    let read = serde_json::from_str(&text);
    read.map_err(|e| Fault::new(Kind::Data, format!("the details do not parse: {e}\n{}", path.display())).into())
}

#[cfg(test)]
mod tests {
    use babelscope_probes::steer::Card;

    use super::*;

    #[test]
    fn a_run_keeps_vectors_as_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tables")).unwrap();
        let vector = |name: &str| {
            let card = Card { name: name.to_owned(), ..Card::default() };
            SteeringVector { card, layers: [(1, vec![0.5, -1.0])].into() }
        };
        let vectors = vec![vector("b"), vector("a"), vector("b")];
        let details = Details { probe: "vector".to_owned(), vectors, ..Details::default() };
        details.write_run(folder.path()).unwrap();
        assert!(folder.path().join("tensors/vector/b-2.safetensors").is_file());
        let probed = [Probed { probe: "vector".to_owned(), ..Probed::default() }, Probed::default()];
        assert_eq!(Details::of_run(folder.path(), &probed).unwrap(), [details]);
    }

    #[test]
    fn details_come_back_and_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name("compare"));
        let compared = Compared { prompt: "ሰላም".to_owned(), answers: Vec::new(), steps: Vec::new() };
        let details = Details { probe: "compare".to_owned(), compared: vec![compared], ..Details::default() };
        details.write(&path).unwrap();
        assert!(details.write(&path).is_err());
        assert_eq!(Details::read(&path).unwrap(), details);
        fs::write(&path, "{").unwrap();
        assert!(Details::read(&path).unwrap_err().to_string().contains("do not parse"));
    }
}
