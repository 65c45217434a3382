# SPDX-License-Identifier: Apache-2.0
"""Where a job stands: which question is answered yes, and which would have been next.

`test_stage_order` has the cases of which two questions are both answered yes.
"""

from typing import Any

import pytest
from attrs import evolve

from mpijob import stage
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Live, Owner, Refusal
from mpijob.stage import Stage, standing_of
from mpijob.status import JobStatus, ReplicaStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    Sighting,
    a_condition,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_status,
    a_thing,
    a_worker,
    at,
    failed,
    the_case,
)

FINISHED = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-10))
LOST = a_status("Created", "Failed", start_time=at(-60), completion_time=at(-10))
REFUSED = a_status(
    "Created",
    a_condition("Blocked", reason="Invalid", since=-600),
    start_time=at(-600),
)
REFUSAL = Refusal(Child.WORKER, "pi-worker-0", "Invalid", "no")
WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}
INVALID: dict[str, Any] = {"slotsPerWorker": -1}
EXIT_CODE: dict[str, Any] = {"worker": {"restartPolicy": "ExitCode"}}
FORMER = Owner("Job", "pi-launcher", "former")
BUSY = (a_worker(0), a_launcher(), a_launcher_pod())


def named(job: MPIJob, *found: Sighting) -> str:
    return standing_of(the_case(job, *found)).question.__name__


def ttl(seconds: int, status: JobStatus) -> MPIJob:
    return a_job(policy={"ttlSecondsAfterFinished": seconds}, status=status)


def deadline(seconds: int, status: JobStatus = STARTED, **parts: Any) -> MPIJob:  # noqa: ANN401 - a_job's.
    return a_job(policy={"activeDeadlineSeconds": seconds}, status=status, **parts)


def lost(count: int, limit: int | None = None, **parts: Any) -> MPIJob:  # noqa: ANN401 - a_job's.
    status = evolve(STARTED, worker=ReplicaStatus(failed=count))
    return a_job(policy={"backoffLimit": limit}, status=status, **parts)


# fmt: off
DECIDED: dict[str, tuple[MPIJob, tuple[Sighting, ...], str]] = {
    "somebody else manages it": (a_job(policy={
        "managedBy": "kueue.x-k8s.io/multikueue"}), (), "managed_elsewhere"),
    "an unknown manager": (a_job(policy={"managedBy": "x"}), (), "managed_elsewhere"),
    "a manager that is no word": (a_job(policy={"managedBy": 5}), (),
        "managed_elsewhere"),
    "nobody is named": (a_job(policy={"managedBy": ""}), (), "otherwise"),
    "we manage it": (a_job(policy={"managedBy": "kubeflow.org/mpi-operator"}), (),
        "otherwise"),
    "it is being deleted": (a_job(metadata={"deletionTimestamp": "x"}), (),
        "being_deleted"),
    "its TTL is over": (ttl(10, FINISHED), (), "expired"),
    "its TTL is over after a failure": (ttl(10, LOST), (), "expired"),
    "its TTL is 0": (ttl(0, FINISHED), (), "expired"),
    "its TTL goes on": (ttl(11, FINISHED), (), "succeeded_before"),
    "its TTL is for ever": (ttl(2**63, FINISHED), (), "succeeded_before"),
    "its TTL is a mistake": (ttl(-1, FINISHED), (), "succeeded_before"),
    "a TTL of a job that runs": (ttl(0, evolve(RUNNING, completion_time=at(-10))), BUSY,
        "everything_runs"),
    "it succeeded before": (a_job(status=FINISHED), (), "succeeded_before"),
    "it failed before": (a_job(status=LOST), (), "failed_before"),
    "its Job is complete": (a_job(), (a_launcher("Complete"),), "launcher_succeeded"),
    "its Job will be complete": (a_job(status=RUNNING),
        (a_launcher("SuccessCriteriaMet"),), "otherwise"),
    "its Job was deleted when it had succeeded": (a_job(status=RUNNING),
        (a_launcher("SuccessCriteriaMet", terminating=True),), "launcher_succeeded"),
    "its Job failed": (a_job(), (a_launcher("Failed"),), "launcher_failed"),
    "its Job will fail": (a_job(status=RUNNING), (a_launcher("FailureTarget"),),
        "otherwise"),
    "its Job failed while it was deleted": (a_job(status=RUNNING), (a_launcher("Failed",
        terminating=True),), "launcher_failed"),
    "it was never valid": (a_job(**INVALID), (), "never_valid"),
    "it is suspended, and its Job runs": (a_job(policy=SUSPEND, status=STARTED),
        (a_launcher(),), "stopping"),
    "it is suspended, and its Job was told": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher(suspend=True),), "stopping"),
    "it is suspended, and its Job stopped": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher("Suspended"),), "clearing"),
    "it is suspended, and its Job goes": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher(terminating=True),), "clearing"),
    "it is suspended, and a worker is left": (a_job(policy=SUSPEND, status=STOPPING),
        (failed(0),), "clearing"),
    "it is suspended, and the launcher's pod is left": (a_job(policy=SUSPEND,
        status=STOPPING), (a_launcher_pod("Succeeded"),), "clearing"),
    "it is suspended, and its group is left": (a_job(policy=SUSPEND, status=STOPPING),
        (a_thing("PodGroup"),), "clearing"),
    "it is suspended, and nothing is left": (a_job(policy=SUSPEND, status=STOPPING),
        (a_thing("Service"), a_thing("Secret")), "suspended"),
    "it was created suspended": (a_job(policy=SUSPEND), (), "suspended"),
    "it is resumed, and startTime is left": (a_job(status=STOPPING), (), "suspended"),
    "it is resumed, and a pod is left": (a_job(status=STOPPED), (a_worker(0,
        "Succeeded"),), "clearing"),
    "it is resumed, and its Job is left": (a_job(status=STOPPED), (a_launcher(),),
        "stopping"),
    "it is resumed, and nothing is left": (a_job(status=STOPPED), (), "otherwise"),
    "its time is over": (deadline(60), (), "out_of_time"),
    "its time is over as it waits": (deadline(60, **WAIT), (), "out_of_time"),
    "its time is over as its Job runs": (deadline(60), (a_launcher(),), "out_of_time"),
    "its time is not over": (deadline(61), (), "otherwise"),
    "its time is a mistake": (deadline(-1), (), "unreadable"),
    "it has not started": (deadline(0, JobStatus()), (), "otherwise"),
    "its time is over, and it succeeds": (deadline(60),
        (a_launcher("SuccessCriteriaMet"),), "otherwise"),
    "an edit made it invalid": (a_job(status=STARTED, **INVALID), (), "unreadable"),
    "invalid, and its status was lost": (a_job(**INVALID), BUSY, "unreadable"),
    "invalid, and it had run before": (a_job(status=a_status(a_condition("Running",
        "False")), **INVALID), (), "unreadable"),
    "a worker's own error": (a_job(status=STARTED, **EXIT_CODE), (failed(0, 3,
        failure=1),), "worker_failed"),
    "a worker's error, and it succeeds": (a_job(status=STARTED, **EXIT_CODE), (failed(0,
        3, failure=1), a_launcher("SuccessCriteriaMet")), "otherwise"),
    "six failures": (lost(6), (), "otherwise"),
    "seven failures": (lost(7), (), "workers_failed"),
    "one failure of none": (lost(1, 0), (), "workers_failed"),
    "two failures of two": (lost(2, 2), (), "otherwise"),
    "a failure that is seen": (lost(2, 2), (failed(0, failure=3),), "workers_failed"),
    "seven failures, and it fails": (lost(7), (a_launcher("FailureTarget"),),
        "otherwise"),
    "refused for too long": (a_job(status=REFUSED), (REFUSAL,), "refused"),
    "refused, and a pod was made": (a_job(status=REFUSED), (REFUSAL, a_worker(0)),
        "otherwise"),
    "refused before, and not now": (a_job(status=REFUSED), (), "otherwise"),
    "it waits for its workers": (a_job(**WAIT), (), "waits_for_workers"),
    "it waits again after a resume": (a_job(status=STOPPED, **WAIT), (),
        "waits_for_workers"),
    "it is suspended, and would wait": (a_job(policy=SUSPEND, **WAIT), (), "suspended"),
    "a worker is not Ready": (a_job(workers=2, **WAIT), (a_worker(0), a_worker(1,
        ready=False)), "waits_for_workers"),
    "a Ready worker goes": (a_job(**WAIT), (a_worker(0, terminating=True),),
        "waits_for_workers"),
    "a Ready worker has ended": (a_job(**WAIT), (a_worker(0, "Failed", ready=True,
        failure=1),), "waits_for_workers"),
    "every worker is Ready": (a_job(workers=2, **WAIT), (a_worker(0), a_worker(1),
        a_worker(2, ready=False)), "otherwise"),
    "there is no worker to wait for": (a_job(workers=None, **WAIT), (), "otherwise"),
    "the launcher is there": (a_job(**WAIT), (a_launcher(),), "otherwise"),
    "AtStartup waits for nobody": (a_job(), (), "otherwise"),
    "all run": (a_job(), BUSY, "everything_runs"),
    "the launcher alone runs": (a_job(workers=None), (a_launcher(), a_launcher_pod()),
        "everything_runs"),
    "a worker ended well": (a_job(), (a_worker(0, "Succeeded"), *BUSY[1:]),
        "everything_runs"),
    "workers run that are not Ready": (a_job(), (a_worker(0, ready=False), *BUSY[1:]),
        "everything_runs"),
    "the launcher's pod ended well": (a_job(), (*BUSY[:2], a_launcher_pod("Succeeded")),
        "everything_runs"),
    "the launcher is retried": (a_job(), (*BUSY[:2], a_launcher_pod("Failed"),
        a_launcher_pod("Pending", name="b")), "otherwise"),
    "the launcher runs again": (a_job(), (*BUSY[:2], a_launcher_pod("Failed"),
        a_launcher_pod(name="b")), "everything_runs"),
    "the launcher's pod goes": (a_job(), (*BUSY[:2], a_launcher_pod(terminating=True)),
        "otherwise"),
    "the launcher's Job is gone": (a_job(), (BUSY[0], BUSY[2]), "otherwise"),
    "a pod of a former Job runs": (a_job(), (*BUSY[:2], a_launcher_pod(owner=FORMER)),
        "otherwise"),
    "a worker waits": (a_job(), (a_worker(0, "Pending"), *BUSY[1:]), "otherwise"),
    "a worker is missing": (a_job(workers=2), BUSY, "otherwise"),
    "a worker goes": (a_job(), (a_worker(0, terminating=True), *BUSY[1:]), "otherwise"),
    "a worker failed": (a_job(), (failed(0), *BUSY[1:]), "otherwise"),
}
# fmt: on


@pytest.mark.rule("B1.7", "B4.2", "B5.1", "B5.2", "B5.3", "B5.4", "B5.8", "B6.1")
@pytest.mark.parametrize(("job", "found", "expected"), DECIDED.values(), ids=DECIDED)
def test_one_question_decides(
    job: MPIJob, found: tuple[Sighting, ...], expected: str
) -> None:
    assert named(job, *found) == expected


STAGES = {
    "managed_elsewhere": Stage.NOT_OURS,
    "being_deleted": Stage.DELETED,
    "not_seen_yet": Stage.UNSEEN,
    "expired": Stage.EXPIRED,
    "succeeded_before": Stage.SUCCEEDED,
    "failed_before": Stage.FAILED,
    "launcher_succeeded": Stage.SUCCEEDED,
    "launcher_failed": Stage.FAILED,
    "never_valid": Stage.FAILED,
    "stopping": Stage.STOPPING,
    "clearing": Stage.CLEARING,
    "suspended": Stage.SUSPENDED,
    "out_of_time": Stage.FAILED,
    "unreadable": Stage.HELD,
    "worker_failed": Stage.FAILED,
    "workers_failed": Stage.FAILED,
    "refused": Stage.FAILED,
    "waits_for_workers": Stage.WAITING,
    "everything_runs": Stage.RUNNING,
    "otherwise": Stage.STARTING,
}
OURS = {"never_valid", "out_of_time", "worker_failed", "workers_failed", "refused"}


@pytest.mark.rule("B5.2")
def test_the_ends_that_we_make_need_a_live_look_at_the_launcher() -> None:
    assert {q.__name__: answer for q, answer in stage.QUESTIONS} == STAGES
    for question, answer in stage.QUESTIONS:
        ours = question.__name__ in OURS
        needs = {Live.LAUNCHER} if ours else set[Live]()
        assert stage.Standing(answer, question).needs == needs


def test_a_question_is_a_sentence_and_a_stage_a_word() -> None:
    assert all((q.__doc__ or "").endswith(".") for q, _ in stage.QUESTIONS)
    assert [s.value for s in Stage] == [
        *("NotOurs", "Deleted", "Unseen", "Expired", "Succeeded", "Failed"),
        *("Stopping", "Clearing", "Suspended", "Held", "Waiting", "Starting"),
        "Running",
    ]
