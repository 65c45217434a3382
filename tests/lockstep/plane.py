# SPDX-License-Identifier: Apache-2.0
"""A real API server without controllers, that has the kinds that programs are about."""

import contextlib
import tempfile
from collections.abc import Generator
from pathlib import Path

from tests.controlplane import stage
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.lockstep.compare import Judge
from tests.lockstep.objects import KINDS, Json
from tests.lockstep.watches import Watches
from tests.smd.openapi import POD_GROUPS


def _pod_group() -> Json:
    """Return a CRD with the fields of a PodGroup that the server in memory knows."""
    kind = KINDS["PodGroup"]
    group, _, version = kind.api_version.partition("/")
    given = POD_GROUPS[kind.api_version]
    spec = {
        key: schema for key, schema in given.items() if key in ("minMember", "queue")
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"spec": {"type": "object", "properties": spec}, "status": status}
    names = {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()}
    served: Json = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [served],
        },
    }


def install(client: Client) -> None:
    """Bring the CRDs into a fresh API server."""
    client.create(stage.CRDS, _pod_group()).expect(201)
    stage.install(client)
    path = KINDS["PodGroup"].everywhere
    wait_until(lambda: client.get(path).code == 200, "PodGroups are served")


@contextlib.contextmanager
def judge(programs: Path) -> Generator[Judge]:
    """Start an API server, listen to it, and stop it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        plane = ControlPlane(programs, Path(folder))
        try:
            plane.start()
            client = plane.client()
            install(client)
            watches = Watches(client)
            try:
                version = client.get("/version").expect(200)
                yield Judge(client, watches, int(version["minor"]))
            finally:
                watches.stop()
                client.close()
        finally:
            plane.stop()
