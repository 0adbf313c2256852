//! What steering and patching say beside their numbers: texts, tokens, answers. One JSON file a probe, as it nests too deep for a table.

use std::{fs, path::Path};

use anyhow::Result;
use babelscope_probes::{patch::PatchedRun, steer::Compared};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Kind},
    tables::measures::Probed,
};

/// What a probe says beside its rows; what it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Kind of the probe.
    pub probe: String,
    /// Answers side by side.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
    /// Pairs of runs and what patching did between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patched: Vec<PatchedRun>,
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
        let text = serde_json::to_string_pretty(self)? + "\n";
        let written = fs::OpenOptions::new().write(true).create_new(true).open(path);
        let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|e| Fault::write("the details of a probe", path, &e).into())
    }

    /// Reads them back.
    ///
    /// # Errors
    /// No such file, or another content.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Fault::read("the details of a probe", path, &e))?;
        let read = serde_json::from_str(&text);
        read.map_err(|e| Fault::new(Kind::Data, format!("the details do not parse: {e}\n{}", path.display())).into())
    }

    /// Those of the probes that have said something, in their order, of the folder of a run's tables.
    pub(crate) fn of_run(tables: &Path, measured: &[Probed]) -> Result<Vec<Self>> {
        let files = measured.iter().map(|probed| tables.join(name(&probed.probe))).filter(|path| path.is_file());
        files.map(|path| Self::read(&path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_come_back_and_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name("compare"));
        let compared = Compared { prompt: "ሰላም".to_owned(), answers: Vec::new(), steps: Vec::new() };
        let details = Details { probe: "compare".to_owned(), compared: vec![compared], ..Details::default() };
        details.write(&path).unwrap();
        assert!(details.write(&path).is_err());
        assert_eq!(Details::read(&path).unwrap(), details);
        let probed = [Probed { probe: "compare".to_owned(), ..Probed::default() }];
        assert_eq!(Details::of_run(folder.path(), &probed).unwrap(), [details]);
        fs::write(&path, "{").unwrap();
        assert!(Details::read(&path).unwrap_err().to_string().contains("do not parse"));
    }
}
