# SPDX-License-Identifier: Apache-2.0
"""Single fields of children that are put right: labels, suspension, failure numbers."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.job import MPIJob
from mpijob.observed import JobCondition, LauncherJob
from mpijob.status import ReplicaStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    Sighting,
    a_job,
    a_launcher,
    a_status,
    a_thing,
    a_worker,
    answer,
    at,
    cases,
    failed,
)

WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}


def touches(job: MPIJob, *found: Sighting) -> dict[str, tuple[str, Any]]:
    return {
        t.ref.name: (t.manager.value, dict(t.fields))
        for t in answer(job, *found).touches
    }


SELECTOR = {
    "training.kubeflow.org/operator-name": "mpi-operator",
    "training.kubeflow.org/job-name": "pi",
}
LABELS = {"app": "pi", **SELECTOR}


def labelled(labels: dict[str, str]) -> tuple[str, Any]:
    return "mpi-operator-labels", {"metadata": {"labels": labels}}


@pytest.mark.rule("B8.1", "B8.2")
def test_children_that_lack_our_labels_get_them() -> None:
    some = {"training.kubeflow.org/job-name": "pi", "x": "y"}
    found = (
        a_worker(0, labels=some),
        a_worker(1),
        a_worker(2, labels={}, terminating=True),
        a_launcher(labels={"app": "other"}),
        a_thing("Secret"),
        a_thing("Service"),
    )
    job = a_job(workers=3, status=STARTED)
    assert touches(job, *found) == {
        "pi-worker-0": labelled(SELECTOR),
        "pi-launcher": labelled(LABELS),
        "pi-ssh": labelled(LABELS),
    }
    asked = answer(job, *found).touches
    assert [(t.ref.kind, t.ref.api_version, t.ref.namespace) for t in asked] == [
        ("Secret", "v1", "hpc"),
        ("Job", "batch/v1", "hpc"),
        ("Pod", "v1", "hpc"),
    ]
    assert [(t.uid, t.resource_version) for t in asked] == [
        ("secret", ""),
        ("launcher", ""),
        ("pod-0", ""),
    ]


@pytest.mark.rule("B1.7", "B6.1", "B8.1")
@cases("job, found, expected", {
    "waiting": (a_job(status=STARTED, **WAIT), a_worker(0, labels={}), True),
    "stopping": (a_job(policy=SUSPEND, status=STARTED), a_launcher(labels={}), True),
    "clearing": (a_job(policy=SUSPEND, status=STOPPED), a_worker(0, labels={}), False),
    "suspended": (a_job(policy=SUSPEND, status=STOPPED), a_thing("Secret"), True),
    "held": (a_job(status=STARTED, slotsPerWorker=-1), a_thing("Secret"), False),
    "suspended and invalid": (a_job(policy=SUSPEND, status=STOPPED, slotsPerWorker=-1),
        a_thing("Secret"), False),
    "ended": (a_job(status=RUNNING), a_launcher("Complete", labels={}), False),
})  # fmt: skip
def test_labels_are_put_where_children_are_to_stay(
    job: MPIJob, found: Sighting, *, expected: bool
) -> None:
    managers = [manager for manager, _ in touches(job, found).values()]
    assert managers == (["mpi-operator-labels"] if expected else [])


ENDED = a_status("Created", "Failed", start_time=at(-60), completion_time=at(-10))
TOLD = JobCondition(since=at(-10))
JUST_TOLD = JobCondition(since=at(-9.5))


@pytest.mark.rule("B6.1", "B8.2")
@cases("job, launcher, suspend", {
    "to suspend": (a_job(policy=SUSPEND, status=RUNNING), a_launcher(), True),
    "to suspend, and invalid": (a_job(policy=SUSPEND, status=RUNNING,
        slotsPerWorker=-1), a_launcher(), True),
    "told before": (a_job(policy=SUSPEND, status=STOPPING), a_launcher(suspend=True),
        None),
    "stopped": (a_job(policy=SUSPEND, status=STOPPING), a_launcher("Suspended"), None),
    "somebody suspended it": (a_job(status=RUNNING), a_launcher(suspend=True,
        conditions={"Suspended": TOLD}), False),
    "somebody suspended it just now": (a_job(status=RUNNING), a_launcher(suspend=True,
        conditions={"Suspended": JUST_TOLD}), None),
    "the Job controller does not know yet": (a_job(status=RUNNING),
        a_launcher(suspend=True), None),
    "at a time unknown": (a_job(status=RUNNING), a_launcher(suspend=True,
        conditions={"Suspended": JobCondition()}), False),
    "its result is certain, and cannot be told": (a_job(status=RUNNING),
        a_launcher(suspend=True, conditions={"SuccessCriteriaMet": TOLD}), False),
    "the same, and the job has ended by it": (a_job(policy=SUSPEND, status=STOPPING),
        a_launcher(suspend=True, conditions={"FailureTarget": TOLD}), False),
    "the job has ended by itself": (a_job(policy=SUSPEND, status=ENDED),
        a_launcher(suspend=True, conditions={"Suspended": TOLD}), None),
    "its end is told": (a_job(policy=SUSPEND, status=STOPPING),
        a_launcher(suspend=True, conditions={"Complete": TOLD}), None),
    "it goes": (a_job(status=RUNNING), a_launcher(suspend=True, terminating=True),
        None),
    "it runs": (a_job(status=RUNNING), a_launcher(), None),
    "an edit made it invalid": (a_job(status=RUNNING, slotsPerWorker=-1),
        a_launcher("Suspended"), None),
})  # fmt: skip
def test_the_launcher_job_is_suspended_with_the_job(
    job: MPIJob, launcher: LauncherJob, suspend: object
) -> None:
    asked = answer(job, launcher).touches
    assert [t.fields for t in asked] == (
        [] if suspend is None else [{"spec": {"suspend": suspend}}]
    )
    for touch in asked:
        assert touch.manager == "mpi-operator-suspend"
        assert (touch.uid, touch.resource_version) == ("launcher", "5")
        assert (touch.ref.kind, touch.ref.name) == ("Job", "pi-launcher")


def annotated(number: int) -> dict[str, Any]:
    annotations = {"training.kubeflow.org/failure": str(number)}
    return {"metadata": {"annotations": annotations}}


def numbering(job: MPIJob, *found: Sighting) -> list[tuple[str, Any]]:
    return [(t.ref.name, t.fields) for t in answer(job, *found).numbering]


@pytest.mark.rule("B4.9", "B8.2")
def test_failures_are_numbered_on_their_pods() -> None:
    status = evolve(STARTED, worker=ReplicaStatus(failed=2))
    pods = (failed(1), failed(0), failed(2, reason="Evicted"))
    job = a_job(workers=3, status=status)
    assert numbering(job, *pods) == [
        ("pi-worker-0", annotated(3)),
        ("pi-worker-1", annotated(4)),
    ]
    first = answer(job, *pods).numbering[0]
    assert first.manager == "mpi-operator-failure"
    assert (first.uid, first.resource_version) == ("pod-0", "100")
    assert (first.ref.api_version, first.ref.kind) == ("v1", "Pod")


@pytest.mark.rule("B4.9", "B6.1", "B1.7")
@cases("job", {
    "suspended": a_job(status=STOPPING, policy=SUSPEND),
    "invalid": a_job(status=STARTED, slotsPerWorker=-1),
    "not ours": a_job(policy={"managedBy": "x"}),
})  # fmt: skip
def test_failures_count_only_while_workers_are_wanted(job: MPIJob) -> None:
    assert numbering(job, failed(0)) == []
    assert answer(job, failed(0, reason="Evicted")).evictions == ()
