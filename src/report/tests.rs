//! Every report: foreign text stays in its place, colours can be told apart, numbers read well.

use sha2::{Digest, Sha256};

use super::palette::{DARK, LIGHT, Theme, block, numbered};
use super::text::{change, file_part, number, plotly, rounded, script_json, told, told_within, xml};
use super::{Destination, RENDERERS};
use crate::network::blocks::BLOCKS;
use crate::stats::Span;

#[test]
fn foreign_texts_lose_what_cannot_be_seen_and_keep_the_rest() {
    assert_eq!(told("Jetson AGX, grün ✓ مرحبا"), "Jetson AGX, grün ✓ مرحبا");
    assert_eq!(told("a\u{202e}b\nc\u{0}d\u{feff}"), "a\\u{202e}b\\u{a}c\\u{0}d\\u{feff}");
    let long = told(&"x".repeat(10_000));
    assert!(long.chars().count() < 300 && long.ends_with("… (10000 characters)"), "{long}");
}

#[test]
fn sentence_with_a_long_name_keeps_its_numbers() {
    let name = "n".repeat(10_000);
    let sentence = told_within(&format!("{name}: throughput +12.3 %\u{202e}."), &[&name]);
    assert!(sentence.ends_with("throughput +12.3 %\\u{202e}.") && sentence.len() < 400, "{sentence}");
}

#[test]
fn markup_is_escaped_for_each_format() {
    let hostile = "</script><a href=\"javascript:x\">'&";
    assert_eq!(xml(hostile), "&lt;/script&gt;&lt;a href=&quot;javascript:x&quot;&gt;&#39;&amp;");
    assert_eq!(plotly(hostile), xml(hostile));
    let json = script_json(&hostile);
    assert!(!json.contains(['<', '>', '&']), "{json}");
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    assert_eq!(file_part("../a b\u{202e}"), "---a-b-");
}

#[test]
fn numbers_have_four_digits_and_a_real_minus() {
    let cases = [
        (0.0, "0"),
        (1.0, "1.000"),
        (123.456, "123.5"),
        (-0.012_345, "−0.01235"),
        (65_432.1, "65432"),
        (1.234_56e9, "1.235e9"),
    ];
    for (value, text) in cases {
        assert_eq!(number(value), text);
    }
    assert_eq!(number(f64::NAN), "–");
    assert_eq!(change(0.7, Some(Span { low: 0.65, high: 1.01 })), "−30.0 % [−35.0 to +1.0]");
    for value in [1.234_567_8, -98_765.432, 1e-300, f64::MAX] {
        assert!((rounded(value) / value - 1.0).abs() < 1e-4, "{value}");
    }
}

/// Relative luminance (WCAG 2.2, "relative luminance").
fn luminance(color: &str) -> f64 {
    let part = |place: usize| {
        let value = f64::from(u8::from_str_radix(&color[place..place + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn colours_stand_out_from_their_background() {
    for Theme { background, text, muted, axis, series, .. } in [LIGHT, DARK] {
        for words in [text, muted, series[0]] {
            assert!(contrast(words, background) >= 4.5, "{words} on {background}");
        }
        for mark in series.iter().chain([&axis]) {
            assert!(contrast(mark, background) >= 3.0, "{mark} on {background}");
        }
    }
}

#[test]
fn every_block_looks_like_no_other_and_a_bottleneck_differs_by_more_than_colour() {
    let styles: Vec<_> = BLOCKS.iter().map(|known| block(known.name)).collect();
    for (place, style) in styles.iter().enumerate() {
        assert!(!styles[..place].contains(style), "{}", BLOCKS[place].name);
    }
    let (plain, bottleneck) = (block("standard"), block("bottleneck-standard"));
    assert!(plain.color == bottleneck.color && plain.symbol != bottleneck.symbol && bottleneck.dashed);
    let all: Vec<_> = (0..8).map(numbered).collect();
    assert!((1..8).all(|place| !all[..place].contains(&all[place])));
}

#[test]
fn plotly_is_the_file_that_was_reviewed() {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(include_bytes!("html/plotly-basic.min.js")));
    assert_eq!(digest, "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba");
    assert!(include_str!("html/plotly-LICENSE").contains("MIT"));
}

#[test]
fn table_of_renderers_in_the_documents_is_current() {
    let mut text = String::from("| Output | Where | What it is |\n|---|---|---|\n");
    for renderer in RENDERERS {
        let destination = match renderer.destination {
            Destination::Report => "the report",
            Destination::Folder => "the folder next to it",
        };
        text.push_str(&format!("| {} | {destination} | {} |\n", renderer.name, renderer.summary));
    }
    crate::derived_docs::assert_current("docs/ANALYSIS.md", "renderers", &text);
}
