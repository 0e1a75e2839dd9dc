//! Every code that the sources give is explained, and nothing is that they do not.

use super::*;

#[test]
fn code_of_a_verdict_is_explained_with_state_cause_and_remedy() {
    insta::assert_snapshot!(page("heavy_tail").unwrap(), @"
    heavy_tail: makes a result suspect
      The mean of the latencies is more than 5 % away from their median: a few runs, or a long tail, make up much of the mean.
      cause: a stall (other work, page faults, heat, a bus), or latencies that are skewed by nature
      remedy: look at the raw latencies; remove what stalls the host, or compare medians and percentiles, which a few runs do not move
    ");
}

#[test]
fn code_of_a_failure_and_of_a_mistake_is_explained() {
    assert!(page("segmentation_fault").unwrap().contains("why a job or a trial ended"));
    assert!(page("unknown_key").unwrap().contains("a mistake in a job file"));
    assert!(page("inbox_gone").unwrap().contains("a trouble of the daemon"));
    assert!(page("host_key_changed").unwrap().contains("a host of a rack"));
}

#[test]
fn misspelt_code_is_refused_with_the_nearest_one() {
    let error = page("segmentation_falt").unwrap_err();
    assert_eq!(error.to_string(), "there is no code `segmentation_falt`");
    let text = crate::cli::failure::render(&error);
    assert!(text.contains("did you mean `segmentation_fault`?"), "{text}");
}

#[test]
fn codes_are_sorted_and_said_once_in_each_registry() {
    for (place, codes) in REGISTRIES {
        assert!(codes.is_sorted_by(|one, other| one.0 < other.0), "{place}");
        for (code, meaning, remedy) in *codes {
            assert!(meaning.ends_with('.') && !remedy.ends_with('.'), "{code}");
            assert!(!remedy.starts_with(char::is_uppercase), "{code}");
        }
    }
}

/// How the sources give codes: the text before one.
const BEFORE_A_CODE: &[&str] = &["Failure::new(Stage::", "Rejection::new(Stage::"];

#[test]
fn every_code_that_the_sources_give_is_explained_and_no_other() {
    let sources = crate_sources();
    let squeezed: String = sources.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    let mut given = 0;
    for before in BEFORE_A_CODE {
        for rest in squeezed.split(before).skip(1) {
            let Some(code) = rest.split_once(", \"").map(|(stage, rest)| (stage, rest.split('"').next()))
            else {
                continue;
            };
            let (stage, Some(code)) = code else { continue };
            if stage.chars().all(char::is_alphanumeric) && !code.contains(' ') {
                given += 1;
                assert!(every_code().any(|known| known == code), "`{code}` is not explained");
            }
        }
    }
    let troubles = sources.split_once("A stable word for programs.").expect("codes of hosts").1;
    let words = troubles.split_once("\n    }\n").unwrap().0.split('"').skip(1).step_by(2);
    let of_hosts: Vec<&str> = words.inspect(|_| given += 1).collect();
    assert!(OF_HOSTS.iter().all(|(code, _, _)| of_hosts.contains(code)));
    assert!(of_hosts.iter().all(|code| OF_HOSTS.iter().any(|(known, _, _)| known == code)), "{of_hosts:?}");
    assert!(given > 58, "found only {given} codes");
    for code in every_code() {
        assert!(sources.contains(&format!("\"{code}\"")), "nothing gives `{code}`");
    }
}

fn crate_sources() -> String {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_name().is_some_and(|name| name.to_string_lossy().contains("tests"));
            if path.is_dir() && !path.ends_with("explain") && !is_test {
                folders.push(path);
            } else if path.is_file() && !is_test {
                let source = fs_err::read_to_string(path).unwrap_or_default();
                text.push_str(source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            }
        }
    }
    text
}
