# SPDX-License-Identifier: BSD-2-Clause
"""wine.py - Windows programs under Wine: a prefix of our own, bounded time, nothing left behind."""
import os
import shutil
import signal
import subprocess
import tempfile

ENVIRONMENT = {
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=;winedbg.exe=d;ws2_32=n,b",
    "LC_ALL": "C.UTF-8",
}


class Wine:
    """One prefix with its server; used as a context, so that the server always ends."""

    def __init__(self, prefix):
        self.prefix = os.path.abspath(prefix)
        self.env = {**os.environ, **ENVIRONMENT, "WINEPREFIX": self.prefix}

    def __enter__(self):
        if not os.path.exists(os.path.join(self.prefix, "ready")):
            shutil.rmtree(self.prefix, ignore_errors=True)
            os.makedirs(self.prefix)
            self.run(["wineboot", "-i"], 120, os.getcwd())
            # Window messages without a display.
            self.run(["wine", "reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics",
                      "/d", "null", "/f"], 60, os.getcwd())
            with open(os.path.join(self.prefix, "ready"), "w", encoding="ascii"):
                pass
        return self

    def __exit__(self, *_):
        subprocess.run(["wineserver", "-k"], env=self.env, check=False)

    def run(self, command, seconds, folder, extra=None):
        """(exit status or None for out of time, output). A file takes the output: a pipe would stay
        open as long as any child of it lives."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, cwd=folder, env={**self.env, **(extra or {})},
                                       stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                status = None
            output.seek(0)
            return status, output.read().decode("utf-8", "replace")
