#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutants.py - seeded defects: breaking the code a requirement rests on must fail that number's check.

    mutants.py TOP BUILD PART     try the defects of tests/mutants/part_<PART>.py
    mutants.py TOP --areas        is one number in ten of each area tried, and is the code still there?

A part holds MUTANTS, a list of (number, file, old text, new text, program) with the program's
arguments as an optional sixth ("ipv4" otherwise) and the backend as a seventh ("shm"). The old text stands exactly
once in the file. Each defect is built into a private copy of the library, and the conformance program of BUILD runs
over it. It is caught if the program prints "R-nnn FAIL", or dies or hangs with fewer passes of that number than it
prints over the sound library. It hangs if it takes several times as long as over the sound library before and after.
In place of a number the name of a case may stand, of test_<program> in tests/plain; it is caught if that fails.
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
DEADLINE = 240  # s, of a sound program on the slowest machine
# A hang: so many seconds, and so many times the sound program's. That one is timed once more, because the machine may
# have become slow meanwhile; if it has, the broken one gets more time.
HANG = 10
HANG_TIMES = 8
HANG_FAR = 4
PATIENCE = ("4000", "20000")  # ms: for what is to fail the least that does for the sound library


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
        self.folder = os.path.join(self.build, os.path.dirname(self.library))
        self.sound = os.path.join(where, "sound")
        os.mkdir(self.sound)
        for path in glob.glob(os.path.join(self.build, self.library.split(".so")[0] + ".so*")):
            if not os.path.isdir(path):
                shutil.copy(path, self.sound, follow_symlinks=False)

    def make(self):
        """Build the library; the compiler's words if it cannot be."""
        result = subprocess.run(
            ["ninja", "-C", self.build, self.library], capture_output=True, text=True, check=False
        )
        return "" if result.returncode == 0 else result.stdout[-2000:]

    def run(self, program, args, backend, patience, until=None, limit=DEADLINE):
        """Run a program over the sound library or, where it is to say until, over the broken one, no further than a
        line that begins so, and no longer than limit: its output, whether it came to its end (for one that
        does not count checks, a good one), and the seconds."""
        environment = dict(os.environ, WSD_BACKENDS=backend, WSD_CONFIG="/dev/null", WSD_TEST_SLOW="1",
                           WSD_PLAIN_BUFFER="65536", WSD_TEST_LONG_MS=patience)
        environment["LD_LIBRARY_PATH"] = self.folder if until else self.sound
        lines = []
        began = time.monotonic()
        with subprocess.Popen(
            [program, *args], env=environment, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        ) as child:  # fmt: skip
            alarm = threading.Timer(limit, kill_group, (child.pid,))
            alarm.start()
            for line in child.stdout:
                lines.append(line)
                if until and line.startswith(until):
                    kill_group(child.pid)
                    break
            alarm.cancel()
        ended = any(re.fullmatch(r"\d+ checks passed, \d+ failed\n", line) for line in lines)
        return "".join(lines), ended or child.returncode == 0, time.monotonic() - began


def kill_group(leader):
    """The program and what it started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def label(number):
    return number if isinstance(number, str) else f"R-{number:03d}"


class Trial:
    """The defects of one part, one after the other."""

    def __init__(self, build, copy):
        self.tests = os.path.join(build, "tests")
        self.copy = copy
        self.sound = {}

    def program(self, number, name):
        folder, prefix = ("plain", "test_") if isinstance(number, str) else ("conformance", "conformance_")
        path = os.path.join(self.tests, folder, prefix + name)
        if not os.path.exists(path):
            raise Problem(f"there is no program {path}")
        return path

    def try_sound(self, path, args, backend):
        for patience in PATIENCE:
            output, ended, seconds = self.copy.run(path, args, backend, patience)
            if ended and not re.search(r"^R-\d+ FAIL", output, re.M):
                return output, seconds, patience
        raise Problem(f"{path} does not pass over the sound library:\n{output[-600:]}")

    def when_sound(self, number, path, args, backend):
        """Over the sound library: how often the number passes, the seconds of the whole program, its patience."""
        key = (path, tuple(args), backend)
        if key not in self.sound:
            self.sound[key] = self.try_sound(path, args, backend)
        output, seconds, patience = self.sound[key]
        passes = len(re.findall(rf"^{label(number)} pass$", output, re.M)) + isinstance(number, str)
        if not passes:
            raise Problem(f"{path} has no such check")
        return passes, seconds, patience

    def caught(self, number, path, args, backend):
        passes, seconds, patience = self.when_sound(number, path, args, backend)
        for _ in range(3):
            limit = max(HANG, HANG_TIMES * seconds)
            output, ended, took = self.copy.run(path, args, backend, patience, f"{label(number)} FAIL", limit)
            if f"\n{label(number)} FAIL" in "\n" + output:
                return "its check failed"
            now = len(re.findall(rf"^{label(number)} pass$", output, re.M))
            if ended or now >= passes:
                raise Problem(f"SURVIVED: {path} printed {now} passes of {passes}")
            if took < limit:
                return "the program died"
            _, ended, seconds = self.copy.run(path, args, backend, patience)
            if ended and HANG_FAR * seconds <= limit:
                return f"the program hangs for {limit:.0f} s, the sound one takes {seconds:.1f} s"
        raise Problem(f"{path}: too slow to tell a hang")

    def try_one(self, number, name, old, new, program, args=("ipv4",), backend="shm"):
        path = os.path.join(self.copy.source, name)
        program = self.program(number, program)
        args = (number,) if isinstance(number, str) else args
        self.when_sound(number, program, args, backend)
        text = read(path)
        if text.count(old) != 1:
            raise Problem(f"the old text stands {text.count(old)} times in the file, not once:\n{old}")
        write(path, text.replace(old, new))
        try:
            problem = self.copy.make()
            if problem:
                raise Problem(f"does not compile:\n{problem}")
            return self.caught(number, program, args, backend)
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
        print(f"{label(mutant[0])} {mutant[1]} ({time.monotonic() - began:.1f} s) {verdict}", flush=True)
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
        print(f"{label(number)} {name}: the old text does not stand there exactly once:\n{old}")
    areas = {}
    listed = read(os.path.join(top, "tests/conformance/requirements.txt"))
    for tags, reasons, mode in (("DB", "uncovered.txt", ""), ("S", "uncovered-san.txt", " (mode S)")):
        # What is excused on one backend alone is checked on the others.
        excused = re.findall(r"^R-(\d+) (?![\w,]+: )", read(os.path.join(top, "tests/conformance", reasons)), re.M)
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
