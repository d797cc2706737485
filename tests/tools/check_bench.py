#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_bench.py WSDCTL PATHS: a short run of every figure over every path gives JSON of the shape
that wsdctl(1) describes, with a positive value in every place; wrong options and a path that is not
there end with a clear message."""

import json
import os
import subprocess
import sys
import tempfile

ROUNDS = 2
FIGURES = {
    # (figure, mode, size): keys that each path has besides value
    ("latency", "poll", 64): {"p99"},
    ("latency", "block", 64): {"p99"},
    ("latency", "poll", 8192): {"p99"},
    ("latency", "block", 8192): {"p99"},
    ("rate", "poll", 64): set(),
    ("rate", "overlapped", 64): set(),
    ("stream", "poll", 64): set(),
    ("stream", "block", 64): set(),
    ("stream", "poll", 8192): set(),
    ("stream", "block", 8192): set(),
    ("connect", None, None): set(),
    ("idle", None, None): set(),
}

problems = []


def check(condition, text):
    if not condition:
        problems.append(text)


def wsdctl(tool, *args, **settings):
    return subprocess.run([tool, "bench", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, env={**os.environ, **settings})


def check_spread(spread, what):
    check(set(spread) == {"q1", "median", "q3"}, f"{what}: {spread}")
    check(0 < spread["q1"] <= spread["median"] <= spread["q3"], f"{what}: {spread}")


def check_figure(figure, paths):
    key = (figure["figure"], figure.get("mode"), figure.get("size"))
    what = f"{key} {figure['what']}"
    check(key in FIGURES, f"{what}: unexpected")
    check(figure["peer"] == "os", f"{what}: no peer")
    check(figure["better"] == ("lower" if key[0] in ("latency", "idle") else "higher"), what)
    check([row["path"] for row in figure["paths"]] == paths, f"{what}: paths")
    for row in figure["paths"]:
        where = f"{what} over {row['path']}"
        if "error" in row:
            problems.append(f"{where}: {row['error']}")
            continue
        if figure["what"] == "memory per end":
            # Of so few connections less than what other processes change: they share our pages of
            # libraries, and the kernel's part is that of the whole machine.
            check(all(isinstance(value, float) for value in
                      (row["value"]["median"], row["process"], row["kernel"])), where)
            continue
        check(row["rounds"] == (1 if key[0] == "idle" else ROUNDS), where)
        for name in {"value", "ratio"} | FIGURES.get(key, set()):
            check(name in row, f"{where}: no {name}")
            check_spread(row.get(name, {}), f"{where}: {name}")
        if row["path"] == "os":
            check(row["ratio"]["median"] == 1, f"{where}: the ratio to itself is not 1")
        if "p99" in row:
            check(row["p99"]["median"] >= row["value"]["median"], f"{where}: p99 under p50")
    return key


def check_run(tool, paths):
    done = wsdctl(tool, "--json", "--rounds", str(ROUNDS), "--time", "5", "--sizes", "64,8k",
                  "--connections", "60", "--paths", ",".join(paths))
    check(done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}")
    try:
        result = json.loads(done.stdout)
    except ValueError:
        problems.append(f"no JSON: {done.stdout[:200]}")
        return
    seen = [check_figure(figure, paths) for figure in result["figures"]]
    check(set(seen) == set(FIGURES), f"figures: {seen}")
    check(len(seen) == len(FIGURES) + 1, "idle has a row for memory and one for descriptors")
    check(result["rounds"] == ROUNDS and result["cpus"] > 0 and result["seconds"] > 0, "head")


def check_refusal(tool, status, message, *args, **settings):
    done = wsdctl(tool, *args, **settings)
    check(done.returncode == status, f"{args}: exit status {done.returncode}")
    check(message in done.stderr, f"{args}: {done.stderr}")


def main(tool, paths):
    check_run(tool, paths)
    short = ("--figures", "latency", "--rounds", "1", "--time", "1", "--sizes", "64")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write("rule = both * deny\n")
        config.flush()
        check_refusal(tool, 1, f"over {paths[1]} failed", *short, "--paths", f"{paths[1]},os", WSD_CONFIG=config.name)
    check_refusal(tool, 2, "no path nosuch: backend nosuch is not built in", *short, "--paths", "nosuch,os")
    check_refusal(tool, 2, "sim cannot reach", "--paths", "sim,os")
    check_refusal(tool, 2, "each once", "--figures", "latency,speed")
    check_refusal(tool, 2, "multiple of 8", "--sizes", "63")
    check_refusal(tool, 2, "--rounds 0", "--rounds", "0")
    check_refusal(tool, 2, "only options", "latency")
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main(sys.argv[1], sys.argv[2].split(","))
