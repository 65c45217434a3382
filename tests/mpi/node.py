# SPDX-License-Identifier: Apache-2.0
"""A node that runs pods for real, each in a network namespace of its own.

What a kubelet makes of a pod is made here of Linux by hand, as root: an address on a
bridge, a host name, the hosts of the headless Service, the Secret's and the ConfigMap's
files where the pod mounts them, the environment, and the command. Everything is in
mount namespaces and overlays that end with the processes: nothing of the machine is
changed.
"""

import base64
import contextlib
import itertools
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

Manifest = Mapping[str, Any]

# Addresses of documentation (RFC 5737) would do; these are never routed either, and
# leave room for more pods than a machine can run.
_NETWORK = "10.213.77"
_FIRST = 2
_SSH_PORT = 22
_READY_WITHIN_S = 20
_BRIDGE = "mpijob-test"

# As in the base images of mpi-operator: a key that is new each time is no surprise.
_SSH_CONFIG = """\
Host *
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True)


class Node:
    """Pods, by name; `node()` makes one and tidies up after it."""

    def __init__(self, folder: Path, children: Sequence[Manifest]) -> None:
        self._folder = folder
        self._children = {(c["kind"], c["metadata"]["name"]): c for c in children}
        self._numbers = itertools.count(_FIRST)
        self._processes: list[subprocess.Popen[str]] = []
        self._namespaces: list[str] = []
        self._hosts: list[str] = ["127.0.0.1 localhost"]

    def add(self, pod: Manifest) -> None:
        """Give a pod its network; its address is known to every pod started later."""
        spec, number = pod["spec"], next(self._numbers)
        name = f"mpijob-{number}"
        address = f"{_NETWORK}.{number}"
        _run("ip", "netns", "del", name, check=False)  # Of a run that was killed.
        _run("ip", "link", "del", f"mj{number}", check=False)
        _run("ip", "netns", "add", name)
        self._namespaces.append(name)
        _run(
            "ip",
            "link",
            "add",
            f"mj{number}",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            name,
        )
        _run("ip", "link", "set", f"mj{number}", "master", _BRIDGE, "up")
        inside = ("ip", "-n", name)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
        _run(*inside, "link", "set", "eth0", "up")
        host = spec["hostname"]
        domain = (
            f"{spec['subdomain']}.{pod['metadata'].get('namespace', 'default')}.svc"
        )
        self._hosts.append(f"{address} {host}.{domain} {host}")

    def start(self, pod: Manifest, number: int) -> subprocess.Popen[str]:
        """Start containers[0] of a pod that was added as the number-th (from 0)."""
        script = self._folder / f"start-{number}.sh"
        script.write_text(self._script(pod, number))
        name = self._namespaces[number]
        command = [
            "ip",
            "netns",
            "exec",
            name,
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-eu",
            str(script),
        ]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def wait_for_sshd(self, number: int) -> None:
        """Wait until the sshd of a pod answers, as a readiness probe does."""
        address = (f"{_NETWORK}.{number + _FIRST}", _SSH_PORT)
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                socket.create_connection(address, timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _script(self, pod: Manifest, number: int) -> str:
        """Return what is done inside the pod's namespaces, the command last."""
        spec, root = pod["spec"], self._folder / f"pod-{number}"
        main = spec["containers"][0]
        lines = ["mount --make-rprivate /", "mount -t proc proc /proc"]
        for top in ("etc", "root"):
            upper, work = root / top, root / f"{top}-work"
            upper.mkdir(parents=True)
            work.mkdir()
            options = f"lowerdir=/{top},upperdir={upper},workdir={work}"
            lines.append(f"mount -t overlay overlay -o {options} /{top}")
        lines += ["mount -t tmpfs tmpfs /dev/shm", "mkdir -p /run/sshd"]
        hosts = "\n".join(self._hosts)
        lines.append(f"cat >/etc/hosts <<'END'\n{hosts}\nEND")
        lines.append(f"cat >/etc/ssh/ssh_config <<'END'\n{_SSH_CONFIG}END")
        for mount in main["volumeMounts"]:
            volume = next(v for v in spec["volumes"] if v["name"] == mount["name"])
            files = self._files(volume, root / "volumes" / volume["name"])
            target = shlex.quote(mount["mountPath"])
            lines += [f"mkdir -p {target}", f"mount --bind {files} {target}"]
        lines.append(f"hostname {spec['hostname']}")
        given = {e["name"]: e["value"] for e in main.get("env", [])}
        lines += [f"export {k}={shlex.quote(v)}" for k, v in given.items()]
        command = [*main.get("command", []), *main.get("args", [])]
        lines.append(f"exec {shlex.join(command)}")
        return "\n".join(lines) + "\n"

    def _files(self, volume: Manifest, folder: Path) -> Path:
        """Write out a Secret or a ConfigMap as the kubelet does, modes included."""
        folder.mkdir(parents=True)
        source = volume.get("secret") or volume["configMap"]
        kind = "Secret" if "secret" in volume else "ConfigMap"
        data = self._children[kind, source.get("secretName") or source["name"]]["data"]
        for item in source["items"]:
            value: str = data[item["key"]]
            content = base64.b64decode(value) if kind == "Secret" else value.encode()
            file = folder / item["path"]
            file.write_bytes(content)
            file.chmod(item.get("mode", 0o644))
        return folder

    def stop(self) -> None:
        """End every process, and take the network away."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        for number, name in enumerate(self._namespaces, _FIRST):
            _run("ip", "link", "del", f"mj{number}", check=False)
            _run("ip", "netns", "del", name, check=False)


@contextlib.contextmanager
def node(children: Sequence[Manifest]) -> Generator[Node]:
    """Make a node on which the children's pods can run."""
    with tempfile.TemporaryDirectory(prefix="mpijob-") as folder:
        _run("ip", "link", "del", _BRIDGE, check=False)
        _run("ip", "link", "add", _BRIDGE, "type", "bridge")
        _run("ip", "addr", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
        _run("ip", "link", "set", _BRIDGE, "up")
        made = Node(Path(folder), children)
        try:
            yield made
        finally:
            made.stop()
            _run("ip", "link", "del", _BRIDGE, check=False)
