# SPDX-License-Identifier: Apache-2.0
"""The two servers that do one program: the one in memory and the real one."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from attrs import field, frozen, mutable

from mpijob.loose import NOTHING, Manifest, mapping, mappings, strings
from mpijob.names import Ref
from mpijob_operator import requests
from mpijob_operator.simulation import fields, refusals
from mpijob_operator.simulation.cluster import Cluster, is_terminating
from tests.controlplane import client
from tests.lockstep.objects import KINDS, Json, merged
from tests.lockstep.programs import Step, Verb
from tests.lockstep.seen import Seen

# Who sets what nobody owns: the scheduler, by way of a binding.
BINDING: Final = fields.Owner(fields.UPDATE, "binding")
NODE: Final = "node"


class Answer(Protocol):
    """What either server answers to a request."""

    @property
    def code(self) -> int: ...
    @property
    def body(self) -> Manifest: ...


@frozen
class Said:
    """What a server answered, as it is compared."""

    code: int
    reason: str = ""
    # Fields, of what sort each fault is, and in what words.
    causes: tuple[tuple[str, str, str], ...] = ()
    objects: tuple[Json, ...] = ()


def said(step: Step, answer: Answer) -> Said:
    """Read an answer."""
    body = answer.body
    if step.verb == "list":
        identity = KINDS[step.kind].identity  # The real one says it of the list alone.
        listed = tuple({**identity, **value} for value in body["items"])
        return Said(answer.code, objects=listed)
    if body.get("kind") == "Status":
        told = mappings(mapping(body.get("details")).get("causes"))
        keys = ("field", "reason", "message")
        causes = sorted(tuple(cause.get(key, "") for key in keys) for cause in told)
        return Said(answer.code, strings(body).get("reason", ""), tuple(causes))
    return Said(answer.code, objects=(dict(body),))


def learnt(seen: Seen, step: Step, answer: Answer) -> Said:
    """Read an answer and remember what it shows.

    What a deletion shows is not remembered: the servers do not show the same.
    """
    heard = said(step, answer)
    if step.verb not in ("delete", "kill"):
        for value in heard.objects:
            seen.learn(value)
    return heard


def is_bound(pod: Manifest) -> bool:
    """Tell whether a scheduler would leave a pod alone."""
    return "nodeName" in pod["spec"] or is_terminating(pod)


def is_applied(value: Manifest) -> bool:
    """Tell whether somebody has applied an object."""
    owners = mappings(value["metadata"].get("managedFields"))
    return any(owner["operation"] == fields.APPLY for owner in owners)


# --- In memory ---------------------------------------------------------------------

Change = tuple[str, Json]
"""What a watch tells: a type and an object."""


class Recording(Cluster):
    """The server in memory, and what its watches would tell."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.changes: list[Change] = []
        self.written: Manifest = NOTHING

    def _put(self, ref: Ref, value: Manifest) -> None:
        type_ = "MODIFIED" if ref in self.objects else "ADDED"
        super()._put(ref, value)
        self.changes.append((type_, dict(self.objects[ref])))

    def _remove(self, ref: Ref) -> None:
        value = self.objects[ref]
        super()._remove(ref)
        metadata = {**value["metadata"], "resourceVersion": str(self.revision)}
        self.changes.append(("DELETED", {**value, "metadata": metadata}))

    def _write(self, ref: Ref, before: Manifest, after: Manifest) -> Manifest:
        self.written = super()._write(ref, before, after)
        return self.written


def _started() -> Recording:
    return Recording(datetime.now(UTC).replace(microsecond=0))


@mutable
class Model:
    """The server in memory; its clock is this machine's."""

    namespace: str
    minor: int  # Of Kubernetes 1.
    cluster: Recording = field(factory=_started)
    seen: Seen = field(factory=Seen)

    def __attrs_post_init__(self) -> None:
        self.cluster.minor = self.minor

    def do(self, step: Step) -> Said:
        """Do one step of a program."""
        self.cluster.now = (datetime.now(UTC) - self.cluster.start).total_seconds()
        return learnt(self.seen, step, _MODEL[step.verb](self, step))

    def changes(self, kind: str) -> list[Change]:
        """Return what a watch of a kind would have told."""
        return [change for change in self.cluster.changes if change[1]["kind"] == kind]

    def _ref(self, step: Step) -> Ref:
        version = KINDS[step.kind].api_version
        return Ref(version, step.kind, self.namespace, step.name)

    def _body(self, step: Step) -> Json:
        return merged(self.seen.body(step), {"metadata": {"namespace": self.namespace}})

    def _ask(
        self,
        verb: requests.Verb,
        step: Step,
        body: Json,
        **more: Any,  # noqa: ANN401 - Of `Request`.
    ) -> Answer:
        query = {"fieldManager": step.manager, "force": str(step.force).lower()}
        request = requests.Request(verb, self._ref(step), body, query=query, **more)
        return self.cluster.answer(request)

    def get(self, step: Step) -> Answer:
        return self._ask(requests.Verb.GET, step, {})

    def list(self, step: Step) -> Answer:
        found = sorted(self.cluster.all(step.kind))
        return client.Answer(200, {"items": [value for _, value in found]})

    def create(self, step: Step) -> Answer:
        return self._ask(requests.Verb.CREATE, step, self._body(step))

    def apply(self, step: Step) -> Answer:
        return self._ask(requests.Verb.APPLY, step, self._body(step))

    def put_status(self, step: Step) -> Answer:
        body = self._body(step)
        return self._ask(requests.Verb.REPLACE, step, body, subresource="status")

    def edit(self, step: Step) -> Answer:
        """Change an object as the cluster's own programs and its users do."""
        return self._edit(step, fields.Owner(fields.UPDATE, step.manager))

    def edit_status(self, step: Step) -> Answer:
        return self._edit(step, fields.Owner(fields.UPDATE, step.manager, "status"))

    def _edit(self, step: Step, owner: fields.Owner) -> Answer:
        ref = self._ref(step)
        live = self.cluster.objects.get(ref)
        if live is None:
            return refusals.not_found(ref)
        after = merged(dict(live), self._body(step))
        of_status = bool(owner.subresource)
        refuses = self.cluster.refusal_of_status if of_status else self.cluster.refusal
        if no := refuses(ref, after, live):
            return no
        self.cluster.update(ref, after, owner)
        # Of an object that is gone with its last finalizer, what was written.
        left = self.cluster.objects.get(ref, self.cluster.written)
        return client.Answer(200, dict(left))

    def forget(self, step: Step) -> Answer:
        live = self.cluster.objects.get(self._ref(step))
        if live is None or not is_applied(live):
            return refusals.not_found(self._ref(step))
        return self.edit(step)

    def bind(self, step: Step) -> Answer:
        ref = self._ref(step)
        pod = self.cluster.objects.get(ref)
        if pod is None or is_bound(pod):
            return refusals.not_found(ref)
        after = {**pod, "spec": {**pod["spec"], "nodeName": NODE}}
        self.cluster.update(ref, after, BINDING)
        return self.get(step)

    def delete(self, step: Step) -> Answer:
        return self._ask(requests.Verb.DELETE, step, self.seen.options(step))

    def kill(self, step: Step) -> Answer:
        ref = self._ref(step)
        if ref not in self.cluster.objects:
            return refusals.not_found(ref)
        self.cluster.delete(ref, grace=step.grace)
        left = self.cluster.objects.get(ref, {"kind": "Status"})
        return client.Answer(200, dict(left))


_MODEL: Final[Mapping[Verb, Callable[[Model, Step], Answer]]] = {
    "get": Model.get,
    "list": Model.list,
    "create": Model.create,
    "apply": Model.apply,
    "edit": Model.edit,
    "put": Model.edit,
    "forget": Model.forget,
    "edit status": Model.edit_status,
    "put status": Model.put_status,
    "bind": Model.bind,
    "delete": Model.delete,
    "kill": Model.kill,
}


# --- For real ----------------------------------------------------------------------

# Older servers take from their owners what a status is sent without (seen of 1.35).
STATUS_MINOR: Final = 37
_OWNED: Final = ("annotations", "finalizers", "labels", "ownerReferences")

_NOT_FOUND: Final = client.Answer(404, {"kind": "Status", "reason": "NotFound"})


@mutable
class Real:
    """The real server, in a namespace of the program's own."""

    namespace: str
    client: client.Client
    minor: int  # Of Kubernetes 1.
    seen: Seen = field(factory=Seen)

    def __attrs_post_init__(self) -> None:
        body = {"metadata": {"name": self.namespace}}
        self.client.create("/api/v1/namespaces", body).expect(201)

    def do(self, step: Step) -> Said:
        """Do one step of a program."""
        return learnt(self.seen, step, _REAL[step.verb](self, step))

    def _path(self, step: Step, *more: str) -> str:
        return KINDS[step.kind].path(self.namespace, step.name, *more)

    def get(self, step: Step) -> Answer:
        return self.client.get(self._path(step))

    def list(self, step: Step) -> Answer:
        return self.client.get(KINDS[step.kind].path(self.namespace))

    def create(self, step: Step) -> Answer:
        path, body = KINDS[step.kind].path(self.namespace), self.seen.body(step)
        return self.client.create(path, body, fieldManager=step.manager)

    def apply(self, step: Step) -> Answer:
        query = {"force": "true"} if step.force else {}
        return self._patch(step, client.APPLY, self._path(step), **query)

    def _patch(self, step: Step, content_type: str, path: str, **query: str) -> Answer:
        return self.client.request(
            "PATCH",
            path,
            self.seen.body(step),
            content_type=content_type,
            fieldManager=step.manager,
            **query,
        )

    def edit(self, step: Step) -> Answer:
        return self._patch(step, client.MERGE, self._path(step))

    def put(self, step: Step) -> Answer:
        before = self.client.get(self._path(step))
        if before.code != 200:
            return before
        body = merged(before.body, self.seen.body(step))
        return self.client.replace(self._path(step), body, fieldManager=step.manager)

    def forget(self, step: Step) -> Answer:
        before = self.client.get(self._path(step))
        there = before.code == 200 and is_applied(before.body)
        return self.edit(step) if there else _NOT_FOUND

    def edit_status(self, step: Step) -> Answer:
        return self._patch(step, client.MERGE, self._path(step, "status"))

    def put_status(self, step: Step) -> Answer:
        path, body = self._path(step, "status"), self.seen.body(step)
        if self.minor < STATUS_MINOR:
            before = self.client.get(self._path(step)).body.get("metadata", {})
            kept = {key: before[key] for key in _OWNED if key in before}
            body["metadata"] = {**kept, **body["metadata"]}
        return self.client.replace(path, body, fieldManager=step.manager)

    def bind(self, step: Step) -> Answer:
        before = self.client.get(self._path(step))
        if before.code != 200 or is_bound(before.body):
            return _NOT_FOUND
        body: Json = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": step.name},
            "target": {"kind": "Node", "name": NODE},
        }
        self.client.create(self._path(step, "binding"), body).expect(201)
        return self.get(step)

    def delete(self, step: Step) -> Answer:
        options = self.seen.options(step)
        return self.client.request("DELETE", self._path(step), options)

    def kill(self, step: Step) -> Answer:
        return self.client.delete(self._path(step), gracePeriodSeconds=str(step.grace))


_REAL: Final[Mapping[Verb, Callable[[Real, Step], Answer]]] = {
    "get": Real.get,
    "list": Real.list,
    "create": Real.create,
    "apply": Real.apply,
    "edit": Real.edit,
    "put": Real.put,
    "forget": Real.forget,
    "edit status": Real.edit_status,
    "put status": Real.put_status,
    "bind": Real.bind,
    "delete": Real.delete,
    "kill": Real.kill,
}
