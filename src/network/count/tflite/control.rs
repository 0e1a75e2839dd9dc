//! Operators that run other graphs of the file: branches, loops, calls and composites.
//!
//! Each call is walked anew, because shapes differ between calls. A hostile file could call in circles, or
//! call twice what calls twice: depth and number of operators are bounded.

use super::operators::Context;
use super::walk::{Frame, Named, Walker};
use crate::model_file::tflite::graph::TfliteGraph;
use crate::network::cost::Assumption;
use crate::network::count::error::CountError;
use crate::network::count::graph::{Scope, Step, Tensor, TensorIndex, Work};

/// Exporters nest a few graphs; deeper, a walk would need much of the stack.
const MOST_NESTED: usize = 24;

/// Operators that calls may come to, more than in any model known.
const MOST_CALLED: usize = 1 << 16;

/// Calls so far.
#[derive(Debug, Default)]
pub(super) struct Called {
    /// Graphs that are being walked, from the outermost.
    stack: Vec<usize>,
    /// Operators of all calls.
    operators: usize,
    /// Number of the next scope after the main one's.
    scopes: usize,
}

/// How an operator runs others.
enum Control {
    /// One graph, once.
    Call(usize),
    /// One of several graphs.
    Branches(Vec<usize>),
    /// A condition and a body, again and again.
    Loop { condition: usize, body: usize },
}

impl<'m, 'a> Walker<'m, 'a> {
    /// Run an operator that runs other graphs. `false` if it is another one.
    pub(super) fn control(
        &mut self,
        frame: &mut Frame<'m, 'a>,
        named: &Named<'m, 'a>,
    ) -> Result<bool, CountError> {
        let control = control_of(&named.title, &self.context(frame, named.operator));
        let Some(control) = control else { return Ok(false) };
        let operands: Vec<TensorIndex> =
            named.operator.inputs.iter().flatten().map(|local| frame.places[*local]).collect();
        let why = match control {
            Ok(Control::Call(graph)) => self.call(frame, named, graph, &operands)?,
            Ok(Control::Branches(graphs)) => self.branches(frame, named, &graphs, &operands)?,
            Ok(Control::Loop { condition, body }) => {
                self.repeat(frame, named, [condition, body], &operands)?
            }
            Err(why) => Some(why),
        };
        if let Some(why) = why {
            let inputs = operands;
            for output in &named.operator.outputs {
                self.settle(frame, *output, None);
            }
            let outputs = named.operator.outputs.iter().map(|local| frame.places[*local]).collect();
            let (name, operator) = (named.name.clone(), named.title.clone());
            let work = Work::Uncounted(why);
            self.steps.push(Step { name, operator, inputs, outputs, work, scope: frame.scope });
        }
        Ok(true)
    }

    /// Walk a graph once. Why it was not, if so.
    fn call(
        &mut self,
        frame: &Frame<'m, 'a>,
        named: &Named<'m, 'a>,
        graph: usize,
        operands: &[TensorIndex],
    ) -> Result<Option<String>, CountError> {
        let made = match self.enclosed(graph, operands, frame.scope.repeats)? {
            Ok(made) => made,
            Err(why) => return Ok(Some(why)),
        };
        self.give_out(frame, named, &made);
        Ok(None)
    }

    /// Count the branch that costs most, unless it is known which one runs.
    fn branches(
        &mut self,
        frame: &Frame<'m, 'a>,
        named: &Named<'m, 'a>,
        graphs: &[usize],
        operands: &[TensorIndex],
    ) -> Result<Option<String>, CountError> {
        let operands = operands.get(1..).unwrap_or(&[]);
        let mut dearest: Option<(u64, usize, Vec<Step>, Vec<TensorIndex>)> = None;
        for (number, graph) in graphs.iter().enumerate() {
            let before = self.steps.len();
            let made = match self.enclosed(*graph, operands, frame.scope.repeats)? {
                Ok(made) => made,
                Err(why) => return Ok(Some(why)),
            };
            let steps = self.steps.split_off(before);
            let macs = steps.iter().map(macs).fold(0, u64::saturating_add);
            if dearest.as_ref().is_none_or(|(most, ..)| macs > *most) {
                dearest = Some((macs, number, steps, made));
            }
        }
        let Some((_, number, steps, made)) = dearest else {
            return Ok(Some("it names no graph to run".to_owned()));
        };
        self.steps.extend(steps);
        if graphs.len() > 1 {
            self.assumptions.push(Assumption {
                name: named.name.clone(),
                operator: named.title.clone(),
                what: format!("branch {} of {} runs, which has the most MACs", number + 1, graphs.len()),
            });
        }
        self.give_out(frame, named, &made);
        Ok(None)
    }

    /// Count condition and body of a loop.
    fn repeat(
        &mut self,
        frame: &Frame<'m, 'a>,
        named: &Named<'m, 'a>,
        [condition, body]: [usize; 2],
        operands: &[TensorIndex],
    ) -> Result<Option<String>, CountError> {
        let runs = self.runs(condition, body, operands);
        if runs.is_none() {
            self.assumptions.push(Assumption {
                name: named.name.clone(),
                operator: named.title.clone(),
                what: "its body runs once; how often is known only while the model runs".to_owned(),
            });
        }
        let operands = &self.carried(body, operands);
        let repeats = frame.scope.repeats.saturating_mul(runs.unwrap_or(1));
        for (graph, repeats) in [(condition, repeats.saturating_add(frame.scope.repeats)), (body, repeats)] {
            match self.enclosed(graph, operands, repeats)? {
                Err(why) => return Ok(Some(why)),
                Ok(made) if graph == body => self.give_out(frame, named, &made),
                Ok(_) => {}
            }
        }
        Ok(None)
    }

    /// Operands as they are in any iteration: what the body changes is neither constant nor known.
    fn carried(&mut self, body: usize, operands: &[TensorIndex]) -> Vec<TensorIndex> {
        let body = self.model.graphs.get(body);
        let is_handed_on = |place: usize| {
            body.is_some_and(|body| {
                body.inputs.get(place).is_some_and(|input| body.outputs.get(place) == Some(input))
            })
        };
        let mut carried = Vec::with_capacity(operands.len());
        for (place, operand) in operands.iter().enumerate() {
            carried.push(if is_handed_on(place) {
                *operand
            } else {
                self.add(Tensor { is_constant: false, ..self.tensors[*operand].clone() })
            });
        }
        carried
    }

    /// Walker a called graph with these operands. What it gives out, or why it is not walked.
    fn enclosed(
        &mut self,
        number: usize,
        operands: &[TensorIndex],
        repeats: u64,
    ) -> Result<Result<Vec<TensorIndex>, String>, CountError> {
        let graphs = &self.model.graphs;
        let Some(graph) = graphs.get(number) else {
            return Ok(Err(format!("it runs graph {number}, and the file has {}", graphs.len())));
        };
        if number == 0 || self.called.stack.contains(&number) {
            return Ok(Err(format!("graph {number} runs itself")));
        }
        if self.called.stack.len() >= MOST_NESTED {
            return Ok(Err(format!("graphs run each other more than {MOST_NESTED} deep")));
        }
        self.called.operators =
            self.called.operators.saturating_add(graph.operators.len() + graph.tensors.len());
        if self.called.operators > MOST_CALLED {
            return Ok(Err(format!(
                "the graphs that run each other come to more than {MOST_CALLED} operators"
            )));
        }
        if operands.len() != graph.inputs.len() {
            let (has, takes) = (operands.len(), graph.inputs.len());
            return Ok(Err(format!("it hands {has} tensors to graph {number}, which takes {takes}")));
        }
        self.called.stack.push(number);
        self.called.scopes += 1;
        let scope = Scope { graph: self.called.scopes, repeats };
        let mut frame = self.enter(graph, operands, scope);
        let followed = self.follow(&mut frame);
        self.called.stack.pop();
        followed?;
        Ok(Ok(graph.outputs.iter().map(|local| frame.places[*local]).collect()))
    }

    /// The outputs of a called graph are those of the operator.
    fn give_out(&mut self, frame: &Frame<'m, 'a>, named: &Named<'m, 'a>, made: &[TensorIndex]) {
        for (place, output) in named.operator.outputs.iter().enumerate() {
            let inner = made.get(place).copied();
            let shape = inner.and_then(|inner| self.tensors[inner].shape.clone());
            self.settle(frame, *output, shape);
            let Some(inner) = inner else { continue };
            let outer = frame.places[*output];
            self.known[outer] = self.known[inner].clone();
            let (name, operator) = (named.name.clone(), named.title.clone());
            let (inputs, outputs) = (vec![inner], vec![outer]);
            self.steps.push(Step { name, operator, inputs, outputs, work: Work::View, scope: frame.scope });
        }
    }

    /// How often a loop runs that counts up or down to a constant, as exporters write them.
    fn runs(&self, condition: usize, body: usize, operands: &[TensorIndex]) -> Option<u64> {
        let (condition, body) = (self.model.graphs.get(condition)?, self.model.graphs.get(body)?);
        let [test] = condition.operators.as_slice() else { return None };
        let is_less = match test.code {
            LESS => 0,
            LESS_EQUAL => 1,
            _ => return None,
        };
        let [Some(counter), Some(limit)] = test.inputs.as_slice() else { return None };
        let place = condition.inputs.iter().position(|input| input == counter)?;
        let limit = self.limit(condition, body, *limit, operands)?;
        let &[start] = self.known_values(operands, place)?.as_slice() else { return None };
        let step = step_of(body, place)?;
        let distance = limit.checked_sub(start)?.checked_add(is_less)?;
        let runs = if distance <= 0 { 0 } else { (distance - 1) / step + 1 };
        u64::try_from(runs).ok()
    }

    /// A constant of the condition, or an operand that the body hands on as it is.
    fn limit(
        &self,
        condition: &TfliteGraph<'_>,
        body: &TfliteGraph<'_>,
        local: usize,
        operands: &[TensorIndex],
    ) -> Option<i64> {
        if let Some([limit]) = condition.tensors[local].integers().as_deref() {
            return Some(*limit);
        }
        let place = condition.inputs.iter().position(|input| *input == local)?;
        if body.inputs.get(place)? != body.outputs.get(place)? {
            return None;
        }
        match self.known_values(operands, place)?.as_slice() {
            &[limit] => Some(limit),
            _ => None,
        }
    }

    fn known_values(&self, operands: &[TensorIndex], place: usize) -> Option<Vec<i64>> {
        self.known[*operands.get(place)?].clone()
    }
}

const LESS: u32 = 58;
const LESS_EQUAL: u32 = 63;
const ADD: u32 = 0;

/// What the body adds to a counter in each run.
fn step_of(body: &TfliteGraph<'_>, place: usize) -> Option<i64> {
    let (counter, next) = (*body.inputs.get(place)?, *body.outputs.get(place)?);
    let addition = body.operators.iter().find(|operator| operator.outputs.contains(&next))?;
    let [Some(first), Some(second)] = addition.inputs.as_slice() else { return None };
    let step = match (*first == counter, *second == counter) {
        (true, false) => *second,
        (false, true) => *first,
        _ => return None,
    };
    match body.tensors[step].integers()?.as_slice() {
        &[step] if addition.code == ADD && step > 0 => Some(step),
        _ => None,
    }
}

/// The graphs that an operator runs; `None` if it runs none, and why they are not known.
fn control_of(title: &str, context: &Context<'_, '_>) -> Option<Result<Control, String>> {
    let graph = |field| {
        let number = context.integer(field).map_err(|_| "its options cannot be read".to_owned())?;
        usize::try_from(number).map_err(|_| format!("it runs graph {number}"))
    };
    let control = match title {
        "CALL" => graph(0).map(Control::Call),
        // The attributes and the version come in between.
        "STABLEHLO_COMPOSITE" => graph(1).map(Control::Call),
        "IF" => match (graph(0), graph(1), context.value(0)) {
            (Ok(yes), Ok(no), None) => Ok(Control::Branches(vec![yes, no])),
            (Ok(yes), Ok(no), Some(condition)) => {
                Ok(Control::Branches(vec![if condition != 0 { yes } else { no }]))
            }
            (Err(why), ..) | (_, Err(why), _) => Err(why),
        },
        "STABLEHLO_CASE" => case(context),
        "WHILE" | "STABLEHLO_WHILE" => match (graph(0), graph(1)) {
            (Ok(condition), Ok(body)) => Ok(Control::Loop { condition, body }),
            (Err(why), _) | (_, Err(why)) => Err(why),
        },
        _ => return None,
    };
    Some(control)
}

fn case(context: &Context<'_, '_>) -> Result<Control, String> {
    let graphs = context.list(0).ok().flatten().ok_or_else(|| "it names no graph to run".to_owned())?;
    let graphs = graphs.into_iter().map(usize::try_from).collect::<Result<_, _>>();
    graphs.map(Control::Branches).map_err(|_| "it runs a graph that is not in the file".to_owned())
}

fn macs(step: &Step) -> u64 {
    match step.work {
        Work::Product { macs, .. } | Work::Compound { macs, .. } => macs.saturating_mul(step.scope.repeats),
        _ => 0,
    }
}
