#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_loader_lock.py OBJDUMP DLL ROOT[,ROOT...] ALLOWED[,ALLOWED...] [--refuses NAME]: what runs while Windows holds
the loader's lock calls nothing of the system but what is allowed, so nothing that takes that lock or waits for who has
it. ROOT: the functions of the DLL that the loader calls: DllMain, and what it leads to without a call that is seen here
(the destructor of local storage, which FlsFree runs). They are followed through every function that they call; an
address that is only handed over is not. A call whose target is not to be known fails, too, and so does a constructor,
which would run there as well. --refuses: the check must complain of NAME, and this of a DLL that is known to be bad."""

import re
import subprocess
import sys

FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
SECTION = re.compile(r"^\s*(\d+) (\S+)\s+[0-9a-f]+\s+([0-9a-f]+)", re.M)
SYMBOL = re.compile(r"^\[\s*\d+\]\(sec\s+(\d+)\)\(fl 0x\w+\)\(ty\s+\w+\)\(scl\s+\d+\) \(nx \d+\) 0x(\w+) (\S+)$", re.M)
BRANCH = re.compile(r"\s(call|jmp|j\w+)\s+(.*)$")
TARGET = re.compile(r"^([0-9a-f]+) <([^>+]+)(\+0x[0-9a-f]+)?>")
SLOT = re.compile(r"#\s*([0-9a-f]+)\b|\*(?:%\wax\+)?(?:ds:)?0x([0-9a-f]+)$")
WRITTEN = re.compile(r"\s\w+\s+(?:.*,)?(%\w+)(?:\s+#.*)?$")
LOADED = re.compile(r"\smov\s+(?:-?0x[0-9a-f]+\(%rip\),%\w+\s+#\s*|(?:ds:)?0x)([0-9a-f]+)\b")
OF_COMPILER = {"register_frame_ctor"}
MOST = 64  # constructors
REGISTER = re.compile(r"^\*(%\w+)$")


def plain(name):
    """Without what 32 bits add: `_DllMain@12`."""
    return re.sub(r"@\d+$", "", name).lstrip("_")


class Dll:
    def __init__(self, objdump, path):
        self.objdump, self.path = objdump, path
        starts = {int(n): int(at, 16) for n, _, at in SECTION.findall(self.run("-h"))}
        # Sections are counted from 0 there and from 1 here.
        self.symbols = {}
        for section, offset, name in SYMBOL.findall(self.run("-t")):
            if int(section) - 1 in starts:
                self.symbols[name] = starts[int(section) - 1] + int(offset, 16)
        self.imports = {at: plain(name.replace("__imp_", "", 1)) for name, at in self.symbols.items()
                        if name.startswith("__imp_")}
        self.code, lines = {}, None
        for line in self.run("-d", "--no-show-raw-insn").splitlines():
            found = FUNCTION.match(line)
            if found:
                lines = self.code.setdefault(found.group(2), [])
            elif lines is not None:
                lines.append(line)

    def run(self, *arguments):
        return subprocess.run([self.objdump, *arguments, self.path], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def constructors(self):
        """None: there is no list to look at."""
        at = next((at for name, at in self.symbols.items() if plain(name) == "CTOR_LIST__"), None)
        if at is None:
            return None
        size = 8 if "x86-64" in self.run("-f") else 4
        text = self.run("-s", f"--start-address={at}", f"--stop-address={at + MOST * size}")
        data = bytes.fromhex("".join(re.findall(r"^ [0-9a-f]+ ((?:[0-9a-f]{2,8} ){1,4})", text, re.M)).replace(" ", ""))
        words = [int.from_bytes(data[i:i + size], "little") for i in range(0, len(data), size)]
        names = {at: plain(name) for name, at in self.symbols.items() if name in self.code}
        return [names.get(word, hex(word)) for word in words[1:words.index(0)]]


class Walk:
    def __init__(self, dll, allowed):
        self.dll, self.allowed = dll, allowed
        self.seen, self.problems = set(), []

    def function(self, name):
        if name in self.seen:
            return
        self.seen.add(name)
        pointers = {}  # register: the import that was loaded into it
        for line in self.dll.code[name]:
            written, loaded = WRITTEN.search(line), LOADED.search(line)
            if written:
                pointers[written.group(1)] = self.dll.imports.get(int(loaded.group(1), 16)) if loaded else None
            branch = BRANCH.search(line)
            if branch:
                self.branch(name, branch.group(2).strip(), pointers)

    def branch(self, name, target, pointers):
        direct, register, slot = TARGET.match(target), REGISTER.match(target), SLOT.search(target)
        if direct:
            called = direct.group(2)
            if called != name and called in self.dll.code:
                self.function(called)
            elif called != name:
                self.problems.append(f"{name} calls {called}, whose code is not here")
            return
        called = None
        if register:
            called = pointers.get(register.group(1))
        elif slot and target.startswith("*"):
            called = self.dll.imports.get(int(slot.group(1) or slot.group(2), 16))
        if called is None:
            self.problems.append(f"{name} calls what cannot be known: {target}")
        elif called not in self.allowed:
            self.problems.append(f"{name} calls {called}")


def check(objdump, path, roots, allowed):
    dll = Dll(objdump, path)
    walk = Walk(dll, allowed)
    names = {plain(name): name for name in dll.code}
    for root in roots:
        if root in names:
            walk.function(names[root])
        else:
            walk.problems.append(f"there is no {root}")
    constructors = dll.constructors()
    if constructors is None:
        walk.problems.append("there is no list of constructors to look at")
    elif set(constructors) - OF_COMPILER:
        walk.problems.append(f"has constructors: {constructors}")
    return sorted(set(walk.problems)), walk.seen


def main(objdump, path, roots, allowed, *refuses):
    problems, seen = check(objdump, path, roots.split(","), set(allowed.split(",")))
    if refuses:
        good = any(problem.endswith(f"calls {refuses[1]}") for problem in problems)
        print(f"{path}: {'refused, as it must be' if good else 'not refused'}: {problems}")
        return not good
    for problem in problems:
        print(f"{path}: {problem}, with the loader's lock held")
    print(f"{len(seen)} functions followed")
    return bool(problems)


sys.exit(main(*sys.argv[1:]))
