//! Runs of another machine: fetched from `babelscope serve` into a hidden folder beside our own, and then ordinary run folders.
//!
//! What comes is believed only as far as its manifest goes: no more bytes than it says are taken, each file is held against its
//! BLAKE3, and the folder gets its name when all of it is there.

mod client;
mod fetch;

use std::path::Path;

use anyhow::Result;

pub use fetch::fetch;

use crate::{fault::Fault, serve::files::segments};

/// Where a run of another machine is: `http://127.0.0.1:8080/NAME`.
///
/// ```
/// use babelscope::remote::Place;
/// let place = Place::parse("http://127.0.0.1:8080/demo-1a2b3c4d")?;
/// assert_eq!((place.origin.as_str(), place.run.as_deref()), ("http://127.0.0.1:8080", Some("demo-1a2b3c4d")));
/// assert!(Place::parse("https://127.0.0.1:8080").is_err());
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `http://HOST:PORT`
    pub origin: String,
    /// The run; `None` means the only one that is there.
    pub run: Option<String>,
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Fault::spec`]: not of the form `http://HOST:PORT/NAME`.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |why: &str| {
            let text = text.escape_debug();
            Fault::spec(format!(
                "{text}: {why}; expected http://HOST:PORT/NAME, as `babelscope serve` prints it, and a run's name"
            ))
        };
        let text = text.trim();
        if text.starts_with("https://") {
            return Err(
                fail("this program speaks no TLS; use `ssh -L` (docs/REMOTE.md), which encrypts, and http://").into()
            );
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| fail("does not begin with http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        if host.is_empty() || !host.bytes().all(allowed) {
            return Err(fail("names no host").into());
        }
        let path = path.trim_end_matches('/');
        let run = match path {
            "" => None,
            _ => match segments(&format!("/{path}")).as_deref() {
                Some([name]) => Some(name.clone()),
                _ => return Err(fail("does not end with the name of a run").into()),
            },
        };
        Ok(Self { origin: format!("http://{host}"), run })
    }
}

/// The address that somebody wrote in the place of a folder.
pub fn address(run: &Path) -> Option<&str> {
    run.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"))
}
