//! Functions: operators that the file defines by a graph. They are counted as if their nodes were there in
//! place of the node that calls them, as runtimes run them.

use std::collections::HashMap;

use super::{Call, Outputs, Walk};
use crate::model_file::onnx::{OnnxFunction, OnnxNode, is_own_domain};
use crate::network::count::error::CountError;
use crate::network::count::onnx::frame::{CallSettings, OnnxFrame};

/// Domain, name and overload.
type Key<'m> = (&'m str, &'m str, &'m str);

/// The functions of a file.
#[derive(Debug)]
pub(super) struct Functions<'m, 'a> {
    by_name: HashMap<Key<'m>, &'m OnnxFunction<'a>>,
    /// Those that are being expanded, by domain and name.
    open: Vec<Key<'m>>,
}

impl<'m, 'a> Functions<'m, 'a> {
    pub(super) fn new(functions: &'m [OnnxFunction<'a>]) -> Self {
        let by_name = functions.iter().map(|function| (key(function), function)).collect();
        Self { by_name, open: Vec::new() }
    }

    /// The function that a node calls.
    pub(super) fn of(&self, node: &OnnxNode<'_>) -> Option<&'m OnnxFunction<'a>> {
        if is_own_domain(&node.domain) && self.by_name.is_empty() {
            return None;
        }
        self.by_name.get(&(node.domain.as_str(), node.operator.as_str(), node.overload.as_str())).copied()
    }
}

fn key<'m>(function: &'m OnnxFunction<'_>) -> Key<'m> {
    (&function.domain, &function.name, &function.overload)
}

/// What a node that calls a function makes.
pub(super) fn expand<'m, 'a>(
    walk: &mut Walk<'m, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
    function: &'m OnnxFunction<'a>,
) -> Result<Outputs, CountError> {
    if walk.functions.open.contains(&key(function)) {
        return Err(CountError::Recursive { function: function.name.clone() });
    }
    let names = function.inputs.len() + function.outputs.len() + function.intermediates.len();
    walk.spend(function.nodes.len() + function.defaults.len() + names)?;
    let settings = CallSettings {
        attributes: &call.node.attributes,
        defaults: &function.defaults,
        outer: frame.settings,
    };
    let mut inner = frame.of_function(function, &settings, &call.name)?;
    for (name, place) in function.inputs.iter().zip(&call.read) {
        if let Some(place) = place {
            inner.names.insert(name, *place);
        }
    }
    walk.functions.open.push(key(function));
    let outputs: Vec<&str> = function.outputs.iter().map(String::as_str).collect();
    walk.nodes(&mut inner, &function.nodes, &outputs)?;
    walk.functions.open.pop();
    Ok(outputs.iter().map(|output| inner.find(output)).collect())
}
