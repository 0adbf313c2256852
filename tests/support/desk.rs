//! A folder to work in, and the real binary.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

pub const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/models");

/// A folder to work in, with a small corpus in it.
pub struct Desk(pub TempDir);

impl Desk {
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.corpus("corpus", 12);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Parallel sentences in four scripts.
    pub fn corpus(&self, name: &str, lines: usize) {
        for (code, sentence) in [
            ("eng_Latn", "a cat sees # birds"),
            ("deu_Latn", "# Vögel"),
            ("hin_Deva", "# पक्षी हैं"),
            ("arb_Arab", "# طيور"),
        ] {
            let text: String = (0..lines).map(|i| sentence.replace('#', &(i * 37).to_string()) + "\n").collect();
            self.write(&format!("{name}/{code}.txt"), text);
        }
    }

    /// A copy of a golden model that a test may damage.
    pub fn model(&self, name: &str) {
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            self.write(&format!("{name}/{file}"), fs::read(Path::new(GOLDEN).join("llama").join(file)).unwrap());
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_babelscope"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    pub fn align(&self, more: &[&str]) -> Said {
        let model = format!("{GOLDEN}/llama");
        self.run(&[&["align", "--model", &model, "--corpus", "corpus", "--bootstrap", "100"], more].concat())
    }

    /// The only run below `runs/`.
    pub fn only_run(&self) -> PathBuf {
        let [run] = self.visible("runs").try_into().unwrap();
        run
    }

    pub fn visible(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let all = entries.map(|e| e.unwrap().path());
        all.filter(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
    }
}

pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn refuses(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {}", self.err);
        }
    }
}

/// Every file below a folder with its bytes.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}
