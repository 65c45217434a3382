# SPDX-License-Identifier: Apache-2.0
"""What is watched, and how little of it: the tables.

All but MPIJobs are narrowed by the label that every child bears, so that ten thousand
pods of others cost nothing. Of Secrets only the metadata is read: no key ever enters
our memory but when it is drawn (B8.5).
"""

from typing import Final

from attrs import frozen

from mpijob import names
from mpijob.job import API_VERSION, KIND
from mpijob_operator.executor import Kind
from mpijob_operator.requests import PLURALS

# Unlike mpi-operator: children are watched by label, so that other pods cost nothing.
OURS: Final = f"{names.OPERATOR_NAME_LABEL}={names.OPERATOR}"


@frozen
class Watched:
    """One kind, as it is watched."""

    api_version: str
    kind: str
    selector: str = OURS
    metadata_only: bool = False
    namespaced: bool = True

    @property
    def key(self) -> Kind:
        """Its apiVersion and kind."""
        return self.api_version, self.kind

    def path(self, namespace: str = "") -> str:
        """Return the path of its collection, in one namespace or in all."""
        root = "apis" if "/" in self.api_version else "api"
        parts = ["", root, self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        return "/".join((*parts, PLURALS[self.kind]))


JOBS: Final = Watched(API_VERSION, KIND, selector="")
CHILDREN: Final = (
    Watched("v1", "Pod"),
    Watched("batch/v1", "Job"),
    Watched("v1", "Service"),
    Watched("v1", "ConfigMap"),
    Watched("v1", "Secret", metadata_only=True),
)
PRIORITY_CLASSES: Final = Watched(
    "scheduling.k8s.io/v1", "PriorityClass", selector="", namespaced=False
)

# Where gang schedulers keep their groups; a cluster serves some of them or none. The
# newer of Kubernetes' own comes first, and only one of the two is used (B7.6).
KUBERNETES_GROUPS: Final = ("scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1alpha2")
OTHER_GROUPS: Final = (
    Watched("scheduling.volcano.sh/v1beta1", "PodGroup"),
    Watched("scheduling.x-k8s.io/v1alpha1", "PodGroup"),
)


def kubernetes_groups(api_version: str) -> tuple[Watched, ...]:
    """Return the kinds of Kubernetes' own gang scheduling."""
    return Watched(api_version, "Workload"), Watched(api_version, "PodGroup")
