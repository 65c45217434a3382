# SPDX-License-Identifier: Apache-2.0
"""What the programs of a cluster could do next, as values with a time.

Each program looks at the objects alone and remembers nothing, so that a cluster can be
put back to any moment of its life. Whoever drives the cluster picks a deed: the next
one by the clock, or any of them to see what comes of it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen

from mpijob.loose import Manifest, mapping, mappings, sequence, strings
from mpijob.names import Ref
from mpijob_operator.simulation.cluster import Cluster


@frozen
class Deed:
    """One thing that a program of the cluster, or a user, may do."""

    at: float  # Not before; on the cluster's clock.
    who: str
    ref: Ref
    what: str  # As a timeline tells it, `{}` for the name; empty: not worth telling.
    perform: Callable[[Cluster], None]


class Program(Protocol):
    """One of the cluster's own programs."""

    def __call__(self, cluster: Cluster, /) -> list[Deed]:
        """Return what it could do, by what the cluster holds now."""
        ...


def placed(value: Manifest, path: str, new: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    """Return an object with one field set, the path given with dots.

    >>> placed({"spec": {"a": 1}}, "spec.b", 2)
    {'spec': {'a': 1, 'b': 2}}
    """
    key, _, rest = path.partition(".")
    inner = placed(mapping(value.get(key)), rest, new) if rest else new
    return {**value, key: inner}


def status_of(value: Manifest) -> Manifest:
    """Return the status of an object."""
    return mapping(value.get("status"))


def spec_of(value: Manifest) -> Manifest:
    """Return the spec of an object."""
    return mapping(value.get("spec"))


def finalizers_of(value: Manifest) -> list[str]:
    """Return what holds an object, though it were deleted."""
    return list(sequence(value["metadata"].get("finalizers")))


def released(value: Manifest, finalizer: str) -> dict[str, Any]:
    """Return an object that a finalizer holds no more."""
    kept = [name for name in finalizers_of(value) if name != finalizer]
    return {**value, "metadata": {**value["metadata"], "finalizers": kept}}


def is_true(value: Manifest, type_: str) -> bool:
    """Tell whether a condition in the status of an object is True."""
    return condition_of(value, type_).get("status") == "True"


def condition_of(value: Manifest, type_: str) -> dict[str, str]:
    """Return a condition in the status of an object, an empty one if there is none."""
    for entry in map(strings, mappings(status_of(value).get("conditions"))):
        if entry.get("type") == type_:
            return entry
    return {}


# The reason and the message of a condition.
Words = tuple[str, str]


def conditioned(
    value: Manifest, stamp: str, type_: str, status: str, words: Words = ("", "")
) -> dict[str, Any]:
    """Return an object with one condition set, in the place where it was."""
    new = {"type": type_, "status": status, "lastTransitionTime": stamp}
    if words[0]:
        new |= {"reason": words[0], "message": words[1]}
    old = mappings(status_of(value).get("conditions"))
    kept = [new if entry.get("type") == type_ else entry for entry in old]
    if new not in kept:
        kept.append(new)
    return placed(value, "status.conditions", kept)
