//! Writes the man pages and the completions of the command line to a folder:
//! `cargo run --example pages -- target/pages`. `make pages` does that.
//!
//! An example and no command, so that neither executable grows by what only a package needs.

use std::path::Path;

mod render;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or_else(|| anyhow::anyhow!("usage: pages FOLDER"))?;
    // As every tool for reproducible builds sets it; without it the pages carry no date.
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok().map(|text| text.parse()).transpose()?;
    let date = seconds.map(jiff::Timestamp::from_second).transpose()?;
    render::write(
        Path::new(&folder),
        &date.map(|date| date.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
    )
}
