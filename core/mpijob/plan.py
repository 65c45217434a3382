# SPDX-License-Identifier: Apache-2.0
"""The shortest list of actions from what is to what should be.

The order is safety (B8.3): intent before effect, so that the status counts a pod before
the pod is made; verdict before cleanup; number, count, delete for a failed worker; what
pods use before the pods; the launcher last. Actions of one step are independent. A step
starts when the one before it is done, and every prefix of a plan is a state from which
the next look converges.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

from mpijob.actions import (
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Desired,
    WriteStatus,
    job_ref,
)
from mpijob.blocks import HOLDING_PODS
from mpijob.job import MPIJob
from mpijob.loose import Manifest, mapping, sequence
from mpijob.names import Child
from mpijob.observed import Observed, Thing
from mpijob.quantities import same
from mpijob.reconcile import Reconciliation

Step = tuple[Action, ...]
Plan = tuple[Step, ...]

# What is held back when a child is refused; anything else goes on (B8.1).
HOLDS: Final[Mapping[Child, frozenset[Child]]] = {
    child: frozenset((Child.WORKER, Child.LAUNCHER))
    if child in HOLDING_PODS
    else frozenset()
    for child in Child
}


def plan(job: MPIJob, observed: Observed, answer: Reconciliation) -> Plan:
    """Order what an answer asks for into steps; empty where nothing is left to do."""
    where = (job_ref(job), job.uid, job.resource_version)
    if answer.delete_job:
        return ((Delete(*where, "Background", "ttlSecondsAfterFinished is over"),),)
    makes, changes = _changes(observed, answer.desired)
    steps: list[Iterable[Action]] = [(touch,) for touch in answer.numbering]
    if answer.status != job.status:
        steps += [(WriteStatus(*where, answer.status),), answer.events]
    elif makes and job.uid:
        steps.append((Confirm(job_ref(job), job.uid, job.generation),))
    steps += [answer.touches, answer.unwanted, answer.evictions, *changes]
    return tuple(step for step in map(tuple, steps) if step)


# Which step a child is made in. What pods use is made side by side.
_STEP: Final[Mapping[Child, int]] = {
    child: {Child.CONFIG_MAP: 2, Child.SECRET: 2}.get(child, number)
    for number, child in enumerate(Child)
}


def _changes(
    observed: Observed, desired: Iterable[Desired]
) -> tuple[bool, list[list[Action]]]:
    """Return whether anything is made anew, and the changes, step by step."""
    steps: list[list[Action]] = [[] for _ in Child]
    makes = False
    for child, group in groupby(desired, attrgetter("child")):
        changes = [
            each
            for each in group
            if isinstance(each, Create)
            or (isinstance(each, Apply) and not _satisfied(observed, each))
        ]
        makes = makes or any(isinstance(c, Create) or not c.uid for c in changes)
        steps[_STEP[child]] += changes
    return makes, steps


def _satisfied(observed: Observed, wanted: Apply) -> bool:
    """Tell whether an apply would change nothing, or must wait for the name."""
    found = (thing for thing in observed.things if thing.uid == wanted.uid)
    thing = next(found, None) if wanted.uid else None
    return thing is not None and (
        thing.terminating or is_applied(wanted.manifest, thing)
    )


def is_applied(manifest: Manifest, thing: Thing) -> bool:
    """Tell whether an object has every field that we would apply, and none we did.

    Only what we own is compared: others' fields are theirs (B7.5, B8.7). A field that
    we applied once and would not apply now is told by managedFields.
    """
    spec, seen = mapping(manifest.get("spec")), mapping(thing.manifest.get("spec"))
    return (
        thing.applied <= spec.keys()
        and all(_equal(seen.get(key), value) for key, value in spec.items())
        and _covers(thing.manifest.get("metadata"), manifest["metadata"])
        and _covers(mapping(thing.manifest.get("data")), mapping(manifest.get("data")))
    )


def _equal(seen: object, wanted: object) -> bool:
    """Compare a field of `spec`; a resource list by value, absent is false."""
    if ours := mapping(wanted):
        known = mapping(seen)
        return known.keys() == ours.keys() and all(
            _equal(known[key], value) for key, value in ours.items()
        )
    return same(seen, wanted) or (wanted is False and seen is None)


def _covers(seen: object, wanted: object) -> bool:
    """Tell whether all that we want is there, beside what others put there."""
    if ours := mapping(wanted):
        known = mapping(seen)
        return all(_covers(known.get(key), value) for key, value in ours.items())
    if ours_too := sequence(wanted):
        values = sequence(seen)
        return all(any(_covers(v, want) for v in values) for want in ours_too)
    return seen == wanted
