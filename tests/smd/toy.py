# SPDX-License-Identifier: Apache-2.0
"""A kind that has every way to merge at once, small enough for writes to collide."""

import functools
import json
from typing import Any, Final

from mpijob_operator.simulation.typed import TABLE, Types
from tests.smd.openapi import REFERENCE, Models, custom
from tests.smd.stories import Kind
from tests.smd.table import table_of

API_VERSION: Final = "smd.test/v1"

TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "integer"}
FLAG: Final = {"type": "boolean"}


def of(properties: Models, **more: Any) -> Models:  # noqa: ANN401 - JSON.
    return {"type": "object", "properties": properties, **more}


def map_of(element: Models, **more: Any) -> Models:  # noqa: ANN401 - JSON.
    return {"type": "object", "additionalProperties": element, **more}


def list_of(element: Models, kind: str, *keys: str) -> Models:
    found = {"type": "array", "items": element, "x-kubernetes-list-type": kind}
    return {**found, "x-kubernetes-list-map-keys": list(keys)} if keys else found


ATOMIC: Final = {"x-kubernetes-map-type": "atomic"}
OPEN: Final = {"x-kubernetes-preserve-unknown-fields": True}

PAIR: Final = of({"x": NUMBER, "y": TEXT})
PORT: Final = of(
    {
        "containerPort": NUMBER,
        "protocol": {**TEXT, "default": "TCP"},
        "name": TEXT,
        "hostPort": NUMBER,
    }
)
ENTRY: Final = of(
    {
        "name": TEXT,
        "value": TEXT,
        "limits": map_of({"x-kubernetes-int-or-string": True}),
        "tags": list_of(TEXT, "set"),
        "ports": list_of(PORT, "map", "containerPort", "protocol"),
        "command": list_of(TEXT, "atomic"),
        "mounts": list_of(of({"path": TEXT, "at": PAIR}), "map", "path"),
    }
)
SPEC: Final = of(
    {
        "text": TEXT,
        "number": NUMBER,
        "flag": FLAG,
        "pair": PAIR,
        "deep": of({"pair": PAIR, "more": of({"pair": PAIR, "map": map_of(TEXT)})}),
        "wholePair": {**PAIR, **ATOMIC},
        "referred": {"allOf": [{"$ref": f"{REFERENCE}Pair"}], **ATOMIC},
        "referredGranular": {"$ref": f"{REFERENCE}Pair"},
        "map": map_of(TEXT),
        "pairs": map_of(PAIR),
        "maps": map_of(map_of(TEXT)),
        "lists": map_of(list_of(ENTRY, "map", "name")),
        "sets": map_of(list_of(TEXT, "set")),
        "wholeMap": map_of(TEXT, **ATOMIC),
        "wholeList": list_of(PAIR, "atomic"),
        "unmarkedList": {"type": "array", "items": PAIR},
        "set": list_of(TEXT, "set"),
        "numbers": list_of(NUMBER, "set"),
        "entries": list_of(ENTRY, "map", "name"),
        "ports": list_of(PORT, "map", "containerPort", "protocol"),
        "wholeEntries": list_of({**PAIR, **ATOMIC}, "map", "y"),
        "strategic": {
            "type": "array",
            "items": PAIR,
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "y",
        },
        "free": {"type": "object", **OPEN},
        "freePair": of({"x": NUMBER, "inner": of({"x": NUMBER})}, **OPEN),
        "any": {},
        "time": {"type": "string", "format": "date-time"},
        "size": {"x-kubernetes-int-or-string": True},
    }
)
STATUS: Final = of(
    {
        "count": NUMBER,
        "conditions": list_of(
            of({"type": TEXT, "status": TEXT, "reason": TEXT}), "map", "type"
        ),
    }
)

MODELS: Final[Models] = {
    "Pair": PAIR,
    "Toy": custom(API_VERSION, "Toy", {"spec": SPEC, "status": STATUS}),
}


@functools.cache
def toy() -> Kind:
    """Return the kind; its metadata is of the table that ships."""
    table, ours = json.loads(TABLE.read_bytes()), table_of(MODELS)
    types = Types({"kinds": ours["kinds"], "types": table["types"] | ours["types"]})
    return Kind(API_VERSION, "Toy", types.of(API_VERSION, "Toy"))
