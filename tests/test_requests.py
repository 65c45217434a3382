# SPDX-License-Identifier: Apache-2.0
"""What is sent for each action: method, path, guard, and what is left to fill in."""

import json
from typing import Any

import pytest
from attrs import evolve

from mpijob import Confirm, Create, Event, reconcile
from mpijob.actions import Action, Apply, Delete, Manager, Touch, WriteStatus, job_ref
from mpijob.children.secret import KEY_SLOTS
from mpijob.names import Child, Ref
from mpijob.observed import Live, Observed
from mpijob.plan import plan
from mpijob_operator.requests import Request, Slot, Verb, filled, request_of
from tests.builders import WORLD, a_job, a_status, cases

JOB = a_job()
POD = Ref("v1", "Pod", "hpc", "pi-worker-0")
LAUNCHER = Ref("batch/v1", "Job", "hpc", "pi-launcher")


def a_manifest(kind: str, name: str, api_version: str = "v1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "hpc", "labels": {"app": "pi"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


SERVICE = a_manifest("Service", "pi")
SENT: dict[str, tuple[Action, str]] = {
    "a pod": (
        Create(Child.WORKER, a_manifest("Pod", "pi-worker-0")),
        "POST /api/v1/namespaces/hpc/pods",
    ),
    "a Job": (
        Create(Child.LAUNCHER, a_manifest("Job", "pi-launcher", "batch/v1")),
        "POST /apis/batch/v1/namespaces/hpc/jobs",
    ),
    "a Service": (
        Apply(Child.SERVICE, SERVICE, ""),
        "PATCH /api/v1/namespaces/hpc/services/pi",
    ),
    "a touch": (
        Touch(Manager.SUSPEND, LAUNCHER, "u", "8", {"spec": {"suspend": True}}),
        "PATCH /apis/batch/v1/namespaces/hpc/jobs/pi-launcher",
    ),
    "a deletion": (
        Delete(POD, "u", "", "Background", "it failed"),
        "DELETE /api/v1/namespaces/hpc/pods/pi-worker-0",
    ),
    "a status": (
        WriteStatus(job_ref(JOB), "job", "7", a_status("Created")),
        "PUT /apis/kubeflow.org/v2beta1/namespaces/hpc/mpijobs/pi/status",
    ),
    "a confirmation": (
        Confirm(job_ref(JOB), "job", 1),
        "GET /apis/kubeflow.org/v2beta1/namespaces/hpc/mpijobs/pi",
    ),
    "an event": (
        Event("Normal", "MPIJobRunning", "it runs"),
        "POST /apis/events.k8s.io/v1/namespaces/hpc/events",
    ),
}


@cases("action, expected", SENT)
def test_each_action_is_one_request(action: Action, expected: str) -> None:
    shown = request_of(JOB, action).as_json()
    assert f"{shown['method']} {shown['path']}" == expected
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.rule("B8.1", "B8.2")
def test_a_new_object_is_applied_only_where_its_name_is_free() -> None:
    request = request_of(JOB, Apply(Child.SERVICE, SERVICE, ""))
    assert request.body["metadata"]["resourceVersion"] == "1"
    assert "uid" not in request.body["metadata"]
    assert request.query == {"fieldManager": "mpi-operator", "force": "true"}


@pytest.mark.rule("B8.2")
def test_an_object_that_exists_is_applied_by_its_uid() -> None:
    request = request_of(JOB, Apply(Child.SERVICE, SERVICE, "u"))
    assert request.body["metadata"]["uid"] == "u"
    assert "resourceVersion" not in request.body["metadata"]
    assert SERVICE["metadata"].keys() == {"name", "namespace", "labels"}


@pytest.mark.rule("B8.2")
def test_a_created_object_carries_no_guard_but_its_name() -> None:
    manifest = a_manifest("Pod", "pi-worker-0")
    request = request_of(JOB, Create(Child.WORKER, manifest))
    assert request.body == manifest
    assert request.query == {"fieldManager": "mpi-operator"}


@pytest.mark.rule("B6.1", "B8.2")
def test_a_touch_has_a_field_manager_of_its_own_and_says_one_thing() -> None:
    touch = Touch(Manager.SUSPEND, LAUNCHER, "u", "8", {"spec": {"suspend": True}})
    request = request_of(JOB, touch)
    identity = {"name": "pi-launcher", "namespace": "hpc", "uid": "u"}
    assert request.body == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**identity, "resourceVersion": "8"},
        "spec": {"suspend": True},
    }
    assert request.query["fieldManager"] == "mpi-operator-suspend"


@pytest.mark.rule("B4.9")
def test_a_number_goes_beside_the_identity_of_the_pod() -> None:
    fields = {"metadata": {"annotations": {"training.kubeflow.org/failure": "1"}}}
    request = request_of(JOB, Touch(Manager.FAILURE, POD, "u", "8", fields))
    metadata = request.body["metadata"]
    assert metadata["annotations"] == {"training.kubeflow.org/failure": "1"}
    assert (metadata["uid"], metadata["resourceVersion"]) == ("u", "8")


@pytest.mark.rule("B8.2")
def test_the_status_is_guarded_by_the_version_decided_on() -> None:
    request = request_of(
        JOB, WriteStatus(job_ref(JOB), "job", "7", a_status("Created"))
    )
    assert request.body["metadata"]["resourceVersion"] == "7"
    assert request.body["status"]["conditions"][0]["type"] == "Created"
    assert "spec" not in request.body


@pytest.mark.rule("B8.7")
def test_labels_and_annotations_go_along_with_the_status() -> None:
    """Before Kubernetes 1.37 they would be taken from whoever applied them."""
    job = evolve(JOB, labels={"team": "one"}, annotations={"note": "two"})
    status = WriteStatus(job_ref(job), "job", "7", a_status("Created"))
    metadata = request_of(job, status).body["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == (
        {"team": "one"},
        {"note": "two"},
    )


@cases(
    "version, preconditions",
    {
        "a pod": ("", {"uid": "u"}),
        "a launcher Job": ("8", {"uid": "u", "resourceVersion": "8"}),
    },
)
@pytest.mark.rule("B8.2")
def test_a_deletion_names_its_victim(
    version: str, preconditions: dict[str, str]
) -> None:
    request = request_of(JOB, Delete(LAUNCHER, "u", version, "Foreground", "why"))
    assert request.body["preconditions"] == preconditions
    assert request.body["propagationPolicy"] == "Foreground"


def test_an_event_is_about_the_job() -> None:
    request = request_of(JOB, Event("Warning", "MPIJobFailed", "no luck"))
    assert request.body["regarding"]["uid"] == "job"
    assert request.body["note"] == "no luck"
    assert request.ref.name == ""
    assert request.slots == (Slot.EVENT_TIME, Slot.INSTANCE)


def test_an_event_about_a_job_in_no_cluster_leaves_out_what_is_unknown() -> None:
    job = a_job(metadata={"uid": "", "resourceVersion": ""})
    about = request_of(job, Event("Normal", "MPIJobCreated", "")).body["regarding"]
    assert about.keys() == {"apiVersion", "kind", "namespace", "name"}


def fill(request: Request) -> Request:
    return filled(
        request,
        key_pair=lambda: ("private", "public"),
        now=lambda: "2030-01-01T12:00:00.000000Z",
        instance="here",
    )


@pytest.mark.rule("B8.5")
def test_the_key_pair_is_a_slot_until_the_secret_is_sent() -> None:
    secret = Create(Child.SECRET, a_manifest("Secret", "pi-ssh"))
    request = request_of(JOB, secret)
    assert request.slots == (Slot.KEY_PAIR,)
    assert "data" not in request.body
    assert request.as_json()["slots"] == ["data"]
    sent = fill(request)
    assert sent.body["data"] == dict(zip(KEY_SLOTS, ("private", "public"), strict=True))
    assert sent.slots == ()


def test_an_event_gets_its_time_when_it_is_sent() -> None:
    sent = fill(request_of(JOB, Event("Normal", "MPIJobRunning", "it runs")))
    assert sent.body["eventTime"] == "2030-01-01T12:00:00.000000Z"
    assert sent.body["reportingInstance"] == "here"


def test_a_request_without_slots_is_sent_as_it_is() -> None:
    request = Request(Verb.GET, POD)
    assert fill(request) is request


@pytest.mark.rule("B8.5")
def test_no_request_of_a_new_job_shows_a_key() -> None:
    observed = Observed(live=frozenset(Live))
    answer = reconcile(JOB, observed, WORLD)
    actions = [action for step in plan(JOB, observed, answer) for action in step]
    shown = json.dumps([request_of(JOB, action).as_json() for action in actions])
    assert "ssh-privatekey" in shown  # The volume's item names it.
    assert '"data": {"ssh' not in shown
