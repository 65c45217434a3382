# SPDX-License-Identifier: Apache-2.0
"""The hostfile and discover_hosts.sh, in each MPI's dialect (B3, B3.1, B3.2)."""

from collections.abc import Iterable
from typing import Final

from mpijob import names
from mpijob.job import MPIImplementation, MPIJob

_SLOTS: Final = {
    MPIImplementation.OPEN_MPI: " slots=",
    MPIImplementation.INTEL: ":",
    MPIImplementation.MPICH: ":",
}


def hostfile(job: MPIJob, cluster_domain: str = "") -> str:
    """Return one line a host, launcher first where it works too, then each worker.

    >>> from mpijob.job import ReplicaSpec, RestartPolicy
    >>> two = ReplicaSpec({}, RestartPolicy.NEVER, replicas=2)
    >>> print(hostfile(MPIJob("pi", worker=two)), end="")
    pi-worker-0.pi.default.svc slots=1
    pi-worker-1.pi.default.svc slots=1
    """
    slots = f"{_SLOTS[job.mpi_implementation]}{job.slots_per_worker}"
    return _lines(job, cluster_domain, range(job.workers), "", slots)


def discover_hosts(
    job: MPIJob, running: Iterable[int], cluster_domain: str = ""
) -> str:
    """Return the script that elastic programs call to learn who is there.

    Args:
        job: The job.
        running: The indices of the workers that run, in numeric order.
        cluster_domain: The domain of the cluster, where host names carry it.
    """
    return "#!/bin/sh\n" + _lines(job, cluster_domain, running, "echo ", "")


def _lines(
    job: MPIJob, cluster_domain: str, workers: Iterable[int], before: str, after: str
) -> str:
    domain = names.domain(job, cluster_domain)
    start, end = f"{before}{names.worker_prefix(job)}", f".{domain}{after}\n"
    lines = [f"{start}{index}{end}" for index in workers]
    if job.run_launcher_as_worker:
        lines.insert(0, f"{before}{names.launcher(job)}{end}")
    return "".join(lines)
