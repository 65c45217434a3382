# SPDX-License-Identifier: Apache-2.0
"""Two things at once, a hundred times: whatever comes first, nothing is lost (B6.1).

All jobs of a test run side by side; each has its two events 0 to 20 ms apart.
"""

import time
from typing import Final

import pytest

from tests.cluster.histories import freed_under_pods, watched
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow, pytest.mark.long]

TIMES: Final = 100
JOBS: Final = [f"j{number}" for number in range(TIMES)]
# From the first event to the second.
APART_S: Final = {name: (number % 21) / 1_000 for number, name in enumerate(JOBS)}
# Long enough for a job to be suspended before its launcher would succeed.
HEAD_START_S: Final = 0.4
ALL_S: Final = 120


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
def test_a_suspension_right_after_success_loses_no_result(stage: Stage) -> None:
    with watched(stage, "jobs") as changes:
        run_all(stage)
        for name in JOBS:
            succeeds(stage, name)
            time.sleep(APART_S[name])
            stage.suspend(name)
        stage.wait(lambda: all_are(stage, "Succeeded"), "all are done", ALL_S)
        told_once(changes)


@pytest.mark.rule("B6.1", "B4.3")
def test_a_suspension_right_before_success_loses_no_result(stage: Stage) -> None:
    with watched(stage, "jobs") as changes:
        run_all(stage)
        for number, name in enumerate(JOBS):
            stage.suspend(name)
            time.sleep(APART_S[name] if number % 4 else HEAD_START_S)
            succeeds(stage, name)
        stage.wait(lambda: all_are(stage, "Succeeded", "Suspended"), "all rest", ALL_S)
        known = settled(stage)
        done = {name for name in JOBS if known[name] == "Succeeded"}
        assert 0 < len(done) < TIMES, "the race had but one outcome"
        assert set(successes(changes)) == done, "a result was lost"
        for name in set(JOBS) - done:
            stage.suspend(name, suspend=False)
        stage.wait(lambda: all_are(stage, "Succeeded"), "all are done", ALL_S)
        told_once(changes)


def run_all(stage: Stage) -> None:
    stage.operator().start()
    for name in JOBS:
        stage.submit(mpijob(name, 1, runPolicy={"cleanPodPolicy": "Running"}))
    stage.wait(lambda: all_run(stage), "all jobs run", ALL_S)


def succeeds(stage: Stage, name: str) -> None:
    stage.script(f"{name}-launcher-*", run_s=0.0)


def told_once(changes: list[Json]) -> None:
    """Expect of each job one launcher Job, and no more, that succeeded."""
    runs = {name: len(uids) for name, uids in successes(changes).items()}
    assert runs == dict.fromkeys(JOBS, 1), "a result was lost, or one was run twice"


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
    too_early = {name: freed_under_pods(name, changes, pods) for name in JOBS}
    assert not {name: told for name, told in too_early.items() if told}
    assert not holds_a_node(stage)
