//! On a kernel as old as JetPack 4's, Linux 4.9, everything works that works on today's, except for the
//! parts of the sandbox that it lacks.
//!
//! Filters of seccomp(2) answer as that kernel does: system calls that came later do not exist (ENOSYS),
//! and neither do later flags and commands of older ones. They hold for a thread and everything that it
//! starts, so that the daemon, its workers, the inference libraries and the system's C library all meet
//! that kernel. What it answers is from the manual pages, section "Versions" or "History".

use std::collections::BTreeMap;

use backbone::bundle::format::{Bundle, Sandbox, SandboxPart, Status};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::rig::{Rig, Settings, fetched, lacks, long_job, slow_model};

/// From here on (`pidfd_send_signal`, Linux 5.1) numbers are the same on all architectures, and all are of
/// calls that came after 4.9.
const FIRST_UNIFORM: i64 = 424;

/// More than any kernel has.
const LAST_UNIFORM: i64 = 600;

/// Calls that came after 4.9 and have numbers of each architecture: Linux 4.11, 4.18, 4.18.
const LATER: &[i64] = &[libc::SYS_statx, IO_PGETEVENTS, libc::SYS_rseq];

/// The crate libc lacks it.
const IO_PGETEVENTS: i64 = if cfg!(target_arch = "aarch64") { 292 } else { 333 };

/// Arguments that came after 4.9: the call, which argument, what it is there, and the answer.
const LATER_ARGUMENTS: &[(i64, u8, Later, i32)] = &[
    // SECCOMP_GET_ACTION_AVAIL, 4.14, and those after it; flags other than SECCOMP_FILTER_FLAG_TSYNC, 4.14.
    (libc::SYS_seccomp, 0, Later::From(2), libc::EINVAL),
    (libc::SYS_seccomp, 1, Later::From(2), libc::EINVAL),
    // MFD_HUGETLB, 4.14, and MFD_NOEXEC_SEAL, 6.3.
    (libc::SYS_memfd_create, 1, Later::From(4), libc::EINVAL),
    // GRND_INSECURE, 5.6.
    (libc::SYS_getrandom, 2, Later::From(4), libc::EINVAL),
    // P_PIDFD, 5.4.
    (libc::SYS_waitid, 0, Later::From(3), libc::EINVAL),
    // The commands of prctl(2) after PR_CAP_AMBIENT, of 4.3.
    (libc::SYS_prctl, 0, Later::From(48), libc::EINVAL),
    // MEMBARRIER_CMD_GLOBAL_EXPEDITED, 4.16, and those after it.
    (libc::SYS_membarrier, 0, Later::From(2), libc::EINVAL),
    // RWF_NOWAIT, 4.14.
    (libc::SYS_preadv2, 5, Later::From(8), libc::EOPNOTSUPP),
    (libc::SYS_pwritev2, 5, Later::From(8), libc::EOPNOTSUPP),
    // IN_MASK_CREATE, 4.18.
    (libc::SYS_inotify_add_watch, 2, Later::With(0x1000_0000), libc::EINVAL),
    // F_GET_RW_HINT, 4.13, and those after it.
    (libc::SYS_fcntl, 1, Later::From(1035), libc::EINVAL),
];

/// Which values of an argument came later.
enum Later {
    /// This one and all above.
    From(u64),
    /// Those with this bit.
    With(u64),
}

impl Later {
    fn condition(&self, argument: u8) -> SeccompCondition {
        let (operator, value) = match *self {
            Self::From(value) => (SeccompCmpOp::Ge, value),
            Self::With(bit) => (SeccompCmpOp::MaskedEq(bit), bit),
        };
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).unwrap()
    }
}

/// A kernel of that age that was built without filters of system calls, as some of boards are.
fn without_filters() {
    let rules = BTreeMap::from([(libc::SYS_seccomp, Vec::new())]);
    filter(libc::ENOSYS, rules);
}

/// Make this thread, and everything that it starts, a program on Linux 4.9.
fn go_back() {
    let none = || -> BTreeMap<i64, Vec<SeccompRule>> { BTreeMap::new() };
    let mut missing = none();
    missing
        .extend((FIRST_UNIFORM..=LAST_UNIFORM).chain(LATER.iter().copied()).map(|call| (call, Vec::new())));
    let mut by_errno = BTreeMap::from([(libc::ENOSYS, missing)]);
    for (call, argument, later, errno) in LATER_ARGUMENTS {
        let rule = SeccompRule::new(vec![later.condition(*argument)]).unwrap();
        by_errno.entry(*errno).or_insert_with(none).entry(*call).or_default().push(rule);
    }
    by_errno.into_iter().for_each(|(errno, rules)| filter(errno, rules));
}

fn filter(errno: i32, rules: BTreeMap<i64, Vec<SeccompRule>>) {
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// Do what is to be done on the old kernel, in a thread of its own.
fn on_old_kernel(act: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| {
            go_back();
            act();
        });
        if let Err(panic) = acting.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn old_kernel_answers_as_it_did() {
    use rustix::fs::{AtFlags, CWD, MemfdFlags, StatxFlags};
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    let open = || pidfd_open(getpid(), PidfdFlags::empty()).map(drop);
    let stat = || rustix::fs::statx(CWD, ".", AtFlags::empty(), StatxFlags::TYPE).map(|_| ());
    let make = |flags| rustix::fs::memfd_create("old", flags).map(drop);
    on_old_kernel(|| {
        assert_eq!(open(), Err(Errno::NOSYS));
        assert_eq!(stat(), Err(Errno::NOSYS));
        assert_eq!(make(MemfdFlags::from_bits_retain(8)), Err(Errno::INVAL));
        assert_eq!(make(MemfdFlags::CLOEXEC), Ok(()));
    });
    assert_eq!(open(), Ok(()), "the filters outlive their thread");
}

/// A machine with the inference libraries, and upload and rescan times as people have them.
fn machine() -> Rig {
    let mut rig = Rig::new(Settings::default());
    let libraries = format!(
        "runtimes:\n  onnxruntime: {{library: {}}}\n  tflite: {{library: {}}}\n",
        fetched("libonnxruntime.so").display(),
        fetched("libtensorflowlite_c.so").display()
    );
    let mut text = fs_err::read_to_string(rig.configuration()).unwrap();
    text.push_str(&libraries);
    fs_err::write(rig.configuration(), text).unwrap();
    rig.start();
    rig
}

fn drop_example(rig: &Rig, model: &str) {
    rig.drop_file(
        model,
        fs_err::read(format!("{}/inbox-examples/{model}", env!("CARGO_MANIFEST_DIR"))).unwrap(),
    );
    let text = format!("backbone: 1\nmodel: {model}\nmeasure: {{warm_up_runs: 1, timed_runs: 5}}\n");
    rig.drop_file(format!("{}.yaml", model.replace('.', "-")), text);
}

fn sandbox(bundle: &Bundle) -> &Sandbox {
    bundle.environment.as_ref().unwrap().sandbox.as_ref().unwrap()
}

fn missing_parts(bundle: &Bundle) -> Vec<SandboxPart> {
    sandbox(bundle).missing.iter().map(|gap| gap.part).collect()
}

#[test]
fn jobs_are_measured_on_an_old_kernel_and_continue_after_a_kill() {
    if lacks("libonnxruntime.so") || lacks("libtensorflowlite_c.so") {
        return;
    }
    on_old_kernel(|| {
        let mut rig = machine();
        drop_example(&rig, "tiny-cnn.onnx");
        drop_example(&rig, "tiny-cnn-int8.tflite");
        rig.drop_file(
            "made.yaml",
            "backbone: 1\nnetwork: {block: depthwise-separable, kernel: 3, batch: 1, input: 32, precision: int8, \
             width_percent: 5}\nruntime: [onnxruntime, tflite]\nmeasure: {warm_up_runs: 1, timed_runs: 5}\n",
        );
        for bundle in rig.wait_until_done(4) {
            assert_eq!(bundle.outcome.status, Status::Measured, "{:?}\n{}", bundle.outcome, rig.log());
            let sandbox = sandbox(&bundle);
            assert_eq!(sandbox.landlock_abi, Some(0), "it does not come after 4.9");
            assert!(missing_parts(&bundle).contains(&SandboxPart::Files), "{sandbox:?}");
            assert!(sandbox.enforced.contains(&SandboxPart::SystemCalls), "{sandbox:?}");
        }
        // Its worker ends without a pidfd, and the job continues after a kill.
        rig.drop_file("slow.sim", slow_model());
        rig.drop_file("slow.yaml", long_job("slow.sim", ""));
        rig.wait_for_status("a running job", |status| status.running.is_some());
        rig.kill();
        rig.start();
        rig.wait_until_done(5);
        assert_eq!(rig.bundle_of("slow").outcome.status, Status::Measured, "{}", rig.log());
        // What people type, on that kernel too.
        rig.must(&["status"]);
        let page = rig.path("report.html");
        let outbox = rig.outbox("");
        let report =
            ["report", "--include-simulated", outbox.to_str().unwrap(), "-o", page.to_str().unwrap()];
        let output = crate::rig::clean(crate::rig::BACKBONE).args(report).output().unwrap();
        assert!(output.status.success() && page.is_file(), "{output:?}");
    });
}

#[test]
fn kernel_without_filters_of_system_calls_measures_and_says_so() {
    if lacks("libonnxruntime.so") || lacks("libtensorflowlite_c.so") {
        return;
    }
    on_old_kernel(|| {
        without_filters();
        let rig = machine();
        drop_example(&rig, "tiny-cnn.onnx");
        let bundle = rig.wait_until_done(1).remove(0);
        assert_eq!(bundle.outcome.status, Status::Measured, "{:?}\n{}", bundle.outcome, rig.log());
        assert!(missing_parts(&bundle).contains(&SandboxPart::SystemCalls), "{:?}", sandbox(&bundle));
    });
}
