#!/usr/bin/env python3
"""The queries of docs/ANALYSIS.md, as they are there, on Parquet exports, by DuckDB and by Polars; and pyperf on its export.

    tests/desk/query.py DOCUMENT EXPORT.parquet EXPORT.pyperf.json

They run in a folder with `tables/*.parquet`: the export, and once more as that of another day.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import duckdb
import polars

document, parquet, pyperf = (os.path.abspath(path) for path in sys.argv[1:])
text = open(document).read()
queries = re.findall(r"```sql\n(.*?)```", text, re.S)
assert len(queries) == 4, f"{len(queries)} queries in {document}"
(in_polars,) = re.findall(r"```python\n(.*?)```", text, re.S)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.mkdir("tables")
    shutil.copy(parquet, "tables/2026-11-27.parquet")
    once = [duckdb.sql(query).fetchall() for query in queries]
    # What a day's export has is in the next one too, and counts once.
    shutil.copy(parquet, "tables/2026-11-28.parquet")
    for query, expected in zip(queries, once):
        assert expected, f"no rows: {query}"
        assert duckdb.sql(query).fetchall() == expected, f"counted twice: {query}"
        print(*expected[:3], sep="\n")
    names = {}
    exec(in_polars, names)
    task = ["precision", "input", "batch", "configuration"]
    assert sorted(names["fastest"].select(task).iter_rows()) == sorted(row[1:5] for row in once[0])
    os.chdir("/")

table = polars.read_parquet(parquet)
assert table["latency_ns"].dtype == polars.List(polars.UInt64), table["latency_ns"].dtype
measured = table.filter(polars.col("status") == "measured")
assert (measured["latency_ns"].list.len() == measured["runs_in_process"].list.sum()).all()
assert (measured["runs_in_process"].list.len() == measured["build_of_process"].list.len()).all()
assert (measured["builds"] == measured["build_of_process"].list.n_unique()).all() and measured["builds"].max() > 1
assert (table.filter(polars.col("status") != "measured")["latency_ns"].list.len() == 0).all()
# The mean of the processes' means of the build that counts, from the raw latencies.
for row in [*measured.head(20).iter_rows(named=True), *measured.tail(20).iter_rows(named=True)]:
    runs, means = iter(row["latency_ns"]), []
    for count, build in zip(row["runs_in_process"], row["build_of_process"]):
        mean = sum(next(runs) for _ in range(count)) / count / 1e6
        means += [mean] if build == row["build"] else []
    assert len(means) == row["processes"], row["id"]
    mean = sum(means) / len(means)
    assert abs(row["latency_mean"] - mean) <= 1e-9 * mean, row["id"]
def run(*command):
    result = subprocess.run([sys.executable, "-m", "pyperf", *command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    print(*(line[:100] for line in result.stdout.splitlines()[:8]), sep="\n")

run("stats", pyperf)
run("compare_to", pyperf, pyperf, "--table")
