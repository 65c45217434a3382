# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["PyYAML"]
# ///
"""Make the CRD from what is meant (source.yaml) and from Kubernetes's OpenAPI.

Theory of operation
===================

OpenAPI describes what the API server sends; a CRD wants a *structural* schema. So
references are written out, and of what is found there only that stays which a CRD may
say and which decides something:

- types, formats and required fields, so that a bad template is refused at once;
- the list and map types, so that server-side apply merges as it does for Pods;
- a default where the key of a list needs one and nowhere else: the template that a user
  wrote is the template that we read.

Without its prose the template is an eighth of its size, and `kubectl apply`, which
keeps what it applied in an annotation of at most 256 KiB, takes the CRD.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, cast

import yaml

HERE: Final = Path(__file__).parent
SOURCE: Final = HERE / "source.yaml"
OPENAPI: Final = HERE / "openapi" / "pod-template.json"
CRD: Final = HERE / "mpijob_crd" / "kubeflow.org_mpijobs.yaml"
SCHEMA: Final = HERE / "mpijob_crd" / "schema.json"
NOTICE: Final = (
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Made by `make crd` from crd/source.yaml and Kubernetes {}; edit those.\n"
)

REFERENCE: Final = "#/components/schemas/"
CORE: Final = "io.k8s.api.core.v1."

Schema = dict[str, Any]
Json = Schema | list[Any] | str | bool | float | None

# What a schema of a Pod's part says and a CRD may say too.
KEPT: Final = frozenset(
    {
        "type",
        "format",
        "required",
        "properties",
        "items",
        "additionalProperties",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    }
)
# What a CRD cannot say, or what must not happen to a template. A word in neither set
# stops the generator: Kubernetes has learned something, and somebody must decide.
LEFT_OUT: Final = frozenset(
    {
        "default",
        "x-kubernetes-patch-merge-key",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-unions",
    }
)

# A number or text either way. The pattern is the grammar of resource.Quantity.
QUANTITY: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": (
        r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
        r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
    ),
    "x-kubernetes-int-or-string": True,
}
INT_OR_STRING: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
INT32: Final[Schema] = {"minimum": -(2**31), "maximum": 2**31 - 1}
_STRINGS: Final[Schema] = {
    "type": "object",
    "additionalProperties": {"type": "string"},
}
# A template's metadata is not an object's: of it a template can mean no more than this.
METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        "annotations": _STRINGS,
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
        },
        "labels": _STRINGS,
        "name": {"type": "string"},
        "namespace": {"type": "string"},
    },
}
SPECIAL: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": METADATA,
}
SHORT: Final = {
    "PodTemplateSpec": CORE + "PodTemplateSpec",
    "Quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
}


class Writer:
    """Writes references out; remembers where it is, since a CRD cannot refer back."""

    def __init__(self, schemas: Schema) -> None:
        self.schemas = schemas
        self.inside: list[str] = []

    def named(self, name: str) -> Schema:
        """Return the structural schema of that name."""
        if name in SPECIAL:
            return SPECIAL[name]
        if name in self.inside:
            raise ValueError(f"{name} holds itself: {self.inside}")
        self.inside.append(name)
        found = self.structural(self.schemas[name])
        self.inside.pop()
        return found

    def structural(self, schema: Schema) -> Schema:
        """Return what a CRD may say of this schema."""
        unknown = schema.keys() - KEPT - LEFT_OUT - {"$ref", "allOf"}
        if unknown:
            raise ValueError(f"decide about {unknown} in {self.inside}")
        # A field of a named type, with more said about it than the name: allOf of one.
        references = [schema, *schema.get("allOf", ())]
        found: Schema = {}
        for each in references:
            if "$ref" in each:
                found |= self.named(each["$ref"].removeprefix(REFERENCE))
        found |= {key: schema[key] for key in schema if key in KEPT}
        if "properties" in found and "properties" in schema:
            found["properties"] = {
                name: self.structural(field)
                for name, field in sorted(schema["properties"].items())
            }
        for key in ("items", "additionalProperties"):
            if key in schema:
                found[key] = self.structural(schema[key])
        if found.get("type") == "array":
            self.complete(found, schema["items"])
        return found

    def complete(self, found: Schema, items: Schema) -> None:
        """Say how a list is merged; give its keys the defaults that they need."""
        found.setdefault("x-kubernetes-list-type", "atomic")
        keys = found.get("x-kubernetes-list-map-keys", ())
        absent = [key for key in keys if key not in found["items"].get("required", ())]
        if not absent:
            return
        fields = self.field_types(items)
        properties = dict(found["items"]["properties"])
        for key in absent:
            properties[key] = properties[key] | {"default": fields[key]["default"]}
        found["items"] = found["items"] | {"properties": properties}

    def field_types(self, items: Schema) -> Schema:
        """Return the fields of a list's items as OpenAPI has them."""
        reference = items.get("$ref") or items["allOf"][0]["$ref"]
        fields: Schema = self.schemas[reference.removeprefix(REFERENCE)]["properties"]
        return fields


def over(below: Schema, above: Schema) -> Schema:
    """Return one schema with more said about it, at any depth."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            found[key] = over(cast("Schema", old), cast("Schema", value))
        else:
            found[key] = value
    return found


def written_out(node: Json, writer: Writer) -> Json:
    """Return what is meant, with what it names of Kubernetes put in."""
    match node:
        case list():
            return [written_out(item, writer) for item in node]
        case dict():
            said = {
                key: written_out(value, writer)
                for key, value in node.items()
                if key != "$ref"
            }
            return (
                over(writer.named(SHORT[node["$ref"]]), said)
                if "$ref" in node
                else said
            )
        case _:
            return node


def bounded(node: Json) -> Json:
    """Return the schema with the range of each int32 written down.

    The API server before 1.36 reads `format` and lets any number pass; then every
    typed client, Kueue's among them, fails to read the whole list that the job is in.
    """
    match node:
        case list():
            return [bounded(item) for item in node]
        case dict():
            found = {key: bounded(value) for key, value in node.items()}
            return INT32 | found if found.get("format") == "int32" else found
        case _:
            return node


class Dumper(yaml.SafeDumper):
    """YAML without anchors, which a reader would have to follow."""

    def ignore_aliases(self, data: object) -> bool:
        """Write each value where it stands."""
        del data
        return True


def outputs() -> dict[Path, str]:
    """Return what belongs in each file that is made."""
    source = yaml.safe_load(SOURCE.read_text("utf-8"))
    openapi = json.loads(OPENAPI.read_bytes())
    crd = cast("Schema", bounded(written_out(source, Writer(openapi["schemas"]))))
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    text = yaml.dump(crd, Dumper=Dumper, sort_keys=False, width=88)
    return {
        CRD: NOTICE.format(openapi["kubernetes"]) + text,
        SCHEMA: json.dumps(schema, separators=(",", ":")) + "\n",
    }


def main() -> None:
    """Write the files; with ``--check`` say which would change, and fail."""
    made = outputs()
    if "--check" in sys.argv[1:]:
        stale = [p.name for p, t in made.items() if p.read_text("utf-8") != t]
        sys.exit(f"not as `make crd` makes them: {', '.join(stale)}" if stale else 0)
    for path, text in made.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
