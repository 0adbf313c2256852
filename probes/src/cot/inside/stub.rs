//! What is put behind a trace so that an answer follows: a sentence in the language of the trace, or nothing but the opened box.

use babelscope_core::engine::Engine;

use super::Candidate;
use crate::Result;

/// Opens the box in every language.
pub const RAW_STUB: &str = "\\boxed{";

/// "The final answer is" in some languages, written by hand.
const SENTENCES: [(&str, &str); 21] = [
    ("arb_Arab", "الجواب النهائي هو"),
    ("ben_Beng", "চূড়ান্ত উত্তর হল"),
    ("deu_Latn", "Die endgültige Antwort ist"),
    ("ell_Grek", "Η τελική απάντηση είναι"),
    ("eng_Latn", "The final answer is"),
    ("fra_Latn", "La réponse finale est"),
    ("hin_Deva", "अंतिम उत्तर है"),
    ("ind_Latn", "Jawaban akhirnya adalah"),
    ("ita_Latn", "La risposta finale è"),
    ("jpn_Jpan", "最終的な答えは"),
    ("kor_Hang", "최종 답은"),
    ("por_Latn", "A resposta final é"),
    ("rus_Cyrl", "Окончательный ответ:"),
    ("spa_Latn", "La respuesta final es"),
    ("swh_Latn", "Jibu la mwisho ni"),
    ("tel_Telu", "తుది సమాధానం"),
    ("tha_Thai", "คำตอบสุดท้ายคือ"),
    ("tur_Latn", "Nihai cevap:"),
    ("vie_Latn", "Đáp án cuối cùng là"),
    ("zho_Hans", "最终答案是"),
    ("zho_Hant", "最終答案是"),
];

/// The stub of a language, the box opened; `None` where there is none, and then [`RAW_STUB`] is what speaks no language.
///
/// ```
/// use babelscope_probes::cot::inside::stub;
/// assert_eq!(stub("eng_Latn").as_deref(), Some("The final answer is \\boxed{"));
/// assert_eq!(stub("zxx_Zyyy"), None);
/// ```
pub fn stub(language: &str) -> Option<String> {
    let (_, sentence) = SENTENCES.iter().find(|(code, _)| *code == language)?;
    // These are written without spaces between words.
    let space = if matches!(language, "jpn_Jpan" | "tha_Thai" | "zho_Hans" | "zho_Hant") { "" } else { " " };
    Some(format!("{sentence}{space}{RAW_STUB}"))
}

/// The stub of a language, or [`RAW_STUB`].
pub fn stub_or_raw(language: &str) -> String {
    stub(language).unwrap_or_else(|| RAW_STUB.to_owned())
}

/// A stub as tokens, and the answers that can be told apart behind it. An answer is cut from stub and answer tokenised together, so that
/// its tokens are those that would really come; one whose tokens begin within the stub, or are those of an answer before it, is left out.
///
/// # Errors
/// What the tokenizer refuses.
pub fn answers_behind(engine: &Engine, stub: &str, answers: &[String]) -> Result<(Vec<u32>, Vec<Candidate>)> {
    let tokenizer = engine.tokenizer();
    let begin = tokenizer.encode_plain(stub)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for text in answers {
        let whole = if stub.ends_with('{') { format!("{stub}{text}}}") } else { format!("{stub} {text}") };
        let joint = tokenizer.encode_plain(&whole)?;
        // Scripts without spaces between words have none here either.
        let joint = if joint.starts_with(&begin) { joint } else { tokenizer.encode_plain(&format!("{stub}{text}"))? };
        if joint.starts_with(&begin) && joint.len() > begin.len() {
            let ids = joint[begin.len()..].to_vec();
            if candidates.iter().all(|other| other.ids != ids) {
                candidates.push(Candidate { name: text.clone(), ids });
            }
        }
    }
    Ok((begin, candidates))
}

#[cfg(test)]
mod tests {
    use babelscope_core::lang;

    use super::{RAW_STUB, SENTENCES, stub};
    use crate::cot::{Kind, anchors, reads_answers, steps};

    #[test]
    fn the_languages_are_known_and_stand_once() {
        assert!(SENTENCES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(SENTENCES.iter().all(|(code, _)| lang::find(code).is_some()));
    }

    /// Italian, Portuguese and Greek stubs were asked with and their answers never read.
    #[test]
    fn what_the_program_asks_with_it_also_reads() {
        for (language, _) in SENTENCES {
            let asked = stub(language).unwrap();
            let told = asked.trim_end_matches(RAW_STUB);
            for text in
                [format!("{told}29."), format!("3 + 4 = 7. {told}29"), format!("{told}-29\n"), format!("{asked}29}}")]
            {
                let (found, _) = anchors(&text, &steps(&text), language);
                let answer =
                    found.iter().find(|anchor| anchor.kind == Kind::Answer).and_then(|answer| answer.value.clone());
                let wanted = if text.contains('-') { -29 } else { 29 };
                assert_eq!(answer, Some(wanted.into()), "{text}");
            }
            assert!(reads_answers(language));
        }
    }
}
