# SPDX-License-Identifier: Apache-2.0
"""What a pod asks of a node, as the scheduler adds it up.

The sums were taken by hand from KEP-753 (sidecars) and KEP-2837 (pod-level resources).
"""

from typing import Any

import pytest

from mpijob.resources import limits, pod_request


def requests(**amounts: object) -> dict[str, Any]:
    return {"resources": {"requests": amounts}}


def at_most(**amounts: object) -> dict[str, Any]:
    return {"resources": {"limits": amounts}}


NONE: dict[str, Any] = {}
SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.rule("B7.3")
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"containers": [NONE]}, {}, id="no resources"),
        pytest.param(
            {"containers": [requests(cpu="1"), requests(cpu="500m", memory="1Gi")]},
            {"cpu": "1500m", "memory": "1Gi"},
            id="containers add up",
        ),
        pytest.param(
            {"containers": [at_most(cpu=2)]}, {"cpu": "2"}, id="requests from limits"
        ),
        pytest.param(
            {
                "containers": [
                    {"resources": {"limits": {"cpu": 4}, "requests": {"cpu": 1}}}
                ]
            },
            {"cpu": "1"},
            id="requests before limits",
        ),
        pytest.param(
            {"containers": [requests(cpu=1)], "initContainers": [requests(cpu=3)]},
            {"cpu": "3"},
            id="a larger init container",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=2)],
                "initContainers": [requests(cpu=1), requests(cpu=1, memory="1Gi")],
            },
            {"cpu": "2", "memory": "1Gi"},
            id="init containers one after the other",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                "initContainers": [{**SIDECAR, **requests(cpu=1)}],
            },
            {"cpu": "2"},
            id="a sidecar runs beside",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                "initContainers": [
                    {**SIDECAR, **requests(cpu=1)},
                    requests(cpu=4),
                    {**SIDECAR, **requests(cpu=2)},
                ],
            },
            {"cpu": "5"},
            id="an init container after one sidecar",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                "initContainers": [
                    {**SIDECAR, **requests(cpu=2)},
                    {**SIDECAR, **requests(cpu=2)},
                ],
            },
            {"cpu": "5"},
            id="two sidecars and a container",
        ),
        pytest.param(
            {"containers": [requests(cpu=1)], **requests(cpu=8)},
            {"cpu": "8"},
            id="the pod's own requests",
        ),
        pytest.param(
            {"containers": [requests(cpu=1, memory="1Gi")], **requests(cpu=8)},
            {"cpu": "8", "memory": "1Gi"},
            id="the pod's own, name by name",
        ),
        pytest.param(
            {"containers": [requests(cpu=1)], **at_most(cpu=8, memory="2Gi")},
            {"cpu": "1", "memory": "2Gi"},
            id="the pod's limit where no container asks",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                "resources": {"limits": {"cpu": 8}, "requests": {"cpu": 2}},
            },
            {"cpu": "2"},
            id="the pod's request before its limit",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                "overhead": {"cpu": "250m", "memory": "120Mi"},
            },
            {"cpu": "1250m", "memory": "120Mi"},
            id="overhead on top",
        ),
        pytest.param(
            {
                "containers": [requests(cpu=1)],
                **requests(cpu=8),
                "overhead": {"cpu": 1},
            },
            {"cpu": "9"},
            id="overhead on top of the pod's own",
        ),
        pytest.param(
            {"containers": ["x", {"resources": 1}, requests(cpu="much")]},
            {},
            id="garbage counts nothing",
        ),
    ],
)
def test_a_pod_asks_for(spec: dict[str, Any], expected: dict[str, str]) -> None:
    asked = pod_request(spec)
    assert {name: str(quantity) for name, quantity in asked.items()} == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, {}, id="no container"),
        pytest.param(
            {"containers": [requests(gpu=1), at_most(gpu=8)]},
            {"gpu": 1},
            id="the first container alone",
        ),
        pytest.param(
            {
                "containers": [
                    {"resources": {"limits": {"a": 4}, "requests": {"a": 1, "b": 2}}}
                ]
            },
            {"a": 4, "b": 2},
            id="limits first",
        ),
    ],
)
def test_what_the_main_container_may_use(
    spec: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert limits(spec) == expected
