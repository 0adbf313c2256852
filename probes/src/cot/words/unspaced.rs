//! Numbers of scripts without spaces: Thai and Han numerals, which are whole systems and are read whole, where they count something.

use super::scale;
use crate::cot::numerals;

const THAI: [(&str, u64); 12] = [
    ("หนึ่ง", 1),
    ("เอ็ด", 1),
    ("สอง", 2),
    ("ยี่", 2),
    ("สาม", 3),
    ("สี่", 4),
    ("ห้า", 5),
    ("หก", 6),
    ("เจ็ด", 7),
    ("แปด", 8),
    ("เก้า", 9),
    ("ศูนย์", 0),
];
const THAI_SCALES: [(&str, u64); 6] =
    [("สิบ", 10), ("ร้อย", 100), ("พัน", 1000), ("หมื่น", 10_000), ("แสน", 100_000), ("ล้าน", 1_000_000)];

/// What may stand behind a Thai or a Han number: things are counted with these.
const THAI_CLASSIFIERS: [&str; 46] = [
    "ตัว",
    "เล่ม",
    "ลูก",
    "ใบ",
    "ดวง",
    "ดอก",
    "คน",
    "อัน",
    "ชิ้น",
    "บาท",
    "วัน",
    "ชั่วโมง",
    "นาที",
    "วินาที",
    "กล่อง",
    "ถุง",
    "ขวด",
    "จาน",
    "คัน",
    "หลัง",
    "ต้น",
    "ผล",
    "ฟอง",
    "แผ่น",
    "ครั้ง",
    "ปี",
    "เดือน",
    "สัปดาห์",
    "เม็ด",
    "เส้น",
    "เครื่อง",
    "กิโลเมตร",
    "เมตร",
    "กิโลกรัม",
    "กรัม",
    "ลิตร",
    "เท่า",
    "แท่ง",
    "คู่",
    "โหล",
    "ห้อง",
    "โต๊ะ",
    "กระป๋อง",
    "ถ้วย",
    "ตะกร้า",
    "หน้า",
];
const HAN_CLASSIFIERS: &str = "个個只隻本条條头頭匹根顶頂把盏盞张張件块塊元天人年月名位辆輛台棵颗顆枝支朵双雙对對套包箱盒瓶杯碗袋\
                               米斤克升里吨岁歲倍层層页頁家间間座艘架门門口粒片份篇首小时時分钟鐘冊枚匹羽軒円つ";

/// The Thai number at the beginning of a text: its length in bytes and its value; `None` where it goes on as another word.
pub(in crate::cot) fn thai(rest: &str) -> Option<(usize, u64)> {
    let (mut at, mut total, mut digit) = (0, 0, None);
    let mut below = u64::MAX;
    loop {
        let here = &rest[at..];
        if let Some((word, value)) = THAI.iter().find(|(word, _)| here.starts_with(word)).filter(|_| digit.is_none()) {
            digit = Some(*value);
            at += word.len();
        } else if let Some((word, power)) =
            THAI_SCALES.iter().find(|(word, power)| here.starts_with(word) && *power < below)
        {
            total += digit.take().unwrap_or(1) * power;
            below = *power;
            at += word.len();
        } else {
            break;
        }
    }
    (at > 0 && counts(&rest[at..], classified)).then_some((at, total + digit.unwrap_or(0)))
}

/// The Thai classifier with which a text begins.
pub(in crate::cot) fn classifier(rest: &str) -> Option<&'static str> {
    THAI_CLASSIFIERS.into_iter().filter(|word| rest.starts_with(word)).max_by_key(|word| word.len())
}

fn classified(rest: &str) -> bool {
    classifier(rest).is_some()
}

/// The Han number at the beginning of a text: its length, its value, and whether it is the bare word for one.
///
/// A single character must stand before a classifier or beside a sign of mathematics (三角形 is no three of anything); so must a
/// longer one that is no proper numeral.
pub(in crate::cot) fn han(before: &str, rest: &str) -> Option<(usize, u64, bool)> {
    let length = rest.find(|c| !numerals::is_han(c)).unwrap_or(rest.len());
    let (text, after) = rest.split_at(length);
    let beside = sign(before.trim_end().chars().next_back()) || sign(after.trim_start().chars().next());
    let classified = after.starts_with(|c| HAN_CLASSIFIERS.contains(c)) && !after.starts_with("个别");
    let single = text.chars().nth(1).is_none();
    let plain = !text.contains(|c| numerals::han_scale(c).is_some());
    let begins_whole = !text.starts_with(['百', '千', '万', '萬', '亿', '億']);
    let proper =
        begins_whole && if plain { text.contains(['零', '〇']) || after.starts_with('年') } else { !single };
    let word = (text == "十" && after.starts_with('分') && !after.starts_with("分钟")) || text == "万一";
    // "答案是四。", "负四": what something is or comes to, with nothing behind it.
    let named = before.ends_with(['是', '为', '為', '得', '到', '负', '負', '：', ':'])
        && !after.starts_with(char::is_alphanumeric);
    let reads = begins_whole && !word && (beside || named || if single { classified } else { proper });
    let value = numerals::han(text).filter(|_| reads)?;
    Some((length, value, text == "一" && !beside))
}

/// Signs of mathematics, beside which a numeral counts.
fn sign(c: Option<char>) -> bool {
    c.is_some_and(|c| "+-−×÷*/=＝＋－·^()（）{}$%".contains(c))
}

/// Whether what follows lets a number without spaces around it stand: no letter, or a classifier.
fn counts(after: &str, classifier: fn(&str) -> bool) -> bool {
    !after.starts_with(char::is_alphabetic) || classifier(after)
}

/// The word of scale with which a text without spaces begins: its length in bytes and its factor.
pub(in crate::cot) fn leading_scale(rest: &str, language: &str) -> Option<(usize, i64)> {
    let c = rest.chars().next()?;
    match language {
        "zho" | "jpn" | "yue" => scale(c.encode_utf8(&mut [0; 4]), language).map(|factor| (c.len_utf8(), factor)),
        "tha" => {
            let (word, factor) = THAI_SCALES.iter().skip(1).find(|(word, _)| rest.starts_with(word))?;
            (counts(&rest[word.len()..], classified)).then_some((word.len(), *factor as i64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thai_and_han_numbers_are_read_where_they_count() {
        assert_eq!(thai("สามตัว"), Some(("สาม".len(), 3)));
        assert_eq!(thai("ยี่สิบเอ็ด คน").map(|n| n.1), Some(21));
        assert_eq!(thai("หนึ่งร้อยห้าสิบ").map(|n| n.1), Some(150));
        assert_eq!(thai("สามารถ"), None);
        assert_eq!(han("", "三十五").map(|n| n.1), Some(35));
        assert_eq!(han("有", "三个苹果").map(|n| n.1), Some(3));
        assert_eq!(han("+ ", "七。").map(|n| n.1), Some(7));
        assert_eq!(han("", "一个"), Some((3, 1, true)));
        for (before, word) in [("", "三角形"), ("", "一起"), ("", "十分重要"), ("", "万一"), ("", "千万")]
        {
            assert_eq!(han(before, word), None, "{word}");
        }
    }
}
