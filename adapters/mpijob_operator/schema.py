# SPDX-License-Identifier: Apache-2.0
"""The CRD's schema without an API server: its defaults, and what it would refuse.

A custom resource goes through four steps in the API server, and `Schema` has each:
nulls that the schema does not allow are dropped, defaults are filled in, fields that
it does not know are pruned (a warning here), and the rest is validated. CEL rules are
not evaluated here; the core's validation has the same rules in Python.

Theory of operation
===================

Types, enums, patterns and limits are checked by jsonschema-rs, on a translation of the
structural schema to JSON Schema. It says where and by which keyword a value fails; the
sentences are ours, since the library's show whole values and a value may be a secret.
What JSON Schema cannot say, the list types of Kubernetes, is a walk over schema and
value side by side, as are unknown fields and defaults.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import field, frozen

from mpijob.problems import Problem
from mpijob_operator.field_path import Path, path_text, printable, type_word
from mpijob_operator.json_schema import OpenApi, json_schema

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

# What a keyword of a schema holds: it is known, and no type says it.
Parameter = Any

# What to say of a value, and how to mend it.
Fault = tuple[str, str]

# A problem, and the keyword of the schema that a value fails by.
Keyed = tuple[str, Problem]

# The keyword by which a list fails that has an item twice.
REPEATS: Final = "x-kubernetes-list-type"

# The API server knows these of every object, whatever the schema says.
_HEAD: Final = frozenset({"apiVersion", "kind", "metadata"})

# What it must be able to read of their metadata, as far as users write it.
_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA: Final[OpenApi] = {
    **{key: {"type": "string"} for key in ("name", "generateName", "namespace")},
    **dict.fromkeys(("labels", "annotations"), _TEXTS),
}

_TYPES: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}

# A name is recognised in this; a key or a certificate is not given away by it.
_VALUE_SHOWN_MAX: Final = 32

_QUOTE_IT: Final = "quote it: without quotes YAML reads yes, 0644 or 1e3 as no text"


def _shown(value: object) -> str:
    match value:
        case str():
            return f'"{printable(value, _VALUE_SHOWN_MAX)}"'
        case bool():
            return str(value).lower()
        case int() | float():
            return printable(str(value), _VALUE_SHOWN_MAX)
        case _:
            return type_word(value)


def _any_of(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _close(word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - for a mistake only; it is not free.

    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1)
    return f"did you mean {spelled[near[0]]}?" if near else ""


def _wrong_type(value: object, wanted: Parameter) -> Fault:
    types: list[str] = [wanted] if isinstance(wanted, str) else list(wanted)
    words = _any_of(_TYPES[word] for word in types if word != "null")
    hint = ""
    if "string" in types and isinstance(value, bool | int | float):
        hint = _QUOTE_IT
    elif isinstance(value, str) and not {"array", "object"} & set(types):
        hint = "write it without quotes"
    return f"is {type_word(value)}, and must be {words}", hint


def _not_in_enum(value: object, options: Parameter) -> Fault:
    # An empty text in an enum stands for the default: nothing to recommend.
    words = [str(option) for option in options if option not in ("", None)]
    message = f"is {_shown(value)}, and must be {_any_of(words)}"
    return message, _close(value, words) if isinstance(value, str) else ""


def _no_match(value: object, pattern: Parameter) -> Fault:
    if "KMGTPE" in pattern:
        wanted = "a quantity, like 500m or 1.5Gi"
        return f"is {_shown(value)}, and must be {wanted}", ""
    return f"is {_shown(value)}, and must match {printable(pattern)}", ""


def _limited(words: str) -> Callable[[object, Parameter], Fault]:
    return lambda value, limit: (f"is {_shown(value)}, and must be {words} {limit}", "")


def _counted(words: str, one: str, many: str) -> Callable[[Sized, Parameter], Fault]:
    def fault(value: Sized, limit: Parameter) -> Fault:
        unit = one if limit == 1 else many
        return f"has {len(value)}, and must have {words} {limit} {unit}", ""

    return fault


# What to say of a value that fails by a keyword, and how to mend it.
_FAULTS: Final[Mapping[str, Callable[[Any, Parameter], Fault]]] = {
    "enum": _not_in_enum,
    "exclusiveMaximum": _limited("less than"),
    "exclusiveMinimum": _limited("more than"),
    "maxItems": _counted("at most", "item", "items"),
    "maxLength": _counted("at most", "character", "characters"),
    "maxProperties": _counted("at most", "entry", "entries"),
    "maximum": _limited("at most"),
    "minItems": _counted("at least", "item", "items"),
    "minLength": _counted("at least", "character", "characters"),
    "minProperties": _counted("at least", "entry", "entries"),
    "minimum": _limited("at least"),
    "multipleOf": _limited("a multiple of"),
    "pattern": _no_match,
    "type": _wrong_type,
    "uniqueItems": lambda _value, _limit: ("has an item twice", ""),
}


def _with_metadata(open_api: OpenApi) -> OpenApi:
    fields: OpenApi = open_api.get("properties", {})
    if "metadata" not in fields:
        return open_api
    known = {**_METADATA, **fields["metadata"].get("properties", {})}
    metadata = {**fields["metadata"], "properties": known}
    return {**open_api, "properties": {**fields, "metadata": metadata}}


def _field(schema: OpenApi, key: str) -> OpenApi | None:
    """Return the schema of the field; None if the object's schema does not know it."""
    known = schema.get("properties", {}).get(key)
    if known is None and isinstance(schema.get("additionalProperties"), Mapping):
        known = schema["additionalProperties"]
    return cast("OpenApi | None", known)


def _parts(schema: OpenApi, value: object) -> Iterator[tuple[str | int, Any, object]]:
    """Give what is inside the value: key or index, schema, value."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            if (known := _field(schema, key)) is not None:
                yield key, known, inner
    elif isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(cast("list[object]", value)):
            yield index, schema["items"], inner


def _walk(schema: OpenApi, value: object) -> Iterator[tuple[Path, OpenApi, object]]:
    """Give every value that the schema describes, outer before inner."""
    todo: list[tuple[Path, OpenApi, object]] = [((), schema, value)]
    while todo:
        path, schema, value = todo.pop()
        yield path, schema, value
        parts = [((*path, key), of, part) for key, of, part in _parts(schema, value)]
        todo += reversed(parts)


def _identity(item: object, keys: tuple[str, ...]) -> object:
    """Return what must differ between the items; None for an item without it."""
    if not keys:
        return json.dumps(item, sort_keys=True)
    if not isinstance(item, Mapping):
        return None
    fields = cast("Mapping[str, object]", item)
    if not all(key in fields for key in keys):
        return None  # A key without a default is required, and missed elsewhere.
    return json.dumps([fields[key] for key in keys], sort_keys=True)


def _repeats(path: Path, schema: OpenApi, items: list[object]) -> Iterator[Problem]:
    keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    first: dict[object, int] = {}
    for index, item in enumerate(items):
        identity = _identity(item, keys)
        if identity is None:
            continue
        earlier = first.setdefault(identity, index)
        if earlier == index:
            continue
        what = " and ".join(keys) or "value"
        message = f"has the same {what} as {path_text((*path[-1:], earlier))}"
        hint = "each item of this list needs its own"
        yield Problem(path_text((*path, index)), message, hint)


def _with_defaults(schema: OpenApi, value: object) -> object:
    if isinstance(value, Mapping):
        return _object_with_defaults(schema, cast("Mapping[str, object]", value))
    if not isinstance(value, list):
        return value
    items = cast("list[object]", value)
    return _list_with_defaults(schema["items"], items) if "items" in schema else items


def _list_with_defaults(items: OpenApi, old: list[object]) -> list[object]:
    # Unlike a field, an item that is null and may not be stays, and is refused later.
    instead = None if items.get("nullable") else items.get("default")
    new = [_with_defaults(items, instead if item is None else item) for item in old]
    return old if _same(old, new) else new


def _object_with_defaults(schema: OpenApi, old: Mapping[str, object]) -> object:
    new: dict[str, object] = {}
    for key, value in old.items():
        known = _field(schema, key)
        if known is None:
            new[key] = value
        elif value is not None or known.get("nullable"):
            new[key] = _with_defaults(known, value)
        elif "default" in known:
            new[key] = _with_defaults(known, known["default"])
    for key, known in schema.get("properties", {}).items():
        if "default" in known and key not in new:
            new[key] = _with_defaults(known, known["default"])
    unchanged = len(new) == len(old) and _same(old.values(), new.values())
    return old if unchanged else new


def _same(old: Iterable[object], new: Iterable[object]) -> bool:
    return all(one is other for one, other in zip(old, new, strict=True))


@frozen
class Schema:
    """The schema of one version of a custom resource, as its CRD has it."""

    open_api: OpenApi = field(converter=_with_metadata)

    @cached_property
    def _json_schema(self) -> dict[str, Any]:
        return json_schema(self.open_api)

    @cached_property
    def _validator(self) -> "Draft202012Validator":
        # `plan` needs defaults only.
        from jsonschema_rs import (  # noqa: PLC0415 - the import takes 25 ms.
            Draft202012Validator,
        )

        return Draft202012Validator(self._json_schema)

    def with_defaults(self, value: Mapping[str, object]) -> Mapping[str, object]:
        """Return the object as the API server stores it, but for unknown fields.

        Nulls that the schema does not allow go, or give way to the default. What does
        not change is shared with the value given.
        """
        return cast("Mapping[str, object]", _with_defaults(self.open_api, value))

    def problems_of(self, value: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return all that the API server would refuse the object for, CEL left out.

        One difference is left: where an object must have so many entries, unknown ones
        count here, while the API server has dropped them by then.
        """
        return tuple(problem for _, problem in self.faults_of(value))

    def faults_of(self, value: Mapping[str, object]) -> tuple[Keyed, ...]:
        """Return the same, each with the keyword of the schema that it fails by."""
        stored = self.with_defaults(value)
        found = dict.fromkeys(self._faults(stored))
        for path, schema, inner in _walk(self.open_api, stored):
            kind = schema.get(REPEATS)
            if isinstance(inner, list) and kind in ("map", "set"):
                repeats = _repeats(path, schema, cast("list[object]", inner))
                found.update(dict.fromkeys((REPEATS, each) for each in repeats))
        return tuple(found)

    def _faults(self, stored: Mapping[str, object]) -> Iterator[Keyed]:
        for error in self._validator.iter_errors(cast("Any", stored)):
            *inside, last = error.schema_path
            keyword, schema = str(last), cast("Any", self._json_schema)
            for part in inside:
                schema = schema[part]
            path = tuple(error.instance_path)
            if keyword == "required":
                for name in schema["required"]:
                    if name not in cast("Mapping[str, object]", error.instance):
                        where = path_text((*path, name))
                        yield keyword, Problem(where, "is missing, and must be given")
            elif keyword in _FAULTS:
                instance = cast("Any", error.instance)
                words = _FAULTS[keyword](instance, schema[keyword])
                yield keyword, Problem(path_text(path), *words)
            else:
                words = (f"does not fit the schema ({keyword})", "")
                yield keyword, Problem(path_text(path), *words)

    def warnings_of(self, value: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return the fields that the API server would drop without a word.

        kubectl refuses them where it validates strictly, which is its default.
        """
        return tuple(self._unknown(value))

    def _unknown(self, value: Mapping[str, object]) -> Iterator[Problem]:
        for path, schema, inner in _walk(self.open_api, value):
            servers = path == ("metadata",)  # The API server's own, not the schema's.
            if servers or not isinstance(inner, Mapping) or _keeps_unknown(schema):
                continue
            fields = schema.get("properties", {})
            known = {*fields, *(() if path else _HEAD)}
            for key in cast("Mapping[str, object]", inner):
                if key not in known:
                    message = "is not a field that the schema knows, and is dropped"
                    home = [k for k in fields if key in fields[k].get("properties", ())]
                    hint = f"it belongs under {home[0]}" if home else _close(key, known)
                    yield Problem(path_text((*path, key)), message, hint)


def _keeps_unknown(schema: OpenApi) -> bool:
    return bool(
        schema.get("x-kubernetes-preserve-unknown-fields")
        or schema.get("additionalProperties")
        or schema.get("type", "object") != "object"
    )
