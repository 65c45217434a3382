# SPDX-License-Identifier: Apache-2.0
"""How a job ended, in words that explain it: which pod, where, how, and its last words.

What is asked for here is the terminal condition and the completionTime with it.
"""

from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Ended, JobCondition, LauncherJob, Pod, Refusal
from mpijob.status import Condition, ReplicaStatus
from tests.builders import (
    STARTED,
    Sighting,
    a_condition,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_status,
    answer,
    at,
    cases,
    failed,
    summary,
)

START = a_job(status=STARTED)


def verdict(job: MPIJob, *found: Sighting) -> tuple[Condition, datetime | None]:
    status = answer(job, *found).status
    (said,) = (c for c in status.conditions if c.type in ("Succeeded", "Failed"))
    return said, status.completion_time


def reason_and_message(job: MPIJob, *found: Sighting) -> tuple[str, str]:
    said, end = verdict(job, *found)
    assert (said.type, said.status, end) == ("Failed", "True", at(0))
    assert said.last_transition_time == said.last_update_time == at(0)
    return said.reason, said.message


@pytest.mark.rule("B4.1", "B4.6")
@cases("job, end, expected", {
    "as the launcher Job says": (START, at(-5), at(-5)),
    "now, where it says nothing": (START, None, at(0)),
    "never before the start": (START, at(-90), at(-60)),
    "it never started, as far as told": (a_job(), at(-90), at(-90)),
    "nothing is known": (a_job(), None, at(0)),
})  # fmt: skip
def test_a_job_succeeds_when_its_launcher_does(
    job: MPIJob, end: datetime | None, expected: datetime
) -> None:
    said, completed = verdict(job, a_launcher("Complete", completion_time=end))
    assert said == Condition(
        "Succeeded",
        "True",
        "MPIJobSucceeded",
        "MPIJob hpc/pi successfully completed.",
        at(0),
        at(0),
    )
    assert completed == expected


def ended(type_: str = "Failed", reason: str = "", message: str = "") -> LauncherJob:
    return a_launcher(conditions={type_: JobCondition(reason, message)})


EXCEEDED = ended(reason="BackoffLimitExceeded", message="too often")
KILLED = a_launcher_pod(
    "Failed", node="n7", ended=(Ended("mpi", exit_code=137, reason="OOMKilled"),)
)
HOW = (
    "pod pi-launcher-abcde on node n7 failed: container mpi was OOMKilled"
    " (exit code 137, SIGKILL)"
)
EVICTED = a_launcher_pod("Failed", reason="Evicted", message="no disk", created=at(-9))
OLDER = a_launcher_pod("Failed", name="pi-launcher-a", reason="Old", created=at(-10))


@pytest.mark.rule("B4.1", "B4.8")
@cases("launcher, pods, reason, message", {
    "the launcher Job's own words": (ended(reason="DeadlineExceeded", message="late"),
        [], "DeadlineExceeded", "late"),
    "no words": (ended(), [], "MPIJobFailed", "MPIJob hpc/pi has failed"),
    "its pod is explained": (ended(reason="PodFailurePolicy", message="code 3"),
        [KILLED], "PodFailurePolicy", f"code 3; {HOW}"),
    "its pod has no reason": (EXCEEDED, [KILLED], "BackoffLimitExceeded",
        f"too often; {HOW}"),
    "the newest pod's reason": (EXCEEDED, [EVICTED, OLDER],
        "BackoffLimitExceeded/Evicted",
        "too often; pod pi-launcher-abcde failed: Evicted: no disk"),
    "no pod failed": (EXCEEDED, [a_launcher_pod("Running", reason="Odd")],
        "BackoffLimitExceeded", "too often"),
    "another reason stands alone": (ended(reason="DeadlineExceeded", message="late"),
        [EVICTED], "DeadlineExceeded",
        "late; pod pi-launcher-abcde failed: Evicted: no disk"),
})  # fmt: skip
def test_a_job_fails_as_its_launcher_did(
    launcher: LauncherJob, pods: list[Pod], reason: str, message: str
) -> None:
    assert reason_and_message(START, launcher, *pods) == (reason, message)


@pytest.mark.rule("B6.1")
def test_a_failure_that_is_certain_before_a_suspension_has_its_words() -> None:
    job = a_job(policy={"suspend": True}, status=STARTED)
    launcher = ended("FailureTarget", reason="Why", message="words")
    assert reason_and_message(job, launcher) == ("Why", "words")


@pytest.mark.rule("B1.7")
def test_an_invalid_job_is_told_every_problem() -> None:
    job = a_job(slotsPerWorker=-1, policy={"backoffLimit": -1})
    assert summary(answer(job).status) == {
        "Created": "True MPIJobCreated",
        "Failed": "True InvalidSpec",
    }
    reason, message = reason_and_message(job)
    assert reason == "InvalidSpec"
    assert message == (
        "spec.slotsPerWorker is -1, and must be 0 or more;"
        " spec.runPolicy.backoffLimit is -1, and must be 0 or more"
    )


@pytest.mark.rule("B5.4")
def test_a_job_that_takes_too_long_is_told_its_limit() -> None:
    job = a_job(policy={"activeDeadlineSeconds": 60}, status=STARTED)
    reason, message = reason_and_message(job)
    assert reason == "DeadlineExceeded"
    assert message == "MPIJob hpc/pi was active longer than 60 s"


@pytest.mark.rule("B2.6", "B4.8")
def test_a_workers_own_error_names_pod_and_code() -> None:
    job = a_job(worker={"restartPolicy": "ExitCode"}, status=STARTED)
    assert reason_and_message(job, failed(0, 3, failure=1, node="n7")) == (
        "WorkerFailed",
        "pod pi-worker-0 on node n7 failed: container mpi ended with exit code 3",
    )


@pytest.mark.rule("B5.3", "B4.8")
@cases("pods, words", {
    "none is left": ([], ""),
    "the newest": ([failed(0, 1, failure=3), failed(1, 9, failure=2, created=at(-9))],
        "; pod pi-worker-1 failed: container mpi ended with exit code 9"),
})  # fmt: skip
def test_too_many_failures_are_told_with_the_last(pods: list[Pod], words: str) -> None:
    status = evolve(STARTED, worker=ReplicaStatus(failed=3))
    job = a_job(workers=2, policy={"backoffLimit": 2}, status=status)
    assert reason_and_message(job, *pods) == (
        "WorkerBackoffLimitExceeded",
        f"3 workers failed, and backoffLimit is 2{words}",
    )


@pytest.mark.rule("B1.7")
def test_refused_pods_end_the_job_in_the_servers_words() -> None:
    blocked = a_condition("Blocked", reason="Invalid", since=-600)
    status = a_status("Created", blocked, start_time=at(-600))
    other = Refusal(Child.LAUNCHER, "pi-launcher", "Forbidden", "not you")
    refusal = Refusal(Child.WORKER, "pi-worker-0", "Invalid", "spec.x: bad")
    assert reason_and_message(a_job(status=status), other, refusal) == (
        "InvalidSpec",
        "the API server refuses the pods; spec.x: bad",
    )


@pytest.mark.rule("B4.1")
def test_a_long_message_is_cut() -> None:
    _, message = reason_and_message(START, ended(reason="R", message="é" * 9999))
    assert message == "é" * 510 + "..."


@pytest.mark.rule("B4.3", "B4.6")
@pytest.mark.parametrize("type_", ["Succeeded", "Failed"])
def test_a_verdict_is_not_given_twice(type_: str) -> None:
    told = a_condition(type_, reason="First", message="words")
    given: dict[str, Any] = {"start_time": at(-60), "completion_time": at(-30)}
    job = a_job(status=a_status("Created", told, **given))
    for launcher in (a_launcher("Complete"), a_launcher("Failed"), a_launcher()):
        assert verdict(job, launcher) == (told, at(-30))
