//! The app: it owns the results and the workers, draws the screen in front, and carries out what the views asked for.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::{remote::Place, run::Run, serve::Token, spec::RunSpec};
use babelscope_probes::lens::LensReport;
use egui::{Context, Ui};

use crate::{
    chrome,
    command::{Action, Command},
    data::Loaded,
    state::{Level, Log, Selection, Settings, VERSION},
    text, theme,
    views::{Screen, alignment, lens, map, patching, runs, steering, structure, tokenizer, traces},
    worker::{Answer, Finished, Outcome, Slot, Work, Worker},
};

/// Key of the settings in eframe's storage.
const STORED: &str = "settings";

/// How the window is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A run folder to open at once.
    pub run: Option<PathBuf>,
    /// A run of another machine to open at once; without a token the dialog asks for it.
    pub remote: Option<(String, Option<Token>)>,
    /// Light or dark, over what was stored.
    pub dark: Option<bool>,
    /// The folder below which runs are written and listed.
    pub root: PathBuf,
}

/// The app.
pub struct App {
    pub(crate) settings: Settings,
    pub(crate) engine: Worker,
    pub(crate) reader: Worker,
    pub(crate) root: PathBuf,
    pub(crate) main: Option<Loaded>,
    pub(crate) lens: Option<Loaded>,
    pub(crate) steer: Option<Loaded>,
    pub(crate) patch: Option<Loaded>,
    pub(crate) log: Log,
    /// The last failure, shown until a person closes it.
    pub(crate) problem: Option<String>,
    pub(crate) palette: Option<String>,
    selection: Selection,
    runs_view: runs::View,
    alignment_view: alignment::View,
    structure_view: structure::View,
    map_view: map::View,
    tokenizer_view: tokenizer::View,
    lens_view: lens::View,
    steering_view: steering::View,
    patching_view: patching::View,
    traces_view: traces::View,
    stamp: u64,
    actions: Vec<Action>,
}

/// Whether a screen has something to draw of a run. The list of runs stays only where nothing else does.
fn draws(screen: Screen, loaded: &Loaded) -> bool {
    let run = &loaded.run;
    match screen {
        Screen::Runs => false,
        // Traces have a screen of their own for what they say of layers.
        Screen::Alignment => loaded.catalogue.maps().any(|series| series.choice.probe != traces::KIND),
        Screen::Structure => structure::KINDS.iter().any(|kind| run.probed(kind).is_some()),
        Screen::Map => run.map.is_some(),
        Screen::Tokenizer => tokenizer::KINDS.iter().any(|kind| run.probed(kind).is_some()),
        Screen::Lens => !run.lens.is_empty(),
        Screen::Steering => steering::KINDS.iter().any(|kind| run.probed(kind).is_some()),
        Screen::Patching => run.probed(patching::KIND).is_some(),
        Screen::Traces => {
            run.detailed(traces::KIND).is_some_and(|details| !details.traces.is_empty()) || traces::hints::any(run)
        }
    }
}

/// Fonts and themes: once, before the first frame.
pub fn prepare(ctx: &Context) {
    text::install_fonts(ctx);
    theme::install(ctx);
}

impl App {
    /// The app as eframe starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(cc: &eframe::CreationContext<'_>, options: Options) -> Result<Self> {
        prepare(&cc.egui_ctx);
        let stored = cc.storage.and_then(|storage| eframe::get_value::<Settings>(storage, STORED));
        let outdated = stored.as_ref().is_some_and(|s| s.version != VERSION);
        let mut settings = stored.filter(|s| s.version == VERSION).unwrap_or_default();
        settings.dark = options.dark.or(settings.dark);
        let ctx = cc.egui_ctx.clone();
        let wake = move || ctx.request_repaint();
        let engine = Worker::start("engine", options.root.clone(), wake.clone())?;
        let reader = Worker::start("reader", options.root.clone(), wake)?;
        let mut app = Self::with_workers(settings, options.root, engine, reader);
        if outdated {
            app.log.push(Level::Warning, "The stored view settings were of another version; the defaults are used.");
        }
        if let Some(run) = options.run {
            app.open(run);
        }
        if let Some((address, token)) = options.remote {
            app.ask_remote(address, token);
        }
        Ok(app)
    }

    /// The app on workers made elsewhere; [`prepare`] must have been called on its context.
    pub fn with_workers(settings: Settings, root: PathBuf, engine: Worker, reader: Worker) -> Self {
        let mut app = Self {
            settings,
            engine,
            reader,
            root,
            main: None,
            lens: None,
            steer: None,
            patch: None,
            log: Log::default(),
            problem: None,
            palette: None,
            selection: Selection::default(),
            runs_view: runs::View::default(),
            alignment_view: alignment::View::default(),
            structure_view: structure::View::default(),
            map_view: map::View::default(),
            tokenizer_view: tokenizer::View::default(),
            lens_view: lens::View::default(),
            steering_view: steering::View::default(),
            patching_view: patching::View::default(),
            traces_view: traces::View::default(),
            stamp: 0,
            actions: Vec::new(),
        };
        app.reader.submit(Slot::List, "reading the list of runs", Work::List);
        app
    }

    /// Opens a run folder.
    pub fn open(&mut self, folder: PathBuf) {
        let title = format!("opening {}", folder.display());
        self.reader.submit(Slot::Open, title, Work::Open(folder));
    }

    /// Fetches a run of another machine and opens it.
    pub fn open_remote(&mut self, place: Place, token: Token) {
        // What went wrong before is what this attempt is about.
        self.problem = None;
        let title = format!("opening {}/{}", place.origin, place.run.as_deref().unwrap_or_default());
        self.reader.submit(Slot::Open, title, Work::OpenRemote(place, token));
    }

    /// Opens the run at an address; the dialog comes where something is missing.
    fn ask_remote(&mut self, address: String, token: Option<Token>) {
        if let Some((place, token)) = Place::parse(&address).ok().zip(token) {
            return self.open_remote(place, token);
        }
        self.settings.screen = Screen::Runs;
        self.runs_view.remote.address = address;
        self.runs_view.remote.shown = true;
    }

    /// Puts a run on the screens that can draw it; goes to such a screen unless one is in front already.
    pub fn adopt(&mut self, run: Run) {
        self.stamp += 1;
        let loaded = Loaded::new(run, self.stamp);
        for note in loaded.run.manifest.notes.iter().chain(&loaded.run.corpus.notes) {
            self.log.push(Level::Warning, note.clone());
        }
        let measured = loaded.run.measured.iter().flat_map(|probed| &probed.measured.notes);
        let map = loaded.run.map.iter().flat_map(|map| &map.notes);
        for note in loaded.run.align.iter().flat_map(|report| &report.notes).chain(measured).chain(map) {
            self.log.push(Level::Warning, note.clone());
        }
        self.settings.remember(loaded.run.folder.clone());
        if !draws(self.settings.screen, &loaded) {
            let order = [
                Screen::Alignment,
                Screen::Structure,
                Screen::Map,
                Screen::Tokenizer,
                Screen::Steering,
                Screen::Patching,
                Screen::Traces,
            ];
            self.settings.screen = order.into_iter().find(|screen| draws(*screen, &loaded)).unwrap_or(Screen::Lens);
        }
        self.selection = Selection::default();
        self.alignment_view.reset();
        self.structure_view.reset();
        self.map_view.reset();
        self.tokenizer_view.reset();
        self.traces_view.reset();
        if !loaded.run.lens.is_empty() {
            self.lens = Some(loaded.clone());
            self.lens_view.reset();
        }
        self.steering_view.reset();
        if steering::answers(&loaded.run).is_some() {
            self.steering_view.opened(&loaded.run);
            self.steer = Some(loaded.clone());
        }
        if loaded.run.probed(patching::KIND).is_some() {
            self.patching_view.reset();
            self.patch = Some(loaded.clone());
        }
        self.main = Some(loaded);
    }

    /// What is chosen on all screens.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The screen in front.
    pub fn screen(&self) -> Screen {
        self.settings.screen
    }

    /// The lens report that is drawn.
    pub fn lens_report(&self) -> Option<&LensReport> {
        self.lens.as_ref()?.run.lens.get(self.lens_view.report)
    }

    /// Draws one frame.
    pub fn show(&mut self, ui: &mut Ui) {
        ui.ctx().set_theme(chrome::preference(self.settings.dark));
        for finished in self.engine.poll().into_iter().chain(self.reader.poll()) {
            self.finish(finished);
        }
        let working = self.engine.current().is_some() || self.reader.busy(Slot::Open);
        let dialog = self.palette.is_some() || self.runs_view.remote.shown;
        chrome::shortcuts(ui, working, dialog, &mut self.actions);
        chrome::dropped(ui, &mut self.actions);
        let mut actions = std::mem::take(&mut self.actions);
        chrome::top(ui, self, &mut actions);
        chrome::log(ui, self, &mut actions);
        chrome::left(ui, self, &mut actions);
        chrome::centre(ui, self, |ui, app| app.view(ui, &mut actions));
        chrome::palette(ui, &mut self.palette, &mut actions);
        for action in actions {
            self.act(ui.ctx(), action);
        }
    }

    fn view(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let running = self.engine.busy(Slot::Run);
        match self.settings.screen {
            Screen::Runs => {
                let open = self.main.as_ref().map(|l| l.run.folder.as_path());
                runs::show(ui, &mut self.runs_view, open, &self.root, running, actions);
            }
            Screen::Alignment => {
                let (view, settings) = (&mut self.alignment_view, &mut self.settings.alignment);
                alignment::show(ui, view, settings, &mut self.selection, self.main.as_ref(), running, actions);
            }
            Screen::Structure => {
                let (view, settings) = (&mut self.structure_view, &mut self.settings.structure);
                structure::show(ui, view, settings, &mut self.selection, self.main.as_ref(), running, actions);
            }
            Screen::Map => {
                let (view, settings) = (&mut self.map_view, &mut self.settings.map);
                map::show(ui, view, settings, &mut self.selection, self.main.as_ref(), running, actions);
            }
            Screen::Tokenizer => {
                let (view, settings) = (&mut self.tokenizer_view, &mut self.settings.tokenizer);
                tokenizer::show(ui, view, settings, &mut self.selection, self.main.as_ref(), running, actions);
            }
            Screen::Lens => {
                let source = lens::Source {
                    main: self.main.as_ref(),
                    lens: self.lens.as_ref(),
                    busy: self.engine.busy(Slot::Lens),
                };
                lens::show(ui, &mut self.lens_view, &mut self.settings.lens, &source, actions);
            }
            Screen::Steering => {
                let source = steering::Source {
                    main: self.main.as_ref(),
                    steer: self.steer.as_ref(),
                    busy: self.engine.busy(Slot::Steer),
                    running,
                };
                let (view, settings) = (&mut self.steering_view, &mut self.settings.steering);
                steering::show(ui, view, settings, &mut self.selection, &source, actions);
            }
            Screen::Patching => {
                let source = patching::Source {
                    main: self.main.as_ref(),
                    patch: self.patch.as_ref(),
                    busy: self.engine.busy(Slot::Patch),
                };
                let (view, settings) = (&mut self.patching_view, &mut self.settings.patching);
                patching::show(ui, view, settings, &mut self.selection, &source, actions);
            }
            Screen::Traces => {
                let (view, settings) = (&mut self.traces_view, &mut self.settings.traces);
                let source = (self.main.as_ref(), running);
                traces::show(ui, view, settings, &mut self.selection, source, actions);
            }
        }
    }

    fn act(&mut self, ctx: &Context, action: Action) {
        match action {
            Action::Do(command) => self.command(ctx, command),
            Action::Open(folder) => self.open(folder),
            Action::OpenRemote(place, token) => self.open_remote(place, token),
            Action::Execute(slot, spec) => self.execute(slot, *spec),
            Action::Copy { what, text } => {
                ctx.copy_text(text);
                self.log.push(Level::Info, format!("copied {what}"));
            }
            Action::SaveReference { folder, problem, graph } => {
                match babelscope::traces::save_reference(&folder, &problem, &graph) {
                    Ok(line) => {
                        self.log.push(Level::Info, format!("saved the reference of {problem} in {}", folder.display()));
                        self.traces_view.saved(line);
                    }
                    Err(why) => self.fail(format!("{why:#}")),
                }
            }
            Action::Fail(why) => self.fail(why),
            Action::Inspect(text) => {
                self.settings.screen = Screen::Lens;
                let spec = lens::spec(&text, self.main.as_ref());
                self.lens_view.prompt.text = text;
                self.execute(Slot::Lens, spec);
            }
            Action::Sentence(line) => {
                self.selection.sentence = Some(line);
                if let Some(loaded) = &self.main {
                    self.lens_view.prompt.pick(line, &loaded.run.corpus);
                    self.steering_view.form.prompt.pick(line, &loaded.run.corpus);
                }
            }
        }
    }

    fn command(&mut self, ctx: &Context, command: Command) {
        match command {
            Command::Show(screen) => self.settings.screen = screen,
            Command::Demo => match RunSpec::demo() {
                Ok(spec) => self.execute(Slot::Run, spec),
                Err(error) => self.fail(format!("{error:#}")),
            },
            Command::Cancel if self.engine.current().is_some() => self.engine.cancel(),
            Command::Cancel => self.reader.cancel(),
            Command::Refresh => self.reader.submit(Slot::List, "reading the list of runs", Work::List),
            Command::Remote => {
                self.settings.screen = Screen::Runs;
                self.runs_view.remote.shown = true;
            }
            Command::Theme => {
                let dark = ctx.theme() == egui::Theme::Dark;
                self.settings.dark = Some(!dark);
            }
            Command::Log => self.settings.log_open = !self.settings.log_open,
            Command::Palette => self.palette = if self.palette.is_some() { None } else { Some(String::new()) },
        }
    }

    fn execute(&mut self, slot: Slot, spec: RunSpec) {
        let title = match slot {
            Slot::Lens => "reading the sentence".to_owned(),
            Slot::Steer => "answering the prompt".to_owned(),
            Slot::Patch => "patching".to_owned(),
            Slot::Run | Slot::Open | Slot::List => format!("run {}", spec.name),
        };
        self.engine.submit(slot, title, Work::Execute(Box::new(spec)));
    }

    fn finish(&mut self, finished: Finished) {
        let Finished { slot, title, outcome, took } = finished;
        let seconds = took.as_secs_f64();
        match outcome {
            Outcome::Done(Answer::Listed(entries)) => self.runs_view.entries = Some(entries),
            Outcome::Done(Answer::Opened(run)) => self.adopt(*run),
            Outcome::Done(Answer::Executed(executed)) => {
                let done = if executed.already_done { "was there already" } else { "is done" };
                self.log
                    .push(Level::Info, format!("{title} {done}, {seconds:.1} s: {}", executed.run.folder.display()));
                self.stamp += 1;
                match slot {
                    Slot::Lens => {
                        self.lens = Some(Loaded::new(executed.run, self.stamp));
                        self.lens_view.reset();
                    }
                    Slot::Steer => {
                        self.steering_view.answered(&executed.run);
                        self.steer = Some(Loaded::new(executed.run, self.stamp));
                    }
                    Slot::Patch => {
                        self.patching_view.reset();
                        self.patch = Some(Loaded::new(executed.run, self.stamp));
                    }
                    Slot::Run | Slot::Open | Slot::List => self.adopt(executed.run),
                }
                self.reader.submit(Slot::List, "reading the list of runs", Work::List);
            }
            Outcome::Cancelled if slot == Slot::List || slot == Slot::Open => (),
            Outcome::Cancelled => {
                self.log.push(Level::Info, format!("{title}: cancelled after {seconds:.1} s, nothing was written"))
            }
            Outcome::Failed(sentence) => {
                if slot == Slot::List {
                    self.runs_view.entries = Some(Vec::new());
                }
                self.fail(format!("{title} failed: {sentence}"));
            }
        }
    }

    fn fail(&mut self, sentence: String) {
        self.log.push(Level::Error, sentence.clone());
        self.problem = Some(sentence);
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, STORED, &self.settings);
    }
}
