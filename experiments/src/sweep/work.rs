//! Does the shards of a sweep, in any number of processes at once.

use std::{collections::BTreeMap, fs, sync::Arc};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::{Monitor, Tick},
    store::{self, State, publish},
};
use babelscope_probes::lens::TokenSets;
use serde::Serialize;

use super::{
    analyse::{self, Held},
    bundle::Phase,
    extract,
    folder::Sweep,
    plan::{Shard, Stage},
    record,
};
use crate::{
    fault::{self, Fault, Kind},
    manifest::now,
    run::{Workbench, workbench::token_sets},
};

/// Which shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Of one phase; `None` is both, one after the other.
    pub phase: Option<Phase>,
    /// Of one bundle of the phase.
    pub bundle: Option<usize>,
}

impl Selection {
    /// Everything.
    pub const ALL: Self = Self { phase: None, bundle: None };

    fn holds(&self, shard: &Shard) -> bool {
        self.phase.is_none_or(|phase| Phase::of(shard.stage) == phase) && self.bundle.is_none_or(|b| shard.bundle == b)
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Computed here.
    pub computed: usize,
    /// Done by another process in the meantime, with the same bytes.
    pub twins: usize,
    /// Done before.
    pub skipped: usize,
    /// Damaged ones that were moved to quarantine and computed again.
    pub repaired: usize,
    /// Keys that failed, with the sentence.
    pub failed: Vec<(String, String)>,
}

/// failed/KEY.N.json.
#[derive(Serialize)]
struct Failure<'a> {
    key: &'a str,
    shard: &'a Shard,
    error: &'a str,
    exit_code: u8,
    host: String,
    when: String,
}

/// What stays loaded from one shard to the next.
#[derive(Default)]
struct Loaded {
    corpus: Option<Corpus>,
    sets: BTreeMap<String, TokenSets>,
    held: Held,
}

impl Sweep {
    /// Computes the shards of `selection` that are not done. A shard that fails is recorded, and the others go on; so does the
    /// work of another process in the same folder.
    ///
    /// # Errors
    /// What concerns all shards: the wish to stop, a full disk, sentences or a model that are not those of the plan.
    pub fn work(&self, bench: &mut Workbench, selection: Selection, monitor: &Monitor) -> Result<Summary> {
        let mut summary = Summary::default();
        let mut loaded = Loaded::default();
        let chosen: Vec<&Shard> = self.shards.iter().filter(|shard| selection.holds(shard)).collect();
        if chosen.is_empty() {
            return match selection {
                Selection { bundle: Some(bundle), .. } => {
                    Err(Fault::new(Kind::Missing, format!("the plan has no bundle {bundle} in this phase")).into())
                }
                _ => Ok(summary),
            };
        }
        for phase in Phase::ALL {
            let chosen: Vec<&Shard> = chosen.iter().copied().filter(|shard| Phase::of(shard.stage) == phase).collect();
            self.phase(bench, phase, &chosen, &mut loaded, &mut summary, monitor)?;
        }
        Ok(summary)
    }

    fn phase(
        &self,
        bench: &mut Workbench,
        phase: Phase,
        chosen: &[&Shard],
        loaded: &mut Loaded,
        summary: &mut Summary,
        monitor: &Monitor,
    ) -> Result<()> {
        let (what, unit) = match phase {
            Phase::Extract => ("capturing", "sentences"),
            Phase::Probe => ("measuring", "analyses"),
        };
        // What is done already is not part of the bar, so that rate and time left are those of the work.
        let mut open = Vec::new();
        for shard in chosen {
            match self.state(shard) {
                State::Done => summary.skipped += 1,
                State::Missing => open.push(*shard),
                State::Damaged(_) => {
                    self.quarantine(shard)?;
                    summary.repaired += 1;
                    open.push(*shard);
                }
            }
        }
        let steps = |shard: &Shard| shard.lines.max(1);
        let total: usize = open.iter().map(|shard| steps(shard)).sum();
        let mut done = 0;
        for shard in open {
            monitor.tick(Tick { what, done, total, unit })?;
            // Another process may have come here first.
            if self.state(shard) == State::Done {
                summary.skipped += 1;
            } else {
                match self.one(bench, shard, loaded, &monitor.within(what, done, total)) {
                    Ok(true) => summary.computed += 1,
                    Ok(false) => summary.twins += 1,
                    Err(error) if concerns_all(&error) => return Err(error),
                    Err(error) => {
                        self.fail(shard, &error)?;
                        summary.failed.push((shard.key.clone(), format!("{error:#}")));
                    }
                }
            }
            done += steps(shard);
        }
        if total > 0 {
            monitor.tick(Tick { what, done, total, unit })?;
        }
        Ok(())
    }

    /// Computes one shard; `false`: a twin was first.
    fn one(&self, bench: &mut Workbench, shard: &Shard, loaded: &mut Loaded, monitor: &Monitor) -> Result<bool> {
        let model = self.model(&shard.model)?;
        if loaded.corpus.is_none() {
            loaded.corpus = Some(self.corpus().map_err(for_all)?);
        }
        let Some(corpus) = &loaded.corpus else { return Ok(false) };
        match shard.stage {
            Stage::Align => return analyse::align(self, model, corpus, shard, &mut loaded.held, monitor),
            Stage::States => return analyse::of_states(self, model, corpus, shard, &mut loaded.held, monitor),
            Stage::Extract | Stage::Tokens | Stage::Lens | Stage::Model => (),
        }
        let engine: Arc<Engine> = self.engine(bench, model, &monitor.quiet()).map_err(for_all)?;
        if shard.stage == Stage::Model {
            return analyse::of_model(self, model, &engine, corpus, shard, monitor);
        }
        if shard.stage != Stage::Lens {
            let publication = extract::shard(self, model, &engine, corpus, shard, monitor)?;
            return Ok(publication == store::Publication::New);
        }
        if !loaded.sets.contains_key(model.label()) {
            loaded.sets.insert(model.label().to_owned(), token_sets(&engine, corpus)?);
        }
        let Some(sets) = loaded.sets.get(model.label()) else { return Ok(false) };
        analyse::lens(self, model, &engine, sets, shard, monitor)
    }

    /// Hashes every file of every shard that is done; gives a sentence for each damaged one, which is moved to quarantine.
    ///
    /// # Errors
    /// The wish to stop; the quarantine cannot be written.
    pub fn verify(&self, monitor: &Monitor) -> Result<Vec<String>> {
        let mut damaged = Vec::new();
        let total = self.shards.len();
        for (done, shard) in self.shards.iter().enumerate() {
            monitor.tick(Tick { what: "verifying", done, total, unit: "shards" })?;
            let root = self.stage(shard.stage);
            let found = match self.state(shard) {
                State::Missing => continue,
                State::Damaged(why) => Err(why),
                State::Done if matches!(shard.stage, Stage::Extract | Stage::Tokens) => {
                    store::Shard::open(&store::shard_folder(&root, &shard.key), &shard.key)
                        .and_then(|stored| stored.verify())
                        .map_err(|e| e.to_string())
                }
                State::Done => record::read(&root, &shard.key).map(|_| ()).map_err(|e| format!("{e:#}")),
            };
            if let Err(why) = found {
                self.quarantine(shard)?;
                damaged.push(why);
            }
        }
        monitor.tick(Tick { what: "verifying", done: total, total, unit: "shards" })?;
        Ok(damaged)
    }

    /// The error of a damaged shard, which is moved to quarantine so that it can be computed again.
    pub(super) fn put_away(&self, shard: &Shard, error: anyhow::Error) -> anyhow::Error {
        // A disk that cannot be read says nothing about the shard.
        if fault::kind(&error) != Kind::Data {
            return error;
        }
        match self.quarantine(shard) {
            Ok(()) => {
                let resume = format!("babelscope resume {}", self.folder.display());
                Fault::data(format!("{error:#}\nmoved to quarantine/; `{resume}` computes it again")).into()
            }
            Err(failed) => failed,
        }
    }

    /// Moves what is there of a damaged shard out of the way, for a person to look at.
    pub(super) fn quarantine(&self, shard: &Shard) -> Result<()> {
        let from = store::shard_folder(&self.stage(shard.stage), &shard.key);
        let to = self.folder.join("quarantine");
        fs::create_dir_all(&to).map_err(|e| Fault::write("the quarantine", &to, &e))?;
        for entry in fs::read_dir(&from).map_err(|e| Fault::read("a folder of shards", &from, &e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&shard.key) {
                // What an earlier damage left there under this name is the older witness; both stay.
                let place = (0..).map(|n| to.join(format!("{name}.{n}"))).find(|place| !place.exists());
                let place = place.unwrap_or_else(|| to.join(&name));
                match fs::rename(entry.path(), &place) {
                    Ok(()) => {}
                    // Another process was first.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                    Err(e) => return Err(Fault::write("the quarantine", &place, &e).into()),
                }
            }
        }
        Ok(())
    }

    fn fail(&self, shard: &Shard, error: &anyhow::Error) -> Result<()> {
        let folder = self.folder.join("failed");
        fs::create_dir_all(&folder).map_err(|e| Fault::write("the folder of failures", &folder, &e))?;
        let failure = Failure {
            key: &shard.key,
            shard,
            error: &format!("{error:#}"),
            exit_code: fault::kind(error).code(),
            host: host(),
            when: now(),
        };
        let text = serde_json::to_string_pretty(&failure)? + "\n";
        for attempt in 1.. {
            if publish::bytes(&folder.join(format!("{}.{attempt}.json", shard.key)), text.as_bytes())? {
                break;
            }
        }
        Ok(())
    }
}

/// Said of a failure that every shard would meet again.
const STOPS: &str = "the sweep stops here";

fn for_all(error: anyhow::Error) -> anyhow::Error {
    error.context(STOPS)
}

fn concerns_all(error: &anyhow::Error) -> bool {
    matches!(fault::kind(error), Kind::Cancelled | Kind::Io) || error.chain().any(|e| e.to_string() == STOPS)
}

/// The name of this machine, for records.
pub(super) fn host() -> String {
    sysinfo::System::host_name().unwrap_or_else(|_| "unknown".to_owned())
}
