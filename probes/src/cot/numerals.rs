//! Digits of every script, and Han numerals.

/// The zeros of Unicode's decimal digits (general category Nd, Unicode 17): nine digits follow each.
const ZEROS: [u32; 77] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0,
    0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70,
    0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The zero of the digits that `c` belongs to.
pub(super) fn zero(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(0x30);
    }
    let code = u32::from(c);
    let below = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    (code - ZEROS[below] < 10).then_some(ZEROS[below])
}

/// The value of a decimal digit of any script.
///
/// ```
/// use babelscope_probes::cot::digit;
/// assert_eq!(['7', '٧', '७', '๗', '７', '𝟕', 'x'].map(digit), [Some(7), Some(7), Some(7), Some(7), Some(7), Some(7), None]);
/// ```
pub fn digit(c: char) -> Option<u32> {
    zero(c).map(|zero| u32::from(c) - zero)
}

/// A fraction in one character: `½` is (1, 2).
pub(super) fn vulgar(c: char) -> Option<(i64, i64)> {
    Some(match c {
        '½' => (1, 2),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅕' => (1, 5),
        '⅖' => (2, 5),
        '⅗' => (3, 5),
        '⅘' => (4, 5),
        '⅙' => (1, 6),
        '⅚' => (5, 6),
        '⅐' => (1, 7),
        '⅛' => (1, 8),
        '⅜' => (3, 8),
        '⅝' => (5, 8),
        '⅞' => (7, 8),
        '⅑' => (1, 9),
        '⅒' => (1, 10),
        _ => return None,
    })
}

/// An exponent in one character.
pub(super) fn superscript(c: char) -> Option<u32> {
    Some(match c {
        '⁰' => 0,
        '¹' => 1,
        '²' => 2,
        '³' => 3,
        '⁴'..='⁹' => u32::from(c) - u32::from('⁰'),
        _ => return None,
    })
}

/// The value of a Han numeral's character: a digit, or a power of ten.
fn han_digit(c: char) -> Option<u64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' => 1,
        '二' | '两' | '兩' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// Powers of ten that multiply what stands before them.
pub(super) fn han_scale(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1000,
        '万' | '萬' => 10_000,
        '亿' | '億' => 100_000_000,
        _ => return None,
    })
}

/// Whether a character can stand in a Han numeral.
pub(super) fn is_han(c: char) -> bool {
    han_digit(c).is_some() || han_scale(c).is_some()
}

/// A whole Han numeral: 三十五, 一百零二, 两万, 二〇二四. `None` where its parts do not fit together (三三两两).
pub(super) fn han(text: &str) -> Option<u64> {
    if !text.contains(|c| han_scale(c).is_some()) {
        // Position by position; nineteen digits are more than anyone writes.
        let digits = text.chars().count();
        return (1..19)
            .contains(&digits)
            .then_some(())
            .and_then(|()| text.chars().try_fold(0u64, |sum, c| Some(sum * 10 + han_digit(c)?)));
    }
    // `total` holds what 亿 and 万 closed, `section` what stands below them, `last` the digit that waits for its power.
    let (mut total, mut section, mut last) = (0u64, 0u64, None);
    let (mut below_section, mut below_total) = (u64::MAX, u64::MAX);
    for c in text.chars() {
        match (han_digit(c), han_scale(c)) {
            (Some(0), _) if last.is_none() => {}
            (Some(digit), _) if last.is_none() => last = Some(digit),
            (_, Some(power @ 10_000..)) if power < below_total => {
                let amount = section + last.take().unwrap_or(0);
                total += amount.max(u64::from(amount == 0 && total == 0)).checked_mul(power)?;
                (section, below_section, below_total) = (0, u64::MAX, power);
            }
            (_, Some(power @ ..10_000)) if power < below_section => {
                section += last.take().unwrap_or(1) * power;
                below_section = power;
            }
            _ => return None,
        }
    }
    Some(total + section + last.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zero_begins_ten_numeric_characters() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10 {
                let c = char::from_u32(zero + value).unwrap();
                assert!(c.is_numeric(), "{c:?}");
                assert_eq!(digit(c), Some(value));
            }
        }
        assert!(['²', '½', '三', 'Ⅷ', '①', 'a', '/', ':'].iter().all(|c| digit(*c).is_none()));
    }

    #[test]
    fn han_numerals_are_read() {
        for (text, value) in [
            ("三十五", 35),
            ("十", 10),
            ("十二", 12),
            ("二十", 20),
            ("一百零二", 102),
            ("两百五十", 250),
            ("三千零六", 3006),
            ("一万二千三百四十五", 12_345),
            ("十万", 100_000),
            ("三亿五千万", 350_000_000),
            ("二〇二四", 2024),
            ("七", 7),
        ] {
            assert_eq!(han(text), Some(value), "{text}");
        }
        for wrong in ["三三十", "十百千三四", "", "三a"] {
            assert_eq!(han(wrong), None, "{wrong}");
        }
    }
}
