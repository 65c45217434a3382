# SPDX-License-Identifier: Apache-2.0
"""What is said once, when something changes: here as `type reason: message`."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.actions import Event
from mpijob.events import evictions
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Refusal
from mpijob.status import JobStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    SUSPEND,
    THEIRS,
    Sighting,
    a_condition,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_status,
    a_template,
    a_thing,
    a_worker,
    answer,
    at,
    failed,
    world,
)

BUSY = (a_worker(0), a_launcher(), a_launcher_pod())
CREATED = "Normal MPIJobCreated: MPIJob hpc/pi is created."
RUNS = "Normal MPIJobRunning: MPIJob hpc/pi is running."
SUSPENDED = "Normal MPIJobSuspended: MPIJob suspended"
SUCCEEDED = "Normal MPIJobSucceeded: MPIJob hpc/pi successfully completed."
FAILED = "Warning MPIJobFailed: MPIJob hpc/pi has failed"
NEGATIVE = "spec.slotsPerWorker is -1, and must be 0 or more"
EXISTS = "exists already and is not this MPIJob's: Service pi"
FOREIGN = a_thing("Service", owner=THEIRS)
NO_POD = Refusal(Child.WORKER, "pi-worker-0", "Forbidden", "not you")
OVERRIDDEN = "template is overridden by the restartPolicy of the replica spec"


def blocked(reason: str, status: str = "True") -> JobStatus:
    return evolve(
        STARTED,
        conditions=(*STARTED.conditions, a_condition("Blocked", status, reason)),
    )


def lines(events: tuple[Event, ...]) -> list[str]:
    return [f"{e.type} {e.reason}: {e.message}" for e in events]


@pytest.mark.rule("B4.7", "B1.7", "B8.1", "B8.4")
@pytest.mark.parametrize(
    ("job", "found", "expected"),
    [
        pytest.param(a_job(), (), [CREATED], id="a new job"),
        pytest.param(a_job(), BUSY, [CREATED, RUNS], id="a job that was not seen"),
        pytest.param(a_job(policy=SUSPEND), (), [CREATED, SUSPENDED], id="suspended"),
        pytest.param(a_job(status=STARTED), BUSY, [RUNS], id="it runs"),
        pytest.param(a_job(status=RUNNING), (), [], id="it does not run any more"),
        pytest.param(
            a_job(policy=SUSPEND, status=RUNNING), BUSY, [SUSPENDED], id="to suspend"
        ),
        pytest.param(
            a_job(status=STOPPED),
            (),
            ["Normal MPIJobResumed: MPIJob resumed"],
            id="resumed",
        ),
        pytest.param(
            a_job(status=RUNNING), (a_launcher("Complete"),), [SUCCEEDED], id="success"
        ),
        pytest.param(
            a_job(status=RUNNING), (a_launcher("Failed"),), [FAILED], id="failure"
        ),
        pytest.param(
            a_job(policy={"activeDeadlineSeconds": 60}, status=STARTED),
            (),
            [
                "Warning DeadlineExceeded: MPIJob hpc/pi was active longer than 60 s",
            ],
            id="failure of another reason",
        ),
        pytest.param(
            a_job(slotsPerWorker=-1),
            (),
            [CREATED, f"Warning ValidationError: {NEGATIVE}"],
            id="never valid",
        ),
        pytest.param(
            a_job(slotsPerWorker=-1, status=STARTED),
            (),
            [f"Warning ValidationError: {NEGATIVE}"],
            id="an edit made it invalid",
        ),
        pytest.param(
            a_job(status=STARTED),
            (FOREIGN,),
            [f"Warning ErrResourceExists: {EXISTS}"],
            id="an object that is not ours",
        ),
        pytest.param(
            a_job(status=STARTED),
            (evolve(a_worker(0), name="x"),),
            ["Warning UnreadableChild: Pod x has the name of no worker"],
            id="a pod without an index",
        ),
        pytest.param(
            a_job(status=blocked("Forbidden")),
            (FOREIGN,),
            [f"Warning ErrResourceExists: {EXISTS}"],
            id="blocked by something else",
        ),
        pytest.param(
            a_job(status=blocked("Forbidden")),
            (NO_POD,),
            [],
            id="blocked as before, in other words",
        ),
        pytest.param(
            a_job(status=blocked("Forbidden")), (), [], id="not blocked any more"
        ),
        pytest.param(
            a_job(status=blocked("Unblocked", "False")),
            (NO_POD,),
            ["Warning Forbidden: worker Pod pi-worker-0: not you"],
            id="blocked again",
        ),
        pytest.param(a_job(policy={"managedBy": "x"}), (), [], id="not ours"),
    ],
)
def test_a_transition_is_told_once(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    told = answer(job, *found)
    assert lines(told.events) == expected
    assert answer(evolve(job, status=told.status), *found).events == ()


@pytest.mark.rule("B4.7")
def test_a_restart_policy_in_a_template_is_told_at_creation() -> None:
    role: dict[str, Any] = {"template": a_template(restartPolicy="Never")}
    launcher = (
        "Warning SetPodTemplateRestartPolicy: the restartPolicy in the Launcher"
        f" {OVERRIDDEN}"
    )
    worker = launcher.replace("Launcher", "Worker")
    for job, expected in (
        (a_job(launcher=role), [launcher]),
        (a_job(worker=role), [worker]),
        (a_job(launcher=role, worker=role), [launcher, worker]),
        (a_job(launcher=role, workers=None), [launcher]),
        (a_job(), []),
    ):
        assert lines(answer(job).events) == [CREATED, *expected]
        assert answer(evolve(job, status=STARTED)).events == ()


@pytest.mark.rule("B4.7", "B4.1")
def test_an_event_is_no_longer_than_its_condition() -> None:
    job = a_job(name="x" * 3000)
    (_, event) = answer(job).events
    assert len(event.message) <= 1024


@pytest.mark.rule("B4.7", "B5.3")
def test_workers_that_were_taken_away_are_told_with_their_deletion() -> None:
    pods = [failed(i, reason="Evicted") for i in range(7)]
    own = failed(7, failure=1)
    named = ", ".join(f"pi-worker-{i}" for i in range(5))
    assert lines(evictions([*pods, own])) == [
        f"Warning MPIJobEvicted: replaced after eviction: {named} and 2 more"
    ]
    assert evictions([own]) == evictions([]) == ()


# --- Edits --------------------------------------------------------------------

OLD = a_worker(0, template_hash="old")
OLD_LAUNCHER = a_launcher(template_hash="old")
EDITED: dict[str, Any] = {"metadata": {"generation": 2}}


def at_generation(generation: int | None, *said: str) -> JobStatus:
    return a_status(
        *("Created", *said), start_time=at(-60), observed_generation=generation
    )


def spec_changed(roles: str) -> list[str]:
    change = f"the change of {roles} is for pods made from now on"
    return [f"Warning SpecChanged: {change}; suspend and resume the job for all"]


FINISHED = at_generation(1, "Succeeded")


@pytest.mark.rule("B4.7", "B5.9")
@pytest.mark.parametrize(
    ("job", "found", "expected"),
    [
        pytest.param(
            a_job(status=at_generation(1), **EDITED),
            (OLD,),
            spec_changed("Worker"),
            id="workers are of another template",
        ),
        pytest.param(
            a_job(status=at_generation(1), **EDITED),
            (OLD, OLD_LAUNCHER),
            spec_changed("Launcher and Worker"),
            id="all are of another template",
        ),
        pytest.param(
            a_job(status=at_generation(1), **EDITED), (a_worker(0),), [], id="no hash"
        ),
        pytest.param(
            a_job(status=at_generation(2), **EDITED), (OLD,), [], id="told before"
        ),
        pytest.param(
            a_job(status=at_generation(3), **EDITED), (OLD,), [], id="an old view"
        ),
        pytest.param(
            a_job(status=at_generation(None), **EDITED), (OLD,), [], id="first write"
        ),
        pytest.param(
            a_job(status=at_generation(1), policy=SUSPEND, **EDITED),
            (OLD,),
            [SUSPENDED],
            id="with a suspension",
        ),
        pytest.param(
            a_job(status=at_generation(1, "Suspended"), policy=SUSPEND, **EDITED),
            (OLD,),
            [],
            id="during a suspension",
        ),
        pytest.param(a_job(status=FINISHED, **EDITED), (OLD,), [], id="it has ended"),
        pytest.param(
            a_job(status=at_generation(1), slotsPerWorker=-1, **EDITED),
            (OLD,),
            [f"Warning ValidationError: {NEGATIVE}", *spec_changed("Worker")],
            id="with a mistake",
        ),
    ],
)
def test_an_edit_that_pods_do_not_follow_is_told_once_a_generation(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    told = answer(job, *found)
    assert lines(told.events) == expected
    assert answer(evolve(job, status=told.status), *found).events == ()


def test_a_crd_without_generations_hears_of_no_edit() -> None:
    job = a_job(status=at_generation(1), **EDITED)
    assert answer(job, OLD, world=world(observed_generation=False)).events == ()
