# SPDX-License-Identifier: Apache-2.0
"""Elections with a real API server, among processes that are killed and stopped.

Shown as well is what the election rests on: that the API server keeps times as they
were written, refuses a write over another version, and lets a lease be nobody's.
"""

import contextlib
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from mpijob_operator.controller.api import WRITE_S
from mpijob_operator.controller.election import (
    ATTEMPT_S,
    DEADLINE_S,
    JITTER,
    LEASE_S,
    RETRY_S,
)
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.slow,
    pytest.mark.rule("B8.8"),
]

ROOT: Final = Path(__file__).parents[1]
NUMBERS: Final = itertools.count(1)
# From a poll to the next, and the requests of one attempt on a busy machine.
POLL_S: Final = RETRY_S * (1 + JITTER) + ATTEMPT_S


@frozen
class Elector:
    """A process that stands for election."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def looks(self) -> list[tuple[float, bool]]:
        """What it said of itself, each with the time; the last line may be half."""
        lines = self.log.read_text("ascii").split("\n")[:-1]
        pairs = (line.split() for line in lines)
        return [(float(time), leads == "1") for time, leads in pairs]

    @property
    def led(self) -> list[float]:
        """When it led."""
        return [time for time, leads in self.looks if leads]

    @property
    def leads(self) -> bool:
        return bool(self.looks) and self.looks[-1][1]


@frozen
class Town:
    """A namespace with its lease, and who stands for it."""

    plane: ControlPlane
    client: Client
    namespace: str
    folder: Path
    electors: list[Elector]

    def elector(self, identity: str) -> Elector:
        log = self.folder / f"{self.namespace}-{identity}.log"
        config = str(self.plane.kubeconfig())
        module = [sys.executable, "-m", "tests.elector"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*module, config, identity, self.namespace], cwd=ROOT, stdout=output
            )
        elector = Elector(process, log)
        self.electors.append(elector)
        return elector

    @property
    def path(self) -> str:
        group = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}"
        return f"{group}/leases/mpi-operator"

    def lease(self) -> dict[str, Any]:
        return self.client.get(self.path).expect(200)


@pytest.fixture
def town(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Town]:
    with contextlib.closing(control_plane.client()) as client:
        name = f"election-{next(NUMBERS)}"
        namespace = {"metadata": {"name": name}}
        client.create("/api/v1/namespaces", namespace).expect(201)
        town = Town(control_plane, client, name, tmp_path, [])
        try:
            yield town
        finally:
            for elector in town.electors:
                elector.process.kill()
                elector.process.wait()


@pytest.mark.parametrize("time", ["12:00:00.000000Z", "23:59:59.100000Z"])
def test_the_api_server_keeps_a_time_as_it_was_written(town: Town, time: str) -> None:
    lease = written(town, holderIdentity="a", renewTime=f"2026-01-02T{time}")
    town.client.create(town.path.rpartition("/")[0], lease).expect(201)
    assert town.lease()["spec"]["renewTime"] == f"2026-01-02T{time}"


def test_the_api_server_refuses_a_write_over_another_version(town: Town) -> None:
    lease = written(town, holderIdentity="a")
    town.client.create(town.path.rpartition("/")[0], lease).expect(201)
    seen = town.lease()
    town.client.replace(town.path, seen | {"spec": {"holderIdentity": "b"}}).expect(200)
    assert town.client.replace(town.path, seen).code == 409
    assert town.client.create(town.path.rpartition("/")[0], lease).code == 409


def test_the_api_server_lets_a_lease_be_nobodys(town: Town) -> None:
    lease = written(town, holderIdentity="")
    town.client.create(town.path.rpartition("/")[0], lease).expect(201)
    elector = town.elector("first")
    wait_until(lambda: elector.leads, "it is taken", POLL_S)


def written(town: Town, **spec: object) -> dict[str, Any]:
    metadata = {"name": "mpi-operator", "namespace": town.namespace}
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return {**kind, "metadata": metadata, "spec": {"leaseDurationSeconds": 15, **spec}}


def test_a_lease_that_is_given_back_is_taken_at_the_next_poll(town: Town) -> None:
    first = town.elector("first")
    wait_until(lambda: first.leads, "the first leads")
    second = town.elector("second")
    wait_until(lambda: bool(second.looks), "the second stands")
    assert not second.leads
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(ATTEMPT_S + 2) == 0
    wait_until(lambda: second.leads, "the second leads", LEASE_S)
    assert first.led[-1] < second.led[0] < first.led[-1] + POLL_S
    spec = town.lease()["spec"]
    assert spec["holderIdentity"] == "second"
    assert spec["leaseTransitions"] == 1


def test_who_is_stopped_past_its_lease_does_not_lead_when_it_goes_on(
    town: Town,
) -> None:
    first = town.elector("first")
    wait_until(lambda: first.leads, "the first leads")
    second = town.elector("second")
    wait_until(lambda: bool(second.looks), "the second stands")
    first.process.send_signal(signal.SIGSTOP)
    stopped = first.looks[-1][0]
    wait_until(lambda: second.leads, "the second leads", LEASE_S + 2 * POLL_S)
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(LEASE_S) == 0  # It is over for it.
    took = second.led[0]
    # The last renewal was up to RETRY_S before it was stopped.
    assert took - stopped > LEASE_S - RETRY_S - 1
    assert took - stopped < LEASE_S + POLL_S
    assert took - first.led[-1] > WRITE_S
    assert second.leads


def test_of_five_that_begin_together_one_leads(town: Town) -> None:
    electors = [town.elector(f"elector-{number}") for number in range(5)]
    wait_until(lambda: all(e.looks for e in electors), "all stand")
    wait_until(lambda: any(e.leads for e in electors), "one leads", POLL_S)
    assert sum(bool(elector.led) for elector in electors) == 1


def test_a_leader_that_is_killed_is_followed_by_who_waits(town: Town) -> None:
    first = town.elector("first")
    wait_until(lambda: first.leads, "the first leads")
    second = town.elector("second")
    wait_until(lambda: bool(second.looks), "the second stands")
    first.process.kill()
    first.process.wait()
    wait_until(lambda: second.leads, "the second leads", LEASE_S + 2 * POLL_S)
    gap = second.led[0] - first.led[-1]
    assert LEASE_S - RETRY_S - 1 < gap < LEASE_S + POLL_S
    assert gap > WRITE_S + DEADLINE_S
