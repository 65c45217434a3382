# SPDX-License-Identifier: Apache-2.0
"""What the in-memory cluster makes of a story, write by write."""

from collections.abc import Iterator
from typing import Any

from attrs import field, frozen, mutable

from mpijob_operator.simulation import fields
from tests.smd.stories import Kind, Write

Json = Any


@frozen
class Said:
    """What either of the two says after a write, spelled alike."""

    object: Json
    owned: dict[str, Json]
    conflicts: tuple[str, ...]
    refused: bool

    @classmethod
    def of(
        cls, value: Json, managed: list[Json], causes: list[Json], *, refused: bool
    ) -> "Said":
        owned = {
            f"{m['manager']} {m['operation']} {m.get('subresource', '')}": m["fieldsV1"]
            for m in managed
        }
        words = sorted(f"{c['field']}: {c['message']}" for c in causes)
        return cls(value, owned, tuple(words), refused)

    def differs(self, other: "Said") -> Iterator[str]:
        for name in ("object", "owned", "conflicts", "refused"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                yield f"{name}: the model says\n  {mine}\nKubernetes says\n  {its}"


@mutable
class Model:
    """The object of a story, as the in-memory cluster has it."""

    kind: Kind
    live: Json = field(factory=dict[str, Json])
    owners: fields.Owners = field(factory=dict[fields.Owner, fields.Fields])

    def write(self, write: Write) -> Said:
        match write.verb:
            case "clear":
                self.owners = {}
                return self._said()
            case "update":
                return self._update(write)
            case _:
                return self._apply(write)

    def _update(self, write: Write) -> Said:
        owner = fields.Owner(fields.UPDATE, write.manager, write.subresource)
        if self.live:
            self.owners = fields.written(
                self.live, write.object, self.owners, owner, self.kind.type
            )
        else:
            self.owners = fields.created(write.object, owner, self.kind.type)
        self._keep(write.object)
        return self._said()

    def _apply(self, write: Write) -> Said:
        owner = fields.Owner(fields.APPLY, write.manager, write.subresource)
        force = write.verb == "force"
        config = fields.Configuration(write.object, owner, force)
        outcome = fields.applied(self.live, self.owners, config, self.kind.type)
        self.owners = outcome.owners
        if outcome.conflicts or outcome.mistakes:
            self.live = outcome.value
            return self._said(outcome.conflicts, refused=True)
        self._keep(outcome.value)
        return self._said()

    def _keep(self, value: Json) -> None:
        self.live = {**value, "metadata": {**value["metadata"], "uid": "u"}}

    def _said(
        self, conflicts: tuple[fields.Conflict, ...] = (), *, refused: bool = False
    ) -> Said:
        version = self.kind.api_version
        managed = fields.managed_fields(self.owners, version)
        causes = [conflict.cause(version) for conflict in conflicts]
        live = self.live or self.kind.identity
        return Said.of(live, managed, causes, refused=refused)
