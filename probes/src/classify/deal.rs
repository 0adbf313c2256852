//! Who trains and who tests: whole groups of sentences are dealt, so that no translation of a test sentence is trained on.
//!
//! A group is a sentence with all its translations; sentences that have the same tokens in some language are one group, as a copy would
//! straddle training and test as well as a translation does.

use std::collections::HashMap;

use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::{ClassifyParams, Target, task::Task};
use crate::source::StateSource;

/// Folds within the training part, by which the penalty is chosen.
const INNER: usize = 3;

/// Fractions of the groups at which the online code trains again (Voita and Titov 2020, section 3.2).
const FRACTIONS: [f64; 11] = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0];

/// The group of each of the first `n` sentences, named by its first member.
pub(crate) fn groups(source: &dyn StateSource, n: usize) -> Vec<u32> {
    let mut group: Vec<u32> = (0..).take(n).collect();
    for language in 0..source.languages().len() {
        let Some(tokens) = source.tokens(language) else { continue };
        let mut first: HashMap<&[u32], usize> = HashMap::new();
        for (i, sentence) in tokens.iter().take(n).enumerate() {
            let j = *first.entry(sentence).or_insert(i);
            let (a, b) = (group[i].min(group[j]), group[i].max(group[j]));
            if a != b {
                group.iter_mut().filter(|g| **g == b).for_each(|g| *g = a);
            }
        }
    }
    group
}

/// A random fold for each of these sentences: whole groups, as evenly as they come, within each stratum.
fn deal(sentences: &[usize], groups: &[u32], task: &Task, folds: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut heads: Vec<(u32, u32)> =
        sentences.iter().map(|i| (task.stratum(groups[*i] as usize), groups[*i])).collect();
    heads.sort_unstable();
    heads.dedup();
    heads.shuffle(rng);
    heads.sort_by_key(|(stratum, _)| *stratum);
    let fold_of: HashMap<u32, u32> =
        heads.iter().zip(0..).map(|((_, group), at)| (*group, at % folds as u32)).collect();
    sentences.iter().map(|i| fold_of[&groups[*i]]).collect()
}

/// Who trains and who tests in one fit, and by which folds the penalty is chosen.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    /// Sentences.
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
    /// Inner fold of each of `train`; all 0 where one group trains and nothing can be chosen.
    pub(crate) inner: Vec<u32>,
}

impl Split {
    fn new(train: Vec<usize>, test: Vec<usize>, groups: &[u32], task: &Task, rng: &mut ChaCha8Rng) -> Self {
        let inner = deal(&train, groups, task, INNER, rng);
        Self { train, test, inner }
    }
}

/// All that is random in a task, drawn once: every layer is measured on the same.
pub(crate) struct Deal {
    /// One for each fold.
    pub(crate) folds: Vec<Split>,
    /// The same without groups: fold of each row, so that every sentence of a test is trained on in other languages.
    pub(crate) control_fold: Vec<u32>,
    /// Label of the control task of each row.
    pub(crate) control: Vec<u32>,
    /// Classes of the rows, shuffled.
    pub(crate) shuffled: Vec<Vec<u32>>,
    /// The blocks of the online code: trained on all before, tested on the next.
    pub(crate) blocks: Vec<Split>,
}

impl Deal {
    pub(crate) fn new(task: &Task, groups: &[u32], params: &ClassifyParams, seed: u64) -> Self {
        let stream = |number: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        let n = task.sentences;
        let everyone: Vec<usize> = (0..n).collect();
        let mut rng = stream(1);
        let fold_of = deal(&everyone, groups, task, params.folds, &mut rng);
        let folds = (0..params.folds as u32).map(|fold| {
            let (test, train) = everyone.iter().partition(|i| fold_of[**i] == fold);
            Split::new(train, test, groups, task, &mut rng)
        });
        let folds = folds.collect();
        let (control, control_fold) = control(task, params.folds, &mut stream(2));
        let mut rng = stream(3);
        let shuffled = (0..params.shuffles).map(|_| shuffle(task, &mut rng)).collect();
        let blocks = if params.online_code { blocks(task, groups, &mut stream(4)) } else { Vec::new() };
        Self { folds, control_fold, control, shuffled, blocks }
    }
}

/// A random label for each sentence, the same in all its languages, drawn from the labels that there are (Hewitt and Liang 2019, with
/// the sentence in the place of the word type).
fn control(task: &Task, folds: usize, rng: &mut ChaCha8Rng) -> (Vec<u32>, Vec<u32>) {
    let n = task.sentences;
    let of: Vec<u32> = (0..n).map(|_| task.truth[rng.random_range(0..task.truth.len() as u64) as usize]).collect();
    let start: Vec<u32> = (0..n).map(|_| rng.random_range(0..folds as u32)).collect();
    let rows = 0..task.truth.len();
    let fold = rows.clone().map(|row| (start[row % n] + (row / n) as u32) % folds as u32).collect();
    (rows.map(|row| of[row % n]).collect(), fold)
}

/// Classes of languages change places within each sentence; labels of sentences change places between sentences.
fn shuffle(task: &Task, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let (n, languages) = (task.sentences, task.languages.len());
    let mut out = task.truth.clone();
    if task.target == Target::Label {
        let mut of = task.truth[..n].to_vec();
        of.shuffle(rng);
        out.iter_mut().enumerate().for_each(|(row, class)| *class = of[row % n]);
    } else {
        for i in 0..n {
            let mut of: Vec<u32> = (0..languages).map(|l| task.truth[l * n + i]).collect();
            of.shuffle(rng);
            of.into_iter().enumerate().for_each(|(l, class)| out[l * n + i] = class);
        }
    }
    out
}

fn blocks(task: &Task, groups: &[u32], rng: &mut ChaCha8Rng) -> Vec<Split> {
    let mut heads = groups.to_vec();
    heads.sort_unstable();
    heads.dedup();
    heads.shuffle(rng);
    let place: HashMap<u32, usize> = heads.iter().copied().zip(0..).collect();
    let mut ends: Vec<usize> = FRACTIONS.iter().map(|f| ((f * heads.len() as f64).ceil() as usize).max(1)).collect();
    ends.dedup();
    let of = |from: usize, to: usize| -> Vec<usize> {
        (0..groups.len()).filter(|i| (from..to).contains(&place[&groups[*i]])).collect()
    };
    let mut blocks = vec![Split { train: Vec::new(), test: of(0, ends[0]), inner: Vec::new() }];
    blocks.extend(ends.windows(2).map(|end| Split::new(of(0, end[0]), of(end[0], end[1]), groups, task, rng)));
    blocks
}
