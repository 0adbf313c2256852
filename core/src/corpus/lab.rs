//! The laboratory's held-out corpus, embedded.

use std::path::Path;

use super::{Corpus, read};
use crate::Result;

/// Language and file, in the order in which they are shown.
const FILES: &[(&str, &[u8])] = &[
    ("eng_Latn", include_bytes!("../../lab/corpus/eng_Latn.txt")),
    ("spa_Latn", include_bytes!("../../lab/corpus/spa_Latn.txt")),
    ("rus_Cyrl", include_bytes!("../../lab/corpus/rus_Cyrl.txt")),
    ("arb_Arab", include_bytes!("../../lab/corpus/arb_Arab.txt")),
    ("zho_Hans", include_bytes!("../../lab/corpus/zho_Hans.txt")),
    ("hin_Deva", include_bytes!("../../lab/corpus/hin_Deva.txt")),
    ("tha_Thai", include_bytes!("../../lab/corpus/tha_Thai.txt")),
    ("swh_Latn", include_bytes!("../../lab/corpus/swh_Latn.txt")),
    ("qec_Latn", include_bytes!("../../lab/corpus/qec_Latn.txt")),
    ("qis_Latn", include_bytes!("../../lab/corpus/qis_Latn.txt")),
];

pub(super) fn open() -> Result<Corpus> {
    let path = Path::new("lab");
    let mut found = read::Read::default();
    for (language, bytes) in FILES {
        let lines = read::lines(language, bytes, path, &mut found.notes)?;
        found.columns.push(((*language).to_owned(), lines));
    }
    Corpus::prove(path, "lab".to_owned(), found)
}
