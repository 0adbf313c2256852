//! The secret that both sides know.

use std::{fmt, path::Path};

use anyhow::Result;
use rand::{TryRngCore as _, rngs::OsRng};
use subtle::ConstantTimeEq as _;

use crate::fault::{Fault, Kind};

/// The shortest token that is taken.
const SHORTEST: usize = 16;

/// A bearer token: who has it may read. It is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token that a person chose: 16 to 512 visible ASCII characters.
    ///
    /// # Errors
    /// [`Fault::spec`]: too short to be a secret, or not one word.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() < SHORTEST {
            let why = format!(
                "the token has {} characters; expected at least {SHORTEST}, so that nobody guesses it",
                text.len()
            );
            return Err(Fault::spec(why).into());
        }
        if text.len() > 512 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let why = "the token has a blank, a line break or another sign that a header cannot carry; expected one word of \
                       letters, digits and signs, at most 512 of them";
            return Err(Fault::spec(why).into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The token in a file, which holds nothing else.
    ///
    /// # Errors
    /// As [`Token::new`]; the file cannot be read, or is no small text.
    pub fn read(path: &Path) -> Result<Self> {
        let about = path.metadata().map_err(|e| Fault::read("the token", path, &e))?;
        if !about.is_file() || about.len() > 4096 {
            return Err(Fault::data(format!(
                "expected a small file with the token and nothing else\n{}",
                path.display()
            ))
            .into());
        }
        let text = std::fs::read_to_string(path).map_err(|e| Fault::read("the token", path, &e))?;
        Self::new(&text).map_err(|e| Fault::spec(format!("{e}\n{}", path.display())).into())
    }

    /// A new token: 32 bytes of the system's randomness as hex.
    ///
    /// # Errors
    /// The system gives none.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).map_err(|e| {
            Fault::new(Kind::Io, format!("the system gives no random numbers ({e}); give a token with --token-file"))
        })?;
        Ok(Self(bytes.iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether `said` is this token, in a time that depends on neither: hashes are compared, so that not even the length shows.
    pub fn is(&self, said: &str) -> bool {
        let hash = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
        hash(&self.0).ct_eq(&hash(said)).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_one_word_of_sixteen_signs_or_more_and_is_never_shown() {
        for bad in ["", "fifteen-letters", "sixteen letters!!!!", "sechzehn-zeichen-ä"] {
            assert!(Token::new(bad).is_err(), "{bad}");
        }
        let token = Token::new(" 0123456789abcdef\n").unwrap();
        assert!(token.is("0123456789abcdef") && !token.is("0123456789abcdeF") && !token.is(""));
        assert!(!format!("{token:?}").contains("0123"));
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert!(one != two && one.secret().len() == 64);
    }
}
