# SPDX-License-Identifier: Apache-2.0
"""What is sent for each action of a plan: one request, as data, with its guard.

Nothing here is sent. A request is printed by `plan --steps`, carried out by the
controller over the network and by `simulate` in memory: three readers of one value.
What only the sender has is a slot: the key pair of the Secret, the time of an Event.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

from attrs import evolve, frozen

import mpijob
from mpijob.actions import Manager
from mpijob.children.secret import KEY_SLOTS
from mpijob.job import API_VERSION, KIND
from mpijob.loose import NOTHING, Manifest
from mpijob.names import Child, Ref

# The name under which Events are reported: the value of managedBy that is ours.
REPORTER: Final = "kubeflow.org/mpi-operator"

# A resourceVersion that no object can have: an apply that carries it creates where the
# name is free, and is refused with 409 where it is not, atomically.
NEVER: Final = "1"


class Verb(enum.StrEnum):
    """What is asked of the API server, and the HTTP method that asks it."""

    CREATE = "POST"
    APPLY = "PATCH"
    REPLACE = "PUT"
    DELETE = "DELETE"
    GET = "GET"


class Slot(enum.StrEnum):
    """What whoever sends the request puts into the body first; never printed."""

    KEY_PAIR = "data"  # The Secret's: see `mpijob.children.secret.KEY_SLOTS`.
    EVENT_TIME = "eventTime"
    INSTANCE = "reportingInstance"


CONTENT_TYPES: Final[Mapping[Verb, str]] = {
    Verb.CREATE: "application/json",
    Verb.APPLY: "application/apply-patch+yaml",  # JSON is YAML.
    Verb.REPLACE: "application/json",
    Verb.DELETE: "application/json",
    Verb.GET: "",
}

PLURALS: Final[Mapping[str, str]] = {
    "ConfigMap": "configmaps",
    "Event": "events",
    "Job": "jobs",
    "Lease": "leases",
    "MPIJob": "mpijobs",
    "Pod": "pods",
    "PodGroup": "podgroups",
    "PriorityClass": "priorityclasses",
    "Secret": "secrets",
    "Service": "services",
    "Workload": "workloads",
}


@frozen
class Request:
    """One request, ready to be sent once its slots are filled."""

    verb: Verb
    ref: Ref  # Without a name: the server chooses one.
    body: Manifest = NOTHING
    subresource: str = ""
    query: Mapping[str, str] = NOTHING
    slots: tuple[Slot, ...] = ()

    @property
    def path(self) -> str:
        """The path of its URL, without the query.

        >>> Request(Verb.GET, Ref("batch/v1", "Job", "default", "pi-launcher")).path
        '/apis/batch/v1/namespaces/default/jobs/pi-launcher'
        """
        ref = self.ref
        root = "apis" if "/" in ref.api_version else "api"
        parts = ["", root, ref.api_version, "namespaces", ref.namespace]
        parts.append(PLURALS[ref.kind])
        if self.verb is not Verb.CREATE:
            parts.append(ref.name)
        return "/".join((*parts, self.subresource) if self.subresource else parts)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it: what `plan --steps` shows."""
        return {
            "method": self.verb.value,
            "path": self.path,
            **({"query": dict(self.query)} if self.query else {}),
            **({"body": self.body} if self.body else {}),
            **({"slots": [slot.value for slot in self.slots]} if self.slots else {}),
        }


def request_of(job: mpijob.MPIJob, action: mpijob.Action) -> Request:
    """Return what is sent for an action; its guard is design's and B8.2's."""
    match action:
        case mpijob.Create():
            request = _create(action)
        case mpijob.Apply():
            request = _apply(action)
        case mpijob.Touch():
            request = _touch(action)
        case mpijob.Delete():
            request = _delete(action)
        case mpijob.WriteStatus():
            request = _write_status(job, action)
        case mpijob.Confirm():
            request = Request(Verb.GET, action.ref)
        case mpijob.Event():
            request = _event(job, action)
        case _:
            assert_never(action)
    return request


def _create(action: mpijob.Create) -> Request:
    return Request(
        Verb.CREATE,
        ref_of(action.manifest),
        action.manifest,
        query={"fieldManager": Manager.CHILDREN.value},
        slots=(Slot.KEY_PAIR,) if action.child is Child.SECRET else (),
    )


def _apply(action: mpijob.Apply) -> Request:
    guard = {"uid": action.uid} if action.uid else {"resourceVersion": NEVER}
    metadata = {**action.manifest["metadata"], **guard}
    body = {**action.manifest, "metadata": metadata}
    return _applied(ref_of(action.manifest), body, Manager.CHILDREN)


def _touch(action: mpijob.Touch) -> Request:
    ref, fields = action.ref, action.fields
    metadata = {
        "name": ref.name,
        "namespace": ref.namespace,
        **_identity(action.uid, action.resource_version),
        **fields.get("metadata", NOTHING),
    }
    kind = {"apiVersion": ref.api_version, "kind": ref.kind}
    return _applied(ref, {**kind, **fields, "metadata": metadata}, action.manager)


def _applied(ref: Ref, body: Manifest, manager: Manager) -> Request:
    # Kubernetes advises controllers to force conflicts on objects that they own: there
    # is nobody here to resolve one.
    query = {"fieldManager": manager.value, "force": "true"}
    return Request(Verb.APPLY, ref, body, query=query)


def _delete(action: mpijob.Delete) -> Request:
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": _identity(action.uid, action.resource_version),
        "propagationPolicy": action.propagation,
    }
    return Request(Verb.DELETE, action.ref, body)


def _write_status(job: mpijob.MPIJob, action: mpijob.WriteStatus) -> Request:
    # The API server takes everything but the status from the object that it has, and
    # ignores a uid here: the resourceVersion is the guard. Labels and annotations go
    # along all the same: before 1.37 whoever applied one that is not sent owns it no
    # more, and could not take it off again.
    ref = action.ref
    given = {"labels": job.labels, "annotations": job.annotations}
    metadata = {
        "name": ref.name,
        "namespace": ref.namespace,
        **{field: value for field, value in given.items() if value},
        **_identity(action.uid, action.resource_version),
    }
    body = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": metadata,
        "status": mpijob.encode_status(action.status),
    }
    query = {"fieldManager": Manager.CHILDREN.value}
    return Request(Verb.REPLACE, ref, body, subresource="status", query=query)


def _event(job: mpijob.MPIJob, event: mpijob.Event) -> Request:
    ref = Ref("events.k8s.io/v1", "Event", job.namespace, "")
    about = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "namespace": job.namespace,
        "name": job.name,
        "uid": job.uid,
        "resourceVersion": job.resource_version,
    }
    body = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"generateName": f"{job.name}-", "namespace": job.namespace},
        "type": event.type,
        "reason": event.reason,
        "action": "Reconcile",
        "note": event.message,
        "regarding": {key: value for key, value in about.items() if value},
        "reportingController": REPORTER,
    }
    return Request(Verb.CREATE, ref, body, slots=(Slot.EVENT_TIME, Slot.INSTANCE))


def _identity(uid: str, resource_version: str) -> dict[str, str]:
    """Return the preconditions that are set."""
    pairs = (("uid", uid), ("resourceVersion", resource_version))
    return {key: value for key, value in pairs if value}


def ref_of(manifest: Manifest) -> Ref:
    """Return where an object is."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", "default")
    name = metadata.get("name", "")
    return Ref(manifest["apiVersion"], manifest["kind"], namespace, name)


KeyPair = Callable[[], tuple[str, str]]
"""Makes a private and a public SSH key, each in base64 as a Secret's `data` has it."""


def filled(
    request: Request, *, key_pair: KeyPair, now: Callable[[], str], instance: str
) -> Request:
    """Return the request with its slots filled: for sending, never for showing."""
    if not request.slots:
        return request
    values: dict[str, object] = {}
    for slot in request.slots:
        match slot:
            case Slot.KEY_PAIR:
                values[slot.value] = dict(zip(KEY_SLOTS, key_pair(), strict=True))
            case Slot.EVENT_TIME:
                values[slot.value] = now()
            case Slot.INSTANCE:
                values[slot.value] = instance
            case _:
                assert_never(slot)
    return evolve(request, body={**request.body, **values}, slots=())
