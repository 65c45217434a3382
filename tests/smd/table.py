# SPDX-License-Identifier: Apache-2.0
"""Make `simulation/types.json`, the types that the in-memory cluster merges by.

Needs Go. ``python -m tests.smd.table`` writes it; a test says when it is out of date.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from mpijob.loose import mappings, text
from mpijob_operator.simulation.typed import TABLE
from tests.smd.openapi import GROUP_VERSION_KIND, REFERENCE, models, version

Json = dict[str, Any]

SCALARS: Final = {"boolean": "boolean", "integer": "number", "number": "number"}

# What Kubernetes reads otherwise than its OpenAPI says.
FIXED: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "whole",
}

ANYTHING: Final = {
    "scalar": "any",
    "list": {"of": "whole", "atomic": True},
    "map": {"of": "anything"},
}


def short(name: str) -> str:
    """Return a name without the package that it is of."""
    return name.removeprefix("io.k8s.api.").removeprefix("io.k8s.apimachinery.pkg.")


def type_of(schema: Json, known: Mapping[str, Json], *, is_open: bool = False) -> Any:  # noqa: ANN401 - The table's JSON.
    """Return a schema as the table has it: a word, a name, or its shapes."""
    if name := _referred(schema):
        return _named(name, schema, known)
    is_open = is_open or schema.get("x-kubernetes-preserve-unknown-fields") is True
    match schema.get("type"):
        case None:
            shapes = {"scalar": "any", **_list(schema, known), **_map(schema, known)}
            return "anything" if shapes == ANYTHING else shapes
        case "object":
            return _map(schema, known, is_open=is_open)
        case "array":
            return _list(schema, known)
        case "string":
            return "string" if schema.get("format", "byte") == "byte" else "any"
        case scalar:
            return SCALARS[scalar]


def _referred(schema: Json) -> str:
    """Return the name of the schema that stands here; empty if none does."""
    alone = mappings(schema.get("allOf"))
    found = text(schema, "$ref") or (text(alone[0], "$ref") if len(alone) == 1 else "")
    return found.removeprefix(REFERENCE)


def _named(name: str, site: Json, known: Mapping[str, Json]) -> Any:  # noqa: ANN401 - The table's JSON.
    if name in FIXED:
        return FIXED[name]
    if "x-kubernetes-map-type" not in site:
        return short(name)
    # Where it is used says how it is merged there.
    return {"map": {**type_of(known[name], known)["map"], **_atomic(site)}}


def _atomic(schema: Json) -> Json:
    return {"atomic": True} if schema.get("x-kubernetes-map-type") == "atomic" else {}


def _map(schema: Json, known: Mapping[str, Json], *, is_open: bool = False) -> Json:
    fields: Json = schema.get("properties", {})
    others: Json | bool | None = schema.get("additionalProperties")
    found: Json = _atomic(schema)
    if fields:
        found["fields"] = {k: type_of(v, known) for k, v in sorted(fields.items())}
    if isinstance(others, dict):
        found["of"] = type_of(others, known)
    elif others is True or (others is None and (is_open or not fields)):
        found["of"] = "anything"
    return {"map": found}


def _list(schema: Json, known: Mapping[str, Json]) -> Json:
    items: Json = schema.get("items", {})
    found: Json = {"of": type_of(items, known) if items else "whole"}
    keys = _keys(schema)
    if keys is None:
        return {"list": {**found, "atomic": True}}
    if keys:
        found["keys"] = list(keys)
        if defaults := _defaults(items, keys, known):
            found["defaults"] = defaults
    return {"list": found}


def _keys(schema: Json) -> tuple[str, ...] | None:
    """Return what tells the entries of a list apart, None if they are one field."""
    match schema.get("x-kubernetes-list-type"):
        case "map":
            return tuple(schema["x-kubernetes-list-map-keys"])
        case "set":
            return ()
        case "atomic":
            return None
        case _:
            pass
    if not schema.get("x-kubernetes-patch-strategy", "").startswith("merge"):
        return None
    key = schema.get("x-kubernetes-patch-merge-key")
    return (key,) if key else ()


def _defaults(items: Json, keys: tuple[str, ...], known: Mapping[str, Json]) -> Json:
    name = _referred(items)
    fields: Json = (known[name] if name else items)["properties"]
    return {key: fields[key]["default"] for key in keys if "default" in fields[key]}


def table_of(known: Mapping[str, Json]) -> Json:
    """Return the table of all models."""
    kinds: dict[str, str] = {}
    for name, schema in known.items():
        for each in schema.get(GROUP_VERSION_KIND, ()):
            group = f"{each['group']}/" if each["group"] else ""
            kinds[f"{group}{each['version']} {each['kind']}"] = short(name)
    types = {short(n): type_of(s, known) for n, s in known.items() if n not in FIXED}
    return {"kinds": dict(sorted(kinds.items())), "types": dict(sorted(types.items()))}


def text_of(table: Json) -> str:
    """Return the table as text, one type a line."""
    kinds = json.dumps(table["kinds"], indent=1)
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"
        for name, value in table["types"].items()
    )
    types = ",\n".join(lines)
    known = json.dumps(table["kubernetes"])
    return f'{{"kubernetes": {known},\n"kinds": {kinds},\n"types": {{\n{types}\n}}}}\n'


def wanted() -> str:
    """Return what the table should be."""
    return text_of({"kubernetes": version(), **table_of(models())})


if __name__ == "__main__":
    TABLE.write_text(wanted(), "utf-8")
