#!/usr/bin/env python3
"""An architecture search with a device in the loop: Optuna proposes, `backbone submit --wait` measures.

    pip install optuna
    python3 optuna_search.py orin-1 --trials 30

Each trial is one network of the family, measured on the device; what is minimised is the median latency. Add the
accuracy of your model to `value`, and replace `job` by one with a model of your own, exported for each trial
(`model: net.onnx`, in the same folder): files that a job names are copied with it.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import optuna


def job(trial, runtime):
    """The job file of a trial."""
    block = trial.suggest_categorical("block", ["standard", "depthwise-separable", "bottleneck-standard"])
    kernel = trial.suggest_categorical("kernel", [3, 5])
    # Two processes, because results differ more between processes than within one.
    return (
        f"backbone: 1\nname: search-{trial.number}\nruntime: {runtime}\n"
        f"network: {{block: {block}, kernel: {kernel}, batch: 1, input: 224, precision: int8}}\n"
        "measure: {processes: 2, warm_up_runs: 3, timed_runs: 10}\n"
    )


def measure(text, name, arguments):
    """Measure a job on the device: its result as `backbone submit --json` prints it."""
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / f"{name}.yaml"
        spec.write_text(text)
        command = [arguments.backbone, "submit", arguments.host, str(spec), "--wait", "--json"]
        done = subprocess.run(command + arguments.option, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    host = json.loads(done.stdout)["hosts"][0]
    if host["error"]:
        sys.exit(f"{host['host']}: {host['error']['message']}")
    return host["results"][0]


def value(trial, arguments):
    """What is minimised."""
    result = measure(job(trial, arguments.runtime), f"search-{trial.number}", arguments)
    trial.set_user_attr("bundle", result["bundle"])
    # A network that does not compile, or numbers that cannot be trusted, are no value.
    if result["status"] != "measured" or result["verdict"] == "invalid":
        raise optuna.TrialPruned(result["reason"] or "invalid")
    trial.set_user_attr("interval_ms", result["interval_ms"])
    return result["value_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--backbone", default="backbone")
    parser.add_argument("--option", action="append", default=[], help="more for `backbone submit`, such as --ssh=…")
    arguments = parser.parse_args()
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(lambda trial: value(trial, arguments), n_trials=arguments.trials)
    best = study.best_trial
    print(json.dumps({"value_ms": best.value, **best.params, **best.user_attrs}))


if __name__ == "__main__":
    main()
