# SPDX-License-Identifier: Apache-2.0
"""Objects and requests for the API server in memory."""

from datetime import UTC, datetime
from typing import Any

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.requests import Request, Verb
from mpijob_operator.simulation.cluster import Cluster

SERVICE = Ref("v1", "Service", "hpc", "pi")
POD = Ref("v1", "Pod", "hpc", "pi-worker-0")
JOB = Ref("batch/v1", "Job", "hpc", "pi-launcher")
GROUP = Ref("scheduling.volcano.sh/v1beta1", "PodGroup", "hpc", "pi")
MPIJOB = Ref("kubeflow.org/v2beta1", "MPIJob", "hpc", "pi")

AN_EVENT: dict[str, Any] = {
    "action": "Reconcile",
    "eventTime": "2030-01-01T00:00:00.000000Z",
    "metadata": {"generateName": "pi-", "namespace": "hpc"},
    "reason": "Told",
    "reportingController": "kubeflow.org/mpi-operator",
    "reportingInstance": "test",
    "type": "Normal",
}


def an_object(ref: Ref, **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    metadata = {"name": ref.name, "namespace": ref.namespace}
    given = {**metadata, **parts.pop("metadata", {})}
    base = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": given}
    return {**base, **parts}


def a_cluster(*values: Manifest) -> Cluster:
    cluster = Cluster(datetime(2030, 1, 1, tzinfo=UTC))
    for value in values:
        cluster.create(value)
    return cluster


def an_apply(ref: Ref, manager: str = "ours", **parts: Any) -> Request:  # noqa: ANN401 - JSON.
    query = {"fieldManager": manager, "force": "true"}
    return Request(Verb.APPLY, ref, an_object(ref, **parts), query=query)


def code(cluster: Cluster, request: Request) -> tuple[int, str]:
    answer = cluster.answer(request)
    return answer.code, answer.reason


def metadata_of(cluster: Cluster, ref: Ref) -> dict[str, Any]:
    return dict(cluster.objects[ref]["metadata"])
