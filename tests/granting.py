# SPDX-License-Identifier: Apache-2.0
"""Ask the core until it is quiet, and grant each of its wishes at once.

Nothing else happens meanwhile, as in the corpus: no scheduler, no kubelet, no other
controller. A pod that was bound to a node terminates when it is deleted, and stays;
one that was not is gone. A guard that does not fit the object is a failure.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.observed import Live
from mpijob.wire import time_of
from tests.corpus_case import Answer, Asked, Object, is_object, part

# Far more calls than any change takes.
_CALLS_MAX: Final = 20

# What the API server, and not an operator, has put into an object.
_SERVERS: Final = {
    "metadata": ("creationTimestamp", "uid", "generation", "resourceVersion"),
    "spec": (
        *("clusterIPs", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy"),
        *("sessionAffinity", "type"),
    ),
}


def as_sent(value: Object) -> Object:
    """Return an object without what the API server has put into it."""
    value = copy.deepcopy(value)
    value.pop("status", None)
    for key, fields in _SERVERS.items():
        for name in fields if key == "metadata" or value["kind"] == "Service" else ():
            part(value, key).pop(name, None)
    return value


def _merged(one: object, other: object) -> object:
    if not (is_object(one) and is_object(other)):
        return copy.deepcopy(other)
    return with_fields(one, other)


def with_fields(value: Object, fields: Object) -> Object:
    """Return an object with fields of it changed, however deep."""
    return {**value, **{k: _merged(value.get(k), v) for k, v in fields.items()}}


def after_deletion(child: Object, now: str) -> Object | None:
    """Return what is left of a child that was deleted, None for nothing."""
    if child["kind"] != "Job" and "nodeName" not in part(child, "spec"):
        return None
    metadata = {**child["metadata"], "deletionTimestamp": now}
    return {**child, "metadata": metadata}


def afterwards(answer: Answer, asked: Asked) -> dict[str, Object]:
    """Return the children once all that an answer asks for was done."""
    children = dict(asked.children)
    children.update(answer.created)
    for key in answer.deleted:
        left = after_deletion(children.pop(key), asked.now)
        if left is not None:
            children[key] = left
    return children


class _Cluster:
    """The objects of one job, and what was done to them."""

    def __init__(self, asked: Asked) -> None:
        self.now = asked.now
        self.job: Object | None = asked.job
        self.status = asked.status  # Kept where the job itself goes.
        self.children = {
            key: with_fields(child, {"metadata": {"resourceVersion": "1"}})
            for key, child in asked.children.items()
        }
        self.created: dict[str, Object] = {}
        self.applied: dict[str, Object] = {}
        self.touched: dict[str, Object] = {}
        self.deleted: set[str] = set()
        self.events: list[tuple[str, str, str]] = []

    def grant(self, action: mpijob.Action) -> None:
        match action:
            case mpijob.Create(manifest=manifest):
                self._create(dict(manifest))
            case mpijob.Apply(manifest=manifest, uid=uid):
                self._apply(dict(manifest), uid)
            case mpijob.Touch():
                key = self._guarded(action)
                fields, child = dict(action.fields), self.children[key]
                self.touched[key] = with_fields(self.touched.get(key, {}), fields)
                self.children[key] = with_fields(child, fields)
            case mpijob.Delete():
                self._delete(action)
            case mpijob.WriteStatus(status=status):
                assert self.job is not None
                self.job = {**self.job, "status": mpijob.encode_status(status)}
                self.status = self.job["status"]
            case mpijob.Event(type_, reason, message):
                self.events.append((type_, reason, message))
            case mpijob.Confirm():
                pass

    def _create(self, manifest: Object) -> None:
        key = f"{manifest['kind']}/{manifest['metadata']['name']}"
        assert key not in self.children, f"{key} exists"
        self.created[key] = manifest
        given = {"uid": key, "resourceVersion": "1", "creationTimestamp": self.now}
        self.children[key] = with_fields(manifest, {"metadata": given})

    def _apply(self, manifest: Object, uid: str) -> None:
        key = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if not uid:
            self._create(manifest)
            return
        assert self.children[key]["metadata"]["uid"] == uid
        self.applied[key] = manifest
        old = self.children[key]
        new = with_fields(old, manifest)
        # Fields of the spec are ours as wholes: selector and minResources too.
        new["spec"] = {**part(old, "spec"), **part(manifest, "spec")}
        self.children[key] = new

    def _guarded(self, action: mpijob.Touch | mpijob.Delete) -> str:
        """Return the key of the object, and see that the guards are its own (B8.2)."""
        key = f"{action.ref.kind}/{action.ref.name}"
        metadata = self.children[key]["metadata"]
        assert action.uid == metadata["uid"]
        assert action.resource_version in ("", metadata["resourceVersion"])
        return key

    def _delete(self, action: mpijob.Delete) -> None:
        if action.ref.kind == "MPIJob":
            self.deleted.add(f"MPIJob/{action.ref.name}")
            self.job = None
            return
        key = self._guarded(action)
        assert action.resource_version or action.ref.kind != "Job"
        self.deleted.add(key)
        left = after_deletion(self.children.pop(key), self.now)
        if left is not None:
            self.children[key] = left


def ours(asked: Asked) -> Answer:
    """Return what the core does about a question, until it wants nothing more."""
    cluster, world = _Cluster(asked), world_of(asked)
    for _ in range(_CALLS_MAX):
        if cluster.job is None:
            break
        job = mpijob.decode(cluster.job)
        seen = sightings.observed(cluster.children.values(), job)
        seen = evolve(seen, live=frozenset(Live))
        steps = mpijob.plan(job, seen, mpijob.reconcile(job, seen, world))
        if not steps:
            break
        for action in (action for step in steps for action in step):
            cluster.grant(action)
    else:
        raise AssertionError("it never comes to rest")
    assert len(set(cluster.events)) == len(cluster.events), "an event was repeated"
    return Answer(
        created=cluster.created,
        applied=cluster.applied,
        touched=cluster.touched,
        deleted=frozenset(cluster.deleted),
        events=frozenset(cluster.events),
        status=cluster.status,
    )


def world_of(asked: Asked) -> mpijob.World:
    """Return the world of a question, as the core takes it."""
    now, config = time_of(asked.now), asked.config
    assert now is not None
    settings = mpijob.Settings(
        cluster_domain=config["clusterDomain"],
        gang_scheduler=config["gangScheduler"] or "none",
    )
    return mpijob.World(now, settings, tuple(map(_class, asked.classes)))


def _class(value: Mapping[str, Any]) -> mpijob.PriorityClass:
    default = value.get("globalDefault") is True
    return mpijob.PriorityClass(value["metadata"]["name"], value["value"], default)
