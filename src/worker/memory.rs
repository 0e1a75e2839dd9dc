//! How much memory a worker has, as the kernel counts it. Read before and after the runs, never between.

use fs_err as fs;

/// Memory of a process. `None` means that it could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident_bytes: Option<u64>,
    /// The most that was resident at a time.
    pub(super) peak_bytes: Option<u64>,
}

/// That of this process.
pub(super) fn of_this_process() -> Memory {
    // proc(5): VmRSS, VmHWM, in kB of 1,024 bytes.
    fs::read_to_string("/proc/self/status").map(|text| parse(&text)).unwrap_or_default()
}

/// The most memory that one of the programs that this process ran to their end had at a time.
#[expect(unsafe_code, reason = "the kernel counts it and rustix does not ask for it")]
pub(super) fn peak_of_programs() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which the call fills in.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: filled in; all zeros would be a valid value too.
    let usage = unsafe { usage.assume_init() };
    // getrusage(2): in kilobytes, of 1,024 bytes; zero before any program has ended.
    u64::try_from(usage.ru_maxrss).ok().filter(|kilobytes| *kilobytes > 0).map(|kilobytes| kilobytes * 1024)
}

fn parse(status: &str) -> Memory {
    Memory { resident_bytes: bytes(status, "VmRSS:"), peak_bytes: bytes(status, "VmHWM:") }
}

/// The bytes in a line of a file of the kernel, such as `VmRSS:     1024 kB`: proc(5), kilobytes of 1,024.
pub(super) fn bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_of_proc_are_read_and_what_is_missing_is_none() {
        let status = "Name:\tbackbone\nVmPeak:\t   9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse(status), Memory { resident_bytes: Some(1 << 20), peak_bytes: Some(2 << 20) });
        for text in ["", "VmRSS:\t1024\n", "VmRSS:\tx kB\nVmHWM:\t99999999999999999999 kB\n"] {
            assert_eq!(parse(text), Memory::default(), "{text}");
        }
    }

    #[test]
    fn this_process_has_memory_and_its_peak_is_no_less() {
        let Memory { resident_bytes: Some(resident), peak_bytes: Some(peak) } = of_this_process() else {
            panic!("/proc/self/status is not readable")
        };
        assert!(resident > 0 && peak >= resident);
    }
}
