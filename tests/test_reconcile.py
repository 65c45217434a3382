# SPDX-License-Identifier: Apache-2.0
"""One call: what must be read live first, when to look again, and what is answered."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from mpijob import Live, reconcile
from mpijob.job import MPIJob
from mpijob.lifetimes import Fate
from mpijob.names import Child
from mpijob.observed import Ended, JobCondition, Observed, Refusal
from mpijob.reconcile import Reconciliation
from mpijob.stage import Stage
from mpijob.status import JobStatus, ReplicaStatus
from mpijob.world import World
from tests.builders import (
    NOON,
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    THEIRS,
    WORLD,
    Sighting,
    a_condition,
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
    seen,
    world,
)

BUSY = (a_worker(0), a_launcher(), a_launcher_pod())
PODS, LAUNCHER = frozenset((Live.PODS,)), frozenset((Live.LAUNCHER,))
BOTH, NONE = PODS | LAUNCHER, frozenset[Live]()
FREE = evolve(STOPPING, worker=ReplicaStatus(active=0))
ONE = evolve(STOPPED, launcher=ReplicaStatus(active=1))
HELD = evolve(STOPPED, worker=ReplicaStatus(active=2))
FINISHED = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-10))
WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}


# --- What must be read live ---------------------------------------------------


@pytest.mark.rule("B5.2", "B6.1", "B4.5", "B1.7")
@cases("job, found, needs", {
    "the first start": (a_job(), (), NONE),
    "a start after a suspension": (a_job(status=STOPPED), (), NONE),
    "a launcher made again": (a_job(status=STARTED), (), PODS),
    "nothing to be made": (a_job(status=STARTED), BUSY, NONE),
    "no launcher yet": (a_job(status=STARTED, **WAIT), (), NONE),
    "a launcher at last": (a_job(status=STARTED, **WAIT), BUSY[:1], PODS),
    "a pod of the last launcher": (a_job(status=STARTED), BUSY[2:], NONE),
    "pods are held back": (a_job(status=STARTED), (a_thing("Service", owner=THEIRS),),
        NONE),
    "the launcher's name is taken": (a_job(status=STARTED), (a_launcher(owner=THEIRS),),
        NONE),
    "its time is over": (a_job(policy={"activeDeadlineSeconds": 60}, status=STARTED),
        BUSY, LAUNCHER),
    "never valid": (a_job(slotsPerWorker=-1), (), LAUNCHER),
    "too many failures": (a_job(policy={"backoffLimit": 0}, status=STARTED), (*BUSY[1:],
        failed(0, failure=1)), LAUNCHER),
    "the launcher's end": (a_job(), (a_launcher("Failed"),), NONE),
    "stops": (a_job(policy=SUSPEND, status=RUNNING), BUSY, NONE),
    "startTime goes": (a_job(policy=SUSPEND, status=STOPPING), (), BOTH),
    "active goes to 0": (a_job(policy=SUSPEND, status=HELD), (), BOTH),
    "active goes from 1 to 0": (a_job(policy=SUSPEND, status=ONE), (), BOTH),
    "active goes to 0 with a pod left": (a_job(policy=SUSPEND, status=evolve(HELD,
        start_time=at(-60))), (failed(0),), BOTH),
    "active was 0": (a_job(policy=SUSPEND, status=FREE), (failed(0),), NONE),
    "a pod runs": (a_job(policy=SUSPEND, status=HELD), (a_worker(0),), NONE),
    "suspended": (a_job(policy=SUSPEND, status=STOPPED), (), NONE),
    "created suspended": (a_job(policy=SUSPEND), (), NONE),
    "an end takes active to 0": (a_job(status=evolve(FINISHED,
        worker=ReplicaStatus(active=1))), (), NONE),
    "not ours": (a_job(policy={"managedBy": "x"}), (), NONE),
})  # fmt: skip
def test_what_must_be_read_live_first(
    job: MPIJob, found: tuple[Sighting, ...], needs: frozenset[Live]
) -> None:
    cached = reconcile(job, seen(*found, live=NONE), WORLD)
    assert cached.needs == needs
    if needs:
        assert cached == Reconciliation(
            cached.stage, cached.because, job.status, cached.problems, needs=needs
        )
        for live in Live:
            again = reconcile(job, seen(*found, live=frozenset((live,))), WORLD)
            assert again.needs == needs - {live}
    assert answer(job, *found).needs == NONE


# --- When to look again -------------------------------------------------------


def after(job: MPIJob, *found: Sighting, world: World = WORLD) -> float | None:
    wait = answer(job, *found, world=world).requeue_after
    return None if wait is None else wait.total_seconds()


def limited(seconds: int, status: JobStatus = STARTED, **policy: object) -> MPIJob:
    given = {"activeDeadlineSeconds": seconds, **policy}
    return a_job(policy=given, status=status)


def ttl(seconds: int) -> MPIJob:
    return a_job(policy={"ttlSecondsAfterFinished": seconds}, status=FINISHED)


def quick(index: int, end: float) -> Sighting:
    ended = Ended("mpi", main=True, started_at=at(end), finished_at=at(end))
    return failed(index, ended=(ended,), failure=1)


BLOCKED = a_condition("Blocked", reason="Invalid")
INVALID = a_status("Created", BLOCKED, start_time=at(-90))
DENIED = Refusal(Child.WORKER, "pi-worker-0", "AdmissionDenied", "no")
NO_QUOTA = Refusal(Child.WORKER, "pi-worker-0", "QuotaExceeded", "no")
TOLD = a_launcher(suspend=True, conditions={"Suspended": JobCondition(since=at(-3))})


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(("since", "wait"), [
    (9, 5), (0, 5), (-4, 5), (-6, 6), (-47, 47), (-299, 299), (-10**7, 300), (None, 5),
])  # fmt: skip
def test_each_wait_for_a_name_is_as_long_as_those_before(
    since: int | None, wait: int
) -> None:
    taken = a_worker(0, owner=THEIRS)
    status = answer(a_job(status=STARTED), taken).status
    blocked = status.conditions[-1]
    assert blocked.type == "Blocked"
    told = blocked._replace(last_update_time=None if since is None else at(since))
    status = evolve(status, conditions=(*status.conditions[:-1], told))
    assert after(a_job(status=status), taken) == wait


@pytest.mark.rule("B5.4", "B5.6", "B5.3", "B6.1", "B1.7")
@cases("job, found, expected", {
    "only a change is news": (a_job(status=STARTED), BUSY, None),
    "its time will be over": (limited(90), BUSY, 30),
    "its time starts now": (limited(90, JobStatus()), (), 90),
    "after the end of the calendar": (limited(10**18), BUSY, None),
    "a limit that is a mistake": (limited(-1), BUSY, None),
    "suspended, no limit": (limited(90, STOPPING, suspend=True), (), None),
    "stopping, no limit": (limited(90, STARTED, suspend=True), BUSY, None),
    "its TTL will be over": (ttl(15), (), 5),
    "a TTL for ever": (ttl(10**18), (), None),
    "a name that is taken": (a_job(status=STARTED), (a_worker(0, owner=THEIRS),), 5),
    "a name that is taken, and its time": (limited(63), (a_launcher(owner=THEIRS),),
        3),
    "a policy in the way": (a_job(status=STARTED), (DENIED,), None),
    "a quota in the way": (a_job(status=STARTED), (NO_QUOTA,), None),
    "a limit of a job that has ended": (limited(90, FINISHED), (), None),
    "a TTL that starts now": (a_job(policy={"ttlSecondsAfterFinished": 7},
        status=RUNNING), (a_launcher("Complete", completion_time=at(-3)),), 4),
    "the next worker may be replaced": (a_job(workers=2, status=STARTED), (quick(0, -1),
        quick(1, -3)), 2),
    "the first of several": (limited(61), (quick(0, -1), *BUSY[1:]), 1),
    "held": (a_job(status=STARTED, slotsPerWorker=-1), (quick(0, -1),), None),
    "the launcher may go on": (a_job(status=RUNNING), (TOLD,), 7),
    "the launcher may end": (a_job(status=FINISHED), (TOLD._replace(conditions={
        "SuccessCriteriaMet": JobCondition(since=at(-3))}),), 7),
    "the launcher was told to go on": (a_job(status=RUNNING), (TOLD._replace(
        conditions={}),), None),
    "not while held": (a_job(status=RUNNING, slotsPerWorker=-1), (TOLD,), None),
    "not before its workers are Ready": (a_job(status=RUNNING,
        launcherCreationPolicy="WaitForWorkersReady"), (TOLD,), None),
    "its workers are Ready": (a_job(workers=1, status=RUNNING,
        launcherCreationPolicy="WaitForWorkersReady"),
        (TOLD, a_worker(0, phase="Running", ready=True)), 7),
    "its result is certain": (a_job(status=RUNNING,
        launcherCreationPolicy="WaitForWorkersReady"), (TOLD._replace(conditions={
        "SuccessCriteriaMet": JobCondition(since=at(-3))}),), 7),
})  # fmt: skip
def test_when_to_look_again(
    job: MPIJob, found: tuple[Sighting, ...], expected: float | None
) -> None:
    assert after(job, *found) == expected


@pytest.mark.rule("B1.7")
def test_a_job_whose_pods_are_refused_is_looked_at_when_it_may_end() -> None:
    invalid = evolve(INVALID, conditions=(a_condition("Created"), BLOCKED))
    foreign = a_thing("Service", owner=THEIRS)
    refusal = Refusal(Child.WORKER, "pi-worker-0", "Invalid", "no")
    assert after(a_job(status=invalid), refusal) == 540
    assert after(a_job(status=invalid), foreign) == 5
    assert after(a_job(status=STARTED), refusal) == 600


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    for limit in (60, 50):
        assert after(limited(limit), a_launcher("SuccessCriteriaMet")) is None


def test_fractions_of_a_second_are_waited_for() -> None:
    later = World(NOON + timedelta(seconds=0.5))
    assert after(limited(90), *BUSY, world=later) == 29.5


# --- What is answered ---------------------------------------------------------


@pytest.mark.rule("B5.8")
@pytest.mark.parametrize(("job", "stage", "because"), [
    (a_job(policy={"managedBy": "kueue.x-k8s.io/multikueue"}), Stage.NOT_OURS,
        "spec.runPolicy.managedBy names another controller."),
    (a_job(metadata={"deletionTimestamp": "x"}), Stage.DELETED,
        "The MPIJob is being deleted."),
])  # fmt: skip
def test_a_job_that_is_left_alone_is_asked_nothing_of(
    job: MPIJob, stage: Stage, because: str
) -> None:
    assert answer(job, *BUSY) == Reconciliation(stage, because, job.status)


def test_a_job_is_left_alone_until_all_was_seen() -> None:
    job = a_job(status=RUNNING, slotsPerWorker=-1)
    unseen = Observed(unknown=frozenset((Child.WORKER,)))
    found = reconcile(job, unseen, WORLD)
    assert found.stage is Stage.UNSEEN
    assert [problem.path for problem in found.problems] == ["spec.slotsPerWorker"]
    assert found._replace(problems=()) == Reconciliation(
        Stage.UNSEEN, "Not every kind of child was listed yet.", job.status
    )


def test_an_answer_has_all_its_parts() -> None:
    job = a_job(
        workers=3,
        slotsPerWorker=0,
        policy={"activeDeadlineSeconds": 90},
        status=evolve(STARTED, observed_generation=0),
    )
    pods = (failed(0), failed(1, reason="Evicted"), a_worker(2, template_hash="old"))
    found = answer(job, *pods, a_launcher(labels={}))
    assert found.stage is Stage.STARTING
    assert found.because == "Its pods are being made or have not all started."
    assert found.status.observed_generation == 1
    assert found.problems == ()
    assert [warning.path for warning in found.warnings] == ["spec.slotsPerWorker"]
    assert found.outdated == ("Worker",)
    assert len(found.desired) == 7
    assert [d.ref.name for d in found.unwanted] == ["pi-worker-1"]
    assert [t.ref.name for t in found.touches] == ["pi-launcher"]
    assert [t.ref.name for t in found.numbering] == ["pi-worker-0"]
    assert [event.reason for event in found.events] == ["SpecChanged"]
    assert [event.reason for event in found.evictions] == ["MPIJobEvicted"]
    assert not found.delete_job
    assert found.requeue_after == timedelta(seconds=30)
    assert found.fates[Child.LAUNCHER] is Fate.WANT
    assert set(found.fates) == set(Child)


@pytest.mark.rule("B1.7")
def test_an_invalid_answer_names_its_problems() -> None:
    found = answer(a_job(slotsPerWorker=-1, status=STARTED), *BUSY)
    assert [problem.path for problem in found.problems] == ["spec.slotsPerWorker"]
    assert found.stage is Stage.HELD


@pytest.mark.rule("B4.9")
def test_without_its_status_a_job_goes_on() -> None:
    found = answer(a_job(), *BUSY)
    assert (found.stage, found.unwanted) == (Stage.RUNNING, ())
    assert found.status.start_time == at(0)


@pytest.mark.rule("B5.6")
@pytest.mark.parametrize(("keeps", "deleted"), [(False, True), (True, False)])
def test_an_expired_job_is_deleted_unless_it_is_kept(
    *, keeps: bool, deleted: bool
) -> None:
    found = answer(ttl(10), *BUSY, world=world(ttl_keeps_job=keeps))
    assert found.stage is Stage.EXPIRED
    assert found.delete_job is deleted
    assert bool(found.unwanted) is keeps
    assert (found.status == FINISHED) is deleted
    assert found.requeue_after is None


def test_times_are_told_in_whole_seconds() -> None:
    found = answer(a_job(), world=World(NOON + timedelta(seconds=0.9)))
    assert found.status.start_time == NOON
