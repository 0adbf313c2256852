//! Numbers written in the digits that a text uses.

use super::Value;

const HAN: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// The digits of a text: the first that it has, native ones before ASCII.
enum Digits {
    /// Ten characters in a row from this zero on.
    From(u32),
    /// Han numerals.
    Han,
}

fn digits(text: &str) -> Digits {
    let zero = |c: char| {
        let code = c as u32;
        // Blocks of ten digits begin at a multiple of ten's own zero; these are the ones that traces come in.
        const ZEROS: [u32; 14] =
            [0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xBE6, 0xC66, 0xCE6, 0xE50, 0x17E0, 0x1040, 0xFF10, 0x1D7CE];
        ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&code))
    };
    if let Some(zero) = text.chars().find_map(zero) {
        return Digits::From(zero);
    }
    let ascii = text.chars().any(|c| c.is_ascii_digit());
    let han = text.chars().any(|c| HAN.contains(&c) || c == '十');
    if han && !ascii { Digits::Han } else { Digits::From('0' as u32) }
}

/// The number in the digits of `like`; `None` where they cannot write it.
///
/// ```
/// use babelscope_probes::cot::spelling::spelled;
/// assert_eq!(spelled(&15.into(), "٣ + ٤ = ٧").as_deref(), Some("١٥"));
/// assert_eq!(spelled(&15.into(), "三加四等于七").as_deref(), Some("十五"));
/// assert_eq!(spelled(&(-4).into(), "3 + 4 = 7").as_deref(), Some("-4"));
/// ```
pub fn spelled(value: &Value, like: &str) -> Option<String> {
    let plain = value.to_string();
    match digits(like) {
        Digits::From(zero) => {
            let of = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(zero + digit)).unwrap_or(c);
            Some(plain.chars().map(of).collect())
        }
        Digits::Han => {
            let number: usize = plain.parse().ok().filter(|number| *number < 100)?;
            let (tens, ones) = (number / 10, number % 10);
            let ten = match tens {
                0 => return Some(HAN[ones].to_string()),
                1 => "十".to_owned(),
                _ => format!("{}十", HAN[tens]),
            };
            Some(if ones == 0 { ten } else { format!("{ten}{}", HAN[ones]) })
        }
    }
}
