//! Variables: tensors that keep their values from one inference to the next, behind handles; and graphs that
//! run once, before the first one.
//!
//! Reading or writing a variable copies it. What sets it up costs an inference nothing.

use super::walk::{Frame, Named, Walker};
use crate::model_file::tflite::graph::TfliteGraph;
use crate::model_file::tflite::operators::title;
use crate::network::count::graph::{Step, Tensor, Work};

/// The variable of a handle that was not set up here, such as one that came into the graph as an input.
const UNNAMED: &str = "";

impl<'m, 'a> Walker<'m, 'a> {
    /// Run an operator on variables. `false` if it is another one.
    pub(super) fn variable(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>) -> bool {
        match named.title.as_str() {
            "CALL_ONCE" => self.once(frame, named),
            "VAR_HANDLE" => {
                let name = name_of(frame.graph, named);
                for output in &named.operator.outputs {
                    self.handles.insert(frame.places[*output], name.clone());
                }
            }
            "HASHTABLE" | "HASHTABLE_IMPORT" => {}
            "READ_VARIABLE" => self.read(frame, named),
            "ASSIGN_VARIABLE" => self.assign(frame, named),
            _ => return false,
        }
        true
    }

    /// What a graph that runs once puts into variables tells their shapes.
    fn once(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>) {
        let number = self.context(frame, named.operator).integer(0).ok();
        let graph = number.and_then(|number| usize::try_from(number).ok());
        let Some(graph) = graph.and_then(|number| self.model.graphs.get(number)) else { return };
        let mut names = std::collections::HashMap::new();
        for operator in &graph.operators {
            let title = title(operator.code, &operator.custom);
            let named = Named { operator, name: String::new(), title };
            match (named.title.as_str(), operator.inputs.as_slice()) {
                ("VAR_HANDLE", _) => {
                    let name = name_of(graph, &named);
                    names.extend(operator.outputs.iter().map(|output| (*output, name.clone())));
                }
                ("ASSIGN_VARIABLE", &[Some(handle), Some(value)]) => {
                    let file = &graph.tensors[value];
                    let Some(name) = names.get(&handle) else { continue };
                    let held = Tensor {
                        name: name.clone(),
                        shape: Some(file.shape.clone()),
                        bits: file.bits,
                        is_constant: false,
                    };
                    if !self.variables.contains_key(name) {
                        let place = self.add(held);
                        self.variables.insert(name.clone(), place);
                    }
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>) {
        let name = self.handle(frame, named);
        let held = self.variables.get(&name).copied();
        let shape = held.and_then(|held| self.tensors[held].shape.clone());
        let Some(&output) = named.operator.outputs.first() else { return };
        self.settle(frame, output, shape);
        let made = frame.places[output];
        // What is read is as wide as what comes out, whichever variable it is.
        let inputs = vec![held.unwrap_or(made)];
        let (name, operator) = (named.name.clone(), named.title.clone());
        self.steps.push(Step {
            name,
            operator,
            inputs,
            outputs: vec![made],
            work: Work::Selection,
            scope: frame.scope,
        });
    }

    fn assign(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>) {
        let name = self.handle(frame, named);
        let Some(value) = named.operator.inputs.get(1).copied().flatten() else { return };
        let value = frame.places[value];
        let held = Tensor { name: name.clone(), is_constant: false, ..self.tensors[value].clone() };
        let place = self.add(held);
        if name != UNNAMED {
            self.variables.insert(name, place);
        }
        let (name, operator) = (named.name.clone(), named.title.clone());
        let (inputs, outputs) = (vec![value], vec![place]);
        self.steps.push(Step { name, operator, inputs, outputs, work: Work::Selection, scope: frame.scope });
    }

    fn handle(&self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>) -> String {
        let handle = named.operator.inputs.first().copied().flatten();
        let name = handle.and_then(|handle| self.handles.get(&frame.places[handle]));
        name.map_or_else(|| UNNAMED.to_owned(), Clone::clone)
    }
}

/// The name that all handles of a variable share: container and name of the options.
fn name_of(graph: &TfliteGraph<'_>, named: &Named<'_, '_>) -> String {
    let text = |field| {
        let bytes = named.operator.options.as_ref().and_then(|options| options.bytes(field).ok());
        crate::model_file::readable(bytes.unwrap_or_default())
    };
    let name = format!("{}/{}", text(0), text(1));
    // Without a name of its own a handle is known by its tensor.
    let tensor = named.operator.outputs.first().map(|output| graph.tensors[*output].name.clone());
    if name == "/" { tensor.unwrap_or_default() } else { name }
}
