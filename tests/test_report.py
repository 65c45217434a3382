# SPDX-License-Identifier: Apache-2.0
"""The status that is written, from what it was and what is seen.

Conditions are shown as `type: status reason`, in their order.
"""

from typing import Any

import pytest
from attrs import evolve

from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Refusal
from mpijob.status import JobStatus, ReplicaStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    THEIRS,
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
    summary,
    world,
)

BUSY = (a_worker(0), a_launcher(), a_launcher_pod())
CREATED = {"Created": "True MPIJobCreated"}
OLD = {"Created": "True"}
RUNS = {"Running": "True MPIJobRunning"}
NOT_RUNNING = {"Running": "False MPIJobNotRunning"}
IS_SUSPENDED = {"Suspended": "True MPIJobSuspended"}
SUCCEEDED = {"Succeeded": "True MPIJobSucceeded"}


def status(job: MPIJob, *found: Sighting) -> JobStatus:
    return answer(job, *found).status


def message(new: JobStatus, type_: str) -> str:
    condition = new.condition(type_)
    assert condition is not None
    return condition.message


WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}
WAS_SUSPENDED = a_condition("Running", "False", "MPIJobSuspended")
WAITED = a_condition("Running", "False", "MPIJobNotRunning")


@pytest.mark.rule("B4.1", "B4.2")
@cases("old, found, expected", {
    "the first write": (JobStatus(), (), CREATED),
    "all run at once": (JobStatus(), BUSY, CREATED | RUNS),
    "it never ran": (STARTED, BUSY[1:], CREATED),
    "all run": (STARTED, BUSY, CREATED | RUNS),
    "a worker is lost": (RUNNING, BUSY[1:], CREATED | NOT_RUNNING),
    "the launcher is": (RUNNING, BUSY[:2], CREATED | NOT_RUNNING),
    "it runs again": (a_status("Created", WAITED, start_time=at(-60)), BUSY,
        CREATED | RUNS),
    "not yet after a suspension": (a_status("Created", WAS_SUSPENDED,
        start_time=at(-60)), BUSY[1:], CREATED | {"Running": "False MPIJobSuspended"}),
    "again after a suspension": (a_status("Created", WAS_SUSPENDED, start_time=at(-60)),
        BUSY, CREATED | RUNS),
    "resumed": (a_status("Created", "Suspended", WAS_SUSPENDED), (),
        CREATED | {"Suspended": "False MPIJobResumed",
        "Running": "False MPIJobSuspended"}),
    "resumed before": (a_status("Created", a_condition("Suspended", "False",
        "MPIJobResumed")), (), CREATED | {"Suspended": "False MPIJobResumed"}),
})  # fmt: skip
def test_running_follows_the_pods(
    old: JobStatus, found: tuple[Sighting, ...], expected: dict[str, str]
) -> None:
    assert summary(status(a_job(status=old), *found)) == expected


@pytest.mark.rule("B4.1")
@pytest.mark.parametrize(("found", "words"), [
    (BUSY[:2], "the launcher"),
    (BUSY[1:], "every worker"),
    ((), "the launcher and every worker"),
])  # fmt: skip
def test_not_running_says_what_is_missing(
    found: tuple[Sighting, ...], words: str
) -> None:
    new = status(a_job(status=RUNNING), *found)
    assert message(new, "Running") == f"MPIJob hpc/pi waits for {words} to run."


def test_each_condition_says_a_sentence() -> None:
    new = status(a_job(status=STARTED), *BUSY)
    assert message(new, "Created") == "MPIJob hpc/pi is created."
    assert message(new, "Running") == "MPIJob hpc/pi is running."
    new = status(a_job(policy=SUSPEND, status=RUNNING), *BUSY)
    assert message(new, "Suspended") == "MPIJob suspended"
    assert message(new, "Running") == "MPIJob hpc/pi is suspended."
    new = status(a_job(status=STOPPED))
    assert message(new, "Suspended") == "MPIJob resumed"
    new = status(a_job(status=RUNNING), a_launcher("Complete"))
    assert message(new, "Running") == "MPIJob hpc/pi is finished."


# --- Suspension ---------------------------------------------------------------


@pytest.mark.rule("B4.1", "B4.6", "B6.1")
@cases("old, found, expected, started", {
    "from birth": (JobStatus(), (), CREATED | IS_SUSPENDED, False),
    "while it runs": (RUNNING, BUSY, CREATED | {"Running": "False MPIJobSuspended",
        "Suspended": "True MPIJobSuspended"}, True),
    "before it ran": (STARTED, BUSY,
        CREATED | IS_SUSPENDED | {"Running": "False MPIJobSuspended"}, True),
    "a pod is left": (STOPPING, (failed(0),),
        CREATED | IS_SUSPENDED | {"Running": "False MPIJobSuspended"}, True),
    "the launcher Job is left": (STOPPING, (a_launcher(terminating=True),),
        CREATED | IS_SUSPENDED | {"Running": "False MPIJobSuspended"}, True),
    "nothing is left": (STOPPING, (a_thing("Secret"),),
        CREATED | IS_SUSPENDED | {"Running": "False MPIJobSuspended"}, False),
})  # fmt: skip
def test_a_suspension_keeps_start_time_until_nothing_is_left(
    old: JobStatus,
    found: tuple[Sighting, ...],
    expected: dict[str, str],
    *,
    started: bool,
) -> None:
    new = status(a_job(policy=SUSPEND, status=old), *found)
    assert summary(new) == expected
    assert new.start_time == (at(-60) if started else None)


@pytest.mark.rule("B4.6", "B4.9")
@pytest.mark.parametrize("old", [JobStatus(), STOPPED], ids=["first", "resumed"])
def test_a_start_begins_at_nought(old: JobStatus) -> None:
    counted = evolve(
        old,
        launcher=ReplicaStatus(succeeded=1, failed=2),
        worker=ReplicaStatus(succeeded=3, failed=4),
    )
    new = status(a_job(workers=2, status=counted))
    assert new.start_time == at(0)
    for counts, active in ((new.launcher, 1), (new.worker, 2)):
        assert counts is not None
        assert (counts.active, counts.succeeded, counts.failed) == (active, 0, 0)


@pytest.mark.rule("B4.6", "B4.9")
def test_a_job_under_way_keeps_its_start_and_its_counts() -> None:
    counted = evolve(STARTED, worker=ReplicaStatus(failed=4))
    new = status(a_job(status=counted))
    assert new.start_time == at(-60)
    assert new.worker is not None
    assert new.worker.failed == 4


@pytest.mark.rule("B4.5")
@cases("job, found, active", {
    "starting": (a_job(workers=3, status=STARTED), BUSY, 4),
    "waiting for workers": (a_job(workers=3, status=STARTED,
        launcherCreationPolicy="WaitForWorkersReady"), (), 4),
    "unreadable": (a_job(workers=3, status=STARTED, slotsPerWorker=-1), BUSY, 2),
    "suspended": (a_job(workers=3, status=STARTED, policy=SUSPEND), BUSY, 2),
    "ended": (a_job(workers=3, status=STARTED), (a_worker(0), a_launcher("Failed")), 1),
    "never started": (a_job(workers=3, policy=SUSPEND), (), 0),
})  # fmt: skip
def test_active_has_what_is_meant_only_while_something_is(
    job: MPIJob, found: tuple[Sighting, ...], active: int
) -> None:
    assert status(job, *found).active == active


# --- Blocked ------------------------------------------------------------------

THEIRS_TOO = a_thing("Service", owner=THEIRS)
NO_POD = Refusal(Child.WORKER, "pi-worker-0", "Forbidden", "not you")
BLOCKED = a_condition("Blocked", reason="Forbidden")


@pytest.mark.rule("B4.1", "B1.7", "B8.1")
@cases("job, found, expected", {
    "never blocked": (a_job(), (), None),
    "foreign": (a_job(), (THEIRS_TOO,), "True ErrResourceExists"),
    "refused": (a_job(), (NO_POD,), "True Forbidden"),
    "both": (a_job(), (NO_POD, THEIRS_TOO), "True ErrResourceExists"),
    "edit": (a_job(status=STARTED, slotsPerWorker=-1), (), "True InvalidSpec"),
    "edit while suspended": (a_job(status=STOPPING, slotsPerWorker=-1, policy=SUSPEND),
        (), "True InvalidSpec"),
    "gone": (a_job(status=a_status("Created", BLOCKED)), (), "False Unblocked"),
    "the job ended": (a_job(status=a_status("Created", BLOCKED)), (a_launcher("Failed"),
        THEIRS_TOO), "False Unblocked"),
    "gone before": (a_job(status=a_status(a_condition("Blocked", "False",
        "Unblocked"))), (), "False Unblocked"),
})  # fmt: skip
def test_blocked_is_true_while_something_is_in_the_way(
    job: MPIJob, found: tuple[Sighting, ...], expected: str | None
) -> None:
    assert summary(status(job, *found)).get("Blocked") == expected


def test_blocked_tells_all_that_is_in_the_way() -> None:
    assert message(status(a_job(), NO_POD, THEIRS_TOO), "Blocked") == (
        "exists already and is not this MPIJob's: Service pi;"
        " worker Pod pi-worker-0: not you"
    )
    gone = status(a_job(status=a_status("Created", BLOCKED)))
    assert message(gone, "Blocked") == "Nothing is in the way."


# --- Whether there is news ----------------------------------------------------


@pytest.mark.rule("B1.2")
@pytest.mark.parametrize(
    ("generation", "recorded", "declared", "expected"),
    [(3, None, True, 3), (3, 2, True, 3), (3, 5, True, 5), (3, 2, False, 2)],
)
def test_the_generation_is_recorded_where_the_crd_has_it(
    generation: int, recorded: int | None, *, declared: bool, expected: int
) -> None:
    old = evolve(STARTED, observed_generation=recorded)
    job = a_job(status=old, metadata={"generation": generation})
    new = answer(job, world=world(observed_generation=declared)).status
    assert new.observed_generation == expected


@pytest.mark.rule("B4.4", "B5.8")
@cases("job, found", {
    "starting": (a_job(), ()),
    "running": (a_job(), BUSY),
    "succeeded": (a_job(), (a_worker(0), a_launcher("Complete"))),
    "failed": (a_job(), (a_launcher("Failed"),)),
    "suspended": (a_job(policy=SUSPEND), ()),
    "stopping": (a_job(policy=SUSPEND, status=RUNNING), BUSY),
    "blocked": (a_job(), (THEIRS_TOO, NO_POD)),
    "invalid": (a_job(slotsPerWorker=-1), ()),
    "held": (a_job(status=RUNNING, slotsPerWorker=-1), BUSY),
})  # fmt: skip
def test_a_second_look_at_the_same_has_no_news(
    job: MPIJob, found: tuple[Sighting, ...]
) -> None:
    told = evolve(job, status=status(job, *found))
    again = answer(told, *found)
    assert again.status == told.status
    assert again.events == ()


@pytest.mark.rule("B5.8")
@pytest.mark.parametrize("job", [
    a_job(policy={"managedBy": "x"}, status=RUNNING),
    a_job(metadata={"deletionTimestamp": "x"}, status=RUNNING),
], ids=["managed elsewhere", "being deleted"])  # fmt: skip
def test_the_status_of_a_job_that_is_left_alone_is_left_alone(job: MPIJob) -> None:
    assert status(job, a_launcher("Complete")) is job.status
