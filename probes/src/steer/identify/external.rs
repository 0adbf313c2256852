//! A program that identifies or judges: lines in, one answer a line out.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use babelscope_core::{lang, monitor::Monitor};

use super::{IdentifyParams, Verdict, letters};
use crate::{Error, Result};

/// How often a waiting call looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// Answers that wait to be read.
const LINES: usize = 1024;
/// Of what a program says when it fails, the last so many characters are shown.
const SHOWN: usize = 400;

/// A command that is started once for a list of texts. It reads one text (or one JSON object) a line and prints one answer a line, in
/// their order. It is started as it stands, by no shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Longest time for all lines together.
    pub timeout: Duration,
}

impl External {
    /// The answers to `lines`, without white space at their ends.
    ///
    /// # Errors
    /// No program; it cannot be started, fails, takes longer than the timeout, or gives another number of lines; no longer wanted.
    pub fn ask(&self, lines: &[String], monitor: &Monitor) -> Result<Vec<String>> {
        let Some((program, arguments)) = self.command.split_first() else {
            return self.fail("is empty; give the program and its arguments".to_owned());
        };
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(e) => return self.fail(format!("cannot be started: {e}")),
        };
        let answers = self.talk(&mut child, lines, monitor);
        if answers.is_err() {
            // It may have ended by itself; either way nothing is left running.
            let _ended = child.kill();
            let _status = child.wait();
        }
        answers
    }

    fn talk(&self, child: &mut Child, lines: &[String], monitor: &Monitor) -> Result<Vec<String>> {
        let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return self.fail("has no pipes".to_owned());
        };
        let input: String = lines.iter().map(|line| one_line(line) + "\n").collect();
        // A program that reads nothing must not block us, nor one that says more than a pipe holds.
        self.aside("program-in", move || {
            // It may close its input before it has read all; what it prints decides.
            let _written = stdin.write_all(input.as_bytes());
        })?;
        let (errors, complaints) = sync_channel(1);
        self.aside("program-errors", move || {
            let mut text = Vec::new();
            let _read = stderr.read_to_end(&mut text);
            let _heard = errors.send(String::from_utf8_lossy(&text).into_owned());
        })?;
        let (send, receive) = sync_channel(LINES);
        self.aside("program-out", move || {
            for line in BufReader::new(stdout).lines() {
                if send.send(line).is_err() {
                    return;
                }
            }
        })?;
        let begun = Instant::now();
        let mut answers = Vec::with_capacity(lines.len());
        loop {
            monitor.check()?;
            match receive.recv_timeout(LOOK) {
                Ok(Ok(line)) => answers.push(line.trim().to_owned()),
                Ok(Err(e)) => return self.fail(format!("printed what is no text: {e}")),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if begun.elapsed() > self.timeout => {
                    return self.fail(format!(
                        "answered {} of {} lines within {} seconds; give it more time",
                        answers.len(),
                        lines.len(),
                        self.timeout.as_secs()
                    ));
                }
                Err(RecvTimeoutError::Timeout) => (),
            }
        }
        let status = loop {
            monitor.check()?;
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if begun.elapsed() > self.timeout => {
                    return self.fail("closed its output and did not end".to_owned());
                }
                Ok(None) => thread::sleep(LOOK),
                Err(e) => return self.fail(format!("cannot be waited for: {e}")),
            }
        };
        if !status.success() {
            let said = complaints.recv_timeout(LOOK * 4).unwrap_or_default();
            let said = said.trim();
            let from = said.char_indices().rev().nth(SHOWN - 1).map_or(0, |(at, _)| at);
            return self.fail(format!("ended with {status}: {}", &said[from..]));
        }
        if answers.len() != lines.len() {
            return self.fail(format!(
                "printed {} lines for {} lines of input; it must print exactly one for each",
                answers.len(),
                lines.len()
            ));
        }
        Ok(answers)
    }

    /// Work at a pipe, on a thread of its own.
    fn aside(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        match thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(_) => Ok(()),
            Err(e) => self.fail(format!("cannot be talked to: {e}")),
        }
    }

    /// A verdict of each text: a language code (a label of fastText's kind too), if it likes followed by a probability. Empty, `und`
    /// and `unk` are unsure, and so is a text with too few letters. A code that the registry does not know stays as it is.
    pub(super) fn identify(
        &self,
        texts: &[String],
        params: &IdentifyParams,
        monitor: &Monitor,
    ) -> Result<Vec<Verdict>> {
        let answers = self.ask(texts, monitor)?;
        let verdict = |(text, answer): (&String, &String)| {
            let mut parts = answer.split_whitespace();
            let code = parts.next().unwrap_or_default().trim_start_matches("__label__").to_owned();
            let posterior = match parts.next().map(str::parse::<f64>) {
                None => 1.0,
                Some(Ok(p)) if p.is_finite() => p,
                Some(_) => return self.fail(format!("printed {answer:?}, expected a code and perhaps a probability")),
            };
            let letters = letters(text);
            let known = !matches!(code.as_str(), "" | "und" | "unk");
            let sure = known && posterior >= params.threshold && letters >= params.min_letters;
            let code = lang::resolve(&code).map_or(code, |lang| lang.code.to_owned());
            Ok(Verdict { language: sure.then_some(code), posterior, letters })
        };
        texts.iter().zip(&answers).map(verdict).collect()
    }

    pub(crate) fn fail<T>(&self, what: String) -> Result<T> {
        Err(Error::Input { measure: "program", why: format!("the command `{}` {what}", self.command.join(" ")) })
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> External {
        External { command: vec!["sh".into(), "-c".into(), script.into()], timeout: Duration::from_secs(5) }
    }

    fn texts() -> Vec<String> {
        ["Anna lives.", "Ana\nvive.", "7"].map(str::to_owned).into()
    }

    #[test]
    fn labels_probabilities_and_silence_are_read() {
        let program = r#"while read line; do case "$line" in
            Anna*) echo "__label__eng_Latn 0.97";; "Ana vive.") echo es;; *) echo;; esac; done"#;
        let params = IdentifyParams::default();
        let found = shell(program).identify(&texts(), &params, &Monitor::silent()).unwrap();
        let languages: Vec<_> = found.iter().map(|v| v.language.as_deref()).collect();
        assert_eq!(languages, [Some("eng_Latn"), Some("spa_Latn"), None]);
        assert_eq!(found[0].posterior, 0.97);
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let slow = External { timeout: Duration::from_millis(200), ..shell("sleep 30") };
        let nobody = External { command: vec!["no-such-program-here".into()], timeout: Duration::from_secs(1) };
        let cases = [
            (shell("cat > /dev/null; echo model is missing >&2; exit 3"), "model is missing"),
            (shell("cat > /dev/null; echo eng"), "1 lines for 3"),
            (slow, "0 of 3 lines"),
            (nobody, "cannot be started"),
            (External { command: Vec::new(), timeout: Duration::from_secs(1) }, "is empty"),
        ];
        for (command, why) in cases {
            let error = command.ask(&texts(), &Monitor::silent()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn more_than_a_pipe_holds_goes_through() {
        let many: Vec<String> = (0..20_000).map(|i| format!("line {i} of many that are long enough")).collect();
        assert_eq!(shell("cat").ask(&many, &Monitor::silent()).unwrap(), many);
    }
}
