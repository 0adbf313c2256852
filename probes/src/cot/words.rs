//! Words that number: zero to twenty in the languages of the laboratory and of MGSM, and words that multiply (million, लाख).
//!
//! A number word is read only when nothing else belongs to it: "twenty-five" and "two hundred" are refused as a whole, because their
//! parts would be wrong. The word for one is an article or a pronoun as often as a number: it counts in a problem's statement alone,
//! where a given too many costs nothing. Thai and Han numerals: `words/unspaced.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use super::phrases::shifted;

mod unspaced;

pub(super) use unspaced::{classifier, han, leading_scale, thai};

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
    (
        "fra",
        "zéro un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize - - - vingt",
        "vingts trente quarante cinquante soixante septante huitante nonante cent cents mille million millions milliard milliards \
         douzaine",
    ),
    (
        "deu",
        "null ein/eine/einen/einem/einer/eines/eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn \
         fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig",
        "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert tausend million millionen milliarde milliarden dutzend",
    ),
    // নয় alone is "is not".
    (
        "ben",
        "শূন্য এক দুই/দু তিন চার পাঁচ ছয় সাত আট নয়টি/নয়টা/নয়জন দশ এগারো/এগার বারো তেরো চৌদ্দ/চোদ্দ পনেরো/পনের ষোলো/ষোল \
         সতেরো/সতের আঠারো/আঠার উনিশ কুড়ি/বিশ",
        "ত্রিশ চল্লিশ পঞ্চাশ ষাট সত্তর আশি নব্বই শত একশো একশ হাজার লাখ লক্ষ কোটি",
    ),
    (
        "tel",
        "సున్నా ఒకటి/ఒక/ఒక్క/ఒక్కటి రెండు/రెండేసి/ఇద్దరు మూడు/ముగ్గురు నాలుగు/నలుగురు ఐదు/అయిదు/ఐదుగురు ఆరు/ఆరుగురు ఏడు/ఏడుగురు \
         ఎనిమిది తొమ్మిది పది పదకొండు పన్నెండు పదమూడు పద్నాలుగు/పధ్నాలుగు పదిహేను పదహారు పదిహేడు పద్దెనిమిది \
         పందొమ్మిది/పంతొమ్మిది ఇరవై",
        "ముప్పై నలభై యాభై అరవై డెబ్బై ఎనభై తొంభై వంద వందలు వెయ్యి వేలు లక్ష",
    ),
    (
        "ind",
        "nol/kosong satu dua tiga empat lima enam tujuh delapan/lapan sembilan sepuluh/belas sebelas - - - - - - - - -",
        "puluh seratus ratus seribu ribu juta miliar selusin lusin",
    ),
    ("qis", "- yx dvy thry fowr pymf", ""),
];

/// Words behind a number in digits that multiply it.
const SCALES: &[(&str, &str)] = &[
    ("eng", "hundred=100 thousand=1000 million=1000000 billion=1000000000 lakh=100000 crore=10000000"),
    ("spa", "mil=1000 millón=1000000 millones=1000000"),
    ("por", "mil=1000 milhão=1000000 milhões=1000000 bilhão=1000000000 bilhões=1000000000"),
    ("ita", "mila=1000 milione=1000000 milioni=1000000 miliardo=1000000000 miliardi=1000000000"),
    ("fra", "mille=1000 million=1000000 millions=1000000 milliard=1000000000 milliards=1000000000"),
    ("deu", "tausend=1000 million=1000000 millionen=1000000 milliarde=1000000000 milliarden=1000000000"),
    (
        "rus",
        "тысяча=1000 тысячи=1000 тысяч=1000 тыс=1000 миллион=1000000 миллиона=1000000 миллионов=1000000 млн=1000000 \
         миллиард=1000000000 миллиарда=1000000000 миллиардов=1000000000 млрд=1000000000",
    ),
    ("arb", "ألف=1000 آلاف=1000 مليون=1000000 ملايين=1000000 مليار=1000000000"),
    ("pes", "هزار=1000 میلیون=1000000 میلیارد=1000000000"),
    ("urd", "ہزار=1000 لاکھ=100000 کروڑ=10000000"),
    ("hin", "सौ=100 हज़ार=1000 हजार=1000 लाख=100000 करोड़=10000000 मिलियन=1000000"),
    ("mar", "हजार=1000 लाख=100000 कोटी=10000000"),
    ("npi", "हजार=1000 लाख=100000 करोड=10000000"),
    ("ben", "হাজার=1000 লাখ=100000 লক্ষ=100000 কোটি=10000000 মিলিয়ন=1000000"),
    ("tam", "ஆயிரம்=1000 லட்சம்=100000 கோடி=10000000 மில்லியன்=1000000"),
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

/// What is counted, joined to a Bengali number word: পাঁচটি.
const BENGALI_CLASSIFIERS: [&str; 6] = ["টি", "টা", "টে", "জন", "খানা", "খানি"];

/// What a word, in lower case, counts in a language.
pub(super) fn count(word: &str, language: &str) -> Option<Count> {
    let table = COUNTS.get(if language == "zsm" { "ind" } else { language })?;
    let found = |word: &str| table.get(word).copied();
    match language {
        // The Arabic "and" is written together with what follows.
        "arb" => found(word).or_else(|| found(word.strip_prefix('و')?)),
        "ben" => {
            // Unicode has two spellings of this letter; the table has the one of NFC.
            let word = word.replace('\u{9df}', "\u{9af}\u{9bc}");
            let stem = || BENGALI_CLASSIFIERS.iter().find_map(|end| word.strip_suffix(end));
            found(&word).or_else(|| found(stem()?))
        }
        _ => found(word),
    }
}

/// What a word, in lower case, multiplies the number before it by.
pub(super) fn scale(word: &str, language: &str) -> Option<i64> {
    MULTIPLIERS.get(language)?.get(word).copied()
}

/// The word of scale that stands before its number: milioni 4.
pub(super) fn scale_before(word: &str, language: &str) -> Option<i64> {
    match (language, word) {
        ("swh", "elfu") => Some(1000),
        ("swh", "laki") => Some(100_000),
        ("swh", "milioni") => Some(1_000_000),
        ("swh", "bilioni") => Some(1_000_000_000),
        _ => None,
    }
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
            ("neun", "deu", 9),
            ("quinze", "fra", 15),
            ("নয়টি", "ben", 9),
            ("দুটি", "ben", 2),
            ("ছ\u{9df}টি", "ben", 6),
            ("নয়", "ben", 0),
            ("ఐదు", "tel", 5),
            ("lapan", "zsm", 8),
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
    fn words_multiply_what_stands_before_them() {
        assert_eq!((scale("million", "eng"), scale("लाख", "hin")), (Some(1_000_000), Some(100_000)));
        assert_eq!(leading_scale("万元", "zho"), Some((3, 10_000)));
        assert_eq!((scale_before("milioni", "swh"), scale_before("million", "eng")), (Some(1_000_000), None));
    }
}
