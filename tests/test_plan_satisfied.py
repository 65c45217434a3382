# SPDX-License-Identifier: Apache-2.0
"""When an object is as we want it: we compare what we own, and leave others' fields.

A life from nothing is played here too: what a plan made is read back from JSON, and
then nothing is left to do.
"""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve

from mpijob import plan, reconcile
from mpijob.actions import Action, Apply, Create, WriteStatus
from mpijob.job import MPIJob
from mpijob.loose import Manifest
from mpijob.plan import is_applied
from mpijob.sightings import observed, thing
from mpijob.world import World
from tests.builders import LIVE, a_job, cases, world

METADATA = {"name": "pi", "namespace": "hpc", "labels": {"app": "pi"}}
OWNED = {**METADATA, "ownerReferences": [{"uid": "job", "controller": True}]}
GROUP: dict[str, Any] = {
    "metadata": OWNED,
    "spec": {"minMember": 3, "minResources": {"cpu": "1500m"}, "flag": False},
}
MAP: dict[str, Any] = {"metadata": METADATA, "data": {"hostfile": "a\n"}}


def applied(*fields: str) -> dict[str, Any]:
    owned = {f"f:{field}": None for field in fields}
    entry = {
        "manager": "mpi-operator",
        "operation": "Apply",
        "fieldsV1": {"f:spec": owned},
    }
    return {"managedFields": [entry]}


@pytest.mark.rule("B8.7", "B7.5")
@cases("wanted, seen, satisfied", {
    "equal": (GROUP, GROUP, True),
    "others' fields beside ours": (GROUP, {"metadata": {**OWNED, "uid": "u",
        "labels": {"x": "y", "app": "pi"}, "annotations": {"a": "b"},
        "ownerReferences": [{"uid": "x"}, {"uid": "job", "controller": True,
        "kind": "MPIJob"}]}, "spec": {**GROUP["spec"], "queue": "others"},
        "status": {"phase": "Pending"}}, True),
    "the same quantity": (GROUP, {**GROUP, "spec": {**GROUP["spec"],
        "minResources": {"cpu": "1.5"}}}, True),
    "false is left out": (GROUP, {**GROUP, "spec": {k: GROUP["spec"][k]
        for k in ("minMember", "minResources")}}, True),
    "another number": (GROUP, {**GROUP, "spec": {**GROUP["spec"], "minMember": 4}},
        False),
    "no number": (GROUP, {**GROUP, "spec": {**GROUP["spec"], "minMember": None}},
        False),
    "a resource more": (GROUP, {**GROUP, "spec": {**GROUP["spec"],
        "minResources": {"cpu": "1500m", "gpu": "1"}}}, False),
    "another quantity": (GROUP, {**GROUP, "spec": {**GROUP["spec"],
        "minResources": {"cpu": "2"}}}, False),
    "another resource": (GROUP, {**GROUP, "spec": {**GROUP["spec"],
        "minResources": {"gpu": "1500m"}}}, False),
    "garbage": (GROUP, {**GROUP, "spec": {**GROUP["spec"], "minResources": 5}}, False),
    "true for false": (GROUP, {**GROUP, "spec": {**GROUP["spec"], "flag": True}},
        False),
    "no spec": (GROUP, {"metadata": OWNED}, False),
    "another label": (GROUP, {**GROUP, "metadata": {**OWNED, "labels": {"app": "x"}}},
        False),
    "no owner reference": (GROUP, {**GROUP, "metadata": METADATA}, False),
    "an owner that is no controller": (GROUP, {**GROUP, "metadata": {**OWNED,
        "ownerReferences": [{"uid": "job"}]}}, False),
    "what we applied is what we want": (GROUP, {**GROUP, "metadata": {**OWNED,
        **applied("minMember", "flag")}}, True),
    "what we applied once is to go": (GROUP, {**GROUP, "metadata": {**OWNED,
        **applied("minMember", "queue")}}, False),
    "others' data": (MAP, {**MAP, "data": {"hostfile": "a\n", "others": "x"}}, True),
    "hosts": (MAP, {**MAP, "data": {"hostfile": "b\n"}}, False),
    "no data": (MAP, {"metadata": METADATA}, False),
    "data of null": (MAP, {**MAP, "data": None}, False),
})  # fmt: skip
def test_an_object_is_as_we_want_it(
    wanted: Manifest, seen: Manifest, *, satisfied: bool
) -> None:
    assert is_applied(wanted, thing(seen)) is satisfied


# --- From nothing to nothing left ---------------------------------------------

Objects = Sequence[dict[str, Any]]

LOADS: dict[str, World] = {
    scheduler: world(gang_scheduler=scheduler)
    for scheduler in ("none", "volcano", "coscheduling", "kubernetes")
}
JOB = a_job(workers=3, policy={"schedulingPolicy": {"minResources": {"cpu": "4.50"}}})


def made(
    job: MPIJob, surroundings: World, start: Objects = (), first: int | None = None
) -> tuple[MPIJob, list[dict[str, Any]]]:
    """Carry a plan out, or its first actions; return the job and the objects then."""
    found = evolve(observed(start, job), live=LIVE)
    asked = plan(job, found, reconcile(job, found, surroundings))
    objects = {(m["kind"], m["metadata"]["name"]): m for m in copy.deepcopy([*start])}
    for action in [action for step in asked for action in step][:first]:
        if isinstance(action, WriteStatus):
            job = evolve(job, status=action.status)
        if isinstance(action, Create | Apply):
            manifest = copy.deepcopy(dict(action.manifest))
            manifest["metadata"]["uid"] = f"uid of {action.name} {manifest['kind']}"
            objects[manifest["kind"], action.name] = manifest
    return job, list(objects.values())


@pytest.mark.rule("B4.4", "B8.7", "B7.5")
@pytest.mark.parametrize("surroundings", LOADS.values(), ids=LOADS)
def test_what_was_made_is_what_was_wanted(surroundings: World) -> None:
    job, objects = made(JOB, surroundings)
    for seen in (objects, objects[::-1]):
        found = evolve(observed(seen, job), live=LIVE)
        assert plan(job, found, reconcile(job, found, surroundings)) == ()


@pytest.mark.rule("B8.3", "B4.5")
@pytest.mark.parametrize("surroundings", LOADS.values(), ids=LOADS)
def test_a_crash_between_any_two_writes_ends_the_same(surroundings: World) -> None:
    whole = made(JOB, surroundings)
    for first in range(14):
        job, objects = made(JOB, surroundings, first=first)
        assert job.status.active == 4 or not objects
        job, objects = made(job, surroundings, objects)
        assert job.status == whole[0].status
        assert sorted(objects, key=repr) == sorted(whole[1], key=repr)


def todo(
    job: MPIJob, objects: list[dict[str, Any]], surroundings: World
) -> list[list[str]]:
    found = evolve(observed(objects, job), live=LIVE)
    asked = plan(job, found, reconcile(job, found, surroundings))
    return [[shown(action) for action in step] for step in asked]


def shown(action: Action) -> str:
    name = f" {action.name}" if isinstance(action, Create | Apply) else ""
    return f"{type(action).__name__}{name}"


@pytest.mark.rule("B8.7", "B7.5")
def test_drift_in_what_is_ours_is_put_back() -> None:
    volcano = LOADS["volcano"]
    job, objects = made(JOB, volcano)
    kinds = {manifest["kind"]: manifest for manifest in objects}
    kinds["Service"]["spec"]["publishNotReadyAddresses"] = True
    kinds["Service"]["spec"]["ipFamilyPolicy"] = "SingleStack"
    kinds["ConfigMap"]["data"]["hostfile"] = ""
    kinds["PodGroup"]["spec"]["minMember"] = 99
    assert todo(job, objects, volcano) == [
        ["Apply pi"],
        ["Apply pi", "Apply pi-config"],
    ]


@pytest.mark.rule("B8.7", "B4.5", "B8.2")
@pytest.mark.parametrize(("kind", "name", "deed"), [
    ("Service", "pi", "Apply"),
    ("ConfigMap", "pi-config", "Apply"),
    ("PodGroup", "pi", "Apply"),
    ("Secret", "pi-ssh", "Create"),
    ("Job", "pi-launcher", "Create"),
])  # fmt: skip
def test_a_deleted_child_comes_back_after_a_look_at_the_job(
    kind: str, name: str, deed: str
) -> None:
    volcano = LOADS["volcano"]
    job, objects = made(JOB, volcano)
    left = [manifest for manifest in objects if manifest["kind"] != kind]
    assert todo(job, left, volcano) == [["Confirm"], [f"{deed} {name}"]]


@pytest.mark.rule("B8.2")
def test_what_is_made_is_confirmed_whatever_is_changed_with_it() -> None:
    job, objects = made(JOB, LOADS["none"])
    left = [manifest for manifest in objects if manifest["kind"] != "Service"]
    next(m for m in left if m["kind"] == "ConfigMap")["data"]["hostfile"] = ""
    assert todo(job, left, LOADS["none"]) == [
        ["Confirm"],
        ["Apply pi", "Apply pi-config"],
    ]


@pytest.mark.rule("B8.7")
def test_what_is_on_its_way_out_is_not_applied_to() -> None:
    job, objects = made(JOB, LOADS["volcano"])
    for manifest in objects:
        if manifest["kind"] in ("Service", "ConfigMap", "PodGroup"):
            manifest["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
            manifest.pop("spec", None)
            manifest.pop("data", None)
    assert todo(job, objects, LOADS["volcano"]) == []


@pytest.mark.rule("B5.9", "B7.5", "B6.2")
def test_an_edit_reaches_what_can_follow_and_no_pod() -> None:
    volcano = LOADS["volcano"]
    job, objects = made(JOB, volcano)
    policy = {"schedulingPolicy": {"minAvailable": 2}}
    parts: dict[str, Any] = {"policy": policy, "slotsPerWorker": 4}
    edited = a_job(workers=3, status=job.status, **parts)
    assert todo(edited, objects, volcano) == [["Apply pi"], ["Apply pi-config"]]
