//! Damage, full disks, twins and killed writers.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    process::Command,
    thread,
};

use babelscope_core::{
    Error,
    dtype::Dtype,
    store::{Index, Made, Publication, Record, Shard, ShardWriter, State, Store, quarantine, shard_folder, state},
};

use super::{folder, layer_values, meta, names, pooled, small, write};

fn data(folder: &Path, key: &str) -> std::path::PathBuf {
    folder.join(format!("{key}.safetensors"))
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_found_in_every_part_of_the_file() {
    let root = folder();
    let (folder, key) = small(root.path());
    let path = data(&folder, &key);
    let whole = fs::read(&path).unwrap();
    for byte in (0..whole.len()).step_by(7) {
        flip(&path, byte);
        assert_eq!(state(&folder, &key), State::Done, "the length is right");
        let found = Shard::open(&folder, &key).and_then(|shard| shard.verify());
        let message = found.unwrap_err().to_string();
        assert!(message.contains("the shard is damaged"), "byte {byte}: {message}");
        fs::write(&path, &whole).unwrap();
    }
    Shard::open(&folder, &key).unwrap().verify().unwrap();
}

#[test]
fn a_flipped_bit_hides_its_layer_and_no_other() {
    let root = folder();
    let (folder, key) = small(root.path());
    let path = data(&folder, &key);
    let length = fs::metadata(&path).unwrap().len() as usize;
    flip(&path, length - 1); // in the last tensor, layer.007
    let shard = Shard::open(&folder, &key).unwrap();
    assert_eq!(shard.layer_rows(0, 0..6).unwrap(), layer_values(0, 6, 5));
    for _ in 0..2 {
        let message = shard.layer_rows(7, 0..1).unwrap_err().to_string();
        assert!(message.contains("layer.007 is not what was written"), "{message}");
    }
}

#[test]
fn a_truncated_shard_is_found_before_it_is_mapped_and_while_it_is_open() {
    let root = folder();
    let (folder, key) = small(root.path());
    let path = data(&folder, &key);
    let open = Shard::open(&folder, &key).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    for cut in [length - 1, length / 2, 8, 0] {
        File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let State::Damaged(why) = state(&folder, &key) else { panic!("not found at {cut}") };
        assert!(why.contains(&format!("has {cut} bytes, its record says {length}")), "{why}");
        let message = Shard::open(&folder, &key).unwrap_err().to_string();
        assert!(message.contains(&format!("has {cut} bytes")), "{message}");
        let message = open.layer_rows(2, 0..6).unwrap_err().to_string();
        assert!(message.contains(&format!("has {cut} bytes")), "{message}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(state(&folder, &key), State::Damaged(_)));
}

#[test]
fn a_record_that_is_damaged_newer_or_of_another_key_is_told_apart() {
    let root = folder();
    let (folder, key) = small(root.path());
    let place = folder.join(format!("{key}.json"));
    let text = fs::read_to_string(&place).unwrap();
    for (new, told) in [
        (String::new(), "the record is damaged"),
        (text[..text.len() / 2].to_owned(), "the record is damaged"),
        ("[1, 2]".to_owned(), "the record is damaged"),
        (text.replacen("\"schema\": 1", "\"schema\": 2", 1), "was written by a newer version"),
        (text.replace(&key, "0000"), "is of the shard 0000"),
        (text.replacen(&format!("{key}.safetensors"), "../../etc/passwd", 1), "names the data file"),
        (text.replacen("\"rows\": 6", "\"rows\": 1152921504606846976", 1), "too many for a file"),
        (text.replacen("\"rows\": 6", "\"rows\": 7", 1), "7 rows of its layers take"),
    ] {
        assert_ne!(new, text);
        fs::write(&place, new).unwrap();
        let message = Shard::open(&folder, &key).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    fs::remove_file(&place).unwrap();
    assert_eq!(state(&folder, &key), State::Missing);
}

#[test]
fn whatever_byte_of_a_record_or_index_changes_nothing_panics() {
    let root = folder();
    let (folder, key) = small(root.path());
    Index::scan(root.path(), "").unwrap().write(root.path()).unwrap();
    for place in [folder.join(format!("{key}.json")), root.path().join("index.json")] {
        let whole = fs::read(&place).unwrap();
        for at in 0..whole.len() {
            for byte in [b'9', b'"', b'{', 0xff] {
                let mut text = whole.clone();
                text[at] = byte;
                fs::write(&place, text).unwrap();
                // What still reads, reads right.
                if let Ok(values) = Shard::open(&folder, &key).and_then(|shard| shard.layer_rows(2, 0..6)) {
                    assert_eq!(values, layer_values(2, 6, 5));
                }
                Store::open(root.path()).and_then(|store| store.shard(0)).ok();
            }
        }
        fs::write(&place, whole).unwrap();
    }
}

#[test]
fn numbers_that_a_format_cannot_hold_are_refused_with_their_place() {
    for (dtype, value, told) in [
        (Dtype::F16, 70000.0, "layer 7, line 4 (from 0), dimension 3: 70000 is too large for f16, as are 1 of"),
        (Dtype::Bf16, f32::MAX, "too large for bf16"),
        (Dtype::F32, f32::NAN, "layer 7, line 4 (from 0), dimension 3: NaN is no finite number"),
        (Dtype::F16, f32::NEG_INFINITY, "-inf is no finite number"),
    ] {
        let root = folder();
        let meta = meta(&[0, 7], 6, 5, dtype);
        let mut writer = ShardWriter::create(root.path(), meta, &pooled(6)).unwrap();
        writer.put(0, 0, &layer_values(0, 6, 5)).unwrap();
        let mut values = layer_values(7, 6, 5);
        values[4 * 5 + 3] = value;
        let error = writer.put(7, 0, &values).and_then(|()| writer.publish(Made::default())).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::Store { .. }) && message.contains(told), "{message}");
        assert_eq!(message.contains("store bf16 or f32"), dtype == Dtype::F16 && value.is_finite(), "{message}");
        assert_eq!(names(root.path()), Vec::<String>::new());
    }
}

#[test]
fn of_two_writers_at_once_one_is_new_and_the_other_its_twin() {
    for _ in 0..8 {
        let root = folder();
        let meta = meta(&[0, 2, 7], 40, 30, Dtype::F16);
        let published = thread::scope(|scope| {
            let tasks: Vec<_> = (0..4).map(|_| scope.spawn(|| write(root.path(), &meta).2)).collect();
            tasks.into_iter().map(|task| task.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(published.iter().filter(|p| **p == Publication::New).count(), 1, "{published:?}");
        let folder = shard_folder(root.path(), &meta.key);
        assert_eq!(names(&folder), [format!("{}.json", meta.key), format!("{}.safetensors", meta.key)]);
        Shard::open(&folder, &meta.key).unwrap().verify().unwrap();
    }
}

#[test]
fn a_writer_that_was_killed_before_its_record_leaves_a_shard_that_is_not_done_and_can_be_made_again() {
    let root = folder();
    let (folder, key) = small(root.path());
    let before = fs::read(data(&folder, &key)).unwrap();
    fs::remove_file(folder.join(format!("{key}.json"))).unwrap();
    assert_eq!(state(&folder, &key), State::Missing);
    // The same bytes serve.
    small(root.path());
    assert_eq!(names(&folder).len(), 2);
    assert_eq!(fs::read(data(&folder, &key)).unwrap(), before);
    // Other bytes stay, as their writer may be about to write its record; the shard is another file.
    fs::remove_file(folder.join(format!("{key}.json"))).unwrap();
    flip(&data(&folder, &key), before.len() - 1);
    small(root.path());
    let record = Record::read(&folder, &key).unwrap();
    assert_ne!(record.file, format!("{key}.safetensors"));
    assert_eq!(fs::read(folder.join(&record.file)).unwrap(), before);
    assert_eq!(state(&folder, &key), State::Done);
    Shard::open(&folder, &key).unwrap().verify().unwrap();
}

#[test]
fn a_damaged_shard_is_moved_away_and_made_again() {
    let root = folder();
    let (place, key) = small(root.path());
    let away = root.path().join("quarantine");
    for time in 0..2 {
        File::options().write(true).open(data(&place, &key)).unwrap().set_len(100).unwrap();
        let meta = meta(&[0, 2, 7], 6, 5, Dtype::F32);
        let mut writer = ShardWriter::create(&place, meta.clone(), &pooled(6)).unwrap();
        for layer in [0, 2, 7] {
            writer.put(layer, 0, &layer_values(layer, 6, 5)).unwrap();
        }
        let message = writer.publish(Made::default()).unwrap_err().to_string();
        assert!(message.contains("a damaged shard lies under this key"), "{message}");
        quarantine(&place, &key, &away).unwrap();
        assert_eq!(state(&place, &key), State::Missing);
        assert_eq!(names(&away).len(), 2 * (time + 1), "nothing is overwritten");
        small(root.path());
    }
    Shard::open(&place, &key).unwrap().verify().unwrap();
}

/// Whether this process may mount: CI and the machines of this project run tests as root.
fn mounted(at: &Path, options: &str) -> bool {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
    status.is_ok_and(|s| s.success())
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().ok();
    }
}

#[test]
fn a_full_disk_says_what_is_needed_and_what_is_free_and_leaves_nothing() {
    let root = folder();
    if !mounted(root.path(), "size=2m") {
        // Without the right to mount, a device that is always full shows the same error from the system.
        let error = File::options().write(true).open("/dev/full").unwrap().write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        return;
    }
    let mounted = Mounted(root.path());
    let meta = meta(&[0, 1], 4000, 100, Dtype::F32); // 3.2 MB
    let mut writer = ShardWriter::create(root.path(), meta, &pooled(4000)).unwrap();
    let put = |writer: &mut ShardWriter, layer| writer.put(layer, 0, &layer_values(layer, 4000, 100));
    let error = put(&mut writer, 0)
        .and_then(|()| put(&mut writer, 1))
        .and_then(|()| writer.publish(Made::default()).map(|_| ()))
        .unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Write { .. }), "{message}");
    assert!(message.contains("3.3 MB are needed") && message.contains("are free; make room there"), "{message}");
    assert_eq!(names(root.path()), Vec::<String>::new());
    // With a shard that fits all is well again.
    small(root.path());
    drop(mounted);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let root = folder();
    let meta = meta(&[0], 1, 1, Dtype::F32);
    // Root may write anywhere but below a file.
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ShardWriter::create(&file.join("shards"), meta.clone(), &pooled(1)).unwrap_err();
    assert!(matches!(error, Error::Write { .. }) && error.to_string().contains("file/shards"), "{error}");
    let place = root.path().join("mount");
    fs::create_dir(&place).unwrap();
    if mounted(&place, "ro") {
        let mounted = Mounted(&place);
        let error = ShardWriter::create(&place.join("ab"), meta, &pooled(1)).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
        assert!(error.to_string().contains("Read-only file system"), "{error}");
        drop(mounted);
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let root = folder();
    let mut writer = ShardWriter::create(root.path(), meta(&[0], 3, 2, Dtype::F32), &pooled(3)).unwrap();
    writer.put(0, 0, &[1.0; 2]).unwrap();
    assert_eq!(names(root.path()).len(), 1);
    assert!(names(root.path())[0].starts_with('.') && names(root.path())[0].ends_with(".tmp"));
    drop(writer);
    assert_eq!(names(root.path()), Vec::<String>::new());
}

#[test]
fn a_file_that_was_replaced_keeps_what_was_mapped() {
    let root = folder();
    let (folder, key) = small(root.path());
    let shard = Shard::open(&folder, &key).unwrap();
    let copy = folder.join("copy");
    fs::copy(data(&folder, &key), &copy).unwrap();
    let mut file = File::options().write(true).open(&copy).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(b"x").unwrap();
    fs::rename(&copy, data(&folder, &key)).unwrap();
    assert_eq!(shard.layer_rows(7, 0..6).unwrap(), layer_values(7, 6, 5));
    assert!(Shard::open(&folder, &key).unwrap().verify().is_err());
}
