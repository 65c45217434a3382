# SPDX-License-Identifier: Apache-2.0
"""The operator as a process of its own: started, asked, frozen, killed.

What is tried is what ships: `python -m mpijob_operator run`, with a kubeconfig of a
user that has the permissions of the table and no more.
"""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import orjson
from attrs import define, field

from tests.controlplane.harness import free_port, wait_until

Json = dict[str, Any]

START_S: Final = 60
# What a test waits for an end by SIGTERM before it kills; the operator promises less.
END_S: Final = 30


@define
class Operator:
    """One operator, from `start` to `kill` or `stop`, and again."""

    kubeconfig: Path
    folder: Path
    # Flags without their dashes.
    flags: dict[str, str] = field(factory=dict[str, str])
    health: int = field(factory=free_port, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What it wrote, in all its lives."""
        return self.folder / "operator.log"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that runs, or ran last."""
        assert self._process is not None
        return self._process

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, ready: bool = True) -> None:
        """Start it; when it is ready its caches are warm."""
        words = {
            "kubeconfig": str(self.kubeconfig),
            "bind-address": "127.0.0.1",
            "health-port": str(self.health),
            "monitoring-port": str(self.health),
            "log-format": "json",
            **self.flags,
        }
        flags = [f"--{key}={value}" for key, value in words.items()]
        guard = ["setpriv", "--pdeathsig=KILL"]
        command = [*guard, sys.executable, "-m", "mpijob_operator", "run", *flags]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        if ready:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until its caches are warm; fail, with its last words, if it ended."""
        wait_until(self.is_ready, "the operator is ready", START_S)

    def is_ready(self) -> bool:
        """Ask it whether its caches are warm."""
        assert self.runs, f"it ended: {self.log.read_text('utf-8')[-2_000:]}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("/readyz")[0] == 200
        return False

    def ask(self, path: str) -> tuple[int, str]:
        """Ask its own port for health or metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def lines(self) -> list[Json]:
        """Return what it logged."""
        lines = self.log.read_bytes().splitlines()
        return [orjson.loads(line) for line in lines if line.startswith(b"{")]

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it stand still, as a process does on a node that thrashes."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, as if no time had passed."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and how many seconds that took."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(END_S)
        return code, time.monotonic() - began

    def end(self) -> None:
        """Leave nothing running, whatever state it is in."""
        if not self.runs:
            return
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()
