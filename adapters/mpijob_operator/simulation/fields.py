# SPDX-License-Identifier: Apache-2.0
"""Which field belongs to whom: server-side apply, as far as our applies need it.

Left out on purpose: owners by update are not remembered, for nobody but us applies
here; what somebody else writes into a field of ours is taken from us, as it should be.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard

from mpijob.loose import Manifest

Path = tuple[str, ...]
Owners = Mapping[str, frozenset[Path]]
"""The fields that each manager applied last."""

# Lists that are merged entry by entry, and what tells entries apart. Each entry of
# these is one field. Any other list is one field as a whole.
LIST_KEYS: Final[Mapping[str, str]] = {"ownerReferences": "uid"}

# Objects that are one field as a whole.
ATOMIC: Final = frozenset(("selector",))

# What an apply says of itself and never owns.
IDENTITY: Final = frozenset(
    (
        ("apiVersion",),
        ("kind",),
        ("metadata", "name"),
        ("metadata", "namespace"),
        ("metadata", "uid"),
        ("metadata", "resourceVersion"),
    )
)


def _is_object(value: object) -> TypeGuard[Manifest]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[Manifest]]:
    return isinstance(value, list)


def fields_of(applied: Manifest) -> frozenset[Path]:
    """Return the fields that an apply speaks of.

    >>> sorted(fields_of({"kind": "Service", "spec": {"clusterIP": "None"}}))
    [('spec', 'clusterIP')]
    """
    return frozenset(_leaves(applied, ())) - IDENTITY


def _leaves(value: object, path: Path) -> Iterator[Path]:
    name = path[-1] if path else ""
    if _is_object(value) and value and name not in ATOMIC:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif _is_list(value) and name in LIST_KEYS:
        for entry in value:
            yield (*path, _entry(name, entry))
    else:
        yield path


def _entry(name: str, entry: Manifest) -> str:
    key = LIST_KEYS[name]
    return "k:" + json.dumps({key: entry[key]}, separators=(",", ":"))


def merged(live: Manifest, applied: Manifest) -> dict[str, Any]:
    """Return the live object with the applied fields in it."""
    result = dict(live)
    for key, value in applied.items():
        known = result.get(key)
        if _is_object(value) and _is_object(known):
            result[key] = value if key in ATOMIC else merged(known, value)
        elif _is_list(known) and _is_list(value) and key in LIST_KEYS:
            entries = {_entry(key, entry): entry for entry in (*known, *value)}
            result[key] = list(entries.values())
        else:
            result[key] = value
    return result


def pruned(value: Manifest, paths: Iterable[Path]) -> Manifest:
    """Return an object without some of its fields."""
    for path in paths:
        value = _without(value, path)
    return value


def _without(value: Manifest, path: Path) -> Manifest:
    key, rest = path[0], path[1:]
    if key not in value:
        return value
    if not rest:
        return {k: v for k, v in value.items() if k != key}
    inner = value[key]
    if _is_list(inner):
        kept = [entry for entry in inner if _entry(key, entry) != rest[0]]
        return {**value, key: kept}
    return {**value, key: _without(inner, rest)}


def value_at(value: object, path: Path) -> object:
    """Return what is in a field, None where it is not there."""
    for name, key in zip(("", *path), path, strict=False):
        if _is_list(value):
            return next((e for e in value if _entry(name, e) == key), None)
        value = value.get(key) if _is_object(value) else None
    return value


def taken(owners: Owners, before: Manifest, after: Manifest) -> Owners:
    """Return who owns what after somebody wrote without applying."""
    left = {
        manager: frozenset(
            path for path in paths if value_at(before, path) == value_at(after, path)
        )
        for manager, paths in owners.items()
    }
    return {manager: paths for manager, paths in left.items() if paths}


def managed_fields(owners: Owners, api_version: str) -> list[Manifest]:
    """Return the owners as `metadata.managedFields` tells of them."""
    return [
        {
            "manager": manager,
            "operation": "Apply",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(paths),
        }
        for manager, paths in sorted(owners.items())
    ]


def _tree(paths: Iterable[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for part in path:
            key = part if part.startswith("k:") else f"f:{part}"
            node = node.setdefault(key, {})
    return tree
