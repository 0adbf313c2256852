//! Chinese (simplified): classifiers, 两 before a classifier, the place before the verb.

use super::{
    Rendered,
    Role::{Classifier, Colour, Noun, Number, Place, Question, Recipient, Subject, Verb},
    Written,
    numbers::Digits::Han,
};
use crate::lab::{
    problems::{Change, Event, Line},
    world::{Meaning, Phrase},
};

const NAMES: [&str; 16] = [
    "小红", "丽丽", "美玲", "小芳", "秀英", "晓燕", "玉兰", "婷婷", "小明", "大伟", "志强", "建军", "小龙", "文杰",
    "海涛", "子轩",
];
/// Noun, classifier.
const NOUNS: [(&str, &str); 16] = [
    ("猫", "只"),
    ("狗", "只"),
    ("马", "匹"),
    ("鸟", "只"),
    ("鱼", "条"),
    ("牛", "头"),
    ("山羊", "只"),
    ("兔子", "只"),
    ("书", "本"),
    ("香蕉", "根"),
    ("帽子", "顶"),
    ("球", "个"),
    ("杯子", "个"),
    ("篮子", "个"),
    ("灯", "盏"),
    ("钥匙", "把"),
];
const COLOURS: [&str; 6] = ["红色的", "蓝色的", "绿色的", "黄色的", "黑色的", "白色的"];
const PLACES: [&str; 8] =
    ["在村子里", "在城市里", "在森林里", "在市场里", "在学校里", "在花园里", "在城堡里", "在港口"];
const NUMBERS: [&str; 5] = ["一", "两", "三", "四", "五"];

pub(super) fn render(meaning: &Meaning) -> Rendered {
    let number = |what: &Phrase| (Number, NUMBERS[usize::from(what.number) - 1]);
    let classifier = |what: &Phrase| (Classifier, NOUNS[what.noun.index()].1);
    let phrase = |what: &Phrase| [(Colour, COLOURS[what.colour.index()]), (Noun, NOUNS[what.noun.index()].0)];
    match meaning {
        Meaning::Live { who, place } => {
            let place = PLACES[place.index()];
            Rendered::new("。", [(Subject, NAMES[who.index()]), (Verb, "住"), (Place, place)])
        }
        Meaning::Work { who, place } => {
            Rendered::new("。", [(Subject, NAMES[who.index()]), (Place, PLACES[place.index()]), (Verb, "工作")])
        }
        Meaning::Know { who, whom } => {
            Rendered::new("。", [(Subject, NAMES[who.index()]), (Verb, "认识"), (Recipient, NAMES[whom.index()])])
        }
        Meaning::Own { who, what } => {
            let [colour, noun] = phrase(what);
            Rendered::new(
                "。",
                [(Subject, NAMES[who.index()]), (Verb, "有"), number(what), classifier(what), colour, noun],
            )
        }
        Meaning::See { who, what, place } | Meaning::Buy { who, what, place } => {
            let verb = (Verb, if matches!(meaning, Meaning::See { .. }) { "看见" } else { "买" });
            let [colour, noun] = phrase(what);
            let place = (Place, PLACES[place.index()]);
            Rendered::new(
                "。",
                [(Subject, NAMES[who.index()]), place, verb, number(what), classifier(what), colour, noun],
            )
        }
        Meaning::Give { who, what, whom } => {
            let [colour, noun] = phrase(what);
            let to = (Recipient, NAMES[whom.index()]);
            Rendered::new(
                "。",
                [(Subject, NAMES[who.index()]), (Verb, "给"), to, number(what), classifier(what), colour, noun],
            )
        }
        Meaning::At { colour, noun, place } => Rendered::new(
            "。",
            [(Colour, COLOURS[colour.index()]), (Noun, NOUNS[noun.index()].0), (Place, PLACES[place.index()])],
        ),
        Meaning::WhoHas { what } => {
            let [colour, noun] = phrase(what);
            Rendered::new("？", [(Question, "谁"), (Verb, "有"), number(what), classifier(what), colour, noun])
        }
        Meaning::WhereLives { who } => {
            Rendered::new("？", [(Subject, NAMES[who.index()]), (Verb, "住"), (Question, "在哪里")])
        }
        Meaning::Name { who } => Rendered::new("。", [(Subject, NAMES[who.index()])]),
        Meaning::In { place } => Rendered::new("。", [(Place, PLACES[place.index()])]),
    }
}

pub(super) fn tell(line: &Line) -> Written {
    match line {
        Line::Has { who, number, noun } => {
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new("。", [NAMES[who.index()], "有", &Han.write(*number), classifier, noun])
        }
        Line::Happens { who, change: Change { event, amount }, noun } => {
            let (verb, to) = match event {
                Event::Buy => ("买", ""),
                Event::Find => ("找到", ""),
                Event::Give { whom } => ("给", NAMES[whom.index()]),
                Event::Lose => ("弄丢", ""),
            };
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new("。", [NAMES[who.index()], verb, to, &Han.write(*amount), classifier, noun])
        }
        Line::Says { who, number } => Written::new("。", [NAMES[who.index()], "说", &Han.write(*number)]),
        Line::HowMany { who, noun } => {
            let (noun, classifier) = NOUNS[noun.index()];
            Written::new("？", [NAMES[who.index()], "有", "多少", classifier, noun])
        }
        Line::Answer { number } => Written::new("。", ["答案是", &Han.write(*number)]),
        Line::Equation { left, adds, right, result } => Han.equation([*left, *right, *result], *adds, "。"),
    }
}
