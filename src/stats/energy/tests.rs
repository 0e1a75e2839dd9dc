use super::*;

/// What the readings are made of.
const IDLE_WATTS: f64 = 5.2;

/// Ten readings a second.
const BETWEEN_READINGS: f64 = 0.1;

/// Small numbers that look random and have no mean: the fractional parts of multiples of the golden ratio,
/// less a half.
fn noise(index: usize) -> f64 {
    (index as f64 * 0.618_033_988_749_895).fract() - 0.5
}

/// Power while idle, with noise, and a ripple that is no multiple of the readings' distance.
fn idle(began: f64, seconds: f64) -> Vec<(f64, f64)> {
    readings(began, seconds, |at, index| IDLE_WATTS + 0.2 * noise(index) + 0.05 * (at * 40.0).sin())
}

fn readings(began: f64, seconds: f64, watts: impl Fn(f64, usize) -> f64) -> Vec<(f64, f64)> {
    let count = (seconds / BETWEEN_READINGS).round() as usize;
    (0..=count)
        .map(|index| {
            let at = began + index as f64 * BETWEEN_READINGS;
            (at, watts(at, index))
        })
        .collect()
}

/// A loop whose first reading still tells of idle, and its last already does.
fn loaded(began: f64, seconds: f64, watts: impl Fn(f64, usize) -> f64) -> Vec<(f64, f64)> {
    let mut readings = readings(began, seconds, watts);
    let last = readings.len() - 1;
    (readings[0].1, readings[last].1) = (IDLE_WATTS, IDLE_WATTS);
    readings
}

fn of_rail(seconds: f64, watts: impl Fn(f64, usize) -> f64) -> Spans {
    Spans {
        idle_before: of_power(&idle(0.0, 5.0)),
        loaded: of_power(&loaded(5.0, seconds, watts)),
        idle_after: of_power(&idle(5.0 + seconds, 5.0)),
    }
}

#[test]
fn joules_of_a_known_trace_come_back_within_one_per_cent() {
    type Watts = fn(f64, usize) -> f64;
    let shapes: [(&str, Watts, f64); 4] = [
        ("steady", |_, _| 17.2, 12.0),
        ("noisy", |_, index| 17.2 + 2.0 * noise(index), 12.0),
        ("heating", |at, _| 17.2 + 0.08 * (at - 10.0), 12.0),
        ("faint", |_, index| IDLE_WATTS + 1.0 + 0.1 * noise(index), 1.0),
    ];
    for (name, watts, beyond_idle) in shapes {
        let spans = of_rail(10.0, watts);
        let found = per_inference(&spans, 400, 10.0).unwrap();
        let truth = beyond_idle * 10.0 / 400.0;
        let error = (found.joules - truth).abs() / truth;
        assert!(error <= 0.01, "{name}: {} J for {truth} J, {:.2} % off", found.joules, error * 100.0);
        assert!(
            (found.joules - truth).abs() <= found.half_width_joules.max(0.003 * truth),
            "{name}: {found:?} does not cover {truth}"
        );
    }
}

#[test]
fn counter_that_begins_again_in_the_loop_loses_nothing() {
    const RANGE: f64 = 100.0;
    // Idle at 4 W and loaded at 19 W; the counter stands at 60 J when the loop begins.
    let counted = |began: f64, seconds: f64, joules: f64, watts: f64| {
        readings(began, seconds, |at, _| (joules + watts * (at - began)) % RANGE)
    };
    let span = |readings: &[(f64, f64)]| of_counter(readings, Some(RANGE)).unwrap();
    let spans = Spans {
        idle_before: span(&counted(0.0, 5.0, 40.0, 4.0)),
        loaded: span(&counted(5.0, 20.0, 60.0, 19.0)),
        idle_after: span(&counted(25.0, 5.0, 40.0, 4.0)),
    };
    let found = per_inference(&spans, 1000, 20.0).unwrap();
    let truth = 15.0 * 20.0 / 1000.0;
    assert!((found.joules - truth).abs() / truth < 1e-9, "{found:?}");
    assert!((found.idle_watts - 4.0).abs() < 1e-9 && (found.loaded_watts - 19.0).abs() < 1e-9, "{found:?}");
    // Where it begins again is not known: better nothing than a guess.
    assert_eq!(of_counter(&counted(5.0, 20.0, 60.0, 19.0), None), None);
}

#[test]
fn sensors_that_were_read_together_add_up() {
    let one = of_power(&readings(0.0, 2.0, |_, _| 1.0));
    let two = of_power(&readings(0.0, 2.0, |_, _| 2.0));
    let both = sum(&[one, two]).unwrap();
    assert!((both.curve.last().unwrap().1 - 6.0).abs() < 1e-9, "{both:?}");
    assert_eq!(sum(&[]), None);
}

#[test]
fn spans_that_are_too_short_tell_nothing() {
    let mut spans = of_rail(10.0, |_, _| 17.2);
    spans.loaded = of_power(&loaded(5.0, 0.6, |_, _| 17.2));
    assert_eq!(per_inference(&spans, 400, 10.0), None);
    spans.loaded.curve.clear();
    assert_eq!(per_inference(&spans, 400, 10.0), None);
}

#[test]
fn interval_is_the_published_one_of_welch() {
    // NIST/SEMATECH e-Handbook 1.3.5.3 gives the formula; worked by hand: means 3 and 13, variances 2.5 and
    // 10, five each, standard error 1.5811, 5.88 degrees of freedom, t(5) = 2.571.
    let half = welch_half_width(&[1.0, 2.0, 3.0, 4.0, 5.0], &[9.0, 11.0, 13.0, 15.0, 17.0]).unwrap();
    assert!((half - 2.571 * 2.5_f64.sqrt()).abs() < 1e-9, "{half}");
}

#[test]
fn students_t_is_never_too_small() {
    // From tables: 15, 30, 60, 120 degrees of freedom and the normal distribution.
    for (freedom, table) in [
        (1.0, 12.706),
        (10.9, 2.228),
        (15.0, 2.131),
        (30.0, 2.042),
        (60.0, 2.000),
        (120.0, 1.980),
        (1e6, 1.960),
    ] {
        let found = student(freedom);
        assert!(found >= table - 1e-9 && found <= table + 0.02, "{freedom}: {found}, {table}");
    }
}
