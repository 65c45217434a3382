# SPDX-License-Identifier: Apache-2.0
"""The API server in memory: versions, guards, deletion, snapshots."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.requests import Request, Verb
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.garbage_collector import collector
from tests.builders import cases
from tests.in_memory import (
    AN_EVENT,
    JOB,
    MPIJOB,
    POD,
    SERVICE,
    a_cluster,
    an_apply,
    an_object,
    code,
    metadata_of,
)


def a_deletion(ref: Ref, propagation: str = "", **preconditions: str) -> Request:
    body = {"preconditions": preconditions, "propagationPolicy": propagation}
    return Request(Verb.DELETE, ref, body)


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
    # Before it is seen whether the name is taken.
    cluster.create(an_object(POD))
    assert code(cluster, request) == (403, "Forbidden")


def test_an_event_is_kept_apart() -> None:
    cluster = a_cluster()
    ref = Ref("events.k8s.io/v1", "Event", "hpc", "")
    assert code(cluster, Request(Verb.CREATE, ref, AN_EVENT)) == (201, "Told")
    assert cluster.events == (AN_EVENT,)
    assert not cluster.objects


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
    assert code(cluster, a_status()) == (422, "Invalid")
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


def test_a_binding_is_no_generation() -> None:
    cluster = a_cluster(an_object(POD, spec={"a": 1}))
    cluster.update(POD, {**cluster.objects[POD], "spec": {"a": 1, "nodeName": "n"}})
    assert metadata_of(cluster, POD)["generation"] == 1
    cluster.update(POD, {**cluster.objects[POD], "spec": {"a": 2, "nodeName": "n"}})
    assert metadata_of(cluster, POD)["generation"] == 2


def test_a_pod_is_told_when_it_must_have_ended() -> None:
    cluster = a_cluster(running())
    cluster.delete(POD)
    assert metadata_of(cluster, POD)["deletionTimestamp"] == "2030-01-01T00:00:30Z"
    cluster.delete(POD, grace=40)
    assert metadata_of(cluster, POD)["deletionGracePeriodSeconds"] == 30
    cluster.delete(POD, grace=10)
    assert metadata_of(cluster, POD)["deletionTimestamp"] == "2030-01-01T00:00:10Z"
    assert metadata_of(cluster, POD)["generation"] == 2


def finalizers(cluster: Cluster, ref: Ref) -> list[str]:
    found: list[str] = metadata_of(cluster, ref).get("finalizers", [])
    return found


@cases(
    "first, second, held",
    {
        "foreground on top": ("Background", "Foreground", ["x", "foregroundDeletion"]),
        "taken back": ("Foreground", "Background", ["x"]),
        "the other instead": ("Foreground", "Orphan", ["x", "orphan"]),
        "as it was said": ("Foreground", "", ["x", "foregroundDeletion"]),
        "orphaned by nature": ("Background", "", ["x", "orphan"]),
    },
)
def test_a_later_deletion_says_what_becomes_of_the_dependents(
    first: str, second: str, held: list[str]
) -> None:
    cluster = a_cluster(an_object(JOB, metadata={"finalizers": ["x"]}))
    cluster.answer(a_deletion(JOB, first))
    cluster.answer(a_deletion(JOB, second))
    assert finalizers(cluster, JOB) == held
    assert metadata_of(cluster, JOB)["generation"] == 2


def test_a_foreground_deletion_may_be_taken_back_but_not_by_version() -> None:
    cluster = a_cluster(an_object(JOB))
    cluster.answer(a_deletion(JOB, "Foreground"))
    version = metadata_of(cluster, JOB)["resourceVersion"]
    guarded = a_deletion(JOB, "Background", resourceVersion=version)
    assert code(cluster, guarded) == (409, "Conflict")
    cluster.answer(a_deletion(JOB, "Background"))
    assert JOB not in cluster.objects


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
    owner = {"uid": metadata_of(cluster, JOB)["uid"], "blockOwnerDeletion": True}
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
