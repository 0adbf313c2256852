//! Numbers of traces, exactly: `0.1 + 0.2 = 0.3` holds here.

use std::{fmt, str::FromStr};

use num_rational::BigRational;
use num_traits::ToPrimitive as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::shown::shown;

/// Characters of a value; reading one takes the square of them.
const LONGEST: usize = 10_000;

/// An exact rational number; written and stored as `29`, `-7/2`.
///
/// ```
/// use babelscope_probes::cot::Value;
///
/// let half: Value = "2/4".parse().unwrap();
/// assert_eq!(half.to_string(), "1/2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub BigRational);

impl Value {
    /// The nearest floating-point number.
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }
}

impl From<i64> for Value {
    fn from(whole: i64) -> Self {
        Self(BigRational::from_integer(whole.into()))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let got = shown(&format!("{:?}", text.get(..LONGEST).unwrap_or(text)));
            format!("expected a whole number or a fraction such as 7/2, of at most {LONGEST} characters, got {got}")
        };
        if text.len() > LONGEST {
            return Err(wrong());
        }
        if text.split('/').nth(1).is_some_and(|below| below.trim_start_matches(['-', '+']).chars().all(|c| c == '0')) {
            return Err(wrong());
        }
        text.parse().ok().map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
