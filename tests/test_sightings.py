# SPDX-License-Identifier: Apache-2.0
"""From the JSON of a cluster to the fields that we decide by; garbage says nothing."""

from typing import Any

import pytest

from mpijob import Observed
from mpijob.names import Ref
from mpijob.observed import (
    NOBODY,
    Ended,
    JobCondition,
    LauncherJob,
    Owner,
    Pod,
    Thing,
    Unreadable,
)
from mpijob.sightings import launcher_job, observed, owner, pod, thing, unreadable
from tests.builders import OURS, a_job, at, cases

CONTROLLER = {"kind": "MPIJob", "name": "pi", "uid": "job", "controller": True}


def an_object(kind: str, name: str = "pi", **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    metadata = {"name": name, "namespace": "hpc", **parts.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **parts}


METADATA: dict[str, Any] = {
    "uid": "u",
    "resourceVersion": "5",
    "labels": {"a": "b", "training.kubeflow.org/job-name": "pi"},
    "annotations": {
        "training.kubeflow.org/failure": "3",
        "training.kubeflow.org/template-hash": "cafe",
    },
    "creationTimestamp": "2030-01-01T12:00:00Z",
    "deletionTimestamp": "2030-01-01T12:00:00Z",
    "ownerReferences": [{"kind": "Node", "uid": "x"}, CONTROLLER],
}
TERMINATED = {
    "exitCode": 137,
    "signal": 9,
    "reason": "OOMKilled",
    "message": "out",
    "startedAt": "2030-01-01T12:00:00Z",
    "finishedAt": "2030-01-01T12:00:05Z",
}
DONE = {"exitCode": 0}
# fmt: off
STATUS: dict[str, Any] = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "no memory",
    "startTime": "2030-01-01T12:00:01Z",
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "DisruptionTarget",
        "status": "True"}],
    "initContainerStatuses": [{"name": "mpi",
        "state": {"terminated": {"exitCode": 0}}}],
    "containerStatuses": [{"name": "log", "state": {"running": {}}}, {"name": "mpi",
        "state": {"terminated": TERMINATED}}],
}
# fmt: on
SPEC: dict[str, Any] = {
    "nodeName": "n7",
    "containers": [{"name": "mpi"}, {"name": "log"}],
}


@pytest.mark.rule("B4.8", "B4.9", "B5.3")
def test_a_pod_is_read_by_the_fields_that_decide() -> None:
    value = an_object("Pod", "pi-worker-1", metadata=METADATA, status=STATUS, spec=SPEC)
    assert pod(value) == Pod(
        name="pi-worker-1",
        uid="u",
        resource_version="5",
        owner=OURS,
        labels=METADATA["labels"],
        phase="Failed",
        ready=True,
        terminating=True,
        disrupted=True,
        reason="Evicted",
        message="no memory",
        node="n7",
        created=at(0),
        start_time=at(1),
        ended=(
            Ended("mpi", exit_code=0),
            Ended(
                "mpi",
                main=True,
                exit_code=137,
                signal=9,
                reason="OOMKilled",
                message="out",
                started_at=at(0),
                finished_at=at(5),
            ),
        ),
        failure=3,
        template_hash="cafe",
    )


def test_a_bare_pod_is_pending() -> None:
    assert pod(an_object("Pod", "x")) == Pod("x", phase="Pending")


def test_how_containers_ended_matters_only_when_the_pod_failed() -> None:
    running = {**STATUS, "phase": "Running"}
    assert pod(an_object("Pod", "x", status=running, spec=SPEC)).ended == ()


@pytest.mark.rule("B4.9")
@pytest.mark.parametrize(("text", "number"), [
    ("0", 0),
    ("12", 12),
    ("123456789", 123456789),
    *((text, None) for text in ("1234567890", "-1", "1.0", "", "x", "²")),
])  # fmt: skip
def test_the_number_of_a_failure_is_a_small_count(
    text: str, number: int | None
) -> None:
    metadata = {"annotations": {"training.kubeflow.org/failure": text}}
    assert pod(an_object("Pod", "x", metadata=metadata)).failure == number


JOB_NAME = {"training.kubeflow.org/job-name": "pi"}
POD_GROUP = {"scheduling.x-k8s.io/pod-group": "pi"}


@pytest.mark.rule("B7.7")
@cases("labels, annotations, spec, scheduler", {
    "no gang": (JOB_NAME, {}, {"schedulerName": "x"}, ""),
    "volcano": (JOB_NAME, {"scheduling.k8s.io/group-name": "pi"}, {}, "volcano"),
    "another volcano group": (JOB_NAME, {"scheduling.k8s.io/group-name": "other"}, {},
        ""),
    "plugins": ({**JOB_NAME, **POD_GROUP}, {}, {"schedulerName": "sp"}, "sp"),
    "plugins without name": ({**JOB_NAME, **POD_GROUP}, {}, {}, ""),
    "kubernetes": (JOB_NAME, {}, {"schedulingGroup": {"podGroupName": "pi"}},
        "kubernetes"),
    "no pod of a job": (POD_GROUP, {}, {"schedulerName": "sp"}, ""),
})  # fmt: skip
def test_a_pod_tells_which_gang_scheduler_it_was_made_for(
    labels: dict[str, Any],
    annotations: dict[str, Any],
    spec: dict[str, Any],
    scheduler: str,
) -> None:
    metadata = {"labels": labels, "annotations": annotations}
    value = an_object("Pod", "x", metadata=metadata, spec=spec)
    assert pod(value).scheduler == scheduler


JOB_CONDITIONS = [
    {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "words",
        "lastTransitionTime": "2030-01-01T12:00:00Z",
    },
    {"type": "Complete", "status": "False"},
    {"type": "Suspended", "status": "True"},
]


@pytest.mark.rule("B5.2")
def test_a_launcher_job_is_read_by_the_fields_that_decide() -> None:
    template = {"metadata": {"annotations": METADATA["annotations"]}}
    status = {
        "conditions": JOB_CONDITIONS,
        "succeeded": 1,
        "failed": 2,
        "completionTime": "2030-01-01T12:00:09Z",
    }
    value = an_object(
        "Job",
        "pi-launcher",
        metadata=METADATA,
        spec={"suspend": True, "template": template},
        status=status,
    )
    assert launcher_job(value) == LauncherJob(
        name="pi-launcher",
        uid="u",
        resource_version="5",
        owner=OURS,
        labels=METADATA["labels"],
        terminating=True,
        suspend=True,
        conditions={
            "Failed": JobCondition("BackoffLimitExceeded", "words", at(0)),
            "Suspended": JobCondition(),
        },
        succeeded=1,
        failed=2,
        completion_time=at(9),
        template_hash="cafe",
    )


@pytest.mark.rule("B8.5")
def test_of_a_secret_the_data_is_not_kept() -> None:
    value = an_object("Secret", "pi-ssh", data={"ssh-privatekey": "a2V5"})
    seen = thing(value)
    assert (seen.ref.name, seen.manifest) == ("pi-ssh", {})
    assert "a2V5" not in repr(seen)


@pytest.mark.rule("B8.7")
def test_a_thing_is_read_with_what_we_applied() -> None:
    ours: dict[str, Any] = {
        "manager": "mpi-operator",
        "operation": "Apply",
        "fieldsV1": {"f:spec": dict.fromkeys(("f:minMember", "f:queue"))},
    }
    theirs: dict[str, Any] = {**ours, "fieldsV1": {"f:spec": {"f:x": None}}}
    update = {**theirs, "operation": "Update"}
    other = {**theirs, "manager": "volcano"}
    metadata = {"managedFields": [other, update, ours], **METADATA}
    value = an_object("PodGroup", metadata=metadata)
    assert thing(value) == Thing(
        ref=Ref("v1", "PodGroup", "hpc", "pi"),
        uid="u",
        resource_version="5",
        owner=OURS,
        labels=METADATA["labels"],
        terminating=True,
        manifest=value,
        applied=frozenset(("minMember", "queue")),
    )


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(("references", "expected"), [
    ([CONTROLLER], OURS),
    ([{**CONTROLLER, "controller": False}], NOBODY),
    ([{**CONTROLLER, "controller": "true"}], NOBODY),
    ([{"controller": True, "uid": 7}], Owner()),
    ([1, CONTROLLER], OURS),
    ({}, NOBODY),
    (None, NOBODY),
])  # fmt: skip
def test_the_owner_is_the_controller(references: object, expected: Owner) -> None:
    assert owner({"ownerReferences": references}) == expected


# --- Which objects matter -----------------------------------------------------

CHILDREN = [
    an_object("Service"),
    an_object("ConfigMap", "pi-config"),
    an_object("Secret", "pi-ssh"),
    {**an_object("Job", "pi-launcher"), "apiVersion": "batch/v1"},
    {**an_object("Workload"), "apiVersion": "scheduling.k8s.io/v1beta1"},
    {**an_object("PodGroup"), "apiVersion": "scheduling.k8s.io/v1beta1"},
    an_object("Pod", "pi-worker-0"),
    an_object("Pod", "labelled", metadata={"labels": JOB_NAME}),
    an_object("Pod", "owned", metadata={"ownerReferences": [CONTROLLER]}),
]


def names_in(found: Observed) -> list[str]:
    names = [f"{t.ref.kind} {t.ref.name}" for t in found.things]
    return [
        *names,
        *([found.launcher.name] if found.launcher else []),
        *(p.name for p in found.pods),
    ]


def test_the_children_of_a_job_are_found_in_any_order() -> None:
    expected = [
        "PodGroup pi",
        "Workload pi",
        "ConfigMap pi-config",
        "Secret pi-ssh",
        "Service pi",
        "pi-launcher",
    ]
    forth, back = observed(CHILDREN, a_job()), observed(CHILDREN[::-1], a_job())
    assert names_in(forth) == [*expected, "pi-worker-0", "labelled", "owned"]
    assert names_in(back) == [*expected, "owned", "labelled", "pi-worker-0"]


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize("value", [
    an_object("Service", "other"),
    an_object("Service", metadata={"namespace": "elsewhere"}),
    an_object("Service", metadata={"namespace": None}),
    an_object("ConfigMap"),
    an_object("Secret", "pi-config"),
    an_object("Job", "pi"),
    an_object("PodGroup", "pi-config"),
    an_object("Pod", "pi-2"),
    an_object("Pod", "pi-worker-x"),
    an_object("Pod", metadata={"name": 7, "labels": JOB_NAME}),
    an_object("Deployment"),
    {"kind": "Pod", "metadata": []},
    {"kind": ["Pod"], "metadata": {"name": "pi", "namespace": "hpc"}},
    {},
])  # fmt: skip
def test_other_objects_are_passed_over(value: dict[str, Any]) -> None:
    assert observed([value], a_job()) == Observed()


def test_a_job_in_no_cluster_owns_no_pod() -> None:
    nobody = an_object("Pod", "x", metadata={"ownerReferences": [{"controller": True}]})
    job = a_job(metadata={"uid": ""})
    assert observed([nobody], job).pods == ()


def test_an_object_without_a_namespace_is_in_the_default_one() -> None:
    job = a_job(metadata={"namespace": "default"})
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pi"}}
    (found,) = observed([service], job).things
    assert found.ref == Ref("v1", "Service", "default", "pi")


GARBAGE: list[Any] = [None, 1, "x", [], [1], {}, {"type": 1}, True]


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize("junk", GARBAGE, ids=repr)
@pytest.mark.parametrize("part", ["metadata", "spec", "status"])
def test_garbage_in_a_part_says_nothing(part: str, junk: object) -> None:
    value = {"kind": "Pod", "metadata": {"name": "x"}, part: junk}
    name = "x" if part != "metadata" else ""
    assert pod(value) == Pod(name)
    assert launcher_job(value) == LauncherJob(name)
    assert thing(value).ref.name == name


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize("junk", GARBAGE, ids=repr)
def test_garbage_in_a_field_says_nothing(junk: object) -> None:
    fields = ("phase", "conditions", "containerStatuses", "startTime", "reason")
    status: dict[str, Any] = dict.fromkeys(fields, junk)
    failed = {**status, "phase": "Failed", "containerStatuses": [{"state": junk}, junk]}
    metadata = dict.fromkeys(("uid", "labels", "annotations", "ownerReferences"), junk)
    for said in (status, failed):
        value = {"metadata": {**metadata, "name": "x"}, "status": said, "spec": status}
        assert pod(value).failure is None
        assert launcher_job(value).conditions == {}
        assert thing(value).owner == NOBODY


def test_an_object_that_makes_no_sense_is_named() -> None:
    known = an_object("Pod", "x")
    assert unreadable(known, "why") == Unreadable("Pod", "x", "why")
    assert unreadable({"kind": 1}, "why") == Unreadable(
        "object", "without a name", "why"
    )
