//! What only the host knows of a failure on an Edge TPU: libedgetpu gives no reason when it gets no device,
//! and a stick that hangs or is unplugged takes its worker with it. Checked after the worker is gone; the
//! queue continues whatever the result.

use std::time::{Duration, Instant};

use super::attendant::Attendant;
use crate::bundle::format::{Fault, Outcome, Stage, Status};
use crate::host::HostRoot;
use crate::host::edge_tpu::{Presence, probe};
use crate::runtime::edgetpu::causes;
use crate::runtime::{NeedKind, Runtime};

/// A stick that its worker left hanging, or that was reset with it, is back on its bus after two or three
/// seconds.
const RETURN_PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks for it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The outcome of a worker, with what its last lines and the host say of the device. A device that was there
/// when the daemon started gets some time to come back.
pub(super) fn with_device(
    runtime: &Runtime,
    outcome: Outcome,
    root: &HostRoot,
    had_edge_tpu: bool,
    attendant: &dyn Attendant,
) -> Outcome {
    let is_on_device = matches!(
        outcome.stage,
        Some(Stage::Load | Stage::Prepare | Stage::WarmUp | Stage::Timing | Stage::Report | Stage::Energy)
    );
    let is_of_device = matches!(outcome.status, Status::Failed | Status::TimedOut);
    if runtime.need(NeedKind::Delegate).is_none() || !is_on_device || !is_of_device {
        return outcome;
    }
    let deadline = Instant::now() + if had_edge_tpu { RETURN_PATIENCE } else { Duration::ZERO };
    let presence = loop {
        match probe(root) {
            Presence::Absent if Instant::now() < deadline && !attendant.stop_requested() => {
                attendant.sleep(BETWEEN_LOOKS);
            }
            presence => break presence,
        }
    };
    with_presence(with_cause(outcome), &presence)
}

/// Codes of failures of a device itself, which the next job on it meets as well.
const DEVICE_FAULTS: &[&str] =
    &["cuda_failed", "device_failed", "device_hung", "device_vanished", "gpu_not_accessible", "no_output"];

/// Did the device fail, whatever the job?
pub(crate) fn is_device_fault(outcome: &Outcome) -> bool {
    matches!(outcome.status, Status::Failed | Status::TimedOut)
        && outcome.reason.as_deref().is_some_and(|reason| DEVICE_FAULTS.contains(&reason))
}

fn with_cause(outcome: Outcome) -> Outcome {
    let Some((cause, line)) = causes::find(&outcome.log_tail) else { return outcome };
    // What ended the worker is said already.
    if outcome.detail.as_ref().is_some_and(|detail| detail.contains(&line)) {
        return outcome;
    }
    let detail =
        [outcome.detail.as_deref().unwrap_or_default(), &format!("its last lines say `{line}`")].join("; ");
    Outcome {
        reason: Some(cause.reason.to_owned()),
        detail: Some(detail),
        hint: Some(cause.hint.to_owned()),
        fault: cause.fault,
        ..outcome
    }
}

fn with_presence(outcome: Outcome, presence: &Presence) -> Outcome {
    let is_refused = outcome.reason.as_deref() == Some("delegate_refused");
    let (reason, found, hint) = match presence {
        Presence::Absent if is_refused => (
            Some("device_missing"),
            "no Edge TPU is on USB or PCIe".to_owned(),
            Some("connect one; a Coral stick is 1a6e:089a or 18d1:9302 in `lsusb`, a card is /dev/apex_0"),
        ),
        Presence::Absent => (
            Some("device_vanished"),
            "the Edge TPU is gone from its bus".to_owned(),
            Some("check cable and port; a Coral stick draws up to 900 mA, which needs a USB 3 port or a powered hub"),
        ),
        Presence::NotPermitted(node) => (
            is_refused.then_some("device_not_permitted"),
            format!("the daemon's user may not open {node}"),
            is_refused.then_some(
                "add the daemon's user to the group of the device, `plugdev` for a stick and `apex` for a card",
            ),
        ),
        Presence::InUse(node, process) => (
            is_refused.then_some("device_in_use"),
            format!("process {process} has {node} open"),
            is_refused.then_some("end that process: one at a time can use an Edge TPU"),
        ),
        Presence::Ready(node) => {
            // Only if nothing says why: a cause goes before the silence that follows it.
            let is_hung = matches!(outcome.reason.as_deref(), Some("timed_out" | "no_output"));
            let hung = is_hung.then_some("device_hung");
            let hint = hung.map(|_| {
                "unplug it and plug it in again, or raise `measure.timeout_seconds` if the model is that slow"
            });
            (hung, format!("the Edge TPU is still there ({node})"), hint)
        }
    };
    let detail = [outcome.detail.as_deref().unwrap_or_default(), &found].join("; ");
    Outcome {
        fault: reason.map_or(outcome.fault, Fault::of_reason),
        reason: reason.map(str::to_owned).or(outcome.reason),
        detail: Some(detail),
        hint: hint.map(str::to_owned).or(outcome.hint),
        ..outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::Failure;

    const LINK_LOST: &str = include_str!("../../../tests/edgetpu/transcripts/libedgetpu-link-lost.txt");

    fn told(status: Status, reason: &str, log_tail: &[&str], presence: &Presence) -> String {
        let outcome = Failure::new(Stage::Load, reason, "it failed").outcome(status);
        let log_tail = log_tail.iter().map(|line| (*line).to_owned()).collect();
        let outcome = with_presence(with_cause(Outcome { log_tail, ..outcome }), presence);
        format!("{}: {}", outcome.reason.unwrap(), outcome.detail.unwrap())
    }

    #[test]
    fn every_way_to_lose_a_device_has_a_reason_of_its_own() {
        let ready = Presence::Ready("/dev/apex_0".into());
        let held = Presence::InUse("/dev/apex_0".into(), "4711".into());
        let closed = Presence::NotPermitted("/dev/apex_0".into());
        let texts = [
            told(Status::Failed, "delegate_refused", &[], &Presence::Absent),
            told(Status::Failed, "delegate_refused", &[], &closed),
            told(Status::Failed, "delegate_refused", &[], &held),
            told(Status::Failed, "delegate_refused", &[], &ready),
            told(Status::TimedOut, "timed_out", &[], &ready),
            told(Status::TimedOut, "timed_out", &[], &Presence::Absent),
            told(Status::Failed, "crashed", &[], &Presence::Absent),
            told(Status::Failed, "crashed", &[], &ready),
            told(
                Status::Failed,
                "model_not_accepted",
                &["Package requires runtime version (14), which is newer than this runtime version (13)."],
                &ready,
            ),
            told(
                Status::Failed,
                "crashed",
                &[
                    "Unsupported data type in custom op handler: 65109260Node number 1 (EdgeTpuDelegateForCustomOp) failed to prepare.",
                ],
                &ready,
            ),
            told(Status::TimedOut, "timed_out", &[LINK_LOST.trim_end()], &ready),
            told(Status::TimedOut, "timed_out", &[LINK_LOST.trim_end()], &Presence::Absent),
            told(
                Status::Failed,
                "run_failed",
                &[
                    "Transfer on tag 1 failed. Abort. Deadline exceeded: USB transfer error 2 [LibUsbDataOutCallback]",
                ],
                &ready,
            ),
        ];
        insta::assert_snapshot!(texts.join("\n"));
    }
}
