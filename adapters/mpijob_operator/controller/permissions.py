# SPDX-License-Identifier: Apache-2.0
"""What the operator asks of the API server, as RBAC has it: the table.

It is the one source of the roles in `mpijob manifests`, `deploy/` and the chart, of the
question at the start (may we do what we are about to do?) and of the table in the
documents. A row grants what is called and no more (B8.6): a verb that nothing sends any
more leaves this table too.

Nothing here grants `selfsubjectaccessreviews` or discovery: every account has them.
"""

import enum
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from attrs import frozen

from mpijob_operator.controller import election

Json = dict[str, Any]


class Scope(enum.Enum):
    """Where a permission holds."""

    JOBS = "the namespaces of the jobs"
    CLUSTER = "the cluster"
    LOCK = "the namespace of the Lease"


@frozen
class Permission:
    """What may be done to one resource, and what for."""

    scope: Scope
    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    subresource: str = ""
    name: str = ""  # Of the one object that is meant; empty: any.
    # What is lost without it; empty: the operator cannot do its work.
    without: str = ""
    # A group of the user's choosing: asked for only where the cluster serves it.
    if_served: bool = False

    @property
    def full_resource(self) -> str:
        """The resource as a rule names it.

        >>> MPIJOB_STATUS.full_resource
        'mpijobs/status'
        """
        return "/".join(filter(None, (self.resource, self.subresource)))

    @property
    def rule(self) -> Json:
        """The rule of a Role or ClusterRole that grants it."""
        return {
            "apiGroups": [self.group],
            "resources": [self.full_resource],
            **({"resourceNames": [self.name]} if self.name else {}),
            "verbs": list(self.verbs),
        }


READ: Final = ("get", "list", "watch")
# An apply that finds nothing creates: the API server then asks for both verbs.
MADE: Final = ("create", "patch", "delete")

CRD: Final = "mpijobs.kubeflow.org"

MPIJOB_STATUS: Final = Permission(
    scope=Scope.JOBS,
    group="kubeflow.org",
    resource="mpijobs",
    subresource="status",
    verbs=("update",),
    why="tell where a job stands",
)

PERMISSIONS: Final = (
    Permission(
        scope=Scope.JOBS,
        group="kubeflow.org",
        resource="mpijobs",
        verbs=(*READ, "delete"),
        why="know the jobs; delete those whose ttlSecondsAfterFinished is over",
    ),
    MPIJOB_STATUS,
    Permission(
        scope=Scope.JOBS,
        group="kubeflow.org",
        resource="mpijobs",
        subresource="finalizers",
        verbs=("update",),
        why="own children, where OwnerReferencesPermissionEnforcement is on",
        without="no child is made where OwnerReferencesPermissionEnforcement is on",
    ),
    Permission(
        scope=Scope.JOBS,
        group="",
        resource="pods",
        verbs=(*READ, *MADE),
        why="make workers, number those that failed, delete them",
    ),
    Permission(
        scope=Scope.JOBS,
        group="batch",
        resource="jobs",
        verbs=(*READ, *MADE),
        why="make the launcher, suspend and resume it, delete it",
    ),
    Permission(
        scope=Scope.JOBS,
        group="",
        resource="services",
        verbs=(*READ, *MADE),
        why="give the pods of a job DNS names",
    ),
    Permission(
        scope=Scope.JOBS,
        group="",
        resource="configmaps",
        verbs=(*READ, *MADE),
        why="write the hostfile and discover_hosts.sh",
    ),
    Permission(
        scope=Scope.JOBS,
        group="",
        resource="secrets",
        verbs=(*READ, *MADE),
        why="make a job's SSH key pair; only metadata is ever read",
    ),
    Permission(
        scope=Scope.JOBS,
        group="events.k8s.io",
        resource="events",
        verbs=("create",),
        why="say what happens to a job",
        without="nothing is said of a job but its status",
    ),
    Permission(
        scope=Scope.JOBS,
        group="scheduling.volcano.sh",
        resource="podgroups",
        verbs=(*READ, *MADE),
        why="gang scheduling by Volcano",
        if_served=True,
    ),
    Permission(
        scope=Scope.JOBS,
        group="scheduling.x-k8s.io",
        resource="podgroups",
        verbs=(*READ, *MADE),
        why="gang scheduling by scheduler-plugins",
        if_served=True,
    ),
    Permission(
        scope=Scope.JOBS,
        group="scheduling.k8s.io",
        resource="podgroups",
        verbs=(*READ, *MADE),
        why="gang scheduling by Kubernetes itself",
        if_served=True,
    ),
    Permission(
        scope=Scope.JOBS,
        group="scheduling.k8s.io",
        resource="workloads",
        # It cannot be changed: it is made, and deleted.
        verbs=(*READ, "create", "delete"),
        why="gang scheduling by Kubernetes itself",
        if_served=True,
    ),
    Permission(
        scope=Scope.CLUSTER,
        group="scheduling.k8s.io",
        resource="priorityclasses",
        verbs=("list", "watch"),
        why="know which pods of a gang count first",
        without="every PriorityClass counts 0 in a gang's minResources",
    ),
    Permission(
        scope=Scope.CLUSTER,
        group="apiextensions.k8s.io",
        resource="customresourcedefinitions",
        name=CRD,
        verbs=("get",),
        why="tell whether the CRD is ours or mpi-operator's",
        without="an older CRD goes unnoticed",
    ),
    Permission(
        scope=Scope.LOCK,
        group="coordination.k8s.io",
        resource="leases",
        # A name cannot narrow a create: the object has none yet when it is asked.
        verbs=("create",),
        why="elect a leader for the first time",
    ),
    Permission(
        scope=Scope.LOCK,
        group="coordination.k8s.io",
        resource="leases",
        name=election.LEASE,
        verbs=("get", "update"),
        why="elect a leader, and stay one",
    ),
)


def rules(scope: Scope) -> list[Json]:
    """Return the rules of a Role or ClusterRole for one scope."""
    return [each.rule for each in PERMISSIONS if each.scope is scope]


@frozen
class Question:
    """One verb of a permission in one namespace: may we?"""

    permission: Permission
    verb: str
    namespace: str  # Empty: in all.

    @property
    def review(self) -> Json:
        """The SelfSubjectAccessReview that asks it."""
        asked = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": self.permission.group,
            "resource": self.permission.resource,
            "subresource": self.permission.subresource,
            "name": self.permission.name,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in asked.items() if v}},
        }

    def __str__(self) -> str:
        """Name what is asked for, as people speak of it."""
        group = f".{self.permission.group}" if self.permission.group else ""
        where = f"in namespace {self.namespace}" if self.namespace else "in all"
        if self.permission.scope is Scope.CLUSTER:
            where = "in the cluster"
        return f"{self.verb} {self.permission.full_resource}{group} {where}"


def questions(
    namespaces: Iterable[str], lock_namespace: str, served: Container[str]
) -> Iterator[Question]:
    """Give what to ask at the start, one verb at a time.

    Args:
        namespaces: Where jobs are looked after; empty: everywhere.
        lock_namespace: Where the Lease is.
        served: The API groups that the cluster serves.
    """
    where = {
        Scope.JOBS: tuple(namespaces) or ("",),
        Scope.CLUSTER: ("",),
        Scope.LOCK: (lock_namespace,),
    }
    for permission in PERMISSIONS:
        if permission.if_served and permission.group not in served:
            continue
        for namespace in where[permission.scope]:
            for verb in permission.verbs:
                yield Question(permission, verb, namespace)
