# SPDX-License-Identifier: Apache-2.0
"""Whether the model allows what was written on a real control plane, write by write.

The model's Job controller is taken as an automaton that decides by a view and acts on
what is there. A view is a Job as it once was and pods as they once were, and it never
goes back. Kept is the set of views by which all that the controller wrote so far can be
explained; when none is left, the real one did what the model never does. What users,
kubelets and the API server wrote is taken as given.

A controller may gather several steps of the model into one write; it may never show the
effect of a later step before that of an earlier one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.cluster import Cluster, is_terminating, owner_uids
from mpijob_operator.simulation.deeds import Deed, Program
from mpijob_operator.simulation.garbage_collector import collector
from mpijob_operator.simulation.job_controller import View as JobView
from mpijob_operator.simulation.job_controller import job_controller, pod_of
from tests.traces.moments import (
    Log,
    Shape,
    View,
    Watched,
    cluster_of,
    held,
    passes,
    shape,
)
from tests.traces.outcome import Outcome
from tests.traces.recorder import Written

Json = dict[str, Any]
Objects = Mapping[Ref, Json]
# Steps of the model in one write: a pod counted, the intention, the counts, the end.
STEPS_MAX: Final = 8


@frozen
class Controllers:
    """The programs that are tried: the shipped ones, or some with a mistake."""

    job: Program = job_controller
    garbage: Program = collector


@frozen
class Verdict:
    """How much of a log was explained, and how."""

    ways: Counter[str]
    # Empty where all was; else what was written, and what the model would have.
    story: str = ""


# --- The automaton --------------------------------------------------------------------


@define
class Automaton:
    """Reads a log, and keeps the views that explain it so far."""

    outcome: Outcome
    controllers: Controllers = Controllers()
    log: Log = field(init=False)
    views: set[View] = field(factory=lambda: {(0, 0)}, init=False)
    ways: Counter[str] = field(factory=Counter[str], init=False)

    def __attrs_post_init__(self) -> None:
        self.log = Log(self.outcome.log)

    @property
    def uid(self) -> str:
        """The uid of the Job."""
        return next(
            str(each.value["metadata"]["uid"])
            for each in self.outcome.log
            if each.kind == "Job"
        )

    def verdict(self) -> Verdict:
        """Read all of it."""
        for number, each in enumerate(self.outcome.log):
            way = self._explained(number, each)
            if way is None:
                return Verdict(self.ways, self._story(number))
            self.ways[way] += 1
        return Verdict(self.ways, self._unrest())

    def _explained(self, number: int, each: Written) -> str | None:
        """Return how the model comes to a write, None where it does not."""
        before, after = self.log.moment(number), self.log.moment(number + 1)
        target = shape(after, self.uid)
        if shape(before, self.uid).is_like(target):
            return "nothing that is compared"
        now = self.log.now[number]
        for pods in range(now[1], -1, -1):
            if self._by_the_collector(number, number, pods, target):
                age = "what is there" if pods == now[1] else "older pods"
                return f"the garbage collector, by {age}"
        if self._is_given(each, before, after):
            return "given"
        found = {view for view in self._later(now) if self._by(view, number, target)}
        if found:
            self.views = found
            return "the Job controller, " + _age(now, found)
        if _is_removal(ref_of(each.value), before, after):
            return "given"
        owners = range(number - 1, -1, -1)
        older = ((n, pods) for n in owners for pods in (now[1], self.log.now[n][1]))
        by_owners = (self._by_the_collector(number, *view, target) for view in older)
        return "the garbage collector, by an older owner" if any(by_owners) else None

    def _is_given(self, each: Written, before: Objects, after: Objects) -> bool:
        """Tell whether a user, a kubelet or the API server wrote it."""
        ref = ref_of(each.value)
        old, new = before.get(ref), after.get(ref)
        if (each.kind, each.name) in self.outcome.deeds:
            is_now = new is None or is_terminating(new)
            if is_now and (new is None or each.kind != "Pod" or not _went(old)):
                return True
        if old is None or new is None:
            return new is not None and each.kind != "Pod"
        if each.kind == "Job":
            return bool(old["spec"] != new["spec"])
        if each.kind == "Pod":
            both = (old, new)
            told = [(v["spec"], v.get("status"), _grace(v)) for v in both]
            same = [(is_terminating(v), owner_uids(v), _held_by(v)) for v in both]
            return told[0] != told[1] and same[0] == same[1]
        return False

    def _by_the_collector(
        self, number: int, things: int, pods: int, target: Shape
    ) -> bool:
        """Tell whether the garbage collector may have written it.

        Args:
            number: Which write.
            things: After how many writes it saw what owns pods.
            pods: After how many of pods' writes it saw pods.
            target: What was there afterwards.
        """
        counted = self.log.counted[self.log.now[number][0]]
        older = held(None, list(self.log.pods[pods].values()), counted)
        # That there is no owner it asks the API server; how one was, it remembers.
        known = {**self.log.moment(number), **self.log.moment(things)}
        owners = {ref: value for ref, value in known.items() if ref.kind != "Pod"}
        for deed in self.controllers.garbage(cluster_of({**owners, **older})):
            for met in self._met(number):
                world = cluster_of(met)
                if deed.ref in met:
                    deed.perform(world)
                if passes(world, self.uid, target):
                    return True
        return False

    def _met(self, number: int) -> Iterator[Objects]:
        """Yield what a write may have met: what is there, or a pod not yet bound.

        The API server chooses the grace of a deletion by the pod that it reads first.
        One that is bound before the deletion is written goes without any, all the same.
        """
        before = self.log.moment(number)
        yield before
        for ref, pod in before.items():
            if ref.kind == "Pod" and _is_bound(pod) and not is_terminating(pod):
                log = self.outcome.log[:number]
                known = [w.value for w in log if (w.kind, w.name) == ("Pod", ref.name)]
                if not all(map(_is_bound, known[-2:])):
                    yield {**before, ref: _unbound(pod)}

    def _later(self, now: View) -> Iterator[View]:
        """Yield each view that is not older than all that are possible."""
        for job in range(min(view[0] for view in self.views), now[0] + 1):
            for pods in range(min(view[1] for view in self.views), now[1] + 1):
                if any(job >= view[0] and pods >= view[1] for view in self.views):
                    yield job, pods

    def _by(self, view: View, number: int, target: Shape) -> bool:
        """Tell whether who has that view may come to write what was written."""
        may_write = view[0] == self.log.now[number][0]
        seen = cluster_of(self.log.seen(view))
        runs = (
            Run(self.controllers.job, self.uid, target, may_write=may_write).reaches(
                seen, cluster_of(met)
            )
            for met in self._met(number)
        )
        return any(runs)

    def _unrest(self) -> str:
        """Say what the model would go on to do where the real one rests."""
        end = cluster_of(self.log.moment(len(self.outcome.log)))
        for program in (self.controllers.job, self.controllers.garbage):
            for deed in program(end):
                after = end.copy()
                deed.perform(after)
                changed = shape(after.objects, self.uid) != shape(end.objects, self.uid)
                if changed and not _waits(deed, end):
                    what = f"{deed.who} {deed.what}"
                    return f"{self._told()}\nit rests, and in memory: {what}"
        return ""

    # --- What is told ---------------------------------------------------------------

    def _told(self) -> str:
        return "\n".join(self._lines(len(self.outcome.log)))

    def _story(self, number: int) -> str:
        lines = [*self._lines(number + 1), "the last is not explained"]
        end = cluster_of(self.log.moment(number))
        for program in (self.controllers.job, self.controllers.garbage):
            lines += [f"in memory: {deed.who} {deed.what}" for deed in program(end)]
        return "\n".join(lines)

    def _lines(self, end: int) -> Iterator[str]:
        yield str(self.outcome.program)
        for number in range(end):
            before = shape(self.log.moment(number), self.uid)
            after = shape(self.log.moment(number + 1), self.uid)
            each = self.outcome.log[number]
            yield f"  {each.kind} {each.name}: {', '.join(_news(before, after))}"


def _grace(value: Manifest) -> object:
    return value["metadata"].get("deletionGracePeriodSeconds")


def _held_by(value: Manifest) -> list[str]:
    return sorted(map(str, value["metadata"].get("finalizers") or ()))


def _is_removal(ref: Ref, before: Objects, after: Objects) -> bool:
    """Tell whether a kubelet took away a pod that it was to end."""
    return ref.kind == "Pod" and ref not in after and _went(before.get(ref))


def _went(old: Manifest | None) -> bool:
    """Tell whether it was on its way out before."""
    return old is not None and is_terminating(old)


def _age(now: View, found: set[View]) -> str:
    if now in found:
        return "by what is there"
    return (
        "by an older Job" if all(job < now[0] for job, _ in found) else "by older pods"
    )


def _waits(deed: Deed, cluster: Cluster) -> bool:
    """Tell whether only time has to go by."""
    job = next((job for _, job in cluster.all("Job")), None)
    failed = job is not None and job["status"].get("failed", 0)
    limited = job is not None and "activeDeadlineSeconds" in job["spec"]
    timed = deed.who == "TTL controller" or (limited and "FailureTarget" in deed.what)
    return bool(timed or (failed and "makes a pod" in deed.what) or limited)


def _news(before: Shape, after: Shape) -> Iterator[str]:
    pairs = [
        (before.things.get(r), after.things.get(r))
        for r in {**before.things, **after.things}
    ]
    pairs += [
        (before.pods.get(n), after.pods.get(n)) for n in {**before.pods, **after.pods}
    ]
    for old, new in pairs:
        if old is None or new is None:
            if old is not new:
                yield "gone" if new is None else "new"
            continue
        for key in {**old, **new}:
            if old.get(key) != new.get(key):
                yield f"{key} {new.get(key)}"


# --- A run of the Job controller ------------------------------------------------------


@frozen
class Run:
    """What the model's Job controller does by a view, and what comes of it."""

    controller: Program
    uid: str
    target: Shape
    may_write: bool  # Whether the Job in the view is the newest: no write else.
    known: set[str] = field(factory=set[str])

    def reaches(self, seen: Watched, there: Watched, steps: int = STEPS_MAX) -> bool:
        """Tell whether some steps from here make of what is there what was written."""
        for deed in (*self.controller(seen), *_counting(seen)):
            view, world = seen.copy(), there.copy()
            if not self._perform(deed, view, world):
                continue
            if passes(world, self.uid, self.target):
                return True
            result = shape(world.objects, self.uid)
            key = f"{shape(view.objects, self.uid)}{result}"
            if steps and key not in self.known and self._is_on_the_way(result, there):
                self.known.add(key)
                if self.reaches(view, world, steps - 1):
                    return True
        return False

    def _perform(self, deed: Deed, view: Cluster, world: Cluster) -> bool:
        """Do it in the view and in the world; tell whether the world lets it."""
        if deed.what.startswith("makes a pod"):
            self._make(deed, view, world)
            return True
        before = shape(view.objects, self.uid).things
        deed.perform(view)
        try:
            if deed.ref in world.objects:
                deed.perform(world)
        except KeyError:
            return False  # What it is about is gone.
        return self.may_write or shape(view.objects, self.uid).things == before

    def _make(self, deed: Deed, view: Cluster, world: Cluster) -> None:
        """Make a pod; one that is there, and not in the view, is what was made."""
        known = {ref for ref, _ in view.all("Pod")}
        made = [ref for ref, _ in world.all("Pod") if ref not in known]
        if not made:
            made = [world.create(pod_of(deed.ref, view.objects[deed.ref]))]
        for ref in made:
            view.objects[ref] = _unbound(world.objects[ref])
            view.since[ref] = 0.0

    def _is_on_the_way(self, result: Shape, there: Cluster) -> bool:
        """Tell whether nothing changed but what the write is about."""
        before = shape(there.objects, self.uid)
        pods = {**result.pods, **self.target.pods}
        return all(
            result.pods.get(name) in (before.pods.get(name), self.target.pods.get(name))
            for name in pods
        ) and (result.things == before.things or before.things != self.target.things)


def _counting(seen: Cluster) -> Iterator[Deed]:
    """Yield the counts alone: all that is written while a pod it made is waited for."""
    for ref, job in seen.all("Job"):
        pods = seen.dependents(job["metadata"]["uid"])
        view = JobView(seen, ref, job, tuple(p for p in pods if p[0].kind == "Pod"))
        yield view.writes(lambda job, _: job)


def _is_bound(pod: Manifest) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _unbound(pod: Manifest) -> Json:
    """Return a pod as it was made: whoever made it has seen no more of it."""
    spec = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
    metadata = {
        k: v for k, v in pod["metadata"].items() if not k.startswith("deletion")
    }
    status = {"phase": "Pending"}
    return {**pod, "metadata": metadata, "spec": spec, "status": status}


def explained(outcome: Outcome, controllers: Controllers = Controllers()) -> Verdict:
    """Tell whether the model allows what was written."""
    return Automaton(outcome, controllers).verdict()
