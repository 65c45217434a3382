# SPDX-License-Identifier: Apache-2.0
"""`active` is what may hold a node; the other counts are what is remembered."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.counts import launcher_counts, worker_counts
from mpijob.job import MPIJob
from mpijob.observed import LauncherJob, Pod
from mpijob.status import ReplicaStatus
from tests.builders import (
    STARTED,
    THEIRS,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_worker,
    at,
    cases,
    failed,
    the_case,
)

SELECTOR = (
    "training.kubeflow.org/operator-name=mpi-operator,"
    "training.kubeflow.org/job-name=pi,training.kubeflow.org/job-role="
)
REMEMBERED = evolve(
    STARTED,
    launcher=ReplicaStatus(1, succeeded=2, failed=3),
    worker=ReplicaStatus(4, succeeded=5, failed=6),
)


def workers(job: MPIJob, *found: Sighting, wanted: bool, fresh: bool) -> ReplicaStatus:
    return worker_counts(the_case(job, *found), wanted=wanted, fresh=fresh)


def launchers(
    job: MPIJob, *found: Sighting, wanted: bool, fresh: bool
) -> ReplicaStatus:
    return launcher_counts(the_case(job, *found), wanted=wanted, fresh=fresh)


GOING: dict[str, Any] = {"terminating": True}


@pytest.mark.rule("B4.5")
@cases("pods, may_hold, wanted", {
    "nothing made": ([], 0, 4),
    "one pending": ([a_worker(0, "Pending")], 1, 4),
    "two run": ([a_worker(0), a_worker(2)], 2, 4),
    "one unknown": ([a_worker(0, "Unknown")], 1, 4),
    "one in a phase of no name": ([a_worker(0, "")], 1, 4),
    "one on its way out": ([a_worker(0, **GOING)], 1, 4),
    "one ended well": ([a_worker(0, "Succeeded")], 0, 3),
    "one failed, and is made again": ([failed(0)], 0, 4),
    "one failed and goes": ([failed(0, **GOING)], 0, 4),
    "one too many": ([a_worker(5)], 1, 5),
    "one too many failed": ([failed(5)], 0, 4),
    "one too many ended well": ([a_worker(5, "Succeeded")], 0, 4),
    "a stray": ([a_worker(0)._replace(name="stray")], 1, 5),
    "somebody else's": ([a_worker(0, owner=THEIRS)], 0, 4),
    "the launcher's": ([a_launcher_pod()], 0, 4),
})  # fmt: skip
def test_workers_count_before_they_are_made_and_until_they_ended(
    pods: list[Pod], may_hold: int, wanted: int
) -> None:
    job = a_job(workers=4)
    assert workers(job, *pods, wanted=False, fresh=False).active == may_hold
    assert workers(job, *pods, wanted=True, fresh=False).active == wanted


FORMER = a_launcher_pod(name="pi-launcher-former")


@pytest.mark.rule("B4.5")
@cases("found, may_hold, wanted", {
    "nothing made": ([], 0, 1),
    "the Job alone": ([a_launcher()], 1, 1),
    "a suspended Job": ([a_launcher("Suspended")], 1, 1),
    "a Job on its way out": ([a_launcher(**GOING)], 1, 1),
    "a Job that ended well": ([a_launcher("Complete")], 0, 1),
    "a Job that failed": ([a_launcher("Failed")], 0, 1),
    "a Job that is about to end": ([a_launcher("SuccessCriteriaMet")], 1, 1),
    "a pod without its Job": ([a_launcher_pod()], 1, 1),
    "a retry": ([a_launcher(), a_launcher_pod("Failed")], 1, 1),
    "pod outlives": ([a_launcher("Complete"), a_launcher_pod("Running")], 1, 1),
    "two pods": ([a_launcher(), a_launcher_pod(), FORMER], 2, 2),
    "somebody else's Job": ([a_launcher(owner=THEIRS)], 0, 1),
})  # fmt: skip
def test_the_launcher_counts_while_its_job_may_run(
    found: list[Sighting], may_hold: int, wanted: int
) -> None:
    job = a_job()
    assert launchers(job, *found, wanted=False, fresh=False).active == may_hold
    assert launchers(job, *found, wanted=True, fresh=False).active == wanted


@pytest.mark.rule("B4.9")
@cases("pods, fresh, succeeded, failures", {
    "recorded": ([], False, 5, 6),
    "a new start": ([], True, 0, 0),
    "a larger number": ([failed(0, failure=9)], False, 5, 9),
    "a smaller number": ([failed(0, failure=2)], False, 5, 6),
    "an earlier start's": ([failed(0, failure=9)], True, 0, 0),
    "an earlier start's pod": ([failed(0, failure=9, **GOING)], False, 5, 6),
    "more ended": ([a_worker(i, "Succeeded") for i in range(7)], False, 7, 6),
    "none that is unknown": ([a_worker(i, "Unknown") for i in range(7)], False, 5, 6),
    "fewer are left": ([a_worker(0, "Succeeded")], False, 5, 6),
    "one ended at once": ([a_worker(0, "Succeeded")], True, 1, 0),
})  # fmt: skip
def test_workers_failures_and_successes_are_the_largest_seen(
    pods: list[Pod], *, fresh: bool, succeeded: int, failures: int
) -> None:
    counts = workers(a_job(status=REMEMBERED), *pods, wanted=False, fresh=fresh)
    assert (counts.succeeded, counts.failed) == (succeeded, failures)


@pytest.mark.rule("B4.9")
@cases("job, fresh, succeeded, failures", {
    "recorded": (None, False, 2, 3),
    "a new start": (None, True, 0, 0),
    "a new Job": (a_launcher(), False, 0, 0),
    "seen": (a_launcher(succeeded=1, failed=7), False, 1, 7),
})  # fmt: skip
def test_the_launchers_counts_are_its_jobs(
    job: LauncherJob | None, *, fresh: bool, succeeded: int, failures: int
) -> None:
    found = [job] if job else []
    counts = launchers(a_job(status=REMEMBERED), *found, wanted=False, fresh=fresh)
    assert (counts.succeeded, counts.failed) == (succeeded, failures)


@pytest.mark.rule("B1.2")
def test_the_selector_is_written_for_scale() -> None:
    assert workers(a_job(), wanted=False, fresh=False).selector == f"{SELECTOR}worker"
    launcher = launchers(a_job(), wanted=False, fresh=False)
    assert launcher == ReplicaStatus(0, 0, 0, f"{SELECTOR}launcher")


@pytest.mark.rule("B4.5")
def test_a_job_without_workers_wants_none() -> None:
    counts = workers(a_job(workers=None), a_worker(0), wanted=True, fresh=False)
    assert (counts.active, counts.succeeded, counts.failed) == (1, 0, 0)
    assert workers(a_job(workers=None), wanted=True, fresh=True).active == 0
    aged = a_launcher_pod(created=at(-9))
    assert launchers(a_job(workers=None), aged, wanted=True, fresh=True).active == 1
