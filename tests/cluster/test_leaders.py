# SPDX-License-Identifier: Apache-2.0
"""Two operators, one of which acts (B8.8)."""

import itertools
import time
from collections.abc import Callable
from typing import Final

import pytest

from mpijob_operator.controller.api import AT_ONCE
from mpijob_operator.controller.election import ATTEMPT_S, RETRY_S
from tests.controlplane.operator import Operator
from tests.controlplane.proxy import Entry, Fault
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

LEASE_S: Final = 15
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/mpi-operator"
# The lease runs out, the other notices within its retry, and acts.
FAILOVER_S: Final = LEASE_S + 5
# What each pod takes; less than a write may.
DELAY_S: Final = 4.0
# More workers than are made at once.
MANY: Final = 4 * AT_ONCE


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
def test_another_leads_when_the_leader_is_killed(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    first, second = two(stage)
    first.kill()
    stage.submit(mpijob("pi"))
    began = time.monotonic()
    stage.wait(lambda: leads(second), "the second leads", FAILOVER_S)
    failover_s = time.monotonic() - began
    record_property("failover in s", round(failover_s, 1))
    assert failover_s > 1, "the lease was not waited for"
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B8.8", "B4.5")
def test_a_leader_frozen_in_mid_fan_out_writes_no_more(stage: Stage) -> None:
    second, proxy = elected(stage), stage.proxy
    first = elected(stage)  # It alone comes by the proxy.
    proxy.fault(Fault(r"/pods$", times=1_000, delay_s=0.5))
    first.start()
    stage.wait(lambda: leads(first), "the first leads")
    second.start()
    mine = holder(stage)
    stage.submit(mpijob("pi", MANY))
    stage.wait(lambda: len(stage.all("pods")) > AT_ONCE / 2, "it has begun")
    first.freeze()
    stage.wait(lambda: leads(second), "the second leads", FAILOVER_S)
    before = len(stage.all("pods"))
    assert before < MANY, "nothing was left to do"
    stage.wait_for("pi", "Running", timeout_s=2 * FAILOVER_S)
    thawed = time.monotonic()
    first.thaw()
    stage.suspend("pi")  # Which the first sees as well.
    stage.wait(lambda: not first.runs, "the first ends", LEASE_S)
    assert first.process.returncode == 1
    stage.wait(lambda: not stage.pods("pi"), "the job is suspended")
    stage.wait_quiet()
    assert [e for e in proxy.log if e.is_write and e.at > thawed] == []
    assert holder(stage) != mine
    assert sorted(stage.events("pi")) == [
        "MPIJobCreated",
        "MPIJobRunning",
        "MPIJobSuspended",
    ]


@pytest.mark.rule("B8.8", "B8.2")
def test_a_standby_lists_everything_anew_once_it_is_elected(stage: Stage) -> None:
    first = elected(stage)
    first.start()
    stage.wait(lambda: leads(first), "the first leads")
    proxy, second = stage.proxy, elected(stage)  # It alone comes by the proxy.
    second.start()
    warm = listed(proxy.log)
    assert warm >= {"mpijobs", "pods", "jobs", "services", "configmaps", "secrets"}
    proxy.freeze("/")  # Of all that follows its caches show nothing.
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    before = len(proxy.log)
    first.stop()
    stage.client.delete(stage.path("pods", "pi-worker-0")).expect(200)
    stage.wait(lambda: leads(second), "the second leads", FAILOVER_S)
    stage.wait(lambda: stage.made()["pods"] == 1, "the worker is made anew")
    proxy.thaw()
    stage.wait_for("pi", "Running")
    since = proxy.log[before:]
    takes = index(since, lambda e: e.kind == "leases" and e.is_write and e.code == 200)
    writes = index(since, lambda e: e.is_write and e.kind != "leases")
    assert listed(since[takes:writes]) == warm
    assert since[takes].at < min(e.at for e in since if e.is_list)
    refused = [e for e in since if e.is_write and e.code == 409]
    assert not refused, "it wrote what an old cache had it write"


@pytest.mark.rule("B8.8")
def test_the_lease_is_renewed_while_a_fan_out_stands_in_line(stage: Stage) -> None:
    proxy = stage.proxy
    proxy.fault(Fault(r"/pods$", times=1_000, delay_s=DELAY_S))
    operator = elected(stage)
    operator.start()
    stage.wait(lambda: leads(operator), "it leads")
    names = [f"j{number}" for number in range(4)]
    for name in names:  # Each has so many under way itself.
        stage.submit(mpijob(name, AT_ONCE))
    stage.wait(lambda: stage.made()["pods"] == MANY, "all are made", 60)
    log = [e for e in proxy.log if e.is_write]
    creates = [e.at for e in log if e.kind == "pods"]
    assert max(creates) - min(creates) > 2 * DELAY_S, "they stood in line"
    renewals = [e.at for e in log if e.kind == "leases"]
    gaps = [b - a for a, b in itertools.pairwise(renewals)]
    assert max(gaps) < RETRY_S + ATTEMPT_S, gaps


def listed(entries: list[Entry]) -> set[str]:
    """Return the kinds of which a whole list was read."""
    return {entry.kind for entry in entries if entry.is_list}


def index(entries: list[Entry], is_it: Callable[[Entry], bool]) -> int:
    return next(number for number, entry in enumerate(entries) if is_it(entry))
