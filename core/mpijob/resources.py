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

Request = Mapping[str, object]
"""Resource name -> quantity."""


def pod_request(spec: Manifest) -> Request:
    """Return the effective request of a pod."""
    sidecars: list[Request] = []
    starting: list[Request] = []  # What the pod needs while an init container runs.
    for container in mappings(spec.get("initContainers")):
        together = [*sidecars, _request(container)]
        starting.append(total(together))
        if container.get("restartPolicy") == "Always":
            sidecars = together
    running = total([*map(_request, mappings(spec.get("containers"))), *sidecars])
    # What is set for the whole pod replaces the containers' sum; a limit without a
    # request counts only where no container asks.
    pod = mapping(spec.get("resources"))
    result = {
        **mapping(pod.get("limits")),
        **_largest([running, *starting]),
        **mapping(pod.get("requests")),
    }
    overhead = mapping(spec.get("overhead"))
    return total([result, overhead]) if overhead else result


def limits(container: Manifest) -> Request:
    """Return the limits and requests of a container, limits first."""
    resources = mapping(container.get("resources"))
    return {**mapping(resources.get("requests")), **mapping(resources.get("limits"))}


def _request(owner: Manifest) -> Request:
    """Return the requests; what is missing defaults to the limit."""
    resources = mapping(owner.get("resources"))
    return {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}


def _largest(requests: Iterable[Request]) -> Request:
    result: dict[str, object] = {}
    for request in requests:
        for name, quantity in request.items():
            if (nano(quantity) or 0) >= (nano(result.get(name)) or 0):
                result[name] = quantity
    return result
