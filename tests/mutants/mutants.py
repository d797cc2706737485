#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutants.py - seeded defects: breaking the code a requirement rests on must fail that number's check.

    mutants.py TOP BUILD PART     try the defects of tests/mutants/part_<PART>.py
    mutants.py TOP --areas        is one number in ten of each area tried, and is the code still there?

A part holds MUTANTS, a list of (number, file, old text, new text, program) with the program's
arguments as an optional sixth ("ipv4" otherwise). The old text stands exactly once in the file. Each
defect is built into a private copy of the library, and the conformance program of BUILD runs over it.
It is caught if the program prints "R-nnn FAIL", or dies (a deadline is a death) with fewer passes of
that number than it prints over the sound library.
"""

import glob
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

NEEDED = ("docs", "provider", "rdma_backend", "spi_shim", "meson.build", "meson_options.txt")
DEADLINE = 60  # s; a mutant that hangs costs this


class Problem(Exception):
    """One line that says why a defect counts as not caught."""


def load(top, part):
    path = os.path.join(top, "tests", "mutants", f"part_{part}.py")
    spec = importlib.util.spec_from_file_location(f"part_{part}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Copy:
    """A private copy of the product's sources with its own build of the library."""

    def __init__(self, top, where):
        self.source = os.path.join(where, "source")
        self.build = os.path.join(where, "build")
        shutil.rmtree(where, ignore_errors=True)
        os.makedirs(self.source)
        for name in NEEDED:
            path = os.path.join(top, name)
            copy = shutil.copytree if os.path.isdir(path) else shutil.copy
            copy(path, os.path.join(self.source, name))
        subprocess.run(
            ["meson", "setup", self.build, self.source, "-Dbuildtype=plain", "-Dtests=disabled",
             "-Dexamples=false", "-Dwsdctl=disabled"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        output = subprocess.run(
            ["ninja", "-C", self.build, "-t", "targets", "all"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        self.library = re.search(r"^(\S+/libopenwsd\.so[\d.]*): c_LINKER", output, re.M)[1]
        problem = self.make()
        if problem:
            sys.exit(f"the sound library does not build:\n{problem}")

    def make(self):
        """Build the library; the compiler's words if it cannot be."""
        result = subprocess.run(
            ["ninja", "-C", self.build, self.library], capture_output=True, text=True, check=False
        )
        return "" if result.returncode == 0 else result.stdout[-2000:]

    def run(self, program, args, until=None):
        """Run a conformance program over this library, no further than a line that begins with until:
        its output, and whether it came to its end."""
        environment = dict(os.environ, WSD_BACKENDS="shm", WSD_CONFIG="/dev/null")
        environment["LD_LIBRARY_PATH"] = os.path.join(self.build, os.path.dirname(self.library))
        lines = []
        with subprocess.Popen(
            [program, *args], env=environment, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        ) as child:  # fmt: skip
            alarm = threading.Timer(DEADLINE, kill_group, (child.pid,))
            alarm.start()
            for line in child.stdout:
                lines.append(line)
                if until and line.startswith(until):
                    kill_group(child.pid)
                    break
            alarm.cancel()
        ended = any(re.fullmatch(r"\d+ checks passed, \d+ failed\n", line) for line in lines)
        return "".join(lines), ended


def kill_group(leader):
    """The program and what it started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Trial:
    """The defects of one part, one after the other."""

    def __init__(self, build, copy):
        self.folder = os.path.join(build, "tests", "conformance")
        self.copy = copy
        self.sound = {}

    def passes_when_sound(self, number, program, args):
        key = (program, tuple(args))
        if key not in self.sound:
            path = os.path.join(self.folder, "conformance_" + program)
            if not os.path.exists(path):
                raise Problem(f"there is no program {path}")
            self.copy.make()  # the last defect is out of the sources, not out of the library
            self.sound[key] = self.copy.run(path, args)
        output, ended = self.sound[key]
        passes = len(re.findall(rf"^R-{number:03d} pass$", output, re.M))
        if not ended or not passes or f"R-{number:03d} FAIL" in output:
            raise Problem(f"{program} does not pass over the sound library:\n{output[-600:]}")
        return passes

    def caught(self, number, program, args, passes):
        path = os.path.join(self.folder, "conformance_" + program)
        output, ended = self.copy.run(path, args, until=f"R-{number:03d} FAIL")
        if f"\nR-{number:03d} FAIL" in "\n" + output:
            return "its check failed"
        now = len(re.findall(rf"^R-{number:03d} pass$", output, re.M))
        if not ended and now < passes:
            return "the program died"
        raise Problem(f"SURVIVED: {program} printed {now} passes of {passes}")

    def try_one(self, number, name, old, new, program, args=("ipv4",)):
        path = os.path.join(self.copy.source, name)
        passes = self.passes_when_sound(number, program, args)
        text = read(path)
        if text.count(old) != 1:
            raise Problem(f"the old text stands {text.count(old)} times in the file, not once:\n{old}")
        write(path, text.replace(old, new))
        try:
            problem = self.copy.make()
            if problem:
                raise Problem(f"does not compile:\n{problem}")
            return self.caught(number, program, args, passes)
        finally:
            write(path, text)


def run_part(top, build, part):
    mutants = load(top, part)
    trial = Trial(build, Copy(top, os.path.join(build, "tests", "mutants", part)))
    bad = 0
    for mutant in mutants:
        began = time.monotonic()
        try:
            verdict = "caught: " + trial.try_one(*mutant)
        except Problem as problem:
            verdict = str(problem)
            bad += 1
        print(f"R-{mutant[0]:03d} {mutant[1]} ({time.monotonic() - began:.1f} s) {verdict}", flush=True)
    print(f"{len(mutants) - bad} of {len(mutants)} defects caught")
    return bad or not mutants


def check_areas(top):
    """One number in ten of each area that has checks here: of those a check can exercise in mode D, and of those
    of mode S alone. And what the defects replace is in the sources, so that a change there is noticed before the long
    run."""
    parts = glob.glob(os.path.join(top, "tests", "mutants", "part_*.py"))
    mutants = [m for path in parts for m in load(top, os.path.basename(path)[5:-3])]
    tried = {m[0] for m in mutants}
    stale = [m for m in mutants if read(os.path.join(top, m[1])).count(m[2]) != 1]
    for number, name, old, *_ in stale:
        print(f"R-{number:03d} {name}: the old text does not stand there exactly once:\n{old}")
    areas = {}
    listed = read(os.path.join(top, "tests/conformance/requirements.txt"))
    for tags, reasons, mode in (("DB", "uncovered.txt", ""), ("S", "uncovered-san.txt", " (mode S)")):
        excused = re.findall(r"^R-(\d+)", read(os.path.join(top, "tests/conformance", reasons)), re.M)
        for number, area in re.findall(rf"^R-(\d+) [{tags}] (\w+)", listed, re.M):
            if number not in excused:
                areas.setdefault(area + mode, []).append(int(number))
    bad = len(stale)
    for area, numbers in areas.items():
        count = sum(number in tried for number in numbers)
        need = -(-len(numbers) // 10)
        print(f"{area}: defects for {count} of {len(numbers)} numbers, {need} needed")
        bad += count < need
    return bad or not areas


def main():
    if len(sys.argv) == 3 and sys.argv[2] == "--areas":
        return check_areas(sys.argv[1])
    if len(sys.argv) == 4:
        return run_part(*sys.argv[1:])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
