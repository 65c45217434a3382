# SPDX-License-Identifier: Apache-2.0
"""A control plane of one's own: etcd, an API server, controllers when asked for.

Everything listens on loopback alone and lives in one folder, which may be deleted
after `stop`. There is no kubelet and no scheduler: what happens to a Pod is for a test
to say.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import define, field, frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.controlplane.client import Client

BUILD: Final = Path(__file__).with_name("build.sh")
NEEDED: Final = ("etcd", "kube-apiserver")

# An API server is ready after four seconds on two free cores; they are not always free.
START_S: Final = 120
STOP_S: Final = 20
POLL_S: Final = 0.1

# What matters of the controllers to a job, and no more: each costs memory and requests.
CONTROLLERS: Final = (
    "clusterrole-aggregation-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "ttl-after-finished-controller",
)


def programs() -> Path:
    """Return the folder in which the programs are, or would be once built."""
    command = [str(BUILD), "--folder"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def missing(folder: Path, *names: str) -> list[str]:
    """Return which of these are not there; asked of none, of those that are needed."""
    return [n for n in names or NEEDED if not os.access(folder / n, os.X_OK)]


def free_port() -> int:
    """Return a port that nobody listens on; somebody may, a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def put(path: Path, value: object) -> Path:
    """Write JSON at once: a program that starts may be reading it."""
    draft = path.with_suffix(f".{threading.get_ident()}")
    draft.write_text(json.dumps(value), "utf-8")
    return draft.replace(path)


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Ask again and again until the answer is yes."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(POLL_S)


@frozen
class Program:
    """A program that runs, and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path
    command: tuple[str, ...]

    @staticmethod
    def start(executable: Path, folder: Path, flags: Mapping[str, str]) -> "Program":
        """Start it; its log is a file in the folder."""
        log = folder / f"{executable.name}.log"
        # A test run that is killed leaves nothing behind; util-linux has the program.
        guard = ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []
        words = [f"--{key}={value}" for key, value in flags.items()]
        command = (*guard, str(executable), *words)
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        return Program(process, log, command)

    def again(self) -> "Program":
        """Start it as it was started, once it has ended."""
        with self.log.open("ab") as output:
            process = subprocess.Popen(self.command, stdout=output, stderr=output)
        return Program(process, self.log, self.command)

    def check(self) -> None:
        """Fail, with its last words, if it ended."""
        if (code := self.process.poll()) is not None:
            words = self.log.read_text("utf-8", "replace")[-2_000:]
            raise AssertionError(f"{self.log.stem} ended with {code}: {words}")

    def stop(self) -> None:
        """End it, by force if need be."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@define
class ControlPlane:
    """An API server and what it needs, from `start` to `stop`."""

    programs: Path
    folder: Path
    # Who may log in: a token and the groups of each. Only admin may do everything.
    users: Mapping[str, str] = field(factory=lambda: {"admin": "system:masters"})
    # More flags of the API server, over those that it has here.
    flags: Mapping[str, str] = field(factory=dict[str, str])
    port: int = field(factory=free_port, init=False)
    _running: list[Program] = field(factory=list[Program], init=False)

    def client(self, user: str = "admin") -> Client:
        """Return a client that is this user."""
        return Client(self.port, f"{user}-token", self._certificate)

    def start(self) -> None:
        """Start etcd and the API server, and wait until it answers."""
        etcd = f"http://127.0.0.1:{free_port()}"
        peers = f"http://127.0.0.1:{free_port()}"
        self._run(
            "etcd",
            {
                "data-dir": str(self.folder / "etcd"),
                "listen-client-urls": etcd,
                "advertise-client-urls": etcd,
                "listen-peer-urls": peers,
                "unsafe-no-fsync": "true",  # A test's data need not outlive it.
            },
        )
        self._write_credentials()
        self._run("kube-apiserver", self._api_server_flags(etcd))
        wait_until(self._ready, "the API server answers")

    def start_controllers(self, flags: Mapping[str, str] | None = None) -> None:
        """Start the controllers that act on Jobs, Pods and owners.

        Args:
            flags: More flags, over those that they have here.
        """
        kubeconfig = self.kubeconfig()
        self._run(
            "kube-controller-manager",
            {
                "kubeconfig": str(kubeconfig),
                "controllers": ",".join(CONTROLLERS),
                "leader-elect": "false",
                "kube-api-qps": "1000",
                "kube-api-burst": "1000",
                "bind-address": "127.0.0.1",
                "secure-port": str(free_port()),
                "cert-dir": str(self.folder / "controllers"),
                "service-account-private-key-file": str(self._key),
                **(flags or {}),
            },
        )

    def kubeconfig(self, user: str = "admin") -> Path:
        """Write a kubeconfig for programs that want one; JSON is YAML."""
        path = self.folder / f"{user}.kubeconfig"
        server = f"https://127.0.0.1:{self.port}"
        cluster = {"server": server, "certificate-authority": str(self._certificate)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": f"{user}-token"}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "test", "user": user}}
            ],
            "current-context": "test",
        }
        return put(path, config)

    def restart(self, name: str) -> None:
        """Kill a program of it and start that again, as it was."""
        index = next(n for n, p in enumerate(self._running) if p.log.stem == name)
        program = self._running[index]
        program.process.kill()
        program.process.wait()
        self._running[index] = program.again()
        wait_until(self._ready, f"{name} answers again")

    def stop(self) -> None:
        """Stop everything, the last started first."""
        while self._running:
            self._running.pop().stop()

    @property
    def _certificate(self) -> Path:
        return self.folder / "apiserver" / "apiserver.crt"

    @property
    def _key(self) -> Path:
        return self.folder / "service-accounts.pem"

    @property
    def _tokens(self) -> Path:
        return self.folder / "tokens.csv"

    def _run(self, name: str, flags: Mapping[str, str]) -> None:
        self._running.append(Program.start(self.programs / name, self.folder, flags))

    def _ready(self) -> bool:
        for program in self._running:
            program.check()
        client = self.client()
        # The certificate is written after the start, and the port opens later still.
        with contextlib.suppress(OSError), contextlib.closing(client):
            ready = client.get("/readyz").code == 200
            return ready and client.get("/api/v1/namespaces/default").code == 200
        return False

    def _write_credentials(self) -> None:
        lines = [
            f'{u}-token,{u},{u}-uid,"{groups}"' for u, groups in self.users.items()
        ]
        self._tokens.write_text("\n".join(lines) + "\n", "utf-8")
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self._key.write_bytes(key)

    def _api_server_flags(self, etcd: str) -> Mapping[str, str]:
        flags = {
            "etcd-servers": etcd,
            "bind-address": "127.0.0.1",
            "secure-port": str(self.port),
            "cert-dir": str(self._certificate.parent),  # Signs its own.
            "token-auth-file": str(self._tokens),
            "authorization-mode": "RBAC",
            # Pods of tests name no service account, and no controller makes one.
            "disable-admission-plugins": "ServiceAccount",
            "service-account-issuer": "https://mpijob.test",
            "service-account-key-file": str(self._key),
            "service-account-signing-key-file": str(self._key),
            "service-cluster-ip-range": "10.0.0.0/24",
        }
        return {**flags, **self.flags}
