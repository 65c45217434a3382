# SPDX-License-Identifier: Apache-2.0
"""Between JSON and our types: each field by its own name, and garbage as problems."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from mpijob import decode, encode_status
from mpijob.job import (
    CleanPodPolicy,
    LauncherCreationPolicy,
    MPIImplementation,
    MPIJob,
    ReplicaSpec,
    RestartPolicy,
    RunPolicy,
    SchedulingPolicy,
)
from mpijob.problems import Problem
from mpijob.status import Condition, JobStatus, ReplicaStatus
from mpijob.wire import decode_status, text_of_time, time_of
from tests.builders import a_manifest, a_template, at, cases

TEMPLATE = a_template()


EVERY_POLICY: dict[str, Any] = {
    "cleanPodPolicy": "All",
    "ttlSecondsAfterFinished": 1,
    "activeDeadlineSeconds": 2,
    "backoffLimit": 3,
    "suspend": True,
    "managedBy": "kueue.x-k8s.io/multikueue",
    "schedulingPolicy": {
        "minAvailable": 4,
        "queue": "q",
        "minResources": {"cpu": "5"},
        "priorityClass": "high",
        "scheduleTimeoutSeconds": 6,
    },
}
EVERY_METADATA: dict[str, Any] = {
    "generation": 8,
    "creationTimestamp": "2030-01-01T11:59:00Z",
    "deletionTimestamp": "2030-01-01T12:00:00Z",
    "annotations": {"a": "b", "odd": 1},
    "labels": {"c": "d"},
}
EVERYTHING = a_manifest(
    workers=9,
    launcher={"replicas": 2, "restartPolicy": "ExitCode"},
    worker={"restartPolicy": "Always"},
    policy=EVERY_POLICY,
    metadata=EVERY_METADATA,
    slotsPerWorker=7,
    runLauncherAsWorker=True,
    sshAuthMountPath="/home/mpi/.ssh",
    launcherCreationPolicy="WaitForWorkersReady",
    mpiImplementation="MPICH",
)


@pytest.mark.rule("B1.1")
def test_every_field_of_the_spec_is_read() -> None:
    assert decode(EVERYTHING) == MPIJob(
        name="pi",
        namespace="hpc",
        launcher=ReplicaSpec(TEMPLATE, RestartPolicy.EXIT_CODE, 2),
        worker=ReplicaSpec(TEMPLATE, RestartPolicy.ALWAYS, 9),
        slots_per_worker=7,
        run_launcher_as_worker=True,
        ssh_auth_mount_path="/home/mpi/.ssh",
        launcher_creation_policy=LauncherCreationPolicy.WAIT_FOR_WORKERS_READY,
        mpi_implementation=MPIImplementation.MPICH,
        run_policy=RunPolicy(
            clean_pod_policy=CleanPodPolicy.ALL,
            ttl_seconds_after_finished=1,
            active_deadline_seconds=2,
            backoff_limit=3,
            suspend=True,
            managed_by="kueue.x-k8s.io/multikueue",
            scheduling_policy=SchedulingPolicy(4, "q", {"cpu": "5"}, "high", 6),
        ),
        uid="job",
        resource_version="7",
        generation=8,
        created=at(-60),
        terminating=True,
        annotations={"a": "b"},
        labels={"c": "d"},
    )


EMPTY: dict[str, Any] = {
    "slotsPerWorker": None,
    "sshAuthMountPath": "",
    "launcherCreationPolicy": "",
    "mpiImplementation": "",
    "runPolicy": {"cleanPodPolicy": "", "managedBy": "", "schedulingPolicy": {}},
}
NULLS: dict[str, Any] = {
    "runLauncherAsWorker": None,
    "sshAuthMountPath": None,
    "mpiImplementation": None,
    "runPolicy": None,
}


@pytest.mark.rule("B1.3")
@cases("spec, role", {
    "absent": ({}, {}),
    "empty": (EMPTY, {"restartPolicy": ""}),
    "null": (NULLS, {"restartPolicy": None, "replicas": None}),
})  # fmt: skip
def test_what_is_left_unsaid_has_the_default(
    spec: dict[str, Any], role: dict[str, Any]
) -> None:
    replica = {"template": TEMPLATE, **role}
    roles = {"Launcher": replica, "Worker": replica}
    job = decode(
        {"metadata": {"name": "pi"}, "spec": {"mpiReplicaSpecs": roles, **spec}}
    )
    assert job == MPIJob(
        name="pi",
        namespace="default",
        launcher=ReplicaSpec(TEMPLATE, RestartPolicy.ON_FAILURE, 1),
        worker=ReplicaSpec(TEMPLATE, RestartPolicy.NEVER, 1),
        slots_per_worker=1,
        run_launcher_as_worker=False,
        ssh_auth_mount_path="/root/.ssh",
        launcher_creation_policy=LauncherCreationPolicy.AT_STARTUP,
        mpi_implementation=MPIImplementation.OPEN_MPI,
        run_policy=RunPolicy(CleanPodPolicy.NONE, None, None, None, suspend=False),
    )
    assert job.backoff_limit == 6


@pytest.mark.rule("B1.3")
@pytest.mark.parametrize("roles", [{}, {"Worker": None}])
def test_the_worker_may_be_absent(roles: dict[str, Any]) -> None:
    replicas = {"Launcher": {"template": TEMPLATE}, **roles}
    job = decode({"spec": {"mpiReplicaSpecs": replicas}})
    assert (job.worker, job.workers, job.malformed) == (None, 0, ())


def test_a_count_that_makes_no_sense_counts_as_the_least() -> None:
    assert decode(a_manifest(workers=-3)).workers == 0
    assert decode(a_manifest(policy={"backoffLimit": -1})).backoff_limit == 6
    assert decode(a_manifest(policy={"backoffLimit": 0})).backoff_limit == 0


@pytest.mark.rule("B1.4")
def test_a_template_is_the_very_object_that_was_given() -> None:
    template: dict[str, Any] = {
        "spec": {"zeta": 1, "alpha": {"future": [None]}, "containers": []}
    }
    job = decode(a_manifest(launcher={"template": template}))
    assert job.launcher is not None
    assert job.launcher.template is template


def beside(role: str, value: object) -> dict[str, Any]:
    manifest = a_manifest()
    manifest["spec"]["mpiReplicaSpecs"][role] = value
    return manifest


SPEC, ROLES = "spec", "spec.mpiReplicaSpecs"
POLICY = "spec.runPolicy"
SCHEDULING = f"{POLICY}.schedulingPolicy"
IMPLEMENTATIONS = "must be one of OpenMPI, Intel, MPICH"


@pytest.mark.rule("B1.5", "B8.4")
@pytest.mark.parametrize(("manifest", "path", "message", "hint"), [
    ({"spec": {}}, ROLES, "is missing, and must name a Launcher", ""),
    ({"spec": {"mpiReplicaSpecs": []}}, ROLES, "is a list, and must be an object", ""),
    (a_manifest(slotsPerWorker="1"), f"{SPEC}.slotsPerWorker",
        "is a string, and must be an integer", ""),
    (a_manifest(slotsPerWorker=True), f"{SPEC}.slotsPerWorker",
        "is a boolean, and must be an integer", ""),
    (a_manifest(slotsPerWorker=1.5), f"{SPEC}.slotsPerWorker",
        "is a number, and must be an integer", ""),
    (a_manifest(runLauncherAsWorker="yes"), f"{SPEC}.runLauncherAsWorker",
        "is a string, and must be true or false", ""),
    (a_manifest(runLauncherAsWorker=1), f"{SPEC}.runLauncherAsWorker",
        "is an integer, and must be true or false", ""),
    (a_manifest(sshAuthMountPath={}), f"{SPEC}.sshAuthMountPath",
        "is an object, and must be a string", ""),
    (a_manifest(mpiImplementation=object()), f"{SPEC}.mpiImplementation",
        "is something else, and must be a string", ""),
    (a_manifest(mpiImplementation="LAM"), f"{SPEC}.mpiImplementation",
        f"is 'LAM', and {IMPLEMENTATIONS}", ""),
    (a_manifest(mpiImplementation="openmpi"), f"{SPEC}.mpiImplementation",
        f"is 'openmpi', and {IMPLEMENTATIONS}",
        "write OpenMPI: upper and lower case count"),
    (a_manifest(launcherCreationPolicy="x" * 99), f"{SPEC}.launcherCreationPolicy",
        f"is '{'x' * 79}, and must be one of AtStartup, WaitForWorkersReady", ""),
    (a_manifest(policy={"cleanPodPolicy": "Never"}), f"{POLICY}.cleanPodPolicy",
        "is 'Never', and must be one of None, Running, All", ""),
    (a_manifest(policy={"schedulingPolicy": {"minAvailable": "2"}}),
        f"{SCHEDULING}.minAvailable", "is a string, and must be an integer", ""),
    (a_manifest(policy={"schedulingPolicy": {"minResources": "cpu"}}),
        f"{SCHEDULING}.minResources", "is a string, and must be an object", ""),
    (a_manifest(worker={"restartPolicy": "Sometimes"}), f"{ROLES}.Worker.restartPolicy",
        "is 'Sometimes', and must be one of Never, OnFailure, Always, ExitCode", ""),
    (a_manifest(launcher={"template": None, "replicas": []}),
        f"{ROLES}.Launcher.replicas", "is a list, and must be an integer", ""),
    (beside("Launcher", 1), f"{ROLES}.Launcher", "is an integer, and must be an object",
        ""),
    (beside("worker", {}), f"{ROLES}.worker",
        "is no replica type; there are Launcher and Worker", "write Worker"),
    (beside("Master", {}), f"{ROLES}.Master",
        "is no replica type; there are Launcher and Worker", ""),
])  # fmt: skip
def test_what_cannot_be_read_is_a_problem(
    manifest: dict[str, Any], path: str, message: str, hint: str
) -> None:
    assert decode(manifest).malformed == (Problem(path, message, hint),)


@pytest.mark.rule("B1.5")
def test_all_that_cannot_be_read_is_told_at_once() -> None:
    manifest = a_manifest(slotsPerWorker="1", policy={"suspend": "no"})
    paths = [problem.path for problem in decode(manifest).malformed]
    assert sorted(paths) == ["spec.runPolicy.suspend", "spec.slotsPerWorker"]
    assert [p.path for p in decode({"spec": 1}).malformed] == [SPEC, ROLES]


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_an_object_without_metadata_is_read_all_the_same(value: object) -> None:
    job = decode({"metadata": value, "status": value})
    assert (job.name, job.namespace, job.uid, job.generation) == ("", "default", "", 1)
    assert not job.terminating
    assert job.status == JobStatus()


# --- Status -------------------------------------------------------------------

# fmt: off
STATUS: dict[str, Any] = {
    "lastReconcileTime": "2030-01-01T11:00:00Z",
    "conditions": [{"type": "Created", "status": "True", "reason": "MPIJobCreated",
        "message": "made", "lastUpdateTime": "2030-01-01T12:00:00Z",
        "lastTransitionTime": "2030-01-01T11:59:00Z"}, {"type": "Running",
        "status": "False", "reason": "", "message": ""}],
    "replicaStatuses": {"Launcher": {"active": 1, "selector": "a=b"},
        "Worker": {"active": 4, "succeeded": 2, "failed": 3}},
    "startTime": "2030-01-01T12:00:01Z",
    "completionTime": "2030-01-01T12:00:02Z",
    "observedGeneration": 2,
}
# fmt: on


@pytest.mark.rule("B1.2")
def test_the_status_is_upstreams() -> None:
    created = Condition("Created", "True", "MPIJobCreated", "made", at(0), at(-60))
    assert decode_status(STATUS) == JobStatus(
        conditions=(created, Condition("Running", "False")),
        launcher=ReplicaStatus(1, selector="a=b"),
        worker=ReplicaStatus(4, 2, 3),
        start_time=at(1),
        completion_time=at(2),
        observed_generation=2,
        other={"lastReconcileTime": "2030-01-01T11:00:00Z"},
    )


@pytest.mark.rule("B1.2")
def test_what_is_decoded_is_encoded_again() -> None:
    assert encode_status(decode_status(STATUS)) == STATUS
    assert encode_status(decode_status({})) == {}
    assert encode_status(JobStatus(observed_generation=0)) == {"observedGeneration": 0}


@pytest.mark.rule("B1.2")
def test_counts_of_nothing_are_written_as_empty() -> None:
    status = JobStatus(worker=ReplicaStatus())
    assert encode_status(status) == {"replicaStatuses": {"Worker": {}}}


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize(("status", "expected"), [
    ({"conditions": {}}, JobStatus()),
    ({"conditions": [1, {}, {"type": 2}]}, JobStatus()),
    ({"conditions": [{"type": "A"}, {"type": "A", "status": "True"}]},
        JobStatus((Condition("A", "Unknown"),))),
    ({"replicaStatuses": []}, JobStatus()),
    ({"replicaStatuses": {"Worker": []}}, JobStatus()),
    ({"replicaStatuses": {"Worker": {"active": -1, "failed": True}}},
        JobStatus(worker=ReplicaStatus())),
    ({"startTime": 5, "completionTime": "soon"}, JobStatus()),
    ({"observedGeneration": "1"}, JobStatus()),
])  # fmt: skip
def test_garbage_in_the_status_counts_as_not_written(
    status: dict[str, Any], expected: JobStatus
) -> None:
    assert evolve(decode_status(status), other={}) == expected


@pytest.mark.parametrize(("text", "time"), [
    ("2030-01-01T12:00:00Z", at(0)),
    ("2030-01-01T14:00:00+02:00", at(0)),
    ("2030-01-01T12:00:00", at(0)),
    ("2030-01-01T12:00:00.5Z", at(0.5)),
    ("noon", None),
    ("", None),
    (None, None),
    (12, None),
])  # fmt: skip
def test_times_are_aware_or_none(text: object, time: datetime | None) -> None:
    assert time_of(text) == time
    assert time is None or (time_of(text) or time).tzinfo is not None


def test_a_time_is_written_in_utc_and_whole_seconds() -> None:
    assert text_of_time(at(0.9)) == "2030-01-01T12:00:00Z"
    assert text_of_time(datetime(2030, 1, 1, 1, tzinfo=UTC)) == "2030-01-01T01:00:00Z"
