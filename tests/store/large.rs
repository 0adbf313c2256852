//! A million rows pass through the writer, and memory does not notice.

use std::{env, fs, process::Command};

use babelscope_core::{
    dtype::Dtype,
    store::{Made, Row, Shard, ShardWriter, shard_folder},
};

use super::{folder, meta};

/// Kilobytes that this process has held at most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// In a process of its own: the other tests of this binary run beside it, and their memory would count.
#[test]
fn a_million_rows_are_written_from_a_generator_at_flat_memory() {
    const ALONE: &str = "BABELSCOPE_TEST_ALONE";
    const NAME: &str = "large::a_million_rows_are_written_from_a_generator_at_flat_memory";
    if env::var_os(ALONE).is_none() {
        let mut alone = Command::new(env::current_exe().unwrap());
        let ended = alone.args(["--exact", NAME]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        return assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    }
    write_a_million_rows();
}

fn write_a_million_rows() {
    const BLOCK: usize = 20_000;
    const WIDTH: usize = 16;
    let root = folder();
    let mut before = None;
    for block in 0..1_000_000 / BLOCK {
        let mut meta = meta(&[0, 4, 8], BLOCK, WIDTH, Dtype::F16);
        meta.first_line = block * BLOCK;
        meta.key = meta.content_key();
        let place = shard_folder(root.path(), &meta.key);
        let rows: Vec<Row> = (0..BLOCK).map(|row| Row::pooled((block * BLOCK + row) as u32, 20)).collect();
        let mut writer = ShardWriter::create(&place, meta.clone(), &rows).unwrap();
        for first in (0..BLOCK).step_by(100) {
            let values: Vec<f32> = (0..100 * WIDTH).map(|i| ((block + first + i) % 100) as f32).collect();
            for layer in [0, 4, 8] {
                writer.put(layer, first, &values).unwrap();
            }
        }
        writer.publish(Made::default()).unwrap();
        if block == 5 {
            before = Some(peak());
        }
        if block == 49 {
            let shard = Shard::open(&place, &meta.key).unwrap();
            assert_eq!(shard.rows().unwrap()[BLOCK - 1].line, 999_999);
            let row = shard.layer_rows(8, BLOCK - 1..BLOCK).unwrap();
            let expected: Vec<f32> = (99 * WIDTH..100 * WIDTH).map(|i| ((49 + BLOCK - 100 + i) % 100) as f32).collect();
            assert_eq!(row, expected);
        }
    }
    // 96 MB went by.
    let grown = peak() - before.unwrap();
    assert!(grown < 32_000, "{grown} kB more after a million rows than after 120,000");
}
