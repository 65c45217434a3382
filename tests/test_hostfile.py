# SPDX-License-Identifier: Apache-2.0
"""What mpirun and elastic programs read to find their hosts."""

import pytest

from mpijob.hostfile import discover_hosts, hostfile
from tests.builders import a_job, cases

W0, W1 = "pi-worker-0.pi.hpc.svc", "pi-worker-1.pi.hpc.svc"
LAUNCHER = "pi-launcher.pi.hpc.svc"


@pytest.mark.rule("B3.1")
@pytest.mark.parametrize(
    ("implementation", "slots"),
    [("OpenMPI", " slots=4"), ("Intel", ":4"), ("MPICH", ":4")],
)
def test_each_mpi_has_its_own_dialect(implementation: str, slots: str) -> None:
    job = a_job(workers=2, mpiImplementation=implementation, slotsPerWorker=4)
    assert hostfile(job) == f"{W0}{slots}\n{W1}{slots}\n"


@pytest.mark.rule("B3.1")
def test_a_working_launcher_is_the_first_host() -> None:
    job = a_job(workers=2, runLauncherAsWorker=True)
    assert hostfile(job) == f"{LAUNCHER} slots=1\n{W0} slots=1\n{W1} slots=1\n"


@pytest.mark.rule("B3.1", "B1.3")
def test_without_workers_nobody_or_the_launcher_is_listed() -> None:
    assert hostfile(a_job(workers=None)) == ""
    alone = a_job(workers=None, runLauncherAsWorker=True)
    assert hostfile(alone) == f"{LAUNCHER} slots=1\n"


@pytest.mark.rule("B3.1")
def test_hosts_carry_the_domain_of_the_cluster() -> None:
    assert hostfile(a_job(), "x.org") == f"{W0}.x.org slots=1\n"
    assert discover_hosts(a_job(), [0], "x.org") == f"#!/bin/sh\necho {W0}.x.org\n"


@pytest.mark.rule("B3.1")
def test_hosts_are_in_numeric_order() -> None:
    lines = hostfile(a_job(workers=11)).splitlines()
    assert [line.split(".")[0] for line in lines] == [
        f"pi-worker-{index}" for index in range(11)
    ]


@pytest.mark.rule("B3.2")
@cases("works, running, hosts", {
    "nobody runs": (False, [], []),
    "one of two runs": (False, [1], [W1]),
    "both run": (False, [0, 1], [W0, W1]),
    "the launcher always": (True, [], [LAUNCHER]),
    "the launcher first": (True, [0, 1], [LAUNCHER, W0, W1]),
})  # fmt: skip
def test_the_discovery_script_tells_who_runs(
    works: bool, running: list[int], hosts: list[str]
) -> None:
    job = a_job(workers=2, runLauncherAsWorker=works)
    echoes = [f"echo {host}\n" for host in hosts]
    assert discover_hosts(job, running) == "".join(["#!/bin/sh\n", *echoes])
