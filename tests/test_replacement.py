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
from tests.builders import STARTED, a_job, a_worker, at, failed, the_case

EXIT_CODE: dict[str, Any] = {"worker": {"restartPolicy": "ExitCode"}}
EVICTED = failed(0, reason="Evicted")


def counted(count: int, workers: int = 4, **parts: Any) -> MPIJob:  # noqa: ANN401 - a_job's.
    status = evolve(STARTED, worker=ReplicaStatus(failed=count))
    return a_job(workers=workers, status=status, **parts)


def quick(index: int = 0, end: float = -1, reason: str = "") -> Pod:
    ended = Ended("mpi", main=True, started_at=at(end), finished_at=at(end))
    return failed(index, ended=(ended,), failure=1, reason=reason)


@pytest.mark.rule("B4.9", "B5.3")
@pytest.mark.parametrize(
    ("job", "pods", "expected"),
    [
        pytest.param(a_job(workers=4), [a_worker(0)], {}, id="nobody failed"),
        pytest.param(a_job(workers=4), [failed(2)], {2: 1}, id="the first"),
        pytest.param(counted(3), [failed(2)], {2: 4}, id="after those recorded"),
        pytest.param(
            counted(1), [failed(0, failure=3), failed(2)], {2: 4}, id="after those seen"
        ),
        pytest.param(
            counted(1),
            [failed(0, failure=3, terminating=True), failed(2)],
            {2: 2},
            id="but for those that go",
        ),
        pytest.param(
            a_job(workers=4), [failed(2), failed(0)], {0: 1, 2: 2}, id="by index"
        ),
        pytest.param(counted(3), [failed(0, failure=3)], {}, id="numbered before"),
        pytest.param(a_job(workers=4), [EVICTED], {}, id="evicted"),
        pytest.param(
            a_job(workers=4), [failed(0, terminating=True)], {}, id="it was told to go"
        ),
        pytest.param(a_job(workers=4), [failed(4)], {}, id="not asked for any more"),
        pytest.param(
            a_job(workers=4, policy={"backoffLimit": 1}),
            [failed(0), failed(1), failed(2), failed(3)],
            {0: 1, 1: 2},
            id="as many as end the job",
        ),
        pytest.param(
            counted(2, policy={"backoffLimit": 1}), [failed(0)], {}, id="ended by now"
        ),
    ],
)
def test_a_failure_gets_the_next_number(
    job: MPIJob, pods: list[Pod], expected: dict[int, int]
) -> None:
    named = {f"pi-worker-{index}": number for index, number in expected.items()}
    found = numbers(the_case(job, *pods))
    assert {pod.name: number for pod, number in found} == named


@pytest.mark.rule("B4.9")
@pytest.mark.parametrize(
    ("job", "pods", "expected"),
    [
        pytest.param(a_job(), [], 0, id="nothing"),
        pytest.param(counted(2), [], 2, id="recorded"),
        pytest.param(counted(2), [failed(0, failure=5)], 5, id="seen"),
        pytest.param(counted(7), [failed(0, failure=5)], 7, id="the larger"),
        pytest.param(counted(2), [failed(0)], 2, id="no number yet"),
        pytest.param(
            counted(2), [failed(0, failure=5, terminating=True)], 2, id="on its way out"
        ),
    ],
)
def test_the_count_is_the_largest_number(
    job: MPIJob, pods: list[Pod], expected: int
) -> None:
    assert failure_count(the_case(job, *pods)) == expected


@pytest.mark.rule("B2.6")
@pytest.mark.parametrize(
    ("pod", "is_fatal"),
    [
        pytest.param(failed(0, 1, failure=1), True, id="1"),
        pytest.param(failed(0, 127, failure=1), True, id="127"),
        pytest.param(failed(0, 128, failure=1), False, id="128"),
        pytest.param(failed(0, 255, failure=1), False, id="255"),
        pytest.param(failed(0, 0, failure=1), False, id="0"),
        pytest.param(failed(0, 1), False, id="no number yet"),
        pytest.param(failed(0, 1, failure=1, reason="Evicted"), False, id="evicted"),
        pytest.param(failed(0, 1, failure=1, terminating=True), False, id="told to go"),
        pytest.param(failed(0, failure=1, ended=()), False, id="no exit code"),
    ],
)
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
@pytest.mark.parametrize(
    ("pods", "now", "later"),
    [
        pytest.param([failed(0)], [], None, id="not counted yet"),
        pytest.param([failed(0, failure=1)], [0], None, id="counted"),
        pytest.param([EVICTED], [0], None, id="evicted"),
        pytest.param([failed(0, failure=1, terminating=True)], [], None, id="going"),
        pytest.param([failed(9, failure=1)], [], None, id="not asked for"),
        pytest.param([a_worker(0, "Succeeded")], [], None, id="ended well"),
        pytest.param([quick(end=-4.9)], [], at(0.1), id="too soon"),
        pytest.param([quick(end=-5)], [0], None, id="just now"),
        pytest.param(
            [quick(0, -1), quick(1, -3), quick(2, -9)], [2], at(2), id="the next one"
        ),
        pytest.param([quick(0, -1, reason="Evicted")], [], at(4), id="evicted at once"),
    ],
)
def test_a_failed_worker_is_replaced_in_time(
    pods: list[Pod], now: list[int], later: datetime | None
) -> None:
    found, at_ = replaceable(the_case(a_job(workers=4), *pods))
    assert [pod.name for pod in found] == [f"pi-worker-{index}" for index in now]
    assert at_ == later
