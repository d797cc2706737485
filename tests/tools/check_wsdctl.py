#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_wsdctl.py WSDCTL BACKENDS: info names every backend with its state, params every parameter with
its origin; what is wrong with the configuration is said."""

import os
import re
import subprocess
import sys
import tempfile

problems = []


def check(condition, text):
    if not condition:
        problems.append(text)


def wsdctl(tool, *args, config="/dev/null", **settings):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WSD_")}
    environment.update(settings, WSD_CONFIG=config)
    done = subprocess.run([tool, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=120, env=environment)
    return done.returncode, done.stdout, done.stderr


def check_info(tool, backends):
    code, out, errors = wsdctl(tool, "info", WSD_BACKENDS="sim,tcp")
    check(code == 0, f"info: exit status {code}: {errors}")
    for name in backends:
        check(re.search(rf"^{name} \(built in\), ", out, re.M), f"info does not name {name}")
    check(re.search(r"^sim \(built in\), path 1$", out, re.M), out)
    check(re.search(r"^shm \(built in\), not enabled", out, re.M), out)
    check(out.count("usable; messages up to") == len(backends), out)
    check(re.search(r"addresses: .*127\.0\.0\.1( |$)", out, re.M), out)
    check("2 of the paths can be used" in out, out)
    check(re.search(r"^plain \(the system's TCP\), not enabled", out, re.M), out)
    _, out, _ = wsdctl(tool, "info", WSD_BACKENDS="tcp,plain")
    check(re.search(r"^plain \(the system's TCP\), path 2$", out, re.M), out)
    code, out, errors = wsdctl(tool, "info", WSD_BACKENDS="nosuch", WSD_MODULE_DIR="/nowhere")
    check(code == 1, f"info without a usable path: exit status {code}")
    check("nosuch (missing), path 1\n  not usable: backend nosuch is not built in, and there is no "
          "/nowhere/openwsd-backend-nosuch.so" in out, out)
    check("0 of the paths can be used: no socket" in out, out)


def row(out, name):
    match = re.search(rf"^{name} +(.+?)  +(standard|file|environment) +(.*)$", out, re.M)
    return match.groups() if match else ("", "", "")


def check_params(tool):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "openwsd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\ufeffspin-us = 7\nexit_linger = 5\nno_such_key = 1\nnonsense\nqueue_depth = 7o\nlog = loud\n"
                       "rule = connect * tcp\nring_memory = yes\n")
        code, out, errors = wsdctl(tool, "params", config=config, WSD_EXIT_LINGER="9", WSD_RING_MEMORY="2m",
                                   WSD_SPIN_THREADS="1025", WSD_BACKEND="tcp", WSD_RULE="connect * shm")
        told = {name: wsdctl(tool, name, config) for name in ("params", "rules", "info")}
        wide = os.path.join(folder, "wide.conf")
        with open(wide, "w", encoding="utf-16") as file:
            file.write("spin_us = 8\n")
        in_utf16 = {name: wsdctl(tool, name, config=wide) for name in ("params", "rules")}
    check(code == 0, f"params: exit status {code}")
    check(f"file: {config}\n" in out, out)
    check(row(out, "SPIN_US")[:2] == ("7", "file"), f"SPIN_US: {row(out, 'SPIN_US')}")
    check("[standard: 50]" in row(out, "SPIN_US")[2], f"SPIN_US: {row(out, 'SPIN_US')}")
    check(row(out, "EXIT_LINGER")[:2] == ("9", "environment"), f"{row(out, 'EXIT_LINGER')}")
    check(row(out, "BACKENDS")[:2] == ("shm,verbs,tcp,plain", "standard"), f"{row(out, 'BACKENDS')}")
    # What is shown is in force, with what was refused behind it.
    for name, value, refused in (("QUEUE_DEPTH", "4096", "7o of the file"), ("LOG", "(silent)", "loud of the file"),
                                 ("SPIN_THREADS", "2", "1025 of the environment"),
                                 ("RING_MEMORY", "256", "2m of the environment")):
        check(row(out, name)[:2] == (value, "standard"), f"{name}: {row(out, name)}")
        check(row(out, name)[2].endswith(f"[not in force: {refused}]"), f"{name}: {row(out, name)}")
    check(row(out, "RULE")[:2] == ("(1, see rules)", "file"), f"{row(out, 'RULE')}")
    said = [line.replace(config, "FILE") for line in errors.splitlines()]
    check(said[:2] == ["FILE line 3: unknown key NO_SUCH_KEY", "FILE line 4: not key = value"], errors)
    check(sorted(said[2:]) == [
        "LOG: loud is none of error, warning, notice, info and debug",
        "QUEUE_DEPTH: 7o is not a number from 16 to 1048576, using 4096",
        "RING_MEMORY: 2m is not a number from 0 to 1048576, using 256",
        "SPIN_THREADS: 1025 is not a number from 0 to 1024, using 2",
        "WSD_BACKEND of the environment has no effect: there is no such parameter",
        "WSD_RULE has no effect: rules stand in the file only"], errors)
    check(f"file: {config}\n" in told["params"][1] and told["params"][0] == 0, told["params"])
    check(told["rules"][:2] == (0, "line 7: connect any address: tcp\n"), told["rules"])
    check("line 3: unknown key NO_SUCH_KEY" in told["rules"][2], told["rules"])
    check(f"configuration: {config}\n" in told["info"][1], told["info"])
    for name, (code, _, errors) in in_utf16.items():
        check(code == 1 and "is UTF-16, of which nothing is read: save it as UTF-8" in errors, f"{name}: {errors}")
    code, out, errors = wsdctl(tool, "params", config="/nowhere/openwsd.conf")
    check(code == 1 and "/nowhere/openwsd.conf, which is not there\n" in out, out)
    check("/nowhere/openwsd.conf is not there" in errors, errors)
    code, _, errors = wsdctl(tool, "rules", "/nowhere/openwsd.conf")
    check(code == 1 and "/nowhere/openwsd.conf is not there" in errors, errors)


RULES = """# rules
rule = connect 10.0.0.0/8:80-90 program curl tcp, plain
rule = listen [fd00::/16]:443 verbs/rxe0
rule = both * program "My, App.exe" deny
rule = both * deny
rule = sometimes * tcp
rule = connect 10.0.0.0/33 tcp
rule = connect 10.0.0.1:99-9 tcp
rule = connect 10.0.0.1 Tcp
rule = connect 10.0.0.1 tcp deny
rule = connect 10.0.0.1
rule = connect [fd00::]/16 tcp
rule = connect [fd00::/16 tcp
rule = connect * program "My App.exe tcp
rule = connect * program "My App"tcp
rule = connect * program "" tcp
"""
UNDERSTOOD = """line 2: connect 10.0.0.0/8, ports 80-90, program curl: tcp plain
line 3: listen [fd00::/16], port 443: verbs/rxe0
line 4: connect and listen any address, program My, App.exe: denied
line 5: connect and listen any address: denied
"""
MISTAKES = ("connect, listen or both comes first", "no address or network", "no port or range",
            "no name of a path", "deny stands alone", "neither paths nor deny",
            "behind a bracket", "a bracket has no partner") + 3 * ("program and one name",)


def check_rules(tool):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "openwsd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(RULES)
        code, out, errors = wsdctl(tool, "rules", config=config)
    check(code == 1 and out == UNDERSTOOD, f"rules: {code}\n{out}")
    for line, text in enumerate(MISTAKES, 6):
        check(f"line {line}: {text}" in errors, f"line {line} ({text}): {errors}")
    code, out, errors = wsdctl(tool, "rules")
    check(code == 0 and "has no rules" in out, f"no rules: {code} {out} {errors}")


def main(tool, backends):
    check_info(tool, backends)
    check_params(tool)
    check_rules(tool)
    for args, message in ((["nosuch"], "there is no command nosuch"), ([], "usage"),
                          (["info", "x", "y"], "takes one file at most"),
                          (["install"], "install is there on Windows only"),
                          (["params", "--x"], "--x: unknown option")):
        code, _, errors = wsdctl(tool, *args)
        check(code == 2 and message in errors, f"{args}: {code} {errors}")
    for args, message in ((["-h"], "usage: wsdctl COMMAND"), (["rules", "--help"], "Usage: wsdctl rules")):
        code, out, _ = wsdctl(tool, *args)
        check(code == 0 and message in out, f"{args}: {code} {out}")
    code, out, _ = wsdctl(tool, "--version")
    match = re.fullmatch(r"wsdctl (\S+), libopenwsd (\S+)\n", out)
    check(code == 0 and match and match.group(1) == match.group(2), f"--version: {out}")
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main(sys.argv[1], sys.argv[2].split(","))
