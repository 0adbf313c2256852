use proptest::prelude::*;

use super::*;

/// Splits a text at its bars, and checks that the steps are just these.
fn golden(marked: &str) {
    let wanted: Vec<&str> = marked.split('|').collect();
    let text = wanted.concat();
    let found: Vec<&str> = steps(&text).into_iter().map(|step| text.get(step.span).unwrap()).collect();
    assert_eq!(found, wanted);
}

#[test]
fn english() {
    golden(
        "Tom has 3.5 kg of rice. |He buys 2 bags of 1,200 g each. |5 + 6 = 11. |So he now has approx. 11 bags. |The answer is 11.",
    );
    golden(
        "Is $x = 3. 5$ right? |Yes! It is, i.e. it works, see No. 5 of the list. |(As Mr. Hill said.) |Then we add 7.",
    );
    golden(
        "1. First add the two numbers. |2. Then take half of the sum.\n|**3.** Write down what is left.\n\n|Done with it: 12.",
    );
}

#[test]
fn spanish() {
    golden(
        "Ana tenía 12 libros. |¿Cuántos libros tiene ahora? |¡Compró 5 más! |Entonces 12 + 5 = 17. |La Sra. Ruiz compró 1.234,5 kg.",
    );
}

#[test]
fn russian() {
    golden(
        "У Анны было 12 книг. |Она купила ещё 5, т. е. стало больше. |Значит, 12 + 5 = 17. |Сколько это стоит? |Ответ: 17 книг.",
    );
}

#[test]
fn chinese() {
    golden("小明有十二本书。|他又买了3.5公斤苹果！|现在有多少？|对了，12 + 5 = 17。|答案是17。");
    golden("他说：“我有五个球。”|后来他又买了两个。|所以是七个。");
}

#[test]
fn japanese() {
    golden("ロジャーは5個のボールを持っています。|「2缶買いました。」|それぞれ3個入りです。|5+6=11。|答えは11です。");
}

#[test]
fn korean() {
    golden("민수는 책 12권을 가지고 있습니다. |책을 3.5권 더 샀나요? |12 + 5 = 17입니다. |따라서 답은 17입니다.");
}

#[test]
fn thai() {
    golden("สมชายมีลูกบอล 5 ลูก |เขาซื้อเพิ่มอีก 2 กระป๋อง |ดังนั้น ตอนนี้มี 5 + 6 = 11 ลูก\n|คำตอบคือ 11 ลูก");
}

#[test]
fn hindi() {
    golden("राम के पास 12 किताबें हैं। |उसने 5 और खरीदीं। |अब कितनी किताबें हैं? |12 + 5 = 17। |उत्तर 17 है।");
    let piped = "यह पहला वाक्य है | यह दूसरा वाक्य है।";
    assert_eq!(steps(piped).len(), 2);
}

#[test]
fn bengali() {
    golden("রহিমের 12টি বই আছে। |সে আরও 5টি কিনেছে। |মোট 12 + 5 = 17টি বই। |উত্তর হল 17।");
}

#[test]
fn arabic() {
    golden("كان لدى سامي ١٢ كتابًا. |اشترى ٣٫٥ كيلو من التفاح. |كم كتابًا لديه الآن؟ |إذن ١٢ + ٥ = ١٧. |الجواب هو ١٧.");
}

#[test]
fn swahili() {
    golden("Asha ana vitabu 12. |Alinunua vingine 5 sokoni. |12 + 5 = 17. |Je, ana vitabu vingapi sasa? |Jibu ni 17.");
}

#[test]
fn telugu() {
    golden("రాము దగ్గర 12 పుస్తకాలు ఉన్నాయి. |అతను మరో 5 కొన్నాడు. |మొత్తం 12 + 5 = 17. |సమాధానం 17.");
}

#[test]
fn hebrew_and_amharic() {
    golden("לדן היו 12 ספרים. |הוא קנה עוד 5 ספרים. |לכן 12 + 5 = 17. |התשובה היא 17.");
    golden("አበበ 12 መጻሕፍት አሉት። |ሌላ 5 መጻሕፍት ገዛ። |ስንት መጻሕፍት አሉት? |መልሱ 17 ነው።");
}

#[test]
fn other_terminators() {
    golden("Է 12 գիրք ունի։ |Նա գնեց եւս 5 հատ։");
    golden("សុខមានសៀវភៅ ១២ ក្បាល។ |គាត់ទិញ ៥ ទៀត។");
    golden("မောင်မောင်မှာ စာအုပ် ၁၂ အုပ်ရှိသည်။ |နောက်ထပ် ၅ အုပ်ဝယ်သည်။");
    golden("اس کے پاس 12 کتابیں ہیں۔ |اب کتنی ہیں؟ |کل سترہ ہیں۔");
    golden("Πόσα βιβλία έχει τώρα; |Έχει 17 βιβλία συνολικά.");
    golden("Ẅë ḣäṽë ẗẅëļṽë ḃööķş· |Ṅöẅ ẅë ḣäṽë şëṽëṅ ḃööķş·".replace('ẗ', "ţ").as_str());
}

#[test]
fn mathematics_and_code_are_never_cut() {
    golden("We have $$a = 1. B = 2.\nC = 3.$$ and so on. |Then \\(x. Y\\) and \\[p.\nQ.\\] follow.");
    golden("Now run this:\n|```\nx = 1.\nY = 2.\n\nprint(x)\n```\n|It prints `a. B` at the end.");
    golden("Hence \\(5 + 6 = 11.\\) |So the total is $11.$ |Therefore **it is 11.** |We are done.");
    golden("Unbalanced $x = 1. Y = 2\nand more. Still here.\n\n|The next paragraph. |It is cut again.");
    golden("We know that n! = 120 holds. |So n is 5 then.");
    golden("She has $23. |She spends $5. |He has $7 left over.");
}

#[test]
fn the_short_is_merged() {
    golden("So. Then. Well now we go on. |It is done. Yes.");
    golden("好。现在我们开始。|三七二十一。");
    assert_eq!(steps(" \n\t"), []);
    assert_eq!(steps(""), []);
    assert_eq!(steps("7").len(), 1);
}

#[test]
fn a_giant_line_takes_linear_time() {
    let lines = [
        "word ".repeat(200_000),
        "5 + 6 = 11. ".repeat(80_000),
        "$5 and ".repeat(140_000),
        "(".repeat(1 << 20),
        "`".repeat(1 << 20),
        "\\(".repeat(1 << 19),
        "....".repeat(1 << 18),
        ". a".repeat(1 << 18),
        "ก ".repeat(1 << 18),
        "\\begin{a}".repeat(1 << 16),
        "\n \n".repeat(1 << 18),
    ];
    for line in lines {
        let started = std::time::Instant::now();
        let cut = steps(&line);
        // A busy machine takes a second; what is quadratic takes minutes.
        assert!(started.elapsed().as_secs_f64() < 30.0, "{:?}: {:?}", &line[..12], started.elapsed());
        assert!(cut.is_empty() || cut.last().unwrap().span.end == line.len());
    }
}

proptest! {
    #[test]
    fn steps_tile_every_text(text in "([a-zé三คह०-९。।.?! \n$`\\\\(){}0-9=+-]|\\$\\$|\\\\\\[|```|\u{202e}){0,80}") {
        let cut = steps(&text);
        prop_assert_eq!(cut.is_empty(), text.trim().is_empty());
        let mut at = 0;
        for step in &cut {
            prop_assert_eq!(step.span.start, at);
            prop_assert!(step.span.end > at && text.is_char_boundary(step.span.end));
            at = step.span.end;
        }
        prop_assert!(cut.is_empty() || at == text.len());
        for region in regions(&text) {
            prop_assert!(cut.iter().all(|step| step.span.end <= region.span.start || step.span.end >= region.span.end));
        }
    }
}
