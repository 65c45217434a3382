# SPDX-License-Identifier: Apache-2.0
"""Where two JSON values differ, field by field, in words short enough for a table."""

import json
from collections.abc import Iterator, Mapping, Sized
from itertools import zip_longest
from typing import Final, NamedTuple, cast

from mpijob.loose import Manifest, mapping
from mpijob_operator.field_path import Path, path_text, printable, type_word

# A cell of a table; what is longer is named and not shown.
_SHOWN_MAX: Final = 60

ABSENT: Final = object()
"""What stands where there is no value."""


class Difference(NamedTuple):
    """A field that is not the same on both sides; `ABSENT` where it is on one only."""

    path: Path
    old: object
    new: object

    @property
    def field(self) -> str:
        """The path, as the API server writes it."""
        return path_text(self.path)

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.field} {shown(self.old)} -> {shown(self.new)}"


def differences(old: object, new: object, path: Path = ()) -> Iterator[Difference]:
    """Give the fields that differ; of objects and lists what is inside them.

    >>> [str(d) for d in differences({"a": 1, "b": [2]}, {"a": 1, "b": [3, 4]})]
    ['b[0] 2 -> 3', 'b[1] none -> 4']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        ours, theirs = cast("Manifest", old), cast("Manifest", new)
        for key in {**ours, **theirs}:
            pair = ours.get(key, ABSENT), theirs.get(key, ABSENT)
            yield from differences(*pair, (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        lists = cast("list[object]", old), cast("list[object]", new)
        for index, items in enumerate(zip_longest(*lists, fillvalue=ABSENT)):
            yield from differences(*items, (*path, index))
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield Difference(path, old, new)


def shown(value: object) -> str:
    """Return a value for a cell.

    >>> [shown(value) for value in (4, "a", ABSENT, {"a": 1}, [1, 2])]
    ['4', '"a"', 'none', 'an object of 1', 'a list of 2']
    """
    if value is ABSENT:
        return "none"
    if (word := type_word(value)) in ("an object", "a list"):
        return f"{word} of {len(cast('Sized', value))}"
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and "\n" in value:
        return f"{value.count(chr(10))} lines"
    return printable(text, _SHOWN_MAX)


def part_of(seen: object, wanted: object) -> object:
    """Return of what was seen the fields that are wanted: the others are others'.

    >>> part_of({"a": 1, "b": 2}, {"a": 3, "c": 4})
    {'a': 1}
    """
    if not isinstance(wanted, Mapping) or not isinstance(seen, Mapping):
        return seen
    there, ours = mapping(cast("object", seen)), mapping(cast("object", wanted))
    return {key: part_of(there[key], ours[key]) for key in ours if key in there}
