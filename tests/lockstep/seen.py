# SPDX-License-Identifier: Apache-2.0
"""What a client of one server saw, and what it sends for a step of a program."""

from typing import Final

from attrs import field, mutable

from mpijob.loose import Manifest
from mpijob_operator.requests import NEVER
from tests.lockstep import programs
from tests.lockstep.objects import FORMER, KINDS, NOW, Json
from tests.lockstep.programs import Step

BOGUS_UID: Final = "99999999-0000-4000-8000-000000000000"
BOGUS_VERSION: Final = "999999999"

_Known = dict[tuple[str, str], list[str]]


@mutable
class Seen:
    """The uids and versions that a client saw, by kind and name, in their order."""

    _uids: _Known = field(factory=_Known)
    _versions: _Known = field(factory=_Known)

    def learn(self, value: Manifest) -> None:
        """Look at an object."""
        metadata = value["metadata"]
        key = value["kind"], metadata["name"]
        for known, new in (
            (self._uids, metadata["uid"]),
            (self._versions, metadata["resourceVersion"]),
        ):
            before = known.setdefault(key, [])
            if new not in before[-1:]:
                before.append(new)

    def _guards(self, step: Step) -> Json:
        key, guards = (step.kind, step.name), Json()
        if step.uid:
            guards["uid"] = _recalled(self._uids, key, step.uid, BOGUS_UID)
        if step.version:
            version = _recalled(self._versions, key, step.version, BOGUS_VERSION)
            guards["resourceVersion"] = version
        return guards

    def body(self, step: Step) -> Json:
        """Return the body of a step: with what names the object, and its guards."""
        metadata: Json = {**step.body.get("metadata", {}), "name": step.name}
        if "ownerReferences" in metadata:
            metadata["ownerReferences"] = self._owners(metadata["ownerReferences"])
        metadata |= self._guards(step)
        return {**KINDS[step.kind].identity, **step.body, "metadata": metadata}

    def _owners(self, entries: list[Json]) -> list[Json]:
        key, found = ("MPIJob", "a"), dict[str, Json]()
        for entry in entries:
            uid = entry["uid"]
            if uid.startswith("@"):
                uid = _recalled(self._uids, key, uid, BOGUS_UID)
            found[uid] = {**entry, "uid": uid}  # No owner is named twice.
        return list(found.values())

    def options(self, step: Step) -> Json:
        """Return the body of a deletion."""
        identity = {"apiVersion": "v1", "kind": "DeleteOptions"}
        policy = {"propagationPolicy": step.policy} if step.policy else {}
        return {**identity, "preconditions": self._guards(step), **policy}


def _recalled(known: _Known, key: tuple[str, str], word: str, bogus: str) -> str:
    before = known.get(key, [])
    match word:
        case programs.NEVER:
            return NEVER
        case _ if word == NOW and before:
            return before[-1]
        case _ if word == FORMER and len(before) > 1:
            return before[-2]
        case _:
            return bogus
