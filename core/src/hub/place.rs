//! Room on disks, and sizes as a person reads them.

use std::path::Path;

/// Free bytes of the disk that `path` is on, or would be on, for somebody without special rights; `None` where the system does not
/// say.
pub fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    free(&there)
}

/// Asked of the file system itself: lists of disks leave out those in memory and on the network.
#[cfg(unix)]
fn free(there: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(there).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free(there: &Path) -> Option<u64> {
    let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
    let holding = disks.iter().filter(|disk| there.starts_with(disk.mount_point()));
    // A mount point within another holds what is below it; of two at one place the later covers the earlier.
    holding.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

/// A number of bytes in decimal units.
///
/// ```
/// use babelscope_core::hub::human;
/// assert_eq!(human(999), "999 B");
/// assert_eq!(human(4_970_000_000), "5.0 GB");
/// assert_eq!(human(999_999), "1.0 MB");
/// ```
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be printed as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::free_space;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(free_space(folder.path()).is_some(), free_space(&folder.path().join("a/b/c")).is_some());
        assert_eq!(free_space(Path::new("")), None);
    }
}
