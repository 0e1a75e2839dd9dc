//! The system calls that a worker is refused, through a seccomp filter.
//!
//! Everything is allowed but what is listed: the libraries of vendors make calls that no list of ours would
//! have. What is refused is what reaches other processes, the network, the kernel's own settings and its
//! least tried parts. The timed loop makes no system call, so a filter costs it nothing.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

use crate::bundle::format::{Sandbox, SandboxPart};
use crate::runtime::{Reach, SocketKind};

/// Refused whatever its arguments are: other processes, other namespaces, mounts, the kernel's settings, and
/// the metadata of files, which Landlock does not guard.
const REFUSED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_inotify_add_watch,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_truncate,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    OPEN_TREE,
    MOVE_MOUNT,
    FSOPEN,
    FSCONFIG,
    FSMOUNT,
    FSPICK,
    PIDFD_GETFD,
    PROCESS_MADVISE,
    MOUNT_SETATTR,
    PROCESS_MRELEASE,
    FCHMODAT2,
    SETXATTRAT,
    REMOVEXATTRAT,
    OPEN_TREE_ATTR,
    FILE_SETATTR,
];

/// Refused as if the kernel did not have them, so that libraries take the older call, whose arguments a
/// filter can read.
const UNKNOWN: &[i64] =
    &[CLONE3, OPENAT2, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

// Numbers since Linux 5.1 are the same on all architectures; the crate libc lacks some.
const OPEN_TREE: i64 = 428;
const MOVE_MOUNT: i64 = 429;
const FSOPEN: i64 = 430;
const FSCONFIG: i64 = 431;
const FSMOUNT: i64 = 432;
const FSPICK: i64 = 433;
const CLONE3: i64 = 435;
const OPENAT2: i64 = 437;
const PIDFD_GETFD: i64 = 438;
const PROCESS_MADVISE: i64 = 440;
const MOUNT_SETATTR: i64 = 442;
const PROCESS_MRELEASE: i64 = 448;
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const OPEN_TREE_ATTR: i64 = 467;
const FILE_SETATTR: i64 = 469;

/// Older calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[i64] = &[libc::SYS_kexec_file_load];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const REFUSED_HERE: &[i64] = &[];

/// Flags of clone(2) that make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Requests of ioctl(2) that type into a terminal, or name who gets signals.
const REQUESTS: &[u64] = &[0x5412, 0x541c, 0x8901, 0x8902];

/// netlink(7): events of devices.
const NETLINK_KOBJECT_UEVENT: u64 = 15;

/// The first number of the x32 calls, which a filter of x86-64 numbers does not see.
const FIRST_OF_X32: u32 = 0x4000_0000;

/// Install a filter for this thread and all that it starts.
///
/// Not through the crate that compiles it: without this flag, kernels before 5.16 also turn off speculative
/// stores for whoever has a filter, which slows down the very code that is to be timed.
#[expect(unsafe_code, reason = "the crate has no way to pass the flag")]
fn install(filter: &BpfProgram) -> Result<(), String> {
    let length = u16::try_from(filter.len()).map_err(|_| "the filter is too long".to_owned())?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the pointer is to a whole `sock_fprog`, whose filter outlives the call; both types of
        // instructions have the layout of linux/filter.h. The kernel only reads.
        let installed = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        if installed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // Kernels before 4.17 know neither the flag nor what it prevents.
    let installed = install(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW).or_else(|_| install(0));
    installed.map_err(|error| error.to_string())
}

/// Refuse the calls from now on.
pub(super) fn apply(reach: &Reach, sandbox: &mut Sandbox) {
    let filters = filters(reach, &Outside::of_this_process()).map_err(|error| error.to_string());
    let applied = filters.and_then(|filters| filters.iter().try_for_each(install));
    sandbox.note(SandboxPart::SystemCalls, applied.map_err(|error| format!("seccomp: {error}")));
}

/// The numbers by which a worker could reach its parent.
struct Outside {
    /// The parent and its threads.
    processes: Vec<u64>,
    /// Its process group.
    group: Option<u64>,
}

impl Outside {
    fn of_this_process() -> Self {
        let Some(parent) = rustix::process::getppid() else {
            return Self { processes: Vec::new(), group: None };
        };
        let own = number(parent);
        let threads = fs_err::read_dir(format!("/proc/{own}/task")).into_iter().flatten().flatten();
        let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        let mut processes: Vec<u64> = [own].into_iter().chain(threads).collect();
        processes.sort_unstable();
        processes.dedup();
        let group = rustix::process::getpgid(Some(parent)).ok().map(number);
        Self { processes, group }
    }
}

fn number(pid: rustix::process::Pid) -> u64 {
    u64::from(pid.as_raw_nonzero().get().unsigned_abs())
}

fn filters(reach: &Reach, outside: &Outside) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, Vec::new())).collect();
    for (call, rules) in with_arguments(reach, outside)? {
        refused.entry(call).or_default().extend(rules);
    }
    let unknown = UNKNOWN.iter().map(|number| (*number, Vec::new())).collect();
    let filter = |rules, errno: i32| -> Result<BpfProgram, seccompiler::Error> {
        let architecture = std::env::consts::ARCH.try_into()?;
        let refuse = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?;
        Ok(without_x32(filter.try_into()?))
    };
    Ok(vec![filter(refused, libc::EPERM)?, filter(unknown, libc::ENOSYS)?])
}

/// The program behind a check for calls of the other numbering.
fn without_x32(program: BpfProgram) -> BpfProgram {
    if !cfg!(target_arch = "x86_64") {
        return program;
    }
    // Load the number; if it is at least the first of x32, go on to the refusal, else skip it.
    let mut checked = vec![
        sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        sock_filter { code: 0x35, jt: 0, jf: 1, k: FIRST_OF_X32 },
        sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::ENOSYS.unsigned_abs() },
    ];
    checked.extend(program);
    checked
}

/// Calls that are refused with some arguments: one rule of those that match is enough.
fn with_arguments(
    reach: &Reach,
    outside: &Outside,
) -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::Error> {
    let mut rules = vec![(libc::SYS_socket, sockets(reach)?)];
    let mut clone = Vec::new();
    for flag in NAMESPACES {
        let bit = u64::from(flag.unsigned_abs());
        clone.push(rule(&[(0, SeccompCmpOp::MaskedEq(bit), bit)])?);
    }
    rules.push((libc::SYS_clone, clone));
    let requests: Result<Vec<_>, _> = REQUESTS.iter().map(|request| equal(1, *request)).collect();
    rules.push((libc::SYS_ioctl, requests?));
    // Reading only, and yet truncating: Landlock sees a read before its third version.
    let access = u64::from((libc::O_TRUNC | libc::O_ACCMODE).unsigned_abs());
    let truncates = u64::from((libc::O_TRUNC | libc::O_RDONLY).unsigned_abs());
    rules.push((libc::SYS_openat, vec![rule(&[(2, SeccompCmpOp::MaskedEq(access), truncates)])?]));
    #[cfg(target_arch = "x86_64")]
    rules.push((libc::SYS_open, vec![rule(&[(1, SeccompCmpOp::MaskedEq(access), truncates)])?]));
    // Limits and priorities of itself only; a process names itself by 0.
    rules.push((libc::SYS_prlimit64, vec![rule(&[(0, SeccompCmpOp::Ne, 0)])?]));
    for call in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
        // The first argument: 0 and 1 are a process, the others a group or a user.
        let process = u64::from(call == libc::SYS_ioprio_set);
        rules.push((call, vec![rule(&[(0, SeccompCmpOp::Ne, process)])?]));
    }
    rules.push((libc::SYS_fcntl, vec![equal(1, F_SETOWN_EX)?]));
    rules.extend(to_outside(outside)?);
    Ok(rules)
}

/// fcntl(2); its argument is behind a pointer, which no filter follows.
const F_SETOWN_EX: u64 = 15;

fn sockets(reach: &Reach) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let families = reach.sockets.iter().map(|kind| match kind {
        SocketKind::Local => libc::AF_UNIX,
        SocketKind::DeviceEvents => libc::AF_NETLINK,
    });
    let mut none_of: Vec<_> =
        families.map(|family| (0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))).collect();
    if none_of.is_empty() {
        // Every family: no argument is below zero.
        none_of.push((0, SeccompCmpOp::Ge, 0));
    }
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    Ok(vec![
        rule(&none_of)?,
        rule(&[(0, SeccompCmpOp::Eq, netlink), (2, SeccompCmpOp::Ne, NETLINK_KOBJECT_UEVENT)])?,
    ])
}

/// Calls that name a process, with the numbers of those outside.
fn to_outside(outside: &Outside) -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::Error> {
    const BY_FIRST: &[i64] = &[
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_open,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_migrate_pages,
        libc::SYS_move_pages,
    ];
    let mut rules = Vec::new();
    for &process in &outside.processes {
        for call in BY_FIRST {
            rules.push((*call, vec![equal(0, process)?]));
        }
        for call in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
            rules.push((call, vec![equal(1, process)?]));
        }
        rules.push((libc::SYS_fcntl, vec![owner(process)?]));
    }
    // Everyone, and the parent's group: by its number, or by joining it.
    rules.push((libc::SYS_kill, vec![equal(0, negative(1))?]));
    if let Some(group) = outside.group {
        rules.push((libc::SYS_kill, vec![equal(0, negative(group))?]));
        rules.push((libc::SYS_setpgid, vec![equal(1, group)?]));
        rules.push((libc::SYS_fcntl, vec![owner(negative(group))?]));
    }
    Ok(rules)
}

/// fcntl(2) that names who gets signals.
fn owner(process: u64) -> Result<SeccompRule, seccompiler::Error> {
    const F_SETOWN: u64 = 8;
    rule(&[(1, SeccompCmpOp::Eq, F_SETOWN), (2, SeccompCmpOp::Eq, process)])
}

/// A negative number of 32 bits, as the kernel reads it.
fn negative(number: u64) -> u64 {
    number.wrapping_neg() & u64::from(u32::MAX)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    rule(&[(argument, SeccompCmpOp::Eq, value)])
}

/// Numbers of processes, families and flags have 32 bits: the kernel ignores the others.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::Error> {
    let conditions = conditions.iter().map(|(argument, comparison, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, comparison.clone(), *value)
    });
    Ok(SeccompRule::new(conditions.collect::<Result<_, _>>()?)?)
}
