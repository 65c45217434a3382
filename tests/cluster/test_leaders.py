# SPDX-License-Identifier: Apache-2.0
"""Two operators, one of which acts (B8.8)."""

import time
from typing import Final

import pytest

from tests.controlplane.operator import Operator
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

LEASE_S: Final = 15
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/mpi-operator"
# The lease runs out, the other notices within its retry, and acts.
FAILOVER_S: Final = LEASE_S + 5


def elected(stage: Stage) -> Operator:
    """Return an operator that wants to lead, not started yet."""
    return stage.operator(leader_elect="true", lock_namespace=stage.namespace)


def lease(stage: Stage) -> Json:
    answer = stage.client.get(LEASES.format(stage.namespace))
    return {} if answer.code == 404 else dict(answer.expect(200)["spec"])


def holder(stage: Stage) -> str:
    return str(lease(stage).get("holderIdentity") or "")


def leads(operator: Operator) -> bool:
    return any(line["event"] == "leading" for line in operator.lines())


def two(stage: Stage) -> tuple[Operator, Operator]:
    """Start two operators; return the one that leads, and the other."""
    first, second = elected(stage), elected(stage)
    first.start()
    stage.wait(lambda: leads(first), "the first leads")
    second.start()
    return first, second


@pytest.mark.rule("B8.8")
def test_one_of_two_acts(stage: Stage) -> None:
    _, second = two(stage)
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    assert stage.events("pi") == ["MPIJobCreated", "MPIJobRunning"]
    assert not leads(second)


@pytest.mark.rule("B8.8")
def test_a_leader_that_is_asked_to_end_gives_the_lease_back(stage: Stage) -> None:
    first, second = two(stage)
    stage.submit(mpijob("pi", 8))
    code, seconds = first.stop()
    assert code == 0
    assert seconds < 10
    began = time.monotonic()
    stage.wait(lambda: leads(second), "the second leads", LEASE_S)
    assert time.monotonic() - began < 5, "it waited for the lease to run out"
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B8.8")
def test_another_leads_when_the_leader_is_killed(stage: Stage) -> None:
    first, second = two(stage)
    first.kill()
    stage.submit(mpijob("pi"))
    began = time.monotonic()
    stage.wait(lambda: leads(second), "the second leads", FAILOVER_S)
    assert time.monotonic() - began > 1, "the lease was not waited for"
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B8.8")
def test_a_leader_that_was_frozen_writes_no_more(stage: Stage) -> None:
    first, second = two(stage)
    stage.submit(mpijob("before"))
    stage.wait_for("before", "Running")
    mine = holder(stage)
    first.freeze()
    # Changes that the first will see the moment it goes on.
    stage.wait(lambda: leads(second), "the second leads", FAILOVER_S)
    assert holder(stage) != mine
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    first.thaw()
    stage.suspend("pi")
    stage.wait(lambda: not first.runs, "the first ends", LEASE_S)
    stage.wait(lambda: not stage.pods("pi"), "the job is suspended")
    stage.wait_quiet()
    assert holder(stage) != mine
    assert sorted(stage.events("pi")) == [
        "MPIJobCreated",
        "MPIJobRunning",
        "MPIJobSuspended",
    ]
    assert first.process.returncode == 1
