# SPDX-License-Identifier: Apache-2.0
"""The shortest list of actions from what is to what should be.

The order is safety (B8.3): intent before effect, so that the status counts a pod before
the pod is made; verdict before cleanup; number, count, delete for a failed worker; what
pods use before the pods; the launcher last. Actions of one step are independent. A step
starts when the one before it is done, and every prefix of a plan is a state from which
the next look converges.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import frozen

from mpijob.blocks import HOLDING_PODS
from mpijob.events import Event
from mpijob.family import Desired, Policy, Touch, Unwanted
from mpijob.job import API_VERSION, KIND, MPIJob
from mpijob.loose import Manifest, mapping, sequence
from mpijob.names import Child, Ref
from mpijob.observed import Observed, Thing
from mpijob.quantities import same
from mpijob.reconcile import Reconciliation
from mpijob.status import JobStatus


@frozen
class Create:
    """Make a child; refused where its name exists."""

    child: Child
    manifest: Manifest


@frozen
class Apply:
    """Server-side apply a child: make it, or put our fields back."""

    child: Child
    manifest: Manifest
    uid: str  # Empty: only where the name is free.


@frozen
class WriteStatus:
    """Replace the status of the MPIJob as it was when we decided."""

    ref: Ref
    uid: str
    resource_version: str
    status: JobStatus


@frozen
class Confirm:
    """Read the MPIJob live: go on only if it is what we decided on (B8.2)."""

    ref: Ref
    uid: str
    generation: int


@frozen
class Delete:
    """Delete this very object."""

    ref: Ref
    uid: str
    resource_version: str  # Empty: the uid alone guards it.
    propagation: str
    why: str


@frozen
class Emit:
    """Record an Event; what comes of it stops nothing."""

    event: Event


Action = Create | Apply | Touch | WriteStatus | Confirm | Delete | Emit
Step = tuple[Action, ...]
Plan = tuple[Step, ...]

# What makes an action harmless when our view was old (B8.2).
GUARDS: Final[Mapping[type[Action], str]] = {
    WriteStatus: "resourceVersion of the MPIJob",
    Confirm: "reads only",
    Touch: "uid; resourceVersion too for a failure number and for suspend",
    Delete: "uid; resourceVersion too for the MPIJob and the launcher Job",
    Create: "the name must be free; the status or Confirm came before",
    Apply: "uid, or the name must be free; the status or Confirm came before",
    Emit: "none: a lost or late event harms nothing",
}

# What is held back when a child is refused; anything else goes on (B8.1).
HOLDS: Final[Mapping[Child, frozenset[Child]]] = {
    child: frozenset((Child.WORKER, Child.LAUNCHER))
    if child in HOLDING_PODS
    else frozenset()
    for child in Child
}


def job_ref(job: MPIJob) -> Ref:
    """Return where the MPIJob itself is."""
    return Ref(API_VERSION, KIND, job.namespace, job.name)


def plan(job: MPIJob, observed: Observed, answer: Reconciliation) -> Plan:
    """Order what an answer asks for into steps; empty where nothing is left to do."""
    if answer.delete_job:
        return ((_expire(job),),)
    changes = _changes(observed, answer.desired)
    writes = answer.status != job.status
    makes = any(isinstance(c, Create) or not c.uid for c in changes)
    steps: list[Iterable[Action]] = [(touch,) for touch in answer.numbering]
    if writes:
        steps.append((_status(job, answer.status),))
        steps.append(Emit(event) for event in answer.events)
    elif makes and job.uid:
        steps.append((Confirm(job_ref(job), job.uid, job.generation),))
    steps.append(answer.touches)
    steps.append(_delete(each) for each in answer.unwanted)
    steps.append(Emit(event) for event in answer.evictions)
    steps.extend(
        [change for change in changes if change.child in together]
        for together in _TOGETHER
    )
    return tuple(step for step in map(tuple, steps) if step)


_TOGETHER: Final = (
    (Child.WORKLOAD,),
    (Child.POD_GROUP,),
    (Child.SERVICE, Child.CONFIG_MAP, Child.SECRET),
    (Child.WORKER,),
    (Child.LAUNCHER,),
)


def _expire(job: MPIJob) -> Delete:
    why = "ttlSecondsAfterFinished is over"
    return Delete(job_ref(job), job.uid, job.resource_version, "Background", why)


def _status(job: MPIJob, status: JobStatus) -> WriteStatus:
    return WriteStatus(job_ref(job), job.uid, job.resource_version, status)


def _delete(each: Unwanted) -> Delete:
    return Delete(each.ref, each.uid, each.resource_version, each.propagation, each.why)


def _changes(observed: Observed, desired: Iterable[Desired]) -> list[Create | Apply]:
    result: list[Create | Apply] = []
    for each in desired:
        if each.manifest is None:
            continue
        if each.policy is Policy.CREATE:
            result.append(Create(each.child, each.manifest))
            continue
        thing = _find(observed, each.child, each.manifest)
        if thing is None or not (thing.terminating or is_applied(each.manifest, thing)):
            uid = thing.uid if thing else ""
            result.append(Apply(each.child, each.manifest, uid))
    return result


_SEEN: Final[Mapping[Child, Callable[[Observed], Thing | None]]] = {
    Child.SERVICE: lambda observed: observed.service,
    Child.CONFIG_MAP: lambda observed: observed.config_map,
}


def _find(observed: Observed, child: Child, manifest: Manifest) -> Thing | None:
    if child in _SEEN:
        return _SEEN[child](observed)
    kind, api_version = manifest["kind"], manifest["apiVersion"]
    return next(
        (
            group
            for group in observed.pod_groups
            if (group.ref.kind, group.ref.api_version) == (kind, api_version)
        ),
        None,
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
