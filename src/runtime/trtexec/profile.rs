//! The file that `--exportProfile` writes: the time of each layer. Pure.
//!
//! It looks like JSON but is not always: trtexec does not escape layer names, so a quotation mark in one ends
//! the text early. Each layer has its own line, and is read between the marks that trtexec itself writes.

use crate::bundle::format::Layer;

/// Before a layer's name.
const NAME: &str = "\"name\" : \"";

/// After it.
const TIME: &str = "\", \"timeMs\" : ";

/// The layers in the network's order; `None` if there are none, or one cannot be read.
pub(crate) fn parse(text: &[u8]) -> Option<Vec<Layer>> {
    let text = String::from_utf8_lossy(text);
    // Complete only with its end: the disk may be full.
    if !text.trim_end().ends_with(']') {
        return None;
    }
    let layers: Vec<Layer> =
        text.lines().filter(|line| line.contains(NAME)).map(layer).collect::<Option<_>>()?;
    (!layers.is_empty()).then_some(layers)
}

fn layer(line: &str) -> Option<Layer> {
    let (_, rest) = line.split_once(NAME)?;
    let (name, numbers) = rest.rsplit_once(TIME)?;
    Some(Layer {
        name: name.to_owned(),
        mean_milliseconds: number(numbers, "averageMs")?,
        median_milliseconds: number(numbers, "medianMs"),
        ..Layer::default()
    })
}

fn number(numbers: &str, key: &str) -> Option<f64> {
    let (_, rest) = numbers.split_once(&format!("\"{key}\" : "))?;
    let end = rest.find([',', ' ', '}']).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of release/8.4, with a median; before it there was none.
    const EXPORTED: &str = r#"[
  { "count" : 100 }
, { "name" : "conv1 + relu1", "timeMs" : 120.5, "averageMs" : 1.205, "medianMs" : 1.2, "percentage" : 60.25 }
, { "name" : "a "quoted" name", "timeMs" : 79.5, "averageMs" : 0.795, "percentage" : 39.75 }
]
"#;

    #[test]
    fn layers_come_in_order_with_names_that_are_no_json() {
        let layers = parse(EXPORTED.as_bytes()).unwrap();
        let told: Vec<_> = layers
            .iter()
            .map(|layer| (layer.name.as_str(), layer.mean_milliseconds, layer.median_milliseconds))
            .collect();
        assert_eq!(told, [("conv1 + relu1", 1.205, Some(1.2)), ("a \"quoted\" name", 0.795, None)]);
    }

    #[test]
    fn file_that_is_cut_anywhere_is_no_profile() {
        for end in 0..EXPORTED.trim_end().len() {
            assert_eq!(parse(&EXPORTED.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(parse(b"[\n  { \"count\" : 100 }\n]\n"), None);
    }
}
