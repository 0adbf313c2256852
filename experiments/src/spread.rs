//! What is shown where there is room for few of many: the first of every language, not all of the first language.

use std::collections::{HashMap, HashSet};

use babelscope_probes::cot::hints::Asked;

/// Places of at most `most` things, in their order: as many of each language as there is room for.
pub fn spread<'t, T>(all: &'t [T], language: impl Fn(&'t T) -> &'t str, most: usize) -> Vec<usize> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let rank = |(place, thing): (usize, &'t T)| {
        let count = counts.entry(language(thing)).or_default();
        *count += 1;
        (*count, place)
    };
    let mut ranked: Vec<(usize, usize)> = all.iter().enumerate().map(rank).collect();
    ranked.sort_unstable();
    let mut places: Vec<usize> = ranked.into_iter().take(most).map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}

/// All answers to at most `most` questions, in their order; a question in two languages is two.
pub fn questions(all: &[Asked], most: usize) -> Vec<&Asked> {
    let key = |one: &'_ Asked| (one.language.clone(), one.item.clone());
    let mut seen = HashSet::new();
    let asked: Vec<&Asked> = all.iter().filter(|one| seen.insert(key(one))).collect();
    let chosen: HashSet<_> =
        spread(&asked, |one| &one.language, most).into_iter().map(|place| key(asked[place])).collect();
    all.iter().filter(|one| chosen.contains(&key(one))).collect()
}

#[cfg(test)]
mod tests {
    use babelscope_probes::cot::hints::Asked;

    use super::{questions, spread};

    #[test]
    fn all_answers_to_a_question_are_shown_or_none() {
        let one =
            |language: &str, item: &str| Asked { language: language.into(), item: item.into(), ..Asked::default() };
        let all: Vec<Asked> =
            ["eng", "arb"].iter().flat_map(|code| ["1", "1", "2", "2"].map(|item| one(code, item))).collect();
        let shown: Vec<_> =
            questions(&all, 2).into_iter().map(|one| (one.language.as_str(), one.item.as_str())).collect();
        assert_eq!(shown, [("eng", "1"), ("eng", "1"), ("arb", "1"), ("arb", "1")]);
        assert_eq!(questions(&all, 4).len(), 8);
    }

    #[test]
    fn every_language_is_shown_and_the_order_stays() {
        let all = ["eng", "eng", "eng", "eng", "arb", "arb", "hin"];
        let of = |most| spread(&all, |code| code, most);
        assert_eq!(of(3), [0, 4, 6]);
        assert_eq!(of(5), [0, 1, 4, 5, 6]);
        assert_eq!(of(100), (0..7).collect::<Vec<_>>());
        assert_eq!(of(2), [0, 4]);
        assert_eq!(of(0), [] as [usize; 0]);
    }
}
