//! Finished runs over HTTP/1.1, to be read and nothing else, for those who know the token.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/runs` | `{"runs": [{"name", "identity", "kind"}]}` |
//! | `GET /v1/runs/NAME/files` | `{"name", "identity", "files": [{"path", "bytes", "blake3"}]}`, manifest.json first |
//! | `GET /v1/runs/NAME/file/PATH` | the file, whole or the part that `Range` names |
//!
//! One thread a connection, at most [`Limits::connections`] of them. Nothing is answered without the token but a refusal.

mod answer;
pub mod files;
mod limits;
pub mod request;
mod token;

use std::{
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;

pub use limits::Limits;
pub use token::Token;

use self::{
    answer::{Answer, Wire},
    files::Shelf,
    limits::Rate,
    request::{HEAD, Method, Refusal, Request},
};
use crate::fault::{Fault, Kind};

/// How often somebody who waits looks whether the server is to end.
const LOOK: Duration = Duration::from_millis(100);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shelf: Shelf,
    token: Token,
    limits: Limits,
    rate: Mutex<Rate>,
    stop: Arc<AtomicBool>,
}

/// Ends a server from another thread.
#[derive(Clone, Debug)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Stop {
    /// No more connections are taken; what is being sent is sent to its end. `true` when that was asked for before.
    pub fn stop(&self) -> bool {
        let before = self.flag.swap(true, Ordering::Relaxed);
        // The server waits for a connection: this is one.
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
        before
    }
}

impl Server {
    /// Listens at `address` (port 0: any that is free) and shows `folder`, a run folder or a folder of runs.
    ///
    /// # Errors
    /// The folder is not there, or the address cannot be listened at.
    pub fn bind(folder: &Path, address: SocketAddr, token: Token, limits: Limits) -> Result<Self> {
        let shelf = Shelf::open(folder)?;
        let failed = |e: io::Error| {
            let why =
                format!("cannot listen at {address}: {e}; choose another port with --listen, 0 for any that is free");
            Fault::new(Kind::Io, why)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let rate = Mutex::new(Rate::new(limits.rate));
        Ok(Self { listener, address, shelf, token, limits, rate, stop: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn stopper(&self) -> Stop {
        let ip = match self.address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Stop { flag: Arc::clone(&self.stop), address: SocketAddr::new(ip, self.address.port()) }
    }

    /// Answers until it is stopped. `log` gets a line for each answer.
    pub fn run(&self, log: &(dyn Fn(&str) + Sync)) {
        thread::scope(|scope| {
            let mut open = Vec::new();
            for stream in self.listener.incoming() {
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                let stream = match stream {
                    Ok(stream) => stream,
                    Err(e) => {
                        log(&format!("a connection could not be taken: {e}"));
                        // Such as no file handles: they come back, but not by asking at full speed.
                        thread::sleep(LOOK);
                        continue;
                    }
                };
                open.retain(|thread: &thread::ScopedJoinHandle<'_, ()>| !thread.is_finished());
                if open.len() >= self.limits.connections {
                    let wire = Wire { stream: &stream, patience: LOOK, until: Instant::now() + LOOK };
                    let answer = Answer::error(503, "too many connections are open; try again later");
                    answer.with("Retry-After", "1").send(&wire, false, false).ok();
                    continue;
                }
                match thread::Builder::new()
                    .name("connection".to_owned())
                    .spawn_scoped(scope, || self.attend(stream, log))
                {
                    Ok(thread) => open.push(thread),
                    Err(e) => log(&format!("the system gave no thread: {e}")),
                }
            }
        });
    }

    /// Answers one connection to its end. What fails on the way is the client's to notice.
    fn attend(&self, stream: TcpStream, log: &(dyn Fn(&str) + Sync)) {
        let Ok(peer) = stream.peer_addr() else { return };
        stream.set_nodelay(true).ok();
        let until = Instant::now() + self.limits.connection;
        let wire = Wire { stream: &stream, patience: self.limits.write, until };
        let mut came = Vec::new();
        loop {
            let (answer, head_only, keep) = match self.next(&stream, &mut came, until) {
                Ok(None) => return,
                Ok(Some(request)) => {
                    let answer = self.answer(&request, peer.ip());
                    log(&format!(
                        "{} {:?} {} {}",
                        peer.ip(),
                        request.method.name(),
                        request.target.escape_debug(),
                        answer.status
                    ));
                    // Whoever guesses tokens shall connect anew for each.
                    let keep = request.keep && answer.status != 401 && !self.stop.load(Ordering::Relaxed);
                    (answer, request.method == Method::Head, keep)
                }
                Err(Refusal { status, why }) => {
                    log(&format!("{} {status} {why}", peer.ip()));
                    (Answer::error(status, why), false, false)
                }
            };
            if answer.send(&wire, head_only, keep).is_err() {
                return;
            }
            if !keep {
                return drain(&stream);
            }
        }
    }

    /// Waits for the next head; `None` when the client is done, says nothing, or the server ends.
    fn next(&self, stream: &TcpStream, came: &mut Vec<u8>, until: Instant) -> Result<Option<Request>, Refusal> {
        let until = until.min(Instant::now() + self.limits.head);
        let mut stream = stream;
        loop {
            if let Some((request, length)) = request::parse(came)? {
                came.drain(..length);
                return Ok(Some(request));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let why = "the head of the request did not come in time";
                return if came.is_empty() { Ok(None) } else { Err(Refusal { status: 408, why }) };
            }
            if self.stop.load(Ordering::Relaxed) || stream.set_read_timeout(Some(left.min(LOOK))).is_err() {
                return Ok(None);
            }
            let mut piece = [0; 2048];
            match stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(n) => came.extend_from_slice(piece.get(..n).unwrap_or_default()),
                Err(e) => match e.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => (),
                    _ => return Ok(None),
                },
            }
        }
    }

    fn answer(&self, request: &Request, peer: IpAddr) -> Answer {
        // Before the token, so that nobody can try tokens faster than this.
        if let Err(wait) = self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(peer, Instant::now()) {
            return Answer::error(429, "too many requests; wait a moment").with("Retry-After", wait.to_string());
        }
        if !request.token.as_deref().is_some_and(|said| self.token.is(said)) {
            return Answer::error(401, "expected `Authorization: Bearer TOKEN` with the token of this server")
                .with("WWW-Authenticate", "Bearer");
        }
        if request.method == Method::Other {
            return Answer::error(405, "this server is for reading: GET and HEAD").with("Allow", "GET, HEAD");
        }
        self.look_up(request).unwrap_or_else(|| Answer::error(404, "there is no such run or file"))
    }

    fn look_up(&self, request: &Request) -> Option<Answer> {
        let segments = files::segments(&request.target)?;
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["v1", "runs"] => Some(match self.shelf.runs() {
                Ok(runs) => Answer::json(200, &json!({ "runs": runs })),
                Err(_) => Answer::error(500, "the folder of the runs cannot be read"),
            }),
            ["v1", "runs", name, "files"] => {
                let (manifest, files) = self.shelf.files(name)?;
                Some(Answer::json(200, &json!({ "name": name, "identity": manifest.identity, "files": files })))
            }
            ["v1", "runs", name, "file", _, ..] => {
                let files::Offered { file, length } = self.shelf.file(name, segments.get(4..)?)?;
                Some(match request.range.map(|range| range.within(length)) {
                    None => Answer::part(200, file, 0, length),
                    Some(None) => Answer::error(416, "the file has no such part")
                        .with("Content-Range", format!("bytes */{length}")),
                    Some(Some((first, count))) => Answer::part(206, file, first, count)
                        .with("Content-Range", format!("bytes {first}-{}/{length}", first + count - 1)),
                })
            }
            _ => None,
        }
    }
}

/// Takes what a client was still sending: closing on it would reset the connection, and the answer would be lost on its way.
fn drain(stream: &TcpStream) {
    let mut stream = stream;
    let end = Instant::now() + Duration::from_millis(500);
    let mut piece = [0; 4096];
    if stream.shutdown(Shutdown::Write).is_err() || stream.set_read_timeout(Some(LOOK)).is_err() {
        return;
    }
    for _ in 0..64 {
        if Instant::now() > end || !matches!(stream.read(&mut piece), Ok(1..)) {
            return;
        }
    }
}

const _: () = assert!(HEAD >= 4096, "a token of 512 characters and a long path fit");
