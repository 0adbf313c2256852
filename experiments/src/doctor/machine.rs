//! The program, processor, threads, memory, GPU, display.

use std::{fs, path::Path};

use babelscope_core::{device::Device, hub::human};
use sysinfo::{CpuRefreshKind, System};

use super::Finding;

/// Less free memory than this is worth a word.
const LITTLE: u64 = 2_000_000_000;

pub(super) fn program() -> Finding {
    let parts = [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal")), ("tch", cfg!(feature = "tch"))];
    let extra: Vec<_> = parts.into_iter().filter_map(|(name, there)| there.then_some(name)).collect();
    let extra = if extra.is_empty() { "no extra features".to_owned() } else { extra.join(", ") };
    let found = format!(
        "babelscope {} for {}-{}; {extra}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    Finding::fine("program", found)
}

pub(super) fn processor() -> Finding {
    let mut name = String::new();
    if let Ok(mut system) = System::new() {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        if let Some(cpu) = system.cpus().first() {
            cpu.brand().trim().clone_into(&mut name);
        }
    }
    if name.is_empty() {
        std::env::consts::ARCH.clone_into(&mut name);
    }
    let units = vector_units();
    let found = format!("{name}, {} threads; {}", available(), units.join(", "));
    if cfg!(target_arch = "x86_64") && !units.contains(&"AVX2") {
        return Finding::note("processor", found, "without AVX2 everything works, several times slower");
    }
    Finding::fine("processor", found)
}

/// What this processor has of what the kernels use.
fn vector_units() -> Vec<&'static str> {
    let mut units = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let found = [
            ("AVX2", is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")),
            ("AVX-512", is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")),
            ("AVX-512 bf16", is_x86_feature_detected!("avx512bf16")),
        ];
        units.extend(found.into_iter().filter_map(|(name, there)| there.then_some(name)));
        // The standard library does not tell of AMX yet; Linux does.
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut flags = flags.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split_whitespace();
        if flags.any(|flag| flag == "amx_bf16") {
            units.push("AMX bf16");
        }
    }
    #[cfg(target_arch = "aarch64")]
    units.push("NEON");
    if units.is_empty() {
        units.push("no vector units that the kernels know");
    }
    units
}

fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `asked` is `RAYON_NUM_THREADS`.
pub(super) fn threads(asked: Option<&str>) -> Finding {
    let there = available();
    match asked.map(|text| (text, text.parse::<usize>())) {
        None => Finding::fine("threads", format!("{there}, all of this machine (RAYON_NUM_THREADS is not set)")),
        Some((_, Ok(0))) => Finding::fine("threads", format!("{there}, all of this machine (RAYON_NUM_THREADS=0)")),
        Some((_, Ok(n))) if n <= there => Finding::fine("threads", format!("{n} of {there} (RAYON_NUM_THREADS)")),
        Some((_, Ok(n))) => Finding::note(
            "threads",
            format!("{n} asked for by RAYON_NUM_THREADS, and the machine has {there}"),
            format!("set RAYON_NUM_THREADS to {there} or less: more threads than processors make it slower"),
        ),
        Some((text, Err(_))) => Finding::note(
            "threads",
            format!("RAYON_NUM_THREADS is {text:?}, which is no number and is not heeded: {there}"),
            "set it to a number, or unset it",
        ),
    }
}

pub(super) fn memory() -> Finding {
    let advice = "a model needs about 4 bytes for each parameter in f32; `babelscope lens --model lab` needs 100 MB";
    let Ok(mut system) = System::new() else {
        return Finding::note("memory", "the system does not say", advice);
    };
    system.refresh_memory();
    let (mut total, mut free) = (system.total_memory(), system.available_memory());
    let mut whose = "";
    if let Some(limits) = system.cgroup_limits()
        && limits.total_memory < total
    {
        (total, free) = (limits.total_memory, limits.free_memory.min(free));
        whose = " (the limit of this container or job)";
    }
    let found = format!("{} free of {}{whose}", human(free), human(total));
    if free < LITTLE { Finding::note("memory", found, advice) } else { Finding::fine("memory", found) }
}

/// `root` is the folder of `dev` and `proc`; `built` whether this program can use CUDA.
pub(super) fn gpu(root: &Path, built: bool) -> Finding {
    let devices = fs::read_dir(root.join("dev")).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("nvidia"));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    let devices = devices.count();
    let driver = fs::read_to_string(root.join("proc/driver/nvidia/version")).ok();
    let version = driver.as_deref().and_then(driver_version).unwrap_or("of unknown version");
    match (driver.is_some(), devices, built) {
        (false, 0, false) => Finding::fine("GPU", "no NVIDIA GPU; models run on the processor"),
        (false, 0, true) => Finding::note(
            "GPU",
            "this build can use CUDA, and no NVIDIA driver is here",
            "models run on the processor (--device cpu); for a GPU install NVIDIA's driver, and start a container with --gpus \
             all",
        ),
        (true, 0, _) | (false, _, _) => Finding::note(
            "GPU",
            format!("NVIDIA's driver and its devices do not fit: driver {version}, {devices} devices in /dev"),
            "start the container with --gpus all, or ask for a GPU in the job; load the driver (nvidia-smi shows whether it \
             works)",
        ),
        (true, _, false) => Finding::note(
            "GPU",
            format!("NVIDIA driver {version}, {devices} devices; this build uses the processor only"),
            "build with `--features cuda` to use the GPU",
        ),
        (true, _, true) => match Device::parse(Some("cuda:0")) {
            Ok(_) => Finding::fine("GPU", format!("NVIDIA driver {version}, {devices} devices; cuda:0 opens")),
            Err(why) => Finding::note(
                "GPU",
                format!("NVIDIA driver {version}, {devices} devices, but cuda:0 does not open: {why}"),
                "check with nvidia-smi; the driver must be new enough for the CUDA that this was built with",
            ),
        },
    }
}

/// `550.54.15` out of what the driver says of itself.
fn driver_version(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("NVRM"))?;
    line.split_whitespace().find(|word| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

pub(super) fn display(system: &str, variable: impl Fn(&str) -> Option<String>) -> Finding {
    if system != "linux" {
        return Finding::fine("display", format!("that of {system}"));
    }
    match ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().find_map(|name| Some((name, variable(name)?))) {
        Some((name, value)) => Finding::fine("display", format!("{name}={value}")),
        None => Finding::note(
            "display",
            "none (DISPLAY and WAYLAND_DISPLAY are not set)",
            "the window cannot open here, everything else works; over ssh use `ssh -X`, or copy the run folder to where a \
             screen is",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn threads_are_numbers_within_the_machine() {
        assert_eq!(threads(None).state, State::Fine);
        assert_eq!(threads(Some("1")).state, State::Fine);
        assert_eq!(threads(Some("100000")).state, State::Note);
        assert!(threads(Some("many")).found.contains("\"many\""));
    }

    #[test]
    fn a_gpu_is_seen_by_its_driver_and_its_device() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(gpu(root.path(), false).state, State::Fine);
        assert_eq!(gpu(root.path(), true).state, State::Note);
        fs::create_dir_all(root.path().join("proc/driver/nvidia")).unwrap();
        let text =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build\nGCC version: 12.2.0\n";
        fs::write(root.path().join("proc/driver/nvidia/version"), text).unwrap();
        let lost = gpu(root.path(), false);
        assert!(lost.found.contains("560.35.03") && lost.found.contains("do not fit"), "{lost:?}");
        fs::create_dir_all(root.path().join("dev")).unwrap();
        for name in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"] {
            fs::write(root.path().join("dev").join(name), "").unwrap();
        }
        let there = gpu(root.path(), false);
        assert!(there.found.contains("2 devices") && there.advice.unwrap().contains("--features cuda"));
    }

    #[test]
    fn a_display_is_a_variable_on_linux() {
        assert_eq!(display("linux", |_| None).state, State::Note);
        assert_eq!(display("linux", |name| (name == "DISPLAY").then(|| ":0".to_owned())).found, "DISPLAY=:0");
        assert_eq!(display("macos", |_| None).state, State::Fine);
    }

    #[test]
    fn this_machine_has_memory_and_a_processor() {
        assert!(memory().found.contains("free of"));
        assert!(processor().found.contains("threads"));
    }
}
