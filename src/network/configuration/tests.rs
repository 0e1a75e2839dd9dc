use super::*;

fn standard() -> RequestedConfiguration<'static> {
    RequestedConfiguration::new("standard", 3, 1, 224, "int8")
}

fn mistakes(requested: &RequestedConfiguration<'_>) -> Vec<String> {
    let mistakes = Configuration::new(requested).unwrap_err();
    mistakes.iter().map(|mistake| format!("{mistake}; {}", mistake.hint().unwrap_or_default())).collect()
}

#[test]
fn a_configuration_is_named_by_its_factors_and_by_what_is_not_the_papers() {
    assert_eq!(Configuration::new(&standard()).unwrap().to_string(), "standard-k3-b1-i224-int8");
    let requested = RequestedConfiguration { width_percent: 50, depths: [2, 2, 2, 2], ..standard() };
    let configuration = Configuration::new(&requested).unwrap();
    assert_eq!(configuration.to_string(), "standard-k3-b1-i224-int8-w50-d2_2_2_2");
    assert_eq!(configuration.weights_name(), "standard-k3-w50-d2_2_2_2");
}

#[test]
fn impossible_values_come_all_at_once_each_with_advice() {
    let requested = RequestedConfiguration {
        width_percent: 0,
        depths: [3, 0, 6, 3],
        ..RequestedConfiguration::new("standart", 4, 0, 31, "int4")
    };
    insta::assert_snapshot!(mistakes(&requested).join("\n"), @"
    no block type is called `standart`; did you mean `standard`? `backbone list blocks` shows all
    kernel 4 is even; write 3 or 5
    batch 0 is outside 1 … 256; the nearest possible value is 1
    input 31 is outside 32 … 8192; the network halves its input five times: write 32 or more
    no precision of the family is called `int4`; write `fp32` or `int8`
    width multiplier in per cent 0 is outside 5 … 200; the nearest possible value is 5
    depth of a stage 0 is outside 1 … 64; the nearest possible value is 1
    ");
}

#[test]
fn unknown_block_gets_the_nearest_name_and_nonsense_gets_the_list() {
    insta::assert_snapshot!(mistakes(&RequestedConfiguration { block: "Bottleneck_Standard", ..standard() }).join("\n"), @"no block type is called `Bottleneck_Standard`; did you mean `bottleneck-standard`? `backbone list blocks` shows all");
    insta::assert_snapshot!(mistakes(&RequestedConfiguration { block: "transformer", ..standard() }).join("\n"), @"no block type is called `transformer`; `backbone list blocks` shows all");
}

#[test]
fn numbers_that_fit_no_machine_word_are_out_of_range_not_wrapped() {
    for batch in [-1, i64::from(u32::MAX) + 2, i64::MAX, i64::MIN] {
        assert_eq!(mistakes(&RequestedConfiguration { batch, ..standard() }).len(), 1, "{batch}");
    }
}

#[test]
fn the_family_has_162_different_members() {
    let names: std::collections::HashSet<String> =
        Configuration::family(Precision::Fp32).map(|configuration| configuration.to_string()).collect();
    assert_eq!(names.len(), 162);
}
