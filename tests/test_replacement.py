# SPDX-License-Identifier: Apache-2.0
"""Workers that Failed: numbered, then counted, then replaced, and each only once."""

from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from mpijob.job import MPIJob
from mpijob.observed import Ended, Pod
from mpijob.replacement import failure_count, fatal, numbers, replaceable
from mpijob.status import ReplicaStatus
from tests.builders import STARTED, a_job, a_worker, at, cases, failed, the_case

EXIT_CODE: dict[str, Any] = {"worker": {"restartPolicy": "ExitCode"}}
EVICTED = failed(0, reason="Evicted")


def counted(count: int, workers: int = 4, **parts: Any) -> MPIJob:  # noqa: ANN401 - a_job's.
    status = evolve(STARTED, worker=ReplicaStatus(failed=count))
    return a_job(workers=workers, status=status, **parts)


def quick(index: int = 0, end: float = -1, reason: str = "") -> Pod:
    ended = Ended("mpi", main=True, started_at=at(end), finished_at=at(end))
    return failed(index, ended=(ended,), failure=1, reason=reason)


@pytest.mark.rule("B4.9", "B5.3")
@cases("job, pods, expected", {
    "nobody failed": (a_job(workers=4), [a_worker(0)], {}),
    "the first": (a_job(workers=4), [failed(2)], {2: 1}),
    "after those recorded": (counted(3), [failed(2)], {2: 4}),
    "after those seen": (counted(1), [failed(0, failure=3), failed(2)], {2: 4}),
    "but for those that go": (counted(1), [failed(0, failure=3, terminating=True),
        failed(2)], {2: 2}),
    "by index": (a_job(workers=4), [failed(2), failed(0)], {0: 1, 2: 2}),
    "numbered before": (counted(3), [failed(0, failure=3)], {}),
    "evicted": (a_job(workers=4), [EVICTED], {}),
    "it was told to go": (a_job(workers=4), [failed(0, terminating=True)], {}),
    "not asked for any more": (a_job(workers=4), [failed(4)], {}),
    "as many as end the job": (a_job(workers=4, policy={"backoffLimit": 1}), [failed(0),
        failed(1), failed(2), failed(3)], {0: 1, 1: 2}),
    "ended by now": (counted(2, policy={"backoffLimit": 1}), [failed(0)], {}),
})  # fmt: skip
def test_a_failure_gets_the_next_number(
    job: MPIJob, pods: list[Pod], expected: dict[int, int]
) -> None:
    named = {f"pi-worker-{index}": number for index, number in expected.items()}
    found = numbers(the_case(job, *pods))
    assert {pod.name: number for pod, number in found} == named


@pytest.mark.rule("B4.9")
@cases("job, pods, expected", {
    "nothing": (a_job(), [], 0),
    "recorded": (counted(2), [], 2),
    "seen": (counted(2), [failed(0, failure=5)], 5),
    "the larger": (counted(7), [failed(0, failure=5)], 7),
    "no number yet": (counted(2), [failed(0)], 2),
    "on its way out": (counted(2), [failed(0, failure=5, terminating=True)], 2),
})  # fmt: skip
def test_the_count_is_the_largest_number(
    job: MPIJob, pods: list[Pod], expected: int
) -> None:
    assert failure_count(the_case(job, *pods)) == expected


@pytest.mark.rule("B2.6")
@cases("pod, is_fatal", {
    "1": (failed(0, 1, failure=1), True),
    "127": (failed(0, 127, failure=1), True),
    "128": (failed(0, 128, failure=1), False),
    "255": (failed(0, 255, failure=1), False),
    "0": (failed(0, 0, failure=1), False),
    "no number yet": (failed(0, 1), False),
    "evicted": (failed(0, 1, failure=1, reason="Evicted"), False),
    "told to go": (failed(0, 1, failure=1, terminating=True), False),
    "no exit code": (failed(0, failure=1, ended=()), False),
})  # fmt: skip
def test_an_error_of_the_programs_own_is_fatal(pod: Pod, *, is_fatal: bool) -> None:
    assert fatal(the_case(a_job(**EXIT_CODE), pod)) == (pod if is_fatal else None)


@pytest.mark.rule("B2.6")
def test_only_the_policy_exit_code_is_fatal() -> None:
    pod = failed(0, 1, failure=1)
    for policy in ("Never", "OnFailure", "Always"):
        job = a_job(worker={"restartPolicy": policy})
        assert fatal(the_case(job, pod)) is None
    assert fatal(the_case(a_job(workers=None), pod)) is None


@pytest.mark.rule("B2.6")
def test_the_first_fatal_worker_by_index_is_named() -> None:
    pods = [failed(2, 5, failure=1), failed(1, 3, failure=2), failed(0, 137, failure=3)]
    assert fatal(the_case(a_job(workers=3, **EXIT_CODE), *pods)) is pods[1]


@pytest.mark.rule("B5.3")
@cases("pods, now, later", {
    "not counted yet": ([failed(0)], [], None),
    "counted": ([failed(0, failure=1)], [0], None),
    "evicted": ([EVICTED], [0], None),
    "going": ([failed(0, failure=1, terminating=True)], [], None),
    "not asked for": ([failed(9, failure=1)], [], None),
    "ended well": ([a_worker(0, "Succeeded")], [], None),
    "too soon": ([quick(end=-4.9)], [], at(0.1)),
    "just now": ([quick(end=-5)], [0], None),
    "the next one": ([quick(0, -1), quick(1, -3), quick(2, -9)], [2], at(2)),
    "ahead by a little": ([quick(end=30)], [], at(35)),
    "a clock hours ahead": ([quick(end=7_200)], [0], None),
    "evicted at once": ([quick(0, -1, reason="Evicted")], [], at(4)),
})  # fmt: skip
def test_a_failed_worker_is_replaced_in_time(
    pods: list[Pod], now: list[int], later: datetime | None
) -> None:
    found, at_ = replaceable(the_case(a_job(workers=4), *pods))
    assert [pod.name for pod in found] == [f"pi-worker-{index}" for index in now]
    assert at_ == later
