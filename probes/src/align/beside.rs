//! What stands beside every alignment: how many tokens a language takes for the same text.

use std::ops::RangeInclusive;

use crate::{measure::Row, source::StateSource};

/// The premium of the languages at these places against each pivot, `tokens of the language / tokens of the pivot` over all sentences without
/// BOS (Petrov et al. 2023): what costs more tokens has more positions to be pooled over and a longer way through the model. Empty where the
/// source does not know its tokens; the probe of the tokenizer says more.
pub fn beside(source: &dyn StateSource, pivots: &[String], languages: RangeInclusive<usize>) -> Vec<Row> {
    let total = |at: usize| Some(source.tokens(at)?.iter().map(Vec::len).sum::<usize>() as f64);
    let all = source.languages();
    let named: Vec<usize> = if pivots.is_empty() {
        (0..all.len()).collect()
    } else {
        pivots.iter().filter_map(|pivot| all.iter().position(|l| l == pivot)).collect()
    };
    let pairs = named.into_iter().flat_map(|pivot| languages.clone().map(move |language| (pivot, language)));
    pairs
        .filter(|(pivot, language)| pivot != language)
        .filter_map(|(pivot, language)| {
            let premium = total(language)? / total(pivot)?;
            Some(Row::new("premium", premium, source.sentences()).of(&all[language]).against(&all[pivot]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::beside;
    use crate::align::LanguageStates;

    #[test]
    fn twice_the_tokens_are_a_premium_of_two() {
        let languages = ["eng_Latn", "hin_Deva"].map(str::to_owned).to_vec();
        let state = array![[1f32, 2.], [3., 4.]];
        let states = LanguageStates::new(languages, vec![0], vec![vec![state.clone()], vec![state]]).unwrap();
        assert!(beside(&states, &[], 0..=1).is_empty());
        let tokens = vec![vec![vec![1], vec![2, 3]], vec![vec![4, 5, 6], vec![7, 8, 9]]];
        let rows = beside(&states.with_tokens(tokens).unwrap(), &["eng_Latn".to_owned()], 0..=1);
        assert_eq!(rows.iter().map(|r| (r.language.as_str(), r.value)).collect::<Vec<_>>(), [("hin_Deva", Some(2.0))]);
    }
}
