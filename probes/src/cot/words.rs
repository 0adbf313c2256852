//! Words that number: zero to twenty in the laboratory's languages, Thai and Han numerals, and words that multiply (million, लाख).
//!
//! A number word is read only when nothing else belongs to it: "twenty-five" and "two hundred" are refused as a whole, because their
//! parts would be wrong. The word for one is an article or a pronoun as often as a number: it counts in a problem's statement alone,
//! where a given too many costs nothing. Han and Thai numerals are whole systems and are read whole.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use super::{numerals, phrases::shifted};

/// What a word says about numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Zero, two to twenty.
    Number(i64),
    One,
    /// Part of a number above twenty, whose own value would be wrong.
    Beyond,
    /// One or two, only before ten (Arabic eleven and twelve).
    Part(i64),
}

/// Language; words of zero to twenty, forms separated by `/`; words of larger numbers.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "eng",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen \
         nineteen twenty",
        "thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million billion dozen",
    ),
    (
        "spa",
        "cero uno/un/una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete \
         dieciocho diecinueve veinte",
        "veintiuno veintidós treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento cientos doscientos trescientos \
         quinientos mil millón millones docena",
    ),
    (
        "rus",
        "ноль/нуль один/одна/одно/одну/одного/одной два/две/двух/двум/двумя три/трёх/трех/трём/тремя четыре/четырёх/четырех \
         пять/пяти/пятью шесть/шести семь/семи восемь/восьми девять/девяти десять/десяти одиннадцать/одиннадцати \
         двенадцать/двенадцати тринадцать/тринадцати четырнадцать/четырнадцати пятнадцать/пятнадцати шестнадцать/шестнадцати \
         семнадцать/семнадцати восемнадцать/восемнадцати девятнадцать/девятнадцати двадцать/двадцати",
        "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто двести триста четыреста пятьсот шестьсот \
         семьсот восемьсот девятьсот тысяча тысячи тысяч миллион миллиона миллионов",
    ),
    (
        "arb",
        "صفر واحد/واحدة/واحدا اثنان/اثنين/اثنتان/اثنتين ثلاثة/ثلاث أربعة/أربع خمسة/خمس ستة/ست سبعة/سبع ثمانية/ثماني/ثمان تسعة/تسع \
         عشرة/عشر - - - - - - - - - عشرون/عشرين",
        "ثلاثون ثلاثين أربعون أربعين خمسون خمسين ستون ستين سبعون سبعين ثمانون ثمانين تسعون تسعين مئة مائة \
         مئتان مئتين ألف آلاف ألفان ألفين مليون",
    ),
    (
        "hin",
        "शून्य एक दो तीन चार पाँच/पांच छह/छः/छे सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह/पन्द्रह सोलह सत्रह अठारह उन्नीस बीस",
        "सौ हज़ार हजार लाख करोड़ दर्जन",
    ),
    (
        "swh",
        "sifuri moja/mmoja/kimoja mbili/wawili/miwili/viwili/mawili tatu/watatu/mitatu/vitatu/matatu nne/wanne/minne/vinne/manne \
         tano/watano/mitano/vitano/matano sita saba nane/wanane/minane/vinane/manane tisa kumi - - - - - - - - - ishirini",
        "thelathini arobaini hamsini sitini sabini themanini tisini mia elfu laki milioni",
    ),
    ("qis", "- yx dvy thry fowr pymf", ""),
];

/// Words behind a number in digits that multiply it.
const SCALES: &[(&str, &str)] = &[
    ("eng", "hundred=100 thousand=1000 million=1000000 billion=1000000000 lakh=100000 crore=10000000"),
    ("spa", "mil=1000 millón=1000000 millones=1000000"),
    ("fra", "mille=1000 million=1000000 millions=1000000 milliard=1000000000 milliards=1000000000"),
    ("deu", "tausend=1000 million=1000000 millionen=1000000 milliarde=1000000000 milliarden=1000000000"),
    (
        "rus",
        "тысяча=1000 тысячи=1000 тысяч=1000 тыс=1000 миллион=1000000 миллиона=1000000 миллионов=1000000 млн=1000000 \
         миллиард=1000000000 миллиарда=1000000000 миллиардов=1000000000 млрд=1000000000",
    ),
    ("arb", "ألف=1000 آلاف=1000 مليون=1000000 ملايين=1000000 مليار=1000000000"),
    ("hin", "सौ=100 हज़ार=1000 हजार=1000 लाख=100000 करोड़=10000000"),
    ("ben", "হাজার=1000 লাখ=100000 লক্ষ=100000 কোটি=10000000"),
    ("tel", "వేలు=1000 వేల=1000 లక్ష=100000 లక్షలు=100000 లక్షల=100000 కోట్లు=10000000"),
    ("ind", "ribu=1000 juta=1000000 miliar=1000000000"),
    ("zsm", "ribu=1000 juta=1000000"),
    ("vie", "nghìn=1000 ngàn=1000 triệu=1000000 tỷ=1000000000"),
    ("tur", "bin=1000 milyon=1000000 milyar=1000000000"),
    ("heb", "אלף=1000 אלפים=1000 מיליון=1000000"),
    ("amh", "ሺህ=1000 ሺ=1000 ሚሊዮን=1000000"),
    ("kor", "천=1000 만=10000 억=100000000"),
    ("zho", "万=10000 萬=10000 亿=100000000 億=100000000"),
    ("jpn", "万=10000 億=100000000"),
    ("yue", "萬=10000 億=100000000"),
];

type Table<T> = BTreeMap<&'static str, HashMap<String, T>>;

static COUNTS: LazyLock<Table<Count>> = LazyLock::new(|| {
    let mut tables: Table<Count> = WORDS
        .iter()
        .map(|(language, low, beyond)| {
            let low = low.split_whitespace().zip(0..).flat_map(|(forms, value)| {
                let count = if value == 1 { Count::One } else { Count::Number(value) };
                forms.split('/').filter(|form| *form != "-").map(move |form| (form.to_owned(), count))
            });
            let beyond = beyond.split_whitespace().map(|word| (word.to_owned(), Count::Beyond));
            (*language, beyond.chain(low).collect())
        })
        .collect();
    let eleven = [("أحد", 1), ("إحدى", 1), ("اثنا", 2), ("اثني", 2), ("اثنتا", 2), ("اثنتي", 2)];
    tables.entry("arb").or_default().extend(eleven.map(|(word, value)| (word.to_owned(), Count::Part(value))));
    let clone = tables["eng"].iter().map(|(word, count)| (shifted(word), *count)).collect();
    tables.insert("qec", clone);
    tables
});

static MULTIPLIERS: LazyLock<Table<i64>> = LazyLock::new(|| {
    let read = |list: &str| {
        (list.split_whitespace().filter_map(|pair| pair.split_once('=')))
            .filter_map(|(word, value)| Some((word.to_owned(), value.parse().ok()?)))
            .collect()
    };
    SCALES.iter().map(|(language, list)| (*language, read(list))).collect()
});

/// What a word, in lower case, counts in a language.
pub(super) fn count(word: &str, language: &str) -> Option<Count> {
    let table = COUNTS.get(language)?;
    // The Arabic "and" is written together with what follows.
    table.get(word).or_else(|| table.get(word.strip_prefix('و').filter(|_| language == "arb")?)).copied()
}

/// What a word, in lower case, multiplies the number before it by.
pub(super) fn scale(word: &str, language: &str) -> Option<i64> {
    MULTIPLIERS.get(language)?.get(word).copied()
}

/// The word of scale with which a text without spaces begins: its length in bytes and its factor.
pub(super) fn leading_scale(rest: &str, language: &str) -> Option<(usize, i64)> {
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
pub(super) fn thai(rest: &str) -> Option<(usize, u64)> {
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
pub(super) fn classifier(rest: &str) -> Option<&'static str> {
    THAI_CLASSIFIERS.into_iter().filter(|word| rest.starts_with(word)).max_by_key(|word| word.len())
}

fn classified(rest: &str) -> bool {
    classifier(rest).is_some()
}

/// The Han number at the beginning of a text: its length, its value, and whether it is the bare word for one.
///
/// A single character must stand before a classifier or beside a sign of mathematics (三角形 is no three of anything); so must a
/// longer one that is no proper numeral.
pub(super) fn han(before: &str, rest: &str) -> Option<(usize, u64, bool)> {
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
    // "答案是四。": what something is or comes to, with nothing behind it.
    let named =
        before.ends_with(['是', '为', '為', '得', '到', '：', ':']) && !after.starts_with(char::is_alphanumeric);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_words_of_the_laboratory_are_read() {
        for (word, language, value) in [
            ("two", "eng", 2),
            ("twenty", "eng", 20),
            ("cinco", "spa", 5),
            ("две", "rus", 2),
            ("двенадцать", "rus", 12),
            ("خمس", "arb", 5),
            ("وثلاثة", "arb", 3),
            ("पाँच", "hin", 5),
            ("बीस", "hin", 20),
            ("vitano", "swh", 5),
            ("pymf", "qis", 5),
            ("ẗẅo", "qec", 0),
        ] {
            let wanted = (value > 0).then_some(Count::Number(value));
            assert_eq!(count(word, language), wanted, "{word}");
        }
        assert_eq!(count(&shifted("three"), "qec"), Some(Count::Number(3)));
        assert_eq!(count("one", "eng"), Some(Count::One));
        assert_eq!(count("hundred", "eng"), Some(Count::Beyond));
        let twenty_one = |list: &str| list.split_whitespace().count();
        assert!(WORDS.iter().all(|(language, low, _)| *language == "qis" || twenty_one(low) == 21), "21 words each");
    }

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

    #[test]
    fn words_multiply_what_stands_before_them() {
        assert_eq!((scale("million", "eng"), scale("लाख", "hin")), (Some(1_000_000), Some(100_000)));
        assert_eq!(leading_scale("万元", "zho"), Some((3, 10_000)));
    }
}
