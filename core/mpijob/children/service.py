# SPDX-License-Identifier: Apache-2.0
"""The headless Service, which gives the pods their DNS names."""

from mpijob import names
from mpijob.job import MPIJob
from mpijob.loose import Manifest


def service(job: MPIJob) -> Manifest:
    """Return the Service; DNS shows pods that are not Ready if the launcher works too.

    The launcher of such a job looks itself up before it can be Ready.
    """
    return {
        **names.head(job, "v1", "Service", names.service(job)),
        "spec": {
            "clusterIP": "None",
            "selector": names.selector(job),
            "publishNotReadyAddresses": job.run_launcher_as_worker,
        },
    }
