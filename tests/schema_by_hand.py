# SPDX-License-Identifier: Apache-2.0
"""A small schema by hand that has each feature of the CRD's."""

from typing import Final

from mpijob_operator.schema import Schema

QUANTITY: Final = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": r"^(\+|-)?[0-9]+([KMGTPE]i|[numkMGTPE])?$",
    "x-kubernetes-int-or-string": True,
}
PORT: Final = {
    "type": "object",
    "required": ["containerPort"],
    "properties": {
        "containerPort": {"type": "integer", "format": "int32"},
        "protocol": {"type": "string", "default": "TCP"},
    },
}
CONTAINER: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string"},
        "command": {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "atomic",
        },
        "env": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "value": {"type": "string"},
                },
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "ports": {
            "type": "array",
            "items": PORT,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        },
        "limits": {"type": "object", "additionalProperties": QUANTITY},
        "tty": {"type": "boolean"},
    },
}
SPEC: Final = {
    "type": "object",
    "required": ["containers"],
    "properties": {
        "implementation": {"type": "string", "enum": ["", "OpenMPI", "Intel"]},
        "slots": {"type": "integer", "format": "int32", "minimum": 0, "default": 1},
        "deadline": {"type": "integer", "format": "int64"},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "share": {"type": "number", "maximum": 1, "exclusiveMaximum": True},
        "step": {"type": "integer", "multipleOf": 5},
        "path": {"type": "string", "maxLength": 8, "minLength": 1, "pattern": "^/"},
        "containers": {
            "type": "array",
            "items": CONTAINER,
            "minItems": 1,
            "maxItems": 3,
        },
        "groups": {
            "type": "array",
            "items": {"type": "integer", "format": "int64"},
            "x-kubernetes-list-type": "set",
        },
        "unique": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "labels": {
            "type": "object",
            "maxProperties": 2,
            "additionalProperties": {"type": "string"},
        },
        "some": {"type": "object", "minProperties": 1},
        "anything": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "maybe": {"type": "string", "nullable": True},
        "rather": {"type": "string", "nullable": True, "enum": ["a"]},
        "amount": {**QUANTITY, "nullable": True},
        "free": {"x-kubernetes-preserve-unknown-fields": True, "nullable": True},
        "policy": {
            "type": "object",
            "default": {},
            "properties": {"clean": {"type": "string", "default": "None"}},
        },
        "either": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "both": {
            "type": "integer",
            "anyOf": [{"minimum": 5}, {"maximum": 2}],
            "not": {"enum": [0]},
        },
        "modes": {
            "type": "array",
            "items": {"type": "string", "default": "rw"},
        },
        "maybes": {"type": "array", "items": {"type": "string", "nullable": True}},
        "named": {
            "type": "object",
            "additionalProperties": {"type": "string", "default": "x"},
        },
    },
}
SCHEMA: Final = Schema(
    {
        "type": "object",
        "required": ["kind", "spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": SPEC,
        },
    },
)
CONTAINERS: Final = [{"name": "a"}]


def job(**spec: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "X", "spec": {"containers": CONTAINERS, **spec}}


def with_container(**fields: object) -> dict[str, object]:
    return job(containers=[{"name": "a", **fields}])
