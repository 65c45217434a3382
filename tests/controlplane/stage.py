# SPDX-License-Identifier: Apache-2.0
"""A cluster with nodes, and a namespace of it in which one test plays.

Each test has a namespace and an operator that looks after that alone, so tests do not
meet; what they share is the API server, its controllers and the nodes.
"""

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from attrs import define, field

import mpijob_crd
from mpijob_operator.controller import permissions
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.controlplane.nodes import Nodes
from tests.controlplane.operator import Operator
from tests.controlplane.pod_life import Habits
from tests.controlplane.proxy import Proxy

Json = dict[str, Any]

NUMBERS: Final = itertools.count(1)
CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
USER: Final = "operator"
SETTLE_S: Final = 30
# What a test calls quiet: nothing was written for so long.
QUIET_S: Final = 1.0

COLLECTIONS: Final[Mapping[str, str]] = {
    "mpijobs": "/apis/kubeflow.org/v2beta1/namespaces/{}/mpijobs",
    "pods": "/api/v1/namespaces/{}/pods",
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
    "services": "/api/v1/namespaces/{}/services",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
    "secrets": "/api/v1/namespaces/{}/secrets",
    "events": "/apis/events.k8s.io/v1/namespaces/{}/events",
}


def install(client: Client) -> None:
    """Bring the CRD and the operator's permissions into a fresh cluster."""
    crd: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    client.create(CRDS, crd).expect(201)
    rules = [each.rule for each in permissions.PERMISSIONS]
    metadata = {"name": USER}
    client.create(f"{RBAC}/clusterroles", {"metadata": metadata, "rules": rules})
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    }
    client.create(f"{RBAC}/clusterrolebindings", binding).expect(201)
    path = "/apis/kubeflow.org/v2beta1/mpijobs"
    wait_until(lambda: client.get(path).code == 200, "MPIJobs are served")


def mpijob(name: str, workers: int | None = 2, **spec: Any) -> Json:  # noqa: ANN401 - JSON.
    """Return an MPIJob that names only what a test is about.

    Roles are merged into what is needed, as in `Worker={"restartPolicy": "Never"}`.
    """
    roles: Json = {}
    for role, replicas in (("Launcher", 1), ("Worker", workers)):
        if replicas is not None:
            container = {"name": "main", "image": "example/mpi:1"}
            template = {"spec": {"containers": [container]}}
            known = {"replicas": replicas, "template": template}
            roles[role] = {**known, **spec.pop(role, {})}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name},
        "spec": {**spec, "mpiReplicaSpecs": roles},
    }


@define
class Stage:
    """One namespace, and all that a test needs to play in it."""

    plane: ControlPlane
    nodes: Nodes
    folder: Path
    client: Client = field(init=False)
    namespace: str = field(init=False)
    _operators: list[Operator] = field(factory=list[Operator], init=False)
    _proxy: Proxy | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.client = self.plane.client()
        self.namespace = f"stage-{next(NUMBERS)}"
        body = {"metadata": {"name": self.namespace}}
        self.client.create("/api/v1/namespaces", body).expect(201)

    def close(self) -> None:
        """End what runs; the namespace goes, when the cluster gets to it."""
        for operator in self._operators:
            operator.end()
        if self._proxy is not None:
            self._proxy.stop()
        with contextlib.suppress(OSError):
            self.client.delete(f"/api/v1/namespaces/{self.namespace}")
        self.client.close()

    # --- Who plays --------------------------------------------------------------------

    @property
    def proxy(self) -> Proxy:
        """The proxy by which this test's operators come, once it is asked for."""
        if self._proxy is None:
            self._proxy = Proxy(self.plane.kubeconfig(), self.folder)
            self._proxy.start()
        return self._proxy

    @property
    def is_proxied(self) -> bool:
        """Whether the proxy was asked for."""
        return self._proxy is not None

    def operator(self, **flags: str) -> Operator:
        """Return an operator for the namespace, not started yet.

        It comes by the proxy where the test has one, and elects nobody unless told to.
        """
        folder = self.folder / f"operator-{len(self._operators)}"
        folder.mkdir()
        kubeconfig = self.plane.kubeconfig(USER)
        if self._proxy is not None:
            kubeconfig = self._proxy.kubeconfig_for(USER)
        words = {"namespace": self.namespace, "leader-elect": "false"}
        words |= {key.replace("_", "-"): value for key, value in flags.items()}
        operator = Operator(kubeconfig, folder, words)
        self._operators.append(operator)
        return operator

    def script(self, pattern: str, **habits: Any) -> None:  # noqa: ANN401 - of Habits.
        """Tell how the pods live whose name matches."""
        self.nodes.script(f"{self.namespace}/{pattern}", Habits(**habits))

    def key(self, name: str) -> str:
        """Return what the nodes call a pod of this namespace."""
        return f"{self.namespace}/{name}"

    # --- What is asked ----------------------------------------------------------------

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of a collection, or of one object in it."""
        return "/".join(filter(None, (COLLECTIONS[kind].format(self.namespace), name)))

    def submit(self, job: Mapping[str, Any]) -> Json:
        """Create an MPIJob."""
        return self.client.create(self.path("mpijobs"), job).expect(201)

    def run(self, job: Mapping[str, Any]) -> Operator:
        """Start an operator, create an MPIJob, and wait until that runs."""
        operator = self.operator()
        operator.start()
        self.submit(job)
        self.wait_for(job["metadata"]["name"], "Running")
        return operator

    def patch(self, name: str, **spec: Any) -> Json:  # noqa: ANN401 - JSON.
        """Change fields of an MPIJob's spec."""
        return self.client.merge(self.path("mpijobs", name), {"spec": spec}).expect(200)

    def suspend(self, name: str, *, suspend: bool = True) -> None:
        """Suspend a job, or resume it."""
        self.patch(name, runPolicy={"suspend": suspend})

    def get(self, kind: str, name: str) -> Json | None:
        """Return one object, None where there is none."""
        answer = self.client.get(self.path(kind, name))
        return None if answer.code == 404 else answer.expect(200)

    def all(self, kind: str) -> dict[str, Json]:
        """Return the objects of a kind by their names."""
        items: list[Json] = self.client.get(self.path(kind)).expect(200)["items"]
        return {item["metadata"]["name"]: item for item in items}

    def job(self, name: str) -> Json:
        """Return an MPIJob that must be there."""
        return self.client.get(self.path("mpijobs", name)).expect(200)

    def status(self, name: str) -> Json:
        """Return what is told of an MPIJob."""
        status: Json = self.job(name).get("status", {})
        return status

    def condition(self, name: str, type_: str) -> Json:
        """Return a condition of an MPIJob, empty where it has none."""
        conditions: list[Json] = self.status(name).get("conditions", [])
        found = [c for c in conditions if c["type"] == type_]
        return found[0] if found else {}

    def active(self, name: str) -> dict[str, int]:
        """Return the count of active pods by role."""
        counts: Json = self.status(name).get("replicaStatuses", {})
        return {role: count.get("active", 0) for role, count in counts.items()}

    def pods(self, name: str) -> dict[str, Json]:
        """Return the pods of a job that are not over, the launcher's as `launcher`."""
        found: dict[str, Json] = {}
        for pod_name, pod in self.all("pods").items():
            labels = pod["metadata"].get("labels", {})
            if labels.get("training.kubeflow.org/job-name") == name:
                is_launcher = labels["training.kubeflow.org/job-role"] == "launcher"
                found["launcher" if is_launcher else pod_name] = pod
        return found

    def events(self, name: str) -> list[str]:
        """Return the reasons of the Events about a job, in their order."""
        about = [e for e in self.all("events").values() if _is_about(e, name)]
        told = sorted(about, key=lambda e: e["eventTime"])
        return [event["reason"] for event in told if event.get("eventTime")]

    def made(self) -> Counter[str]:
        """Return how many objects its operators made by way of the proxy, by kind.

        Events aside, of which a crash may lose one.
        """
        created = (each.kind for each in self.proxy.writes() if each.code == 201)
        return Counter(kind for kind in created if kind != "events")

    # --- What is waited for -----------------------------------------------------------

    def wait(
        self, true: Callable[[], bool], what: str, timeout_s: float = SETTLE_S
    ) -> None:
        """Wait until the answer is yes; say how everything stood where it is not."""
        try:
            wait_until(true, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def has(self, name: str, type_: str, status: str = "True") -> bool:
        """Tell whether a condition of a job has that status."""
        return bool(self.condition(name, type_).get("status") == status)

    def wait_for(
        self,
        name: str,
        type_: str,
        status: str = "True",
        timeout_s: float = SETTLE_S,
    ) -> Json:
        """Wait until a condition of a job has that status; return it."""
        self.wait(
            lambda: self.has(name, type_, status),
            f"{name} is {type_}={status}",
            timeout_s,
        )
        return self.condition(name, type_)

    def wait_quiet(self) -> None:
        """Wait until nothing in the namespace has changed for a while."""
        seen, since = self._versions(), time.monotonic()
        deadline = since + SETTLE_S
        while time.monotonic() - since < QUIET_S:
            assert time.monotonic() < deadline, f"it never rests\n{self.told()}"
            time.sleep(QUIET_S / 5)
            if (now := self._versions()) != seen:
                seen, since = now, time.monotonic()

    def _versions(self) -> set[str]:
        return {
            value["metadata"]["resourceVersion"]
            for kind in COLLECTIONS
            for value in self.all(kind).values()
        }

    def told(self) -> str:
        """Return how everything stands, for a test that failed."""
        return "\n".join(self._told())

    def _told(self) -> Iterator[str]:
        for name, job in self.all("mpijobs").items():
            yield f"{name}: {job.get('status')}"
        for kind in ("pods", "jobs", "services", "configmaps", "secrets"):
            for name, value in self.all(kind).items():
                status = value.get("status", {})
                going = value["metadata"].get("deletionTimestamp", "")
                yield f"{kind} {name} {status.get('phase', '')} {going}"
        for operator in self._operators:
            yield f"{operator.log}: {operator.log.read_text('utf-8')[-20_000:]}"


def _is_about(event: Json, name: str) -> bool:
    regarding = event.get("regarding", {})
    return bool(regarding.get("kind") == "MPIJob" and regarding.get("name") == name)


def essence(stage: Stage, name: str) -> Json:
    """Return what two runs of one story must have in common, whatever befell them."""
    job = stage.get("mpijobs", name) or {}
    status: Json = job.get("status", {})
    others = ("jobs", "services", "configmaps", "secrets")
    counts: Json = status.get("replicaStatuses", {})
    return {
        "conditions": {
            c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", [])
        },
        "counts": {
            role: {key: value for key, value in count.items() if key != "selector"}
            for role, count in counts.items()
        },
        "times": sorted(key for key in status if key.endswith("Time")),
        "pods": sorted(
            (key.removeprefix(name), pod["status"]["phase"])
            for key, pod in stage.pods(name).items()
        ),
        "others": sorted(
            f"{kind} {key.removeprefix(name)}"
            for kind in others
            for key in stage.all(kind)
            if key.startswith(name)
        ),
    }
