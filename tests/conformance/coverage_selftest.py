#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage_selftest.py - what tests/conformance/coverage counts, from logs written here."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = "2 checks passed, 0 failed\n"


def coverage(tests, *args):
    """Run coverage over a log with these (name, result, stdout)."""
    with tempfile.TemporaryDirectory() as build:
        os.mkdir(os.path.join(build, "meson-logs"))
        with open(os.path.join(build, "meson-logs", "run-spi.json"), "w", encoding="utf-8") as file:
            for name, result, stdout in tests:
                entry = {"name": f"openwsd:spi / {name}", "result": result, "stdout": stdout}
                file.write(json.dumps(entry) + "\n")
        return subprocess.run(
            [os.path.join(HERE, "coverage"), "--build", build, *args],
            capture_output=True, text=True, check=False,
        )


def states(tests, number, mode="D"):
    found = json.loads(coverage(tests, "--json").stdout)["requirements"][number - 1]
    assert found["number"] == number
    return {name: one["state"] for name, one in found["modes"][mode]["backends"].items()}


def main():
    passing = ("a shm ipv4", "OK", "R-046 pass\nR-118 pass\n" + GOOD)
    assert states([passing], 46) == {"shm": "covered"}
    assert states([passing], 47) == {"shm": "uncovered"}
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


if __name__ == "__main__":
    sys.exit(main())
