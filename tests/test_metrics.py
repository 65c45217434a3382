# SPDX-License-Identifier: Apache-2.0
"""What Prometheus reads: mpi-operator's names, and ours beside them.

The jobs are the core's own: each is looked at, and what the core wants written is
answered.
"""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families

import mpijob
from mpijob.names import Child
from mpijob.status import JobStatus
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.kinds import CHILDREN, JOBS
from mpijob_operator.controller.metrics import Metrics
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Key, Store
from mpijob_operator.executor import Answer, start
from tests.builders import (
    RUNNING,
    STARTED,
    WORLD,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_manifest,
    a_thing,
    a_worker,
    cases,
    seen,
)

PI = Key("hpc", "pi")
THINGS = a_thing("Service"), a_thing("ConfigMap"), a_thing("Secret")
UP = (a_worker(), a_launcher(), a_launcher_pod(), *THINGS)
SUCCEEDED = (a_worker(), a_launcher("Complete"), a_launcher_pod("Succeeded"), *THINGS)
FAILED = (a_worker(), a_launcher("Failed"), a_launcher_pod("Failed"), *THINGS)

TOTALS = (
    "mpi_operator_jobs_created_total",
    "mpi_operator_jobs_successful_total",
    "mpi_operator_jobs_failed_total",
)


def looked(
    metrics: Metrics, job: mpijob.MPIJob, *found: Sighting, code: int = 200
) -> JobStatus:
    """Have one look witnessed, its status written or not; return that status."""
    key, observed = Key(job.namespace, job.name), seen(*found)
    answer = mpijob.reconcile(job, observed, WORLD)
    plan = mpijob.plan(job, observed, answer)
    came = {"metadata": {"resourceVersion": "9"}} if code < 300 else {}
    said = ((action, Answer(code, came)) for action in itertools.chain(*plan))
    look = Look(
        key=key,
        job=job,
        seen=observed,
        sights=(),
        manifest=None,
        world=WORLD,
        answer=answer,
        plan=plan,
        execution=start(job, plan),
        answers=tuple(said),
    )
    if plan:
        metrics.acted(look)
    result = "quiet" if not plan else "done" if code == 200 else "uncertain"
    metrics.looked(key, answer, result, 0.25)
    return answer.status


def samples(metrics: Metrics) -> Iterator[tuple[str, float]]:
    """Yield each series as Prometheus writes it, and its value."""
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            yield sample.name + (f"{{{labels}}}" if labels else ""), sample.value


def value(metrics: Metrics, series: str) -> float | None:
    return dict(samples(metrics)).get(series)


def totals(metrics: Metrics) -> tuple[float, ...]:
    """Return how many were created, have succeeded, have failed."""
    found = dict(samples(metrics))
    return tuple(found[name] for name in TOTALS)


# --- mpi-operator's -----------------------------------------------------------


def test_the_names_of_mpi_operator_are_there_from_the_start() -> None:
    found = dict(samples(Metrics()))
    for name in (*TOTALS, "mpi_operator_is_leader"):
        assert found[name] == 0


def test_who_leads_says_so() -> None:
    metrics = Metrics()
    metrics.leads(leads=True)
    assert value(metrics, "mpi_operator_is_leader") == 1
    metrics.leads(leads=False)
    assert value(metrics, "mpi_operator_is_leader") == 0


@cases(
    "status, found, expected",
    {
        "a new job": (JobStatus(), (), (1, 0, 0)),
        "one that was known": (STARTED, (), (0, 0, 0)),
        "one that succeeds": (RUNNING, SUCCEEDED, (0, 1, 0)),
        "one that fails": (RUNNING, FAILED, (0, 0, 1)),
        "one that ends at the first look": (JobStatus(), SUCCEEDED, (1, 1, 0)),
    },
)
def test_a_transition_is_counted(
    status: JobStatus, found: tuple[Sighting, ...], expected: tuple[int, ...]
) -> None:
    metrics = Metrics()
    after = looked(metrics, a_job(status=status), *found)
    assert totals(metrics) == expected
    looked(metrics, a_job(status=after), *found)
    assert totals(metrics) == expected


def test_an_end_is_counted_once_however_often_it_is_seen() -> None:
    metrics, job = Metrics(), a_job(status=RUNNING)
    for _ in range(3):
        job = evolve(job, status=looked(metrics, job, *SUCCEEDED))
    assert totals(metrics) == (0, 1, 0)


@pytest.mark.parametrize("code", [409, 403, 500, 0])
def test_what_was_not_written_is_not_counted(code: int) -> None:
    metrics = Metrics()
    looked(metrics, a_job(status=RUNNING), *SUCCEEDED, code=code)
    assert totals(metrics) == (0, 0, 0)


@pytest.mark.parametrize("code", [500, 0])
def test_what_was_written_though_the_answer_was_lost_is_counted(code: int) -> None:
    metrics, job = Metrics(), a_job(status=RUNNING)
    after = looked(metrics, job, *SUCCEEDED, code=code)
    # It was written, as the next look shows, which has something else to do.
    job = evolve(job, status=after)
    looked(metrics, job, a_worker(), *SUCCEEDED[1:4])
    looked(metrics, job, *SUCCEEDED)
    assert totals(metrics) == (0, 1, 0)


def test_what_was_not_written_is_counted_when_it_is() -> None:
    metrics, job = Metrics(), a_job(status=RUNNING)
    looked(metrics, job, *SUCCEEDED, code=0)
    looked(metrics, job, *SUCCEEDED)
    assert totals(metrics) == (0, 1, 0)


def test_a_quiet_look_shows_what_was_written() -> None:
    metrics, job = Metrics(), a_job(status=RUNNING)
    quiet = evolve(job, status=looked(metrics, job, *SUCCEEDED, code=0))
    looked(metrics, quiet, *SUCCEEDED)
    assert value(metrics, "mpi_operator_reconciles_total{result=quiet}") == 1
    assert totals(metrics) == (0, 1, 0)


def test_a_job_that_is_gone_is_no_more_doubted() -> None:
    metrics, job = Metrics(), a_job(status=RUNNING)
    after = looked(metrics, job, *SUCCEEDED, code=0)
    metrics.left(PI)
    looked(metrics, evolve(job, status=after), *SUCCEEDED)
    assert totals(metrics) == (0, 0, 0)


def test_a_launcher_can_be_joined_with_until_its_job_is_gone() -> None:
    series = "mpi_operator_job_info{launcher=pi-launcher,namespace=hpc}"
    metrics = Metrics()
    looked(metrics, a_job(status=RUNNING), *UP)
    assert value(metrics, series) == 1
    metrics.left(PI)
    assert value(metrics, series) is None
    metrics.left(PI)


def test_a_job_without_a_launcher_has_no_such_series() -> None:
    metrics = Metrics()
    job = a_job(status=STARTED, launcherCreationPolicy="WaitForWorkersReady")
    looked(metrics, job, a_worker(phase="Pending"), *THINGS)
    assert not any("job_info{" in name for name, _ in samples(metrics))


# --- Ours ---------------------------------------------------------------------


def test_jobs_are_counted_by_stage_and_an_empty_stage_says_so() -> None:
    metrics = Metrics()
    looked(metrics, a_job("a", status=STARTED))
    looked(metrics, a_job("b", status=STARTED))
    assert value(metrics, "mpi_operator_jobs{stage=Starting}") == 2
    metrics.left(Key("hpc", "a"))
    metrics.left(Key("hpc", "b"))
    assert value(metrics, "mpi_operator_jobs{stage=Starting}") == 0


def test_the_way_from_creation_to_running_is_timed_once() -> None:
    metrics = Metrics()
    created = datetime.now(UTC) - timedelta(seconds=45)
    job = evolve(a_job(status=STARTED), created=created)
    after = looked(metrics, job, *UP)
    looked(metrics, evolve(job, status=after), *UP)
    assert value(metrics, "mpi_operator_job_start_seconds_count") == 1
    assert value(metrics, "mpi_operator_job_start_seconds_bucket{le=30.0}") == 0
    assert value(metrics, "mpi_operator_job_start_seconds_bucket{le=60.0}") == 1


def test_looks_are_counted_and_timed() -> None:
    metrics = Metrics()
    looked(metrics, a_job())
    metrics.took(0.2)
    assert value(metrics, "mpi_operator_reconciles_total{result=done}") == 1
    assert value(metrics, "mpi_operator_reconcile_duration_seconds_sum") == 0.25
    assert value(metrics, "mpi_operator_queue_wait_seconds_sum") == 0.2


def test_requests_are_counted_by_verb_kind_and_code() -> None:
    metrics = Metrics()
    metrics.asked("create", "Pod", 201, 0.02)
    metrics.asked("read", "pods", 200, 0.02)
    metrics.asked("watch", "jobs", 0, 0.02)
    found = dict(samples(metrics))
    name = "mpi_operator_api_requests_total"
    assert found[f"{name}{{code=201,kind=Pod,verb=create}}"] == 1
    assert found[f"{name}{{code=200,kind=Pod,verb=read}}"] == 1
    assert found[f"{name}{{code=none,kind=Job,verb=watch}}"] == 1
    assert found["mpi_operator_api_request_duration_seconds_count{verb=create}"] == 1


def the_caches() -> Caches:
    caches = Caches(Store(), Queue())
    for kind in (JOBS, CHILDREN[0]):
        for namespace in ("a", "b"):
            nobody = cast("Any", None)  # Nothing is asked.
            caches.reflectors.append(Reflector(nobody, kind, namespace, caches))
    return caches


def test_the_queue_and_the_lists_are_read_when_asked_for() -> None:
    async def story() -> None:
        metrics, caches = Metrics(), the_caches()
        metrics.watch(caches)
        assert value(metrics, "mpi_operator_queue_depth") == 0
        caches.queue.add(PI)
        caches.reflectors[2].relists = 3
        caches.reflectors[3].relists = 1
        assert value(metrics, "mpi_operator_queue_depth") == 1
        assert value(metrics, "mpi_operator_lists_total{kind=Pod}") == 4
        assert value(metrics, "mpi_operator_lists_total{kind=MPIJob}") == 0

    asyncio.run(story())


def test_a_job_that_went_in_the_middle_of_its_look_leaves_nothing() -> None:
    metrics, caches = Metrics(), the_caches()
    metrics.watch(caches)
    looked(metrics, a_job(status=RUNNING), *UP)
    assert not any(
        name.startswith("mpi_operator_job") and "hpc" in name
        for name, _ in samples(metrics)
    )
    caches.store.put_job(a_manifest())
    looked(metrics, a_job(status=RUNNING), *UP)
    assert value(metrics, "mpi_operator_jobs{stage=Running}") == 1


def test_the_process_tells_of_itself() -> None:
    assert (value(Metrics(), "process_resident_memory_bytes") or 0) > 0


def test_series_grow_with_jobs_in_one_metric_alone() -> None:
    def names(count: int) -> set[str]:
        metrics = Metrics()
        for number in range(count):
            looked(metrics, a_job(f"job-{number}", status=RUNNING), *UP)
        return {name for name, _ in samples(metrics)}

    new = names(20) - names(1)
    assert len(new) == 19
    assert all(name.startswith("mpi_operator_job_info{") for name in new)


def test_no_series_tells_when_another_began() -> None:
    assert not any(name.endswith("_created") for name, _ in samples(Metrics()))


@pytest.mark.rule("B4.1")
def test_jobs_that_are_blocked_are_counted_by_reason() -> None:
    metrics = Metrics()
    refusal = mpijob.Refusal(Child.WORKER, "pi-worker-0", "QuotaExceeded", "no")
    job = a_job(workers=2)
    answer = mpijob.reconcile(job, mpijob.Observed(refusals=(refusal,)), WORLD)
    metrics.looked(PI, answer, "back_off", 0.1)
    series = "mpi_operator_jobs_blocked{reason=QuotaExceeded}"
    assert value(metrics, series) == 1
    looked(metrics, job)
    assert value(metrics, series) == 0
