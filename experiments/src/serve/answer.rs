//! What is sent back, and how: in pieces, each within the time that is left.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Bytes that are read and sent at once.
const PIECE: usize = 1 << 16;

/// A body.
pub(super) enum Body {
    Text(Vec<u8>),
    /// Bytes of a file: the first, and how many.
    Part(File, u64, u64),
}

/// An answer before it is sent.
pub(super) struct Answer {
    pub(super) status: u16,
    lines: Vec<(&'static str, String)>,
    body: Body,
}

impl Answer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let lines = vec![("Content-Type", "application/json".to_owned())];
        Self { status, lines, body: Body::Text(value.to_string().into_bytes()) }
    }

    /// A refusal with a sentence.
    pub(super) fn error(status: u16, why: &str) -> Self {
        Self::json(status, &json!({ "error": why }))
    }

    /// `length` bytes of a file from `first` on.
    pub(super) fn part(status: u16, file: File, first: u64, length: u64) -> Self {
        let lines =
            vec![("Content-Type", "application/octet-stream".to_owned()), ("Accept-Ranges", "bytes".to_owned())];
        Self { status, lines, body: Body::Part(file, first, length) }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.lines.push((name, value.into()));
        self
    }

    fn length(&self) -> u64 {
        match &self.body {
            Body::Text(text) => text.len() as u64,
            Body::Part(_, _, length) => *length,
        }
    }

    /// Sends the head and, unless `head_only`, the body. An error means that the connection is of no more use.
    pub(super) fn send(self, wire: &Wire<'_>, head_only: bool, keep: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let connection = if keep { "keep-alive" } else { "close" };
        let always = [
            ("Content-Length", self.length().to_string()),
            ("Connection", connection.to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ];
        for (name, value) in self.lines.iter().chain(&always) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        match self.body {
            _ if head_only => wire.write(&bytes),
            Body::Text(text) => {
                bytes.extend(text);
                wire.write(&bytes)
            }
            Body::Part(mut file, first, length) => {
                wire.write(&bytes)?;
                file.seek(SeekFrom::Start(first))?;
                let mut rest = file.take(length);
                let mut piece = vec![0; PIECE];
                loop {
                    match rest.read(&mut piece)? {
                        0 if rest.limit() == 0 => return Ok(()),
                        // The length was promised; only an end of the connection can take that back.
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        n => wire.write(piece.get(..n).unwrap_or_default())?,
                    }
                }
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// A connection and its time.
pub(super) struct Wire<'a> {
    pub(super) stream: &'a TcpStream,
    /// How long one write may take nothing.
    pub(super) patience: Duration,
    /// When the connection ends, whatever is being sent.
    pub(super) until: Instant,
}

impl Wire<'_> {
    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now()).min(self.patience);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left))?;
            let mut stream = self.stream;
            match stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => (),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
