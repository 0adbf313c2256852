//! A working thread: jobs in, events out, over bounded channels; the window only ever asks without waiting.
//!
//! The window has two: "engine" executes specs, "reader" opens and lists runs, so that a long run never keeps a person
//! from looking at another. One job works at a time and the others wait here, on the window's side, so that a newer job
//! of the same slot can replace one that has not started. A panic ends its job with the message and nothing else.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use babelscope::{
    remote::{self, Place},
    run::{self, Entry, Outcome as Executed, Run, Workbench},
    serve::Token,
    spec::RunSpec,
};
use babelscope_core::monitor::{Monitor, Tick};

/// Progress is sent at most this often: a repaint for each tick would keep the window busy.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);
/// How long one frame may spend on taking events.
const DRAIN: Duration = Duration::from_millis(4);

/// What the engine is asked to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Execute a spec, or open its run when it is there already.
    Execute(Box<RunSpec>),
    /// Read a run folder.
    Open(PathBuf),
    /// Fetch a run of another machine, and read it.
    OpenRemote(Place, Token),
    /// Look through the folder of runs.
    List,
}

/// What the engine gives back.
#[derive(Debug)]
pub enum Answer {
    /// A run that was opened.
    Opened(Box<Run>),
    /// A run that was executed, or was there already.
    Executed(Box<Executed>),
    /// The runs below the root, newest first.
    Listed(Vec<Entry>),
}

/// Who waits for an answer; a slot holds at most one waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A run that a person has started: only they end it.
    Run,
    /// The sentence of the lens view.
    Lens,
    /// The prompt of the steering view.
    Steer,
    /// The pair of the patching view.
    Patch,
    /// The run folder that is being opened.
    Open,
    /// The list of runs.
    List,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    /// With its answer.
    Done(Answer),
    /// With a sentence that says what went wrong.
    Failed(String),
    /// Because the person wished so.
    Cancelled,
}

/// A job that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Who waits for it.
    pub slot: Slot,
    /// What it was, as a person would say it.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// The last progress that a job reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub what: String,
    /// Units finished.
    pub done: usize,
    /// Units in all.
    pub total: usize,
    /// What a unit is.
    pub unit: &'static str,
    /// Units a second since this step began; `None` before the first unit.
    pub rate: Option<f64>,
}

/// The job that is working now.
#[derive(Debug)]
pub struct Current {
    /// Who waits for it.
    pub slot: Slot,
    /// What it is.
    pub title: String,
    /// What it last reported.
    pub progress: Option<Progress>,
    /// When it was handed over.
    pub since: Instant,
    /// Whether it has been asked to stop.
    pub stopping: bool,
    cancel: Arc<AtomicBool>,
}

struct Job {
    slot: Slot,
    title: String,
    work: Work,
    cancel: Arc<AtomicBool>,
}

enum Event {
    Progress(Progress),
    Ended(Outcome),
}

/// The window's end of the engine's thread.
pub struct Worker {
    jobs: SyncSender<Job>,
    events: Receiver<Event>,
    waiting: VecDeque<Job>,
    current: Option<Current>,
}

impl Worker {
    /// Starts the thread `name` on a workbench that writes below `root`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, root: PathBuf, wake: impl Fn() + Clone + Send + Sync + 'static) -> anyhow::Result<Self> {
        Self::start_with(
            name,
            move || {
                let mut bench = Workbench::new(root.clone());
                move |work: Work, monitor: &Monitor| execute(&mut bench, work, monitor)
            },
            wake,
        )
    }

    /// Starts the thread on any executor. `make` is called again after a panic, as what it made may then be half done.
    /// `wake` is called after each event: it asks the window for a frame.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_with<F>(
        name: &str,
        make: impl Fn() -> F + Send + 'static,
        wake: impl Fn() + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<Self>
    where
        F: FnMut(Work, &Monitor) -> anyhow::Result<Answer>,
    {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, events) = sync_channel::<Event>(64);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut run = make();
                while let Ok(job) = inbox.recv() {
                    let monitor = monitor(&job.cancel, &outbox, wake.clone());
                    let ended = match catch_unwind(AssertUnwindSafe(|| run(job.work, &monitor))) {
                        Ok(Ok(answer)) => Outcome::Done(answer),
                        Ok(Err(_)) if job.cancel.load(Ordering::Relaxed) => Outcome::Cancelled,
                        Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
                        Err(panic) => {
                            run = make();
                            Outcome::Failed(panic_sentence(panic.as_ref()))
                        }
                    };
                    // The window is gone when nobody listens: then this thread ends too.
                    if outbox.send(Event::Ended(ended)).is_err() {
                        return;
                    }
                    wake();
                }
            })
            .context("the system gave no thread; close other programs and start again")?;
        Ok(Self { jobs, events, waiting: VecDeque::new(), current: None })
    }

    /// Queues a job; a job of the same slot that has not started is dropped, and one that works is asked to stop, unless
    /// it is a whole run.
    pub fn submit(&mut self, slot: Slot, title: impl Into<String>, work: Work) {
        self.waiting.retain(|job| job.slot != slot);
        if slot != Slot::Run && self.current.as_ref().is_some_and(|c| c.slot == slot) {
            self.cancel();
        }
        self.waiting.push_back(Job { slot, title: title.into(), work, cancel: Arc::default() });
        self.hand_over();
    }

    /// Asks the working job to stop.
    pub fn cancel(&mut self) {
        if let Some(current) = &mut self.current {
            current.cancel.store(true, Ordering::Relaxed);
            current.stopping = true;
        }
    }

    /// The job that is working.
    pub fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// Whether a job of this slot works or waits.
    pub fn busy(&self, slot: Slot) -> bool {
        self.current.as_ref().is_some_and(|c| c.slot == slot) || self.waiting.iter().any(|job| job.slot == slot)
    }

    /// Takes what has come since the last frame; never waits.
    pub fn poll(&mut self) -> Vec<Finished> {
        let start = Instant::now();
        let mut finished = Vec::new();
        while start.elapsed() < DRAIN {
            match self.events.try_recv() {
                Ok(Event::Progress(progress)) => {
                    if let Some(current) = &mut self.current {
                        current.progress = Some(progress);
                    }
                }
                Ok(Event::Ended(outcome)) => self.end(outcome, &mut finished),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if self.current.is_some() {
                        let sentence = "the engine's thread has ended; start the program again".to_owned();
                        self.end(Outcome::Failed(sentence), &mut finished);
                    }
                    break;
                }
            }
        }
        finished
    }

    fn end(&mut self, outcome: Outcome, finished: &mut Vec<Finished>) {
        if let Some(Current { slot, title, since, .. }) = self.current.take() {
            finished.push(Finished { slot, title, outcome, took: since.elapsed() });
        }
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if self.current.is_some() {
            return;
        }
        let Some(job) = self.waiting.pop_front() else { return };
        let current = Current {
            slot: job.slot,
            title: job.title.clone(),
            progress: None,
            since: Instant::now(),
            stopping: false,
            cancel: Arc::clone(&job.cancel),
        };
        // The channel holds one job and none is working, so it is free unless the thread is gone; poll says so then.
        let _ = self.jobs.try_send(job);
        self.current = Some(current);
    }
}

impl Drop for Worker {
    /// The engine stops at its next tick; runs are written under a temporary name, so nothing half done is left to see.
    fn drop(&mut self) {
        self.cancel();
    }
}

fn execute(bench: &mut Workbench, work: Work, monitor: &Monitor) -> anyhow::Result<Answer> {
    match work {
        Work::Execute(spec) => Ok(Answer::Executed(Box::new(bench.execute(&spec, monitor)?))),
        Work::Open(folder) => Ok(Answer::Opened(Box::new(Run::open(&folder)?))),
        Work::OpenRemote(place, token) => {
            let folder = remote::fetch(&place, &token, bench.root(), monitor)?;
            Ok(Answer::Opened(Box::new(Run::open(&folder)?)))
        }
        Work::List => Ok(Answer::Listed(run::list(bench.root())?)),
    }
}

/// When the last progress was sent, and when its step began.
struct Pace {
    sent: Option<Instant>,
    step: String,
    began: Instant,
}

fn monitor(cancel: &Arc<AtomicBool>, outbox: &SyncSender<Event>, wake: impl Fn() + Send + Sync + 'static) -> Monitor {
    let outbox = outbox.clone();
    let pace = Mutex::new(Pace { sent: None, step: String::new(), began: Instant::now() });
    Monitor::new(Arc::clone(cancel), move |tick: Tick<'_>| {
        let Ok(mut pace) = pace.lock() else { return };
        let now = Instant::now();
        if pace.step != tick.what {
            tick.what.clone_into(&mut pace.step);
            pace.began = now;
            pace.sent = None;
        }
        if pace.sent.is_some_and(|sent| now - sent < PROGRESS_EVERY) {
            return;
        }
        pace.sent = Some(now);
        let seconds = (now - pace.began).as_secs_f64();
        let rate = (tick.done > 0 && seconds > 0.2).then(|| tick.done as f64 / seconds);
        let progress =
            Progress { what: tick.what.to_owned(), done: tick.done, total: tick.total, unit: tick.unit, rate };
        // A full channel means that the window is behind: it needs fewer numbers, not more.
        if outbox.try_send(Event::Progress(progress)).is_ok() {
            wake();
        }
    })
}

fn panic_sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine stopped on an error of its own (please report it): {}", said.unwrap_or("it left no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next `N` jobs that end, in their order: one look may find several.
    fn wait<const N: usize>(worker: &mut Worker) -> [Finished; N] {
        let mut ended = Vec::new();
        while ended.len() < N {
            ended.append(&mut worker.poll());
            thread::sleep(Duration::from_millis(1));
        }
        ended.try_into().unwrap()
    }

    #[test]
    fn a_panic_is_a_failed_job_and_the_next_job_works() {
        let mut worker = Worker::start_with(
            "test",
            move || {
                |work: Work, _: &Monitor| match work {
                    Work::Open(_) => panic!("row 3 is missing"),
                    _ => Ok(Answer::Listed(Vec::new())),
                }
            },
            || (),
        )
        .unwrap();
        worker.submit(Slot::Run, "open", Work::Open(PathBuf::from("x")));
        let [Finished { outcome: Outcome::Failed(sentence), .. }] = wait(&mut worker) else { panic!("not failed") };
        assert!(sentence.contains("row 3 is missing"), "{sentence}");
        worker.submit(Slot::List, "list", Work::List);
        assert!(matches!(wait(&mut worker), [Finished { outcome: Outcome::Done(Answer::Listed(_)), .. }]));
    }

    #[test]
    fn cancel_ends_a_job_at_its_next_tick() {
        let mut worker = Worker::start_with(
            "test",
            || {
                |_: Work, monitor: &Monitor| loop {
                    monitor.tick(Tick { what: "counting", done: 1, total: 2, unit: "sheep" })?;
                    thread::sleep(Duration::from_millis(1));
                }
            },
            || (),
        )
        .unwrap();
        worker.submit(Slot::Run, "count", Work::List);
        while worker.current().is_some_and(|c| c.progress.is_none()) {
            worker.poll();
        }
        worker.cancel();
        assert!(matches!(wait(&mut worker), [Finished { outcome: Outcome::Cancelled, .. }]));
        assert!(worker.current().is_none());
    }

    #[test]
    fn a_newer_job_of_a_slot_replaces_the_waiting_one() {
        let mut worker = Worker::start_with(
            "test",
            || {
                |work: Work, monitor: &Monitor| match work {
                    Work::Open(folder) if folder.as_os_str() == "slow" => loop {
                        monitor.check()?;
                        thread::sleep(Duration::from_millis(1));
                    },
                    Work::Open(folder) => anyhow::bail!("{}", folder.display()),
                    _ => Ok(Answer::Listed(Vec::new())),
                }
            },
            || (),
        )
        .unwrap();
        worker.submit(Slot::Run, "slow", Work::Open(PathBuf::from("slow")));
        worker.submit(Slot::Lens, "first", Work::Open(PathBuf::from("first")));
        worker.submit(Slot::Lens, "second", Work::Open(PathBuf::from("second")));
        worker.cancel();
        let [first, next] = wait(&mut worker);
        assert!(matches!(first.outcome, Outcome::Cancelled));
        assert_eq!((next.slot, next.title.as_str()), (Slot::Lens, "second"));
        assert!(matches!(next.outcome, Outcome::Failed(s) if s == "second"));
    }
}
