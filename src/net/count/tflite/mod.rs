//! todo
use super::*;
use super::graph::Walked;
pub(super) fn walk(_bytes: &[u8], _given: &InputShapes) -> Result<Walked, CountError> { Err(CountError::TooLarge{what: String::new()}) }
