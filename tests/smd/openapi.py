# SPDX-License-Identifier: Apache-2.0
"""OpenAPI of the kinds that the in-memory cluster holds, as an API server serves it."""

import functools
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import mpijob_crd
from mpijob.job import API_VERSION, KIND
from mpijob.loose import mapping, sequence, text

Models = dict[str, Any]
"""Schemas by name."""

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = "#/components/schemas/"
GROUP_VERSION_KIND: Final = "x-kubernetes-group-version-kind"
META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

# The roots of what is taken, by the document that has them.
TAKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "api__v1": tuple(
        f"io.k8s.api.core.v1.{kind}"
        for kind in ("ConfigMap", "Pod", "Secret", "Service")
    ),
    "apis__batch__v1": ("io.k8s.api.batch.v1.Job",),
    "apis__scheduling.k8s.io__v1beta1": (
        "io.k8s.api.scheduling.v1beta1.PodGroup",
        "io.k8s.api.scheduling.v1beta1.Workload",
    ),
}

_QUANTITIES: Final = {
    "type": "object",
    "additionalProperties": {"x-kubernetes-int-or-string": True},
}
_NUMBER: Final = {"type": "integer", "format": "int32"}
_TEXT: Final = {"type": "string"}

# What gang schedulers define themselves: the fields that we write, as their CRDs have
# them.
POD_GROUPS: Final[Mapping[str, Models]] = {
    "scheduling.volcano.sh/v1beta1": {
        "minMember": _NUMBER,
        "minResources": _QUANTITIES,
        "minTaskMember": {"type": "object", "additionalProperties": _NUMBER},
        "priorityClassName": _TEXT,
        "queue": _TEXT,
    },
    "scheduling.x-k8s.io/v1alpha1": {
        "minMember": _NUMBER,
        "minResources": _QUANTITIES,
        "scheduleTimeoutSeconds": _NUMBER,
    },
}


def custom(api_version: str, kind: str, properties: Models) -> Models:
    """Return the model of a custom resource with these fields."""
    group, _, version = api_version.partition("/")
    return {
        "type": "object",
        "properties": {
            **properties,
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"allOf": [{"$ref": REFERENCE + META}]},
        },
        GROUP_VERSION_KIND: [{"group": group, "version": version, "kind": kind}],
    }


@functools.cache
def version() -> str:
    """Return the Kubernetes release that the CRD's pod template is of."""
    source = ROOT / "crd" / "openapi" / "pod-template.json"
    found: str = json.loads(source.read_bytes())["kubernetes"]
    return found


def _documents() -> Path:
    module = f"k8s.io/kubernetes@v{version()}"
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(json.loads(done.stdout)["Dir"]) / "api" / "openapi-spec" / "v3"


def _references(node: object) -> Iterator[str]:
    if reference := text(node, "$ref"):
        yield reference.removeprefix(REFERENCE)
    for inner in (*mapping(node).values(), *sequence(node)):
        yield from _references(inner)


def _needed(models: Models, roots: tuple[str, ...]) -> Models:
    found: Models = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = models[name]
            todo += _references(models[name])
    return found


@functools.cache
def models() -> Models:
    """Return the models of all kinds; asks Go for the module that has most of them."""
    folder, found = _documents(), Models()
    for document, roots in TAKEN.items():
        path = folder / f"{document}_openapi.json"
        known = json.loads(path.read_bytes())["components"]["schemas"]
        found |= _needed(known, roots)
    job: Models = mpijob_crd.schema()["properties"]
    fields = {key: job[key] for key in ("spec", "status")}
    found["MPIJob"] = custom(API_VERSION, KIND, fields)
    for api_version, spec in POD_GROUPS.items():
        group = {"spec": {"type": "object", "properties": spec}}
        found[f"{api_version}.PodGroup"] = custom(api_version, "PodGroup", group)
    return found
