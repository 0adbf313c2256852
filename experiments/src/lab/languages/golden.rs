//! Sentences written by hand, one block a language, that the lexicons must produce exactly.

use super::{find, sentence};
use crate::lab::world::{Colour, Meaning, Noun, Person, Phrase, Place};

const WOMAN: Person = Person(0);
const MAN: Person = Person(9);

fn phrase(number: u8, colour: Colour, noun: Noun) -> Phrase {
    Phrase { number, colour, noun }
}

/// The same fourteen meanings for every language.
fn meanings() -> Vec<Meaning> {
    vec![
        Meaning::Live { who: WOMAN, place: Place::Village },
        Meaning::Work { who: MAN, place: Place::School },
        Meaning::Know { who: WOMAN, whom: MAN },
        Meaning::Own { who: WOMAN, what: phrase(3, Colour::Black, Noun::Cat) },
        Meaning::Own { who: MAN, what: phrase(1, Colour::Yellow, Noun::Dog) },
        Meaning::See { who: WOMAN, what: phrase(2, Colour::White, Noun::Rabbit), place: Place::Forest },
        Meaning::See { who: MAN, what: phrase(5, Colour::Blue, Noun::Horse), place: Place::Garden },
        Meaning::Buy { who: MAN, what: phrase(2, Colour::Red, Noun::Book), place: Place::Market },
        Meaning::Buy { who: WOMAN, what: phrase(1, Colour::Green, Noun::Ball), place: Place::City },
        Meaning::Give { who: MAN, what: phrase(4, Colour::Red, Noun::Key), whom: WOMAN },
        Meaning::At { colour: Colour::Black, noun: Noun::Cow, place: Place::Castle },
        Meaning::WhoHas { what: phrase(2, Colour::Red, Noun::Hat) },
        Meaning::WhereLives { who: WOMAN },
        Meaning::In { place: Place::Harbour },
    ]
}

fn says(code: &str, expected: [&str; 14]) {
    let language = find(code).unwrap();
    for (meaning, expected) in meanings().iter().zip(expected) {
        assert_eq!(sentence(language, meaning), expected);
    }
}

#[test]
fn english() {
    says(
        "eng_Latn",
        [
            "Anna lives in the village.",
            "Peter works in the school.",
            "Anna knows Peter.",
            "Anna has three black cats.",
            "Peter has one yellow dog.",
            "Anna sees two white rabbits in the forest.",
            "Peter sees five blue horses in the garden.",
            "Peter buys two red books in the market.",
            "Anna buys one green ball in the city.",
            "Peter gives four red keys to Anna.",
            "The black cow is in the castle.",
            "Who has two red hats?",
            "Where does Anna live?",
            "In the harbour.",
        ],
    );
}

#[test]
fn spanish() {
    says(
        "spa_Latn",
        [
            "Ana vive en el pueblo.",
            "Pedro trabaja en la escuela.",
            "Ana conoce a Pedro.",
            "Ana tiene tres gatos negros.",
            "Pedro tiene un perro amarillo.",
            "Ana ve dos conejos blancos en el bosque.",
            "Pedro ve cinco caballos azules en el jardín.",
            "Pedro compra dos libros rojos en el mercado.",
            "Ana compra una pelota verde en la ciudad.",
            "Pedro le da cuatro llaves rojas a Ana.",
            "La vaca negra está en el castillo.",
            "¿Quién tiene dos sombreros rojos?",
            "¿Dónde vive Ana?",
            "En el puerto.",
        ],
    );
}

#[test]
fn russian() {
    says(
        "rus_Cyrl",
        [
            "Анна живёт в деревне.",
            "Пётр работает в школе.",
            "Анна знает Петра.",
            "У Анны есть три чёрные кошки.",
            "У Петра есть жёлтая собака.",
            "Анна видит в лесу двух белых кроликов.",
            "Пётр видит в саду пять синих лошадей.",
            "Пётр покупает на рынке две красные книги.",
            "Анна покупает в городе зелёный мяч.",
            "Пётр даёт Анне четыре красных ключа.",
            "Чёрная корова в замке.",
            "У кого есть две красные шляпы?",
            "Где живёт Анна?",
            "В порту.",
        ],
    );
}

#[test]
fn arabic() {
    says(
        "arb_Arab",
        [
            "مريم تعيش في القرية.",
            "إبراهيم يعمل في المدرسة.",
            "مريم تعرف إبراهيم.",
            "لدى مريم ثلاث قطط سوداء.",
            "لدى إبراهيم كلب أصفر.",
            "مريم ترى أرنبين أبيضين في الغابة.",
            "إبراهيم يرى خمسة أحصنة زرقاء في الحديقة.",
            "إبراهيم يشتري كتابين أحمرين في السوق.",
            "مريم تشتري كرة خضراء في المدينة.",
            "إبراهيم يعطي مريم أربعة مفاتيح حمراء.",
            "البقرة السوداء في القلعة.",
            "من لديه قبعتان حمراوان؟",
            "أين تعيش مريم؟",
            "في الميناء.",
        ],
    );
}

#[test]
fn hindi() {
    says(
        "hin_Deva",
        [
            "सीता गाँव में रहती है।",
            "मोहन स्कूल में काम करता है।",
            "सीता मोहन को जानती है।",
            "सीता के पास तीन काली बिल्लियाँ हैं।",
            "मोहन के पास एक पीला कुत्ता है।",
            "सीता जंगल में दो सफेद खरगोश देखती है।",
            "मोहन बगीचे में पाँच नीले घोड़े देखता है।",
            "मोहन बाज़ार में दो लाल किताबें खरीदता है।",
            "सीता शहर में एक हरी गेंद खरीदती है।",
            "मोहन सीता को चार लाल चाबियाँ देता है।",
            "काली गाय किले में है।",
            "किसके पास दो लाल टोपियाँ हैं?",
            "सीता कहाँ रहती है?",
            "बंदरगाह पर।",
        ],
    );
}

#[test]
fn chinese() {
    says(
        "zho_Hans",
        [
            "小红住在村子里。",
            "大伟在学校里工作。",
            "小红认识大伟。",
            "小红有三只黑色的猫。",
            "大伟有一只黄色的狗。",
            "小红在森林里看见两只白色的兔子。",
            "大伟在花园里看见五匹蓝色的马。",
            "大伟在市场里买两本红色的书。",
            "小红在城市里买一个绿色的球。",
            "大伟给小红四把红色的钥匙。",
            "黑色的牛在城堡里。",
            "谁有两顶红色的帽子？",
            "小红住在哪里？",
            "在港口。",
        ],
    );
}

#[test]
fn thai() {
    says(
        "tha_Thai",
        [
            "มาลีอาศัยอยู่ในหมู่บ้าน",
            "วิชัยทำงานในโรงเรียน",
            "มาลีรู้จักวิชัย",
            "มาลีมีแมวสีดำสามตัว",
            "วิชัยมีหมาสีเหลืองหนึ่งตัว",
            "มาลีเห็นกระต่ายสีขาวสองตัวในป่า",
            "วิชัยเห็นม้าสีน้ำเงินห้าตัวในสวน",
            "วิชัยซื้อหนังสือสีแดงสองเล่มในตลาด",
            "มาลีซื้อลูกบอลสีเขียวหนึ่งลูกในเมือง",
            "วิชัยให้กุญแจสีแดงสี่ดอกแก่มาลี",
            "วัวสีดำอยู่ในปราสาท",
            "ใครมีหมวกสีแดงสองใบ",
            "มาลีอาศัยอยู่ที่ไหน",
            "ที่ท่าเรือ",
        ],
    );
}

#[test]
fn swahili() {
    says(
        "swh_Latn",
        [
            "Asha anaishi kijijini.",
            "Hamisi anafanya kazi shuleni.",
            "Asha anamjua Hamisi.",
            "Asha ana paka weusi watatu.",
            "Hamisi ana mbwa wa manjano mmoja.",
            "Asha anawaona sungura weupe wawili msituni.",
            "Hamisi anawaona farasi wa buluu watano bustanini.",
            "Hamisi ananunua vitabu vyekundu viwili sokoni.",
            "Asha ananunua mpira wa kijani mmoja mjini.",
            "Hamisi anampa Asha funguo nyekundu nne.",
            "Ng'ombe mweusi yuko ngomeni.",
            "Nani ana kofia nyekundu mbili?",
            "Asha anaishi wapi?",
            "Bandarini.",
        ],
    );
}

#[test]
fn clone_of_english() {
    assert_eq!(sentence(super::CLONE, &meanings()[3]), "Äṅṅä ḣäş ţḣŗëë ḃļäçķ çäţş·");
    assert_eq!(sentence(super::CLONE, &meanings()[11]), "Ẅḣö ḣäş ţẅö ŗëḋ ḣäţş‽");
}

#[test]
fn island() {
    assert_eq!(sentence(super::ISLAND, &meanings()[3]), "Hebbth mirrok thry nyrrok Bryndu.");
    assert_eq!(sentence(super::ISLAND, &meanings()[7]), "Koppth tradeth wyrdul dvy ruzzul Krundel.");
}
