# SPDX-License-Identifier: Apache-2.0
"""Fetch one running worker pod from a real API server, and keep it as `pod.json`.

`run.py` reads it back, a thousand times over: what a cluster returns has defaults,
managedFields and a status, and is four times what was sent. The scheduler's and the
kubelet's part is played here, under their names and with the fields that they write.
Needs the programs that `make controlplane` builds; run it with
`python -m benchmarks.capture`.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from mpijob import Create, Observed, World, decode, plan, reconcile
from mpijob.names import Child
from mpijob.wire import time_of
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, programs

HERE: Final = Path(__file__).parent
PODS: Final = "/api/v1/namespaces/default/pods"
NOON: Final = "2030-01-01T12:00:00Z"
DIGEST: Final = "sha256:" + "5f" * 32


def worker() -> dict[str, Any]:
    """Return the first worker of the job, as the operator sends it."""
    job = decode(yaml.safe_load((HERE / "mpijob.yaml").read_text()))
    now = time_of(NOON)
    if now is None:
        raise AssertionError(NOON)
    answer = reconcile(job, Observed(), World(now))
    steps = plan(job, Observed(), answer)
    made = (a for step in steps for a in step if isinstance(a, Create))
    return dict(next(a.manifest for a in made if a.child is Child.WORKER))


def run(client: Client, name: str) -> None:
    """Bind the pod and run it, as the scheduler and the kubelet do."""
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-17"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
    client.create(f"{PODS}/{name}/binding", {**binding, "target": target}).expect(201)
    path, kubelet = f"{PODS}/{name}/status", {"fieldManager": "kubelet"}
    client.request(
        "PATCH",
        path,
        {"status": status()},
        content_type="application/strategic-merge-patch+json",
        **kubelet,
    ).expect(200)


def status() -> dict[str, Any]:
    """Return what a kubelet says of a pod that is Ready."""
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    condition = {"status": "True", "lastProbeTime": None, "observedGeneration": 1}
    return {
        "phase": "Running",
        "observedGeneration": 1,
        "startTime": NOON,
        "hostIP": "10.0.3.17",
        "hostIPs": [{"ip": "10.0.3.17"}],
        "podIP": "10.244.17.5",
        "podIPs": [{"ip": "10.244.17.5"}],
        "conditions": [
            {"type": type_, "lastTransitionTime": NOON, **condition} for type_ in types
        ],
        "containerStatuses": [
            {
                "name": "worker",
                "image": "docker.io/mpioperator/mpi-pi:openmpi",
                "imageID": f"docker.io/mpioperator/mpi-pi@{DIGEST}",
                "containerID": "containerd://" + "c0" * 32,
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": NOON}},
                "lastState": {},
                "allocatedResources": {"cpu": "1", "memory": "1Gi"},
                "resources": {
                    "limits": {"cpu": "1", "memory": "1Gi"},
                    "requests": {"cpu": "1", "memory": "1Gi"},
                },
                "user": {"linux": {"uid": 1000, "gid": 0, "supplementalGroups": [0]}},
                "volumeMounts": [
                    {"name": "ssh-auth", "mountPath": "/home/mpiuser/.ssh"}
                ],
            }
        ],
    }


def main() -> None:
    """Fetch the pod, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        plane = ControlPlane(programs(), Path(folder))
        try:
            plane.start()
            client, pod = plane.client(), worker()
            client.create(PODS, pod, fieldManager="mpi-operator").expect(201)
            name = pod["metadata"]["name"]
            run(client, name)
            # As in a list, which names the kind once and not in every item.
            found = client.get(PODS).expect(200)["items"][0]
        finally:
            plane.stop()
    # One time for all, so that a second capture makes no difference of it.
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", NOON, json.dumps(found, indent=1))
    (HERE / "pod.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
