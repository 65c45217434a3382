# SPDX-License-Identifier: Apache-2.0
"""Tell at a glance that a document is fine by the CRD's schema, or that it may not be.

Loading the validator takes a third of the time that a small plan may take, and nearly
every document is fine. So whoever must be quick looks here first. A "no" says nothing
but that `Schema.problems_of` should look closely; a "yes" is certain, and a test holds
it to that.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

OpenApi = Mapping[str, Any]

# What is understood below, or refuses nothing. Any other keyword is a reason to doubt.
_UNDERSTOOD: Final = frozenset(
    (
        "additionalProperties",
        "anyOf",  # Only beside x-kubernetes-int-or-string, which says it all.
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxLength",
        "maximum",
        "minItems",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-validations",  # Not the schema's business: see `schema`.
    )
)

# Within this every integer format is at ease.
_INT32: Final = range(-(2**31), 2**31)


def plainly_fits(schema: OpenApi, value: object) -> bool:
    """Return True only of a value that the schema takes beyond doubt."""
    if not schema.keys() <= _UNDERSTOOD:
        return False
    if isinstance(value, Mapping):
        return _object_fits(schema, cast("Mapping[str, object]", value))
    if isinstance(value, list):
        return _list_fits(schema, cast("list[object]", value))
    if schema.get("x-kubernetes-int-or-string"):
        wanted = value.__class__ in (int, str)
    else:
        wanted = _TYPES.get(schema.get("type", "")) is value.__class__
        wanted = wanted and "anyOf" not in schema
    return wanted and _scalar_fits(schema, value)


_TYPES: Final = {"string": str, "integer": int, "boolean": bool}


def _object_fits(schema: OpenApi, value: Mapping[str, object]) -> bool:
    if schema.get("type") != "object" or any(
        key not in value for key in schema.get("required", ())
    ):
        return False
    known: OpenApi = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for key, inner in value.items():
        described = known.get(key, others)
        if isinstance(described, Mapping) and not plainly_fits(
            cast("OpenApi", described), inner
        ):
            return False
    return True


def _list_fits(schema: OpenApi, value: list[object]) -> bool:
    if schema.get("type") != "array" or len(value) < schema.get("minItems", 0):
        return False
    items: OpenApi = schema.get("items", {})
    kind = schema.get("x-kubernetes-list-type")
    if kind in ("map", "set") and not _differ(schema, value):
        return False
    return all(plainly_fits(items, inner) for inner in value)


def _differ(schema: OpenApi, value: list[object]) -> bool:
    """Tell whether the items of a list are known to be different ones."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    found: list[object] = []
    for item in value:
        if not keys:
            found.append(item)
        elif isinstance(item, Mapping):
            fields = cast("Mapping[str, object]", item)
            found.append(tuple(fields.get(key) for key in keys))
        else:
            return False
    try:
        return len(set(found)) == len(found)
    except TypeError:  # What is no scalar is nobody's key.
        return False


def _scalar_fits(schema: OpenApi, value: object) -> bool:
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, int):
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        return value in _INT32 and least <= value <= most
    text = cast("str", value)
    if len(text) > schema.get("maxLength", len(text)):
        return False
    # Patterns mean the same in every dialect as long as the text is plain.
    plain = text.isascii() and text.isprintable()
    pattern = schema.get("pattern")
    return pattern is None or (plain and _compiled(pattern).search(text) is not None)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
