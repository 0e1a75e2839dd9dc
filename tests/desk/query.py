#!/usr/bin/env python3
"""The queries of docs/ANALYSIS.md on a Parquet export, by DuckDB and by Polars; and pyperf on its export.

    tests/desk/query.py DOCUMENT EXPORT.parquet EXPORT.pyperf.json

Every SQL block of the document is run, with `results/*.parquet` standing for the export.
"""

import re
import subprocess
import sys

import duckdb
import polars

document, parquet, pyperf = sys.argv[1:]
queries = re.findall(r"```sql\n(.*?)```", open(document).read(), re.S)
assert len(queries) == 3, f"{len(queries)} queries in {document}"
for query in queries:
    assert "results/*.parquet" in query
    result = duckdb.sql(query.replace("results/*.parquet", parquet)).fetchall()
    assert result, f"no rows: {query}"
    print(*result[:3], sep="\n")

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
by_polars = (
    polars.scan_parquet(parquet).filter(polars.col("verdict") != "invalid").group_by("block")
    .agg(polars.col("throughput").mean()).collect()
)
assert by_polars.height > 1

def run(*command):
    result = subprocess.run([sys.executable, "-m", "pyperf", *command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    print(*(line[:100] for line in result.stdout.splitlines()[:8]), sep="\n")

run("stats", pyperf)
run("compare_to", pyperf, pyperf, "--table")
