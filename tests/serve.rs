//! Runs over HTTP, through the real binary on loopback: who may read, what can be read, what a client does to a server, and what
//! a server does to a client.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::Duration,
};

use babelscope::{
    fault::{Kind, kind},
    manifest::{FileInfo, Manifest},
    remote::{self, Place},
    run::{self, Run},
    serve::{Limits, Server, Token},
};
use babelscope_core::monitor::Monitor;
use tempfile::TempDir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/models");
const TOKEN: &str = "correct-horse-battery";

/// Two small runs, made once: `align` and `lens`. Tests that change them work on a copy.
static RUNS: LazyLock<TempDir> = LazyLock::new(|| {
    let desk = tempfile::tempdir().unwrap();
    let corpus = desk.path().join("corpus");
    fs::create_dir(&corpus).unwrap();
    for (code, word) in [("eng_Latn", "birds"), ("hin_Deva", "पक्षी"), ("arb_Arab", "طيور")] {
        let text: String = (0..12).map(|i| format!("{} {word}\n", i * 37)).collect();
        fs::write(corpus.join(format!("{code}.txt")), text).unwrap();
    }
    let model = format!("{GOLDEN}/llama");
    let align = ["align", "--corpus", "corpus", "--bootstrap", "100", "--out", "runs/align"];
    let lens = ["lens", "--text", "طيور birds", "--out", "runs/lens"];
    for arguments in [&align[..], &lens] {
        let made = babelscope().args(arguments).args(["--model", &model]).current_dir(&desk).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
    }
    desk
});

fn babelscope() -> Command {
    Command::new(env!("CARGO_BIN_EXE_babelscope"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A copy of the two runs.
fn runs() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&RUNS.path().join("runs"), copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// A server that ends with the test.
struct Served {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Served {
    fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_with(folder, &[&["--token", TOKEN], more].concat()).0
    }

    /// The server, and the lines that it printed behind its address.
    fn start_with(folder: &Path, more: &[&str]) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut command = babelscope();
        let listen: &[&str] = if more.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        command.arg("serve").arg(folder).args(listen).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (errors, log) = (child.stderr.take().unwrap(), Arc::new(Mutex::new(String::new())));
        let kept = Arc::clone(&log);
        let reader = move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                *kept.lock().unwrap() += &(line + "\n");
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(reader).unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("http://") else {
            child.wait().unwrap();
            panic!("no address: {line}{}", log.lock().unwrap());
        };
        (Self { address: address.parse().unwrap(), child, log }, out)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn ask(&self, head: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        Reply::read(&mut stream, head.starts_with("HEAD")).unwrap()
    }

    fn get(&self, target: &str, lines: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{lines}\r\n"))
    }

    fn place(&self, run: &str) -> Place {
        Place::parse(&format!("http://{}/{run}", self.address)).unwrap()
    }

    /// How often the log has said something.
    fn said(&self, what: &str) -> usize {
        // The log comes through a pipe: what was said before this request stands before it.
        let mark = format!("/mark-{:?}-{}", thread::current().id(), self.logged("/mark")).replace(['(', ')'], "");
        self.get(&mark, "");
        while self.logged(&format!("{mark} ")) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        self.logged(what)
    }

    fn logged(&self, what: &str) -> usize {
        self.log.lock().unwrap().matches(what).count()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    /// Reads exactly one answer; `None` where the connection was closed without one.
    fn read(stream: &mut TcpStream, head_only: bool) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let mut reply = Self { status, head, body: Vec::new() };
        if !head_only {
            reply.body = vec![0; reply.line("Content-Length").parse().unwrap()];
            stream.read_exact(&mut reply.body).unwrap();
        }
        Some(reply)
    }

    fn line(&self, name: &str) -> &str {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

fn fetch(place: &Place, into: &Path) -> anyhow::Result<PathBuf> {
    remote::fetch(place, &token(), into, &Monitor::silent())
}

/// Names below the folder of fetched runs that somebody could take for a run.
fn fetched(into: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(into.join(".remote")) else { return Vec::new() };
    let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn without_the_token_there_is_nothing_but_a_refusal() {
    let server = Served::start(&RUNS.path().join("runs"), &[]);
    let long = format!("{TOKEN}x");
    for line in [
        String::new(),
        "Authorization: Bearer wrong-wrong-wrong-wrong\r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
        format!("Authorization: Bearer {long}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Cookie: token={TOKEN}\r\n"),
    ] {
        for target in ["/v1/runs", "/v1/runs/align/files", "/v1/runs/align/file/manifest.json", "/no/such", "/"] {
            for method in ["GET", "HEAD", "DELETE"] {
                let reply = server.ask(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{line}\r\n"));
                assert_eq!(reply.status, 401, "{method} {target} {line}");
                assert_eq!(reply.line("WWW-Authenticate"), "Bearer");
                let body = String::from_utf8_lossy(&reply.body);
                assert!(!body.contains("align") && !reply.head.contains("align"), "{body}");
            }
        }
    }
    assert_eq!(server.get(&format!("/v1/runs?token={TOKEN}"), "").status, 404);
    let both =
        format!("GET /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAuthorization: Bearer y\r\n\r\n");
    assert_eq!(server.ask(&both).status, 400);
    assert_eq!(server.get("/v1/runs", "").status, 200);
}

#[test]
fn with_the_token_runs_and_their_files_are_listed_and_come_as_they_are() {
    let folder = RUNS.path().join("runs");
    let server = Served::start(&folder, &[]);
    let runs = server.get("/v1/runs", "").json();
    let mut names: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["align", "lens"]);
    let local = run::manifest(&folder.join("align")).unwrap();
    let listed = server.get("/v1/runs/align/files", "").json();
    assert_eq!(listed["identity"].as_str(), Some(local.identity.as_str()));
    let files: Vec<FileInfo> = serde_json::from_value(listed["files"].clone()).unwrap();
    assert_eq!((files[0].path.as_str(), &files[1..]), ("manifest.json", local.files.as_slice()));
    for file in &files {
        let reply = server.get(&format!("/v1/runs/align/file/{}", file.path), "");
        assert_eq!((reply.status, reply.body.len() as u64), (200, file.bytes), "{}", file.path);
        assert_eq!(blake3::hash(&reply.body).to_hex().as_str(), file.blake3);
        assert_eq!(reply.body, fs::read(folder.join("align").join(&file.path)).unwrap());
    }
}

#[test]
fn a_folder_that_is_a_run_is_served_alone() {
    let server = Served::start(&RUNS.path().join("runs/lens"), &[]);
    assert_eq!(server.get("/v1/runs", "").json()["runs"][0]["name"], "lens");
    assert_eq!(server.get("/v1/runs/lens/file/spec.toml", "").status, 200);
    assert_eq!(server.get("/v1/runs/align/file/spec.toml", "").status, 404);
}

#[test]
fn the_models_of_a_sweep_are_runs() {
    let folder = runs();
    let sweep = folder.path().join("sweep-1a2b3c4d");
    copy_folder(&folder.path().join("lens"), &sweep.join("models/tiny"));
    fs::write(sweep.join("sweep.json"), "{}").unwrap();
    let here = Run::open(&folder.path().join("lens")).unwrap();
    let into = tempfile::tempdir().unwrap();
    for (shown, name) in [(folder.path(), "sweep-1a2b3c4d~tiny"), (sweep.as_path(), "tiny")] {
        let server = Served::start(shown, &[]);
        let listed = server.get("/v1/runs", "").json();
        let names: Vec<_> = listed["runs"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert!(names.contains(&name), "{names:?}");
        let fetched = Run::open(&fetch(&server.place(name), into.path()).unwrap()).unwrap();
        assert_eq!(Run { folder: here.folder.clone(), ..fetched }, here);
        for escape in ["sweep-1a2b3c4d~..", "sweep-1a2b3c4d~", "~tiny", "..~tiny", "sweep-1a2b3c4d~%2e%2e~x"] {
            assert_eq!(server.get(&format!("/v1/runs/{escape}/files"), "").status, 404, "{escape}");
        }
    }
}

#[test]
fn parts_of_files_come_by_range_and_requests_share_a_connection() {
    let folder = RUNS.path().join("runs");
    let server = Served::start(&folder, &[]);
    let whole = fs::read(folder.join("align/manifest.json")).unwrap();
    let n = whole.len();
    let target = "/v1/runs/align/file/manifest.json";
    for (range, first, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=5-".to_owned(), 5, n - 1),
        ("bytes=-7".to_owned(), n - 7, n - 1),
        (format!("bytes=10-{}", 2 * n), 10, n - 1),
        (format!("bytes=-{}", 2 * n), 0, n - 1),
    ] {
        let reply = server.get(target, &format!("Range: {range}\r\n"));
        assert_eq!(reply.status, 206, "{range}");
        assert_eq!(reply.line("Content-Range"), format!("bytes {first}-{last}/{n}"));
        assert_eq!(reply.body, whole[first..=last]);
    }
    let beyond = server.get(target, &format!("Range: bytes={n}-\r\n"));
    assert_eq!((beyond.status, beyond.line("Content-Range")), (416, format!("bytes */{n}").as_str()));
    // What is not one range of bytes is not understood, and the whole is the answer.
    for range in ["bytes=0-1,3-4", "bytes=5-2", "lines=0-1"] {
        assert_eq!(server.get(target, &format!("Range: {range}\r\n")).body, whole, "{range}");
    }
    assert_eq!(server.get(target, "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n").body, whole);

    let lines = format!("Host: x\r\nAuthorization: Bearer {TOKEN}\r\n");
    let mut stream = server.connect();
    let both =
        format!("HEAD {target} HTTP/1.1\r\n{lines}\r\nGET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
    stream.write_all(both.as_bytes()).unwrap();
    let head = Reply::read(&mut stream, true).unwrap();
    assert_eq!(head.line("Content-Length"), n.to_string());
    assert_eq!(Reply::read(&mut stream, false).unwrap().body, whole);
    assert!(Reply::read(&mut stream, false).is_none(), "closed as it was asked to");
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_the_folder_or_to_what_is_hidden() {
    let folder = runs();
    let run = folder.path().join("align");
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("secret"), "not for you").unwrap();
    fs::write(folder.path().join("beside"), "not for you").unwrap();
    for name in [".hidden", "notes.txt", "half.partial", "tables/.hidden"] {
        fs::write(run.join(name), "not for you").unwrap();
    }
    copy_folder(&run, &folder.path().join(".align-x.partial"));
    copy_folder(&run, &secret.path().join("outside"));
    // Everything in the manifest, so that only the place of a file can be the reason.
    let mut manifest = run::manifest(&run).unwrap();
    let names =
        ["../beside", "/etc/hostname", "link", "links/secret", "pipe", ".hidden", "half.partial", "tables", "a\\b"];
    manifest.files.extend(names.iter().map(|name| FileInfo {
        path: (*name).to_owned(),
        bytes: 11,
        blake3: "0".repeat(64),
    }));
    fs::write(run.join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    use std::os::unix::fs::symlink;
    symlink(secret.path().join("secret"), run.join("link")).unwrap();
    symlink(secret.path(), run.join("links")).unwrap();
    symlink(secret.path().join("outside"), folder.path().join("elsewhere")).unwrap();
    symlink(folder.path(), folder.path().join("round")).unwrap();
    assert!(Command::new("mkfifo").arg(run.join("pipe")).status().unwrap().success());
    let server = Served::start(folder.path(), &[]);
    let nothing = server.get("/v1/runs/none/files", "");
    assert_eq!(nothing.status, 404);
    for target in [
        "/v1/runs/align/file/../beside",
        "/v1/runs/align/file/../../align/manifest.json",
        "/v1/runs/align/file/%2e%2e/beside",
        "/v1/runs/align/file/%2E%2E%2Fbeside",
        "/v1/runs/align/file/..%2fbeside",
        "/v1/runs/align/file/%252e%252e/beside",
        "/v1/runs/align/file/..%5cbeside",
        "/v1/runs/align/file/..\\beside",
        "/v1/runs/align/file//etc/hostname",
        "/v1/runs/align/file/%2fetc%2fhostname",
        "/v1/runs/align/file/tables/../spec.toml",
        "/v1/runs/align/file/./spec.toml",
        "/v1/runs/align/file/spec.toml%00",
        "/v1/runs/align/file/spec.toml%00.png",
        "/v1/runs/align/file/spec.toml/",
        "/v1/runs/align/file/%zz",
        "/v1/runs/align/file/%",
        "/v1/runs/align/file/%ff%fe",
        "/v1/runs/align/file/%c0%ae%c0%ae/beside",
        "/v1/runs/align/file/a%5cb",
        "/v1/runs/align/file/",
        "/v1/runs/align/file/link",
        "/v1/runs/align/file/links/secret",
        "/v1/runs/align/file/pipe",
        "/v1/runs/align/file/tables",
        "/v1/runs/align/file/notes.txt",
        "/v1/runs/align/file/.hidden",
        "/v1/runs/align/file/tables/.hidden",
        "/v1/runs/align/file/half.partial",
        "/v1/runs/../runs/align/files",
        "/v1/runs/%2e/file/beside",
        "/v1/runs/./files",
        "/v1/runs/../files",
        "/v1/runs//files",
        "/v1/runs/.align-x.partial/files",
        "/v1/runs/elsewhere/files",
        "/v1/runs/elsewhere/file/spec.toml",
        "/v1/runs/round/files",
        "/v1/runs/align",
        "/v1/runs/align/files/x",
        "/v2/runs",
        "/",
        "v1/runs",
        "http://x/v1/runs",
        "*",
    ] {
        let reply = server.get(target, "");
        assert_eq!((reply.status, &reply.body), (404, &nothing.body), "{target}");
    }
    let listed = server.get("/v1/runs", "").json();
    let names: Vec<_> = listed["runs"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(!names.contains(&"elsewhere") && !names.contains(&"round") && names.len() == 2, "{names:?}");
    assert_eq!(server.get("/v1/runs/align/file/spec%2Etoml", "").status, 200);
}

#[test]
fn what_is_no_small_request_is_refused_and_the_server_goes_on() {
    let server = Served::start(&RUNS.path().join("runs"), &[]);
    let with = |line: &str| format!("GET /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{line}\r\n");
    for (request, status) in [
        (with(&format!("X: {}\r\n", "y".repeat(9000))), 431),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), 431),
        (with(&"X: y\r\n".repeat(100)), 431),
        (with("Content-Length: 5\r\n") + "12345", 413),
        (with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 413),
        ("POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".to_owned(), 413),
        (with("").replace("GET", "PUT"), 405),
        (with("").replace("GET", "TRACE"), 405),
        (with("").replace("HTTP/1.1", "HTTP/3.1"), 505),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400),
        ("GET /v1/runs HTTP/1.1\r\n\r\n".to_owned(), 400),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).ok();
        let reply = Reply::read(&mut stream, false).unwrap_or_else(|| panic!("no answer to {request:.60}"));
        assert_eq!(reply.status, status, "{request:.60}");
        assert!(status == 405 || reply.line("Connection") == "close", "{request:.60}");
    }
    // A client that closes in the middle of its head, and one in the middle of an answer.
    server.connect().write_all(b"GET /v1/ru").unwrap();
    drop(server.get("/v1/runs/align/file/manifest.json", ""));
    assert_eq!(server.get("/v1/runs", "").status, 200);
}

#[test]
fn a_slow_client_is_let_go_and_keeps_nobody_from_reading() {
    let server = Served::start(&RUNS.path().join("runs"), &["--timeout", "1"]);
    let mut slow = server.connect();
    let head = format!("GET /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX: {}", "y".repeat(4000));
    let mut closed = false;
    for byte in head.bytes() {
        // A byte now and then must not extend the time for the whole head.
        if slow.write_all(&[byte]).is_err() {
            closed = true;
            break;
        }
        assert_eq!(server.get("/v1/runs", "").status, 200);
        thread::sleep(Duration::from_millis(50));
        slow.set_nonblocking(true).unwrap();
        let answered = slow.peek(&mut [0]).is_ok();
        slow.set_nonblocking(false).unwrap();
        if answered {
            assert_eq!(Reply::read(&mut slow, false).map(|r| r.status), Some(408));
            closed = true;
            break;
        }
    }
    assert!(closed, "the server waited for a head that never ended");
}

#[test]
fn too_many_requests_are_told_to_wait_and_our_client_does() {
    let server = Served::start(&RUNS.path().join("runs"), &["--rate", "4"]);
    let replies: Vec<Reply> = (0..40).map(|_| server.get("/v1/runs", "")).collect();
    assert_eq!(replies[0].status, 200);
    let late = replies.iter().find(|r| r.status == 429).expect("40 requests at once are more than 4 a second");
    assert!(late.line("Retry-After").parse::<u64>().unwrap() >= 1);
    assert!(!String::from_utf8_lossy(&late.body).contains("align"));
    let into = tempfile::tempdir().unwrap();
    let folder = fetch(&server.place("lens"), into.path()).unwrap();
    assert!(Run::open(&folder).is_ok());
    assert!(server.said(" 429") >= 1);
}

#[test]
fn connections_are_bounded_and_come_back() {
    let server = Served::start(&RUNS.path().join("runs"), &["--connections", "2", "--timeout", "600"]);
    let idle = [server.connect(), server.connect()];
    let turned_away = || {
        let mut stream = server.connect();
        let reply = Reply::read(&mut stream, false);
        reply.is_some_and(|r| r.status == 503 && r.line("Retry-After") == "1")
    };
    assert!(turned_away() && turned_away());
    drop(idle);
    let mut served = false;
    for _ in 0..600 {
        let mut stream = server.connect();
        let head = format!("GET /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok();
        served = Reply::read(&mut stream, false).is_some_and(|r| r.status == 200);
        if served {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(served, "places of clients that have gone are free again");
}

#[test]
fn a_run_opened_from_afar_is_the_run_opened_here() {
    let folder = RUNS.path().join("runs");
    let server = Served::start(&folder, &[]);
    let into = tempfile::tempdir().unwrap();
    for name in ["align", "lens"] {
        let fetched = fetch(&server.place(name), into.path()).unwrap();
        let here = Run::open(&folder.join(name)).unwrap();
        assert_eq!(Run { folder: here.folder.clone(), ..Run::open(&fetched).unwrap() }, here);
        // A second time only the manifest is asked for.
        let before = server.said("/file/");
        assert_eq!(fetch(&server.place(name), into.path()).unwrap(), fetched);
        assert_eq!(server.said("/file/"), before + 1);
    }
    // Fetched runs are not among one's own.
    assert!(run::list(into.path()).unwrap().is_empty());

    let file = into.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let show = |arguments: &[&str]| babelscope().arg("show").args(arguments).current_dir(&into).output().unwrap();
    let address = format!("http://{}/lens", server.address);
    let there = show(&[&address, "--token-file", "token"]);
    assert!(there.status.success(), "{}", said(&there));
    let here = show(&[folder.join("lens").to_str().unwrap()]);
    let grid =
        |output: &Output| said(output).lines().filter(|l| l.starts_with('L')).map(str::to_owned).collect::<Vec<_>>();
    assert!(!grid(&here).is_empty());
    assert_eq!(grid(&there), grid(&here));
    for (arguments, code, words) in [
        (vec![address.as_str()], 78, "--token-file"),
        (vec![&address, "--token", "wrong-wrong-wrong-wrong"], 65, "does not know this token"),
        (vec![&address, "--token", "short"], 78, "at least 16"),
        (vec![&address.replace("lens", "lense"), "--token-file", "token"], 66, "there are"),
        (vec![&address.replace("lens", ""), "--token-file", "token"], 66, "which run?"),
        (vec![&address.replace("http:", "https:"), "--token-file", "token"], 78, "ssh -L"),
        (vec!["http://127.0.0.1:1/x", "--token-file", "token"], 74, "nobody answers there"),
    ] {
        let output = show(&arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(words) && !text.contains("wrong-wrong"), "{text}");
    }
}

#[test]
fn a_fetch_goes_on_where_it_ended() {
    let folder = RUNS.path().join("runs");
    let server = Served::start(&folder, &[]);
    let into = tempfile::tempdir().unwrap();
    let whole = fetch(&server.place("align"), into.path()).unwrap();
    let name = whole.file_name().unwrap().to_string_lossy().into_owned();
    let draft = into.path().join(format!(".remote/.{name}.partial"));
    let table = "tables/results.parquet";
    let bytes = fs::read(whole.join(table)).unwrap();
    // As an interrupted fetch leaves it: one file whole, one begun, one begun and damaged, one longer than it may be.
    let leave = |begun: &[u8]| {
        if whole.exists() {
            fs::remove_dir_all(&whole).unwrap();
        }
        fs::create_dir_all(draft.join("tables")).unwrap();
        fs::copy(folder.join("align/spec.toml"), draft.join("spec.toml")).unwrap();
        fs::write(draft.join(table), begun).unwrap();
    };
    let damaged: Vec<u8> = bytes[..100].iter().map(|b| b ^ 1).collect();
    for (begun, parts) in [(&bytes[..100], 1), (&damaged, 1), (&[&bytes[..], b"more"].concat(), 0), (&bytes, 0)] {
        leave(begun);
        let (before, specs) = (server.said(" 206"), server.said("spec.toml"));
        assert_eq!(fetch(&server.place("align"), into.path()).unwrap(), whole);
        assert_eq!(fs::read(whole.join(table)).unwrap(), bytes);
        assert_eq!((server.said(" 206") - before, server.said("spec.toml") - specs), (parts, 0));
        assert!(Run::open(&whole).is_ok() && !draft.exists());
    }
}

#[test]
fn a_run_that_changed_under_its_manifest_is_refused_and_leaves_no_run() {
    let file = "tables/results.parquet";
    let bytes = fs::read(RUNS.path().join("runs/align").join(file)).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (content, words) in [
        (Some(flipped), "another content"),
        (Some([&bytes[..], b"x"].concat()), "the manifest says"),
        (Some(bytes[..bytes.len() - 1].to_vec()), "the manifest says"),
        (Some(Vec::new()), "the manifest says"),
        (None, "not there any more"),
    ] {
        let folder = runs();
        let place = folder.path().join("align").join(file);
        match content {
            Some(content) => fs::write(place, content).unwrap(),
            None => fs::remove_file(place).unwrap(),
        }
        let server = Served::start(folder.path(), &[]);
        let into = tempfile::tempdir().unwrap();
        let error = fetch(&server.place("align"), into.path()).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(file) && text.contains(words), "{text}");
        assert_eq!(kind(&error), Kind::Data);
        assert!(fetched(into.path()).is_empty());
        // The other run is whole, and so is a fetch once the file is mended.
        assert!(fetch(&server.place("lens"), into.path()).is_ok());
        fs::write(folder.path().join("align").join(file), &bytes).unwrap();
        assert!(Run::open(&fetch(&server.place("align"), into.path()).unwrap()).is_ok());
    }
}

#[test]
fn two_clients_at_once_have_the_same_run_each_file_whole() {
    let folder = RUNS.path().join("runs");
    let server = Served::start(&folder, &[]);
    let into = tempfile::tempdir().unwrap();
    let client = || {
        let address = format!("http://{}/align", server.address);
        let mut command = babelscope();
        command
            .args(["show", &address, "--token", TOKEN])
            .current_dir(&into)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut clients: Vec<Child> = (0..4).map(|_| client()).collect();
    for client in clients.drain(..) {
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let [name] = fetched(&into.path().join("runs")).try_into().unwrap();
    assert!(Run::open(&into.path().join("runs/.remote").join(name)).is_ok());
    assert_eq!(server.said("/file/tables/results.parquet"), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_server_after_what_is_being_sent() {
    let (folder, content) = with_big_file(64 << 20);
    let mut server = Served::start(folder.path(), &[]);
    let _idle = server.connect();
    let mut stream = server.connect();
    let head = format!("GET /v1/runs/align/file/big.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = vec![0; 1 << 16];
    stream.read_exact(&mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &server.child.id().to_string()]).status().unwrap().success());
    while server.logged("ending when") == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    stream.read_to_end(&mut first).unwrap();
    let at = first.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(first[at..] == content, "the file came to its end");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_token_is_made_where_none_is_given_and_a_bad_start_has_a_sentence() {
    let folder = RUNS.path().join("runs");
    let (server, mut out) = Served::start_with(&folder, &[]);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let secret = line.trim().strip_prefix("token ").unwrap();
    assert_eq!(secret.len(), 64);
    let get = |secret: &str| {
        server.ask(&format!("GET /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n"))
    };
    assert_eq!((get(secret).status, get(TOKEN).status), (200, 401));
    assert_eq!(server.said(secret), 0);

    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("empty"), "").unwrap();
    let port = server.address.to_string();
    let folder = folder.to_str().unwrap();
    for (arguments, code, words) in [
        (vec!["serve", folder, "--token", "fifteen-letters"], 78, "at least 16"),
        (vec!["serve", folder, "--token-file", "empty"], 78, "at least 16"),
        (vec!["serve", folder, "--token-file", "none"], 66, "cannot read the token"),
        (vec!["serve", folder, "--token", "sixteen letters!!!"], 78, "one word"),
        (vec!["serve", "none", "--token", TOKEN], 66, "cannot read the folder"),
        (vec!["serve", "empty", "--token", TOKEN], 66, "expected a run folder or a folder of runs"),
        (vec!["serve", folder, "--listen", "example.org:80"], 78, "expected an IP address and a port"),
        (vec!["serve", folder, "--listen", "127.0.0.1"], 78, "expected an IP address and a port"),
        (vec!["serve", folder, "--listen", &port], 74, "choose another port"),
    ] {
        let output = babelscope().args(&arguments).current_dir(&desk).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(words) && !text.contains(TOKEN), "{text}");
    }
    let (open, _out) = Served::start_with(Path::new(folder), &["--listen", "0.0.0.0:0"]);
    while open.logged("can be reached from other machines") == 0 {
        thread::sleep(Duration::from_millis(10));
    }
}

/// A run folder with a file of so many bytes beside its own.
fn with_big_file(length: usize) -> (TempDir, Vec<u8>) {
    let folder = runs();
    let run = folder.path().join("align");
    let mut manifest = run::manifest(&run).unwrap();
    let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
    fs::write(run.join("big.bin"), &content).unwrap();
    let blake3 = blake3::hash(&content).to_hex().to_string();
    manifest.files.push(FileInfo { path: "big.bin".to_owned(), bytes: length as u64, blake3 });
    fs::write(run.join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    (folder, content)
}

#[test]
fn a_client_that_takes_nothing_or_takes_for_ever_is_let_go() {
    const LENGTH: usize = 64 << 20;
    let (folder, _) = with_big_file(LENGTH);
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(3600));
    for (write, connection) in [(short, long), (long, short)] {
        let limits = Limits { write, connection, ..Limits::default() };
        let server = Server::bind(folder.path(), "127.0.0.1:0".parse().unwrap(), token(), limits).unwrap();
        let stop = server.stopper();
        thread::scope(|scope| {
            let running =
                thread::Builder::new().name("server".to_owned()).spawn_scoped(scope, || server.run(&|_| ())).unwrap();
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let head = "GET /v1/runs/align/file/big.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer";
            stream.write_all(format!("{head} {TOKEN}\r\n\r\n").as_bytes()).unwrap();
            let mut came = vec![0; 100];
            stream.read_exact(&mut came).unwrap();
            // It ends with what is being sent: nobody reads, so only when it has given that up.
            stop.stop();
            running.join().unwrap();
            stream.read_to_end(&mut came).ok();
            assert!(came.len() < LENGTH, "{}", came.len());
        });
    }
}

/// A server that answers each request with the next of `answers`, whatever was asked, and keeps what it was sent.
fn liar(answers: Vec<Vec<u8>>) -> (Place, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::parse(&format!("http://{}/align", listener.local_addr().unwrap())).unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&heard);
    let serve = move || {
        let mut answers = answers.into_iter().cycle();
        for stream in listener.incoming() {
            let (Ok(mut stream), Some(answer)) = (stream, answers.next()) else { return };
            let mut head = [0; 4096];
            let n = stream.read(&mut head).unwrap_or(0);
            *kept.lock().unwrap() += &String::from_utf8_lossy(&head[..n]);
            stream.write_all(&answer).ok();
        }
    };
    thread::Builder::new().name("liar".to_owned()).spawn(serve).unwrap();
    (place, heard)
}

fn answer(lines: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{lines}\r\n").as_bytes(), body].concat()
}

fn whole(body: &[u8]) -> Vec<u8> {
    answer(&format!("Content-Length: {}\r\n", body.len()), body)
}

#[test]
fn a_server_that_lies_writes_nothing_elsewhere_and_nothing_without_end() {
    let text = fs::read_to_string(RUNS.path().join("runs/align/manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_str(&text).unwrap();
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        serde_json::to_vec(&manifest).unwrap()
    };
    let path = |path: &str| with(&|m: &mut Manifest| path.clone_into(&mut m.files[0].path));
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = [&endless[..], &[b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat().repeat(1100)].concat();
    for (answers, words) in [
        (vec![whole(&path("../outside"))], "elsewhere than in the run folder"),
        (vec![whole(&path("/tmp/outside"))], "elsewhere than in the run folder"),
        (vec![whole(&path("manifest.json"))], "elsewhere than in the run folder"),
        (vec![whole(&with(&|m| m.files[0].bytes = u64::MAX))], "more bytes than there are"),
        (vec![whole(&with(&|m| m.files[0].bytes = u64::MAX / 4))], "free; make room"),
        (vec![whole(&with(&|m| m.files[0].blake3 = "0".to_owned()))], "64 hex digits"),
        (vec![whole(&with(&|m| m.schema = 99))], "has layout 99"),
        (vec![whole(b"{}")], "no `schema`"),
        (vec![whole(b"\xff\xfe")], "utf-8"),
        (vec![endless], "longer than"),
        (vec![whole(text.as_bytes()), whole(b"too short for any")], "the manifest says"),
        (vec![whole(text.as_bytes()), answer("", &[b'x'; 100_000])], "without a length"),
        (
            vec![b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec()],
            "answered 302",
        ),
        (vec![b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()], "no `babelscope serve`"),
    ] {
        let (place, heard) = liar(answers);
        let into = tempfile::tempdir().unwrap();
        let inner = into.path().join("inner");
        let text = format!("{:#}", fetch(&place, &inner).unwrap_err());
        assert!(text.contains(words), "{words}: {text}");
        assert!(fetched(&inner).is_empty() && !into.path().join("outside").exists());
        assert!(heard.lock().unwrap().contains(TOKEN));
    }
}

#[test]
fn the_only_run_of_a_lying_server_does_not_name_a_folder_elsewhere() {
    let text = fs::read(RUNS.path().join("runs/align/manifest.json")).unwrap();
    for name in ["../../outside", "/tmp/outside", ".hidden", ""] {
        let list = serde_json::json!({ "runs": [{ "name": name, "identity": "x", "kind": "run" }] });
        let (place, heard) = liar(vec![whole(list.to_string().as_bytes()), whole(&text)]);
        let into = tempfile::tempdir().unwrap();
        let text = format!("{:#}", fetch(&Place { run: None, ..place }, &into.path().join("a/b")).unwrap_err());
        assert!(text.contains("no name of a run"), "{text}");
        assert!(!into.path().join("a").exists());
        assert_eq!(heard.lock().unwrap().matches("GET").count(), 1);
    }
}
