//! The walk: each operator of a graph in the order in which an interpreter runs them.

use std::collections::{BTreeMap, HashMap};

use super::control::Called;
use super::declared::{self, Decision};
use super::operators::{Context, Effect, rule};
use super::values;
use crate::model_file::tflite::graph::{TfliteGraph, TfliteModel, TfliteOperator};
use crate::model_file::tflite::operators::{is_custom, title};
use crate::network::cost::{Assumption, Difference, ShapeSource};
use crate::network::count::error::CountError;
use crate::network::count::graph::{Scope, Step, Tensor, TensorIndex, Walked, Work};
use crate::network::count::uncountable::Uncountable;

/// No runtime takes more axes; a hostile file could have every operator hold a copy of very many.
const MOST_AXES: usize = 64;

/// What is known so far.
pub(super) struct Walker<'m, 'a> {
    pub(super) model: &'m TfliteModel<'a>,
    /// The tensors of every graph that was entered, one after another.
    pub(super) tensors: Vec<Tensor>,
    /// Whole numbers that tensors hold, as far as they are known before the model runs.
    pub(super) known: Vec<Option<Vec<i64>>>,
    pub(super) steps: Vec<Step>,
    pub(super) assumptions: Vec<Assumption>,
    differences: Vec<Difference>,
    /// The variable that a handle stands for, by its name.
    pub(super) handles: HashMap<TensorIndex, String>,
    /// What variables hold.
    pub(super) variables: HashMap<String, TensorIndex>,
    pub(super) called: Called,
}

/// A graph while it is walked.
pub(super) struct Frame<'m, 'a> {
    pub(super) graph: &'m TfliteGraph<'a>,
    /// Where its tensors are among those of the walk.
    pub(super) places: Vec<TensorIndex>,
    is_made: Vec<bool>,
    pub(super) scope: Scope,
    /// Whether the file's shapes hold for the inputs that are counted for.
    pub(super) trusts_file: bool,
}

/// An operator with what it is called.
pub(super) struct Named<'m, 'a> {
    pub(super) operator: &'m TfliteOperator<'a>,
    pub(super) name: String,
    pub(super) title: String,
}

impl<'m, 'a> Walker<'m, 'a> {
    pub(super) fn new(model: &'m TfliteModel<'a>, assumptions: Vec<Assumption>) -> Self {
        Self {
            model,
            tensors: Vec::new(),
            known: Vec::new(),
            steps: Vec::new(),
            assumptions,
            differences: Vec::new(),
            handles: HashMap::new(),
            variables: HashMap::new(),
            called: Called::default(),
        }
    }

    /// Walk the main graph for inputs of these shapes, and of these values by their names. The tensors that
    /// it gives out.
    pub(super) fn main(
        &mut self,
        graph: &'m TfliteGraph<'a>,
        shapes: Vec<Vec<u64>>,
        values: &BTreeMap<String, Vec<i64>>,
    ) -> Result<Vec<TensorIndex>, CountError> {
        let inputs = graph.inputs.iter().zip(shapes).map(|(local, shape)| {
            let file = &graph.tensors[*local];
            Tensor { name: file.name.clone(), shape: Some(shape), bits: file.bits, is_constant: false }
        });
        let operands: Vec<TensorIndex> =
            inputs.collect::<Vec<_>>().into_iter().map(|input| self.add(input)).collect();
        for operand in &operands {
            let input = &self.tensors[*operand];
            let given = values.get(&input.name).zip(input.shape.as_deref());
            self.known[*operand] = given.and_then(|(values, shape)| values::of_input(values, shape));
        }
        let mut frame = self.enter(graph, &operands, Scope::MAIN);
        self.follow(&mut frame)?;
        if let Some(output) = graph.outputs.iter().find(|output| !frame.is_made[**output]) {
            return Err(CountError::Missing {
                node: "the graph's output".to_owned(),
                tensor: graph.tensors[*output].name.clone(),
            });
        }
        Ok(graph.outputs.iter().map(|local| frame.places[*local]).collect())
    }

    pub(super) fn finish(self, outputs: Vec<TensorIndex>) -> Walked {
        Walked {
            tensors: self.tensors,
            steps: self.steps,
            outputs,
            differences: self.differences,
            assumptions: self.assumptions,
            measured: 0,
        }
    }

    pub(super) fn add(&mut self, tensor: Tensor) -> TensorIndex {
        self.tensors.push(tensor);
        self.known.push(None);
        self.tensors.len() - 1
    }

    /// Begin with a graph whose inputs are tensors that exist.
    pub(super) fn enter(
        &mut self,
        graph: &'m TfliteGraph<'a>,
        operands: &[TensorIndex],
        scope: Scope,
    ) -> Frame<'m, 'a> {
        let mut is_written = vec![false; graph.tensors.len()];
        let outputs = graph.operators.iter().flat_map(|operator| &operator.outputs);
        outputs.chain(&graph.inputs).for_each(|local| is_written[*local] = true);
        let operands: HashMap<usize, TensorIndex> =
            graph.inputs.iter().copied().zip(operands.iter().copied()).collect();
        let trusts_file = operands.iter().all(|(local, operand)| {
            self.tensors[*operand].shape.as_deref() == Some(graph.tensors[*local].shape.as_slice())
        });
        let mut frame = Frame { graph, places: Vec::new(), is_made: Vec::new(), scope, trusts_file };
        for (local, file) in graph.tensors.iter().enumerate() {
            // What has no elements needs no place in the file.
            let is_constant = file.is_constant || file.is_empty() && !is_written[local];
            let operand = operands.get(&local).copied();
            frame.places.push(operand.unwrap_or_else(|| {
                let shape = (is_constant || file.is_variable).then(|| file.shape.clone());
                let place = self.add(Tensor { name: file.name.clone(), shape, bits: file.bits, is_constant });
                self.known[place] = values::of_constant(file).filter(|_| is_constant);
                place
            }));
            frame.is_made.push(is_constant || file.is_variable || operand.is_some());
        }
        frame
    }

    /// Every operator of a graph.
    pub(super) fn follow(&mut self, frame: &mut Frame<'m, 'a>) -> Result<(), CountError> {
        for (place, operator) in frame.graph.operators.iter().enumerate() {
            let title = title(operator.code, &operator.custom);
            // Operators have no names; what they make has.
            let made =
                operator.outputs.first().map_or("", |output| frame.graph.tensors[*output].name.as_str());
            let name = if made.is_empty() { format!("#{place}") } else { made.to_owned() };
            if let Some(input) = operator.inputs.iter().flatten().find(|input| !frame.is_made[**input]) {
                let tensor = frame.graph.tensors[*input].name.clone();
                return Err(CountError::Missing { node: name, tensor });
            }
            self.run(frame, &Named { operator, name, title })?;
            operator.outputs.iter().for_each(|output| frame.is_made[*output] = true);
        }
        Ok(())
    }

    fn run(&mut self, frame: &mut Frame<'m, 'a>, named: &Named<'m, 'a>) -> Result<(), CountError> {
        if !is_custom(named.operator.code) && (self.control(frame, named)? || self.variable(frame, named)) {
            return Ok(());
        }
        let context = self.context(frame, named.operator);
        let answer = match rule(named.operator.code) {
            Some(rule) => rule(&context),
            None if is_custom(named.operator.code) => Err(Uncountable::Unknown(
                "it is a custom operator; the file does not say what it computes".to_owned(),
            )),
            None => Err(Uncountable::Unknown("this operator is not counted".to_owned())),
        };
        let known = values::compute(&named.title, &context);
        let effect = match answer {
            Ok(effect) => effect,
            Err(Uncountable::TooLarge) => {
                return Err(CountError::TooLarge { what: format!("what node `{}` makes", named.name) });
            }
            // An interpreter may be more lenient than these rules: the file is not refused for it.
            Err(Uncountable::Unknown(why) | Uncountable::Wrong(why)) => {
                Effect { shapes: Vec::new(), work: Work::Uncounted(why), tensors: context.all() }
            }
        };
        self.conclude(frame, named, effect);
        for (output, known) in named.operator.outputs.iter().zip(known) {
            self.known[frame.places[*output]] = known;
        }
        Ok(())
    }

    /// Take note of what an operator makes and does.
    pub(super) fn conclude(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>, effect: Effect) {
        let operator = named.operator;
        let mut computed = effect.shapes.into_iter();
        for output in &operator.outputs {
            self.settle(frame, *output, computed.next());
        }
        let place = |local: &Option<usize>| local.map(|local| frame.places[local]);
        let inputs: Vec<TensorIndex> =
            effect.tensors.iter().filter_map(|input| place(operator.inputs.get(*input)?)).collect();
        let mut read = operator.inputs.iter().filter_map(place).peekable();
        let is_once = matches!(
            effect.work,
            Work::View
                | Work::Selection
                | Work::Operations(_)
                | Work::Quantise
                | Work::Dequantise
                | Work::Sum
                | Work::Clamp
        );
        // Computed from constants alone, before the first inference.
        if is_once && read.peek().is_some() && read.all(|input| self.tensors[input].is_constant) {
            let stored = inputs.first().map(|input| self.tensors[*input].bits);
            for output in &operator.outputs {
                let tensor = &mut self.tensors[frame.places[*output]];
                tensor.is_constant = true;
                // Weights stay as they are stored: half as wide behind a DEQUANTIZE.
                tensor.bits = stored.map_or(tensor.bits, |bits| bits.min(tensor.bits));
            }
            return;
        }
        let outputs = operator.outputs.iter().map(|output| frame.places[*output]).collect();
        let (name, operator) = (named.name.clone(), named.title.clone());
        self.steps.push(Step { name, operator, inputs, outputs, work: effect.work, scope: frame.scope });
    }

    /// Decide on the shape of an output for which `computed` follows from the operator's inputs.
    pub(super) fn settle(&mut self, frame: &Frame<'m, 'a>, local: usize, computed: Option<Vec<u64>>) {
        let file = &frame.graph.tensors[local];
        let computed = computed.filter(|shape| shape.len() <= MOST_AXES);
        let shape = match declared::decide(file, frame.trusts_file, computed) {
            Decision::Agreed(shape) => Some(shape),
            Decision::Unknown => None,
            Decision::ByFile { used, computed } => {
                self.differences.push(Difference {
                    tensor: file.name.clone(),
                    used: used.clone(),
                    source: ShapeSource::File,
                    computed,
                });
                Some(used)
            }
        };
        self.tensors[frame.places[local]].shape = shape;
    }

    pub(super) fn context<'r>(
        &'r self,
        frame: &'r Frame<'m, 'a>,
        operator: &'r TfliteOperator<'a>,
    ) -> Context<'r, 'a> {
        Context {
            graph: frame.graph,
            places: &frame.places,
            tensors: &self.tensors,
            known: &self.known,
            operator,
            trusts_file: frame.trusts_file,
        }
    }
}
