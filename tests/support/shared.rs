//! Folders of other people's texts beside the repository, none of which may enter it.

use std::path::{Path, PathBuf};

/// The folder that `variable` names, else `../shared/NAME` beside the repository; none where neither is there.
///
/// A variable that names what is not there fails the test.
#[expect(clippy::print_stderr, reason = "a check that could not be made must be seen")]
pub fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(named.is_dir(), "{variable} names {}, and there is no such folder", named.display());
        return Some(named);
    }
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    let found = near.is_dir().then_some(near);
    if found.is_none() {
        eprintln!("skipped: no folder ../shared/{name} and no {variable}, so there was nothing to read");
    }
    found
}
