//! The `backbone` executable.
fn main() {}
