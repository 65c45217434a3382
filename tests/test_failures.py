# SPDX-License-Identifier: Apache-2.0
"""Why a pod Failed: whose fault, in what words, and when the next may come."""

from datetime import datetime
from typing import Any

import pytest

from mpijob.failures import explain, is_disruption, main_exit_code, newest, replace_at
from mpijob.observed import Ended, Pod
from tests.builders import at, cases


def ended(code: int | None = 1, **fields: Any) -> Pod:  # noqa: ANN401 - Ended's.
    container = Ended("mpi", main=True, exit_code=code, **fields)
    return Pod("pi-worker-1", ended=(container,))


@pytest.mark.rule("B5.3")
@pytest.mark.parametrize(("pod", "disrupted"), [
    (Pod("p"), False),
    (Pod("p", disrupted=True), True),
    *((Pod("p", reason=r), True) for r in ("Evicted", "Preempting", "NodeLost")),
    *((Pod("p", reason=r), True) for r in ("NodeShutdown", "Terminated")),
    *((Pod("p", reason=r), False) for r in ("OOMKilled", "Error", "StartError")),
])  # fmt: skip
def test_a_pod_that_was_taken_away_is_not_to_blame(
    pod: Pod, *, disrupted: bool
) -> None:
    assert is_disruption(pod) is disrupted


@pytest.mark.rule("B5.3")
@cases("pod, expected", {
    "nothing known": (Pod("p"), None),
    "no end": (ended(started_at=at(0)), None),
    "no start": (ended(finished_at=at(3)), None),
    "at once": (ended(started_at=at(0), finished_at=at(0)), at(5)),
    "just too quick": (ended(started_at=at(0), finished_at=at(4.9)), at(9.9)),
    "slow": (ended(started_at=at(0), finished_at=at(5)), None),
    "by the pod's start": (Pod("p", start_time=at(0), ended=(Ended("mpi", main=True,
        finished_at=at(2)),)), at(7)),
    "by the container's start first": (Pod("p", start_time=at(0), ended=(Ended("mpi",
        main=True, started_at=at(8), finished_at=at(9)),)), at(14)),
    "another container's times": (Pod("p", ended=(Ended("log", started_at=at(0),
        finished_at=at(1)),)), None),
})  # fmt: skip
def test_a_quick_end_is_followed_by_a_pause(
    pod: Pod, expected: datetime | None
) -> None:
    assert replace_at(pod) == expected


@pytest.mark.rule("B2.6")
def test_the_exit_code_is_that_of_the_main_container() -> None:
    log = Ended("log", exit_code=3)
    assert main_exit_code(Pod("p")) is None
    assert main_exit_code(Pod("p", ended=(log,))) is None
    assert main_exit_code(Pod("p", ended=(log, *ended(7).ended))) == 7


@pytest.mark.rule("B4.1")
def test_the_newest_failed_pod_is_the_one_made_last() -> None:
    old = Pod("c", phase="Failed", created=at(0))
    new = Pod("a", phase="Failed", created=at(9))
    twin = Pod("b", phase="Failed", created=at(9))
    undated, running = (
        Pod("z", phase="Failed"),
        Pod("r", phase="Running", created=at(99)),
    )
    assert newest([]) is None
    assert newest([running]) is None
    assert newest([undated, new, old, running]) is new
    assert newest([undated]) is undated
    assert newest([new, twin]) is newest([twin, new]) is twin


@pytest.mark.rule("B4.8")
@cases("pod, expected", {
    "nothing known": (Pod("p"), "pod p failed"),
    "node": (Pod("p", node="n7"), "pod p on node n7 failed"),
    "reason alone": (Pod("p", reason="Evicted"), "pod p failed: Evicted"),
    "message alone": (Pod("p", message="m"), "pod p failed: m"),
    "exit code": (ended(1),
        "pod pi-worker-1 failed: container mpi ended with exit code 1"),
    "termination message": (ended(2, message="bad input"),
        "pod pi-worker-1 failed: container mpi ended with exit code 2: bad input"),
    "signal by its code": (ended(139, reason="Error"),
        "pod pi-worker-1 failed: container mpi ended with exit code 139, SIGSEGV"),
    "signal by its number": (ended(1, signal=15),
        "pod pi-worker-1 failed: container mpi ended with exit code 1, SIGTERM"),
    "a signal without a name": (ended(190),
        "pod pi-worker-1 failed: container mpi ended with exit code 190, signal 62"),
    "no signal": (ended(128),
        "pod pi-worker-1 failed: container mpi ended with exit code 128"),
    "no exit code": (ended(None),
        "pod pi-worker-1 failed: container mpi ended with no exit code"),
    "start error": (ended(128, reason="StartError", message="no such file"),
        ("pod pi-worker-1 failed: container mpi: StartError (exit code 128):"
        " no such file")),
    "several containers, but for those that ended well": (Pod("p", reason="Error",
        message="m", ended=(Ended("init", exit_code=0, reason="Completed"), Ended("mpi",
        exit_code=137, reason="OOMKilled"), Ended("log", exit_code=1,
        reason="Completed"))),
        ("pod p failed: Error: m; container mpi was OOMKilled (exit code 137,"
        " SIGKILL); container log ended with exit code 1")),
})  # fmt: skip
def test_a_failure_is_told_in_words(pod: Pod, expected: str) -> None:
    assert explain(pod) == expected


@pytest.mark.parametrize(("number", "name"), [
    *((1, "SIGHUP"), (2, "SIGINT"), (4, "SIGILL"), (6, "SIGABRT"), (7, "SIGBUS")),
    *((8, "SIGFPE"), (9, "SIGKILL"), (11, "SIGSEGV"), (13, "SIGPIPE")),
    *((15, "SIGTERM"), (24, "SIGXCPU")),
])  # fmt: skip
def test_signals_have_the_names_of_linux(number: int, name: str) -> None:
    assert explain(ended(128 + number)).endswith(f"exit code {128 + number}, {name}")
