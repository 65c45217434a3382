# SPDX-License-Identifier: Apache-2.0
"""An API server in memory: objects, versions, guards, and a clock that we turn.

Rule: an object in here is a value. A write puts another in its place and shares what
did not change, so that a snapshot is a few shallow copies.

What it does is what the real one was seen to do: `docs/` and the tests against the real
one say where it stops.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, assert_never

from attrs import frozen

from mpijob.loose import NOTHING, Manifest, mapping, mappings, strings
from mpijob.names import Ref
from mpijob.wire import text_of_time, time_of
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb, ref_of
from mpijob_operator.simulation import deletion, fields, merging, refusals, validation
from mpijob_operator.simulation.typed import known_types

# Whose the updates are that the cluster's own programs and its users make.
SOMEBODY: Final = fields.Owner(fields.UPDATE, "somebody")


@frozen
class Snapshot:
    """A cluster as it was: what `Cluster.restore` takes back."""

    now: float
    revision: int
    serial: int
    objects: dict[Ref, Manifest]
    owners: dict[Ref, fields.Owners]
    since: dict[Ref, float]
    refusing: Mapping[str, str]
    events: tuple[Manifest, ...]


class Cluster:
    """Objects as JSON, by where they are, and when each was written last."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.now = 0.0  # Seconds since the start.
        self.revision = 1
        self.serial = 0  # For uids and names that the server chooses.
        self.objects: dict[Ref, Manifest] = {}
        self.owners: dict[Ref, fields.Owners] = {}
        self.since: dict[Ref, float] = {}
        # Kinds that admission refuses to create, and in what words.
        self.refusing: Mapping[str, str] = NOTHING
        # Events are told and never looked at again: they are apart, and no change.
        self.events: tuple[Manifest, ...] = ()
        # Of Kubernetes 1, and whether it has our CRD: mpi-operator's takes any job.
        self.minor, self.has_our_crd = validation.MINOR, True

    def snapshot(self) -> Snapshot:
        """Return the cluster as it is."""
        return Snapshot(
            self.now,
            self.revision,
            self.serial,
            self.objects.copy(),
            self.owners.copy(),
            self.since.copy(),
            self.refusing,
            self.events,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Make the cluster what it was."""
        self.now, self.revision = snapshot.now, snapshot.revision
        self.serial, self.refusing = snapshot.serial, snapshot.refusing
        self.events = snapshot.events
        self.objects = snapshot.objects.copy()
        self.owners = snapshot.owners.copy()
        self.since = snapshot.since.copy()

    # --- What anybody may ask -------------------------------------------------

    @property
    def time(self) -> datetime:
        """The time of day."""
        return self.start + timedelta(seconds=self.now)

    @property
    def ends_at(self) -> float:
        """The last second that has a date."""
        return (
            datetime.max.replace(tzinfo=self.start.tzinfo) - self.start
        ).total_seconds()

    @property
    def stamp(self) -> str:
        """The time of day as the API writes it, in whole seconds."""
        return text_of_time(self.time)

    def all(self, kind: str) -> Iterator[tuple[Ref, Manifest]]:
        """Yield the objects of a kind."""
        for ref, value in self.objects.items():
            if ref.kind == kind:
                yield ref, value

    def dependents(self, uid: str) -> list[tuple[Ref, Manifest]]:
        """Return the objects that have an owner of this uid."""
        return [pair for pair in self.objects.items() if uid in owner_uids(pair[1])]

    def answer(self, request: Request) -> Answer:
        """Do what a request asks, or refuse, as the API server does."""
        match verb := request.verb:
            case Verb.GET:
                return self._answer_get(request)
            case Verb.CREATE:
                return self._answer_create(request)
            case Verb.APPLY:
                return self._answer_apply(request)
            case Verb.REPLACE:
                return self._answer_replace(request)
            case Verb.DELETE:
                return self._answer_delete(request)
            case _:
                assert_never(verb)

    # --- What the cluster's own programs and its users do ---------------------

    def create(self, manifest: Manifest, owners: fields.Owners = fields.NOBODY) -> Ref:
        """Put a new object in; its name must be free."""
        ref, metadata = ref_of(manifest), dict(manifest["metadata"])
        self.serial += 1
        if not ref.name:
            name = f"{metadata['generateName']}{_suffix(self.serial)}"
            ref = Ref(ref.api_version, ref.kind, ref.namespace, name)
        metadata.pop("resourceVersion", None)
        metadata |= {
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": f"{self.serial:08x}-0000-4000-8000-000000000000",
            "creationTimestamp": self.stamp,
        }
        if ref.kind in deletion.COUNTED:
            metadata["generation"] = 1
        value = {**manifest, "metadata": metadata}
        if ref.kind in _STATUSES:
            value = {"status": _STATUSES[ref.kind], **value}
        self._put(ref, self._owned(ref, value, owners) if owners else value)
        return ref

    def update(self, ref: Ref, after: Manifest, owner: fields.Owner = SOMEBODY) -> None:
        """Put an object in the place of what is there; an equal one is no write.

        An object on its way out is gone once nothing holds it any more.
        """
        before = self.objects[ref]
        if after != before:
            after = self._taken(ref, before, after, owner)
        if after != before:
            self._write(ref, before, after)

    def delete(
        self, ref: Ref, propagation: str = "", *, grace: int | None = None
    ) -> None:
        """Delete an object: at once, or as soon as what holds it lets go."""
        value = self.objects[ref]
        metadata, is_new = value["metadata"], not is_terminating(value)
        if metadata.get("deletionGracePeriodSeconds"):
            self._hasten(ref, value, grace)
            return
        after, finalizers = value, deletion.finalizers(value, propagation)
        if finalizers:
            after = {**value, "metadata": {**metadata, "finalizers": finalizers}}
        is_pod = is_new and ref.kind == "Pod"
        seconds = deletion.grace(value, grace) if is_pod and not is_over(value) else 0
        if is_new:
            after = deletion.going(after, self.time, seconds)
        # A pod is seen to go before it is gone, whatever its grace.
        if (finalizers or is_pod) and after != value:
            self._put(ref, after)
        if not finalizers and not seconds:
            self._remove(ref)

    def _hasten(self, ref: Ref, value: Manifest, grace: int | None) -> None:
        """Give a pod that goes less time than it was given."""
        metadata = value["metadata"]
        seconds = metadata["deletionGracePeriodSeconds"]
        if grace is None or grace >= seconds:
            return
        was = time_of(metadata["deletionTimestamp"])
        at = (was or self.time) - timedelta(seconds=seconds - grace)
        self._put(ref, {**value, "metadata": {**metadata, **deletion.due(at, grace)}})
        if not deletion.is_held(self.objects[ref]):
            self._remove(ref)

    # --- How it is kept -------------------------------------------------------

    def _put(self, ref: Ref, value: Manifest) -> None:
        self.revision += 1
        metadata = {**value["metadata"], "resourceVersion": str(self.revision)}
        self.objects[ref] = {**value, "metadata": metadata}
        self.since[ref] = self.now

    def _remove(self, ref: Ref) -> None:
        self.revision += 1
        del self.objects[ref], self.since[ref]
        self.owners.pop(ref, None)

    def _write(self, ref: Ref, before: Manifest, after: Manifest) -> Manifest:
        """Put an object in the place of another; one that nothing holds is gone."""
        metadata = after["metadata"]
        if ref.kind in deletion.COUNTED and _counted(after) != _counted(before):
            generation = metadata["generation"] + 1
            after = {**after, "metadata": {**metadata, "generation": generation}}
        if deletion.is_held(after):
            self._put(ref, after)
            return self.objects[ref]
        self._remove(ref)
        return after

    def _taken(
        self, ref: Ref, before: Manifest, after: Manifest, owner: fields.Owner
    ) -> Manifest:
        """Note whose fields a write took; return the object that tells of it."""
        known = self.owners.get(ref)
        if known is None:
            told = "managedFields" in after["metadata"]
            return self._owned(ref, after, fields.NOBODY) if told else after
        owners = fields.NOBODY
        if not fields.are_cleared(after):
            type_ = known_types().of(*ref[:2])
            owners = fields.written(before, after, known, owner, type_)
        said = after["metadata"].get("managedFields")
        same = owners is known and said is before["metadata"]["managedFields"]
        return after if same else self._owned(ref, after, owners)

    def _owned(self, ref: Ref, value: Manifest, owners: fields.Owners) -> Manifest:
        """Note who owns what of an object; return the object that tells of it."""
        metadata = {k: v for k, v in value["metadata"].items() if k != "managedFields"}
        self.owners.pop(ref, None)
        if owners:
            self.owners[ref] = owners
            metadata["managedFields"] = fields.managed_fields(owners, ref.api_version)
        return {**value, "metadata": metadata}

    # --- What it refuses ------------------------------------------------------

    def refusal(
        self, ref: Ref, after: Manifest, before: Manifest | None = None
    ) -> Answer | None:
        """Return why an object may not be so, or may not become so; None if it may."""
        if ref.kind == "MPIJob" and not self.has_our_crd:
            return None
        faults = validation.mistakes_of(ref.kind, after, before, self.minor)
        return refusals.invalid(ref, faults) if faults else None

    def refusal_of_status(
        self, ref: Ref, after: Manifest, before: Manifest
    ) -> Answer | None:
        """Return why a status may not follow another, None if it may."""
        faults = validation.mistakes_of_status(ref.kind, after, before, self.minor)
        return refusals.invalid(ref, faults) if faults else None

    # --- Requests -------------------------------------------------------------

    def _answer_get(self, request: Request) -> Answer:
        value = self.objects.get(request.ref)
        return refusals.not_found(request.ref) if value is None else Answer(200, value)

    def _answer_create(self, request: Request) -> Answer:
        ref = request.ref
        if no := self.refusal(ref, request.body):
            return no
        if ref.kind == "Event":
            self.events = (*self.events, request.body)
            return Answer(201, request.body)
        # Admission comes first: a quota says no to a name that is taken, too.
        if words := self.refusing.get(ref.kind):
            return refusals.forbidden(ref, words)
        if ref in self.objects:
            return refusals.exists(ref)
        return Answer(201, self.objects[self.create(request.body)])

    def _answer_apply(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        owner = fields.Owner(fields.APPLY, request.query["fieldManager"])
        force = request.query.get("force") == "true"
        config = fields.Configuration(request.body, owner, force)
        owners, type_ = self.owners.get(ref, fields.NOBODY), known_types().of(*ref[:2])
        outcome = fields.applied(live or NOTHING, owners, config, type_)
        if outcome.mistakes or outcome.conflicts:
            return refusals.not_applied(ref, outcome)
        guard = strings(request.body["metadata"])
        if no := refusals.apply_guard(ref, live, guard):
            return no
        after = outcome.value if live is None else merging.without_nulls(outcome.value)
        if no := self.refusal(ref, after, live):
            return no
        if live is not None:
            return self._applied(ref, live, after, outcome.owners)
        if words := self.refusing.get(ref.kind):
            return refusals.forbidden(ref, words)
        self.create(after, outcome.owners)
        return Answer(201, self.objects[ref])

    def _applied(
        self, ref: Ref, live: Manifest, after: Manifest, owners: fields.Owners
    ) -> Answer:
        if owners != self.owners.get(ref):
            after = self._owned(ref, after, owners)
        return Answer(200, live if after == live else self._write(ref, live, after))

    def _answer_replace(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        if live is None:
            return refusals.not_found(ref)
        if no := refusals.replace_guard(ref, live, strings(request.body["metadata"])):
            return no
        manager = request.query.get("fieldManager", "")
        owner = fields.Owner(fields.UPDATE, manager, request.subresource)
        after = {**live, request.subresource: request.body["status"]}
        if no := self.refusal_of_status(ref, after, live):
            return no
        self.update(ref, after, owner)
        return Answer(200, self.objects[ref])

    def _answer_delete(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        if live is None:
            return refusals.not_found(ref)
        wanted = strings(request.body.get("preconditions"))
        policy = request.body.get("propagationPolicy", "")
        if no := refusals.delete_guard(ref, live, wanted):
            return no
        # The server compares the version with none where this is all that is done.
        if "resourceVersion" in wanted and deletion.is_released(live, policy):
            return refusals.changed(ref)
        self.delete(ref, policy)
        return Answer(200, self.objects.get(ref, {"kind": "Status"}))


# The status that the server itself gives to what is made.
_STATUSES: Final[Mapping[str, Manifest]] = {"Job": {}, "Pod": {"phase": "Pending"}}


def _suffix(serial: int) -> str:
    """Return five letters and digits, as the server appends them to generateName."""
    number = (serial * 2654435761) & 0xFFFFFFFF  # Spreads neighbours apart.
    count = len(_LETTERS)
    return "".join(_LETTERS[number // count**place % count] for place in range(5))


# Without vowels, so that no name is a word.
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


def owner_uids(value: Manifest) -> list[str]:
    """Return the uids of an object's owners."""
    owners = mappings(value["metadata"].get("ownerReferences"))
    return [strings(owner).get("uid", "") for owner in owners]


def is_terminating(value: Manifest) -> bool:
    """Tell whether an object is on its way out."""
    return "deletionTimestamp" in value["metadata"]


def is_over(pod: Manifest) -> bool:
    """Tell whether nothing of a pod runs any more, nor will."""
    return mapping(pod.get("status")).get("phase") in ("Succeeded", "Failed")


def _counted(value: Manifest) -> object:
    """Return what a change of is a generation; a binding is none."""
    spec: object = value.get("spec")
    if value["kind"] == "Pod" and "nodeName" in mapping(spec):
        return {k: v for k, v in mapping(spec).items() if k != "nodeName"}
    return spec
