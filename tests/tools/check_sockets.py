#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_sockets.py WSDCTL HOLD_SOCKETS: wsdctl sockets tells the sockets of living processes of this user, in every
state and on every path, with the reasons and the quality of service, and is not misled by what else lies there. Both
may be Windows programs."""

import contextlib
import fcntl
import glob
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

WINDOWS = sys.argv[1].endswith(".exe")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WINE = os.path.join(TOP, "tests/windows/wine")
PREFIX = "openwsd-sockets-"
PROGRAM = os.path.basename(sys.argv[2])
SLOTS = 4096
EWOULDBLOCK, ECONNREFUSED, ECONNRESET = 10035, 10061, 10054
problems = []


def folder():
    """Where the processes write down what they have."""
    if not WINDOWS:
        return "/dev/shm"
    return glob.glob(os.path.join(TOP, "build/wine/drive_c/users/*/AppData/Local/openwsd"))[0]


def check(condition, *what):
    if not condition:
        problems.append(" ".join(str(w) for w in what))


def environment(backends):
    tests = ("WSD_TEST_PROVIDER", "WSD_TEST_BASE", "WSD_TEST_SLOW")
    kept = {key: value for key, value in os.environ.items() if key in tests or not key.startswith("WSD_")}
    return dict(kept, WSD_CONFIG="nul" if WINDOWS else "/dev/null", WSD_BACKENDS=backends, WSD_MODULE_DIR="/nowhere",
                WSD_QOS_LEDGER=f"test-sockets-{os.getpid()}"[:24])


class Holder:
    """A process with sockets."""

    def __init__(self, program, backends, more):
        command = [WINE, "--exec", program] if WINDOWS else [program]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(environment(backends), **more))
        self.pid = self.do("process")
        check(WINDOWS or self.pid == self.process.pid, "process", self.pid, self.process.pid)

    def tell(self, verb, number=0):
        print(verb, number, file=self.process.stdin, flush=True)

    def do(self, verb, number=0):
        self.tell(verb, number)
        return int(self.process.stdout.readline())

    def text(self, verb):
        """The line before the number."""
        self.tell(verb)
        text = self.process.stdout.readline().rstrip("\n")
        check(self.process.stdout.readline() == "0\n", verb)
        return text

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def holding(program, backends, **more):
    holder = Holder(program, backends, more)
    try:
        yield holder
    finally:
        holder.end()


def run(tool, *args):
    command = [WINE, tool] if WINDOWS else [tool]
    done = subprocess.run([*command, "sockets", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=60, env=environment("shm,tcp"))
    check(done.returncode == 0, "exit status", done.returncode, done.stderr)
    return done.stdout


def table(tool, *holders):
    """The sockets of these processes by state, and all that was said."""
    told = json.loads(run(tool, "--json"))
    pids = [holder.pid for holder in holders]
    by_state = {}
    for entry in told["sockets"]:
        if entry["pid"] in pids:
            by_state.setdefault(entry["state"], []).append(entry)
    return by_state, told


def wait_for(tool, holder, state):
    """The one socket in this state; sockets get there in the background."""
    for _ in range(100):
        entries = table(tool, holder)[0].get(state, [])
        if entries:
            return entries[0]
        time.sleep(0.05)
    check(False, f"no socket is {state}:", table(tool, holder)[0])
    return None


def wait_for_ends(tool, holder):
    """Of a connection. Over plain TCP the address of the one that connected is known a little later."""
    for _ in range(100):
        ends = table(tool, holder)[0]["connected"]
        if all(end["local"] for end in ends):
            break
        time.sleep(0.05)
    return ends


def check_states(tool, program, path):
    with holding(program, path) as holder:
        check(not table(tool, holder)[0], "a process without sockets")
        holder.do("many", 1)
        port = holder.do("listen")
        states, _ = table(tool, holder)
        check(sorted(states) == ["bound", "listening"], path, states)
        listening = states["listening"][0]
        check(listening["local"] == f"127.0.0.1:{port}" and listening["peer"] == "", listening)
        check(listening["path"] == path and listening["mode"] == "D", listening)
        check(listening["program"] == PROGRAM, listening)
        check(holder.do("connect", port) == 0, path, "connect")
        check(holder.do("accept") == 0, path, "accept")
        ends = wait_for_ends(tool, holder)
        check(len(ends) == 2, path, ends)
        check([e["path"] for e in ends] == [path, path], ends)
        check(sorted(e["accepted"] for e in ends) == [False, True], ends)
        check(ends[0]["local"] == ends[1]["peer"] and ends[0]["peer"] == ends[1]["local"], ends)
        check(all(e["device"] for e in ends) and all(e["reasons"] == "" for e in ends), ends)
        check(holder.do("reset") == 0, path, "reset")
        broken = wait_for(tool, holder, "broken")
        check(broken and broken["error"] == ECONNRESET and not broken["accepted"], broken)
        check(holder.do("close") == 0, path, "close")
        check(sorted(table(tool, holder)[0]) == ["bound", "listening"], table(tool, holder)[0])
        out = run(tool)
        check(f"{holder.pid} {PROGRAM}" in out and "listening" in out and path in out, out)


def check_connecting(tool, program, path):
    with holding(program, path) as holder:
        port = holder.do("listen", 1)
        check(holder.do("start", port) == EWOULDBLOCK, path, "start")
        waits = wait_for(tool, holder, "connecting")
        check(waits and waits["peer"] == f"127.0.0.1:{port}" and waits["path"] == path, waits)
        check(holder.do("accept") == 0, path, "accept")
        check(wait_for(tool, holder, "connected"), path)


def check_san(tool, program):
    with holding(program, "verbs,shm") as holder:
        check(holder.do("san") == 0, "mode S")
        for _ in range(100):  # the one that accepts hears of it in the background
            states, _ = table(tool, holder)
            if "connecting" not in states:
                break
            time.sleep(0.05)
        check(all(e["mode"] == "S" for entries in states.values() for e in entries), states)
        ends = states.get("connected", [])
        check(len(ends) == 2 and all(e["path"] == "shm" and e["device"] for e in ends), states)
        check(any(e["reasons"].startswith("verbs: ") for e in ends if not e["accepted"]), ends)
        check("mode S, device shm" in run(tool), run(tool))


def check_fall_back(tool, program):
    """Why a connection is not on RDMA."""
    with holding(program, "verbs,shm,tcp,plain") as holder, socket.create_server(("127.0.0.1", 0)) as server:
        check(holder.do("connect", server.getsockname()[1]) == 0, "connect to a plain server")
        entry = table(tool, holder)[0]["connected"][0]
        check(entry["path"] == "plain", entry)
        for reason in ("verbs: backend verbs is not built in", "(-81)", "shm: ", "tcp: "):
            check(reason in entry["reasons"], reason, entry)
        check("(-62)" in entry["reasons"], entry)
        told = json.loads(run(tool, "--json"))["reasons"]
        check(any(r["number"] == -81 and r["times"] >= 1 for r in told), told)
        check(any(r["number"] == -62 and r["times"] >= 1 and r["text"] for r in told), told)
        out = run(tool, "--reasons")
        check(f"why: {entry['reasons']}" in out, out)
        check("reasons for a path that was not taken" in out and "-62 nobody listens" in out, out)
    with holding(program, "shm,tcp,plain") as holder:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        check(holder.do("connect", port) == ECONNREFUSED, "connect to nobody")
        entry = table(tool, holder)[0]["bound"][0]
        check(entry["error"] == ECONNREFUSED and entry["reasons"].count("; ") == 2, entry)


def check_qos(tool, program, path):
    """The same on both ends, of two processes."""
    with holding(program, path) as server, holding(program, path) as client:
        port = server.do("listen")
        check(client.do("connect", port) == 0 and server.do("accept") == 0, path, "connect")
        check(client.do("qos", 1000000) == 0, path, "qos")
        for _ in range(100):
            sender = table(tool, client)[0]["connected"][0]
            receiver = table(tool, server)[0]["connected"][0]
            if receiver["in"]["rate"]:
                break
            time.sleep(0.05)
        check(sender["out"] == receiver["in"] and sender["in"] == receiver["out"], sender, receiver)
        check(sender["out"]["service"] == "guaranteed" and sender["out"]["rate"] == 1000000, sender)
        check(60000 < sender["out"]["bucket"] <= 64000 and sender["out"]["peak"] > 3900000, sender)
        check(sender["reserved"] == 1000000 < sender["speed"] and receiver["reserved"] == 0, sender, receiver)
        out = run(tool)
        check("qos: sends guaranteed rate 1000000 bucket" in out and "1000000 of " in out, out)


def check_ends(tool, program):
    """A process that is gone has no sockets, however it went; one that starts again has."""
    for how in ("kill", "exit", "cleanup"):
        with holding(program, "shm,tcp") as holder:
            holder.do("listen")
            check(len(records(holder)) == 1, how, records(holder))
            if how == "kill":
                holder.process.kill()
                holder.process.wait()
                check(len(records(holder)) == 1, how)  # nobody could clean up
            elif how == "exit":
                holder.tell("exit", 0)
                holder.process.wait()
                check(len(records(holder)) <= WINDOWS, how, records(holder))  # there it is as if it had died
            else:
                holder.do("cleanup")
                check(not records(holder), how, records(holder))
            check(not table(tool, holder)[0], how)
            check(not records(holder), how, records(holder))
            if how == "cleanup":
                holder.do("startup")
                holder.do("listen")
                check(list(table(tool, holder)[0]) == ["listening"], how)


@contextlib.contextmanager
def alone():
    """What there is of all processes of this user is looked at by one of these programs at a time."""
    path = os.path.join(tempfile.gettempdir(), f"openwsd-check-sockets-{os.geteuid()}.lock")
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_full(tool, program):
    with holding(program, "tcp") as holder:
        if holder.do("many", SLOTS + 3) < SLOTS + 3:
            print("not as many descriptors here: the full table is not tried")
            return
        states, told = table(tool, holder)
        check(len(states["bound"]) == SLOTS and told["unlisted"] >= 3, len(states["bound"]), told["unlisted"])
        check("3 more sockets have no place" in run(tool), "full")
        holder.do("few", 10)
        holder.do("listen")
        states, told = table(tool, holder)
        check(len(states.get("bound", [])) == SLOTS - 7 and "listening" in states, len(states["bound"]))
        check(told["unlisted"] == 0, told["unlisted"])


def records(holder):
    return [name for name in os.listdir(folder()) if name.startswith(f"{PREFIX}{holder.pid}-")]


def check_foreign(tool, program):
    """What is not ours is not read, what is rubbish is removed, and neither hides the others."""
    made, strange = [], []

    def make(name, content, mode=0o600, owner=None):
        path = os.path.join(folder(), PREFIX + name)
        made.append(path)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        if owner is not None:
            os.chown(path, owner, owner)
        return path

    good = struct.pack("<IIII64s", 0x4B534F57, 1, 4242, 0, b"foreign").ljust(4096, b"\0")
    try:
        with holding(program, "shm") as holder:
            holder.do("listen")
            dead = [make("1-garbage", os.urandom(5000)), make("2-empty", b""), make("3-dead", good)]
            others = []
            if not WINDOWS:  # where the folder says whose they are
                others = [make("4-open", good, mode=0o666)]
                strange.append(os.path.join(folder(), PREFIX + "6-link"))
                os.symlink("/etc/passwd", strange[0])
            if not WINDOWS and os.geteuid() == 0:
                others.append(make("5-theirs", good, owner=65534))
            strange.append(os.path.join(folder(), PREFIX + "7-folder"))
            os.mkdir(strange[-1])
            states, told = table(tool, holder)
            check(list(states) == ["listening"], states)
            check(all(entry["pid"] != 4242 for entry in told["sockets"]), told)
            check(not any(os.path.exists(path) for path in dead), "rubbish was not removed")
            check(all(os.path.exists(path) for path in others), "another user's was removed")
            check(all(os.path.lexists(path) for path in strange), "what is no file was removed")
    finally:
        for path in made + strange:
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)


def check_scribbled(tool, program):
    """Who writes into the list of another process misleads its readers; the process does not notice."""
    with holding(program, "shm") as holder:
        port = holder.do("listen")
        path = os.path.join(folder(), records(holder)[0])
        with open(path, "r+b") as file:
            file.write(b"\xff" * os.path.getsize(path))
        check(not table(tool, holder)[0], "a list full of ones")
        check(holder.do("many", 100) == 100, "sockets after that")
        check(holder.do("connect", port) == 0 and holder.do("accept") == 0, "a connection after that")
        check(holder.do("few", 100) == 0 and holder.do("cleanup") == 0, "the end after that")
        check(not records(holder), records(holder))


def main():
    tool, program = sys.argv[1:]
    try:
        for path in ("shm", "tcp", "plain"):
            check_states(tool, program, path)
        for path in ("shm", "tcp"):
            check_connecting(tool, program, path)
            check_qos(tool, program, path)
        check_san(tool, program)
        check_fall_back(tool, program)
        check_ends(tool, program)
        with alone():
            check_full(tool, program)
            check_foreign(tool, program)
        check_scribbled(tool, program)
    finally:
        user = 0 if WINDOWS else os.geteuid()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder()}/openwsd-{environment('')['WSD_QOS_LEDGER']}-{user}-2")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
