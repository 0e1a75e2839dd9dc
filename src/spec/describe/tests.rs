use super::*;

#[test]
fn job_specification_holds_the_present_reference() {
    let reference = format!("\n{}", reference::reference());
    crate::derived_docs::assert_current("docs/JOB-SPEC.md", "reference", &reference);
}

#[test]
fn every_example_in_the_job_specification_is_a_job() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/JOB-SPEC.md");
    let text = fs_err::read_to_string(path).unwrap();
    let mut jobs = 0;
    for block in text.split("```yaml\n").skip(1) {
        let example = block.split("```").next().unwrap_or_default();
        if example.contains("backbone:") {
            jobs += 1;
            let read = crate::spec::resolve::job(example.as_bytes(), "example.yaml");
            assert!(read.is_ok(), "{example}\n{}", super::super::render(&read.unwrap_err(), "example.yaml"));
        }
    }
    assert!(jobs >= 4, "found {jobs} examples");
}

#[test]
fn schema_describes_every_field_where_it_stands() {
    let schema = schema();
    for field in FIELDS {
        let parent = match field.parent() {
            "" => &schema,
            // The second form of `model` is the map.
            "model" => &schema["properties"]["model"]["oneOf"][1],
            // The second form of an input is the map.
            INPUT => &schema["properties"]["inputs"]["additionalProperties"]["oneOf"][1],
            parent => &schema["properties"][parent],
        };
        let property = &parent["properties"][field.key()];
        assert_eq!(property["description"], field.summary, "{}", field.path);
        let is_required = parent["required"].as_array().unwrap().contains(&json!(field.key()));
        assert_eq!(is_required, field.fallback == Fallback::Required, "{}", field.path);
        assert_eq!(parent["additionalProperties"], false, "{}", field.path);
    }
}

#[test]
fn schema_describes_every_option_of_every_runtime() {
    let schema = schema();
    for runtime in RUNTIMES {
        let definition = schema["$defs"][runtime.name]["properties"].as_object().unwrap();
        assert_eq!(definition.len(), runtime.options.len());
        for option in runtime.options {
            assert_eq!(definition[option.name]["description"], option.summary);
        }
    }
}

#[test]
fn defaults_of_numbers_are_in_their_ranges() {
    for field in FIELDS.iter().chain(crate::config::settings::SETTINGS) {
        if let (Kind::Integer { minimum, maximum }, Fallback::Integer(default)) = (field.kind, field.fallback)
        {
            assert!((minimum..=maximum).contains(&default), "{}", field.path);
        } else {
            let is_integer = matches!(field.kind, Kind::Integer { .. });
            let is_explained = matches!(field.fallback, Fallback::Words(_));
            assert!(!is_integer || is_explained, "{} has a range and no default", field.path);
        }
    }
}

#[test]
fn paths_are_unique_and_follow_their_parents() {
    for (index, field) in FIELDS.iter().enumerate() {
        assert!(
            FIELDS[..index].iter().all(|other| other.path != field.path),
            "{} is there twice",
            field.path
        );
        // The name of an input is free.
        let parent = field.parent().trim_end_matches(".NAME");
        assert!(
            parent.is_empty() || FIELDS[..index].iter().any(|other| other.path == parent),
            "{}",
            field.path
        );
    }
}
