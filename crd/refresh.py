# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# ///
"""Take what the CRD needs of Kubernetes's OpenAPI from its Go module.

Needs Go. ``crd/refresh.py 1.37.2`` names a version; without one it is that of last
time. Run ``make crd`` afterwards, and read the difference.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).with_name("openapi") / "pod-template.json"
DOCUMENT: Final = "api/openapi-spec/v3/api__v1_openapi.json"
REFERENCE: Final = "#/components/schemas/"
ROOTS: Final[tuple[str, ...]] = (
    "io.k8s.api.core.v1.PodTemplateSpec",
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
)
Schema = dict[str, Any]
Json = Schema | list[Any] | str | bool | float | None

# Of metadata the CRD takes five fields (`make crd` knows which); without this the
# whole of managedFields would come along.
CLOSED: Final[str] = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def references(node: Json) -> Iterator[str]:
    """Give the name of every schema that this one refers to."""
    match node:
        case dict():
            if "$ref" in node:
                yield node["$ref"].removeprefix(REFERENCE)
            for value in node.values():
                yield from references(value)
        case list():
            for item in node:
                yield from references(item)
        case _:
            return


def without_descriptions(schema: Schema) -> Schema:
    """Return the schema without its prose; a field called description stays."""
    found = {key: value for key, value in schema.items() if key != "description"}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = without_descriptions(found[key])
    for key in ("allOf", "oneOf"):
        if key in found:
            found[key] = [without_descriptions(each) for each in found[key]]
    if "properties" in found:
        found["properties"] = {
            name: without_descriptions(field)
            for name, field in found["properties"].items()
        }
    return found


def needed(schemas: Schema) -> Schema:
    """Return the schemas that a pod template is made of, by name."""
    found: Schema = {}
    todo: list[str] = [*ROOTS]
    while todo:
        name = todo.pop()
        if name in found or name == CLOSED:
            continue
        found[name] = without_descriptions(schemas[name])
        todo += references(found[name])
    return dict(sorted(found.items()))


def main() -> None:
    """Download the module, and write the part that is needed."""
    known = json.loads(SOURCE.read_bytes())["kubernetes"] if SOURCE.exists() else ""
    version = sys.argv[1] if sys.argv[1:] else known
    download = ["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"]
    done = subprocess.run(download, check=True, capture_output=True, text=True)
    document = Path(json.loads(done.stdout)["Dir"]) / DOCUMENT
    schemas = json.loads(document.read_bytes())["components"]["schemas"]
    source = {"kubernetes": version, "schemas": needed(schemas)}
    SOURCE.write_text(json.dumps(source, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
