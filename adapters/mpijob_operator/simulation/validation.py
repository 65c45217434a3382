# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses of an object, as `tables` has it.

The rows of a kind are a tree by place, which is walked once along an object: what the
object does not have costs nothing. An object is looked at as a whole when it is made;
later, the parts of it that change, and whether they may.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final

from attrs import field, frozen

from mpijob.loose import NOTHING, Manifest, mapping, sequence
from mpijob_operator.simulation import custom, job_status, tables
from mpijob_operator.simulation.changes import Change, ChangeCheck
from mpijob_operator.simulation.checks import Check, Fault

# Of Kubernetes 1: what the tables are taken from, where nothing else is said.
MINOR: Final = 37


@frozen
class Place:
    """The checks of a place, and the places in it."""

    checks: list[Check] = field(factory=list[Check])
    inner: dict[str, "Place"] = field(factory=dict[str, "Place"])

    def at(self, path: str) -> "Place":
        """Return the place at a path, making it where there is none."""
        place = self
        for part in filter(None, path.replace("[]", ".[]").split(".")):
            place = place.inner.setdefault(part, Place())
        return place


@functools.cache
def tree(kind: str, minor: int, *, new: bool) -> Place:
    """Return the rows of a kind, by place."""
    groups = [("", tables.OBJECTS.get(kind, NOTHING)), ("metadata", tables.METADATA)]
    if pod := _PODS.get(kind):
        groups.append((pod, tables.POD))
        groups += [(f"{pod}.{part}[]", tables.CONTAINER) for part in _CONTAINERS]
    if kind == "Job":
        groups.append(("spec", tables.JOB))
    root = Place()
    for at, group in groups:
        for row in (row for rows in group.values() for row in rows):
            of_kind = not row.kinds or kind in row.kinds.split()
            if of_kind and row.holds(minor) and (new or not row.new):
                root.at(f"{at}.{row.at}").checks.append(row.check)
    return root


_PODS: Final = {"Job": "spec.template.spec", "Pod": "spec"}
_CONTAINERS: Final = ("containers", "initContainers")


def mistakes_of(
    kind: str, after: Manifest, before: Manifest | None = None, minor: int = MINOR
) -> tuple[Fault, ...]:
    """Return all for which the API server refuses an object, new where none was before.

    What did not change is not looked at: it was taken before.
    """
    found: list[Fault] = []
    root = tree(kind, minor, new=before is None)
    changed = after if before is None else _news(after, before)
    if changed:
        _walk(root, after, "", found, changed)
    if before is not None:
        found += _of_change(kind, after, before, minor)
    if kind == "MPIJob":
        found += custom.mistakes_of(after, before, found)
    return tuple(dict.fromkeys(found))


def _of_change(
    kind: str, after: Manifest, before: Manifest, minor: int
) -> Iterator[Fault]:
    for at, check in kept(kind, minor):
        old, new = _value_at(before, at), _value_at(after, at)
        if old is not new:
            for fault in check(Change(old, new, before, after)):
                yield fault._replace(below=f"{'.'.join(at)}{fault.below}")


def _value_at(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON.
    for key in path:
        value = mapping(value).get(key)
    return value


def mistakes_of_status(
    kind: str, after: Manifest, before: Manifest, minor: int = MINOR
) -> tuple[Fault, ...]:
    """Return all for which the API server refuses a status; of few kinds it looks."""
    match kind:
        case "MPIJob":
            return tuple(custom.mistakes_of_status(after))
        case "Job":
            return tuple(dict.fromkeys(job_status.mistakes_of(after, before, minor)))
        case _:
            return ()


def _news(after: Manifest, before: Manifest) -> Manifest:
    """Return what of an object is another than it was, of its metadata by field."""
    changed = {k: v for k, v in after.items() if v != before.get(k)}
    if "metadata" in changed:
        old, new = mapping(before["metadata"]), mapping(after["metadata"])
        changed["metadata"] = {k: v for k, v in new.items() if v != old.get(k)}
    return changed


def _walk(
    place: Place,
    value: Any,  # noqa: ANN401 - JSON.
    at: str,
    found: list[Fault],
    only: Manifest = NOTHING,
) -> None:
    for check in place.checks:
        for fault in check(value):
            below = f"{at}{fault.below}".removeprefix(".")
            found.append(fault._replace(below=below))
    each = place.inner.get("[]")
    if each is not None:
        for index, entry in enumerate(sequence(value)):
            _walk(each, entry, f"{at}[{index}]", found)
        return
    inner = place.inner
    for key, below in (only or mapping(value)).items():
        if below is not None and key in inner:
            _walk(inner[key], below, f"{at}.{key}" if at else key, found)


@functools.cache
def kept(kind: str, minor: int) -> tuple[tuple[tuple[str, ...], ChangeCheck], ...]:
    """Return the rows of what may not change in a kind."""
    rows = (*tables.CHANGES[""], *tables.CHANGES.get(kind, ()))
    return tuple(
        (tuple(row.at.split(".")), row.check) for row in rows if row.holds(minor)
    )
