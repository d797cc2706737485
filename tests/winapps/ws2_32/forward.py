#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""forward.py SYSTEM_DLL OWN_LIST OUT.def OUT.S - every export of the system's ws2_32.dll for ours.

What OWN_LIST names is ours; each other export becomes a jump through a slot, which DllMain fills.
Names and ordinals are those of the system's, read with objdump (OBJDUMP).
"""
import os
import re
import subprocess
import sys


HEAD = """// made by forward.py
#ifdef __x86_64__
#define JUMP(index) jmp *forward_slots+8*index(%rip)
#define SYMBOL(name) name
#define WIDTH 8
#else
#define JUMP(index) jmp *_forward_slots+4*index
#define SYMBOL(name) _##name
#define WIDTH 4
#endif
.text
"""


def read_exports(path):
    """[(ordinal, name)] of a DLL."""
    text = subprocess.run([os.environ.get("OBJDUMP", "x86_64-w64-mingw32-objdump"), "-p", path],
                          check=True, capture_output=True, text=True).stdout
    base = int(re.search(r"Ordinal Base\s+(\d+)", text).group(1))
    table = text[text.index("[Ordinal/Name Pointer] Table"):]
    return [(int(m.group(1)) + base, m.group(2))
            for m in re.finditer(r"^\s*\[\s*(\d+)\](?: \+base\[\s*\d+\])?\s+(?:\w{4}\s)?(\w+)$", table, re.M)]


def main():
    system, own_list, def_path, asm_path = sys.argv[1:]
    with open(own_list, encoding="ascii") as file:
        own = {line.strip() for line in file if line.strip() and not line.startswith("#")}
    exports = read_exports(system)
    names = {name for _, name in exports}
    missing = own - names
    if len(exports) < 50:
        sys.exit(f"forward.py: only {len(exports)} exports in {system}")
    highest = max(ordinal for ordinal, _ in exports)
    with open(def_path, "w", encoding="ascii") as file:
        file.write("LIBRARY ws2_32.dll\nEXPORTS\n")
        for ordinal, name in exports:
            file.write(f"  {name}{'' if name in own else ' = thunk_' + name} @{ordinal}\n")
        for index, name in enumerate(sorted(missing)):
            file.write(f"  {name} @{highest + 1 + index}\n")
    forwards = [name for _, name in exports if name not in own]
    with open(asm_path, "w", encoding="ascii") as file:
        file.write(HEAD)
        for index, name in enumerate(forwards):
            file.write(f".globl SYMBOL(thunk_{name})\nSYMBOL(thunk_{name}): JUMP({index})\n")
        file.write(".data\n.globl SYMBOL(forward_names)\nSYMBOL(forward_names):\n")
        for name in forwards:
            file.write(f'.asciz "{name}"\n')
        file.write('.byte 0\n.balign 16\n')
        file.write(f".globl SYMBOL(forward_slots)\nSYMBOL(forward_slots): .fill {len(forwards)}, WIDTH, 0\n")


if __name__ == "__main__":
    main()
