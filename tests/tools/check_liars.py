#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_liars.py NETCAT WSDCP WSDPING: wsdcp and wsdping with a peer that lies. Nothing may be written
outside the folder of wsdcp or be left in it, and each side says what was wrong."""

import os
import pty
import re
import struct
import subprocess
import sys
import tempfile

EMPTY_SUM = 0x2D06800538D394C2  # XXH3 of no bytes
problems = []


def check(condition, text):
    if not condition:
        problems.append(text)


def head(name, size, magic=b"WSDCP 1\n", length=None):
    return magic + struct.pack("<QH", size, len(name) if length is None else length) + name


def trailer(value):
    return struct.pack("<Q", value)


def listen(command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    line = process.stdout.readline().decode()
    match = re.match(r"listening on port (\d+)", line)
    if not match:
        process.kill()
        sys.exit(f"{command} does not listen: {line}{process.stderr.read().decode()}")
    return process, f"127.0.0.1:{match.group(1)}"


def talk(netcat, where, sent, flags=()):
    done = subprocess.run([netcat, *flags, where], input=sent, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=120)
    return done.stdout


def finish(process, what):
    try:
        _, errors = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        problems.append(f"{what}: still running")
        return None, ""
    return process.returncode, errors.decode()


# what, bytes of the sender, first reply (0 welcome, 1 refused, None: nothing is said),
# end status of the receiver (None: it goes on listening), its message, the file that is stored
RECEIVER = [
    ("a good one", head(b"good", 0) + trailer(EMPTY_SUM), 0, 0, "", "good"),
    ("checksum", head(b"sum", 0) + trailer(EMPTY_SUM ^ 1), 0, 1, "checksum differs", None),
    ("checksum of bytes", head(b"sum", 5) + b"12345" + trailer(0), 0, 1, "checksum differs", None),
    ("too short", head(b"short", 100) + b"x" * 50, 0, 1, "stopped in the middle", None),
    ("no checksum", head(b"short", 5) + b"12345" + b"1234567", 0, 1, "stopped in the middle", None),
    ("parent", head(b"../escaped", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("absolute", head(b"/tmp/escaped", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("backslash", head(b"a\\escaped", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("drive", head(b"c:escaped", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("hidden", head(b".profile", 0) + trailer(EMPTY_SUM), 1, 1, "hidden", None),
    ("dot dot", head(b"..", 0) + trailer(EMPTY_SUM), 1, 1, "hidden", None),
    ("no name", head(b"", 0) + trailer(EMPTY_SUM), 1, 1, "empty", None),
    ("escape sequence", head(b"a\x1b[2Jb", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("C1 control", head(b"a\xc2\x9b2Jb", 0) + trailer(EMPTY_SUM), 1, 1, "leads out", None),
    ("a folder", head(b"folder", 0) + trailer(EMPTY_SUM), 1, 1, "folder of that name", None),
    ("absurd size", head(b"absurd", (1 << 64) - 1), 1, 1, "no file is that large", None),
    ("largest size", head(b"absurd", (1 << 63) - 1), 1, 1, "no file is that large", None),
    ("huge and nothing", head(b"huge", 1 << 62), 0, 1, "stopped in the middle", None),
    ("garbage", b"\xff" * 1000, None, None, "not from wsdcp", None),
    ("another version", head(b"name", 0, magic=b"WSDCP 9\n"), None, None, "not from wsdcp", None),
    ("NUL in the name", head(b"a\0b", 0), None, None, "not from wsdcp", None),
    ("name too long", head(b"x" * 300, 0), None, None, "not from wsdcp", None),
    ("half a head", head(b"name", 0)[:10], None, None, "not from wsdcp", None),
    ("half a name", head(b"name", 0, length=100), None, None, "not from wsdcp", None),
    ("nothing", b"", None, None, "not from wsdcp", None),
]


def check_receiver(wsdcp, netcat, case):
    what, sent, reply, status, message, stored = case
    with tempfile.TemporaryDirectory() as top:
        place = os.path.join(top, "place")
        os.makedirs(os.path.join(place, "folder"))
        process, where = listen([wsdcp, "-l", "0", place])
        back = talk(netcat, where, sent)
        if status is None:
            # It must still serve the next one.
            talk(netcat, where, head(b"next", 0) + trailer(EMPTY_SUM))
            stored, status = "next", 0
        code, errors = finish(process, what)
        check(code == status, f"{what}: exit status {code}: {errors}")
        check(message in errors, f"{what}: {errors}")
        if reply is None:
            check(back == b"", f"{what}: the answer is {back}")
        else:
            check(back[:1] == bytes([reply]), f"{what}: the answer is {back}")
        names = {os.path.join(where, name)[len(place) + 1:]
                 for where, folders, files in os.walk(place) for name in folders + files}
        check(names == {"folder", stored} - {None}, f"{what}: in the folder: {names}")
        check(os.listdir(top) == ["place"], f"{what}: beside the folder: {os.listdir(top)}")


# what, bytes of the receiver, message of the sender
SENDER = [
    ("a welcome, then nothing", b"\0\0", "did not confirm|cannot send"),
    ("no", b"\1\3not", "refused .*: not$"),
    ("no with an escape sequence", b"\1\6a\x1b[2Jb", r"refused .*: a\?\[2Jb$"),
    ("no in the middle", b"\0\0\1\4full", "refused .*: full$"),
    ("half an answer", b"\1\x20half", "did not confirm"),
    ("nothing", b"", "did not confirm"),
]


def check_sender(wsdcp, netcat, case):
    what, sent, message = case
    with tempfile.TemporaryDirectory() as top:
        name = os.path.join(top, "file")
        with open(name, "wb") as file:
            file.truncate(20 << 20)
        process, where = listen([netcat, "-l", "0"])
        process.stdin.write(sent)
        process.stdin.close()
        process.stdin = None
        done = subprocess.run([wsdcp, "-t", "5", name, where], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=120)
        errors = done.stderr.decode()
        check(done.returncode == 1, f"sender: {what}: exit status {done.returncode}")
        check(re.search(message, errors.strip()), f"sender: {what}: {errors}")
        check(done.stdout == b"", f"sender: {what}: {done.stdout}")
        finish(process, what)


def check_silent_sender(wsdcp, netcat):
    """One that says nothing is given up after -t seconds."""
    with tempfile.TemporaryDirectory() as place:
        process, where = listen([wsdcp, "-t", "1", "-l", "0", place])
        talk(netcat, where, head(b"name", 100)[:5], flags=["-n"])
        talk(netcat, where, head(b"name", 100) + b"x" * 10, flags=["-n"])
        code, errors = finish(process, "silent sender")
        check(code == 1 and "no answer in time" in errors, f"silent sender: {code} {errors}")
        check(os.listdir(place) == [], "silent sender: something is left")


def read_terminal(ours):
    """Until the other end is closed, which is an error in Linux."""
    text = b""
    try:
        while True:
            text += os.read(ours, 4096)
    except OSError:
        os.close(ours)
    return text.decode()


def check_progress(wsdcp):
    """The bar is for terminals only; it ends at all of the file."""
    with tempfile.TemporaryDirectory() as top:
        name = os.path.join(top, "file")
        with open(name, "wb") as file:
            file.truncate(64 << 20)
        process, where = listen([wsdcp, "-l", "0", os.path.join(top, "copy")])
        ours, theirs = pty.openpty()
        sender = subprocess.Popen([wsdcp, name, where], stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        bar = read_terminal(ours)
        code, errors = finish(process, "progress")
        check(sender.wait() == 0 and code == 0, f"progress: {sender.returncode} {code} {errors}")
        check(re.search(r"100% \[#{30}\] +64\.0 MiB +[\d.]+ MiB/s\r?\n$", bar), f"bar: {bar!r}")
        check(errors == "", f"no terminal, and yet: {errors!r}")


# what, bytes of the client, what comes back (None: the connection is refused)
PING = [
    ("a good one", b"WSDPING1" + struct.pack("<I", 4) + b"abcdefgh", b"abcdefgh"),
    ("half a message", b"WSDPING1" + struct.pack("<I", 4) + b"abcdef", b"abcd"),
    ("size 0", b"WSDPING1" + struct.pack("<I", 0) + b"a", None),
    ("too large", b"WSDPING1" + struct.pack("<I", (1 << 20) + 1) + b"a", None),
    ("negative", b"WSDPING1" + struct.pack("<I", (1 << 32) - 1) + b"a", None),
    ("garbage", b"\xff" * 1000, None),
    ("half a head", b"WSDPING1\4", None),
    ("nothing", b"", None),
]


def check_ping(wsdping, netcat):
    for what, sent, expected in PING:
        process, where = listen([wsdping, "-l", "0"])
        back = talk(netcat, where, sent)
        check(back == (expected or b""), f"wsdping: {what}: {back!r}")
        if expected is None:
            # It must still serve the next one.
            back = talk(netcat, where, PING[0][1])
            check(back == PING[0][2], f"wsdping: after {what}: {back!r}")
        code, errors = finish(process, f"wsdping: {what}")
        check(code == (1 if what == "half a message" else 0), f"wsdping: {what}: {code} {errors}")
        if expected is None:
            check("not from wsdping" in errors, f"wsdping: {what}: {errors}")


def main(netcat, wsdcp, wsdping):
    for case in RECEIVER:
        check_receiver(wsdcp, netcat, case)
    for case in SENDER:
        check_sender(wsdcp, netcat, case)
    check_silent_sender(wsdcp, netcat)
    check_progress(wsdcp)
    check_ping(wsdping, netcat)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main(*sys.argv[1:])
