# SPDX-License-Identifier: Apache-2.0
"""Every name, label, host and path that we give to anything (B2).

All of it is upstream's, but for the annotations of ours in the last block.
"""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from mpijob.job import API_VERSION, KIND, MPIJob, Role
from mpijob.loose import Manifest
from mpijob.world import KUBERNETES, NO_GANG, VOLCANO

OPERATOR: Final = "mpi-operator"
MANAGED_BY: Final = "kubeflow.org/mpi-operator"
MULTI_KUEUE: Final = "kueue.x-k8s.io/multikueue"

OPERATOR_NAME_LABEL: Final = "training.kubeflow.org/operator-name"
JOB_NAME_LABEL: Final = "training.kubeflow.org/job-name"
JOB_ROLE_LABEL: Final = "training.kubeflow.org/job-role"
REPLICA_INDEX_LABEL: Final = "training.kubeflow.org/replica-index"
APP_LABEL: Final = "app"
QUEUE_NAME_LABEL: Final = "kueue.x-k8s.io/queue-name"

VOLCANO_QUEUE: Final = "scheduling.volcano.sh/queue-name"
VOLCANO_GROUP: Final = "scheduling.k8s.io/group-name"
SCHEDULER_PLUGINS_GROUP: Final = "scheduling.x-k8s.io/pod-group"

SSH_VOLUME: Final = "ssh-auth"
CONFIG_VOLUME: Final = "mpi-job-config"
CONFIG_PATH: Final = "/etc/mpi"
HOSTFILE: Final = "hostfile"
DISCOVER_HOSTS: Final = "discover_hosts.sh"
SSH_PRIVATE_KEY: Final = "ssh-privatekey"
SSH_PUBLIC_KEY: Final = "ssh-publickey"

TEMPLATE_HASH: Final = "training.kubeflow.org/template-hash"
FAILURE_NUMBER: Final = "training.kubeflow.org/failure"
GANG_SCHEDULING: Final = "training.kubeflow.org/gang-scheduling"


class Child(enum.Enum):
    """The children that a job can have, in the order in which they are made."""

    WORKLOAD = "Workload"
    POD_GROUP = "PodGroup"
    SERVICE = "Service"
    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105 - the name of a kind.
    WORKER = "worker Pod"
    LAUNCHER = "launcher Job"


GROUPS: Final = frozenset((Child.WORKLOAD, Child.POD_GROUP))


class Ref(NamedTuple):
    """Which object: the coordinates that a request needs."""

    api_version: str
    kind: str
    namespace: str
    name: str


def service(job: MPIJob) -> str:
    """Return the name of the headless Service, and of the PodGroup: the job's."""
    return job.name


def config_map(job: MPIJob) -> str:
    """Return the name of the ConfigMap."""
    return f"{job.name}-config"


def secret(job: MPIJob) -> str:
    """Return the name of the Secret."""
    return f"{job.name}-ssh"


def launcher(job: MPIJob) -> str:
    """Return the name of the launcher Job, which is its pods' host name too."""
    return f"{job.name}-launcher"


def worker(job: MPIJob, index: int) -> str:
    """Return the name of a worker pod, which is its host name too."""
    return f"{worker_prefix(job)}{index}"


def worker_prefix(job: MPIJob) -> str:
    """Return what the names of all worker pods begin with."""
    return f"{job.name}-worker-"


# A count of an int32 field has at most ten digits.
DIGITS: Final = 10


def worker_index(job: MPIJob, pod: str) -> int | None:
    """Return the index in the name of a worker pod, None for any other name.

    >>> worker_index(MPIJob("pi"), "pi-worker-12")
    12
    >>> worker_index(MPIJob("pi"), "pi-worker-012")
    """
    prefix = worker_prefix(job)
    index = pod[len(prefix) :]
    if not pod.startswith(prefix) or not index.isdecimal() or len(index) > DIGITS:
        return None
    return int(index) if str(int(index)) == index else None


def domain(job: MPIJob, cluster_domain: str) -> str:
    """Return the DNS domain that the Service gives to the job's pods.

    >>> domain(MPIJob("pi", namespace="hpc"), "cluster.local")
    'pi.hpc.svc.cluster.local'
    """
    suffix = f".{cluster_domain}" if cluster_domain else ""
    return f"{service(job)}.{job.namespace}.svc{suffix}"


def pod_group_api(scheduler: str, workload_api: str) -> str:
    """Return the apiVersion of a gang scheduler's PodGroup, empty for `none` (B7)."""
    if scheduler == NO_GANG:
        return ""
    if scheduler == VOLCANO:
        return "scheduling.volcano.sh/v1beta1"
    if scheduler == KUBERNETES:
        return f"scheduling.k8s.io/{workload_api}"
    return "scheduling.x-k8s.io/v1alpha1"


def selector(job: MPIJob) -> dict[str, str]:
    """Return the labels that every pod of the job has, and no other job's pods."""
    return {OPERATOR_NAME_LABEL: OPERATOR, JOB_NAME_LABEL: job.name}


def role_selector(job: MPIJob, role: Role) -> str:
    """Return the label selector of a role's pods, as the scale subresource has it."""
    return ",".join(f"{key}={value}" for key, value in pod_labels(job, role).items())


def pod_labels(job: MPIJob, role: Role) -> dict[str, str]:
    """Return the labels of a role's pods, but for the replica index."""
    return {**selector(job), JOB_ROLE_LABEL: role.lower()}


def child_labels(job: MPIJob) -> dict[str, str]:
    """Return the labels of every child that is not a pod.

    Unlike mpi-operator: operator-name and job-name are on each of them, so that a
    watch can be narrowed by label (B2).
    """
    return {APP_LABEL: job.name, **selector(job)}


def owner_references(job: MPIJob) -> list[Manifest]:
    """Return the controller reference to the job; none while it is in no cluster."""
    if not job.uid:
        return []
    return [
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": job.name,
            "uid": job.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def metadata(job: MPIJob, name: str, labels: Mapping[str, str]) -> dict[str, object]:
    """Return the metadata that every child has."""
    result: dict[str, object] = {
        "name": name,
        "namespace": job.namespace,
        "labels": labels,
    }
    if owners := owner_references(job):
        result["ownerReferences"] = owners
    return result


def head(job: MPIJob, api_version: str, kind: str, name: str) -> Manifest:
    """Return what every child begins with that is not a pod."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata(job, name, child_labels(job)),
    }
