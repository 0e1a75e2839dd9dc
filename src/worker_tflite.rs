//! The worker executable that is linked with the TensorFlow Lite C library.
fn main() {}
