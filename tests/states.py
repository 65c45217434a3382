# SPDX-License-Identifier: Apache-2.0
"""States of a cluster for the command line's tests: what `kubectl get -o yaml` prints.

`grown` does to a job what the operator and its cluster would do until there is nothing
left to do; `printed` writes the objects down as kubectl does.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.loose import Manifest
from mpijob_operator import kubectl_yaml
from mpijob_operator.cli import main
from mpijob_operator.streams import Streams
from tests.builders import a_manifest

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOW: Final = ("--now", "2030-01-01T12:00:00Z")
WORLD: Final = mpijob.World(NOON)
LIVE: Final = frozenset(mpijob.Live)

Object = dict[str, Any]


def grown(
    job: Manifest, *, phase: str = "Running", world: mpijob.World = WORLD
) -> list[Object]:
    """Return a job and its children once its pods are in a phase and all is done."""
    stored: dict[tuple[str, str], Object] = {}
    job = {**job, "metadata": {**job["metadata"], "uid": job["metadata"]["name"]}}
    for _ in range(6):
        decoded = mpijob.decode(job)
        seen = sightings.observed(stored.values(), decoded)
        seen = evolve(seen, live=LIVE)
        answer = mpijob.reconcile(decoded, seen, world)
        steps = mpijob.plan(decoded, seen, answer)
        for action in (action for step in steps for action in step):
            if isinstance(action, mpijob.WriteStatus):
                job = {**job, "status": mpijob.encode_status(action.status)}
            elif isinstance(action, mpijob.Create | mpijob.Apply):
                for made in _made(action.manifest, phase):
                    stored[made["kind"], made["metadata"]["name"]] = made
        if not steps:
            return [dict(job), *stored.values()]
    raise AssertionError("this job does not settle")


def _made(manifest: Manifest, phase: str) -> Iterator[Object]:
    """Give a child as it is once it was made; of the launcher Job its pod too."""
    metadata = manifest["metadata"]
    uid = f"{manifest['kind']}-{metadata['name']}".lower()
    known = {"uid": uid, "resourceVersion": "5"}
    made: Object = {**manifest, "metadata": {**metadata, **known}}
    if manifest["kind"] == "Pod":
        yield _running(made, phase)
    elif manifest["kind"] == "Job":
        yield made
        name = metadata["name"]
        owner = {
            "kind": "Job",
            "name": metadata["name"],
            "uid": uid,
            "controller": True,
        }
        template = manifest["spec"]["template"]
        pod = {
            **template["metadata"],
            "name": f"{name}-x7k2p",
            "namespace": metadata["namespace"],
            "uid": "launcher-pod",
            "ownerReferences": [owner],
        }
        base = {"apiVersion": "v1", "kind": "Pod", "metadata": pod}
        yield _running({**base, "spec": template["spec"]}, phase)
    elif manifest["kind"] == "Secret":
        yield {**made, "data": {"ssh-privatekey": "S0VZ", "ssh-publickey": "UFVC"}}
    else:
        yield made


def _running(pod: Object, phase: str) -> Object:
    ready = "True" if phase == "Running" else "False"
    conditions = [{"type": "Ready", "status": ready}]
    status = {"phase": phase, "conditions": conditions}
    return {**pod, "spec": {**pod["spec"], "nodeName": "n1"}, "status": status}


def printed(objects: Iterable[Manifest]) -> str:
    """Return them as `kubectl get ... -o json` prints them."""
    items = [dict(each) for each in objects]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def new(**parts: Any) -> bytes:  # noqa: ANN401 - those of a_manifest.
    """Return a manifest as a user writes it, without what the server adds."""
    manifest = a_manifest(**parts)
    for key in ("uid", "resourceVersion", "generation"):
        del manifest["metadata"][key]
    return json.dumps(manifest).encode()


def documents(text: str) -> list[dict[str, Any]]:
    """Read YAML as kubectl does."""
    return [
        value
        for part in text.split("\n---\n")
        if isinstance(value := kubectl_yaml.value_of(part), dict)
    ]


class Said:
    """What a command said and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def lines(self) -> list[str]:
        """Return the lines of both streams, stdout's first."""
        return (self.out + self.err).splitlines()


def said(*words: str, stdin: bytes = b"") -> Said:
    """Run a command line in this process."""
    out, err = StringIO(), StringIO()
    code = main(words, Streams(BytesIO(stdin), out, err))
    return Said(code, out.getvalue(), err.getvalue())


def changed(file: Path, kind: str, name: str, **fields: Manifest) -> None:
    """Change an object of a state."""
    objects: list[Object] = json.loads(file.read_text())["items"]
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == (kind, name):
            for key, value in fields.items():
                each[key] = {**each.get(key, {}), **value}
    file.write_text(printed(objects))


def fail(file: Path, name: str) -> None:
    """Make of a pod one that failed a while ago."""
    terminated = {
        "exitCode": 137,
        "reason": "OOMKilled",
        "startedAt": "2030-01-01T11:00:00Z",
        "finishedAt": "2030-01-01T11:30:00Z",
    }
    container = {"name": "mpi", "state": {"terminated": terminated}}
    status = {"phase": "Failed", "conditions": [], "containerStatuses": [container]}
    changed(file, "Pod", name, status=status)


def count(file: Path, name: str) -> None:
    """Number a failed worker as the first."""
    note = {"training.kubeflow.org/failure": "1"}
    changed(file, "Pod", name, metadata={"annotations": note})
