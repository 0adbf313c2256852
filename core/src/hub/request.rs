//! Requests to the Hub: addresses and headers by `hf-hub`, redirects and refusals by us.

use std::{io::Read, time::Duration};

use hf_hub::{
    Cache, Repo, RepoType,
    api::{
        RepoInfo,
        sync::{ApiBuilder, ApiRepo},
    },
};

use super::{Hub, Token, Verified, is_plain, store::Hash};
use crate::{Error, Result, monitor::Monitor};

/// Redirects that are followed for one request.
const HOPS: usize = 10;
/// The longest list of files that is read.
const LISTING: u64 = 1 << 26;

/// A file of a repository, as the Hub describes it.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) hash: Hash,
}

impl Remote {
    pub(super) fn verified(self) -> Verified {
        let Self { name, size, hash } = self;
        Verified { name, bytes: size, hash }
    }
}

/// What a revision holds.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// What a server answered. The body has not been read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Box<dyn Read>,
    headers: Vec<(String, String)>,
    pub(super) url: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the same request may go well later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// Seconds that the server asks for.
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse().ok()
    }

    /// First byte and size of the whole, from `Content-Range: bytes 5-9/10`.
    pub(super) fn range(&self) -> Option<(u64, Option<u64>)> {
        let (span, size) = self.header("content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
        Some((span.split_once('-')?.0.parse().ok()?, size.parse().ok()))
    }

    fn size(&self) -> Option<u64> {
        let linked = || self.header("x-linked-size")?.parse().ok();
        let plain = || self.header("content-length").filter(|_| self.status == 200)?.parse().ok();
        linked().or_else(|| self.range()?.1).or_else(plain)
    }
}

/// Asks about one model at one revision.
pub(super) struct Client<'a> {
    pub(super) hub: &'a Hub,
    pub(super) id: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) repo: Repo,
    api: ApiRepo,
}

impl<'a> Client<'a> {
    pub(super) fn new(hub: &'a Hub, id: &'a str, revision: &str) -> Result<Self> {
        let fail = |why: String| Error::Download { reference: id.to_owned(), why };
        let endpoint = hub.endpoint.trim_end_matches('/');
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(fail(format!("HF_ENDPOINT is {endpoint:?}; expected an address that begins with https://")));
        }
        if let Some(Token { secret, source }) = &hub.token
            && !secret.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(fail(format!(
                "the token from {source} has a blank or a line break in it; expected one word, hf_..."
            )));
        }
        let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned());
        let api = ApiBuilder::from_cache(Cache::new(hub.cache.clone()))
            .with_endpoint(endpoint.to_owned())
            .with_token(hub.token.as_ref().map(|token| token.secret.clone()))
            .with_progress(false)
            .with_user_agent("babelscope", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|e| fail(format!("cannot prepare requests: {e}")))?;
        Ok(Self { hub, id, endpoint, api: api.repo(repo.clone()), repo })
    }

    /// The same model at the commit that its revision is now.
    pub(super) fn at(&self, commit: &str) -> Result<Self> {
        Self::new(self.hub, self.id, commit)
    }

    pub(super) fn retries(&self) -> usize {
        self.hub.retries
    }

    /// What the revision holds now.
    pub(super) fn listing(&self) -> Result<Listing> {
        let url = format!("{}/api/{}", self.endpoint, self.repo.api_url());
        let answer = self.send(&url, None, true).map_err(|why| self.unreachable(&why))?;
        if answer.status != 200 {
            return Err(self.refusal(answer, None));
        }
        let mut text = Vec::new();
        answer.body.take(LISTING).read_to_end(&mut text).map_err(|e| self.unreachable(&e.to_string()))?;
        let unexpected = |why: String| self.failed(&format!("the list of its files is not as expected: {why}\n{url}"));
        let RepoInfo { sha, siblings } = serde_json::from_slice(&text).map_err(|e| unexpected(e.to_string()))?;
        if Hash::of_etag(&sha).is_none() {
            return Err(unexpected(format!("`sha` is {sha:?} and not a commit")));
        }
        Ok(Listing { commit: sha, files: siblings.into_iter().map(|file| file.rfilename).collect() })
    }

    /// Size and hash of each file.
    pub(super) fn describe(&self, names: Vec<String>, monitor: &Monitor) -> Result<Vec<Remote>> {
        names.into_iter().map(|name| self.describe_one(name, monitor)).collect()
    }

    pub(super) fn describe_one(&self, name: String, monitor: &Monitor) -> Result<Remote> {
        if !is_plain(&name) {
            return Err(self.failed(&format!("a file is called {name:?}; expected letters, digits, and -_.")));
        }
        let url = self.api.url(&name);
        let mut idle = 0;
        let answer = loop {
            monitor.check()?;
            // One byte: the headers are wanted, and hf-hub has no HEAD. Size and hash are in the Hub's own answer, so a
            // redirect to the host that holds the bytes is not followed.
            let (why, wait) = match self.send(&url, Some("bytes=0-0"), false) {
                Ok(answer) if !answer.is_passing() => break answer,
                Ok(answer) => (format!("the server answered {}", answer.status), answer.retry_after()),
                Err(why) => (why, None),
            };
            idle += 1;
            if idle > self.retries() {
                return Err(self.unreachable(&why));
            }
            self.wait(idle, wait, monitor)?;
        };
        if !matches!(answer.status, 200 | 206 | 300..400) {
            return Err(self.refusal(answer, Some(&name)));
        }
        let lacks = |what: &str| {
            self.failed(&format!(
                "the server does not say {what} of {name}, so what it sends could not be verified; another mirror \
                 (HF_ENDPOINT) may, or fetch the files yourself and give the folder\n{url}"
            ))
        };
        let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag")).unwrap_or_default();
        let hash = Hash::of_etag(etag).ok_or_else(|| lacks("the hash"))?;
        let size = answer.size().ok_or_else(|| lacks("the size"))?;
        Ok(Remote { name, size, hash })
    }

    /// A file from byte `from` on; the error says why the server was not reached.
    pub(super) fn open(&self, name: &str, from: u64) -> std::result::Result<Answer, String> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        self.send(&self.api.url(name), range.as_deref(), true)
    }

    /// One GET, redirects followed: to other hosts only when `abroad`, and there without the token.
    fn send(&self, url: &str, range: Option<&str>, abroad: bool) -> std::result::Result<Answer, String> {
        let home = origin(url).to_owned();
        let mut url = url.to_owned();
        let mut at_home = true;
        let mut linked = Vec::new();
        for _ in 0..=HOPS {
            // A request for some address of the right agent; it is given its own address here.
            let mut request = self.api.info_request().uri(url.as_str()).header("Accept-Encoding", "identity");
            if let Some(range) = range {
                request = request.header("Range", range);
            }
            at_home &= origin(&url) == home;
            if !at_home && let Some(headers) = request.headers_mut() {
                headers.remove("authorization");
            }
            let mut config = request
                .config()
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .timeout_connect(Some(Duration::from_secs(20)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .timeout_per_read(Some(Duration::from_secs(30)));
            if is_loopback(&url) {
                config = config.proxy(None);
            }
            let (parts, body) = config.build().call().map_err(|e| e.to_string())?.into_parts();
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let mut headers: Vec<_> =
                parts.headers.iter().map(|(key, value)| (key.as_str().to_owned(), text(value.as_bytes()))).collect();
            // The Hub says them in its own answer, and who it redirects to need not repeat them.
            headers.append(&mut linked);
            let answer = Answer { status: parts.status.as_u16(), body: Box::new(body.into_reader()), headers, url };
            let next = match (answer.status, answer.header("location")) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => join(&answer.url, location),
                _ => return Ok(answer),
            };
            if !abroad && origin(&next) != home {
                return Ok(answer);
            }
            linked = answer.headers.into_iter().filter(|(key, _)| key.starts_with("x-linked-")).collect();
            url = next;
        }
        Err(format!("more than {HOPS} redirects"))
    }

    /// Sleeps before an attempt that follows `idle` attempts without any gain.
    pub(super) fn wait(&self, idle: usize, asked: Option<u64>, monitor: &Monitor) -> Result<()> {
        let own = 300 << idle.min(5);
        let pause = own.max(1000 * asked.unwrap_or(0).min(60));
        for _ in 0..pause / 100 {
            monitor.check()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        monitor.check()
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    &url[..end]
}

fn is_loopback(url: &str) -> bool {
    let host = origin(url).split_once("://").map_or("", |(_, authority)| authority);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost" || host.starts_with("127.") || host == "[::1]"
}

/// The address that a `Location` header of the answer from `base` means.
fn join(base: &str, location: &str) -> String {
    let location = location.trim();
    if location.starts_with("https://") || location.starts_with("http://") {
        return location.to_owned();
    }
    if let Some(rest) = location.strip_prefix("//") {
        let scheme = base.split_once("://").map_or("https", |(scheme, _)| scheme);
        return format!("{scheme}://{rest}");
    }
    if location.starts_with('/') {
        return format!("{}{location}", origin(base));
    }
    let path = base.split(['?', '#']).next().unwrap_or(base);
    let folder = path.rfind('/').map_or(path, |at| &path[..at]);
    format!("{folder}/{location}")
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, join, origin};

    #[test]
    fn redirects_lead_where_a_browser_would_go() {
        let base = "https://hub.example:8443/org/name/resolve/main/config.json?x=1";
        for (location, expected) in [
            ("https://cdn.example/a?b=c", "https://cdn.example/a?b=c"),
            ("//cdn.example/a", "https://cdn.example/a"),
            ("/api/resolve-cache/x", "https://hub.example:8443/api/resolve-cache/x"),
            ("other.json", "https://hub.example:8443/org/name/resolve/main/other.json"),
        ] {
            assert_eq!(join(base, location), expected);
        }
    }

    #[test]
    fn the_token_stays_with_scheme_host_and_port() {
        assert_eq!(origin("https://a.example/x"), "https://a.example");
        for other in ["http://a.example/x", "https://a.example:444/x", "https://b.example/x", "https://a.example.b/x"] {
            assert_ne!(origin("https://a.example/x"), origin(other));
        }
        assert!(is_loopback("http://127.0.0.1:80/x") && is_loopback("http://localhost/x"));
        assert!(!is_loopback("http://localhost.example/x") && !is_loopback("https://huggingface.co/x"));
    }
}
