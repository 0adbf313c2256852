//! The arrows point one way: core <- probes <- experiments <- gui; `tests` sees all.

use std::collections::BTreeMap;

use cargo_metadata::MetadataCommand;

/// For each package, what it may depend on among ours.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("babelscope-core", &[][..]),
        ("babelscope-probes", &["babelscope-core"][..]),
        ("babelscope", &["babelscope-core", "babelscope-probes"][..]),
        ("babelscope-gui", &["babelscope-core", "babelscope-probes", "babelscope"][..]),
        ("babelscope-tests", &["babelscope-core", "babelscope-probes", "babelscope", "babelscope-gui"][..]),
    ])
}

#[test]
fn arrows_point_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let allowed = allowed();
    let mut seen = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let may = allowed
            .get(name)
            .unwrap_or_else(|| panic!("unknown package {name}: say in tests/arrows.rs where it stands"));
        seen.push(name.to_owned());
        for dependency in &package.dependencies {
            let target = dependency.name.as_str();
            if target.starts_with("babelscope") {
                assert!(may.contains(&target), "forbidden arrow: {name} -> {target}");
            }
        }
    }
    seen.sort();
    assert_eq!(seen, allowed.keys().map(|k| (*k).to_owned()).collect::<Vec<_>>());
}
