"""The loop that one would write in Python, around the same model: the other side of paired_python.rs.

    python_loop.py onnxruntime|tflite MODEL WARM_UP_RUNS TIMED_RUNS

Prints the latencies of the timed runs, in nanoseconds, as one JSON array. Input data as in a worker: floats uniform in
[0, 1), 8-bit integers over their whole range. One thread. ONNX Runtime with inputs and outputs bound beforehand
(io_binding); TensorFlow Lite with XNNPACK, which is the interpreter's default.
"""

import json
import sys
from time import perf_counter_ns

import numpy as np


def filled(shape, element_type):
    random = np.random.default_rng(1)
    if np.issubdtype(element_type, np.integer):
        limits = np.iinfo(element_type)
        return random.integers(limits.min, limits.max + 1, size=shape, dtype=element_type)
    return random.random(size=shape, dtype=np.float32).astype(element_type)


def onnxruntime_run(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    element_types = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
    binding = session.io_binding()
    values = []
    for tensor in session.get_inputs():
        value = onnxruntime.OrtValue.ortvalue_from_numpy(filled(tensor.shape, element_types[tensor.type]))
        binding.bind_ortvalue_input(tensor.name, value)
        values.append(value)
    for tensor in session.get_outputs():
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(tensor.shape, element_types[tensor.type])
        binding.bind_ortvalue_output(tensor.name, value)
        values.append(value)
    return lambda: session.run_with_iobinding(binding)


def tflite_run(model):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], filled(tensor["shape"], tensor["dtype"]))
    return interpreter.invoke


def main(runtime, model, warm_up_runs, timed_runs):
    run = {"onnxruntime": onnxruntime_run, "tflite": tflite_run}[runtime](model)
    for _ in range(int(warm_up_runs)):
        run()
    latencies = [0] * int(timed_runs)
    for index in range(len(latencies)):
        started = perf_counter_ns()
        run()
        latencies[index] = perf_counter_ns() - started
    print(json.dumps(latencies))


if __name__ == "__main__":
    main(*sys.argv[1:])
