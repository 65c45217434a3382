# SPDX-License-Identifier: Apache-2.0
"""The worker pods: a host each, running sshd for the launcher to reach."""

from collections.abc import Iterable
from typing import Final

from mpijob import names, pods
from mpijob.job import MPIJob, ReplicaSpec, Role
from mpijob.loose import Manifest, mapping, sequence

_SSHD: Final = ("/usr/sbin/sshd", "-De")

# The domain that nearly every cluster has; only a search domain hangs on it.
_CLUSTER_DOMAIN: Final = "cluster.local"


def workers(
    job: MPIJob, indices: Iterable[int], scheduler: str, cluster_domain: str = ""
) -> list[Manifest]:
    """Return the pods of some workers; what they share is made once."""
    replica = job.worker
    if replica is None:
        return []
    shared = pods.pod_metadata(job, Role.WORKER, replica, scheduler)
    spec = _spec(job, replica, scheduler, cluster_domain)
    labels = {**shared["labels"], names.REPLICA_INDEX_LABEL: ""}
    metadata = names.metadata(job, "", labels)
    metadata["annotations"] = shared["annotations"]
    prefix = names.worker_prefix(job)
    first = 1 if job.run_launcher_as_worker else 0
    result: list[Manifest] = []
    for index in indices:
        # Copies, one level deep: half the time of building each anew.
        own, tags, pod = metadata.copy(), labels.copy(), spec.copy()
        own["name"] = pod["hostname"] = f"{prefix}{index}"
        own["labels"], tags[names.REPLICA_INDEX_LABEL] = tags, str(index + first)
        result.append({"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": pod})
    return result


def _spec(
    job: MPIJob, replica: ReplicaSpec, scheduler: str, cluster_domain: str
) -> dict[str, object]:
    given = replica.containers[0]
    fields: dict[str, object] = {}
    if not given.get("command") and not given.get("args"):
        fields["command"] = list(_SSHD)
    # Unlike mpi-operator: a container that names its SSH port is Ready when sshd
    # answers there. Without the name any port would be a guess (B2.2).
    if pods.names_ssh_port(given) and not given.get("readinessProbe"):
        fields["readinessProbe"] = {"tcpSocket": {"port": pods.SSH_PORT}}
    spec = pods.pod_spec(job, Role.WORKER, replica, scheduler, fields=fields)
    spec["dnsConfig"] = _dns_config(job, replica, cluster_domain)
    return spec


def _dns_config(job: MPIJob, replica: ReplicaSpec, cluster_domain: str) -> Manifest:
    given = mapping(replica.pod_spec.get("dnsConfig"))
    domains = sequence(given.get("searches"))
    # Unlike mpi-operator: the domain of the cluster, not always cluster.local (B2.1).
    ours = names.domain(job, cluster_domain or _CLUSTER_DOMAIN)
    return {**given, "searches": domains if ours in domains else [*domains, ours]}
