//! Fetches files into the cache: what is there is checked, what is begun goes on, what is whole is verified, then shown.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::PathBuf,
};

use super::{
    place::{free_space, human},
    request::{Answer, Client, Remote},
    store::{Hasher, Store},
};
use crate::{
    Result,
    monitor::{Monitor, Tick},
};

/// Bytes between two ticks.
const STEP: u64 = 1 << 20;

/// Counts bytes towards a total and reports them.
pub(super) struct Meter<'a> {
    monitor: &'a Monitor,
    what: &'static str,
    total: u64,
    done: Cell<u64>,
    said: Cell<u64>,
}

impl<'a> Meter<'a> {
    fn new(monitor: &'a Monitor, what: &'static str, total: u64) -> Self {
        Self { monitor, what, total, done: Cell::new(0), said: Cell::new(0) }
    }

    /// Fails when the work is no longer wanted.
    pub(super) fn advance(&self, bytes: usize) -> Result<()> {
        // A server that begins anew sends more than was counted on.
        self.done.set(self.total.min(self.done.get() + bytes as u64));
        if self.done.get() < self.total && self.done.get() - self.said.get() < STEP {
            return self.monitor.check();
        }
        self.said.set(self.done.get());
        self.tick()
    }

    fn tick(&self) -> Result<()> {
        let (done, total) = (self.done.get() as usize, self.total as usize);
        self.monitor.tick(Tick { what: self.what, done, total, unit: "bytes" })
    }
}

/// Makes all `files` whole, verified, and visible in the snapshot.
pub(super) fn bring(
    client: &Client<'_>,
    store: &Store,
    files: &[Remote],
    what: &'static str,
    monitor: &Monitor,
) -> Result<()> {
    let (there, missing): (Vec<_>, Vec<_>) = files.iter().partition(|file| store.present(file).is_some());
    let meter = Meter::new(monitor, "checking cached files", there.iter().map(|file| file.size).sum());
    for file in there {
        if let Some(path) = store.present(file) {
            store.verify(file, &path, &meter)?;
        }
        store.publish(file)?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let come = |file: &Remote| fs::metadata(store.part(file)).map_or(0, |part| part.len());
    let left = missing.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size.saturating_sub(come(file))));
    if let Some(free) = free_space(store.root())
        && free < left
    {
        let why = format!(
            "{} are to be downloaded, and the disk has only {} free; make room or set HF_HOME to a folder on a larger \
             disk\n{}",
            human(left),
            human(free),
            store.root().display()
        );
        return Err(client.failed(&why));
    }
    let meter = Meter::new(monitor, what, left);
    meter.tick()?;
    for file in missing {
        fetch(client, store, file, &meter)?;
        store.publish(file)?;
    }
    Ok(())
}

fn fetch(client: &Client<'_>, store: &Store, file: &Remote, meter: &Meter<'_>) -> Result<()> {
    let _lock = store.lock(file, meter.monitor)?;
    if let Some(path) = store.present(file) {
        // Another process brought it while this one waited.
        return store.verify(file, &path, meter);
    }
    let mut draft = Draft::open(store, file, meter.monitor)?;
    let mut idle = 0;
    while draft.length < file.size {
        let before = draft.length;
        let cut = draft.attempt(client, meter)?;
        if draft.length == file.size {
            break;
        }
        idle = if draft.length > before { 0 } else { idle + 1 };
        if idle > client.retries() {
            let why = format!(
                "{} broke off at {} of {}, and {idle} more attempts brought nothing ({}). What has come is kept: the same \
                 command goes on from there",
                file.name,
                human(draft.length),
                human(file.size),
                cut.why,
            );
            return Err(client.failed(&why));
        }
        client.wait(idle, cut.wait, meter.monitor)?;
    }
    draft.finish(client)
}

/// Why an attempt ended before the file did.
struct Cut {
    why: String,
    /// How many seconds the server asks to be left alone.
    wait: Option<u64>,
}

impl Cut {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), wait: None }
    }
}

/// A file on its way, with the hash of what has come.
struct Draft<'a> {
    store: &'a Store,
    remote: &'a Remote,
    path: PathBuf,
    file: File,
    length: u64,
    hasher: Hasher,
}

impl<'a> Draft<'a> {
    /// Opens what an earlier attempt left.
    fn open(store: &'a Store, remote: &'a Remote, monitor: &Monitor) -> Result<Self> {
        let path = store.part(remote);
        store.make(path.parent().unwrap_or(store.root()))?;
        let fail = |e| store.cannot("write", &path, &e);
        let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(fail)?;
        let mut hasher = Hasher::of(remote);
        let mut length = 0;
        let mut piece = vec![0; STEP as usize];
        loop {
            monitor.check()?;
            let n = file.read(&mut piece).map_err(fail)?;
            if n == 0 {
                break;
            }
            hasher.update(&piece[..n]);
            length += n as u64;
        }
        let mut draft = Self { store, remote, path, file, length, hasher };
        if draft.length > remote.size {
            draft.restart()?;
        }
        Ok(draft)
    }

    fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|e| self.store.cannot("write", &self.path, &e))?;
        self.length = 0;
        self.hasher = Hasher::of(self.remote);
        Ok(())
    }

    /// Asks for the rest and takes what comes. An error is final; a cut is worth another attempt.
    fn attempt(&mut self, client: &Client<'_>, meter: &Meter<'_>) -> Result<Cut> {
        let mut answer = match client.open(&self.remote.name, self.length) {
            Ok(answer) => answer,
            Err(why) => return Ok(Cut::new(why)),
        };
        match answer.status {
            206 if answer.range() == Some((self.length, Some(self.remote.size))) => (),
            // The server does not know ranges, or knows of another file than before.
            200 => self.restart()?,
            206 | 416 => {
                self.restart()?;
                return Ok(Cut::new("the server sent another part of the file than the one asked for"));
            }
            _ if answer.is_passing() => {
                let why = format!("the server answered {}", answer.status);
                return Ok(Cut { why, wait: answer.retry_after() });
            }
            _ => return Err(client.refusal(answer, Some(&self.remote.name))),
        }
        self.take(&mut answer, meter)
    }

    fn take(&mut self, answer: &mut Answer, meter: &Meter<'_>) -> Result<Cut> {
        let mut piece = vec![0; 1 << 18];
        while self.length < self.remote.size {
            let n = match answer.body.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => n.min(usize::try_from(self.remote.size - self.length).unwrap_or(n)),
                Err(e) => return Ok(Cut::new(e.to_string())),
            };
            let bytes = &piece[..n];
            self.file.write_all(bytes).map_err(|e| self.store.cannot("write", &self.path, &e))?;
            self.hasher.update(bytes);
            self.length += n as u64;
            meter.advance(n)?;
        }
        Ok(Cut::new("the connection was closed"))
    }

    /// Compares the hash and gives the file its name.
    fn finish(self, client: &Client<'_>) -> Result<()> {
        let Self { store, remote, path, file, hasher, .. } = self;
        let found = hasher.finish();
        if found != remote.hash {
            fs::remove_file(&path).map_err(|e| store.cannot("remove", &path, &e))?;
            let why = format!(
                "{} came with {found}, and the Hub says {}; what came was removed. Try again; if it stays so, the server or \
                 something on the way is at fault",
                remote.name, remote.hash
            );
            return Err(client.failed(&why));
        }
        let blob = store.blob(remote);
        file.sync_all().and_then(|()| fs::rename(&path, &blob)).map_err(|e| store.cannot("write", &blob, &e))
    }
}
