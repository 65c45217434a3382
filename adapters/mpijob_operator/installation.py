# SPDX-License-Identifier: Apache-2.0
"""The objects that run the operator in a cluster: one source for all who print them.

`mpijob manifests` prints these; the files of `deploy/` are written from them, and what
the chart renders is compared with them. Names, namespace and selector are those of
mpi-operator's own manifests: a Deployment's selector cannot be changed, and so ours,
applied over its, takes its place.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from mpijob_operator.controller import permissions
from mpijob_operator.controller.permissions import Scope

Json = dict[str, Any]

NAME: Final = "mpi-operator"
NAMESPACE: Final = "mpi-operator"
# Unlike mpi-operator's own, which keeps its rights until ours has taken its place, and
# has them again when it comes back.
ROLE: Final = "mpijob-operator"
RBAC: Final = "rbac.authorization.k8s.io"

# The first line of each is upstream's, too.
LABELS: Final[Mapping[str, str]] = {
    "app": NAME,
    "app.kubernetes.io/component": "mpijob",
    "app.kubernetes.io/name": NAME,
    "kustomize.component": NAME,
}

METRICS_PORT: Final = 8080
HEALTH_PORT: Final = 8081

# An account that owns nothing: the one that images without users settled on.
USER: Final = 65_532
# SIGTERM is answered within 10 s, every request under way included; twice that.
GRACE_S: Final = 20

# Where recordings are, with twice the room that they take (`recorder.BYTES_MAX`).
RECORDINGS: Final = "/var/lib/mpijob"
RECORDINGS_SIZE: Final = "1Gi"

# Who may scrape, where the network policy is used: namespaces with this label.
SCRAPERS: Final[Mapping[str, str]] = {"metrics": "enabled"}


@frozen
class Installation:
    """One operator in a cluster."""

    image: str
    namespace: str = NAMESPACE  # Where it runs, and where its Lease is.
    watched: tuple[str, ...] = ()  # Whose jobs it looks after; empty: all.
    replicas: int = 2
    flags: Mapping[str, str] = {}  # More of `mpijob run`, without the dashes.
    service_monitor: bool = False
    network_policy: bool = False
    recordings: bool = False  # Each look that changed something is a file in the pod.

    @property
    def cluster_name(self) -> str:
        """The name of what belongs to no namespace; there may be several operators.

        >>> Installation("i").cluster_name, Installation("i", "hpc").cluster_name
        ('mpijob-operator', 'mpijob-operator-hpc')
        """
        return ROLE if self.namespace == NAMESPACE else f"{ROLE}-{self.namespace}"

    @property
    def arguments(self) -> list[str]:
        """What the container is started with."""
        given = {
            "lock-namespace": self.namespace,
            "monitoring-port": str(METRICS_PORT),
            "health-port": str(HEALTH_PORT),
            **({"namespace": ",".join(self.watched)} if self.watched else {}),
            **({"record": RECORDINGS} if self.recordings else {}),
            **dict(sorted(self.flags.items())),
        }
        return ["run", *(f"--{flag}={value}" for flag, value in given.items())]


def objects(installation: Installation) -> Iterator[Json]:
    """Give all of it, in an order in which each finds what it needs."""
    # A namespace of jobs is its owner's: to make, to restrict and to delete.
    if installation.namespace not in installation.watched:
        yield namespace(installation)
    yield from roles(installation)
    yield from tenants()
    yield from operator(installation)
    if installation.service_monitor:
        yield service_monitor(installation)
    if installation.network_policy:
        yield network_policy(installation)


def namespace(installation: Installation) -> Json:
    """Return the namespace; who makes a pod in it that needs more than ours is warned.

    It is not refused: mpi-operator's own pods need more, and may have to come back.
    """
    found = _object("v1", "Namespace", installation.namespace)
    found["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "restricted"
    return found


# --- What the operator may do -------------------------------------------------


def roles(installation: Installation) -> Iterator[Json]:
    """Give the roles for the jobs and for the cluster, each with its binding."""
    jobs, name = permissions.rules(Scope.JOBS), installation.cluster_name
    if installation.watched:
        for watched in installation.watched:
            yield _role("Role", NAME, jobs, watched)
            yield _binding("Role", NAME, installation, watched)
    else:
        yield _role("ClusterRole", name, jobs)
        yield _binding("ClusterRole", name, installation)
    reads = f"{name}-cluster-reads"
    yield _role("ClusterRole", reads, permissions.rules(Scope.CLUSTER))
    yield _binding("ClusterRole", reads, installation)


def election(installation: Installation) -> Iterator[Json]:
    """Give the role for the Lease, with its binding."""
    name, where = f"{NAME}-election", installation.namespace
    yield _role("Role", name, permissions.rules(Scope.LOCK), where)
    yield _binding("Role", name, installation, where)


def _role(kind: str, name: str, rules: list[Json], where: str = "") -> Json:
    return {**_object(f"{RBAC}/v1", kind, name, where), "rules": rules}


def _binding(kind: str, name: str, installation: Installation, where: str = "") -> Json:
    account = {
        "kind": "ServiceAccount",
        "name": NAME,
        "namespace": installation.namespace,
    }
    return {
        **_object(f"{RBAC}/v1", f"{kind}Binding", name, where),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [account],
    }


# --- What people may do -------------------------------------------------------

_READ: Final = ("get", "list", "watch")
_WRITE: Final = (*_READ, "create", "delete", "deletecollection", "patch", "update")
_KUBEFLOW: Final = "rbac.authorization.kubeflow.org/aggregate-to-kubeflow"


def tenants() -> Iterator[Json]:
    """Give the roles by which people and their namespaces get MPIJobs.

    They are mpi-operator's, and each also becomes a part of Kubernetes' own role of the
    same word: who may edit a namespace may run MPIJobs there.
    """
    admin = f"{_KUBEFLOW}-mpijobs-admin"
    gathered = _tenant("admin", [], f"{_KUBEFLOW}-admin")
    # Its rules are the aggregation controller's to write, and nobody else's.
    del gathered["rules"]
    yield {
        **gathered,
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {admin: "true"}}]},
    }
    edit = [
        _mpijobs(_WRITE, "", "/status"),
        _mpijobs(("get", "patch", "update"), "/scale"),
    ]
    to_edit = f"{RBAC}/aggregate-to-edit"
    yield _tenant("edit", edit, f"{_KUBEFLOW}-edit", admin, to_edit)
    view = [_mpijobs(_READ, "", "/status"), _mpijobs(("get",), "/scale")]
    yield _tenant("view", view, f"{_KUBEFLOW}-view", f"{RBAC}/aggregate-to-view")


def _tenant(word: str, rules: list[Json], *labels: str) -> Json:
    role = _role("ClusterRole", f"kubeflow-mpijobs-{word}", rules)
    role["metadata"]["labels"] |= dict.fromkeys(labels, "true")
    return role


def _mpijobs(verbs: tuple[str, ...], *subresources: str) -> Json:
    return {
        "apiGroups": ["kubeflow.org"],
        "resources": [f"mpijobs{each}" for each in subresources],
        "verbs": list(verbs),
    }


# --- The operator -------------------------------------------------------------


def operator(installation: Installation) -> Iterator[Json]:
    """Give what runs, and what it needs in its own namespace."""
    where = installation.namespace
    yield _object("v1", "ServiceAccount", NAME, where)
    yield from election(installation)
    yield deployment(installation)
    yield {
        **_object("v1", "Service", NAME, where),
        "spec": {
            # Each replica is scraped by itself: there is nothing to balance.
            "clusterIP": "None",
            "selector": dict(LABELS),
            "ports": [
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"}
            ],
        },
    }
    yield {
        **_object("policy/v1", "PodDisruptionBudget", NAME, where),
        "spec": {
            # Not minAvailable: of one replica that would let no node be drained.
            "maxUnavailable": 1,
            "selector": {"matchLabels": dict(LABELS)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def deployment(installation: Installation) -> Json:
    """Return the Deployment: one leads, the others wait with warm caches."""
    # No proxy of a mesh: all that we talk to is the API server.
    alone = {"sidecar.istio.io/inject": "false"}
    return {
        **_object("apps/v1", "Deployment", NAME, installation.namespace),
        "spec": {
            "replicas": installation.replicas,
            "selector": {"matchLabels": dict(LABELS)},
            # Ready means that the caches are full: a new one can take over by then.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {"annotations": alone, "labels": dict(LABELS)},
                "spec": _pod(installation),
            },
        },
    }


def _pod(installation: Installation) -> Json:
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                # A cluster of one node shall run it, too.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(LABELS)},
            }
        ],
        "containers": [_container(installation)],
        **({"volumes": [_RECORDINGS_VOLUME]} if installation.recordings else {}),
    }


_RECORDINGS_VOLUME: Final[Json] = {
    "name": "recordings",
    "emptyDir": {"sizeLimit": RECORDINGS_SIZE},
}
_RECORDINGS_MOUNT: Final[Json] = {"name": "recordings", "mountPath": RECORDINGS}


def _container(installation: Installation) -> Json:
    return {
        "name": NAME,
        "image": installation.image,
        "imagePullPolicy": "IfNotPresent",
        "args": installation.arguments,
        "ports": [
            {"name": "metrics", "containerPort": METRICS_PORT},
            {"name": "health", "containerPort": HEALTH_PORT},
        ],
        # A minute of silence before it is killed: a busy node is no dead process.
        "livenessProbe": _probe("/healthz", period_s=10, failures=6),
        "readinessProbe": _probe("/readyz", period_s=5, failures=3),
        # It is one thread. 200 jobs fit into 100 MiB; several thousand into the limit.
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        **({"volumeMounts": [_RECORDINGS_MOUNT]} if installation.recordings else {}),
    }


def _probe(path: str, *, period_s: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


# --- What not every cluster has, or wants -------------------------------------


def service_monitor(installation: Installation) -> Json:
    """Return what tells a Prometheus operator to scrape ours."""
    return {
        **_object(
            "monitoring.coreos.com/v1", "ServiceMonitor", NAME, installation.namespace
        ),
        "spec": {
            "selector": {"matchLabels": dict(LABELS)},
            "endpoints": [{"port": "metrics", "interval": "30s"}],
        },
    }


def network_policy(installation: Installation) -> Json:
    """Return who may talk to the operator: those who scrape it, and the kubelet.

    The kubelet's probes are always let in. Where the operator may go is left open: no
    rule can name the API server, whose address and port differ in each cluster.
    """
    scrapers = {"namespaceSelector": {"matchLabels": dict(SCRAPERS)}}
    return {
        **_object(
            "networking.k8s.io/v1", "NetworkPolicy", NAME, installation.namespace
        ),
        "spec": {
            "podSelector": {"matchLabels": dict(LABELS)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [scrapers], "ports": [{"port": "metrics", "protocol": "TCP"}]}
            ],
        },
    }


def _object(api_version: str, kind: str, name: str, where: str = "") -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            **({"namespace": where} if where else {}),
            "labels": dict(LABELS),
        },
    }
