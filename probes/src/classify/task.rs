//! What is to be told from the states: the language, its script, its family, or labels of the sentences.

use std::collections::BTreeMap;

use babelscope_core::lang;

use super::{ClassifyParams, MEASURE, Target};
use crate::{Error, Result, source::StateSource};

/// A person's labels: one for each line of the corpus, the same in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// What the labels say, for tables and figures: `topic`, `sentiment`.
    pub name: String,
    /// The classes.
    pub classes: Vec<String>,
    /// Class of each sentence, as a place in `classes`.
    pub of_sentence: Vec<u32>,
}

impl Labels {
    /// Labels as lines of text: the classes in the order of their names.
    ///
    /// ```
    /// use babelscope_probes::classify::Labels;
    /// let labels = Labels::new("topic", ["sport", "health", "sport"]);
    /// assert_eq!(labels.classes, ["health", "sport"]);
    /// assert_eq!(labels.of_sentence, [1, 0, 1]);
    /// ```
    pub fn new<T: AsRef<str>>(name: &str, lines: impl IntoIterator<Item = T>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(|line| line.as_ref().trim().to_owned()).collect();
        let (classes, of_sentence) = numbered(&lines);
        Self { name: name.to_owned(), classes, of_sentence }
    }
}

/// The different names in their order, and the place of each name among them.
fn numbered(names: &[String]) -> (Vec<String>, Vec<u32>) {
    let mut places: BTreeMap<&String, u32> = names.iter().map(|name| (name, 0)).collect();
    (0..).zip(places.values_mut()).for_each(|(at, place)| *place = at);
    (places.keys().map(|name| (*name).clone()).collect(), names.iter().map(|name| places[name]).collect())
}

/// One question that probes are trained for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// The variant of its rows.
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) classes: Vec<String>,
    /// Places of the languages that take part.
    pub(crate) languages: Vec<usize>,
    pub(crate) sentences: usize,
    /// Class of each row: the sentences of the first language, then those of the next. `[languages * sentences]`.
    pub(crate) truth: Vec<u32>,
}

impl Task {
    /// The sentence of a row.
    pub(crate) fn sentence(&self, row: usize) -> usize {
        row % self.sentences
    }

    /// The class of each sentence where all languages agree on it, and 0 where classes are languages: folds are dealt within it.
    pub(crate) fn stratum(&self, sentence: usize) -> u32 {
        if self.target == Target::Label { self.truth[sentence] } else { 0 }
    }
}

/// The tasks asked for, checked, and what has to be said of them.
pub(crate) struct Tasks {
    pub(crate) all: Vec<Task>,
    /// Why `language_within_script` is not measured, where it was due.
    pub(crate) no_script: Option<String>,
    pub(crate) notes: Vec<String>,
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: MEASURE, why })
}

impl Tasks {
    pub(crate) fn new(source: &dyn StateSource, labels: Option<&Labels>, params: &ClassifyParams) -> Result<Self> {
        if let Some(why) = params.problem() {
            return refuse(why);
        }
        let found = source.sentences();
        if found < 4 {
            return refuse(format!(
                "at least 4 sentences are needed, got {found}: some train the probe and others test it"
            ));
        }
        let n = if params.max_sentences == 0 { found } else { found.min(params.max_sentences) };
        if n < params.folds {
            return refuse(format!("{} folds need as many sentences, got {n}; ask for fewer folds", params.folds));
        }
        let languages = source.languages();
        let everyone: Vec<usize> = (0..languages.len()).collect();
        let mut tasks = Self { all: Vec::new(), no_script: None, notes: Vec::new() };
        for &target in &params.targets {
            match target {
                Target::Language => {
                    let task = by_language(Target::Language, "language", languages, everyone.clone(), languages, n)?;
                    tasks.all.push(task);
                    tasks.within_script(languages, n)?;
                }
                Target::Script => {
                    let scripts = languages.iter().map(|l| script(l)).collect::<Result<Vec<_>>>()?;
                    tasks.all.push(by_language(target, "script", languages, everyone.clone(), &scripts, n)?);
                }
                Target::Family => {
                    let families = languages.iter().map(|l| family(l)).collect::<Result<Vec<_>>>()?;
                    tasks.all.push(by_language(target, "family", languages, everyone.clone(), &families, n)?);
                }
                Target::Label => tasks.all.push(by_label(labels, everyone.clone(), found, n, params.folds)?),
            }
        }
        if n < found {
            tasks.notes.push(format!("the first {n} of {found} sentences of each language were used (max_sentences)"));
        }
        Ok(tasks)
    }

    /// Languages of the most common script alone: what is left when the letters no longer give a language away.
    fn within_script(&mut self, languages: &[String], n: usize) -> Result<()> {
        let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, language) in languages.iter().enumerate() {
            let Ok(script) = script(language) else { continue };
            members.entry(script).or_default().push(at);
        }
        let most = members.iter().max_by_key(|(_, of)| (of.len(), std::cmp::Reverse(of[0])));
        match most {
            Some((script, of)) if of.len() == languages.len() => self.notes.push(format!(
                "all languages are written in {script}, so language_within_script would be language itself and is left out"
            )),
            Some((script, of)) if of.len() > 1 => {
                let task = by_language(Target::Language, "language_within_script", languages, of.clone(), languages, n)?;
                self.notes.push(format!("language_within_script: the {} languages in {script}", of.len()));
                self.all.push(task);
            }
            _ => {
                self.no_script = Some("no two languages share a script, so none can be told apart within one".to_owned());
            }
        }
        Ok(())
    }
}

/// A task whose classes are the languages, or something that each of them has: `names` has one for every language of the source.
fn by_language(
    target: Target,
    name: &str,
    languages: &[String],
    chosen: Vec<usize>,
    names: &[String],
    sentences: usize,
) -> Result<Task> {
    let own: Vec<String> = chosen.iter().map(|l| names[*l].clone()).collect();
    let (classes, of) =
        if target == Target::Language { (own.clone(), (0..).take(own.len()).collect()) } else { numbered(&own) };
    if classes.len() < 2 {
        return refuse(format!(
            "`{name}` has one class only, {}: all of {} have it, so there is nothing to tell apart; leave it out of `targets`",
            classes.join(""),
            languages.join(", ")
        ));
    }
    let truth = of.iter().flat_map(|class: &u32| std::iter::repeat_n(*class, sentences)).collect();
    Ok(Task { name: name.to_owned(), target, classes, languages: chosen, sentences, truth })
}

fn by_label(labels: Option<&Labels>, languages: Vec<usize>, found: usize, n: usize, folds: usize) -> Result<Task> {
    let Some(Labels { name, classes, of_sentence }) = labels else {
        return refuse("`label` is among the targets but there are no labels; name their file in `labels`".to_owned());
    };
    if of_sentence.len() != found {
        let why = format!(
            "{} labels of `{name}` for {found} sentences; the file needs one line for each line of the corpus",
            of_sentence.len()
        );
        return refuse(why);
    }
    if let Some(line) = of_sentence.iter().position(|class| *class as usize >= classes.len()) {
        return refuse(format!(
            "the label of sentence {} is number {} of {} classes",
            line + 1,
            of_sentence[line],
            classes.len()
        ));
    }
    let mut counts = vec![0usize; classes.len()];
    of_sentence[..n].iter().for_each(|class| counts[*class as usize] += 1);
    let there: Vec<usize> = (0..classes.len()).filter(|class| counts[*class] > 0).collect();
    if let [only] = there[..] {
        return refuse(format!("`{name}` has one class only, {}, so there is nothing to tell apart", classes[only]));
    }
    if let Some(small) = there.iter().find(|class| counts[**class] < folds) {
        return refuse(format!(
            "class {} of `{name}` has {} sentences, fewer than the {folds} folds, so that some folds have none to test; join \
             it with another class or ask for fewer folds",
            classes[*small], counts[*small]
        ));
    }
    let renumbered = |class: u32| there.iter().position(|t| *t == class as usize).unwrap_or_default() as u32;
    let of: Vec<u32> = of_sentence[..n].iter().map(|class| renumbered(*class)).collect();
    Ok(Task {
        name: name.clone(),
        target: Target::Label,
        classes: there.iter().map(|class| classes[*class].clone()).collect(),
        truth: languages.iter().flat_map(|_| of.iter().copied()).collect(),
        languages,
        sentences: n,
    })
}

fn script(language: &str) -> Result<String> {
    match language.split_once('_') {
        Some((_, script)) if !script.is_empty() => Ok(script.to_owned()),
        _ => refuse(format!("{language} names no script; languages are named like eng_Latn")),
    }
}

fn family(language: &str) -> Result<String> {
    match lang::find(language) {
        Some(known) => Ok(known.family.to_owned()),
        None => refuse(format!("the family of {language} is not known; leave `family` out of `targets`")),
    }
}
