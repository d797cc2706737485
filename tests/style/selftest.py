#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plant faults in a small tree of its own, one at a time: the check named must find each of them,
and must find none in the tree without them."""

import os
import subprocess
import sys
import tempfile

HEAD = "// SPDX-License-Identifier: BSD-2-Clause\n"
HEADER = "/* SPDX-License-Identifier: BSD-2-Clause */\n#ifndef A_H\n#define A_H\n#endif\n"
CLEAN = {
    "rdma_backend/base/base.h": HEADER,
    "rdma_backend/base/param_names.h": HEADER
    + 'X("DEPTH", "2k", "", 1, 1u << 20)\nX("NAMES", "a,b", "", 0, 0)\nX("TCP_PORT", "1", "", 1, 1)\n',
    "rdma_backend/include/openwsd/backend.h": HEADER,
    "rdma_backend/registry.h": HEADER,
    "rdma_backend/shm/shm.h": HEADER,
    "rdma_backend/tcp/tcp.c": HEAD
    + '#include <openwsd/backend.h>\nint p = host->param_uint("tcp", "port", 1, 1, 1);\n',
    "provider/session/stream.h": HEADER,
    "provider/transport/engine.h": HEADER,
    "provider/transport/engine.c": HEAD
    + '#include "rdma_backend/registry.h"\nint d = wsd_param_uint("DEPTH", 2u << 10, 1, 1u << 20);\n'
    + 'int n = wsd_param_text("NAMES", "a,b");\n',
    "provider/winsock/socket.c": HEAD
    + '#include "provider/session/stream.h"\n/* malloc( in a comment, "strcpy(" too */\n'
    + 'void f(void)\n{\n\thost->free(p);\n\twsd_free("sprintf(");\n}\n',
    "rdma_backend/base/platform.h": HEADER
    + "#ifdef _WIN32\n#else\n#include <pthread.h>\n#endif\n#ifndef _WIN32\nssize_t a;\n#endif\n"
    + "#if defined(__GNUC__) && !defined(_WIN32)\n__attribute__((unused))\n#endif\nint b;\n",
    "spi_shim/linux/api.c": HEAD + '#include "provider/include/openwsd/winsock2.h"\n',
    "tests/unit/test_keyed.c": HEAD + "int main(void)\n{\n}\n",
    "tests/unit/test_posix.c": HEAD + "int main(void)\n{\n}\n",
    "tests/unit/test_library.c": HEAD + "void both(void)\n{\n}\n",
    "tests/unit/test_script.sh": "# SPDX-License-Identifier: BSD-2-Clause\n",
    "tests/backend/test_looped.c": HEAD + "int main(int argc, char **argv)\n{\n}\n",
    "tests/conformance/test_named.c": HEAD + "int main(void)\n{\n}\n",
    "tests/windows/meson.build": "# SPDX-License-Identifier: BSD-2-Clause\nsome_programs = {\n\t'keyed': [],\n}\n"
    + "foreach name : ['looped']\nendforeach\nx = executable('x', '../conformance/test_named.c')\n",
    "tests/plain/test_cased.c": HEAD + "const struct plain_case plain_cases[] = {\n};\n",
    "tests/plain/cases/meson.build": "# SPDX-License-Identifier: BSD-2-Clause\nsome_programs = {\n\t'cased': ['one'],\n}\n",
    "docs/windows.md": "Of the programs of Linux these do not run there:\n\n| program | why |\n|---|---|\n"
    + "| `posix`, `script` | signals |\n",
}
ROWS = "| | |\n|---|---|\n| arguments | a |\n| states | any |\n| errors | none |\n| events | none |\n"
CLEAN["tests/switch/contract.c"] = HEAD + "static bool has_all(void)\n{\n\treturn sw_spi.lpWSPBind;\n}\n"
CLEAN["provider/include/openwsd/ws2san.h"] = HEADER + "typedef int(WSPAPI *LPFN_WSPRDMAREAD)(void);\n"
CLEAN["docs/san-provider.md"] = (f"### WSPBind\n\n{ROWS}| mode D | the same |\n\n### What else\n\ntext\n\n"
                               f"### WSPRdmaRead\n\n{ROWS}| mode D | not there |\n")
TCP = "rdma_backend/tcp/tcp.c"
ENGINE = "provider/transport/engine.c"
SOCKET = "provider/winsock/socket.c"
SHIM = "spi_shim/linux/api.c"
PAGE = "docs/windows.md"
CONTRACT = "docs/san-provider.md"
LIST = "tests/windows/meson.build"
# check: [(file, text added at its end, part of the message)]
FAULTS = {
    "layers": [
        (TCP, '#include "rdma_backend/shm/shm.h"\n', "must not include rdma_backend/shm/shm.h"),
        (TCP, '#include "../shm/shm.h"\n', "must not include rdma_backend/shm/shm.h"),
        (TCP, '#include "provider/transport/engine.h"\n', "must not include provider/transport"),
        (TCP, '#include "rdma_backend/registry.h"\n', "must not include rdma_backend/registry.h"),
        (ENGINE, ' #  include "provider/session/stream.h"\n', "must not include provider/session"),
        (ENGINE, "#include <pthread.h>\n", "pthread.h"),
        (SOCKET, '#include "rdma_backend/registry.h"\n', "must not include rdma_backend/registry"),
        (SOCKET, '#include "rdma_backend/tcp/tcp.c"\n', "must not include rdma_backend/tcp"),
        (SOCKET, "#include <infiniband/verbs.h>\n", "infiniband/verbs.h"),
        (SHIM, '#include "provider/session/stream.h"\n', "must not include provider/session"),
        (SHIM, '#include "rdma_backend/registry.h"\n', "must not include rdma_backend/registry"),
        ("provider/other/new.c", HEAD, "no layer rule"),
    ],
    "sizes": [
        (TCP, "\n" * 601, "file of"),
        (SOCKET, "static int long_one(int a,\n\t\tint b)\n{\n" + "\ta();\n" * 99 + "}\n",
         "function long_one of 101 lines"),
    ],
    "headers": [
        ("provider/session/new.c", "int a;\n", "licence"),
        ("provider/session/new.h", "/* SPDX-License-Identifier: BSD-2-Clause */\nint a;\n",
         "include guard"),
        ("tests/new.py", "import os\n", "licence"),
        (SOCKET, "int a; \n", "blanks"),
        (SOCKET, "\t" * 15 + "int a;\n", "wider"),
    ],
    "banned": [
        (SOCKET, "int a = strcpy(b, c);\n", "strcpy"),
        (SOCKET, "int a = sprintf (b, c);\n", "sprintf"),
        (SOCKET, "void *a = malloc(1);\n", "malloc"),
        (TCP, "int a = free(b);\n", "free"),
        (ENGINE, "int a = getenv(b);\n", "getenv"),
        (SHIM, "int a = usleep(1);\n", "usleep"),
        (SOCKET, "static _Thread_local int a;\n", "_Thread_local"),
        (TCP, "static __declspec( thread ) int a;\n", "__declspec( thread )"),
    ],
    "portable": [
        (TCP, "ssize_t a;\n", "ssize_t"),
        (TCP, "#ifdef __GNUC__\nint a;\n#else\n__attribute__((unused)) int b;\n#endif\n", "__attribute__"),
        (ENGINE, "#include <unistd.h>\n", "unistd.h"),
        (ENGINE, "#ifdef _WIN32\n#include <sys/types.h>\n#endif\n", "sys/types.h"),
        (SOCKET, "#ifndef _WIN32\n#endif\nint a = __builtin_ctz(b);\n", "__builtin_ctz"),
    ],
    "params": [
        (ENGINE, 'int e = wsd_param_text("NEW", "x");\n', "NEW"),
        (TCP, 'int e = host->param_text("tcp", "other", "x");\n', "TCP_OTHER"),
        (TCP, 'int e = d->host->param_uint(\n\tname, "more", 1);\n', "TCP_MORE"),
        (TCP, 'int e = host->param_uint("tcp", "port", 2, 1, 1);\n', "standard value of TCP_PORT"),
        (ENGINE, 'int e = wsd_param_text("NAMES", "a");\n', "standard value of NAMES"),
        (ENGINE, 'int e = wsd_param_uint("DEPTH", 2047, 0, 1);\n', "standard value of DEPTH"),
        (ENGINE, 'int e = wsd_param_uint("DEPTH", 2u << 10, 1, 1u << 21);\n', "limits of DEPTH"),
        (TCP, 'int e = d->host->param_uint("tcp", "port", 1, 0, 1);\n', "limits of TCP_PORT"),
        (ENGINE, 'int e = wsd_param_uint("NAMES", 1, 0, 1);\n', "NAMES is a number without limits"),
        ("rdma_backend/base/param_names.h", 'X("UNUSED", "", "", 0, 0)\n', "nobody asks for UNUSED"),
    ],
    "contract": [
        ("provider/include/openwsd/ws2san.h", "typedef int(WSPAPI *LPFN_WSPRDMAWRITE)(void);\n",
         "no table of WSPRDMAWRITE"),
        (CONTRACT, f"\n### WSPBind\n\n{ROWS}| mode D | no |\n", "WSPBind has two tables"),
        (CONTRACT, f"\n### WSPBind, WSPRdmaRead\n\n{ROWS}| mode D | no |\n", "is none of the functions, or several"),
        (CONTRACT, f"\n### WSPBinds\n\n{ROWS}| mode D | no |\n", "is none of the functions, or several"),
        (CONTRACT, "| state | any |\n", "WSPRdmaRead has a row 'state' too many"),
        (CONTRACT, "| states | any |\n", "WSPRdmaRead has a row 'states' too many"),
        (CONTRACT, "| result | 0 |\n", "WSPRdmaRead has its rows in another order"),
        (CONTRACT, f"\n### WSPBind\n\n{ROWS}", "WSPBind has no row 'mode D'"),
        (CONTRACT, f"\n### WSPBind\n\n{ROWS}| mode D | |\n", "WSPBind has no row 'mode D'"),
    ],
    "windows": [
        ("tests/unit/test_new.c", HEAD + "int main(void)\n{\n}\n", "new is no Windows program"),
        ("tests/backend/test_new.c", HEAD + "int main(int argc, char **argv)\n{\n}\n", "new is no Windows program"),
        ("tests/conformance/test_new.c", HEAD + "int main(void)\n{\n}\n", "new is no Windows program"),
        ("tests/plain/test_new.c", HEAD + "const struct plain_case plain_cases[] = {\n};\n",
         "new is no Windows program"),
        (LIST, "other = { 'new': [] }\ntest('posix', executable('x', '../unit/test_posix.c'))\n", "posix does run"),
        (LIST, "foreach name : ['posix', 'other']\nendforeach\n", "posix does run"),
        (LIST, "more_programs = {\n\t'posix': [],\n}\n", "posix does run"),
        (PAGE, "| `gone` | fork |\n", "no program gone"),
        (PAGE, "| `library` | fork |\n", "no program library"),
        (PAGE, "| `keyed` | fork |\n", "keyed does run"),
        (PAGE, "| `posix` | |\n", "no reason for posix"),
    ],
}


def run(check, fault):
    """Output and exit code of the check on the clean tree plus one fault."""
    with tempfile.TemporaryDirectory() as top:
        files = dict(CLEAN)
        files["provider/include/openwsd/winsock2.h"] = HEADER
        if fault:
            path, text, _ = fault
            files[path] = files.get(path, "") + text
        for path, text in files.items():
            where = os.path.join(top, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, check, top], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout, done.returncode


def main(top, name):
    check = os.path.join(top, "tests", "style", f"check_{name}.py")
    failures = 0
    output, code = run(check, None)
    if code:
        print(f"the clean tree is not clean:\n{output}")
        failures += 1
    for fault in FAULTS[name]:
        output, code = run(check, fault)
        if code != 1 or fault[2] not in output:
            print(f"not found: {fault[1].strip()[:60]!r} in {fault[0]} (exit {code})\n{output}")
            failures += 1
    sys.exit(1 if failures else 0)


main(sys.argv[1], sys.argv[2])
