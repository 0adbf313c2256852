//! Looks at the machine and says in plain words what is missing, before a run finds it out.

mod machine;
mod places;

use std::path::Path;

use babelscope_core::{hub::Hub, lang};
use serde::Serialize;

use crate::{
    fault::{Fault, Kind},
    fonts,
};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Fine,
    /// Worth knowing; everything that does not need it works.
    Note,
    /// Something will fail, in this way.
    Problem(Kind),
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Note => "note",
            Self::Problem(_) => "problem",
        }
    }
}

impl Serialize for State {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// One line of the examination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
}

impl Finding {
    fn fine(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Fine, found: found.into(), advice: None }
    }

    fn note(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Note, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(check: &'static str, kind: Kind, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Problem(kind), found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything. Nothing is changed, no server is asked, and no token is shown. `runs` is where runs are kept.
pub fn examine(runs: &Path, hub: &Hub) -> Vec<Finding> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut findings = vec![
        machine::program(),
        machine::processor(),
        machine::threads(variable("RAYON_NUM_THREADS").as_deref()),
        machine::memory(),
        machine::gpu(Path::new("/"), cfg!(feature = "cuda")),
        places::cache(hub),
        places::server(hub),
        places::runs(runs),
    ];
    findings.extend(
        [("disk of the runs", runs), ("disk of the models", &hub.cache)].map(|(check, path)| places::disk(check, path)),
    );
    findings.push(faces());
    findings.push(machine::display(std::env::consts::OS, variable));
    findings
}

/// The failure that a shell sees, when there is a problem: of the kind of the first.
pub fn fault(findings: &[Finding]) -> Option<Fault> {
    let mut problems = findings.iter().filter_map(|finding| match finding.state {
        State::Problem(kind) => Some((finding.check, kind)),
        State::Fine | State::Note => None,
    });
    let (first, kind) = problems.next()?;
    let names = problems.fold(first.to_owned(), |names, (check, _)| format!("{names}, {check}"));
    Some(Fault::new(kind, format!("something will fail: {names}")))
}

fn faces() -> Finding {
    let languages = lang::all();
    let mut without: Vec<&str> = languages
        .iter()
        .map(|language| language.script())
        .filter(|script| fonts::of_script(script).is_none_or(|face| harfrust::FontRef::new(face.bytes).is_err()))
        .collect();
    without.sort_unstable();
    without.dedup();
    if without.is_empty() {
        let found = format!("{} faces inside the program draw all {} languages", fonts::FACES.len(), languages.len());
        return Finding::fine("fonts", found);
    }
    let advice = "figures would show boxes for these scripts; the program was not built whole: build it again";
    Finding::problem("fonts", Kind::Bug, format!("no face for {}", without.join(", ")), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_problem_is_the_exit_code_and_notes_are_none() {
        let fine = Finding::fine("a", "");
        let note = Finding::note("b", "", "");
        assert!(fault(&[fine.clone(), note.clone()]).is_none());
        let problem = |check, kind| Finding::problem(check, kind, "", "");
        let fault = fault(&[fine, problem("c", Kind::Io), note, problem("d", Kind::Spec)]).unwrap();
        assert_eq!((fault.kind, fault.to_string().as_str()), (Kind::Io, "something will fail: c, d"));
    }

    #[test]
    fn the_fonts_of_this_build_are_whole() {
        assert_eq!(faces().state, State::Fine);
    }
}
