# SPDX-License-Identifier: Apache-2.0
"""The API server in memory: versions, guards, owners of fields, deletion, snapshots."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.requests import NEVER, Request, Verb
from mpijob_operator.simulation import fields
from mpijob_operator.simulation.cluster import SOMEBODY, Cluster
from mpijob_operator.simulation.garbage_collector import collector
from tests.builders import cases

SERVICE = Ref("v1", "Service", "hpc", "pi")
POD = Ref("v1", "Pod", "hpc", "pi-worker-0")
JOB = Ref("batch/v1", "Job", "hpc", "pi-launcher")
GROUP = Ref("scheduling.volcano.sh/v1beta1", "PodGroup", "hpc", "pi")
MPIJOB = Ref("kubeflow.org/v2beta1", "MPIJob", "hpc", "pi")

OURS = fields.Owner(fields.APPLY, "ours")
QUEUE, MIN_MEMBER = ("f:spec", "f:queue"), ("f:spec", "f:minMember")


def an_object(ref: Ref, **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    metadata = {"name": ref.name, "namespace": ref.namespace}
    given = {**metadata, **parts.pop("metadata", {})}
    base = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": given}
    return {**base, **parts}


def a_cluster(*values: Manifest) -> Cluster:
    cluster = Cluster(datetime(2030, 1, 1, tzinfo=UTC))
    for value in values:
        cluster.create(value)
    return cluster


def an_apply(ref: Ref, manager: str = "ours", **parts: Any) -> Request:  # noqa: ANN401 - JSON.
    query = {"fieldManager": manager, "force": "true"}
    return Request(Verb.APPLY, ref, an_object(ref, **parts), query=query)


def a_deletion(ref: Ref, propagation: str = "", **preconditions: str) -> Request:
    body = {"preconditions": preconditions, "propagationPolicy": propagation}
    return Request(Verb.DELETE, ref, body)


def code(cluster: Cluster, request: Request) -> tuple[int, str]:
    answer = cluster.answer(request)
    return answer.code, answer.reason


def metadata_of(cluster: Cluster, ref: Ref) -> dict[str, Any]:
    return dict(cluster.objects[ref]["metadata"])


# --- Making -----------------------------------------------------------------------


def test_a_new_object_gets_an_identity() -> None:
    cluster = a_cluster()
    answer = cluster.answer(Request(Verb.CREATE, POD, an_object(POD)))
    metadata = answer.body["metadata"]
    assert answer.code == 201
    assert metadata["uid"]
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2030-01-01T00:00:00Z"
    assert cluster.answer(Request(Verb.GET, POD)).body == answer.body


def test_no_two_objects_have_one_uid() -> None:
    cluster = a_cluster(an_object(POD))
    first = metadata_of(cluster, POD)["uid"]
    cluster.delete(POD)
    cluster.create(an_object(POD))
    assert metadata_of(cluster, POD)["uid"] != first


def test_a_name_is_given_once() -> None:
    cluster = a_cluster(an_object(POD))
    request = Request(Verb.CREATE, POD, an_object(POD))
    assert code(cluster, request) == (409, "AlreadyExists")


def test_the_server_chooses_a_name_where_it_is_asked_to() -> None:
    cluster = a_cluster()
    metadata = {"generateName": "pi-launcher-", "namespace": "hpc"}
    made = [
        cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        for _ in range(50)
    ]
    assert len({ref.name for ref in made}) == 50
    assert all(len(ref.name) == len("pi-launcher-") + 5 for ref in made)


def test_admission_may_refuse_a_kind() -> None:
    cluster = a_cluster()
    cluster.refusing = {"Pod": "exceeded quota", "Service": "no"}
    request = Request(Verb.CREATE, POD, an_object(POD))
    assert (
        cluster.answer(request).message == '"pi-worker-0" is forbidden: exceeded quota'
    )
    assert code(cluster, an_apply(SERVICE)) == (403, "Forbidden")
    assert not cluster.objects


def test_an_event_is_kept_apart() -> None:
    cluster = a_cluster()
    ref = Ref("events.k8s.io/v1", "Event", "hpc", "")
    assert code(cluster, Request(Verb.CREATE, ref, {"reason": "Told"})) == (201, "Told")
    assert cluster.events == ({"reason": "Told"},)
    assert not cluster.objects


# --- Applying ---------------------------------------------------------------------


def test_an_apply_makes_what_is_missing() -> None:
    cluster = a_cluster()
    request = an_apply(SERVICE, metadata={"resourceVersion": NEVER})
    assert cluster.answer(request).code == 201
    assert metadata_of(cluster, SERVICE)["resourceVersion"] != NEVER
    assert code(cluster, request) == (409, "Conflict")


@pytest.mark.rule("B8.2")
@cases("guard", {"uid": {"uid": "gone"}, "version": {"resourceVersion": "77"}})
def test_an_apply_meant_as_an_update_makes_nothing(guard: dict[str, str]) -> None:
    cluster = a_cluster()
    assert code(cluster, an_apply(SERVICE, metadata=guard)) == (409, "Conflict")
    assert not cluster.objects


@pytest.mark.rule("B8.2")
def test_an_apply_to_another_object_of_the_name_is_invalid() -> None:
    cluster = a_cluster(an_object(SERVICE))
    answer = cluster.answer(an_apply(SERVICE, metadata={"uid": "gone"}))
    assert answer.code == 422
    assert answer.body["details"]["causes"][0]["field"] == "metadata.uid"


def test_an_apply_leaves_what_others_put_there() -> None:
    cluster = a_cluster(an_object(SERVICE, metadata={"labels": {"their": "label"}}))
    cluster.answer(an_apply(SERVICE, metadata={"labels": {"our": "label"}}))
    assert metadata_of(cluster, SERVICE)["labels"] == {"their": "label", "our": "label"}


def test_an_apply_takes_back_what_it_said_before_and_says_no_more() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"queue": "a", "minMember": 2}))
    cluster.answer(an_apply(GROUP, spec={"minMember": 3}))
    assert cluster.objects[GROUP]["spec"] == {"minMember": 3}


def test_an_apply_takes_back_nothing_that_another_applied_too() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"queue": "a"}))
    cluster.answer(an_apply(GROUP, "theirs", spec={"queue": "a"}))
    cluster.answer(an_apply(GROUP, spec={"minMember": 3}))
    assert cluster.objects[GROUP]["spec"] == {"queue": "a", "minMember": 3}


def test_two_purposes_under_one_manager_undo_each_other() -> None:
    cluster = a_cluster(an_object(JOB, spec={"suspend": False}))
    cluster.answer(an_apply(JOB, metadata={"labels": {"app": "pi"}}))
    cluster.answer(an_apply(JOB, spec={"suspend": True}))
    assert "labels" not in metadata_of(cluster, JOB)


def test_an_equal_apply_is_no_write() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"minMember": 1}))
    before = cluster.objects[GROUP]
    cluster.answer(an_apply(GROUP, spec={"minMember": 1}))
    assert cluster.objects[GROUP] is before


def test_managed_fields_tell_who_applied_what() -> None:
    cluster = a_cluster()
    owners = [{"uid": "u", "kind": "MPIJob"}]
    cluster.answer(
        an_apply(
            SERVICE, metadata={"ownerReferences": owners}, spec={"selector": {"a": "b"}}
        )
    )
    (entry,) = metadata_of(cluster, SERVICE)["managedFields"]
    assert entry["manager"] == "ours"
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:ownerReferences": {'k:{"uid":"u"}': {}}},
        "f:spec": {"f:selector": {}},
    }


def test_a_write_by_another_takes_the_field_from_its_owner() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"minMember": 1, "queue": "q"}))
    spec = {"minMember": 9, "queue": "q"}
    cluster.update(GROUP, {**cluster.objects[GROUP], "spec": spec})
    assert cluster.owners[GROUP] == {OURS: {QUEUE}, SOMEBODY: {MIN_MEMBER}}
    cluster.answer(an_apply(GROUP, spec={"queue": "q"}))
    assert cluster.objects[GROUP]["spec"] == {"minMember": 9, "queue": "q"}


def test_a_forced_apply_takes_the_field_from_who_applied_otherwise() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, "theirs", spec={"minMember": 1}))
    cluster.answer(an_apply(GROUP, spec={"minMember": 2}))
    assert cluster.owners[GROUP] == {OURS: {MIN_MEMBER}}


def test_an_apply_that_does_not_force_stops_at_what_another_owns() -> None:
    cluster = a_cluster(an_object(GROUP, spec={"queue": "a"}))
    request = evolve(an_apply(GROUP, spec={"queue": "b"}), query={"fieldManager": "m"})
    answer = cluster.answer(request)
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert answer.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "before-first-apply" using '
            "scheduling.volcano.sh/v1beta1",
            "field": ".spec.queue",
        }
    ]
    assert cluster.objects[GROUP]["spec"] == {"queue": "a"}


@cases(
    "spec",
    {
        "a field that there is not": {"minMembers": 1},
        "a number for a text": {"queue": 1},
    },
)
def test_an_apply_of_what_has_no_such_type_fails(spec: dict[str, Any]) -> None:
    cluster = a_cluster()
    assert cluster.answer(an_apply(GROUP, spec=spec)).code == 500
    assert not cluster.objects


def test_an_apply_names_an_entry_once() -> None:
    ports = [{"port": 22}, {"port": 22, "protocol": "TCP"}]
    answer = a_cluster().answer(an_apply(SERVICE, spec={"ports": ports}))
    assert answer.code == 500
    assert '.spec.ports[port=22,protocol="TCP"]: duplicate' in answer.body["message"]


def test_a_client_that_clears_the_managed_fields_starts_anew() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"queue": "a"}))
    value = cluster.objects[GROUP]
    metadata: dict[str, Any] = {**value["metadata"], "managedFields": []}
    cluster.update(GROUP, {**value, "metadata": metadata})
    assert "managedFields" not in metadata_of(cluster, GROUP)
    assert GROUP not in cluster.owners


def test_a_client_that_knows_no_managed_fields_leaves_them() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"queue": "a"}))
    before = cluster.objects[GROUP]
    known = before["metadata"]["managedFields"]
    metadata = {k: v for k, v in before["metadata"].items() if k != "managedFields"}
    cluster.update(GROUP, {**before, "metadata": metadata})
    assert metadata_of(cluster, GROUP)["managedFields"] == known


# --- Replacing --------------------------------------------------------------------


def a_status(version: str = "") -> Request:
    body = {"metadata": {"resourceVersion": version}, "status": {"x": 1}}
    return Request(Verb.REPLACE, MPIJOB, body, subresource="status")


@pytest.mark.rule("B8.2")
def test_a_status_is_written_over_what_was_seen() -> None:
    cluster = a_cluster(an_object(MPIJOB, spec={"a": 1}))
    version = metadata_of(cluster, MPIJOB)["resourceVersion"]
    assert cluster.answer(a_status(version)).code == 200
    value = cluster.objects[MPIJOB]
    assert (value["status"], value["spec"]) == ({"x": 1}, {"a": 1})
    assert value["metadata"]["generation"] == 1
    assert code(cluster, a_status(version)) == (409, "Conflict")
    assert code(a_cluster(), a_status()) == (404, "NotFound")


def test_a_change_of_the_spec_is_a_generation() -> None:
    cluster = a_cluster(an_object(MPIJOB, spec={"a": 1}))
    cluster.update(MPIJOB, {**cluster.objects[MPIJOB], "spec": {"a": 2}})
    assert metadata_of(cluster, MPIJOB)["generation"] == 2


# --- Deleting ---------------------------------------------------------------------


@pytest.mark.rule("B8.2")
@cases("wrong", {"uid": {"uid": "x"}, "version": {"resourceVersion": "x"}})
def test_a_deletion_of_another_object_is_refused(wrong: dict[str, str]) -> None:
    cluster = a_cluster(an_object(POD))
    assert code(cluster, a_deletion(POD, **wrong)) == (409, "Conflict")
    assert POD in cluster.objects


def test_what_is_gone_cannot_be_found() -> None:
    assert code(a_cluster(), a_deletion(POD)) == (404, "NotFound")
    assert code(a_cluster(), Request(Verb.GET, POD)) == (404, "NotFound")


def running(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    spec = {"nodeName": "n", **spec}
    return an_object(POD, spec=spec, status={"phase": "Running"})


@cases(
    "pod, stays",
    {
        "running": (running(), True),
        "of no node": (an_object(POD, status={"phase": "Pending"}), False),
        "over": ({**running(), "status": {"phase": "Failed"}}, False),
        "without a grace": (running(terminationGracePeriodSeconds=0), False),
        "tracked": (an_object(POD, metadata={"finalizers": ["x"]}), True),
    },
)
def test_a_pod_that_runs_is_given_time_to_end(pod: Manifest, stays: bool) -> None:
    cluster = a_cluster(pod)
    assert cluster.answer(a_deletion(POD)).code == 200
    assert (POD in cluster.objects) is stays


def test_a_second_deletion_is_no_write() -> None:
    cluster = a_cluster(running())
    cluster.delete(POD)
    before = cluster.objects[POD]
    cluster.delete(POD)
    assert cluster.objects[POD] is before
    assert before["metadata"]["generation"] == 2


def test_the_kubelet_ends_the_grace() -> None:
    cluster = a_cluster(running())
    cluster.delete(POD)
    cluster.delete(POD, grace=0)
    assert POD not in cluster.objects


def test_a_finalizer_holds_a_pod_until_it_is_removed() -> None:
    cluster = a_cluster(
        {**running(), "metadata": {**an_object(POD)["metadata"], "finalizers": ["x"]}}
    )
    cluster.delete(POD)
    cluster.delete(POD, grace=0)
    pod = cluster.objects[POD]
    cluster.update(POD, {**pod, "metadata": {**pod["metadata"], "finalizers": []}})
    assert POD not in cluster.objects


def with_owner(cluster: Cluster) -> None:
    owner = {"uid": metadata_of(cluster, JOB)["uid"]}
    cluster.create(an_object(POD, metadata={"ownerReferences": [owner]}))


def collect(cluster: Cluster) -> None:
    while deeds := collector(cluster):
        deeds[0].perform(cluster)


@cases(
    "propagation, left",
    {
        "none": ("", True),
        "orphan": ("Orphan", True),
        "background": ("Background", False),
        "foreground": ("Foreground", False),
    },
)
def test_a_job_without_a_propagation_leaves_its_pods(
    propagation: str, left: bool
) -> None:
    cluster = a_cluster(an_object(JOB))
    with_owner(cluster)
    cluster.answer(a_deletion(JOB, propagation))
    collect(cluster)
    assert (POD in cluster.objects) is left
    assert JOB not in cluster.objects


def test_a_foreground_deletion_waits_for_the_pods() -> None:
    cluster = a_cluster(an_object(JOB))
    with_owner(cluster)
    cluster.update(POD, {**cluster.objects[POD], "spec": {"nodeName": "n"}})
    cluster.delete(JOB, "Foreground")
    collect(cluster)
    assert {POD, JOB} <= cluster.objects.keys()
    cluster.delete(POD, grace=0)
    collect(cluster)
    assert not cluster.objects


def test_an_object_of_two_owners_outlives_one() -> None:
    cluster = a_cluster(an_object(JOB), an_object(SERVICE))
    owners = [{"uid": metadata_of(cluster, ref)["uid"]} for ref in (JOB, SERVICE)]
    cluster.create(an_object(POD, metadata={"ownerReferences": owners}))
    cluster.delete(SERVICE)
    collect(cluster)
    assert POD in cluster.objects


# --- Snapshots --------------------------------------------------------------------


def test_a_cluster_goes_back_to_what_it_was() -> None:
    cluster = a_cluster(an_object(SERVICE))
    before = cluster.snapshot()
    cluster.now, cluster.refusing = 5.0, {"Pod": "no"}
    cluster.answer(an_apply(SERVICE, spec={"a": 1}))
    cluster.create(an_object(POD))
    after = cluster.snapshot()
    cluster.restore(before)
    assert cluster.snapshot() == before
    assert before != after
    cluster.restore(after)
    assert cluster.snapshot() == after


def test_a_snapshot_is_not_changed_by_what_comes_later() -> None:
    cluster = a_cluster(an_object(SERVICE))
    before = cluster.snapshot()
    copied = evolve(before, objects=dict(before.objects))
    cluster.answer(an_apply(SERVICE, spec={"a": 1}))
    cluster.delete(SERVICE)
    assert before == copied
