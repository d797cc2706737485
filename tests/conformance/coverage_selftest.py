#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage_selftest.py - what tests/conformance/coverage counts, from logs written here."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = "2 checks passed, 0 failed\n"


def load_coverage():
    loader = importlib.machinery.SourceFileLoader("coverage", os.path.join(HERE, "coverage"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("coverage", loader))
    loader.exec_module(module)
    return module


def reason_of(line):
    """Who is excused by a line of an uncovered file, and why; None: it is malformed."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "list.txt"), "w", encoding="utf-8") as file:
            file.write("# a list\n" + line + "\n")
        module = load_coverage()
        module.HERE = folder
        try:
            return list(module.numbered_lines("list.txt", module.REASON.pattern))[0][1]
        except SystemExit as problem:
            assert "list.txt:2: malformed" in str(problem), problem
            return None


def coverage(tests, *args, windows=()):
    """Run coverage over logs with these (name, result, stdout)."""
    with tempfile.TemporaryDirectory() as top:
        for folder, suite, some in (("gcc", "spi", tests), ("win64", "windows", windows)):
            logs = os.path.join(top, folder, "meson-logs")
            os.makedirs(logs)
            with open(os.path.join(logs, f"run-{suite}.json"), "w", encoding="utf-8") as file:
                for name, result, stdout in some:
                    entry = {"name": f"openwsd:{suite} / {name}", "result": result, "stdout": stdout}
                    file.write(json.dumps(entry) + "\n")
        return subprocess.run(
            [os.path.join(HERE, "coverage"), "--build", os.path.join(top, "gcc"), *args],
            capture_output=True, text=True, check=False,
        )


def states(tests, number, mode="D", windows=()):
    found = json.loads(coverage(tests, "--json", windows=windows).stdout)["requirements"][number - 1]
    assert found["number"] == number
    return {name: one["state"] for name, one in found["modes"][mode]["backends"].items()}


def main():
    passing = ("a shm ipv4", "OK", "R-046 pass\nR-118 pass\n" + GOOD)
    assert states([passing], 46) == {"shm": "covered"}
    assert states([passing], 47) == {"shm": "uncovered"}
    # Programs under Wine have columns of their own.
    assert states([passing], 46, windows=[passing]) == {"shm": "covered", "win-shm": "covered"}
    failing = ("a shm ipv4", "FAIL", "R-046 FAIL x.c:1 y\n0 checks passed, 1 failed\n")
    assert states([passing], 46, windows=[failing]) == {"shm": "covered", "win-shm": "failed"}
    # One failing check, in whatever program, takes the number away; on its backend only.
    failing = ("b shm ipv6", "FAIL", "R-046 FAIL x.c:1 y\nR-118 pass\n1 checks passed, 1 failed\n")
    other = ("b tcp ipv6", "OK", "R-046 pass\n" + GOOD)
    assert states([passing, failing, other], 46) == {"shm": "failed", "tcp": "covered"}
    assert states([passing, failing], 118) == {"shm": "covered"}
    # A program that died proves nothing; a skipped one did not run.
    assert states([("a sim ipv4", "TIMEOUT", "R-046 pass\n")], 46) == {"sim": "failed"}
    assert states([passing, ("a tcp ipv4", "SKIP", "R-046 pass\n" + GOOD)], 46) == {"shm": "covered"}
    # Other tests' output is no evidence.
    assert states([("unit thing", "OK", "R-046 pass\n" + GOOD)], 46) == {}
    # The installer is of no backend and of both modes; the oracle has none.
    installer = ("catalog", "OK", "R-338 pass\n" + GOOD)
    san = ("san_a sim ipv4", "OK", "R-046 pass\n" + GOOD)
    assert states([passing, other, ("a os ipv4", "OK", "R-046 pass\n" + GOOD), installer], 338) == {
        "shm": "covered", "tcp": "covered", "os": "uncovered"}
    assert states([san, installer], 338, "S") == {"sim": "covered"}
    assert states([san, installer], 338) == {}
    assert states([passing, installer], 338, windows=[passing]) == {"shm": "covered", "win-shm": "covered"}
    assert states([passing, ("catalog", "FAIL", "R-338 pass\n")], 338) == {"shm": "failed"}
    assert states([passing, ("catalogue", "OK", installer[2])], 338) == {"shm": "uncovered"}
    # A reason of a backend is one on Windows, too, and there are some of Windows alone.
    plain = ("a plain ipv4", "OK", "R-046 pass\n" + GOOD)
    lines = coverage([plain], "--uncovered", windows=[plain]).stdout.splitlines()
    assert [line for line in lines if line.startswith("R-274")][0].endswith("no check"), lines
    lines = coverage([plain], "--uncovered", "--backend", "win-plain", windows=[plain]).stdout.splitlines()
    assert "Wine has no means" in [line for line in lines if line.startswith("R-274")][0], lines
    assert "system has a receive buffer" in [line for line in lines if line.startswith("R-158")][0], lines
    # The modes are counted apart.
    san = ("san_a sim ipv4", "OK", "R-046 pass\n" + GOOD)
    assert states([san, passing], 46, "S") == {"sim": "covered"}
    assert states([san, passing], 46) == {"shm": "covered"}
    total = coverage([passing, other, san], "--total").stdout.splitlines()
    assert total[0].startswith("coverage: D+B 2 of ") and total[0].endswith(" on shm, 1 on tcp"), total
    assert total[1].startswith("coverage: S+B 1 of ") and total[1].endswith(" on sim"), total
    assert coverage([("a shm ipv4", "OK", "R-999 pass\n" + GOOD)], "--total").returncode != 0
    # A number without a check needs a reason, on every backend that ran.
    assert coverage([passing], "--total").returncode == 0
    assert coverage([passing], "--total", "--complete").returncode != 0
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as file:
        numbers = [line[:5] for line in file if line.startswith("R-")]
    everything = "".join(f"{number} pass\n" for number in numbers) + GOOD
    whole = ("a shm ipv4", "OK", everything)
    assert coverage([whole], "--total", "--complete").returncode == 0
    assert coverage([whole, other], "--total", "--complete").returncode != 0
    assert coverage([whole, san], "--total", "--complete").returncode != 0
    # One that holds on the system's TCP only excuses no other.
    for backend, complete in (("plain", True), ("shm", False)):
        most = (f"a {backend} ipv4", "OK", everything.replace("R-158 pass\n", ""))
        assert (coverage([most], "--total", "--complete").returncode == 0) == complete
    # A name without its colon, or one that is none, must not excuse all backends.
    assert reason_of("R-272 sim: it is so") == ("sim", "it is so")
    assert reason_of("R-272 shm,windows: it is so") == ("shm,windows", "it is so")
    assert reason_of("R-272 it is so: really") == (None, "it is so: really")
    assert reason_of("R-272 simply so") == (None, "simply so")
    for line in ("R-272 sim has none", "R-272 sim it is so", "R-272 smi: it is so", "R-272 shm, tcp: it is so",
                 "R-272 sim:it is so", "R-272 shm,smi: it is so", "R-272 sim: sim: so", "R-272 sim: ", "R-272",
                 "R-272: it is so", "R-27 it is so", "272 it is so"):
        assert reason_of(line) is None, line
    # What is excused and covered all the same is told.
    sim, rest = ("a sim ipv4", "OK", everything), ("a tcp ipv4", "OK", everything)
    assert "R-023 is covered on sim; take it out of uncovered.txt" in coverage([sim]).stdout
    assert "R-023" not in coverage([rest], "--uncovered").stdout


if __name__ == "__main__":
    sys.exit(main())
