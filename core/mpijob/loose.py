# SPDX-License-Identifier: Apache-2.0
"""Reading JSON that may be anything: what is not as expected counts as nothing said."""

from collections.abc import Mapping
from typing import Any, Final, cast

Manifest = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as JSON has it."""

NOTHING: Final[Manifest] = {}


def mapping(value: object) -> Manifest:
    """Return the value where it is an object, else an empty one."""
    return cast("Manifest", value) if isinstance(value, Mapping) else NOTHING


def sequence(value: object) -> list[Any]:
    """Return the value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType] - JSON.


def mappings(value: object) -> list[Manifest]:
    """Return the entries of a list, an empty object for each that is none."""
    return [mapping(entry) for entry in sequence(value)]


def strings(value: object) -> dict[str, str]:
    """Return the entries of an object whose values are strings."""
    return {k: v for k, v in mapping(value).items() if isinstance(v, str)}


def text(value: object, key: str) -> str:
    """Return the string under a key of an object, empty where there is none."""
    found = mapping(value).get(key)
    return found if isinstance(found, str) else ""


def integer(value: object) -> int | None:
    """Return the value where it is an integer; a boolean is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_going(metadata: Manifest) -> bool:
    """Tell whether an object is being deleted."""
    return metadata.get("deletionTimestamp") is not None


def count(value: object) -> int:
    """Return a count, 0 where it is none."""
    return max(integer(value) or 0, 0)
