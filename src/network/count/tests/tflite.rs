//! Single operators, called graphs and variables of TensorFlow Lite files, with numbers worked by hand.

use super::{file, none};
use crate::network::cost::Cost;
use crate::network::count::{InputShapes, Known, model_with, tflite};
use crate::network::emit::flatbuffer::{Table, lay_out};

const FLOAT32: u8 = 0;
const INT32: u8 = 2;
const RESOURCE: u8 = 13;

/// A file in the making. Buffer 0 is empty, as in every file.
struct File {
    codes: Vec<Table>,
    buffers: Vec<Table>,
    graphs: Vec<Graph>,
    signatures: Vec<Table>,
}

#[derive(Default)]
struct Graph {
    tensors: Vec<Table>,
    operators: Vec<Table>,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
}

impl File {
    fn new() -> Self {
        Self { codes: Vec::new(), buffers: vec![Table::new()], graphs: Vec::new(), signatures: Vec::new() }
    }

    fn buffer(&mut self, bytes: Vec<u8>) -> u32 {
        self.buffers.push(Table::new().bytes(0, bytes, 16));
        self.buffers.len() as u32 - 1
    }

    /// A constant of whole numbers.
    fn integers(&mut self, graph: &mut Graph, values: &[i32]) -> u32 {
        let buffer = self.buffer(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        graph.tensor("numbers", &[values.len() as u32], INT32, buffer)
    }

    /// A constant of one whole number without axes.
    fn integer(&mut self, graph: &mut Graph, value: i32) -> u32 {
        let buffer = self.buffer(value.to_le_bytes().to_vec());
        graph.tensor("number", &[], INT32, buffer)
    }

    fn weights(&mut self, graph: &mut Graph, shape: &[u32]) -> u32 {
        let buffer = self.buffer(vec![0; 4 * shape.iter().product::<u32>() as usize]);
        graph.tensor("weights", shape, FLOAT32, buffer)
    }

    /// An operator with its options.
    fn operator(&mut self, graph: &mut Graph, code: u32, inputs: &[i32], outputs: &[u32], options: Table) {
        let byte = code.min(127) as u8;
        self.codes.push(Table::new().byte(0, byte).word(2, 1).word(3, code));
        let inputs: Vec<u32> = inputs.iter().map(|input| input.cast_unsigned()).collect();
        let operator = Table::new().word(0, self.codes.len() as u32 - 1).words(1, &inputs).words(2, outputs);
        graph.operators.push(operator.byte(3, 1).table(4, options));
    }

    fn with(mut self, graph: Graph) -> Self {
        self.graphs.push(graph);
        self
    }

    fn bytes(self) -> Vec<u8> {
        let graph = |graph: Graph| {
            Table::new()
                .tables(0, graph.tensors)
                .words(1, &graph.inputs)
                .words(2, &graph.outputs)
                .tables(3, graph.operators)
        };
        let graphs = self.graphs.into_iter().map(graph).collect();
        let model = Table::new().word(0, 3).tables(1, self.codes).tables(2, graphs).tables(4, self.buffers);
        let model = model.tables(7, self.signatures);
        lay_out(model, *b"TFL3", 16).head
    }

    fn cost(self) -> Cost {
        tflite(&self.bytes(), &none()).unwrap()
    }
}

impl Graph {
    fn tensor(&mut self, name: &str, shape: &[u32], element_type: u8, buffer: u32) -> u32 {
        let tensor = Table::new().words(0, shape).byte(1, element_type).word(2, buffer).text(3, name);
        self.tensors.push(tensor.byte(8, 1));
        self.tensors.len() as u32 - 1
    }

    /// A tensor that is made while the model runs.
    fn activation(&mut self, name: &str, shape: &[u32]) -> u32 {
        self.tensor(name, shape, FLOAT32, 0)
    }

    fn input(&mut self, name: &str, shape: &[u32]) -> u32 {
        let input = self.activation(name, shape);
        self.inputs.push(input);
        input
    }
}

fn indices(tensors: &[u32]) -> Vec<i32> {
    tensors.iter().map(|tensor| tensor.cast_signed()).collect()
}

/// (MACs, operator) of each row.
fn rows(cost: &Cost) -> Vec<(&str, u64)> {
    cost.layers.iter().map(|layer| (layer.operator.as_str(), layer.macs)).collect()
}

/// A file with one operator on an input of shape `input` and weights of these shapes.
fn single(code: u32, input: &[u32], weights: &[&[u32]], output: &[u32], options: Table) -> Cost {
    let mut file = File::new();
    let mut graph = Graph::default();
    let mut read = vec![graph.input("x", input).cast_signed()];
    for shape in weights {
        read.push(if shape.is_empty() { -1 } else { file.weights(&mut graph, shape).cast_signed() });
    }
    let made = graph.activation("y", output);
    file.operator(&mut graph, code, &read, &[made], options);
    graph.outputs.push(made);
    let cost = file.with(graph).cost();
    assert_eq!((&cost.uncounted, &cost.differences), (&vec![], &vec![]));
    cost
}

#[test]
fn files_that_an_interpreter_runs_are_counted() {
    let counted = |name: &str| tflite(&file(&format!("tests/models/{name}.tflite")), &none()).unwrap();
    // Lists without elements: a shape of no axes, and no axes to add up along.
    assert_eq!(rows(&counted("reshape-to-scalar")), [("FULLY_CONNECTED", 16)]);
    assert_eq!(rows(&counted("sum-without-axes")), [("FULLY_CONNECTED", 64), ("SUM", 0)]);
    // The file has an axis more than the operator makes.
    let cost = counted("declared-rank");
    assert_eq!(rows(&cost), [("FULLY_CONNECTED", 128)]);
    let difference = &cost.differences[0];
    assert_eq!((difference.used.as_slice(), difference.computed.as_slice()), (&[1, 1, 8][..], &[1, 8][..]));
    // Signatures are open, and shapes have a 1 there.
    let cost = counted("placeholder-shapes");
    assert_eq!(rows(&cost), [("CONV_2D", 460_800), ("FULLY_CONNECTED", 51_200)]);
    assert_eq!(cost.layers[1].output_shape, [6_400, 4]);
    for name in ["reshape-to-scalar", "sum-without-axes", "placeholder-shapes"] {
        let cost = counted(name);
        assert_eq!((&cost.uncounted, &cost.differences), (&vec![], &vec![]), "{name}");
    }
}

#[test]
fn recurrent_layers_have_their_weights_once_a_step() {
    let lstm: &[&[u32]] = &[&[4, 3], &[4, 3], &[4, 3], &[4, 3], &[4, 4], &[4, 4], &[4, 4], &[4, 4]];
    // 5 steps of a batch of 2: four gates with 3 inputs and 4 states each.
    let cost = single(44, &[5, 2, 3], lstm, &[5, 2, 4], Table::new());
    assert_eq!(rows(&cost), [("UNIDIRECTIONAL_SEQUENCE_LSTM", 5 * 2 * 4 * 4 * (3 + 4))]);
    // Input and forget gate coupled: three gates.
    let coupled: &[&[u32]] = &[&[], &[4, 3], &[4, 3], &[4, 3], &[], &[4, 4], &[4, 4], &[4, 4]];
    assert_eq!(single(44, &[5, 2, 3], coupled, &[5, 2, 4], Table::new()).macs(), 5 * 2 * 3 * 4 * (3 + 4));
    let rnn = single(35, &[2, 5, 3], &[&[4, 3], &[4, 4], &[4]], &[2, 5, 4], Table::new());
    assert_eq!(rows(&rnn), [("UNIDIRECTIONAL_SEQUENCE_RNN", 10 * 4 * (3 + 4))]);
    // 6 filters of rank 2 and a memory of 10 steps.
    let svdf = single(27, &[2, 3], &[&[6, 3], &[6, 10], &[3]], &[2, 3], Table::new().word(0, 2));
    assert_eq!(rows(&svdf), [("SVDF", 2 * 6 * (3 + 10))]);
}

#[test]
fn convolutions_of_films_and_transposed_ones_have_their_macs() {
    let strides = || Table::new().byte(0, 1).word(1, 1).word(2, 1).word(3, 1);
    let cost = single(132, &[1, 4, 5, 6, 2], &[&[2, 3, 3, 2, 7]], &[1, 3, 3, 4, 7], strides());
    assert_eq!(rows(&cost), [("CONV_3D", 3 * 3 * 4 * 7 * 2 * 3 * 3 * 2)]);
    let mut file = File::new();
    let mut graph = Graph::default();
    let wanted = file.integers(&mut graph, &[1, 9, 9, 4]);
    let weights = file.weights(&mut graph, &[4, 3, 3, 2]);
    let input = graph.input("x", &[1, 4, 4, 2]);
    let made = graph.activation("y", &[1, 9, 9, 4]);
    let options = Table::new().byte(0, 1).word(1, 2).word(2, 2);
    file.operator(&mut graph, 67, &indices(&[wanted, weights, input]), &[made], options);
    graph.outputs.push(made);
    assert_eq!(rows(&file.with(graph).cost()), [("TRANSPOSE_CONV", 4 * 4 * 2 * 4 * 3 * 3)]);
}

#[test]
fn a_table_that_ids_choose_from_is_no_constant_result() {
    let mut file = File::new();
    let mut graph = Graph::default();
    let ids = graph.tensor("ids", &[1, 5], INT32, 0);
    graph.inputs.push(ids);
    let table = file.weights(&mut graph, &[30, 8]);
    let rows_of_ids = graph.activation("rows", &[1, 5, 8]);
    let made = graph.activation("y", &[1, 5, 8]);
    file.operator(&mut graph, 36, &indices(&[table, ids]), &[rows_of_ids], Table::new());
    file.operator(&mut graph, 28, &indices(&[rows_of_ids]), &[made], Table::new());
    graph.outputs.push(made);
    let cost = file.with(graph).cost();
    let row = |operator: &str| cost.layers.iter().find(|layer| layer.operator == operator).unwrap();
    assert_eq!((row("GATHER").parameters, row("GATHER").bytes_moved), (240, 2 * 160));
    assert_eq!(row("TANH").other_operations, 40);
}

/// A body that multiplies its second operand and counts its first one up.
fn counting_loop(limit: i32) -> File {
    let mut file = File::new();
    let mut main = Graph::default();
    let start = file.integer(&mut main, 0);
    let input = main.input("x", &[1, 4]);
    let counted = main.tensor("n", &[], INT32, 0);
    let made = main.activation("y", &[1, 4]);
    let options = Table::new().word(0, 1).word(1, 2);
    file.operator(&mut main, 119, &indices(&[start, input]), &[counted, made], options);
    main.outputs.push(made);
    let mut condition = Graph::default();
    let counter = condition.tensor("i", &[], INT32, 0);
    let value = condition.activation("v", &[1, 4]);
    let most = file.integer(&mut condition, limit);
    let is_less = condition.tensor("less", &[], 6, 0);
    file.operator(&mut condition, 58, &indices(&[counter, most]), &[is_less], Table::new());
    (condition.inputs, condition.outputs) = (vec![counter, value], vec![is_less]);
    let mut body = Graph::default();
    let counter = body.tensor("i", &[], INT32, 0);
    let value = body.activation("v", &[1, 4]);
    let one = file.integer(&mut body, 1);
    let next = body.tensor("next", &[], INT32, 0);
    let weights = file.weights(&mut body, &[4, 4]);
    let product = body.activation("product", &[1, 4]);
    file.operator(&mut body, 0, &indices(&[counter, one]), &[next], Table::new());
    file.operator(&mut body, 9, &indices(&[value, weights]), &[product], Table::new());
    (body.inputs, body.outputs) = (vec![counter, value], vec![next, product]);
    file.with(main).with(condition).with(body)
}

#[test]
fn loops_that_count_to_a_constant_are_counted_so_often() {
    let cost = counting_loop(6).cost();
    assert_eq!((cost.macs(), cost.parameters()), (6 * 16, 16 + 1 + 1));
    assert_eq!((&cost.uncounted, &cost.assumptions), (&vec![], &vec![]));
    assert_eq!(counting_loop(0).cost().macs(), 0);
}

#[test]
fn the_dearest_branch_is_counted_and_named() {
    let mut file = File::new();
    let mut main = Graph::default();
    let choice = main.tensor("choice", &[], 6, 0);
    main.inputs.push(choice);
    let input = main.input("x", &[1, 4]);
    let made = main.activation("y", &[1, 8]);
    file.operator(&mut main, 118, &indices(&[choice, input]), &[made], Table::new().word(0, 1).word(1, 2));
    main.outputs.push(made);
    let mut branches = Vec::new();
    for middle in [1, 3] {
        let mut branch = Graph::default();
        let input = branch.input("x", &[1, 4]);
        let (first, second) =
            (file.weights(&mut branch, &[middle, 4]), file.weights(&mut branch, &[8, middle]));
        let between = branch.activation("between", &[1, middle]);
        let product = branch.activation("product", &[1, 8]);
        file.operator(&mut branch, 9, &indices(&[input, first]), &[between], Table::new());
        file.operator(&mut branch, 9, &indices(&[between, second]), &[product], Table::new());
        branch.outputs.push(product);
        branches.push(branch);
    }
    for graph in std::iter::once(main).chain(branches) {
        file = file.with(graph);
    }
    let bytes = file.bytes();
    let cost = tflite(&bytes, &none()).unwrap();
    assert_eq!(cost.macs(), 4 * 3 + 3 * 8);
    assert_eq!(cost.uncounted, []);
    let told: Vec<&str> = cost.assumptions.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(told, ["branch 2 of 2 runs, which has the most MACs"]);
    let chosen = |values: &[i64]| {
        let mut known = Known::default();
        known.values.insert("choice".to_owned(), values.to_vec());
        let cost = model_with(&bytes, &known).unwrap();
        (cost.macs(), cost.assumptions.len())
    };
    // A condition that is given chooses, and any other number of values is no condition.
    assert_eq!((chosen(&[1]), chosen(&[0]), chosen(&[0, 1])), ((4 + 8, 0), (4 * 3 + 3 * 8, 0), (36, 1)));
}

/// A graph that runs the graphs with these numbers, one after another.
fn caller(file: &mut File, callees: &[u32]) -> Graph {
    let mut graph = Graph::default();
    let mut value = graph.input("x", &[1, 4]);
    for callee in callees {
        let made = graph.activation("y", &[1, 4]);
        file.operator(&mut graph, 31, &indices(&[value]), &[made], Table::new().word(0, *callee));
        value = made;
    }
    graph.outputs.push(value);
    graph
}

#[test]
fn calls_in_circles_are_bounded_and_named() {
    let mut file = File::new();
    let graphs = [caller(&mut file, &[1]), caller(&mut file, &[2]), caller(&mut file, &[1])];
    for graph in graphs {
        file = file.with(graph);
    }
    let cost = file.cost();
    let told: Vec<(&str, &str)> =
        cost.uncounted.iter().map(|one| (one.operator.as_str(), one.why.as_str())).collect();
    assert_eq!(told, [("CALL", "graph 1 runs itself")]);
}

#[test]
fn calls_that_double_are_bounded_in_time() {
    let mut file = File::new();
    let graphs: Vec<Graph> = (1..=40).map(|callee| caller(&mut file, &[callee, callee])).collect();
    let last = caller(&mut file, &[]);
    for graph in graphs.into_iter().chain([last]) {
        file = file.with(graph);
    }
    let started = std::time::Instant::now();
    let cost = file.cost();
    assert!(cost.uncounted.iter().any(|one| one.why.contains("graphs run each other more than")));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn a_long_chain_of_calls_takes_no_stack() {
    let mut file = File::new();
    let graphs: Vec<Graph> = (1..=20_000).map(|callee| caller(&mut file, &[callee])).collect();
    let last = caller(&mut file, &[]);
    for graph in graphs.into_iter().chain([last]) {
        file = file.with(graph);
    }
    assert_eq!(file.cost().uncounted[0].why, "graphs run each other more than 24 deep");
}

#[test]
fn variables_are_copied_and_their_handles_cost_nothing() {
    let mut file = File::new();
    let mut main = Graph::default();
    let input = main.input("x", &[1, 4]);
    let handle = main.tensor("handle", &[], RESOURCE, 0);
    let state = main.activation("state", &[1, 4]);
    let sum = main.activation("sum", &[1, 4]);
    let name = || Table::new().text(1, "memory");
    file.operator(&mut main, 129, &[], &[], Table::new().word(0, 1));
    file.operator(&mut main, 142, &[], &[handle], name());
    file.operator(&mut main, 143, &indices(&[handle]), &[state], Table::new());
    file.operator(&mut main, 0, &indices(&[input, state]), &[sum], Table::new());
    file.operator(&mut main, 144, &indices(&[handle, sum]), &[], Table::new());
    main.outputs.push(sum);
    let mut once = Graph::default();
    let handle = once.tensor("handle", &[], RESOURCE, 0);
    let zeros = file.weights(&mut once, &[1, 4]);
    file.operator(&mut once, 142, &[], &[handle], name());
    file.operator(&mut once, 144, &indices(&[handle, zeros]), &[], Table::new());
    let cost = file.with(main).with(once).cost();
    let told: Vec<(&str, u64, u64)> = cost
        .layers
        .iter()
        .map(|layer| (layer.operator.as_str(), layer.other_operations, layer.bytes_moved))
        .collect();
    assert_eq!(told, [("READ_VARIABLE", 0, 32), ("ADD", 4, 48), ("ASSIGN_VARIABLE", 0, 32)]);
    assert_eq!(cost.uncounted, []);
}

#[test]
fn what_is_not_counted_is_named_and_hides_no_shapes() {
    let mut file = File::new();
    let mut graph = Graph::default();
    let input = graph.input("x", &[1, 4]);
    let unique = graph.activation("unique", &[1, 4]);
    let product = graph.activation("y", &[1, 8]);
    let weights = file.weights(&mut graph, &[8, 4]);
    file.operator(&mut graph, 103, &indices(&[input]), &[unique], Table::new());
    file.operator(&mut graph, 9, &indices(&[unique, weights]), &[product], Table::new());
    graph.outputs.push(product);
    let cost = file.with(graph).cost();
    let told: Vec<(&str, &str)> =
        cost.uncounted.iter().map(|one| (one.operator.as_str(), one.why.as_str())).collect();
    assert_eq!(told, [("UNIQUE", "this operator is not counted")]);
    assert_eq!(cost.macs(), 32);
}

#[test]
fn shapes_made_of_shapes_are_followed_for_inputs_that_are_open() {
    let mut file = File::new();
    let mut graph = Graph::default();
    let open = Table::new().words(0, &[1, 1, 1, 4]).text(3, "x").words(7, &[u32::MAX, u32::MAX, u32::MAX, 4]);
    graph.tensors.push(open.byte(8, 1));
    graph.inputs.push(0);
    let shape = graph.tensor("shape", &[4], INT32, 0);
    let batch = graph.tensor("batch", &[1], INT32, 0);
    let wanted = graph.tensor("wanted", &[2], INT32, 0);
    let (begin, end, stride) =
        (file.integers(&mut graph, &[0]), file.integers(&mut graph, &[1]), file.integers(&mut graph, &[1]));
    let rest = file.integers(&mut graph, &[-1]);
    let flat = graph.activation("flat", &[1, 4]);
    let weights = file.weights(&mut graph, &[5, 36]);
    let made = graph.activation("y", &[1, 5]);
    file.operator(&mut graph, 77, &[0], &[shape], Table::new());
    file.operator(&mut graph, 45, &indices(&[shape, begin, end, stride]), &[batch], Table::new());
    file.operator(&mut graph, 2, &indices(&[batch, rest]), &[wanted], Table::new());
    file.operator(&mut graph, 22, &indices(&[0, wanted]), &[flat], Table::new());
    file.operator(&mut graph, 9, &indices(&[flat, weights]), &[made], Table::new());
    graph.outputs.push(made);
    let given = InputShapes::from([("x".to_owned(), vec![2, 3, 3, 4])]);
    let cost = tflite(&file.with(graph).bytes(), &given).unwrap();
    assert_eq!((cost.macs(), &cost.uncounted), (2 * 36 * 5, &vec![]));
}

#[test]
fn entry_points_that_run_other_graphs_are_named() {
    let mut file = File::new();
    let graphs = [caller(&mut file, &[]), caller(&mut file, &[])];
    for (graph, name) in ["first", "second"].into_iter().enumerate() {
        file.signatures.push(Table::new().text(2, name).word(4, graph as u32));
    }
    for graph in graphs {
        file = file.with(graph);
    }
    let cost = file.cost();
    let told: Vec<&str> = cost.assumptions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(told, ["second"]);
}

#[test]
fn lists_that_are_split_and_unpacked_are_followed() {
    let mut file = File::new();
    let mut graph = Graph::default();
    let input = graph.input("x", &[2, 3, 4]);
    let numbers = |graph: &mut Graph, count: u32| graph.tensor("shape", &[count], INT32, 0);
    let shape = numbers(&mut graph, 3);
    let (front, back) = (numbers(&mut graph, 1), numbers(&mut graph, 2));
    let last = [graph.tensor("a", &[], INT32, 0), graph.tensor("b", &[], INT32, 0)];
    let wanted = numbers(&mut graph, 2);
    let sizes = file.integers(&mut graph, &[1, -1]);
    let axis = file.integer(&mut graph, 0);
    let rest = file.integer(&mut graph, -1);
    // Open, so that the file's word does not count.
    graph.tensors.push(Table::new().words(0, &[1, 1]).text(3, "y").words(7, &[u32::MAX; 2]).byte(8, 1));
    let made = graph.tensors.len() as u32 - 1;
    file.operator(&mut graph, 77, &indices(&[input]), &[shape], Table::new());
    file.operator(&mut graph, 102, &indices(&[shape, sizes, axis]), &[front, back], Table::new());
    file.operator(&mut graph, 88, &indices(&[back]), &last, Table::new().word(0, 2));
    file.operator(&mut graph, 83, &indices(&[last[1], rest]), &[wanted], Table::new().word(0, 2));
    file.operator(&mut graph, 22, &indices(&[input, wanted]), &[made], Table::new());
    let turned = graph.activation("turned", &[4, 6]);
    file.operator(&mut graph, 28, &indices(&[made]), &[turned], Table::new());
    graph.outputs.push(turned);
    let cost = file.with(graph).cost();
    assert_eq!(
        (cost.layers.last().unwrap().output_shape.as_slice(), &cost.differences),
        (&[4, 6][..], &vec![])
    );
}

#[test]
fn shapes_follow_from_inputs_if_the_file_gives_none() {
    // Operator, shape of its input, further inputs of whole numbers with their shapes, what LiteRT makes.
    type Case = (u32, &'static [u32], &'static [(&'static [u32], &'static [i32])], &'static [u64]);
    let cases: [Case; 9] = [
        (65, &[4, 5], &[(&[2], &[1, 2]), (&[2], &[2, -1])], &[2, 3]),
        (69, &[2, 3], &[(&[2], &[2, 3])], &[4, 9]),
        (130, &[1, 3], &[(&[3], &[4, 2, 3])], &[4, 2, 3]),
        (38, &[1, 4, 6, 1], &[(&[2], &[2, 2]), (&[2, 2], &[0, 0, 0, 0])], &[4, 2, 3, 1]),
        (37, &[4, 2, 3, 1], &[(&[2], &[2, 2]), (&[2, 2], &[0, 0, 0, 1])], &[1, 4, 5, 1]),
        (113, &[4, 6], &[], &[4, 6, 6]),
        (125, &[4, 6], &[(&[4], &[0, 0, 1, 2])], &[3, 6]),
        (155, &[4, 6], &[(&[4], &[0, 0, 1, 2]), (&[], &[3])], &[3, 6]),
        (74, &[4, 6], &[(&[3], &[1, 1, -1])], &[4]),
    ];
    for (code, input, lists, wanted) in cases {
        let mut file = File::new();
        let mut graph = Graph::default();
        let mut read = vec![graph.input("x", input)];
        for (shape, values) in lists {
            let buffer = file.buffer(values.iter().flat_map(|value| value.to_le_bytes()).collect());
            read.push(graph.tensor("numbers", shape, INT32, buffer));
        }
        for name in ["made", "y"] {
            graph.tensors.push(Table::new().text(3, name));
        }
        let made = graph.tensors.len() as u32 - 2;
        file.operator(&mut graph, code, &indices(&read), &[made], Table::new());
        file.operator(&mut graph, 59, &indices(&[made]), &[made + 1], Table::new());
        graph.outputs.push(made + 1);
        let cost = file.with(graph).cost();
        assert_eq!(cost.layers.last().unwrap().output_shape, wanted, "operator {code}: {:?}", cost.uncounted);
    }
}
