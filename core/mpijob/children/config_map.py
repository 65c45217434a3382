# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap with the hostfile and the discovery script."""

from collections.abc import Iterable

from mpijob import names
from mpijob.hostfile import discover_hosts, hostfile
from mpijob.job import MPIJob
from mpijob.loose import Manifest


def config_map(
    job: MPIJob, running: Iterable[int], cluster_domain: str = ""
) -> Manifest:
    """Return the ConfigMap, given the indices of the workers that run."""
    return {
        **names.head(job, "v1", "ConfigMap", names.config_map(job)),
        "data": {
            names.HOSTFILE: hostfile(job, cluster_domain),
            names.DISCOVER_HOSTS: discover_hosts(job, running, cluster_domain),
        },
    }
