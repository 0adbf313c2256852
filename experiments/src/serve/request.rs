//! The head of a request, read with limits before anything is looked up.

use httparse::{EMPTY_HEADER, Error, Header, Status};

/// The longest head that is read, in bytes.
pub const HEAD: usize = 8 * 1024;
/// How many header lines a head may have.
const LINES: usize = 64;

/// What is asked for. Other methods are kept, so that nobody without a token learns which are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Head and body.
    Get,
    /// The head alone.
    Head,
    /// Refused.
    Other,
}

impl Method {
    /// Its name in a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Other => "another method",
        }
    }
}

/// A part of a file, as `Range` asks for it; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `bytes=5-`, `bytes=5-9`
    From(u64, Option<u64>),
    /// `bytes=-9`: the last nine.
    Last(u64),
}

impl Range {
    /// First byte and number of bytes in a file of `length`; `None` where nothing of it is there.
    ///
    /// ```
    /// use babelscope::serve::request::Range;
    /// assert_eq!(Range::From(5, Some(9)).within(100), Some((5, 5)));
    /// assert_eq!(Range::Last(200).within(100), Some((0, 100)));
    /// assert_eq!(Range::From(100, None).within(100), None);
    /// ```
    pub fn within(self, length: u64) -> Option<(u64, u64)> {
        let (first, last) = match self {
            Self::From(first, last) => (first, last.unwrap_or(u64::MAX).min(length.checked_sub(1)?)),
            Self::Last(0) => return None,
            Self::Last(count) => (length.saturating_sub(count), length.checked_sub(1)?),
        };
        (first <= last).then(|| (first, last - first + 1))
    }

    /// One range of bytes; anything else is not understood, and then the whole file is the answer (RFC 9110, 14.2).
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }
}

/// A head that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The target as it was sent; see [`super::files::segments`].
    pub target: String,
    /// What stands behind `Authorization: Bearer`.
    pub token: Option<String>,
    /// The part asked for.
    pub range: Option<Range>,
    /// Whether the connection stays open for another request.
    pub keep: bool,
}

/// Why a head is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The sentence.
    pub why: &'static str,
}

const fn refuse(status: u16, why: &'static str) -> Refusal {
    Refusal { status, why }
}

/// The request at the beginning of `bytes` and the length of its head; `None` where more has to come.
///
/// # Errors
/// A [`Refusal`]: no HTTP/1, a head over [`HEAD`] bytes or 64 lines, a body, or lines that contradict one another.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refusal> {
    let mut lines = [EMPTY_HEADER; LINES];
    let mut head = httparse::Request::new(&mut lines);
    let length = match head.parse(bytes.get(..HEAD).unwrap_or(bytes)) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() >= HEAD => return Err(refuse(431, "the head is longer than 8 KiB")),
        Ok(Status::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(refuse(431, "the head has more than 64 lines")),
        Err(Error::Version) => return Err(refuse(505, "expected HTTP/1.1")),
        Err(_) => return Err(refuse(400, "this is no HTTP request")),
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(refuse(400, "this is no HTTP request"));
    };
    let mut request = Request {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        },
        target: target.to_owned(),
        token: None,
        range: None,
        keep: version == 1,
    };
    let hosts = request.read(head.headers)?;
    if hosts > 1 || (hosts == 0 && version == 1) {
        return Err(refuse(400, "expected one Host line"));
    }
    Ok(Some((request, length)))
}

impl Request {
    /// Takes what counts from the lines; the number of Host lines.
    fn read(&mut self, lines: &[Header<'_>]) -> Result<usize, Refusal> {
        let (mut hosts, mut authorizations, mut conditional) = (0, 0, false);
        for line in lines {
            let is = |name: &str| line.name.eq_ignore_ascii_case(name);
            let value = str::from_utf8(line.value).unwrap_or_default().trim();
            if is("host") {
                hosts += 1;
            } else if is("authorization") {
                authorizations += 1;
                self.token = bearer(value);
            } else if is("range") {
                self.range = Range::parse(value);
            } else if is("if-range") {
                conditional = true;
            } else if is("connection") {
                self.keep &= !value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
            } else if is("transfer-encoding") || (is("content-length") && value != "0") {
                return Err(refuse(413, "a request to this server has no body"));
            }
        }
        if authorizations > 1 {
            return Err(refuse(400, "expected one Authorization line"));
        }
        // A condition that nobody checks here must not be taken for one that holds.
        self.range = self.range.filter(|_| !conditional);
        Ok(hosts)
    }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, u16> {
        parse(text.as_bytes()).map_err(|r| r.status).map(|found| {
            let (request, length) = found.unwrap();
            assert_eq!(length, text.len());
            request
        })
    }

    #[test]
    fn a_request_is_read_with_its_token_and_range() {
        let request =
            read("GET /v1/runs HTTP/1.1\r\nHost: a\r\nauthorization: bearer  abc \r\nRange: bytes=5-\r\n\r\n").unwrap();
        assert_eq!((request.method, request.target.as_str(), request.keep), (Method::Get, "/v1/runs", true));
        assert_eq!((request.token.as_deref(), request.range), (Some("abc"), Some(Range::From(5, None))));
        let request = read("HEAD / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
        assert_eq!((request.method, request.keep, request.token), (Method::Head, false, None));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (lines, status) in [
            ("", 400),
            ("Host: a\r\nHost: b\r\n", 400),
            ("Host: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n", 400),
            ("Host: a\r\nContent-Length: 5\r\n", 413),
            ("Host: a\r\nContent-Length: +0\r\n", 413),
            ("Host: a\r\nTransfer-Encoding: chunked\r\n", 413),
            ("Host: a\r\n folded\r\n", 400),
            ("Host a\r\n", 400),
        ] {
            assert_eq!(read(&format!("GET / HTTP/1.1\r\n{lines}\r\n")), Err(status), "{lines:?}");
        }
        assert_eq!(read("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Err(505));
        assert_eq!(read("GET /\r\n\r\n"), Err(400));
    }

    #[test]
    fn a_head_is_bounded_in_bytes_and_lines() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(HEAD));
        assert_eq!(parse(long.as_bytes()).unwrap_err().status, 431);
        assert_eq!(parse(&long.as_bytes()[..HEAD - 1]), Ok(None));
        assert_eq!(read(&format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(LINES + 1))), Err(431));
    }

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (text, range) in [
            ("bytes=0-0", Some(Range::From(0, Some(0)))),
            ("bytes=-5", Some(Range::Last(5))),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("bytes=+1-", None),
            ("bytes=-", None),
            ("bytes=99999999999999999999-", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(Range::parse(text), range, "{text}");
        }
        assert_eq!(Range::From(0, Some(u64::MAX)).within(7), Some((0, 7)));
        assert_eq!(Range::Last(0).within(7), None);
        assert_eq!(Range::Last(3).within(0), None);
        assert_eq!(Range::From(0, None).within(0), None);
    }
}
