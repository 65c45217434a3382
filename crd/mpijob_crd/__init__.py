# SPDX-License-Identifier: Apache-2.0
"""The CustomResourceDefinition of MPIJob, as `make crd` wrote it.

The schema is there twice: reading the YAML takes half a second, and `mpijob plan` has
a tenth of one. For the same reason files are found by `__file__` and read by the
oldest means: importlib.resources and pathlib take longer to import than the
schema to read.
"""

import json
import os.path
from typing import Any, Final

_HERE: Final = os.path.dirname(__file__)


def _read(name: str) -> str:
    with open(os.path.join(_HERE, name), encoding="utf-8") as file:
        return file.read()


def text() -> str:
    """Return the CRD, as YAML for `kubectl apply`."""
    return _read("kubeflow.org_mpijobs.yaml")


def schema() -> dict[str, Any]:
    """Return the schema of v2beta1: the CRD's openAPIV3Schema."""
    found: dict[str, Any] = json.loads(_read("schema.json"))
    return found
