//! TensorFlow Lite files.
//!
//! [`crate::model_file::tflite::graph`] reads the tables, [`mod@walk`] follows the graph that an interpreter
//! runs and [`control`] those that it calls, [`operators`] knows what each operator makes and costs, and
//! [`declared`] whether the file or the computed shape counts if the two differ. A file that an interpreter
//! runs is never refused: what cannot be counted is listed with the reason, and what follows is counted with
//! the shapes of the file.

use super::Known;
use super::error::CountError;
use super::graph::Walked;
use crate::model_file::tflite::graph::TfliteModel;
use crate::network::cost::Assumption;
use walk::Walker;

mod control;
mod declared;
mod inputs;
mod operators;
mod values;
mod variables;
mod walk;

/// Read and walk.
pub(super) fn walk(bytes: &[u8], known: &Known) -> Result<Walked, CountError> {
    let model = TfliteModel::read(bytes)?;
    // The reader refuses files without a graph.
    let Some(main) = model.graphs.first() else { return Ok(Walked::default()) };
    let (shapes, mut assumptions) = inputs::shapes(main, known)?;
    assumptions.extend(other_entries(&model));
    let mut walk = Walker::new(&model, assumptions);
    let outputs = walk.main(main, shapes, &known.values)?;
    Ok(walk.finish(outputs))
}

/// Entry points of the file that are not counted.
fn other_entries(model: &TfliteModel<'_>) -> impl Iterator<Item = Assumption> {
    model.signatures.iter().filter(|(_, graph)| *graph != 0).map(|(name, graph)| Assumption {
        name: name.clone(),
        operator: "signature".to_owned(),
        what: format!("it runs graph {graph}, which is not counted: an interpreter runs the first graph"),
    })
}
