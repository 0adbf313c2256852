//! Numbers and equations as each language writes them: digits of its own where it has them.

use super::Written;

/// Digits of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// Places, from this zero on.
    From(char),
    /// Han numerals: 二十三. Up to 99.
    Han,
}

pub(super) const ASCII: Digits = Digits::From('0');
pub(super) const ARABIC: Digits = Digits::From('\u{0660}');
pub(super) const DEVANAGARI: Digits = Digits::From('\u{0966}');
pub(super) const THAI: Digits = Digits::From('\u{0E50}');

const HAN: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

impl Digits {
    /// The number as it is written.
    pub fn write(self, number: u8) -> String {
        match self {
            Self::From(zero) => {
                let digit = |ascii: char| {
                    let value = u32::from(ascii) - u32::from('0');
                    char::from_u32(u32::from(zero) + value).unwrap_or(ascii)
                };
                number.to_string().chars().map(digit).collect()
            }
            Self::Han if number < 10 => HAN[usize::from(number)].to_owned(),
            Self::Han => {
                let (tens, ones) = (usize::from(number / 10) % 10, usize::from(number % 10));
                let tens = if tens == 1 { "" } else { HAN[tens] };
                format!("{tens}十{}", if ones == 0 { "" } else { HAN[ones] })
            }
        }
    }

    /// `3 + 4 = 7`.
    pub(super) fn equation(self, [left, right, result]: [u8; 3], adds: bool, end: &'static str) -> Written {
        let [left, right, result] = [left, right, result].map(|number| self.write(number));
        Written::new(end, [&left, if adds { "+" } else { "-" }, &right, "=", &result])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_the_digits_of_the_language() {
        let write = |digits: Digits| [0, 7, 10, 12, 20, 43].map(|number| digits.write(number));
        assert_eq!(write(ASCII), ["0", "7", "10", "12", "20", "43"]);
        assert_eq!(write(ARABIC), ["٠", "٧", "١٠", "١٢", "٢٠", "٤٣"]);
        assert_eq!(write(DEVANAGARI), ["०", "७", "१०", "१२", "२०", "४३"]);
        assert_eq!(write(THAI), ["๐", "๗", "๑๐", "๑๒", "๒๐", "๔๓"]);
        assert_eq!(write(Digits::Han), ["零", "七", "十", "十二", "二十", "四十三"]);
    }
}
