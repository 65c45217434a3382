# SPDX-License-Identifier: Apache-2.0
"""Two things at once, a hundred times: whatever comes first, nothing is lost (B6.1).

All jobs of a test run side by side; each has its two events a few milliseconds apart,
now one first and now the other.
"""

import contextlib
import json
import threading
import time
from collections.abc import Generator
from typing import Final

import pytest

from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow, pytest.mark.long]

TIMES: Final = 100
JOBS: Final = [f"j{number}" for number in range(TIMES)]
# From the first event to the second.
APART_S: Final = {name: (number % 21) / 1_000 for number, name in enumerate(JOBS)}
# And where the suspension is first: long enough for some to be suspended before.
HEAD_START_S: Final = 0.005
ALL_S: Final = 120


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


def settled(stage: Stage) -> dict[str, str]:
    """Return how each job stands that stands still, by name."""
    known: dict[str, str] = {}
    pods = stage.all("pods").values()
    busy = {p["metadata"]["labels"]["training.kubeflow.org/job-name"] for p in pods}
    for name, job in stage.all("mpijobs").items():
        status = job.get("status", {})
        true = {
            c["type"] for c in status.get("conditions", []) if c["status"] == "True"
        }
        if verdict := true & {"Succeeded", "Failed"}:
            known[name] = verdict.pop()
        elif "Suspended" in true and "startTime" not in status and name not in busy:
            known[name] = "Suspended"
    return known


def all_are(stage: Stage, *words: str) -> bool:
    known = settled(stage)
    return len(known) == TIMES and set(known.values()) <= set(words)


def all_run(stage: Stage) -> bool:
    jobs = stage.all("mpijobs").values()
    conditions = (job.get("status", {}).get("conditions", []) for job in jobs)
    running = (
        any(c["type"] == "Running" and c["status"] == "True" for c in of_job)
        for of_job in conditions
    )
    return sum(running) == TIMES


def successes(changes: list[Json]) -> dict[str, set[str]]:
    """Return which launcher Jobs of each job say that they succeeded.

    A pod that succeeds in the very moment in which the Job controller stops it for a
    suspension is not counted by the controller: its Job never says so (B5.2).
    """
    found: dict[str, set[str]] = {}
    for launcher in changes:
        conditions: list[Json] = launcher.get("status", {}).get("conditions", [])
        if any(c["type"] == "SuccessCriteriaMet" for c in conditions):
            job = launcher["metadata"]["labels"]["training.kubeflow.org/job-name"]
            found.setdefault(job, set()).add(launcher["metadata"]["uid"])
    return found


@pytest.mark.rule("B6.1", "B4.3")
def test_a_suspension_beside_success_loses_no_result(stage: Stage) -> None:
    stage.operator().start()
    policy = {"cleanPodPolicy": "Running"}
    with watched(stage, "jobs") as changes:
        for name in JOBS:
            stage.submit(mpijob(name, 1, runPolicy=policy))
        stage.wait(lambda: all_run(stage), "all jobs run", ALL_S)
        for number, name in enumerate(JOBS):
            if number % 2:
                stage.suspend(name)
                time.sleep(number * HEAD_START_S)
                stage.script(f"{name}-launcher-*", run_s=0.0)
            else:
                stage.script(f"{name}-launcher-*", run_s=0.0)
                time.sleep(APART_S[name])
                stage.suspend(name)
        stage.wait(lambda: all_are(stage, "Succeeded", "Suspended"), "all rest", ALL_S)
        known = settled(stage)
        done = {name for name in JOBS if known[name] == "Succeeded"}
        assert 0 < len(done) < TIMES, "the race had but one outcome"
        assert set(successes(changes)) == done, "a result was lost"
        assert set(JOBS[::2]) <= done, "success was first, and was lost"
        for name in set(JOBS) - done:
            stage.suspend(name, suspend=False)
        stage.wait(lambda: all_are(stage, "Succeeded"), "all are done", ALL_S)
        runs = {name: len(uids) for name, uids in successes(changes).items()}
        assert runs == dict.fromkeys(JOBS, 1), "one was run twice"


def holds_a_node(stage: Stage) -> set[str]:
    """Return the jobs of which a pod lives."""
    return {
        pod["metadata"]["labels"]["training.kubeflow.org/job-name"]
        for pod in stage.all("pods").values()
        if pod["status"]["phase"] in ("Pending", "Running")
    }


@pytest.mark.rule("B4.5", "B6.1", "B6.2")
def test_an_eviction_after_admission_frees_no_quota_too_early(stage: Stage) -> None:
    stage.operator().start()
    for name in JOBS:
        stage.submit(mpijob(name, 1, runPolicy={"suspend": True}))
    stage.wait(lambda: all_are(stage, "Suspended"), "all are suspended", ALL_S)
    stage.wait_quiet()
    with watched(stage, "mpijobs") as changes, watched(stage, "pods") as pods:
        for name in JOBS:
            stage.suspend(name, suspend=False)
            time.sleep(APART_S[name])
            stage.suspend(name)
        stage.wait(lambda: all_are(stage, "Suspended"), "all are suspended", ALL_S)
        stage.wait_quiet()
    too_early = [name for name in JOBS if freed_under_pods(name, changes, pods)]
    assert not too_early
    assert not holds_a_node(stage)


def freed_under_pods(name: str, changes: list[Json], pods: list[Json]) -> bool:
    """Tell whether `active` was 0 while a pod lived, or before one came.

    Both kinds are of one etcd, so their resourceVersions are of one order.
    """
    mine = [change for change in changes if change["metadata"]["name"] == name]
    zero = [
        (int(one["metadata"]["resourceVersion"]), int(two))
        for one, two in zip(mine, [*_versions(mine)[1:], 2**63], strict=True)
        if _free(one)
    ]
    lives = _lives(name, pods)
    return any(
        born < until and since < died for since, until in zero for born, died in lives
    )


def _versions(changes: list[Json]) -> list[int]:
    return [int(change["metadata"]["resourceVersion"]) for change in changes]


def _free(job: Json) -> bool:
    counts: Json = job.get("status", {}).get("replicaStatuses", {})
    return not any(count.get("active", 0) for count in counts.values())


def _lives(name: str, pods: list[Json]) -> list[tuple[int, int]]:
    """Return from which resourceVersion to which each pod of a job lived."""
    spans: dict[str, tuple[int, int]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        if metadata["labels"]["training.kubeflow.org/job-name"] != name:
            continue
        version = int(metadata["resourceVersion"])
        born, _ = spans.get(metadata["uid"], (version, version))
        spans[metadata["uid"]] = (born, version)
    return list(spans.values())
