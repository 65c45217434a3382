# SPDX-License-Identifier: Apache-2.0
"""What may not change in an object: more words of the table in `validation`.

A change is looked at as two values of one field, the one before and the one after, and
as the two objects that they are of.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from mpijob.loose import Manifest, mapping, mappings, sequence
from mpijob_operator.simulation.checks import FORBIDDEN, INVALID, Fault
from mpijob_operator.simulation.job_status import Standing


@frozen
class Change:
    """A value as it was and as it would be, and the objects that they are of."""

    old: Any
    new: Any
    before: Manifest
    after: Manifest


ChangeCheck = Callable[[Change], Iterator[Fault]]

_IMMUTABLE: Final = "field is immutable"
_EMPTY: Final[tuple[object, ...]] = (None, {}, [])


def alike(old: Any, new: Any) -> bool:  # noqa: ANN401 - JSON.
    """Tell whether two values are one to Kubernetes: nothing is as good as empty.

    >>> alike({"a": 1, "b": {}}, {"a": 1}), alike([{}], [])
    (True, False)
    """
    if old == new or (old in _EMPTY and new in _EMPTY):
        return True
    if any(isinstance(value, dict) for value in (old, new)):
        one, other = mapping(old), mapping(new)
        are_maps = (old in _EMPTY or one) and (new in _EMPTY or other)
        keys = one.keys() | other.keys()
        return bool(are_maps) and all(alike(one.get(k), other.get(k)) for k in keys)
    before, after = sequence(old), sequence(new)
    if not before or len(before) != len(after):
        return False
    return all(alike(a, b) for a, b in zip(before, after, strict=True))


def fixed(change: Change) -> Iterator[Fault]:
    """Yield that a field changed that never may."""
    if not alike(change.old, change.new):
        yield Fault("", INVALID, _IMMUTABLE)


def only_servers(change: Change) -> Iterator[Fault]:
    """Yield that a field was set that the server alone sets; it keeps its own."""
    if change.old is None and change.new is not None:
        yield Fault("", INVALID, _IMMUTABLE)


def no_more(change: Change) -> Iterator[Fault]:
    """Yield that what goes would be held by more than it is."""
    more = set(sequence(change.new)) - set(sequence(change.old))
    if more and "deletionTimestamp" in change.before["metadata"]:
        words = "no new finalizers can be added if the object is being deleted"
        yield Fault("", FORBIDDEN, words)


def frozen_data(change: Change) -> Iterator[Fault]:
    """Yield that something of an object changed that says it is immutable."""
    if change.before.get("immutable") is True and not alike(change.old, change.new):
        yield Fault("", FORBIDDEN, "field is immutable when `immutable` is set")


def cluster_ip(change: Change) -> Iterator[Fault]:
    """Yield that a Service would be found elsewhere; it may be given a place."""
    if change.old and change.old != change.new:
        yield Fault("s[0]", INVALID, "may not change once set")


# --- A pod ------------------------------------------------------------------------

_NOTHING_ELSE: Final = "pod updates may not change fields other than some"

# What of a pod may change in some way; each has a check of its own.
_PARTS: Final = ("activeDeadlineSeconds", "tolerations", "schedulingGates")


def pod_spec(change: Change) -> Iterator[Fault]:
    """Yield what changed of a pod that may not."""
    old, new = mapping(change.old), mapping(change.new)
    if alike(old, new):
        return
    kept = {k: v for k, v in new.items() if k not in _PARTS}
    kept |= {key: old[key] for key in _PARTS if key in old}
    for part in ("containers", "initContainers"):
        before, after = mappings(old.get(part)), mappings(new.get(part))
        if len(before) != len(after):
            yield Fault(f".{part}", FORBIDDEN, "pods may not gain or lose containers")
            return
        if after:
            pairs = zip(before, after, strict=True)
            kept[part] = [{**b, "image": a.get("image")} for a, b in pairs]
    faults = list(_shorter(old, new))
    yield from faults
    if any(fault.words != _GONE for fault in faults):
        return
    yield from _tolerations(old, new)
    yield from _gates(old, new)
    if old.get("schedulingGates"):
        yield from _selector(old, new)
        kept["nodeSelector"] = old.get("nodeSelector")
        kept["affinity"] = _with_node_affinity(kept, old)
    if not alike(kept, old):
        yield Fault("", FORBIDDEN, _NOTHING_ELSE)


_GONE: Final = "must not update from a positive integer to nil value"


def _shorter(old: Manifest, new: Manifest) -> Iterator[Fault]:
    was, at = old.get("activeDeadlineSeconds"), ".activeDeadlineSeconds"
    seconds = new.get("activeDeadlineSeconds")
    if seconds is None and was is not None:
        yield Fault(at, INVALID, _GONE)
    elif isinstance(seconds, int) and not 0 <= seconds < 2**31:
        yield Fault(at, INVALID, "must be between 0 and 2147483647")
    elif isinstance(seconds, int) and isinstance(was, int) and seconds > was:
        yield Fault(at, INVALID, "must be less than or equal to previous value")


def _tolerations(old: Manifest, new: Manifest) -> Iterator[Fault]:
    def told(entry: Manifest) -> Manifest:
        return {k: v for k, v in entry.items() if k != "tolerationSeconds"}

    after = [told(entry) for entry in mappings(new.get("tolerations"))]
    if any(told(e) not in after for e in mappings(old.get("tolerations"))):
        words = "existing toleration can not be modified except its tolerationSeconds"
        yield Fault(".tolerations", FORBIDDEN, words)


def _gates(old: Manifest, new: Manifest) -> Iterator[Fault]:
    known = [gate.get("name") for gate in mappings(old.get("schedulingGates"))]
    for index, gate in enumerate(mappings(new.get("schedulingGates"))):
        if gate.get("name") not in known:
            at = f".schedulingGates[{index}].name"
            yield Fault(at, FORBIDDEN, "only deletion is allowed")


def _selector(old: Manifest, new: Manifest) -> Iterator[Fault]:
    was, now = mapping(old.get("nodeSelector")), mapping(new.get("nodeSelector"))
    if not was.items() <= now.items():
        words = "only additions are allowed (no mutations or deletions)"
        yield Fault(".nodeSelector", INVALID, words)


def _with_node_affinity(spec: Manifest, other: Manifest) -> Manifest:
    """Return the affinity of a pod with what another says of nodes."""
    given = mapping(other.get("affinity")).get("nodeAffinity")
    return {**mapping(spec.get("affinity")), "nodeAffinity": given}


# --- A Job ------------------------------------------------------------------------


def _spec(job: Manifest) -> Manifest:
    return mapping(job.get("spec"))


def completions(change: Change) -> Iterator[Fault]:
    """Yield that a Job is to come to more than it was made for."""
    spec = _spec(change.after)
    if spec.get("completionMode") != "Indexed":
        yield from fixed(change)
    elif change.new not in (None, change.old, spec.get("parallelism")):
        yield Fault("", INVALID, "can only be modified in tandem with parallelism")


def _is_open(job: Manifest, *, again: bool) -> bool:
    """Tell whether a Job is suspended, and nothing was ever made of its template.

    Since Kubernetes 1.36 it counts as well that nothing is left of what was made.
    """
    at = Standing(job)
    rests = not at.said("startTime") or (again and at.true("Suspended"))
    idle = not (again and at.count("active"))
    return _spec(job).get("suspend") is True and rests and idle


_SCHEDULING: Final = ("nodeSelector", "tolerations", "schedulingGates")


def job_template(change: Change, *, again: bool = False) -> Iterator[Fault]:
    """Yield that a template changed of which pods may be, or more of it than may."""
    old, new = mapping(change.old), mapping(change.new)
    is_open = _is_open(change.before, again=again)
    spec = mapping(old.get("spec"))
    if is_open:
        asked = mapping(new.get("spec"))
        kept = {k: v for k, v in spec.items() if k not in _SCHEDULING}
        kept |= {key: asked[key] for key in _SCHEDULING if key in asked}
        kept["affinity"] = _with_node_affinity(spec, asked)
        given = mapping(new.get("metadata"))
        told = {key: given.get(key) for key in ("labels", "annotations")}
        old = {**old, "metadata": {**mapping(old.get("metadata")), **told}}
        old = {**old, "spec": kept}
    if not (again and is_open):
        if not alike(old, new):
            yield Fault("", INVALID, _IMMUTABLE)
    elif not alike(_with_resources(old["spec"], new["spec"]), new["spec"]):
        yield Fault(".spec", INVALID, _IMMUTABLE)


def job_template_again(change: Change) -> Iterator[Fault]:
    """Yield the same, where a Job that rests may change once more."""
    return job_template(change, again=True)


def _with_resources(old: Manifest, new: Manifest) -> Manifest:
    """Return a pod spec whose containers ask for what those of another ask for."""
    found = dict(old)
    for part in ("containers", "initContainers"):
        before, after = mappings(old.get(part)), mappings(new.get(part))
        if len(before) == len(after):
            pairs = zip(before, after, strict=True)
            found[part] = [
                {**b, "resources": a.get("resources")}
                if a.get("name") == b.get("name")
                else b
                for b, a in pairs
            ]
    return found
