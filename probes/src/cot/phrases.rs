//! Words by which a trace names its steps and its answer, in the languages at hand.

use super::locale::Locale;

/// The words of a language.
#[derive(Debug)]
pub(super) struct Phrases {
    code: &'static str,
    /// "Step", before or after its number.
    steps: &'static str,
    /// "Answer".
    answers: &'static str,
    /// What may stand between "answer" and what it is; also what may be joined to the word itself.
    links: &'static str,
    /// "And", between the numbers of several steps.
    ands: &'static str,
    /// "Of", between a percentage and what it is taken of.
    of: &'static str,
}

const PHRASES: &[Phrases] = &[
    Phrases {
        code: "eng",
        steps: "step steps",
        answers: "answer",
        links: "is are equals be final therefore thus so then",
        ands: "and or to",
        of: "of",
    },
    Phrases {
        code: "spa",
        steps: "paso pasos",
        answers: "respuesta solución",
        links: "es son final la el entonces correcta",
        ands: "y e o",
        of: "de del",
    },
    Phrases {
        code: "rus",
        steps: "шаг шага шагу шаге шагом шаги шагов шагах",
        answers: "ответ",
        links: "это равен равно составляет есть окончательный",
        ands: "и или",
        of: "от из",
    },
    Phrases {
        code: "arb",
        steps: "الخطوة خطوة الخطوات الخطوتين",
        answers: "الجواب الإجابة الاجابة جواب إجابة والجواب والإجابة فالجواب فالإجابة",
        links: "هو هي النهائي النهائية إذن الصحيح الصحيحة",
        ands: "و أو",
        of: "من",
    },
    Phrases {
        code: "hin",
        steps: "चरण चरणों कदम स्टेप",
        answers: "उत्तर जवाब",
        links: "है हैं होगा यह अंतिम अतः",
        ands: "और या",
        of: "का के की",
    },
    Phrases {
        code: "zho",
        steps: "步骤 步驟 步",
        answers: "答案 答",
        links: "是 为 為 就是 应为 等于 应该是 最终",
        ands: "和 与 及 或",
        of: "的",
    },
    Phrases {
        code: "tha",
        steps: "ขั้นตอนที่ ขั้นตอน ขั้นที่ ขั้น",
        answers: "คำตอบ",
        links: "คือ เป็น เท่ากับ สุดท้าย สุดท้ายคือ ที่ได้คือ",
        ands: "และ กับ หรือ",
        of: "ของ",
    },
    Phrases {
        code: "swh",
        steps: "hatua",
        answers: "jibu",
        links: "ni la mwisho ya",
        ands: "na au",
        of: "ya la wa za",
    },
    Phrases {
        code: "fra",
        steps: "étape étapes",
        answers: "réponse",
        links: "est sont finale la donc vaut",
        ands: "et ou",
        of: "de du des",
    },
    Phrases {
        code: "deu",
        steps: "schritt schritte schritten schrittes",
        answers: "antwort ergebnis lösung",
        links: "ist lautet sind beträgt also daher somit",
        ands: "und oder",
        of: "von der des",
    },
    Phrases {
        code: "jpn",
        steps: "ステップ 手順 段階",
        answers: "答え 答 解答 正解 回答",
        links: "は が え えは えが 的な です",
        ands: "と や",
        of: "の",
    },
    Phrases {
        code: "kor",
        steps: "단계 단계에서 단계의 단계와 단계로",
        answers: "답 정답 답변",
        links: "은 는 이 가 따라서",
        ands: "와 과 및",
        of: "의",
    },
    Phrases {
        code: "ben",
        steps: "ধাপ ধাপে ধাপের",
        answers: "উত্তর উত্তরটি",
        links: "হল হলো হচ্ছে চূড়ান্ত",
        ands: "এবং ও",
        of: "এর",
    },
    Phrases {
        code: "tel", steps: "దశ అడుగు దశలో", answers: "సమాధానం జవాబు", links: "ఇది అంటే తుది", ands: "మరియు", of: "లో"
    },
    Phrases {
        code: "ind",
        steps: "langkah",
        answers: "jawaban jawabannya jawapan jawapannya",
        links: "adalah ialah akhir akhirnya yaitu iaitu",
        ands: "dan atau",
        of: "dari daripada",
    },
    Phrases {
        code: "vie",
        steps: "bước",
        answers: "đáp",
        links: "là cuối cùng của bài toán án số",
        ands: "và hoặc",
        of: "của",
    },
    Phrases {
        code: "tur",
        steps: "adım adımda adımdan adımlar adımdaki",
        answers: "cevap cevabı yanıt sonuç",
        links: "olarak ise nihai şudur",
        ands: "ve veya",
        of: "",
    },
    Phrases {
        code: "amh", steps: "ደረጃ", answers: "መልስ መልሱ መልሱም", links: "ነው", ands: "እና", of: ""
    },
    Phrases {
        code: "heb",
        steps: "שלב צעד משלב בשלב מצעד",
        answers: "תשובה התשובה תשובתנו",
        links: "היא הוא הסופית לכן",
        ands: "ו",
        of: "מתוך",
    },
];

/// English letters and stops and, at the same place, those of the laboratory's clone `qec_Latn` (experiments/src/lab/languages/qec.rs).
const ENGLISH: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.?";
const CLONE: &str = "äḃçḋëḟġḣïĵķļṁṅöṗɋŗşţüṽẅẋÿżÄḂÇḊËḞĠḢÏĴĶĻṀṄÖṖɊŖŞŢÜṼẄẊŸŻ·‽";

/// A text of English as the clone writes it.
pub(super) fn shifted(english: &str) -> String {
    exchange(english, ENGLISH, CLONE)
}

fn unshifted(clone: &str) -> String {
    exchange(clone, CLONE, ENGLISH)
}

fn exchange(text: &str, from: &str, to: &str) -> String {
    text.chars().map(|c| from.chars().zip(to.chars()).find(|(a, _)| *a == c).map_or(c, |(_, b)| b)).collect()
}

/// The phrases of a trace: those of its language, and English ones, which models mix in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    own: Option<&'static Phrases>,
    english: &'static Phrases,
    clone: bool,
}

fn has(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word)
}

impl Spoken {
    pub(super) fn of(locale: Locale) -> Self {
        let code = match locale.code {
            "zsm" => "ind",
            "yue" => "zho",
            code => code,
        };
        let own = PHRASES.iter().find(|phrases| phrases.code == code && code != "eng");
        Self { own, english: &PHRASES[0], clone: code == "qec" }
    }

    /// Whether any of the languages lets `test` hold for the word (of the clone, as English writes it).
    fn any(self, word: &str, test: impl Fn(&Phrases, &str) -> bool) -> bool {
        if self.clone {
            return test(self.english, &unshifted(word));
        }
        // l'étape
        let word = word.rsplit(['\'', '’']).next().unwrap_or(word);
        self.own.is_some_and(|own| test(own, word)) || test(self.english, word)
    }

    /// "Step": the whole word, or, in scripts without spaces, its end.
    pub(super) fn step(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            has(phrases.steps, word)
                || (phrases.unspaced() && phrases.steps.split_whitespace().any(|step| word.ends_with(step)))
        })
    }

    /// "Step" as it stands behind its number: 第3步, 3단계, 3. adım. Elsewhere a number before "step" counts steps.
    pub(super) fn step_behind(self, word: &str) -> bool {
        self.own.is_some_and(|phrases| {
            matches!(phrases.code, "zho" | "jpn" | "kor" | "tur")
                && phrases.steps.split_whitespace().any(|step| word.starts_with(step))
        })
    }

    /// Whether a number before "step" names one without being an ordinal: 3단계, and 3. adım with its full stop.
    pub(super) fn counts_behind(self, dot: bool) -> bool {
        self.own.is_some_and(|phrases| phrases.code == "kor" || (phrases.code == "tur" && dot))
    }

    /// "Answer", perhaps joined to what links it: คำตอบคือ, 答案是, 답은.
    pub(super) fn answer(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            phrases.answers.split_whitespace().any(|answer| {
                let found = if phrases.unspaced() { word.rfind(answer) } else { word.starts_with(answer).then_some(0) };
                found.is_some_and(|at| {
                    let behind = &word[at + answer.len()..];
                    behind.is_empty() || has(phrases.links, behind)
                })
            })
        })
    }

    /// What may stand between "answer" and what it is.
    pub(super) fn link(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.links, word) || has(phrases.answers, word))
    }

    pub(super) fn and(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.ands, word))
    }

    pub(super) fn of_which(self, word: &str) -> bool {
        self.any(word, |phrases, word| has(phrases.of, word))
    }

    /// Whether "of" stands behind the whole: 50 का 20%, 50的20%.
    pub(super) fn whole_first(self) -> bool {
        self.own.is_some_and(|own| matches!(own.code, "hin" | "zho" | "jpn" | "kor" | "ben" | "tel"))
    }

    /// A small word, which is never a unit.
    pub(super) fn small(self, word: &str) -> bool {
        self.any(word, |phrases, word| {
            has(phrases.ands, word) || has(phrases.links, word) || (has(phrases.of, word) && !phrases.unspaced())
        })
    }
}

impl Phrases {
    fn unspaced(&self) -> bool {
        matches!(self.code, "zho" | "jpn" | "tha")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(language: &str) -> Spoken {
        Spoken::of(Locale::of(language))
    }

    #[test]
    fn the_clone_is_english_with_other_letters() {
        assert_eq!(shifted("Answer."), "Äṅşẅëŗ·");
        assert!(spoken("qec_Latn").answer(&shifted("answer")) && spoken("qec_Latn").step(&shifted("step")));
        assert!(!spoken("eng_Latn").answer(&shifted("answer")));
    }

    #[test]
    fn answers_and_steps_are_known_in_every_language_and_english_everywhere() {
        assert_eq!(PHRASES.len(), 19);
        for phrases in PHRASES {
            let spoken = spoken(phrases.code);
            assert!(phrases.answers.split_whitespace().all(|word| spoken.answer(word)), "{}", phrases.code);
            assert!(phrases.steps.split_whitespace().all(|word| spoken.step(word)), "{}", phrases.code);
            assert!(spoken.answer("answer"));
        }
        assert!(spoken("zho_Hans").answer("所以答案是") && spoken("tha_Thai").answer("คำตอบคือ"));
        assert!(spoken("kor_Hang").answer("답은") && !spoken("kor_Hang").answer("답답하다"));
        assert!(spoken("zho_Hans").step_behind("步中") && !spoken("eng_Latn").step_behind("step"));
    }
}
