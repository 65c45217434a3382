# SPDX-License-Identifier: Apache-2.0
"""The patterns of `tests.deviations` that are about PodGroups.

What a gang needs is worked out here from the rule, and not by the core.
"""

from collections.abc import Iterable
from decimal import Decimal

from tests.corpus_case import Answer, Asked, Object, entries, part, quantity
from tests.deviations import each_child


def _waits(asked: Asked) -> bool:
    return asked.spec.get("launcherCreationPolicy") == "WaitForWorkersReady"


def d18(answer: Answer, asked: Asked) -> Answer:
    """B7.2: a launcher that waits for the workers is no member of their gang."""
    most = max(asked.workers, 1) if _waits(asked) else asked.workers + 1

    def smaller(child: Object) -> None:
        child["spec"]["minMember"] = min(child["spec"]["minMember"], most)

    return each_child(answer, smaller, "PodGroup")


def d19(answer: Answer, asked: Asked) -> Answer:
    """B7.3: the gang needs what its pods of highest priority need, all told."""
    if part(asked.policy, "schedulingPolicy").get("minResources"):
        return answer

    def counted(child: Object) -> None:
        needs = _needs(asked, child["spec"]["minMember"])
        old = part(child, "spec", "minResources")
        if {k: quantity(v) for k, v in old.items()} != needs:
            child["spec"]["minResources"] = {k: str(v) for k, v in needs.items()}

    return each_child(answer, counted, "PodGroup")


def _needs(asked: Asked, members: int) -> dict[str, Decimal]:
    """Return what so many pods need, those of the highest priority first."""
    values = {c["metadata"]["name"]: int(c["value"]) for c in asked.classes}
    waiting = _waits(asked) and asked.workers > 0
    pods = [] if waiting else [asked.template("Launcher")]
    pods += [asked.template("Worker")] * asked.workers
    pods.sort(key=lambda p: -values.get(p.get("priorityClassName", ""), 0))
    return _sum(map(_effective, pods[:members]))


def _sum(requests: Iterable[dict[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for request in requests:
        for name, value in request.items():
            total[name] = total.get(name, Decimal(0)) + value
    return total


def _effective(pod: Object) -> dict[str, Decimal]:
    """Return the effective request of a pod, overhead included."""
    before: list[dict[str, Decimal]] = []
    peaks: list[dict[str, Decimal]] = []
    for container in entries(pod, "initContainers"):
        peaks.append(_sum([*before, _request(container)]))
        if container.get("restartPolicy") == "Always":
            before.append(_request(container))
    peaks.append(_sum([*before, *map(_request, entries(pod, "containers"))]))
    most = {
        name: max(p.get(name, Decimal(0)) for p in peaks) for p in peaks for name in p
    }
    own = part(pod, "resources", "requests")
    most |= {name: quantity(value) for name, value in own.items()}
    overhead = {k: quantity(v) for k, v in part(pod, "overhead").items()}
    return _sum([most, overhead])


def _request(container: Object) -> dict[str, Decimal]:
    resources = part(container, "resources")
    both = {**part(resources, "limits"), **part(resources, "requests")}
    return {name: quantity(value) for name, value in both.items()}
