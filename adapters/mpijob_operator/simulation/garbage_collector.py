# SPDX-License-Identifier: Apache-2.0
"""The garbage collector: what nobody owns any more goes, and what waits is let go."""

from mpijob.loose import Manifest, sequence
from mpijob.names import Ref
from mpijob_operator.simulation.cluster import (
    FOREGROUND,
    Cluster,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import Deed

WHO = "garbage collector"


def collector(cluster: Cluster) -> list[Deed]:
    """Return what the garbage collector could do."""
    uids = {value["metadata"]["uid"] for value in cluster.objects.values()}
    deeds: list[Deed] = []
    for ref, value in cluster.objects.items():
        owners = owner_uids(value)
        if owners and uids.isdisjoint(owners):
            if not is_terminating(value):
                deeds.append(_deletion(cluster, ref, "its owner is gone"))
        elif FOREGROUND in sequence(value["metadata"].get("finalizers")):
            deeds += _foreground(cluster, ref, value)
    return deeds


def _foreground(cluster: Cluster, ref: Ref, value: Manifest) -> list[Deed]:
    """Return the deletion of each dependent, or the release of the last."""
    dependents = cluster.dependents(value["metadata"]["uid"])
    if not dependents:
        return [Deed(cluster.now, WHO, ref, "", lambda c: _release(c, ref))]
    return [
        _deletion(cluster, dependent, "its owner goes")
        for dependent, child in dependents
        if not is_terminating(child)
    ]


def _deletion(cluster: Cluster, ref: Ref, why: str) -> Deed:
    what = f"deletes {ref.kind} {{}}: {why}"
    return Deed(cluster.now, WHO, ref, what, lambda c: c.delete(ref, "Background"))


def _release(cluster: Cluster, ref: Ref) -> None:
    value = cluster.objects[ref]
    metadata = value["metadata"]
    kept = [f for f in metadata["finalizers"] if f != FOREGROUND]
    cluster.update(ref, {**value, "metadata": {**metadata, "finalizers": kept}})
