# SPDX-License-Identifier: Apache-2.0
"""Where two questions about a job are both answered yes, and which one decides.

The order of the questions is the design: memory, results, suspension, our own ends.
"""

from datetime import timedelta

import pytest
from attrs import evolve

from mpijob.case import case_of
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import LauncherJob, Observed, Refusal
from mpijob.stage import standing_of
from mpijob.status import Condition, ReplicaStatus
from mpijob.world import World
from tests.builders import (
    NOON,
    STARTED,
    STOPPING,
    SUSPEND,
    Sighting,
    a_condition,
    a_job,
    a_launcher,
    a_status,
    at,
    cases,
    failed,
    the_case,
    world,
)
from tests.test_stage import (
    BUSY,
    EXIT_CODE,
    FINISHED,
    INVALID,
    LOST,
    REFUSAL,
    REFUSED,
    WAIT,
    deadline,
    lost,
    named,
    ttl,
)

# Both are answered yes; the first decides.
# fmt: off
ORDER: dict[str, tuple[MPIJob, tuple[Sighting, ...], str]] = {
    "another's, and deleted": (a_job(policy={"managedBy": "x"},
        metadata={"deletionTimestamp": "x"}), (), "managed_elsewhere"),
    "deleted, and expired": (evolve(ttl(0, FINISHED), terminating=True), (),
        "being_deleted"),
    "succeeded before, and its Job failed": (a_job(status=FINISHED),
        (a_launcher("Failed"),), "succeeded_before"),
    "failed before, and its Job succeeded": (a_job(status=LOST),
        (a_launcher("Complete"),), "failed_before"),
    "finished, and to be suspended": (a_job(policy=SUSPEND, status=FINISHED), BUSY,
        "succeeded_before"),
    "failed, and to be suspended": (a_job(policy=SUSPEND, status=LOST), BUSY,
        "failed_before"),
    "succeeded, and failed": (a_job(), (a_launcher("Complete", "Failed"),),
        "launcher_succeeded"),
    "succeeded, and invalid": (a_job(**INVALID), (a_launcher("Complete"),),
        "launcher_succeeded"),
    "failed, and to be suspended too late": (a_job(policy=SUSPEND, status=STARTED),
        (a_launcher("Failed"),), "launcher_failed"),
    "succeeded, and suspended": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher("Complete", "Suspended"),), "launcher_succeeded"),
    "never valid, and suspended": (a_job(policy=SUSPEND, **INVALID), (), "never_valid"),
    "suspended, and out of time": (evolve(deadline(0, STOPPING)), (), "suspended"),
    "stopping, and out of time": (deadline(0, STOPPING), (a_launcher(),), "stopping"),
    "suspended, and invalid since": (a_job(policy=SUSPEND, status=STOPPING, **INVALID),
        (), "suspended"),
    "out of time, and invalid since": (deadline(60, **INVALID), (), "out_of_time"),
    "invalid, and a worker's own error": (
        a_job(status=STARTED, **INVALID, **EXIT_CODE), (failed(0, 3, failure=1),),
        "unreadable"),
    "invalid, and too many failures": (lost(7, **INVALID), (), "unreadable"),
    "a worker's error, and too many": (lost(7, **EXIT_CODE), (failed(0, 3, failure=7),),
        "worker_failed"),
    "too many failures, and refused": (a_job(status=evolve(REFUSED,
        worker=ReplicaStatus(failed=7))), (REFUSAL,), "workers_failed"),
    "refused, and waiting": (a_job(status=REFUSED, **WAIT), (REFUSAL,), "refused"),
    "all run, and no wait": (a_job(**WAIT), BUSY, "everything_runs"),
}
# fmt: on


@pytest.mark.rule("B4.3", "B1.7", "B5.2", "B6.1")
@pytest.mark.parametrize(("job", "found", "expected"), ORDER.values(), ids=ORDER)
def test_the_first_of_two_questions_decides(
    job: MPIJob, found: tuple[Sighting, ...], expected: str
) -> None:
    assert named(job, *found) == expected


def test_nothing_is_decided_before_every_kind_was_listed() -> None:
    def unseen(job: MPIJob) -> str:
        observed = Observed(unknown=frozenset((Child.SERVICE,)))
        return standing_of(case_of(job, observed, World(NOON))).question.__name__

    assert unseen(ttl(0, FINISHED)) == "not_seen_yet"
    assert unseen(evolve(a_job(), terminating=True)) == "being_deleted"


@pytest.mark.rule("B6.1")
@pytest.mark.parametrize(("launcher", "expected"), [
    (a_launcher("SuccessCriteriaMet"), "launcher_succeeded"),
    (a_launcher("SuccessCriteriaMet", "Suspended"), "launcher_succeeded"),
    (a_launcher("SuccessCriteriaMet", terminating=True), "launcher_succeeded"),
    (a_launcher("Complete", terminating=True), "launcher_succeeded"),
    (a_launcher("FailureTarget"), "launcher_failed"),
    (a_launcher("Failed", "Suspended"), "launcher_failed"),
    (a_launcher("FailureTarget", terminating=True), "clearing"),
    (a_launcher("Failed", terminating=True), "clearing"),
])  # fmt: skip
def test_a_suspension_loses_no_result(launcher: LauncherJob, expected: str) -> None:
    for job in (a_job(policy=SUSPEND, status=STOPPING), a_job(status=STOPPING)):
        assert named(job, launcher) == expected


@pytest.mark.rule("B1.7")
@cases("start, since, reason, status, expected", {
    "since its start": (-600, -700, "Invalid", "True", True),
    "since it is blocked": (-700, -600, "Invalid", "True", True),
    "not so long started": (-599, -700, "Invalid", "True", False),
    "not so long blocked": (-700, -599, "Invalid", "True", False),
    "blocked at no time": (-700, None, "Invalid", "True", True),
    "not started": (None, -700, "Invalid", "True", False),
    "another reason": (-700, -700, "Forbidden", "True", False),
    "no quota": (-700, -700, "QuotaExceeded", "True", False),
    "blocked no more": (-700, -700, "Invalid", "False", False),
})  # fmt: skip
def test_a_job_whose_pods_are_invalid_fails_in_the_end(
    start: int | None, since: int | None, reason: str, status: str, *, expected: bool
) -> None:
    moved = None if since is None else at(since)
    blocked = Condition("Blocked", status, reason, "", at(-999), moved)
    started = None if start is None else at(start)
    job = a_job(status=a_status(blocked, start_time=started))
    assert (named(job, REFUSAL) == "refused") is expected
    other = Refusal(Child.WORKER, "pi-worker-0", "Forbidden", "no")
    assert named(job, other) == "otherwise"
    both = named(job, other, REFUSAL)
    assert (both == "refused") is expected


@pytest.mark.rule("B1.7")
@pytest.mark.parametrize(("running", "reason", "expected"), [
    ("False", "MPIJobSuspended", "refused"),
    ("False", "MPIJobNotRunning", "otherwise"),
    ("True", "MPIJobRunning", "otherwise"),
    ("True", "Working", "otherwise"),
])  # fmt: skip
def test_a_job_that_ran_is_not_ended_by_refusals(
    running: str, reason: str, expected: str
) -> None:
    ran = a_condition("Running", running, reason)
    status = evolve(REFUSED, conditions=(*REFUSED.conditions, ran))
    assert named(a_job(status=status), REFUSAL) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(1, "refused"), (2, "otherwise")])
def test_how_long_pods_may_be_refused_is_a_setting(minutes: int, expected: str) -> None:
    status = a_status(a_condition("Blocked", reason="Invalid"), start_time=at(-60))
    settings = world(refused_timeout=timedelta(minutes=minutes))
    case = the_case(a_job(status=status), REFUSAL, world=settings)
    assert standing_of(case).question.__name__ == expected
