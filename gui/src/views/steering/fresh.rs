//! Which tokens of an answer are not in the plain one: what a longest common subsequence of both leaves.

/// Whether each token of `other` is outside of the longest common subsequence with `plain`; of several, the one that goes on longest from
/// the beginning.
pub(super) fn fresh(plain: &[u32], other: &[u32]) -> Vec<bool> {
    let (n, m) = (plain.len(), other.len());
    // `length[i][j]` of what lies behind i in the one and j in the other.
    let mut length = vec![vec![0u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            length[i][j] = match plain[i] == other[j] {
                true => length[i + 1][j + 1] + 1,
                false => length[i + 1][j].max(length[i][j + 1]),
            };
        }
    }
    let mut fresh = vec![true; m];
    let (mut i, mut j) = (0, 0);
    while i < n && j < m {
        if plain[i] == other[j] {
            fresh[j] = false;
            (i, j) = (i + 1, j + 1);
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answer_has_nothing_fresh_and_another_one_is_all_fresh() {
        assert_eq!(fresh(&[1, 2, 3], &[1, 2, 3]), [false; 3]);
        assert_eq!(fresh(&[1, 2], &[3, 4, 5]), [true; 3]);
        assert_eq!(fresh(&[], &[7]), [true]);
        assert_eq!(fresh(&[7], &[]), Vec::<bool>::new());
    }

    #[test]
    fn a_word_more_does_not_mark_what_comes_behind_it() {
        assert_eq!(fresh(&[1, 2, 3, 4], &[1, 9, 2, 3, 4]), [false, true, false, false, false]);
        assert_eq!(fresh(&[1, 2, 3, 4], &[1, 4]), [false, false]);
        assert_eq!(fresh(&[1, 2, 3], &[3, 1, 2]), [true, false, false]);
    }
}
