//! For `fuzzing`: a transcript of bytes that no worker wrote.

use super::Transcript;
use crate::runtime::{LoadRequest, Task};
use crate::worker::protocol::{PROTOCOL, Request};

/// Take the bytes as the answer to each task.
pub(crate) fn take_anything(bytes: &[u8]) {
    for task in [Task::Measure, Task::Build, Task::Profile, Task::Outputs, Task::Shapes] {
        let request = Request {
            protocol: PROTOCOL,
            runtime: "sim".to_owned(),
            load: LoadRequest { task, ..LoadRequest::default() },
            warm_up_runs: 1,
            timed_runs: 2,
            energy_seconds: u32::from(task == Task::Measure),
            outputs_file: None,
            placement: Default::default(),
            confinement: None,
        };
        let mut transcript = Transcript::new(&request);
        // In two pieces, as a pipe may give them.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        transcript.take(first, &mut |_| ());
        transcript.take(second, &mut |_| ());
        transcript.finish();
        let _ = transcript.is_decided();
    }
}
