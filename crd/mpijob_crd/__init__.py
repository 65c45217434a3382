# SPDX-License-Identifier: Apache-2.0
"""The CustomResourceDefinition of MPIJob, as `make crd` wrote it.

The schema is there twice: reading the YAML takes half a second, and `mpijob plan` has
a tenth of one. For the same reason files are found by `__file__`: importlib.resources
takes longer to import than the schema to read.
"""

import json
from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent


def text() -> str:
    """Return the CRD, as YAML for `kubectl apply`."""
    return (_HERE / "kubeflow.org_mpijobs.yaml").read_text("utf-8")


def schema() -> dict[str, Any]:
    """Return the schema of v2beta1: the CRD's openAPIV3Schema."""
    found: dict[str, Any] = json.loads((_HERE / "schema.json").read_bytes())
    return found
