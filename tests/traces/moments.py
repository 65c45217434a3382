# SPDX-License-Identifier: Apache-2.0
"""The moments of a log: what was there after each write, in truth and in memory."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.life import START
from tests.traces.forms import (
    counted_apart,
    folded,
    form_of_job,
    form_of_pod,
    is_let_go,
    let_go,
)
from tests.traces.recorder import Written

Json = dict[str, Any]
View = tuple[int, int]
"""How many writes of the Job, and how many of the pods, somebody has seen."""

# --- What is compared ---------------------------------------------------------------


@frozen
class Shape:
    """What is compared of a moment."""

    things: Mapping[Ref, Json]  # By where they are.
    pods: Mapping[str, Json]  # By their names.

    def is_like(self, other: "Shape") -> bool:
        """Tell whether it is the other, but for the names of pods made since."""
        if self.things != other.things:
            return False
        both = self.pods.keys() & other.pods.keys()
        if any(self.pods[name] != other.pods[name] for name in both):
            return False
        mine, others = (
            [p for n, p in s.pods.items() if n not in both] for s in (self, other)
        )
        return sorted(mine, key=str) == sorted(others, key=str)


def shape(objects: Mapping[Ref, Manifest], uid: str) -> Shape:
    """Return what is compared of what is there."""
    things: dict[Ref, Json] = {}
    pods: dict[str, Json] = {}
    for ref, value in objects.items():
        if ref.kind == "Pod":
            pods[ref.name] = form_of_pod(value, uid)
        elif ref.kind == "Job":
            things[ref] = form_of_job(value)
        else:
            kept = ("deletionTimestamp", "finalizers")
            things[ref] = {k: v for k, v in value["metadata"].items() if k in kept}
    return Shape(things, pods)


def held(
    job: Json | None, others: list[Json], counted: Collection[object] = ()
) -> dict[Ref, Json]:
    """Return objects as the model has them: what is counted is counted for good.

    Args:
        job: The Job, None where there is none.
        others: All else.
        counted: The uids of pods that the Job counted, which may be gone by now.
    """
    pods = [let_go(each, counted) for each in others if each["kind"] == "Pod"]
    rest = [value for value in others if value["kind"] != "Pod"]
    if job is not None:
        job, pods = folded(job, pods)
        rest.append(job)
    there = (*rest, *(pod for pod in pods if not is_let_go(pod)))
    return {ref_of(value): value for value in there}


class Watched(Cluster):
    """A cluster that keeps what it was after each write."""

    def __init__(self) -> None:
        super().__init__(START)
        self.moments: list[dict[Ref, Manifest]] = []

    def _put(self, ref: Ref, value: Manifest) -> None:
        super()._put(ref, value)
        self.moments.append(self.objects.copy())

    def _remove(self, ref: Ref) -> None:
        super()._remove(ref)
        self.moments.append(self.objects.copy())

    def copy(self) -> "Watched":
        """Return another that is the same, with nothing written yet."""
        copy = Watched()
        copy.restore(self.snapshot())
        return copy


def cluster_of(objects: Mapping[Ref, Manifest]) -> Watched:
    """Return a cluster in memory that holds these objects."""
    cluster = Watched()
    cluster.objects = dict(objects)
    cluster.since = dict.fromkeys(objects, 0.0)
    cluster.revision = _LATE
    cluster.serial = _LATE
    return cluster


# Later than whatever was written.
_LATE: Final = 10**9


# --- The log ------------------------------------------------------------------------


@define
class Log:
    """What was written for one program, and what was there after each write."""

    written: tuple[Written, ...]
    jobs: list[Json | None] = field(factory=lambda: [None])  # By how many were seen.
    pods: list[dict[str, Json]] = field(factory=lambda: [{}])
    now: list[View] = field(factory=lambda: [(0, 0)])
    others: list[dict[str, Json]] = field(factory=lambda: [{}])
    counted: list[frozenset[object]] = field(factory=lambda: [frozenset[object]()])

    def __attrs_post_init__(self) -> None:
        for each in self.written:
            job, pods = self.now[-1]
            others = dict(self.others[-1])
            if each.kind == "Job":
                self.jobs.append(None if each.gone else each.value)
                self.counted.append(self.counted[-1] | counted_apart(each.value))
                job += 1
            elif each.kind == "Pod":
                self.pods.append(_after(self.pods[-1], each))
                pods += 1
            else:
                others = _after(others, each)
            self.now.append((job, pods))
            self.others.append(others)

    def moment(self, number: int) -> dict[Ref, Json]:
        """Return what was there after so many writes."""
        job, pods = self.now[number]
        everything = [*self.pods[pods].values(), *self.others[number].values()]
        return held(self.jobs[job], everything, self.counted[job])

    def seen(self, view: View) -> dict[Ref, Json]:
        """Return what somebody takes to be there who has seen so much.

        Whoever was told that a pod goes, and not yet that it is gone, counts it.
        """
        job, pods = view
        going = filter(is_let_go, self.pods[pods].values())
        found = list(self.pods[pods].values())
        there = held(self.jobs[job], found, self.counted[job])
        return {**there, **{ref_of(pod): pod for pod in going}}


def _after(there: dict[str, Json], each: Written) -> dict[str, Json]:
    kept = {name: value for name, value in there.items() if name != each.name}
    return kept if each.gone else {**kept, each.name: each.value}


def passes(cluster: Watched, uid: str, target: Shape) -> bool:
    """Tell whether a cluster was, after one of its writes, what is asked for."""
    moments = (shape(_held(moment), uid) for moment in cluster.moments)
    return any(moment.is_like(target) for moment in moments)


def _held(objects: Mapping[Ref, Manifest]) -> dict[Ref, Manifest]:
    return {ref: value for ref, value in objects.items() if not is_let_go(value)}
