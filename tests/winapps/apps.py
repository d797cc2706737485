# SPDX-License-Identifier: BSD-2-Clause
"""apps.py - the programs of others: how each is run, and what its tests say.

An application is a function (run) -> {test: "ok" | "fail" | "skip"}; `run` starts a program in the place that
is to be tested and returns (exit status or None, output). names limits what is run.
"""
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# libuv's names of what concerns TCP and polling; the rest of its 429 tests has no sockets of TCP. Not three of them,
# which end with the same words on Wine's TCP as a provider without IFS handles: poll_duplex and poll_unidirectional
# want a disconnection that libuv learns by asking AFD, below Winsock, and do not come that far (poll.c: assert(0), when
# two of its threads wait for a socket); tcp_write_queue_order wants writes that CancelIo ended.
UV_NAMES = re.compile(r"^(tcp6?_(?!write_queue_order)|poll_(?!(duplex|unidirectional)\b)|"
                      r"connect_unspec|connection_fail|delayed_accept|multiple_listen|shutdown_(?!close_pipe))")
# They wait for the three minutes that libuv's select takes where it cannot ask AFD, which come sooner here.
UV_WAITS = {"poll_close": "60", "poll_multiple_handles": "60"}


def libuv(place, names=None):
    if names is None:
        _, listing = place.run(["uv_run_tests_a.exe", "--list"], 30)
        names = [line.split()[0] for line in listing.splitlines() if UV_NAMES.match(line)]
    results = {}
    for name in names:
        status, output = place.run(["uv_run_tests_a.exe", name], 120, WSD_TEST_HURRY=UV_WAITS.get(name, "1"))
        # A skipped test says so on its line and has a status of its own.
        skipped = re.search(r"^ok \d+ - \S+ # SKIP", output, re.M)
        results[name] = "skip" if skipped else "ok" if status == 0 else "fail"
        place.note(name, results[name], output)
    return results


# Not reqstress and ws: they cancel receives by CancelIoEx and wait for them, which is for ever with handles that are not
# the system's, on Wine's TCP as such a provider, too.
NNG_PROGRAMS = ["tcp", "tcp6", "tcpsupp", "httpserver"]
NNG_VERDICT = re.compile(r"^(ok|FAIL)\s+\S+\s+[\d.]+s", re.M)


def nng(place, names=None):
    results = {}
    for name in names or NNG_PROGRAMS:
        # On Wine they do not come to their end, also with its own TCP: nng's threads keep them.
        _, output = place.run([name + ".exe"], 60, last=NNG_VERDICT)
        verdict = NNG_VERDICT.search(output)
        results[name] = "ok" if verdict and verdict.group(1) == "ok" else "fail"
        place.note(name, results[name], output)
    return results


# Of libevent's regress: all that has a socket of TCP, and be it the pair that an event base wakes itself by; what is left are
# tags, heaps and name servers. Two lanes, as there are two processors on small machines.
EVENT_LANES = [["main/..", "et/..", "finalize/..", "thread/..", "rpc/..", "util/..", "evbuffer/.."],
               ["http/..", "bufferevent/..", "listener/..", "iocp/.."]]
# They wait for times to run out, up to 30 s: beside the others.
EVENT_WAITS = ["iocp/listener/error", "dns/bufferevent_connect_hostname", "http/cancel_by_host_ns_timeout",
               "http/cancel_by_host_ns_timeout_inactive_server", "http/cancel_by_host_inactive_server",
               "http/cancel_inactive_server", "http/cancel_by_host_no_ns", "http/cancel_by_host_no_ns_inactive_server"]
WAITING = 4 # at a time


def run_regress(place, name):
    """(results, [(test, verdict, its words)])"""
    left = [":" + test for test in EVENT_WAITS if name.endswith("/..") and test.startswith(name[:-2])]
    status, output = place.run(["regress.exe", name] + left, 180)
    if "No such test" in output:
        sys.exit(output)
    results, notes = {}, []
    # What follows the last test is about all of them.
    output = re.sub(r"^\d+/\d+ TESTS FAILED", "", output, flags=re.M)
    parts = re.split(r"^(\w+(?:/\w+)+): ", "\n" + output, flags=re.M)
    for test, text in zip(parts[1::2], parts[2::2]):
        if ":" + test in left:
            continue
        verdict = "fail" if "FAILED" in text else "skip" if re.search(r"SKIPPED|DISABLED", text) else \
            "ok" if re.search(r"\bOK\b", text) else "fail"
        results[test] = verdict
        notes.append((test, verdict, text))
    if status != 0 and "fail" not in results.values():
        results[name] = "fail"
        notes.append((name, "fail", output))
    return results, notes


def libevent(place, names=None):
    lanes = [names] if names else EVENT_LANES
    results = {}
    with ThreadPoolExecutor(WAITING) as waiting, ThreadPoolExecutor(len(lanes)) as running:
        work = [waiting.submit(run_regress, place, name) for name in ([] if names else EVENT_WAITS)]
        work += [running.submit(lambda lane: [run_regress(place, name) for name in lane], lane) for lane in lanes]
        done = [job.result() for job in work]
    for part in done:
        for found, notes in part if isinstance(part, list) else [part]:
            results.update(found)
            for note in notes:
                place.note(*note)
    return results


CURL_SIZE = 64 << 20


def curl(place, names=None):
    """libevent's http-server serves a file, curl gets it: once, and four at once."""
    folder = os.path.join(place.folder, "www")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "file.bin"), "wb") as file:
        file.write(random.Random(1).randbytes(CURL_SIZE))
    port = place.port()
    results = {}
    with place.background(["http-server.exe", "-p", str(port), "www"]):
        for name, count in (("get", 1), ("get_four_at_once", 4)):
            if names is not None and name not in names:
                continue
            url = f"http://127.0.0.1:{port}/file.bin"
            arguments = ["curl.exe", "-sS", "--connect-timeout", "10", "--retry", "5", "--retry-connrefused",
                         "--retry-delay", "1", "-Z"]
            for i in range(count):
                arguments += [url, "-o", f"got{i}.bin"]
            status, output = place.run(arguments, 120)
            same = all(subprocess.run(["cmp", "-s", "www/file.bin", f"got{i}.bin"], cwd=place.folder,
                                      check=False).returncode == 0 for i in range(count))
            results[name] = "ok" if status == 0 and same else "fail"
            place.note(name, results[name], f"status {status}, {'same' if same else 'other'} bytes\n{output}")
            for i in range(count):
                try:
                    os.unlink(os.path.join(place.folder, f"got{i}.bin"))
                except FileNotFoundError:
                    pass
    shutil.rmtree(folder, ignore_errors=True)
    return results


# {name: (function, programs, Debian's source packages)}
APPS = {
    "libuv": (libuv, ["uv_run_tests_a.exe"], ["libuv1"]),
    "curl": (curl, ["curl.exe", "http-server.exe"], ["curl", "libevent"]),
    "libevent": (libevent, ["regress.exe"], ["libevent"]),
    "nng": (nng, [name + ".exe" for name in NNG_PROGRAMS], ["nng"]),
}
