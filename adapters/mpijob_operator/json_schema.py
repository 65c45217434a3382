# SPDX-License-Identifier: Apache-2.0
"""A structural schema of Kubernetes in the words of JSON Schema."""

from collections.abc import Mapping
from typing import Any, Final

# A schema is JSON of our own CRD: what a keyword holds is known, and no type says it.
OpenApi = Mapping[str, Any]

# What means the same in both languages, and holds no schema.
_SAME: Final = (
    "enum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "type",
    "uniqueItems",
)

# Formats that limit a number. The others tell of fields that no user writes (times in
# the status), or nothing to the API server either.
_RANGES: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def json_schema(open_api: OpenApi) -> dict[str, Any]:
    """Return the structural schema in the words of JSON Schema 2020-12."""
    schema = {key: open_api[key] for key in _SAME if key in open_api}
    if open_api.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
    elif "anyOf" in open_api:
        schema["anyOf"] = [json_schema(form) for form in open_api["anyOf"]]
    for key in ("allOf", "oneOf"):
        if key in open_api:
            schema[key] = [json_schema(form) for form in open_api[key]]
    for key in ("items", "additionalProperties", "not"):
        if isinstance(open_api.get(key), Mapping):
            schema[key] = json_schema(open_api[key])
    if "properties" in open_api:
        fields: OpenApi = open_api["properties"]
        schema["properties"] = {key: json_schema(fields[key]) for key in fields}
    _limit(schema, open_api)
    if open_api.get("nullable") and "type" in schema:
        # An enum has to name null itself, says the API server.
        types = schema["type"]
        schema["type"] = [*([types] if isinstance(types, str) else types), "null"]
    return schema


def _limit(schema: dict[str, Any], open_api: OpenApi) -> None:
    if open_api.get("format") in _RANGES and open_api.get("type") == "integer":
        least, most = _RANGES[open_api["format"]]
        schema["minimum"] = max(schema.get("minimum", least), least)
        schema["maximum"] = min(schema.get("maximum", most), most)
    for limit in ("minimum", "maximum"):
        # OpenAPI 3.0 says with a boolean what JSON Schema says with a number.
        exclusive = f"exclusive{limit.capitalize()}"
        if open_api.get(exclusive):
            schema[exclusive] = schema.pop(limit)
