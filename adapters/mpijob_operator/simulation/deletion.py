# SPDX-License-Identifier: Apache-2.0
"""What a deletion makes of an object: what holds it, and how long a pod may take."""

from datetime import datetime, timedelta
from typing import Final

from mpijob.loose import Manifest, mapping, sequence
from mpijob.wire import text_of_time

# Kinds whose spec is counted in metadata.generation, and whose status is apart.
COUNTED: Final = frozenset(("MPIJob", "Job", "Pod", "PodGroup", "Workload"))

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"

# What holds an object that is deleted so, until its dependents are seen to.
_HOLDS: Final = {"Foreground": FOREGROUND, "Orphan": ORPHAN}

# As the API server takes it for a pod that says nothing.
GRACE_SECONDS: Final = 30


def finalizers(value: Manifest, propagation: str) -> list[str]:
    """Return what holds an object that is deleted so."""
    before = sequence(value["metadata"].get("finalizers"))
    if not propagation:
        # Nothing said, a Job is orphaned, and what was said before goes for the others.
        if value["kind"] != "Job" or not set(before).isdisjoint(_HOLDS.values()):
            return before
        propagation = "Orphan"
    added = [name for policy, name in _HOLDS.items() if policy == propagation]
    after = [name for name in before if name not in _HOLDS.values()] + added
    return before if set(after) == set(before) else after


def is_released(value: Manifest, propagation: str) -> bool:
    """Tell whether a deletion takes away what alone holds an object."""
    metadata = value["metadata"]
    is_graceful = value["kind"] == "Pod" and "deletionTimestamp" not in metadata
    held = metadata.get("finalizers")
    return bool(held and not is_graceful and not finalizers(value, propagation))


def is_held(value: Manifest) -> bool:
    """Tell whether an object stays, if only for a finalizer or for its kubelet."""
    metadata = value["metadata"]
    seconds = metadata.get("deletionGracePeriodSeconds")
    return seconds != 0 or bool(metadata.get("finalizers"))


def grace(value: Manifest, asked: int | None) -> int:
    """Return the seconds that a live pod has to end; a node must be running it."""
    spec = mapping(value.get("spec"))
    if not spec.get("nodeName"):
        return 0
    seconds = spec.get("terminationGracePeriodSeconds") if asked is None else asked
    return seconds if isinstance(seconds, int) else GRACE_SECONDS


def going(value: Manifest, now: datetime, seconds: int) -> Manifest:
    """Return an object that goes, at the latest after so many seconds."""
    metadata = {**value["metadata"], **due(now + timedelta(0, seconds), seconds)}
    if value["kind"] in COUNTED:
        metadata["generation"] += 1
    return {**value, "metadata": metadata}


def due(at: datetime, seconds: int) -> Manifest:
    """Return what an object says that is to be gone by then."""
    stamp = text_of_time(at)
    return {"deletionTimestamp": stamp, "deletionGracePeriodSeconds": seconds}
