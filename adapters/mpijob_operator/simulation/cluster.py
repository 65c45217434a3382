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

from mpijob.loose import NOTHING, Manifest, mapping, mappings, sequence, strings
from mpijob.names import Ref
from mpijob.wire import text_of_time
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb, ref_of
from mpijob_operator.simulation import fields, refusals
from mpijob_operator.simulation.typed import Type, known_types

# Kinds whose spec is counted in metadata.generation, and whose status is apart.
COUNTED: Final = frozenset(("MPIJob", "Job", "Pod"))

FOREGROUND: Final = "foregroundDeletion"

# As the API server takes it for a pod that says nothing.
GRACE_SECONDS: Final = 30

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

    def create(self, manifest: Manifest) -> Ref:
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
        if ref.kind in COUNTED:
            metadata["generation"] = 1
        self._put(ref, {**manifest, "metadata": metadata})
        return ref

    def update(self, ref: Ref, after: Manifest, owner: fields.Owner = SOMEBODY) -> None:
        """Put an object in the place of what is there; an equal one is no write.

        An object on its way out is gone once nothing holds it any more.
        """
        before = self.objects[ref]
        if after != before:
            self._write(ref, before, self._taken(ref, before, after, owner))

    def delete(
        self, ref: Ref, propagation: str = "", *, grace: int | None = None
    ) -> None:
        """Delete an object: at once, or as soon as what holds it lets go."""
        value = self.objects[ref]
        metadata = value["metadata"]
        finalizers = sequence(metadata.get("finalizers"))
        if propagation == "Foreground" and FOREGROUND not in finalizers:
            finalizers = [*finalizers, FOREGROUND]
        elif propagation in _ORPHANS[ref.kind == "Job"]:
            self._orphan(metadata["uid"])
        seconds = _grace(value) if grace is None else grace
        if not finalizers and not seconds:
            self._remove(ref)
            return
        seconds = min(seconds, metadata.get("deletionGracePeriodSeconds", seconds))
        going = {
            **metadata,
            "deletionTimestamp": metadata.get("deletionTimestamp", self.stamp),
            "deletionGracePeriodSeconds": seconds,
            **({"finalizers": finalizers} if finalizers else {}),
        }
        if not is_terminating(value) and ref.kind in COUNTED:
            going["generation"] = metadata["generation"] + 1
        if going != metadata:
            self._put(ref, {**value, "metadata": going})

    # --- How it is kept -------------------------------------------------------

    def _put(self, ref: Ref, value: Manifest) -> None:
        self.revision += 1
        metadata = {**value["metadata"], "resourceVersion": str(self.revision)}
        self.objects[ref] = {**value, "metadata": metadata}
        self.since[ref] = self.now

    def _remove(self, ref: Ref) -> None:
        self.revision += 1
        del self.objects[ref]
        del self.since[ref]
        self.owners.pop(ref, None)

    def _write(self, ref: Ref, before: Manifest, after: Manifest) -> None:
        metadata = after["metadata"]
        if ref.kind in COUNTED and after.get("spec") != before.get("spec"):
            generation = metadata["generation"] + 1
            after = {**after, "metadata": {**metadata, "generation": generation}}
        self._put(ref, after)
        if is_terminating(after) and not _held(after):
            self._remove(ref)

    def _taken(
        self, ref: Ref, before: Manifest, after: Manifest, owner: fields.Owner
    ) -> Manifest:
        """Note whose fields a write took; return the object that tells of it."""
        known = self.owners.get(ref)
        if known is None:
            return after
        said: object = after["metadata"].get("managedFields")
        # To say that nobody owns anything is how a client starts anew.
        owners = fields.NOBODY
        if said != []:
            owners = fields.written(before, after, known, owner, _type(ref))
        same = owners is known and said is before["metadata"]["managedFields"]
        return after if same else self._owned(ref, after, owners)

    def _owned(self, ref: Ref, value: Manifest, owners: fields.Owners) -> Manifest:
        """Note who owns what of an object; return the object that tells of it."""
        metadata = {k: v for k, v in value["metadata"].items() if k != "managedFields"}
        self.owners.pop(ref, None)
        if owners:
            self.owners[ref] = owners
            told = fields.managed_fields(owners, ref.api_version)
            metadata["managedFields"] = told
        return {**value, "metadata": metadata}

    def _orphan(self, uid: str) -> None:
        for ref, value in self.dependents(uid):
            metadata = value["metadata"]
            kept = [o for o in metadata["ownerReferences"] if o.get("uid") != uid]
            self.update(
                ref, {**value, "metadata": {**metadata, "ownerReferences": kept}}
            )

    # --- Requests -------------------------------------------------------------

    def _answer_get(self, request: Request) -> Answer:
        value = self.objects.get(request.ref)
        return refusals.not_found(request.ref) if value is None else Answer(200, value)

    def _answer_create(self, request: Request) -> Answer:
        ref = request.ref
        if ref.kind == "Event":
            self.events = (*self.events, request.body)
            return Answer(201, request.body)
        if ref in self.objects:
            return refusals.refusal(
                409, "AlreadyExists", f'{ref.kind} "{ref.name}" exists'
            )
        if words := self.refusing.get(ref.kind):
            return refusals.refusal(
                403, "Forbidden", f'"{ref.name}" is forbidden: {words}'
            )
        return Answer(201, self.objects[self.create(request.body)])

    def _answer_apply(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        if no := refusals.apply_guard(ref, live, strings(request.body["metadata"])):
            return no
        words = self.refusing.get(ref.kind)
        if live is None and words:
            return refusals.refusal(
                403, "Forbidden", f'"{ref.name}" is forbidden: {words}'
            )
        owner = fields.Owner(fields.APPLY, request.query["fieldManager"])
        force = request.query.get("force") == "true"
        config = fields.Configuration(request.body, owner, force)
        owners = self.owners.get(ref, fields.NOBODY)
        outcome = fields.applied(live or NOTHING, owners, config, _type(ref))
        if outcome.mistakes or outcome.conflicts:
            return refusals.not_applied(ref, outcome)
        if live is None:
            self.create(outcome.value)
            self.objects[ref] = self._owned(ref, self.objects[ref], outcome.owners)
            return Answer(201, self.objects[ref])
        self._apply(ref, live, outcome)
        return Answer(200, self.objects.get(ref, outcome.value))

    def _apply(self, ref: Ref, live: Manifest, outcome: fields.Outcome) -> None:
        after = outcome.value
        if outcome.owners != self.owners.get(ref):
            after = self._owned(ref, after, outcome.owners)
        if after != live:
            self._write(ref, live, after)

    def _answer_replace(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        if live is None:
            return refusals.not_found(ref)
        version = strings(request.body["metadata"]).get("resourceVersion", "")
        if version not in ("", live["metadata"]["resourceVersion"]):
            return refusals.changed(ref)
        manager = request.query.get("fieldManager", "")
        owner = fields.Owner(fields.UPDATE, manager, request.subresource)
        after = {**live, request.subresource: request.body["status"]}
        self.update(ref, after, owner)
        return Answer(200, self.objects[ref])

    def _answer_delete(self, request: Request) -> Answer:
        ref, live = request.ref, self.objects.get(request.ref)
        if live is None:
            return refusals.not_found(ref)
        wanted = strings(request.body.get("preconditions"))
        if any(live["metadata"][key] != value for key, value in wanted.items()):
            return refusals.changed(ref)
        self.delete(ref, request.body.get("propagationPolicy", ""))
        return Answer(200, self.objects.get(ref, {"kind": "Status"}))


# The propagation policies that leave the dependents behind: of a Job no policy, too.
_ORPHANS: Final = (frozenset(("Orphan",)), frozenset(("Orphan", "")))


def _type(ref: Ref) -> Type:
    return known_types().of(ref.api_version, ref.kind)


def _suffix(serial: int) -> str:
    """Return five letters and digits, as the server appends them to generateName."""
    digits: list[str] = []
    number = (serial * 2654435761) & 0xFFFFFFFF  # Spreads neighbours apart.
    for _ in range(5):
        number, rest = divmod(number, len(_LETTERS))
        digits.append(_LETTERS[rest])
    return "".join(digits)


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


def _held(value: Manifest) -> bool:
    """Tell whether a finalizer, or the kubelet, still holds a terminating object."""
    metadata = value["metadata"]
    return bool(metadata.get("finalizers") or metadata["deletionGracePeriodSeconds"])


def _grace(value: Manifest) -> int:
    """Return the seconds that a pod has to end; a node must be running it."""
    spec = mapping(value.get("spec"))
    if value["kind"] != "Pod" or is_over(value) or not spec.get("nodeName"):
        return 0
    seconds = spec.get("terminationGracePeriodSeconds")
    return seconds if isinstance(seconds, int) else GRACE_SECONDS
