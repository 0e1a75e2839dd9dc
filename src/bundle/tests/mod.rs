//! Writing and reading bundles, the samples of every version, and the derived table of keys.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::format::Quantization;
use super::format::*;
use super::read::{LARGEST_BUNDLE_BYTES, MOST_LATENCIES, ReadError, decode, decode_within, schema};
use super::seal::{Seal, Sealed};
use super::write::{encode, file_name};
use crate::stats;
use crate::units::Nanos;

mod content;
mod keys;

use content::{failed, measured, rejected};

#[test]
fn what_was_written_is_read_back() {
    for bundle in [measured(), rejected(), failed()] {
        assert_eq!(decode(&encode(&bundle).unwrap()[..]).unwrap(), bundle);
    }
}

#[test]
fn bytes_of_a_bundle_are_the_same_for_ever() {
    let bytes = encode(&measured()).unwrap();
    // No flags, time 0, no extra flags for level 6, operating system unknown.
    assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    // Changes with the format, and with a compressor that compresses differently: both must be noticed.
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    insta::assert_snapshot!(digest, @"ee97c16cb8eb39315ad663bf4bd1f4e7e02e4a9bc8d82846aa024230900966e1");
}

#[test]
fn text_in_a_bundle_is_one_line_that_ends_in_a_newline() {
    let mut text = String::new();
    let bytes = encode(&measured()).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
    assert!(text.ends_with("}\n"));
    assert_eq!(text.lines().count(), 1);
    assert!(text.starts_with(r#"{"format":"backbone.bundle/2","id":"#), "{}", &text[..80]);
}

#[test]
fn number_that_is_not_finite_is_an_error_and_never_a_null() {
    type Spoil = fn(&mut Bundle, f64);
    fn summary(bundle: &mut Bundle) -> &mut Summary {
        bundle.summary.as_mut().unwrap()
    }
    fn energy(bundle: &mut Bundle) -> &mut Energy {
        bundle.energy.as_mut().unwrap()
    }
    fn interval(bundle: &mut Bundle) -> &mut JoulesInterval {
        energy(bundle).interval.as_mut().unwrap()
    }
    fn environment(bundle: &mut Bundle) -> &mut Environment {
        bundle.environment.as_mut().unwrap()
    }
    fn build(bundle: &mut Bundle) -> &mut Build {
        bundle.preparation.push(Build {
            build: 1,
            status: Status::Measured,
            reason: None,
            seconds: None,
            size_bytes: None,
            is_kept: false,
            edge_tpu: None,
            log_tail: Vec::new(),
        });
        &mut bundle.preparation[0]
    }
    fn layer(bundle: &mut Bundle) -> &mut Layer {
        let layers = &mut bundle.profile.get_or_insert_default().layers;
        layers.push(Layer { mean_milliseconds: 1.0, ..Layer::default() });
        &mut layers[0]
    }
    fn missing(bundle: &mut Bundle) -> &mut MissingPercentile {
        let missing = MissingPercentile { percent: 99.9, value: None, reason: String::new() };
        summary(bundle).missing_percentiles.push(missing);
        summary(bundle).missing_percentiles.last_mut().unwrap()
    }
    fn mean_interval(bundle: &mut Bundle) -> &mut Interval {
        summary(bundle).mean_interval.get_or_insert(Interval { low: 1.0, high: 2.0, confidence: 0.95 })
    }
    fn variance(bundle: &mut Bundle) -> &mut VarianceSplit {
        let split = VarianceSplit { between_builds: None, between_processes: None, between_runs: 1.0 };
        summary(bundle).variance.get_or_insert(split)
    }
    fn protocol(bundle: &mut Bundle) -> &mut Protocol {
        let protocol = Protocol { name: ProtocolName::Rigorous, asked: None, reached: None };
        bundle.protocol.get_or_insert(protocol)
    }
    fn asked(bundle: &mut Bundle) -> &mut AskedPrecision {
        let asked = AskedPrecision { precision_percent: 1.0, time_limit_seconds: 1 };
        protocol(bundle).asked.get_or_insert(asked)
    }
    fn reached(bundle: &mut Bundle) -> &mut ReachedPrecision {
        let reached = ReachedPrecision {
            stopped: Stopped::Precise,
            mean: 1.0,
            interval: Some(Interval { low: 1.0, high: 2.0, confidence: 0.95 }),
            precision_percent: Some(1.0),
            seconds: 1.0,
            allocation: None,
        };
        protocol(bundle).reached.get_or_insert(reached)
    }
    fn allocation(bundle: &mut Bundle) -> &mut RunAllocation {
        let (run_seconds, process_seconds) = (1.0, 1.0);
        let allocation =
            RunAllocation { runs: 1, processes: None, run_seconds, process_seconds, build_seconds: None };
        reached(bundle).allocation.get_or_insert(allocation)
    }
    fn taken(bundle: &mut Bundle) -> &mut Resources {
        let trial = TrialId { build: 1, process: 1 };
        bundle.resources.push(TrialResources { trial, resources: Resources::default() });
        &mut bundle.resources[0].resources
    }
    let spoilers: [(&str, Spoil); 80] = [
        ("precision asked", |bundle, value| asked(bundle).precision_percent = value),
        ("rigorous mean", |bundle, value| reached(bundle).mean = value),
        ("rigorous low", |bundle, value| reached(bundle).interval.as_mut().unwrap().low = value),
        ("rigorous high", |bundle, value| reached(bundle).interval.as_mut().unwrap().high = value),
        ("rigorous confidence", |bundle, value| {
            reached(bundle).interval.as_mut().unwrap().confidence = value;
        }),
        ("precision reached", |bundle, value| reached(bundle).precision_percent = Some(value)),
        ("rigorous seconds", |bundle, value| reached(bundle).seconds = value),
        ("run_seconds", |bundle, value| allocation(bundle).run_seconds = value),
        ("process_seconds", |bundle, value| allocation(bundle).process_seconds = value),
        ("build_seconds", |bundle, value| allocation(bundle).build_seconds = Some(value)),
        ("share", |bundle, value| content::tolerance(bundle).largest_share = Some(value)),
        ("smallest cosine", |bundle, value| content::tolerance(bundle).smallest_cosine = Some(value)),
        ("load_seconds", |bundle, value| taken(bundle).load_seconds = Some(value)),
        ("first_inference_seconds", |bundle, value| taken(bundle).first_inference_seconds = Some(value)),
        ("output's minimum", |bundle, value| content::computed(bundle).tensors[0].minimum = Some(value)),
        ("output's maximum", |bundle, value| content::computed(bundle).tensors[0].maximum = Some(value)),
        ("absolute difference", |bundle, value| {
            content::agreement(bundle).largest_absolute_difference = Some(value);
        }),
        ("relative difference", |bundle, value| {
            content::agreement(bundle).largest_relative_difference = Some(value);
        }),
        ("magnitude", |bundle, value| content::agreement(bundle).largest_reference_magnitude = Some(value)),
        ("cosine", |bundle, value| content::agreement(bundle).cosine_similarity = Some(value)),
        ("mean", |bundle, value| summary(bundle).mean = value),
        ("standard_deviation", |bundle, value| summary(bundle).standard_deviation = Some(value)),
        ("median", |bundle, value| summary(bundle).median = value),
        ("minimum", |bundle, value| summary(bundle).minimum = value),
        ("maximum", |bundle, value| summary(bundle).maximum = value),
        ("low", |bundle, value| summary(bundle).median_interval.as_mut().unwrap().low = value),
        ("high", |bundle, value| summary(bundle).median_interval.as_mut().unwrap().high = value),
        ("confidence", |bundle, value| summary(bundle).median_interval.as_mut().unwrap().confidence = value),
        ("percent", |bundle, value| summary(bundle).percentiles[0].percent = value),
        ("value", |bundle, value| summary(bundle).percentiles[0].value = value),
        ("upper_bound", |bundle, value| summary(bundle).percentiles[0].upper_bound = Some(value)),
        ("missing percent", |bundle, value| missing(bundle).percent = value),
        ("missing value", |bundle, value| missing(bundle).value = Some(value)),
        ("mean's low", |bundle, value| mean_interval(bundle).low = value),
        ("mean's high", |bundle, value| mean_interval(bundle).high = value),
        ("mean's confidence", |bundle, value| mean_interval(bundle).confidence = value),
        ("effective_count", |bundle, value| summary(bundle).effective_count = Some(value)),
        ("between_builds", |bundle, value| variance(bundle).between_builds = Some(value)),
        ("between_processes", |bundle, value| variance(bundle).between_processes = Some(value)),
        ("between_runs", |bundle, value| variance(bundle).between_runs = value),
        ("trial's effective_count", |bundle, value| summary(bundle).trials[0].effective_count = value),
        ("autocorrelation", |bundle, value| summary(bundle).trials[0].autocorrelation = value),
        ("trend", |bundle, value| summary(bundle).trials[0].trend = Some(value)),
        ("level", |bundle, median| {
            summary(bundle).trials[0].levels.push(Level { start: 0, count: 1, median });
        }),
        ("mode's mean", |bundle, mean| summary(bundle).trials[0].modes.push(Mode { mean, share: 0.5 })),
        ("mode's share", |bundle, share| summary(bundle).trials[0].modes.push(Mode { mean: 1.0, share })),
        ("clock's seconds", |bundle, value| environment(bundle).clocks[0].seconds = value),
        ("stepped_seconds", |bundle, value| environment(bundle).clocks[0].stepped_seconds = Some(value)),
        ("suspended_seconds", |bundle, value| environment(bundle).clocks[0].suspended_seconds = Some(value)),
        ("operational_density", |bundle, value| {
            bundle.cost.as_mut().unwrap().operational_density = Some(value);
        }),
        ("scale", |bundle, value| {
            let model = bundle.model.as_mut().unwrap();
            model.inputs[0].quantization = Some(Quantization { scale: value, zero_point: 0 });
        }),
        ("seconds", |bundle, value| build(bundle).seconds = Some(value)),
        ("compiler_seconds", |bundle, value| {
            build(bundle).edge_tpu.get_or_insert_default().compiler_seconds = Some(value);
        }),
        ("mean_milliseconds", |bundle, value| layer(bundle).mean_milliseconds = value),
        ("median_milliseconds", |bundle, value| layer(bundle).median_milliseconds = Some(value)),
        ("throughput", |bundle, value| bundle.throughput_operations_per_second = Some(value)),
        ("trip_celsius", |bundle, value| environment(bundle).sensors[0].trip_celsius = Some(value)),
        ("wraps_at_joules", |bundle, value| environment(bundle).sensors[0].wraps_at_joules = Some(value)),
        ("before_warm_up at", |bundle, value| environment(bundle).before_warm_up[0].at_seconds = value),
        ("before_warm_up", |bundle, value| environment(bundle).before_warm_up[0].values[0] = Some(value)),
        ("before at", |bundle, value| environment(bundle).before[0].at_seconds = value),
        ("before", |bundle, value| environment(bundle).before[0].values[0] = Some(value)),
        ("samples at", |bundle, value| environment(bundle).samples[0].at_seconds = value),
        ("samples", |bundle, value| environment(bundle).samples[0].values[0] = Some(value)),
        ("after at", |bundle, value| environment(bundle).after[0].at_seconds = value),
        ("after", |bundle, value| environment(bundle).after[0].values[0] = Some(value)),
        ("waited_seconds", |bundle, value| environment(bundle).cooling[0].waited_seconds = value),
        ("hottest_celsius", |bundle, value| environment(bundle).cooling[0].hottest_celsius = Some(value)),
        ("joules_per_inference", |bundle, value| energy(bundle).joules_per_inference = Some(value)),
        ("low_joules", |bundle, value| interval(bundle).low_joules = value),
        ("high_joules", |bundle, value| interval(bundle).high_joules = value),
        ("joules' confidence", |bundle, value| interval(bundle).confidence = value),
        ("loop_seconds", |bundle, value| energy(bundle).loop_seconds = value),
        ("source's wraps_at_joules", |bundle, value| energy(bundle).sources[0].wraps_at_joules = Some(value)),
        ("idle_watts", |bundle, value| energy(bundle).sources[0].idle_watts = Some(value)),
        ("loaded_watts", |bundle, value| energy(bundle).sources[0].loaded_watts = Some(value)),
        ("power limit", |bundle, value| {
            let graphics = environment(bundle).graphics.as_mut().expect("a card");
            graphics.cards[0].power_limit_watts = Some(value);
        }),
        ("source's joules", |bundle, value| energy(bundle).sources[0].joules_per_inference = Some(value)),
        ("idle at", |bundle, value| energy(bundle).idle_before[0].at_seconds = value),
        ("loaded", |bundle, value| energy(bundle).loaded[0].values[0] = Some(value)),
    ];
    for (key, spoil) in &spoilers {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut bundle = measured();
            spoil(&mut bundle, value);
            assert!(encode(&bundle).is_err(), "{key} = {value}");
        }
    }
    // A number added to the format must be added above.
    // The value of an input is a JSON number in memory too, so it is finite.
    let of_numbers = |row: &&keys::Row| {
        let is_tried = !row.path.starts_with("energy.idle_after") && row.path != "inputs[].value";
        row.kind.contains("number") && is_tried
    };
    // The three lists of energy readings have one type, so each key is tried once.
    // So have the two lists of agreements, and inputs and outputs.
    let numbers = keys::rows().iter().filter(of_numbers).count() - 2 - 4 - 1;
    assert_eq!(numbers, spoilers.len());
}

#[test]
fn unknown_keys_are_passed_over() {
    let mut json = serde_json::to_value(measured()).unwrap();
    json["weather"] = serde_json::json!({"sun": 3.5});
    json["trials"][0]["temperature_celsius"] = serde_json::json!([41, 42]);
    assert_eq!(decode(&gzip(json.to_string().as_bytes())[..]).unwrap(), measured());
}

#[test]
fn optional_keys_may_be_missing() {
    let mut json = serde_json::to_value(rejected()).unwrap();
    for key in ["model", "runtime", "summary"] {
        json.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(decode(&gzip(json.to_string().as_bytes())[..]).unwrap(), rejected());
}

#[test]
fn every_way_to_be_no_bundle_is_named() {
    let whole = encode(&measured()).unwrap();
    let with_format = |format: &str| {
        let mut json = serde_json::to_value(measured()).unwrap();
        json["format"] = format.into();
        gzip(json.to_string().as_bytes())
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 0x55;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("text", b"backbone: 1\n".to_vec()),
        ("plain JSON", b"{}".to_vec()),
        ("first byte", whole[..1].to_vec()),
        ("half a header", whole[..7].to_vec()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("all but one byte", whole[..whole.len() - 1].to_vec()),
        ("wrong check sum", flipped),
        ("twice", [&whole[..], &whole[..]].concat()),
        ("one byte more", [&whole[..], b"\n"].concat()),
        ("not JSON", gzip(b"nonsense")),
        ("no format", gzip(b"{}")),
        ("two values", gzip(format!("{{\"format\":\"{FORMAT}\"}}{{}}").as_bytes())),
        ("no content", gzip(format!("{{\"format\":\"{FORMAT}\"}}").as_bytes())),
        ("other format", with_format("someone.else/1")),
        ("no version", with_format("backbone.bundle/")),
        ("version 0", with_format("backbone.bundle/0")),
        ("signed version", with_format("backbone.bundle/+1")),
        ("next version", with_format("backbone.bundle/3")),
        ("far version", with_format("backbone.bundle/18446744073709551615")),
    ];
    let mut table = String::new();
    for (name, bytes) in cases {
        let error = decode(&bytes[..]).unwrap_err();
        let source =
            std::error::Error::source(&error).map(|source| format!(" <- {source}")).unwrap_or_default();
        table += &format!("{name}: {error}{source}\n");
    }
    insta::assert_snapshot!(table, @r#"
    empty: the bundle is truncated: its compressed data ends too early
    text: not a bundle: the file is not gzip-compressed
    plain JSON: not a bundle: the file is not gzip-compressed
    first byte: the bundle is truncated: its compressed data ends too early
    half a header: the bundle is truncated: its compressed data ends too early
    half: the bundle is truncated: its compressed data ends too early
    all but one byte: the bundle is truncated: its compressed data ends too early
    wrong check sum: the bundle is damaged: it does not decompress <- corrupt gzip stream does not have a matching checksum
    twice: the bundle is damaged: more bytes follow its end
    one byte more: the bundle is damaged: more bytes follow its end
    not JSON: not a bundle: its JSON does not have the form of `backbone.bundle/2` <- expected ident at line 1 column 2
    no format: not a bundle: its JSON does not have the form of `backbone.bundle/2` <- missing field `format` at line 1 column 2
    two values: not a bundle: its JSON does not have the form of `backbone.bundle/2` <- trailing characters at line 1 column 31
    no content: not a bundle: its JSON does not have the form of `backbone.bundle/2` <- missing field `id` at line 1 column 30
    other format: not a bundle: its `format` is "someone.else/1"
    no version: not a bundle: its `format` is "backbone.bundle/"
    version 0: not a bundle: its `format` is "backbone.bundle/0"
    signed version: not a bundle: its `format` is "backbone.bundle/+1"
    next version: the bundle has format `backbone.bundle/3`; this program reads up to `backbone.bundle/2`
    far version: the bundle has format `backbone.bundle/18446744073709551615`; this program reads up to `backbone.bundle/2`
    "#);
}

#[test]
fn file_that_decompresses_without_end_is_refused_at_the_limit() {
    let json = serde_json::to_string(&measured()).unwrap();
    let length = json.len() as u64;
    assert_eq!(decode_within(&gzip(json.as_bytes())[..], length).unwrap().0, measured());
    assert!(matches!(decode_within(&gzip(json.as_bytes())[..], length - 1), Err(ReadError::TooLarge { .. })));
    let bomb = gzip(&vec![b' '; 8 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let error = decode_within(&bomb[..], 1024 * 1024).unwrap_err();
    assert_eq!(error.to_string(), "the bundle decompresses to more than 1 MiB");
}

#[test]
fn unreadable_source_is_observed_apart_from_damage() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied))
        }
    }
    let whole = encode(&measured()).unwrap();
    let broken = std::io::Read::chain(Cursor::new(&whole[..20]), Broken);
    assert!(matches!(decode(broken), Err(ReadError::Unreadable(_))));
    assert!(matches!(decode(Broken), Err(ReadError::Unreadable(_))));
}

/// Samples of every version stay readable. A sample is written once, when its version is new, and never
/// again.
#[test]
fn every_sample_since_version_1_is_read() {
    // `v1-measured` is from before the first environment.
    let samples_of =
        [("v2-measured", content::of_version_2()), ("v2-rejected", rejected()), ("v2-failed", failed())];
    for (name, bundle) in samples_of {
        let path = samples().join(format!("{name}.json.gz"));
        if !path.exists() && std::env::var_os("BACKBONE_REGENERATE").is_some_and(|value| value == "1") {
            fs_err::write(&path, encode(&bundle).unwrap()).unwrap();
        }
    }
    let mut statuses = Vec::new();
    for entry in fs_err::read_dir(samples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let bundle =
            decode(fs_err::File::open(&path).unwrap()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let latencies: usize = bundle.trials.iter().map(|trial| trial.latencies.latency_ns.len()).sum();
        statuses.push((path.file_name().unwrap().to_owned(), bundle.outcome.status, latencies));
        let (Some(recorded), Some(again)) = (&bundle.summary, stats::summary(&bundle.trials)) else {
            assert_eq!((latencies, &bundle.summary), (0, &None), "{path:?}");
            continue;
        };
        // Every statistic can be computed again from the bundle.
        assert_eq!(
            (again.count, again.median, again.median_interval),
            (recorded.count, recorded.median, recorded.median_interval)
        );
        assert_eq!((again.mean, again.standard_deviation), (recorded.mean, recorded.standard_deviation));
    }
    statuses.sort_by(|first, second| first.0.cmp(&second.0));
    assert_eq!(
        statuses,
        [
            ("v1-failed.json.gz".into(), Status::Failed, 0),
            ("v1-measured.json.gz".into(), Status::Measured, 100),
            ("v1-observed.json.gz".into(), Status::Measured, 100),
            ("v1-rejected.json.gz".into(), Status::Rejected, 0),
            ("v2-failed.json.gz".into(), Status::Failed, 0),
            ("v2-measured.json.gz".into(), Status::Measured, 100),
            ("v2-rejected.json.gz".into(), Status::Rejected, 0),
        ]
    );
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn file_names_are_as_documented() {
    let long = "x".repeat(300);
    let cases = [
        file_name("smoke", Some("net"), Some("onnxruntime"), "0000000001-7f3a"),
        file_name("smoke", Some("standard-k3-b1-i224-int8"), Some("tflite"), "0000000001-7f3a"),
        file_name("smoke", None, None, "0000000001-7f3a"),
        file_name("a b…c.d", Some("../../etc/passwd"), Some("onnxruntime"), "1"),
        file_name("-rf", Some("???"), Some(""), "1"),
        file_name("Größe_é", Some("--a--"), None, "1"),
        file_name(&long, Some(&long), Some(&long), &long).len().to_string(),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r"
    smoke.net.onnxruntime.0000000001-7f3a.json.gz
    smoke.standard-k3-b1-i224-int8.tflite.0000000001-7f3a.json.gz
    smoke.rejected.none.0000000001-7f3a.json.gz
    a-b-c-d.etc-passwd.onnxruntime.1.json.gz
    rf.unnamed.unnamed.1.json.gz
    Gr-e_.a.none.1.json.gz
    239
    ");
}

proptest! {
    #[test]
    fn file_name_has_four_plain_parts_and_fits_every_file_system(
        job in ".{0,120}", part in prop::option::of("\\PC{0,120}"), runtime in prop::option::of(".{0,40}"),
        id in "[A-Za-z0-9_-]{1,60}",
    ) {
        let name = file_name(&job, part.as_deref(), runtime.as_deref(), &id);
        let parts: Vec<&str> = name.strip_suffix(".json.gz").unwrap().split('.').collect();
        prop_assert_eq!(parts.len(), 4);
        for part in parts {
            prop_assert!(!part.is_empty() && part.len() <= 80, "{}", part);
            prop_assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
            prop_assert!(!part.starts_with('-') && !part.ends_with('-'), "{}", part);
        }
        prop_assert!(name.len() <= 239);
    }

    #[test]
    fn part_that_is_already_plain_is_kept(job in "[A-Za-z0-9_]([A-Za-z0-9_-]{0,77}[A-Za-z0-9_])?") {
        prop_assert_eq!(file_name(&job, None, None, "7"), format!("{job}.rejected.none.7.json.gz"));
    }

    #[test]
    fn bundles_survive_the_round_trip_bit_for_bit(
        latencies in prop::collection::vec(any::<u64>(), 0..200), text in "\\PC{0,40}",
        numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, 3),
    ) {
        let mut bundle = measured();
        bundle.trials[0].latencies.latency_ns = latencies.into_iter().map(Nanos).collect();
        bundle.summary = stats::summary(&bundle.trials);
        let summary = bundle.summary.as_mut().unwrap();
        (summary.mean, summary.median, summary.standard_deviation) = (numbers[0], numbers[1], Some(numbers[2]));
        bundle.outcome.detail = Some(text);
        let bytes = encode(&bundle).unwrap();
        let again = decode(&bytes[..]).unwrap();
        prop_assert_eq!(&again, &bundle);
        prop_assert_eq!(encode(&again).unwrap(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes[..]).is_err());
        prop_assert!(decode(&gzip(&bytes)[..]).is_err());
    }
}

#[test]
fn schema_names_its_dialect_and_every_key() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let properties = schema["properties"].as_object().unwrap();
    for key in serde_json::to_value(measured()).unwrap().as_object().unwrap().keys() {
        assert!(properties.contains_key(key), "{key}");
    }
}

#[test]
fn bundle_with_as_many_latencies_as_any_job_may_have_is_small_enough_to_be_read() {
    // 16 digits are more than a process of any job may take: 7 days are 6e14 ns.
    let latency = Nanos(9_999_999_999_999_999);
    let size = |count: usize| {
        let mut bundle = measured();
        bundle.trials.truncate(1);
        bundle.trials[0].latencies.latency_ns = vec![latency; count];
        let json = serde_json::to_vec(&bundle).unwrap().len() as u64;
        assert_eq!(decode(&encode(&bundle).unwrap()[..]).unwrap(), bundle);
        json
    };
    let (few, many) = (size(1_000), size(21_000));
    let largest = few + (many - few) / 20_000 * MOST_LATENCIES;
    assert!(largest < LARGEST_BUNDLE_BYTES * 2 / 3, "{largest}");
}

/// A bundle with a place in a chain, as the daemon publishes it.
fn sealed() -> Vec<u8> {
    let integrity = Integrity {
        chain: "k3f9a2k3f9a2".to_owned(),
        sequence: 7,
        previous_sha256: Some("0".repeat(64)),
        spec_sha256: None,
        harness_sha256: None,
    };
    encode(&Bundle { integrity: Some(integrity), ..measured() }).unwrap()
}

/// Is it read as a bundle that was not changed?
fn is_accepted(bytes: &[u8]) -> bool {
    let mut reader = Sealed::new(bytes);
    match decode_within(&mut reader, LARGEST_BUNDLE_BYTES) {
        Err(_) => false,
        Ok((bundle, _)) => {
            let (_, seal) = reader.finish();
            // As `collect` judges: a bundle that has a place in a chain has a seal.
            seal == Seal::Whole || seal == Seal::None && bundle.integrity.is_none()
        }
    }
}

#[test]
fn every_change_of_one_byte_of_a_sealed_bundle_is_found() {
    let bytes = sealed();
    assert!(is_accepted(&bytes));
    assert_eq!(decode(&bytes[..]).unwrap().integrity.unwrap().sequence, 7);
    let mut changed = bytes.clone();
    for change in 0..10_000_usize {
        // Every byte in turn, each time another difference.
        let (at, difference) = (change % bytes.len(), (change / bytes.len() % 255) as u8 + 1);
        changed[at] ^= difference;
        assert!(!is_accepted(&changed), "byte {at} changed by {difference:#x}");
        changed[at] ^= difference;
    }
    for length in 0..bytes.len() {
        assert!(!is_accepted(&bytes[..length]), "cut to {length} bytes");
    }
}
