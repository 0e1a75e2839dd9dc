//! The timed loop asks nothing of the allocator and nothing of the kernel, and the counters would notice.

use crate::counting::{allocations_of, makes_no_system_call};
use backbone::measure::{MeasureError, measure, room_for};
use backbone::runtime::{RunError, Session, ShownOutput};

struct Calls(fn());

impl Session for Calls {
    fn run(&mut self) -> Result<(), RunError> {
        (self.0)();
        Ok(())
    }

    fn outputs(&mut self, _: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        Ok(())
    }
}

fn loop_around(call: fn()) -> impl FnOnce() + Send + 'static {
    let mut samples = room_for(10, 1000).unwrap();
    let mut session = Calls(call);
    // The first call sets up the clock.
    measure(&mut session, &mut samples.clone(), &mut |_| Ok::<(), MeasureError>(())).unwrap();
    move || {
        measure(&mut session, &mut samples, &mut |_| Ok::<(), MeasureError>(())).unwrap();
        // Giving the room back is not part of the loop.
        std::mem::forget(samples);
    }
}

#[test]
fn the_loop_allocates_nothing() {
    assert_eq!(allocations_of(loop_around(|| ())), 0);
}

#[test]
fn an_allocation_in_the_loop_would_be_counted() {
    // Once to allocate and once to free.
    assert_eq!(allocations_of(loop_around(|| drop(std::hint::black_box(Box::new(1))))), 2 * 1010);
}

#[test]
fn the_loop_makes_no_system_call() {
    assert_eq!(makes_no_system_call(loop_around(|| ())), Ok(()));
}

#[test]
fn a_system_call_in_the_loop_would_be_noticed() {
    let found = makes_no_system_call(loop_around(|| {
        let _ = rustix::process::getpid();
    }));
    assert_eq!(found, Err("it makes a system call".into()));
    // The call that the filter lets pass, but not for this descriptor.
    let found = makes_no_system_call(loop_around(|| {
        let _ = rustix::io::write(std::io::stderr(), b"");
    }));
    assert_eq!(found, Err("it makes a system call".into()));
}
