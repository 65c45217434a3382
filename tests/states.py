# SPDX-License-Identifier: Apache-2.0
"""States of a cluster for the command line's tests: what `kubectl get -o yaml` prints.

`grown` does to a job what the operator and its cluster would do until there is nothing
left to do; `printed` writes the objects down as kubectl does.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Final

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.loose import Manifest
from mpijob_operator.cli import main
from mpijob_operator.streams import Streams

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
    job = {**job, "metadata": {**job["metadata"], "uid": "job"}}
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
