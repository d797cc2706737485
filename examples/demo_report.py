#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""demo_report.py BENCH.JSON RESULTS FOLDER: the table of examples/demo from the JSON of wsdctl bench and
from lines "copy|echo PATH RATE", and a script for gnuplot in FOLDER."""

import json
import os
import statistics
import sys

# text of the row, (figure, mode, size), key
ROWS = [
    ("64 B one way, blocking, p50", ("latency", "block", 64), "value", "us"),
    ("64 B one way, blocking, p99", ("latency", "block", 64), "p99", "us"),
    ("64 B one way, polling, p50", ("latency", "poll", 64), "value", "us"),
    ("64 B one way, polling, p99", ("latency", "poll", 64), "p99", "us"),
    ("64 KiB one way, blocking, p50", ("latency", "block", 65536), "value", "us"),
    ("64 B messages, one way", ("rate", "poll", 64), "value", "1/s"),
    ("64 B overlapped sends", ("rate", "overlapped", 64), "value", "1/s"),
    ("stream of 64 KiB sends", ("stream", "block", 65536), "value", "MiB/s"),
    ("stream of 1 MiB sends", ("stream", "block", 1 << 20), "value", "MiB/s"),
]


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def bench_row(figures, key, name):
    """{path: (value, ratio to os)}; p99 has no ratio of rounds, its medians are compared."""
    paths = {row["path"]: row for row in figures[key]["paths"]}
    base = paths["os"][name]["median"]
    return {path: (row[name]["median"],
                   row["ratio"]["median"] if name == "value" else row[name]["median"] / base)
            for path, row in paths.items()}


def result_row(lines, kind):
    values = {}
    for what, path, rate in lines:
        if what == kind:
            values.setdefault(path, []).append(float(rate))
    medians = {path: statistics.median(rates) for path, rates in values.items()}
    return {path: (value, value / medians["os"]) for path, value in medians.items()}


def print_row(text, unit, row):
    cells = "".join(f" {number(row[path][0]):>12} {row[path][1]:>7.2f}x" for path in ("shm", "tcp"))
    print(f"{text:<35} {unit:<6}{cells} {number(row['os'][0]):>12}")


GNUPLOT = """set terminal {terminal}
set output '{output}'
set title 'OpenWSD beside the TCP of the operating system, one machine'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set boxwidth 0.9
set logscale y
set ylabel 'times as good as OS TCP (log scale)'
set grid ytics
set xtics rotate by -30 scale 0
set key outside top center horizontal
set yrange [0.1:*]
set bmargin 13
set rmargin 20
set datafile separator '\\t'
plot 'ratios.data' using 2:xtic(1) title 'shm', '' using 3 title 'tcp', 1 with lines lt -1 title 'OS TCP'
"""


def write_plot(folder, rows):
    """Bars are better when higher: the ratios of times are turned over."""
    with open(os.path.join(folder, "ratios.data"), "w", encoding="utf-8") as file:
        for text, unit, row in rows:
            factors = [1 / row[path][1] if unit == "us" else row[path][1]
                       for path in ("shm", "tcp")]
            file.write("\t".join([text] + [f"{factor:.4f}" for factor in factors]) + "\n")
    with open(os.path.join(folder, "ratios.gnuplot"), "w", encoding="utf-8") as file:
        file.write(GNUPLOT.format(terminal="svg size 1100,600", output="ratios.svg"))
        file.write(GNUPLOT.format(terminal="png size 1100,600", output="ratios.png"))


def main(bench, results, folder):
    with open(bench, encoding="utf-8") as file:
        measured = json.load(file)
    with open(results, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    figures = {(figure["figure"], figure.get("mode"), figure.get("size")): figure
               for figure in measured["figures"]}
    rows = [(text, unit, bench_row(figures, key, name)) for text, key, name, unit in ROWS]
    rows.append(("echo of 64 B messages", "1/s", result_row(lines, "echo")))
    rows.append(("wsdcp of a file, checksum included", "MiB/s", result_row(lines, "copy")))
    print(f"\n{'':<35} {'':<6} {'shm':>12} {'to os':>8} {'tcp':>12} {'to os':>8} {'OS TCP':>12}")
    for row in rows:
        print_row(*row)
    print("us: less is better; else more. Ratios are medians of interleaved rounds; those of p99, echo "
          "and\nwsdcp compare the medians.")
    for warning in measured["warnings"]:
        print(f"warning: {warning}")
    write_plot(folder, rows)


main(*sys.argv[1:])
