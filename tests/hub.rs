//! Models from the Hub: a server on loopback answers like it, is cut off, lies, refuses, and is not there.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use babelscope_core::{
    Error, Result,
    engine::{Engine, LoadOptions, Values},
    hash::sha256,
    hub::{Hash, Hub, Snapshot, Token, Verified, human},
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Reduce, Window},
};
use babelscope_tests::hub_server::{COMMIT, HubServer, ID, Request};
use candle_core::Device;
use tempfile::TempDir;

/// A small file, and what `git hash-object` says of it.
const SMALL: (&str, &str, &str) =
    ("generation_config.json", "{\"max_new_tokens\": 7}\n", "054966d21cd83c501d0638189cb19e78293ca518");

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/models/llama").join(name)
}

/// A server with the golden llama and a few files that nobody needs, and an empty cache.
struct Desk {
    server: HubServer,
    cache: TempDir,
}

impl Desk {
    fn new() -> Self {
        let mut files: BTreeMap<String, Vec<u8>> =
            ["README.md", "pytorch_model.bin", "onnx/model.onnx"].map(|name| (name.to_owned(), vec![7; 10])).into();
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            files.insert(name.to_owned(), fs::read(golden(name)).unwrap());
        }
        files.insert(SMALL.0.to_owned(), SMALL.1.into());
        Self { server: HubServer::start(files, &[(SMALL.0, SMALL.2)]), cache: tempfile::tempdir().unwrap() }
    }

    fn hub(&self) -> Hub {
        Hub {
            endpoint: self.server.endpoint(),
            cache: self.cache.path().join("hub"),
            token: None,
            offline: false,
            retries: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.hub().cache.join("models--org--tiny").join(name)
    }

    fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.path("blobs").join(sha256(bytes))
    }

    fn weights(&self) -> Vec<u8> {
        fs::read(golden("model.safetensors")).unwrap()
    }

    /// The weights where they are visible.
    fn shown(&self) -> PathBuf {
        self.path("snapshots").join(COMMIT).join("model.safetensors")
    }

    fn part(&self) -> PathBuf {
        self.blob(&self.weights()).with_extension("incomplete")
    }

    fn fetch(&self, hub: &Hub) -> Result<(Snapshot, Vec<Verified>)> {
        hub.fetch(ID, None, &|_, _| Ok(()), &Monitor::silent())
    }

    fn find(&self, hub: &Hub, id: &str, revision: Option<&str>) -> Result<Snapshot> {
        hub.find(id, revision, &|_, _| Ok(()), &Monitor::silent())
    }

    fn load(&self, hub: &Hub) -> Result<Engine> {
        Engine::load_from(hub, ID, &LoadOptions::default(), &Monitor::silent())
    }
}

#[track_caller]
fn says<T>(refusal: Result<T>, parts: &[&str]) -> Error {
    let error = refusal.err().unwrap();
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    error
}

/// The requests for bytes of the weights.
fn large(seen: &[Request]) -> Vec<&Request> {
    seen.iter().filter(|request| request.cdn && request.path.contains("safetensors")).collect()
}

fn states(engine: &Engine) -> Vec<Vec<f32>> {
    let sentences = vec![engine.tokenizer().encode("a cat sees birds").unwrap()];
    let window = Window { include_bos: true, skip_first: 0 };
    let capture = Capture { site: "resid_post.1".parse().unwrap(), reduce: Reduce::Mean(window) };
    let plan = Plan { captures: vec![capture], ..Plan::default() };
    let captured = engine.run(&sentences, &plan, &Monitor::silent()).unwrap();
    let Values::Pooled(rows) = &captured[0].values else { panic!("a mean was asked for") };
    rows.to_vec2().unwrap()
}

#[test]
fn a_model_is_fetched_once_and_computes_what_its_folder_computes() {
    let desk = Desk::new();
    let engine = desk.load(&desk.hub()).unwrap();
    assert_eq!(engine.info().revision.as_deref(), Some(COMMIT));
    let folder = golden("").display().to_string();
    let local = Engine::load(&folder, &LoadOptions::default(), &Monitor::silent()).unwrap();
    assert_eq!(engine.info().weights_sha256, local.info().weights_sha256);
    assert_eq!(states(&engine), states(&local));
    let seen = desk.server.seen();
    assert!(seen.iter().all(|r| !["README", "pytorch", "onnx"].iter().any(|name| r.path.contains(name))), "{seen:?}");

    assert_eq!(desk.load(&desk.hub()).unwrap().info(), engine.info());
    assert_eq!(desk.server.seen(), [], "what is whole in the cache needs no request");
}

#[test]
fn the_cache_is_laid_out_as_other_tools_expect_it() {
    let desk = Desk::new();
    let (snapshot, files) = desk.fetch(&desk.hub()).unwrap();
    assert_eq!(snapshot, Snapshot { folder: desk.path("snapshots").join(COMMIT), commit: COMMIT.to_owned() });
    assert_eq!(fs::read_to_string(desk.path("refs/main")).unwrap(), COMMIT);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors"]);
    let hash = |name: &str| files.iter().find(|file| file.name == name).unwrap().hash.clone();
    assert_eq!(hash(SMALL.0), Hash::Git(SMALL.2.to_owned()));
    assert_eq!(hash("model.safetensors"), Hash::Sha256(sha256(&desk.weights())));
    for (name, bytes, blob) in [
        (SMALL.0, SMALL.1.as_bytes().to_vec(), SMALL.2.to_owned()),
        ("model.safetensors", desk.weights(), sha256(&desk.weights())),
    ] {
        let shown = snapshot.folder.join(name);
        assert_eq!(fs::read(&shown).unwrap(), bytes);
        #[cfg(unix)]
        assert_eq!(fs::read_link(&shown).unwrap(), Path::new("../../blobs").join(&blob));
        assert!(desk.path("blobs").join(blob).is_file());
    }
    let hidden = |folder: &str| {
        fs::read_dir(desk.path(folder)).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().starts_with('.'))
    };
    assert!(!hidden("refs") && !hidden(&format!("snapshots/{COMMIT}")));
}

#[test]
fn revisions_are_branches_commits_and_pull_requests() {
    let desk = Desk::new();
    for revision in [COMMIT, "refs/pr/1"] {
        let snapshot = desk.find(&desk.hub(), ID, Some(revision)).unwrap();
        assert_eq!(snapshot.commit, COMMIT);
        desk.server.seen();
        desk.find(&desk.hub(), ID, Some(revision)).unwrap();
        assert_eq!(desk.server.seen(), []);
    }
    assert_eq!(fs::read_to_string(desk.path("refs/refs/pr/1")).unwrap(), COMMIT);
    assert!(!desk.path("refs/main").exists(), "nobody asked what main is");
}

#[test]
fn a_cut_connection_goes_on_where_it_broke() {
    let desk = Desk::new();
    desk.server.world().cuts = vec![1000, 70_000];
    desk.fetch(&desk.hub()).unwrap();
    assert_eq!(fs::read(desk.shown()).unwrap(), desk.weights());
    let seen = desk.server.seen();
    let ranges: Vec<_> = large(&seen).iter().map(|r| r.range.as_deref()).collect();
    assert_eq!(ranges, [None, Some("bytes=1000-"), Some("bytes=71000-")]);
}

#[test]
fn what_has_come_before_the_network_went_away_is_used_the_next_time() {
    let desk = Desk::new();
    desk.server.world().cuts = vec![50_000, 0];
    let whole = human(desk.weights().len() as u64);
    let broke = format!("model.safetensors broke off at 50.0 kB of {whole}");
    let error = says(desk.fetch(&desk.hub()), &[&broke, "goes on from there"]);
    assert!(matches!(error, Error::Download { .. }));
    assert!(!desk.shown().exists(), "a snapshot shows whole files only");
    assert!(!desk.path("refs/main").exists(), "main is not what is not whole");
    assert_eq!(fs::read(desk.part()).unwrap(), desk.weights()[..50_000]);
    desk.server.seen();

    desk.load(&desk.hub()).unwrap();
    let seen = desk.server.seen();
    assert_eq!(large(&seen).iter().map(|r| r.range.as_deref()).collect::<Vec<_>>(), [Some("bytes=50000-")]);
    assert!(!desk.part().exists());
}

#[test]
fn an_attempt_that_brings_nothing_is_repeated_a_few_times() {
    let desk = Desk::new();
    desk.server.world().cuts = vec![0, 0];
    desk.fetch(&Hub { retries: 2, ..desk.hub() }).unwrap();
}

#[test]
fn a_server_that_knows_no_ranges_begins_anew() {
    let desk = Desk::new();
    desk.server.world().cuts = vec![1000];
    desk.server.world().rangeless = true;
    desk.fetch(&desk.hub()).unwrap();
    assert_eq!(fs::read(desk.shown()).unwrap(), desk.weights());
}

#[test]
fn a_part_that_is_too_long_or_of_another_file_does_no_harm() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("blobs")).unwrap();
    fs::write(desk.part(), vec![0; 200_000]).unwrap();
    desk.fetch(&desk.hub()).unwrap();
    assert_eq!(fs::read(desk.shown()).unwrap(), desk.weights());

    let desk = Desk::new();
    fs::create_dir_all(desk.path("blobs")).unwrap();
    fs::write(desk.part(), vec![0; 2000]).unwrap();
    says(desk.fetch(&desk.hub()), &["came with sha256:", "what came was removed"]);
    desk.fetch(&desk.hub()).unwrap();
}

#[test]
fn a_wrong_hash_is_refused_and_the_file_removed() {
    for name in ["model.safetensors", SMALL.0] {
        let desk = Desk::new();
        desk.server.world().spoilt = Some(name);
        let expected = if name == SMALL.0 { format!("git:{}", SMALL.2) } else { sha256(&desk.weights()) };
        says(desk.load(&desk.hub()), &[name, "came with", &expected, "what came was removed"]);
        assert!(!desk.part().exists() && !desk.shown().exists());
        says(desk.load(&Hub { offline: true, ..desk.hub() }), &["offline"]);
        desk.server.world().spoilt = None;
        desk.load(&desk.hub()).unwrap();
    }
}

#[test]
fn a_cached_file_that_was_damaged_is_found_when_the_hub_is_asked() {
    let desk = Desk::new();
    desk.fetch(&desk.hub()).unwrap();
    let blob = desk.blob(&desk.weights());
    let mut bytes = desk.weights();
    bytes[5000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    says(desk.fetch(&desk.hub()), &["model.safetensors in the cache was damaged", "was removed"]);
    assert!(!blob.exists());
    desk.load(&desk.hub()).unwrap();
}

#[test]
fn a_snapshot_that_others_left_half_done_is_completed() {
    let desk = Desk::new();
    desk.fetch(&desk.hub()).unwrap();
    fs::remove_file(desk.shown()).unwrap();
    says(desk.load(&Hub { offline: true, ..desk.hub() }), &["not whole", "model.safetensors", "HF_HUB_OFFLINE"]);
    desk.server.seen();
    desk.load(&desk.hub()).unwrap();
    assert_eq!(large(&desk.server.seen()), Vec::<&Request>::new(), "the blob was there");
}

#[test]
fn without_a_token_a_private_or_gated_model_says_what_is_needed() {
    let desk = Desk::new();
    desk.server.world().token = Some("hf_right");
    let error = says(desk.load(&desk.hub()), &["no such public model", "set HF_TOKEN", "/settings/tokens"]);
    assert!(matches!(error, Error::NotFound { .. }));
    let with = |secret: &str| Hub { token: Some(Token::new(secret, "HF_TOKEN")), ..desk.hub() };
    let error = says(desk.load(&with("hf_wrong")), &["does not accept the token from HF_TOKEN"]);
    assert!(!error.to_string().contains("hf_wrong"));
    let error = says(desk.load(&with("hf wrong\n")), &["the token from HF_TOKEN has a blank or a line break"]);
    assert!(!error.to_string().contains("hf wrong"));
    desk.load(&with("hf_right")).unwrap();

    let desk = Desk::new();
    desk.server.world().refusal = Some(("/resolve/", 401, "GatedRepo"));
    says(desk.load(&desk.hub()), &["is gated", "accept its conditions", "HF_TOKEN", "The Hub says: This is GatedRepo"]);
    desk.server.world().refusal = Some(("/resolve/", 403, "GatedRepo"));
    let hub = Hub { token: Some(Token::new("hf_right", "/home/x/token")), ..desk.hub() };
    says(desk.load(&hub), &["is gated, and the account of the token from /home/x/token has no access"]);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let desk = Desk::new();
    desk.server.world().token = Some("hf_right");
    desk.fetch(&Hub { token: Some(Token::new("hf_right", "HF_TOKEN")), ..desk.hub() }).unwrap();
    let seen = desk.server.seen();
    assert!(seen.iter().any(|request| request.cdn) && seen.iter().any(|request| !request.cdn));
    for request in seen {
        let expected = (!request.cdn).then_some("Bearer hf_right");
        assert_eq!(request.authorization.as_deref(), expected, "{}", request.path);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let desk = Desk::new();
    says(desk.find(&desk.hub(), "org/other", None), &["no such public model", "check the name"]);
    says(desk.find(&desk.hub(), ID, Some("v9")), &["has no revision v9"]);
    let hub = Hub { token: Some(Token::new("hf_any", "HF_TOKEN")), ..desk.hub() };
    desk.server.world().refusal = Some(("/api/models/", 404, "RepoNotFound"));
    says(desk.find(&hub, "org/other", None), &["the Hub has no such model"]);
    desk.server.world().refusal = Some(("tokenizer.json", 404, "EntryNotFound"));
    says(desk.find(&desk.hub(), ID, None), &["has no file tokenizer.json"]);
    desk.server.world().refusal = Some(("/api/models/", 418, ""));
    says(desk.find(&desk.hub(), ID, None), &["the server answered 418"]);
    says(desk.find(&desk.hub(), "/no/such/folder", None), &["is not a folder, and not a Hub id"]);
}

#[test]
fn a_repository_without_safetensors_is_refused_before_anything_is_fetched() {
    let desk = Desk::new();
    desk.server.world().files.remove("model.safetensors");
    says(desk.load(&desk.hub()), &["no safetensors but", "pytorch_model.bin", "save_pretrained"]);
    assert_eq!(desk.server.seen().len(), 1);
    assert!(!desk.hub().cache.exists());
}

#[test]
fn an_unsupported_config_is_refused_before_the_weights_are_fetched() {
    let desk = Desk::new();
    desk.server.world().files.insert("config.json".to_owned(), br#"{"model_type": "mamba2"}"#.to_vec());
    says(desk.load(&desk.hub()), &["\"mamba2\" is not supported"]);
    assert!(desk.server.seen().iter().all(|request| !request.path.contains("safetensors")));
}

#[test]
fn offline_nothing_is_asked() {
    let desk = Desk::new();
    let hub = Hub { offline: true, ..desk.hub() };
    says(desk.load(&hub), &["no revision main", "offline by HF_HUB_OFFLINE", "babelscope get org/tiny"]);
    says(desk.fetch(&hub), &["offline"]);
    assert_eq!(desk.server.seen(), []);
    desk.fetch(&desk.hub()).unwrap();
    desk.server.seen();
    desk.load(&hub).unwrap();
    assert_eq!(desk.server.seen(), []);
}

#[test]
fn without_a_network_the_message_names_the_address_and_what_to_do() {
    let desk = Desk::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub { endpoint: format!("http://{closed}"), ..desk.hub() };
    says(desk.load(&hub), &["cannot reach", &closed.to_string(), "HF_ENDPOINT"]);
    let hub = Hub { endpoint: "huggingface.co".to_owned(), ..desk.hub() };
    says(desk.load(&hub), &["HF_ENDPOINT is \"huggingface.co\"", "begins with https://"]);
    let hub = Hub { cache: PathBuf::new(), ..desk.hub() };
    says(desk.load(&hub), &["set HF_HOME"]);
}

#[test]
fn a_mirror_may_have_a_path_of_its_own() {
    let desk = Desk::new();
    desk.server.world().prefix = "/mirror/hf";
    for slash in ["", "/"] {
        let hub = Hub { endpoint: format!("{}{slash}", desk.server.endpoint()), ..desk.hub() };
        desk.fetch(&hub).unwrap();
    }
    assert!(desk.server.seen().iter().all(|r| r.cdn || r.path.starts_with("/mirror/hf/")));
}

#[test]
fn a_server_that_gives_no_hash_or_no_room_is_refused() {
    let desk = Desk::new();
    desk.server.world().etag = Some("5f3a-17");
    says(desk.load(&desk.hub()), &["does not say the hash of config.json", "HF_ENDPOINT"]);
    desk.server.world().etag = None;
    desk.server.world().claimed = Some(1 << 62);
    says(desk.load(&desk.hub()), &["4.6 EB are to be downloaded", "free; make room or set HF_HOME"]);
}

#[test]
fn shards_are_those_of_the_index() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let tensors = candle_core::safetensors::load(golden("model.safetensors"), &Device::Cpu).unwrap();
    let tensors: BTreeMap<_, _> = tensors.into_iter().collect();
    let mut shards = [std::collections::HashMap::new(), std::collections::HashMap::new()];
    let mut index = BTreeMap::new();
    for (name, tensor) in tensors {
        let shard = usize::from(name.contains("layers.1"));
        index.insert(name.clone(), format!("model-0000{}-of-00002.safetensors", shard + 1));
        shards[shard].insert(name, tensor);
    }
    let mut world = desk.server.world();
    for (shard, tensors) in shards.iter().enumerate() {
        let name = format!("model-0000{}-of-00002.safetensors", shard + 1);
        candle_core::safetensors::save(tensors, folder.path().join(&name)).unwrap();
        world.files.insert(name.clone(), fs::read(folder.path().join(name)).unwrap());
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": index}).to_string();
    world.files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
    drop(world);
    let engine = desk.load(&desk.hub()).unwrap();
    let folder = golden("").display().to_string();
    let local = Engine::load(&folder, &LoadOptions::default(), &Monitor::silent()).unwrap();
    assert_eq!(states(&engine), states(&local));
    assert!(!desk.shown().exists(), "the single file is not needed beside the shards");

    let desk = Desk::new();
    let index = br#"{"weight_map": {"a": "../../../evil.safetensors"}}"#.to_vec();
    desk.server.world().files.insert("model.safetensors.index.json".to_owned(), index);
    says(desk.load(&desk.hub()), &["the index names ../../../evil.safetensors"]);
}

#[test]
fn a_cancelled_download_stops_and_keeps_what_has_come() {
    let desk = Desk::new();
    let mut large = desk.weights();
    large.resize(8 << 20, 0);
    desk.server.world().files.insert("model.safetensors".to_owned(), large.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let monitor = Monitor::new(stop, move |tick: Tick<'_>| {
        flag.store(tick.what == "downloading weights" && tick.done > 0, Ordering::Relaxed);
    });
    let stopped = desk.hub().fetch(ID, None, &|_, _| Ok(()), &monitor);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let kept = fs::read(desk.blob(&large).with_extension("incomplete")).unwrap();
    assert!(!kept.is_empty() && kept.len() < large.len() && large.starts_with(&kept));
    desk.server.seen();
    desk.fetch(&desk.hub()).unwrap();
    assert_eq!(desk.server.seen().last().unwrap().range, Some(format!("bytes={}-", kept.len())));
}

#[test]
fn progress_counts_bytes_up_to_the_whole() {
    let desk = Desk::new();
    desk.server.world().cuts = vec![1000];
    let ticks: Arc<Mutex<Vec<(String, usize, usize)>>> = Arc::default();
    let kept = Arc::clone(&ticks);
    let monitor = Monitor::new(Arc::default(), move |tick: Tick<'_>| {
        assert_eq!(tick.unit, "bytes");
        kept.lock().unwrap().push((tick.what.to_owned(), tick.done, tick.total));
    });
    desk.hub().fetch(ID, None, &|_, _| Ok(()), &monitor).unwrap();
    let ticks = ticks.lock().unwrap();
    let weights: Vec<_> = ticks.iter().filter(|(what, ..)| what == "downloading weights").collect();
    let total = desk.weights().len();
    assert!(weights.iter().all(|(_, _, of)| *of == total));
    assert!(weights.is_sorted_by_key(|(_, done, _)| *done));
    assert_eq!((weights.first().unwrap().1, weights.last().unwrap().1), (0, total));
}

#[test]
fn two_at_once_fetch_a_file_once() {
    let desk = Desk::new();
    let (first, second) = thread::scope(|scope| {
        let start = || scope.spawn(|| desk.fetch(&desk.hub()).unwrap());
        let (one, other) = (start(), start());
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(first, second);
    let seen = desk.server.seen();
    assert_eq!(large(&seen).len(), 1, "{seen:?}");
}

#[test]
fn one_file_is_fetched_by_its_path() {
    let desk = Desk::new();
    desk.server.world().files.insert("gguf/tiny.Q4_0.gguf".to_owned(), vec![3; 5000]);
    let find = |hub: &Hub, file: &str| hub.find_file(ID, None, file, &Monitor::silent());
    let (path, commit) = find(&desk.hub(), "gguf/tiny.Q4_0.gguf").unwrap();
    assert_eq!((fs::read(&path).unwrap(), commit.as_str()), (vec![3; 5000], COMMIT));
    assert!(path.ends_with(format!("snapshots/{COMMIT}/gguf/tiny.Q4_0.gguf")));
    desk.server.seen();
    let offline = Hub { offline: true, ..desk.hub() };
    assert_eq!(find(&offline, "gguf/tiny.Q4_0.gguf").unwrap().0, path);
    says(find(&offline, "other.gguf"), &["the cache has no other.gguf", "offline"]);
    assert_eq!(desk.server.seen(), []);
    says(find(&desk.hub(), "other.gguf"), &["has no file \"other.gguf\"; it has README.md, config.json"]);
    says(find(&desk.hub(), "../../../etc/passwd"), &["has no file"]);
    desk.load(&desk.hub()).unwrap();
}

#[test]
fn a_gguf_file_of_a_repository_loads_by_its_path() {
    let desk = Desk::new();
    let gguf = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf/qwen2.gguf");
    desk.server.world().files.insert("q/qwen2.gguf".to_owned(), fs::read(&gguf).unwrap());
    let load = |name: &str| Engine::load_from(&desk.hub(), name, &LoadOptions::default(), &Monitor::silent());
    let engine = load("org/tiny/q/qwen2.gguf").unwrap();
    assert_eq!(engine.info().revision.as_deref(), Some(COMMIT));
    assert_eq!(engine.info().weights_sha256, sha256(&fs::read(&gguf).unwrap()));
    desk.server.seen();
    load("org/tiny/q/qwen2.gguf").unwrap();
    assert_eq!(desk.server.seen(), []);
    says(load("org/tiny/q/none.gguf"), &["org/tiny/q/none.gguf", "is not a file here", "has no file \"q/none.gguf\""]);
}

#[test]
fn a_busy_server_is_asked_again() {
    let desk = Desk::new();
    desk.server.world().busy = 2;
    desk.fetch(&Hub { retries: 2, ..desk.hub() }).unwrap();
    desk.server.world().busy = 9;
    let again = desk.cache.path().join("again");
    says(desk.fetch(&Hub { cache: again, ..desk.hub() }), &["the server answered 503"]);
}
