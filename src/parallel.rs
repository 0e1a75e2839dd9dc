//! One function over many values on all processors, or for many hosts: the desk side's only use of threads.
//!
//! Never used on a device that measures. Results are in the order of the values.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `function` of each value, in order.
///
/// # Panics
/// If `function` does.
pub(crate) fn map<T: Sync, R: Send>(values: &[T], function: impl Fn(&T) -> R + Sync) -> Vec<R> {
    map_on(std::thread::available_parallelism().map_or(1, usize::from), values, function)
}

/// As [`map`], on so many threads: for functions that wait more than they compute.
///
/// # Panics
/// If `function` does.
pub(crate) fn map_on<T: Sync, R: Send>(
    threads: usize,
    values: &[T],
    function: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.min(values.len());
    if threads < 2 {
        return values.iter().map(function).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(values.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < values.len())
                {
                    let result = function(&values[index]);
                    // A poisoned lock means that another thread panicked, and so will the scope.
                    if let Ok(mut results) = results.lock() {
                        results[index] = Some(result);
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_iter().flatten().collect()
}
