//! Words that turn what a number says: "minus" before it, "not" beside it, and what makes it a part of something longer.
//!
//! They need not be complete: what they catch is refused or gets its sign, what they miss is read as before.

/// The words of a language.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) code: &'static str,
    /// Before a negative number.
    pub(super) minus: &'static str,
    /// Between "the answer" and a number that is none: not, at least, twice, the root of.
    pub(super) denials: &'static str,
    /// "Not", behind the number.
    pub(super) behind: &'static str,
    /// Arithmetic in words, before another number.
    pub(super) operators: &'static str,
    /// Behind a number that they change: squared, and a half, dozen.
    pub(super) parts: &'static str,
}

const fn turns(code: &'static str, words: [&'static str; 5]) -> Turns {
    let [minus, denials, behind, operators, parts] = words;
    Turns { code, minus, denials, behind, operators, parts }
}

pub(super) const TURNS: &[Turns] = &[
    turns(
        "eng",
        [
            "minus negative",
            "not cannot never than least most between twice thrice double triple half square cube root log ln \
             sin cos tan sqrt",
            "",
            "plus minus times divided multiplied over mod modulo",
            "squared cubed half third quarter dozen dozens",
        ],
    ),
    turns(
        "spa",
        [
            "menos negativo",
            "no menos mitad doble triple raíz entre",
            "",
            "más menos por entre dividido multiplicado",
            "medio media docena docenas",
        ],
    ),
    turns(
        "rus",
        [
            "минус",
            "не нет между половина корень",
            "",
            "плюс минус умножить разделить на",
            "половиной дюжина дюжины дюжин",
        ],
    ),
    turns("arb", ["سالب ناقص", "ليس ليست لا بين نصف ضعف جذر", "", "زائد ناقص ضرب في على", "ونصف وربع"]),
    turns("hin", ["ऋण माइनस ऋणात्मक", "नहीं आधा दोगुना वर्गमूल", "नहीं", "गुणा जमा घटा धन ऋण बटा", "दर्जन"]),
    turns(
        "zho",
        [
            "负 負 零下",
            "不是 不等 并非 一半 两倍 平方根",
            "",
            "加 减 乘 除 乘以 除以 加上 减去",
            "半 个半 個半 年半 打",
        ],
    ),
    turns("tha", ["ลบ", "ไม่ใช่ ครึ่ง สองเท่า", "", "บวก ลบ คูณ หาร", "ครึ่ง โหล"]),
    turns("swh", ["hasi", "si sio siyo nusu", "", "kujumlisha kutoa mara kugawanya jumlisha toa gawanya", "nusu"]),
    turns(
        "fra",
        [
            "moins négatif",
            "pas au plus jamais entre double triple moitié racine",
            "",
            "plus moins fois divisé multiplié sur",
            "demi demie douzaine douzaines",
        ],
    ),
    turns(
        "deu",
        [
            "minus negativ",
            "nicht kein keine doppelte hälfte wurzel zwischen mindestens höchstens als",
            "",
            "plus minus mal geteilt durch hoch",
            "halb halbe halbes quadrat dutzend",
        ],
    ),
    turns(
        "jpn",
        ["マイナス 氷点下", "半分", "ではな じゃな ではあり でな", "足 引 掛 割 かける わる たす ひく", "ダース"],
    ),
    turns("kor", ["마이너스 영하", "절반", "아니 아닙", "더하기 빼기 곱하기 나누기", "반 다스"]),
    turns("ben", ["মাইনাস ঋণাত্মক", "নয় অর্ধেক", "নয়", "যোগ বিয়োগ গুণ ভাগ", "ডজন"]),
    turns("tel", ["మైనస్ ఋణ", "సగం", "కాదు", "ప్లస్ మైనస్", ""]),
    turns(
        "ind",
        [
            "minus negatif",
            "bukan tidak setengah antara akar",
            "",
            "tambah kurang kali bagi dikali dibagi",
            "setengah lusin",
        ],
    ),
    turns("vie", ["âm", "không nửa gấp căn", "", "cộng trừ nhân chia", "rưỡi tá"]),
    turns("tur", ["eksi", "yarısı", "değil", "artı eksi çarpı bölü kere", "buçuk düzine"]),
    turns("heb", ["מינוס", "לא אינה אינו", "", "ועוד פחות כפול חלקי", "וחצי"]),
    turns("amh", ["", "", "አይደለም", "", ""]),
    turns(
        "ita",
        [
            "meno negativo",
            "non metà doppio radice tra fra almeno",
            "",
            "più meno per diviso volte",
            "mezzo mezza dozzina",
        ],
    ),
    turns(
        "por",
        ["menos negativo", "não metade dobro raiz entre", "", "mais menos vezes dividido por", "meio meia dúzia"],
    ),
    turns("ell", ["μείον πλην", "δεν όχι μισό διπλάσιο", "", "συν μείον επί διά", "μισό"]),
    turns("nld", ["min minus", "niet geen helft wortel tussen", "", "plus min keer maal gedeeld", "half halve dozijn"]),
    turns("pol", ["minus", "nie między połowa", "", "plus minus razy podzielić", "pół"]),
    turns("ukr", ["мінус", "не між половина", "", "плюс мінус помножити поділити", "половиною"]),
    turns("pes", ["منفی", "نه نصف", "نیست", "بعلاوه منهای ضربدر تقسیم", "نیم"]),
    turns("urd", ["منفی", "نہیں آدھا", "نہیں", "جمع منفی ضرب تقسیم", "درجن"]),
    turns("tam", ["மைனஸ்", "பாதி", "அல்ல இல்லை", "கூட்டல் கழித்தல்", ""]),
    turns("khm", ["ដក", "មិនមែន", "", "បូក ដក គុណ ចែក", "កន្លះ"]),
    turns("lao", ["ລົບ", "ບໍ່ແມ່ນ", "", "ບວກ ລົບ ຄູນ ຫານ", "ເຄິ່ງ"]),
    turns("mya", ["အနုတ်", "", "မဟုတ်", "", ""]),
];

/// Endings of words of scripts without spaces behind which a hyphen right before a number is its sign: 答案是-3. Behind any other word
/// it may join a name to its number (歼-20).
pub(super) const LEADS: &[(&str, &str)] = &[
    ("zho", "是 为 為 得 到 至 成 即 达 達 等于 等於 和 与 從 从"),
    ("jpn", "は が を に で と も から"),
    ("tha", "คือ เป็น เท่ากับ ได้ และ จาก ถึง"),
    ("lao", "ແມ່ນ ຄື ເທົ່າກັບ ເປັນ ໄດ້"),
    ("khm", "គឺ គឺជា ស្មើនឹង"),
    ("mya", "သည် မှာ က"),
];
