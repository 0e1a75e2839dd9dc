//! A worker that prints nothing and does nothing: it hangs, and need not take its whole time limit.
//!
//! A worker is silent by design while it loads, compiles and times, so silence alone says little. But its
//! main thread, or a process that it started, then runs now and again. If none has run at all for half of the
//! limit, while nothing was printed for all of it, the worker waits for something that does not come. Where
//! the kernel does not count, nothing is concluded.

use std::time::{Duration, Instant};

/// How long a worker has been silent.
#[derive(Debug)]
pub(super) struct Silence {
    limit: Option<Duration>,
    /// What had run at the last look.
    seen: Option<String>,
    look_at: Option<Instant>,
}

impl Silence {
    /// From now on. Without a limit it is never over.
    pub(super) fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self { limit, seen: None, look_at: limit.map(|limit| now + limit / 2) }
    }

    /// When to ask again.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// The limit, if the worker has been silent for longer. The silence is broken if it printed something, or
    /// waits for the daemon. `activity` changes whenever anything of it runs.
    pub(super) fn too_long(
        &mut self,
        is_broken: bool,
        now: Instant,
        activity: impl FnOnce() -> Option<String>,
    ) -> Option<Duration> {
        let limit = self.limit?;
        if !is_broken && self.look_at.is_none_or(|at| now < at) {
            return None;
        }
        let present = if is_broken { None } else { activity() };
        if present.is_some() && present == self.seen {
            return Some(limit);
        }
        self.seen = present;
        self.look_at = Some(now + limit / 2);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_without_any_activity_is_too_long_and_one_with_some_never_is() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut silence = Silence::new(Some(Duration::from_secs(10)), start);
        let mut look = |seconds, activity: Option<&str>| {
            silence.too_long(false, after(seconds), || activity.map(str::to_owned)).is_some()
        };
        assert!(!look(4, None), "not before half of it");
        assert!(!look(5, Some("a")) && !look(10, Some("b")), "it runs");
        assert!(!look(15, None) && !look(20, None), "nothing can be concluded");
        assert!(!look(25, Some("c")) && look(30, Some("c")));
        assert_eq!(silence.too_long(true, after(30), || Some("c".to_owned())), None);
        assert_eq!(silence.too_long(false, after(35), || Some("c".to_owned())), None);
        assert_eq!(Silence::new(None, start).look_at(), None);
    }
}
