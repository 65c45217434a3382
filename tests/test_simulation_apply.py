# SPDX-License-Identifier: Apache-2.0
"""Server-side apply in memory: who owns which field, and what is pruned and refused."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.names import Ref
from mpijob_operator.requests import NEVER
from mpijob_operator.simulation import fields, merging
from mpijob_operator.simulation.cluster import SOMEBODY, Cluster
from mpijob_operator.simulation.typed import (
    ANYTHING,
    ListType,
    MapType,
    Type,
    mistakes_of,
)
from tests.builders import cases
from tests.in_memory import (
    GROUP,
    SERVICE,
    a_cluster,
    an_apply,
    an_object,
    code,
    metadata_of,
)

OURS = fields.Owner(fields.APPLY, "ours")
QUEUE, MIN_MEMBER = ("f:spec", "f:queue"), ("f:spec", "f:minMember")


def test_an_apply_makes_what_is_missing() -> None:
    cluster = a_cluster()
    request = an_apply(SERVICE, metadata={"resourceVersion": NEVER})
    assert cluster.answer(request).code == 201
    assert metadata_of(cluster, SERVICE)["resourceVersion"] != NEVER
    assert code(cluster, request) == (409, "Conflict")


@pytest.mark.rule("B8.2")
@cases("guard", {"alone": {}, "with a version": {"resourceVersion": "77"}})
def test_an_apply_by_uid_makes_nothing(guard: dict[str, str]) -> None:
    cluster = a_cluster()
    request = an_apply(SERVICE, metadata={"uid": "gone", **guard})
    assert code(cluster, request) == (409, "Conflict")
    assert not cluster.objects


def test_a_version_alone_keeps_no_apply_from_making_what_is_missing() -> None:
    request = an_apply(SERVICE, metadata={"resourceVersion": "77"})
    assert a_cluster().answer(request).code == 201


def test_a_conflict_is_told_before_a_guard() -> None:
    cluster = a_cluster(an_object(GROUP, spec={"queue": "a"}))
    metadata = {"uid": "gone", "resourceVersion": "77"}
    request = an_apply(GROUP, metadata=metadata, spec={"queue": "b"})
    causes = cluster.answer(evolve(request, query={"fieldManager": "o"})).body[
        "details"
    ]
    assert [cause["field"] for cause in causes["causes"]] == [".spec.queue"]


def test_an_apply_puts_no_finalizer_on_what_goes() -> None:
    cluster = a_cluster(an_object(GROUP, metadata={"finalizers": ["x"]}))
    cluster.delete(GROUP)
    assert cluster.answer(an_apply(GROUP, metadata={"finalizers": ["x"]})).code == 200
    request = an_apply(GROUP, metadata={"finalizers": ["y"], "uid": "gone"})
    answer = cluster.answer(request)
    causes = [cause["field"] for cause in answer.body["details"]["causes"]]
    assert (answer.code, causes) == (422, ["metadata.uid", "metadata.finalizers"])


def test_an_apply_that_takes_the_last_finalizer_away_ends_an_object() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, metadata={"finalizers": ["x"]}))
    cluster.delete(GROUP)
    answer = cluster.answer(an_apply(GROUP))
    assert answer.code == 200
    assert "finalizers" not in answer.body["metadata"]
    assert GROUP not in cluster.objects


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
    cluster = a_cluster(an_object(GROUP, spec={"minMember": 1}))
    cluster.answer(an_apply(GROUP, metadata={"labels": {"app": "pi"}}))
    cluster.answer(an_apply(GROUP, spec={"minMember": 2}))
    assert "labels" not in metadata_of(cluster, GROUP)


def test_an_equal_apply_is_no_write() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"minMember": 1}))
    before = cluster.objects[GROUP]
    cluster.answer(an_apply(GROUP, spec={"minMember": 1}))
    assert cluster.objects[GROUP] is before


def test_managed_fields_tell_who_applied_what() -> None:
    cluster = a_cluster()
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u"}
    metadata = {"ownerReferences": [owner]}
    cluster.answer(an_apply(GROUP, metadata=metadata, spec={"minMember": 1}))
    (entry,) = metadata_of(cluster, GROUP)["managedFields"]
    assert entry["manager"] == "ours"
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:ownerReferences": {'k:{"uid":"u"}': {}}},
        "f:spec": {"f:minMember": {}},
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


def clear(cluster: Cluster, ref: Ref, said: list[dict[str, str]]) -> None:
    value = cluster.objects[ref]
    metadata = {**value["metadata"], "managedFields": said}
    cluster.update(ref, {**value, "metadata": metadata})


@cases(
    "ref, said, cleared",
    {
        "a custom resource": (GROUP, [{}], True),
        "a custom resource, of nothing": (GROUP, [], False),
        "one of the server's own": (SERVICE, [{}], True),
        "one of the server's own, of nothing": (SERVICE, [], True),
    },
)
def test_a_client_that_clears_the_managed_fields_starts_anew(
    ref: Ref, said: list[dict[str, str]], cleared: bool
) -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(ref, metadata={"labels": {"app": "pi"}}))
    before = cluster.objects[ref]
    clear(cluster, ref, said)
    assert ("managedFields" not in metadata_of(cluster, ref)) is cleared
    assert (ref not in cluster.owners) is cleared
    assert (cluster.objects[ref] is before) is not cleared


def test_what_nobody_applied_has_no_managed_fields_to_clear() -> None:
    cluster = a_cluster(an_object(SERVICE))
    before = cluster.objects[SERVICE]
    clear(cluster, SERVICE, [])
    assert cluster.objects[SERVICE] is before


def test_a_client_that_knows_no_managed_fields_leaves_them() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, spec={"queue": "a"}))
    before = cluster.objects[GROUP]
    known = before["metadata"]["managedFields"]
    metadata = {k: v for k, v in before["metadata"].items() if k != "managedFields"}
    cluster.update(GROUP, {**before, "metadata": metadata})
    assert metadata_of(cluster, GROUP)["managedFields"] == known


# --- Values without a cluster -----------------------------------------------------

ENTRIES = Type(list=ListType(ANYTHING, atomic=False, keys=("name",)))
SET = Type(list=ListType(Type("string"), atomic=False))


def entry(name: str, **fields: object) -> dict[str, object]:
    return {"name": name, **fields}


@cases(
    "live, applied, result",
    {
        "what is live alone keeps its place": ("ab", "ca", "cab"),
        "what both have comes as applied": ("abc", "cba", "cba"),
        "what was passed over is not looked at again": ("abcd", "db", "acdb"),
        "what is there twice comes once": ("aba", "a", "ab"),
    },
)
def test_lists_come_in_an_order(live: str, applied: str, result: str) -> None:
    merged = merging.merged(list(live), list(applied), SET)
    assert "".join(merged) == result


def test_an_entry_that_is_there_twice_is_not_merged() -> None:
    twice = [entry("a", x=1), entry("a", y=1)]
    applied = [entry("a", z=1)]
    assert merging.merged(twice, applied, ENTRIES) == [entry("a", z=1)]
    assert merging.fields_of(twice, ENTRIES) == {('k:{"name":"a"}',)}


def test_entries_that_are_there_twice_are_compared_as_one() -> None:
    one, twice = [entry("a")], [entry("a"), entry("a", x=1)]
    step = ('k:{"name":"a"}',)
    assert merging.changes(one, twice, ENTRIES).added == {step}
    assert step in merging.changes(twice, one, ENTRIES).removed
    assert merging.changes(twice, [*twice, entry("a")], ENTRIES).modified == {step}
    assert merging.changes(twice, list(twice), ENTRIES) == merging.Changes()


def test_a_value_of_another_shape_is_modified_and_its_fields_are_added() -> None:
    changes = merging.changes({"a": 1}, {"a": {"b": 2}}, ANYTHING)
    assert changes.modified == {("f:a",)}
    assert changes.added == {("f:a", "f:b")}


@cases(
    "value, type_, words",
    {
        "a list for an object": ([], Type(map=MapType()), ": [] is no object"),
        "a text for a list": ("a", SET, ": 'a' is no list"),
        "a text for a flag": ("a", Type("boolean"), ": 'a' is no boolean"),
        "a flag for a number": (True, Type("number"), ": True is no number"),
        "an object for a scalar": ({}, Type("any"), ": {} is no any"),
        "no key": ([{"x": 1}], ENTRIES, ": an entry must have a name"),
        "an object in a set": ([{}], SET, ": an entry of a set must be a scalar"),
        "twice in a set": (["a", "a"], SET, '[="a"]: duplicate entries for key'),
    },
)
def test_what_may_not_be_applied_is_told(value: Any, type_: Type, words: str) -> None:  # noqa: ANN401 - JSON.
    assert mistakes_of(value, type_) == [words]


def test_a_prune_that_takes_the_key_of_an_entry_takes_the_entry() -> None:
    service = an_object(SERVICE, spec={"ports": [{"port": 22, "name": "ssh"}]})
    cluster = a_cluster(service)
    cluster.answer(an_apply(SERVICE, spec={"ports": [{"port": 22}]}))
    clear(cluster, SERVICE, [])
    cluster.answer(an_apply(SERVICE, spec={"ports": [{"port": 22}]}))
    cluster.answer(an_apply(SERVICE))
    assert cluster.objects[SERVICE]["spec"] == {"ports": [{"port": 22, "name": "ssh"}]}


def test_an_entry_that_nothing_tells_apart_is_no_ones_and_not_applied_to() -> None:
    cluster = a_cluster()
    cluster.answer(an_apply(GROUP, metadata={"finalizers": ["a"]}))
    owners, value = cluster.owners[GROUP], cluster.objects[GROUP]
    metadata: dict[str, Any] = {**value["metadata"], "finalizers": ["a", {}]}
    cluster.update(GROUP, {**value, "metadata": metadata})
    assert cluster.owners[GROUP] is owners
    assert cluster.answer(an_apply(GROUP, metadata={"finalizers": ["b"]})).code == 500
