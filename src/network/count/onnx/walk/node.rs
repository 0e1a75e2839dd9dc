//! One node: what it makes, which of its outputs is asked for, and the step that it becomes.

use super::{Call, Walk, control, functions};
use crate::model_file::elements;
use crate::model_file::onnx::{OnnxNode, Payload};
use crate::network::count::error::CountError;
use crate::network::count::graph::{Step, TensorIndex, Work};
use crate::network::count::onnx::fact::Fact;
use crate::network::count::onnx::frame::OnnxFrame;
use crate::network::count::onnx::operators::{self, Context, Made, NodeEffect, storage_bits};
use crate::network::count::onnx::settle::{OutputSlot, settled};
use crate::network::count::uncountable::Uncountable;

/// No runtime takes more axes; a hostile file could have every node hold a copy of very many.
const MOST_AXES: usize = 64;

impl<'m, 'a> Walk<'m, 'a> {
    /// Walk one node of a frame.
    pub(super) fn node<'f>(
        &mut self,
        frame: &mut OnnxFrame<'f, 'a>,
        call: &Call<'f, 'a>,
    ) -> Result<(), CountError> {
        let node = call.node;
        let answer = if let Some(answer) = control::follow(self, frame, call)? {
            answer
        } else if let Some(function) = self.functions.of(node) {
            Ok(functions::expand(self, frame, call, function)?)
        } else {
            return self.operator(frame, call);
        };
        let outputs = match answer {
            Ok(outputs) => outputs,
            Err(why) => return self.uncounted(frame, call, why),
        };
        for (place, output) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let tensor = match outputs.get(place).copied().flatten() {
                Some(tensor) => tensor,
                None => self.unknown_output(frame, call, output),
            };
            let fact = &self.facts[tensor];
            if fact.sequence.is_none() {
                let slot = self.slot(frame, output);
                let computed = fact.shape.clone().ok_or(Uncountable::Unknown(String::new()));
                if let Ok((shape, difference)) = settled(&slot, computed) {
                    self.differences.extend(difference.map(|difference| difference.of(output)));
                    self.facts[tensor].shape = Some(shape);
                }
            }
            frame.names.insert(output, tensor);
        }
        Ok(())
    }

    fn operator<'f>(&mut self, frame: &mut OnnxFrame<'f, 'a>, call: &Call<'f, 'a>) -> Result<(), CountError> {
        let node = call.node;
        let context = Context {
            node,
            inputs: call.read.iter().map(|place| place.map(|place| &self.facts[place])).collect(),
            outputs: node.outputs.iter().map(|name| self.slot(frame, name)).collect(),
            settings: frame.settings,
            version: frame.version,
        };
        let effect = match operators::apply(&context) {
            Ok(effect) => effect,
            Err(Uncountable::Unknown(why) | Uncountable::Wrong(why)) => {
                return self.uncounted(frame, call, why);
            }
            Err(Uncountable::TooLarge) => {
                return Err(CountError::TooLarge { what: format!("what node `{}` makes", call.name) });
            }
        };
        let asked = context.outputs.iter().map(|output| output.is_asked).collect::<Vec<_>>();
        if asked.iter().skip(effect.outputs.len()).any(|is_asked| *is_asked) {
            return self.uncounted(frame, call, "it has more outputs than are counted".to_owned());
        }
        if effect.outputs.iter().any(|made| made.shape.len() > MOST_AXES) {
            return self.uncounted(frame, call, format!("it makes a tensor of more than {MOST_AXES} axes"));
        }
        self.counted(frame, call, effect)
    }

    /// An operator that has a rule.
    fn counted<'f>(
        &mut self,
        frame: &mut OnnxFrame<'f, 'a>,
        call: &Call<'f, 'a>,
        effect: NodeEffect,
    ) -> Result<(), CountError> {
        let node = call.node;
        let is_tensor = |place: &usize| !effect.settings.contains(place);
        let inputs: Vec<TensorIndex> = call
            .read
            .iter()
            .enumerate()
            .filter(|(place, _)| is_tensor(place))
            .filter_map(|(_, tensor)| *tensor)
            .collect();
        let is_settled = |place: &TensorIndex| {
            let fact = &self.facts[*place];
            fact.is_constant || fact.values.is_some()
        };
        let reads = || call.read.iter().flatten().map(|place| &self.facts[*place]);
        let asks_for_shape = matches!(node.operator.as_str(), "Shape" | "Size");
        let is_of_shapes =
            asks_for_shape && reads().any(|fact| !fact.is_constant) || reads().any(|fact| fact.is_of_shapes);
        let is_product = matches!(effect.work, Work::Product { .. } | Work::Compound { .. });
        let runs_anew = operators::is_random(node) || is_product && is_of_shapes;
        // What hangs on constants alone is computed once, when the model is loaded. Shapes are constants here
        // too, but not for products, such as that of a first state of zeros.
        let is_constant = !runs_anew
            && (inputs.iter().all(|place| self.facts[*place].is_constant)
                && call.read.iter().flatten().all(is_settled)
                || effect.outputs.iter().all(|made| made.values.is_some()));
        let payload = constant_payload(node);
        if let Some(payload) = payload {
            payload.check()?;
        }
        let is_asked: Vec<bool> = node.outputs.iter().map(|name| frame.is_asked(name)).collect();
        let is_any_asked = is_asked.contains(&true);
        let mut outputs = Vec::new();
        for (place, (output, made)) in node.outputs.iter().zip(effect.outputs).enumerate() {
            // A node whose outputs are not read is counted by its first output.
            if output.is_empty() || !is_asked[place] && (is_any_asked || !outputs.is_empty()) {
                continue;
            }
            let mut fact = self.fact(frame, output, made)?;
            fact.is_constant = is_constant;
            fact.is_of_shapes = is_constant && is_of_shapes;
            fact.payload = payload.cloned();
            let tensor = self.add(fact);
            frame.names.insert(output, tensor);
            outputs.push(tensor);
        }
        if !is_constant && !outputs.is_empty() {
            let (name, operator) = (call.name.clone(), node.operator.clone());
            self.steps.push(Step { name, operator, inputs, outputs, work: effect.work, scope: frame.scope });
        }
        Ok(())
    }

    /// An operator without a rule: what is known of its outputs besides is kept for those after it.
    fn uncounted<'f>(
        &mut self,
        frame: &mut OnnxFrame<'f, 'a>,
        call: &Call<'f, 'a>,
        why: String,
    ) -> Result<(), CountError> {
        let mut outputs = Vec::new();
        for output in call.node.outputs.iter().filter(|name| !name.is_empty()) {
            let tensor = self.unknown_output(frame, call, output);
            frame.names.insert(output, tensor);
            outputs.push(tensor);
        }
        let inputs = call.read.iter().flatten().copied().collect();
        let (name, operator) = (call.name.clone(), call.node.operator.clone());
        self.steps.push(Step {
            name,
            operator,
            inputs,
            outputs,
            work: Work::Uncounted(why),
            scope: frame.scope,
        });
        Ok(())
    }

    fn unknown_output(&mut self, frame: &OnnxFrame<'_, 'a>, call: &Call<'_, 'a>, name: &str) -> TensorIndex {
        let slot = self.slot(frame, name);
        let shape = settled(&slot, Err(Uncountable::Unknown(String::new()))).ok().map(|(shape, _)| shape);
        let first = call.read.first().copied().flatten();
        let declared = slot.declared.map(|declared| declared.element_type).filter(|number| *number != 0);
        let element_type = declared.or(first.map(|first| self.facts[first].element_type)).unwrap_or(1);
        let name = name.to_owned();
        let stored_bits = storage_bits(element_type);
        self.add(Fact { name, shape, element_type, stored_bits, ..Fact::default() })
    }

    /// What is known of an output before its node is looked at.
    fn slot<'n>(&self, frame: &'n OnnxFrame<'_, 'a>, name: &str) -> OutputSlot<'n>
    where
        'm: 'n,
    {
        OutputSlot {
            is_asked: frame.is_asked(name),
            // Tensors of a function may have the names of others.
            measured: self.measured.get(name).copied().filter(|_| frame.settings.is_none()),
            declared: frame.declared.get(name).copied(),
            symbols: &frame.symbols,
            goes_first: frame.has_fixed_inputs,
        }
    }

    /// What an operator says of an output that it makes.
    fn fact(&mut self, frame: &OnnxFrame<'_, 'a>, name: &str, made: Made) -> Result<Fact<'a>, CountError> {
        if elements(&made.shape).is_none() {
            return Err(CountError::TooLarge { what: format!("the size of `{name}`") });
        }
        self.differences.extend(made.difference.map(|difference| difference.of(name)));
        let stored_bits = made.stored_bits.filter(|_| !frame.given_out.contains(name));
        Ok(Fact {
            name: name.to_owned(),
            shape: made.sequence.is_none().then_some(made.shape),
            element_type: made.element_type,
            stored_bits: stored_bits.unwrap_or_else(|| storage_bits(made.element_type)),
            values: made.values,
            sequence: made.sequence,
            ..Fact::default()
        })
    }
}

/// The value of a `Constant` is where an initializer's would be.
fn constant_payload<'f, 'a>(node: &'f OnnxNode<'a>) -> Option<&'f Payload<'a>> {
    let value = node.attributes.iter().find(|attribute| attribute.name.ends_with("value"));
    value.filter(|_| node.operator == "Constant").and_then(|attribute| attribute.tensor.as_ref())
}
