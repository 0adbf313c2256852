//! The registry of languages: FLORES codes and what is known of each.

use serde::{Deserialize, Serialize};

/// Writing direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// A language in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lang {
    /// FLORES code: `eng_Latn`.
    pub code: &'static str,
    /// English name.
    pub name: &'static str,
    /// Its own name in its own script.
    pub autonym: &'static str,
    /// ISO 639-1 where there is one.
    pub iso639_1: Option<&'static str>,
    /// Family: `Indo-European`.
    pub family: &'static str,
    /// Resource class 0..=5 (Joshi et al. 2020), 5 the richest; `None` for invented languages.
    pub resource: Option<u8>,
    /// Writing direction.
    pub direction: Direction,
}

/// The language of a FLORES code.
pub fn find(code: &str) -> Option<&'static Lang> {
    let _ = code;
    todo!()
}

/// Writing direction of a FLORES code, from its script; codes that the registry does not know are judged by the script part.
pub fn direction(code: &str) -> Direction {
    let _ = code;
    todo!()
}
