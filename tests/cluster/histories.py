# SPDX-License-Identifier: Apache-2.0
"""Every change of a kind, in the order in which the API server made them.

Who asks now and then sees some states, and not those between them. Both kinds of a
question are of one etcd, so their resourceVersions are of one order.
"""

import contextlib
import json
import threading
from collections.abc import Generator

from tests.controlplane.stage import Json, Stage


@contextlib.contextmanager
def watched(stage: Stage, kind: str) -> Generator[list[Json]]:
    """Collect every change of a kind, as the API server tells it."""
    changes: list[Json] = []
    client = stage.plane.client()
    line = client.connected()
    headers = {"Authorization": f"Bearer {client.token}"}
    line.request("GET", f"{stage.path(kind)}?watch=true", headers=headers)
    socket = line.sock
    assert socket is not None
    socket.settimeout(None)
    response = line.getresponse()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            while change := response.readline():
                changes.append(json.loads(change)["object"])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield changes
    finally:
        with contextlib.suppress(OSError):
            socket.shutdown(2)
        thread.join(5)
        response.close()
        client.close()


def freed_under_pods(
    name: str, changes: list[Json], pods: list[Json]
) -> list[tuple[int, int, int, int]]:
    """Return when `active` was 0 while a pod of a job lived, or before one came.

    Each is four resourceVersions: from and until when it was 0, the birth of the pod,
    and its end.
    """
    mine = [change for change in changes if change["metadata"]["name"] == name]
    zero = [
        (int(one["metadata"]["resourceVersion"]), int(two))
        for one, two in zip(mine, [*_versions(mine)[1:], 2**63], strict=True)
        if _free(one)
    ]
    return [
        (since, until, born, died)
        for since, until in zero
        for born, died in _lives(name, pods)
        if born < until and since < died
    ]


def _versions(changes: list[Json]) -> list[int]:
    return [int(change["metadata"]["resourceVersion"]) for change in changes]


def _free(job: Json) -> bool:
    counts: Json = job.get("status", {}).get("replicaStatuses", {})
    return not any(count.get("active", 0) for count in counts.values())


def _lives(name: str, pods: list[Json]) -> list[tuple[int, int]]:
    """Return from which resourceVersion to which each pod of a job could hold a node.

    That ends when it succeeds or fails, or else when it is gone (B4.5).
    """
    spans: dict[str, tuple[int, int]] = {}
    over: set[str] = set()
    for pod in pods:
        metadata = pod["metadata"]
        uid = metadata["uid"]
        if metadata["labels"]["training.kubeflow.org/job-name"] != name or uid in over:
            continue
        version = int(metadata["resourceVersion"])
        born, _ = spans.get(uid, (version, version))
        spans[uid] = (born, version)
        if pod["status"]["phase"] in ("Succeeded", "Failed"):
            over.add(uid)
    return list(spans.values())
