# SPDX-License-Identifier: Apache-2.0
"""What a pod asks of a node, as the scheduler adds it up.

The sums were taken by hand from KEP-753 (sidecars) and KEP-2837 (pod-level resources).
"""

from typing import Any

import pytest

from mpijob.resources import limits, pod_request
from tests.builders import cases


def requests(**amounts: object) -> dict[str, Any]:
    return {"resources": {"requests": amounts}}


def at_most(**amounts: object) -> dict[str, Any]:
    return {"resources": {"limits": amounts}}


NONE: dict[str, Any] = {}
SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.rule("B7.3")
@cases("spec, expected", {
    "nothing": ({}, {}),
    "no resources": ({"containers": [NONE]}, {}),
    "containers add up": ({"containers": [requests(cpu="1"), requests(cpu="500m",
        memory="1Gi")]}, {"cpu": "1500m", "memory": "1Gi"}),
    "requests from limits": ({"containers": [at_most(cpu=2)]}, {"cpu": "2"}),
    "requests before limits": ({"containers": [{"resources": {"limits": {"cpu": 4},
        "requests": {"cpu": 1}}}]}, {"cpu": "1"}),
    "a larger init container": ({"containers": [requests(cpu=1)],
        "initContainers": [requests(cpu=3)]}, {"cpu": "3"}),
    "init containers one after the other": ({"containers": [requests(cpu=2)],
        "initContainers": [requests(cpu=1), requests(cpu=1, memory="1Gi")]},
        {"cpu": "2", "memory": "1Gi"}),
    "a sidecar runs beside": ({"containers": [requests(cpu=1)],
        "initContainers": [{**SIDECAR, **requests(cpu=1)}]}, {"cpu": "2"}),
    "an init container after one sidecar": ({"containers": [requests(cpu=1)],
        "initContainers": [{**SIDECAR, **requests(cpu=1)}, requests(cpu=4), {**SIDECAR,
        **requests(cpu=2)}]}, {"cpu": "5"}),
    "two sidecars and a container": ({"containers": [requests(cpu=1)],
        "initContainers": [{**SIDECAR, **requests(cpu=2)}, {**SIDECAR,
        **requests(cpu=2)}]}, {"cpu": "5"}),
    "the pod's own requests": ({"containers": [requests(cpu=1)], **requests(cpu=8)},
        {"cpu": "8"}),
    "the pod's own, name by name": ({"containers": [requests(cpu=1, memory="1Gi")],
        **requests(cpu=8)}, {"cpu": "8", "memory": "1Gi"}),
    "the pod's limit where no container asks": ({"containers": [requests(cpu=1)],
        **at_most(cpu=8, memory="2Gi")}, {"cpu": "1", "memory": "2Gi"}),
    "the pod's request before its limit": ({"containers": [requests(cpu=1)],
        "resources": {"limits": {"cpu": 8}, "requests": {"cpu": 2}}}, {"cpu": "2"}),
    "overhead on top": ({"containers": [requests(cpu=1)], "overhead": {"cpu": "250m",
        "memory": "120Mi"}}, {"cpu": "1250m", "memory": "120Mi"}),
    "overhead on top of the pod's own": ({"containers": [requests(cpu=1)],
        **requests(cpu=8), "overhead": {"cpu": 1}}, {"cpu": "9"}),
    "garbage counts nothing": ({"containers": ["x", {"resources": 1},
        requests(cpu="much")]}, {}),
})  # fmt: skip
def test_a_pod_asks_for(spec: dict[str, Any], expected: dict[str, str]) -> None:
    asked = pod_request(spec)
    assert {name: str(quantity) for name, quantity in asked.items()} == expected


@cases("container, expected", {
    "nothing said": ({}, {}),
    "a request": (requests(gpu=1), {"gpu": 1}),
    "limits first": ({"resources": {"limits": {"a": 4}, "requests": {"a": 1, "b": 2}}},
        {"a": 4, "b": 2}),
})  # fmt: skip
def test_what_a_container_may_use(
    container: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert limits(container) == expected
