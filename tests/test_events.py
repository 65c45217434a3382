# SPDX-License-Identifier: Apache-2.0
"""What is said once, when something changes: here as `type reason: message`."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.actions import Event
from mpijob.events import evictions, transitions
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Refusal
from mpijob.stage import Stage
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
    cases,
    failed,
    the_case,
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
@cases("job, found, expected", {
    "a new job": (a_job(), (), [CREATED]),
    "a job that was not seen": (a_job(), BUSY, [CREATED, RUNS]),
    "suspended": (a_job(policy=SUSPEND), (), [CREATED, SUSPENDED]),
    "it runs": (a_job(status=STARTED), BUSY, [RUNS]),
    "it does not run any more": (a_job(status=RUNNING), (), []),
    "to suspend": (a_job(policy=SUSPEND, status=RUNNING), BUSY, [SUSPENDED]),
    "resumed": (a_job(status=STOPPED), (), ["Normal MPIJobResumed: MPIJob resumed"]),
    "success": (a_job(status=RUNNING), (a_launcher("Complete"),), [SUCCEEDED]),
    "failure": (a_job(status=RUNNING), (a_launcher("Failed"),), [FAILED]),
    "failure of another reason": (a_job(policy={"activeDeadlineSeconds": 60},
        status=STARTED), (),
        ["Warning DeadlineExceeded: MPIJob hpc/pi was active longer than 60 s"]),
    "never valid": (a_job(slotsPerWorker=-1), (), [CREATED,
        f"Warning ValidationError: {NEGATIVE}"]),
    "an edit made it invalid": (a_job(slotsPerWorker=-1, status=STARTED), (),
        [f"Warning ValidationError: {NEGATIVE}"]),
    "an object that is not ours": (a_job(status=STARTED), (FOREIGN,),
        [f"Warning ErrResourceExists: {EXISTS}"]),
    "a pod without an index": (a_job(status=STARTED), (a_worker(0)._replace(name="x"),),
        ["Warning UnreadableChild: Pod x has the name of no worker"]),
    "blocked by something else": (a_job(status=blocked("Forbidden")), (FOREIGN,),
        [f"Warning ErrResourceExists: {EXISTS}"]),
    "blocked as before, in other words": (a_job(status=blocked("Forbidden")), (NO_POD,),
        []),
    "not blocked any more": (a_job(status=blocked("Forbidden")), (), []),
    "blocked again": (a_job(status=blocked("Unblocked", "False")), (NO_POD,),
        ["Warning Forbidden: worker Pod pi-worker-0: not you"]),
    "not ours": (a_job(policy={"managedBy": "x"}), (), []),
})  # fmt: skip
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
@cases("job, found, expected", {
    "workers are of another template": (a_job(status=at_generation(1), **EDITED),
        (OLD,), spec_changed("Worker")),
    "all are of another template": (a_job(status=at_generation(1), **EDITED), (OLD,
        OLD_LAUNCHER), spec_changed("Launcher and Worker")),
    "no hash": (a_job(status=at_generation(1), **EDITED), (a_worker(0),), []),
    "told before": (a_job(status=at_generation(2), **EDITED), (OLD,), []),
    "an old view": (a_job(status=at_generation(3), **EDITED), (OLD,), []),
    "first write": (a_job(status=at_generation(None), **EDITED), (OLD,), []),
    "with a suspension": (a_job(status=at_generation(1), policy=SUSPEND, **EDITED),
        (OLD,), [SUSPENDED]),
    "during a suspension": (a_job(status=at_generation(1, "Suspended"), policy=SUSPEND,
        **EDITED), (OLD,), []),
    "it has ended": (a_job(status=FINISHED, **EDITED), (OLD,), []),
    "with a mistake": (a_job(status=at_generation(1), slotsPerWorker=-1, **EDITED),
        (OLD,), [f"Warning ValidationError: {NEGATIVE}", *spec_changed("Worker")]),
})  # fmt: skip
def test_an_edit_that_pods_do_not_follow_is_told_once_a_generation(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    told = answer(job, *found)
    assert lines(told.events) == expected
    assert answer(evolve(job, status=told.status), *found).events == ()


@pytest.mark.rule("B4.7")
@pytest.mark.parametrize("was", [(), ("Unknown",)], ids=["not there", "unknown"])
def test_a_job_that_was_not_suspended_is_not_resumed(was: tuple[str, ...]) -> None:
    old = a_status(*(a_condition("Suspended", status) for status in was))
    new = a_status(a_condition("Suspended", "False", "MPIJobResumed"))
    case = the_case(a_job(status=old))
    assert transitions(case, Stage.STARTING, new) == ()


def test_a_crd_without_generations_hears_of_no_edit() -> None:
    job = a_job(status=at_generation(1), **EDITED)
    assert answer(job, OLD, world=world(observed_generation=False)).events == ()
