# SPDX-License-Identifier: Apache-2.0
"""The status of a job that has ended: the verdict, its time, and what it takes back."""

import pytest

from mpijob.status import Condition, JobStatus
from tests.builders import (
    RUNNING,
    STARTED,
    SUSPEND,
    a_condition,
    a_job,
    a_launcher,
    a_status,
    a_worker,
    at,
    cases,
    summary,
)
from tests.test_report import (
    BUSY,
    CREATED,
    NOT_RUNNING,
    SUCCEEDED,
    WAS_SUSPENDED,
    status,
)


@pytest.mark.rule("B4.1", "B4.2", "B4.6")
@cases("old, expected", {
    "it was never seen": (JobStatus(), CREATED | SUCCEEDED | NOT_RUNNING),
    "it never ran": (STARTED, CREATED | SUCCEEDED | NOT_RUNNING),
    "it ran": (RUNNING, CREATED | NOT_RUNNING | SUCCEEDED),
    "it was resumed, and never ran": (a_status("Created", WAS_SUSPENDED,
        start_time=at(-60)),
        CREATED | {"Running": "False MPIJobSuspended"} | SUCCEEDED),
    "it was being suspended": (a_status("Created", "Suspended", start_time=at(-60)),
        CREATED | {"Suspended": "True"} | SUCCEEDED | NOT_RUNNING),
})  # fmt: skip
def test_an_end_takes_running_back(old: JobStatus, expected: dict[str, str]) -> None:
    new = status(a_job(status=old), a_launcher("Complete", completion_time=at(-5)))
    assert summary(new) == expected
    assert new.completion_time == at(-5)


@pytest.mark.rule("B4.2")
@pytest.mark.parametrize(
    ("ran", "expected"), [(-60, at(-5)), (-1, at(-1))], ids=["late news", "old news"]
)
def test_running_ends_when_the_job_did_and_never_before_it_began(
    ran: float, expected: object
) -> None:
    running = a_condition("Running", since=ran)
    old = a_status("Created", running, start_time=at(-60))
    new = status(a_job(status=old), a_launcher("Complete", completion_time=at(-5)))
    condition = new.condition("Running")
    assert condition is not None
    assert (condition.last_update_time, condition.last_transition_time) == (
        expected,
        expected,
    )


@pytest.mark.rule("B4.2")
def test_a_job_that_never_ran_stops_running_when_it_ends() -> None:
    launcher = a_launcher("Complete", completion_time=at(-5))
    new = status(a_job(status=STARTED), launcher)
    condition = new.condition("Running")
    assert condition is not None
    assert condition.last_transition_time == at(-5)


@pytest.mark.rule("B4.3")
@pytest.mark.parametrize("type_", ["Succeeded", "Failed"])
def test_a_verdict_is_final(type_: str) -> None:
    told = a_condition("Created", "True", "MPIJobCreated", "MPIJob hpc/pi is created.")
    stopped = a_condition("Running", "False", "MPIJobNotRunning")
    old = a_status(told, stopped, type_, start_time=at(-60), completion_time=at(-30))
    for found in ((), BUSY, (a_launcher("Failed"),), (a_launcher("Complete"),)):
        for policy in ({}, SUSPEND):
            new = status(a_job(status=old, policy=policy), *found)
            assert new.conditions == old.conditions
            assert (new.start_time, new.completion_time) == (at(-60), at(-30))


@pytest.mark.rule("B4.6")
@pytest.mark.parametrize(("told", "expected"), [
    (a_condition("Failed"), at(-60)),
    (Condition("Failed", "True"), at(0)),
], ids=["its condition's time", "now"])  # fmt: skip
def test_a_verdict_of_mpi_operator_gets_its_completion_time(
    told: Condition, expected: object
) -> None:
    job = a_job(status=a_status("Created", told, start_time=at(-90)))
    assert status(job).completion_time == expected


@pytest.mark.rule("B4.5", "B5.5")
def test_after_the_end_active_follows_the_pods() -> None:
    old = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-9))
    job = a_job(workers=3, status=old)
    new = status(job, a_worker(0), a_worker(1, "Succeeded"), a_launcher("Complete"))
    assert new.worker is not None
    assert (new.worker.active, new.worker.succeeded, new.active) == (1, 1, 1)
