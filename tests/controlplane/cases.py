# SPDX-License-Identifier: Apache-2.0
"""Jobs that the CRD takes or refuses, offline as by an API server."""

import copy
import functools
import json
from pathlib import Path
from typing import Any, Final, cast

from mpijob_operator import kubectl_yaml

CORPUS: Final = sorted((Path(__file__).parents[1] / "corpus").glob("*/mpijob.yaml"))

# Broken in ways that the CRD leaves to the operator: they walk a pod template, or need
# a setting.
PASSED_ON: Final = {
    "invalid-min-available-too-many",
    "invalid-mount-collision",
    "invalid-volume-name-collision",
}


@functools.cache
def corpus_job(path: Path) -> dict[str, Any]:
    """Return the manifest, read as kubectl reads it."""
    found: Any = kubectl_yaml.value_of(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return cast("dict[str, Any]", found)


def is_valid(path: Path) -> bool:
    """Return what the corpus says of the job."""
    case = json.loads(path.with_name("case.json").read_bytes())
    return bool(case["valid"])


def job(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - Good and bad values.
    containers = [{"name": "main", "image": "example/mpi:1"}]
    replica = {"template": {"spec": {"containers": containers}}}
    replicas = {"Launcher": replica, "Worker": {**replica, "replicas": 2}}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {"mpiReplicaSpecs": copy.deepcopy(replicas), **spec},
    }


def with_role(role: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - The same.
    found = job()
    found["spec"]["mpiReplicaSpecs"].setdefault(role, {}).update(fields)
    return found


def without(role: str) -> dict[str, Any]:
    found = job()
    del found["spec"]["mpiReplicaSpecs"][role]
    return found


def named(name: str, workers: int | None = 1) -> dict[str, Any]:
    found = (
        without("Worker") if workers is None else with_role("Worker", replicas=workers)
    )
    return {**found, "metadata": {"name": name}}


def policy(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - The same.
    return job(runPolicy=fields)


def scheduling(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - The same.
    return policy(schedulingPolicy=fields)


ACCEPTED: Final[dict[str, dict[str, Any]]] = {
    "the least": job(),
    "no Worker": without("Worker"),
    "empty words mean the default": {
        **job(
            launcherCreationPolicy="",
            mpiImplementation="",
            sshAuthMountPath="",
            runPolicy={"cleanPodPolicy": ""},
        )
    },
    "an empty restartPolicy": with_role("Launcher", restartPolicy=""),
    "no restart": with_role("Launcher", restartPolicy="Never"),
    "restart by exit code": with_role("Launcher", restartPolicy="ExitCode"),
    "workers that always restart": with_role("Worker", restartPolicy="Always"),
    "one launcher, said aloud": with_role("Launcher", replicas=1),
    "no slots": job(slotsPerWorker=0),
    "ended at once": policy(ttlSecondsAfterFinished=0, activeDeadlineSeconds=0),
    "no retry": policy(backoffLimit=0),
    "managed by Kueue": policy(managedBy="kueue.x-k8s.io/multikueue"),
    "managed by us": policy(managedBy="kubeflow.org/mpi-operator"),
    "one pod suffices": scheduling(minAvailable=1, scheduleTimeoutSeconds=0),
    "resources as numbers and text": scheduling(
        minResources={"cpu": 1, "memory": "1Gi"}
    ),
    "a home of one's own": job(sshAuthMountPath="/home/mpiuser/.ssh/"),
    "a neighbour of /etc/mpi": job(sshAuthMountPath="/etc/mpi-ssh"),
    "a name that just fits": named("a" * 54),
    "a name that just fits ten workers": named("a" * 54, 10),
    "a name that just fits eleven workers": named("a" * 53, 11),
    "a name that just fits no worker": named("a" * 54, None),
    "digits and dashes in a name": named("a-1-b"),
}
REFUSED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no Launcher": (
        without("Launcher"),
        "Launcher is missing",
    ),
    "two launchers": (with_role("Launcher", replicas=2), "must have 1 replica"),
    "no launcher replica": (with_role("Launcher", replicas=0), "Launcher.replicas"),
    "no worker replica": (with_role("Worker", replicas=0), "Worker.replicas"),
    "another replica type": (
        with_role("Master", **job()["spec"]["mpiReplicaSpecs"]["Worker"]),
        "takes only Launcher and Worker",
    ),
    "a launcher that always restarts": (
        with_role("Launcher", restartPolicy="Always"),
        "mpiReplicaSpecs.Launcher.restartPolicy",
    ),
    "an unknown restartPolicy": (
        with_role("Worker", restartPolicy="Sometimes"),
        "Worker.restartPolicy",
    ),
    "no template": (
        {**job(mpiReplicaSpecs={"Launcher": {}})},
        "mpiReplicaSpecs.Launcher.template",
    ),
    "no container": (
        with_role("Worker", template={"spec": {"containers": []}}),
        "template.spec.containers",
    ),
    "no spec": ({**job(), "spec": None}, "spec is missing"),
    "an unknown launcherCreationPolicy": (
        job(launcherCreationPolicy="Later"),
        "launcherCreationPolicy",
    ),
    "an unknown MPI": (job(mpiImplementation="LAM"), "mpiImplementation"),
    "an unknown cleanPodPolicy": (policy(cleanPodPolicy="Some"), "cleanPodPolicy"),
    "an unknown manager": (policy(managedBy="example.com/other"), "managedBy"),
    "an empty manager": (policy(managedBy=""), "managedBy"),
    "negative slots": (job(slotsPerWorker=-1), "slotsPerWorker"),
    "a negative ttl": (policy(ttlSecondsAfterFinished=-1), "ttlSecondsAfterFinished"),
    "a negative deadline": (policy(activeDeadlineSeconds=-1), "activeDeadlineSeconds"),
    "a negative backoff": (policy(backoffLimit=-1), "backoffLimit"),
    "no pod suffices": (scheduling(minAvailable=0), "minAvailable"),
    "a negative wait": (
        scheduling(scheduleTimeoutSeconds=-1),
        "scheduleTimeoutSeconds",
    ),
    "resources in words": (scheduling(minResources={"cpu": "lots"}), "minResources"),
    "a relative path": (job(sshAuthMountPath=".ssh"), "absolute path"),
    "the root": (job(sshAuthMountPath="//"), "absolute path"),
    "the hostfile's place": (job(sshAuthMountPath="/etc/mpi"), "hostfile"),
    "the hostfile's place, with a slash": (
        job(sshAuthMountPath="/etc/mpi/"),
        "hostfile",
    ),
    "a digit first": (named("3d"), "start with a letter"),
    "a dot in the name": (named("a.b"), "start with a letter"),
    "a name too long": (named("a" * 55), "too long"),
    "a name too long for eleven workers": (named("a" * 54, 11), "too long"),
    "a name too long for no worker": (named("a" * 55, None), "too long"),
    "a number that no int32 holds": (job(slotsPerWorker=2**31), "slotsPerWorker"),
    "a number that no int64 holds": (
        policy(activeDeadlineSeconds=2**64),
        "activeDeadlineSeconds",
    ),
    "a template's number that no int32 holds": (
        with_role(
            "Worker",
            template={"spec": {"containers": [{"name": "m"}], "priority": 2**31}},
        ),
        "template.spec.priority",
    ),
}


OURS: Final = "kubeflow.org/mpi-operator"
KUEUE: Final = "kueue.x-k8s.io/multikueue"
LONG: Final = "a" * 54
CHANGES: Final[dict[str, tuple[dict[str, Any], dict[str, Any], str]]] = {
    "a manager is named": (policy(), policy(managedBy=KUEUE), ""),
    "a manager stays": (
        policy(managedBy=KUEUE),
        policy(managedBy=KUEUE, suspend=True),
        "",
    ),
    "the manager changes": (
        policy(managedBy=KUEUE),
        policy(managedBy=OURS),
        "managedBy",
    ),
    "the manager goes": (policy(managedBy=KUEUE), policy(), "managedBy"),
    "the manager goes with its policy": (policy(managedBy=KUEUE), job(), "managedBy"),
    "workers for whom the name is too long": (
        named(LONG, 10),
        named(LONG, 11),
        "too long",
    ),
    "fewer workers": (named(LONG, 10), named(LONG, 9), ""),
    "fewer workers, still too many": (named(LONG, 30), named(LONG, 20), ""),
    "an old name": (named("3d", 1), named("3d", 2), ""),
    "the status of an old name": (
        named("a" * 60),
        {**named("a" * 60), "status": {"observedGeneration": 1}},
        "",
    ),
    "the status of an old mistake": (
        with_role("Launcher", restartPolicy="Always"),
        {
            **with_role("Launcher", restartPolicy="Always"),
            "status": {"observedGeneration": 1},
        },
        "",
    ),
}
