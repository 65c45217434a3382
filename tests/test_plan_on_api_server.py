# SPDX-License-Identifier: Apache-2.0
"""Plans, carried out on a real API server with a real Job controller.

The function, the planner and the executor are the shipped ones; a loop of a few lines
stands where the controller will be. There is no kubelet: the tests say what becomes of
the pods. Shown is what a fake would only imitate: that the guards are understood, and
that an object which the API server has filled with its defaults still is as planned.
"""

import contextlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import yaml
from attrs import evolve, field, frozen

import mpijob
import mpijob_crd
from mpijob.sightings import observed
from mpijob_operator.executor import Answer, End, start
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import CONTENT_TYPES, Request, Verb, filled
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NUMBERS: Final = itertools.count(1)
# A start takes two looks, a suspension five; nothing takes more.
LOOKS_MAX: Final = 12

Json = dict[str, Any]


@frozen
class Cluster:
    """One job in a namespace of its own, and the loop that serves it."""

    client: Client
    namespace: str
    sent: list[str] = field(factory=list[str])

    def path(self, kind: str, name: str = "") -> str:
        group = {"mpijobs": "kubeflow.org/v2beta1", "jobs": "batch/v1"}.get(kind, "v1")
        root = "apis" if "/" in group else "api"
        path = f"/{root}/{group}/namespaces/{self.namespace}/{kind}"
        return f"{path}/{name}" if name else path

    def job(self) -> Json:
        return self.client.get(self.path("mpijobs", "pi")).expect(200)

    def all(self, kind: str) -> list[Json]:
        """List a kind; the items of a list do not say theirs."""
        found = self.client.get(self.path(kind)).expect(200)
        what = {"apiVersion": found["apiVersion"]}
        what["kind"] = found["kind"].removesuffix("List")
        return [{**what, **item} for item in found["items"]]

    def look(self) -> mpijob.Plan:
        """Return what is left to do, everything read live."""
        job = mpijob.decode(self.job())
        kinds = ("pods", "jobs", "services", "configmaps", "secrets")
        seen = observed([item for kind in kinds for item in self.all(kind)], job)
        seen = evolve(seen, live=frozenset(mpijob.Live))
        answer = mpijob.reconcile(job, seen, mpijob.World(datetime.now(UTC)))
        assert not answer.needs
        return mpijob.plan(job, seen, answer)

    def carry_out(self, plan: mpijob.Plan) -> End:
        execution = start(mpijob.decode(self.job()), plan)
        while execution.end is None:
            for call in execution.ready():
                answer = self._send(call.request)
                execution = execution.answered(call.number, answer)
        assert not execution.troubles, execution.troubles
        return execution.end

    def _send(self, request: Request) -> Answer:
        ready = filled(request, key_pair=key_pair, now=_micro_time, instance="test")
        content = CONTENT_TYPES[request.verb] or "application/json"
        answer = self.client.request(
            request.verb.value,
            request.path,
            ready.body or None,
            content_type=content,
            **request.query,
        )
        if request.verb is not Verb.GET:
            self.sent.append(f"{request.verb.value} {request.ref.kind}")
        return Answer(answer.code, answer.body)

    def settle(self) -> None:
        """Look and act until nothing is left to do."""
        for _ in range(LOOKS_MAX):
            if not (plan := self.look()):
                return
            assert self.carry_out(plan) is End.DONE
        raise AssertionError(f"not quiet after {LOOKS_MAX} looks: {self.look()}")

    def eventually(self, what: str, *kinds: str) -> None:
        """Serve the job until its conditions are these, others' controllers at work."""

        def there() -> bool:
            self.settle()
            return set(self.true()) == set(kinds)

        wait_until(there, what)

    def until_no_job_is_left(self) -> None:
        """Serve the job until its launcher Job is gone, and what follows is done."""

        def gone() -> bool:
            self.settle()
            return not self.all("jobs")

        wait_until(gone, "the launcher Job is gone")
        self.settle()

    def true(self) -> list[str]:
        conditions: list[Json] = self.job()["status"]["conditions"]
        return [c["type"] for c in conditions if c["status"] == "True"]

    def pods_become(self, phase: str, role: str = "") -> None:
        for pod in self.all("pods"):
            if role in pod["metadata"]["labels"]["training.kubeflow.org/job-role"]:
                ready = {"type": "Ready", "status": str(phase == "Running")}
                status = {"phase": phase, "conditions": [ready]}
                path = f"{self.path('pods', pod['metadata']['name'])}/status"
                self.client.merge(path, {"status": status}).expect(200)

    def launcher_has_a_pod(self) -> bool:
        role = "training.kubeflow.org/job-role"
        return any(
            p["metadata"]["labels"][role] == "launcher" for p in self.all("pods")
        )


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    with contextlib.closing(control_plane.client()) as admin:
        crd: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
        admin.create(CRDS, crd).expect(201, 409)
        served = "/apis/kubeflow.org/v2beta1/mpijobs"
        wait_until(lambda: admin.get(served).code == 200, "the CRD is served")
        control_plane.start_controllers()
        yield admin


@pytest.fixture
def cluster(client: Client) -> Iterator[Cluster]:
    name = f"plan-{next(NUMBERS)}"
    namespace = {"metadata": {"name": name}}
    client.create("/api/v1/namespaces", namespace).expect(201)
    made = Cluster(client, name)
    yield made
    client.delete(f"/api/v1/namespaces/{name}")


def manifest(**run_policy: object) -> Json:
    def replica(replicas: int, command: list[str]) -> Json:
        container = {"name": "mpi", "image": "example/mpi:1", "command": command}
        template = {"spec": {"containers": [container]}}
        return {"replicas": replicas, "template": template}

    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {
            "runPolicy": run_policy,
            "mpiReplicaSpecs": {
                "Launcher": replica(1, ["mpirun", "/opt/app"]),
                "Worker": replica(2, ["/usr/sbin/sshd", "-De"]),
            },
        },
    }


@pytest.mark.rule("B4.4", "B8.7")
def test_what_the_server_filled_in_is_still_as_planned(cluster: Cluster) -> None:
    cluster.client.create(cluster.path("mpijobs"), manifest()).expect(201)
    cluster.settle()
    wait_until(cluster.launcher_has_a_pod, "the Job controller made a pod")
    cluster.pods_become("Running")
    cluster.settle()
    before = len(cluster.sent)
    cluster.settle()
    assert cluster.sent[before:] == []
    assert set(cluster.true()) == {"Created", "Running"}


@pytest.mark.rule("B4.5", "B4.6", "B5.2", "B5.5", "B6.1")
def test_a_job_lives_is_suspended_goes_on_and_succeeds(cluster: Cluster) -> None:
    job = manifest(cleanPodPolicy="Running")
    cluster.client.create(cluster.path("mpijobs"), job).expect(201)
    cluster.settle()
    wait_until(cluster.launcher_has_a_pod, "the Job controller made a pod")
    cluster.pods_become("Running")
    cluster.eventually("running", "Created", "Running")

    suspend = {"spec": {"runPolicy": {"suspend": True}}}
    cluster.client.merge(cluster.path("mpijobs", "pi"), suspend).expect(200)
    cluster.eventually("suspended", "Created", "Suspended")
    cluster.until_no_job_is_left()
    assert cluster.all("pods") == []
    assert "startTime" not in cluster.job()["status"]
    active = cluster.job()["status"]["replicaStatuses"]["Worker"].get("active", 0)
    assert active == 0

    resume = {"spec": {"runPolicy": {"suspend": False}}}
    cluster.client.merge(cluster.path("mpijobs", "pi"), resume).expect(200)
    cluster.settle()
    wait_until(cluster.launcher_has_a_pod, "the Job controller made a pod")
    cluster.pods_become("Running")
    cluster.eventually("running again", "Created", "Running")

    cluster.pods_become("Succeeded", "launcher")
    cluster.eventually("succeeded", "Created", "Succeeded")
    roles = [p["metadata"]["name"].split("-")[1] for p in cluster.all("pods")]
    assert roles == ["launcher"]


@pytest.mark.rule("B5.3", "B4.9")
def test_a_failed_worker_is_numbered_counted_and_replaced(cluster: Cluster) -> None:
    cluster.client.create(cluster.path("mpijobs"), manifest()).expect(201)
    cluster.settle()
    first = {p["metadata"]["name"]: p["metadata"]["uid"] for p in cluster.all("pods")}
    status = {"phase": "Failed"}
    path = f"{cluster.path('pods', 'pi-worker-1')}/status"
    cluster.client.merge(path, {"status": status}).expect(200)
    cluster.settle()
    after = {p["metadata"]["name"]: p["metadata"]["uid"] for p in cluster.all("pods")}
    assert after["pi-worker-0"] == first["pi-worker-0"]
    assert after["pi-worker-1"] != first["pi-worker-1"]
    assert cluster.job()["status"]["replicaStatuses"]["Worker"]["failed"] == 1


@pytest.mark.rule("B8.1")
def test_a_stranger_of_our_name_is_left_alone(cluster: Cluster) -> None:
    stranger = {"metadata": {"name": "pi"}, "spec": {"ports": [{"port": 80}]}}
    made = cluster.client.create(cluster.path("services"), stranger).expect(201)
    cluster.client.create(cluster.path("mpijobs"), manifest()).expect(201)
    cluster.settle()
    service = cluster.client.get(cluster.path("services", "pi")).expect(200)
    assert service["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert cluster.all("pods") == []
    assert "Blocked" in cluster.true()
    cluster.client.delete(cluster.path("services", "pi")).expect(200)
    cluster.settle()
    assert "Blocked" not in cluster.true()
    assert (
        len([p for p in cluster.all("pods") if "worker" in p["metadata"]["name"]]) == 2
    )


@pytest.mark.rule("B5.6")
def test_the_job_goes_when_its_ttl_is_over(cluster: Cluster) -> None:
    job = manifest(ttlSecondsAfterFinished=0)
    cluster.client.create(cluster.path("mpijobs"), job).expect(201)
    cluster.settle()
    wait_until(cluster.launcher_has_a_pod, "the Job controller made a pod")
    cluster.pods_become("Succeeded")

    def gone() -> bool:
        answer = cluster.client.get(cluster.path("mpijobs", "pi"))
        if answer.code == 200:
            cluster.carry_out(cluster.look())
        return answer.code == 404

    wait_until(gone, "the MPIJob is deleted")
    wait_until(lambda: not cluster.all("jobs"), "the Job is collected")
