# SPDX-License-Identifier: Apache-2.0
"""What a pod asks of a node, as the scheduler counts it (B7.3).

The rules are those of KEP-753 (sidecars), KEP-2837 (pod-level resources) and pod
overhead.

Unlike mpi-operator: init containers, sidecars, pod-level resources and overhead count
towards a PodGroup's minResources, and not `containers` alone (B7.3).
"""

from collections.abc import Iterable, Mapping

from mpijob.loose import Manifest, mapping, mappings
from mpijob.quantities import nano, total

Request = dict[str, object]


def pod_request(spec: Manifest) -> Request:
    """Return the effective request of a pod, resource name -> quantity."""
    sidecars: list[Request] = []
    starting: list[Request] = []  # What the pod needs while an init container runs.
    for container in _containers(spec, "initContainers"):
        if container.get("restartPolicy") == "Always":
            sidecars.append(_request(container))
            starting.append(dict(total(sidecars)))
        else:
            starting.append(dict(total([*sidecars, _request(container)])))
    running = total([*map(_request, _containers(spec, "containers")), *sidecars])
    result = _largest([running, *starting])
    result |= _pod_level(mapping(spec.get("resources")), result)
    overhead = mapping(spec.get("overhead"))
    return dict(total([result, overhead])) if overhead else result


def limits(spec: Manifest) -> Request:
    """Return the limits and requests of containers[0], limits first."""
    for container in _containers(spec, "containers"):
        resources = mapping(container.get("resources"))
        return {
            **mapping(resources.get("requests")),
            **mapping(resources.get("limits")),
        }
    return {}


def _containers(spec: Manifest, key: str) -> Iterable[Manifest]:
    return mappings(spec.get(key))


def _request(owner: Manifest) -> Request:
    """Return the requests; what is missing defaults to the limit."""
    resources = mapping(owner.get("resources"))
    return {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}


def _largest(requests: Iterable[Mapping[str, object]]) -> Request:
    result: Request = {}
    for request in requests:
        for name, quantity in request.items():
            if (nano(quantity) or 0) >= (nano(result.get(name)) or 0):
                result[name] = quantity
    return result


def _pod_level(resources: Manifest, containers: Request) -> Request:
    """Return what is set for the whole pod and so replaces the containers' sum.

    A pod-level limit without a request counts only where no container asks.
    """
    requests = mapping(resources.get("requests"))
    missing = {
        name: quantity
        for name, quantity in mapping(resources.get("limits")).items()
        if name not in containers
    }
    return {**missing, **requests}
