//! Requests to `babelscope serve`, their refusals as sentences, and patience.

use std::{
    io::Read as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use babelscope_core::monitor::Monitor;
use serde::de::DeserializeOwned;
use ureq::{Agent, Body, http::Response};

use super::Place;
use crate::{
    fault::{Fault, Kind},
    serve::{Token, files::encoded},
};

/// Attempts in a row that bring nothing before it is given up.
const RETRIES: u32 = 5;

/// One server.
pub(super) struct Client<'a> {
    agent: Agent,
    place: &'a Place,
    token: &'a Token,
    pub(super) monitor: &'a Monitor,
}

impl<'a> Client<'a> {
    pub(super) fn new(place: &'a Place, token: &'a Token, monitor: &'a Monitor) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // The token is for this server, not for one that it names, and not for a proxy on the way.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("babelscope/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(20)))
            .max_response_header_size(1 << 14)
            .build()
            .new_agent();
        Self { agent, place, token, monitor }
    }

    /// The path of something of a run.
    pub(super) fn path(name: &str, below: &str) -> String {
        let below: Vec<String> = below.split('/').map(encoded).collect();
        format!("/v1/runs/{}/{}", encoded(name), below.join("/"))
    }

    pub(super) fn fault(&self, kind: Kind, why: &str) -> anyhow::Error {
        Fault::new(kind, format!("{why}\n{}", self.place.origin)).into()
    }

    /// An answer with data; `None` where there is no such thing. Waits and asks again where that may help.
    pub(super) fn open(&self, path: &str, from: u64) -> Result<Option<Response<Body>>> {
        let mut idle = 0;
        loop {
            self.monitor.check()?;
            let mut request = self.agent.get(format!("{}{path}", self.place.origin));
            request = request.header("Authorization", format!("Bearer {}", self.token.secret()));
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let (why, wait) = match request.call() {
                Ok(answer) => match answer.status().as_u16() {
                    200 | 206 | 416 => return Ok(Some(answer)),
                    404 => return Ok(None),
                    401 => {
                        let why = "the server does not know this token; take the one that `babelscope serve` printed or was given";
                        return Err(self.fault(Kind::Data, why));
                    }
                    status @ (408 | 429 | 500 | 502..=504) => {
                        (format!("the server answered {status}"), header(&answer, "retry-after"))
                    }
                    status => {
                        let why = format!("the server answered {status}; is it `babelscope serve` of this version?");
                        return Err(self.fault(Kind::Data, &why));
                    }
                },
                Err(e) if refused(&e) => {
                    let why = format!(
                        "nobody answers there ({e}); does `babelscope serve` run, and is the tunnel open (docs/REMOTE.md)?"
                    );
                    return Err(self.fault(Kind::Io, &why));
                }
                Err(e @ (ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::BodyStalled)) => {
                    (e.to_string(), None)
                }
                Err(e) => {
                    return Err(self.fault(Kind::Data, &format!("what answers there is no `babelscope serve` ({e})")));
                }
            };
            idle += 1;
            if idle > RETRIES {
                return Err(self.fault(Kind::Io, &format!("given up after {idle} attempts: {why}")));
            }
            self.wait(idle, wait)?;
        }
    }

    /// A small answer as a whole; `None` where there is no such thing.
    pub(super) fn bytes(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let mut cut = 0;
        loop {
            let Some(answer) = self.open(path, 0)? else { return Ok(None) };
            let mut bytes = Vec::new();
            let came = answer.into_body().into_reader().take(most + 1).read_to_end(&mut bytes);
            match came {
                Ok(_) if bytes.len() as u64 > most => {
                    let why = format!("the answer to {path} is longer than {most} bytes, which no run needs");
                    return Err(self.fault(Kind::Data, &why));
                }
                Ok(_) => return Ok(Some(bytes)),
                Err(e) if cut == RETRIES => return Err(self.fault(Kind::Io, &format!("{path} broke off: {e}"))),
                Err(_) => cut += 1,
            }
            self.wait(cut, None)?;
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&self, path: &str, most: u64) -> Result<Option<T>> {
        let Some(bytes) = self.bytes(path, most)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            let why =
                format!("the answer to {path} is not as expected ({e}); is it `babelscope serve` of this version?");
            self.fault(Kind::Data, &why)
        })
    }

    /// Waits before attempt number `idle`, as long as the server asked, and listens for the wish to stop.
    pub(super) fn wait(&self, idle: u32, asked: Option<u64>) -> Result<()> {
        let seconds = asked.unwrap_or(1 << idle.saturating_sub(1).min(3)).min(30);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            self.monitor.check()?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn retries(&self) -> u32 {
        RETRIES
    }
}

/// A number in a line of the head.
pub(super) fn header(answer: &Response<Body>, name: &str) -> Option<u64> {
    answer.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

/// First byte and length of the whole, from `Content-Range: bytes 5-9/10`.
pub(super) fn range(answer: &Response<Body>) -> Option<(u64, u64)> {
    let text = answer.headers().get("content-range")?.to_str().ok()?;
    let (span, length) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((span.split_once('-')?.0.parse().ok()?, length.parse().ok()?))
}

/// Nobody listens, or the host has no address: asking again would not help.
fn refused(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
        ureq::Error::Io(e) => e.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}
