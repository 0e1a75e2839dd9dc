//! `backbone collect`: what comes here, and what is removed there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backbone::bundle::format::Bundle;
use backbone::bundle::read::decode;
use backbone::bundle::write::encode;

use crate::lab::{Lab, lacks_sshd};
use crate::rig::Rig;

/// Put so many bundles into the outbox of a host that has a status.
pub(crate) fn fill(rig: &Rig, id: &str, bundles: usize) -> Vec<PathBuf> {
    let status = backbone::daemon::status::Status {
        host_id: Some(id.to_owned()),
        inbox: rig.inbox(""),
        outbox: rig.outbox(""),
        ..Default::default()
    };
    status.write(&rig.path("state")).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/v2-measured.json.gz");
    let sample: Bundle = decode(fs_err::File::open(sample).unwrap()).unwrap();
    let put = |number: usize| {
        let bundle = Bundle { id: format!("{number:010}-{id}-0001"), integrity: None, ..sample.clone() };
        let file = rig.outbox(format!("job.net.sim.{}.json.gz", bundle.id));
        fs_err::write(&file, encode(&bundle).unwrap()).unwrap();
        file
    };
    (1..=bundles).map(put).collect()
}

#[test]
fn only_what_is_whole_comes_and_only_what_is_verified_here_is_removed() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(1);
    let rig = &lab.devices[0].rig;
    let files = fill(rig, "abcdefghijkm", 6);
    // One is damaged on the device, one has an odd name, one is a foreign file.
    let mut bytes = fs_err::read(&files[5]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(&files[5], bytes).unwrap();
    fs_err::write(rig.outbox("a b.json.gz"), "x").unwrap();
    fs_err::write(rig.outbox("-rf.json.gz"), "x").unwrap();
    let (text, _) = lab.ends_with(1, &["collect", "pi-1", "-o", "all"]);
    assert!(text.contains("its seal is broken") || text.contains("damaged"), "{text}");
    assert!(text.contains("2 files with odd names"), "{text}");
    assert_eq!(lab.collected("all").len(), 5);
    let here = lab.path("all/host=abcdefghijkm");
    let name = |file: &PathBuf| file.file_name().unwrap().to_owned();
    // A copy that is damaged here later, with its size kept, does not permit to remove the original.
    let mut bytes = fs_err::read(here.join(name(&files[0]))).unwrap();
    let good = bytes.clone();
    bytes[middle] ^= 1;
    fs_err::write(here.join(name(&files[0])), bytes).unwrap();
    // A file that changed on the device since is not the one that is here.
    let other = encode(&Bundle { simulated: true, ..decode(&fs_err::read(&files[1]).unwrap()[..]).unwrap() });
    fs_err::write(&files[1], other.unwrap()).unwrap();
    let answer = lab.json(&["collect", "pi-1", "-o", "all", "--remove"]);
    let host = &answer["hosts"][0];
    assert_eq!(host["damaged"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(host["kept"].as_u64().unwrap() + host["removed"].as_u64().unwrap(), 5, "{answer:#}");
    assert_eq!(fs_err::read(here.join(name(&files[0]))).unwrap(), good, "brought again before it is removed");
    assert!(files[5].exists() && rig.outbox("a b.json.gz").exists() && rig.outbox("-rf.json.gz").exists());
    // Whatever is gone there is here, whole.
    let gone = files[..5].iter().filter(|file| !file.exists()).count();
    assert_eq!(gone as u64, host["removed"].as_u64().unwrap());
    assert!(gone >= 4);
    for name in lab.collected("all") {
        decode(fs_err::File::open(here.join(name)).unwrap()).unwrap();
    }
}

#[test]
fn two_collectors_at_once_and_an_outbox_that_is_being_written_lose_nothing() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(1);
    let rig = &lab.devices[0].rig;
    let files = fill(rig, "abcdefghijkm", 60);
    // What a daemon that copies to another file system has there.
    fs_err::write(rig.outbox(".job.net.sim.0000000061-x.json.gz.Xyzzy1"), "half").unwrap();
    let mut collectors: Vec<_> = (0..3)
        .map(|_| lab.backbone(&["collect", "pi-1", "-o", "all", "--remove"]).spawn().unwrap())
        .collect();
    for collector in &mut collectors {
        assert!(collector.wait().unwrap().success());
    }
    assert_eq!(lab.collected("all").len(), 60);
    assert!(files.iter().all(|file| !file.exists()));
    let hidden =
        fs_err::read_dir(lab.path("all/host=abcdefghijkm")).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden = hidden.filter(|name| name.as_encoded_bytes().starts_with(b"."));
    assert_eq!(hidden.count(), 0, "no collector leaves anything");
}

#[test]
fn killed_collector_leaves_nothing_that_counts_and_the_next_one_goes_on() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(1);
    fill(&lab.devices[0].rig, "abcdefghijkm", 40);
    let mut collector = lab.backbone(&["collect", "pi-1", "-o", "all"]).spawn().unwrap();
    let folder = lab.path("all/host=abcdefghijkm");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    collector.kill().unwrap();
    collector.wait().unwrap();
    let (text, _) = lab.ends_with(0, &["collect", "pi-1", "-o", "all"]);
    assert_eq!(lab.collected("all").len(), 40, "{text}");
    let (text, _) = lab.ends_with(0, &["collect", "pi-1", "-o", "all"]);
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["pi-1", "abcdefghijkm", "0", "40", "0", "0", "done"]);
    // The report reads the folder as it is.
    let report = lab.path("report.html");
    let output = crate::rig::clean(crate::rig::BACKBONE)
        .args(["report", "--include-simulated", "-o"])
        .arg(&report)
        .arg(lab.path("all"))
        .output()
        .unwrap();
    assert!(output.status.success() && report.exists(), "{output:?}");
}
