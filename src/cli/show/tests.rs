use super::*;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[test]
fn measured_result_begins_with_its_latency_and_ends_with_its_source() {
    insta::assert_snapshot!(text::render(&bundle(&sample("bundles/v2-measured.json.gz")).unwrap()));
}

#[test]
fn result_with_every_part_shows_it() {
    insta::assert_snapshot!(text::render(&bundle(&sample("bundles/v1-observed.json.gz")).unwrap()));
}

#[test]
fn failure_shows_where_why_and_what_to_do() {
    insta::assert_snapshot!(text::render(&bundle(&sample("bundles/v2-failed.json.gz")).unwrap()));
    insta::assert_snapshot!(text::render(&bundle(&sample("bundles/v2-rejected.json.gz")).unwrap()));
}

#[test]
fn text_from_a_bundle_moves_no_cursor() {
    let mut bundle = bundle(&sample("bundles/v2-measured.json.gz")).unwrap();
    bundle.job.name = "\u{1b}[2Jx\nforged line".to_owned();
    bundle
        .verdict
        .reasons
        .push(crate::bundle::format::Reason { code: "\u{1b}".into(), detail: "\u{7}".into() });
    let text = text::render(&bundle);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains("\nforged"), "{text}");
}

#[test]
fn job_is_found_by_its_name_or_its_id_and_the_newest_counts() {
    let outbox = tempfile::tempdir().unwrap();
    let mut first = bundle(&sample("bundles/v2-measured.json.gz")).unwrap();
    first.job.name = "a job".to_owned();
    let mut put = |job: &str, configuration: usize| {
        first.id = format!("{job}-{configuration:04}");
        first.job.id = job.to_owned();
        let name = file_name(&first.job.name, Some("net"), Some("sim"), &first.id);
        fs_err::write(outbox.path().join(name), crate::bundle::write::encode(&first).unwrap()).unwrap();
    };
    put("0000000001-abc123", 1);
    put("0000000002-abc123", 2);
    put("0000000002-abc123", 1);
    fs_err::write(outbox.path().join("a-job.net.sim.0000000003-abc123-0001.json.gz"), "torn").unwrap();
    let ids = |name: &str| -> Vec<String> {
        of_job(outbox.path(), name).unwrap().into_iter().map(|(_, bundle)| bundle.id).collect()
    };
    assert_eq!(ids("a job"), ["0000000002-abc123-0001", "0000000002-abc123-0002"]);
    assert_eq!(ids("0000000001-abc123"), ["0000000001-abc123-0001"]);
    assert_eq!(ids("a-job"), [""; 0], "the name itself, not that of its file");
    assert_eq!(ids("another"), [""; 0]);
    let several = of_job(outbox.path(), "a job").unwrap();
    let text = listed(&several, Path::new("/o"));
    assert!(
        text.starts_with("2 configurations\njob ")
            && text.contains("\n  a-job.net.sim.0000000002-abc123-0002.json.gz\n"),
        "{text}"
    );
}
