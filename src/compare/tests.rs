use super::*;
use crate::bundle::format::{Bundle, Latencies, Reason, Status, Trial, TrialId, Verdict, VerdictState};
use crate::stats::resample::{Draws, seed_of};
use crate::units::Nanos;

/// A bundle of one configuration with these processes, whose digest is the seed.
fn bundle(network: &str, processes: &[(u32, Vec<f64>)]) -> Bundle {
    let bytes = include_bytes!("../../tests/bundles/v2-measured.json.gz");
    let mut bundle = crate::bundle::read::decode(&bytes[..]).unwrap();
    let nanos = |milliseconds: &f64| Nanos((milliseconds * 1e6).round() as u64);
    bundle.trials = (1..)
        .zip(processes)
        .map(|(process, (build, runs))| Trial {
            id: TrialId { build: *build, process },
            latencies: Latencies { latency_ns: runs.iter().map(nanos).collect(), ..Latencies::default() },
        })
        .collect();
    bundle.verdict = Verdict { state: VerdictState::Valid, reasons: Vec::new() };
    bundle.configuration = None;
    bundle.environment = None;
    let model = bundle.model.as_mut().unwrap();
    model.file = network.to_owned();
    model.content_sha256 = None;
    model.sha256 = format!("{:016x}", seed_of(0, network));
    bundle
}

fn row(bundle: Bundle) -> Row {
    Row::new(bundle, "somewhere".to_owned(), "digest".to_owned())
}

/// Standard normal numbers.
struct Noise(Draws);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(Draws::new(seed))
    }

    /// Box and Muller, "A note on the generation of random normal deviates", 1958.
    fn normal(&mut self) -> f64 {
        let mut uniform = || ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let radius = (-2.0 * uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform()).cos()
    }

    /// Processes that differ by `between`, of runs that differ by 1 %.
    fn processes(&mut self, mean: f64, count: usize, between: f64) -> Vec<(u32, Vec<f64>)> {
        (0..count)
            .map(|_| {
                let level = mean * (between * self.normal()).exp();
                (1, (0..30).map(|_| level * (0.01 * self.normal()).exp()).collect())
            })
            .collect()
    }
}

/// Every process has its runs about one of these means, up and down by a thousandth.
fn steady(means: &[f64]) -> Vec<(u32, Vec<f64>)> {
    let runs = |mean: f64| (0..20).map(|run| mean * (1.0 + 1e-3 * f64::from(run % 3 - 1))).collect();
    means.iter().map(|mean| (1, runs(*mean))).collect()
}

fn only(a: Vec<Bundle>, b: Vec<Bundle>) -> Matched {
    let compared = of(a, b, &Terms::default());
    assert_eq!((compared.configurations.len(), compared.refused.len()), (1, 0), "{compared:?}");
    compared.configurations.into_iter().next().unwrap()
}

fn of(a: Vec<Bundle>, b: Vec<Bundle>, terms: &Terms) -> Compared {
    let rows = |bundles: Vec<Bundle>| bundles.into_iter().map(row).collect();
    compare(rows(a), rows(b), terms)
}

#[track_caller]
fn near(found: f64, wanted: f64) {
    assert!((found / wanted - 1.0).abs() < 2e-5, "{found} is not {wanted}");
}

#[test]
fn interval_of_processes_is_welchs_on_a_logarithmic_scale() {
    let one = only(
        vec![bundle("n", &steady(&[10.0, 10.1, 10.3]))],
        vec![bundle("n", &steady(&[11.0, 11.4, 11.1, 11.3]))],
    );
    // scipy.stats.ttest_ind(log([11, 11.4, 11.1, 11.3]), log([10, 10.1, 10.3]), equal_var=False).
    near(one.time.change.value, 1.105_236_469);
    let interval = one.time.change.interval.unwrap();
    near(interval.low, 1.071_187_168);
    near(interval.high, 1.140_368_079);
    near(one.time.degrees_of_freedom.unwrap(), 4.663_638_882);
    near(one.adjusted_probability.unwrap(), 0.000_546_838_820);
    assert_eq!((one.verdict, one.reason, one.time.unit), (Decision::Slower, None, Repeated::Processes));
    assert_eq!((one.a.processes, one.b.processes, one.b.runs), (3, 4, 80));
}

#[test]
fn verdicts_are_those_of_the_interval_and_of_what_is_of_interest() {
    let verdict = |b: &[f64]| {
        let one = only(vec![bundle("n", &steady(&[10.0, 10.01, 10.0, 9.99]))], vec![bundle("n", &steady(b))]);
        (one.verdict, one.reason)
    };
    assert_eq!(verdict(&[10.2, 10.21, 10.2, 10.19]), (Decision::Slower, None));
    assert_eq!(verdict(&[9.8, 9.81, 9.8, 9.79]), (Decision::Faster, None));
    // Significant, and of no interest.
    assert_eq!(verdict(&[10.05, 10.06, 10.05, 10.04]), (Decision::Equivalent, None));
    assert_eq!(verdict(&[10.01, 10.0, 10.01, 10.0]), (Decision::Equivalent, None));
    assert_eq!(verdict(&[10.3, 10.0, 10.3, 10.0]), (Decision::Ambiguous, Some(Doubt::TooWide)));
}

#[test]
fn single_processes_speak_of_themselves_until_the_difference_is_larger_than_processes_make() {
    let alone = |b: f64| only(vec![bundle("n", &steady(&[10.0]))], vec![bundle("n", &steady(&[b]))]);
    let one = alone(10.5);
    assert_eq!((one.verdict, one.reason), (Decision::Ambiguous, Some(Doubt::OneProcess)));
    assert_eq!(one.time.unit, Repeated::Runs);
    assert!(one.time.change.interval.unwrap().low > 1.04, "{one:?}");
    assert_eq!(alone(10.0).reason, Some(Doubt::OneProcess));
    // 1.96 √2 times 4 % is 11.1 %.
    assert_eq!(alone(11.15).reason, Some(Doubt::OneProcess));
    assert_eq!((alone(11.2).verdict, alone(11.2).reason), (Decision::Slower, None));
    assert_eq!(alone(8.9).verdict, Decision::Faster);
    let run = only(vec![bundle("n", &[(1, vec![1.0])])], vec![bundle("n", &steady(&[2.0]))]);
    assert_eq!((run.reason, run.time.change.interval), (Some(Doubt::NoInterval), None));
}

#[test]
fn suspect_single_process_decides_nothing_and_several_speak_for_themselves() {
    let with = |mut bundle: Bundle| {
        let reason = Reason { code: "drift".to_owned(), detail: String::new() };
        bundle.verdict = Verdict { state: VerdictState::Suspect, reasons: vec![reason] };
        bundle
    };
    let one = only(vec![bundle("n", &steady(&[10.0]))], vec![with(bundle("n", &steady(&[15.0])))]);
    assert_eq!(one.reason, Some(Doubt::Suspect));
    assert!(one.detail.unwrap().ends_with("B is suspect: drift"));
    let several = steady(&[15.0, 15.1, 15.0]);
    let one = only(vec![bundle("n", &steady(&[10.0, 10.1]))], vec![with(bundle("n", &several))]);
    assert_eq!((one.verdict, one.b.suspect.len()), (Decision::Slower, 1));
}

#[test]
fn one_side_of_a_single_process_is_taken_to_vary_as_the_other() {
    let one = only(vec![bundle("n", &steady(&[10.0]))], vec![bundle("n", &steady(&[10.5, 10.6, 10.7]))]);
    // 10.5, 10.6, 10.7 have a standard deviation of 0.9434 % on a logarithmic scale; √(1 + 1/3) of it.
    near(one.time.standard_error.unwrap(), 0.010_893_765);
    assert_eq!((one.time.degrees_of_freedom, one.time.units), (Some(2.0), [1, 3]));
    let many: Vec<Bundle> = (0..200).map(|_| bundle("n", &steady(&[10.0]))).collect();
    let one = only(vec![bundle("n", &steady(&[12.0]))], many);
    assert_eq!((one.verdict, one.time.units), (Decision::Faster, [1, 200]));
}

#[test]
fn builds_are_the_unit_where_there_are_several() {
    let builds = |means: &[f64]| -> Vec<(u32, Vec<f64>)> {
        (1..)
            .zip(means)
            .flat_map(|(build, mean)| [(build, vec![*mean; 3]), (build, vec![*mean * 1.01; 3])])
            .collect()
    };
    let one = only(
        vec![bundle("n", &builds(&[10.0, 10.4, 10.8]))],
        vec![bundle("n", &builds(&[10.1, 10.3, 10.9]))],
    );
    assert_eq!((one.time.unit, one.time.units), (Repeated::Builds, [3, 3]));
    assert_eq!((one.a.builds, one.a.processes), (3, 6));
    assert_eq!(one.verdict, Decision::Ambiguous);
}

#[test]
fn slower_clock_is_not_a_slower_network() {
    let at = |hertz: f64, means: &[f64]| {
        let mut row = row(bundle("n", &steady(means)));
        let quantity = crate::bundle::format::Quantity::CpuFrequency;
        row.clock = Some(RowClock { quantity, hertz });
        row
    };
    let verdict = |b: Row| {
        let compared = compare(vec![at(2e9, &[10.0, 10.01, 10.02])], vec![b], &Terms::default());
        let one = compared.configurations[0].clone();
        (one.verdict, one.reason, one.cycles.map(|cycles| cycles.value))
    };
    let (decision, reason, cycles) = verdict(at(1.8e9, &[11.1, 11.11, 11.12]));
    assert_eq!((decision, reason), (Decision::Ambiguous, Some(Doubt::Clock)));
    assert!((cycles.unwrap() - 0.999).abs() < 0.001);
    // Slower by more than its clock.
    assert_eq!(verdict(at(1.8e9, &[12.0, 12.01, 12.02])).0, Decision::Slower);
    // The same time, and more cycles.
    assert_eq!(verdict(at(2.2e9, &[10.0, 10.01, 10.02])).1, Some(Doubt::Clock));
    assert_eq!(verdict(at(2e9, &[10.0, 10.01, 10.02])).0, Decision::Equivalent);
    let mut unknown = at(2e9, &[11.0, 11.01, 11.02]);
    unknown.clock = None;
    assert_eq!(verdict(unknown), (Decision::Slower, None, None));
}

/// A change to one of a bundle's facts.
type Alter = fn(&mut Bundle);

#[test]
fn what_is_not_like_for_like_is_refused_with_what_differs_and_compared_on_request() {
    let cases: [(Fact, Alter); 6] = [
        (Fact::Model, |bundle| bundle.model.as_mut().unwrap().sha256 = "ff".repeat(32)),
        (Fact::Runtime, |bundle| bundle.runtime.as_mut().unwrap().name = "other".to_owned()),
        (Fact::Inputs, |bundle| bundle.inputs[0].seed = Some(77)),
        (Fact::Options, |bundle| {
            drop(bundle.runtime.as_mut().unwrap().options.insert("threads".to_owned(), 4.into()));
        }),
        (Fact::Timed, |bundle| bundle.runtime.as_mut().unwrap().timed.code = "other".to_owned()),
        (Fact::Host, |bundle| bundle.host.name = Some("other".to_owned())),
    ];
    let base = bundle("n", &steady(&[10.0, 10.1, 10.2]));
    assert!(!base.inputs.is_empty(), "the sample has no input");
    for (fact, alter) in cases {
        let mut other = base.clone();
        alter(&mut other);
        let refused = of(vec![base.clone()], vec![other.clone()], &Terms::default());
        let facts: Vec<Fact> = refused.refused[0].differs.iter().map(|one| one.fact).collect();
        assert_eq!((facts, refused.configurations.len()), (vec![fact], 0), "{refused:?}");
        assert_eq!(refused.refused[0].reason, Refusal::Differs);
        assert!(refused.refused[0].detail.contains(fact.word()), "{refused:?}");
        let terms = Terms { across: BTreeSet::from([fact]), ..Terms::default() };
        let compared = of(vec![base.clone()], vec![other.clone()], &terms);
        assert_eq!((compared.configurations.len(), compared.refused.len()), (1, 0), "{compared:?}");
        assert!(compared.configurations[0].differs.iter().any(|one| one.fact == fact));
        // A side of both is a mixture of two things.
        let mixed = of(vec![base.clone()], vec![base.clone(), other], &terms);
        assert_eq!(mixed.refused.first().map(|one| one.reason), Some(Refusal::Mixed), "{fact:?} {mixed:?}");
    }
}

#[test]
fn newer_library_is_compared_and_named_and_two_of_them_on_one_side_are_refused() {
    let old = bundle("n", &steady(&[10.0, 10.1]));
    let mut new = bundle("n", &steady(&[10.0, 10.1]));
    new.runtime.as_mut().unwrap().version = Some("99.0".to_owned());
    let compared = of(vec![old.clone()], vec![new.clone()], &Terms::default());
    let differs: Vec<String> = compared.configurations[0].differs.iter().map(Differing::sentence).collect();
    assert_eq!(differs.len(), 1);
    assert!(
        differs[0].starts_with("software (version): ") && differs[0].ends_with(" and 99.0"),
        "{differs:?}"
    );
    let mixed = of(vec![old.clone()], vec![old, new], &Terms::default());
    assert_eq!(mixed.refused[0].reason, Refusal::Mixed);
}

#[test]
fn what_was_not_recorded_is_compared_and_said() {
    let new = bundle("n", &steady(&[10.0, 10.1]));
    let mut old = new.clone();
    old.inputs.clear();
    let compared = of(vec![old], vec![new], &Terms::default());
    // No power state was recorded of either, for there is no environment.
    assert_eq!(compared.configurations[0].unconfirmed, [Fact::Inputs, Fact::Power]);
}

#[test]
fn failures_and_one_sided_configurations_are_named() {
    let measured = |name: &str| bundle(name, &steady(&[10.0, 10.1]));
    let failed = |name: &str| {
        let mut bundle = measured(name);
        bundle.outcome.status = Status::Failed;
        bundle.outcome.reason = Some("out_of_memory".to_owned());
        bundle.trials.clear();
        bundle
    };
    let invalid = |name: &str| {
        let mut bundle = measured(name);
        let reason = Reason { code: "power_state_not_held".to_owned(), detail: String::new() };
        bundle.verdict = Verdict { state: VerdictState::Invalid, reasons: vec![reason] };
        bundle
    };
    let compared = of(
        vec![measured("same"), measured("lost"), measured("only-a"), failed("never"), invalid("gained")],
        vec![
            measured("same"),
            invalid("same"),
            failed("lost"),
            failed("never"),
            measured("gained"),
            failed("fails"),
        ],
        &Terms::default(),
    );
    assert_eq!((compared.configurations.len(), compared.configurations[0].b.left_out), (1, 1));
    let refused: Vec<(&str, Refusal)> =
        compared.refused.iter().map(|one| (one.network.split(' ').next().unwrap(), one.reason)).collect();
    assert_eq!(
        refused,
        [
            ("lost", Refusal::NoLatenciesInB),
            ("gained", Refusal::NoLatenciesInA),
            ("never", Refusal::NoLatenciesInA)
        ]
    );
    assert!(compared.refused[0].detail.ends_with("1 result, failed: out_of_memory"), "{compared:?}");
    assert!(compared.refused[1].detail.ends_with("invalid: power_state_not_held"), "{compared:?}");
    let sides: Vec<char> = compared.one_sided.iter().map(|one| one.side).collect();
    assert_eq!(sides, ['a', 'b']);
    let nothing = of(Vec::new(), vec![measured("n")], &Terms::default());
    assert_eq!((nothing.configurations.len(), nothing.one_sided.len()), (0, 1));
}

/// Bundles of one side of an interleaved comparison.
fn interleaved(comparison: &str, means: &[f64]) -> Vec<Bundle> {
    (1..).zip(means).map(|(pair, mean): (u32, &f64)| of_pair(comparison, pair, &steady(&[*mean]))).collect()
}

/// One side of one pair.
fn of_pair(comparison: &str, pair: u32, processes: &[(u32, Vec<f64>)]) -> Bundle {
    let mut bundle = bundle("n", processes);
    let labels = &mut bundle.job.labels;
    labels.insert(COMPARISON_LABEL.to_owned(), comparison.to_owned());
    labels.insert(PAIR_LABEL.to_owned(), pair.to_string());
    bundle
}

#[test]
fn what_was_measured_in_turns_is_compared_in_pairs() {
    // The host slows down by far more than the sides differ.
    let a = [10.0, 11.0, 12.0, 13.0, 14.0];
    let b = [10.21, 11.22, 12.23, 13.26, 14.28];
    let one = only(interleaved("x", &a), interleaved("x", &b));
    assert_eq!((one.verdict, one.time.unit), (Decision::Slower, Repeated::Processes));
    let pairs = one.time.pairs.unwrap();
    assert_eq!(pairs.count, 5);
    assert!(pairs.correlation.unwrap() > 0.99, "{pairs:?}");
    // scipy.stats.ttest_1samp(log(b) - log(a), 0).
    let interval = one.time.change.interval.unwrap();
    near(interval.low.ln(), 0.019_044_231);
    near(interval.high.ln(), 0.020_626_057);
    // Of different comparisons, or with a number twice, they are not pairs.
    let one = only(interleaved("x", &a), interleaved("y", &b));
    assert_eq!((one.verdict, one.time.pairs), (Decision::Ambiguous, None));
    let twice = [interleaved("x", &b), interleaved("x", &b)].concat();
    assert_eq!(only(interleaved("x", &a), twice).time.pairs, None);
    // A process that failed leaves its pair out.
    let one = only(interleaved("x", &a), interleaved("x", &b[..4]));
    assert_eq!(one.time.pairs.unwrap().count, 4);
}

#[test]
fn asking_of_many_configurations_is_corrected() {
    // One in twenty of these would be found without correction.
    let mut noise = Noise::new(7);
    let mut sides = || -> Vec<Bundle> {
        (0..200).map(|index| bundle(&format!("n{index}"), &noise.processes(10.0, 4, 0.03))).collect()
    };
    let compared = of(sides(), sides(), &Terms::default());
    assert_eq!(compared.configurations.len(), 200);
    assert_eq!(compared.count(Decision::Slower) + compared.count(Decision::Faster), 0);
    let unadjusted =
        compared.configurations.iter().filter(|one| one.time.change.interval.unwrap().low > 1.0).count();
    assert!((1..=12).contains(&unadjusted), "{unadjusted}");
    assert!(compared.configurations.iter().all(|one| one.adjusted_probability.unwrap() > 0.05));
}

#[test]
fn odd_latencies_give_an_answer() {
    let zero = bundle("n", &[(1, vec![0.0; 9]), (1, vec![1.0; 9])]);
    let huge = bundle("n", &[(1, vec![1.8e13; 9]), (1, vec![1.8e13; 9])]);
    let same = || bundle("n", &[(1, vec![1.0; 9]), (1, vec![1.0; 9])]);
    for (a, b) in [(zero.clone(), huge.clone()), (huge, zero), (same(), same())] {
        let one = only(vec![a], vec![b]);
        assert!(one.time.change.value.is_finite() && one.adjusted_probability.is_some(), "{one:?}");
        assert!(serde_json::to_string(&one).is_ok());
    }
    assert_eq!(only(vec![same()], vec![same()]).verdict, Decision::Equivalent);
    let other = bundle("n", &[(1, vec![1.1; 9]), (1, vec![1.1; 9])]);
    assert_eq!(only(vec![same()], vec![other]).verdict, Decision::Slower);
}

/// Part of the comparisons of a configuration with itself that find a difference, in percent.
fn false_alarms(times: u64, processes: usize) -> f64 {
    let alarms = (0..times).filter(|&seed| {
        let mut noise = Noise::new(seed_of(seed, "false alarms"));
        let mut side = || vec![bundle("n", &noise.processes(10.0, processes, 0.02))];
        let one = only(side(), side());
        matches!(one.verdict, Decision::Slower | Decision::Faster)
    });
    alarms.count() as f64 / times as f64 * 100.0
}

#[test]
fn comparison_of_a_thing_with_itself_is_rarely_a_false_alarm() {
    // 5 % nominal; three standard deviations of 300 are 3.8 %.
    for processes in [2, 3, 10] {
        let alarms = false_alarms(300, processes);
        assert!(alarms <= 8.8, "{processes} processes: {alarms} %");
    }
}

/// How often a difference is found, of so many comparisons, in percent: unpaired, or in pairs whose two sides
/// have that correlation. Processes differ by `between`; B takes `factor` times as long as A.
fn found(times: u64, count: usize, between: f64, correlation: Option<f64>, factor: f64) -> f64 {
    let of = |seed: &u64| {
        let mut noise = Noise::new(seed_of(*seed, "found"));
        let in_common: Vec<f64> =
            (0..count).map(|_| between * correlation.unwrap_or_default().sqrt() * noise.normal()).collect();
        let own = between * (1.0 - correlation.unwrap_or_default()).sqrt();
        let mut side = |mean: f64| -> Vec<Bundle> {
            let processes = in_common.iter().flat_map(|both| noise.processes(mean * both.exp(), 1, own));
            match correlation {
                None => vec![bundle("n", &processes.collect::<Vec<_>>())],
                Some(_) => (1..)
                    .zip(processes)
                    .map(|(pair, process): (u32, _)| of_pair("x", pair, &[process]))
                    .collect(),
            }
        };
        let (a, b) = (side(5.0), side(5.0 * factor));
        matches!(only(a, b).verdict, Decision::Slower | Decision::Faster)
    };
    (0..times).filter(of).count() as f64 / times as f64 * 100.0
}

#[test]
#[ignore = "takes minutes: prints the tables of docs/METHOD.md and holds their limits"]
fn table_of_comparisons() {
    const TIMES: u64 = 1_000;
    let mut table = String::new();
    for count in [2, 3, 5, 10, 20, 37] {
        let alone = found(TIMES, count, 0.02, None, 1.0);
        let paired = found(TIMES, count, 0.02, Some(0.6), 1.0);
        assert!(alone <= 6.5 && paired <= 6.5, "{count}: {alone} and {paired}\n{table}");
        table += &format!("| {count} | {alone:.1} % | {paired:.1} % |");
        for factor in [1.01, 1.03] {
            table += &format!(" {:.0} % |", found(TIMES, count, 0.02, None, factor));
            for correlation in [0.0, 0.6, 0.9] {
                table += &format!(" {:.0} % |", found(TIMES, count, 0.02, Some(correlation), factor));
            }
        }
        table += "\n";
    }
    println!("{table}");
}
