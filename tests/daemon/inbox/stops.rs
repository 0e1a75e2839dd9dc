//! What ends the daemon, what does not, and that no one has to read its log.

use std::process::Stdio;

use backbone::bundle::format::Status;
use rustix::process::Signal;

use crate::rig::{Rig, job, long_job, model, slow_model};

#[test]
fn signals_that_mean_nothing_to_the_daemon_do_not_end_it_nor_its_worker() {
    let rig = Rig::running();
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("long.yaml", long_job("slow.sim", ""));
    let worker = rig.wait_for_timing();
    let harmless = [
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::XFSZ,
        Signal::PIPE,
    ];
    for signal in harmless {
        rig.signal(signal);
    }
    assert!(worker.is_alive());
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
}

#[test]
fn log_that_is_never_read_holds_up_nothing() {
    let mut rig = Rig::new(Default::default());
    let mut command = rig.serve();
    command.env("BACKBONE_LOG", "backbone=debug");
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    rig.begin_logging_to(command.stdin(Stdio::null()), writer.into());
    rig.drop_file("net.sim", model(50));
    for number in 0..60 {
        rig.drop_file(format!("{number}.yaml"), job("net.sim", ""));
    }
    let bundles = rig.wait_until_done(60);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured));
    let ended = rig.end(Signal::TERM);
    assert!(ended.status.success() && ended.took.as_secs() < 5, "{ended:?}");
    drop(reader);
}
