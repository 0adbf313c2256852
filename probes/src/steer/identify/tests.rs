use super::*;

fn lab() -> Corpus {
    Corpus::open("lab".as_ref()).unwrap()
}

#[test]
fn the_laboratory_is_told_apart_and_short_pieces_are_harder() {
    let corpus = lab();
    let identifier = Identifier::train(&corpus, &IdentifyParams::default()).unwrap();
    let found = identifier.assess(&corpus);
    let of = |metric: &str, class: &str| {
        found.metric(metric).find(|row| row.language.is_empty() && row.item == class).unwrap().value.unwrap()
    };
    assert!(of("identifier_accuracy", "11-20") > 0.99);
    assert!(of("identifier_accuracy", "1-5") <= of("identifier_accuracy", "11-20"));
    assert!(of("identifier_unsure", "1-5") >= of("identifier_unsure", "11-20"));
    assert!(of("identifier_error", "1-5") < 0.1);
    // Ten languages and all of them, five classes, three metrics.
    assert_eq!(found.rows.iter().filter(|row| row.metric != "identifier_confusion").count(), 165);
}

#[test]
fn too_short_and_too_doubtful_is_unsure() {
    let identifier =
        Identifier::train(&lab(), &IdentifyParams { min_letters: 4, ..IdentifyParams::default() }).unwrap();
    assert_eq!(identifier.verdict("У").language, None);
    assert!(identifier.verdict("У").posterior > 0.99);
    assert_eq!(identifier.verdict("").posterior, 0.0);
    assert_eq!(identifier.verdict("Ελένη").posterior, 0.0);
    let posteriors = identifier.posteriors("tiene");
    assert!((posteriors.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn the_same_text_under_two_names_is_never_identified() {
    let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let english = "The cat sleeps./It rains today./The dog sleeps./I eat bread.";
    let columns = vec![
        ("eng_Latn".to_owned(), lines(english)),
        ("qac_Latn".to_owned(), lines(english)),
        ("rus_Cyrl".to_owned(), lines("Кошка спит./Идёт дождь./Собака спит./Я ем хлеб.")),
    ];
    let corpus = Corpus::from_lines("clone", columns).unwrap();
    let identifier = Identifier::train(&corpus, &IdentifyParams::default()).unwrap();
    let verdict = identifier.verdict("The dog sleeps.");
    assert_eq!((verdict.language, verdict.posterior), (None, 0.5));
    let found = identifier.assess(&corpus);
    assert!(found.notes.iter().any(|note| note.contains("same text in 4 of 4 lines")), "{:?}", found.notes);
    let confused = found.metric("identifier_confusion").find(|row| row.language == "qac_Latn").unwrap();
    assert_eq!((confused.pivot.as_str(), confused.value), ("eng_Latn", Some(1.0)));
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let corpus = |other: &str| {
        let columns = vec![("eng_Latn".to_owned(), lines("a/b/c/d")), ("rus_Cyrl".to_owned(), lines(other))];
        Corpus::from_lines("tiny", columns).unwrap()
    };
    let train =
        |other: &str, params: &IdentifyParams| Identifier::train(&corpus(other), params).unwrap_err().to_string();
    assert!(train("1/2/3/4", &IdentifyParams::default()).contains("rus_Cyrl have no letter"));
    assert!(
        train("а/б/в/г", &IdentifyParams { threshold: 0.0, ..IdentifyParams::default() }).contains("threshold is 0")
    );
}
