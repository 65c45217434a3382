# SPDX-License-Identifier: Apache-2.0
"""What a value is made of: which lists and maps are merged, and which are one field.

A type may take more than one form: what has no schema is a scalar, a list or a map, as
its value says. The types of the kinds that we make, and of those that their users
write, are in a table beside this module, which `python -m tests.smd.table` makes of
Kubernetes's OpenAPI and of our CRD.

Server-side apply names a field by the steps that lead to it, and spells a step as
`metadata.fieldsV1` has it: `f:` and a key, `k:` and the keys of an entry, `v:` and the
entry itself.
"""

import enum
import functools
import json
from collections.abc import Mapping
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Final

from attrs import Factory, field, frozen

from mpijob.loose import NOTHING, mapping, sequence

TABLE: Final = Path(__file__).with_name("types.json")

Steps = tuple[str, ...]
"""Where a field is: the steps from the root of its object."""


def text_of(path: Steps) -> str:
    """Return where a field is, as messages spell it.

    >>> text_of(("f:env", 'k:{"name":"HOME"}', "f:value"))
    '.env[name="HOME"].value'
    """
    return "".join(map(_step_text, path))


def _step_text(step: str) -> str:
    if step.startswith("f:"):
        return f".{step[2:]}"
    if step.startswith("v:"):
        return f"[={step[2:]}]"
    keys = json.loads(step[2:]).items()
    return f"[{','.join(f'{key}={json.dumps(value)}' for key, value in keys)}]"


class Absent(enum.Enum):
    """No value at all: null is one."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Unkeyed(Exception):  # noqa: N818 - It says what an entry is.
    """An entry of a list has nothing that tells it from another."""


@frozen(eq=False)
class ListType:
    """A list: one field as a whole, or merged entry by entry."""

    element: "Type"
    atomic: bool = True
    # What tells entries apart; if nothing does, an entry is told by its value.
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = NOTHING

    def step(self, entry: object) -> str:
        """Return the step to an entry of a list that is merged.

        Raises:
            Unkeyed: Nothing tells the entry from another.
        """
        if not self.keys:
            if entry is None or isinstance(entry, (dict, list)):
                raise Unkeyed("an entry of a set must be a scalar")
            return f"v:{_text(entry)}"
        given = mapping(entry)
        known = {
            key: given.get(key, self.defaults.get(key))
            for key in self.keys
            if key in given or key in self.defaults
        }
        if not known or not isinstance(entry, Mapping):
            raise Unkeyed(f"an entry must have a {' or '.join(self.keys)}")
        return f"k:{_compact(known)}"


def _compact(value: Mapping[str, Any]) -> str:
    """Return an object of scalars as JSON, sooner than `json` does."""
    pairs = (f"{_text(key)}:{_text(value[key])}" for key in sorted(value))
    return f"{{{','.join(pairs)}}}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    return json.dumps(value, ensure_ascii=False)


@frozen(eq=False)
class MapType:
    """An object: fields with a type each, and any others of one type, if any."""

    fields: Mapping[str, "Type"] = NOTHING
    element: "Type | None" = None  # None: no others, unless the map is open.
    atomic: bool = False
    is_open: bool = False  # The others may be anything.

    def declared(self, key: str) -> "Type | None":
        """Return the type of a field, None where there may be no such field."""
        found = self.fields.get(key, self.element)
        return ANYTHING if found is None and self.is_open else found

    def of(self, key: str) -> "Type":
        """Return the type of a field; one that is not declared may be anything."""
        return self.fields.get(key) or self.element or ANYTHING


Scalar = str
"""A scalar of one kind: string, number or boolean; "any" is one of each."""

Shape = MapType | ListType | Scalar
"""What a type is for one value."""


def _only_shape(type_: "Type") -> Shape | None:
    shapes = [shape for shape in (type_.map, type_.scalar, type_.list) if shape]
    return shapes[0] if len(shapes) == 1 else None


@frozen(eq=False)
class Type:
    """The shapes that a value may have; no scalar if that is empty."""

    scalar: Scalar = ""
    list: ListType | None = None
    map: MapType | None = None
    # Most types have one shape: kept, for it is asked for again and again.
    only: Shape | None = field(
        init=False, default=Factory(_only_shape, takes_self=True)
    )

    def shape(self, value: object) -> Shape:
        """Return what the type is for a value; null takes any, and maps come first."""
        if self.only is not None:
            return self.only
        found: Shape | None = None
        if isinstance(value, Mapping):
            found = self.map
        elif isinstance(value, list):
            found = self.list
        elif value is not None and value is not ABSENT:
            found = self.scalar
        return found or self.map or self.scalar or self.list or ""


# A value without a schema within one field: nothing in it is merged.
WHOLE: Final = Type(
    "any", ListType(Type("any")), MapType(element=Type("any"), atomic=True)
)
# A value without a schema: maps are merged, lists are not.
ANYTHING: Final = Type("any", ListType(WHOLE), MapType(is_open=True))

_BY_WORD: Final[Mapping[str, Type]] = {
    **{word: Type(word) for word in ("string", "number", "boolean", "any")},
    "whole": WHOLE,
    "anything": ANYTHING,
}


class Types:
    """Types by name, read of the table when they are asked for."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._kinds: Mapping[str, str] = table["kinds"]
        self._written: Mapping[str, Any] = table["types"]
        self._read: dict[str, Type] = {}

    def of(self, api_version: str, kind: str) -> Type:
        """Return the type of a kind; one that is not in the table may be anything."""
        name = self._kinds.get(f"{api_version} {kind}")
        return ANYTHING if name is None else self._named(name)

    def _named(self, name: str) -> Type:
        if name not in self._read:
            self._read[name] = self._type(self._written[name])
        return self._read[name]

    def _type(self, written: Any) -> Type:  # noqa: ANN401 - The table's JSON.
        if isinstance(written, str):
            known = _BY_WORD.get(written)
            return self._named(written) if known is None else known
        return Type(
            written.get("scalar", ""),
            self._list(written["list"]) if "list" in written else None,
            self._map(written["map"]) if "map" in written else None,
        )

    def _list(self, written: Mapping[str, Any]) -> ListType:
        return ListType(
            element=self._type(written["of"]),
            atomic=written.get("atomic", False),
            keys=tuple(written.get("keys", ())),
            defaults=written.get("defaults", NOTHING),
        )

    def _map(self, written: Mapping[str, Any]) -> MapType:
        fields: Mapping[str, Any] = written.get("fields", NOTHING)
        element = written.get("of")
        is_open = element == "anything"
        return MapType(
            fields={key: self._type(value) for key, value in fields.items()},
            element=None if element is None or is_open else self._type(element),
            atomic=written.get("atomic", False),
            is_open=is_open,
        )


@functools.cache
def known_types() -> Types:
    """Return the types of the table that ships."""
    return Types(json.loads(TABLE.read_bytes()))


def mistakes_of(value: object, type_: Type) -> list[str]:
    """Return what forbids to apply a value: not of its type, or there twice."""
    found: list[str] = []
    _add_mistakes(value, type_, (), found)
    return found


def _add_mistakes(value: object, type_: Type, at: Steps, found: list[str]) -> None:
    match shape := type_.shape(value):
        case MapType():
            given = mapping(value)
            if value is not None and given is not value:
                found.append(f"{text_of(at)}: {value!r} is no object")
            _add_mistakes_of_map(given, shape, at, found)
        case ListType():
            entries = sequence(value)
            if value is not None and entries is not value:
                found.append(f"{text_of(at)}: {value!r} is no list")
            _add_mistakes_of_list(entries, shape, at, found)
        case _:
            if not _is_scalar(value, shape):
                found.append(f"{text_of(at)}: {value!r} is no {shape}")


def _is_scalar(value: object, scalar: Scalar) -> bool:
    if value is None:
        return True
    match scalar:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case _:
            return not isinstance(value, (Mapping, list))


def _add_mistakes_of_map(
    value: Mapping[str, Any], shape: MapType, at: Steps, found: list[str]
) -> None:
    for key, inner in value.items():
        type_, under = shape.declared(key), (*at, f"f:{key}")
        if type_ is None:
            found.append(f"{text_of(under)}: field not declared in schema")
        else:
            _add_mistakes(inner, type_, under, found)


def _add_mistakes_of_list(
    value: list[Any], shape: ListType, at: Steps, found: list[str]
) -> None:
    known: set[str] = set()
    for entry in value:
        under = at
        if not shape.atomic:
            try:
                under = (*at, shape.step(entry))
            except Unkeyed as error:
                found.append(f"{text_of(at)}: {error}")
                return
            if under[-1] in known:
                found.append(f"{text_of(under)}: duplicate entries for key")
            known.add(under[-1])
        _add_mistakes(entry, shape.element, under, found)
