//! A library that attacks whoever loads it: `tests/runtimes/escape/` builds it and lets a worker open it in
//! place of ONNX Runtime. It runs the attempts that `ESCAPE` names, each in a process of its own, and says on
//! standard error what came of each: `reached`, or the error that refused it.

use std::ffi::{CString, c_char, c_int, c_long, c_ulong, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
    fn truncate(path: *const c_char, length: i64) -> c_int;
    fn ftruncate(file: c_int, length: i64) -> c_int;
    fn rename(from: *const c_char, to: *const c_char) -> c_int;
    fn unlink(path: *const c_char) -> c_int;
    fn link(from: *const c_char, to: *const c_char) -> c_int;
    fn symlink(from: *const c_char, to: *const c_char) -> c_int;
    fn mkdir(path: *const c_char, mode: u32) -> c_int;
    fn mkfifo(path: *const c_char, mode: u32) -> c_int;
    fn mknod(path: *const c_char, mode: u32, device: u64) -> c_int;
    fn chmod(path: *const c_char, mode: u32) -> c_int;
    fn chown(path: *const c_char, user: u32, group: u32) -> c_int;
    fn utimes(path: *const c_char, times: *const c_void) -> c_int;
    fn setxattr(path: *const c_char, name: *const c_char, value: *const c_void, size: usize, flags: c_int) -> c_int;
    fn opendir(path: *const c_char) -> *mut c_void;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn connect(socket: c_int, address: *const c_void, length: u32) -> c_int;
    fn ptrace(request: c_int, ...) -> c_long;
    fn process_vm_readv(process: c_int, to: *const c_void, n: c_ulong, from: *const c_void, m: c_ulong, flags: c_ulong) -> isize;
    fn prlimit(process: c_int, resource: c_int, new: *const c_void, old: *mut c_void) -> c_int;
    fn setrlimit(resource: c_int, limit: *const c_void) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut c_void) -> c_int;
    fn setpriority(which: c_int, who: c_int, value: c_int) -> c_int;
    fn sched_setaffinity(process: c_int, size: usize, set: *const c_void) -> c_int;
    fn sched_setscheduler(process: c_int, policy: c_int, parameters: *const c_void) -> c_int;
    fn setpgid(process: c_int, group: c_int) -> c_int;
    fn fcntl(file: c_int, command: c_int, ...) -> c_int;
    fn ioctl(file: c_int, request: c_ulong, ...) -> c_int;
    fn unshare(flags: c_int) -> c_int;
    fn setns(file: c_int, kind: c_int) -> c_int;
    fn mount(from: *const c_char, to: *const c_char, kind: *const c_char, flags: c_ulong, data: *const c_void) -> c_int;
    fn umount2(path: *const c_char, flags: c_int) -> c_int;
    fn chroot(path: *const c_char) -> c_int;
    fn setuid(user: u32) -> c_int;
    fn setgid(group: u32) -> c_int;
    fn setsid() -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn inotify_init1(flags: c_int) -> c_int;
    fn inotify_add_watch(file: c_int, path: *const c_char, mask: u32) -> c_int;
    fn klogctl(kind: c_int, buffer: *mut c_char, length: c_int) -> c_int;
    fn sethostname(name: *const c_char, length: usize) -> c_int;
    fn mmap(at: *mut c_void, length: usize, access: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
    fn memfd_create(name: *const c_char, flags: u32) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn fork() -> c_int;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn pause() -> c_int;
    fn _exit(code: c_int) -> !;
}

/// Numbers of calls that differ between architectures.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const BPF: i64 = 321;
    pub const PERF: i64 = 298;
    pub const KEYCTL: i64 = 250;
    pub const ADD_KEY: i64 = 248;
    pub const USERFAULTFD: i64 = 323;
    pub const KEXEC: i64 = 246;
    pub const INIT_MODULE: i64 = 175;
    pub const REBOOT: i64 = 169;
    pub const CLOCK_SETTIME: i64 = 227;
    pub const PIVOT_ROOT: i64 = 155;
    pub const SWAPON: i64 = 167;
    pub const ACCT: i64 = 163;
    pub const QUOTACTL: i64 = 179;
    pub const OPEN_BY_HANDLE: i64 = 304;
    pub const IOPRIO_SET: i64 = 251;
    pub const TGKILL: i64 = 234;
    pub const SIGQUEUE: i64 = 129;
    pub const CLONE: i64 = 56;
    pub const KCMP: i64 = 312;
    pub const FANOTIFY: i64 = 300;
    pub const OTHER_NUMBERING: i64 = 0x4000_0000 + 39;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const BPF: i64 = 280;
    pub const PERF: i64 = 241;
    pub const KEYCTL: i64 = 219;
    pub const ADD_KEY: i64 = 217;
    pub const USERFAULTFD: i64 = 282;
    pub const KEXEC: i64 = 104;
    pub const INIT_MODULE: i64 = 105;
    pub const REBOOT: i64 = 142;
    pub const CLOCK_SETTIME: i64 = 112;
    pub const PIVOT_ROOT: i64 = 41;
    pub const SWAPON: i64 = 224;
    pub const ACCT: i64 = 89;
    pub const QUOTACTL: i64 = 60;
    pub const OPEN_BY_HANDLE: i64 = 265;
    pub const IOPRIO_SET: i64 = 30;
    pub const TGKILL: i64 = 131;
    pub const SIGQUEUE: i64 = 138;
    pub const CLONE: i64 = 220;
    pub const KCMP: i64 = 272;
    pub const FANOTIFY: i64 = 262;
    pub const OTHER_NUMBERING: i64 = 0x4000_0000 + 172;
}

const WRITE: c_int = 1;
const CREATE: c_int = 0o100;
const TRUNCATE: c_int = 0o1000;

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = attack;

extern "C" fn attack() {
    let Ok(names) = std::env::var("ESCAPE") else { return };
    for name in names.split(',') {
        // Kept by the worker itself: whatever it leaves behind is its parent's to end.
        if let Some(what) = name.strip_prefix("leave_") {
            leave(what);
            continue;
        }
        unsafe {
            let child = fork();
            if child == 0 {
                let code = match attempt(name) {
                    Ok(()) => 255,
                    Err(error) => error.clamp(1, 254),
                };
                _exit(code);
            }
            let mut status = 0;
            waitpid(child, &mut status, 0);
            match (status & 0x7f, status >> 8 & 0xff) {
                (0, 255) => eprintln!("escape {name}: reached"),
                (0, code) => eprintln!("escape {name}: error {code}"),
                (signal, _) => eprintln!("escape {name}: signal {signal}"),
            }
        }
    }
    unsafe { _exit(3) }
}

fn path(text: impl AsRef<std::ffi::OsStr>) -> CString {
    CString::new(text.as_ref().as_bytes()).unwrap()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn lab(rest: &str) -> CString {
    path(format!("{}/{rest}", variable("LAB")))
}

fn own(rest: &str) -> CString {
    path(format!("{}/{rest}", variable("TMPDIR")))
}

fn daemon() -> c_int {
    variable("DAEMON").parse().unwrap()
}

fn last() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(254)
}

/// A call that returns −1 if it is refused.
fn done(returned: impl Into<i64>) -> Result<(), c_int> {
    if returned.into() == -1 { Err(last()) } else { Ok(()) }
}

fn opened(path: &CString, flags: c_int) -> Result<(), c_int> {
    done(unsafe { open(path.as_ptr(), flags, 0o644) })
}

fn family(domain: c_int, kind: c_int, protocol: c_int) -> Result<(), c_int> {
    done(unsafe { socket(domain, kind, protocol) })
}

fn shell(script: &str) -> Result<(), c_int> {
    let status = Command::new("/bin/sh").args(["-c", script]).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.code().unwrap_or(253)),
        Err(error) => Err(error.raw_os_error().unwrap_or(252)),
    }
}

fn attempt(name: &str) -> Result<(), c_int> {
    let own_model = path(variable("MODEL"));
    let null = std::ptr::null::<c_void>();
    unsafe {
        match name {
            "write_inbox" => opened(&lab("inbox/forged.yaml"), WRITE | CREATE),
            "write_outbox" => opened(&lab("outbox/forged.json.gz"), WRITE | CREATE),
            "forge_ready" => opened(&lab("spool/ready/forged.json.gz"), WRITE | CREATE),
            "write_journal" => opened(&lab("spool/journal/job.jsonl"), WRITE),
            "write_queue" => opened(&lab("spool/queue/job.yaml"), WRITE),
            "write_control" => opened(&lab("spool/control/paused"), WRITE | CREATE),
            "write_own_model" => opened(&own_model, WRITE),
            "write_other_model" => opened(&lab("spool/models/other"), WRITE),
            "truncate_own_model" => done(truncate(own_model.as_ptr(), 0)),
            "truncate_while_reading" => opened(&own_model, TRUNCATE),
            "truncate_journal" => done(truncate(lab("spool/journal/job.jsonl").as_ptr(), 0)),
            "read_other_model" => opened(&lab("spool/models/other"), 0),
            "read_other_job" => opened(&lab("spool/queue/job.yaml"), 0),
            "read_shadow" => opened(&path("/etc/shadow"), 0),
            "read_home" => opened(&path("/root"), 0),
            "list_spool" => {
                if opendir(lab("spool").as_ptr()).is_null() { Err(last()) } else { Ok(()) }
            }
            "rename_ready" => done(rename(lab("spool/ready/other.json.gz").as_ptr(), lab("outbox/x.json.gz").as_ptr())),
            "unlink_ready" => done(unlink(lab("spool/ready/other.json.gz").as_ptr())),
            "make_folder" => done(mkdir(lab("spool/engines").as_ptr(), 0o755)),
            "link_out" => {
                opened(&own("mine"), WRITE | CREATE)?;
                done(link(own("mine").as_ptr(), lab("outbox/x.json.gz").as_ptr()))
            }
            "link_in" => done(link(lab("spool/models/other").as_ptr(), own("other").as_ptr())),
            "rename_out" => {
                opened(&own("mine too"), WRITE | CREATE)?;
                done(rename(own("mine too").as_ptr(), lab("outbox/x.json.gz").as_ptr()))
            }
            "symlink_out" => done(symlink(path("/etc/shadow").as_ptr(), lab("outbox/x.json.gz").as_ptr())),
            "follow_symlink" => {
                done(symlink(lab("spool/models/other").as_ptr(), own("way out").as_ptr()))?;
                opened(&own("way out"), 0)
            }
            "make_pipe" => done(mkfifo(lab("outbox/.status.json").as_ptr(), 0o644)),
            "make_device" => done(mknod(own("mem").as_ptr(), 0o020_600, 0x101)),
            "write_library" => opened(&path(variable("LIBRARY")), WRITE),
            "write_tmp" => opened(&path(format!("/tmp/backbone-escape-{}", std::process::id())), WRITE | CREATE),
            "write_shared_memory" => opened(&path(format!("/dev/shm/backbone-{}", std::process::id())), WRITE | CREATE),
            "write_sys" => opened(&path("/sys/kernel/mm/transparent_hugepage/enabled"), WRITE),
            "write_control_group" => opened(&path("/sys/fs/cgroup/cgroup.procs"), WRITE)
                .or_else(|_| opened(&path("/sys/fs/cgroup/unified/cgroup.procs"), WRITE)),
            "write_proc_sys" => opened(&path("/proc/sys/kernel/core_pattern"), WRITE),
            "write_own_score" => opened(&path("/proc/self/oom_score_adj"), WRITE),
            "write_score_of_daemon" => opened(&path(format!("/proc/{}/oom_score_adj", daemon())), WRITE),
            "memory_of_daemon" => opened(&path(format!("/proc/{}/mem", daemon())), 2),
            "environment_of_daemon" => {
                std::fs::read(format!("/proc/{}/environ", daemon())).map(drop).map_err(|error| error.raw_os_error().unwrap_or(254))
            }
            "maps_of_daemon" => {
                std::fs::read(format!("/proc/{}/maps", daemon())).map(drop).map_err(|error| error.raw_os_error().unwrap_or(254))
            }
            "root_of_daemon" => opened(&path(format!("/proc/{}/root/etc/shadow", daemon())), 0),
            "descriptors_of_daemon" => opened(&path(format!("/proc/{}/fd/0", daemon())), 0),
            "dev_mem" => opened(&path("/dev/mem"), 0),
            "dev_kmsg" => opened(&path("/dev/kmsg"), 0),
            "dev_loop" => opened(&path("/dev/loop-control"), 2),
            "dev_fuse" => opened(&path("/dev/fuse"), 2),
            "dev_terminal" => opened(&path("/dev/ptmx"), 2),
            "kill_daemon" => done(kill(daemon(), 0)),
            "kill_everyone" => done(kill(-1, 0)),
            "kill_group_of_daemon" => done(kill(-variable("GROUP").parse::<c_int>().unwrap(), 0)),
            "thread_kill_daemon" => done(syscall(number::TGKILL, daemon(), daemon(), 0)),
            "queue_signal_to_daemon" => {
                let mut details = [0_i32; 32];
                (details[2], details[0]) = (-1, 0);
                done(syscall(number::SIGQUEUE, daemon(), 0, details.as_ptr()))
            }
            "pidfd_kill_daemon" => {
                let file = syscall(434, daemon(), 0);
                done(file)?;
                done(syscall(424, file, 0, null, 0))
            }
            "join_group_of_daemon" => done(setpgid(0, variable("GROUP").parse().unwrap())),
            "own_signals_of_daemon" => {
                let mut pipe = [0_i32; 2];
                done(pipe2(pipe.as_mut_ptr(), 0))?;
                done(fcntl(pipe[0], 8, daemon()))
            }
            "own_signals_extended" => {
                let owner = [1_i32, daemon()];
                done(fcntl(0, 15, owner.as_ptr()))
            }
            "ptrace_daemon" => done(ptrace(0x4206, daemon(), null, null)),
            "read_daemon" => done(process_vm_readv(daemon(), null, 0, null, 0, 0) as i64),
            "compare_daemon" => done(syscall(number::KCMP, daemon(), std::process::id(), 1, 0, 0)),
            "take_descriptor_of_daemon" => done(syscall(438, 0, 0, 0)),
            "limit_daemon" => done(prlimit(daemon(), 7, null, [0_u64; 2].as_mut_ptr().cast())),
            "nice_daemon" => done(setpriority(0, daemon(), 19)),
            "nice_everyone" => done(setpriority(2, 0, 19)),
            "pin_daemon" => done(sched_setaffinity(daemon(), 8, [1_u64].as_ptr().cast())),
            "disk_priority_of_daemon" => done(syscall(number::IOPRIO_SET, 1, daemon(), 3 << 13)),
            "internet" => family(2, 1, 0),
            "internet_6" => family(10, 2, 0),
            "raw_socket" => family(2, 3, 1),
            "packet_socket" => family(17, 3, 0),
            "netlink_route" => family(16, 3, 0),
            "netlink_audit" => family(16, 3, 9),
            "netlink_events" => family(16, 3, 15),
            "virtual_socket" => family(40, 1, 0),
            "crypto_socket" => family(38, 5, 0),
            "bluetooth" => family(31, 3, 0),
            "can" => family(29, 3, 1),
            "local_socket" => family(1, 1, 0),
            "connect_loopback" => {
                let socket = socket(2, 1, 0);
                done(socket)?;
                let port: u16 = variable("PORT").parse().unwrap();
                let mut address = [0_u8; 16];
                address[0] = 2;
                address[2..4].copy_from_slice(&port.to_be_bytes());
                address[4..8].copy_from_slice(&[127, 0, 0, 1]);
                done(connect(socket, address.as_ptr().cast(), 16))
            }
            "abstract_socket" => {
                let socket = socket(1, 1, 0);
                done(socket)?;
                let name = variable("ABSTRACT");
                let mut address = [0_u8; 110];
                address[0] = 1;
                address[3..3 + name.len()].copy_from_slice(name.as_bytes());
                done(connect(socket, address.as_ptr().cast(), 3 + name.len() as u32))
            }
            "user_namespace" => done(unshare(0x1000_0000)),
            "network_namespace" => done(unshare(0x4000_0000)),
            "enter_namespace" => done(setns(0, 0)),
            "clone_namespace" => done(syscall(number::CLONE, 0x1000_0011_u64, 0, 0, 0, 0)),
            "clone3" => done(syscall(435, null, 0)),
            "mount" => done(mount(c"x".as_ptr(), own("").as_ptr(), c"tmpfs".as_ptr(), 0, null)),
            "unmount" => done(umount2(c"/proc".as_ptr(), 2)),
            "change_root" => done(chroot(own("").as_ptr())),
            "pivot_root" => done(syscall(number::PIVOT_ROOT, own("").as_ptr(), own("").as_ptr())),
            "open_file_system" => done(syscall(430, c"tmpfs".as_ptr(), 0)),
            "open_tree" => done(syscall(428, -100, c"/".as_ptr(), 1)),
            "move_mount" => done(syscall(429, -1, c"".as_ptr(), -1, c"".as_ptr(), 0)),
            "io_uring" => done(syscall(425, 1, [0_u8; 256].as_mut_ptr())),
            "user_faults" => done(syscall(number::USERFAULTFD, 1)),
            "bpf" => done(syscall(number::BPF, 0, [0_u32, 1, 4, 4, 1, 0, 0, 0, 0, 0].repeat(4).as_ptr(), 40)),
            "performance_counters" => {
                let mut attributes = [0_u32; 32];
                attributes[1] = 112;
                done(syscall(number::PERF, attributes.as_ptr(), 0, -1, -1, 0))
            }
            "keyring" => done(syscall(number::KEYCTL, 0, -3, 1)),
            "add_key" => done(syscall(number::ADD_KEY, c"user".as_ptr(), c"x".as_ptr(), c"y".as_ptr(), 1, -3)),
            "kexec" => done(syscall(number::KEXEC, 0, 0, null, 0)),
            "load_module" => done(syscall(number::INIT_MODULE, null, 0, c"".as_ptr())),
            "reboot" => done(syscall(number::REBOOT, 0, 0, 0, null)),
            "kernel_log" => done(klogctl(10, std::ptr::null_mut(), 0)),
            "set_clock" => done(syscall(number::CLOCK_SETTIME, 0, [0_i64, -1].as_ptr())),
            "host_name" => done(sethostname(c"".as_ptr(), usize::MAX >> 1)),
            "swap" => done(syscall(number::SWAPON, c"/nowhere".as_ptr(), 0)),
            "accounting" => done(syscall(number::ACCT, c"/nowhere".as_ptr())),
            "quota" => done(syscall(number::QUOTACTL, 0x80_0001_00_u64, null, 0, null)),
            "open_by_handle" => done(syscall(number::OPEN_BY_HANDLE, -100, [0_u32; 8].as_ptr(), 0)),
            "other_numbering" => done(syscall(number::OTHER_NUMBERING)),
            "change_user" => done(setuid(54321)),
            "change_group" => done(setgid(54321)),
            "new_privileges" => if prctl(39, 0, 0, 0, 0) == 1 { Err(1) } else { Ok(()) },
            "capabilities" => {
                // The numbers of its status, and of a program that it starts.
                let status = std::fs::read_to_string("/proc/self/status").unwrap();
                let none = status.lines().any(|line| line == "CapEff:\t0000000000000000");
                let test = "grep -q '^CapEff:.0000000000000000' /proc/self/status";
                if none && shell(test).is_ok() { Err(1) } else { Ok(()) }
            }
            "program_reads_shadow" => shell("exec 3< /etc/shadow"),
            "program_writes_outbox" => shell(&format!(": > {}/outbox/x", variable("LAB"))),
            "program_in_memory" => {
                let program = std::fs::read("/bin/cat").map_err(|_| 250)?;
                let file = memfd_create(c"cat".as_ptr(), 0);
                done(file)?;
                std::fs::write(format!("/proc/self/fd/{file}"), &program).map_err(|error| error.raw_os_error().unwrap_or(254))?;
                let error = Command::new(format!("/proc/self/fd/{file}")).arg("/etc/shadow").stdout(Stdio::null()).stderr(Stdio::null()).exec();
                Err(error.raw_os_error().unwrap_or(254))
            }
            "core_files" => {
                let mut limit = [9_u64; 2];
                done(getrlimit(4, limit.as_mut_ptr().cast()))?;
                if limit == [0, 0] { Err(1) } else { Ok(()) }
            }
            "raise_limits" => done(setrlimit(1, [u64::MAX; 2].as_ptr().cast())),
            "all_memory" => {
                let bytes: usize = variable("MEMORY").parse().unwrap();
                let got = mmap(std::ptr::null_mut(), bytes, 3, 0x4022, -1, 0);
                if got as isize == -1 { Err(last()) } else { Ok(()) }
            }
            "huge_file" => {
                signal(25, 1);
                let file = open(own("huge").as_ptr(), WRITE | CREATE, 0o644);
                done(file)?;
                done(ftruncate(file, 1 << 42))
            }
            "first_in_line" => done(setpriority(0, 0, -20)),
            "realtime" => done(sched_setscheduler(0, 1, [1_i32].as_ptr().cast())),
            "change_mode" => done(chmod(lab("spool/journal/job.jsonl").as_ptr(), 0)),
            "change_mode_newer" => done(syscall(452, -100, lab("spool/journal/job.jsonl").as_ptr(), 0, 0)),
            "change_owner" => done(chown(lab("spool/journal/job.jsonl").as_ptr(), u32::MAX, u32::MAX)),
            "change_times" => done(utimes(lab("spool/journal/job.jsonl").as_ptr(), null)),
            "change_attributes" => {
                done(setxattr(lab("spool/journal/job.jsonl").as_ptr(), c"user.x".as_ptr(), null, 0, 0))
            }
            "watch_spool" => {
                let file = inotify_init1(0);
                done(file)?;
                done(inotify_add_watch(file, lab("spool").as_ptr(), 0xfff))
            }
            "watch_everything" => done(syscall(number::FANOTIFY, 0, 0)),
            "type_into_terminal" => match ioctl(0, 0x5412, c"x".as_ptr()) {
                // Not a terminal: it was asked.
                -1 if last() == 25 => Ok(()),
                returned => done(returned),
            },
            _ => Err(251),
        }
    }
}

unsafe extern "C" {
    fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
}

/// Leave processes behind. Their numbers go to standard error.
fn leave(what: &str) {
    unsafe {
        match what {
            // A session of its own, a parent that is gone, no environment, another score.
            "daemon" => {
                if fork() == 0 {
                    setsid();
                    if fork() != 0 {
                        _exit(0);
                    }
                    let _ = std::fs::write("/proc/self/oom_score_adj", "999");
                    let error = Command::new("/bin/sleep").arg("600").env_clear().stdin(Stdio::null()).exec();
                    eprintln!("left nothing: {error}");
                    _exit(9);
                }
                let mut status = 0;
                waitpid(-1, &mut status, 0);
            }
            // Each an orphan at once, dead or alive.
            "orphans" => {
                for number in 0..20 {
                    if fork() == 0 {
                        setsid();
                        if fork() == 0 && number % 2 == 0 {
                            pause();
                        }
                        _exit(0);
                    }
                }
            }
            // Bounded, for the sake of whoever runs the tests; each child forks, too.
            "bomb" => {
                for _ in 0..8 {
                    if fork() == 0 {
                        setsid();
                        for _ in 0..5 {
                            fork();
                        }
                        loop {
                            pause();
                        }
                    }
                }
            }
            _ => eprintln!("nothing is called {what}"),
        }
    }
}
