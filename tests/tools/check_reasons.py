#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_reasons.py WSDCTL HOLD_SOCKETS OPENWSD.7: each reason of openwsd(7) is made to happen to a connect. The socket's
option, the log, the counter and wsdctl sockets tell it, all the same, and the program is connected unless it is final."""

import os
import re
import socket
import sys
import tempfile

from check_sockets import check, holding, problems, run, table

EACCES, ECONNREFUSED = 10013, 10061

# What is short, or what happens, by the script of the simulated device: number, text, script. The acceptor is in the
# same process: its endpoint and its memory are made behind those of the connector.
SCRIPTS = [
    (-2, "out of memory", "fail endpoint 2"),
    (-4, "permission denied", "fail endpoint 1 EACCESS"),
    (-6, "address not local", "fail connect 1 EADDRNOTAVAIL"),
    (-7, "descriptor limit reached", "fail endpoint 1 ENOFILES"),
    (-9, "in use", "fail endpoint 1 EBUSY"),
    (-44, "memory cannot be registered", "fail mem 2 EREGISTER"),
    (-45, "the limit of locked memory is reached", "fail mem 4 EMEMLOCK"),
    (-60, "connection reset by the peer", "reject 1"),
    (-63, "no route to the address by this path", "fail connect 1 EUNREACHABLE"),
    (-64, "timed out", "fail connect 1 ETIMEDOUT"),
    (-65, "the peer broke the protocol", "fail connect 1 EPROTOCOL"),
    (-68, "the peer speaks another protocol version or mode", "fail connect 1 EVERSION"),
    (-69, "the peer belongs to another user or namespace", "fail connect 1 EUSER"),
    (-70, "nothing answers there by this path", "fail connect 1 ENOANSWER"),
    (-80, "device failed or was removed", "fail accept 1 EDEVICE"),
]
seen = set()


def check_told(tool, holder, log, path, number, reasons, line=None, text=None):
    """Wherever a reason is told. text: what the number alone means, where the reason says more."""
    line = line or f" debug path: {reasons}"
    text = text or reasons.split(": ", 1)[1].rsplit(" (", 1)[0]
    seen.add(number)
    check(holder.text("tell") == f"{path}|{reasons}", number, "option:", holder.text("tell"), "not", path, reasons)
    states, told = table(tool, holder)
    entries = [e for state, entries in states.items() for e in entries if state != "listening" and e["reasons"]]
    check(len(entries) == 1 and entries[0]["reasons"] == reasons, number, "wsdctl sockets:", entries)
    check(entries and entries[0]["path"] == path, number, entries)
    counted = [r for r in told["reasons"] if r["number"] == number]
    check(len(counted) == 1 and counted[0]["times"] >= 1, number, "counter:", told["reasons"])
    check(counted and counted[0]["text"] == text, number, "text:", counted)
    check(f"why: {reasons}" in run(tool, "--reasons"), number, "wsdctl sockets --reasons")
    with open(log, encoding="utf-8") as file:
        lines = [one for one in file.read().splitlines() if one.endswith(line)]
    check(len(lines) == 1, number, "log:", lines, "not once", line)


def new_log(folder):
    path = os.path.join(folder, f"log{len(os.listdir(folder))}")
    return path, {"WSD_LOG": "debug", "WSD_LOG_FILE": path}


def check_scripts(tool, program, folder):
    for number, text, script in SCRIPTS:
        log, settings = new_log(folder)
        with holding(program, "sim,plain", WSD_SIM_SCRIPT=script, **settings) as holder:
            error = holder.do("connect", holder.do("listen"))
            check(error == 0, number, "connect:", error)
            check(error != 0 or holder.do("accept") == 0, number, "accept")
            reasons = f"sim: {text} ({number})"
            check_told(tool, holder, log, "plain", number, reasons)


def check_small_device(tool, program, folder):
    """It takes fewer receives than a stream needs."""
    log, settings = new_log(folder)
    with holding(program, "sim,plain", WSD_SIM_CAPS="recv=8", **settings) as holder:
        check(holder.do("connect", holder.do("listen")) == 0, "a small device")
        reasons = "sim: not supported (-3)"
        check_told(tool, holder, log, "plain", -3, reasons)


def check_port(tool, program, folder):
    """A program that has chosen its port gets no other one."""
    log, settings = new_log(folder)
    with holding(program, "sim,plain", WSD_SIM_SCRIPT="fail connect 1 EADDRINUSE", **settings) as holder:
        port = holder.do("listen")
        check(holder.do("bind") == 0 and holder.do("go", port) == 0, "from a port that is in use")
        reasons = "sim: address in use (-5)"
        check_told(tool, holder, log, "plain", -5, reasons)


def check_full_backlog(tool, program, folder):
    log, settings = new_log(folder)
    with holding(program, "sim,plain", **settings) as holder:
        port = holder.do("listen")
        check([holder.do("connect", port) for _ in range(6)] == 5 * [0] + [ECONNREFUSED], "a full backlog")
        reasons = "sim: refused by the application or by a full backlog (-61)"
        check_told(tool, holder, log, "", -61, reasons)


def check_nobody(tool, program, folder):
    """A server without OpenWSD."""
    log, settings = new_log(folder)
    with holding(program, "sim,plain", **settings) as holder, socket.create_server(("127.0.0.1", 0)) as server:
        check(holder.do("connect", server.getsockname()[1]) == 0, "a plain server")
        reasons = "sim: nobody listens at that address (-62)"
        check_told(tool, holder, log, "plain", -62, reasons)


def check_denied(tool, program, folder):
    config = os.path.join(folder, "openwsd.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write("# who may go where\nrule = connect 127.0.0.0/8 deny\n")
    log, settings = new_log(folder)
    with holding(program, "sim,plain", WSD_CONFIG=config, **settings) as holder:
        check(holder.do("connect", holder.do("listen")) == EACCES, "denied")
        reasons = "rule at line 2: denied by a rule of openwsd.conf (-71)"
        check_told(tool, holder, log, "", -71, reasons)


def check_no_device(tool, program, folder):
    log, settings = new_log(folder)
    with holding(program, "nosuch,plain", **settings) as holder:
        check(holder.do("connect", holder.do("listen")) == 0, "no such backend")
        text = "backend nosuch is not built in, and there is no /nowhere/openwsd-backend-nosuch.so"
        check_told(tool, holder, log, "plain", -81, f"nosuch: {text} (-81)",
                   f" warning engine: backend nosuch is not available: {text}", "no such device")


def main():
    tool, program, manual = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for part in (check_scripts, check_small_device, check_port, check_full_backlog, check_nobody, check_denied,
                     check_no_device):
            part(tool, program, folder)
    with open(manual, encoding="utf-8") as file:
        listed = {-int(number) for number in re.findall(r"^\.It \\-(\d+)$", file.read(), re.MULTILINE)}
    check(listed == seen, "openwsd(7) lists", sorted(listed - seen), "and lacks", sorted(seen - listed))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
