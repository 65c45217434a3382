# SPDX-License-Identifier: Apache-2.0
"""Typed values put together, compared, and taken apart: what server-side apply is of.

The rules are those of Kubernetes's structured-merge-diff, down to its corners: a null
is a value, two empty containers are one field, and an entry that a list has twice is
one field, too. `python -m tests.smd.compare` holds each against the original.

Values are never changed: an answer shares with the question what it left alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from mpijob_operator.simulation.typed import (
    ABSENT,
    ListType,
    MapType,
    Shape,
    Steps,
    Type,
    Unkeyed,
)

Json = Any
"""A value as JSON has it, or `ABSENT`."""

_NO_MAP: Final[Mapping[str, Json]] = {}
_NO_LIST: Final[list[Json]] = []


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, (dict, Mapping)) else _NO_MAP  # pyright: ignore[reportUnknownVariableType] - JSON.


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else _NO_LIST  # pyright: ignore[reportUnknownVariableType] - JSON.


# --- The fields of a value ----------------------------------------------------


def fields_of(value: Json, type_: Type) -> frozenset[Steps]:
    """Return the fields that a value speaks of."""
    found: set[Steps] = set()
    _add_fields(value, type_, (), found)
    return frozenset(found)


def _add_fields(value: Json, type_: Type, at: Steps, found: set[Steps]) -> None:
    match shape := type_.shape(value):
        case MapType(atomic=False):
            for key, inner in _map(value).items():
                under = (*at, f"f:{key}")
                _add_fields(inner, shape.of(key), under, found)
                if inner is None or inner == {} or key not in shape.fields:
                    found.add(under)
        case ListType(atomic=False):
            for step, entries in _by_step(value, _any_step(shape)).items():
                if len(entries) == 1:
                    _add_fields(entries[0], shape.element, (*at, step), found)
                found.add((*at, step))
        case _:
            found.add(at)


def all_of(value: Json, type_: Type) -> frozenset[Steps]:
    """Return the fields of a value, and all that they are in.

    Raises:
        Unkeyed: Nothing tells an entry from another.
    """
    found: set[Steps] = set()
    _add_all(value, type_, (), found)
    return frozenset(found)


def _add_all(value: Json, type_: Type, at: Steps, found: set[Steps]) -> None:
    match shape := type_.shape(value):
        case MapType(atomic=False):
            for key, inner in _map(value).items():
                under = (*at, f"f:{key}")
                found.add(under)
                _add_all(inner, shape.of(key), under, found)
        case ListType(atomic=False):
            for step, entries in _by_step(value, shape.step).items():
                if len(entries) == 1:
                    _add_all(entries[0], shape.element, (*at, step), found)
                found.add((*at, step))
        case _:
            pass


def _by_step(value: Json, step_to: Callable[[Json], str]) -> dict[str, list[Json]]:
    """Return the entries of a list by their steps; a step may have many."""
    found: dict[str, list[Json]] = {}
    for entry in _list(value):
        found.setdefault(step_to(entry), []).append(entry)
    return found


def _any_step(shape: ListType) -> Callable[[Json], str]:
    """Return what gives the step to an entry, empty where nothing tells it apart.

    An entry is left so by a prune that takes its keys alone.
    """

    def step_to(entry: Json) -> str:
        try:
            return shape.step(entry)
        except Unkeyed:
            return ""

    return step_to


def with_declared(paths: frozenset[Steps], type_: Type) -> frozenset[Steps]:
    """Return the fields, and each declared field that one of them is under."""
    found = set(paths)
    for path in paths:
        found.update(_declared_above(path, type_))
    return frozenset(found)


def _declared_above(path: Steps, type_: Type) -> Iterator[Steps]:
    inner: Type | None = type_
    for depth, step in enumerate(path[:-1], 1):
        if inner is None:
            return
        if step.startswith("f:"):
            key, shape = step[2:], inner.map
            if shape is not None and key in shape.fields:
                yield path[:depth]
            inner = None if shape is None else shape.declared(key)
        else:
            is_key = step.startswith("k:") and inner.list is not None
            inner = inner.list.element if is_key and inner.list else None


# --- Two values ---------------------------------------------------------------


def merged(live: Json, applied: Json, type_: Type) -> Json:
    """Return the live value with the applied one in it, `ABSENT` if nothing is left."""
    if applied is ABSENT or live is applied:
        return live
    if live is ABSENT:
        return applied
    match shape := type_.shape(applied):
        case MapType(atomic=False) if _map(live) or _map(applied):
            return _merged_maps(_map(live), _map(applied), shape)
        case ListType(atomic=False) if _list(live) or _list(applied):
            return _merged_lists(_list(live), _list(applied), shape)
        case _:
            return applied


def _merged_maps(
    live: Mapping[str, Json], applied: Mapping[str, Json], shape: MapType
) -> Json:
    result = dict(live)
    for key, value in applied.items():
        result[key] = merged(live.get(key, ABSENT), value, shape.of(key))
    return result


def _merged_lists(live: list[Json], applied: list[Json], shape: ListType) -> Json:
    """Return the entries of both: as applied, and what is live alone in its place."""
    known, asked = _by_step(live, shape.step), _by_step(applied, shape.step)
    result: list[Json] = []
    for pick in _picks([shape.step(entry) for entry in live], list(asked)):
        if isinstance(pick, int):
            result.append(live[pick])
        else:
            entries = known.get(pick, (ABSENT,))
            # What is there twice is not merged: the applied entry takes its place.
            before = entries[0] if len(entries) == 1 else None
            result.append(merged(before, asked[pick][0], shape.element))
    return result


def _picks(live: list[str], applied: list[str]) -> Iterator[int | str]:
    """Yield what comes next: a live entry by its place, or an applied one by its step.

    What both have comes as it was applied; a live entry that was passed over on the
    way to it is not looked at again.
    """
    shared = deque(step for step in applied if step in set(live))
    wanted, done = set(applied), set[str]()
    left = right = 0
    while left < len(live) or right < len(applied):
        step = live[left] if left < len(live) else None
        due = applied[right] if right < len(applied) else None
        if step is not None and step not in wanted:
            yield left
            left += 1
            continue
        if (
            step is not None
            and due not in (None, step)
            and shared
            and shared[0] != step
        ):
            left += 1
            continue
        if step is not None and (step == due or step in done):
            left += 1
        if due is not None:
            yield due
            done.add(due)
            right += 1
            if shared and shared[0] == due:
                shared.popleft()


@frozen
class Changes:
    """The fields in which two values differ."""

    removed: set[Steps] = field(factory=set[Steps])
    modified: set[Steps] = field(factory=set[Steps])
    added: set[Steps] = field(factory=set[Steps])

    def one_field(self, before: Json, after: Json, at: Steps) -> None:
        """Compare what is one field as a whole."""
        if before is ABSENT or after is ABSENT:
            self.whole(before, after, at)
        elif before != after:
            self.modified.add(at)

    def whole(self, before: Json, after: Json, at: Steps) -> None:
        """Say of a value with fields of its own that it came or went."""
        if before is ABSENT:
            self.added.add(at)
        elif after is ABSENT:
            self.removed.add(at)


def changes(before: Json, after: Json, type_: Type) -> Changes:
    """Return the fields in which two values differ."""
    found = Changes()
    _compare(before, after, type_, (), found)
    return found


def _compare(before: Json, after: Json, type_: Type, at: Steps, found: Changes) -> None:
    if before is after:
        return
    old, new = type_.shape(before), type_.shape(after)
    if before is not ABSENT and after is not ABSENT and old is not new:
        _compare_as(old, before, after, at, found)
    _compare_as(old if after is ABSENT else new, before, after, at, found)


def _compare_as(
    shape: Shape, before: Json, after: Json, at: Steps, found: Changes
) -> None:
    match shape:
        case MapType(atomic=False) if _map(before) or _map(after):
            _compare_maps(_map(before), _map(after), shape, at, found)
            found.whole(before, after, at)
        case ListType(atomic=False) if _list(before) or _list(after):
            _compare_lists(_list(before), _list(after), shape, at, found)
            found.whole(before, after, at)
        case _:
            found.one_field(before, after, at)


def _compare_maps(
    before: Mapping[str, Json],
    after: Mapping[str, Json],
    shape: MapType,
    at: Steps,
    found: Changes,
) -> None:
    for key, value in before.items():
        other = after.get(key, ABSENT)
        if other is not value:
            _compare(value, other, shape.of(key), (*at, f"f:{key}"), found)
    for key, value in after.items():
        if key not in before:
            _compare(ABSENT, value, shape.of(key), (*at, f"f:{key}"), found)


def _compare_lists(
    before: list[Json], after: list[Json], shape: ListType, at: Steps, found: Changes
) -> None:
    olds, news = _by_step(before, shape.step), _by_step(after, shape.step)
    for step in olds | news:
        old, new = olds.get(step, []), news.get(step, [])
        under = (*at, step)
        if len(old) > 1 and len(new) > 1:
            found.one_field(old, new, under)
            continue
        # An entry that is there twice is a field by itself, whatever is in it.
        one_old = old[0] if len(old) == 1 else ABSENT
        one_new = new[0] if len(new) == 1 else ABSENT
        _compare(one_old, one_new, shape.element, under, found)
        if len(old) > 1:
            found.removed.add(under)
        if len(new) > 1:
            found.added.add(under)


# --- A value without some fields ----------------------------------------------


class Tree(dict[str, "Tree"]):
    """Fields by their steps, one step a level."""

    is_field = False  # The steps end here, or go on, or both.


def tree_of(paths: Iterable[Steps]) -> Tree:
    """Return fields as a tree."""
    root = Tree()
    for path in paths:
        node = root
        for step in path:
            node = node.setdefault(step, Tree())
        node.is_field = True
    return root


def without(value: Json, fields: Tree, type_: Type) -> Json:
    """Return a value without some fields, null if nothing of a container is left."""
    match shape := type_.shape(value):
        case MapType():
            if shape.atomic:
                return None
            return _map_without(_map(value), fields, shape) or None
        case ListType():
            if shape.atomic:
                return None
            return _list_without(_list(value), fields, shape) or None
        case _:
            return value


def _map_without(
    value: Mapping[str, Json], fields: Tree, shape: MapType
) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, inner in value.items():
        under = fields.get(f"f:{key}")
        if under is None:
            result[key] = inner
        elif not under.is_field:
            result[key] = without(inner, under, shape.of(key))
    return result


def _list_without(value: list[Json], fields: Tree, shape: ListType) -> list[Json]:
    result: list[Json] = []
    step_to = _any_step(shape)
    for entry in value:
        under = fields.get(step_to(entry))
        if under is None:
            result.append(entry)
        elif not under.is_field:
            result.append(without(entry, under, shape.element))
    return result


def without_nulls(value: Json) -> Json:
    """Return a value as the API server keeps it: where null is said, nothing is.

    A null among the entries of a list stays.
    """
    if given := _map(value):
        return {k: without_nulls(v) for k, v in given.items() if v is not None}
    entries = _list(value)
    return [without_nulls(entry) for entry in entries] if entries else value
