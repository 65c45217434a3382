# SPDX-License-Identifier: Apache-2.0
"""What the API server in memory refuses, and what comes of it in a job's life."""

import json
from typing import Any

import pytest

from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob_operator.requests import Request, Verb
from mpijob_operator.simulation import custom, validation
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.deeds import placed
from mpijob_operator.simulation.fields import Owner, Owners
from tests.builders import a_manifest
from tests.in_memory import (
    AN_EVENT,
    JOB,
    MPIJOB,
    POD,
    SERVICE,
    a_cluster,
    an_apply,
    an_object,
)
from tests.played import happened, play

CONTAINER = {"name": "main", "image": "a"}
SPEC = {"containers": [CONTAINER]}


def a_create(**spec: object) -> Request:
    return Request(Verb.CREATE, POD, an_object(POD, spec={**SPEC, **spec}))


def fields_of(cluster: Cluster, request: Request) -> list[str]:
    answer = cluster.answer(request)
    assert (answer.code, answer.reason) == (422, "Invalid")
    causes = answer.body["details"]["causes"]
    return [cause["field"] for cause in causes]


# --- What is said -----------------------------------------------------------------


def test_a_refusal_names_each_field_as_the_real_server_does() -> None:
    containers = [{**CONTAINER, "image": ""}, CONTAINER]
    answer = a_cluster().answer(a_create(containers=containers, restartPolicy="No"))
    assert answer.message == (
        'Pod "pi-worker-0" is invalid: [spec.containers[1].name: Duplicate value: main,'
        " spec.containers[0].image: Required value, spec.restartPolicy: Unsupported"
        ' value: "No": supported values: "Always", "OnFailure", "Never"]'
    )


def test_what_is_invalid_is_told_before_a_name_that_is_taken() -> None:
    cluster = a_cluster(an_object(POD, spec=SPEC))
    assert fields_of(cluster, a_create(containers=[])) == ["spec.containers"]


def test_the_kind_of_a_refused_object_has_its_group() -> None:
    template = {"spec": {**SPEC, "restartPolicy": "Always"}}
    request = an_apply(JOB, spec={"template": template})
    message = a_cluster().answer(request).message
    assert message.startswith('Job.batch "pi-launcher" is invalid: spec.template.spec.')


def test_a_version_may_differ() -> None:
    cluster = a_cluster()
    named = SERVICE._replace(name="9a")
    request = an_apply(named, spec={"clusterIP": "None"})
    cluster.minor = 35
    assert fields_of(cluster, request) == ["metadata.name"]
    cluster.minor = 36
    assert cluster.answer(request).code == 201


GARBAGE: list[Any] = json.loads(
    '[null, 0, "a", [], {}, ["a", null, 1, {}], {"a": [{}]}]'
)
PLACES = ("containers", "volumes", "tolerations", "dnsConfig", "schedulingGates")


@pytest.mark.parametrize("value", GARBAGE, ids=str)
def test_garbage_breaks_nothing(value: Any) -> None:  # noqa: ANN401 - JSON.
    for place in PLACES:
        validation.mistakes_of("Pod", an_object(POD, spec={**SPEC, place: value}))
    validation.mistakes_of("Job", an_object(JOB, spec={"template": value}))
    validation.mistakes_of("Job", an_object(JOB, spec=value))


# --- What may not change ----------------------------------------------------------


def test_a_secret_that_is_immutable_stays_what_it_is() -> None:
    secret = POD._replace(kind="Secret")
    cluster = a_cluster(an_object(secret, immutable=True, data={"a": "YQ=="}))
    assert fields_of(cluster, an_apply(secret, data={"a": "Yg=="})) == ["data"]


def test_a_pod_may_get_another_image_and_nothing_else() -> None:
    cluster = a_cluster(an_object(POD, spec=SPEC))
    image = [{**CONTAINER, "image": "b"}]
    assert cluster.answer(an_apply(POD, spec={"containers": image})).code == 200
    assert fields_of(cluster, an_apply(POD, "other", spec={"hostname": "h"})) == [
        "spec"
    ]


@pytest.mark.parametrize(("minor", "code"), [(35, 422), (37, 200)])
def test_a_job_that_rests_may_ask_for_more(minor: int, code: int) -> None:
    template = {"spec": {**SPEC, "restartPolicy": "Never"}}
    spec = {"suspend": True, "template": template}
    cluster = a_cluster(an_object(JOB, spec=spec))
    cluster.minor = minor
    more = {**CONTAINER, "resources": {"limits": {"cpu": "1"}}}
    asked = {"spec": {"containers": [more]}}
    assert cluster.answer(an_apply(JOB, spec={"template": asked})).code == code


# --- The CRD ----------------------------------------------------------------------


def test_every_rule_of_the_crd_is_known() -> None:
    _, rules = custom.crd()
    told = [next(w for w in custom.RULES if r.message.startswith(w)) for r in rules]
    assert told == list(custom.RULES)


def test_a_manager_stays_the_manager() -> None:
    spec = a_manifest(policy={"managedBy": "kubeflow.org/mpi-operator"})["spec"]
    cluster = a_cluster(an_object(MPIJOB, spec=spec))
    before = cluster.objects[MPIJOB]
    after = placed(before, "spec.runPolicy.managedBy", "kueue.x-k8s.io/multikueue")
    refused = cluster.refusal(MPIJOB, after, before)
    assert refused is not None
    (cause,) = refused.body["details"]["causes"]
    assert cause["field"] == "spec.runPolicy.managedBy"
    assert cause["reason"] == "FieldValueForbidden"


def test_what_was_wrong_before_and_stays_is_let_pass() -> None:
    spec = a_manifest(slotsPerWorker=-1)["spec"]
    cluster = a_cluster(an_object(MPIJOB, spec=spec))
    before = cluster.objects[MPIJOB]
    after = placed(before, "spec.runPolicy", {"suspend": True})
    assert cluster.refusal(MPIJOB, after, before) is None


def test_an_event_that_is_too_long_is_refused() -> None:
    ref = POD._replace(api_version="events.k8s.io/v1", kind="Event", name="")
    request = Request(Verb.CREATE, ref, {**AN_EVENT, "note": "a" * 1025})
    assert fields_of(a_cluster(), request) == ["message"]


# --- What comes of it -------------------------------------------------------------


@pytest.mark.rule("B1.7", "B4.1")
def test_a_job_whose_pods_are_invalid_is_blocked_and_fails_in_the_end() -> None:
    mount = {"name": "none", "mountPath": "/none"}
    template = {"spec": {"containers": [{**CONTAINER, "volumeMounts": [mount]}]}}
    role = {"template": template}
    timeline = play("until 1h", worker=role, launcher=role)
    assert happened(timeline, "is refused: makes worker Pod", "volumeMounts[0].name")
    said = [moment.status for moment in timeline.moments if moment.status]
    assert any(status.is_true("Blocked") for status in said)
    assert said[-1].is_true("Failed")


def test_a_launcher_job_that_is_invalid_blocks_its_job() -> None:
    labels = {"job-name": "another"}
    template = {**a_template(), "metadata": {"labels": labels}}
    timeline = play("until 1m", launcher={"template": template})
    assert happened(timeline, "is refused: makes launcher Job", "labels[job-name]")


def a_template() -> Manifest:
    return {"spec": {"containers": [CONTAINER]}}


def test_an_edit_that_the_crd_refuses_changes_nothing() -> None:
    timeline = play("launcher runs 5s\nat 3s: set spec.slotsPerWorker = -1")
    (job,) = [o for o in timeline.objects if o["kind"] == "MPIJob"]
    assert happened(timeline, "is refused: sets spec.slotsPerWorker to -1")
    assert mapping(job["spec"]).get("slotsPerWorker") != -1


# --- The cluster's own programs ---------------------------------------------------

LIVES = {
    "as usual": "",
    "a launcher that fails": "launcher exits 1 then 0",
    "a suspension": "launcher runs 20s\nat 8s: suspend\n1m after Suspended: resume",
    "an eviction": "launcher runs 20s\nat 8s: evict worker 0",
    "a deletion": "launcher runs 20s\nat 8s: delete launcher",
    "a deadline": "at 1s: set spec.runPolicy.activeDeadlineSeconds = 9",
}


@pytest.mark.parametrize("script", LIVES.values(), ids=LIVES)
def test_what_the_programs_of_a_cluster_write_the_real_server_would_take(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, ...]] = []
    create, update = Cluster.create, Cluster.update

    def created(self: Cluster, manifest: Manifest, *owners: Owners) -> Ref:
        found.extend(validation.mistakes_of(manifest["kind"], manifest))
        return create(self, manifest, *owners)

    def updated(self: Cluster, ref: Ref, after: Manifest, *owner: Owner) -> None:
        before = self.objects[ref]
        found.extend(validation.mistakes_of_status(ref.kind, after, before))
        update(self, ref, after, *owner)

    monkeypatch.setattr(Cluster, "create", created)
    monkeypatch.setattr(Cluster, "update", updated)
    play(script)
    assert not found
