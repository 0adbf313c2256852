//! The pooled states of a run, captured once for all of its probes: in memory where they fit, else in a file that is gone when the
//! run is over.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::{Captured, Engine, Values},
    monitor::Monitor,
};
use babelscope_probes::{
    align::LanguageStates,
    capture::{Extraction, capture},
    source::StateSource,
};
use ndarray::{Array2, CowArray, Ix2};

use crate::{fault::Fault, memory};

/// Above this many bytes states go to a file: measures want memory too.
const IN_MEMORY: u64 = 1 << 30;

/// What the pass over the sentences gave.
pub(crate) struct States {
    held: Held,
    /// Tokens that the model read, BOS included.
    pub(crate) read: usize,
    /// What is suspicious about the states.
    pub(crate) alarms: Vec<String>,
}

enum Held {
    Memory(LanguageStates),
    File(Spilled),
}

/// States in a file, one block `[n, width]` of f32 behind the other, language by language and layer by layer.
struct Spilled {
    /// One reader at a time: its place in the file is shared.
    file: Mutex<File>,
    languages: Vec<String>,
    layers: Vec<usize>,
    n: usize,
    width: usize,
    /// `[language][sentence]`, without BOS.
    tokens: Vec<Vec<Vec<u32>>>,
}

impl States {
    /// Reads every sentence of `corpus` once; `folder` takes the file that they may need.
    pub(crate) fn capture(
        engine: &Engine,
        corpus: &Corpus,
        extraction: &Extraction,
        folder: &Path,
        monitor: &Monitor,
    ) -> Result<Self> {
        let room = memory::available().map_or(IN_MEMORY, |free| IN_MEMORY.min(free / 4));
        Self::within(room, engine, corpus, extraction, folder, monitor)
    }

    /// The same; states of more than `room` bytes go to the file.
    fn within(
        room: u64,
        engine: &Engine,
        corpus: &Corpus,
        extraction: &Extraction,
        folder: &Path,
        monitor: &Monitor,
    ) -> Result<Self> {
        let layers = if extraction.layers.is_empty() { engine.info().layers + 1 } else { extraction.layers.len() };
        let bytes = (corpus.languages.len() * corpus.len() * layers * engine.info().width * size_of::<f32>()) as u64;
        let (mut read, mut alarms, mut tokens) = (0, Vec::new(), Vec::new());
        let held = if bytes <= room {
            let mut held: Vec<(String, Vec<Captured>)> = Vec::new();
            capture(engine, corpus, extraction, monitor, |language| {
                read += language.read;
                alarms.extend(language.alarms);
                tokens.push(language.tokens);
                held.push((language.code, language.captured));
                Ok(())
            })?;
            Held::Memory(LanguageStates::from_captured(&held)?.with_tokens(tokens)?)
        } else {
            let mut file = tempfile::tempfile_in(folder).map_err(|e| Fault::write("the states", folder, &e))?;
            let mut at = Vec::new();
            let mut failed = None;
            let done = capture(engine, corpus, extraction, monitor, |language| {
                read += language.read;
                alarms.extend(language.alarms);
                tokens.push(language.tokens);
                at = language.captured.iter().map(|captured| captured.site().block).collect();
                for captured in &language.captured {
                    if let Err(e) = append(&mut file, captured) {
                        failed = Some(e);
                        return Err(babelscope_core::Error::Cancelled.into());
                    }
                }
                Ok(())
            });
            if let Some(error) = failed {
                return Err(Fault::write("the states", folder, &error).into());
            }
            done?;
            let (n, width, languages) = (corpus.len(), engine.info().width, corpus.languages.clone());
            Held::File(Spilled { file: Mutex::new(file), languages, layers: at, n, width, tokens })
        };
        Ok(Self { held, read, alarms })
    }

    /// The states for the probes.
    pub(crate) fn source(&self) -> &dyn StateSource {
        match &self.held {
            Held::Memory(states) => states,
            Held::File(spilled) => spilled,
        }
    }
}

fn append(file: &mut File, captured: &Captured) -> std::io::Result<()> {
    let Values::Pooled(rows) = &captured.values else {
        return Err(std::io::Error::other("every token was kept where pooled states were asked for"));
    };
    let rows: Vec<f32> = rows.flatten_all().and_then(|t| t.to_vec1()).map_err(std::io::Error::other)?;
    let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
    file.write_all(&bytes)
}

impl StateSource for Spilled {
    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn layers(&self) -> &[usize] {
        &self.layers
    }

    fn sentences(&self) -> usize {
        self.n
    }

    fn state(&self, language: usize, layer: usize) -> babelscope_probes::Result<CowArray<'_, f32, Ix2>> {
        let fail = |why: String| babelscope_probes::Error::Input { measure: "states", why };
        let mut bytes = vec![0; self.n * self.width * size_of::<f32>()];
        let at = (language * self.layers.len() + layer) * bytes.len();
        let read = {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.read_exact(&mut bytes))
        };
        read.map_err(|e| fail(format!("the file of the states cannot be read: {e}")))?;
        let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let state = Array2::from_shape_vec((self.n, self.width), values).map_err(|e| fail(e.to_string()))?;
        Ok(state.into())
    }

    fn tokens(&self, language: usize) -> Option<&[Vec<u32>]> {
        self.tokens.get(language).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use babelscope_core::{
        corpus::Corpus,
        engine::{Engine, LoadOptions},
        monitor::Monitor,
        plan::Reduce,
    };
    use babelscope_probes::capture::Extraction;

    use super::{Held, States};

    #[test]
    fn a_file_gives_the_states_that_memory_gives() {
        let monitor = Monitor::silent();
        let engine = Engine::load("lab", &LoadOptions::default(), &monitor).unwrap();
        let codes = ["eng_Latn", "hin_Deva", "zho_Hans"].map(str::to_owned);
        let corpus = Corpus::open(Path::new("lab")).unwrap().select(&codes, 7).unwrap();
        let extraction = Extraction { layers: vec![0, 3], reduce: Reduce::Last };
        let folder = tempfile::tempdir().unwrap();
        let [memory, file] = [u64::MAX, 0]
            .map(|room| States::within(room, &engine, &corpus, &extraction, folder.path(), &monitor).unwrap());
        assert!(matches!((&memory.held, &file.held), (Held::Memory(_), Held::File(_))));
        assert_eq!((memory.read, &memory.alarms), (file.read, &file.alarms));
        let (a, b) = (memory.source(), file.source());
        assert_eq!((a.languages(), a.layers(), a.sentences()), (b.languages(), b.layers(), b.sentences()));
        for language in 0..codes.len() {
            assert_eq!(a.tokens(language), b.tokens(language));
            for layer in 0..2 {
                assert_eq!(a.state(language, layer).unwrap(), b.state(language, layer).unwrap());
            }
        }
    }
}
