# SPDX-License-Identifier: Apache-2.0
"""The garbage collector: what nobody owns any more goes, and what waits is let go.

With it is the controller that deletes a Job some time after its end.
"""

from functools import partial
from typing import Final

from mpijob.loose import Manifest, integer, mapping, mappings, strings
from mpijob.names import Ref
from mpijob.wire import time_of
from mpijob_operator.simulation.cluster import Cluster, is_terminating, owner_uids
from mpijob_operator.simulation.deeds import (
    Deed,
    condition_of,
    finalizers_of,
    is_true,
    released,
)
from mpijob_operator.simulation.deletion import FOREGROUND, ORPHAN

WHO: Final = "garbage collector"
TTL: Final = "TTL controller"


def collector(cluster: Cluster) -> list[Deed]:
    """Return what the garbage collector could do."""
    uids = {value["metadata"]["uid"] for value in cluster.objects.values()}
    deeds: list[Deed] = []
    for ref, value in cluster.objects.items():
        owners, finalizers = owner_uids(value), finalizers_of(value)
        if owners and uids.isdisjoint(owners) and not is_terminating(value):
            deeds.append(_deletion(cluster, ref, "its owner is gone"))
        elif ORPHAN in finalizers:
            deeds += _orphaning(cluster, ref, value)
        elif FOREGROUND in finalizers:
            deeds += _foreground(cluster, ref, value)
    return deeds + _expiries(cluster)


def _foreground(cluster: Cluster, ref: Ref, value: Manifest) -> list[Deed]:
    """Return the deletion of each dependent that blocks, or the release of the last."""
    uid = value["metadata"]["uid"]
    blocking = [pair for pair in cluster.dependents(uid) if _blocks(pair[1], uid)]
    if not blocking:
        return [_release(cluster, ref, FOREGROUND)]
    return [
        _deletion(cluster, dependent, "its owner goes", foreground=True)
        for dependent, child in blocking
        if not is_terminating(child)
    ]


def _blocks(value: Manifest, uid: str) -> bool:
    owners = mappings(value["metadata"].get("ownerReferences"))
    return any(o.get("uid") == uid and o.get("blockOwnerDeletion") for o in owners)


def _orphaning(cluster: Cluster, ref: Ref, value: Manifest) -> list[Deed]:
    """Return that each dependent is let be, or the release of what they depended on."""
    uid = value["metadata"]["uid"]
    dependents = cluster.dependents(uid)
    if not dependents:
        return [_release(cluster, ref, ORPHAN)]
    return [
        Deed(cluster.now, WHO, dependent, "", partial(_disown, dependent, uid))
        for dependent, _ in dependents
    ]


def _disown(ref: Ref, uid: str, cluster: Cluster) -> None:
    value = cluster.objects[ref]
    metadata = value["metadata"]
    owners = mappings(metadata.get("ownerReferences"))
    kept = [owner for owner in owners if owner.get("uid") != uid]
    cluster.update(ref, {**value, "metadata": {**metadata, "ownerReferences": kept}})


def _deletion(
    cluster: Cluster, ref: Ref, why: str, *, foreground: bool = False
) -> Deed:
    what = f"deletes {ref.kind} {{}}: {why}"
    has_own = cluster.dependents(cluster.objects[ref]["metadata"]["uid"])
    policy = "Foreground" if foreground and has_own else "Background"
    return Deed(cluster.now, WHO, ref, what, lambda c: c.delete(ref, policy))


def _release(cluster: Cluster, ref: Ref, finalizer: str) -> Deed:
    return Deed(cluster.now, WHO, ref, "", partial(_released, ref, finalizer))


def _released(ref: Ref, finalizer: str, cluster: Cluster) -> None:
    cluster.update(ref, released(cluster.objects[ref], finalizer))


# --- After the end ------------------------------------------------------------------


def _expiries(cluster: Cluster) -> list[Deed]:
    """Return the deletion of each Job that has ended and says when it shall go."""
    deeds: list[Deed] = []
    for ref, job in cluster.all("Job"):
        ttl = integer(mapping(job.get("spec")).get("ttlSecondsAfterFinished"))
        ends = [end for end in ("Complete", "Failed") if is_true(job, end)]
        if ttl is not None and ends and not is_terminating(job):
            ended = strings(condition_of(job, ends[0])).get("lastTransitionTime")
            at = time_of(ended)
            since = (at - cluster.start).total_seconds() if at else cluster.now
            deeds.append(_expiry(ref, since + ttl))
    return deeds


def _expiry(ref: Ref, at: float) -> Deed:
    what = "deletes Job {}: its time is over"
    return Deed(at, TTL, ref, what, lambda c: c.delete(ref, "Foreground"))
