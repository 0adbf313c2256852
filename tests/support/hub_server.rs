//! A server on loopback that answers like the Hugging Face Hub: listings, `resolve` with redirects to a second host that holds
//! large files, ranges, hashes in headers; and that misbehaves on request.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test's server: its threads end with the test")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use babelscope_core::hash::sha256;

/// The only model.
pub const ID: &str = "org/tiny";
/// What `main` is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server holds and how it behaves.
#[derive(Default)]
pub struct World {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Hashes that git gives to small files; the others are large files, with SHA-256.
    pub git: BTreeMap<String, String>,
    /// Path before everything, as mirrors have it.
    pub prefix: &'static str,
    /// The token without which nothing is answered.
    pub token: Option<&'static str>,
    /// Status and error code for every request whose path contains a text.
    pub refusal: Option<(&'static str, u16, &'static str)>,
    /// After how many bytes of the body the connection breaks, for one request for weights after the other.
    pub cuts: Vec<usize>,
    /// A file of which one byte is wrong.
    pub spoilt: Option<&'static str>,
    /// The second host knows no ranges.
    pub rangeless: bool,
    /// Says this size of the weights.
    pub claimed: Option<u64>,
    /// Says this instead of hashes.
    pub etag: Option<&'static str>,
    /// How many requests for files are answered with 503 first.
    pub busy: usize,
    /// Everything that was asked.
    pub seen: Vec<Request>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether the second host was asked.
    pub cdn: bool,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

pub struct HubServer {
    hub: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl HubServer {
    /// Serves `files`; `git` are the hashes of the small ones.
    pub fn start(files: BTreeMap<String, Vec<u8>>, git: &[(&str, &str)]) -> Self {
        let git = git.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        let world = Arc::new(Mutex::new(World { files, git, ..World::default() }));
        let [hub, cdn] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let (hub_address, cdn_address) = (hub.local_addr().unwrap(), cdn.local_addr().unwrap());
        for (listener, is_cdn) in [(hub, false), (cdn, true)] {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let world = Arc::clone(&world);
                    // A client that hangs up is no failure of the server.
                    thread::spawn(move || answer(&stream, &world, is_cdn, cdn_address));
                }
            });
        }
        Self { hub: hub_address, world }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}{}", self.hub, self.world().prefix)
    }

    /// To change how it behaves.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked since the last call.
    pub fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut self.world().seen)
    }
}

/// A response before it is sent.
struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes of the body after which the connection breaks.
    cut: Option<usize>,
}

impl Response {
    fn new(status: u16, headers: Vec<(&'static str, String)>) -> Self {
        Self { status, headers, body: Vec::new(), cut: None }
    }

    fn error(status: u16, code: &str) -> Self {
        let message = format!("This is {code} of the test server.");
        Self::new(status, vec![("X-Error-Code", code.to_owned()), ("X-Error-Message", message)])
    }
}

fn answer(stream: &TcpStream, world: &Mutex<World>, cdn: bool, cdn_address: SocketAddr) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { cdn, path, range: None, authorization: None };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "range" => request.range = Some(value.trim().to_owned()),
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => (),
        }
    }
    let response = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.seen.push(request.clone());
        match (cdn, world.busy) {
            (false, 1..) if request.path.contains("/resolve/") => {
                world.busy -= 1;
                Response::new(503, vec![("Retry-After", "0".to_owned())])
            }
            (false, _) => hub(&world, &request, cdn_address),
            (true, _) => large(&mut world, &request),
        }
    };
    let mut to = stream;
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", response.status);
    head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    to.write_all(head.as_bytes()).ok()?;
    to.write_all(b"\r\n").ok()?;
    let end = response.cut.map_or(response.body.len(), |cut| cut.min(response.body.len()));
    to.write_all(&response.body[..end]).ok()
}

fn hub(world: &World, request: &Request, cdn: SocketAddr) -> Response {
    if let Some((part, status, code)) = world.refusal
        && request.path.contains(part)
    {
        return Response::error(status, code);
    }
    if let Some(token) = world.token
        && request.authorization.as_deref() != Some(&format!("Bearer {token}"))
    {
        return Response::error(401, "");
    }
    let Some(path) = request.path.strip_prefix(world.prefix) else { return Response::error(404, "") };
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let Some(revision) = rest.strip_prefix(&format!("{ID}/revision/")) else {
            // What the Hub says to those who have no right to know.
            return Response::error(401, "RepoNotFound");
        };
        if !["main", "refs%2Fpr%2F1", COMMIT].contains(&revision) {
            return Response::error(404, "RevisionNotFound");
        }
        let files: Vec<_> = world.files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
        let body = format!(r#"{{"id":"{ID}","sha":"{COMMIT}","siblings":[{}],"gated":false}}"#, files.join(","));
        return Response { body: body.into_bytes(), ..Response::new(200, Vec::new()) };
    }
    if let Some(name) = path.strip_prefix("/resolve-cache/") {
        let git = world.git.get(name).cloned().unwrap_or_default();
        let etag = world.etag.map_or(git, str::to_owned);
        return ranged(world, name, request, vec![("ETag", format!("\"{etag}\""))]);
    }
    let Some(name) = path.strip_prefix(&format!("/{ID}/resolve/{COMMIT}/")) else { return Response::error(404, "") };
    let Some(bytes) = world.files.get(name) else { return Response::error(404, "EntryNotFound") };
    let mut headers = vec![("X-Repo-Commit", COMMIT.to_owned())];
    if world.git.contains_key(name) {
        headers.push(("Location", format!("{}/resolve-cache/{name}", world.prefix)));
        return Response::new(307, headers);
    }
    let hash = sha256(bytes);
    headers.push(("X-Linked-Etag", format!("\"{}\"", world.etag.unwrap_or(&hash))));
    headers
        .push(("X-Linked-Size", world.claimed.filter(|_| is_weights(name)).unwrap_or(bytes.len() as u64).to_string()));
    headers.push(("Location", format!("http://{cdn}/large/{name}?signature=1")));
    Response::new(302, headers)
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors")
}

fn large(world: &mut World, request: &Request) -> Response {
    let name =
        request.path.strip_prefix("/large/").and_then(|name| name.strip_suffix("?signature=1")).unwrap_or_default();
    let cut = if world.cuts.is_empty() || !is_weights(name) { None } else { Some(world.cuts.remove(0)) };
    // The second host names files its own way.
    Response { cut, ..ranged(world, name, request, vec![("ETag", "\"5f3a-17\"".to_owned())]) }
}

fn ranged(world: &World, name: &str, request: &Request, mut headers: Vec<(&'static str, String)>) -> Response {
    let Some(mut bytes) = world.files.get(name).cloned() else { return Response::error(404, "EntryNotFound") };
    if world.spoilt == Some(name) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let range = request.range.as_deref().filter(|_| !(world.rangeless && request.cdn));
    let Some((first, last)) = range.and_then(|r| r.strip_prefix("bytes=")?.split_once('-')) else {
        return Response { body: bytes, ..Response::new(200, headers) };
    };
    let first: usize = first.parse().unwrap();
    let end = last.parse().map_or(bytes.len(), |last: usize| last + 1);
    if first >= bytes.len() {
        return Response::error(416, "");
    }
    headers.push(("Content-Range", format!("bytes {first}-{}/{}", end - 1, bytes.len())));
    Response { body: bytes[first..end].to_vec(), ..Response::new(206, headers) }
}
