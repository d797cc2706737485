# SPDX-License-Identifier: BSD-2-Clause
"""wine.py - Windows programs under Wine: a prefix of our own, bounded time, nothing left behind."""
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time

ENVIRONMENT = {
    "WINEDEBUG": "-all",
    # A ws2_32.dll beside the program comes before Wine's.
    "WINEDLLOVERRIDES": "mscoree,mshtml=;winedbg.exe=d;ws2_32=n,b",
}


def environment(prefix):
    return {**os.environ, **ENVIRONMENT, "WINEPREFIX": prefix}


def _run(command, prefix, seconds):
    with open(os.devnull, "r+b") as null:
        subprocess.run(["timeout", "-k", "5", str(seconds)] + command, env=environment(prefix), stdin=null,
                       stdout=null, stderr=null, check=False)


def template(folder):
    """A prefix as Wine makes it, once for all."""
    prefix = os.path.join(os.path.abspath(folder), "prefix")
    os.makedirs(folder, exist_ok=True)
    with open(prefix + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(os.path.join(prefix, "ready")):
            return prefix
        shutil.rmtree(prefix, ignore_errors=True)
        os.makedirs(prefix)
        _run(["wineboot", "-i"], prefix, 120)
        # Window messages without a display.
        _run(["wine", "reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"],
             prefix, 60)
        _run(["wineserver", "-k"], prefix, 20)
        _run(["wineserver", "-w"], prefix, 20)
        with open(os.path.join(prefix, "ready"), "w", encoding="ascii"):
            pass
    return prefix


def _text(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace").replace("\r\n", "\n")


class Wine:
    """A copy of the prefix with a server of its own, which always ends with it."""

    def __init__(self, folder):
        self.made_from = template(folder)
        self.prefix = tempfile.mkdtemp(prefix="wine-", dir=os.path.abspath(folder))
        os.rmdir(self.prefix)
        # Links: Wine replaces what it changes, but for the registry.
        subprocess.run(["cp", "-al", self.made_from, self.prefix], check=True)
        for name in ("system.reg", "user.reg", "userdef.reg"):
            os.unlink(os.path.join(self.prefix, name))
            shutil.copy(os.path.join(self.made_from, name), self.prefix)
        self.env = environment(self.prefix)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restart()
        shutil.rmtree(self.prefix, ignore_errors=True)

    def restart(self):
        """Ends everything; what runs next starts Windows again."""
        _run(["wineserver", "-k"], self.prefix, 20)
        _run(["wineserver", "-w"], self.prefix, 20)

    def _start(self, command, folder, extra, output):
        return subprocess.Popen(["wine"] + command, cwd=folder, env={**self.env, **extra},
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                start_new_session=True)

    def run(self, command, seconds, folder, extra, last=None):
        """(exit status or None for ended by us, output). A file takes the output: a pipe would stay
        open as long as any child of it lives. last is a pattern of the program's last words, after which it is
        not waited for."""
        with tempfile.NamedTemporaryFile() as output:
            process = self._start(command, folder, extra, output)
            end = time.monotonic() + seconds
            status = None
            while status is None and time.monotonic() < end:
                try:
                    status = process.wait(end - time.monotonic() if last is None else 0.05)
                except subprocess.TimeoutExpired:
                    if last is not None and last.search(_text(output.name)):
                        break
            if status is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            return status, _text(output.name)

    @contextlib.contextmanager
    def background(self, command, folder, extra):
        with tempfile.TemporaryFile() as output:
            process = self._start(command, folder, extra, output)
            try:
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
