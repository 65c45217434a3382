# SPDX-License-Identifier: Apache-2.0
"""What happens to a pod, told by no clock: it starts, ends, is taken from its node."""

from typing import Any, Final

from mpijob.loose import mapping, mappings
from mpijob.names import Ref
from mpijob_operator.simulation import nodes
from mpijob_operator.simulation.cluster import Cluster, is_terminating
from mpijob_operator.simulation.deeds import status_of

_HABITS: Final = nodes.Habits(start_seconds=(1.0, 1.0), launcher_seconds=None)


def lives_on(ref: Ref, cluster: Cluster) -> None:
    """Let a pod that is to start run and be Ready; let one that is to end end."""
    going = is_terminating(cluster.objects[ref])
    while ref in cluster.objects:
        due = [deed for deed in nodes.nodes(_HABITS, cluster) if deed.ref == ref]
        if not due:
            return
        due[0].perform(cluster)
        if going:
            return


def ends(ref: Ref, code: int, cluster: Cluster) -> None:
    """End the program of a pod."""
    nodes.exit_with(cluster, ref=ref, code=code)


def evicted(ref: Ref, cluster: Cluster) -> None:
    """Take a pod from its node; the object stays."""
    nodes.evict(cluster, ref=ref)


def timeless(ref: Ref, cluster: Cluster) -> None:
    """Take the times from how containers ended, so that no wait hangs on them."""
    pod = cluster.objects.get(ref)
    if pod is None:
        return
    statuses: list[Any] = []
    for entry in mappings(status_of(pod).get("containerStatuses")):
        ended = mapping(mapping(entry.get("state")).get("terminated"))
        kept = {k: v for k, v in ended.items() if not k.endswith("At")}
        statuses.append({**entry, "state": {"terminated": kept}} if ended else entry)
    status = {k: v for k, v in status_of(pod).items() if k != "startTime"}
    if statuses:
        status["containerStatuses"] = statuses
    cluster.update(ref, {**pod, "status": status})
