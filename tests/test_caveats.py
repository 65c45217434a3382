# SPDX-License-Identifier: Apache-2.0
"""What is allowed and likely a mistake: warnings, which stop nothing."""

from typing import Any

import pytest

from mpijob.job import MPIJob
from mpijob.world import PriorityClass, Settings, World
from tests.builders import NOON, STARTED, a_job, a_template, answer, cases

ROLES = "spec.mpiReplicaSpecs"
LAUNCHER, WORKER = (f"{ROLES}.{role}.template" for role in ("Launcher", "Worker"))
CLEAN = "spec.runPolicy.cleanPodPolicy"
SLOTS = "spec.slotsPerWorker"
LEAST = "spec.runPolicy.schedulingPolicy.minAvailable"
VOLCANO = Settings(gang_scheduler="volcano")
RUNNING = {"cleanPodPolicy": "Running"}
WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}
WORKS: dict[str, Any] = {"runLauncherAsWorker": True}
QUEUED = {"kueue.x-k8s.io/queue-name": "q"}


def warnings(job: MPIJob, settings: Settings = Settings()) -> list[str]:
    world = World(NOON, settings, (PriorityClass("high", 1),))
    found = answer(job, world=world)
    assert not found.problems
    return [str(warning) for warning in found.warnings]


def a_role(main: dict[str, Any] | None = None, **spec: object) -> dict[str, Any]:
    return {"template": a_template(main or {}, **spec)}


LABELLED = {"template": {**a_template(), "metadata": {"labels": QUEUED}}}


def with_gpus(count: object, name: str = "nvidia.com/gpu") -> dict[str, Any]:
    return a_role({"resources": {"limits": {name: count, "cpu": 64}}})


def by_role(role: str, part: dict[str, Any]) -> dict[str, Any]:
    return {role.lower(): part}


def as_user(user: int, **pod: object) -> dict[str, Any]:
    return a_role(securityContext={"runAsUser": user, **pod})


def at_least(count: int) -> dict[str, Any]:
    return {"policy": {"schedulingPolicy": {"minAvailable": count}}}


KEPT = "is None: workers keep their nvidia.com/gpu after the job ended"
HELD = "is None: workers keep their nodes after Kueue gave their quota on"
NO_VOLUME = "is data, and no volume has that name"
LOST = "is lost, and there is no such PriorityClass"
BY_SSH = "is true: MPICH starts even the launcher's own ranks by ssh"
FS_GROUP = (
    "is 7, and the user is root: the kubelet lets the group read the private key,"
    " and ssh then refuses it"
)


@pytest.mark.rule("B1.8")
@cases("job, expected", {
    "restartPolicy in the launcher's template": (a_job(launcher=a_role(
        restartPolicy="Never")),
        (f"{LAUNCHER}.spec.restartPolicy is overridden by the restartPolicy of the"
        " replica spec")),
    "restartPolicy in the worker's template": (a_job(worker=a_role(
        restartPolicy="Never")),
        (f"{WORKER}.spec.restartPolicy is overridden by the restartPolicy of the"
        " replica spec")),
    "accelerators are kept": (a_job(worker=with_gpus(1)), f"{CLEAN} {KEPT}"),
    "nodes are kept from the queue": (a_job(metadata={"labels": QUEUED}),
        f"{CLEAN} {HELD}"),
    "more slots than accelerators": (a_job(worker=with_gpus("4"), policy=RUNNING,
        slotsPerWorker=5), f"{SLOTS} is 5, and a worker has 4 nvidia.com/gpu"),
    "no slots": (a_job(slotsPerWorker=0),
        f"{SLOTS} is 0: mpirun then decides by itself, or refuses to start"),
    "a mount without a volume": (a_job(launcher=a_role(initContainers=[{},
        {"volumeMounts": [{"name": "ssh-auth"}, {"name": "data"}]}])),
        f"{LAUNCHER}.spec.initContainers[1].volumeMounts[1].name {NO_VOLUME}"),
    "a worker's mount without a volume": (a_job(worker=a_role({"volumeMounts":
        [{"name": "data"}]}, volumes=[{"name": "other"}])),
        f"{WORKER}.spec.containers[0].volumeMounts[0].name {NO_VOLUME}"),
    "MPICH on the launcher": (a_job(mpiImplementation="MPICH", **WORKS),
        f"spec.runLauncherAsWorker {BY_SSH}"),
    "waits for workers that nobody probes": (a_job(**WAIT),
        (f"{WORKER}.spec.containers[0].readinessProbe is missing: a worker counts"
        " as Ready before its sshd answers")),
    "minAvailable without a gang": (a_job(workers=2, **at_least(4)),
        f"{LEAST} is 4, and 3 is the most that can be met"),
    "queue name in a template": (a_job(launcher={"template": {**a_template(),
        "metadata": {"labels": QUEUED}}}),
        (f"{LAUNCHER}.metadata.labels[kueue.x-k8s.io/queue-name] is dropped: the"
        " MPIJob is queued, not its pods")),
    "root with a group": (a_job(worker=as_user(0, fsGroup=7)),
        f"{WORKER}.spec.securityContext.fsGroup {FS_GROUP}"),
    "root by the image, with a group": (
        a_job(worker=a_role(securityContext={"fsGroup": 7})),
        f"{WORKER}.spec.securityContext.fsGroup {FS_GROUP}"),
    "root launcher with a group": (a_job(launcher=as_user(0, fsGroup=7)),
        f"{LAUNCHER}.spec.securityContext.fsGroup {FS_GROUP}"),
})  # fmt: skip
def test_a_likely_mistake_is_a_warning(job: MPIJob, expected: str) -> None:
    assert warnings(job) == [expected]


@pytest.mark.rule("B1.8", "B7.2", "B7.4")
@cases("job, expected", {
    "minAvailable after a scale-down": (a_job(workers=2, **at_least(4), status=STARTED),
        f"{LEAST} is 4, and 3 is the most that can be met"),
    "minAvailable while the launcher waits": (a_job(workers=2,
        worker=a_role({"readinessProbe": {"exec": {}}}), **at_least(3), **WAIT),
        f"{LEAST} is 3, and 2 is the most that can be met"),
    "the group's priority class is missing": (
        a_job(policy={"schedulingPolicy": {"priorityClass": "lost"}}),
        f"spec.runPolicy.schedulingPolicy.priorityClass {LOST}"),
    **{f"{role}'s priority class is missing": (a_job(**by_role(role,
        a_role(priorityClassName="lost"))),
        f"{ROLES}.{role}.template.spec.priorityClassName {LOST}")
        for role in ("Launcher", "Worker")},
})  # fmt: skip
def test_a_gang_has_warnings_of_its_own(job: MPIJob, expected: str) -> None:
    assert warnings(job, VOLCANO) == [expected]


@pytest.mark.rule("B1.8")
@cases("job", {
    "the least job": a_job(),
    "waits for nobody": a_job(workers=None, **WAIT),
    "another MPI on the launcher": a_job(**WORKS),
    "MPICH on workers alone": a_job(mpiImplementation="MPICH"),
    "cleaned up": a_job(worker=with_gpus(1), policy=RUNNING),
    "all": a_job(worker=with_gpus(1), policy={"cleanPodPolicy": "All"}),
    "queued": a_job(metadata={"labels": QUEUED}, policy=RUNNING),
    "the launcher's accelerators": a_job(launcher=with_gpus(1)),
    "no accelerator": a_job(worker=with_gpus(0)),
    "a count of garbage": a_job(worker=with_gpus("many")),
    "another container's accelerators": a_job(worker=a_role(containers=[
        {"name": "mpi"}, {"resources": {"limits": {"nvidia.com/gpu": 1}}}])),
    "a network card": a_job(worker=with_gpus(1, "rdma/hca")),
    "as many": a_job(worker=with_gpus(4), policy=RUNNING, slotsPerWorker=4),
    "ssh port": a_job(worker=a_role({"ports": [{"name": "ssh"}]}), **WAIT),
    "probed": a_job(worker=a_role({"readinessProbe": {"exec": {}}}), **WAIT),
    "a user with a group": a_job(worker=as_user(1000, fsGroup=7)),
    "a group, and another home": a_job(sshAuthMountPath="/keys",
        worker=a_role(securityContext={"fsGroup": 7})),
    "a mount of a volume": a_job(worker=a_role({"volumeMounts": [{"name": "data"}]},
        volumes=[{"name": "data"}])),
    "root without a group": a_job(worker=as_user(0)),
    "no gang": a_job(launcher=a_role(priorityClassName="lost")),
})  # fmt: skip
def test_what_is_usual_has_no_warning(job: MPIJob) -> None:
    assert warnings(job) == []


@pytest.mark.rule("B7.4")
@pytest.mark.parametrize("name", ["high", "system-node-critical"])
def test_a_priority_class_that_exists_has_no_warning(name: str) -> None:
    assert warnings(a_job(worker=a_role(priorityClassName=name)), VOLCANO) == []


def test_warnings_come_in_the_order_of_the_fields() -> None:
    job = a_job(
        worker=with_gpus(1), launcher=a_role(restartPolicy="Never"), slotsPerWorker=2
    )
    assert [w.split()[0] for w in warnings(job)] == [
        SLOTS,
        CLEAN,
        f"{LAUNCHER}.spec.restartPolicy",
    ]
