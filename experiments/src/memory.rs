//! How much memory may still be used, so that work is cut smaller before the system kills it.

/// Says how many bytes this program may use in all, where a machine is shared and nothing else says so.
const VARIABLE: &str = "BABELSCOPE_MEMORY";

/// Bytes that may still be taken: the least of what the machine has free, what its container leaves, what the limit on the address
/// space leaves (`ulimit -v`), and what `BABELSCOPE_MEMORY` leaves. `None` where nothing says.
pub(crate) fn available() -> Option<u64> {
    let used = |name: &str| crate::manifest::status_bytes(name).unwrap_or(0);
    let machine = sysinfo::System::new().ok().map(|mut system| {
        system.refresh_memory();
        // What a container calls used holds the pages of files that it would give back, so only our own part is counted.
        let container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
        system.available_memory().min(container.saturating_sub(used("VmRSS:")))
    });
    let limit = address_space().map(|limit| limit.saturating_sub(used("VmSize:")));
    let asked = std::env::var(VARIABLE).ok().and_then(|bytes| bytes.parse::<u64>().ok());
    let asked = asked.map(|bytes| bytes.saturating_sub(used("VmRSS:")));
    [machine, limit, asked].into_iter().flatten().min()
}

/// The limit on the address space of this process.
fn address_space() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}
