# SPDX-License-Identifier: Apache-2.0
"""Random stories of writes to one object, drawn so that they meet.

A story is drawn along with what the model makes of it: most writes change a little of
what is there, or of what the same client applied last.
"""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from attrs import field, frozen, mutable

from mpijob.loose import mapping
from mpijob_operator.simulation.typed import ListType, MapType, Type, Unkeyed

Json = Any

MANAGERS: Final = ("a", "b", "c")

# Small pools, so that two draws are often of one field, and often equal.
TEXTS: Final = ("p", "q", "r")
NUMBERS: Final = (0, 1, 2)
KEYS: Final = ("i", "j", "k")

# What is drawn of a type that has more fields than a story can visit.
Menu = Mapping[str, Any]


@frozen
class Kind:
    """A kind that stories are about."""

    api_version: str
    name: str
    type: Type
    menu: Menu | None = None  # None: all fields.

    @property
    def identity(self) -> dict[str, Json]:
        return {"apiVersion": self.api_version, "kind": self.name}


META_MENU: Final[Menu] = {
    "labels": None,
    "annotations": None,
    "finalizers": None,
    "ownerReferences": None,
}


def _are(kind: type, *values: Json) -> bool:
    return all(isinstance(value, kind) for value in values)


@mutable
class Draw:
    """Random values of a type, and values that differ a little from another."""

    random: Random
    corners: bool = True  # Nulls, what is empty, and values of another shape.

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def value(self, type_: Type, menu: Menu | None) -> Json:
        if self.corners and self.chance(0.03):
            return None
        shapes = [s for s in (type_.map, type_.list, type_.scalar) if s]
        match shape := self.random.choice(shapes) if self.corners else shapes[-1]:
            case MapType():
                return self._map(shape, menu)
            case ListType():
                return self._list(shape, menu)
            case _:
                return self._scalar(shape)

    def _scalar(self, scalar: str) -> Json:
        match scalar:
            case "string":
                return self.random.choice(TEXTS)
            case "number":
                return self.random.choice(NUMBERS)
            case "boolean":
                return self.chance(0.5)
            case _:
                return self.random.choice((*TEXTS, *NUMBERS))

    def _map(self, shape: MapType, menu: Menu | None) -> Json:
        fields = [key for key in shape.fields if menu is None or key in menu]
        free = KEYS if shape.element or shape.is_open else ()
        names = [*fields, *free]
        if not names or (self.corners and self.chance(0.05)):
            return {}
        count = min(len(names), self.random.choice((1, 2, 2, 3)))
        return {
            key: self.value(shape.of(key), None if menu is None else menu.get(key))
            for key in self.random.sample(names, count)
        }

    def _list(self, shape: ListType, menu: Menu | None) -> Json:
        count = self.random.choice((0, 1, 1, 2, 3))
        entries = [self._entry(shape, menu) for _ in range(count)]
        return entries if shape.atomic else self._distinct(entries, shape)

    def _entry(self, shape: ListType, menu: Menu | None) -> Json:
        found = self.value(shape.element, menu)
        if shape.atomic:
            return found
        if not shape.keys:
            return self._scalar(shape.element.scalar) if found is None else found
        keyed = shape.element.map
        assert keyed is not None
        entry: dict[str, Json] = dict(found or {})
        for key in shape.keys:
            if key not in shape.defaults or self.chance(0.5):
                entry[key] = self._scalar(keyed.of(key).scalar)
        return entry

    def _distinct(self, entries: list[Json], shape: ListType) -> list[Json]:
        """Return the entries that an apply may have; now and then all of them."""
        first = {shape.step(entry): entry for entry in reversed(entries)}
        return entries if self.chance(0.02) else list(reversed(first.values()))

    def near(self, value: Json, other: Json, type_: Type, *, twice: bool) -> Json:
        """Return a value between two: fields of both, some left out, some moved."""
        roll = self.random.random()
        if roll < 0.2:
            return other
        shape = type_.shape(value)
        if isinstance(shape, MapType) and _are(dict, value, other):
            return self._near_map(value, other, shape, twice=twice)
        if isinstance(shape, ListType) and _are(list, value, other):
            return self._near_list(value, other, shape, twice=twice)
        return other if roll < 0.5 else value

    def _near_map(
        self, value: Json, other: Json, shape: MapType, *, twice: bool
    ) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for key in (*value, *(k for k in other if k not in value)):
            if self.chance(0.12):
                continue
            if key in value and key in other:
                inner = shape.of(key)
                found[key] = self.near(value[key], other[key], inner, twice=twice)
            elif key in value or self.chance(0.5):
                found[key] = value.get(key, other.get(key))
        return found

    def _near_list(
        self, value: list[Json], other: list[Json], shape: ListType, *, twice: bool
    ) -> list[Json]:
        if shape.atomic:
            return self.random.choice((value, other, value + other))
        if shape.keys:
            value = [self._near_entry(e, other, shape, twice=twice) for e in value]
        entries = [e for e in (*value, *other) if not self.chance(0.25)]
        if self.chance(0.3):
            self.random.shuffle(entries)
        if twice and self.chance(0.1):
            return entries + entries[:1]
        return entries if twice and self.chance(0.1) else self._distinct(entries, shape)

    def _near_entry(
        self, entry: Json, others: list[Json], shape: ListType, *, twice: bool
    ) -> Json:
        step = shape.step(entry)
        same = [each for each in others if shape.step(each) == step]
        if not same:
            return entry
        found = self.near(entry, same[0], shape.element, twice=twice)
        try:
            return found if shape.step(found) == step else entry
        except Unkeyed:
            return entry


@frozen
class Write:
    """One write of a story; what it sends is only looked at."""

    verb: str
    manager: str
    subresource: str = ""
    object: Json = None

    def as_json(self) -> dict[str, Json]:
        return {
            "verb": self.verb,
            "manager": self.manager,
            "subresource": self.subresource,
            "object": self.object,
        }


@mutable
class Teller:
    """Draws the next write of a story, in the light of what is there."""

    draw: Draw
    kind: Kind
    last: dict[str, Json] = field(factory=dict[str, Json])  # Applied, by manager.

    def next(self, live: Json) -> Write:
        draw = self.draw
        manager = draw.random.choice(MANAGERS)
        subresource = "status" if draw.chance(0.1) else ""
        roll = draw.random.random()
        if roll < 0.05 and live:
            return Write("clear", manager)
        if roll < 0.35:
            return Write("update", manager, subresource, self.updated(live))
        verb = "force" if roll < 0.7 else "apply"
        return Write(verb, manager, subresource, self.applied(manager, live))

    def _fresh(self) -> Json:
        menu = self.kind.menu
        root = {"metadata": META_MENU, **dict.fromkeys(("spec", "status"))}
        found = self.draw.value(self.kind.type, root if menu is None else menu)
        return found or {}

    def applied(self, manager: str, live: Json) -> Json:
        base = self.last.get(manager, {})
        fresh = live if self.draw.chance(0.2) else self._fresh()
        config = base
        if not base or not self.draw.chance(0.1):
            config = self.draw.near(base, fresh, self.kind.type, twice=False)
        config = self._identified(config or {})
        if self.draw.chance(0.03):
            config = self._mistaken(config)
        else:
            self.last[manager] = config
        return config

    def updated(self, live: Json) -> Json:
        after = live
        if not self.draw.chance(0.05):
            after = self.draw.near(live, self._fresh(), self.kind.type, twice=True)
        after = self._identified(after or {})
        if live:
            after["metadata"]["uid"] = live["metadata"]["uid"]
        return after

    def _identified(self, value: Json) -> dict[str, Json]:
        """Return a value that says which object it is, and nothing of the server's."""
        metadata: Json = value.get("metadata") or {}
        known = {key: metadata[key] for key in META_MENU if key in metadata}
        return {**value, **self.kind.identity, "metadata": {**known, "name": "x"}}

    def _mistaken(self, config: Json) -> Json:
        wrong = {**mapping(config.get("spec")), "unheardOf": 1}
        return self.draw.random.choice(({**config, "spec": wrong}, {**config, "x": 1}))
