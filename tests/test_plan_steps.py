# SPDX-License-Identifier: Apache-2.0
"""What is left to do, in order: here a step a list, an action a line.

`test_plan_satisfied` tells when an object is as we want it, so that nothing is left.
"""

from typing import Any

import pytest
from attrs import evolve

from mpijob import HOLDS, Observed, Settings, World, reconcile
from mpijob.actions import (
    GUARDS,
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Event,
    Keep,
    Manager,
    Touch,
    WriteStatus,
    job_ref,
)
from mpijob.job import MPIJob
from mpijob.names import Child, Ref
from mpijob.plan import plan
from tests.builders import (
    NOON,
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    WORLD,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_status,
    a_thing,
    a_worker,
    answer,
    at,
    cases,
    failed,
    steps,
    world,
)

BUSY = (a_worker(0), a_launcher(), a_launcher_pod())
FINISHED = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-10))


def line(action: Action) -> str:
    match action:
        case Create() | Apply():
            return f"{type(action).__name__} {action.child.value} {action.name}"
        case Touch():
            return f"Touch {action.ref.name} {action.manager.value}"
        case Delete():
            return f"Delete {action.ref.kind} {action.ref.name}"
        case Event():
            return f"Event {action.reason}"
        case WriteStatus() | Confirm():
            return type(action).__name__


def shown(job: MPIJob, *found: Sighting, world: World = WORLD) -> list[list[str]]:
    return [
        [line(action) for action in step] for step in steps(job, *found, world=world)
    ]


def told(job: MPIJob, *found: Sighting, world: World = WORLD) -> MPIJob:
    """Return the job with the status of this view written already."""
    return evolve(job, status=answer(job, *found, world=world).status)


STATUS, CREATED = ["WriteStatus"], ["Event MPIJobCreated"]
THINGS = ["Apply Service pi", "Apply ConfigMap pi-config", "Create Secret pi-ssh"]
WORKERS = ["Create worker Pod pi-worker-0", "Create worker Pod pi-worker-1"]
LAUNCHER = ["Create launcher Job pi-launcher"]
WORKLOAD_FIRST = [["Create Workload pi"], ["Apply PodGroup pi"]]
PODS_GO = ["Delete Pod pi-worker-0", "Delete Job pi-launcher"]
LABELLED = [f"Touch {name} mpi-operator-labels" for name in ("pi-ssh", "pi-launcher")]
LAUNCHER_STOPS = ["Touch pi-launcher mpi-operator-suspend"]


@pytest.mark.rule("B4.5", "B4.7", "B5.1", "B8.3", "B7.5", "B7.6")
@cases("job, surroundings, expected", {
    "no gang": (a_job(workers=2), WORLD, [STATUS, CREATED, THINGS, WORKERS, LAUNCHER]),
    "volcano": (a_job(workers=2), world(gang_scheduler="volcano"), [STATUS, CREATED,
        ["Apply PodGroup pi"], THINGS, WORKERS, LAUNCHER]),
    "kubernetes": (a_job(workers=2), world(gang_scheduler="kubernetes"), [STATUS,
        CREATED, *WORKLOAD_FIRST, THINGS, WORKERS, LAUNCHER]),
    "the launcher waits": (a_job(workers=2,
        launcherCreationPolicy="WaitForWorkersReady"), WORLD, [STATUS, CREATED, THINGS,
        WORKERS]),
    "in no cluster": (a_job(workers=2, metadata={"uid": ""}), WORLD, [STATUS, CREATED,
        THINGS, WORKERS, LAUNCHER]),
    "suspended": (a_job(workers=2, policy=SUSPEND), WORLD, [STATUS, [*CREATED,
        "Event MPIJobSuspended"], THINGS]),
    "invalid": (a_job(workers=2, slotsPerWorker=-1), WORLD, [STATUS, [*CREATED,
        "Event ValidationError"]]),
    "the status was written, and no more": (told(a_job(workers=2)), WORLD, [["Confirm"],
        THINGS, WORKERS, LAUNCHER]),
    "nothing to confirm in no cluster": (told(a_job(workers=2, metadata={"uid": ""})),
        WORLD, [THINGS, WORKERS, LAUNCHER]),
    "not ours": (a_job(policy={"managedBy": "x"}), WORLD, []),
})  # fmt: skip
def test_a_start_counts_before_it_makes(
    job: MPIJob, surroundings: World, expected: list[list[str]]
) -> None:
    assert shown(job, world=surroundings) == expected


EVICTED = failed(1, reason="Evicted")
NUMBERED = failed(0, failure=1)


@pytest.mark.rule("B4.9", "B5.3", "B6.1", "B8.2", "B8.3", "B4.7")
@cases("job, found, expected", {
    "numbered one after the other": (told(a_job(workers=2, status=RUNNING), failed(0),
        failed(1), *BUSY[1:]), (failed(0), failed(1), *BUSY[1:]),
        [["Touch pi-worker-0 mpi-operator-failure"],
        ["Touch pi-worker-1 mpi-operator-failure"], ["Confirm"], THINGS]),
    "counted before it goes": (told(a_job(workers=2, status=RUNNING), a_worker(1),
        *BUSY[1:]), (NUMBERED, a_worker(1), *BUSY[1:]), [STATUS,
        ["Delete Pod pi-worker-0"], THINGS]),
    "an eviction is told with the deletion": (told(a_job(workers=2, status=RUNNING),
        EVICTED, *BUSY), (*BUSY, EVICTED), [["Confirm"], ["Delete Pod pi-worker-1"],
        ["Event MPIJobEvicted"], THINGS]),
    "a suspension is written before the launcher is told": (a_job(policy=SUSPEND,
        status=RUNNING), BUSY, [STATUS, ["Event MPIJobSuspended"], LAUNCHER_STOPS,
        THINGS]),
    "the launcher is told once more": (told(a_job(policy=SUSPEND, status=RUNNING),
        *BUSY), BUSY, [["Confirm"], LAUNCHER_STOPS, THINGS]),
    "the launcher has stopped": (told(a_job(policy=SUSPEND, status=STOPPING),
        a_worker(0), a_launcher()), (a_worker(0), a_launcher("Suspended"),
        a_thing("PodGroup")), [["Confirm"], ["Delete PodGroup pi", *PODS_GO], THINGS]),
    "a resume is written before pods are made": (a_job(status=STOPPED), (), [STATUS,
        ["Event MPIJobResumed"], THINGS, WORKERS[:1], LAUNCHER]),
    "a verdict is written before the cleanup": (a_job(status=RUNNING,
        policy={"cleanPodPolicy": "All"}), (a_worker(0), a_launcher("Complete")),
        [STATUS, ["Event MPIJobSucceeded"], PODS_GO]),
    "labels": (told(a_job(status=RUNNING), *BUSY), (a_worker(0), a_launcher(labels={}),
        a_launcher_pod(), a_thing("Secret")), [["Confirm"], LABELLED, THINGS[:2]]),
    "labels before what goes": (told(a_job(status=RUNNING), *BUSY, a_worker(1)),
        (a_worker(0), a_launcher(labels={}), a_launcher_pod(), a_worker(1)),
        [["Confirm"], LABELLED[1:], ["Delete Pod pi-worker-1"], THINGS]),
    "expired": (a_job(policy={"ttlSecondsAfterFinished": 10}, status=FINISHED), BUSY,
        [["Delete MPIJob pi"]]),
    "an edit made it invalid": (a_job(workers=2, status=STARTED, slotsPerWorker=-1),
        BUSY, [STATUS, ["Event ValidationError"]]),
})  # fmt: skip
def test_every_prefix_is_safe(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[list[str]]
) -> None:
    assert [step for step in shown(job, *found) if step != ["Event MPIJobRunning"]] == (
        expected
    )


@pytest.mark.rule("B5.7", "B4.5")
def test_a_scale_up_is_counted_before_pods_are_made() -> None:
    job = told(a_job(workers=1, status=RUNNING), *BUSY)
    more = evolve(a_job(workers=3), status=job.status)
    found = (*BUSY, a_thing("Service"), a_thing("ConfigMap"), a_thing("Secret"))
    todo = shown(more, *found)
    assert todo[0] == STATUS
    assert todo[-1] == [f"Create worker Pod pi-worker-{index}" for index in (1, 2)]
    first = steps(more, *found)[0][0]
    assert isinstance(first, WriteStatus)
    assert first.status.worker is not None
    assert first.status.worker.active == 3


@pytest.mark.rule("B6.1", "B5.2")
def test_nothing_is_done_before_the_live_look() -> None:
    job = a_job(policy=SUSPEND, status=STOPPING)
    observed = Observed()
    assert plan(job, observed, reconcile(job, observed, WORLD)) == ()


@pytest.mark.rule("B8.2", "B4.5", "B5.6")
def test_writes_carry_what_was_decided_on() -> None:
    ref = Ref("kubeflow.org/v2beta1", "MPIJob", "hpc", "pi")
    job = a_job(metadata={"generation": 4})
    asked = answer(job)
    assert job_ref(job) == ref
    assert steps(job)[0] == (WriteStatus(ref, "job", "7", asked.status),)
    assert steps(job)[1] == asked.events
    assert steps(told(job))[0] == (Confirm(ref, "job", 4),)
    over = a_job(policy={"ttlSecondsAfterFinished": 0}, status=FINISHED)
    why = "ttlSecondsAfterFinished is over"
    assert steps(over) == ((Delete(ref, "job", "7", "Background", why),),)


def test_of_what_is_kept_nothing_is_said() -> None:
    keep = answer(a_job(), a_worker(0)).desired[3]
    assert keep == Keep(Child.WORKER, "pi-worker-0")
    assert keep.manifest is None


def test_each_kind_of_action_has_a_guard() -> None:
    kinds: tuple[type[Any], ...] = Action.__args__
    assert set(GUARDS) == set(kinds)
    assert all(GUARDS.values())


def test_each_purpose_has_a_field_manager_of_its_own() -> None:
    assert [manager.value for manager in Manager] == [
        "mpi-operator",
        "mpi-operator-labels",
        "mpi-operator-failure",
        "mpi-operator-suspend",
    ]


@pytest.mark.rule("B8.1")
def test_what_a_refused_child_holds_back() -> None:
    pods = frozenset((Child.WORKER, Child.LAUNCHER))
    assert dict(HOLDS) == {
        Child.WORKLOAD: pods,
        Child.POD_GROUP: pods,
        Child.SERVICE: pods,
        Child.CONFIG_MAP: pods,
        Child.SECRET: pods,
        Child.WORKER: frozenset(),
        Child.LAUNCHER: frozenset(),
    }


@pytest.mark.rule("B4.4")
def test_equal_questions_have_equal_plans() -> None:
    surroundings = World(NOON, Settings(gang_scheduler="volcano"))
    assert steps(a_job(workers=2), world=surroundings) == steps(
        a_job(workers=2), world=surroundings
    )
